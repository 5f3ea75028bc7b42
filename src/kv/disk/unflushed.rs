//! Which keys may be in memory: the get of any other goes straight to the tables.
//!
//! To find that a memtable of 32 MB does not have a key costs some twenty misses of the processor's caches, as much as
//! reading a block, and on a large database nearly every get would pay it. A filter for each memtable answers for one. Beside
//! the filters stand the tables that hold everything else, as they were when memtables were last written to tables or
//! tables merged, and the place from which on reads may use them: what an earlier read sees may have been merged away.
//!
//! Invariants: a key is noted before it is applied; a filter goes only when the tables that replace its memtable come, in
//! one step. It must not know what values are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use lsm_tree::{Slice, Table};

/// Bytes of a memtable to each word of its filter. A pair takes some hundred bytes, so a word stands for a few.
const BYTES_A_WORD: u64 = 256;
const FEWEST_WORDS: u64 = 64;

/// Tables of which at most one has a key, in the order of their keys.
pub(super) struct Run(Vec<Table>);

impl Run {
    pub(super) fn new(tables: impl IntoIterator<Item = Table>) -> Self {
        Self(tables.into_iter().collect())
    }

    fn table_of(&self, key: &[u8]) -> Option<&Table> {
        let at = self.0.partition_point(|table| **table.metadata.key_range.max() < *key);
        self.0.get(at).filter(|table| **table.metadata.key_range.min() <= *key)
    }
}

/// All tables, those that hold the latest of a key first.
pub(super) type Tables = Vec<Run>;

/// What tables say of a key at a place.
pub(super) fn get(tables: &Tables, key: &[u8], hash: u64, sequence: u64) -> lsm_tree::Result<Option<Slice>> {
    for run in tables {
        let Some(table) = run.table_of(key) else { continue };
        if let Some(item) = table.get(key, sequence, hash)? {
            return Ok((!item.is_tombstone()).then_some(item.value));
        }
    }
    Ok(None)
}

/// A Bloom filter whose bits of one key lie in one word: one look at memory answers.
struct Filter(Box<[AtomicU64]>);

impl Filter {
    fn new(memtable_bytes: u64) -> Self {
        let words = (memtable_bytes / BYTES_A_WORD).max(FEWEST_WORDS);
        Self((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    fn word(&self, hash: u64) -> Option<&AtomicU64> {
        // The upper half of the hash says which word, as a fraction of all; bits of the lower half say which bits.
        let at = (u128::from(hash) * self.0.len() as u128) >> 64;
        self.0.get(usize::try_from(at).ok()?)
    }

    const fn bits(hash: u64) -> u64 {
        1 << (hash & 63) | 1 << ((hash >> 6) & 63) | 1 << ((hash >> 12) & 63)
    }

    fn note(&self, hash: u64) {
        if let Some(word) = self.word(hash) {
            word.fetch_or(Self::bits(hash), Ordering::Relaxed);
        }
    }

    fn may_have(&self, hash: u64) -> bool {
        let bits = Self::bits(hash);
        self.word(hash).is_none_or(|word| word.load(Ordering::Relaxed) & bits == bits)
    }
}

struct State {
    /// Of the memtables, that which is written to last.
    filters: VecDeque<Filter>,
    tables: Arc<Tables>,
    since: u64,
}

/// The filters, and the tables that have what they do not.
pub(super) struct Unflushed {
    state: RwLock<State>,
    memtable_bytes: u64,
}

impl Unflushed {
    /// Of a tree with nothing in memory, whose tables are those that reads from `since` on may use.
    pub(super) fn new(memtable_bytes: u64, tables: Tables, since: u64) -> Self {
        let filters = VecDeque::from([Filter::new(memtable_bytes)]);
        Self { state: RwLock::new(State { filters, tables: Arc::new(tables), since }), memtable_bytes }
    }

    /// A key by its hash, before it is applied. Whoever may see what is applied is told so later, under a lock.
    pub(super) fn note(&self, hash: u64) {
        if let Some(filter) = self.state.read().unwrap_or_else(PoisonError::into_inner).filters.back() {
            filter.note(hash);
        }
    }

    /// Sets a memtable aside by `rotate`, which says whether there was anything in it.
    pub(super) fn set_aside(&self, rotate: impl FnOnce() -> bool) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if rotate() {
            state.filters.push_back(Filter::new(self.memtable_bytes));
        }
    }

    /// Tables were written or merged: `look` tells what there is now, the memtables set aside that are left, and since when.
    pub(super) fn tables_changed(&self, look: impl FnOnce() -> (Tables, usize, u64)) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let (tables, set_aside, since) = look();
        let before = std::mem::replace(&mut state.tables, Arc::new(tables));
        state.since = since;
        while state.filters.len() > set_aside + 1 {
            state.filters.pop_front();
        }
        drop(state);
        // Those that were merged away take their files with them.
        drop(before);
    }

    /// The tables, if a read at `sequence` of the key with this hash needs nothing else.
    pub(super) fn tables_alone(&self, hash: u64, sequence: u64) -> Option<Arc<Tables>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let in_memory = state.filters.iter().any(|filter| filter.may_have(hash));
        (sequence >= state.since && !in_memory).then(|| Arc::clone(&state.tables))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(numbers: std::ops::Range<u64>) -> impl Iterator<Item = u64> {
        numbers.map(|number| xxhash_rust::xxh3::xxh3_64(&number.to_be_bytes()))
    }

    fn alone(unflushed: &Unflushed, numbers: std::ops::Range<u64>, sequence: u64) -> usize {
        hashes(numbers).filter(|hash| unflushed.tables_alone(*hash, sequence).is_some()).count()
    }

    #[test]
    fn what_was_noted_is_in_memory_until_it_is_in_tables_and_nearly_nothing_else_is() {
        let unflushed = Unflushed::new(256 * 1_000, Vec::new(), 0);
        hashes(0..1_000).for_each(|hash| unflushed.note(hash));
        assert_eq!(alone(&unflushed, 0..1_000, 1), 0);
        unflushed.set_aside(|| true);
        hashes(1_000..2_000).for_each(|hash| unflushed.note(hash));
        assert_eq!(alone(&unflushed, 0..2_000, 1), 0);
        let others = alone(&unflushed, 10_000..20_000, 1);
        assert!(others > 9_900, "{others} of 10,000 need not be looked for in memory");
        unflushed.tables_changed(|| (Vec::new(), 0, 7));
        assert_eq!(alone(&unflushed, 1_000..2_000, 7), 0);
        assert!(alone(&unflushed, 0..1_000, 7) > 990);
        assert_eq!(alone(&unflushed, 0..20_000, 6), 0, "what an earlier read sees may have been merged away");
    }

    #[test]
    fn a_memtable_with_nothing_in_it_stays_the_one_that_is_written_to() {
        let unflushed = Unflushed::new(256 * 1_000, Vec::new(), 0);
        hashes(0..10).for_each(|hash| unflushed.note(hash));
        unflushed.set_aside(|| true);
        unflushed.set_aside(|| false);
        unflushed.tables_changed(|| (Vec::new(), 1, 0));
        assert_eq!(alone(&unflushed, 0..10, 0), 0);
    }
}
