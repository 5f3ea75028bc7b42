//! What only a cluster does, on the double of its client library.

use super::*;

#[test]
fn a_cluster_cannot_be_forked() {
    let database = on_a_cluster(clock());
    assert!(matches!(database.fork(clock()), Err(Error::Unsupported(_))));
}
