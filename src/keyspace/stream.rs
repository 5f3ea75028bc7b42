//! A stream's entry in the catalogue: the two stamps between which its records lie, and what else is known of it.
//!
//! ```text
//! entry    01  start stamp 10  end stamp 10  JSON        an open stream's end stamp is all FF
//! ```
//!
//! Both stamps are written by the store itself, at the commit that opens and the commit that closes the stream: so no
//! record can lie on the wrong side of either.

use super::bytes::{Reader, corrupt};
use crate::kv::{self, Versionstamp};

const VERSION: u8 = 1;
const START: usize = 1;
const END: usize = 11;
const OPEN: Versionstamp = Versionstamp::MAX;

/// A stream's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamEntry<'a> {
    /// Of the commit that opened the stream: its records have later stamps.
    pub start: Versionstamp,
    /// Of the commit that closed the stream: its records have earlier stamps.
    pub end: Option<Versionstamp>,
    pub body: &'a [u8],
}

impl<'a> StreamEntry<'a> {
    /// The value that opens a stream, and where the store puts the commit's stamp.
    pub fn opening(body: &'a [u8]) -> (Vec<u8>, usize) {
        (Self { start: OPEN, end: None, body }.encode(), START)
    }

    /// The value that closes the stream, and where the store puts the commit's stamp.
    pub fn closing(&self) -> (Vec<u8>, usize) {
        (self.encode(), END)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(21 + self.body.len());
        out.push(VERSION);
        out.extend_from_slice(self.start.as_bytes());
        out.extend_from_slice(self.end.unwrap_or(OPEN).as_bytes());
        out.extend_from_slice(self.body);
        out
    }

    pub fn decode(value: &'a [u8]) -> kv::Result<Self> {
        let mut reader = Reader::new(value);
        if reader.byte()? != VERSION {
            return Err(corrupt("stream entry of an unknown version"));
        }
        let start = Versionstamp(reader.array()?);
        let end = Versionstamp(reader.array()?);
        Ok(Self { start, end: (end != OPEN).then_some(end), body: reader.rest() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_opens_and_closes_with_the_stamps_the_store_puts_in() -> kv::Result<()> {
        let (mut value, offset) = StreamEntry::opening(b"{}");
        value.splice(offset..offset + 10, [1; 10]);
        let open = StreamEntry::decode(&value)?;
        assert_eq!(open, StreamEntry { start: Versionstamp([1; 10]), end: None, body: b"{}" });
        let (mut closed, offset) = open.closing();
        closed.splice(offset..offset + 10, [2; 10]);
        let entry = StreamEntry::decode(&closed)?;
        assert_eq!((entry.start, entry.end), (Versionstamp([1; 10]), Some(Versionstamp([2; 10]))));
        for cut in 0..21 {
            assert!(StreamEntry::decode(closed.get(..cut).unwrap_or_default()).is_err());
        }
        Ok(())
    }
}
