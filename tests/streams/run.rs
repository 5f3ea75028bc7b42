//! One run: a seed, a database, its writers and its consumers, and the verdict when all is over.
//!
//! On one thread a run is a function of its seed. With a thread for each writer and each consumer it is not, but there is
//! more that can go wrong. The clock stands still but for the steps that writers ask for, and consumers that keep up
//! read to the tip before each; so only those that do not keep up find themselves behind what is trimmed.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use fdyno::api::Operation;
use serde_json::Value as Json;

use crate::expiry;
use crate::house::{Engine, House};
use crate::journal::{Entry, TABLES, add_index, create_table};
use crate::met::Met;
use crate::reader::{Archive, Habit, Number, Reader};
use crate::replay;
use crate::verdict;
use crate::writer::Writer;

const WRITERS: usize = 4;
const TURNS: usize = 45;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// Steps of the clock: whole seconds, which is what records tell. None leaves no time to those who keep up; and behind the
/// longest, one of the short ones takes away what somebody was about to read.
const STEPS: [i64; 10] =
    [1_000, 59_000, 6 * MINUTE, 10 * MINUTE, 16 * MINUTE, HOUR, 5 * HOUR, 14 * HOUR, LONGEST_STEP, LONGEST_STEP];
const LONGEST_STEP: i64 = 24 * HOUR - 5 * MINUTE;

/// Everything of a run that threads share.
struct Stage<'a> {
    house: House,
    archives: [Archive; 2],
    met: &'a Met,
    /// Whether the clock is now and then set back.
    sets_back: bool,
    /// Whether the first table is given an index meanwhile. With faults `model.rs` does that.
    adds_index: bool,
    /// Held from a wish for a step to its end: the clock waits for those who keep up before each.
    stepping: Mutex<()>,
    bell: Bell,
}

/// What a writer wants done between two of its turns.
enum Wish {
    Nothing,
    /// By so many milliseconds, through all that falls due on the way or not.
    Step(i64, bool),
    Restart,
}

/// How far one is that reads late.
#[derive(Clone, Default)]
struct Lag {
    /// The step at which it last read.
    read_at: u64,
    has_place: bool,
}

fn wish(random: &mut fastrand::Rng, sets_back: bool) -> Wish {
    match random.u8(0..100) {
        0..=7 => Wish::Step(STEPS[random.usize(0..STEPS.len())], random.bool()),
        8 if sets_back => Wish::Step(-HOUR / 2, random.bool()),
        9..=11 => Wish::Restart,
        _ => Wish::Nothing,
    }
}

fn readers(seed: u64) -> Vec<Reader> {
    let mut readers = Vec::new();
    for table in 0..TABLES.len() {
        let habits = [
            Habit::Keeper { from_horizon: true },
            Habit::Keeper { from_horizon: false },
            Habit::Laggard { steps: 2 + seed % 5 },
            Habit::Sampler,
        ];
        let number = |at: usize| seed << 8 ^ (table * 16 + at + 128) as u64;
        readers.extend(habits.into_iter().enumerate().map(|(at, habit)| Reader::new(table, habit, number(at))));
    }
    readers
}

/// What a run was: two runs of one seed on one thread must be the same.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub records: [BTreeMap<Number, Json>; 2],
    pub requests: usize,
    pub readings: usize,
}

/// Runs a seed to its end; panics on the first thing that is wrong.
pub fn run(seed: u64, engine: Engine, threads: bool, met: &Met) -> Outcome {
    let house = House::new(seed, engine, threads);
    let archives = [0, 1].map(|table| {
        let (_, answer) = house.insist(0, Operation::CreateTable, &create_table(table));
        // A fault may have hidden that it was created.
        let description = match answer {
            Ok(answer) => answer["TableDescription"].clone(),
            Err(error) => {
                assert_eq!(error.shape().code, "ResourceInUseException", "{error}");
                let request = serde_json::json!({ "TableName": TABLES[table] });
                house.insist(0, Operation::DescribeTable, &request).1.expect("a table")["Table"].clone()
            }
        };
        Archive::new(&house, table, description["LatestStreamArn"].as_str().expect("an ARN"))
    });
    switch_on_expiry(&house);
    let sets_back = seed % 4 == 3;
    let adds_index = matches!(engine, Engine::Disk(_)) && seed.is_multiple_of(2);
    let (stepping, bell) = (Mutex::default(), Bell::default());
    let stage = Stage { house, archives, met, sets_back, adds_index, stepping, bell };
    let mut writers: Vec<Writer> =
        (0..WRITERS).map(|number| Writer::new(number, seed, stage.house.clock.clone())).collect();
    let mut readers = readers(seed);
    if threads {
        stage.play_on_threads(seed, &mut writers, &mut readers);
    } else {
        stage.play_on_one_thread(seed, &mut writers, &mut readers);
    }
    let Stage { house, archives, .. } = stage;
    house.fired().into_iter().for_each(|fault| met.saw(fault));
    let records = archives.map(Archive::into_records);
    let entries: Vec<Entry> = writers.into_iter().flat_map(|writer| writer.entries).collect();
    verdict::judge(&entries, [&records[0], &records[1]], &readers, &house.chronicle(threads), met);
    let store = house.store();
    for (table, records) in records.iter().enumerate() {
        replay::check(&store, table, records, adds_index);
    }
    let readings = readers.iter().map(|reader| reader.readings.len()).sum();
    Outcome { records, requests: entries.len(), readings }
}

/// Switches the time to live of one of the tables on; handles that have no way to hear of it are opened again.
fn switch_on_expiry(house: &House) {
    if let (_, Err(error)) = house.insist(0, Operation::UpdateTimeToLive, &expiry::enable()) {
        // A fault may have hidden that it was switched on.
        assert_eq!(error.to_string(), "TimeToLive is already enabled");
    }
    house.restart();
    house.restart();
}

impl Stage<'_> {
    fn archive(&self, reader: &Reader) -> &Archive {
        &self.archives[reader.table]
    }

    fn read_to_tip(&self, reader: &mut Reader) {
        reader.read_to_tip(&self.house, self.archive(reader), self.met, || !self.bell.has_failed());
    }

    /// A turn of a reader that lags `lag` steps of the clock behind, of which there were `steps`.
    fn lag(&self, reader: &mut Reader, so_far: &mut Lag, steps: u64, lag: u64) {
        if so_far.has_place {
            self.read_to_tip(reader);
            *so_far = Lag { read_at: steps, has_place: false };
        } else if steps >= so_far.read_at + lag {
            reader.take_place(&self.house, self.archive(reader), self.met);
            so_far.has_place = true;
        }
    }

    fn play_on_one_thread(&self, seed: u64, writers: &mut [Writer], readers: &mut [Reader]) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut steps = 0;
        let mut lags = vec![Lag::default(); readers.len()];
        let mut turns = [TURNS; WRITERS];
        while let Some(left) = turns.iter().filter(|turns| **turns > 0).count().checked_sub(1) {
            let writer = turns.iter().enumerate().filter(|(_, turns)| **turns > 0).nth(random.usize(0..=left));
            let writer = writer.expect("one that is not done").0;
            turns[writer] -= 1;
            writers[writer].turn(&self.house, self.met);
            match wish(&mut random, self.sets_back) {
                Wish::Nothing => {}
                Wish::Restart => self.house.restart(),
                Wish::Step(millis, passes) => {
                    self.step(readers, millis, passes);
                    steps += 1;
                    if millis == LONGEST_STEP {
                        // What they are about to read is taken away under the eyes of those who do not keep up.
                        let is_late = |reader: &&mut Reader| !matches!(reader.habit, Habit::Keeper { .. });
                        let late = readers.iter_mut().filter(is_late);
                        late.for_each(|reader| reader.take_place(&self.house, self.archive(reader), self.met));
                        self.step(readers, 6 * MINUTE, !passes);
                    }
                }
            }
            let chosen = random.usize(0..readers.len());
            let reader = &mut readers[chosen];
            match reader.habit {
                Habit::Laggard { steps: lag } => self.lag(reader, &mut lags[chosen], steps, lag),
                _ => drop(reader.turn(&self.house, self.archive(reader), self.met)),
            }
        }
        writers.iter_mut().for_each(|writer| writer.finish(&self.house));
        self.house.calm();
        self.house.expire();
        readers.iter_mut().for_each(|reader| self.read_to_tip(reader));
    }

    /// Moves the clock when those who keep up have read to the tip.
    fn step(&self, readers: &mut [Reader], millis: i64, passes: bool) {
        let keepers = readers.iter_mut().filter(|reader| matches!(reader.habit, Habit::Keeper { .. }));
        keepers.for_each(|reader| self.read_to_tip(reader));
        self.house.advance(millis, passes);
    }

    fn play_on_threads(&self, seed: u64, writers: &mut [Writer], readers: &mut [Reader]) {
        self.bell.expect(readers.iter().map(|reader| matches!(reader.habit, Habit::Keeper { .. })).collect());
        thread::scope(|scope| {
            for (number, reader) in readers.iter_mut().enumerate() {
                scope.spawn(move || self.read_until_over(number, reader));
            }
            let writing: Vec<_> = writers
                .iter_mut()
                .enumerate()
                .map(|(number, writer)| scope.spawn(move || self.write(seed, number, writer)))
                .collect();
            let outcomes: Vec<_> = writing.into_iter().map(thread::ScopedJoinHandle::join).collect();
            self.house.calm();
            self.house.expire();
            self.bell.ring(|news| news.over = true);
            for outcome in outcomes {
                outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            }
        });
    }

    fn write(&self, seed: u64, number: usize, writer: &mut Writer) {
        let _alarm = Alarm(&self.bell);
        let mut random = fastrand::Rng::with_seed(seed ^ (number as u64) << 32);
        for turn in 0..TURNS {
            if self.bell.has_failed() {
                return;
            }
            if self.adds_index && (number, turn) == (0, TURNS / 3) {
                let (_, added) = self.house.insist(0, Operation::UpdateTable, &add_index());
                added.expect("it has no such index");
            }
            writer.turn(&self.house, self.met);
            match wish(&mut random, self.sets_back) {
                Wish::Nothing => self.bell.ring(|_| {}),
                Wish::Restart => self.house.restart(),
                Wish::Step(millis, passes) => {
                    let _one_at_a_time = self.stepping.lock().unwrap_or_else(PoisonError::into_inner);
                    if self.house.has_forsaken_calls() {
                        writer.settle_one(&self.house);
                    }
                    self.house.wait_for_old_calls(millis);
                    if !self.bell.wait_for_keepers() {
                        return;
                    }
                    self.house.advance(millis, passes);
                    self.bell.ring(|news| news.steps += 1);
                }
            }
        }
        writer.finish(&self.house);
    }

    fn read_until_over(&self, number: usize, reader: &mut Reader) {
        let _alarm = Alarm(&self.bell);
        let mut so_far = Lag::default();
        loop {
            let news = self.bell.news();
            match reader.habit {
                Habit::Laggard { steps: lag } if !news.over => self.lag(reader, &mut so_far, news.steps, lag),
                _ => self.read_to_tip(reader),
            }
            self.bell.report(number, news.asked);
            if news.over || !self.bell.wait_for_news(&news) {
                return;
            }
        }
    }
}

/// By what threads tell each other how far they are.
#[derive(Default)]
struct Bell {
    news: Mutex<News>,
    rung: Condvar,
}

#[derive(Clone, Default)]
struct News {
    /// How often it was rung.
    rings: u64,
    steps: u64,
    /// How often those who keep up were asked to read to the tip, and for each reader, up to which time it has; of others
    /// nothing is expected.
    asked: u64,
    done: Vec<Option<u64>>,
    over: bool,
    failed: bool,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, change: impl FnOnce(&mut News)) {
        let mut news = self.lock();
        news.rings += 1;
        change(&mut news);
        self.rung.notify_all();
    }

    fn expect(&self, keepers: Vec<bool>) {
        self.lock().done = keepers.into_iter().map(|is_keeper| is_keeper.then_some(0)).collect();
    }

    fn news(&self) -> News {
        self.lock().clone()
    }

    fn has_failed(&self) -> bool {
        self.lock().failed
    }

    fn report(&self, reader: usize, asked: u64) {
        let mut news = self.lock();
        if let Some(done) = &mut news.done[reader] {
            *done = asked;
            self.rung.notify_all();
        }
    }

    /// Whether there is something new; otherwise all has failed.
    fn wait_for_news(&self, old: &News) -> bool {
        let is_old = |news: &mut News| news.rings == old.rings && !news.failed;
        let news = self.rung.wait_while(self.lock(), is_old).unwrap_or_else(PoisonError::into_inner);
        !news.failed
    }

    /// Has those who keep up read to the tip, from now on; false if something has failed.
    fn wait_for_keepers(&self) -> bool {
        let mut asked = 0;
        self.ring(|news| {
            news.asked += 1;
            asked = news.asked;
        });
        let is_behind = |news: &mut News| !news.failed && news.done.iter().flatten().any(|done| *done < asked);
        let news = self.rung.wait_while(self.lock(), is_behind).unwrap_or_else(PoisonError::into_inner);
        !news.failed
    }
}

/// Tells all threads when one panics, so that nobody waits for it.
struct Alarm<'a>(&'a Bell);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.ring(|news| news.failed = true);
        }
    }
}
