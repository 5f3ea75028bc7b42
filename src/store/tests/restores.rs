//! Backups and restores while the source is written to, and where several processes share it: one dies, another goes on.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::keyspace;
use crate::kv::faults::Kind;
use crate::store::backup::BackupStatus;
use crate::store::restore::RestoreFrom;

type Items = BTreeMap<String, Item>;

fn keyed(id: usize) -> Key {
    Key { partition: vec![AttributeValue::S(format!("{id:04}"))], sort: vec![] }
}

/// Puts an item with this note, or deletes it if there is none.
fn write(store: &Store, id: usize, note: Option<&str>) -> Outcome {
    let table = now(store.current_table(&realm(), "t"))?;
    let key = keyed(id);
    let change = note.map_or(Change::Delete, |note| {
        let mut item: Item = key.to_item(&table.key);
        item.insert("note".into(), AttributeValue::S(note.to_owned()));
        item.insert("group".into(), AttributeValue::S("g".to_owned()));
        Change::Put(item)
    });
    let (table, key, change) = (&*table, &key, &change);
    now(store.transact(|transaction| async move {
        let row = transaction.row(table, key).await?;
        transaction.write(table, row, change.clone(), Actor::User)
    }))?;
    Ok(())
}

fn items(store: &Store, name: &str) -> Result<Items, Error> {
    let table = now(store.current_table(&realm(), name))?;
    let (mut items, mut start) = (Items::new(), None);
    loop {
        let scan =
            Scan { table: &table, index: None, segment: None, start: start.as_ref(), limit: None, fetch: Fetch::Whole };
        let page = now(store.scan(&scan, &|_| Ok(true)))?;
        for item in page.items {
            items.insert(format!("{:?}", item.get("id")), item);
        }
        let Some(last) = page.last else { return Ok(items) };
        let table = Key::of(&table.key, &last).ok_or_else(|| corrupt("no key"))?;
        start = Some(Start { table, index: None });
    }
}

/// What AWS restores of a table, under another name.
fn like(source: &Table, name: &str) -> TableDefinition {
    TableDefinition {
        name: name.to_owned(),
        attribute_definitions: source.attribute_definitions.clone(),
        key: source.key.clone(),
        indexes: vec![],
        stream: None,
        billing_mode: BillingMode::PayPerRequest,
        throughput: None,
        deletion_protection: false,
        settings: Settings::default(),
        tags: Tags::new(),
        policy: None,
    }
}

fn recover(days: Option<u16>) -> TableChange {
    TableChange::PointInTime(days)
}

fn step(store: &Store, job: JobId) -> Result<bool, Error> {
    let pace = &Pace::of(50);
    now(store.run(|transaction| {
        let store = store.clone();
        async move { store.transfer_step(&transaction, job, pace).await }
    }))
}

fn from_backup(backup: &Backup) -> RestoreFrom<'_> {
    RestoreFrom::Backup { realm: &backup.table.realm, table: &backup.table.name, id: &backup.id }
}

fn restored(store: &Store, from: RestoreFrom<'_>, name: &str) -> Result<Items, Error> {
    now(store.restore_table(&realm(), name, from, |source| Ok(like(source, name))))?;
    let table = now(store.current_table(&realm(), name))?;
    assert_eq!(now(store.check(&table))?, Vec::<String>::new());
    let found = items(store, name)?;
    now(store.delete_table(&realm(), name))?;
    Ok(found)
}

#[test]
fn a_backup_is_the_table_as_it_was_whatever_is_written_while_it_is_filled() -> Outcome {
    for stream in [None, Some(StreamViewType::NewAndOldImages)] {
        let [one, two] = processes(&frozen())?;
        table(&one, stream)?;
        let large = "large ".repeat(4_000);
        for id in 0..300 {
            write(&one, id, Some(if id % 50 == 0 { &large } else { "before" }))?;
        }
        let before = items(&one, "t")?;
        let (backup, job) = now(one.begin_user_backup(&realm(), "t", "nightly"))?;
        let mut at = 0;
        while step(&one, job)? {
            // Of both processes, in front of the cursor and behind it, more than once.
            for (number, store) in [&one, &two, &one, &two].into_iter().enumerate() {
                let id = (at * 37 + number * 101) % 320;
                write(store, id, (number != 2).then_some(if number == 3 { &large } else { "after" }))?;
                at += 1;
            }
            is_sound(&two)?;
        }
        assert!(at > 20, "it took several steps");
        assert_ne!(items(&two, "t")?, before);
        assert_eq!(restored(&two, from_backup(&backup), "restored")?, before);
        let described = now(two.backup(&realm(), "t", &backup.id))?;
        assert_eq!((described.status, described.items), (BackupStatus::Available, 300));
        // Nothing is logged any more, and nothing is left of it.
        let current = now(one.current_table(&realm(), "t"))?;
        assert!(!current.is_logged());
        one.clock().advance(26 * HOUR);
        now(one.maintain_now())?;
        now(one.maintain_now())?;
        let log = current.space(&one).all_changes();
        assert!(now(one.database().begin().range(&log.into_read()))?.pairs.is_empty());
        is_sound(&one)?;
        assert_eq!(restored(&two, from_backup(&backup), "again")?, before);
        now(two.delete_backup(&realm(), "t", &backup.id))?;
        assert_eq!(jobs(&two)?, 0);
    }
    Ok(())
}

#[test]
fn what_a_dead_process_was_filling_is_finished_by_another() -> Outcome {
    let clock = frozen();
    let [dying, other] = processes(&clock)?;
    table(&dying, None)?;
    for id in 0..200 {
        write(&dying, id, Some("before"))?;
    }
    let before = items(&dying, "t")?;
    let (backup, job) = now(dying.begin_user_backup(&realm(), "t", "nightly"))?;
    assert!(step(&dying, job)?);
    drop(dying);
    write(&other, 7, Some("after"))?;
    clock.advance(61_000);
    now(other.maintain())?;
    clock.advance(61_000);
    now(other.maintain())?;
    assert_eq!(now(other.backup(&realm(), "t", &backup.id))?.status, BackupStatus::Available);
    let (table, job) =
        now(other.begin_restore(&realm(), "new", from_backup(&backup), |source| Ok(like(source, "new"))))?;
    assert!(step(&other, job)?);
    // It can be described and nothing else, and its backup is in use.
    assert!(now(other.table_being_restored(&realm(), "new"))?.is_some());
    assert!(matches!(now(other.current_table(&realm(), "new")), Err(Error::ResourceNotFound(_))));
    assert!(matches!(now(other.delete_table(&realm(), "new")), Err(Error::ResourceNotFound(_))));
    assert!(matches!(now(other.create_table(&realm(), like(&table, "new"))), Err(Error::ResourceInUse(_))));
    let again = |name: &'static str| {
        now(other.restore_table(&realm(), name, from_backup(&backup), |source| Ok(like(source, name))))
    };
    assert!(matches!(again("new"), Err(Error::TableInUse(_))));
    assert!(matches!(again("another"), Err(Error::BackupInUse(_))));
    assert!(matches!(now(other.delete_backup(&realm(), "t", &backup.id)), Err(Error::BackupInUse(_))));
    clock.advance(61_000);
    now(other.maintain())?;
    clock.advance(61_000);
    now(other.maintain())?;
    assert_eq!(items(&other, "new")?, before);
    assert_eq!(jobs(&other)?, 0);
    now(other.delete_backup(&realm(), "t", &backup.id))?;
    Ok(())
}

#[test]
fn a_table_that_is_deleted_stays_until_what_is_filled_from_it_is_full() -> Outcome {
    let clock = frozen();
    let [store, _] = processes(&clock)?;
    let source = table(&store, None)?;
    for id in 0..200 {
        write(&store, id, Some("before"))?;
    }
    let before = items(&store, "t")?;
    let (backup, job) = now(store.begin_user_backup(&realm(), "t", "nightly"))?;
    assert!(step(&store, job)?);
    write(&store, 3, None)?;
    now(store.delete_table(&realm(), "t"))?;
    clock.advance(50_000);
    now(store.maintain_now())?;
    assert!(keys_of(&store, &source)? > 200, "it is held");
    while step(&store, job)? {}
    now(store.maintain_now())?;
    assert_eq!((keys_of(&store, &source)?, jobs(&store)?), (0, 0));
    assert_eq!(restored(&store, from_backup(&backup), "restored")?, before);
    Ok(())
}

#[test]
fn a_restore_to_a_moment_outlives_the_end_of_the_recovery_and_further_writes() -> Outcome {
    let clock = frozen();
    let [store, other] = processes(&clock)?;
    table(&store, None)?;
    now(store.change_table(&realm(), "t", &[recover(Some(2))]))?;
    for id in 0..200 {
        write(&store, id, Some("before"))?;
    }
    clock.advance(10_000);
    let (moment, before) = (clock.now(), items(&store, "t")?);
    clock.advance(1);
    for id in 0..100 {
        write(&other, id * 2, None)?;
    }
    clock.advance(10 * MINUTE);
    let realm = realm();
    let from = RestoreFrom::Table { realm: &realm, name: "t", at: Some(moment) };
    let (_, job) = now(store.begin_restore(&realm, "new", from, |source| Ok(like(source, "new"))))?;
    assert!(step(&store, job)?);
    now(store.change_table(&realm, "t", &[recover(None)]))?;
    for id in 0..200 {
        write(&other, id, Some("later"))?;
    }
    clock.advance(40_000);
    now(store.maintain_now())?;
    while step(&store, job)? {}
    assert_eq!(items(&store, "new")?, before);
    now(store.maintain_now())?;
    let source = now(store.current_table(&realm, "t"))?;
    let log = source.space(&store).all_changes();
    assert!(now(store.database().begin().range(&log.into_read()))?.pairs.is_empty());
    is_sound(&store)?;
    let late = now(store.begin_restore(&realm, "late", from, |source| Ok(like(source, "late"))));
    assert!(matches!(late, Err(Error::PointInTimeRecoveryUnavailable(_))));
    Ok(())
}

#[test]
fn the_past_is_read_page_by_page_while_it_changes_and_not_once_it_is_gone() -> Outcome {
    let clock = frozen();
    let [store, other] = processes(&clock)?;
    table(&store, Some(StreamViewType::KeysOnly))?;
    now(store.change_table(&realm(), "t", &[recover(Some(1))]))?;
    for id in 0..60 {
        write(&store, id, Some("before"))?;
    }
    clock.advance(1_000);
    let moment = clock.now();
    let before: Vec<Item> = items(&store, "t")?.into_values().collect();
    clock.advance(1_000);
    // So often that its entries fill more than one read.
    for number in 0..700 {
        write(&other, 17, Some(&format!("{number}")))?;
    }
    let as_of = now(store.as_of(&realm(), "t", Some(moment)))?;
    // As a job keeps it.
    let kept = keyspace::encode_versioned_json(1, &as_of)?;
    let as_of: AsOf = keyspace::decode_versioned_json(1, &kept)?;
    let read = |limit: usize, bytes: usize| -> Result<Vec<Item>, Error> {
        let (mut found, mut cursor) = (Vec::new(), None);
        for round in 0.. {
            let page = now(other.items_as_of(&as_of, cursor.as_deref(), limit, bytes))?;
            assert!(page.items.len() <= limit);
            found.extend(page.items);
            write(&store, round % 60, (round % 3 > 0).then_some("meanwhile"))?;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        found.sort_by_key(|item| format!("{:?}", item.get("id")));
        Ok(found)
    };
    for (limit, bytes) in [(7, 1_000_000), (100, 100), (1, 1), (1_000, 1_000_000)] {
        assert_eq!(read(limit, bytes)?, before, "{limit} {bytes}");
    }
    // An hour longer than it can be asked for.
    clock.advance(24 * HOUR + 50 * MINUTE);
    now(store.maintain_now())?;
    assert_eq!(read(100, 1_000_000)?, before);
    clock.advance(2 * HOUR);
    now(store.maintain_now())?;
    is_sound(&store)?;
    assert!(matches!(read(100, 1_000_000), Err(Error::PointInTimeRecoveryUnavailable(_))));
    let today = now(store.as_of(&realm(), "t", Some(clock.now())))?;
    now(store.change_table(&realm(), "t", &[recover(None)]))?;
    let page = now(store.items_as_of(&today, None, 10, 1_000));
    assert!(matches!(page, Err(Error::PointInTimeRecoveryUnavailable(_))));
    Ok(())
}

#[test]
fn what_changed_between_two_moments_is_told_once_for_each_item() -> Outcome {
    let clock = frozen();
    let [store, other] = processes(&clock)?;
    table(&store, None)?;
    now(store.change_table(&realm(), "t", &[recover(Some(1))]))?;
    let mut states = Vec::new();
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..6 {
        for _ in 0..40 {
            let note = format!(
                "{}{}",
                random.u8(..),
                if random.u8(0..9) == 0 { "large ".repeat(3_000) } else { String::new() }
            );
            let store = if random.bool() { &store } else { &other };
            write(store, random.usize(0..30), (random.u8(0..4) > 0).then_some(&note))?;
        }
        clock.advance(1_000);
        states.push((now(store.as_of(&realm(), "t", Some(clock.now())))?, items(&store, "t")?));
        clock.advance(1_000);
    }
    for (from, before) in &states {
        for (to, after) in &states {
            let (mut changes, mut cursor) = (BTreeMap::new(), None);
            loop {
                let page = now(store.changes_between((from, to), cursor.as_deref(), 4, 30_000))?;
                assert!(page.changes.len() <= 4);
                for change in page.changes {
                    let key = format!("{:?}", change.keys.get("id"));
                    assert_eq!((change.old.as_ref(), change.new.as_ref()), (before.get(&key), after.get(&key)));
                    assert!(changes.insert(key, change).is_none(), "told twice");
                }
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            let ids = before.keys().chain(after.keys());
            let different: BTreeSet<&String> = ids.filter(|id| before.get(*id) != after.get(*id)).collect();
            if from.before <= to.before {
                assert!(different.iter().all(|id| changes.contains_key(*id)), "something is missing");
            } else {
                assert!(changes.is_empty());
            }
        }
    }
    Ok(())
}

#[test]
fn a_large_item_lives_as_long_as_a_stream_or_the_log_shows_it() -> Outcome {
    // The log is trimmed first where the stream's records are kept longer.
    for (retention, days) in [(24 * HOUR, 3), (96 * HOUR, 1)] {
        let clock = frozen();
        let database = kv::Database::memory(clock.clone());
        let options = Options { record_retention_millis: retention, ..Options::default() };
        let store = now(Store::open_with(database, "shared".into(), options))?;
        table(&store, Some(StreamViewType::NewAndOldImages))?;
        now(store.change_table(&realm(), "t", &[recover(Some(days))]))?;
        let large = "large ".repeat(4_000);
        for round in 0..3 {
            for id in 0..3 {
                write(&store, id, Some(&format!("{large}{round}")))?;
            }
        }
        let blobs = |store: &Store| -> Result<usize, Error> {
            let table = now(store.current_table(&realm(), "t"))?;
            Ok(now(store.database().begin().range(&table.space(store).blobs().into_read()))?.pairs.len())
        };
        assert_eq!(blobs(&store)?, 9);
        now(store.change_table(&realm(), "t", &[TableChange::DisableStream]))?;
        write(&store, 0, Some("small"))?;
        write(&store, 1, None)?;
        assert_eq!(blobs(&store)?, 9);
        for _ in 0..6 {
            is_sound(&store)?;
            assert_eq!(blobs(&store)?, 9);
            clock.advance(14 * HOUR);
            if clock.now().millis() - 1_700_000_000_000 > 72 * HOUR {
                break;
            }
            now(store.maintain_now())?;
        }
        clock.advance(30 * HOUR);
        now(store.maintain_now())?;
        is_sound(&store)?;
        assert_eq!(blobs(&store)?, 1, "that of the item that still has one");
    }
    Ok(())
}

#[test]
fn what_cannot_be_filled_is_taken_back_whole() -> Outcome {
    let plan = Plan::none().with_seed(5).with(Kind::ReadFailed, 0.004).with_opaque_versions();
    let database = kv::Database::faults(frozen(), plan);
    let faults = database.injected_faults().cloned().ok_or_else(|| corrupt("no faults"))?;
    faults.pause();
    let store = now(Store::open(database, "shared".into()))?;
    table(&store, None)?;
    for id in 0..100 {
        write(&store, id, Some("before"))?;
    }
    let before = items(&store, "t")?;
    let good = now(store.create_backup(&realm(), "t", "good"))?;
    let (all, ids) = (store.keyspace().everything(), store.keyspace().commit_ids_below(u64::MAX));
    let everything = |store: &Store| -> Result<usize, Error> {
        now(store.maintain_now())?;
        let page = now(store.database().begin().range(&all.clone().into_read()))?;
        Ok(page.pairs.iter().filter(|pair| !ids.contains(&pair.key)).count())
    };
    let (keys, mut failed) = (everything(&store)?, 0);
    for number in 0..40 {
        faults.resume();
        let outcome = match number % 2 {
            0 => now(store.create_backup(&realm(), "t", "more")).map(|backup| {
                faults.pause();
                now(store.delete_backup(&realm(), "t", &backup.id)).map(|_| ())
            }),
            _ => now(store.restore_table(&realm(), "new", from_backup(&good), |source| Ok(like(source, "new")))).map(
                |_| {
                    faults.pause();
                    now(store.delete_table(&realm(), "new")).map(|_| ())
                },
            ),
        };
        faults.pause();
        match outcome {
            Ok(deleted) => deleted?,
            Err(_) => failed += 1,
        }
        is_sound(&store)?;
        assert!(now(store.table_being_restored(&realm(), "new"))?.is_none());
        assert_eq!(everything(&store)?, keys);
    }
    assert!((1..40).contains(&failed), "{failed} of 40 failed");
    assert_eq!(restored(&store, from_backup(&good), "restored")?, before);
    Ok(())
}

#[test]
fn a_deleted_tables_backup_is_kept_for_its_time_and_then_goes() -> Outcome {
    let clock = frozen();
    let [store, _] = processes(&clock)?;
    let source = table(&store, Some(StreamViewType::NewAndOldImages))?;
    now(store.change_table(&realm(), "t", &[recover(Some(35))]))?;
    for id in 0..30 {
        write(&store, id, Some("before"))?;
    }
    let before = items(&store, "t")?;
    now(store.delete_table(&realm(), "t"))?;
    let listed = || now(store.list_backups(&realm(), Some("t"), None, 10, |_| true));
    let (backups, more) = listed()?;
    assert_eq!((backups.len(), more), (1, false));
    assert_eq!(backups[0].name, "t$DeletedTableBackup");
    assert!(backups[0].id.ends_with("-00000000"));
    assert!(matches!(now(store.delete_backup(&realm(), "t", &backups[0].id)), Err(Error::Validation(_))));
    clock.advance(34 * 24 * HOUR);
    now(store.maintain_now())?;
    now(store.maintain_now())?;
    assert_eq!((keys_of(&store, &source)?, jobs(&store)?), (0, 0));
    assert_eq!(restored(&store, from_backup(&backups[0]), "restored")?, before);
    clock.advance(24 * HOUR);
    now(store.maintain_now())?;
    now(store.maintain_now())?;
    assert!(listed()?.0.is_empty());
    assert_eq!(jobs(&store)?, 0);
    Ok(())
}
