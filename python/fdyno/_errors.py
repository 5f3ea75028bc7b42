"""Exceptions of the light client: botocore's `ClientError`, one subclass for each error code.

They are not the classes of any boto3 client's ``client.exceptions`` (each boto3 session makes its own); code that
catches `ClientError` and looks at the code serves both.
"""

from __future__ import annotations

from typing import Any, cast

from botocore.exceptions import ClientError

class CheckpointMoved(RuntimeError):
    """A checkpoint is not where its consumer left it: another one of the same name has moved it.

    It stays where that one put it, and nothing of a `batch.transaction()` was written. The handler of an event source has seen its
    batch nevertheless.
    """


#: The errors whose model spells its message with a capital letter.
_CAPITAL = frozenset(
    {"IdempotentParameterMismatchException", "TransactionCanceledException", "TransactionInProgressException"}
)

_classes: dict[str, type[Exception]] = {}


def class_of(code: str) -> type[Exception]:
    """The exception class of an error code."""
    if code not in _classes:
        _classes[code] = type(code, (ClientError,), {"__module__": "fdyno.exceptions"})
    return _classes[code]


def raise_for(parsed: dict[str, Any], operation: str) -> None:
    """Raises the error that an answer tells of."""
    error = parsed["Error"]
    parsed["Message" if error["Code"] in _CAPITAL else "message"] = error["Message"]
    raise cast(Any, class_of(error["Code"]))(parsed, operation)


class Exceptions:
    """``client.exceptions`` of the light client: a class for every name that ends like an error code."""

    ClientError = ClientError

    def __getattr__(self, name: str) -> type[Exception]:
        if not name.endswith(("Exception", "Error", "Exceeded")):
            raise AttributeError(name)
        return class_of(name)
