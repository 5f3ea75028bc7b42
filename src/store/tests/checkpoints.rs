//! Checkpoints: fenced, moved with what their consumer writes or not at all, and never led past what was not seen.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::kv::faults::Kind;

fn memory() -> Result<Store, Error> {
    now(Store::open(kv::Database::memory(frozen()), "checkpoints".into()))
}

const KEYS: Option<StreamViewType> = Some(StreamViewType::KeysOnly);

fn start(store: &Store) -> Result<StreamPlace, Error> {
    let stream = newest_stream(store)?;
    let cursor = now(store.stream_cursor(&stream, &StreamStart::TrimHorizon))?;
    Ok(StreamPlace { label: stream.label, cursor })
}

/// The place behind so many records of a stream.
fn behind(store: &Store, place: &StreamPlace, records: usize) -> Result<StreamPlace, Error> {
    let stream = now(store.stream(&realm(), "t", &place.label))?;
    let page = now(store.stream_records(&stream, place.cursor, records, 1 << 20))?;
    assert_eq!(page.records.len(), records);
    let done = page.records.last().map(|record| record.sequence_number.clone()).unwrap_or_default();
    let cursor = Cursor::after(&done).ok_or_else(|| corrupt("a sequence number"))?;
    assert_eq!(cursor.done(), done);
    Ok(StreamPlace { label: place.label.clone(), cursor })
}

fn moved(store: &Store, expected: Option<&StreamPlace>, to: Option<&StreamPlace>) -> Result<bool, Error> {
    now(store.move_checkpoint(&realm(), "t", "billing", Expected::At(expected), to))
}

fn found(store: &Store) -> Result<Option<StreamPlace>, Error> {
    Ok(now(store.checkpoint(&realm(), "t", "billing"))?.map(|checkpoint| checkpoint.place))
}

fn resumed(store: &Store) -> Result<Option<(String, Cursor)>, Error> {
    let resumed = now(store.resume(&realm(), "t", "billing"))?.ok_or_else(|| corrupt("no checkpoint"))?;
    Ok(resumed.next.stream().map(|(stream, cursor)| (stream.label, cursor)))
}

#[test]
fn a_checkpoint_moves_from_where_it_is_expected_and_from_nowhere_else() -> Outcome {
    let store = memory()?;
    let table = table(&store, KEYS)?;
    put(&store, &table, 0..5)?;
    let begin = start(&store)?;
    let two = behind(&store, &begin, 2)?;
    assert!(moved(&store, None, Some(&begin))?);
    assert!(!moved(&store, None, Some(&two))?, "it is there already");
    assert!(moved(&store, Some(&begin), Some(&two))?);
    assert!(!moved(&store, Some(&begin), Some(&begin))?, "another has moved it");
    assert_eq!(found(&store)?, Some(two.clone()));
    assert_eq!(resumed(&store)?, Some((two.label.clone(), two.cursor)));
    assert!(now(store.move_checkpoint(&realm(), "t", "billing", Expected::Anything, Some(&begin)))?, "a reset");
    assert_eq!(found(&store)?, Some(begin.clone()));
    let listed = now(store.checkpoints(&realm(), None))?;
    assert_eq!(listed, now(store.checkpoints(&realm(), Some("t")))?);
    assert_eq!((listed.len(), listed[0].name.as_str(), listed[0].moved), (1, "billing", store.clock().now()));
    assert!(now(store.checkpoints(&realm(), Some("tt")))?.is_empty());
    assert!(moved(&store, Some(&begin), None)?);
    assert_eq!(found(&store)?, None);
    assert!(!moved(&store, Some(&begin), Some(&two))?, "removed meanwhile");
    Ok(())
}

#[test]
fn of_two_moves_from_one_place_that_run_together_only_one_gets_on() -> Outcome {
    let store = memory()?;
    let table = table(&store, KEYS)?;
    put(&store, &table, 0..2)?;
    let begin = start(&store)?;
    let (one, two) = (behind(&store, &begin, 1)?, behind(&store, &begin, 2)?);
    assert!(moved(&store, None, Some(&begin))?);
    let attempts = AtomicUsize::new(0);
    let (begin, one, two, attempts, other) = (&begin, &one, &two, &attempts, &store);
    let late = now(store.transact(|transaction| async move {
        let expected = Expected::At(Some(begin));
        let late = transaction.move_checkpoint(&realm(), "t", "billing", expected, Some(two)).await?;
        if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
            assert!(late && moved(other, Some(begin), Some(one))?, "the other is not in its way");
        }
        Ok(late)
    }))?;
    assert_eq!((late, attempts.load(Ordering::SeqCst)), (false, 2));
    assert_eq!(found(&store)?.as_ref(), Some(one));
    Ok(())
}

#[test]
fn a_checkpoint_cannot_begin_in_a_stream_that_is_not_there() -> Outcome {
    let store = memory()?;
    table(&store, KEYS)?;
    let nowhere = StreamPlace { label: "2020-01-01T00:00:00.000".to_owned(), ..start(&store)? };
    assert!(matches!(moved(&store, None, Some(&nowhere)), Err(Error::ResourceNotFound(_))));
    assert_eq!(found(&store)?, None);
    Ok(())
}

/// What a consumer made of the changes, and how far it has come, must always agree.
fn consume(store: &Store, table: &Table, from: &StreamPlace, to: &StreamPlace, id: &str) -> Result<bool, Error> {
    let key = Key { partition: vec![AttributeValue::S(id.to_owned())], sort: vec![] };
    let key = &key;
    now(store.transact(|transaction| async move {
        if !transaction.move_checkpoint(&realm(), "t", "billing", Expected::At(Some(from)), Some(to)).await? {
            return Ok(false);
        }
        let row = transaction.row(table, key).await?;
        assert!(row.item().is_none(), "done twice");
        transaction.write(table, row, Change::Put(key.to_item(&table.key)), Actor::User)?;
        Ok(true)
    }))
}

#[test]
fn an_unknown_outcome_never_moves_a_checkpoint_twice_nor_leaves_half_of_a_move() -> Outcome {
    let kinds =
        [Kind::UnknownDid, Kind::UnknownDidNot, Kind::LaterDid, Kind::LaterNever, Kind::LaterLands, Kind::Conflict];
    for seed in 0..30 {
        let plan = kinds.into_iter().fold(Plan::none().with_seed(seed), |plan, kind| plan.with(kind, 0.12));
        let database = kv::Database::faults(frozen(), plan);
        let store = now(Store::open(database.clone(), "checkpoints".into()))?;
        let table = table(&store, KEYS)?;
        put(&store, &table, 0..20)?;
        let mut place = start(&store)?;
        assert!(moved(&store, None, Some(&place))?, "seed {seed}");
        for round in 0..20 {
            let next = behind(&store, &place, 1)?;
            assert!(consume(&store, &table, &place, &next, &format!("done-{round}"))?, "seed {seed}");
            assert!(!consume(&store, &table, &place, &next, &format!("done-{round}"))?, "seed {seed}");
            place = next;
        }
        if let Some(faults) = database.injected_faults() {
            faults.pause();
            faults.flush();
        }
        assert_eq!(found(&store)?, Some(place), "seed {seed}");
        assert_eq!(now(store.statistics(&table))?.0.items, 40, "seed {seed}");
    }
    Ok(())
}

#[test]
fn a_consumer_reads_a_stream_to_its_end_and_goes_on_with_the_next() -> Outcome {
    let store = memory()?;
    let first = table(&store, KEYS)?;
    put(&store, &first, 0..3)?;
    let begin = start(&store)?;
    assert!(moved(&store, None, Some(&begin))?);
    now(store.delete_table(&realm(), "t"))?;
    store.clock().advance(1);
    let again = table(&store, KEYS)?;
    put(&store, &again, 0..1)?;
    assert_eq!(resumed(&store)?, Some((begin.label.clone(), begin.cursor)), "first what is left of the old one");
    let old = now(store.stream(&realm(), "t", &begin.label))?;
    let page = now(store.stream_records(&old, begin.cursor, 10, 1 << 20))?;
    assert_eq!((page.records.len(), page.next), (3, None));
    let next = now(store.next_stream(&realm(), "t", page.place))?;
    let (stream, cursor) = next.stream().ok_or_else(|| corrupt("no next stream"))?;
    assert_eq!(stream, newest_stream(&store)?);
    assert_eq!(now(store.stream_records(&stream, cursor, 10, 1 << 20))?.records.len(), 1);
    assert_eq!(now(store.next_stream(&realm(), "t", cursor))?, Next::Table(again.id), "none yet");
    now(store.delete_table(&realm(), "t"))?;
    assert_eq!(now(store.next_stream(&realm(), "t", cursor))?, Next::Nothing, "nor will there be any");
    assert_eq!(
        now(store.next_stream(&realm(), "t", page.place))?.stream().map(|(stream, _)| stream.label),
        Some(stream.label)
    );
    Ok(())
}

#[test]
fn a_consumer_whose_stream_has_gone_is_told_of_the_table_that_may_have_another() -> Outcome {
    let store = memory()?;
    let table = table(&store, KEYS)?;
    assert!(moved(&store, None, Some(&start(&store)?))?);
    now(store.change_table(&realm(), "t", &[TableChange::DisableStream]))?;
    store.clock().advance(25 * HOUR);
    let next = now(store.resume(&realm(), "t", "billing"))?.map(|resumed| resumed.next);
    assert_eq!(next, Some(Next::Table(table.id)));
    Ok(())
}

#[test]
fn a_consumer_that_missed_nothing_goes_on_when_its_stream_has_gone() -> Outcome {
    for removed in [false, true] {
        let store = memory()?;
        let first = table(&store, KEYS)?;
        put(&store, &first, 0..3)?;
        let end = behind(&store, &start(&store)?, 3)?;
        assert!(moved(&store, None, Some(&end))?);
        now(store.delete_table(&realm(), "t"))?;
        store.clock().advance(HOUR);
        let again = table(&store, KEYS)?;
        store.clock().advance(23 * HOUR + 1);
        put(&store, &again, 0..1)?;
        if removed {
            store.clock().advance(MINUTE);
            now(store.maintain())?;
            assert_eq!(keys_of(&store, &first)?, 0);
        }
        assert_eq!(resumed(&store)?.map(|(label, _)| label), Some(newest_stream(&store)?.label), "removed: {removed}");
    }
    Ok(())
}

#[test]
fn a_consumer_that_missed_records_is_told_so_whatever_is_left_of_them() -> Outcome {
    for (deleted, waits) in [(false, 0), (false, MINUTE), (true, 0), (true, MINUTE), (true, 3 * HOUR)] {
        let store = memory()?;
        let first = table(&store, KEYS)?;
        put(&store, &first, 0..3)?;
        let two = behind(&store, &start(&store)?, 2)?;
        assert!(moved(&store, None, Some(&two))?);
        if deleted {
            now(store.delete_table(&realm(), "t"))?;
            store.clock().advance(1);
            table(&store, KEYS)?;
        } else {
            now(store.change_table(&realm(), "t", &[TableChange::DisableStream]))?;
            store.clock().advance(1);
            now(store.change_table(&realm(), "t", &[TableChange::EnableStream(StreamViewType::KeysOnly)]))?;
        }
        store.clock().advance(24 * HOUR);
        if waits > 0 {
            store.clock().advance(waits);
            now(store.maintain())?;
            now(store.maintain())?;
        }
        assert!(matches!(resumed(&store), Err(Error::TrimmedDataAccess(_))), "deleted: {deleted}, {waits} ms later");
    }
    Ok(())
}

#[test]
fn checkpoints_go_when_neither_table_nor_stream_of_their_name_is_left() -> Outcome {
    let store = memory()?;
    table(&store, KEYS)?;
    assert!(moved(&store, None, Some(&start(&store)?))?);
    now(store.delete_table(&realm(), "t"))?;
    store.clock().advance(23 * HOUR);
    now(store.maintain())?;
    assert!(found(&store)?.is_some(), "its stream can still be read");
    store.clock().advance(2 * HOUR);
    now(store.maintain())?;
    assert_eq!(found(&store)?, None);

    // As long as there is a table of the name it stays, and goes at the latest with that.
    let again = table(&store, KEYS)?;
    assert!(moved(&store, None, Some(&start(&store)?))?);
    now(store.delete_table(&realm(), "t"))?;
    let quiet = table(&store, None)?;
    assert_ne!(quiet.id, again.id);
    store.clock().advance(25 * HOUR);
    now(store.maintain())?;
    assert!(found(&store)?.is_some());
    now(store.delete_table(&realm(), "t"))?;
    assert_eq!(found(&store)?, None);
    Ok(())
}

#[test]
fn a_fork_goes_on_from_the_checkpoints_of_its_origin() -> Outcome {
    let store = memory()?;
    let table = table(&store, KEYS)?;
    put(&store, &table, 0..4)?;
    let two = behind(&store, &start(&store)?, 2)?;
    assert!(moved(&store, None, Some(&two))?);
    let fork = now(store.fork())?;
    let all = behind(&fork, &two, 2)?;
    assert!(moved(&fork, Some(&two), Some(&all))?);
    assert_eq!((found(&store)?, found(&fork)?), (Some(two), Some(all)));
    Ok(())
}
