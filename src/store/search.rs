//! SearchVectors: the entries of a vector index that are nearest to a vector, and what the index shows of their items.
//!
//! The search is exact: every entry of the partition is compared, page by page, and the best so far are kept. What that takes does
//! not bound it: where a snapshot would not live that long, the search goes on in the next one from where it was. Rows are read of the
//! best alone. Usually that is the snapshot in which all was compared; otherwise rows are judged once more as they are then, so
//! that nothing is shown which is not in the index any more.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use futures_util::future::try_join_all;

use super::blob::Loaded;
use super::distance::Target;
use super::read::{Filter, PAGE_MILLIS};
use super::table::key_values;
use super::turn::give_turn;
use super::vector::VectorSettings;
use super::write::entry_of;
use super::{Index, Key, READS_AT_ONCE, Store, Table, corrupt};
use crate::error::Error;
use crate::item::{AttributeValue, Item};
use crate::keyspace::{IndexId, KeyRange, SortCondition, TableSpace, VectorEntry};
use crate::kv::{self, Isolation, RangeRead};

/// The most bytes of items that an answer holds. Source: Developer Guide, "Vector search requirements and limitations".
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Entries one read asks for, and bytes of them.
const PAGE_ENTRIES: usize = 1_000;
const PAGE_BYTES: usize = 1_000_000;
/// Pages after which whoever waits for the search is given a turn.
const PAGES_OF_TURN: usize = 16;

/// A search.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    pub table: &'a Table,
    pub index: &'a Index,
    /// The value of the index's partition key, if it has one.
    pub partition: Option<&'a AttributeValue>,
    pub vector: &'a [f32],
    /// How many items are wanted.
    pub most: usize,
    /// Whether the vectors are shown, too.
    pub with_vectors: bool,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// As the index shows them, the nearest first, each with its score.
    pub items: Vec<(Item, f64)>,
    /// Bytes of the entries that were compared and of the items shown.
    pub bytes: usize,
}

/// An entry, and its place among others: the one of least rank is the nearest.
#[derive(Clone, Debug)]
struct Candidate {
    rank: f64,
    score: f64,
    /// The entry's: entries of the same rank are in the order of their keys.
    key: kv::Bytes,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.total_cmp(&other.rank).then_with(|| self.key.cmp(&other.key))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

/// How far a search is.
#[derive(Clone)]
struct Progress {
    /// The entries still to be compared.
    left: KeyRange,
    /// The best so far, the farthest of them on top.
    best: BinaryHeap<Candidate>,
    bytes: usize,
}

impl Progress {
    fn offer(&mut self, candidate: Candidate, most: usize) {
        if self.best.len() < most {
            self.best.push(candidate);
        } else if let Some(mut farthest) = self.best.peek_mut().filter(|farthest| candidate < **farthest) {
            *farthest = candidate;
        }
    }
}

/// What is the same for all steps of a search.
struct Searching<'a> {
    search: Search<'a>,
    settings: &'a VectorSettings,
    target: Target<'a>,
    keep: Option<Filter<'a>>,
    space: TableSpace,
}

impl Store {
    /// The nearest items of a vector index; of those that `keep`, which sees what can be filtered by.
    ///
    /// Errors: `SchemaChanged`, for dispatch to run the operation again; `Validation` where the answer is too large.
    pub async fn search(&self, search: &Search<'_>, keep: Option<Filter<'_>>) -> Result<Found, Error> {
        self.expire_for_reader().await?;
        let settings = search.index.vector.as_ref().ok_or_else(|| corrupt("a search of an index without vectors"))?;
        let space = search.table.space(self);
        let index = IndexId(search.index.id);
        let left = match search.partition {
            None => space.index_entries(index),
            Some(value) => {
                let partition = key_values(std::slice::from_ref(value))?;
                space.index_entries_of_partition(index, &partition, &[], SortCondition::Any)
            }
        };
        let target = Target::new(settings.distance, search.vector);
        let searching = &Searching { search: *search, settings, target, keep, space };
        let mut progress = Progress { left, best: BinaryHeap::with_capacity(search.most), bytes: 0 };
        let mut snapshots = 0;
        loop {
            let before = &progress;
            let (after, found) = self
                .snapshot(|transaction| async move {
                    self.fence(&transaction, search.table, Isolation::Snapshot).await?;
                    let mut progress = before.clone();
                    self.compare(&transaction, searching, &mut progress).await?;
                    if !progress.left.is_empty() {
                        return Ok((progress, None));
                    }
                    let found = load(&transaction, searching, &progress, snapshots == 0).await?;
                    Ok((progress, Some(found)))
                })
                .await?;
            if let Some(found) = found {
                return Ok(found);
            }
            progress = after;
            snapshots += 1;
        }
    }

    /// Compares entries as long as the snapshot may be used, or until all are compared.
    async fn compare(
        &self,
        transaction: &kv::Transaction,
        searching: &Searching<'_>,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let end = self.database().machine_millis().saturating_add(PAGE_MILLIS);
        let mut pages = 0_usize;
        while !progress.left.is_empty() {
            let KeyRange { begin, end: last } = progress.left.clone();
            let read = RangeRead::new(begin, last).snapshot().limited(PAGE_ENTRIES).byte_limited(PAGE_BYTES);
            let page = transaction.range(&read).await?;
            for pair in &page.pairs {
                searching.compare(transaction, pair, progress).await?;
            }
            progress.left = match page.pairs.last() {
                Some(pair) if page.more => progress.left.clone().after(&pair.key),
                _ => KeyRange::new(Vec::new(), Vec::new()),
            };
            if self.database().machine_millis() > end {
                return Ok(());
            }
            pages += 1;
            if pages.is_multiple_of(PAGES_OF_TURN) {
                give_turn().await;
            }
        }
        Ok(())
    }
}

impl Searching<'_> {
    async fn compare(
        &self,
        transaction: &kv::Transaction,
        pair: &kv::KeyValue,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let entry = VectorEntry::decode(&pair.value)?;
        if entry.vector.len() != self.settings.size() {
            return Err(corrupt("an entry of a vector of other dimensions than its index"));
        }
        progress.bytes += pair.value.len();
        if let Some(keep) = self.keep {
            let filters = match entry.filters()? {
                Some(filters) => filters,
                None => match self.row(transaction, &pair.key).await? {
                    Some(loaded) => self.settings.filtered(&loaded.item),
                    None => return Err(without_row()),
                },
            };
            if !keep(&filters)? {
                return Ok(());
            }
        }
        let score = self.target.score(entry.vector);
        let rank = self.settings.distance.rank(score);
        progress.offer(Candidate { rank, score, key: pair.key.clone() }, self.search.most);
        Ok(())
    }

    /// The row that an entry stands for.
    async fn row(&self, transaction: &kv::Transaction, entry: &[u8]) -> Result<Option<Loaded>, Error> {
        let (_, entry) = self.space.parse_index_entry(entry)?;
        let row = transaction.get(&self.space.item(entry.base.as_key()?), Isolation::Snapshot).await?;
        match row {
            None => Ok(None),
            Some(row) => Loaded::read(transaction, &self.space, row, Isolation::Snapshot).await.map(Some),
        }
    }

    /// An entry as its row makes it now; `None` when there is none any more, or the search would pass over it.
    fn judged_again(&self, candidate: &Candidate, loaded: &Loaded) -> Result<Option<f64>, Error> {
        let Search { table, index, .. } = self.search;
        let key = Key::of(&table.key, &loaded.item).ok_or_else(|| corrupt("a row without its key"))?;
        let Some(entry) = entry_of(&self.space, index, &loaded.item, &key)? else { return Ok(None) };
        if entry.key != *candidate.key {
            return Ok(None);
        }
        if let Some(keep) = self.keep
            && !keep(&self.settings.filtered(&loaded.item))?
        {
            return Ok(None);
        }
        Ok(Some(self.target.score(VectorEntry::decode(&entry.value)?.vector)))
    }

    fn show(&self, item: Item) -> Item {
        let Search { table, index, with_vectors, .. } = self.search;
        let shown = index.project(&table.key, item).into_iter();
        let shown = shown.filter_map(|(name, value)| {
            if *name != *self.settings.attribute {
                return Some((name, value));
            }
            let indexed = if with_vectors { self.settings.as_indexed(&value) } else { None };
            indexed.map(|value| (name, value))
        });
        shown.collect()
    }
}

/// The items of the best entries. `at_once`: they were found in this snapshot.
async fn load(
    transaction: &kv::Transaction,
    searching: &Searching<'_>,
    progress: &Progress,
    at_once: bool,
) -> Result<Found, Error> {
    let mut best: Vec<Candidate> = progress.best.iter().cloned().collect();
    best.sort_unstable();
    let mut ranked: Vec<(Candidate, Item)> = Vec::with_capacity(best.len());
    let mut shown = 0;
    for group in best.chunks(READS_AT_ONCE) {
        let rows = try_join_all(group.iter().map(|candidate| searching.row(transaction, &candidate.key))).await?;
        for (candidate, row) in group.iter().zip(rows) {
            let mut candidate = candidate.clone();
            let Some(loaded) = row else {
                if at_once {
                    return Err(without_row());
                }
                continue;
            };
            if !at_once {
                let Some(score) = searching.judged_again(&candidate, &loaded)? else { continue };
                candidate.score = score;
                candidate.rank = searching.settings.distance.rank(score);
            }
            let item = searching.show(loaded.item);
            shown += item.size();
            if shown > MAX_ANSWER {
                // That there is this limit AWS documents; the wording is ours.
                return Err(Error::validation(
                    "The items found exceed the maximum response size of 16 MB: ask for fewer attributes or a smaller TopK",
                ));
            }
            ranked.push((candidate, item));
        }
    }
    ranked.sort_by(|(one, _), (two, _)| one.cmp(two));
    let items = ranked.into_iter().map(|(candidate, item)| (item, candidate.score)).collect();
    Ok(Found { items, bytes: progress.bytes + shown })
}

fn without_row() -> Error {
    corrupt("an index entry without its row")
}
