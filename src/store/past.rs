//! Reading a table as it was: all its items before a place in the order of commits, page by page.
//!
//! A page merges two ranges of one snapshot, rows and logged changes by item, and takes of each item the old image of its
//! first change from the place on, or its row. See `history` for why pages of different snapshots fit together. An item that
//! changed very often costs two reads: the reader leaps from its first entry to the place, and then to the next item. Pages
//! are bounded in items and bytes, so that one can be read and written elsewhere in one transaction.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use futures_util::try_join;
use serde::{Deserialize, Serialize};

use super::blob::{Loaded, read_item};
use super::history::{no_recovery, read_place};
use super::schema::{no_such_table, read_definition, read_table};
use super::timeline::Times;
use super::{READS_AT_ONCE, Realm, Store, corrupt};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::item::Item;
use crate::keyspace::{self, KeyRange, Position, Record, Stored, TableId, TableSpace};
use crate::kv::{self, Isolation, after_prefix};

/// Entries of the log that are read at once, and their bytes.
const ENTRIES: usize = 500;
const ENTRY_BYTES: usize = 500_000;
/// Reads of such entries for one page, unless more are needed to get anywhere.
const READS: usize = 32;

/// A table as it was at a moment, while recovery to a point in time is on. Who reads it in steps of a job keeps this with
/// the job: asked for again, the same moment may mean more, if it is the present one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsOf {
    pub realm: Realm,
    pub name: String,
    table_id: u64,
    /// The place from which on what was committed is undone.
    pub(super) before: [u8; Position::BYTES],
}

impl AsOf {
    const fn before(&self) -> Position {
        Position::from_bytes(self.before)
    }
}

/// Some items of a table as it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemsPage {
    pub items: Vec<Item>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Vec<u8>>,
}

/// What became of an item between two moments: of several changes the first's old image and the last's new one.
#[derive(Clone, Debug, PartialEq)]
pub struct NetChange {
    pub keys: Item,
    pub old: Option<Item>,
    pub new: Option<Item>,
    /// When it changed last.
    pub at: Timestamp,
}

/// Some of the items that were changed between two moments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetChangesPage {
    pub changes: Vec<NetChange>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Vec<u8>>,
}

/// An item of a page, and where the page that begins just behind it does.
pub(super) struct PastItem {
    pub(super) item: Item,
    pub(super) behind: Vec<u8>,
}

#[derive(Default)]
pub(super) struct PastPage {
    pub(super) items: Vec<PastItem>,
    pub(super) next: Option<Vec<u8>>,
}

impl Store {
    /// A table as it was at `at`, or as it is: with everything committed until then, and nothing later. For reading it with
    /// [`Store::items_as_of`]. Whether `at` is a moment that can be asked for is the caller's to check
    /// (`PointInTime::earliest`, `PointInTime::latest`); before the recovery was switched on it gives the table as it was then.
    ///
    /// Errors: `ResourceNotFound`, `PointInTimeRecoveryUnavailable`.
    pub async fn as_of(&self, realm: &Realm, name: &str, at: Option<Timestamp>) -> Result<AsOf, Error> {
        self.snapshot(|transaction| async move {
            let table = read_table(self.keyspace(), &transaction, realm, name, Isolation::Snapshot).await?;
            let table = table.ok_or_else(no_such_table)?;
            let before = self.place_in_past(&transaction, &table, at).await?;
            let (realm, name) = (realm.clone(), name.to_owned());
            Ok(AsOf { realm, name, table_id: table.id, before: before.to_bytes() })
        })
        .await
    }

    /// One page of a table as it was, in the order in which Scan reads it: up to `limit` items, and no more than `bytes` of
    /// them by the item-size rule unless one alone is larger. `cursor` is what the page before gave as `next`. Pages may be
    /// read over any time, by any process: all of them together are the table at one moment, whatever is written
    /// meanwhile.
    ///
    /// Errors: `PointInTimeRecoveryUnavailable` once the past is not kept any more: because recovery was switched off, or
    /// the moment is more than an hour longer ago than the recovery period, or the table is gone.
    pub async fn items_as_of(
        &self,
        as_of: &AsOf,
        cursor: Option<&[u8]>,
        limit: usize,
        bytes: usize,
    ) -> Result<ItemsPage, Error> {
        let space = &self.keyspace().table(TableId(as_of.table_id));
        self.snapshot(|transaction| async move {
            self.check_past(&transaction, as_of, space).await?;
            let page = read_past(&transaction, space, Some(as_of.before()), cursor, (limit, bytes)).await?;
            Ok(ItemsPage { items: page.items.into_iter().map(|past| past.item).collect(), next: page.next })
        })
        .await
    }

    /// One page of the items that were written between two moments of a table, with what they were before and after, in the order
    /// of [`Store::items_as_of`] and under its rules; an item that was written and is what it was is among them.
    ///
    /// Errors: as [`Store::items_as_of`].
    pub async fn changes_between(
        &self,
        (from, to): (&AsOf, &AsOf),
        cursor: Option<&[u8]>,
        limit: usize,
        bytes: usize,
    ) -> Result<NetChangesPage, Error> {
        let space = &self.keyspace().table(TableId(from.table_id));
        self.snapshot(|transaction| async move {
            self.check_past(&transaction, from, space).await?;
            let times = self.times(&transaction).await?;
            read_changes(&transaction, space, [from.before(), to.before()], cursor, (limit, bytes), &times).await
        })
        .await
    }

    /// Whether everything is still logged that was changed since.
    async fn check_past(&self, kv: &kv::Transaction, as_of: &AsOf, space: &TableSpace) -> Result<(), Error> {
        let found = read_definition(self.keyspace(), kv, TableId(as_of.table_id), Isolation::Snapshot).await?;
        let is_recoverable = found.is_some_and(|table| table.settings.point_in_time.is_some());
        let start = read_place(kv, &space.log_start(), Isolation::Snapshot).await?;
        let trimmed = read_place(kv, &space.log_trimmed(), Isolation::Snapshot).await?;
        let is_kept =
            start.is_some_and(|start| start < as_of.before()) && trimmed.is_none_or(|trimmed| trimmed < as_of.before());
        if is_recoverable && is_kept { Ok(()) } else { Err(no_recovery(&as_of.name)) }
    }
}

/// Where a page finds what an item was.
enum Source {
    Row(kv::Bytes),
    /// The old image of this change.
    Change(Position),
}

/// A page of a table as it was before a place; as it is, if there is none, which is right for one that nobody writes to.
pub(super) async fn read_past(
    kv: &kv::Transaction,
    space: &TableSpace,
    before: Option<Position>,
    cursor: Option<&[u8]>,
    (limit, bytes): (usize, usize),
) -> Result<PastPage, Error> {
    let all = space.items();
    let begin = cursor.map_or_else(|| all.begin.clone(), |cursor| space.absolute(cursor));
    let mut rows = KeyRange::new(begin.max(all.begin), all.end.clone());
    if rows.is_empty() {
        return Ok(PastPage::default());
    }
    let mut sources = BTreeMap::new();
    if let Some(before) = before {
        rows.end = changed_since(kv, space, &rows, before, limit, &mut sources).await?;
    }
    let read = rows.clone().into_read().snapshot().limited(limit).byte_limited(bytes);
    let page = kv.range(&read).await?;
    if let Some(last) = page.pairs.last().filter(|_| page.more) {
        rows.end = after_prefix(&last.key);
        drop(sources.split_off(&rows.end));
    }
    for pair in page.pairs {
        sources.entry(pair.key.to_vec()).or_insert(Source::Row(pair.value));
    }
    let sources: Vec<(Vec<u8>, Source)> = sources.into_iter().collect();
    let (mut found, mut left) = (PastPage::default(), bytes);
    for group in sources.chunks(READS_AT_ONCE) {
        let values = try_join_all(group.iter().map(|(_, source)| read_source(kv, space, source))).await?;
        let (mut loads, mut full) = (Vec::with_capacity(values.len()), None);
        for ((row, _), value) in group.iter().zip(values) {
            let Some(value) = value else { continue };
            let size = Stored::decode(&value)?.size();
            let taken = found.items.len() + loads.len();
            if taken == limit || taken > 0 && size > left {
                full = Some(row);
                break;
            }
            left = left.saturating_sub(size);
            loads.push(async move {
                let loaded = Loaded::read(kv, space, value, Isolation::Snapshot).await?;
                let behind = space.relative(&after_prefix(row))?.to_vec();
                Ok::<_, Error>(PastItem { item: loaded.item, behind })
            });
        }
        found.items.extend(try_join_all(loads).await?);
        if let Some(row) = full {
            found.next = Some(space.relative(row)?.to_vec());
            return Ok(found);
        }
    }
    if rows.end < all.end {
        found.next = Some(space.relative(&rows.end)?.to_vec());
    }
    Ok(found)
}

/// A page of the items that changed between two places.
async fn read_changes(
    kv: &kv::Transaction,
    space: &TableSpace,
    [from, to]: [Position; 2],
    cursor: Option<&[u8]>,
    (limit, bytes): (usize, usize),
    times: &Times,
) -> Result<NetChangesPage, Error> {
    let all = space.items();
    let begin = cursor.map_or_else(|| all.begin.clone(), |cursor| space.absolute(cursor));
    let mut rows = KeyRange::new(begin.max(all.begin), all.end.clone());
    let (mut found, mut sources, mut left) = (NetChangesPage::default(), BTreeMap::new(), bytes);
    if rows.is_empty() {
        return Ok(found);
    }
    rows.end = changed_since(kv, space, &rows, from, limit, &mut sources).await?;
    for (row, source) in sources {
        let Source::Change(first) = source else { continue };
        if first >= to {
            continue;
        }
        let between = KeyRange::new(space.change_of_item(&row, first)?, space.change_of_item(&row, to)?);
        let last = kv.range(&between.into_read().snapshot().reversed().limited(1)).await?;
        let last = last.pairs.first().ok_or_else(|| corrupt("an item's change that is gone"))?;
        let places = [first, space.parse_change_of_item(&last.key)?.1];
        let [_, last_place] = places;
        let [first, last] = places.map(|place| read_change(kv, space, place));
        let (first, last) = try_join!(first, last)?;
        let (first, last) = (Record::decode(&first)?, Record::decode(&last)?);
        let size: usize = [first.old, last.new].into_iter().flatten().map(|image| image.size()).sum();
        if found.changes.len() == limit || !found.changes.is_empty() && size > left {
            found.next = Some(space.relative(&row)?.to_vec());
            return Ok(found);
        }
        left = left.saturating_sub(size);
        let [old, new] = [first.old, last.new].map(|image| async move {
            match image {
                None => Ok(None),
                Some(image) => read_item(kv, space, image, Isolation::Snapshot).await.map(Some),
            }
        });
        let (old, new) = try_join!(old, new)?;
        found.changes.push(NetChange {
            keys: keyspace::decode_item(first.keys)?,
            old,
            new,
            at: times.time_of(last_place),
        });
    }
    if rows.end < all.end {
        found.next = Some(space.relative(&rows.end)?.to_vec());
    }
    Ok(found)
}

async fn read_change(kv: &kv::Transaction, space: &TableSpace, place: Position) -> Result<kv::Bytes, Error> {
    let change = kv.get(&space.change(place), Isolation::Snapshot).await?;
    change.ok_or_else(|| corrupt("an item's change that is not in the log"))
}

/// The value that the row had, if there was one.
async fn read_source(kv: &kv::Transaction, space: &TableSpace, source: &Source) -> Result<Option<kv::Bytes>, Error> {
    match source {
        Source::Row(value) => Ok(Some(kv::Bytes::clone(value))),
        Source::Change(place) => {
            let change = read_change(kv, space, *place).await?;
            Ok(Record::decode(&change)?.old.map(|old| old.encode().into()))
        }
    }
}

/// Finds the items of some rows that changed from a place on, each with its first change from there on; up to which row all
/// of them were found.
async fn changed_since(
    kv: &kv::Transaction,
    space: &TableSpace,
    rows: &KeyRange,
    before: Position,
    limit: usize,
    changed: &mut BTreeMap<Vec<u8>, Source>,
) -> Result<Vec<u8>, Error> {
    let mut entries = space.changes_of_items(rows);
    let mut reads = 0;
    while !entries.is_empty() {
        reads += 1;
        let read = entries.clone().into_read().snapshot().limited(ENTRIES).byte_limited(ENTRY_BYTES);
        let page = kv.range(&read).await?;
        let mut last = None;
        for pair in &page.pairs {
            let (row, place) = space.parse_change_of_item(&pair.key)?;
            if place >= before && !changed.contains_key(&row) {
                changed.insert(row.clone(), Source::Change(place));
            }
            last = Some(row);
        }
        let Some(row) = last.filter(|_| page.more) else { break };
        if changed.contains_key(&row) {
            // What follows of this item came later.
            let behind = after_prefix(&row);
            if changed.len() >= limit || reads >= READS {
                return Ok(behind);
            }
            entries.begin = space.changes_of_items(&KeyRange::new(behind, rows.end.clone())).begin;
        } else {
            if reads >= READS && row > rows.begin {
                return Ok(row);
            }
            entries.begin = space.change_of_item(&row, before)?;
        }
    }
    Ok(rows.end.clone())
}
