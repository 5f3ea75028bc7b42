//! Rules of threads that use one database together.

use std::thread;

use super::*;

const THREADS: usize = 4;

async fn increment(transaction: Transaction) -> Result<()> {
    let count = number(transaction.get(b"count", Isolation::Serializable).await?);
    transaction.set(b"count", (count + 1).to_le_bytes().as_slice())
}

pub(super) fn threads_count_without_losing_one(make: Make) {
    let database = make(Clock::system());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..250 {
                    wait(database.run(fresh_id(&database), increment)).unwrap();
                }
            });
        }
    });
    assert_eq!(stored_number(&database, b"count"), 250 * THREADS as i64);
}

const ACCOUNTS: u8 = 8;

async fn transfer(transaction: Transaction, from: u8, to: u8, amount: i64) -> Result<()> {
    let (source, target) = ([b'@', from], [b'@', to]);
    let balance = number(transaction.get(&source, Isolation::Serializable).await?);
    transaction.set(&source, (balance - amount).to_le_bytes().as_slice())?;
    let balance = number(transaction.get(&target, Isolation::Serializable).await?);
    transaction.set(&target, (balance + amount).to_le_bytes().as_slice())
}

fn balances(database: &Database) -> Vec<i64> {
    let page = range(&database.begin(), &RangeRead::prefix(b"@"));
    page.pairs.iter().map(|pair| number(Some(pair.value.clone()))).collect()
}

pub(super) fn transfers_between_accounts_keep_the_sum(make: Make) {
    let database = make(Clock::system());
    thread::scope(|scope| {
        for seed in 0..THREADS as u64 {
            let database = &database;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..200 {
                    let (from, to, amount) = (random.u8(0..ACCOUNTS), random.u8(0..ACCOUNTS), random.i64(1..100));
                    wait(database.run(fresh_id(database), |transaction| transfer(transaction, from, to, amount)))
                        .unwrap();
                    assert_eq!(balances(database).iter().sum::<i64>(), 0, "seed {seed}");
                }
            });
        }
    });
    assert!(balances(&database).iter().any(|balance| *balance != 0));
}

pub(super) fn snapshots_never_show_half_a_transaction(make: Make) {
    let database = make(Clock::system());
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for count in 0..400 {
                let transaction = database.begin();
                for key in 0..20_u8 {
                    transaction.set(&[b'@', key], i64::to_le_bytes(count).as_slice()).unwrap();
                }
                wait(transaction.commit()).unwrap();
            }
        });
        while !writer.is_finished() {
            let seen = balances(&database);
            assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
        }
    });
}

pub(super) fn versions_are_published_in_order(make: Make) {
    let database = make(Clock::system());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let database = &database;
            scope.spawn(move || {
                for _ in 0..200 {
                    let stamp = put(database, &format!("k{thread}"), "");
                    assert!(wait(database.begin().read_version()).unwrap() >= stamp.version());
                }
            });
        }
        let mut last = Version::MIN;
        for _ in 0..500 {
            let version = wait(database.begin().read_version()).unwrap();
            assert!(version >= last);
            last = version;
        }
    });
}
