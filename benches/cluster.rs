//! What having many requests in flight is worth on a cluster that takes its time: on the double of FoundationDB's client
//! library, whose every answer takes about a millisecond.
//!
//! No timed tests: this prints a ratio, and fails nothing. The double is no measure of a cluster's own speed.

#[path = "../src/kv/contract/cluster_file.rs"]
mod cluster_file;
#[path = "../src/kv/contract/double.rs"]
mod double;
#[path = "../tests/common/items.rs"]
mod items;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fdyno::api::{Operation, dispatch, json as protocol};
use fdyno::clock::Clock;
use fdyno::kv::{Database, foundationdb};
use fdyno::store::{Realm, Store};
use serde_json::json;

type Failure = Box<dyn Error + Send + Sync>;

const ROUNDS: usize = 5;

struct Bench {
    store: Store,
    realm: Realm,
}

impl Bench {
    async fn call(&self, operation: Operation, request: serde_json::Value) -> Result<(), Failure> {
        let request = protocol::request(operation, request.to_string().as_bytes())?;
        dispatch(&self.store, &self.realm, request).await?;
        Ok(())
    }
}

/// So many tasks put items of their own, one after the other.
async fn put(bench: &Arc<Bench>, tasks: usize, each: usize, round: usize) -> Result<Duration, Failure> {
    let begin = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let bench = Arc::clone(bench);
            tokio::spawn(async move {
                for number in 0..each {
                    // Another one than it replaces: a write that changes nothing is none.
                    let note = format!("{round} {}", "x".repeat(300));
                    let item = json!({ "id": { "S": format!("{task}-{number}") }, "note": { "S": note } });
                    bench.call(Operation::PutItem, json!({ "TableName": "items", "Item": item })).await?;
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for task in running {
        task.await??;
    }
    Ok(begin.elapsed())
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let cluster = cluster_file::ClusterFile::new("seed=1 latency_ms=1");
    let (cluster_file, library) = (Some(cluster.path()), Some(double::library("release")));
    let options = foundationdb::Options { cluster_file, library, ..foundationdb::Options::default() };
    let store = Store::open(Database::foundationdb(&options, Clock::system())?, Vec::new()).await?;
    let realm = Realm { account: "000000000000".to_owned(), region: "us-east-1".to_owned() };
    let bench = Arc::new(Bench { store, realm });
    bench.call(Operation::CreateTable, items::table()).await?;
    put(&bench, 64, 10, 0).await?;
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        alone.push(put(&bench, 1, 50, 2 * round).await?.as_secs_f64() / 50.0);
        together.push(put(&bench, 64, 50, 2 * round + 1).await?.as_secs_f64() / (64.0 * 50.0));
    }
    let (alone, together) = (median(alone), median(together));
    // Opening it once more has the double write down what it counted.
    Database::foundationdb(&options, Clock::system())?;
    let most = cluster.counters().get("most_in_flight").copied().unwrap_or_default();
    println!(
        "{:<66} {:>9.2} x        at least 30",
        "PutItem, 64 in flight / one at a time, 1 ms to the cluster",
        alone / together
    );
    println!("{:<66} {:>9.2} ms", "  PutItem, one at a time", alone * 1e3);
    println!("{:<66} {most:>9}", "  most commits in flight");
    Ok(())
}
