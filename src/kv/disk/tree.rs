//! The log-structured merge tree under the disk engine, as the engine uses it.
//!
//! Every key of the database stands behind a byte of its own kind, because the tree takes no empty key and the engine has
//! a key of its own: how far the log has been applied, written with every round, so a flushed tree knows
//! exactly which rounds it holds. Reads are made at a sequence number; those still wanted bound what
//! flushes and compactions may forget. It must not know of transactions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsm_tree::compaction::Leveled;
use lsm_tree::config::PinningPolicy;
use lsm_tree::table::filter::standard_bloom::Builder as TableFilter;
use lsm_tree::{AbstractTree, AnyTree, Cache, Config, Guard, IterGuardImpl, SequenceNumberCounter, Slice};

use super::super::merge::Pair;
use super::super::{Bytes, Error, KeyValue, Result, Version};
use super::directory::io;
use super::unflushed::{self, Run, Tables, Unflushed};

/// Compactions one flush is followed by at most, before the next flush is looked for.
const COMPACTIONS: usize = 16;

/// Before the engine's own keys.
const ENGINE: u8 = 0;
/// Before the database's keys.
const USER: u8 = 1;
const PROGRESS: [u8; 1] = [ENGINE];

/// How far the log has been applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) round: u64,
    pub(super) version: Version,
}

pub(super) struct Tree {
    tree: AnyTree,
    path: PathBuf,
    sequence: SequenceNumberCounter,
    unflushed: Unflushed,
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tree").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A stored pair, not yet copied.
pub(super) struct StoredPair {
    key: Slice,
    value: Slice,
}

impl Pair for StoredPair {
    fn key(&self) -> &[u8] {
        user_key(&self.key)
    }

    fn value(&self) -> &[u8] {
        &self.value
    }

    fn into_pair(self) -> KeyValue {
        KeyValue { key: user_key(&self.key).into(), value: (*self.value).into() }
    }
}

fn user_key(stored: &[u8]) -> &[u8] {
    stored.get(1..).unwrap_or_default()
}

fn stored_key(key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(key.len() + 1);
    stored.push(USER);
    stored.extend_from_slice(key);
    stored
}

impl Tree {
    pub(super) fn open(path: &Path, cache_bytes: u64, flush_bytes: u64) -> Result<Self> {
        let (sequence, visible) = (SequenceNumberCounter::default(), SequenceNumberCounter::default());
        // Whole indexes and filters in memory, a few bytes a pair: then a get reads one block at most.
        let config = Config::new(path, sequence.clone(), visible)
            .use_cache(Arc::new(Cache::with_capacity_bytes(cache_bytes)))
            .index_block_partitioning_policy(PinningPolicy::all(false))
            .filter_block_partitioning_policy(PinningPolicy::all(false))
            .index_block_pinning_policy(PinningPolicy::all(true))
            .filter_block_pinning_policy(PinningPolicy::all(true));
        let tree = config.open().map_err(|error| told(path, &error))?;
        // Numbers go on behind the largest that is stored.
        if let Some(highest) = tree.get_highest_seqno() {
            sequence.fetch_max(highest + 1);
        }
        sequence.fetch_max(1);
        let unflushed = Unflushed::new(flush_bytes, tables(&tree), sequence.get());
        Ok(Self { tree, path: path.to_owned(), sequence, unflushed })
    }

    fn told(&self, error: &lsm_tree::Error) -> Error {
        told(&self.path, error)
    }

    /// The number at which a read sees everything applied so far. Only between rounds.
    pub(super) fn newest(&self) -> u64 {
        self.sequence.get()
    }

    pub(super) fn get(&self, key: &[u8], sequence: u64) -> Result<Option<Bytes>> {
        let key = stored_key(key);
        let hash = TableFilter::get_hash(&key);
        let value = match self.unflushed.tables_alone(hash, sequence) {
            Some(tables) => unflushed::get(&tables, &key, hash, sequence),
            None => self.tree.get(key, sequence),
        };
        Ok(value.map_err(|error| self.told(&error))?.map(|value| Bytes::from(&*value)))
    }

    /// The pairs from `begin` (inclusive) to `end` (exclusive).
    pub(super) fn pairs(
        &self,
        begin: &[u8],
        end: &[u8],
        sequence: u64,
    ) -> impl DoubleEndedIterator<Item = Result<StoredPair>> + use<'_> {
        self.guards(begin, end, sequence).map(|guard| {
            let (key, value) = guard.into_inner().map_err(|error| self.told(&error))?;
            Ok(StoredPair { key, value })
        })
    }

    /// The keys from `begin` (inclusive) to `end` (exclusive).
    pub(super) fn keys(
        &self,
        begin: &[u8],
        end: &[u8],
        sequence: u64,
    ) -> impl Iterator<Item = Result<Bytes>> + use<'_> {
        self.guards(begin, end, sequence)
            .map(|guard| guard.key().map(|key| user_key(&key).into()).map_err(|error| self.told(&error)))
    }

    fn guards(
        &self,
        begin: &[u8],
        end: &[u8],
        sequence: u64,
    ) -> impl DoubleEndedIterator<Item = IterGuardImpl> + use<> {
        self.tree.range(stored_key(begin)..stored_key(end), sequence, None)
    }

    pub(super) fn progress(&self) -> Result<Progress> {
        let Some(stored) = self.tree.get(PROGRESS, self.newest()).map_err(|error| self.told(&error))? else {
            return Ok(Progress::default());
        };
        let damaged = || Error::Corrupt(format!("{}: how far the log was applied", self.path.display()));
        let (round, version) = stored.split_at_checked(8).ok_or_else(damaged)?;
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).map_err(|_| damaged());
        Ok(Progress { round: number(round)?, version: Version(number(version)?) })
    }

    /// Applies a round, in memory only; where a read sees it. The caller serialises rounds.
    pub(super) fn apply(&self, changes: impl Iterator<Item = (Bytes, Option<Bytes>)>, progress: Progress) -> u64 {
        let sequence = self.sequence.next();
        for (key, value) in changes {
            let key = stored_key(&key);
            self.unflushed.note(TableFilter::get_hash(&key));
            match value {
                Some(value) => self.tree.insert(key, &*value, sequence),
                None => self.tree.remove(key, sequence),
            };
        }
        let mut value = [0; 16];
        value[..8].copy_from_slice(&progress.round.to_be_bytes());
        value[8..].copy_from_slice(&progress.version.to_bytes());
        // Not noted: it is read by `progress` alone, which asks the whole tree.
        self.tree.insert(PROGRESS, value, sequence);
        sequence + 1
    }

    /// Bytes that were applied and not yet set aside for a flush.
    pub(super) fn unflushed_bytes(&self) -> u64 {
        self.tree.active_memtable().size()
    }

    /// Sets what was applied so far aside for the next flush. Only between rounds.
    pub(super) fn set_aside(&self) {
        self.unflushed.set_aside(|| self.tree.rotate_memtable().is_some());
    }

    /// How often something was set aside and is not yet flushed.
    pub(super) fn waiting_for_flush(&self) -> usize {
        self.tree.sealed_memtable_count()
    }

    /// Runs of tables that nothing has merged yet: many of them slow reads down.
    pub(super) fn unmerged_runs(&self) -> usize {
        self.tree.l0_run_count()
    }

    /// Writes everything set aside to tables, durably. What no read from `oldest_read` on needs may be forgotten.
    pub(super) fn flush(&self, oldest_read: u64) -> Result<()> {
        self.write_tables(|| {
            let lock = self.tree.get_flush_lock();
            self.tree.flush(&lock, oldest_read).map(drop)
        })
    }

    /// Merges tables where that is worth it; whether there may be more to do.
    pub(super) fn compact(&self, oldest_read: u64) -> Result<bool> {
        let strategy = Arc::new(Leveled::default());
        for _ in 0..COMPACTIONS {
            let before = self.tree.current_version().id();
            self.write_tables(|| self.tree.compact(strategy.clone(), oldest_read).map(drop))?;
            if self.tree.current_version().id() == before {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Does what writes tables; if it fails, those it leaves are removed, or each further attempt would take more space.
    fn write_tables(&self, write: impl FnOnce() -> lsm_tree::Result<()>) -> Result<()> {
        let first = self.tree.next_table_id();
        let written = write();
        self.unflushed.tables_changed(|| (tables(&self.tree), self.waiting_for_flush(), self.newest()));
        written.map_err(|error| {
            if self.is_astray() == Ok(false) {
                self.remove_unnamed_tables(first);
            }
            self.told(&error)
        })
    }

    /// Whether the files name another version than the one in memory. An attempt that failed after it had renamed `current` leaves
    /// it so, and the next would overwrite, under the same number, the version that the files name.
    ///
    /// # Errors
    /// `Io` when the files cannot be read, so that nothing is known and nothing may be written.
    pub(super) fn is_astray(&self) -> Result<bool> {
        let current = self.path.join("current");
        let bytes = std::fs::read(&current).map_err(|error| io("read", &current, &error))?;
        let named = bytes.first_chunk().map(|number| u64::from_le_bytes(*number));
        Ok(named != Some(self.tree.current_version().id()))
    }

    /// Removes tables from the id `first` on that the tree does not know. Only the thread that writes tables may ask for it.
    fn remove_unnamed_tables(&self, first: u64) {
        let version = self.tree.current_version();
        let named: BTreeSet<u64> = version.iter_tables().map(|table| table.id()).collect();
        let Ok(entries) = std::fs::read_dir(self.path.join("tables")) else { return };
        for entry in entries.flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if id.is_some_and(|id| id >= first && !named.contains(&id)) {
                // Only for their space: what cannot be removed now is removed when the tree is opened.
                drop(std::fs::remove_file(entry.path()));
            }
        }
    }

    /// Forgets earlier states of the tree that no read from `oldest_read` on needs.
    pub(super) fn forget(&self, oldest_read: u64) -> Result<()> {
        self.tree.get_version_history_lock().maintenance(&self.path, oldest_read).map_err(|error| self.told(&error))
    }
}

fn tables(tree: &AnyTree) -> Tables {
    let version = tree.current_version();
    version.iter_levels().flat_map(|level| level.iter()).map(|run| Run::new(run.iter().cloned())).collect()
}

fn told(path: &Path, error: &lsm_tree::Error) -> Error {
    match error {
        lsm_tree::Error::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            Error::Io(format!("{}: {error}", path.display()))
        }
        // A file that ends early, a checksum that fails, a file that is gone: not what was written.
        error => Error::Corrupt(format!("{}: {error}", path.display())),
    }
}
