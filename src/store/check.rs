//! Consistency: compares what is derived (index entries, counts, blobs) with the rows it derives from.
//!
//! Reads a table as one snapshot and rebuilds everything else from its rows. Finds nothing in a healthy database;
//! tests call it after every run, and `fdyno` can be asked for it.

use std::collections::{BTreeMap, BTreeSet};

use super::blob::Loaded;
use super::{IndexStatus, Key, Statistics, Store, Table};
use crate::error::Error;
use crate::keyspace::{self, Counter, IndexId, KeyRange, Keyspace, Record, Stored, TableId, TableSpace};
use crate::kv::{self, Isolation, KeyValue, RangeRead};

impl Store {
    /// What is wrong with a table: one sentence a finding, none when all is well.
    ///
    /// Memory and time grow with the table: this is for tests and for looking into damage.
    pub async fn check(&self, table: &Table) -> Result<Vec<String>, Error> {
        self.snapshot(|transaction| async move {
            self.fence(&transaction, table, Isolation::Snapshot).await?;
            let space = table.space(self);
            let mut findings = Vec::new();
            let rows = self.check_rows(&transaction, table, &space, &mut findings).await?;
            check_indexes(self.keyspace(), &transaction, table, &space, &rows, &mut findings).await?;
            check_counts(&transaction, &space, &rows, &mut findings).await?;
            check_log(&transaction, table, &space, &mut findings).await?;
            check_blobs(&transaction, &space, &rows, &mut findings).await?;
            Ok(findings)
        })
        .await
    }

    async fn check_rows(
        &self,
        transaction: &kv::Transaction,
        table: &Table,
        space: &TableSpace,
        findings: &mut Vec<String>,
    ) -> Result<Derived, Error> {
        let mut derived = Derived::default();
        derived.counts.insert(IndexId::TABLE.0, Statistics::default());
        for index in &table.indexes {
            derived.counts.insert(index.id, Statistics::default());
        }
        for pair in all(transaction, space.items()).await? {
            let loaded = Loaded::read(transaction, space, pair.value.clone(), Isolation::Snapshot).await?;
            let Some(key) = Key::of(&table.key, &loaded.item) else {
                findings.push("a row's item lacks its key attributes".to_owned());
                continue;
            };
            if space.item(key.primary()?) != *pair.key {
                findings.push("a row lies under another key than its item's".to_owned());
            }
            if loaded.size != loaded.item.size() {
                findings.push("a row's recorded size is not its item's".to_owned());
            }
            derived.blobs.extend(loaded.blob.map(|blob| blob.0));
            derived.count(IndexId::TABLE.0, loaded.size);
            if let Some(time_to_live) = table.time_to_live.as_ref().filter(|found| found.status == IndexStatus::Active)
            {
                let entry = time_to_live.entry(space, &loaded.item, &key)?;
                derived.entries.extend(entry.map(|entry| (entry, Vec::new())));
            }
            for index in table.indexes.iter().filter(|index| index.status == IndexStatus::Active) {
                if let Some(entry) = super::write::entry_of(space, index, &loaded.item, &key)? {
                    derived.count(index.id, index.projected_size(&table.key, &loaded.item, loaded.size));
                    derived.entries.insert(entry.key, entry.value);
                }
            }
        }
        Ok(derived)
    }
}

/// What the rows say should be stored beside them.
#[derive(Default)]
struct Derived {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    counts: BTreeMap<u32, Statistics>,
    blobs: BTreeSet<[u8; 16]>,
}

impl Derived {
    fn count(&mut self, index: u32, bytes: usize) {
        let counts = self.counts.entry(index).or_default();
        counts.items += 1;
        counts.bytes += bytes as i64;
    }
}

async fn check_indexes(
    keyspace: &Keyspace,
    transaction: &kv::Transaction,
    table: &Table,
    space: &TableSpace,
    rows: &Derived,
    findings: &mut Vec<String>,
) -> Result<(), Error> {
    let mut unsettled: Vec<u32> =
        table.indexes.iter().filter(|index| index.status == IndexStatus::Creating).map(|index| index.id).collect();
    unsettled.extend(
        table.time_to_live.as_ref().filter(|found| found.status == IndexStatus::Creating).map(|found| found.index),
    );
    let jobs = keyspace.jobs_of_table(TableId(table.id));
    for pair in all(transaction, jobs).await? {
        unsettled.push(keyspace.parse_job(&pair.key)?.index);
    }
    let mut stored = BTreeMap::new();
    for pair in all(transaction, space.indexes()).await? {
        let (index, _) = space.parse_index_entry(&pair.key)?;
        if !unsettled.contains(&index.0) {
            stored.insert(pair.key.to_vec(), pair.value.to_vec());
        }
    }
    for (entry, value) in &rows.entries {
        match stored.get(entry) {
            None => findings.push(format!("an index entry is missing: {entry:02x?}")),
            Some(found) if found != value => {
                findings.push(format!("an index entry holds what its row is not: {entry:02x?}"))
            }
            Some(_) => {}
        }
    }
    for extra in stored.keys().filter(|entry| !rows.entries.contains_key(*entry)) {
        findings.push(format!("an index entry has no row: {extra:02x?}"));
    }
    Ok(())
}

async fn check_counts(
    transaction: &kv::Transaction,
    space: &TableSpace,
    rows: &Derived,
    findings: &mut Vec<String>,
) -> Result<(), Error> {
    for (index, expected) in &rows.counts {
        let mut stored = [0_i64; 2];
        for (value, counter) in stored.iter_mut().zip([Counter::Items, Counter::Bytes]) {
            let key = space.counter(IndexId(*index), counter);
            if let Some(bytes) = transaction.get(&key, Isolation::Snapshot).await? {
                *value = keyspace::decode_counter(&bytes)?;
            }
        }
        let [items, bytes] = stored;
        if *expected != (Statistics { items, bytes }) {
            findings.push(format!("index {index} counts {items} items and {bytes} bytes, its rows make {expected:?}"));
        }
    }
    Ok(())
}

/// Every logged change is found by its item, and nothing else is.
async fn check_log(
    transaction: &kv::Transaction,
    table: &Table,
    space: &TableSpace,
    findings: &mut Vec<String>,
) -> Result<(), Error> {
    let mut logged = BTreeSet::new();
    for pair in all(transaction, space.all_changes()).await? {
        let keys = keyspace::decode_item(Record::decode(&pair.value)?.keys)?;
        let Some(key) = Key::of(&table.key, &keys) else {
            findings.push("a logged change lacks its key attributes".to_owned());
            continue;
        };
        logged.insert((space.item(key.primary()?), space.parse_change(&pair.key)?));
    }
    let mut by_item = BTreeSet::new();
    for pair in all(transaction, space.changes_of_items(&space.items())).await? {
        by_item.insert(space.parse_change_of_item(&pair.key)?);
    }
    if logged != by_item {
        findings.push(format!("{} changes are logged, {} are found by item", logged.len(), by_item.len()));
    }
    Ok(())
}

/// Every blob belongs to a row, or is freed by a record, by a logged change, or, with a note of it, by one of each; every
/// image's blob is there.
async fn check_blobs(
    transaction: &kv::Transaction,
    space: &TableSpace,
    rows: &Derived,
    findings: &mut Vec<String>,
) -> Result<(), Error> {
    let mut stored = BTreeSet::new();
    for pair in all(transaction, space.blobs()).await? {
        stored.insert(space.parse_chunk(&pair.key)?.0.0);
    }
    let mut owned = rows.blobs.clone();
    for pair in all(transaction, space.all_records()).await? {
        let record = Record::decode(&pair.value)?;
        if record.frees.is_some_and(|blob| !owned.insert(blob.0)) {
            findings.push("a blob has two owners".to_owned());
        }
        for image in [record.old, record.new].into_iter().flatten() {
            if image.blob().is_some_and(|blob| !stored.contains(&blob.0)) {
                findings.push("a record points to a blob that is gone".to_owned());
            }
            if let Stored::Inline { item, .. } = image {
                keyspace::decode_item(item)?;
            }
        }
    }
    let mut twice = BTreeSet::new();
    for pair in all(transaction, space.all_owned_twice()).await? {
        twice.insert(space.parse_owned_twice(&pair.key)?.0);
    }
    for pair in all(transaction, space.all_changes()).await? {
        let record = Record::decode(&pair.value)?;
        // Of what is put again meanwhile the new image may be gone, once nothing is logged any more.
        if record.old.and_then(|old| old.blob()).is_some_and(|blob| !stored.contains(&blob.0)) {
            findings.push("a logged change points to a blob that is gone".to_owned());
        }
        if let Some(blob) = record.frees {
            let (is_alone, is_noted) = (owned.insert(blob.0), twice.remove(&blob.0));
            if is_alone == is_noted {
                findings.push("a blob of a logged change has two owners and no note, or one and a note".to_owned());
            }
        }
    }
    if !twice.is_empty() {
        findings.push(format!("{} blobs are noted to have two owners and have none", twice.len()));
    }
    if owned != stored {
        findings.push(format!("{} blobs are stored, {} have an owner", stored.len(), owned.len()));
    }
    Ok(())
}

async fn all(transaction: &kv::Transaction, mut range: KeyRange) -> Result<Vec<KeyValue>, Error> {
    let mut pairs = Vec::new();
    loop {
        let page =
            transaction.range(&RangeRead::new(range.begin.clone(), range.end.clone()).snapshot().limited(1000)).await?;
        let more = page.more;
        pairs.extend(page.pairs);
        match pairs.last() {
            Some(last) if more => range = range.after(&last.key),
            _ => return Ok(pairs),
        }
        if range.is_empty() {
            return Ok(pairs);
        }
    }
}
