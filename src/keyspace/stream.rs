//! A stream's entry in the catalogue: the two places between which its records lie, and what else is known of it.
//!
//! ```text
//! entry    02  start incarnation u16, stamp 10  end incarnation u16, stamp 10  JSON     an open stream's end is all FF
//!          01  start stamp 10  end stamp 10  JSON                                        both of the first incarnation
//! ```
//!
//! Both stamps are written by the store itself, at the commit that opens and the commit that closes the stream: so no
//! record can lie on the wrong side of either. Their incarnations are those of the database at these commits, so that an
//! entry means the same in a copy, whose own commits have another. The first form was written before databases could be
//! copied.

use super::Position;
use super::bytes::{Reader, corrupt};
use crate::kv::{self, Versionstamp};

const VERSION: u8 = 2;
const FIRST_VERSION: u8 = 1;
/// What every database begins with, and all had when the first form was written.
const FIRST_INCARNATION: u16 = 1;
/// Where the stamps lie, behind their incarnations.
const START: usize = 3;
const END: usize = 15;
const OPEN: Position = Position { incarnation: u16::MAX, stamp: Versionstamp::MAX, user_version: 0 };

/// A stream's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamEntry<'a> {
    /// The commit that opened the stream: its records have later stamps.
    pub start: Position,
    /// The commit that closed the stream: its records have earlier stamps.
    pub end: Option<Position>,
    pub body: &'a [u8],
}

impl<'a> StreamEntry<'a> {
    /// The value by which a commit of `incarnation` opens a stream, and where the store puts the commit's stamp.
    pub fn opening(incarnation: u16, body: &'a [u8]) -> (Vec<u8>, usize) {
        (Self { start: Position { incarnation, ..OPEN }, end: None, body }.encode(), START)
    }

    /// The value by which a commit of `incarnation` closes the stream, and where the store puts the commit's stamp.
    pub fn closing(&self, incarnation: u16) -> (Vec<u8>, usize) {
        (Self { end: Some(Position { incarnation, ..OPEN }), ..*self }.encode(), END)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(25 + self.body.len());
        out.push(VERSION);
        for place in [self.start, self.end.unwrap_or(OPEN)] {
            out.extend_from_slice(&place.incarnation.to_be_bytes());
            out.extend_from_slice(place.stamp.as_bytes());
        }
        out.extend_from_slice(self.body);
        out
    }

    pub fn decode(value: &'a [u8]) -> kv::Result<Self> {
        let mut reader = Reader::new(value);
        let version = reader.byte()?;
        let mut place = || {
            let incarnation = match version {
                VERSION => reader.u16()?,
                FIRST_VERSION => FIRST_INCARNATION,
                _ => return Err(corrupt("stream entry of an unknown version")),
            };
            Ok(Position { incarnation, stamp: Versionstamp(reader.array()?), user_version: 0 })
        };
        let (start, end) = (place()?, place()?);
        Ok(Self { start, end: (end.stamp != OPEN.stamp).then_some(end), body: reader.rest() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(incarnation: u16, byte: u8) -> Position {
        Position { incarnation, stamp: Versionstamp([byte; 10]), user_version: 0 }
    }

    #[test]
    fn an_entry_opens_and_closes_with_the_stamps_the_store_puts_in() -> kv::Result<()> {
        let (mut value, offset) = StreamEntry::opening(3, b"{}");
        value.splice(offset..offset + 10, [1; 10]);
        let open = StreamEntry::decode(&value)?;
        assert_eq!(open, StreamEntry { start: place(3, 1), end: None, body: b"{}" });
        // In a copy, whose incarnation is a later one.
        let (mut closed, offset) = open.closing(4);
        closed.splice(offset..offset + 10, [2; 10]);
        let entry = StreamEntry::decode(&closed)?;
        assert_eq!((entry.start, entry.end, entry.body), (place(3, 1), Some(place(4, 2)), &b"{}"[..]));
        for cut in 0..25 {
            assert!(StreamEntry::decode(closed.get(..cut).unwrap_or_default()).is_err());
        }
        Ok(())
    }

    #[test]
    fn entries_of_the_first_form_are_read_and_closed_in_the_present_one() -> kv::Result<()> {
        let first = |end: u8| [&[1][..], &[7; 10], &[end; 10], b"{}"].concat();
        let open = first(0xFF);
        let entry = StreamEntry::decode(&open)?;
        assert_eq!(entry, StreamEntry { start: place(1, 7), end: None, body: b"{}" });
        assert_eq!(StreamEntry::decode(&first(8))?.end, Some(place(1, 8)));
        let (mut closed, offset) = entry.closing(2);
        closed.splice(offset..offset + 10, [9; 10]);
        assert_eq!(
            StreamEntry::decode(&closed)?,
            StreamEntry { start: place(1, 7), end: Some(place(2, 9)), body: b"{}" }
        );
        assert!(StreamEntry::decode(&[&[3][..], &open].concat()).is_err());
        Ok(())
    }
}
