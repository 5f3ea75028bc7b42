//! The ordered, transactional key-value contract: FoundationDB's semantics, whatever the engine.
//!
//! Strict serializability by optimistic concurrency: a transaction reads one snapshot, remembers what it read
//! (its read conflict ranges), buffers its writes, and commits only if nothing it read was written since. Keys
//! and values may hold the commit's versionstamp. This room knows nothing of DynamoDB.
//!
//! Every engine enforces FoundationDB's limits (see [`limits`]), so nothing is built on one engine that another
//! would refuse.

mod error;

pub use error::Error;

use std::sync::Arc;

/// A result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Bytes as engines hand them out: shared, never copied again.
pub type Bytes = Arc<[u8]>;

/// FoundationDB's limits, enforced by every engine.
pub mod limits {
    /// Largest key, in bytes.
    pub const KEY: usize = 10_000;
    /// Largest value, in bytes.
    pub const VALUE: usize = 100_000;
    /// Largest transaction: keys, values and conflict ranges together, in bytes.
    pub const TRANSACTION: usize = 10_000_000;
    /// Oldest a transaction's snapshot may grow, in milliseconds of machine time.
    pub const AGE_MILLIS: u64 = 5_000;
}

/// A commit version: rises with every commit, and tells its time.
///
/// The upper 48 bits are the milliseconds since the Unix epoch on the database's clock when the commit was
/// ordered, the lower 16 bits count within the millisecond; a clock that stands still or goes back only makes
/// versions rise more slowly. So stamps order records *and* carry their times, and record times can never
/// contradict stamp order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// The 10 bytes that the store stamps at commit: 8 bytes of commit version, 2 bytes of batch order, big-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Versionstamp(pub [u8; 10]);

/// (stub, replaced by the kv branch)
#[derive(Clone, Debug)]
pub struct Database;
#[derive(Clone, Copy, Debug, Default)]
pub struct Work;
