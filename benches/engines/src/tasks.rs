//! What is measured, each in a process of its own: so that a store is opened cold, its memory is its own, and it can be
//! killed.
//!
//! A task prints lines of a name and a figure, which `main` reads. It must not know of other stores.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::pairs::{BYTES, Key, key, number, value};
use crate::store::{self, Purpose, Store};

/// Pairs that a load commits together.
const LOADED_TOGETHER: u64 = 10_000;
const RANGES: u64 = 2_000;
const PAIRS_IN_A_RANGE: usize = 100;

/// Does the task that the command line asks for: its name, the store, the directory, and numbers.
pub fn run(arguments: &[String]) -> Outcome<()> {
    let [task, store, directory, numbers @ ..] = arguments else { return Err("task, store, directory".into()) };
    let numbers = numbers.iter().map(|text| text.parse()).collect::<Result<Vec<u64>, _>>()?;
    let path = Path::new(directory);
    match (task.as_str(), numbers.as_slice()) {
        ("puts", &[first, count]) => puts(&*store::open(store, path, Purpose::Buffered)?, first, count),
        ("reads", &[items, count]) => reads(store, path, items, count),
        ("synced", &[writers, together, seconds]) => {
            let store = store::open(store, path, Purpose::Synced)?;
            synced(&*store, writers, together == 1, Duration::from_secs(seconds))
        }
        ("load", &[items, most_bytes]) => load(store, path, items, most_bytes),
        ("open", &[wanted]) => opening(store, path, Purpose::Buffered, wanted).map(drop),
        ("open-checked", &[wanted]) => opening(store, path, Purpose::Checked, wanted).map(drop),
        ("write", &[first, count, synced, killed]) => write(store, path, first, count, synced == 1, killed == 1),
        ("survivors", &[first, count]) => survivors(store, path, first, count),
        ("verify", &[items, checked]) => {
            let purpose = if checked == 1 { Purpose::Checked } else { Purpose::Buffered };
            verify(&*store::open(store, path, purpose)?, items)
        }
        _ => Err(format!("no task {arguments:?}").into()),
    }
}

fn tell(name: &str, figure: f64) {
    println!("{name} {figure}");
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn median(mut samples: Vec<Duration>) -> f64 {
    samples.sort_unstable();
    samples.get(samples.len() / 2).map_or(f64::NAN, |sample| microseconds(*sample))
}

fn pair(number: u64) -> (Key, Vec<u8>) {
    (key(number), value(number))
}

/// Commits of one pair each, by one writer; the making of the pairs is not counted. The mean has in it what flushes and
/// merges of tables (and other processes) take, the median does not.
fn puts(store: &dyn Store, first: u64, count: u64) -> Outcome<()> {
    let mut times = Vec::new();
    for number in first..first + count {
        let pair = [pair(number)];
        let begin = Instant::now();
        store.put(&pair)?;
        times.push(begin.elapsed());
    }
    tell("put-mean", microseconds(times.iter().sum()) / count as f64);
    tell("put", median(times));
    Ok(())
}

/// Random reads in a fresh process, and the memory that it has afterwards.
fn reads(name: &str, path: &Path, items: u64, count: u64) -> Outcome<()> {
    let store = opening(name, path, Purpose::Buffered, 0)?;
    let mut random = fastrand::Rng::with_seed(3);
    let (mut gets, mut ranges) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    // The first half warms the caches, as a process that runs for a while has them.
    for turn in 0..count {
        let wanted = key(random.u64(0..items));
        let begin = Instant::now();
        let found = store.get(&wanted, &mut |value| bytes += value.len())?;
        if turn >= count / 2 {
            gets.push(begin.elapsed());
        }
        if !found {
            return Err("a pair is missing".into());
        }
    }
    tell("resident", resident_bytes()? as f64 / 1e6);
    for _ in 0..RANGES {
        let first = key(random.u64(0..items));
        let begin = Instant::now();
        store.range(&first, PAIRS_IN_A_RANGE, &mut |key, value| bytes += key.len() + value.len())?;
        ranges.push(begin.elapsed());
    }
    std::hint::black_box(bytes);
    tell("get", median(gets));
    tell("range", median(ranges));
    Ok(())
}

/// Resident memory of this process (Linux).
fn resident_bytes() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("VmRSS")?;
    let kibibytes: u64 = line.split_whitespace().nth(1).ok_or("VmRSS")?.parse()?;
    Ok(kibibytes * 1024)
}

/// One writer's pair on its way to the thread that commits.
struct Request {
    pair: (Key, Vec<u8>),
    done: SyncSender<bool>,
}

/// Synced commits a second. `together`: a thread commits what all writers wait for in one transaction, which is how a store
/// without a group commit of its own would be used by fdyno's committer.
fn synced(store: &dyn Store, writers: u64, together: bool, length: Duration) -> Outcome<()> {
    let (next, end) = (AtomicU64::new(0), Instant::now() + length);
    let (queue, queued) = channel::<Request>();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..writers)
            .map(|_| {
                let (queue, next) = (queue.clone(), &next);
                scope.spawn(move || -> Outcome<()> {
                    let (done, answer) = sync_channel(1);
                    while Instant::now() < end {
                        let pair = pair(next.fetch_add(1, Ordering::Relaxed));
                        if together {
                            queue.send(Request { pair, done: done.clone() })?;
                            if !answer.recv()? {
                                return Err("a commit failed".into());
                            }
                        } else {
                            store.put(&[pair])?;
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        drop(queue);
        commit_all(store, &queued)?;
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a writer panicked")?)
    })?;
    tell("commits", next.into_inner() as f64 / length.as_secs_f64());
    Ok(())
}

/// The thread that commits for all, until they are gone. It gives those it has just answered a turn to come again, as
/// fdyno's own committer does.
fn commit_all(store: &dyn Store, queued: &Receiver<Request>) -> Outcome<()> {
    let mut company = 1;
    while let Ok(first) = queued.recv() {
        let mut round = vec![first];
        for _ in 0..=company {
            round.extend(queued.try_iter());
            if round.len() >= company {
                break;
            }
            thread::yield_now();
        }
        company = round.len();
        let (pairs, waiting): (Vec<_>, Vec<_>) = round.into_iter().map(|request| (request.pair, request.done)).unzip();
        let outcome = store.put(&pairs);
        for done in waiting {
            // A writer that has gone away wants no answer.
            let _ = done.send(outcome.is_ok());
        }
        outcome?;
    }
    Ok(())
}

/// Fills a store in random order, in large transactions, until it is full or holds too many bytes.
fn load(name: &str, path: &Path, items: u64, most_bytes: u64) -> Outcome<()> {
    let begin = Instant::now();
    let store = store::open(name, path, Purpose::Loading)?;
    let mut loaded = 0;
    while loaded < items && (loaded % (100 * LOADED_TOGETHER) != 0 || bytes_on_disk(path)? < most_bytes) {
        let end = items.min(loaded + LOADED_TOGETHER);
        let mut pairs: Vec<_> = (loaded..end).map(pair).collect();
        // Which pairs come together is random; a transaction may well be sorted.
        pairs.sort_unstable();
        store.put(&pairs)?;
        loaded = end;
    }
    store.sync()?;
    drop(store);
    tell("loaded", loaded as f64);
    tell("seconds", begin.elapsed().as_secs_f64());
    Ok(())
}

/// Opens a store, which is done when it has answered for the first time.
fn opening(name: &str, path: &Path, purpose: Purpose, wanted: u64) -> Outcome<Box<dyn Store>> {
    let begin = Instant::now();
    let store = store::open(name, path, purpose)?;
    if !store.get(&key(wanted), &mut |_| {})? {
        return Err("a pair is missing".into());
    }
    tell("open", begin.elapsed().as_secs_f64() * 1e3);
    Ok(store)
}

/// Commits pairs one by one without a sync, except at the end if asked for, and closes the store or waits to be killed.
fn write(name: &str, path: &Path, first: u64, count: u64, synced: bool, killed: bool) -> Outcome<()> {
    let store = store::open(name, path, Purpose::Buffered)?;
    for number in first..first + count {
        store.put(&[pair(number)])?;
    }
    if synced {
        store.sync()?;
    }
    if killed {
        println!("ready");
        std::io::stdout().flush()?;
        loop {
            thread::park();
        }
    }
    Ok(())
}

/// How many of some pairs are there, after the process that wrote them was killed.
fn survivors(name: &str, path: &Path, first: u64, count: u64) -> Outcome<()> {
    let store = opening(name, path, Purpose::Buffered, 0)?;
    let mut alive = 0;
    for number in first..first + count {
        alive += u64::from(store.get(&key(number), &mut |_| {})?);
    }
    tell("survivors", alive as f64);
    Ok(())
}

/// Reads everything, as ranges and by gets, and compares it with what was written.
fn verify(store: &dyn Store, items: u64) -> Outcome<()> {
    let (mut found, mut wrong) = (0, 0);
    let mut last = Vec::new();
    store.range(&[], usize::MAX, &mut |key, stored| {
        let right = number(key).is_some_and(|number| number < items && value(number) == stored);
        wrong += u64::from(!right || key <= last.as_slice());
        found += 1;
        last = key.to_vec();
    })?;
    let mut got = 0;
    for number in 0..items {
        let mut right = true;
        got += u64::from(store.get(&key(number), &mut |stored| right = value(number) == stored)?);
        wrong += u64::from(!right);
    }
    tell("wrong", wrong as f64);
    tell("missing", items.saturating_sub(found.min(got)) as f64);
    Ok(())
}

/// What a directory takes of the disk; a file with holes in it counts without them.
pub fn bytes_on_disk(directory: &Path) -> Outcome<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut total = 0;
    for file in store::files(directory)? {
        // A file may go while it is looked at: tables are merged.
        total += file.metadata().map_or(0, |metadata| metadata.blocks() * 512);
    }
    Ok(total)
}

/// Bytes on disk by the bytes of pairs that were put in.
pub fn amplification(directory: &Path, items: u64) -> Outcome<f64> {
    Ok(bytes_on_disk(directory)? as f64 / (items * BYTES) as f64)
}
