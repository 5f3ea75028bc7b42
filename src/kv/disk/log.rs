//! The write-ahead log: segments of frames, appended and, where asked for, synced, before anything is published.
//!
//! ```text
//! header, 48 bytes:   "fdynolog" | format u32 | 0 u32 | segment u64 | first round u64 | version before it u64 | checksum u64
//! then frames (see `frame`)
//! ```
//!
//! A file beside them tells the last round there was when the database was last closed, so that a log which was shortened
//! afterwards is known by it:
//!
//! ```text
//! closed, 24 bytes:   "fdynoend" | round u64 | checksum u64
//! ```
//!
//! A segment is followed by the next when the tree sets aside what it holds; it is removed when that has been flushed.
//! Reading tells the traces of a crash from damage, which is an error. Traces are a torn end, which is cut off (behind it there
//! is no whole frame, and if there is a further segment, its header shows that nothing but the seal was lost), the header of a
//! segment in which the log did not go on, and segments whose removal was undone in part. Invariants: a frame that could not be appended whole
//! leaves nothing behind; after a failed sync, or a failed clean-up, nothing is appended any more.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

use super::super::{Error, Result, Version};
use super::directory::{io, sync_directory};
use super::frame::{self, Entry, Found, Step};
use super::tree::Progress;
use super::worker::given_up;

const MAGIC: &[u8; 8] = b"fdynolog";
/// The form of segments this version writes, and the only one it reads.
const FORMAT: u32 = 1;
const HEADER: usize = 48;
/// The file that tells up to where the log was there when it was last closed.
const CLOSED: &str = "closed";
const CLOSED_MAGIC: &[u8; 8] = b"fdynoend";

/// The log, open for appending to its last segment.
#[derive(Debug)]
pub(super) struct Log {
    directory: PathBuf,
    path: PathBuf,
    file: File,
    segment: u64,
    /// Bytes of whole frames.
    length: u64,
    /// The last round there was when the database was last closed, if it ever was.
    closed: Option<u64>,
    /// Why nothing can be appended any more.
    broken: Option<Error>,
    last_sync: Duration,
}

/// A round read back.
pub(super) struct Round {
    pub(super) progress: Progress,
    pub(super) steps: Vec<Step>,
}

/// What recovery found.
pub(super) struct Recovered {
    pub(super) log: Log,
    /// Earlier segments, oldest first, that the tree may not hold yet.
    pub(super) earlier: Vec<PathBuf>,
    /// Bytes of an unfinished write that were cut off.
    pub(super) torn: u64,
}

impl Log {
    /// Makes the first segment of a new database, unless there is one.
    pub(super) fn prepare(directory: &Path) -> Result<()> {
        let Segments { superseded, live } = segments(directory)?;
        if superseded.is_empty() && live.is_empty() {
            Self::create(directory, 1, Progress::default())?;
        }
        Ok(())
    }

    /// Reads the log behind `applied`, gives each round to `replay`, and opens it for appending.
    ///
    /// # Errors
    /// `Corrupt` for anything that a crash cannot explain.
    pub(super) fn open(
        directory: &Path,
        applied: Progress,
        mut replay: impl FnMut(Round) -> Result<()>,
    ) -> Result<Recovered> {
        let Segments { mut superseded, live } = segments(directory)?;
        let mut reading = Reading { applied, last: None, end: End::Open };
        let mut current: Option<Segment> = None;
        let count = live.len();
        for (index, (number, path)) in live.into_iter().enumerate() {
            let bytes = fs::read(&path).map_err(|error| io("read", &path, &error))?;
            if let Some(before) = &current {
                if index + 1 == count && reading.went_on_without(number, &path, &bytes)? {
                    fs::remove_file(&path).map_err(|error| io("remove", &path, &error))?;
                    break;
                }
                // A seal that is torn takes nothing with it: the next header says which round was the last.
                before.refuse_damage()?;
            }
            let end = reading.segment(number, &path, &bytes, &mut replay)?;
            let last = reading.last.unwrap_or(applied);
            superseded.extend(current.replace(Segment { number, path, bytes, end, last }).map(|before| before.path));
        }
        let Some(last) = current else {
            return Err(damaged(directory, "the log is missing"));
        };
        if reading.end == End::Sealed {
            return Err(damaged(&last.path, "the segment that follows it is missing"));
        }
        last.refuse_damage()?;
        if reading.last.is_some_and(|last| last.round < applied.round) {
            return Err(damaged(&last.path, "commits that the tree holds are missing"));
        }
        let closed = read_closed(directory)?;
        if closed > reading.last.map(|last| last.round) {
            return Err(damaged(&last.path, "commits that were there when the database was closed are missing"));
        }
        let torn = (last.bytes.len() - last.end) as u64;
        let (file, end) = match reading.end {
            // The mark is overwritten by what comes next, which is never shorter: it may be here and not on the disk, if its
            // sync failed, and nothing may stand behind a frame that a loss of power takes away.
            End::Closed { at } if torn == 0 => (last.open(at)?, at),
            _ => (last.make_durable(directory)?, last.end),
        };
        let Segment { number, path, .. } = last;
        let (directory, length) = (directory.to_owned(), end as u64);
        let log =
            Self { directory, path, file, segment: number, length, closed, broken: None, last_sync: Duration::ZERO };
        Ok(Recovered { log, earlier: superseded, torn })
    }

    fn create(directory: &Path, segment: u64, before: Progress) -> Result<Self> {
        let path = segment_path(directory, segment);
        let file = write_whole(&path, &header(segment, before)).map_err(|error| io("create", &path, &error))?;
        sync_directory(directory)?;
        let (directory, length) = (directory.to_owned(), HEADER as u64);
        Ok(Self { directory, path, file, segment, length, closed: None, broken: None, last_sync: Duration::ZERO })
    }

    /// Appends a frame, and makes it durable if `sync`.
    ///
    /// # Errors
    /// `Io`. Nothing of the frame is left then, unless the sync was what failed.
    pub(super) fn append(&mut self, frame: frame::Writer, sync: bool) -> Result<()> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let bytes = frame.finish(self.segment, self.length);
        if let Err(error) = self.file.write_all(&bytes) {
            let error = io("write to", &self.path, &error);
            let cleaned = self.cut_to_length().and_then(|()| {
                self.file.seek(SeekFrom::Start(self.length)).map_err(|error| io("seek in", &self.path, &error))
            });
            if let Err(cleaning) = cleaned {
                return Err(self.give_up(&format!("{}, and {}", error.reason(), cleaning.reason())));
            }
            return Err(error);
        }
        self.length += bytes.len() as u64;
        if sync {
            self.sync()?;
        }
        Ok(())
    }

    fn cut_to_length(&self) -> Result<()> {
        self.file.set_len(self.length).map_err(|error| io("shorten", &self.path, &error))
    }

    /// # Errors
    /// `Io`, after which nothing is appended any more: what a failed sync left on disk nobody can know.
    pub(super) fn sync(&mut self) -> Result<()> {
        let began = Instant::now();
        match self.file.sync_data() {
            Ok(()) => {
                self.last_sync = began.elapsed();
                Ok(())
            }
            Err(error) => {
                let error = io("sync", &self.path, &error);
                Err(self.give_up(&error.reason()))
            }
        }
    }

    /// How long the last sync took.
    pub(super) const fn last_sync(&self) -> Duration {
        self.last_sync
    }

    /// Takes nothing any more, and says why.
    pub(super) fn give_up(&mut self, reason: &str) -> Error {
        let error = given_up(reason);
        self.broken = Some(error.clone());
        error
    }

    /// Goes on in a new segment; the one that is left, whole and sealed.
    ///
    /// # Errors
    /// `Io`; the log then goes on in the old segment.
    pub(super) fn rotate(&mut self, progress: Progress) -> Result<PathBuf> {
        self.sync()?;
        // Whatever fails from here on, the next segment may stay beside a log that goes on here: it is known by that when it is read.
        let next = Self { closed: self.closed, ..Self::create(&self.directory, self.segment + 1, progress)? };
        self.append(frame::Writer::seal(progress.round), true)?;
        Ok(std::mem::replace(self, next).path)
    }

    /// Marks the end of the database's use, which says that all before it is durable; and then, beside the log, up to where it
    /// was there.
    pub(super) fn close(&mut self, round: u64) -> Result<()> {
        self.sync()?;
        self.append(frame::Writer::close(round), true)?;
        if self.closed != Some(round) {
            let path = self.directory.join(CLOSED);
            write_whole(&path, &closed(round)).map_err(|error| io("write", &path, &error))?;
            sync_directory(&self.directory)?;
            self.closed = Some(round);
        }
        Ok(())
    }
}

/// A segment as it was read.
struct Segment {
    number: u64,
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where its whole frames end.
    end: usize,
    /// The last round in them, or before them.
    last: Progress,
}

impl Segment {
    fn refuse_damage(&self) -> Result<()> {
        if frame::any_behind(self.number, &self.bytes, self.end, self.last) {
            return Err(damaged(&self.path, &format!("damaged at byte {}, with whole commits behind it", self.end)));
        }
        Ok(())
    }

    /// Opens it for appending at `end`.
    fn open(&self, end: usize) -> Result<File> {
        let mut file =
            OpenOptions::new().write(true).open(&self.path).map_err(|error| io("open", &self.path, &error))?;
        file.seek(SeekFrom::Start(end as u64)).map_err(|error| io("seek in", &self.path, &error))?;
        Ok(file)
    }

    /// Makes the whole frames all that is there, and durable: what was read once must be there for ever. They are written
    /// anew, because a system that failed to write them may have dropped them, and would sync the file without a word.
    fn make_durable(&self, directory: &Path) -> Result<File> {
        let frames = self.bytes.get(..self.end).unwrap_or_default();
        let file = match write_whole(&self.path, frames) {
            // A full disk must not keep anybody from reading, or from making room.
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                let file = self.open(self.end)?;
                file.set_len(self.end as u64).map_err(|error| io("shorten", &self.path, &error))?;
                file.sync_all().map_err(|error| io("sync", &self.path, &error))?;
                file
            }
            written => written.map_err(|error| io("write", &self.path, &error))?,
        };
        sync_directory(directory)?;
        Ok(file)
    }
}

/// How far a segment says that the log came to an end with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// The log goes on in the next segment.
    Sealed,
    /// The database was closed in good order, by a mark that begins at this byte.
    Closed {
        at: usize,
    },
}

/// Goes through segments in order and checks that nothing is missing between them.
struct Reading {
    applied: Progress,
    /// The last round seen.
    last: Option<Progress>,
    end: End,
}

impl Reading {
    /// Whether a segment was begun, and the log went on in the one before it: something failed between the two.
    fn went_on_without(&self, number: u64, path: &Path, bytes: &[u8]) -> Result<bool> {
        if self.end == End::Sealed || bytes.len() != HEADER {
            return Ok(false);
        }
        let before = read_header(path, number, bytes)?;
        Ok(self.last.is_some_and(|last| before.round < last.round))
    }

    /// Replays a segment; where its whole frames end.
    fn segment(
        &mut self,
        number: u64,
        path: &Path,
        bytes: &[u8],
        replay: &mut impl FnMut(Round) -> Result<()>,
    ) -> Result<usize> {
        let before = read_header(path, number, bytes)?;
        let expected = self.last.map_or(self.applied.round, |last| last.round);
        if self.last.is_some_and(|last| last != before) || before.round > expected {
            return Err(damaged(path, "commits before it are missing"));
        }
        self.last = Some(before);
        self.end = End::Open;
        let mut offset = HEADER;
        while let Found::Entry(entry, next) = frame::read(number, bytes, offset) {
            let last = self.last.unwrap_or(before);
            self.end = End::Open;
            match entry {
                Entry::Round { round, version, steps } => {
                    if round != last.round + 1 || version <= last.version {
                        return Err(damaged(path, &format!("commits before byte {offset} are missing")));
                    }
                    let progress = Progress { round, version };
                    self.last = Some(progress);
                    if round > self.applied.round {
                        replay(Round { progress, steps })?;
                    }
                }
                Entry::Seal { round } | Entry::Close { round } if round != last.round => {
                    return Err(damaged(path, &format!("commits before byte {offset} are missing")));
                }
                Entry::Seal { .. } => self.end = End::Sealed,
                Entry::Close { .. } => self.end = End::Closed { at: offset },
            }
            offset = next;
        }
        Ok(offset)
    }
}

fn segment_path(directory: &Path, segment: u64) -> PathBuf {
    directory.join(format!("{segment:020}.log"))
}

/// The segments that are there.
struct Segments {
    /// Behind these one is missing, so they were being removed, which a loss of power may have undone in part.
    superseded: Vec<PathBuf>,
    /// Numbers and paths of the others, in order.
    live: Vec<(u64, PathBuf)>,
}

/// Looks for segments. Drafts of such that never came to be are removed.
fn segments(directory: &Path) -> Result<Segments> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| io("read", directory, &error))? {
        let path = entry.map_err(|error| io("read", directory, &error))?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("new") => fs::remove_file(&path).map_err(|error| io("remove", &path, &error))?,
            Some("log") => {
                let number: Option<u64> = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
                segments.push((number.ok_or_else(|| damaged(&path, "not a segment of the log"))?, path));
            }
            _ => {}
        }
    }
    segments.sort_unstable();
    let gap = segments.windows(2).rposition(|pair| matches!(pair, [(number, _), (next, _)] if number + 1 != *next));
    let live = segments.split_off(gap.map_or(0, |index| index + 1));
    Ok(Segments { superseded: segments.into_iter().map(|(_, path)| path).collect(), live })
}

/// Writes a file so that it is there whole or not at all, once its directory is synced too.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let draft = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        Ok(file)
    };
    write().inspect_err(|_| {
        // Only for its space: it is overwritten, or removed when the log is opened.
        drop(fs::remove_file(&draft));
    })
}

fn header(segment: u64, before: Progress) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&FORMAT.to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    for number in [segment, before.round, before.version.0] {
        header.extend_from_slice(&number.to_be_bytes());
    }
    let checksum = xxh3_64(&header);
    header.extend_from_slice(&checksum.to_be_bytes());
    header
}

fn read_header(path: &Path, segment: u64, bytes: &[u8]) -> Result<Progress> {
    let header_bytes = bytes.get(..HEADER).ok_or_else(|| damaged(path, "its header is incomplete"))?;
    let number = |at: usize| {
        header_bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes).unwrap_or_default()
    };
    let before = Progress { round: number(24), version: Version(number(32)) };
    if header_bytes == header(segment, before) {
        return Ok(before);
    }
    let format = header_bytes.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    match format {
        Some(format)
            if header_bytes.starts_with(MAGIC) && format > FORMAT && number(40) == xxh3_64(&header_bytes[..40]) =>
        {
            Err(Error::Corrupt(format!(
                "{}: written in format {format}, and this version of fdyno reads format {FORMAT}",
                path.display()
            )))
        }
        _ => Err(damaged(path, "its header is damaged")),
    }
}

fn closed(round: u64) -> Vec<u8> {
    let mut bytes = [CLOSED_MAGIC.as_slice(), &round.to_be_bytes()].concat();
    let checksum = xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

/// The last round there was when the database was last closed; none if it never was, or only by a version that did not tell.
fn read_closed(directory: &Path) -> Result<Option<u64>> {
    let path = directory.join(CLOSED);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("read", &path, &error)),
    };
    let round = bytes.get(8..16).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
    let round = round.filter(|round| bytes == closed(*round));
    round.map(Some).ok_or_else(|| damaged(&path, "damaged"))
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::Corrupt(format!("{}: {what}", path.display()))
}
