//! The private log of a table's changes: what restoring to a point in time goes by, and copying a table that is written to.
//!
//! While recovery to a point in time is on, and while something is filled from the table as it was, every write also logs
//! both images of its item, in the same transaction, under a key that the commit stamps: once in the order of commits, and,
//! without images, by item. So what an item was before a place in that order is the old image of its first change from there
//! on, or the row if there is none. That never changes any more, whatever is written meanwhile: a reader of the past may
//! read page by page, each in a snapshot of its own, and have one consistent state of the table.
//!
//! Large items are pointed to, as everywhere; the change that replaced one frees it when it is trimmed. Nobody but this file,
//! `past` (which reads) and what is below (which trims) knows the log: readers of streams never see it. It must not know what
//! the past is wanted for.

use super::blob::{Loaded, release};
use super::schema::read_definition;
use super::timeline::Times;
use super::trim::{STEP, STEP_BYTES};
use super::{Key, Store, StreamViewType, Table, Transaction, corrupt};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::item::Item;
use crate::keyspace::{self, ChangeKind, Position, Record, TableId, TableSpace};
use crate::kv::{self, Isolation, RangeRead};

/// How much longer than it can be asked for the past is kept, so that whoever has begun to read it can finish.
const KEPT_LONGER_MILLIS: i64 = 60 * 60 * 1000;
/// The longest recovery period, and what is kept longer.
pub(super) const LONGEST_KEPT_MILLIS: i64 = 35 * 24 * 60 * 60 * 1000 + KEPT_LONGER_MILLIS;

impl Table {
    /// Whether its changes are logged.
    pub(super) fn is_logged(&self) -> bool {
        self.settings.point_in_time.is_some() || !self.holders.is_empty()
    }
}

impl Transaction {
    /// Logs a change; the key is given as such and as where its row lies.
    pub(super) fn log_change(
        &self,
        table: &Table,
        space: &TableSpace,
        (key, row): (&Key, &[u8]),
        old: Option<&Loaded>,
        new: Option<&Loaded>,
    ) -> Result<(), Error> {
        let frees = old.and_then(|old| old.blob);
        // What a stream's record, or a release record, frees too.
        if let Some(blob) = frees.filter(|_| table.latest_stream_label.is_some()) {
            self.kv().set(&space.owned_twice(blob), &[][..])?;
        }
        let keys: Item = key.to_item(&table.key);
        let record = Record {
            kind: match (old, new) {
                (None, _) => ChangeKind::Insert,
                (Some(_), Some(_)) => ChangeKind::Modify,
                (Some(_), None) => ChangeKind::Remove,
            },
            view: StreamViewType::NewAndOldImages,
            by_time_to_live: false,
            size: old.map_or(0, |old| old.size) + new.map_or(0, |new| new.size),
            keys: &keyspace::encode_item(&keys)?,
            old: old.map(Loaded::image).transpose()?,
            new: new.map(Loaded::image).transpose()?,
            frees,
        };
        let (incarnation, place) = (self.store().0.incarnation, self.next_logged());
        let logged = space.stamped_change(incarnation, place);
        self.kv().set_versionstamped_key(logged.key, logged.offset, record.encode())?;
        let by_item = space.stamped_change_of_item(row, incarnation, place)?;
        Ok(self.kv().set_versionstamped_key(by_item.key, by_item.offset, &[][..])?)
    }

    /// Has a table whose definition the caller writes recover to any moment from this commit on.
    pub(super) fn begin_recovery(&self, table: &Table) -> Result<(), Error> {
        let (place, offset) = Position::to_be_stamped(self.store().0.incarnation);
        let start = table.space(self.store()).log_start();
        self.kv().set_versionstamped_value(&start, place, offset)?;
        self.note_log(table.id)
    }

    /// Notes that a table has a log, so that it is trimmed.
    pub(super) fn note_log(&self, table: u64) -> Result<(), Error> {
        Ok(self.kv().set(&self.store().keyspace().logged_table(TableId(table)), &[][..])?)
    }
}

impl Store {
    /// The place in the log of a table with recovery up to which everything was committed at `at` or before, or until now; not
    /// before the first place of which that is known, and not behind what this snapshot shows.
    ///
    /// Errors: `PointInTimeRecoveryUnavailable`.
    pub(super) async fn place_in_past(
        &self,
        kv: &kv::Transaction,
        table: &Table,
        at: Option<Timestamp>,
    ) -> Result<Position, Error> {
        let start = read_place(kv, &table.space(self).log_start(), Isolation::Serializable).await?;
        let start = start.filter(|_| table.settings.point_in_time.is_some()).ok_or_else(|| no_recovery(&table.name))?;
        let next = self.position_of(kv.read_version().await?.next());
        let place = match at {
            // On a clock that stands still more may be committed at that very moment.
            Some(at) => self.times(kv).await?.position_at(at.plus_millis(1)).min(next),
            // Not by the time: where versions do not tell it, that of the last commits is a guess.
            None => next,
        };
        Ok(place.max(start.next()))
    }

    /// Whether any table has a log, so that times of long ago are asked for.
    pub(super) async fn has_logs(&self) -> Result<bool, Error> {
        self.snapshot(|transaction| async move {
            let page = transaction.range(&self.keyspace().histories().into_read().snapshot().limited(1)).await?;
            Ok(!page.pairs.is_empty())
        })
        .await
    }

    /// Removes what nobody can ask for any more.
    pub(super) async fn trim_logs(&self) -> Result<(), Error> {
        let (times, tables) = self
            .snapshot(|transaction| async move {
                let mut range = self.keyspace().histories();
                let mut tables = Vec::new();
                loop {
                    let page = transaction.range(&range.clone().into_read().snapshot().limited(STEP)).await?;
                    for pair in &page.pairs {
                        if let (table, None) = self.keyspace().parse_history(&pair.key)? {
                            tables.push(table);
                        }
                    }
                    match page.pairs.last() {
                        Some(last) if page.more => range = range.after(&last.key),
                        _ => break,
                    }
                }
                Ok::<_, Error>((self.times(&transaction).await?, tables))
            })
            .await?;
        for table in tables {
            let mut from = Some(None);
            while let Some(begin) = from {
                let times = &times;
                let step = |transaction| async move { self.trim_log_step(&transaction, table, begin, times).await };
                from = self.step(step).await?.flatten().map(Some);
            }
        }
        Ok(())
    }

    /// Removes some logged changes; where the next step begins, if there may be more.
    async fn trim_log_step(
        &self,
        transaction: &Transaction,
        id: TableId,
        begin: Option<Position>,
        times: &Times,
    ) -> Result<Option<Position>, Error> {
        let (kv, space) = (transaction.kv(), self.keyspace().table(id));
        // With conflict: whoever has changes logged again meanwhile writes a new definition.
        let Some(table) = read_definition(self.keyspace(), kv, id, Isolation::Serializable).await? else {
            // The log goes with the table.
            kv.clear(&self.keyspace().logged_table(id))?;
            return Ok(None);
        };
        let until = self.log_needed_from(kv, &table, times).await?;
        let begin = match begin {
            Some(begin) => begin,
            None => read_place(kv, &space.log_trimmed(), Isolation::Snapshot).await?.unwrap_or_default().next(),
        };
        let range = space.changes(begin, until);
        if !range.is_empty() {
            let read = RangeRead::new(range.begin.clone(), range.end).snapshot().limited(STEP).byte_limited(STEP_BYTES);
            let page = kv.range(&read).await?;
            let mut last = None;
            for pair in &page.pairs {
                let (record, place) = (Record::decode(&pair.value)?, space.parse_change(&pair.key)?);
                if let Some(blob) = record.frees {
                    release(kv, &space, blob).await?;
                }
                let keys = keyspace::decode_item(record.keys)?;
                let key = Key::of(&table.key, &keys).ok_or_else(|| corrupt("a logged change without its key"))?;
                kv.clear(&space.change_of_item(&space.item(key.primary()?), place)?)?;
                last = Some((place, &pair.key));
            }
            if let Some((place, key)) = last {
                kv.clear_range(&range.begin, &keyspace::successor(key))?;
                kv.set(&space.log_trimmed(), &place.to_bytes()[..])?;
                if page.more {
                    return Ok(Some(place.next()));
                }
            }
        }
        if until.is_none() {
            kv.clear(&self.keyspace().logged_table(id))?;
        }
        Ok(None)
    }

    /// From where on a table's log is needed: nowhere, if it is `None`.
    async fn log_needed_from(
        &self,
        kv: &kv::Transaction,
        table: &Table,
        times: &Times,
    ) -> Result<Option<Position>, Error> {
        let mut needed = table.settings.point_in_time.map(|recovery| {
            let kept = recovery.period_millis() + KEPT_LONGER_MILLIS;
            times.position_at(self.clock().now().plus_millis(-kept))
        });
        for pair in kv.range(&self.keyspace().holds(TableId(table.id)).into_read()).await?.pairs {
            let held = decode_place(&pair.value)?.next();
            needed = Some(needed.map_or(held, |needed| needed.min(held)));
        }
        Ok(needed)
    }
}

/// AWS's error for a table of which nothing is logged.
pub(super) fn no_recovery(name: &str) -> Error {
    Error::PointInTimeRecoveryUnavailable(format!("Point in time recovery is not enabled for table '{name}'"))
}

pub(super) async fn read_place(
    kv: &kv::Transaction,
    key: &[u8],
    isolation: Isolation,
) -> Result<Option<Position>, Error> {
    kv.get(key, isolation).await?.map(|value| decode_place(&value)).transpose()
}

fn decode_place(value: &[u8]) -> Result<Position, Error> {
    value.try_into().map(Position::from_bytes).map_err(|_| corrupt("a place in a log"))
}
