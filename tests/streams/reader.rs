//! Consumers: each reads one stream as it likes, and keeps what it was given in the order it came.
//!
//! A consumer starts anew whenever it likes: after, or at, the last record it has seen, at a time, at the horizon, or at what
//! comes next. From one start to the next it has a *reading*. What can be judged of one answer alone is judged here; the
//! rest is for when all is over (`verdict.rs`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fdyno::api::Operation;
use fdyno::error::Error;
use serde_json::{Value as Json, json};

use crate::house::{House, Span};
use crate::journal::Table;
use crate::met::Met;

pub const DAY: i64 = 24 * 60 * 60 * 1000;
/// Iterators are good for a quarter of an hour.
const ITERATOR_LIFE: i64 = 15 * 60 * 1000;

/// A sequence number as it is shown.
pub type Number = Arc<str>;

/// The stream of one table, and every record that anybody was given of it.
pub struct Archive {
    table: Table,
    arn: String,
    shard: String,
    records: Mutex<BTreeMap<Number, Json>>,
}

impl Archive {
    pub fn new(house: &House, table: Table, arn: &str) -> Self {
        let (_, description) = house.insist(0, Operation::DescribeStream, &json!({ "StreamArn": arn }));
        let description = description.expect("a stream");
        let shard = &description["StreamDescription"]["Shards"][0]["ShardId"];
        let shard = shard.as_str().expect("a shard").to_owned();
        Self { table, arn: arn.to_owned(), shard, records: Mutex::default() }
    }

    /// Files a record; whoever is given it later must be given the same.
    fn file(&self, record: Json) -> Number {
        let number: Number = record["dynamodb"]["SequenceNumber"].as_str().expect("a number").into();
        let mut records = self.records.lock().expect("no reader has panicked");
        match records.get(&number) {
            None => drop(records.insert(Arc::clone(&number), record)),
            Some(filed) => assert_eq!(*filed, record, "a record that was something else before"),
        }
        number
    }

    /// The number of some record, and when it came about.
    fn some(&self, random: &mut fastrand::Rng) -> Option<(Number, i64)> {
        let records = self.records.lock().expect("no reader has panicked");
        let (number, record) = records.iter().nth(random.usize(0..records.len().max(1)))?;
        Some((Arc::clone(number), created(record)))
    }

    pub fn into_records(self) -> BTreeMap<Number, Json> {
        self.records.into_inner().expect("no reader has panicked")
    }
}

/// When a record came about, in milliseconds.
pub fn created(record: &Json) -> i64 {
    let seconds = record["dynamodb"]["ApproximateCreationDateTime"].as_f64().expect("a time");
    (seconds * 1000.0) as i64
}

#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    Horizon,
    Latest,
    After(Number),
    At(Number),
    /// In milliseconds, whole seconds.
    Time(i64),
}

impl Start {
    fn request(&self) -> Json {
        match self {
            Self::Horizon => json!({ "ShardIteratorType": "TRIM_HORIZON" }),
            Self::Latest => json!({ "ShardIteratorType": "LATEST" }),
            Self::After(number) => {
                json!({ "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": &**number })
            }
            Self::At(number) => json!({ "ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": &**number }),
            Self::Time(millis) => json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": millis / 1000 }),
        }
    }
}

/// Where a reading stopped.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Its reader began another, or all was over.
    Left,
    /// GetShardIterator said that the record it was to start from is trimmed.
    RefusedStart,
    /// GetRecords said that records are trimmed which it has not given.
    Trimmed(Span),
}

/// What one start led to.
#[derive(Clone, Debug)]
pub struct Reading {
    pub start: Start,
    pub opened: Span,
    pub numbers: Vec<Number>,
    /// When an empty page said that there is no more, and how many records there had been by then.
    pub tips: Vec<(usize, Span)>,
    pub end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Misses nothing from its first start on: the clock waits for it. The first start is the horizon, or else what comes next.
    Keeper { from_horizon: bool },
    /// Takes its place only when the clock has moved so many times, and reads from there a while later: it may have missed
    /// something by then, or by the time it reads.
    Laggard { steps: u64 },
    /// Starts anywhere, again and again.
    Sampler,
}

pub struct Reader {
    pub table: Table,
    pub habit: Habit,
    random: fastrand::Rng,
    /// The token, and the call that gave it.
    iterator: Option<(String, Span)>,
    last: Option<Number>,
    /// What was missed: the next start is the horizon.
    was_trimmed: bool,
    pub readings: Vec<Reading>,
}

/// How far a turn came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There may be more.
    Reading,
    /// There was no more.
    AtTip,
}

impl Reader {
    pub fn new(table: Table, habit: Habit, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { table, habit, random, iterator: None, last: None, was_trimmed: false, readings: Vec::new() }
    }

    fn next_start(&mut self, house: &House, archive: &Archive) -> Start {
        if std::mem::take(&mut self.was_trimmed) {
            return Start::Horizon;
        }
        if self.habit == Habit::Sampler {
            let some = archive.some(&mut self.random);
            return match (self.random.u8(0..5), some) {
                (0, Some((number, _))) => Start::After(number),
                (1, Some((number, _))) => Start::At(number),
                (2, Some((_, created))) if self.random.bool() => Start::Time(created),
                (2, _) => {
                    let now = house.clock.now().millis();
                    Start::Time(now - self.random.i64(0..30 * 60 * 60) * 1000)
                }
                (3, _) => Start::Horizon,
                _ => Start::Latest,
            };
        }
        match (&self.last, self.habit) {
            (Some(last), _) if self.random.u8(0..4) == 0 => Start::At(Arc::clone(last)),
            (Some(last), _) => Start::After(Arc::clone(last)),
            (None, Habit::Keeper { from_horizon: false }) => Start::Latest,
            (None, _) => Start::Horizon,
        }
    }

    /// Whether the reader now drops its iterator of its own accord, as a process does that is started anew.
    fn is_started_anew(&mut self) -> bool {
        match self.habit {
            // Of what came after LATEST nothing is known yet: without the iterator its place is lost.
            Habit::Keeper { from_horizon: false } if self.last.is_none() => false,
            Habit::Sampler => self.random.u8(0..6) == 0,
            _ => self.random.u8(0..10) == 0,
        }
    }

    /// Begins a reading: `None` if its start is refused, since it is trimmed.
    fn begin(&mut self, house: &House, archive: &Archive, met: &Met) -> Option<(String, Span)> {
        let start = self.next_start(house, archive);
        let mut request = start.request();
        request["StreamArn"] = archive.arn.as_str().into();
        request["ShardId"] = archive.shard.as_str().into();
        let (opened, answer) = house.insist(self.random.usize(..), Operation::GetShardIterator, &request);
        let (end, iterator) = match answer {
            Ok(answer) => (End::Left, Some((answer["ShardIterator"].as_str().expect("a token").to_owned(), opened))),
            Err(Error::TrimmedDataAccess(_)) => {
                assert!(matches!(start, Start::After(_) | Start::At(_)), "{start:?} names no record");
                met.saw("a start that is trimmed");
                self.was_trimmed = true;
                (End::RefusedStart, None)
            }
            Err(error) => panic!("{request}: {error}"),
        };
        self.readings.push(Reading { start, opened, numbers: Vec::new(), tips: Vec::new(), end });
        iterator
    }

    /// Asks for one page.
    pub fn turn(&mut self, house: &House, archive: &Archive, met: &Met) -> Progress {
        assert_eq!(self.table, archive.table);
        if self.is_started_anew() {
            self.iterator = None;
        }
        let found = self.iterator.take().or_else(|| self.begin(house, archive, met));
        let Some((iterator, issued)) = found else { return Progress::Reading };
        let limit = [1, 3, 10, 40, 1000][self.random.usize(0..5)];
        let request = json!({ "ShardIterator": iterator, "Limit": limit });
        let (span, answer) = house.insist(self.random.usize(..), Operation::GetRecords, &request);
        let answer = match answer {
            Ok(answer) => answer,
            Err(Error::ExpiredIterator(_)) => {
                assert!(span.clock.1 - issued.clock.0 > ITERATOR_LIFE, "expired too early");
                met.saw("an iterator that expired");
                return Progress::Reading;
            }
            Err(Error::TrimmedDataAccess(_)) => {
                met.saw("a reader that has missed records");
                self.readings.last_mut().expect("a reading").end = End::Trimmed(span);
                self.was_trimmed = true;
                return Progress::Reading;
            }
            Err(error) => panic!("{error}"),
        };
        assert!(span.clock.0 - issued.clock.1 <= ITERATOR_LIFE, "an iterator that should have expired");
        let Json::Array(records) = &answer["Records"] else { panic!("no records: {answer}") };
        assert!(records.len() <= limit, "{} records instead of {limit}", records.len());
        let next = answer["NextShardIterator"].as_str().expect("an open shard has no end").to_owned();
        self.iterator = Some((next, span));
        let reading = self.readings.last_mut().expect("a reading");
        if records.is_empty() {
            reading.tips.push((reading.numbers.len(), span));
            return Progress::AtTip;
        }
        for record in records {
            assert!(created(record) >= span.clock.0 - DAY, "a record past its 24 hours: {record}");
            assert_eq!(
                (&record["awsRegion"], &record["eventSource"], &record["eventVersion"]),
                (&"eu-west-1".into(), &"aws:dynamodb".into(), &"1.1".into())
            );
            assert_eq!(record["dynamodb"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
            reading.numbers.push(archive.file(record.clone()));
        }
        self.last = reading.numbers.last().cloned();
        Progress::Reading
    }

    /// Takes an iterator to where it is, and does not read.
    pub fn take_place(&mut self, house: &House, archive: &Archive, met: &Met) {
        self.iterator = self.begin(house, archive, met);
    }

    /// Reads until there is no more.
    pub fn read_to_tip(&mut self, house: &House, archive: &Archive, met: &Met, go_on: impl Fn() -> bool) {
        while go_on() && self.turn(house, archive, met) == Progress::Reading {}
    }
}
