//! The seam: the only file of this room that names the rest of the house.
//!
//! Everything Python does becomes one of these functions; the rest of the room converts.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use super::de::{Rejected, Value};
use crate::api;
use crate::clock::{Clock, Timestamp};
use crate::error::{CancellationReason, Error};
use crate::http;
use crate::kv::{self, Database, DiskOptions, Durability, Work};
use crate::store::{Copy, CopyError, Place, Reading, Realm};

pub use crate::api::{Asked, Extension, Operation, Request, Response, Told, dispatch, dispatch_extension, request_id};
pub use crate::bucket::Buckets;
pub use crate::http::{Credentials, Limits, Options as Serving, Server};
pub use crate::store::{Options, Store, Ticket};

/// The operation `name` of `service`, by boto3's names.
pub fn find(service: &str, name: &str) -> Option<Operation> {
    Operation::all().iter().copied().find(|operation| operation.service().name() == service && operation.name() == name)
}

/// The names of all operations of `service`.
pub fn operation_names(service: &str) -> Vec<&'static str> {
    let of_service = Operation::all().iter().filter(|operation| operation.service().name() == service);
    of_service.map(|operation| operation.name()).collect()
}

/// The page that says what becomes of each operation and parameter.
pub fn compatibility() -> String {
    api::compatibility::markdown()
}

/// A request from Python objects.
pub fn from_python(operation: Operation, parameters: &Bound<'_, PyAny>) -> Result<Request, Rejected> {
    operation.parse(Value::new(parameters))
}

/// A request of one of fdyno's own operations.
pub fn extension_from_python(extension: Extension, parameters: &Bound<'_, PyAny>) -> Result<Asked, Rejected> {
    extension.parse(Value::new(parameters))
}

/// A request from the body botocore would have sent.
pub fn from_json(operation: Operation, body: &[u8]) -> Result<Request, Error> {
    api::json::request(operation, body)
}

/// Where tables of `account` in `region` live.
pub fn realm(account: &str, region: &str) -> Realm {
    Realm { account: account.to_owned(), region: region.to_owned() }
}

/// Why something outside any operation failed, or an operation for a reason that no answer of AWS stands for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Refused and never let out: whoever closes a database has not said that its clients may now talk to AWS.
    #[error("the database in {} is closed (its clients are refused until it is deactivated or detached)", .0.display())]
    Closed(PathBuf),
    #[error("{0}")]
    Cluster(kv::Error),
    #[error("{0}")]
    Locked(kv::Error),
    #[error("{0}")]
    Damaged(kv::Error),
    #[error("{0}")]
    Unsupported(kv::Error),
    #[error("{0}")]
    Copy(CopyError),
    #[error("{0}")]
    Serving(#[from] http::Failure),
    /// What was asked for cannot be, whatever there is in storage.
    #[error("the source and the destination are the same database")]
    SamePlace,
    #[error("{} lies inside of {}: a database and its copy need directories apart", inner.display(), outer.display())]
    Nested { inner: PathBuf, outer: PathBuf },
    #[error("{0}")]
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Storage(error @ kv::Error::Cluster(_)) => Self::Cluster(error),
            Error::Storage(error @ kv::Error::Locked(_)) => Self::Locked(error),
            Error::Storage(error @ kv::Error::Corrupt(_)) => Self::Damaged(error),
            Error::Storage(error @ kv::Error::Unsupported(_)) => Self::Unsupported(error),
            error @ Error::UnfinishedCopy => Self::Copy(CopyError::Failed(error)),
            error => Self::Other(error),
        }
    }
}

impl From<CopyError> for Failure {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Failed(error) => error.into(),
            error => Self::Copy(error),
        }
    }
}

/// That a database is closed, by its path.
pub fn closed(store: &Store) -> Failure {
    Failure::Closed(store.database().path().unwrap_or(Path::new("")).to_path_buf())
}

/// Whether an operation ended because the database was closed meanwhile.
pub const fn is_closed<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Storage(kv::Error::Closed)))
}

/// What a database is, in few words: its engine, and where it lies if that is outside of the process.
pub fn label(store: &Store) -> String {
    let database = store.database();
    database
        .path()
        .map_or_else(|| database.engine().to_owned(), |path| format!("{} {}", database.engine(), path.display()))
}

/// A new, empty database in memory.
pub async fn open_memory(options: Options) -> Result<Store, Failure> {
    open(Whereabouts::Memory, Durability::default(), options).await
}

/// A database on a cluster. Opening waits on its thread, for a few seconds at most.
pub async fn open_cluster(address: Address, options: Options) -> Result<Store, Failure> {
    open(Whereabouts::Cluster(address), Durability::default(), options).await
}

/// The database in a directory.
pub async fn open_disk(path: &Path, synced: bool, options: Options) -> Result<Store, Failure> {
    let durability = if synced { Durability::Fsync } else { Durability::Buffered };
    open(Whereabouts::Directory(path.to_path_buf()), durability, options).await
}

async fn open(place: Whereabouts, durability: Durability, options: Options) -> Result<Store, Failure> {
    let Place { database, prefix } = reach(place, durability)?;
    let store = Store::open_with(database, prefix, options).await?;
    api::go_on_with_exchanges(&store).await?;
    Ok(store)
}

pub async fn fork(store: &Store) -> Result<Store, Failure> {
    let twin = store.fork().await?;
    api::go_on_with_exchanges(&twin).await?;
    Ok(twin)
}

/// Where a database is that is to be opened.
pub enum Whereabouts {
    /// A new one, in memory.
    Memory,
    Directory(PathBuf),
    Cluster(Address),
}

/// A database on a cluster.
pub struct Address {
    /// If none is named, the usual places are looked in, for this and for the library.
    pub cluster_file: Option<PathBuf>,
    pub library: Option<PathBuf>,
    /// The database's name over there.
    pub name: String,
}

/// What a copy is made from.
pub enum Source {
    Open(Store),
    Closed(Whereabouts),
}

/// A copy that is being made, and what was opened for it.
pub struct Copying {
    copy: Copy,
    destination: Place,
    opened: Vec<Database>,
}

impl Drop for Copying {
    fn drop(&mut self) {
        for database in &self.opened {
            database.close();
        }
    }
}

impl Copying {
    pub async fn step(&mut self) -> Result<Option<Reading>, Failure> {
        Ok(self.copy.step().await?)
    }

    /// The copy itself, once it is finished. One in a directory is closed with what else was opened.
    pub async fn open(&self) -> Result<Store, Failure> {
        Ok(Store::open(self.destination.database.clone(), self.destination.prefix.clone()).await?)
    }

    /// Pairs and bytes.
    pub const fn done(&self) -> (u64, u64) {
        (self.copy.pairs(), self.copy.bytes())
    }
}

/// Begins or resumes a copy. An open database that can be forked is copied as it is now.
pub async fn begin_copy(source: Source, destination: Whereabouts) -> Result<Copying, Failure> {
    refuse_overlap(&source, &destination)?;
    let mut opened = Vec::new();
    let source = match source {
        Source::Open(store) => {
            let place = store.place();
            let twin = place.database.fork(store.clock().twin());
            Place { database: twin.unwrap_or(place.database), prefix: place.prefix }
        }
        Source::Closed(place) => {
            if let Whereabouts::Directory(path) = &place {
                // Opening would make a database there.
                let is_empty = std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none());
                if is_empty {
                    return Err(CopyError::NoSource.into());
                }
            }
            let place = reach(place, Durability::default())?;
            opened.push(place.database.clone());
            place
        }
    };
    // Before anything is made at the destination.
    Copy::check_source(&source).await?;
    // Synced, so that a source that is removed after its copy is missed by nobody.
    let destination = reach(destination, Durability::Fsync)?;
    opened.push(destination.database.clone());
    if is_same_on_cluster(&source, &destination) {
        return Err(Failure::SamePlace);
    }
    let copy = Copy::begin(source, destination.clone()).await?;
    Ok(Copying { copy, destination, opened })
}

/// Refuses directories of which one is, or lies in, the other: before either is opened, or made.
fn refuse_overlap(source: &Source, destination: &Whereabouts) -> Result<(), Failure> {
    let source = match source {
        Source::Open(store) if store.database().engine() == "disk" => store.database().path(),
        Source::Closed(Whereabouts::Directory(path)) => Some(path.as_path()),
        Source::Open(_) | Source::Closed(_) => None,
    };
    let (Some(source), Whereabouts::Directory(destination)) = (source, destination) else { return Ok(()) };
    let (source, destination) = (resolved(source), resolved(destination));
    if source == destination {
        return Err(Failure::SamePlace);
    }
    let nested = |inner: &PathBuf, outer: &PathBuf| {
        let nested = inner.starts_with(outer);
        if nested { Err(Failure::Nested { inner: inner.clone(), outer: outer.clone() }) } else { Ok(()) }
    };
    nested(&destination, &source).and_then(|()| nested(&source, &destination))
}

/// A path by which a directory can be told from others, also one that is still to be made.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let there =
        path.ancestors().find_map(|ancestor| Some((ancestor.components().count(), ancestor.canonicalize().ok()?)));
    let Some((known, real)) = there else { return path };
    // Piece by piece: to join nothing would leave a slash at the end.
    real.components().chain(path.components().skip(known)).collect()
}

/// Whether two places on clusters are one, as far as their cluster files tell.
fn is_same_on_cluster(source: &Place, destination: &Place) -> bool {
    let [one, other] = [source, destination].map(|place| (place.database.engine(), place.database.path()));
    let (("foundationdb", Some(one)), ("foundationdb", Some(other))) = (one, other) else { return false };
    source.prefix == destination.prefix && resolved(one) == resolved(other)
}

fn reach(place: Whereabouts, durability: Durability) -> Result<Place, Failure> {
    match place {
        Whereabouts::Memory => Ok(Place { database: Database::memory(Clock::system()), prefix: Vec::new() }),
        Whereabouts::Directory(path) => {
            let options = DiskOptions { durability, ..DiskOptions::default() };
            let database = Database::disk(&path, options, Clock::system()).map_err(Error::from)?;
            Ok(Place { database, prefix: Vec::new() })
        }
        Whereabouts::Cluster(Address { cluster_file, library, name }) => {
            let options = kv::foundationdb::Options { cluster_file, library, ..kv::foundationdb::Options::default() };
            let database = Database::foundationdb(&options, Clock::system()).map_err(Error::from)?;
            Ok(Place::on_cluster(database, &name))
        }
    }
}

/// Stops a database's clock, in every process that shares it.
pub async fn freeze(store: &Store) -> Result<(), Failure> {
    Ok(store.freeze_clock().await?)
}

/// Has a database go by the clock as it is set now, by whichever process.
pub async fn look_at_clock(store: &Store) -> Result<(), Failure> {
    Ok(store.look_at_clock().await?)
}

/// Moves the clock on, through all that falls due on the way.
pub async fn advance(store: &Store, millis: i64) -> Result<(), Failure> {
    Ok(store.advance(millis).await?)
}

/// Shows another time, having passed through all that falls due in between.
pub async fn travel_to(store: &Store, at: Timestamp) -> Result<(), Failure> {
    Ok(store.travel_to(at).await?)
}

/// Runs with the machine's time, having passed through all that falls due in between.
pub async fn resume_system_time(store: &Store) -> Result<(), Failure> {
    Ok(store.resume_system_time().await?)
}

/// In a forked child: lets go of what belongs to its parent.
pub fn let_go_after_fork() {
    kv::let_go_after_fork();
}

/// At the end of the process: stops the thread of FoundationDB's client, if it runs.
pub fn shut_down() {
    kv::foundationdb::shut_down();
}

/// What `Database.info()` tells.
#[derive(Serialize)]
pub struct Info<'a> {
    engine: &'static str,
    /// The directory of a database on disk, the cluster file of one on a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Cow<'a, str>>,
    /// Bytes of an unfinished write, left by a crash, that were cut off when it was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    torn_bytes: Option<u64>,
    version: &'static str,
    account: &'a str,
    /// The database's random id; a fork has its own.
    id: String,
    work: WorkDone,
}

/// What the engine did so far. A fork counts from zero.
#[derive(Serialize)]
struct WorkDone {
    transactions: u64,
    commits: u64,
    conflicts: u64,
    retries: u64,
    keys_read: u64,
    pairs_read: u64,
    round_trips: u64,
    bytes_read: u64,
    keys_written: u64,
    bytes_written: u64,
    /// Followers of streams that a commit, or the closing of the database, has woken.
    followers_woken: u64,
}

pub fn info<'a>(store: &'a Store, account: &'a str) -> Info<'a> {
    let id = format!("{:032x}", u128::from_be_bytes(store.id()));
    let database = store.database();
    Info {
        engine: database.engine(),
        path: database.path().map(Path::to_string_lossy),
        torn_bytes: database.torn_bytes(),
        version: env!("CARGO_PKG_VERSION"),
        account,
        id,
        work: WorkDone { followers_woken: store.followers_woken(), ..store.work().into() },
    }
}

impl From<Work> for WorkDone {
    fn from(work: Work) -> Self {
        Self {
            transactions: work.transactions,
            commits: work.commits,
            conflicts: work.conflicts,
            retries: work.retries,
            keys_read: work.keys_read,
            pairs_read: work.pairs_read,
            round_trips: work.round_trips,
            bytes_read: work.bytes_read,
            keys_written: work.keys_written,
            bytes_written: work.bytes_written,
            followers_woken: 0,
        }
    }
}

/// The reasons of a cancelled transaction, as its exception lists them.
pub struct Reasons<'a>(pub &'a [CancellationReason]);

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for reason in self.0 {
            list.serialize_element(&Reason(reason))?;
        }
        list.end()
    }
}

struct Reason<'a>(&'a CancellationReason);

impl Serialize for Reason<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        if let Some(item) = &self.0.item {
            members.serialize_entry("Item", item)?;
        }
        members.serialize_entry("Code", self.0.code)?;
        if let Some(message) = &self.0.message {
            members.serialize_entry("Message", message)?;
        }
        members.end()
    }
}
