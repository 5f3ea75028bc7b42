//! The time of a commit, on every engine: asked of the version itself, or followed from samples kept beside the data.
//!
//! Where versions do not tell the time, whoever writes and finds the latest sample old adds one: what the clock shows,
//! under a key that the commit stamps. A version's time follows from the last sample at or before it: the sample's own
//! time and as much more as the versions passed since are worth, at a cluster's million a second, but no more than
//! [`MOST_AHEAD_MILLIS`], since a recovery leaps. Invariants: times never decrease in the order of versions; a time,
//! once it can be asked for, never changes, because whoever reads a version sees every sample that precedes it.
//!
//! A database that was copied has versions of several engines, one incarnation each. Records of an earlier one keep their
//! times: its seam says whether its versions tell them, its samples came along. No time of a later incarnation is earlier
//! than the end of the one before, whatever the clock over there shows; so times do not decrease in the order of positions
//! either. It must not know what the times are wanted for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Store, Transaction};
use crate::clock::{Clock, Timestamp};
use crate::error::Error;
use crate::fork::Lock;
use crate::keyspace::{KeyRange, Keyspace, Position, PreviousSample, SampleValue, Seam};
use crate::kv::{self, RangeRead, Version, Versionstamp};

/// How old, by the clock, the latest sample may grow before a writer adds another.
const INTERVAL_MILLIS: i64 = 5_000;
/// Versions that are worth a millisecond: a few more than a cluster gives, so that its clock is seldom overtaken.
const VERSIONS_A_MILLISECOND: u64 = 1_050;
/// Most that versions alone are believed to be worth.
const MOST_AHEAD_MILLIS: i64 = 10_000;
/// Samples read at once.
const PAGE: usize = 2_000;

/// What a clock showed at a commit, and the time that this makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    stamp: Versionstamp,
    clock: Timestamp,
    /// Of a clock that stood still every step is sampled, and versions are worth nothing.
    moving: bool,
    time: Timestamp,
}

impl Sample {
    fn new(stamp: Versionstamp, value: &SampleValue) -> Self {
        let before = value.previous.map(|previous| {
            let stamp = Versionstamp::first_of(previous.version);
            Self { stamp, clock: previous.clock, moving: previous.moving, time: previous.time }
        });
        // A clock that was set back, or is behind another process's, never takes time back.
        let time = before.map_or(value.clock, |before| before.time_of(stamp.version()).max(value.clock));
        Self { stamp, clock: value.clock, moving: value.moving, time }
    }

    /// The time of a version from this sample on and before the next.
    fn time_of(&self, version: Version) -> Timestamp {
        if !self.moving {
            return self.time;
        }
        let passed = version.0.saturating_sub(self.stamp.version().0) / VERSIONS_A_MILLISECOND;
        let ahead = i64::try_from(passed).unwrap_or(i64::MAX).min(MOST_AHEAD_MILLIS);
        // From the clock, not from the time: what a leap once added is not carried on for ever.
        self.clock.plus_millis(ahead).max(self.time)
    }

    /// The least version whose time this sample says is `time` or later, if it says so of any; `time` is later than its own.
    fn version_at(&self, time: Timestamp) -> Option<Version> {
        let wanted = time.millis().saturating_sub(self.clock.millis());
        let millis = u64::try_from(wanted).ok().filter(|_| self.moving && wanted <= MOST_AHEAD_MILLIS)?;
        Some(Version(self.stamp.version().0.saturating_add(millis * VERSIONS_A_MILLISECOND)))
    }

    fn is_due(&self, now: Timestamp, moving: bool) -> bool {
        if self.moving && moving {
            (now.millis() - self.clock.millis()).abs() >= INTERVAL_MILLIS
        } else {
            now != self.clock || self.moving != moving
        }
    }

    const fn as_previous(&self) -> PreviousSample {
        let Self { stamp, clock, moving, time } = *self;
        PreviousSample { version: stamp.version(), clock, moving, time }
    }
}

/// What a transaction that was to add a sample found, and what it wrote.
pub(super) struct Sampled {
    last: Option<Sample>,
    written: Option<SampleValue>,
}

/// What a process knows of the samples. They never change, so they are read once.
#[derive(Default)]
pub(super) struct Timeline {
    /// The incarnations that have ended, the oldest first. They change only by losing samples that nobody needs.
    past: Lock<Arc<Vec<Past>>>,
    known: Lock<Known>,
    /// Whether somebody in this process is adding a sample.
    sampling: AtomicBool,
}

#[derive(Clone, Default)]
struct Known {
    /// All samples up to the version `through`, but those that were dropped from the front.
    samples: Arc<Vec<Sample>>,
    through: Version,
    /// The latest there is, as far as a writer knows: it needs no others.
    latest: Option<Sample>,
}

/// An incarnation that has ended.
#[derive(Clone)]
struct Past {
    incarnation: u16,
    versions: Versions,
    /// The time of its end, no earlier than those before it.
    ended: Timestamp,
}

/// The times of what one snapshot shows.
pub(super) struct Times {
    past: Arc<Vec<Past>>,
    incarnation: u16,
    present: Versions,
}

/// The times of one incarnation's versions.
#[derive(Clone)]
enum Versions {
    /// They tell them.
    Told,
    Sampled {
        samples: Arc<Vec<Sample>>,
        through: Version,
    },
}

impl Times {
    pub(super) fn time_of(&self, position: Position) -> Timestamp {
        let ended = self.past.partition_point(|past| past.incarnation < position.incarnation);
        let before = ended.checked_sub(1).and_then(|last| self.past.get(last)).map(|past| past.ended);
        let time = match self.past.get(ended).filter(|past| past.incarnation == position.incarnation) {
            Some(past) => past.versions.time_of(position.version()).unwrap_or(past.ended),
            None => self.present.time_of(position.version()).unwrap_or_default(),
        };
        before.map_or(time, |before| time.max(before))
    }

    /// The smallest position whose time may be `time` or later: those before it are earlier.
    pub(super) fn position_at(&self, time: Timestamp) -> Position {
        // The first incarnation that reaches so far: what is raised to the end of the one before is still too early.
        let ended = self.past.partition_point(|past| past.ended < time);
        match self.past.get(ended) {
            Some(past) => Position::before_version(past.incarnation, past.versions.version_at(time)),
            None => Position::before_version(self.incarnation, self.present.version_at(time)),
        }
    }
}

impl Versions {
    /// `None` if there are no samples, so that nobody can need the time any more.
    fn time_of(&self, version: Version) -> Option<Timestamp> {
        let Self::Sampled { samples, .. } = self else { return Some(version.time()) };
        let after = samples.partition_point(|sample| sample.stamp.version() <= version);
        let sample = samples.get(after.saturating_sub(1))?;
        // Before the first sample lies what the first commits of a database laid out.
        Some(if after == 0 { sample.time } else { sample.time_of(version) })
    }

    /// The smallest version whose time may be `time` or later.
    fn version_at(&self, time: Timestamp) -> Version {
        match self {
            Self::Told => Version::at(time, 0),
            Self::Sampled { samples, through } => version_at(samples, *through, time),
        }
    }

    fn has_samples(&self) -> bool {
        matches!(self, Self::Sampled { samples, .. } if !samples.is_empty())
    }
}

fn version_at(samples: &[Sample], through: Version, time: Timestamp) -> Version {
    let next = samples.partition_point(|sample| sample.time < time);
    let Some(last) = next.checked_sub(1).and_then(|at| samples.get(at)) else { return Version::MIN };
    // Behind what this snapshot shows another sample may follow.
    let bound = samples.get(next).map_or_else(|| through.next(), |sample| sample.stamp.version());
    last.version_at(time).map_or(bound, |version| version.min(bound))
}

/// Tells that nobody is adding a sample any more, even when the future that did is dropped.
struct Sampling<'a>(&'a AtomicBool);

impl Drop for Sampling<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Store {
    /// The times of what `transaction` reads.
    pub(super) async fn times(&self, transaction: &kv::Transaction) -> Result<Times, Error> {
        let (past, incarnation) = (Arc::clone(&self.0.timeline.past.lock()), self.0.incarnation);
        if self.database().versions_tell_time() {
            return Ok(Times { past, incarnation, present: Versions::Told });
        }
        let through = transaction.read_version().await?;
        let mut range = self.keyspace().samples(self.0.incarnation);
        if let Some(last) = self.0.timeline.known.lock().samples.last() {
            range = range.after(&self.keyspace().sample(self.0.incarnation, last.stamp));
        }
        let mut found = read_samples(self.keyspace(), transaction, range).await?;
        let mut known = self.0.timeline.known.lock();
        let last = known.samples.last().map(|sample| sample.stamp);
        // Another reader may have been faster.
        found.retain(|sample| last.is_none_or(|last| sample.stamp > last));
        if !found.is_empty() {
            Arc::make_mut(&mut known.samples).extend(found);
        }
        known.through = known.through.max(through);
        let present = Versions::Sampled { samples: Arc::clone(&known.samples), through: known.through };
        Ok(Times { past, incarnation, present })
    }

    /// The least time that the next commit can have.
    pub(super) async fn time_of_next(&self, transaction: &kv::Transaction) -> Result<Timestamp, Error> {
        let next = self.position_of(transaction.read_version().await?.next());
        Ok(self.times(transaction).await?.time_of(next))
    }

    /// Where the present incarnation ends, if `transaction` sees its last commit.
    pub(super) async fn seam(&self, transaction: &kv::Transaction) -> Result<Seam, Error> {
        let version = transaction.read_version().await?;
        let last = Position::before_version(self.0.incarnation, version);
        let time = self.times(transaction).await?.time_of(last);
        Ok(Seam { told: self.database().versions_tell_time(), version, time })
    }

    /// Adds a sample, if the latest one known is too old for what is about to be written.
    pub(super) async fn keep_time(&self) -> Result<(), Error> {
        if self.database().versions_tell_time() {
            return Ok(());
        }
        let (now, moving) = (self.clock().now(), !self.clock().is_frozen());
        let latest = self.0.timeline.known.lock().latest;
        if latest.is_some_and(|latest| !latest.is_due(now, moving)) {
            return Ok(());
        }
        let is_first = !self.0.timeline.sampling.swap(true, Ordering::AcqRel);
        // The others need not wait: their time is right to within the interval. A clock that stands still is exact.
        if !is_first && moving && latest.is_some() {
            return Ok(());
        }
        let _sampling = is_first.then(|| Sampling(&self.0.timeline.sampling));
        let (sampled, stamp) =
            self.database()
                .run_stamped(self.commit_ids(), |transaction| async move {
                    self.add_sample(&transaction, self.clock()).await
                })
                .await?;
        self.note_sample(sampled, stamp);
        Ok(())
    }

    /// Writes what `clock` shows, if the latest sample is too old for it.
    pub(super) async fn add_sample(&self, transaction: &kv::Transaction, clock: &Clock) -> Result<Sampled, Error> {
        let (now, moving) = (clock.now(), !clock.is_frozen());
        let (keyspace, incarnation) = (self.keyspace(), self.0.incarnation);
        let range = keyspace.samples(incarnation);
        // With conflict, from the last sample to the end: of two samplers one starts again and sees the other's.
        let read = RangeRead::new(range.begin, range.end).reversed().limited(1);
        let page = transaction.range(&read).await?;
        let last = page.pairs.first().map(|pair| decode_sample(keyspace, pair)).transpose()?;
        if last.is_some_and(|last| !last.is_due(now, moving)) {
            return Ok(Sampled { last, written: None });
        }
        let value = SampleValue { clock: now, moving, previous: last.map(|last| last.as_previous()) };
        let stamped = keyspace.stamped_sample(incarnation);
        transaction.set_versionstamped_key(stamped.key, stamped.offset, value.encode())?;
        Ok(Sampled { last, written: Some(value) })
    }

    /// Remembers what the transaction with this stamp has written.
    pub(super) fn note_sample(&self, sampled: Sampled, stamp: Option<Versionstamp>) {
        let Sampled { last, written } = sampled;
        let found = stamp.zip(written).map(|(stamp, value)| Sample::new(stamp, &value)).or(last);
        let mut known = self.0.timeline.known.lock();
        if found.map(|found| found.stamp) > known.latest.map(|latest| latest.stamp) {
            known.latest = found;
        }
    }

    /// Removes the samples that no time after `oldest` needs.
    pub(super) async fn drop_samples(&self, oldest: Timestamp) -> Result<(), Error> {
        for incarnation in self.0.timeline.to_forget(oldest) {
            let samples = &self.keyspace().samples(incarnation);
            let step = |transaction: Transaction| async move {
                Ok(transaction.kv().clear_range(&samples.begin, &samples.end)?)
            };
            if self.step(step).await?.is_some() {
                self.0.timeline.forget(incarnation);
            }
        }
        if self.database().versions_tell_time() {
            return Ok(());
        }
        self.snapshot(|transaction| async move { self.times(&transaction).await }).await?;
        let Some(kept) = self.0.timeline.forget_before(oldest) else { return Ok(()) };
        self.step(|transaction| async move {
            let begin = self.keyspace().samples(self.0.incarnation).begin;
            let end = self.keyspace().sample(self.0.incarnation, kept);
            Ok(transaction.kv().clear_range(&begin, &end)?)
        })
        .await?;
        Ok(())
    }
}

/// A timeline that knows the incarnations of a database that have ended.
pub(super) async fn read_past(keyspace: &Keyspace, transaction: &kv::Transaction) -> Result<Timeline, Error> {
    let seams = keyspace.seams();
    let mut past = Vec::new();
    for pair in transaction.range(&RangeRead::new(seams.begin, seams.end).snapshot()).await?.pairs {
        let (incarnation, seam) = (keyspace.parse_seam(&pair.key)?, Seam::decode(&pair.value)?);
        let versions = if seam.told {
            Versions::Told
        } else {
            let samples = read_samples(keyspace, transaction, keyspace.samples(incarnation)).await?;
            Versions::Sampled { samples: Arc::new(samples), through: seam.version }
        };
        past.push(Past { incarnation, versions, ended: seam.time });
    }
    Ok(Timeline { past: Lock::new(Arc::new(past)), ..Timeline::default() })
}

async fn read_samples(
    keyspace: &Keyspace,
    transaction: &kv::Transaction,
    mut range: KeyRange,
) -> Result<Vec<Sample>, Error> {
    let mut found = Vec::new();
    loop {
        let read = RangeRead::new(range.begin.clone(), range.end.clone()).snapshot().limited(PAGE);
        let page = transaction.range(&read).await?;
        for pair in &page.pairs {
            found.push(decode_sample(keyspace, pair)?);
        }
        match page.pairs.last() {
            Some(last) if page.more => range = range.after(&last.key),
            _ => return Ok(found),
        }
    }
}

fn decode_sample(keyspace: &Keyspace, pair: &kv::KeyValue) -> Result<Sample, Error> {
    let (_, stamp) = keyspace.parse_sample(&pair.key)?;
    Ok(Sample::new(stamp, &SampleValue::decode(&pair.value)?))
}

impl Timeline {
    /// A timeline for a fork: it has the same past.
    pub(super) fn copy(&self) -> Self {
        Self { past: Lock::new(Arc::clone(&self.past.lock())), ..Self::default() }
    }

    /// The past incarnations whose samples can go.
    fn to_forget(&self, oldest: Timestamp) -> Vec<u16> {
        let past = self.past.lock();
        let spare = past.iter().filter(|past| past.versions.has_samples() && past.ended < oldest);
        spare.map(|past| past.incarnation).collect()
    }

    fn forget(&self, incarnation: u16) {
        let mut past = self.past.lock();
        for past in Arc::make_mut(&mut past).iter_mut().filter(|past| past.incarnation == incarnation) {
            if let Versions::Sampled { samples, .. } = &mut past.versions {
                *samples = Arc::default();
            }
        }
    }

    /// The first sample to keep, if some can go.
    fn forget_before(&self, oldest: Timestamp) -> Option<Versionstamp> {
        let mut known = self.known.lock();
        let spare = known.samples.partition_point(|sample| sample.time < oldest).checked_sub(1)?;
        let kept = known.samples.get(spare)?.stamp;
        if spare > 0 {
            Arc::make_mut(&mut known.samples).drain(..spare);
        }
        Some(kept)
    }
}

#[cfg(test)]
mod tests;
