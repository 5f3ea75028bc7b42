//! ListTagsOfResource: the tags of a table, in the order of their keys, on one page.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::parameters::{Parameter, different, done};
use super::tags::{Tag, no_such_resource, required_arn, tagged_table};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("ResourceArn"),
    different(
        "NextToken",
        "a page holds all tags, on AWS too, so no answer gives a token; one that is sent is refused",
    ),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    resource_arn: Option<String>,
    next_token: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub tags: Vec<Tag>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let arn = required_arn(&mut constraints, &input.resource_arn);
    let resource = tagged_table(realm, constraints.finish(arn)?)?;
    if input.next_token.is_some() {
        return Err(Error::validation("NextToken is invalid"));
    }
    let tags = store.tags(&resource.realm, resource.table).await;
    let tags = tags.map_err(|error| no_such_resource(error, realm, &resource, "ListTagsOfResource"))?;
    Ok(Output { tags: tags.into_iter().map(|(key, value)| Tag { key, value }).collect() })
}
