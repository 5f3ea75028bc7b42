//! ExecuteStatement: one statement of PartiQL.

use serde::{Deserialize, Serialize};

use super::super::capacity::{ConsumedCapacity, Detail};
use super::super::constraints::{Constraints, values};
use super::super::get_item::CONSISTENT_READ;
use super::super::parameters::{Parameter, done};
use super::select::{Asked, Reading};
use super::write::{Planned, returned};
use super::{Given, next_token};
use crate::error::Error;
use crate::item::Item;
use crate::item::wire::ValueInput;
use crate::partiql::Request;
use crate::store::{Realm, Store};

pub const PARAMETERS: &[Parameter] = &[
    done("Statement"),
    done("Parameters"),
    CONSISTENT_READ,
    done("NextToken"),
    done("ReturnConsumedCapacity"),
    done("Limit"),
    done("ReturnValuesOnConditionCheckFailure"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    statement: Option<String>,
    parameters: Option<Vec<ValueInput>>,
    consistent_read: Option<bool>,
    next_token: Option<String>,
    return_consumed_capacity: Option<String>,
    limit: Option<i64>,
    return_values_on_condition_check_failure: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub items: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<ConsumedCapacity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_evaluated_key: Option<Item>,
}

pub async fn run(store: &Store, realm: &Realm, input: &Input) -> Result<Output, Error> {
    let mut constraints = Constraints::new();
    let given = Given::check(&mut constraints, "", &input.statement, &input.parameters);
    if let Some(token) = &input.next_token {
        constraints.unquoted_size("nextToken", token.len(), 1, next_token::MAX_TOKEN);
    }
    let asked_capacity = input.return_consumed_capacity.as_deref();
    constraints.one_of("returnConsumedCapacity", asked_capacity, values::RETURN_CONSUMED_CAPACITY);
    constraints.unquoted_least("Limit", input.limit, 1);
    let on_failure = input.return_values_on_condition_check_failure.as_deref();
    constraints.one_of("returnValuesOnConditionCheckFailure", on_failure, values::RETURN_ON_FAILURE);
    let given = constraints.finish(given)?;
    let detail = Detail::of(asked_capacity);

    match given.request()? {
        Request::Select(select) => {
            let reading = Reading::plan(store, realm, &select).await?;
            let asked = Asked {
                consistent: input.consistent_read == Some(true),
                limit: input.limit,
                next_token: input.next_token.as_deref(),
            };
            let answer = reading.run(store, &given, asked).await?;
            Ok(Output {
                items: answer.items,
                next_token: answer.next_token,
                consumed_capacity: answer.consumed.report(reading.given_name, detail, None),
                last_evaluated_key: answer.last_evaluated_key,
            })
        }
        Request::Write(write) => {
            let planned = Planned::plan(store, realm, &write, on_failure == Some("ALL_OLD")).await?;
            let written = planned.run(store).await?;
            let consumed_capacity = planned.consumed(&written).report(planned.given_name, detail, None);
            let items = returned(&write, written).into_iter().collect();
            Ok(Output { items, consumed_capacity, ..Output::default() })
        }
        // The wording is ours.
        Request::Exists(_) => Err(Error::validation("EXISTS() is supported within ExecuteTransaction only")),
    }
}
