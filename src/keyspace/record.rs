//! A change record's value: what happened to one item, composed of bytes that are encoded already.
//!
//! ```text
//! record   01  flags  size  length  keys  [length  old image]  [length  new image]  [blob id 16]
//! flags    bits 0-1  0 insert, 1 modify, 2 remove, 3 release
//!          bits 2-3  view type: 0 keys only, 1 new image, 2 old image, 3 both
//!          bit 4     old image present        bit 5   new image present
//!          bit 6     done by time-to-live     bit 7   frees a blob
//! keys     an encoded item of the key attributes (codec.rs)
//! images   rows (stored.rs): items in place, or pointers to blobs
//! ```
//!
//! Ownership of blobs is linear: the record that overwrote or removed an item names the item's blob, and whoever trims the
//! record clears it. A blob that a record's images merely point to belongs to the row or to another record.

use super::bytes::{Reader, corrupt, put_bytes, put_length};
use super::stored::{BlobId, Stored};
use crate::kv;

const VERSION: u8 = 1;

const OLD: u8 = 1 << 4;
const NEW: u8 = 1 << 5;
const TIME_TO_LIVE: u8 = 1 << 6;
const FREES: u8 = 1 << 7;

/// What happened to the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    Insert = 0,
    Modify = 1,
    Remove = 2,
    /// No change, and shown to no reader: a write while no stream was open left this behind to free a blob that
    /// records of a closed stream may point to.
    Release = 3,
}

impl ChangeKind {
    /// DynamoDB's `eventName`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Modify => "MODIFY",
            Self::Remove => "REMOVE",
            Self::Release => "RELEASE",
        }
    }
}

/// What the records of a stream show; fixed when the stream is enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum ViewType {
    KeysOnly = 0,
    NewImage = 1,
    OldImage = 2,
    NewAndOldImages = 3,
}

impl ViewType {
    pub const ALL: [Self; 4] = [Self::KeysOnly, Self::NewImage, Self::OldImage, Self::NewAndOldImages];

    /// DynamoDB's `StreamViewType`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeysOnly => "KEYS_ONLY",
            Self::NewImage => "NEW_IMAGE",
            Self::OldImage => "OLD_IMAGE",
            Self::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.name() == name)
    }

    pub const fn shows_old(self) -> bool {
        matches!(self, Self::OldImage | Self::NewAndOldImages)
    }

    pub const fn shows_new(self) -> bool {
        matches!(self, Self::NewImage | Self::NewAndOldImages)
    }
}

/// One change of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub kind: ChangeKind,
    pub view: ViewType,
    /// Whether the service itself removed the item because its time had come.
    pub by_time_to_live: bool,
    /// `SizeBytes`: keys plus each image present, by the item-size rule.
    pub size: usize,
    /// The key attributes as an encoded item.
    pub keys: &'a [u8],
    pub old: Option<Stored<'a>>,
    pub new: Option<Stored<'a>>,
    /// The blob to clear when this record is trimmed.
    pub frees: Option<BlobId>,
}

impl<'a> Record<'a> {
    /// A record that only frees a blob.
    pub const fn release(blob: BlobId) -> Self {
        Self {
            kind: ChangeKind::Release,
            view: ViewType::KeysOnly,
            by_time_to_live: false,
            size: 0,
            keys: &[],
            old: None,
            new: None,
            frees: Some(blob),
        }
    }

    /// Whether an image lies elsewhere.
    pub fn has_blobs(&self) -> bool {
        [self.old, self.new].into_iter().flatten().any(|image| image.blob().is_some())
    }

    pub fn encode(&self) -> Vec<u8> {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let inline = |image: Option<Stored<'_>>| match image {
            Some(Stored::Inline { item, .. }) => item.len(),
            _ => 0,
        };
        let mut out = Vec::with_capacity(96 + self.keys.len() + inline(self.old) + inline(self.new));
        out.push(VERSION);
        out.push(
            self.kind as u8
                | (self.view as u8) << 2
                | flag(self.old.is_some(), OLD)
                | flag(self.new.is_some(), NEW)
                | flag(self.by_time_to_live, TIME_TO_LIVE)
                | flag(self.frees.is_some(), FREES),
        );
        put_length(&mut out, self.size);
        put_bytes(&mut out, self.keys);
        for image in [self.old, self.new].into_iter().flatten() {
            put_image(&mut out, &image);
        }
        if let Some(blob) = self.frees {
            out.extend_from_slice(&blob.0);
        }
        out
    }

    pub fn decode(bytes: &'a [u8]) -> kv::Result<Self> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(corrupt("change record of an unknown version"));
        }
        let flags = reader.byte()?;
        let kind = match flags & 0b11 {
            0 => ChangeKind::Insert,
            1 => ChangeKind::Modify,
            2 => ChangeKind::Remove,
            _ => ChangeKind::Release,
        };
        let view = match (flags >> 2) & 0b11 {
            0 => ViewType::KeysOnly,
            1 => ViewType::NewImage,
            2 => ViewType::OldImage,
            _ => ViewType::NewAndOldImages,
        };
        let size = reader.number()?;
        let keys = reader.bytes()?;
        let mut image = |bit: u8| match flags & bit {
            0 => Ok(None),
            _ => Stored::decode(reader.bytes()?).map(Some),
        };
        let (old, new) = (image(OLD)?, image(NEW)?);
        let frees = if flags & FREES == 0 { None } else { Some(BlobId(reader.array()?)) };
        reader.finish()?;
        Ok(Self { kind, view, by_time_to_live: flags & TIME_TO_LIVE != 0, size, keys, old, new, frees })
    }
}

/// Length, then image: the length's own bytes are put in front once it is known, which moves at most 10 KB.
fn put_image(out: &mut Vec<u8>, image: &Stored<'_>) {
    let start = out.len();
    image.put(out);
    let mut length = Vec::with_capacity(4);
    put_length(&mut length, out.len() - start);
    out.splice(start..start, length);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyspace::stored::tests::any_pointer;

    proptest! {
        #[test]
        fn records_survive(
            kind in prop::sample::select(&[ChangeKind::Insert, ChangeKind::Modify, ChangeKind::Remove, ChangeKind::Release][..]),
            view in prop::sample::select(&ViewType::ALL[..]),
            by_time_to_live in any::<bool>(),
            size in any::<u32>(),
            keys in prop::collection::vec(any::<u8>(), 0..30),
            item in prop::collection::vec(any::<u8>(), 0..300),
            pointer in any_pointer(),
            shapes in any::<(u8, u8)>(),
            frees in prop::option::of(any::<[u8; 16]>().prop_map(BlobId)),
        ) {
            let image = |shape: u8| match shape % 3 {
                0 => None,
                1 => Some(Stored::Inline { size: 12, item: &item }),
                _ => Some(Stored::Blob(pointer)),
            };
            let record = Record {
                kind, view, by_time_to_live, size: size as usize, keys: &keys, old: image(shapes.0), new: image(shapes.1), frees,
            };
            let bytes = record.encode();
            prop_assert_eq!(Record::decode(&bytes), Ok(record));
            for cut in 0..bytes.len() {
                prop_assert!(Record::decode(bytes.get(..cut).unwrap_or_default()).is_err());
            }
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(0_u8..40, 0..60)) {
            let mut bytes = vec![VERSION];
            bytes.extend(noise);
            let _ = Record::decode(&bytes);
        }
    }

    #[test]
    fn records_have_their_published_bytes() {
        let record = Record {
            kind: ChangeKind::Modify,
            view: ViewType::NewAndOldImages,
            by_time_to_live: true,
            size: 5,
            keys: &[1, 0],
            old: None,
            new: Some(Stored::Inline { size: 2, item: &[1, 0] }),
            frees: Some(BlobId([3; 16])),
        };
        let expected = [&[1, 0b1110_1101, 5, 2, 1, 0][..], &[5, 1, 0, 2, 1, 0], &[3; 16]].concat();
        assert_eq!(record.encode(), expected);
    }

    #[test]
    fn view_types_have_aws_names() {
        for view in ViewType::ALL {
            assert_eq!(ViewType::parse(view.name()), Some(view));
        }
        assert_eq!(ViewType::parse("new_image"), None);
        assert!(ViewType::OldImage.shows_old() && !ViewType::OldImage.shows_new());
    }
}
