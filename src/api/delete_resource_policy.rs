//! DeleteResourcePolicy: takes the policy of a table or a stream away. Where there is none, there is nothing to do.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::parameters::{Parameter, done};
use super::policies::{PolicyHolder, check_arn, check_revision};
use crate::error::Error;
use crate::store::{Policy, Realm, Store};

pub const PARAMETERS: &[Parameter] = &[done("ResourceArn"), done("ExpectedRevisionId")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    resource_arn: Option<String>,
    expected_revision_id: Option<String>,
}

/// The revision of the policy that was there; if it had been deleted before, that of its deletion.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_id: Option<String>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let arn = check_arn(&mut constraints, &input.resource_arn);
    let expected = input.expected_revision_id.as_deref();
    check_revision(&mut constraints, expected);
    let holder = PolicyHolder::find(store, realm, constraints.finish(arn)?).await?;
    let now = store.clock().now().millis();
    let change = store.change_policy(&holder.realm, holder.table, holder.label, |found| {
        holder.check(found.as_ref(), expected)?;
        Ok(match found {
            None => (None, None),
            Some(Policy { document: None, revision }) => (None, Some(revision)),
            Some(Policy { document: Some(_), revision }) => {
                (Some(Policy { document: None, revision: now.max(revision + 1) }), Some(revision))
            }
        })
    });
    let revision = change.await.map_err(|error| holder.missing(error))?;
    Ok(Output { revision_id: revision.map(|revision| revision.to_string()) })
}
