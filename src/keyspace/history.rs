//! Keys of what is kept of a table's past, and of copies of it: logged changes, which tables have them, backups.
//!
//! ```text
//! <table> l <incarnation u16> <versionstamp 10> <user version u16>    logged change, as a change record of both images
//! <table> o <an item's key> <the same 14 bytes>                       that the item changed there; empty
//! <table> s <blob id 16>                     a blob that a change record and a logged change free both; empty
//! <table> m 05                               the commit from which on changes are logged: position, 14 bytes
//! <table> m 06                               the last logged change that was removed: position, 14 bytes
//! <prefix> 11 <table id u64>                 that a table has a log: its name, JSON
//! <prefix> 11 <table id u64> <holder u64>    that its past is needed by the table `holder`, which is being filled: position
//! <prefix> 12 <account> <region> <table> <backup>   backup, JSON
//! ```
//!
//! The log is written in the order of commits, by which it is trimmed; it is found by item, since what is asked for is what an
//! item was. No item's key is the beginning of another's in the same table, so entries lie in the order of the items.

use super::bytes::{Reader, corrupt};
use super::range::KeyRange;
use super::table::{CHUNKS_OWNED_TWICE, ITEMS, LOG, LOG_OF_ITEMS, METADATA, StampedKey, TableSpace};
use super::tuple::{put_text, read_text};
use super::{BlobId, Family, Keyspace, Position, Realm, TableId};
use crate::kv::{self, after_prefix};

/// A backup's full name, read back from a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupName {
    pub account: String,
    pub region: String,
    pub table: String,
    pub backup: String,
}

/// Appends a place that the store completes at commit; where the stamp goes.
fn put_place(key: &mut Vec<u8>, incarnation: u16, user_version: u16) -> usize {
    key.extend_from_slice(&incarnation.to_be_bytes());
    let offset = key.len();
    key.extend_from_slice(&[0xFF; 10]);
    key.extend_from_slice(&user_version.to_be_bytes());
    offset
}

impl TableSpace {
    /// The commit from which on changes are logged.
    pub fn log_start(&self) -> Vec<u8> {
        let mut key = self.family(METADATA, 1);
        key.push(5);
        key
    }

    /// The last logged change that was removed.
    pub fn log_trimmed(&self) -> Vec<u8> {
        let mut key = self.family(METADATA, 1);
        key.push(6);
        key
    }

    /// The key under which a commit logs a change: the store puts its versionstamp in.
    pub fn stamped_change(&self, incarnation: u16, user_version: u16) -> StampedKey {
        let mut key = self.family(LOG, Position::BYTES);
        let offset = put_place(&mut key, incarnation, user_version);
        StampedKey { key, offset }
    }

    pub fn change(&self, position: Position) -> Vec<u8> {
        let mut key = self.family(LOG, Position::BYTES);
        key.extend_from_slice(&position.to_bytes());
        key
    }

    pub fn parse_change(&self, key: &[u8]) -> kv::Result<Position> {
        let mut reader = self.open(LOG, key)?;
        let position = Position::from_bytes(reader.array()?);
        reader.finish()?;
        Ok(position)
    }

    /// The logged changes from `from` on and, if `until` is given, before it.
    pub fn changes(&self, from: Position, until: Option<Position>) -> KeyRange {
        let end = until.map_or_else(|| after_prefix(&self.family(LOG, 0)), |until| self.change(until));
        let begin = self.change(from);
        KeyRange::new(begin.clone(), end.max(begin))
    }

    pub fn all_changes(&self) -> KeyRange {
        KeyRange::prefix(self.family(LOG, 0))
    }

    /// The key under which a commit notes that the item of `row` changed; `row` is where [`TableSpace::item`] has it.
    pub fn stamped_change_of_item(&self, row: &[u8], incarnation: u16, user_version: u16) -> kv::Result<StampedKey> {
        let mut key = self.changes_of_item(row)?;
        let offset = put_place(&mut key, incarnation, user_version);
        Ok(StampedKey { key, offset })
    }

    pub fn change_of_item(&self, row: &[u8], position: Position) -> kv::Result<Vec<u8>> {
        let mut key = self.changes_of_item(row)?;
        key.extend_from_slice(&position.to_bytes());
        Ok(key)
    }

    fn changes_of_item(&self, row: &[u8]) -> kv::Result<Vec<u8>> {
        let item = self.open(ITEMS, row)?.rest();
        let mut key = self.family(LOG_OF_ITEMS, item.len() + Position::BYTES);
        key.extend_from_slice(item);
        Ok(key)
    }

    /// The changes of the items whose rows lie between two bounds: rows, what lies just behind all that begins with a row's key,
    /// or the ends of all items.
    pub fn changes_of_items(&self, rows: &KeyRange) -> KeyRange {
        let bound =
            |bound: &[u8]| self.changes_of_item(bound).unwrap_or_else(|_| after_prefix(&self.family(LOG_OF_ITEMS, 0)));
        KeyRange::new(bound(&rows.begin), bound(&rows.end))
    }

    /// The row of the item that changed, and where.
    pub fn parse_change_of_item(&self, key: &[u8]) -> kv::Result<(Vec<u8>, Position)> {
        let rest = self.open(LOG_OF_ITEMS, key)?.rest();
        let (item, position) =
            rest.split_last_chunk().ok_or_else(|| corrupt("a change of an item without its place"))?;
        let mut row = self.family(ITEMS, item.len());
        row.extend_from_slice(item);
        Ok((row, Position::from_bytes(*position)))
    }

    /// Where it is noted that a change record and a logged change free the same blob: whoever comes first removes the note.
    pub fn owned_twice(&self, blob: BlobId) -> Vec<u8> {
        let mut key = self.family(CHUNKS_OWNED_TWICE, 16);
        key.extend_from_slice(&blob.0);
        key
    }

    pub fn all_owned_twice(&self) -> KeyRange {
        KeyRange::prefix(self.family(CHUNKS_OWNED_TWICE, 0))
    }

    pub fn parse_owned_twice(&self, key: &[u8]) -> kv::Result<BlobId> {
        let mut reader = self.open(CHUNKS_OWNED_TWICE, key)?;
        let blob = BlobId(reader.array()?);
        reader.finish()?;
        Ok(blob)
    }
}

impl Keyspace {
    /// Where it is noted that a table has a log, so that nobody has to look through all definitions.
    pub fn logged_table(&self, table: TableId) -> Vec<u8> {
        let mut key = self.family(Family::Histories);
        key.extend_from_slice(&table.0.to_be_bytes());
        key
    }

    /// Up to where the table `holder`, which is being filled, needs the past of `table`.
    pub fn hold(&self, table: TableId, holder: TableId) -> Vec<u8> {
        let mut key = self.logged_table(table);
        key.extend_from_slice(&holder.0.to_be_bytes());
        key
    }

    pub fn holds(&self, table: TableId) -> KeyRange {
        // The note that it has a log has the same beginning, and no more.
        let note = self.logged_table(table);
        KeyRange::new(super::range::successor(&note), after_prefix(&note))
    }

    /// The notes of all tables that have a log, and what holds their past.
    pub fn histories(&self) -> KeyRange {
        KeyRange::prefix(self.family(Family::Histories))
    }

    /// The table, and the holder if it is a hold.
    pub fn parse_history(&self, key: &[u8]) -> kv::Result<(TableId, Option<TableId>)> {
        let mut reader = self.open(Family::Histories, key)?;
        let table = TableId(reader.u64()?);
        let holder = if reader.is_empty() { None } else { Some(TableId(reader.u64()?)) };
        reader.finish()?;
        Ok((table, holder))
    }

    fn backup_names(&self, names: &[&str]) -> Vec<u8> {
        let mut key = self.family(Family::Backups);
        for name in names {
            put_text(&mut key, name);
        }
        key
    }

    pub fn backup(&self, realm: Realm<'_>, table: &str, backup: &str) -> Vec<u8> {
        self.backup_names(&[realm.account, realm.region, table, backup])
    }

    /// The backups of one account and region in the order of table and name, those of tables of one name, or all of both
    /// kinds behind `after`, a table's name and a backup's.
    pub fn backups(&self, realm: Realm<'_>, table: Option<&str>, after: Option<(&str, &str)>) -> KeyRange {
        let names = [realm.account, realm.region, table.unwrap_or_default()];
        let stem = if table.is_some() { &names[..] } else { &names[..2] };
        let all = KeyRange::components_under(self.backup_names(stem));
        match after {
            Some((table, backup)) => all.after(&self.backup(realm, table, backup)),
            None => all,
        }
    }

    /// The backups of every account and region.
    pub fn all_backups(&self) -> KeyRange {
        KeyRange::prefix(self.family(Family::Backups))
    }

    pub fn parse_backup(&self, key: &[u8]) -> kv::Result<BackupName> {
        let mut reader: Reader<'_> = self.open(Family::Backups, key)?;
        let mut name = || read_text(&mut reader);
        let (account, region, table, backup) = (name()?, name()?, name()?, name()?);
        reader.finish()?;
        Ok(BackupName { account, region, table, backup })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::item::AttributeValue;
    use crate::keyspace::arbitrary::{any_bytes, any_key, any_text};
    use crate::keyspace::{KeyValue, PrimaryKey};

    const REALM: Realm<'static> = Realm { account: "000000000000", region: "eu-west-1" };

    fn row(space: &TableSpace, value: &AttributeValue) -> kv::Result<Vec<u8>> {
        let partition = KeyValue::of(value).ok_or_else(|| corrupt("no key"))?;
        Ok(space.item(PrimaryKey { partition, sort: None }))
    }

    proptest! {
        #[test]
        fn changes_lie_in_the_order_of_their_items_and_of_their_places(
            values in [any_key(), any_key()], places in [any::<[u8; 14]>(), any::<[u8; 14]>()],
        ) {
            let space = Keyspace::new(*b"db").table(TableId(7));
            let [one, two] = [row(&space, &values[0])?, row(&space, &values[1])?];
            let places = places.map(Position::from_bytes);
            let keys = [space.change_of_item(&one, places[0])?, space.change_of_item(&two, places[1])?];
            prop_assert_eq!(keys[0].cmp(&keys[1]), (&one, places[0]).cmp(&(&two, places[1])));
            prop_assert_eq!(space.parse_change_of_item(&keys[0]), Ok((one.clone(), places[0])));
            let behind_one = KeyRange::new(after_prefix(&one), space.items().end);
            prop_assert_eq!(space.changes_of_items(&behind_one).contains(&keys[1]), two > one);
            prop_assert!(!space.changes_of_items(&behind_one).contains(&keys[0]));
            let until_one = KeyRange::new(space.items().begin, after_prefix(&one));
            prop_assert_eq!(space.changes_of_items(&until_one).contains(&keys[1]), two <= one);
            prop_assert!(space.changes_of_items(&space.items()).contains(&keys[0]));
            prop_assert_eq!(space.parse_change(&space.change(places[0])), Ok(places[0]));
            prop_assert!(space.all_changes().contains(&space.change(places[0])));
            let stamped = space.stamped_change_of_item(&one, places[0].incarnation, places[0].user_version)?;
            let mut key = stamped.key;
            key.splice(stamped.offset..stamped.offset + 10, places[0].stamp.0);
            prop_assert_eq!(&key, &keys[0]);
        }

        #[test]
        fn backups_and_holds_survive_and_stay_apart(names in [any_text(), any_text()], other in any_text(), tables in any::<[u64; 3]>(), noise in any_bytes()) {
            let keyspace = Keyspace::new(*b"db");
            let [table, backup] = names;
            let key = keyspace.backup(REALM, &table, &backup);
            let found = keyspace.parse_backup(&key)?;
            prop_assert_eq!((&found.account[..], &found.region[..]), (REALM.account, REALM.region));
            prop_assert_eq!((&found.table, &found.backup), (&table, &backup));
            prop_assert!(keyspace.backups(REALM, None, None).contains(&key) && keyspace.all_backups().contains(&key));
            prop_assert_eq!(keyspace.backups(REALM, Some(&other), None).contains(&key), other == table);
            prop_assert_eq!(
                keyspace.backups(REALM, Some(&table), Some((&table, &other))).contains(&key),
                backup.as_bytes() > other.as_bytes()
            );
            let [one, two, holder] = tables.map(TableId);
            let hold = keyspace.hold(one, holder);
            prop_assert_eq!(keyspace.parse_history(&hold), Ok((one, Some(holder))));
            prop_assert_eq!(keyspace.parse_history(&keyspace.logged_table(one)), Ok((one, None)));
            prop_assert_eq!(keyspace.holds(two).contains(&hold), one == two);
            prop_assert!(!keyspace.holds(one).contains(&keyspace.logged_table(one)));
            let space = keyspace.table(one);
            prop_assert_eq!(space.parse_owned_twice(&space.owned_twice(BlobId([7; 16]))), Ok(BlobId([7; 16])));
            let mut noisy = keyspace.backup_names(&[]);
            noisy.extend(noise);
            let _ = (keyspace.parse_backup(&noisy), keyspace.parse_history(&noisy), space.parse_change_of_item(&noisy));
        }
    }
}
