"""Lets DynamoDB clients be created without credentials or region while a database is active.

Nothing is put into the environment and no other service's client is concerned. Credentials are not even looked for
(that may mean asking a metadata server) until somebody needs them: a call that goes out after all, or presigning.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any, Callable

from botocore.credentials import Credentials
from botocore.session import Session

from ._activation import DEFAULT_REGION, state
from ._operations import SERVICES

Wrap = Callable[[Any, str, Callable[[Any], Any]], None]

#: True while a DynamoDB client is being created that a database may answer.
_creating: ContextVar[bool] = ContextVar("fdyno_creating", default=False)

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


def _create_client(original: Any) -> Any:
    def create_client(self: Any, service_name: str, *args: Any, **kwargs: Any) -> Any:
        if not _concerns(self, service_name):
            return original(self, service_name, *args, **kwargs)
        args, kwargs = _with_region(self, args, kwargs)
        token = _creating.set(True)
        try:
            return original(self, service_name, *args, **kwargs)
        finally:
            _creating.reset(token)

    return create_client


def _create_async_client(original: Any) -> Any:
    async def _create_client(self: Any, service_name: str, *args: Any, **kwargs: Any) -> Any:
        if not _concerns(self, service_name):
            return await original(self, service_name, *args, **kwargs)
        args, kwargs = _with_region(self, args, kwargs)
        token = _creating.set(True)
        try:
            return await original(self, service_name, *args, **kwargs)
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
        """The session's, if it has any; dummies while fdyno is active; else `None`, which botocore reports."""
        real = self._real()
        if real is not None:
            return real.get_frozen_credentials()
        return _DUMMY.get_frozen_credentials() if state.stack or state.attached else None

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
        if self._load is not None:
            token = _creating.set(False)
            try:
                self._found = await self._load()
            finally:
                _creating.reset(token)
            self._load = None
        if self._found is not None:
            return await self._found.get_frozen_credentials()
        return _DUMMY.get_frozen_credentials() if state.stack or state.attached else None

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
