"""Turns the core's answers into what botocore's own endpoint and parser would have returned."""

from __future__ import annotations

from typing import Any

from botocore.awsrequest import AWSResponse, HeadersDict

#: What an operation that fdyno has never heard of gets: a newer botocore's, for example.
_UNKNOWN = "UnknownOperationException"


class Response(AWSResponse):  # type: ignore[misc]
    """The HTTP response of a call that never was one."""

    def __init__(self, status_code: int, headers: dict[str, str]) -> None:
        self.url = "https://fdyno.invalid/"
        self.status_code = status_code
        self.raw = None
        self._content = b""
        self._plain_headers = headers

    @property
    def headers(self) -> Any:
        # Almost nobody looks, and building it costs more than the rest of the response.
        return HeadersDict(self._plain_headers)


def unknown_operation(name: str) -> tuple[int, dict[str, Any]]:
    metadata = {"RequestId": "", "HTTPStatusCode": 400, "HTTPHeaders": {}, "RetryAttempts": 0}
    error = {"Message": f"fdyno does not know the operation {name}", "Code": _UNKNOWN}
    return 400, {"Error": error, "ResponseMetadata": metadata}


def to_botocore(status: int, parsed: dict[str, Any], model: Any) -> tuple[Response, dict[str, Any]]:
    """`(http, parsed)` as a handler of ``before-call`` returns them."""
    if status >= 300:
        add_modeled_members(parsed, model.service_model)
    return Response(status, parsed["ResponseMetadata"]["HTTPHeaders"]), parsed


def add_modeled_members(parsed: dict[str, Any], service_model: Any) -> None:
    """Puts the members that the model gives this error at the top level, and takes away those it does not."""
    error = parsed["Error"]
    shape = service_model.shape_for_error_code(error["Code"])
    members = () if shape is None else tuple(shape.members)
    for name in members:
        if name.lower() == "message":
            parsed[name] = error["Message"]
    for name in parsed.keys() - {"Error", "ResponseMetadata", *members}:
        del parsed[name]
