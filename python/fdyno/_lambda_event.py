"""What passes between Lambda and a handler: events, the context, the handler's answer, and what a destination is told.

The shapes of events and answers, and when a batch has failed: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html,
…/services-ddb-batchfailurereporting.html and …/services-ddb-windows.html; what a destination on failure is sent:
…/services-dynamodb-errors.html. The context: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html.

Everything here is a value: this file reads no stream and invokes nobody.
"""

from __future__ import annotations

import base64
import json
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

#: How long Lambda lets a function run, at most; a handler is never ended here, but it can ask.
LONGEST_RUN_MILLIS = 15 * 60 * 1000


class BatchFailed(RuntimeError):
    """A handler did not raise, but answered that its batch failed, or answered what Lambda takes for that."""


class HandlerExited(RuntimeError):
    """A handler raised what ends a process, ``SystemExit`` for example: Lambda loses its process and calls it Runtime.ExitError.

    Its ``__cause__`` is what the handler raised.
    """


def event_record(record: dict[str, Any], stream_arn: str) -> dict[str, Any]:
    """A record of ``get_records`` as a handler sees it: JSON, with blobs in base64 and the time in whole seconds."""
    body = record["dynamodb"]
    event: dict[str, Any] = {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": record["eventVersion"],
        "eventSource": record["eventSource"],
        "awsRegion": record["awsRegion"],
        "dynamodb": {
            "ApproximateCreationDateTime": int(body["ApproximateCreationDateTime"].timestamp()),
            **{
                name: _json_value(body[name])
                for name in ("Keys", "NewImage", "OldImage", "SequenceNumber", "SizeBytes", "StreamViewType")
                if name in body
            },
        },
    }
    if "userIdentity" in record:
        # The Streams API of botocore spells these members with a capital, the event does not.
        event["userIdentity"] = {name[0].lower() + name[1:]: value for name, value in record["userIdentity"].items()}
    event["eventSourceARN"] = stream_arn
    return event


def _json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _json_value(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_json_value(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value


class CognitoIdentity:
    """Who called, by Amazon Cognito: nobody did, a stream is no user."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None

    def __repr__(self) -> str:
        return (
            f"CognitoIdentity(cognito_identity_id={self.cognito_identity_id!r}, "
            f"cognito_identity_pool_id={self.cognito_identity_pool_id!r})"
        )


class LambdaContext:
    """The second argument of a handler, with the members that Lambda's Python runtime gives it (awslambdaric 4.2)."""

    function_version = "$LATEST"
    #: A text, as the runtime takes it from its environment.
    memory_limit_in_mb = "128"
    client_context = None
    tenant_id = None

    def __init__(self, function_name: str, region: str, account: str, now: datetime) -> None:
        self.identity = CognitoIdentity()
        self.aws_request_id = str(uuid.uuid4())
        self.function_name = function_name
        self.invoked_function_arn = f"arn:aws:lambda:{region}:{account}:function:{function_name}"
        self.log_group_name = f"/aws/lambda/{function_name}"
        self.log_stream_name = f"{now:%Y/%m/%d}/[{self.function_version}]{uuid.uuid4().hex}"
        self._deadline = time.monotonic() + LONGEST_RUN_MILLIS / 1000

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the longest time that Lambda would let it run. Nothing happens at zero."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))

    def log(self, msg: object) -> None:
        """Writes to the function's log, and no line end: here to the standard output."""
        sys.stdout.write(str(msg))

    def w3c(self) -> dict[str, str]:
        """The trace context that the caller gave: a stream gives none."""
        return {}

    def __repr__(self) -> str:
        return f"LambdaContext(function_name={self.function_name!r}, aws_request_id={self.aws_request_id!r})"


def answered(response: Any) -> Any:
    """A handler's answer after its way through JSON. What has no JSON is an error of the function, as on AWS."""
    try:
        return json.loads(json.dumps(response, default=_decimal))
    except (TypeError, ValueError) as error:
        raise BatchFailed(f"the handler's answer is no JSON: {error}") from error


def _decimal(value: Any) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def first_failure(response: Any, sequence_numbers: Sequence[str]) -> int | None:
    """The index of the first record that failed by a partial batch response; `None` when all succeeded.

    Raises `BatchFailed` for an answer by which the batch failed as a whole. AWS names an identifier that is null, empty or
    under another key; one that is not in the batch, and an answer that is no object, are taken for the same here.
    """
    if response is None:
        return None
    if not isinstance(response, dict):
        raise BatchFailed(f"the handler answered {_short(response)}, where batchItemFailures are expected")
    failures = response.get("batchItemFailures")
    if failures is None:
        return None
    if not isinstance(failures, list):
        raise BatchFailed(f"the handler's batchItemFailures are no list: {_short(failures)}")
    first: int | None = None
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if not identifier or identifier not in sequence_numbers:
            raise BatchFailed(f"the handler's batchItemFailures name no record of its batch: {_short(failure)}")
        index = sequence_numbers.index(identifier)
        first = index if first is None else min(first, index)
    return first


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:199] + "…"


def failure_document(
    *,
    context: LambdaContext,
    condition: str,
    invocations: int,
    unhandled: bool,
    now: datetime,
    shard_id: str,
    stream_arn: str,
    first: tuple[str, int],
    last: tuple[str, int],
    batch_size: int,
) -> dict[str, Any]:
    """What a destination on failure is sent about a discarded batch; `first` and `last` are numbers and times of records."""
    return {
        "requestContext": {
            "requestId": context.aws_request_id,
            "functionArn": context.invoked_function_arn,
            "condition": condition,
            "approximateInvokeCount": invocations,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": context.function_version,
            "functionError": "Unhandled" if unhandled else None,
        }
        if invocations
        else None,
        "version": "1.0",
        "timestamp": now.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "DDBStreamBatchInfo": {
            "shardId": shard_id,
            "startSequenceNumber": first[0],
            "endSequenceNumber": last[0],
            "approximateArrivalOfFirstRecord": iso_seconds(first[1]),
            "approximateArrivalOfLastRecord": iso_seconds(last[1]),
            "batchSize": batch_size,
            "streamArn": stream_arn,
        },
    }


def iso_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
