//! PartiQL as DynamoDB speaks it: tokens, grammar and statement tree, and what a statement asks for once its parameters are known.
//!
//! Pure: text and parameters in, requests over the trees of `expression` out. Knows nothing of tables, storage or answers;
//! which attributes are keys, the caller says. Parsing works on hostile text on a small stack: operators and
//! parentheses wait on lists of their own, and what does recurse (literals, arguments, statements within statements) is
//! bounded, as is the depth of every tree.
//!
//! Sources: Amazon DynamoDB Developer Guide, "PartiQL - a SQL-compatible query language for Amazon DynamoDB". Messages
//! and the order in which mistakes are found are those of DynamoDB as the public conformance suite has captured them
//! (paritysuite/dynamodb-conformance, formerly nubo-db's, captures of July to October 2026), unless a comment says that the wording is
//! ours.

mod expression;
mod keywords;
mod literal;
mod lower;
mod operators;
mod parser;
mod print;
mod statement;
mod token;

pub use lower::{Projected, Request, Select, Where, Write, WriteKind};
pub use statement::{Body, Expression, Returning, Source, Statement};

use crate::error::Error;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests;

/// How DynamoDB opens its message about a statement that it cannot read.
fn malformed(detail: &str) -> Error {
    Error::Validation(format!("Statement wasn't well formed, can't be processed: {detail}"))
}
