//! Which table or stream a request names: a plain name of the caller's realm, or an ARN.

use std::borrow::Cow;

use super::constraints::Constraints;
use crate::error::Error;
use crate::store::Realm;

/// A table as a request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName<'a> {
    /// The caller's realm, or the one its ARN names.
    pub realm: Cow<'a, Realm>,
    pub name: &'a str,
    /// As given: what answers call the table.
    pub given: &'a str,
}

impl<'a> TableName<'a> {
    /// The table of a request that names one, and has nothing else that could be wrong.
    pub fn alone(realm: &'a Realm, given: &'a Option<String>) -> Result<Self, Error> {
        let mut constraints = Constraints::new();
        let text = constraints.table("tableName", given);
        Self::parse(realm, constraints.finish(text)?)
    }

    /// `text` has passed its constraints: it is a valid name or begins with `arn:`.
    pub fn parse(realm: &'a Realm, text: &'a str) -> Result<Self, Error> {
        if !text.starts_with("arn:") {
            return Ok(Self { realm: Cow::Borrowed(realm), name: text, given: text });
        }
        let (arn_realm, resource) = split_arn(text).ok_or_else(|| invalid_arn("table", text))?;
        let name =
            resource.strip_prefix("table/").filter(|name| is_name(name)).ok_or_else(|| invalid_arn("table", text))?;
        let realm = same_region(realm, arn_realm, text)?;
        Ok(Self { realm, name, given: text })
    }
}

/// A stream as its ARN names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamName<'a> {
    pub realm: Cow<'a, Realm>,
    pub table_name: &'a str,
    pub label: &'a str,
}

impl<'a> StreamName<'a> {
    pub fn parse(realm: &'a Realm, text: &'a str) -> Result<Self, Error> {
        let invalid = || Error::validation("Invalid StreamArn");
        let (arn_realm, resource) = split_arn(text).ok_or_else(invalid)?;
        let rest = resource.strip_prefix("table/").ok_or_else(invalid)?;
        let (table_name, label) = rest.split_once("/stream/").ok_or_else(invalid)?;
        if !is_name(table_name) || label.is_empty() || label.contains('/') {
            return Err(invalid());
        }
        let realm = same_region(realm, arn_realm, text)?;
        Ok(Self { realm, table_name, label })
    }
}

/// A resource as operations on policies and tags name it: always by its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceArn<'a> {
    pub realm: Realm,
    pub table: &'a str,
    pub kind: ResourceKind<'a>,
    pub arn: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind<'a> {
    Table,
    /// By its label.
    Stream(&'a str),
}

impl<'a> ResourceArn<'a> {
    /// Messages as measured on AWS (ack-api-quirks, findings DDB-TABLE-212 and DDB-BACKUP-013, October 2026).
    pub fn parse(arn: &'a str) -> Result<Self, Error> {
        let invalid =
            |text: String| Err(Error::Validation(format!("One or more parameter values were invalid: {text}")));
        if !arn.starts_with("arn:") {
            return invalid(format!("ARNs must start with 'arn:': {arn}"));
        }
        let no_resource = || invalid(format!("Provided Arn is not a DynamoDB resource arn: {arn}"));
        let Some((realm, resource)) = split_arn_of_any_partition(arn) else { return no_resource() };
        let Some(rest) = resource.strip_prefix("table/") else { return no_resource() };
        let (table, below) = rest.split_once('/').map_or((rest, None), |(table, below)| (table, Some(below)));
        if !is_name(table) {
            return no_resource();
        }
        let kind = match below.and_then(|below| below.split_once('/')) {
            None if below.is_none() => ResourceKind::Table,
            Some(("stream", label)) if !label.is_empty() && !label.contains('/') => ResourceKind::Stream(label),
            Some(("index", _)) => {
                return invalid(format!(
                    "Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {arn}"
                ));
            }
            _ => return no_resource(),
        };
        Ok(Self { realm, table, kind, arn })
    }

    /// Whether it lies where `realm` does: in its region, and in a partition that has that region.
    pub fn is_local(&self, realm: &Realm) -> bool {
        self.realm.region == realm.region && self.arn.split(':').nth(1) == Some(realm.partition())
    }
}

/// The realm and the resource part of a DynamoDB ARN.
fn split_arn(text: &str) -> Option<(Realm, &str)> {
    let (realm, resource) = split_arn_of_any_partition(text)?;
    (text.split(':').nth(1) == Some(realm.partition())).then_some((realm, resource))
}

fn split_arn_of_any_partition(text: &str) -> Option<(Realm, &str)> {
    let mut parts = text.splitn(6, ':');
    let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let realm = Realm { account: account.to_owned(), region: region.to_owned() };
    let account_is_valid = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_dynamodb = arn == "arn" && service == "dynamodb" && !partition.is_empty();
    (is_dynamodb && account_is_valid && !region.is_empty()).then_some((realm, resource))
}

/// DynamoDB serves an ARN only in its own region.
fn same_region<'a>(own: &'a Realm, named: Realm, text: &str) -> Result<Cow<'a, Realm>, Error> {
    if named == *own {
        Ok(Cow::Borrowed(own))
    } else if named.region == own.region {
        Ok(Cow::Owned(named))
    } else {
        Err(Error::Validation(format!("Invalid Arn: {text} lies in another region than this request: {}", own.region)))
    }
}

fn is_name(text: &str) -> bool {
    (3..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn invalid_arn(kind: &str, text: &str) -> Error {
    Error::Validation(format!("Invalid {kind} ARN: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm() -> Realm {
        Realm { account: "123456789012".to_owned(), region: "us-east-1".to_owned() }
    }

    #[test]
    fn a_plain_name_lies_in_the_callers_realm() -> Result<(), Error> {
        let realm = realm();
        let table = TableName::parse(&realm, "orders")?;
        assert_eq!((table.name, table.realm.as_ref()), ("orders", &realm));
        Ok(())
    }

    #[test]
    fn an_arn_names_realm_and_table() -> Result<(), Error> {
        let realm = realm();
        let own = TableName::parse(&realm, "arn:aws:dynamodb:us-east-1:123456789012:table/orders")?;
        assert!(matches!(own.realm, Cow::Borrowed(_)));
        let other = TableName::parse(&realm, "arn:aws:dynamodb:us-east-1:000000000001:table/orders")?;
        assert_eq!((other.name, other.realm.account.as_str()), ("orders", "000000000001"));
        Ok(())
    }

    #[test]
    fn a_foreign_region_or_a_broken_arn_is_an_error() {
        let realm = realm();
        for text in [
            "arn:aws:dynamodb:eu-west-1:123456789012:table/orders",
            "arn:aws:s3:us-east-1:123456789012:table/orders",
            "arn:aws:dynamodb:us-east-1:12:table/orders",
            "arn:aws:dynamodb:us-east-1:123456789012:table/o",
            "arn:aws:dynamodb:us-east-1:123456789012:table/orders/index/x",
            "arn:",
        ] {
            assert!(TableName::parse(&realm, text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_resource_is_a_table_or_a_stream() -> Result<(), Error> {
        let realm = realm();
        let (table, stream) = (realm.table_arn("orders"), realm.stream_arn("orders", "label"));
        let parsed = ResourceArn::parse(&table)?;
        assert_eq!((parsed.table, parsed.kind, parsed.is_local(&realm)), ("orders", ResourceKind::Table, true));
        assert_eq!(ResourceArn::parse(&stream)?.kind, ResourceKind::Stream("label"));
        assert!(!ResourceArn::parse(&table.replace("us-east-1", "us-west-2"))?.is_local(&realm));
        assert!(!ResourceArn::parse(&table.replace("aws", "aws-cn"))?.is_local(&realm));
        for text in [
            "orders".to_owned(),
            format!("{table}/index/x"),
            format!("{table}/backup/1"),
            format!("{table}/stream/"),
            format!("{table}/stream"),
            table.replace("dynamodb", "s3"),
        ] {
            assert!(ResourceArn::parse(&text).is_err(), "{text}");
        }
        Ok(())
    }

    #[test]
    fn a_stream_arn_names_table_and_label() -> Result<(), Error> {
        let realm = realm();
        let arn = realm.stream_arn("orders", "2026-01-01T00:00:00.000");
        let stream = StreamName::parse(&realm, &arn)?;
        assert_eq!((stream.table_name, stream.label), ("orders", "2026-01-01T00:00:00.000"));
        assert!(StreamName::parse(&realm, &realm.table_arn("orders")).is_err());
        Ok(())
    }
}
