//! The item operations end to end: requests in JSON, answers in JSON, on the memory engine.

mod common;

use common::{Outcome, START, World, now, world};
use fdyno::clock::Clock;
use fdyno::error::Error;
use fdyno::kv::Database;
use fdyno::kv::faults::{Kind, Plan};
use fdyno::store::{Realm, Store};
use serde_json::{Value, json};

/// `orders`: pk S, sk N; `by-day`: a local index on day S; `by-owner`: a global index on owner S with what it projects.
fn orders() -> Result<World, Error> {
    let world = world()?;
    world.call(
        "CreateTable",
        &json!({
            "TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"},
                {"AttributeName": "day", "AttributeType": "S"}, {"AttributeName": "owner", "AttributeType": "S"}
            ],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            "LocalSecondaryIndexes": [{
                "IndexName": "by-day", "Projection": {"ProjectionType": "KEYS_ONLY"},
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "day", "KeyType": "RANGE"}]
            }],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-owner", "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["total"]},
                "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
            }]
        }),
    )?;
    Ok(world)
}

fn order(number: i64) -> Value {
    json!({
        "pk": {"S": "a"}, "sk": {"N": number.to_string()}, "day": {"S": format!("day-{}", 9 - number)},
        "owner": {"S": "me"}, "total": {"N": (number * 10).to_string()}, "note": {"S": "x"}
    })
}

fn key(number: i64) -> Value {
    json!({"pk": {"S": "a"}, "sk": {"N": number.to_string()}})
}

fn put(world: &World, number: i64) -> Result<Value, Error> {
    world.call("PutItem", &json!({"TableName": "orders", "Item": order(number)}))
}

/// The sort keys of the items of a page.
fn numbers(page: &Value) -> Vec<String> {
    let items = page["Items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["sk"]["N"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn an_item_that_was_put_is_read_and_replaced_and_deleted() -> Outcome {
    let world = orders()?;
    assert_eq!(put(&world, 1)?, json!({}));
    let get = json!({"TableName": "orders", "Key": key(1)});
    assert_eq!(world.call("GetItem", &get)?, json!({"Item": order(1)}));
    let projected = json!({
        "TableName": "orders", "Key": key(1), "ProjectionExpression": "#t, nothing", "ReturnConsumedCapacity": "TOTAL",
        "ConsistentRead": true, "ExpressionAttributeNames": {"#t": "total"}
    });
    assert_eq!(
        world.call("GetItem", &projected)?,
        json!({"Item": {"total": {"N": "10"}}, "ConsumedCapacity": {"TableName": "orders", "CapacityUnits": 1.0}})
    );
    let legacy = json!({"TableName": "orders", "Key": key(1), "AttributesToGet": ["note"]});
    assert_eq!(world.call("GetItem", &legacy)?, json!({"Item": {"note": {"S": "x"}}}));
    let replaced = json!({"TableName": "orders", "Item": key(1), "ReturnValues": "ALL_OLD"});
    assert_eq!(world.call("PutItem", &replaced)?, json!({"Attributes": order(1)}));
    let deleted = json!({"TableName": "orders", "Key": key(1), "ReturnValues": "ALL_OLD"});
    assert_eq!(world.call("DeleteItem", &deleted)?, json!({"Attributes": key(1)}));
    assert_eq!(world.call("DeleteItem", &deleted)?, json!({}));
    assert_eq!(world.call("GetItem", &get)?, json!({}));
    Ok(())
}

#[test]
fn a_table_is_named_by_its_arn_too() -> Outcome {
    let world = orders()?;
    put(&world, 1)?;
    let arn = "arn:aws:dynamodb:eu-west-1:000000000000:table/orders";
    assert_eq!(world.call("GetItem", &json!({"TableName": arn, "Key": key(1)}))?, json!({"Item": order(1)}));
    let elsewhere = "arn:aws:dynamodb:us-east-1:000000000000:table/orders";
    assert!(world.invalid("GetItem", &json!({"TableName": elsewhere, "Key": key(1)})).contains("another region"));
    let other_account = "arn:aws:dynamodb:eu-west-1:000000000001:table/orders";
    let (code, _) = world.failure("GetItem", &json!({"TableName": other_account, "Key": key(1)}));
    assert_eq!(code, "ResourceNotFoundException");
    Ok(())
}

#[test]
fn a_condition_that_does_not_hold_changes_nothing() -> Outcome {
    let world = orders()?;
    let guarded = json!({
        "TableName": "orders", "Item": order(1), "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD"
    });
    world.call("PutItem", &guarded)?;
    match world.call("PutItem", &guarded) {
        Err(Error::ConditionalCheckFailed { item: Some(item) }) => assert_eq!(serde_json::to_value(&item)?, order(1)),
        other => unreachable!("{other:?}"),
    }
    let silent = json!({"TableName": "orders", "Key": key(1), "Expected": {"total": {"Value": {"N": "11"}}}});
    assert_eq!(world.call("DeleteItem", &silent), Err(Error::ConditionalCheckFailed { item: None }));
    assert_eq!(world.call("GetItem", &json!({"TableName": "orders", "Key": key(1)}))?, json!({"Item": order(1)}));
    Ok(())
}

#[test]
fn an_update_answers_what_return_values_asks_for() -> Outcome {
    let world = orders()?;
    put(&world, 1)?;
    let update = |return_values: &str| {
        world.call(
            "UpdateItem",
            &json!({
                "TableName": "orders", "Key": key(1), "UpdateExpression": "SET #t = #t + :one REMOVE #d",
                "ExpressionAttributeNames": {"#t": "total", "#d": "day"},
                "ExpressionAttributeValues": {":one": {"N": "1"}},
                "ReturnValues": return_values
            }),
        )
    };
    assert_eq!(update("UPDATED_OLD")?, json!({"Attributes": {"total": {"N": "10"}, "day": {"S": "day-8"}}}));
    assert_eq!(update("UPDATED_NEW")?, json!({"Attributes": {"total": {"N": "12"}}}));
    assert_eq!(update("ALL_OLD")?["Attributes"]["total"], json!({"N": "12"}));
    assert_eq!(update("ALL_NEW")?["Attributes"]["total"], json!({"N": "14"}));
    assert_eq!(update("NONE")?, json!({}));
    let upsert = json!({"TableName": "orders", "Key": key(2), "ReturnValues": "ALL_NEW"});
    assert_eq!(world.call("UpdateItem", &upsert)?, json!({"Attributes": key(2)}));
    let legacy = json!({
        "TableName": "orders", "Key": key(3), "AttributeUpdates": {"total": {"Action": "ADD", "Value": {"N": "5"}}},
        "ReturnValues": "UPDATED_NEW"
    });
    assert_eq!(world.call("UpdateItem", &legacy)?, json!({"Attributes": {"total": {"N": "5"}}}));
    Ok(())
}

#[test]
fn an_update_that_only_takes_away_makes_no_item_where_there_is_none() -> Outcome {
    let world = orders()?;
    let takes_away = |expression: &str| {
        let mut update = json!({"TableName": "orders", "Key": key(1), "UpdateExpression": expression});
        if expression.contains(":tags") {
            update["ExpressionAttributeValues"] = json!({":tags": {"SS": ["a"]}});
        }
        update
    };
    let get = || world.call("GetItem", &json!({"TableName": "orders", "Key": key(1)}));
    for expression in ["REMOVE note", "DELETE tags :tags", "REMOVE note DELETE tags :tags"] {
        let mut update = takes_away(expression);
        world.call("TransactWriteItems", &json!({"TransactItems": [{"Update": update}]}))?;
        update["ReturnValues"] = "ALL_NEW".into();
        assert_eq!(world.call("UpdateItem", &update)?, json!({}), "{expression}");
        assert_eq!(get()?, json!({}), "{expression}");
    }
    world.call("UpdateItem", &json!({"TableName": "orders", "Key": key(1)}))?;
    assert_eq!(get()?["Item"], key(1), "an update of nothing does make one");
    Ok(())
}

#[test]
fn writes_that_break_a_rule_have_their_messages() -> Outcome {
    let world = orders()?;
    let put = |item: Value| world.invalid("PutItem", &json!({"TableName": "orders", "Item": item}));
    let invalid = "One or more parameter values were invalid: ";
    assert_eq!(put(json!({"pk": {"S": "a"}})), format!("{invalid}Missing the key sk in the item"));
    assert_eq!(
        put(json!({"pk": {"S": "a"}, "sk": {"N": "1"}, "owner": {"N": "1"}})),
        format!("{invalid}Type mismatch for Index Key owner Expected: S Actual: N IndexName: by-owner")
    );
    assert_eq!(
        put(json!({"pk": {"S": "a"}, "sk": {"N": "1"}, "big": {"S": "x".repeat(400 * 1024)}})),
        "Item size has exceeded the maximum allowed size"
    );
    let update = |name: &str| {
        world.invalid(
            "UpdateItem",
            &json!({
                "TableName": "orders", "Key": key(1), "UpdateExpression": "SET #n = :v",
                "ExpressionAttributeNames": {"#n": name}, "ExpressionAttributeValues": {":v": {"N": "1"}}
            }),
        )
    };
    assert_eq!(update("sk"), format!("{invalid}Cannot update attribute sk. This attribute is part of the key"));
    assert!(update("day").contains("Type mismatch for Index Key day Expected: S Actual: N IndexName: by-day"));
    assert_eq!(
        world.invalid("GetItem", &json!({"TableName": "orders", "Key": {"pk": {"S": "a"}}})),
        "The provided key element does not match the schema"
    );
    assert_eq!(
        world.invalid("PutItem", &json!({"TableName": "orders", "Item": order(1), "ReturnValues": "ALL_NEW"})),
        "Return values set to invalid value"
    );
    let both = json!({
        "TableName": "orders", "Item": order(1), "Expected": {}, "ConditionExpression": "attribute_exists(pk)"
    });
    assert_eq!(
        world.invalid("PutItem", &both),
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: \
         {Expected} Expression parameters: {ConditionExpression}"
    );
    assert_eq!(
        world.failure("PutItem", &json!({"TableName": "nowhere", "Item": order(1)})),
        ("ResourceNotFoundException".to_owned(), "Requested resource not found".to_owned())
    );
    Ok(())
}

#[test]
fn a_query_pages_through_its_partition_in_both_directions() -> Outcome {
    let world = orders()?;
    for number in 1..=5 {
        put(&world, number)?;
    }
    let query = |more: &Value| {
        let mut request = json!({
            "TableName": "orders", "KeyConditionExpression": "pk = :p AND sk > :s",
            "ExpressionAttributeValues": {":p": {"S": "a"}, ":s": {"N": "1"}}
        });
        if let (Some(request), Some(more)) = (request.as_object_mut(), more.as_object()) {
            request.extend(more.clone());
        }
        request
    };
    let first = world.call("Query", &query(&json!({"Limit": 2})))?;
    assert_eq!((numbers(&first), &first["LastEvaluatedKey"]), (vec!["2".to_owned(), "3".to_owned()], &key(3)));
    let rest = world.call("Query", &query(&json!({"ExclusiveStartKey": key(3)})))?;
    assert_eq!((numbers(&rest), rest.get("LastEvaluatedKey")), (vec!["4".to_owned(), "5".to_owned()], None));
    let backward = world.call("Query", &query(&json!({"ScanIndexForward": false, "Select": "COUNT"})))?;
    assert_eq!(backward, json!({"Count": 4, "ScannedCount": 4}));
    assert_eq!(
        world.invalid("Query", &query(&json!({"ExclusiveStartKey": key(1)}))),
        "The provided starting key does not match the range key predicate"
    );
    assert_eq!(
        world.invalid("Query", &query(&json!({"ExclusiveStartKey": {"pk": {"S": "b"}, "sk": {"N": "2"}}}))),
        "The provided starting key is outside query boundaries based on provided conditions"
    );
    assert_eq!(
        world.invalid("Query", &query(&json!({"ExclusiveStartKey": {"pk": {"S": "a"}}}))),
        "The provided starting key is invalid"
    );
    assert_eq!(
        world.invalid("Query", &query(&json!({"FilterExpression": "pk = :p"}))),
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: pk"
    );
    Ok(())
}

#[test]
fn indexes_are_queried_with_what_they_project() -> Outcome {
    let world = orders()?;
    for number in 1..=3 {
        put(&world, number)?;
    }
    let by_owner = |more: &Value| {
        let mut request = json!({
            "TableName": "orders", "IndexName": "by-owner", "KeyConditionExpression": "#o = :o",
            "ExpressionAttributeNames": {"#o": "owner"}, "ExpressionAttributeValues": {":o": {"S": "me"}}
        });
        if let (Some(request), Some(more)) = (request.as_object_mut(), more.as_object()) {
            request.extend(more.clone());
        }
        request
    };
    let page = world.call("Query", &by_owner(&json!({"Limit": 1, "ReturnConsumedCapacity": "INDEXES"})))?;
    assert_eq!(
        page["Items"],
        json!([{"pk": {"S": "a"}, "sk": {"N": "1"}, "owner": {"S": "me"}, "total": {"N": "10"}}])
    );
    assert_eq!(page["LastEvaluatedKey"], json!({"pk": {"S": "a"}, "sk": {"N": "1"}, "owner": {"S": "me"}}));
    assert_eq!(
        page["ConsumedCapacity"],
        json!({
            "TableName": "orders", "CapacityUnits": 0.5, "Table": {"CapacityUnits": 0.0},
            "GlobalSecondaryIndexes": {"by-owner": {"CapacityUnits": 0.5}}
        })
    );
    let rest = world.call("Query", &by_owner(&json!({"ExclusiveStartKey": page["LastEvaluatedKey"]})))?;
    assert_eq!(numbers(&rest), ["2", "3"]);
    assert_eq!(
        world.invalid("Query", &by_owner(&json!({"ConsistentRead": true}))),
        "Consistent reads are not supported on global secondary indexes"
    );
    assert!(
        world.invalid("Query", &by_owner(&json!({"Select": "ALL_ATTRIBUTES"}))).ends_with("projection type is not ALL")
    );
    assert!(
        world
            .invalid("Query", &by_owner(&json!({"ProjectionExpression": "note"})))
            .ends_with("does not project [note]")
    );
    let by_day = world.call(
        "Query",
        &json!({
            "TableName": "orders", "IndexName": "by-day", "KeyConditionExpression": "pk = :p", "Select": "ALL_ATTRIBUTES",
            "ExpressionAttributeValues": {":p": {"S": "a"}}
        }),
    )?;
    assert_eq!(numbers(&by_day), ["3", "2", "1"]);
    assert_eq!(by_day["Items"][0], order(3));
    assert_eq!(
        world.invalid("Scan", &json!({"TableName": "orders", "IndexName": "none"})),
        "The table does not have the specified index: none"
    );
    Ok(())
}

#[test]
fn the_segments_of_a_scan_together_are_the_table() -> Outcome {
    let world = orders()?;
    for number in 1..=40 {
        let item = json!({"pk": {"S": format!("p{number}")}, "sk": {"N": number.to_string()}});
        world.call("PutItem", &json!({"TableName": "orders", "Item": item}))?;
    }
    let mut found = Vec::new();
    for segment in 0..3 {
        let mut start = Value::Null;
        loop {
            let request = json!({
                "TableName": "orders", "Segment": segment, "TotalSegments": 3, "Limit": 5, "ExclusiveStartKey": start
            });
            let page = world.call("Scan", &request)?;
            found.extend(numbers(&page));
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                break;
            }
        }
    }
    found.sort_by_key(|number| number.parse::<i64>().unwrap_or_default());
    let all: Vec<String> = (1..=40).map(|number: i64| number.to_string()).collect();
    assert_eq!(found, all);
    let filtered = json!({
        "TableName": "orders", "FilterExpression": "sk <= :n", "ExpressionAttributeValues": {":n": {"N": "4"}}
    });
    let page = world.call("Scan", &filtered)?;
    assert_eq!((page["Count"].clone(), page["ScannedCount"].clone()), (json!(4), json!(40)));
    assert_eq!(
        world.invalid("Scan", &json!({"TableName": "orders", "ExclusiveStartKey": {"pk": {"S": "a"}}})),
        "The provided starting key is invalid: The provided key element does not match the schema"
    );
    Ok(())
}

#[test]
fn batches_write_and_read_across_tables() -> Outcome {
    let world = orders()?;
    put(&world, 9)?;
    let writes = json!({
        "RequestItems": {"orders": [
            {"PutRequest": {"Item": order(1)}}, {"PutRequest": {"Item": order(2)}}, {"DeleteRequest": {"Key": key(9)}}
        ]},
        "ReturnConsumedCapacity": "TOTAL", "ReturnItemCollectionMetrics": "SIZE"
    });
    let answer = world.call("BatchWriteItem", &writes)?;
    assert_eq!(answer["UnprocessedItems"], json!({}));
    assert_eq!(answer["ConsumedCapacity"], json!([{"TableName": "orders", "CapacityUnits": 9.0}]));
    assert_eq!(
        answer["ItemCollectionMetrics"],
        json!({"orders": [{"ItemCollectionKey": {"pk": {"S": "a"}}, "SizeEstimateRangeGB": [0.0, 1.0]}]})
    );
    let reads = json!({"RequestItems": {"orders": {"Keys": [key(1), key(2), key(9)], "ProjectionExpression": "sk"}}});
    let answer = world.call("BatchGetItem", &reads)?;
    assert_eq!(
        answer,
        json!({
            "Responses": {"orders": [{"sk": {"N": "1"}}, {"sk": {"N": "2"}}]}, "UnprocessedKeys": {}
        })
    );
    let twice = json!({"RequestItems": {"orders": {"Keys": [key(1), key(1)]}}});
    assert_eq!(world.invalid("BatchGetItem", &twice), "Provided list of item keys contains duplicates");
    let twice =
        json!({"RequestItems": {"orders": [{"PutRequest": {"Item": order(1)}}, {"DeleteRequest": {"Key": key(1)}}]}});
    assert_eq!(world.invalid("BatchWriteItem", &twice), "Provided list of item keys contains duplicates");
    let many: Vec<Value> = (0..26).map(|number| json!({"DeleteRequest": {"Key": key(number)}})).collect();
    let message = world.invalid("BatchWriteItem", &json!({"RequestItems": {"orders": many}}));
    assert!(message.contains("Map value must satisfy constraint: [Member must have length less than or equal to 25, "));
    assert_eq!(
        world.invalid("BatchWriteItem", &json!({"RequestItems": {}})),
        "The requestItems parameter is required for BatchWriteItem"
    );
    let wrong = json!({"RequestItems": {"orders": [{"PutRequest": {"Item": {"pk": {"N": "1"}, "sk": {"N": "1"}}}}]}});
    assert_eq!(world.invalid("BatchWriteItem", &wrong), "The provided key element does not match the schema");
    let bad = json!({"RequestItems": {"bad!name": {"Keys": [{"pk": {"S": "a"}}]}}});
    assert!(world.invalid("BatchGetItem", &bad).starts_with(
        "1 validation error detected: Value '{\"bad!name\":{\"Keys\":[{\"pk\":{\"S\":\"a\"}}]}}' at 'requestItems' failed to \
         satisfy constraint: Map keys must satisfy constraint: ["
    ));
    Ok(())
}

#[test]
fn a_batch_of_the_largest_items_is_written_and_read_back_in_two_answers() -> Outcome {
    let world = orders()?;
    let large = |number: i64| json!({"pk": {"S": "large"}, "sk": {"N": number.to_string()}, "data": {"S": "x".repeat(400 * 1024 - 40)}});
    for batch in 0..2 {
        let writes: Vec<Value> =
            (0..25).map(|number| json!({"PutRequest": {"Item": large(batch * 25 + number)}})).collect();
        world.call("BatchWriteItem", &json!({"RequestItems": {"orders": writes}}))?;
    }
    let keys: Vec<Value> =
        (0..50).map(|number: i64| json!({"pk": {"S": "large"}, "sk": {"N": number.to_string()}})).collect();
    let first = world.call("BatchGetItem", &json!({"RequestItems": {"orders": {"Keys": keys}}}))?;
    let got = first["Responses"]["orders"].as_array().map(Vec::len).unwrap_or_default();
    let left = first["UnprocessedKeys"]["orders"]["Keys"].as_array().map(Vec::len).unwrap_or_default();
    assert_eq!((got, left), (40, 10));
    let second = world.call("BatchGetItem", &json!({"RequestItems": first["UnprocessedKeys"]}))?;
    assert_eq!(second["Responses"]["orders"].as_array().map(Vec::len), Some(10));
    Ok(())
}

#[test]
fn a_batch_that_fails_after_a_part_of_it_was_written_hands_back_the_rest_and_nothing_else() -> Outcome {
    let (mut refused, mut whole, mut partial) = (0, 0, 0);
    for seed in 0..24 {
        let plan = Plan::none().with_seed(seed).with(Kind::CommitFailed, 0.4);
        let database = Database::faults(Clock::deterministic(START, seed), plan);
        let faults = database.injected_faults().cloned().ok_or("no faults")?;
        faults.pause();
        let realm = Realm { account: "000000000000".into(), region: "eu-west-1".into() };
        let world = World { store: now(Store::open(database, Vec::new()))?, realm };
        world.call(
            "CreateTable",
            &json!({
                "TableName": "large", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]
            }),
        )?;
        let number = |number: usize| json!({"id": {"N": number.to_string()}});
        world.call("PutItem", &json!({"TableName": "large", "Item": number(24)}))?;
        let item = |id: usize| json!({"id": {"N": id.to_string()}, "data": {"S": "x".repeat(400 * 1024 - 40)}});
        // Only the first transaction has room for most of them.
        let mut writes: Vec<Value> = (0..24).map(|id| json!({"PutRequest": {"Item": item(id)}})).collect();
        writes.push(json!({"DeleteRequest": {"Key": number(24)}}));
        let name = "arn:aws:dynamodb:eu-west-1:000000000000:table/large";
        let request = json!({"RequestItems": {name: writes}, "ReturnConsumedCapacity": "TOTAL"});
        faults.resume();
        let outcome = world.call("BatchWriteItem", &request);
        faults.pause();
        let stored = || -> Result<usize, Error> {
            let mut count = 0;
            for id in 0..24 {
                let answer = world.call("GetItem", &json!({"TableName": "large", "Key": number(id)}))?;
                count += usize::from(answer.get("Item").is_some());
            }
            Ok(count)
        };
        let Ok(answer) = outcome else {
            assert_eq!(stored()?, 0, "an error says that nothing was written");
            refused += 1;
            continue;
        };
        let left = &answer["UnprocessedItems"];
        if *left == json!({}) {
            whole += 1;
        } else {
            partial += 1;
            let rest = left[name].as_array().ok_or("under the name that was given")?;
            assert_eq!(stored()?, 25 - rest.len());
            assert_eq!(rest[..], writes[25 - rest.len()..]);
            assert_eq!(answer["ConsumedCapacity"][0]["CapacityUnits"], json!((25 - rest.len()) as f64 * 400.0));
            assert_eq!(world.call("BatchWriteItem", &json!({"RequestItems": left}))?["UnprocessedItems"], json!({}));
        }
        assert_eq!(stored()?, 24);
        let gone = world.call("GetItem", &json!({"TableName": "large", "Key": number(24)}))?;
        assert_eq!(gone.get("Item"), None);
    }
    assert!(refused > 0 && whole > 0 && partial > 0, "{refused} refused, {whole} whole, {partial} partial");
    Ok(())
}

#[test]
fn a_transaction_is_all_or_nothing_and_tells_every_reason() -> Outcome {
    let world = orders()?;
    put(&world, 1)?;
    let cancelled = world.call(
        "TransactWriteItems",
        &json!({"TransactItems": [
            {"Put": {"TableName": "orders", "Item": order(2)}},
            {"ConditionCheck": {
                "TableName": "orders", "Key": key(1), "ConditionExpression": "attribute_not_exists(pk)",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD"
            }},
            {"Update": {
                "TableName": "orders", "Key": key(3), "UpdateExpression": "SET a = b"
            }}
        ]}),
    );
    match cancelled {
        Err(Error::TransactionCanceled { reasons }) => {
            let codes: Vec<&str> = reasons.iter().map(|reason| reason.code).collect();
            assert_eq!(codes, ["None", "ConditionalCheckFailed", "ValidationError"]);
            assert_eq!(serde_json::to_value(reasons.get(1).and_then(|reason| reason.item.clone()))?, order(1));
        }
        other => unreachable!("{other:?}"),
    }
    assert_eq!(world.call("GetItem", &json!({"TableName": "orders", "Key": key(2)}))?, json!({}));
    let done = json!({
        "TransactItems": [
            {"Put": {"TableName": "orders", "Item": order(2)}},
            {"Delete": {"TableName": "orders", "Key": key(1), "ConditionExpression": "attribute_exists(pk)"}}
        ],
        "ReturnConsumedCapacity": "TOTAL"
    });
    let answer = world.call("TransactWriteItems", &done)?;
    assert_eq!(
        answer,
        json!({"ConsumedCapacity": [{"TableName": "orders", "CapacityUnits": 12.0, "WriteCapacityUnits": 12.0}]})
    );
    let get = json!({"TransactItems": [
        {"Get": {"TableName": "orders", "Key": key(1)}},
        {"Get": {"TableName": "orders", "Key": key(2), "ProjectionExpression": "sk"}}
    ]});
    assert_eq!(world.call("TransactGetItems", &get)?, json!({"Responses": [{}, {"Item": {"sk": {"N": "2"}}}]}));
    Ok(())
}

#[test]
fn transactions_that_break_a_rule_have_their_messages() -> Outcome {
    let world = orders()?;
    let write = |items: Value| world.failure("TransactWriteItems", &json!({"TransactItems": items}));
    let delete = |number| json!({"Delete": {"TableName": "orders", "Key": key(number)}});
    let invalid = |message: &str| ("ValidationException".to_owned(), message.to_owned());
    assert_eq!(
        write(json!([delete(1), delete(1)])),
        invalid("Transaction request cannot include multiple operations on one item")
    );
    assert_eq!(
        write(
            json!([{"Delete": {"TableName": "orders", "Key": key(1)}, "Put": {"TableName": "orders", "Item": order(1)}}])
        ),
        invalid("TransactItems can only contain one of Check, Put, Update or Delete")
    );
    let many: Vec<Value> = (0..101).map(delete).collect();
    assert!(
        write(json!(many)).1.contains("'transactItems' failed to satisfy constraint: Member must have length less")
    );
    let check = write(json!([{"ConditionCheck": {"TableName": "orders", "Key": key(1)}}]));
    assert!(check.1.contains("'transactItems.1.member.conditionCheck.conditionExpression'"), "{}", check.1);
    let wrong_key = write(json!([delete(1), {"Delete": {"TableName": "orders", "Key": {"pk": {"S": "a"}}}}]));
    assert_eq!(
        wrong_key,
        (
            "TransactionCanceledException".to_owned(),
            "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ValidationError]"
                .to_owned()
        )
    );
    let empty = write(json!([{"Delete": {"TableName": "orders", "Key": {"pk": {"S": ""}, "sk": {"N": "1"}}}}]));
    assert!(empty.1.starts_with("One or more parameter values are not valid."), "{}", empty.1);
    let later = write(json!([
        {"Delete": {"TableName": "nowhere", "Key": key(1)}},
        {"Delete": {"TableName": "orders", "Key": key(1), "ConditionExpression": "attribute_exists("}}
    ]));
    assert!(later.1.starts_with("Invalid ConditionExpression: Syntax error"), "{}", later.1);
    Ok(())
}

#[test]
fn a_request_token_makes_a_transaction_happen_once_for_ten_minutes() -> Outcome {
    let world = orders()?;
    let add = |amount: &str| {
        json!({
            "ClientRequestToken": "token-1", "ReturnConsumedCapacity": "TOTAL",
            "TransactItems": [{"Update": {
                "TableName": "orders", "Key": key(1), "UpdateExpression": "ADD total_count :n",
                "ExpressionAttributeValues": {":n": {"N": amount}}
            }}]
        })
    };
    let count = || -> Result<Value, Error> {
        Ok(world.call("GetItem", &json!({"TableName": "orders", "Key": key(1)}))?["Item"]["total_count"].clone())
    };
    let first = world.call("TransactWriteItems", &add("1"))?;
    assert_eq!(first["ConsumedCapacity"][0]["WriteCapacityUnits"], json!(2.0));
    let again = world.call("TransactWriteItems", &add("1.0"))?;
    assert_eq!(again["ConsumedCapacity"][0]["ReadCapacityUnits"], json!(2.0));
    assert_eq!(count()?, json!({"N": "1"}));
    assert_eq!(world.call("TransactWriteItems", &add("2")), Err(Error::IdempotentParameterMismatch));
    world.store.clock().advance(10 * 60 * 1000 + 1);
    world.call("TransactWriteItems", &add("2"))?;
    assert_eq!(count()?, json!({"N": "3"}));
    Ok(())
}
