//! Tags: which are valid, and what operations on them say of a resource that is not there.
//!
//! Rules and messages as measured on AWS (the notes published as ack-api-quirks, findings DDB-TABLE-105 to 108, 372 and
//! 446, October 2026): all validation is synchronous, and one bad tag refuses the whole request. AWS keeps further tag writes
//! off for about two seconds; here a tag is there when the operation answers.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::resource::{ResourceArn, ResourceKind};
use crate::error::Error;
use crate::store::{Realm, Tags};

const MOST_TAGS: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;
/// As botocore's model has it.
const LONGEST_ARN: usize = 1283;

/// AWS gives this number to nobody: what is asked for there belongs to somebody else.
const NOBODYS_ACCOUNT: &str = "000000000000";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TagInput {
    key: Option<String>,
    value: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    pub key: String,
    pub value: String,
}

/// The ARN of a request, which must be there.
pub fn required_arn<'v>(constraints: &mut Constraints, arn: &'v Option<String>) -> Option<&'v String> {
    let arn = constraints.required("resourceArn", arn)?;
    constraints.length("resourceArn", arn, 1, LONGEST_ARN);
    Some(arn)
}

/// The table that `arn` names.
pub fn tagged_table<'a>(realm: &Realm, arn: &'a str) -> Result<ResourceArn<'a>, Error> {
    let resource = ResourceArn::parse(arn)?;
    if resource.realm.region != realm.region || resource.kind != ResourceKind::Table {
        return Err(Error::Validation(format!("Invalid TableArn: Invalid ResourceArn provided as input {arn}")));
    }
    Ok(resource)
}

/// What `operation` says of a table that is not there: nothing of what is, if it would be somebody else's.
pub fn no_such_resource(error: Error, realm: &Realm, resource: &ResourceArn<'_>, operation: &str) -> Error {
    let (arn, account) = (resource.arn, &realm.account);
    match error {
        Error::ResourceNotFound(_) if resource.realm.account != *account || account == NOBODYS_ACCOUNT => {
            Error::AccessDenied(format!(
                "User: arn:{}:iam::{account}:root is not authorized to perform: dynamodb:{operation} on resource: {arn} \
                 because no resource-based policy allows the dynamodb:{operation} action",
                realm.partition()
            ))
        }
        Error::ResourceNotFound(_) => {
            Error::ResourceNotFound(format!("Requested resource not found: ResourceArn: {arn} not found"))
        }
        error => error,
    }
}

/// The tags that a request gives.
pub fn given(tags: &[TagInput]) -> Result<Tags, Error> {
    let mut given = Tags::new();
    for tag in tags {
        let key = checked_key(tag.key.as_deref())?;
        let value = tag.value.as_deref();
        let Some(value) = value.filter(|value| value.chars().count() <= LONGEST_VALUE && value.chars().all(is_allowed))
        else {
            let value = value.unwrap_or("null");
            return Err(Error::Validation(format!("The Tag Value provided is invalid, Value: {value}")));
        };
        if given.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Error::Validation(format!(
                "Duplicate Tag Keys provided as input: Duplicate Tag Key found {key}"
            )));
        }
    }
    check_number(given.len())?;
    Ok(given)
}

pub fn checked_key(key: Option<&str>) -> Result<&str, Error> {
    let Some(key) = key else { return Err(Error::validation("The Tag Key provided is invalid, Key: null")) };
    if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
        return Err(Error::Validation(format!("Tag Key cannot be prefixed with aws:, Key: {key}")));
    }
    if key.is_empty() || key.chars().count() > LONGEST_KEY || !key.chars().all(is_allowed) {
        return Err(Error::Validation(format!("The Tag Key provided is invalid, Key: {key}")));
    }
    Ok(key)
}

pub fn check_number(number: usize) -> Result<(), Error> {
    if number > MOST_TAGS {
        return Err(Error::validation("Number of Tags exceed the current limit for the provided ResourceArn"));
    }
    Ok(())
}

/// Letters, digits and spaces of all scripts, and some punctuation.
fn is_allowed(character: char) -> bool {
    character.is_alphanumeric()
        || character.is_whitespace() && !character.is_control()
        || "+-=._:/@".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> TagInput {
        TagInput { key: Some(key.to_owned()), value: Some(value.to_owned()) }
    }

    fn refused(tags: &[TagInput]) -> String {
        given(tags).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn letters_of_all_scripts_are_taken_and_other_signs_are_not() -> Result<(), Error> {
        for text in ["sp ace", "a+b-c=d.e_f:g/h@i", "ключ", "café", "表", "\u{a0}\u{3000}", "myaws:foo"] {
            assert_eq!(given(&[tag(text, text)])?.get(text).map(String::as_str), Some(text));
        }
        for text in ["bad#char", "100%", "a,b", "a\tb", "🔑", "a*b", "<a>", "~a"] {
            assert_eq!(refused(&[tag(text, "v")]), format!("The Tag Key provided is invalid, Key: {text}"));
            assert_eq!(refused(&[tag("k", text)]), format!("The Tag Value provided is invalid, Value: {text}"));
        }
        Ok(())
    }

    #[test]
    fn lengths_prefixes_and_numbers_have_their_messages() {
        let (longest, value) = ("k".repeat(128), "v".repeat(256));
        assert_eq!(refused(&[tag(&longest, &value)]), "");
        assert!(refused(&[tag(&format!("{longest}k"), "")]).starts_with("The Tag Key provided is invalid, Key: kkk"));
        assert!(
            refused(&[tag("k", &format!("{value}v"))]).starts_with("The Tag Value provided is invalid, Value: vvv")
        );
        assert_eq!(refused(&[tag("", "v")]), "The Tag Key provided is invalid, Key: ");
        assert_eq!(refused(&[TagInput::default()]), "The Tag Key provided is invalid, Key: null");
        let keyed = TagInput { key: Some("k".to_owned()), value: None };
        assert_eq!(refused(&[keyed]), "The Tag Value provided is invalid, Value: null");
        assert_eq!(refused(&[tag("AWS:foo", "x")]), "Tag Key cannot be prefixed with aws:, Key: AWS:foo");
        let twice = "Duplicate Tag Keys provided as input: Duplicate Tag Key found a";
        assert_eq!(refused(&[tag("a", "1"), tag("a", "1")]), twice);
        let many: Vec<TagInput> = (0..51).map(|number| tag(&number.to_string(), "")).collect();
        assert_eq!(refused(&many), "Number of Tags exceed the current limit for the provided ResourceArn");
    }
}
