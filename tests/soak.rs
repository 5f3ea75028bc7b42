//! Space returns: records are written and trimmed over and over, and neither memory nor the directory grows.
//!
//! Counted are pairs and bytes, and the size of the directory, never time. `FDYNO_SOAK=1000000` writes a million records; run
//! that with `--release`.

use std::error::Error as StdError;
use std::path::Path;

use fdyno::api::{self, Operation};
use fdyno::clock::{Clock, Timestamp};
use fdyno::error::Error;
use fdyno::kv::{Database, DiskOptions, RangeRead};
use fdyno::store::{Realm, Store};
use futures_executor::block_on;
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn StdError>>;

const HOUR: i64 = 3_600_000;
const ROUNDS: usize = 10;
/// Items that all the records are about.
const ITEMS: usize = 500;

/// How many records each round writes, at least one for each item.
fn records_of_round() -> usize {
    let total = std::env::var("FDYNO_SOAK").ok().and_then(|total| total.parse().ok()).unwrap_or(30_000_usize);
    (total / ROUNDS).max(ITEMS)
}

struct World {
    store: Store,
    realm: Realm,
}

impl World {
    fn open(database: Database) -> Result<Self, Error> {
        let realm = Realm { account: "000000000000".into(), region: "eu-west-1".into() };
        Ok(Self { store: block_on(Store::open(database, Vec::new()))?, realm })
    }

    fn call(&self, name: &str, request: &Value) -> Result<Value, Box<dyn StdError>> {
        let operation = Operation::find("dynamodb", name).ok_or("no such operation")?;
        let request = api::json::request(operation, request.to_string().as_bytes())?;
        let response = block_on(api::dispatch(&self.store, &self.realm, request))?;
        Ok(serde_json::from_slice(&api::json::response(&response))?)
    }
}

fn clock() -> Clock {
    Clock::deterministic(Timestamp(1_700_000_000_000), 7)
}

fn create(world: &World, name: &str) -> Outcome {
    world.call(
        "CreateTable",
        &json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        }),
    )?;
    Ok(())
}

/// Writes so many records, one in a thousand of which owns a large item, and lets a day pass.
fn pass_a_day(world: &World, round: usize) -> Outcome {
    let records = records_of_round();
    for batch in 0..records.div_ceil(25) {
        let puts: Vec<_> = (batch * 25..records.min(batch * 25 + 25))
            .map(|record| {
                let note = if record.is_multiple_of(1_000) { "large ".repeat(5_000) } else { "x".repeat(380) };
                json!({"PutRequest": {"Item": {
                    "pk": {"S": format!("{:04}", record % ITEMS)}, "n": {"N": format!("{round}.{record}1")}, "note": {"S": note}
                }}})
            })
            .collect();
        let answer = world.call("BatchWriteItem", &json!({"RequestItems": {"items": puts}}))?;
        assert_eq!(answer["UnprocessedItems"], json!({}));
    }
    block_on(world.store.advance(25 * HOUR))?;
    let table = block_on(world.store.current_table(&world.realm, "items"))?;
    assert_eq!(block_on(world.store.check(&table))?, Vec::<String>::new());
    assert_eq!(block_on(world.store.statistics(&table))?.0.items, ITEMS as i64);
    Ok(())
}

fn pairs_and_bytes(store: &Store) -> Result<(usize, usize), Error> {
    let transaction = store.database().begin();
    let (mut begin, mut pairs, mut bytes) = (vec![0], 0, 0);
    loop {
        let page = block_on(transaction.range(&RangeRead::new(begin, [0xFF]).snapshot().limited(10_000)))?;
        pairs += page.pairs.len();
        bytes += page.pairs.iter().map(|pair| pair.key.len() + pair.value.len()).sum::<usize>();
        match page.pairs.last() {
            Some(last) if page.more => begin = [&last.key[..], &[0]].concat(),
            _ => return Ok((pairs, bytes)),
        }
    }
}

fn size_of(directory: &Path) -> std::io::Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        size += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path())?,
            Ok(metadata) => metadata.len(),
            // Removed while we look.
            Err(_) => 0,
        };
    }
    Ok(size)
}

#[test]
fn memory_holds_the_same_after_every_day() -> Outcome {
    let world = World::open(Database::memory(clock()))?;
    create(&world, "items")?;
    let mut seen = Vec::new();
    for round in 0..ROUNDS {
        pass_a_day(&world, round)?;
        seen.push(pairs_and_bytes(&world.store)?);
    }
    // Digits of the round are all that differs.
    assert!(seen.iter().all(|(pairs, _)| *pairs == seen[0].0), "{seen:?}");
    assert!(seen.iter().all(|(_, bytes)| bytes.abs_diff(seen[0].1) <= ITEMS), "{seen:?}");
    Ok(())
}

#[test]
fn a_directory_is_no_larger_in_the_end_than_at_the_beginning() -> Outcome {
    let directory = tempfile::tempdir()?;
    // A round's records are several times what is held in memory, however few they are.
    let flush_bytes = (records_of_round() * 200) as u64;
    let options = DiskOptions { flush_bytes, ..DiskOptions::default() };
    let world = World::open(Database::disk(directory.path(), options, clock())?)?;
    create(&world, "items")?;
    let mut sizes = Vec::new();
    for round in 0..ROUNDS {
        pass_a_day(&world, round)?;
        sizes.push(size_of(directory.path())?);
    }
    let (early, late) = sizes.split_at(ROUNDS / 2);
    // Tables that await their merging come and go, which about doubles the size; the least of several days is without them. What
    // is not returned adds up: by the second half it would be six times as much, in the end ten times.
    let least = |sizes: &[u64]| sizes.iter().copied().min().unwrap_or_default();
    println!("bytes after each day: {sizes:?}");
    assert!(least(late) < least(early) * 2 && sizes.iter().all(|size| *size < least(early) * 4), "{sizes:?}");
    let (pairs, _) = pairs_and_bytes(&world.store)?;
    assert!(pairs < 2 * ITEMS, "{pairs} pairs are left");
    Ok(())
}
