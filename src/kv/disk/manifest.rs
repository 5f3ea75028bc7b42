//! Looks at the tree's files before the tree does: whether its manifest and the ends of its tables are what was written.
//!
//! The tree checks every block it reads, but not its manifest, against which it removes files that seem to belong to nobody,
//! and not the lengths in a table's contents, which it asks memory for. So a damaged byte there could remove tables or
//! end the process; here it is an error. The forms are the tree's own (lsm-tree 3, its archives sfa 1): if they
//! change, no database opens, and every test says so.
//!
//! ```text
//! current           version u64 | xxh3-128 of the file v<version> | 0
//! tables/<id>       … | contents | "SFA!" 01 00 | xxh3-128 of the contents | place of the contents u64 | their length u64
//! ```
//!
//! These numbers are little-endian.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use super::super::{Error, Result};
use super::directory::io;

const CURRENT: usize = 8 + 16 + 1;
const TRAILER: usize = 6 + 16 + 8 + 8;
const TRAILER_HEAD: [u8; 6] = *b"SFA!\x01\x00";

/// Checks the tree in `path`, if there is one.
///
/// # Errors
/// `Corrupt`, naming the file; `Io`.
pub(super) fn check(path: &Path) -> Result<()> {
    let tables = tables(path)?;
    let current = path.join("current");
    let bytes = match fs::read(&current) {
        Ok(bytes) => bytes,
        // A tree in the making has none yet, and no table either.
        Err(error) if error.kind() == ErrorKind::NotFound && tables.is_empty() => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(damaged(&current, "missing")),
        Err(error) => return Err(io("read", &current, &error)),
    };
    let (version, checksum) = match bytes.split_at_checked(8) {
        Some((version, rest)) if bytes.len() == CURRENT && rest.last() == Some(&0) => (u64_of(version), u128_of(rest)),
        _ => return Err(damaged(&current, "damaged")),
    };
    let manifest = path.join(format!("v{version}"));
    let bytes = match fs::read(&manifest) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(damaged(&manifest, "missing")),
        Err(error) => return Err(io("read", &manifest, &error)),
    };
    if xxh3_128(&bytes) != checksum {
        return Err(damaged(&manifest, "damaged"));
    }
    tables.iter().try_for_each(|table| match check_contents(table) {
        Ok(true) => Ok(()),
        Ok(false) => Err(damaged(table, "damaged at its end")),
        Err(error) => Err(io("read", table, &error)),
    })
}

fn tables(path: &Path) -> Result<Vec<PathBuf>> {
    let tables = path.join("tables");
    let entries = match fs::read_dir(&tables) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io("read", &tables, &error)),
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(|error| io("read", &tables, &error))).collect()
}

fn check_contents(table: &Path) -> io::Result<bool> {
    let mut file = File::open(table)?;
    let length = file.metadata()?.len();
    let Some(end) = length.checked_sub(TRAILER as u64) else { return Ok(false) };
    let mut trailer = [0; TRAILER];
    file.seek(SeekFrom::Start(end))?;
    file.read_exact(&mut trailer)?;
    let (head, rest) = trailer.split_at(TRAILER_HEAD.len());
    let (checksum, rest) = rest.split_at(16);
    let (place, size) = rest.split_at(8);
    let (place, size) = (u64_of(place), u64_of(size));
    if head != TRAILER_HEAD || place.checked_add(size) != Some(end) {
        return Ok(false);
    }
    let mut contents = Vec::new();
    file.seek(SeekFrom::Start(place))?;
    file.take(size).read_to_end(&mut contents)?;
    Ok(xxh3_128(&contents) == u128_of(checksum))
}

fn u64_of(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).unwrap_or_default()
}

fn u128_of(bytes: &[u8]) -> u128 {
    bytes.first_chunk().map(|bytes| u128::from_le_bytes(*bytes)).unwrap_or_default()
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::Corrupt(format!("{}: {what}", path.display()))
}
