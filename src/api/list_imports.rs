//! ListImports: the imports of the last 90 days, of one table or of all, page by page.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::exchanges::Asked;
use super::exchanges::import::Import;
use super::import_description::ImportSummary;
use super::parameters::{Parameter, done};
use super::resource::TableName;
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("TableArn"), done("PageSize"), done("NextToken")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    table_arn: Option<String>,
    page_size: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub import_summary_list: Vec<ImportSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    if input.table_arn.is_some() {
        constraints.table("tableArn", &input.table_arn);
    }
    let asked = Asked { table: None, next_token: input.next_token.as_deref(), limit: input.page_size };
    asked.check(&mut constraints, "pageSize");
    if let Some(token) = &input.next_token {
        constraints.length("nextToken", token, 112, 1024);
    }
    constraints.finish(())?;
    let name = input.table_arn.as_deref().map(|arn| TableName::parse(realm, arn)).transpose()?;
    let realm = name.as_ref().map_or(realm, |name| &name.realm);
    let asked = Asked { table: name.as_ref().map(|name| name.name), ..asked };
    let (imports, next_token) = asked.page::<Import>(store, realm).await?;
    let summary = |(exchange, import)| ImportSummary::new(&exchange, import);
    Ok(Output { import_summary_list: imports.into_iter().map(summary).collect(), next_token })
}
