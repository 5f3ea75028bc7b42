//! ExecuteTransaction: up to 100 statements, all reads from one snapshot, or all writes and checks, all or none.
//!
//! Writes are the transaction of TransactWriteItems, request token included. What is wrong with a statement is the request's error and
//! names the statement; what is wrong with a key or an item is a reason of the cancellation.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::capacity::{Consumed, ConsumedCapacity, Detail, Direction, PerTable};
use super::super::constraints::{Constraints, values};
use super::super::keys;
use super::super::parameters::{Parameter, done};
use super::super::transact_get_items::ItemResponse;
use super::super::transact_write_items::{
    MAX_ACTIONS, MAX_BYTES, SAME_ITEM_TWICE, TransactAction, cancelled, condition_reason, digest, transact,
    validation_reason,
};
use super::Given;
use super::select::{Reading, refuse_index_in_transaction};
use super::write::Planned;
use crate::error::{CancellationReason, Error};
use crate::item::wire::ValueInput;
use crate::item::{AttributeValue, Item};
use crate::partiql::{Request, Select, Statement};
use crate::store::{Change, Key, Realm, Store, Table};

pub const PARAMETERS: &[Parameter] = &[
    done("TransactStatements"),
    done("TransactStatements.Statement"),
    done("TransactStatements.Parameters"),
    done("TransactStatements.ReturnValuesOnConditionCheckFailure"),
    done("ClientRequestToken"),
    done("ReturnConsumedCapacity"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    transact_statements: Option<Vec<TransactStatement>>,
    client_request_token: Option<String>,
    return_consumed_capacity: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TransactStatement {
    statement: Option<String>,
    parameters: Option<Vec<ValueInput>>,
    return_values_on_condition_check_failure: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// One for each read; none for writes.
    pub responses: Vec<ItemResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

/// A statement, what it asks for, and whether a failed check tells the item.
type Asked = (Request, bool);

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let given = check(input)?;
    let parameters = given.iter().map(|(given, _)| given.values()).collect::<Result<Vec<_>, _>>()?;
    let mut asked: Vec<Asked> = Vec::with_capacity(given.len());
    for (at, ((given, return_item), parameters)) in given.iter().zip(&parameters).enumerate() {
        asked.push((request(given.statement, parameters).map_err(|error| of_statement(at, error))?, *return_item));
    }
    let detail = Detail::of(input.return_consumed_capacity.as_deref());
    let reads: Vec<&Select> = asked
        .iter()
        .filter_map(|(request, _)| if let Request::Select(select) = request { Some(select) } else { None })
        .collect();
    if reads.len() == asked.len() {
        return read(store, realm, &reads, detail).await;
    }
    if !reads.is_empty() {
        // The rule is AWS's (API reference, ExecuteTransaction), the wording ours.
        return Err(Error::validation(
            "The entire transaction must consist of either read statements or write statements",
        ));
    }
    let token = match &input.client_request_token {
        Some(token) => {
            let statements: Vec<&str> = given.iter().map(|(given, _)| given.statement).collect();
            Some((token.as_str(), digest(&("ExecuteTransaction", statements, &parameters))?))
        }
        None => None,
    };
    write(store, realm, &asked, token.as_ref(), detail).await
}

/// Each statement, and whether a failed check tells the item.
fn check(input: &Input) -> Result<Vec<(Given<'_>, bool)>, Error> {
    let mut constraints = Constraints::new();
    let statements = constraints.required("transactStatements", &input.transact_statements);
    let mut found = Vec::new();
    if let Some(statements) = statements {
        let count = statements.len();
        let shown = if count == 0 { "[]".to_owned() } else { format!("[{count} statements]") };
        constraints.size("transactStatements", &shown, count, 1, MAX_ACTIONS);
        for (at, statement) in statements.iter().enumerate() {
            let path = format!("transactStatements.{}.member.", at + 1);
            let given = Given::check(&mut constraints, &path, &statement.statement, &statement.parameters);
            let failure_path = format!("{path}returnValuesOnConditionCheckFailure");
            let on_failure = statement.return_values_on_condition_check_failure.as_deref();
            constraints.one_of(&failure_path, on_failure, values::RETURN_ON_FAILURE);
            found.extend(given.map(|given| (given, on_failure == Some("ALL_OLD"))));
        }
    }
    if let Some(token) = &input.client_request_token {
        constraints.length("clientRequestToken", token, 1, 36);
    }
    let asked_capacity = input.return_consumed_capacity.as_deref();
    constraints.one_of("returnConsumedCapacity", asked_capacity, values::RETURN_CONSUMED_CAPACITY);
    constraints.finish(statements)?;
    Ok(found)
}

/// What a statement asks for, if a transaction can do it.
fn request(statement: &str, parameters: &[AttributeValue]) -> Result<Request, Error> {
    let request = Statement::parse(statement)?.lower(parameters)?;
    match &request {
        Request::Select(select) | Request::Exists(select) => refuse_index_in_transaction(select)?,
        Request::Write(write) if write.returning.is_some() => {
            return Err(Error::validation("RETURNING clause is not supported in ExecuteTransaction."));
        }
        Request::Write(_) => {}
    }
    Ok(request)
}

/// An error of the request that one statement is to blame for.
fn of_statement(at: usize, error: Error) -> Error {
    match error {
        Error::Validation(message) => {
            Error::Validation(format!("Validation failed in TransactStatements[{at}]: {message}"))
        }
        other => other,
    }
}

async fn read(store: &Store, realm: &Realm, selects: &[&Select], detail: Detail) -> Result<Output, Error> {
    let mut planned: Vec<(Reading<'_>, Result<Key, Error>)> = Vec::with_capacity(selects.len());
    for (at, select) in selects.iter().enumerate() {
        let reading = Reading::plan(store, realm, select).await.map_err(|error| of_statement(at, error))?;
        let key = reading.exact_key("ExecuteTransaction").map_err(|error| of_statement(at, error))?;
        planned.push((reading, key));
    }
    let keys = || planned.iter().filter_map(|(reading, key)| Some((reading, key.as_ref().ok()?)));
    if keys::any_twice(keys().map(|(reading, key)| (reading.table.id, key))) {
        return Err(Error::validation(SAME_ITEM_TWICE));
    }
    cancelled(planned.iter().map(|(_, key)| validation_reason(key.as_ref().err())).collect())?;
    let places: Vec<_> = keys().map(|(reading, key)| (Arc::clone(&reading.table), key.clone())).collect();
    let found = store.get(&places).await?;
    if found.iter().flatten().map(Item::size).sum::<usize>() > MAX_BYTES {
        return Err(Error::validation("The total size of the items of an ExecuteTransaction request exceeds 4 MB"));
    }
    let mut capacity = PerTable::default();
    let mut output = Output::default();
    for ((reading, _), item) in planned.iter().zip(found) {
        let consumed = Consumed::read(item.as_ref().map_or(0, Item::size), true).doubled();
        capacity.add(reading.given_name, &consumed);
        output.responses.push(ItemResponse { item: item.map(|item| reading.show(item)) });
    }
    output.consumed_capacity = capacity.report(detail, Some(Direction::Read));
    Ok(output)
}

async fn write(
    store: &Store,
    realm: &Realm,
    asked: &[Asked],
    token: Option<&(&str, [u8; 32])>,
    detail: Detail,
) -> Result<Output, Error> {
    let mut planned = Vec::with_capacity(asked.len());
    for (at, (request, return_item)) in asked.iter().enumerate() {
        let plan = match request {
            Request::Write(write) => Planned::plan(store, realm, write, *return_item).await,
            Request::Exists(select) | Request::Select(select) => {
                Planned::check(store, realm, select, *return_item).await
            }
        };
        planned.push(plan.map_err(|error| of_statement(at, error))?);
    }
    let keys = planned.iter().filter_map(|planned| Some((planned.table.id, planned.key.as_ref().ok()?)));
    if keys::any_twice(keys) {
        return Err(Error::validation(SAME_ITEM_TWICE));
    }
    cancelled(planned.iter().map(|planned| validation_reason(planned.key.as_ref().err())).collect())?;
    let outcome = transact(store, realm, &planned, token, None).await?;
    let consumed_capacity = outcome.capacity.report(detail, Some(outcome.direction));
    Ok(Output { responses: Vec::new(), consumed_capacity })
}

impl TransactAction for Planned<'_> {
    fn given_name(&self) -> &str {
        self.given_name
    }

    fn table(&self) -> &Arc<Table> {
        &self.table
    }

    fn key(&self) -> Result<&Key, &Error> {
        self.key.as_ref()
    }

    fn decide(&self, item: Option<&Item>) -> Result<Change, CancellationReason> {
        Planned::decide(self, item).map_err(|error| match error {
            Error::ConditionalCheckFailed { item } => condition_reason(item.as_deref()),
            Error::DuplicateItem => CancellationReason {
                code: "DuplicateItem",
                message: Some(Error::DuplicateItem.to_string()),
                item: item.filter(|_| self.return_item).cloned(),
            },
            other => validation_reason(Some(&other)),
        })
    }
}
