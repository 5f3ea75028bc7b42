//! Databases on disk whose system calls fail, are cut short, or are lost with the power.
//!
//! A library built from `tests/preload` stands between a child of this program and the system (`faults/library.rs`). The
//! child makes numbered commits (`faults/workload.rs`), from which follows what a directory must hold. Each call of a life is
//! made to fail in turn; and from the calls a life made, directories are built as a loss of power may leave them
//! (`faults/journal.rs`). `FDYNO_SEEDS` of 200 or more asks for all kinds of failures, and for many more directories.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "faults/journal.rs"]
mod journal;
#[path = "faults/library.rs"]
mod library;
#[path = "common/place.rs"]
mod place;
#[path = "faults/workload.rs"]
mod workload;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fdyno::kv::{Database, Durability, Error};

use self::journal::{Journal, Loss};
use self::library::{BELOW, ROLE, child, run};
use self::place::place;
use self::workload::{DURABILITIES, commit, commits, is_given_up, open, settle, sum};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const ALL: &str = "ONWSTRUD";
/// What a lack of space fails: it does not hinder a file from being opened, shortened or removed.
const TAKES_SPACE: &str = "NWRD";

/// How often the long run is to be made instead of the one for every day.
fn is_long_run() -> bool {
    std::env::var("FDYNO_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).is_some_and(|seeds: u64| seeds >= 200)
}

fn durability(word: &str) -> Durability {
    if word == "fsync" { Durability::Fsync } else { Durability::Buffered }
}

const fn word(durability: Durability) -> &'static str {
    match durability {
        Durability::Buffered => "buffered",
        Durability::Fsync => "fsync",
    }
}

/// Not a test by itself: what a child of this program does.
#[test]
fn child_of_these_tests() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let below = PathBuf::from(std::env::var_os(BELOW).unwrap());
    match role.split('/').collect::<Vec<_>>().as_slice() {
        ["sweep", kept, errno, how, kinds] => sweep(&below, durability(kept), errno.parse().unwrap(), how, kinds),
        ["short", kept] => live_on_short_writes(&below, durability(kept)),
        ["syncs", kept] => live_on_failing_syncs(&below, durability(kept)),
        ["record", kept, nth] => live_recorded(&below, durability(kept), nth.parse().unwrap()),
        ["room", kept] => live_in_little_room(&below, durability(kept)),
        ["tiny", kept] => live_on_a_tiny_file_system(&below, durability(kept)),
        _ => panic!("no such role: {role}"),
    }
}

/// What is known of a database from the outcomes of commits.
#[derive(Debug, Default)]
struct Known {
    acknowledged: Vec<u64>,
    /// Failed in a way that leaves open whether they are there.
    uncertain: Vec<u64>,
}

impl Known {
    fn commit(&mut self, database: &Database, number: u64) -> Result<(), Error> {
        let outcome = commit(database, number);
        match outcome {
            Ok(_) => {
                self.acknowledged.push(number);
                Ok(())
            }
            Err(error) => {
                names_what_happened(&error);
                // Only the first that meets the trouble: the others are refused.
                if is_given_up(&error) && self.uncertain.is_empty() {
                    self.uncertain.push(number);
                }
                Err(error)
            }
        }
    }

    fn sum(&self) -> i64 {
        self.acknowledged.iter().sum::<u64>().cast_signed()
    }

    /// Exactly what was acknowledged is there, in order, and perhaps what is uncertain.
    fn compare(&mut self, database: &Database) {
        let there = commits(database).expect("a database without faults is read");
        let certain: Vec<u64> = there.iter().copied().filter(|number| !self.uncertain.contains(number)).collect();
        assert_eq!(certain, self.acknowledged, "uncertain: {:?}", self.uncertain);
        self.acknowledged = there;
        self.uncertain.clear();
    }
}

fn names_what_happened(error: &Error) {
    let Error::Io(text) = error else { panic!("a failed call is told as {error:?}") };
    assert!(text.contains("Input/output error") || text.contains("No space left"), "{text}");
    assert!(text.contains('/'), "no file is named: {text}");
}

/// Lives of a database, of which each meets one failing call, or a failing call and all that follow.
fn sweep(below: &Path, durability: Durability, errno: i32, how: &str, kinds: &str) {
    for nth in 1.. {
        println!("call {nth}");
        let path = below.join(format!("db-{nth}"));
        library::fail(errno, nth, how, kinds);
        let mut known = Known::default();
        for first in [1, 31] {
            let database = open(&path, durability).unwrap_or_else(|error| {
                names_what_happened(&error);
                library::stop_failing();
                open(&path, durability).expect("it opens when nothing fails")
            });
            for number in first..first + 30 {
                let _ = known.commit(&database, number);
            }
            settle(&path, || library::has_failed(ALL));
            if !library::has_failed("O") {
                let read = sum(&database).expect("reads go on");
                let uncertain = known.uncertain.iter().sum::<u64>().cast_signed();
                assert!([0, uncertain].map(|more| known.sum() + more).contains(&read), "{known:?}: {read}");
            }
            if how == "on" && errno == ENOSPC && library::has_failed(ALL) {
                // There is space again: in a moment everything goes on.
                library::stop_failing();
                while known.commit(&database, first + 30).is_err() {
                    assert!(known.uncertain.is_empty(), "it must not give up for lack of space");
                    std::thread::yield_now();
                }
            }
            database.close();
        }
        let has_failed = library::has_failed(ALL);
        library::stop_failing();
        for more in [100, 101] {
            let database = open(&path, durability).expect("it opens when nothing fails");
            known.compare(&database);
            known.commit(&database, more).expect("it takes commits when nothing fails");
        }
        fs::remove_dir_all(&path).unwrap();
        if !has_failed {
            println!("swept {}", nth - 1);
            return;
        }
    }
}

#[test]
fn whichever_call_fails_every_commit_is_there_or_has_failed() {
    let mut plans = vec![(EIO, "once", ALL), (ENOSPC, "on", TAKES_SPACE)];
    if is_long_run() {
        plans.extend([(EIO, "on", ALL), (ENOSPC, "once", ALL)]);
    }
    for (errno, how, kinds) in plans {
        for durability in DURABILITIES.map(word) {
            let place = place();
            let lines = run(child(&format!("sweep/{durability}/{errno}/{how}/{kinds}"), place.path(), None));
            let swept = lines.iter().find_map(|line| line.strip_prefix("swept ")).expect("a count");
            println!("{durability}, error {errno} {how}: {swept} calls");
            assert!(swept.parse::<u64>().unwrap() > 50, "{swept}");
        }
    }
}

fn live_on_short_writes(below: &Path, durability: Durability) {
    let path = below.join("db");
    let mut known = Known::default();
    for life in 0..5 {
        library::shorten(life);
        let database = open(&path, durability).unwrap();
        known.compare(&database);
        for number in life * 40..(life + 1) * 40 {
            known.commit(&database, number).unwrap();
        }
        settle(&path, || false);
        known.compare(&database);
    }
    library::stop_failing();
    known.compare(&open(&path, durability).unwrap());
}

#[test]
fn writes_that_are_cut_short_are_completed() {
    for durability in DURABILITIES.map(word) {
        let (place, beside) = (place(), place());
        let journal = beside.path().join("journal");
        run(child(&format!("short/{durability}"), place.path(), Some(&journal)));
        let written = Journal::read(&journal, None).count(b'W', "");
        assert!(written > 2_000, "{written} writes: they were not cut short");
    }
}

fn live_on_failing_syncs(below: &Path, durability: Durability) {
    let path = below.join("db");
    let mut known = Known::default();
    let database = open(&path, durability).unwrap();
    for number in 1..=40 {
        known.commit(&database, number).unwrap();
    }
    settle(&path, || false);
    // One sync fails, and those that follow would not: by then what was written may be gone.
    library::fail(EIO, 1, "once", "S");
    let mut numbers = 41..;
    let mut refused = || known.commit(&database, numbers.next().unwrap()).err();
    // Without syncs by commits, the next is that of a segment that is left.
    let first = std::iter::repeat_with(&mut refused).take(100).find_map(|error| error).expect("a sync fails");
    assert!(is_given_up(&first), "{first}");
    for _ in 0..20 {
        assert!(is_given_up(&refused().expect("it takes nothing any more")));
    }
    assert_eq!(sum(&database), Ok(known.sum()), "reads go on");
    database.close();
    let database = open(&path, durability).unwrap();
    known.compare(&database);
    known.commit(&database, 1_000).unwrap();
}

#[test]
fn a_failed_sync_ends_all_writing_until_the_database_is_opened_again() {
    for durability in DURABILITIES.map(word) {
        let place = place();
        run(child(&format!("syncs/{durability}"), place.path(), None));
    }
}

/// A life whose calls are recorded, with marks of what was seen and acknowledged. One call fails, unless `nth` is 0: what then
/// is not there is done again.
fn live_recorded(below: &Path, durability: Durability, nth: u64) {
    if nth > 0 {
        library::fail(EIO, nth, "once", ALL);
    }
    let path = below.join("db");
    let mut there = 0;
    for count in [40, 15] {
        let mut left = count;
        while left > 0 {
            let Ok(database) = open(&path, durability) else { continue };
            // What can be read once can be read for ever.
            let Ok(found) = commits(&database) else { continue };
            there = found.len() as u64;
            assert_eq!(found, (1..=there).collect::<Vec<_>>());
            library::mark(&format!("there {there}"));
            while left > 0 {
                match commit(&database, there + 1) {
                    Ok(_) => {
                        (there, left) = (there + 1, left - 1);
                        library::mark(&format!("there {there}"));
                    }
                    Err(error) if is_given_up(&error) => break,
                    Err(_) => {}
                }
            }
            if count % 2 == 0 {
                settle(&path, || library::has_failed(ALL));
            }
        }
    }
    println!("recorded {there}");
}

/// Whether a directory that a loss of power left is what it may be; how many commits it holds.
fn check_image(path: &Path, durability: Durability, loss: Loss, there: u64) -> Option<u64> {
    let strict = durability == Durability::Fsync || matches!(loss, Loss::Behind);
    let database = match open(path, durability) {
        Err(Error::Corrupt(_)) if !strict => return None,
        opened => opened.expect("it opens"),
    };
    let found = match commits(&database) {
        Err(Error::Corrupt(_)) if !strict => return None,
        found => found.expect("it is read"),
    };
    let count = found.len() as u64;
    assert_eq!(found, (1..=count).collect::<Vec<_>>(), "some commits are there, in order, and none behind them");
    if durability == Durability::Fsync {
        assert!(count >= there, "{there} were acknowledged, {count} are there");
    }
    commit(&database, count + 1).expect("it takes commits");
    database.close();
    let database = open(path, durability).expect("it opens again");
    assert_eq!(commits(&database).expect("it is read again").len() as u64, count + 1);
    Some(count)
}

/// Loses the power at random moments of a recorded life; directories built, and how many of them could not be opened.
fn lose_power(
    journal: &Journal,
    durability: Durability,
    seeds: std::ops::Range<u64>,
    keep: &mut Vec<tempfile::TempDir>,
) -> u64 {
    let mut corrupt = 0;
    for seed in seeds {
        let mut random = fastrand::Rng::with_seed(seed);
        let loss = if random.bool() { Loss::Behind } else { Loss::Any };
        let cut = random.usize(0..=journal.len());
        let there = journal.marks("there", cut).into_iter().max().unwrap_or(0);
        let image = place();
        journal.image(cut, loss, &mut random, image.path());
        let path = image.path().join("db");
        println!("{}, seed {seed}: {loss:?} after call {cut}, {there} there", word(durability));
        if seed % 10 == 0 {
            let copy = place();
            journal.image(cut, loss, &mut fastrand::Rng::with_seed(seed), copy.path());
            keep.push(copy);
        }
        corrupt += u64::from(check_image(&path, durability, loss, there).is_none());
    }
    corrupt
}

fn record(durability: Durability, place: &Path, nth: u64) -> Journal {
    let (below, before) = (place.join("below"), place.join("before"));
    let was_there = below.is_dir();
    if was_there {
        let status = Command::new("cp").arg("-r").args([&below, &before]).status().unwrap();
        assert!(status.success());
    } else {
        fs::create_dir(&below).unwrap();
    }
    let journal = place.join("journal");
    run(child(&format!("record/{}/{nth}", word(durability)), &below, Some(&journal)));
    Journal::read(&journal, was_there.then_some(before.as_path()))
}

fn survives_losses_of_power(durability: Durability) {
    let (images, more) = if is_long_run() { (5_000, 100) } else { (400, 20) };
    let first = place();
    let journal = record(durability, first.path(), 0);
    assert!(journal.count(b'U', ".log") > 2 && journal.count(b'R', "current") > 2, "it flushes, and renames are seen");
    let mut directories = Vec::new();
    let mut corrupt = lose_power(&journal, durability, 0..images, &mut directories);
    let mut built = images;
    // And once more, in the life that follows a loss.
    for (life, directory) in directories.iter().enumerate().take(if is_long_run() { 200 } else { 15 }) {
        if durability == Durability::Buffered && open(&directory.path().join("db"), durability).is_err() {
            continue;
        }
        let second = place();
        fs::rename(directory.path(), second.path().join("below")).unwrap();
        fs::create_dir(directory.path()).unwrap();
        let journal = record(durability, second.path(), 0);
        let seeds = 100_000 * (life as u64 + 1);
        corrupt += lose_power(&journal, durability, seeds + 1..seeds + 1 + more, &mut Vec::new());
        built += more;
    }
    // And in lives in which a call fails.
    let calls = journal.len() as u64;
    for life in 0..if is_long_run() { calls } else { 40 } {
        let nth = if is_long_run() { life + 1 } else { fastrand::Rng::with_seed(life).u64(1..calls) };
        println!("call {nth} fails");
        let third = place();
        let journal = record(durability, third.path(), nth);
        let seeds = 100_000_000 + 1_000 * life;
        corrupt += lose_power(&journal, durability, seeds + 1..seeds + 1 + more, &mut Vec::new());
        built += more;
    }
    println!("{}: {built} directories, {corrupt} of them refused", word(durability));
    assert!(corrupt * 2 < built, "{corrupt} of {built} could not be opened");
}

#[test]
fn after_a_loss_of_power_all_that_was_synced_is_there() {
    survives_losses_of_power(Durability::Fsync);
}

#[test]
fn after_a_loss_of_power_what_was_buffered_is_there_up_to_a_moment_or_is_refused() {
    survives_losses_of_power(Durability::Buffered);
}

/// Fills what room there is, again and again; each time the database goes on when there is more.
fn fill_and_go_on(path: &Path, durability: Durability, mut more_room: impl FnMut()) {
    let mut known = Known::default();
    let database = open(path, durability).unwrap();
    let mut number = 0;
    for _ in 0..3 {
        let mut refused = 0;
        // Until even a flush that is tried again finds none.
        while refused < 50 {
            number += 1;
            assert!(number < 1_000_000, "the room does not end");
            refused += u32::from(known.commit(&database, number).is_err());
        }
        known.compare(&database);
        more_room();
        let mut next = number + 1;
        while known.commit(&database, next).is_err() {
            next += 1;
            std::thread::yield_now();
        }
        number = next;
        known.compare(&database);
    }
    database.close();
    let database = open(path, durability).unwrap();
    known.compare(&database);
    known.commit(&database, number + 1).unwrap();
}

fn live_in_little_room(below: &Path, durability: Durability) {
    library::room(200_000);
    fill_and_go_on(&below.join("db"), durability, || library::room(200_000));
}

#[test]
fn a_database_that_ran_out_of_room_goes_on_when_there_is_more() {
    for durability in DURABILITIES.map(word) {
        let place = place();
        run(child(&format!("room/{durability}"), place.path(), None));
    }
}

fn live_on_a_tiny_file_system(below: &Path, durability: Durability) {
    let mut ballast: Vec<PathBuf> = (0..3).map(|number| below.join(format!("ballast-{number}"))).collect();
    ballast.iter().for_each(|path| fs::write(path, vec![0; 300_000]).unwrap());
    fill_and_go_on(&below.join("db"), durability, || fs::remove_file(ballast.pop().unwrap()).unwrap());
    println!("went on");
}

/// Where the machine lets us mount one: elsewhere the test before this one says the same of failing calls, and the long run
/// asks to be told that this will do.
#[test]
fn a_database_that_filled_its_file_system_goes_on_when_there_is_space() {
    let own_mounts = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", script]);
        command
    };
    let place = place();
    let mount = "mount -t tmpfs -o size=1500k tmpfs \"$0\"";
    if !own_mounts(mount).arg(place.path()).output().is_ok_and(|output| output.status.success()) {
        let waived = std::env::var_os("FDYNO_WITHOUT_MOUNTS").is_some();
        assert!(waived || !is_long_run(), "no file system can be mounted here: FDYNO_WITHOUT_MOUNTS=1 does without");
        println!("no file system can be mounted here");
        return;
    }
    for durability in DURABILITIES.map(word) {
        let role = format!("tiny/{durability}");
        let mut command = own_mounts(&format!("{mount} && exec \"$@\""));
        command.arg(place.path()).arg(std::env::current_exe().unwrap()).args([
            "--exact",
            "child_of_these_tests",
            "--nocapture",
        ]);
        command.env(ROLE, role).env(BELOW, place.path());
        assert!(run(command).iter().any(|line| line == "went on"));
    }
}
