//! Expiry: deletes the items whose time to live is over, by themselves and soon after.
//!
//! Expired items are the beginning of an index, so looking for them is one seek a table. A step reads some entries and, in
//! the same transaction, their rows, and deletes those that are expired at that moment, through the write path, on behalf of
//! the service: whoever changes an item meanwhile makes the step conflict, and it looks again. So an item is deleted once,
//! whoever and however many do this; where processes share the database a lease keeps them from doing it in vain.
//!
//! Where a store remembers what was removed until it tidies up, a look passes over all that earlier looks deleted. So a run of
//! steps goes on from where it came (`Place`), and only the first of them looks from the beginning, where an item may have
//! been written that had expired already.
//!
//! It is done by the calls that find it due, some steps each, and by a thread (`keeper`) where nobody calls. A database in
//! which no table has a time to live asks one flag. It must not know why the time has passed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use futures_util::future::try_join_all;
use futures_util::try_join;

use super::fill::Pace;
use super::lease::Duty;
use super::time_to_live::{Expiring, moment_of};
use super::{Actor, Change, Key, READS_AT_ONCE, Store, Table, Transaction, corrupt};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::fork::Lock;
use crate::keyspace::KeyRange;
use crate::kv::{self, Isolation, RangeRead};

/// Items one step deletes.
const ITEMS: usize = 100;
/// Steps of one call that finds expiry due.
const STEPS_OF_CALL: usize = 4;
/// How long a process that shares its database may not know that a table has got a time to live from another.
const IGNORANCE_MILLIS: i64 = 5_000;
/// Definitions that may change while one table is looked at, before it is left for the next time.
const SCHEMA_ATTEMPTS: usize = 16;

/// What a handle knows of what expires.
#[derive(Default)]
pub(super) struct Expiry {
    known: Lock<Known>,
    /// Whether any table is known to have a time to live.
    any: AtomicBool,
    /// When expired items were last looked for, in database time.
    checked_millis: AtomicI64,
}

#[derive(Clone, Default)]
struct Known {
    /// Those that have a time to live, and perhaps some that had one.
    tables: Arc<Vec<(u64, Expiring)>>,
    /// Rises with every table that is added by this process, so that no older reading replaces it.
    additions: u64,
}

/// How far a run of steps has come in the index of each table: no entry that it saw lies before.
#[derive(Default)]
pub(super) struct Place(BTreeMap<u64, Vec<u8>>);

impl Place {
    /// What is left of `range`, for a look at a table.
    fn ahead(&self, table: u64, range: KeyRange) -> KeyRange {
        match self.0.get(&table) {
            Some(reached) if *reached > range.begin => KeyRange::new(reached.clone(), range.end),
            _ => range,
        }
    }
}

impl Expiry {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { checked_millis: AtomicI64::new(now.millis()), ..Self::default() }
    }

    /// All has been done that was due at this time.
    pub(super) fn looked_at(&self, now_millis: i64) {
        self.checked_millis.store(now_millis, Ordering::Relaxed);
    }

    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    fn add(&self, table: &Table) {
        let mut known = self.known.lock();
        known.additions += 1;
        let tables = Arc::make_mut(&mut known.tables);
        tables.retain(|(id, _)| *id != table.id);
        tables.push((table.id, Expiring { realm: table.realm.clone(), name: table.name.clone() }));
        self.any.store(true, Ordering::Release);
    }

    /// Takes over what was read when there had been so many additions.
    fn replace(&self, tables: Vec<(u64, Expiring)>, additions: u64) {
        let mut known = self.known.lock();
        if known.additions == additions {
            self.any.store(!tables.is_empty(), Ordering::Release);
            known.tables = Arc::new(tables);
        }
    }
}

impl Store {
    /// After a change of a table: whether it is one of those that expire.
    pub(super) fn note_expiring(&self, table: &Table) {
        if table.time_to_live.is_some() {
            self.0.expiry.add(table);
            self.keep_expiring();
        }
    }

    /// Reads which tables have a time to live.
    pub(super) async fn find_expiring_tables(&self) -> Result<(), Error> {
        let additions = self.0.expiry.known.lock().additions;
        let tables = self
            .snapshot(|transaction| async move {
                let mut range = self.keyspace().expiring_tables();
                let mut tables = Vec::new();
                loop {
                    let page = transaction.range(&range.clone().into_read().snapshot()).await?;
                    for pair in &page.pairs {
                        let id = self.keyspace().parse_expiring_table(&pair.key)?;
                        tables.push((id.0, Expiring::decode(&pair.value)?));
                    }
                    match page.pairs.last() {
                        Some(last) if page.more => range = range.after(&last.key),
                        _ => return Ok::<_, Error>(tables),
                    }
                }
            })
            .await?;
        self.0.expiry.replace(tables, additions);
        if self.0.expiry.any() {
            self.keep_expiring();
        }
        Ok(())
    }

    /// Deletes some of what has expired, if the interval has passed. One caller does it; others go on.
    pub(super) async fn expire_if_due(&self) -> Result<(), Error> {
        let Some((last, now)) = self.expiry_due() else { return Ok(()) };
        let checked = &self.0.expiry.checked_millis;
        if checked.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Ok(());
        }
        let more = self.expire(STEPS_OF_CALL, Some(Duty::Expiry), &mut Place::default()).await;
        if !matches!(more, Ok(false)) {
            // Due again at the next call.
            checked.store(last, Ordering::Relaxed);
        }
        more.map(|_| ())
    }

    /// As [`Store::expire_if_due`], for who only reads: what storage refuses is no reason not to read what is there. It is
    /// tried again, and who writes is told.
    pub(super) async fn expire_for_reader(&self) -> Result<(), Error> {
        match self.expire_if_due().await {
            Err(Error::Storage(_)) => Ok(()),
            outcome => outcome,
        }
    }

    /// When it was last done and what time it is, if it is due.
    pub(super) fn expiry_due(&self) -> Option<(i64, i64)> {
        let interval = self.0.options.ttl_interval_millis?;
        let interval = match self.0.expiry.any() {
            true => interval,
            false if self.database().is_shared() => interval.max(IGNORANCE_MILLIS),
            false => return None,
        };
        let (last, now) = (self.0.expiry.checked_millis.load(Ordering::Relaxed), self.clock().now().millis());
        // A clock that was set back makes it due as well.
        ((now - last).abs() >= interval).then_some((last, now))
    }

    /// Does some steps from `place` on, under the lease of `duty` if there is one; whether more is to be done.
    pub(super) async fn expire(&self, steps: usize, duty: Option<Duty>, place: &mut Place) -> Result<bool, Error> {
        if self.0.options.ttl_interval_millis.is_none() {
            return Ok(false);
        }
        if self.database().is_shared() {
            self.find_expiring_tables().await?;
        }
        let (mut left, mut is_outdated) = (steps, false);
        let tables = Arc::clone(&self.0.expiry.known.lock().tables);
        for (id, expiring) in tables.iter() {
            let pace = &Pace::of(ITEMS);
            loop {
                let now = self.clock().now();
                let (table, ahead) = match self.first_expiry(*id, expiring, now, place).await? {
                    First::At(table, ahead, _) => (table, ahead),
                    First::None => break,
                    First::NoTimeToLive => {
                        is_outdated = true;
                        break;
                    }
                };
                let Some(fewer) = left.checked_sub(1) else { return Ok(true) };
                left = fewer;
                let (table, ahead) = (&*table, &ahead);
                let body = |transaction: Transaction| async move {
                    self.expire_step(&transaction, table, ahead, pace.rows_of_attempt()).await
                };
                let done = match duty {
                    Some(duty) => self.step_of(duty, body).await,
                    None => self.run(body).await.map(Some),
                };
                match done {
                    Ok(Some(())) => pace.got_through(),
                    // Another process's business.
                    Ok(None) => return Ok(false),
                    Err(Error::SchemaChanged) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        if is_outdated && !self.database().is_shared() {
            self.find_expiring_tables().await?;
        }
        Ok(false)
    }

    /// The next moment, no later than `until`, at which an item expires, or a past one at which one has.
    pub(super) async fn next_expiry(&self, until: Timestamp, place: &mut Place) -> Result<Option<Timestamp>, Error> {
        if self.0.options.ttl_interval_millis.is_none() {
            return Ok(None);
        }
        let tables = Arc::clone(&self.0.expiry.known.lock().tables);
        let mut next: Option<Timestamp> = None;
        for (id, expiring) in tables.iter() {
            if let First::At(_, _, moment) = self.first_expiry(*id, expiring, until, place).await? {
                next = Some(next.map_or(moment, |next| next.min(moment)));
            }
        }
        Ok(next)
    }

    /// Looks for the first item of a table that is expired at `until` or before.
    async fn first_expiry(
        &self,
        id: u64,
        expiring: &Expiring,
        until: Timestamp,
        place: &mut Place,
    ) -> Result<First, Error> {
        for _ in 0..SCHEMA_ATTEMPTS {
            let table = match self.table(&expiring.realm, &expiring.name).await {
                Ok(table) => table,
                Err(Error::ResourceNotFound(_)) => return Ok(First::NoTimeToLive),
                Err(error) => return Err(error),
            };
            let reached = &*place;
            let outcome = self
                .snapshot(|transaction| {
                    let table = &table;
                    async move {
                        let space = table.space(self);
                        let fence = self.fence(&transaction, table, Isolation::Snapshot);
                        let Some(time_to_live) = table.time_to_live.as_ref().filter(|_| table.id == id) else {
                            fence.await?;
                            return Ok(None);
                        };
                        let range = reached.ahead(id, time_to_live.expiring(&space, self.clock().now(), until));
                        if range.is_empty() {
                            fence.await?;
                            return Ok(Some(None));
                        }
                        let read = range.clone().into_read().snapshot().limited(1);
                        let (page, ()) = try_join!(async { Ok::<_, Error>(transaction.range(&read).await?) }, fence)?;
                        let Some(first) = page.pairs.first() else { return Ok(Some(None)) };
                        let (_, entry) = space.parse_index_entry(&first.key)?;
                        let moment = entry.sort.first().and_then(moment_of);
                        let moment = moment.ok_or_else(|| corrupt("an entry that says no time"))?;
                        Ok(Some(Some((KeyRange::new(first.key.to_vec(), range.end), moment))))
                    }
                })
                .await;
            return match outcome {
                Ok(Some(Some((ahead, moment)))) => {
                    place.0.insert(id, ahead.begin.clone());
                    Ok(First::At(table, ahead, moment))
                }
                Ok(Some(None)) => Ok(First::None),
                Ok(None) => Ok(First::NoTimeToLive),
                Err(Error::SchemaChanged) => continue,
                Err(error) => Err(error),
            };
        }
        Ok(First::None)
    }

    /// Deletes the first `items` of what has expired, in the order of their expiry, of those whose entries lie `ahead`.
    pub(super) async fn expire_step(
        &self,
        transaction: &Transaction,
        table: &Table,
        ahead: &KeyRange,
        items: usize,
    ) -> Result<(), Error> {
        let Some(time_to_live) = &table.time_to_live else { return Ok(()) };
        let (space, now) = (table.space(self), self.clock().now());
        let range = time_to_live.expired(&space, now);
        let range = KeyRange::new(range.begin.max(ahead.begin.clone()), range.end);
        if range.is_empty() {
            return Ok(());
        }
        // Rows are read with conflict; of the entries it is enough that this snapshot shows them.
        let read = RangeRead::new(range.begin, range.end).snapshot().limited(items);
        let page = transaction.kv().range(&read).await?;
        let keys = page.pairs.iter().map(|pair| {
            let (_, entry) = space.parse_index_entry(&pair.key)?;
            Ok(Key { partition: vec![entry.base.partition], sort: entry.base.sort.into_iter().collect() })
        });
        let keys = keys.collect::<kv::Result<Vec<Key>>>()?;
        for keys in keys.chunks(READS_AT_ONCE) {
            for row in try_join_all(keys.iter().map(|key| transaction.row(table, key))).await? {
                if !row.item().is_some_and(|item| time_to_live.is_expired(item, now)) {
                    return Err(corrupt("an entry of an item that has not expired, or is not there"));
                }
                transaction.write(table, row, Change::Delete, Actor::TimeToLive)?;
            }
        }
        Ok(())
    }
}

/// What a look at a table found.
enum First {
    /// With the definition that was in force, from the first entry on, and its moment.
    At(Arc<Table>, KeyRange, Timestamp),
    None,
    NoTimeToLive,
}
