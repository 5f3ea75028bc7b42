"""boto3's resources on top: tables, batch writers, conditions, pages, errors."""

from decimal import Decimal

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary
from records import kinds, read, stream_arn
from tables import NEW_AND_OLD, attributes, create_indexed, create_sorted


@pytest.fixture
def resource(db, session):
    return boto3.Session(botocore_session=session).resource("dynamodb")


@pytest.fixture
def events(resource, client):
    create_sorted(client, StreamSpecification=NEW_AND_OLD)
    return resource.Table("events")


@pytest.mark.core
def test_items_are_plain_python(events):
    item = {
        "pk": "a",
        "sk": 1,
        "price": Decimal("12.50"),
        "yes": True,
        "nothing": None,
        "tags": {"x", "y"},
        "blob": Binary(b"\x00\x01"),
        "list": [1, "two", {"three": {4}}],
    }
    events.put_item(Item=item)
    found = events.get_item(Key={"pk": "a", "sk": 1})["Item"]
    assert found == {**item, "price": Decimal("12.5")}
    assert isinstance(found["sk"], Decimal) and isinstance(found["blob"], Binary)


@pytest.mark.core
def test_a_batch_writer_writes_any_number_in_order_and_the_last_of_each(client, events, streams):
    with events.batch_writer(overwrite_by_pkeys=["pk", "sk"]) as batch:
        for n in range(130):
            batch.put_item(Item={"pk": "a", "sk": n % 100, "n": n})
        batch.delete_item(Key={"pk": "a", "sk": 99})
    found = events.query(KeyConditionExpression=Key("pk").eq("a"))["Items"]
    assert [int(item["sk"]) for item in found] == list(range(99))
    assert [int(item["n"]) for item in found[:31]] == [*range(100, 130), 30]
    assert kinds(read(streams, stream_arn(client, "events"))).count("INSERT") >= 99


def test_key_and_attr_conditions_build_expressions(events):
    with events.batch_writer() as batch:
        for n in range(20):
            batch.put_item(Item={"pk": "a", "sk": n, "kind": "even" if n % 2 == 0 else "odd", "deep": {"n": [n]}})
    condition = Key("pk").eq("a") & Key("sk").between(5, 15)
    page = events.query(
        KeyConditionExpression=condition,
        FilterExpression=Attr("kind").eq("odd") & (Attr("deep.n[0]").gt(8) | Attr("nothing").exists()),
        ProjectionExpression="sk",
        ScanIndexForward=False,
    )
    assert page["Items"] == [{"sk": Decimal(n)} for n in (15, 13, 11, 9)]
    for attr, expected in (
        (Attr("kind").begins_with("ev"), 10),
        (Attr("kind").contains("dd"), 10),
        (Attr("kind").is_in(["even", "odd", "neither"]), 20),
        (~Attr("kind").eq("odd"), 10),
        (Attr("kind").attribute_type("S"), 20),
        (Attr("deep.n").size().eq(1), 20),
        (Attr("nothing").not_exists() & Attr("sk").lt(3), 3),
        (Attr("kind").ne("odd") & Attr("sk").gte(18), 1),
    ):
        assert events.scan(FilterExpression=attr)["Count"] == expected, attr


def test_an_update_counts_and_a_condition_guards_it(resource, events):
    key = {"pk": "a", "sk": 1}
    for _ in range(3):
        answer = events.update_item(
            Key=key,
            UpdateExpression="ADD #count :one",
            ExpressionAttributeNames={"#count": "count"},
            ExpressionAttributeValues={":one": 1},
            ReturnValues="ALL_NEW",
        )
    assert answer["Attributes"] == {**key, "count": 3}
    with pytest.raises(resource.meta.client.exceptions.ConditionalCheckFailedException):
        events.put_item(Item=key, ConditionExpression=Attr("pk").not_exists())
    assert events.delete_item(Key=key, ConditionExpression=Attr("count").eq(3), ReturnValues="ALL_OLD")["Attributes"][
        "count"
    ] == Decimal(3)


def test_a_table_tells_of_itself(resource, events):
    events.put_item(Item={"pk": "a", "sk": 1})
    table = resource.Table("events")
    assert table.item_count == 1 and table.table_size_bytes == 7
    assert table.key_schema[0] == {"AttributeName": "pk", "KeyType": "HASH"}
    assert sorted(table.attribute_definitions, key=str) == sorted(attributes(pk="S", sk="N"), key=str)
    events.delete()
    events.wait_until_not_exists()
    assert list(resource.tables.all()) == []


def test_an_index_is_queried(resource, client):
    create_indexed(client)
    table = resource.Table("indexed")
    with table.batch_writer() as batch:
        for n in range(12):
            batch.put_item(Item={"pk": "a", "sk": n, "grp": f"g{n % 3}", "rank": -n})
    page = table.query(IndexName="by_group", KeyConditionExpression=Key("grp").eq("g1") & Key("rank").lt(-3))
    assert [int(item["sk"]) for item in page["Items"]] == [10, 7, 4]


def test_batches_and_transactions_of_the_resource(resource, events):
    resource.batch_write_item(RequestItems={"events": [{"PutRequest": {"Item": {"pk": "a", "sk": n}}} for n in (1, 2)]})
    found = resource.batch_get_item(RequestItems={"events": {"Keys": [{"pk": "a", "sk": 2}, {"pk": "a", "sk": 3}]}})
    assert found["Responses"]["events"] == [{"pk": "a", "sk": 2}]
    resource.meta.client.transact_write_items(
        TransactItems=[
            {
                "Update": {
                    "TableName": "events",
                    "Key": {"pk": "a", "sk": 1},
                    "UpdateExpression": "SET n = :n",
                    "ExpressionAttributeValues": {":n": 7},
                }
            },
            {"Delete": {"TableName": "events", "Key": {"pk": "a", "sk": 2}}},
        ]
    )
    assert events.scan()["Items"] == [{"pk": "a", "sk": 1, "n": 7}]
