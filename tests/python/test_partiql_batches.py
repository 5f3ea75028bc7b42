"""BatchExecuteStatement and ExecuteTransaction: several statements, each by itself or all or none."""

import pytest
from conftest import create_table
from records import kinds, read, stream_arn
from tables import NEW_AND_OLD, N, S, by_key, create_indexed, create_sorted, scan_all

CANCELLED = "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]"
NOT_MET = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
DUPLICATE = {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"}
NONE = {"Code": "None"}
FAILED = "Validation failed in TransactStatements[{}]: {}"


def statement(text, *parameters, **more):
    return {"Statement": text, **({"Parameters": list(parameters)} if parameters else {}), **more}


@pytest.fixture
def orders(db, client):
    create_table(client, StreamSpecification=NEW_AND_OLD)
    client.put_item(TableName="orders", Item={"pk": S("there"), "n": N(1)})
    return "orders"


def batch(client, *statements, **more):
    return client.batch_execute_statement(Statements=list(statements), **more)


def transact(client, *statements, **more):
    return client.execute_transaction(TransactStatements=list(statements), **more)


# BatchExecuteStatement


@pytest.mark.core
def test_each_statement_of_a_batch_succeeds_or_fails_by_itself(client, streams, orders):
    answer = batch(
        client,
        statement("INSERT INTO orders VALUE {'pk': 'new', 'n': ?}", N(5)),
        statement("INSERT INTO orders VALUE {'pk': 'there'}"),
        statement("UPDATE orders SET n = 9 WHERE pk = 'there' AND n = 7", ReturnValuesOnConditionCheckFailure="ALL_OLD"),
        statement("SLECT * FROM orders WHERE pk = 'x'"),
        statement("DELETE FROM nowhere WHERE pk = 'x'"),
        statement("DELETE FROM orders WHERE n = 1"),
        statement("UPDATE orders SET n = 2 WHERE pk = 'there' RETURNING ALL NEW *"),
        statement("UPDATE orders REMOVE n WHERE pk = 'new' RETURNING MODIFIED NEW *"),
    )
    said = answer["Responses"]
    assert [response.get("Error", {}).get("Code") for response in said] == [
        None,
        "DuplicateItem",
        "ConditionalCheckFailed",
        "ValidationError",
        "ResourceNotFound",
        "ValidationError",
        None,
        None,
    ]
    assert [response.get("TableName") for response in said] == ["orders"] * 3 + [None] * 3 + ["orders"] * 2
    assert said[2]["Error"]["Item"] == {"pk": S("there"), "n": N(1)}
    assert "Item" not in said[2] and "Item" not in said[7]
    assert said[6]["Item"] == {"pk": S("there"), "n": N(2)}
    malformed = "Statement wasn't well formed, can't be processed: Expected data manipulation"
    assert said[3]["Error"]["Message"] == malformed
    assert by_key(scan_all(client, "orders")) == by_key([{"pk": S("new")}, {"pk": S("there"), "n": N(2)}])
    assert kinds(read(streams, stream_arn(client, orders))) == ["INSERT", "INSERT", "MODIFY", "MODIFY"]


def test_a_batch_of_reads_names_items_by_their_keys(client, orders):
    create_indexed(client)
    answer = batch(
        client,
        statement("SELECT n FROM orders WHERE pk = ?", S("there"), ConsistentRead=True),
        statement("SELECT * FROM orders WHERE pk = 'nowhere'"),
        statement("SELECT * FROM orders WHERE n = 1"),
        statement("SELECT * FROM indexed WHERE pk = 'p'"),
        statement("SELECT * FROM orders WHERE pk = 'other' AND n = 1"),
        statement('SELECT * FROM "indexed"."by_group" WHERE pk = \'p\' AND sk = 1 AND grp = \'g\''),
        ReturnConsumedCapacity="TOTAL",
    )
    said = answer["Responses"]
    assert said[:2] == [{"TableName": "orders", "Item": {"n": N(1)}}, {"TableName": "orders"}]
    only_keys = "Select statements within BatchExecuteStatement must specify the primary key in the where clause."
    assert [response["Error"] for response in said[2:]] == [{"Code": "ValidationError", "Message": only_keys}] * 4
    assert [capacity["CapacityUnits"] for capacity in answer["ConsumedCapacity"]] == [1.0, 0.5]


def test_what_a_batch_is_refused_for_as_a_whole(client, orders, refused):
    read_it, write_it = statement("SELECT * FROM orders WHERE pk = 'a'"), statement("DELETE FROM orders WHERE pk = 'a'")
    refused.invalid(
        client.batch_execute_statement,
        "The entire batch must consist of either read statements or write statements",
        Statements=[read_it, write_it],
    )
    refused.invalid(
        client.batch_execute_statement,
        "Provided list of item keys contains duplicates",
        Statements=[read_it, read_it],
    )
    refused.invalid(
        client.batch_execute_statement,
        "1 validation error detected: Value '[26 statements]' at 'statements' failed to satisfy constraint: "
        "Member must have length less than or equal to 25",
        Statements=[write_it] * 26,
    )


def test_empty_lists_of_statements_are_refused(db, orders, refused):
    # botocore's own validator would refuse them first.
    light = db.client("dynamodb", region_name="eu-west-1")
    constraint = "failed to satisfy constraint: Member must have length greater than or equal to 1"
    for call, member in (("batch_execute_statement", "statements"), ("execute_transaction", "transactStatements")):
        given = {member[0].upper() + member[1:]: []}
        message = f"1 validation error detected: Value '[]' at '{member}' {constraint}"
        refused.invalid(getattr(light, call), message, **given)


# ExecuteTransaction


@pytest.mark.core
def test_writes_of_a_transaction_are_done_together(client, streams, orders):
    create_sorted(client)
    answer = transact(
        client,
        statement("INSERT INTO orders VALUE {'pk': 'new', 'n': 5}"),
        statement("UPDATE orders SET n = n + 1 WHERE pk = 'there' AND n = ?", N(1)),
        statement("DELETE FROM events WHERE pk = 'nothing' AND sk = 1 AND v = 1"),
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer["Responses"] == []
    capacity = {one["TableName"]: one["WriteCapacityUnits"] for one in answer["ConsumedCapacity"]}
    assert capacity == {"orders": 4.0, "events": 2.0}
    assert by_key(scan_all(client, "orders")) == by_key([{"pk": S("new"), "n": N(5)}, {"pk": S("there"), "n": N(2)}])
    records = read(streams, stream_arn(client, orders))
    assert kinds(records) == ["INSERT", "INSERT", "MODIFY"]


def cancelled(refused, client, statements, *reasons):
    codes = ", ".join(reason["Code"] for reason in reasons)
    response = refused(
        client.execute_transaction,
        "TransactionCanceledException",
        CANCELLED.format(codes),
        TransactStatements=statements,
    )
    assert response["CancellationReasons"] == list(reasons)


def test_a_transaction_is_cancelled_for_the_reasons_of_its_statements(client, orders, refused):
    cancelled(
        refused,
        client,
        [
            statement("INSERT INTO orders VALUE {'pk': 'there'}"),
            statement("INSERT INTO orders VALUE {'pk': 'fresh'}"),
            statement("UPDATE orders SET n = 1 WHERE pk = 'nowhere'"),
        ],
        DUPLICATE,
        NONE,
        NOT_MET,
    )
    old = {**NOT_MET, "Item": {"pk": S("there"), "n": N(1)}}
    failing = statement("DELETE FROM orders WHERE pk = 'there' AND n = 5", ReturnValuesOnConditionCheckFailure="ALL_OLD")
    cancelled(refused, client, [failing], old)
    wrong_key = {"Code": "ValidationError", "Message": "The provided key element does not match the schema"}
    cancelled(refused, client, [statement("DELETE FROM orders WHERE pk = 5")], wrong_key)


def test_exists_checks_an_item(client, orders, refused):
    write = statement("INSERT INTO orders VALUE {'pk': 'new'}")
    for condition in ("pk = 'nowhere' AND n = 1", "pk = 'there' AND n IS MISSING", "pk = 'nowhere' AND n IS MISSING"):
        check = statement(f"EXISTS(SELECT * FROM orders WHERE {condition})")
        cancelled(refused, client, [check, write], NOT_MET, NONE)
    transact(client, statement("EXISTS(SELECT * FROM orders WHERE pk = 'there' AND n = 1)"), write)
    assert len(scan_all(client, "orders")) == 2
    refused.invalid(
        client.execute_transaction,
        FAILED.format(0, "EXISTS() must contain a single item read with additional condition"),
        TransactStatements=[statement("EXISTS(SELECT * FROM orders WHERE pk = 'there')")],
    )


def test_reads_of_a_transaction_are_of_one_snapshot_and_name_items(client, orders, refused):
    create_indexed(client)
    answer = transact(
        client,
        statement("SELECT n FROM orders WHERE pk = 'there'"),
        statement("SELECT * FROM indexed WHERE pk = 'p' AND sk = 1"),
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer["Responses"] == [{"Item": {"n": N(1)}}, {}]
    assert [one["ReadCapacityUnits"] for one in answer["ConsumedCapacity"]] == [2.0, 2.0]
    only_keys = "Select statements within ExecuteTransaction must specify the primary key in the where clause."
    for text, message in (
        ("SELECT * FROM orders WHERE pk = 'there' AND attribute_exists(n)", only_keys),
        ("SELECT * FROM orders", only_keys),
        ('SELECT * FROM "indexed"."by_group" WHERE grp = \'g\'', "Reads on indices are not supported within transactions."),
        (
            "SELECT * FROM orders WHERE",
            "Statement wasn't well formed, can't be processed: Unexpected term",
        ),
        (
            "UPDATE orders SET n = 5 WHERE pk = 'there' RETURNING ALL NEW *",
            "RETURNING clause is not supported in ExecuteTransaction.",
        ),
    ):
        refused.invalid(
            client.execute_transaction, FAILED.format(0, message), TransactStatements=[statement(text)]
        )


def test_what_a_transaction_is_refused_for_as_a_whole(client, orders, refused):
    read_it, write_it = statement("SELECT * FROM orders WHERE pk = 'a'"), statement("DELETE FROM orders WHERE pk = 'a'")
    once = "Transaction request cannot include multiple operations on one item"
    for statements, message in (
        ([read_it, write_it], "The entire transaction must consist of either read statements or write statements"),
        ([read_it, read_it], once),
        ([write_it, write_it], once),
        ([statement("EXISTS(SELECT * FROM orders WHERE pk = 'a' AND n = 1)"), write_it], once),
        (
            [statement("UPDATE orders SET n = ? WHERE pk = 'a'", N("x"))],
            "The parameter cannot be converted to a numeric value: x",
        ),
    ):
        refused.invalid(client.execute_transaction, message, TransactStatements=statements)
    refused(
        client.execute_transaction,
        "ResourceNotFoundException",
        "Requested resource not found",
        TransactStatements=[statement("DELETE FROM nowhere WHERE pk = 'a'")],
    )


@pytest.mark.core
def test_a_request_token_makes_a_transaction_happen_once(client, orders, refused):
    add = statement("UPDATE orders SET n = n + ? WHERE pk = 'there'", N(1))
    more = {"ClientRequestToken": "once", "ReturnConsumedCapacity": "TOTAL"}
    first, second = transact(client, add, **more), transact(client, add, **more)
    assert first["ConsumedCapacity"][0]["WriteCapacityUnits"] == 2.0
    assert second["ConsumedCapacity"][0]["ReadCapacityUnits"] == 2.0
    assert scan_all(client, "orders") == [{"pk": S("there"), "n": N(2)}]
    refused(
        client.execute_transaction,
        "IdempotentParameterMismatchException",
        "The specified idempotency token is already in use with different parameters",
        TransactStatements=[statement("UPDATE orders SET n = n + ? WHERE pk = 'there'", N(2))],
        ClientRequestToken="once",
    )
