"""The fast route: a mixin of client classes that skips what an answered call does not need.

botocore's ``_make_api_call`` still runs with its events, history and exceptions; endpoint resolution, user agent,
Python validation and serialisation do not. The parameters are kept, the core reads them, and `_plain` answers. Parameters
the core refuses go botocore's own way, so that a ParamValidationError is botocore's. Presigning, calls that no database
answers and botocore versions with other signatures are left to botocore entirely.
"""

from __future__ import annotations

import inspect
from typing import Any

from botocore.client import BaseClient

from . import _hook
from ._activation import DEFAULT_REGION, state
from ._operations import shaped
from ._plain import CONTEXT_KEY, Chosen, answer

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


def _headers(operation_model: Any) -> dict[str, str]:
    metadata = operation_model.metadata
    return {
        "X-Amz-Target": f"{metadata['targetPrefix']}.{operation_model.name}",
        "Content-Type": f"application/x-amz-json-{metadata['jsonVersion']}",
    }


class _UnserialisedRequest(dict):  # type: ignore[type-arg]
    """A request dict that is serialised only if somebody looks into it; then the plain route answers what they left.

    The headers that follow from the operation are there at once: botocore itself looks at them.
    """

    def __init__(self, headers: dict[str, str], context: Any, serialise: Any) -> None:
        super().__init__(headers=headers, context=context)
        self._serialise = serialise

    def _fill(self) -> None:
        if self._serialise is not None:
            serialise, self._serialise = self._serialise, None
            full = serialise()
            for name, value in full["headers"].items():
                self["headers"].setdefault(name, value)
            for key, value in full.items():
                self.setdefault(key, value)

    def __missing__(self, key: str) -> Any:
        self._fill()
        return dict.__getitem__(self, key)

    def get(self, key: str, default: Any = None) -> Any:
        if not dict.__contains__(self, key):
            self._fill()
        return super().get(key, default)


class FastClient:
    """Put in front of `BaseClient` in the classes of DynamoDB and DynamoDB Streams clients."""

    def _emit_api_params(self, api_params: Any, operation_model: Any, context: Any) -> Any:
        if (state.stack or state.attached) and enabled and not context.get("is_presign_request"):
            if _hook.CAPTURED not in self.__dict__:
                _hook.capture(self)
            meta: Any = self.meta  # type: ignore[attr-defined]
            region = meta.region_name or DEFAULT_REGION
            service = operation_model.service_model.service_name
            context[CONTEXT_KEY] = Chosen(state.choose(self, service, operation_model.name, region))
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
        convert = super()._convert_to_request_dict  # type: ignore[misc]
        chosen = context.get(CONTEXT_KEY) if context else None
        if chosen is not None and chosen.database is not None:
            operations = self.__dict__.setdefault("_fdyno_operations", {})
            name = operation_model.name
            if name not in operations:
                operations[name] = shaped(operation_model), _headers(operation_model)
            operation, known_headers = operations[name]
            if operation is not None:
                chosen.request = operation.prepare(api_params)
                if chosen.request is not None:
                    return _UnserialisedRequest(
                        known_headers.copy(),
                        context,
                        lambda: convert(
                            api_params, operation_model, endpoint_url, context, headers, set_user_agent_header
                        ),
                    )
            # Refused: botocore goes its whole way, so that whatever it has to say is said in its own order.
            resolve = super()._resolve_endpoint_ruleset  # type: ignore[misc]
            endpoint_url, headers, _ = resolve(operation_model, api_params, context)
        return convert(api_params, operation_model, endpoint_url, context, headers, set_user_agent_header)

    def _make_request(self, operation_model: Any, request_dict: Any, request_context: Any) -> Any:
        # Normally never reached by a chosen call. If the handler is gone from the client, the network is still not met.
        chosen = request_context.get(CONTEXT_KEY)
        if chosen is not None and chosen.database is not None:
            return answer(chosen, operation_model, request_dict, request_context)
        return super()._make_request(operation_model, request_dict, request_context)  # type: ignore[misc]
