"""TransactWriteItems and TransactGetItems: all or nothing, once, and told why not."""

import re

import botocore.exceptions
import pytest
from conftest import create_table
from records import kinds, numbers, read, stream_arn, told
from tables import NEW_AND_OLD, N, S, by_key, create_sorted, item, scan_all

CANCELLED = "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]"
NOT_MET = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
NONE = {"Code": "None"}
ONCE = "Transaction request cannot include multiple operations on one item"
MISMATCH = "The provided key element does not match the schema"


def put(table="orders", condition=None, names=None, values=None, old=False, **attributes):
    return {"Put": {"TableName": table, "Item": attributes, **guard(condition, names, values, old)}}


def delete(table="orders", condition=None, names=None, values=None, old=False, **key):
    return {"Delete": {"TableName": table, "Key": key, **guard(condition, names, values, old)}}


def check(table="orders", condition=None, names=None, values=None, old=False, **key):
    return {"ConditionCheck": {"TableName": table, "Key": key, **guard(condition, names, values, old)}}


def update(expression, table="orders", condition=None, names=None, values=None, old=False, **key):
    more = guard(condition, names, values, old)
    return {"Update": {"TableName": table, "Key": key, "UpdateExpression": expression, **more}}


def guard(condition, names, values, old):
    given = {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD" if old else None,
    }
    return {name: value for name, value in given.items() if value is not None}


@pytest.fixture
def orders(db, client):
    create_table(client, StreamSpecification=NEW_AND_OLD)
    create_sorted(client, StreamSpecification=NEW_AND_OLD)
    client.put_item(TableName="orders", Item={"pk": S("there"), "n": N(1)})
    return "orders"


def cancelled(refused, client, items, *reasons, **more):
    """A transaction cancelled for `reasons`; each action has one."""
    codes = ", ".join(reason["Code"] for reason in reasons)
    response = refused(
        client.transact_write_items,
        "TransactionCanceledException",
        CANCELLED.format(codes),
        TransactItems=items,
        **more,
    )
    assert response["CancellationReasons"] == list(reasons)


@pytest.mark.core
def test_all_four_actions_in_two_tables(client, orders, streams):
    client.put_item(TableName="events", Item=item("e", 1))
    answer = client.transact_write_items(
        TransactItems=[
            put(pk=S("new"), n=N(2)),
            update("SET n = n + :v", condition="n = :v", values={":v": N(1)}, pk=S("there")),
            delete("events", **item("e", 1)),
            check("events", condition="attribute_not_exists(pk)", **item("e", 2)),
            update("ADD n :v", values={":v": N(5)}, pk=S("made")),
        ]
    )
    assert answer.keys() == {"ResponseMetadata"}
    assert by_key(scan_all(client, "orders")) == by_key(
        [{"pk": S("new"), "n": N(2)}, {"pk": S("there"), "n": N(2)}, {"pk": S("made"), "n": N(5)}]
    )
    assert scan_all(client, "events") == []
    assert kinds(read(streams, stream_arn(client, "events"))) == ["INSERT", "REMOVE"]


def test_the_records_of_a_transaction_come_in_its_order(client, orders, streams):
    order = [7, 3, 9, 0, 5]
    client.transact_write_items(TransactItems=[put("events", **item("a", n)) for n in order])
    client.transact_write_items(
        TransactItems=[
            update("SET n = :v", "events", values={":v": N(1)}, **item("a", 5)),
            check("events", condition="attribute_exists(pk)", **item("a", 9)),
            delete("events", **item("a", 7)),
            put("events", **item("a", 3)),
        ]
    )
    records = read(streams, stream_arn(client, "events"))
    assert told(records) == [
        *(("INSERT", item("a", n), None, item("a", n)) for n in order),
        ("MODIFY", item("a", 5), item("a", 5), item("a", 5, n=N(1))),
        ("REMOVE", item("a", 7), item("a", 7), None),
    ]
    assert numbers(records) == sorted(set(numbers(records)))
    assert len({record["eventID"] for record in records}) == len(records)


def test_one_condition_that_does_not_hold_cancels_all(client, orders, refused):
    items = [
        put(pk=S("new")),
        put(condition="attribute_not_exists(pk)", pk=S("there")),
        delete("events", condition="attribute_exists(pk)", **item("e", 1)),
    ]
    cancelled(refused, client, items, NONE, NOT_MET, NOT_MET)


@pytest.mark.core
def test_the_items_that_broke_the_conditions_can_be_asked_for(client, orders, refused):
    there = {"pk": S("there"), "n": N(1)}
    holds_not = "n = :v"
    values = {":v": N(7)}
    items = [
        check(condition=holds_not, values=values, old=True, pk=S("there")),
        put("events", condition="attribute_exists(pk)", old=True, **item("e", 1)),
        update("SET x = :v", condition="attribute_exists(pk)", values=values, pk=S("nobody")),
    ]
    cancelled(refused, client, items, {**NOT_MET, "Item": there}, NOT_MET, NOT_MET)
    for one in (
        delete(condition=holds_not, values=values, old=True, pk=S("there")),
        put(condition=holds_not, values=values, old=True, pk=S("there")),
        update("SET n = :v", condition=holds_not, values=values, old=True, pk=S("there")),
    ):
        cancelled(refused, client, [one], {**NOT_MET, "Item": there})


def test_the_modeled_exception_carries_the_reasons(client, orders):
    with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
        client.transact_write_items(TransactItems=[check(condition="attribute_exists(pk)", pk=S("nobody"))])
    assert caught.value.response["CancellationReasons"] == [NOT_MET]
    assert caught.value.response["Message"] == CANCELLED.format("ConditionalCheckFailed")


def test_a_hundred_actions_are_the_most(client, orders, refused):
    puts = [put("events", **item("a", n)) for n in range(101)]
    refused.invalid(
        client.transact_write_items,
        re.compile(
            "^1 validation error detected: Value '\\[.+\\]' at 'transactItems' failed to satisfy constraint: Member "
            "must have "
            "length less than or equal to 100$"
        ),
        TransactItems=puts,
    )
    client.transact_write_items(TransactItems=puts[:100])
    assert len(scan_all(client, "events")) == 100
    gets = [{"Get": {"TableName": "events", "Key": item("a", n)}} for n in range(101)]
    refused.invalid(
        client.transact_get_items,
        re.compile(
            "at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100$"
        ),
        TransactItems=gets,
    )
    answer = client.transact_get_items(TransactItems=gets[:100])
    assert [found["Item"] for found in answer["Responses"]] == [item("a", n) for n in range(100)]


@pytest.mark.parametrize(
    "two",
    [
        [put(pk=S("a")), put(pk=S("a"), n=N(1))],
        [put(pk=S("a")), delete(pk=S("a"))],
        [check(condition="attribute_exists(pk)", pk=S("there")), update("REMOVE n", pk=S("there"))],
        [delete("events", **item("a", "1.0")), put("events", **item("a", 1))],
    ],
)
def test_no_item_twice_in_a_transaction(client, orders, refused, two):
    refused.invalid(client.transact_write_items, ONCE, TransactItems=two)


def reason(message):
    return {"Code": "ValidationError", "Message": message}


TYPE = "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N"


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (put(pk=N(1)), TYPE),
        (put(n=N(1)), "One or more parameter values were invalid: Missing the key pk in the item"),
        (update("SET n = :v", values={":v": N(1)}, pk=N(1)), MISMATCH),
        (delete(pk=N(1)), MISMATCH),
        (delete(pk=S("a"), more=N(1)), MISMATCH),
        (check(condition="attribute_exists(pk)", pk={"L": []}), MISMATCH),
        (
            update("SET n = nothing", pk=S("there")),
            "The provided expression refers to an attribute that does not exist in the item",
        ),
        (
            update("SET n = pk + :v", values={":v": N(1)}, pk=S("there")),
            "An operand in the update expression has an incorrect data type",
        ),
        (
            update("SET n.x = :v", values={":v": S("x")}, pk=S("there")),
            "The document path provided in the update expression is invalid for update",
        ),
        (
            update("SET big = :v", values={":v": S("x" * 409_600)}, pk=S("there")),
            "Item size to update has exceeded the maximum allowed size",
        ),
        (
            update("SET pk = :v", values={":v": S("x")}, pk=S("there")),
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        ),
    ],
)
def test_an_action_that_is_wrong_in_itself_cancels_with_its_reason(client, orders, refused, action, message):
    cancelled(refused, client, [put(pk=S("good")), action], NONE, reason(message))


@pytest.mark.parametrize(
    ("message", "action"),
    [
        (
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            "empty string "
            "value. Key: pk",
            put(pk=S("")),
        ),
        (
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            "empty string "
            "value. Key: pk",
            delete(pk=S("")),
        ),
        (
            'Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "("',
            check(condition="attribute_exists(", pk=S("a")),
        ),
        (
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}",
            check(condition="attribute_exists(pk)", values={":v": N(1)}, pk=S("a")),
        ),
        ("Item size has exceeded the maximum allowed size", put(pk=S("a"), big=S("x" * 409_600))),
        ("TransactItems can only contain one of Check, Put, Update or Delete", {}),
        ("TransactItems can only contain one of Check, Put, Update or Delete", {**put(pk=S("a")), **delete(pk=S("b"))}),
    ],
)
def test_a_bad_request_is_refused_before_the_transaction(client, orders, refused, message, action):
    refused.invalid(client.transact_write_items, message, TransactItems=[put(pk=S("good")), action])


def test_a_malformed_condition_is_told_before_a_missing_table(client, orders, refused):
    refused.invalid(
        client.transact_write_items,
        'Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "("',
        TransactItems=[put("nowhere", pk=S("a")), check(condition="attribute_not_exists(", pk=S("a"))],
    )


def test_four_megabytes_are_the_most(client, orders, refused):
    big = S("x" * 400_000)
    client.transact_write_items(TransactItems=[put("events", **item("a", n, big=big)) for n in range(10)])
    refused.invalid(
        client.transact_write_items,
        re.compile("4 ?MB|size"),
        TransactItems=[put("events", **item("b", n, big=big)) for n in range(11)],
    )
    client.put_item(TableName="events", Item=item("a", 10, big=big))
    gets = [{"Get": {"TableName": "events", "Key": item("a", n)}} for n in range(11)]
    refused.invalid(client.transact_get_items, re.compile("4 ?MB|size"), TransactItems=gets)
    assert len(client.transact_get_items(TransactItems=gets[:10])["Responses"]) == 10


def counter(client):
    return client.get_item(TableName="orders", Key={"pk": S("there")})["Item"]["n"]


ADD = update("ADD n :v", values={":v": N(1)}, pk=S("there"))


@pytest.mark.core
def test_a_token_makes_a_transaction_happen_once(client, orders, streams):
    for _ in range(3):
        client.transact_write_items(TransactItems=[ADD], ClientRequestToken="token-1")
    assert counter(client) == N(2)
    client.transact_write_items(TransactItems=[ADD], ClientRequestToken="token-2")
    assert counter(client) == N(3)
    assert kinds(read(streams, stream_arn(client, "orders"))) == ["INSERT", "MODIFY", "MODIFY"]


def test_a_token_is_for_one_request_only(client, orders, refused):
    client.transact_write_items(TransactItems=[ADD], ClientRequestToken="token")
    with pytest.raises(client.exceptions.IdempotentParameterMismatchException):
        client.transact_write_items(TransactItems=[put(pk=S("other"))], ClientRequestToken="token")
    refused(
        client.transact_write_items,
        "IdempotentParameterMismatchException",
        re.compile("."),
        TransactItems=[ADD, put(pk=S("other"))],
        ClientRequestToken="token",
    )


def test_a_token_is_forgotten_after_ten_minutes(db, client, orders):
    client.transact_write_items(TransactItems=[ADD], ClientRequestToken="token")
    db.clock.advance(minutes=9)
    client.transact_write_items(TransactItems=[ADD], ClientRequestToken="token")
    assert counter(client) == N(2)
    db.clock.advance(minutes=2)
    client.transact_write_items(TransactItems=[ADD], ClientRequestToken="token")
    assert counter(client) == N(3)


def test_a_cancelled_transaction_leaves_its_token_free(client, orders):
    guarded = update("ADD n :v", condition="n = :seen", values={":v": N(1), ":seen": N(5)}, pk=S("there"))
    request = {"TransactItems": [guarded], "ClientRequestToken": "token"}
    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(**request)
    client.put_item(TableName="orders", Item={"pk": S("there"), "n": N(5)})
    client.transact_write_items(**request)
    assert counter(client) == N(6)


def test_a_repeated_transaction_tells_what_reading_costs(client, orders):
    def capacity():
        answer = client.transact_write_items(
            TransactItems=[ADD], ClientRequestToken="token", ReturnConsumedCapacity="TOTAL"
        )
        return answer["ConsumedCapacity"]

    assert capacity() == [{"TableName": "orders", "CapacityUnits": 2.0, "WriteCapacityUnits": 2.0}]
    assert capacity() == [{"TableName": "orders", "CapacityUnits": 2.0, "ReadCapacityUnits": 2.0}]


def test_boto3_gives_each_transaction_a_token_of_its_own(client, orders):
    for _ in range(2):
        client.transact_write_items(TransactItems=[ADD])
    assert counter(client) == N(3)


def test_a_token_has_at_most_36_characters(client, orders, refused):
    long = "x" * 37
    refused.invalid(
        client.transact_write_items,
        re.compile(
            "^1 validation error detected: Value ('x{37}' )?at '[cC]lientRequestToken' failed to satisfy constraint: "
            "Member must "
            "have length less than or equal to 36$"
        ),
        TransactItems=[ADD],
        ClientRequestToken=long,
    )


@pytest.mark.core
def test_gets_answer_in_order_with_gaps(client, orders):
    client.put_item(TableName="events", Item=item("e", 1, note=S("x"), more=N(1)))
    answer = client.transact_get_items(
        TransactItems=[
            {"Get": {"TableName": "orders", "Key": {"pk": S("nobody")}}},
            {
                "Get": {
                    "TableName": "events",
                    "Key": item("e", 1),
                    "ProjectionExpression": "#n",
                    "ExpressionAttributeNames": {"#n": "note"},
                }
            },
            {"Get": {"TableName": "orders", "Key": {"pk": S("there")}}},
        ]
    )
    assert answer["Responses"] == [{}, {"Item": {"note": S("x")}}, {"Item": {"pk": S("there"), "n": N(1)}}]


def test_bad_gets_are_refused(client, orders, refused):
    get = {"Get": {"TableName": "orders", "Key": {"pk": S("there")}}}
    refused.invalid(client.transact_get_items, ONCE, TransactItems=[get, get])
    wrong = {"Get": {"TableName": "orders", "Key": {"pk": N(1)}}}
    response = refused(
        client.transact_get_items,
        "TransactionCanceledException",
        CANCELLED.format("None, ValidationError"),
        TransactItems=[get, wrong],
    )
    assert response["CancellationReasons"] == [NONE, reason(MISMATCH)]
    refused.invalid(
        client.transact_get_items,
        "Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: name",
        TransactItems=[{"Get": {**get["Get"], "ProjectionExpression": "name"}}],
    )


def test_no_actions_are_refused(client, orders, refused):
    for call, light in (
        (client.transact_write_items, refused.client.transact_write_items),
        (client.transact_get_items, refused.client.transact_get_items),
    ):
        with pytest.raises(botocore.exceptions.ParamValidationError, match="TransactItems"):
            call(TransactItems=[])
        refused.invalid(
            light,
            re.compile(
                "^1 validation error detected: Value ('\\[.*\\]' )?at '[tT]ransactItems' failed to satisfy "
                "constraint: Member must "
                "have length greater than or equal to 1$"
            ),
            TransactItems=[],
        )


def test_a_transaction_that_changes_nothing_writes_no_record(client, orders, streams):
    client.transact_write_items(
        TransactItems=[
            put(pk=S("there"), n=N("1.0")),
            delete(pk=S("nobody")),
            update("REMOVE x", "events", **item("e", 1)),
        ]
    )
    assert kinds(read(streams, stream_arn(client, "orders"))) == ["INSERT"]
    assert read(streams, stream_arn(client, "events")) == []
