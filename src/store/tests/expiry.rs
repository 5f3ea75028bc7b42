//! Time to live where several processes share a database: each item is deleted once, whoever looks, whatever fails.

use std::collections::BTreeMap;

use super::*;
use crate::item::Number;
use crate::kv::faults::Kind;
use crate::store::expire::Place;
use crate::store::fill::{Filling, Pace};
use crate::store::lease::Duty;

fn enable() -> TableChange {
    TableChange::EnableTimeToLive("expires".to_owned())
}

/// A table with a stream whose items expire by `expires`, for each of the processes.
fn expiring(store: &Store) -> Result<Arc<Table>, Error> {
    table(store, Some(StreamViewType::NewAndOldImages))?;
    now(store.change_table(&realm(), "t", &[enable()]))
}

fn key_of(id: usize) -> Key {
    Key { partition: vec![AttributeValue::S(format!("{id}"))], sort: vec![] }
}

/// Writes items that expire so many seconds from now, by the clock.
fn put_expiring(store: &Store, table: &Table, items: impl IntoIterator<Item = (usize, i64)>) -> Outcome {
    for (id, seconds) in items {
        let key = key_of(id);
        let mut item: Item = key.to_item(&table.key);
        let expires = Number::from(store.clock().now().seconds() + seconds);
        item.insert("expires".into(), AttributeValue::N(expires));
        let (key, item) = (&key, &item);
        now(store.run(|transaction| async move {
            let row = transaction.row(table, key).await?;
            transaction.write(table, row, Change::Put(item.clone()), Actor::User)
        }))?;
    }
    Ok(())
}

fn items(store: &Store, table: &Table) -> Result<i64, Error> {
    Ok(now(store.statistics(table))?.0.items)
}

/// Of each key, how often the service has removed it.
fn removals(store: &Store) -> Result<BTreeMap<String, usize>, Error> {
    let mut removals = BTreeMap::new();
    for record in records(store, &newest_stream(store)?, &StreamStart::TrimHorizon)? {
        if record.by_service {
            assert_eq!(record.kind, RecordKind::Remove);
            *removals.entry(format!("{:?}", record.keys)).or_default() += 1;
        }
    }
    Ok(removals)
}

#[test]
fn one_process_at_a_time_lets_items_expire_and_another_takes_over_within_seconds() -> Outcome {
    let clock = frozen();
    let [one, two] = processes(&clock)?;
    let table = expiring(&one)?;
    put_expiring(&one, &table, (0..300).map(|id| (id, 1)))?;
    clock.advance(1_000);
    assert!(now(one.expire(1, Some(Duty::Expiry), &mut Place::default()))?, "there is more");
    assert_eq!(items(&one, &table)?, 200);
    assert!(!now(two.expire(10, Some(Duty::Expiry), &mut Place::default()))?, "another process's business");
    assert_eq!(items(&two, &table)?, 200);
    // The one that had the lease does nothing any more.
    clock.advance(5_000);
    assert!(now(two.expire(1, Some(Duty::Expiry), &mut Place::default()))?);
    assert!(!now(one.expire(10, Some(Duty::Expiry), &mut Place::default()))?);
    assert_eq!(items(&one, &table)?, 100);
    now(two.expire(10, Some(Duty::Expiry), &mut Place::default()))?;
    assert_eq!(removals(&one)?.into_values().collect::<Vec<_>>(), [1; 300]);
    is_sound(&one)
}

#[test]
fn an_item_that_is_given_more_time_just_before_its_deletion_is_kept() -> Outcome {
    let clock = frozen();
    let [one, two] = processes(&clock)?;
    let table = expiring(&one)?;
    put_expiring(&one, &table, [(1, 10), (2, 10)])?;
    clock.advance(10_000);
    let begun = one.database().begin();
    let step = Transaction::new(one.clone(), begun.clone());
    let everything = table.space(&one).everything();
    now(one.expire_step(&step, &table, &everything, 10))?;
    put_expiring(&two, &*now(two.table(&realm(), "t"))?, [(1, 60)])?;
    assert_eq!(now(begun.commit()), Err(kv::Error::Conflict));
    now(one.expire(10, None, &mut Place::default()))?;
    assert_eq!(items(&two, &table)?, 1);
    assert_eq!(removals(&two)?.len(), 1);
    now(one.advance(60_000))?;
    assert_eq!(items(&two, &table)?, 0);
    assert_eq!(removals(&two)?.into_values().collect::<Vec<_>>(), [1, 1]);
    is_sound(&two)
}

#[test]
fn a_process_learns_of_a_time_to_live_that_another_has_switched_on() -> Outcome {
    let clock = frozen();
    let [one, two] = processes(&clock)?;
    let table = expiring(&one)?;
    put_expiring(&one, &table, [(1, 1)])?;
    assert!(!two.0.expiry.any());
    drop(one);
    clock.advance(4_999);
    now(two.maintain())?;
    assert_eq!(items(&two, &table)?, 1, "nobody looks more often than that for what others do");
    clock.advance(1);
    now(two.maintain())?;
    assert_eq!(items(&two, &table)?, 0);
    now(two.change_table(&realm(), "t", &[new_index()]))?;
    is_sound(&two)
}

#[test]
fn a_process_that_does_not_know_the_latest_definition_looks_again() -> Outcome {
    let clock = frozen();
    let [one, two] = processes(&clock)?;
    let table = expiring(&one)?;
    put_expiring(&one, &table, [(1, 7_200)])?;
    now(two.find_expiring_tables())?;
    now(two.expire(1, None, &mut Place::default()))?;
    clock.advance(HOUR);
    now(one.change_table(&realm(), "t", &[TableChange::DisableTimeToLive("expires".to_owned())]))?;
    clock.advance(HOUR);
    let again = now(one.change_table(&realm(), "t", &[enable()]))?;
    assert_ne!(
        again.time_to_live.as_ref().map(|found| found.index),
        table.time_to_live.as_ref().map(|found| found.index)
    );
    now(two.expire(1, None, &mut Place::default()))?;
    assert_eq!(items(&one, &again)?, 0);
    is_sound(&one)
}

#[test]
fn a_time_to_live_that_a_dead_process_was_switching_on_is_finished_by_another() -> Outcome {
    let clock = frozen();
    let [dying, other] = processes(&clock)?;
    let before = table(&dying, None)?;
    put_expiring(&dying, &before, (0..500).map(|id| (id, 600)))?;
    let begun = now(dying.begin_change(&realm(), "t", &[enable()]))?;
    let job = begun.job.ok_or_else(|| corrupt("no job was left"))?;
    let step = now(dying.run(|transaction| {
        let dying = dying.clone();
        async move { dying.fill_step(&transaction, job, &Pace::new()).await }
    }))?;
    assert!(matches!(step, Filling::More));
    drop(dying);
    let filling = now(other.current_table(&realm(), "t"))?;
    assert_eq!(filling.time_to_live.as_ref().map(|found| found.status), Some(IndexStatus::Creating));
    put_expiring(&other, &filling, (495..505).map(|id| (id, 600)))?;
    is_sound(&other)?;
    clock.advance(3 * MINUTE);
    now(other.maintain())?;
    let filled = now(other.current_table(&realm(), "t"))?;
    assert_eq!(filled.time_to_live.as_ref().map(|found| found.status), Some(IndexStatus::Active));
    is_sound(&other)?;
    now(other.advance(10 * MINUTE))?;
    assert_eq!((items(&other, &filled)?, jobs(&other)?), (0, 0));
    is_sound(&other)
}

#[test]
fn a_time_to_live_that_cannot_be_switched_on_is_taken_back_whole() -> Outcome {
    let plan = Plan::none().with_seed(3).with(Kind::ReadFailed, 0.002).with_opaque_versions();
    let database = kv::Database::faults(frozen(), plan);
    let faults = database.injected_faults().cloned().ok_or_else(|| corrupt("no faults"))?;
    faults.pause();
    let store = now(Store::open(database, "shared".into()))?;
    let before = table(&store, None)?;
    put_expiring(&store, &before, (0..500).map(|id| (id, 1_000_000)))?;
    let keys = keys_of(&store, &before)?;
    let mut failed = 0;
    for _ in 0..30 {
        faults.resume();
        let outcome = now(store.change_table(&realm(), "t", &[enable()]));
        faults.pause();
        now(store.maintain_now())?;
        is_sound(&store)?;
        let found = now(store.current_table(&realm(), "t"))?;
        if outcome.is_ok() {
            assert!(found.time_to_live.is_some());
            store.clock().advance(HOUR);
            now(store.change_table(&realm(), "t", &[TableChange::DisableTimeToLive("expires".to_owned())]))?;
            store.clock().advance(HOUR);
        } else {
            failed += 1;
            assert_eq!(found.time_to_live, None);
            // The change before, if it is still known, is long enough ago for the next.
            let since = found.time_to_live_changed_millis.map(|last| store.clock().now().millis() - last);
            assert!(since.is_none_or(|since| since >= HOUR), "{since:?}");
        }
        assert_eq!(keys_of(&store, &before)?, keys, "no entry is left behind");
    }
    assert!((1..30).contains(&failed), "{failed} of 30 changes failed");
    Ok(())
}

#[test]
fn a_copy_goes_on_letting_items_expire() -> Outcome {
    let clock = frozen();
    let [store, _] = processes(&clock)?;
    let table = expiring(&store)?;
    put_expiring(&store, &table, (0..50).map(|id| (id, 60 + id as i64)))?;
    let copy = super::copies::copied(&store, kv::Database::memory(clock.twin()))?;
    now(copy.advance(2 * MINUTE))?;
    assert_eq!((items(&copy, &table)?, items(&store, &table)?), (0, 50));
    let removed = removals(&copy)?;
    assert_eq!((removed.len(), removed.into_values().max()), (50, Some(1)));
    is_sound(&copy)
}

#[test]
fn a_note_of_a_table_that_has_no_time_to_live_any_more_does_no_harm() -> Outcome {
    let clock = frozen();
    let [store, _] = processes(&clock)?;
    let table = expiring(&store)?;
    put_expiring(&store, &table, [(1, 1)])?;
    let twin = now(store.fork())?;
    assert!(twin.0.expiry.any());
    now(twin.delete_table(&realm(), "t"))?;
    now(twin.advance(MINUTE))?;
    assert!(!twin.0.expiry.any());
    now(store.advance(MINUTE))?;
    assert_eq!(items(&store, &table)?, 0);
    Ok(())
}

/// Puts, prolongations and deletions by one process while both let items expire, with faults of every kind.
#[test]
fn whatever_fails_each_item_is_deleted_once_and_only_when_it_has_expired() -> Outcome {
    let seeds = std::env::var("FDYNO_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20_u64);
    for seed in 0..seeds {
        let clock = frozen();
        let database = kv::Database::faults(clock.clone(), Plan::seeded(seed).with_opaque_versions());
        let faults = database.injected_faults().cloned().ok_or_else(|| corrupt("no faults"))?;
        faults.pause();
        let [one, two] =
            [now(Store::open(database.clone(), "shared".into()))?, now(Store::open(database, "shared".into()))?];
        let table = expiring(&one)?;
        now(two.find_expiring_tables())?;
        let mut random = fastrand::Rng::with_seed(seed);
        // Storage that fails is no outcome to look at; it is tried again.
        let insist = |action: &dyn Fn() -> Result<bool, Error>| -> Outcome {
            for _ in 0..1_000 {
                match action() {
                    Err(Error::Storage(_)) => {}
                    other => return other.map(drop),
                }
            }
            Err(corrupt("it never succeeded"))
        };
        faults.resume();
        for round in 0..60 {
            let id = random.usize(0..12);
            match random.u8(0..10) {
                0..=3 => {
                    let seconds = random.i64(0..20);
                    insist(&|| put_expiring(&one, &table, [(id, seconds)]).map(|()| false))?;
                }
                4 => {
                    let key = &key_of(id);
                    let table = &table;
                    insist(&|| {
                        now(one.run(|transaction| async move {
                            let row = transaction.row(table, key).await?;
                            transaction.write(table, row, Change::Delete, Actor::User).map(|_| false)
                        }))
                    })?;
                }
                5 => clock.advance(random.i64(1..8_000)),
                6 => insist(&|| now(one.advance(1_500)).map(|()| false))?,
                _ => {
                    let store = if round % 2 == 0 { &one } else { &two };
                    let duty = [None, Some(Duty::Expiry)][random.usize(0..2)];
                    insist(&|| now(store.expire(2, duty, &mut Place::default())))?;
                }
            }
        }
        faults.pause();
        now(two.advance(MINUTE))?;
        assert_eq!(items(&one, &table)?, 0, "seed {seed}");
        // The stream is a life of each key: what is deleted by the service is there, and expired at that time.
        let mut alive: BTreeMap<String, Item> = BTreeMap::new();
        for record in records(&two, &newest_stream(&two)?, &StreamStart::TrimHorizon)? {
            let key = format!("{:?}", record.keys);
            assert_eq!(alive.get(&key), record.old.as_ref(), "seed {seed}");
            if record.by_service {
                let Some(AttributeValue::N(expires)) = record.old.as_ref().and_then(|old| old.get("expires")) else {
                    unreachable!("seed {seed}: it had no time to live");
                };
                assert!(expires.to_i64() <= Some(record.created.seconds()), "seed {seed}");
            }
            match record.new {
                Some(new) => alive.insert(key, new),
                None => alive.remove(&key),
            };
        }
        assert!(alive.is_empty(), "seed {seed}");
        is_sound(&two)?;
    }
    Ok(())
}

#[test]
fn the_lease_of_expiry_is_not_that_of_maintenance() -> Outcome {
    let clock = frozen();
    let [one, two] = processes(&clock)?;
    let act = |store: &Store, duty| now(store.step_of(duty, |_| async { Ok(()) }));
    assert_eq!(act(&one, Duty::Maintenance)?, Some(()));
    assert_eq!(act(&two, Duty::Expiry)?, Some(()));
    assert_eq!((act(&two, Duty::Maintenance)?, act(&one, Duty::Expiry)?), (None, None));
    Ok(())
}
