//! The clock of a shared database: moved by one process, followed by all.

use super::*;
use crate::clock::Mode;
use crate::keyspace::SharedClock;

/// What another process, which has a clock of its own, leaves when it moves it.
fn moved_elsewhere(store: &Store, moves: u64, at: Timestamp) -> Outcome {
    let stored = &SharedClock { moves, mode: Mode::Frozen { at } }.encode();
    now(store.database().run(store.commit_ids(), |transaction| async move {
        Ok::<_, Error>(transaction.set(&store.keyspace().clock(), stored.as_slice())?)
    }))
}

async fn put_one(store: &Store, table: &Table, id: &str) -> Result<Timestamp, Error> {
    let key = &Key { partition: vec![AttributeValue::S(id.to_owned())], sort: vec![] };
    store
        .transact(|transaction| async move {
            let row = transaction.row(table, key).await?;
            transaction.write(table, row, Change::Put(key.to_item(&table.key)), Actor::User)?;
            Ok(store.clock().now())
        })
        .await
}

#[test]
fn a_transaction_goes_by_a_clock_that_was_moved_elsewhere_and_looking_costs_no_round() -> Outcome {
    let clock = frozen();
    let [store, _] = processes(&clock)?;
    let table = table(&store, None)?;
    let (before, later) = (clock.now(), clock.now().plus_millis(30_000));
    now(put_one(&store, &table, "0"))?;
    moved_elsewhere(&store, 1, later)?;
    assert_eq!(now(put_one(&store, &table, "1"))?, before, "it looks but once a second");

    store.expect_a_moved_clock();
    let (shown, waited) = kv::rounds::count(put_one(&store, &table, "2"));
    assert_eq!((shown?, clock.now()), (later, later));
    assert_eq!(waited, 1 + 2, "reads of the attempt that was too early, then reads and the commit");
    now(put_one(&store, &table, "3"))?;

    store.expect_a_moved_clock();
    let (shown, waited) = kv::rounds::count(put_one(&store, &table, "4"));
    assert_eq!((shown?, waited), (later, 2), "nothing has changed");
    // So does what only reads.
    moved_elsewhere(&store, 2, before)?;
    store.expect_a_moved_clock();
    let (found, waited) = kv::rounds::count(store.statistics(&table));
    assert_eq!((found?.0.items, waited, clock.now()), (5, 2, before));
    Ok(())
}

#[test]
fn whoever_moves_the_clock_stores_it_with_a_sample_of_the_time() -> Outcome {
    let clock = frozen();
    let [one, two] = processes(&clock)?;
    let samples = || {
        let range = one.keyspace().samples(1);
        now(one.database().begin().range(&RangeRead::new(range.begin, range.end))).map(|page| page.pairs.len())
    };
    let stored = || {
        let stored = now(one.database().begin().get(&one.keyspace().clock(), Isolation::Snapshot))?;
        stored.map(|stored| SharedClock::decode(&stored)).transpose()
    };
    assert_eq!((stored()?, samples()?), (None, 1), "it was never moved");
    let start = clock.now();
    now(one.move_clock(|clock| clock.advance(HOUR)))?;
    assert_eq!((clock.now(), samples()?), (start.plus_millis(HOUR), 2));
    now(two.move_clock(|clock| clock.advance(HOUR)))?;
    let at = start.plus_millis(2 * HOUR);
    assert_eq!((stored()?, samples()?), (Some(SharedClock { moves: 2, mode: Mode::Frozen { at } }), 3));
    // What was set earlier is never gone back to.
    moved_elsewhere(&one, 1, start)?;
    now(one.look_at_clock())?;
    assert_eq!(clock.now(), at);
    Ok(())
}

#[test]
fn a_database_that_is_opened_goes_by_the_clock_as_it_was_moved() -> Outcome {
    let clock = frozen();
    let [one, _] = processes(&clock)?;
    let at = clock.now().plus_millis(-HOUR);
    moved_elsewhere(&one, 1, at)?;
    now(Store::open(one.database().clone(), "shared".into()))?;
    assert_eq!(clock.now(), at);
    Ok(())
}

#[test]
fn the_clock_of_a_database_of_one_process_is_its_own() -> Outcome {
    let clock = frozen();
    let store = now(Store::open(kv::Database::memory(clock.clone()), Vec::new()))?;
    let before = store.work();
    let later = clock.now().plus_millis(HOUR);
    now(store.move_clock(|clock| clock.advance(HOUR)))?;
    now(store.look_at_clock())?;
    assert_eq!((clock.now(), store.work()), (later, before), "nothing was read or written");
    Ok(())
}
