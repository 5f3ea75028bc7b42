//! Large items in chunks: which items need it, how they are cut, and how they are put together again.
//!
//! Rows and records hold an item of up to `INLINE_LIMIT` encoded bytes in place. A record then holds at most two such
//! images and the keys, far below FoundationDB's 100,000 bytes a value; chunks keep some distance to that limit too.

use super::bytes::corrupt;
use super::stored::{BlobId, BlobPointer};
use crate::kv;

/// Most bytes of an encoded item that lie in the row itself.
const INLINE_LIMIT: usize = 10_240;

/// Bytes of every chunk but the last.
const CHUNK: usize = 90_000;

const _: () = assert!(CHUNK < kv::limits::VALUE && 2 * INLINE_LIMIT + 10_000 < kv::limits::VALUE);

/// Whether an encoded item goes into the row itself.
pub const fn is_inline(encoded: &[u8]) -> bool {
    encoded.len() <= INLINE_LIMIT
}

/// The chunks of an encoded item with their numbers, and the pointer that finds them.
///
/// `size` is the item's by DynamoDB's rule.
pub fn chunks(id: BlobId, size: usize, encoded: &[u8]) -> (BlobPointer, impl Iterator<Item = (u16, &[u8])>) {
    // 65,536 chunks are 5.9 GB; items are 400 KB.
    let count = u16::try_from(encoded.len().div_ceil(CHUNK)).unwrap_or(u16::MAX);
    let pointer = BlobPointer { id, size, length: encoded.len(), chunks: count };
    (pointer, (0..count).zip(encoded.chunks(CHUNK)))
}

/// Puts an encoded item together from its chunks, which must come complete and in order.
pub fn reassemble<B: AsRef<[u8]>>(
    pointer: &BlobPointer,
    chunks: impl IntoIterator<Item = (u16, B)>,
) -> kv::Result<Vec<u8>> {
    let mut encoded = Vec::with_capacity(pointer.length.min(kv::limits::TRANSACTION));
    let mut expected = 0_u16;
    for (number, chunk) in chunks {
        if number != expected {
            return Err(corrupt("chunks of a large item missing or doubled"));
        }
        encoded.extend_from_slice(chunk.as_ref());
        expected = expected.checked_add(1).ok_or_else(|| corrupt("too many chunks"))?;
    }
    if expected != pointer.chunks || encoded.len() != pointer.length {
        return Err(corrupt("chunks of a large item missing or cut"));
    }
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: BlobId = BlobId([7; 16]);

    proptest! {
        #[test]
        fn blobs_come_together_again(length in prop_oneof![0_usize..10, 89_990_usize..90_010, 100_000_usize..500_000]) {
            let encoded: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let (pointer, parts) = chunks(ID, 5, &encoded);
            let parts: Vec<_> = parts.collect();
            prop_assert!(parts.iter().all(|(_, part)| !part.is_empty() && part.len() < kv::limits::VALUE));
            prop_assert_eq!(reassemble(&pointer, parts.clone()), Ok(encoded.clone()));
            if parts.len() > 1 {
                prop_assert!(reassemble(&pointer, parts.iter().copied().skip(1)).is_err());
                prop_assert!(reassemble(&pointer, parts.iter().copied().take(parts.len() - 1)).is_err());
                prop_assert!(reassemble(&pointer, parts.iter().copied().rev()).is_err());
            }
            let shorter = BlobPointer { length: length + 1, ..pointer };
            prop_assert!(reassemble(&shorter, parts).is_err());
        }
    }

    #[test]
    fn small_items_stay_in_the_row() {
        assert!(is_inline(&[0; INLINE_LIMIT]));
        assert!(!is_inline(&[0; INLINE_LIMIT + 1]));
    }
}
