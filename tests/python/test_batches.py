"""BatchWriteItem and BatchGetItem."""

import re

import botocore.exceptions
import pytest
from conftest import create_table
from records import read, stream_arn, told
from tables import NEW_AND_OLD, N, S, by_key, create_indexed, create_sorted, fill, item, scan_all


def put(**attributes):
    return {"PutRequest": {"Item": attributes}}


def delete(**key):
    return {"DeleteRequest": {"Key": key}}


@pytest.fixture
def tables(client, table):
    create_sorted(client)
    return [table, "events"]


@pytest.mark.core
def test_a_batch_puts_and_deletes_in_several_tables(client, tables):
    client.put_item(TableName="orders", Item={"pk": S("old")})
    answer = client.batch_write_item(
        RequestItems={
            "orders": [put(pk=S("a"), n=N(1)), delete(pk=S("old")), delete(pk=S("nobody"))],
            "events": [put(**item("a", n)) for n in range(3)],
        }
    )
    assert answer["UnprocessedItems"] == {}
    assert scan_all(client, "orders") == [{"pk": S("a"), "n": N(1)}]
    assert len(scan_all(client, "events")) == 3


@pytest.mark.core
def test_twenty_five_is_the_most(client, tables, refused):
    requests = [put(**item("a", n)) for n in range(26)]
    assert client.batch_write_item(RequestItems={"events": requests[:25]})["UnprocessedItems"] == {}
    refused.invalid(
        client.batch_write_item,
        re.compile(
            "^1 validation error detected: Value '{events=\\[.+\\]}' at 'requestItems' failed to satisfy constraint: "
            "Map value "
            "must satisfy constraint: \\[Member must have length less than or equal to 25, Member must have length "
            "greater than "
            "or equal to 1\\]$"
        ),
        RequestItems={"events": requests},
    )
    refused.invalid(
        client.batch_write_item,
        "Too many items requested for the BatchWriteItem call",
        RequestItems={"events": requests[:13], "orders": [put(pk=S(str(n))) for n in range(13)]},
    )


@pytest.mark.parametrize(
    "requests",
    [
        [put(pk=S("a")), put(pk=S("a"), n=N(1))],
        [put(pk=S("a")), delete(pk=S("a"))],
        [delete(pk=S("b")), put(pk=S("a")), delete(pk=S("b"))],
    ],
)
def test_no_item_twice_in_a_batch(client, table, refused, requests):
    refused.invalid(
        client.batch_write_item, "Provided list of item keys contains duplicates", RequestItems={table: requests}
    )


def test_equal_keys_of_two_tables_are_two_items(client, tables):
    create_table(client, "others")
    client.batch_write_item(RequestItems={name: [put(pk=S("a"))] for name in ("orders", "others")})
    assert [len(scan_all(client, name)) for name in ("orders", "others")] == [1, 1]


MISMATCH = "The provided key element does not match the schema"


@pytest.mark.parametrize(
    ("message", "request_"),
    [
        (MISMATCH, put(pk=S("a"))),
        (MISMATCH, put(pk=N(1), sk=N(1))),
        (MISMATCH, put(pk=S("a"), sk={"L": []})),
        (MISMATCH, delete(pk=S("a"))),
        (MISMATCH, delete(pk=S("a"), sk=N(1), more=N(1))),
        (
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            "empty string "
            "value. Key: pk",
            put(pk=S(""), sk=N(1)),
        ),
        ("The parameter cannot be converted to a numeric value: x", put(pk=S("a"), sk=N(1), n=N("x"))),
        ("Item size has exceeded the maximum allowed size", put(pk=S("a"), sk=N(1), big=S("x" * 400 * 1024))),
        (
            "One or more parameter values were invalid: An string set  may not be empty",
            put(pk=S("a"), sk=N(1), ss={"SS": []}),
        ),
    ],
)
def test_one_bad_request_refuses_the_batch(client, tables, refused, message, request_):
    client.update_table(TableName="events", StreamSpecification=NEW_AND_OLD)
    good = [put(**item("good", n)) for n in range(3)]
    refused.invalid(client.batch_write_item, message, RequestItems={"events": [*good, request_]})
    refused.invalid(client.batch_write_item, message, RequestItems={"orders": [put(pk=S("a"))], "events": [request_]})


def test_an_empty_list_is_refused(client, table, refused):
    with pytest.raises(botocore.exceptions.ParamValidationError, match="valid min length: 1"):
        client.batch_write_item(RequestItems={table: []})
    # The light client has no such check of its own.
    refused.invalid(
        refused.client.batch_write_item,
        "1 validation error detected: Value '{orders=[]}' at 'requestItems' failed to satisfy constraint: Map value "
        "must satisfy "
        "constraint: [Member must have length less than or equal to 25, Member must have length greater than or equal "
        "to 1]",
        RequestItems={table: []},
    )


@pytest.mark.core
def test_the_records_of_a_batch_come_in_its_order(db, client, streams):
    create_sorted(client, StreamSpecification=NEW_AND_OLD)
    client.put_item(TableName="events", Item=item("a", 99, n=N(1)))
    order = [7, 3, 99, 12, 0, 5, 24, 1]
    client.batch_write_item(
        RequestItems={"events": [delete(**item("a", n)) if n == 99 else put(**item("a", n)) for n in order]}
    )
    records = read(streams, stream_arn(client, "events"))[1:]
    assert told(records) == [
        ("REMOVE", item("a", n), item("a", n, n=N(1)), None)
        if n == 99
        else ("INSERT", item("a", n), None, item("a", n))
        for n in order
    ]


def test_a_batch_may_hold_sixteen_megabytes(client, tables):
    requests = [put(**item("a", n, big=S("x" * 395_000))) for n in range(25)]
    assert client.batch_write_item(RequestItems={"events": requests})["UnprocessedItems"] == {}
    assert len(scan_all(client, "events")) == 25


@pytest.mark.core
def test_a_batch_is_read_from_several_tables(client, tables):
    fill(client, "orders", [{"pk": S(f"o{n}"), "n": N(n)} for n in range(5)])
    fill(client, "events", [item("a", n, note=S("x"), extra=N(n)) for n in range(5)])
    answer = client.batch_get_item(
        RequestItems={
            "orders": {"Keys": [{"pk": S("o3")}, {"pk": S("nobody")}, {"pk": S("o1")}], "ConsistentRead": True},
            "events": {
                "Keys": [item("a", n) for n in (4, 0)],
                "ProjectionExpression": "#sk, note",
                "ExpressionAttributeNames": {"#sk": "sk"},
            },
        }
    )
    assert answer["UnprocessedKeys"] == {}
    assert by_key(answer["Responses"]["orders"]) == by_key([{"pk": S(f"o{n}"), "n": N(n)} for n in (1, 3)])
    assert by_key(answer["Responses"]["events"]) == by_key([{"sk": N(n), "note": S("x")} for n in (0, 4)])


def test_where_nothing_is_found_the_table_is_answered_with_nothing(client, table):
    answer = client.batch_get_item(RequestItems={table: {"Keys": [{"pk": S("nobody")}]}})
    assert answer["Responses"] == {table: []}


def test_a_hundred_keys_are_the_most(client, tables, refused):
    keys = [item("a", n) for n in range(101)]
    fill(client, "events", keys)
    answer = client.batch_get_item(RequestItems={"events": {"Keys": keys[:100]}})
    assert len(answer["Responses"]["events"]) == 100
    refused.invalid(
        client.batch_get_item,
        "1 validation error detected: Value at 'RequestItems.events.member.Keys' failed to satisfy constraint: Member "
        "must have "
        "length less than or equal to 100",
        RequestItems={"events": {"Keys": keys}},
    )
    refused.invalid(
        client.batch_get_item,
        "Too many items requested for the BatchGetItem call",
        RequestItems={
            "events": {"Keys": keys[:51]},
            "orders": {"Keys": [{"pk": S(str(n))} for n in range(50)]},
        },
    )


def test_keys_behind_sixteen_megabytes_come_back_unprocessed(client, tables):
    fill(client, "events", [item("a", n, big=S("x" * 390_000)) for n in range(50)])
    wanted = {
        "events": {"Keys": [item("a", n) for n in range(50)], "ProjectionExpression": "pk, sk", "ConsistentRead": True}
    }
    found, rounds = [], 0
    while wanted:
        answer = client.batch_get_item(RequestItems=wanted)
        found += answer["Responses"]["events"]
        wanted = answer["UnprocessedKeys"]
        rounds += 1
    assert by_key(found) == by_key([item("a", n) for n in range(50)])
    assert rounds == 2


@pytest.mark.parametrize(
    ("message", "request_"),
    [
        ("Provided list of item keys contains duplicates", {"Keys": [item("a", 1), item("b", 1), item("a", "1.0")]}),
        (MISMATCH, {"Keys": [item("a", 1), {"pk": S("a")}]}),
        (
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
            "{AttributesToGet} Expression parameters: {ProjectionExpression}",
            {"Keys": [item("a", 1)], "ProjectionExpression": "pk", "AttributesToGet": ["pk"]},
        ),
        (
            "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of "
            "these paths; "
            "path one: [a], path two: [a, b]",
            {"Keys": [item("a", 1)], "ProjectionExpression": "a, a.b"},
        ),
    ],
)
def test_a_bad_read_is_refused(client, tables, refused, message, request_):
    refused.invalid(client.batch_get_item, message, RequestItems={"events": request_})


def test_a_batch_without_tables_is_refused(client, table, refused):
    at_least_one = (
        "1 validation error detected: Value at 'RequestItems' failed to satisfy constraint: Member must have length "
        "greater than "
        "or equal to 1"
    )
    refused.invalid(client.batch_get_item, at_least_one, RequestItems={})
    refused.invalid(
        client.batch_write_item,
        "The requestItems parameter is required for BatchWriteItem",
        RequestItems={},
    )


def test_indexes_follow_batches(db, client):
    create_indexed(client)
    client.batch_write_item(RequestItems={"indexed": [put(**item("a", n, grp=S("g"), rank=N(n))) for n in range(10)]})
    client.batch_write_item(
        RequestItems={"indexed": [delete(**item("a", n)) for n in range(5)] + [put(**item("a", 9, grp=S("h")))]}
    )
    found = by_key(client.scan(TableName="indexed", IndexName="by_group_keys")["Items"])
    assert found == by_key([item("a", n, grp=S("h" if n == 9 else "g")) for n in range(5, 10)])
    assert sorted(each["sk"]["N"] for each in client.scan(TableName="indexed", IndexName="by_group")["Items"]) == list(
        "5678"
    )
