//! The ordered, transactional key-value contract: FoundationDB's semantics, whatever the engine.
//!
//! Strict serializability by optimistic concurrency: a transaction reads one snapshot, remembers what it read
//! (its read conflict ranges), buffers its writes, and commits only if nothing it read was written since. Keys
//! and values may hold the commit's versionstamp. This room knows nothing of DynamoDB.
//!
//! Every engine enforces FoundationDB's limits (see [`limits`]), so nothing is built on one engine that another
//! would refuse. `database` and `transaction` are the contract's face and dispatch over the engines; `retry` is the
//! loop that runs a body until its outcome is known; `embedded` (on `buffer`, `merge`, `ranges` and `conflicts`) is the
//! transaction that embedded engines share; `memory`, `disk`, `faults` and `foundationdb` are engines. `contract` (tests
//! only) is what every engine must pass.

mod buffer;
mod conflicts;
mod database;
mod disk;
mod embedded;
mod error;
pub mod faults;
pub mod foundationdb;
pub mod limits;
mod memory;
mod merge;
mod ranges;
mod retry;
#[cfg(test)]
pub(crate) mod rounds;
mod transaction;
mod version;
mod wait;
mod work;

#[cfg(test)]
mod contract;

use std::sync::Arc;

pub use database::{Database, let_go_after_fork};
pub use disk::{DiskOptions, Durability};
pub use error::{Error, panic_text};
pub use retry::{CommitIds, RetryDecision};
pub use transaction::Transaction;
pub use version::{Version, Versionstamp};
pub use wait::wait_on_thread_unless;
pub use work::Work;

/// A result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Bytes as engines hand them out: shared, never copied again.
pub type Bytes = Arc<[u8]>;

/// Whether a read makes its transaction conflict with later writes to what it read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// The read is part of what must still hold at commit.
    #[default]
    Serializable,
    /// The read sees the same snapshot but adds no conflict.
    Snapshot,
}

/// A read of the keys from `begin` (inclusive) to `end` (exclusive).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeRead {
    pub begin: Vec<u8>,
    pub end: Vec<u8>,
    /// From the last key to the first.
    pub reverse: bool,
    /// Most pairs to return.
    pub limit: Option<usize>,
    /// Stop after the pair with which keys and values together reach so many bytes.
    pub byte_limit: Option<usize>,
    pub isolation: Isolation,
}

impl RangeRead {
    /// A serializable forward read without limits.
    pub fn new(begin: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> Self {
        Self { begin: begin.into(), end: end.into(), ..Self::default() }
    }

    /// Every key that starts with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        Self::new(prefix, after_prefix(prefix))
    }

    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.reverse = !self.reverse;
        self
    }

    #[must_use]
    pub fn limited(mut self, pairs: usize) -> Self {
        self.limit = Some(pairs);
        self
    }

    #[must_use]
    pub fn byte_limited(mut self, bytes: usize) -> Self {
        self.byte_limit = Some(bytes);
        self
    }

    /// The same read without adding conflicts.
    #[must_use]
    pub fn snapshot(mut self) -> Self {
        self.isolation = Isolation::Snapshot;
        self
    }
}

/// The first key after every key that starts with `prefix`; `[0xFF]`, the end of all legal keys, when there is none.
pub fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xFF {
            end.push(last + 1);
            return end;
        }
    }
    vec![0xFF]
}

/// One pair of a range read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    pub key: Bytes,
    pub value: Bytes,
}

/// The answer of a range read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub pairs: Vec<KeyValue>,
    /// A limit ended the read: there *may* be more pairs after the last one. Nothing beyond the last pair was
    /// looked at, so nothing beyond it conflicts.
    pub more: bool,
}
