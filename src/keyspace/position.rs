//! Where a change record stands in its table's history, and the sequence number that shows it.
//!
//! ```text
//! position         incarnation u16, versionstamp 10 bytes, user version u16        112 bits, orders as its bytes
//! sequence number  10^33 + those 112 bits, in decimal                              always 34 digits
//! ```
//!
//! 2^112 is 5.19 × 10^33, so the sum stays below 10^34: text order and numeric order agree. AWS's are 21 to 40 digits.

use std::fmt;

use crate::kv::{Version, Versionstamp};

const OFFSET: u128 = 10_u128.pow(33);
const DIGITS: usize = 34;
const BITS: u32 = 112;

/// A place in the order of a table's change records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Rises when the database is copied to an engine with other versions.
    pub incarnation: u16,
    /// The commit.
    pub stamp: Versionstamp,
    /// Orders the records of one commit.
    pub user_version: u16,
}

impl Position {
    pub const BYTES: usize = 14;

    /// Before every record that a commit of `version` or later writes in this incarnation.
    pub const fn before_version(incarnation: u16, version: Version) -> Self {
        Self { incarnation, stamp: Versionstamp::first_of(version), user_version: 0 }
    }

    /// A value that the store makes the place behind all records of one commit, and where it puts the commit's stamp.
    pub fn to_be_stamped(incarnation: u16) -> (Vec<u8>, usize) {
        (Self { incarnation, stamp: Versionstamp::MIN, user_version: u16::MAX }.to_bytes().to_vec(), 2)
    }

    /// The version of the commit.
    pub const fn version(&self) -> Version {
        self.stamp.version()
    }

    /// The very next place; of the last place, that place itself.
    #[must_use]
    pub fn next(&self) -> Self {
        Self::from_bits(self.to_bits() + 1).unwrap_or(*self)
    }

    /// The place before; of the first place, that place itself.
    #[must_use]
    pub fn previous(&self) -> Self {
        self.to_bits().checked_sub(1).and_then(Self::from_bits).unwrap_or(*self)
    }

    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let [_, _, bytes @ ..] = self.to_bits().to_be_bytes();
        bytes
    }

    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let [a, b, stamp @ .., y, z] = bytes;
        Self {
            incarnation: u16::from_be_bytes([a, b]),
            stamp: Versionstamp(stamp),
            user_version: u16::from_be_bytes([y, z]),
        }
    }

    fn to_bits(self) -> u128 {
        let stamp = self.stamp.0.iter().fold(0, |bits: u128, byte| bits << 8 | u128::from(*byte));
        u128::from(self.incarnation) << 96 | stamp << 16 | u128::from(self.user_version)
    }

    fn from_bits(bits: u128) -> Option<Self> {
        let [high, low, bytes @ ..] = bits.to_be_bytes();
        (high == 0 && low == 0).then(|| Self::from_bytes(bytes))
    }

    /// Reads a sequence number; `None` if it is not one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Self::from_bits(text.parse::<u128>().ok()?.checked_sub(OFFSET)?)
    }
}

/// The sequence number.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In two halves: dividing 128 bits is slow, and every record has a number.
        const HALF: u128 = 10_u128.pow(17);
        let number = OFFSET + self.to_bits();
        let mut digits = [b'0'; DIGITS];
        let (high, low) = digits.split_at_mut(DIGITS / 2);
        for (half, part) in [(high, number / HALF), (low, number % HALF)] {
            let mut rest = part as u64;
            for digit in half.iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        f.write_str(str::from_utf8(&digits).unwrap_or_default())
    }
}

const _: () = assert!(OFFSET + (1 << BITS) < 10 * OFFSET, "sequence numbers must keep their width");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_position() -> impl Strategy<Value = Position> {
        let edge = prop_oneof![Just([0; 14]), Just([0xFF; 14]), any::<[u8; 14]>()];
        edge.prop_map(Position::from_bytes)
    }

    proptest! {
        #[test]
        fn sequence_numbers_are_34_digits_and_order_as_text(one in any_position(), two in any_position()) {
            prop_assert_eq!(one.to_string().len(), DIGITS);
            prop_assert_eq!(one.to_string(), (OFFSET + one.to_bits()).to_string());
            prop_assert_eq!(one.to_string().cmp(&two.to_string()), one.cmp(&two));
            prop_assert_eq!(one.to_bytes().cmp(&two.to_bytes()), one.cmp(&two));
            prop_assert_eq!(Position::parse(&one.to_string()), Some(one));
            prop_assert_eq!(Position::from_bytes(one.to_bytes()), one);
        }

        #[test]
        fn nothing_else_is_a_sequence_number(text in "[0-9]{33,35}|[0-9+ -]{34}|\\PC{0,40}") {
            if let Some(position) = Position::parse(&text) {
                prop_assert_eq!(position.to_string(), text);
            }
        }

        #[test]
        fn next_is_the_least_place_above(position in any_position()) {
            prop_assert!(position.next() >= position);
            prop_assert!(position.next().to_bits() - position.to_bits() <= 1);
            prop_assert!(position.to_bits() - position.previous().to_bits() <= 1);
            prop_assert!(position.next() == position || position.next().previous() == position);
        }
    }

    #[test]
    fn a_value_is_stamped_as_a_place_is_written() {
        let stamp = Versionstamp([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let (mut value, offset) = Position::to_be_stamped(3);
        value.splice(offset..offset + 10, stamp.0);
        let place = value.try_into().map(Position::from_bytes);
        assert_eq!(place, Ok(Position { incarnation: 3, stamp, user_version: u16::MAX }));
    }

    #[test]
    fn a_version_comes_before_its_own_records() {
        let start = Position::before_version(3, Version(7));
        assert_eq!(start.version(), Version(7));
        let stamp = Versionstamp([0, 0, 0, 0, 0, 0, 0, 6, 0xFF, 0xFF]);
        assert!(Position { incarnation: 3, stamp, user_version: u16::MAX } < start);
        assert_eq!(start.to_string().len(), 34);
        assert_eq!(Position::parse(&"9".repeat(34)), None);
        assert_eq!(Position::parse(&format!("0{}", "9".repeat(33))), None);
    }
}
