//! Threads that race each other through the API, on the memory engine, on the one with faults and on a cluster's double: the classic
//! anomalies must not happen, and the stream must tell of every change once, in an order the images agree with.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fdyno::api::Operation;
use fdyno::error::Error;
use fdyno::item::AttributeValue;
use fdyno::store;
use serde_json::{Value as Json, json};

use super::client::{Client, Engine, is_injected};
use super::value::{Item, Value, item_from_json};

const THREADS: usize = 4;
const ROUNDS: usize = 40;
const ENGINES: [Engine; 3] = [Engine::Memory, Engine::Faults, Engine::Cluster];

/// A table keyed by the text `id`, with a stream of both images and an index by the number `n`.
fn table(seed: u64, engine: Engine) -> (Client, String) {
    let client = Client::new(seed, engine);
    let request = json!({
        "TableName": "race",
        "AttributeDefinitions": [
            { "AttributeName": "id", "AttributeType": "S" },
            { "AttributeName": "n", "AttributeType": "N" },
        ],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "GlobalSecondaryIndexes": [{
            "IndexName": "by_n",
            "KeySchema": [{ "AttributeName": "n", "KeyType": "HASH" }],
            "Projection": { "ProjectionType": "ALL" },
        }],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
    });
    let answer = client.insist(Operation::CreateTable, &request).expect("a table");
    let arn = answer["TableDescription"]["LatestStreamArn"].as_str().expect("an ARN").to_owned();
    (client, arn)
}

fn put(client: &Client, id: &str, number: i64) {
    let item = json!({ "id": { "S": id }, "n": { "N": number.to_string() } });
    client.insist(Operation::PutItem, &json!({ "TableName": "race", "Item": item })).expect("a put");
}

fn number(client: &Client, id: &str) -> i64 {
    let request = json!({ "TableName": "race", "Key": { "id": { "S": id } } });
    let answer = client.insist(Operation::GetItem, &request).expect("an answer");
    let Some(Value::N(hundredths)) = answer.get("Item").map(item_from_json).and_then(|item| item.get("n").cloned())
    else {
        panic!("{id} has no number: {answer}")
    };
    hundredths / 100
}

fn race(client: &Client, work: impl Fn(&Client, usize) + Sync) {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(client, thread));
        }
    });
}

/// Reads a stream page by page until `is_done`, and then to its end.
fn records(client: &Client, arn: &str, is_done: impl Fn() -> bool) -> Vec<Json> {
    let description = client.insist(Operation::DescribeStream, &json!({ "StreamArn": arn })).expect("a stream");
    let shard = &description["StreamDescription"]["Shards"][0]["ShardId"];
    let request = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
    let answer = client.insist(Operation::GetShardIterator, &request).expect("an iterator");
    let (mut iterator, mut records) = (answer["ShardIterator"].clone(), Vec::new());
    loop {
        // Asked before reading: what was written by then is on the page, or on one that follows it.
        let last = is_done();
        let request = json!({ "ShardIterator": iterator, "Limit": 7 });
        let answer = client.insist(Operation::GetRecords, &request).expect("records");
        let page = answer["Records"].as_array().expect("records");
        records.extend(page.iter().cloned());
        if last && page.is_empty() {
            return records;
        }
        match answer.get("NextShardIterator") {
            Some(next) => iterator = next.clone(),
            // A closed stream has an end.
            None => return records,
        }
    }
}

/// Each record's old image is the new image of the record before it of the same item; numbers rise, ids are unique.
fn replay(records: &[Json]) -> BTreeMap<String, Item> {
    let mut items: BTreeMap<String, Item> = BTreeMap::new();
    let mut numbers: Vec<&str> = Vec::new();
    for record in records {
        let content = &record["dynamodb"];
        let id = content["Keys"]["id"]["S"].as_str().expect("an id").to_owned();
        let (old, new) = (content.get("OldImage").map(item_from_json), content.get("NewImage").map(item_from_json));
        let name = match (&old, &new) {
            (None, _) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (Some(_), None) => "REMOVE",
        };
        assert_eq!(record["eventName"], name);
        assert_ne!(old, new, "a record of no change");
        assert_eq!(items.get(&id), old.as_ref(), "the old image of {record}");
        match new {
            Some(new) => items.insert(id, new),
            None => items.remove(&id),
        };
        numbers.push(content["SequenceNumber"].as_str().expect("a number"));
    }
    assert!(numbers.is_sorted_by(|one, two| one < two), "sequence numbers rise");
    items
}

fn is_sound(client: &Client) {
    client.calm();
    let table = client.now(client.store.current_table(&client.realm, "race")).expect("a table");
    let findings = client.now(client.store.check(&table)).expect("a check");
    assert!(findings.is_empty(), "{findings:#?}");
    client.resume();
}

#[test]
fn no_update_is_lost_between_threads_that_compare_and_set() {
    for engine in ENGINES {
        let (client, arn) = table(1, engine);
        put(&client, "a", 0);
        race(&client, |client, _| {
            for _ in 0..ROUNDS {
                loop {
                    let seen = number(client, "a");
                    let request = json!({
                        "TableName": "race",
                        "Key": { "id": { "S": "a" } },
                        "UpdateExpression": "SET n = :next",
                        "ConditionExpression": "n = :seen",
                        "ExpressionAttributeValues": {
                            ":seen": { "N": seen.to_string() },
                            ":next": { "N": (seen + 1).to_string() },
                        },
                    });
                    match client.call(Operation::UpdateItem, &request) {
                        Ok(_) => break,
                        Err(Error::ConditionalCheckFailed { .. }) => {}
                        Err(error) => assert!(is_injected(&error), "{error}"),
                    }
                }
            }
        });
        let all = (THREADS * ROUNDS) as i64;
        assert_eq!(number(&client, "a"), all);
        let records = records(&client, &arn, || true);
        assert_eq!(records.len() as i64, all + 1);
        replay(&records);
        is_sound(&client);
    }
}

#[test]
fn additions_from_all_threads_add_up_and_each_has_its_record() {
    for engine in ENGINES {
        let (client, arn) = table(2, engine);
        put(&client, "a", 0);
        let request = json!({
            "TableName": "race",
            "Key": { "id": { "S": "a" } },
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": { ":one": { "N": "1" } },
        });
        race(&client, |client, _| {
            for _ in 0..ROUNDS {
                // A call that met a fault has added nothing, so asking again adds once.
                client.insist(Operation::UpdateItem, &request).expect("an addition");
            }
        });
        assert_eq!(number(&client, "a"), (THREADS * ROUNDS) as i64);
        let records = records(&client, &arn, || true);
        let modified = records.iter().filter(|record| record["eventName"] == "MODIFY").count();
        assert_eq!((modified, records.len()), (THREADS * ROUNDS, THREADS * ROUNDS + 1));
        replay(&records);
        is_sound(&client);
    }
}

/// Two doctors are on call; each may leave only while the other stays.
#[test]
fn two_transactions_that_each_check_what_the_other_writes_never_both_succeed() {
    for engine in ENGINES {
        let (client, arn) = table(3, engine);
        let mut left = 0;
        for round in 0..ROUNDS {
            let ids = [format!("{round}-a"), format!("{round}-b")];
            ids.iter().for_each(|id| put(&client, id, 1));
            let left_before = AtomicBool::new(false);
            race(&client, |client, thread| {
                let (own, other) = (&ids[thread % 2], &ids[(thread + 1) % 2]);
                let on_call = json!({ ":one": { "N": "1" } });
                let request = json!({ "TransactItems": [
                    { "ConditionCheck": {
                        "TableName": "race", "Key": { "id": { "S": other } },
                        "ConditionExpression": "n = :one", "ExpressionAttributeValues": on_call,
                    } },
                    { "Update": {
                        "TableName": "race", "Key": { "id": { "S": own } },
                        "UpdateExpression": "ADD n :minus",
                        "ConditionExpression": "n = :one",
                        "ExpressionAttributeValues": { ":one": { "N": "1" }, ":minus": { "N": "-1" } },
                    } },
                ] });
                match client.insist(Operation::TransactWriteItems, &request) {
                    Ok(_) => assert!(!left_before.swap(true, Ordering::SeqCst), "both left in round {round}"),
                    Err(error) => assert!(matches!(error, Error::TransactionCanceled { .. }), "{error}"),
                }
            });
            let on_call: i64 = ids.iter().map(|id| number(&client, id)).sum();
            assert_eq!(on_call, 1, "round {round}: exactly one could leave");
            left += 1;
        }
        let records = records(&client, &arn, || true);
        assert_eq!(records.len(), ROUNDS * 2 + left);
        replay(&records);
        is_sound(&client);
    }
}

/// Writers move a unit between accounts, in transactions, and put and delete items of their own.
fn writer(client: &Client, thread: usize, acknowledged: &AtomicUsize) {
    let mut random = fastrand::Rng::with_seed(thread as u64);
    let write = |operation, request: Json, count| match client.insist(operation, &request) {
        Ok(_) => drop(acknowledged.fetch_add(count, Ordering::SeqCst)),
        Err(error) => assert!(matches!(error, Error::TransactionCanceled { .. }), "{error}"),
    };
    for round in 0..ROUNDS {
        match random.u8(0..3) {
            0 => {
                let (from, to) = (random.u8(0..4), random.u8(4..8));
                let step = |id: u8, by: &str| {
                    json!({ "Update": {
                        "TableName": "race", "Key": { "id": { "S": format!("account-{id}") } },
                        "UpdateExpression": "ADD n :by",
                        "ExpressionAttributeValues": { ":by": { "N": by } },
                    } })
                };
                let steps = json!({ "TransactItems": [step(from, "-1"), step(to, "1")] });
                write(Operation::TransactWriteItems, steps, 2);
            }
            1 => {
                let puts: Vec<Json> = (0..3)
                    .map(|item| {
                        let id = format!("own-{thread}-{round}-{item}");
                        json!({ "PutRequest": { "Item": { "id": { "S": id }, "body": { "S": "x".repeat(6_000 * item) } } } })
                    })
                    .collect();
                write(Operation::BatchWriteItem, json!({ "RequestItems": { "race": puts } }), 3);
            }
            _ => {
                let key = json!({ "id": { "S": format!("shared-{}", random.u8(0..3)) } });
                let request = json!({
                    "TableName": "race", "Key": key, "UpdateExpression": "SET stamp = :stamp",
                    "ExpressionAttributeValues": { ":stamp": { "S": format!("{thread}-{round}") } },
                });
                write(Operation::UpdateItem, request, 1);
            }
        }
    }
}

#[test]
fn a_consumer_that_reads_while_threads_write_sees_each_change_once_and_in_order() {
    for engine in ENGINES {
        let (client, arn) = table(4, engine);
        (0..8).for_each(|account| put(&client, &format!("account-{account}"), 10));
        let acknowledged = AtomicUsize::new(8);
        let is_done = AtomicBool::new(false);
        let records = std::thread::scope(|scope| {
            let consumer = scope.spawn(|| records(&client, &arn, || is_done.load(Ordering::SeqCst)));
            race(&client, |client, thread| writer(client, thread, &acknowledged));
            is_done.store(true, Ordering::SeqCst);
            consumer.join().expect("the consumer")
        });
        assert_eq!(records.len(), acknowledged.load(Ordering::SeqCst));
        let replica = replay(&records);
        let scan = json!({ "TableName": "race", "ConsistentRead": true });
        let answer = client.insist(Operation::Scan, &scan).expect("a Scan");
        let found: BTreeMap<String, Item> = answer["Items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|item| (item["id"]["S"].as_str().expect("an id").to_owned(), item_from_json(item)))
            .collect();
        assert!(answer.get("LastEvaluatedKey").is_some() || replica == found, "the replica differs");
        for (id, item) in &found {
            assert!(replica.get(id) == Some(item), "{id} differs");
        }
        let accounts = replica.iter().filter(|(id, _)| id.starts_with("account"));
        let total: i64 = accounts.map(|(_, item)| if let Some(Value::N(n)) = item.get("n") { *n } else { 0 }).sum();
        assert_eq!(total, 8 * 10 * 100);
        is_sound(&client);
    }
}

/// The race of the next test at its worst moment, on purpose.
#[test]
fn a_write_that_read_its_row_before_the_definition_changed_does_not_land() {
    let (client, arn) = table(6, Engine::Memory);
    let table = client.now(client.store.table(&client.realm, "race")).expect("a table");
    let key = store::Key { partition: vec![AttributeValue::S("a".to_owned())], sort: vec![] };
    let disable = json!({ "TableName": "race", "StreamSpecification": { "StreamEnabled": false } });
    let attempts = AtomicUsize::new(0);
    let outcome = client.now(client.store.transact(|transaction| {
        let (client, table, key, attempts, disable) = (&client, &table, &key, &attempts, &disable);
        async move {
            let row = transaction.row(table, key).await?;
            if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
                client.call(Operation::UpdateTable, disable)?;
            }
            transaction.write(table, row, store::Change::Put(key.to_item(&table.key)), store::Actor::User)
        }
    }));
    assert!(matches!(outcome, Err(Error::SchemaChanged)), "{outcome:?}");
    assert_eq!(attempts.into_inner(), 1, "the second attempt finds out while it reads its row");
    assert!(records(&client, &arn, || true).is_empty());
    is_sound(&client);
}

/// Writers race changes of the definition: no write lands in a closed stream, and none misses a new index.
#[test]
fn streams_and_indexes_that_come_and_go_while_threads_write_miss_nothing() {
    for engine in ENGINES {
        let (client, first) = table(5, engine);
        let is_done = AtomicBool::new(false);
        let alter = |request: Json| client.insist(Operation::UpdateTable, &request).expect("a change");
        let streams = std::thread::scope(|scope| {
            let changes = scope.spawn(|| {
                let mut streams = vec![first.clone()];
                for round in 0.. {
                    if round >= 3 && is_done.load(Ordering::SeqCst) {
                        break;
                    }
                    let definitions = json!([
                        { "AttributeName": "id", "AttributeType": "S" },
                        { "AttributeName": "n", "AttributeType": "N" },
                        { "AttributeName": "stamp", "AttributeType": "S" },
                    ]);
                    alter(json!({ "TableName": "race", "StreamSpecification": { "StreamEnabled": false } }));
                    alter(json!({ "TableName": "race", "AttributeDefinitions": definitions, "GlobalSecondaryIndexUpdates": [{
                        "Create": {
                            "IndexName": "late",
                            "KeySchema": [{ "AttributeName": "stamp", "KeyType": "HASH" }],
                            "Projection": { "ProjectionType": "KEYS_ONLY" },
                        },
                    }] }));
                    let view = json!({ "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" });
                    let answer = alter(json!({ "TableName": "race", "StreamSpecification": view }));
                    streams.push(answer["TableDescription"]["LatestStreamArn"].as_str().expect("an ARN").to_owned());
                    is_sound(&client);
                    let delete = json!([{ "Delete": { "IndexName": "late" } }]);
                    alter(json!({ "TableName": "race", "GlobalSecondaryIndexUpdates": delete }));
                }
                streams
            });
            let ignored = AtomicUsize::new(0);
            race(&client, |client, thread| writer(client, thread, &ignored));
            is_done.store(true, Ordering::SeqCst);
            changes.join().expect("the changes")
        });
        // Within a stream every old image is known from its first sight on; between streams changes go untold.
        for arn in streams {
            let mut items: BTreeMap<String, Option<Item>> = BTreeMap::new();
            for record in records(&client, &arn, || true) {
                let content = &record["dynamodb"];
                let id = content["Keys"]["id"]["S"].as_str().expect("an id").to_owned();
                let old = content.get("OldImage").map(item_from_json);
                let new = content.get("NewImage").map(item_from_json);
                if let Some(known) = items.insert(id, new) {
                    assert!(known == old, "a change is missing before {record}");
                }
            }
        }
        is_sound(&client);
    }
}
