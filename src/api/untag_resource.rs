//! UntagResource: removes tags from a table. Keys that it does not have are none of its business.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::parameters::{Parameter, done};
use super::tags::{check_number, checked_key, no_such_resource, required_arn, tagged_table};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("ResourceArn"), done("TagKeys")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    resource_arn: Option<String>,
    tag_keys: Option<Vec<String>>,
}

#[derive(Debug, Default, Serialize)]
pub struct Output {}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let arn = required_arn(&mut constraints, &input.resource_arn);
    let keys = constraints.required("tagKeys", &input.tag_keys);
    let (arn, keys) = constraints.finish((arn, keys))?;
    let resource = tagged_table(realm, arn)?;
    if keys.is_empty() {
        return Err(Error::validation("Atleast one Tag Key needs to be provided as Input."));
    }
    keys.iter().try_for_each(|key| checked_key(Some(key)).map(drop))?;
    // More than a table can have: refused as if they were to be added, as on AWS.
    check_number(keys.len())?;
    let change = store.change_tags(&resource.realm, resource.table, |kept| {
        kept.retain(|key, _| !keys.contains(key));
        Ok(())
    });
    change.await.map_err(|error| no_such_resource(error, realm, &resource, "UntagResource"))?;
    Ok(Output {})
}
