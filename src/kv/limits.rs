//! FoundationDB's limits, enforced by every engine, and the checks of single keys, values and ranges.

use super::{Error, Result};

/// Largest key, in bytes.
pub const KEY: usize = 10_000;
/// Largest value, in bytes.
pub const VALUE: usize = 100_000;
/// Largest transaction: keys, values and conflict ranges together, in bytes.
pub const TRANSACTION: usize = 10_000_000;
/// What the place of a stamp takes of a key or value: a cluster's client gets it behind them, and counts it.
pub const STAMP_PLACE: usize = 4;
/// Oldest a transaction's snapshot may grow, in milliseconds of machine time.
pub const AGE_MILLIS: u64 = 5_000;

/// Whether a key may be written.
pub(super) fn check_key(key: &[u8]) -> Result<()> {
    if key.len() > KEY {
        return Err(Error::KeyTooLarge(key.len()));
    }
    if key.first() == Some(&0xFF) { Err(Error::KeyOutsideLegalRange) } else { Ok(()) }
}

/// Whether a key with a stamp in it may be written.
pub(super) fn check_stamped_key(key: &[u8], offset: usize) -> Result<()> {
    if key.len() > KEY - STAMP_PLACE {
        return Err(Error::KeyTooLarge(key.len() + STAMP_PLACE));
    }
    // The stamp's place must not decide whether the key is legal: its first byte never comes close to 0xFF.
    if offset > 0 { check_key(key) } else { Ok(()) }
}

/// Whether a value with a stamp in it may be written.
pub(super) fn check_stamped_value(value: &[u8]) -> Result<()> {
    if value.len() > VALUE - STAMP_PLACE { Err(Error::ValueTooLarge(value.len() + STAMP_PLACE)) } else { Ok(()) }
}

/// Whether a value may be written.
pub(super) fn check_value(value: &[u8]) -> Result<()> {
    if value.len() > VALUE { Err(Error::ValueTooLarge(value.len())) } else { Ok(()) }
}

/// Checks a range and cuts its ends: no key is so long that more of them could matter.
pub(super) fn check_range<'a>(begin: &'a [u8], end: &'a [u8]) -> Result<(&'a [u8], &'a [u8])> {
    if begin > end {
        return Err(Error::InvertedRange);
    }
    if end > [0xFF].as_slice() {
        return Err(Error::KeyOutsideLegalRange);
    }
    let cut = |key: &'a [u8]| key.get(..=KEY).unwrap_or(key);
    Ok((cut(begin), cut(end)))
}
