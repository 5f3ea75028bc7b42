//! TagResource: adds tags to a table, or gives them other values.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::parameters::{Parameter, done};
use super::tags::{TagInput, check_number, given, no_such_resource, required_arn, tagged_table};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("ResourceArn"), done("Tags")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    resource_arn: Option<String>,
    tags: Option<Vec<TagInput>>,
}

#[derive(Debug, Default, Serialize)]
pub struct Output {}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let arn = required_arn(&mut constraints, &input.resource_arn);
    let tags = constraints.required("tags", &input.tags);
    let (arn, tags) = constraints.finish((arn, tags))?;
    let resource = tagged_table(realm, arn)?;
    if tags.is_empty() {
        return Err(Error::validation("Atleast one Tag needs to be provided as Input."));
    }
    let tags = &given(tags)?;
    let change = store.change_tags(&resource.realm, resource.table, |kept| {
        kept.extend(tags.clone());
        check_number(kept.len())
    });
    change.await.map_err(|error| no_such_resource(error, realm, &resource, "TagResource"))?;
    Ok(Output {})
}
