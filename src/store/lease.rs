//! The lease on work that nobody asked for: on an engine that several processes share, one of them does it at a time.
//!
//! Every step of that work reads and renews the lease in its own transaction, so a process that has lost it, however
//! long it slept, cannot act. Leases end by the database's clock and may then be taken over. Where one process owns the
//! database there is nothing to read. It must not know what the work is.

use std::future::Future;

use super::{Store, Transaction};
use crate::error::Error;
use crate::keyspace;
use crate::kv::Isolation;

const FORMAT: u8 = 1;

/// Work of which one process at a time is in charge.
#[derive(Clone, Copy)]
pub(super) enum Duty {
    Maintenance,
    /// Deleting items whose time to live is over.
    Expiry,
    /// The steps of imports, exports and bulk operations.
    Exchanges,
}

impl Duty {
    const fn name(self) -> &'static str {
        match self {
            Self::Maintenance => "maintenance",
            Self::Expiry => "expiry",
            Self::Exchanges => "exchanges",
        }
    }

    /// How long a holder that does nothing keeps others waiting.
    const fn millis(self) -> i64 {
        match self {
            Self::Maintenance => 120_000,
            // Whoever has it may have died, and items are to go within seconds.
            Self::Expiry => 5_000,
            // Longer than a step takes, with its files.
            Self::Exchanges => 30_000,
        }
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Lease {
    holder: [u8; 16],
    until_millis: i64,
}

impl Store {
    /// One transaction of maintenance; `None`, and nothing done, if another process has the lease.
    pub(super) async fn step<T, F, Fut>(&self, body: F) -> Result<Option<T>, Error>
    where
        F: Fn(Transaction) -> Fut + Sync,
        Fut: Future<Output = Result<T, Error>> + Send,
        T: Send,
    {
        self.step_of(Duty::Maintenance, body).await
    }

    /// One transaction of a duty; `None`, and nothing done, if another process has the lease.
    pub(super) async fn step_of<T, F, Fut>(&self, duty: Duty, body: F) -> Result<Option<T>, Error>
    where
        F: Fn(Transaction) -> Fut + Sync,
        Fut: Future<Output = Result<T, Error>> + Send,
        T: Send,
    {
        let body = &body;
        self.run(|transaction| async move {
            if !self.hold_lease(&transaction, duty).await? {
                return Ok(None);
            }
            body(transaction).await.map(Some)
        })
        .await
    }

    async fn hold_lease(&self, transaction: &Transaction, duty: Duty) -> Result<bool, Error> {
        if !self.database().is_shared() {
            return Ok(true);
        }
        let (key, now) = (self.keyspace().lease(duty.name()), self.clock().now().millis());
        if let Some(value) = transaction.kv().get(&key, Isolation::Serializable).await? {
            let lease: Lease = keyspace::decode_versioned_json(FORMAT, &value)?;
            // One that ends too late was given before the clock was set back.
            let holds = now < lease.until_millis && lease.until_millis <= now.saturating_add(duty.millis());
            if holds && lease.holder != self.0.worker {
                return Ok(false);
            }
        }
        let lease = Lease { holder: self.0.worker, until_millis: now.saturating_add(duty.millis()) };
        transaction.kv().set(&key, keyspace::encode_versioned_json(FORMAT, &lease)?)?;
        Ok(true)
    }
}
