//! Never lost, never doubled: what writers know they did, against what every consumer of the streams was given.
//!
//! Each seed is one run (`streams/run.rs`): writers and consumers on a database whose clock is moved past the 24 hours
//! again and again, that is opened anew in the midst of it, and whose commits may end unknown; of one table the service
//! deletes items whose time to live is over, while writers give them more, or take it from them. When all is over, every
//! acknowledged mutation must have been told exactly once, in one order (`streams/verdict.rs`), and every deletion by the
//! service once, neither early nor never (`streams/deletions.rs`); and the streams, replayed into an empty database, must make
//! the same tables to the byte (`streams/replay.rs`). On one thread a run is a function of its seed; on many it is not.
//!
//! That these tests can fail was tried: each of these changes of the crate, made alone, turned at least one of ten seeds red.
//!
//! * Reading: a record left out within a page, or at its edge; LATEST one commit too early, or too late; AFTER that begins
//!   at; AT_TIMESTAMP a millisecond late; images without one of their attributes; times and ids of something else.
//! * Writing: one place for all records of a transaction, or places in the opposite order; images swapped; a REMOVE without a
//!   record; records of no change; every record twice; an index entry left behind; bytes of an index not counted.
//! * Trimming: one record too many; a reader behind it that is not told, or is told for nothing; records past their day.
//! * Outcomes: an unknown commit taken for done, or for not done; a late attempt not fenced; an id that was removed taken for
//!   one that never was; a token not stored; rows read without conflict. On disk: versions that begin anew, a stamp twice.
//! * Expiry: a second early, by all that look or by one step; a step that believes rows which it read without conflict; a
//!   second record of it; a user's name in it; the entry left in the hidden index, or not moved when an item is given more
//!   time; a sixth year, or one second of it; texts that count as times; a clock that leaps over the moments; calls that leave it
//!   to others.
//!
//! `FDYNO_SEEDS` says how many seeds are run (50 without it), `FDYNO_SEED=n` runs seed n of each test alone.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/cluster.rs"]
mod cluster;
#[path = "../src/kv/contract/cluster_file.rs"]
mod cluster_file;
#[path = "../src/kv/contract/double.rs"]
mod double;
#[path = "streams/expiry.rs"]
mod expiry;
#[path = "streams/house.rs"]
mod house;
#[path = "streams/journal.rs"]
mod journal;
#[path = "common/met.rs"]
mod met;
#[path = "common/place.rs"]
mod place;
#[path = "streams/reader.rs"]
mod reader;
#[path = "streams/replay.rs"]
mod replay;
#[path = "streams/run.rs"]
mod run;
#[path = "common/seeds.rs"]
mod seeds;
#[path = "streams/verdict.rs"]
mod verdict;
#[path = "streams/writer.rs"]
mod writer;

use fdyno::kv::Durability;
use house::Engine;
use met::Met;

/// What some run of each test must have met.
const ALWAYS: &[&str] = &[
    "a write that changes nothing",
    "a comparison that held",
    "a transaction over both streams",
    "a transaction repeated after it was done",
    "a transaction repeated until it was known to be done",
    "an iterator that expired",
    "an unknown outcome, and it happened",
    "a start that is trimmed",
    "a reader that goes on behind what it missed",
];
/// What many runs must have met.
const OFTEN: &[&str] = &["a reader that has missed records"];
/// What runs must have met of items whose time to live is over.
const EXPIRY: &[&str] =
    &["an item that expired as time passed through its moment", "an item that expired by a call that found it due"];
/// What many runs must have met of them.
const EXPIRY_OFTEN: &[&str] = &[
    "a write that met an expired item",
    "an item that expired late, when the clock had leapt",
    "an item that was given more time and outlived its old moment",
    "an item that was to expire no more and outlived its old moment",
    "an item that expired too long ago and was kept",
    "an expiry that is no number and was ignored",
];
/// What runs must have met where outcomes can be unknown to the database itself, or writers can hang up.
const UNKNOWN: &[&str] = &["an unknown outcome, and it did not happen"];

fn prove(engine: Engine, threads: bool, usual: u64, wanted: &[&[&'static str]]) {
    let met = Met::default();
    let all = seeds::run("streams", usual, |seed, alone| {
        let outcome = run::run(seed, engine, threads, &met);
        if alone {
            let records = outcome.records.map(|records| records.len());
            println!("seed {seed}: {records:?} records, {} requests, {} readings", outcome.requests, outcome.readings);
        }
    });
    println!("met: {:#?}", met.counts());
    if all {
        wanted.iter().for_each(|wanted| met.insist_on(wanted));
    }
}

#[test]
fn on_one_thread_with_faults_each_acknowledged_change_is_told_once() {
    prove(Engine::Faults, false, 50, &[ALWAYS, OFTEN, EXPIRY, EXPIRY_OFTEN, UNKNOWN]);
}

#[test]
fn on_many_threads_with_faults_each_acknowledged_change_is_told_once() {
    prove(Engine::Faults, true, 50, &[ALWAYS, OFTEN, EXPIRY, EXPIRY_OFTEN, UNKNOWN]);
}

#[test]
fn on_a_disk_that_is_opened_again_and_again_each_acknowledged_change_is_told_once() {
    prove(Engine::Disk(Durability::Buffered), true, 50, &[ALWAYS, OFTEN, EXPIRY, EXPIRY_OFTEN]);
}

#[test]
fn on_a_disk_that_syncs_each_acknowledged_change_is_told_once() {
    prove(Engine::Disk(Durability::Fsync), true, 50, &[ALWAYS, OFTEN, EXPIRY, EXPIRY_OFTEN]);
}

#[test]
fn on_a_cluster_each_acknowledged_change_is_told_once() {
    let faults: Vec<_> = cluster::FAULTS.split_whitespace().filter_map(|fault| fault.split_once('=')).collect();
    let faults: Vec<&str> = faults.into_iter().map(|(name, _)| name).collect();
    prove(Engine::Cluster, true, 4, &[ALWAYS, EXPIRY, UNKNOWN, &faults]);
}

#[test]
fn a_run_on_one_thread_is_a_function_of_its_seed() {
    for seed in 1..3 {
        let met = Met::default();
        let [one, other] = [0, 1].map(|_| run::run(seed, Engine::Faults, false, &met));
        assert!(one == other, "seed {seed}");
    }
}
