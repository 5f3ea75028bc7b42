//! The values that literals and parameters stand for.
//!
//! A number that breaks DynamoDB's rules is refused with the path to it within its value, which begins with `root`. The walk
//! recurses as deep as the parser lets literals nest.

use super::statement::{Expression, Position};
use crate::error::Error;
use crate::item::{AttributeValue, Invalid, Item, MAX_DEPTH, Map, Name, Number};

/// The value of a literal or a parameter.
pub fn value(expression: &Expression, parameters: &[AttributeValue]) -> Result<AttributeValue, Error> {
    let value = under("root", expression, parameters)?;
    if value.depth() > MAX_DEPTH { Err(Invalid::too_deep().into()) } else { Ok(value) }
}

/// Whether the expression stands for a value by itself.
pub const fn is_value(expression: &Expression) -> bool {
    matches!(
        expression,
        Expression::Text(_)
            | Expression::Number(_)
            | Expression::Bool(_)
            | Expression::Null
            | Expression::Parameter(_)
            | Expression::List(_)
            | Expression::Set(_)
            | Expression::Map(_)
    )
}

/// The attributes of an item to be inserted, each a value of its own.
pub fn item(expression: &Expression, parameters: &[AttributeValue]) -> Result<Item, Error> {
    match expression {
        Expression::Map(entries) => {
            let mut attributes = Vec::with_capacity(entries.len());
            for (name, attribute) in entries {
                attributes.push((entry_name(name)?, value(attribute, parameters)?));
            }
            Ok(Map::from_unsorted(attributes))
        }
        Expression::Parameter(_) => match value(expression, parameters)? {
            AttributeValue::M(item) => Ok(item),
            _ => Err(not_a_map()),
        },
        _ => Err(not_a_map()),
    }
}

/// The wording is ours.
fn not_a_map() -> Error {
    Error::validation("The value of an INSERT statement must be a map")
}

fn under(path: &str, expression: &Expression, parameters: &[AttributeValue]) -> Result<AttributeValue, Error> {
    Ok(match expression {
        Expression::Text(text) => AttributeValue::S(text.clone()),
        Expression::Number(text) => AttributeValue::N(number(path, text)?),
        Expression::Bool(value) => AttributeValue::Bool(*value),
        Expression::Null => AttributeValue::Null,
        Expression::Parameter(at) => parameters.get(*at).cloned().ok_or_else(parameters_differ)?,
        Expression::List(elements) => {
            let elements = elements.iter().enumerate();
            AttributeValue::L(
                elements.map(|(at, one)| under(&format!("{path}[{at}]"), one, parameters)).collect::<Result<_, _>>()?,
            )
        }
        Expression::Map(entries) => {
            let mut attributes = Vec::with_capacity(entries.len());
            for (name, value) in entries {
                let name = entry_name(name)?;
                let value = under(&format!("{path}.{name}"), value, parameters)?;
                attributes.push((name, value));
            }
            AttributeValue::M(Map::from_unsorted(attributes))
        }
        Expression::Set(elements) => {
            let elements = elements.iter().enumerate();
            set(elements
                .map(|(at, one)| under(&format!("{path}[{at}]"), one, parameters))
                .collect::<Result<Vec<_>, _>>()?)?
        }
        Expression::Call { function, position, .. } => return Err(unsupported(function, path, Some(*position))),
        Expression::Path(name, position) => return Err(unsupported(&name.root, path, Some(*position))),
        other => return Err(unsupported(other.kind(), path, None)),
    })
}

fn number(path: &str, text: &str) -> Result<Number, Error> {
    Number::parse(text).map_err(|Invalid(message)| Error::Validation(format!("{message} under {path}")))
}

fn unsupported(what: &str, path: &str, position: Option<Position>) -> Error {
    let place = position.map(|position| format!(" at {position}")).unwrap_or_default();
    Error::Validation(format!("Unsupported data type: {what} under key {path}{place}"))
}

fn entry_name(name: &Expression) -> Result<Name, Error> {
    match name {
        Expression::Text(text) => Ok(text.as_str().into()),
        // The wording is ours.
        _ => Err(Error::validation("The names of a map must be texts in single quotation marks")),
    }
}

/// The set of these members, which must be of one of the three types that sets have.
fn set(members: Vec<AttributeValue>) -> Result<AttributeValue, Error> {
    let (mut texts, mut numbers, mut blobs) = (Vec::new(), Vec::new(), Vec::new());
    let count = members.len();
    for member in members {
        match member {
            AttributeValue::S(text) => texts.push(text),
            AttributeValue::N(number) => numbers.push(number),
            AttributeValue::B(bytes) => blobs.push(bytes),
            // The wording is ours.
            other => {
                let found = other.type_name();
                return Err(Error::Validation(format!("A set cannot have a member of type {found}")));
            }
        }
    }
    if count == 0 {
        return Err(Error::validation("Empty bags are not supported"));
    }
    let set = if texts.len() == count {
        AttributeValue::string_set(texts)
    } else if numbers.len() == count {
        AttributeValue::number_set(numbers)
    } else if blobs.len() == count {
        AttributeValue::binary_set(blobs)
    } else {
        // The wording is ours.
        return Err(Error::validation("The members of a set must all be of one type"));
    };
    Ok(set?)
}

/// The wording is not confirmed.
pub fn parameters_differ() -> Error {
    Error::validation("Number of parameters in request and statement don't match.")
}
