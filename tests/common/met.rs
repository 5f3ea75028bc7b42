//! What seeded runs have met, so that a test can insist that nothing it is there for has stayed away.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// How often each thing was met, by all runs together.
#[derive(Default)]
pub struct Met(Mutex<BTreeMap<&'static str, u64>>);

impl Met {
    pub fn saw(&self, what: &'static str) {
        *self.0.lock().expect("no panic while it is held").entry(what).or_default() += 1;
    }

    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().expect("no panic while it is held").clone()
    }

    pub fn insist_on(&self, wanted: &[&'static str]) {
        let counts = self.counts();
        let missing: Vec<_> = wanted.iter().filter(|what| !counts.contains_key(*what)).collect();
        assert!(missing.is_empty(), "no run has met {missing:?}, only {counts:?}");
    }
}
