"""Query: key conditions, order, pages, filters, projections, indexes, and what it refuses."""

import re
from decimal import Decimal

import pytest
from tables import N, S, create_indexed, create_sorted, fill, item

PK = {":pk": S("a")}


@pytest.fixture
def events(db, client):
    """Ten events of `a`, 0 to 9, and some of its neighbours."""
    create_sorted(client)
    fill(client, "events", [item("a", n, even={"BOOL": n % 2 == 0}, note=S(f"note {n}")) for n in range(10)])
    fill(client, "events", [item(pk, n) for pk in ("", "A", "aa", "b", "á") if pk for n in (0, 5)])
    return "events"


def query(client, table, condition="pk = :pk", values=None, **more):
    return client.query(
        TableName=table,
        KeyConditionExpression=condition,
        ExpressionAttributeValues={**PK, **(values or {})},
        **more,
    )


def sort_keys(page):
    return [int(found["sk"]["N"]) for found in page["Items"]]


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ("pk = :pk", {}, list(range(10))),
        ("pk = :pk AND sk = :v", {":v": N(4)}, [4]),
        ("pk = :pk AND sk = :v", {":v": N("4.5")}, []),
        ("pk = :pk AND sk < :v", {":v": N(3)}, [0, 1, 2]),
        ("pk = :pk AND sk <= :v", {":v": N(3)}, [0, 1, 2, 3]),
        ("pk = :pk AND sk > :v", {":v": N(7)}, [8, 9]),
        ("pk = :pk AND sk >= :v", {":v": N("7.0")}, [7, 8, 9]),
        ("pk = :pk AND sk BETWEEN :v AND :w", {":v": N(2), ":w": N(4)}, [2, 3, 4]),
        ("pk = :pk AND sk between :v and :w", {":v": N(4), ":w": N(4)}, [4]),
        ("sk > :v AND pk = :pk", {":v": N(8)}, [9]),
        ("(pk = :pk) AND (sk > :v)", {":v": N(8)}, [9]),
        (":pk = pk AND :v < sk", {":v": N(8)}, [9]),
    ],
)
def test_key_conditions_choose_a_range_both_ways(client, events, condition, values, expected):
    assert sort_keys(query(client, events, condition, values)) == expected
    assert sort_keys(query(client, events, condition, values, ScanIndexForward=False)) == expected[::-1]


WORDS = ["", "a", "a\x00", "a\x00b", "aa", "ab", "a\uffff", "b", "ä", "日", "🚀"]


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ("begins_with(sk, :v)", {":v": S("a")}, ["a", "a\x00", "a\x00b", "aa", "ab", "a\uffff"]),
        ("begins_with(sk, :v)", {":v": S("a\x00")}, ["a\x00", "a\x00b"]),
        ("begins_with(sk, :v)", {":v": S("日")}, ["日"]),
        ("begins_with(sk, :v)", {":v": S("zz")}, []),
        ("sk > :v", {":v": S("b")}, ["ä", "日", "🚀"]),
        ("sk BETWEEN :v AND :w", {":v": S("a"), ":w": S("aa")}, ["a", "a\x00", "a\x00b", "aa"]),
        ("sk < :v", {":v": S("a")}, []),
    ],
)
def test_texts_are_in_the_order_of_their_bytes(db, client, condition, values, expected):
    create_sorted(client, sort_type="S")
    fill(client, "events", [item("a", S(word)) for word in WORDS if word])
    page = query(client, "events", f"pk = :pk AND {condition}", values)
    assert [found["sk"]["S"] for found in page["Items"]] == expected
    assert expected == sorted(expected, key=str.encode)


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ("sk >= :v", {":v": b"\x80"}, [b"\x80", b"\xff", b"\xff\x00", b"\xff\xff"]),
        ("begins_with(sk, :v)", {":v": b"\xff"}, [b"\xff", b"\xff\x00", b"\xff\xff"]),
        ("sk BETWEEN :v AND :w", {":v": b"\x00", ":w": b"\x00\x00"}, [b"\x00", b"\x00\x00"]),
    ],
)
def test_bytes_are_in_order(db, client, condition, values, expected):
    create_sorted(client, sort_type="B")
    for value in (b"\xff\xff", b"\x00", b"\x80", b"\xff\x00", b"\x00\x00", b"\x00\x01", b"\xff", b"\x7f"):
        client.put_item(TableName="events", Item=item("a", {"B": value}))
    values = {name: {"B": value} for name, value in values.items()}
    page = query(client, "events", f"pk = :pk AND {condition}", values)
    assert [found["sk"]["B"] for found in page["Items"]] == expected


def test_numbers_are_in_the_order_of_their_value(db, client):
    create_sorted(client)
    in_order = [
        "-9.9999999999999999999999999999999999999E+125", "-1e100", "-100", "-99.5", "-10", "-9", "-1.5", "-1",
        "-1e-100", "-1E-130", "0", "1E-130", "1e-100", "0.001", "0.01", "1", "1.0000000000000000000000000000000000001",
        "1.5", "9", "10", "11", "99.5", "100", "1e100", "9.9999999999999999999999999999999999999E+125",
    ]  # fmt: skip
    fill(client, "events", [item("a", N(number)) for number in reversed(in_order)])
    numbers = [Decimal(entry["sk"]["N"]) for entry in query(client, "events")["Items"]]
    assert numbers == [Decimal(number) for number in in_order]


@pytest.mark.core
@pytest.mark.parametrize("forward", [True, False])
def test_pages_of_a_limit_follow_one_another(client, events, forward):
    found, sizes, more = [], [], {}
    while True:
        page = query(client, events, Limit=4, ScanIndexForward=forward, **more)
        assert page["Count"] == page["ScannedCount"] == len(page["Items"])
        found += sort_keys(page)
        sizes.append(page["Count"])
        if "LastEvaluatedKey" not in page:
            break
        assert page["LastEvaluatedKey"] == item("a", found[-1])
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert found == (list(range(10)) if forward else list(range(9, -1, -1)))
    assert sizes == [4, 4, 2]


def test_a_page_that_ends_at_its_limit_may_have_nothing_behind_it(client, events):
    page = query(client, events, Limit=10)
    assert page["LastEvaluatedKey"] == item("a", 9)
    page = query(client, events, Limit=10, ExclusiveStartKey=page["LastEvaluatedKey"])
    assert page["Items"] == [] and "LastEvaluatedKey" not in page


def test_a_page_may_start_at_a_key_that_no_item_has(client, events):
    client.delete_item(TableName=events, Key=item("a", 4))
    page = query(client, events, ExclusiveStartKey=item("a", 4))
    assert sort_keys(page) == [5, 6, 7, 8, 9]


@pytest.mark.core
def test_a_filter_comes_after_the_limit(client, events):
    page = query(client, events, values={":t": {"BOOL": True}}, FilterExpression="even = :t", Limit=5)
    assert sort_keys(page) == [0, 2, 4]
    assert (page["Count"], page["ScannedCount"]) == (3, 5)
    assert page["LastEvaluatedKey"] == item("a", 4)
    page = query(
        client, events, values={":t": {"BOOL": True}}, FilterExpression="even = :t", ExclusiveStartKey=item("a", 4)
    )
    assert sort_keys(page) == [6, 8]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"Select": "COUNT"}, None),
        ({"Select": "ALL_ATTRIBUTES"}, item("a", 3, even={"BOOL": False}, note=S("note 3"))),
        ({"Select": "SPECIFIC_ATTRIBUTES", "ProjectionExpression": "note"}, {"note": S("note 3")}),
        ({"ProjectionExpression": "note, nothing"}, {"note": S("note 3")}),
        ({"ProjectionExpression": "nothing"}, {}),
        ({"AttributesToGet": ["even"]}, {"even": {"BOOL": False}}),
    ],
)
def test_select_and_projection_give_what_they_say(client, events, more, expected):
    if "AttributesToGet" in more:
        conditions = {
            "pk": {"ComparisonOperator": "EQ", "AttributeValueList": [S("a")]},
            "sk": {"ComparisonOperator": "EQ", "AttributeValueList": [N(3)]},
        }
        page = client.query(TableName=events, KeyConditions=conditions, **more)
    else:
        page = query(client, events, "pk = :pk AND sk = :v", {":v": N(3)}, **more)
    assert page["Count"] == 1
    assert page.get("Items") == (None if expected is None else [expected])


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("EQ", [3], [3]),
        ("LT", [2], [0, 1]),
        ("LE", [2], [0, 1, 2]),
        ("GT", [8], [9]),
        ("GE", [8], [8, 9]),
        ("BETWEEN", [4, 5], [4, 5]),
    ],
)
def test_the_old_way_of_key_conditions_works(client, events, operator, values, expected):
    page = client.query(
        TableName=events,
        KeyConditions={
            "pk": {"ComparisonOperator": "EQ", "AttributeValueList": [S("a")]},
            "sk": {"ComparisonOperator": operator, "AttributeValueList": [N(value) for value in values]},
        },
    )
    assert sort_keys(page) == expected


@pytest.fixture
def indexed(db, client):
    create_indexed(client)
    groups = ["x", "y"]
    fill(
        client,
        "indexed",
        [
            item("a", n, amount=N(-n), grp=S(groups[n % 2]), rank=N(n // 2), note=S(f"n{n}"), extra=N(n))
            for n in range(8)
        ],
    )
    client.put_item(TableName="indexed", Item=item("a", 100))
    client.put_item(TableName="indexed", Item=item("b", 1, amount=N(5), grp=S("x"), rank=N(1)))
    return "indexed"


GROUP = {"condition": "grp = :pk", "values": {":pk": S("x")}}


def test_a_local_index_is_another_order_of_the_partition(client, indexed):
    page = query(client, indexed, IndexName="by_amount")
    assert sort_keys(page) == list(range(7, -1, -1))
    assert page["Items"][0]["extra"] == N(7)
    page = query(client, indexed, "pk = :pk AND amount > :v", {":v": N(-2)}, IndexName="by_amount", ConsistentRead=True)
    assert sort_keys(page) == [1, 0]


@pytest.mark.core
def test_a_global_index_is_another_partition(client, indexed):
    page = query(client, indexed, IndexName="by_group", **GROUP)
    assert [(found["rank"], found["pk"], found["sk"]) for found in page["Items"]][0] == (N(0), S("a"), N(0))
    assert sorted(found["rank"]["N"] for found in page["Items"]) == ["0", "1", "1", "2", "3"]
    page = query(
        client,
        indexed,
        "grp = :pk AND #r = :v",
        {":pk": S("x"), ":v": N(1)},
        IndexName="by_group",
        ExpressionAttributeNames={"#r": "rank"},
    )
    assert sorted(found["pk"]["S"] for found in page["Items"]) == ["a", "b"]


def test_an_index_gives_what_it_projects(client, indexed):
    def attributes(name, **more):
        page = query(client, indexed, IndexName=name, Limit=1, **GROUP, **more)
        return set(page["Items"][0])

    keys = {"pk", "sk", "grp"}
    assert attributes("by_group_keys") == keys
    assert attributes("by_group_keys", Select="ALL_PROJECTED_ATTRIBUTES") == keys
    assert attributes("by_group_note") == {*keys, "note"}
    assert attributes("by_group") == {*keys, "note", "rank", "amount", "extra"}
    assert attributes("by_group", Select="ALL_ATTRIBUTES") == attributes("by_group")


def test_a_local_index_fetches_what_it_does_not_hold(client, indexed):
    page = query(client, indexed, IndexName="by_amount_keys", Limit=1)
    assert set(page["Items"][0]) == {"pk", "sk", "amount"}
    page = query(client, indexed, IndexName="by_amount_keys", Limit=1, ProjectionExpression="extra, sk")
    assert page["Items"] == [{"extra": N(7), "sk": N(7)}]
    page = query(client, indexed, IndexName="by_amount_keys", Limit=1, Select="ALL_ATTRIBUTES")
    assert page["Items"][0]["extra"] == N(7)


@pytest.mark.parametrize("forward", [True, False])
def test_pages_of_an_index_go_on_within_equal_keys(db, client, forward):
    create_indexed(client)
    fill(client, "indexed", [item(f"p{n % 3}", n, grp=S("same"), rank=N(1)) for n in range(30)])
    found, more = [], {}
    while True:
        page = query(
            client,
            "indexed",
            "grp = :pk",
            {":pk": S("same")},
            IndexName="by_group",
            Limit=7,
            ScanIndexForward=forward,
            **more,
        )
        found += sort_keys(page)
        if "LastEvaluatedKey" not in page:
            break
        assert set(page["LastEvaluatedKey"]) == {"pk", "sk", "grp", "rank"}
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert sorted(found) == list(range(30))


def test_the_paginator_reads_all_pages(client, events):
    pages = client.get_paginator("query").paginate(
        TableName=events,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=PK,
        PaginationConfig={"PageSize": 3},
    )
    assert [page["Count"] for page in pages] == [3, 3, 3, 1]


KEY_CONDITION = "Invalid KeyConditionExpression: "
SCHEMA = "One or more parameter values were invalid: Condition parameter type does not match schema type"
OPERAND = KEY_CONDITION + "Incorrect operand type for operator or function; operator or function: {}, operand type: {}"


@pytest.mark.parametrize(
    ("message", "condition", "values"),
    [
        ("Query condition missed key schema element: pk", "sk = :v", {":v": N(1)}),
        ("Query key condition not supported", "pk > :v", {":v": S("a")}),
        ("Query key condition not supported", "pk > :v AND sk = :w", {":v": S("a"), ":w": N(1)}),
        (SCHEMA, "pk = :v", {":v": N(1)}),
        (SCHEMA, "pk = :v AND sk = :w", {":v": S("a"), ":w": S("1")}),
        (SCHEMA, "pk = :v AND sk = :w", {":v": S("a"), ":w": {"BOOL": True}}),
        (SCHEMA, "pk = :v AND begins_with(sk, :w)", {":v": S("a"), ":w": S("1")}),
        (OPERAND.format("begins_with", "N"), "pk = :v AND begins_with(sk, :w)", {":v": S("a"), ":w": N(1)}),
        (OPERAND.format("<", "BOOL"), "pk = :v AND sk < :w", {":v": S("a"), ":w": {"BOOL": True}}),
        (OPERAND.format(">=", "BOOL"), "pk = :v AND :w >= sk", {":v": S("a"), ":w": {"BOOL": True}}),
        (
            KEY_CONDITION + "KeyConditionExpressions must only contain one condition per key",
            "pk = :v AND sk > :w AND sk < :x",
            {":v": S("a"), ":w": N(1), ":x": N(2)},
        ),
        (
            "The number of query conditions (3) exceeds the number of key attributes defined in the schema (2)",
            "pk = :v AND sk > :w AND extra = :x",
            {":v": S("a"), ":w": N(1), ":x": N(5)},
        ),
        ("Query condition missed key schema element: sk", "pk = :v AND extra = :w", {":v": S("a"), ":w": N(1)}),
        (
            "Invalid operator used in KeyConditionExpression: OR",
            "pk = :v OR sk = :w",
            {":v": S("a"), ":w": N(1)},
        ),
        (
            re.compile("Invalid operator used in KeyConditionExpression: <>"),
            "pk = :v AND sk <> :w",
            {":v": S("a"), ":w": N(1)},
        ),
        (
            re.compile("Invalid operator used in KeyConditionExpression: contains"),
            "pk = :v AND contains(sk, :w)",
            {":v": S("a"), ":w": N(1)},
        ),
        (
            KEY_CONDITION
            + "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound "
            "operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
            "pk = :v AND sk BETWEEN :w AND :x",
            {":v": S("a"), ":w": N(2), ":x": N(1)},
        ),
        (
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            "empty string "
            "value. Key: pk",
            "pk = :v",
            {":v": S("")},
        ),
        (KEY_CONDITION + 'Syntax error; token: "<EOF>", near: "="', "pk =", {":v": S("")}),
    ],
)
def test_a_bad_key_condition_is_refused(client, events, refused, message, condition, values):
    refused.invalid(
        client.query, message, TableName=events, KeyConditionExpression=condition, ExpressionAttributeValues=values
    )


@pytest.mark.parametrize(
    ("message", "more"),
    [
        ("The table does not have the specified index: nothing", {"IndexName": "nothing"}),
        (
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk",
            {"FilterExpression": "sk = :pk"},
        ),
        (
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
            {"Select": "ALL_PROJECTED_ATTRIBUTES"},
        ),
        (
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
            {"Select": "SPECIFIC_ATTRIBUTES"},
        ),
        (
            "Cannot specify the ProjectionExpression when choosing to get only the Count",
            {"Select": "COUNT", "ProjectionExpression": "note"},
        ),
        (
            "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
            {"Select": "ALL_ATTRIBUTES", "ProjectionExpression": "note"},
        ),
        ("The provided starting key is invalid", {"ExclusiveStartKey": {"pk": S("a")}}),
        ("The provided starting key is invalid", {"ExclusiveStartKey": {"pk": S("a"), "sk": S("1")}}),
        ("The provided starting key is invalid", {"ExclusiveStartKey": {"pk": S("a"), "sk": N(1), "more": N(1)}}),
        (
            "The provided starting key is outside query boundaries based on provided conditions",
            {"ExclusiveStartKey": {"pk": S("b"), "sk": N(1)}},
        ),
    ],
)
def test_a_bad_query_is_refused(client, events, refused, message, more):
    refused.invalid(
        client.query,
        message,
        TableName=events,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=PK,
        **more,
    )


def test_a_starting_key_lies_in_the_condition(client, events, refused):
    refused.invalid(
        client.query,
        "The provided starting key does not match the range key predicate",
        TableName=events,
        KeyConditionExpression="pk = :pk AND sk > :v",
        ExpressionAttributeValues={**PK, ":v": N(5)},
        ExclusiveStartKey=item("a", 3),
    )


@pytest.mark.core
@pytest.mark.parametrize(
    ("message", "more"),
    [
        ("Consistent reads are not supported on global secondary indexes", {"ConsistentRead": True}),
        (
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global "
            "secondary index "
            "by_group_keys because its projection type is not ALL",
            {"IndexName": "by_group_keys", "Select": "ALL_ATTRIBUTES"},
        ),
        (
            "One or more parameter values were invalid: Global secondary index by_group_keys does not project [extra]",
            {"IndexName": "by_group_keys", "ProjectionExpression": "pk, extra"},
        ),
        ("The provided starting key is invalid", {"ExclusiveStartKey": item("a", 1)}),
    ],
)
def test_a_bad_query_of_an_index_is_refused(client, indexed, refused, message, more):
    refused.invalid(
        client.query,
        message,
        TableName=indexed,
        KeyConditionExpression="grp = :pk",
        ExpressionAttributeValues={":pk": S("x")},
        **{"IndexName": "by_group", **more},
    )


def test_a_query_without_a_condition_is_refused(client, events, refused):
    refused.invalid(
        client.query,
        "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        TableName=events,
    )


def test_a_table_without_a_sort_key_is_queried(client, table):
    client.put_item(TableName=table, Item={"pk": S("a"), "n": N(1)})
    assert query(client, table)["Items"] == [{"pk": S("a"), "n": N(1)}]
    assert query(client, table, values={":pk": S("b")})["Items"] == []
