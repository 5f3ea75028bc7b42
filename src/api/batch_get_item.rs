//! BatchGetItem.

use serde::{Deserialize, Serialize};

use crate::api::parameters::{Given, Parameter, done};

use crate::error::Error;
use crate::store::Store;
use crate::store::table::Realm;

pub const PARAMETERS: &[Parameter] = &[
    done("RequestItems"),
    done("ReturnConsumedCapacity"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    pub request_items: Option<Given>,
    pub return_consumed_capacity: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
}

pub async fn run(_store: &Store, _realm: &Realm, _input: &Input) -> Result<Output, Error> {
    Err(Error::InternalServerError("unfinished".to_owned()))
}
