//! Backups as they are described, and how requests name them.
//!
//! As measured on AWS (the notes published as ack-api-quirks, findings DDB-BACKUP-004 to 021 and DDB-TABLE-442, October 2026):
//! a backup is found by its table's name and the last part of its ARN, in the region that is asked, whatever region the ARN
//! names; what is shown is the ARN that was given.

use serde::Serialize;

use super::constraints::Constraints;
use super::regions;
use super::table_description::{
    EncryptionDescription, KeySchemaElement, OnDemandDescription, ProjectionDescription, StreamDescription, key_schema,
};
use super::vector_indexes::VectorIndexInfo;
use super::wire::Timestamp;
use crate::error::Error;
use crate::store::{Backup, BackupKind, BackupStatus, BillingMode, Index, Realm, Table, Throughput};

/// As botocore's model has it.
const SHORTEST_ARN: usize = 37;
const LONGEST_ARN: usize = 1024;

/// A backup as its ARN names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupArn<'a> {
    /// The region that the ARN names.
    pub region: &'a str,
    pub table: &'a str,
    pub id: &'a str,
    pub given: &'a str,
}

impl<'a> BackupArn<'a> {
    /// The ARN of a request, which must be there.
    pub fn required(constraints: &mut Constraints, path: &str, arn: &'a Option<String>) -> Option<&'a str> {
        let arn = constraints.required(path, arn)?;
        Self::check(constraints, path, arn);
        Some(arn)
    }

    pub fn check(constraints: &mut Constraints, path: &str, arn: &str) {
        constraints.length(path, arn, SHORTEST_ARN, LONGEST_ARN);
    }

    pub fn parse(realm: &Realm, given: &'a str) -> Result<Self, Error> {
        let malformed = || Error::validation("Invalid Backup ARN");
        let parts: Vec<&str> = given.splitn(6, ':').collect();
        let ["arn", partition, service, region, account, resource] = *parts.as_slice() else { return Err(malformed()) };
        let named = resource.strip_prefix("table/").and_then(|rest| rest.split_once("/backup/"));
        let (table, id) = named.ok_or_else(malformed)?;
        if table.is_empty() || id.is_empty() || [table, id].iter().any(|name| name.contains('/')) {
            return Err(malformed());
        }
        if account != realm.account || region.is_empty() {
            return Err(Error::AccessDenied("Access is denied".to_owned()));
        }
        let there = Realm { account: account.to_owned(), region: region.to_owned() };
        let is_known = region == realm.region || regions::check(region).is_ok();
        if !is_known || service != "dynamodb" || partition != there.partition() {
            return Err(Error::validation("Invalid Request: BackupArn is not valid"));
        }
        Ok(Self { region, table, id, given })
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Details {
    pub backup_arn: String,
    pub backup_name: String,
    pub backup_size_bytes: i64,
    pub backup_status: &'static str,
    pub backup_type: &'static str,
    pub backup_creation_date_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_expiry_date_time: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Description {
    pub backup_details: Details,
    pub source_table_details: SourceTable,
    pub source_table_feature_details: Features,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SourceTable {
    pub table_name: String,
    pub table_id: String,
    pub table_arn: String,
    pub table_size_bytes: i64,
    pub key_schema: Vec<KeySchemaElement>,
    pub table_creation_date_time: Timestamp,
    pub provisioned_throughput: Provisioned,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandDescription>,
    pub item_count: i64,
    pub billing_mode: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Provisioned {
    pub read_capacity_units: u64,
    pub write_capacity_units: u64,
}

/// What the table had that a plain one has not.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Features {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub local_secondary_indexes: Vec<IndexInfo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub global_secondary_indexes: Vec<IndexInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_description: Option<StreamDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_live_description: Option<TimeToLiveDescription>,
    #[serde(rename = "SSEDescription", skip_serializing_if = "Option::is_none")]
    pub sse_description: Option<EncryptionDescription>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vector_indexes: Vec<VectorIndexInfo>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TimeToLiveDescription {
    pub time_to_live_status: &'static str,
    pub attribute_name: String,
}

/// Throughput belongs to global indexes only.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IndexInfo {
    pub index_name: String,
    pub key_schema: Vec<KeySchemaElement>,
    pub projection: ProjectionDescription,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_throughput: Option<Provisioned>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandDescription>,
}

pub const fn kind(kind: BackupKind) -> &'static str {
    match kind {
        BackupKind::User => "USER",
        BackupKind::System => "SYSTEM",
    }
}

pub const fn status(status: BackupStatus) -> &'static str {
    match status {
        BackupStatus::Creating => "CREATING",
        BackupStatus::Available => "AVAILABLE",
    }
}

impl Details {
    pub fn new(backup: &Backup, arn: String, status: &'static str) -> Self {
        Self {
            backup_arn: arn,
            backup_name: backup.name.clone(),
            backup_size_bytes: backup.bytes,
            backup_status: status,
            backup_type: kind(backup.kind),
            backup_creation_date_time: Timestamp::from_millis(backup.created_millis),
            backup_expiry_date_time: backup.expires_millis.map(Timestamp::from_millis),
        }
    }
}

impl Description {
    pub fn new(backup: &Backup, arn: &BackupArn<'_>, status: &'static str) -> Self {
        let table = &backup.table;
        Self {
            backup_details: Details::new(backup, arn.given.to_owned(), status),
            source_table_details: SourceTable {
                table_name: table.name.clone(),
                table_id: table.uuid.clone(),
                table_arn: table.arn(),
                table_size_bytes: backup.bytes,
                key_schema: key_schema(&table.key),
                table_creation_date_time: Timestamp(table.created()),
                provisioned_throughput: Provisioned::new(table.throughput),
                on_demand_throughput: OnDemandDescription::new(table.settings.capacity.most_on_demand),
                item_count: backup.items,
                billing_mode: match table.billing_mode {
                    BillingMode::Provisioned => "PROVISIONED",
                    BillingMode::PayPerRequest => "PAY_PER_REQUEST",
                },
            },
            source_table_feature_details: match backup.kind {
                BackupKind::User => Features::new(table),
                // AWS shows none of what it has made itself.
                BackupKind::System => Features::default(),
            },
        }
    }
}

impl Provisioned {
    fn new(throughput: Option<Throughput>) -> Self {
        let Throughput { read, write } = throughput.unwrap_or(Throughput { read: 0, write: 0 });
        Self { read_capacity_units: read, write_capacity_units: write }
    }
}

impl Features {
    fn new(table: &Table) -> Self {
        let info = |index: &Index, is_global: bool| IndexInfo {
            index_name: index.name.clone(),
            key_schema: key_schema(&index.key),
            projection: ProjectionDescription::new(&index.projection),
            provisioned_throughput: is_global.then(|| Provisioned::new(index.throughput)),
            on_demand_throughput: OnDemandDescription::new(index.capacity.most_on_demand),
        };
        Self {
            local_secondary_indexes: table.local_indexes().map(|index| info(index, false)).collect(),
            global_secondary_indexes: table.global_indexes().map(|index| info(index, true)).collect(),
            stream_description: table
                .stream
                .as_ref()
                .map(|stream| StreamDescription { stream_enabled: true, stream_view_type: stream.view.name() }),
            time_to_live_description: table.time_to_live.as_ref().map(|found| TimeToLiveDescription {
                time_to_live_status: "ENABLED",
                attribute_name: found.attribute.clone(),
            }),
            sse_description: table
                .settings
                .encryption
                .key_arn
                .as_ref()
                .map(|key| EncryptionDescription::new(key, "ENABLED")),
            vector_indexes: table
                .vector_indexes()
                .map(|(index, settings)| VectorIndexInfo::new(index, settings))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(arn: &str) -> String {
        let realm = Realm { account: "123456789012".to_owned(), region: "us-west-2".to_owned() };
        match BackupArn::parse(&realm, arn) {
            Ok(found) => format!("{} {} {}", found.region, found.table, found.id),
            Err(error) => format!("{}: {error}", error.shape().code),
        }
    }

    #[test]
    fn a_backup_is_named_by_its_arn_whose_region_may_be_any_that_there_is() {
        let arn = "arn:aws:dynamodb:us-west-2:123456789012:table/orders/backup/01489602797149-73d8d5bc";
        assert_eq!(refused(arn), "us-west-2 orders 01489602797149-73d8d5bc");
        assert_eq!(refused(&arn.replace("us-west-2", "eu-west-1")), "eu-west-1 orders 01489602797149-73d8d5bc");
        let invalid = "ValidationException: Invalid Request: BackupArn is not valid";
        for other in [
            arn.replace("us-west-2", "xx-fake-1"),
            arn.replace("arn:aws:", "arn:aws-cn:"),
            arn.replace("dynamodb", "s3"),
        ] {
            assert_eq!(refused(&other), invalid, "{other}");
        }
        for other in [arn.replace("123456789012", "210987654321"), arn.replace("us-west-2", "")] {
            assert_eq!(refused(&other), "AccessDeniedException: Access is denied", "{other}");
        }
        for other in [
            "arn:aws:dynamodb:us-west-2:123456789012:table/orders",
            "arn:aws:dynamodb:us-west-2:123456789012:table/orders/backup/",
            "arn:aws:dynamodb:us-west-2:123456789012:table/orders/backup/a/b",
            "arn:aws:dynamodb:us-west-2:123456789012:table/orders/stream/a",
            "forty-eight characters that are no ARN of any sort",
        ] {
            assert_eq!(refused(other), "ValidationException: Invalid Backup ARN", "{other}");
        }
    }
}
