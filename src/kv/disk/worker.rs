//! The background thread: flushes what was set aside, removes the log it makes superfluous, merges tables.
//!
//! Nothing waits for it but commits that run far ahead of it. If it fails (no space, say), it tries again while the
//! database goes on; commits are refused, with its reason, only when too much waits for a flush. If it cannot go on at all,
//! because the tree's files are ahead of what is in memory or because it panicked, the database takes no more writes until it is
//! opened again. In the end it is told to stop and joined. It must not know of transactions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::super::error::panic_text;
use super::super::{Error, Result};
use super::Shared;
use super::directory::{io, sync_directory};

/// How long a failed flush waits before it is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// Flushes that may be outstanding before commits wait.
const MOST_WAITING: usize = 3;
/// Unmerged runs that may be there before commits wait.
const MOST_RUNS: usize = 24;

/// What the committer and the worker tell each other.
#[derive(Debug, Default)]
pub(super) struct Desk {
    orders: Mutex<Orders>,
    /// Something was ordered, done, or failed.
    news: Condvar,
    /// Why the worker has given up.
    end: OnceLock<Error>,
}

#[derive(Debug, Default)]
struct Orders {
    /// There may be something to flush or to merge.
    work: bool,
    stop: bool,
    /// Why the last attempt failed.
    trouble: Option<Error>,
    /// Segments of the log whose rounds have been set aside, oldest first.
    segments: Vec<PathBuf>,
}

impl Desk {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, orders: MutexGuard<'a, Orders>) -> MutexGuard<'a, Orders> {
        self.news.wait(orders).unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was set aside, and `segment` of the log holds it no longer than needed.
    pub(super) fn order(&self, segments: impl IntoIterator<Item = PathBuf>) {
        let mut orders = self.orders();
        orders.segments.extend(segments);
        orders.work = true;
        self.news.notify_all();
    }

    pub(super) fn stop(&self) {
        let mut orders = self.orders();
        orders.stop = true;
        self.news.notify_all();
    }

    /// Why nothing will be flushed any more.
    pub(super) fn check(&self) -> Result<()> {
        self.end.get().map_or(Ok(()), |end| Err(end.clone()))
    }

    pub(super) fn give_up(&self, reason: &str) {
        let _orders = self.orders();
        drop(self.end.set(given_up(reason)));
        self.news.notify_all();
    }

    /// Something was done. Told under the lock under which others look and go to sleep, so nobody misses it.
    fn tell(&self) {
        let _orders = self.orders();
        self.news.notify_all();
    }
}

impl Shared {
    /// Waits until the worker has caught up far enough for another round.
    ///
    /// # Errors
    /// Whatever keeps the worker from doing so.
    pub(super) fn wait_for_room(&self) -> Result<()> {
        self.desk.check()?;
        if self.has_room() {
            return Ok(());
        }
        let mut orders = self.desk.orders();
        while !self.has_room() {
            self.desk.check()?;
            if let Some(trouble) = &orders.trouble {
                return Err(trouble.clone());
            }
            if orders.stop {
                return Err(Error::Closed);
            }
            orders = self.desk.wait(orders);
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.tree.waiting_for_flush() < MOST_WAITING && self.tree.unmerged_runs() < MOST_RUNS
    }

    /// The worker's life.
    pub(super) fn work(self: Arc<Self>) {
        // What it leaves behind, if it panics, nobody writes to any more.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.flush_until_stopped())) {
            self.desk.give_up(&format!("the thread that flushes panicked: {}", panic_text(&*panic)));
        }
    }

    fn flush_until_stopped(&self) {
        loop {
            let mut orders = self.desk.orders();
            while !orders.work && !orders.stop {
                orders = self.desk.wait(orders);
            }
            if orders.stop {
                return;
            }
            orders.work = false;
            let segments = orders.segments.clone();
            drop(orders);
            let outcome = self.flush_and_merge(&segments);
            let mut orders = self.desk.orders();
            match outcome {
                Ok(more) => {
                    orders.trouble = None;
                    orders.work |= more;
                }
                Err(error) if self.tree.is_astray() == Ok(true) => {
                    drop(orders);
                    return self.desk.give_up(&error.reason());
                }
                Err(error) => {
                    orders.trouble = Some(error);
                    orders.work = true;
                    self.desk.news.notify_all();
                    if !orders.stop {
                        drop(self.desk.news.wait_timeout(orders, RETRY));
                    }
                    continue;
                }
            }
            self.desk.news.notify_all();
        }
    }

    fn flush_and_merge(&self, segments: &[PathBuf]) -> Result<bool> {
        // The last attempt may have failed while nobody could look.
        if self.tree.is_astray()? {
            return Err(Error::Io("the tree's files are ahead of what is in memory".to_owned()));
        }
        // The segments were named before the flush begins, so it covers all that they hold.
        self.tree.flush(self.oldest_read())?;
        for path in segments {
            std::fs::remove_file(path).map_err(|error| io("remove", path, &error))?;
            self.desk.orders().segments.retain(|other| other != path);
        }
        if !segments.is_empty() {
            sync_directory(&self.directory.log())?;
        }
        self.desk.tell();
        let more = self.tree.compact(self.oldest_read())?;
        self.desk.tell();
        self.catch_up_with_the_tree();
        self.tree.forget(self.oldest_read())?;
        Ok(more)
    }
}

/// The error of a database that must be opened again before it takes writes.
pub(super) fn given_up(reason: &str) -> Error {
    Error::Io(format!("{reason}; the database takes no more writes until it is opened again"))
}
