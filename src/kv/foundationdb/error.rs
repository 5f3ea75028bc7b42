//! What can be wrong with a cluster or its client, and what FoundationDB's codes mean in the contract.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::foundationdb::FdbError;

use super::Cluster;
use crate::kv::{Error, limits};

/// Why a cluster cannot be used. Each text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    #[error(
        "a FoundationDB cluster needs FoundationDB's client library, and there is none: {reason}. Install the package \
         foundationdb-clients 7.3 from FoundationDB's releases, or name the library (libfdb_c.so, libfdb_c.dylib or \
         fdb_c.dll) by client_library=, by ?library= in the address, or in FDB_LOCAL_CLIENT_LIBRARY_PATH"
    )]
    LibraryMissing { reason: String },
    #[error(
        "this process uses the FoundationDB client library {} already, and cannot use {} as well: a process has one",
        loaded.display(),
        asked.display()
    )]
    AnotherLibrary { loaded: PathBuf, asked: PathBuf },
    #[error(
        "the FoundationDB client library is too old: it knows the API up to version {newest}, and 730 is needed. Install \
         foundationdb-clients 7.3 or newer, or name a newer library by client_library=, by ?library= in the address, or \
         in FDB_LOCAL_CLIENT_LIBRARY_PATH"
    )]
    LibraryVersion { newest: i32 },
    #[error(
        "no cluster file is named and none is in its usual place ({}). Name it in the address, as in \
         fdb:/etc/foundationdb/fdb.cluster, or in FDB_CLUSTER_FILE",
        usual.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NoClusterFile { usual: Vec<PathBuf> },
    #[error("the cluster file {} cannot be used: {reason}. Copy it anew from a machine of the cluster", path.display())]
    ClusterFile { path: PathBuf, reason: String },
    #[error(
        "the FoundationDB cluster of {} did not answer within {waited:?}. See whether it runs (fdbcli --exec status), \
         whether its coordinators can be reached from here, and whether the client library is of its version",
        file.display()
    )]
    Unreachable { file: PathBuf, waited: Duration },
    #[error(
        "a FoundationDB client does not survive os.fork(). Connect in the child instead, in a process that did not \
         connect before it forked, or start children by multiprocessing's \"spawn\""
    )]
    UsedAfterFork,
    #[error("the FoundationDB client was shut down, and cannot be started again in this process")]
    ShutDown,
    #[error("the FoundationDB client failed while {doing}: {text} ({code})")]
    Client { doing: &'static str, code: i32, text: String },
}

impl ClusterError {
    pub(super) fn client(doing: &'static str, error: FdbError) -> Self {
        Self::Client { doing, code: error.code(), text: error.message().to_owned() }
    }
}

const TRANSACTION_TIMED_OUT: i32 = 1031;
const CLUSTER_VERSION_CHANGED: i32 = 1039;

/// An error of opening a database.
pub(super) fn of_opening(error: FdbError, file: &Path, waited: Duration) -> ClusterError {
    match error.code() {
        // No coordinators, not found, not readable, not writable, and a connection string that does not parse.
        1510 | 1512..=1515 | 2104 => {
            let reason = format!("{} ({})", error.message(), error.code());
            ClusterError::ClusterFile { path: file.to_path_buf(), reason }
        }
        TRANSACTION_TIMED_OUT => ClusterError::Unreachable { file: file.to_path_buf(), waited },
        _ => ClusterError::client("opening a database", error),
    }
}

/// An error before the commit: whatever it is, nothing was committed.
pub(super) fn of_read(error: FdbError, cluster: &Cluster) -> Error {
    match error.code() {
        TRANSACTION_TIMED_OUT => {
            ClusterError::Unreachable { file: cluster.0.file.clone(), waited: cluster.0.transaction_timeout }.into()
        }
        code @ CLUSTER_VERSION_CHANGED => Error::Busy(code),
        _ => of_any(error),
    }
}

/// An error of a commit.
pub(super) fn of_commit(error: FdbError) -> Error {
    match error.code() {
        1021 => Error::MaybeCommitted,
        TRANSACTION_TIMED_OUT | CLUSTER_VERSION_CHANGED => Error::MaybeCommitsLater,
        _ => of_any(error),
    }
}

fn of_any(error: FdbError) -> Error {
    match error.code() {
        1007 => Error::TooOld,
        1009 => Error::FutureVersion,
        1020 => Error::Conflict,
        1036 => Error::AccessedUnreadable,
        // Cancelled, or used during its commit.
        1025 | 1101 | 2017 => Error::UsedAfterCommit,
        2004 => Error::KeyOutsideLegalRange,
        2005 => Error::InvertedRange,
        2101 => Error::TransactionTooLarge,
        // The limits were checked before, so a client has others than its documentation says.
        2102 => Error::KeyTooLarge(limits::KEY + 1),
        2103 => Error::ValueTooLarge(limits::VALUE + 1),
        // A lock is put on a database by hand, and for long.
        1038 => Error::Io("the FoundationDB database is locked (1038); unlock it by fdbcli".to_owned()),
        code if error.is_retryable_not_committed() => Error::Busy(code),
        code => Error::Io(format!("FoundationDB: {} ({code})", error.message())),
    }
}
