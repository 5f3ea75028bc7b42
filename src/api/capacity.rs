//! Capacity: what an operation would have consumed. Reported, never enforced.
//!
//! A write is a unit for each KB of the larger of old and new item, at least one; an index entry that moves is deleted and
//! written. A read is half a unit for each 4 KB, a whole one when consistent. In a transaction everything counts twice.
//! Source: Amazon DynamoDB Developer Guide, "DynamoDB read and write operations" and "provisioned capacity". Vector indexes count
//! bytes instead, of the data that reaches them or is searched ("Monitoring vector index capacity").

use std::collections::BTreeMap;

use serde::Serialize;

use crate::item::Item;
use crate::store::{IndexKind, Key, Table, Written};

/// What ReturnConsumedCapacity asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    None,
    Total,
    Indexes,
}

impl Detail {
    pub fn of(parameter: Option<&str>) -> Self {
        match parameter {
            Some("TOTAL") => Self::Total,
            Some("INDEXES") => Self::Indexes,
            _ => Self::None,
        }
    }
}

/// Whether units are of reading or of writing: transactions say so in their answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Read,
    Write,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Capacity {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_capacity_units: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_capacity_units: Option<f64>,
    pub capacity_units: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConsumedCapacity {
    pub table_name: String,
    pub capacity_units: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_capacity_units: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_capacity_units: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<Capacity>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub local_secondary_indexes: BTreeMap<String, Capacity>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub global_secondary_indexes: BTreeMap<String, Capacity>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vector_indexes: BTreeMap<String, VectorCapacity>,
}

/// What a vector index consumed: bytes, and no units.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VectorCapacity {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector_search_request_bytes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector_write_request_bytes: Option<f64>,
}

/// Units consumed of one table and its indexes, added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Consumed {
    pub table: f64,
    pub local: BTreeMap<String, f64>,
    pub global: BTreeMap<String, f64>,
    /// Bytes written to vector indexes.
    pub vector: BTreeMap<String, f64>,
}

impl Consumed {
    /// A write's units.
    pub fn write(table: &Table, written: &Written) -> Self {
        let mut consumed = Self { table: write_units(written.old_size.max(written.new_size)), ..Self::default() };
        for (id, removed, added) in &written.indexes {
            let Some(index) = table.indexes.iter().find(|index| index.id == *id) else { continue };
            let key = |item: Option<&Item>| item.and_then(|item| Key::of(&index.key, item));
            let stays = key(written.old.as_ref()) == key(written.new.as_ref());
            let of = if index.kind == IndexKind::Vector { vector_bytes } else { write_units };
            let units = if stays {
                of((*removed).max(*added))
            } else {
                [*removed, *added].into_iter().filter(|size| *size > 0).map(of).sum()
            };
            consumed.add_index(index.kind, &index.name, units);
        }
        consumed
    }

    /// The units of reading `bytes` of the table itself.
    pub fn read(bytes: usize, consistent: bool) -> Self {
        Self { table: read_units(bytes, consistent), ..Self::default() }
    }

    /// The units of reading `bytes` of an index.
    pub fn read_index(kind: IndexKind, name: &str, bytes: usize, consistent: bool) -> Self {
        let mut consumed = Self::default();
        consumed.add_index(kind, name, read_units(bytes, consistent));
        consumed
    }

    fn add_index(&mut self, kind: IndexKind, name: &str, units: f64) {
        let indexes = match kind {
            IndexKind::Local => &mut self.local,
            IndexKind::Global => &mut self.global,
            IndexKind::Vector => &mut self.vector,
        };
        *indexes.entry(name.to_owned()).or_default() += units;
    }

    pub fn add(&mut self, other: &Self) {
        self.table += other.table;
        for (name, units) in &other.local {
            self.add_index(IndexKind::Local, name, *units);
        }
        for (name, units) in &other.global {
            self.add_index(IndexKind::Global, name, *units);
        }
        for (name, bytes) in &other.vector {
            self.add_index(IndexKind::Vector, name, *bytes);
        }
    }

    pub fn total(&self) -> f64 {
        self.table + self.local.values().sum::<f64>() + self.global.values().sum::<f64>()
    }

    /// The same within a transaction. Bytes are those that reach the vector indexes, however often units count.
    #[must_use]
    pub fn doubled(&self) -> Self {
        let mut twice = self.clone();
        twice.add(&Self { vector: BTreeMap::new(), ..self.clone() });
        twice
    }

    /// As an answer shows it; `direction` is told in transactions only.
    pub fn report(&self, table_name: &str, detail: Detail, direction: Option<Direction>) -> Option<ConsumedCapacity> {
        let capacity = |units: f64| Capacity {
            read_capacity_units: (direction == Some(Direction::Read)).then_some(units),
            write_capacity_units: (direction == Some(Direction::Write)).then_some(units),
            capacity_units: units,
        };
        let indexes = |units: &BTreeMap<String, f64>| match detail {
            Detail::Indexes => units.iter().map(|(name, units)| (name.clone(), capacity(*units))).collect(),
            Detail::Total | Detail::None => BTreeMap::new(),
        };
        let total = capacity(self.total());
        (detail != Detail::None).then(|| ConsumedCapacity {
            table_name: table_name.to_owned(),
            capacity_units: total.capacity_units,
            read_capacity_units: total.read_capacity_units,
            write_capacity_units: total.write_capacity_units,
            table: (detail == Detail::Indexes).then(|| capacity(self.table)),
            local_secondary_indexes: indexes(&self.local),
            global_secondary_indexes: indexes(&self.global),
            vector_indexes: self.vector_indexes(detail),
        })
    }
}

impl Consumed {
    /// Told only where indexes are asked for: bytes are part of no total (measured, nubo-db/dynamodb-conformance,
    /// vectorSearch/consumedCapacity, 2026-08).
    fn vector_indexes(&self, detail: Detail) -> BTreeMap<String, VectorCapacity> {
        let written =
            |bytes: &f64| VectorCapacity { vector_write_request_bytes: Some(*bytes), ..VectorCapacity::default() };
        match detail {
            Detail::Indexes => self.vector.iter().map(|(name, bytes)| (name.clone(), written(bytes))).collect(),
            Detail::Total | Detail::None => BTreeMap::new(),
        }
    }
}

/// Units added up by table, in the order in which the tables first appear.
#[derive(Debug, Default)]
pub struct PerTable(Vec<(String, Consumed)>);

impl PerTable {
    pub fn add(&mut self, table_name: &str, consumed: &Consumed) {
        match self.0.iter_mut().find(|(name, _)| name == table_name) {
            Some((_, sum)) => sum.add(consumed),
            None => self.0.push((table_name.to_owned(), consumed.clone())),
        }
    }

    pub fn report(&self, detail: Detail, direction: Option<Direction>) -> Option<Vec<ConsumedCapacity>> {
        let report = |(name, consumed): &(String, Consumed)| consumed.report(name, detail, direction);
        (detail != Detail::None).then(|| self.0.iter().filter_map(report).collect())
    }
}

fn blocks(bytes: usize, block: usize) -> f64 {
    f64::from(u32::try_from(bytes.div_ceil(block).max(1)).unwrap_or(u32::MAX))
}

/// Units of writing so many bytes.
pub fn write_units(bytes: usize) -> f64 {
    blocks(bytes, 1024)
}

/// What a search or a write of so many bytes of a vector index counts: a kilobyte at least.
pub fn vector_bytes(bytes: usize) -> f64 {
    bytes.max(1024) as f64
}

/// Units of reading so many bytes.
pub fn read_units(bytes: usize, consistent: bool) -> f64 {
    blocks(bytes, 4096) * if consistent { 1.0 } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_count_begun_blocks() {
        assert_eq!([write_units(0), write_units(1024), write_units(1025)], [1.0, 1.0, 2.0]);
        assert_eq!([read_units(0, false), read_units(4096, true), read_units(4097, true)], [0.5, 1.0, 2.0]);
    }

    #[test]
    fn indexes_are_told_only_when_asked_for() {
        let mut consumed = Consumed::read(5000, true);
        consumed.add(&Consumed::read_index(IndexKind::Global, "by-day", 10, false));
        assert_eq!(consumed.report("t", Detail::None, None), None);
        let total = consumed.report("t", Detail::Total, None);
        assert_eq!(serde_json::to_value(total).ok(), Some(serde_json::json!({"TableName": "t", "CapacityUnits": 2.5})));
        let indexes = consumed.doubled().report("t", Detail::Indexes, Some(Direction::Read));
        assert_eq!(
            serde_json::to_value(indexes).ok(),
            Some(serde_json::json!({
                "TableName": "t", "CapacityUnits": 5.0, "ReadCapacityUnits": 5.0,
                "Table": {"CapacityUnits": 4.0, "ReadCapacityUnits": 4.0},
                "GlobalSecondaryIndexes": {"by-day": {"CapacityUnits": 1.0, "ReadCapacityUnits": 1.0}}
            }))
        );
    }

    #[test]
    fn units_of_one_table_are_added_up() {
        let mut tables = PerTable::default();
        tables.add("a", &Consumed::read(1, true));
        tables.add("b", &Consumed::read(1, false));
        tables.add("a", &Consumed::read(1, true));
        let units: Vec<f64> = tables.0.iter().map(|(_, consumed)| consumed.total()).collect();
        assert_eq!(units, [2.0, 0.5]);
    }
}
