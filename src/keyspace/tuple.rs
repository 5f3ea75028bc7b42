//! How components look inside keys.
//!
//! ```text
//! text        escaped bytes, 00                 names in the catalogue; UTF-8
//! raw         11|12|13  length  bytes           partition keys, base keys: no order, never longer than need be
//! ordered     21  escaped bytes  00             sort key B: orders as the bytes
//!             22  number                        sort key N: orders numerically
//!             23  escaped bytes  00             sort key S: orders as the UTF-8 bytes
//! escaped     every 00 as 00 FF
//! number      01  ~exponent  ~pairs             below zero: everything inverted
//!             02                                zero
//!             03   exponent   pairs             exponent of the leading digit + 130, so 0..=255
//! pair        2 × (two digits) + (1 if another pair follows)
//! length      LEB128
//! ```
//!
//! In `raw` a number's bytes are its ordered ones. The terminator 00 is never followed by FF: what may follow is a tag, text
//! or the end. So a key cut at a component's end, plus FF, lies above all keys that continue it with another component
//! and below those in which the component is longer.

use super::bytes::{Reader, corrupt, put_bytes, text};
use crate::item::{AttributeValue, MIN_MAGNITUDE, Number};
use crate::kv;

/// Set in an ordered component's tag, clear in a raw one's.
const RAW: u8 = 0x10;
const ORDERED: u8 = 0x20;

const BINARY: u8 = 1;
const NUMBER: u8 = 2;
const STRING: u8 = 3;

/// Stands between the sort keys and the base key of an index entry.
pub const BASE_KEY: u8 = 0x30;

const BELOW_ZERO: u8 = 0x01;
const ZERO: u8 = 0x02;
const ABOVE_ZERO: u8 = 0x03;

/// Pairs of digits in the longest number.
const MOST_PAIRS: usize = 19;

/// The value of a key attribute: of the ten datatypes, three can be keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyValue<'a> {
    S(&'a str),
    N(Number),
    B(&'a [u8]),
}

impl<'a> KeyValue<'a> {
    /// The value as a key, if it is a string, a number or binary.
    pub const fn of(value: &'a AttributeValue) -> Option<Self> {
        match value {
            AttributeValue::S(text) => Some(Self::S(text.as_str())),
            AttributeValue::N(number) => Some(Self::N(*number)),
            AttributeValue::B(bytes) => Some(Self::B(bytes.as_slice())),
            _ => None,
        }
    }

    pub fn to_value(self) -> AttributeValue {
        match self {
            Self::S(text) => AttributeValue::S(text.to_owned()),
            Self::N(number) => AttributeValue::N(number),
            Self::B(bytes) => AttributeValue::B(bytes.to_vec()),
        }
    }

    const fn datatype(self) -> u8 {
        match self {
            Self::B(_) => BINARY,
            Self::N(_) => NUMBER,
            Self::S(_) => STRING,
        }
    }

    /// The first byte of the value's ordered component.
    pub const fn ordered_tag(self) -> u8 {
        ORDERED | self.datatype()
    }
}

/// Appends the value as a raw component.
pub fn put_raw(out: &mut Vec<u8>, value: KeyValue<'_>) {
    out.push(RAW | value.datatype());
    match value {
        KeyValue::S(text) => put_bytes(out, text.as_bytes()),
        KeyValue::B(bytes) => put_bytes(out, bytes),
        KeyValue::N(number) => {
            let at = out.len();
            out.push(0);
            put_number(out, &number);
            // At most 21, so one byte of LEB128.
            let length = (out.len() - at - 1) as u8;
            if let Some(byte) = out.get_mut(at) {
                *byte = length;
            }
        }
    }
}

/// Appends the value as an ordered component.
pub fn put_ordered(out: &mut Vec<u8>, value: KeyValue<'_>) {
    out.push(value.ordered_tag());
    match value {
        KeyValue::S(text) => put_text(out, text),
        KeyValue::B(bytes) => {
            put_escaped(out, bytes);
            out.push(0);
        }
        KeyValue::N(number) => put_number(out, &number),
    }
}

/// Appends `text` escaped and terminated.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_escaped(out, text.as_bytes());
    out.push(0);
}

/// Appends `bytes` escaped, without the terminator: the beginning of every component that begins so.
pub fn put_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xFF);
        }
    }
}

/// Whether an ordered component comes next.
pub fn is_ordered(reader: &Reader<'_>) -> bool {
    reader.peek().is_some_and(|tag| tag & 0xF0 == ORDERED)
}

/// Whether a raw component comes next.
pub fn is_raw(reader: &Reader<'_>) -> bool {
    reader.peek().is_some_and(|tag| tag & 0xF0 == RAW)
}

pub fn read_raw(reader: &mut Reader<'_>) -> kv::Result<AttributeValue> {
    let tag = reader.byte()?;
    let bytes = reader.bytes()?;
    match tag ^ RAW {
        STRING => Ok(AttributeValue::S(text(bytes)?.to_owned())),
        BINARY => Ok(AttributeValue::B(bytes.to_vec())),
        NUMBER => {
            let mut digits = Reader::new(bytes);
            let number = read_number(&mut digits)?;
            digits.finish()?;
            Ok(AttributeValue::N(number))
        }
        _ => Err(corrupt("not a key's datatype")),
    }
}

pub fn read_ordered(reader: &mut Reader<'_>) -> kv::Result<AttributeValue> {
    match reader.byte()? ^ ORDERED {
        STRING => read_text(reader).map(AttributeValue::S),
        BINARY => read_escaped(reader).map(AttributeValue::B),
        NUMBER => read_number(reader).map(AttributeValue::N),
        _ => Err(corrupt("not a key's datatype")),
    }
}

pub fn read_text(reader: &mut Reader<'_>) -> kv::Result<String> {
    String::from_utf8(read_escaped(reader)?).map_err(|_| corrupt("text is not UTF-8"))
}

/// Reads escaped bytes and their terminator.
fn read_escaped(reader: &mut Reader<'_>) -> kv::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let plain = reader.rest().iter().position(|byte| *byte == 0).ok_or_else(|| corrupt("no terminator"))?;
        bytes.extend_from_slice(reader.take(plain)?);
        reader.byte()?;
        if reader.peek() != Some(0xFF) {
            return Ok(bytes);
        }
        reader.byte()?;
        bytes.push(0);
    }
}

/// Appends the number so that bytes order as numbers do.
pub fn put_number(out: &mut Vec<u8>, number: &Number) {
    let (negative, coefficient, _) = number.to_parts();
    let digits = number.digits();
    if digits == 0 {
        out.push(ZERO);
        return;
    }
    let (sign, inversion) = if negative { (BELOW_ZERO, 0xFF) } else { (ABOVE_ZERO, 0) };
    out.push(sign);
    // Within the limits of numbers this is 0..=255.
    let biased = u8::try_from(i32::from(number.magnitude()) - i32::from(MIN_MAGNITUDE)).unwrap_or(u8::MAX);
    out.push(biased ^ inversion);
    let mut rest = if digits.is_multiple_of(2) { coefficient } else { coefficient * 10 };
    let start = out.len();
    // Peeled from the right, so the pair that others follow comes last.
    let mut more = 0;
    while rest > u128::from(u64::MAX) {
        out.push((((rest % 100) as u8) << 1 | more) ^ inversion);
        rest /= 100;
        more = 1;
    }
    let mut short = rest as u64;
    while short > 0 {
        out.push((((short % 100) as u8) << 1 | more) ^ inversion);
        short /= 100;
        more = 1;
    }
    if let Some(pairs) = out.get_mut(start..) {
        pairs.reverse();
    }
}

pub fn read_number(reader: &mut Reader<'_>) -> kv::Result<Number> {
    let damaged = || corrupt("not a number");
    let (negative, inversion) = match reader.byte()? {
        ZERO => return Ok(Number::ZERO),
        ABOVE_ZERO => (false, 0),
        BELOW_ZERO => (true, 0xFF),
        _ => return Err(damaged()),
    };
    let magnitude = i16::from(reader.byte()? ^ inversion) + MIN_MAGNITUDE;
    let mut coefficient = 0_u128;
    let mut digits = 0_i16;
    loop {
        let byte = reader.byte()? ^ inversion;
        let pair = byte >> 1;
        let first = digits == 0;
        digits += 2;
        if pair > 99 || (first && pair < 10) || usize::from(digits.unsigned_abs()) > 2 * MOST_PAIRS {
            return Err(damaged());
        }
        coefficient = coefficient * 100 + u128::from(pair);
        if byte & 1 == 0 {
            if pair == 0 {
                return Err(damaged());
            }
            break;
        }
    }
    Number::from_parts(negative, coefficient, magnitude + 1 - digits).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;
    use crate::keyspace::arbitrary::{any_key, any_number};

    fn ordered(value: KeyValue<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        put_ordered(&mut out, value);
        out
    }

    /// DynamoDB's order of two sort keys of one type.
    fn expected(one: KeyValue<'_>, two: KeyValue<'_>) -> Option<Ordering> {
        match (one, two) {
            (KeyValue::S(one), KeyValue::S(two)) => Some(one.as_bytes().cmp(two.as_bytes())),
            (KeyValue::B(one), KeyValue::B(two)) => Some(one.cmp(two)),
            (KeyValue::N(one), KeyValue::N(two)) => Some(one.cmp(&two)),
            _ => None,
        }
    }

    #[test]
    fn components_have_their_published_bytes() -> kv::Result<()> {
        for (text, bytes) in [
            ("0", &[2][..]),
            ("1", &[3, 130, 20]),
            ("12", &[3, 131, 24]),
            ("-1", &[1, !130, !20]),
            ("123", &[3, 132, 25, 60]),
            ("1E-130", &[3, 0, 20]),
            ("1E125", &[3, 255, 20]),
        ] {
            let mut out = Vec::new();
            put_number(&mut out, &Number::parse(text).map_err(|_| corrupt(text))?);
            assert_eq!(out, bytes, "{text}");
        }
        assert_eq!(ordered(KeyValue::S("a\0")), [0x23, b'a', 0, 0xFF, 0]);
        assert_eq!(ordered(KeyValue::B(&[0xFF])), [0x21, 0xFF, 0]);
        let mut raw = Vec::new();
        put_raw(&mut raw, KeyValue::S("a\0"));
        assert_eq!(raw, [0x13, 2, b'a', 0]);
        Ok(())
    }

    proptest! {
        #[test]
        fn bytes_order_as_dynamodb_orders_sort_keys(one in any_key(), two in any_key()) {
            let (Some(one), Some(two)) = (KeyValue::of(&one), KeyValue::of(&two)) else { return Ok(()) };
            if let Some(expected) = expected(one, two) {
                prop_assert_eq!(ordered(one).cmp(&ordered(two)), expected);
            }
        }

        #[test]
        fn a_following_component_never_changes_the_order(one in any_key(), two in any_key(), follow in any_key()) {
            let (Some(one), Some(two), Some(follow)) = (KeyValue::of(&one), KeyValue::of(&two), KeyValue::of(&follow))
            else { return Ok(()) };
            if let Some(expected @ (Ordering::Less | Ordering::Greater)) = expected(one, two) {
                let mut first = ordered(one);
                put_ordered(&mut first, follow);
                let mut second = ordered(two);
                second.push(BASE_KEY);
                prop_assert_eq!(first.cmp(&second), expected);
            }
        }

        #[test]
        fn components_survive_and_end_where_they_should(value in any_key(), tail in prop::collection::vec(0_u8..0xFF, 0..3)) {
            let Some(key) = KeyValue::of(&value) else { return Ok(()) };
            let mut bytes = ordered(key);
            bytes.extend_from_slice(&tail);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(read_ordered(&mut reader), Ok(value.clone()));
            prop_assert_eq!(reader.rest(), &tail[..]);

            let mut bytes = Vec::new();
            put_raw(&mut bytes, key);
            bytes.extend_from_slice(&tail);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(read_raw(&mut reader), Ok(value));
            prop_assert_eq!(reader.rest(), &tail[..]);
        }

        #[test]
        fn numbers_are_short_and_have_one_encoding(number in any_number(), noise in prop::collection::vec(any::<u8>(), 0..24)) {
            let mut bytes = Vec::new();
            put_number(&mut bytes, &number);
            prop_assert!(bytes.len() <= 21);
            // Whatever decodes, encodes to the very bytes it was read from.
            let mut reader = Reader::new(&noise);
            if let Ok(number) = read_number(&mut reader) {
                let mut again = Vec::new();
                put_number(&mut again, &number);
                prop_assert!(noise.starts_with(&again) && again.len() + reader.rest().len() == noise.len());
            }
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = read_ordered(&mut Reader::new(&noise));
            let _ = read_raw(&mut Reader::new(&noise));
            let _ = read_text(&mut Reader::new(&noise));
        }
    }
}
