//! Keys of what runs beside the requests: samples of the time, jobs that outlive whoever began them, expiry of tokens, and
//! which tables have a time to live.
//!
//! ```text
//! <prefix> 08 <incarnation u16> <versionstamp 10>      →   01  clock i64  moving u8  previous version u64, clock i64, time i64
//! <prefix> 09 <table id u64> <kind u8> <index id u32>  →   job, JSON
//! <prefix> 0a <minute u64> <token key behind its family>   →   empty: the minute in which the token may go
//! <prefix> 0c <table id u64>                               →   the table's name, JSON
//! ```
//!
//! A sample says what a clock showed when a commit got its version. Its value and its key together hold all that its
//! own time follows from, so samples never change and can be removed from the front.

use super::bytes::{Reader, corrupt};
use super::range::KeyRange;
use super::{Family, Keyspace, Realm, StampedKey, TableId};
use crate::clock::Timestamp;
use crate::kv::{self, Version, Versionstamp};

const SAMPLE: u8 = 1;

/// What a sampler knew: written as the value beneath the stamp that its commit gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleValue {
    /// What the sampler's clock showed.
    pub clock: Timestamp,
    /// Whether that clock was running.
    pub moving: bool,
    /// The sample before, of the same incarnation: its version, what its clock showed, its time. Of the first sample, nothing.
    pub previous: Option<PreviousSample>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviousSample {
    pub version: Version,
    pub clock: Timestamp,
    pub moving: bool,
    pub time: Timestamp,
}

impl SampleValue {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![SAMPLE];
        out.extend_from_slice(&self.clock.millis().to_be_bytes());
        out.push(u8::from(self.moving));
        if let Some(previous) = &self.previous {
            out.extend_from_slice(&previous.version.to_bytes());
            out.extend_from_slice(&previous.clock.millis().to_be_bytes());
            out.push(u8::from(previous.moving));
            out.extend_from_slice(&previous.time.millis().to_be_bytes());
        }
        out
    }

    pub fn decode(value: &[u8]) -> kv::Result<Self> {
        let mut reader = Reader::new(value);
        if reader.byte()? != SAMPLE {
            return Err(corrupt("sample of the time of an unknown version"));
        }
        let clock = time(&mut reader)?;
        let moving = flag(&mut reader)?;
        let previous = if reader.is_empty() {
            None
        } else {
            let version = Version::from_bytes(reader.array()?);
            let clock = time(&mut reader)?;
            let moving = flag(&mut reader)?;
            Some(PreviousSample { version, clock, moving, time: time(&mut reader)? })
        };
        reader.finish()?;
        Ok(Self { clock, moving, previous })
    }
}

fn time(reader: &mut Reader<'_>) -> kv::Result<Timestamp> {
    reader.array().map(|bytes| Timestamp(i64::from_be_bytes(bytes)))
}

fn flag(reader: &mut Reader<'_>) -> kv::Result<bool> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(corrupt("not a flag")),
    }
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobKind {
    /// Returns the space of what is no longer reachable.
    Sweep = 0,
    /// Gives rows their entries in new indexes.
    Fill = 1,
    /// Fills a new table, or a backup, with the items of another.
    Transfer = 4,
}

/// A job's name: one of a kind for each table and index; index 0 stands for the table itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobId {
    pub table: TableId,
    pub kind: JobKind,
    pub index: u32,
}

impl Keyspace {
    fn samples_of(&self, incarnation: u16) -> Vec<u8> {
        let mut key = self.family(Family::Samples);
        key.extend_from_slice(&incarnation.to_be_bytes());
        key
    }

    /// The key that a commit gives its sample: the store puts the versionstamp in.
    pub fn stamped_sample(&self, incarnation: u16) -> StampedKey {
        let mut key = self.samples_of(incarnation);
        let offset = key.len();
        key.extend_from_slice(&[0xFF; 10]);
        StampedKey { key, offset }
    }

    pub fn sample(&self, incarnation: u16, stamp: Versionstamp) -> Vec<u8> {
        let mut key = self.samples_of(incarnation);
        key.extend_from_slice(stamp.as_bytes());
        key
    }

    /// All samples of an incarnation, in the order of their versions.
    pub fn samples(&self, incarnation: u16) -> KeyRange {
        KeyRange::prefix(self.samples_of(incarnation))
    }

    pub fn parse_sample(&self, key: &[u8]) -> kv::Result<(u16, Versionstamp)> {
        let mut reader = self.open(Family::Samples, key)?;
        let parsed = (reader.u16()?, Versionstamp(reader.array()?));
        reader.finish()?;
        Ok(parsed)
    }

    pub fn job(&self, job: JobId) -> Vec<u8> {
        let mut key = self.jobs_of_table(job.table).begin;
        key.push(job.kind as u8);
        key.extend_from_slice(&job.index.to_be_bytes());
        key
    }

    pub fn jobs_of_table(&self, table: TableId) -> KeyRange {
        let mut prefix = self.family(Family::Jobs);
        prefix.extend_from_slice(&table.0.to_be_bytes());
        KeyRange::prefix(prefix)
    }

    pub fn all_jobs(&self) -> KeyRange {
        KeyRange::prefix(self.family(Family::Jobs))
    }

    pub fn parse_job(&self, key: &[u8]) -> kv::Result<JobId> {
        let mut reader = self.open(Family::Jobs, key)?;
        let table = TableId(reader.u64()?);
        let kind = match reader.byte()? {
            0 => JobKind::Sweep,
            1 => JobKind::Fill,
            4 => JobKind::Transfer,
            _ => return Err(corrupt("job of an unknown kind")),
        };
        let index = reader.u32()?;
        reader.finish()?;
        Ok(JobId { table, kind, index })
    }

    /// Where it is noted that a table has a time to live, so that nobody has to look through all definitions.
    pub fn expiring_table(&self, table: TableId) -> Vec<u8> {
        let mut key = self.family(Family::Expiring);
        key.extend_from_slice(&table.0.to_be_bytes());
        key
    }

    /// The notes of all tables with a time to live.
    pub fn expiring_tables(&self) -> KeyRange {
        KeyRange::prefix(self.family(Family::Expiring))
    }

    pub fn parse_expiring_table(&self, key: &[u8]) -> kv::Result<TableId> {
        let mut reader = self.open(Family::Expiring, key)?;
        let table = TableId(reader.u64()?);
        reader.finish()?;
        Ok(table)
    }

    /// Where it is noted that a token may go in this minute.
    pub fn token_expiry(&self, minute: u64, realm: Realm<'_>, token: &str) -> kv::Result<Vec<u8>> {
        let token = self.token(realm, token);
        let mut key = self.family(Family::TokenExpiries);
        key.extend_from_slice(&minute.to_be_bytes());
        key.extend_from_slice(self.open(Family::Tokens, &token)?.rest());
        Ok(key)
    }

    /// The notes of all minutes before `minute`.
    pub fn token_expiries_before(&self, minute: u64) -> KeyRange {
        let begin = self.family(Family::TokenExpiries);
        let mut end = begin.clone();
        end.extend_from_slice(&minute.to_be_bytes());
        KeyRange::new(begin, end)
    }

    /// The key of the token that a note is about.
    pub fn token_of_expiry(&self, key: &[u8]) -> kv::Result<Vec<u8>> {
        let mut reader = self.open(Family::TokenExpiries, key)?;
        reader.u64()?;
        let mut token = self.family(Family::Tokens);
        token.extend_from_slice(reader.rest());
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyspace::arbitrary::{any_bytes, any_text};

    proptest! {
        #[test]
        fn samples_survive_and_noise_never_panics(
            clocks in any::<[i64; 3]>(), version in any::<u64>(), flags in any::<[bool; 3]>(), noise in any_bytes(),
        ) {
            let [clock, previous_clock, time] = clocks.map(Timestamp);
            let [moving, had_one, was_moving] = flags;
            let previous = had_one.then_some(PreviousSample {
                version: Version(version), clock: previous_clock, moving: was_moving, time,
            });
            let value = SampleValue { clock, moving, previous };
            prop_assert_eq!(SampleValue::decode(&value.encode()), Ok(value));
            let _ = SampleValue::decode(&noise);
        }

        #[test]
        fn keys_survive_under_any_prefix(prefix in any_bytes(), table in any::<u64>(), index in any::<u32>(), minute in any::<u64>(), token in any_text()) {
            let keyspace = Keyspace::new(prefix);
            let job = JobId { table: TableId(table), kind: JobKind::Fill, index };
            prop_assert_eq!(keyspace.parse_job(&keyspace.job(job)), Ok(job));
            let expiring = keyspace.expiring_table(job.table);
            prop_assert_eq!(keyspace.parse_expiring_table(&expiring), Ok(job.table));
            prop_assert!(keyspace.expiring_tables().contains(&expiring) || keyspace.prefix.first() == Some(&0xFF));
            let stamp = Versionstamp::first_of(Version(table));
            prop_assert_eq!(keyspace.parse_sample(&keyspace.sample(7, stamp)), Ok((7, stamp)));
            let realm = Realm { account: "1", region: "r" };
            let note = keyspace.token_expiry(minute, realm, &token)?;
            prop_assert_eq!(keyspace.token_of_expiry(&note)?, keyspace.token(realm, &token));
            prop_assert!(!keyspace.token_expiries_before(minute).contains(&note));
            prop_assert!(minute == u64::MAX || keyspace.token_expiries_before(minute + 1).contains(&note));
        }
    }
}
