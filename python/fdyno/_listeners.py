"""Tells whether anybody listens to a client's events, so that the fast route need not call handlers that do nothing.

botocore registers handlers of its own on every client that look at a DynamoDB call and leave it alone. Where only those
listen, an event need not be emitted, nor a request be serialised for it. As soon as somebody registers anything, the question is asked anew. It rests on
private attributes of botocore's emitter; without them the answer is always yes, and every event is emitted.
"""

from __future__ import annotations

from typing import Any

import botocore.client
import botocore.handlers


def _handler(module: Any, name: str) -> Any:
    return getattr(module, name, None)


#: Of the handlers for ``before-call``: they add headers, which nobody will read.
_BEFORE_CALL = frozenset(
    {
        _handler(botocore.handlers, "add_recursion_detection_header"),
        _handler(botocore.handlers, "inject_api_version_header_if_needed"),
    }
)


def _without_effect(handler: Any, model: Any) -> bool:
    """Whether botocore's own `handler` does nothing to a call of `model`."""
    if handler is _handler(botocore.handlers, "generate_idempotent_uuid"):
        return not model.idempotent_members
    if handler is _handler(botocore.handlers, "_handle_request_validation_mode_member"):
        return not model.http_checksum
    if handler is _handler(botocore.client, "block_endpoint_discovery_required_operations"):
        return not (model.endpoint_discovery or {}).get("required")
    return False


class Listeners:
    """The listeners of one client's emitter; `own` are fdyno's."""

    def __init__(self, events: Any, service_id: str, own: frozenset[Any]) -> None:
        self._emitter = getattr(events, "_emitter", events)
        self._service_id = service_id
        self._ignored = _BEFORE_CALL | own
        self._registrations: Any = None
        self._known: dict[str, tuple[bool, bool]] = {}

    def of(self, model: Any) -> tuple[bool, bool]:
        """Whether anybody listens to the parameters of an operation, and whether anybody listens to its calls."""
        try:
            # The emitter replaces its cache whenever something is registered or unregistered.
            registrations = self._emitter._lookup_cache
            if registrations is not self._registrations:
                self._registrations, self._known = registrations, {}
            known = self._known.get(model.name)
            if known is None:
                known = self._known[model.name] = self._find(model)
            return known
        except AttributeError:
            return True, True

    def _find(self, model: Any) -> tuple[bool, bool]:
        def handlers(event: str) -> Any:
            return self._emitter._handlers.prefix_search(f"{event}.{self._service_id}.{model.name}")

        parameters = [*handlers("provide-client-params"), *handlers("before-parameter-build")]
        return (
            not all(_without_effect(handler, model) for handler in parameters),
            not all(handler in self._ignored for handler in handlers("before-call")),
        )
