//! UpdateTimeToLive: by which attribute a table's items expire, or that they do not. In force when it answers.
//!
//! What is wrong with the change itself is said before how soon it comes after the last one; a key attribute is taken like any
//! other; switching off asks for the attribute's name as well. So measured on AWS, messages included (the notes published as
//! ack-api-quirks, findings DDB-TABLE-143 to 147, October 2026).

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::describe_table::no_such_table;
use super::parameters::{Parameter, done};
use super::resource::TableName;
use crate::error::Error;
use crate::store::{Realm, Store, TableChange};

pub const PARAMETERS: &[Parameter] = &[done("TableName"), done("TimeToLiveSpecification")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    time_to_live_specification: Option<SpecificationInput>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SpecificationInput {
    enabled: Option<bool>,
    attribute_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub time_to_live_specification: Specification,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Specification {
    pub enabled: bool,
    pub attribute_name: String,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let (table_name, specification) = input.check()?;
    let name = TableName::parse(realm, table_name)?;
    let attribute = specification.attribute_name.clone();
    let change = if specification.enabled {
        TableChange::EnableTimeToLive(attribute)
    } else {
        TableChange::DisableTimeToLive(attribute)
    };
    store.change_table(&name.realm, name.name, &[change]).await.map_err(|error| no_such_table(error, name.name))?;
    Ok(Output { time_to_live_specification: specification })
}

impl Input {
    fn check(&self) -> Result<(&str, Specification), Error> {
        let mut constraints = Constraints::new();
        let table_name = constraints.table("tableName", &self.table_name);
        let given = constraints.required("timeToLiveSpecification", &self.time_to_live_specification);
        let (mut enabled, mut attribute) = (None, None);
        if let Some(given) = given {
            enabled = constraints.required("timeToLiveSpecification.enabled", &given.enabled).copied();
            attribute = constraints.required("timeToLiveSpecification.attributeName", &given.attribute_name);
            if let Some(attribute) = attribute {
                constraints.length("timeToLiveSpecification.attributeName", attribute, 1, 255);
            }
        }
        let (table_name, enabled, attribute) = constraints.finish((table_name, enabled, attribute))?;
        Ok((table_name, Specification { enabled, attribute_name: attribute.clone() }))
    }
}
