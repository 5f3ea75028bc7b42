//! A transaction on a cluster: the contract's methods over the client's transaction.
//!
//! The client holds the writes and merges them into reads. A buffer, the one of the embedded engines, goes along: it
//! checks limits before the client does, counts the transaction's size, and says what is unreadable, so that errors are
//! equal on all engines. Values are shared between both, not copied.
//!
//! Invariants: the lock is never held across an await; after the commit began, nothing reaches the client any more.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ::foundationdb as client;
use client::options::{ConflictRangeType, MutationType, StreamingMode};
use client::{KeySelector, RangeOption};
use futures_util::future::OptionFuture;

use super::answer::Answer;
use super::owned::Owned;
use super::stamped::StampedWrites;
use super::{Cluster, ClusterError, error, network};
use crate::kv::buffer::{Buffer, Read};
use crate::kv::limits::{self, check_range};
use crate::kv::ranges::after_key;
use crate::kv::{Bytes, Error, Isolation, KeyValue, Page, RangeRead, Result, Version, Versionstamp};

/// Bytes asked for in one round trip where the read itself has no smaller limit.
const ROUND_TRIP_BYTES: usize = 1_000_000;

struct Open {
    client: Owned<client::Transaction>,
    buffer: Buffer,
    stamped: StampedWrites,
    /// Known once something was read.
    read_version: Option<Version>,
}

enum State {
    Open(Box<Open>),
    /// It could not be begun: each use says why.
    Refused(Error),
    Ended,
}

/// What the client said, if it could be asked.
type Answered<T> = Result<Owned<client::FdbResult<T>>, ClusterError>;

/// A transaction on a cluster.
pub(in crate::kv) struct Transaction {
    cluster: Cluster,
    state: Mutex<State>,
}

impl Open {
    /// The read version, asked for together with the first read; the client asks the cluster once.
    fn ask_version(&self) -> OptionFuture<Answer<impl Future<Output = client::FdbResult<i64>> + Unpin + Send + use<>>> {
        self.read_version.is_none().then(|| Answer::to(self.client.get_read_version())).into()
    }
}

impl Transaction {
    pub(super) fn new(cluster: Cluster, begun: Result<client::Transaction>) -> Self {
        let state = match begun {
            Ok(transaction) => State::Open(Box::new(Open {
                client: Owned::new(transaction),
                buffer: Buffer::default(),
                stamped: StampedWrites::default(),
                read_version: None,
            })),
            Err(error) => State::Refused(error),
        };
        Self { cluster, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
        match &mut *self.state() {
            State::Open(open) => {
                let _call = network::call()?;
                work(open)
            }
            State::Refused(error) => Err(error.clone()),
            State::Ended => Err(Error::UsedAfterCommit),
        }
    }

    /// What `read` makes of the client's answer to a read, and of the read version that came with it.
    fn take<T, R>(
        &self,
        (answer, version): (Answered<T>, Option<Answered<i64>>),
        read: impl FnOnce(T) -> R,
    ) -> Result<R> {
        let answer = answer?.give(|answer| answer.map(read))?;
        let answer = answer.map_err(|error| error::of_read(error, &self.cluster))?;
        if let Some(version) = version {
            self.note_version(version)?;
        }
        Ok(answer)
    }

    fn note_version(&self, version: Answered<i64>) -> Result<Version> {
        let version = version?.give(|version| version)?;
        let version = Version(version.map_err(|error| error::of_read(error, &self.cluster))?.cast_unsigned());
        self.with(|open| {
            open.read_version = Some(version);
            Ok(version)
        })
    }

    pub(in crate::kv) async fn read_version(&self) -> Result<Version> {
        let answer = self.with(|open| Ok(Answer::to(open.client.get_read_version())))?;
        self.note_version(answer.await)
    }

    pub(in crate::kv) async fn get(&self, key: &[u8], isolation: Isolation) -> Result<Option<Bytes>> {
        let asked = self.with(|open| {
            if let Read::Own(value) = open.buffer.read(key)? {
                return Ok(Err(value));
            }
            // No key is so long: the client would say the same.
            if key.len() > limits::KEY {
                return Ok(Err(None));
            }
            open.buffer.add_key_read(key, isolation);
            let value = Answer::to(open.client.get(key, isolation == Isolation::Snapshot));
            Ok(Ok((value, open.ask_version())))
        })?;
        let answered = match asked {
            Ok((value, version)) => futures_util::future::join(value, version).await,
            Err(known) => return Ok(known),
        };
        self.take(answered, |value| value.map(|value| Bytes::from(&*value)))
    }

    pub(in crate::kv) async fn range(&self, read: &RangeRead) -> Result<Page> {
        self.with(|_| Ok(()))?;
        let (begin, end) = check_range(&read.begin, &read.end)?;
        if begin == end {
            return Ok(Page::default());
        }
        let mut progress = Progress::new(read, begin, end);
        while let Some(option) = progress.next_option() {
            // Snapshot reads: what was looked at, and not what came along with it, becomes a conflict below.
            let asked = self.with(|open| {
                let pairs = Answer::to(open.client.get_range(&option, progress.round_trips, true));
                Ok(futures_util::future::join(pairs, open.ask_version()))
            })?;
            self.take(asked.await, |pairs| progress.take(&pairs))?;
        }
        let page = progress.finish();
        self.with(|open| open.look_at(read, begin, end, &page))?;
        Ok(page)
    }

    pub(in crate::kv) fn set(&self, key: &[u8], value: Bytes) -> Result<()> {
        self.with(|open| {
            open.buffer.set(key, value.clone())?;
            open.stamped.cover_key(key);
            open.client.set(key, &value);
            Ok(())
        })
    }

    pub(in crate::kv) fn clear(&self, key: &[u8]) -> Result<()> {
        self.with(|open| {
            open.buffer.clear(key)?;
            open.stamped.cover_key(key);
            open.client.clear(key);
            Ok(())
        })
    }

    pub(in crate::kv) fn clear_range(&self, begin: &[u8], end: &[u8]) -> Result<()> {
        self.with(|open| {
            open.buffer.clear_range(begin, end)?;
            let (begin, end) = check_range(begin, end)?;
            if begin < end {
                open.stamped.cover(begin, end);
                open.client.clear_range(begin, end);
            }
            Ok(())
        })
    }

    pub(in crate::kv) fn add(&self, key: &[u8], delta: i64) -> Result<()> {
        self.with(|open| {
            open.buffer.add(key, delta)?;
            if !open.stamped.add(key, delta) {
                open.client.atomic_op(key, &delta.to_le_bytes(), MutationType::Add);
            }
            Ok(())
        })
    }

    pub(in crate::kv) fn set_versionstamped_key(&self, key: Vec<u8>, offset: usize, value: Bytes) -> Result<()> {
        self.with(|open| {
            open.buffer.set_versionstamped_key(key.clone(), offset, value.clone(), open.read_version)?;
            open.stamped.set_key(key, offset, value);
            Ok(())
        })
    }

    pub(in crate::kv) fn set_versionstamped_value(&self, key: &[u8], value: Vec<u8>, offset: usize) -> Result<()> {
        self.with(|open| {
            open.buffer.set_versionstamped_value(key, value.clone(), offset)?;
            open.stamped.set_value(key, value, offset);
            Ok(())
        })
    }

    pub(in crate::kv) fn add_read_conflict_range(&self, begin: &[u8], end: &[u8]) -> Result<()> {
        self.with(|open| {
            open.buffer.add_read_conflict_range(begin, end)?;
            open.add_conflict(begin, end, ConflictRangeType::Read)
        })
    }

    pub(in crate::kv) fn add_read_conflict_key(&self, key: &[u8]) -> Result<()> {
        self.with(|open| {
            open.buffer.add_read_conflict_key(key)?;
            open.add_conflict(key, &after_key(key), ConflictRangeType::Read)
        })
    }

    pub(in crate::kv) fn add_write_conflict_range(&self, begin: &[u8], end: &[u8]) -> Result<()> {
        self.with(|open| {
            open.buffer.add_write_conflict_range(begin, end)?;
            open.add_conflict(begin, end, ConflictRangeType::Write)
        })
    }

    pub(in crate::kv) fn size(&self) -> usize {
        self.with(|open| Ok(open.buffer.size())).unwrap_or(0)
    }

    /// One that cannot be used counts as a writer: then its commit is asked for, and says why.
    pub(in crate::kv) fn is_read_only(&self) -> bool {
        self.with(|open| Ok(open.buffer.is_read_only())).is_ok_and(|read_only| read_only)
    }

    pub(in crate::kv) async fn commit(&self) -> Result<Option<Versionstamp>> {
        self.with(|_| Ok(()))?;
        let Open { client, buffer, stamped, .. } = match std::mem::replace(&mut *self.state(), State::Ended) {
            State::Open(open) => *open,
            State::Refused(error) => return Err(error),
            State::Ended => return Err(Error::UsedAfterCommit),
        };
        if buffer.is_read_only() {
            return Ok(None);
        }
        if buffer.size() > limits::TRANSACTION {
            return Err(Error::TransactionTooLarge);
        }
        let (stamp, committed) = client.give(|client| {
            stamped.write_to(&client);
            // To be asked for before the commit, and answered with it.
            let stamp = Answer::to(client.get_versionstamp());
            (stamp, Answer::to(client.commit()))
        })?;
        // Whoever cannot ask any more does not know what became of it.
        let committed = committed.await.map_err(|_| Error::MaybeCommitsLater)?;
        if let Err(error) = &*committed {
            return Err(error::of_commit(**error));
        }
        let stamp = stamp.await.and_then(|stamp| stamp.give(|stamp| Versionstamp::from_slice(&stamp.ok()?)));
        match stamp.ok().flatten() {
            Some(stamp) => Ok(Some(stamp)),
            // It did happen; but only who looks at the commit id finds out when.
            None => Err(Error::MaybeCommitted),
        }
    }
}

impl Open {
    fn add_conflict(&self, begin: &[u8], end: &[u8], kind: ConflictRangeType) -> Result<()> {
        let (begin, end) = check_range(begin, end)?;
        if begin == end {
            return Ok(());
        }
        let added = self.client.add_conflict_range(begin, end, kind);
        added.map_err(error::of_commit)
    }

    /// Makes what a range read looked at a conflict, or refuses the read if a part of that is unreadable.
    fn look_at(&mut self, read: &RangeRead, begin: &[u8], end: &[u8], page: &Page) -> Result<()> {
        let (begin, end) = match page.pairs.last() {
            None if page.more => return Ok(()),
            Some(last) if page.more && read.reverse => (Bytes::from(&*last.key), Bytes::from(end)),
            Some(last) if page.more => (Bytes::from(begin), after_key(&last.key)),
            _ => (Bytes::from(begin), Bytes::from(end)),
        };
        let looked_at = RangeRead { isolation: read.isolation, ..RangeRead::new(&*begin, &*end) };
        // The buffer reads the same range of an empty database: it checks and counts as on an embedded engine.
        self.buffer.read_range(&looked_at, |_, _| std::iter::empty::<Result<KeyValue>>())?;
        match read.isolation {
            Isolation::Serializable => self.add_conflict(&begin, &end, ConflictRangeType::Read),
            Isolation::Snapshot => Ok(()),
        }
    }
}

/// How far a range read has come.
struct Progress<'a> {
    read: &'a RangeRead,
    begin: Vec<u8>,
    end: Vec<u8>,
    page: Page,
    bytes: usize,
    exhausted: bool,
    /// Counted from one, as the client's iterator mode asks for.
    round_trips: usize,
}

impl<'a> Progress<'a> {
    fn new(read: &'a RangeRead, begin: &[u8], end: &[u8]) -> Self {
        let (begin, end) = (begin.to_vec(), end.to_vec());
        Self { read, begin, end, page: Page::default(), bytes: 0, exhausted: false, round_trips: 0 }
    }

    fn is_full(&self) -> bool {
        self.read.limit.is_some_and(|limit| self.page.pairs.len() >= limit)
            || self.read.byte_limit.is_some_and(|limit| self.bytes >= limit)
    }

    /// What to ask the client for next, if anything is left.
    fn next_option(&mut self) -> Option<RangeOption<'static>> {
        if self.exhausted || self.is_full() {
            return None;
        }
        self.round_trips += 1;
        let option = RangeOption {
            begin: KeySelector::first_greater_or_equal(self.begin.clone()),
            end: KeySelector::first_greater_or_equal(self.end.clone()),
            reverse: self.read.reverse,
            mode: StreamingMode::Iterator,
            ..RangeOption::default()
        };
        if self.read.limit.is_none() && self.read.byte_limit.is_none() {
            return Some(option);
        }
        // Who says how much he wants gets it in as few round trips as can be. The client counts bytes differently, so it
        // is asked for some more.
        let pairs = self.read.limit.map_or(i32::MAX.cast_unsigned() as usize, |limit| limit - self.page.pairs.len());
        let bytes = self.read.byte_limit.map_or(ROUND_TRIP_BYTES, |limit| limit - self.bytes);
        Some(RangeOption {
            limit: Some(pairs),
            target_bytes: bytes.saturating_add(bytes / 2).saturating_add(256).min(ROUND_TRIP_BYTES),
            mode: StreamingMode::Exact,
            ..option
        })
    }

    fn take(&mut self, pairs: &client::future::FdbValues) {
        for pair in pairs {
            if self.is_full() {
                return;
            }
            self.bytes += pair.key().len() + pair.value().len();
            self.page.pairs.push(KeyValue { key: pair.key().into(), value: pair.value().into() });
        }
        let Some(last) = pairs.last().filter(|_| pairs.more()) else {
            self.exhausted = true;
            return;
        };
        if self.read.reverse {
            self.end = last.key().to_vec();
        } else {
            self.begin = after_key(last.key()).to_vec();
        }
    }

    fn finish(self) -> Page {
        Page { more: self.is_full(), ..self.page }
    }
}
