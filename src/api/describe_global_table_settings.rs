//! DescribeGlobalTableSettings: what the tables of a global table are set to, region by region.

use serde::Deserialize;

use super::global_table_settings::{self as settings, describe};
use super::legacy_global_tables::check_name;
use super::parameters::{Parameter, done};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("GlobalTableName")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    global_table_name: Option<String>,
}

pub type Output = settings::Output;

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    describe(store, realm, check_name(&input.global_table_name)?, "ACTIVE").await
}
