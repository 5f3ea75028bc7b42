"""PutItem: creating and replacing, conditions, what it returns, what it refuses."""

import re

import pytest
from conftest import create_table
from records import kinds, read, stream_arn
from tables import NEW_AND_OLD, N, S, create_indexed, create_sorted, item

FAILED = "ConditionalCheckFailedException"
NOT_MET = "The conditional request failed"
EMPTY_KEY = (
    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {} "
    "value. "
    "Key: {}"
)


def nested(levels):
    value = S("x")
    for _ in range(levels):
        value = {"L": [value]}
    return value


EVERY_TYPE = {
    "pk": S("all"),
    "text": S("çà — 日本語 🚀"),
    "count": N(42),
    "blob": {"B": b"\x00\x01\xff"},
    "yes": {"BOOL": True},
    "no": {"BOOL": False},
    "nothing": {"NULL": True},
    "texts": {"SS": ["a", "b"]},
    "numbers": {"NS": ["1", "2.5"]},
    "blobs": {"BS": [b"a", b"b"]},
    "list": {"L": [S("x"), N(1), {"L": []}, {"M": {}}]},
    "map": {"M": {"deep": {"M": {"deeper": {"L": [{"NULL": True}]}}}}},
}


@pytest.mark.core
def test_values_of_every_type_come_back_as_they_went(client, table):
    assert client.put_item(TableName=table, Item=EVERY_TYPE).keys() == {"ResponseMetadata"}
    found = client.get_item(TableName=table, Key={"pk": S("all")})["Item"]
    for name, kind in (("texts", "SS"), ("numbers", "NS"), ("blobs", "BS")):
        found[name] = {kind: sorted(found[name][kind])}
    assert found == EVERY_TYPE


def test_an_item_is_replaced_whole(client, table):
    client.put_item(TableName=table, Item={"pk": S("a"), "old": N(1)})
    client.put_item(TableName=table, Item={"pk": S("a"), "new": N(2)})
    assert client.scan(TableName=table)["Items"] == [{"pk": S("a"), "new": N(2)}]


def test_all_old_gives_the_item_that_was_replaced(client, table):
    put = {"TableName": table, "ReturnValues": "ALL_OLD"}
    assert "Attributes" not in client.put_item(Item={"pk": S("a"), "n": N(1)}, **put)
    assert client.put_item(Item={"pk": S("a"), "n": N(2)}, **put)["Attributes"] == {"pk": S("a"), "n": N(1)}
    answer = client.put_item(TableName=table, Item={"pk": S("a"), "n": N(3)}, ReturnValues="NONE")
    assert "Attributes" not in answer


@pytest.mark.core
def test_a_condition_that_does_not_hold_changes_nothing(client, table, refused):
    client.update_table(TableName=table, StreamSpecification=NEW_AND_OLD)
    put = {
        "TableName": table,
        "Item": {"pk": S("a"), "n": N(1)},
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    client.put_item(**put)
    response = refused(client.put_item, FAILED, NOT_MET, **{**put, "Item": {"pk": S("a"), "n": N(2)}})
    assert "Item" not in response


@pytest.mark.core
def test_the_item_that_broke_the_condition_can_be_asked_for(client, table, refused):
    old = {"pk": S("a"), "n": N(1), "deep": {"M": {"x": {"L": [N(1)]}}}}
    client.put_item(TableName=table, Item=old)
    response = refused(
        client.put_item,
        FAILED,
        NOT_MET,
        TableName=table,
        Item={"pk": S("a")},
        ConditionExpression="n > :n",
        ExpressionAttributeValues={":n": N(1)},
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    assert response["Item"] == old


def test_where_there_was_no_item_none_is_given(client, table, refused):
    response = refused(
        client.put_item,
        FAILED,
        NOT_MET,
        TableName=table,
        Item={"pk": S("a")},
        ConditionExpression="attribute_exists(pk)",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    assert "Item" not in response


def test_the_modeled_exception_is_raised(client, table):
    with pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.put_item(TableName=table, Item={"pk": S("a")}, ConditionExpression="attribute_exists(pk)")


def test_putting_the_same_item_again_is_no_change(db, client, streams):
    create_table(client, StreamSpecification=NEW_AND_OLD)
    for numbers in (["1", "2"], ["2.0", "1"]):
        client.put_item(TableName="orders", Item={"pk": S("a"), "n": N("1.50"), "ns": {"NS": numbers}})
    client.put_item(TableName="orders", Item={"pk": S("a"), "n": N("1.5"), "ns": {"NS": ["1", "2"]}})
    assert kinds(read(streams, stream_arn(client, "orders"))) == ["INSERT"]


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        ("One or more parameter values were invalid: Missing the key pk in the item", {"sk": N(1)}),
        ("One or more parameter values were invalid: Missing the key sk in the item", {"pk": S("a")}),
        (
            "One or more parameter values were invalid: Type mismatch for key sk expected: N actual: S",
            {"pk": S("a"), "sk": S("1")},
        ),
        (
            "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: NULL",
            {"pk": {"NULL": True}, "sk": N(1)},
        ),
        (EMPTY_KEY.format("string", "pk"), {"pk": S(""), "sk": N(1)}),
        (
            "One or more parameter values were invalid: Type mismatch for Index Key amount Expected: N Actual: S "
            "IndexName: by_amount",
            {"pk": S("a"), "sk": N(1), "amount": S("1")},
        ),
        (
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. "
            "The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by_group, "
            "IndexKey: grp",
            {"pk": S("a"), "sk": N(1), "grp": S("")},
        ),
        (
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            {"pk": S("a"), "sk": N(1), "x": {}},
        ),
        (
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported "
            "datatypes",
            {"pk": S("a"), "sk": N(1), "x": {"S": "1", "N": "1"}},
        ),
        (
            "One or more parameter values were invalid: An string set  may not be empty",
            {"pk": S("a"), "sk": N(1), "x": {"SS": []}},
        ),
        (
            "One or more parameter values were invalid: An number set  may not be empty",
            {"pk": S("a"), "sk": N(1), "x": {"L": [{"NS": []}]}},
        ),
        (
            "One or more parameter values were invalid: Binary sets should not be empty",
            {"pk": S("a"), "sk": N(1), "x": {"M": {"y": {"BS": []}}}},
        ),
        (re.compile("Input collection .* contains duplicates"), {"pk": S("a"), "sk": N(1), "x": {"SS": ["a", "a"]}}),
        (re.compile("Input collection contains duplicates"), {"pk": S("a"), "sk": N(1), "x": {"NS": ["1", "1.0"]}}),
        (re.compile("of type BS contains duplicates"), {"pk": S("a"), "sk": N(1), "x": {"BS": [b"", b""]}}),
        (
            "One or more parameter values were invalid: Null attribute value types must have the value of true",
            {"pk": S("a"), "sk": N(1), "x": {"NULL": False}},
        ),
        ("The parameter cannot be converted to a numeric value: one", {"pk": S("a"), "sk": N("one")}),
        (
            re.compile("Nesting Levels have exceeded supported limits"),
            {"pk": S("a"), "sk": N(1), "x": nested(32)},
        ),
    ],
)
def test_a_bad_item_is_not_put(db, client, refused, message, wrong):
    create_indexed(client, StreamSpecification=NEW_AND_OLD)
    client.put_item(TableName="indexed", Item=item("a", 1, amount=N(1), grp=S("g")))
    refused.invalid(client.put_item, message, TableName="indexed", Item=wrong)


@pytest.mark.parametrize(
    ("message", "parameters"),
    [
        ("Return values set to invalid value", {"ReturnValues": "ALL_NEW"}),
        ("Return values set to invalid value", {"ReturnValues": "UPDATED_OLD"}),
        (re.compile("Member must satisfy enum value set: "), {"ReturnValues": "EVERYTHING"}),
        (
            "1 validation error detected: Value 'MUCH' at 'returnConsumedCapacity' failed to satisfy constraint: "
            "Member must "
            "satisfy enum value set: [INDEXES, TOTAL, NONE]",
            {"ReturnConsumedCapacity": "MUCH"},
        ),
        (
            re.compile(
                "^(1 validation error detected: )?ExpressionAttributeNames can only be specified when using expressions"
            ),
            {"ExpressionAttributeNames": {"#n": "n"}},
        ),
        (
            re.compile(
                "^(1 validation error detected: )?ExpressionAttributeValues can only be specified when using "
                "expressions"
            ),
            {"ExpressionAttributeValues": {":n": N(1)}},
        ),
        (
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:n}",
            {"ConditionExpression": "attribute_exists(pk)", "ExpressionAttributeValues": {":n": N(1)}},
        ),
        (
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
            "{Expected} Expression parameters: {ConditionExpression}",
            {"ConditionExpression": "attribute_exists(pk)", "Expected": {"pk": {"Exists": False}}},
        ),
        (
            "1 validation error detected: Value 'x!xx' at 'tableName' failed to satisfy constraint: Member must "
            "satisfy "
            "regular expression pattern: [a-zA-Z0-9_.-]+",
            {"TableName": "x!xx"},
        ),
    ],
)
def test_bad_parameters_put_nothing(client, table, refused, message, parameters):
    client.put_item(TableName=table, Item={"pk": S("a"), "n": N(1)})
    refused.invalid(client.put_item, message, **{"TableName": table, "Item": {"pk": S("a")}, **parameters})


def test_the_old_way_of_conditions_works(client, table, refused):
    put = {"TableName": table, "Item": {"pk": S("a"), "n": N(1)}, "Expected": {"pk": {"Exists": False}}}
    client.put_item(**put)
    refused(client.put_item, FAILED, NOT_MET, **put)
    client.put_item(
        TableName=table,
        Item={"pk": S("a"), "n": N(2)},
        Expected={"n": {"ComparisonOperator": "EQ", "AttributeValueList": [N(1)]}},
    )
    assert client.scan(TableName=table)["Items"] == [{"pk": S("a"), "n": N(2)}]


def test_items_of_one_partition_are_told_apart_by_their_sort_key(db, client):
    create_sorted(client)
    for n in (1, 2, 1):
        client.put_item(TableName="events", Item=item("a", n))
    assert client.scan(TableName="events")["Count"] == 2


def test_an_item_without_the_keys_of_an_index_is_not_in_it(db, client):
    create_indexed(client)
    client.put_item(TableName="indexed", Item=item("a", 1, grp=S("g")))
    counts = {
        name: client.scan(TableName="indexed", IndexName=name)["Count"]
        for name in ("by_amount", "by_amount_keys", "by_group", "by_group_keys", "by_group_note")
    }
    assert counts == {"by_amount": 0, "by_amount_keys": 0, "by_group": 0, "by_group_keys": 1, "by_group_note": 1}


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "Empty attribute name"), ("n" * 65_536, "Attribute name is longer than 65535 bytes")],
    ids=["empty", "long"],
)
def test_attribute_names_have_a_length(refused, client, table, name, message):
    refused.invalid(
        client.put_item,
        f"One or more parameter values were invalid: {message}",
        TableName=table,
        Item={"pk": {"S": "a"}, name: {"S": "x"}},
    )
    client.put_item(TableName=table, Item={"pk": {"S": "a"}, "n" * 65_535: {"S": "x"}})
