//! Tests of the whole language, through its public face; what concerns one file alone is tested there.

mod hostile;
mod lowering;
mod messages;
mod round_trip;

use super::*;
use crate::item::AttributeValue;

fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}

/// What a statement without parameters asks for.
fn request(text: &str) -> Result<Request, Error> {
    Statement::parse(text)?.lower(&[])
}

fn number(text: &str) -> AttributeValue {
    AttributeValue::N(text.parse().unwrap())
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}
