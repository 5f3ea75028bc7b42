//! Finding the client library and loading it, once in a process.
//!
//! The order: the path that was asked for, the environment variable that FoundationDB's own tools read, the system's.
//! Whoever names a library gets that one or an error, never another. A library that was loaded stays: its network thread
//! and what futures point to live in it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use libloading::Library;

use crate::functions::{TABLE, Table};

/// Names the client library to load, as it does for FoundationDB's own tools.
pub const LIBRARY_PATH_VARIABLE: &str = "FDB_LOCAL_CLIENT_LIBRARY_PATH";

/// Where the system's library may be: by name, wherever the loader looks, and where its installer puts it.
const SYSTEM: &[&str] = if cfg!(target_os = "windows") {
    &["fdb_c.dll", "C:/Program Files/foundationdb/bin/fdb_c.dll"]
} else if cfg!(target_os = "macos") {
    &["libfdb_c.dylib", "/usr/local/lib/libfdb_c.dylib"]
} else {
    &["libfdb_c.so"]
};

static LOADED: OnceLock<PathBuf> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// Why there is no client library.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// None was named, and the system has none.
    #[error("the system has no FoundationDB client library ({tried})")]
    NotFound { tried: String },
    /// The one that was named does not load.
    #[error("the FoundationDB client library {} does not load: {reason}", path.display())]
    Unloadable { path: PathBuf, reason: String },
    #[error("{} is no FoundationDB client library of version 7.3 or newer: it has no function {function}", path.display())]
    Incomplete { path: PathBuf, function: &'static str },
    /// A process has one client library.
    #[error(
        "this process uses the FoundationDB client library {} already, and cannot use {} as well",
        loaded.display(),
        asked.display()
    )]
    Another { loaded: PathBuf, asked: PathBuf },
}

/// The library in use, if there is one.
pub fn loaded() -> Option<&'static Path> {
    LOADED.get().map(PathBuf::as_path)
}

/// Loads the client library, unless that was done before.
pub fn load(path: Option<&Path>) -> Result<(), LoadError> {
    let _alone = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    let named = path.map(Path::to_path_buf);
    if let Some(loaded) = loaded() {
        return match named {
            Some(asked) if asked != loaded => Err(LoadError::Another { loaded: loaded.to_path_buf(), asked }),
            _ => Ok(()),
        };
    }
    let named = named
        .or_else(|| env::var_os(LIBRARY_PATH_VARIABLE).filter(|path: &OsString| !path.is_empty()).map(PathBuf::from));
    let (path, library) = match named {
        Some(path) => match open(&path) {
            Ok(library) => (path, library),
            Err(reason) => return Err(LoadError::Unloadable { path, reason: reason.to_string() }),
        },
        None => open_systems()?,
    };
    // Never unloaded: threads and pointers of it may live as long as the process.
    let library: &'static Library = Box::leak(Box::new(library));
    match Table::new(library) {
        Err(function) => Err(LoadError::Incomplete { path, function }),
        Ok(table) => {
            // Both are set here only, and this thread is alone.
            let _ = TABLE.set(table);
            let _ = LOADED.set(path);
            Ok(())
        }
    }
}

fn open_systems() -> Result<(PathBuf, Library), LoadError> {
    let mut tried = Vec::new();
    for name in SYSTEM {
        match open(Path::new(name)) {
            Ok(library) => return Ok((PathBuf::from(name), library)),
            Err(reason) => tried.push(reason.to_string()),
        }
    }
    Err(LoadError::NotFound { tried: tried.join("; ") })
}

fn open(path: &Path) -> Result<Library, libloading::Error> {
    // SAFETY: what runs when a client library is loaded is its own start-up code, which needs nothing of its caller.
    unsafe { Library::new(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_library_that_does_not_load_is_an_error_and_never_replaced() {
        let path = Path::new("/nowhere/libfdb_c.so");
        let error = load(Some(path)).unwrap_err();
        assert!(matches!(&error, LoadError::Unloadable { path: named, .. } if named == path), "{error}");
        assert!(error.to_string().starts_with("the FoundationDB client library /nowhere/libfdb_c.so does not load: "));
        assert_eq!(loaded(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_library_of_another_kind_is_refused_with_the_function_it_lacks() {
        let error = load(Some(Path::new("libc.so.6"))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "libc.so.6 is no FoundationDB client library of version 7.3 or newer: it has no function fdb_get_error"
        );
        assert_eq!(loaded(), None);
    }
}
