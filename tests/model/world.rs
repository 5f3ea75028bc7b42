//! One run: a seed, a database with faults, its model, and the consumers of its streams.
//!
//! Each step is drawn, asked of the database, and applied to the model if the database acknowledged it. A step that
//! ended in a fault of storage must have changed nothing. At the end everything is compared, then everything is
//! deleted, and nothing may be left over.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;

use fdyno::api::{Operation as Api, json as protocol};
use fdyno::error::Error;
use fdyno::kv::RangeRead;
use serde_json::{Value as Json, json};

use super::client::{Client, Engine, START_MILLIS, is_injected};
use super::consumer::{Consumer, code, reread};
use super::generate::{Generator, late_indexes, pick, tables};
use super::operation::Operation;
use super::reads::describe;
use super::schema::{Index, View, attribute_definitions, stream_specification};
use super::state::{Expected, State, Table};
use super::value::item_from_json;

const STEPS: u32 = 600;
/// A run goes on until every kind of fault has fired, but not for ever.
const MOST_STEPS: u32 = 5_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// What was done last, shown if the run fails; or everything as it is done.
struct Trace {
    seed: u64,
    last: VecDeque<String>,
    aloud: bool,
}

impl Trace {
    fn say(&mut self, line: String) {
        if self.aloud {
            // Past the capture of test output: a run that is asked for by name is there to be read.
            drop(writeln!(std::io::stderr(), "{line}"));
        }
        self.last.push_back(line);
        if self.last.len() > 12 {
            self.last.pop_front();
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let last: Vec<&str> = self.last.iter().map(String::as_str).collect();
            println!("--- FDYNO_SEED={} failed; its last operations:\n{}", self.seed, last.join("\n"));
        }
    }
}

struct World {
    client: Client,
    state: State,
    random: fastrand::Rng,
    tokens: u32,
    consumers: Vec<Consumer>,
    trace: Trace,
}

/// Runs a seed to its end; panics on the first difference.
pub fn run(seed: u64, engine: Engine, aloud: bool) {
    let mut world = World {
        client: Client::new(seed, engine),
        state: State::new(START_MILLIS),
        random: fastrand::Rng::with_seed(seed),
        tokens: 0,
        consumers: Vec::new(),
        trace: Trace { seed, last: VecDeque::new(), aloud },
    };
    for schema in tables(seed) {
        let table = world.state.tables.len();
        world.state.tables.push(Table { schema, exists: false, items: BTreeMap::new(), stream: None });
        while !world.state.tables[table].exists {
            world.create(table);
        }
    }
    let mut steps = 0;
    while steps < STEPS || (steps < MOST_STEPS && !world.client.quiet_faults().is_empty()) {
        steps += 1;
        world.step(steps);
    }
    let quiet = world.client.quiet_faults();
    assert!(quiet.is_empty(), "kinds of fault that never fired: {quiet:?}");
    world.finish();
}

impl World {
    fn generator(&mut self) -> Generator<'_> {
        Generator { state: &self.state, random: &mut self.random, tokens: &mut self.tokens }
    }

    fn step(&mut self, number: u32) {
        match self.random.u8(0..100) {
            0..=46 => {
                let operation = self.generator().single();
                self.write(number, &operation);
            }
            47..=54 => {
                let operation = self.generator().batch();
                self.write(number, &operation);
            }
            55..=66 => {
                let operation = self.generator().transact();
                self.write(number, &operation);
            }
            67..=80 => self.read(number),
            81..=88 => self.consume(number),
            89..=92 => self.advance(number),
            93 | 94 => self.reread(number),
            95 if self.random.bool() => self.list_streams(number),
            95 => self.move_house(number),
            _ => self.alter(number),
        }
    }

    fn write(&mut self, number: u32, operation: &Operation) {
        let expected = self.state.expect(operation);
        let (api, request) = operation.request(&self.state.schemas(), &mut self.random);
        let outcome = self.client.call(api, &request);
        let told = match &outcome {
            Ok(_) => "done".to_owned(),
            Err(error) => format!("{}: {error}", code(error)),
        };
        self.trace.say(format!("{number} {operation:?} -> {told}"));
        match (expected, outcome) {
            (_, Err(error)) if is_injected(&error) => {}
            (Expected::Success { writes, attributes }, Ok(answer)) => {
                if matches!(operation, Operation::Single(..)) {
                    assert_eq!(answer.get("Attributes").map(item_from_json), attributes, "the answer's attributes");
                }
                if matches!(operation, Operation::Batch(_)) {
                    assert_eq!(answer["UnprocessedItems"], json!({}));
                }
                self.state.commit(operation, writes);
            }
            (expected, outcome) => assert_eq!(failure(outcome), Some(expected)),
        }
    }

    fn read(&mut self, number: u32) {
        let read = self.generator().read();
        let outcome = read.ask(&self.client, &self.state, &mut self.random);
        self.trace.say(format!("{number} {read:?} -> {outcome:?}"));
        let Err(error) = outcome else { return };
        let some_table_is_missing = self.state.tables.iter().any(|table| !table.exists);
        let is_missing = code(&error) == "ResourceNotFoundException" && some_table_is_missing;
        assert!(is_missing || is_injected(&error), "{read:?}: {error}");
    }

    fn consume(&mut self, number: u32) {
        if self.consumers.is_empty() {
            return;
        }
        let chosen = self.random.usize(..self.consumers.len());
        let calls = self.random.bool().then(|| self.random.usize(1..4));
        let consumer = &mut self.consumers[chosen];
        let before = consumer.place;
        consumer.read(&self.client, &mut self.state, calls, &mut self.random);
        self.trace
            .say(format!("{number} consumer {chosen} of stream {}: {before}..{}", consumer.stream, consumer.place));
        if calls.is_none() {
            consumer.compare(&self.state);
        }
    }

    /// All consumers read to the end.
    fn drain(&mut self) {
        for consumer in &mut self.consumers {
            consumer.read(&self.client, &mut self.state, None, &mut self.random);
            consumer.compare(&self.state);
        }
    }

    /// Moves the clock; consumers keep up before a step that could cost them their place.
    fn advance(&mut self, number: u32) {
        let steps = [1, 999, 5_000, 61_000, 61_000, 16 * MINUTE, 3 * HOUR, 7 * HOUR, 11 * HOUR, 25 * HOUR];
        let millis = pick(&mut self.random, &steps);
        self.advance_by(number, millis);
    }

    fn advance_by(&mut self, number: u32, millis: i64) {
        self.trace.say(format!("{number} advance by {millis} ms"));
        if millis > 10 * MINUTE {
            self.drain();
        }
        self.client.store.clock().advance(millis);
        self.state.now += millis;
        assert_eq!(self.client.store.clock().now().millis(), self.state.now);
        let (state, client) = (&self.state, &self.client);
        self.consumers.retain(|consumer| {
            let stream = &state.streams[consumer.stream];
            if stream.is_gone(state.now) {
                let gone = client.insist(Api::DescribeStream, &json!({ "StreamArn": stream.arn }));
                assert_eq!(gone.as_ref().err().map(code), Some("ResourceNotFoundException"), "{gone:?}");
            }
            !stream.is_gone(state.now)
        });
    }

    fn reread(&mut self, number: u32) {
        let left: Vec<usize> = (0..self.state.streams.len())
            .filter(|stream| !self.state.streams[*stream].is_gone(self.state.now))
            .collect();
        if !left.is_empty() {
            let stream = pick(&mut self.random, &left);
            self.trace.say(format!("{number} read stream {stream} again"));
            reread(&self.client, &mut self.state, stream, &mut self.random);
        }
    }

    /// The database goes on as a copy, over a seam that nobody may notice but by new event ids.
    fn move_house(&mut self, number: u32) {
        // What has fired is counted by the database that is left.
        self.client.quiet_faults();
        self.client.move_house(&mut self.random);
        self.trace.say(format!("{number} move to another database"));
        for consumer in &mut self.consumers {
            consumer.forget_iterator();
        }
        for change in self.state.streams.iter_mut().flat_map(|stream| &mut stream.changes) {
            if let Some((_, event)) = &mut change.seen {
                event.clear();
            }
        }
    }

    fn list_streams(&mut self, number: u32) {
        self.trace.say(format!("{number} list streams"));
        let mut request = json!({ "Limit": self.random.u8(1..4) });
        let mut listed = Vec::new();
        loop {
            let answer = self.client.insist(Api::ListStreams, &request).expect("streams");
            listed.extend(
                answer["Streams"].as_array().expect("streams").iter().map(|stream| stream["StreamArn"].clone()),
            );
            match answer.get("LastEvaluatedStreamArn") {
                None => break,
                Some(last) => request["ExclusiveStartStreamArn"] = last.clone(),
            }
        }
        let left = self.state.streams.iter().filter(|stream| !stream.is_gone(self.state.now));
        let mut expected: Vec<Json> = left.map(|stream| stream.arn.as_str().into()).collect();
        expected.sort_by_key(Json::to_string);
        listed.sort_by_key(Json::to_string);
        assert_eq!(listed, expected, "ListStreams");
    }

    /// Changes a table's definition, deletes it, or creates it again.
    fn alter(&mut self, number: u32) {
        let drawn = self.random.usize(..self.state.tables.len());
        // Tables that are missing come back soon.
        let table = self.state.tables.iter().position(|table| !table.exists).unwrap_or(drawn);
        let change = self.random.u8(0..13);
        self.trace.say(format!("{number} alter table {table}, change {change}"));
        let of = &self.state.tables[table];
        let (name, view) = (of.schema.name, of.schema.view);
        if !of.exists {
            self.create(table);
            return;
        }
        match change {
            0..=3 => self.toggle_stream(table, name, view),
            4..=6 => {
                let late = late_indexes();
                let index = pick(&mut self.random, &late);
                self.add_index(table, name, &index);
            }
            7..=9 => {
                let global: Vec<&Index> = of.schema.indexes.iter().filter(|index| !index.local).collect();
                if global.is_empty() {
                    return;
                }
                let chosen = pick(&mut self.random, &global);
                let index = chosen.name;
                let request = json!({ "TableName": name, chosen.updates(): [{ "Delete": { "IndexName": index } }] });
                if self.ask_to_alter(Api::UpdateTable, &request).is_some() {
                    self.state.tables[table].schema.indexes.retain(|other| other.name != index);
                }
            }
            _ => {
                if self.ask_to_alter(Api::DeleteTable, &json!({ "TableName": name })).is_some() {
                    self.state.close_stream(table);
                    self.state.tables[table].exists = false;
                    self.state.tables[table].items.clear();
                }
            }
        }
        if self.state.tables[table].exists {
            self.insist_on_description(table);
        }
    }

    /// The answer of a change; nothing, if a fault met it: then it has changed nothing.
    fn ask_to_alter(&mut self, operation: Api, request: &Json) -> Option<Json> {
        match self.client.call(operation, request) {
            Ok(answer) => Some(answer["TableDescription"].clone()),
            Err(error) if is_injected(&error) => {
                self.trace.say(format!("{} met a fault: {error}", operation.name()));
                None
            }
            Err(error) => panic!("{}: {error}", operation.name()),
        }
    }

    fn create(&mut self, table: usize) {
        let of = &mut self.state.tables[table].schema;
        if of.view.is_none() && table == 0 {
            of.view = Some(View::NewAndOldImages);
        }
        let (request, view) = (of.create_request(), of.view);
        if let Some(description) = self.ask_to_alter(Api::CreateTable, &request) {
            self.state.tables[table].exists = true;
            if let Some(view) = view {
                self.open_stream(table, view, &description);
            }
        }
    }

    fn open_stream(&mut self, table: usize, view: View, description: &Json) {
        let arn = description["LatestStreamArn"].as_str().expect("the stream's ARN").to_owned();
        let stream = self.state.streams.len();
        self.state.open_stream(table, view, arn);
        self.consumers.push(Consumer::from_the_start(&self.state, stream));
    }

    fn toggle_stream(&mut self, table: usize, name: &str, view: Option<View>) {
        // Others join an open stream now and then, before it is closed.
        let open = self.state.tables[table].stream;
        if let Some(stream) = open.filter(|_| self.random.bool()) {
            self.consumers.extend(Consumer::from_now(&self.client, &self.state, stream));
            return;
        }
        let wanted = pick(&mut self.random, &View::ALL);
        let specification = match view {
            Some(_) => json!({ "StreamEnabled": false }),
            None => stream_specification(wanted),
        };
        let request = json!({ "TableName": name, "StreamSpecification": specification });
        let Some(description) = self.ask_to_alter(Api::UpdateTable, &request) else { return };
        match view {
            Some(_) => self.state.close_stream(table),
            None => self.open_stream(table, wanted, &description),
        }
        // What the table has by now, it cannot get again.
        if self.random.bool() {
            let again = self.client.insist(Api::UpdateTable, &request);
            assert_eq!(again.as_ref().err().map(code), Some("ValidationException"), "{again:?}");
        }
    }

    fn add_index(&mut self, table: usize, name: &str, index: &Index) {
        let schema = &self.state.tables[table].schema;
        let request = json!({
            "TableName": name,
            "AttributeDefinitions": attribute_definitions(&schema.key, schema.indexes.iter().chain([index])),
            index.updates(): [{ "Create": index.to_json() }],
        });
        if schema.indexes.iter().any(|other| other.name == index.name) {
            let again = self.client.insist(Api::UpdateTable, &request);
            assert_eq!(again.as_ref().err().map(code), Some("ValidationException"), "{again:?}");
        } else if self.ask_to_alter(Api::UpdateTable, &request).is_some() {
            self.state.tables[table].schema.indexes.push(index.clone());
        }
    }

    fn insist_on_description(&self, table: usize) {
        while let Err(error) = describe(&self.client, &self.state.tables[table]) {
            assert!(is_injected(&error), "{error}");
        }
    }

    fn finish(mut self) {
        self.trace.say("the end".to_owned());
        self.client.calm();
        self.client.check_cluster();
        self.compare_all();
        let names = self.client.call(Api::ListTables, &json!({})).expect("tables");
        let mut expected: Vec<&str> =
            self.state.tables.iter().filter(|table| table.exists).map(|table| table.schema.name).collect();
        expected.sort_unstable();
        assert_eq!(names["TableNames"], json!(expected));
        self.advance_by(0, 25 * HOUR);
        self.client.now(self.client.store.maintain()).expect("maintenance");
        self.list_streams(0);
        self.compare_all();
        self.empty();
    }

    /// Streams replay to their tables; rows, indexes, counts and blobs agree.
    fn compare_all(&mut self) {
        self.drain();
        for table in 0..self.state.tables.len() {
            let of = &self.state.tables[table];
            if !of.exists {
                continue;
            }
            describe(&self.client, of).expect("a description");
            let found = super::reads::whole(&self.client, of);
            assert!(found == of.items, "a Scan of {} differs from the model", of.schema.name);
            let definition =
                self.client.now(self.client.store.current_table(&self.client.realm, of.schema.name)).expect("a table");
            let findings = self.client.now(self.client.store.check(&definition)).expect("a check");
            assert!(findings.is_empty(), "{}: {findings:#?}", of.schema.name);
        }
    }

    /// Deletes every item and lets every record expire: nothing must be left of them.
    fn empty(&mut self) {
        for table in 0..self.state.tables.len() {
            let keys: Vec<_> = self.state.tables[table].items.keys().cloned().collect();
            for key in keys {
                let write = super::operation::Write::Delete { key };
                let guarded = super::operation::Guarded { table, write, condition: None, show_on_failure: false };
                self.write(0, &Operation::Single(guarded, super::operation::Returns::AllOld));
            }
        }
        self.advance_by(0, 25 * HOUR);
        self.client.now(self.client.store.maintain()).expect("maintenance");
        self.advance_by(0, 2 * HOUR);
        self.client.now(self.client.store.maintain()).expect("maintenance");
        self.compare_all();
        let transaction = self.client.store.database().begin();
        let left = self.client.now(transaction.range(&RangeRead::new([0], [0xFF]))).expect("what is left").pairs;
        let bytes: usize = left.iter().map(|pair| pair.value.len()).sum();
        let shown = || {
            left.iter().map(|pair| format!("{} -> {}", pair.key.escape_ascii(), pair.value.len())).collect::<Vec<_>>()
        };
        // Definitions, counters, open streams, trim marks and a handful of commit ids.
        assert!(left.len() < 100 && bytes < 10_000, "{bytes} bytes in {} pairs are left: {:#?}", left.len(), shown());
    }
}

/// A failed write as the model puts it; items as the error's body shows them.
fn failure(outcome: Result<Json, Error>) -> Option<Expected> {
    let error = outcome.err()?;
    let body: Json = serde_json::from_slice(&protocol::error(&error)).expect("an error is JSON");
    let item = |body: &Json| body.get("Item").map(item_from_json);
    Some(match &error {
        Error::TransactionCanceled { reasons } => {
            let codes = reasons.iter().map(|reason| reason.code);
            let shown = body["CancellationReasons"].as_array().expect("reasons").iter().map(item);
            Expected::Cancelled(codes.zip(shown).collect())
        }
        error => Expected::Error(code(error), item(&body)),
    })
}
