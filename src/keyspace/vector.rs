//! What an entry of a vector index holds: the vector, and the attributes that searches may filter by.
//!
//! ```text
//! entry    01  dimensions  dimensions × float 4, little-endian  [encoded item]     the attributes are here
//!          02  dimensions  dimensions × float 4, little-endian                     they are long, and in the row alone
//! ```
//!
//! Dimensions are LEB128. Without attributes to filter by there is no item. A search compares vectors as they lie here, and reads
//! the rows of the best alone.

use super::bytes::{Reader, corrupt, put_length};
use super::codec::{decode_item, encode_item};
use crate::item::{Invalid, Item};
use crate::kv;

const WITH_FILTERS: u8 = 1;
const FILTERS_IN_ROW: u8 = 2;
const FLOAT: usize = 4;
/// Bytes of attributes that an entry holds: with the longest vector it stays far below FoundationDB's 100,000.
const MOST_FILTERS: usize = 32_768;

/// An entry as it lies in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorEntry<'a> {
    /// Four bytes a dimension.
    pub vector: &'a [u8],
    /// Unless they are in the row alone.
    filters: Option<&'a [u8]>,
}

impl<'a> VectorEntry<'a> {
    /// The entry of a vector, and of the attributes it may be filtered by.
    pub fn encode(vector: &[f32], filters: &Item) -> Result<Vec<u8>, Invalid> {
        let encoded = if filters.is_empty() { Vec::new() } else { encode_item(filters)? };
        let is_long = encoded.len() > MOST_FILTERS;
        let mut out = Vec::with_capacity(4 + FLOAT * vector.len() + encoded.len());
        out.push(if is_long { FILTERS_IN_ROW } else { WITH_FILTERS });
        put_length(&mut out, vector.len());
        for component in vector {
            out.extend_from_slice(&component.to_le_bytes());
        }
        if !is_long {
            out.extend_from_slice(&encoded);
        }
        Ok(out)
    }

    pub fn decode(bytes: &'a [u8]) -> kv::Result<Self> {
        let mut reader = Reader::new(bytes);
        let kind = reader.byte()?;
        let dimensions = reader.length()?;
        let vector = reader.take(FLOAT * dimensions)?;
        match kind {
            WITH_FILTERS => Ok(Self { vector, filters: Some(reader.rest()) }),
            FILTERS_IN_ROW => {
                reader.finish()?;
                Ok(Self { vector, filters: None })
            }
            _ => Err(corrupt("entry of a vector of an unknown kind")),
        }
    }

    /// The attributes that searches may filter by; `None` if they are in the row alone.
    pub fn filters(&self) -> kv::Result<Option<Item>> {
        match self.filters {
            None => Ok(None),
            Some([]) => Ok(Some(Item::new())),
            Some(encoded) => decode_item(encoded).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::item::AttributeValue;

    proptest! {
        #[test]
        fn entries_survive(vector in prop::collection::vec(any::<f32>(), 1..20), filter in prop::option::of(".{0,5}")) {
            let filters: Item = filter.into_iter().map(|text| ("f".into(), AttributeValue::S(text))).collect();
            let bytes = VectorEntry::encode(&vector, &filters)?;
            let entry = VectorEntry::decode(&bytes)?;
            let stored: Vec<u8> = vector.iter().flat_map(|component| component.to_le_bytes()).collect();
            prop_assert_eq!(entry.vector, &stored);
            prop_assert_eq!(entry.filters(), Ok(Some(filters)));
            for cut in 0..=1 + stored.len() {
                prop_assert!(VectorEntry::decode(bytes.get(..cut).unwrap_or_default()).is_err());
            }
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(entry) = VectorEntry::decode(&noise) {
                let _ = entry.filters();
            }
        }
    }

    #[test]
    fn long_attributes_stay_in_the_row() -> Result<(), Box<dyn std::error::Error>> {
        let filters =
            |length: usize| -> Item { [("f".into(), AttributeValue::S("x".repeat(length)))].into_iter().collect() };
        for (length, is_here) in [(30_000, true), (40_000, false)] {
            let bytes = VectorEntry::encode(&[0.0; 4096], &filters(length))?;
            assert!(bytes.len() < 100_000 / 2);
            let entry = VectorEntry::decode(&bytes)?;
            assert_eq!((entry.vector.len(), entry.filters()?), (16_384, is_here.then(|| filters(length))));
        }
        Ok(())
    }

    #[test]
    fn entries_have_their_published_bytes() {
        assert_eq!(VectorEntry::encode(&[1.0, -0.5], &Item::new()), Ok(vec![1, 2, 0, 0, 0x80, 0x3F, 0, 0, 0, 0xBF]));
    }
}
