//! The only path on which items are written: row, index entries, counters and change record, in one transaction.
//!
//! A caller reads a [`Row`], decides, and hands it back with a [`Change`]. The write of an equal item changes nothing
//! and tells nothing. Bodies of transactions may run more than once, so nothing here has an effect before commit.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::try_join_all;
use futures_util::try_join;

use super::blob::{Loaded, free};
use super::table::key_values;
use super::{Index, IndexStatus, Key, Store, Table};
use crate::error::Error;
use crate::item::{Item, MAX_ITEM_SIZE};
use crate::keyspace::{self, ChangeKind, Counter, IndexId, IndexKey, Position, Record, TableId, TableSpace};
use crate::kv::{self, Isolation};

/// One attempt at a read-write transaction. Clones are handles to the same attempt.
#[derive(Clone)]
pub struct Transaction(Arc<Attempt>);

struct Attempt {
    store: Store,
    kv: kv::Transaction,
    /// Tables whose schema this attempt has checked, or is checking.
    fenced: Mutex<Vec<u64>>,
    /// Orders the records within the transaction's one versionstamp.
    next_user_version: AtomicU16,
    /// Does so for logged changes.
    next_logged: AtomicU16,
    /// Tables whose followers hear of the commit.
    told: Mutex<Vec<u64>>,
}

/// A row as an attempt read it, with all that writing it will need.
pub struct Row {
    key: Key,
    row_key: Vec<u8>,
    stored: Option<Loaded>,
    /// Of the indexes still being built: those that already have an entry for this row.
    built: Vec<u32>,
}

impl Row {
    pub fn item(&self) -> Option<&Item> {
        self.stored.as_ref().map(|stored| &stored.item)
    }
}

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Keep,
    /// The key attributes of the item are those of the row.
    Put(Item),
    Delete,
}

/// On whose behalf a row is written: the service's deletions carry a `userIdentity` in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    User,
    TimeToLive,
}

/// What a write did. Sizes are bytes by the item-size rule, 0 where there is no item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    pub old: Option<Item>,
    pub new: Option<Item>,
    pub old_size: usize,
    pub new_size: usize,
    /// For each index the write touched: its id, bytes of the entry removed, bytes of the entry written.
    pub indexes: Vec<(u32, usize, usize)>,
}

impl Transaction {
    pub(super) fn new(store: Store, kv: kv::Transaction) -> Self {
        let (next_user_version, next_logged) = (AtomicU16::new(0), AtomicU16::new(0));
        let (fenced, told) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Attempt { store, kv, fenced, next_user_version, next_logged, told }))
    }

    pub(super) fn kv(&self) -> &kv::Transaction {
        &self.0.kv
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.store
    }

    /// The place of the next logged change among those of this transaction.
    pub(super) fn next_logged(&self) -> u16 {
        self.0.next_logged.fetch_add(1, Ordering::Relaxed)
    }

    fn fenced(&self) -> MutexGuard<'_, Vec<u64>> {
        self.0.fenced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that `table` is current, conflicting with every change of it; once for each table and attempt.
    pub async fn fence(&self, table: &Table) -> Result<(), Error> {
        {
            let mut fenced = self.fenced();
            if fenced.contains(&table.id) {
                return Ok(());
            }
            // Before the answer is there: of many rows that are read together one asks. If its answer is no, all of this
            // attempt has failed.
            fenced.push(table.id);
        }
        self.store().fence(self.kv(), table, Isolation::Serializable).await
    }

    /// Has the followers of a table told of the commit.
    pub(super) fn tell_followers(&self, table_id: u64) {
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.contains(&table_id) {
            told.push(table_id);
            let followers = Arc::clone(&self.store().0.followers);
            self.kv().after_commit(move || followers.tell(table_id));
        }
    }

    /// Fences the table and reads the row under `key`, together.
    ///
    /// Errors: `SchemaChanged`, for dispatch to run the operation again.
    pub async fn row(&self, table: &Table, key: &Key) -> Result<Row, Error> {
        let space = table.space(self.store());
        let row_key = space.item(key.primary()?);
        let read = async { Ok::<_, Error>(self.kv().get(&row_key, Isolation::Serializable).await?) };
        let ((), value) = try_join!(self.fence(table), read)?;
        let stored = match value {
            None => None,
            Some(value) => Some(Loaded::read(self.kv(), &space, value, Isolation::Serializable).await?),
        };
        let mut entries = Vec::new();
        if let Some(stored) = &stored {
            for index in table.indexes.iter().filter(|index| index.status == IndexStatus::Creating) {
                entries.extend(entry_of(&space, index, &stored.item, key)?.map(|entry| (index.id, entry.key)));
            }
        }
        let present = entries.iter().map(|(index, entry)| async move {
            Ok::<_, Error>(self.kv().get(entry, Isolation::Serializable).await?.map(|_| *index))
        });
        let built = try_join_all(present).await?.into_iter().flatten().collect();
        Ok(Row { key: key.clone(), row_key, stored, built })
    }

    /// Writes `change` to a row of this attempt.
    ///
    /// Errors: `Validation` for an item over 400 KB.
    pub fn write(&self, table: &Table, row: Row, change: Change, actor: Actor) -> Result<Written, Error> {
        let Row { key, row_key, stored: old, built } = row;
        let new = match change {
            Change::Keep => return Ok(unchanged(old)),
            Change::Put(item) if old.as_ref().is_some_and(|old| old.item == item) => return Ok(unchanged(old)),
            Change::Put(item) => Some(item),
            Change::Delete if old.is_none() => return Ok(Written::default()),
            Change::Delete => None,
        };
        let new_size = new.as_ref().map_or(0, Item::size);
        if new_size > MAX_ITEM_SIZE {
            return Err(Error::validation("Item size has exceeded the maximum allowed size"));
        }
        let old_size = old.as_ref().map_or(0, |old| old.size);
        let space = table.space(self.store());
        let new = match new {
            None => {
                self.kv().clear(&row_key)?;
                None
            }
            Some(item) => Some(Loaded::write(self.store(), self.kv(), &space, &row_key, item, new_size)?),
        };
        let items = i64::from(new.is_some()) - i64::from(old.is_some());
        self.count(&space, IndexId::TABLE, items, old_size, new_size)?;
        let mut indexes = Vec::new();
        for index in &table.indexes {
            // Rows the backfill has not reached yet have no entry to remove and are not counted.
            let present = index.status == IndexStatus::Active || built.contains(&index.id);
            indexes.extend(self.write_index(
                table,
                &space,
                index,
                &key,
                old.as_ref().filter(|_| present),
                new.as_ref(),
            )?);
        }
        if let Some(time_to_live) = &table.time_to_live {
            let (old, new) = (old.as_ref().map(|old| &old.item), new.as_ref().map(|new| &new.item));
            self.write_expiry(&space, time_to_live, &key, old, new)?;
        }
        self.tell(table, &space, &key, old.as_ref(), new.as_ref(), actor)?;
        if table.is_logged() {
            self.log_change(table, &space, (&key, &row_key), old.as_ref(), new.as_ref())?;
        }
        Ok(Written {
            old: old.map(|loaded| loaded.item),
            new: new.map(|loaded| loaded.item),
            old_size,
            new_size,
            indexes,
        })
    }

    /// Moves an item's entry in one index; what it cost, unless the index shows the same as before.
    fn write_index(
        &self,
        table: &Table,
        space: &TableSpace,
        index: &Index,
        key: &Key,
        old: Option<&Loaded>,
        new: Option<&Loaded>,
    ) -> Result<Option<(u32, usize, usize)>, Error> {
        let entry = |loaded: Option<&Loaded>| match loaded {
            None => Ok(None),
            Some(loaded) => entry_of(space, index, &loaded.item, key),
        };
        let (old_entry, new_entry) = (entry(old)?, entry(new)?);
        let old = old.filter(|_| old_entry.is_some());
        let new = new.filter(|_| new_entry.is_some());
        if old.is_none() && new.is_none() {
            return Ok(None);
        }
        if let Some(old_entry) = &old_entry
            && new_entry.as_ref().is_none_or(|new_entry| new_entry.key != old_entry.key)
        {
            self.kv().clear(&old_entry.key)?;
        }
        if let Some(new_entry) = &new_entry
            && old_entry.as_ref() != Some(new_entry)
        {
            self.kv().set(&new_entry.key, new_entry.value.clone())?;
        }
        let size = |loaded: &Loaded| index.projected_size(&table.key, &loaded.item, loaded.size);
        let (old_size, new_size) = (old.map_or(0, size), new.map_or(0, size));
        let items = i64::from(new.is_some()) - i64::from(old.is_some());
        self.count(space, IndexId(index.id), items, old_size, new_size)?;
        let same = match (old, new) {
            (Some(old), Some(new)) => old_entry == new_entry && index.shows_same(&table.key, &old.item, &new.item),
            _ => false,
        };
        Ok((!same).then_some((index.id, old_size, new_size)))
    }

    /// Adds an entry for a row that an index being built has not seen.
    pub(super) async fn backfill_entry(
        &self,
        table: &Table,
        space: &TableSpace,
        index: &Index,
        key: &Key,
        loaded: &Loaded,
    ) -> Result<(), Error> {
        let Some(entry) = entry_of(space, index, &loaded.item, key)? else { return Ok(()) };
        if self.kv().get(&entry.key, Isolation::Serializable).await?.is_some() {
            return Ok(());
        }
        self.kv().set(&entry.key, entry.value)?;
        let size = index.projected_size(&table.key, &loaded.item, loaded.size);
        self.count(space, IndexId(index.id), 1, 0, size)
    }

    /// Atomic adds: writers of different rows never conflict over a count.
    fn count(
        &self,
        space: &TableSpace,
        index: IndexId,
        items: i64,
        old_size: usize,
        new_size: usize,
    ) -> Result<(), Error> {
        let bytes = new_size as i64 - old_size as i64;
        for (counter, delta) in [(Counter::Items, items), (Counter::Bytes, bytes)] {
            if delta != 0 {
                self.kv().add(&space.counter(index, counter), delta)?;
            }
        }
        Ok(())
    }

    /// Writes the change record, under a key that the store stamps at commit.
    fn tell(
        &self,
        table: &Table,
        space: &TableSpace,
        key: &Key,
        old: Option<&Loaded>,
        new: Option<&Loaded>,
        actor: Actor,
    ) -> Result<(), Error> {
        let (id, replaced_blob) = (TableId(table.id), old.and_then(|old| old.blob));
        let Some(stream) = &table.stream else {
            return match replaced_blob {
                None => Ok(()),
                // Records of a closed stream may still point to the blob: it goes when they do.
                Some(blob) if table.latest_stream_label.is_some() => self.put_record(id, space, &Record::release(blob)),
                // The log does.
                Some(_) if table.is_logged() => Ok(()),
                Some(blob) => free(self.kv(), space, blob),
            };
        };
        let keys = key.to_item(&table.key);
        let shown_old = old.filter(|_| stream.view.shows_old());
        let shown_new = new.filter(|_| stream.view.shows_new());
        let record = Record {
            kind: match (old, new) {
                (None, _) => ChangeKind::Insert,
                (Some(_), Some(_)) => ChangeKind::Modify,
                (Some(_), None) => ChangeKind::Remove,
            },
            view: stream.view,
            by_time_to_live: actor == Actor::TimeToLive,
            size: keys.size() + shown_old.map_or(0, |old| old.size) + shown_new.map_or(0, |new| new.size),
            keys: &keyspace::encode_item(&keys)?,
            old: shown_old.map(Loaded::image).transpose()?,
            new: shown_new.map(Loaded::image).transpose()?,
            frees: replaced_blob,
        };
        self.tell_followers(table.id);
        self.put_record(id, space, &record)
    }

    fn put_record(&self, table: TableId, space: &TableSpace, record: &Record<'_>) -> Result<(), Error> {
        let user_version = self.0.next_user_version.fetch_add(1, Ordering::Relaxed);
        let incarnation = self.store().0.incarnation;
        if record.frees.is_some() {
            let (value, offset) = Position::to_be_stamped(incarnation);
            self.kv().set_versionstamped_value(&self.store().keyspace().owner_mark(table), value, offset)?;
        }
        let stamped = space.stamped_record(incarnation, user_version);
        Ok(self.kv().set_versionstamped_key(stamped.key, stamped.offset, record.encode())?)
    }
}

fn unchanged(old: Option<Loaded>) -> Written {
    let Some(old) = old else { return Written::default() };
    let size = old.size;
    Written { new: Some(old.item.clone()), old: Some(old.item), old_size: size, new_size: size, indexes: Vec::new() }
}

/// An item's entry in an index.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Vec<u8>,
    /// Empty but in indexes of vectors.
    pub(super) value: Vec<u8>,
}

/// An item's entry in an index, if it has one.
pub(super) fn entry_of(space: &TableSpace, index: &Index, item: &Item, key: &Key) -> Result<Option<Entry>, Error> {
    let Some(index_key) = index.key_of(item) else { return Ok(None) };
    let value = match &index.vector {
        None => Vec::new(),
        Some(settings) => match settings.entry(item)? {
            Some(value) => value,
            None => return Ok(None),
        },
    };
    let (partition, sort) = (key_values(&index_key.partition)?, key_values(&index_key.sort)?);
    let entry = IndexKey { partition: &partition, sort: &sort, base: key.primary()? };
    Ok(Some(Entry { key: space.index_entry(IndexId(index.id), entry), value }))
}
