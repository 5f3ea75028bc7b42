//! The `foundationdb` engine: a cluster, through FoundationDB's own client library.
//!
//! The client does what embedded engines do with `buffer`: it merges own writes into reads and finds out what conflicts.
//! `network` loads the library and runs its one thread; `cluster_file` finds the file that names a cluster; `transaction`
//! is the contract on top of the client's transactions, `stamped` keeps the writes that are stamped until the commit;
//! `answer` is how futures of the client are awaited, `owned` how what belongs to it is given back, `error` what its codes
//! mean here.
//!
//! Invariants: nothing here needs Python's GIL or an async runtime; nothing waits longer than the options say; a process
//! that was forked off never calls the client, not even to free what it inherited. It must not know who calls it.

mod answer;
mod cluster_file;
mod error;
mod network;
mod owned;
mod stamped;
mod transaction;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::foundationdb as client;
use client::options::{DatabaseOption, TransactionOption};

use super::Result;
use super::embedded::MachineTime;
use crate::clock::Clock;
use answer::Answer;
pub use error::ClusterError;
pub use network::shut_down;
use owned::Owned;
pub(super) use transaction::Transaction;

/// Steps of the client's own growing delay that the waiting between two attempts has at most.
const LONGEST_BACK_OFF: u32 = 7;

/// FoundationDB's code of a conflict, which the client knows a delay for.
const NOT_COMMITTED: i32 = 1020;

/// Where a cluster is and how long to wait for it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster file; if none is named, `FDB_CLUSTER_FILE`, `./fdb.cluster` and the system's are tried in turn.
    pub cluster_file: Option<PathBuf>,
    /// The client library; if none is named, `FDB_LOCAL_CLIENT_LIBRARY_PATH` and the system's are tried in turn.
    pub library: Option<PathBuf>,
    /// How long opening waits for the cluster's first answer.
    pub open_timeout: Duration,
    /// How long one transaction waits for the cluster, before it fails.
    pub transaction_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cluster_file: None,
            library: None,
            open_timeout: Duration::from_secs(5),
            transaction_timeout: Duration::from_secs(30),
        }
    }
}

/// A database on a cluster. Clones are the same database.
#[derive(Clone)]
pub(super) struct Cluster(Arc<Shared>);

struct Shared {
    database: Owned<client::Database>,
    file: PathBuf,
    transaction_timeout: Duration,
    clock: Clock,
    machine: MachineTime,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Cluster").field("file", &self.0.file).finish_non_exhaustive()
    }
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX).max(1)
}

impl Cluster {
    /// Loads the client library if that is still to be done, and waits for the cluster's first answer.
    pub(super) fn open(options: &Options, clock: Clock) -> Result<Self> {
        // First what is missing on every machine without FoundationDB.
        network::load(options.library.as_deref())?;
        let file = cluster_file::find(options.cluster_file.as_deref())?;
        network::boot()?;
        let database = {
            let _call = network::call()?;
            let made = client::Database::from_path(&cluster_file::as_text(&file)?).map(Owned::new);
            made.map_err(|error| error::of_opening(error, &file, options.open_timeout))?
        };
        let shared = Shared {
            database,
            file,
            transaction_timeout: options.transaction_timeout,
            clock,
            machine: MachineTime::new(),
        };
        let cluster = Self(Arc::new(shared));
        cluster.reach(options.open_timeout)?;
        Ok(cluster)
    }

    /// Waits until the cluster has given a read version.
    fn reach(&self, patience: Duration) -> Result<(), ClusterError> {
        let of_opening = |error| error::of_opening(error, &self.0.file, patience);
        let timeout = milliseconds(self.0.transaction_timeout);
        let (_probe, answer) = {
            let _call = network::call()?;
            self.0.database.set_option(DatabaseOption::TransactionTimeout(timeout)).map_err(of_opening)?;
            let probe = Owned::new(self.0.database.create_trx().map_err(of_opening)?);
            probe.set_option(TransactionOption::Timeout(milliseconds(patience))).map_err(of_opening)?;
            let answer = Answer::to(probe.get_read_version());
            (probe, answer)
        };
        let answer = answer::wait_on_thread(answer, patience);
        match answer.transpose()?.map(|answer| answer.give(|version| version)).transpose()? {
            Some(Ok(_)) => Ok(()),
            // A cluster that only asks for patience has been reached.
            Some(Err(error)) if error.is_retryable() => Ok(()),
            Some(Err(error)) => Err(of_opening(error)),
            None => Err(ClusterError::Unreachable { file: self.0.file.clone(), waited: patience }),
        }
    }

    pub(super) fn begin(&self) -> Transaction {
        let begun = network::call()
            .map_err(super::Error::from)
            .and_then(|_call| self.0.database.create_trx().map_err(|error| error::of_read(error, self)));
        Transaction::new(self.clone(), begun)
    }

    pub(super) fn file(&self) -> &Path {
        &self.0.file
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn machine_time(&self) -> &MachineTime {
        &self.0.machine
    }

    /// Waits as the client would before attempt number `attempt`: at random, and longer from one to the next.
    pub(super) async fn back_off(&self, attempt: u32) {
        let begun = network::call().map(|_call| self.0.database.create_trx().map(Owned::new));
        let Ok(Ok(mut waiting)) = begun else { return };
        for _ in 0..attempt.min(LONGEST_BACK_OFF) {
            // A transaction waits longer each time it is told of an error.
            let told =
                |same: client::Transaction| Answer::to(same.on_error(client::FdbError::from_code(NOT_COMMITTED)));
            let Ok(told) = waiting.give(told) else { return };
            let Ok(answer) = told.await else { return };
            match answer.give(|same| same.map(Owned::new)) {
                Ok(Ok(same)) => waiting = same,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::kv::{Database, Error};

    fn refusal(options: &Options) -> ClusterError {
        match Database::foundationdb(options, Clock::system()) {
            Err(Error::Cluster(error)) => error,
            outcome => unreachable!("{outcome:?}"),
        }
    }

    #[test]
    fn a_missing_library_is_refused_with_what_to_install() {
        // A process has one library, and other tests of this one use it: so this runs in a process of its own.
        if std::env::var_os("FDYNO_TEST_ALONE").is_none() {
            let name = "kv::foundationdb::tests::a_missing_library_is_refused_with_what_to_install";
            let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
            let outcome = alone.args(["--exact", name]).env("FDYNO_TEST_ALONE", "1").output().unwrap();
            assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stdout));
            return;
        }
        // Nor is there a cluster file: that is said when the library is there.
        for cluster_file in [None, Some(PathBuf::from("/nowhere/fdb.cluster"))] {
            let library = Some(PathBuf::from("/nowhere/libfdb_c.so"));
            let error = refusal(&Options { cluster_file, library, ..Options::default() });
            assert!(matches!(error, ClusterError::LibraryMissing { .. }), "{error}");
            for part in
                ["/nowhere/libfdb_c.so", "foundationdb-clients", "client_library=", "FDB_LOCAL_CLIENT_LIBRARY_PATH"]
            {
                assert!(error.to_string().contains(part), "{error}");
            }
        }
    }
}
