//! What other services keep of a table: settings that are shown and nothing more, since none of those services is here.
//!
//! Kept as one value beside the definition (`beside`). Indexes are named by their ids, so that what was set for one does
//! not come back with another of its name.

use serde::{Deserialize, Serialize};

use super::Table;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Services {
    pub insights: Vec<Insights>,
    pub destinations: Vec<Destination>,
    pub scaling: Vec<Scaling>,
}

/// CloudWatch Contributor Insights of a table or an index, once it has been switched on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insights {
    /// The table's own have none.
    pub index: Option<u32>,
    pub enabled: bool,
    pub mode: InsightsMode,
    pub changed_millis: i64,
    /// When it was last switched on: rules are called after it.
    pub since_millis: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InsightsMode {
    AccessedAndThrottled,
    Throttled,
}

/// A Kinesis data stream that changes are, or were, to be sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    pub stream_arn: String,
    pub active: bool,
    pub precision: Option<Precision>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    Millisecond,
    Microsecond,
}

/// Auto scaling of one capacity of a replica, or of an index of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    pub region: String,
    pub index: Option<u32>,
    pub capacity: Capacity,
    pub minimum: u64,
    pub maximum: u64,
    pub policy: ScalingPolicy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Capacity {
    Read,
    Write,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingPolicy {
    pub name: String,
    pub target: f64,
    pub disable_scale_in: Option<bool>,
    pub scale_in_cooldown: Option<i64>,
    pub scale_out_cooldown: Option<i64>,
}

impl Services {
    pub(super) fn forget_removed_indexes(&mut self, table: &Table) {
        let is_there = |id: Option<u32>| id.is_none_or(|id| table.indexes.iter().any(|index| index.id == id));
        self.insights.retain(|insights| is_there(insights.index));
        self.scaling.retain(|scaling| is_there(scaling.index));
    }
}
