"""Lets DynamoDB clients be created without credentials or region while a database is active.

Nothing is put into the environment and no other service's client is concerned. Credentials are not even looked for
(that may mean asking a metadata server) until somebody needs them: a call that goes out after all. It misses what it would
miss without fdyno. A URL presigned by a client that fdyno answers is signed with dummies, unless its session holds
credentials already: looking for real ones could leave the process.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any, Callable

from botocore.credentials import Credentials
from botocore.exceptions import NoRegionError
from botocore.session import Session

from ._activation import DEFAULT_REGION, state
from ._operations import SERVICES

Wrap = Callable[[Any, str, Callable[[Any], Any]], None]

#: True while a DynamoDB client is being created that a database may answer.
_creating: ContextVar[bool] = ContextVar("fdyno_creating", default=False)

#: Whether what needs credentials next, in this context, is a URL presigned for a call that a database would answer.
_presigning: ContextVar[bool] = ContextVar("fdyno_presigning", default=False)

#: In the `__dict__` of a client that got a region only because a database was active.
_REGIONLESS = "_fdyno_regionless"

#: What presigning signs with where there are no credentials.
_DUMMY = Credentials("fdyno", "fdyno")


def wrap_sessions(wrap: Wrap) -> None:
    wrap(Session, "create_client", _create_client)
    wrap(Session, "get_credentials", _get_credentials)


def wrap_async_sessions(wrap: Wrap, session_class: Any) -> None:
    wrap(session_class, "_create_client", _create_async_client)
    wrap(session_class, "get_credentials", _get_async_credentials)


def _concerns(session: Any, service: str) -> bool:
    if service not in SERVICES or not (state.stack or state.attached):
        return False
    return state.covers(session._get_internal_component("exceptions_factory"))


def _with_region(session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    region = args[0] if args else kwargs.get("region_name")
    config = kwargs.get("config") or session.get_default_client_config()
    if region is not None or session._resolve_region_name(None, config) is not None:
        return args, kwargs
    if args:
        return (DEFAULT_REGION, *args[1:]), kwargs
    return args, {**kwargs, "region_name": DEFAULT_REGION}


def _created(client: Any, regionless: bool) -> Any:
    from . import _hook

    # At once, for presigning is no call.
    _hook.capture(client)
    if regionless:
        client.__dict__[_REGIONLESS] = True
    return client


def check_region(client: Any) -> None:
    """Refuses a call that goes out through a client that could not have been made without a database."""
    if client is not None and _REGIONLESS in client.__dict__:
        raise NoRegionError()


def allow_dummies(presigning: bool) -> None:
    """Says, before whatever needs credentials, whether dummies do where none were found yet."""
    _presigning.set(presigning)


def _dummies() -> Any:
    return _DUMMY.get_frozen_credentials() if _presigning.get() else None


def _create_client(original: Any) -> Any:
    def create_client(self: Any, service_name: str, *args: Any, **kwargs: Any) -> Any:
        if not _concerns(self, service_name):
            return original(self, service_name, *args, **kwargs)
        given, (args, kwargs) = (args, kwargs), _with_region(self, args, kwargs)
        token = _creating.set(True)
        try:
            return _created(original(self, service_name, *args, **kwargs), given != (args, kwargs))
        finally:
            _creating.reset(token)

    return create_client


def _create_async_client(original: Any) -> Any:
    async def _create_client(self: Any, service_name: str, *args: Any, **kwargs: Any) -> Any:
        if not _concerns(self, service_name):
            return await original(self, service_name, *args, **kwargs)
        given, (args, kwargs) = (args, kwargs), _with_region(self, args, kwargs)
        token = _creating.set(True)
        try:
            return _created(await original(self, service_name, *args, **kwargs), given != (args, kwargs))
        finally:
            _creating.reset(token)

    return _create_client


def _get_credentials(original: Any) -> Any:
    def get_credentials(self: Any) -> Any:
        if _creating.get() and self._credentials is None:
            return DeferredCredentials(lambda: original(self))
        return original(self)

    return get_credentials


def _get_async_credentials(original: Any) -> Any:
    async def get_credentials(self: Any) -> Any:
        if _creating.get() and self._credentials is None:
            return DeferredAsyncCredentials(lambda: original(self))
        return await original(self)

    return get_credentials


class DeferredCredentials:
    """Credentials of a session that are looked for when first needed."""

    method = "deferred"

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load: Callable[[], Any] | None = load
        self._found: Any = None
        self._lock = threading.Lock()

    def _real(self) -> Any:
        with self._lock:
            if self._load is not None:
                token = _creating.set(False)
                try:
                    self._found = self._load()
                finally:
                    _creating.reset(token)
                self._load = None
        return self._found

    def get_frozen_credentials(self) -> Any:
        """The session's, if it has any; else `None`, which botocore reports. They are not looked for to presign."""
        if self._found is None and (dummies := _dummies()) is not None:
            return dummies
        real = self._real()
        return None if real is None else real.get_frozen_credentials()

    def get_deferred_property(self, property_name: str) -> Callable[[], Any]:
        return lambda: getattr(self.get_frozen_credentials(), property_name, None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._real() or _DUMMY, name)


class DeferredAsyncCredentials:
    """The same for aiobotocore."""

    method = "deferred"

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load: Callable[[], Any] | None = load
        self._found: Any = None

    async def get_frozen_credentials(self) -> Any:
        if self._found is None and (dummies := _dummies()) is not None:
            return dummies
        if self._load is not None:
            token = _creating.set(False)
            try:
                self._found = await self._load()
            finally:
                _creating.reset(token)
            self._load = None
        return None if self._found is None else await self._found.get_frozen_credentials()

    def get_deferred_property(self, property_name: str) -> Callable[[], Any]:
        async def get() -> Any:
            return getattr(await self.get_frozen_credentials(), property_name, None)

        return get

    async def get_account_id(self) -> Any:
        return getattr(await self.get_frozen_credentials(), "account_id", None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._found or _DUMMY, name)
