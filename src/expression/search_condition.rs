//! Search conditions of SearchVectors: conditions on the attributes of an index's search schema, split into the partition that is
//! searched and what its items are filtered by.
//!
//! The grammar is that of conditions. The partition key takes one equality, which every item must satisfy; the other attributes take
//! comparisons, BETWEEN, IN, AND, OR, NOT and the functions `attribute_exists`, `attribute_not_exists` and `begins_with`. A
//! comparison has an attribute on its left and a value on its right. Sources: botocore's model (SearchVectors); Developer Guide,
//! "SearchConditionExpression reference for vector indexes". The messages were measured on DynamoDB in August 2026
//! (nubo-db/dynamodb-conformance, error-messages/searchVectors), when it took equality alone.

use super::condition::{Comparator, Condition, Operand, Step, Test};
use super::key_condition::KeyAttribute;
use super::{Kind, Path, Substitutions};
use crate::error::Error;
use crate::item::AttributeValue;

/// A parsed SearchConditionExpression that has not met a search schema yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchCondition(Condition);

/// What a search condition asks of an index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchRange {
    /// The value of the partition key, if the index has one.
    pub partition: Option<AttributeValue>,
    /// What the items of the partition are filtered by.
    pub filter: Option<Condition>,
}

impl SearchCondition {
    pub fn parse(text: &str, substitutions: &mut Substitutions<'_>) -> Result<Self, Error> {
        let condition = Condition::parse(Kind::SearchCondition, text, substitutions)?;
        condition.steps.iter().try_for_each(|step| if let Step::Test(test) = step { check(test) } else { Ok(()) })?;
        Ok(Self(condition))
    }

    /// Checks the condition against a search schema: its partition key, and the attributes to filter by.
    pub fn resolve(
        &self,
        partition: Option<KeyAttribute<'_>>,
        filters: &[KeyAttribute<'_>],
    ) -> Result<SearchRange, Error> {
        let mut filter = self.0.clone();
        let mut value = None;
        let mut filters_anything = false;
        for (at, step) in self.0.steps.iter().enumerate() {
            let Step::Test(test) = step else { continue };
            let Some(path) = test.paths().next() else { continue };
            let name = path.root.as_str();
            if let Some(attribute) = partition.filter(|attribute| attribute.name == name) {
                let Test::Compare(comparator, _, Operand::Value(found)) = test else { return Err(invalid_operator()) };
                if *comparator != Comparator::Equal {
                    return Err(invalid("Invalid comparator used in SearchConditionExpression"));
                }
                if value.is_some() || !self.0.needs(at) {
                    return Err(invalid_operator());
                }
                attribute.check(found)?;
                value = Some(found.clone());
                // The range that is read satisfies it.
                if let Some(step) = filter.steps.get_mut(at) {
                    *step = Step::Test(Test::Always);
                }
                continue;
            }
            let attribute = filters.iter().find(|attribute| attribute.name == name).ok_or_else(|| {
                Error::Validation(format!(
                    "SearchConditionExpression must not contain any attributes that is not in SearchSchema. Invalid \
                     attribute: {name}"
                ))
            })?;
            let values = test.operands().filter_map(|operand| match operand {
                Operand::Value(value) => Some(value),
                Operand::Path(_) | Operand::Size(_) => None,
            });
            for value in values {
                attribute.check_type(value)?;
            }
            filters_anything = true;
        }
        if partition.is_some() && value.is_none() {
            return Err(without_partition());
        }
        Ok(SearchRange { partition: value, filter: filters_anything.then_some(filter) })
    }
}

/// What DynamoDB says of a search that does not name the partition of an index which has a partition key.
pub fn without_partition() -> Error {
    Error::validation("SearchConditionExpression must be provided when SearchSchema has a HASH key")
}

impl Condition {
    /// Whether the condition can hold only if the test at a step does: it is joined to all else by AND, and not negated.
    fn needs(&self, at: usize) -> bool {
        // Nothing that holds may lead past the test.
        let is_passed =
            |(from, step): (usize, &Step)| from < at && matches!(step, Step::IfTrue(target) if *target > at);
        if self.steps.iter().enumerate().any(is_passed) {
            return false;
        }
        // If it does not hold, nothing may come but ANDs, up to the end.
        let mut next = at + 1;
        loop {
            match self.steps.get(next) {
                None => return true,
                Some(Step::UnlessTrue(target)) => next = *target,
                Some(Step::Test(_) | Step::Not | Step::IfTrue(_)) => return false,
            }
        }
    }
}

/// That a test is of a kind which searches know: of a top-level attribute and values.
fn check(test: &Test) -> Result<(), Error> {
    let mut operands = test.operands();
    match test {
        Test::Exists(path) | Test::NotExists(path) => check_path(path),
        Test::Compare(..) | Test::Between(..) | Test::In(..) | Test::BeginsWith(..) => {
            let Some(Operand::Path(path)) = operands.next() else { return Err(needs_attribute()) };
            check_path(path)?;
            if operands.all(|operand| matches!(operand, Operand::Value(_))) { Ok(()) } else { Err(needs_attribute()) }
        }
        Test::HasType(..) | Test::Contains(..) | Test::Always => Err(invalid_operator()),
    }
}

fn check_path(path: &Path) -> Result<(), Error> {
    if path.is_top_level() {
        Ok(())
    } else {
        Err(invalid("Only top-level attributes are supported in SearchConditionExpression"))
    }
}

fn needs_attribute() -> Error {
    invalid("A condition in SearchConditionExpression must compare an attribute with values")
}

fn invalid_operator() -> Error {
    invalid("Invalid operator used in SearchConditionExpression")
}

fn invalid(text: &str) -> Error {
    Error::Validation(format!("Invalid SearchConditionExpression: {text}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;
    use crate::expression::KeyType;
    use crate::item::{Item, Number};

    fn text(value: &str) -> AttributeValue {
        AttributeValue::S(value.to_owned())
    }

    fn number(value: i64) -> AttributeValue {
        AttributeValue::N(Number::from(value))
    }

    /// Of an index with the partition key `p` and the filters `f`, a text, and `n`, a number.
    fn resolve(expression: &str, has_partition: bool) -> Result<SearchRange, Error> {
        let values: Item =
            [(":a", text("a")), (":b", text("b")), (":e", text("")), (":1", number(1)), (":9", number(9))]
                .into_iter()
                .filter(|(name, _)| expression.contains(name))
                .map(|(name, value)| (name.into(), value))
                .collect();
        let mut substitutions = Substitutions::new(None, (!values.is_empty()).then_some(&values))?;
        let condition = SearchCondition::parse(expression, &mut substitutions)?;
        substitutions.finish()?;
        let attribute = |name, key_type| KeyAttribute { name, key_type };
        let partition = has_partition.then_some(attribute("p", KeyType::S));
        condition.resolve(partition, &[attribute("f", KeyType::S), attribute("n", KeyType::N)])
    }

    fn message(expression: &str) -> String {
        resolve(expression, true).unwrap_err().to_string()
    }

    #[test]
    fn the_partition_is_split_off() {
        assert_eq!(resolve("p = :a", true).unwrap(), SearchRange { partition: Some(text("a")), filter: None });
        let item = |f: &str, n: i64| -> Item { [("f".into(), text(f)), ("n".into(), number(n))].into_iter().collect() };
        for (expression, holds) in [
            ("p = :b AND f = :a", true),
            ("f = :a AND (p = :b) AND n < :9", true),
            ("(f = :b OR n BETWEEN :1 AND :9) AND p = :b", true),
            ("(p = :b AND f = :a) AND NOT n > :9", true),
            ("p = :b AND f IN (:b, :a)", true),
            ("p = :b AND begins_with(f, :a)", true),
            ("p = :b AND f <> :a", false),
            ("p = :b AND attribute_not_exists(f)", false),
            ("p = :b AND NOT (f = :a OR n = :9)", false),
        ] {
            let range = resolve(expression, true).unwrap();
            assert_eq!(range.partition, Some(text("b")), "{expression}");
            assert_eq!(range.filter.unwrap().matches(Some(&item("a", 5))), holds, "{expression}");
        }
        assert!(resolve("f = :a OR n = :1", false).unwrap().filter.is_some());
    }

    #[test]
    fn the_partition_takes_one_equality_that_all_must_satisfy() {
        let comparator = "Invalid SearchConditionExpression: Invalid comparator used in SearchConditionExpression";
        let operator = "Invalid SearchConditionExpression: Invalid operator used in SearchConditionExpression";
        for expression in ["p < :a", "p <> :a", "f = :b AND p >= :a"] {
            assert_eq!(message(expression), comparator, "{expression}");
        }
        for expression in [
            "p IN (:a, :b)",
            "p BETWEEN :a AND :b",
            "begins_with(p, :a)",
            "attribute_exists(p)",
            "p = :a OR f = :b",
            "(p = :a AND f = :b) OR f = :a",
            "f = :b OR p = :a",
            "f = :b AND (f = :a OR p = :a)",
            "NOT p = :a",
            "NOT (f = :b AND p = :a)",
            "p = :a AND p = :b",
        ] {
            assert_eq!(message(expression), operator, "{expression}");
        }
        let missing = "SearchConditionExpression must be provided when SearchSchema has a HASH key";
        assert_eq!(message("f = :a"), missing);
        assert!(message("p = :1").ends_with("Condition parameter type does not match schema type"));
        assert!(message("p = :e").ends_with("cannot contain an empty string value. Key: p"));
    }

    #[test]
    fn only_what_is_in_the_schema_can_be_asked_about() {
        assert_eq!(
            message("p = :a AND elsewhere = :b"),
            "SearchConditionExpression must not contain any attributes that is not in SearchSchema. Invalid attribute: elsewhere"
        );
        let opening = "Invalid SearchConditionExpression: ";
        for expression in ["f.g = :a", "f[0] = :a", ":a = f", "f = n", "size(f) > :1", "contains(f, :a)", "f"] {
            assert!(message(expression).starts_with(opening), "{expression}: {}", message(expression));
        }
        assert!(message("p = :a AND n = :b").ends_with("Condition parameter type does not match schema type"));
        assert_eq!(resolve("p = :a AND f = :e", true).unwrap().partition, Some(text("a")), "only keys are never empty");
    }
}
