//! Rules of reading: snapshots, own writes, ranges, adds.

use super::*;

fn all() -> RangeRead {
    RangeRead::new(b"a", b"z")
}

pub(super) fn a_committed_key_is_read_back_and_an_absent_one_is_none(make: Make) {
    let database = make(clock());
    put(&database, "a", "1");
    assert_eq!(stored(&database, "a").as_deref(), Some("1"));
    assert_eq!(stored(&database, "b"), None);
    remove(&database, "a");
    assert_eq!(stored(&database, "a"), None);
    put(&database, "", "the empty key");
    assert_eq!(stored(&database, "").as_deref(), Some("the empty key"));
}

pub(super) fn a_transaction_reads_the_snapshot_of_its_first_read(make: Make) {
    let database = make(clock());
    let late = database.begin();
    put(&database, "a", "1");
    assert_eq!(get(&late, "a").as_deref(), Some("1"), "the snapshot is taken at the first read, not at begin");
    put(&database, "a", "2");
    put(&database, "b", "2");
    assert_eq!(get(&late, "a").as_deref(), Some("1"));
    assert_eq!(get(&late, "b"), None);
    assert_eq!(keys(&range(&late, &all())), "a");
}

pub(super) fn an_acknowledged_commit_is_visible_to_every_later_transaction(make: Make) {
    let database = make(clock());
    for count in 0..100 {
        put(&database, "a", &count.to_string());
        assert_eq!(stored(&database, "a"), Some(count.to_string()));
    }
}

pub(super) fn a_transaction_reads_its_own_sets_and_clears(make: Make) {
    let database = make(clock());
    fill(&database, "abc");
    let transaction = database.begin();
    transaction.set(b"a", b"own".as_slice()).unwrap();
    transaction.clear(b"b").unwrap();
    transaction.set(b"n", b"new".as_slice()).unwrap();
    assert_eq!(get(&transaction, "a").as_deref(), Some("own"));
    assert_eq!(get(&transaction, "b"), None);
    assert_eq!(get(&transaction, "c").as_deref(), Some("C"));
    assert_eq!(get(&transaction, "n").as_deref(), Some("new"));
    transaction.clear_range(b"a", b"c").unwrap();
    assert_eq!(get(&transaction, "a"), None);
    assert_eq!(get(&transaction, "c").as_deref(), Some("C"), "the end of a range is not cleared");
    assert_eq!(stored(&database, "a").as_deref(), Some("A"), "nobody else sees it before the commit");
    wait(transaction.commit()).unwrap();
    assert_eq!(keys(&range(&database.begin(), &all())), "cn");
}

pub(super) fn a_dropped_transaction_leaves_no_trace(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    get(&transaction, "a");
    transaction.set(b"a", b"1".as_slice()).unwrap();
    drop(transaction);
    assert_eq!(stored(&database, "a"), None);
}

pub(super) fn a_transaction_is_unusable_after_its_commit(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    let same = transaction.clone();
    transaction.set(b"a", b"1".as_slice()).unwrap();
    wait(transaction.commit()).unwrap();
    assert_eq!(wait(same.commit()), Err(Error::UsedAfterCommit));
    assert_eq!(same.set(b"a", b"2".as_slice()), Err(Error::UsedAfterCommit));
    assert_eq!(wait(same.get(b"a", Isolation::Snapshot)), Err(Error::UsedAfterCommit));
    assert_eq!(wait(same.range(&all())), Err(Error::UsedAfterCommit));
    assert_eq!(wait(same.read_version()), Err(Error::UsedAfterCommit));
}

pub(super) fn ranges_come_in_byte_order_both_ways(make: Make) {
    let database = make(clock());
    fill(&database, "dbac");
    put(&database, "aa", "-");
    let transaction = database.begin();
    assert_eq!(keys(&range(&transaction, &all())), "aaabcd");
    assert_eq!(keys(&range(&transaction, &all().reversed())), "dcbaaa");
    assert_eq!(values(&range(&transaction, &RangeRead::new(b"b", b"d"))), "BC", "begin counts, end does not");
    assert!(!range(&transaction, &all()).more);
}

pub(super) fn a_limit_ends_a_range_and_says_there_may_be_more(make: Make) {
    let database = make(clock());
    fill(&database, "abcde");
    let transaction = database.begin();
    for (limit, forward, reverse, more) in
        [(0, "", "", true), (2, "ab", "ed", true), (5, "abcde", "edcba", true), (6, "abcde", "edcba", false)]
    {
        let page = range(&transaction, &all().limited(limit));
        assert_eq!((keys(&page).as_str(), page.more), (forward, more));
        let page = range(&transaction, &all().limited(limit).reversed());
        assert_eq!((keys(&page).as_str(), page.more), (reverse, more));
    }
}

pub(super) fn a_byte_limit_ends_a_range_with_the_pair_that_meets_it(make: Make) {
    let database = make(clock());
    fill(&database, "abcde");
    let transaction = database.begin();
    for (bytes, forward, more) in
        [(1, "a", true), (2, "a", true), (3, "ab", true), (10, "abcde", true), (11, "abcde", false)]
    {
        let page = range(&transaction, &all().byte_limited(bytes));
        assert_eq!((keys(&page).as_str(), page.more), (forward, more), "{bytes} bytes");
    }
    assert_eq!(keys(&range(&transaction, &all().byte_limited(100).limited(3).reversed())), "edc");
}

pub(super) fn a_range_shows_own_writes_both_ways_and_within_limits(make: Make) {
    let database = make(clock());
    fill(&database, "bdfh");
    let transaction = database.begin();
    transaction.set(b"a", b"1".as_slice()).unwrap();
    transaction.set(b"d", b"2".as_slice()).unwrap();
    transaction.clear(b"f").unwrap();
    transaction.set(b"g", b"3".as_slice()).unwrap();
    transaction.set(b"y", b"4".as_slice()).unwrap();
    transaction.clear(b"x").unwrap();
    assert_eq!(keys(&range(&transaction, &all())), "abdghy");
    assert_eq!(values(&range(&transaction, &all())), "1B23H4");
    assert_eq!(keys(&range(&transaction, &all().reversed())), "yhgdba");
    assert_eq!(keys(&range(&transaction, &all().limited(4))), "abdg");
    assert_eq!(values(&range(&transaction, &all().limited(4).reversed())), "4H32");
    assert_eq!(keys(&range(&transaction, &RangeRead::new(b"e", b"h"))), "g");
}

pub(super) fn a_range_skips_what_was_cleared_both_ways(make: Make) {
    let database = make(clock());
    fill(&database, "abcdefgh");
    let transaction = database.begin();
    transaction.clear_range(b"b", b"d").unwrap();
    transaction.clear_range(b"c", b"e").unwrap();
    transaction.clear_range(b"g", b"h").unwrap();
    transaction.set(b"c", b"back".as_slice()).unwrap();
    assert_eq!(keys(&range(&transaction, &all())), "acefh");
    assert_eq!(keys(&range(&transaction, &all().reversed())), "hfeca");
    assert_eq!(keys(&range(&transaction, &all().limited(3))), "ace");
    assert_eq!(keys(&range(&transaction, &all().limited(3).reversed())), "hfe");
    assert_eq!(keys(&range(&transaction, &RangeRead::new(b"b", b"c"))), "");
    wait(transaction.commit()).unwrap();
    assert_eq!(keys(&range(&database.begin(), &all())), "acefh");
}

pub(super) fn a_set_after_a_range_clear_survives_and_one_before_does_not(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    transaction.set(b"a", b"1".as_slice()).unwrap();
    transaction.clear_range(b"a", b"z").unwrap();
    transaction.set(b"b", b"2".as_slice()).unwrap();
    wait(transaction.commit()).unwrap();
    assert_eq!(keys(&range(&database.begin(), &all())), "b");
}

pub(super) fn an_empty_range_is_empty_and_an_inverted_one_an_error(make: Make) {
    let database = make(clock());
    fill(&database, "abc");
    let transaction = database.begin();
    assert_eq!(range(&transaction, &RangeRead::new(b"b", b"b")), Page::default());
    assert_eq!(wait(transaction.range(&RangeRead::new(b"c", b"b"))), Err(Error::InvertedRange));
    assert_eq!(transaction.clear_range(b"c", b"b"), Err(Error::InvertedRange));
    assert_eq!(transaction.add_read_conflict_range(b"c", b"b"), Err(Error::InvertedRange));
    assert_eq!(transaction.add_write_conflict_range(b"c", b"b"), Err(Error::InvertedRange));
    transaction.clear_range(b"b", b"b").unwrap();
    assert!(transaction.is_read_only());
    assert_eq!(wait(transaction.commit()), Ok(None));
}

pub(super) fn a_prefix_range_holds_exactly_the_keys_with_that_prefix(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    for key in [b"a".as_slice(), b"b", b"b\0", b"b\xFE", b"b\xFF\xFF", b"c", b"\xFE\xFF\xFF"] {
        transaction.set(key, b"".as_slice()).unwrap();
    }
    wait(transaction.commit()).unwrap();
    let transaction = database.begin();
    assert_eq!(range(&transaction, &RangeRead::prefix(b"b")).pairs.len(), 4);
    assert_eq!(range(&transaction, &RangeRead::prefix(b"b\xFF")).pairs.len(), 1);
    assert_eq!(range(&transaction, &RangeRead::prefix(b"\xFE\xFF")).pairs.len(), 1);
    assert_eq!(range(&transaction, &RangeRead::prefix(b"")).pairs.len(), 7);
}

pub(super) fn snapshot_reads_see_own_writes(make: Make) {
    let database = make(clock());
    fill(&database, "ab");
    let transaction = database.begin();
    transaction.set(b"a", b"own".as_slice()).unwrap();
    transaction.clear(b"b").unwrap();
    assert_eq!(peek(&transaction, "a").as_deref(), Some("own"));
    assert_eq!(keys(&range(&transaction, &all().snapshot())), "a");
}

pub(super) fn several_reads_can_be_issued_together(make: Make) {
    let database = make(clock());
    fill(&database, "abc");
    let transaction = database.begin();
    let read = all();
    let (a, b, page) = wait(futures_util::future::join3(
        transaction.get(b"a", Isolation::Serializable),
        transaction.get(b"b", Isolation::Serializable),
        transaction.range(&read),
    ));
    assert_eq!((a.unwrap().as_deref(), b.unwrap().as_deref()), (Some(b"A".as_slice()), Some(b"B".as_slice())));
    assert_eq!(keys(&page.unwrap()), "abc");
}

pub(super) fn an_add_counts_absent_as_zero_and_wraps_around(make: Make) {
    let database = make(clock());
    for delta in [5, -7, i64::MIN, i64::MIN, i64::MAX] {
        let transaction = database.begin();
        transaction.add(b"n", delta).unwrap();
        wait(transaction.commit()).unwrap();
    }
    assert_eq!(stored_number(&database, b"n"), (-2_i64).wrapping_add(i64::MAX));
}

pub(super) fn an_add_extends_short_values_and_cuts_long_ones(make: Make) {
    let database = make(clock());
    put(&database, "short", "\u{1}");
    put(&database, "long", "\u{1}\0\0\0\0\0\0\0tail");
    put(&database, "empty", "");
    let transaction = database.begin();
    for key in ["short", "long", "empty"] {
        transaction.add(key.as_bytes(), 1).unwrap();
    }
    wait(transaction.commit()).unwrap();
    assert_eq!(stored_number(&database, b"short"), 2);
    assert_eq!(stored_number(&database, b"long"), 2);
    assert_eq!(stored_number(&database, b"empty"), 1);
}

pub(super) fn an_add_is_read_back_on_top_of_own_and_stored_values(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    transaction.add(b"stored", 10).unwrap();
    transaction.add(b"gone", 10).unwrap();
    wait(transaction.commit()).unwrap();

    let transaction = database.begin();
    let read = |key: &[u8]| number(wait(transaction.get(key, Isolation::Serializable)).unwrap());
    transaction.add(b"stored", 1).unwrap();
    transaction.add(b"stored", 1).unwrap();
    assert_eq!(read(b"stored"), 12);
    transaction.add(b"absent", 3).unwrap();
    assert_eq!(read(b"absent"), 3);
    transaction.set(b"set", 20_i64.to_le_bytes().as_slice()).unwrap();
    transaction.add(b"set", 1).unwrap();
    assert_eq!(read(b"set"), 21);
    transaction.clear(b"gone").unwrap();
    transaction.add(b"gone", 4).unwrap();
    assert_eq!(read(b"gone"), 4);
    transaction.clear_range(b"gone", b"gonf").unwrap();
    transaction.add(b"gone", 5).unwrap();
    let page = range(&transaction, &RangeRead::new(b"a", b"z"));
    let numbers: Vec<i64> = page.pairs.iter().map(|pair| number(Some(pair.value.clone()))).collect();
    assert_eq!(numbers, [3, 5, 21, 12]);
    wait(transaction.commit()).unwrap();
    let after: Vec<i64> =
        [b"absent".as_slice(), b"gone", b"set", b"stored"].map(|key| stored_number(&database, key)).into();
    assert_eq!(after, numbers);
}

pub(super) fn work_is_counted(make: Make) {
    let database = make(clock());
    fill(&database, "abcd");
    let before = database.work();
    let transaction = database.begin();
    get(&transaction, "a");
    get(&transaction, "n");
    range(&transaction, &all().limited(3));
    transaction.set(b"k", b"vv".as_slice()).unwrap();
    transaction.clear(b"a").unwrap();
    wait(transaction.commit()).unwrap();
    let work = database.work().since(&before);
    assert_eq!((work.transactions, work.commits, work.conflicts, work.retries), (1, 1, 0, 0));
    assert_eq!((work.keys_read, work.pairs_read, work.round_trips, work.bytes_read), (2, 3, 3, 8));
    assert_eq!((work.keys_written, work.bytes_written), (2, 4));
}
