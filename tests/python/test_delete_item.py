"""DeleteItem: what it takes away, what it returns, what it refuses."""

import pytest
from conftest import create_table
from records import kinds, read, stream_arn
from tables import NEW_AND_OLD, N, S, create_indexed, item

FAILED = "ConditionalCheckFailedException"
NOT_MET = "The conditional request failed"


def test_a_deleted_item_is_gone_from_its_indexes_too(db, client):
    create_indexed(client)
    for n in (1, 2):
        client.put_item(TableName="indexed", Item=item("a", n, amount=N(n), grp=S("g"), rank=N(n)))
    client.delete_item(TableName="indexed", Key=item("a", 1))
    assert [found["sk"] for found in client.scan(TableName="indexed")["Items"]] == [N(2)]
    for name in ("by_amount", "by_amount_keys", "by_group", "by_group_keys", "by_group_note"):
        found = client.scan(TableName="indexed", IndexName=name)["Items"]
        assert [entry["sk"] for entry in found] == [N(2)], name


@pytest.mark.core
def test_all_old_gives_the_item_that_was_deleted(client, table):
    old = {"pk": S("a"), "n": N(1)}
    client.put_item(TableName=table, Item=old)
    delete = {"TableName": table, "Key": {"pk": S("a")}, "ReturnValues": "ALL_OLD"}
    assert client.delete_item(**delete)["Attributes"] == old
    assert "Attributes" not in client.delete_item(**delete)


def test_deleting_nothing_is_no_error_and_no_record(db, client, streams):
    create_table(client, StreamSpecification=NEW_AND_OLD)
    client.delete_item(TableName="orders", Key={"pk": S("nobody")})
    client.put_item(TableName="orders", Item={"pk": S("a")})
    client.delete_item(TableName="orders", Key={"pk": S("a")})
    client.delete_item(TableName="orders", Key={"pk": S("a")})
    assert kinds(read(streams, stream_arn(client, "orders"))) == ["INSERT", "REMOVE"]


def test_a_condition_that_does_not_hold_deletes_nothing(client, table, refused):
    old = {"pk": S("a"), "n": N(1)}
    client.put_item(TableName=table, Item=old)
    delete = {
        "TableName": table,
        "Key": {"pk": S("a")},
        "ConditionExpression": "n = :n",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    response = refused(client.delete_item, FAILED, NOT_MET, **delete, ExpressionAttributeValues={":n": N(2)})
    assert response["Item"] == old
    client.delete_item(**delete, ExpressionAttributeValues={":n": N(1)})
    assert client.scan(TableName=table)["Count"] == 0


def test_a_condition_on_an_item_that_is_not_there_does_not_hold(client, table, refused):
    delete = {"TableName": table, "Key": {"pk": S("a")}}
    refused(client.delete_item, FAILED, NOT_MET, **delete, ConditionExpression="attribute_exists(pk)")
    client.delete_item(**delete, ConditionExpression="attribute_not_exists(pk)")


@pytest.mark.parametrize("asked", ["ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"])
def test_only_the_old_item_can_be_returned(client, table, refused, asked):
    client.put_item(TableName=table, Item={"pk": S("a")})
    refused.invalid(
        client.delete_item,
        "Return values set to invalid value",
        TableName=table,
        Key={"pk": S("a")},
        ReturnValues=asked,
    )


def test_the_old_way_of_conditions_works(client, table, refused):
    client.put_item(TableName=table, Item={"pk": S("a"), "n": N(1), "m": N(2)})
    delete = {"TableName": table, "Key": {"pk": S("a")}, "ConditionalOperator": "OR"}
    refused(
        client.delete_item,
        FAILED,
        NOT_MET,
        **delete,
        Expected={"n": {"Value": N(9)}, "m": {"ComparisonOperator": "GT", "AttributeValueList": [N(2)]}},
    )
    client.delete_item(
        **delete,
        Expected={"n": {"Value": N(9)}, "m": {"ComparisonOperator": "GE", "AttributeValueList": [N(2)]}},
    )
    assert client.scan(TableName=table)["Count"] == 0
