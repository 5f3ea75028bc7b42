"""What a boto3 call costs through each route: CPU time, as ratios within one run.

Run it by `make bench`. The yardstick is an empty `before-call` handler: the least any tool can cost that lets
botocore do its usual work and answers in place of the network.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import time
from contextlib import ExitStack, contextmanager
from typing import Callable

import botocore.session
from botocore.awsrequest import AWSResponse

import fdyno
from fdyno import _fast

KEY = {"pk": {"S": "customer-17"}, "sk": {"S": "order-4711"}}
ITEM = {
    **KEY,
    "state": {"S": "shipped"},
    "total": {"N": "129.95"},
    "lines": {"L": [{"M": {"sku": {"S": f"sku-{n}"}, "count": {"N": str(n)}}} for n in range(3)]},
    "note": {"S": "x" * 220},
}


def new_client(service: str = "dynamodb"):
    session = botocore.session.Session()
    session.set_credentials("a", "b")
    return session.create_client(service, region_name="us-east-1")


def create_table(client, name: str, stream: bool) -> None:
    more = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}} if stream else {}
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )


@contextmanager
def plain_route():
    _fast.enabled = False
    try:
        yield
    finally:
        _fast.enabled = True


def cost(
    calls: dict[str, Callable[[], object]], given: argparse.Namespace, around: Callable[[str], ExitStack]
) -> dict[str, float]:
    """The least CPU microseconds a call took, rounds of all calls taking turns so that they share the machine's moods.

    `around` prepares for the calls of one name, and undoes it.
    """
    best = dict.fromkeys(calls, float("inf"))
    gc.collect()
    gc.disable()
    try:
        for turn in range(given.rounds + 1):
            for name, call in calls.items():
                with around(name):
                    start = time.process_time()
                    for _ in range(given.per_round):
                        call()
                    if turn:  # The first round warms up.
                        best[name] = min(best[name], (time.process_time() - start) / given.per_round * 1e6)
    finally:
        gc.enable()
    return best


def show(title: str, costs: dict[str, float], yardstick: str) -> None:
    print(f"\n{title}")
    for name, micros in costs.items():
        print(f"  {name:<42} {micros:9.1f} µs   {micros / costs[yardstick]:6.3f}")


class Body(io.BytesIO):
    """The body of an HTTP answer, as botocore reads it."""

    def stream(self, **_):
        yield self.read()


def canned(answer: dict, client: object, event: str, hand_over: Callable[[bytes], object]) -> object:
    """A client whose every answer is made of the same bytes, in the way and at the event that are given."""
    members = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    body = json.dumps(members, default=lambda moment: moment.timestamp()).encode()
    client.meta.events.register(event, lambda **_: hand_over(body))
    return client


def get_records(db, light, given: argparse.Namespace) -> None:
    """1,000 records of 400-byte items with both images, in one call."""
    create_table(light, "read", True)
    for turn in range(1001):
        light.put_item(TableName="read", Item={**ITEM, "turn": {"N": str(turn)}})
    client = new_client("dynamodbstreams")
    streams = db.client("dynamodbstreams")
    arn = light.describe_table(TableName="read")["Table"]["LatestStreamArn"]
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    first, *_ = db.changes("read")
    iterator = streams.get_shard_iterator(
        StreamArn=arn,
        ShardId=shard["ShardId"],
        ShardIteratorType="AFTER_SEQUENCE_NUMBER",
        SequenceNumber=first.sequence_number,
    )["ShardIterator"]
    answer = streams.get_records(ShardIterator=iterator)
    assert len(answer["Records"]) == 1000
    headers = {"content-type": "application/x-amz-json-1.0"}
    over_http = canned(
        answer,
        new_client("dynamodbstreams"),
        "before-send",
        lambda body: AWSResponse("https://canned.invalid", 200, headers, Body(body)),
    )
    assert over_http.get_records(ShardIterator=iterator)["Records"] == answer["Records"]
    with plain_route():
        # Anything less would hand over one and the same object, whatever its size.
        loaded = canned(
            answer,
            new_client("dynamodbstreams"),
            "before-call",
            lambda body: (AWSResponse("", 200, {}, None), json.loads(body)),
        )
    assert len(loaded.get_records(ShardIterator=iterator)["Records"]) == 1000

    def around(name: str) -> ExitStack:
        stack = ExitStack()
        if name.startswith("fdyno"):
            stack.enter_context(db.activate())
        return stack

    calls: dict[str, Callable[[], object]] = {
        "canned: json.loads in before-call": lambda: loaded.get_records(ShardIterator=iterator),
        "canned: an HTTP response, parsed by botocore": lambda: over_http.get_records(ShardIterator=iterator),
        "fdyno, fast route": lambda: client.get_records(ShardIterator=iterator),
        "fdyno, light client": lambda: streams.get_records(ShardIterator=iterator),
        "fdyno, db.changes": lambda: sum(1 for _ in db.changes("read", start=first.sequence_number)),
    }
    few = argparse.Namespace(rounds=given.rounds, per_round=max(1, given.per_round // 50))
    show(
        "get_records of 1,000 records, 400 B items, both images (target: at most 1.3 through boto3)",
        cost(calls, few, around),
        "canned: json.loads in before-call",
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--per-round", type=int, default=200)
    given = arguments.parse_args()

    answer = {"Item": ITEM, "ResponseMetadata": {"HTTPStatusCode": 200}}

    def empty_client():
        client = new_client()
        client.meta.events.register("before-call", lambda **_: (AWSResponse("", 200, {}, None), answer))
        return client

    with plain_route():
        empty, plain = empty_client(), new_client()
    fast, untouched = new_client(), empty_client()
    db = fdyno.connect()
    light = db.client("dynamodb")
    for name, stream in (("bare", False), ("streamed", True)):
        create_table(light, name, stream)
        light.put_item(TableName=name, Item=ITEM)

    def around(name: str) -> ExitStack:
        stack = ExitStack()
        if name.startswith("fdyno"):
            stack.enter_context(db.activate())
        if "plain" in name:
            stack.enter_context(plain_route())
        return stack

    get = {"TableName": "bare", "Key": KEY}
    calls: dict[str, Callable[[], object]] = {
        "empty before-call handler": lambda: empty.get_item(**get),
        "fdyno, plain route": lambda: plain.get_item(**get),
        "fdyno, fast route": lambda: fast.get_item(**get),
        "fdyno, light client": lambda: light.get_item(**get),
        "nothing active, empty handler, mixin in place": lambda: untouched.get_item(**get),
    }
    show(
        "get_item, ratio to an empty handler (target: fast route at most 0.200)",
        cost(calls, given, around),
        "empty before-call handler",
    )

    turn = iter(range(10**9))

    def changing(client, table: str) -> Callable[[], object]:
        return lambda: client.put_item(TableName=table, Item={**ITEM, "turn": {"N": str(next(turn))}})

    calls = {
        "fdyno, fast route, no stream": changing(fast, "bare"),
        "fdyno, fast route, both images": changing(fast, "streamed"),
        "fdyno, light client, no stream": changing(light, "bare"),
        "fdyno, light client, both images": changing(light, "streamed"),
    }
    show(
        "put_item of a changed item (target: with a stream at most 1.15 through boto3)",
        cost(calls, given, around),
        "fdyno, fast route, no stream",
    )
    get_records(db, light, given)


if __name__ == "__main__":
    main()
