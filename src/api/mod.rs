//! DynamoDB's operations: requests, their validation in AWS's order, what they do, and their answers.
//!
//! One file per operation, one row per operation in `operations`: dispatch, the JSON protocol's targets and the
//! compatibility page derive from that table. An operation is `run(store, realm, &Input)`; it may be run again when the
//! schema it started with is out of date, so it never consumes its input. Knows nothing of Python or HTTP: both hand in a
//! serde deserializer and take a serde serializer.

mod backups;
mod batch_get_item;
mod batch_write_item;
mod bulk_operation_description;
mod cancel_bulk_operation;
mod capacity;
pub mod compatibility;
mod constraints;
mod continuous_backups;
mod create_backup;
mod create_global_table;
mod create_table;
mod delete_backup;
mod delete_item;
mod delete_resource_policy;
mod delete_table;
mod describe_backup;
mod describe_bulk_operation;
mod describe_continuous_backups;
mod describe_contributor_insights;
mod describe_endpoints;
mod describe_export;
mod describe_global_table;
mod describe_global_table_settings;
mod describe_import;
mod describe_kinesis_streaming_destination;
mod describe_limits;
mod describe_table;
mod describe_table_replica_auto_scaling;
mod describe_time_to_live;
mod destinations;
mod disable_kinesis_streaming_destination;
mod enable_kinesis_streaming_destination;
mod exchanges;
mod export_description;
mod export_table_to_point_in_time;
mod expressions;
mod extensions;
mod get_item;
mod get_resource_policy;
mod global_table_settings;
mod import_description;
mod import_table;
mod insights;
pub mod json;
mod keys;
mod legacy;
mod legacy_global_tables;
mod list_backups;
mod list_bulk_operations;
mod list_contributor_insights;
mod list_exports;
mod list_global_tables;
mod list_imports;
mod list_tables;
mod list_tags_of_resource;
mod operations;
mod page;
mod parameters;
mod partiql;
mod policies;
mod policy_document;
mod put_item;
mod put_resource_policy;
mod query;
mod regions;
mod replica_description;
mod request_id;
mod resource;
mod restore_table_from_backup;
mod restore_table_to_point_in_time;
mod restored_table;
mod scaling;
mod scan;
mod sealed;
mod search_vectors;
mod single_write;
mod start_bulk_put_items;
mod streams;
mod table_definition;
mod table_description;
mod table_settings;
mod tag_resource;
mod tags;
mod transact_get_items;
mod transact_write_items;
mod transact_write_plan;
mod untag_resource;
mod update_continuous_backups;
mod update_contributor_insights;
mod update_global_table;
mod update_global_table_settings;
mod update_item;
mod update_kinesis_streaming_destination;
mod update_table;
mod update_table_replica_auto_scaling;
mod update_time_to_live;
mod vector_indexes;
mod wire;

pub use exchanges::go_on as go_on_with_exchanges;
pub use extensions::{Asked, Extension, Told, dispatch_extension};
pub use operations::{Operation, Request, Response, Service};
pub use parameters::{Parameter, Status};
pub use request_id::request_id;

use crate::error::Error;
use crate::store::{Realm, Store};

/// How often an operation starts afresh because its schema changed under it, before the caller is told to try again.
const SCHEMA_ATTEMPTS: usize = 16;

/// Runs one request to its end.
pub async fn dispatch(store: &Store, realm: &Realm, request: Request) -> Result<Response, Error> {
    run_until_schema_holds(store, || operations::run(store, realm, &request)).await
}

/// Runs an operation again as long as it was refused because of a definition that was out of date.
async fn run_until_schema_holds<T, Fut>(store: &Store, run: impl Fn() -> Fut) -> Result<T, Error>
where
    Fut: Future<Output = Result<T, Error>>,
{
    for _ in 0..SCHEMA_ATTEMPTS {
        match run().await {
            Err(Error::SchemaChanged) => {}
            // Refused because of a definition that may have been out of date: that is no answer yet.
            Err(error) if error.may_come_of_a_definition() && store.forget_outdated_tables().await? => {}
            answer => return answer,
        }
    }
    Err(Error::InternalServerError("the table's schema changed over and over while the request ran".to_owned()))
}
