//! The rules of keys and their messages.

use super::*;
use crate::store::table::{BillingMode, IndexKind, IndexStatus, KeyKind, Projection, Realm};

fn schema(partition: &[(&str, KeyKind)], sort: &[(&str, KeyKind)]) -> KeySchema {
    let of = |attributes: &[(&str, KeyKind)]| -> Vec<KeyAttribute> {
        attributes.iter().map(|(name, kind)| KeyAttribute { name: (*name).to_owned(), kind: *kind }).collect()
    };
    KeySchema { partition: of(partition), sort: of(sort) }
}

/// `pk` S, `sk` N, and a global index `gsi` on `gpk` S, `gsk` B.
pub fn table() -> Table {
    Table {
        id: 1,
        uuid: String::new(),
        version: 1,
        realm: Realm { account: "123456789012".to_owned(), region: "us-east-1".to_owned() },
        name: "orders".to_owned(),
        created_millis: 0,
        attribute_definitions: Vec::new(),
        key: schema(&[("pk", KeyKind::S)], &[("sk", KeyKind::N)]),
        indexes: vec![Index {
            id: 1,
            name: "gsi".to_owned(),
            kind: IndexKind::Global,
            key: schema(&[("gpk", KeyKind::S)], &[("gsk", KeyKind::B)]),
            projection: Projection::All,
            status: IndexStatus::Active,
            throughput: None,
            capacity: Default::default(),
            vector: None,
        }],
        next_index_id: 2,
        stream: None,
        latest_stream_label: None,
        billing_mode: BillingMode::PayPerRequest,
        throughput: None,
        on_demand_since_millis: None,
        deletion_protection: false,
        time_to_live: None,
        time_to_live_changed_millis: None,
        settings: Default::default(),
        holders: Vec::new(),
        restore: None,
        is_importing: false,
    }
}

fn item(attributes: &[(&str, AttributeValue)]) -> Item {
    attributes.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.into())
}

fn message<T>(result: Result<T, Error>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn a_key_has_exactly_the_attributes_of_the_schema() {
    let table = table();
    assert!(from_parameter(&table, &item(&[("pk", text("x")), ("sk", number(1))])).is_ok());
    for key in [
        item(&[]),
        item(&[("pk", text("x"))]),
        item(&[("pk", text("x")), ("sk", text("1"))]),
        item(&[("pk", text("x")), ("sk", number(1)), ("other", number(1))]),
        item(&[("pk", text("x")), ("other", number(1))]),
    ] {
        assert_eq!(message(from_parameter(&table, &key)), SCHEMA_MISMATCH, "{key:?}");
    }
}

#[test]
fn every_rule_of_a_whole_item_has_its_message() {
    let table = table();
    let with = |attributes: &[(&str, AttributeValue)]| {
        let mut whole = item(&[("pk", text("x")), ("sk", number(1))]);
        for (name, value) in attributes {
            whole.insert((*name).into(), value.clone());
        }
        message(from_item(&table, &whole))
    };
    let invalid = "One or more parameter values were invalid: ";
    let not_valid = "One or more parameter values are not valid. ";
    assert_eq!(with(&[]), "");
    assert_eq!(
        message(from_item(&table, &item(&[("pk", text("x"))]))),
        format!("{invalid}Missing the key sk in the item")
    );
    assert_eq!(with(&[("pk", number(5))]), format!("{invalid}Type mismatch for key pk expected: S actual: N"));
    assert_eq!(
        with(&[("pk", text(""))]),
        format!("{not_valid}The AttributeValue for a key attribute cannot contain an empty string value. Key: pk")
    );
    assert_eq!(
        with(&[("gpk", number(1))]),
        format!("{invalid}Type mismatch for Index Key gpk Expected: S Actual: N IndexName: gsi")
    );
    assert_eq!(
        with(&[("gsk", AttributeValue::B(Vec::new()))]),
        format!(
            "{not_valid}A value specified for a secondary index key is not supported. The AttributeValue for a key \
             attribute cannot contain an empty binary value. IndexName: gsi, IndexKey: gsk"
        )
    );
    assert_eq!(with(&[("pk", text(&"x".repeat(2048)))]), "");
    assert_eq!(
        with(&[("pk", text(&"x".repeat(2049)))]),
        format!("{invalid}Size of hashkey has exceeded the maximum size limit of2048 bytes")
    );
    let index_key = |bytes| [("gpk", text("x")), ("gsk", AttributeValue::B(vec![1; bytes]))];
    assert_eq!(with(&index_key(1024)), "");
    assert_eq!(
        with(&index_key(1025)),
        format!("{invalid}Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
    );
}

#[test]
fn an_update_is_blamed_only_for_the_index_keys_it_touches() {
    let table = table();
    let wrong = item(&[("pk", text("x")), ("sk", number(1)), ("gpk", number(1))]);
    assert_eq!(message(check_updated(&table, &wrong, |_| false)), "");
    assert!(message(check_updated(&table, &wrong, |name| name == "gpk")).contains("Type mismatch for Index Key gpk"));
    let empty = item(&[("pk", text("x")), ("sk", number(1)), ("gpk", text(""))]);
    assert!(message(check_updated(&table, &empty, |_| true)).contains("update a secondary index key"));
}

#[test]
fn the_same_key_twice_is_found_and_the_same_key_of_two_tables_is_not() {
    let key = |value: &str| Key { partition: vec![text(value)], sort: Vec::new() };
    let (one, two) = (key("one"), key("two"));
    assert!(!any_twice([(1, &one), (1, &two), (2, &one)].into_iter()));
    assert!(any_twice([(1, &one), (1, &two), (1, &key("one"))].into_iter()));
}
