//! GetRecords: the next change records of a shard, and the iterator behind them.

use std::sync::Arc;

use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

use super::iterator::Iterator;
use crate::api::constraints::Constraints;
use crate::api::parameters::{Parameter, done};
use crate::api::wire::Timestamp;
use crate::clock;
use crate::error::Error;
use crate::store::{Realm, RecordKind, Store, StoredRecord};

pub const PARAMETERS: &[Parameter] = &[done("ShardIterator"), done("Limit")];

pub const MAX_LIMIT: i64 = 1000;
pub const MAX_BYTES: usize = 1024 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    shard_iterator: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub records: Vec<Record>,
    /// Absent once a closed shard has been read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_shard_iterator: Option<String>,
}

/// A record, written out from what is stored of it.
#[derive(Debug)]
pub struct Record {
    stored: StoredRecord,
    region: Arc<str>,
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stored = &self.stored;
        let (keys, old_image, new_image) = stored.items().map_err(S::Error::custom)?;
        let shape = Shape {
            event_id: stored.event_id(),
            event_name: Word(match stored.kind {
                RecordKind::Insert => "INSERT",
                RecordKind::Modify => "MODIFY",
                RecordKind::Remove => "REMOVE",
            }),
            event_version: Word("1.1"),
            event_source: Word("aws:dynamodb"),
            aws_region: &self.region,
            dynamodb: StreamRecord {
                // DynamoDB tells whole seconds.
                approximate_creation_date_time: Timestamp(clock::Timestamp::from_seconds(stored.created.seconds())),
                keys,
                new_image,
                old_image,
                sequence_number: stored.sequence_number(),
                size_bytes: stored.size_bytes,
                stream_view_type: Word(stored.view.name()),
            },
            user_identity: stored.by_service.then_some(SERVICE),
        };
        shape.serialize(serializer)
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'a, I> {
    #[serde(rename = "eventID")]
    event_id: String,
    event_name: Word,
    event_version: Word,
    event_source: Word,
    aws_region: &'a str,
    dynamodb: StreamRecord<I>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_identity: Option<Identity>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamRecord<I> {
    approximate_creation_date_time: Timestamp,
    keys: I,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_image: Option<I>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_image: Option<I>,
    sequence_number: String,
    size_bytes: u64,
    stream_view_type: Word,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    principal_id: &'static str,
    r#type: &'static str,
}

/// One of a few words that come again in every record: boundaries keep those they have made.
#[derive(Clone, Copy, Debug)]
struct Word(&'static str);

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit_variant("", 0, self.0)
    }
}

/// Whoever deletes expired items is the service itself.
const SERVICE: Identity = Identity { principal_id: "dynamodb.amazonaws.com", r#type: "Service" };

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let token = constraints.required("shardIterator", &input.shard_iterator);
    if let Some(token) = token {
        constraints.length("shardIterator", token, 1, 2048);
    }
    constraints.range("limit", input.limit, 1, MAX_LIMIT);
    let token = constraints.finish(token)?;
    let iterator = Iterator::from_token(token, &store.id(), store.clock().now())?;
    // An iterator is good where it was issued, as its stream's ARN is.
    if iterator.realm.region != realm.region {
        return Err(Error::validation("Invalid ShardIterator"));
    }
    let stream = store.stream(&iterator.realm, &iterator.table_name, &iterator.label).await?;
    if stream.table_id != iterator.table_id {
        return Err(Error::ResourceNotFound(format!(
            "Requested resource not found: Stream: {} not found",
            stream.arn()
        )));
    }
    let limit = usize::try_from(input.limit.unwrap_or(MAX_LIMIT)).unwrap_or_default();
    let page = store.stored_records(&stream, iterator.cursor, limit, MAX_BYTES).await?;
    let next = page.next.map(|cursor| Iterator::new(&stream, cursor, store.clock().now()).to_token(&store.id()));
    Ok(Output { records: records(page.records, &stream.realm), next_shard_iterator: next })
}

/// Records of one realm as answers tell them.
pub fn records(stored: Vec<StoredRecord>, realm: &Realm) -> Vec<Record> {
    let region: Arc<str> = realm.region.as_str().into();
    stored.into_iter().map(|stored| Record { stored, region: Arc::clone(&region) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Item;

    #[test]
    fn a_record_has_the_shape_of_dynamodbs() {
        let record = Shape {
            event_id: "0123".to_owned(),
            event_name: Word("REMOVE"),
            event_version: Word("1.1"),
            event_source: Word("aws:dynamodb"),
            aws_region: "eu-west-1",
            dynamodb: StreamRecord {
                approximate_creation_date_time: Timestamp::from_millis(1_700_000_000_000),
                keys: Item::new(),
                new_image: None,
                old_image: Some(Item::new()),
                sequence_number: "1".repeat(34),
                size_bytes: 12,
                stream_view_type: Word("NEW_AND_OLD_IMAGES"),
            },
            user_identity: Some(SERVICE),
        };
        assert_eq!(
            serde_json::to_value(record).ok(),
            Some(serde_json::json!({
                "eventID": "0123", "eventName": "REMOVE", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
                "awsRegion": "eu-west-1",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1_700_000_000.0, "Keys": {}, "OldImage": {},
                    "SequenceNumber": "1".repeat(34), "SizeBytes": 12, "StreamViewType": "NEW_AND_OLD_IMAGES"
                },
                "userIdentity": {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
            }))
        );
    }
}
