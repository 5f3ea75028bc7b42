//! The rules of CreateTable and their messages.

use serde_json::{Value, json};

use super::*;
use crate::store::table::{KeyKind, StreamViewType};

fn realm() -> Realm {
    Realm { account: "123456789012".to_owned(), region: "us-east-1".to_owned() }
}

fn definition_of(request: &Value) -> Result<TableDefinition, Error> {
    let input: Input =
        serde_json::from_value(request.clone()).map_err(|error| Error::Serialization(error.to_string()))?;
    define(&realm(), &input, Constraints::new()).map(|(_, definition)| definition)
}

/// A valid request whose members are replaced by those of `changes`, or removed where they are null.
fn request(changes: &Value) -> Value {
    let mut request = json!({
        "TableName": "orders",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}
        ],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "BillingMode": "PAY_PER_REQUEST"
    });
    if let (Some(request), Some(changes)) = (request.as_object_mut(), changes.as_object()) {
        for (name, value) in changes {
            request.insert(name.clone(), value.clone());
        }
    }
    request
}

fn message(changes: &Value) -> String {
    definition_of(&request(changes)).err().map(|error| error.to_string()).unwrap_or_default()
}

fn attributes(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"AttributeName": name, "AttributeType": "S"})).collect()
}

fn key(elements: &[(&str, &str)]) -> Value {
    elements.iter().map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind})).collect()
}

fn index(name: &str, elements: &[(&str, &str)]) -> Value {
    json!({"IndexName": name, "KeySchema": key(elements), "Projection": {"ProjectionType": "ALL"}})
}

#[test]
fn a_whole_definition_is_understood() -> Result<(), Error> {
    let definition = definition_of(&request(&json!({
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"},
            {"AttributeName": "day", "AttributeType": "B"}
        ],
        "LocalSecondaryIndexes": [{
            "IndexName": "by-day", "KeySchema": key(&[("pk", "HASH"), ("day", "RANGE")]),
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a"]}
        }],
        "GlobalSecondaryIndexes": [index("all-of-day", &[("day", "HASH"), ("pk", "HASH"), ("sk", "RANGE")])],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
        "DeletionProtectionEnabled": true
    })))?;
    assert_eq!(definition.key.sort, [KeyAttribute { name: "sk".to_owned(), kind: KeyKind::N }]);
    let kinds: Vec<_> = definition.indexes.iter().map(|index| (index.name.as_str(), index.kind)).collect();
    assert_eq!(kinds, [("by-day", IndexKind::Local), ("all-of-day", IndexKind::Global)]);
    assert_eq!(definition.indexes.last().map(|index| (index.key.partition.len(), index.key.sort.len())), Some((2, 1)));
    assert_eq!(definition.stream, Some(StreamViewType::NewImage));
    assert!(definition.deletion_protection);
    Ok(())
}

#[test]
fn every_rule_has_its_message() {
    let invalid = "One or more parameter values were invalid: ";
    let table: &[(Value, String)] = &[
        (
            json!({"TableName": null, "KeySchema": null}),
            "2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null; \
             Value null at 'keySchema' failed to satisfy constraint: Member must not be null"
                .to_owned(),
        ),
        (
            json!({"KeySchema": key(&[("pk", "HASH"), ("sk", "SORT")])}),
            "1 validation error detected: Value 'SORT' at 'keySchema.2.member.keyType' failed to satisfy constraint: Member \
             must satisfy enum value set: [HASH, RANGE]"
                .to_owned(),
        ),
        (
            json!({"KeySchema": key(&[("pk", "HASH"), ("sk", "RANGE"), ("tk", "RANGE")])}),
            "1 validation error detected: Value '[KeySchemaElement(attributeName=pk, keyType=HASH), \
             KeySchemaElement(attributeName=sk, keyType=RANGE), KeySchemaElement(attributeName=tk, keyType=RANGE)]' at \
             'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2"
                .to_owned(),
        ),
        (
            json!({"BillingMode": "FREE"}),
            "1 validation error detected: Value 'FREE' at 'billingMode' failed to satisfy constraint: Member must satisfy \
             enum value set: [PROVISIONED, PAY_PER_REQUEST]"
                .to_owned(),
        ),
        (
            json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 1}}),
            "1 validation error detected: Value '0' at 'provisionedThroughput.readCapacityUnits' failed to satisfy \
             constraint: Member must have value greater than or equal to 1"
                .to_owned(),
        ),
        (
            json!({"BillingMode": null}),
            format!("{invalid}ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"),
        ),
        (
            json!({"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}),
            format!(
                "{invalid}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is \
                 PAY_PER_REQUEST"
            ),
        ),
        (
            json!({"AttributeDefinitions": attributes(&["pk", "sk", "pk"])}),
            "Cannot have two attributes with the same name".to_owned(),
        ),
        (
            json!({"KeySchema": key(&[("pk", "RANGE"), ("sk", "HASH")])}),
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type".to_owned(),
        ),
        (
            json!({"KeySchema": key(&[("pk", "HASH"), ("sk", "HASH")])}),
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type".to_owned(),
        ),
        (
            json!({"KeySchema": key(&[("pk", "HASH"), ("pk", "RANGE")])}),
            "Invalid KeySchema: Both the Hash Key and the Range Key element in the KeySchema have the same name".to_owned(),
        ),
        (
            json!({"AttributeDefinitions": attributes(&["pk"])}),
            "Invalid KeySchema: Some index key attribute have no definition".to_owned(),
        ),
        (
            json!({"AttributeDefinitions": attributes(&["pk", "sk", "other"])}),
            format!(
                "{invalid}Number of attributes in KeySchema does not exactly match number of attributes defined in \
                 AttributeDefinitions"
            ),
        ),
        (json!({"LocalSecondaryIndexes": []}), format!("{invalid}List of LocalSecondaryIndexes is empty")),
        (json!({"GlobalSecondaryIndexes": []}), format!("{invalid}List of GlobalSecondaryIndexes is empty")),
        (
            json!({"GlobalSecondaryIndexes": [index("idx", &[("day", "HASH")])]}),
            format!(
                "{invalid}Some index key attributes are not defined in AttributeDefinitions. Keys: [day], \
                 AttributeDefinitions: [pk, sk]"
            ),
        ),
        (
            json!({
                "AttributeDefinitions": attributes(&["pk", "sk", "other"]),
                "GlobalSecondaryIndexes": [index("idx", &[("sk", "HASH")])]
            }),
            format!("{invalid}Some AttributeDefinitions are not used. AttributeDefinitions: [pk, sk, other], keys used: [pk, sk]"),
        ),
        (
            json!({"GlobalSecondaryIndexes": [index("idx", &[("sk", "HASH")]), index("idx", &[("sk", "HASH")])]}),
            format!("{invalid}Duplicate index name: idx"),
        ),
        (
            json!({"LocalSecondaryIndexes": [index("idx", &[("pk", "HASH")])]}),
            format!("{invalid}Index KeySchema does not have a range key for index: idx"),
        ),
        (
            json!({"LocalSecondaryIndexes": [index("idx", &[("sk", "HASH"), ("pk", "RANGE")])]}),
            format!(
                "{invalid}Index KeySchema does not have the same leading hash key as table KeySchema for index: idx. index \
                 hash key: sk, table hash key: pk"
            ),
        ),
        (
            json!({
                "AttributeDefinitions": attributes(&["pk"]), "KeySchema": key(&[("pk", "HASH")]),
                "LocalSecondaryIndexes": [index("idx", &[("pk", "HASH"), ("sk", "RANGE")])]
            }),
            format!("{invalid}Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex"),
        ),
        (
            json!({"GlobalSecondaryIndexes": [{"IndexName": "idx", "KeySchema": key(&[("sk", "HASH")]), "Projection": {}}]}),
            format!("{invalid}Unknown ProjectionType: null"),
        ),
        (
            json!({"GlobalSecondaryIndexes": [{
                "IndexName": "idx", "KeySchema": key(&[("sk", "HASH")]),
                "Projection": {"ProjectionType": "ALL", "NonKeyAttributes": ["a"]}
            }]}),
            format!("{invalid}ProjectionType is ALL, but NonKeyAttributes is specified"),
        ),
        (
            json!({"GlobalSecondaryIndexes": [{
                "IndexName": "idx", "KeySchema": key(&[("sk", "HASH")]), "Projection": {"ProjectionType": "INCLUDE"}
            }]}),
            format!("{invalid}ProjectionType is INCLUDE, but NonKeyAttributes is not specified"),
        ),
        (json!({"VectorIndexes": []}), format!("{invalid}List of VectorIndexes is empty")),
    ];
    for (changes, expected) in table {
        assert_eq!(message(changes), *expected, "{changes}");
    }
}

#[test]
fn a_table_has_at_most_five_local_and_twenty_global_indexes() {
    let many = |count: usize, elements: &[(&str, &str)]| -> Value {
        (0..count).map(|number| index(&format!("index-{number}"), elements)).collect()
    };
    let local = [("pk", "HASH"), ("sk", "RANGE")];
    let global = [("sk", "HASH")];
    assert_eq!(message(&json!({"LocalSecondaryIndexes": many(5, &local)})), "");
    assert!(message(&json!({"LocalSecondaryIndexes": many(6, &local)})).ends_with("per-table limit of 5"));
    assert_eq!(message(&json!({"GlobalSecondaryIndexes": many(20, &global)})), "");
    assert!(message(&json!({"GlobalSecondaryIndexes": many(21, &global)})).ends_with("per-table limit of 20"));
}
