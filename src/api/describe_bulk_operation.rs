//! DescribeBulkOperation.

use serde::{Deserialize, Serialize};

use super::bulk_operation_description::BulkOperationDescription;
use super::constraints::Constraints;
use super::exchanges::bulk::BulkPut;
use super::exchanges::{self, Kind};
use super::parameters::{Parameter, done};
use crate::error::Error;
use crate::store::{Exchange, Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("BulkOperationArn")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    bulk_operation_arn: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub bulk_operation_description: BulkOperationDescription,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let (exchange, bulk) = find(store, realm, &input.bulk_operation_arn).await?;
    if !bulk.status.is_terminal() {
        exchanges::keep_working(store)?;
    }
    let table = match store.current_table(realm, &bulk.table).await {
        Ok(table) => Some(table),
        Err(Error::ResourceNotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let description = BulkOperationDescription::new(&exchange, bulk, table.as_deref());
    Ok(Output { bulk_operation_description: description })
}

/// The operation that a request names.
pub async fn find(store: &Store, realm: &Realm, arn: &Option<String>) -> Result<(Exchange, BulkPut), Error> {
    let mut constraints = Constraints::new();
    let arn = exchanges::constrain_arn(&mut constraints, "bulkOperationArn", arn);
    let arn = constraints.finish(arn)?;
    let missing = || Error::ResourceNotFound(format!("Bulk operation not found: {arn}"));
    let (exchange, table) = exchanges::parse_arn(realm, Kind::BulkPut, arn)?.ok_or_else(missing)?;
    let bulk = store.exchange::<BulkPut>(&exchange).await?;
    let bulk = bulk.filter(|bulk| bulk.table == table).ok_or_else(missing)?;
    Ok((exchange, bulk))
}
