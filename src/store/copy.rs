//! Moving house: copies a whole database to an empty place, on the same engine or on another.
//!
//! A copy is made of steps, each a bounded read here and one transaction there, which moves the cursor together with the
//! pairs: so it can be interrupted between any two steps, or in one, and goes on where it was. Then both sides are read once
//! more and compared. Only if they agree, one last transaction makes a database of the copy: it writes the format, an id
//! of its own, the incarnation that follows the source's, and where that one ended. Until then it cannot be opened.
//!
//! Nothing locks the source. Where its versions stand still while nothing is committed, one that moved ends the copy: a
//! finished one is the source, exactly. On a cluster read versions rise by themselves, and the second reading has to find
//! out. It sees every pair that stayed changed, which any write to a table with a stream leaves; not an item that was written
//! and removed again between the two readings of it. So writers are to be stopped there; this is a net below, not a lock.
//! It must not know what the pairs mean, but for which of them are another database's own.

use super::{FORMAT_VERSION, Store, commit_id, corrupt, read_identity, schema, shared_clock, timeline};
use crate::error::Error;
use crate::keyspace::{self, KeyRange, Keyspace};
use crate::kv::{self, Isolation, RangeRead, RetryDecision, Version};

/// The form of the state.
const FORMAT: u8 = 1;
/// Bytes of keys and values that one step reads and writes: far below what one transaction may hold, and done within a
/// fraction of its five seconds.
const STEP_BYTES: usize = 1_500_000;
/// Pairs of one step: small ones cost more than their bytes.
const STEP_PAIRS: usize = 10_000;

/// Where a database lies, or may lie: an engine, and what all keys begin with.
#[derive(Clone, Debug)]
pub struct Place {
    pub database: kv::Database,
    pub prefix: Vec<u8>,
}

impl Place {
    /// Where the database called `name` lies on a cluster that several share. Names of up to 48 bytes leave room for every key.
    pub fn on_cluster(database: kv::Database, name: &str) -> Self {
        Self { database, prefix: Keyspace::on_cluster(name).absolute(&[]) }
    }
}

/// Why a copy cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    #[error("there is no database at the source")]
    NoSource,
    #[error("the source is itself an unfinished copy: finish that one first")]
    SourceUnfinished,
    #[error("the destination is not empty: databases are copied to an empty or absent one")]
    NotEmpty,
    #[error("the destination holds an unfinished copy of another database")]
    OtherCopy,
    #[error("the source was written to while it was copied: remove the unfinished copy and begin again")]
    SourceChanged,
    #[error("the destination is not what was copied to it: {found} instead of {expected}")]
    Differs { expected: Reading, found: Reading },
    #[error("another copy to the same destination is under way")]
    Overtaken,
    #[error("a database can be copied {} times in a row, and this one was", u16::MAX - 1)]
    IncarnationsUsedUp,
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<kv::Error> for CopyError {
    fn from(error: kv::Error) -> Self {
        Self::Failed(Error::Storage(error))
    }
}

impl RetryDecision for CopyError {
    fn storage_error(&self) -> Option<&kv::Error> {
        match self {
            Self::Failed(error) => error.storage_error(),
            _ => None,
        }
    }
}

/// What was read of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub pairs: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// BLAKE3 of lengths, keys and values in the order of the keys.
    pub checksum: [u8; 32],
    pub tables: u64,
}

impl std::fmt::Display for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} pairs with the checksum {}", self.pairs, self.checksum_text())
    }
}

impl Reading {
    /// The checksum in hexadecimal digits.
    pub fn checksum_text(&self) -> String {
        blake3::Hash::from_bytes(self.checksum).to_hex().to_string()
    }
}

/// What a copy knows of itself, in the destination, while it is not finished.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct State {
    source_id: [u8; 16],
    source_incarnation: u16,
    /// The source's last commit, where its versions stand still between commits.
    source_version: Option<u64>,
    /// What comes before it has been copied; relative to the database, and none at the end.
    cursor: Option<Vec<u8>>,
    pairs: u64,
    bytes: u64,
}

/// A copy that is being made. Dropping it interrupts it.
pub struct Copy {
    source: Store,
    destination: kv::Database,
    keyspace: Keyspace,
    state: State,
    /// The copy's.
    incarnation: u16,
    /// Of the source and of the destination.
    verifying: Option<[Reader; 2]>,
}

/// Copies a whole database, or goes on with a copy that was interrupted; what the copy holds.
///
/// # Errors
/// See [`CopyError`]. What was copied so far stays, so that the same call goes on with it.
pub async fn copy(source: Place, destination: Place) -> Result<Reading, CopyError> {
    let mut copy = Copy::begin(source, destination).await?;
    loop {
        if let Some(copied) = copy.step().await? {
            return Ok(copied);
        }
    }
}

impl Copy {
    /// Whether there is anything to copy from: for whoever would have to make the destination first.
    ///
    /// # Errors
    /// Those of `begin` that speak of the source.
    pub async fn check_source(source: &Place) -> Result<(), CopyError> {
        attach(source.clone()).await.map(drop)
    }

    /// Begins a copy, or finds the one that was interrupted.
    pub async fn begin(source: Place, destination: Place) -> Result<Self, CopyError> {
        let source = attach(source).await?;
        let incarnation = source.0.incarnation.checked_add(1).ok_or(CopyError::IncarnationsUsedUp)?;
        let (destination, keyspace) = (destination.database, Keyspace::new(destination.prefix));
        let version = source.database().run_read_only(|transaction| last_commit(&source, transaction)).await?;
        let fresh = State {
            source_id: source.id(),
            source_incarnation: source.0.incarnation,
            source_version: version.map(|version| version.0),
            cursor: Some(Vec::new()),
            pairs: 0,
            bytes: 0,
        };
        let state = destination
            .run(
                || commit_id(&keyspace, destination.clock()),
                |transaction| begin_or_resume(&keyspace, transaction, &fresh),
            )
            .await?;
        Ok(Self { source, destination, keyspace, state, incarnation, verifying: None })
    }

    /// Pairs copied so far, those before an interruption included.
    pub const fn pairs(&self) -> u64 {
        self.state.pairs
    }

    /// Bytes of keys and values copied so far, those before an interruption included.
    pub const fn bytes(&self) -> u64 {
        self.state.bytes
    }

    /// Whether everything has been copied and is being compared.
    pub const fn is_verifying(&self) -> bool {
        self.state.cursor.is_none()
    }

    /// One step; what the copy holds, once it is finished.
    pub async fn step(&mut self) -> Result<Option<Reading>, CopyError> {
        match self.state.cursor.clone() {
            Some(cursor) => self.copy_step(cursor).await.map(|()| None),
            None => self.verify_step().await,
        }
    }

    async fn copy_step(&mut self, cursor: Vec<u8>) -> Result<(), CopyError> {
        let page = self.read_source(&cursor).await?;
        let next = State {
            cursor: page.next,
            pairs: self.state.pairs + page.pairs.len() as u64,
            bytes: self.state.bytes + page.bytes,
            ..self.state.clone()
        };
        let (keyspace, before, pairs) = (&self.keyspace, &self.state, &page.pairs);
        let step = |transaction: kv::Transaction| {
            let next = &next;
            async move {
                expect_state(keyspace, &transaction, before).await?;
                for (key, value) in pairs {
                    transaction.set(&keyspace.absolute(key), value.clone())?;
                }
                Ok::<_, CopyError>(transaction.set(&keyspace.copy_state(), encode(next)?)?)
            }
        };
        self.destination.run(|| commit_id(keyspace, self.destination.clock()), step).await?;
        self.state = next;
        Ok(())
    }

    async fn verify_step(&mut self) -> Result<Option<Reading>, CopyError> {
        let [mut source, mut copy] = self.verifying.take().unwrap_or_default();
        if let Some(cursor) = source.cursor.clone() {
            source.add(self.source.keyspace(), self.read_source(&cursor).await?)?;
        }
        if let Some(cursor) = copy.cursor.clone() {
            let keyspace = &self.keyspace;
            let page = self
                .destination
                .run_read_only(|transaction| {
                    let cursor = &cursor;
                    async move { Ok::<_, CopyError>(read_step(keyspace, &transaction, cursor).await?) }
                })
                .await?;
            copy.add(keyspace, page)?;
        }
        if source.cursor.is_some() || copy.cursor.is_some() {
            self.verifying = Some([source, copy]);
            return Ok(None);
        }
        let (expected, found) = (source.finish(), copy.finish());
        if expected != found {
            // Where no version says so, a source that was written to is far likelier than a write that was not kept.
            let changed = self.state.source_version.is_none();
            return Err(if changed { CopyError::SourceChanged } else { CopyError::Differs { expected, found } });
        }
        self.make_a_database_of_it().await?;
        Ok(Some(found))
    }

    /// One step's pairs of the source, if that is still what it was at the beginning.
    async fn read_source(&self, cursor: &[u8]) -> Result<Page, CopyError> {
        let (source, expected) = (&self.source, self.state.source_version);
        source
            .database()
            .run_read_only(|transaction| async move {
                let version = last_commit(source, transaction.clone()).await?;
                if version.map(|version| version.0) != expected {
                    return Err(CopyError::SourceChanged);
                }
                Ok(read_step(source.keyspace(), &transaction, cursor).await?)
            })
            .await
    }

    async fn make_a_database_of_it(&self) -> Result<(), CopyError> {
        let (source, keyspace, state) = (&self.source, &self.keyspace, &self.state);
        let seam =
            source.database().run_read_only(|transaction| async move { source.seam(&transaction).await }).await?;
        if state.source_version.is_some_and(|version| version != seam.version.0) {
            return Err(CopyError::SourceChanged);
        }
        let id = self.destination.clock().random_u128().to_be_bytes();
        let last = |transaction: kv::Transaction| async move {
            expect_state(keyspace, &transaction, state).await?;
            transaction.set(&keyspace.seam(state.source_incarnation), seam.encode())?;
            transaction.set(&keyspace.format_version(), &FORMAT_VERSION.to_be_bytes()[..])?;
            transaction.set(&keyspace.database_id(), &id[..])?;
            transaction.set(&keyspace.incarnation(), &self.incarnation.to_be_bytes()[..])?;
            Ok::<_, CopyError>(transaction.clear(&keyspace.copy_state())?)
        };
        self.destination.run(|| commit_id(keyspace, self.destination.clock()), last).await
    }
}

impl Store {
    /// Where this database lies.
    pub fn place(&self) -> Place {
        Place { database: self.database().clone(), prefix: self.keyspace().absolute(&[]) }
    }
}

/// A handle to a database that is only read: unlike opening it, this writes nothing.
async fn attach(place: Place) -> Result<Store, CopyError> {
    let (database, keyspace) = (place.database, Keyspace::new(place.prefix));
    let (id, incarnation, timeline) = database
        .run_read_only(|transaction| {
            let keyspace = &keyspace;
            async move {
                if transaction.get(&keyspace.copy_state(), Isolation::Snapshot).await?.is_some() {
                    return Err(CopyError::SourceUnfinished);
                }
                let format = transaction.get(&keyspace.format_version(), Isolation::Snapshot).await?;
                let format = format.ok_or(CopyError::NoSource)?;
                let (id, incarnation) = read_identity(keyspace, &transaction, &format).await?;
                Ok((id, incarnation, timeline::read_past(keyspace, &transaction).await?))
            }
        })
        .await?;
    let clock = shared_clock::Known::default();
    Ok(Store::assemble(database, keyspace, id, incarnation, timeline, clock, schema::Cache::default()))
}

/// The version of the source's last commit. Where several processes share it, read versions rise by themselves.
async fn last_commit(source: &Store, transaction: kv::Transaction) -> Result<Option<Version>, CopyError> {
    if source.database().is_shared() { Ok(None) } else { Ok(Some(transaction.read_version().await?)) }
}

async fn begin_or_resume(keyspace: &Keyspace, transaction: kv::Transaction, fresh: &State) -> Result<State, CopyError> {
    if let Some(found) = read_state(keyspace, &transaction).await? {
        if (found.source_id, found.source_incarnation) != (fresh.source_id, fresh.source_incarnation) {
            return Err(CopyError::OtherCopy);
        }
        if found.source_version != fresh.source_version {
            return Err(CopyError::SourceChanged);
        }
        return Ok(found);
    }
    for range in keyspace.empty_before_copy() {
        if !transaction.range(&range.into_read().limited(1)).await?.pairs.is_empty() {
            return Err(CopyError::NotEmpty);
        }
    }
    transaction.set(&keyspace.copy_state(), encode(fresh)?)?;
    Ok(fresh.clone())
}

async fn read_state(keyspace: &Keyspace, transaction: &kv::Transaction) -> Result<Option<State>, CopyError> {
    let value = transaction.get(&keyspace.copy_state(), Isolation::Serializable).await?;
    Ok(value.map(|value| keyspace::decode_versioned_json(FORMAT, &value)).transpose()?)
}

async fn expect_state(keyspace: &Keyspace, transaction: &kv::Transaction, expected: &State) -> Result<(), CopyError> {
    if read_state(keyspace, transaction).await?.as_ref() == Some(expected) { Ok(()) } else { Err(CopyError::Overtaken) }
}

fn encode(state: &State) -> Result<Vec<u8>, kv::Error> {
    keyspace::encode_versioned_json(FORMAT, state)
}

/// What one step reads.
struct Page {
    /// Keys are relative to the database.
    pairs: Vec<(Vec<u8>, kv::Bytes)>,
    bytes: u64,
    /// Where the next step begins, if there is more.
    next: Option<Vec<u8>>,
}

/// Some of what a copy takes along, from `cursor` on.
async fn read_step(keyspace: &Keyspace, transaction: &kv::Transaction, cursor: &[u8]) -> Result<Page, kv::Error> {
    let begin = keyspace.absolute(cursor);
    let mut page = Page { pairs: Vec::new(), bytes: 0, next: None };
    let mut left = STEP_BYTES;
    for range in keyspace.copied() {
        let range = KeyRange::new(range.begin.max(begin.clone()), range.end);
        if range.is_empty() {
            continue;
        }
        let (pairs, next) = (STEP_PAIRS.saturating_sub(page.pairs.len()), keyspace.relative(&range.begin)?.to_vec());
        if pairs == 0 || left == 0 {
            page.next = Some(next);
            return Ok(page);
        }
        let read = RangeRead::new(range.begin, range.end).snapshot().limited(pairs).byte_limited(left);
        let found = transaction.range(&read).await?;
        for pair in found.pairs {
            let key = keyspace.relative(&pair.key)?.to_vec();
            left = left.saturating_sub(pair.key.len() + pair.value.len());
            page.bytes += (key.len() + pair.value.len()) as u64;
            page.pairs.push((key, pair.value));
        }
        if found.more {
            let last = page.pairs.last().map(|(key, _)| keyspace::successor(key));
            page.next = Some(last.unwrap_or(next));
            return Ok(page);
        }
    }
    Ok(page)
}

/// One side while it is read a second time.
struct Reader {
    cursor: Option<Vec<u8>>,
    hasher: blake3::Hasher,
    pairs: u64,
    bytes: u64,
    tables: u64,
}

impl Default for Reader {
    fn default() -> Self {
        Self { cursor: Some(Vec::new()), hasher: blake3::Hasher::new(), pairs: 0, bytes: 0, tables: 0 }
    }
}

impl Reader {
    fn add(&mut self, keyspace: &Keyspace, page: Page) -> Result<(), CopyError> {
        let tables = keyspace.all_tables();
        for (key, value) in &page.pairs {
            for part in [&key[..], &value[..]] {
                let length = u32::try_from(part.len()).map_err(|_| corrupt("a pair beyond all limits"))?;
                self.hasher.update(&length.to_be_bytes());
                self.hasher.update(part);
            }
            self.tables += u64::from(tables.contains(&keyspace.absolute(key)));
        }
        self.pairs += page.pairs.len() as u64;
        self.bytes += page.bytes;
        self.cursor = page.next;
        Ok(())
    }

    fn finish(self) -> Reading {
        let checksum = *self.hasher.finalize().as_bytes();
        Reading { pairs: self.pairs, bytes: self.bytes, checksum, tables: self.tables }
    }
}
