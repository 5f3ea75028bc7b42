//! The journal of a process's calls, and the directories that a loss of power may leave in their course.
//!
//! What was synced is there: bytes of a file by a sync of that file, names in a directory by a sync of that directory. Of the
//! rest there is some. Either all up to a moment and nothing behind it, the last write torn: what a kill, or a file system
//! that keeps the order, leaves. Or any part: each sector of 512 bytes of each write, each shortening, each name by itself.
//! What a sync failed to make durable no later sync does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const SECTOR: usize = 512;
const O_TRUNC: u64 = 0o1000;

#[derive(Debug)]
struct Entry {
    kind: u8,
    descriptor: i32,
    offset: u64,
    bytes: Vec<u8>,
}

#[derive(Debug)]
pub struct Journal {
    entries: Vec<Entry>,
    /// What was there before.
    files: BTreeMap<PathBuf, Vec<u8>>,
    directories: BTreeSet<PathBuf>,
}

/// What of the unsynced calls a loss of power keeps.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// All up to a moment.
    Behind,
    /// Any of them.
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    File(usize),
    Directory,
}

/// A change of a file's bytes.
#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

/// A change of the names in a directory.
#[derive(Debug)]
enum Naming {
    Directory(PathBuf),
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Remove(PathBuf, usize),
}

impl Naming {
    fn directory(&self) -> &Path {
        let (Self::Directory(path) | Self::Create(path, _) | Self::Rename(_, path, _) | Self::Remove(path, _)) = self;
        path.parent().expect("a path below the root")
    }
}

/// When something was done, and whether it was synced since.
#[derive(Debug)]
struct Done<T> {
    at: usize,
    synced: bool,
    /// A sync of it failed: no later one speaks of it.
    forsaken: bool,
    what: T,
}

#[derive(Debug, Default)]
struct Disk {
    files: Vec<(Vec<u8>, Vec<Done<Change>>)>,
    namings: Vec<Done<Naming>>,
    names: BTreeMap<PathBuf, usize>,
    open: BTreeMap<i32, (PathBuf, Open)>,
}

fn path_of(bytes: &[u8]) -> PathBuf {
    Path::new("/").join(std::str::from_utf8(bytes).expect("a name"))
}

impl Journal {
    /// What a child recorded; `before` is how its directory was, which must not have changed since.
    pub fn read(path: &Path, before: Option<&Path>) -> Self {
        let bytes = fs::read(path).expect("a journal");
        let mut rest = bytes.as_slice();
        let mut entries = Vec::new();
        while let [kind, more @ ..] = rest {
            let (descriptor, more) = more.split_at(4);
            let (offset, more) = more.split_at(8);
            let (length, more) = more.split_at(4);
            let length = u32::from_le_bytes(length.try_into().expect("four")) as usize;
            let (bytes, more) = more.split_at(length);
            entries.push(Entry {
                kind: *kind,
                descriptor: i32::from_le_bytes(descriptor.try_into().expect("four")),
                offset: u64::from_le_bytes(offset.try_into().expect("eight")),
                bytes: bytes.to_vec(),
            });
            rest = more;
        }
        let mut journal = Self { entries, files: BTreeMap::new(), directories: BTreeSet::new() };
        if let Some(before) = before {
            journal.take_in(before, Path::new("/"));
        }
        journal
    }

    fn take_in(&mut self, from: &Path, into: &Path) {
        for entry in fs::read_dir(from).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = into.join(path.file_name().expect("a name"));
            if path.is_dir() {
                self.directories.insert(name.clone());
                self.take_in(&path, &name);
            } else {
                self.files.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many calls of a kind there are on paths that end so.
    pub fn count(&self, kind: u8, end: &str) -> usize {
        let of_kind = self.entries.iter().filter(|entry| entry.kind == kind);
        of_kind.filter(|entry| entry.bytes.ends_with(end.as_bytes())).count()
    }

    /// The numbers of the marks `<name> <number>` before a moment.
    pub fn marks(&self, name: &str, cut: usize) -> Vec<u64> {
        let marks = self.entries[..cut].iter().filter(|entry| entry.kind == b'M');
        let numbers = marks.filter_map(|entry| {
            let (word, number) = std::str::from_utf8(&entry.bytes).expect("a mark").split_once(' ')?;
            (word == name).then(|| number.parse().expect("a number"))
        });
        numbers.collect()
    }

    /// The state of the disk after so many entries.
    fn disk(&self, cut: usize) -> Disk {
        let mut disk = Disk::default();
        for (path, bytes) in &self.files {
            disk.names.insert(path.clone(), disk.files.len());
            disk.files.push((bytes.clone(), Vec::new()));
        }
        for (at, entry) in self.entries[..cut].iter().enumerate() {
            disk.take(at, entry);
        }
        disk
    }

    /// Makes a directory that a loss of power at the moment `cut` may leave.
    pub fn image(&self, cut: usize, loss: Loss, random: &mut fastrand::Rng, into: &Path) {
        let disk = self.disk(cut);
        let moment = random.usize(cut.saturating_sub(20)..=cut);
        // Sometimes little is lost, and sometimes most.
        let kept = [0.0, 0.1, 0.5, 0.9, 1.0][random.usize(0..5)];
        let keep = |at: usize, synced: bool, random: &mut fastrand::Rng| {
            synced
                || match loss {
                    Loss::Behind => at < moment,
                    Loss::Any => random.f64() < kept,
                }
        };
        let (mut names, mut directories): (BTreeMap<&Path, usize>, _) = (BTreeMap::new(), self.directories.clone());
        for (file, path) in self.files.keys().enumerate() {
            names.insert(path, file);
        }
        for Done { at, synced, what, .. } in &disk.namings {
            if !keep(*at, *synced, random) {
                continue;
            }
            match what {
                Naming::Directory(path) => drop(directories.insert(path.clone())),
                Naming::Create(path, file) => drop(names.insert(path, *file)),
                Naming::Rename(from, to, file) => {
                    if names.get(from.as_path()) == Some(file) {
                        names.remove(from.as_path());
                    }
                    names.insert(to, *file);
                }
                Naming::Remove(path, file) => {
                    if names.get(path.as_path()) == Some(file) {
                        names.remove(path.as_path());
                    }
                }
            }
        }
        let below = |path: &Path| into.join(path.strip_prefix("/").expect("an absolute path"));
        let is_there =
            |path: &Path| path.ancestors().skip(1).all(|above| above == Path::new("/") || directories.contains(above));
        for directory in directories.iter().filter(|path| is_there(path)) {
            fs::create_dir_all(below(directory)).expect("a directory");
        }
        for (path, file) in names.into_iter().filter(|(path, _)| is_there(path)) {
            let (before, changes) = &disk.files[file];
            let mut bytes = before.clone();
            let mut longest = bytes.len();
            for Done { at, synced, what, .. } in changes {
                match what {
                    Change::Truncate(length) if keep(*at, *synced, random) => {
                        bytes.resize(usize::try_from(*length).expect("a length"), 0);
                        longest = bytes.len();
                    }
                    Change::Truncate(_) => {}
                    Change::Write(offset, written) => {
                        let offset = usize::try_from(*offset).expect("a place");
                        longest = longest.max(offset + written.len());
                        let torn = matches!(loss, Loss::Behind) && *at == moment && !synced;
                        let mut ends = torn.then(|| random.usize(0..=written.len() / SECTOR));
                        let mut done = 0;
                        while done < written.len() {
                            // To the next border between sectors of the file.
                            let until = ((offset + done) / SECTOR + 1) * SECTOR - offset;
                            let piece = &written[done..until.min(written.len())];
                            let is_kept = match &mut ends {
                                Some(0) => false,
                                Some(left) => {
                                    *left -= 1;
                                    true
                                }
                                None => keep(*at, *synced, random),
                            };
                            if is_kept {
                                let end = offset + done + piece.len();
                                bytes.resize(bytes.len().max(end), 0);
                                bytes[offset + done..end].copy_from_slice(piece);
                            }
                            done += piece.len();
                        }
                    }
                }
            }
            // A length may be there before the bytes are.
            if matches!(loss, Loss::Any) && random.bool() {
                bytes.resize(bytes.len().max(longest), 0);
            }
            fs::write(below(path), bytes).expect("a file");
        }
    }
}

impl Disk {
    fn take(&mut self, at: usize, entry: &Entry) {
        let mut name = |what| self.namings.push(Done { at, synced: false, forsaken: false, what });
        let opened = |open: &BTreeMap<i32, (PathBuf, Open)>| open.get(&entry.descriptor).cloned().expect("it is open");
        match entry.kind {
            b'O' | b'N' => {
                let path = path_of(&entry.bytes);
                let what = match self.names.get(&path) {
                    Some(file) => Open::File(*file),
                    None if entry.kind == b'O' => Open::Directory,
                    None => {
                        let file = self.files.len();
                        self.files.push(Default::default());
                        self.names.insert(path.clone(), file);
                        name(Naming::Create(path.clone(), file));
                        Open::File(file)
                    }
                };
                if let (Open::File(file), true) = (what, entry.offset & O_TRUNC != 0) {
                    self.files[file].1.push(Done { at, synced: false, forsaken: false, what: Change::Truncate(0) });
                }
                self.open.insert(entry.descriptor, (path, what));
            }
            b'C' => drop(self.open.remove(&entry.descriptor)),
            b'W' | b'T' => {
                let (path, Open::File(file)) = opened(&self.open) else { panic!("a directory is written to") };
                assert!(path.parent().is_some());
                let what = match entry.kind {
                    b'W' => Change::Write(entry.offset, entry.bytes.clone()),
                    _ => Change::Truncate(entry.offset),
                };
                self.files[file].1.push(Done { at, synced: false, forsaken: false, what });
            }
            b'S' => match opened(&self.open) {
                (_, Open::File(file)) => {
                    self.files[file].1.iter_mut().for_each(|change| change.synced |= !change.forsaken);
                }
                (path, Open::Directory) => {
                    let here = self.namings.iter_mut().filter(|naming| naming.what.directory() == path);
                    here.for_each(|naming| naming.synced = true);
                }
            },
            b'X' => {
                // The system may have dropped what it could not write, and counts it as written.
                if let (_, Open::File(file)) = opened(&self.open) {
                    self.files[file].1.iter_mut().for_each(|change| change.forsaken |= !change.synced);
                }
            }
            b'D' => name(Naming::Directory(path_of(&entry.bytes))),
            b'U' => {
                let path = path_of(&entry.bytes);
                let file = self.names.remove(&path).expect("a file that is removed");
                name(Naming::Remove(path, file));
            }
            b'R' => {
                let border = entry.bytes.iter().position(|byte| *byte == 0).expect("two names");
                let (from, to) = (path_of(&entry.bytes[..border]), path_of(&entry.bytes[border + 1..]));
                let file = self.names.remove(&from).expect("a file that is renamed");
                self.names.insert(to.clone(), file);
                name(Naming::Rename(from, to, file));
            }
            b'M' => {}
            kind => panic!("an entry of kind {kind}"),
        }
    }
}
