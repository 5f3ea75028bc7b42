//! TransactWriteItems: up to 100 puts, updates, deletes and condition checks, all or none.
//!
//! The request token is stored in the transaction it names, with a digest of the request: the same request with the same
//! token succeeds again without writing, another request with it is an error.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use futures_util::try_join;
use serde::{Deserialize, Serialize};

use super::capacity::{Consumed, ConsumedCapacity, Detail, Direction, PerTable, read_units};
use super::constraints::{Constraints, values};
use super::parameters::{Parameter, done};
use super::single_write::{COLLECTION_METRICS, ItemCollectionMetrics, MetricsPerTable};
use super::transact_write_plan::plan;
use super::wire::Attributes;
use crate::error::{CancellationReason, Error};
use crate::item::Item;
use crate::store::{Actor, Change, ClientToken, Expected, Key, Realm, Row, Store, StreamPlace, Table, Transaction};

pub const PARAMETERS: &[Parameter] =
    &[done("TransactItems"), done("ClientRequestToken"), done("ReturnConsumedCapacity"), COLLECTION_METRICS];

pub const MAX_ACTIONS: usize = 100;
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
pub const SAME_ITEM_TWICE: &str = "Transaction request cannot include multiple operations on one item";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    pub transact_items: Option<Vec<TransactWriteItem>>,
    client_request_token: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

/// Exactly one of its members is given. Serialized for the request's digest.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TransactWriteItem {
    pub condition_check: Option<OnKey>,
    pub put: Option<Put>,
    pub delete: Option<OnKey>,
    pub update: Option<Update>,
}

/// ConditionCheck and Delete.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct OnKey {
    pub key: Option<Attributes>,
    pub table_name: Option<String>,
    pub condition_expression: Option<String>,
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    pub expression_attribute_values: Option<Attributes>,
    pub return_values_on_condition_check_failure: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Put {
    pub item: Option<Attributes>,
    pub table_name: Option<String>,
    pub condition_expression: Option<String>,
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    pub expression_attribute_values: Option<Attributes>,
    pub return_values_on_condition_check_failure: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Update {
    pub key: Option<Attributes>,
    pub update_expression: Option<String>,
    pub table_name: Option<String>,
    pub condition_expression: Option<String>,
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    pub expression_attribute_values: Option<Attributes>,
    pub return_values_on_condition_check_failure: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_collection_metrics: Option<BTreeMap<String, Vec<ItemCollectionMetrics>>>,
}

/// One action of a transaction, ready to be done.
pub trait TransactAction: Sync {
    fn given_name(&self) -> &str;
    fn table(&self) -> &Arc<Table>;
    /// An error is this action's reason for the cancellation.
    fn key(&self) -> Result<&Key, &Error>;
    /// What becomes of the item, or why the transaction is cancelled.
    fn decide(&self, item: Option<&Item>) -> Result<Change, CancellationReason>;
}

/// What one run of the transaction consumed, and whether it wrote or only met its own token.
pub struct Outcome {
    pub capacity: PerTable,
    pub direction: Direction,
    /// A checkpoint was not where it was expected, so nothing was written.
    was_elsewhere: bool,
}

impl Outcome {
    const fn of(capacity: PerTable, direction: Direction) -> Self {
        Self { capacity, direction, was_elsewhere: false }
    }
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let items = constraints.required("transactItems", &input.transact_items);
    if let Some(items) = items {
        constraints.size("transactItems", &format!("[{} actions]", items.len()), items.len(), 1, MAX_ACTIONS);
    }
    if let Some(token) = &input.client_request_token {
        constraints.length("clientRequestToken", token, 1, 36);
    }
    let asked_capacity = input.return_consumed_capacity.as_deref();
    constraints.one_of("returnConsumedCapacity", asked_capacity, values::RETURN_CONSUMED_CAPACITY);
    let asked_metrics = input.return_item_collection_metrics.as_deref();
    constraints.one_of("returnItemCollectionMetrics", asked_metrics, values::RETURN_ITEM_COLLECTION_METRICS);
    let planned = plan(store, realm, items.map_or(&[], Vec::as_slice), constraints).await?;
    let token = match &input.client_request_token {
        Some(token) => Some((token.as_str(), digest(&input.transact_items)?)),
        None => None,
    };

    let planned = planned.as_slice();
    let outcome = transact(store, realm, planned, token.as_ref(), None).await?;
    let mut metrics = MetricsPerTable::default();
    for planned in planned {
        if let Ok(key) = &planned.key {
            metrics.add(planned.given_name, &planned.table, key);
        }
    }
    Ok(Output {
        consumed_capacity: outcome.capacity.report(Detail::of(asked_capacity), Some(outcome.direction)),
        item_collection_metrics: metrics.report(asked_metrics),
    })
}

/// A checkpoint's move that is part of the transaction.
pub struct Joined<'a> {
    pub table_name: &'a str,
    pub name: &'a str,
    pub expected: Expected<'a>,
    pub to: Option<&'a StreamPlace>,
}

/// Writes `items`, of which there may be none, together with the move of a checkpoint; not, if that is not where it is
/// expected.
pub async fn run_joined(
    store: &Store,
    realm: &Realm,
    items: &[TransactWriteItem],
    constraints: Constraints,
    joined: &Joined<'_>,
) -> Result<bool, Error> {
    let planned = plan(store, realm, items, constraints).await?;
    Ok(!transact(store, realm, &planned, None, Some(joined)).await?.was_elsewhere)
}

/// The transaction; nothing is written if the checkpoint is not where it is expected.
pub async fn transact<A: TransactAction>(
    store: &Store,
    realm: &Realm,
    planned: &[A],
    token: Option<&(&str, [u8; 32])>,
    joined: Option<&Joined<'_>>,
) -> Result<Outcome, Error> {
    store
        .transact(move |transaction| async move {
            // Asked for together; a repetition reads its rows for nothing, but those are rare.
            let stored = async {
                match token {
                    Some((token, _)) => transaction.client_token(realm, token).await,
                    None => Ok(None),
                }
            };
            let moved = async {
                let Some(Joined { table_name, name, expected, to }) = joined else { return Ok(true) };
                transaction.move_checkpoint(realm, table_name, name, *expected, *to).await
            };
            let keys = planned.iter().filter_map(|planned| Some((planned, planned.key().ok()?)));
            let rows = keys.map(|(planned, key)| transaction.row(planned.table(), key));
            let (stored, moved, rows) = try_join!(stored, moved, try_join_all(rows))?;
            if !moved {
                return Ok(Outcome { was_elsewhere: true, ..Outcome::of(PerTable::default(), Direction::Write) });
            }
            if let (Some((_, digest)), Some(stored)) = (token, stored) {
                // A table of which no row was read may be gone.
                for planned in planned {
                    transaction.fence(planned.table()).await?;
                }
                return if stored.request_digest == *digest {
                    replay(&stored)
                } else {
                    Err(Error::IdempotentParameterMismatch)
                };
            }
            for planned in planned {
                planned.key().map_err(Clone::clone)?;
            }
            write_all(&transaction, planned, rows, store, realm, token)
        })
        .await
        .map_err(|error| if error.is_contention() { in_conflict(planned.len()) } else { error })
}

/// One attempt: decides on each row, and writes all if none fails.
fn write_all<A: TransactAction>(
    transaction: &Transaction,
    planned: &[A],
    rows: Vec<Row>,
    store: &Store,
    realm: &Realm,
    token: Option<&(&str, [u8; 32])>,
) -> Result<Outcome, Error> {
    let decisions: Vec<_> = planned.iter().zip(&rows).map(|(planned, row)| planned.decide(row.item())).collect();
    cancelled(decisions.iter().map(|decision| decision.as_ref().err().cloned().unwrap_or_else(no_reason)).collect())?;

    let mut capacity = PerTable::default();
    let mut reads: Vec<(&str, f64)> = Vec::new();
    let mut bytes = 0;
    for ((planned, row), change) in planned.iter().zip(rows).zip(decisions.into_iter().flatten()) {
        let written = transaction.write(planned.table(), row, change, Actor::User)?;
        bytes += written.old_size.max(written.new_size);
        capacity.add(planned.given_name(), &Consumed::write(planned.table(), &written).doubled());
        reads.push((planned.given_name(), read_units(written.new_size, true) * 2.0));
    }
    if bytes > MAX_BYTES {
        return Err(Error::validation("The total size of the items of a TransactWriteItems request exceeds 4 MB"));
    }
    if let Some((token, digest)) = token {
        let response = serde_json::to_vec(&reads).map_err(|error| Error::InternalServerError(error.to_string()))?;
        let value = ClientToken { request_digest: *digest, at_millis: store.clock().now().millis(), response };
        transaction.put_client_token(realm, token, &value)?;
    }
    Ok(Outcome::of(capacity, Direction::Write))
}

/// The answer to a request whose token says that it was done: it has cost reading the items.
fn replay(stored: &ClientToken) -> Result<Outcome, Error> {
    let reads: Vec<(String, f64)> =
        serde_json::from_slice(&stored.response).map_err(|error| Error::InternalServerError(error.to_string()))?;
    let mut capacity = PerTable::default();
    for (table_name, units) in &reads {
        capacity.add(table_name, &Consumed { table: *units, ..Consumed::default() });
    }
    Ok(Outcome::of(capacity, Direction::Read))
}

/// Tells requests with one token apart. Attributes are sorted and normalised by now, so equal requests have equal digests.
pub fn digest<T: Serialize>(items: &T) -> Result<[u8; 32], Error> {
    let mut hasher = blake3::Hasher::new();
    serde_json::to_writer(&mut hasher, items).map_err(|error| Error::InternalServerError(error.to_string()))?;
    Ok(*hasher.finalize().as_bytes())
}

/// An error if any of the actions has a reason.
pub fn cancelled(reasons: Vec<CancellationReason>) -> Result<(), Error> {
    if reasons.iter().all(|reason| reason.code == "None") {
        Ok(())
    } else {
        Err(Error::TransactionCanceled { reasons })
    }
}

pub const fn no_reason() -> CancellationReason {
    CancellationReason { code: "None", message: None, item: None }
}

/// A transaction that other writers never let through. Which of its items they write the store does not say, so it is all of
/// them. Code and message are those that AWS documents for TransactionCanceledException.
fn in_conflict(actions: usize) -> Error {
    let reason = CancellationReason {
        code: "TransactionConflict",
        message: Some(Error::TransactionConflict.to_string()),
        item: None,
    };
    Error::TransactionCanceled { reasons: vec![reason; actions] }
}

/// The reason of an action that is wrong in itself.
pub fn validation_reason(error: Option<&Error>) -> CancellationReason {
    match error {
        None => no_reason(),
        Some(error) => CancellationReason { code: "ValidationError", message: Some(error.to_string()), item: None },
    }
}

/// The reason of an action whose condition does not hold.
pub fn condition_reason(item: Option<&Item>) -> CancellationReason {
    CancellationReason {
        code: "ConditionalCheckFailed",
        message: Some("The conditional request failed".to_owned()),
        item: item.cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_requests_have_equal_digests_however_they_are_written() -> Result<(), Box<dyn std::error::Error>> {
        let digest_of = |text: &str| -> Result<[u8; 32], Box<dyn std::error::Error>> {
            let input: Input = serde_json::from_str(text)?;
            Ok(digest(&input.transact_items)?)
        };
        let one =
            digest_of(r#"{"TransactItems":[{"Put":{"TableName":"orders","Item":{"a":{"N":"1.0"},"b":{"S":"x"}}}}]}"#)?;
        let same = digest_of(
            r#"{"ClientRequestToken":"t","TransactItems":[{"Put":{"Item":{"b":{"S":"x"},"a":{"N":"1"}},"TableName":"orders"}}]}"#,
        )?;
        let other =
            digest_of(r#"{"TransactItems":[{"Put":{"TableName":"orders","Item":{"a":{"N":"2"},"b":{"S":"x"}}}}]}"#)?;
        assert_eq!(one, same);
        assert_ne!(one, other);
        Ok(())
    }
}
