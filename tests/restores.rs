//! The seeded test of backups and restores: whatever is written, a table is restored to any second as it was at that second.
//!
//! Random writes, small and large, alone and in transactions, with the clock moving on, streams and recovery switched on and
//! off, backups made and deleted, and now and then a restore to a random second, which is compared with what a simple model
//! remembers. On memory, on disk (closed and opened again on the way), and with faults, for a third of whose seeds versions do not
//! tell the time. In the end everything is deleted, and nothing may be left. `FDYNO_SEEDS` says how many seeds are run,
//! `FDYNO_SEED=n` runs seed n alone.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/met.rs"]
mod met;
#[path = "common/place.rs"]
mod place;
#[path = "common/seeds.rs"]
mod seeds;

use std::collections::BTreeMap;
use std::path::Path;
use std::task::{Context, Waker};

use fdyno::api::{self, Operation};
use fdyno::clock::{Clock, Timestamp};
use fdyno::error::Error;
use fdyno::kv::{self, Database, DiskOptions, RangeRead, faults};
use fdyno::store::{CopyError, Place, Realm, Store, copy};
use futures_executor::block_on;
use met::Met;
use serde_json::{Value, json};

const START: i64 = 1_700_000_000_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const STEPS: u32 = 250;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Engine {
    Memory,
    Disk,
    Faults,
}

type Items = BTreeMap<String, Value>;

struct Backup {
    arn: String,
    items: Items,
}

struct World<'a> {
    engine: Engine,
    store: Option<Store>,
    directory: Option<&'a Path>,
    clock: Clock,
    random: fastrand::Rng,
    met: &'a Met,
    seed: u64,
    aloud: bool,
    now: i64,
    items: Items,
    /// What the table was from each moment on.
    history: Vec<(i64, Items)>,
    backups: Vec<Backup>,
    recovery: Option<(i64, i64)>,
    /// When it was switched on, and what the table was then.
    began: (i64, Items),
    has_stream: bool,
    /// No more faults.
    is_calm: bool,
}

fn realm() -> Realm {
    Realm { account: "000000000000".to_owned(), region: "eu-west-1".to_owned() }
}

fn is_injected(error: &Error) -> bool {
    matches!(error, Error::Storage(kv::Error::Io(text)) if text.starts_with("injected"))
}

fn seconds(millis: i64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of today fit")]
    Value::from(millis as f64 / 1000.0)
}

impl<'a> World<'a> {
    fn new(engine: Engine, seed: u64, directory: Option<&'a Path>, aloud: bool, met: &'a Met) -> Self {
        let mut world = Self {
            engine,
            store: None,
            directory,
            clock: Clock::deterministic(Timestamp(START), seed),
            random: fastrand::Rng::with_seed(seed),
            met,
            seed,
            aloud,
            now: START,
            items: Items::new(),
            history: Vec::new(),
            backups: Vec::new(),
            recovery: None,
            began: (START, Items::new()),
            has_stream: false,
            is_calm: false,
        };
        world.open();
        world
    }

    fn create(&self) {
        self.must(
            "CreateTable",
            &json!({
                "TableName": "source", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"},
                    {"AttributeName": "group", "AttributeType": "S"}
                ],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                "GlobalSecondaryIndexes": [{
                    "IndexName": "by-group", "Projection": {"ProjectionType": "ALL"},
                    "KeySchema": [{"AttributeName": "group", "KeyType": "HASH"}]
                }]
            }),
        );
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is open")
    }

    fn open(&mut self) {
        let seed = self.seed;
        let database = match self.engine {
            Engine::Memory => Database::memory(self.clock.clone()),
            Engine::Disk => {
                let options = DiskOptions { flush_bytes: 60_000, ..DiskOptions::default() };
                Database::disk(self.directory.expect("a directory"), options, self.clock.clone()).expect("it opens")
            }
            Engine::Faults => {
                let plan = faults::Plan::seeded(seed);
                Database::faults(self.clock.clone(), if seed % 3 == 1 { plan.with_opaque_versions() } else { plan })
            }
        };
        loop {
            match block_on(Store::open(database.clone(), b"restores".to_vec())) {
                Ok(store) => break self.store = Some(store),
                Err(error) => assert!(is_injected(&error), "{error}"),
            }
        }
    }

    fn try_call(&self, name: &str, request: &Value) -> Result<Value, Error> {
        let operation = Operation::find("dynamodb", name).expect("an operation");
        let parsed = api::json::request(operation, request.to_string().as_bytes()).expect("a request");
        let outcome = block_on(api::dispatch(self.store(), &realm(), parsed));
        if self.aloud {
            eprintln!("{} {name} {request:.200} -> {:?}", self.now - START, outcome.as_ref().err());
        }
        let answer = outcome?;
        Ok(serde_json::from_slice(&api::json::response(&answer)).expect("JSON"))
    }

    /// Until no injected fault surfaces: such a call has changed nothing.
    fn call(&self, name: &str, request: &Value) -> Result<Value, Error> {
        loop {
            match self.try_call(name, request) {
                Err(error) if is_injected(&error) => self.met.saw("a fault that surfaced"),
                outcome => return outcome,
            }
        }
    }

    fn must(&self, name: &str, request: &Value) -> Value {
        self.call(name, request).unwrap_or_else(|error| panic!("seed {}: {name} {request}: {error}", self.seed))
    }

    fn key(&mut self) -> (String, i64) {
        (format!("p{}", self.random.u8(0..4)), i64::from(self.random.u8(0..12)))
    }

    fn item(&mut self, (pk, sk): &(String, i64)) -> Value {
        let note = match self.random.u8(0..8) {
            0 => "large ".repeat(self.random.usize(2_000..5_000)),
            _ => format!("note {}", self.random.u16(..)),
        };
        let mut item = json!({"pk": {"S": pk}, "sk": {"N": sk.to_string()}, "note": {"S": note}});
        if self.random.bool() {
            item["group"] = json!({"S": format!("g{}", self.random.u8(0..3))});
        }
        item
    }

    fn remember(&mut self) {
        match self.history.last_mut() {
            Some((at, items)) if *at == self.now => items.clone_from(&self.items),
            _ => self.history.push((self.now, self.items.clone())),
        }
    }

    fn write(&mut self) {
        let (count, mut actions, mut after) = (self.random.usize(1..4), Vec::new(), self.items.clone());
        let mut keys = Vec::new();
        for _ in 0..count {
            let key = self.key();
            if keys.contains(&key) {
                continue;
            }
            let name = format!("{key:?}");
            if self.random.u8(0..3) == 0 {
                let key = json!({"pk": {"S": key.0}, "sk": {"N": key.1.to_string()}});
                actions.push(json!({"Delete": {"TableName": "source", "Key": key}}));
                after.remove(&name);
            } else {
                let item = self.item(&key);
                actions.push(json!({"Put": {"TableName": "source", "Item": item}}));
                after.insert(name, item);
            }
            keys.push(key);
        }
        if let [action] = actions.as_slice() {
            match (&action["Put"], &action["Delete"]) {
                (Value::Null, delete) => self.must("DeleteItem", delete),
                (put, _) => self.must("PutItem", put),
            };
        } else {
            self.must("TransactWriteItems", &json!({"TransactItems": actions}));
            self.met.saw("a transaction");
        }
        self.items = after;
        self.remember();
    }

    fn advance(&mut self) {
        let steps = [1, 400, SECOND, 7 * SECOND, MINUTE, MINUTE, 20 * MINUTE, 3 * HOUR, 15 * HOUR, 2 * DAY];
        let millis = steps[self.random.usize(..steps.len())];
        loop {
            let left = self.now + millis - self.clock.now().millis();
            match block_on(self.store().advance(left)) {
                Ok(()) => break,
                Err(error) => assert!(is_injected(&error), "{error}"),
            }
        }
        self.now += millis;
        assert_eq!(self.clock.now().millis(), self.now);
    }

    fn switch_recovery(&mut self) {
        let days = i64::from(self.random.u8(1..4));
        let enabled = self.random.u8(0..4) > 0;
        let mut specification = json!({"PointInTimeRecoveryEnabled": enabled});
        if enabled {
            specification["RecoveryPeriodInDays"] = json!(days);
        }
        let request = json!({"TableName": "source", "PointInTimeRecoverySpecification": specification});
        let shown = self.must("UpdateContinuousBackups", &request);
        if enabled && self.recovery.is_none() {
            self.began = (self.now, self.items.clone());
        }
        self.recovery = enabled.then(|| {
            let (since, before) = self.recovery.unwrap_or((self.now, days));
            (since.max(self.now - days.min(before) * DAY), days)
        });
        let shown = &shown["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
        let [earliest, latest] = ["Earliest", "Latest"].map(|which| &shown[format!("{which}RestorableDateTime")]);
        match self.window() {
            None => assert_eq!((earliest, latest), (&Value::Null, &Value::Null)),
            Some((first, last)) => assert_eq!((earliest, latest), (&seconds(first), &seconds(last))),
        }
    }

    /// The first and the last second that can be restored.
    fn window(&self) -> Option<(i64, i64)> {
        let (since, days) = self.recovery?;
        let whole = |millis: i64| millis.div_euclid(SECOND) * SECOND;
        Some((whole(since.max(self.now - days * DAY)), whole(since.max(self.now - 5 * MINUTE))))
    }

    fn switch_stream(&mut self) {
        self.has_stream = !self.has_stream;
        let mut specification = json!({"StreamEnabled": self.has_stream});
        if self.has_stream {
            specification["StreamViewType"] = json!("NEW_AND_OLD_IMAGES");
        }
        self.must("UpdateTable", &json!({"TableName": "source", "StreamSpecification": specification}));
    }

    fn is_sound(&self, table: &str) {
        let check = async {
            let table = self.store().current_table(&realm(), table).await?;
            self.store().check(&table).await
        };
        let injected = self.store().database().injected_faults();
        if let Some(faults) = injected {
            faults.pause();
        }
        assert_eq!(block_on(check).expect("it is there"), Vec::<String>::new(), "seed {}", self.seed);
        if let Some(faults) = injected.filter(|_| !self.is_calm) {
            faults.resume();
        }
    }

    /// All items of a table, which its index must agree with.
    fn scan(&self, table: &str) -> Items {
        let mut counts = [0; 2];
        let mut items = Items::new();
        for (count, index) in counts.iter_mut().zip([None, Some("by-group")]) {
            let mut request = json!({"TableName": table});
            if let Some(index) = index {
                request["IndexName"] = json!(index);
            }
            loop {
                let page = self.must("Scan", &request);
                for item in page["Items"].as_array().expect("items") {
                    let sk: i64 = item["sk"]["N"].as_str().expect("a number").parse().expect("a number");
                    let key = (item["pk"]["S"].as_str().expect("a text").to_owned(), sk);
                    items.insert(format!("{key:?}"), item.clone());
                    *count += 1;
                }
                let Some(last) = page.get("LastEvaluatedKey") else { break };
                request["ExclusiveStartKey"] = last.clone();
            }
        }
        let grouped = items.values().filter(|item| item.get("group").is_some()).count();
        assert_eq!(counts, [items.len(), grouped]);
        items
    }

    /// The table that a restore has made, which goes again.
    fn compare(&self, expected: &Items) {
        assert_eq!(&self.scan("restored"), expected, "seed {} at {}", self.seed, self.now - START);
        self.is_sound("restored");
        self.must("DeleteTable", &json!({"TableName": "restored"}));
    }

    fn at(&self, moment: i64) -> Items {
        let later = self.history.partition_point(|(at, _)| *at <= moment);
        later.checked_sub(1).map(|last| self.history[last].1.clone()).unwrap_or_default()
    }

    fn restore_to_second(&mut self) {
        let mut request = json!({"SourceTableName": "source", "TargetTableName": "restored"});
        let Some((earliest, latest)) = self.window() else {
            request["UseLatestRestorableTime"] = json!(true);
            let outcome = self.call("RestoreTableToPointInTime", &request);
            assert!(matches!(outcome, Err(Error::PointInTimeRecoveryUnavailable(_))), "{outcome:?}");
            return;
        };
        let latest_is_asked = self.random.u8(0..4) == 0;
        let moment = if latest_is_asked {
            request["UseLatestRestorableTime"] = json!(true);
            latest
        } else {
            // Near a change, as likely as not.
            let near = self.history[self.random.usize(..self.history.len())].0.div_euclid(SECOND) * SECOND;
            let near = near + i64::from(self.random.u8(0..3)) * SECOND - SECOND;
            let any = earliest + self.random.i64(0..=(latest - earliest) / SECOND) * SECOND;
            if self.random.bool() { near } else { any }
        };
        if !latest_is_asked {
            request["RestoreDateTime"] = seconds(moment);
        }
        if !(earliest..=latest).contains(&moment) {
            let outcome = self.call("RestoreTableToPointInTime", &request);
            assert!(matches!(outcome, Err(Error::InvalidRestoreTime(_))), "{outcome:?}");
            self.met.saw("a moment that is not kept");
            return;
        }
        let answer = self.must("RestoreTableToPointInTime", &request);
        let summary = &answer["TableDescription"]["RestoreSummary"];
        assert_eq!((&summary["RestoreInProgress"], &summary["RestoreDateTime"]), (&json!(true), &seconds(moment)));
        // Of the second in which it was switched on, what there was then.
        let expected = if moment < self.began.0 { self.began.1.clone() } else { self.at(moment) };
        self.met.saw(if expected == self.items { "a restore of what is there" } else { "a restore of something else" });
        self.compare(&expected);
    }

    fn backup(&mut self) {
        let answer = self.must("CreateBackup", &json!({"TableName": "source", "BackupName": "by-test"}));
        let arn = answer["BackupDetails"]["BackupArn"].as_str().expect("an ARN").to_owned();
        let described = self.must("DescribeBackup", &json!({"BackupArn": arn}));
        let described = &described["BackupDescription"];
        assert_eq!(described["BackupDetails"]["BackupStatus"], "AVAILABLE");
        assert_eq!(described["SourceTableDetails"]["ItemCount"], self.items.len());
        self.backups.push(Backup { arn, items: self.items.clone() });
    }

    fn restore_backup(&mut self) {
        if self.backups.is_empty() {
            return;
        }
        let backup = &self.backups[self.random.usize(..self.backups.len())];
        self.must("RestoreTableFromBackup", &json!({"BackupArn": backup.arn, "TargetTableName": "restored"}));
        self.compare(&backup.items);
        self.met.saw("a restore from a backup");
    }

    fn delete_backup(&mut self) {
        if self.backups.is_empty() {
            return;
        }
        let backup = self.backups.swap_remove(self.random.usize(..self.backups.len()));
        self.must("DeleteBackup", &json!({"BackupArn": backup.arn}));
        let again = self.call("DeleteBackup", &json!({"BackupArn": backup.arn}));
        assert!(matches!(again, Err(Error::BackupNotFound(_))), "{again:?}");
    }

    fn reopen(&mut self) {
        if self.engine == Engine::Disk {
            self.store = None;
            self.open();
            self.met.saw("a database that is opened again");
        }
    }

    /// Goes on in a copy, whose commits have another incarnation.
    fn move_house(&mut self) {
        if self.engine == Engine::Disk {
            return;
        }
        let source = self.store().place();
        let plan = faults::Plan::seeded(self.random.u64(..));
        let plan = if self.random.bool() { plan.with_opaque_versions() } else { plan };
        let database = match source.database.injected_faults() {
            None => Database::memory(self.clock.clone()),
            Some(faults) => {
                faults.pause();
                faults.flush();
                Database::faults(self.clock.clone(), plan)
            }
        };
        let place = Place { database, prefix: source.prefix.clone() };
        while let Err(error) = block_on(copy(source.clone(), place.clone())) {
            assert!(matches!(&error, CopyError::Failed(error) if is_injected(error)), "{error}");
        }
        self.store = loop {
            match block_on(Store::open(place.database.clone(), place.prefix.clone())) {
                Ok(store) => break Some(store),
                Err(error) => assert!(is_injected(&error), "{error}"),
            }
        };
        self.met.saw("a database that is moved");
    }

    fn step(&mut self) {
        match self.random.u8(0..100) {
            0..=58 => self.write(),
            59 => self.move_house(),
            60..=79 => self.advance(),
            80..=81 => self.switch_recovery(),
            82..=83 => self.switch_stream(),
            84..=91 => self.restore_to_second(),
            92..=93 => self.backup(),
            94..=95 => self.restore_backup(),
            96 => self.delete_backup(),
            97 => self.reopen(),
            _ => self.is_sound("source"),
        }
    }

    fn finish(&mut self) {
        if let Some(faults) = self.store().database().injected_faults() {
            faults.pause();
            faults.flush();
        }
        self.is_calm = true;
        assert_eq!(self.scan("source"), self.items);
        self.is_sound("source");
        let recovers = self.recovery.is_some();
        self.must("DeleteTable", &json!({"TableName": "source"}));
        let listed = self.must("ListBackups", &json!({"TableName": "source", "BackupType": "SYSTEM"}));
        let system = listed["BackupSummaries"].as_array().expect("summaries");
        assert_eq!(system.len(), usize::from(recovers));
        for backup in system {
            let request = json!({"BackupArn": backup["BackupArn"], "TargetTableName": "restored"});
            self.must("RestoreTableFromBackup", &request);
            self.compare(&self.items);
            self.met.saw("a restore of a deleted table");
        }
        while !self.backups.is_empty() {
            self.restore_backup();
            self.delete_backup();
        }
        // The stream's day, the backup's five weeks, and what is swept behind them.
        for _ in 0..3 {
            block_on(self.store().advance(36 * DAY)).expect("no more faults");
        }
        let everything = RangeRead::prefix(b"restores");
        let left = block_on(self.store().database().begin().range(&everything)).expect("no more faults").pairs;
        // What belongs to the database: its format, id, incarnation, counters, marks and times; no table, and no backup.
        let tables = left.iter().filter(|pair| pair.key[b"restores".len()] >= 0x0F).count();
        assert_eq!(tables, 0, "seed {}: something is left", self.seed);
    }
}

fn run(engine: Engine, seed: u64, aloud: bool, met: &Met) {
    let directory = (engine == Engine::Disk).then(place::place);
    let mut world = World::new(engine, seed, directory.as_ref().map(tempfile::TempDir::path), aloud, met);
    world.create();
    world.write();
    while world.recovery.is_none() {
        world.switch_recovery();
    }
    for _ in 0..STEPS {
        world.step();
    }
    world.finish();
}

const ALWAYS: &[&str] = &[
    "a transaction",
    "a moment that is not kept",
    "a restore of something else",
    "a restore of what is there",
    "a restore from a backup",
    "a restore of a deleted table",
];

fn run_all(engine: Engine, usual: u64, more: &[&'static str]) {
    let met = Met::default();
    if seeds::run("restores", usual, |seed, alone| run(engine, seed, alone, &met)) {
        met.insist_on(&[ALWAYS, more].concat());
    }
}

#[test]
fn a_table_in_memory_is_restored_to_any_second() {
    run_all(Engine::Memory, 20, &["a database that is moved"]);
}

#[test]
fn a_table_on_disk_is_restored_to_any_second() {
    run_all(Engine::Disk, 10, &["a database that is opened again"]);
}

#[test]
fn a_table_is_restored_to_any_second_whatever_fails() {
    run_all(Engine::Faults, 20, &["a fault that surfaced", "a database that is moved"]);
}

/// Who waits for long work is given a turn now and then: this one takes it to go away.
#[test]
fn a_restore_that_nobody_waits_for_is_finished_by_calls_and_can_only_be_described_until_then() {
    let met = Met::default();
    let world = World::new(Engine::Memory, 1, None, false, &met);
    world.create();
    let items = 4_000;
    for first in (0..items).step_by(25) {
        let put = |sk: i64| json!({"PutRequest": {"Item": {"pk": {"S": "p"}, "sk": {"N": sk.to_string()}}}});
        let requests: Vec<Value> = (first..first + 25).map(put).collect();
        world.must("BatchWriteItem", &json!({"RequestItems": {"source": requests}}));
    }
    let made = world.must("CreateBackup", &json!({"TableName": "source", "BackupName": "by-test"}));
    let arn = &made["BackupDetails"]["BackupArn"];
    let restore = json!({"BackupArn": arn, "TargetTableName": "restored"});
    {
        let body = restore.to_string();
        let request = api::json::request(Operation::RestoreTableFromBackup, body.as_bytes()).expect("a request");
        let realm = realm();
        let mut forsaken = Box::pin(api::dispatch(world.store(), &realm, request));
        assert!(forsaken.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let described = || world.must("DescribeTable", &json!({"TableName": "restored"}))["Table"].clone();
    let table = described();
    assert_eq!(table["TableStatus"], "CREATING");
    assert_eq!(table["GlobalSecondaryIndexes"][0]["IndexStatus"], "CREATING");
    let summary = &table["RestoreSummary"];
    assert_eq!((&summary["SourceBackupArn"], &summary["RestoreInProgress"]), (arn, &json!(true)));
    let refused = |name: &str, more: Value| {
        let mut request = json!({"TableName": "restored"});
        request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let error = world.call(name, &request).expect_err("it is not there yet");
        (error.shape().code, error.to_string())
    };
    let key = json!({"pk": {"S": "p"}, "sk": {"N": "1"}});
    for (name, more) in [
        ("GetItem", json!({"Key": key})),
        ("PutItem", json!({"Item": key})),
        ("UpdateTable", json!({"DeletionProtectionEnabled": true})),
        ("DescribeTimeToLive", json!({})),
        ("DescribeContributorInsights", json!({})),
    ] {
        assert_eq!(refused(name, more).0, "ResourceNotFoundException", "{name}");
    }
    let missing = ("TableNotFoundException", "Table not found: restored".to_owned());
    assert_eq!(refused("DescribeContinuousBackups", json!({})), missing);
    assert_eq!(refused("CreateBackup", json!({"BackupName": "another"})), missing);
    let (code, message) = refused("DeleteTable", json!({}));
    assert_eq!(code, "ResourceInUseException");
    assert!(message.ends_with("Table is being created: restored"), "{message}");
    let text = arn.as_str().expect("an ARN");
    for (name, request, code, message) in [
        (
            "RestoreTableFromBackup",
            restore.clone(),
            "TableInUseException",
            format!("Table: restored is already being restored from backup: {text}"),
        ),
        (
            "RestoreTableFromBackup",
            json!({"BackupArn": arn, "TargetTableName": "another"}),
            "BackupInUseException",
            format!("Backup is being used to restore another table: {text}"),
        ),
        (
            "DeleteBackup",
            json!({"BackupArn": arn}),
            "BackupInUseException",
            format!("Backup is being used to restore table: {text}"),
        ),
    ] {
        let error = world.call(name, &request).expect_err("it is in use");
        assert_eq!((error.shape().code, error.to_string()), (code, message));
    }
    // Its worker has been silent for a minute.
    for _ in 0..2 {
        block_on(world.store().advance(MINUTE)).expect("no faults");
    }
    let table = described();
    assert_eq!((&table["TableStatus"], &table["ItemCount"]), (&json!("ACTIVE"), &json!(items)));
    assert_eq!(table.get("RestoreSummary"), None);
    world.is_sound("restored");
    world.must("DeleteBackup", &json!({"BackupArn": arn}));
}
