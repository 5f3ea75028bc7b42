//! What only the faults engine does, and that the retry loop stands it: nothing is lost and nothing done twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use super::*;
use crate::kv::faults::{Kind, Plan};

const USUAL_SEEDS: u64 = 60;

fn with(plan: Plan) -> Database {
    Database::faults(clock(), plan)
}

fn always(kind: Kind) -> Database {
    with(Plan::none().with(kind, 1.0))
}

fn pause(database: &Database) {
    database.injected_faults().unwrap().pause();
}

/// No more faults, and nothing left that could still land.
fn settle(database: &Database) {
    pause(database);
    database.injected_faults().unwrap().flush();
}

fn fired(database: &Database, kind: Kind) -> u64 {
    let fired: BTreeMap<&str, u64> = database.injected_faults().unwrap().fired().into_iter().collect();
    fired[kind.name()]
}

fn write(database: &Database, key: &[u8]) -> Result<Option<Versionstamp>> {
    let transaction = database.begin();
    transaction.set(key, b"v".as_slice()).unwrap();
    wait(transaction.commit())
}

/// One attempt's worth of `run`: adds one to the counter, and a stamped entry beside it.
pub(super) async fn count(transaction: Transaction) -> Result<i64> {
    let count = number(transaction.get(b"count", Isolation::Serializable).await?) + 1;
    transaction.set(b"count", count.to_le_bytes().as_slice())?;
    transaction.set_versionstamped_key(b"log/##########".to_vec(), 4, count.to_le_bytes().as_slice())?;
    Ok(count)
}

#[test]
fn each_fault_says_what_was_done() {
    for (kind, error, committed) in [
        (Kind::Conflict, Error::Conflict, false),
        (Kind::UnknownDid, Error::MaybeCommitted, true),
        (Kind::UnknownDidNot, Error::MaybeCommitted, false),
        (Kind::LaterDid, Error::MaybeCommitsLater, true),
        (Kind::LaterNever, Error::MaybeCommitsLater, false),
        (Kind::CommitFailed, Error::Io("injected: commit failed".to_owned()), false),
    ] {
        let database = always(kind);
        assert_eq!(write(&database, b"a"), Err(error), "{kind:?}");
        settle(&database);
        assert_eq!(stored(&database, "a").is_some(), committed, "{kind:?}");
        assert_eq!(fired(&database, kind), 1);
    }
    for (kind, error) in
        [(Kind::TooOld, Error::TooOld), (Kind::ReadFailed, Error::Io("injected: read failed".to_owned()))]
    {
        let transaction = always(kind).begin();
        assert_eq!(wait(transaction.get(b"a", Isolation::Snapshot)), Err(error.clone()));
        assert_eq!(wait(transaction.range(&RangeRead::prefix(b"a"))), Err(error));
    }
}

#[test]
fn a_held_commit_lands_during_a_later_operation() {
    let database = always(Kind::LaterLands);
    assert_eq!(write(&database, b"a"), Err(Error::MaybeCommitsLater));
    pause(&database);
    assert_eq!(stored(&database, "a"), None, "held back");
    database.injected_faults().unwrap().resume();
    while fired(&database, Kind::LaterLands) == 0 {
        database.begin();
    }
    assert_eq!(stored(&database, "a").as_deref(), Some("v"));
}

#[test]
fn a_held_commit_is_refused_if_what_it_read_was_written_meanwhile() {
    let database = always(Kind::LaterLands);
    let transaction = database.begin();
    wait(transaction.get(b"a", Isolation::Serializable)).unwrap();
    transaction.set(b"b", b"late".as_slice()).unwrap();
    assert_eq!(wait(transaction.commit()), Err(Error::MaybeCommitsLater));
    assert_eq!(wait(transaction.commit()), Err(Error::UsedAfterCommit));
    pause(&database);
    put(&database, "a", "");
    database.injected_faults().unwrap().flush();
    assert_eq!(stored(&database, "b"), None);
    assert_eq!((fired(&database, Kind::LateRefused), fired(&database, Kind::LaterLands)), (1, 0));
}

#[test]
fn read_only_commits_never_fail() {
    let transaction = always(Kind::UnknownDidNot).begin();
    assert_eq!(get(&transaction, "a"), None);
    assert_eq!(wait(transaction.commit()), Ok(None));
}

#[test]
fn an_attempt_that_did_commit_gives_its_own_answer_and_stamp() {
    for kind in [Kind::UnknownDid, Kind::LaterDid] {
        // Only the first commit has a fault: the fence runs without.
        let database = always(kind);
        let runs = AtomicU32::new(0);
        let (answer, stamp) = wait(database.run_stamped(
            || b"id".to_vec(),
            |transaction| {
                runs.fetch_add(1, Ordering::Relaxed);
                count(transaction)
            },
        ))
        .unwrap();
        assert_eq!((answer, runs.load(Ordering::Relaxed)), (1, 1));
        settle(&database);
        let page = range(&database.begin(), &RangeRead::prefix(b"log/"));
        assert_eq!(page.pairs[0].key[4..], *stamp.unwrap().as_bytes());
    }
}

#[test]
fn an_outage_after_an_unknown_outcome_leaves_it_unknown() {
    for (kind, committed) in [(Kind::UnknownDid, true), (Kind::UnknownDidNot, false), (Kind::LaterLands, true)] {
        // As many reads fail as a fence endures, and one more; then storage is there again, and the commit or its absence stays.
        let database = with(Plan::none().with(kind, 1.0).with_outages(1.0, 51));
        let outcome =
            wait(database.run(|| b"id".to_vec(), |transaction| async move { transaction.set(b"a", b"v".as_slice()) }));
        assert_eq!(outcome, Err(Error::MaybeCommitted), "{kind:?}");
        assert_eq!(fired(&database, Kind::ReadFailed), 51);
        settle(&database);
        assert_eq!(stored(&database, "a").is_some(), committed, "{kind:?}");
    }
}

/// Attempts whose ids may have been removed: nobody can tell whether they committed, so their bodies do not run again.
#[test]
fn an_attempt_whose_id_may_have_been_removed_stays_unknown() {
    struct Ids(AtomicU32);
    impl crate::kv::CommitIds for Ids {
        fn fresh(&self) -> Vec<u8> {
            format!("id/5-{:06}", self.0.fetch_add(1, Ordering::Relaxed)).into_bytes()
        }
        fn removed(&self) -> Option<Vec<u8>> {
            Some(b"removed".to_vec())
        }
    }
    for (end, may_be_removed) in [("id/5", false), ("id/50", true), ("id/6", true)] {
        let (mut unknown, mut again) = (0, 0);
        for seed in seeds(USUAL_SEEDS) {
            let plan = [Kind::UnknownDid, Kind::UnknownDidNot, Kind::LaterNever, Kind::LaterLands]
                .into_iter()
                .fold(Plan::none().with_seed(seed), |plan, kind| plan.with(kind, 0.1));
            let database = with(plan);
            pause(&database);
            put(&database, "removed", end);
            database.injected_faults().unwrap().resume();
            let runs = AtomicU32::new(0);
            let outcome = wait(database.run(Ids(AtomicU32::new(0)), |transaction| {
                runs.fetch_add(1, Ordering::Relaxed);
                async move { transaction.add(b"count", 1) }
            }));
            settle(&database);
            let (runs, count) = (runs.into_inner(), stored_number(&database, b"count"));
            again += u32::from(runs > 1);
            match outcome {
                Ok(()) => assert_eq!(count, 1, "seed {seed}"),
                Err(error) => {
                    assert_eq!((error, may_be_removed), (Error::MaybeCommitted, true), "seed {seed}");
                    assert!(count <= 1, "seed {seed}: done {count} times");
                    unknown += 1;
                }
            }
        }
        assert_eq!(
            (unknown > 0, again > 0),
            (may_be_removed, !may_be_removed),
            "{end}: {unknown} unknown, {again} again"
        );
    }
}

/// The fence must win against an attempt that is still under way, whichever of them comes first.
#[test]
fn a_late_attempt_never_lands_after_its_fence() {
    let (mut landed, mut refused) = (0, 0);
    for seed in seeds(USUAL_SEEDS) {
        let database = with(Plan::none().with_seed(seed).with(Kind::LaterLands, 0.4));
        for round in 1..=10 {
            let answer = wait(database.run(fresh_id(&database), count)).unwrap();
            assert_eq!(answer, round, "seed {seed}");
        }
        settle(&database);
        assert_eq!(stored_number(&database, b"count"), 10, "seed {seed}");
        landed += fired(&database, Kind::LaterLands);
        refused += fired(&database, Kind::LateRefused);
    }
    assert!(landed > 0 && refused > 0, "{landed} landed, {refused} refused: one side was never tested");
}

/// Blind writes conflict with nothing: only the commit id keeps a late one from landing over newer data.
#[test]
fn a_late_blind_write_never_lands_over_what_came_after_its_fence() {
    for seed in seeds(USUAL_SEEDS) {
        let database = with(Plan::none().with_seed(seed).with(Kind::LaterLands, 0.5));
        let attempts = &AtomicI64::new(0);
        for _ in 0..10 {
            let done = wait(database.run(fresh_id(&database), |transaction| async move {
                let attempt = attempts.fetch_add(1, Ordering::Relaxed);
                transaction.set(b"a", attempt.to_le_bytes().as_slice())?;
                Ok::<_, Error>(attempt)
            }))
            .unwrap();
            // Each look lets some of those that are held back land.
            for _ in 0..5 {
                assert_eq!(stored_number(&database, b"a"), done, "seed {seed}");
            }
        }
        settle(&database);
        assert_eq!(stored_number(&database, b"a"), attempts.load(Ordering::Relaxed) - 1, "seed {seed}");
    }
}

#[test]
fn every_kind_of_fault_fires_and_the_retry_loop_loses_and_doubles_nothing() {
    let mut total: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds(USUAL_SEEDS) {
        let database = with(Plan::seeded(seed));
        let mut done = Vec::new();
        for _ in 0..60 {
            match wait(database.run(fresh_id(&database), count)) {
                Ok(count) => done.push(count),
                // Known not to have been committed.
                Err(Error::Io(_)) => {}
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
        settle(&database);
        let answers: Vec<i64> = (1..).take(done.len()).collect();
        assert_eq!(done, answers, "seed {seed}");
        let log = range(&database.begin(), &RangeRead::prefix(b"log/"));
        let logged: Vec<i64> = log.pairs.iter().map(|pair| number(Some(pair.value.clone()))).collect();
        assert_eq!(logged, answers, "seed {seed}");
        for (kind, count) in database.injected_faults().unwrap().fired() {
            *total.entry(kind).or_default() += count;
        }
    }
    assert!(Kind::ALL.iter().all(|kind| total[kind.name()] > 0), "{total:?}");
}

#[test]
fn threads_under_faults_transfer_without_losing_or_doubling() {
    for seed in 0..12 {
        let database = Database::faults(Clock::system(), Plan::seeded(seed));
        let moved: [AtomicU64; 3] = Default::default();
        std::thread::scope(|scope| {
            for thread in 0..3_u8 {
                let (database, moved) = (&database, &moved);
                scope.spawn(move || {
                    for _ in 0..40 {
                        let outcome = wait(database.run(fresh_id(database), |transaction| async move {
                            let bank = number(transaction.get(b"bank", Isolation::Serializable).await?);
                            transaction.set(b"bank", (bank - 1).to_le_bytes().as_slice())?;
                            transaction.add(&[b'@', thread], 1)
                        }));
                        match outcome {
                            Ok(()) => drop(moved[usize::from(thread)].fetch_add(1, Ordering::Relaxed)),
                            Err(Error::Io(_)) => {}
                            Err(error) => panic!("seed {seed}: {error}"),
                        }
                    }
                });
            }
        });
        settle(&database);
        let accounts: Vec<u64> =
            (0..3).map(|thread| stored_number(&database, &[b'@', thread]).try_into().unwrap()).collect();
        let expected = moved.map(AtomicU64::into_inner);
        assert_eq!(accounts, expected, "seed {seed}");
        assert_eq!(-stored_number(&database, b"bank"), expected.iter().sum::<u64>().cast_signed(), "seed {seed}");
    }
}

#[test]
fn an_outcome_that_nobody_tells_is_asked_for_a_minute_long() {
    for kind in [Kind::UnknownDidNot, Kind::LaterNever] {
        let database = with(Plan::none().with(kind, 1.0).with_slow_faults(25_000));
        assert_eq!(wait(database.run(fresh_id(&database), count)), Err(Error::MaybeCommitted));
        // The attempt, and a fence at its start, after 25 and after 50 seconds.
        assert_eq!(fired(&database, kind), 4, "{kind:?}");
    }
}

#[test]
fn attempts_that_are_known_to_have_failed_go_on_for_a_minute() {
    let database = with(Plan::none().with(Kind::Conflict, 1.0).with_slow_faults(25_000));
    let expected = Error::RetryLimit { attempts: 3, last: Box::new(Error::Conflict) };
    assert!(expected.is_contention());
    assert_eq!(wait(database.run(fresh_id(&database), count)), Err(expected));
    assert_eq!(fired(&database, Kind::Conflict), 3);
}

#[test]
fn equal_seeds_give_equal_faults() {
    let run = |seed| {
        let database = with(Plan::seeded(seed));
        for _ in 0..100 {
            let _ = wait(database.run(fresh_id(&database), count));
        }
        (database.injected_faults().unwrap().fired(), database.work())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).0, run(6).0);
}

#[test]
fn a_commit_that_turns_out_to_have_been_made_is_followed_by_what_was_to_follow_it() {
    for kind in [Kind::UnknownDid, Kind::UnknownDidNot, Kind::LaterDid, Kind::LaterNever] {
        for seed in seeds(20) {
            let database = Database::faults(clock(), Plan::none().with(kind, 0.5).with_seed(seed));
            let called = Arc::new(AtomicU64::new(0));
            for round in 1..=20_u64 {
                let body = |transaction: Transaction| {
                    let called = Arc::clone(&called);
                    async move {
                        transaction.after_commit(move || {
                            called.fetch_add(1, Ordering::SeqCst);
                        });
                        transaction.add(b"n", 1)
                    }
                };
                wait(database.run(fresh_id(&database), body)).unwrap();
                assert_eq!(called.load(Ordering::SeqCst), round, "{kind:?}, seed {seed}");
                assert!(database.work().commits >= round, "{kind:?}, seed {seed}: a commit was not counted");
            }
            settle(&database);
            assert_eq!(stored_number(&database, b"n"), 20, "{kind:?}, seed {seed}");
        }
    }
}
