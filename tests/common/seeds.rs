//! Seeds: how many runs of a seeded test there are, and on how many threads.
//!
//! `FDYNO_SEEDS` says how many seeds are run (50 without it; tests that usually run fewer run as many fewer then, too),
//! `FDYNO_SEED=n` runs seed n alone and has it tell what it does. A seed that fails is printed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many seeds there are where nothing else is said.
pub const USUAL_SEEDS: u64 = 50;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// Runs so many seeds, or the one that is asked for; `run` is told its seed, and whether it is alone. Whether as many
/// ran as usual, or more.
pub fn run(test: &str, usual: u64, run: impl Fn(u64, bool) + Sync) -> bool {
    if let Some(seed) = number("FDYNO_SEED") {
        run(seed, true);
        return false;
    }
    let seeds = number("FDYNO_SEEDS").map_or(usual, |seeds| (seeds * usual).div_ceil(USUAL_SEEDS));
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            if catch_unwind(AssertUnwindSafe(|| run(seed, false))).is_err() {
                failed.lock().expect("no panic while it is held").push(seed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().expect("no panic while it is held");
    assert!(failed.is_empty(), "seeds {failed:?} of {seeds} failed: FDYNO_SEED=n cargo test --test {test} shows one");
    seeds >= usual
}
