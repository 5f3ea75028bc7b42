//! What an UpdateTable request changes of a table, and what it may not.

use serde_json::{Value, json};

use super::*;
use crate::api::keys::tests::table;
use crate::store::table::{StreamViewType, TableStream, Throughput};
use crate::store::{OnDemandChange, TableClass};

fn changes_of(table: &Table, request: &Value) -> Result<Vec<TableChange>, Error> {
    let mut request = request.clone();
    if let Some(members) = request.as_object_mut() {
        members.insert("TableName".to_owned(), json!("orders"));
    }
    let input: Input = serde_json::from_value(request).map_err(|error| Error::Serialization(error.to_string()))?;
    input.check()?;
    changes(table, &input, Timestamp(0))
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
    assert_eq!(updates(&[&missing]), "Requested resource not found: Index none for table orders");
    assert!(updates(&[&delete, &other]).starts_with("Subscriber limit exceeded: Only 1 online index"));
    assert!(updates(&[&delete, &delete]).contains("Only one global secondary index update per index"));
    assert!(updates(&[&json!({})]).contains("One of GlobalSecondaryIndexUpdate.Update, "));
    assert!(updates(&[]).contains("List of GlobalSecondaryIndexUpdates is empty"));
}

#[test]
fn billing_changes_bring_their_throughput() {
    let on_demand = Table { indexes: Vec::new(), ..table() };
    let throughput = Some(Throughput { read: 5, write: 5 });
    let provisioned = Table { billing_mode: BillingMode::Provisioned, throughput, ..on_demand.clone() };
    let five = json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 5});
    assert_eq!(
        changes_of(&on_demand, &json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": five})),
        Ok(vec![TableChange::Billing(BillingMode::Provisioned, Some(Throughput { read: 5, write: 5 }))])
    );
    assert_eq!(
        changes_of(&provisioned, &json!({"BillingMode": "PAY_PER_REQUEST"})),
        Ok(vec![TableChange::Billing(BillingMode::PayPerRequest, None)])
    );
    assert!(
        message(&on_demand, &json!({"BillingMode": "PROVISIONED"}))
            .contains("ProvisionedThroughput must be specified when")
    );
    assert!(message(&on_demand, &json!({"ProvisionedThroughput": five})).contains("Neither ReadCapacityUnits"));
    assert!(message(&provisioned, &json!({"ProvisionedThroughput": five})).contains("will not change"));
}

#[test]
fn a_table_becomes_provisioned_with_all_its_indexes() {
    let request = |updates: Value| {
        let five = json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 5});
        json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": five, "GlobalSecondaryIndexUpdates": updates})
    };
    let capacity = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 2});
    let one = request(json!([{"Update": {"IndexName": "gsi", "ProvisionedThroughput": capacity}}]));
    assert_eq!(
        changes_of(&with_attributes(), &one),
        Ok(vec![
            TableChange::Billing(BillingMode::Provisioned, Some(Throughput { read: 5, write: 5 })),
            TableChange::IndexThroughput("gsi".to_owned(), Throughput { read: 1, write: 2 }),
        ])
    );
    let none = request(Value::Null);
    assert!(message(&with_attributes(), &none).contains("ProvisionedThroughput must be specified for index: gsi"));
}

#[test]
fn most_changes_must_be_alone() {
    let five = json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 5});
    let parts = json!({
        "SSESpecification": {"Enabled": true}, "TableClass": "STANDARD", "DeletionProtectionEnabled": true,
        "WarmThroughput": {"ReadUnitsPerSecond": 20_000}, "OnDemandThroughput": {"MaxReadRequestUnits": 5},
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}, "ProvisionedThroughput": five,
        "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "gsi"}}], "BillingMode": "PAY_PER_REQUEST"
    });
    let together = |names: &[&str]| {
        let members = names.iter().map(|name| ((*name).to_owned(), parts[*name].clone())).collect();
        message(&table(), &Value::Object(members)).replace("One or more parameter values were invalid: ", "")
    };
    let alone = |what: &str| format!("{what} must be the only operation in the request");
    let order = ["SSESpecification", "TableClass", "DeletionProtectionEnabled", "WarmThroughput"];
    let names = [
        "Server-Side Encryption modification",
        "TableClass modification",
        "DeletionProtection modification",
        "WarmThroughput",
    ];
    for (at, name) in order.iter().enumerate() {
        for other in order.iter().skip(at + 1).chain(&["StreamSpecification", "BillingMode", "OnDemandThroughput"]) {
            assert_eq!(together(&[name, other]), alone(names[at]), "{name} {other}");
        }
    }
    let on_demand = "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request";
    assert_eq!(together(&["OnDemandThroughput", "StreamSpecification"]), on_demand);
    assert_eq!(together(&["OnDemandThroughput", "BillingMode"]), "");
    assert_eq!(together(&["BillingMode", "StreamSpecification"]), "");
    let iops = "while updating table IOPS";
    assert_eq!(
        together(&["ProvisionedThroughput", "StreamSpecification"]),
        format!("You cannot modify stream status {iops}")
    );
    assert_eq!(
        together(&["ProvisionedThroughput", "GlobalSecondaryIndexUpdates"]),
        format!("You cannot create or delete index {iops}")
    );
    assert_eq!(
        together(&["StreamSpecification", "GlobalSecondaryIndexUpdates"]),
        "You cannot create or delete index while changing stream status"
    );
}

#[test]
fn a_structure_without_members_asks_for_nothing() {
    for member in ["WarmThroughput", "OnDemandThroughput"] {
        assert!(message(&table(), &json!({member: {}})).starts_with("At least one of ProvisionedThroughput"));
        let beside = json!({member: {}, "TableClass": "STANDARD"});
        assert_eq!(changes_of(&table(), &beside), Ok(vec![TableChange::Class(TableClass::Standard)]));
    }
}

#[test]
fn an_index_on_demand_has_its_own_limits() {
    let update = |update: Value| json!({"GlobalSecondaryIndexUpdates": [{"Update": update}]});
    let limit = update(json!({"IndexName": "gsi", "OnDemandThroughput": {"MaxReadRequestUnits": 7}}));
    let change = OnDemandChange { read: Some(7), write: None };
    assert_eq!(changes_of(&with_attributes(), &limit), Ok(vec![TableChange::IndexOnDemand("gsi".to_owned(), change)]));
    let nothing = update(json!({"IndexName": "gsi"}));
    assert!(
        message(&with_attributes(), &nothing).contains("The only Updates for index: gsi when TableThroughputMode is")
    );
    let empty = update(json!({"IndexName": "gsi", "WarmThroughput": {}}));
    assert!(message(&with_attributes(), &empty).contains("WarmThroughput must have at least one of"));
    let capacity = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 2});
    let provisioned = update(json!({"IndexName": "gsi", "ProvisionedThroughput": capacity}));
    assert!(message(&with_attributes(), &provisioned).contains("can be specified for index: gsi when BillingMode is"));
}
