//! Moving house: whole databases copied between engines. Streams go on over the seam, nothing is lost, doubled or called
//! trimmed that is not; a copy that was interrupted goes on where it was, and what is no copy is no database.
#![expect(clippy::panic_in_result_fn, reason = "tests")]

#[expect(dead_code, reason = "other tests use the rest")]
mod common;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Outcome, START, World, now};
use fdyno::clock::{Clock, Timestamp};
use fdyno::error::Error;
use fdyno::kv::faults::{Kind, Plan};
use fdyno::kv::{Database, DiskOptions, RangeRead};
use fdyno::store::{Copy, CopyError, Place, Reading, Realm, Store, copy};
use serde_json::{Value, json};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// A frozen clock, whose randomness is its own: two machines do not draw the same ids either.
fn clock(at: Timestamp) -> Clock {
    static SEED: AtomicU64 = AtomicU64::new(7);
    Clock::deterministic(at, SEED.fetch_add(1, Ordering::Relaxed))
}

fn memory(at: Timestamp) -> Database {
    Database::memory(clock(at))
}

fn disk(path: &Path, at: Timestamp) -> Result<Database, Error> {
    Ok(Database::disk(path, DiskOptions::default(), clock(at))?)
}

/// A database whose versions do not tell the time, as a cluster's.
fn opaque(at: Timestamp) -> Database {
    Database::faults(clock(at), Plan::none().with_opaque_versions())
}

/// Source and destination may have different prefixes.
fn place(database: &Database) -> Place {
    Place { database: database.clone(), prefix: b"test".to_vec() }
}

fn elsewhere(database: &Database) -> Place {
    Place { database: database.clone(), prefix: b"moved to".to_vec() }
}

fn open(place: Place) -> Result<World, Error> {
    let store = now(Store::open(place.database, place.prefix))?;
    Ok(World { store, realm: Realm { account: "000000000000".into(), region: "eu-west-1".into() } })
}

fn copied(from: &World, to: &Database) -> Result<World, Box<dyn std::error::Error>> {
    now(copy(from.store.place(), elsewhere(to)))?;
    Ok(open(elsewhere(to))?)
}

fn create(world: &World, name: &str) -> Result<Value, Error> {
    world.call(
        "CreateTable",
        &json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "group", "AttributeType": "S"}
            ],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-group", "Projection": {"ProjectionType": "ALL"},
                "KeySchema": [{"AttributeName": "group", "KeyType": "HASH"}]
            }],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        }),
    )
}

fn put(world: &World, ids: &[&str]) -> Outcome {
    for id in ids {
        let item = json!({"id": {"S": id}, "group": {"S": "g"}});
        world.call("PutItem", &json!({"TableName": "table", "Item": item}))?;
    }
    Ok(())
}

fn set_stream(world: &World, enabled: bool) -> Result<Value, Error> {
    let mut specification = json!({"StreamEnabled": enabled});
    if enabled {
        specification["StreamViewType"] = json!("KEYS_ONLY");
    }
    world.call("UpdateTable", &json!({"TableName": "table", "StreamSpecification": specification}))
}

fn arns(world: &World) -> Result<Vec<String>, Error> {
    let streams = world.call("ListStreams", &json!({"TableName": "table"}))?;
    let arns = streams["Streams"].as_array().into_iter().flatten();
    Ok(arns.filter_map(|stream| stream["StreamArn"].as_str().map(str::to_owned)).collect())
}

/// The records of a stream from a start on, and whether it ended.
fn read(world: &World, arn: &str, start: &Value) -> Result<(Vec<Value>, bool), Error> {
    let described = world.call("DescribeStream", &json!({"StreamArn": arn}))?;
    let mut asked = start.clone();
    asked["StreamArn"] = json!(arn);
    asked["ShardId"] = described["StreamDescription"]["Shards"][0]["ShardId"].clone();
    let mut iterator = world.call("GetShardIterator", &asked)?["ShardIterator"].clone();
    let mut records = Vec::new();
    loop {
        let page = world.call("GetRecords", &json!({"ShardIterator": iterator, "Limit": 2}))?;
        let found = page["Records"].as_array().cloned().unwrap_or_default();
        let is_empty = found.is_empty();
        records.extend(found);
        match page.get("NextShardIterator") {
            None => return Ok((records, true)),
            Some(_) if is_empty => return Ok((records, false)),
            Some(next) => iterator = next.clone(),
        }
    }
}

fn records(world: &World, start: &Value) -> Result<Vec<Value>, Error> {
    let arn = arns(world)?.pop().ok_or_else(|| Error::validation("no stream"))?;
    Ok(read(world, &arn, start)?.0)
}

fn from_horizon() -> Value {
    json!({"ShardIteratorType": "TRIM_HORIZON"})
}

fn at(kind: &str, number: &str) -> Value {
    json!({"ShardIteratorType": kind, "SequenceNumber": number})
}

fn at_time(time: Timestamp) -> Value {
    json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time.millis() as f64 / 1000.0})
}

fn ids(records: &[Value]) -> Vec<&str> {
    records.iter().filter_map(|record| record["dynamodb"]["Keys"]["id"]["S"].as_str()).collect()
}

fn numbers(records: &[Value]) -> Vec<String> {
    records.iter().filter_map(|record| record["dynamodb"]["SequenceNumber"].as_str().map(str::to_owned)).collect()
}

fn seconds(records: &[Value]) -> Vec<f64> {
    records.iter().filter_map(|record| record["dynamodb"]["ApproximateCreationDateTime"].as_f64()).collect()
}

fn event_ids(records: &[Value]) -> Vec<&str> {
    records.iter().filter_map(|record| record["eventID"].as_str()).collect()
}

fn is_sound(world: &World, name: &str) -> Outcome {
    let table = now(world.store.current_table(&world.realm, name))?;
    assert_eq!(now(world.store.check(&table))?, Vec::<String>::new());
    Ok(())
}

/// What is told on both sides after both went on from a common past.
fn goes_on_over_the_seam(old: &World, new: &World, before: &[Value]) -> Outcome {
    put(old, &["old side"])?;
    let latest = read_latest(new)?;
    put(new, &["x", "y", "z"])?;
    let (theirs, ours) = (records(old, &from_horizon())?, records(new, &from_horizon())?);
    let shared = ids(before);
    assert_eq!(ids(&theirs), [&shared[..], &["old side"]].concat());
    assert_eq!(ids(&ours), [&shared[..], &["x", "y", "z"]].concat(), "old then new, none lost, none doubled");
    assert_eq!(numbers(&ours)[..shared.len()], numbers(before)[..], "old records keep their numbers");
    assert_eq!(seconds(&ours)[..shared.len()], seconds(before)[..], "and their times");
    assert!(numbers(&ours).is_sorted_by(|one, two| one < two), "{:?}", numbers(&ours));
    assert!(seconds(&ours).is_sorted(), "{:?}", seconds(&ours));
    assert!(event_ids(&ours).iter().all(|id| !event_ids(&theirs).contains(id)), "event ids are never used twice");
    for (place, number) in numbers(&ours).iter().enumerate() {
        assert_eq!(records(new, &at("AFTER_SEQUENCE_NUMBER", number))?, ours[place + 1..]);
        assert_eq!(records(new, &at("AT_SEQUENCE_NUMBER", number))?, ours[place..]);
    }
    for (time, first) in seconds(&ours).iter().zip(0..) {
        let time = Timestamp((time * 1000.0).round() as i64);
        let same = seconds(&ours).iter().take_while(|other| **other < time.millis() as f64 / 1000.0).count();
        assert!(same <= first);
        assert_eq!(records(new, &at_time(time))?, ours[same..]);
    }
    let page = new.call("GetRecords", &json!({"ShardIterator": latest}))?;
    assert_eq!(ids(page["Records"].as_array().map_or(&[][..], Vec::as_slice)), ["x", "y", "z"]);
    is_sound(old, "table")?;
    is_sound(new, "table")
}

fn read_latest(world: &World) -> Result<Value, Error> {
    let arn = arns(world)?.pop().unwrap_or_default();
    let described = world.call("DescribeStream", &json!({"StreamArn": arn}))?;
    let shard = &described["StreamDescription"]["Shards"][0]["ShardId"];
    let start = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "LATEST"});
    Ok(world.call("GetShardIterator", &start)?["ShardIterator"].clone())
}

fn filled(database: &Database) -> Result<World, Box<dyn std::error::Error>> {
    let world = open(place(database))?;
    create(&world, "table")?;
    for id in ["a", "b", "c", "d"] {
        put(&world, &[id])?;
        world.store.clock().advance(MINUTE);
    }
    Ok(world)
}

#[test]
fn streams_go_on_over_the_seam_between_any_two_engines() -> Outcome {
    // Of the destination's clock: with it, its versions are lower or higher than the source's.
    for offset in [-365 * 24 * HOUR, 0, HOUR] {
        let there = START.plus_millis(offset);
        let folder = tempfile::tempdir()?;
        let pairs: [(Database, Database); 5] = [
            (memory(START), memory(there)),
            (memory(START), disk(&folder.path().join("one"), there)?),
            (disk(&folder.path().join("two"), START)?, memory(there)),
            (memory(START), opaque(there)),
            (opaque(START), memory(there)),
        ];
        for (from, to) in pairs {
            let old = filled(&from)?;
            let before = records(&old, &from_horizon())?;
            assert_eq!(ids(&before), ["a", "b", "c", "d"], "{} to {}, {offset}", from.engine(), to.engine());
            let new = copied(&old, &to)?;
            assert_ne!(new.store.id(), old.store.id());
            goes_on_over_the_seam(&old, &new, &before)?;
        }
    }
    Ok(())
}

#[test]
fn a_fork_goes_on_over_its_seam_as_well() -> Outcome {
    for database in [memory(START), opaque(START)] {
        let old = filled(&database)?;
        let before = records(&old, &from_horizon())?;
        let twin = World { store: now(old.store.fork())?, realm: old.realm.clone() };
        goes_on_over_the_seam(&old, &twin, &before)?;
        // Also of a copy: a fork knows the past of what it was forked from.
        let moved = copied(&twin, &memory(START.plus_millis(-HOUR)))?;
        let before = records(&moved, &from_horizon())?;
        let twin = World { store: now(moved.store.fork())?, realm: old.realm.clone() };
        put(&twin, &["forked"])?;
        let after = records(&twin, &from_horizon())?;
        assert_eq!(ids(&after), [&ids(&before)[..], &["forked"]].concat());
        assert_eq!(seconds(&after)[..before.len()], seconds(&before)[..]);
    }
    Ok(())
}

#[test]
fn a_database_may_be_copied_again_and_again() -> Outcome {
    let mut world = filled(&memory(START))?;
    let mut expected = ids(&records(&world, &from_horizon())?).join(" ");
    let makers: [fn(Timestamp) -> Database; 4] = [opaque, memory, opaque, memory];
    let mut known = numbers(&records(&world, &from_horizon())?);
    for (round, make) in makers.into_iter().enumerate() {
        // Each clock is behind the one before.
        let there = START.plus_millis(-(round as i64 + 1) * HOUR);
        world = copied(&world, &make(there))?;
        let id = format!("round-{round}");
        put(&world, &[&id])?;
        expected = format!("{expected} {id}");
        let all = records(&world, &from_horizon())?;
        assert_eq!(ids(&all).join(" "), expected);
        assert!(numbers(&all).is_sorted_by(|one, two| one < two) && seconds(&all).is_sorted());
        assert_eq!(numbers(&all)[..known.len()], known[..]);
        known = numbers(&all);
        is_sound(&world, "table")?;
    }
    Ok(())
}

#[test]
fn records_of_both_sides_are_trimmed_when_their_24_hours_are_over() -> Outcome {
    for (from, to) in
        [(memory as fn(_) -> _, memory as fn(_) -> _), (opaque, memory), (memory, opaque), (opaque, opaque)]
    {
        let old = filled(&from(START))?;
        let end = START.plus_millis(4 * MINUTE);
        let new = copied(&old, &to(end))?;
        put(&new, &["x"])?;
        new.store.clock().advance(MINUTE);
        put(&new, &["y"])?;
        let arn = arns(&new)?.pop().ok_or("no stream")?;
        let all = numbers(&records(&new, &from_horizon())?);
        // Each passes its 24 hours in its turn: first for readers, then in storage.
        for (gone, id) in ["a", "b", "c", "d", "x", "y"].iter().enumerate() {
            let moment = START.plus_millis(gone as i64 * MINUTE + 24 * HOUR);
            new.store.clock().travel_to(moment.plus_millis(-1));
            assert_eq!(records(&new, &from_horizon())?.len(), 6 - gone, "{id} is still there");
            new.store.clock().travel_to(moment.plus_millis(1));
            let left = records(&new, &from_horizon())?;
            assert_eq!(left.len(), 5 - gone, "{id} is gone");
            let behind = world_after(&new, &arn, &all[gone]);
            let trimmed = matches!(&behind, Err(Error::TrimmedDataAccess(_)));
            assert!(trimmed, "{behind:?}");
        }
        put(&new, &["later"])?;
        new.store.clock().advance(2 * MINUTE);
        now(new.store.maintain())?;
        // What was removed is known to have been there also by a clock that says that it is not old yet.
        new.store.clock().travel_to(end);
        assert_eq!(ids(&records(&new, &from_horizon())?), ["later"]);
        for number in &all {
            let removed = world_after(&new, &arn, number);
            assert!(matches!(removed, Err(Error::TrimmedDataAccess(_))), "{removed:?}");
        }
        is_sound(&new, "table")?;
    }
    Ok(())
}

fn world_after(world: &World, arn: &str, number: &str) -> Result<(Vec<Value>, bool), Error> {
    read(world, arn, &at("AFTER_SEQUENCE_NUMBER", number))
}

#[test]
fn what_was_trimmed_before_a_copy_stays_trimmed_and_what_was_not_does_not() -> Outcome {
    let old = filled(&memory(START))?;
    let before = numbers(&records(&old, &from_horizon())?);
    old.store.clock().travel_to(START.plus_millis(24 * HOUR + MINUTE + 1));
    now(old.store.maintain())?;
    let left = records(&old, &from_horizon())?;
    assert_eq!(ids(&left), ["c", "d"]);
    let new = copied(&old, &memory(START.plus_millis(24 * HOUR + MINUTE + 1)))?;
    assert_eq!(numbers(&records(&new, &from_horizon())?), numbers(&left));
    let arn = arns(&new)?.pop().ok_or("no stream")?;
    assert!(matches!(world_after(&new, &arn, &before[0]), Err(Error::TrimmedDataAccess(_))));
    assert_eq!(world_after(&new, &arn, &before[2])?.0.len(), 1);
    Ok(())
}

#[test]
fn a_stream_that_was_closed_before_the_copy_drains_and_ends_and_goes_in_time() -> Outcome {
    for to in [memory as fn(_) -> _, opaque] {
        let old = filled(&memory(START))?;
        set_stream(&old, false)?;
        let arn = arns(&old)?.pop().ok_or("no stream")?;
        let (before, ended) = read(&old, &arn, &from_horizon())?;
        assert!(ended);
        let new = copied(&old, &to(START.plus_millis(-HOUR)))?;
        put(&new, &["untold"])?;
        let (after, ended) = read(&new, &arn, &from_horizon())?;
        assert!(ended, "a closed stream ends");
        assert_eq!(numbers(&after), numbers(&before));
        // Another one over there, whose records are its own.
        new.store.clock().advance(2 * HOUR);
        set_stream(&new, true)?;
        put(&new, &["told"])?;
        let second = arns(&new)?.into_iter().find(|other| *other != arn).ok_or("no second stream")?;
        assert_eq!(ids(&read(&new, &second, &from_horizon())?.0), ["told"]);
        assert_eq!(read(&new, &arn, &from_horizon())?.0, after);
        new.store.clock().travel_to(START.plus_millis(24 * HOUR + 4 * MINUTE + 1));
        now(new.store.maintain())?;
        assert_eq!(arns(&new)?, [second]);
        is_sound(&new, "table")?;
    }
    Ok(())
}

#[test]
fn a_stream_that_is_closed_in_the_copy_holds_the_records_of_both_sides_and_ends() -> Outcome {
    let old = filled(&memory(START))?;
    let new = copied(&old, &memory(START.plus_millis(-HOUR)))?;
    put(&new, &["x"])?;
    set_stream(&new, false)?;
    put(&new, &["untold"])?;
    let arn = arns(&new)?.pop().ok_or("no stream")?;
    let (all, ended) = read(&new, &arn, &from_horizon())?;
    assert!(ended);
    assert_eq!(ids(&all), ["a", "b", "c", "d", "x"]);
    let again = copied(&new, &memory(START.plus_millis(-2 * HOUR)))?;
    assert_eq!(numbers(&read(&again, &arn, &from_horizon())?.0), numbers(&all));
    is_sound(&again, "table")
}

#[test]
fn large_items_and_their_old_images_come_along() -> Outcome {
    let old = filled(&memory(START))?;
    let large = |mark: &str| json!({"id": {"S": "large"}, "mark": {"S": mark}, "body": {"S": "x".repeat(250_000)}});
    for mark in ["1", "2"] {
        old.call("PutItem", &json!({"TableName": "table", "Item": large(mark)}))?;
    }
    let new = copied(&old, &memory(START.plus_millis(-HOUR)))?;
    is_sound(&new, "table")?;
    new.call("PutItem", &json!({"TableName": "table", "Item": large("3")}))?;
    new.call("DeleteItem", &json!({"TableName": "table", "Key": {"id": {"S": "large"}}}))?;
    let told = records(&new, &from_horizon())?;
    let images: Vec<[&Value; 2]> =
        told[4..].iter().map(|record| ["OldImage", "NewImage"].map(|image| &record["dynamodb"][image])).collect();
    let [one, two, three] = ["1", "2", "3"].map(large);
    assert_eq!(images, [[&Value::Null, &one], [&one, &two], [&two, &three], [&three, &Value::Null]]);
    is_sound(&new, "table")?;
    new.store.clock().travel_to(START.plus_millis(26 * HOUR));
    now(new.store.maintain())?;
    is_sound(&new, "table")
}

/// Steps of a copy until it is finished, or until `budget` of them are done.
fn steps(copy: &mut Copy, budget: usize) -> Result<Option<Reading>, CopyError> {
    for _ in 0..budget {
        if let Some(reading) = now(copy.step())? {
            return Ok(Some(reading));
        }
    }
    Ok(None)
}

/// About ten megabytes: several steps.
fn heavy(database: &Database) -> Result<World, Box<dyn std::error::Error>> {
    let world = filled(database)?;
    for number in 0..30 {
        let item = json!({"id": {"S": format!("heavy-{number}")}, "body": {"S": "x".repeat(330_000)}});
        world.call("PutItem", &json!({"TableName": "table", "Item": item}))?;
    }
    Ok(world)
}

#[test]
fn an_interrupted_copy_goes_on_where_it_was() -> Outcome {
    let from = memory(START);
    let old = heavy(&from)?;
    let to = memory(START);
    let mut first = now(Copy::begin(place(&from), elsewhere(&to)))?;
    assert_eq!(steps(&mut first, 4)?, None);
    let (pairs, bytes) = (first.pairs(), first.bytes());
    assert!(bytes > 4_000_000 && bytes < 8_000_000 && !first.is_verifying(), "{bytes}");
    drop(first);
    let opened = now(Store::open(to.clone(), b"moved to".to_vec()));
    assert_eq!(opened.err(), Some(Error::UnfinishedCopy));

    let (read, written) = (from.work(), to.work());
    let mut second = now(Copy::begin(place(&from), elsewhere(&to)))?;
    assert_eq!((second.pairs(), second.bytes()), (pairs, bytes), "what was copied counts");
    while !second.is_verifying() {
        assert_eq!(steps(&mut second, 1)?, None);
    }
    let (read, written) = (from.work().since(&read), to.work().since(&written));
    let rest = second.bytes() - bytes;
    assert!(rest > 2_000_000);
    let overhead = 100_000;
    assert!(read.bytes_read < rest + overhead, "read {} of {rest}", read.bytes_read);
    assert!(written.bytes_written < rest + overhead, "wrote {} of {rest}", written.bytes_written);
    // Interrupted once more, while the two are compared: nothing is copied again.
    assert_eq!(steps(&mut second, 2)?, None);
    drop(second);
    let written = to.work();
    let finished = now(copy(place(&from), elsewhere(&to)))?;
    assert!(to.work().since(&written).bytes_written < overhead);
    assert_eq!(finished.tables, 1);
    let new = open(elsewhere(&to))?;
    assert_eq!(records(&new, &from_horizon())?.len(), records(&old, &from_horizon())?.len());
    is_sound(&new, "table")?;
    Ok(())
}

/// A pair of engines, of which the destination can be opened anew.
type Sides = (Database, Box<dyn Fn() -> Result<Database, Error>>);

fn sides(folder: &Path) -> [Sides; 5] {
    let kept =
        |database: Database| -> Box<dyn Fn() -> Result<Database, Error>> { Box::new(move || Ok(database.clone())) };
    let path = folder.join("destination");
    [
        (memory(START), kept(memory(START))),
        (memory(START), Box::new(move || disk(&path, START))),
        (opaque(START), kept(memory(START))),
        (memory(START), kept(opaque(START))),
        (opaque(START), kept(opaque(START))),
    ]
}

#[test]
fn whoever_repeats_a_finished_copy_is_told_what_it_holds() -> Outcome {
    let folder = tempfile::tempdir()?;
    for (from, to) in sides(folder.path()) {
        heavy(&from)?;
        let copied = now(copy(place(&from), elsewhere(&to()?)))?;
        // Once without and once with the copy having been opened, which on a shared engine leaves a sample of the time.
        for _ in 0..2 {
            let to = to()?;
            let written = [from.work(), to.work()];
            assert_eq!(now(copy(place(&from), elsewhere(&to)))?, copied, "{} to {}", from.engine(), to.engine());
            let keys = [from.work().since(&written[0]), to.work().since(&written[1])].map(|work| work.keys_written);
            assert_eq!(keys, [0, 0], "nothing was written");
            assert_eq!(records(&open(elsewhere(&to))?, &from_horizon())?.len(), 34);
        }
    }
    Ok(())
}

#[test]
fn a_finished_copy_that_was_written_to_is_a_destination_no_more() -> Outcome {
    let folder = tempfile::tempdir()?;
    for (from, to) in sides(folder.path()) {
        filled(&from)?;
        now(copy(place(&from), elsewhere(&to()?)))?;
        put(&open(elsewhere(&to()?))?, &["new"])?;
        let again = now(copy(place(&from), elsewhere(&to()?)));
        assert_eq!(again, Err(CopyError::NotEmpty), "{} to {}", from.engine(), to()?.engine());
        let left = records(&open(elsewhere(&to()?))?, &from_horizon())?;
        assert_eq!(ids(&left), ["a", "b", "c", "d", "new"], "and is left as it was");
    }
    Ok(())
}

#[test]
fn a_source_that_was_written_to_since_its_copy_is_not_said_to_be_copied() -> Outcome {
    let folder = tempfile::tempdir()?;
    for (from, to) in sides(folder.path()) {
        let old = filled(&from)?;
        now(copy(place(&from), elsewhere(&to()?)))?;
        put(&old, &["new"])?;
        let again = now(copy(place(&from), elsewhere(&to()?)));
        assert_eq!(again, Err(CopyError::SourceMovedOn), "{} to {}", from.engine(), to()?.engine());
    }
    Ok(())
}

#[test]
fn only_the_source_itself_is_known_to_have_been_copied() -> Outcome {
    let (from, to, third) = (memory(START), memory(START), memory(START));
    let old = filled(&from)?;
    now(copy(place(&from), elsewhere(&to)))?;
    let twin = now(old.store.fork())?;
    assert_eq!(now(copy(twin.place(), elsewhere(&to))), Err(CopyError::NotEmpty));
    now(copy(elsewhere(&to), place(&third)))?;
    assert_eq!(
        now(copy(place(&from), place(&third))),
        Err(CopyError::NotEmpty),
        "a copy of the copy is none of the source"
    );
    assert!(now(copy(elsewhere(&to), place(&third))).is_ok());
    Ok(())
}

#[test]
fn no_step_is_larger_than_two_megabytes() -> Outcome {
    let from = memory(START);
    heavy(&from)?;
    let to = memory(START);
    let mut copy = now(Copy::begin(place(&from), elsewhere(&to)))?;
    loop {
        let (read, written) = (from.work(), to.work());
        let finished = now(copy.step())?;
        assert!(from.work().since(&read).bytes_read <= 2_000_000);
        assert!(to.work().since(&written).bytes_written <= 2_000_000);
        assert!(to.work().since(&written).commits <= 1);
        if finished.is_some() {
            return Ok(());
        }
    }
}

#[test]
fn a_copy_that_storage_interrupts_anywhere_is_finished_by_running_it_again() -> Outcome {
    let expected = {
        let from = memory(START);
        heavy(&from)?;
        now(copy(place(&from), elsewhere(&memory(START))))?
    };
    let mut interrupted = 0;
    for seed in 0..10 {
        let plan = || Plan::seeded(seed).with(Kind::ReadFailed, 0.05).with(Kind::CommitFailed, 0.1);
        let (from, to) = match seed % 2 {
            0 => (memory(START), Database::faults(clock(START), plan())),
            _ => (
                Database::faults(clock(START), plan().with(Kind::LaterLands, 0.0)),
                Database::faults(clock(START), plan().with_opaque_versions()),
            ),
        };
        if let Some(faults) = from.injected_faults() {
            faults.pause();
        }
        heavy(&from)?;
        if let Some(faults) = from.injected_faults() {
            faults.resume();
        }
        let finished = loop {
            match now(copy(place(&from), elsewhere(&to))) {
                Ok(finished) => break finished,
                Err(CopyError::Failed(Error::Storage(_))) => interrupted += 1,
                Err(error) => return Err(format!("seed {seed}: {error}").into()),
            }
            assert!(interrupted < 10_000);
        };
        assert_eq!((finished.pairs, finished.tables), (expected.pairs, expected.tables), "seed {seed}");
        if let Some(faults) = to.injected_faults() {
            faults.pause();
            faults.flush();
        }
        let new = open(elsewhere(&to))?;
        put(&new, &["new"])?;
        assert_eq!(records(&new, &from_horizon())?.len(), 35);
        is_sound(&new, "table")?;
    }
    assert!(interrupted > 5, "{interrupted}");
    Ok(())
}

#[test]
fn what_is_no_copy_of_the_same_source_is_refused() -> Outcome {
    let (from, to) = (memory(START), memory(START));
    let nothing = now(copy(place(&from), elsewhere(&to)));
    assert_eq!(nothing, Err(CopyError::NoSource));
    assert_eq!(now(to.begin().range(&RangeRead::new([0], [0xFF])))?.pairs, [], "nothing was written");
    let old = heavy(&from)?;
    let other = memory(START);
    filled(&other)?;
    assert_eq!(now(copy(place(&from), place(&other))), Err(CopyError::NotEmpty));
    let opened = memory(START);
    open(elsewhere(&opened))?;
    assert_eq!(now(copy(place(&from), elsewhere(&opened))), Err(CopyError::NotEmpty), "opened is a database");
    // A key of somebody else's below the prefix.
    let foreign = memory(START);
    let transaction = foreign.begin();
    transaction.set(b"moved to\x33", b"mine".to_vec())?;
    now(transaction.commit())?;
    assert_eq!(now(copy(place(&from), elsewhere(&foreign))), Err(CopyError::NotEmpty));

    let mut unfinished = now(Copy::begin(place(&from), elsewhere(&to)))?;
    steps(&mut unfinished, 2)?;
    assert_eq!(now(copy(place(&other), elsewhere(&to))), Err(CopyError::OtherCopy));
    assert_eq!(now(copy(elsewhere(&to), place(&memory(START)))), Err(CopyError::SourceUnfinished));
    // A twin is another database, however alike.
    let twin = now(old.store.fork())?;
    assert_eq!(now(copy(twin.place(), elsewhere(&to))), Err(CopyError::OtherCopy));
    // Two at once: the slower one is told.
    let mut faster = now(Copy::begin(place(&from), elsewhere(&to)))?;
    steps(&mut faster, 1)?;
    assert_eq!(now(unfinished.step()), Err(CopyError::Overtaken));
    assert!(steps(&mut faster, 1_000)?.is_some());
    Ok(())
}

#[test]
fn a_database_is_copied_beside_itself_on_a_shared_engine() -> Outcome {
    let shared = opaque(START);
    let old = filled(&shared)?;
    let before = records(&old, &from_horizon())?;
    let new = copied(&old, &shared)?;
    goes_on_over_the_seam(&old, &new, &before)
}

#[test]
fn a_source_that_is_written_to_meanwhile_ends_the_copy() -> Outcome {
    for from in [memory(START), opaque(START)] {
        for budget in [0, 3, 9, 12] {
            let old = if budget == 0 { heavy(&from)? } else { open(place(&from))? };
            let to = memory(START);
            let mut copy = now(Copy::begin(place(&from), elsewhere(&to)))?;
            assert_eq!(steps(&mut copy, budget)?, None, "{budget}");
            put(&old, &[&format!("meanwhile-{budget}")])?;
            let ended = steps(&mut copy, 1_000);
            let told = matches!(ended, Err(CopyError::SourceChanged));
            // On a shared engine what was written before its place was read just comes along.
            assert!(told || (from.is_shared() && budget < 9), "{}, {budget}: {ended:?}", from.engine());
            if told && !from.is_shared() {
                let again = now(Copy::begin(place(&from), elsewhere(&to))).err();
                assert_eq!(again, Some(CopyError::SourceChanged), "and stays so");
            }
            if told {
                let opened = now(Store::open(to, b"moved to".to_vec()));
                assert_eq!(opened.err(), Some(Error::UnfinishedCopy), "never a database");
            }
        }
    }
    Ok(())
}

#[test]
fn leases_and_commit_ids_stay_behind_and_the_copy_is_maintained_at_once() -> Outcome {
    let from = opaque(START);
    let old = filled(&from)?;
    old.store.clock().travel_to(START.plus_millis(25 * HOUR));
    put(&old, &["y"])?;
    now(old.store.maintain())?;
    let keys = |database: &Database, prefix: &[u8]| -> Result<usize, Error> {
        Ok(now(database.begin().range(&RangeRead::prefix(prefix)))?.pairs.len())
    };
    assert!(keys(&from, b"test\x06")? == 1 && keys(&from, b"test\x04")? > 1);
    let to = memory(START.plus_millis(25 * HOUR));
    let reading = now(copy(place(&from), elsewhere(&to)))?;
    assert_eq!((keys(&to, b"moved to\x06")?, keys(&to, b"moved to\x04")?), (0, 0));
    // All that was read, and: format, id, incarnation, the seam, what it is a copy of.
    assert_eq!(keys(&to, b"moved to")? as u64, reading.pairs + 5);
    let new = open(elsewhere(&to))?;
    new.store.clock().advance(26 * HOUR);
    now(new.store.maintain())?;
    assert!(records(&new, &from_horizon())?.is_empty());
    // The samples of the time that only the old records needed are gone with them.
    assert_eq!(keys(&to, b"moved to\x08")?, 0);
    is_sound(&new, "table")
}

#[test]
fn tokens_indexes_and_counts_come_along_and_go_on() -> Outcome {
    let old = filled(&memory(START))?;
    let write = json!({
        "ClientRequestToken": "token", "TransactItems": [{"Update": {
            "TableName": "table", "Key": {"id": {"S": "a"}}, "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}}
        }}]
    });
    old.call("TransactWriteItems", &write)?;
    create(&old, "another")?;
    let new = copied(&old, &memory(START.plus_millis(5 * MINUTE)))?;
    new.call("TransactWriteItems", &write)?;
    let item = new.call("GetItem", &json!({"TableName": "table", "Key": {"id": {"S": "a"}}}))?;
    assert_eq!(item["Item"]["n"], json!({"N": "1"}), "the token is remembered");
    let query = json!({
        "TableName": "table", "IndexName": "by-group", "KeyConditionExpression": "#g = :g",
        "ExpressionAttributeNames": {"#g": "group"}, "ExpressionAttributeValues": {":g": {"S": "g"}}
    });
    assert_eq!(new.call("Query", &query)?["Count"], 4);
    assert_eq!(new.call("ListTables", &json!({}))?["TableNames"], json!(["another", "table"]));
    create(&new, "third")?;
    assert_eq!(new.call("DescribeTable", &json!({"TableName": "table"}))?["Table"]["ItemCount"], 4);
    for name in ["another", "table", "third"] {
        is_sound(&new, name)?;
    }
    Ok(())
}

#[test]
fn a_database_of_the_first_format_is_copied_and_its_streams_go_on() -> Outcome {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/disk-1");
    let folder = tempfile::tempdir()?;
    copy_folder(&golden, folder.path())?;
    let from = Place { database: disk(folder.path(), Timestamp(1_764_000_000_000))?, prefix: Vec::new() };
    let to = memory(START);
    let reading = now(copy(from, elsewhere(&to)))?;
    assert_eq!(reading.tables, 1);
    let new = open(elsewhere(&to))?;
    let streams = new.call("ListStreams", &json!({"TableName": "golden"}))?;
    let mut read_now = Vec::new();
    for stream in streams["Streams"].as_array().into_iter().flatten() {
        let (records, ended) = read(&new, stream["StreamArn"].as_str().unwrap_or_default(), &from_horizon())?;
        read_now.push((records.len(), ended));
    }
    assert_eq!(read_now, [(10, true), (7, false)]);
    is_sound(&new, "golden")?;
    let off = json!({"TableName": "golden", "StreamSpecification": {"StreamEnabled": false}});
    new.call("UpdateTable", &off)?;
    let arn = streams["Streams"][1]["StreamArn"].as_str().unwrap_or_default();
    let (records, ended) = read(&new, arn, &from_horizon())?;
    assert_eq!((records.len(), ended), (7, true), "an entry of the first form is closed in the present one");
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
