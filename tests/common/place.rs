//! Directories for databases that tests write a lot to.

use std::path::Path;

use tempfile::TempDir;

/// A directory that goes when this does: in memory if the machine has such a place, since what is synced there costs nothing.
pub fn place() -> TempDir {
    let memory = Path::new("/dev/shm");
    let named = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    named.or_else(|_| tempfile::tempdir()).expect("a directory")
}
