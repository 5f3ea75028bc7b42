//! DescribeLimits: the quotas that a new account has. A table's is held to; that of all tables together is only told.

use serde::{Deserialize, Serialize};

use super::parameters::Parameter;
use super::table_settings::{MOST_OF_A_TABLE, MOST_OF_AN_ACCOUNT};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[];

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub account_max_read_capacity_units: u64,
    pub account_max_write_capacity_units: u64,
    pub table_max_read_capacity_units: u64,
    pub table_max_write_capacity_units: u64,
}

#[expect(clippy::unused_async, reason = "operations are alike")]
pub async fn run(_store: &Store, _realm: &Realm, _input: &Input) -> Result<Output, Error> {
    Ok(Output {
        account_max_read_capacity_units: MOST_OF_AN_ACCOUNT,
        account_max_write_capacity_units: MOST_OF_AN_ACCOUNT,
        table_max_read_capacity_units: MOST_OF_A_TABLE,
        table_max_write_capacity_units: MOST_OF_A_TABLE,
    })
}
