//! The expressions of a request, parsed together: they share their placeholders, each of which must be used.

use std::collections::BTreeMap;

use super::wire::Attributes;
use crate::error::Error;
use crate::expression::{Condition, KeyCondition, Kind, Projection, Substitutions, Update};
use crate::item::Item;

/// The texts of the expressions a request carries. What the operation does not have stays `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Texts<'a> {
    pub names: Option<&'a BTreeMap<String, String>>,
    pub values: Option<&'a Attributes>,
    pub condition: Option<&'a str>,
    pub filter: Option<&'a str>,
    pub key_condition: Option<&'a str>,
    pub projection: Option<&'a str>,
    pub update: Option<&'a str>,
}

#[derive(Clone, Debug, Default)]
pub struct Expressions {
    pub condition: Option<Condition>,
    pub filter: Option<Condition>,
    pub key_condition: Option<KeyCondition>,
    pub projection: Option<Projection>,
    pub update: Option<Update>,
}

impl Texts<'_> {
    /// `possible`: the expression parameters that the operation has, for the message about placeholders without any.
    pub fn parse(&self, possible: &[&str]) -> Result<Expressions, Error> {
        let values = self.values.map(Attributes::expression_values).transpose()?;
        let texts = [self.condition, self.filter, self.key_condition, self.projection, self.update];
        if texts.iter().all(Option::is_none) {
            Substitutions::refuse_without_expression(self.names, values, possible)?;
            return Ok(Expressions::default());
        }
        self.parse_all(values)
    }

    fn parse_all(&self, values: Option<&Item>) -> Result<Expressions, Error> {
        let mut substitutions = Substitutions::new(self.names, values)?;
        let projection = self.projection.map(|text| Projection::parse(text, &mut substitutions)).transpose()?;
        let update = self.update.map(|text| Update::parse(text, &mut substitutions)).transpose()?;
        let condition =
            self.condition.map(|text| Condition::parse(Kind::Condition, text, &mut substitutions)).transpose()?;
        let filter = self.filter.map(|text| Condition::parse(Kind::Filter, text, &mut substitutions)).transpose()?;
        let key_condition = self.key_condition.map(|text| KeyCondition::parse(text, &mut substitutions)).transpose()?;
        substitutions.finish()?;
        Ok(Expressions { condition, filter, key_condition, projection, update })
    }
}
