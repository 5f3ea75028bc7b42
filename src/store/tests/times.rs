//! Times that follow from samples: right, immutable, and the same in every process.

use super::*;

#[test]
fn a_consumer_misses_nothing_of_what_several_processes_write_and_times_tell_when() -> Outcome {
    let clock = frozen();
    let [one, two] = processes(&clock)?;
    let streamed = table(&one, Some(StreamViewType::KeysOnly))?;
    let start = clock.now();
    for round in 0..60 {
        put(if round % 3 == 0 { &one } else { &two }, &streamed, round..round + 1)?;
        clock.advance(30_000);
    }
    let stream = newest_stream(&two)?;
    for store in [&one, &two] {
        let all = records(store, &stream, &StreamStart::TrimHorizon)?;
        let times: Vec<i64> = all.iter().map(|record| record.created.millis() - start.millis()).collect();
        assert_eq!(times, (0..60).map(|round| round * 30_000).collect::<Vec<_>>());
        let later = records(store, &stream, &StreamStart::AtTimestamp(start.plus_millis(10 * 30_000 - 7)))?;
        assert_eq!(later, all[10..]);
    }
    // Exactly the records that are past their 24 hours are gone, in the process that trims and in the other.
    clock.travel_to(start.plus_millis(24 * HOUR + 19 * 30_000 + 1));
    for store in [&one, &two] {
        assert_eq!(records(store, &stream, &StreamStart::TrimHorizon)?.len(), 40);
    }
    Ok(())
}

#[test]
fn on_a_running_clock_times_are_right_to_within_seconds_and_never_change() -> Outcome {
    let clock = Clock::system();
    let [one, two] = processes(&clock)?;
    let streamed = table(&one, Some(StreamViewType::KeysOnly))?;
    let mut told: Vec<Record> = Vec::new();
    let begun = clock.now();
    for round in 0..40 {
        put(if round % 2 == 0 { &one } else { &two }, &streamed, round..round + 1)?;
        clock.advance(1_700);
        let all = records(&two, &newest_stream(&one)?, &StreamStart::TrimHorizon)?;
        assert_eq!(all[..told.len()], told, "what was told stays true");
        assert!(all.is_sorted_by_key(|record| record.created));
        told = all;
    }
    assert_eq!(told.len(), 40);
    let ended = clock.now();
    assert!(told.iter().all(|record| record.created >= begun && record.created <= ended.plus_millis(10_000)));
    for (round, record) in told.iter().enumerate() {
        let asked = begun.plus_millis(round as i64 * 1_700);
        assert!(
            record.created.millis() >= asked.millis() - 6_800,
            "{round}: {} behind",
            asked.millis() - record.created.millis()
        );
    }
    Ok(())
}

#[test]
fn old_samples_of_the_time_are_dropped_and_no_time_changes_by_it() -> Outcome {
    let clock = frozen();
    let [one, two] = processes(&clock)?;
    let streamed = table(&one, Some(StreamViewType::KeysOnly))?;
    let samples = |store: &Store| {
        let range = store.keyspace().samples(1);
        now(store.database().begin().range(&RangeRead::new(range.begin, range.end))).map(|page| page.pairs.len())
    };
    for round in 0..60 {
        put(&one, &streamed, round..round + 1)?;
        clock.advance(HOUR);
    }
    let stream = newest_stream(&one)?;
    let before = records(&one, &stream, &StreamStart::TrimHorizon)?;
    clock.advance(2 * MINUTE);
    now(one.maintain())?;
    assert!((23..30).contains(&samples(&one)?), "{} samples are left", samples(&one)?);
    let after = records(&one, &stream, &StreamStart::TrimHorizon)?;
    assert!(before.ends_with(&after) && after.len() > 20);
    assert!(
        after.iter().eq(records(&two, &stream, &StreamStart::TrimHorizon)?.iter()),
        "also for one that read them late"
    );
    Ok(())
}
