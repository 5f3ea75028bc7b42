//! Resource policies: which table or stream a request speaks of, and which revision of its policy.
//!
//! Policies are kept and shown, and nobody is kept from anything by them: requests here come from nobody in particular. A
//! change is in force when it answers; AWS lets the next one wait for fifteen seconds. Messages as measured there (the notes
//! published as ack-api-quirks, findings DDB-TABLE-205 to 212, October 2026); how the one of another revision ends is ours.

use super::constraints::Constraints;
use super::describe_table::no_such_table;
use super::resource::{ResourceArn, ResourceKind};
use super::tags::required_arn;
use crate::error::Error;
use crate::store::{Policy, Realm, Store};

/// The revision that stands for there being no policy.
const NO_POLICY: &str = "NO_POLICY";

/// A table, or a stream of a table that is there.
pub struct PolicyHolder<'a> {
    pub realm: Realm,
    pub table: &'a str,
    pub label: Option<&'a str>,
    pub arn: &'a str,
}

/// What every operation on policies has, checked with what else `constraints` has seen.
pub fn check_arn<'v>(constraints: &mut Constraints, arn: &'v Option<String>) -> Option<&'v String> {
    required_arn(constraints, arn)
}

pub fn check_revision(constraints: &mut Constraints, revision: Option<&str>) {
    if let Some(revision) = revision {
        constraints.length("expectedRevisionId", revision, 1, 255);
    }
}

impl<'a> PolicyHolder<'a> {
    pub async fn find(store: &Store, realm: &Realm, arn: &'a str) -> Result<Self, Error> {
        let resource = ResourceArn::parse(arn)?;
        if !resource.is_local(realm) {
            return Err(Error::Validation(format!(
                "One or more parameter values were invalid: Invalid resource Arn: {arn}"
            )));
        }
        if resource.realm.account != realm.account {
            return Err(Error::validation(
                "This action is only supported by accounts that match the resource owner’s account.",
            ));
        }
        let table = store.current_table(&resource.realm, resource.table).await;
        let table = table.map_err(|error| no_such_table(error, resource.table))?;
        let label = match resource.kind {
            ResourceKind::Table => None,
            ResourceKind::Stream(label) => {
                // One of an earlier table of the name is not this table's.
                let found = store.stream(&resource.realm, resource.table, label).await;
                if !found.is_ok_and(|stream| stream.table_id == table.id) {
                    return Err(Error::ResourceNotFound(format!(
                        "Requested resource not found: Stream: {label} not found for Table: {}",
                        resource.table
                    )));
                }
                Some(label)
            }
        };
        Ok(Self { realm: resource.realm, table: resource.table, label, arn })
    }

    /// That the policy there is has the revision that is expected.
    pub fn check(&self, found: Option<&Policy>, expected: Option<&str>) -> Result<(), Error> {
        let Some(expected) = expected else { return Ok(()) };
        let found = found.filter(|policy| policy.document.is_some());
        let table = self.table;
        let because = match found {
            None if expected == NO_POLICY => return Ok(()),
            None => format!("table {table} has no associated policy"),
            Some(policy) if policy.revision.to_string() == expected => return Ok(()),
            Some(_) => format!("the policy associated to target table {table} did not match"),
        };
        Err(not_found(&format!("Requested update for policy with revision id {expected}, but {because}")))
    }

    pub fn missing(&self, error: Error) -> Error {
        no_such_table(error, self.table)
    }
}

pub fn not_found(what: &str) -> Error {
    Error::PolicyNotFound(format!("Resource-based policy not found for the provided ResourceArn: {what}"))
}
