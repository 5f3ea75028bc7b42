//! The store as a cluster sees it: several processes on one database whose versions do not tell the time.
//!
//! Each handle stands for a process. Tests of a single process on the memory engine are in `tests/store.rs`.

mod checkpoints;
mod copies;
mod expiry;
mod follow;
mod pages;
mod processes;
mod restores;
mod rounds;
mod shared_clock;
mod times;
mod vectors;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::clock::Timestamp;
use crate::item::{AttributeValue, Item};
use crate::keyspace::{JobId, TableId};
use crate::kv::RangeRead;
use crate::kv::faults::Plan;
use crate::store::fill::{Filling, Pace};

type Outcome = Result<(), Error>;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("an embedded future waited"),
    }
}

fn realm() -> Realm {
    Realm { account: "000000000000".into(), region: "eu-west-1".into() }
}

fn processes(clock: &Clock) -> Result<[Store; 2], Error> {
    let database = kv::Database::faults(clock.clone(), Plan::none().with_opaque_versions());
    Ok([now(Store::open(database.clone(), "shared".into()))?, now(Store::open(database, "shared".into()))?])
}

fn frozen() -> Clock {
    Clock::deterministic(Timestamp(1_700_000_000_000), 7)
}

fn attribute(name: &str) -> KeyAttribute {
    KeyAttribute { name: name.to_owned(), kind: KeyKind::S }
}

fn table(store: &Store, stream: Option<StreamViewType>) -> Result<Arc<Table>, Error> {
    let key = KeySchema { partition: vec![attribute("id")], sort: vec![] };
    let definition = TableDefinition {
        name: "t".to_owned(),
        attribute_definitions: vec![attribute("id")],
        key,
        indexes: vec![],
        stream,
        billing_mode: BillingMode::PayPerRequest,
        throughput: None,
        deletion_protection: false,
        settings: Settings::default(),
        tags: Tags::new(),
        policy: None,
    };
    now(store.create_table(&realm(), definition))
}

fn put(store: &Store, table: &Table, ids: std::ops::Range<usize>) -> Outcome {
    for id in ids {
        let key = Key { partition: vec![AttributeValue::S(format!("{id}"))], sort: vec![] };
        let mut item: Item = key.to_item(&table.key);
        item.insert("group".into(), AttributeValue::S("g".to_owned()));
        let (key, item) = (&key, &item);
        now(store.transact(|transaction| async move {
            let row = transaction.row(table, key).await?;
            transaction.write(table, row, Change::Put(item.clone()), Actor::User)
        }))?;
    }
    Ok(())
}

fn new_index() -> TableChange {
    TableChange::CreateIndex(Box::new(IndexDefinition {
        name: "late".to_owned(),
        kind: IndexKind::Global,
        key: KeySchema { partition: vec![attribute("group")], sort: vec![] },
        projection: Projection::All,
        throughput: None,
        capacity: CapacitySettings::default(),
        vector: None,
    }))
}

fn records(store: &Store, stream: &Stream, start: &StreamStart) -> Result<Vec<Record>, Error> {
    let mut cursor = Some(now(store.stream_cursor(stream, start))?);
    let mut records = Vec::new();
    while let Some(at) = cursor {
        let page = now(store.stream_records(stream, at, 3, 1 << 20))?;
        cursor = page.next.filter(|_| !page.records.is_empty());
        records.extend(page.records);
    }
    Ok(records)
}

fn newest_stream(store: &Store) -> Result<Stream, Error> {
    let (streams, _) = now(store.list_streams(&realm(), Some("t"), None, 100))?;
    streams.into_iter().next_back().ok_or_else(|| corrupt("no stream"))
}

fn is_sound(store: &Store) -> Outcome {
    let table = now(store.current_table(&realm(), "t"))?;
    assert_eq!(now(store.check(&table))?, Vec::<String>::new());
    Ok(())
}

fn keys_of(store: &Store, table: &Table) -> Result<usize, Error> {
    let range = store.keyspace().table(TableId(table.id)).everything();
    let transaction = store.database().begin();
    Ok(now(transaction.range(&RangeRead::new(range.begin, range.end)))?.pairs.len())
}

/// One step of filling an index, after which there is more to do.
fn fill_a_little(store: &Store, job: JobId) -> Outcome {
    let step = now(store.run(|transaction| {
        let store = store.clone();
        async move { store.fill_step(&transaction, job, &Pace::new()).await }
    }))?;
    assert!(matches!(step, Filling::More));
    Ok(())
}

/// The table, whose one index is finished and has this many items.
fn filled(store: &Store, items: i64) -> Result<Arc<Table>, Error> {
    let finished = now(store.current_table(&realm(), "t"))?;
    assert_eq!(finished.indexes[0].status, IndexStatus::Active);
    assert_eq!(now(store.statistics(&finished))?.1[0].1.items, items);
    assert_eq!(jobs(store)?, 0);
    is_sound(store)?;
    Ok(finished)
}

fn jobs(store: &Store) -> Result<usize, Error> {
    let range = store.keyspace().all_jobs();
    Ok(now(store.database().begin().range(&RangeRead::new(range.begin, range.end)))?.pairs.len())
}
