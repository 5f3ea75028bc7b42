//! What only a cluster does, on the double of its client library: what the client's codes become, that the retry loop
//! stands them, that commits overlap, and that every handle is given back.

use std::collections::BTreeMap;
use std::time::Duration;

use super::faults::count;
use super::*;
use crate::kv::foundationdb::{ClusterError, Options};

/// Every fault of a commit after which nobody knows what was done, and some after which everybody does.
const FAULTS: &str = "1007=0.03 1009=0.03 1020=0.03 1037=0.03 1213=0.03 1021did=0.05 1021not=0.05 1031did=0.05 \
                      1031not=0.05 1031later=0.05 1039did=0.05 1039not=0.05 1039later=0.05 read1007=0.02 \
                      read1009=0.02 read1037=0.02 read1039=0.02";

fn open(cluster: &ClusterFile) -> Database {
    Database::foundationdb(&options(cluster), clock()).unwrap()
}

/// Has the cluster behave so from now on. It may be that it does not answer any more.
fn behave(cluster: &ClusterFile, settings: &str) {
    cluster.write(settings);
    drop(Database::foundationdb(&hasty(cluster), clock()));
}

/// What was counted so far; the cluster behaves well from now on, and what it held back lands.
fn counters(cluster: &ClusterFile) -> BTreeMap<String, u64> {
    behave(cluster, "seed=1");
    cluster.counters()
}

fn hasty(cluster: &ClusterFile) -> Options {
    let timeout = Duration::from_millis(30);
    Options { open_timeout: timeout, transaction_timeout: timeout, ..options(cluster) }
}

fn refusal(options: &Options) -> ClusterError {
    match Database::foundationdb(options, clock()) {
        Err(Error::Cluster(error)) => error,
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn a_cluster_is_shared_cannot_be_forked_and_its_versions_tell_no_time() {
    let database = on_a_cluster(clock());
    assert!(matches!(database.fork(clock()), Err(Error::Unsupported(_))));
    assert!(database.is_shared() && !database.versions_tell_time() && database.outcome_may_be_unknown());
    assert_eq!(database.engine(), "foundationdb");
}

#[test]
fn each_code_of_a_commit_says_what_was_done() {
    let busy = |code| (Error::Busy(code), true);
    let unknown = (Error::MaybeCommitted, true);
    let later = (Error::MaybeCommitsLater, true);
    for (setting, (expected, retryable), committed) in [
        ("1007", (Error::TooOld, true), false),
        ("1009", (Error::FutureVersion, true), false),
        ("1020", (Error::Conflict, true), false),
        ("1021did", unknown.clone(), true),
        ("1021not", unknown, false),
        ("1031did", later.clone(), true),
        ("1031not", later.clone(), false),
        ("1031later", later.clone(), true),
        ("1039did", later.clone(), true),
        ("1039not", later.clone(), false),
        ("1039later", later, true),
        ("1037", busy(1037), false),
        ("1042", busy(1042), false),
        ("1051", busy(1051), false),
        ("1078", busy(1078), false),
        ("1213", busy(1213), false),
        ("1223", busy(1223), false),
        ("1025", (Error::UsedAfterCommit, false), false),
        ("1036", (Error::AccessedUnreadable, false), false),
        (
            "1038",
            (Error::Io("the FoundationDB database is locked (1038); unlock it by fdbcli".to_owned()), false),
            false,
        ),
        ("1101", (Error::UsedAfterCommit, false), false),
        ("2004", (Error::KeyOutsideLegalRange, false), false),
        ("2005", (Error::InvertedRange, false), false),
        ("2017", (Error::UsedAfterCommit, false), false),
        ("2101", (Error::TransactionTooLarge, false), false),
        ("2102", (Error::KeyTooLarge(10_001), false), false),
        ("2103", (Error::ValueTooLarge(100_001), false), false),
        ("4100", (Error::Io("FoundationDB: An error of the double (4100)".to_owned()), false), false),
    ] {
        let cluster = ClusterFile::new("seed=1");
        let database = open(&cluster);
        behave(&cluster, &format!("seed=1 {setting}=1"));
        let transaction = database.begin();
        transaction.set(b"a", b"v".as_slice()).unwrap();
        let error = wait(transaction.commit()).unwrap_err();
        assert_eq!((&error, error.is_retryable()), (&expected, retryable), "{setting}");
        assert_eq!(error.is_maybe_committed(), setting.len() > 4, "{setting}: all others say what was done");
        assert_eq!(counters(&cluster)[setting], 1);
        assert_eq!(stored(&database, "a").is_some(), committed, "{setting}");
    }
}

#[test]
fn each_code_of_a_read_says_whether_to_try_again() {
    let cluster = ClusterFile::new("seed=1");
    let database = open(&cluster);
    let unreachable =
        ClusterError::Unreachable { file: cluster.path(), waited: Options::default().transaction_timeout };
    for (code, expected, retryable) in [
        (1007, Error::TooOld, true),
        (1009, Error::FutureVersion, true),
        (1031, Error::Cluster(unreachable), false),
        (1036, Error::AccessedUnreadable, false),
        (1037, Error::Busy(1037), true),
        // Nothing is under way that could still be done.
        (1039, Error::Busy(1039), true),
        (1213, Error::Busy(1213), true),
        (2004, Error::KeyOutsideLegalRange, false),
        (4100, Error::Io("FoundationDB: An error of the double (4100)".to_owned()), false),
    ] {
        behave(&cluster, &format!("seed=1 read{code}=1"));
        let transaction = database.begin();
        assert_eq!(wait(transaction.get(b"a", Isolation::Snapshot)), Err(expected.clone()));
        assert_eq!(wait(transaction.range(&RangeRead::prefix(b"a"))), Err(expected.clone()));
        assert_eq!(wait(transaction.read_version()), Err(expected.clone()));
        assert_eq!(expected.is_retryable(), retryable, "{code}");
        assert!(!expected.is_maybe_committed());
    }
}

#[test]
fn a_cluster_that_does_not_answer_is_waited_for_within_bounds() {
    let cluster = ClusterFile::new("seed=1");
    let Options { transaction_timeout: waited, .. } = hasty(&cluster);
    let patient = open(&cluster);
    let database =
        Database::foundationdb(&Options { transaction_timeout: waited, ..options(&cluster) }, clock()).unwrap();
    behave(&cluster, "seed=1 unreachable=1");
    let unreachable = ClusterError::Unreachable { file: cluster.path(), waited };
    assert_eq!(refusal(&hasty(&cluster)), unreachable, "while it is opened");
    let transaction = database.begin();
    assert_eq!(wait(transaction.get(b"a", Isolation::Snapshot)), Err(unreachable.clone().into()));
    let transaction = database.begin();
    transaction.set(b"a", b"v".as_slice()).unwrap();
    assert_eq!(wait(transaction.commit()), Err(Error::MaybeCommitsLater), "it may have come through");
    // The loop asks what became of it, hears nothing either, and says so.
    let outcome = wait(database.run(fresh_id(&database), |transaction| async move {
        transaction.get(b"a", Isolation::Serializable).await?;
        transaction.set(b"a", b"v".as_slice())
    }));
    assert_eq!(outcome, Err(unreachable.into()));
    counters(&cluster);
    assert_eq!(stored(&patient, "a").as_deref(), Some("v"), "and did");
    put(&patient, "a", "the cluster is there again");
}

#[test]
fn a_cluster_that_asks_for_patience_has_been_reached_and_another_error_is_told() {
    for code in [1007, 1009, 1037, 1038, 1039, 1213] {
        let cluster = ClusterFile::new(&format!("seed=1 read{code}=1"));
        assert_eq!(open(&cluster).engine(), "foundationdb", "{code}");
    }
    let cluster = ClusterFile::new("seed=1 read4100=1");
    let error = refusal(&options(&cluster));
    assert!(matches!(error, ClusterError::Client { code: 4100, .. }), "{error}");
}

#[test]
fn a_process_has_one_client_library() {
    let cluster = ClusterFile::new("seed=1");
    let database = open(&cluster);
    let error = refusal(&Options { library: Some("/nowhere/libfdb_c.so".into()), ..options(&cluster) });
    let asked = std::path::Path::new("/nowhere/libfdb_c.so");
    assert!(matches!(&error, ClusterError::AnotherLibrary { asked: named, .. } if named == asked), "{error}");
    put(&database, "a", "the first goes on");
    let unnamed = Options { library: None, ..options(&cluster) };
    let database = Database::foundationdb(&unnamed, clock()).unwrap();
    assert!(stored(&database, "a").is_some());
}

#[test]
fn handles_on_one_cluster_file_share_data_and_others_do_not() {
    let cluster = ClusterFile::new("seed=1");
    let (one, two, other) = (open(&cluster), open(&cluster), on_a_cluster(clock()));
    put(&one, "a", "one");
    assert_eq!((stored(&two, "a").as_deref(), stored(&other, "a")), (Some("one"), None));
    let (first, second) = (one.begin(), two.begin());
    for transaction in [&first, &second] {
        get(transaction, "a");
        transaction.set(b"a", b"two".as_slice()).unwrap();
    }
    wait(second.commit()).unwrap();
    assert_eq!(wait(first.commit()), Err(Error::Conflict));
    drop((one, first));
    assert_eq!(stored(&two, "a").as_deref(), Some("two"));
}

/// As when a network is cut: nobody knows whether what was under way was done.
#[test]
fn a_served_cluster_that_goes_away_does_not_answer_any_more_and_its_server_ends_with_its_parent() {
    let (mut server, port) = served::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fdb.cluster");
    std::fs::write(&file, served::text("alone", port, "seed=1")).unwrap();
    let database = Database::foundationdb(&options_of(file.clone()), clock()).unwrap();
    put(&database, "a", "v");
    let (reader, writer) = (database.begin(), database.begin());
    assert_eq!(get(&reader, "a").as_deref(), Some("v"));
    writer.set(b"a", b"w".as_slice()).unwrap();
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
    let waited = Options::default().transaction_timeout;
    let unreachable = ClusterError::Unreachable { file: file.clone(), waited };
    assert_eq!(wait(reader.get(b"a", Isolation::Snapshot)), Err(unreachable.into()));
    assert_eq!(wait(writer.commit()), Err(Error::MaybeCommitsLater));
    let error = refusal(&options_of(file));
    assert!(matches!(error, ClusterError::Unreachable { .. }), "{error}");
}

/// Far more than the client gives at once, whatever it is asked for.
#[test]
fn a_range_of_many_pages_is_whole_and_conflicts_as_far_as_it_was_read() {
    let database = on_a_cluster(clock());
    for number in 0..40_u8 {
        let transaction = database.begin();
        transaction.set(&[b'@', number], vec![number; 90_000]).unwrap();
        wait(transaction.commit()).unwrap();
    }
    let first_bytes = |page: &Page| page.pairs.iter().map(|pair| pair.key[1]).collect::<Vec<u8>>();
    let all = RangeRead::prefix(b"@");
    for (read, expected, more, inside, outside) in [
        (all.clone(), Vec::from_iter(0..40), false, 39, 250),
        (all.clone().reversed(), (0..40).rev().collect(), false, 0, 250),
        (all.clone().limited(30), (0..30).collect(), true, 29, 30),
        (all.clone().limited(30).reversed(), (10..40).rev().collect(), true, 10, 9),
        (all.clone().byte_limited(2_000_000), (0..23).collect(), true, 22, 23),
        (all.clone().byte_limited(2_000_000).reversed(), (17..40).rev().collect(), true, 17, 16),
        (all.limited(50), (0..40).collect(), false, 200, 250),
    ] {
        for (written, refused) in [(outside, false), (inside, true)] {
            let transaction = database.begin();
            let page = range(&transaction, &read);
            assert_eq!((first_bytes(&page), page.more), (expected.clone(), more), "{read:?}");
            assert!(page.pairs.iter().all(|pair| *pair.value == *vec![pair.key[1]; 90_000]), "{read:?}");
            let other = database.begin();
            // The last one lies beyond the range, as far as the first byte goes.
            let key = if written == 250 { vec![b'A'] } else { vec![b'@', written] };
            other.set(&key, vec![written; 90_000]).unwrap();
            wait(other.commit()).unwrap();
            transaction.set(b"~", b"".as_slice()).unwrap();
            assert_eq!(wait(transaction.commit()).is_err(), refused, "{read:?} and a write of {written}");
            if written == 200 {
                let transaction = database.begin();
                transaction.clear(&key).unwrap();
                wait(transaction.commit()).unwrap();
            }
        }
    }
}

#[test]
fn a_fence_that_hears_nothing_leaves_the_outcome_unknown() {
    let mut unknown = 0;
    for seed in seeds(16) {
        let cluster = ClusterFile::new("seed=1");
        let database = open(&cluster);
        behave(&cluster, &format!("seed={seed} 1031did=0.5 1031not=0.5 read1031=0.3"));
        let outcome = wait(database.run(fresh_id(&database), |transaction| async move { transaction.add(b"n", 1) }));
        counters(&cluster);
        let done = stored_number(&database, b"n");
        match outcome {
            // The fence found out, maybe after more attempts.
            Ok(()) => assert_eq!(done, 1, "seed {seed}"),
            Err(Error::MaybeCommitted) => unknown += 1,
            Err(error) => {
                assert!(matches!(error, Error::Cluster(ClusterError::Unreachable { .. })), "seed {seed}: {error}");
                assert_eq!(done, 0, "seed {seed}: it says that nothing was done");
            }
        }
        assert!(done <= 1, "seed {seed}");
    }
    assert!(unknown > 0);
}

/// None of the commits is answered before all are under way, so each that waited for another would wait in vain.
#[test]
fn commits_of_one_thread_are_under_way_together() {
    let cluster = ClusterFile::new("seed=1 latency_ms=1 gather=64");
    let database = open(&cluster);
    let puts = (0..64_u8).map(|key| {
        database.run(fresh_id(&database), move |transaction| async move {
            transaction.get(&[b'@', key], Isolation::Serializable).await?;
            transaction.set(&[b'@', key], b"v".as_slice())
        })
    });
    wait(futures_util::future::try_join_all(puts)).unwrap();
    assert_eq!(counters(&cluster)["most_in_flight"], 64);
    assert_eq!(range(&database.begin(), &RangeRead::prefix(b"@")).pairs.len(), 64);
}

#[test]
fn commits_of_many_threads_are_under_way_together() {
    let cluster = ClusterFile::new("seed=1 latency_ms=1 gather=8");
    let database = open(&cluster);
    thread::scope(|scope| {
        for key in 'a'..='h' {
            let database = &database;
            scope.spawn(move || put(database, &key.to_string(), "v"));
        }
    });
    assert_eq!(counters(&cluster)["most_in_flight"], 8);
    assert_eq!(range(&database.begin(), &RangeRead::new(b"a", b"z")).pairs.len(), 8);
}

#[test]
fn every_handle_is_given_back_whatever_becomes_of_it() {
    let cluster = ClusterFile::new("seed=1");
    let database = open(&cluster);
    let transaction = database.begin();
    put(&database, "a", "v");
    get(&transaction, "a");
    range(&transaction, &RangeRead::new(b"a", b"z"));
    let out = |cluster: &ClusterFile| {
        let counters = counters(cluster);
        ["databases", "transactions", "futures"].map(|kind| counters[kind])
    };
    assert_eq!(out(&cluster), [1, 1, 0]);
    // A wait that is given up, before its answer and after it was asked for again; and a commit nobody waits for.
    behave(&cluster, "seed=1 unreachable=1");
    let abandoned = database.begin();
    let poll = |future: std::pin::Pin<&mut dyn Future<Output = ()>>| {
        assert_eq!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
    };
    poll(pin!(async { drop(abandoned.get(b"a", Isolation::Serializable).await) }));
    poll(pin!(async { drop(abandoned.range(&RangeRead::new(b"a", b"z")).await) }));
    abandoned.set(b"b", b"v".as_slice()).unwrap();
    poll(pin!(async { drop(abandoned.commit().await) }));
    poll(pin!(async { drop(database.run(Vec::new, count).await) }));
    drop((abandoned, transaction));
    assert_eq!(out(&cluster), [1, 0, 0]);
    // Commits that fail, and the waiting between them.
    behave(&cluster, "seed=1 1020=0.5 read1007=0.2");
    for _ in 0..20 {
        wait(database.run(fresh_id(&database), count)).unwrap();
    }
    assert_eq!(out(&cluster), [1, 0, 0]);
    drop(database);
    assert_eq!(out(&cluster), [0, 0, 0]);
}

#[test]
fn an_attempt_that_did_commit_gives_its_own_answer_and_stamp() {
    for did in ["1021did", "1031did", "1039did"] {
        let cluster = ClusterFile::new(&format!("seed=1 {did}=1"));
        let database = open(&cluster);
        let (answer, stamp) = wait(database.run_stamped(|| b"id".to_vec(), count)).unwrap();
        assert_eq!(answer, 1);
        let page = range(&database.begin(), &RangeRead::prefix(b"log/"));
        assert_eq!(page.pairs[0].key[4..], *stamp.unwrap().as_bytes());
        assert_eq!(counters(&cluster)[did], 1, "its own commit was the only one");
    }
}

#[test]
fn under_every_code_the_retry_loop_loses_and_doubles_nothing() {
    let mut total: BTreeMap<String, u64> = BTreeMap::new();
    for seed in seeds(16) {
        let cluster = ClusterFile::new(&format!("seed={seed} {FAULTS}"));
        let database = open(&cluster);
        let answers: Vec<i64> = (0..40).map(|_| wait(database.run(fresh_id(&database), count)).unwrap()).collect();
        for (name, times) in counters(&cluster) {
            *total.entry(name).or_default() += times;
        }
        assert_eq!(answers, Vec::from_iter(1..=40), "seed {seed}");
        let log = range(&database.begin(), &RangeRead::prefix(b"log/"));
        let logged: Vec<i64> = log.pairs.iter().map(|pair| number(Some(pair.value.clone()))).collect();
        assert_eq!(logged, answers, "seed {seed}");
        assert_eq!(stored_number(&database, b"count"), 40, "seed {seed}");
    }
    let silent: Vec<&str> = FAULTS
        .split_whitespace()
        .filter_map(|fault| fault.split_once('='))
        .map(|(name, _)| name)
        .chain(["landed", "refused"])
        .filter(|name| !total.contains_key(*name))
        .collect();
    assert!(silent.is_empty(), "never happened: {silent:?} of {total:?}");
}

/// Blind writes conflict with nothing: only the commit id keeps a late one from landing over newer data.
#[test]
fn a_late_blind_write_never_lands_over_what_came_after_its_fence() {
    for seed in seeds(16) {
        let cluster = ClusterFile::new(&format!("seed={seed} 1031later=0.3 1039later=0.2"));
        let database = open(&cluster);
        for round in 0..10_i64 {
            wait(database.run(fresh_id(&database), |transaction| async move {
                transaction.set(b"a", round.to_le_bytes().as_slice())
            }))
            .unwrap();
        }
        counters(&cluster);
        assert_eq!(stored_number(&database, b"a"), 9, "seed {seed}");
    }
}

#[test]
fn threads_under_every_code_transfer_without_losing_or_doubling() {
    for seed in seeds(12) {
        let cluster = ClusterFile::new(&format!("seed={seed} {FAULTS}"));
        let database = open(&cluster);
        thread::scope(|scope| {
            for thread in 0..3_u8 {
                let database = &database;
                scope.spawn(move || {
                    for _ in 0..20 {
                        wait(database.run(fresh_id(database), |transaction| async move {
                            let bank = number(transaction.get(b"bank", Isolation::Serializable).await?);
                            transaction.set(b"bank", (bank - 1).to_le_bytes().as_slice())?;
                            transaction.add(&[b'@', thread], 1)
                        }))
                        .unwrap();
                    }
                });
            }
        });
        counters(&cluster);
        let accounts = [0, 1, 2].map(|thread| stored_number(&database, &[b'@', thread]));
        assert_eq!((accounts, stored_number(&database, b"bank")), ([20; 3], -60), "seed {seed}");
    }
}
