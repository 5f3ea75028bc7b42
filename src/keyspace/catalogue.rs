//! The keys that belong to the database as a whole.
//!
//! ```text
//! <prefix> 00 00      format version                      <prefix> 00 03      next table id, u64
//! <prefix> 00 01      database id, 16 bytes               <prefix> 00 04      clock, where it is shared
//! <prefix> 00 02      incarnation, u16                    <prefix> 00 05      definitions written so far, a counter
//! <prefix> 00 06      an unfinished copy's state (seam.rs)   <prefix> 00 07      what a finished copy is of (seam.rs)
//! <prefix> 00 08      owner marks have been kept from the beginning; empty
//! <prefix> 01 <account> <region> <table>              →   table id, u64
//! <prefix> 02 <account> <region> <table> <label>      →   stream descriptor, JSON
//! <prefix> 03 <account> <region> <token>              →   token's record, JSON
//! <prefix> 04 <bucket u64> <id 16>                    →   whatever the commit that wrote it answered
//! <prefix> 04 FF*8                                    →   before which key commit ids may have been removed
//! <prefix> 05 <account> <region> <table> <name>       →   checkpoint, JSON
//! <prefix> 06 <name>                                  →   lease
//! <prefix> 07 <table id u64>                          →   trim mark: position of the last record trimmed, 14 bytes
//! <prefix> 0d <table id u64>                          →   owner mark: behind the last record that frees a blob, 14 bytes
//! <prefix> 0e <account> <name>                        →   global table of the old version, JSON
//! ```
//!
//! Names are `text` components (see [`super::tuple`]): a name is never the beginning of another.

use super::bytes::{Reader, corrupt};
use super::range::{KeyRange, successor};
use super::tuple::{put_text, read_text};
use super::{Family, Keyspace, TableId};
use crate::kv;

/// The account and region whose tables a caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Realm<'a> {
    pub account: &'a str,
    pub region: &'a str,
}

/// A table's full name, read back from a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    pub account: String,
    pub region: String,
    pub table: String,
}

/// A stream's full name, read back from a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamName {
    pub account: String,
    pub region: String,
    pub table: String,
    pub label: String,
}

/// A checkpoint's full name, read back from a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointName {
    pub account: String,
    pub region: String,
    pub table: String,
    pub name: String,
}

/// The id under which one attempt to commit leaves its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommitId {
    /// When, coarsely: old ones are cleared by range.
    pub bucket: u64,
    pub id: [u8; 16],
}

const FORMAT_VERSION: u8 = 0;
const DATABASE_ID: u8 = 1;
const INCARNATION: u8 = 2;
const NEXT_TABLE_ID: u8 = 3;
const CLOCK: u8 = 4;
const DEFINITIONS: u8 = 5;
const COPY: u8 = 6;
const FINISHED_COPY: u8 = 7;
const OWNER_MARKS: u8 = 8;

impl Keyspace {
    fn singleton(&self, which: u8) -> Vec<u8> {
        let mut key = self.family(Family::Database);
        key.push(which);
        key
    }

    pub fn format_version(&self) -> Vec<u8> {
        self.singleton(FORMAT_VERSION)
    }

    pub fn database_id(&self) -> Vec<u8> {
        self.singleton(DATABASE_ID)
    }

    pub fn incarnation(&self) -> Vec<u8> {
        self.singleton(INCARNATION)
    }

    pub fn next_table_id(&self) -> Vec<u8> {
        self.singleton(NEXT_TABLE_ID)
    }

    pub fn clock(&self) -> Vec<u8> {
        self.singleton(CLOCK)
    }

    /// Counts every change of every table's definition, so that a cache of them can tell whether it may be out of date.
    pub fn definitions(&self) -> Vec<u8> {
        self.singleton(DEFINITIONS)
    }

    /// There only while a database is being copied here.
    pub fn copy_state(&self) -> Vec<u8> {
        self.singleton(COPY)
    }

    /// There in a database that was made by copying another.
    pub fn finished_copy(&self) -> Vec<u8> {
        self.singleton(FINISHED_COPY)
    }

    /// There where every record that frees a blob has left an owner mark, so that none of them means that there is none.
    pub fn owner_marks_are_kept(&self) -> Vec<u8> {
        self.singleton(OWNER_MARKS)
    }

    fn named(&self, family: Family, names: &[&str]) -> Vec<u8> {
        let mut key = self.family(family);
        for name in names {
            put_text(&mut key, name);
        }
        key
    }

    /// Reads back as many names as `N`, and nothing behind them.
    fn names<const N: usize>(&self, family: Family, key: &[u8]) -> kv::Result<[String; N]> {
        let mut reader = self.open(family, key)?;
        let mut names = [const { String::new() }; N];
        for name in &mut names {
            *name = read_text(&mut reader)?;
        }
        reader.finish()?;
        Ok(names)
    }

    /// Where a table's id is found by its name.
    pub fn table_id(&self, realm: Realm<'_>, table: &str) -> Vec<u8> {
        self.named(Family::Catalogue, &[realm.account, realm.region, table])
    }

    /// The tables of one account and region in the order of their names, those after `after` if it is given.
    pub fn tables(&self, realm: Realm<'_>, after: Option<&str>) -> KeyRange {
        let all = KeyRange::components_under(self.named(Family::Catalogue, &[realm.account, realm.region]));
        match after {
            Some(table) => all.after(&self.table_id(realm, table)),
            None => all,
        }
    }

    /// Where a global table of the old version is found.
    pub fn global_table(&self, account: &str, name: &str) -> Vec<u8> {
        self.named(Family::GlobalTables, &[account, name])
    }

    /// The global tables of one account in the order of their names, those after `after` if it is given.
    pub fn global_tables(&self, account: &str, after: Option<&str>) -> KeyRange {
        let all = KeyRange::components_under(self.named(Family::GlobalTables, &[account]));
        match after {
            Some(name) => all.after(&self.global_table(account, name)),
            None => all,
        }
    }

    /// The name of a global table.
    pub fn parse_global_table(&self, key: &[u8]) -> kv::Result<String> {
        let [_, name] = self.names(Family::GlobalTables, key)?;
        Ok(name)
    }

    /// The tables of every account and region.
    pub fn all_tables(&self) -> KeyRange {
        KeyRange::prefix(self.family(Family::Catalogue))
    }

    pub fn parse_table_id(&self, key: &[u8]) -> kv::Result<TableName> {
        let [account, region, table] = self.names(Family::Catalogue, key)?;
        Ok(TableName { account, region, table })
    }

    /// Where a stream's descriptor is found.
    pub fn stream(&self, realm: Realm<'_>, table: &str, label: &str) -> Vec<u8> {
        self.named(Family::Streams, &[realm.account, realm.region, table, label])
    }

    /// The streams of one account and region in the order of table and label, those after `after` if it is given.
    pub fn streams(&self, realm: Realm<'_>, after: Option<(&str, &str)>) -> KeyRange {
        let all = KeyRange::components_under(self.named(Family::Streams, &[realm.account, realm.region]));
        match after {
            Some((table, label)) => all.after(&self.stream(realm, table, label)),
            None => all,
        }
    }

    /// The streams that tables of this name have had, in the order of their labels, those after `after` if it is given.
    pub fn streams_of_table(&self, realm: Realm<'_>, table: &str, after: Option<&str>) -> KeyRange {
        let all = KeyRange::components_under(self.named(Family::Streams, &[realm.account, realm.region, table]));
        match after {
            Some(label) => all.after(&self.stream(realm, table, label)),
            None => all,
        }
    }

    /// The streams of every account and region.
    pub fn all_streams(&self) -> KeyRange {
        KeyRange::prefix(self.family(Family::Streams))
    }

    pub fn parse_stream(&self, key: &[u8]) -> kv::Result<StreamName> {
        let [account, region, table, label] = self.names(Family::Streams, key)?;
        Ok(StreamName { account, region, table, label })
    }

    /// Where a client request token is remembered.
    pub fn token(&self, realm: Realm<'_>, token: &str) -> Vec<u8> {
        self.named(Family::Tokens, &[realm.account, realm.region, token])
    }

    /// The tokens of every account and region.
    pub fn all_tokens(&self) -> KeyRange {
        KeyRange::prefix(self.family(Family::Tokens))
    }

    /// Account, region and token.
    pub fn parse_token(&self, key: &[u8]) -> kv::Result<[String; 3]> {
        self.names(Family::Tokens, key)
    }

    pub fn commit_id(&self, commit: CommitId) -> Vec<u8> {
        let mut key = self.family(Family::CommitIds);
        key.extend_from_slice(&commit.bucket.to_be_bytes());
        key.extend_from_slice(&commit.id);
        key
    }

    /// The commit ids of the buckets below `bucket`.
    pub fn commit_ids_below(&self, bucket: u64) -> KeyRange {
        let begin = self.family(Family::CommitIds);
        let mut end = begin.clone();
        end.extend_from_slice(&bucket.to_be_bytes());
        KeyRange::new(begin, end)
    }

    /// Where it says before which key commit ids may have been removed. Behind all of them.
    pub fn removed_commit_ids(&self) -> Vec<u8> {
        self.commit_ids_below(u64::MAX).end
    }

    /// The bucket before which they may have been.
    pub fn parse_removed_commit_ids(&self, value: &[u8]) -> kv::Result<u64> {
        let mut reader = self.open(Family::CommitIds, value)?;
        let bucket = reader.u64()?;
        reader.finish()?;
        Ok(bucket)
    }

    pub fn parse_commit_id(&self, key: &[u8]) -> kv::Result<CommitId> {
        let mut reader = self.open(Family::CommitIds, key)?;
        let commit = CommitId { bucket: reader.u64()?, id: reader.array()? };
        reader.finish()?;
        Ok(commit)
    }

    /// How far the consumer called `name` has come in the streams of tables of this name.
    pub fn checkpoint(&self, realm: Realm<'_>, table: &str, name: &str) -> Vec<u8> {
        self.named(Family::Checkpoints, &[realm.account, realm.region, table, name])
    }

    /// The checkpoints of one account and region in the order of table and name, or those in tables of one name.
    pub fn checkpoints(&self, realm: Realm<'_>, table: Option<&str>) -> KeyRange {
        let names = [realm.account, realm.region, table.unwrap_or_default()];
        let stem = if table.is_some() { &names[..] } else { &names[..2] };
        KeyRange::components_under(self.named(Family::Checkpoints, stem))
    }

    pub fn parse_checkpoint(&self, key: &[u8]) -> kv::Result<CheckpointName> {
        let [account, region, table, name] = self.names(Family::Checkpoints, key)?;
        Ok(CheckpointName { account, region, table, name })
    }

    /// Who does the job called `name`.
    pub fn lease(&self, name: &str) -> Vec<u8> {
        self.named(Family::Leases, &[name])
    }

    pub fn parse_lease(&self, key: &[u8]) -> kv::Result<String> {
        self.names(Family::Leases, key).map(|[name]| name)
    }

    /// Up to where a table's change records have been trimmed, whichever of its streams they belonged to.
    pub fn trim_mark(&self, table: TableId) -> Vec<u8> {
        let mut key = self.family(Family::TrimMarks);
        key.extend_from_slice(&table.0.to_be_bytes());
        key
    }

    /// Behind which position no change record of a table frees a blob: from there on they can be removed unread.
    pub fn owner_mark(&self, table: TableId) -> Vec<u8> {
        let mut key = self.family(Family::OwnerMarks);
        key.extend_from_slice(&table.0.to_be_bytes());
        key
    }

    pub fn parse_trim_mark(&self, key: &[u8]) -> kv::Result<TableId> {
        let mut reader = self.open(Family::TrimMarks, key)?;
        let table = TableId(reader.u64()?);
        reader.finish()?;
        Ok(table)
    }
}

impl TableId {
    /// The id as the catalogue's value.
    pub const fn encode(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    pub fn decode(value: &[u8]) -> kv::Result<Self> {
        let mut reader = Reader::new(value);
        let id = Self(reader.u64()?);
        reader.finish()?;
        Ok(id)
    }

    /// The id that follows; ids are never given out twice.
    pub fn following(self) -> kv::Result<Self> {
        self.0.checked_add(1).map(Self).ok_or_else(|| corrupt("out of table ids"))
    }
}

/// Just the key, as a range to read or to conflict on.
impl KeyRange {
    pub fn single(key: &[u8]) -> Self {
        Self::new(key.to_vec(), successor(key))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyspace::arbitrary::{any_bytes, any_text};

    const REALM: Realm<'static> = Realm { account: "000000000000", region: "eu-west-1" };

    proptest! {
        #[test]
        fn names_survive_under_any_prefix(prefix in any_bytes(), names in [any_text(), any_text(), any_text(), any_text()]) {
            let keyspace = Keyspace::new(prefix);
            let [account, region, table, label] = names;
            let realm = Realm { account: &account, region: &region };
            let stream = keyspace.stream(realm, &table, &label);
            prop_assert!(keyspace.all_streams().contains(&stream) || keyspace.prefix.first() == Some(&0xFF));
            prop_assert_eq!(
                keyspace.parse_stream(&stream),
                Ok(StreamName { account: account.clone(), region: region.clone(), table: table.clone(), label: label.clone() })
            );
            prop_assert!(keyspace.parse_table_id(&stream).is_err());
            let key = keyspace.table_id(realm, &table);
            prop_assert_eq!(keyspace.parse_table_id(&key).map(|name| name.table), Ok(table.clone()));
            let checkpoint = keyspace.checkpoint(realm, &label, &table);
            prop_assert_eq!(keyspace.parse_checkpoint(&checkpoint).map(|found| (found.table, found.name)), Ok((label.clone(), table.clone())));
            prop_assert!(keyspace.checkpoints(realm, None).contains(&checkpoint));
            prop_assert!(keyspace.checkpoints(realm, Some(&label)).contains(&checkpoint));
            prop_assert_eq!(keyspace.checkpoints(realm, Some(&table)).contains(&checkpoint), table == label);
            prop_assert_eq!(keyspace.parse_trim_mark(&keyspace.trim_mark(TableId(7))), Ok(TableId(7)));
            prop_assert_eq!(keyspace.parse_lease(&keyspace.lease(&label)), Ok(label));
            prop_assert_eq!(keyspace.parse_token(&keyspace.token(realm, &table)), Ok([account.clone(), region.clone(), table]));
        }

        #[test]
        fn tables_list_in_the_order_of_their_names_after_any_name(one in any_text(), two in any_text()) {
            let keyspace = Keyspace::new(*b"db");
            let key = keyspace.table_id(REALM, &one);
            prop_assert_eq!(key.cmp(&keyspace.table_id(REALM, &two)), one.as_bytes().cmp(two.as_bytes()));
            prop_assert_eq!(keyspace.tables(REALM, Some(&two)).contains(&key), one.as_bytes() > two.as_bytes());
            prop_assert!(keyspace.tables(REALM, None).contains(&key));
            for region in ["eu-west-2", "eu-west", "eu-west-10"] {
                let elsewhere = keyspace.tables(Realm { region, ..REALM }, None);
                prop_assert!(!elsewhere.contains(&key));
            }
        }

        #[test]
        fn streams_continue_after_table_and_label(one in [any_text(), any_text()], two in [any_text(), any_text()]) {
            let keyspace = Keyspace::default();
            let ([table, label], [other_table, other_label]) = (one, two);
            let key = keyspace.stream(REALM, &table, &label);
            let later = (table.as_bytes(), label.as_bytes()) > (other_table.as_bytes(), other_label.as_bytes());
            prop_assert_eq!(keyspace.streams(REALM, Some((&other_table, &other_label))).contains(&key), later);
            prop_assert_eq!(keyspace.streams_of_table(REALM, &other_table, None).contains(&key), table == other_table);
            prop_assert_eq!(
                keyspace.streams_of_table(REALM, &other_table, Some(&other_label)).contains(&key),
                table == other_table && label.as_bytes() > other_label.as_bytes()
            );
        }

        #[test]
        fn commit_ids_fall_by_bucket(bucket in 0..u64::MAX, below in any::<u64>(), id in any::<[u8; 16]>()) {
            let keyspace = Keyspace::new(*b"db");
            let key = keyspace.commit_id(CommitId { bucket, id });
            prop_assert_eq!(keyspace.commit_ids_below(below).contains(&key), bucket < below);
            prop_assert_eq!(keyspace.parse_commit_id(&key), Ok(CommitId { bucket, id }));
            let removed = keyspace.commit_ids_below(below).end;
            prop_assert_eq!(key < removed, bucket < below);
            prop_assert_eq!(keyspace.parse_removed_commit_ids(&removed), Ok(below));
            prop_assert!(key < keyspace.removed_commit_ids() && !keyspace.commit_ids_below(below).contains(&keyspace.removed_commit_ids()));
        }

        #[test]
        fn noise_is_corrupt_and_never_a_panic(noise in any_bytes(), family in 0_u8..8) {
            let keyspace = Keyspace::default();
            let mut key = vec![family];
            key.extend(noise);
            let _ = (keyspace.parse_table_id(&key), keyspace.parse_stream(&key), keyspace.parse_token(&key));
            let _ = (keyspace.parse_commit_id(&key), keyspace.parse_checkpoint(&key), keyspace.parse_lease(&key));
            let _ = (keyspace.parse_trim_mark(&key), TableId::decode(&key));
        }
    }

    #[test]
    fn families_and_databases_stay_apart() {
        let (one, two) = (Keyspace::new(*b"a"), Keyspace::new(*b"b"));
        let keys = [
            one.format_version(),
            one.database_id(),
            one.incarnation(),
            one.next_table_id(),
            one.clock(),
            one.definitions(),
            one.copy_state(),
            one.finished_copy(),
            one.owner_marks_are_kept(),
            one.table_id(REALM, "t"),
            one.stream(REALM, "t", "l"),
            one.token(REALM, "t"),
            one.lease("t"),
            one.trim_mark(TableId(1)),
            one.expiring_table(TableId(1)),
            one.owner_mark(TableId(1)),
            one.global_table("1", "t"),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert!(one.everything().contains(key) && !two.everything().contains(key));
            assert!(keys.iter().skip(at + 1).all(|other| other > key), "families are in order and distinct");
        }
        assert_eq!(TableId::decode(&TableId(9).encode()), Ok(TableId(9)));
        assert_eq!(TableId(9).following(), Ok(TableId(10)));
        assert!(TableId(u64::MAX).following().is_err());
    }
}
