"""Finds the native operation behind a botocore operation model."""

from __future__ import annotations

from typing import Any

from ._fdyno import Operation
from ._shapes import Unsupported, describe

#: boto3's names of the services that fdyno answers.
SERVICES = frozenset({"dynamodb", "dynamodbstreams"})

_bare: dict[tuple[str, str], Operation | None] = {}
_shaped: dict[tuple[str, str, tuple[str, ...]], Operation | None] = {}


def bare(service: str, name: str) -> Operation | None:
    """The operation, without botocore's shapes; `None` if fdyno has never heard of it."""
    key = (service, name)
    if key not in _bare:
        try:
            _bare[key] = Operation(service, name)
        except ValueError:
            _bare[key] = None
    return _bare[key]


def shaped(model: Any) -> Operation | None:
    """The operation of a botocore operation model, which refuses what botocore refuses; `None`: the plain route."""
    service, name, shape = model.service_model.service_name, model.name, model.input_shape
    if shape is None or bare(service, name) is None:
        return None
    # Models may differ between clients (another data path, another API version): the members tell them apart.
    key = (service, name, tuple(shape.members))
    if key not in _shaped:
        try:
            _shaped[key] = Operation(service, name, describe(shape))
        except Unsupported:
            _shaped[key] = None
    return _shaped[key]
