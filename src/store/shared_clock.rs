//! The clock of a database that several processes share: whoever moves it moves it for all.
//!
//! How it was set last lies in the catalogue, with a number that rises at each move. The transaction that moves it also
//! writes a sample of the time, so the times of records follow at once, whoever writes them. What a process compares with
//! its own clock follows when it looks: when it opens the database, and at the first transaction a second after it
//! looked last. That look waits together with the transaction's own reads; if it finds another setting, the transaction
//! conflicts with it and runs again. Machine time says when to look, so a look is never missed because the clock stands
//! still. Where one process owns the database there is nothing to store or to read.

use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::future::join;

use super::Store;
use crate::clock::Clock;
use crate::error::Error;
use crate::fork::Lock;
use crate::keyspace::SharedClock;
use crate::kv::{self, Isolation};

/// How old what is known of the shared clock may be, in machine time.
const INTERVAL_MILLIS: i64 = 1_000;

/// What a process knows of the clock that is stored.
#[derive(Default)]
pub(super) struct Known {
    /// How often it had been moved.
    moves: Lock<u64>,
    /// When it was looked at, in machine time.
    looked_millis: AtomicI64,
}

impl Known {
    pub(super) fn copy(&self) -> Self {
        Self { moves: Lock::new(*self.moves.lock()), looked_millis: AtomicI64::new(0) }
    }
}

impl Store {
    /// Moves the clock by `change`, in every process that has this database open; it may be called several times.
    pub async fn move_clock(&self, change: impl Fn(&Clock) + Send + Sync) -> Result<(), Error> {
        if !self.database().is_shared() {
            change(self.clock());
            return Ok(());
        }
        let (keyspace, change) = (self.keyspace(), &change);
        let ((moved, sampled), stamp) = self
            .database()
            .run_stamped(self.commit_ids(), |transaction| async move {
                let stored = read(self, &transaction, Isolation::Serializable).await?;
                let clock = Clock::reckoning(stored.map_or_else(|| self.clock().mode(), |stored| stored.mode));
                change(&clock);
                let moves = stored.map_or(0, |stored| stored.moves).saturating_add(1);
                let moved = SharedClock { moves, mode: clock.mode() };
                transaction.set(&keyspace.clock(), moved.encode())?;
                let sampled = self.add_sample(&transaction, &clock).await?;
                Ok::<_, Error>((moved, sampled))
            })
            .await?;
        self.note_sample(sampled, stamp);
        self.adopt(&moved);
        Ok(())
    }

    /// Goes by the clock as it is set now, wherever it was moved.
    pub async fn look_at_clock(&self) -> Result<(), Error> {
        if self.database().is_shared() {
            self.note_look();
            let stored =
                self.database().run_read_only(|transaction| async move { look(self, &transaction).await }).await?;
            if let Some(stored) = stored {
                self.adopt(&stored);
            }
        }
        Ok(())
    }

    /// Runs a body of `transaction`; if the clock has been moved elsewhere, as far as is looked at all, what it did counts as
    /// a conflict.
    pub(super) async fn by_the_clock<T>(
        &self,
        transaction: &kv::Transaction,
        body: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if !self.database().is_shared() || !self.is_look_due() {
            return body.await;
        }
        self.note_look();
        let (answer, stored) = join(body, look(self, transaction)).await;
        if stored?.is_some_and(|stored| self.adopt(&stored)) {
            return Err(Error::Storage(kv::Error::Conflict));
        }
        answer
    }

    fn is_look_due(&self) -> bool {
        let looked = self.0.shared_clock.looked_millis.load(Ordering::Relaxed);
        (self.clock().machine_millis() - looked).abs() >= INTERVAL_MILLIS
    }

    fn note_look(&self) {
        self.0.shared_clock.looked_millis.store(self.clock().machine_millis(), Ordering::Relaxed);
    }

    /// Sets the clock as it is stored, unless something later is known; whether it did.
    fn adopt(&self, stored: &SharedClock) -> bool {
        let mut moves = self.0.shared_clock.moves.lock();
        if stored.moves <= *moves {
            return false;
        }
        *moves = stored.moves;
        self.clock().set_mode(stored.mode);
        drop(moves);
        self.tell_of_clock();
        true
    }

    /// Has the next transaction look at the clock.
    #[cfg(test)]
    pub(super) fn expect_a_moved_clock(&self) {
        self.0.shared_clock.looked_millis.store(i64::MAX / 2, Ordering::Relaxed);
    }
}

async fn look(store: &Store, transaction: &kv::Transaction) -> Result<Option<SharedClock>, Error> {
    read(store, transaction, Isolation::Snapshot).await
}

async fn read(
    store: &Store,
    transaction: &kv::Transaction,
    isolation: Isolation,
) -> Result<Option<SharedClock>, Error> {
    let stored = transaction.get(&store.keyspace().clock(), isolation).await?;
    Ok(stored.map(|stored| SharedClock::decode(&stored)).transpose()?)
}
