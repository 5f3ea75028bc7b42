"""Expressions through boto3: what conditions hold, and the messages of those that are wrong."""

import re

import pytest
from tables import N, S

ITEM = {
    "pk": S("a"),
    "n": N(5),
    "s": S("hello"),
    "b": {"B": b"\x01\x02\x03"},
    "t": {"BOOL": True},
    "nil": {"NULL": True},
    "ss": {"SS": ["red", "blue"]},
    "ns": {"NS": ["1", "2"]},
    "l": {"L": [N(1), S("two"), {"M": {"deep": S("x")}}]},
    "m": {"M": {"k": N(7), "odd.name": S("dot"), "box": {"M": {"cells": {"L": [N(9)]}}}}},
}
VALUES = {
    ":five": N("5.0"),
    ":six": N(6),
    ":hello": S("hello"),
    ":h": S("h"),
    ":z": S("z"),
    ":b": {"B": b"\x01"},
    ":true": {"BOOL": True},
    ":null": {"NULL": True},
    ":ss": {"SS": ["blue", "red"]},
    ":red": S("red"),
    ":one": N(1),
    ":two": S("two"),
    ":three": N(3),
    ":l": {"L": [N(1), S("two"), {"M": {"deep": S("x")}}]},
    ":m": {"M": {"cells": {"L": [N(9)]}}},
    ":type": S("M"),
    ":S": S("S"),
}


@pytest.fixture
def there(client, table):
    client.put_item(TableName=table, Item=ITEM)
    return table


def used(text):
    return {name: value for name, value in VALUES.items() if name in set(tokens(text))}


def tokens(text):
    for mark in "(),<>=":
        text = text.replace(mark, " ")
    return text.split()


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("n = :five", True),
        ("n <> :five", False),
        ("n < :six", True),
        ("n <= :five", True),
        ("n > :five", False),
        ("n >= :five", True),
        (":six > n", True),
        ("n = :hello", False),
        ("n <> :hello", True),
        ("n < :hello", False),
        ("nothing = :five", False),
        ("nothing <> :five", True),
        ("s BETWEEN :h AND :z", True),
        ("n BETWEEN :five AND :six", True),
        ("n BETWEEN :six AND :six", False),
        ("n IN (:six, :hello, :five)", True),
        ("n IN (:six)", False),
        ("t = :true", True),
        ("nil = :null", True),
        ("ss = :ss", True),
        ("l = :l", True),
        ("m.box = :m", True),
        ("attribute_exists(n)", True),
        ("attribute_exists(nothing)", False),
        ("attribute_exists(l[2].deep)", True),
        ("attribute_exists(l[3])", False),
        ("attribute_not_exists(m.k)", False),
        ("attribute_not_exists(m.nothing.deeper)", True),
        ("attribute_type(m, :type)", True),
        ("attribute_type(n, :S)", False),
        ("begins_with(s, :h)", True),
        ("begins_with(s, :z)", False),
        ("begins_with(b, :b)", True),
        ("begins_with(n, :h)", False),
        ("contains(s, :h)", True),
        ("contains(ss, :red)", True),
        ("contains(ns, :one)", True),
        ("contains(ns, :five)", False),
        ("contains(l, :two)", True),
        ("contains(b, :b)", True),
        ("contains(l[1], :two)", True),
        ("size(s) = :five", True),
        ("size(b) = :three", True),
        ("size(l) = :three", True),
        ("size(m) = :three", True),
        ("size(ss) > :one", True),
        ("size(n) >= :one", False),
        ("size(nothing) >= :one", False),
        ("l[0] = :one AND m.k > :six", True),
        ("m.box.cells[0] > :six", True),
        ("n = :six OR s = :hello", True),
        ("NOT n = :six", True),
        ("NOT (n = :five AND s = :hello)", False),
        ("n = :six AND n = :six OR s = :hello", True),
        ("n = :six AND (n = :six OR s = :hello)", False),
        ("NOT n = :six AND s = :hello", True),
        ("not n = :six and s between :h and :z or n in (:six)", True),
    ],
)
def test_a_condition_holds_or_not_and_a_filter_agrees(client, there, text, holds):
    values = used(text)
    more = {"ExpressionAttributeValues": values} if values else {}
    page = client.scan(TableName=there, FilterExpression=text, **more)
    assert page["Count"] == holds
    delete = {"TableName": there, "Key": {"pk": S("a")}, "ConditionExpression": text, **more}
    if holds:
        client.delete_item(**delete)
    else:
        with pytest.raises(client.exceptions.ConditionalCheckFailedException):
            client.delete_item(**delete)
    assert client.scan(TableName=there)["Count"] == (not holds)


@pytest.mark.parametrize(
    ("text", "names", "values"),
    [
        ("#m.#odd = :v", {"#m": "m", "#odd": "odd.name"}, {":v": S("dot")}),
        ("#n = :v", {"#n": "n"}, {":v": N(5)}),
        ("#l[1] = :v", {"#l": "l"}, {":v": S("two")}),
        ("#m.#b.#c[0] = :v", {"#m": "m", "#b": "box", "#c": "cells"}, {":v": N(9)}),
        ("#0 = :0", {"#0": "n"}, {":0": N(5)}),
    ],
)
def test_names_are_substituted(client, there, text, names, values):
    page = client.scan(
        TableName=there,
        FilterExpression=text,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
    )
    assert page["Count"] == 1


PREFIX = "Invalid FilterExpression: "
OPERAND = PREFIX + "Incorrect operand type for operator or function; operator or function: {}, operand type: {}"
COUNT = (
    PREFIX + "Incorrect number of operands for operator or function; operator or function: {}, number of operands: {}"
)


@pytest.mark.parametrize(
    ("message", "text", "values"),
    [
        (PREFIX + "The expression can not be empty;", "", None),
        (PREFIX + 'Syntax error; token: "<EOF>", near: "="', "n =", None),
        (PREFIX + 'Syntax error; token: "=", near: "= = :v"', "n = = :v", {":v": N(1)}),
        (PREFIX + 'Syntax error; token: "&", near: "n & s"', "n & s", None),
        (PREFIX + 'Syntax error; token: ")", near: "))"', "attribute_exists(n))", None),
        (PREFIX + "The expression has redundant parentheses;", "((n = :v))", {":v": N(1)}),
        (PREFIX + "Attribute name is a reserved keyword; reserved keyword: status", "status = :v", {":v": N(1)}),
        (PREFIX + "Attribute name is a reserved keyword; reserved keyword: Name", "n.Name = :v", {":v": N(1)}),
        (
            PREFIX + "An expression attribute name used in the document path is not defined; attribute name: #x",
            "#x = :v",
            {":v": N(1)},
        ),
        (
            PREFIX + "An expression attribute value used in expression is not defined; attribute value: :w",
            "n = :w",
            {":v": N(1)},
        ),
        (
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}",
            "attribute_exists(n)",
            {":v": N(1)},
        ),
        (PREFIX + "Invalid function name; function: exists", "exists(n)", None),
        (PREFIX + "Invalid function name; function: Size", "Size(n) = :v", {":v": N(1)}),
        (
            PREFIX + "The function is not allowed in a condition expression; function: if_not_exists",
            "if_not_exists(n, :v)",
            {":v": N(1)},
        ),
        (PREFIX + "The function is not allowed to be used this way in an expression; function: size", "size(n)", None),
        (
            PREFIX + "The function is not allowed to be used this way in an expression; function: attribute_exists",
            "attribute_exists(n) = :v",
            {":v": N(1)},
        ),
        (COUNT.format("attribute_exists", 2), "attribute_exists(n, s)", None),
        (COUNT.format("begins_with", 1), "begins_with(s)", None),
        (OPERAND.format("begins_with", "N"), "begins_with(s, :v)", {":v": N(1)}),
        (OPERAND.format("<", "BOOL"), "n < :v", {":v": {"BOOL": True}}),
        (OPERAND.format("BETWEEN", "L"), "n BETWEEN :v AND :v", {":v": {"L": []}}),
        (OPERAND.format("size", "N"), "size(:v) = n", {":v": N(1)}),
        (OPERAND.format("attribute_type", "N"), "attribute_type(n, :v)", {":v": N(1)}),
        (
            PREFIX + "Invalid attribute type name found; type: text, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
            "attribute_type(n, :v)",
            {":v": S("text")},
        ),
        (
            PREFIX + "Operator or function requires a document path; operator or function: attribute_exists",
            "attribute_exists(:v)",
            {":v": N(1)},
        ),
        (
            PREFIX
            + "The first operand must be distinct from the remaining operands for this operator or function; operator: "
            "contains, first operand: [s]",
            "contains(s, s)",
            None,
        ),
        (
            PREFIX + "The first operand must be distinct from the remaining operands for this operator or function; "
            "operator: =, "
            "first operand: [n]",
            "n = n",
            None,
        ),
        (
            PREFIX
            + "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound "
            "operand: "
            "AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
            "n BETWEEN :v AND :w",
            {":v": N(2), ":w": N(1)},
        ),
        (
            PREFIX + "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: "
            "AttributeValue: "
            "{N:2}, upper bound operand: AttributeValue: {S:1}",
            "n BETWEEN :v AND :w",
            {":v": N(2), ":w": S("1")},
        ),
        (
            PREFIX + "The IN operator is provided with too many operands; number of operands: 101",
            "n IN (" + ", ".join(f":v{n}" for n in range(101)) + ")",
            {f":v{n}": N(n) for n in range(101)},
        ),
        (
            PREFIX + "List index is not within the allowable range; index: [99999999999999999999]",
            "attribute_exists(l[99999999999999999999])",
            None,
        ),
        ('ExpressionAttributeValues contains invalid key: Syntax error; key: "v"', "n = :v", {"v": N(1)}),
        ('ExpressionAttributeValues contains invalid key: Syntax error; key: ":v-w"', "n = :v", {":v-w": N(1)}),
        ("ExpressionAttributeValues must not be empty", "attribute_exists(n)", {}),
    ],
)
def test_a_wrong_expression_has_its_message(client, there, refused, message, text, values):
    more = {"ExpressionAttributeValues": values} if values is not None else {}
    refused.invalid(client.scan, message, TableName=there, FilterExpression=text, **more)


@pytest.mark.parametrize(
    ("message", "names"),
    [
        ('ExpressionAttributeNames contains invalid key: Syntax error; key: "n"', {"n": "n"}),
        ("ExpressionAttributeNames must not be empty", {}),
        ("ExpressionAttributeNames contains invalid value: Empty attribute name for key #n", {"#n": ""}),
        ("Value provided in ExpressionAttributeNames unused in expressions: keys: {#x}", {"#x": "n"}),
    ],
)
def test_wrong_names_have_their_message(client, there, refused, message, names):
    refused.invalid(
        client.scan, message, TableName=there, FilterExpression="attribute_exists(n)", ExpressionAttributeNames=names
    )


@pytest.mark.parametrize(
    "text", ["(" * 10_000, "NOT " * 900 + "n", "n" + ".a" * 2_000, "n" + "[0]" * 1_000, "🚀" * 100, "#" * 50]
)
def test_hostile_expressions_are_errors(client, there, refused, text):
    response = refused(
        client.scan,
        "ValidationException",
        re.compile("^Invalid FilterExpression: "),
        TableName=there,
        FilterExpression=text,
    )
    assert len(response["Error"]["Message"]) < 10_000


@pytest.mark.parametrize(
    "word", ["abort", "COUNT", "Date", "hash", "items", "order", "range", "size", "ttl", "user", "zone"]
)
def test_reserved_words_need_a_placeholder(client, there, refused, word):
    refused.invalid(
        client.update_item,
        f"Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: {word}",
        TableName=there,
        Key={"pk": S("a")},
        UpdateExpression=f"SET {word} = :v",
        ExpressionAttributeValues={":v": N(1)},
    )
    client.update_item(
        TableName=there,
        Key={"pk": S("a")},
        UpdateExpression="SET #w = :v",
        ExpressionAttributeNames={"#w": word},
        ExpressionAttributeValues={":v": N(1)},
    )
    assert client.get_item(TableName=there, Key={"pk": S("a")})["Item"][word] == N(1)
