//! Reading and writing bytes without panics: variable-length integers, and a cursor whose every failure is `Corrupt`.
//!
//! Integers of variable length are LEB128 and have one encoding each: longer ones are refused, so that equal values always
//! have equal bytes.

use crate::kv;

pub fn corrupt(what: &str) -> kv::Error {
    kv::Error::Corrupt(what.to_owned())
}

pub fn put_varint(out: &mut Vec<u8>, value: u128) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

pub fn put_length(out: &mut Vec<u8>, length: usize) {
    put_varint(out, length as u128);
}

/// Length, then bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// A cursor over bytes read from the store.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub fn take(&mut self, length: usize) -> kv::Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| corrupt("cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> kv::Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| corrupt("cut short"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn byte(&mut self) -> kv::Result<u8> {
        self.array().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> kv::Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> kv::Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> kv::Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn varint(&mut self) -> kv::Result<u128> {
        // Nearly all of them: lengths of names and of short texts, counts, small numbers.
        if let Some((&byte @ ..0x80, rest)) = self.rest.split_first() {
            self.rest = rest;
            return Ok(u128::from(byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> kv::Result<u128> {
        let mut value = 0_u128;
        let mut shift = 0_u32;
        loop {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7F);
            // The last of at most 19 bytes may fill the remaining two bits only.
            if shift > 126 || (shift == 126 && bits > 3) {
                return Err(corrupt("integer too long"));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return if byte == 0 && shift > 0 { Err(corrupt("integer longer than need be")) } else { Ok(value) };
            }
            shift += 7;
        }
    }

    /// A length or count that can be no larger than what is left.
    pub fn length(&mut self) -> kv::Result<usize> {
        let length: usize = self.number()?;
        if length > self.rest.len() { Err(corrupt("cut short")) } else { Ok(length) }
    }

    pub fn number<T: TryFrom<u128>>(&mut self) -> kv::Result<T> {
        T::try_from(self.varint()?).map_err(|_| corrupt("integer out of range"))
    }

    /// Length, then bytes.
    pub fn bytes(&mut self) -> kv::Result<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    pub fn expect(&mut self, expected: &[u8], what: &str) -> kv::Result<()> {
        self.rest = self.rest.strip_prefix(expected).ok_or_else(|| corrupt(what))?;
        Ok(())
    }

    pub fn finish(self) -> kv::Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(corrupt("bytes left over")) }
    }
}

pub fn text(bytes: &[u8]) -> kv::Result<&str> {
    str::from_utf8(bytes).map_err(|_| corrupt("text is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_survive(value in prop_oneof![any::<u128>(), 0_u128..300, (0_u32..128).prop_map(|bit| 1 << bit)]) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn integers_have_one_encoding() {
        for bytes in [&[0x80, 0x00][..], &[0xFF; 19], &[0xFF; 20], &[0x80]] {
            assert!(Reader::new(bytes).varint().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn lengths_beyond_the_end_are_refused_before_they_cost_memory() {
        assert!(Reader::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 1, 2]).bytes().is_err());
    }
}
