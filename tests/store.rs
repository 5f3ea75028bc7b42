//! The store on the memory engine: the write path, indexes, blobs, streams, schema changes and time.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use fdyno::clock::{Clock, Timestamp};
use fdyno::error::Error;
use fdyno::item::{AttributeValue, Item, Number};
use fdyno::kv::faults::{Kind, Plan};
use fdyno::kv::{Database, RangeRead};
use fdyno::store::{
    Actor, BillingMode, Change, Cursor, Fetch, IndexDefinition, IndexKind, Key, KeyAttribute, KeyKind, KeySchema,
    Projection, Query, Realm, Record, RecordKind, Scan, SortBound, Store, Stream, StreamStart, StreamViewType, Table,
    TableChange, TableDefinition, Written,
};

type Outcome = Result<(), Box<dyn StdError>>;

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a memory future waited"),
    }
}

const START: Timestamp = Timestamp(1_700_000_000_000);
const HOUR: i64 = 3_600_000;

struct World {
    store: Store,
    realm: Realm,
}

fn world() -> Result<World, Error> {
    let clock = Clock::deterministic(START, 7);
    let store = now(Store::open(Database::memory(clock), b"test".to_vec()))?;
    Ok(World { store, realm: Realm { account: "000000000000".into(), region: "eu-west-1".into() } })
}

fn attribute(name: &str, kind: KeyKind) -> KeyAttribute {
    KeyAttribute { name: name.to_owned(), kind }
}

fn index(name: &str, projection: Projection) -> IndexDefinition {
    IndexDefinition {
        name: name.to_owned(),
        kind: IndexKind::Global,
        key: KeySchema { partition: vec![attribute("group", KeyKind::S)], sort: vec![attribute("rank", KeyKind::N)] },
        projection,
        throughput: None,
        capacity: Default::default(),
        vector: None,
    }
}

impl World {
    fn table(
        &self,
        name: &str,
        stream: Option<StreamViewType>,
        indexes: Vec<IndexDefinition>,
    ) -> Result<Arc<Table>, Error> {
        let key = KeySchema { partition: vec![attribute("id", KeyKind::S)], sort: vec![] };
        let definition = TableDefinition {
            name: name.to_owned(),
            attribute_definitions: key.attributes().cloned().collect(),
            key,
            indexes,
            stream,
            billing_mode: BillingMode::PayPerRequest,
            throughput: None,
            deletion_protection: false,
            settings: Default::default(),
            tags: Default::default(),
            policy: None,
        };
        now(self.store.create_table(&self.realm, definition))
    }

    fn change(&self, table: &Table, id: &str, change: Change) -> Result<Written, Error> {
        let key = Key { partition: vec![AttributeValue::S(id.to_owned())], sort: vec![] };
        let (key, change) = (&key, &change);
        now(self.store.transact(|transaction| async move {
            let row = transaction.row(table, key).await?;
            transaction.write(table, row, change.clone(), Actor::User)
        }))
    }

    fn put(&self, table: &Table, item: Item) -> Result<Written, Error> {
        let Some(AttributeValue::S(id)) = item.get("id").cloned() else { return Err(Error::validation("no id")) };
        self.change(table, &id, Change::Put(item))
    }

    fn stream(&self, table: &str) -> Result<Stream, Error> {
        let (streams, _) = now(self.store.list_streams(&self.realm, Some(table), None, 100))?;
        streams.into_iter().next_back().ok_or_else(|| Error::validation("no stream"))
    }

    fn records(&self, stream: &Stream, start: &StreamStart) -> Result<Vec<Record>, Error> {
        let mut cursor: Option<Cursor> = Some(now(self.store.stream_cursor(stream, start))?);
        let mut records = Vec::new();
        while let Some(at) = cursor {
            let page = now(self.store.stream_records(stream, at, 3, 1 << 20))?;
            let done = page.records.is_empty();
            records.extend(page.records);
            cursor = page.next.filter(|_| !done);
        }
        Ok(records)
    }

    fn is_sound(&self, table: &Table) -> Outcome {
        let findings = now(self.store.check(table))?;
        assert!(findings.is_empty(), "{findings:?}");
        Ok(())
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn item(id: &str, more: &[(&str, AttributeValue)]) -> Item {
    let mut item = Item::new();
    item.insert("id".into(), text(id));
    for (name, value) in more {
        item.insert((*name).into(), value.clone());
    }
    item
}

fn ranked(id: &str, group: &str, rank: i64) -> Item {
    item(id, &[("group", text(group)), ("rank", AttributeValue::N(Number::from(rank))), ("note", text("n"))])
}

#[test]
fn a_change_and_its_record_come_together_and_in_order() -> Outcome {
    let world = world()?;
    let table = world.table("t", Some(StreamViewType::NewAndOldImages), vec![])?;
    world.put(&table, item("a", &[("v", text("1"))]))?;
    world.put(&table, item("a", &[("v", text("2"))]))?;
    world.put(&table, item("a", &[("v", text("2"))]))?;
    world.change(&table, "a", Change::Delete)?;
    world.change(&table, "a", Change::Delete)?;
    let records = world.records(&world.stream("t")?, &StreamStart::TrimHorizon)?;
    let kinds: Vec<RecordKind> = records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [RecordKind::Insert, RecordKind::Modify, RecordKind::Remove]);
    assert_eq!(records[1].old, Some(item("a", &[("v", text("1"))])));
    assert_eq!(records[1].new, Some(item("a", &[("v", text("2"))])));
    assert_eq!((records[2].old.as_ref(), records[2].new.as_ref()), (Some(&item("a", &[("v", text("2"))])), None));
    assert!(records.is_sorted_by(|one, two| one.sequence_number < two.sequence_number));
    assert!(records.iter().all(|record| record.sequence_number.len() == 34 && record.created == START));
    assert_eq!(records[0].size_bytes, 3 + 3 + 2);
    world.is_sound(&table)
}

#[test]
fn each_change_of_a_transaction_has_a_record_of_its_own_in_the_order_of_the_writes() -> Outcome {
    let world = world()?;
    let table = &*world.table("t", Some(StreamViewType::KeysOnly), vec![])?;
    now(world.store.transact(|transaction| async move {
        for id in ["b", "c", "a"] {
            let row = transaction.row(table, &key(id)).await?;
            transaction.write(table, row, Change::Put(item(id, &[])), Actor::User)?;
        }
        Ok(())
    }))?;
    let records = world.records(&world.stream("t")?, &StreamStart::TrimHorizon)?;
    let keys: Vec<Item> = records.iter().map(|record| record.keys.clone()).collect();
    assert_eq!(keys, ["b", "c", "a"].map(|id| item(id, &[])));
    assert!(records.is_sorted_by(|one, two| one.sequence_number < two.sequence_number));
    Ok(())
}

#[test]
fn each_view_shows_what_it_says() -> Outcome {
    for (view, old, new) in [
        (StreamViewType::KeysOnly, false, false),
        (StreamViewType::NewImage, false, true),
        (StreamViewType::OldImage, true, false),
        (StreamViewType::NewAndOldImages, true, true),
    ] {
        let world = world()?;
        let table = world.table("t", Some(view), vec![])?;
        world.put(&table, item("a", &[("v", text("1"))]))?;
        world.put(&table, item("a", &[("v", text("2"))]))?;
        let records = world.records(&world.stream("t")?, &StreamStart::TrimHorizon)?;
        assert_eq!((records[1].old.is_some(), records[1].new.is_some()), (old, new), "{view:?}");
        assert_eq!(records[1].keys, item("a", &[]));
        assert_eq!(records[1].size_bytes, 3 + 5 * (u64::from(old) + u64::from(new)));
    }
    Ok(())
}

#[test]
fn a_large_item_is_stored_once_and_freed_when_its_last_record_is_trimmed() -> Outcome {
    let world = world()?;
    let table = world.table("t", Some(StreamViewType::NewAndOldImages), vec![])?;
    let large = |mark: &str| item("a", &[("mark", text(mark)), ("body", AttributeValue::B(vec![7; 300_000]))]);
    world.put(&table, large("1"))?;
    let before = world.store.work().bytes_written;
    world.put(&table, large("2"))?;
    let written = world.store.work().bytes_written - before;
    assert!(written < 310_000, "both images of 300 KB were written with {written} bytes");
    world.is_sound(&table)?;
    let records = world.records(&world.stream("t")?, &StreamStart::TrimHorizon)?;
    assert_eq!((records[1].old.clone(), records[1].new.clone()), (Some(large("1")), Some(large("2"))));
    world.store.clock().advance(25 * HOUR);
    now(world.store.maintain())?;
    world.is_sound(&table)?;
    assert!(world.records(&world.stream("t")?, &StreamStart::TrimHorizon)?.is_empty());
    assert_eq!(now(world.store.get(&[(Arc::clone(&table), key("a"))]))?, [Some(large("2"))]);
    Ok(())
}

#[test]
fn a_blob_that_a_closed_streams_records_show_outlives_its_row() -> Outcome {
    let world = world()?;
    let table = world.table("t", Some(StreamViewType::NewImage), vec![])?;
    let large = item("a", &[("body", AttributeValue::B(vec![7; 100_000]))]);
    world.put(&table, large.clone())?;
    let table = now(world.store.change_table(&world.realm, "t", &[TableChange::DisableStream]))?;
    world.change(&table, "a", Change::Delete)?;
    world.is_sound(&table)?;
    let stream = world.stream("t")?;
    assert!(stream.is_closed());
    let records = world.records(&stream, &StreamStart::TrimHorizon)?;
    assert_eq!(records.len(), 1, "the release is shown to nobody");
    assert_eq!(records[0].new, Some(large));
    let table =
        now(world.store.change_table(&world.realm, "t", &[TableChange::EnableStream(StreamViewType::KeysOnly)]))?;
    assert!(world.records(&world.stream("t")?, &StreamStart::TrimHorizon)?.is_empty(), "none of the old records");
    world.store.clock().advance(25 * HOUR);
    now(world.store.maintain())?;
    world.is_sound(&table)?;
    assert_eq!(now(world.store.list_streams(&world.realm, None, None, 10))?.0.len(), 1);
    Ok(())
}

fn key(id: &str) -> Key {
    Key { partition: vec![text(id)], sort: vec![] }
}

#[test]
fn streams_outlive_their_table_by_24_hours_and_close() -> Outcome {
    let world = world()?;
    let table = world.table("t", Some(StreamViewType::KeysOnly), vec![])?;
    world.put(&table, item("a", &[]))?;
    now(world.store.delete_table(&world.realm, "t"))?;
    let again = world.table("t", Some(StreamViewType::KeysOnly), vec![])?;
    let (streams, _) = now(world.store.list_streams(&world.realm, Some("t"), None, 10))?;
    assert_eq!(streams.len(), 2);
    assert_ne!(streams[0].label, streams[1].label, "labels differ although the clock stands still");
    assert_eq!(world.records(&streams[0], &StreamStart::TrimHorizon)?.len(), 1);
    assert!(world.records(&streams[1], &StreamStart::TrimHorizon)?.is_empty());
    let cursor = now(world.store.stream_cursor(&streams[0], &StreamStart::TrimHorizon))?;
    let page = now(world.store.stream_records(&streams[0], cursor, 100, 1 << 20))?;
    assert_eq!(page.next, None, "a closed shard ends");
    world.store.clock().advance(23 * HOUR);
    assert_eq!(now(world.store.list_streams(&world.realm, Some("t"), None, 10))?.0.len(), 2);
    world.store.clock().advance(2 * HOUR);
    assert_eq!(now(world.store.list_streams(&world.realm, Some("t"), None, 10))?.0.len(), 1);
    assert!(matches!(now(world.store.stream_records(&streams[0], cursor, 1, 1)), Err(Error::ResourceNotFound(_))));
    world.is_sound(&again)
}

#[test]
fn a_reader_behind_the_trim_is_told_and_one_of_an_idle_stream_is_not() -> Outcome {
    let world = world()?;
    let table = world.table("t", Some(StreamViewType::KeysOnly), vec![])?;
    let stream = world.stream("t")?;
    let early = now(world.store.stream_cursor(&stream, &StreamStart::TrimHorizon))?;
    world.store.clock().advance(30 * HOUR);
    let page = now(world.store.stream_records(&stream, early, 10, 1 << 20))?;
    assert!(page.records.is_empty() && page.next.is_some(), "nothing was there to miss");
    world.put(&table, item("a", &[]))?;
    world.put(&table, item("b", &[]))?;
    let number = world.records(&stream, &StreamStart::TrimHorizon)?[0].sequence_number.clone();
    world.store.clock().advance(25 * HOUR);
    for maintained in [false, true] {
        if maintained {
            now(world.store.maintain())?;
        }
        let read = now(world.store.stream_records(&stream, early, 10, 1 << 20));
        assert!(matches!(read, Err(Error::TrimmedDataAccess(_))), "{read:?}");
        let start = now(world.store.stream_cursor(&stream, &StreamStart::After(number.clone())));
        assert!(matches!(start, Err(Error::TrimmedDataAccess(_))), "{start:?}");
        assert!(world.records(&stream, &StreamStart::TrimHorizon)?.is_empty());
    }
    world.put(&table, item("c", &[]))?;
    assert_eq!(world.records(&stream, &StreamStart::TrimHorizon)?.len(), 1);
    Ok(())
}

#[test]
fn every_kind_of_start_begins_where_it_says() -> Outcome {
    let world = world()?;
    let table = world.table("t", Some(StreamViewType::KeysOnly), vec![])?;
    let stream = world.stream("t")?;
    for id in ["a", "b", "c"] {
        world.put(&table, item(id, &[]))?;
        world.store.clock().advance(1_000);
    }
    let latest = now(world.store.stream_cursor(&stream, &StreamStart::Latest))?;
    let all = world.records(&stream, &StreamStart::TrimHorizon)?;
    let ids = |start: StreamStart| -> Result<usize, Error> { Ok(world.records(&stream, &start)?.len()) };
    assert_eq!(all.len(), 3);
    assert_eq!(ids(StreamStart::At(all[1].sequence_number.clone()))?, 2);
    assert_eq!(ids(StreamStart::After(all[1].sequence_number.clone()))?, 1);
    assert_eq!(ids(StreamStart::AtTimestamp(START.plus_millis(1_000)))?, 2);
    assert_eq!(ids(StreamStart::AtTimestamp(START.plus_millis(1_001)))?, 1);
    assert_eq!(ids(StreamStart::AtTimestamp(START.plus_millis(-5_000)))?, 3);
    assert_eq!(ids(StreamStart::AtTimestamp(START.plus_millis(2_500)))?, 0);
    let future = now(world.store.stream_cursor(&stream, &StreamStart::AtTimestamp(START.plus_millis(9_000_000))));
    assert!(matches!(future, Err(Error::Validation(_))));
    for bad in ["", "12", &"9".repeat(34), &format!("{}x", &all[0].sequence_number[..33])] {
        assert!(matches!(
            now(world.store.stream_cursor(&stream, &StreamStart::At(bad.to_owned()))),
            Err(Error::Validation(_))
        ));
    }
    world.put(&table, item("d", &[]))?;
    let page = now(world.store.stream_records(&stream, latest, 10, 1 << 20))?;
    assert_eq!(page.records.len(), 1, "LATEST sees what was committed after it was taken, and nothing before");
    assert_eq!(page.records[0].keys, item("d", &[]));
    Ok(())
}

#[test]
fn indexes_follow_their_items_and_are_filled_when_added_late() -> Outcome {
    let world = world()?;
    let table = world.table("t", None, vec![index("all", Projection::All)])?;
    for number in 0..700 {
        world.put(&table, ranked(&format!("i{number}"), if number % 2 == 0 { "even" } else { "odd" }, number))?;
    }
    world.put(&table, item("sparse", &[("group", text("even"))]))?;
    let keys_only = index("late", Projection::KeysOnly);
    let table = now(world.store.change_table(&world.realm, "t", &[TableChange::CreateIndex(Box::new(keys_only))]))?;
    world.is_sound(&table)?;
    let late = table.index("late").ok_or("no index")?;
    let query = |index, forward, sort: &SortBound| {
        let partition = [text("even")];
        let query = Query {
            table: &table,
            index: Some(index),
            partition: &partition,
            sort_equal: &[],
            sort,
            forward,
            start: None,
            limit: Some(3),
            fetch: Fetch::Projected,
        };
        now(world.store.query(&query, &|_| Ok(true)))
    };
    let page = query(late, true, &SortBound::Greater(AttributeValue::N(Number::from(10))))?;
    let ranks: Vec<&AttributeValue> = page.items.iter().filter_map(|item| item.get("rank")).collect();
    assert_eq!(ranks, [12, 14, 16].map(|rank| AttributeValue::N(Number::from(rank))).iter().collect::<Vec<_>>());
    assert!(page.items.iter().all(|item| item.len() == 3 && !item.contains("note")));
    assert_eq!(page.last.as_ref().map(Item::len), Some(3));
    let (_, counts) = now(world.store.statistics(&table))?;
    assert_eq!(counts.iter().map(|(_, count)| count.items).collect::<Vec<_>>(), [700, 700]);
    world.change(&table, "i12", Change::Delete)?;
    world.put(&table, ranked("i14", "odd", 14))?;
    world.put(&table, item("i16", &[]))?;
    let page = query(late, true, &SortBound::Greater(AttributeValue::N(Number::from(10))))?;
    assert_eq!(page.items[0].get("rank"), Some(&AttributeValue::N(Number::from(18))));
    world.is_sound(&table)?;
    let table = now(world.store.change_table(&world.realm, "t", &[TableChange::DeleteIndex("all".into())]))?;
    world.is_sound(&table)
}

#[test]
fn scan_segments_together_read_each_row_once() -> Outcome {
    let world = world()?;
    let table = world.table("t", None, vec![])?;
    for number in 0..1_000 {
        world.put(&table, item(&format!("i{number}"), &[]))?;
    }
    let before = world.store.work();
    let mut seen = std::collections::BTreeSet::new();
    for segment in 0..7 {
        let scan = Scan {
            table: &table,
            index: None,
            segment: Some((segment, 7)),
            start: None,
            limit: None,
            fetch: Fetch::Whole,
        };
        for item in now(world.store.scan(&scan, &|_| Ok(true)))?.items {
            assert!(seen.insert(format!("{item:?}")));
        }
    }
    assert_eq!(seen.len(), 1_000);
    assert_eq!(world.store.work().since(&before).pairs_read, 1_000);
    Ok(())
}

#[test]
fn a_stale_schema_writes_nothing() -> Outcome {
    let world = world()?;
    let stale = world.table("t", Some(StreamViewType::KeysOnly), vec![])?;
    now(world.store.change_table(&world.realm, "t", &[TableChange::DisableStream]))?;
    assert_eq!(world.put(&stale, item("a", &[])), Err(Error::SchemaChanged));
    let fresh = now(world.store.table(&world.realm, "t"))?;
    world.put(&fresh, item("a", &[]))?;
    assert!(world.records(&world.stream("t")?, &StreamStart::TrimHorizon)?.is_empty());
    now(world.store.delete_table(&world.realm, "t"))?;
    assert_eq!(world.put(&fresh, item("b", &[])), Err(Error::SchemaChanged));
    assert!(matches!(now(world.store.table(&world.realm, "t")), Err(Error::ResourceNotFound(_))));
    Ok(())
}

struct SetOnDrop<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn schema_changes_race_writers_and_nothing_is_lost() -> Outcome {
    let world = world()?;
    world.table("t", Some(StreamViewType::NewAndOldImages), vec![])?;
    let done = std::sync::atomic::AtomicBool::new(false);
    let total = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| -> Result<(), Error> {
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (world, done, total) = (&world, &done, &total);
                scope.spawn(move || -> Result<(), Error> {
                    let mut count = 0;
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        let table = now(world.store.table(&world.realm, "t"))?;
                        match world.put(
                            &table,
                            ranked(&format!("{writer}-{}", count % 50), &format!("g{count}"), count as i64),
                        ) {
                            Ok(_) => {
                                count += 1;
                                total.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            }
                            Err(Error::SchemaChanged) => {}
                            Err(error) => return Err(error),
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        // However this ends, or the scope would wait for writers that nobody stops.
        let _stop = SetOnDrop(&done);
        for round in 0..8 {
            // Something new to lose in every round, however the threads are scheduled.
            let before = total.load(std::sync::atomic::Ordering::Relaxed);
            while total.load(std::sync::atomic::Ordering::Relaxed) < before + 10
                && !writers.iter().any(|writer| writer.is_finished())
            {
                std::thread::yield_now();
            }
            let name = format!("index{round}");
            now(world.store.change_table(
                &world.realm,
                "t",
                &[TableChange::CreateIndex(Box::new(index(&name, Projection::All)))],
            ))?;
            now(world.store.change_table(&world.realm, "t", &[TableChange::DisableStream]))?;
            now(world.store.change_table(
                &world.realm,
                "t",
                &[TableChange::EnableStream(StreamViewType::NewAndOldImages)],
            ))?;
            let table = now(world.store.current_table(&world.realm, "t"))?;
            assert!(now(world.store.check(&table)).is_ok_and(|findings| findings.is_empty()), "round {round}");
            now(world.store.change_table(&world.realm, "t", &[TableChange::DeleteIndex(name)]))?;
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for writer in writers {
            writer.join().map_err(|_| Error::validation("a writer panicked"))??;
        }
        Ok(())
    })?;
    assert!(total.into_inner() >= 80);
    // Every record lies in exactly one stream, and each stream replays from the state the one before left or later.
    let (streams, _) = now(world.store.list_streams(&world.realm, Some("t"), None, 100))?;
    assert_eq!(streams.len(), 9);
    let mut last = String::new();
    for stream in &streams {
        for record in world.records(stream, &StreamStart::TrimHorizon)? {
            assert!(record.sequence_number > last && record.sequence_number > stream.starting_sequence_number());
            assert!(stream.ending_sequence_number().is_none_or(|end| record.sequence_number < end));
            last = record.sequence_number;
        }
    }
    world.is_sound(&*now(world.store.table(&world.realm, "t"))?)
}

#[test]
fn a_clock_set_to_the_past_before_any_use_is_believed() -> Outcome {
    let world = world()?;
    let past = Timestamp(1_000_000_000_000);
    world.store.clock().travel_to(past);
    let table = world.table("t", Some(StreamViewType::KeysOnly), vec![])?;
    world.put(&table, item("a", &[]))?;
    world.store.clock().travel_to(past.plus_millis(-HOUR));
    world.put(&table, item("b", &[]))?;
    let times: Vec<Timestamp> = world
        .records(&world.stream("t")?, &StreamStart::TrimHorizon)?
        .into_iter()
        .map(|record| record.created)
        .collect();
    assert_eq!(times, [past, past], "and once used, times never go back");
    Ok(())
}

#[test]
fn a_scan_refuses_a_start_key_of_another_segment() -> Outcome {
    let world = world()?;
    let table = world.table("t", None, vec![])?;
    let mut refused = 0;
    for segment in 0..4 {
        let start = fdyno::store::Start { table: key("a"), index: None };
        let scan = Scan {
            table: &table,
            index: None,
            segment: Some((segment, 4)),
            start: Some(&start),
            limit: None,
            fetch: Fetch::Whole,
        };
        refused += usize::from(matches!(now(world.store.scan(&scan, &|_| Ok(true))), Err(Error::Validation(_))));
    }
    assert_eq!(refused, 3, "one segment holds the key");
    Ok(())
}

#[test]
fn a_fork_goes_its_own_way() -> Outcome {
    let world = world()?;
    let table = world.table("t", Some(StreamViewType::NewImage), vec![])?;
    world.put(&table, item("a", &[]))?;
    let twin = World { store: now(world.store.fork())?, realm: world.realm.clone() };
    world.put(&table, item("b", &[]))?;
    twin.put(&table, item("c", &[]))?;
    twin.store.clock().advance(HOUR);
    assert_eq!(world.store.clock().now(), START);
    assert_eq!(now(world.store.get(&[(table.clone(), key("c"))]))?, [None]);
    assert_eq!(now(twin.store.get(&[(table.clone(), key("b"))]))?, [None]);
    let ids = |world: &World| -> Result<Vec<String>, Error> {
        let records = world.records(&world.stream("t")?, &StreamStart::TrimHorizon)?;
        Ok(records.into_iter().map(|record| record.event_id).collect())
    };
    let (ours, theirs) = (ids(&world)?, ids(&twin)?);
    assert_eq!((ours.len(), theirs.len()), (2, 2));
    assert!(ours.iter().all(|id| id.len() == 32 && !theirs.contains(id)), "event ids are never used twice");
    Ok(())
}

fn everything(store: &Store) -> Result<usize, Error> {
    let transaction = store.database().begin();
    Ok(now(transaction.range(&RangeRead::new([0], [0xFF])))?.pairs.len())
}

#[test]
fn a_large_item_replaced_after_the_last_stream_expired_leaves_nothing_behind() -> Outcome {
    let world = world()?;
    let table = world.table("t", Some(StreamViewType::KeysOnly), vec![])?;
    let table_without = now(world.store.change_table(&world.realm, "t", &[TableChange::DisableStream]))?;
    world.is_sound(&table_without)?;
    let large = |mark: &str| item("a", &[("mark", text(mark)), ("body", AttributeValue::B(vec![7; 200_000]))]);
    world.put(&table_without, large("1"))?;
    let pass_a_day = || {
        world.store.clock().advance(25 * HOUR);
        now(world.store.maintain())
    };
    pass_a_day()?;
    let before = everything(&world.store)?;
    for mark in ["2", "3", "4"] {
        world.put(&table_without, large(mark))?;
    }
    pass_a_day()?;
    assert_eq!(everything(&world.store)?, before, "the replaced items are gone");
    assert!(now(world.store.list_streams(&world.realm, None, None, 10))?.0.is_empty());
    now(world.store.delete_table(&world.realm, "t"))?;
    pass_a_day()?;
    assert!(everything(&world.store)? < 7, "nothing is kept for a table of which nothing is left");
    assert_eq!(table.id, table_without.id);
    Ok(())
}

#[test]
fn a_change_that_cannot_be_finished_is_taken_back_whole() -> Outcome {
    let clock = Clock::deterministic(START, 7);
    let database = Database::faults(clock, Plan::none().with_seed(3).with(Kind::ReadFailed, 0.001));
    let faults = database.injected_faults().cloned().ok_or("no faults")?;
    faults.pause();
    let realm = Realm { account: "000000000000".into(), region: "eu-west-1".into() };
    let world = World { store: now(Store::open(database, b"test".to_vec()))?, realm };
    let table = world.table("t", None, vec![])?;
    for number in 0..500 {
        world.put(&table, ranked(&format!("i{number}"), "g", number))?;
    }
    let changes = [
        TableChange::EnableStream(StreamViewType::KeysOnly),
        TableChange::CreateIndex(Box::new(index("late", Projection::All))),
    ];
    let (mut failed, mut current) = (0, table);
    for _ in 0..30 {
        faults.resume();
        let outcome = now(world.store.change_table(&world.realm, "t", &changes));
        faults.pause();
        let found = now(world.store.current_table(&world.realm, "t"))?;
        match outcome {
            Ok(_) => {
                assert!(found.stream.is_some() && found.index("late").is_some());
                world.is_sound(&found)?;
                let back = [TableChange::DisableStream, TableChange::DeleteIndex("late".to_owned())];
                current = now(world.store.change_table(&world.realm, "t", &back))?;
            }
            Err(error) => {
                failed += 1;
                assert_eq!(error.shape().code, "InternalServerError");
                assert_eq!((&found.stream, &found.indexes), (&current.stream, &current.indexes));
                world.is_sound(&found)?;
            }
        }
    }
    assert!((1..30).contains(&failed), "{failed} of 30 changes failed");
    Ok(())
}
