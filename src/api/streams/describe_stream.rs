//! DescribeStream: a stream's settings and its shards, of which fdyno's streams have one.

use serde::{Deserialize, Serialize};

use super::{shard_id, stream_arn};
use crate::api::constraints::{Constraints, values};
use crate::api::parameters::{Parameter, done};
use crate::api::resource::StreamName;
use crate::api::table_description::{KeySchemaElement, key_schema};
use crate::api::wire::Timestamp;
use crate::error::Error;
use crate::store::{Realm, Store, Stream};

pub const PARAMETERS: &[Parameter] =
    &[done("StreamArn"), done("Limit"), done("ExclusiveStartShardId"), done("ShardFilter")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    stream_arn: Option<String>,
    limit: Option<i64>,
    exclusive_start_shard_id: Option<String>,
    shard_filter: Option<ShardFilter>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ShardFilter {
    r#type: Option<String>,
    shard_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub stream_description: StreamDescription,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamDescription {
    pub stream_arn: String,
    pub stream_label: String,
    pub stream_status: &'static str,
    pub stream_view_type: &'static str,
    pub creation_request_date_time: Timestamp,
    pub table_name: String,
    pub key_schema: Vec<KeySchemaElement>,
    pub shards: Vec<Shard>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Shard {
    pub shard_id: String,
    pub sequence_number_range: SequenceNumberRange,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SequenceNumberRange {
    pub starting_sequence_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending_sequence_number: Option<String>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let arn = stream_arn(&mut constraints, &input.stream_arn);
    constraints.range("limit", input.limit, 1, 100);
    if let Some(start) = &input.exclusive_start_shard_id {
        shard_id(&mut constraints, "exclusiveStartShardId", start);
    }
    if let Some(filter) = &input.shard_filter {
        constraints.one_of("shardFilter.type", filter.r#type.as_deref(), values::SHARD_FILTER_TYPE);
        if let Some(id) = &filter.shard_id {
            shard_id(&mut constraints, "shardFilter.shardId", id);
        }
    }
    let arn = constraints.finish(arn)?;
    let name = StreamName::parse(realm, arn)?;
    let stream = store.stream(&name.realm, name.table_name, name.label).await?;
    let shards = input.shards(&stream)?;
    Ok(Output {
        stream_description: StreamDescription {
            stream_arn: stream.arn(),
            stream_label: stream.label.clone(),
            stream_status: if stream.is_closed() { "DISABLED" } else { "ENABLED" },
            stream_view_type: stream.view.name(),
            creation_request_date_time: Timestamp(stream.created),
            table_name: stream.table_name,
            key_schema: key_schema(&stream.key),
            shards,
        },
    })
}

impl Input {
    /// The one shard, unless the page starts behind it or only its children are asked for, of which it has none.
    fn shards(&self, stream: &Stream) -> Result<Vec<Shard>, Error> {
        let id = stream.shard_id();
        if let Some(filter) = &self.shard_filter {
            return match &filter.shard_id {
                Some(parent) if *parent == id => Ok(Vec::new()),
                Some(parent) => Err(no_such_shard(parent, stream)),
                None => Err(Error::validation("ShardFilter requires a ShardId")),
            };
        }
        if self.exclusive_start_shard_id.as_ref().is_some_and(|start| *start >= id) {
            return Ok(Vec::new());
        }
        let sequence_number_range = SequenceNumberRange {
            starting_sequence_number: stream.starting_sequence_number(),
            ending_sequence_number: stream.ending_sequence_number(),
        };
        Ok(vec![Shard { shard_id: id, sequence_number_range }])
    }
}

pub fn no_such_shard(id: &str, stream: &Stream) -> Error {
    Error::ResourceNotFound(format!("Requested resource not found: Shard: {id} in stream: {} not found", stream.arn()))
}
