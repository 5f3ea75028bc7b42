//! The table and stream operations end to end: requests in JSON, answers in JSON, on the memory engine.

mod common;

use common::{Outcome, START, World, world};
use fdyno::error::Error;
use serde_json::{Value, json};

fn create(world: &World, name: &str, more: &Value) -> Result<Value, Error> {
    let mut request = json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]
    });
    if let (Some(request), Some(more)) = (request.as_object_mut(), more.as_object()) {
        request.extend(more.clone());
    }
    world.call("CreateTable", &request)
}

fn streamed(world: &World, name: &str) -> Result<String, Error> {
    let stream = json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}});
    let answer = create(world, name, &stream)?;
    Ok(answer["TableDescription"]["LatestStreamArn"].as_str().unwrap_or_default().to_owned())
}

fn put(world: &World, table: &str, pk: &str) -> Result<Value, Error> {
    world.call("PutItem", &json!({"TableName": table, "Item": {"pk": {"S": pk}, "at": {"S": pk}}}))
}

#[test]
fn a_table_is_described_as_dynamodb_does() -> Outcome {
    let world = world()?;
    let created = create(&world, "orders", &json!({}))?;
    assert_eq!(created["TableDescription"]["TableStatus"], "CREATING");
    put(&world, "orders", "a")?;
    let mut described = world.call("DescribeTable", &json!({"TableName": "orders"}))?;
    let id = described["Table"]["TableId"].take();
    assert_eq!(id.as_str().map(str::len), Some(36));
    assert_eq!(
        described,
        json!({"Table": {
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "TableName": "orders", "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "TableStatus": "ACTIVE",
            "CreationDateTime": START.millis() as f64 / 1000.0,
            "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
            "TableSizeBytes": 6, "ItemCount": 1, "TableArn": "arn:aws:dynamodb:eu-west-1:000000000000:table/orders",
            "TableId": null,
            "BillingModeSummary": {
                "BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": START.millis() as f64 / 1000.0
            },
            "WarmThroughput": {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000, "Status": "ACTIVE"},
            "DeletionProtectionEnabled": false
        }})
    );
    assert_eq!(
        world.failure("DescribeTable", &json!({"TableName": "nowhere"})),
        ("ResourceNotFoundException".to_owned(), "Requested resource not found: Table: nowhere not found".to_owned())
    );
    assert_eq!(
        create(&world, "orders", &json!({})),
        Err(Error::ResourceInUse("Table already exists: orders".to_owned()))
    );
    Ok(())
}

#[test]
fn tables_are_listed_page_by_page() -> Outcome {
    let world = world()?;
    for name in ["one", "two", "three"] {
        create(&world, name, &json!({}))?;
    }
    let first = world.call("ListTables", &json!({"Limit": 2}))?;
    assert_eq!(first, json!({"TableNames": ["one", "three"], "LastEvaluatedTableName": "three"}));
    let rest = world.call("ListTables", &json!({"ExclusiveStartTableName": "three"}))?;
    assert_eq!(rest, json!({"TableNames": ["two"]}));
    assert!(
        world
            .invalid("ListTables", &json!({"Limit": 101}))
            .ends_with("Member must have value less than or equal to 100")
    );
    Ok(())
}

#[test]
fn a_protected_table_is_not_deleted() -> Outcome {
    let world = world()?;
    create(&world, "orders", &json!({"DeletionProtectionEnabled": true}))?;
    let delete = json!({"TableName": "orders"});
    assert!(
        world.invalid("DeleteTable", &delete).starts_with("Resource cannot be deleted as it is currently protected")
    );
    world.call("UpdateTable", &json!({"TableName": "orders", "DeletionProtectionEnabled": false}))?;
    let deleted = world.call("DeleteTable", &delete)?;
    assert_eq!(deleted["TableDescription"]["TableStatus"], "DELETING");
    assert_eq!(world.failure("DeleteTable", &delete).0, "ResourceNotFoundException");
    Ok(())
}

#[test]
fn an_index_is_added_with_the_items_that_are_there_and_removed() -> Outcome {
    let world = world()?;
    create(&world, "orders", &json!({}))?;
    put(&world, "orders", "a")?;
    let updated = world.call(
        "UpdateTable",
        &json!({
            "TableName": "orders", "AttributeDefinitions": [{"AttributeName": "at", "AttributeType": "S"}],
            "GlobalSecondaryIndexUpdates": [{"Create": {
                "IndexName": "by-at", "KeySchema": [{"AttributeName": "at", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"}
            }}]
        }),
    )?;
    assert_eq!(updated["TableDescription"]["GlobalSecondaryIndexes"][0]["IndexName"], "by-at");
    let described = world.call("DescribeTable", &json!({"TableName": "orders"}))?;
    assert_eq!(described["Table"]["GlobalSecondaryIndexes"][0]["ItemCount"], 1);
    let query = json!({
        "TableName": "orders", "IndexName": "by-at", "KeyConditionExpression": "#at = :at",
        "ExpressionAttributeNames": {"#at": "at"}, "ExpressionAttributeValues": {":at": {"S": "a"}}
    });
    assert_eq!(world.call("Query", &query)?["Count"], 1);
    let removed = world.call(
        "UpdateTable",
        &json!({"TableName": "orders", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-at"}}]}),
    )?;
    assert_eq!(removed["TableDescription"].get("GlobalSecondaryIndexes"), None);
    assert_eq!(removed["TableDescription"]["AttributeDefinitions"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.invalid("Query", &query), "The table does not have the specified index: by-at");
    Ok(())
}

/// The one shard of a stream and an iterator of the given type.
fn iterator(world: &World, arn: &str, kind: &str, more: &Value) -> Result<String, Error> {
    let stream = world.call("DescribeStream", &json!({"StreamArn": arn}))?;
    let shard = &stream["StreamDescription"]["Shards"][0]["ShardId"];
    let mut request = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": kind});
    if let (Some(request), Some(more)) = (request.as_object_mut(), more.as_object()) {
        request.extend(more.clone());
    }
    Ok(world.call("GetShardIterator", &request)?["ShardIterator"].as_str().unwrap_or_default().to_owned())
}

fn records(world: &World, iterator: &str) -> Result<Value, Error> {
    world.call("GetRecords", &json!({"ShardIterator": iterator}))
}

/// The partition keys of the records of a page.
fn keys(page: &Value) -> Vec<String> {
    let records = page["Records"].as_array().cloned().unwrap_or_default();
    records.iter().map(|record| record["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_stream_tells_every_change_in_order() -> Outcome {
    let world = world()?;
    let arn = streamed(&world, "orders")?;
    put(&world, "orders", "a")?;
    world.call("DeleteItem", &json!({"TableName": "orders", "Key": {"pk": {"S": "a"}}}))?;
    let page = records(&world, &iterator(&world, &arn, "TRIM_HORIZON", &json!({}))?)?;
    let names: Vec<_> = page["Records"].as_array().into_iter().flatten().map(|record| &record["eventName"]).collect();
    assert_eq!(names, ["INSERT", "REMOVE"]);
    let record = &page["Records"][0];
    let item = json!({"pk": {"S": "a"}, "at": {"S": "a"}});
    assert_eq!(record["dynamodb"]["NewImage"], item);
    assert_eq!(record["dynamodb"].get("OldImage"), None);
    assert_eq!(page["Records"][1]["dynamodb"]["OldImage"], item);
    assert_eq!(record["dynamodb"]["ApproximateCreationDateTime"], START.seconds() as f64);
    assert_eq!((&record["eventVersion"], &record["awsRegion"]), (&json!("1.1"), &json!("eu-west-1")));
    assert!(page["NextShardIterator"].is_string());
    Ok(())
}

#[test]
fn every_iterator_type_starts_where_it_says() -> Outcome {
    let world = world()?;
    let arn = streamed(&world, "orders")?;
    for pk in ["a", "b", "c"] {
        world.store.clock().advance(1_000);
        put(&world, "orders", pk)?;
    }
    let all = records(&world, &iterator(&world, &arn, "TRIM_HORIZON", &json!({}))?)?;
    assert_eq!(keys(&all), ["a", "b", "c"]);
    let number = json!({"SequenceNumber": all["Records"][1]["dynamodb"]["SequenceNumber"]});
    let at = iterator(&world, &arn, "AT_SEQUENCE_NUMBER", &number)?;
    assert_eq!(keys(&records(&world, &at)?), ["b", "c"]);
    let after = iterator(&world, &arn, "AFTER_SEQUENCE_NUMBER", &number)?;
    assert_eq!(keys(&records(&world, &after)?), ["c"]);
    let time = json!({"Timestamp": START.seconds() + 2});
    assert_eq!(keys(&records(&world, &iterator(&world, &arn, "AT_TIMESTAMP", &time)?)?), ["b", "c"]);
    let latest = iterator(&world, &arn, "LATEST", &json!({}))?;
    put(&world, "orders", "d")?;
    let page = records(&world, &latest)?;
    assert_eq!(keys(&page), ["d"]);
    put(&world, "orders", "e")?;
    assert_eq!(keys(&records(&world, page["NextShardIterator"].as_str().unwrap_or_default())?), ["e"]);
    Ok(())
}

#[test]
fn iterators_expire_and_cannot_be_made_up() -> Outcome {
    let world = world()?;
    let arn = streamed(&world, "orders")?;
    let token = iterator(&world, &arn, "TRIM_HORIZON", &json!({}))?;
    assert!(records(&world, &token).is_ok());
    assert_eq!(world.invalid("GetRecords", &json!({"ShardIterator": format!("A{token}")})), "Invalid ShardIterator");
    world.store.clock().advance(15 * 60 * 1000 + 1);
    assert_eq!(world.failure("GetRecords", &json!({"ShardIterator": token})).0, "ExpiredIteratorException");
    let request = json!({"ShardIterator": token, "Limit": 1001});
    assert!(world.invalid("GetRecords", &request).ends_with("Member must have value less than or equal to 1000"));
    Ok(())
}

#[test]
fn a_closed_stream_is_read_to_its_end_and_a_new_one_has_none_of_its_records() -> Outcome {
    let world = world()?;
    let arn = streamed(&world, "orders")?;
    put(&world, "orders", "a")?;
    let disable = json!({"TableName": "orders", "StreamSpecification": {"StreamEnabled": false}});
    world.call("UpdateTable", &disable)?;
    let described = world.call("DescribeStream", &json!({"StreamArn": arn}))?;
    let description = &described["StreamDescription"];
    assert_eq!(description["StreamStatus"], "DISABLED");
    assert!(description["Shards"][0]["SequenceNumberRange"]["EndingSequenceNumber"].is_string());
    let page = records(&world, &iterator(&world, &arn, "TRIM_HORIZON", &json!({}))?)?;
    assert_eq!(keys(&page), ["a"]);
    let last = match page["NextShardIterator"].as_str() {
        Some(next) => records(&world, next)?,
        None => page,
    };
    assert_eq!(last.get("NextShardIterator"), None);
    let enable = json!({
        "TableName": "orders", "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}
    });
    let again = world.call("UpdateTable", &enable)?["TableDescription"]["LatestStreamArn"].clone();
    assert_ne!(again, json!(arn));
    let fresh = iterator(&world, again.as_str().unwrap_or_default(), "TRIM_HORIZON", &json!({}))?;
    assert_eq!(keys(&records(&world, &fresh)?), Vec::<String>::new());
    Ok(())
}

#[test]
fn streams_are_listed_and_paged() -> Outcome {
    let world = world()?;
    let arns = [streamed(&world, "orders")?, streamed(&world, "people")?];
    let first = world.call("ListStreams", &json!({"Limit": 1}))?;
    assert_eq!(first["Streams"][0]["StreamArn"], json!(arns[0]));
    let rest = world.call("ListStreams", &json!({"ExclusiveStartStreamArn": first["LastEvaluatedStreamArn"]}))?;
    assert_eq!((&rest["Streams"][0]["TableName"], rest.get("LastEvaluatedStreamArn")), (&json!("people"), None));
    let named = world.call("ListStreams", &json!({"TableName": "people"}))?;
    assert_eq!(named["Streams"].as_array().map(Vec::len), Some(1));
    let shard = "shardId-00000000000000000000-deadbeef";
    let request = json!({"StreamArn": arns[0], "ShardId": shard, "ShardIteratorType": "LATEST"});
    assert_eq!(world.failure("GetShardIterator", &request).0, "ResourceNotFoundException");
    let missing =
        json!({"StreamArn": "arn:aws:dynamodb:eu-west-1:000000000000:table/orders/stream/2020-01-01T00:00:00.000"});
    assert_eq!(world.failure("DescribeStream", &missing).0, "ResourceNotFoundException");
    Ok(())
}
