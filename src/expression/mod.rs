//! DynamoDB's expression language: condition, filter, key condition, search condition, projection and update.
//!
//! Pure: text and placeholders in, parsed expressions and evaluated items out. Every parser works on hostile text on a
//! small stack: conditions compile to a flat program, paths and functions have explicit depth limits. Knows nothing of
//! tables, storage or requests; what a key is, the caller says. The parameters from before expressions (`legacy`) and the
//! statements of PartiQL (by `compose`) are lowered onto the same trees.

mod apply;
mod compose;
mod condition;
mod evaluate;
mod key_condition;
mod legacy;
mod operands;
mod parser;
mod path;
mod projection;
mod reserved_words;
mod search_condition;
mod substitutions;
mod token;
mod update;

pub use condition::{Comparator, Condition, Operand, Test};
pub use key_condition::{KeyAttribute, KeyCondition, KeyRange, KeyType, SortCondition};
pub use legacy::{AttributeAction, AttributeUpdate, ComparisonOperator, ConditionalOperator, Constraint, Expected};
pub use path::{Element, Path};
pub use projection::Projection;
pub use search_condition::{SearchCondition, SearchRange, without_partition};
pub use substitutions::Substitutions;
pub use update::{Change, Update, Value};

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests;

/// Which of the six expressions a text is; its name opens every message about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Condition,
    Filter,
    KeyCondition,
    Projection,
    Update,
    SearchCondition,
}

impl Kind {
    /// The request parameter that carries it, for example `ConditionExpression`.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Condition => "ConditionExpression",
            Self::Filter => "FilterExpression",
            Self::KeyCondition => "KeyConditionExpression",
            Self::Projection => "ProjectionExpression",
            Self::Update => "UpdateExpression",
            Self::SearchCondition => "SearchConditionExpression",
        }
    }
}
