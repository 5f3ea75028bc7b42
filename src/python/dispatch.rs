//! The seam: the only file of this room that names the rest of the house.
//!
//! Everything Python does becomes one of these functions; the rest of the room converts.

use pyo3::prelude::*;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde::Serialize;

use super::de::{Rejected, Value};
pub use crate::api::{Operation, Request, Response, dispatch};
pub use crate::store::Store;
use crate::api;
use crate::clock::Clock;
use crate::error::{CancellationReason, Error};
use crate::kv::Database;
use crate::store::Realm;

/// How an operation ends.
pub type Outcome = Result<Response, Error>;

/// The operation `name` of `service`, by boto3's names.
pub fn find(service: &str, name: &str) -> Option<Operation> {
    Operation::all().iter().copied().find(|operation| operation.service().name() == service && operation.name() == name)
}

/// The names of all operations of `service`.
pub fn operation_names(service: &str) -> Vec<&'static str> {
    let of_service = Operation::all().iter().filter(|operation| operation.service().name() == service);
    of_service.map(|operation| operation.name()).collect()
}

/// A request from Python objects.
pub fn from_python(operation: Operation, parameters: &Bound<'_, PyAny>) -> Result<Request, Rejected> {
    operation.parse(Value::new(parameters))
}

/// A request from the body botocore would have sent.
pub fn from_json(operation: Operation, body: &[u8]) -> Result<Request, Error> {
    api::json::request(operation, body)
}

/// Where tables of `account` in `region` live.
pub fn realm(account: &str, region: &str) -> Realm {
    Realm { account: account.to_owned(), region: region.to_owned() }
}

/// A new, empty database in memory.
pub async fn open_memory() -> Result<Store, Error> {
    Store::open(Database::memory(Clock::system()), Vec::new()).await
}

/// Does whatever fell due by the clock's time.
pub async fn catch_up(store: &Store) -> Result<(), Error> {
    store.maintain().await
}

/// What `Database.info()` tells.
#[derive(Serialize)]
pub struct Info<'a> {
    engine: &'static str,
    account: &'a str,
    version: &'static str,
}

pub fn info<'a>(_store: &Store, account: &'a str) -> Info<'a> {
    Info { engine: "memory", account, version: env!("CARGO_PKG_VERSION") }
}

/// The reasons of a cancelled transaction, as its exception lists them.
pub struct Reasons<'a>(pub &'a [CancellationReason]);

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for reason in self.0 {
            list.serialize_element(&Reason(reason))?;
        }
        list.end()
    }
}

struct Reason<'a>(&'a CancellationReason);

impl Serialize for Reason<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        if let Some(item) = &self.0.item {
            members.serialize_entry("Item", item)?;
        }
        members.serialize_entry("Code", self.0.code)?;
        if let Some(message) = &self.0.message {
            members.serialize_entry("Message", message)?;
        }
        members.end()
    }
}
