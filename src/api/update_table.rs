//! UpdateTable.

use serde::{Deserialize, Serialize};

use crate::api::parameters::{Given, Parameter, done};

use crate::error::Error;
use crate::store::Store;
use crate::store::table::Realm;

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("AttributeDefinitions"),
    done("BillingMode"),
    done("ProvisionedThroughput"),
    done("GlobalSecondaryIndexUpdates"),
    done("StreamSpecification"),
    done("DeletionProtectionEnabled"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    pub table_name: Option<String>,
    pub attribute_definitions: Option<Given>,
    pub billing_mode: Option<String>,
    pub provisioned_throughput: Option<Given>,
    pub global_secondary_index_updates: Option<Given>,
    pub stream_specification: Option<Given>,
    pub deletion_protection_enabled: Option<bool>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
}

pub async fn run(_store: &Store, _realm: &Realm, _input: &Input) -> Result<Output, Error> {
    Err(Error::InternalServerError("unfinished".to_owned()))
}
