//! Numbered commits on a database in a directory, and whether what is found is what those commits make.
//!
//! Each commit sets two keys alike, now and then clears a range before, adds its number to a sum and writes it into a list
//! under its stamp. So the list says which commits are there and in which order, and everything else follows from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use fdyno::clock::{Clock, Timestamp};
use fdyno::kv::{Database, DiskOptions, Durability, Error, Isolation, RangeRead, Result, Versionstamp};
pub use futures_executor::block_on as wait;

/// So little that a life of some dozens of commits flushes and merges several times.
pub const FLUSH_BYTES: u64 = 6_000;
pub const DURABILITIES: [Durability; 2] = [Durability::Buffered, Durability::Fsync];

pub fn open(path: &Path, durability: Durability) -> Result<Database> {
    let options = DiskOptions { durability, flush_bytes: FLUSH_BYTES, ..DiskOptions::default() };
    Database::disk(path, options, Clock::deterministic(Timestamp(1_700_000_000_000), 7))
}

fn value(number: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number);
    let length = if random.u8(0..6) == 0 { random.usize(0..4_000) } else { random.usize(0..600) };
    format!("{number}-{}", "x".repeat(length)).into_bytes()
}

fn places(number: u64) -> [Vec<u8>; 2] {
    ["one", "two"].map(|side| format!("{side}/{:03}", number * 7 % 30).into_bytes())
}

/// What the commit clears first.
fn cleared(number: u64) -> Vec<[Vec<u8>; 2]> {
    let range = |side: &str| ["010", "017"].map(|end| format!("{side}/{end}").into_bytes());
    if number % 6 == 5 { vec![range("one"), range("two")] } else { Vec::new() }
}

pub fn commit(database: &Database, number: u64) -> Result<Versionstamp> {
    let transaction = database.begin();
    for [begin, end] in cleared(number) {
        transaction.clear_range(&begin, &end)?;
    }
    for place in places(number) {
        transaction.set(&place, value(number))?;
    }
    transaction.add(b"sum", number.cast_signed())?;
    transaction.set_versionstamped_key(b"list/##########".to_vec(), 5, number.to_be_bytes().as_slice())?;
    Ok(wait(transaction.commit())?.expect("a commit that writes has a stamp"))
}

/// What the commits make, without their list.
fn made(numbers: &[u64]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut made = BTreeMap::new();
    for number in numbers {
        for [begin, end] in cleared(*number) {
            made.retain(|key, _| *key < begin || *key >= end);
        }
        for place in places(*number) {
            made.insert(place, value(*number));
        }
    }
    if !numbers.is_empty() {
        made.insert(b"sum".to_vec(), numbers.iter().sum::<u64>().to_le_bytes().to_vec());
    }
    made
}

/// The commits that are there, in order, or the error of reading them; everything else must be what they make.
pub fn commits(database: &Database) -> Result<Vec<u64>> {
    let page = wait(database.begin().range(&RangeRead::new(b"", b"\xFF")))?;
    let (mut numbers, mut found) = (Vec::new(), BTreeMap::new());
    for pair in page.pairs {
        if pair.key.starts_with(b"list/") {
            numbers.push(u64::from_be_bytes((*pair.value).try_into().expect("eight bytes")));
        } else {
            found.insert(pair.key.to_vec(), pair.value.to_vec());
        }
    }
    assert!(found == made(&numbers), "what is there is not what the commits {numbers:?} make");
    Ok(numbers)
}

pub fn sum(database: &Database) -> Result<i64> {
    let sum = wait(database.begin().get(b"sum", Isolation::Snapshot))?;
    Ok(sum.map_or(0, |bytes| i64::from_le_bytes((*bytes).try_into().expect("eight bytes"))))
}

/// Waits until the log is as short as it gets, or `enough` is said.
pub fn settle(path: &Path, enough: impl Fn() -> bool) {
    let is_segment = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "log");
    let segments = || {
        let entries = fs::read_dir(path.join("log")).into_iter().flatten().flatten();
        entries.filter(is_segment).count()
    };
    while segments() > 1 && !enough() {
        thread::yield_now();
    }
}

/// Whether the database says that it takes no more writes.
pub fn is_given_up(error: &Error) -> bool {
    error.to_string().contains("takes no more writes until it is opened again")
}
