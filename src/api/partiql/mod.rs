//! PartiQL's three operations, and what they share: the statement with its parameters, its reads and its writes.
//!
//! A statement is parsed and lowered by the room `partiql`, which knows no tables. Here its conditions meet the keys: they
//! choose between the ways of reading (an item, ranges of keys, everything), and name the one item that a write is about.

pub mod batch_execute_statement;
pub mod execute_statement;
pub mod execute_transaction;
mod keyed;
mod next_token;
mod select;
mod write;

use super::constraints::Constraints;
use crate::error::Error;
use crate::item::AttributeValue;
use crate::item::wire::ValueInput;
use crate::partiql::{Request, Statement};

/// Most characters of a statement. Source: the service model.
const MAX_STATEMENT: usize = 8192;

/// One statement of a request, once its constraints are checked.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    pub statement: &'a str,
    pub parameters: Option<&'a [ValueInput]>,
}

impl<'a> Given<'a> {
    /// Checks a statement and its parameters, whose members lie under `path` (with its dot, or empty).
    pub fn check(
        constraints: &mut Constraints,
        path: &str,
        statement: &'a Option<String>,
        parameters: &'a Option<Vec<ValueInput>>,
    ) -> Option<Self> {
        let statement = constraints.required(&format!("{path}statement"), statement)?;
        // Not counted beyond the limit, nor shown.
        let length = statement.chars().take(MAX_STATEMENT + 1).count();
        constraints.unquoted_size(&format!("{path}statement"), length, 1, MAX_STATEMENT);
        if let Some(parameters) = parameters {
            constraints.size(&format!("{path}parameters"), &"[]", parameters.len(), 1, usize::MAX);
        }
        Some(Self { statement, parameters: parameters.as_deref() })
    }

    /// The values of the parameters, or the first rule that one of them breaks.
    pub fn values(&self) -> Result<Vec<AttributeValue>, Error> {
        let parameters = self.parameters.unwrap_or_default();
        parameters.iter().map(|parameter| Ok(parameter.clone().into_result()?)).collect()
    }

    /// What the statement asks for. Parameters that are no values are reported before anything is read.
    pub fn request(&self) -> Result<Request, Error> {
        let values = self.values()?;
        Statement::parse(self.statement)?.lower(&values)
    }
}

/// An index must be named in a SELECT only.
fn refuse_index(index: Option<&str>) -> Result<(), Error> {
    match index {
        None => Ok(()),
        Some(_) => Err(Error::validation("This operation is not supported on an index")),
    }
}
