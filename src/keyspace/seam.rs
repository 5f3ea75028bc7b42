//! What a database keeps of having been copied: where its earlier incarnations ended, a copy that is under way, and what
//! it is a copy of.
//!
//! ```text
//! <prefix> 00 06                 →   the state of a copy into this place that is not finished, JSON
//! <prefix> 00 07                 →   versionstamp 10 of the commit that finished the copy, then what it is of, JSON
//! <prefix> 0b <incarnation u16>  →   01  told u8  last version u64  time i64       where that incarnation ended
//! ```
//!
//! A copy writes one seam, for the incarnation that it ends; those of earlier copies come along with everything else. Seams
//! never change and are few, so they are kept for ever.

use super::bytes::{Reader, corrupt};
use super::range::KeyRange;
use super::{Family, Keyspace};
use crate::clock::Timestamp;
use crate::kv::{self, Version};

const SEAM: u8 = 1;

/// Where an incarnation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seam {
    /// Whether its versions told the time by themselves; otherwise its samples do.
    pub told: bool,
    /// The last version there can be of it.
    pub version: Version,
    /// The time of that version: no record of it is later, no record of a later incarnation is earlier.
    pub time: Timestamp,
}

impl Seam {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![SEAM, u8::from(self.told)];
        out.extend_from_slice(&self.version.to_bytes());
        out.extend_from_slice(&self.time.millis().to_be_bytes());
        out
    }

    pub fn decode(value: &[u8]) -> kv::Result<Self> {
        let mut reader = Reader::new(value);
        if reader.byte()? != SEAM {
            return Err(corrupt("end of an incarnation of an unknown version"));
        }
        let told = match reader.byte()? {
            0 => false,
            1 => true,
            _ => return Err(corrupt("not a flag")),
        };
        let version = Version::from_bytes(reader.array()?);
        let time = Timestamp(i64::from_be_bytes(reader.array()?));
        reader.finish()?;
        Ok(Self { told, version, time })
    }
}

impl Keyspace {
    pub fn seam(&self, incarnation: u16) -> Vec<u8> {
        let mut key = self.family(Family::Seams);
        key.extend_from_slice(&incarnation.to_be_bytes());
        key
    }

    /// All seams, the oldest incarnation's first.
    pub fn seams(&self) -> KeyRange {
        KeyRange::prefix(self.family(Family::Seams))
    }

    pub fn parse_seam(&self, key: &[u8]) -> kv::Result<u16> {
        let mut reader = self.open(Family::Seams, key)?;
        let incarnation = reader.u16()?;
        reader.finish()?;
        Ok(incarnation)
    }

    /// What a copy that is to have this incarnation takes along, in the order of the keys. Not: what is another database's
    /// own (id, incarnation, its clock, what it is a copy of; the format version is written last), the ids of commits, which mean
    /// something to who made them, and leases, which name processes that work on the source. Nor what only the copy has:
    /// samples of its own incarnation, and the seam before it.
    pub fn copied(&self, incarnation: u16) -> Vec<KeyRange> {
        self.everything_but([
            KeyRange::single(&self.format_version()),
            KeyRange::single(&self.database_id()),
            KeyRange::single(&self.incarnation()),
            KeyRange::single(&self.clock()),
            KeyRange::single(&self.copy_state()),
            KeyRange::single(&self.finished_copy()),
            KeyRange::prefix(self.family(Family::CommitIds)),
            KeyRange::prefix(self.family(Family::Leases)),
            self.samples(incarnation),
            KeyRange::single(&self.seam(incarnation.saturating_sub(1))),
        ])
    }

    /// Where nothing may lie in a place that a database is copied to: anywhere but where a copy that is beginning writes
    /// itself.
    pub fn empty_before_copy(&self) -> Vec<KeyRange> {
        self.everything_but([KeyRange::single(&self.copy_state()), KeyRange::prefix(self.family(Family::CommitIds))])
    }

    /// `left_out` is in the order of its keys.
    fn everything_but<const N: usize>(&self, left_out: [KeyRange; N]) -> Vec<KeyRange> {
        let everything = self.everything();
        let mut begin = everything.begin;
        let mut ranges = Vec::with_capacity(N + 1);
        for range in left_out {
            ranges.push(KeyRange::new(std::mem::replace(&mut begin, range.end), range.begin));
        }
        ranges.push(KeyRange::new(begin, everything.end));
        ranges.retain(|range| !range.is_empty());
        ranges
    }

    /// A key of this database without what all of them begin with: it may have another prefix elsewhere.
    pub fn relative<'a>(&self, key: &'a [u8]) -> kv::Result<&'a [u8]> {
        key.strip_prefix(self.prefix.as_slice()).ok_or_else(|| corrupt("key outside its database"))
    }

    /// Inverse of [`Keyspace::relative`].
    pub fn absolute(&self, relative: &[u8]) -> Vec<u8> {
        [&self.prefix, relative].concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyspace::arbitrary::any_bytes;
    use crate::keyspace::{CommitId, Realm, TableId};

    proptest! {
        #[test]
        fn seams_survive_and_noise_never_panics(told in any::<bool>(), version in any::<u64>(), time in any::<i64>(), incarnation in any::<u16>(), prefix in any_bytes(), noise in any_bytes()) {
            let seam = Seam { told, version: Version(version), time: Timestamp(time) };
            prop_assert_eq!(Seam::decode(&seam.encode()), Ok(seam));
            let _ = Seam::decode(&noise);
            let keyspace = Keyspace::new(prefix);
            let key = keyspace.seam(incarnation);
            prop_assert_eq!(keyspace.parse_seam(&key), Ok(incarnation));
            prop_assert_eq!(&keyspace.absolute(keyspace.relative(&key)?), &key);
        }
    }

    #[test]
    fn a_copy_takes_all_but_what_is_the_other_databases_own() -> kv::Result<()> {
        let keyspace = Keyspace::new(*b"db");
        let realm = Realm { account: "1", region: "r" };
        let takes = |key: &[u8]| keyspace.copied(3).iter().any(|range| range.contains(key));
        let taken = [
            keyspace.next_table_id(),
            keyspace.definitions(),
            keyspace.table_id(realm, "t"),
            keyspace.stream(realm, "t", "l"),
            keyspace.token(realm, "t"),
            keyspace.checkpoint(realm, "s", "n"),
            keyspace.trim_mark(TableId(1)),
            keyspace.samples(2).begin,
            keyspace.all_jobs().begin,
            keyspace.token_expiry(1, realm, "t")?,
            keyspace.seam(1),
            keyspace.table(TableId(u64::MAX)).definition(),
        ];
        assert!(taken.iter().all(|key| takes(key)));
        let left = [
            keyspace.format_version(),
            keyspace.database_id(),
            keyspace.incarnation(),
            keyspace.clock(),
            keyspace.copy_state(),
            keyspace.finished_copy(),
            keyspace.samples(3).begin,
            keyspace.seam(2),
            keyspace.commit_id(CommitId { bucket: 1, id: [2; 16] }),
            keyspace.lease("maintenance"),
        ];
        assert!(left.iter().all(|key| !takes(key)));
        let ranges = keyspace.copied(3);
        assert!(ranges.windows(2).all(|pair| matches!(pair, [one, two] if one.end <= two.begin)));
        let must_be_free = |key: &[u8]| keyspace.empty_before_copy().iter().any(|range| range.contains(key));
        assert!(taken.iter().chain(&left[..4]).all(|key| must_be_free(key)) && !must_be_free(&left[4]));
        Ok(())
    }
}
