//! ExpressionAttributeNames and ExpressionAttributeValues of one request, and which of them its expressions used.
//!
//! All expressions of a request share one `Substitutions`, because a placeholder must be used by one of them, not by
//! each.

use std::collections::BTreeMap;

use super::token::is_word_byte;
use crate::error::Error;
use crate::item::{AttributeValue, Invalid, Item, check_name};

// AWS documents both limits of expressions ("Service, account, and table quotas", expression parameters); the wording of their
// errors is ours.
/// Longest placeholder, in bytes, its sigil included.
const MAX_KEY: usize = 255;
/// Most bytes that the placeholders of a request stand for.
const MAX_SIZE: usize = 2 * 1024 * 1024;

#[derive(Debug)]
struct Placeholder<'a, T: ?Sized> {
    key: &'a str,
    stands_for: &'a T,
    used: bool,
}

/// The placeholders of one request.
#[derive(Debug, Default)]
pub struct Substitutions<'a> {
    /// Both sorted by key.
    names: Vec<Placeholder<'a, str>>,
    values: Vec<Placeholder<'a, AttributeValue>>,
}

impl<'a> Substitutions<'a> {
    /// Checks the placeholders themselves: their syntax, and that a given map is not empty. `values` has the
    /// placeholders with their colons as attribute names.
    pub fn new(names: Option<&'a BTreeMap<String, String>>, values: Option<&'a Item>) -> Result<Self, Error> {
        let mut substitutions = Self::default();
        if let Some(names) = names {
            check_keys("ExpressionAttributeNames", '#', names.keys().map(String::as_str))?;
            for (key, name) in names {
                if name.is_empty() {
                    return Err(Error::validation(format!(
                        "ExpressionAttributeNames contains invalid value: Empty attribute name for key {key}"
                    )));
                }
                if let Err(Invalid(message)) = check_name(name) {
                    return Err(Error::Validation(format!(
                        "ExpressionAttributeNames contains invalid value: {message} for key {key}"
                    )));
                }
                substitutions.names.push(Placeholder { key, stands_for: name.as_str(), used: false });
            }
        }
        if let Some(values) = values {
            check_keys("ExpressionAttributeValues", ':', values.iter().map(|(key, _)| key.as_str()))?;
            substitutions.values =
                values.iter().map(|(key, stands_for)| Placeholder { key, stands_for, used: false }).collect();
        }
        if substitutions.size() > MAX_SIZE {
            return Err(Error::validation(format!(
                "The names and values that placeholders stand for are larger than {MAX_SIZE} bytes"
            )));
        }
        Ok(substitutions)
    }

    /// Bytes of what placeholders stand for.
    fn size(&self) -> usize {
        let names: usize = self.names.iter().map(|placeholder| placeholder.stands_for.len()).sum();
        let values: usize = self.values.iter().map(|placeholder| placeholder.stands_for.size()).sum();
        names + values
    }

    /// What DynamoDB says when placeholders come with a request that has no expression. `absent` names the expression
    /// parameters it could have had: `["FilterExpression", "KeyConditionExpression"]`.
    pub fn refuse_without_expression(
        names: Option<&BTreeMap<String, String>>,
        values: Option<&Item>,
        absent: &[&str],
    ) -> Result<(), Error> {
        if names.is_some() {
            return Err(Error::validation("ExpressionAttributeNames can only be specified when using expressions"));
        }
        if values.is_some() {
            let verb = if absent.len() == 1 { "is" } else { "are" };
            return Err(Error::validation(format!(
                "ExpressionAttributeValues can only be specified when using expressions: {} {verb} null",
                absent.join(" and ")
            )));
        }
        Ok(())
    }

    /// To be called when every expression of the request is parsed: each placeholder must have been used.
    pub fn finish(self) -> Result<(), Error> {
        all_used("ExpressionAttributeNames", &self.names)?;
        all_used("ExpressionAttributeValues", &self.values)
    }

    /// The attribute name that `key` (`#a`) stands for; marks it as used.
    pub(super) fn name(&mut self, key: &str) -> Option<&'a str> {
        lookup(&mut self.names, key)
    }

    /// The value that `key` (`:a`) stands for; marks it as used.
    pub(super) fn value(&mut self, key: &str) -> Option<&'a AttributeValue> {
        lookup(&mut self.values, key)
    }
}

fn lookup<'a, T: ?Sized>(placeholders: &mut [Placeholder<'a, T>], key: &str) -> Option<&'a T> {
    let at = placeholders.binary_search_by(|placeholder| placeholder.key.cmp(key)).ok()?;
    let placeholder = placeholders.get_mut(at)?;
    placeholder.used = true;
    Some(placeholder.stands_for)
}

fn check_keys<'k>(parameter: &str, sigil: char, keys: impl Iterator<Item = &'k str>) -> Result<(), Error> {
    let mut empty = true;
    for key in keys {
        empty = false;
        let well_formed =
            key.strip_prefix(sigil).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_word_byte));
        if !well_formed {
            return Err(Error::validation(format!("{parameter} contains invalid key: Syntax error; key: \"{key}\"")));
        }
        if key.len() > MAX_KEY {
            return Err(Error::validation(format!(
                "{parameter} contains invalid key: The key is longer than {MAX_KEY} bytes; key: \"{key}\""
            )));
        }
    }
    if empty { Err(Error::validation(format!("{parameter} must not be empty"))) } else { Ok(()) }
}

fn all_used<T: ?Sized>(parameter: &str, placeholders: &[Placeholder<'_, T>]) -> Result<(), Error> {
    let unused: Vec<&str> =
        placeholders.iter().filter(|placeholder| !placeholder.used).map(|placeholder| placeholder.key).collect();
    if unused.is_empty() {
        return Ok(());
    }
    Err(Error::validation(format!(
        "Value provided in {parameter} unused in expressions: keys: {{{}}}",
        unused.join(", ")
    )))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    fn names(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, name)| ((*key).to_owned(), (*name).to_owned())).collect()
    }

    fn values(keys: &[&str]) -> Item {
        keys.iter().map(|key| ((*key).into(), AttributeValue::Null)).collect()
    }

    #[test]
    fn malformed_and_empty_maps_are_refused() {
        let message = |names: Option<&BTreeMap<String, String>>, values: Option<&Item>| {
            Substitutions::new(names, values).unwrap_err().to_string()
        };
        assert_eq!(message(Some(&names(&[])), None), "ExpressionAttributeNames must not be empty");
        assert_eq!(message(None, Some(&values(&[]))), "ExpressionAttributeValues must not be empty");
        for key in ["a", "#", "#a-b", "#é", "", ":a"] {
            assert_eq!(
                message(Some(&names(&[(key, "x")])), None),
                format!("ExpressionAttributeNames contains invalid key: Syntax error; key: \"{key}\"")
            );
        }
        assert_eq!(
            message(None, Some(&values(&["a"]))),
            "ExpressionAttributeValues contains invalid key: Syntax error; key: \"a\""
        );
    }

    #[test]
    fn placeholders_and_what_they_stand_for_have_limits() {
        let error = |names: &[(&str, &str)], item: Item| {
            let names = (!names.is_empty()).then(|| self::names(names));
            Substitutions::new(names.as_ref(), (!item.is_empty()).then_some(&item)).err().map(|error| error.to_string())
        };
        let (fits, longer) = ("#".to_owned() + &"b".repeat(254), "#".to_owned() + &"b".repeat(255));
        assert_eq!(error(&[(&fits, "x")], Item::new()), None);
        assert!(error(&[(&longer, "x")], Item::new()).unwrap().contains("longer than 255 bytes"));
        let (fits, longer) = ("n".repeat(65_535), "n".repeat(65_536));
        assert_eq!(error(&[("#a", &fits)], Item::new()), None);
        assert!(error(&[("#a", &longer)], Item::new()).unwrap().ends_with("65535 bytes for key #a"));
        let value = |length: usize| [(":v".into(), AttributeValue::S("x".repeat(length)))].into_iter().collect();
        assert_eq!(error(&[("#a", "x")], value(MAX_SIZE - 1)), None);
        assert!(error(&[("#a", "xy")], value(MAX_SIZE - 1)).unwrap().contains("larger than 2097152 bytes"));
    }

    #[test]
    fn whatever_no_expression_used_is_named_at_the_end() {
        let (names, values) = (names(&[("#a", "x"), ("#b", "y"), ("#c", "z")]), values(&[":a", ":b"]));
        let mut substitutions = Substitutions::new(Some(&names), Some(&values)).unwrap();
        assert_eq!(substitutions.name("#b"), Some("y"));
        assert_eq!(substitutions.name("#d"), None);
        assert_eq!(
            substitutions.finish().unwrap_err().to_string(),
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #c}"
        );
        let mut substitutions = Substitutions::new(None, Some(&values)).unwrap();
        substitutions.value(":b").unwrap();
        assert_eq!(
            substitutions.finish().unwrap_err().to_string(),
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:a}"
        );
    }

    #[test]
    fn placeholders_need_an_expression() {
        let (names, values) = (names(&[("#a", "x")]), values(&[":a"]));
        let message = |names, values, absent: &[&str]| {
            Substitutions::refuse_without_expression(names, values, absent).unwrap_err().to_string()
        };
        assert_eq!(
            message(Some(&names), None, &["FilterExpression"]),
            "ExpressionAttributeNames can only be specified when using expressions"
        );
        assert_eq!(
            message(None, Some(&values), &["ConditionExpression"]),
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"
        );
        assert_eq!(
            message(None, Some(&values), &["FilterExpression", "KeyConditionExpression"]),
            "ExpressionAttributeValues can only be specified when using expressions: FilterExpression and \
             KeyConditionExpression are null"
        );
    }
}
