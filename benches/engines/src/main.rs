//! Measures the stores that fdyno's disk engine could lie on, and the engine itself, and prints a table.
//!
//! `make bench-engines` runs it; `docs/design.md` has the table of one run and what follows from it. Figures are of one
//! machine: candidates take turns within a run, and what counts is the ratio in brackets, which is to ours.
//!
//! `--items N` pairs in the large databases (1,000,000 unless given), `--rounds N` turns of what is quick (3),
//! `--engines a,b` of fdyno, fjall, redb, sqlite; `--data DIRECTORY` for a place with room (a gigabyte, or 0.6 for each million
//! of items); `--only speed,size,damage,build` for some of the parts; `--trials N` bytes of data and ten times
//! as many of the journal are damaged (30). Linux only.

mod building;
mod child;
mod damage;
mod pairs;
mod store;
mod tasks;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use crate::child::Figures;

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A load stops when a database takes so much of the disk.
const MOST_BYTES: u64 = 5_500_000_000;
/// Pairs of the small database.
const SMALL: u64 = 100_000;
const SYNCED_SECONDS: u64 = 3;
const READS: u64 = 100_000;
/// Commits that are measured in a large database.
const PUTS: u64 = 20_000;
/// Commits before a kill.
const UNSYNCED: u64 = 10_000;

struct Plan {
    engines: Vec<String>,
    items: u64,
    rounds: u64,
    trials: u64,
    data: PathBuf,
    parts: Vec<String>,
}

impl Plan {
    fn read(arguments: &[String]) -> Outcome<Self> {
        let option = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            arguments.get(at + 1).map(String::as_str)
        };
        let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let known = ["--items", "--rounds", "--trials", "--data", "--engines", "--only"];
        if let Some(other) = arguments.iter().step_by(2).find(|argument| !known.contains(&argument.as_str())) {
            return Err(format!("{other} is none of {}", known.join(", ")).into());
        }
        Ok(Self {
            engines: list(option("--engines").unwrap_or(&store::NAMES.join(","))),
            items: option("--items").unwrap_or("1000000").parse()?,
            rounds: option("--rounds").unwrap_or("3").parse()?,
            trials: option("--trials").unwrap_or("30").parse()?,
            data: option("--data").map_or_else(|| std::env::temp_dir().join("fdyno-engines"), PathBuf::from),
            parts: list(option("--only").unwrap_or("speed,size,damage,build")),
        })
    }

    fn has(&self, part: &str) -> bool {
        self.parts.iter().any(|wanted| wanted == part)
    }

    /// An empty place for a store's database.
    fn fresh(&self, engine: &str, what: &str) -> Outcome<PathBuf> {
        let path = self.data.join(format!("{engine}-{what}"));
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        Ok(path)
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("task", task)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return tasks::run(task);
    }
    let plan = Plan::read(&arguments)?;
    fs::create_dir_all(&plan.data)?;
    let mut header = vec![String::new()];
    for engine in &plan.engines {
        header.push(building::named(engine)?);
    }
    row(&header);
    row(&vec!["---".to_owned(); header.len()]);
    if plan.has("speed") {
        small(&plan)?;
    }
    if plan.has("size") {
        large(&plan, plan.items.min(1_000_000), true)?;
        if plan.items > 1_000_000 {
            large(&plan, plan.items, false)?;
        }
    }
    if plan.has("damage") {
        damaged(&plan)?;
    }
    if plan.has("build") {
        built(&plan)?;
    }
    fs::remove_dir_all(&plan.data)?;
    Ok(())
}

fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

/// A row of figures, each with its ratio to the first engine's.
fn figures(what: &str, unit: &str, figures: &[f64]) {
    let mut cells = vec![format!("{what} ({unit})")];
    for figure in figures {
        if figure.is_nan() {
            cells.push("—".to_owned());
            continue;
        }
        let number = if *figure >= 100.0 { format!("{figure:.0}") } else { format!("{figure:.2}") };
        let ratio = figure / figures.first().unwrap_or(&f64::NAN);
        cells.push(if ratio.is_nan() { number } else { format!("{number} ({ratio:.2})") });
    }
    row(&cells);
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs something for every engine in turn, several times over, and gives each one's median of every figure.
/// The median of every figure that an engine told.
struct Medians(Vec<Vec<Figures>>);

impl Medians {
    fn of(&self, name: &str) -> Vec<f64> {
        let figure = |told: &Vec<Figures>| median(told.iter().filter_map(|told| told.get(name).copied()).collect());
        self.0.iter().map(figure).collect()
    }
}

/// Runs something for every engine in turn, several times over.
fn in_turns(plan: &Plan, mut work: impl FnMut(&str) -> Outcome<Figures>) -> Outcome<Medians> {
    let mut told = vec![Vec::new(); plan.engines.len()];
    for _ in 0..plan.rounds {
        for (engine, told) in plan.engines.iter().zip(&mut told) {
            told.push(work(engine)?);
        }
    }
    Ok(Medians(told))
}

fn numbers<const N: usize>(numbers: [u64; N]) -> [String; N] {
    numbers.map(|number| number.to_string())
}

/// What is quick: a small database, and commits that are synced.
fn small(plan: &Plan) -> Outcome<()> {
    let medians = in_turns(plan, |engine| {
        let path = plan.fresh(engine, "small")?;
        let mut told = child::run("puts", engine, &path, &numbers([0, SMALL]))?;
        // redb has kept nothing: what is to be read is written with a sync at its end.
        fs::remove_dir_all(&path)?;
        child::run("write", engine, &path, &numbers([0, SMALL, 1, 0]))?;
        told.extend(child::run("reads", engine, &path, &numbers([SMALL, 40_000]))?);
        fs::remove_dir_all(&path)?;
        Ok(told)
    })?;
    figures(&format!("put and commit, buffered, {SMALL} pairs"), "µs", &medians.of("put"));
    figures(&format!("the same, mean, {SMALL} pairs"), "µs", &medians.of("put-mean"));
    figures(&format!("get, {SMALL} pairs"), "µs", &medians.of("get"));
    figures(&format!("range of 100, {SMALL} pairs"), "µs", &medians.of("range"));
    for (writers, together, how) in [(1, 0, "1 writer"), (16, 0, "16 writers"), (16, 1, "16 writers, gathered")] {
        let medians = in_turns(plan, |engine| {
            let path = plan.fresh(engine, "synced")?;
            let told = child::run("synced", engine, &path, &numbers([writers, together, SYNCED_SECONDS]))?;
            fs::remove_dir_all(&path)?;
            Ok(told)
        })?;
        figures(&format!("synced commits, {how}"), "/s", &medians.of("commits"));
    }
    Ok(())
}

/// What grows with the database. `turns`: all engines' databases lie on the disk at once, and what is measured is measured
/// in turns; else one engine comes after the other, so that the disk need not hold more than one large database.
fn large(plan: &Plan, items: u64, turns: bool) -> Outcome<()> {
    let mut told = vec![Vec::new(); plan.engines.len()];
    if turns {
        for (engine, told) in plan.engines.iter().zip(&mut told) {
            told.push(loaded(plan, engine, items)?);
        }
        for _ in 0..plan.rounds {
            for (engine, told) in plan.engines.iter().zip(&mut told) {
                told.push(used(plan, engine, told.first())?);
            }
        }
    }
    for (engine, told) in plan.engines.iter().zip(&mut told) {
        if !turns {
            told.push(loaded(plan, engine, items)?);
            for _ in 0..plan.rounds {
                told.push(used(plan, engine, told.first())?);
            }
        }
        told.push(killed(plan, engine, told.first())?);
        eprintln!("{engine}: {told:?}");
        fs::remove_dir_all(plan.data.join(format!("{engine}-large")))?;
    }
    let medians = Medians(told);
    for (what, unit, name) in [
        ("pairs loaded", "pairs", "loaded"),
        ("loading them, 10,000 a transaction", "s", "seconds"),
        ("put and commit, buffered", "µs", "put"),
        ("the same, mean", "µs", "put-mean"),
        ("get", "µs", "get"),
        ("range of 100", "µs", "range"),
        ("opening, closed before", "ms", "open"),
        ("opening with the store's own check", "ms", "checked"),
        ("opening after kill -9", "ms", "opening"),
        ("resident memory after random gets", "MB", "resident"),
        ("bytes on disk / raw bytes", "x", "amplification"),
    ] {
        figures(&format!("{what}, {items} pairs"), unit, &medians.of(name));
    }
    figures(&format!("buffered commits of {UNSYNCED} that survive kill -9"), "pairs", &medians.of("survivors"));
    Ok(())
}

/// How many pairs an engine's large database holds.
fn items(told: Option<&Figures>) -> u64 {
    told.and_then(|told| told.get("loaded")).map_or(0, |loaded| *loaded as u64)
}

fn loaded(plan: &Plan, engine: &str, wanted: u64) -> Outcome<Figures> {
    let path = plan.fresh(engine, "large")?;
    let mut told = child::run("load", engine, &path, &numbers([wanted, MOST_BYTES]))?;
    told.insert("amplification".to_owned(), tasks::amplification(&path, items(Some(&told)))?);
    // The others have no such check.
    if engine == "redb" || engine == "sqlite" {
        let checked = child::run("open-checked", engine, &path, &numbers([0]))?;
        told.extend(checked.get("open").map(|open| ("checked".to_owned(), *open)));
    }
    Ok(told)
}

/// Opening, reads, and commits of pairs that are replaced.
fn used(plan: &Plan, engine: &str, told: Option<&Figures>) -> Outcome<Figures> {
    let path = plan.data.join(format!("{engine}-large"));
    let mut figures = child::run("reads", engine, &path, &numbers([items(told), READS]))?;
    figures.extend(child::run("puts", engine, &path, &numbers([0, PUTS]))?);
    Ok(figures)
}

/// What is left after a kill, and how long it takes to open that.
fn killed(plan: &Plan, engine: &str, told: Option<&Figures>) -> Outcome<Figures> {
    let path = plan.data.join(format!("{engine}-large"));
    child::run_until_killed("write", engine, &path, &numbers([items(told), UNSYNCED, 0, 1]))?;
    let after = child::run("survivors", engine, &path, &numbers([items(told), UNSYNCED]))?;
    let name = |name: &str| if name == "open" { "opening".to_owned() } else { name.to_owned() };
    Ok(after.into_iter().map(|(told, figure)| (name(&told), figure)).collect())
}

fn damaged(plan: &Plan) -> Outcome<()> {
    let mut columns = Vec::new();
    for engine in &plan.engines {
        columns.push(damage::measure(engine, &plan.fresh(engine, "damage")?, plan.trials)?);
    }
    let Some(first) = columns.first() else { return Ok(()) };
    for (at, (what, _)) in first.iter().enumerate() {
        let answers = columns.iter().filter_map(|column| Some(column.get(at)?.1.to_string()));
        row(&std::iter::once(what.clone()).chain(answers).collect::<Vec<_>>());
    }
    Ok(())
}

fn built(plan: &Plan) -> Outcome<()> {
    let mut cells = vec!["cold release build (processor s; crates)".to_owned()];
    for engine in &plan.engines {
        let scratch: &Path = &plan.fresh(engine, "build")?;
        let (seconds, crates) = building::measure(engine, scratch)?;
        cells.push(format!("{seconds:.1}; {crates}"));
    }
    row(&cells);
    Ok(())
}
