//! What a copy takes over of work that nobody has finished, and of times that only samples tell.

use super::*;

pub(super) fn copied(store: &Store, to: kv::Database) -> Result<Store, Error> {
    let place = Place { database: to, prefix: "moved".into() };
    now(copy(store.place(), place.clone())).map_err(|error| corrupt(&error.to_string()))?;
    now(Store::open(place.database, place.prefix))
}

/// Later by an hour than the clock of the source, so that whoever worked there has fallen silent.
fn later(clock: &Clock) -> Clock {
    Clock::deterministic(clock.now().plus_millis(HOUR), 8)
}

#[test]
fn an_index_half_filled_is_finished_in_the_copy() -> Outcome {
    let clock = frozen();
    let [store, _] = processes(&clock)?;
    let before = table(&store, None)?;
    put(&store, &before, 0..500)?;
    let begun = now(store.begin_change(&realm(), "t", &[new_index()]))?;
    let job = begun.job.ok_or_else(|| corrupt("no job was left"))?;
    fill_a_little(&store, job)?;
    let copy = copied(&store, kv::Database::memory(later(&clock)))?;
    put(&copy, &*now(copy.current_table(&realm(), "t"))?, 490..510)?;
    copy.clock().advance(3 * MINUTE);
    now(copy.maintain())?;
    filled(&copy, 510).map(drop)
}

#[test]
fn what_is_left_of_a_deleted_table_is_swept_in_the_copy() -> Outcome {
    let clock = frozen();
    let [store, _] = processes(&clock)?;
    let deleted = table(&store, None)?;
    put(&store, &deleted, 0..1_500)?;
    now(store.unlink_table(&realm(), "t"))?;
    let copy = copied(&store, kv::Database::memory(later(&clock)))?;
    assert!(keys_of(&copy, &deleted)? >= 1_500);
    let again = table(&copy, None)?;
    assert_ne!(again.id, deleted.id);
    copy.clock().advance(3 * MINUTE);
    now(copy.maintain())?;
    assert_eq!((keys_of(&copy, &deleted)?, jobs(&copy)?), (0, 0));
    is_sound(&copy)
}

#[test]
fn sampled_times_stay_what_they_were_until_nobody_can_ask_for_them() -> Outcome {
    let clock = frozen();
    let [store, _] = processes(&clock)?;
    let streamed = table(&store, Some(StreamViewType::KeysOnly))?;
    for round in 0..30 {
        put(&store, &streamed, round..round + 1)?;
        clock.advance(30_000);
    }
    let before = records(&store, &newest_stream(&store)?, &StreamStart::TrimHorizon)?;
    let copy = copied(&store, kv::Database::memory(Clock::deterministic(clock.now(), 8)))?;
    let stream = newest_stream(&copy)?;
    let told = |records: &[Record]| -> Vec<(String, Timestamp)> {
        records.iter().map(|record| (record.sequence_number.clone(), record.created)).collect()
    };
    assert_eq!(told(&records(&copy, &stream, &StreamStart::TrimHorizon)?), told(&before));
    let asked = before[10].created;
    assert_eq!(told(&records(&copy, &stream, &StreamStart::AtTimestamp(asked))?), told(&before[10..]));
    let samples = |store: &Store| {
        let range = store.keyspace().samples(1);
        now(store.database().begin().range(&RangeRead::new(range.begin, range.end))).map(|page| page.pairs.len())
    };
    copy.clock().advance(24 * HOUR);
    now(copy.maintain())?;
    assert!(samples(&copy)? >= 30, "an iterator may still be at one of them");
    copy.clock().advance(2 * HOUR);
    now(copy.maintain())?;
    assert_eq!(samples(&copy)?, 0);
    assert!(records(&copy, &stream, &StreamStart::TrimHorizon)?.is_empty());
    // Also for a handle that never knew them.
    let place = copy.place();
    let other = now(Store::open(place.database, place.prefix))?;
    put(&other, &*now(other.table(&realm(), "t"))?, 0..40)?;
    assert_eq!(records(&other, &stream, &StreamStart::TrimHorizon)?.len(), 10);
    Ok(())
}
