//! The constraints of the service model: required members, lengths, ranges, patterns, enumerations.
//!
//! DynamoDB checks them before anything else and reports all that fail in one message. Members are named by their path
//! in lower camel case, list elements as `keySchema.1.member`, counted from one. A newer way of saying it, without the
//! value and with the member's own name, has reached some members; where captures of DynamoDB's answers show it
//! (paritysuite/dynamodb-conformance, captures of September 2026), it is used here: `unquoted_size`, `unquoted_least`.

use std::fmt::Display;

use crate::error::Error;

/// As many as DynamoDB reports at once.
const MOST_REPORTED: usize = 10;

/// The pattern of table and index names.
const NAME_PATTERN: &str = "[a-zA-Z0-9_.-]+";

/// The enumerations of the model, in the order in which DynamoDB lists them in its messages.
pub mod values {
    pub const RETURN_VALUES: &[&str] = &["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];
    pub const RETURN_CONSUMED_CAPACITY: &[&str] = &["INDEXES", "TOTAL", "NONE"];
    pub const RETURN_ITEM_COLLECTION_METRICS: &[&str] = &["SIZE", "NONE"];
    pub const RETURN_ON_FAILURE: &[&str] = &["ALL_OLD", "NONE"];
    pub const SELECT: &[&str] = &["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"];
    pub const CONDITIONAL_OPERATOR: &[&str] = &["OR", "AND"];
    pub const COMPARISON_OPERATOR: &[&str] = &[
        "IN",
        "NULL",
        "BETWEEN",
        "LT",
        "NOT_CONTAINS",
        "EQ",
        "GT",
        "NOT_NULL",
        "NE",
        "LE",
        "BEGINS_WITH",
        "GE",
        "CONTAINS",
    ];
    pub const ATTRIBUTE_ACTION: &[&str] = &["ADD", "DELETE", "PUT"];
    pub const ATTRIBUTE_TYPE: &[&str] = &["B", "N", "S"];
    pub const KEY_TYPE: &[&str] = &["HASH", "RANGE"];
    pub const PROJECTION_TYPE: &[&str] = &["ALL", "INCLUDE", "KEYS_ONLY"];
    pub const SEARCH_SCHEMA_ELEMENT_TYPE: &[&str] = &["HASH", "INLINE_FILTER"];
    pub const DISTANCE_FUNCTION: &[&str] = &["COSINE", "DOT_PRODUCT", "EUCLIDEAN"];
    pub const BILLING_MODE: &[&str] = &["PROVISIONED", "PAY_PER_REQUEST"];
    pub const TABLE_CLASS: &[&str] = &["STANDARD", "STANDARD_INFREQUENT_ACCESS"];
    pub const SSE_TYPE: &[&str] = &["AES256", "KMS"];
    pub const STREAM_VIEW_TYPE: &[&str] = &["OLD_IMAGE", "KEYS_ONLY", "NEW_AND_OLD_IMAGES", "NEW_IMAGE"];
    pub const SHARD_ITERATOR_TYPE: &[&str] =
        &["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"];
    /// In the model's order: DynamoDB's is not known.
    pub const BACKUP_TYPE_FILTER: &[&str] = &["USER", "SYSTEM", "AWS_BACKUP", "ALL"];
    pub const INSIGHTS_ACTION: &[&str] = &["ENABLE", "DISABLE"];
    pub const INSIGHTS_MODE: &[&str] = &["ACCESSED_AND_THROTTLED_KEYS", "THROTTLED_KEYS"];
    pub const PRECISION: &[&str] = &["MILLISECOND", "MICROSECOND"];
    pub const CONSISTENCY: &[&str] = &["EVENTUAL", "STRONG"];
    pub const DISASSOCIATION_MODE: &[&str] = &["WAIT_FOR_REPLICATION"];
    pub const SETTINGS_REPLICATION_MODE: &[&str] = &["ENABLED", "DISABLED", "ENABLED_WITH_OVERRIDES"];
    pub const INPUT_FORMAT: &[&str] = &["CSV", "DYNAMODB_JSON", "ION"];
    pub const BULK_INPUT_FORMAT: &[&str] = &["DYNAMODB_JSON", "ION"];
    pub const OUTPUT_TYPE: &[&str] = &["CONDITION_CHECK_FAILURE", "ERROR"];
    pub const PERFORMANCE_TIER: &[&str] = &["ACCELERATED", "STANDARD"];
    pub const EXPORT_FORMAT: &[&str] = &["DYNAMODB_JSON", "ION"];
    pub const EXPORT_VIEW_TYPE: &[&str] = &["NEW_AND_OLD_IMAGES", "NEW_IMAGE"];
    pub const EXPORT_TYPE: &[&str] = &["FULL_EXPORT", "INCREMENTAL_EXPORT"];
    pub const COMPRESSION: &[&str] = &["GZIP", "NONE", "ZSTD"];
    pub const SHARD_FILTER_TYPE: &[&str] = &["CHILD_SHARDS"];
}

/// What a request breaks of its model, collected.
#[derive(Debug, Default)]
pub struct Constraints {
    failures: Vec<String>,
    /// What paths begin with.
    within: &'static str,
}

impl Constraints {
    pub const fn new() -> Self {
        Self { failures: Vec::new(), within: "" }
    }

    /// Of the members of a member, which is called `within`, with its dot.
    pub const fn within(within: &'static str) -> Self {
        Self { failures: Vec::new(), within }
    }

    fn fail(&mut self, path: &str, value: &dyn Display, rule: &dyn Display) {
        if self.failures.len() < MOST_REPORTED {
            let within = self.within;
            self.failures.push(format!("Value {value} at '{within}{path}' failed to satisfy constraint: {rule}"));
        }
    }

    /// `value`, which must be there.
    pub fn required<'v, T>(&mut self, path: &str, value: &'v Option<T>) -> Option<&'v T> {
        if value.is_none() {
            self.fail(path, &"null", &"Member must not be null");
        }
        value.as_ref()
    }

    pub fn one_of(&mut self, path: &str, value: Option<&str>, allowed: &[&str]) {
        if let Some(value) = value
            && !allowed.contains(&value)
        {
            let rule = format!("Member must satisfy enum value set: [{}]", allowed.join(", "));
            self.fail(path, &Quoted(value), &rule);
        }
    }

    /// A text that the model has a pattern for; `holds` says whether it is of that form.
    pub fn pattern(&mut self, path: &str, value: &str, holds: bool, pattern: &str) {
        if !holds {
            let rule = format_args!("Member must satisfy regular expression pattern: {pattern}");
            self.fail(path, &Quoted(value), &rule);
        }
    }

    /// A text's length in characters.
    pub fn length(&mut self, path: &str, value: &str, least: usize, most: usize) {
        self.count(path, &Quoted(value), value.chars().count(), least, most);
    }

    /// A collection's number of members; `value` is how DynamoDB shows it.
    pub fn size(&mut self, path: &str, value: &dyn Display, size: usize, least: usize, most: usize) {
        self.count(path, &Quoted(value), size, least, most);
    }

    /// A collection's or text's size, said in the newer way.
    pub fn unquoted_size(&mut self, path: &str, size: usize, least: usize, most: usize) {
        let rule = if size < least {
            format!("Member must have length greater than or equal to {least}")
        } else if size > most {
            format!("Member must have length less than or equal to {most}")
        } else {
            return;
        };
        self.unquoted(path, &rule);
    }

    /// A number's lower bound, said in the newer way.
    pub fn unquoted_least(&mut self, path: &str, value: Option<i64>, least: i64) {
        if value.is_some_and(|value| value < least) {
            self.unquoted(path, &format!("Member must have value greater than or equal to {least}"));
        }
    }

    fn unquoted(&mut self, path: &str, rule: &str) {
        if self.failures.len() < MOST_REPORTED {
            let within = self.within;
            self.failures.push(format!("Value at '{within}{path}' failed to satisfy constraint: {rule}"));
        }
    }

    /// The keys of a map are names of tables, or their ARNs; `shown` is how DynamoDB shows the map.
    pub fn table_keys<'v>(&mut self, path: &str, shown: &dyn Display, mut names: impl Iterator<Item = &'v str>) {
        if names.any(|name| !name.starts_with("arn:") && (!is_name(name) || !(3..=255).contains(&name.len()))) {
            let rule = format_args!(
                "Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have \
                 length greater than or equal to 3, Member must satisfy regular expression pattern: {NAME_PATTERN}]"
            );
            self.fail(path, &Quoted(shown), &rule);
        }
    }

    /// The values of a map are collections of one to `most` members.
    pub fn value_sizes(
        &mut self,
        path: &str,
        shown: &dyn Display,
        mut sizes: impl Iterator<Item = usize>,
        most: usize,
    ) {
        if sizes.any(|size| size == 0 || size > most) {
            let rule = format_args!(
                "Map value must satisfy constraint: [Member must have length less than or equal to {most}, Member must \
                 have length greater than or equal to 1]"
            );
            self.fail(path, &Quoted(shown), &rule);
        }
    }

    pub const fn is_empty(&self) -> bool {
        self.failures.is_empty()
    }

    fn count(&mut self, path: &str, value: &dyn Display, count: usize, least: usize, most: usize) {
        if count < least {
            self.fail(path, value, &format_args!("Member must have length greater than or equal to {least}"));
        }
        if count > most {
            self.fail(path, value, &format_args!("Member must have length less than or equal to {most}"));
        }
    }

    pub fn range(&mut self, path: &str, value: Option<i64>, least: i64, most: i64) {
        let Some(value) = value else { return };
        if value < least {
            let rule = format_args!("Member must have value greater than or equal to {least}");
            self.fail(path, &Quoted(value), &rule);
        }
        if value > most {
            self.fail(path, &Quoted(value), &format_args!("Member must have value less than or equal to {most}"));
        }
    }

    /// The name of a table or an index.
    pub fn name(&mut self, path: &str, value: &str) {
        if !is_name(value) {
            let rule = format_args!("Member must satisfy regular expression pattern: {NAME_PATTERN}");
            self.fail(path, &Quoted(value), &rule);
        }
        self.length(path, value, 3, 255);
    }

    pub fn optional_name(&mut self, path: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.name(path, value);
        }
    }

    /// A table's name or its ARN, which must be there.
    pub fn table<'v>(&mut self, path: &str, value: &'v Option<String>) -> Option<&'v str> {
        let value = self.required(path, value)?;
        if value.is_empty() {
            self.unquoted_size("TableName", 0, 1, 1024);
        } else if value.starts_with("arn:") {
            self.length(path, value, 1, 1024);
        } else {
            self.name(path, value);
        }
        Some(value)
    }

    /// The required members, or the one error that tells everything that failed.
    pub fn finish<P: Present>(self, required: P) -> Result<P::Members, Error> {
        match required.present() {
            Some(members) if self.failures.is_empty() => Ok(members),
            _ => Err(self.into_error()),
        }
    }

    fn into_error(self) -> Error {
        let count = self.failures.len();
        let plural = if count == 1 { "" } else { "s" };
        Error::Validation(format!("{count} validation error{plural} detected: {}", self.failures.join("; ")))
    }
}

/// Members that may be missing, all of which [`Constraints::required`] has seen.
pub trait Present {
    type Members;
    fn present(self) -> Option<Self::Members>;
}

impl Present for () {
    type Members = ();
    fn present(self) -> Option<()> {
        Some(())
    }
}

impl<A> Present for Option<A> {
    type Members = A;
    fn present(self) -> Option<A> {
        self
    }
}

impl<A, B> Present for (Option<A>, Option<B>) {
    type Members = (A, B);
    fn present(self) -> Option<(A, B)> {
        self.0.zip(self.1)
    }
}

impl<A, B, C> Present for (Option<A>, Option<B>, Option<C>) {
    type Members = (A, B, C);
    fn present(self) -> Option<(A, B, C)> {
        Some((self.0?, self.1?, self.2?))
    }
}

/// Whether `text` has only the characters of names.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

struct Quoted<T>(T);

impl<T: Display> Display for Quoted<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "'{}'", self.0)
    }
}

/// The parameters of `operation` that were given although fdyno does not implement them.
#[cfg_attr(not(test), expect(dead_code, reason = "there are none as long as no newer model has any"))]
pub fn refuse_absent(operation: &str, given: &[(&str, bool)]) -> Result<(), Error> {
    match given.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((name, _)) => Err(Error::Validation(format!(
            "fdyno does not implement the parameter {name} of {operation} yet: the command fdyno compatibility lists what it does"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(check: impl FnOnce(&mut Constraints)) -> String {
        let mut constraints = Constraints::new();
        check(&mut constraints);
        constraints.finish(()).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn each_constraint_has_its_message() {
        let table: [(String, &str); 10] = [
            (
                message(|c| assert_eq!(c.required::<String>("tableName", &None), None)),
                "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null",
            ),
            (
                message(|c| c.name("tableName", "ab")),
                "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: \
                 Member must have length greater than or equal to 3",
            ),
            (
                message(|c| c.name("tableName", &"a".repeat(256))),
                &format!(
                    "1 validation error detected: Value '{}' at 'tableName' failed to satisfy constraint: \
                     Member must have length less than or equal to 255",
                    "a".repeat(256)
                ),
            ),
            (
                message(|c| c.name("indexName", "a!c")),
                "1 validation error detected: Value 'a!c' at 'indexName' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
            ),
            (
                message(|c| c.one_of("returnConsumedCapacity", Some("hi"), values::RETURN_CONSUMED_CAPACITY)),
                "1 validation error detected: Value 'hi' at 'returnConsumedCapacity' failed to satisfy constraint: \
                 Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
            ),
            (
                message(|c| c.range("limit", Some(0), 1, 100)),
                "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: \
                 Member must have value greater than or equal to 1",
            ),
            (
                message(|c| c.range("limit", Some(101), 1, 100)),
                "1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: \
                 Member must have value less than or equal to 100",
            ),
            (
                message(|c| c.size("keySchema", &"[]", 0, 1, 8)),
                "1 validation error detected: Value '[]' at 'keySchema' failed to satisfy constraint: \
                 Member must have length greater than or equal to 1",
            ),
            (
                message(|c| {
                    assert!(c.table("tableName", &Some("arn:aws:dynamodb:us-east-1:1:table/x".to_owned())).is_some())
                }),
                "",
            ),
            (
                message(|c| assert!(c.table("tableName", &Some(String::new())).is_some())),
                "1 validation error detected: Value at 'TableName' failed to satisfy constraint: \
                 Member must have length greater than or equal to 1",
            ),
        ];
        for (given, expected) in table {
            assert_eq!(given, expected);
        }
    }

    #[test]
    fn several_failures_are_told_in_one_message_pattern_before_length() {
        let text = message(|c| {
            c.name("tableName", "a!");
            c.one_of("select", Some("x"), values::SELECT);
        });
        assert_eq!(
            text,
            "3 validation errors detected: Value 'a!' at 'tableName' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [a-zA-Z0-9_.-]+; Value 'a!' at 'tableName' failed to satisfy constraint: Member \
             must have length greater than or equal to 3; Value 'x' at 'select' failed to satisfy constraint: Member must \
             satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]"
        );
    }

    #[test]
    fn at_most_ten_failures_are_told() {
        let text = message(|c| (0..30).for_each(|_| c.range("limit", Some(0), 1, 2)));
        assert!(text.starts_with("10 validation errors detected: "), "{text}");
    }

    #[test]
    fn an_absent_parameter_is_named() {
        let error = refuse_absent("PutItem", &[("A", false), ("Expected", true)]).err().map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some(
                "fdyno does not implement the parameter Expected of PutItem yet: the command fdyno compatibility lists what it does"
            )
        );
    }
}
