//! ListExports: the exports of the last 90 days, of one table or of all, page by page, in the reverse order of their ARNs.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::exchanges::Asked;
use super::exchanges::export::Export;
use super::export_description::ExportSummary;
use super::parameters::{Parameter, done};
use super::resource::TableName;
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("TableArn"), done("MaxResults"), done("NextToken")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_arn: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub export_summaries: Vec<ExportSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    if input.table_arn.is_some() {
        constraints.table("tableArn", &input.table_arn);
    }
    let asked = Asked { table: None, next_token: input.next_token.as_deref(), limit: input.max_results };
    asked.check(&mut constraints, "maxResults");
    constraints.finish(())?;
    let name = input.table_arn.as_deref().map(|arn| TableName::parse(realm, arn)).transpose()?;
    let realm = name.as_ref().map_or(realm, |name| &name.realm);
    let asked = Asked { table: name.as_ref().map(|name| name.name), ..asked };
    let (exports, next_token) = asked.page::<Export>(store, realm).await?;
    let export_summaries = exports.iter().map(|(exchange, export)| ExportSummary::new(exchange, export)).collect();
    Ok(Output { export_summaries, next_token })
}
