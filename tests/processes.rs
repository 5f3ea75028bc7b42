//! Several processes on one cluster: what they see of each other's work, and what one that is killed leaves to the others.
//!
//! The cluster is the double of FoundationDB's client library, whose data a process of its own serves. Each process has a
//! cluster file of its own, and so latency and faults of its own. The processes are this test program itself
//! (`processes/child.rs`); they are told what to do through a pipe (`processes/parent.rs`), or write by themselves until
//! they are done or killed (`processes/writers.rs`). Time is moved by the database's clock. `FDYNO_SEEDS` asks for more
//! seeds than usual.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "processes/child.rs"]
mod child;
#[path = "../src/kv/contract/double.rs"]
mod double;
#[path = "processes/parent.rs"]
mod parent;
#[path = "../src/kv/contract/served.rs"]
mod served;
#[path = "processes/writers.rs"]
mod writers;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fdyno::clock::Clock;
use serde_json::{Value, json};

use child::Handle;
use parent::{Process, read_all, sequence_numbers};
use served::ServedCluster;

/// How long what must happen may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(120);

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn by_group() -> Value {
    json!({
        "TableName": "orders",
        "AttributeDefinitions": [{"AttributeName": "group", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {
            "IndexName": "by-group", "KeySchema": [{"AttributeName": "group", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"}
        }}]
    })
}

fn item(id: &str, note: &str) -> Value {
    json!({"TableName": "orders", "Item": {"pk": {"S": id}, "group": {"S": "g"}, "note": {"S": note}}})
}

/// How many items the index shows.
fn indexed(handle: &Handle) -> u64 {
    let query = json!({
        "TableName": "orders", "IndexName": "by-group", "KeyConditionExpression": "#g = :g", "Select": "COUNT",
        "ExpressionAttributeNames": {"#g": "group"}, "ExpressionAttributeValues": {":g": {"S": "g"}}
    });
    handle.call("Query", &query).unwrap()["Count"].as_u64().unwrap()
}

#[test]
fn a_definition_changed_by_one_process_is_seen_by_the_others_at_once() {
    let cluster = ServedCluster::new();
    let here = Handle::open(&cluster.file("here", "seed=1"));
    let mut other = Process::start(&cluster.file("other", "seed=2"));
    other.call("CreateTable", &writers::orders()).unwrap();
    here.call("PutItem", &item("a", "")).unwrap();
    other.call("PutItem", &item("b", "")).unwrap();
    // Both have the definition in their caches. What is written from now on has its entry, whoever writes it.
    here.call("UpdateTable", &by_group()).unwrap();
    other.call("PutItem", &item("c", "")).unwrap();
    other.call("DeleteItem", &json!({"TableName": "orders", "Key": {"pk": {"S": "a"}}})).unwrap();
    assert_eq!(indexed(&here), 2);
    here.is_sound();
    // A request that its old definition would refuse.
    let delete = json!({"TableName": "orders", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-group"}}]});
    other.call("UpdateTable", &delete).unwrap();
    let query = json!({
        "TableName": "orders", "IndexName": "by-group", "KeyConditionExpression": "#g = :g",
        "ExpressionAttributeNames": {"#g": "group"}, "ExpressionAttributeValues": {":g": {"S": "g"}}
    });
    assert_eq!(here.call("Query", &query).unwrap_err().0, "ValidationException");
    here.call("DeleteTable", &json!({"TableName": "orders"})).unwrap();
    assert_eq!(other.call("PutItem", &item("d", "")).unwrap_err().0, "ResourceNotFoundException");
    // The name is free for a table of another kind, which is seen at once as well.
    let mut sorted = writers::orders();
    sorted["AttributeDefinitions"].as_array_mut().unwrap().push(json!({"AttributeName": "sk", "AttributeType": "S"}));
    sorted["KeySchema"].as_array_mut().unwrap().push(json!({"AttributeName": "sk", "KeyType": "RANGE"}));
    here.call("CreateTable", &sorted).unwrap();
    assert_eq!(other.call("PutItem", &item("d", "")).unwrap_err().0, "ValidationException");
    assert_eq!(other.call("Scan", &json!({"TableName": "orders"})).unwrap()["Count"], 0);
}

/// Records of large items own what they replaced, so trimming twice would free it twice.
#[test]
fn records_are_trimmed_by_one_process_and_by_another_once_that_is_killed() {
    let cluster = ServedCluster::new();
    let here = Handle::open(&cluster.file("here", "seed=1"));
    here.move_clock(|clock| clock.freeze());
    let faults = "1020=0.05 1021did=0.03 1021not=0.03 1039later=0.03";
    let mut processes: Vec<Process> = (0..3)
        .map(|number| Process::start(&cluster.file(&format!("{number}"), &format!("seed={number} {faults}"))))
        .collect();
    here.call("CreateTable", &writers::orders()).unwrap();
    let write = |processes: &mut [Process], numbers: std::ops::Range<usize>| {
        for number in numbers {
            let large = format!("{number} {}", "x".repeat(20_000));
            let process = number % processes.len();
            processes[process].call("PutItem", &item(&format!("{}", number % 5), &large)).unwrap();
        }
    };
    write(&mut processes, 0..30);
    let read = here.page(&here.iterator(), 10).0;
    here.move_clock(|clock| clock.advance(12 * HOUR));
    processes.iter_mut().for_each(Process::look_at_clock);
    write(&mut processes, 30..50);
    let all = read_all(&here);

    // All of them find that maintenance is due, at the same time.
    here.move_clock(|clock| clock.advance(13 * HOUR));
    processes.iter_mut().for_each(Process::look_at_clock);
    let work = maintain(&mut processes);
    let most = *work.iter().max().unwrap();
    assert!(most >= 25, "thirty records replaced twenty-five large items: {work:?}");
    assert_eq!(work.iter().filter(|written| **written >= 15).count(), 1, "{work:?}");
    here.is_sound();
    assert_eq!(here.records_stored(), 20);
    assert_eq!(read_all(&here), all[30..], "nothing before its time");
    let mut request = here.shard_iterator_request();
    request["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
    request["SequenceNumber"] = json!(sequence_numbers(&read)[9]);
    let (code, _) = here.call("GetShardIterator", &request).unwrap_err();
    assert_eq!(code, "TrimmedDataAccessException", "and who had not read it is told");

    // The next are due in a moment. Whoever has the lease renews it, and is killed.
    here.move_clock(|clock| clock.advance(11 * HOUR - 30_000));
    let holder = work.iter().position(|written| *written == most).unwrap();
    processes[holder].look_at_clock();
    processes[holder].maintain();
    processes.remove(holder).kill();
    here.move_clock(|clock| clock.advance(61_000));
    processes.iter_mut().for_each(Process::look_at_clock);
    let refused = maintain(&mut processes);
    assert!(refused.iter().all(|written| *written < 15), "the dead one's lease has not run out: {refused:?}");
    assert_eq!((here.records_stored(), read_all(&here).len()), (20, 0), "they are gone for readers already");
    here.move_clock(|clock| clock.advance(3 * MINUTE));
    processes.iter_mut().for_each(Process::look_at_clock);
    let work = maintain(&mut processes);
    assert_eq!(work.iter().filter(|written| **written >= 15).count(), 1, "{work:?}");
    assert_eq!(here.records_stored(), 0);
    here.is_sound();
}

#[test]
fn items_that_expire_are_deleted_once_though_all_processes_look_for_them() {
    const EXPIRING: usize = 60;
    let cluster = ServedCluster::new();
    let here = Handle::open(&cluster.file("here", "seed=1"));
    here.move_clock(Clock::freeze);
    let faults = "1020=0.05 1021did=0.03 1021not=0.03 1039later=0.03";
    let mut processes: Vec<Process> = (0..3)
        .map(|number| Process::start(&cluster.file(&format!("{number}"), &format!("seed={number} {faults}"))))
        .collect();
    here.call("CreateTable", &writers::orders()).unwrap();
    let specification = json!({"Enabled": true, "AttributeName": "expires"});
    here.call("UpdateTimeToLive", &json!({"TableName": "orders", "TimeToLiveSpecification": specification})).unwrap();
    let start = here.store.clock().now().seconds();
    for number in 0..EXPIRING {
        let mut put = item(&format!("{number}"), "");
        // Half of them in the first minutes, the other half hours later.
        let at = start + 60 + number as i64 + if number % 2 == 0 { 0 } else { 4 * 3_600 };
        put["Item"]["expires"] = json!({"N": at.to_string()});
        let process = number % processes.len();
        processes[process].call("PutItem", &put).unwrap();
    }
    let mut removed = Vec::new();
    for (hours, left) in [(1, EXPIRING / 2), (5, 0)] {
        here.move_clock(|clock| clock.advance(hours * HOUR));
        processes.iter_mut().for_each(Process::look_at_clock);
        // Whoever came too late for the lease has tried in vain.
        maintain(&mut processes);
        assert_eq!(here.call("Scan", &json!({"TableName": "orders"})).unwrap()["Count"], left);
        let all = read_all(&here);
        let gone = all.iter().filter(|record| record["eventName"] == "REMOVE");
        assert!(gone.clone().all(|record| record["userIdentity"]["PrincipalId"] == "dynamodb.amazonaws.com"));
        removed = gone.map(|record| record["dynamodb"]["Keys"]["pk"]["S"].to_string()).collect();
        let different: BTreeSet<&String> = removed.iter().collect();
        assert_eq!((removed.len(), different.len()), (EXPIRING - left, EXPIRING - left), "each once");
        here.is_sound();
        // Whoever is left goes on.
        processes.remove(0).kill();
    }
    assert_eq!(removed.len(), EXPIRING);
}

/// Has all of them do at the same time what is due; how many keys each wrote for it.
fn maintain(processes: &mut [Process]) -> Vec<u64> {
    for process in &mut *processes {
        process.begin_to_maintain();
    }
    processes.iter_mut().map(Process::maintained).collect()
}

#[test]
fn an_index_that_a_killed_process_was_filling_is_finished_by_another() {
    const ITEMS: u64 = 2_000;
    let cluster = ServedCluster::new();
    let here = Handle::open(&cluster.file("here", "seed=1"));
    // So slow that it takes seconds for what it is not let finish.
    let mut dying = Process::start(&cluster.file("dying", "seed=2 latency_ms=100"));
    let mut other =
        Process::start(&cluster.file("other", "seed=3 1020=0.05 1021did=0.05 1039later=0.05 read1007=0.001"));
    here.call("CreateTable", &writers::orders()).unwrap();
    for first in (0..ITEMS).step_by(25) {
        let put = |id: u64| json!({"PutRequest": {"Item": {"pk": {"S": format!("{id}")}, "group": {"S": "g"}}}});
        let requests: Vec<Value> = (first..first + 25).map(put).collect();
        here.call("BatchWriteItem", &json!({"RequestItems": {"orders": requests}})).unwrap();
    }
    let index = || {
        here.call("DescribeTable", &json!({"TableName": "orders"})).unwrap()["Table"]["GlobalSecondaryIndexes"][0]
            .clone()
    };
    dying.begin_to_call("UpdateTable", &by_group());
    // Some rows have their entry when it dies, and not all.
    let begun = Instant::now();
    let filled = loop {
        let filled = index()["ItemCount"].as_u64().unwrap_or(0);
        if filled > 0 {
            break filled;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing is filled, or nobody sees it");
    };
    dying.kill();
    assert_eq!(index()["IndexStatus"], "CREATING", "{filled} of {ITEMS} rows had their entries");

    // Both write what their definitions say, while nobody fills.
    here.call("PutItem", &item("late", "")).unwrap();
    other.call("PutItem", &item("0", "again")).unwrap();
    other.call("DeleteItem", &json!({"TableName": "orders", "Key": {"pk": {"S": "1999"}}})).unwrap();
    other.look_at_clock();
    other.maintain();
    assert_eq!(index()["IndexStatus"], "CREATING", "its worker was heard of a moment ago");
    here.move_clock(|clock| clock.advance(3 * MINUTE));
    other.look_at_clock();
    // A turn of maintenance is bounded. What it leaves is due at once.
    let turns = (0..50).take_while(|_| other.maintain() > 0 && index()["IndexStatus"] == "CREATING").count();
    let finished = index();
    assert_eq!(
        (&finished["IndexStatus"], &finished["ItemCount"]),
        (&json!("ACTIVE"), &json!(ITEMS)),
        "after {turns} turns"
    );
    other.call("PutItem", &item("later", "")).unwrap();
    assert_eq!(indexed(&here), ITEMS + 1);
    here.is_sound();
}

#[test]
fn a_consumer_misses_nothing_of_what_several_processes_write_while_one_is_killed() {
    let asked = std::env::var("FDYNO_SEEDS").ok().and_then(|seeds| seeds.parse::<u64>().ok()).unwrap_or(0);
    // A twentieth of those that other tests are asked for: each takes seconds.
    for seed in 0..(asked / 20).max(2) {
        println!("seed {seed}");
        writers::race(seed);
    }
}

/// Where another process's clock stands is seen within about a second, by requests alone.
#[test]
fn requests_follow_a_clock_that_another_process_moved() {
    let cluster = ServedCluster::new();
    let here = Handle::open(&cluster.file("here", "seed=1"));
    let mut other = Process::start(&cluster.file("other", "seed=2"));
    here.call("CreateTable", &writers::orders()).unwrap();
    other.call("PutItem", &item("a", "")).unwrap();
    let iterator = other.call("GetShardIterator", &here.shard_iterator_request()).unwrap();
    here.move_clock(|clock| clock.advance(25 * HOUR));
    let moved = Instant::now();
    let expired = json!({"ShardIterator": iterator["ShardIterator"]});
    let first_refusal = loop {
        match other.call("GetRecords", &expired) {
            Err((code, _)) => break code,
            Ok(answer) => assert_eq!(sequence_numbers(answer["Records"].as_array().unwrap()).len(), 1),
        }
        assert!(moved.elapsed() < PATIENCE, "it never looks");
    };
    // The request that looked had found its iterator young enough before; what it read it judged by the moved clock.
    assert_eq!(first_refusal, "TrimmedDataAccessException");
    assert_eq!(other.call("GetRecords", &expired).unwrap_err().0, "ExpiredIteratorException");
}
