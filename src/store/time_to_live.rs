//! Time to live as part of a table: switching it on and off, which items have expired, and the index that finds them.
//!
//! Items that say when they expire have an entry in an index of their own, by that number alone. The write path writes it
//! with the row, the job that fills new indexes adds older items, a sweep removes it: so expired items are found by a seek,
//! and a table without time to live has nothing of this. The index is in no list of indexes, and counted nowhere. Which
//! tables have one is noted beside the catalogue. It must not know when and by whom items are deleted.

use super::sweep::Swept;
use super::table::Table;
use super::{IndexStatus, Key, TimeToLive, Transaction};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::item::{AttributeValue, Item, Number};
use crate::keyspace::{self, IndexId, KeyRange, TableId, TableSpace};

/// The form in which tables with a time to live are noted.
const FORMAT: u8 = 1;

/// Items that expired earlier than this long ago stay for ever: AWS takes such times for mistakes ("no more than five years
/// in the past", Developer Guide, "Using time to live"). Years of 365 days.
const OLDEST_SECONDS: i64 = 5 * 365 * 24 * 60 * 60;

/// How long after a change the next one is refused: AWS documents an hour (API reference of UpdateTimeToLive).
const CHANGE_INTERVAL_MILLIS: i64 = 60 * 60 * 1000;

/// The times at which an item that is expired now may have expired: after the first, no later than the second.
fn expired_between(now: Timestamp) -> (Number, Number) {
    let now = now.seconds();
    (Number::from(now.saturating_sub(OLDEST_SECONDS)), Number::from(now))
}

impl TimeToLive {
    /// When an item expires: only numbers say so.
    fn expiry(&self, item: &Item) -> Option<Number> {
        match item.get(&self.attribute) {
            Some(AttributeValue::N(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether an item has expired, by whole seconds.
    pub(super) fn is_expired(&self, item: &Item, now: Timestamp) -> bool {
        let (after, until) = expired_between(now);
        self.expiry(item).is_some_and(|expiry| after < expiry && expiry <= until)
    }

    /// The entry of an item, if it says when it expires.
    pub(super) fn entry(&self, space: &TableSpace, item: &Item, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        let Some(expiry) = self.expiry(item) else { return Ok(None) };
        Ok(Some(space.expiry(IndexId(self.index), expiry, key.primary()?)))
    }

    /// The entries of the items that have expired at `now`.
    pub(super) fn expired(&self, space: &TableSpace, now: Timestamp) -> KeyRange {
        let (after, until) = expired_between(now);
        space.expiries(IndexId(self.index), after, until)
    }

    /// The entries of the items that are expired at `now` or will be at `until`.
    pub(super) fn expiring(&self, space: &TableSpace, now: Timestamp, until: Timestamp) -> KeyRange {
        space.expiries(IndexId(self.index), expired_between(now).0, expired_between(until).1)
    }
}

/// The moment from which on an item that expires at `expiry` is expired.
pub(super) fn moment_of(expiry: &AttributeValue) -> Option<Timestamp> {
    match expiry {
        AttributeValue::N(number) => number.ceiling().map(Timestamp::from_seconds),
        _ => None,
    }
}

/// A table with a time to live, as it is noted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Expiring {
    pub(super) realm: super::Realm,
    pub(super) name: String,
}

impl Expiring {
    pub(super) fn decode(value: &[u8]) -> Result<Self, Error> {
        Ok(keyspace::decode_versioned_json(FORMAT, value)?)
    }
}

impl Transaction {
    /// Moves an item's entry; `time_to_live` is that of its table.
    pub(super) fn write_expiry(
        &self,
        space: &TableSpace,
        time_to_live: &TimeToLive,
        key: &Key,
        old: Option<&Item>,
        new: Option<&Item>,
    ) -> Result<(), Error> {
        let entry = |item: Option<&Item>| item.map_or(Ok(None), |item| time_to_live.entry(space, item, key));
        let (old, new) = (entry(old)?, entry(new)?);
        if old == new {
            return Ok(());
        }
        if let Some(old) = old {
            self.kv().clear(&old)?;
        }
        if let Some(new) = new {
            self.kv().set(&new, &[][..])?;
        }
        Ok(())
    }

    /// Switches it on in a definition, which the caller writes; the index that is to be filled.
    ///
    /// Errors: `Validation`.
    pub(super) fn enable_time_to_live(&self, table: &mut Table, attribute: &str) -> Result<u32, Error> {
        if let Some(found) = &table.time_to_live {
            return Err(if found.attribute == attribute {
                Error::validation("TimeToLive is already enabled")
            } else {
                active_on_another(found)
            });
        }
        self.change_time_to_live(table)?;
        let index = table.next_index_id;
        table.next_index_id += 1;
        let attribute = attribute.to_owned();
        table.time_to_live = Some(TimeToLive { attribute, index, status: IndexStatus::Creating });
        let note = Expiring { realm: table.realm.clone(), name: table.name.clone() };
        let key = self.store().keyspace().expiring_table(TableId(table.id));
        self.kv().set(&key, keyspace::encode_versioned_json(FORMAT, &note)?)?;
        Ok(index)
    }

    /// Switches it off in a definition, which the caller writes; the index that is to be swept.
    ///
    /// Errors: `Validation`.
    pub(super) fn disable_time_to_live(&self, table: &mut Table, attribute: &str) -> Result<u32, Error> {
        let found = table.time_to_live.clone().ok_or_else(|| Error::validation("TimeToLive is already disabled"))?;
        if found.attribute != attribute {
            return Err(active_on_another(&found));
        }
        self.change_time_to_live(table)?;
        self.forget_expiring(table)?;
        self.leave_to_sweep(table.id, Swept::Index(found.index))?;
        table.time_to_live = None;
        Ok(found.index)
    }

    /// As if it had never been switched on; the index that is to be swept.
    pub(super) fn take_back_time_to_live(&self, table: &mut Table) -> Result<Option<u32>, Error> {
        self.forget_expiring(table)?;
        // What there was before it is longer ago than anybody asks.
        table.time_to_live_changed_millis = None;
        Ok(table.time_to_live.take().map(|found| found.index))
    }

    /// Removes the note that a table has a time to live.
    pub(super) fn forget_expiring(&self, table: &Table) -> Result<(), Error> {
        if table.time_to_live.is_some() {
            self.kv().clear(&self.store().keyspace().expiring_table(TableId(table.id)))?;
        }
        Ok(())
    }

    /// Notes the change, unless the last one was a moment ago. What the change itself is wrong about comes first, as on AWS.
    fn change_time_to_live(&self, table: &mut Table) -> Result<(), Error> {
        let now = self.store().clock().now().millis();
        let since = table.time_to_live_changed_millis.map(|last| now.saturating_sub(last).saturating_abs());
        if since.is_some_and(|since| since < CHANGE_INTERVAL_MILLIS) {
            return Err(Error::validation("Time to live has been modified multiple times within a fixed interval"));
        }
        table.time_to_live_changed_millis = Some(now);
        Ok(())
    }
}

fn active_on_another(found: &TimeToLive) -> Error {
    let attribute = &found.attribute;
    Error::Validation(format!(
        "TimeToLive is active on a different AttributeName: current AttributeName is {attribute}"
    ))
}
