//! Conditions, key conditions and updates put together by another grammar: PartiQL's statements come to the same trees.
//!
//! What is checked of operands, paths and numbers of operands is what the expressions check, in the same words, but without
//! the name of a request parameter in front.

use super::condition::{Condition, MAX_IN_OPERANDS, Operand, Step, Test};
use super::key_condition::{KeyCondition, SortCondition, single};
use super::operands::checked_test;
use super::parser::{Finding, Gravest, Note};
use super::path::{MAX_INDEX, MAX_LEVELS, Path, clash};
use super::update::{Action, Change, Update, Value, check_type};
use crate::error::Error;
use crate::item::{AttributeValue, Name};

fn refuse(gravest: Gravest) -> Result<(), Error> {
    gravest.message().map_or(Ok(()), |message| Err(Error::Validation(message)))
}

impl Condition {
    /// The condition that is one test.
    pub fn of(test: Test) -> Result<Self, Error> {
        let mut gravest = Gravest::default();
        if let Test::In(_, list) = &test
            && list.len() > MAX_IN_OPERANDS
        {
            gravest.note(Finding::Operands, || {
                let count = list.len();
                format!("The IN operator is provided with too many operands; number of operands: {count}")
            });
        }
        let test = checked_test(&mut gravest, test);
        refuse(gravest)?;
        Ok(Self { steps: vec![Step::Test(test)] })
    }

    /// Holds when both do.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.joined(other, Step::UnlessTrue)
    }

    /// Holds when one of the two does.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.joined(other, Step::IfTrue)
    }

    #[must_use]
    pub fn negated(mut self) -> Self {
        self.steps.push(Step::Not);
        self
    }

    /// The one test that the condition is, if it is no more than that.
    pub fn test(&self) -> Option<&Test> {
        match self.steps.as_slice() {
            [Step::Test(test)] => Some(test),
            _ => None,
        }
    }

    fn joined(mut self, other: Self, jump: fn(usize) -> Step) -> Self {
        let before = self.steps.len() + 1;
        self.steps.push(jump(before + other.steps.len()));
        self.steps.extend(other.steps.into_iter().map(|step| match step {
            Step::UnlessTrue(target) => Step::UnlessTrue(target + before),
            Step::IfTrue(target) => Step::IfTrue(target + before),
            step => step,
        }));
        self
    }
}

impl Test {
    /// The one attribute that the test is about and what it asks of it, if a range of keys can express that.
    pub fn of_key(&self) -> Option<(Name, SortCondition)> {
        single(self.clone()).ok()
    }

    /// The attribute and the values of a test by IN on a top-level attribute, if all it is compared with are values.
    pub fn members(&self) -> Option<(&Name, Vec<&AttributeValue>)> {
        let Self::In(Operand::Path(path), list) = self else { return None };
        let mut values = Vec::with_capacity(list.len());
        for operand in list {
            let Operand::Value(value) = operand else { return None };
            values.push(value);
        }
        path.is_top_level().then_some((&path.root, values))
    }
}

impl KeyCondition {
    /// Conditions on single attributes, each attribute once.
    pub const fn of(conditions: Vec<(Name, SortCondition)>) -> Self {
        Self { conditions }
    }
}

impl Path {
    /// Refuses a path with more steps, or with a larger index, than DynamoDB takes.
    pub fn check(&self) -> Result<(), Error> {
        let levels = self.rest.len() + 1;
        if levels > MAX_LEVELS {
            return Err(Error::Validation(format!(
                "The document path has too many nesting elements; nesting levels: {levels}"
            )));
        }
        for element in &self.rest {
            if let super::Element::Index(at) = element
                && *at > MAX_INDEX
            {
                return Err(Error::Validation(format!("List index is not within the allowable range; index: [{at}]")));
            }
        }
        Ok(())
    }
}

impl Update {
    /// The update that makes these changes, of which none may get in another's way.
    pub fn of(changes: Vec<(Path, Change)>) -> Result<Self, Error> {
        let mut gravest = Gravest::default();
        let paths: Vec<&Path> = changes.iter().map(|(path, _)| path).collect();
        if let Some(message) = clash(&paths) {
            gravest.note(Finding::Clash, || message);
        }
        for (_, change) in &changes {
            if let Change::Set(value) = change {
                check_value(&mut gravest, value);
            }
        }
        refuse(gravest)?;
        let actions = changes.into_iter().map(|(path, change)| Action { path, change }).collect();
        Ok(Self { actions, legacy: false })
    }
}

/// Recursion is bounded by whoever made the value.
fn check_value(gravest: &mut Gravest, value: &Value) {
    let (operator, wanted, one, two) = match value {
        Value::Plus(one, two) => ("+", "N", one, two),
        Value::Minus(one, two) => ("-", "N", one, two),
        Value::ListAppend(one, two) => ("list_append", "L", one, two),
        Value::IfNotExists(_, default) => return check_value(gravest, default),
        Value::Path(_) | Value::Literal(_) => return,
    };
    for operand in [one, two] {
        check_type(gravest, operator, operand, wanted);
        check_value(gravest, operand);
    }
}
