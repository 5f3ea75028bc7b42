//! What a database that several processes share keeps of its clock.
//!
//! ```text
//! <prefix> 00 04  →   01  moves u64  frozen u8  offset from the system time, or the time it stands at, i64
//! ```

use super::bytes::{Reader, corrupt};
use crate::clock::{Mode, Timestamp};
use crate::kv;

const SHARED_CLOCK: u8 = 1;

/// How a database's clock was set last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedClock {
    /// How often it was moved: tells which of two settings is the later one.
    pub moves: u64,
    pub mode: Mode,
}

impl SharedClock {
    pub fn encode(&self) -> Vec<u8> {
        let (frozen, millis) = match self.mode {
            Mode::Running { offset } => (false, offset),
            Mode::Frozen { at } => (true, at.millis()),
        };
        let mut out = vec![SHARED_CLOCK];
        out.extend_from_slice(&self.moves.to_be_bytes());
        out.push(u8::from(frozen));
        out.extend_from_slice(&millis.to_be_bytes());
        out
    }

    pub fn decode(value: &[u8]) -> kv::Result<Self> {
        let mut reader = Reader::new(value);
        if reader.byte()? != SHARED_CLOCK {
            return Err(corrupt("clock of an unknown version"));
        }
        let moves = reader.u64()?;
        let frozen = reader.byte()?;
        let millis = i64::from_be_bytes(reader.array()?);
        reader.finish()?;
        let mode = match frozen {
            0 => Mode::Running { offset: millis },
            1 => Mode::Frozen { at: Timestamp(millis) },
            _ => return Err(corrupt("not a flag")),
        };
        Ok(Self { moves, mode })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyspace::arbitrary::any_bytes;

    proptest! {
        #[test]
        fn settings_survive_and_noise_never_panics(moves in any::<u64>(), frozen in any::<bool>(), millis in any::<i64>(), noise in any_bytes()) {
            let mode = if frozen { Mode::Frozen { at: Timestamp(millis) } } else { Mode::Running { offset: millis } };
            let clock = SharedClock { moves, mode };
            prop_assert_eq!(SharedClock::decode(&clock.encode()), Ok(clock));
            let _ = SharedClock::decode(&noise);
        }
    }
}
