//! Kills a process that writes to a database on disk, again and again, and checks what it leaves.
//!
//! The child is this test program itself. Its writers report each mutation after its acknowledgement, its consumer each
//! record it reads. After the kill the directory must hold every acknowledged mutation, at most one more of each
//! writer, each whole; the stream must tell all of them once, in order, and make the table when replayed; nothing that
//! the consumer had read may be gone. The next life goes on in the same directory. What a writer does is a function of its
//! name and a number, so the parent knows what to expect. `FDYNO_SEEDS` of 200 or more asks for that many kills.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use fdyno::api::{self, Operation};
use fdyno::clock::Clock;
use fdyno::error::Error;
use fdyno::kv::{Database, DiskOptions, Durability};
use fdyno::store::{Realm, Store};
use futures_executor::block_on as wait;
use serde_json::{Value, json};

const DIRECTORY: &str = "FDYNO_CRASH_DIRECTORY";
const SYNCED: &str = "FDYNO_CRASH_SYNCED";
/// The number of the next mutation of each writer, separated by commas.
const NEXT: &str = "FDYNO_CRASH_NEXT";

const WRITERS: usize = 3;
/// So little that a life flushes and merges several times.
const FLUSH_BYTES: u64 = 40_000;
const KEYS: u64 = 12;

fn open(directory: &Path, synced: bool) -> Store {
    let durability = if synced { Durability::Fsync } else { Durability::Buffered };
    let options = DiskOptions { durability, flush_bytes: FLUSH_BYTES, ..DiskOptions::default() };
    let database = Database::disk(directory, options, Clock::system()).expect("the directory opens");
    wait(Store::open(database, Vec::new())).expect("the database opens")
}

fn call(store: &Store, name: &str, request: &Value) -> Result<Value, Error> {
    let realm = Realm { account: "000000000000".into(), region: "eu-west-1".into() };
    let operation = Operation::find("dynamodb", name).or_else(|| Operation::find("dynamodbstreams", name)).unwrap();
    let request = api::json::request(operation, request.to_string().as_bytes())?;
    Ok(serde_json::from_slice(&api::json::response(&wait(api::dispatch(store, &realm, request))?)).unwrap())
}

fn create_table(store: &Store) {
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let created = call(
        store,
        "CreateTable",
        &json!({
            "TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [attribute("pk"), attribute("group")],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-group", "KeySchema": [{"AttributeName": "group", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"}
            }],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        }),
    );
    assert!(matches!(created, Ok(_) | Err(Error::ResourceInUse(_))), "{created:?}");
}

/// Key -> what is put there, or `None` for a deletion.
type Mutation = Vec<(String, Option<Value>)>;

/// The mutation `number` of a writer: puts, deletions, and transactions over two items; some items are large.
fn mutation(writer: usize, number: u64) -> Mutation {
    let mut random = fastrand::Rng::with_seed(writer as u64 ^ (number << 8));
    let mut one = |key: u64, delete: bool| {
        let key = format!("w{writer}-{key:02}");
        let note = "x".repeat(if random.u8(0..8) == 0 { 20_000 } else { random.usize(0..300) });
        let item = json!({
            "pk": {"S": key}, "number": {"N": number.to_string()}, "group": {"S": format!("g{}", number % 5)},
            "note": {"S": note}
        });
        (key, (!delete).then_some(item))
    };
    match number % 4 {
        0 => vec![one(number % KEYS, true)],
        1 => vec![one(number % KEYS, false), one((number + 5) % KEYS, number.is_multiple_of(3))],
        _ => vec![one(number % KEYS, false)],
    }
}

fn write(store: &Store, mutation: &Mutation) {
    let key = |key: &String| json!({"pk": {"S": key}});
    let done = match mutation.as_slice() {
        [(_, Some(item))] => call(store, "PutItem", &json!({"TableName": "orders", "Item": item})),
        [(pk, None)] => call(store, "DeleteItem", &json!({"TableName": "orders", "Key": key(pk)})),
        several => {
            let items: Vec<Value> = several
                .iter()
                .map(|(pk, item)| match item {
                    Some(item) => json!({"Put": {"TableName": "orders", "Item": item}}),
                    None => json!({"Delete": {"TableName": "orders", "Key": key(pk)}}),
                })
                .collect();
            call(store, "TransactWriteItems", &json!({"TransactItems": items}))
        }
    };
    done.expect("a mutation succeeds");
}

fn iterator(store: &Store) -> String {
    let table = call(store, "DescribeTable", &json!({"TableName": "orders"})).unwrap();
    let arn = table["Table"]["LatestStreamArn"].as_str().unwrap();
    let stream = call(store, "DescribeStream", &json!({"StreamArn": arn})).unwrap();
    let shard = &stream["StreamDescription"]["Shards"][0]["ShardId"];
    let request = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    call(store, "GetShardIterator", &request).unwrap()["ShardIterator"].as_str().unwrap().to_owned()
}

/// The next records, and where to go on.
fn records(store: &Store, iterator: &str) -> (Vec<Value>, String) {
    let page = call(store, "GetRecords", &json!({"ShardIterator": iterator})).unwrap();
    (page["Records"].as_array().unwrap().clone(), page["NextShardIterator"].as_str().unwrap().to_owned())
}

fn sequence_number(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap()
}

/// Not a test by itself: the life of the process that is killed. It ends only so.
#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    // Neither a writer nor the consumer may end while the others go on.
    std::panic::set_hook(Box::new(|defect| {
        let _ = writeln!(std::io::stdout().lock(), "ended by {}", defect.to_string().replace('\n', " "));
        std::process::abort();
    }));
    let store = open(Path::new(&directory), std::env::var_os(SYNCED).is_some());
    create_table(&store);
    let next: Vec<u64> = std::env::var(NEXT).unwrap().split(',').map(|number| number.parse().unwrap()).collect();
    thread::scope(|scope| {
        for (writer, first) in next.into_iter().enumerate() {
            let store = &store;
            scope.spawn(move || {
                for number in first.. {
                    write(store, &mutation(writer, number));
                    writeln!(std::io::stdout().lock(), "acknowledged {writer} {number}").unwrap();
                }
            });
        }
        let mut at = iterator(&store);
        loop {
            let (read, next) = records(&store, &at);
            at = next;
            let mut out = std::io::stdout().lock();
            for record in read {
                writeln!(out, "read {}", sequence_number(&record)).unwrap();
            }
        }
    });
}

/// What was seen of a life from outside.
#[derive(Default)]
struct Seen {
    acknowledged: [u64; WRITERS],
    read: Vec<String>,
    /// By what it ended, if it ended by itself.
    ended_by: Option<String>,
}

impl Seen {
    /// Lines come whole: a write to a pipe is not torn. What the test harness prints is passed over.
    fn line(&mut self, line: &str) -> bool {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("acknowledged"), Some(writer), Some(number)) => {
                self.acknowledged[writer.parse::<usize>().unwrap()] = number.parse().unwrap();
                true
            }
            (Some("ended"), Some("by"), _) => {
                self.ended_by = Some(line.to_owned());
                false
            }
            (Some("read"), Some(number), None) => {
                self.read.push(number.to_owned());
                false
            }
            _ => false,
        }
    }
}

/// One life: started, watched, and killed after so many acknowledgements.
fn live_and_die(directory: &Path, synced: bool, next: [u64; WRITERS], random: &mut fastrand::Rng) -> Seen {
    let next_text = next.map(|number| number.to_string()).join(",");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env(DIRECTORY, directory).env(NEXT, next_text);
    if synced {
        command.env(SYNCED, "1");
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut seen = Seen { acknowledged: next.map(|number| number - 1), ..Seen::default() };
    let mut left = random.u32(1..250);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.by_ref() {
        if seen.line(&line.unwrap()) {
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
    for _ in 0..random.u32(0..200_000) {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    // What it said before it died.
    for line in lines.map_while(Result::ok) {
        seen.line(&line);
    }
    let status = child.wait().unwrap();
    assert_eq!(seen.ended_by, None);
    assert!(left == 0 && !status.success(), "the child died by itself: {status}");
    seen
}

/// Checks what a life left; the number of the next mutation of each writer.
fn check(directory: &Path, synced: bool, next: [u64; WRITERS], seen: &Seen, all: &mut Vec<String>) -> [u64; WRITERS] {
    let store = open(directory, synced);
    let mut told = Vec::new();
    let mut at = iterator(&store);
    loop {
        let (page, next) = records(&store, &at);
        at = next;
        if page.is_empty() {
            break;
        }
        told.extend(page);
    }
    let numbers: Vec<String> = told.iter().map(|record| sequence_number(record).to_owned()).collect();
    assert!(numbers.is_sorted_by(|one, other| one < other), "sequence numbers rise");
    assert!(numbers.starts_with(all), "what earlier lives left is still there");
    assert!(numbers.starts_with(&seen.read), "what the consumer has read is there, in its place");
    *all = numbers;

    let mut table: BTreeMap<String, Value> = BTreeMap::new();
    let mut of_writer: [Vec<(String, Option<Value>)>; WRITERS] = Default::default();
    for record in &told {
        let change = &record["dynamodb"];
        let key = change["Keys"]["pk"]["S"].as_str().unwrap().to_owned();
        let new = change.get("NewImage").cloned();
        assert_eq!(change.get("OldImage"), table.get(&key), "the old image is what the stream left");
        of_writer[key[1..2].parse::<usize>().unwrap()].push((key.clone(), new.clone()));
        match new {
            Some(new) => drop(table.insert(key, new)),
            None => drop(table.remove(&key)),
        }
    }
    let scan = call(&store, "Scan", &json!({"TableName": "orders"})).unwrap();
    assert!(scan.get("LastEvaluatedKey").is_none());
    let items: BTreeMap<String, Value> = scan["Items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["pk"]["S"].as_str().unwrap().to_owned(), item.clone()))
        .collect();
    assert_eq!(items, table, "the stream replayed is the table");
    let realm = Realm { account: "000000000000".into(), region: "eu-west-1".into() };
    let definition = wait(store.table(&realm, "orders")).unwrap();
    assert_eq!(wait(store.check(&definition)).unwrap(), Vec::<String>::new(), "indexes and counts");

    let mut following = next;
    for (writer, told) in of_writer.iter().enumerate() {
        let mut own: BTreeMap<String, Value> = BTreeMap::new();
        let (mut told, mut number) = (told.iter().peekable(), 0);
        while told.peek().is_some() || number < seen.acknowledged[writer] {
            number += 1;
            for (key, item) in mutation(writer, number) {
                if item.is_none() && !own.contains_key(&key) {
                    continue;
                }
                assert_eq!(told.next(), Some(&(key.clone(), item.clone())), "mutation {number} of writer {writer}");
                match item {
                    Some(item) => drop(own.insert(key, item)),
                    None => drop(own.remove(&key)),
                }
            }
        }
        let acknowledged = seen.acknowledged[writer];
        assert!(number <= acknowledged + 2, "writer {writer}: {acknowledged} acknowledged, {number} told");
        following[writer] = number.max(acknowledged) + 1;
    }
    following
}

fn kills() -> u64 {
    let asked = std::env::var("FDYNO_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(0);
    if asked >= 200 { 200 } else { 20 }
}

fn lives(synced: bool, kills: u64) {
    let directory = tempfile::tempdir().unwrap();
    let mut next = [1; WRITERS];
    let (mut all, mut read) = (Vec::new(), 0);
    for seed in 0..kills {
        println!("seed {seed}, synced {synced}");
        let mut random = fastrand::Rng::with_seed(seed);
        let seen = live_and_die(directory.path(), synced, next, &mut random);
        read += seen.read.len();
        next = check(directory.path(), synced, next, &seen, &mut all);
    }
    assert!(next.iter().all(|next| *next > kills * 5), "{next:?}: the lives were too short to test anything");
    assert!(read > all.len() / 4, "the consumer has read {read} records, and there are {}", all.len());
}

#[test]
fn nothing_acknowledged_is_lost_when_a_process_is_killed() {
    lives(false, kills() / 2);
}

#[test]
fn nothing_acknowledged_is_lost_when_a_process_that_syncs_is_killed() {
    lives(true, kills() / 2);
}
