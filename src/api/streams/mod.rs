//! The operations of DynamoDB Streams.

pub mod describe_stream;
pub mod get_records;
pub mod get_shard_iterator;
pub mod list_streams;
