//! Several processes on one database, and what a process that dies leaves to the others. Each handle stands for a process;
//! the database's versions do not tell the time, as a cluster's.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::fill::Filling;
use super::*;
use crate::clock::Timestamp;
use crate::item::{AttributeValue, Item};
use crate::keyspace::TableId;
use crate::kv::RangeRead;
use crate::kv::faults::Plan;

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
    Ok([now(Store::open(database.clone(), b"db".to_vec()))?, now(Store::open(database, b"db".to_vec()))?])
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
    TableChange::CreateIndex(IndexDefinition {
        name: "late".to_owned(),
        kind: IndexKind::Global,
        key: KeySchema { partition: vec![attribute("group")], sort: vec![] },
        projection: Projection::All,
        throughput: None,
    })
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

fn jobs(store: &Store) -> Result<usize, Error> {
    let range = store.keyspace().all_jobs();
    Ok(now(store.database().begin().range(&RangeRead::new(range.begin, range.end)))?.pairs.len())
}

#[test]
fn an_index_that_a_dead_process_was_filling_is_finished_by_another() -> Outcome {
    let clock = frozen();
    let [dying, other] = processes(&clock)?;
    let before = table(&dying, None)?;
    put(&dying, &before, 0..500)?;
    let changes = [new_index(), TableChange::EnableStream(StreamViewType::KeysOnly)];
    let begun = now(dying.begin_change(&realm(), "t", &changes))?;
    let job = begun.job.ok_or_else(|| corrupt("no job"))?;
    let step = now(dying.run(|transaction| {
        let dying = dying.clone();
        async move { dying.fill_step(&transaction, job).await }
    }))?;
    assert!(matches!(step, Filling::More));
    drop(dying);

    now(other.maintain())?;
    let building = now(other.current_table(&realm(), "t"))?;
    assert_eq!(building.indexes[0].status, IndexStatus::Creating);
    put(&other, &building, 490..510)?;
    clock.advance(3 * MINUTE);
    now(other.maintain())?;
    let finished = now(other.current_table(&realm(), "t"))?;
    assert_eq!(finished.indexes[0].status, IndexStatus::Active);
    assert!(finished.stream.is_some(), "what else the request asked for has happened with it");
    assert_eq!(now(other.statistics(&finished))?.1[0].1.items, 510);
    assert_eq!(jobs(&other)?, 0);
    is_sound(&other)
}

#[test]
fn a_fill_whose_changes_became_impossible_is_taken_back_by_whoever_goes_on_with_it() -> Outcome {
    let clock = frozen();
    let [dying, other] = processes(&clock)?;
    let before = table(&dying, None)?;
    put(&dying, &before, 0..50)?;
    let stream = TableChange::EnableStream(StreamViewType::KeysOnly);
    now(dying.begin_change(&realm(), "t", &[new_index(), stream.clone()]))?;
    drop(dying);
    now(other.change_table(&realm(), "t", &[stream]))?;
    clock.advance(3 * MINUTE);
    now(other.maintain())?;
    assert!(now(other.current_table(&realm(), "t"))?.indexes.is_empty());
    assert_eq!(jobs(&other)?, 0);
    is_sound(&other)
}

#[test]
fn what_a_dead_process_left_of_a_deleted_table_is_swept_by_another() -> Outcome {
    let clock = frozen();
    let [dying, other] = processes(&clock)?;
    let deleted = table(&dying, None)?;
    put(&dying, &deleted, 0..2_500)?;
    let (_, swept) = now(dying.unlink_table(&realm(), "t"))?;
    assert_eq!(swept, sweep::Swept::Everything);
    assert!(keys_of(&other, &deleted)? >= 2_500);
    drop(dying);
    // The name is free at once, and the new table is nobody's to sweep.
    assert!(matches!(now(other.current_table(&realm(), "t")), Err(Error::ResourceNotFound(_))));
    let again = table(&other, None)?;
    assert_ne!(again.id, deleted.id);
    put(&other, &again, 0..10)?;
    clock.advance(3 * MINUTE);
    let before = other.work();
    now(other.maintain())?;
    assert_eq!((keys_of(&other, &deleted)?, jobs(&other)?), (0, 0));
    assert!(other.work().since(&before).commits >= 3, "in steps");
    assert_eq!(now(other.statistics(&again))?.0.items, 10);
    is_sound(&other)
}

#[test]
fn a_step_of_a_sweep_is_bounded_and_the_next_goes_on_where_it_ended() -> Outcome {
    let [store, _] = processes(&frozen())?;
    let deleted = table(&store, None)?;
    put(&store, &deleted, 0..2_500)?;
    now(store.unlink_table(&realm(), "t"))?;
    let id = crate::keyspace::JobId { table: TableId(deleted.id), kind: crate::keyspace::JobKind::Sweep, index: 0 };
    let mut left = vec![keys_of(&store, &deleted)?];
    let step = || {
        now(store.run(|transaction| {
            let store = store.clone();
            async move { store.sweep_step(&transaction, id).await }
        }))
    };
    while step()? {
        left.push(keys_of(&store, &deleted)?);
    }
    assert!(left.windows(2).all(|pair| pair[0] - pair[1] == 1_000), "{left:?}");
    assert_eq!((left.len(), keys_of(&store, &deleted)?, jobs(&store)?), (3, 0, 0));
    Ok(())
}

#[test]
fn an_index_is_gone_at_once_and_its_entries_are_swept_by_whoever_comes() -> Outcome {
    let clock = frozen();
    let [dying, other] = processes(&clock)?;
    let before = table(&dying, None)?;
    put(&dying, &before, 0..100)?;
    now(dying.change_table(&realm(), "t", &[new_index()]))?;
    now(dying.begin_change(&realm(), "t", &[TableChange::DeleteIndex("late".to_owned())]))?;
    drop(dying);
    is_sound(&other)?;
    let without = now(other.current_table(&realm(), "t"))?;
    let entries = keys_of(&other, &without)?;
    clock.advance(3 * MINUTE);
    now(other.maintain())?;
    assert_eq!(entries - keys_of(&other, &without)?, 102, "entries and two counters");
    now(other.change_table(&realm(), "t", &[new_index()]))?;
    is_sound(&other)
}

#[test]
fn one_process_at_a_time_maintains_and_one_that_lost_the_lease_cannot_act() -> Outcome {
    let clock = frozen();
    let [one, two] = processes(&clock)?;
    let streamed = table(&one, Some(StreamViewType::KeysOnly))?;
    put(&one, &streamed, 0..20)?;
    clock.advance(25 * HOUR);
    now(one.maintain())?;
    let trimmed = keys_of(&one, &streamed)?;
    let before = two.work();
    now(two.maintain())?;
    let work = two.work().since(&before);
    assert_eq!(
        (work.pairs_read, work.keys_written),
        (1, 0),
        "it looks for a sample of the time, and maintains nothing"
    );
    assert_eq!(keys_of(&one, &streamed)?, trimmed, "trimmed once");
    let act =
        |store: &Store| now(store.step(|transaction| async move { Ok(transaction.kv().set(b"dbzz", &b"x"[..])?) }));
    assert_eq!(act(&two)?, None);
    assert_eq!(act(&one)?, Some(()));
    clock.advance(3 * MINUTE);
    assert_eq!(act(&two)?, Some(()), "taken over once it has run out");
    assert_eq!(act(&one)?, None, "however long the first one slept");
    // A lease from a future that was taken back holds nobody up.
    clock.advance(-HOUR);
    assert_eq!(act(&one)?, Some(()));
    Ok(())
}

#[test]
fn a_schema_changed_by_one_process_is_seen_by_the_other_at_once() -> Outcome {
    let [one, two] = processes(&frozen())?;
    table(&one, None)?;
    let cached = now(two.table(&realm(), "t"))?;
    put(&two, &cached, 0..1)?;
    now(one.change_table(&realm(), "t", &[TableChange::EnableStream(StreamViewType::KeysOnly)]))?;
    assert_eq!(put(&two, &cached, 1..2), Err(Error::SchemaChanged));
    put(&two, &*now(two.table(&realm(), "t"))?, 1..2)?;
    assert_eq!(records(&one, &newest_stream(&one)?, &StreamStart::TrimHorizon)?.len(), 1);
    Ok(())
}

#[test]
fn a_consumer_misses_nothing_of_what_several_processes_write_and_times_tell_when() -> Outcome {
    let clock = frozen();
    let [one, two] = processes(&clock)?;
    let streamed = table(&one, Some(StreamViewType::KeysOnly))?;
    let start = clock.now();
    for round in 0..60 {
        put(if round % 3 == 0 { &one } else { &two }, &streamed, round..round + 1)?;
        clock.advance(30_000);
    }
    let stream = newest_stream(&two)?;
    for store in [&one, &two] {
        let all = records(store, &stream, &StreamStart::TrimHorizon)?;
        let times: Vec<i64> = all.iter().map(|record| record.created.millis() - start.millis()).collect();
        assert_eq!(times, (0..60).map(|round| round * 30_000).collect::<Vec<_>>());
        let later = records(store, &stream, &StreamStart::AtTimestamp(start.plus_millis(10 * 30_000 - 7)))?;
        assert_eq!(later, all[10..]);
    }
    // Exactly the records that are past their 24 hours are gone, in the process that trims and in the other.
    clock.travel_to(start.plus_millis(24 * HOUR + 19 * 30_000 + 1));
    for store in [&one, &two] {
        assert_eq!(records(store, &stream, &StreamStart::TrimHorizon)?.len(), 40);
    }
    Ok(())
}

#[test]
fn on_a_running_clock_times_are_right_to_within_seconds_and_never_change() -> Outcome {
    let clock = Clock::system();
    let [one, two] = processes(&clock)?;
    let streamed = table(&one, Some(StreamViewType::KeysOnly))?;
    let mut told: Vec<Record> = Vec::new();
    let begun = clock.now();
    for round in 0..40 {
        put(if round % 2 == 0 { &one } else { &two }, &streamed, round..round + 1)?;
        clock.advance(1_700);
        let all = records(&two, &newest_stream(&one)?, &StreamStart::TrimHorizon)?;
        assert_eq!(all[..told.len()], told, "what was told stays true");
        assert!(all.is_sorted_by_key(|record| record.created));
        told = all;
    }
    assert_eq!(told.len(), 40);
    let ended = clock.now();
    assert!(told.iter().all(|record| record.created >= begun && record.created <= ended.plus_millis(10_000)));
    for (round, record) in told.iter().enumerate() {
        let asked = begun.plus_millis(round as i64 * 1_700);
        assert!(
            record.created.millis() >= asked.millis() - 6_800,
            "{round}: {} behind",
            asked.millis() - record.created.millis()
        );
    }
    Ok(())
}

#[test]
fn old_samples_of_the_time_are_dropped_and_no_time_changes_by_it() -> Outcome {
    let clock = frozen();
    let [one, two] = processes(&clock)?;
    let streamed = table(&one, Some(StreamViewType::KeysOnly))?;
    let samples = |store: &Store| {
        let range = store.keyspace().samples(1);
        now(store.database().begin().range(&RangeRead::new(range.begin, range.end))).map(|page| page.pairs.len())
    };
    for round in 0..60 {
        put(&one, &streamed, round..round + 1)?;
        clock.advance(HOUR);
    }
    let stream = newest_stream(&one)?;
    let before = records(&one, &stream, &StreamStart::TrimHorizon)?;
    clock.advance(2 * MINUTE);
    now(one.maintain())?;
    assert!((23..30).contains(&samples(&one)?), "{} samples are left", samples(&one)?);
    let after = records(&one, &stream, &StreamStart::TrimHorizon)?;
    assert!(before.ends_with(&after) && after.len() > 20);
    assert!(
        after.iter().eq(records(&two, &stream, &StreamStart::TrimHorizon)?.iter()),
        "also for one that read them late"
    );
    Ok(())
}

/// A table with an index, 100 rows in it of which 40 are large, read into the cache and at a time that is sampled.
fn well_filled(store: &Store) -> Result<Arc<Table>, Error> {
    table(store, Some(StreamViewType::NewAndOldImages))?;
    let filled = now(store.change_table(&realm(), "t", &[new_index()]))?;
    put(store, &filled, 0..60)?;
    for id in 60..100 {
        let key = key_of(id);
        let mut item = key.to_item(&filled.key);
        item.insert("group".into(), AttributeValue::S("g".to_owned()));
        item.insert("body".into(), AttributeValue::B(vec![7; 20_000]));
        let (key, item, filled) = (&key, &item, &filled);
        now(store.transact(|transaction| async move {
            let row = transaction.row(filled, key).await?;
            transaction.write(filled, row, Change::Put(item.clone()), Actor::User)
        }))?;
    }
    Ok(filled)
}

fn key_of(id: usize) -> Key {
    Key { partition: vec![AttributeValue::S(format!("{id}"))], sort: vec![] }
}

fn rounds<T>(future: impl Future<Output = Result<T, Error>>) -> Result<(T, u32), Error> {
    let (outcome, rounds) = kv::rounds::count(future);
    Ok((outcome?, rounds))
}

#[test]
fn a_put_costs_one_round_of_reads_and_one_commit_however_many_rows_it_writes() -> Outcome {
    let [store, _] = processes(&frozen())?;
    let filled = &well_filled(&store)?;
    for count in [1, 25, 100] {
        let keys: Vec<Key> = (1_000..1_000 + count).map(key_of).collect();
        let keys = &keys;
        let before = store.work();
        let ((), waited) = rounds(store.transact(|transaction| async move {
            let rows = keys.iter().map(|key| transaction.row(filled, key));
            for (row, key) in futures_util::future::try_join_all(rows).await?.into_iter().zip(keys) {
                transaction.write(filled, row, Change::Put(key.to_item(&filled.key)), Actor::User)?;
            }
            Ok(())
        }))?;
        assert_eq!(waited, 2, "{count} rows");
        assert_eq!(store.work().since(&before).keys_read, 1 + count as u64, "the table's version is read once");
        for key in keys {
            now(store.transact(|transaction| async move {
                let row = transaction.row(filled, key).await?;
                transaction.write(filled, row, Change::Delete, Actor::User)
            }))?;
        }
    }
    Ok(())
}

#[test]
fn what_a_read_needs_from_many_places_is_asked_for_together() -> Outcome {
    let [store, _] = processes(&frozen())?;
    let filled = well_filled(&store)?;
    let keys: Vec<_> = (0..100).map(|id| (Arc::clone(&filled), key_of(id))).collect();
    let (items, waited) = rounds(store.get(&keys))?;
    assert_eq!((items.iter().flatten().count(), waited), (100, 2), "rows and the table's version, then large items");
    let (_, waited) = rounds(store.statistics(&filled))?;
    assert_eq!(waited, 1);
    let group = [AttributeValue::S("g".to_owned())];
    let query = Query {
        table: &filled,
        index: filled.index("late"),
        partition: &group,
        sort_equal: &[],
        sort: &SortBound::Any,
        forward: true,
        start: None,
        limit: None,
        fetch: Fetch::Projected,
    };
    let (page, waited) = rounds(store.query(&query, &|_| Ok(true)))?;
    assert_eq!(page.items.len(), 100);
    // Entries in two steps; their rows, and then large items, in groups of thirty.
    assert!(waited <= 2 + 5 * 2, "{waited} rounds");
    let stream = newest_stream(&store)?;
    let (first, _) = rounds(store.stream_cursor(&stream, &StreamStart::TrimHorizon))?;
    let (records, waited) = rounds(store.stream_records(&stream, first, 100, 1 << 20))?;
    assert_eq!(records.records.len(), 100);
    // What is read of the stream, the records, and their images in four groups.
    assert!(waited <= 2 + 4, "{waited} rounds");
    Ok(())
}
