//! Times follow from samples alone: they never decrease, never change, and agree with the versions they are looked up by.

use proptest::prelude::*;

use super::*;

/// What the samplers saw: the clock's step (which may be back), whether it was moving, versions passed.
fn history() -> impl Strategy<Value = Vec<(i64, bool, u64)>> {
    let versions = prop_oneof![1_u64..2_000, 1_000_000_u64..9_000_000, Just(100_000_000)];
    prop::collection::vec((-20_000_i64..20_000, any::<bool>(), versions), 1..12)
}

fn samples(history: &[(i64, bool, u64)]) -> Vec<Sample> {
    let (mut clock, mut version) = (Timestamp(1_000_000), Version(77));
    let mut samples: Vec<Sample> = Vec::new();
    for (step, moving, passed) in history {
        clock = clock.plus_millis(*step);
        version = Version(version.0 + passed);
        let previous = samples.last().map(Sample::as_previous);
        let value = SampleValue { clock, moving: *moving, previous };
        samples.push(Sample::new(Versionstamp::first_of(version), &value));
    }
    samples
}

fn times(samples: &[Sample]) -> Versions {
    let through = samples.last().map_or(Version::MIN, |sample| sample.stamp.version());
    Versions::Sampled { samples: Arc::new(samples.to_vec()), through }
}

proptest! {
    #[test]
    fn times_never_decrease_and_never_change_once_later_samples_follow(
        history in history(), picked in prop::collection::vec(0_u64..300_000_000, 2..20),
    ) {
        let all = samples(&history);
        let (now, mut picked) = (times(&all), picked);
        picked.extend(all.iter().flat_map(|sample| [sample.stamp.version().0, sample.stamp.version().0 - 1]));
        picked.sort_unstable();
        let found: Vec<Timestamp> = picked.iter().filter_map(|version| now.time_of(Version(*version))).collect();
        prop_assert!(found.is_sorted(), "{found:?}");
        for earlier in 1..all.len() {
            let through = all[earlier].stamp.version();
            let then = times(&all[..earlier]);
            for version in picked.iter().filter(|version| **version < through.0) {
                prop_assert_eq!(then.time_of(Version(*version)), now.time_of(Version(*version)));
            }
        }
    }

    #[test]
    fn a_version_is_found_by_its_time(
        history in history(), behind in 0_u64..30_000_000, near in any::<prop::sample::Index>(), off in -15_000_i64..15_000,
    ) {
        let all = samples(&history);
        let through = Version(all.last().map_or(0, |sample| sample.stamp.version().0) + behind);
        let times = times(&all);
        let time = all[near.index(all.len())].time.plus_millis(off);
        let found = version_at(&all, through, time);
        if found > Version::MIN {
            prop_assert!(times.time_of(Version(found.0 - 1)) < Some(time), "everything before it is earlier");
        }
        if found <= through {
            prop_assert!(times.time_of(found) >= Some(time), "it is not earlier itself");
        }
        prop_assert!(found <= through.next(), "what cannot be known yet is not left out");
    }

    #[test]
    fn a_leap_of_versions_adds_ten_seconds_at_most_and_only_once(history in history()) {
        let all = samples(&history);
        let mut latest = Timestamp(i64::MIN);
        for sample in &all {
            latest = latest.max(sample.clock);
            prop_assert!(sample.time >= latest && sample.time <= latest.plus_millis(MOST_AHEAD_MILLIS));
        }
    }
}

/// Whether an engine's versions told the time, and what samplers saw there.
type Incarnation = (bool, Vec<(i64, bool, u64)>);

/// Incarnations one after the other, each engine's versions beginning anywhere.
fn incarnations() -> impl Strategy<Value = Vec<Incarnation>> {
    prop::collection::vec((any::<bool>(), history()), 1..5)
}

/// Some positions of each incarnation in their order, and the times of a database copied so often.
fn copied(incarnations: &[Incarnation]) -> (Vec<Position>, Times) {
    let (mut past, mut positions) = (Vec::new(), Vec::new());
    let mut present = Versions::Told;
    for (incarnation, (told, history)) in (1_u16..).zip(incarnations) {
        let samples = samples(history);
        let versions = if *told { Versions::Told } else { times(&samples) };
        let version = |sample: &Sample| if *told { Version::at(sample.time, 0) } else { sample.stamp.version() };
        positions.extend(samples.iter().map(|sample| Position::before_version(incarnation, version(sample))));
        present = versions.clone();
        let so_far = Times { past: Arc::new(past.clone()), incarnation, present: versions.clone() };
        let last = positions.last().copied().unwrap_or_default();
        past.push(Past { incarnation, versions, ended: so_far.time_of(last) });
    }
    past.pop();
    let incarnation = u16::try_from(incarnations.len()).unwrap_or_default();
    (positions, Times { past: Arc::new(past), incarnation, present })
}

proptest! {
    #[test]
    fn times_never_decrease_over_seams_and_positions_are_found_by_them(
        incarnations in incarnations(), near in any::<prop::sample::Index>(), off in prop_oneof![Just(0_i64), -15_000_i64..15_000],
    ) {
        let (positions, times) = copied(&incarnations);
        prop_assert!(positions.is_sorted());
        let told: Vec<Timestamp> = positions.iter().map(|position| times.time_of(*position)).collect();
        prop_assert!(told.is_sorted(), "{told:?}");
        let time = told[near.index(told.len())].plus_millis(off);
        let found = times.position_at(time);
        for (position, told) in positions.iter().zip(&told) {
            prop_assert_eq!(*position >= found, *told >= time, "{:?} at {:?}, found {:?} for {:?}", position, told, found, time);
        }
    }
}
