//! The seeded model test: random operations on a database with faults, compared with a simple model at every step; and
//! threads that race (`model/threads.rs`).
//!
//! Each seed is one run (`model/world.rs`). Requests go in as JSON and answers come out as JSON, through two handles on
//! one database with a cache each (`model/client.rs`), so everything from the protocol to the key-value engine is under
//! test. For a third of the seeds the database is as a cluster: its versions do not tell the time, and maintenance needs
//! the lease. A few times in each run the database moves to another engine, of either kind. Some seeds run on a cluster, too: on
//! the double of FoundationDB's client library. The model evaluates its operations itself and shares no code with the crate. `FDYNO_SEEDS` says how many seeds are
//! run (50 without it), `FDYNO_SEED=n` runs seed n alone and tells every operation. A run that fails prints its seed and
//! its last operations.
//!
//! That these tests can fail is shown by `make mutations`: the defects of `tests/mutations` that name this file turn it red
//! within ten seeds. Others were tried once, by hand, and did so too: a page whose next iterator lies behind what it did not
//! read; index counts left alone; a backfill without its first row; DescribeTable answered from the cache; counts read only
//! after UpdateTable has changed the table, so that a fault there comes too late; a blob freed although records show it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "model/client.rs"]
mod client;
#[path = "common/cluster.rs"]
mod cluster;
#[path = "../src/kv/contract/cluster_file.rs"]
mod cluster_file;
#[path = "model/consumer.rs"]
mod consumer;
#[path = "../src/kv/contract/double.rs"]
mod double;
#[path = "model/expression.rs"]
mod expression;
#[path = "model/generate.rs"]
mod generate;
#[path = "model/operation.rs"]
mod operation;
#[path = "model/reads.rs"]
mod reads;
#[path = "model/schema.rs"]
mod schema;
#[path = "common/seeds.rs"]
mod seeds;
#[path = "model/state.rs"]
mod state;
#[path = "model/threads.rs"]
mod threads;
#[path = "model/value.rs"]
mod value;
#[path = "model/world.rs"]
mod world;

use client::Engine;
use seeds::USUAL_SEEDS;

/// Runs so many seeds, or the one that is asked for.
fn run(engine: Engine, usual: u64) {
    seeds::run("model", usual, |seed, alone| world::run(seed, engine, alone));
}

#[test]
fn whatever_happens_the_database_is_what_the_model_says_and_its_streams_tell_it() {
    run(Engine::Faults, USUAL_SEEDS);
}

/// Each step waits for another thread many times, so there are fewer.
#[test]
fn on_a_cluster_the_database_is_what_the_model_says_and_its_streams_tell_it() {
    run(Engine::Cluster, 4);
}
