//! ListBulkOperations: the bulk operations of the last 90 days, the most recent first, page by page.

use serde::{Deserialize, Serialize};

use super::bulk_operation_description::BulkOperationSummary;
use super::constraints::Constraints;
use super::exchanges::Asked;
use super::exchanges::bulk::BulkPut;
use super::parameters::{Parameter, done};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("MaxResults"), done("NextToken")];

/// Of a page, unless a request says otherwise. Source: botocore's model.
const LISTED: i64 = 10;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub bulk_operations_summary_list: Vec<BulkOperationSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let limit = Some(input.max_results.unwrap_or(LISTED));
    let asked = Asked { table: None, next_token: input.next_token.as_deref(), limit };
    asked.check(&mut constraints, "maxResults");
    if let Some(token) = &input.next_token {
        constraints.length("nextToken", token, 1, 1024);
    }
    constraints.finish(())?;
    let (found, next_token) = asked.page::<BulkPut>(store, realm).await?;
    let summaries = found.iter().map(|(exchange, bulk)| BulkOperationSummary::new(exchange, bulk)).collect();
    Ok(Output { bulk_operations_summary_list: summaries, next_token })
}
