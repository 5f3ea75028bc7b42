//! CancelBulkOperation: the operation stops after the step it is at. What it has written stays.

use serde::{Deserialize, Serialize};

use super::describe_bulk_operation::find;
use super::exchanges;
use super::exchanges::bulk::{BulkPut, Status};
use super::parameters::{Parameter, done};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("BulkOperationArn")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    bulk_operation_arn: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub bulk_operation_arn: String,
    pub bulk_operation_status: Status,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let (exchange, bulk) = find(store, realm, &input.bulk_operation_arn).await?;
    let arn = exchanges::arn(&exchange, &bulk.table);
    let (exchange, arn) = (&exchange, &arn);
    store
        .transact(|transaction| async move {
            let missing = || Error::ResourceNotFound(format!("Bulk operation not found: {arn}"));
            let mut bulk = transaction.exchange::<BulkPut>(exchange).await?.ok_or_else(missing)?;
            if bulk.status.is_terminal() {
                return Err(Error::Validation(format!("Bulk operation {arn} has ended and cannot be cancelled")));
            }
            bulk.status = Status::Cancelling;
            transaction.put_running_exchange(exchange, &bulk)
        })
        .await?;
    exchanges::keep_working(store)?;
    Ok(Output { bulk_operation_arn: arn.clone(), bulk_operation_status: Status::Cancelling })
}
