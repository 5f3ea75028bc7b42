"""What a boto3 call costs through each route: CPU time, as ratios within one run.

Run it by `make bench`. The yardstick is an empty `before-call` handler: the least any tool can cost that lets
botocore do its usual work and answers in place of the network.
"""

from __future__ import annotations

import argparse
import gc
import time
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


def new_client():
    session = botocore.session.Session()
    session.set_credentials("a", "b")
    return session.create_client("dynamodb", region_name="us-east-1")


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


def cost(calls: dict[str, Callable[[], object]], rounds: int, per_round: int) -> dict[str, float]:
    """The least CPU microseconds a call took, rounds of all calls taking turns so that they share the machine's moods."""
    best = dict.fromkeys(calls, float("inf"))
    for call in calls.values():
        for _ in range(50):
            call()
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in calls.items():
                start = time.process_time()
                for _ in range(per_round):
                    call()
                best[name] = min(best[name], (time.process_time() - start) / per_round * 1e6)
    finally:
        gc.enable()
    return best


def show(title: str, costs: dict[str, float], yardstick: str) -> None:
    print(f"\n{title}")
    for name, micros in costs.items():
        print(f"  {name:<42} {micros:9.1f} µs   {micros / costs[yardstick]:6.3f}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--per-round", type=int, default=200)
    given = arguments.parse_args()

    empty = new_client()
    answer = {"Item": ITEM, "ResponseMetadata": {"HTTPStatusCode": 200}}
    empty.meta.events.register("before-call", lambda **_: (AWSResponse("", 200, {}, None), answer))
    fdyno.exempt(empty)

    fast = new_client()
    _fast.enabled = False
    plain = new_client()
    _fast.enabled = True

    with fdyno.local() as db:
        for name, stream in (("bare", False), ("streamed", True)):
            create_table(fast, name, stream)
            fast.put_item(TableName=name, Item=ITEM)
        light = db.client("dynamodb")

        def on_plain(call):
            def run():
                _fast.enabled = False
                try:
                    return call()
                finally:
                    _fast.enabled = True

            return run

        get = {"TableName": "bare", "Key": KEY}
        costs = cost(
            {
                "empty before-call handler": lambda: empty.get_item(**get),
                "fdyno, plain route": on_plain(lambda: plain.get_item(**get)),
                "fdyno, fast route": lambda: fast.get_item(**get),
                "fdyno, light client": lambda: light.get_item(**get),
            },
            given.rounds,
            given.per_round,
        )
        show("get_item, ratio to an empty handler (target: fast route at most 0.200)", costs, "empty before-call handler")

        costs = cost(
            {
                "fast route, no stream": lambda: fast.put_item(TableName="bare", Item=ITEM),
                "fast route, stream of both images": lambda: fast.put_item(TableName="streamed", Item=ITEM),
                "light client, no stream": lambda: light.put_item(TableName="bare", Item=ITEM),
                "light client, stream of both images": lambda: light.put_item(TableName="streamed", Item=ITEM),
            },
            given.rounds,
            given.per_round,
        )
        show("put_item of the same item, which writes no record", costs, "fast route, no stream")

        turn = iter(range(10**9))

        def changing(call, table):
            return lambda: call(TableName=table, Item={**ITEM, "turn": {"N": str(next(turn))}})

        costs = cost(
            {
                "fast route, no stream": changing(fast.put_item, "bare"),
                "fast route, stream of both images": changing(fast.put_item, "streamed"),
                "light client, no stream": changing(light.put_item, "bare"),
                "light client, stream of both images": changing(light.put_item, "streamed"),
            },
            given.rounds,
            given.per_round,
        )
        show("put_item of a changed item (target: with a stream at most 1.15)", costs, "fast route, no stream")

    # Nothing active: what fdyno costs a program that imported it.
    def untouched():
        client = new_client()
        client.meta.events.register("before-call", lambda **_: (AWSResponse("", 200, {}, None), answer))
        return client

    fdyno.unexempt(empty)
    with_mixin = untouched()
    _fast.enabled = False
    without_mixin = untouched()
    _fast.enabled = True
    costs = cost(
        {
            "without the mixin": lambda: without_mixin.get_item(**get),
            "with the mixin": lambda: with_mixin.get_item(**get),
        },
        given.rounds,
        given.per_round,
    )
    show("get_item while nothing is active", costs, "without the mixin")


if __name__ == "__main__":
    main()
