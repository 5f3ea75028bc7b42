"""The light client: boto3's method names and answers, without botocore in between."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Callable

from . import _errors
from ._fdyno import Operation, operations

if TYPE_CHECKING:
    from ._database import Database

_REGION = re.compile(r"[a-z0-9-]+")
_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake_case(name: str) -> str:
    return _BOUNDARY.sub("_", name).lower()


#: Service -> method name -> operation.
_OPERATIONS: dict[str, dict[str, Operation]] = {}


def operations_of(service: str) -> dict[str, Operation]:
    if service not in _OPERATIONS:
        names = operations(service)
        if not names:
            raise ValueError(f"fdyno has no service {service!r}: it answers 'dynamodb' and 'dynamodbstreams'")
        _OPERATIONS[service] = {snake_case(name): Operation(service, name) for name in names}
    return _OPERATIONS[service]


class Client:
    """Calls one database directly. Every operation of boto3's client of the same service is a method here.

    Parameters and answers are those of boto3's low-level client; errors are `botocore.exceptions.ClientError`.
    """

    exceptions = _errors.Exceptions()

    def __init__(self, database: Database, service: str, region: str) -> None:
        if not _REGION.fullmatch(region):
            raise ValueError(f"{region!r} is no region: lowercase letters, digits and hyphens")
        self._database = database
        self._operations = operations_of(service)
        self.service = service
        self.region = region

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        operation = None if name.startswith("_") else self._operations.get(name)
        if operation is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        core, region = self._database._core, self.region

        def call(**parameters: Any) -> dict[str, Any]:
            status, parsed = core.call(operation, parameters, region)
            if status >= 300:
                _errors.raise_for(parsed, operation.name)
            return parsed

        call.__name__ = call.__qualname__ = name
        # Found in the instance's dict from now on.
        self.__dict__[name] = call
        return call

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._operations]

    def __repr__(self) -> str:
        return f"<fdyno client of {self.service} in {self.region}>"
