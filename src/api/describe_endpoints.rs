//! DescribeEndpoints: where the service of the region is, as on AWS. No client that asks is led anywhere by it.

use serde::{Deserialize, Serialize};

use super::parameters::Parameter;
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[];

/// As AWS answers it.
const CACHE_PERIOD_MINUTES: i64 = 1440;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub endpoints: Vec<Endpoint>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Endpoint {
    pub address: String,
    pub cache_period_in_minutes: i64,
}

#[expect(clippy::unused_async, reason = "operations are alike")]
pub async fn run(_store: &Store, realm: &Realm, _input: &Input) -> Result<Output, Error> {
    let suffix = if realm.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let address = format!("dynamodb.{}.{suffix}", realm.region);
    Ok(Output { endpoints: vec![Endpoint { address, cache_period_in_minutes: CACHE_PERIOD_MINUTES }] })
}
