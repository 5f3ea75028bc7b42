"""ExecuteStatement: PartiQL's SELECT, INSERT, UPDATE and DELETE, on the same write path as everything else.

Sources: Developer Guide, "PartiQL - a SQL-compatible query language for Amazon DynamoDB"; where it is silent, captures of
DynamoDB's own answers (paritysuite/dynamodb-conformance, July to October 2026).
"""

import pytest
from conftest import create_table
from records import read, stream_arn, told
from tables import NEW_AND_OLD, N, S, create_indexed, create_sorted, fill, item, key_schema, attributes

NOT_MET = "The conditional request failed"
NO_KEY = "Where clause does not contain a mandatory equality on all key attributes"
MALFORMED = "Statement wasn't well formed, can't be processed: "


@pytest.fixture
def orders(db, client):
    create_table(client, StreamSpecification=NEW_AND_OLD)
    client.put_item(TableName="orders", Item={"pk": S("there"), "n": N(1), "m": {"M": {"a": S("x"), "b": N(2)}}})
    return "orders"


@pytest.fixture
def events(db, client):
    """Items `a` 1 to 5 and `b` 1 to 3."""
    create_sorted(client)
    fill(client, "events", [item("a", n, v=N(n * 10)) for n in range(1, 6)])
    fill(client, "events", [item("b", n, v=N(n * 10)) for n in range(1, 4)])
    return "events"


def run(client, statement, *parameters, **more):
    if parameters:
        more["Parameters"] = list(parameters)
    return client.execute_statement(Statement=statement, **more)


def select(client, statement, *parameters, **more):
    return run(client, statement, *parameters, **more)["Items"]


def keys(items):
    return [(found["pk"]["S"], int(found["sk"]["N"])) for found in items]


def pages(client, statement, **more):
    """All pages of a SELECT, each as the keys of its items."""
    found, token = [], {}
    while True:
        page = client.execute_statement(Statement=statement, **more, **token)
        found.append(keys(page["Items"]))
        if "NextToken" not in page:
            return found
        token = {"NextToken": page["NextToken"]}


# INSERT, UPDATE, DELETE


@pytest.mark.core
def test_writes_change_items_and_the_stream_has_their_records(client, streams, orders):
    arn = stream_arn(client, orders)
    before = len(read(streams, arn))
    assert run(client, "INSERT INTO orders VALUE {'pk': 'new', 'n': 1.50, 'tags': <<'a', 'b'>>}")["Items"] == []
    assert run(client, "UPDATE orders SET n = n + ? SET l = [1, 'x'] REMOVE tags WHERE pk = 'new'", N(2))["Items"] == []
    assert run(client, "update \"orders\" set n = 3.5 where pk = 'new'")["Items"] == []
    assert run(client, "DELETE FROM orders WHERE pk = ? AND n = 3.5", S("new"))["Items"] == []
    inserted = {"pk": S("new"), "n": N("1.5"), "tags": {"SS": ["a", "b"]}}
    updated = {"pk": S("new"), "n": N("3.5"), "l": {"L": [N(1), S("x")]}}
    key = {"pk": S("new")}
    assert told(read(streams, arn))[before:] == [
        ("INSERT", key, None, inserted),
        ("MODIFY", key, inserted, updated),
        ("REMOVE", key, updated, None),
    ]


@pytest.mark.core
def test_an_insert_of_an_item_that_is_there_is_refused(client, orders, refused):
    statement = "INSERT INTO orders VALUE {'pk': 'there', 'n': 2}"
    refused(
        client.execute_statement,
        "DuplicateItemException",
        "Duplicate primary key exists in table",
        Statement=statement,
    )
    run(client, "DELETE FROM orders WHERE pk = 'there'")
    run(client, statement)
    assert select(client, "SELECT n FROM orders WHERE pk = 'there'") == [{"n": N(2)}]


def test_an_update_is_no_upsert_and_a_delete_of_nothing_does_nothing(client, orders, refused):
    for statement in (
        "UPDATE orders SET n = 2 WHERE pk = 'nowhere'",
        "UPDATE orders SET n = 2 WHERE pk = 'nowhere' AND attribute_not_exists(pk)",
        "FROM orders WHERE pk = 'nowhere' SET n = 2",
        "UPDATE orders SET n = 2 WHERE pk = 'there' AND n = 5",
        "DELETE FROM orders WHERE pk = 'there' AND NOT n = 1",
    ):
        refused(client.execute_statement, "ConditionalCheckFailedException", NOT_MET, Statement=statement)
    assert run(client, "DELETE FROM orders WHERE pk = 'nowhere' AND n = 5 RETURNING ALL OLD *")["Items"] == []


def test_a_failed_condition_tells_the_item_if_asked_to(client, orders, refused):
    response = refused(
        client.execute_statement,
        "ConditionalCheckFailedException",
        NOT_MET,
        Statement="UPDATE orders SET n = 2 WHERE pk = 'there' AND n = 5",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    assert response["Item"]["n"] == N(1)


@pytest.mark.parametrize(
    ("returning", "expected"),
    [
        ("ALL OLD", [{"pk": S("there"), "n": N(1), "m": {"M": {"a": S("x"), "b": N(2)}}}]),
        ("ALL NEW", [{"pk": S("there"), "n": N(1), "m": {"M": {"a": S("y"), "b": N(2)}}, "made": N(0)}]),
        ("MODIFIED OLD", [{"m": {"M": {"a": S("x")}}}]),
        ("MODIFIED NEW", [{"m": {"M": {"a": S("y")}}, "made": N(0)}]),
    ],
)
def test_an_update_returns_what_it_is_told_to(client, orders, returning, expected):
    statement = f"UPDATE orders SET m.a = 'y', made = 0 WHERE pk = 'there' RETURNING {returning} *"
    assert run(client, statement)["Items"] == expected


def test_a_delete_returns_the_old_item(client, orders, refused):
    wrong = "Invalid returning clause: RETURNING {}. Only RETURNING ALL OLD * is allowed in DELETE statements."
    for clause in ("MODIFIED OLD *", "ALL NEW *", "MODIFIED NEW *"):
        statement = f"DELETE FROM orders WHERE pk = 'there' RETURNING {clause}"
        refused.invalid(client.execute_statement, wrong.format(clause), Statement=statement)
    (old,) = run(client, "DELETE FROM orders WHERE pk = 'there' RETURNING ALL OLD *")["Items"]
    assert old["n"] == N(1)


def test_a_modified_projection_of_nothing_is_no_item(client, orders):
    assert run(client, "UPDATE orders REMOVE n WHERE pk = 'there' RETURNING MODIFIED NEW *")["Items"] == []
    assert run(client, "UPDATE orders SET fresh = 1 WHERE pk = 'there' RETURNING MODIFIED OLD *")["Items"] == []


def test_sets_and_lists_are_added_to_and_taken_from(client, orders):
    run(client, "UPDATE orders SET s = set_add(s, <<'a', 'b'>>) SET l = ? WHERE pk = 'there'", {"L": [N(1)]})
    run(client, "UPDATE orders SET s = SET_ADD(s, ?) SET l = list_append(l, [2]) WHERE pk = 'there'", {"SS": ["c"]})
    run(client, "UPDATE orders SET s = set_delete(s, <<'a'>>) WHERE pk = 'there'")
    (found,) = select(client, "SELECT s, l FROM orders WHERE pk = 'there'")
    assert found == {"s": {"SS": ["b", "c"]}, "l": {"L": [N(1), N(2)]}}
    run(client, "UPDATE orders SET s = set_delete(s, <<'b', 'c'>>) WHERE pk = 'there'")
    assert select(client, "SELECT s FROM orders WHERE pk = 'there'") == [{}]


def test_writes_name_the_whole_key_of_one_item(client, orders, events, refused):
    for statement in (
        "DELETE FROM orders WHERE n = 1",
        "DELETE FROM orders",
        "DELETE FROM events WHERE pk = 'a'",
        "DELETE FROM events WHERE pk = 'a' AND sk > 1",
        "UPDATE events SET v = 1 WHERE pk = 'a' OR sk = 1",
        "FROM orders SET c = 1",
    ):
        refused.invalid(client.execute_statement, NO_KEY, Statement=statement)
    refused.invalid(
        client.execute_statement,
        "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        Statement="UPDATE orders SET pk = 'x' WHERE pk = 'there'",
    )
    refused.invalid(
        client.execute_statement,
        "One or more parameter values were invalid: Missing the key pk in the item",
        Statement="INSERT INTO orders VALUE {'n': 1}",
    )
    refused.invalid(
        client.execute_statement,
        "The provided key element does not match the schema",
        Statement="DELETE FROM orders WHERE pk = 5",
    )
    refused.invalid(
        client.execute_statement,
        "The document path provided in the update expression is invalid for update",
        Statement="UPDATE orders SET nothing[0] = 'x' WHERE pk = 'there'",
    )


# SELECT


@pytest.mark.core
def test_a_select_chooses_its_way_of_reading(client, events):
    assert keys(select(client, "SELECT * FROM events WHERE pk = 'a' AND sk = 3")) == [("a", 3)]
    assert keys(select(client, "SELECT * FROM events WHERE 2 < sk AND pk = ?", S("a"))) == [("a", 3), ("a", 4), ("a", 5)]
    assert keys(select(client, "SELECT * FROM events WHERE pk = 'a' AND sk BETWEEN 2 AND 3")) == [("a", 2), ("a", 3)]
    assert keys(select(client, "SELECT * FROM events WHERE pk = 'a' AND v = 20")) == [("a", 2)]
    assert sorted(keys(select(client, "SELECT * FROM events WHERE v = 20"))) == [("a", 2), ("b", 2)]
    assert len(select(client, "SELECT * FROM events")) == 8
    assert select(client, "SELECT * FROM events WHERE pk = 'z'") == []

    def consumed(statement):
        return run(client, statement, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]

    assert consumed("SELECT * FROM events WHERE pk = 'a'") == {"TableName": "events", "CapacityUnits": 0.5}


def test_lists_and_disjunctions_read_several_partitions(client, events):
    assert keys(select(client, "SELECT * FROM events WHERE pk IN ['b', 'z', 'a'] AND sk = 2")) == [("b", 2), ("a", 2)]
    found = select(client, "SELECT * FROM events WHERE pk = 'b' AND sk > 2 OR pk = 'a' AND sk < 2")
    assert keys(found) == [("b", 3), ("a", 1)]
    found = select(client, "SELECT * FROM events WHERE pk = 'a' AND sk = 1 OR pk = 'a' AND sk = 4")
    assert keys(found) == [("a", 1), ("a", 4)]
    found = select(client, "SELECT * FROM events WHERE pk = 'a' AND NOT sk = 1 OR pk = 'a' AND sk = 2")
    assert keys(found) == [("a", 2), ("a", 3), ("a", 4), ("a", 5)]
    found = select(client, "SELECT * FROM events WHERE pk = 'b' OR v = 10")
    assert sorted(keys(found)) == [("a", 1), ("b", 1), ("b", 2), ("b", 3)]


def test_overlapping_sort_keys_are_refused(client, events, refused):
    for other in ("x = '1'", "x <> '1'", "sk > 1"):
        statement = f"SELECT * FROM events WHERE pk = 'a' AND {other} OR pk = 'a' AND sk = 2"
        refused.invalid(
            client.execute_statement,
            "Overlapping conditions with range keys are not supported in where clause",
            Statement=statement,
        )


def test_items_come_in_the_order_of_the_sort_key(client, events, refused):
    assert keys(select(client, "SELECT * FROM events WHERE pk = 'a' ORDER BY sk DESC"))[:2] == [("a", 5), ("a", 4)]
    assert keys(select(client, "SELECT * FROM events WHERE pk = 'a' ORDER BY sk ASC"))[:2] == [("a", 1), ("a", 2)]
    found = select(client, "SELECT * FROM events WHERE pk IN ['a', 'b'] ORDER BY pk DESC, sk DESC")
    assert keys(found)[:4] == [("b", 3), ("b", 2), ("b", 1), ("a", 5)]
    refused.invalid(
        client.execute_statement,
        "Must have WHERE clause in the statement when using ORDER BY clause.",
        Statement="SELECT * FROM events ORDER BY sk",
    )
    refused.invalid(
        client.execute_statement,
        "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
        Statement="SELECT * FROM events WHERE v = 1 ORDER BY sk",
    )
    refused.invalid(
        client.execute_statement,
        "Variable reference v in ORDER BY clause must be part of the primary key",
        Statement="SELECT * FROM events WHERE pk = 'a' ORDER BY v",
    )


def test_columns_are_paths_and_named_by_their_last_part(client, orders):
    run(client, "UPDATE orders SET l = [{'deep': 7}, 8] WHERE pk = 'there'")
    (found,) = select(client, "SELECT pk, m.a, l[0].deep, l[1], nothing FROM orders WHERE pk = 'there'")
    assert found == {"pk": S("there"), "a": S("x"), "deep": N(7), "l[1]": N(8)}


def test_pages_go_on_where_the_last_one_ended(client, events):
    assert pages(client, "SELECT * FROM events WHERE pk = 'a'", Limit=2) == [
        [("a", 1), ("a", 2)],
        [("a", 3), ("a", 4)],
        [("a", 5)],
    ]
    backward = pages(client, "SELECT * FROM events WHERE pk = 'a' ORDER BY sk DESC", Limit=3)
    assert backward == [[("a", 5), ("a", 4), ("a", 3)], [("a", 2), ("a", 1)]]
    several = pages(client, "SELECT * FROM events WHERE pk IN ['b', 'a']", Limit=3)
    assert [key for page in several for key in page] == [("b", n) for n in (1, 2, 3)] + [("a", n) for n in range(1, 6)]
    everything = pages(client, "SELECT * FROM events", Limit=3)
    assert len(sum(everything, [])) == 8 and len(everything) == 3
    page = run(client, "SELECT * FROM events WHERE pk = 'a'", Limit=1)
    assert page["LastEvaluatedKey"] == {"pk": S("a"), "sk": N(1)}


def test_a_list_of_partition_keys_is_answered_ten_items_at_a_time(client, db):
    create_table(client)
    fill(client, "orders", [item(f"k{n:02}") for n in range(15)])
    statement = "SELECT * FROM orders WHERE pk IN [" + ", ".join(f"'k{n:02}'" for n in range(15)) + "]"
    first = run(client, statement)
    second = run(client, statement, NextToken=first["NextToken"])
    assert [found["pk"]["S"] for found in first["Items"] + second["Items"]] == [f"k{n:02}" for n in range(15)]
    assert (len(first["Items"]), "NextToken" in second) == (10, False)


def test_a_token_belongs_to_its_statement(client, events, refused):
    token = run(client, "SELECT * FROM events WHERE pk = 'a'", Limit=1)["NextToken"]
    mismatch = "NextToken does not match request"
    for statement, parameters in (
        ("SELECT * FROM events WHERE pk = 'b'", {}),
        ("SELECT pk FROM events WHERE pk = 'a'", {}),
        ("SELECT * FROM events WHERE pk = ?", {"Parameters": [S("a")]}),
    ):
        refused.invalid(client.execute_statement, mismatch, Statement=statement, NextToken=token, **parameters)
    changed = ("B" if token[0] == "A" else "A") + token[1:]
    refused.invalid(
        client.execute_statement,
        "Invalid NextToken",
        Statement="SELECT * FROM events WHERE pk = 'a'",
        NextToken=changed,
    )


# Indexes


@pytest.fixture
def indexed(db, client):
    create_indexed(client)
    more = {"note": S("n"), "other": S("o")}
    fill(client, "indexed", [item("p", n, amount=N(9 - n), grp=S("g"), rank=N(n), **more) for n in (1, 2, 3)])
    fill(client, "indexed", [item("p", 4, other=S("o"))])
    return "indexed"


@pytest.mark.core
def test_an_index_is_read_as_it_projects(client, indexed):
    found = select(client, 'SELECT * FROM "indexed"."by_group_note" WHERE grp = \'g\'')
    assert len(found) == 3
    assert all(set(one) == {"pk", "sk", "grp", "note"} for one in found)
    found = select(client, 'SELECT sk FROM "indexed"."by_amount" WHERE pk = \'p\' ORDER BY amount DESC')
    assert found == [{"sk": N(n)} for n in (1, 2, 3)]
    found = select(client, 'SELECT other FROM "indexed"."by_amount_keys" WHERE pk = \'p\'')
    assert found == [{"other": S("o")}] * 3
    assert select(client, 'SELECT pk FROM "indexed"."by_group_note" WHERE other = \'o\'') == []
    assert len(select(client, 'SELECT pk FROM "indexed"."by_group_note" WHERE NOT other = \'o\'')) == 3
    first = run(client, 'SELECT sk FROM "indexed"."by_group" WHERE grp = \'g\'', Limit=2)
    second = run(client, 'SELECT sk FROM "indexed"."by_group" WHERE grp = \'g\'', NextToken=first["NextToken"])
    assert [found["sk"]["N"] for found in first["Items"] + second["Items"]] == ["1", "2", "3"]


def test_what_an_index_cannot_do_is_refused(client, indexed, refused):
    invalid = "One or more parameter values were invalid: "
    for statement, message, more in (
        (
            'SELECT other FROM "indexed"."by_group_note" WHERE grp = \'g\'',
            invalid + "Global secondary index by_group_note does not project [other]",
            {},
        ),
        (
            "SELECT pk FROM \"indexed\".\"by_group_note\" WHERE grp IN ['g'] AND other = 'o'",
            invalid + "Secondary index by_group_note does not project one or more filter attributes: [other]",
            {},
        ),
        (
            "SELECT pk FROM \"indexed\".\"by_amount_keys\" WHERE pk = 'p' AND other IS MISSING",
            invalid + "Secondary index by_amount_keys does not project one or more filter attributes: [other]",
            {},
        ),
        ('SELECT * FROM "indexed"."none" WHERE pk = \'p\'', "The table does not have the specified index", {}),
        (
            'SELECT * FROM "indexed"."by_group" WHERE grp = \'g\'',
            "Strongly consistent read is not supported on Global Secondary Indexes",
            {"ConsistentRead": True},
        ),
        ('DELETE FROM "indexed"."by_group" WHERE pk = \'p\'', "This operation is not supported on an index", {}),
        (
            "INSERT INTO \"indexed\".\"by_group\" VALUE {'pk': 'x'}",
            "FROM clause may only contain a single table name",
            {},
        ),
    ):
        refused.invalid(client.execute_statement, message, Statement=statement, **more)


def test_indexes_of_several_key_attributes_are_not_read(client, db, refused):
    client.create_table(
        TableName="several",
        KeySchema=key_schema("pk"),
        AttributeDefinitions=attributes(pk="S", h1="S", h2="S"),
        GlobalSecondaryIndexes=[
            {
                "IndexName": "both",
                "KeySchema": [{"AttributeName": name, "KeyType": "HASH"} for name in ("h1", "h2")],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    refused.invalid(
        client.execute_statement,
        "PartiQL statements cannot be executed on tables with multi-attribute HASH keys or multi-attribute RANGE keys.",
        Statement='SELECT * FROM "several"."both" WHERE h1 = \'a\'',
    )
    assert select(client, "SELECT * FROM several WHERE pk = 'a'") == []


# What is wrong with statements


@pytest.mark.core
def test_statements_that_cannot_be_read_are_refused(client, orders, refused):
    for statement, detail in (
        ("SELECTT * FROMM orders", "Unexpected token after expression"),
        ("SLECT * FROM orders WHERE pk = 'x'", "Expected data manipulation"),
        ("SELECT * FROM orders WHERE", "Unexpected term"),
        ("SELECT * FROM orders WHERE pk = 'x", ""),
        ("INSERT INTO orders VALUE {'pk': 'x'} foo", "Unexpected token after expression"),
    ):
        refused.invalid(client.execute_statement, MALFORMED + detail, Statement=statement)


def test_values_are_looked_at_before_the_table(client, db, refused):
    for statement, parameters, message in (
        ("SELECT * FROM nowhere WHERE pk = ?", [], "Number of parameters in request and statement don't match."),
        (
            "SELECT * FROM nowhere WHERE v < ?",
            [{"BOOL": True}],
            "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        ),
        ("SELECT * FROM nowhere WHERE v = ?", [N("x")], "The parameter cannot be converted to a numeric value: x"),
        ('SELECT * FROM "" WHERE v = 1', [], "Path component cannot be an empty string"),
    ):
        given = {"Parameters": parameters} if parameters else {}
        refused.invalid(client.execute_statement, message, Statement=statement, **given)
    refused(
        client.execute_statement,
        "ResourceNotFoundException",
        "Requested resource not found",
        Statement="SELECT * FROM nowhere WHERE pk = 'x'",
    )


def test_hostile_statements_get_an_answer(client, orders, refused):
    too_long = (
        "1 validation error detected: Value at 'statement' failed to satisfy constraint: "
        "Member must have length less than or equal to 8192"
    )
    nested = "SELECT * FROM orders WHERE " + "(" * 100_000 + "pk = 'there'" + ")" * 100_000
    refused.invalid(client.execute_statement, too_long, Statement=nested)
    nested = "SELECT * FROM orders WHERE " + "(" * 4_000 + "pk = 'there'" + ")" * 4_000
    assert len(select(client, nested)) == 1


def test_every_type_is_a_parameter(client, orders):
    values = {
        "b": {"B": b"\x00\xff"},
        "bs": {"BS": [b"a", b"b"]},
        "ns": {"NS": ["1", "2"]},
        "m": {"M": {"x": {"L": [{"NULL": True}]}}},
        "t": {"BOOL": False},
    }
    run(client, "INSERT INTO orders VALUE {'pk': 'v', 'b': ?, 'bs': ?, 'ns': ?, 'm': ?, 't': ?}", *values.values())
    assert select(client, "SELECT * FROM orders WHERE pk = 'v'") == [{"pk": S("v"), **values}]
    for name, value in values.items():
        assert len(select(client, f"SELECT * FROM orders WHERE pk = 'v' AND {name} = ?", value)) == 1
        assert select(client, f"SELECT * FROM orders WHERE pk = 'v' AND {name} <> ?", value) == []


def test_the_light_client_speaks_partiql(db, client, orders):
    light = db.client("dynamodb", region_name="eu-west-1")
    light.execute_statement(Statement="INSERT INTO orders VALUE {'pk': ?}", Parameters=[S("light")])
    with pytest.raises(light.exceptions.DuplicateItemException):
        light.execute_statement(Statement="INSERT INTO orders VALUE {'pk': 'light'}")
    assert select(client, "SELECT * FROM orders WHERE pk = 'light'") == [{"pk": S("light")}]
