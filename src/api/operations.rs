//! The table of operations: every operation of DynamoDB and DynamoDB Streams, one row each.
//!
//! Dispatch and the compatibility page derive from it. A row that is done names a module with `Input`, `Output`,
//! `PARAMETERS` and `run`; a row that is absent answers with a clear error.

use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::parameters::{Parameter, Status};
use crate::error::Error;
use crate::store::{Realm, Store};

/// One of the two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    DynamoDb,
    Streams,
}

impl Service {
    /// boto3's name of the service.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Streams => "dynamodbstreams",
        }
    }

    /// What the `X-Amz-Target` header begins with, before a dot and the operation's name.
    pub const fn target_prefix(self) -> &'static str {
        match self {
            Self::DynamoDb => "DynamoDB_20120810",
            Self::Streams => "DynamoDBStreams_20120810",
        }
    }
}

macro_rules! operations {
    (
        done { $($service:ident $name:ident => $($module:ident)::+, $status:expr;)* }
        absent { $($absent_service:ident $absent:ident;)* }
    ) => {
        /// An operation of DynamoDB or DynamoDB Streams, implemented or not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation { $($name,)* $($absent,)* }

        impl Operation {
            /// Every operation of today's models of both services.
            pub const fn all() -> &'static [Self] {
                &[$(Self::$name,)* $(Self::$absent,)*]
            }

            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    $(Self::$absent => stringify!($absent),)*
                }
            }

            pub const fn service(self) -> Service {
                match self {
                    $(Self::$name => Service::$service,)*
                    $(Self::$absent => Service::$absent_service,)*
                }
            }

            pub const fn status(self) -> Status {
                match self {
                    $(Self::$name => $status,)*
                    $(Self::$absent => Status::Absent,)*
                }
            }

            /// The members of its input and what becomes of each; empty when the operation is absent.
            pub const fn parameters(self) -> &'static [Parameter] {
                match self {
                    $(Self::$name => super::$($module)::+::PARAMETERS,)*
                    $(Self::$absent => &[],)*
                }
            }

            /// Reads the operation's request. Unknown members and wrong types are the deserializer's errors; rules of
            /// DynamoDB are checked later, by `dispatch`.
            pub fn parse<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<Request, D::Error> {
                match self {
                    $(Self::$name => Deserialize::deserialize(deserializer).map(Request::$name),)*
                    $(Self::$absent => serde::de::IgnoredAny::deserialize(deserializer).map(|_| Request::Absent(self)),)*
                }
            }
        }

        /// A request as it was given, not yet validated.
        #[derive(Debug)]
        pub enum Request {
            $($name(Box<super::$($module)::+::Input>),)*
            /// An operation that fdyno does not implement.
            Absent(Operation),
        }

        impl Request {
            pub const fn operation(&self) -> Operation {
                match self {
                    $(Self::$name(_) => Operation::$name,)*
                    Self::Absent(operation) => *operation,
                }
            }
        }

        /// An answer; it serializes to the members of the operation's output, absent ones left out.
        #[derive(Debug)]
        pub enum Response {
            $($name(super::$($module)::+::Output),)*
        }

        impl Response {
            /// How many change records it holds.
            pub const fn change_records(&self) -> usize {
                if let Self::GetRecords(output) = self { output.records.len() } else { 0 }
            }
        }

        impl Serialize for Response {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$name(output) => output.serialize(serializer),)*
                }
            }
        }

        /// One attempt at an operation; it may end in `Error::SchemaChanged`.
        pub(super) async fn run(store: &Store, realm: &Realm, request: &Request) -> Result<Response, Error> {
            match request {
                $(Request::$name(input) => {
                    super::$($module)::+::run(store, realm, input).await.map(Response::$name)
                })*
                Request::Absent(operation) => Err(not_implemented(*operation)),
            }
        }
    };
}

operations! {
    done {
        DynamoDb BatchExecuteStatement => partiql::batch_execute_statement, Status::Done;
        DynamoDb BatchGetItem => batch_get_item, Status::Done;
        DynamoDb BatchWriteItem => batch_write_item, Status::Done;
        DynamoDb CreateBackup => create_backup, Status::Different("the backup is AVAILABLE when it answers");
        DynamoDb CancelBulkOperation => cancel_bulk_operation, Status::Done;
        DynamoDb CreateGlobalTable => create_global_table, Status::Different("described, not replicated: no data goes anywhere");
        DynamoDb CreateTable => create_table, Status::Different("the table is ACTIVE at once");
        DynamoDb DeleteBackup => delete_backup, Status::Done;
        DynamoDb DeleteItem => delete_item, Status::Done;
        DynamoDb DeleteResourcePolicy => delete_resource_policy, Status::Done;
        DynamoDb DeleteTable => delete_table, Status::Different("the table is gone at once");
        DynamoDb DescribeBackup => describe_backup, Status::Different("sizes and counts are exact");
        DynamoDb DescribeBulkOperation => describe_bulk_operation, Status::Done;
        DynamoDb DescribeContinuousBackups => describe_continuous_backups, Status::Done;
        DynamoDb DescribeContributorInsights => describe_contributor_insights, Status::Done;
        DynamoDb DescribeEndpoints => describe_endpoints, Status::Done;
        DynamoDb DescribeExport => describe_export, Status::Done;
        DynamoDb DescribeGlobalTable => describe_global_table, Status::Done;
        DynamoDb DescribeGlobalTableSettings => describe_global_table_settings, Status::Done;
        DynamoDb DescribeImport => describe_import, Status::Done;
        DynamoDb DescribeKinesisStreamingDestination => describe_kinesis_streaming_destination, Status::Done;
        DynamoDb DescribeLimits => describe_limits, Status::Done;
        DynamoDb DescribeTable => describe_table, Status::Different("ItemCount and TableSizeBytes are exact at every moment");
        DynamoDb DescribeTableReplicaAutoScaling => describe_table_replica_auto_scaling, Status::Done;
        DynamoDb DescribeTimeToLive => describe_time_to_live, Status::Done;
        DynamoDb DisableKinesisStreamingDestination => disable_kinesis_streaming_destination, Status::Different("settings only, in force when it answers");
        DynamoDb EnableKinesisStreamingDestination => enable_kinesis_streaming_destination, Status::Different("settings only, in force when it answers");
        DynamoDb ExecuteStatement => partiql::execute_statement, Status::Done;
        DynamoDb ExecuteTransaction => partiql::execute_transaction, Status::Done;
        DynamoDb ExportTableToPointInTime => export_table_to_point_in_time, Status::Different("to a folder that stands for the bucket");
        DynamoDb GetItem => get_item, Status::Done;
        DynamoDb GetResourcePolicy => get_resource_policy, Status::Done;
        DynamoDb ListBackups => list_backups, Status::Done;
        DynamoDb ImportTable => import_table, Status::Different("of a folder that stands for the bucket");
        DynamoDb ListBulkOperations => list_bulk_operations, Status::Done;
        DynamoDb ListContributorInsights => list_contributor_insights, Status::Done;
        DynamoDb ListExports => list_exports, Status::Done;
        DynamoDb ListGlobalTables => list_global_tables, Status::Done;
        DynamoDb ListImports => list_imports, Status::Done;
        DynamoDb ListTables => list_tables, Status::Done;
        DynamoDb ListTagsOfResource => list_tags_of_resource, Status::Done;
        DynamoDb PutItem => put_item, Status::Done;
        DynamoDb PutResourcePolicy => put_resource_policy, Status::Done;
        DynamoDb Query => query, Status::Done;
        DynamoDb RestoreTableFromBackup => restore_table_from_backup, Status::Different("the table is ACTIVE when it answers");
        DynamoDb RestoreTableToPointInTime => restore_table_to_point_in_time, Status::Different("the table is ACTIVE when it answers");
        DynamoDb Scan => scan, Status::Done;
        DynamoDb SearchVectors => search_vectors, Status::Different("the search is exact; what was written is found at once");
        DynamoDb StartBulkPutItems => start_bulk_put_items, Status::Different("from and to folders that stand for buckets");
        DynamoDb TagResource => tag_resource, Status::Done;
        DynamoDb TransactGetItems => transact_get_items, Status::Done;
        DynamoDb TransactWriteItems => transact_write_items, Status::Done;
        DynamoDb UntagResource => untag_resource, Status::Done;
        DynamoDb UpdateContinuousBackups => update_continuous_backups, Status::Different("in force when it answers");
        DynamoDb UpdateContributorInsights => update_contributor_insights, Status::Different("in force when it answers");
        DynamoDb UpdateGlobalTable => update_global_table, Status::Different("described, not replicated: no data goes anywhere");
        DynamoDb UpdateGlobalTableSettings => update_global_table_settings, Status::Different("sets the tables of the regions, one after the other");
        DynamoDb UpdateItem => update_item, Status::Done;
        DynamoDb UpdateKinesisStreamingDestination => update_kinesis_streaming_destination, Status::Different("settings only, in force when it answers");
        DynamoDb UpdateTable => update_table, Status::Different("changes, an index's backfill included, are complete when it answers");
        DynamoDb UpdateTableReplicaAutoScaling => update_table_replica_auto_scaling, Status::Different("kept and described: nothing scales");
        DynamoDb UpdateTimeToLive => update_time_to_live, Status::Different("in force when it answers; the next change of the same table is possible after an hour of the database's clock");
        Streams DescribeStream => streams::describe_stream, Status::Different("a stream has one shard");
        Streams GetRecords => streams::get_records, Status::Done;
        Streams GetShardIterator => streams::get_shard_iterator, Status::Done;
        Streams ListStreams => streams::list_streams, Status::Done;
    }
    absent {
    }
}

impl Operation {
    /// The operation called `name` of the service boto3 calls `service`.
    pub fn find(service: &str, name: &str) -> Option<Self> {
        Self::all().iter().copied().find(|operation| operation.name() == name && operation.service().name() == service)
    }

    /// The operation that an `X-Amz-Target` header names.
    pub fn of_target(target: &str) -> Option<Self> {
        let (prefix, name) = target.split_once('.')?;
        let named = |operation: &Self| operation.name() == name && operation.service().target_prefix() == prefix;
        Self::all().iter().copied().find(named)
    }
}

fn not_implemented(operation: Operation) -> Error {
    Error::UnknownOperation(format!(
        "fdyno does not implement {} yet: the command fdyno compatibility lists what it does",
        operation.name()
    ))
}
