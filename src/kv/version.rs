//! Commit versions and versionstamps: their order, their times, their bytes.
//!
//! Invariant: byte order is numeric order is commit order.

use super::{Error, Result};
use crate::clock::{Clock, Timestamp};

/// A commit version: rises with every commit, and tells its time.
///
/// The upper 48 bits are the milliseconds since the Unix epoch on the database's clock when the commit was
/// ordered, the lower 16 bits count within the millisecond; a clock that stands still or goes back only makes
/// versions rise more slowly. So stamps order records *and* carry their times, and record times can never
/// contradict stamp order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

const COUNTER_BITS: u32 = 16;
const LAST_MILLISECOND: u64 = u64::MAX >> COUNTER_BITS;

impl Version {
    pub const MIN: Self = Self(0);
    pub const MAX: Self = Self(u64::MAX);

    /// The version `counter` places into the millisecond `time`; times outside the 48 bits are clamped to them.
    pub fn at(time: Timestamp, counter: u16) -> Self {
        let millis = u64::try_from(time.millis()).unwrap_or(0).min(LAST_MILLISECOND);
        Self(millis << COUNTER_BITS | u64::from(counter))
    }

    /// The time a version carries. Inverse of [`Version::at`].
    pub const fn time(self) -> Timestamp {
        Timestamp((self.0 >> COUNTER_BITS).cast_signed())
    }

    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The version of an embedded engine's next commit: the clock's time, unless the clock stands still or went back.
    pub(super) fn following(self, clock: &Clock) -> Result<Self> {
        if self == Self::MAX {
            return Err(Error::Io("the commit versions are used up: the clock was moved to its end".to_owned()));
        }
        // The first commit only lays the database out. It gets the least version, whatever the time, so that a clock
        // that is set back before any use is believed: versions never go back afterwards.
        if self == Self::MIN {
            return Ok(self.next());
        }
        Ok(self.next().max(Self::at(clock.now(), 0)))
    }

    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }
}

/// The 10 bytes that the store stamps at commit: 8 bytes of commit version, 2 bytes of batch order, big-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Versionstamp(pub [u8; 10]);

impl Versionstamp {
    /// Bytes of a stamp.
    pub const LENGTH: usize = 10;
    pub const MIN: Self = Self([0x00; 10]);
    pub const MAX: Self = Self([0xFF; 10]);

    pub const fn new(version: Version, batch: u16) -> Self {
        let [a, b, c, d, e, f, g, h] = version.to_bytes();
        let [i, j] = batch.to_be_bytes();
        Self([a, b, c, d, e, f, g, h, i, j])
    }

    /// The smallest stamp a commit of this version may have: where reading "from this version on" begins.
    pub const fn first_of(version: Version) -> Self {
        Self::new(version, 0)
    }

    pub const fn version(self) -> Version {
        let [a, b, c, d, e, f, g, h, _, _] = self.0;
        Version::from_bytes([a, b, c, d, e, f, g, h])
    }

    pub const fn batch(self) -> u16 {
        let [.., i, j] = self.0;
        u16::from_be_bytes([i, j])
    }

    pub const fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }

    /// A stamp from exactly ten bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_gives_back_its_time_and_orders_by_it() {
        let early = Version::at(Timestamp(1_700_000_000_000), u16::MAX);
        let late = Version::at(Timestamp(1_700_000_000_001), 0);
        assert_eq!(early.time(), Timestamp(1_700_000_000_000));
        assert_eq!(early.next(), late);
        assert!(early.to_bytes() < late.to_bytes());
        assert_eq!(Version::from_bytes(late.to_bytes()), late);
    }

    #[test]
    fn times_outside_the_range_are_clamped() {
        assert_eq!(Version::at(Timestamp(-5), 0), Version::MIN);
        assert_eq!(Version::at(Timestamp(i64::MAX), u16::MAX), Version::MAX);
        assert_eq!(Version::MAX.next(), Version::MAX);
    }

    #[test]
    fn a_stamp_gives_back_version_and_batch() {
        let stamp = Versionstamp::new(Version(0x0102_0304_0506_0708), 0x090A);
        assert_eq!(stamp.as_bytes(), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!((stamp.version(), stamp.batch()), (Version(0x0102_0304_0506_0708), 0x090A));
        assert_eq!(Versionstamp::from_slice(stamp.as_bytes()), Some(stamp));
        assert_eq!(Versionstamp::from_slice(&[0; 9]), None);
    }
}
