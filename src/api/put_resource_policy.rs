//! PutResourcePolicy: gives a table or a stream its policy. One that says what the last one says changes nothing.

use serde::{Deserialize, Serialize};

use super::constraints::Constraints;
use super::parameters::{Parameter, different, done};
use super::policies::{PolicyHolder, check_arn, check_revision};
use super::policy_document::{locks_out, parse};
use crate::error::Error;
use crate::store::{Policy, Realm, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("ResourceArn"),
    different("Policy", "kept and shown, without effect; its structure is checked, not whether what it names exists"),
    done("ExpectedRevisionId"),
    different(
        "ConfirmRemoveSelfResourceAccess",
        "needed for what forbids everybody to change the policy; conditions and principals are not weighed",
    ),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    resource_arn: Option<String>,
    policy: Option<String>,
    expected_revision_id: Option<String>,
    confirm_remove_self_resource_access: Option<bool>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub revision_id: String,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let arn = check_arn(&mut constraints, &input.resource_arn);
    let policy = constraints.required("policy", &input.policy);
    let expected = input.expected_revision_id.as_deref();
    check_revision(&mut constraints, expected);
    let (arn, policy) = constraints.finish((arn, policy))?;
    let holder = PolicyHolder::find(store, realm, arn).await?;
    let document = &parse(realm, policy)?;
    if locks_out(document) && input.confirm_remove_self_resource_access != Some(true) {
        return Err(Error::AccessDenied(
            "The new resource policy will not allow you to update the resource policy in the future.".to_owned(),
        ));
    }
    let now = store.clock().now().millis();
    let change = store.change_policy(&holder.realm, holder.table, holder.label, |found| {
        holder.check(found.as_ref(), expected)?;
        match found {
            Some(found) if found.document.as_ref() == Some(document) => Ok((None, found.revision)),
            found => {
                let revision = found.map_or(now, |found| now.max(found.revision + 1));
                Ok((Some(Policy { document: Some(document.clone()), revision }), revision))
            }
        }
    });
    let revision = change.await.map_err(|error| holder.missing(error))?;
    Ok(Output { revision_id: revision.to_string() })
}
