//! GetShardIterator: a place in a shard from which GetRecords reads on.

use serde::{Deserialize, Serialize};

use super::describe_stream::no_such_shard;
use super::iterator::Iterator;
use super::{shard_id, stream_arn};
use crate::api::constraints::{Constraints, values};
use crate::api::parameters::{Parameter, done};
use crate::api::resource::StreamName;
use crate::api::wire::Timestamp;
use crate::error::Error;
use crate::store::{Realm, Store, StreamStart};

pub const PARAMETERS: &[Parameter] =
    &[done("StreamArn"), done("ShardId"), done("ShardIteratorType"), done("SequenceNumber"), done("Timestamp")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    stream_arn: Option<String>,
    shard_id: Option<String>,
    shard_iterator_type: Option<String>,
    sequence_number: Option<String>,
    timestamp: Option<Timestamp>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub shard_iterator: String,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let arn = stream_arn(&mut constraints, &input.stream_arn);
    let shard = constraints.required("shardId", &input.shard_id);
    if let Some(shard) = shard {
        shard_id(&mut constraints, "shardId", shard);
    }
    let kind = constraints.required("shardIteratorType", &input.shard_iterator_type);
    constraints.one_of("shardIteratorType", kind.map(String::as_str), values::SHARD_ITERATOR_TYPE);
    if let Some(number) = &input.sequence_number {
        constraints.length("sequenceNumber", number, 21, 40);
    }
    let (arn, shard, kind) = constraints.finish((arn, shard, kind))?;
    let start = input.start(kind)?;
    let name = StreamName::parse(realm, arn)?;
    let stream = store.stream(&name.realm, name.table_name, name.label).await?;
    if *shard != stream.shard_id() {
        return Err(no_such_shard(shard, &stream));
    }
    let cursor = store.stream_cursor(&stream, &start).await?;
    let iterator = Iterator::new(&stream, cursor, store.clock().now());
    Ok(Output { shard_iterator: iterator.to_token(&store.id()) })
}

impl Input {
    /// Where the iterator starts. A sequence number belongs to two of the types, a timestamp to one.
    fn start(&self, kind: &str) -> Result<StreamStart, Error> {
        let takes_number = matches!(kind, "AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER");
        if self.sequence_number.is_some() && !takes_number {
            return Err(Error::Validation(format!(
                "SequenceNumber must not be specified when ShardIteratorType is {kind}"
            )));
        }
        if self.timestamp.is_some() && kind != "AT_TIMESTAMP" {
            return Err(Error::Validation(format!("Timestamp must not be specified when ShardIteratorType is {kind}")));
        }
        let missing = |parameter: &str| {
            Error::Validation(format!("{parameter} must be specified when ShardIteratorType is {kind}"))
        };
        let number = || self.sequence_number.clone().ok_or_else(|| missing("SequenceNumber"));
        match kind {
            "AT_SEQUENCE_NUMBER" => number().map(StreamStart::At),
            "AFTER_SEQUENCE_NUMBER" => number().map(StreamStart::After),
            "AT_TIMESTAMP" => {
                let Timestamp(at) = self.timestamp.ok_or_else(|| missing("Timestamp"))?;
                Ok(StreamStart::AtTimestamp(at))
            }
            "LATEST" => Ok(StreamStart::Latest),
            _ => Ok(StreamStart::TrimHorizon),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_iterator_type_takes_its_own_place_and_no_other() {
        let number = || Some("100000000000000000000001".to_owned());
        let time = Timestamp::from_millis(5_000);
        let at = |sequence_number, timestamp| Input { sequence_number, timestamp, ..Input::default() };
        assert_eq!(at(None, None).start("TRIM_HORIZON"), Ok(StreamStart::TrimHorizon));
        assert_eq!(at(None, None).start("LATEST"), Ok(StreamStart::Latest));
        assert!(matches!(at(number(), None).start("AT_SEQUENCE_NUMBER"), Ok(StreamStart::At(_))));
        assert!(matches!(at(number(), None).start("AFTER_SEQUENCE_NUMBER"), Ok(StreamStart::After(_))));
        assert_eq!(at(None, Some(time)).start("AT_TIMESTAMP"), Ok(StreamStart::AtTimestamp(time.0)));
        for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "AT_TIMESTAMP"] {
            assert!(at(None, None).start(kind).is_err(), "{kind}");
        }
        for kind in ["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"] {
            assert!(at(number(), None).start(kind).is_err(), "{kind}");
        }
        for kind in ["TRIM_HORIZON", "LATEST", "AT_SEQUENCE_NUMBER"] {
            assert!(at(None, Some(time)).start(kind).is_err(), "{kind}");
        }
    }
}
