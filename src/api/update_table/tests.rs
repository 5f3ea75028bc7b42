//! What an UpdateTable request changes of a table, and what it may not.

use serde_json::{Value, json};

use super::*;
use crate::api::keys::tests::table;
use crate::store::table::{StreamViewType, TableStream, Throughput};

fn changes_of(table: &Table, request: &Value) -> Result<Vec<TableChange>, Error> {
    let mut request = request.clone();
    if let Some(members) = request.as_object_mut() {
        members.insert("TableName".to_owned(), json!("orders"));
    }
    let input: Input = serde_json::from_value(request).map_err(|error| Error::Serialization(error.to_string()))?;
    input.check()?;
    changes(table, &input)
}

fn message(table: &Table, request: &Value) -> String {
    changes_of(table, request).err().map(|error| error.to_string()).unwrap_or_default()
}

fn with_attributes() -> Table {
    let table = table();
    let attribute_definitions =
        table.key.attributes().chain(table.indexes.iter().flat_map(|index| index.key.attributes()));
    Table { attribute_definitions: attribute_definitions.cloned().collect(), ..table.clone() }
}

#[test]
fn a_request_must_ask_for_something() {
    assert!(message(&table(), &json!({})).starts_with("At least one of ProvisionedThroughput, BillingMode, "));
}

#[test]
fn a_stream_is_opened_once_and_closed_once() {
    let closed = table();
    let open =
        Table { stream: Some(TableStream { view: StreamViewType::NewImage, label: "2026".to_owned() }), ..table() };
    let enable = json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}});
    let disable = json!({"StreamSpecification": {"StreamEnabled": false}});
    assert_eq!(changes_of(&closed, &enable), Ok(vec![TableChange::EnableStream(StreamViewType::KeysOnly)]));
    assert_eq!(changes_of(&open, &disable), Ok(vec![TableChange::DisableStream]));
    assert_eq!(message(&open, &enable), "Table already has an enabled stream: TableName: orders");
    assert_eq!(message(&closed, &disable), "Table has no stream to disable: TableName: orders");
}

#[test]
fn definitions_follow_the_indexes_that_are_made_and_removed() -> Result<(), Error> {
    let table = with_attributes();
    let names = |changes: &[TableChange]| -> Vec<String> {
        let of = |change: &TableChange| match change {
            TableChange::AttributeDefinitions(attributes) => {
                Some(attributes.iter().map(|attribute| attribute.name.clone()).collect())
            }
            _ => None,
        };
        changes.iter().find_map(of).unwrap_or_default()
    };
    let deleted = changes_of(&table, &json!({"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "gsi"}}]}))?;
    assert_eq!(names(&deleted), ["pk", "sk"]);
    assert_eq!(deleted.last(), Some(&TableChange::DeleteIndex("gsi".to_owned())));
    let created = changes_of(
        &table,
        &json!({
            "AttributeDefinitions": [{"AttributeName": "day", "AttributeType": "S"}],
            "GlobalSecondaryIndexUpdates": [{"Create": {
                "IndexName": "by-day", "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"}
            }}]
        }),
    )?;
    assert_eq!(names(&created), ["pk", "sk", "gpk", "gsk", "day"]);
    Ok(())
}

#[test]
fn index_updates_that_cannot_be_are_refused() {
    let table = with_attributes();
    let create = json!({"Create": {
        "IndexName": "gsi", "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}
    }});
    let other = json!({"Create": {
        "IndexName": "other", "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}
    }});
    let missing = json!({"Delete": {"IndexName": "none"}});
    let delete = json!({"Delete": {"IndexName": "gsi"}});
    let updates = |updates: &[&Value]| message(&table, &json!({"GlobalSecondaryIndexUpdates": updates}));
    assert_eq!(updates(&[&create]), "Attempting to create an index which already exists");
    assert_eq!(updates(&[&missing]), "Requested resource not found");
    assert!(updates(&[&delete, &other]).starts_with("Subscriber limit exceeded: Only 1 online index"));
    assert!(updates(&[&delete, &delete]).contains("Only one global secondary index update per index"));
    assert!(updates(&[&json!({})]).contains("One of GlobalSecondaryIndexUpdate's"));
}

#[test]
fn billing_changes_bring_their_throughput() {
    let on_demand = table();
    let provisioned =
        Table { billing_mode: BillingMode::Provisioned, throughput: Some(Throughput { read: 5, write: 5 }), ..table() };
    let five = json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 5});
    assert_eq!(
        changes_of(&on_demand, &json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": five})),
        Ok(vec![TableChange::Billing(BillingMode::Provisioned, Some(Throughput { read: 5, write: 5 }))])
    );
    assert_eq!(
        changes_of(&provisioned, &json!({"BillingMode": "PAY_PER_REQUEST"})),
        Ok(vec![TableChange::Billing(BillingMode::PayPerRequest, None)])
    );
    assert!(message(&on_demand, &json!({"BillingMode": "PROVISIONED"})).contains("must both be specified"));
    assert!(message(&on_demand, &json!({"ProvisionedThroughput": five})).contains("Neither ReadCapacityUnits"));
    assert!(message(&provisioned, &json!({"ProvisionedThroughput": five})).contains("will not change"));
}
