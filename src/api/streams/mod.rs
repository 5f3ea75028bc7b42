//! The operations of DynamoDB Streams.

pub mod describe_stream;
pub mod get_records;
pub mod get_shard_iterator;
mod iterator;
pub mod list_streams;

use super::constraints::Constraints;

/// The ARN of a stream, which must be there.
fn stream_arn<'v>(constraints: &mut Constraints, value: &'v Option<String>) -> Option<&'v str> {
    let arn = constraints.required("streamArn", value)?;
    constraints.length("streamArn", arn, 37, 1024);
    Some(arn)
}

fn shard_id(constraints: &mut Constraints, path: &str, value: &str) {
    constraints.length(path, value, 28, 65);
}
