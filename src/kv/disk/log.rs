//! The write-ahead log: segments of frames, appended and, where asked for, synced, before anything is published.
//!
//! ```text
//! header, 48 bytes:   "fdynolog" | format u32 | 0 u32 | segment u64 | first round u64 | version before it u64 | checksum u64
//! then frames (see `frame`)
//! ```
//!
//! A segment is followed by the next when the tree sets aside what it holds; it is removed when that has been flushed.
//! Reading tells a torn end, which a crash leaves and which is cut off, from damage, which is an error: behind a torn end
//! there is no whole frame, no further segment and no seal. Invariants: a frame that could not be appended whole
//! leaves nothing behind; after a failed sync, or a failed clean-up, nothing is appended any more.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::super::{Error, Result, Version};
use super::directory::{io, sync_directory};
use super::frame::{self, Entry, Found, Step};
use super::tree::Progress;

const MAGIC: &[u8; 8] = b"fdynolog";
/// The form of segments this version writes, and the only one it reads.
const FORMAT: u32 = 1;
const HEADER: usize = 48;

/// The log, open for appending to its last segment.
#[derive(Debug)]
pub(super) struct Log {
    directory: PathBuf,
    path: PathBuf,
    file: File,
    segment: u64,
    /// Bytes of whole frames.
    length: u64,
    /// Why nothing can be appended any more.
    broken: Option<Error>,
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
    /// Reads the log behind `applied`, gives each round to `replay`, and opens it for appending.
    ///
    /// # Errors
    /// `Corrupt` for anything that a crash cannot explain.
    pub(super) fn open(
        directory: &Path,
        applied: Progress,
        mut replay: impl FnMut(Round) -> Result<()>,
    ) -> Result<Recovered> {
        let mut segments = segments(directory)?;
        let Some(last) = segments.pop() else {
            if applied.round > 0 {
                return Err(damaged(directory, "the log is missing"));
            }
            let log = Self::create(directory, 1, Progress::default())?;
            return Ok(Recovered { log, earlier: Vec::new(), torn: 0 });
        };
        let mut reading = Reading { applied, last: None, sealed: false };
        for (number, path) in &segments {
            let bytes = fs::read(path).map_err(|error| io("read", path, &error))?;
            let end = reading.segment(*number, path, &bytes, &mut replay)?;
            if end < bytes.len() {
                return Err(damaged(path, &format!("damaged at byte {end}, and the log goes on behind it")));
            }
        }
        let (number, path) = last;
        let bytes = fs::read(&path).map_err(|error| io("read", &path, &error))?;
        let end = reading.segment(number, &path, &bytes, &mut replay)?;
        if reading.sealed {
            return Err(damaged(&path, "the segment that follows it is missing"));
        }
        if frame::any_behind(number, &bytes, end) {
            return Err(damaged(&path, &format!("damaged at byte {end}, with whole commits behind it")));
        }
        if reading.last.is_some_and(|last| last.round < applied.round) {
            return Err(damaged(&path, "commits that the tree holds are missing"));
        }
        let torn = (bytes.len() - end) as u64;
        let file = OpenOptions::new().write(true).open(&path).map_err(|error| io("open", &path, &error))?;
        let mut log =
            Self { directory: directory.to_owned(), path, file, segment: number, length: end as u64, broken: None };
        if torn > 0 {
            log.cut_to_length()?;
            log.file.sync_all().map_err(|error| io("sync", &log.path, &error))?;
        }
        log.file.seek(SeekFrom::Start(log.length)).map_err(|error| io("seek in", &log.path, &error))?;
        Ok(Recovered { log, earlier: segments.into_iter().map(|(_, path)| path).collect(), torn })
    }

    fn create(directory: &Path, segment: u64, before: Progress) -> Result<Self> {
        let path = segment_path(directory, segment);
        let draft = path.with_extension("new");
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&draft)?;
            file.write_all(&header(segment, before))?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            Ok(file)
        };
        let file = write().map_err(|error| io("create", &path, &error))?;
        sync_directory(directory)?;
        Ok(Self { directory: directory.to_owned(), path, file, segment, length: HEADER as u64, broken: None })
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
                return Err(self.give_up(&format!("{error}, and {cleaning}")));
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
        match self.file.sync_data() {
            Ok(()) => Ok(()),
            Err(error) => {
                let error = io("sync", &self.path, &error);
                Err(self.give_up(&error.to_string()))
            }
        }
    }

    fn give_up(&mut self, reason: &str) -> Error {
        let error = Error::Io(format!("{reason}; the database takes no more writes until it is opened again"));
        self.broken = Some(error.clone());
        error
    }

    /// Goes on in a new segment; the one that is left, whole and sealed.
    ///
    /// # Errors
    /// `Io`; the log then goes on in the old segment.
    pub(super) fn rotate(&mut self, progress: Progress) -> Result<PathBuf> {
        self.sync()?;
        let next = Self::create(&self.directory, self.segment + 1, progress)?;
        if let Err(error) = self.append(frame::Writer::seal(progress.round), true) {
            // The log goes on here, so the next segment must not stand beside it when it is read again. If nothing is appended
            // any more, it does no harm, and the seal may be there.
            if self.broken.is_none() {
                fs::remove_file(&next.path)
                    .map_err(|error| self.give_up(&io("remove", &next.path, &error).to_string()))?;
            }
            return Err(error);
        }
        Ok(std::mem::replace(self, next).path)
    }

    /// Marks the end of the database's use.
    pub(super) fn close(&mut self, round: u64) -> Result<()> {
        self.append(frame::Writer::close(round), true)
    }
}

/// Goes through segments in order and checks that nothing is missing between them.
struct Reading {
    applied: Progress,
    /// The last round seen.
    last: Option<Progress>,
    sealed: bool,
}

impl Reading {
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
        self.sealed = false;
        let mut offset = HEADER;
        while let Found::Entry(entry, next) = frame::read(number, bytes, offset) {
            let last = self.last.unwrap_or(before);
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
                Entry::Seal { .. } => self.sealed = true,
                Entry::Close { .. } => {}
            }
            offset = next;
        }
        Ok(offset)
    }
}

fn segment_path(directory: &Path, segment: u64) -> PathBuf {
    directory.join(format!("{segment:020}.log"))
}

/// Numbers and paths of the segments, in order. Drafts of segments that never came to be are removed.
fn segments(directory: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| io("read", directory, &error))? {
        let path = entry.map_err(|error| io("read", directory, &error))?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("new") => fs::remove_file(&path).map_err(|error| io("remove", &path, &error))?,
            Some("log") => {
                let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
                segments.push((number.ok_or_else(|| damaged(&path, "not a segment of the log"))?, path));
            }
            _ => {}
        }
    }
    segments.sort_unstable();
    match segments.iter().zip(segments.iter().skip(1)).find(|((number, _), (next, _))| number + 1 != *next) {
        Some((_, (_, path))) => Err(damaged(path, "the segment before it is missing")),
        None => Ok(segments),
    }
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

fn damaged(path: &Path, what: &str) -> Error {
    Error::Corrupt(format!("{}: {what}", path.display()))
}
