//! The database itself: the catalogue of tables, the one path on which items are written, queries and streams.
//!
//! Every public function is one or more key-value transactions. Item writes go through `write` alone, which
//! writes row, index entries, counters and change record in the same transaction. This room knows nothing of
//! request JSON, expressions or Python: callers pass closures that decide on the item that was read.

pub mod read;
pub mod stream;
pub mod table;
pub mod write;

use std::sync::Arc;
use std::future::Future;

use crate::clock::Clock;
use crate::error::Error;
use crate::item::Item;
use crate::kv;
use table::*;
use read::*;
use stream::*;

#[derive(Clone)]
pub struct Store;

impl Store {
    /// Opens the database under `prefix`, writing format version and database id into an empty one.
    pub async fn open(_database: kv::Database, _prefix: Vec<u8>) -> Result<Self, Error> { todo!() }
    /// O(1) copy-on-write twin with a new database id and its own clock (memory engine only).
    pub async fn fork(&self) -> Result<Self, Error> { todo!() }
    pub fn clock(&self) -> &Clock { todo!() }
    /// The random id of this database (a fork has its own); 16 bytes. Keys iterator tokens and event ids.
    pub fn id(&self) -> [u8; 16] { todo!() }

    /// Cached schema. Error::ResourceNotFound("Requested resource not found") when there is none.
    pub async fn table(&self, _realm: &Realm, _name: &str) -> Result<Arc<Table>, Error> { todo!() }
    /// Error::ResourceInUse("Table already exists: {name}").
    pub async fn create_table(&self, _realm: &Realm, _definition: TableDefinition) -> Result<Arc<Table>, Error> { todo!() }
    /// All changes or none, in one transaction; index backfill and clearing follow in bounded steps before it returns.
    pub async fn change_table(&self, _realm: &Realm, _name: &str, _changes: Vec<TableChange>) -> Result<Arc<Table>, Error> { todo!() }
    pub async fn delete_table(&self, _realm: &Realm, _name: &str) -> Result<Arc<Table>, Error> { todo!() }
    /// Names in UTF-8 order after `after`, and whether there are more.
    pub async fn list_tables(&self, _realm: &Realm, _after: Option<&str>, _limit: usize) -> Result<(Vec<String>, bool), Error> { todo!() }
    /// Exact counts of the table and of each index (by index id).
    pub async fn statistics(&self, _table: &Table) -> Result<(Statistics, Vec<(u32, Statistics)>), Error> { todo!() }

    /// One read-write transaction; `body` may run several times.
    pub async fn transact<T, F, Fut>(&self, _body: F) -> Result<T, Error>
    where F: Fn(write::Transaction) -> Fut + Send + Sync, Fut: Future<Output = Result<T, Error>> + Send, T: Send
    { todo!() }

    /// Reads items by key, all from one snapshot; checks the schema of each table in the same snapshot.
    pub async fn get(&self, _keys: &[(Arc<Table>, Key)]) -> Result<Vec<Option<Item>>, Error> { todo!() }
    /// One page of a Query. `keep` is the filter; it sees the item as the index shows it.
    pub async fn query(&self, _query: &Query<'_>, _keep: &(dyn Fn(&Item) -> Result<bool, Error> + Sync)) -> Result<Page, Error> { todo!() }
    /// One page of a Scan.
    pub async fn scan(&self, _scan: &Scan<'_>, _keep: &(dyn Fn(&Item) -> Result<bool, Error> + Sync)) -> Result<Page, Error> { todo!() }

    /// Streams ordered by (table name, label), open and closed, and whether there are more.
    pub async fn list_streams(&self, _realm: &Realm, _table_name: Option<&str>, _after: Option<(&str, &str)>, _limit: usize)
        -> Result<(Vec<Stream>, bool), Error> { todo!() }
    /// Error::ResourceNotFound("Requested resource not found: Stream: {arn} not found").
    pub async fn stream(&self, _realm: &Realm, _table_name: &str, _label: &str) -> Result<Stream, Error> { todo!() }
    pub async fn stream_cursor(&self, _stream: &Stream, _start: &StreamStart) -> Result<Cursor, Error> { todo!() }
    /// Error::TrimmedDataAccess when the cursor lies before the trim mark.
    pub async fn stream_records(&self, _stream: &Stream, _cursor: Cursor, _limit: usize, _max_bytes: usize) -> Result<RecordPage, Error> { todo!() }
}
