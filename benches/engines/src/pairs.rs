//! The pairs that every store is given: the same ones, told by a number, so that what is read back can be checked.
//!
//! A key of 32 bytes whose first eight are random, as fdyno's keys begin with a hash, and a value of 200 bytes that does
//! not compress.

/// Bytes of one pair.
pub const BYTES: u64 = 232;

pub type Key = [u8; 32];

#[must_use]
pub fn key(number: u64) -> Key {
    let mut key = [0; 32];
    // Below 0x80, since the contract's keys end before 0xFF.
    key[..8].copy_from_slice(&(fastrand::Rng::with_seed(number).u64(..) >> 1).to_be_bytes());
    key[24..].copy_from_slice(&number.to_be_bytes());
    key
}

#[must_use]
pub fn value(number: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(!number);
    std::iter::repeat_with(|| random.u8(..)).take(200).collect()
}

/// Which pair a key is of, if it is one of ours.
#[must_use]
pub fn number(stored: &[u8]) -> Option<u64> {
    let number = u64::from_be_bytes(stored.get(24..)?.try_into().ok()?);
    (key(number) == stored).then_some(number)
}
