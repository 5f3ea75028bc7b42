//! The committer: takes the commits that wait, as many as there are, and makes one round of them.
//!
//! A round gets one version; its commits are ordered within it by their batch number, each checked against what was
//! committed since its snapshot, the earlier ones of its round included. The round is one frame of the log, one
//! write and, where asked for, one sync; only then is it applied to the tree and published. So readers see
//! nothing that could be lost, and writers that wait together share a sync.
//!
//! Invariants: one round at a time; a commit that fails leaves nothing in the round; what was published is in the log.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::super::buffer::{Change, Changes, sum};
use super::super::conflicts::{Footprint, Ticket};
use super::super::embedded::Pending;
use super::super::transaction::AfterCommit;
use super::super::{Bytes, Error, Result, Version, Versionstamp};
use super::Shared;
use super::frame;
use super::log::Log;
use super::tree::Progress;
use super::worker::given_up;

/// Commits in one round at most: more than ever wait, and less than there are batch numbers.
const MOST_COMMITS: usize = 1_000;
/// A round that has grown so large takes no further commit; one commit adds less than 10 MB.
const LARGE_ROUND: usize = 16 * 1024 * 1024;

pub(super) type Outcome = Result<Option<Versionstamp>>;

/// Where the outcome of a commit is left for whoever waits for it.
#[derive(Debug, Default)]
struct Completion(Mutex<Slot>);

#[derive(Debug, Default)]
struct Slot {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

impl Completion {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complete(&self, outcome: Outcome) {
        let mut slot = self.slot();
        slot.outcome = Some(outcome);
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Waits for the outcome of a commit.
pub(super) struct Waiting(Arc<Completion>);

impl Future for Waiting {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut slot = self.0.slot();
        match slot.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The duty to leave an outcome. Whoever waits hears of it even if a panic makes it impossible.
#[derive(Debug)]
pub(super) struct Promise {
    completion: Option<Arc<Completion>>,
    after_commit: AfterCommit,
}

impl Promise {
    /// A promise and its being waited for.
    pub(super) fn new(after_commit: AfterCommit) -> (Self, Waiting) {
        let completion = Arc::new(Completion::default());
        (Self { completion: Some(Arc::clone(&completion)), after_commit }, Waiting(completion))
    }

    fn keep(mut self, outcome: Outcome) {
        if outcome.is_ok() {
            std::mem::take(&mut self.after_commit).call();
        }
        if let Some(completion) = self.completion.take() {
            completion.complete(outcome);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(completion) = self.completion.take() {
            completion.complete(Err(given_up("a commit broke off in the middle because of a defect")));
        }
    }
}

/// A commit that waits for its round.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) pending: Pending<Shared>,
    pub(super) promise: Promise,
}

/// What only one thread at a time may use: whoever makes a round.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) log: Log,
    pub(super) progress: Progress,
    /// How many were in the last round or came while it was made: those who may soon come again.
    pub(super) company: usize,
}

/// A commit that is in the round.
struct Admitted {
    promise: Promise,
    stamp: Versionstamp,
    ticket: Option<Ticket>,
    footprint: Footprint,
}

struct Round<'a> {
    shared: &'a Shared,
    progress: Progress,
    /// Where reads see what earlier rounds wrote.
    sequence: u64,
    frame: frame::Writer,
    /// What the round leaves of each key it touches.
    result: BTreeMap<Bytes, Option<Bytes>>,
    admitted: Vec<Admitted>,
}

impl Shared {
    /// Makes rounds until nobody waits. Another thread's rounds may take along what this one queued.
    pub(super) fn make_rounds(&self) {
        let mut bench = self.bench();
        while self.make_next_round(&mut bench) > 0 {}
    }

    /// Makes one round of those who wait; how many that were.
    pub(super) fn make_next_round(&self, bench: &mut Bench) -> usize {
        let requests: VecDeque<Request> = {
            let mut queue = self.queue();
            let count = queue.requests.len().min(MOST_COMMITS);
            queue.requests.drain(..count).collect()
        };
        let count = requests.len();
        if count > 0 {
            self.make_round(bench, requests);
        }
        count
    }

    fn make_round(&self, bench: &mut Bench, mut requests: VecDeque<Request>) {
        if let Err(error) = self.check_open().and_then(|()| self.wait_for_room()) {
            for request in requests {
                request.promise.keep(Err(error.clone()));
            }
            return;
        }
        let mut round = match Round::begin(self, bench.progress) {
            Ok(round) => round,
            Err(error) => {
                for request in requests {
                    request.promise.keep(Err(error.clone()));
                }
                return;
            }
        };
        while round.frame.len() < LARGE_ROUND {
            let Some(Request { pending, promise }) = requests.pop_front() else { break };
            match round.admit(pending) {
                Ok((stamp, ticket, footprint)) => round.admitted.push(Admitted { promise, stamp, ticket, footprint }),
                Err(error) => promise.keep(Err(error)),
            }
        }
        // What did not fit comes first in the next round.
        let mut queue = self.queue();
        while let Some(request) = requests.pop_back() {
            queue.requests.push_front(request);
        }
        drop(queue);
        round.finish(bench);
    }
}

impl<'a> Round<'a> {
    fn begin(shared: &'a Shared, before: Progress) -> Result<Self> {
        let (version, sequence) = {
            let state = shared.state.lock();
            (state.version, state.sequence)
        };
        let progress = Progress { round: before.round + 1, version: version.following(&shared.clock)? };
        let frame = frame::Writer::round(progress.round, progress.version);
        Ok(Self { shared, progress, sequence, frame, result: BTreeMap::new(), admitted: Vec::new() })
    }

    /// Checks a commit and adds what it writes to the round.
    fn admit(&mut self, pending: Pending<Shared>) -> Result<(Versionstamp, Option<Ticket>, Footprint)> {
        let since = pending.conflicting_reader()?.map(|reader| reader.version());
        let Pending { reader, mut reads, buffer } = pending;
        if let Some(since) = since {
            reads.settle();
            let committed = self.shared.committed_since(since)?;
            let mut written = committed.iter().map(|footprint| &**footprint).chain(self.footprints());
            if written.any(|footprint| reads.conflicts_with(footprint)) {
                return Err(Error::Conflict);
            }
        }
        let batch = u16::try_from(self.admitted.len()).unwrap_or(u16::MAX);
        let stamp = Versionstamp::new(self.progress.version, batch);
        let (written_to_log, changes) = (self.frame.len(), buffer.into_changes(stamp));
        let footprint = match self.write(changes) {
            Ok(footprint) => footprint,
            Err(error) => {
                self.frame.truncate(written_to_log);
                return Err(error);
            }
        };
        let ticket = reader.and_then(|mut reader| reader.take_ticket());
        Ok((stamp, ticket, footprint))
    }

    fn footprints(&self) -> impl Iterator<Item = &Footprint> {
        self.admitted.iter().map(|admitted| &admitted.footprint)
    }

    /// Writes one commit's changes into the frame and the round's result, or neither.
    fn write(&mut self, changes: Changes) -> Result<Footprint> {
        let mut own: BTreeMap<Bytes, Option<Bytes>> = BTreeMap::new();
        for (begin, end) in &changes.cleared {
            self.frame.clear_range(begin, end);
            for key in self.shared.tree.keys(begin, end, self.sequence) {
                own.insert(key?, None);
            }
            let earlier = self.result.range::<Bytes, _>(begin..end).map(|(key, _)| (Arc::clone(key), None));
            own.extend(earlier);
        }
        let mut keys = Vec::with_capacity(changes.writes.len());
        for (key, change) in changes.writes {
            let value = match change {
                Change::Set(value) => Some(value),
                Change::Clear => None,
                Change::Add(delta) => {
                    let stored = match own.get(&key).or_else(|| self.result.get(&key)) {
                        Some(known) => known.clone(),
                        None => self.shared.tree.get(&key, self.sequence)?,
                    };
                    Some(sum(stored.as_deref(), delta))
                }
            };
            match &value {
                Some(value) => self.frame.set(&key, value),
                None => self.frame.clear(&key),
            }
            keys.push(Arc::clone(&key));
            own.insert(key, value);
        }
        if self.result.is_empty() {
            self.result = own;
        } else {
            self.result.extend(own);
        }
        let mut ranges = changes.cleared;
        ranges.extend(changes.conflicts);
        Ok(Footprint::new(self.progress.version, keys, ranges))
    }

    /// Logs, applies and publishes the round, and tells everyone in it.
    fn finish(self, bench: &mut Bench) {
        let Self { shared, progress, frame, result, admitted, .. } = self;
        if admitted.is_empty() {
            return;
        }
        if let Err(error) = bench.log.append(frame, shared.options.durability.is_synced()) {
            for admitted in admitted {
                shared.give_back(admitted.ticket);
                admitted.promise.keep(Err(error.clone()));
            }
            return;
        }
        bench.progress = progress;
        let sequence = shared.tree.apply(result.into_iter(), progress);
        let completed = shared.publish(progress.version, sequence, admitted);
        shared.set_aside_if_large(bench);
        // Before they are told, lest those who come again at once be counted twice.
        bench.company = completed.len() + shared.queue().requests.len();
        for (promise, stamp) in completed {
            promise.keep(Ok(Some(stamp)));
        }
    }
}

impl Shared {
    fn publish(&self, version: Version, sequence: u64, admitted: Vec<Admitted>) -> Vec<(Promise, Versionstamp)> {
        let now = self.machine.millis();
        let mut garbage = Vec::new();
        let mut completed = Vec::with_capacity(admitted.len());
        let mut state = self.state.lock();
        state.version = version;
        state.sequence = sequence;
        for Admitted { promise, stamp, ticket, footprint } in admitted {
            garbage.extend(ticket.map(|ticket| state.log.release(ticket)));
            if state.log.is_watched(now) {
                state.log.push(footprint);
            } else {
                garbage.push(state.log.skip(version));
            }
            completed.push((promise, stamp));
        }
        drop(state);
        drop(garbage);
        completed
    }
}
