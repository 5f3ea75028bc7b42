//! Waiting for change records: who follows a table is woken by the commit that wrote records of it, and by nothing else.
//!
//! A reader takes a [`Ticket`], then reads, and if it found nothing waits for the ticket's change. The ticket remembers how
//! many changes there had been when it was taken, so a commit between the two is never missed. Commits tell the board of
//! their table (`kv::Transaction::after_commit`); while nobody holds a ticket that is one atomic load. No timer and no
//! thread stands behind a waiter: only its waker lies here.
//!
//! Commits of this handle and its clones are seen. Where other processes commit as well, or a commit may land unnoticed,
//! [`Store::poll_interval`] says how long to wait at most before looking again.
//!
//! A forked child inherits boards whose wakers belong to threads it does not have. It leaves them alone for ever: its
//! tickets of before the fork count as changed, and new ones are taken from boards of its own.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Store;
use crate::fork::{self, Lock};

/// How long who follows a database that others write to waits before it looks by itself: at first, and at most.
const FIRST_POLL: Duration = Duration::from_millis(50);
const LONGEST_POLL: Duration = Duration::from_millis(500);

/// Boards kept beside those in use before the others are cleared away.
const SPARE_BOARDS: usize = 64;

/// Numbers of tables begin with one.
const NO_TABLE: u64 = 0;

/// Everybody who waits for changes of one database in this process.
#[derive(Default)]
pub(super) struct Followers {
    boards: Lock<Boards>,
    /// Tickets there are: none, and a commit has nobody to tell.
    tickets: AtomicUsize,
    /// How often the database was closed.
    closings: AtomicU64,
    /// Wakers called so far.
    woken: AtomicU64,
}

#[derive(Default)]
struct Boards {
    /// The process, counted by forks, whose boards these are.
    process: u64,
    of_tables: HashMap<u64, Weak<Board>>,
    /// So many boards, and those without a ticket are cleared away.
    crowded: usize,
}

/// What the followers of one table look at.
struct Board {
    process: u64,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    changes: u64,
    waiting: Vec<(u64, Waker)>,
    next_waiter: u64,
}

impl Boards {
    /// Leaves alone what was inherited by a fork: not even dropped, for a waker may belong to a runtime that is no more.
    fn of_this_process(&mut self, tickets: &AtomicUsize) {
        let process = fork::generation();
        if self.process != process {
            std::mem::forget(std::mem::take(&mut self.of_tables));
            self.process = process;
            tickets.store(0, Ordering::Relaxed);
        }
    }

    fn board(&mut self, table_id: u64) -> Arc<Board> {
        if let Some(board) = self.of_tables.get(&table_id).and_then(Weak::upgrade) {
            return board;
        }
        if self.of_tables.len() >= self.crowded {
            self.of_tables.retain(|_, board| board.strong_count() > 0);
            self.crowded = self.of_tables.len() * 2 + SPARE_BOARDS;
        }
        let board = Arc::new(Board { process: self.process, state: Lock::default() });
        self.of_tables.insert(table_id, Arc::downgrade(&board));
        board
    }
}

impl Board {
    /// Counts a change, and gives those who wait for it.
    fn change(&self) -> Vec<(u64, Waker)> {
        let mut state = self.state.lock();
        state.changes += 1;
        std::mem::take(&mut state.waiting)
    }
}

impl Followers {
    fn ticket(self: &Arc<Self>, table_id: u64) -> Ticket {
        let board = {
            let mut boards = self.boards.lock();
            boards.of_this_process(&self.tickets);
            // Before its holder reads: a commit that this read misses comes later, and finds the ticket.
            self.tickets.fetch_add(1, Ordering::Relaxed);
            boards.board(table_id)
        };
        let seen = board.state.lock().changes;
        Ticket { followers: Arc::clone(self), board: Some(board), seen }
    }

    /// Tells those who follow a table that it has changed.
    pub(super) fn tell(&self, table_id: u64) {
        if self.tickets.load(Ordering::Relaxed) == 0 {
            return;
        }
        let board = {
            let mut boards = self.boards.lock();
            boards.of_this_process(&self.tickets);
            boards.of_tables.get(&table_id).and_then(Weak::upgrade)
        };
        if let Some(board) = board {
            self.wake(board.change());
        }
    }

    /// Tells everybody that the database is closed.
    fn close(&self) {
        self.closings.fetch_add(1, Ordering::SeqCst);
        self.tell_all();
    }

    /// Has everybody look again.
    fn tell_all(&self) {
        let boards: Vec<Arc<Board>> = {
            let mut boards = self.boards.lock();
            boards.of_this_process(&self.tickets);
            boards.of_tables.values().filter_map(Weak::upgrade).collect()
        };
        for board in boards {
            self.wake(board.change());
        }
    }

    fn wake(&self, waiting: Vec<(u64, Waker)>) {
        self.woken.fetch_add(waiting.len() as u64, Ordering::Relaxed);
        for (_, waker) in waiting {
            waker.wake();
        }
    }
}

/// A place in the changes of one table: whatever is committed after it was taken ends the wait for its change.
pub struct Ticket {
    followers: Arc<Followers>,
    /// There until it is dropped.
    board: Option<Arc<Board>>,
    seen: u64,
}

impl Ticket {
    /// Ready once records of the table were committed since the ticket was taken, or a stream of it was opened or closed, or
    /// the table deleted, or the database closed. It may be ready for less, so whoever waits looks again.
    pub const fn changed(&self) -> Changed<'_> {
        Changed { ticket: self, waiter: None }
    }

    fn board(&self) -> Option<&Arc<Board>> {
        self.board.as_ref().filter(|board| board.process == fork::generation())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        match self.board.take() {
            Some(board) if board.process == fork::generation() => {
                self.followers.tickets.fetch_sub(1, Ordering::Relaxed);
            }
            // The parent's.
            board => std::mem::forget(board),
        }
    }
}

/// Waits for the change of a [`Ticket`].
pub struct Changed<'a> {
    ticket: &'a Ticket,
    /// The number under which its waker lies on the board.
    waiter: Option<u64>,
}

impl Future for Changed<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(board) = self.ticket.board() else { return Poll::Ready(()) };
        let mut state = board.state.lock();
        if state.changes != self.ticket.seen {
            drop(state);
            return Poll::Ready(());
        }
        let waiter = self.waiter.unwrap_or_else(|| {
            state.next_waiter += 1;
            state.next_waiter
        });
        match state.waiting.iter_mut().find(|(number, _)| *number == waiter) {
            Some((_, waker)) => waker.clone_from(context.waker()),
            None => state.waiting.push((waiter, context.waker().clone())),
        }
        drop(state);
        self.waiter = Some(waiter);
        Poll::Pending
    }
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        let (Some(waiter), Some(board)) = (self.waiter, self.ticket.board()) else { return };
        let mut state = board.state.lock();
        let place = state.waiting.iter().position(|(number, _)| *number == waiter);
        let left = place.map(|place| state.waiting.swap_remove(place));
        drop(state);
        drop(left);
    }
}

impl Store {
    /// A ticket for the changes of a table, taken before its records are read.
    pub fn follow(&self, table_id: u64) -> Ticket {
        self.0.followers.ticket(table_id)
    }

    /// A ticket that no commit changes: the closing of the database does, a move of the clock, and [`Store::wake_followers`].
    pub fn follow_nothing(&self) -> Ticket {
        self.0.followers.ticket(NO_TABLE)
    }

    /// Has all who wait for changes of a table, or of none, look again: so one of them can be told to end.
    pub fn wake_followers(&self, table_id: Option<u64>) {
        self.0.followers.tell(table_id.unwrap_or(NO_TABLE));
    }

    /// How long to wait for a ticket's change before looking again, after having looked so many times in vain; for ever
    /// where every commit of the database comes by here.
    pub fn poll_interval(&self, misses: u32) -> Option<Duration> {
        let database = self.database();
        (database.is_shared() || database.outcome_may_be_unknown())
            .then(|| FIRST_POLL.saturating_mul(1 << misses.min(4)).min(LONGEST_POLL))
    }

    /// How often the database was closed: who began to follow before the latest time is to end.
    pub fn closings(&self) -> u64 {
        self.0.followers.closings.load(Ordering::SeqCst)
    }

    /// Followers woken so far.
    pub fn followers_woken(&self) -> u64 {
        self.0.followers.woken.load(Ordering::Relaxed)
    }

    /// Has all look again who may wait for a time, since the clock was moved.
    pub(super) fn tell_of_clock(&self) {
        self.0.followers.tell_all();
    }

    /// Ends the waiting of all who follow a table.
    pub(super) fn end_following(&self) {
        self.0.followers.close();
    }
}

#[cfg(test)]
impl Followers {
    pub(super) fn boards_kept(&self) -> usize {
        self.boards.lock().of_tables.len()
    }
}
