//! Change records as readers get them: as they are stored, decoded no further than they are looked at.
//!
//! A page of them holds the stored bytes; attributes are read out of these when an answer is written, or when somebody asks for
//! a whole [`Record`]. Only images that lie in blobs were read and decoded with the page. Event ids and sequence numbers are
//! written out when asked for. It must not know where records lie, nor which of them belong to a stream.

use serde::{Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_128;

use super::stream::Cursor;
use super::{StreamViewType, corrupt};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::item::Item;
use crate::keyspace::{self, ChangeKind, ItemReader, Position, Stored};
use crate::kv;

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    Insert,
    Modify,
    Remove,
}

/// A change record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// 32 hexadecimal digits, never used again by any database.
    pub event_id: String,
    pub kind: RecordKind,
    pub sequence_number: String,
    pub created: Timestamp,
    pub keys: Item,
    pub old: Option<Item>,
    pub new: Option<Item>,
    pub size_bytes: u64,
    pub view: StreamViewType,
    /// Deleted by the service, for its time to live.
    pub by_service: bool,
}

#[derive(Clone, Debug, Default)]
pub struct RecordPage {
    pub records: Vec<Record>,
    /// Whether there was no more when the page was read.
    pub is_last: bool,
    /// Where the page ended, also in a shard that is drained.
    pub place: Cursor,
    /// Where to go on; `None` once a closed shard is drained.
    pub next: Option<Cursor>,
}

/// As a [`RecordPage`], of records that are not decoded.
#[derive(Clone, Debug, Default)]
pub struct StoredPage {
    pub records: Vec<StoredRecord>,
    pub is_last: bool,
    pub place: Cursor,
    pub next: Option<Cursor>,
}

/// A change record as it is stored.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    pub kind: RecordKind,
    pub created: Timestamp,
    pub size_bytes: u64,
    pub view: StreamViewType,
    /// Deleted by the service, for its time to live.
    pub by_service: bool,
    position: Position,
    /// What event ids of this database are hashed with.
    salt: [u8; 16],
    value: kv::Bytes,
    /// Images that do not lie in `value`.
    loaded: Option<Box<LoadedImages>>,
}

/// The images of a record that lie in blobs.
#[derive(Clone, Debug, Default)]
pub(super) struct LoadedImages {
    pub(super) old: Option<Item>,
    pub(super) new: Option<Item>,
}

/// An item of a record, encoded or not.
pub enum Image<'a> {
    Encoded(ItemReader<'a>),
    Decoded(&'a Item),
}

impl Image<'_> {
    pub fn to_item(&self) -> Result<Item, Error> {
        match self {
            Self::Encoded(reader) => Ok(reader.decode()?),
            Self::Decoded(item) => Ok((*item).clone()),
        }
    }
}

impl Serialize for Image<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Encoded(reader) => reader.serialize(serializer),
            Self::Decoded(item) => item.serialize(serializer),
        }
    }
}

impl StoredRecord {
    /// A record without what lies in blobs. `stored` is `value`, decoded.
    pub(super) fn new(
        position: Position,
        created: Timestamp,
        salt: [u8; 16],
        view: StreamViewType,
        stored: &keyspace::Record<'_>,
        value: &kv::Bytes,
    ) -> Self {
        Self {
            kind: match stored.kind {
                ChangeKind::Insert => RecordKind::Insert,
                ChangeKind::Modify => RecordKind::Modify,
                ChangeKind::Remove | ChangeKind::Release => RecordKind::Remove,
            },
            created,
            size_bytes: stored.size as u64,
            view,
            by_service: stored.by_time_to_live,
            position,
            salt,
            value: kv::Bytes::clone(value),
            loaded: None,
        }
    }

    pub(super) fn load(&mut self, loaded: LoadedImages) {
        self.loaded = Some(Box::new(loaded));
    }

    /// The images that lie in blobs.
    pub(super) fn blobs(&self) -> Result<[Option<Stored<'_>>; 2], Error> {
        let stored = self.stored()?;
        Ok([stored.old, stored.new].map(|image| image.filter(|image| image.blob().is_some())))
    }

    fn stored(&self) -> kv::Result<keyspace::Record<'_>> {
        keyspace::Record::decode(&self.value)
    }

    /// Unique for ever: positions are unique within a database and process, and the hash covers a salt of both. So a copy,
    /// like a fork, tells the records it shares with its source under ids of its own; their sequence numbers are the same.
    pub fn event_id(&self) -> String {
        let mut bytes = [0_u8; 30];
        let (id, place) = bytes.split_at_mut(16);
        id.copy_from_slice(&self.salt);
        place.copy_from_slice(&self.position.to_bytes());
        hexadecimal(xxh3_128(&bytes))
    }

    pub fn sequence_number(&self) -> String {
        self.position.to_string()
    }

    /// Keys, old image and new image, where there are such.
    pub fn items(&self) -> Result<(Image<'_>, Option<Image<'_>>, Option<Image<'_>>), Error> {
        let stored = self.stored()?;
        let (old, new) =
            self.loaded.as_deref().map_or((None, None), |loaded| (loaded.old.as_ref(), loaded.new.as_ref()));
        let keys = Image::Encoded(ItemReader::new(stored.keys)?);
        Ok((keys, image(stored.old, old)?, image(stored.new, new)?))
    }

    /// The whole record, decoded.
    pub fn decode(&self) -> Result<Record, Error> {
        let (keys, old, new) = self.items()?;
        Ok(Record {
            event_id: self.event_id(),
            kind: self.kind,
            sequence_number: self.sequence_number(),
            created: self.created,
            keys: keys.to_item()?,
            old: old.map(|image| image.to_item()).transpose()?,
            new: new.map(|image| image.to_item()).transpose()?,
            size_bytes: self.size_bytes,
            view: self.view,
            by_service: self.by_service,
        })
    }
}

fn image<'a>(stored: Option<Stored<'a>>, loaded: Option<&'a Item>) -> Result<Option<Image<'a>>, Error> {
    Ok(match (stored, loaded) {
        (None, _) => None,
        (Some(Stored::Inline { item, .. }), _) => Some(Image::Encoded(ItemReader::new(item)?)),
        (Some(Stored::Blob(_)), Some(item)) => Some(Image::Decoded(item)),
        (Some(Stored::Blob(_)), None) => return Err(corrupt("an image that was not read")),
    })
}

fn hexadecimal(number: u128) -> String {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or_default();
    number.to_be_bytes().into_iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_have_32_digits() {
        assert_eq!(hexadecimal(0), "0".repeat(32));
        assert_eq!(hexadecimal(0x0123_4567_89ab_cdef_0000_0000_0000_00f0), "0123456789abcdef00000000000000f0");
        assert_eq!(hexadecimal(u128::MAX), "f".repeat(32));
    }
}
