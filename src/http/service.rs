//! One request: what it asks for, who asks, its body, its operation, its answer.
//!
//! The order is DynamoDB's: the operation, then the signature, then the body. An operation runs as a task of its own, so that a
//! client that hangs up leaves no work half done, and a panic is an answer of its own.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};

use super::answer::{Answer, JSON, PLAIN_JSON, accepts_gzip};
use super::body::{self, Room};
use super::door::Door;
use super::metrics::{self, Begun, Metrics};
use super::signature;
use super::verify::Asked;
use super::{Limits, Options};
use crate::api::{self, Operation};
use crate::clock::Clock;
use crate::error::Error;
use crate::store::{Realm, Store};

/// What the operation is called of a request that names none.
const NO_OPERATION: &str = "";

pub struct Service {
    store: Store,
    options: Options,
    room: Room,
    metrics: Metrics,
}

/// How an operation ended: its answer's body and how many change records are in it, or its error.
type Ended = Result<(Vec<u8>, usize), Error>;

impl Service {
    pub fn new(store: Store, options: Options) -> Self {
        let (room, metrics) = (Room::new(options.limits.body_bytes), Metrics::new(&store));
        Self { store, options, room, metrics }
    }

    pub const fn limits(&self) -> &Limits {
        &self.options.limits
    }

    /// The answer to a request, whatever it is.
    pub async fn answer(&self, request: Request<Incoming>, door: &Arc<Door>) -> Response<Full<Bytes>> {
        let accepts_gzip = accepts_gzip(request.headers());
        let (parts, body) = request.into_parts();
        let answer = match (&parts.method, parts.uri.path()) {
            (&Method::GET | &Method::HEAD, "/" | "/ping" | "/healthz") => self.health(),
            (&Method::GET, "/metrics") => self.metrics(door),
            (&Method::POST, "/") => match content_type(&parts.headers) {
                Some(content_type) => self.call(&parts, body, content_type, door).await,
                None => unread(body, &parts, Answer::no_call()).await,
            },
            _ => unread(body, &parts, Answer::no_call()).await,
        };
        answer.into_response(&api::request_id(self.store.clock()), accepts_gzip)
    }

    fn health(&self) -> Answer {
        let text = format!("healthy: dynamodb.{}.amazonaws.com ", self.options.region);
        Answer::new(200, "text/plain", text.into_bytes())
    }

    fn metrics(&self, door: &Door) -> Answer {
        match self.metrics.page(door.connections(), self.room.taken()) {
            Ok(page) => Answer::new(200, metrics::CONTENT_TYPE, page.into_bytes()),
            Err(error) => Answer::error(&Error::InternalServerError(error.to_string()), JSON),
        }
    }

    /// A call of DynamoDB's protocol.
    async fn call(&self, parts: &Parts, body: Incoming, content_type: &'static str, door: &Arc<Door>) -> Answer {
        let begun = Begun::now();
        let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(Operation::of_target);
        let ended = match operation {
            Some(operation) => self.operate(operation, parts, body, door).await,
            // Without words, as AWS has it.
            None => refused(body, parts, Error::UnknownOperation(String::new())).await,
        };
        let (answer, code, change_records) = match ended {
            Ok((body, change_records)) => (Answer::new(200, content_type, body), "", change_records),
            Err(error) => (Answer::error(&error, content_type), error.shape().code, 0),
        };
        let name = operation.map_or(NO_OPERATION, Operation::name);
        self.metrics.ended(&begun, name, answer.status, code, change_records);
        answer
    }

    async fn operate(&self, operation: Operation, parts: &Parts, body: Incoming, door: &Arc<Door>) -> Ended {
        // Only browsers send one. A page that has its own name point to this machine could otherwise ask whatever it likes.
        if parts.headers.contains_key(ORIGIN) {
            return refused(body, parts, Error::AccessDenied("Web pages are not answered".to_owned())).await;
        }
        let found = signature::find(parts.uri.query(), &parts.headers);
        let signed = match found {
            Ok(None) if !self.options.allow_unsigned => Err(Error::MissingAuthenticationToken),
            found => found,
        };
        let signed = match signed {
            Ok(signed) => signed,
            Err(error) => return refused(body, parts, error).await,
        };
        let held = body::read(body, &parts.headers, &self.room, self.options.limits.body).await?;
        if let (Some(credentials), Some(signed)) = (&self.options.credentials, &signed) {
            let asked = Asked {
                method: parts.method.as_str(),
                path: parts.uri.path(),
                query: parts.uri.query(),
                headers: &parts.headers,
            };
            credentials.verify(signed, &asked, &held.bytes, Clock::system_now().seconds())?;
        }
        let held = body::decoded(&parts.headers, held, &self.room)?;
        let region = signed.map_or_else(|| self.options.region.clone(), |signed| signed.region);
        let realm = Realm { account: self.options.account.clone(), region };
        let (store, under_way) = (self.store.clone(), door.request());
        to_its_end(async move {
            let _under_way = under_way;
            let request = api::json::request(operation, &held.bytes)?;
            let _room = held.without_bytes();
            let response = api::dispatch(&store, &realm, request).await?;
            Ok((api::json::response(&response), response.change_records()))
        })
        .await
    }
}

/// Runs work as a task, which goes on when nobody waits for it any more. A panic is an error.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    match tokio::spawn(work).await {
        Ok(ended) => ended,
        Err(failed) if failed.is_panic() => Err(Error::InternalServerError("Internal server error".to_owned())),
        Err(_) => Err(Error::InternalServerError("The server stops".to_owned())),
    }
}

/// The answer's content type, if the request's is one of the protocol's.
fn content_type(headers: &HeaderMap) -> Option<&'static str> {
    let given = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let given = given.split(';').next().unwrap_or(given).trim();
    [JSON, PLAIN_JSON].into_iter().find(|known| given.eq_ignore_ascii_case(known))
}

/// An error that does not wait for the body: the body is read on, so that its client comes to read the answer, unless that client
/// waits for a word before it sends any.
async fn refused(body: Incoming, parts: &Parts, error: Error) -> Ended {
    if !body::is_expected(&parts.headers) {
        body::discard(body).await;
    }
    Err(error)
}

/// As `refused`, of what is no call.
async fn unread(body: Incoming, parts: &Parts, answer: Answer) -> Answer {
    if !body::is_expected(&parts.headers) {
        body::discard(body).await;
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_and_ends_nothing_else() {
        #[expect(clippy::panic, reason = "a panic is what is tested")]
        async fn fail() -> Result<(), Error> {
            std::panic::panic_any("on purpose")
        }
        let failed = to_its_end(fail()).await;
        assert_eq!(failed, Err(Error::InternalServerError("Internal server error".to_owned())));
        assert_eq!(to_its_end(async { Ok(1) }).await, Ok(1));
    }
}
