//! Checkpoints: how far a consumer has come in a table's streams, under a name of its own, kept beside the data.
//!
//! A checkpoint belongs to a table's name. It says in which stream its consumer is and what is the first change that is not
//! done. Moving it says where it is expected to be, in the transaction that may also write what the consumer made of the
//! changes: of two consumers with one name only one gets on, and what it wrote is there if and only if the checkpoint has moved.
//!
//! When a stream has ended, its consumers go on with the next one of a table of that name. A consumer that has missed
//! records, because they were past their 24 hours before it came, is told so and never led past them; which is why
//! maintenance notes it down where it removes the last traces of a deleted table. Checkpoints go when there is neither a table of their
//! name any more nor a stream of one. It must not know what consumers do.

use serde::{Deserialize, Serialize};

use super::stream::{no_such_stream, trimmed_access};
use super::{Cursor, Realm, Store, Stream, Transaction, corrupt};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::keyspace::{self, ChangeKind, Position, TableId};
use crate::kv::{self, Isolation, RangeRead};

const FORMAT: u8 = 1;

/// Pairs read at once.
const PAGE: usize = 1_000;

/// A place in one of a table's streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPlace {
    /// The stream's label.
    pub label: String,
    /// The first change that is not done lies at or behind it.
    pub cursor: Cursor,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub table_name: String,
    pub name: String,
    pub place: StreamPlace,
    /// When it was last moved.
    pub moved: Timestamp,
    table_id: u64,
    /// Changes behind it are gone, and so is what could tell it.
    has_missed: bool,
}

/// What is stored of a checkpoint.
#[derive(Serialize, Deserialize)]
struct Body {
    label: String,
    table_id: u64,
    /// The cursor, as a sequence number.
    position: String,
    moved_millis: i64,
    has_missed: bool,
}

impl Checkpoint {
    fn decode(table_name: &str, name: &str, value: &[u8]) -> Result<Self, Error> {
        let body: Body = keyspace::decode_versioned_json(FORMAT, value)?;
        let position = Position::parse(&body.position).ok_or_else(|| corrupt("the position of a checkpoint"))?;
        Ok(Self {
            table_name: table_name.to_owned(),
            name: name.to_owned(),
            place: StreamPlace { label: body.label, cursor: Cursor(position.to_bytes()) },
            moved: Timestamp(body.moved_millis),
            table_id: body.table_id,
            has_missed: body.has_missed,
        })
    }

    fn encode(&self) -> Result<Vec<u8>, Error> {
        let body = Body {
            label: self.place.label.clone(),
            table_id: self.table_id,
            position: Position::from_bytes(self.place.cursor.0).to_string(),
            moved_millis: self.moved.millis(),
            has_missed: self.has_missed,
        };
        Ok(keyspace::encode_versioned_json(FORMAT, &body)?)
    }
}

impl Cursor {
    /// Just behind a change, by its sequence number; none if that is none.
    pub fn after(sequence_number: &str) -> Option<Self> {
        Position::parse(sequence_number).map(|position| Self(position.next().to_bytes()))
    }

    /// The sequence number that this place is just behind.
    pub fn done(&self) -> String {
        Position::from_bytes(self.0).previous().to_string()
    }
}

/// Where the consumer of a checkpoint goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Resumed {
    pub checkpoint: Checkpoint,
    pub next: Next,
}

/// What there is behind a place, of the tables of one name.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    Stream(Box<Stream>, Cursor),
    /// No stream yet. One may come, since there is a table, of this number: who waits for its changes is told of it.
    Table(u64),
    Nothing,
}

impl Next {
    pub fn stream(self) -> Option<(Stream, Cursor)> {
        match self {
            Self::Stream(stream, cursor) => Some((*stream, cursor)),
            Self::Table(_) | Self::Nothing => None,
        }
    }
}

/// What a move expects of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<'a> {
    /// That it is here, or not there at all.
    At(Option<&'a StreamPlace>),
    Anything,
}

impl Transaction {
    /// Moves a checkpoint, or with `to` none removes it, in this attempt. Whether it was where it is expected: if not,
    /// nothing is written.
    ///
    /// Errors: `ResourceNotFound` if it is to begin in a stream that is not there.
    pub async fn move_checkpoint(
        &self,
        realm: &Realm,
        table_name: &str,
        name: &str,
        expected: Expected<'_>,
        to: Option<&StreamPlace>,
    ) -> Result<bool, Error> {
        let (store, kv) = (self.store(), self.kv());
        let key = store.keyspace().checkpoint(realm.names(), table_name, name);
        let found = kv.get(&key, Isolation::Serializable).await?;
        let found = found.map(|value| Checkpoint::decode(table_name, name, &value)).transpose()?;
        if let Expected::At(expected) = expected
            && found.as_ref().map(|found| &found.place) != expected
        {
            return Ok(false);
        }
        let Some(place) = to else {
            kv.clear(&key)?;
            return Ok(true);
        };
        let table_id = match &found {
            Some(found) if found.place.label == place.label => found.table_id,
            // With conflict: a checkpoint must not come to be while what it belongs to goes.
            _ => {
                let stream =
                    kv.get(&store.stream_key(realm, table_name, &place.label), Isolation::Serializable).await?;
                let stream = stream.ok_or_else(|| no_such_stream(&realm.stream_arn(table_name, &place.label)))?;
                store.decode_stream(realm, table_name.to_owned(), place.label.clone(), &stream)?.table_id
            }
        };
        let moved = Checkpoint {
            table_name: table_name.to_owned(),
            name: name.to_owned(),
            place: place.clone(),
            moved: store.clock().now(),
            table_id,
            has_missed: false,
        };
        kv.set(&key, moved.encode()?)?;
        Ok(true)
    }

    /// Removes the checkpoints of a name that neither a table nor a stream has any more; else notes down which of them have
    /// missed records of a table that is going with all its records.
    pub(super) async fn release_checkpoints(
        &self,
        realm: &Realm,
        table_name: &str,
        table_id: u64,
    ) -> Result<(), Error> {
        let (store, kv) = (self.store(), self.kv());
        let (keyspace, names) = (store.keyspace(), realm.names());
        let table = kv.get(&keyspace.table_id(names, table_name), Isolation::Serializable).await?;
        let streams = keyspace.streams_of_table(names, table_name, None).into_read().limited(1);
        let checkpoints = keyspace.checkpoints(names, Some(table_name));
        if table.is_none() && kv.range(&streams).await?.pairs.is_empty() {
            return Ok(kv.clear_range(&checkpoints.begin, &checkpoints.end)?);
        }
        let trimmed = store.trim_mark(kv, table_id).await?;
        // A handful: a name for each consumer of one table.
        for pair in kv.range(&checkpoints.into_read()).await?.pairs {
            let parsed = keyspace.parse_checkpoint(&pair.key)?;
            let mut checkpoint = Checkpoint::decode(&parsed.table, &parsed.name, &pair.value)?;
            let has_missed = trimmed.is_some_and(|trimmed| trimmed.to_bytes() >= checkpoint.place.cursor.0);
            if checkpoint.table_id == table_id && has_missed && !checkpoint.has_missed {
                checkpoint.has_missed = true;
                kv.set(&pair.key, checkpoint.encode()?)?;
            }
        }
        Ok(())
    }
}

impl Store {
    /// Moves one checkpoint by itself; see [`Transaction::move_checkpoint`].
    pub async fn move_checkpoint(
        &self,
        realm: &Realm,
        table_name: &str,
        name: &str,
        expected: Expected<'_>,
        to: Option<&StreamPlace>,
    ) -> Result<bool, Error> {
        self.transact(
            |transaction| async move { transaction.move_checkpoint(realm, table_name, name, expected, to).await },
        )
        .await
    }

    /// One checkpoint.
    pub async fn checkpoint(&self, realm: &Realm, table_name: &str, name: &str) -> Result<Option<Checkpoint>, Error> {
        self.snapshot(|transaction| async move {
            let key = self.keyspace().checkpoint(realm.names(), table_name, name);
            let found = transaction.get(&key, Isolation::Snapshot).await?;
            found.map(|value| Checkpoint::decode(table_name, name, &value)).transpose()
        })
        .await
    }

    /// The checkpoints in tables of one name, or of all, in the order of table and name.
    pub async fn checkpoints(&self, realm: &Realm, table_name: Option<&str>) -> Result<Vec<Checkpoint>, Error> {
        self.snapshot(|transaction| async move {
            let mut range = self.keyspace().checkpoints(realm.names(), table_name);
            let mut checkpoints = Vec::new();
            loop {
                let read = RangeRead::new(range.begin.clone(), range.end.clone()).snapshot().limited(PAGE);
                let page = transaction.range(&read).await?;
                for pair in &page.pairs {
                    let named = self.keyspace().parse_checkpoint(&pair.key)?;
                    checkpoints.push(Checkpoint::decode(&named.table, &named.name, &pair.value)?);
                }
                match page.pairs.last() {
                    Some(last) if page.more => range = range.after(&last.key),
                    _ => return Ok(checkpoints),
                }
            }
        })
        .await
    }

    /// A checkpoint, if it is there, and where its consumer goes on: in its stream, or, when that has gone, in the next one
    /// of a table of the name.
    ///
    /// Errors: `TrimmedDataAccess` if records that the consumer has not seen are gone.
    pub async fn resume(&self, realm: &Realm, table_name: &str, name: &str) -> Result<Option<Resumed>, Error> {
        self.maintain().await?;
        self.snapshot(|transaction| async move {
            let key = self.keyspace().checkpoint(realm.names(), table_name, name);
            let Some(value) = transaction.get(&key, Isolation::Snapshot).await? else { return Ok(None) };
            let checkpoint = Checkpoint::decode(table_name, name, &value)?;
            let next = self.go_on(&transaction, realm, &checkpoint).await?;
            Ok(Some(Resumed { checkpoint, next }))
        })
        .await
    }

    async fn go_on(
        &self,
        transaction: &kv::Transaction,
        realm: &Realm,
        checkpoint: &Checkpoint,
    ) -> Result<Next, Error> {
        let (table_name, place) = (&checkpoint.table_name, &checkpoint.place);
        let from = Position::from_bytes(place.cursor.0);
        let horizon = self.horizon(&self.times(transaction).await?);
        let own = transaction.get(&self.stream_key(realm, table_name, &place.label), Isolation::Snapshot).await?;
        if let Some(own) = own {
            let stream = self.decode_stream(realm, table_name.clone(), place.label.clone(), &own)?;
            // A label is a time, and could come again when all else has gone.
            let same = stream.table_id == checkpoint.table_id && stream.start() <= from;
            if same && !stream.is_gone(horizon) {
                return Ok(Next::Stream(Box::new(stream), place.cursor));
            }
        }
        if checkpoint.has_missed || self.is_behind(transaction, checkpoint.table_id, from, horizon).await? {
            return Err(trimmed_access());
        }
        self.stream_from(transaction, realm, table_name, from, horizon).await
    }

    /// The first stream of a table of this name that begins at or behind a place, and its beginning; else the table.
    pub async fn next_stream(&self, realm: &Realm, table_name: &str, from: Cursor) -> Result<Next, Error> {
        self.snapshot(|transaction| async move {
            let horizon = self.horizon(&self.times(&transaction).await?);
            self.stream_from(&transaction, realm, table_name, Position::from_bytes(from.0), horizon).await
        })
        .await
    }

    async fn stream_from(
        &self,
        transaction: &kv::Transaction,
        realm: &Realm,
        table_name: &str,
        from: Position,
        horizon: Position,
    ) -> Result<Next, Error> {
        // As many as were opened within a day.
        let read = self.keyspace().streams_of_table(realm.names(), table_name, None).into_read().snapshot();
        let mut next: Option<Stream> = None;
        for pair in transaction.range(&read).await?.pairs {
            let named = self.keyspace().parse_stream(&pair.key)?;
            let stream = self.decode_stream(realm, named.table, named.label, &pair.value)?;
            let is_next = next.as_ref().is_none_or(|next| stream.start() < next.start());
            if stream.start() >= from && is_next && !stream.is_gone(horizon) {
                next = Some(stream);
            }
        }
        if let Some(stream) = next {
            let first = Cursor(stream.start().next().to_bytes());
            return Ok(Next::Stream(Box::new(stream), first));
        }
        // In the same snapshot: a table that has gone meanwhile may have left a stream.
        let table = transaction.get(&self.keyspace().table_id(realm.names(), table_name), Isolation::Snapshot).await?;
        Ok(match table {
            Some(id) => Next::Table(TableId::decode(&id)?.0),
            None => Next::Nothing,
        })
    }

    /// Whether records of a table from a place on are past their 24 hours, removed or not.
    async fn is_behind(
        &self,
        transaction: &kv::Transaction,
        table_id: u64,
        from: Position,
        horizon: Position,
    ) -> Result<bool, Error> {
        if self.trim_mark(transaction, table_id).await?.is_some_and(|trimmed| from <= trimmed) {
            return Ok(true);
        }
        let space = self.keyspace().table(TableId(table_id));
        let mut range = space.records(from, Some(horizon));
        while !range.is_empty() {
            let read = RangeRead::new(range.begin.clone(), range.end.clone()).snapshot().limited(PAGE);
            let page = transaction.range(&read).await?;
            for pair in &page.pairs {
                if keyspace::Record::decode(&pair.value)?.kind != ChangeKind::Release {
                    return Ok(true);
                }
            }
            match page.pairs.last() {
                Some(last) if page.more => range = range.after(&last.key),
                _ => break,
            }
        }
        Ok(false)
    }
}
