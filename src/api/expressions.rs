//! The expressions of a request, parsed together: they share their placeholders, each of which must be used.
//! A request has either expressions or the parameters from before them, never both.

use std::collections::BTreeMap;

use super::legacy::Legacy;
use super::wire::Attributes;
use crate::error::Error;
use crate::expression::{Condition, KeyCondition, Kind, Projection, SearchCondition, Substitutions, Update};
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
    pub search_condition: Option<&'a str>,
    pub legacy: Legacy<'a>,
}

#[derive(Clone, Debug, Default)]
pub struct Expressions {
    pub condition: Option<Condition>,
    pub filter: Option<Condition>,
    pub key_condition: Option<KeyCondition>,
    pub projection: Option<Projection>,
    pub update: Option<Update>,
    pub search_condition: Option<SearchCondition>,
}

impl Texts<'_> {
    /// `possible`: the expression parameters that the operation has, for the message about placeholders without any.
    pub fn parse(&self, possible: &[&str]) -> Result<Expressions, Error> {
        let (expressions, legacy) = (self.given(), self.legacy.given());
        if !expressions.is_empty() && !legacy.is_empty() {
            return Err(Error::Validation(format!(
                "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: \
                 {{{}}} Expression parameters: {{{}}}",
                legacy.join(", "),
                expressions.join(", ")
            )));
        }
        let values = self.values.map(Attributes::expression_values).transpose()?;
        if expressions.is_empty() {
            Substitutions::refuse_without_expression(self.names, values, possible)?;
            return self.legacy.lower();
        }
        self.parse_all(values)
    }

    /// The names of the expression parameters given.
    fn given(&self) -> Vec<&'static str> {
        let parameters = [
            (Kind::Projection, self.projection.is_some()),
            (Kind::Update, self.update.is_some()),
            (Kind::Filter, self.filter.is_some()),
            (Kind::Condition, self.condition.is_some()),
            (Kind::KeyCondition, self.key_condition.is_some()),
            (Kind::SearchCondition, self.search_condition.is_some()),
        ];
        parameters.into_iter().filter(|(_, given)| *given).map(|(kind, _)| kind.parameter()).collect()
    }

    fn parse_all(&self, values: Option<&Item>) -> Result<Expressions, Error> {
        let mut substitutions = Substitutions::new(self.names, values)?;
        let projection = self.projection.map(|text| Projection::parse(text, &mut substitutions)).transpose()?;
        let update = self.update.map(|text| Update::parse(text, &mut substitutions)).transpose()?;
        let condition =
            self.condition.map(|text| Condition::parse(Kind::Condition, text, &mut substitutions)).transpose()?;
        let filter = self.filter.map(|text| Condition::parse(Kind::Filter, text, &mut substitutions)).transpose()?;
        let key_condition = self.key_condition.map(|text| KeyCondition::parse(text, &mut substitutions)).transpose()?;
        let search_condition =
            self.search_condition.map(|text| SearchCondition::parse(text, &mut substitutions)).transpose()?;
        substitutions.finish()?;
        Ok(Expressions { condition, filter, key_condition, projection, update, search_condition })
    }
}
