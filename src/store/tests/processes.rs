//! What processes see of each other's changes, and what one that dies leaves to the others.

use super::*;
use crate::keyspace::JobKind;

#[test]
fn an_index_that_a_dead_process_was_filling_is_finished_by_another() -> Outcome {
    let clock = frozen();
    let [dying, other] = processes(&clock)?;
    let before = table(&dying, None)?;
    put(&dying, &before, 0..500)?;
    let changes = [new_index(), TableChange::EnableStream(StreamViewType::KeysOnly)];
    let begun = now(dying.begin_change(&realm(), "t", &changes))?;
    let job = begun.job.ok_or_else(|| corrupt("no job was left"))?;
    clock.advance(30_000);
    fill_a_little(&dying, job)?;
    drop(dying);

    clock.advance(31_000);
    let commits = other.work().commits;
    now(other.maintain())?;
    assert!(other.work().commits > commits, "maintenance was due");
    let building = now(other.current_table(&realm(), "t"))?;
    assert_eq!(building.indexes[0].status, IndexStatus::Creating, "its worker was heard of a moment ago");
    put(&other, &building, 490..510)?;
    clock.advance(3 * MINUTE);
    now(other.maintain())?;
    let finished = filled(&other, 510)?;
    assert!(finished.stream.is_some(), "what else the request asked for has happened with it");
    Ok(())
}

#[test]
fn a_fill_whose_changes_became_impossible_is_taken_back_by_whoever_goes_on_with_it() -> Outcome {
    let clock = frozen();
    let [dying, other] = processes(&clock)?;
    let before = table(&dying, None)?;
    put(&dying, &before, 0..50)?;
    let stream = TableChange::EnableStream(StreamViewType::KeysOnly);
    now(dying.begin_change(&realm(), "t", &[new_index(), stream.clone()]))?;
    drop(dying);
    now(other.change_table(&realm(), "t", &[stream]))?;
    clock.advance(3 * MINUTE);
    now(other.maintain())?;
    assert!(now(other.current_table(&realm(), "t"))?.indexes.is_empty());
    assert_eq!(jobs(&other)?, 0);
    is_sound(&other)
}

#[test]
fn what_a_dead_process_left_of_a_deleted_table_is_swept_by_another() -> Outcome {
    let clock = frozen();
    let [dying, other] = processes(&clock)?;
    let deleted = table(&dying, None)?;
    put(&dying, &deleted, 0..2_500)?;
    let (_, swept, _) = now(dying.unlink_table(&realm(), "t"))?;
    assert_eq!(swept, sweep::Swept::Everything);
    assert!(keys_of(&other, &deleted)? >= 2_500);
    drop(dying);
    // The name is free at once, and the new table is nobody's to sweep.
    assert!(matches!(now(other.current_table(&realm(), "t")), Err(Error::ResourceNotFound(_))));
    let again = table(&other, None)?;
    assert_ne!(again.id, deleted.id);
    put(&other, &again, 0..10)?;
    clock.advance(3 * MINUTE);
    let before = other.work();
    now(other.maintain())?;
    assert_eq!((keys_of(&other, &deleted)?, jobs(&other)?), (0, 0));
    assert!(other.work().since(&before).commits >= 3, "in steps");
    assert_eq!(now(other.statistics(&again))?.0.items, 10);
    is_sound(&other)
}

#[test]
fn a_step_of_a_sweep_is_bounded_and_the_next_goes_on_where_it_ended() -> Outcome {
    let [store, _] = processes(&frozen())?;
    let deleted = table(&store, None)?;
    put(&store, &deleted, 0..2_500)?;
    now(store.unlink_table(&realm(), "t"))?;
    let id = JobId { table: TableId(deleted.id), kind: JobKind::Sweep, index: 0 };
    let mut left = vec![keys_of(&store, &deleted)?];
    let step = || {
        now(store.run(|transaction| {
            let store = store.clone();
            async move { store.sweep_step(&transaction, id).await }
        }))
    };
    while step()? {
        left.push(keys_of(&store, &deleted)?);
    }
    assert!(left.windows(2).all(|pair| pair[0] - pair[1] == 1_000), "{left:?}");
    assert_eq!((left.len(), keys_of(&store, &deleted)?, jobs(&store)?), (3, 0, 0));
    Ok(())
}

#[test]
fn an_index_is_gone_at_once_and_its_entries_are_swept_by_whoever_comes() -> Outcome {
    let clock = frozen();
    let [dying, other] = processes(&clock)?;
    let before = table(&dying, None)?;
    put(&dying, &before, 0..100)?;
    now(dying.change_table(&realm(), "t", &[new_index()]))?;
    now(dying.begin_change(&realm(), "t", &[TableChange::DeleteIndex("late".to_owned())]))?;
    drop(dying);
    is_sound(&other)?;
    let without = now(other.current_table(&realm(), "t"))?;
    let entries = keys_of(&other, &without)?;
    clock.advance(3 * MINUTE);
    now(other.maintain())?;
    assert_eq!(entries - keys_of(&other, &without)?, 102, "entries and two counters");
    now(other.change_table(&realm(), "t", &[new_index()]))?;
    is_sound(&other)
}

#[test]
fn a_schema_changed_by_one_process_is_seen_by_the_other_at_once() -> Outcome {
    let [one, two] = processes(&frozen())?;
    table(&one, None)?;
    let cached = now(two.table(&realm(), "t"))?;
    put(&two, &cached, 0..1)?;
    now(one.change_table(&realm(), "t", &[TableChange::EnableStream(StreamViewType::KeysOnly)]))?;
    assert_eq!(put(&two, &cached, 1..2), Err(Error::SchemaChanged));
    put(&two, &*now(two.table(&realm(), "t"))?, 1..2)?;
    assert_eq!(records(&one, &newest_stream(&one)?, &StreamStart::TrimHorizon)?.len(), 1);
    Ok(())
}

#[test]
fn one_process_at_a_time_maintains_and_one_that_lost_the_lease_cannot_act() -> Outcome {
    let clock = frozen();
    let [one, two] = processes(&clock)?;
    let streamed = table(&one, Some(StreamViewType::KeysOnly))?;
    put(&one, &streamed, 0..20)?;
    clock.advance(25 * HOUR);
    now(one.maintain())?;
    let trimmed = keys_of(&one, &streamed)?;
    let before = two.work();
    now(two.maintain())?;
    let work = two.work().since(&before);
    assert_eq!(
        (work.pairs_read, work.keys_written),
        (1, 0),
        "it looks for a sample of the time, and maintains nothing"
    );
    assert_eq!(keys_of(&one, &streamed)?, trimmed, "trimmed once");
    let act = |store: &Store| {
        now(store.step(|transaction| async move { Ok(transaction.kv().clear(&store.keyspace().lease("another"))?) }))
    };
    assert_eq!(act(&two)?, None);
    assert_eq!(act(&one)?, Some(()));
    clock.advance(3 * MINUTE);
    assert_eq!(act(&two)?, Some(()), "taken over once it has run out");
    assert_eq!(act(&one)?, None, "however long the first one slept");
    // A lease from a future that was taken back holds nobody up.
    clock.advance(-HOUR);
    assert_eq!(act(&one)?, Some(()));
    Ok(())
}

/// A clock that leaps in one process takes away commit ids that another may still ask after.
#[test]
fn what_commit_ids_were_removed_is_written_down_and_no_new_one_lies_among_them() -> Outcome {
    let clock = frozen();
    let [one, other] = processes(&clock)?;
    let table = table(&one, None)?;
    put(&one, &table, 0..1)?;
    clock.advance(600 * MINUTE);
    now(one.maintain())?;
    clock.advance(-600 * MINUTE);
    let removed = now(one.database().begin().get(&one.keyspace().removed_commit_ids(), Isolation::Snapshot))?;
    let removed = removed.ok_or_else(|| corrupt("nothing was written down"))?;
    let is_removed = |store: &Store| kv::CommitIds::fresh(&store.commit_ids()) < removed.to_vec();
    assert_eq!((is_removed(&one), is_removed(&other)), (false, true));
    now(other.look_for_removed_commit_ids())?;
    assert!(!is_removed(&other), "once it has asked");
    // A clock that was behind takes nothing back.
    clock.advance(300 * MINUTE);
    now(one.maintain())?;
    let after = now(one.database().begin().get(&one.keyspace().removed_commit_ids(), Isolation::Snapshot))?;
    assert_eq!(after, Some(removed));
    Ok(())
}
