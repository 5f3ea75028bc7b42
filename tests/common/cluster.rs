//! How the double of a cluster fails where a test wants it to, and how it is opened.

use fdyno::clock::Clock;
use fdyno::kv::{Database, foundationdb};

use crate::cluster_file::ClusterFile;
use crate::double;

/// All the faults of which the outcome is found out in the end.
pub const FAULTS: &str = "1007=0.03 1009=0.03 1020=0.03 1037=0.03 1213=0.03 1021did=0.03 1021not=0.03 1031did=0.03 \
                          1031not=0.03 1031later=0.03 1039did=0.03 1039not=0.03 1039later=0.03 read1007=0.01 \
                          read1009=0.01 read1037=0.01 read1039=0.01";

/// A connection of its own, as another process has one.
pub fn open(cluster: &ClusterFile, clock: &Clock) -> Database {
    let (cluster_file, library) = (Some(cluster.path()), Some(double::library("dev")));
    let options = foundationdb::Options { cluster_file, library, ..foundationdb::Options::default() };
    Database::foundationdb(&options, clock.clone()).expect("the double answers")
}
