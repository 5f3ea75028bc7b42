//! The database itself: the catalogue of tables, the one path on which items are written, queries and streams.
//!
//! Every public function is one or more key-value transactions. Item writes go through `write` alone, which
//! writes row, index entries, counters and change record in the same transaction. This room knows nothing of
//! request JSON, expressions or Python: callers pass closures that decide on the item that was read.

mod advance;
mod alter;
mod backup;
mod beside;
mod blob;
mod catalogue;
mod check;
mod checkpoint;
mod commit_ids;
mod copy;
mod distance;
mod exchange;
mod expire;
mod fill;
mod follow;
mod global_table;
mod history;
mod importing;
mod index;
mod keeper;
mod lease;
mod maintenance;
mod past;
pub mod read;
mod record;
mod restore;
mod schema;
mod search;
mod services;
mod settings;
mod shared_clock;
pub mod stream;
mod sweep;
pub mod table;
mod time_to_live;
mod timeline;
mod token;
mod transfer;
mod trim;
mod turn;
mod vector;
mod worker;
pub mod write;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

pub use backup::{Backup, BackupKind, BackupStatus};
pub use beside::{Policy, PolicyDocument, Tags};
pub use checkpoint::{Checkpoint, Expected, Next, Resumed, StreamPlace};
use commit_ids::commit_ids;
pub use copy::{Copy, CopyError, Place, Reading, copy};
pub use distance::DistanceFunction;
pub use exchange::{Exchange, ExchangeOwner};
pub use follow::{Changed, Ticket};
pub use global_table::GlobalTable;
pub use past::{AsOf, ItemsPage, NetChange, NetChangesPage};
pub use read::{Fetch, Page, Query, Scan, SortBound, Start};
pub use record::{Image, Record, RecordKind, RecordPage, StoredPage, StoredRecord};
pub use restore::RestoreFrom;
pub use search::{Found, Search};
pub use services::{Capacity, Destination, Insights, InsightsMode, Precision, Scaling, ScalingPolicy, Services};
pub use settings::{
    CapacitySettings, ClassSetting, Encryption, OnDemand, OnDemandChange, PointInTime, Replica, ReplicaCapacity,
    Replication, Settings, TableClass,
};
pub use stream::{Cursor, Stream, StreamStart};
pub use table::{
    BillingMode, Index, IndexDefinition, IndexKind, IndexStatus, Key, KeyAttribute, KeyKind, KeySchema, Projection,
    Realm, Restore, Statistics, StreamViewType, Table, TableChange, TableDefinition, TableStream, Throughput,
    TimeToLive,
};
pub use token::ClientToken;
pub use vector::{SearchAttribute, VectorFault, VectorSettings};
pub use worker::{Left, Work};
pub use write::{Actor, Change, Row, Transaction, Written};

use crate::bucket::Buckets;
use crate::clock::Clock;
use crate::error::Error;
use crate::fork::{self, Lock};
use crate::keyspace::Keyspace;
use crate::kv::{self, Isolation};

/// How long an idempotency token holds: 10 minutes.
pub const TOKEN_WINDOW_MILLIS: i64 = 10 * 60 * 1000;

/// Reads that wait together, where a request needs many.
const READS_AT_ONCE: usize = 30;

/// The format of keys and values this version writes; an unknown one is refused when a database is opened.
const FORMAT_VERSION: u32 = 1;

/// How a database behaves while it is open: nothing of it is stored, so processes that share one should agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How often expired items are looked for, in database time. If this is `None`, nothing is deleted because of its time
    /// to live, as if this process did not know of it.
    pub ttl_interval_millis: Option<i64>,
    /// How long change records, and streams after their closing, can be read.
    pub record_retention_millis: i64,
    /// The folders that stand for S3's buckets, which imports, exports and bulk operations read and write.
    pub buckets: Option<Buckets>,
}

impl Default for Options {
    /// A second; 24 hours; none.
    fn default() -> Self {
        Self { ttl_interval_millis: Some(1_000), record_retention_millis: 24 * 60 * 60 * 1000, buckets: None }
    }
}

/// An open database. Clones are handles to the same one; the thread that lets items expire has handles without the second
/// part.
#[derive(Clone)]
pub struct Store(Arc<Inner>, Option<Arc<keeper::Open>>);

struct Inner {
    database: kv::Database,
    keyspace: Keyspace,
    options: Options,
    /// Random, new for each fork: keys iterator tokens.
    id: [u8; 16],
    /// What makes event ids unique, and the process it was drawn for: the database's id, and in a forked process
    /// something new, since parent and child go on to use the same positions.
    event_salt: Lock<(u64, [u8; 16])>,
    /// Rises when a database is copied, since the other engine's versions may be lower or higher than this one's. It stands
    /// before the version wherever a version is kept: in positions of records, trim marks, ends of streams, samples of the time.
    incarnation: u16,
    schemas: schema::Cache,
    timeline: timeline::Timeline,
    shared_clock: shared_clock::Known,
    /// What this handle holds leases as: random, of no other handle or process.
    worker: [u8; 16],
    /// When maintenance last ran, in database time.
    maintained_millis: AtomicI64,
    /// Commit ids of earlier buckets are known to have been removed.
    first_commit_bucket: AtomicU64,
    /// Who waits for change records.
    followers: Arc<follow::Followers>,
    expiry: expire::Expiry,
}

impl Store {
    /// Opens the database under `prefix`; an empty one gets its format version and a random id.
    pub async fn open(database: kv::Database, prefix: Vec<u8>) -> Result<Self, Error> {
        Self::open_with(database, prefix, Options::default()).await
    }

    /// As [`Store::open`], with other options than the default ones.
    pub async fn open_with(database: kv::Database, prefix: Vec<u8>, options: Options) -> Result<Self, Error> {
        let keyspace = Keyspace::new(prefix);
        let fresh_id = database.clock().random_u128().to_be_bytes();
        let (id, incarnation, timeline) = database
            .run(commit_ids(&keyspace, database.clock()), |transaction| {
                open_or_initialise(&keyspace, transaction, fresh_id)
            })
            .await?;
        let known = shared_clock::Known::default();
        let store = Self::assemble(database, keyspace, options, id, incarnation, timeline, known);
        store.look_at_clock().await?;
        store.keep_time().await?;
        store.find_expiring_tables().await?;
        Ok(store)
    }

    fn assemble(
        database: kv::Database,
        keyspace: Keyspace,
        options: Options,
        id: [u8; 16],
        incarnation: u16,
        timeline: timeline::Timeline,
        shared_clock: shared_clock::Known,
    ) -> Self {
        let now = database.clock().now();
        let event_salt = Lock::new((fork::generation(), id));
        let worker = database.clock().random_u128().to_be_bytes();
        let inner = Inner {
            database,
            keyspace,
            options,
            id,
            event_salt,
            incarnation,
            schemas: schema::Cache::default(),
            timeline,
            shared_clock,
            worker,
            maintained_millis: AtomicI64::new(now.millis()),
            followers: Arc::default(),
            first_commit_bucket: AtomicU64::new(0),
            expiry: expire::Expiry::new(now),
        };
        Self(Arc::new(inner), Some(Arc::default()))
    }

    /// A copy-on-write twin with a clock and a database id of its own, in constant time (embedded engines only).
    pub async fn fork(&self) -> Result<Self, Error> {
        // Before the database: an older definition than the fork's is noticed by its fence, a younger one might not be.
        let schemas = self.0.schemas.copy();
        let database = self.0.database.fork(self.clock().twin())?;
        let id = database.clock().random_u128().to_be_bytes();
        let keyspace = self.0.keyspace.clone();
        database
            .run(commit_ids(&keyspace, database.clock()), |transaction| {
                let keyspace = &keyspace;
                async move { Ok::<_, Error>(transaction.set(&keyspace.database_id(), &id[..])?) }
            })
            .await?;
        let (options, timeline, clock) = (self.0.options.clone(), self.0.timeline.copy(), self.0.shared_clock.copy());
        let twin = Self::assemble(database, keyspace, options, id, self.0.incarnation, timeline, clock);
        twin.0.schemas.take_over(schemas);
        twin.find_expiring_tables().await?;
        Ok(twin)
    }

    /// A handle to the same database that does not count as the user's.
    #[must_use]
    pub fn aside(&self) -> Self {
        Self(Arc::clone(&self.0), None)
    }

    /// Closes the database, if this is the last handle.
    pub fn close_if_last(&self) {
        if Arc::strong_count(&self.0) == 1 {
            self.database().close();
        }
    }

    /// Ends the use of what lies outside of the process, and the waiting of all who follow a table; a database in memory goes
    /// on.
    pub fn close(&self) {
        if let (Some(_), Some(open)) = (self.database().path(), &self.1) {
            open.close();
        }
        self.database().close();
        self.end_following();
    }

    pub fn clock(&self) -> &Clock {
        self.0.database.clock()
    }

    /// What the engine has done so far: for tests and benchmarks that count work.
    pub fn work(&self) -> kv::Work {
        self.0.database.work()
    }

    /// The engine below.
    pub fn database(&self) -> &kv::Database {
        &self.0.database
    }

    /// This database's random id: a fork has its own.
    pub fn id(&self) -> [u8; 16] {
        self.0.id
    }

    fn event_salt(&self) -> [u8; 16] {
        let mut salt = self.0.event_salt.lock();
        if salt.0 != fork::generation() {
            *salt = (fork::generation(), self.clock().random_u128().to_be_bytes());
        }
        salt.1
    }

    fn keyspace(&self) -> &Keyspace {
        &self.0.keyspace
    }

    /// One read-write transaction, after whatever maintenance has fallen due. `body` may run several times and must do nothing but through its argument.
    pub async fn transact<T, F, Fut>(&self, body: F) -> Result<T, Error>
    where
        F: Fn(Transaction) -> Fut,
        Fut: Future<Output = Result<T, Error>> + Send,
        T: Send,
    {
        self.maintain().await?;
        self.run(body).await
    }

    async fn run<T, F, Fut>(&self, body: F) -> Result<T, Error>
    where
        F: Fn(Transaction) -> Fut,
        Fut: Future<Output = Result<T, Error>> + Send,
        T: Send,
    {
        let run = async {
            self.keep_time().await?;
            let begun = |transaction: kv::Transaction| {
                let done = body(Transaction::new(self.clone(), transaction.clone()));
                async move { self.by_the_clock(&transaction, done).await }
            };
            self.0.database.run(self.commit_ids(), begun).await
        };
        let outcome: Result<T, Error> = run.await;
        if matches!(&outcome, Err(Error::Storage(error)) if error.is_maybe_committed()) {
            // Whatever comes of it, what the caller has to hear is that nobody knows.
            drop(self.look_for_removed_commit_ids().await);
        }
        outcome.map_err(|error| match error {
            // Nothing was written. On a cluster no transaction can be larger, so none is anywhere.
            Error::Storage(kv::Error::TransactionTooLarge) => Error::validation(
                "The request writes more than one transaction can: items, index entries, change records and what \
                     was read for them together exceed 10,000,000 bytes",
            ),
            error => error,
        })
    }

    /// Reads from one snapshot, again when the snapshot grew too old.
    async fn snapshot<T, F, Fut>(&self, body: F) -> Result<T, Error>
    where
        F: Fn(kv::Transaction) -> Fut,
        Fut: Future<Output = Result<T, Error>> + Send,
        T: Send,
    {
        let read = |transaction: kv::Transaction| {
            let done = body(transaction.clone());
            async move { self.by_the_clock(&transaction, done).await }
        };
        self.0.database.run_read_only(read).await
    }
}

async fn open_or_initialise(
    keyspace: &Keyspace,
    transaction: kv::Transaction,
    fresh_id: [u8; 16],
) -> Result<([u8; 16], u16, timeline::Timeline), Error> {
    if transaction.get(&keyspace.copy_state(), Isolation::Serializable).await?.is_some() {
        return Err(Error::UnfinishedCopy);
    }
    let Some(format) = transaction.get(&keyspace.format_version(), Isolation::Serializable).await? else {
        transaction.set(&keyspace.format_version(), &FORMAT_VERSION.to_be_bytes()[..])?;
        transaction.set(&keyspace.database_id(), &fresh_id[..])?;
        transaction.set(&keyspace.incarnation(), &1u16.to_be_bytes()[..])?;
        transaction.set(&keyspace.owner_marks_are_kept(), &[][..])?;
        return Ok((fresh_id, 1, timeline::Timeline::default()));
    };
    let (id, incarnation) = read_identity(keyspace, &transaction, &format).await?;
    Ok((id, incarnation, timeline::read_past(keyspace, &transaction).await?))
}

/// The id and the incarnation of a database that has a format.
async fn read_identity(
    keyspace: &Keyspace,
    transaction: &kv::Transaction,
    format: &[u8],
) -> Result<([u8; 16], u16), Error> {
    if *format != FORMAT_VERSION.to_be_bytes() {
        return Err(corrupt("this database was written in another format than this version of fdyno reads"));
    }
    let id = transaction.get(&keyspace.database_id(), Isolation::Serializable).await?;
    let incarnation = transaction.get(&keyspace.incarnation(), Isolation::Serializable).await?;
    let id = id.and_then(|bytes| (*bytes).try_into().ok()).ok_or_else(|| corrupt("the database id"))?;
    let incarnation =
        incarnation.and_then(|bytes| (*bytes).try_into().ok()).ok_or_else(|| corrupt("the incarnation"))?;
    Ok((id, u16::from_be_bytes(incarnation)))
}

fn corrupt(what: &str) -> Error {
    Error::Storage(kv::Error::Corrupt(what.to_owned()))
}

#[cfg(test)]
mod tests;
