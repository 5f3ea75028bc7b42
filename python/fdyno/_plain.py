"""The plain route: a handler of ``before-call`` that answers in place of the network.

Always there and always right: botocore validates and serialises the request, the core reads its JSON body. One
handler belongs to one client, so that it knows which client asks. The fast route answers here as well, with the
request it prepared.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any
from weakref import ref

from . import _answers, _creation
from ._activation import DEFAULT_REGION, state
from ._listeners import Listeners
from ._operations import bare

if TYPE_CHECKING:
    from ._database import Database

#: Where a call's choice of database is kept in botocore's request context.
CONTEXT_KEY = "fdyno"

Answer = tuple[_answers.Response, dict[str, Any]]


class Chosen:
    """A call's database, chosen once, and the request prepared for it if the fast route could."""

    __slots__ = ("database", "request")

    def __init__(self, database: Database | None) -> None:
        #: `None`: this call goes out, whatever is activated meanwhile.
        self.database = database
        self.request: Any = None


class Handler:
    """The event handlers of one client. Holds the client weakly."""

    def __init__(self, client: Any, asynchronous: bool) -> None:
        self._client = ref(client)
        self._asynchronous = asynchronous

    def register(self, events: Any, service_id: str) -> Listeners:
        # Last among the handlers of the most general event, hence after every other: Stubber and mocks come first.
        events.register_last("before-call", self.before_call, unique_id="fdyno-before-call")
        # A call of the fast route is answered before botocore's own handlers of the general event: it has no others.
        events.register_last(
            f"before-call.{service_id}", self.before_general_calls, unique_id="fdyno-before-general-calls"
        )
        events.register_last(
            "before-endpoint-resolution", self.before_endpoint_resolution, unique_id="fdyno-before-endpoint-resolution"
        )
        events.register_last("before-sign", self.before_sign, unique_id="fdyno-before-sign")
        return Listeners(events, service_id, frozenset({self.before_call, self.before_general_calls}))

    def before_general_calls(self, model: Any, params: Any, context: dict[str, Any], **_: Any) -> Any:
        chosen = context.get(CONTEXT_KEY)
        if chosen is None or chosen.request is None:
            return None
        return answer(chosen, model, params, context)

    def before_call(self, model: Any, params: Any, context: dict[str, Any], **_: Any) -> Any:
        chosen = self._chosen(model, context)
        if chosen.database is None:
            _creation.check_region(self._client())
            return None
        if self._asynchronous:
            return answer_async(chosen, model, params, context)
        return answer(chosen, model, params, context)

    def before_endpoint_resolution(self, builtins: Any, model: Any, context: dict[str, Any], **_: Any) -> None:
        if context.get("is_presign_request"):
            # The endpoint is botocore's own, but asking for an account's own may take credentials, before any signature.
            self._allow_dummies(context, model.name)
            return
        # An account's own endpoint would be looked up with credentials that may be missing or expired: it is the database's.
        database = self._chosen(model, context).database
        if database is not None and "AWS::Auth::AccountId" in builtins:
            builtins["AWS::Auth::AccountId"] = database.account

    def before_sign(self, request: Any, operation_name: str, **_: Any) -> None:
        self._allow_dummies(request.context, operation_name)

    def _allow_dummies(self, context: dict[str, Any], operation: str) -> None:
        """Whether what needs credentials next is a URL presigned for a call that a database would answer."""
        answered, client = False, self._client()
        if client is not None and context.get("is_presign_request"):
            service, region = client.meta.service_model.service_name, client.meta.region_name or DEFAULT_REGION
            answered = state.choose(client, service, operation, region) is not None
        _creation.allow_dummies(answered)

    def _chosen(self, model: Any, context: dict[str, Any]) -> Chosen:
        return choose(self._client(), model, context)


def choose(client: Any, model: Any, context: dict[str, Any]) -> Chosen:
    """The call's choice: made by whoever asks first, and kept."""
    chosen: Chosen | None = context.get(CONTEXT_KEY)
    if chosen is None:
        region = context.get("client_region") or DEFAULT_REGION
        chosen = Chosen(state.choose(client, model.service_model.service_name, model.name, region))
        context[CONTEXT_KEY] = chosen
    return chosen


def answer(chosen: Chosen, model: Any, params: Any, context: dict[str, Any]) -> Answer:
    """Answers the call from its database."""
    assert chosen.database is not None
    core, region = chosen.database._core, context.get("client_region") or DEFAULT_REGION
    if chosen.request is not None:
        status, parsed = core.answer(chosen.request, region)
    else:
        operation = bare(model.service_model.service_name, model.name)
        if operation is None:
            status, parsed = _answers.unknown_operation(model.name)
        else:
            status, parsed = core.answer_json(operation, bytes(params["body"]), region)
    return _answers.to_botocore(status, parsed, model)


def answer_async(chosen: Chosen, model: Any, params: Any, context: dict[str, Any]) -> Answer | Awaitable[Answer]:
    """Answers the call from its database, or gives an awaitable when the engine has to wait."""
    assert chosen.database is not None
    operation = bare(model.service_model.service_name, model.name)
    if operation is None:
        return _answers.to_botocore(*_answers.unknown_operation(model.name), model)
    region = context.get("client_region") or DEFAULT_REGION
    outcome = chosen.database._core.answer_json_async(operation, bytes(params["body"]), region)
    if isinstance(outcome, tuple):
        return _answers.to_botocore(*outcome, model)
    return _finish(outcome, model)


async def _finish(outcome: Awaitable[tuple[int, dict[str, Any]]], model: Any) -> Answer:
    return _answers.to_botocore(*await outcome, model)
