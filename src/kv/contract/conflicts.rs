//! Rules of conflicts: what is refused, what is not, and the retry loop above them.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::*;

fn all() -> RangeRead {
    RangeRead::new(b"a", b"z")
}

/// Commits `transaction` after it also wrote something, so that its reads matter.
fn commit_as_writer(transaction: &Transaction) -> Result<Option<Versionstamp>> {
    transaction.set(b"~", b"".as_slice())?;
    wait(transaction.commit())
}

/// Whether a transaction that ran `reads` is refused after another one made `writes`.
fn conflicts(database: &Database, reads: impl Fn(&Transaction), writes: impl Fn(&Transaction)) -> bool {
    let transaction = database.begin();
    wait(transaction.read_version()).unwrap();
    reads(&transaction);
    let other = database.begin();
    writes(&other);
    wait(other.commit()).unwrap();
    match commit_as_writer(&transaction) {
        Ok(_) => false,
        Err(Error::Conflict) => true,
        Err(error) => panic!("{error}"),
    }
}

fn sets(key: &str) -> impl Fn(&Transaction) {
    move |transaction| transaction.set(key.as_bytes(), b"other".as_slice()).unwrap()
}

pub(super) fn of_two_updates_of_one_value_only_one_commits(make: Make) {
    let database = make(clock());
    put(&database, "a", "0");
    let (one, two) = (database.begin(), database.begin());
    for transaction in [&one, &two] {
        let count: u32 = get(transaction, "a").unwrap().parse().unwrap();
        transaction.set(b"a", (count + 1).to_string().as_bytes()).unwrap();
    }
    assert!(wait(two.commit()).is_ok());
    assert_eq!(wait(one.commit()), Err(Error::Conflict));
    assert_eq!(stored(&database, "a").as_deref(), Some("1"));
}

pub(super) fn write_skew_is_refused(make: Make) {
    let database = make(clock());
    fill(&database, "ab");
    let (one, two) = (database.begin(), database.begin());
    for transaction in [&one, &two] {
        assert!(get(transaction, "a").is_some() && get(transaction, "b").is_some());
    }
    one.clear(b"a").unwrap();
    two.clear(b"b").unwrap();
    assert!(wait(one.commit()).is_ok());
    assert_eq!(wait(two.commit()), Err(Error::Conflict));
}

pub(super) fn a_phantom_in_a_read_range_is_refused(make: Make) {
    let database = make(clock());
    fill(&database, "bd");
    assert!(conflicts(&database, |transaction| drop(range(transaction, &all())), sets("c")));
    assert!(!conflicts(&database, |transaction| drop(range(transaction, &RangeRead::new(b"b", b"d"))), sets("d")));
    assert!(conflicts(&database, |transaction| drop(range(transaction, &RangeRead::new(b"b", b"d"))), sets("b")));
}

pub(super) fn a_key_removed_from_a_read_range_is_refused(make: Make) {
    let database = make(clock());
    fill(&database, "bd");
    assert!(conflicts(&database, |transaction| drop(range(transaction, &all())), |other| other.clear(b"d").unwrap()));
}

pub(super) fn a_key_read_as_absent_and_then_written_is_refused(make: Make) {
    let database = make(clock());
    assert!(conflicts(&database, |transaction| drop(get(transaction, "a")), sets("a")));
    assert!(!conflicts(&database, |transaction| drop(get(transaction, "b")), sets("b\0")));
}

pub(super) fn a_limited_forward_read_conflicts_as_far_as_it_read(make: Make) {
    let database = make(clock());
    fill(&database, "bdfh");
    for limited in [all().limited(2), all().byte_limited(3)] {
        let reads = |transaction: &Transaction| assert_eq!(keys(&range(transaction, &limited)), "bd");
        assert!(!conflicts(&database, reads, sets("d\0")), "right after the last key read");
        remove(&database, "d\0");
        assert!(!conflicts(&database, reads, sets("f")));
        assert!(conflicts(&database, reads, sets("d")), "the last key read");
        assert!(conflicts(&database, reads, sets("a")), "before the first key read");
        remove(&database, "a");
    }
}

pub(super) fn a_limited_reverse_read_conflicts_as_far_as_it_read(make: Make) {
    let database = make(clock());
    fill(&database, "bdfh");
    let reads = |transaction: &Transaction| assert_eq!(keys(&range(transaction, &all().limited(2).reversed())), "hf");
    assert!(!conflicts(&database, reads, sets("e")), "right before the last key read");
    assert!(!conflicts(&database, reads, sets("b")));
    assert!(conflicts(&database, reads, sets("f")), "the last key read");
    assert!(conflicts(&database, reads, sets("y")), "after the first key read");
}

pub(super) fn a_range_that_meets_no_limit_conflicts_to_its_end(make: Make) {
    let database = make(clock());
    fill(&database, "b");
    assert!(conflicts(&database, |transaction| drop(range(transaction, &all().limited(2))), sets("y")));
    let nothing = |transaction: &Transaction| drop(range(transaction, &all().limited(0)));
    assert!(!conflicts(&database, nothing, sets("b")), "a read of no pairs read nothing");
}

pub(super) fn snapshot_reads_add_no_conflicts(make: Make) {
    let database = make(clock());
    fill(&database, "ab");
    let reads = |transaction: &Transaction| {
        peek(transaction, "a");
        range(transaction, &all().snapshot());
    };
    assert!(!conflicts(&database, reads, sets("a")));
}

pub(super) fn blind_writes_never_conflict(make: Make) {
    let database = make(clock());
    let transactions: Vec<Transaction> = (0..5).map(|_| database.begin()).collect();
    for (number, transaction) in transactions.iter().enumerate() {
        transaction.set(b"a", number.to_string().as_bytes()).unwrap();
        transaction.clear_range(b"b", b"c").unwrap();
    }
    for transaction in transactions.iter().rev() {
        wait(transaction.commit()).unwrap();
    }
    assert_eq!(stored(&database, "a").as_deref(), Some("0"), "the last commit wins");
}

pub(super) fn reading_own_writes_adds_no_conflict(make: Make) {
    let database = make(clock());
    fill(&database, "abc");
    let reads = |transaction: &Transaction| {
        transaction.set(b"a", b"own".as_slice()).unwrap();
        transaction.clear(b"b").unwrap();
        transaction.clear_range(b"c", b"e").unwrap();
        for key in ["a", "b", "c", "d"] {
            get(transaction, key);
        }
        range(transaction, &RangeRead::new(b"c", b"e"));
    };
    for key in ["a", "b", "c", "d"] {
        assert!(!conflicts(&database, reads, sets(key)), "{key}");
    }
}

pub(super) fn a_range_conflicts_only_where_own_writes_do_not_answer(make: Make) {
    let database = make(clock());
    fill(&database, "bdfh");
    let reads = |transaction: &Transaction| {
        transaction.set(b"d", b"own".as_slice()).unwrap();
        transaction.clear_range(b"f", b"h").unwrap();
        assert_eq!(keys(&range(transaction, &all())), "bdh");
    };
    for (key, expected) in
        [("b", true), ("c", true), ("d", false), ("d\0", true), ("f", false), ("g", false), ("h", true)]
    {
        assert_eq!(conflicts(&database, reads, sets(key)), expected, "{key}");
        wait(async {
            let transaction = database.begin();
            transaction.clear_range(b"a", b"z").unwrap();
            transaction.commit().await.unwrap();
        });
        fill(&database, "bdfh");
    }
}

pub(super) fn clearing_conflicts_with_readers_even_of_absent_keys(make: Make) {
    let database = make(clock());
    let reads = |transaction: &Transaction| drop(get(transaction, "c"));
    assert!(conflicts(&database, reads, |other| other.clear(b"c").unwrap()));
    assert!(conflicts(&database, reads, |other| other.clear_range(b"a", b"d").unwrap()));
    assert!(!conflicts(&database, reads, |other| other.clear_range(b"a", b"c").unwrap()));
    let reads = |transaction: &Transaction| drop(range(transaction, &RangeRead::new(b"c", b"e")));
    assert!(conflicts(&database, reads, |other| other.clear_range(b"d", b"z").unwrap()));
    assert!(!conflicts(&database, reads, |other| other.clear_range(b"e", b"z").unwrap()));
}

pub(super) fn adds_do_not_conflict_with_each_other_but_with_readers(make: Make) {
    let database = make(clock());
    let adds = |transaction: &Transaction| transaction.add(b"n", 1).unwrap();
    assert!(!conflicts(&database, adds, adds));
    assert_eq!(stored_number(&database, b"n"), 2);
    assert!(conflicts(&database, |transaction| drop(wait(transaction.get(b"n", Isolation::Serializable))), adds));
}

pub(super) fn reading_an_add_conflicts_with_what_it_adds_to(make: Make) {
    let database = make(clock());
    let adds = |transaction: &Transaction| transaction.add(b"n", 1).unwrap();
    let adds_and_reads = |transaction: &Transaction| {
        adds(transaction);
        wait(transaction.get(b"n", Isolation::Serializable)).unwrap();
    };
    assert!(conflicts(&database, adds_and_reads, adds));
    let adds_and_ranges = |transaction: &Transaction| {
        adds(transaction);
        range(transaction, &all());
    };
    assert!(conflicts(&database, adds_and_ranges, adds));
}

pub(super) fn explicit_conflicts_act_like_reads_and_writes(make: Make) {
    let database = make(clock());
    let nothing_written = |other: &Transaction| other.add_write_conflict_range(b"c", b"e").unwrap();
    assert!(conflicts(&database, |transaction| transaction.add_read_conflict_key(b"c").unwrap(), sets("c")));
    assert!(!conflicts(&database, |transaction| transaction.add_read_conflict_key(b"c").unwrap(), sets("d")));
    assert!(conflicts(
        &database,
        |transaction| transaction.add_read_conflict_range(b"a", b"d").unwrap(),
        nothing_written
    ));
    assert!(!conflicts(
        &database,
        |transaction| transaction.add_read_conflict_range(b"a", b"c").unwrap(),
        nothing_written
    ));
    assert!(conflicts(&database, |transaction| drop(get(transaction, "d")), nothing_written));
}

pub(super) fn read_only_transactions_always_commit(make: Make) {
    let database = make(clock());
    fill(&database, "a");
    let transaction = database.begin();
    get(&transaction, "a");
    transaction.add_read_conflict_range(b"a", b"z").unwrap();
    put(&database, "a", "2");
    assert!(transaction.is_read_only());
    assert_eq!(wait(transaction.commit()), Ok(None));
}

pub(super) fn writing_the_same_value_again_still_conflicts(make: Make) {
    let database = make(clock());
    put(&database, "a", "same");
    let writes = |other: &Transaction| other.set(b"a", b"same".as_slice()).unwrap();
    assert!(conflicts(&database, |transaction| drop(get(transaction, "a")), writes));
}

pub(super) fn a_conflict_is_found_behind_thousands_of_commits(make: Make) {
    let database = make(clock());
    for (read, expected) in [("first", Err(Error::Conflict)), ("last", Err(Error::Conflict)), ("never", Ok(()))] {
        let transaction = database.begin();
        get(&transaction, read);
        range(&transaction, &RangeRead::new(b"x", b"y"));
        put(&database, "first", "");
        for number in 0..3_000 {
            put(&database, &format!("other/{}", number % 100), "");
        }
        put(&database, "last", "");
        assert_eq!(commit_as_writer(&transaction).map(drop), expected, "{read}");
    }
}

pub(super) fn the_retry_loop_runs_the_body_again_after_a_conflict(make: Make) {
    let database = make(clock());
    let runs = AtomicU32::new(0);
    let before = database.work();
    let (answer, stamp) = wait(database.run_stamped(fresh_id(&database), |transaction| {
        let run = runs.fetch_add(1, Ordering::Relaxed);
        let database = &database;
        async move {
            let seen = transaction.get(b"a", Isolation::Serializable).await?;
            if run < 3 {
                put(database, "a", &run.to_string());
            }
            transaction.set(b"b", b"done".as_slice())?;
            Ok::<_, Error>(seen.map(|value| text(&value)))
        }
    }))
    .unwrap();
    assert_eq!((answer.as_deref(), runs.load(Ordering::Relaxed)), (Some("2"), 4));
    // On a cluster others commit too, so a snapshot may be of a later version.
    assert!(stamp.unwrap().version() <= wait(database.begin().read_version()).unwrap());
    let work = database.work().since(&before);
    assert_eq!((work.retries, work.conflicts), (3, 3));
}

pub(super) fn a_body_that_fails_commits_nothing_and_keeps_its_error(make: Make) {
    #[derive(Debug, PartialEq)]
    enum Failure {
        Own,
        Storage(Error),
    }
    impl From<Error> for Failure {
        fn from(error: Error) -> Self {
            Self::Storage(error)
        }
    }
    impl crate::kv::RetryDecision for Failure {
        fn storage_error(&self) -> Option<&Error> {
            match self {
                Self::Own => None,
                Self::Storage(error) => Some(error),
            }
        }
    }
    let database = make(clock());
    let runs = AtomicU32::new(0);
    let outcome = wait(database.run(fresh_id(&database), |transaction| {
        let run = runs.fetch_add(1, Ordering::Relaxed);
        async move {
            transaction.set(b"a", b"1".as_slice())?;
            // One that is worth another try, then one that is not.
            if run == 0 { Err::<(), _>(Error::TooOld.into()) } else { Err(Failure::Own) }
        }
    }));
    assert_eq!((outcome, runs.load(Ordering::Relaxed)), (Err(Failure::Own), 2));
    assert_eq!(stored(&database, "a"), None);
    let large = wait(database.run(fresh_id(&database), |transaction| async move {
        transaction.set(&[0; 10_001], b"".as_slice())?;
        Ok::<_, Failure>(())
    }));
    assert_eq!(large, Err(Failure::Storage(Error::KeyTooLarge(10_001))));
}

pub(super) fn the_retry_loop_gives_up_in_the_end(make: Make) {
    let database = make(clock());
    let outcome = wait(database.run(fresh_id(&database), |transaction| {
        let database = &database;
        async move {
            transaction.get(b"a", Isolation::Serializable).await?;
            put(database, "a", "");
            transaction.set(b"b", b"".as_slice())?;
            Ok::<_, Error>(())
        }
    }));
    assert_eq!(outcome, Err(Error::RetryLimit { attempts: 1_000, last: Box::new(Error::Conflict) }));
    let outcome = wait(database.run_read_only(|_| async { Err::<(), _>(Error::TooOld) }));
    assert_eq!(outcome, Err(Error::RetryLimit { attempts: 1_000, last: Box::new(Error::TooOld) }));
}

pub(super) fn the_retry_loop_gives_up_after_a_minute(make: Make) {
    let database = make(clock());
    let slow = |_| async {
        database.skip_machine_time(25_000);
        Err::<(), _>(Error::TooOld)
    };
    let expected = Err(Error::RetryLimit { attempts: 3, last: Box::new(Error::TooOld) });
    assert_eq!(wait(database.run_read_only(slow)), expected);
    assert_eq!(wait(database.run(fresh_id(&database), slow)), expected);
    assert_eq!(database.work().retries, 4);
}

pub fn what_is_to_follow_a_commit_follows_the_attempt_that_commits_and_no_other(make: Make) {
    let database = make(clock());
    let called = Arc::new(AtomicUsize::new(0));
    let hook = |transaction: &Transaction| {
        let called = Arc::clone(&called);
        transaction.after_commit(move || {
            called.fetch_add(1, Ordering::SeqCst);
        });
    };
    let loser = database.begin();
    get(&loser, "k");
    loser.set(b"k", b"lost".as_slice()).unwrap();
    hook(&loser);
    let winner = database.begin();
    winner.set(b"k", b"won".as_slice()).unwrap();
    hook(&winner);
    hook(&winner);
    assert_eq!(called.load(Ordering::SeqCst), 0);
    wait(winner.commit()).unwrap();
    assert_eq!(called.load(Ordering::SeqCst), 2, "each once, and before whoever waits goes on");
    assert_eq!(wait(loser.commit()), Err(Error::Conflict));
    let dropped = database.begin();
    dropped.set(b"k", b"dropped".as_slice()).unwrap();
    hook(&dropped);
    drop((loser, winner, dropped));
    assert_eq!(called.load(Ordering::SeqCst), 2);
}
