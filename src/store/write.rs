//! The only path on which items are written: row, index entries, counters and change record together.

use std::sync::Arc;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::item::Item;
use super::table::*;

/// One attempt at a read-write transaction. Cheap to clone.
#[derive(Clone)]
pub struct Transaction;

/// A row as this transaction read it, to be handed back to `write`.
pub struct Row;

impl Row {
    pub fn item(&self) -> Option<&Item> { todo!() }
}

/// What becomes of a row.
pub enum Change { Keep, Put(Item), Delete }

/// On whose behalf: decides the record's `userIdentity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor { User, TimeToLive }

/// What a write did.
pub struct Written {
    pub old: Option<Item>,
    pub new: Option<Item>,
    /// Bytes by the item-size rule, 0 when absent.
    pub old_size: usize,
    pub new_size: usize,
    /// Index entries written or removed: (index id, bytes of the removed projected entry, bytes of the written one); untouched indexes absent.
    pub indexes: Vec<(u32, usize, usize)>,
}

/// A stored idempotency token.
pub struct ClientToken { pub request_digest: [u8; 32], pub at: Timestamp, pub response: Vec<u8> }

impl Transaction {
    /// Fence and read: checks (with conflict) that `table` is the current version (else Error::SchemaChanged) and reads the row.
    pub async fn row(&self, _table: &Arc<Table>, _key: &Key) -> Result<Row, Error> { todo!() }
    /// Item key attributes must equal the row's key. Checks the 400 KB limit of the new item and index-key rules are api's job.
    pub fn write(&self, _table: &Arc<Table>, _row: Row, _change: Change, _actor: Actor) -> Result<Written, Error> { todo!() }
    /// A token younger than the idempotency window (10 minutes).
    pub async fn client_token(&self, _realm: &Realm, _token: &str) -> Result<Option<ClientToken>, Error> { todo!() }
    pub fn put_client_token(&self, _realm: &Realm, _token: &str, _value: &ClientToken) -> Result<(), Error> { todo!() }
}
