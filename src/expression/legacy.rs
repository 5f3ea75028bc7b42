//! The parameters from before expressions, lowered onto the same parsed forms: Expected, QueryFilter, ScanFilter and
//! ConditionalOperator become a `Condition`, KeyConditions a `KeyCondition`, AttributeUpdates an `Update`.
//!
//! Attributes are always top-level here, and names are never placeholders or reserved.

use super::condition::{Comparator, Condition, Operand, Step, Test};
use super::evaluate::compare;
use super::key_condition::{KeyCondition, SortCondition, not_supported};
use super::path::Path;
use super::update::{Action, Change, Update, Value, long_name};
use crate::error::Error;
use crate::item::AttributeValue;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonOperator {
    Eq,
    Ne,
    Le,
    Lt,
    Ge,
    Gt,
    NotNull,
    Null,
    Contains,
    NotContains,
    BeginsWith,
    In,
    Between,
}

const OPERATORS: [(ComparisonOperator, &str); 13] = [
    (ComparisonOperator::Eq, "EQ"),
    (ComparisonOperator::Ne, "NE"),
    (ComparisonOperator::Le, "LE"),
    (ComparisonOperator::Lt, "LT"),
    (ComparisonOperator::Ge, "GE"),
    (ComparisonOperator::Gt, "GT"),
    (ComparisonOperator::NotNull, "NOT_NULL"),
    (ComparisonOperator::Null, "NULL"),
    (ComparisonOperator::Contains, "CONTAINS"),
    (ComparisonOperator::NotContains, "NOT_CONTAINS"),
    (ComparisonOperator::BeginsWith, "BEGINS_WITH"),
    (ComparisonOperator::In, "IN"),
    (ComparisonOperator::Between, "BETWEEN"),
];

impl ComparisonOperator {
    pub fn from_name(name: &str) -> Option<Self> {
        OPERATORS.iter().find(|(_, other)| *other == name).map(|(operator, _)| *operator)
    }

    pub fn name(self) -> &'static str {
        OPERATORS.iter().find(|(operator, _)| *operator == self).map_or("", |(_, name)| name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionalOperator {
    And,
    Or,
}

/// One entry of QueryFilter, ScanFilter or KeyConditions.
#[derive(Clone, Copy, Debug)]
pub struct Constraint<'a> {
    pub attribute: &'a str,
    pub operator: ComparisonOperator,
    /// AttributeValueList.
    pub values: &'a [AttributeValue],
}

/// One entry of Expected, as the request has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'a> {
    pub attribute: &'a str,
    pub value: Option<&'a AttributeValue>,
    pub exists: Option<bool>,
    pub operator: Option<ComparisonOperator>,
    /// AttributeValueList.
    pub values: Option<&'a [AttributeValue]>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttributeAction {
    #[default]
    Put,
    Add,
    Delete,
}

/// One entry of AttributeUpdates.
#[derive(Clone, Copy, Debug)]
pub struct AttributeUpdate<'a> {
    pub attribute: &'a str,
    pub action: AttributeAction,
    pub value: Option<&'a AttributeValue>,
}

impl<'a> Expected<'a> {
    /// The constraint that the two older ways of saying it, Value and Exists, stand for.
    ///
    /// Value beside ComparisonOperator is accepted, as DynamoDB is reported to do (2026-08-04) although its documentation
    /// says otherwise.
    fn constraint(&self) -> Result<Constraint<'a>, Error> {
        let attribute = self.attribute;
        let refuse = |what: &str| Err(invalid(&format!("{what} for Attribute: {attribute}")));
        if self.values.is_some() && self.operator.is_none() {
            return refuse("AttributeValueList can only be used with a ComparisonOperator");
        }
        if let Some(operator) = self.operator {
            if self.exists.is_some() {
                return refuse("Exists and ComparisonOperator cannot be used together");
            }
            let values = self.values.or(self.value.map(std::slice::from_ref)).unwrap_or_default();
            return Ok(Constraint { attribute, operator, values });
        }
        match (self.exists, self.value) {
            (Some(false), None) => Ok(Constraint { attribute, operator: ComparisonOperator::Null, values: &[] }),
            (Some(false), Some(_)) => refuse("Value cannot be used when Exists is false"),
            (Some(true), None) => refuse("Value must be provided when Exists is true"),
            (None, None) => refuse("Value must be provided when Exists is null"),
            (_, Some(value)) => {
                Ok(Constraint { attribute, operator: ComparisonOperator::Eq, values: std::slice::from_ref(value) })
            }
        }
    }
}

impl Constraint<'_> {
    fn check(&self) -> Result<(), Error> {
        use ComparisonOperator as C;
        let name = self.operator.name();
        let arguments = match self.operator {
            C::NotNull | C::Null => self.values.is_empty(),
            C::Between => self.values.len() == 2,
            C::In => !self.values.is_empty(),
            _ => self.values.len() == 1,
        };
        if !arguments {
            return Err(invalid(&format!("Invalid number of argument(s) for the {name} ComparisonOperator")));
        }
        if let Some((first, rest)) = self.values.split_first()
            && rest.iter().any(|value| value.type_name() != first.type_name())
        {
            return Err(invalid("AttributeValues inside AttributeValueList must all be of the same type"));
        }
        let allowed: &[&str] = match self.operator {
            C::Le | C::Lt | C::Ge | C::Gt | C::In | C::Between => &["S", "N", "B"],
            C::BeginsWith => &["S", "B"],
            C::Contains | C::NotContains => &["S", "N", "B", "BOOL", "NULL", "L", "M"],
            C::Eq | C::Ne | C::NotNull | C::Null => return Ok(()),
        };
        for value in self.values {
            if !allowed.contains(&value.type_name()) {
                let found = value.type_name();
                return Err(invalid(&format!(
                    "ComparisonOperator {name} is not valid for {found} AttributeValue type"
                )));
            }
        }
        if let (C::Between, [low, high]) = (self.operator, self.values)
            && compare(low, high).is_some_and(std::cmp::Ordering::is_gt)
        {
            return Err(Error::validation(
                "The BETWEEN condition was provided a range where the lower bound is bigger than the upper bound",
            ));
        }
        Ok(())
    }

    /// The steps of a condition that say the same, to be placed after `before` others.
    fn steps(&self, before: usize) -> Vec<Step> {
        use ComparisonOperator as C;
        let path = || Path::top_level(self.attribute);
        let own = || Operand::Path(path());
        let mut values = self.values.iter().cloned().map(Operand::Value);
        let mut next = || values.next().unwrap_or(Operand::Value(AttributeValue::Null));
        let test = match self.operator {
            C::Eq => Test::Compare(Comparator::Equal, own(), next()),
            C::Ne => Test::Compare(Comparator::NotEqual, own(), next()),
            C::Le => Test::Compare(Comparator::LessOrEqual, own(), next()),
            C::Lt => Test::Compare(Comparator::Less, own(), next()),
            C::Ge => Test::Compare(Comparator::GreaterOrEqual, own(), next()),
            C::Gt => Test::Compare(Comparator::Greater, own(), next()),
            C::NotNull => Test::Exists(path()),
            C::Null => Test::NotExists(path()),
            C::Contains => Test::Contains(own(), next()),
            C::BeginsWith => Test::BeginsWith(own(), next()),
            C::In => Test::In(own(), values.collect()),
            C::Between => Test::Between(own(), next(), next()),
            // Other than `NOT contains(…)`, false for an attribute that is not there.
            C::NotContains => {
                let contains = Test::Contains(own(), next());
                let end = before + 4;
                return vec![Step::Test(Test::Exists(path())), Step::UnlessTrue(end), Step::Test(contains), Step::Not];
            }
        };
        vec![Step::Test(test)]
    }
}

impl Condition {
    /// QueryFilter or ScanFilter, with ConditionalOperator.
    pub fn from_filter(
        constraints: &[Constraint<'_>],
        conditional_operator: Option<ConditionalOperator>,
    ) -> Result<Self, Error> {
        match (constraints.len(), conditional_operator) {
            (0, Some(_)) => {
                return Err(Error::validation("ConditionalOperator cannot be used without Filter or Expected"));
            }
            (1, Some(_)) => {
                return Err(Error::validation(
                    "ConditionalOperator can only be used when Filter or Expected has two or more elements",
                ));
            }
            _ => {}
        }
        let mut steps = Vec::with_capacity(2 * constraints.len());
        let mut jumps = Vec::with_capacity(constraints.len());
        for (at, constraint) in constraints.iter().enumerate() {
            constraint.check()?;
            if at > 0 {
                jumps.push(steps.len());
                steps.push(Step::Not);
            }
            let more = constraint.steps(steps.len());
            steps.extend(more);
        }
        let end = steps.len();
        for at in jumps {
            if let Some(step) = steps.get_mut(at) {
                *step = match conditional_operator {
                    Some(ConditionalOperator::Or) => Step::IfTrue(end),
                    Some(ConditionalOperator::And) | None => Step::UnlessTrue(end),
                };
            }
        }
        Ok(Self { steps })
    }

    /// Expected, with ConditionalOperator.
    pub fn from_expected(
        expected: &[Expected<'_>],
        conditional_operator: Option<ConditionalOperator>,
    ) -> Result<Self, Error> {
        let constraints: Vec<_> = expected.iter().map(Expected::constraint).collect::<Result<_, _>>()?;
        Self::from_filter(&constraints, conditional_operator)
    }
}

impl KeyCondition {
    /// KeyConditions. Unlike those of an expression, there are at most two.
    pub fn from_constraints(constraints: &[Constraint<'_>]) -> Result<Self, Error> {
        use ComparisonOperator as C;
        if constraints.is_empty() || constraints.len() > 2 {
            return Err(Error::validation("Conditions can be of length 1 or 2 only"));
        }
        let mut conditions = Vec::with_capacity(2);
        for constraint in constraints {
            constraint.check()?;
            let mut values = constraint.values.iter().cloned();
            let mut next = || values.next().ok_or_else(not_supported);
            let condition = match constraint.operator {
                C::Eq => SortCondition::Equal(next()?),
                C::Le => SortCondition::LessOrEqual(next()?),
                C::Lt => SortCondition::Less(next()?),
                C::Ge => SortCondition::GreaterOrEqual(next()?),
                C::Gt => SortCondition::Greater(next()?),
                C::BeginsWith => SortCondition::BeginsWith(next()?),
                C::Between => SortCondition::Between(next()?, next()?),
                C::Ne | C::NotNull | C::Null | C::Contains | C::NotContains | C::In => {
                    return Err(Error::validation("Attempted conditional constraint is not an indexable operation"));
                }
            };
            conditions.push((constraint.attribute.into(), condition));
        }
        Ok(Self { conditions })
    }
}

impl Update {
    /// AttributeUpdates. None at all is an update that changes nothing.
    pub fn from_attribute_updates(updates: &[AttributeUpdate<'_>]) -> Result<Self, Error> {
        let actions = updates.iter().map(action).collect::<Result<_, _>>()?;
        Ok(Self { actions, legacy: true })
    }
}

fn action(update: &AttributeUpdate<'_>) -> Result<Action, Error> {
    let path = Path::top_level(update.attribute);
    let change = match (update.action, update.value) {
        (AttributeAction::Delete, None) => Change::Remove,
        (_, None) => return Err(invalid("Only DELETE action is allowed when no attribute value is specified")),
        (AttributeAction::Put, Some(value)) => Change::Set(Value::Literal(value.clone())),
        (AttributeAction::Add, Some(value)) => match value {
            AttributeValue::N(_) | AttributeValue::SS(_) | AttributeValue::NS(_) | AttributeValue::BS(_) => {
                Change::Add(value.clone())
            }
            // Not documented, but ADD appends to lists here, and here only.
            AttributeValue::L(_) => {
                let empty = Value::Literal(AttributeValue::L(Vec::new()));
                let current = Value::IfNotExists(path.clone(), Box::new(empty));
                Change::Set(Value::ListAppend(Box::new(current), Box::new(Value::Literal(value.clone()))))
            }
            other => return Err(invalid(&format!("ADD action is not supported for the type {}", long_name(other)))),
        },
        (AttributeAction::Delete, Some(value)) => match value {
            AttributeValue::SS(_) | AttributeValue::NS(_) | AttributeValue::BS(_) => Change::Delete(value.clone()),
            other => {
                let name = long_name(other);
                return Err(invalid(&format!("DELETE action with value is not supported for the type {name}")));
            }
        },
    };
    Ok(Action { path, change })
}

fn invalid(what: &str) -> Error {
    Error::validation(format!("One or more parameter values were invalid: {what}"))
}
