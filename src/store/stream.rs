//! Streams: their catalogue, their life, and reading records without ever skipping one.

use crate::clock::Timestamp;
use crate::item::Item;
use super::table::*;

#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    pub realm: Realm,
    pub table_name: String,
    pub table_id: u64,
    pub label: String,
    pub view: StreamViewType,
    pub key: KeySchema,
    pub created: Timestamp,
    /// Closed by disabling it or deleting the table.
    pub closed: bool,
    /// Sequence numbers (34 digits).
    pub starting_sequence_number: String,
    pub ending_sequence_number: Option<String>,
}

impl Stream {
    pub fn arn(&self) -> String { self.realm.stream_arn(&self.table_name, &self.label) }
    /// The one shard's id, AWS-shaped, 28–65 characters.
    pub fn shard_id(&self) -> String { todo!() }
}

/// A position in the stream: the next record is the first one at or after it. 14 bytes, opaque to `api`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub [u8; 14]);

/// The iterator types; sequence numbers are decimal text, already checked for syntax by `SequenceNumber` parsing in the store:
/// malformed gives Error::Validation.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamStart { TrimHorizon, Latest, At(String), After(String), AtTimestamp(Timestamp) }

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind { Insert, Modify, Remove }

#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// 32 hex digits, unique for ever.
    pub event_id: String,
    pub kind: RecordKind,
    pub sequence_number: String,
    pub created: Timestamp,
    pub keys: Item,
    pub old: Option<Item>,
    pub new: Option<Item>,
    pub size_bytes: u64,
    pub view: StreamViewType,
    /// Deleted by the service (TTL): carries userIdentity.
    pub by_service: bool,
}

#[derive(Clone, Debug, Default)]
pub struct RecordPage {
    pub records: Vec<Record>,
    /// `None` once a closed shard is drained.
    pub next: Option<Cursor>,
}
