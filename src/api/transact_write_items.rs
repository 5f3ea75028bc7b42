//! TransactWriteItems.

use serde::{Deserialize, Serialize};

use crate::api::parameters::{Given, Parameter, done};

use crate::error::Error;
use crate::store::Store;
use crate::store::table::Realm;

pub const PARAMETERS: &[Parameter] = &[
    done("TransactItems"),
    done("ReturnConsumedCapacity"),
    done("ReturnItemCollectionMetrics"),
    done("ClientRequestToken"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    pub transact_items: Option<Given>,
    pub return_consumed_capacity: Option<String>,
    pub return_item_collection_metrics: Option<String>,
    pub client_request_token: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
}

pub async fn run(_store: &Store, _realm: &Realm, _input: &Input) -> Result<Output, Error> {
    Err(Error::InternalServerError("unfinished".to_owned()))
}
