//! Expiry: deletes the items whose time to live is over, by themselves and soon after.
//!
//! Expired items are the beginning of an index, so looking for them is one seek a table. A step reads some entries and, in
//! the same transaction, their rows, and deletes those that are expired at that moment, through the write path, on behalf of
//! the service: whoever changes an item meanwhile makes the step conflict, and it looks again. So an item is deleted once,
//! whoever and however many do this; where processes share the database a lease keeps them from doing it in vain.
//!
//! It is done by the calls that find it due, some steps each, and by a thread (`keeper`) where nobody calls. A database in
//! which no table has a time to live asks one flag. It must not know why the time has passed.

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

impl Expiry {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { checked_millis: AtomicI64::new(now.millis()), ..Self::default() }
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
        let Some(last) = self.is_expiry_due(self.clock().now()) else { return Ok(()) };
        let (checked, now) = (&self.0.expiry.checked_millis, self.clock().now().millis());
        if checked.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Ok(());
        }
        let more = self.expire(STEPS_OF_CALL, Some(Duty::Expiry)).await;
        if !matches!(more, Ok(false)) {
            // Due again at the next call.
            checked.store(last, Ordering::Relaxed);
        }
        more.map(|_| ())
    }

    /// When it was last done, if it is due.
    pub(super) fn is_expiry_due(&self, now: Timestamp) -> Option<i64> {
        let interval = self.0.options.ttl_interval_millis?;
        let interval = match self.0.expiry.any() {
            true => interval,
            false if self.database().is_shared() => interval.max(IGNORANCE_MILLIS),
            false => return None,
        };
        let last = self.0.expiry.checked_millis.load(Ordering::Relaxed);
        // A clock that was set back makes it due as well.
        ((now.millis() - last).abs() >= interval).then_some(last)
    }

    /// Does some steps, under the lease of `duty` if there is one; whether more is to be done.
    pub(super) async fn expire(&self, steps: usize, duty: Option<Duty>) -> Result<bool, Error> {
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
                let table = match self.first_expiry(*id, expiring, now).await? {
                    First::At(table, _) => table,
                    First::None => break,
                    First::NoTimeToLive => {
                        is_outdated = true;
                        break;
                    }
                };
                let Some(fewer) = left.checked_sub(1) else { return Ok(true) };
                left = fewer;
                let table = &*table;
                let body = |transaction: Transaction| async move {
                    self.expire_step(&transaction, table, pace.rows_of_attempt()).await
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
    pub(super) async fn next_expiry(&self, until: Timestamp) -> Result<Option<Timestamp>, Error> {
        if self.0.options.ttl_interval_millis.is_none() {
            return Ok(None);
        }
        let tables = Arc::clone(&self.0.expiry.known.lock().tables);
        let mut next: Option<Timestamp> = None;
        for (id, expiring) in tables.iter() {
            if let First::At(_, moment) = self.first_expiry(*id, expiring, until).await? {
                next = Some(next.map_or(moment, |next| next.min(moment)));
            }
        }
        Ok(next)
    }

    /// Looks for the first item of a table that is expired at `until` or before.
    async fn first_expiry(&self, id: u64, expiring: &Expiring, until: Timestamp) -> Result<First, Error> {
        for _ in 0..SCHEMA_ATTEMPTS {
            let table = match self.table(&expiring.realm, &expiring.name).await {
                Ok(table) => table,
                Err(Error::ResourceNotFound(_)) => return Ok(First::NoTimeToLive),
                Err(error) => return Err(error),
            };
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
                        let range = time_to_live.expiring(&space, self.clock().now(), until);
                        let read = RangeRead::new(range.begin, range.end.clone()).snapshot().limited(1);
                        let (page, ()) = try_join!(async { Ok::<_, Error>(transaction.range(&read).await?) }, fence)?;
                        let first = page.pairs.first().map(|pair| space.parse_index_entry(&pair.key)).transpose()?;
                        let moment = first.and_then(|(_, entry)| entry.sort.first().and_then(moment_of));
                        Ok(Some(moment))
                    }
                })
                .await;
            return match outcome {
                Ok(Some(Some(moment))) => Ok(First::At(table, moment)),
                Ok(Some(None)) => Ok(First::None),
                Ok(None) => Ok(First::NoTimeToLive),
                Err(Error::SchemaChanged) => continue,
                Err(error) => Err(error),
            };
        }
        Ok(First::None)
    }

    /// Deletes the first `items` of what has expired, in the order of their expiry.
    pub(super) async fn expire_step(
        &self,
        transaction: &Transaction,
        table: &Table,
        items: usize,
    ) -> Result<(), Error> {
        let Some(time_to_live) = &table.time_to_live else { return Ok(()) };
        let (space, now) = (table.space(self), self.clock().now());
        let range = time_to_live.expired(&space, now);
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
    /// With the definition that was in force.
    At(Arc<Table>, Timestamp),
    None,
    NoTimeToLive,
}
