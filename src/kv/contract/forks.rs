//! Rules of forks, for the engines that have them.

use super::*;

pub(super) fn a_fork_and_its_origin_change_apart(make: Make) {
    let origin = make(clock());
    fill(&origin, "abc");
    let twin = origin.fork(origin.clock().twin()).unwrap();
    put(&origin, "a", "origin");
    put(&twin, "a", "twin");
    remove(&twin, "b");
    let second = twin.fork(twin.clock().twin()).unwrap();
    put(&second, "c", "second");
    assert_eq!(values(&range(&origin.begin(), &RangeRead::new(b"a", b"z"))), "originBC");
    assert_eq!(values(&range(&twin.begin(), &RangeRead::new(b"a", b"z"))), "twinC");
    drop((origin, twin));
    assert_eq!(values(&range(&second.begin(), &RangeRead::new(b"a", b"z"))), "twinsecond");
}

pub(super) fn a_transaction_begun_before_a_fork_stays_with_the_origin(make: Make) {
    let origin = make(clock());
    let transaction = origin.begin();
    assert_eq!(get(&transaction, "a"), None);
    let twin = origin.fork(origin.clock().twin()).unwrap();
    put(&twin, "a", "twin");
    transaction.set(b"b", b"origin".as_slice()).unwrap();
    wait(transaction.commit()).unwrap();
    assert_eq!((stored(&origin, "a"), stored(&origin, "b").as_deref()), (None, Some("origin")));
    assert_eq!((stored(&twin, "a").as_deref(), stored(&twin, "b")), (Some("twin"), None));
}

pub(super) fn a_fork_takes_the_same_work_whatever_the_size(make: Make) {
    let origin = make(clock());
    for number in 0..500 {
        put(&origin, &format!("k{number}"), "");
    }
    let before = origin.work();
    let twin = origin.fork(origin.clock().twin()).unwrap();
    assert_eq!(origin.work(), before);
    assert_eq!(twin.work(), Default::default());
    let last = wait(origin.begin().read_version()).unwrap();
    assert_eq!(wait(twin.begin().read_version()), Ok(last), "versions go on from where the origin stood");
    assert!(put(&twin, "a", "").version() > last);
}
