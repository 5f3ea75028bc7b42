//! TableDescription: what CreateTable, DescribeTable, UpdateTable and DeleteTable answer.

use serde::Serialize;

use super::replica_description::{self, ReplicaDescription, WitnessDescription};
use super::vector_indexes::VectorIndexDescription;
use super::wire::Timestamp;
use crate::clock;
use crate::store::{
    BillingMode, CapacitySettings, Index, IndexKind, IndexStatus, KeyAttribute, KeySchema, OnDemand, Projection,
    Restore, Settings, Statistics, Table, TableClass, Throughput,
};

/// What an answer says of the state of a table.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The table's; while it is being created, so are its global indexes.
    pub status: &'static str,
    /// That of what is warm, where it is shown at all.
    pub warm: Option<&'static str>,
    pub encryption: &'static str,
}

impl Shown {
    pub const ACTIVE: Self = Self { status: "ACTIVE", warm: Some("ACTIVE"), encryption: "ENABLED" };
    /// Of a table that is being restored.
    pub const RESTORING: Self = Self { status: "CREATING", warm: None, encryption: "ENABLED" };

    /// That of an index whose table is shown so.
    pub fn status_of(self, index: &Index) -> &'static str {
        match index.status {
            _ if matches!(self.status, "CREATING" | "DELETING") => self.status,
            IndexStatus::Creating => "CREATING",
            IndexStatus::Active => "ACTIVE",
            IndexStatus::Deleting => "DELETING",
        }
    }

    /// As a table is described by whoever asks.
    pub const fn of(table: &Table) -> Self {
        if table.is_importing { Self { status: "CREATING", ..Self::ACTIVE } } else { Self::ACTIVE }
    }
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableDescription {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attribute_definitions: Vec<AttributeDefinition>,
    pub table_name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key_schema: Vec<KeySchemaElement>,
    pub table_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_date_time: Option<Timestamp>,
    pub provisioned_throughput: ThroughputDescription,
    pub table_size_bytes: i64,
    pub item_count: i64,
    pub table_arn: String,
    pub table_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_mode_summary: Option<BillingModeSummary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub local_secondary_indexes: Vec<IndexDescription>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub global_secondary_indexes: Vec<IndexDescription>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vector_indexes: Vec<VectorIndexDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_specification: Option<StreamDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_stream_label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_stream_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_summary: Option<RestoreSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_table_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaDescription>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub global_table_witnesses: Vec<WitnessDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_table_settings_replication_mode: Option<&'static str>,
    #[serde(rename = "SSEDescription", skip_serializing_if = "Option::is_none")]
    pub sse_description: Option<EncryptionDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_class_summary: Option<ClassSummary>,
    pub deletion_protection_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_throughput: Option<WarmDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disassociation_protection_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_region_consistency: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttributeDefinition {
    pub attribute_name: String,
    pub attribute_type: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeySchemaElement {
    pub attribute_name: String,
    pub key_type: &'static str,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ThroughputDescription {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_increase_date_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_decrease_date_time: Option<Timestamp>,
    pub number_of_decreases_today: u32,
    pub read_capacity_units: u64,
    pub write_capacity_units: u64,
}

/// As on AWS only while the table is being restored (the notes published as ack-api-quirks, finding DDB-TABLE-216, October
/// 2026).
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RestoreSummary {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_backup_arn: Option<String>,
    pub source_table_arn: String,
    pub restore_date_time: Timestamp,
    pub restore_in_progress: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BillingModeSummary {
    pub billing_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_to_pay_per_request_date_time: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OnDemandDescription {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_read_request_units: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_write_request_units: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct WarmDescription {
    pub read_units_per_second: u64,
    pub write_units_per_second: u64,
    pub status: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EncryptionDescription {
    pub status: &'static str,
    #[serde(rename = "SSEType")]
    pub sse_type: &'static str,
    #[serde(rename = "KMSMasterKeyArn")]
    pub kms_master_key_arn: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClassSummary {
    pub table_class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_date_time: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamDescription {
    pub stream_enabled: bool,
    pub stream_view_type: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProjectionDescription {
    pub projection_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_key_attributes: Option<Vec<String>>,
}

/// Status and throughput belong to global indexes only.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IndexDescription {
    pub index_name: String,
    pub key_schema: Vec<KeySchemaElement>,
    pub projection: ProjectionDescription,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfilling: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_throughput: Option<ThroughputDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_throughput: Option<WarmDescription>,
    pub index_size_bytes: i64,
    pub item_count: i64,
    pub index_arn: String,
}

impl TableDescription {
    pub fn new(
        table: &Table,
        shown: Shown,
        statistics: &(Statistics, Vec<(u32, Statistics)>),
        now: clock::Timestamp,
    ) -> Self {
        let (own, of_indexes) = statistics;
        let Settings { capacity, class, encryption, replication, .. } = &table.settings;
        let is_group = !replication.replicas.is_empty();
        let counted = |index: &Index| {
            let found = of_indexes.iter().find(|(id, _)| *id == index.id).map(|(_, statistics)| *statistics);
            found.unwrap_or_default()
        };
        let describe = |index: &Index| IndexDescription::new(table, index, shown, (counted(index), now));
        Self {
            attribute_definitions: table.attribute_definitions.iter().map(AttributeDefinition::new).collect(),
            table_name: table.name.clone(),
            key_schema: key_schema(&table.key),
            table_status: shown.status,
            creation_date_time: Some(Timestamp(table.created())),
            provisioned_throughput: ThroughputDescription::new(table.throughput, capacity, now),
            table_size_bytes: own.bytes,
            item_count: own.items,
            table_arn: table.arn(),
            table_id: table.uuid.clone(),
            billing_mode_summary: BillingModeSummary::new(table, shown.status),
            local_secondary_indexes: table.local_indexes().map(describe).collect(),
            global_secondary_indexes: table.global_indexes().map(describe).collect(),
            vector_indexes: table
                .vector_indexes()
                .map(|(index, settings)| VectorIndexDescription::new(table, index, settings, shown, counted(index)))
                .collect(),
            stream_specification: table
                .stream
                .as_ref()
                .map(|stream| StreamDescription { stream_enabled: true, stream_view_type: stream.view.name() }),
            latest_stream_label: table.latest_stream_label.clone(),
            latest_stream_arn: table
                .latest_stream_label
                .as_ref()
                .map(|label| table.realm.stream_arn(&table.name, label)),
            restore_summary: table.restore.as_ref().map(RestoreSummary::new),
            global_table_version: is_group.then_some(replica_description::VERSION),
            replicas: replication.replicas.iter().map(|replica| ReplicaDescription::new(table, replica)).collect(),
            global_table_witnesses: replica_description::witnesses(table),
            global_table_settings_replication_mode: replica_description::settings_mode(table),
            sse_description: encryption.key_arn.as_ref().map(|key| EncryptionDescription::new(key, shown.encryption)),
            table_class_summary: ClassSummary::new(class.class, class.changed_millis),
            deletion_protection_enabled: table.deletion_protection,
            on_demand_throughput: OnDemandDescription::new(capacity.most_on_demand),
            warm_throughput: shown.warm.map(|status| WarmDescription::new(table.warm(), status)),
            disassociation_protection_enabled: is_group.then_some(!replication.may_disassociate),
            multi_region_consistency: replication.is_strong.then_some("STRONG"),
        }
    }

    /// As DeleteTable answers: without the schema.
    #[must_use]
    pub fn without_schema(self) -> Self {
        Self { attribute_definitions: Vec::new(), key_schema: Vec::new(), creation_date_time: None, ..self }
    }
}

impl RestoreSummary {
    fn new(restore: &Restore) -> Self {
        Self {
            source_backup_arn: restore.source_backup_arn.clone(),
            source_table_arn: restore.source_table_arn.clone(),
            restore_date_time: Timestamp::from_millis(restore.at_millis),
            restore_in_progress: true,
        }
    }
}

impl AttributeDefinition {
    fn new(attribute: &KeyAttribute) -> Self {
        Self { attribute_name: attribute.name.clone(), attribute_type: attribute.kind.name() }
    }
}

pub fn key_schema(schema: &KeySchema) -> Vec<KeySchemaElement> {
    let element =
        |attribute: &KeyAttribute, key_type| KeySchemaElement { attribute_name: attribute.name.clone(), key_type };
    let partition = schema.partition.iter().map(|attribute| element(attribute, "HASH"));
    partition.chain(schema.sort.iter().map(|attribute| element(attribute, "RANGE"))).collect()
}

impl ThroughputDescription {
    pub fn new(throughput: Option<Throughput>, capacity: &CapacitySettings, now: clock::Timestamp) -> Self {
        let Throughput { read, write } = throughput.unwrap_or(Throughput { read: 0, write: 0 });
        Self {
            last_increase_date_time: capacity.last_increase_millis.map(Timestamp::from_millis),
            last_decrease_date_time: capacity.last_decrease_millis.map(Timestamp::from_millis),
            number_of_decreases_today: capacity.decreases_today(now),
            read_capacity_units: read,
            write_capacity_units: write,
        }
    }
}

impl OnDemandDescription {
    pub fn new(most: OnDemand) -> Option<Self> {
        let some = most.read.is_some() || most.write.is_some();
        some.then_some(Self { max_read_request_units: most.read, max_write_request_units: most.write })
    }
}

impl WarmDescription {
    pub const fn new(warm: Throughput, status: &'static str) -> Self {
        Self { read_units_per_second: warm.read, write_units_per_second: warm.write, status }
    }
}

impl ClassSummary {
    /// The usual class is shown only once it has been another.
    pub fn new(class: TableClass, changed_millis: Option<i64>) -> Option<Self> {
        let is_shown = class != TableClass::Standard || changed_millis.is_some();
        let last_update_date_time = changed_millis.map(Timestamp::from_millis);
        is_shown.then_some(Self { table_class: class.name(), last_update_date_time })
    }
}

impl BillingModeSummary {
    pub fn new(table: &Table, status: &str) -> Option<Self> {
        let since = table.on_demand_since_millis.map(Timestamp::from_millis);
        match table.billing_mode {
            BillingMode::PayPerRequest => Some(Self {
                billing_mode: "PAY_PER_REQUEST",
                last_update_to_pay_per_request_date_time: since.filter(|_| status != "CREATING"),
            }),
            BillingMode::Provisioned => since.map(|since| Self {
                billing_mode: "PROVISIONED",
                last_update_to_pay_per_request_date_time: Some(since),
            }),
        }
    }
}

impl EncryptionDescription {
    pub fn new(key_arn: &str, status: &'static str) -> Self {
        Self { status, sse_type: "KMS", kms_master_key_arn: key_arn.to_owned() }
    }
}

impl ProjectionDescription {
    pub fn new(projection: &Projection) -> Self {
        let (projection_type, non_key_attributes) = match projection {
            Projection::All => ("ALL", None),
            Projection::KeysOnly => ("KEYS_ONLY", None),
            Projection::Include(names) => ("INCLUDE", Some(names.clone())),
        };
        Self { projection_type, non_key_attributes }
    }
}

impl IndexDescription {
    fn new(table: &Table, index: &Index, shown: Shown, (statistics, now): (Statistics, clock::Timestamp)) -> Self {
        let is_global = index.kind == IndexKind::Global;
        Self {
            index_name: index.name.clone(),
            key_schema: key_schema(&index.key),
            projection: ProjectionDescription::new(&index.projection),
            index_status: is_global.then_some(shown.status_of(index)),
            backfilling: (is_global && index.status == IndexStatus::Creating).then_some(true),
            provisioned_throughput: is_global
                .then(|| ThroughputDescription::new(index.throughput, &index.capacity, now)),
            on_demand_throughput: OnDemandDescription::new(index.capacity.most_on_demand),
            warm_throughput: (is_global && shown.warm.is_some())
                .then(|| WarmDescription::new(table.warm_of(index), "ACTIVE")),
            index_size_bytes: statistics.bytes,
            item_count: statistics.items,
            index_arn: table.realm.index_arn(&table.name, &index.name),
        }
    }
}
