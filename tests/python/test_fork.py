"""After `os.fork()` a memory database goes on in the child as a private copy."""

import multiprocessing
import os
import sys
import threading
import traceback

import pytest
from conftest import create_table

import fdyno
from fdyno import _fdyno

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform"),
    pytest.mark.usefixtures("forking_db"),
]


def in_child(body):
    """Runs `body` in a forked child; fails if it fails or hangs."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    watchdog = threading.Timer(60, os.kill, (pid, 9))
    watchdog.start()
    _, status = os.waitpid(pid, 0)
    watchdog.cancel()
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.core
def test_a_child_goes_on_with_a_private_copy(client, table):
    client.put_item(TableName=table, Item={"pk": {"S": "both"}})

    def child():
        assert "Item" in client.get_item(TableName=table, Key={"pk": {"S": "both"}})
        client.put_item(TableName=table, Item={"pk": {"S": "child"}})
        assert "Item" in client.get_item(TableName=table, Key={"pk": {"S": "child"}})

    in_child(child)
    assert "Item" not in client.get_item(TableName=table, Key={"pk": {"S": "child"}})


def test_a_fork_amid_writes_of_other_threads_never_hangs(client, table):
    stop = threading.Event()

    def write(name):
        number = 0
        while not stop.is_set():
            client.put_item(TableName=table, Item={"pk": {"S": f"{name}-{number % 50}"}})
            number += 1

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            in_child(lambda: client.put_item(TableName=table, Item={"pk": {"S": "child"}}))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(not hasattr(_fdyno, "testing"), reason="built without the feature test-hooks")
def test_a_child_of_a_process_whose_runtime_runs_gets_its_own():
    def wait():
        waiter = threading.Thread(target=_fdyno.testing.wait_for_release)
        waiter.start()
        _fdyno.testing.release()
        waiter.join()

    wait()
    in_child(wait)
    wait()


def test_multiprocessing_works(client, table):
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=lambda: queue.put(client.list_tables()["TableNames"]))
    child.start()
    assert queue.get() == [table]
    child.join(timeout=60)
    assert child.exitcode == 0


def test_a_child_may_open_databases_of_its_own(client):
    def child():
        with fdyno.local():
            create_table(client)

    in_child(child)


def test_children_do_not_repeat_each_other(db, client, table, tmp_path):
    """Parent and children use the same positions, and still no event id, database id or table id comes twice."""
    client.update_table(
        TableName=table, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    )
    db.clock.freeze()

    def told(name):
        client.put_item(TableName=table, Item={"pk": {"S": name}})
        description = client.create_table(
            TableName="ids",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        )["TableDescription"]
        (change,) = db.changes(table, region_name=client.meta.region_name)
        other = fdyno.connect()
        (tmp_path / name).write_text(f"{change.event_id} {description['TableId']} {other.info()['id']}")

    for name in ("one", "two", "three"):
        in_child(lambda name=name: told(name))
    told("parent")
    ids = [word for name in ("one", "two", "three", "parent") for word in (tmp_path / name).read_text().split()]
    assert len(ids) == 12 and len(set(ids)) == 12, ids
