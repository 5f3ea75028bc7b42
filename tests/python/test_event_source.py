"""`db.event_source()`: what Lambda's event source mapping does with a stream and a handler, step by step and in a thread."""

import base64
import itertools
import json
import logging
import os
import re
import sys
import threading
import time
import zlib
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from types import SimpleNamespace

import boto3
import pytest
from conftest import create_table
from tables import NEW_AND_OLD, S, attributes, key_schema, stream

import fdyno
from fdyno._errors import class_of
from fdyno._event_batches import PAYLOAD_LIMIT, STATE_LIMIT
from fdyno._event_source import _pause
from fdyno._lambda_event import event_record

#: Longer than anything waits that does happen.
PATIENCE = 20


class Recorder:
    """A handler that keeps its events, and fails or answers as a test says."""

    def __init__(self, behave=lambda event, context: None):
        self.events = []
        self.contexts = []
        self.behave = behave

    def __call__(self, event, context):
        self.events.append(json.loads(json.dumps(event)))
        self.contexts.append(context)
        return self.behave(event, context)

    @property
    def batches(self):
        return [keys(event) for event in self.events]


def keys(event):
    return [record["dynamodb"]["Keys"]["pk"]["S"] for record in event["Records"]]


def numbers(event):
    return [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]


def poisoned_by(*poison):
    """Raises when one of these keys is in the batch."""

    def behave(event, context):
        found = set(poison) & set(keys(event))
        if found:
            raise LookupError(sorted(found)[0])

    return behave


@pytest.fixture
def orders(db):
    create_table(db.client(), StreamSpecification=NEW_AND_OLD)
    return db


def put(db, *names, **more):
    client = db.client()
    for name in names:
        client.put_item(TableName="orders", Item={"pk": S(name), **more})


class Kept:
    """A checkpoint as a user might write one."""

    def __init__(self, position=None):
        self.positions = [] if position is None else [position]

    def load(self):
        return self.positions[-1] if self.positions else None

    def commit(self, position):
        self.positions.append(position)


# What the handler sees.


def test_a_handler_sees_aws_event(orders):
    orders.clock.freeze()
    item = {
        "pk": S("a"),
        "n": {"N": "1.50"},
        "bytes": {"B": b"\x00\xff"},
        "blobs": {"BS": [b"b", b"a"]},
        "names": {"SS": ["y", "x"]},
        "map": {"M": {"list": {"L": [{"NULL": True}, {"BOOL": False}, {"B": b"!"}]}}},
    }
    orders.client().put_item(TableName="orders", Item=item)
    orders.client().delete_item(TableName="orders", Key={"pk": S("a")})
    seen = Recorder()
    source = orders.event_source("orders", seen)
    summary = source.drain()
    assert (summary.invocations, summary.records, summary.failures, summary.discarded) == (1, 2, 0, 0)
    [event] = seen.events
    assert list(event) == ["Records"]
    insert, remove = event["Records"]
    image = {
        "pk": {"S": "a"},
        "n": {"N": "1.5"},
        "bytes": {"B": base64.b64encode(b"\x00\xff").decode()},
        "blobs": {"BS": [base64.b64encode(blob).decode() for blob in (b"a", b"b")]},
        "names": {"SS": ["x", "y"]},
        "map": {"M": {"list": {"L": [{"NULL": True}, {"BOOL": False}, {"B": "IQ=="}]}}},
    }
    for sets in (insert["dynamodb"]["NewImage"], remove["dynamodb"]["OldImage"]):
        sets["blobs"]["BS"].sort()
        sets["names"]["SS"].sort()
    body = insert["dynamodb"]
    assert insert == {
        "eventID": insert["eventID"],
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": source.stream_arn.split(":")[3],
        "dynamodb": {
            "ApproximateCreationDateTime": int(orders.clock.now().timestamp()),
            "Keys": {"pk": {"S": "a"}},
            "NewImage": image,
            "SequenceNumber": body["SequenceNumber"],
            "SizeBytes": body["SizeBytes"],
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": source.stream_arn,
    }
    assert type(body["ApproximateCreationDateTime"]) is int and body["SizeBytes"] > 0 and len(insert["eventID"]) == 32
    assert remove["eventName"] == "REMOVE"
    assert "NewImage" not in remove["dynamodb"] and remove["dynamodb"]["OldImage"] == image


def test_a_deletion_by_the_service_says_so():
    record = {
        "eventID": "1", "eventName": "REMOVE", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1", "userIdentity": {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"},
        "dynamodb": {
            "ApproximateCreationDateTime": datetime(2024, 1, 1, tzinfo=timezone.utc), "Keys": {"pk": {"S": "a"}},
            "SequenceNumber": "1", "SizeBytes": 3, "StreamViewType": "KEYS_ONLY",
        },
    }  # fmt: skip
    event = event_record(record, "arn")
    assert event["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert event["eventSourceARN"] == "arn" and "NewImage" not in event["dynamodb"]


def test_the_context_is_lambdas(orders, capsys):
    put(orders, "a", "b")

    def bill(event, context):
        seen.append(context)

    seen = []
    source = orders.event_source("orders", bill, batch_size=1)
    source.drain()
    first, second = seen
    assert first.function_name == "bill" and first.function_version == "$LATEST"
    region = source.stream_arn.split(":")[3]
    assert first.invoked_function_arn == f"arn:aws:lambda:{region}:{orders.account}:function:bill"
    assert first.aws_request_id != second.aws_request_id
    assert 0 < first.get_remaining_time_in_millis() <= 900_000
    assert first.log_group_name == "/aws/lambda/bill" and first.log_stream_name
    assert first.memory_limit_in_mb == "128" and first.client_context is None and first.tenant_id is None
    assert first.identity.cognito_identity_id is None and first.identity.cognito_identity_pool_id is None
    assert first.w3c() == {}
    assert capsys.readouterr().out == ""
    first.log("billed ")
    first.log(7)
    assert capsys.readouterr().out == "billed 7"


def test_what_a_handler_does_to_its_event_changes_nothing_for_the_next(orders):
    put(orders, "a")

    def behave(event, context):
        event["Records"].pop()["dynamodb"].clear()
        if len(seen.events) == 1:
            raise OSError("once")

    seen = Recorder(behave)
    orders.event_source("orders", seen, retries=1).drain()
    assert seen.batches == [["a"], ["a"]]


# Batches.


def test_records_come_in_order_in_batches_and_once(orders):
    names = [f"{number:04}" for number in range(1250)]
    client = orders.client()
    for start in range(0, len(names), 25):
        requests = [{"PutRequest": {"Item": {"pk": S(name)}}} for name in names[start : start + 25]]
        client.batch_write_item(RequestItems={"orders": requests})
    seen = Recorder()
    source = orders.event_source("orders", seen, batch_size=300)
    assert source.position is None
    assert source.drain().records == 1250
    assert [len(batch) for batch in seen.batches] == [300, 300, 300, 300, 50]
    assert [name for batch in seen.batches for name in batch] == names
    assert source.position == numbers(seen.events[-1])[-1]
    again = source.drain()
    assert again == fdyno.EventSourceSummary()
    put(orders, "later")
    source.drain()
    assert seen.batches[-1] == ["later"] and len(seen.batches) == 6
    assert source.totals.records == 1251 and source.totals.invocations == 6


def test_a_batch_takes_no_more_than_six_megabytes(orders):
    # In base64 a blob takes a third more than in the table.
    client = orders.client()
    for number in range(15):
        client.put_item(TableName="orders", Item={"pk": S(str(number)), "blob": {"B": bytes(390_000)}})
    sizes = []
    seen = Recorder(lambda event, context: sizes.append(len(json.dumps(event, separators=(",", ":")))))
    orders.event_source("orders", seen).drain()
    assert [len(batch) for batch in seen.batches] == [12, 3]
    assert all(size <= PAYLOAD_LIMIT for size in sizes)
    assert sizes[0] + sizes[1] // 3 > PAYLOAD_LIMIT


def test_step_invokes_once(orders):
    put(orders, "a", "b", "c")
    seen = Recorder()
    source = orders.event_source("orders", seen, batch_size=2)
    assert source.step().records == 2
    put(orders, "d")
    assert [source.step().records, source.step().invocations] == [2, 0]
    assert seen.batches == [["a", "b"], ["c", "d"]]


def test_a_handler_that_writes_to_its_own_table_does_not_keep_drain_for_ever(orders):
    names = [f"{number:04}" for number in range(1100)]
    put(orders, *names)
    client = orders.client()
    seen = Recorder(lambda event, context: client.put_item(TableName="orders", Item={"pk": S(keys(event)[0] + "'")}))
    source = orders.event_source("orders", seen, batch_size=1)
    assert source.drain().records == 1100
    assert [name for [name] in seen.batches] == names
    assert source.drain().records == 1100


def test_two_sources_read_the_same_stream(orders):
    put(orders, "a")
    first, second = Recorder(), Recorder()
    orders.event_source("orders", first).drain()
    orders.event_source("orders", second).drain()
    assert first.events == second.events != []


# Filters.


def test_records_that_pass_no_filter_are_done_without_the_handler(orders):
    put(orders, "a", state=S("new"))
    put(orders, "a", state=S("paid"))
    put(orders, "b", state=S("new"))
    seen, kept = Recorder(), Kept()
    pattern = {"eventName": ["MODIFY"], "dynamodb": {"NewImage": {"state": {"S": ["paid"]}}}}
    source = orders.event_source("orders", seen, filters=pattern, checkpoint=kept)
    summary = source.drain()
    assert (summary.invocations, summary.records, summary.filtered) == (1, 1, 2)
    assert [record["eventName"] for record in seen.events[0]["Records"]] == ["MODIFY"]
    assert source.position == kept.load() == [change.sequence_number for change in orders.changes("orders")][-1]


def test_a_batch_is_filled_with_records_that_pass(orders):
    put(orders, *(f"{name}{number}" for number in range(10) for name in "ab"))
    seen = Recorder()
    pattern = {"dynamodb": {"Keys": {"pk": {"S": [{"prefix": "a"}]}}}}
    orders.event_source("orders", seen, batch_size=4, filters={"Filters": [{"Pattern": json.dumps(pattern)}]}).drain()
    assert [len(batch) for batch in seen.batches] == [4, 4, 2]


def test_a_wrong_pattern_is_refused_when_the_source_is_made(orders):
    with pytest.raises(ValueError, match='filters: "eventName" must be'):
        orders.event_source("orders", Recorder(), filters={"eventName": "INSERT"})


# Failures.


def test_a_handler_that_raises_loses_nothing(orders):
    put(orders, "a", "b", "c")
    seen, kept = Recorder(poisoned_by("b")), Kept()
    source = orders.event_source("orders", seen, batch_size=1, checkpoint=kept)
    for _ in range(2):
        with pytest.raises(LookupError, match="b"):
            source.drain()
        assert source.position == kept.load() == numbers(seen.events[0])[0]
    assert seen.batches == [["a"], ["b"], ["b"]]
    assert source.totals.failures == 2 and [str(error) for error in source.totals.errors] == ["b", "b"]
    seen.behave = lambda event, context: None
    assert source.drain().records == 2
    assert seen.batches[3:] == [["b"], ["c"]]


def test_a_batch_is_tried_again_and_then_given_up(orders):
    put(orders, "a", "b", "c", "d")
    seen, failed = Recorder(poisoned_by("b")), []
    source = orders.event_source("orders", seen, batch_size=2, retries=2, on_failure=failed.append)
    summary = source.drain()
    assert seen.batches == [["a", "b"]] * 3 + [["c", "d"]]
    assert (summary.invocations, summary.records, summary.failures, summary.discarded) == (4, 2, 3, 2)
    assert [type(error) for error in summary.errors] == [LookupError] * 3
    assert len(failed) == 1


def test_step_shows_every_try(orders):
    put(orders, "a")
    seen, failed = Recorder(poisoned_by("a")), []
    source = orders.event_source("orders", seen, retries=1, on_failure=failed.append)
    assert (source.step().failures, len(failed)) == (1, 0)
    assert source.position is None
    assert (source.step().discarded, len(failed)) == (1, 1)
    assert source.position == numbers(seen.events[0])[0]
    assert source.step().invocations == 0


def test_step_raises_when_nothing_would_end_the_tries(orders):
    put(orders, "a")
    source = orders.event_source("orders", Recorder(poisoned_by("a")))
    for _ in range(2):
        with pytest.raises(LookupError):
            source.step()
    assert source.totals.failures == 2


def test_what_a_destination_is_told(orders):
    orders.clock.freeze()
    orders.clock.travel_to(datetime(2030, 5, 6, 7, 8, 9, 500_000, tzinfo=timezone.utc))
    put(orders, "a", "b")
    orders.clock.advance(seconds=1)
    put(orders, "c")

    def bill(event, context):
        seen(event, context)
        raise LookupError

    seen, failed = Recorder(), []
    source = orders.event_source("orders", bill, retries=1, on_failure=failed.append)
    source.drain()
    region = source.stream_arn.split(":")[3]
    numbered = numbers(seen.events[0])
    [shard] = orders.client("dynamodbstreams").describe_stream(StreamArn=source.stream_arn)["StreamDescription"]["Shards"]
    assert failed == [
        {
            "requestContext": {
                "requestId": seen.contexts[-1].aws_request_id,
                "functionArn": f"arn:aws:lambda:{region}:{orders.account}:function:bill",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 2,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": "2030-05-06T07:08:10.500Z",
            "DDBStreamBatchInfo": {
                "shardId": shard["ShardId"],
                "startSequenceNumber": numbered[0],
                "endSequenceNumber": numbered[-1],
                "approximateArrivalOfFirstRecord": "2030-05-06T07:08:09Z",
                "approximateArrivalOfLastRecord": "2030-05-06T07:08:10Z",
                "batchSize": 3,
                "streamArn": source.stream_arn,
            },
        }
    ]


def test_a_batch_is_not_done_before_the_destination_was_told(orders):
    put(orders, "a", "b")
    seen, failed = Recorder(poisoned_by("a")), []

    def refuse(document):
        raise ConnectionError("no queue")

    source = orders.event_source("orders", seen, batch_size=1, retries=0, on_failure=refuse)
    with pytest.raises(ConnectionError):
        source.drain()
    assert source.position is None and source.totals.discarded == 0
    source._delivery._on_failure = failed.append
    # Told again without the handler, who has failed for good.
    summary = source.drain()
    assert seen.batches == [["a"], ["b"]]
    assert len(failed) == 1 and summary.discarded == 1


def test_bisecting_finds_the_one_bad_record(orders):
    names = list("abcdefgh")
    put(orders, *names)
    seen, failed = Recorder(poisoned_by("f")), []
    source = orders.event_source("orders", seen, bisect_on_error=True, retries=1, on_failure=failed.append)
    summary = source.drain()
    # Splitting consumes no retry.
    assert seen.batches == [names, list("abcd"), list("efgh"), list("ef"), ["e"], ["f"], ["f"], list("gh")]
    assert (summary.records, summary.discarded) == (7, 1)
    [document] = failed
    assert document["DDBStreamBatchInfo"]["batchSize"] == 1
    assert document["DDBStreamBatchInfo"]["startSequenceNumber"] == numbers(seen.events[5])[0]
    assert document["requestContext"]["approximateInvokeCount"] == 5


def test_bisecting_without_a_limit_stops_at_the_bad_record(orders):
    put(orders, *"abcd")
    seen = Recorder(poisoned_by("c"))
    source = orders.event_source("orders", seen, bisect_on_error=True)
    with pytest.raises(LookupError):
        source.drain()
    assert seen.batches == [list("abcd"), list("ab"), list("cd"), ["c"]]
    assert source.position == numbers(seen.events[0])[1]
    seen.behave = lambda event, context: None
    source.drain()
    assert seen.batches[4:] == [["c"], ["d"]]


@pytest.mark.parametrize("answer", [{1}, object(), b"x", {"at": datetime(2024, 1, 1)}], ids=["set", "object", "bytes", "time"])
def test_an_answer_without_json_fails_as_on_aws(orders, answer):
    put(orders, "a")
    source = orders.event_source("orders", Recorder(lambda event, context: answer))
    with pytest.raises(fdyno.BatchFailed, match="no JSON"):
        source.drain()


@pytest.mark.parametrize("answer", [None, "done", {"price": Decimal("1.5")}, {"batchItemFailures": [{"itemIdentifier": ""}]}])
def test_any_other_answer_is_a_success_where_no_report_was_asked_for(orders, answer):
    put(orders, "a")
    assert orders.event_source("orders", Recorder(lambda event, context: answer)).drain().records == 1


@pytest.mark.parametrize("parallelization", [1, 2])
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, GeneratorExit])
def test_what_is_no_error_of_the_handler_comes_through_and_nothing_is_lost(orders, interruption, parallelization):
    put(orders, "a")

    def interrupt(event, context):
        raise interruption

    seen = Recorder(interrupt)
    source = orders.event_source("orders", seen, retries=0, parallelization=parallelization)
    with pytest.raises(interruption):
        source.drain()
    seen.behave = lambda event, context: None
    assert source.drain().records == 1
    assert seen.batches == [["a"], ["a"]]


class Departure(BaseException):
    """What `except Exception` does not catch."""


def leaving_at(name, how):
    def behave(event, context):
        if name in keys(event):
            how()

    return behave


def depart():
    raise Departure("gone")


@pytest.mark.parametrize("parallelization", [1, 3])
@pytest.mark.parametrize("how", [lambda: sys.exit(3), sys.exit, depart], ids=["exit-3", "exit", "other"])
def test_a_handler_that_ends_its_process_has_failed(orders, how, parallelization):
    names = list("abcdefgh")
    put(orders, *names)
    seen, failed = Recorder(leaving_at("f", how)), []
    source = orders.event_source(
        "orders", seen, bisect_on_error=True, retries=1, on_failure=failed.append, parallelization=parallelization
    )
    summary = source.drain()
    done = [name for batch in seen.batches if "f" not in batch for name in batch]
    assert sorted(done) == [name for name in names if name != "f"]
    assert (summary.records, summary.discarded) == (7, 1) and summary.failures >= 2
    assert {type(error) for error in summary.errors} == {fdyno.HandlerExited}
    assert {type(error.__cause__) for error in summary.errors} == {Departure if how is depart else SystemExit}
    [document] = failed
    assert document["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert document["responseContext"]["functionError"] == "Unhandled"


def test_a_handler_that_always_ends_its_process_does_not_end_that_of_the_test(orders):
    put(orders, "a", "b")
    seen = Recorder(leaving_at("b", lambda: sys.exit("no more")))
    source = orders.event_source("orders", seen, batch_size=1)
    for _ in range(2):
        with pytest.raises(fdyno.HandlerExited, match=r"Runtime.ExitError: .* SystemExit\('no more'\)"):
            source.drain()
        assert source.position == numbers(seen.events[0])[0]
    seen.behave = lambda event, context: None
    assert source.drain().records == 1


def test_a_handler_that_ends_its_process_does_not_end_the_thread(orders, arrivals, caplog):
    put(orders, "a", "b")
    arrivals.behave = leaving_at("a", sys.exit)
    with orders.event_source("orders", arrivals, batch_size=1, retries=1) as source:
        arrivals.wait(3)
    assert arrivals.batches == [["a"], ["a"], ["b"]]
    assert (source.totals.failures, source.totals.discarded) == (2, 1)


# Partial batch responses.


def reporting(*failing):
    """Answers that these keys failed, in the given order."""

    def behave(event, context):
        named = dict(zip(keys(event), numbers(event)))
        return {"batchItemFailures": [{"itemIdentifier": named[name]} for name in failing if name in named]}

    return behave


def test_a_partial_answer_is_tried_again_from_the_lowest_failed_record(orders):
    put(orders, *"abcde")
    seen = Recorder(reporting("d", "b"))
    source = orders.event_source("orders", seen, report_batch_item_failures=True)
    with pytest.raises(fdyno.BatchFailed) as failure:
        source.drain()
    assert seen.batches == [list("abcde"), list("bcde")]
    assert numbers(seen.events[1])[0] in str(failure.value)
    assert source.position == numbers(seen.events[0])[0]
    assert (source.totals.records, source.totals.failures) == (1, 2)
    seen.behave = reporting()
    assert source.drain().records == 4


def test_partial_answers_count_as_tries_and_then_the_rest_is_given_up(orders):
    put(orders, *"abcdef")
    seen, failed = Recorder(reporting("c")), []
    source = orders.event_source(
        "orders", seen, batch_size=5, retries=1, report_batch_item_failures=True, on_failure=failed.append
    )
    summary = source.drain()
    assert seen.batches == [list("abcde"), list("cde"), ["f"]]
    assert (summary.records, summary.discarded) == (3, 3)
    [document] = failed
    assert document["DDBStreamBatchInfo"]["batchSize"] == 3
    assert document["responseContext"]["functionError"] is None


def test_bisecting_a_partial_answer_splits_where_it_says(orders):
    put(orders, *"abcde")
    seen, failed = Recorder(reporting("c")), []
    source = orders.event_source(
        "orders", seen, retries=0, bisect_on_error=True, report_batch_item_failures=True, on_failure=failed.append
    )
    summary = source.drain()
    assert seen.batches == [list("abcde"), list("cde"), ["c"], list("de")]
    assert (summary.records, summary.discarded) == (4, 1)


@pytest.mark.parametrize(
    "answer", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}, {"statusCode": 200}]
)
def test_what_is_a_success(orders, answer):
    put(orders, "a", "b")
    seen = Recorder(lambda event, context: answer)
    assert orders.event_source("orders", seen, report_batch_item_failures=True).drain().records == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"sequenceNumber": "1"}]},
        {"batchItemFailures": [{"itemIdentifier": "123"}]},
        {"batchItemFailures": ["123"]},
        {"batchItemFailures": "123"},
        {"batchItemFailures": [{"itemIdentifier": [1]}]},
        "done",
        [],
    ],
    ids=json.dumps,
)
def test_what_is_a_failure_of_the_whole_batch(orders, answer):
    put(orders, "a", "b")
    seen = Recorder(lambda event, context: answer)
    source = orders.event_source("orders", seen, retries=1, report_batch_item_failures=True)
    summary = source.drain()
    assert seen.batches == [["a", "b"]] * 2
    assert (summary.records, summary.discarded) == (0, 2)
    assert [type(error) for error in summary.errors] == [fdyno.BatchFailed] * 2


def test_a_partial_answer_with_a_wrong_identifier_beside_a_right_one_fails_whole(orders):
    put(orders, "a", "b")
    seen = Recorder(
        lambda event, context: {"batchItemFailures": [{"itemIdentifier": numbers(event)[1]}, {"itemIdentifier": ""}]}
    )
    orders.event_source("orders", seen, retries=1, report_batch_item_failures=True).drain()
    assert seen.batches == [["a", "b"]] * 2


# Ages.


def test_records_that_are_too_old_never_reach_the_handler(orders):
    orders.clock.freeze()
    put(orders, "a", "b")
    orders.clock.advance(seconds=50)
    put(orders, "c")
    orders.clock.advance(seconds=11)
    seen, failed = Recorder(), []
    summary = orders.event_source("orders", seen, max_age=60, on_failure=failed.append).drain()
    assert seen.batches == [["c"]]
    assert (summary.invocations, summary.records, summary.discarded) == (1, 1, 2)
    [document] = failed
    assert document["requestContext"]["condition"] == "RecordAgeExceeded"
    assert document["requestContext"]["approximateInvokeCount"] == 0
    assert document["responseContext"] is None
    assert document["DDBStreamBatchInfo"]["batchSize"] == 2


def test_ages_are_counted_in_the_whole_seconds_that_records_tell(orders):
    orders.clock.freeze()
    orders.clock.travel_to(datetime(2030, 5, 6, 7, 8, 9, 900_000, tzinfo=timezone.utc))
    put(orders, "a")
    orders.clock.advance(seconds=60)
    seen = Recorder()
    assert orders.event_source("orders", seen, max_age=60).drain().records == 1, "it is 60 seconds old, not older"
    orders.clock.advance(seconds=0.099)
    assert orders.event_source("orders", seen, max_age=60).drain().records == 1
    orders.clock.advance(seconds=0.001)
    assert orders.event_source("orders", seen, max_age=60).drain().discarded == 1
    assert seen.batches == [["a"], ["a"]]


def test_records_grow_too_old_between_two_tries(orders):
    orders.clock.freeze()
    put(orders, "a")
    orders.clock.advance(seconds=30)
    put(orders, "b")
    seen, failed = Recorder(poisoned_by("a", "b")), []
    source = orders.event_source("orders", seen, max_age=60, on_failure=failed.append)
    with pytest.raises(LookupError):
        source.drain()
    orders.clock.advance(seconds=31)
    with pytest.raises(LookupError):
        source.drain()
    orders.clock.advance(seconds=30)
    assert source.drain().discarded == 1
    assert seen.batches == [["a", "b"], ["b"]]
    assert [document["DDBStreamBatchInfo"]["batchSize"] for document in failed] == [1, 1]
    assert [document["requestContext"]["approximateInvokeCount"] for document in failed] == [1, 2]


def test_a_batch_that_fails_for_ever_ends_with_its_records(orders):
    orders.clock.freeze()
    put(orders, "a")
    seen, failed = Recorder(poisoned_by("a")), []
    source = orders.event_source("orders", seen, on_failure=failed.append)
    for _ in range(2):
        with pytest.raises(LookupError):
            source.drain()
        orders.clock.advance(hours=11)
    orders.clock.advance(hours=3)
    put(orders, "b")
    summary = source.drain()
    assert seen.batches == [["a"], ["a"], ["b"]]
    assert (summary.discarded, summary.records) == (1, 1)
    assert [document["requestContext"]["condition"] for document in failed] == ["RecordAgeExceeded"]


def test_reading_goes_on_at_the_oldest_record_where_its_place_was_trimmed(orders):
    orders.clock.freeze()
    names = [f"{number:04}" for number in range(1001)]
    put(orders, *names)
    seen = Recorder()
    source = orders.event_source("orders", seen, batch_size=500)
    source.step()
    # One page was read ahead: what is in hand is handed over. The last is lost.
    orders.clock.advance(hours=25)
    put(orders, "new")
    summary = source.drain()
    assert [name for batch in seen.batches for name in batch] == names[:1000] + ["new"]
    assert summary.restarts == 1 == source.totals.restarts


# Where it starts.


def test_the_latest_sees_what_comes_after_and_nothing_before(orders):
    orders.clock.freeze()
    put(orders, "before")
    orders.clock.advance(hours=2)
    sources = []
    for seen in (Recorder(), Recorder()):
        sources.append((seen, orders.event_source("orders", seen, start="latest")))
        put(orders, f"after {len(sources)}")
    # An iterator would have expired.
    orders.clock.advance(minutes=20)
    put(orders, "later")
    for seen, source in sources:
        source.drain()
    assert [seen.batches for seen, _ in sources] == [[["after 1", "after 2", "later"]], [["after 2", "later"]]]


def test_the_latest_of_an_empty_stream_is_its_beginning(orders):
    seen = Recorder()
    source = orders.event_source("orders", seen, start="LATEST")
    assert source.drain().records == 0
    orders.clock.advance(hours=1)
    put(orders, "a")
    source.drain()
    assert seen.batches == [["a"]]


def test_it_starts_at_a_sequence_number_or_a_time(orders):
    orders.clock.freeze()
    orders.clock.travel_to(datetime(2030, 1, 1, tzinfo=timezone.utc))
    put(orders, "a")
    orders.clock.advance(seconds=10)
    put(orders, "b", "c")
    second = [change.sequence_number for change in orders.changes("orders")][1]
    moment = datetime(2030, 1, 1, 0, 0, 5, tzinfo=timezone.utc)
    for start, expected in [
        ("trim_horizon", ["a", "b", "c"]),
        (second, ["c"]),
        (moment, ["b", "c"]),
        (moment + timedelta(minutes=30), []),
    ]:
        seen = Recorder()
        source = orders.event_source("orders", seen, start=start)
        orders.clock.advance(minutes=16)
        source.drain()
        assert [name for batch in seen.batches for name in batch] == expected, start
        assert [change.keys["pk"] for change in orders.changes("orders", start=start)] == expected, "as changes do"


@pytest.mark.parametrize("start", ["newest", "", "12x", None, True, datetime(2030, 1, 1), [1], 1.5])
def test_a_start_that_is_none_is_refused(orders, start):
    with pytest.raises(ValueError, match="start="):
        orders.event_source("orders", Recorder(), start=start)
    with pytest.raises(ValueError, match="start="):
        orders.changes("orders", start=start)


def test_a_checkpoint_says_where_to_go_on(orders):
    put(orders, "a", "b", "c")
    kept = Kept()
    first = Recorder(poisoned_by("b"))
    with pytest.raises(LookupError):
        orders.event_source("orders", first, batch_size=1, checkpoint=kept).drain()
    second = Recorder()
    source = orders.event_source("orders", second, batch_size=1, checkpoint=kept, start="latest")
    assert source.position == kept.load()
    source.drain()
    assert second.batches == [["b"], ["c"]]
    assert kept.positions == [change.sequence_number for change in orders.changes("orders")]


def test_a_checkpoint_that_fails_is_told_and_the_source_goes_on(orders):
    put(orders, "a", "b")
    kept, seen = Kept(), Recorder()
    source = orders.event_source("orders", seen, batch_size=1, checkpoint=kept)
    commit = kept.commit
    for _ in range(2):
        # The second time, before anything else is handed over.
        kept.commit = lambda position: 1 / 0
        with pytest.raises(ZeroDivisionError):
            source.drain()
        assert (seen.batches, kept.positions) == ([["a"]], [])
    kept.commit = commit
    source.drain()
    assert seen.batches == [["a"], ["b"]]
    assert kept.positions == [change.sequence_number for change in orders.changes("orders")]


def test_a_checkpoint_that_fails_in_the_thread_is_tried_again(orders, arrivals, caplog):
    put(orders, "a")
    kept, committed = Kept(), threading.Event()

    def fail_once(position):
        kept.commit = lambda position: (kept.positions.append(position), committed.set())
        raise ConnectionError("no disk")

    kept.commit = fail_once
    # No record passes: nothing but the position moves.
    with orders.event_source("orders", arrivals, filters={"eventName": ["REMOVE"]}, checkpoint=kept) as source:
        assert committed.wait(PATIENCE)
    assert kept.positions == [source.position] and arrivals.events == []
    assert "no disk" in caplog.text


# Checkpoints in the database.


def committed(db, name="billing"):
    return db.checkpoints("orders")[name].sequence_number


def pks(changes):
    return [change.keys["pk"] for change in changes]


def test_a_checkpoint_in_the_database_is_that_of_changes(orders):
    put(orders, "a", "b", "c")
    numbered = [change.sequence_number for change in orders.changes("orders")]
    first = Recorder(poisoned_by("b"))
    with pytest.raises(LookupError):
        orders.event_source("orders", first, batch_size=1, checkpoint="billing").drain()
    assert committed(orders) == numbered[0]
    assert pks(orders.changes("orders", checkpoint="billing")) == ["b", "c"]
    put(orders, "d", "e")
    second = Recorder()
    source = orders.event_source("orders", second, batch_size=1, checkpoint="billing", start="latest")
    assert source.position == committed(orders) == numbered[2]
    source.step()
    assert second.batches == [["d"]] and source.position == committed(orders)
    assert pks(orders.changes("orders", checkpoint="billing")._look()) == ["e"]


def test_a_new_checkpoint_is_left_where_its_source_begins(orders):
    put(orders, "before")
    orders.event_source("orders", Recorder(), checkpoint="unlucky", start="latest")
    put(orders, "a")
    seen = Recorder()
    orders.event_source("orders", seen, checkpoint="unlucky", start="latest").drain()
    assert seen.batches == [["a"]]
    with pytest.raises(ValueError):
        orders.event_source("orders", Recorder(), checkpoint="none", batch_size=0)
    assert list(orders.checkpoints("orders")) == ["unlucky"]


def test_of_two_sources_with_one_checkpoint_only_one_gets_on(orders):
    put(orders, "a", "b", "c")
    seen = Recorder()
    slow = orders.event_source("orders", seen, batch_size=1, checkpoint="billing")
    slow.step()
    orders.event_source("orders", Recorder(), checkpoint="billing").drain()
    before = committed(orders)
    for _ in range(2):
        with pytest.raises(fdyno.CheckpointMoved, match="'billing' of table 'orders'"):
            slow.drain()
    assert seen.batches == [["a"], ["b"]], "nothing more is handed over once that is known"
    assert committed(orders) == before


def test_a_checkpoint_that_was_moved_ends_the_thread(orders, arrivals, caplog):
    with orders.event_source("orders", arrivals, checkpoint="billing") as source:
        put(orders, "a")
        arrivals.wait(1)
        orders.checkpoints("orders").reset("billing", "latest")
        put(orders, "b")
        source._thread.join(PATIENCE)
        assert not source._thread.is_alive()
        with pytest.raises(fdyno.CheckpointMoved):
            source.stop()
    assert "ended" in caplog.text
    again = Recorder()
    orders.event_source("orders", again, checkpoint="billing").drain()
    assert again.batches == [["b"]]


@pytest.mark.parametrize("parallelization", [1, 3])
def test_with_a_checkpoint_in_the_database_it_goes_on_into_the_next_stream(orders, parallelization):
    client = orders.client()
    put(orders, "a")
    seen, single = Recorder(), Recorder()
    source = orders.event_source("orders", seen, checkpoint="billing", parallelization=parallelization)
    other = orders.event_source("orders", single)
    old = source.stream_arn
    client.update_table(TableName="orders", StreamSpecification={"StreamEnabled": False})
    orders.clock.advance(seconds=1)
    client.update_table(TableName="orders", StreamSpecification=NEW_AND_OLD)
    put(orders, "b")
    assert (source.drain().records, other.drain().records) == (2, 1)
    assert seen.batches == [["a"], ["b"]], "streams are never mixed"
    sources = [event["Records"][0]["eventSourceARN"] for event in seen.events]
    assert sources == [old, source.stream_arn] and old != source.stream_arn == orders.changes("orders").stream_arn
    client.delete_table(TableName="orders")
    assert source.drain().records == 0 and source.step().invocations == 0
    # Another key: what it is called is asked for anew.
    client.create_table(
        TableName="orders",
        KeySchema=key_schema("id"),
        AttributeDefinitions=attributes(id="S"),
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification=NEW_AND_OLD,
    )
    client.put_item(TableName="orders", Item={"id": S("c")})
    seen.behave = lambda event, context: None
    assert source.step().records == 1
    assert source.position == committed(orders)
    assert [record["dynamodb"]["Keys"] for record in seen.events[-1]["Records"]] == [{"id": {"S": "c"}}]
    # A source made now begins there too, and so does one that returns.
    again = Recorder()
    assert orders.event_source("orders", again, checkpoint="billing").drain().records == 0


def test_a_window_ends_before_its_source_goes_on_into_the_next_stream(orders):
    orders.clock.freeze()
    put(orders, "a")
    seen = Recorder(counting)
    source = orders.event_source("orders", seen, checkpoint="billing", tumbling_window=900)
    orders.client().delete_table(TableName="orders")
    create_table(orders.client(), StreamSpecification=NEW_AND_OLD)
    put(orders, "b")
    source.drain()
    assert [told(event) for event in seen.events] == [
        (["a"], {}, False, False), ([], {"count": 1}, True, False), (["b"], {}, False, False),
    ]  # fmt: skip
    assert seen.events[1]["eventSourceARN"] != seen.events[2]["eventSourceARN"] == source.stream_arn


def test_a_checkpoint_that_was_left_behind_begins_anew_and_says_so(orders):
    put(orders, "a", "b")
    seen = Recorder()
    orders.event_source("orders", seen, batch_size=1, checkpoint="billing").step()
    # The records are gone, then the stream is as well.
    for days, name in ((1, "c"), (3, "d")):
        orders.clock.advance(days=days, hours=1)
        if days == 3:
            orders.client().delete_table(TableName="orders")
            create_table(orders.client(), StreamSpecification=NEW_AND_OLD)
            orders.clock.advance(days=days)
        put(orders, name)
        seen = Recorder()
        source = orders.event_source("orders", seen, checkpoint="billing")
        assert source.drain().restarts == 1 == source.totals.restarts
        assert seen.batches == [[name]] and committed(orders) == source.position
        put(orders, "unread " + name)


def test_who_has_seen_everything_has_lost_nothing(orders):
    for checkpoint in (None, "billing"):
        put(orders, f"a {checkpoint}")
        seen = Recorder()
        source = orders.event_source("orders", seen, checkpoint=checkpoint)
        source.drain()
        orders.clock.advance(hours=25)
        put(orders, f"b {checkpoint}")
        assert source.drain().records == 1 and source.totals.restarts == 0


# Streams that end.


def test_a_closed_stream_is_read_to_its_end_and_no_further(orders):
    put(orders, "a")
    seen = Recorder()
    source = orders.event_source("orders", seen)
    orders.client().delete_table(TableName="orders")
    create_table(orders.client(), StreamSpecification=NEW_AND_OLD)
    put(orders, "another")
    assert source.drain().records == 1
    assert source.drain().records == 0
    assert seen.batches == [["a"]]
    again = Recorder()
    orders.event_source("orders", again, stream_arn=source.stream_arn).drain()
    assert again.batches == [["a"]]
    newest = Recorder()
    orders.event_source("orders", newest).drain()
    assert newest.batches == [["another"]]


def test_a_table_without_a_stream_is_refused(db):
    create_table(db.client())
    with pytest.raises(ValueError, match="has no stream"):
        db.event_source("orders", Recorder())


def test_another_region_has_its_own_table(db):
    for region in ("eu-west-3", "us-west-1"):
        client = db.client(region_name=region)
        create_table(client, StreamSpecification=NEW_AND_OLD)
        client.put_item(TableName="orders", Item={"pk": S(region)})
    seen = Recorder()
    db.event_source("orders", seen, region_name="eu-west-3").drain()
    assert seen.batches == [["eu-west-3"]]
    assert seen.events[0]["Records"][0]["awsRegion"] == "eu-west-3"


# Tumbling windows.


@pytest.fixture
def windows(orders):
    orders.clock.freeze()
    orders.clock.travel_to(datetime(2030, 1, 1, 12, 0, 10, tzinfo=timezone.utc))
    return orders


def counting(event, context):
    return {"state": {"count": event["state"].get("count", 0) + len(event["Records"])}}


def told(event):
    """What an event says of its window."""
    return (keys(event), event["state"], event["isFinalInvokeForWindow"], event["isWindowTerminatedEarly"])


def test_a_window_hands_its_state_on_and_ends_with_it(windows):
    put(windows, "a", "b", "c")
    windows.clock.advance(seconds=60)
    put(windows, "d")
    seen, kept = Recorder(counting), Kept()
    source = windows.event_source("orders", seen, batch_size=2, tumbling_window=60, checkpoint=kept)
    source.drain()
    assert [told(event) for event in seen.events] == [
        (["a", "b"], {}, False, False),
        (["c"], {"count": 2}, False, False),
        ([], {"count": 3}, True, False),
        (["d"], {}, False, False),
    ]
    assert [event["window"]["start"][11:] for event in seen.events] == ["12:00:00Z"] * 3 + ["12:01:00Z"]
    assert seen.events[0]["window"] == {"start": "2030-01-01T12:00:00Z", "end": "2030-01-01T12:01:00Z"}
    assert {event["eventSourceARN"] for event in seen.events} == {source.stream_arn}
    assert all(event["shardId"].startswith("shardId-") for event in seen.events)
    # The position moves with the windows: a state that is nowhere but here must not be relied on.
    third = numbers(seen.events[1])[-1]
    assert source.position == kept.load() == third
    assert source.drain().invocations == 0
    windows.clock.advance(seconds=50)
    assert source.drain().invocations == 1
    assert told(seen.events[-1]) == ([], {"count": 1}, True, False)
    assert source.position == numbers(seen.events[3])[-1]
    windows.clock.advance(seconds=600)
    assert source.drain().invocations == 0


def test_a_window_is_aggregated_from_its_beginning_after_a_restart(windows):
    put(windows, "a")
    windows.clock.advance(seconds=60)
    put(windows, "b", "c")
    kept = Kept()
    windows.event_source("orders", Recorder(counting), tumbling_window=60, checkpoint=kept).drain()
    windows.clock.advance(seconds=60)
    seen = Recorder(counting)
    windows.event_source("orders", seen, tumbling_window=60, checkpoint=kept).drain()
    assert [told(event) for event in seen.events] == [(["b", "c"], {}, False, False), ([], {"count": 2}, True, False)]


def test_the_end_of_the_stream_ends_the_window(windows):
    put(windows, "a")
    windows.client().delete_table(TableName="orders")
    seen = Recorder(counting)
    stream_arn = windows.changes("orders").stream_arn
    windows.event_source("orders", seen, tumbling_window=900, stream_arn=stream_arn).drain()
    assert [told(event) for event in seen.events] == [(["a"], {}, False, False), ([], {"count": 1}, True, False)]


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, "state"])
def test_an_answer_without_a_state_fails_in_a_window(windows, answer):
    put(windows, "a")
    source = windows.event_source("orders", Recorder(lambda event, context: answer), tumbling_window=60)
    with pytest.raises(fdyno.BatchFailed, match="no state|no record"):
        source.drain()


def test_the_end_of_a_window_is_tried_again_and_nothing_goes_on_before_it(windows):
    def behave(event, context):
        if event["isFinalInvokeForWindow"]:
            raise LookupError("final")
        return counting(event, context)

    put(windows, "a")
    windows.clock.advance(seconds=60)
    put(windows, "b")
    seen = Recorder(behave)
    source = windows.event_source("orders", seen, tumbling_window=60)
    for _ in range(2):
        with pytest.raises(LookupError):
            source.drain()
    assert seen.batches == [["a"], [], []]
    assert source.position is None
    seen.behave = counting
    source.drain()
    assert [told(event) for event in seen.events[3:]] == [([], {"count": 1}, True, False), (["b"], {}, False, False)]


def test_a_window_whose_end_fails_for_good_is_given_up(windows):
    def behave(event, context):
        if event["isFinalInvokeForWindow"]:
            raise LookupError("final")
        return counting(event, context)

    put(windows, "a", "b")
    windows.clock.advance(seconds=60)
    seen, failed = Recorder(behave), []
    source = windows.event_source("orders", seen, tumbling_window=60, retries=1, on_failure=failed.append)
    summary = source.drain()
    assert seen.batches == [["a", "b"], [], []]
    [document] = failed
    assert document["DDBStreamBatchInfo"]["batchSize"] == 2
    assert source.position == numbers(seen.events[0])[-1]
    assert summary.discarded == 0 and summary.records == 2


def test_a_state_that_grows_too_large_ends_its_window_early(windows):
    def behave(event, context):
        return {"state": {"text": event["state"].get("text", "") + "x" * (STATE_LIMIT // 2)}}

    put(windows, *"abc")
    seen = Recorder(behave)
    source = windows.event_source("orders", seen, batch_size=1, tumbling_window=60)
    source.drain()
    assert [(told(event)[0], *told(event)[2:]) for event in seen.events] == [
        (["a"], False, False), (["b"], False, False), ([], True, True), (["c"], False, False),
    ]  # fmt: skip
    assert seen.events[3]["state"] == {}
    windows.clock.advance(seconds=60)
    source.drain()
    assert told(seen.events[-1])[2:] == (True, False)


def test_a_failed_batch_leaves_the_state_as_it_was(windows):
    def behave(event, context):
        if keys(event) == ["b"] and len(seen.events) == 2:
            raise LookupError
        return counting(event, context)

    put(windows, "a", "b")
    seen = Recorder(behave)
    windows.event_source("orders", seen, batch_size=1, tumbling_window=60, retries=1).drain()
    assert [event["state"] for event in seen.events] == [{}, {"count": 1}, {"count": 1}]


def test_a_window_knows_partial_answers(windows):
    def behave(event, context):
        good = [name for name in keys(event) if name != "b"] if "b" not in keys(event) else ["a"] * ("a" in keys(event))
        failures = [{"itemIdentifier": number} for number, name in zip(numbers(event), keys(event)) if name == "b"]
        return {"state": {"seen": event["state"].get("seen", []) + good}, "batchItemFailures": failures}

    put(windows, *"abc")
    seen = Recorder(behave)
    source = windows.event_source("orders", seen, tumbling_window=60, retries=1, report_batch_item_failures=True)
    summary = source.drain()
    assert seen.batches == [list("abc"), list("bc")]
    assert summary.discarded == 2
    windows.clock.advance(seconds=60)
    source.drain()
    assert told(seen.events[-1]) == ([], {"seen": ["a"]}, True, False)


# Parallel batches.


def test_batches_of_one_shard_run_at_the_same_time_and_in_order_by_key(orders):
    orders.client().create_table(
        TableName="sorted",
        KeySchema=key_schema("pk", "sk"),
        AttributeDefinitions=attributes(pk="S", sk="N"),
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification=stream("KEYS_ONLY"),
    )
    client = orders.client()
    for number in range(60):
        client.put_item(TableName="sorted", Item={"pk": S(f"key {number % 6}"), "sk": {"N": str(number)}})
    together = threading.Barrier(2)
    running, seen = defaultdict(int), defaultdict(list)

    def handler(event, context):
        names = {record["dynamodb"]["Keys"]["pk"]["S"] for record in event["Records"]}
        for name in names:
            running[name] += 1
            assert running[name] == 1
        if len(barrier) < 2:
            barrier.append(together.wait(PATIENCE))
        for record in event["Records"]:
            seen[record["dynamodb"]["Keys"]["pk"]["S"]].append(int(record["dynamodb"]["Keys"]["sk"]["N"]))
        for name in names:
            running[name] -= 1

    barrier = []
    source = orders.event_source("sorted", handler, batch_size=5, parallelization=4)
    summary = source.drain()
    assert summary.records == 60 and summary.failures == 0, summary.errors
    assert len(barrier) == 2, "no two batches ran at the same time"
    assert seen == {f"key {key}": list(range(key, 60, 6)) for key in range(6)}
    assert source.position == [change.sequence_number for change in orders.changes("sorted")][-1]


def test_a_stuck_batch_keeps_the_position_and_only_its_own_lane(orders):
    names = [f"{number}" for number in range(40)]
    put(orders, *names)
    seen, kept = Recorder(poisoned_by("20")), Kept()
    source = orders.event_source("orders", seen, batch_size=1, parallelization=10, checkpoint=kept)
    with pytest.raises(LookupError, match="20"):
        source.drain()
    numbered = [change.sequence_number for change in orders.changes("orders")]
    done = {batch[0] for batch in seen.batches} - {"20"}
    assert source.position == kept.load() == numbered[19]
    assert any(int(name) > 20 for name in done)
    seen.behave = lambda event, context: None
    before = len(seen.events)
    source.drain()
    assert {batch[0] for batch in seen.batches[before:]} == set(names) - done
    assert source.position == kept.load() == numbered[-1]


def test_lanes_fill_up_though_one_key_has_nearly_everything(orders):
    client = orders.client()
    for number in range(200):
        client.put_item(TableName="orders", Item={"pk": S("hot"), "n": {"N": str(number)}})
    put(orders, *(f"cold {number}" for number in range(20)))
    seen = Recorder()
    source = orders.event_source("orders", seen, batch_size=10, parallelization=10)
    assert source.drain().records == 220
    counts = [len(batch) for batch in seen.batches if "hot" in batch]
    assert counts.count(10) >= 20


def test_a_handler_in_another_thread_has_the_same_database(db, client):
    create_table(client, StreamSpecification=NEW_AND_OLD)
    create_table(client, "copies")
    for number in range(20):
        client.put_item(TableName="orders", Item={"pk": S(str(number))})

    def copy(event, context):
        table = boto3.resource("dynamodb", region_name="eu-west-1").Table("copies")
        for name in keys(event):
            table.put_item(Item={"pk": name})

    summary = db.event_source("orders", copy, parallelization=4, batch_size=2, region_name="eu-west-1").drain()
    assert summary.errors == [] and summary.records == 20
    assert client.scan(TableName="copies")["Count"] == 20


# In a thread.


@pytest.fixture
def arrivals():
    """A handler whose records can be waited for."""
    return Arrivals()


class Arrivals(Recorder):
    def __init__(self):
        super().__init__()
        self.changed = threading.Condition()

    def __call__(self, event, context):
        try:
            return super().__call__(event, context)
        finally:
            with self.changed:
                self.changed.notify_all()

    def wait(self, batches):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.events) >= batches, PATIENCE), self.batches


def test_the_thread_hands_over_what_comes(orders, arrivals):
    put(orders, "before")
    source = orders.event_source("orders", arrivals)
    with source as running:
        assert running is source
        arrivals.wait(1)
        put(orders, "a")
        arrivals.wait(2)
    assert arrivals.batches == [["before"], ["a"]]
    put(orders, "b")
    assert not any(thread.name == "fdyno orders" for thread in threading.enumerate())
    # It can be driven by hand, and started again.
    assert source.drain().records == 1
    with source:
        put(orders, "c")
        arrivals.wait(4)
    assert source.totals.records == 4


def test_the_thread_tries_again_until_it_succeeds(orders, arrivals, caplog):
    put(orders, "a", "b")
    remaining = [LookupError("first"), LookupError("second")]

    def behave(event, context):
        if remaining:
            raise remaining.pop(0)

    arrivals.behave = behave
    with caplog.at_level(logging.ERROR, logger="fdyno.event_source"):
        with orders.event_source("orders", arrivals, batch_size=1) as source:
            arrivals.wait(4)
    assert arrivals.batches == [["a"], ["a"], ["a"], ["b"]]
    assert [str(error) for error in source.totals.errors] == ["first", "second"]
    assert [str(record.exc_info[1]) for record in caplog.records] == ["first", "second"]


def test_the_thread_gives_up_as_drain_does(orders, arrivals, caplog):
    put(orders, "a", "b")
    arrivals.behave = poisoned_by("a")
    failed = []
    with orders.event_source("orders", arrivals, batch_size=1, retries=1, on_failure=failed.append) as source:
        arrivals.wait(3)
    assert arrivals.batches == [["a"], ["a"], ["b"]]
    assert len(failed) == 1 and source.totals.discarded == 1
    assert "an invocation failed" in caplog.text


def test_the_thread_waits_for_a_batching_window_by_the_databases_clock(orders, arrivals):
    orders.clock.freeze()
    source = orders.event_source("orders", arrivals, batch_size=3, window=300)
    waits = Waits(source)
    with source:
        put(orders, "a", "b", "c")
        arrivals.wait(1)
        put(orders, "d", "e")
        waits.wait_until(lambda: sum(lane.waiting for lane in source._lanes) == 2 and waits.begun[-1] == SLEEP)
        begun = len(waits.begun)
        # The clock stands still: it sleeps until that is moved or something is written.
        orders.clock.advance(seconds=299)
        waits.wait_for(begun + 1)
        assert len(arrivals.events) == 1
        orders.clock.advance(seconds=1)
        arrivals.wait(2)
    assert arrivals.batches == [["a", "b", "c"], ["d", "e"]]


def test_a_window_of_a_clock_that_runs_is_waited_for_in_one_sleep(orders, arrivals):
    source = orders.event_source("orders", arrivals, batch_size=3, window=1)
    waits = Waits(source)
    with source:
        waits.wait_for(1)
        begun = len(waits.begun)
        began = time.monotonic()
        put(orders, "a")
        arrivals.wait(1)
        assert time.monotonic() - began >= 0.99
        if orders.info()["engine"] in ("memory", "disk"):
            # One that begins with the record, none to look at the clock, perhaps one more for a timer that was early.
            for_window = [seconds for seconds, _ in waits.begun[begun:] if seconds is not None]
            assert 1 <= len(for_window) <= 3 and 0.9 < for_window[0] <= 1.001
    assert arrivals.batches == [["a"]]


def test_records_and_the_clock_wake_who_waits_for_a_window_that_is_long(orders, arrivals):
    source = orders.event_source("orders", arrivals, batch_size=3, window=300)
    waits = Waits(source)
    with source:
        put(orders, "a")
        waits.wait_until(lambda: waits.begun[-1][0] is not None and waits.begun[-1][0] > 290)
        put(orders, "b", "c")
        arrivals.wait(1)
        put(orders, "d")
        waits.wait_until(lambda: sum(lane.waiting for lane in source._lanes) == 1 and waits.begun[-1] != SLEEP)
        orders.clock.freeze()
        waits.wait_until(lambda: waits.begun[-1] == SLEEP)
        orders.clock.advance(minutes=5)
        arrivals.wait(2)
    assert arrivals.batches == [["a", "b", "c"], ["d"]]


@pytest.mark.parametrize("looks", range(1, 8))
def test_a_window_that_is_open_in_one_lane_does_not_keep_another_from_its_next_try(orders, arrivals, monkeypatch, looks):
    # A clock that moves when it is looked at: whenever the pause is over, it is noticed.
    ticks = itertools.count()
    monkeypatch.setattr("fdyno._event_source.time", SimpleNamespace(monotonic=lambda: next(ticks) / 1000))
    for pause in ("_FIRST_PAUSE", "_LAST_PAUSE"):
        monkeypatch.setattr(f"fdyno._event_source.{pause}", (looks - 0.5) / 1000)
    orders.clock.freeze()
    lanes = {zlib.crc32(json.dumps({"S": name}).encode()) % 2: name for name in "abcdefgh"}
    arrivals.behave = poisoned_by(lanes[0])
    put(orders, lanes[1])
    put(orders, lanes[0], n={"N": "0"})
    put(orders, lanes[0], n={"N": "1"})
    with orders.event_source("orders", arrivals, batch_size=2, window=300, parallelization=2):
        arrivals.wait(20)
    assert arrivals.batches[:20] == [[lanes[0]] * 2] * 20


def test_behind_a_stream_that_has_ended_no_window_is_waited_for(orders, arrivals):
    orders.clock.freeze()
    source = orders.event_source("orders", arrivals, batch_size=3, window=300).start()
    put(orders, "a")
    orders.client().update_table(TableName="orders", StreamSpecification={"StreamEnabled": False})
    source._thread.join(PATIENCE)
    assert not source._thread.is_alive()
    source.stop()
    assert arrivals.batches == [["a"]]


def test_the_thread_ends_a_tumbling_window_when_its_time_has_come(windows, arrivals):
    arrivals.behave = counting
    put(windows, "a")
    source = windows.event_source("orders", arrivals, tumbling_window=60)
    waits = Waits(source)
    with source:
        arrivals.wait(1)
        waits.wait_for(1)
        assert waits.begun[0] == SLEEP
        windows.clock.advance(seconds=60)
        arrivals.wait(2)
    assert told(arrivals.events[-1]) == ([], {"count": 1}, True, False)


def test_lanes_work_in_the_thread_too(orders, arrivals):
    names = [str(number) for number in range(50)]
    put(orders, *names)
    with orders.event_source("orders", arrivals, batch_size=1, parallelization=5):
        arrivals.wait(50)
    assert sorted(name for [name] in arrivals.batches) == sorted(names)


def test_a_handler_may_ask_for_the_end(orders, arrivals):
    put(orders, "a", "b")
    source = orders.event_source("orders", arrivals, batch_size=1)
    arrivals.behave = lambda event, context: source.stop()
    source.start()
    arrivals.wait(1)
    source.stop()
    assert arrivals.batches == [["a"]]
    # The one that it asked within is done.
    arrivals.behave = lambda event, context: None
    source.drain()
    assert arrivals.batches == [["a"], ["b"]]


def test_one_at_a_time_drives_it(orders, arrivals):
    source = orders.event_source("orders", arrivals)
    with source:
        for drive in (source.drain, source.step, source.start):
            with pytest.raises(RuntimeError, match="driven already"):
                drive()
    put(orders, "a")
    errors = []

    def drain_inside(event, context):
        try:
            source.drain()
        except RuntimeError as error:
            errors.append(str(error))

    arrivals.behave = drain_inside
    source.drain()
    assert len(errors) == 1 and "driven already" in errors[0]


def test_stopping_what_was_never_started_does_no_harm(orders, arrivals):
    orders.event_source("orders", arrivals).stop()


def test_what_ends_the_thread_early_is_raised_when_it_is_stopped(orders, arrivals, caplog):
    put(orders, "a")

    def leave(event, context):
        raise KeyboardInterrupt

    arrivals.behave = leave
    source = orders.event_source("orders", arrivals)
    source.start()
    arrivals.wait(1)
    with pytest.raises(KeyboardInterrupt):
        source.stop()
    assert "ended" in caplog.text
    arrivals.behave = lambda event, context: None
    assert source.drain().records == 1


def test_a_destination_that_fails_is_told_again_in_the_thread(orders, arrivals, caplog):
    put(orders, "a")
    arrivals.behave = poisoned_by("a")
    told = threading.Event()
    documents = []

    def refuse_once(document):
        documents.append(document)
        if len(documents) == 1:
            raise ConnectionError("no queue")
        told.set()

    with orders.event_source("orders", arrivals, retries=0, on_failure=refuse_once) as source:
        assert told.wait(PATIENCE)
    assert len(arrivals.events) == 1 and source.totals.discarded == 1
    assert "no queue" in caplog.text


def test_an_error_of_the_storage_is_waited_out_in_the_thread(orders, arrivals, caplog, monkeypatch):
    monkeypatch.setattr("fdyno._event_source._LAST_PAUSE", 0.01)
    put(orders, "a")
    source = orders.event_source("orders", arrivals)
    page = source._stream.page

    def fail_once():
        source._stream.page = page
        error = {"Code": "InternalServerError", "Message": "no space"}
        raise class_of("InternalServerError")({"Error": error}, "GetRecords")

    source._stream.page = fail_once
    with source:
        arrivals.wait(1)
    assert "no space" in caplog.text


def test_what_is_given_up_without_a_destination_is_logged(orders, caplog):
    put(orders, "a", "b")
    orders.event_source("orders", Recorder(poisoned_by("a")), retries=0).drain()
    assert "2 records discarded: RetryAttemptsExhausted" in caplog.text


class Waits:
    """What the thread of a source waits for, as it begins to."""

    def __init__(self, source):
        self.begun, self.changed, wait = [], threading.Condition(), source._wait

        def watched(pause):
            with self.changed:
                self.begun.append(tuple(pause))
                self.changed.notify_all()
            return wait(pause)

        source._wait = watched

    def wait_until(self, condition):
        with self.changed:
            assert self.changed.wait_for(lambda: self.begun and condition(), PATIENCE), self.begun

    def wait_for(self, count):
        self.wait_until(lambda: len(self.begun) >= count)


#: For ever, or until there are records.
SLEEP = (None, True)


def test_an_idle_source_sleeps_until_a_commit_wakes_it(orders, arrivals):
    create_table(orders.client(), "other", StreamSpecification=NEW_AND_OLD)
    source = orders.event_source("orders", arrivals)
    waits = Waits(source)
    with source:
        waits.wait_for(1)
        before = orders.info()["work"]["followers_woken"]
        for number in range(100):
            orders.client().put_item(TableName="other", Item={"pk": S(str(number))})
        assert orders.info()["work"]["followers_woken"] == before
        if orders.info()["engine"] in ("memory", "disk"):
            # On a cluster others may write: there it looks by itself now and then.
            assert waits.begun == [SLEEP]
        for number in range(3):
            put(orders, str(number))
            arrivals.wait(number + 1)
        assert orders.info()["work"]["followers_woken"] <= before + 3
    assert set(waits.begun) == {SLEEP} and arrivals.batches == [["0"], ["1"], ["2"]]


def test_stopping_wakes_whatever_the_thread_is_about(orders, arrivals):
    source = orders.event_source("orders", arrivals)
    waits = Waits(source)
    # Whether the thread reads, is about to wait or waits.
    for number in range(200):
        begun = len(waits.begun)
        source.start()
        if number % 2:
            waits.wait_for(begun + 1)
        ends = threading.Thread(target=source.stop)
        ends.start()
        ends.join(PATIENCE)
        assert not ends.is_alive(), number


@pytest.mark.parametrize("how", ["stop", "close"])
@pytest.mark.parametrize("failing", [False, True], ids=["idle", "failing"])
def test_the_end_does_not_wait_for_a_pause_to_be_over(orders, arrivals, monkeypatch, how, failing):
    monkeypatch.setattr("fdyno._event_source._FIRST_PAUSE", 3600)
    monkeypatch.setattr("fdyno._event_source._LAST_PAUSE", 3600)
    if failing:
        # In full lanes nothing more is read: not even records wake it.
        arrivals.behave = poisoned_by("a")
        put(orders, *(["a"] + [f"b{number}" for number in range(5)]))
    source = orders.event_source("orders", arrivals, batch_size=2)
    waits = Waits(source)
    source.start()
    waits.wait_for(1)
    if failing:
        [(seconds, for_records)] = waits.begun
        assert 3500 < seconds <= 3600 and not for_records
        put(orders, *map(str, range(50)))
        assert len(waits.begun) == 1
    thread = source._thread
    if how == "close":
        orders.close()
    else:
        threading.Thread(target=source.stop).start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    source.stop()


def test_a_closed_database_in_memory_can_drive_a_source_again(forking_db, orders, arrivals):
    source = orders.event_source("orders", arrivals).start()
    orders.close()
    source._thread.join(PATIENCE)
    source.stop()
    with source:
        put(orders, "a")
        arrivals.wait(1)


def enable(db, stream=NEW_AND_OLD):
    db.client().update_table(TableName="orders", StreamSpecification=stream)


NO_STREAM = {"StreamEnabled": False}


def test_the_end_of_the_stream_ends_the_thread(orders, arrivals):
    put(orders, "a")
    source = orders.event_source("orders", arrivals).start()
    arrivals.wait(1)
    put(orders, "last")
    enable(orders, NO_STREAM)
    source._thread.join(PATIENCE)
    assert not source._thread.is_alive()
    source.stop()
    assert arrivals.batches == [["a"], ["last"]]
    enable(orders)
    put(orders, "b")
    with source:
        source._thread.join(PATIENCE)
        assert not source._thread.is_alive()
    assert len(arrivals.batches) == 2


@pytest.mark.parametrize("parallelization", [1, 3])
def test_with_a_checkpoint_in_the_database_the_thread_waits_for_the_next_stream(orders, arrivals, parallelization):
    put(orders, "a")
    source = orders.event_source("orders", arrivals, checkpoint="billing", parallelization=parallelization)
    waits = Waits(source)
    with source:
        arrivals.wait(1)
        for number in range(2, 5):
            begun = len(waits.begun)
            enable(orders, NO_STREAM)
            waits.wait_for(begun + 1)
            enable(orders)
            put(orders, str(number))
            arrivals.wait(number)
        assert source._thread.is_alive()
        assert set(waits.begun) == {SLEEP}
    assert arrivals.batches == [["a"], ["2"], ["3"], ["4"]]


def test_however_quickly_the_next_stream_comes_the_thread_goes_on(orders, arrivals):
    with orders.event_source("orders", arrivals, checkpoint="billing", batch_size=1) as source:
        for number in range(40):
            put(orders, str(number))
            if number % 5 == 4:
                arrivals.wait(number + 1)
            enable(orders, NO_STREAM)
            enable(orders)
        arrivals.wait(40)
        assert source._thread.is_alive()
    assert [name for [name] in arrivals.batches] == [str(number) for number in range(40)]


@pytest.mark.parametrize("how", ["stop", "delete", "close"])
def test_the_thread_that_waits_for_a_stream_ends(orders, arrivals, caplog, how):
    put(orders, "a")
    source = orders.event_source("orders", arrivals, checkpoint="billing").start()
    waits = Waits(source)
    arrivals.wait(1)
    enable(orders, NO_STREAM)
    waits.wait_for(1)
    assert source._thread.is_alive()
    thread = source._thread
    if how == "stop":
        source.stop()
    elif how == "delete":
        orders.client().delete_table(TableName="orders")
    else:
        orders.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    source.stop()
    assert caplog.records == []


def test_the_end_of_the_database_ends_the_thread_quietly(tmp_path, arrivals, caplog):
    with fdyno.connect(tmp_path / "database") as database:
        create_table(database.client(), StreamSpecification=NEW_AND_OLD)
        put(database, "a")
        source = database.event_source("orders", arrivals).start()
        arrivals.wait(1)
    source.stop()
    assert caplog.records == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_process_drives_its_own_copy(orders, forking_db, arrivals):
    put(orders, "a")
    with orders.event_source("orders", arrivals) as source:
        arrivals.wait(1)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                source.stop()
                put(orders, "child")
                source.drain()
                status = 0 if arrivals.batches[-1] == ["child"] else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        put(orders, "parent")
        arrivals.wait(2)
    assert arrivals.batches == [["a"], ["parent"]]


def test_pauses_between_tries_grow_and_stay_bounded():
    assert [_pause(failures) for failures in (0, 1, 2, 3)] == [0, 0.05, 0.1, 0.2]
    assert _pause(100_000) == 5


# All of it together.


class Unreliable:
    """A handler that fails now and then, and knows what it is through with."""

    def __init__(self, random, policy, count):
        self.random = random
        self.reports = policy["report_batch_item_failures"]
        # Some records fail a few times; without a limit of tries, none fails for ever.
        never = 10**6 if policy["retries"] >= 0 else 3
        self.failures = {str(number): random.choice([0] * 12 + [1, 2, never]) for number in range(count)}
        self.done = []
        self.lock = threading.Lock()

    def __call__(self, event, context):
        with self.lock:
            state = event.get("state", {})
            for name, number in zip([body["dynamodb"]["NewImage"]["n"]["N"] for body in event["Records"]], numbers(event)):
                if self.failures[name]:
                    self.failures[name] -= 1
                    if not self.reports:
                        raise LookupError(name)
                    return {"state": state, "batchItemFailures": [{"itemIdentifier": number}]}
                if self.reports:
                    self.done.append(name)
            if not self.reports:
                self.done += [body["dynamodb"]["NewImage"]["n"]["N"] for body in event["Records"]]
            return {"state": state}


@pytest.mark.parametrize("seed", range(40))
def test_whatever_fails_nothing_is_lost_and_nothing_overtakes(orders, seed):
    random = Random(seed)
    orders.clock.freeze()
    client, count = orders.client(), random.randint(1, 80)
    for number in range(count):
        client.put_item(TableName="orders", Item={"pk": S(random.choice("abcdefg")), "n": {"N": str(number)}})
        orders.clock.advance(seconds=random.choice([0, 0, 1, 30]))
    tumbling = random.random() < 0.3
    policy = {
        "batch_size": random.randint(1, 9),
        "bisect_on_error": random.random() < 0.5,
        "retries": random.choice([-1, -1, 0, 1, 3]),
        "report_batch_item_failures": random.random() < 0.5,
        "tumbling_window": 60 if tumbling else None,
        "parallelization": 1 if tumbling else random.choice([1, 2, 5]),
    }
    restarting, named = random.random() < 0.5, random.random() < 0.5
    handler, kept, discarded = Unreliable(random, policy, count), Kept(), []
    changes = list(orders.changes("orders"))
    names = {change.sequence_number: str(change.new["n"]) for change in changes}
    orders.clock.advance(seconds=600)

    def source():
        checkpoint = "kept" if named else kept
        return orders.event_source("orders", handler, checkpoint=checkpoint, on_failure=discarded.append, **policy)

    current, drained = source(), False
    for _ in range(1000):
        try:
            if random.random() < 0.5:
                drained = current.step().invocations == 0
            else:
                current.drain()
        except (LookupError, fdyno.BatchFailed):
            assert policy["retries"] == -1
        if drained:
            break
        if restarting and random.random() < 0.4:
            current = source()
    committed = orders.checkpoints("orders")["kept"].sequence_number if named else kept.load()
    assert drained and current.position == committed == changes[-1].sequence_number
    assert kept.positions == sorted(set(kept.positions), key=int)
    batches = [document["DDBStreamBatchInfo"] for document in discarded]
    ranges = [(int(batch["startSequenceNumber"]), int(batch["endSequenceNumber"])) for batch in batches]
    missing = set(names.values()) - set(handler.done)
    assert policy["retries"] >= 0 or not discarded
    assert len(missing) <= sum(batch["batchSize"] for batch in batches)
    for number, name in names.items():
        assert name not in missing or any(low <= int(number) <= high for low, high in ranges)
    if not restarting:
        assert len(handler.done) == len(set(handler.done))
    by_key = defaultdict(list)
    keys_of = {str(change.new["n"]): change.keys["pk"] for change in changes}
    for name in dict.fromkeys(handler.done):
        by_key[keys_of[name]].append(int(name))
    assert all(order == sorted(order) for order in by_key.values()), by_key


# Parameters.


@pytest.mark.parametrize(
    "parameters, told",
    [
        ({"batch_size": 0}, "batch_size=0: from 1 to 10000"),
        ({"batch_size": 10_001}, "from 1 to 10000"),
        ({"window": -1}, "window=-1: from 0 to 300"),
        ({"window": 301}, "from 0 to 300"),
        ({"retries": -2}, "from -1 to 10000"),
        ({"retries": 10_001}, "from -1 to 10000"),
        ({"max_age": -2}, "from -1 to 604800"),
        ({"max_age": 604_801}, "from -1 to 604800"),
        ({"max_age": 0}, "-1, or 60 and more"),
        ({"max_age": 59}, "-1, or 60 and more"),
        ({"parallelization": 0}, "from 1 to 10"),
        ({"parallelization": 11}, "from 1 to 10"),
        ({"tumbling_window": -1}, "from 0 to 900"),
        ({"tumbling_window": 901}, "from 0 to 900"),
        ({"checkpoint": ""}, "checkpoint='': a name of 1 to 255 characters"),
        ({"checkpoint": "x" * 256}, "a name of 1 to 255 characters"),
        ({"tumbling_window": 60, "parallelization": 2}, "one state for the whole shard"),
    ],
    ids=str,
)
def test_a_parameter_out_of_lambdas_bounds_is_refused(orders, parameters, told):
    with pytest.raises(ValueError, match=told):
        orders.event_source("orders", Recorder(), **parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {"batch_size": 1.5},
        {"retries": True},
        {"window": "5"},
        {"on_failure": "queue"},
        {"checkpoint": 7},
        {"bisect_on_error": "no"},
        {"bisect_on_error": 0},
        {"report_batch_item_failures": 1},
        {"report_batch_item_failures": None},
        {"tumbling_window": False},
        {"tumbling_window": ""},
    ],
    ids=str,
)
def test_a_parameter_of_another_type_is_refused(orders, parameters):
    ((name, value),) = parameters.items()
    with pytest.raises(TypeError, match=re.escape(f"{name}={value!r}")):
        orders.event_source("orders", Recorder(), **parameters)


def test_parameters_are_refused_before_anything_is_read(db):
    class Unread(Kept):
        def load(self):
            raise AssertionError("the checkpoint was read")

    # There is no such table either, which would be found out by reading.
    for parameters in ({"batch_size": 0}, {"bisect_on_error": "no"}, {"start": "yesterday"}, {"filters": {"eventName": 1}}):
        with pytest.raises((TypeError, ValueError), match=next(iter(parameters))):
            db.event_source("nowhere", Recorder(), **{"checkpoint": Unread(), **parameters})
    with pytest.raises(ValueError, match="checkpoint=''"):
        db.event_source("nowhere", Recorder(), checkpoint="")


def test_a_handler_that_cannot_be_called_is_refused(orders):
    async def later(event, context):
        pass

    for handler in ("handler", later):
        with pytest.raises(TypeError, match="handler="):
            orders.event_source("orders", handler)


def test_bounds_are_allowed(orders):
    orders.event_source("orders", Recorder(), batch_size=10_000, window=300, retries=10_000, max_age=604_800)
    orders.event_source("orders", Recorder(), parallelization=10, max_age=60, tumbling_window=0)
    orders.event_source("orders", Recorder(), tumbling_window=900)


def test_it_says_what_it_is(orders):
    assert repr(orders.event_source("orders", counting)) == "<event source of orders for counting>"
