"""Sizes: items of 400 KB, keys, pages of 1 MB, depths, and what lies just beyond."""

import re

import pytest
from records import read, stream_arn
from tables import NEW_AND_OLD, N, S, attributes, create_sorted, fill, index, item, key_schema, scan_all

MAX_ITEM = 400 * 1024
PUT_TOO_LARGE = "Item size has exceeded the maximum allowed size"
UPDATE_TOO_LARGE = "Item size to update has exceeded the maximum allowed size"


def item_of(size, **more):
    """An item with key `pk` = "a" of exactly `size` bytes; `more` are attributes whose size is given with them."""
    used = len("pk") + 1 + len("fill") + sum(len(name) + cost for name, (_, cost) in more.items())
    values = {name: value for name, (value, _) in more.items()}
    return {"pk": S("a"), **values, "fill": S("x" * (size - used))}


@pytest.mark.core
def test_an_item_of_400_kilobytes_is_the_largest(client, table, refused):
    client.update_table(TableName=table, StreamSpecification=NEW_AND_OLD)
    largest = item_of(MAX_ITEM)
    client.put_item(TableName=table, Item=largest)
    assert client.get_item(TableName=table, Key={"pk": S("a")})["Item"] == largest
    assert client.describe_table(TableName=table)["Table"]["TableSizeBytes"] == MAX_ITEM
    too_large = item_of(MAX_ITEM + 1)
    refused.invalid(client.put_item, PUT_TOO_LARGE, TableName=table, Item=too_large)
    refused.invalid(client.batch_write_item, PUT_TOO_LARGE, RequestItems={table: [{"PutRequest": {"Item": too_large}}]})
    refused.invalid(
        client.transact_write_items, PUT_TOO_LARGE, TransactItems=[{"Put": {"TableName": table, "Item": too_large}}]
    )


def test_an_update_makes_no_larger_item(client, table, refused):
    client.put_item(TableName=table, Item=item_of(MAX_ITEM - 10))
    update = {"TableName": table, "Key": {"pk": S("a")}, "UpdateExpression": "SET more = :more"}
    refused.invalid(client.update_item, UPDATE_TOO_LARGE, ExpressionAttributeValues={":more": S("x" * 7)}, **update)
    client.update_item(ExpressionAttributeValues={":more": S("x" * 6)}, **update)
    assert client.describe_table(TableName=table)["Table"]["TableSizeBytes"] == MAX_ITEM


@pytest.mark.parametrize(
    ("value", "cost"),
    [
        (S("é🚀"), 6),
        ({"B": b"\x00" * 5}, 5),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        (S(""), 0),
        ({"SS": ["a", "bc"]}, 3),
        ({"BS": [b"a", b"bc"]}, 3),
        # Captures of DynamoDB's own gate (paritysuite/dynamodb-conformance, August 2026): a byte, and one for each two
        # significant digits on either side of the point, and one for the sign.
        (N(0), 1),
        (N(1), 2),
        (N(-1), 3),
        (N(123456), 4),
        (N("3.14159"), 5),
        (N("1E125"), 2),
        (N("0042.1200"), 3),
        ({"NS": ["1", "-1"]}, 5),
        ({"L": []}, 3),
        ({"M": {}}, 3),
        ({"L": [N(1), S("ab")]}, 3 + (1 + 2) + (1 + 2)),
        ({"M": {"k": N(1)}}, 3 + (1 + 1 + 2)),
    ],
)
def test_every_value_has_its_size(client, table, value, cost):
    client.put_item(TableName=table, Item={"pk": S("a"), "v": value})
    size = client.describe_table(TableName=table)["Table"]["TableSizeBytes"]
    assert size == len("pk") + 1 + len("v") + cost


HASH_TOO_LONG = re.compile("Size of hashkey has exceeded the maximum size limit of ?2048 bytes")
RANGE_TOO_LONG = re.compile("range keys? has exceeded the (maximum )?size limit of ?1024 bytes")


@pytest.mark.parametrize("kind", ["S", "B"])
def test_keys_have_a_largest_size(db, client, refused, kind):
    client.create_table(
        TableName="events",
        KeySchema=key_schema("pk", "sk"),
        AttributeDefinitions=attributes(pk=kind, sk=kind),
        BillingMode="PAY_PER_REQUEST",
    )

    def key(pk, sk):
        letter = "x" if kind == "S" else b"\x00"
        return {"pk": {kind: letter * pk}, "sk": {kind: letter * sk}}

    largest = key(2048, 1024)
    client.put_item(TableName="events", Item=largest)
    assert client.get_item(TableName="events", Key=largest)["Item"] == largest
    assert scan_all(client, "events") == [largest]
    for call, name in ((client.put_item, "Item"), (client.get_item, "Key"), (client.delete_item, "Key")):
        refused.invalid(call, HASH_TOO_LONG, TableName="events", **{name: key(2049, 1)})
        refused.invalid(call, RANGE_TOO_LONG, TableName="events", **{name: key(1, 1025)})


def test_index_keys_have_the_same_limits(db, client, refused):
    client.create_table(
        TableName="events",
        KeySchema=key_schema("pk", "sk"),
        AttributeDefinitions=attributes(pk="S", sk="S", gpk="B", gsk="B"),
        GlobalSecondaryIndexes=[index("global", "gpk", "gsk")],
        BillingMode="PAY_PER_REQUEST",
    )
    largest = {
        "pk": S("p" * 2048),
        "sk": S("s" * 1024),
        "gpk": {"B": b"\x00" * 2048},
        "gsk": {"B": b"\xff" * 1024},
    }
    client.put_item(TableName="events", Item=largest)
    assert client.scan(TableName="events", IndexName="global")["Items"] == [largest]
    page = client.scan(TableName="events", IndexName="global", Limit=1)
    more = client.scan(TableName="events", IndexName="global", ExclusiveStartKey=page["LastEvaluatedKey"])
    assert more["Items"] == []
    refused.invalid(
        client.put_item,
        re.compile("Size of hashkey has exceeded"),
        TableName="events",
        Item={**largest, "gpk": {"B": b"\x00" * 2049}},
    )
    refused.invalid(
        client.update_item,
        re.compile("has exceeded the (maximum )?size limit"),
        TableName="events",
        Key={"pk": largest["pk"], "sk": largest["sk"]},
        UpdateExpression="SET gsk = :v",
        ExpressionAttributeValues={":v": {"B": b"x" * 1025}},
    )


def test_a_page_holds_a_megabyte(db, client):
    create_sorted(client)
    fill(client, "events", [item("a", n, big=S("x" * 100_000)) for n in range(25)])
    condition = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": S("a")}}
    for read_page in (client.scan, lambda **more: client.query(**condition, **more)):
        counts, more = [], {}
        while True:
            page = read_page(TableName="events", **more)
            counts.append(page["ScannedCount"])
            if "LastEvaluatedKey" not in page:
                break
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        assert sum(counts) == 25
        # The item that crosses the line may still be in its page.
        assert all(10 <= count <= 11 for count in counts[:-1]), counts


def test_the_megabyte_counts_what_is_read_not_what_is_given(db, client):
    create_sorted(client)
    fill(client, "events", [item("a", n, big=S("x" * 100_000)) for n in range(25)])
    page = client.scan(TableName="events", FilterExpression="attribute_exists(nothing)")
    assert page["Items"] == [] and 10 <= page["ScannedCount"] <= 11 and "LastEvaluatedKey" in page
    page = client.scan(TableName="events", Select="COUNT")
    assert 10 <= page["Count"] <= 11 and "LastEvaluatedKey" in page
    page = client.scan(TableName="events", ProjectionExpression="sk")
    assert 10 <= page["Count"] <= 11


def nested(levels, kind):
    value = S("leaf")
    for _ in range(levels):
        value = {"M": {"n": value}} if kind == "M" else {"L": [value]}
    return value


@pytest.mark.parametrize("kind", ["M", "L"])
def test_values_nest_32_levels_deep(client, table, refused, kind):
    deepest = {"pk": S("a"), "v": nested(31, kind)}
    client.put_item(TableName=table, Item=deepest)
    assert client.get_item(TableName=table, Key={"pk": S("a")})["Item"] == deepest
    # Regions differ in what they put before a bad expression value.
    message = re.compile(
        "^(ExpressionAttributeValues contains invalid value: )?Nesting Levels have exceeded supported limits"
    )
    too_deep = {"pk": S("b"), "v": nested(32, kind)}
    refused.invalid(client.put_item, message, TableName=table, Item=too_deep)
    refused.invalid(client.batch_write_item, message, RequestItems={table: [{"PutRequest": {"Item": too_deep}}]})
    refused.invalid(
        client.transact_write_items, message, TransactItems=[{"Put": {"TableName": table, "Item": too_deep}}]
    )
    refused.invalid(
        client.update_item,
        message,
        TableName=table,
        Key={"pk": S("a")},
        UpdateExpression="SET w = :v",
        ExpressionAttributeValues={":v": too_deep["v"]},
    )


def test_an_update_does_not_nest_deeper(client, table, refused):
    client.put_item(TableName=table, Item={"pk": S("a"), "v": nested(31, "M")})
    refused.invalid(
        client.update_item,
        re.compile("Nesting Levels have exceeded supported limits"),
        TableName=table,
        Key={"pk": S("a")},
        UpdateExpression="SET v.n = v",
    )


def test_absurd_depth_is_an_error_and_no_crash(client, table, refused):
    value = nested(5_000, "L")
    for call, name in ((client.put_item, "Item"), (client.delete_item, "Key")):
        with pytest.raises(Exception) as caught:  # noqa: B017 - botocore's own recursion may end it first
            call(TableName=table, **{name: {"pk": S("a"), "v": value}})
        assert not isinstance(caught.value, SystemError)
    assert scan_all(client, table) == []


def test_an_expression_has_at_most_4096_bytes(client, table, refused):
    def condition(size):
        text = "attribute_not_exists({})"
        return text.format("a" * (size - len(text) + 2))

    name_of_many = condition(4096)
    client.put_item(TableName=table, Item={"pk": S("a")}, ConditionExpression=name_of_many)
    refused.invalid(
        client.put_item,
        "Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; expression size: 4097",
        TableName=table,
        Item={"pk": S("a")},
        ConditionExpression=condition(4097),
    )


def test_substituted_names_do_not_count(client, table):
    names = {f"#n{n}": "n" * 250 + str(n) for n in range(30)}
    client.put_item(TableName=table, Item={"pk": S("a"), names["#n7"]: N(7)})
    found = client.get_item(
        TableName=table,
        Key={"pk": S("a")},
        ProjectionExpression=", ".join(names),
        ExpressionAttributeNames=names,
    )
    assert found["Item"] == {names["#n7"]: N(7)}


def test_many_attributes_and_a_long_list_are_one_item(client, table, streams):
    client.update_table(TableName=table, StreamSpecification=NEW_AND_OLD)
    wide = {"pk": S("a"), **{f"attribute{n}": N(n) for n in range(2_000)}, "l": {"L": [N(n) for n in range(20_000)]}}
    client.put_item(TableName=table, Item=wide)
    assert client.get_item(TableName=table, Key={"pk": S("a")})["Item"] == wide
    (record,) = read(streams, stream_arn(client, table))
    assert record["dynamodb"]["NewImage"] == wide
