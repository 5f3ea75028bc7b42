//! Finding the client library and loading it, once in a process.
//!
//! The order: the path that was asked for, the environment variable that FoundationDB's own tools read, the system's.
//! Whoever names a library gets that one or an error, never another. A library that was loaded stays: its network thread
//! and what futures point to live in it.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::iter;
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
    #[error("no path was given, {LIBRARY_PATH_VARIABLE} is not set, and the system has no {}", tried(names))]
    NotFound { names: Vec<(&'static str, String)> },
    /// The one that was named does not load.
    #[error("the FoundationDB client library {}, {}, does not load: {reason}", path.display(), by.text())]
    Unloadable { path: PathBuf, by: NamedBy, reason: String },
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

/// Who named a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    Caller,
    Environment,
}

impl NamedBy {
    const fn text(self) -> &'static str {
        match self {
            Self::Caller => "whose path was given",
            Self::Environment => "which FDB_LOCAL_CLIENT_LIBRARY_PATH names",
        }
    }
}

fn tried(names: &[(&str, String)]) -> String {
    names.iter().map(|(name, reason)| format!("{name} ({reason})")).collect::<Vec<_>>().join(", nor ")
}

/// The library in use, if there is one.
pub fn loaded() -> Option<&'static Path> {
    LOADED.get().map(PathBuf::as_path)
}

/// Loads the client library, unless that was done before.
pub fn load(path: Option<&Path>) -> Result<(), LoadError> {
    let _alone = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = loaded() {
        return match path {
            Some(asked) if !is_same_file(asked, loaded) => {
                Err(LoadError::Another { loaded: loaded.to_path_buf(), asked: asked.to_path_buf() })
            }
            _ => Ok(()),
        };
    }
    let (path, library) = match named(path) {
        Some((path, by)) => match open(&path) {
            Ok(library) => (path, library),
            Err(reason) => return Err(LoadError::Unloadable { path, by, reason: with_sources(&reason) }),
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

/// The library that is named, and by whom.
fn named(path: Option<&Path>) -> Option<(PathBuf, NamedBy)> {
    let given = path.map(|path| (path.to_path_buf(), NamedBy::Caller));
    given.or_else(|| {
        let path: OsString = env::var_os(LIBRARY_PATH_VARIABLE).filter(|path| !path.is_empty())?;
        Some((path.into(), NamedBy::Environment))
    })
}

/// Whether two paths lead to one library. One that the loader found by its name has that name only.
fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn open_systems() -> Result<(PathBuf, Library), LoadError> {
    let mut names = Vec::new();
    for name in SYSTEM {
        match open(Path::new(name)) {
            Ok(library) => return Ok((PathBuf::from(name), library)),
            Err(reason) => names.push((*name, with_sources(&reason))),
        }
    }
    Err(LoadError::NotFound { names })
}

/// An error and what it comes of: what the loader itself says is no part of the first.
fn with_sources(error: &(dyn Error + 'static)) -> String {
    iter::successors(Some(error), |error| <dyn Error>::source(*error))
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
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
        let text = "the FoundationDB client library /nowhere/libfdb_c.so, whose path was given, does not load: ";
        assert!(error.to_string().starts_with(text), "{error}");
        #[cfg(target_os = "linux")]
        assert!(error.to_string().contains("No such file"), "{error}");
        assert_eq!(loaded(), None);
    }

    #[test]
    fn where_a_library_was_looked_for_is_said_in_full() {
        let names = vec![
            ("libfdb_c.dylib", "no such file".to_owned()),
            ("/usr/local/lib/libfdb_c.dylib", "not there".to_owned()),
        ];
        assert_eq!(
            LoadError::NotFound { names }.to_string(),
            "no path was given, FDB_LOCAL_CLIENT_LIBRARY_PATH is not set, and the system has no libfdb_c.dylib (no such \
             file), nor /usr/local/lib/libfdb_c.dylib (not there)"
        );
        let error = LoadError::Unloadable { path: "a".into(), by: NamedBy::Environment, reason: "b".to_owned() };
        assert!(
            error.to_string().contains("a, which FDB_LOCAL_CLIENT_LIBRARY_PATH names, does not load: b"),
            "{error}"
        );
    }

    #[test]
    fn a_library_is_known_by_whatever_path_leads_to_it() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(is_same_file(&manifest.join("src/../Cargo.toml"), &manifest.join("Cargo.toml")));
        assert!(is_same_file(Path::new("libfdb_c.so"), Path::new("libfdb_c.so")));
        assert!(!is_same_file(&manifest.join("src/lib.rs"), &manifest.join("Cargo.toml")));
        assert!(!is_same_file(Path::new("/nowhere/a"), Path::new("/nowhere/b")));
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
