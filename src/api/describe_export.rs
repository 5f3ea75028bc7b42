//! DescribeExport.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::exchanges::export::Export;
use super::exchanges::import::Status;
use super::exchanges::{self, Kind};
use super::export_description::ExportDescription;
use super::parameters::{Parameter, done};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("ExportArn")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    export_arn: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub export_description: ExportDescription,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let arn = exchanges::constrain_arn(&mut constraints, "exportArn", &input.export_arn);
    let arn = constraints.finish(arn)?;
    let missing = || Error::ExportNotFound(format!("Export not found: {arn}"));
    let (exchange, _) = exchanges::parse_arn(realm, Kind::Export, arn)?.ok_or_else(missing)?;
    let export = store.exchange::<Export>(&exchange).await?.ok_or_else(missing)?;
    if export.status == Status::InProgress {
        exchanges::keep_working(store)?;
    }
    Ok(Output { export_description: ExportDescription::new(&exchange, export)? })
}
