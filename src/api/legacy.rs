//! The parameters from before expressions: their shapes, their constraints, and their lowering onto expressions.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Deserializer;

use super::constraints::{Constraints, values};
use super::expressions::Expressions;
use crate::error::Error;
use crate::expression::{
    self, AttributeAction, AttributeUpdate, ComparisonOperator, ConditionalOperator, Constraint, KeyCondition,
    Projection, Update,
};
use crate::item::wire::ValueInput;
use crate::item::{AttributeValue, Invalid, check_name};

/// One attribute value, or the rule that it breaks.
#[derive(Clone, Debug)]
pub struct Value(Result<AttributeValue, Invalid>);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ValueInput::deserialize(deserializer).map(|value| Self(value.into_result()))
    }
}

/// An AttributeValueList, or the rule that the first broken value breaks.
#[derive(Clone, Debug)]
pub struct Values(Result<Vec<AttributeValue>, Invalid>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<Value>::deserialize(deserializer)?;
        Ok(Self(values.into_iter().map(|Value(value)| value).collect()))
    }
}

/// An entry of KeyConditions, QueryFilter or ScanFilter.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Condition {
    attribute_value_list: Option<Values>,
    comparison_operator: Option<String>,
}

/// An entry of Expected.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ExpectedAttributeValue {
    value: Option<Value>,
    exists: Option<bool>,
    comparison_operator: Option<String>,
    attribute_value_list: Option<Values>,
}

/// An entry of AttributeUpdates.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AttributeValueUpdate {
    value: Option<Value>,
    action: Option<String>,
}

/// The legacy parameters of a request. What the operation does not have stays `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Legacy<'a> {
    pub attributes_to_get: Option<&'a [String]>,
    pub expected: Option<&'a BTreeMap<String, ExpectedAttributeValue>>,
    pub attribute_updates: Option<&'a BTreeMap<String, AttributeValueUpdate>>,
    pub key_conditions: Option<&'a BTreeMap<String, Condition>>,
    pub query_filter: Option<&'a BTreeMap<String, Condition>>,
    pub scan_filter: Option<&'a BTreeMap<String, Condition>>,
    pub conditional_operator: Option<&'a str>,
}

impl Legacy<'_> {
    pub fn check(&self, constraints: &mut Constraints) {
        if let Some(names) = self.attributes_to_get {
            constraints.size("attributesToGet", &format!("[{}]", names.join(", ")), names.len(), 1, usize::MAX);
        }
        for (name, expected) in self.expected.into_iter().flatten() {
            let path = format!("expected.{name}.member.comparisonOperator");
            constraints.one_of(&path, expected.comparison_operator.as_deref(), values::COMPARISON_OPERATOR);
        }
        for (name, update) in self.attribute_updates.into_iter().flatten() {
            let path = format!("attributeUpdates.{name}.member.action");
            constraints.one_of(&path, update.action.as_deref(), values::ATTRIBUTE_ACTION);
        }
        let conditions = [
            ("keyConditions", self.key_conditions),
            ("queryFilter", self.query_filter),
            ("scanFilter", self.scan_filter),
        ];
        for (parameter, conditions) in conditions {
            for (name, condition) in conditions.into_iter().flatten() {
                let path = format!("{parameter}.{name}.member.comparisonOperator");
                let operator = constraints.required(&path, &condition.comparison_operator);
                constraints.one_of(&path, operator.map(String::as_str), values::COMPARISON_OPERATOR);
            }
        }
        constraints.one_of("conditionalOperator", self.conditional_operator, values::CONDITIONAL_OPERATOR);
    }

    /// The names of the parameters given.
    pub fn given(&self) -> Vec<&'static str> {
        let parameters = [
            ("AttributesToGet", self.attributes_to_get.is_some()),
            ("AttributeUpdates", self.attribute_updates.is_some()),
            ("Expected", self.expected.is_some()),
            ("QueryFilter", self.query_filter.is_some()),
            ("ScanFilter", self.scan_filter.is_some()),
            ("ConditionalOperator", self.conditional_operator.is_some()),
            ("KeyConditions", self.key_conditions.is_some()),
        ];
        parameters.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }

    pub fn lower(&self) -> Result<Expressions, Error> {
        let operator = self.conditional_operator.map(|operator| match operator {
            "OR" => ConditionalOperator::Or,
            _ => ConditionalOperator::And,
        });
        let mut expressions = Expressions {
            projection: self.attributes_to_get.map(projection).transpose()?,
            update: self.attribute_updates.map(update).transpose()?,
            key_condition: self.key_conditions.map(key_condition).transpose()?,
            ..Expressions::default()
        };
        let filter = self.query_filter.or(self.scan_filter);
        if let Some(conditions) = filter {
            expressions.filter = Some(expression::Condition::from_filter(&constraints_of(conditions)?, operator)?);
        } else if self.expected.is_some() || operator.is_some() {
            expressions.condition = Some(condition(self.expected, operator)?);
        }
        Ok(expressions)
    }
}

fn projection(names: &[String]) -> Result<Projection, Error> {
    for (at, name) in names.iter().enumerate() {
        if names.iter().skip(at + 1).any(|other| other == name) {
            return Err(Error::Validation(format!(
                "One or more parameter values were invalid: Duplicate value in attribute name: {name}"
            )));
        }
    }
    Ok(Projection::from_names(names.iter().map(String::as_str)))
}

fn update(updates: &BTreeMap<String, AttributeValueUpdate>) -> Result<Update, Error> {
    let mut lowered = Vec::with_capacity(updates.len());
    for (attribute, update) in updates {
        check_name(attribute)?;
        let action = match update.action.as_deref() {
            Some("ADD") => AttributeAction::Add,
            Some("DELETE") => AttributeAction::Delete,
            _ => AttributeAction::Put,
        };
        lowered.push(AttributeUpdate { attribute, action, value: value(update.value.as_ref())? });
    }
    Update::from_attribute_updates(&lowered)
}

fn key_condition(conditions: &BTreeMap<String, Condition>) -> Result<KeyCondition, Error> {
    KeyCondition::from_constraints(&constraints_of(conditions)?)
}

fn constraints_of(conditions: &BTreeMap<String, Condition>) -> Result<Vec<Constraint<'_>>, Error> {
    let mut lowered = Vec::with_capacity(conditions.len());
    for (attribute, condition) in conditions {
        check_name(attribute)?;
        let values = list(condition.attribute_value_list.as_ref())?.unwrap_or_default();
        // Constraints have made sure that there is a known operator.
        let operator = operator(condition.comparison_operator.as_deref()).unwrap_or(ComparisonOperator::Eq);
        lowered.push(Constraint { attribute, operator, values });
    }
    Ok(lowered)
}

fn condition(
    expected: Option<&BTreeMap<String, ExpectedAttributeValue>>,
    conditional_operator: Option<ConditionalOperator>,
) -> Result<expression::Condition, Error> {
    let mut lowered = Vec::new();
    for (attribute, expected) in expected.into_iter().flatten() {
        check_name(attribute)?;
        lowered.push(expression::Expected {
            attribute,
            value: value(expected.value.as_ref())?,
            exists: expected.exists,
            operator: operator(expected.comparison_operator.as_deref()),
            values: list(expected.attribute_value_list.as_ref())?,
        });
    }
    expression::Condition::from_expected(&lowered, conditional_operator)
}

fn operator(name: Option<&str>) -> Option<ComparisonOperator> {
    name.and_then(ComparisonOperator::from_name)
}

fn value(value: Option<&Value>) -> Result<Option<&AttributeValue>, Error> {
    value.map(|Value(value)| value.as_ref()).transpose().map_err(broken)
}

fn list(values: Option<&Values>) -> Result<Option<&[AttributeValue]>, Error> {
    values.map(|Values(values)| values.as_deref()).transpose().map_err(broken)
}

fn broken(Invalid(message): &Invalid) -> Error {
    Error::Validation(message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Item;

    fn conditions(text: &str) -> BTreeMap<String, Condition> {
        serde_json::from_str(text).unwrap_or_default()
    }

    #[test]
    fn a_filter_of_two_conditions_holds_when_both_do_or_either_as_asked() -> Result<(), Error> {
        let filter = conditions(
            r#"{"a": {"ComparisonOperator": "EQ", "AttributeValueList": [{"N": "1"}]},
                "b": {"ComparisonOperator": "NOT_NULL"}}"#,
        );
        let item: Item = [("a".into(), AttributeValue::N(1.into()))].into_iter().collect();
        let holds = |conditional_operator| -> Result<bool, Error> {
            let legacy = Legacy { query_filter: Some(&filter), conditional_operator, ..Legacy::default() };
            Ok(legacy.lower()?.filter.is_some_and(|filter| filter.matches(Some(&item))))
        };
        assert!(!holds(None)?);
        assert!(!holds(Some("AND"))?);
        assert!(holds(Some("OR"))?);
        Ok(())
    }

    #[test]
    fn an_unknown_operator_fails_its_constraint() {
        let filter = conditions(r#"{"a": {"ComparisonOperator": "LIKE"}}"#);
        let mut constraints = Constraints::new();
        Legacy { scan_filter: Some(&filter), ..Legacy::default() }.check(&mut constraints);
        let message = constraints.finish(()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(
            message
                .starts_with("1 validation error detected: Value 'LIKE' at 'scanFilter.a.member.comparisonOperator'")
        );
    }

    #[test]
    fn an_attribute_asked_for_twice_is_an_error() {
        let names = ["a".to_owned(), "b".to_owned(), "a".to_owned()];
        let legacy = Legacy { attributes_to_get: Some(&names), ..Legacy::default() };
        assert_eq!(
            legacy.lower().err().map(|error| error.to_string()).as_deref(),
            Some("One or more parameter values were invalid: Duplicate value in attribute name: a")
        );
    }
}
