//! A database on a cluster as one process has it, and the process that does what it is told.

use std::io::BufRead;
use std::path::Path;

use fdyno::api::{self, Operation};
use fdyno::clock::Clock;
use fdyno::error::Error;
use fdyno::keyspace::{Keyspace, TableId};
use fdyno::kv::{Database, RangeRead, foundationdb};
use fdyno::store::{Realm, Store};
use futures_executor::block_on as wait;
use serde_json::{Value, json};

use crate::{double, writers};

/// The cluster file of a child.
pub const FILE: &str = "FDYNO_PROCESS_FILE";
/// Begins each line that a child says to its parent; the test harness says other things.
pub const MARK: &str = "> ";

const PREFIX: &[u8] = b"shared";

/// One process's handle.
pub struct Handle {
    pub store: Store,
    realm: Realm,
}

/// Code and message.
pub type Refusal = (String, String);

impl Handle {
    pub fn open(file: &Path) -> Self {
        // A child is told where the library is by its environment.
        let library = std::env::var_os(FILE).is_none().then(|| double::library("dev"));
        let cluster_file = Some(file.to_path_buf());
        let options = foundationdb::Options { cluster_file, library, ..foundationdb::Options::default() };
        let database = Database::foundationdb(&options, Clock::system()).expect("the cluster answers");
        let store = wait(Store::open(database, PREFIX.to_vec())).expect("the database opens");
        Self { store, realm: Realm { account: "000000000000".into(), region: "eu-west-1".into() } }
    }

    pub fn call(&self, name: &str, request: &Value) -> Result<Value, Refusal> {
        self.run(name, request).map_err(|error| (error.shape().code.to_owned(), error.to_string()))
    }

    fn run(&self, name: &str, request: &Value) -> Result<Value, Error> {
        let operation = Operation::find("dynamodb", name).or_else(|| Operation::find("dynamodbstreams", name)).unwrap();
        let request = api::json::request(operation, request.to_string().as_bytes())?;
        let answer = wait(api::dispatch(&self.store, &self.realm, request))?;
        Ok(serde_json::from_slice(&api::json::response(&answer)).unwrap())
    }

    pub fn move_clock(&self, change: impl Fn(&Clock) + Send + Sync) {
        wait(self.store.move_clock(change)).unwrap();
    }

    /// Checks everything that derives from rows.
    pub fn is_sound(&self) {
        let table = wait(self.store.current_table(&self.realm, "orders")).unwrap();
        assert_eq!(wait(self.store.check(&table)).unwrap(), Vec::<String>::new());
    }

    /// Change records that are stored, whether readers see them or not.
    pub fn records_stored(&self) -> usize {
        let table = wait(self.store.current_table(&self.realm, "orders")).unwrap();
        let range = Keyspace::new(PREFIX).table(TableId(table.id)).all_records();
        wait(self.store.database().begin().range(&RangeRead::new(range.begin, range.end))).unwrap().pairs.len()
    }

    pub fn shard_iterator_request(&self) -> Value {
        let table = self.call("DescribeTable", &json!({"TableName": "orders"})).unwrap();
        let arn = &table["Table"]["LatestStreamArn"];
        let stream = self.call("DescribeStream", &json!({"StreamArn": arn})).unwrap();
        let shard = &stream["StreamDescription"]["Shards"][0]["ShardId"];
        json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"})
    }

    /// Where the stream begins.
    pub fn iterator(&self) -> String {
        let iterator = self.call("GetShardIterator", &self.shard_iterator_request()).unwrap();
        iterator["ShardIterator"].as_str().unwrap().to_owned()
    }

    /// Up to so many records, and where to go on.
    pub fn page(&self, iterator: &str, limit: u32) -> (Vec<Value>, String) {
        let page = self.call("GetRecords", &json!({"ShardIterator": iterator, "Limit": limit})).unwrap();
        (page["Records"].as_array().unwrap().clone(), page["NextShardIterator"].as_str().unwrap().to_owned())
    }

    fn obey(&self, command: &str) -> Value {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "call" => {
                let (name, request) = rest.split_once(' ').unwrap();
                match self.call(name, &serde_json::from_str(request).unwrap()) {
                    Ok(answer) => json!({ "answer": answer }),
                    Err(refusal) => json!({ "refusal": refusal }),
                }
            }
            "look" => json!(wait(self.store.look_at_clock()).is_ok()),
            "maintain" => {
                let before = self.store.work().keys_written;
                wait(self.store.maintain()).expect("maintenance goes through");
                json!(self.store.work().keys_written - before)
            }
            _ => panic!("{command}"),
        }
    }
}

/// Not a test by itself: the life of a process that is told what to do, or that writes.
#[test]
fn child() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let handle = Handle::open(Path::new(&file));
    if let Ok(role) = std::env::var(writers::ROLE) {
        return writers::live(&handle, &role);
    }
    println!("{MARK}ready");
    for command in std::io::stdin().lock().lines() {
        println!("{MARK}{}", handle.obey(&command.unwrap()));
    }
}
