//! Processes that write at the same time under faults, one of which is killed, and one that reads what they wrote.
//!
//! What a writer does is a function of its name and a number, and it says each number once it was acknowledged. So the
//! stream must tell of each writer all numbers up to its last, in order, each once; of the one that was killed perhaps one
//! more, whose outcome nobody was told.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::PATIENCE;
use crate::child::{Handle, MARK};
use crate::parent::{read_all, sequence_numbers, spawn};
use crate::served::ServedCluster;

/// What a child does that is not told: the number of a writer, or to read.
pub const ROLE: &str = "FDYNO_PROCESS_ROLE";
const READER: &str = "reader";

const WRITERS: usize = 3;
/// Mutations of a writer that is not killed.
const MUTATIONS: u64 = 60;
/// Keys of each writer.
const KEYS: u64 = 7;

const FAULTS: &str = "latency_ms=0.3 1007=0.01 1020=0.03 1021did=0.03 1021not=0.03 1031did=0.01 1031later=0.02 \
                      1039did=0.03 1039not=0.02 1039later=0.03 read1007=0.01 read1039=0.01";

pub fn orders() -> Value {
    json!({
        "TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    })
}

fn key(writer: usize, number: u64) -> String {
    format!("{writer} {}", number % KEYS)
}

/// Puts a number under a key of the writer's own; every third counts under a key of all, in the same transaction.
fn mutate(handle: &Handle, writer: usize, number: u64) {
    let note = "x".repeat(if number % 10 == 4 { 20_000 } else { 10 });
    let item = json!({"pk": {"S": key(writer, number)}, "number": {"N": number.to_string()}, "note": {"S": note}});
    let put = json!({"TableName": "orders", "Item": item});
    let (name, request) = if number.is_multiple_of(3) {
        let count = json!({
            "TableName": "orders", "Key": {"pk": {"S": "count"}}, "UpdateExpression": "ADD #n :one",
            "ExpressionAttributeNames": {"#n": "number"}, "ExpressionAttributeValues": {":one": {"N": "1"}}
        });
        ("TransactWriteItems", json!({"TransactItems": [{"Put": put}, {"Update": count}]}))
    } else {
        ("PutItem", put)
    };
    handle.call(name, &request).expect("a mutation succeeds");
}

/// The life of a child with a role.
pub fn live(handle: &Handle, role: &str) {
    if role == READER {
        let mut at = handle.iterator();
        loop {
            let (records, next) = handle.page(&at, 25);
            at = next;
            for number in sequence_numbers(&records) {
                println!("{MARK}{number}");
            }
        }
    }
    let writer = role.parse().unwrap();
    for number in 1..=MUTATIONS {
        mutate(handle, writer, number);
        println!("{MARK}{number}");
    }
}

/// One race: it ends when all that was written was checked.
pub fn race(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let cluster = ServedCluster::new();
    let here = Handle::open(&cluster.file("here", "seed=1"));
    here.call("CreateTable", &orders()).unwrap();
    let (mut reader, read) = spawn(&cluster.file("reader", &format!("seed={seed} latency_ms=0.3")), &[(ROLE, READER)]);
    let (heard, hear) = mpsc::channel();
    thread::spawn(move || read.map_while(|number| heard.send(number).ok()).for_each(drop));

    // The first is killed somewhere in its middle, the others come to their end.
    let (killed_after, spin) = (random.usize(1..MUTATIONS as usize), random.u32(0..200_000));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let file = cluster.file(&format!("{writer}"), &format!("seed={} {FAULTS}", seed * 10 + writer as u64));
            let is_killed = writer == 0;
            thread::spawn(move || {
                let (mut child, said) = spawn(&file, &[(ROLE, &writer.to_string())]);
                let mut said = said.zip(1..).inspect(|(number, expected)| assert_eq!(*number, expected.to_string()));
                let mut acknowledged =
                    said.by_ref().take(if is_killed { killed_after } else { usize::MAX }).count() as u64;
                if is_killed {
                    (0..spin).for_each(|_| std::hint::spin_loop());
                    child.kill().unwrap();
                    // What it said before it died.
                    acknowledged += said.count() as u64;
                }
                (acknowledged, child.wait().unwrap().success())
            })
        })
        .collect();
    let ends: Vec<(u64, bool)> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    assert!(ends[1..].iter().all(|end| *end == (MUTATIONS, true)), "{ends:?}");
    // A commit of the killed one may be on its way still: once the cluster is opened by who holds nothing back, none is.
    drop(Handle::open(&cluster.file("here", "seed=1")));

    let all = read_all(&here);
    let numbers = sequence_numbers(&all);
    assert!(numbers.is_sorted_by(|one, other| one < other), "sequence numbers rise");
    let seen: Vec<String> =
        (0..numbers.len()).map(|_| hear.recv_timeout(PATIENCE).expect("the reader sees it all")).collect();
    assert_eq!(seen, numbers, "another process has read the same, once, in its order");
    reader.kill().unwrap();
    reader.wait().unwrap();
    assert_eq!(hear.iter().count(), 0, "and nothing else");
    check(&here, &all, &ends);
}

fn check(here: &Handle, all: &[Value], ends: &[(u64, bool)]) {
    let mut table: BTreeMap<String, Value> = BTreeMap::new();
    let mut told = [0; WRITERS];
    let mut counted = 0;
    for record in all {
        let change = &record["dynamodb"];
        let (pk, new) = (change["Keys"]["pk"]["S"].as_str().unwrap().to_owned(), change["NewImage"].clone());
        assert_eq!(change.get("OldImage"), table.get(&pk), "the old image is what the stream left");
        let number: u64 = new["number"]["N"].as_str().unwrap().parse().unwrap();
        match pk.split_once(' ') {
            Some((writer, _)) => {
                let writer: usize = writer.parse().unwrap();
                told[writer] += 1;
                assert_eq!((number, &pk), (told[writer], &key(writer, number)), "in the order of its writer");
            }
            None => {
                counted += 1;
                assert_eq!(number, counted);
            }
        }
        table.insert(pk, new);
    }
    for (told, (acknowledged, ended_well)) in told.iter().zip(ends) {
        let unknown = u64::from(!ended_well);
        assert!((*acknowledged..=acknowledged + unknown).contains(told), "{acknowledged} acknowledged, {told} told");
    }
    assert_eq!(counted, told.iter().map(|told| told / 3).sum::<u64>(), "each third one counted, once");
    let scan = here.call("Scan", &json!({"TableName": "orders", "ConsistentRead": true})).unwrap();
    let items = scan["Items"].as_array().unwrap().iter();
    let items: BTreeMap<String, Value> =
        items.map(|item| (item["pk"]["S"].as_str().unwrap().to_owned(), item.clone())).collect();
    assert_eq!(items, table, "the stream replayed is the table");
    here.is_sound();
}
