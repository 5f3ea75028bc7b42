"""UpdateItem: every clause, what it returns, upserts, and what it refuses."""

import re

import pytest
from conftest import create_table
from records import kinds, read, stream_arn, told
from tables import NEW_AND_OLD, N, S, create_indexed, item, scan_all

FAILED = "ConditionalCheckFailedException"
NOT_MET = "The conditional request failed"
KEY = {"pk": S("a")}
START = {
    **KEY,
    "n": N(10),
    "s": S("text"),
    "l": {"L": [N(0), N(1), N(2), N(3)]},
    "m": {"M": {"x": N(1), "deep": {"M": {"y": S("z")}}}},
    "ss": {"SS": ["a", "b"]},
    "ns": {"NS": ["1", "2"]},
    "bs": {"BS": [b"a"]},
}


@pytest.fixture
def start(client, table):
    client.put_item(TableName=table, Item=START)
    return {"TableName": table, "Key": KEY}


def in_order(value):
    """The value with its sets sorted."""
    ((kind, content),) = value.items()
    return {kind: sorted(content)} if kind in ("SS", "NS", "BS") else value


def updated(client, start, expression, **values):
    """What `expression` has changed of START: name -> new value, or None where it is gone."""
    more = {"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}
    client.update_item(UpdateExpression=expression, **start, **more)
    found = client.get_item(**start)["Item"]
    old = {name: in_order(value) for name, value in START.items()}
    new = {name: in_order(value) for name, value in found.items()}
    return {name: new.get(name) for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


@pytest.mark.parametrize(
    ("expression", "values", "changed"),
    [
        ("SET s = :v", {"v": S("new")}, {"s": S("new")}),
        ("SET fresh = :v, n = :n", {"v": S("new"), "n": N(1)}, {"fresh": S("new"), "n": N(1)}),
        ("SET s = n, n = s", {}, {"s": N(10), "n": S("text")}),
        ("SET n = n + :v", {"v": N("0.5")}, {"n": N("10.5")}),
        ("SET n = :v - n", {"v": N(1)}, {"n": N(-9)}),
        ("SET n = n - n", {}, {"n": N(0)}),
        ("SET s = if_not_exists(s, :v), fresh = if_not_exists(fresh, :v)", {"v": S("new")}, {"fresh": S("new")}),
        ("SET n = if_not_exists(fresh, :v) + :v", {"v": N(2)}, {"n": N(4)}),
        ("SET l = list_append(l, :v)", {"v": {"L": [S("end")]}}, {"l": {"L": [N(0), N(1), N(2), N(3), S("end")]}}),
        ("SET l = list_append(:v, l)", {"v": {"L": [S("top")]}}, {"l": {"L": [S("top"), N(0), N(1), N(2), N(3)]}}),
        (
            "SET fresh = list_append(if_not_exists(fresh, :none), :v)",
            {"none": {"L": []}, "v": {"L": [N(1)]}},
            {"fresh": {"L": [N(1)]}},
        ),
        ("SET l[1] = :v", {"v": S("x")}, {"l": {"L": [N(0), S("x"), N(2), N(3)]}}),
        ("SET l[99] = :v", {"v": S("x")}, {"l": {"L": [N(0), N(1), N(2), N(3), S("x")]}}),
        (
            "SET m.x = :v, m.deep.w = :v",
            {"v": N(7)},
            {"m": {"M": {"x": N(7), "deep": {"M": {"y": S("z"), "w": N(7)}}}}},
        ),
        ("SET m.deep = m.x", {}, {"m": {"M": {"x": N(1), "deep": N(1)}}}),
        ("REMOVE s, n", {}, {"s": None, "n": None}),
        ("REMOVE l[0], l[2]", {}, {"l": {"L": [N(1), N(3)]}}),
        ("REMOVE l[17], m.nothing, nothing", {}, {}),
        ("REMOVE m.deep.y", {}, {"m": {"M": {"x": N(1), "deep": {"M": {}}}}}),
        ("ADD n :v", {"v": N(5)}, {"n": N(15)}),
        ("ADD n :v", {"v": N("-10")}, {"n": N(0)}),
        ("ADD fresh :v", {"v": N(5)}, {"fresh": N(5)}),
        ("ADD m.fresh :v", {"v": N(5)}, {"m": {"M": {"x": N(1), "deep": {"M": {"y": S("z")}}, "fresh": N(5)}}}),
        ("ADD ss :v", {"v": {"SS": ["b", "c"]}}, {"ss": {"SS": ["a", "b", "c"]}}),
        ("ADD ns :v", {"v": {"NS": ["2.0", "3"]}}, {"ns": {"NS": ["1", "2", "3"]}}),
        ("ADD bs :v, fresh :v", {"v": {"BS": [b""]}}, {"bs": {"BS": [b"", b"a"]}, "fresh": {"BS": [b""]}}),
        ("DELETE ss :v", {"v": {"SS": ["b", "nothing"]}}, {"ss": {"SS": ["a"]}}),
        ("DELETE ns :v", {"v": {"NS": ["1", "2"]}}, {"ns": None}),
        ("DELETE fresh :v", {"v": {"SS": ["b"]}}, {}),
        (
            "SET s = :s REMOVE l[0] ADD n :n DELETE ss :ss",
            {"s": S("all"), "n": N(1), "ss": {"SS": ["a"]}},
            {"s": S("all"), "l": {"L": [N(1), N(2), N(3)]}, "n": N(11), "ss": {"SS": ["b"]}},
        ),
        ("set s = :v remove n", {"v": S("lower case")}, {"s": S("lower case"), "n": None}),
    ],
)
def test_each_clause_does_what_it_says(client, start, expression, values, changed):
    assert updated(client, start, expression, **values) == changed


@pytest.mark.core
def test_an_update_makes_the_item_that_was_not_there(client, table):
    client.update_item(
        TableName=table,
        Key=KEY,
        UpdateExpression="SET s = :s ADD n :n, ss :ss REMOVE x DELETE y :ss",
        ExpressionAttributeValues={":s": S("new"), ":n": N(1), ":ss": {"SS": ["a"]}},
    )
    assert scan_all(client, table) == [{**KEY, "s": S("new"), "n": N(1), "ss": {"SS": ["a"]}}]


def test_an_update_without_an_expression_makes_the_bare_item(client, table):
    client.update_item(TableName=table, Key=KEY)
    assert scan_all(client, table) == [KEY]


@pytest.mark.parametrize(
    "update",
    [
        {"UpdateExpression": "REMOVE x, y"},
        {"UpdateExpression": "REMOVE x DELETE y :y", "ExpressionAttributeValues": {":y": {"SS": ["a"]}}},
        {"AttributeUpdates": {"x": {"Action": "DELETE"}}},
        {"AttributeUpdates": {"x": {"Action": "DELETE", "Value": {"NS": ["1"]}}}},
    ],
)
def test_an_update_that_only_takes_away_makes_no_item(client, table, update):
    answer = client.update_item(TableName=table, Key=KEY, ReturnValues="ALL_NEW", **update)
    assert "Attributes" not in answer
    assert scan_all(client, table) == []


def test_a_transactions_update_that_only_takes_away_makes_no_item(client, table):
    update = {"TableName": table, "Key": KEY, "UpdateExpression": "REMOVE x"}
    client.transact_write_items(TransactItems=[{"Update": update}])
    assert scan_all(client, table) == []


NEW = {**START, "n": N(11), "fresh": S("new")}


@pytest.mark.core
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("NONE", None),
        ("ALL_OLD", START),
        ("ALL_NEW", NEW),
        ("UPDATED_OLD", {"n": N(10)}),
        ("UPDATED_NEW", {"n": N(11), "fresh": S("new")}),
    ],
)
def test_return_values_give_what_they_say(client, start, asked, expected):
    answer = client.update_item(
        UpdateExpression="SET n = n + :one, fresh = :fresh",
        ExpressionAttributeValues={":one": N(1), ":fresh": S("new")},
        ReturnValues=asked,
        **start,
    )
    found = answer.get("Attributes")
    assert (found and {k: in_order(v) for k, v in found.items()}) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("NONE", None),
        ("ALL_OLD", None),
        ("UPDATED_OLD", None),
        ("UPDATED_NEW", {"n": N(1)}),
        ("ALL_NEW", {**KEY, "n": N(1)}),
    ],
)
def test_return_values_of_an_item_that_was_not_there(client, table, asked, expected):
    answer = client.update_item(
        TableName=table,
        Key=KEY,
        UpdateExpression="ADD n :one",
        ExpressionAttributeValues={":one": N(1)},
        ReturnValues=asked,
    )
    assert answer.get("Attributes") == expected


@pytest.mark.parametrize(
    ("asked", "expression", "values", "expected"),
    [
        ("UPDATED_OLD", "SET m.x = :v", {":v": N(2)}, {"m": {"M": {"x": N(1)}}}),
        ("UPDATED_NEW", "SET m.x = :v, m.w = :v", {":v": N(2)}, {"m": {"M": {"x": N(2), "w": N(2)}}}),
        ("UPDATED_NEW", "SET l[1] = :v", {":v": N(9)}, {"l": {"L": [N(9)]}}),
        ("UPDATED_OLD", "REMOVE s", None, {"s": S("text")}),
        ("UPDATED_NEW", "REMOVE s", None, None),
        ("UPDATED_NEW", "DELETE ss :v", {":v": {"SS": ["a"]}}, {"ss": {"SS": ["b"]}}),
    ],
)
def test_updated_values_are_those_of_the_paths(client, start, asked, expression, values, expected):
    more = {"ExpressionAttributeValues": values} if values else {}
    answer = client.update_item(UpdateExpression=expression, ReturnValues=asked, **start, **more)
    assert answer.get("Attributes") == expected


@pytest.mark.core
def test_a_condition_guards_an_update(client, start, refused):
    update = {
        "UpdateExpression": "SET n = n + :one",
        "ConditionExpression": "n = :seen",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    client.update_item(ExpressionAttributeValues={":one": N(1), ":seen": N(10)}, **update, **start)
    response = refused(
        client.update_item,
        FAILED,
        NOT_MET,
        ExpressionAttributeValues={":one": N(1), ":seen": N(10)},
        **update,
        **start,
    )
    assert {k: in_order(v) for k, v in response["Item"].items()} == {**START, "n": N(11)}


def test_a_condition_keeps_an_update_from_making_an_item(client, table, refused):
    refused(
        client.update_item,
        FAILED,
        NOT_MET,
        TableName=table,
        Key=KEY,
        UpdateExpression="SET n = :n",
        ConditionExpression="attribute_exists(pk)",
        ExpressionAttributeValues={":n": N(1)},
    )


def test_updates_move_index_entries(db, client):
    create_indexed(client)
    key = item("a", 1)
    client.put_item(TableName="indexed", Item={**key, "grp": S("one"), "rank": N(1), "note": S("x")})
    for expression, values, expected in (
        ("SET grp = :v", {":v": S("two")}, ["two"]),
        ("REMOVE grp", None, []),
        ("SET grp = :v", {":v": S("three")}, ["three"]),
    ):
        more = {"ExpressionAttributeValues": values} if values else {}
        client.update_item(TableName="indexed", Key=key, UpdateExpression=expression, **more)
        for name in ("by_group", "by_group_keys", "by_group_note"):
            found = client.scan(TableName="indexed", IndexName=name)["Items"]
            assert [entry["grp"]["S"] for entry in found] == expected


def test_an_update_that_changes_nothing_writes_no_record(db, client, streams):
    create_table(client, StreamSpecification=NEW_AND_OLD)
    update = {"TableName": "orders", "Key": KEY}
    client.update_item(**update, UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": N("1.0")})
    client.update_item(**update, UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": N(1)})
    client.update_item(**update, UpdateExpression="REMOVE nothing")
    client.update_item(**update)
    client.update_item(**update, UpdateExpression="ADD n :n", ExpressionAttributeValues={":n": N(1)})
    records = read(streams, stream_arn(client, "orders"))
    assert kinds(records) == ["INSERT", "MODIFY"]
    assert told(records)[1] == ("MODIFY", KEY, {**KEY, "n": N(1)}, {**KEY, "n": N(2)})


PATH = "The document path provided in the update expression is invalid for update"


@pytest.mark.parametrize(
    ("message", "expression", "values"),
    [
        (
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
            "SET pk = :v",
            {":v": S("b")},
        ),
        (
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
            "REMOVE pk",
            None,
        ),
        (
            'Invalid UpdateExpression: Syntax error; token: "INVALID", near: "INVALID SYNTAX"',
            "INVALID SYNTAX HERE",
            {":v": N(1)},
        ),
        ("Invalid UpdateExpression: The expression can not be empty;", "", None),
        (
            "Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute "
            "value: :v",
            "SET n = :v",
            None,
        ),
        (
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}",
            "SET n = :v",
            {":v": N(1), ":w": N(2)},
        ),
        (
            'Invalid UpdateExpression: The "SET" section can only be used once in an update expression;',
            "SET n = :v SET s = :v",
            {":v": N(1)},
        ),
        (
            "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of "
            "these paths; "
            "path one: [n], path two: [n]",
            "SET n = :v, n = :v",
            {":v": N(1)},
        ),
        (
            "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of "
            "these paths; "
            "path one: [m], path two: [m, x]",
            "SET m = :v REMOVE m.x",
            {":v": N(1)},
        ),
        (
            "Invalid UpdateExpression: Two document paths conflict with each other; must remove or rewrite one of "
            "these paths; "
            "path one: [m, x], path two: [m, [0]]",
            "SET m.x = :v, m[0] = :v",
            {":v": N(1)},
        ),
        (
            "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: name",
            "SET name = :v",
            {":v": N(1)},
        ),
        (
            "Invalid UpdateExpression: The function is not allowed in an update expression; function: size",
            "SET n = size(s)",
            None,
        ),
        (
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: "
            "list_append, "
            "operand type: N",
            "SET l = list_append(l, :v)",
            {":v": N(1)},
        ),
        (
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: "
            "STRING, "
            "typeSet: ALLOWED_FOR_ADD_OPERAND",
            "ADD n :v",
            {":v": S("1")},
        ),
        (
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: DELETE, operand "
            "type: NUMBER, "
            "typeSet: ALLOWED_FOR_DELETE_OPERAND",
            "DELETE ss :v",
            {":v": N(1)},
        ),
        (PATH, "SET nothing.x = :v", {":v": N(1)}),
        (PATH, "SET s.x = :v", {":v": N(1)}),
        (PATH, "SET m[0] = :v", {":v": N(1)}),
        (PATH, "SET l.x = :v", {":v": N(1)}),
        (
            "The provided expression refers to an attribute that does not exist in the item",
            "SET n = nothing",
            None,
        ),
        ("An operand in the update expression has an incorrect data type", "SET n = s + :v", {":v": N(1)}),
        ("An operand in the update expression has an incorrect data type", "ADD s :v", {":v": N(1)}),
        ("An operand in the update expression has an incorrect data type", "DELETE ns :v", {":v": {"SS": ["1"]}}),
        (
            "An operand in the update expression has an incorrect data type",
            "SET l = list_append(s, :v)",
            {":v": {"L": []}},
        ),
        (
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
            "SET n = :v + :v",
            {":v": N("9" * 38 + "e88")},
        ),
    ],
)
def test_a_bad_update_changes_nothing(client, start, refused, message, expression, values):
    client.update_table(TableName="orders", StreamSpecification=NEW_AND_OLD)
    more = {"ExpressionAttributeValues": values} if values else {}
    refused.invalid(client.update_item, message, UpdateExpression=expression, **start, **more)


@pytest.mark.parametrize(
    ("message", "expression", "value"),
    [
        (
            "One or more parameter values were invalid: Type mismatch for Index Key amount Expected: N Actual: S "
            "IndexName: "
            "by_amount",
            "SET amount = :v",
            S("x"),
        ),
        (
            "One or more parameter values are not valid. The update expression attempted to update a secondary index "
            "key to a "
            "value that is not supported. The AttributeValue for a key attribute cannot contain an empty string value.",
            "SET grp = :v",
            S(""),
        ),
    ],
)
def test_an_index_key_keeps_its_type(db, client, refused, message, expression, value):
    create_indexed(client)
    client.put_item(TableName="indexed", Item=item("a", 1, amount=N(1), grp=S("g")))
    refused.invalid(
        client.update_item,
        message,
        TableName="indexed",
        Key=item("a", 1),
        UpdateExpression=expression,
        ExpressionAttributeValues={":v": value},
    )


def test_the_old_way_of_updates_works(client, start):
    answer = client.update_item(
        AttributeUpdates={
            "n": {"Action": "ADD", "Value": N(1)},
            "s": {"Action": "PUT", "Value": S("put")},
            "ss": {"Action": "DELETE", "Value": {"SS": ["a"]}},
            "m": {"Action": "DELETE"},
        },
        ReturnValues="ALL_NEW",
        **start,
    )["Attributes"]
    assert (answer["n"], answer["s"], answer["ss"]) == (N(11), S("put"), {"SS": ["b"]})
    assert "m" not in answer


def test_old_and_new_ways_are_not_mixed(client, start, refused):
    refused.invalid(
        client.update_item,
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
        "{AttributeUpdates} Expression parameters: {UpdateExpression}",
        UpdateExpression="REMOVE n",
        AttributeUpdates={"n": {"Action": "DELETE"}},
        **start,
    )


def test_an_unknown_return_value_is_refused(client, start, refused):
    refused.invalid(
        client.update_item,
        re.compile("Member must satisfy enum value set: "),
        UpdateExpression="REMOVE n",
        ReturnValues="SOME",
        **start,
    )
