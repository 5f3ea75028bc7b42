//! Streams: their catalogue, their life, and reading records without ever skipping one.
//!
//! A stream is the interval between two commits: that of its enabling and that of its closing. It has one shard. It outlives its closing, and its table, by 24 hours. Records older than that are gone for readers at once,
//! whenever they are physically removed; a reader is told so only if records it had not read were really there.

use futures_util::future::try_join_all;
use futures_util::try_join;
use xxhash_rust::xxh3::xxh3_64;

use super::blob::read_item;
use super::record::{LoadedImages, RecordPage, StoredPage, StoredRecord};
use super::timeline::Times;
use super::{KeySchema, READS_AT_ONCE, Realm, Store, StreamViewType, Table, TableStream, Transaction, corrupt};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::item::Item;
use crate::keyspace::{self, ChangeKind, Position, Stored, StreamEntry, TableId, TableSpace};
use crate::kv::{self, Isolation, RangeRead, Version};

/// The form of what is stored beside the stamps.
const FORMAT: u8 = 1;

/// What is stored of a stream beside its two stamps.
#[derive(serde::Serialize, serde::Deserialize)]
struct Body {
    table_id: u64,
    view: StreamViewType,
    key: KeySchema,
    created_millis: i64,
}

/// A stream, open or closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    pub realm: Realm,
    pub table_name: String,
    pub table_id: u64,
    /// The last part of the ARN: the ISO 8601 time of the enabling.
    pub label: String,
    pub view: StreamViewType,
    pub key: KeySchema,
    pub created: Timestamp,
    /// Just before the first record there can be.
    start: Position,
    /// Just behind the last record there can be, when closed.
    end: Option<Position>,
}

impl Stream {
    pub fn arn(&self) -> String {
        self.realm.stream_arn(&self.table_name, &self.label)
    }

    /// The commit that opened it, just before the first record there can be.
    pub(super) const fn start(&self) -> Position {
        self.start
    }

    /// Closed by disabling it or by deleting its table.
    pub fn is_closed(&self) -> bool {
        self.end.is_some()
    }

    /// Whether a closed stream's 24 hours are over.
    pub(super) fn is_gone(&self, horizon: Position) -> bool {
        self.end.is_some_and(|end| end < horizon)
    }

    /// The one shard's id, in AWS's form.
    pub fn shard_id(&self) -> String {
        let name = xxh3_64(self.arn().as_bytes()) >> 32;
        format!("shardId-{:020}-{name:08x}", self.created.millis().max(0))
    }

    pub fn starting_sequence_number(&self) -> String {
        self.start.to_string()
    }

    pub fn ending_sequence_number(&self) -> Option<String> {
        self.end.map(|end| end.to_string())
    }
}

/// A place in a stream: the next record is the first at or behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub [u8; 14]);

/// Where to start reading; sequence numbers are decimal text as users hand them in.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamStart {
    TrimHorizon,
    Latest,
    At(String),
    After(String),
    /// As `After`, for a place up to which all is done: it may be trimmed itself, if nothing behind it is, and may lie behind
    /// the end of a closed stream.
    Behind(String),
    AtTimestamp(Timestamp),
}

/// Opens a stream in the transaction that changes the table's definition; the caller writes the definition.
pub(super) async fn open_stream(
    transaction: &Transaction,
    table: &mut Table,
    view: StreamViewType,
) -> Result<(), Error> {
    let store = transaction.store();
    let created = store.clock().now();
    // Labels are times. What a clock shows that was set back may have labelled a stream whose entry has gone meanwhile, but
    // times of commits never go back, and one went by before it went. On a clock that stands still labels move on by a
    // millisecond until unused.
    let mut labelled = created.max(store.time_of_next(transaction.kv()).await?);
    let label = loop {
        let label = labelled.to_iso_millis();
        let key = store.stream_key(&table.realm, &table.name, &label);
        if transaction.kv().get(&key, Isolation::Serializable).await?.is_none() {
            break label;
        }
        labelled = labelled.plus_millis(1);
    };
    let body = Body { table_id: table.id, view, key: table.key.clone(), created_millis: created.millis() };
    let (value, offset) = StreamEntry::opening(store.0.incarnation, &keyspace::encode_versioned_json(FORMAT, &body)?);
    transaction.kv().set_versionstamped_value(&store.stream_key(&table.realm, &table.name, &label), value, offset)?;
    transaction.tell_followers(table.id);
    table.latest_stream_label = Some(label.clone());
    table.stream = Some(TableStream { view, label });
    Ok(())
}

/// Closes the table's stream: no record with a later stamp belongs to it.
pub(super) async fn close_stream(transaction: &Transaction, table: &mut Table) -> Result<(), Error> {
    let Some(stream) = table.stream.take() else { return Ok(()) };
    let key = transaction.store().stream_key(&table.realm, &table.name, &stream.label);
    let value =
        transaction.kv().get(&key, Isolation::Serializable).await?.ok_or_else(|| corrupt("a stream's entry"))?;
    let (value, offset) = StreamEntry::decode(&value)?.closing(transaction.store().0.incarnation);
    transaction.tell_followers(table.id);
    Ok(transaction.kv().set_versionstamped_value(&key, value, offset)?)
}

/// AWS's error for a stream that is not there.
pub(super) fn no_such_stream(arn: &str) -> Error {
    Error::ResourceNotFound(format!("Requested resource not found: Stream: {arn} not found"))
}

impl Store {
    pub(super) fn stream_key(&self, realm: &Realm, table_name: &str, label: &str) -> Vec<u8> {
        self.keyspace().stream(realm.names(), table_name, label)
    }

    /// The first position a record of a commit of `version` or later can have: commits are made in the present
    /// incarnation, behind all records of earlier ones.
    pub(super) fn position_of(&self, version: Version) -> Position {
        Position::before_version(self.0.incarnation, version)
    }

    /// Records before this position are past their 24 hours.
    pub(super) fn horizon(&self, times: &Times) -> Position {
        times.position_at(self.clock().now().plus_millis(-self.0.options.record_retention_millis))
    }

    pub(super) fn decode_stream(
        &self,
        realm: &Realm,
        table_name: String,
        label: String,
        value: &[u8],
    ) -> Result<Stream, Error> {
        let value = StreamEntry::decode(value)?;
        let body: Body = keyspace::decode_versioned_json(FORMAT, value.body)?;
        Ok(Stream {
            realm: realm.clone(),
            table_name,
            label,
            table_id: body.table_id,
            view: body.view,
            key: body.key,
            created: Timestamp(body.created_millis),
            start: value.start,
            end: value.end,
        })
    }

    /// Streams of one table or of all, by table name and label, after `(table name, label)`; whether there are more.
    pub async fn list_streams(
        &self,
        realm: &Realm,
        table_name: Option<&str>,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<(Vec<Stream>, bool), Error> {
        self.maintain().await?;
        self.snapshot(|transaction| async move {
            let horizon = self.horizon(&self.times(&transaction).await?);
            let mut range = match table_name {
                None => self.keyspace().streams(realm.names(), None),
                Some(table) => self.keyspace().streams_of_table(realm.names(), table, None),
            };
            if let Some((table, label)) = after {
                range = range.after(&self.stream_key(realm, table, label));
            }
            let mut streams = Vec::new();
            while !range.is_empty() {
                let read = RangeRead::new(range.begin.clone(), range.end.clone()).snapshot().limited(limit + 1);
                let page = transaction.range(&read).await?;
                for pair in &page.pairs {
                    let named = self.keyspace().parse_stream(&pair.key)?;
                    let stream = self.decode_stream(realm, named.table, named.label, &pair.value)?;
                    if stream.is_gone(horizon) {
                        continue;
                    }
                    if streams.len() == limit {
                        return Ok((streams, true));
                    }
                    streams.push(stream);
                }
                match page.pairs.last() {
                    Some(last) if page.more => range = range.after(&last.key),
                    _ => break,
                }
            }
            Ok((streams, false))
        })
        .await
    }

    /// One stream, as it is now.
    ///
    /// Errors: `ResourceNotFound`, also once a closed stream's 24 hours are over.
    pub async fn stream(&self, realm: &Realm, table_name: &str, label: &str) -> Result<Stream, Error> {
        self.maintain().await?;
        self.snapshot(|transaction| async move {
            let read = self.read_stream(&transaction, realm, table_name, label);
            let (stream, times) = try_join!(read, self.times(&transaction))?;
            unless_gone(stream, self.horizon(&times))
        })
        .await
    }

    async fn read_stream(
        &self,
        transaction: &kv::Transaction,
        realm: &Realm,
        table_name: &str,
        label: &str,
    ) -> Result<Stream, Error> {
        let missing = || no_such_stream(&realm.stream_arn(table_name, label));
        let key = self.stream_key(realm, table_name, label);
        let value = transaction.get(&key, Isolation::Snapshot).await?.ok_or_else(missing)?;
        self.decode_stream(realm, table_name.to_owned(), label.to_owned(), &value)
    }

    /// The place where an iterator of this kind starts.
    ///
    /// Errors: `Validation` for a sequence number that is none or lies outside the stream, and for a time in the future;
    /// `TrimmedDataAccess` for a sequence number that was trimmed.
    pub async fn stream_cursor(&self, stream: &Stream, start: &StreamStart) -> Result<Cursor, Error> {
        self.snapshot(|transaction| async move {
            let (trimmed, times) = try_join!(self.trim_mark(&transaction, stream.table_id), self.times(&transaction))?;
            let horizon = self.horizon(&times);
            let first = stream.start.next().max(horizon);
            let first = trimmed.map_or(first, |trimmed| first.max(trimmed.next()));
            // The last place that is past its 24 hours.
            let gone = (horizon > Position::default()).then(|| horizon.previous());
            let now = self.position_of(transaction.read_version().await?.next());
            let cursor = match start {
                StreamStart::TrimHorizon => first,
                StreamStart::Latest => now,
                StreamStart::AtTimestamp(time) => {
                    // A clock that was set back shows less than the records do: what they tell is no future.
                    if *time > self.clock().now().max(times.time_of(now)) {
                        return Err(Error::validation("Invalid Timestamp: it lies in the future"));
                    }
                    times.position_at(*time).max(first).min(now.max(first))
                }
                StreamStart::At(number) => self.given_position(stream, number, trimmed.max(gone), now)?,
                StreamStart::After(number) => self.given_position(stream, number, trimmed.max(gone), now)?.next(),
                StreamStart::Behind(number) => {
                    let done = Position::parse(number).filter(|done| (stream.start..=now).contains(done));
                    done.ok_or_else(|| invalid_number(number))?.next()
                }
            };
            Ok(Cursor(cursor.to_bytes()))
        })
        .await
    }

    fn given_position(
        &self,
        stream: &Stream,
        number: &str,
        trimmed: Option<Position>,
        now: Position,
    ) -> Result<Position, Error> {
        let position = Position::parse(number).ok_or_else(|| invalid_number(number))?;
        let end = stream.end.unwrap_or(now);
        if position < stream.start || position > end {
            return Err(invalid_number(number));
        }
        if trimmed.is_some_and(|trimmed| position <= trimmed) && position != stream.start {
            return Err(trimmed_access());
        }
        Ok(position)
    }

    /// The position of the last record that was physically removed from a table's streams.
    pub(super) async fn trim_mark(
        &self,
        transaction: &kv::Transaction,
        table_id: u64,
    ) -> Result<Option<Position>, Error> {
        let value = transaction.get(&self.keyspace().trim_mark(TableId(table_id)), Isolation::Snapshot).await?;
        value.map(|bytes| (*bytes).try_into().map(Position::from_bytes).map_err(|_| corrupt("a trim mark"))).transpose()
    }

    /// As [`Store::stored_records`], every record decoded.
    pub async fn stream_records(
        &self,
        stream: &Stream,
        cursor: Cursor,
        limit: usize,
        max_bytes: usize,
    ) -> Result<RecordPage, Error> {
        let StoredPage { records, is_last, place, next } =
            self.stored_records(stream, cursor, limit, max_bytes).await?;
        let records = records.iter().map(StoredRecord::decode).collect::<Result<_, _>>()?;
        Ok(RecordPage { records, is_last, place, next })
    }

    /// Up to `limit` records and about `max_bytes` of them from `cursor` on; at least one if there is one.
    ///
    /// The records, the closed flag and the trim mark are read in one snapshot, so the place to go on from skips
    /// nothing: everything that commits later has a later stamp.
    ///
    /// Errors: `ResourceNotFound` once the stream is gone; `TrimmedDataAccess` when records the reader has not seen
    /// are past their 24 hours.
    pub async fn stored_records(
        &self,
        stream: &Stream,
        cursor: Cursor,
        limit: usize,
        max_bytes: usize,
    ) -> Result<StoredPage, Error> {
        self.maintain().await?;
        let from = Position::from_bytes(cursor.0);
        let space = &self.keyspace().table(TableId(stream.table_id));
        // Whatever asks for records from before a stream is not shown those of another.
        let from = from.max(stream.start.next());
        self.snapshot(|transaction| async move {
            let read = self.read_stream(&transaction, &stream.realm, &stream.table_name, &stream.label);
            let mark = self.trim_mark(&transaction, stream.table_id);
            let (stream, trimmed, times) = try_join!(read, mark, self.times(&transaction))?;
            let horizon = self.horizon(&times);
            let stream = unless_gone(stream, horizon)?;
            if trimmed.is_some_and(|trimmed| from <= trimmed) {
                return Err(trimmed_access());
            }
            let now = self.position_of(transaction.read_version().await?.next());
            let end = stream.end.map_or(now, |end| end.min(now));
            let salt = self.event_salt();
            let mut page = StoredPage::default();
            let (mut place, mut bytes) = (from, 0);
            while place < end && page.records.len() < limit && bytes < max_bytes {
                let range = space.records(place, Some(end));
                let read = RangeRead::new(range.begin, range.end)
                    .snapshot()
                    .limited(limit - page.records.len())
                    .byte_limited(max_bytes - bytes);
                let pairs = transaction.range(&read).await?;
                let (mut stopped, mut with_blobs) = (false, Vec::new());
                page.records.reserve(pairs.pairs.len());
                for pair in &pairs.pairs {
                    let position = space.parse_record(&pair.key)?;
                    let stored = keyspace::Record::decode(&pair.value)?;
                    if stored.kind != ChangeKind::Release {
                        if position < horizon {
                            return Err(trimmed_access());
                        }
                        if !page.records.is_empty() && bytes + stored.size > max_bytes {
                            stopped = true;
                            break;
                        }
                        bytes += stored.size;
                        if stored.has_blobs() {
                            with_blobs.push(page.records.len());
                        }
                        let created = times.time_of(position);
                        let record = StoredRecord::new(position, created, salt, stream.view, &stored, &pair.value);
                        page.records.push(record);
                    }
                    place = position.next();
                }
                for some in with_blobs.chunks(READS_AT_ONCE) {
                    let records = some.iter().filter_map(|at| page.records.get(*at));
                    let loads = records.map(|record| load_blobs(&transaction, space, record));
                    for (at, loaded) in some.iter().zip(try_join_all(loads).await?) {
                        if let Some(record) = page.records.get_mut(*at) {
                            record.load(loaded);
                        }
                    }
                }
                if stopped {
                    break;
                }
                if !pairs.more {
                    place = end.max(place);
                }
            }
            let drained = stream.end.is_some_and(|end| place >= end);
            page.is_last = place >= end;
            page.place = Cursor(place.to_bytes());
            page.next = (!drained).then_some(page.place);
            Ok(page)
        })
        .await
    }
}

fn unless_gone(stream: Stream, horizon: Position) -> Result<Stream, Error> {
    if stream.is_gone(horizon) { Err(no_such_stream(&stream.arn())) } else { Ok(stream) }
}

fn invalid_number(number: &str) -> Error {
    Error::validation(format!("Invalid SequenceNumber: {number}"))
}

/// In the words of botocore's model, which users of AWS also report.
pub(super) fn trimmed_access() -> Error {
    Error::TrimmedDataAccess("The data you are trying to access has been trimmed.".to_owned())
}

/// The images of a record that do not lie in it.
async fn load_blobs(
    transaction: &kv::Transaction,
    space: &TableSpace,
    record: &StoredRecord,
) -> Result<LoadedImages, Error> {
    let [old, new] = record.blobs()?;
    let (old, new) = try_join!(load_blob(transaction, space, old), load_blob(transaction, space, new))?;
    Ok(LoadedImages { old, new })
}

async fn load_blob(
    transaction: &kv::Transaction,
    space: &TableSpace,
    image: Option<Stored<'_>>,
) -> Result<Option<Item>, Error> {
    match image {
        None => Ok(None),
        Some(stored) => read_item(transaction, space, stored, Isolation::Snapshot).await.map(Some),
    }
}
