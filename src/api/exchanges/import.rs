//! Imports: a table made of the objects under a prefix. Its record, and its steps.
//!
//! The table is made by the request, hidden as long as it is filled. What cannot be an item of it is counted, told in a log, and
//! passed over; if there was such a thing, the import has failed in the end, and the rest is there all the same. If nothing
//! could be read at all, the table is taken back. Source: Amazon DynamoDB Developer Guide, "Import format quotas and validation".

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::input::{Csv, Format, Next, Place, Reading};
use super::name::{self, Kind};
use super::{BucketSource, Course, Failure, Record, Stepped, compression, ion};
use crate::api::json;
use crate::api::keys;
use crate::api::single_write::{ITEM_TOO_LARGE, check_item_size};
use crate::api::wire::Attributes;
use crate::error::Error;
use crate::item::{AttributeValue, Item, Number};
use crate::store::{Actor, Change, Exchange, Key, KeyKind, Store, Table};

/// Records that one step reads.
const RECORDS: usize = 100;
/// Bytes of items after which a step reads no more: their rows and index entries stay far below what a transaction may write.
const BYTES: usize = 1_000_000;

/// An import as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Import {
    pub course: Course,
    pub table_uuid: String,
    pub source: BucketSource,
    /// "CSV", "DYNAMODB_JSON" or "ION".
    pub format: String,
    pub options: Option<FormatOptions>,
    pub compression: String,
    /// The table as it was asked for.
    pub parameters: serde_json::Value,
    pub status: Status,
    pub place: Place,
    /// Bytes of the log.
    pub log_bytes: u64,
    pub errors: u64,
    pub processed_bytes: u64,
    pub processed_items: u64,
    pub imported_items: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    InProgress,
    Completed,
    Failed,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct FormatOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvOptions>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CsvOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_list: Option<Vec<String>>,
}

impl Record for Import {
    const KIND: Kind = Kind::Import;

    fn conflict(token: &str) -> Error {
        Error::ImportConflict(format!(
            "There was a conflict when importing from the specified S3 source: the client token {token} is already in use \
             with different parameters"
        ))
    }

    fn course(&self) -> &Course {
        &self.course
    }
}

impl Import {
    fn input_format(&self) -> Format {
        let options = self.options.as_ref().and_then(|options| options.csv.as_ref());
        let csv = (self.format == "CSV").then(|| Csv {
            delimiter: options
                .and_then(|options| options.delimiter.as_ref())
                .and_then(|delimiter| delimiter.bytes().next())
                .unwrap_or(b','),
            headers: options.and_then(|options| options.header_list.clone()),
        });
        Format { compression: compression(Some(&self.compression)), csv }
    }
}

/// What a step is to write.
#[derive(Default)]
struct Batch {
    items: Vec<(Key, Item)>,
    log: Vec<u8>,
    is_end: bool,
}

/// One bounded step of an import.
pub async fn step(store: &Store, exchange: &Exchange, reading: Option<Box<Reading>>) -> Result<Stepped, Error> {
    let Some(import) = store.exchange::<Import>(exchange).await? else { return Ok(Stepped::Ended) };
    if import.status != Status::InProgress {
        return Ok(Stepped::Ended);
    }
    let table = store.current_table(&exchange.realm, &exchange.table).await;
    let table = match table {
        Ok(table) if table.uuid == import.table_uuid => table,
        Ok(_) | Err(Error::ResourceNotFound(_)) => {
            let failure = Failure::new("TableNotFound", "The table of the import is gone.");
            return end(store, exchange, (&import, &import.place), None, Some(failure)).await;
        }
        Err(error) => return Err(error),
    };
    if let Some(failure) = import.course.foreign(store) {
        return end(store, exchange, (&import, &import.place), Some(&table), Some(failure)).await;
    }
    let Some(buckets) = store.buckets() else { return Ok(Stepped::Elsewhere) };
    let reading = match reading {
        Some(reading) if *reading.place() == import.place => Ok(reading),
        _ => buckets.bucket(import.source.bucket()).and_then(|bucket| {
            Reading::open(bucket, import.source.prefix(), import.input_format(), import.place.clone()).map(Box::new)
        }),
    };
    let mut reading = match reading {
        Ok(reading) if reading.is_empty() => {
            let message = "There is no object with the specified key prefix (Service: Amazon S3; Status Code: 404; Error \
                           Code: NoSuchKey)";
            return end(
                store,
                exchange,
                (&import, &import.place),
                Some(&table),
                Some(Failure::new("S3NoSuchKey", message)),
            )
            .await;
        }
        Ok(reading) => reading,
        Err(error) => return end(store, exchange, (&import, &import.place), Some(&table), Some(error.into())).await,
    };
    let mut next = import.clone();
    let batch = match gather(&mut reading, exchange, &table, &mut next) {
        Ok(batch) => batch,
        Err(error) => return end(store, exchange, (&import, &import.place), Some(&table), Some(error.into())).await,
    };
    if !batch.log.is_empty() {
        let log = format!("aws-dynamodb/imports/{}/error", exchange.id);
        if let Err(error) = buckets.logs().write_from(&log, import.log_bytes, &batch.log) {
            return end(store, exchange, (&import, &import.place), Some(&table), Some(error.into())).await;
        }
        next.log_bytes += batch.log.len() as u64;
    }
    next.place = reading.place().clone();
    if batch.items.is_empty() && batch.is_end {
        let failure = (next.errors > 0).then(|| {
            let message = "Some of the items failed validation checks and were not imported. Please check CloudWatch error \
                           logs for more details.";
            Failure::new("ItemValidationError", message)
        });
        return end(store, exchange, (&next, &import.place), Some(&table), failure).await;
    }
    let (keys, items): (Vec<Key>, Vec<Item>) = batch.items.into_iter().unzip();
    let (table, keys, items, import, next) = (&*table, &keys, &items, &import, &next);
    let written = store
        .exchange_step(|transaction| async move {
            // Whoever was faster has moved it.
            if transaction.exchange::<Import>(exchange).await?.is_none_or(|found| found.place != import.place) {
                return Ok(false);
            }
            for (row, item) in transaction.rows(table, keys).await?.into_iter().zip(items) {
                transaction.write(table, row, Change::Put(item.clone()), Actor::User)?;
            }
            transaction.put_running_exchange(exchange, next)?;
            Ok(true)
        })
        .await?;
    Ok(match written {
        None => Stepped::Elsewhere,
        Some(true) => Stepped::On(Some(reading)),
        Some(false) => Stepped::On(None),
    })
}

/// Reads what one step writes, and counts it in `import`.
fn gather(
    reading: &mut Reading,
    exchange: &Exchange,
    table: &Table,
    import: &mut Import,
) -> Result<Batch, crate::bucket::BucketError> {
    let (mut batch, mut bytes) = (Batch::default(), 0);
    for _ in 0..RECORDS {
        if bytes >= BYTES {
            break;
        }
        let next = reading.next()?;
        let place = reading.place();
        let item = match next {
            Next::End => {
                batch.is_end = true;
                break;
            }
            Next::EndOfObject { bytes, broken } => {
                import.processed_bytes += bytes;
                let Some(broken) = broken else { continue };
                import.errors += 1;
                log(&mut batch.log, exchange, import, place, place.records, &broken);
                continue;
            }
            Next::NoRecord(message) => Err(Error::Validation(message)),
            Next::Line(line) if import.format == "ION" => ion_item(&line),
            Next::Line(line) => json_item(&line),
            Next::Row(row) => csv_item(table, row),
        };
        import.processed_items += 1;
        match item.and_then(|item| Ok((check(table, &item)?, item))) {
            Ok((key, item)) => {
                import.imported_items += 1;
                bytes += item.size();
                // The last of the same key is the one that stays.
                batch.items.retain(|(other, _)| *other != key);
                batch.items.push((key, item));
            }
            Err(error) => {
                import.errors += 1;
                log(&mut batch.log, exchange, import, place, place.records.saturating_sub(1), &error.to_string());
            }
        }
    }
    Ok(batch)
}

/// What PutItem checks of an item.
fn check(table: &Table, item: &Item) -> Result<Key, Error> {
    check_item_size(item, ITEM_TOO_LARGE)?;
    keys::from_item(table, item)
}

/// A line of DynamoDB JSON.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Line {
    item: Option<Attributes>,
}

fn json_item(line: &[u8]) -> Result<Item, Error> {
    let line: Line = json::decode(line)?;
    let item = line.item.ok_or_else(|| Error::validation("The record has no Item"))?;
    Ok(item.item()?.clone())
}

fn ion_item(line: &[u8]) -> Result<Item, Error> {
    let mut item = None;
    for (name, value) in ion::read::record(line)? {
        match name.as_str() {
            "Item" if item.is_none() => item = value.into_item(),
            _ => return Err(Error::Validation(format!("The record has an unknown member {name}"))),
        }
    }
    let item = item.ok_or_else(|| Error::validation("The record has no Item"))?;
    item.iter().try_for_each(|(name, _)| crate::item::check_name(name))?;
    Ok(item)
}

/// All is text in CSV but what keys need as something else.
fn csv_item(table: &Table, row: Vec<(String, String)>) -> Result<Item, Error> {
    let mut item = Item::default();
    for (name, text) in row {
        let kind = table.attribute_definitions.iter().find(|attribute| attribute.name == name);
        let value = match kind.map(|attribute| attribute.kind) {
            None | Some(KeyKind::S) => AttributeValue::S(text),
            Some(KeyKind::N) => AttributeValue::N(Number::parse(text.trim())?),
            Some(KeyKind::B) => {
                let bytes = STANDARD.decode(text.trim());
                AttributeValue::B(bytes.map_err(|error| Error::Validation(format!("{name} is no base64: {error}")))?)
            }
        };
        crate::item::check_name(&name)?;
        item.insert(name.as_str().into(), value);
    }
    Ok(item)
}

/// Adds a line to the log, of the form that AWS's have.
fn log(log: &mut Vec<u8>, exchange: &Exchange, import: &Import, place: &Place, index: u64, message: &str) {
    let line = json!({
        "itemS3Pointer": { "bucket": import.source.bucket(), "key": place.object, "itemIndex": index },
        "importArn": name::arn(exchange, &exchange.table),
        "errorMessages": [message],
    });
    log.extend_from_slice(line.to_string().as_bytes());
    log.push(b'\n');
}

/// Ends an import whose record is `at` this place, and shows its table, or takes it back if nothing was read.
async fn end(
    store: &Store,
    exchange: &Exchange,
    (import, at): (&Import, &Place),
    table: Option<&Table>,
    failure: Option<Failure>,
) -> Result<Stepped, Error> {
    let mut ended = import.clone();
    ended.course.ended_millis = Some(store.clock().now().millis());
    ended.status = if failure.is_some() { Status::Failed } else { Status::Completed };
    let is_begun = import.place.object.is_some();
    ended.course.failure = failure;
    let ended = &ended;
    let done = store
        .exchange_step(|transaction| async move {
            let found = transaction.exchange::<Import>(exchange).await?;
            if found.is_some_and(|found| found.status == Status::InProgress && found.place == *at) {
                match table {
                    Some(table) if is_begun => transaction.open_imported_table(table).await?,
                    Some(table) => transaction.drop_imported_table(table).await?,
                    None => {}
                }
                transaction.put_ended_exchange(exchange, ended)?;
            }
            Ok(())
        })
        .await?;
    store.forget_table(&exchange.realm, &exchange.table);
    Ok(if done.is_some() { Stepped::Ended } else { Stepped::Elsewhere })
}
