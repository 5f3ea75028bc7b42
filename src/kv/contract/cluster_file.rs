//! Clusters of the double whose data is in this process, by their files.
//!
//! Knows nothing of the crate, so that tests and benches beside it use this file too. What a cluster does is said in its
//! file's comment (`tests/fdb_double/src/settings.rs`).

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A cluster of the double, alone with its file. It is empty when made, and its databases live as long as the process.
pub struct ClusterFile {
    directory: tempfile::TempDir,
}

impl ClusterFile {
    pub fn new(settings: &str) -> Self {
        let cluster = Self { directory: tempfile::tempdir().unwrap() };
        cluster.write(settings);
        cluster
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("fdb.cluster")
    }

    /// Says how the cluster behaves from its next opening on.
    pub fn write(&self, settings: &str) {
        fs::write(self.path(), format!("# double: {settings}\ndouble:double@127.0.0.1:4500\n")).unwrap();
    }

    /// What the double counted until the latest opening.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        let text = fs::read_to_string(self.path().with_extension("cluster.counters")).unwrap();
        let pairs = text.lines().map(|line| line.split_once(' ').unwrap());
        pairs.map(|(name, count)| (name.to_owned(), count.parse().unwrap())).collect()
    }
}
