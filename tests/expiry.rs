//! Time to live on one process's database: what expires and when, what the stream tells, what nobody sees.

mod common;

use std::time::{Duration, Instant};

use common::{Outcome, START, World, now, world};
use fdyno::api::{self, Operation};
use fdyno::clock::{Clock, Timestamp};
use fdyno::kv::{Database, DiskOptions, Durability, RangeRead};
use fdyno::store::{Options, Store};
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000;

fn create(world: &World, name: &str) -> Outcome {
    world.call(
        "CreateTable",
        &json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "group", "AttributeType": "S"}
            ],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-group", "Projection": {"ProjectionType": "ALL"},
                "KeySchema": [{"AttributeName": "group", "KeyType": "HASH"}]
            }],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        }),
    )?;
    Ok(())
}

fn specify(name: &str, enabled: bool, attribute: &str) -> Value {
    json!({"TableName": name, "TimeToLiveSpecification": {"Enabled": enabled, "AttributeName": attribute}})
}

fn expiring(world: &World, name: &str) -> Outcome {
    create(world, name)?;
    world.call("UpdateTimeToLive", &specify(name, true, "expires"))?;
    Ok(())
}

/// Writes an item that says that it expires at so many seconds after the start of the test.
fn put(world: &World, table: &str, pk: &str, expires: &str) -> Outcome {
    let expires = if expires.contains('.') {
        let (whole, fraction) = expires.split_once('.').unwrap_or_default();
        format!("{}.{fraction}", START.seconds() + whole.parse::<i64>()?)
    } else {
        (START.seconds() + expires.parse::<i64>()?).to_string()
    };
    let item = json!({"pk": {"S": pk}, "group": {"S": "g"}, "expires": {"N": expires}});
    world.call("PutItem", &json!({"TableName": table, "Item": item}))?;
    Ok(())
}

fn items(world: &World, table: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let page = world.call("Scan", &json!({"TableName": table}))?;
    let mut keys: Vec<String> = page["Items"]
        .as_array()
        .ok_or("no items")?
        .iter()
        .map(|item| item["pk"]["S"].as_str().unwrap_or_default().to_owned())
        .collect();
    keys.sort();
    let through_index = world.call("Scan", &json!({"TableName": table, "IndexName": "by-group"}))?;
    assert_eq!(through_index["Count"], page["Count"], "the index follows at once");
    Ok(keys)
}

/// The records that the service has written: key, and seconds since the start.
fn removals(world: &World, table: &str) -> Result<Vec<(String, i64)>, Box<dyn std::error::Error>> {
    let described = world.call("DescribeTable", &json!({"TableName": table}))?;
    let arn = &described["Table"]["LatestStreamArn"];
    let stream = world.call("DescribeStream", &json!({"StreamArn": arn}))?;
    let shard = &stream["StreamDescription"]["Shards"][0]["ShardId"];
    let request = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let mut iterator = world.call("GetShardIterator", &request)?["ShardIterator"].clone();
    let mut found = Vec::new();
    loop {
        let page = world.call("GetRecords", &json!({"ShardIterator": iterator}))?;
        let records = page["Records"].as_array().ok_or("no records")?;
        if records.is_empty() {
            return Ok(found);
        }
        for record in records.iter().filter(|record| !record["userIdentity"].is_null()) {
            assert_eq!(record["userIdentity"], json!({"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}));
            assert_eq!(record["eventName"], "REMOVE");
            let change = &record["dynamodb"];
            assert_eq!(change["OldImage"]["pk"], change["Keys"]["pk"]);
            let key = change["Keys"]["pk"]["S"].as_str().unwrap_or_default().to_owned();
            let at = change["ApproximateCreationDateTime"].as_f64().ok_or("no time")?;
            #[expect(clippy::cast_possible_truncation, reason = "whole seconds")]
            found.push((key, at as i64 - START.seconds()));
        }
        iterator = page["NextShardIterator"].clone();
    }
}

fn is_sound(world: &World, table: &str) -> Outcome {
    let table = now(world.store.current_table(&world.realm, table))?;
    assert_eq!(now(world.store.check(&table))?, Vec::<String>::new());
    Ok(())
}

fn pairs(store: &Store) -> Result<usize, Box<dyn std::error::Error>> {
    Ok(now(store.database().begin().range(&RangeRead::new([0], [0xFF])))?.pairs.len())
}

#[test]
fn items_expire_when_the_clock_reaches_the_second_they_name() -> Outcome {
    let world = world()?;
    expiring(&world, "sessions")?;
    let year = 365 * 24 * 60 * 60;
    for (pk, expires) in [
        ("in ten", "10".to_owned()),
        ("in ten and a bit", "10.001".to_owned()),
        ("in twenty", "20".to_owned()),
        ("now", "0".to_owned()),
        ("almost five years ago", (1 - 5 * year).to_string()),
        ("five years ago", (-5 * year).to_string()),
        ("six years ago", (-6 * year).to_string()),
    ] {
        put(&world, "sessions", pk, &expires)?;
    }
    for (pk, more) in [
        ("a text", json!({"expires": {"S": "1"}})),
        ("a set", json!({"expires": {"NS": ["1"]}})),
        ("nested", json!({"more": {"M": {"expires": {"N": "1700000001"}}}})),
        ("no time", json!({})),
        ("in milliseconds", json!({"expires": {"N": "1700000001000"}})),
    ] {
        let mut item = json!({"pk": {"S": pk}, "group": {"S": "g"}});
        for (name, value) in more.as_object().ok_or("no object")? {
            item[name] = value.clone();
        }
        world.call("PutItem", &json!({"TableName": "sessions", "Item": item}))?;
    }
    let stay = ["a set", "a text", "five years ago", "in milliseconds", "nested", "no time", "six years ago"];
    now(world.store.advance(9_999))?;
    let mut expected: Vec<&str> = [&stay[..], &["in ten", "in ten and a bit", "in twenty"]].concat();
    expected.sort_unstable();
    assert_eq!(items(&world, "sessions")?, expected);
    now(world.store.advance(1))?;
    expected.retain(|pk| *pk != "in ten");
    assert_eq!(items(&world, "sessions")?, expected);
    is_sound(&world, "sessions")?;
    now(world.store.advance(24 * HOUR - 10_001))?;
    assert_eq!(items(&world, "sessions")?, stay);
    let told = [("almost five years ago", 0), ("now", 0), ("in ten", 10), ("in ten and a bit", 11), ("in twenty", 20)];
    assert_eq!(removals(&world, "sessions")?, told.map(|(pk, at)| (pk.to_owned(), at)));
    is_sound(&world, "sessions")
}

#[test]
fn time_passes_through_the_moments_of_all_tables_in_their_order() -> Outcome {
    for frozen in [true, false] {
        let world = world()?;
        if !frozen {
            world.store.clock().resume_system_time();
            world.store.clock().travel_to(START);
        }
        for (at, table) in ["one", "two", "three"].into_iter().enumerate() {
            expiring(&world, table)?;
            for item in 0..20 {
                put(&world, table, &format!("{item:02}"), &(100 + item * 7 + at).to_string())?;
            }
        }
        let before = world.store.clock().now();
        now(world.store.advance(200_000))?;
        let passed = world.store.clock().now().millis() - before.millis();
        assert!((200_000..if frozen { 200_001 } else { 230_000 }).contains(&passed), "{passed}");
        let mut numbers = Vec::new();
        for (at, table) in ["one", "two", "three"].into_iter().enumerate() {
            let told = removals(&world, table)?;
            let due: Vec<i64> = (0..15).map(|item| 100 + item * 7 + at as i64).filter(|at| *at <= 200).collect();
            let late = if frozen { 0 } else { 2 };
            assert_eq!(told.len(), due.len());
            for ((_, told), due) in told.iter().zip(&due) {
                assert!((*due..=due + late).contains(told), "{table}: due at {due}, told at {told}");
            }
            numbers.extend(told.into_iter().map(|(_, at)| at));
        }
        assert_eq!(numbers.len(), 45);
        assert_eq!(items(&world, "one")?.len(), 5);
    }
    Ok(())
}

#[test]
fn travelling_on_passes_through_the_moments_and_travelling_back_takes_nothing_back() -> Outcome {
    let world = world()?;
    expiring(&world, "sessions")?;
    for (pk, expires) in [("a", "60"), ("b", "120"), ("c", "180")] {
        put(&world, "sessions", pk, expires)?;
    }
    now(world.store.travel_to(START.plus_millis(150_500)))?;
    assert_eq!(world.store.clock().now(), START.plus_millis(150_500));
    assert_eq!(removals(&world, "sessions")?, [("a".to_owned(), 60), ("b".to_owned(), 120)]);
    now(world.store.travel_to(START.plus_millis(-HOUR)))?;
    assert_eq!(world.store.clock().now(), START.plus_millis(-HOUR));
    put(&world, "sessions", "d", "-3000")?;
    now(world.store.advance(30_000))?;
    assert_eq!(items(&world, "sessions")?, ["c", "d"]);
    now(world.store.advance(HOUR))?;
    assert_eq!(items(&world, "sessions")?, ["c"]);
    // Its moment lay before the times of records that were there: it has that of the latest commit.
    let told = removals(&world, "sessions")?;
    assert_eq!(told[..2], [("a".to_owned(), 60), ("b".to_owned(), 120)]);
    assert!(told.len() == 3 && told[2].0 == "d" && (120..=150).contains(&told[2].1), "{told:?}");
    now(world.store.travel_to(START.plus_millis(180_000)))?;
    assert_eq!(removals(&world, "sessions")?.last(), Some(&("c".to_owned(), 180)));
    is_sound(&world, "sessions")
}

#[test]
fn calls_delete_what_has_expired_some_items_each_and_never_more_often_than_the_interval() -> Outcome {
    let world = world()?;
    expiring(&world, "sessions")?;
    for item in 0..1_000 {
        put(&world, "sessions", &format!("{item}"), "5")?;
    }
    world.store.clock().advance(5_000);
    let count = || {
        Ok::<_, fdyno::error::Error>(
            world.call("DescribeTable", &json!({"TableName": "sessions"}))?["Table"]["ItemCount"].clone(),
        )
    };
    assert_eq!(count()?, 1_000, "which only describes");
    let read = || world.call("GetItem", &json!({"TableName": "sessions", "Key": {"pk": {"S": "none"}}}));
    for left in [600, 200, 0] {
        read()?;
        assert_eq!(count()?, left);
    }
    put(&world, "sessions", "late", "1")?;
    world.store.clock().advance(999);
    read()?;
    assert_eq!(count()?, 1);
    world.store.clock().advance(1);
    read()?;
    assert_eq!(count()?, 0);
    is_sound(&world, "sessions")
}

#[test]
fn the_rules_of_update_time_to_live_are_aws() -> Outcome {
    let world = world()?;
    create(&world, "sessions")?;
    let update = |enabled, attribute| world.call("UpdateTimeToLive", &specify("sessions", enabled, attribute));
    let refused = |enabled, attribute| world.invalid("UpdateTimeToLive", &specify("sessions", enabled, attribute));
    let described = || {
        Ok::<_, fdyno::error::Error>(
            world.call("DescribeTimeToLive", &json!({"TableName": "sessions"}))?["TimeToLiveDescription"].clone(),
        )
    };
    assert_eq!(described()?, json!({"TimeToLiveStatus": "DISABLED"}));
    assert_eq!(refused(false, "expires"), "TimeToLive is already disabled");
    let answer = update(true, "expires")?;
    assert_eq!(answer, json!({"TimeToLiveSpecification": {"Enabled": true, "AttributeName": "expires"}}));
    assert_eq!(described()?, json!({"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}));
    let too_soon = "Time to live has been modified multiple times within a fixed interval";
    let another = "TimeToLive is active on a different AttributeName: current AttributeName is expires";
    for waited in [0, HOUR - 1, 1] {
        world.store.clock().advance(waited);
        // What is wrong with the change itself comes first.
        assert_eq!(refused(true, "expires"), "TimeToLive is already enabled");
        assert_eq!(refused(true, "ttl"), another);
        assert_eq!(refused(false, "ttl"), another);
        if waited != 1 {
            assert_eq!(refused(false, "expires"), too_soon);
        }
    }
    assert_eq!(update(false, "expires")?["TimeToLiveSpecification"]["Enabled"], false);
    assert_eq!(described()?, json!({"TimeToLiveStatus": "DISABLED"}));
    assert_eq!(refused(true, "ttl"), too_soon);
    world.store.clock().advance(HOUR);
    update(true, "pk")?;
    assert_eq!(described()?["AttributeName"], "pk", "a key attribute is taken like any other");
    for (specification, message) in [
        (
            json!({"Enabled": true}),
            "Value null at 'timeToLiveSpecification.attributeName' failed to satisfy constraint: Member must not be null",
        ),
        (
            json!({"AttributeName": "a"}),
            "Value null at 'timeToLiveSpecification.enabled' failed to satisfy constraint: Member must not be null",
        ),
        (
            json!({"Enabled": true, "AttributeName": ""}),
            "Value '' at 'timeToLiveSpecification.attributeName' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
    ] {
        let request = json!({"TableName": "sessions", "TimeToLiveSpecification": specification});
        assert_eq!(world.invalid("UpdateTimeToLive", &request), format!("1 validation error detected: {message}"));
    }
    let long = world.invalid("UpdateTimeToLive", &specify("sessions", true, &"x".repeat(256)));
    assert!(long.ends_with("Member must have length less than or equal to 255"), "{long}");
    for request in
        [specify("nowhere", true, "a"), specify("arn:aws:dynamodb:eu-west-1:000000000000:table/nowhere", true, "a")]
    {
        let (code, message) = world.failure("UpdateTimeToLive", &request);
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("ResourceNotFoundException", "Requested resource not found: Table: nowhere not found")
        );
        let described = world.failure("DescribeTimeToLive", &json!({"TableName": request["TableName"]}));
        assert_eq!(described, (code, message));
    }
    let arn = json!({"TableName": "arn:aws:dynamodb:eu-west-1:000000000000:table/sessions"});
    assert_eq!(world.call("DescribeTimeToLive", &arn)?["TimeToLiveDescription"]["TimeToLiveStatus"], "ENABLED");
    Ok(())
}

#[test]
fn a_key_attribute_can_be_the_time_to_live() -> Outcome {
    let world = world()?;
    world.call(
        "CreateTable",
        &json!({
            "TableName": "by-time", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "expires", "AttributeType": "N"}
            ],
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "expires", "KeyType": "RANGE"}
            ]
        }),
    )?;
    world.call("UpdateTimeToLive", &specify("by-time", true, "expires"))?;
    for second in 0..5 {
        let expires = (START.seconds() + 10 * second).to_string();
        let item = json!({"pk": {"S": "p"}, "expires": {"N": expires}});
        world.call("PutItem", &json!({"TableName": "by-time", "Item": item}))?;
    }
    now(world.store.advance(25_000))?;
    assert_eq!(world.call("Scan", &json!({"TableName": "by-time"}))?["Count"], 2);
    is_sound(&world, "by-time")
}

#[test]
fn an_older_item_expires_as_well_and_without_time_to_live_none_does() -> Outcome {
    let world = world()?;
    create(&world, "sessions")?;
    for item in 0..700 {
        put(&world, "sessions", &format!("{item:03}"), &(item / 7).to_string())?;
    }
    let before = pairs(&world.store)?;
    now(world.store.advance(10_000))?;
    assert_eq!(items(&world, "sessions")?.len(), 700);
    world.call("UpdateTimeToLive", &specify("sessions", true, "expires"))?;
    is_sound(&world, "sessions")?;
    assert_eq!(pairs(&world.store)?, before + 701, "an entry each, and the note");
    now(world.store.advance(0))?;
    assert_eq!(items(&world, "sessions")?.len(), 700 - 77);
    assert!(removals(&world, "sessions")?.iter().all(|(_, at)| *at == 10));
    futures_executor::block_on(world.store.advance(HOUR))?;
    assert!(items(&world, "sessions")?.is_empty());
    for item in 0..50 {
        put(&world, "sessions", &format!("late {item:02}"), "3700")?;
    }
    world.call("UpdateTimeToLive", &specify("sessions", false, "expires"))?;
    now(world.store.advance(2 * HOUR))?;
    assert_eq!(items(&world, "sessions")?.len(), 50, "what has not expired by then stays");
    is_sound(&world, "sessions")?;
    // Of each item that has gone a row and an index entry less and a record more, of each that came all three.
    assert_eq!(pairs(&world.store)?, before - 700 + 150);
    Ok(())
}

#[test]
fn nothing_of_it_shows_or_costs_where_no_item_says_when_it_expires() -> Outcome {
    let world = world()?;
    create(&world, "plain")?;
    create(&world, "sessions")?;
    let describe = || world.call("DescribeTable", &json!({"TableName": "sessions"}));
    let before = describe()?;
    world.call("UpdateTimeToLive", &specify("sessions", true, "expires"))?;
    assert_eq!(describe()?, before);
    let put = |table: &str, expires: bool| -> Result<(Value, fdyno::kv::Work), fdyno::error::Error> {
        let mut item = json!({"pk": {"S": "a"}, "group": {"S": "g"}});
        item[if expires { "expires" } else { "another" }] = json!({"N": "1800000000"});
        let before = world.store.work();
        let request = json!({
            "TableName": table, "Item": item, "ReturnConsumedCapacity": "INDEXES", "ReturnItemCollectionMetrics": "SIZE"
        });
        let mut answer = world.call("PutItem", &request)?;
        answer["ConsumedCapacity"]["TableName"] = Value::Null;
        Ok((answer, world.store.work().since(&before)))
    };
    // So that no definition has to be read.
    for table in ["plain", "sessions"] {
        world.call("GetItem", &json!({"TableName": table, "Key": {"pk": {"S": "a"}}}))?;
    }
    let (plain, plain_work) = put("plain", true)?;
    let (answer, work) = put("sessions", false)?;
    assert_eq!(answer, plain);
    assert_eq!(
        (work.keys_read, work.pairs_read, work.keys_written, work.round_trips),
        (plain_work.keys_read, plain_work.pairs_read, plain_work.keys_written, plain_work.round_trips)
    );
    let (answer, work) = put("sessions", true)?;
    assert_eq!(answer["ConsumedCapacity"]["CapacityUnits"], 2.0);
    assert_eq!(work.keys_read, plain_work.keys_read);
    let changed = describe()?["Table"].clone();
    assert_eq!((&changed["ItemCount"], &changed["GlobalSecondaryIndexes"][0]["ItemCount"]), (&json!(1), &json!(1)));
    // Another table's calls do nothing for it before its interval is over.
    let before = world.store.work();
    world.store.clock().advance(999);
    world.call("GetItem", &json!({"TableName": "plain", "Key": {"pk": {"S": "a"}}}))?;
    assert_eq!(world.store.work().since(&before).pairs_read, 0);
    Ok(())
}

#[test]
fn expired_items_are_kept_where_nobody_is_to_look_for_them() -> Outcome {
    let options = Options { ttl_interval_millis: None, ..Options::default() };
    let clock = Clock::deterministic(START, 7);
    let world =
        World { store: now(Store::open_with(Database::memory(clock), vec![], options))?, realm: world()?.realm };
    expiring(&world, "sessions")?;
    put(&world, "sessions", "a", "1")?;
    now(world.store.advance(48 * HOUR))?;
    put(&world, "sessions", "b", "1")?;
    assert_eq!(items(&world, "sessions")?, ["a", "b"]);
    let twin = World { store: now(world.store.fork())?, realm: world.realm.clone() };
    now(twin.store.advance(HOUR))?;
    assert_eq!(items(&twin, "sessions")?, ["a", "b"], "a fork behaves as what it was forked from");
    is_sound(&world, "sessions")
}

#[test]
fn a_fork_lets_its_own_items_expire() -> Outcome {
    let world = world()?;
    expiring(&world, "sessions")?;
    put(&world, "sessions", "a", "10")?;
    let twin = World { store: now(world.store.fork())?, realm: world.realm.clone() };
    now(twin.store.advance(10_000))?;
    assert_eq!((items(&twin, "sessions")?.len(), items(&world, "sessions")?.len()), (0, 1));
    now(world.store.advance(20_000))?;
    assert_eq!(items(&world, "sessions")?.len(), 0);
    Ok(())
}

#[test]
fn what_expired_while_a_database_on_disk_was_closed_goes_when_it_is_open_again() -> Outcome {
    let directory = tempfile::tempdir()?;
    let open = |at: Timestamp| -> Result<World, Box<dyn std::error::Error>> {
        let database = Database::disk(directory.path(), DiskOptions::default(), Clock::deterministic(at, 7))?;
        Ok(World { store: now(Store::open(database, vec![]))?, realm: world()?.realm })
    };
    let first = open(START)?;
    expiring(&first, "sessions")?;
    for item in 0..10 {
        put(&first, "sessions", &format!("{item}"), "60")?;
    }
    now(first.store.advance(30_000))?;
    first.store.close();
    drop(first);
    let again = open(START.plus_millis(HOUR))?;
    assert_eq!(items(&again, "sessions")?.len(), 10, "a clock that stands still lets nothing happen by itself");
    now(again.store.advance(0))?;
    assert!(items(&again, "sessions")?.is_empty());
    assert!(removals(&again, "sessions")?.iter().all(|(_, at)| *at == 3_600));
    is_sound(&again, "sessions")
}

/// Waits until a database holds so few pairs, without a call of the store.
fn wait_until_at_most(store: &Store, most: usize) -> Outcome {
    let begun = Instant::now();
    while pairs(store)? > most {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing has expired");
        std::thread::yield_now();
    }
    Ok(())
}

#[test]
fn items_of_an_idle_process_expire_by_themselves() -> Outcome {
    let options = Options { ttl_interval_millis: Some(5), ..Options::default() };
    let store = now(Store::open_with(Database::memory(Clock::system()), vec![], options))?;
    let world = World { store, realm: world()?.realm };
    create(&world, "sessions")?;
    world.store.clock().travel_to(START);
    let before = pairs(&world.store)?;
    for item in 0..1_000 {
        put(&world, "sessions", &format!("{item}"), "-10")?;
    }
    // Rows, index entries, records; counts of the table and of the index.
    assert_eq!(pairs(&world.store)?, before + 3_004);
    world.call("UpdateTimeToLive", &specify("sessions", true, "expires"))?;
    // 1,000 records more, and the note that the table has a time to live.
    wait_until_at_most(&world.store, before + 2_005)?;
    assert!(items(&world, "sessions")?.is_empty());
    assert_eq!(removals(&world, "sessions")?.len(), 1_000);
    // A fork's thread is its own.
    let twin = World { store: now(world.store.fork())?, realm: world.realm.clone() };
    let before = pairs(&twin.store)?;
    put(&twin, "sessions", "late", "-1")?;
    wait_until_at_most(&twin.store, before + 2)?;
    is_sound(&twin, "sessions")
}

/// As `World::call`, of a database that may have to wait.
fn call_and_wait(world: &World, name: &str, request: &Value) -> Result<Value, Box<dyn std::error::Error>> {
    let operation = Operation::find("dynamodb", name).ok_or("no such operation")?;
    let request = api::json::request(operation, request.to_string().as_bytes())?;
    let response = futures_executor::block_on(api::dispatch(&world.store, &world.realm, request))?;
    Ok(serde_json::from_slice(&api::json::response(&response))?)
}

#[test]
fn a_database_is_closed_when_its_last_handle_goes_though_items_expire_just_then() -> Outcome {
    let directory = tempfile::tempdir()?;
    let options = Options { ttl_interval_millis: Some(1), ..Options::default() };
    for round in 0..12 {
        let durability = if round % 2 == 0 { Durability::Buffered } else { Durability::Fsync };
        let disk = DiskOptions { durability, ..DiskOptions::default() };
        let database = Database::disk(directory.path(), disk, Clock::system())?;
        let store = futures_executor::block_on(Store::open_with(database, vec![], options.clone()))?;
        let world = World { store, realm: world()?.realm };
        if round == 0 {
            create(&world, "sessions")?;
            world.call("UpdateTimeToLive", &specify("sessions", true, "expires"))?;
        }
        for item in 0..4 {
            let puts: Vec<_> = (0..25)
                .map(|more| {
                    let item = json!({"pk": {"S": format!("{item}-{more}")}, "expires": {"N": "1700000001"}});
                    json!({"PutRequest": {"Item": item}})
                })
                .collect();
            call_and_wait(&world, "BatchWriteItem", &json!({"RequestItems": {"sessions": puts}}))?;
        }
        if round % 3 == 0 {
            world.store.close();
            let late = call_and_wait(&world, "Scan", &json!({"TableName": "sessions"}));
            assert!(late.is_err(), "it is closed, and its thread with it");
        }
    }
    Ok(())
}
