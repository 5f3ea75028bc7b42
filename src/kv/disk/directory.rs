//! A database's directory: what lies where, and that one process at a time has it.
//!
//! ```text
//! LOCK           locked by the process that has the database open; says who that is
//! log/<n>.log    segments of the log: what the tree may not hold yet
//! tree/          the log-structured merge tree
//! ```
//!
//! The lock is the operating system's, on the open file: it ends with the process however that ends, so nothing is ever
//! stale. A forked child lets go of its copy, or the lock would outlive its parent. A directory that holds other things
//! is refused rather than written into.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use super::super::{Error, Result};
use crate::fork::Lock;

/// The locks this process holds.
static HELD: Lock<Vec<Weak<Lock<Option<File>>>>> = Lock::new(Vec::new());

/// In a forked child: closes its copies of its parent's locks, which does not unlock them for the parent.
pub(in crate::kv) fn let_go_after_fork() {
    for lock in std::mem::take(&mut *HELD.lock()) {
        if let Some(lock) = lock.upgrade() {
            drop(lock.lock().take());
        }
    }
}

/// A directory that this process has to itself until it is released or dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    lock: Arc<Lock<Option<File>>>,
}

impl Directory {
    /// Takes the directory, creating it if need be.
    ///
    /// # Errors
    /// `Locked`, naming the holder; `Io`, also for a directory that is none of ours.
    pub(super) fn acquire(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).map_err(|error| io("find", path, &error))?;
        create(&path)?;
        check_ours(&path)?;
        let lock_path = path.join("LOCK");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|error| io("open", &lock_path, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder writes a moment after it locks: until then nobody can be named.
                let named = lock.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
                let holder = if named { holder.trim() } else { "another process" };
                let own = if holder == this_process() { ": this one, where it has to be closed first" } else { "" };
                return Err(Error::Locked(format!("{} is open in {holder}{own}", path.display())));
            }
            Err(TryLockError::Error(error)) => return Err(io("lock", &lock_path, &error)),
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", this_process()))
            .map_err(|error| io("write", &lock_path, &error))?;
        let inner = [path.join("log"), path.join("tree")];
        if !inner.iter().all(|inner| inner.is_dir()) {
            // By its lock file a directory is known as ours, so that must not be lost while something else is there.
            sync_directory(&path)?;
        }
        for inner in inner {
            fs::create_dir_all(&inner).map_err(|error| io("create", &inner, &error))?;
        }
        sync_directory(&path)?;
        let lock = Arc::new(Lock::new(Some(lock)));
        let mut held = HELD.lock();
        held.retain(|other| other.strong_count() > 0);
        held.push(Arc::downgrade(&lock));
        drop(held);
        Ok(Self { path, lock })
    }

    /// Lets another process, or another opening in this one, have the directory.
    pub(super) fn release(&self) {
        // Unlocked and not only closed, since a forked child may have a copy of the file.
        let lock = self.lock.lock().take();
        drop(lock.map(|lock| lock.unlock()));
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(super) fn tree(&self) -> PathBuf {
        self.path.join("tree")
    }
}

/// Creates the directory, if need be, so that a loss of power leaves it there.
fn create(path: &Path) -> Result<()> {
    if path.is_file() {
        return Err(Error::Io(format!("{} is a file; a database is a directory", path.display())));
    }
    let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
    fs::create_dir_all(path).map_err(|error| io("create", path, &error))?;
    // Without a lock file nothing was committed in it yet, and it may not be long there either.
    let young = if missing.is_empty() && !path.join("LOCK").exists() { vec![path] } else { missing };
    for parent in young.into_iter().filter_map(Path::parent) {
        match sync_names(parent) {
            // One may make a directory where one may not look.
            Err(error) if error.kind() != ErrorKind::PermissionDenied => return Err(io("sync", parent, &error)),
            _ => {}
        }
    }
    Ok(())
}

fn check_ours(path: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| io("read", path, &error))? {
        names.push(entry.map_err(|error| io("read", path, &error))?.file_name());
    }
    if names.is_empty() || names.iter().any(|name| name == "LOCK") {
        return Ok(());
    }
    if ["log", "tree"].iter().all(|inner| names.iter().any(|name| name == inner)) {
        return Err(Error::Io(format!(
            "the file LOCK is missing in {}, which looks like a fdyno database otherwise: if no process has it open, make that file \
             anew, empty",
            path.display()
        )));
    }
    Err(Error::Io(format!("{} is not empty and holds no fdyno database", path.display())))
}

fn this_process() -> String {
    let program = std::env::args().next().unwrap_or_default();
    format!("process {} ({program})", std::process::id())
}

/// Makes names created, renamed or removed in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    sync_names(path).map_err(|error| io("sync", path, &error))
}

fn sync_names(path: &Path) -> std::io::Result<()> {
    // Other systems cannot open a directory as a file, and order its entries themselves.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// The error of a failed system call.
pub(super) fn io(verb: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::Io(format!("cannot {verb} {}: {error}", path.display()))
}
