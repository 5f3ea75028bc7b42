//! A row's value: an item in place, or a pointer to the blob that holds it.
//!
//! ```text
//! stored   01  00  item size  encoded item                                    in place
//!          01  01  item size  blob id 16  encoded length  chunks              in a blob
//! ```
//!
//! Sizes, lengths and counts are LEB128. `item size` is DynamoDB's: pages and capacity are counted without decoding. The
//! images of change records have this form too, so that an image of a large item is a pointer, never a copy.

use super::bytes::{Reader, corrupt, put_length};
use crate::kv;

const VERSION: u8 = 1;
const INLINE: u8 = 0;
const BLOB: u8 = 1;

/// The random name of a large item's bytes. Blobs never change: a new version of the item is a new blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 16]);

/// Where a large item lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobPointer {
    pub id: BlobId,
    /// The item's size by DynamoDB's rule.
    pub size: usize,
    /// Bytes of the encoded item.
    pub length: usize,
    /// In how many chunks those lie.
    pub chunks: u16,
}

/// An item as rows and change records hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored<'a> {
    Inline {
        /// The item's size by DynamoDB's rule.
        size: usize,
        /// The encoded item.
        item: &'a [u8],
    },
    Blob(BlobPointer),
}

impl<'a> Stored<'a> {
    /// The item's size by DynamoDB's rule.
    pub const fn size(&self) -> usize {
        match self {
            Self::Inline { size, .. } => *size,
            Self::Blob(pointer) => pointer.size,
        }
    }

    /// The blob that holds the item, if one does.
    pub const fn blob(&self) -> Option<BlobId> {
        match self {
            Self::Inline { .. } => None,
            Self::Blob(pointer) => Some(pointer.id),
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(match self {
            Self::Inline { item, .. } => item.len() + 8,
            Self::Blob(_) => 32,
        });
        self.put(&mut out);
        out
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        match self {
            Self::Inline { size, item } => {
                out.push(INLINE);
                put_length(out, *size);
                out.extend_from_slice(item);
            }
            Self::Blob(pointer) => {
                out.push(BLOB);
                put_length(out, pointer.size);
                out.extend_from_slice(&pointer.id.0);
                put_length(out, pointer.length);
                put_length(out, usize::from(pointer.chunks));
            }
        }
    }

    pub fn decode(bytes: &'a [u8]) -> kv::Result<Self> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(corrupt("row of an unknown version"));
        }
        let kind = reader.byte()?;
        let size = reader.number()?;
        match kind {
            INLINE => Ok(Self::Inline { size, item: reader.rest() }),
            BLOB => {
                let id = BlobId(reader.array()?);
                let pointer = BlobPointer { id, size, length: reader.number()?, chunks: reader.number()? };
                reader.finish()?;
                Ok(Self::Blob(pointer))
            }
            _ => Err(corrupt("row of an unknown kind")),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::*;

    pub fn any_pointer() -> impl Strategy<Value = BlobPointer> {
        (any::<[u8; 16]>(), 0_usize..500_000, 0_usize..600_000, any::<u16>())
            .prop_map(|(id, size, length, chunks)| BlobPointer { id: BlobId(id), size, length, chunks })
    }

    proptest! {
        #[test]
        fn rows_survive(size in any::<u32>(), item in prop::collection::vec(any::<u8>(), 0..40), pointer in any_pointer()) {
            let inline = Stored::Inline { size: size as usize, item: &item };
            for stored in [inline, Stored::Blob(pointer)] {
                let bytes = stored.encode();
                prop_assert_eq!(Stored::decode(&bytes), Ok(stored));
            }
            let bytes = Stored::Blob(pointer).encode();
            for cut in 0..bytes.len() {
                prop_assert!(Stored::decode(bytes.get(..cut).unwrap_or_default()).is_err());
            }
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Stored::decode(&noise);
        }
    }

    #[test]
    fn rows_have_their_published_bytes() {
        assert_eq!(Stored::Inline { size: 300, item: &[1, 0] }.encode(), [1, 0, 0xAC, 2, 1, 0]);
        let pointer = BlobPointer { id: BlobId([9; 16]), size: 1, length: 2, chunks: 3 };
        assert_eq!(Stored::Blob(pointer).encode(), [&[1, 1, 1][..], &[9; 16], &[2, 3]].concat());
    }
}
