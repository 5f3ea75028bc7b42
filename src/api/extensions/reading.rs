//! Reading a stream by position: where it begins, its next records, and the stream that follows it.

use serde::{Deserialize, Serialize};

use super::cursor;
use crate::api::constraints::Constraints;
use crate::api::resource::StreamName;
use crate::api::streams::get_records::{MAX_BYTES, MAX_LIMIT, Record, records};
use crate::api::wire::Timestamp;
use crate::error::Error;
use crate::store::{Cursor, Next, Realm, Store, Stream, StreamStart};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct OpenInput {
    stream_arn: String,
    start: Start,
    sequence_number: Option<String>,
    timestamp: Option<Timestamp>,
}

/// Where reading begins.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Start {
    /// The oldest record there is.
    #[default]
    TrimHorizon,
    /// Behind all that is committed.
    Latest,
    AfterSequenceNumber,
    AtTimestamp,
}

/// A stream and a place in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Opened {
    pub stream_arn: String,
    /// What its followers wait for.
    pub table_id: u64,
    pub position: String,
}

impl Opened {
    pub fn new(stream: &Stream, cursor: Cursor) -> Self {
        Self { stream_arn: stream.arn(), table_id: stream.table_id, position: cursor.done() }
    }
}

pub async fn open(store: &Store, realm: &Realm, input: &OpenInput) -> Result<Opened, Error> {
    let name = StreamName::parse(realm, &input.stream_arn)?;
    let stream = store.stream(&name.realm, name.table_name, name.label).await?;
    let missing = |member: &str| Error::validation(format!("{member} must be specified"));
    let start = match input.start {
        Start::TrimHorizon => StreamStart::TrimHorizon,
        Start::Latest => StreamStart::Latest,
        Start::AtTimestamp => {
            let Timestamp(at) = input.timestamp.ok_or_else(|| missing("Timestamp"))?;
            StreamStart::AtTimestamp(at)
        }
        Start::AfterSequenceNumber => {
            StreamStart::Behind(input.sequence_number.clone().ok_or_else(|| missing("SequenceNumber"))?)
        }
    };
    let cursor = store.stream_cursor(&stream, &start).await?;
    Ok(Opened::new(&stream, cursor))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ReadInput {
    stream_arn: String,
    position: String,
    limit: i64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReadOutput {
    /// As GetRecords tells them.
    pub records: Vec<Record>,
    /// Behind all of them.
    pub position: String,
    /// Whether there was no more when they were read.
    pub is_last: bool,
    /// Whether there never will be more.
    pub is_drained: bool,
}

pub async fn read(store: &Store, realm: &Realm, input: &ReadInput) -> Result<ReadOutput, Error> {
    let mut constraints = Constraints::new();
    constraints.range("limit", Some(input.limit), 1, MAX_LIMIT);
    constraints.finish(())?;
    let name = StreamName::parse(realm, &input.stream_arn)?;
    let stream = store.stream(&name.realm, name.table_name, name.label).await?;
    let limit = usize::try_from(input.limit).unwrap_or_default();
    let page = store.stored_records(&stream, cursor(&input.position)?, limit, MAX_BYTES).await?;
    Ok(ReadOutput {
        position: page.place.done(),
        is_last: page.is_last,
        is_drained: page.next.is_none(),
        records: records(page.records, &stream.realm),
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct NextInput {
    table_name: String,
    position: String,
}

/// Either of them, or neither where there is no table either.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NextOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<Opened>,
    /// The table that has no such stream yet: who waits for one follows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_id: Option<u64>,
}

impl NextOutput {
    pub fn new(next: Next) -> Self {
        match next {
            Next::Stream(stream, cursor) => Self { stream: Some(Opened::new(&stream, cursor)), table_id: None },
            Next::Table(id) => Self { stream: None, table_id: Some(id) },
            Next::Nothing => Self::default(),
        }
    }
}

/// The stream of a table of this name that begins behind a position.
pub async fn next(store: &Store, realm: &Realm, input: &NextInput) -> Result<NextOutput, Error> {
    Ok(NextOutput::new(store.next_stream(realm, &input.table_name, cursor(&input.position)?).await?))
}
