//! Rules of size and age, at their edges.

use super::*;
use crate::kv::limits;

fn key_of(length: usize) -> Vec<u8> {
    vec![b'k'; length]
}

pub(super) fn the_largest_key_is_accepted_and_one_byte_more_is_not(make: Make) {
    let database = make(clock());
    let (largest, larger) = (key_of(10_000), key_of(10_001));
    let transaction = database.begin();
    transaction.set(&largest, b"v".as_slice()).unwrap();
    let refused = Err(Error::KeyTooLarge(10_001));
    assert_eq!(transaction.set(&larger, b"v".as_slice()), refused);
    assert_eq!(transaction.add(&larger, 1), refused);
    assert_eq!(transaction.clear(&larger), refused);
    assert_eq!(transaction.set_versionstamped_value(&larger, vec![0; 10], 0), refused);
    // The place of its stamp goes along to a cluster, in four bytes that count.
    assert_eq!(transaction.set_versionstamped_key(key_of(9_997), 5, b"v".as_slice()), refused);
    assert_eq!(transaction.set_versionstamped_key(key_of(9_997), 0, b"v".as_slice()), refused);
    transaction.set_versionstamped_key(key_of(9_996), 9_986, b"stamped".as_slice()).unwrap();
    wait(transaction.commit()).unwrap();
    assert_eq!(range(&database.begin(), &RangeRead::prefix(b"k")).pairs.len(), 2);
}

pub(super) fn the_largest_value_is_accepted_and_one_byte_more_is_not(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    transaction.set(b"a", vec![1; 100_000]).unwrap();
    let refused = Err(Error::ValueTooLarge(100_001));
    assert_eq!(transaction.set(b"b", vec![1; 100_001]), refused);
    assert_eq!(transaction.set_versionstamped_key(key_of(10), 0, vec![1; 100_001]), refused);
    assert_eq!(transaction.set_versionstamped_value(b"b", vec![1; 99_997], 0), refused);
    transaction.set_versionstamped_value(b"c", vec![1; 99_996], 99_986).unwrap();
    wait(transaction.commit()).unwrap();
    assert_eq!(stored(&database, "a").map(|value| value.len()), Some(100_000));
    assert_eq!(stored(&database, "b"), None);
}

/// Each pair of a 4-byte key and a value of `length` counts its key, its value and its conflict range.
fn fill_transaction(transaction: &Transaction, pairs: u32, length: usize) {
    for number in 0..pairs {
        transaction.set(&number.to_be_bytes(), vec![0; length]).unwrap();
    }
}

pub(super) fn the_largest_transaction_is_accepted_and_one_byte_more_is_not(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    fill_transaction(&transaction, 100, 99_987);
    assert_eq!(transaction.size(), limits::TRANSACTION);
    wait(transaction.commit()).unwrap();

    let transaction = database.begin();
    fill_transaction(&transaction, 100, 99_987);
    transaction.set(&0_u32.to_be_bytes(), vec![0; 99_988]).unwrap();
    assert_eq!(transaction.size(), limits::TRANSACTION + 1);
    assert_eq!(wait(transaction.commit()), Err(Error::TransactionTooLarge));
    let value = wait(database.begin().get(&0_u32.to_be_bytes(), Isolation::Snapshot)).unwrap();
    assert_eq!(value.map(|value| value.len()), Some(99_987), "nothing of it was written");
}

pub(super) fn conflict_ranges_count_towards_the_transaction(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    transaction.set(b"a", b"".as_slice()).unwrap();
    let before = transaction.size();
    wait(transaction.get(&key_of(100), Isolation::Serializable)).unwrap();
    assert_eq!(transaction.size() - before, 201);
    wait(transaction.get(&key_of(100), Isolation::Snapshot)).unwrap();
    range(&transaction, &RangeRead::new(key_of(10), key_of(20)));
    assert_eq!(transaction.size() - before, 231);
    for number in 0..501_u32 {
        transaction.add_read_conflict_key(&[&number.to_be_bytes(), key_of(9_996).as_slice()].concat()).unwrap();
    }
    assert_eq!(wait(transaction.commit()), Err(Error::TransactionTooLarge));
}

pub(super) fn keys_from_ff_on_are_refused(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    let refused = Error::KeyOutsideLegalRange;
    assert_eq!(transaction.set(b"\xFF", b"".as_slice()), Err(refused.clone()));
    assert_eq!(transaction.clear(b"\xFFa"), Err(refused.clone()));
    assert_eq!(transaction.clear_range(b"a", b"\xFF\0"), Err(refused.clone()));
    assert_eq!(wait(transaction.get(b"\xFF", Isolation::Snapshot)), Err(refused.clone()));
    assert_eq!(wait(transaction.range(&RangeRead::new(b"a", b"\xFF\xFF"))), Err(refused));
    transaction.set(b"\xFE\xFF", b"".as_slice()).unwrap();
    assert_eq!(range(&transaction, &RangeRead::new(b"", b"\xFF")).pairs.len(), 1);
}

pub(super) fn a_key_too_long_to_exist_reads_as_absent(make: Make) {
    let database = make(clock());
    let transaction = database.begin();
    let largest = key_of(10_000);
    transaction.set(&largest, b"v".as_slice()).unwrap();
    assert_eq!(wait(transaction.get(&key_of(10_001), Isolation::Serializable)), Ok(None));
    let page = range(&transaction, &RangeRead::new(largest.clone(), [largest.as_slice(), b"zzzz"].concat()));
    assert_eq!(page.pairs.len(), 1, "the end of a range may be longer than any key");
    transaction.clear_range(&key_of(12_000), b"l").unwrap();
    assert!(wait(transaction.get(&largest, Isolation::Serializable)).unwrap().is_some());
    wait(transaction.commit()).unwrap();
}

pub(super) fn a_snapshot_beyond_five_seconds_is_too_old_to_read(make: Make) {
    let database = make(clock());
    fill(&database, "a");
    let transaction = database.begin();
    assert!(get(&transaction, "a").is_some());
    database.clock().advance(3_600_000);
    assert!(get(&transaction, "a").is_some(), "the database's clock does not age snapshots");
    database.skip_machine_time(4_000);
    assert!(get(&transaction, "a").is_some());
    database.skip_machine_time(1_001);
    assert_eq!(wait(transaction.get(b"a", Isolation::Snapshot)), Err(Error::TooOld));
    assert_eq!(wait(transaction.range(&RangeRead::prefix(b"a"))), Err(Error::TooOld));
    assert_eq!(wait(transaction.read_version()), Err(Error::TooOld));
    assert!(stored(&database, "a").is_some(), "the next transaction is young again");
}

pub(super) fn a_snapshot_beyond_five_seconds_is_too_old_to_commit(make: Make) {
    let database = make(clock());
    let (writer, reader) = (database.begin(), database.begin());
    get(&writer, "a");
    get(&reader, "a");
    writer.set(b"b", b"".as_slice()).unwrap();
    database.skip_machine_time(5_001);
    put(&database, "c", "");
    assert_eq!(wait(writer.commit()), Err(Error::TooOld));
    assert_eq!(stored(&database, "b"), None);
    assert_eq!(wait(reader.commit()), Ok(None), "there is nothing to commit, so nothing too old");

    let alone = database.begin();
    get(&alone, "a");
    alone.set(b"b", b"".as_slice()).unwrap();
    database.skip_machine_time(5_001);
    assert_eq!(wait(alone.commit()), Err(Error::TooOld), "even if nothing was committed meanwhile");
}

pub(super) fn readers_of_one_version_age_each_by_itself(make: Make) {
    let database = make(clock());
    let old = database.begin();
    get(&old, "a");
    database.skip_machine_time(4_000);
    let (young, loser) = (database.begin(), database.begin());
    get(&young, "a");
    get(&loser, "c");
    database.skip_machine_time(2_000);
    put(&database, "c", "");
    for (transaction, expected) in [(old, Err(Error::TooOld)), (young, Ok(())), (loser, Err(Error::Conflict))] {
        transaction.set(b"b", b"".as_slice()).unwrap();
        assert_eq!(wait(transaction.commit()).map(drop), expected);
    }
}

pub(super) fn a_transaction_without_reads_does_not_age(make: Make) {
    let database = make(clock());
    let blind = database.begin();
    blind.set(b"a", b"".as_slice()).unwrap();
    let late = database.begin();
    database.skip_machine_time(60_000);
    wait(blind.commit()).unwrap();
    assert!(get(&late, "a").is_some(), "age counts from the first read");
}

pub(super) fn an_old_reader_does_not_hold_up_the_rest(make: Make) {
    let database = make(clock());
    let forgotten = database.begin();
    get(&forgotten, "a");
    for round in 0..20 {
        database.skip_machine_time(1_000);
        let transaction = database.begin();
        get(&transaction, "a");
        put(&database, "b", "");
        transaction.set(b"a", round.to_string().as_bytes()).unwrap();
        wait(transaction.commit()).unwrap();
    }
    drop(forgotten);
    assert_eq!(stored(&database, "a").as_deref(), Some("19"));
}
