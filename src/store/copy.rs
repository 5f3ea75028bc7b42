//! Moving house: copies a whole database to an empty place, on the same engine or on another.
//!
//! A copy is made of steps, each a bounded read here and one transaction there, which moves the cursor together with the
//! pairs: so it can be interrupted between any two steps, or in one, and goes on where it was. Then both sides are read once
//! more and compared. Only if they agree, one last transaction makes a database of the copy: it writes the format, an id
//! of its own, the incarnation that follows the source's, and where that one ended. Until then it cannot be opened.
//! That transaction also leaves what the copy is of and what was read of it, so that whoever did not hear of its end, and
//! copies again, is answered with that: if neither side was written to since, which its version tells, or, where
//! versions rise by themselves, one more reading.
//!
//! Nothing locks the source. Where its versions stand still while nothing is committed, one that moved ends the copy: a
//! finished one is the source, exactly. On a cluster read versions rise by themselves, and the second reading has to find
//! out. It sees every pair that stayed changed, which any write to a table with a stream leaves; not an item that was written
//! and removed again between the two readings of it. So writers are to be stopped there; this is a net below, not a lock.
//! It must not know what the pairs mean, but for which of them are another database's own.

mod marks;
mod reading;

use self::marks::{Finished, State};
pub use self::reading::Reading;
use self::reading::{Page, Reader, read_step};
use super::{FORMAT_VERSION, Options, Store, commit_ids, corrupt, read_identity, shared_clock, timeline};
use crate::error::Error;
use crate::keyspace::Keyspace;
use crate::kv::{self, Isolation, RetryDecision, Version};

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
    #[error("the destination is a finished copy of the source, which was written to since: remove it to copy again")]
    SourceMovedOn,
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
    /// What was read of the copy when it was finished, if it was so before: then the sides are looked at and nothing is written.
    finished: Option<Reading>,
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
        let shared = [source.database(), &destination].map(kv::Database::is_shared);
        let begun = destination
            .run(commit_ids(&keyspace, destination.clock()), |transaction| {
                begin_or_resume(&keyspace, transaction, &fresh, shared[1])
            })
            .await?;
        let (state, finished) = match begun {
            Begun::Unfinished(state) => (state, None),
            Begun::Finished(reading) => {
                (State { cursor: None, pairs: reading.pairs, bytes: reading.bytes, ..fresh }, Some(reading))
            }
        };
        // A side whose versions stand still has told already that it is what it was.
        let verifying = finished.as_ref().map(|reading| {
            shared.map(|shared| if shared { Reader::default() } else { Reader::known(reading.clone()) })
        });
        Ok(Self { source, destination, keyspace, state, incarnation, verifying, finished })
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
                before.expect(keyspace, &transaction).await?;
                for (key, value) in pairs {
                    transaction.set(&keyspace.absolute(key), value.clone())?;
                }
                Ok::<_, CopyError>(next.write(keyspace, &transaction)?)
            }
        };
        self.destination.run(commit_ids(keyspace, self.destination.clock()), step).await?;
        self.state = next;
        Ok(())
    }

    async fn verify_step(&mut self) -> Result<Option<Reading>, CopyError> {
        let [mut source, mut copy] = self.verifying.take().unwrap_or_default();
        if let Some(cursor) = source.cursor.clone() {
            source.add(self.source.keyspace(), self.read_source(&cursor).await?)?;
        }
        if let Some(cursor) = copy.cursor.clone() {
            let (keyspace, incarnation) = (&self.keyspace, self.incarnation);
            let page = self
                .destination
                .run_read_only(|transaction| {
                    let cursor = &cursor;
                    async move { Ok::<_, CopyError>(read_step(keyspace, incarnation, &transaction, cursor).await?) }
                })
                .await?;
            copy.add(keyspace, page)?;
        }
        if source.cursor.is_some() || copy.cursor.is_some() {
            self.verifying = Some([source, copy]);
            return Ok(None);
        }
        let (expected, found) = (source.finish(), copy.finish());
        if let Some(finished) = &self.finished {
            if found != *finished {
                return Err(CopyError::NotEmpty);
            }
            return if expected == *finished { Ok(Some(found)) } else { Err(CopyError::SourceMovedOn) };
        }
        if expected != found {
            // Where no version says so, a source that was written to is far likelier than a write that was not kept.
            let changed = self.state.source_version.is_none();
            return Err(if changed { CopyError::SourceChanged } else { CopyError::Differs { expected, found } });
        }
        self.make_a_database_of_it(&found).await?;
        Ok(Some(found))
    }

    /// One step's pairs of the source, if that is still what it was at the beginning.
    async fn read_source(&self, cursor: &[u8]) -> Result<Page, CopyError> {
        let (source, expected, incarnation) = (&self.source, self.state.source_version, self.incarnation);
        source
            .database()
            .run_read_only(|transaction| async move {
                let version = last_commit(source, transaction.clone()).await?;
                if version.map(|version| version.0) != expected {
                    return Err(CopyError::SourceChanged);
                }
                Ok(read_step(source.keyspace(), incarnation, &transaction, cursor).await?)
            })
            .await
    }

    async fn make_a_database_of_it(&self, reading: &Reading) -> Result<(), CopyError> {
        let (source, keyspace, state) = (&self.source, &self.keyspace, &self.state);
        let seam =
            source.database().run_read_only(|transaction| async move { source.seam(&transaction).await }).await?;
        if state.source_version.is_some_and(|version| version != seam.version.0) {
            return Err(CopyError::SourceChanged);
        }
        let id = self.destination.clock().random_u128().to_be_bytes();
        let finished = &Finished {
            source_id: state.source_id,
            source_incarnation: state.source_incarnation,
            source_version: state.source_version,
            reading: reading.clone(),
        };
        let last = |transaction: kv::Transaction| async move {
            state.expect(keyspace, &transaction).await?;
            finished.write(keyspace, &transaction)?;
            transaction.set(&keyspace.seam(state.source_incarnation), seam.encode())?;
            transaction.set(&keyspace.format_version(), &FORMAT_VERSION.to_be_bytes()[..])?;
            transaction.set(&keyspace.database_id(), &id[..])?;
            transaction.set(&keyspace.incarnation(), &self.incarnation.to_be_bytes()[..])?;
            Ok::<_, CopyError>(transaction.clear(&keyspace.copy_state())?)
        };
        self.destination.run(commit_ids(keyspace, self.destination.clock()), last).await
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
    Ok(Store::assemble(database, keyspace, Options::default(), id, incarnation, timeline, clock))
}

/// The version of the source's last commit. Where several processes share it, read versions rise by themselves.
async fn last_commit(source: &Store, transaction: kv::Transaction) -> Result<Option<Version>, CopyError> {
    if source.database().is_shared() { Ok(None) } else { Ok(Some(transaction.read_version().await?)) }
}

/// What was found at a copy's destination, or begun there.
enum Begun {
    Unfinished(State),
    /// A finished copy of the very source, neither of them written to since as far as versions tell.
    Finished(Reading),
}

async fn begin_or_resume(
    keyspace: &Keyspace,
    transaction: kv::Transaction,
    fresh: &State,
    is_shared: bool,
) -> Result<Begun, CopyError> {
    let of_source = |id, incarnation| (id, incarnation) == (fresh.source_id, fresh.source_incarnation);
    if let Some(found) = State::read(keyspace, &transaction).await? {
        if !of_source(found.source_id, found.source_incarnation) {
            return Err(CopyError::OtherCopy);
        }
        if found.source_version != fresh.source_version {
            return Err(CopyError::SourceChanged);
        }
        return Ok(Begun::Unfinished(found));
    }
    if let Some((finished, stamp)) = Finished::read(keyspace, &transaction).await? {
        let was_written_to = !is_shared && transaction.read_version().await? != stamp.version();
        if was_written_to || !of_source(finished.source_id, finished.source_incarnation) {
            return Err(CopyError::NotEmpty);
        }
        if finished.source_version != fresh.source_version {
            return Err(CopyError::SourceMovedOn);
        }
        return Ok(Begun::Finished(finished.reading));
    }
    for range in keyspace.empty_before_copy() {
        if !transaction.range(&range.into_read().limited(1)).await?.pairs.is_empty() {
            return Err(CopyError::NotEmpty);
        }
    }
    fresh.write(keyspace, &transaction)?;
    Ok(Begun::Unfinished(fresh.clone()))
}
