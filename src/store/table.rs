//! What a table is: its keys, indexes, stream and settings, as stored under the table's metadata keys.
//!
//! A `Table` is an immutable snapshot of one metadata version; every write checks in its own transaction that
//! the version still holds, so a stale snapshot can never write.

use serde::{Deserialize, Serialize};

use super::{CapacitySettings, OnDemandChange, Policy, Replication, Settings, TableClass, Tags, VectorSettings};
use crate::clock::Timestamp;
use crate::item::{AttributeValue, Item};
use crate::keyspace::{self, KeyValue, PrimaryKey};
use crate::kv;

/// Account and region: the outermost division of a database. Tables of different realms never meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Realm {
    /// Twelve digits.
    pub account: String,
    /// For example `us-east-1`.
    pub region: String,
}

impl Realm {
    pub(super) fn names(&self) -> keyspace::Realm<'_> {
        keyspace::Realm { account: &self.account, region: &self.region }
    }

    /// The ARN partition the region belongs to.
    pub fn partition(&self) -> &'static str {
        match self.region.split('-').next() {
            Some("cn") => "aws-cn",
            _ if self.region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    pub fn table_arn(&self, table_name: &str) -> String {
        format!("arn:{}:dynamodb:{}:{}:table/{table_name}", self.partition(), self.region, self.account)
    }

    pub fn stream_arn(&self, table_name: &str, label: &str) -> String {
        format!("{}/stream/{label}", self.table_arn(table_name))
    }

    pub fn backup_arn(&self, table_name: &str, id: &str) -> String {
        format!("{}/backup/{id}", self.table_arn(table_name))
    }

    pub fn index_arn(&self, table_name: &str, index_name: &str) -> String {
        format!("{}/index/{index_name}", self.table_arn(table_name))
    }
}

/// The type of a key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyKind {
    S,
    N,
    B,
}

impl KeyKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
        }
    }

    pub const fn matches(self, value: &AttributeValue) -> bool {
        matches!(
            (self, value),
            (Self::S, AttributeValue::S(_)) | (Self::N, AttributeValue::N(_)) | (Self::B, AttributeValue::B(_))
        )
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAttribute {
    pub name: String,
    pub kind: KeyKind,
}

/// Partition and sort key attributes. A table has one and at most one; an index may have up to four of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySchema {
    pub partition: Vec<KeyAttribute>,
    pub sort: Vec<KeyAttribute>,
}

impl KeySchema {
    /// Partition attributes, then sort attributes.
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        self.partition.iter().chain(&self.sort)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }

    pub fn len(&self) -> usize {
        self.partition.len() + self.sort.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The values of a key, in the order of its schema's attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub partition: Vec<AttributeValue>,
    pub sort: Vec<AttributeValue>,
}

impl Key {
    /// The key of `item` under `schema`; `None` when an attribute is missing or of another type
    /// (for an index: the item is not in it).
    pub fn of(schema: &KeySchema, item: &Item) -> Option<Self> {
        let pick = |attributes: &[KeyAttribute]| -> Option<Vec<AttributeValue>> {
            attributes
                .iter()
                .map(|attribute| item.get(&attribute.name).filter(|value| attribute.kind.matches(value)).cloned())
                .collect()
        };
        Some(Self { partition: pick(&schema.partition)?, sort: pick(&schema.sort)? })
    }

    /// The key of an item, as the keyspace takes it.
    pub(super) fn primary(&self) -> kv::Result<PrimaryKey<'_>> {
        let [partition] = self.partition.as_slice() else { return Err(not_a_key()) };
        let sort = self.sort.first().map(key_value).transpose()?;
        Ok(PrimaryKey { partition: key_value(partition)?, sort })
    }

    /// Writes the key's attributes under their names into `item`.
    pub fn insert_into(&self, schema: &KeySchema, item: &mut Item) {
        let values = self.partition.iter().chain(&self.sort);
        for (attribute, value) in schema.attributes().zip(values) {
            item.insert(attribute.name.as_str().into(), value.clone());
        }
    }

    pub fn to_item(&self, schema: &KeySchema) -> Item {
        let mut item = Item::with_capacity(schema.len());
        self.insert_into(schema, &mut item);
        item
    }
}

/// A key attribute's value, as the keyspace takes it.
pub(super) fn key_value(value: &AttributeValue) -> kv::Result<KeyValue<'_>> {
    KeyValue::of(value).ok_or_else(not_a_key)
}

/// The values of several key attributes.
pub(super) fn key_values(values: &[AttributeValue]) -> kv::Result<Vec<KeyValue<'_>>> {
    values.iter().map(key_value).collect()
}

fn not_a_key() -> kv::Error {
    kv::Error::Corrupt("a key whose values are not a key's".to_owned())
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Projection {
    All,
    KeysOnly,
    /// The named attributes beside the keys.
    Include(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexKind {
    Local,
    Global,
    /// Has `vector`; its key is a partition attribute at most.
    Vector,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexStatus {
    /// Entries are written by every mutation, older items are still being added.
    Creating,
    Active,
    /// Entries are being removed.
    Deleting,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Unique within the table for ever: a new index of an old name never sees old entries.
    pub id: u32,
    pub name: String,
    pub kind: IndexKind,
    pub key: KeySchema,
    pub projection: Projection,
    pub status: IndexStatus,
    pub throughput: Option<Throughput>,
    #[serde(default, skip_serializing_if = "CapacitySettings::is_default")]
    pub capacity: CapacitySettings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<VectorSettings>,
}

/// Provisioned capacity; accepted, reported, never enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throughput {
    pub read: u64,
    pub write: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BillingMode {
    Provisioned,
    PayPerRequest,
}

pub use crate::keyspace::ViewType as StreamViewType;

/// The open stream of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableStream {
    pub view: StreamViewType,
    /// ISO 8601 time of the enabling: the last part of the stream's ARN.
    pub label: String,
}

/// The time to live of a table's items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeToLive {
    /// The attribute that says when an item expires, in seconds since the epoch.
    pub attribute: String,
    /// The index, shown to nobody, in which items lie in the order of their expiry.
    pub index: u32,
    /// `Creating` as long as older items are being added to it.
    pub status: IndexStatus,
}

/// One version of a table's definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The number under which all of the table's keys live.
    pub id: u64,
    /// The UUID users see as `TableId`.
    pub uuid: String,
    /// The definition's version; rises with every change.
    pub version: u64,
    pub realm: Realm,
    pub name: String,
    pub created_millis: i64,
    /// In the order the table was created with; names and types of all key attributes.
    pub attribute_definitions: Vec<KeyAttribute>,
    pub key: KeySchema,
    pub indexes: Vec<Index>,
    /// Next index id to give.
    pub next_index_id: u32,
    pub stream: Option<TableStream>,
    /// The label of the newest stream, open or closed.
    pub latest_stream_label: Option<String>,
    pub billing_mode: BillingMode,
    pub throughput: Option<Throughput>,
    /// When the billing mode last became on-demand.
    pub on_demand_since_millis: Option<i64>,
    pub deletion_protection: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_live: Option<TimeToLive>,
    /// When time to live was last switched on or off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_live_changed_millis: Option<i64>,
    #[serde(default, skip_serializing_if = "Settings::is_default")]
    pub settings: Settings,
    /// The numbers of those that are being filled from this table as it was: as long as there is one, changes are logged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<u64>,
    /// There while the table is being filled from another or from a backup: nobody can use it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// Its items are being imported: until that has ended nobody else sees, writes or changes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_importing: bool,
}

/// What a table that is being restored is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    pub source_table_arn: String,
    pub source_backup_arn: Option<String>,
    /// The moment whose items it gets.
    pub at_millis: i64,
}

impl Table {
    pub fn arn(&self) -> String {
        self.realm.table_arn(&self.name)
    }

    pub const fn created(&self) -> Timestamp {
        Timestamp(self.created_millis)
    }

    /// What the table serves at once.
    pub fn warm(&self) -> Throughput {
        self.settings.capacity.warm(self.billing_mode, self.throughput)
    }

    /// What a global index serves at once.
    pub fn warm_of(&self, index: &Index) -> Throughput {
        index.capacity.warm(self.billing_mode, index.throughput)
    }

    pub fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }

    pub fn local_indexes(&self) -> impl Iterator<Item = &Index> {
        self.indexes.iter().filter(|index| index.kind == IndexKind::Local)
    }

    pub fn global_indexes(&self) -> impl Iterator<Item = &Index> {
        self.indexes.iter().filter(|index| index.kind == IndexKind::Global)
    }

    pub fn vector_indexes(&self) -> impl Iterator<Item = (&Index, &VectorSettings)> {
        self.indexes.iter().filter_map(|index| Some((index, index.vector.as_ref()?)))
    }
}

/// What a new table is made of; the store adds ids, times and labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDefinition {
    pub name: String,
    pub attribute_definitions: Vec<KeyAttribute>,
    pub key: KeySchema,
    pub indexes: Vec<IndexDefinition>,
    pub stream: Option<StreamViewType>,
    pub billing_mode: BillingMode,
    pub throughput: Option<Throughput>,
    pub deletion_protection: bool,
    pub settings: Settings,
    pub tags: Tags,
    pub policy: Option<Policy>,
}

/// What a new index is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDefinition {
    pub name: String,
    pub kind: IndexKind,
    pub key: KeySchema,
    pub projection: Projection,
    pub throughput: Option<Throughput>,
    #[serde(default)]
    pub capacity: CapacitySettings,
    #[serde(default)]
    pub vector: Option<VectorSettings>,
}

impl IndexDefinition {
    /// The attributes whose types the table's definitions have to tell: those of the key, and those that searches filter by.
    pub fn typed_attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        self.key.attributes().chain(self.vector.iter().flat_map(VectorSettings::filters))
    }
}

impl Index {
    /// As [`IndexDefinition::typed_attributes`].
    pub fn typed_attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        self.key.attributes().chain(self.vector.iter().flat_map(VectorSettings::filters))
    }

    /// What another index of its kind is made of.
    pub fn definition(&self) -> IndexDefinition {
        IndexDefinition {
            name: self.name.clone(),
            kind: self.kind,
            key: self.key.clone(),
            projection: self.projection.clone(),
            throughput: self.throughput,
            capacity: self.capacity.clone(),
            vector: self.vector.clone(),
        }
    }
}

/// One change of a table's definition; `store` applies it in a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableChange {
    EnableStream(StreamViewType),
    DisableStream,
    CreateIndex(Box<IndexDefinition>),
    DeleteIndex(String),
    IndexThroughput(String, Throughput),
    AttributeDefinitions(Vec<KeyAttribute>),
    Billing(BillingMode, Option<Throughput>),
    DeletionProtection(bool),
    /// By the attribute that says, or said, when items expire.
    EnableTimeToLive(String),
    DisableTimeToLive(String),
    OnDemand(OnDemandChange),
    /// Never to less than what is warm.
    Warm(Throughput),
    /// By the index's name.
    IndexOnDemand(String, OnDemandChange),
    IndexWarm(String, Throughput),
    Class(TableClass),
    /// The key's ARN.
    Encryption(Option<String>),
    /// For so many days, or off.
    PointInTime(Option<u16>),
    Replication(Replication),
}

/// Item counts and sizes, exact, of a table or an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    pub items: i64,
    pub bytes: i64,
}
