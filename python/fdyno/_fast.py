"""The fast route: a mixin of client classes that skips what an answered call does not need.

botocore's ``_make_api_call`` still runs with its events, history and exceptions; endpoint resolution, user agent,
Python validation and serialisation do not. The parameters are kept, the core reads them, and `_plain` answers. Parameters
the core refuses go botocore's own way, so that a ParamValidationError is botocore's; so do calls somebody else listens to,
who may want to see or change the request. Presigning, calls that no database
answers and botocore versions with other signatures are left to botocore entirely.
"""

from __future__ import annotations

import inspect
from typing import Any

from botocore.client import BaseClient

from . import _hook
from ._activation import DEFAULT_REGION, state
from ._fdyno import Operation
from ._operations import shaped
from ._plain import CONTEXT_KEY, Chosen, answer

#: In the `__dict__` of a client: operations by name, as the models of its class shape them.
_OPERATIONS = "_fdyno_operations"

#: Tests switch this off to send every call over the plain route.
enabled = True

#: The parameters of the methods overridden below, in order. With other parameters the plain route serves.
_SIGNATURES = {
    "_emit_api_params": ("self", "api_params", "operation_model", "context"),
    "_resolve_endpoint_ruleset": ("self", "operation_model", "params", "request_context", "ignore_signing_region"),
    "_convert_to_request_dict": (
        "self",
        "api_params",
        "operation_model",
        "endpoint_url",
        "context",
        "headers",
        "set_user_agent_header",
    ),
    "_make_request": ("self", "operation_model", "request_dict", "request_context"),
}


def usable() -> bool:
    """Whether the fast route is on and today's botocore has the methods that the mixin relies on."""
    if not enabled:
        return False
    for name, expected in _SIGNATURES.items():
        method = getattr(BaseClient, name, None)
        if method is None or tuple(inspect.signature(method).parameters) != expected:
            return False
    return True


def upgraded(cls: type) -> type:
    """A client class of an existing client, with the mixin in front."""
    return type(cls.__name__, (FastClient, cls), {"__module__": cls.__module__, "__doc__": cls.__doc__})


class FastClient:
    """Put in front of `BaseClient` in the classes of DynamoDB and DynamoDB Streams clients."""

    def _make_api_call(self, operation_name: str, api_params: Any) -> Any:
        if state.stack and enabled and not state.attached:
            activation = state.current()
            if activation is not None and activation.passthrough is None:
                # It will be answered: nobody will see a user agent.
                bare = _hook.bare_make_api_call()
                following = getattr(super()._make_api_call, "__func__", None)  # type: ignore[misc]
                # A class between this one and botocore's may have a method of its own.
                if bare is not None and following is BaseClient.__dict__["_make_api_call"]:
                    return bare(self, operation_name, api_params)
        return super()._make_api_call(operation_name, api_params)  # type: ignore[misc]

    def _emit_api_params(self, api_params: Any, operation_model: Any, context: Any) -> Any:
        if (state.stack or state.attached) and enabled and not context.get("is_presign_request"):
            listeners: Any = self.__dict__.get(_hook.CAPTURED) or _hook.capture(self)
            service, region = operation_model.service_model.service_name, context.get("client_region")
            database = state.choose(self, service, operation_model.name, region or DEFAULT_REGION)
            chosen = context[CONTEXT_KEY] = Chosen(database)
            if database is not None:
                if not listeners.of(operation_model)[0]:
                    return api_params
        return super()._emit_api_params(  # type: ignore[misc]
            api_params=api_params, operation_model=operation_model, context=context
        )

    def _resolve_endpoint_ruleset(
        self, operation_model: Any, params: Any, request_context: Any, ignore_signing_region: bool = False
    ) -> Any:
        chosen = request_context.get(CONTEXT_KEY)
        if chosen is not None and chosen.database is not None:
            return "https://fdyno.invalid", {}, {}
        return super()._resolve_endpoint_ruleset(  # type: ignore[misc]
            operation_model, params, request_context, ignore_signing_region
        )

    def _convert_to_request_dict(
        self,
        api_params: Any,
        operation_model: Any,
        endpoint_url: Any,
        context: Any = None,
        headers: Any = None,
        set_user_agent_header: bool = True,
    ) -> Any:
        chosen = context.get(CONTEXT_KEY) if context else None
        if chosen is not None and chosen.database is not None:
            # Asked only now: a handler of the parameters may have registered another one for the call.
            if not self.__dict__[_hook.CAPTURED].of(operation_model)[1]:
                operation = self._operation(operation_model)
                chosen.request = None if operation is None else operation.prepare(api_params)
                if chosen.request is not None:
                    # Nobody will look at the rest of a request.
                    return {"headers": {}, "context": context}
            # botocore goes its whole way, so that whatever it has to say is said in its own order.
            resolve = super()._resolve_endpoint_ruleset  # type: ignore[misc]
            endpoint_url, headers, _ = resolve(operation_model, api_params, context)
        return super()._convert_to_request_dict(  # type: ignore[misc]
            api_params, operation_model, endpoint_url, context, headers, set_user_agent_header
        )

    def _operation(self, model: Any) -> Operation | None:
        own: dict[str, Any] = self.__dict__
        operations = own.get(_OPERATIONS)
        if operations is None:
            operations = own[_OPERATIONS] = {}
        if model.name not in operations:
            operations[model.name] = shaped(model)
        operation: Operation | None = operations[model.name]
        return operation

    def _make_request(self, operation_model: Any, request_dict: Any, request_context: Any) -> Any:
        # Normally never reached by a chosen call. If the handler is gone from the client, the network is still not met.
        chosen = request_context.get(CONTEXT_KEY)
        if chosen is not None and chosen.database is not None:
            return answer(chosen, operation_model, request_dict, request_context)
        return super()._make_request(operation_model, request_dict, request_context)  # type: ignore[misc]
