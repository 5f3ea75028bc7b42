//! Looks at the tree's files before the tree does: whether its manifest and the ends of its tables are what was written.
//!
//! The tree checks every block it reads, but not its manifest, against which it removes files that seem to belong to nobody,
//! and not the lengths in a table's contents, which it asks memory for. So a damaged byte there could remove tables or
//! end the process; here it is an error. The forms are the tree's own (lsm-tree 3, its archives sfa 1): if they
//! change, no database opens, and every test says so.
//!
//! ```text
//! current           version u64 | xxh3-128 of the file v<version> | 0
//! v<version>        an archive; its section "tables":
//!                     levels u8, each: runs u8, each: tables u32, each: id u64 | 0 | 24 bytes more
//! tables/<id>       an archive
//! an archive:       … | contents | "SFA!" 01 00 | xxh3-128 of the contents | place of the contents u64 | their length u64
//! ```
//!
//! These numbers are little-endian. Only tables that the manifest names are looked at: a crash leaves unfinished ones.

use std::fs::{self, File};
use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

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
    let (current, tables) = (path.join("current"), path.join("tables"));
    let Some(bytes) = read(&current)? else {
        // A tree in the making has none yet, and no table either.
        let any = fs::read_dir(&tables).is_ok_and(|mut entries| entries.next().is_some());
        return if any { Err(damaged(&current, "missing")) } else { Ok(()) };
    };
    let (version, checksum) = match bytes.split_at_checked(8) {
        Some((version, rest)) if bytes.len() == CURRENT && rest.last() == Some(&0) => (u64_of(version), u128_of(rest)),
        _ => return Err(damaged(&current, "damaged")),
    };
    let manifest = path.join(format!("v{version}"));
    let bytes = read(&manifest)?.ok_or_else(|| damaged(&manifest, "missing"))?;
    if xxh3_128(&bytes) != checksum {
        return Err(damaged(&manifest, "damaged"));
    }
    for id in ids(&bytes).ok_or_else(|| damaged(&manifest, "of no form that is known"))? {
        let table = tables.join(id.to_string());
        match check_contents(&table) {
            Ok(true) => {}
            Ok(false) => return Err(damaged(&table, "damaged at its end")),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(damaged(&table, "missing")),
            Err(error) => return Err(io("read", &table, &error)),
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("read", path, &error)),
    }
}

/// The ids of the tables that a manifest names, which must not be damaged.
fn ids(manifest: &[u8]) -> Option<Vec<u64>> {
    let archive = sfa::Reader::from_reader(&mut Cursor::new(manifest)).ok()?;
    let place = archive.toc().section(b"tables")?.pos();
    let mut rest = manifest.get(usize::try_from(place).ok()?..)?;
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at_checked(count)?;
        rest = left;
        Some(taken)
    };
    let mut ids = Vec::new();
    for _ in 0..take(1)?[0] {
        for _ in 0..take(1)?[0] {
            for _ in 0..u32_of(take(4)?) {
                ids.push(u64_of(take(8)?));
                take(1 + 16 + 8)?;
            }
        }
    }
    Some(ids)
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

fn u32_of(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)).unwrap_or_default()
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
