"""Tells whether anybody listens to a client's events, so that the fast route need not call handlers that do nothing.

botocore registers handlers of its own on every client that look at a DynamoDB call and leave it alone. Where only those
listen, an event need not be emitted. As soon as somebody registers anything, the question is asked anew. It rests on
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
    """The listeners of one client's emitter."""

    def __init__(self, events: Any, own: frozenset[Any]) -> None:
        self._emitter = getattr(events, "_emitter", events)
        self._own = own
        self._registrations: Any = None
        self._quiet: dict[str, bool] = {}

    def _known(self) -> dict[str, bool]:
        # The emitter replaces its cache whenever something is registered or unregistered.
        registrations = self._emitter._lookup_cache
        if registrations is not self._registrations:
            self._registrations, self._quiet = registrations, {}
        return self._quiet

    def parameters_matter(self, service_id: str, model: Any) -> bool:
        """Whether anybody listens to what happens before the parameters are built into a request."""
        try:
            known = self._known()
            if model.name not in known:
                handlers = [
                    handler
                    for event in ("provide-client-params", "before-parameter-build")
                    for handler in self._emitter._handlers.prefix_search(f"{event}.{service_id}.{model.name}")
                ]
                known[model.name] = all(_without_effect(handler, model) for handler in handlers)
            return not known[model.name]
        except AttributeError:
            return True

    def any_call_matters(self) -> bool:
        """Whether anybody but botocore and fdyno listens to the calls of all services."""
        try:
            known = self._known()
            if "before-call" not in known:
                ignored = _BEFORE_CALL | self._own
                handlers = self._emitter._handlers.prefix_search("before-call")
                known["before-call"] = all(handler in ignored for handler in handlers)
            return not known["before-call"]
        except AttributeError:
            return True
