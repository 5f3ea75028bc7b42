//! ExpressionAttributeNames and ExpressionAttributeValues of one request.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::item::{AttributeValue, Item};

/// The placeholders of one request, shared by all its expressions; remembers which of them were used.
#[derive(Debug, Default)]
pub struct Substitutions<'a> {
    names: Vec<(&'a str, &'a str, bool)>,
    values: Vec<(&'a str, &'a AttributeValue, bool)>,
}

impl<'a> Substitutions<'a> {
    /// Checks the placeholders themselves: their syntax, and that a given map is not empty.
    pub fn new(_names: Option<&'a BTreeMap<String, String>>, _values: Option<&'a Item>) -> Result<Self, Error> {
        todo!()
    }

    /// What DynamoDB says when placeholders come with a request that has no expression. `absent` names the expression
    /// parameters it could have had: `["FilterExpression", "KeyConditionExpression"]`.
    pub fn refuse_without_expression(
        _names: Option<&BTreeMap<String, String>>,
        _values: Option<&Item>,
        _absent: &[&str],
    ) -> Result<(), Error> {
        todo!()
    }

    /// To be called when every expression of the request is parsed: each placeholder must have been used.
    pub fn finish(self) -> Result<(), Error> {
        todo!()
    }
}
