//! The store on a cluster, on the double of FoundationDB's client library: what several databases and several handles do
//! to each other, many requests in flight on a runtime, and the end of the client.
//!
//! What every engine must do is tested beside the engines (`src/kv/contract`), and that of the operations in `model.rs`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../src/kv/contract/cluster_file.rs"]
mod cluster_file;
#[path = "../src/kv/contract/double.rs"]
mod double;
#[path = "common/items.rs"]
mod items;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use fdyno::api::{Operation, dispatch, json as protocol};
use fdyno::clock::{Clock, Timestamp};
use fdyno::error::Error;
use fdyno::kv::foundationdb::{self, ClusterError};
use fdyno::kv::{self, Database, Isolation};
use fdyno::store::{Realm, Store};
use futures_executor::block_on;
use serde_json::{Value as Json, json};

use cluster_file::ClusterFile;

/// Tells a child of this program that it is one.
const ROLE: &str = "FDYNO_CLUSTER_ROLE";

#[cfg(unix)]
type Reading = std::pin::Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

struct Client {
    store: Store,
    realm: Realm,
}

fn options(cluster: &ClusterFile) -> foundationdb::Options {
    let (cluster_file, library) = (Some(cluster.path()), Some(double::library("dev")));
    foundationdb::Options { cluster_file, library, ..foundationdb::Options::default() }
}

fn clock() -> Clock {
    Clock::deterministic(Timestamp(1_700_000_000_000), 7)
}

impl Client {
    /// As another process would open it: with a connection of its own.
    fn open(cluster: &ClusterFile, prefix: &str) -> Self {
        let database = Database::foundationdb(&options(cluster), clock()).unwrap();
        let store = block_on(Store::open(database, prefix.as_bytes().to_vec())).unwrap();
        Self { store, realm: Realm { account: "000000000000".to_owned(), region: "eu-west-1".to_owned() } }
    }

    async fn ask(&self, operation: Operation, request: Json) -> Result<Json, Error> {
        let request = protocol::request(operation, request.to_string().as_bytes())?;
        let response = dispatch(&self.store, &self.realm, request).await?;
        Ok(serde_json::from_slice(&protocol::response(&response)).unwrap())
    }

    fn call(&self, operation: Operation, request: Json) -> Result<Json, Error> {
        block_on(self.ask(operation, request))
    }

    /// The ARN of the new table's stream.
    fn create_table(&self) -> String {
        let answer = self.call(Operation::CreateTable, items::table()).unwrap();
        answer["TableDescription"]["LatestStreamArn"].as_str().unwrap().to_owned()
    }

    fn put(&self, id: &str) -> Result<Json, Error> {
        self.call(Operation::PutItem, put(id))
    }

    fn ids(&self) -> BTreeSet<String> {
        let answer = self.call(Operation::Scan, json!({ "TableName": "items", "ConsistentRead": true })).unwrap();
        answer["Items"].as_array().unwrap().iter().map(|item| item["id"]["S"].as_str().unwrap().to_owned()).collect()
    }

    /// The records of a stream.
    fn records(&self, arn: &str) -> Vec<Json> {
        let description = self.call(Operation::DescribeStream, json!({ "StreamArn": arn })).unwrap();
        let shard = &description["StreamDescription"]["Shards"][0]["ShardId"];
        let request = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        let iterator = self.call(Operation::GetShardIterator, request).unwrap();
        let request = json!({ "ShardIterator": iterator["ShardIterator"] });
        self.call(Operation::GetRecords, request).unwrap()["Records"].as_array().unwrap().clone()
    }

    /// The ids of the items that a stream tells of, in its order.
    fn told(&self, arn: &str) -> Vec<String> {
        let ids = self.records(arn);
        ids.iter().map(|record| record["dynamodb"]["Keys"]["id"]["S"].as_str().unwrap().to_owned()).collect()
    }

    /// When its records were made, in seconds.
    fn times(&self, arn: &str) -> Vec<i64> {
        let records = self.records(arn);
        records
            .iter()
            .map(|record| record["dynamodb"]["ApproximateCreationDateTime"].as_f64().unwrap() as i64)
            .collect()
    }
}

fn put(id: &str) -> Json {
    json!({ "TableName": "items", "Item": { "id": { "S": id } } })
}

fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.map(str::to_owned).into()
}

#[test]
fn databases_under_other_prefixes_of_one_cluster_are_apart() {
    let cluster = ClusterFile::new("seed=1");
    let (one, other) = (Client::open(&cluster, "one"), Client::open(&cluster, "other"));
    let stream = one.create_table();
    one.put("a").unwrap();
    assert_eq!(other.call(Operation::ListTables, json!({})).unwrap()["TableNames"], json!([]));
    other.create_table();
    other.put("b").unwrap();
    assert_eq!((one.ids(), other.ids()), (ids(["a"]), ids(["b"])));
    assert_eq!(one.told(&stream), ["a"]);
    other.call(Operation::DeleteTable, json!({ "TableName": "items" })).unwrap();
    block_on(other.store.maintain()).unwrap();
    assert_eq!(one.ids(), ids(["a"]));
    one.put("c").unwrap();
    assert_eq!(one.told(&stream), ["a", "c"]);
}

#[test]
fn handles_on_one_database_see_each_others_tables_and_tell_one_stream() {
    let cluster = ClusterFile::new("seed=1");
    let (one, two) = (Client::open(&cluster, "p"), Client::open(&cluster, "p"));
    let stream = one.create_table();
    for (client, id) in [(&one, "a"), (&two, "b"), (&one, "c"), (&two, "d")] {
        client.put(id).unwrap();
    }
    assert_eq!(
        (one.told(&stream), two.told(&stream)),
        (two.told(&stream), ["a", "b", "c", "d"].map(str::to_owned).into())
    );
    // The definition that the other one has in its cache is not the table's any more.
    let closed = json!({ "TableName": "items", "StreamSpecification": { "StreamEnabled": false } });
    one.call(Operation::UpdateTable, closed).unwrap();
    two.put("e").unwrap();
    assert_eq!(one.told(&stream).len(), 4);
    assert_eq!(one.ids(), ids(["a", "b", "c", "d", "e"]));
    one.call(Operation::DeleteTable, json!({ "TableName": "items" })).unwrap();
    let error = two.put("f").unwrap_err();
    assert_eq!(error.shape().code, "ResourceNotFoundException", "{error}");
}

#[test]
fn a_clock_moved_by_one_handle_is_moved_for_all_and_times_follow_at_once() {
    const HOUR: i64 = 3_600_000;
    let cluster = ClusterFile::new("seed=1");
    let (one, two) = (Client::open(&cluster, "p"), Client::open(&cluster, "p"));
    let stream = one.create_table();
    let start = one.store.clock().now();
    one.put("a").unwrap();
    block_on(one.store.move_clock(|clock| clock.advance(HOUR))).unwrap();
    assert_eq!((one.store.clock().now(), two.store.clock().now()), (start.plus_millis(HOUR), start));
    // It does not know yet, and what it writes has its time all the same.
    two.put("b").unwrap();
    assert_eq!(one.times(&stream), [start.seconds(), start.plus_millis(HOUR).seconds()]);
    // Nor does it have to know to move the clock from where it is.
    block_on(two.store.move_clock(|clock| clock.advance(HOUR))).unwrap();
    block_on(one.store.look_at_clock()).unwrap();
    let three = Client::open(&cluster, "p");
    for client in [&one, &two, &three] {
        assert_eq!(client.store.clock().now(), start.plus_millis(2 * HOUR));
    }
    block_on(three.store.move_clock(Clock::resume_system_time)).unwrap();
    block_on(one.store.look_at_clock()).unwrap();
    assert!(!one.store.clock().is_frozen());
    let other = Client::open(&cluster, "other");
    assert_eq!(other.store.clock().now(), start, "another database's clock is another");
}

/// How far it has to go depends on where the clock stands, and not on where a handle last saw it.
#[test]
fn time_passes_as_far_as_is_asked_for_though_another_handle_has_moved_the_clock() {
    const MINUTE: i64 = 60_000;
    let cluster = ClusterFile::new("seed=1");
    let (one, two) = (Client::open(&cluster, "p"), Client::open(&cluster, "p"));
    one.create_table();
    let specification = json!({ "Enabled": true, "AttributeName": "expires" });
    let request = json!({ "TableName": "items", "TimeToLiveSpecification": specification });
    two.call(Operation::UpdateTimeToLive, request).unwrap();
    let start = one.store.clock().now();
    for minutes in [70, 100] {
        let mut item = put(&format!("{minutes}"));
        item["Item"]["expires"] = json!({ "N": start.plus_millis(minutes * MINUTE).seconds().to_string() });
        two.call(Operation::PutItem, item).unwrap();
    }
    block_on(one.store.advance(60 * MINUTE)).unwrap();
    assert_eq!(two.store.clock().now(), start, "it has not looked");
    block_on(two.store.travel_to(start.plus_millis(80 * MINUTE))).unwrap();
    assert_eq!((two.store.clock().now(), two.ids()), (start.plus_millis(80 * MINUTE), ids(["100"])));
}

/// Each task waits on the runtime and is woken by the client's thread; none is lost, none counts twice.
#[test]
fn tasks_of_a_runtime_put_and_count_together() {
    for seed in 0..4 {
        let cluster = ClusterFile::new(&format!(
            "seed={seed} latency_ms=0.2 1020=0.03 1021did=0.03 1021not=0.03 1031later=0.03 1039did=0.03 read1007=0.01"
        ));
        let client = Arc::new(Client::open(&cluster, "p"));
        let stream = client.create_table();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..64)
                .map(|task| {
                    let client = Arc::clone(&client);
                    tokio::spawn(async move {
                        client.ask(Operation::PutItem, put(&task.to_string())).await.unwrap();
                        let count = json!({
                            "TableName": "items",
                            "Key": { "id": { "S": format!("count-{}", task % 4) } },
                            "UpdateExpression": "ADD n :one",
                            "ExpressionAttributeValues": { ":one": { "N": "1" } },
                        });
                        client.ask(Operation::UpdateItem, count).await.unwrap();
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        for count in 0..4 {
            let key = json!({ "TableName": "items", "Key": { "id": { "S": format!("count-{count}") } } });
            let answer = client.call(Operation::GetItem, key).unwrap();
            assert_eq!(answer["Item"]["n"]["N"], "16", "seed {seed}");
        }
        assert_eq!(client.ids().len(), 68, "seed {seed}");
        assert_eq!(client.told(&stream).len(), 128, "seed {seed}");
        drop(client);
        // Opening it once more has the double write down what is out.
        drop(Database::foundationdb(&options(&cluster), clock()).unwrap());
        let out = cluster.counters();
        assert_eq!(["databases", "transactions", "futures"].map(|kind| out[kind]), [0, 0, 0], "seed {seed}");
    }
}

/// On one thread: each is under way before the first of them is answered.
#[test]
fn thousands_of_puts_are_in_flight_without_a_thread_each() {
    const PUTS: usize = 2_000;
    let cluster = ClusterFile::new("seed=1 latency_ms=1");
    let stream = Client::open(&cluster, "p").create_table();
    // No commit goes on before all of them have been asked for.
    cluster.write(&format!("seed=1 latency_ms=1 gather={PUTS}"));
    let client = Client::open(&cluster, "p");
    let puts = (0..PUTS).map(|id| client.ask(Operation::PutItem, put(&id.to_string())));
    let answers = block_on(futures_util::future::join_all(puts));
    assert!(answers.iter().all(Result::is_ok));
    cluster.write("seed=1");
    let client = Client::open(&cluster, "p");
    assert_eq!(cluster.counters()["most_in_flight"], PUTS as u64);
    assert_eq!((client.ids().len(), client.told(&stream).len()), (PUTS, 1_000), "a page of a stream has a thousand");
}

/// DynamoDB's largest transaction, twice, so that its records have old images as well.
#[test]
fn a_transaction_of_a_hundred_items_and_four_megabytes_fits_with_both_images() {
    let cluster = ClusterFile::new("seed=1");
    let client = Client::open(&cluster, "p");
    let stream = client.create_table();
    for letter in ["a", "b"] {
        let note = letter.repeat(41_900);
        let actions: Vec<Json> = (0..100)
            .map(|id| {
                let item = json!({ "id": { "S": format!("{id}") }, "note": { "S": note } });
                json!({ "Put": { "TableName": "items", "Item": item } })
            })
            .collect();
        client.call(Operation::TransactWriteItems, json!({ "TransactItems": actions })).unwrap();
    }
    let key = json!({ "TableName": "items", "Key": { "id": { "S": "99" } } });
    assert_eq!(client.call(Operation::GetItem, key).unwrap()["Item"]["note"]["S"].as_str().unwrap().len(), 41_900);
    let table = block_on(client.store.table(&client.realm, "items")).unwrap();
    assert_eq!(block_on(client.store.check(&table)), Ok(Vec::new()));
    // As many as a page of a stream holds.
    let records = client.records(&stream);
    assert!(records.len() >= 20 && records.iter().all(|record| record["eventName"] == "INSERT"));
}

/// The one request that DynamoDB takes and a cluster cannot.
#[test]
fn a_transaction_with_too_many_long_index_entries_is_refused_and_writes_nothing() {
    let cluster = ClusterFile::new("seed=1");
    let client = Client::open(&cluster, "p");
    let indexed: Vec<String> = (0..20).map(|index| format!("key{index}")).collect();
    let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    let index = |name: &String| {
        let key = json!([{ "AttributeName": name, "KeyType": "HASH" }]);
        json!({ "IndexName": format!("by-{name}"), "KeySchema": key, "Projection": { "ProjectionType": "KEYS_ONLY" } })
    };
    let request = json!({
        "TableName": "items",
        "AttributeDefinitions":
            indexed.iter().map(|name| attribute(name)).chain([attribute("id")]).collect::<Vec<_>>(),
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "GlobalSecondaryIndexes": indexed.iter().map(index).collect::<Vec<_>>(),
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
    });
    let answer = client.call(Operation::CreateTable, request).unwrap();
    let stream = answer["TableDescription"]["LatestStreamArn"].as_str().unwrap();
    let put = |id: usize| {
        let mut item = json!({ "id": { "S": format!("{id:02000}") } });
        for name in &indexed {
            item[name] = json!({ "S": "x".repeat(100) });
        }
        json!({ "Put": { "TableName": "items", "Item": item } })
    };
    let transact = |count: usize| {
        let actions: Vec<Json> = (0..count).map(put).collect();
        client.call(Operation::TransactWriteItems, json!({ "TransactItems": actions }))
    };
    let error = transact(100).unwrap_err();
    assert_eq!(error.shape().code, "ValidationException", "{error}");
    assert!(error.to_string().contains("10,000,000 bytes"), "{error}");
    assert_eq!((client.ids().len(), client.records(stream).len()), (0, 0));
    transact(50).unwrap();
    assert_eq!(client.ids().len(), 50);
}

/// The double ends a process that gives a handle back to a client it does not have.
#[cfg(unix)]
#[test]
#[expect(unsafe_code, reason = "forks this process")]
fn a_forked_child_leaves_alone_what_it_inherited_and_may_not_use_it() {
    use std::os::unix::process::CommandExt;

    let cluster = ClusterFile::new("seed=1");
    let database = Database::foundationdb(&options(&cluster), clock()).unwrap();
    let mut command = Command::new("true");
    let used = database.clone();
    let begun = used.begin();
    begun.set(b"a", b"v".as_slice()).unwrap();
    let reader = used.begin();
    let mut reading: Reading = Box::pin(async move { drop(reader.get(b"a", Isolation::Snapshot).await) });
    // Polled once, so that its future is the client's; and the answer may come before the child looks.
    let _ = reading.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let inherited = std::sync::Mutex::new(Some((used, begun, reading)));
    let in_child = move || {
        let Some((used, begun, reading)) = inherited.lock().ok().and_then(|mut inherited| inherited.take()) else {
            return Err(std::io::ErrorKind::NotFound.into());
        };
        let refused = kv::Error::Cluster(ClusterError::UsedAfterFork);
        let outcomes = [block_on(used.begin().read_version()).err(), block_on(begun.commit()).err()];
        drop((used, begun, reading));
        let is_refused = outcomes.iter().all(|outcome| outcome.as_ref() == Some(&refused));
        is_refused.then_some(()).ok_or_else(|| std::io::ErrorKind::PermissionDenied.into())
    };
    // SAFETY: no other thread of the child runs, and what it calls takes no lock that one of the parent's may hold.
    unsafe { command.pre_exec(in_child) };
    let status = command.status().unwrap();
    assert!(status.success(), "{status:?}");
    drop(command);
    let transaction = database.begin();
    assert_eq!(block_on(transaction.get(b"a", Isolation::Snapshot)), Ok(None), "the parent goes on");
    drop((transaction, database));
    drop(Database::foundationdb(&options(&cluster), clock()).unwrap());
    let out = cluster.counters();
    assert_eq!(["databases", "transactions", "futures"].map(|kind| out[kind]), [0, 0, 0]);
}

/// The client can be stopped once in a process, so a child does that.
#[test]
fn after_the_client_was_shut_down_nothing_calls_it_and_all_is_refused() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_shuts_the_client_down", "--nocapture"])
        .env(ROLE, "child")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("it ends well"), "{:?}\n{said}", child.status);
}

/// Not a test by itself. The double ends a process that gives a handle back to it after it was stopped.
#[test]
fn child_that_shuts_the_client_down() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let cluster = ClusterFile::new("seed=1");
    let database = Database::foundationdb(&options(&cluster), clock()).unwrap();
    let open = database.begin();
    open.set(b"a", b"v".as_slice()).unwrap();
    // What has been answered when the end comes, and was not asked for yet. The client answers in order, and seldom at once.
    let answered = loop {
        let transaction = database.begin();
        let mut read = Box::pin(async move { transaction.get(b"a", Isolation::Snapshot).await });
        if read.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            break read;
        }
    };
    let later = database.begin();
    assert_eq!(block_on(later.get(b"a", Isolation::Snapshot)), Ok(None));
    // What is under way when the end comes: reads, a commit, and a wait between two attempts.
    cluster.write("seed=1 latency_ms=60000");
    let slow = Database::foundationdb(
        &foundationdb::Options { open_timeout: std::time::Duration::from_millis(1), ..options(&cluster) },
        clock(),
    );
    assert!(matches!(slow, Err(kv::Error::Cluster(ClusterError::Unreachable { .. }))), "{slow:?}");
    let (reader, writer) = (database.begin(), database.begin());
    writer.set(b"a", b"v".as_slice()).unwrap();
    {
        let mut waiting = [
            pin!(async { drop(reader.get(b"a", Isolation::Snapshot).await) })
                as std::pin::Pin<&mut dyn Future<Output = ()>>,
            pin!(async { drop(reader.range(&kv::RangeRead::prefix(b"a")).await) }),
            pin!(async { drop(reader.read_version().await) }),
            pin!(async { drop(writer.commit().await) }),
        ];
        for future in &mut waiting {
            assert_eq!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
        }
        foundationdb::shut_down();
    }
    let refused = kv::Error::Cluster(ClusterError::ShutDown);
    assert_eq!(block_on(answered), Err(refused.clone()));
    assert_eq!(block_on(open.get(b"a", Isolation::Snapshot)), Err(refused.clone()));
    assert_eq!(block_on(open.commit()), Err(refused.clone()));
    assert_eq!(block_on(database.begin().read_version()), Err(refused.clone()));
    let run = block_on(database.run(Vec::new, |transaction| async move { transaction.set(b"a", b"v".as_slice()) }));
    assert_eq!(run, Err(refused.clone()));
    match Database::foundationdb(&options(&cluster), clock()) {
        Err(error) => assert_eq!(error, refused),
        Ok(_) => panic!("the client runs again"),
    }
    foundationdb::shut_down();
    drop((open, later, reader, writer, database));
    println!("it ends well");
}

#[test]
fn records_that_own_nothing_are_trimmed_unread_and_all_at_once() {
    let cluster = ClusterFile::new("seed=1");
    let client = Client::open(&cluster, "trim");
    let stream = client.create_table();
    let put = |id: usize, mark: &str, large: bool| {
        let note = if large { "x".repeat(100_000) } else { "x".repeat(100) };
        let item = json!({ "id": { "S": format!("{id}") }, "mark": { "S": mark }, "note": { "S": note } });
        client.call(Operation::PutItem, json!({ "TableName": "items", "Item": item })).unwrap();
    };
    let sound = || {
        let table = block_on(client.store.current_table(&client.realm, "items")).unwrap();
        assert_eq!(block_on(client.store.check(&table)).unwrap(), Vec::<String>::new());
        client.store.work()
    };
    // The records of the second half own the large items of the first, and three more follow that own nothing.
    for (mark, large) in [("1", true), ("2", false)] {
        (0..20).for_each(|id| put(id, mark, large));
    }
    block_on(client.store.advance(3_600_000)).unwrap();
    (0..300).for_each(|id| put(id % 20, &format!("mark {id}"), false));
    let before = sound();
    block_on(client.store.advance(25 * 3_600_000)).unwrap();
    let work = client.store.work().since(&before);
    assert!((40..100).contains(&work.pairs_read), "{} pairs were read", work.pairs_read);
    // And of a day without large items, next to nothing.
    (0..300).for_each(|id| put(id % 20, &format!("another mark {id}"), false));
    let before = sound();
    block_on(client.store.advance(25 * 3_600_000)).unwrap();
    let work = client.store.work().since(&before);
    assert!(work.pairs_read < 20, "{} pairs were read", work.pairs_read);
    assert!(client.told(&stream).is_empty());
    client.put("late").unwrap();
    assert_eq!(client.told(&stream), ["late"]);
    sound();
}
