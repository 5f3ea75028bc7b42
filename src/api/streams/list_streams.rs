//! ListStreams: the streams of the realm, open or closed, page by page.

use serde::{Deserialize, Serialize};

use crate::api::constraints::Constraints;
use crate::api::parameters::{Parameter, done};
use crate::api::resource::StreamName;
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("TableName"), done("Limit"), done("ExclusiveStartStreamArn")];

const MAX_LIMIT: i64 = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_name: Option<String>,
    limit: Option<i64>,
    exclusive_start_stream_arn: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub streams: Vec<StreamSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_evaluated_stream_arn: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamSummary {
    pub stream_arn: String,
    pub table_name: String,
    pub stream_label: String,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    constraints.optional_name("tableName", input.table_name.as_deref());
    constraints.range("limit", input.limit, 1, MAX_LIMIT);
    if let Some(arn) = &input.exclusive_start_stream_arn {
        constraints.length("exclusiveStartStreamArn", arn, 37, 1024);
    }
    constraints.finish(())?;
    let after = input.exclusive_start_stream_arn.as_deref().map(|arn| StreamName::parse(realm, arn)).transpose()?;
    let after = after.as_ref().map(|stream| (stream.table_name, stream.label));
    let limit = usize::try_from(input.limit.unwrap_or(MAX_LIMIT)).unwrap_or_default();
    let (streams, more) = store.list_streams(realm, input.table_name.as_deref(), after, limit).await?;
    let last_evaluated_stream_arn = if more { streams.last().map(crate::store::Stream::arn) } else { None };
    let streams = streams
        .into_iter()
        .map(|stream| StreamSummary {
            stream_arn: stream.arn(),
            table_name: stream.table_name,
            stream_label: stream.label,
        })
        .collect();
    Ok(Output { streams, last_evaluated_stream_arn })
}
