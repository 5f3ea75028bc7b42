//! The verdict: what writers know they did, against what all consumers were given.
//!
//! Of each commit it is found out which request made it. Then every acknowledged request must have made exactly one, in
//! the order of its parts, or none if it changed nothing; refused ones none; of those whose outcome is unknown one or none.
//! Commits that no request made are the service's, which deletes what has expired (`deletions.rs`).
//! Each key has one line of images; no request's commit stands before one that was acknowledged before it began; times
//! do not decrease; and each reading is a piece of the one order without a hole, from where it was to start.

mod deletions;

use std::collections::{BTreeMap, BTreeSet};

use fdyno::keyspace::Position;
use fdyno::kv::Versionstamp;
use serde_json::Value as Json;

use crate::house::Chronicle;
use crate::journal::{Effect, Entry, Mark, Outcome, Part, Table};
use crate::met::Met;
use crate::reader::{DAY, End, Habit, Number, Reader, Reading, Start, created};

/// A record, and who made it.
struct Told {
    record: Json,
    number: Number,
    created: i64,
    origin: Origin,
}

#[derive(Clone, Copy)]
enum Origin {
    Unknown,
    Request(usize),
    /// The service, later than a call that began at the first tick, and before one was acknowledged at the second.
    Service(u64, u64),
}

impl Told {
    fn image(&self, name: &str) -> Option<&Json> {
        self.record["dynamodb"].get(name)
    }

    fn mark(&self, name: &str) -> Option<&str> {
        self.image(name).map(|item| item["mark"]["S"].as_str().unwrap_or_else(|| panic!("no mark: {}", self.record)))
    }

    fn keys(&self) -> &Json {
        &self.record["dynamodb"]["Keys"]
    }

    fn is_by_service(&self) -> bool {
        self.record.get("userIdentity").is_some()
    }
}

/// The records of one commit, of both tables: their numbers in `told`.
type Commit = Vec<(Table, usize)>;

struct Trial<'a> {
    entries: &'a [Entry],
    told: [Vec<Told>; 2],
    commits: BTreeMap<(u16, Versionstamp), Commit>,
}

/// Judges a run that is over.
pub fn judge(
    entries: &[Entry],
    records: [&BTreeMap<Number, Json>; 2],
    readers: &[Reader],
    chronicle: &Chronicle,
    met: &Met,
) {
    let mut commits: BTreeMap<_, Commit> = BTreeMap::new();
    let told = [0, 1].map(|table| {
        let of_table = records[table].iter().enumerate();
        of_table
            .map(|(at, (number, record))| {
                let position = Position::parse(number).expect("a sequence number");
                commits.entry((position.incarnation, position.stamp)).or_default().push((table, at));
                Told {
                    record: record.clone(),
                    number: number.clone(),
                    created: created(record),
                    origin: Origin::Unknown,
                }
            })
            .collect()
    });
    let mut trial = Trial { entries, told, commits };
    trial.judge_records();
    trial.find_requests(met);
    trial.find_when_the_service_acted();
    trial.judge_order(chronicle.set_back == 0);
    trial.judge_deletions(chronicle, met);
    for reader in readers {
        trial.judge_reader(reader, met);
    }
}

impl Trial<'_> {
    /// Ids are unique, times do not decrease, and each key has one line of images.
    fn judge_records(&self) {
        let mut ids = BTreeSet::new();
        for told in &self.told {
            let mut images: BTreeMap<String, &Json> = BTreeMap::new();
            let mut before = i64::MIN;
            for record in told {
                let Told { record: whole, created, .. } = record;
                assert!(ids.insert(whole["eventID"].as_str().expect("an id")), "an id that was used before: {whole}");
                assert!(before <= *created, "a time before that of the record before: {whole}");
                before = *created;
                let (old, new) = (record.image("OldImage"), record.image("NewImage"));
                let name = match (old, new) {
                    (None, Some(_)) => "INSERT",
                    (Some(_), Some(_)) => "MODIFY",
                    (Some(_), None) => "REMOVE",
                    (None, None) => panic!("a record of nothing: {whole}"),
                };
                assert_eq!(whole["eventName"], name, "{whole}");
                assert!(old != new, "a record of no change: {whole}");
                for image in [old, new].into_iter().flatten() {
                    let keys = record.keys().as_object().expect("keys");
                    assert!(
                        keys.iter().all(|(name, value)| image[name] == *value),
                        "the image of another key: {whole}"
                    );
                }
                let key = record.keys().to_string();
                let left = match new {
                    Some(new) => images.insert(key, new),
                    None => images.remove(&key),
                };
                assert!(
                    left == old,
                    "the old image is not what was there, {left:?}: {whole}\n{}",
                    self.history(record)
                );
            }
        }
    }

    /// What is known of a record's key.
    fn history(&self, of: &Told) -> String {
        let touches = |entry: &&Entry| entry.parts.iter().any(|part| part.spot.key() == *of.keys());
        let mut entries: Vec<_> = self.entries.iter().filter(touches).collect();
        entries.sort_by_key(|entry| entry.span.invoked);
        let records = self.told.iter().flatten().filter(|told| told.keys() == of.keys()).map(|told| {
            let marks = (told.mark("OldImage"), told.mark("NewImage"));
            format!("{} {marks:?}", told.number)
        });
        let entries = entries.into_iter().map(|entry| format!("{entry:?}"));
        records.chain(entries).collect::<Vec<_>>().join("\n")
    }

    /// Finds the one request behind each commit, and then those that lack theirs.
    fn find_requests(&mut self, met: &Met) {
        let mut writers: BTreeMap<&Mark, usize> = BTreeMap::new();
        let mut removers: BTreeMap<&Mark, Vec<usize>> = BTreeMap::new();
        // Single deletions of whatever is there that nobody knows the outcome of, by their keys.
        let mut lone: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, entry) in self.entries.iter().enumerate() {
            for part in &entry.parts {
                match &part.effect {
                    Effect::Writes(mark) => {
                        assert!(writers.insert(mark, number).is_none(), "the test gives marks twice: {mark}");
                    }
                    Effect::Removes(mark) => removers.entry(mark).or_default().push(number),
                    Effect::RemovesAny if entry.parts.len() == 1 && entry.outcome == Outcome::Unknown => {
                        lone.entry(part.spot.key().to_string()).or_default().push(number);
                    }
                    Effect::RemovesAny | Effect::Nothing => {}
                }
            }
        }
        let mut found: Vec<Option<&Commit>> = vec![None; self.entries.len()];
        for commit in self.commits.values() {
            let first = self.record(commit[0]);
            if first.is_by_service() {
                continue;
            }
            let writer = commit.iter().find_map(|at| self.record(*at).mark("NewImage").map(Mark::from));
            let candidates = match writer {
                Some(mark) => vec![*writers.get(&mark).unwrap_or_else(|| panic!("nobody wrote {mark}"))],
                None => {
                    let mark = Mark::from(first.mark("OldImage").expect("a removal"));
                    let mut candidates = removers.get(&mark).cloned().unwrap_or_default();
                    // What was acknowledged goes before what may have been; of the latter, what began first.
                    let doubt = |number: &usize| (self.entries[*number].outcome, self.entries[*number].span.invoked);
                    candidates.retain(|number| doubt(number).0 != Outcome::Not);
                    candidates.sort_by_key(|number| (doubt(number).0 != Outcome::Done, doubt(number).1));
                    let mut others = lone.get(&first.keys().to_string()).cloned().unwrap_or_default();
                    others.sort_by_key(|number| doubt(number).1);
                    candidates.extend(others);
                    candidates
                }
            };
            let unused =
                candidates.iter().find(|number| found[**number].is_none() && self.explains(**number, commit).is_ok());
            let Some(number) = unused else {
                let shown: Vec<String> =
                    candidates.iter().map(|number| self.why_not(*number, commit, &found)).collect();
                let records: Vec<&Json> = commit.iter().map(|at| &self.record(*at).record).collect();
                panic!("no request made this commit: {records:#?}\nnot these: {shown:#?}");
            };
            found[*number] = Some(commit);
        }
        for (number, entry) in self.entries.iter().enumerate() {
            let made = found[number];
            match entry.outcome {
                Outcome::Done => {
                    let is_sure = |part: &Part| matches!(part.effect, Effect::Writes(_) | Effect::Removes(_));
                    assert!(made.is_some() || !entry.parts.iter().any(is_sure), "acknowledged, and lost: {entry:#?}");
                }
                Outcome::Not => assert!(made.is_none(), "a request that failed made {made:?}: {entry:#?}"),
                Outcome::Unknown if made.is_some() => met.saw("an unknown outcome, and it happened"),
                Outcome::Unknown => met.saw("an unknown outcome, and it did not happen"),
            }
        }
        let made: Vec<(usize, Commit)> =
            found.into_iter().enumerate().filter_map(|(number, commit)| Some((number, commit?.clone()))).collect();
        for (number, commit) in made {
            for (table, at) in commit {
                self.told[table][at].origin = Origin::Request(number);
            }
        }
    }

    fn record(&self, (table, at): (Table, usize)) -> &Told {
        &self.told[table][at]
    }

    fn why_not(&self, number: usize, commit: &Commit, found: &[Option<&Commit>]) -> String {
        let why = match (found[number], self.explains(number, commit)) {
            (Some(_), _) => "it has made another".to_owned(),
            (None, Err(why)) => why,
            (None, Ok(())) => "none".to_owned(),
        };
        format!("{why}: {:?}", self.entries[number])
    }

    /// Whether a commit is what this request makes: its parts in their order, each once.
    fn explains(&self, number: usize, commit: &Commit) -> Result<(), String> {
        let entry = &self.entries[number];
        for table in [0, 1] {
            let mut records = commit.iter().filter(|(of, _)| *of == table).map(|at| self.record(*at)).peekable();
            for part in entry.parts.iter().filter(|part| part.spot.table == table) {
                let key = part.spot.key();
                let of_key = |record: &&Told| *record.keys() == key;
                let record = match &part.effect {
                    Effect::Nothing => continue,
                    Effect::RemovesAny => {
                        records.next_if(|record| of_key(record) && record.image("NewImage").is_none());
                        continue;
                    }
                    Effect::Writes(mark) => records.next().filter(|record| record.mark("NewImage") == Some(mark)),
                    Effect::Removes(mark) => records
                        .next()
                        .filter(|record| record.mark("OldImage") == Some(mark) && record.image("NewImage").is_none()),
                };
                let Some(record) = record.filter(of_key) else { return Err(format!("no record in place of {part:?}")) };
                if part.replaced.as_ref().is_some_and(|replaced| replaced.as_deref() != record.mark("OldImage")) {
                    return Err(format!("another item was replaced than {part:?} says"));
                }
            }
            if let Some(record) = records.next() {
                return Err(format!("none of its parts made {}", record.record));
            }
        }
        Ok(())
    }

    /// The tick at which the call began that made it, or an earlier one.
    fn invoked(&self, told: &Told) -> u64 {
        match told.origin {
            Origin::Request(number) => self.entries[number].span.invoked,
            Origin::Service(invoked, _) => invoked,
            Origin::Unknown => 0,
        }
    }

    /// The tick by which it was acknowledged, if it was, or a later one by which it had happened.
    fn returned(&self, told: &Told) -> u64 {
        match told.origin {
            Origin::Request(number) if self.entries[number].outcome == Outcome::Done => {
                self.entries[number].span.returned
            }
            Origin::Service(_, returned) => returned,
            Origin::Request(_) | Origin::Unknown => u64::MAX,
        }
    }

    /// Commits stand in an order in which they can have happened, with times that the clock showed meanwhile.
    fn judge_order(&self, exact: bool) {
        let mut latest = 0;
        for commit in self.commits.values() {
            let told = self.record(commit[0]);
            let Origin::Request(entry) = told.origin else { continue };
            let span = self.entries[entry].span;
            assert!(
                self.returned(told) > latest,
                "acknowledged before something began that stands before it: {}",
                told.record
            );
            latest = latest.max(span.invoked);
            let is_known = self.returned(told) < u64::MAX;
            let until = if is_known { span.clock.1 } else { i64::MAX };
            let is_right = (span.clock.0..=until).contains(&told.created);
            assert!(
                is_right || !exact,
                "the clock did not show this time meanwhile, but {:?}: {}",
                span.clock,
                told.record
            );
        }
    }

    fn judge_reader(&self, reader: &Reader, met: &Met) {
        let told = &self.told[reader.table];
        let places: BTreeMap<&Number, usize> = told.iter().enumerate().map(|(at, told)| (&told.number, at)).collect();
        let mut seen = BTreeSet::new();
        for reading in &reader.readings {
            let numbers: Vec<usize> = reading.numbers.iter().map(|number| places[number]).collect();
            let fault = self.fault_of(told, reading, &places, &numbers);
            assert!(fault.is_none(), "{}: {:?} of {reading:#?}", fault.unwrap_or_default(), reader.habit);
            seen.extend(numbers);
        }
        let Some(first) = seen.first().copied() else { return };
        if let Habit::Keeper { from_horizon } = reader.habit {
            let first = if from_horizon { 0 } else { first };
            assert!(seen.iter().copied().eq(first..told.len()), "a reader that kept up has missed records");
        } else if seen.len() < told.len() - first {
            met.saw("a reader that goes on behind what it missed");
        }
        if let Some(last) = reader.readings.last().filter(|last| !last.numbers.is_empty()) {
            assert_eq!(last.numbers.last(), told.last().map(|told| &told.number), "the last reading ends early");
        }
    }

    /// What is wrong with a reading of the stream `told`, of which it was given `numbers`.
    fn fault_of(
        &self,
        told: &[Told],
        reading: &Reading,
        places: &BTreeMap<&Number, usize>,
        numbers: &[usize],
    ) -> Option<String> {
        let Reading { start, opened, tips, end, .. } = reading;
        // Past its 24 hours by what the clock showed at least, and at most.
        let surely_trimmed = |told: &Told| told.created < opened.clock.0 - DAY;
        let maybe_trimmed = |told: &Told| told.created < opened.latest - DAY;
        if let Start::After(number) | Start::At(number) = start {
            let named = &told[places[number]];
            match end {
                End::RefusedStart if !maybe_trimmed(named) => {
                    return Some("a start that is not trimmed is refused".to_owned());
                }
                End::RefusedStart => return None,
                _ if surely_trimmed(named) => return Some("a start that is trimmed is not refused".to_owned()),
                _ => {}
            }
        }
        let is_before = |at: usize| match start {
            Start::Horizon => surely_trimmed(&told[at]),
            Start::Latest => self.returned(&told[at]) < opened.invoked,
            Start::After(number) => at <= places[number],
            Start::At(number) => at < places[number],
            // A commit under way has its time already, and may be seen behind an iterator that was taken meanwhile.
            Start::Time(time) => {
                let is_earlier = told[at].created < *time && self.returned(&told[at]) < opened.invoked;
                is_earlier || surely_trimmed(&told[at])
            }
        };
        let is_behind = |at: usize| match start {
            Start::Horizon => !maybe_trimmed(&told[at]),
            Start::Latest => self.invoked(&told[at]) > opened.returned,
            Start::After(number) => at > places[number],
            Start::At(number) => at >= places[number],
            Start::Time(time) => told[at].created >= *time && !maybe_trimmed(&told[at]),
        };
        if let Some(first) = numbers.first() {
            if is_before(*first) {
                return Some(format!("{} lies before the start", told[*first].record));
            }
            if let Some(missed) = (0..*first).find(|at| is_behind(*at)) {
                return Some(format!("{} lies behind the start, and was passed over", told[missed].record));
            }
            if let Some(step) = numbers.windows(2).find(|step| step[1] != step[0] + 1) {
                return Some(format!("from {} it goes on to {}", told[step[0]].record, told[step[1]].record));
            }
        }
        // What a reading that was given so many has still to be given.
        let is_left = |given: usize, at: usize| match given.checked_sub(1) {
            Some(last) => at > numbers[last],
            None => is_behind(at),
        };
        for (given, span) in tips {
            let late = (0..told.len()).find(|at| is_left(*given, *at) && self.returned(&told[*at]) < span.invoked);
            if let Some(late) = late {
                return Some(format!("{} was there, but the page was empty", told[late].record));
            }
        }
        if let End::Trimmed(span) = end {
            let is_unread = |at: usize| if numbers.is_empty() { !is_before(at) } else { is_left(numbers.len(), at) };
            if !(0..told.len()).any(|at| is_unread(at) && told[at].created < span.latest - DAY) {
                return Some("nothing it had not read was trimmed".to_owned());
            }
        }
        None
    }
}
