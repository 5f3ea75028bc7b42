"""Puts fdyno into botocore, once per process, and takes DynamoDB clients in.

New client classes get the fast route through botocore's own event ``creating-client-class``. Clients and sessions that
exist already are reached where every call passes, `BaseClient._make_api_call`: with a database active, a client's first
call registers its handler and turns on the fast route. What slips past that is answered in `_make_request`. So no client has to be found, and none is kept alive. Other services' clients
are looked at and left alone; with nothing active a call costs a glance at two empty containers.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any, Callable

from botocore.client import BaseClient
from botocore.handlers import BUILTIN_HANDLERS

from . import _creation
from ._activation import state
from ._listeners import Listeners
from ._operations import SERVICES
from ._plain import CONTEXT_KEY, Chosen, Handler, answer, answer_async, choose

#: In the `__dict__` of a client whose handlers are registered: its `Listeners`.
CAPTURED = "_fdyno_captured"

#: Set on our wrappers, and copied along by well-behaved wrappers around them.
_MARK = "_fdyno_wrapper"

_lock = threading.Lock()


def install() -> None:
    """Makes sure that fdyno sees every DynamoDB call. Cheap when it does already."""
    with _lock:
        handlers = [handler for _, handler, *_ in BUILTIN_HANDLERS]
        if _creating_client_class not in handlers:
            for service in ("dynamodb", "dynamodb-streams"):
                BUILTIN_HANDLERS.append((f"creating-client-class.{service}", _creating_client_class))
        _wrap(BaseClient, "_make_api_call", _capturing)
        _wrap(BaseClient, "_make_request", _keeping)
        _creation.wrap_sessions(_wrap)
        _install_aiobotocore()


def _install_aiobotocore() -> None:
    client, session = sys.modules.get("aiobotocore.client"), sys.modules.get("aiobotocore.session")
    if client is not None and hasattr(client, "AioBaseClient"):
        _wrap(client.AioBaseClient, "_make_api_call", _capturing)
        _wrap(client.AioBaseClient, "_make_request", _keeping_async)
    if session is not None and hasattr(session, "AioSession"):
        _creation.wrap_async_sessions(_wrap, session.AioSession)


def _wrap(cls: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
    # Anew whenever it is missing: somebody may have put back what was there before us.
    original = cls.__dict__.get(name)
    if original is not None and getattr(original, _MARK, None) is not True:
        wrapped = functools.wraps(original)(wrapper(original))
        setattr(wrapped, _MARK, True)
        setattr(cls, name, wrapped)


def _capturing(original: Any) -> Any:
    def _make_api_call(self: Any, operation_name: str, api_params: Any) -> Any:
        if (state.stack or state.attached) and CAPTURED not in self.__dict__:
            capture(self)
        return original(self, operation_name, api_params)

    return _make_api_call


def _keeping(original: Any) -> Any:
    """The last door before the network: some calls come here unseen, when `_make_api_call` was put back by a mock."""

    def _make_request(self: Any, operation_model: Any, request_dict: Any, request_context: Any) -> Any:
        chosen = _chosen_late(self, operation_model, request_context)
        if chosen is None:
            return original(self, operation_model, request_dict, request_context)
        return answer(chosen, operation_model, request_dict, request_context)

    return _make_request


def _keeping_async(original: Any) -> Any:
    async def _make_request(self: Any, operation_model: Any, request_dict: Any, request_context: Any) -> Any:
        chosen = _chosen_late(self, operation_model, request_context)
        if chosen is None:
            return await original(self, operation_model, request_dict, request_context)
        outcome = answer_async(chosen, operation_model, request_dict, request_context)
        return outcome if isinstance(outcome, tuple) else await outcome

    return _make_request


def _chosen_late(client: Any, model: Any, context: dict[str, Any]) -> Chosen | None:
    """The choice of a call that is about to go out, if it must not."""
    if model.service_model.service_name not in SERVICES:
        return None
    if CONTEXT_KEY not in context:
        if not (state.stack or state.attached):
            return None
        capture(client)
    chosen = choose(client, model, context)
    return None if chosen.database is None else chosen


def bare_make_api_call() -> Any:
    """botocore's own `_make_api_call` without the copy of its context around it, which serves the user agent only.

    `None` when somebody else stands in between (a mock, a tracer), or botocore looks otherwise.
    """
    outermost = BaseClient.__dict__.get("_make_api_call")
    if outermost is not _seen[0]:
        _seen[:] = outermost, _find_bare(outermost)
    return _seen[1]


_seen: list[Any] = [None, None]


def _find_bare(outermost: Any) -> Any:
    if getattr(outermost, "__module__", None) != "botocore.client" or _MARK not in getattr(outermost, "__dict__", {}):
        return None
    original = getattr(outermost, "__wrapped__", None)
    inner = getattr(original, "__wrapped__", None)
    names = [getattr(function, "__globals__", {}).get("__name__") for function in (outermost, original, inner)]
    return inner if names == [__name__, "botocore.context", "botocore.client"] else None


def _is_asynchronous(cls: type) -> bool:
    return any(base.__name__ == "AioBaseClient" for base in cls.__mro__)


def _creating_client_class(base_classes: list[type], **_: Any) -> None:
    from . import _fast

    if any(_is_asynchronous(base) for base in base_classes):
        with _lock:
            _install_aiobotocore()  # It was imported after the installation.
    elif _fast.usable() and _fast.FastClient not in base_classes:
        base_classes.insert(0, _fast.FastClient)


def capture(client: Any) -> Listeners | None:
    """Registers the handlers of a DynamoDB or DynamoDB Streams client, and gives it the fast route."""
    model = client.meta.service_model
    if model.service_name not in SERVICES:
        return None
    from . import _fast

    cls = type(client)
    with _lock:
        listeners: Listeners | None = client.__dict__.get(CAPTURED)
        if listeners is None:
            asynchronous = _is_asynchronous(cls)
            listeners = Handler(client, asynchronous).register(client.meta.events, model.service_id.hyphenize())
            if not asynchronous and not issubclass(cls, _fast.FastClient) and _fast.usable():
                client.__class__ = _fast.upgraded(cls)
            client.__dict__[CAPTURED] = listeners
        return listeners


def target_of(target: Any) -> Any:
    """What stands for a client, resource or session in the table of attachments."""
    import botocore.session

    client = getattr(getattr(target, "meta", None), "client", None)
    if isinstance(client, BaseClient):
        target = client
    if isinstance(target, BaseClient):
        service = target.meta.service_model.service_name
        if service not in SERVICES:
            raise ValueError(f"a client of {service} cannot be attached: fdyno answers {' and '.join(sorted(SERVICES))}")
        return target
    session = getattr(target, "_session", target)
    if isinstance(session, botocore.session.Session):
        # Every client of a session, early or late, holds this one object.
        return session._get_internal_component("exceptions_factory")
    raise TypeError(f"expected a client, a resource or a session, not {type(target).__name__}")


def after_fork_in_child() -> None:
    """Another thread of the parent may have held the lock."""
    global _lock
    _lock = threading.Lock()
