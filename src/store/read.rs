//! Reading items: by key, and in pages of Query and Scan, of a table or an index.
//!
//! Every call reads one snapshot, in which it also checks the schema it was given. Pages end at DynamoDB's bounds:
//! the limit of evaluated items, or one megabyte of them. They end early where a snapshot would not live that long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::try_join_all;
use futures_util::try_join;

use super::blob::Loaded;
use super::table::{key_value, key_values};
use super::{Index, Key, READS_AT_ONCE, Store, Table, corrupt};
use crate::error::Error;
use crate::item::{AttributeValue, Item};
use crate::keyspace::{IndexId, IndexKey, KeyRange, SortCondition, Stored, TableSpace};
use crate::kv::{self, Isolation, KeyValue, RangeRead};

/// A page's most bytes of evaluated items.
pub const PAGE_BYTES: usize = 1024 * 1024;

/// How long a page is read, by the machine's time, before it is answered with what there is: a snapshot lives for five seconds.
pub(super) const PAGE_MILLIS: u64 = 3_000;
/// How often a page is tried whole whose snapshot turns out too old on the way.
const WHOLE_ATTEMPTS: usize = 3;

/// Pairs read in the first step of a page; steps grow fourfold, so small answers stay cheap and large ones few.
const FIRST_STEP: usize = 64;
const LARGEST_STEP: usize = 1024;

/// A condition on the sort key, or on the first sort attribute behind those that must be equal.
#[derive(Clone, Debug, PartialEq)]
pub enum SortBound {
    Any,
    Equal(AttributeValue),
    Less(AttributeValue),
    LessOrEqual(AttributeValue),
    Greater(AttributeValue),
    GreaterOrEqual(AttributeValue),
    /// Both ends belong to it.
    Between(AttributeValue, AttributeValue),
    BeginsWith(AttributeValue),
}

impl SortBound {
    fn condition(&self) -> kv::Result<SortCondition<'_>> {
        Ok(match self {
            Self::Any => SortCondition::Any,
            Self::Equal(value) => SortCondition::Equal(key_value(value)?),
            Self::Less(value) => SortCondition::Less(key_value(value)?),
            Self::LessOrEqual(value) => SortCondition::LessOrEqual(key_value(value)?),
            Self::Greater(value) => SortCondition::Greater(key_value(value)?),
            Self::GreaterOrEqual(value) => SortCondition::GreaterOrEqual(key_value(value)?),
            Self::Between(low, high) => SortCondition::Between(key_value(low)?, key_value(high)?),
            Self::BeginsWith(value) => SortCondition::BeginsWith(key_value(value)?),
        })
    }
}

/// Where a page starts: just behind this item. `index` is the item's key in the index being read.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    pub table: Key,
    pub index: Option<Key>,
}

/// What of an indexed item is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// What the index projects.
    Projected,
    /// The whole item, as a local index may be asked for.
    Whole,
}

/// A Query.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    pub table: &'a Table,
    pub index: Option<&'a Index>,
    pub partition: &'a [AttributeValue],
    /// Equal conditions on leading sort attributes; empty unless the key has several.
    pub sort_equal: &'a [AttributeValue],
    pub sort: &'a SortBound,
    pub forward: bool,
    pub start: Option<&'a Start>,
    /// Most items evaluated, before the filter.
    pub limit: Option<usize>,
    pub fetch: Fetch,
}

/// A Scan.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    pub table: &'a Table,
    pub index: Option<&'a Index>,
    /// Segment and total segments.
    pub segment: Option<(u32, u32)>,
    pub start: Option<&'a Start>,
    pub limit: Option<usize>,
    pub fetch: Fetch,
}

/// A page of items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub items: Vec<Item>,
    /// Items evaluated, before the filter.
    pub scanned_count: usize,
    /// Their bytes by the item-size rule: what capacity is charged for.
    pub scanned_bytes: usize,
    /// The key attributes behind which the next page starts; `None` at the end.
    pub last: Option<Item>,
}

/// Decides whether an item, as the index shows it, belongs to the answer.
pub type Filter<'a> = &'a (dyn Fn(&Item) -> Result<bool, Error> + Sync);

/// What Query and Scan have in common.
struct Walk<'a> {
    table: &'a Table,
    index: Option<&'a Index>,
    forward: bool,
    limit: Option<usize>,
    fetch: Fetch,
    space: &'a TableSpace,
    range: KeyRange,
}

impl Store {
    /// Reads items by key, all from one snapshot.
    ///
    /// Errors: `SchemaChanged`, for dispatch to run the operation again.
    pub async fn get(&self, keys: &[(Arc<Table>, Key)]) -> Result<Vec<Option<Item>>, Error> {
        self.get_within(keys, usize::MAX).await
    }

    /// Reads the items of the first keys, all from one snapshot: as many as are together no larger than `bytes`.
    pub async fn get_within(&self, keys: &[(Arc<Table>, Key)], bytes: usize) -> Result<Vec<Option<Item>>, Error> {
        self.expire_for_reader().await?;
        self.snapshot(|transaction| async move {
            let transaction = &transaction;
            let mut fenced: Vec<&Table> = Vec::new();
            for (table, _) in keys {
                if fenced.iter().all(|other| other.id != table.id) {
                    fenced.push(table);
                }
            }
            let fences = fenced.iter().map(|table| self.fence(transaction, table, Isolation::Snapshot));
            let rows = keys.iter().map(|(table, key)| async move {
                let row = table.space(self).item(key.primary()?);
                Ok::<_, Error>(transaction.get(&row, Isolation::Snapshot).await?)
            });
            let (_, rows) = try_join!(try_join_all(fences), try_join_all(rows))?;
            let mut left = bytes;
            let mut loads = Vec::with_capacity(rows.len());
            for ((table, _), row) in keys.iter().zip(rows) {
                // Rows tell their items' sizes, so no large item is read that does not fit.
                let size = row.as_deref().map(Stored::decode).transpose()?.map_or(0, |stored| stored.size());
                let Some(rest) = left.checked_sub(size) else { break };
                left = rest;
                loads.push(async move {
                    let Some(row) = row else { return Ok(None) };
                    let loaded = Loaded::read(transaction, &table.space(self), row, Isolation::Snapshot).await?;
                    Ok::<_, Error>(Some(loaded.item))
                });
            }
            try_join_all(loads).await
        })
        .await
    }

    /// One page of a Query, in sort key order.
    pub async fn query(&self, query: &Query<'_>, keep: Filter<'_>) -> Result<Page, Error> {
        self.expire_for_reader().await?;
        let space = query.table.space(self);
        let condition = query.sort.condition()?;
        let mut range = match (query.index, query.partition) {
            (None, [partition]) => space.items_of_partition(key_value(partition)?, condition),
            (None, _) => return Err(corrupt("a query of a table by several partition attributes")),
            (Some(index), partition) => space.index_entries_of_partition(
                IndexId(index.id),
                &key_values(partition)?,
                &key_values(query.sort_equal)?,
                condition,
            ),
        };
        if let Some(start) = query.start {
            range = skip(range, &position(&space, query.index, start)?, query.forward);
        }
        let (table, index, forward, limit, fetch) = (query.table, query.index, query.forward, query.limit, query.fetch);
        self.walk(&Walk { table, index, forward, limit, fetch, space: &space, range }, keep).await
    }

    /// One page of a Scan, in an order of its own.
    pub async fn scan(&self, scan: &Scan<'_>, keep: Filter<'_>) -> Result<Page, Error> {
        self.expire_for_reader().await?;
        let space = scan.table.space(self);
        let (segment, total) = scan.segment.unwrap_or((0, 1));
        let mut range = match scan.index {
            None => space.items_of_segment(segment, total),
            Some(index) => space.index_entries_of_segment(IndexId(index.id), segment, total),
        };
        if let Some(start) = scan.start {
            let place = position(&space, scan.index, start)?;
            if !range.contains(&place) {
                // Only a segment leaves anything out.
                return Err(Error::validation(format!(
                    "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey \
                     with correct Segment. TotalSegments: {total} Segment: {segment}"
                )));
            }
            range = skip(range, &place, true);
        }
        let (table, index, limit, fetch) = (scan.table, scan.index, scan.limit, scan.fetch);
        self.walk(&Walk { table, index, forward: true, limit, fetch, space: &space, range }, keep).await
    }

    async fn walk(&self, walk: &Walk<'_>, keep: Filter<'_>) -> Result<Page, Error> {
        let attempts = &AtomicUsize::new(0);
        self.snapshot(|transaction| async move {
            let attempt = attempts.fetch_add(1, Ordering::Relaxed) + 1;
            let mut page = Page::default();
            match self.fill_page(&transaction, walk, keep, &mut page).await {
                Ok(()) => Ok(page),
                // What has been evaluated was read in this snapshot, whatever came of it later.
                Err(Error::Storage(kv::Error::TooOld)) if attempt >= WHOLE_ATTEMPTS && page.scanned_count > 0 => {
                    Ok(page)
                }
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn fill_page(
        &self,
        transaction: &kv::Transaction,
        walk: &Walk<'_>,
        keep: Filter<'_>,
        page: &mut Page,
    ) -> Result<(), Error> {
        let end = self.database().machine_millis().saturating_add(PAGE_MILLIS);
        let mut range = walk.range.clone();
        let mut step = FIRST_STEP;
        let mut is_fenced = false;
        loop {
            if range.is_empty() {
                if !is_fenced {
                    self.fence(transaction, walk.table, Isolation::Snapshot).await?;
                }
                page.last = None;
                return Ok(());
            }
            let wanted = walk.limit.map(|limit| limit - page.scanned_count);
            let read = RangeRead {
                reverse: !walk.forward,
                limit: Some(wanted.map_or(step, |wanted| wanted.min(step))),
                byte_limit: walk.index.is_none().then_some(PAGE_BYTES - page.scanned_bytes),
                ..RangeRead::new(range.begin.clone(), range.end.clone()).snapshot()
            };
            let pairs = if is_fenced {
                transaction.range(&read).await?
            } else {
                let fence = self.fence(transaction, walk.table, Isolation::Snapshot);
                try_join!(fence, async { Ok(transaction.range(&read).await?) })?.1
            };
            is_fenced = true;
            let mut left = pairs.pairs.len();
            for group in pairs.pairs.chunks(READS_AT_ONCE) {
                if self.take(transaction, walk, keep, group, page).await? {
                    return Ok(());
                }
                left -= group.len();
                if (left > 0 || pairs.more) && self.database().machine_millis() > end {
                    return Ok(());
                }
            }
            let Some(last) = pairs.pairs.last().filter(|_| pairs.more) else {
                page.last = None;
                return Ok(());
            };
            range = skip(range, &last.key, walk.forward);
            step = (step * 4).min(LARGEST_STEP);
        }
    }

    /// Evaluates some items, whose rows and blobs are read together; whether the page is full.
    async fn take(
        &self,
        transaction: &kv::Transaction,
        walk: &Walk<'_>,
        keep: Filter<'_>,
        pairs: &[KeyValue],
        page: &mut Page,
    ) -> Result<bool, Error> {
        let rows = try_join_all(pairs.iter().map(|pair| row(transaction, walk, pair))).await?;
        let mut rows = rows.as_slice();
        while !rows.is_empty() {
            let (now, later) = rows.split_at(fitting(rows, PAGE_BYTES - page.scanned_bytes)?);
            rows = later;
            let load = |row: &kv::Bytes| Loaded::read(transaction, walk.space, row.clone(), Isolation::Snapshot);
            for stored in try_join_all(now.iter().map(load)).await? {
                let size = walk.size(&stored);
                if page.scanned_count > 0 && page.scanned_bytes + size > PAGE_BYTES {
                    return Ok(true);
                }
                page.scanned_count += 1;
                page.scanned_bytes += size;
                page.last = Some(walk.table.start_key(walk.index, &stored.item));
                let item = walk.show(stored.item);
                if keep(&item)? {
                    page.items.push(item);
                }
                if walk.limit == Some(page.scanned_count) || page.scanned_bytes >= PAGE_BYTES {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// The row a pair is, or, in an index, stands for.
async fn row(transaction: &kv::Transaction, walk: &Walk<'_>, pair: &KeyValue) -> Result<kv::Bytes, Error> {
    if walk.index.is_none() {
        return Ok(pair.value.clone());
    }
    let (_, entry) = walk.space.parse_index_entry(&pair.key)?;
    let value = transaction.get(&walk.space.item(entry.base.as_key()?), Isolation::Snapshot).await?;
    value.ok_or_else(|| corrupt("an index entry without its row"))
}

/// How many of these rows are worth reading whole at once: those that fit, and the one that tells that no more do.
fn fitting(rows: &[kv::Bytes], bytes: usize) -> Result<usize, Error> {
    let mut total = 0;
    for (at, row) in rows.iter().enumerate() {
        total += Stored::decode(row)?.size();
        if total > bytes {
            return Ok(at + 1);
        }
    }
    Ok(rows.len())
}

impl Walk<'_> {
    /// What the item counts in this walk: a projection's bytes, unless the whole item is fetched.
    fn size(&self, stored: &Loaded) -> usize {
        match (self.index, self.fetch) {
            (Some(index), Fetch::Projected) => index.projected_size(&self.table.key, &stored.item, stored.size),
            _ => stored.size,
        }
    }

    fn show(&self, item: Item) -> Item {
        match (self.index, self.fetch) {
            (Some(index), Fetch::Projected) => index.project(&self.table.key, item),
            _ => item,
        }
    }
}

/// The key of the item a page starts behind.
fn position(space: &TableSpace, index: Option<&Index>, start: &Start) -> Result<Vec<u8>, Error> {
    let base = start.table.primary()?;
    Ok(match (index, &start.index) {
        (Some(index), Some(key)) => {
            let (partition, sort) = (key_values(&key.partition)?, key_values(&key.sort)?);
            space.index_entry(IndexId(index.id), IndexKey { partition: &partition, sort: &sort, base })
        }
        _ => space.item(base),
    })
}

fn skip(range: KeyRange, seen: &[u8], forward: bool) -> KeyRange {
    if forward { range.after(seen) } else { range.before(seen) }
}
