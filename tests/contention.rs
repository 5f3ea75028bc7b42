//! What a request is answered whose transaction never gets through: other writers are always in its way, or storage never
//! says what became of it.
#![expect(clippy::panic_in_result_fn, reason = "tests")]

#[expect(dead_code, reason = "other tests use the rest")]
mod common;

use common::{Outcome, START, World, now};
use fdyno::clock::Clock;
use fdyno::error::Error;
use fdyno::kv::Database;
use fdyno::kv::faults::{Kind, Plan};
use fdyno::store::{Realm, Store};
use serde_json::{Value, json};

/// A table with one item, in a database whose reads or commits go wrong from now on.
fn world(plan: Plan) -> Result<World, Box<dyn std::error::Error>> {
    let database = Database::faults(Clock::deterministic(START, 7), plan);
    let faults = database.injected_faults().cloned().ok_or("no faults")?;
    faults.pause();
    let store = now(Store::open(database, b"test".to_vec()))?;
    let world = World { store, realm: Realm { account: "000000000000".into(), region: "eu-west-1".into() } };
    world.call(
        "CreateTable",
        &json!({
            "TableName": "table", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]
        }),
    )?;
    world.call("PutItem", &put("there", "before"))?;
    faults.resume();
    Ok(world)
}

fn put(id: &str, mark: &str) -> Value {
    json!({"TableName": "table", "Item": {"id": {"S": id}, "mark": {"S": mark}}})
}

fn transaction() -> Value {
    json!({"TransactItems": [{"Put": put("there", "after")}, {"Put": put("new", "after")}]})
}

fn nothing_was_written(world: &World) -> Outcome {
    let faults = world.store.database().injected_faults().cloned().ok_or("no faults")?;
    faults.pause();
    faults.flush();
    let scanned = world.call("Scan", &json!({"TableName": "table"}))?;
    assert_eq!(scanned["Items"], json!([put("there", "before")["Item"]]));
    Ok(())
}

#[test]
fn a_transaction_that_conflicts_for_ever_is_cancelled_as_on_aws() -> Outcome {
    let world = world(Plan::none().with(Kind::Conflict, 1.0))?;
    let Err(error) = world.call("TransactWriteItems", &transaction()) else { return Err("it was written".into()) };
    let Error::TransactionCanceled { reasons } = &error else { return Err(error.into()) };
    let told: Vec<_> = reasons.iter().map(|reason| (reason.code, reason.message.as_deref())).collect();
    assert_eq!(told, [("TransactionConflict", Some("Transaction is ongoing for the item")); 2]);
    assert_eq!(
        error.to_string(),
        "Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict, \
         TransactionConflict]"
    );
    nothing_was_written(&world)
}

#[test]
fn another_write_that_conflicts_for_ever_is_an_internal_error_that_says_so() -> Outcome {
    let world = world(Plan::none().with(Kind::Conflict, 1.0))?;
    let told = world.failure("PutItem", &put("there", "after"));
    let text = "gave up after 1000 attempts, none of which had any effect; the last one ended in: transaction not committed \
                due to conflict with another transaction";
    assert_eq!(told, ("InternalServerError".to_owned(), text.to_owned()));
    nothing_was_written(&world)
}

#[test]
fn a_transaction_that_fails_for_another_reason_is_not_called_a_conflict() -> Outcome {
    let world = world(Plan::none().with(Kind::TooOld, 1.0))?;
    let (code, message) = world.failure("TransactWriteItems", &transaction());
    assert_eq!(code, "InternalServerError");
    assert!(message.contains("none of which had any effect") && message.contains("too old"), "{message}");
    nothing_was_written(&world)
}

#[test]
fn storage_that_never_says_what_became_of_a_commit_is_asked_for_a_minute_only() -> Outcome {
    let world = world(Plan::none().with(Kind::LaterNever, 1.0).with_slow_faults(30_000))?;
    for (operation, request) in [("PutItem", put("there", "after")), ("TransactWriteItems", transaction())] {
        let told = world.failure(operation, &request);
        assert_eq!(told, ("InternalServerError".to_owned(), "transaction may or may not have committed".to_owned()));
    }
    nothing_was_written(&world)
}
