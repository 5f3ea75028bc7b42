//! BatchExecuteStatement: up to 25 statements, each of which succeeds or fails by itself.
//!
//! A write is done in a transaction of its own, in the order of the request. A statement whose definition of the table was
//! out of date is run again alone, because the statements before it are done.

use serde::{Deserialize, Serialize};

use super::super::capacity::{Consumed, ConsumedCapacity, Detail};
use super::super::constraints::{Constraints, values};
use super::super::get_item::CONSISTENT_READ;
use super::super::parameters::{Parameter, done};
use super::super::{keys, run_until_schema_holds};
use super::Given;
use super::select::Reading;
use super::write::{Planned, returned};
use crate::error::Error;
use crate::item::Item;
use crate::item::wire::ValueInput;
use crate::partiql::{Request, Select, Write};
use crate::store::{Key, Realm, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("Statements"),
    done("Statements.Statement"),
    done("Statements.Parameters"),
    Parameter { name: "Statements.ConsistentRead", ..CONSISTENT_READ },
    done("Statements.ReturnValuesOnConditionCheckFailure"),
    done("ReturnConsumedCapacity"),
];

const MAX_STATEMENTS: usize = 25;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    statements: Option<Vec<BatchStatement>>,
    return_consumed_capacity: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct BatchStatement {
    statement: Option<String>,
    parameters: Option<Vec<ValueInput>>,
    consistent_read: Option<bool>,
    return_values_on_condition_check_failure: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub responses: Vec<Response>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

/// What became of one statement. A table is named where the statement came to be run.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Response {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
}

/// What running one statement gave.
#[derive(Default)]
struct Done {
    response: Response,
    consumed: Option<Consumed>,
    /// The table and the key that a SELECT read.
    read: Option<(u64, Key)>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let statements = check(input)?;
    let requests: Vec<Result<Request, Error>> = statements.iter().map(|(given, _)| given.request()).collect();
    let is_read = |request: &Result<Request, Error>| matches!(request, Ok(Request::Select(_)));
    let is_write = |request: &Result<Request, Error>| matches!(request, Ok(Request::Write(_)));
    if requests.iter().any(is_read) && requests.iter().any(is_write) {
        // The rule is AWS's (API reference, BatchExecuteStatement), the wording ours.
        return Err(Error::validation("The entire batch must consist of either read statements or write statements"));
    }
    let detail = Detail::of(input.return_consumed_capacity.as_deref());
    let mut output = Output::default();
    let mut capacity = Vec::new();
    let mut read = Vec::new();
    for ((_, statement), request) in statements.iter().zip(requests) {
        let done = match &request {
            Ok(request) => run_until_schema_holds(store, || one(store, realm, request, statement)).await,
            Err(error) => Err(error.clone()),
        };
        let done = done.unwrap_or_else(|error| Done { response: failed(&error, None), ..Done::default() });
        if let (Some(consumed), Some(table_name)) = (&done.consumed, &done.response.table_name) {
            capacity.extend(consumed.report(table_name, detail, None));
        }
        read.extend(done.read);
        output.responses.push(done.response);
    }
    if keys::any_twice(read.iter().map(|(table, key)| (*table, key))) {
        // A batch of reads is a BatchGetItem (Developer Guide, "Running batch operations with PartiQL"), whose rule and words
        // these are.
        return Err(Error::validation("Provided list of item keys contains duplicates"));
    }
    output.consumed_capacity = (detail != Detail::None).then_some(capacity);
    Ok(output)
}

fn check(input: &Input) -> Result<Vec<(Given<'_>, &BatchStatement)>, Error> {
    let mut constraints = Constraints::new();
    let statements = constraints.required("statements", &input.statements);
    let mut found = Vec::new();
    if let Some(statements) = statements {
        let count = statements.len();
        let shown = if count == 0 { "[]".to_owned() } else { format!("[{count} statements]") };
        constraints.size("statements", &shown, count, 1, MAX_STATEMENTS);
        for (at, statement) in statements.iter().enumerate() {
            let path = format!("statements.{}.member.", at + 1);
            let given = Given::check(&mut constraints, &path, &statement.statement, &statement.parameters);
            let failure_path = format!("{path}returnValuesOnConditionCheckFailure");
            let on_failure = statement.return_values_on_condition_check_failure.as_deref();
            constraints.one_of(&failure_path, on_failure, values::RETURN_ON_FAILURE);
            found.extend(given.map(|given| (given, statement)));
        }
    }
    let asked_capacity = input.return_consumed_capacity.as_deref();
    constraints.one_of("returnConsumedCapacity", asked_capacity, values::RETURN_CONSUMED_CAPACITY);
    constraints.finish(statements)?;
    Ok(found)
}

/// Runs one statement. Errors are of what stands in its way before it is run.
async fn one(store: &Store, realm: &Realm, request: &Request, statement: &BatchStatement) -> Result<Done, Error> {
    match request {
        Request::Select(select) => read_one(store, realm, select, statement.consistent_read == Some(true)).await,
        Request::Write(write) => {
            let return_item = statement.return_values_on_condition_check_failure.as_deref() == Some("ALL_OLD");
            write_one(store, realm, write, return_item).await
        }
        // The wording is ours.
        Request::Exists(_) => Err(Error::validation("EXISTS() is supported within ExecuteTransaction only")),
    }
}

async fn read_one(store: &Store, realm: &Realm, select: &Select, consistent: bool) -> Result<Done, Error> {
    let reading = Reading::plan(store, realm, select).await?;
    let key = reading.exact_key("BatchExecuteStatement")??;
    let found = store.get(&[(std::sync::Arc::clone(&reading.table), key.clone())]).await?.pop().flatten();
    let consumed = Consumed::read(found.as_ref().map_or(0, Item::size), consistent);
    let item = found.map(|item| reading.show(item));
    let response = Response { item, table_name: Some(reading.given_name.to_owned()), error: None };
    Ok(Done { response, consumed: Some(consumed), read: Some((reading.table.id, key)) })
}

async fn write_one(store: &Store, realm: &Realm, write: &Write, return_item: bool) -> Result<Done, Error> {
    let planned = Planned::plan(store, realm, write, return_item).await?;
    planned.key.as_ref().map_err(Clone::clone)?;
    match planned.run(store).await {
        Ok(written) => {
            let consumed = Some(planned.consumed(&written));
            let item = returned(write, written);
            let response = Response { item, table_name: Some(planned.given_name.to_owned()), error: None };
            Ok(Done { response, consumed, read: None })
        }
        Err(error) if error.is_schema_change() => Err(error),
        Err(error) => Ok(Done { response: failed(&error, Some(planned.given_name)), ..Done::default() }),
    }
}

fn failed(error: &Error, table_name: Option<&str>) -> Response {
    let item = match error {
        Error::ConditionalCheckFailed { item } => item.as_deref().cloned(),
        _ => None,
    };
    let error = Failure { code: code(error), message: error.to_string(), item };
    Response { error: Some(error), table_name: table_name.map(str::to_owned), item: None }
}

/// BatchStatementErrorCodeEnum.
const fn code(error: &Error) -> &'static str {
    match error {
        Error::Validation(_) | Error::Serialization(_) => "ValidationError",
        Error::ResourceNotFound(_) | Error::TableNotFound(_) => "ResourceNotFound",
        Error::ConditionalCheckFailed { .. } => "ConditionalCheckFailed",
        Error::DuplicateItem => "DuplicateItem",
        Error::ItemCollectionSizeLimitExceeded(_) => "ItemCollectionSizeLimitExceeded",
        Error::ProvisionedThroughputExceeded(_) => "ProvisionedThroughputExceeded",
        Error::TransactionConflict => "TransactionConflict",
        Error::Throttling(_) => "ThrottlingError",
        Error::AccessDenied(_) => "AccessDenied",
        _ => "InternalServerError",
    }
}
