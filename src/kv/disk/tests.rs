//! What only the disk engine does: keep, recover, refuse, and tell damage from the traces of a crash.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::clock::Timestamp;
use crate::kv::contract::{NOON, wait};
use crate::kv::{Database, Isolation, RangeRead};

/// So small that a few commits fill it.
const FLUSH_BYTES: u64 = 3_000;

fn open_at(path: &Path, flush_bytes: u64, now: Timestamp) -> Result<Database> {
    let options = DiskOptions { flush_bytes, ..DiskOptions::default() };
    Database::disk(path, options, Clock::deterministic(now, 7))
}

fn open(path: &Path) -> Result<Database> {
    open_at(path, DiskOptions::default().flush_bytes, NOON)
}

fn put(database: &Database, key: &str, value: &str) -> Result<Versionstamp> {
    let transaction = database.begin();
    transaction.set(key.as_bytes(), value.as_bytes())?;
    wait(transaction.commit()).map(Option::unwrap)
}

/// Everything, or the error of reading it.
fn content(database: &Database) -> Result<Vec<(String, String)>> {
    let page = wait(database.begin().range(&RangeRead::new(b"", b"\xFF")))?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ok(page.pairs.iter().map(|pair| (text(&pair.key), text(&pair.value))).collect())
}

fn expected(count: usize) -> Vec<(String, String)> {
    (0..count).map(|number| (format!("key{number:04}"), format!("value {number}"))).collect()
}

fn fill(database: &Database, numbers: std::ops::Range<usize>) {
    for (key, value) in expected(numbers.end).drain(numbers) {
        put(database, &key, &value).unwrap();
    }
}

/// As a process leaves it that is killed: the files as they are, without the database being closed.
fn killed_copy(directory: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for path in files(directory) {
        let target = copy.path().join(path.strip_prefix(directory).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        match fs::copy(&path, &target) {
            // Removed by a database that is at work meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            copied => drop(copied.unwrap()),
        }
    }
    copy
}

/// Every file below a directory, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut files = files(&directory.join("log"));
    files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    files
}

#[test]
fn what_was_committed_is_there_when_it_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let database = open_at(directory.path(), FLUSH_BYTES, NOON).unwrap();
        assert_eq!(content(&database).unwrap(), expected(round * 50));
        fill(&database, round * 50..(round + 1) * 50);
        assert_eq!(content(&database).unwrap(), expected((round + 1) * 50));
    }
}

#[test]
fn what_was_committed_is_there_after_a_kill_between_any_two_commits() {
    let directory = tempfile::tempdir().unwrap();
    for life in 0..3 {
        let database = open_at(directory.path(), FLUSH_BYTES, NOON).unwrap();
        fill(&database, life * 40..life * 40 + 20);
        drop(database);
        // So large that nothing is flushed while the files are copied: a copy made meanwhile would show no one moment.
        let database = open(directory.path()).unwrap();
        for count in life * 40 + 21..=(life + 1) * 40 {
            fill(&database, count - 1..count);
            let copy = killed_copy(directory.path());
            assert_eq!(content(&open_at(copy.path(), FLUSH_BYTES, NOON).unwrap()).unwrap(), expected(count));
        }
    }
}

#[test]
fn range_clears_and_adds_are_replayed_as_they_were_done() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).unwrap();
    fill(&database, 0..20);
    let transaction = database.begin();
    transaction.clear_range(b"key0005", b"key0015").unwrap();
    transaction.set(b"key0007", b"again".as_slice()).unwrap();
    transaction.add(b"sum", 4).unwrap();
    wait(transaction.commit()).unwrap();
    let transaction = database.begin();
    transaction.add(b"sum", 5).unwrap();
    transaction.set_versionstamped_key(b"log/##########".to_vec(), 4, b"x".as_slice()).unwrap();
    wait(transaction.commit()).unwrap();
    let all = |database: &Database| wait(database.begin().range(&RangeRead::new(b"", b"\xFF"))).unwrap().pairs;
    let before = all(&database);
    assert_eq!(before.len(), 11 + 1 + 1);
    let copy = killed_copy(directory.path());
    assert_eq!(all(&open(copy.path()).unwrap()), before);
    let sum = wait(open(copy.path()).unwrap().begin().get(b"sum", Isolation::Snapshot)).unwrap().unwrap();
    assert_eq!(*sum, 9_i64.to_le_bytes());
}

#[test]
fn versions_rise_over_restarts_whatever_the_clock_does() {
    let directory = tempfile::tempdir().unwrap();
    let mut last = Versionstamp::MIN;
    for minutes in [0, -60, 5, -600, 0] {
        let database = open_at(directory.path(), FLUSH_BYTES, NOON.plus_millis(minutes * 60_000)).unwrap();
        for _ in 0..30 {
            let stamp = put(&database, "k", "v").unwrap();
            assert!(stamp > last);
            last = stamp;
        }
        assert_eq!(wait(database.begin().read_version()), Ok(last.version()));
    }
}

#[test]
fn a_second_opening_is_refused_and_names_the_holder() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    let Err(Error::Locked(message)) = open(directory.path()).map(drop) else { panic!("opened twice") };
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    assert!(message.contains(&directory.path().display().to_string()), "{message}");
    drop(first);
    put(&open(directory.path()).unwrap(), "k", "v").unwrap();
}

#[test]
fn a_lock_file_left_by_a_process_that_is_gone_locks_nothing() {
    let directory = tempfile::tempdir().unwrap();
    fill(&open(directory.path()).unwrap(), 0..3);
    fs::write(directory.path().join("LOCK"), "process 999999999 (gone)\n").unwrap();
    assert_eq!(content(&open(directory.path()).unwrap()).unwrap(), expected(3));
}

#[test]
fn a_lock_file_that_was_removed_is_missed_and_can_be_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    fill(&open(directory.path()).unwrap(), 0..3);
    let lock = directory.path().join("LOCK");
    fs::remove_file(&lock).unwrap();
    let refused = open(directory.path()).map(drop);
    assert!(matches!(refused, Err(Error::Io(message)) if message.contains("the file LOCK is missing")));
    fs::write(&lock, "").unwrap();
    assert_eq!(content(&open(directory.path()).unwrap()).unwrap(), expected(3));
}

#[test]
fn a_directory_with_other_things_in_it_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("letter.txt"), "dear").unwrap();
    assert!(
        matches!(open(directory.path()).map(drop), Err(Error::Io(message)) if message.contains("no fdyno database"))
    );
    assert_eq!(files(directory.path()).len(), 1);
}

#[test]
fn a_closed_database_refuses_and_can_be_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).unwrap();
    fill(&database, 0..3);
    let waiting = database.begin();
    waiting.set(b"k", b"v".as_slice()).unwrap();
    database.close();
    database.close();
    assert_eq!(wait(waiting.commit()), Err(Error::Closed));
    assert_eq!(content(&database), Err(Error::Closed));
    assert_eq!(content(&open(directory.path()).unwrap()).unwrap(), expected(3));
}

#[test]
fn a_torn_end_is_cut_off_wherever_it_tore() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).unwrap();
    fill(&database, 0..4);
    let [segment] = segments(directory.path()).try_into().unwrap();
    let before = fs::metadata(&segment).unwrap().len();
    fill(&database, 4..5);
    let copy = killed_copy(directory.path());
    drop(database);
    let [segment] = segments(copy.path()).try_into().unwrap();
    let whole = fs::read(&segment).unwrap();
    let killed = killed_copy(copy.path());
    for length in before..whole.len() as u64 {
        let copy = killed_copy(killed.path());
        let [segment] = segments(copy.path()).try_into().unwrap();
        fs::write(&segment, &whole[..length as usize]).unwrap();
        let recovered = open(copy.path()).unwrap();
        assert_eq!(recovered.torn_bytes(), Some(length - before));
        assert_eq!(content(&recovered).unwrap(), expected(4), "cut at {length}");
        put(&recovered, "key0004", "value 4").unwrap();
        drop(recovered);
        assert_eq!(content(&open(copy.path()).unwrap()).unwrap(), expected(5), "cut at {length}");
    }
    // Space that was given to the file, and never written.
    fs::write(&segment, [&whole[..before as usize], &[0; 300][..]].concat()).unwrap();
    assert_eq!(content(&open(copy.path()).unwrap()).unwrap(), expected(4));
}

/// A database that was closed knows how much of it there is, however the end of its log went.
#[test]
fn a_log_that_was_shortened_after_its_database_was_closed_is_an_error() {
    for durability in [Durability::Buffered, Durability::Fsync] {
        let directory = tempfile::tempdir().unwrap();
        for (numbers, opened_again) in [(0..4, false), (4..8, true)] {
            let options = DiskOptions { durability, ..DiskOptions::default() };
            let database = Database::disk(directory.path(), options, Clock::deterministic(NOON, 7)).unwrap();
            fill(&database, numbers);
            database.close();
            let [segment] = segments(directory.path()).try_into().unwrap();
            let whole = fs::read(&segment).unwrap();
            let end = whole.len() - frame::Writer::close(1).len();
            for length in (48..end).step_by(17).chain([end - 1]) {
                let copy = killed_copy(directory.path());
                fs::write(&segments(copy.path())[0], &whole[..length]).unwrap();
                let refused = open(copy.path()).map(drop);
                let message = "commits that were there when the database was closed are missing";
                assert!(
                    matches!(&refused, Err(Error::Corrupt(text)) if text.contains(message)),
                    "{length} bytes: {refused:?}"
                );
            }
            // Nothing is lost with the mark itself.
            let copy = killed_copy(directory.path());
            fs::write(&segments(copy.path())[0], &whole[..whole.len() - 3]).unwrap();
            assert_eq!(content(&open(copy.path()).unwrap()).unwrap(), expected(if opened_again { 8 } else { 4 }));
        }
    }
}

/// Opens and reads everything: an error, or what there is.
fn outcome(path: &Path) -> Result<Vec<(String, String)>> {
    content(&open(path)?)
}

#[test]
fn damage_anywhere_is_an_error_and_never_a_silent_loss() {
    let directory = tempfile::tempdir().unwrap();
    let database = open_at(directory.path(), FLUSH_BYTES, NOON).unwrap();
    fill(&database, 0..200);
    database.close();
    let mut random = fastrand::Rng::with_seed(5);
    let (mut errors, mut harmless) = (0, 0);
    for path in files(directory.path()) {
        let relative = path.strip_prefix(directory.path()).unwrap();
        if relative == Path::new("LOCK") {
            continue;
        }
        let length = fs::metadata(&path).unwrap().len() as usize;
        // A manifest and the end of a table everywhere, the rest here and there.
        let all_of = if relative.starts_with("tree") { 300 } else { 10 };
        let mut places: Vec<usize> = (length.saturating_sub(all_of)..length).collect();
        places.extend(std::iter::repeat_with(|| random.usize(0..length)).take(40));
        for at in places {
            let copy = killed_copy(directory.path());
            let damaged = copy.path().join(relative);
            let mut bytes = fs::read(&damaged).unwrap();
            bytes[at] ^= 1 << random.u8(0..8);
            fs::write(&damaged, bytes).unwrap();
            match outcome(copy.path()) {
                Ok(found) => {
                    assert_eq!(found, expected(200), "{relative:?} byte {at}");
                    harmless += 1;
                }
                Err(Error::Corrupt(_) | Error::Io(_)) => errors += 1,
                Err(error) => panic!("{relative:?} byte {at}: {error:?}"),
            }
        }
    }
    assert!(errors > 50, "{errors} errors, {harmless} harmless");
}

#[test]
fn a_missing_file_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let database = open_at(directory.path(), FLUSH_BYTES, NOON).unwrap();
    fill(&database, 0..200);
    database.close();
    let mut refused = 0;
    for path in files(directory.path()) {
        let relative = path.strip_prefix(directory.path()).unwrap();
        let copy = killed_copy(directory.path());
        fs::remove_file(copy.path().join(relative)).unwrap();
        match outcome(copy.path()) {
            Ok(found) => assert_eq!(found, expected(200), "without {relative:?}"),
            Err(Error::Corrupt(_) | Error::Io(_)) => refused += 1,
            Err(error) => panic!("without {relative:?}: {error:?}"),
        }
    }
    assert!(refused > 2, "{refused}");
    for inner in ["log", "tree"] {
        let copy = killed_copy(directory.path());
        fs::remove_dir_all(copy.path().join(inner)).unwrap();
        assert!(outcome(copy.path()).is_err(), "without {inner}");
    }
}

#[test]
fn a_database_that_was_never_flushed_is_not_empty_without_its_log() {
    let directory = tempfile::tempdir().unwrap();
    fill(&open(directory.path()).unwrap(), 0..50);
    for segment in segments(directory.path()) {
        fs::remove_file(segment).unwrap();
    }
    assert!(matches!(outcome(directory.path()), Err(Error::Corrupt(text)) if text.contains("the log is missing")));
    fs::remove_dir_all(directory.path().join("log")).unwrap();
    assert!(matches!(outcome(directory.path()), Err(Error::Corrupt(text)) if text.contains("the log is missing")));
}

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let directory = tempfile::tempdir().unwrap();
    fill(&open(directory.path()).unwrap(), 0..2);
    let [segment] = segments(directory.path()).try_into().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[8..12].copy_from_slice(&9_u32.to_be_bytes());
    let checksum = xxhash_rust::xxh3::xxh3_64(&bytes[..40]);
    bytes[40..48].copy_from_slice(&checksum.to_be_bytes());
    fs::write(&segment, bytes).unwrap();
    assert!(matches!(outcome(directory.path()), Err(Error::Corrupt(message)) if message.contains("format 9")));
}

#[test]
fn the_log_is_removed_as_the_tree_takes_it_over() {
    let directory = tempfile::tempdir().unwrap();
    let database = open_at(directory.path(), FLUSH_BYTES, NOON).unwrap();
    fill(&database, 0..500);
    // Closing waits for the thread that flushes; what it was told of before is done or tried again at the next opening.
    drop(database);
    let database = open_at(directory.path(), FLUSH_BYTES, NOON).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while segments(directory.path()).len() > 2 {
        assert!(std::time::Instant::now() < deadline, "{:?}", segments(directory.path()));
        std::thread::yield_now();
    }
    assert_eq!(content(&database).unwrap(), expected(500));
}

#[test]
fn a_snapshot_stays_as_it_was_while_the_tree_is_flushed_and_merged() {
    let directory = tempfile::tempdir().unwrap();
    let database = open_at(directory.path(), FLUSH_BYTES, NOON).unwrap();
    fill(&database, 0..30);
    let snapshot = database.begin();
    let read = RangeRead::new(b"", b"\xFF");
    let before = wait(snapshot.range(&read)).unwrap();
    for round in 0..40 {
        for number in 0..30 {
            put(&database, &format!("key{number:04}"), &format!("round {round}")).unwrap();
        }
        assert_eq!(wait(snapshot.range(&read)).unwrap(), before, "round {round}");
        for pair in &before.pairs {
            let got = wait(snapshot.get(&pair.key, Isolation::Snapshot)).unwrap();
            assert_eq!(got.as_ref(), Some(&pair.value), "round {round}");
        }
    }
}

#[test]
fn a_commit_that_breaks_off_tells_those_who_wait_and_ends_all_writing() {
    for durability in [Durability::Buffered, Durability::Fsync] {
        let directory = tempfile::tempdir().unwrap();
        let options = DiskOptions { durability, ..DiskOptions::default() };
        let disk = Disk::open(directory.path(), options, Clock::deterministic(NOON, 7)).unwrap();
        let commit = || {
            let transaction = disk.begin();
            transaction.set(b"key", b"value".as_slice().into()).unwrap();
            wait(transaction.commit(AfterCommit::default()))
        };
        commit().unwrap();
        let (promise, waiting) = Promise::new(AfterCommit::default());
        let shared = Arc::clone(&disk.0.shared);
        let broke_off = std::thread::spawn(move || {
            let _bench = shared.bench();
            let _promise = promise;
            panic!("a defect, as this test wants it");
        });
        assert!(broke_off.join().is_err());
        for outcome in [wait(waiting), commit(), commit()] {
            assert!(matches!(outcome, Err(Error::Io(text)) if text.contains("takes no more writes")));
        }
        let read = disk.begin().get(b"key", Isolation::Snapshot).unwrap();
        assert_eq!(read.as_deref(), Some(b"value".as_slice()));
        disk.close();
        assert_eq!(outcome(directory.path()).unwrap(), [("key".to_owned(), "value".to_owned())]);
    }
}

#[test]
fn without_the_thread_that_flushes_commits_are_refused_and_not_kept_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let database = Disk::open(directory.path(), DiskOptions::default(), Clock::deterministic(NOON, 7)).unwrap();
    database.0.shared.desk.give_up("a defect, as this test wants it");
    let transaction = database.begin();
    transaction.set(b"key", b"value".as_slice().into()).unwrap();
    let outcome = wait(transaction.commit(AfterCommit::default()));
    assert!(matches!(outcome, Err(Error::Io(text)) if text.contains("takes no more writes")));
}

#[test]
fn a_commit_that_nobody_waits_for_any_more_is_told_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let options = DiskOptions { durability: Durability::Fsync, ..DiskOptions::default() };
    let database = Database::disk(directory.path(), options, Clock::deterministic(NOON, 7)).unwrap();
    let (told, hears) = std::sync::mpsc::channel();
    let transaction = database.begin();
    transaction.set(b"key", b"value".as_slice()).unwrap();
    transaction.after_commit(move || told.send(()).unwrap());
    {
        let commit = std::pin::pin!(transaction.commit());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        // It may be quick enough to be done.
        let _ = commit.poll(&mut context);
    }
    drop(transaction);
    hears.recv().unwrap();
    assert_eq!(content(&database).unwrap(), [("key".to_owned(), "value".to_owned())]);
}
