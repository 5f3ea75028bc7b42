//! Rules of versions and versionstamps.

use super::*;

/// `prefix`, ten bytes for the stamp, `suffix`; and where the stamp goes.
fn template(prefix: &str, suffix: &str) -> (Vec<u8>, usize) {
    ([prefix.as_bytes(), &[0; 10], suffix.as_bytes()].concat(), prefix.len())
}

fn set_stamped(transaction: &Transaction, prefix: &str, suffix: &str, value: &str) {
    let (key, offset) = template(prefix, suffix);
    transaction.set_versionstamped_key(key, offset, value.as_bytes()).unwrap();
}

fn stamped_key(prefix: &str, stamp: Versionstamp, suffix: &str) -> Vec<u8> {
    [prefix.as_bytes(), stamp.as_bytes(), suffix.as_bytes()].concat()
}

fn commit(transaction: &Transaction) -> Versionstamp {
    wait(transaction.commit()).unwrap().unwrap()
}

fn is_unreadable(transaction: &Transaction, read: &RangeRead) -> bool {
    match wait(transaction.range(read)) {
        Ok(_) => false,
        Err(Error::AccessedUnreadable) => true,
        Err(error) => panic!("{error}"),
    }
}

pub(super) fn stamped_keys_rise_from_commit_to_commit(make: Make) {
    let database = make(clock());
    // Begun in one order and committed in the other: the commits decide.
    let transactions: Vec<Transaction> = (0..20).map(|_| database.begin()).collect();
    let mut expected = Vec::new();
    for (number, transaction) in transactions.iter().enumerate().rev() {
        set_stamped(transaction, "s/", "", &number.to_string());
        commit(transaction);
        expected.push(number.to_string());
    }
    let page = range(&database.begin(), &RangeRead::prefix(b"s/"));
    assert_eq!(values(&page), expected.concat());
}

pub(super) fn all_stamped_writes_of_a_transaction_share_the_stamp_that_commit_returns(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    for suffix in ["/3", "/1", "/2"] {
        set_stamped(&transaction, "s/", suffix, suffix);
    }
    transaction.set_versionstamped_value(b"v", [b"<".as_slice(), &[0; 10], b">"].concat(), 1).unwrap();
    let stamp = commit(&transaction);
    let page = range(&database.begin(), &RangeRead::prefix(b"s/"));
    let found: Vec<&[u8]> = page.pairs.iter().map(|pair| &*pair.key).collect();
    assert_eq!(found, ["/1", "/2", "/3"].map(|suffix| stamped_key("s/", stamp, suffix)));
    let value = wait(database.begin().get(b"v", Isolation::Snapshot)).unwrap().unwrap();
    assert_eq!(*value, *[b"<".as_slice(), stamp.as_bytes(), b">"].concat());
}

pub(super) fn what_a_stamp_may_fall_into_is_unreadable_until_commit(make: Make) {
    let database = make(clock());
    fill(&database, "az");
    let transaction = database.begin();
    set_stamped(&transaction, "s/", "/x", "1");
    assert!(is_unreadable(&transaction, &RangeRead::prefix(b"s/")));
    assert!(is_unreadable(&transaction, &RangeRead::prefix(b"s/").reversed()));
    assert!(is_unreadable(&transaction, &RangeRead::new(b"a", b"zz").snapshot()));
    assert!(is_unreadable(&transaction, &RangeRead::new(b"s/\x40", b"s/\x41")), "any of the stamps may be it");
    let key = stamped_key("s/", Versionstamp([9; 10]), "/x");
    assert_eq!(wait(transaction.get(&key, Isolation::Serializable)), Err(Error::AccessedUnreadable));
    assert!(!is_unreadable(&transaction, &RangeRead::new(b"a", b"s/")));
    assert!(!is_unreadable(&transaction, &RangeRead::new(b"s0", b"zz")));
    let stamp = commit(&transaction);
    let page = range(&database.begin(), &RangeRead::prefix(b"s/"));
    assert_eq!(*page.pairs.first().unwrap().key, *stamped_key("s/", stamp, "/x"));
}

pub(super) fn a_limited_range_that_stops_before_a_stamp_is_readable(make: Make) {
    let database = make(clock());
    fill(&database, "abz");
    let transaction = database.begin();
    set_stamped(&transaction, "s/", "", "1");
    assert_eq!(keys(&range(&transaction, &RangeRead::new(b"a", b"zz").limited(2))), "ab");
    assert_eq!(keys(&range(&transaction, &RangeRead::new(b"a", b"zz").limited(1).reversed())), "z");
    assert!(is_unreadable(&transaction, &RangeRead::new(b"a", b"zz").limited(3)));
}

pub(super) fn below_the_own_read_version_stamps_leave_everything_readable(make: Make) {
    let database = make(clock());
    let first = database.begin();
    set_stamped(&first, "s/", "", "first");
    let stamp = commit(&first);
    let transaction = database.begin();
    let version = wait(transaction.read_version()).unwrap();
    set_stamped(&transaction, "s/", "", "second");
    let key = stamped_key("s/", stamp, "");
    assert_eq!(wait(transaction.get(&key, Isolation::Serializable)).unwrap().as_deref(), Some(b"first".as_slice()));
    let end = stamped_key("s/", Versionstamp::first_of(version.next()), "");
    assert_eq!(values(&range(&transaction, &RangeRead::new(b"s/", end.clone()))), "first");
    assert!(is_unreadable(&transaction, &RangeRead::new(b"s/", [end, vec![0]].concat())));
}

pub(super) fn a_stamped_value_is_unreadable_and_clearing_makes_it_readable(make: Make) {
    let database = make(clock());
    fill(&database, "abc");
    let transaction = database.begin();
    transaction.set_versionstamped_value(b"b", vec![0; 10], 0).unwrap();
    assert_eq!(wait(transaction.get(b"b", Isolation::Snapshot)), Err(Error::AccessedUnreadable));
    assert!(is_unreadable(&transaction, &RangeRead::new(b"a", b"c")));
    assert_eq!(get(&transaction, "a").as_deref(), Some("A"));
    assert_eq!(keys(&range(&transaction, &RangeRead::new(b"b\0", b"d"))), "c");
    transaction.clear(b"b").unwrap();
    assert_eq!(get(&transaction, "b"), None);
    assert_eq!(keys(&range(&transaction, &RangeRead::new(b"a", b"d"))), "ac");
    commit(&transaction);
    assert_eq!(stored(&database, "b"), None);
}

pub(super) fn a_later_clear_covers_a_stamped_key(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    set_stamped(&transaction, "s/", "", "covered");
    transaction.clear_range(b"s/", b"s0").unwrap();
    assert_eq!(keys(&range(&transaction, &RangeRead::prefix(b"s/"))), "");
    set_stamped(&transaction, "t/", "", "beside");
    transaction.clear_range(b"t/\xF0", b"t0").unwrap();
    set_stamped(&transaction, "s/", "/again", "after");
    commit(&transaction);
    assert_eq!(values(&range(&database.begin(), &RangeRead::new(b"s/", b"t0"))), "afterbeside");
}

pub(super) fn a_set_over_a_stamped_value_wins(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    transaction.set_versionstamped_value(b"a", vec![0; 10], 0).unwrap();
    transaction.set(b"a", b"plain".as_slice()).unwrap();
    assert_eq!(wait(transaction.get(b"a", Isolation::Snapshot)), Err(Error::AccessedUnreadable), "as on a cluster");
    commit(&transaction);
    assert_eq!(stored(&database, "a").as_deref(), Some("plain"));
}

pub(super) fn an_add_to_a_stamped_value_adds_to_its_first_bytes(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    transaction.set_versionstamped_value(b"a", [&[1, 0, 0, 0, 0, 0, 0, 0], [0; 10].as_slice()].concat(), 8).unwrap();
    transaction.add(b"a", 1).unwrap();
    transaction.add(b"a", 3).unwrap();
    commit(&transaction);
    assert_eq!(stored_number(&database, b"a"), 5);
}

pub(super) fn a_stamp_outside_its_key_or_value_is_an_error(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    for offset in [1, 10, usize::MAX] {
        let outcome = transaction.set_versionstamped_key(vec![0; 10], offset, b"".as_slice());
        assert_eq!(outcome, Err(Error::VersionstampOffset));
        assert_eq!(transaction.set_versionstamped_value(b"a", vec![0; 10], offset), Err(Error::VersionstampOffset));
    }
    assert!(transaction.is_read_only(), "a refused write leaves nothing behind");
    assert_eq!(get(&transaction, "a"), None);
}

pub(super) fn a_stamped_key_is_a_phantom_to_readers_of_its_range(make: Make) {
    let database = make(clock());
    for (read, expected) in [(RangeRead::prefix(b"s/"), Err(Error::Conflict)), (RangeRead::prefix(b"t/"), Ok(()))] {
        let reader = database.begin();
        range(&reader, &read);
        reader.set(b"a", b"".as_slice()).unwrap();
        let writer = database.begin();
        set_stamped(&writer, "s/", "", "");
        commit(&writer);
        assert_eq!(wait(reader.commit()).map(drop), expected);
    }
    // Two writers of stamped keys read nothing of each other, so they go side by side.
    let (one, two) = (database.begin(), database.begin());
    for writer in [&one, &two] {
        wait(writer.read_version()).unwrap();
        set_stamped(writer, "u/", "", "");
    }
    assert!(commit(&one) < commit(&two));
}

pub(super) fn versions_rise_while_the_clock_stands_still_or_goes_back(make: Make) {
    let clock = clock();
    let database = make(clock.clone());
    let mut last = Versionstamp::MIN;
    for step in 0..200_i64 {
        let stamp = put(&database, "a", "");
        assert!(stamp.version() > last.version(), "step {step}");
        last = stamp;
        if step % 3 == 1 {
            clock.advance(-1_000);
        }
    }
    assert_eq!(last.version().time(), NOON, "until the clock catches up, versions count within the last millisecond");
    clock.travel_to(NOON.plus_millis(1));
    assert_eq!(put(&database, "a", "").version(), Version::at(NOON.plus_millis(1), 0));
}

pub(super) fn versions_tell_the_time_of_the_clock(make: Make) {
    let clock = clock();
    let database = make(clock.clone());
    // An empty database is laid out by its first commit, which may come before all time.
    assert!(put(&database, "a", "").version().time() <= NOON);
    let early = put(&database, "a", "").version();
    clock.advance(60_000);
    let middle = Version::at(NOON.plus_millis(60_000), 0);
    let late = put(&database, "a", "").version();
    assert_eq!(early.time(), NOON);
    assert_eq!(late.time(), NOON.plus_millis(60_000));
    assert!(early < middle && middle <= late);
}

pub(super) fn the_read_version_is_the_last_commit(make: Make) {
    let database = make(clock());
    let stamp = put(&database, "a", "");
    let transaction = database.begin();
    assert_eq!(wait(transaction.read_version()), Ok(stamp.version()));
    put(&database, "a", "");
    assert_eq!(wait(transaction.read_version()), Ok(stamp.version()));
}
