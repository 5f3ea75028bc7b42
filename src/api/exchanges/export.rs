//! Exports: the items of a table, as it was at a moment, written to objects in the layout that AWS documents. Record and steps.
//!
//! A step reads some items and adds them to a data file as one member of gzip, so a file may be left between any two steps. A
//! file that is large enough is closed: its checksum goes into the manifest of files. The manifests come last, so who finds a
//! summary finds all it speaks of. Source: Amazon DynamoDB Developer Guide, "DynamoDB table export output format".

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::filter::{Filter, FilterSpecification};
use super::import::Status;
use super::name::{self, Kind};
use super::past::{self, Page};
use super::{Course, Failure, Record, Stepped, key_below};
use crate::api::json;
use crate::bucket::{Bucket, BucketError};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::store::{AsOf, Exchange, KeySchema, Store};

/// Bytes of a data file after which another one is begun.
const FILE_BYTES: u64 = 8_000_000;

/// An export as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Export {
    pub course: Course,
    pub table: String,
    pub table_uuid: String,
    /// The moment, or the end of the time whose changes are exported.
    pub at_millis: i64,
    pub as_of: AsOf,
    pub incremental: Option<Incremental>,
    pub bucket: String,
    pub owner: Option<String>,
    pub prefix: Option<String>,
    pub sse_algorithm: Option<String>,
    pub sse_key: Option<String>,
    /// "DYNAMODB_JSON" or "ION".
    pub format: String,
    /// The FilterSpecification, in JSON: as a request has it.
    pub filter: Option<String>,
    pub key_schema: KeySchema,
    pub status: Status,
    pub place: Place,
    pub items: u64,
    pub bytes: u64,
}

/// Of an export of changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incremental {
    pub from_millis: i64,
    pub from: AsOf,
    /// "NEW_IMAGE" or "NEW_AND_OLD_IMAGES".
    pub view: String,
}

impl Incremental {
    pub fn shows_old(&self) -> bool {
        self.view != "NEW_IMAGE"
    }
}

/// How far an export has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub is_begun: bool,
    /// Where reading goes on.
    pub cursor: Option<Vec<u8>>,
    pub is_read: bool,
    /// The data file that is being written, by its number, and how much lies in it.
    pub file: u32,
    pub file_bytes: u64,
    pub file_items: u64,
    /// Bytes of the manifest of files.
    pub manifest_bytes: u64,
}

impl Record for Export {
    const KIND: Kind = Kind::Export;

    fn conflict(token: &str) -> Error {
        Error::ExportConflict(format!(
            "There was a conflict when writing to the specified S3 bucket: the client token {token} is already in use with \
             different parameters"
        ))
    }

    fn course(&self) -> &Course {
        &self.course
    }
}

impl Export {
    /// "FULL_EXPORT" or "INCREMENTAL_EXPORT".
    pub const fn kind(&self) -> &'static str {
        if self.incremental.is_some() { "INCREMENTAL_EXPORT" } else { "FULL_EXPORT" }
    }

    /// The key of something of the export.
    fn key(&self, exchange: &Exchange, name: &str) -> String {
        self.key_of(&format!("{}/{name}", exchange.id))
    }

    fn key_of(&self, name: &str) -> String {
        key_below(self.prefix.as_deref(), name)
    }

    pub fn specification(&self) -> Result<Option<FilterSpecification>, Error> {
        self.filter.as_ref().map(|text| json::decode(text.as_bytes())).transpose()
    }

    fn filter(&self) -> Result<Option<Filter>, Error> {
        self.specification()?.map(|specification| specification.parse(&self.key_schema)).transpose()
    }

    pub fn manifest(&self, exchange: &Exchange) -> String {
        self.key(exchange, "manifest-summary.json")
    }

    /// The data file that is being written. AWS's names say nothing either.
    fn data_file(&self, exchange: &Exchange) -> String {
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let hash = blake3::hash(format!("{}/{}", exchange.id, self.place.file).as_bytes());
        let letters = hash.as_bytes().iter().take(26).filter_map(|byte| LETTERS.get(usize::from(byte & 31)));
        let name: String = letters.map(|letter| char::from(*letter)).collect();
        let kind = if self.format == "ION" { "ion" } else { "json" };
        // Incremental exports share a folder, in which names are unique.
        let folder = if self.incremental.is_some() { "data".to_owned() } else { format!("{}/data", exchange.id) };
        self.key_of(&format!("{folder}/{name}.{kind}.gz"))
    }
}

/// One bounded step of an export.
pub async fn step(store: &Store, exchange: &Exchange) -> Result<Stepped, Error> {
    let Some(export) = store.exchange::<Export>(exchange).await? else { return Ok(Stepped::Ended) };
    if export.status != Status::InProgress {
        return Ok(Stepped::Ended);
    }
    if let Some(failure) = export.course.foreign(store) {
        return end(store, exchange, &export, Some(failure)).await;
    }
    let Some(buckets) = store.buckets() else { return Ok(Stepped::Elsewhere) };
    let bucket = match buckets.bucket(&export.bucket) {
        Ok(bucket) => bucket,
        Err(error) => return end(store, exchange, &export, Some(error.into())).await,
    };
    let mut next = export.clone();
    let written = if !export.place.is_begun {
        next.place.is_begun = true;
        bucket.write_from(&export.key(exchange, "_started"), 0, b"")
    } else if !export.place.is_read {
        let page = match export.filter() {
            Ok(filter) => past::page(store, &export, filter.as_ref()).await,
            Err(error) => Err(error),
        };
        let page = match page {
            Ok(page) => page,
            Err(error @ (Error::Storage(_) | Error::SchemaChanged)) => return Err(error),
            Err(error) => {
                let failure = Failure::new(error.shape().code, &error.to_string());
                return end(store, exchange, &export, Some(failure)).await;
            }
        };
        add(&bucket, exchange, &mut next, page)
    } else {
        return match write_manifests(store, &bucket, exchange, &export) {
            Ok(()) => end(store, exchange, &export, None).await,
            Err(error) => end(store, exchange, &export, Some(error.into())).await,
        };
    };
    if let Err(error) = written {
        return end(store, exchange, &export, Some(error.into())).await;
    }
    let (export, next) = (&export, &next);
    let moved = store
        .exchange_step(|transaction| async move {
            if transaction.exchange::<Export>(exchange).await?.is_some_and(|found| found.place == export.place) {
                transaction.put_running_exchange(exchange, next)?;
            }
            Ok(())
        })
        .await?;
    Ok(if moved.is_some() { Stepped::On(None) } else { Stepped::Elsewhere })
}

/// Adds records to the data file, and closes it if it is large enough or the last.
fn add(bucket: &Bucket, exchange: &Exchange, export: &mut Export, page: Page) -> Result<(), BucketError> {
    export.items += page.items;
    export.bytes += page.bytes;
    export.place.is_read = page.next.is_none();
    export.place.cursor = page.next;
    let (text, items) = (page.text.as_str(), page.items);
    let key = export.data_file(exchange);
    // The last file is there even if it is empty, as for an empty partition on AWS.
    if !text.is_empty() || export.place.is_read && export.place.file_bytes == 0 {
        let member = gzip(text).map_err(|error| BucketError::Io { key: key.clone(), error })?;
        bucket.write_from(&key, export.place.file_bytes, &member)?;
        export.place.file_bytes += member.len() as u64;
        export.place.file_items += items;
    }
    if export.place.is_read || export.place.file_bytes >= FILE_BYTES {
        let digest = Md5::digest(bucket.bytes(&key)?);
        let line = json!({
            "itemCount": export.place.file_items,
            "md5Checksum": STANDARD.encode(digest),
            // Of an object that was uploaded in one part.
            "etag": format!("{}-1", hexadecimal(&Md5::digest(digest))),
            "dataFileS3Key": key,
        });
        let line = format!("{line}\n");
        let manifest = export.key(exchange, "manifest-files.json");
        bucket.write_from(&manifest, export.place.manifest_bytes, line.as_bytes())?;
        export.place.manifest_bytes += line.len() as u64;
        export.place.file += 1;
        export.place.file_bytes = 0;
        export.place.file_items = 0;
    }
    Ok(())
}

fn gzip(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

fn write_manifests(store: &Store, bucket: &Bucket, exchange: &Exchange, export: &Export) -> Result<(), BucketError> {
    let (realm, time) = (&exchange.realm, |millis: i64| format!("{}Z", Timestamp(millis).to_iso_millis()));
    let files = export.key(exchange, "manifest-files.json");
    let mut summary = json!({
        "version": "2020-06-30",
        "exportArn": name::arn(exchange, &exchange.table),
        "startTime": time(export.course.started_millis),
        "endTime": time(store.clock().now().millis()),
        "tableArn": realm.table_arn(&export.table),
        "tableId": export.table_uuid,
        "s3Bucket": export.bucket,
        "s3Prefix": export.prefix,
        "s3SseAlgorithm": export.sse_algorithm,
        "s3SseKmsKeyId": export.sse_key,
        "manifestFilesS3Key": files,
        "billedSizeBytes": export.bytes,
        "itemCount": export.items,
        "outputFormat": export.format,
        "exportType": export.kind(),
    });
    if let Some(members) = summary.as_object_mut() {
        match &export.incremental {
            None => drop(members.insert("exportTime".to_owned(), time(export.at_millis).into())),
            Some(incremental) => {
                members.insert("version".to_owned(), "2023-08-01".into());
                members.insert("exportFromTime".to_owned(), time(incremental.from_millis).into());
                members.insert("exportToTime".to_owned(), time(export.at_millis).into());
                members.insert("outputView".to_owned(), incremental.view.clone().into());
            }
        }
    }
    let checksum = |bytes: &[u8]| STANDARD.encode(Md5::digest(bytes));
    let listed = checksum(&bucket.bytes(&files)?);
    bucket.write_from(&export.key(exchange, "manifest-files.md5"), 0, listed.as_bytes())?;
    let summary = summary.to_string();
    bucket.write_from(&export.key(exchange, "manifest-summary.md5"), 0, checksum(summary.as_bytes()).as_bytes())?;
    bucket.write_from(&export.manifest(exchange), 0, summary.as_bytes())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ends an export, if it is where it was found.
async fn end(store: &Store, exchange: &Exchange, export: &Export, failure: Option<Failure>) -> Result<Stepped, Error> {
    let mut ended = export.clone();
    ended.course.ended_millis = Some(store.clock().now().millis());
    ended.status = if failure.is_some() { Status::Failed } else { Status::Completed };
    ended.course.failure = failure;
    let ended = &ended;
    let done = store
        .exchange_step(|transaction| async move {
            let found = transaction.exchange::<Export>(exchange).await?;
            if found.is_some_and(|found| found.status == Status::InProgress && found.place == export.place) {
                transaction.put_ended_exchange(exchange, ended)?;
            }
            Ok(())
        })
        .await?;
    Ok(if done.is_some() { Stepped::Ended } else { Stepped::Elsewhere })
}
