//! DescribeImport.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::exchanges::import::{Import, Status};
use super::exchanges::{self, Kind};
use super::import_description::ImportTableDescription;
use super::parameters::{Parameter, done};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("ImportArn")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    import_arn: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub import_table_description: ImportTableDescription,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let arn = exchanges::constrain_arn(&mut constraints, "importArn", &input.import_arn);
    let arn = constraints.finish(arn)?;
    let missing = || Error::ImportNotFound(format!("Import not found: {arn}"));
    let (exchange, _) = exchanges::parse_arn(realm, Kind::Import, arn)?.ok_or_else(missing)?;
    let import = store.exchange::<Import>(&exchange).await?.ok_or_else(missing)?;
    if import.status == Status::InProgress {
        exchanges::keep_working(store)?;
    }
    Ok(Output { import_table_description: ImportTableDescription::new(&exchange, import) })
}
