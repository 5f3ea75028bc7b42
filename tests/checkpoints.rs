//! Consumers that share a checkpoint, on an engine whose commits conflict, fail and end unknown: what they write in the
//! checkpoint's transaction is there exactly once for every change.

#[expect(dead_code, reason = "other tests use the rest")]
mod common;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Outcome, START, now};
use fdyno::api::{self, Extension, Operation};
use fdyno::clock::Clock;
use fdyno::error::Error;
use fdyno::kv::Database;
use fdyno::kv::faults::Plan;
use fdyno::store::{Realm, Store};
use serde_json::{Value, json};

const CHANGES: usize = 60;
const CONSUMERS: usize = 3;

struct World {
    store: Store,
    realm: Realm,
}

type Failure = Box<dyn StdError + Send + Sync>;

impl World {
    fn open(plan: Plan) -> Result<Self, Error> {
        let database = Database::faults(Clock::deterministic(START, 7), plan);
        // What is injected while it is opened is met by opening it again.
        let store = (0..100).find_map(|_| now(Store::open(database.clone(), b"test".to_vec())).ok());
        let store = store.ok_or_else(|| Error::InternalServerError("it cannot be opened".to_owned()))?;
        Ok(Self { store, realm: Realm { account: "000000000000".into(), region: "eu-west-1".into() } })
    }

    fn call(&self, operation: Operation, request: &Value) -> Result<Value, Failure> {
        let request = api::json::request(operation, request.to_string().as_bytes())?;
        let response = now(api::dispatch(&self.store, &self.realm, request))?;
        Ok(serde_json::from_slice(&api::json::response(&response))?)
    }

    fn extend(&self, extension: Extension, request: &Value) -> Result<Value, Failure> {
        let told = now(api::dispatch_extension(&self.store, &self.realm, extension.parse(request)?))?;
        Ok(serde_json::to_value(told)?)
    }

    /// Until it is done: only for what may be done twice.
    fn insist(&self, operation: Operation, request: &Value) -> Result<Value, Failure> {
        for _ in 0..100 {
            if let Ok(answer) = self.call(operation, request) {
                return Ok(answer);
            }
        }
        self.call(operation, request)
    }

    fn create_table(&self, name: &str, stream: bool) -> Result<(), Failure> {
        let mut request = json!({
            "TableName": name,
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "BillingMode": "PAY_PER_REQUEST",
        });
        if stream {
            request["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": "KEYS_ONLY" });
        }
        for _ in 0..100 {
            match self.call(Operation::CreateTable, &request) {
                Err(error) if error.to_string().contains("already exists") => return Ok(()),
                Err(_) => {}
                Ok(_) => return Ok(()),
            }
        }
        Err("it cannot be created".into())
    }

    /// One batch, if there is one: what it wrote is there if and only if the checkpoint has moved. Whatever fails, the next
    /// attempt begins at the checkpoint. How many changes it did.
    fn consume(&self, consumer: usize, limit: usize) -> Result<usize, Failure> {
        let named = json!({ "TableName": "orders", "Name": "billing" });
        let resumed = self.extend(Extension::ResumeCheckpoint, &named)?;
        let (from, stream) = (&resumed["Checkpoint"], &resumed["Stream"]);
        let read = json!({ "StreamArn": stream["StreamArn"], "Position": stream["Position"], "Limit": limit });
        let page = self.extend(Extension::ReadStream, &read)?;
        let records = page["Records"].as_array().ok_or("no records")?;
        let mut writes: Vec<Value> = records
            .iter()
            .map(|record| {
                json!({ "Put": {
                    "TableName": "totals",
                    "Item": { "id": record["dynamodb"]["Keys"]["id"], "by": { "N": consumer.to_string() } },
                    "ConditionExpression": "attribute_not_exists(id)",
                } })
            })
            .collect();
        if writes.is_empty() {
            return Ok(0);
        }
        writes.push(json!({ "Update": {
            "TableName": "totals",
            "Key": { "id": { "S": "count" } },
            "UpdateExpression": "ADD n :n",
            "ExpressionAttributeValues": { ":n": { "N": records.len().to_string() } },
        } }));
        let place = |stream: &Value, position: &Value| json!({ "StreamArn": stream, "Position": position });
        let moved = self.extend(
            Extension::MoveCheckpoint,
            &json!({
                "TableName": "orders",
                "Name": "billing",
                "From": { "At": place(&from["StreamArn"], &from["Position"]) },
                "To": place(&stream["StreamArn"], &page["Position"]),
                "TransactItems": writes,
            }),
        )?;
        Ok(if moved["Moved"] == true { records.len() } else { 0 })
    }
}

fn run(seed: u64) -> Outcome {
    let plan = Plan::seeded(seed);
    let world = World::open(if seed.is_multiple_of(2) { plan } else { plan.with_opaque_versions() })?;
    world.create_table("orders", true).map_err(|error| format!("seed {seed}: {error}"))?;
    world.create_table("totals", false).map_err(|error| format!("seed {seed}: {error}"))?;
    let described =
        world.insist(Operation::DescribeTable, &json!({ "TableName": "orders" })).map_err(|error| error.to_string())?;
    let arn = &described["Table"]["LatestStreamArn"];
    // From the beginning, whatever attempt leaves it there.
    for _ in 0..100 {
        let open = json!({ "StreamArn": arn, "Start": "TRIM_HORIZON" });
        let Ok(opened) = world.extend(Extension::OpenStream, &open) else { continue };
        let to = json!({ "StreamArn": arn, "Position": opened["Position"] });
        let begin = json!({ "TableName": "orders", "Name": "billing", "From": "Nowhere", "To": to });
        if world.extend(Extension::MoveCheckpoint, &begin).is_ok() {
            break;
        }
    }
    let all_put = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for consumer in 0..CONSUMERS {
            let (world, all_put) = (&world, &all_put);
            scope.spawn(move || {
                // What is left when one has found nothing after the last put is consumed below.
                loop {
                    let is_last = all_put.load(Ordering::SeqCst);
                    if matches!(world.consume(consumer, 7), Ok(0)) && is_last {
                        break;
                    }
                }
            });
        }
        for number in 0..CHANGES {
            let item = json!({ "id": { "S": format!("{number:03}") } });
            // A put that is done again changes nothing, and tells nothing.
            let put = world.insist(Operation::PutItem, &json!({ "TableName": "orders", "Item": item }));
            if put.is_err() {
                all_put.store(true, Ordering::SeqCst);
            }
            assert!(put.is_ok(), "seed {seed}: {put:?}");
        }
        all_put.store(true, Ordering::SeqCst);
    });
    let faults = world.store.database().injected_faults().ok_or("no faults")?;
    faults.pause();
    faults.flush();
    while world.consume(0, 7).map_err(|error| format!("seed {seed}: {error}"))? > 0 {}
    let scanned = world.call(Operation::Scan, &json!({ "TableName": "totals" })).map_err(|error| error.to_string())?;
    let mut items: BTreeMap<&str, &Value> = BTreeMap::new();
    for item in scanned["Items"].as_array().ok_or("no items")? {
        items.insert(item["id"]["S"].as_str().ok_or("no id")?, item);
    }
    let count = items.remove("count").ok_or_else(|| format!("seed {seed}: nothing was counted"))?;
    assert_eq!(count["n"]["N"], CHANGES.to_string(), "seed {seed}");
    assert_eq!(items.len(), CHANGES, "seed {seed}");
    Ok(())
}

#[test]
fn consumers_of_one_checkpoint_write_for_every_change_exactly_once() -> Outcome {
    let seeds = std::env::var("FDYNO_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(12);
    for seed in 0..seeds {
        run(seed)?;
    }
    Ok(())
}
