//! Conflict detection for embedded engines: a log of what recent commits wrote, read from a snapshot's version on.
//!
//! Why a log and not a map of key -> last commit version: short transactions, which are nearly all, check only
//! the few commits since they began; a commit costs one append whatever the log holds; nothing is looked
//! up, merged or rebalanced. The price, a scan as long as the transaction lived, is paid by the long transaction,
//! and mostly outside the engine's lock (see `memory`).
//!
//! Invariants: the log holds every commit after `floor`, in version order. It holds nothing while nobody reads, and never
//! more than the age limit's worth of commits: an older reader counts as gone and is refused as too old.
//! Footprints share their keys with the map. It must not know how an engine stores anything.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ranges::KeyRange;
use super::{Bytes, Version, limits};

/// Entries dropped at most per commit, so that the end of a long reader delays no single commit.
const PRUNED_PER_COMMIT: usize = 64;

/// What a transaction read and must find unwritten at its commit.
#[derive(Debug, Default)]
pub(super) struct ReadSet {
    keys: Vec<Bytes>,
    ranges: Vec<KeyRange>,
    settled: bool,
}

impl ReadSet {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.ranges.is_empty()
    }

    pub(super) fn add_key(&mut self, key: &[u8]) {
        self.settled = false;
        // Loops read the same key again and again; a whole duplicate check would cost more than it saves.
        if self.keys.last().is_none_or(|last| **last != *key) {
            self.keys.push(Bytes::from(key));
        }
    }

    pub(super) fn add_range(&mut self, begin: Bytes, end: Bytes) {
        if begin < end {
            self.settled = false;
            self.ranges.push((begin, end));
        }
    }

    /// Bytes counted against the transaction: every conflict range is two keys.
    pub(super) fn size(&self) -> usize {
        let keys: usize = self.keys.iter().map(|key| 2 * key.len() + 1).sum();
        let ranges: usize = self.ranges.iter().map(|(begin, end)| begin.len() + end.len()).sum();
        keys + ranges
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Sorts and merges; needed once before the set is compared with footprints.
    pub(super) fn settle(&mut self) {
        self.keys.sort_unstable();
        self.keys.dedup();
        self.ranges.sort_unstable();
        self.ranges.dedup_by(|next, kept| {
            let joined = next.0 <= kept.1;
            if joined && kept.1 < next.1 {
                kept.1 = next.1.clone();
            }
            joined
        });
        self.settled = true;
    }

    /// Whether a commit wrote anything that was read. The set must be settled.
    pub(super) fn conflicts_with(&self, written: &Footprint) -> bool {
        let reads = self.keys.len() + self.ranges.len();
        // The shorter side is walked, the longer one searched.
        let key_conflicts = if written.keys.len() <= reads {
            written.keys.iter().any(|key| self.reads_key(key))
        } else {
            self.keys.iter().any(|key| written.keys.binary_search(key).is_ok())
                || self.ranges.iter().any(|(begin, end)| any_from(&written.keys, begin, end))
        };
        key_conflicts || written.ranges.iter().any(|(begin, end)| self.reads_in(begin, end))
    }

    fn reads_key(&self, key: &Bytes) -> bool {
        let range = self.ranges.partition_point(|(_, end)| end <= key);
        self.keys.binary_search(key).is_ok() || self.ranges.get(range).is_some_and(|(begin, _)| begin <= key)
    }

    fn reads_in(&self, begin: &Bytes, end: &Bytes) -> bool {
        let range = self.ranges.partition_point(|(_, range_end)| range_end <= begin);
        any_from(&self.keys, begin, end) || self.ranges.get(range).is_some_and(|(range_begin, _)| range_begin < end)
    }
}

/// Whether any of the sorted `keys` lies from `begin` to `end`.
fn any_from(keys: &[Bytes], begin: &Bytes, end: &Bytes) -> bool {
    keys.get(keys.partition_point(|key| key < begin)).is_some_and(|key| key < end)
}

/// What one commit wrote.
#[derive(Debug)]
pub(super) struct Footprint {
    version: Version,
    keys: Box<[Bytes]>,
    ranges: Box<[KeyRange]>,
}

impl Footprint {
    pub(super) fn new(version: Version, mut keys: Vec<Bytes>, ranges: Vec<KeyRange>) -> Self {
        if !keys.is_sorted() {
            keys.sort_unstable();
        }
        Self { version, keys: keys.into(), ranges: ranges.into() }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }
}

/// Entries taken out of the log, to be dropped after the engine's lock is released.
#[derive(Debug, Default)]
#[must_use = "drop it only after the lock"]
pub(super) struct Garbage(#[expect(dead_code, reason = "held only to be dropped later")] VecDeque<Arc<Footprint>>);

/// The readers that began at one version.
#[derive(Debug)]
struct Group {
    version: Version,
    live: usize,
    /// Machine time, in milliseconds, at which the youngest began.
    began: u64,
}

/// A reader's place in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket(u64);

/// The recent commits and who may still need them.
#[derive(Debug)]
pub(super) struct Log {
    commits: VecDeque<Arc<Footprint>>,
    floor: Version,
    /// In version order, since snapshots are taken of the newest version only.
    readers: VecDeque<Group>,
    /// The ticket of the first group: tickets count on for ever, groups leave at the front.
    first: u64,
}

impl Log {
    pub(super) fn new(floor: Version) -> Self {
        Self { commits: VecDeque::new(), floor, readers: VecDeque::new(), first: 0 }
    }

    /// A reader begins at `version`, the newest.
    pub(super) fn register(&mut self, version: Version, now: u64) -> Ticket {
        match self.readers.back_mut() {
            Some(group) if group.version == version => {
                group.live += 1;
                group.began = now;
            }
            _ => self.readers.push_back(Group { version, live: 1, began: now }),
        }
        Ticket(self.first + self.readers.len() as u64 - 1)
    }

    /// A reader ends.
    pub(super) fn release(&mut self, ticket: Ticket) -> Garbage {
        let index = ticket.0.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(group) = index.and_then(|index| self.readers.get_mut(index)) {
            group.live = group.live.saturating_sub(1);
        }
        self.drop_groups(|group| group.live == 0);
        if self.readers.is_empty() { self.forget_all() } else { Garbage::default() }
    }

    fn drop_groups(&mut self, gone: impl Fn(&Group) -> bool) {
        while self.readers.front().is_some_and(&gone) {
            self.readers.pop_front();
            self.first += 1;
        }
    }

    fn forget_all(&mut self) -> Garbage {
        if let Some(last) = self.commits.back() {
            self.floor = last.version;
        }
        Garbage(std::mem::take(&mut self.commits))
    }

    /// Whether any reader lives that the next commit could conflict with. Readers beyond the age limit do not count.
    pub(super) fn is_watched(&mut self, now: u64) -> bool {
        self.drop_groups(|group| group.live == 0 || now.saturating_sub(group.began) > limits::AGE_MILLIS);
        !self.readers.is_empty()
    }

    /// Records a commit while the log is watched.
    pub(super) fn push(&mut self, footprint: Footprint) {
        self.commits.push_back(Arc::new(footprint));
        let oldest = self.readers.front().map_or(Version::MAX, |group| group.version);
        for _ in 0..PRUNED_PER_COMMIT {
            match self.commits.front() {
                Some(commit) if commit.version <= oldest => {
                    self.floor = commit.version;
                    self.commits.pop_front();
                }
                _ => break,
            }
        }
    }

    /// Records that `version` was committed while nobody watched.
    pub(super) fn skip(&mut self, version: Version) -> Garbage {
        let garbage = self.forget_all();
        self.floor = version;
        garbage
    }

    /// Whether commits after `version` are no longer known.
    pub(super) fn has_forgotten(&self, version: Version) -> bool {
        version < self.floor
    }

    /// The commits after `version`, oldest first.
    pub(super) fn after(&self, version: Version) -> impl ExactSizeIterator<Item = &Arc<Footprint>> {
        let start = self.commits.partition_point(|commit| commit.version <= version);
        self.commits.range(start..)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ranges::after_key;
    use super::*;

    fn key(text: &str) -> Bytes {
        Bytes::from(text.as_bytes())
    }

    fn wrote(version: u64, keys: &[&str], ranges: &[(&str, &str)]) -> Footprint {
        let ranges = ranges.iter().map(|(begin, end)| (key(begin), key(end))).collect();
        Footprint::new(Version(version), keys.iter().map(|text| key(text)).collect(), ranges)
    }

    #[test]
    fn reads_meet_writes_in_all_four_combinations_and_from_either_side() {
        let mut reads = ReadSet::default();
        for text in ["b", "m", "b"] {
            reads.add_key(text.as_bytes());
        }
        reads.add_range(key("t"), key("v"));
        reads.add_range(key("p"), key("r"));
        reads.add_range(key("q"), key("s"));
        reads.settle();
        for (keys, ranges, expected) in [
            (&["m"][..], &[][..], true),
            (&["n"], &[], false),
            (&["r"], &[], true),
            (&["s"], &[], false),
            (&["t"], &[], true),
            (&["v"], &[], false),
            (&["a", "c", "d", "e", "f", "g", "u"], &[], true),
            (&["a", "c", "d", "e", "f", "g", "m"], &[], true),
            (&["a", "c", "d", "e", "f", "g", "s"], &[], false),
            (&[], &[("a", "b")], false),
            (&[], &[("a", "c")], true),
            (&[], &[("s", "t")], false),
            (&[], &[("a", "aa"), ("uu", "x")], true),
        ] {
            assert_eq!(reads.conflicts_with(&wrote(1, keys, ranges)), expected, "{keys:?} {ranges:?}");
        }
    }

    #[test]
    fn nothing_is_kept_when_the_last_reader_leaves() {
        let mut log = Log::new(Version(0));
        let (one, two) = (log.register(Version(1), 0), log.register(Version(1), 0));
        log.push(wrote(2, &["a"], &[]));
        drop(log.release(one));
        assert_eq!(log.after(Version(1)).len(), 1);
        drop(log.release(two));
        assert_eq!(log.after(Version(0)).len(), 0);
        assert!(log.has_forgotten(Version(1)));
        assert!(!log.is_watched(0));
    }

    #[test]
    fn commits_before_the_oldest_reader_are_pruned_as_others_come() {
        let mut log = Log::new(Version(0));
        let old = log.register(Version(0), 0);
        for version in 1..=100 {
            log.push(wrote(version, &["a"], &[]));
        }
        let young = log.register(Version(100), 0);
        drop(log.release(old));
        log.push(wrote(101, &["a"], &[]));
        log.push(wrote(102, &["a"], &[]));
        assert_eq!(
            log.after(Version(0)).map(|commit| commit.version()).collect::<Vec<_>>(),
            [Version(101), Version(102)]
        );
        assert!(!log.has_forgotten(Version(100)) && log.has_forgotten(Version(99)));
        drop(log.release(young));
    }

    #[test]
    fn a_reader_beyond_the_age_limit_no_longer_holds_the_log() {
        let mut log = Log::new(Version(0));
        let ticket = log.register(Version(0), 1_000);
        assert!(log.is_watched(6_000));
        assert!(!log.is_watched(6_001));
        drop(log.skip(Version(9)));
        assert!(log.has_forgotten(Version(0)));
        drop(log.release(ticket));
        assert!(!log.is_watched(6_001));
    }

    #[test]
    fn a_key_range_of_one_key_ends_right_after_it() {
        let mut reads = ReadSet::default();
        reads.add_range(key("k"), after_key(b"k"));
        reads.settle();
        assert!(reads.conflicts_with(&wrote(1, &["k"], &[])));
        assert!(!reads.conflicts_with(&wrote(1, &["k\0"], &[])));
    }
}
