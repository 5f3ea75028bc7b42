"""DescribeTable, ListTables, DeleteTable: the tables there are, and that each region has its own."""

import re

import pytest
from conftest import create_table
from records import read, stream_arn
from tables import NEW_AND_OLD, N, S, create_indexed, create_sorted, item, stream

NOWHERE = "Requested resource not found: Table: nowhere not found"


def test_a_table_that_is_not_there_is_not_described(client, refused):
    refused(client.describe_table, "ResourceNotFoundException", NOWHERE, TableName="nowhere")


@pytest.mark.core
def test_counts_and_sizes_follow_every_write(db, client):
    create_indexed(client)

    def counts():
        described = client.describe_table(TableName="indexed")["Table"]
        indexes = described["LocalSecondaryIndexes"] + described["GlobalSecondaryIndexes"]
        return described["ItemCount"], {
            index["IndexName"]: index["ItemCount"] for index in indexes if index["ItemCount"]
        }

    assert counts() == (0, {})
    client.put_item(TableName="indexed", Item=item("a", 1))
    assert counts() == (1, {})
    client.put_item(TableName="indexed", Item=item("a", 1, amount=N(1)))
    assert counts() == (1, {"by_amount": 1, "by_amount_keys": 1})
    client.update_item(
        TableName="indexed",
        Key=item("a", 1),
        UpdateExpression="SET grp = :grp, #rank = :rank REMOVE amount",
        ExpressionAttributeNames={"#rank": "rank"},
        ExpressionAttributeValues={":grp": S("g"), ":rank": N(1)},
    )
    assert counts() == (1, {"by_group": 1, "by_group_keys": 1, "by_group_note": 1})
    client.delete_item(TableName="indexed", Key=item("a", 1))
    assert counts() == (0, {})


def test_the_size_of_a_table_is_the_sum_of_its_items(db, client, table):
    # Names and values: "pk" + "a", "note" + three bytes of UTF-8, "n" + a number of two digits (two bytes).
    client.put_item(TableName=table, Item={"pk": S("a"), "note": S("aé"), "n": N(42)})
    size = client.describe_table(TableName=table)["Table"]["TableSizeBytes"]
    assert size == (2 + 1) + (4 + 3) + (1 + 2)
    client.put_item(TableName=table, Item={"pk": S("bb")})
    assert client.describe_table(TableName=table)["Table"]["TableSizeBytes"] == size + 4
    client.delete_item(TableName=table, Key={"pk": S("a")})
    assert client.describe_table(TableName=table)["Table"]["TableSizeBytes"] == 4


def test_a_table_is_named_by_its_arn(client, table):
    arn = client.describe_table(TableName=table)["Table"]["TableArn"]
    client.put_item(TableName=arn, Item={"pk": S("a")})
    assert client.describe_table(TableName=arn)["Table"]["ItemCount"] == 1


@pytest.mark.core
def test_tables_are_listed_by_name_and_page_by_page(db, client):
    names = ["apples", "Bears", "cars", "dogs.2", "e_e"]
    for name in reversed(names):
        create_table(client, name)
    in_order = sorted(names)
    assert client.list_tables()["TableNames"] == in_order
    page = client.list_tables(Limit=2)
    assert page["TableNames"] == in_order[:2]
    assert page["LastEvaluatedTableName"] == in_order[1]
    page = client.list_tables(ExclusiveStartTableName=in_order[3])
    assert page["TableNames"] == in_order[4:]
    assert "LastEvaluatedTableName" not in page
    assert client.list_tables(ExclusiveStartTableName="aaa")["TableNames"] == ["apples", "cars", "dogs.2", "e_e"]


def test_a_page_lists_at_most_a_hundred_tables(db, client):
    names = sorted(f"table{number}" for number in range(101))
    for name in names:
        create_table(client, name)
    page = client.list_tables()
    assert len(page["TableNames"]) == 100 and page["LastEvaluatedTableName"] == names[99]
    pages = list(client.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 40}))
    assert [len(page["TableNames"]) for page in pages] == [40, 40, 21]
    assert [name for page in pages for name in page["TableNames"]] == names


def test_a_page_of_more_than_a_hundred_cannot_be_asked_for(client, refused):
    refused.invalid(
        client.list_tables,
        "1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: Member must have value less "
        "than or equal to 100",
        Limit=101,
    )


@pytest.mark.core
def test_a_deleted_table_is_gone_with_its_items(client, table):
    client.put_item(TableName=table, Item={"pk": S("a")})
    table_id = client.describe_table(TableName=table)["Table"]["TableId"]
    answer = client.delete_table(TableName=table)["TableDescription"]
    assert answer["TableName"] == table and answer["TableStatus"] == "DELETING"
    client.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    assert client.list_tables()["TableNames"] == []
    create_table(client)
    assert client.scan(TableName=table)["Items"] == []
    assert client.describe_table(TableName=table)["Table"]["TableId"] != table_id
    assert client.describe_table(TableName=table)["Table"]["ItemCount"] == 0


def test_a_table_that_is_not_there_is_not_deleted(client, table, refused):
    refused(client.delete_table, "ResourceNotFoundException", NOWHERE, TableName="nowhere")


def test_a_protected_table_is_not_deleted(db, client, refused):
    create_table(client, DeletionProtectionEnabled=True)
    client.put_item(TableName="orders", Item={"pk": S("a")})
    refused.invalid(
        client.delete_table,
        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
        TableName="orders",
    )
    client.update_table(TableName="orders", DeletionProtectionEnabled=False)
    client.delete_table(TableName="orders")
    assert client.list_tables()["TableNames"] == []


@pytest.mark.parametrize("operation", ["get_item", "put_item", "update_item", "delete_item", "query", "scan"])
def test_no_operation_finds_a_table_that_is_not_there(client, refused, operation):
    parameters = {
        "get_item": {"Key": {"pk": S("a")}},
        "put_item": {"Item": {"pk": S("a")}},
        "update_item": {"Key": {"pk": S("a")}},
        "delete_item": {"Key": {"pk": S("a")}},
        "query": {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": S("a")}},
        "scan": {},
    }
    refused(
        getattr(client, operation),
        "ResourceNotFoundException",
        "Requested resource not found",
        TableName="nowhere",
        **parameters[operation],
    )


def test_batches_and_transactions_do_not_find_it_either(client, table, refused):
    key = {"pk": S("a")}
    there = {"TableName": table, "Item": {"pk": S("b")}}
    message = "Requested resource not found"
    missing = "ResourceNotFoundException"
    refused(
        client.batch_write_item,
        missing,
        message,
        RequestItems={table: [{"PutRequest": {"Item": key}}], "nowhere": [{"PutRequest": {"Item": key}}]},
    )
    refused(client.batch_get_item, missing, message, RequestItems={table: {"Keys": [key]}, "nowhere": {"Keys": [key]}})
    puts = [{"Put": there}, {"Put": {"TableName": "nowhere", "Item": key}}]
    refused(client.transact_write_items, missing, message, TransactItems=puts)
    gets = [{"Get": {"TableName": "nowhere", "Key": key}}]
    refused(client.transact_get_items, missing, message, TransactItems=gets)


@pytest.mark.core
def test_each_region_has_tables_and_streams_of_its_own(db, session, client):
    other = session.create_client("dynamodb", region_name="us-east-1")
    streams = session.create_client("dynamodbstreams")
    other_streams = session.create_client("dynamodbstreams", region_name="us-east-1")
    for each, text in ((client, "here"), (other, "there")):
        create_table(each, StreamSpecification=NEW_AND_OLD)
        each.put_item(TableName="orders", Item={"pk": S("a"), "note": S(text)})
    create_table(other, "elsewhere")
    assert client.list_tables()["TableNames"] == ["orders"]
    assert other.list_tables()["TableNames"] == ["elsewhere", "orders"]
    assert client.get_item(TableName="orders", Key={"pk": S("a")})["Item"]["note"] == S("here")
    assert other.get_item(TableName="orders", Key={"pk": S("a")})["Item"]["note"] == S("there")
    assert ":us-east-1:" in stream_arn(other, "orders")
    (record,) = read(other_streams, stream_arn(other, "orders"))
    assert record["awsRegion"] == "us-east-1"
    assert record["dynamodb"]["NewImage"]["note"] == S("there")
    assert len(streams.list_streams()["Streams"]) == len(other_streams.list_streams()["Streams"]) == 1
    other.delete_table(TableName="orders")
    assert client.scan(TableName="orders")["Count"] == 1


def test_an_arn_of_another_region_is_not_served(db, session, client, table, refused):
    other = session.create_client("dynamodb", region_name="us-east-1")
    arn = client.describe_table(TableName=table)["Table"]["TableArn"]
    refused(
        other.describe_table,
        "ValidationException",
        re.compile("region"),
        TableName=arn,
    )


def test_tables_of_all_kinds_stand_side_by_side(db, client):
    create_table(client, "one")
    create_sorted(client, "two", StreamSpecification=stream("KEYS_ONLY"))
    create_indexed(client, "three")
    for name, key in (("one", item("a")), ("two", item("a", 1)), ("three", item("a", 1))):
        client.put_item(TableName=name, Item=key)
    assert [client.scan(TableName=name)["Count"] for name in ("one", "two", "three")] == [1, 1, 1]
