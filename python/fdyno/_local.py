"""`local`: a fresh database for a block, a function or a test class."""

from __future__ import annotations

import functools
import inspect
import os
import unittest
from datetime import timedelta
from types import TracebackType
from typing import Any, Callable, TypeVar, cast, overload

from ._activation import Activation, Passthrough
from ._database import DEFAULT_ACCOUNT, STREAM_RETENTION, TTL_INTERVAL, Database, behaviour_of, connect

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Local:
    """What `local()` returns: a context manager, synchronous or asynchronous, and a decorator."""

    def __init__(
        self,
        passthrough: Passthrough | None,
        account: str,
        ttl_interval: timedelta | float | None,
        stream_retention: timedelta,
        buckets: str | os.PathLike[str] | None,
    ) -> None:
        # Refused here, not when the block is entered.
        behaviour_of(ttl_interval, stream_retention, buckets)
        self._passthrough = passthrough
        self._account = account
        self._ttl_interval = ttl_interval
        self._stream_retention = stream_retention
        self._buckets = buckets
        self._activation: Activation | None = None

    def __enter__(self) -> Database:
        if self._activation is not None:
            raise RuntimeError("this fdyno.local() is entered already: call fdyno.local() for each block")
        database = connect(
            account=self._account,
            ttl_interval=self._ttl_interval,
            stream_retention=self._stream_retention,
            buckets=self._buckets,
        )
        self._activation = database.activate(passthrough=self._passthrough)
        return database

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        activation, self._activation = self._activation, None
        if activation is not None:
            database = activation.database
            activation.end()
            if database is not None:
                database.close()  # It goes on; who follows its changes does not.

    async def __aenter__(self) -> Database:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _again(self) -> Local:
        return Local(self._passthrough, self._account, self._ttl_interval, self._stream_retention, self._buckets)

    def __call__(self, decorated: Decorated) -> Decorated:
        """A fresh database for each call of a function, or for each test of a class."""
        decorate = self._decorate_class if inspect.isclass(decorated) else self._decorate_function
        return cast(Decorated, decorate(decorated))

    def _decorate_class(self, cls: Any) -> Any:
        if issubclass(cls, unittest.TestCase):
            # Around setUp and tearDown as well.
            original = cls.run

            def run(test: Any, result: Any = None) -> Any:
                with self._again():
                    return original(test, result)

            cls.run = run
            return cls
        for name, member in list(vars(cls).items()):
            if name.startswith("test") and inspect.isfunction(member):
                setattr(cls, name, self._decorate_function(member))
        return cls

    def _decorate_function(self, function: Any) -> Any:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return coroutine
        if inspect.isasyncgenfunction(function):
            raise TypeError("fdyno.local() does not decorate asynchronous generators: use 'async with' inside")
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return (yield from function(*args, **kwargs))

            return generator

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return call


@overload
def local(decorated: Decorated, /) -> Decorated: ...


@overload
def local(
    *,
    passthrough: Passthrough | None = None,
    account: str = DEFAULT_ACCOUNT,
    ttl_interval: timedelta | float | None = TTL_INTERVAL,
    stream_retention: timedelta = STREAM_RETENTION,
    buckets: str | os.PathLike[str] | None = None,
) -> Local: ...


def local(
    decorated: Any = None,
    /,
    *,
    passthrough: Passthrough | None = None,
    account: str = DEFAULT_ACCOUNT,
    ttl_interval: timedelta | float | None = TTL_INTERVAL,
    stream_retention: timedelta = STREAM_RETENTION,
    buckets: str | os.PathLike[str] | None = None,
) -> Any:
    """A fresh in-memory database that every boto3 client of this process uses meanwhile.

    ``with fdyno.local() as db:``, ``async with``, or a decorator: ``@fdyno.local`` or ``@fdyno.local()`` on functions,
    coroutine functions and test classes. Nests, and overlaps in threads and tasks: each sees its own. `ttl_interval`,
    `stream_retention` and `buckets` are those of `connect`.
    """
    manager = Local(passthrough, account, ttl_interval, stream_retention, buckets)
    return manager if decorated is None else manager(decorated)
