//! What is known of one connection while it is open: what it does, since when, and whether it is to go.
//!
//! Written by the connection's task, read by the door that may need its place. Invariant: a connection with a request under
//! way is never asked to make room.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Between requests; what it has to send, it is sending.
const QUIET: u8 = 0;
/// Some of a request's head is there.
const HEAD: u8 = 1;
/// A request is under way.
const BUSY: u8 = 2;

pub struct Line {
    opened: Instant,
    state: AtomicU8,
    /// When it last did something, in milliseconds since it was opened.
    active_millis: AtomicU64,
    /// Whether its place is needed.
    unwanted: AtomicBool,
    changed: Notify,
}

impl Line {
    pub fn new() -> Self {
        Self {
            opened: Instant::now(),
            state: AtomicU8::new(QUIET),
            active_millis: AtomicU64::new(0),
            unwanted: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    fn touch(&self) {
        let millis = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.active_millis.store(millis, Ordering::Relaxed);
    }

    fn active(&self) -> Instant {
        self.opened + Duration::from_millis(self.active_millis.load(Ordering::Relaxed))
    }

    /// Bytes came in. The first of a head begin the time that it may take.
    pub fn received(&self) {
        if self.state.compare_exchange(QUIET, HEAD, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.touch();
            self.changed.notify_one();
        }
    }

    /// Bytes went out.
    pub fn sent(&self) {
        self.touch();
    }

    /// A request's head is complete: until the guard goes, a request is under way.
    pub fn begin(&self) -> UnderWay<'_> {
        self.state.store(BUSY, Ordering::Release);
        UnderWay(self)
    }

    pub fn is_busy(&self) -> bool {
        self.state.load(Ordering::Acquire) == BUSY
    }

    /// Since when it has been quiet, if no request is under way and its place was not asked for yet.
    pub fn quiet_since(&self) -> Option<Instant> {
        (!self.is_busy() && !self.unwanted.load(Ordering::Acquire)).then(|| self.active())
    }

    /// Asks for its place.
    pub fn make_room(&self) {
        self.unwanted.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Waits until the client has taken too long, or the place is needed, while no request is under way.
    pub async fn overdue(&self, idle: Duration, head: Duration) {
        loop {
            let deadline = match self.state.load(Ordering::Acquire) {
                BUSY => None,
                _ if self.unwanted.load(Ordering::Acquire) => return,
                HEAD => Some(self.active() + head),
                _ => Some(self.active() + idle),
            };
            let Some(deadline) = deadline else {
                self.changed.notified().await;
                continue;
            };
            if deadline <= Instant::now() {
                return;
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }
}

/// That a request is under way.
pub struct UnderWay<'a>(&'a Line);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.touch();
        self.0.state.store(QUIET, Ordering::Release);
        self.0.changed.notify_one();
    }
}
