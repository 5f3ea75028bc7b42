//! TableDescription: what CreateTable, DescribeTable, UpdateTable and DeleteTable answer.

use serde::Serialize;

use super::wire::Timestamp;
use crate::store::{
    BillingMode, Index, IndexKind, IndexStatus, KeyAttribute, KeySchema, Projection, Statistics, Table, Throughput,
};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_specification: Option<StreamDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_stream_label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_stream_arn: Option<String>,
    pub deletion_protection_enabled: bool,
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
    pub number_of_decreases_today: u64,
    pub read_capacity_units: u64,
    pub write_capacity_units: u64,
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
    pub index_size_bytes: i64,
    pub item_count: i64,
    pub index_arn: String,
}

impl TableDescription {
    /// `status` is the table's; while it is being created, so are its global indexes.
    pub fn new(table: &Table, status: &'static str, statistics: &(Statistics, Vec<(u32, Statistics)>)) -> Self {
        let (own, of_indexes) = statistics;
        let describe = |index: &Index| {
            let statistics = of_indexes.iter().find(|(id, _)| *id == index.id).map(|(_, statistics)| *statistics);
            IndexDescription::new(table, index, status, statistics.unwrap_or_default())
        };
        Self {
            attribute_definitions: table.attribute_definitions.iter().map(AttributeDefinition::new).collect(),
            table_name: table.name.clone(),
            key_schema: key_schema(&table.key),
            table_status: status,
            creation_date_time: Some(Timestamp(table.created())),
            provisioned_throughput: ThroughputDescription::new(table.throughput),
            table_size_bytes: own.bytes,
            item_count: own.items,
            table_arn: table.arn(),
            table_id: table.uuid.clone(),
            billing_mode_summary: BillingModeSummary::new(table, status),
            local_secondary_indexes: table.local_indexes().map(describe).collect(),
            global_secondary_indexes: table.global_indexes().map(describe).collect(),
            stream_specification: table
                .stream
                .as_ref()
                .map(|stream| StreamDescription { stream_enabled: true, stream_view_type: stream.view.name() }),
            latest_stream_label: table.latest_stream_label.clone(),
            latest_stream_arn: table
                .latest_stream_label
                .as_ref()
                .map(|label| table.realm.stream_arn(&table.name, label)),
            deletion_protection_enabled: table.deletion_protection,
        }
    }

    /// As DeleteTable answers: without the schema.
    #[must_use]
    pub fn without_schema(self) -> Self {
        Self { attribute_definitions: Vec::new(), key_schema: Vec::new(), creation_date_time: None, ..self }
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
    fn new(throughput: Option<Throughput>) -> Self {
        let Throughput { read, write } = throughput.unwrap_or(Throughput { read: 0, write: 0 });
        Self { number_of_decreases_today: 0, read_capacity_units: read, write_capacity_units: write }
    }
}

impl BillingModeSummary {
    fn new(table: &Table, status: &str) -> Option<Self> {
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

impl IndexDescription {
    fn new(table: &Table, index: &Index, table_status: &'static str, statistics: Statistics) -> Self {
        let is_global = index.kind == IndexKind::Global;
        let status = match index.status {
            _ if matches!(table_status, "CREATING" | "DELETING") => table_status,
            IndexStatus::Creating => "CREATING",
            IndexStatus::Active => "ACTIVE",
            IndexStatus::Deleting => "DELETING",
        };
        let (projection_type, non_key_attributes) = match &index.projection {
            Projection::All => ("ALL", None),
            Projection::KeysOnly => ("KEYS_ONLY", None),
            Projection::Include(names) => ("INCLUDE", Some(names.clone())),
        };
        Self {
            index_name: index.name.clone(),
            key_schema: key_schema(&index.key),
            projection: ProjectionDescription { projection_type, non_key_attributes },
            index_status: is_global.then_some(status),
            backfilling: (is_global && index.status == IndexStatus::Creating).then_some(true),
            provisioned_throughput: is_global.then(|| ThroughputDescription::new(index.throughput)),
            index_size_bytes: statistics.bytes,
            item_count: statistics.items,
            index_arn: table.realm.index_arn(&table.name, &index.name),
        }
    }
}
