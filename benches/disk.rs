//! The disk engine's half of `make bench`: what durability, size and company cost, as ratios within one run.
//!
//! No timed tests: this prints, and fails nothing. `cargo bench --bench disk -- --items 10000000` for the large run,
//! `--synced` for the last two lines alone. Pairs have a key of 32 bytes, its first eight random, and a value of 200
//! bytes that does not compress.

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fdyno::clock::Clock;
use fdyno::kv::{Database, DiskOptions, Durability, Isolation, RangeRead};
use futures_executor::block_on as wait;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const READS: usize = 20_000;
const RANGES: usize = 2_000;
const PUTS: u64 = 100_000;
const SYNCED_ROUNDS: Duration = Duration::from_secs(3);

fn key(number: u64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&(fastrand::Rng::with_seed(number).u64(..) >> 1).to_be_bytes());
    key[24..].copy_from_slice(&number.to_be_bytes());
    key
}

fn value(number: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(!number);
    std::iter::repeat_with(|| random.u8(..)).take(200).collect()
}

fn put(database: &Database, number: u64) -> Outcome<()> {
    let transaction = database.begin();
    transaction.set(&key(number), value(number))?;
    wait(transaction.commit())?;
    Ok(())
}

fn open(path: &Path, durability: Durability) -> Outcome<Database> {
    Ok(Database::disk(path, DiskOptions { durability, ..DiskOptions::default() }, Clock::system())?)
}

fn median(mut samples: Vec<Duration>) -> f64 {
    samples.sort_unstable();
    samples.get(samples.len() / 2).map_or(f64::NAN, |sample| sample.as_secs_f64() * 1e6)
}

fn time(work: impl FnOnce() -> Outcome<()>) -> Outcome<Duration> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed())
}

fn report(what: &str, figure: f64, unit: &str, aim: &str) {
    println!("{what:<66} {figure:>9.2} {unit:<8} {aim}");
}

/// Median cost of a get and of a range of a hundred, in microseconds.
fn reads(database: &Database, items: u64) -> Outcome<(f64, f64)> {
    let mut random = fastrand::Rng::with_seed(3);
    let (mut gets, mut ranges) = (Vec::with_capacity(READS), Vec::with_capacity(RANGES));
    for _ in 0..READS {
        let wanted = key(random.u64(0..items));
        gets.push(time(|| {
            let found = wait(database.begin().get(&wanted, Isolation::Snapshot))?;
            found.map(drop).ok_or_else(|| "a pair is missing".into())
        })?);
    }
    for _ in 0..RANGES {
        let read = RangeRead::new(key(random.u64(0..items)), [0xFF]).limited(100).snapshot();
        ranges.push(time(|| {
            wait(database.begin().range(&read))?;
            Ok(())
        })?);
    }
    Ok((median(gets), median(ranges)))
}

/// Commits of so many writers in some seconds.
fn synced_commits(writers: u64) -> Outcome<f64> {
    let directory = tempfile::tempdir()?;
    let database = open(directory.path(), Durability::Fsync)?;
    let (next, end) = (AtomicU64::new(0), Instant::now() + SYNCED_ROUNDS);
    thread::scope(|scope| {
        let write = || {
            while Instant::now() < end {
                put(&database, next.fetch_add(1, Ordering::Relaxed))?;
            }
            Ok(())
        };
        let writers: Vec<_> = (0..writers).map(|_| scope.spawn(write)).collect();
        writers.into_iter().try_for_each(|writer| writer.join().map_err(|_| "a writer panicked")?)
    })
    .map_err(|error: Box<dyn Error + Send + Sync>| error)?;
    Ok(next.into_inner() as f64 / SYNCED_ROUNDS.as_secs_f64())
}

fn report_synced_commits() -> Outcome<()> {
    let (one, many) = (synced_commits(1)?, synced_commits(16)?);
    report("disk: synced commits a second, 1 writer", one, "/s", "");
    report("disk: synced commits, 16 writers / 1 writer", many / one, "x", "at least 8");
    Ok(())
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--synced") {
        return report_synced_commits();
    }
    let items = match arguments.iter().position(|argument| argument == "--items") {
        Some(at) => arguments.get(at + 1).ok_or("--items wants a number")?.parse()?,
        None => 1_000_000,
    };
    let small = tempfile::tempdir()?;
    let database = open(small.path(), Durability::Buffered)?;
    (0..10_000).try_for_each(|number| put(&database, number))?;
    let (small_get, small_range) = reads(&database, 10_000)?;
    drop(database);
    let memory = Database::memory(Clock::system());
    (0..10_000).try_for_each(|number| put(&memory, number))?;
    let (memory_get, memory_range) = reads(&memory, 10_000)?;
    drop(memory);

    let large = tempfile::tempdir()?;
    let database = open(large.path(), Durability::Buffered)?;
    let before = resident_bytes()?;
    let loading = time(|| (0..items).try_for_each(|number| put(&database, number)))?;
    let puts = time(|| (items..items + PUTS).try_for_each(|number| put(&database, number)))?;
    report("disk: commit of one pair, buffered", puts.as_secs_f64() * 1e6 / PUTS as f64, "µs", "");
    report(&format!("disk: loading of {items} pairs, each committed"), loading.as_secs_f64(), "s", "");
    let (get, range) = reads(&database, items)?;
    report("disk: get at 10,000 pairs", small_get, "µs", "");
    report(&format!("disk: get at {items} pairs / at 10,000"), get / small_get, "x", "at most 2");
    report("disk: get at 10,000 pairs / memory", small_get / memory_get, "x", "");
    report("disk: range of 100 at 10,000 pairs", small_range, "µs", "");
    report(&format!("disk: range of 100 at {items} pairs / at 10,000"), range / small_range, "x", "");
    report("disk: range of 100 at 10,000 pairs / memory", small_range / memory_range, "x", "");
    let resident = resident_bytes()?.saturating_sub(before);
    report(&format!("disk: resident memory with {items} pairs"), resident as f64 / 1e6, "MB", "bounded");
    drop(database);
    report("disk: bytes on disk / raw bytes", size(large.path())? as f64 / (items + PUTS) as f64 / 232.0, "x", "");
    let opening = time(|| {
        open(large.path(), Durability::Buffered)?;
        Ok(())
    })?;
    report(&format!("disk: opening with {items} pairs"), opening.as_secs_f64() * 1e3, "ms", "");

    report_synced_commits()
}

fn size(directory: &Path) -> Outcome<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        total += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(total)
}

/// Resident memory of this process, in bytes (Linux; elsewhere 0).
fn resident_bytes() -> Outcome<usize> {
    let Ok(text) = std::fs::read_to_string("/proc/self/statm") else { return Ok(0) };
    let pages: usize = text.split_whitespace().nth(1).ok_or("statm")?.parse()?;
    Ok(pages * 4096)
}
