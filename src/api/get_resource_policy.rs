//! GetResourcePolicy: the policy of a table or a stream, as it is shown.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::parameters::{Parameter, done};
use super::policies::{PolicyHolder, check_arn, not_found};
use crate::error::Error;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("ResourceArn")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    resource_arn: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub policy: String,
    pub revision_id: String,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let arn = check_arn(&mut constraints, &input.resource_arn);
    let holder = PolicyHolder::find(store, realm, constraints.finish(arn)?).await?;
    let policy =
        store.policy(&holder.realm, holder.table, holder.label).await.map_err(|error| holder.missing(error))?;
    let policy = policy.and_then(|policy| Some((policy.document?.text, policy.revision)));
    let (policy, revision) = policy.ok_or_else(|| not_found(holder.arn))?;
    Ok(Output { policy, revision_id: revision.to_string() })
}
