"""Numbers: 38 digits, their normal form, their range, and arithmetic on them. Empty values and text beside them."""

import re
from decimal import Decimal

import boto3
import pytest
from tables import N, S


def stored(client, table, value):
    client.put_item(TableName=table, Item={"pk": S("a"), "v": value})
    return client.get_item(TableName=table, Key={"pk": S("a")})["Item"]["v"]


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0.000", "0"),
        ("00012", "12"),
        ("1.50", "1.5"),
        ("0042.1200", "42.12"),
        ("+7", "7"),
        ("1e3", "1000"),
        ("1E+3", "1000"),
        ("12.5e-1", "1.25"),
        ("1e-7", "0.0000001"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1E125", "1" + "0" * 125),
        ("-1E-130", "-0." + "0" * 129 + "1"),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("-1.2345678901234567890123456789012345678", "-1.2345678901234567890123456789012345678"),
        ("100000000000000000000000000000000000000000000", "1" + "0" * 44),
        ("9.9999999999999999999999999999999999999E+125", "9" * 38 + "0" * 88),
    ],
)
def test_numbers_have_one_normal_form(client, table, given, normal):
    assert stored(client, table, N(given)) == N(normal)
    assert stored(client, table, {"NS": [given]}) == {"NS": [normal]}
    assert stored(client, table, {"L": [N(given)]}) == {"L": [N(normal)]}


OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
DIGITS = "Attempting to store more than 38 significant digits in a Number"
NOT_NUMERIC = "The parameter cannot be converted to a numeric value"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("1e126", OVERFLOW),
        ("-1e126", OVERFLOW),
        ("1e99999999999", OVERFLOW),
        ("1e-131", UNDERFLOW),
        ("1e-99999999999", UNDERFLOW),
        ("1" * 39, DIGITS),
        ("0." + "1" * 39, DIGITS),
        ("abc", f"{NOT_NUMERIC}: abc"),
        ("1.2.3", f"{NOT_NUMERIC}: 1.2.3"),
        (" 1", f"{NOT_NUMERIC}:  1"),
        ("1 ", f"{NOT_NUMERIC}: 1 "),
        ("0x10", f"{NOT_NUMERIC}: 0x10"),
        ("1e", f"{NOT_NUMERIC}: 1e"),
        ("NaN", f"{NOT_NUMERIC}: NaN"),
        ("Infinity", f"{NOT_NUMERIC}: Infinity"),
        ("1_000", f"{NOT_NUMERIC}: 1_000"),
        ("１", f"{NOT_NUMERIC}: １"),
    ],
)
def test_what_is_no_number_in_range_is_refused(client, table, refused, given, message):
    for value in (N(given), {"NS": [given]}, {"M": {"x": N(given)}}):
        refused.invalid(client.put_item, message, TableName=table, Item={"pk": S("a"), "v": value})
    # Regions differ in what they put around a bad expression value.
    refused.invalid(
        client.update_item,
        re.compile(f"^(ExpressionAttributeValues contains invalid value: )?{re.escape(message)}( for key :v)?$"),
        TableName=table,
        Key={"pk": S("a")},
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": N(given)},
    )


@pytest.mark.parametrize(
    ("one", "operator", "two", "result"),
    [
        ("0.1", "+", "0.2", "0.3"),
        ("1e20", "+", "1", "100000000000000000001"),
        ("12345678901234567890123456789012345678", "-", "12345678901234567890123456789012345677", "1"),
        ("99999999999999999999999999999999999999", "+", "1", "1" + "0" * 38),
        ("5", "-", "7.5", "-2.5"),
        ("1e-100", "+", "1e-100", "0." + "0" * 99 + "2"),
        ("0", "-", "0", "0"),
    ],
)
def test_arithmetic_is_exact(client, table, one, operator, two, result):
    client.put_item(TableName=table, Item={"pk": S("a"), "v": N(one)})
    answer = client.update_item(
        TableName=table,
        Key={"pk": S("a")},
        UpdateExpression=f"SET v = v {operator} :two",
        ExpressionAttributeValues={":two": N(two)},
        ReturnValues="UPDATED_NEW",
    )
    assert answer["Attributes"]["v"] == N(result)


def test_equal_numbers_are_one_key(db, client):
    client.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for text in ("100", "1e2", "100.0"):
        client.put_item(TableName="orders", Item={"pk": N(text), "given": S(text)})
    assert client.scan(TableName="orders")["Items"] == [{"pk": N(100), "given": S("100.0")}]
    assert client.get_item(TableName="orders", Key={"pk": N("0.1e3")})["Item"]["pk"] == N(100)


@pytest.mark.core
@pytest.mark.parametrize(
    "value",
    [
        S(""),
        {"B": b""},
        {"L": []},
        {"M": {}},
        {"SS": [""]},
        {"BS": [b""]},
        {"L": [S(""), {"B": b""}]},
        S("\x00"),
        S("\U0010ffff é 日本 \u200b"),
        S("e\u0301"),
    ],
)
def test_empty_and_odd_values_are_values(client, table, value):
    assert stored(client, table, value) == value


def test_texts_are_not_normalised(client, table):
    client.put_item(TableName=table, Item={"pk": S("é")})
    client.put_item(TableName=table, Item={"pk": S("e\u0301")})
    assert client.scan(TableName=table)["Count"] == 2


def test_sets_have_no_order(client, table):
    client.put_item(TableName=table, Item={"pk": S("a"), "v": {"NS": ["3", "1", "2"]}})
    client.put_item(
        TableName=table,
        Item={"pk": S("b")},
        ConditionExpression="attribute_not_exists(pk) OR v = :v",
        ExpressionAttributeValues={":v": {"NS": ["1", "2", "3"]}},
    )
    page = client.scan(
        TableName=table, FilterExpression="v = :v", ExpressionAttributeValues={":v": {"NS": ["2.0", "3", "1"]}}
    )
    assert page["Count"] == 1
    assert sorted(page["Items"][0]["v"]["NS"]) == ["1", "2", "3"]


def test_resources_speak_decimal(db, client, session, table):
    orders = boto3.Session(botocore_session=session).resource("dynamodb").Table(table)
    exact = Decimal("1.2345678901234567890123456789012345678")
    orders.put_item(Item={"pk": "a", "v": exact, "ns": {1, Decimal("2.50")}})
    found = orders.get_item(Key={"pk": "a"})["Item"]
    assert found == {"pk": "a", "v": exact, "ns": {Decimal(1), Decimal("2.5")}}
