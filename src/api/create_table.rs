//! CreateTable.

use serde::{Deserialize, Serialize};

use crate::api::parameters::{Given, Parameter, absent, done};

use crate::error::Error;
use crate::store::Store;
use crate::store::table::Realm;

pub const PARAMETERS: &[Parameter] = &[
    done("TableName"),
    done("AttributeDefinitions"),
    done("KeySchema"),
    done("LocalSecondaryIndexes"),
    done("GlobalSecondaryIndexes"),
    done("BillingMode"),
    done("ProvisionedThroughput"),
    done("StreamSpecification"),
    done("DeletionProtectionEnabled"),
    done("SSESpecification"),
    done("Tags"),
    done("TableClass"),
    done("WarmThroughput"),
    done("OnDemandThroughput"),
    absent("ResourcePolicy"),
    absent("GlobalTableSourceArn"),
    absent("GlobalTableSettingsReplicationMode"),
    absent("VectorIndexes"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    pub table_name: Option<String>,
    pub attribute_definitions: Option<Given>,
    pub key_schema: Option<Given>,
    pub local_secondary_indexes: Option<Given>,
    pub global_secondary_indexes: Option<Given>,
    pub billing_mode: Option<String>,
    pub provisioned_throughput: Option<Given>,
    pub stream_specification: Option<Given>,
    pub deletion_protection_enabled: Option<bool>,
    #[serde(rename = "SSESpecification")]
    pub sse_specification: Option<Given>,
    pub tags: Option<Given>,
    pub table_class: Option<String>,
    pub warm_throughput: Option<Given>,
    pub on_demand_throughput: Option<Given>,
    pub resource_policy: Option<Given>,
    pub global_table_source_arn: Option<Given>,
    pub global_table_settings_replication_mode: Option<Given>,
    pub vector_indexes: Option<Given>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
}

pub async fn run(_store: &Store, _realm: &Realm, _input: &Input) -> Result<Output, Error> {
    Err(Error::InternalServerError("unfinished".to_owned()))
}
