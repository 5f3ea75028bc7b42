"""GetItem: what is there, what of it is asked for, what it refuses."""

import re

import pytest
from conftest import create_table
from tables import N, S, create_sorted, item

DOCUMENT = {
    "pk": S("a"),
    "name": S("reserved"),
    "note": S("x"),
    "list": {"L": [N(0), N(1), {"M": {"x": S("in list"), "y": S("not asked")}}]},
    "map": {"M": {"one": N(1), "two": {"M": {"three": N(3), "four": N(4)}}}},
    "dotted.name": S("dot"),
}


@pytest.fixture
def document(client, table):
    client.put_item(TableName=table, Item=DOCUMENT)
    return {"TableName": table, "Key": {"pk": S("a")}}


@pytest.mark.core
def test_an_item_that_is_not_there_is_no_item(client, table):
    assert "Item" not in client.get_item(TableName=table, Key={"pk": S("nobody")})


def test_reads_are_consistent_either_way(client, table):
    for consistent in (False, True):
        client.put_item(TableName=table, Item={"pk": S("a"), "c": {"BOOL": consistent}})
        found = client.get_item(TableName=table, Key={"pk": S("a")}, ConsistentRead=consistent)["Item"]
        assert found["c"] == {"BOOL": consistent}


@pytest.mark.core
@pytest.mark.parametrize(
    ("expression", "names", "expected"),
    [
        ("note", None, {"note": S("x")}),
        ("note, pk", None, {"pk": S("a"), "note": S("x")}),
        ("#n", {"#n": "name"}, {"name": S("reserved")}),
        ("#d", {"#d": "dotted.name"}, {"dotted.name": S("dot")}),
        ("#m.one", {"#m": "map"}, {"map": {"M": {"one": N(1)}}}),
        ("#m.two.three", {"#m": "map"}, {"map": {"M": {"two": {"M": {"three": N(3)}}}}}),
        ("#m.one, #m.two.four", {"#m": "map"}, {"map": {"M": {"one": N(1), "two": {"M": {"four": N(4)}}}}}),
        ("#l[1]", {"#l": "list"}, {"list": {"L": [N(1)]}}),
        ("#l[2], #l[0]", {"#l": "list"}, {"list": {"L": [N(0), DOCUMENT["list"]["L"][2]]}}),
        ("#l[2].x", {"#l": "list"}, {"list": {"L": [{"M": {"x": S("in list")}}]}}),
        ("#l[9]", {"#l": "list"}, {}),
        ("nothing, note.deeper", None, {}),
        ("nothing, note", None, {"note": S("x")}),
    ],
)
def test_a_projection_gives_its_paths_and_no_more(client, document, expression, names, expected):
    more = {"ExpressionAttributeNames": names} if names else {}
    assert client.get_item(ProjectionExpression=expression, **document, **more)["Item"] == expected


def test_the_old_way_of_projections_works(client, document):
    assert client.get_item(AttributesToGet=["note", "name", "nothing"], **document)["Item"] == {
        "note": S("x"),
        "name": S("reserved"),
    }


MISMATCH = "The provided key element does not match the schema"


@pytest.mark.parametrize(
    ("message", "key"),
    [
        (MISMATCH, {"pk": S("a")}),
        (MISMATCH, {"pk": S("a"), "sk": S("1")}),
        (MISMATCH, {"pk": S("a"), "sk": N(1), "more": N(1)}),
        (MISMATCH, {"pk": S("a"), "other": N(1)}),
        (MISMATCH, {"pk": {"SS": ["a"]}, "sk": N(1)}),
        (MISMATCH, {}),
        (
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            "empty "
            "string value. Key: pk",
            {"pk": S(""), "sk": N(1)},
        ),
        ("The parameter cannot be converted to a numeric value: x", {"pk": S("a"), "sk": N("x")}),
    ],
)
def test_a_key_is_exactly_the_tables_own(db, client, refused, message, key):
    create_sorted(client)
    client.put_item(TableName="events", Item=item("a", 1))
    refused.invalid(client.get_item, message, TableName="events", Key=key)
    refused.invalid(client.delete_item, message, TableName="events", Key=key)


@pytest.mark.parametrize(
    ("message", "parameters"),
    [
        (
            'Invalid ProjectionExpression: Syntax error; token: "<EOF>", near: ","',
            {"ProjectionExpression": "note,"},
        ),
        (
            "Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: name",
            {"ProjectionExpression": "name"},
        ),
        (
            "Invalid ProjectionExpression: An expression attribute name used in the document path is not defined; "
            "attribute name: #n",
            {"ProjectionExpression": "#n"},
        ),
        (
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#n}",
            {"ProjectionExpression": "note", "ExpressionAttributeNames": {"#n": "name"}},
        ),
        (
            "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of "
            "these "
            "paths; path one: [note], path two: [note, x]",
            {"ProjectionExpression": "note, note.x"},
        ),
        (
            "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of "
            "these "
            "paths; path one: [a], path two: [a]",
            {"ProjectionExpression": "a, a"},
        ),
        ("Invalid ProjectionExpression: The expression can not be empty;", {"ProjectionExpression": ""}),
        (
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
            "{AttributesToGet} Expression parameters: {ProjectionExpression}",
            {"ProjectionExpression": "note", "AttributesToGet": ["note"]},
        ),
        (
            re.compile("^ExpressionAttributeNames can only be specified when using expressions"),
            {"ExpressionAttributeNames": {"#n": "name"}},
        ),
    ],
)
def test_a_bad_projection_is_refused(client, document, refused, message, parameters):
    refused.invalid(client.get_item, message, **document, **parameters)


def test_a_bad_projection_is_refused_where_there_is_no_item_too(client, table, refused):
    refused.invalid(
        client.get_item,
        "Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: status",
        TableName=table,
        Key={"pk": S("nobody")},
        ProjectionExpression="status",
    )


def test_empty_binary_keys_are_refused(db, client, refused):
    client.create_table(
        TableName="blobs",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "B"}],
        BillingMode="PAY_PER_REQUEST",
    )
    message = (
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
        "binary value. Key: pk"
    )
    key = {"pk": {"B": b""}}
    refused.invalid(client.get_item, message, TableName="blobs", Key=key)
    refused.invalid(client.put_item, message, TableName="blobs", Item=key)
    refused.invalid(client.update_item, message, TableName="blobs", Key=key)
    refused.invalid(client.batch_get_item, message, RequestItems={"blobs": {"Keys": [key]}})
    refused.invalid(client.batch_write_item, message, RequestItems={"blobs": [{"DeleteRequest": {"Key": key}}]})
    refused.invalid(client.transact_get_items, message, TransactItems=[{"Get": {"TableName": "blobs", "Key": key}}])


def test_bytes_and_texts_of_the_same_letters_are_different_keys(db, client):
    create_table(client)
    client.put_item(TableName="orders", Item={"pk": S("a"), "x": {"B": b"a"}, "y": S("a")})
    found = client.get_item(TableName="orders", Key={"pk": S("a")})["Item"]
    assert found["x"] == {"B": b"a"} and isinstance(found["x"]["B"], bytes)
    assert found["y"] == S("a")
