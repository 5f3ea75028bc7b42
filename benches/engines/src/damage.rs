//! What a store makes of damage: a byte that is flipped in its data or its journal, a journal whose end is cut off.
//!
//! Each trial damages a copy of the same database, opens it in a process of its own and reads everything. What counts is
//! whether the store says so.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::child::{self, End};
use crate::{pairs, store};

/// Pairs of the database whose data is damaged: at 232 bytes more than one flush of 32 MB, so that there are tables.
const DATA_ITEMS: u64 = 160_000;
/// Pairs of the one whose journal is: all of them lie in it, where a store has one.
const JOURNAL_ITEMS: u64 = 20_000;
/// Bytes cut off the journal.
const CUTS: [u64; 5] = [1, 30, 300, 3_000, 30_000];
/// Trials on the journal by those on the data: one for each byte of a stretch in its middle, which holds at least one whole
/// entry when it is three hundred, so every field of one is hit.
const JOURNAL_TRIALS: u64 = 10;

/// How one store answered all trials of one kind.
#[derive(Debug, Default)]
pub struct Answers {
    counts: BTreeMap<&'static str, u64>,
    most_missing: u64,
}

impl Answers {
    fn add(&mut self, answer: &'static str) {
        *self.counts.entry(answer).or_default() += 1;
    }
}

impl std::fmt::Display for Answers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.counts.is_empty() {
            return formatter.write_str("—");
        }
        let mut parts: Vec<_> = self.counts.iter().map(|(answer, count)| format!("{count} {answer}")).collect();
        if self.most_missing > 0 {
            parts.push(format!("at most {} pairs gone", self.most_missing));
        }
        formatter.write_str(&parts.join(", "))
    }
}

/// The answers of a store, by the kind of damage.
pub fn measure(name: &str, scratch: &Path, trials: u64) -> Outcome<Vec<(String, Answers)>> {
    let write = |base: &str, items: u64, killed: bool| -> Outcome<Base> {
        let path = scratch.join(base);
        let numbers = ["0".into(), items.to_string(), "1".into(), u64::from(killed).to_string()];
        if killed {
            child::run_until_killed("write", name, &path, &numbers)?;
        } else {
            child::run("write", name, &path, &numbers)?;
        }
        Ok(Base { name: name.to_owned(), path, copy: scratch.join("copy"), items })
    };
    let mut rows = Vec::new();
    let base = write("data", DATA_ITEMS, false)?;
    let data = largest(&base.path, |file| !store::is_journal(name, file))?.ok_or("a store without data")?;
    for (checked, what) in [(false, "a byte of the data flipped"), (true, "the same, looked for")] {
        let mut answers = Answers::default();
        for place in places(&data, trials)? {
            base.try_one(&data, Damage::Flip(place), checked, &mut answers)?;
        }
        rows.push((what.to_owned(), answers));
    }
    let (killed, closed) = (write("killed", JOURNAL_ITEMS, true)?, write("closed", JOURNAL_ITEMS, false)?);
    let mut answers = Answers::default();
    if let Some(journal) = largest(&killed.path, |file| store::is_journal(name, file))? {
        let middle = killed.live(&journal)? / 2;
        for place in middle..middle + trials * JOURNAL_TRIALS {
            killed.try_one(&journal, Damage::Flip(place), false, &mut answers)?;
        }
    }
    rows.push(("a byte of the journal flipped, after kill -9".to_owned(), answers));
    for (base, what) in [(&killed, "the journal's end cut, after kill -9"), (&closed, "the journal's end cut, closed")]
    {
        let mut answers = Answers::default();
        if let Some(journal) = largest(&base.path, |file| store::is_journal(name, file))? {
            for cut in CUTS {
                base.try_one(&journal, Damage::Cut(cut), false, &mut answers)?;
            }
        }
        rows.push((what.to_owned(), answers));
    }
    fs::remove_dir_all(scratch)?;
    Ok(rows)
}

/// The file of a kind that holds the most.
fn largest(directory: &Path, is_wanted: impl Fn(&Path) -> bool) -> Outcome<Option<PathBuf>> {
    let mut found = Vec::new();
    for file in store::files(directory)? {
        if is_wanted(&file) {
            found.push((written(&file)?, file));
        }
    }
    found.retain(|(length, _)| *length > 0);
    found.sort();
    Ok(found.pop().map(|(_, file)| file))
}

/// The length of a file without the zeros at its end, which were only set aside for later.
fn written(file: &Path) -> Outcome<u64> {
    let bytes = fs::read(file)?;
    Ok(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1))
}

/// Places from the first to the last byte, not aligned to anything.
fn places(file: &Path, trials: u64) -> Outcome<Vec<u64>> {
    let (length, mut random) = (written(file)?, fastrand::Rng::with_seed(11));
    let part = (length / trials).max(1);
    Ok((0..trials).map(|trial| (trial * part + random.u64(0..part)).min(length - 1)).collect())
}

#[derive(Clone, Copy)]
enum Damage {
    /// One bit of the byte at this place.
    Flip(u64),
    /// So many bytes of what was written last.
    Cut(u64),
}

/// A database of which copies are damaged.
struct Base {
    name: String,
    path: PathBuf,
    copy: PathBuf,
    items: u64,
}

impl Base {
    /// Where a journal's last entry ends. SQLite writes its own from the beginning again, over what no longer counts: frames
    /// of a page that repeat the two salts in the file's header are those that do.
    fn live(&self, journal: &Path) -> Outcome<u64> {
        const HEADER: usize = 32;
        const FRAME: usize = 24 + 4096;
        if self.name != "sqlite" {
            return written(journal);
        }
        let bytes = fs::read(journal)?;
        let salts = bytes.get(16..24);
        let frames = bytes.get(HEADER..).unwrap_or_default().chunks_exact(FRAME);
        let live = frames.take_while(|frame| frame.get(8..16) == salts).count();
        Ok((HEADER + live * FRAME) as u64)
    }

    fn try_one(&self, file: &Path, damage: Damage, checked: bool, answers: &mut Answers) -> Outcome<()> {
        if self.copy.exists() {
            fs::remove_dir_all(&self.copy)?;
        }
        for file in store::files(&self.path)? {
            let target = self.copy.join(file.strip_prefix(&self.path)?);
            fs::create_dir_all(target.parent().ok_or("a file without a directory")?)?;
            fs::copy(&file, &target)?;
        }
        let file = self.copy.join(file.strip_prefix(&self.path)?);
        // A crash can leave as much undone, so that this much may go without a word.
        let forgivable = match damage {
            Damage::Flip(place) => {
                let opened = OpenOptions::new().read(true).write(true).open(&file)?;
                let mut byte = [0];
                opened.read_exact_at(&mut byte, place)?;
                opened.write_all_at(&[byte[0] ^ 0x10], place)?;
                0
            }
            Damage::Cut(bytes) => {
                File::options().write(true).open(&file)?.set_len(self.live(&file)?.saturating_sub(bytes))?;
                bytes / pairs::BYTES + 1
            }
        };
        let arguments = [self.items.to_string(), u64::from(checked).to_string()];
        let answer = match child::try_to_run("verify", &self.name, &self.copy, &arguments)? {
            End::Told(figures) => {
                let figure = |name| figures.get(name).copied().unwrap_or(f64::NAN) as u64;
                let missing = figure("missing");
                answers.most_missing = answers.most_missing.max(missing);
                match figure("wrong") {
                    0 if missing == 0 => "without effect",
                    0 if missing <= forgivable => "only what was cut gone",
                    0 => "silent loss",
                    _ => "wrong data",
                }
            }
            End::Error(error) => {
                // One is enough to see that it is about the damage.
                if !answers.counts.contains_key("error") {
                    eprintln!("{}: {}", self.name, error.trim());
                }
                "error"
            }
            End::Panic => "panic",
            End::Crash => "crash or no end",
        };
        answers.add(answer);
        Ok(())
    }
}
