//! Readers of streams. What they read is compared with the list of changes, record by record.
//!
//! A consumer knows a stream only through the API: iterators, which may expire, and sequence numbers. It goes on in any
//! way a real one might: by the next iterator, or anew behind, or at, the last record it has seen.

use std::collections::BTreeMap;

use fdyno::api::Operation;
use fdyno::error::Error;
use serde_json::{Value as Json, json};

use super::client::Client;
use super::state::{Change, State, Stream};
use super::value::{Item, item_from_json};

/// Iterators are good for a quarter of an hour.
const ITERATOR_LIFE: i64 = 15 * 60_000;

pub struct Consumer {
    pub stream: usize,
    /// The number of the change that comes next.
    pub place: usize,
    iterator: Option<(String, i64)>,
    /// What the records have made of the items there were when the stream was opened.
    replica: BTreeMap<Item, Item>,
}

pub fn code(error: &Error) -> &'static str {
    error.shape().code
}

impl Consumer {
    /// Reads from the beginning.
    pub fn from_the_start(state: &State, stream: usize) -> Self {
        let replica = state.streams[stream].opened_with.clone();
        Self { stream, place: 0, iterator: None, replica }
    }

    /// Reads what comes from now on. There is no such consumer as long as nobody knows the last record's number, by
    /// which it goes on should its iterator expire.
    pub fn from_now(client: &Client, state: &State, stream: usize) -> Option<Self> {
        let of = &state.streams[stream];
        if of.changes.last().is_some_and(|change| change.seen.is_none()) {
            return None;
        }
        let iterator = iterator(client, of, json!({ "ShardIteratorType": "LATEST" })).expect("an iterator");
        let replica = state.tables[of.table].items.clone();
        Some(Self { stream, place: of.changes.len(), iterator: Some((iterator, state.now)), replica })
    }

    /// After a move: iterators belong to the database that gave them.
    pub fn forget_iterator(&mut self) {
        self.iterator = None;
    }

    /// Reads on, at most `calls` times; `None` reads to the end. Faults are met by asking again.
    pub fn read(&mut self, client: &Client, state: &mut State, calls: Option<usize>, random: &mut fastrand::Rng) {
        for call in 0.. {
            assert!(call < 100_000, "a stream without end");
            if calls.is_some_and(|calls| call >= calls) {
                return;
            }
            // Now and then forgets its iterator, as a process does that is started anew.
            if random.u8(0..10) == 0 {
                self.iterator = None;
            }
            let (token, issued) = match self.iterator.clone() {
                Some(iterator) => iterator,
                None => (self.start(client, state, random), state.now),
            };
            let limit = if random.bool() { random.usize(1..20) } else { 1000 };
            let answer = client.insist(Operation::GetRecords, &json!({ "ShardIterator": token, "Limit": limit }));
            let answer = match answer {
                Err(error) if state.now - issued > ITERATOR_LIFE => {
                    assert_eq!(code(&error), "ExpiredIteratorException");
                    self.iterator = None;
                    continue;
                }
                answer => answer.expect("records"),
            };
            let records = answer["Records"].as_array().expect("records");
            assert!(records.len() <= limit);
            for record in records {
                self.take(client, state, record);
            }
            let stream = &state.streams[self.stream];
            let is_behind = self.place < stream.changes.len();
            assert!(!records.is_empty() || !is_behind, "no record although there are more of {}", stream.arn);
            match answer.get("NextShardIterator").and_then(Json::as_str) {
                Some(next) => self.iterator = Some((next.to_owned(), state.now)),
                None => {
                    assert!(stream.closed.is_some() && !is_behind, "an open stream ends, or too early");
                    self.iterator = None;
                    return;
                }
            }
            if records.is_empty() {
                return;
            }
        }
    }

    /// An iterator for the next record, of one of the kinds that lead there.
    fn start(&self, client: &Client, state: &State, random: &mut fastrand::Rng) -> String {
        let stream = &state.streams[self.stream];
        let visible = stream.first_visible(state.now);
        let seen = |change: usize| stream.changes.get(change).and_then(|change| change.seen.as_ref());
        let last = self.place.checked_sub(1).and_then(seen);
        let mut choices = Vec::new();
        if let (Some((number, _)), true) = (last, self.place > visible) {
            choices.push(json!({ "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number }));
        }
        if self.place <= visible {
            choices.push(json!({ "ShardIteratorType": "TRIM_HORIZON" }));
        }
        if let (Some((number, _)), true) = (seen(self.place), self.place >= visible) {
            choices.push(json!({ "ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": number }));
        }
        if let (Some((number, _)), true) = (last, self.place <= visible) {
            let gone = json!({ "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number });
            let error = iterator(client, stream, gone).expect_err("the record is trimmed");
            assert_eq!(code(&error), "TrimmedDataAccessException");
        }
        if choices.is_empty() {
            // It began at a time, and a fault took the iterator before it had read anything: neither neighbour's number is
            // known. No change before its place lies in the same second, or it would have begun there.
            choices.push(match stream.changes.get(self.place) {
                Some(change) => json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": change.at / 1000 }),
                None => json!({ "ShardIteratorType": "LATEST" }),
            });
        }
        let choice = choices[random.usize(..choices.len())].clone();
        iterator(client, stream, choice).expect("an iterator")
    }

    /// Compares a record with the change it must be of, and applies it to the replica.
    fn take(&mut self, client: &Client, state: &mut State, record: &Json) {
        let stream = &mut state.streams[self.stream];
        let before = self.place.checked_sub(1).and_then(|before| stream.changes[before].seen.clone());
        let (view, key, arn) = (stream.view, stream.key.clone(), stream.arn.clone());
        let place = self.place;
        let change = stream.changes.get_mut(place).unwrap_or_else(|| panic!("a record too many in {arn}: {record}"));
        let content = &record["dynamodb"];
        let shown = |image: &Option<Item>, is_shown: bool| image.clone().filter(|_| is_shown);
        assert_eq!(item_from_json(&content["Keys"]), change.key, "the keys of change {place} of {arn}");
        assert_eq!(record["eventName"], event_name(change), "change {place} of {arn}");
        let (old, new) = (content.get("OldImage").map(item_from_json), content.get("NewImage").map(item_from_json));
        assert_eq!(old, shown(&change.old, view.shows_old()), "the old image of change {place} of {arn}");
        assert_eq!(new, shown(&change.new, view.shows_new()), "the new image of change {place} of {arn}");
        assert_eq!(content["StreamViewType"], view.name());
        let seconds = content["ApproximateCreationDateTime"].as_f64().expect("a time");
        assert_eq!(seconds as i64, change.at / 1000, "the time of change {place} of {arn}");
        assert_eq!(record["awsRegion"], client.realm.region.as_str());
        assert!(record.get("userIdentity").is_none());

        let number = content["SequenceNumber"].as_str().expect("a number").to_owned();
        let event = record["eventID"].as_str().expect("an id").to_owned();
        assert!(before.is_none_or(|(before, _)| before < number), "sequence numbers must rise");
        let seen = change.seen.get_or_insert_with(|| (number.clone(), event.clone()));
        if seen.1.is_empty() {
            seen.1.clone_from(&event);
        }
        assert_eq!(*seen, (number, event), "a record must stay what it was");

        // Only what the record says: views without images leave what was there.
        let known = new.or_else(|| change.new.clone());
        match known {
            Some(item) => self.replica.insert(key.of(&item), item),
            None => self.replica.remove(&change.key),
        };
        self.place += 1;
    }

    /// After reading to the end of an open stream: the replica must be the table.
    pub fn compare(&self, state: &State) {
        let stream = &state.streams[self.stream];
        assert_eq!(self.place, stream.changes.len(), "records are missing from {}", stream.arn);
        if stream.closed.is_none() {
            assert!(self.replica == state.tables[stream.table].items, "{} does not replay to its table", stream.arn);
        }
    }
}

const fn event_name(change: &Change) -> &'static str {
    match (&change.old, &change.new) {
        (None, _) => "INSERT",
        (Some(_), Some(_)) => "MODIFY",
        (Some(_), None) => "REMOVE",
    }
}

/// An iterator of the stream's one shard; faults are met by asking again.
fn iterator(client: &Client, stream: &Stream, mut request: Json) -> Result<String, Error> {
    let description = client.insist(Operation::DescribeStream, &json!({ "StreamArn": stream.arn }))?;
    let description = &description["StreamDescription"];
    let status = if stream.closed.is_some() { "DISABLED" } else { "ENABLED" };
    assert_eq!(
        (&description["StreamStatus"], &description["StreamViewType"]),
        (&status.into(), &stream.view.name().into())
    );
    request["StreamArn"] = stream.arn.as_str().into();
    request["ShardId"] = description["Shards"][0]["ShardId"].clone();
    let answer = client.insist(Operation::GetShardIterator, &request)?;
    Ok(answer["ShardIterator"].as_str().expect("an iterator").to_owned())
}

/// Reads from a random place of what is left of a stream to its end, and checks that a trimmed place is refused.
pub fn reread(client: &Client, state: &mut State, stream: usize, random: &mut fastrand::Rng) {
    let of = &state.streams[stream];
    let visible = of.first_visible(state.now);
    let trimmed: Vec<&(String, String)> =
        of.changes.iter().take(visible).filter_map(|change| change.seen.as_ref()).collect();
    if !trimmed.is_empty() {
        let (number, _) = trimmed[random.usize(..trimmed.len())];
        for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
            let request = json!({ "ShardIteratorType": kind, "SequenceNumber": number });
            let error = iterator(client, of, request).expect_err("the record is trimmed");
            assert_eq!(code(&error), "TrimmedDataAccessException");
        }
    }
    let mut consumer = Consumer::from_the_start(state, stream);
    let first = state.streams[stream].changes.iter().position(|change| change.seen.is_none());
    let known = first.unwrap_or(of.changes.len());
    if known > visible && random.bool() {
        consumer.place = random.usize(visible..known);
    } else if random.bool() {
        // From a time: the first change that is not before it.
        let seconds = state.now / 1000 - random.i64(0..4000);
        consumer.place = of.changes.iter().position(|change| change.at >= seconds * 1000).unwrap_or(of.changes.len());
        let request = json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": seconds });
        consumer.place = consumer.place.max(visible);
        let iterator = iterator(client, of, request).expect("an iterator");
        consumer.iterator = Some((iterator, state.now));
    } else {
        consumer.place = visible;
    }
    consumer.read(client, state, None, random);
    assert_eq!(consumer.place, state.streams[stream].changes.len(), "records are missing");
}
