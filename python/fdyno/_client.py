"""The light client: boto3's method names and answers, without botocore in between."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, cast

from botocore.exceptions import OperationNotPageableError, UnknownServiceError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.paginate import Paginator
from botocore.waiter import NormalizedOperationMethod, Waiter, WaiterModel

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


class _Loaded(NamedTuple):
    """What botocore's data say of a service."""

    service: ServiceModel
    paging: dict[str, dict[str, Any]]
    waiters: WaiterModel


@functools.cache
def _loaded(service: str) -> _Loaded:
    """Read when first asked for: calls need none of it."""
    loader = Loader()

    def load(kind: str, absent: dict[str, Any]) -> dict[str, Any]:
        try:
            return cast("dict[str, Any]", loader.load_service_model(service, kind))
        except UnknownServiceError:
            return absent

    paging = load("paginators-1", {"pagination": {}})["pagination"]
    return _Loaded(
        service=ServiceModel(loader.load_service_model(service, "service-2"), service),
        paging={snake_case(name): how for name, how in paging.items()},
        waiters=WaiterModel(load("waiters-2", {"version": 2, "waiters": {}})),
    )


def _paging(service: str) -> dict[str, dict[str, Any]]:
    return _loaded(service).paging


class Client:
    """Calls one database directly. Every operation of boto3's client of the same service is a method here.

    Parameters and answers are those of boto3's low-level client; errors are `botocore.exceptions.ClientError`. Paginators and waiters
    are botocore's own, over these methods.
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

    def can_paginate(self, operation_name: str) -> bool:
        """Whether botocore knows how to page through an operation, by its method's name."""
        return operation_name in _paging(self.service)

    def get_paginator(self, operation_name: str) -> Paginator:
        """Botocore's paginator over a method, by its name. Raises `OperationNotPageableError`."""
        method = getattr(self, operation_name)
        if not self.can_paginate(operation_name):
            raise OperationNotPageableError(operation_name=operation_name)
        service = _loaded(self.service).service
        model = service.operation_model(self._operations[operation_name].name)
        return Paginator(method, _paging(self.service)[operation_name], model)

    @property
    def waiter_names(self) -> list[str]:
        """The names of botocore's waiters for this service."""
        return [snake_case(name) for name in _loaded(self.service).waiters.waiter_names]

    def get_waiter(self, waiter_name: str) -> Waiter:
        """Botocore's waiter, by its name, for example ``"table_exists"``. Raises `ValueError` for one that there is not."""
        models = _loaded(self.service).waiters
        name = {snake_case(name): name for name in models.waiter_names}.get(waiter_name)
        if name is None:
            raise ValueError(f"Waiter does not exist: {waiter_name}")
        waiter = models.get_waiter(name)
        return Waiter(name, waiter, NormalizedOperationMethod(getattr(self, snake_case(waiter.operation))))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._operations]

    def __repr__(self) -> str:
        return f"<fdyno client of {self.service} in {self.region}>"
