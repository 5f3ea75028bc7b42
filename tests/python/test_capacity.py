"""ReturnConsumedCapacity and ReturnItemCollectionMetrics: what operations would have cost."""

import pytest
from conftest import create_table
from tables import N, S, create_indexed, create_sorted, fill, item


def sized(size, **key):
    """An item of exactly `size` bytes with a key `pk` of one letter."""
    used = sum(len(name) + 1 for name in key) + len("fill")
    return {**key, "fill": S("x" * (size - used))}


def units(answer):
    return answer["ConsumedCapacity"]["CapacityUnits"]


@pytest.mark.parametrize(("size", "expected"), [(100, 1), (1024, 1), (1025, 2), (2048, 2), (100_000, 98)])
def test_a_write_costs_a_unit_for_each_kilobyte(client, table, size, expected):
    big = sized(size, pk=S("a"))
    answer = client.put_item(TableName=table, Item=big, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"] == {"TableName": table, "CapacityUnits": expected}
    # The larger of old and new counts.
    update = {"UpdateExpression": "REMOVE fill", "ReturnConsumedCapacity": "TOTAL"}
    assert units(client.update_item(TableName=table, Key={"pk": S("a")}, **update)) == expected
    assert units(client.put_item(TableName=table, Item=big, ReturnConsumedCapacity="TOTAL")) == expected
    delete = {"Key": {"pk": S("a")}, "ReturnConsumedCapacity": "TOTAL"}
    assert units(client.delete_item(TableName=table, **delete)) == expected
    assert units(client.delete_item(TableName=table, **delete)) == 1


@pytest.mark.parametrize(("size", "expected"), [(100, 1), (4096, 1), (4097, 2), (8192, 2), (100_000, 25)])
def test_a_read_costs_a_unit_for_each_four_kilobytes_and_half_when_not_consistent(client, table, size, expected):
    client.put_item(TableName=table, Item=sized(size, pk=S("a")))
    get = {"TableName": table, "Key": {"pk": S("a")}, "ReturnConsumedCapacity": "TOTAL"}
    assert units(client.get_item(ConsistentRead=True, **get)) == expected
    assert units(client.get_item(**get)) == expected / 2
    assert units(client.get_item(ProjectionExpression="pk", **get)) == expected / 2
    nobody = {**get, "Key": {"pk": S("b")}}
    assert units(client.get_item(**nobody)) == 0.5
    assert units(client.get_item(ConsistentRead=True, **nobody)) == 1


def test_a_page_costs_what_its_items_weigh_together(db, client):
    create_sorted(client)
    fill(client, "events", [sized(1000, pk=S("a"), sk=N(n)) for n in range(10)])
    more = {"ReturnConsumedCapacity": "TOTAL"}
    condition = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": S("a")}}
    # 10,000 bytes are three blocks of 4 KB.
    assert units(client.query(TableName="events", **condition, **more)) == 1.5
    assert units(client.query(TableName="events", ConsistentRead=True, **condition, **more)) == 3
    assert units(client.query(TableName="events", Limit=4, ConsistentRead=True, **condition, **more)) == 1
    assert units(client.query(TableName="events", Select="COUNT", ConsistentRead=True, **condition, **more)) == 3
    assert units(client.scan(TableName="events", ConsistentRead=True, **more)) == 3
    nothing = {"FilterExpression": "attribute_exists(nothing)"}
    answer = client.scan(TableName="events", ConsistentRead=True, **nothing, **more)
    assert answer["Count"] == 0 and units(answer) == 3


def test_a_failed_condition_answers_no_capacity(client, table):
    with pytest.raises(client.exceptions.ConditionalCheckFailedException) as caught:
        client.put_item(
            TableName=table,
            Item={"pk": S("a")},
            ConditionExpression="attribute_exists(pk)",
            ReturnConsumedCapacity="TOTAL",
        )
    assert "ConsumedCapacity" not in caught.value.response


def test_none_answers_none(client, table):
    answer = client.put_item(TableName=table, Item={"pk": S("a")}, ReturnConsumedCapacity="NONE")
    assert "ConsumedCapacity" not in answer


@pytest.mark.core
def test_indexes_are_told_one_by_one(db, client):
    create_indexed(client)
    one, group = {"CapacityUnits": 1.0}, ("by_group", "by_group_keys", "by_group_note")

    def put(**attributes):
        answer = client.put_item(TableName="indexed", Item=item("a", 1, **attributes), ReturnConsumedCapacity="INDEXES")
        return answer["ConsumedCapacity"]

    bare = put()
    assert bare == {"TableName": "indexed", "CapacityUnits": 1.0, "Table": one}
    entered = put(grp=S("g"), rank=N(1), amount=N(1))
    assert entered == {
        "TableName": "indexed",
        "CapacityUnits": 6.0,
        "Table": one,
        "LocalSecondaryIndexes": {"by_amount": one, "by_amount_keys": one},
        "GlobalSecondaryIndexes": dict.fromkeys(group, one),
    }
    moved = put(grp=S("other"), rank=N(1), amount=N(1))
    assert moved["GlobalSecondaryIndexes"] == dict.fromkeys(group, {"CapacityUnits": 2.0})
    left = put(amount=N(1))
    assert left["GlobalSecondaryIndexes"] == dict.fromkeys(group, one)


def test_an_index_that_does_not_see_the_change_costs_nothing(db, client):
    create_indexed(client)
    client.put_item(TableName="indexed", Item=item("a", 1, grp=S("g")))
    answer = client.update_item(
        TableName="indexed",
        Key=item("a", 1),
        UpdateExpression="SET more = :m",
        ExpressionAttributeValues={":m": N(1)},
        ReturnConsumedCapacity="INDEXES",
    )["ConsumedCapacity"]
    assert answer == {"TableName": "indexed", "CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}}


def test_reading_an_index_is_told_of_the_index(db, client):
    create_indexed(client)
    client.put_item(TableName="indexed", Item=item("a", 1, grp=S("g"), rank=N(1), amount=N(1)))
    answer = client.scan(TableName="indexed", IndexName="by_group", ReturnConsumedCapacity="INDEXES")[
        "ConsumedCapacity"
    ]
    assert answer["GlobalSecondaryIndexes"] == {"by_group": {"CapacityUnits": 0.5}}
    assert answer["Table"] == {"CapacityUnits": 0.0} and answer["CapacityUnits"] == 0.5


@pytest.mark.core
def test_transactions_cost_twice(client, table):
    put = {"Put": {"TableName": table, "Item": sized(1500, pk=S("a"))}}
    answer = client.transact_write_items(TransactItems=[put], ReturnConsumedCapacity="INDEXES")
    assert answer["ConsumedCapacity"] == [
        {
            "TableName": table,
            "CapacityUnits": 4.0,
            "WriteCapacityUnits": 4.0,
            "Table": {"CapacityUnits": 4.0, "WriteCapacityUnits": 4.0},
        }
    ]
    get = {"Get": {"TableName": table, "Key": {"pk": S("a")}}}
    answer = client.transact_get_items(TransactItems=[get], ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 2.0, "ReadCapacityUnits": 2.0}]


def test_batches_cost_what_their_parts_cost(client, table):
    create_table(client, "others")
    requests = {
        table: [{"PutRequest": {"Item": sized(1500, pk=S(name))}} for name in "abc"],
        "others": [{"DeleteRequest": {"Key": {"pk": S("nobody")}}}],
    }
    answer = client.batch_write_item(RequestItems=requests, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert {each["TableName"]: each["CapacityUnits"] for each in answer} == {table: 6.0, "others": 1.0}
    keys = {table: {"Keys": [{"pk": S(name)} for name in "abz"], "ConsistentRead": True}}
    answer = client.batch_get_item(RequestItems=keys, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert answer == [{"TableName": table, "CapacityUnits": 3.0}]


def test_item_collections_are_those_of_tables_with_local_indexes(db, client):
    create_indexed(client)
    create_sorted(client)
    more = {"ReturnItemCollectionMetrics": "SIZE"}
    metrics = client.put_item(TableName="indexed", Item=item("a", 1), **more)["ItemCollectionMetrics"]
    assert metrics["ItemCollectionKey"] == {"pk": S("a")}
    low, high = metrics["SizeEstimateRangeGB"]
    assert 0 <= low <= high
    update = client.update_item(TableName="indexed", Key=item("a", 1), **more)
    delete = client.delete_item(TableName="indexed", Key=item("a", 1), **more)
    assert update["ItemCollectionMetrics"]["ItemCollectionKey"] == {"pk": S("a")}
    assert delete["ItemCollectionMetrics"]["ItemCollectionKey"] == {"pk": S("a")}
    assert "ItemCollectionMetrics" not in client.put_item(TableName="events", Item=item("a", 1), **more)
    assert "ItemCollectionMetrics" not in client.put_item(TableName="indexed", Item=item("a", 1))
    batch = client.batch_write_item(
        RequestItems={"indexed": [{"PutRequest": {"Item": item(pk, n)}} for pk in "ab" for n in (1, 2)]}, **more
    )
    keys = [each["ItemCollectionKey"]["pk"]["S"] for each in batch["ItemCollectionMetrics"]["indexed"]]
    assert sorted(set(keys)) == ["a", "b"]
    transaction = client.transact_write_items(
        TransactItems=[{"Put": {"TableName": "indexed", "Item": item("c", 1)}}], **more
    )
    assert transaction["ItemCollectionMetrics"]["indexed"][0]["ItemCollectionKey"] == {"pk": S("c")}
