//! A fresh database and a way to call operations on it as the JSON protocol does.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use fdyno::api::{self, Operation};
use fdyno::clock::{Clock, Timestamp};
use fdyno::error::Error;
use fdyno::kv::Database;
use fdyno::store::{Realm, Store};
use serde_json::Value;

pub type Outcome = Result<(), Box<dyn std::error::Error>>;

pub const START: Timestamp = Timestamp(1_700_000_000_000);

/// Memory futures are ready at once.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("memory futures are ready at once"),
    }
}

pub struct World {
    pub store: Store,
    pub realm: Realm,
}

pub fn world() -> Result<World, Error> {
    let clock = Clock::deterministic(START, 7);
    let store = now(Store::open(Database::memory(clock), b"test".to_vec()))?;
    Ok(World { store, realm: Realm { account: "000000000000".into(), region: "eu-west-1".into() } })
}

impl World {
    /// The answer of an operation of either service.
    pub fn call(&self, name: &str, request: &Value) -> Result<Value, Error> {
        let operation = Operation::find("dynamodb", name)
            .or_else(|| Operation::find("dynamodbstreams", name))
            .ok_or_else(|| Error::UnknownOperation(name.to_owned()))?;
        let request = api::json::request(operation, request.to_string().as_bytes())?;
        let response = now(api::dispatch(&self.store, &self.realm, request))?;
        serde_json::from_slice(&api::json::response(&response))
            .map_err(|error| Error::InternalServerError(error.to_string()))
    }

    /// The code and message of the error that an operation must end in.
    pub fn failure(&self, name: &str, request: &Value) -> (String, String) {
        match self.call(name, request) {
            Ok(answer) => (String::new(), answer.to_string()),
            Err(error) => (error.shape().code.to_owned(), error.to_string()),
        }
    }

    /// The message of the ValidationException that an operation must end in.
    pub fn invalid(&self, name: &str, request: &Value) -> String {
        let (code, message) = self.failure(name, request);
        assert_eq!(code, "ValidationException", "{name} {request}: {message}");
        message
    }
}
