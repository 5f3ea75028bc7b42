//! Frames of the log: one for each round of commits, and marks between them.
//!
//! ```text
//! magic u32 | payload length u32 | checksum u64 | payload
//!
//! payload of a round:   01 | round u64 | version u64 | changes
//! payload of a seal:    02 | round u64                    the log goes on in the next segment
//! payload of a close:   03 | round u64                    the database was closed in good order
//!
//! a change:   00 | key | value        set
//!             01 | key                clear
//!             02 | begin | end        clear of a range
//! ```
//!
//! Numbers are big-endian; a key or value is its length as u32 and its bytes. The checksum covers the payload and,
//! as its seed, the segment and the place of the frame in it: bytes of another place or another life of the file
//! never pass. Rounds are numbered without gaps, so what is missing shows. Invariant: what decodes was written so.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::super::ranges::KeyRange;
use super::super::{Bytes, Version};
use super::tree::Progress;

const MAGIC: [u8; 4] = *b"\xFDfd1";
/// Bytes before the payload.
pub(super) const HEADER: usize = 16;
/// The largest payload: more than any round needs.
const MAX_PAYLOAD: usize = 64 * 1024 * 1024;

const ROUND: u8 = 1;
const SEAL: u8 = 2;
const CLOSE: u8 = 3;

/// Bytes of a round's payload before its changes.
const ROUND_HEADER: usize = 17;

const SET: u8 = 0;
const CLEAR: u8 = 1;
const CLEAR_RANGE: u8 = 2;

/// One step of a round, to be applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Set(Bytes, Bytes),
    Clear(Bytes),
    ClearRange(KeyRange),
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Round { round: u64, version: Version, steps: Vec<Step> },
    Seal { round: u64 },
    Close { round: u64 },
}

/// What stands at some place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An entry and where the next frame begins.
    Entry(Entry, usize),
    /// The end of the file.
    End,
    /// Bytes that are no frame, or the beginning of one.
    Broken,
}

/// A frame under construction.
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn new(kind: u8, round: u64) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes.push(kind);
        bytes.extend_from_slice(&round.to_be_bytes());
        Self { bytes }
    }

    pub(super) fn round(round: u64, version: Version) -> Self {
        let mut writer = Self::new(ROUND, round);
        writer.bytes.extend_from_slice(&version.to_bytes());
        writer
    }

    pub(super) fn seal(round: u64) -> Self {
        Self::new(SEAL, round)
    }

    pub(super) fn close(round: u64) -> Self {
        Self::new(CLOSE, round)
    }

    fn text(&mut self, bytes: &[u8]) {
        // Keys and values are limited far below this.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn set(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.push(SET);
        self.text(key);
        self.text(value);
    }

    pub(super) fn clear(&mut self, key: &[u8]) {
        self.bytes.push(CLEAR);
        self.text(key);
    }

    pub(super) fn clear_range(&mut self, begin: &[u8], end: &[u8]) {
        self.bytes.push(CLEAR_RANGE);
        self.text(begin);
        self.text(end);
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What was written behind the first `len` bytes is taken back.
    pub(super) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// The frame as it stands at `offset` of a segment.
    pub(super) fn finish(mut self, segment: u64, offset: u64) -> Vec<u8> {
        let (header, payload) = self.bytes.split_at_mut(HEADER);
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let checksum = checksum(payload, segment, offset);
        header[..4].copy_from_slice(&MAGIC);
        header[4..8].copy_from_slice(&length.to_be_bytes());
        header[8..].copy_from_slice(&checksum.to_be_bytes());
        self.bytes
    }
}

fn checksum(payload: &[u8], segment: u64, offset: u64) -> u64 {
    xxh3_64_with_seed(payload, segment.rotate_left(40) ^ offset)
}

/// Reads the frame at `offset` of a segment's bytes.
pub(super) fn read(segment: u64, bytes: &[u8], offset: usize) -> Found {
    match bytes.get(offset..) {
        None | Some([]) => Found::End,
        Some(rest) => match parse(segment, rest, offset) {
            Some((entry, length)) => Found::Entry(entry, offset + length),
            None => Found::Broken,
        },
    }
}

fn parse(segment: u64, bytes: &[u8], offset: usize) -> Option<(Entry, usize)> {
    let mut reader = Reader(bytes);
    if reader.take(4)? != MAGIC {
        return None;
    }
    let length = reader.u32()? as usize;
    let expected = reader.u64()?;
    let payload = reader.take(length)?;
    if length > MAX_PAYLOAD || checksum(payload, segment, offset as u64) != expected {
        return None;
    }
    Some((decode(payload)?, HEADER + length))
}

fn decode(payload: &[u8]) -> Option<Entry> {
    let mut reader = Reader(payload);
    let (kind, round) = (reader.byte()?, reader.u64()?);
    let entry = match kind {
        SEAL => Entry::Seal { round },
        CLOSE => Entry::Close { round },
        ROUND => {
            let version = Version(reader.u64()?);
            let mut steps = Vec::new();
            while !reader.0.is_empty() {
                steps.push(match reader.byte()? {
                    SET => Step::Set(reader.text()?, reader.text()?),
                    CLEAR => Step::Clear(reader.text()?),
                    CLEAR_RANGE => Step::ClearRange((reader.text()?, reader.text()?)),
                    _ => return None,
                });
            }
            Entry::Round { round, version, steps }
        }
        _ => return None,
    };
    reader.0.is_empty().then_some(entry)
}

/// Whether any whole frame begins behind `offset`, where `last` was the round before it: then what stands there is not a torn
/// end but a damaged middle.
pub(super) fn any_behind(segment: u64, bytes: &[u8], offset: usize, last: Progress) -> bool {
    candidates(bytes, offset, last).any(|start| matches!(read(segment, bytes, start), Found::Entry(..)))
}

/// Where a frame may begin behind `offset`. Each is read as far as its length says, so places of which the first bytes
/// show that they are none are left out: a torn frame may hold data full of what looks like frames, such as a copy of the log.
fn candidates(bytes: &[u8], offset: usize, last: Progress) -> impl Iterator<Item = usize> {
    let starts = bytes.windows(MAGIC.len()).enumerate().skip(offset + 1).filter(|(_, window)| *window == MAGIC);
    starts.map(|(start, _)| start).filter(move |start| {
        // As many rounds as could stand between the two.
        let most = ((start - offset) / (HEADER + ROUND_HEADER)) as u64;
        bytes.get(*start..).is_some_and(|rest| may_be_frame(rest, last, most).is_some())
    })
}

/// Whether `bytes` begin as a frame would that stands behind the round `last` and at most so many others.
fn may_be_frame(bytes: &[u8], last: Progress, others: u64) -> Option<()> {
    let mut reader = Reader(bytes);
    reader.take(MAGIC.len())?;
    let length = reader.u32()? as usize;
    reader.u64()?;
    let mut payload = Reader(reader.take(length)?);
    let (kind, round) = (payload.byte()?, payload.u64()?);
    let rounds = last.round..=last.round.saturating_add(others);
    let fits = match kind {
        ROUND => rounds.contains(&round.checked_sub(1)?) && Version(payload.u64()?) > last.version,
        SEAL | CLOSE => rounds.contains(&round) && payload.0.is_empty(),
        _ => false,
    };
    fits.then_some(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_be_bytes)
    }

    fn text(&mut self) -> Option<Bytes> {
        let length = self.u32()? as usize;
        self.take(length).map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
        proptest::collection::vec(
            prop_oneof![
                (bytes(), bytes()).prop_map(|(key, value)| Step::Set(key, value)),
                bytes().prop_map(Step::Clear),
                (bytes(), bytes()).prop_map(Step::ClearRange),
            ],
            0..8,
        )
    }

    fn frame(round: u64, steps: &[Step], segment: u64, offset: u64) -> Vec<u8> {
        let mut writer = Writer::round(round, Version(round * 7));
        for step in steps {
            match step {
                Step::Set(key, value) => writer.set(key, value),
                Step::Clear(key) => writer.clear(key),
                Step::ClearRange((begin, end)) => writer.clear_range(begin, end),
            }
        }
        writer.finish(segment, offset)
    }

    proptest! {
        #[test]
        fn a_frame_gives_back_what_was_written(round in 0_u64..1 << 40, steps in steps(), segment in any::<u64>()) {
            let bytes = frame(round, &steps, segment, 0);
            let expected = Entry::Round { round, version: Version(round * 7), steps };
            prop_assert_eq!(read(segment, &bytes, 0), Found::Entry(expected, bytes.len()));
            prop_assert_eq!(read(segment, &bytes, bytes.len()), Found::End);
        }

        #[test]
        fn a_frame_with_any_bit_flipped_or_any_end_cut_off_is_broken(steps in steps(), at in any::<prop::sample::Index>(), bit in 0..8) {
            let bytes = frame(3, &steps, 1, 0);
            let mut flipped = bytes.clone();
            flipped[at.index(bytes.len())] ^= 1_u8 << bit;
            prop_assert_eq!(read(1, &flipped, 0), Found::Broken);
            let cut = at.index(bytes.len());
            prop_assert_eq!(read(1, &bytes[..cut], 0), if cut == 0 { Found::End } else { Found::Broken });
        }

        #[test]
        fn noise_is_broken_and_never_a_panic(noise in proptest::collection::vec(any::<u8>(), 1..200)) {
            prop_assert_eq!(read(1, &noise, 0), Found::Broken);
            let _ = decode(&noise);
        }
    }

    #[test]
    fn a_frame_is_valid_in_its_own_place_only() {
        let bytes = frame(1, &[], 4, 100);
        let place = |offset: usize| [vec![0; offset], bytes.clone()].concat();
        assert!(matches!(read(4, &place(100), 100), Found::Entry(..)));
        assert_eq!(read(4, &place(101), 101), Found::Broken);
        assert_eq!(read(5, &place(100), 100), Found::Broken);
    }

    #[test]
    fn a_whole_frame_behind_a_broken_one_is_found() {
        let first = frame(1, &[Step::Clear(b"k".as_slice().into())], 1, 0);
        let second = frame(2, &[], 1, first.len() as u64);
        let mut bytes = [first.clone(), second].concat();
        bytes[HEADER + 2] ^= 1;
        assert_eq!(read(1, &bytes, 0), Found::Broken);
        assert!(any_behind(1, &bytes, 0, Progress::default()));
        assert!(!any_behind(1, &bytes, first.len(), Progress::default()));
        assert!(!any_behind(1, bytes.get(..bytes.len() - 1).unwrap(), 0, Progress::default()));
    }

    fn progress(round: u64) -> Progress {
        Progress { round, version: Version(round * 7) }
    }

    #[test]
    fn whatever_follows_a_broken_frame_is_found_however_many_stand_between() {
        for between in [0, 1, 30] {
            let mut bytes = Vec::new();
            let mut last = 0;
            for round in 5..=5 + between {
                last = bytes.len();
                bytes.extend(frame(round, &[], 1, last as u64));
            }
            for end in
                [Writer::seal(5 + between), Writer::close(5 + between), Writer::round(6 + between, Version(1_000))]
            {
                let at = bytes.len();
                let whole = [bytes.clone(), end.finish(1, at as u64)].concat();
                // All in between are as broken as the first.
                let broken = |byte: usize| if byte < at && (byte % 33 == 20) { 1 } else { 0 };
                let whole: Vec<u8> = whole.iter().enumerate().map(|(at, byte)| byte ^ broken(at)).collect();
                assert_eq!(read(1, &whole, last), Found::Broken);
                assert!(any_behind(1, &whole, 0, progress(4)), "{between}");
            }
        }
    }

    /// Data like that may lie in a frame that a crash tore. Work is counted in bytes that would be hashed.
    #[test]
    fn what_only_looks_like_frames_costs_no_hashing() {
        let log: Vec<u8> = (1..=200).fold(Vec::new(), |mut log, round| {
            let at = log.len() as u64;
            log.extend(frame(round, &[Step::Clear(b"key".as_slice().into())], 1, at));
            log
        });
        let magic_and_length = [&MAGIC[..], &1_000_u32.to_be_bytes()].concat();
        let with =
            |kind: u8, round: u64| [&magic_and_length[..], &[0; 8], &[kind], &round.to_be_bytes(), &[0xFF; 8]].concat();
        let patterns = [
            MAGIC.to_vec(),
            magic_and_length.clone(),
            with(4, 201),
            with(ROUND, 200),
            with(ROUND, 1 << 40),
            with(SEAL, 200),
            log,
        ];
        for pattern in patterns {
            let data = pattern.repeat(100_000 / pattern.len());
            let torn = frame(201, &[Step::Set(b"key".as_slice().into(), data.into())], 1, 0);
            let torn = &torn[..torn.len() - 1];
            assert_eq!(candidates(torn, 0, progress(200)).count(), 0);
            assert!(!any_behind(1, torn, 0, progress(200)));
        }
    }
}
