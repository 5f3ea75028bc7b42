//! Random transactions against a naive map: reads through own writes, and what a commit leaves behind.

use std::collections::BTreeMap;

use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keys and values as they were found.
type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

const USUAL_SEEDS: u64 = 150;
const TRANSACTIONS: usize = 25;

/// Short keys over few letters, so that random ones meet.
fn random_key(random: &mut fastrand::Rng) -> Vec<u8> {
    (0..random.usize(1..4)).map(|_| random.u8(b'a'..b'd')).collect()
}

fn random_range(random: &mut fastrand::Rng) -> (Vec<u8>, Vec<u8>) {
    let (one, two) = (random_key(random), random_key(random));
    if one <= two { (one, two) } else { (two, one) }
}

fn write(random: &mut fastrand::Rng, transaction: &Transaction, model: &mut Model) {
    let key = random_key(random);
    match random.u8(0..10) {
        0..=4 => {
            let value = vec![random.u8(..); random.usize(0..12)];
            transaction.set(&key, value.as_slice()).unwrap();
            model.insert(key, value);
        }
        5 | 6 => {
            transaction.clear(&key).unwrap();
            model.remove(&key);
        }
        7 => {
            let (begin, end) = random_range(random);
            transaction.clear_range(&begin, &end).unwrap();
            model.retain(|key, _| !(begin.as_slice()..end.as_slice()).contains(&key.as_slice()));
        }
        _ => {
            let delta = random.i64(..);
            transaction.add(&key, delta).unwrap();
            let mut stored = model.remove(&key).unwrap_or_default();
            stored.resize(8, 0);
            let sum = i64::from_le_bytes(stored.as_slice().try_into().unwrap()).wrapping_add(delta);
            model.insert(key, sum.to_le_bytes().to_vec());
        }
    }
}

fn read(random: &mut fastrand::Rng, transaction: &Transaction, model: &Model, seed: u64) {
    let isolation = if random.bool() { Isolation::Serializable } else { Isolation::Snapshot };
    if random.u8(0..3) == 0 {
        let key = random_key(random);
        let value = wait(transaction.get(&key, isolation)).unwrap();
        assert_eq!(value.as_deref(), model.get(&key).map(Vec::as_slice), "seed {seed}, key {:?}", text(&key));
        return;
    }
    let (begin, end) = random_range(random);
    let limit = random.bool().then(|| random.usize(0..8));
    let byte_limit = (random.u8(0..4) == 0).then(|| random.usize(1..60));
    let read = RangeRead { reverse: random.bool(), limit, byte_limit, isolation, ..RangeRead::new(begin, end) };
    let page = range(transaction, &read);
    let found: Pairs = page.pairs.iter().map(|pair| (&*pair.key, &*pair.value)).collect();
    assert_eq!((found, page.more), expected(model, &read), "seed {seed}, {read:?}");
}

/// The contract of a range read, said naively.
fn expected<'a>(model: &'a Model, read: &RangeRead) -> (Pairs<'a>, bool) {
    if read.begin == read.end {
        return (Vec::new(), false);
    }
    let mut pairs: Pairs = model
        .range(read.begin.clone()..read.end.clone())
        .map(|(key, value)| (key.as_slice(), value.as_slice()))
        .collect();
    if read.reverse {
        pairs.reverse();
    }
    let (mut taken, mut bytes) = (Vec::new(), 0);
    for pair in pairs {
        if read.limit.is_some_and(|limit| taken.len() >= limit) || read.byte_limit.is_some_and(|limit| bytes >= limit) {
            break;
        }
        bytes += pair.0.len() + pair.1.len();
        taken.push(pair);
    }
    let more =
        read.limit.is_some_and(|limit| taken.len() >= limit) || read.byte_limit.is_some_and(|limit| bytes >= limit);
    (taken, more)
}

fn everything(database: &Database) -> Model {
    let page = range(&database.begin(), &RangeRead::new(b"", b"\xFF"));
    page.pairs.iter().map(|pair| (pair.key.to_vec(), pair.value.to_vec())).collect()
}

pub(super) fn random_transactions_read_and_leave_what_a_naive_map_does(make: Make) {
    for seed in seeds(USUAL_SEEDS) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut database = make(clock());
        let mut committed = Model::new();
        for _ in 0..TRANSACTIONS {
            let transaction = database.begin();
            let mut model = committed.clone();
            for _ in 0..random.usize(1..25) {
                if random.bool() {
                    write(&mut random, &transaction, &mut model);
                } else {
                    read(&mut random, &transaction, &model, seed);
                }
            }
            match random.u8(0..8) {
                0 => drop(transaction),
                kind => {
                    let twin = if kind == 1 { database.fork(clock()).ok() } else { None };
                    wait(transaction.commit()).unwrap();
                    match twin {
                        // What is open at a fork goes to the origin; the run goes on with the twin.
                        Some(twin) => database = twin,
                        None => committed = model,
                    }
                }
            }
            assert_eq!(everything(&database), committed, "seed {seed}");
        }
    }
}

/// Transactions overlap at random. Whatever commits must be explained by running it alone, in commit order: every
/// serializable read, repeated at that place in the order, must give what it gave.
pub(super) fn overlapping_transactions_are_as_if_run_one_after_the_other(make: Make) {
    for seed in seeds(USUAL_SEEDS) {
        let mut random = fastrand::Rng::with_seed(seed);
        let database = make(clock());
        let mut committed = Model::new();
        let mut open: Vec<Overlapping> = Vec::new();
        let (mut commits, mut refusals) = (0, 0);
        for _ in 0..300 {
            if open.len() < 4 {
                open.push(Overlapping { transaction: database.begin(), steps: Vec::new() });
            }
            let chosen = random.usize(0..open.len());
            if random.u8(0..5) > 0 {
                open[chosen].step(&mut random);
                continue;
            }
            let finished = open.swap_remove(chosen);
            match wait(finished.transaction.commit()) {
                Ok(Some(_)) => {
                    finished.replay(&mut committed, seed);
                    commits += 1;
                }
                Ok(None) => {}
                Err(Error::Conflict) => refusals += 1,
                Err(error) => panic!("{error}"),
            }
            assert_eq!(everything(&database), committed, "seed {seed}");
        }
        assert!(commits > 0 && refusals > 0, "seed {seed} tests nothing");
    }
}

struct Overlapping {
    transaction: Transaction,
    steps: Vec<Step>,
}

enum Step {
    Set(Vec<u8>, u8),
    ClearRange(Vec<u8>, Vec<u8>),
    Get(Vec<u8>, Option<Bytes>),
    Range(RangeRead, Page),
}

impl Overlapping {
    fn step(&mut self, random: &mut fastrand::Rng) {
        self.steps.push(match random.u8(0..8) {
            0..=2 => {
                let (key, value) = (random_key(random), random.u8(..));
                self.transaction.set(&key, [value].as_slice()).unwrap();
                Step::Set(key, value)
            }
            3 => {
                let (begin, end) = random_range(random);
                self.transaction.clear_range(&begin, &end).unwrap();
                Step::ClearRange(begin, end)
            }
            4 | 5 => {
                let key = random_key(random);
                let value = wait(self.transaction.get(&key, Isolation::Serializable)).unwrap();
                Step::Get(key, value)
            }
            _ => {
                let (begin, end) = random_range(random);
                let limit = random.bool().then(|| random.usize(1..4));
                let read = RangeRead { reverse: random.bool(), limit, ..RangeRead::new(begin, end) };
                let page = range(&self.transaction, &read);
                Step::Range(read, page)
            }
        });
    }

    fn replay(self, model: &mut Model, seed: u64) {
        for step in self.steps {
            match step {
                Step::Set(key, value) => drop(model.insert(key, vec![value])),
                Step::ClearRange(begin, end) => {
                    model.retain(|key, _| !(begin.as_slice()..end.as_slice()).contains(&key.as_slice()));
                }
                Step::Get(key, value) => {
                    assert_eq!(value.as_deref(), model.get(&key).map(Vec::as_slice), "seed {seed}");
                }
                Step::Range(read, page) => {
                    let found: Pairs = page.pairs.iter().map(|pair| (&*pair.key, &*pair.value)).collect();
                    assert_eq!((found, page.more), expected(model, &read), "seed {seed}, {read:?}");
                }
            }
        }
    }
}
