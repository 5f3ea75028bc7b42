//! GetRecords.

use serde::{Deserialize, Serialize};

use crate::api::parameters::{Parameter, done};

use crate::error::Error;
use crate::store::Store;
use crate::store::table::Realm;

pub const PARAMETERS: &[Parameter] = &[
    done("ShardIterator"),
    done("Limit"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    pub shard_iterator: Option<String>,
    pub limit: Option<i64>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
}

pub async fn run(_store: &Store, _realm: &Realm, _input: &Input) -> Result<Output, Error> {
    Err(Error::InternalServerError("unfinished".to_owned()))
}
