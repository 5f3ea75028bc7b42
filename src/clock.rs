//! The database's own time and randomness: the only place that asks the machine for either.
//!
//! A clock is system time plus an offset, or frozen. It belongs to one database and may be moved at
//! will; nothing else in the process notices. Randomness is seeded, so that a test can replay a run.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::fork::{self, Lock};

/// A moment, in whole milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// ISO 8601 with milliseconds and without a zone, as in stream labels: `2013-01-01T10:00:00.000`.
    pub fn to_iso_millis(self) -> String {
        let time = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}",
            time.year(),
            u8::from(time.month()),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }

    /// ISO 8601 in whole seconds, rounded down: `2013-01-01T10:00:00Z`.
    pub fn to_iso_seconds(self) -> String {
        let text = self.to_iso_millis();
        format!("{}Z", text.split('.').next().unwrap_or(&text))
    }

    /// As some of DynamoDB's messages say it: `Thursday, October 8, 2026 at 11:20:48 PM Coordinated Universal Time`.
    pub fn to_english(self) -> String {
        let time = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let (half, hour) = if time.hour() < 12 { ("AM", time.hour()) } else { ("PM", time.hour() - 12) };
        format!(
            "{}, {} {}, {} at {}:{:02}:{:02} {half} Coordinated Universal Time",
            time.weekday(),
            time.month(),
            time.day(),
            time.year(),
            if hour == 0 { 12 } else { hour },
            time.minute(),
            time.second()
        )
    }

    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// What a clock goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// System time plus so many milliseconds.
    Running {
        offset: i64,
    },
    Frozen {
        at: Timestamp,
    },
}

impl Mode {
    fn now(self) -> Timestamp {
        match self {
            Self::Running { offset } => system_now().plus_millis(offset),
            Self::Frozen { at } => at,
        }
    }

    const fn moved(self, millis: i64) -> Self {
        match self {
            Self::Running { offset } => Self::Running { offset: offset.saturating_add(millis) },
            Self::Frozen { at } => Self::Frozen { at: at.plus_millis(millis) },
        }
    }
}

#[derive(Debug)]
struct State {
    mode: Mode,
    random: fastrand::Rng,
    /// Of a clock that is not deterministic: the process, counted by forks, whose randomness this is.
    process: Option<u64>,
}

impl State {
    /// The source of randomness; a forked child draws a seed of its own, or it would repeat its parent's numbers.
    fn random(&mut self) -> &mut fastrand::Rng {
        let now = fork::generation();
        if self.process.is_some_and(|process| process != now) {
            self.random = machine_random();
            self.process = Some(now);
        }
        &mut self.random
    }
}

/// Randomness from the operating system.
fn machine_random() -> fastrand::Rng {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    fastrand::Rng::with_seed(high.rotate_left(32) ^ low)
}

/// A movable clock with a seeded source of randomness. Clones share both.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Lock<State>>);

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl Clock {
    /// System time, and a seed drawn from the machine.
    pub fn system() -> Self {
        Self::new(Mode::Running { offset: 0 }, machine_random(), Some(fork::generation()))
    }

    /// Frozen at `at`, with every random number following from `seed`: two runs are alike.
    pub fn deterministic(at: Timestamp, seed: u64) -> Self {
        Self::new(Mode::Frozen { at }, fastrand::Rng::with_seed(seed), None)
    }

    fn new(mode: Mode, random: fastrand::Rng, process: Option<u64>) -> Self {
        Self(Arc::new(Lock::new(State { mode, random, process })))
    }

    /// A clock of its own that shows the same time now: what a fork of a database gets.
    #[must_use]
    pub fn twin(&self) -> Self {
        let mut state = self.0.lock();
        let random = state.random().fork();
        Self::new(state.mode, random, state.process)
    }

    /// A clock that goes by `mode`, to reckon with.
    pub fn reckoning(mode: Mode) -> Self {
        Self::new(mode, fastrand::Rng::with_seed(0), None)
    }

    pub fn mode(&self) -> Mode {
        self.0.lock().mode
    }

    pub fn set_mode(&self, mode: Mode) {
        self.0.lock().mode = mode;
    }

    /// The machine's time in milliseconds, wherever this clock was moved: for what must happen now and then. It never passes
    /// for a deterministic clock.
    pub fn machine_millis(&self) -> i64 {
        let is_deterministic = self.0.lock().process.is_none();
        if is_deterministic { 0 } else { system_now().millis() }
    }

    pub fn now(&self) -> Timestamp {
        self.0.lock().mode.now()
    }

    pub fn is_frozen(&self) -> bool {
        matches!(self.0.lock().mode, Mode::Frozen { .. })
    }

    /// Moves the clock by `millis`, which may be negative; a frozen clock stays frozen.
    pub fn advance(&self, millis: i64) {
        let mut state = self.0.lock();
        state.mode = state.mode.moved(millis);
    }

    /// Moves the clock on to `moment`, if that lies ahead, but by `most` milliseconds at most; by how many it was moved.
    pub fn advance_towards(&self, moment: Timestamp, most: i64) -> i64 {
        let mut state = self.0.lock();
        let by = moment.0.saturating_sub(state.mode.now().0).clamp(0, most.max(0));
        state.mode = state.mode.moved(by);
        by
    }

    /// Stops the clock at the time it shows.
    pub fn freeze(&self) {
        let now = self.now();
        self.0.lock().mode = Mode::Frozen { at: now };
    }

    /// Shows `at` from now on: standing still when frozen, else running on from there.
    pub fn travel_to(&self, at: Timestamp) {
        let mut state = self.0.lock();
        state.mode = match state.mode {
            Mode::Running { .. } => Mode::Running { offset: at.0.saturating_sub(system_now().0) },
            Mode::Frozen { .. } => Mode::Frozen { at },
        };
    }

    /// What the machine's clock shows.
    pub fn system_now() -> Timestamp {
        system_now()
    }

    /// Runs again as system time, without any offset.
    pub fn resume_system_time(&self) {
        self.0.lock().mode = Mode::Running { offset: 0 };
    }

    pub fn random_u64(&self) -> u64 {
        self.0.lock().random().u64(..)
    }

    pub fn random_u128(&self) -> u128 {
        self.0.lock().random().u128(..)
    }

    /// A random version-4 UUID in its hyphenated lower-case form.
    pub fn random_uuid(&self) -> String {
        let mut state = self.0.lock();
        let bits = state.random().u128(..);
        drop(state);
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().hyphenated().to_string()
    }
}

fn system_now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_told() {
        let clock = Clock::deterministic(Timestamp(1_000), 7);
        assert_eq!(clock.now(), Timestamp(1_000));
        clock.advance(500);
        assert_eq!(clock.now(), Timestamp(1_500));
        clock.travel_to(Timestamp(10));
        assert_eq!(clock.now(), Timestamp(10));
        assert!(clock.is_frozen());
    }

    #[test]
    fn a_running_clock_keeps_its_offset_and_can_return() {
        let clock = Clock::system();
        let before = clock.now();
        clock.advance(3_600_000);
        assert!(clock.now() >= before.plus_millis(3_600_000));
        clock.resume_system_time();
        assert!(clock.now() < before.plus_millis(3_600_000));
    }

    #[test]
    fn a_clock_moves_towards_a_moment_and_never_past_it_nor_back() {
        let clock = Clock::deterministic(Timestamp(1_000), 7);
        assert_eq!(clock.advance_towards(Timestamp(1_300), 500), 300);
        assert_eq!(clock.advance_towards(Timestamp(1_300), 500), 0);
        assert_eq!(clock.advance_towards(Timestamp(9_000), 500), 500);
        assert_eq!(clock.advance_towards(Timestamp(0), 500), 0);
        assert_eq!(clock.now(), Timestamp(1_800));
    }

    #[test]
    fn equal_seeds_give_equal_randomness() {
        let at = Timestamp(0);
        let (one, two) = (Clock::deterministic(at, 3), Clock::deterministic(at, 3));
        assert_eq!(one.random_uuid(), two.random_uuid());
        assert_eq!(one.random_u64(), two.random_u64());
    }

    #[test]
    fn times_are_said_in_english() {
        let said = |millis| Timestamp(millis).to_english();
        assert_eq!(said(1_791_501_648_000), "Thursday, October 8, 2026 at 11:20:48 PM Coordinated Universal Time");
        assert_eq!(said(0), "Thursday, January 1, 1970 at 12:00:00 AM Coordinated Universal Time");
        assert_eq!(said(43_200_000), "Thursday, January 1, 1970 at 12:00:00 PM Coordinated Universal Time");
    }

    #[test]
    fn labels_are_iso_times_of_fixed_width() {
        assert_eq!(Timestamp(1_357_034_400_007).to_iso_millis(), "2013-01-01T10:00:00.007");
    }

    #[test]
    fn a_twin_moves_by_itself() {
        let clock = Clock::deterministic(Timestamp(5), 1);
        let twin = clock.twin();
        twin.advance(10);
        assert_eq!((clock.now(), twin.now()), (Timestamp(5), Timestamp(15)));
    }
}
