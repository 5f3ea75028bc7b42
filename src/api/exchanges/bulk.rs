//! Bulk operations: items of the objects under a prefix put into a table that is there. Record and steps.
//!
//! A record may name a condition, as PutItem does, which is judged in the transaction that writes the item; the records of one
//! step are of different keys, so that each sees what those before it wrote. What was not written is reported below the output
//! prefix, if that kind of report was asked for. Source of statuses and counts: AWS's documentation of DescribeBulkOperation. The
//! layout of the reports and the members of a record beside Item are fdyno's reading of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::input::{Format, Next, Place, Reading};
use super::name::{self, Kind};
use super::{BucketSource, Course, Failure, Record, Stepped, compression, ion, key_below};
use crate::api::expressions::Texts;
use crate::api::json;
use crate::api::keys;
use crate::api::single_write::{ITEM_TOO_LARGE, check_item_size};
use crate::api::wire::Attributes;
use crate::bucket::{Bucket, BucketError};
use crate::error::Error;
use crate::expression::Condition;
use crate::item::{AttributeValue, Item};
use crate::store::{Actor, Change, Exchange, Key, Store, Table, Written};

/// Records that one step reads, and bytes of items after which it reads no more.
const RECORDS: usize = 100;
const BYTES: usize = 1_000_000;

/// A bulk operation as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BulkPut {
    pub course: Course,
    /// As the request named it.
    pub given_table: String,
    pub table: String,
    pub table_uuid: String,
    pub input: InputConfiguration,
    pub output: OutputConfiguration,
    pub max_write_request_units: Option<i64>,
    pub performance_tier: String,
    pub status: Status,
    pub place: Place,
    pub total_bytes: Option<u64>,
    pub processed_bytes: u64,
    pub processed: u64,
    pub failed: u64,
    /// Bytes of the reports.
    pub error_bytes: u64,
    pub condition_bytes: u64,
    /// Bytes written to the table, and to indexes by their names.
    pub table_usage: u64,
    pub index_usage: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    InProgress,
    Completed,
    CompletedWithErrors,
    Cancelling,
    Cancelled,
    Failed,
}

impl Status {
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::InProgress | Self::Cancelling)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct InputConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_bucket_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_bucket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_key_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_compression_type: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct OutputConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_bucket_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_bucket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_key_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_sse_algorithm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_sse_kms_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_type: Option<Vec<String>>,
}

impl BulkPut {
    fn is_ion(&self) -> bool {
        self.input.input_format.as_deref() == Some("ION")
    }
}

impl InputConfiguration {
    pub fn source(&self) -> BucketSource {
        BucketSource {
            s3_bucket_owner: self.s3_bucket_owner.clone(),
            s3_bucket: self.s3_bucket.clone(),
            s3_key_prefix: self.s3_key_prefix.clone(),
        }
    }
}

impl OutputConfiguration {
    pub fn source(&self) -> BucketSource {
        BucketSource {
            s3_bucket_owner: self.s3_bucket_owner.clone(),
            s3_bucket: self.s3_bucket.clone(),
            s3_key_prefix: self.s3_key_prefix.clone(),
        }
    }

    fn reports(&self, kind: &str) -> bool {
        self.output_type.iter().flatten().any(|asked| asked == kind)
    }

    /// Where a report of an operation lies.
    fn key(&self, exchange: &Exchange, name: &str) -> String {
        key_below(self.s3_key_prefix.as_deref(), &format!("{}/{name}", exchange.id))
    }
}

impl Record for BulkPut {
    const KIND: Kind = Kind::BulkPut;

    fn conflict(_: &str) -> Error {
        Error::IdempotentParameterMismatch
    }

    fn course(&self) -> &Course {
        &self.course
    }
}

/// A record of an object.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Line {
    item: Option<Attributes>,
    condition_expression: Option<String>,
    expression_attribute_names: Option<BTreeMap<String, String>>,
    expression_attribute_values: Option<Attributes>,
}

impl Line {
    fn of_ion(line: &[u8]) -> Result<Self, Error> {
        let mut found = Self {
            item: None,
            condition_expression: None,
            expression_attribute_names: None,
            expression_attribute_values: None,
        };
        for (name, value) in ion::read::record(line)? {
            let wrong = || Error::Validation(format!("The record\'s member {name} is not what it should be"));
            match name.as_str() {
                "Item" => found.item = Some(value.into_item().ok_or_else(wrong)?.into()),
                "ExpressionAttributeValues" => {
                    found.expression_attribute_values = Some(value.into_item().ok_or_else(wrong)?.into());
                }
                "ConditionExpression" => {
                    let AttributeValue::S(text) = value.into_attribute() else { return Err(wrong()) };
                    found.condition_expression = Some(text);
                }
                "ExpressionAttributeNames" => {
                    let names = value.into_item().ok_or_else(wrong)?;
                    let texts = names.iter().map(|(name, value)| match value {
                        AttributeValue::S(text) => Ok((name.to_string(), text.clone())),
                        _ => Err(wrong()),
                    });
                    found.expression_attribute_names = Some(texts.collect::<Result<_, _>>()?);
                }
                _ => return Err(Error::Validation(format!("The record has an unknown member {name}"))),
            }
        }
        Ok(found)
    }
}

/// A record that is to be written if its condition holds.
struct Put {
    key: Key,
    item: Item,
    condition: Option<Condition>,
    object: Option<String>,
    record: u64,
}

#[derive(Default)]
struct Batch {
    puts: Vec<Put>,
    errors: Vec<u8>,
    is_end: bool,
}

/// What a transaction did, or is about to.
struct Outcome {
    next: BulkPut,
    report: Vec<u8>,
}

/// One bounded step of a bulk operation.
pub async fn step(store: &Store, exchange: &Exchange, reading: Option<Box<Reading>>) -> Result<Stepped, Error> {
    let Some(bulk) = store.exchange::<BulkPut>(exchange).await? else { return Ok(Stepped::Ended) };
    if bulk.status.is_terminal() {
        return Ok(Stepped::Ended);
    }
    if let Some(failure) = bulk.course.foreign(store) {
        return end(store, exchange, &bulk, Status::Failed, Some(failure)).await;
    }
    if bulk.status == Status::Cancelling {
        let failure = Failure::new("Cancelled", "The bulk operation was cancelled by CancelBulkOperation.");
        return end(store, exchange, &bulk, Status::Cancelled, Some(failure)).await;
    }
    let Some(buckets) = store.buckets() else { return Ok(Stepped::Elsewhere) };
    let table = match store.table(&exchange.realm, &bulk.table).await {
        Ok(table) if table.uuid == bulk.table_uuid => table,
        Ok(_) | Err(Error::ResourceNotFound(_)) => {
            let failure = Failure::new("TableNotFound", "The table was deleted while the bulk operation ran.");
            return end(store, exchange, &bulk, Status::Failed, Some(failure)).await;
        }
        Err(error) => return Err(error),
    };
    let source = bulk.input.source();
    let opened = buckets.bucket(bulk.output.source().bucket()).and_then(|output| {
        let reading = match reading {
            Some(reading) if *reading.place() == bulk.place => reading,
            _ => {
                let format =
                    Format { compression: compression(bulk.input.input_compression_type.as_deref()), csv: None };
                Box::new(Reading::open(buckets.bucket(source.bucket())?, source.prefix(), format, bulk.place.clone())?)
            }
        };
        Ok((output, reading))
    });
    let (output, mut reading) = match opened {
        Ok((_, reading)) if reading.is_empty() => {
            let message = "There is no object with the specified key prefix (Service: Amazon S3; Status Code: 404; Error \
                           Code: NoSuchKey)";
            return end(store, exchange, &bulk, Status::Failed, Some(Failure::new("S3NoSuchKey", message))).await;
        }
        Ok(opened) => opened,
        Err(error) => return end(store, exchange, &bulk, Status::Failed, Some(error.into())).await,
    };
    let mut next = bulk.clone();
    if next.total_bytes.is_none() {
        next.total_bytes = Some(reading.bytes_ahead());
    }
    let gathered = gather(&mut reading, exchange, &table, &mut next).and_then(|batch| {
        if !batch.errors.is_empty() {
            output.write_from(&bulk.output.key(exchange, "error.json"), bulk.error_bytes, &batch.errors)?;
            next.error_bytes += batch.errors.len() as u64;
        }
        Ok(batch)
    });
    let batch = match gathered {
        Ok(batch) => batch,
        Err(error) => return end(store, exchange, &bulk, Status::Failed, Some(error.into())).await,
    };
    next.place = reading.place().clone();
    if batch.puts.is_empty() && batch.is_end {
        let status = if next.failed > 0 { Status::CompletedWithErrors } else { Status::Completed };
        return finish(store, exchange, &output, (&bulk, next), status).await;
    }
    let (table, puts, bulk, next, output) = (&*table, &batch.puts, &bulk, &next, &output);
    let keys: &Vec<Key> = &puts.iter().map(|put| put.key.clone()).collect();
    let written = store
        .exchange_step(|transaction| async move {
            let found = transaction.exchange::<BulkPut>(exchange).await?;
            if found.is_none_or(|found| found.place != bulk.place || found.status != Status::InProgress) {
                return Ok(Ok(false));
            }
            let mut outcome = Outcome { next: next.clone(), report: Vec::new() };
            for (row, put) in transaction.rows(table, keys).await?.into_iter().zip(puts) {
                if put.condition.as_ref().is_some_and(|condition| !condition.matches(row.item())) {
                    outcome.refuse(exchange, put, row.item())?;
                } else {
                    let written = transaction.write(table, row, Change::Put(put.item.clone()), Actor::User)?;
                    outcome.count(table, &written);
                }
            }
            // Before the commit: a report that is not counted is written over.
            if !outcome.report.is_empty() {
                let key = bulk.output.key(exchange, "condition-check-failure.json");
                if let Err(error) = output.write_from(&key, bulk.condition_bytes, &outcome.report) {
                    return Ok(Err(Failure::from(error)));
                }
                outcome.next.condition_bytes += outcome.report.len() as u64;
            }
            transaction.put_running_exchange(exchange, &outcome.next)?;
            Ok(Ok(true))
        })
        .await?;
    match written {
        None => Ok(Stepped::Elsewhere),
        Some(Ok(true)) => Ok(Stepped::On(Some(reading))),
        Some(Ok(false)) => Ok(Stepped::On(None)),
        // Nothing else of the step may stay: the next one begins where this one did, and ends the operation.
        Some(Err(failure)) => end(store, exchange, bulk, Status::Failed, Some(failure)).await,
    }
}

impl Outcome {
    /// A record whose condition does not hold.
    fn refuse(&mut self, exchange: &Exchange, put: &Put, found: Option<&Item>) -> Result<(), Error> {
        if !self.next.output.reports("CONDITION_CHECK_FAILURE") {
            return Ok(());
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Refused<'a> {
            bulk_operation_arn: String,
            s3_key: Option<&'a str>,
            record_index: u64,
            item: &'a Item,
            #[serde(skip_serializing_if = "Option::is_none")]
            existing_item: Option<&'a Item>,
        }
        let line = json::encode(&Refused {
            bulk_operation_arn: name::arn(exchange, &self.next.table),
            s3_key: put.object.as_deref(),
            record_index: put.record,
            item: &put.item,
            existing_item: found,
        })?;
        self.report.extend(line);
        self.report.push(b'\n');
        Ok(())
    }

    fn count(&mut self, table: &Table, written: &Written) {
        self.next.table_usage += written.old_size.max(written.new_size) as u64;
        for (id, removed, added) in &written.indexes {
            let Some(index) = table.indexes.iter().find(|index| index.id == *id) else { continue };
            *self.next.index_usage.entry(index.name.clone()).or_default() += (*removed).max(*added) as u64;
        }
    }
}

/// Reads what one step writes, and counts it in `bulk`.
fn gather(reading: &mut Reading, exchange: &Exchange, table: &Table, bulk: &mut BulkPut) -> Result<Batch, BucketError> {
    let (mut batch, mut bytes) = (Batch::default(), 0);
    for _ in 0..RECORDS {
        if bytes >= BYTES {
            break;
        }
        let next = reading.next()?;
        let place = reading.place().clone();
        let line = match next {
            Next::End => {
                batch.is_end = true;
                break;
            }
            Next::EndOfObject { bytes, broken } => {
                bulk.processed_bytes += bytes;
                if let Some(broken) = broken {
                    bulk.failed += 1;
                    bulk.processed += 1;
                    report(&mut batch.errors, exchange, bulk, (&place, place.records), &broken);
                }
                continue;
            }
            Next::NoRecord(message) => Err(Error::Validation(message)),
            Next::Row(_) => Err(Error::validation("The record is a row of CSV")),
            Next::Line(line) => Ok(line),
        };
        let record = place.records.saturating_sub(1);
        match line.and_then(|line| Ok((put(table, (&line, bulk.is_ion()), &place, record)?, line))) {
            Ok((put, line)) => {
                if batch.puts.iter().any(|other| other.key == put.key) {
                    // It is to see what the other one wrote.
                    reading.put_back(Next::Line(line));
                    break;
                }
                bulk.processed += 1;
                bytes += put.item.size();
                batch.puts.push(put);
            }
            Err(error) => {
                bulk.processed += 1;
                bulk.failed += 1;
                report(&mut batch.errors, exchange, bulk, (&place, record), &error.to_string());
            }
        }
    }
    Ok(batch)
}

fn put(table: &Table, (line, is_ion): (&[u8], bool), place: &Place, record: u64) -> Result<Put, Error> {
    let line: Line = if is_ion { Line::of_ion(line)? } else { json::decode(line)? };
    let item = line.item.as_ref().ok_or_else(|| Error::validation("The record has no Item"))?.item()?;
    check_item_size(item, ITEM_TOO_LARGE)?;
    let texts = Texts {
        names: line.expression_attribute_names.as_ref(),
        values: line.expression_attribute_values.as_ref(),
        condition: line.condition_expression.as_deref(),
        ..Texts::default()
    };
    let condition = texts.parse(&["ConditionExpression"])?.condition;
    let key = keys::from_item(table, item)?;
    Ok(Put { key, item: item.clone(), condition, object: place.object.clone(), record })
}

/// Adds a line to the report of errors, if there is to be one.
fn report(out: &mut Vec<u8>, exchange: &Exchange, bulk: &BulkPut, (place, index): (&Place, u64), message: &str) {
    if !bulk.output.reports("ERROR") {
        return;
    }
    let line = json!({
        "BulkOperationArn": name::arn(exchange, &bulk.table),
        "S3Key": place.object,
        "RecordIndex": index,
        "ErrorMessage": message,
    });
    out.extend_from_slice(line.to_string().as_bytes());
    out.push(b'\n');
}

/// Writes the manifest of what was reported, and ends the operation.
async fn finish(
    store: &Store,
    exchange: &Exchange,
    output: &Bucket,
    (at, bulk): (&BulkPut, BulkPut),
    status: Status,
) -> Result<Stepped, Error> {
    let reports = [("error.json", bulk.error_bytes), ("condition-check-failure.json", bulk.condition_bytes)];
    let written: Vec<String> =
        reports.into_iter().filter(|(_, bytes)| *bytes > 0).map(|(name, _)| bulk.output.key(exchange, name)).collect();
    let manifest = json!({
        "bulkOperationArn": name::arn(exchange, &bulk.table),
        "status": status,
        "processedItemCount": bulk.processed,
        "failedItemCount": bulk.failed,
        "files": written,
    });
    let key = bulk.output.key(exchange, "manifest.json");
    if let Err(error) = output.write_from(&key, 0, manifest.to_string().as_bytes()) {
        return end(store, exchange, at, Status::Failed, Some(error.into())).await;
    }
    end_at(store, exchange, at, &bulk, status, None).await
}

async fn end(
    store: &Store,
    exchange: &Exchange,
    bulk: &BulkPut,
    status: Status,
    failure: Option<Failure>,
) -> Result<Stepped, Error> {
    end_at(store, exchange, bulk, bulk, status, failure).await
}

/// Ends an operation whose record is still at the place of `at`.
async fn end_at(
    store: &Store,
    exchange: &Exchange,
    at: &BulkPut,
    bulk: &BulkPut,
    status: Status,
    failure: Option<Failure>,
) -> Result<Stepped, Error> {
    let mut ended = bulk.clone();
    ended.course.ended_millis = Some(store.clock().now().millis());
    ended.course.failure = failure;
    ended.status = status;
    let ended = &ended;
    let done = store
        .exchange_step(|transaction| async move {
            let found = transaction.exchange::<BulkPut>(exchange).await?;
            // Who cancels meanwhile is heard by the next step.
            if found.is_some_and(|found| found.status == at.status && found.place == at.place) {
                transaction.put_ended_exchange(exchange, ended)?;
            }
            Ok(())
        })
        .await?;
    Ok(if done.is_some() { Stepped::Ended } else { Stepped::Elsewhere })
}
