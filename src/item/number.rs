//! DynamoDB numbers: up to 38 significant digits, magnitudes 1E-130 to 9.99…E+125.

use super::Invalid;

/// A decimal number in its one normal form: `±coefficient × 10^exponent`, the coefficient without trailing zeros;
/// zero is `+0 × 10^0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    /// At most 38 digits, so it fits.
    coefficient: u128,
    exponent: i16,
}

impl Number {
    /// Parses what DynamoDB accepts as a number.
    pub fn parse(_text: &str) -> Result<Self, Invalid> {
        todo!()
    }
    pub fn checked_add(&self, _other: &Self) -> Result<Self, Invalid> {
        todo!()
    }
    pub fn checked_sub(&self, _other: &Self) -> Result<Self, Invalid> {
        todo!()
    }
}
impl Ord for Number {
    fn cmp(&self, _other: &Self) -> std::cmp::Ordering {
        todo!()
    }
}
impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl std::fmt::Display for Number {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
impl From<i64> for Number {
    fn from(_value: i64) -> Self {
        todo!()
    }
}
