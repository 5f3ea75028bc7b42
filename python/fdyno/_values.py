"""DynamoDB's typed attribute values as plain Python values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

Item = dict[str, Any]


def number(text: str) -> int | Decimal:
    """An `int` where the number is whole, else a `Decimal`: nothing is rounded."""
    value = Decimal(text)
    return int(value) if value == value.to_integral_value() else value


def plain(value: dict[str, Any]) -> Any:
    """The Python value of one attribute value: sets as `set`, blobs as `bytes`, numbers as `int` or `Decimal`."""
    ((kind, content),) = value.items()
    if kind in ("S", "B", "BOOL"):
        return content
    if kind == "N":
        return number(content)
    if kind == "NULL":
        return None
    if kind == "M":
        return plain_item(content)
    if kind == "L":
        return [plain(element) for element in content]
    if kind == "NS":
        return {number(element) for element in content}
    if kind in ("SS", "BS"):
        return set(content)
    raise ValueError(f"unknown attribute type {kind!r}")


def plain_item(item: dict[str, dict[str, Any]]) -> Item:
    return {name: plain(value) for name, value in item.items()}


@lru_cache(maxsize=None)
def _serializer() -> Any:
    # boto3 is imported only by those who write.
    from boto3.dynamodb.types import TypeSerializer

    return TypeSerializer()


def typed(value: Any) -> dict[str, Any]:
    """The attribute value of a Python value, by boto3's own rules: no floats, which would be rounded."""
    return cast("dict[str, Any]", _serializer().serialize(value))


def typed_item(item: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: typed(value) for name, value in item.items()}
