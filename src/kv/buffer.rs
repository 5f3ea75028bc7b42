//! What an embedded engine's transaction would write, what it read, and reads that see both.
//!
//! Writes are kept apart from the snapshot and merged with it at each read, so a commit changes the engine's own map in
//! place. Ranges cleared come first, single writes lie above them, versionstamped keys, which have no place yet, are
//! applied last unless something written after them would have covered them.
//!
//! Rules taken from FoundationDB's client: reading what this transaction itself set or cleared adds no conflict; an
//! atomic add reads nothing until it is read; a key that a stamp may become is unreadable until a clear
//! covers it, but below the transaction's own read version, if it has one, no stamp can fall. It must not know the engine: the
//! snapshot arrives as an iterator.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};

use super::conflicts::ReadSet;
use super::limits::{self, check_key, check_range, check_stamped_key, check_stamped_value, check_value};
use super::merge::{Merge, Overlay, Pair};
use super::ranges::{KeyRange, RangeSet, after_key};
use super::{Bytes, Error, Isolation, Page, RangeRead, Result, Version, Versionstamp};

/// A write to one key.
#[derive(Debug)]
pub(super) enum Mutation {
    Set(Bytes),
    Clear,
    /// On top of a value that was not read.
    Add(i64),
    /// A value to be stamped at commit, and what was added to it afterwards.
    Stamped {
        value: Vec<u8>,
        offset: usize,
        added: Option<i64>,
    },
}

/// A write whose key is known at commit.
#[derive(Debug)]
struct StampedKey {
    key: Vec<u8>,
    offset: usize,
    value: Bytes,
    /// Ranges written after it: if its key falls there, the later write wins.
    covered: Vec<KeyRange>,
}

/// What this transaction's own writes say of one key.
pub(super) enum Read {
    /// All there is to know: nothing beneath matters.
    Own(Option<Bytes>),
    /// So much is added to what is stored.
    Added(i64),
    /// Nothing: what is stored counts.
    Stored,
}

/// A write with its final key and value.
pub(super) enum Change {
    Set(Bytes),
    Clear,
    Add(i64),
}

/// A transaction's writes at commit, to be applied in this order.
pub(super) struct Changes {
    pub(super) cleared: Vec<KeyRange>,
    pub(super) writes: Vec<(Bytes, Change)>,
    /// Ranges that count as written without being so.
    pub(super) conflicts: Vec<KeyRange>,
}

#[derive(Debug, Default)]
pub(super) struct Buffer {
    writes: BTreeMap<Bytes, Mutation>,
    cleared: RangeSet,
    stamped_keys: Vec<StampedKey>,
    unreadable: RangeSet,
    reads: ReadSet,
    write_conflicts: Vec<KeyRange>,
}

/// FoundationDB's ADD with an operand of eight bytes.
pub(super) fn sum(stored: Option<&[u8]>, delta: i64) -> Bytes {
    let mut number = [0; 8];
    for (digit, stored) in number.iter_mut().zip(stored.unwrap_or_default()) {
        *digit = *stored;
    }
    Bytes::from(i64::from_le_bytes(number).wrapping_add(delta).to_le_bytes().as_slice())
}

fn place_stamp(bytes: &mut [u8], offset: usize, stamp: &Versionstamp) -> Result<()> {
    let end = offset.checked_add(Versionstamp::LENGTH).ok_or(Error::VersionstampOffset)?;
    bytes.get_mut(offset..end).ok_or(Error::VersionstampOffset)?.copy_from_slice(stamp.as_bytes());
    Ok(())
}

impl StampedKey {
    /// The keys it may become, given the version that was read, if any.
    fn range(&self, read_version: Option<Version>) -> Result<KeyRange> {
        let least = read_version.map_or(Versionstamp::MIN, |version| Versionstamp::first_of(version.next()));
        Ok((self.at(&least)?, after_key(&self.at(&Versionstamp::MAX)?)))
    }

    fn at(&self, stamp: &Versionstamp) -> Result<Bytes> {
        let mut key = self.key.clone();
        place_stamp(&mut key, self.offset, stamp)?;
        Ok(key.into())
    }
}

impl Buffer {
    pub(super) fn is_read_only(&self) -> bool {
        self.writes.is_empty()
            && self.cleared.is_empty()
            && self.stamped_keys.is_empty()
            && self.write_conflicts.is_empty()
    }

    pub(super) fn set(&mut self, key: &[u8], value: Bytes) -> Result<()> {
        check_key(key)?;
        check_value(&value)?;
        self.cover_key(key);
        self.writes.insert(Bytes::from(key), Mutation::Set(value));
        Ok(())
    }

    pub(super) fn clear(&mut self, key: &[u8]) -> Result<()> {
        check_key(key)?;
        self.cover_key(key);
        if !self.unreadable.is_empty() {
            self.unreadable.remove(key, &after_key(key));
        }
        self.writes.insert(Bytes::from(key), Mutation::Clear);
        Ok(())
    }

    pub(super) fn clear_range(&mut self, begin: &[u8], end: &[u8]) -> Result<()> {
        let (begin, end) = check_range(begin, end)?;
        if begin == end {
            return Ok(());
        }
        self.cover(begin, end);
        self.unreadable.remove(begin, end);
        let gone: Vec<Bytes> = self.own_writes(begin, end).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.writes.remove(&key);
        }
        self.cleared.insert(begin, end);
        Ok(())
    }

    pub(super) fn add(&mut self, key: &[u8], delta: i64) -> Result<()> {
        check_key(key)?;
        match self.writes.get_mut(key) {
            Some(Mutation::Add(added)) => *added = added.wrapping_add(delta),
            Some(Mutation::Stamped { added, .. }) => *added = Some(added.unwrap_or(0).wrapping_add(delta)),
            Some(known @ Mutation::Clear) => *known = Mutation::Set(sum(None, delta)),
            Some(Mutation::Set(value)) => *value = sum(Some(value), delta),
            // What it adds to depends on where a stamped key of this transaction falls: not worth an answer.
            None if self.unreadable.contains(key) => return Err(Error::AccessedUnreadable),
            None => {
                let known = self.cleared.contains(key);
                let mutation = if known { Mutation::Set(sum(None, delta)) } else { Mutation::Add(delta) };
                self.writes.insert(Bytes::from(key), mutation);
            }
        }
        Ok(())
    }

    pub(super) fn set_versionstamped_key(
        &mut self,
        key: Vec<u8>,
        offset: usize,
        value: Bytes,
        read_version: Option<Version>,
    ) -> Result<()> {
        check_stamped_key(&key, offset)?;
        check_value(&value)?;
        let stamped = StampedKey { key, offset, value, covered: Vec::new() };
        let (begin, end) = stamped.range(read_version)?;
        self.unreadable.insert(&begin, &end);
        self.stamped_keys.push(stamped);
        Ok(())
    }

    pub(super) fn set_versionstamped_value(&mut self, key: &[u8], value: Vec<u8>, offset: usize) -> Result<()> {
        check_key(key)?;
        check_stamped_value(&value)?;
        if offset.checked_add(Versionstamp::LENGTH).is_none_or(|end| end > value.len()) {
            return Err(Error::VersionstampOffset);
        }
        self.cover_key(key);
        self.unreadable.insert(key, &after_key(key));
        self.writes.insert(Bytes::from(key), Mutation::Stamped { value, offset, added: None });
        Ok(())
    }

    fn cover_key(&mut self, key: &[u8]) {
        if !self.stamped_keys.is_empty() {
            self.cover(key, &after_key(key));
        }
    }

    /// Notes, for stamped keys written before, that this range was written after them.
    fn cover(&mut self, begin: &[u8], end: &[u8]) {
        if self.unreadable.intersects(begin, end) {
            for stamped in &mut self.stamped_keys {
                stamped.covered.push((Bytes::from(begin), Bytes::from(end)));
            }
        }
    }

    pub(super) fn add_read_conflict_range(&mut self, begin: &[u8], end: &[u8]) -> Result<()> {
        let (begin, end) = check_range(begin, end)?;
        self.reads.add_range(Bytes::from(begin), Bytes::from(end));
        Ok(())
    }

    pub(super) fn add_read_conflict_key(&mut self, key: &[u8]) -> Result<()> {
        check_key(key)?;
        self.reads.add_key(key);
        Ok(())
    }

    pub(super) fn add_write_conflict_range(&mut self, begin: &[u8], end: &[u8]) -> Result<()> {
        let (begin, end) = check_range(begin, end)?;
        if begin < end {
            self.write_conflicts.push((Bytes::from(begin), Bytes::from(end)));
        }
        Ok(())
    }

    pub(super) fn add_key_read(&mut self, key: &[u8], isolation: Isolation) {
        // A longer key cannot be written, so nothing can conflict with it.
        if isolation == Isolation::Serializable && key.len() <= limits::KEY {
            self.reads.add_key(key);
        }
    }

    pub(super) fn take_reads(&mut self) -> ReadSet {
        std::mem::take(&mut self.reads)
    }

    /// What this transaction's writes say of `key`.
    pub(super) fn read(&self, key: &[u8]) -> Result<Read> {
        if key.first() == Some(&0xFF) {
            return Err(Error::KeyOutsideLegalRange);
        }
        if self.unreadable.contains(key) {
            return Err(Error::AccessedUnreadable);
        }
        Ok(match self.writes.get(key) {
            Some(Mutation::Set(value)) => Read::Own(Some(value.clone())),
            Some(Mutation::Clear) => Read::Own(None),
            Some(Mutation::Add(delta)) => Read::Added(*delta),
            Some(Mutation::Stamped { .. }) => return Err(Error::AccessedUnreadable),
            None if self.cleared.contains(key) => Read::Own(None),
            None => Read::Stored,
        })
    }

    /// Reads a range of the snapshot, whose pairs from one key to another `stored` gives, through the own writes.
    pub(super) fn read_range<I, P>(&mut self, read: &RangeRead, stored: impl Fn(&[u8], &[u8]) -> I) -> Result<Page>
    where
        I: DoubleEndedIterator<Item = Result<P>>,
        P: Pair,
    {
        let (begin, end) = check_range(&read.begin, &read.end)?;
        if begin == end {
            return Ok(Page::default());
        }
        let mut merge = Merge::new(read);
        let gaps = self.cleared.gaps(begin, end);
        let own = self.own_writes(begin, end).map(|(key, mutation)| (key, overlay(mutation)));
        if read.reverse {
            merge.run(gaps.iter().rev().flat_map(|(begin, end)| stored(begin, end).rev()), own.rev())?;
        } else {
            merge.run(gaps.iter().flat_map(|(begin, end)| stored(begin, end)), own)?;
        }
        let page = merge.finish();
        if let Some((begin, end)) = extent(read, begin, end, &page) {
            if self.unreadable.intersects(&begin, &end) {
                return Err(Error::AccessedUnreadable);
            }
            if read.isolation == Isolation::Serializable {
                self.add_range_read(begin, end);
            }
        }
        Ok(page)
    }

    /// Adds a read range to the conflicts, except where own writes alone gave the answer.
    fn add_range_read(&mut self, begin: Bytes, end: Bytes) {
        if self.is_read_only() {
            self.reads.add_range(begin, end);
            return;
        }
        let mut parts = Vec::new();
        for (gap_begin, gap_end) in self.cleared.gaps(&begin, &end) {
            let mut from = Bytes::from(gap_begin);
            for (key, mutation) in self.own_writes(gap_begin, gap_end) {
                if matches!(mutation, Mutation::Set(_) | Mutation::Clear) {
                    parts.push((std::mem::replace(&mut from, after_key(key)), key.clone()));
                }
            }
            parts.push((from, Bytes::from(gap_end)));
        }
        for (begin, end) in parts {
            self.reads.add_range(begin, end);
        }
    }

    /// Own single writes in a range, which must not be empty.
    fn own_writes(&self, begin: &[u8], end: &[u8]) -> impl DoubleEndedIterator<Item = (&Bytes, &Mutation)> {
        self.writes.range::<[u8], _>((Included(begin), Excluded(end)))
    }

    /// Bytes counted against the transaction, as FoundationDB counts: each mutation, and the conflict range of each.
    pub(super) fn size(&self) -> usize {
        let key_range = |key: &[u8]| 2 * key.len() + 1;
        let writes: usize = self
            .writes
            .iter()
            .map(|(key, mutation)| {
                key_range(key)
                    + match mutation {
                        Mutation::Set(value) => key.len() + value.len(),
                        Mutation::Clear => key_range(key),
                        Mutation::Add(_) => key.len() + 8,
                        Mutation::Stamped { value, .. } => key.len() + value.len(),
                    }
            })
            .sum();
        let cleared: usize = self.cleared.iter().map(|(begin, end)| 2 * (begin.len() + end.len())).sum();
        let stamped: usize =
            self.stamped_keys.iter().map(|write| write.key.len() + write.value.len() + key_range(&write.key)).sum();
        let conflicts: usize = self.write_conflicts.iter().map(|(begin, end)| begin.len() + end.len()).sum();
        writes + cleared + stamped + conflicts + self.reads.size()
    }

    /// The writes as they are to be applied by the commit with this stamp.
    pub(super) fn into_changes(self, stamp: Versionstamp) -> Changes {
        let mut writes = Vec::with_capacity(self.writes.len() + self.stamped_keys.len());
        for (key, mutation) in self.writes {
            let change = match mutation {
                Mutation::Set(value) => Change::Set(value),
                Mutation::Clear => Change::Clear,
                Mutation::Add(delta) => Change::Add(delta),
                Mutation::Stamped { mut value, offset, added } => {
                    // The offset was checked when the write was buffered.
                    let _ = place_stamp(&mut value, offset, &stamp);
                    Change::Set(added.map_or_else(|| value.as_slice().into(), |delta| sum(Some(&value), delta)))
                }
            };
            writes.push((key, change));
        }
        for mut stamped in self.stamped_keys {
            let _ = place_stamp(&mut stamped.key, stamped.offset, &stamp);
            let key = Bytes::from(stamped.key);
            if !stamped.covered.iter().any(|(begin, end)| (begin..end).contains(&&key)) {
                writes.push((key, Change::Set(stamped.value)));
            }
        }
        Changes { cleared: self.cleared.into_ranges().collect(), writes, conflicts: self.write_conflicts }
    }
}

fn overlay(mutation: &Mutation) -> Overlay<'_> {
    match mutation {
        Mutation::Set(value) => Overlay::Value(value),
        Mutation::Clear => Overlay::Nothing,
        Mutation::Add(delta) => Overlay::Plus(*delta),
        Mutation::Stamped { .. } => Overlay::Unreadable,
    }
}

/// How far a range read went: to its end, or, if a limit ended it, to its last pair.
fn extent(read: &RangeRead, begin: &[u8], end: &[u8], page: &Page) -> Option<KeyRange> {
    match page.pairs.last() {
        _ if !page.more => Some((begin.into(), end.into())),
        None => None,
        Some(last) if read.reverse => Some((last.key.clone(), end.into())),
        Some(last) => Some((begin.into(), after_key(&last.key))),
    }
}
