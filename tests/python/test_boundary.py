"""Conversion of Python objects, waiting, panics: what happens between Python and Rust."""

import asyncio
import datetime
import io
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from botocore.exceptions import ClientError
from conftest import create_table

import fdyno
from fdyno import _fdyno

testing = getattr(_fdyno, "testing", None)
needs_hooks = pytest.mark.skipif(testing is None, reason="built without the feature test-hooks")


@pytest.mark.core
@pytest.mark.parametrize(
    "make",
    [lambda: b"bytes", lambda: bytearray(b"bytes"), lambda: "bytes"],
    ids=["bytes", "bytearray", "str"],
)
def test_blobs_come_in_every_form_botocore_takes(client, table, make):
    client.put_item(TableName=table, Item={"pk": {"S": "a"}, "b": {"B": make()}})
    item = client.get_item(TableName=table, Key={"pk": {"S": "a"}})["Item"]
    assert item["b"] == {"B": b"bytes"}
    assert type(item["b"]["B"]) is bytes


@pytest.mark.core
def test_files_as_blobs_fail_as_they_do_with_botocore(client, table):
    with pytest.raises(TypeError, match="bytes-like"):
        client.put_item(TableName=table, Item={"pk": {"S": "a"}, "b": {"B": io.BytesIO(b"bytes")}})


def test_the_light_client_takes_memoryviews_files_and_boto3s_binary_as_well(db):
    from boto3.dynamodb.types import Binary

    client = db.client("dynamodb")
    create_table(client)
    blobs = {"m": {"B": memoryview(b"m")}, "b": {"B": Binary(b"b")}, "f": {"B": io.BytesIO(b"f")}}
    client.put_item(TableName="orders", Item={"pk": {"S": "a"}, **blobs})
    item = client.get_item(TableName="orders", Key={"pk": {"S": "a"}})["Item"]
    assert (item["m"], item["b"], item["f"]) == ({"B": b"m"}, {"B": b"b"}, {"B": b"f"})


def nested(depth):
    value = {"S": "deep"}
    for _ in range(depth):
        value = {"L": [value]}
    return value


@pytest.mark.core
def test_lists_nest_as_deep_as_dynamodb_allows(client, table):
    client.put_item(TableName=table, Item={"pk": {"S": "a"}, "deep": nested(31)})
    assert client.get_item(TableName=table, Key={"pk": {"S": "a"}})["Item"]["deep"] == nested(31)


@pytest.mark.core
@pytest.mark.parametrize("depth", [60, 400, 100_000])
def test_deeper_lists_are_an_error(client, table, depth):
    with pytest.raises((ClientError, RecursionError)):
        client.put_item(TableName=table, Item={"pk": {"S": "a"}, "deep": nested(depth)})
    assert client.list_tables()["TableNames"] == [table]


@pytest.mark.core
def test_a_cyclic_list_is_an_error(client, table):
    cycle = {"L": []}
    cycle["L"].append(cycle)
    with pytest.raises((ClientError, RecursionError)):
        client.put_item(TableName=table, Item={"pk": {"S": "a"}, "cycle": cycle})
    assert client.list_tables()["TableNames"] == [table]


@pytest.mark.parametrize("make", [lambda: nested(100_000), lambda: nested(97)], ids=["deep", "just too deep"])
def test_the_light_client_refuses_depth_on_a_small_stack(db, make):
    client = db.client("dynamodb")
    create_table(client)
    caught = []
    deep = make()  # Made and freed on the large stack: Python 3.13 itself overflows a small one when it frees this.

    def run():
        try:
            client.put_item(TableName="orders", Item={"pk": {"S": "a"}, "deep": deep})
        except ClientError as error:
            caught.append(error.response["Error"]["Code"])

    # Unoptimised code needs several times the stack.
    before = threading.stack_size((1024 if getattr(testing, "UNOPTIMISED", False) else 256) * 1024)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert caught == ["SerializationException"]


@pytest.mark.core
def test_a_lone_surrogate_is_an_error(client, table):
    with pytest.raises(ClientError):
        client.put_item(TableName=table, Item={"pk": {"S": "\ud800"}})


class Failing:
    """A file whose reading ends in an exception."""

    def __init__(self, error):
        self.error = error

    def read(self, *_):
        raise self.error


@pytest.mark.parametrize("error", [OSError("the disk is gone"), KeyboardInterrupt()], ids=["OSError", "Ctrl-C"])
def test_what_a_file_raises_comes_through_the_light_client(db, error):
    client = db.client("dynamodb")
    create_table(client)
    with pytest.raises(type(error)):
        client.put_item(TableName="orders", Item={"pk": {"S": "a"}, "b": {"B": Failing(error)}})
    assert client.scan(TableName="orders")["Count"] == 0


def test_a_request_is_answered_once(db):
    operation = _fdyno.Operation("dynamodb", "ListTables")
    request = operation.prepare({})
    db._core.answer(request, "us-east-1")
    with pytest.raises(RuntimeError, match="answered before"):
        db._core.answer(request, "us-east-1")


@pytest.mark.parametrize(
    "move",
    [
        lambda clock: clock.advance(seconds=float("nan")),
        lambda clock: clock.advance(seconds=float("inf")),
        lambda clock: clock.advance(days=10**7),
        lambda clock: clock.advance(days=-(10**7)),
    ],
)
def test_a_clock_refuses_times_that_no_datetime_can_show(move):
    db = fdyno.connect()
    db.clock.freeze()
    before = db.clock.now()
    with pytest.raises(ValueError, match="year 1 to year 9999"):
        move(db.clock)
    assert db.clock.now() == before
    assert db.client("dynamodb").list_tables()["TableNames"] == []


def test_the_clock_moves():
    clock = fdyno.connect().clock
    clock.freeze()
    start = clock.now()
    clock.advance(hours=1, seconds=30)
    clock.advance(datetime.timedelta(days=1))
    assert clock.now() - start == datetime.timedelta(days=1, hours=1, seconds=30)
    moment = datetime.datetime(2030, 1, 2, tzinfo=datetime.timezone.utc)
    clock.travel_to(moment)
    assert clock.now() == moment
    assert clock.frozen
    clock.resume()
    assert not clock.frozen


@needs_hooks
@pytest.mark.parametrize("name", ["panic_in_future", "panic_at_boundary"])
def test_a_panic_is_an_exception_and_the_database_stays_usable(db, client, name, capfd):
    with pytest.raises(fdyno.InternalError, match="on purpose") as caught:
        getattr(testing, name)()
    assert isinstance(caught.value, RuntimeError)
    assert client.list_tables()["TableNames"] == []


@needs_hooks
def test_waiting_releases_the_gil():
    waiter = threading.Thread(target=testing.wait_for_release)
    waiter.start()
    testing.release()  # Would never run if the waiter held the GIL.
    waiter.join(timeout=30)
    assert not waiter.is_alive()


@needs_hooks
def test_asyncio_goes_on_while_a_future_waits():
    async def main():
        waiting = asyncio.ensure_future(testing.await_release())
        await asyncio.sleep(0)
        assert not waiting.done()
        testing.release()
        return await asyncio.wait_for(waiting, timeout=30)

    assert asyncio.run(main()) is None


def test_execute_async_answers(db):
    async def main():
        answer = await db.execute_async("dynamodb", "ListTables", {})
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            await db.execute_async("dynamodb", "DescribeTable", {"TableName": "nowhere"})
        return answer["TableNames"]

    assert asyncio.run(main()) == []


@needs_hooks
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_control_c_ends_a_wait():
    program = """
        import signal, sys, threading
        from fdyno import _fdyno
        # A shell that runs this in its background lets its children ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            threading.Thread(target=lambda: print("waiting", flush=True)).start()
            _fdyno.testing.wait_for_release()
        except KeyboardInterrupt:
            sys.exit(42)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE)
    with process:
        try:
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 42
        finally:
            process.kill()


@pytest.mark.without_faults("it reads twenty thousand items in one snapshot, and there one read of a hundred ends it")
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_control_c_ends_the_filling_of_a_large_index(db, client, table):
    light = db.client("dynamodb", region_name="eu-west-1")
    for first in range(0, 20_000, 25):
        puts = [{"PutRequest": {"Item": {"pk": {"S": str(n)}, "g": {"S": "x"}}}} for n in range(first, first + 25)]
        light.batch_write_item(RequestItems={table: puts})
    before = db.info()["work"]["commits"]

    def interrupt():
        # Some steps in, and long before the end.
        while db.info()["work"]["commits"] < before + 10:
            pass
        os.kill(os.getpid(), signal.SIGINT)

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupter = threading.Thread(target=interrupt)
    try:
        interrupter.start()
        with pytest.raises(KeyboardInterrupt):
            client.update_table(
                TableName=table,
                AttributeDefinitions=[
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "g", "AttributeType": "S"},
                ],
                GlobalSecondaryIndexUpdates=[
                    {
                        "Create": {
                            "IndexName": "by-g",
                            "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                            "Projection": {"ProjectionType": "KEYS_ONLY"},
                        }
                    }
                ],
            )
    finally:
        signal.signal(signal.SIGINT, handler)
        interrupter.join()
    # Left in the making, as by a process that died; who comes by when a minute has passed finishes it.
    db.clock.advance(minutes=2)
    while client.describe_table(TableName=table)["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"] != "ACTIVE":
        db.clock.advance(minutes=2)
    found = client.query(
        TableName=table,
        IndexName="by-g",
        Select="COUNT",
        KeyConditionExpression="g = :g",
        ExpressionAttributeValues={":g": {"S": "x"}},
    )
    assert found["Count"] > 0
