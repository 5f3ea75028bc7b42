//! GetRecords: the next change records of a shard, and the iterator behind them.

use serde::{Deserialize, Serialize};

use super::iterator::Iterator;
use crate::api::constraints::Constraints;
use crate::api::parameters::{Parameter, done};
use crate::api::wire::Timestamp;
use crate::clock;
use crate::error::Error;
use crate::item::Item;
use crate::store::{self, Realm, RecordKind, Store};

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

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    #[serde(rename = "eventID")]
    pub event_id: String,
    pub event_name: &'static str,
    pub event_version: &'static str,
    pub event_source: &'static str,
    pub aws_region: String,
    pub dynamodb: StreamRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_identity: Option<Identity>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamRecord {
    pub approximate_creation_date_time: Timestamp,
    pub keys: Item,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_image: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_image: Option<Item>,
    pub sequence_number: String,
    pub size_bytes: u64,
    pub stream_view_type: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Identity {
    pub principal_id: &'static str,
    pub r#type: &'static str,
}

/// Whoever deletes expired items is the service itself.
const SERVICE: Identity = Identity { principal_id: "dynamodb.amazonaws.com", r#type: "Service" };

pub async fn run(store: &Store, _realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let token = constraints.required("shardIterator", &input.shard_iterator);
    if let Some(token) = token {
        constraints.length("shardIterator", token, 1, 2048);
    }
    constraints.range("limit", input.limit, 1, MAX_LIMIT);
    let token = constraints.finish(token)?;
    let iterator = Iterator::from_token(token, &store.id(), store.clock().now())?;
    let stream = store.stream(&iterator.realm, &iterator.table_name, &iterator.label).await?;
    if stream.table_id != iterator.table_id {
        return Err(Error::ResourceNotFound(format!(
            "Requested resource not found: Stream: {} not found",
            stream.arn()
        )));
    }
    let limit = usize::try_from(input.limit.unwrap_or(MAX_LIMIT)).unwrap_or_default();
    let page = store.stream_records(&stream, iterator.cursor, limit, MAX_BYTES).await?;
    let next = page.next.map(|cursor| Iterator::new(&stream, cursor, store.clock().now()).to_token(&store.id()));
    let records = page.records.into_iter().map(|record| Record::new(record, &stream.realm)).collect();
    Ok(Output { records, next_shard_iterator: next })
}

impl Record {
    pub fn new(record: store::Record, realm: &Realm) -> Self {
        Self {
            event_id: record.event_id,
            event_name: match record.kind {
                RecordKind::Insert => "INSERT",
                RecordKind::Modify => "MODIFY",
                RecordKind::Remove => "REMOVE",
            },
            event_version: "1.1",
            event_source: "aws:dynamodb",
            aws_region: realm.region.clone(),
            dynamodb: StreamRecord {
                // DynamoDB tells whole seconds.
                approximate_creation_date_time: Timestamp(clock::Timestamp::from_seconds(record.created.seconds())),
                keys: record.keys,
                new_image: record.new,
                old_image: record.old,
                sequence_number: record.sequence_number,
                size_bytes: record.size_bytes,
                stream_view_type: record.view.name(),
            },
            user_identity: record.by_service.then_some(SERVICE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StreamViewType;

    #[test]
    fn a_record_has_the_shape_of_dynamodbs() {
        let record = store::Record {
            event_id: "0123".to_owned(),
            kind: RecordKind::Remove,
            sequence_number: "1".repeat(34),
            created: clock::Timestamp(1_700_000_000_999),
            keys: Item::new(),
            old: Some(Item::new()),
            new: None,
            size_bytes: 12,
            view: StreamViewType::NewAndOldImages,
            by_service: true,
        };
        let realm = Realm { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() };
        assert_eq!(
            serde_json::to_value(Record::new(record, &realm)).ok(),
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
