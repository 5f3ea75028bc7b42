//! Imports, exports and bulk operations: begun by a request, done step by step on a thread of their own, told of by others.
//!
//! What one reads or writes lies in folders that stand for S3's buckets (`bucket`). A step does a bounded part and moves the
//! exchange's record in the same transaction, so any process can go on after any step. What a step writes to files it writes from
//! the place on that the record names, before that transaction: a step done twice leaves the same files.

pub mod bulk;
pub mod export;
mod filter;
pub mod import;
mod input;
mod ion;
mod name;
mod past;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;

pub use filter::FilterSpecification;
pub use input::Place;
pub use name::{Kind, arn, constrain_arn, parse_arn};
use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::sealed;
use crate::bucket::{BucketError, Buckets, Compression, is_key};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::store::{Exchange, ExchangeOwner, Left, Realm, Store, Transaction, Work};

/// How long a client token stands for its first request once that is done. Source: AWS's documentation of ImportTable.
const TOKEN_MILLIS: i64 = 8 * 60 * 60 * 1000;
/// Exchanges of a kind that an account may have under way. Source: AWS's quotas of imports and bulk operations.
const MOST_AT_ONCE: usize = 50;
/// Bytes that a record may take, within what one value can.
const MOST_BYTES: usize = 90_000;

/// Why an exchange has failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: String,
    pub message: String,
}

impl Failure {
    pub fn new(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: message.to_owned() }
    }
}

impl From<BucketError> for Failure {
    fn from(error: BucketError) -> Self {
        Self::new(error.code(), &error.to_string())
    }
}

/// What every exchange's record says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Course {
    pub owner: ExchangeOwner,
    pub token: Option<String>,
    pub started_millis: i64,
    pub ended_millis: Option<i64>,
    pub failure: Option<Failure>,
}

impl Course {
    pub fn begin(store: &Store, token: Option<&str>) -> Self {
        Self {
            owner: store.exchange_owner(),
            token: token.map(str::to_owned),
            started_millis: store.clock().now().millis(),
            ended_millis: None,
            failure: None,
        }
    }

    /// Whether its token still stands for it.
    fn holds_token(&self, now: Timestamp) -> bool {
        self.ended_millis.is_none_or(|ended| now.millis().saturating_sub(ended) < TOKEN_MILLIS)
    }

    /// A twin or a copy of the database finds what the other one goes on with; it would write over the same files.
    pub fn foreign(&self, store: &Store) -> Option<Failure> {
        (!store.is_owner(&self.owner)).then(|| {
            let message = "It was begun in the database that this one is a twin or a copy of, which goes on with it.";
            Failure::new("InternalServerError", message)
        })
    }
}

/// What a client token left: what was asked for, and what came of it.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    digest: [u8; 32],
    table: String,
    id: String,
}

/// What a kind of record has in common with the others.
pub trait Record: Serialize + serde::de::DeserializeOwned + Clone + Send + Sync {
    const KIND: Kind;
    /// What its kind says of a token that was used for another request.
    fn conflict(token: &str) -> Error;
    fn course(&self) -> &Course;
}

/// The record that an earlier request with this token left, if the token still stands for it.
pub async fn repeated<R: Record>(
    transaction: &Transaction,
    realm: &Realm,
    token: Option<&str>,
    digest: &[u8; 32],
) -> Result<Option<(Exchange, R)>, Error> {
    let Some(token) = token else { return Ok(None) };
    let Some(begun) = transaction.exchange_token::<Begun>(realm, R::KIND.name(), token).await? else {
        return Ok(None);
    };
    let exchange = R::KIND.exchange(realm, &begun.table, &begun.id);
    let Some(record) = transaction.exchange::<R>(&exchange).await? else { return Ok(None) };
    if !record.course().holds_token(transaction.now()) {
        return Ok(None);
    }
    if begun.digest == *digest { Ok(Some((exchange, record))) } else { Err(R::conflict(token)) }
}

/// Writes the record of an exchange that begins, and what its token stands for.
pub fn begin<R: Record>(
    transaction: &Transaction,
    exchange: &Exchange,
    record: &R,
    digest: &[u8; 32],
) -> Result<(), Error> {
    let size = serde_json::to_vec(record).map_err(|error| Error::InternalServerError(error.to_string()))?.len();
    if size > MOST_BYTES {
        return Err(Error::Validation(format!(
            "The parameters of the request take {size} bytes: fdyno keeps no more than {MOST_BYTES} of them"
        )));
    }
    transaction.put_running_exchange(exchange, record)?;
    if let Some(token) = &record.course().token {
        let begun = Begun { digest: *digest, table: exchange.table.clone(), id: exchange.id.clone() };
        transaction.put_exchange_token(&exchange.realm, R::KIND.name(), token, &begun)?;
    }
    Ok(())
}

/// Refuses one more than there may be at once.
pub async fn check_quota(store: &Store, realm: &Realm, kind: Kind) -> Result<(), Error> {
    let running = store.running_exchanges().await?;
    let of_kind = running.iter().filter(|exchange| exchange.realm == *realm && exchange.kind == kind.name());
    if of_kind.count() >= MOST_AT_ONCE {
        return Err(Error::LimitExceeded(format!(
            "Subscriber limit exceeded: There is a limit of {MOST_AT_ONCE} concurrent {} operations",
            kind.name()
        )));
    }
    Ok(())
}

/// The folder of buckets, without which nothing can be exchanged.
pub fn buckets(store: &Store) -> Result<&Buckets, Error> {
    store.buckets().ok_or_else(|| {
        Error::validation(
            "fdyno was given no folder that stands for S3: connect(buckets=…), fdyno serve --buckets or FDYNO_BUCKETS names \
             one",
        )
    })
}

/// Has the thread go on that does the steps.
pub fn keep_working(store: &Store) -> Result<(), Error> {
    if store.buckets().is_some() { store.keep_working(|| Box::new(Exchanges::default())) } else { Ok(()) }
}

/// Has the thread begin if exchanges were left unfinished: for whoever opens a database.
pub async fn go_on(store: &Store) -> Result<(), Error> {
    if store.buckets().is_some() && !store.running_exchanges().await?.is_empty() {
        keep_working(store)?;
    }
    Ok(())
}

/// The steps of all exchanges, by turns.
#[derive(Default)]
struct Exchanges {
    /// Objects that are being read, of those that have gone on since.
    readings: HashMap<Exchange, Box<input::Reading>>,
}

impl Work for Exchanges {
    fn step<'a>(&'a mut self, store: &'a Store) -> Pin<Box<dyn Future<Output = Result<Left, Error>> + Send + 'a>> {
        Box::pin(async move {
            let running = store.running_exchanges().await?;
            self.readings.retain(|exchange, _| running.contains(exchange));
            if running.is_empty() {
                return Ok(Left::Nothing);
            }
            let (mut any, mut failed) = (false, None);
            for exchange in &running {
                let reading = self.readings.remove(exchange);
                let stepped = match Kind::parse(&exchange.kind) {
                    Some(Kind::BulkPut) => bulk::step(store, exchange, reading).await,
                    Some(Kind::Export) => export::step(store, exchange).await,
                    Some(Kind::Import) => import::step(store, exchange, reading).await,
                    None => Ok(Stepped::Elsewhere),
                };
                match stepped {
                    Ok(Stepped::Elsewhere) => {}
                    Ok(Stepped::Ended) => any = true,
                    Ok(Stepped::On(reading)) => {
                        any = true;
                        if let Some(reading) = reading {
                            self.readings.insert(exchange.clone(), reading);
                        }
                    }
                    // Begun anew with the new definition.
                    Err(Error::SchemaChanged) => any = true,
                    // Others may get on.
                    Err(error) => failed = Some(error),
                }
            }
            match failed {
                Some(error) if !any => Err(error),
                _ => Ok(if any { Left::More } else { Left::Later }),
            }
        })
    }
}

/// What a step of one exchange came to.
pub enum Stepped {
    /// More is to be done, with what is being read.
    On(Option<Box<input::Reading>>),
    Ended,
    /// Another process is at it.
    Elsewhere,
}

/// Where objects lie, as requests and answers say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct BucketSource {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_bucket_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_bucket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_key_prefix: Option<String>,
}

impl BucketSource {
    pub fn check(&self, constraints: &mut Constraints, path: &str) {
        check_owner(constraints, &format!("{path}.s3BucketOwner"), self.s3_bucket_owner.as_deref());
        check_bucket(constraints, &format!("{path}.s3Bucket"), &self.s3_bucket);
        check_prefix(constraints, &format!("{path}.s3KeyPrefix"), self.s3_key_prefix.as_deref());
    }

    pub fn bucket(&self) -> &str {
        self.s3_bucket.as_deref().unwrap_or_default()
    }

    pub fn prefix(&self) -> &str {
        self.s3_key_prefix.as_deref().unwrap_or_default()
    }
}

pub fn check_token(constraints: &mut Constraints, token: Option<&str>) {
    if let Some(token) = token {
        constraints.pattern("clientToken", token, !token.is_empty() && !token.contains('$'), "^[^\\$]+$");
    }
}

pub fn check_owner(constraints: &mut Constraints, path: &str, owner: Option<&str>) {
    if let Some(owner) = owner {
        let holds = owner.len() == 12 && owner.bytes().all(|byte| byte.is_ascii_digit());
        constraints.pattern(path, owner, holds, "[0-9]{12}");
    }
}

pub fn check_bucket<'v>(constraints: &mut Constraints, path: &str, bucket: &'v Option<String>) -> Option<&'v String> {
    let bucket = constraints.required(path, bucket)?;
    let is_outer = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let inner = bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let holds = bucket.len() > 1 && inner && is_outer(bucket.bytes().next()) && is_outer(bucket.bytes().last());
    constraints.pattern(path, bucket, holds, "^[a-z0-9A-Z]+[\\.\\-\\w]*[a-z0-9A-Z]+$");
    constraints.length(path, bucket, 0, 255);
    Some(bucket)
}

pub fn check_prefix(constraints: &mut Constraints, path: &str, prefix: Option<&str>) {
    if let Some(prefix) = prefix {
        constraints.length(path, prefix, 0, 1024);
    }
}

/// Refuses a prefix under which nothing can be written: S3 has more keys than there are paths.
pub fn check_writable(prefix: Option<&str>) -> Result<(), Error> {
    match prefix.map(|prefix| prefix.trim_end_matches('/')) {
        None | Some("") => Ok(()),
        Some(prefix) if is_key(prefix) && !prefix.split('/').any(|name| name.starts_with('.')) => Ok(()),
        Some(prefix) => Err(Error::Validation(format!(
            "One or more parameter values were invalid: fdyno writes below its folder of buckets only, and {prefix} is no \
             path there"
        ))),
    }
}

/// The key of something that is written below a prefix.
fn key_below(prefix: Option<&str>, name: &str) -> String {
    match prefix.map(|prefix| prefix.trim_end_matches('/')) {
        None | Some("") => format!("AWSDynamoDB/{name}"),
        Some(prefix) => format!("{prefix}/AWSDynamoDB/{name}"),
    }
}

pub fn compression(text: Option<&str>) -> Compression {
    match text {
        Some("GZIP") => Compression::Gzip,
        Some("ZSTD") => Compression::Zstd,
        _ => Compression::None,
    }
}

/// A page of records, from the last to the first, as a request asks for it.
pub struct Asked<'a> {
    pub table: Option<&'a str>,
    pub next_token: Option<&'a str>,
    pub limit: Option<i64>,
}

/// Most records of a page, and how many there are unless a request says so. Source: botocore's model and its documentation.
const MOST_LISTED: i64 = 25;

impl Asked<'_> {
    pub fn check(&self, constraints: &mut Constraints, limit_path: &str) {
        constraints.range(limit_path, self.limit, 1, MOST_LISTED);
    }

    /// The records, and the token of the next page.
    pub async fn page<R: Record>(
        &self,
        store: &Store,
        realm: &Realm,
    ) -> Result<(Vec<(Exchange, R)>, Option<String>), Error> {
        let (purpose, id) = (R::KIND.token_purpose(), store.id());
        let place = match self.next_token {
            None => None,
            Some(token) => {
                let content =
                    sealed::open_digits(token, purpose, &id).and_then(|content| String::from_utf8(content).ok());
                let place =
                    content.and_then(|text| text.split_once('/').map(|(table, id)| (table.to_owned(), id.to_owned())));
                Some(place.ok_or_else(|| Error::validation("Invalid NextToken"))?)
            }
        };
        let before = place.as_ref().map(|(table, id)| (table.as_str(), id.as_str()));
        let limit = usize::try_from(self.limit.unwrap_or(MOST_LISTED)).unwrap_or_default();
        let (found, more) = store.list_exchanges(realm, R::KIND.name(), self.table, before, limit).await?;
        let last = found.last().filter(|_| more);
        let token = last.map(|(exchange, _): &(Exchange, R)| {
            let place = format!("{}/{}", exchange.table, exchange.id);
            sealed::seal_in_digits(place.as_bytes(), purpose, &id)
        });
        Ok((found, token))
    }
}
