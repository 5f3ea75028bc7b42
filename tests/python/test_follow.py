"""Following changes: woken by the commit, ended by a close, a signal or a dropped iterator, on threads and on asyncio."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import datetime, timezone

import pytest
from conftest import create_table

import fdyno
from fdyno._reader import Reader

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}

#: Seconds after which something is taken to hang.
HANGS = 60


@pytest.fixture
def orders(db):
    create_table(db.client(), StreamSpecification=STREAM)
    return db


def put(db, *keys, table="orders"):
    client = db.client()
    for first in range(0, len(keys), 25):
        puts = [{"PutRequest": {"Item": {"pk": {"S": key}}}} for key in keys[first : first + 25]]
        client.batch_write_item(RequestItems={table: puts})


def key(change):
    return change.keys["pk"]


class Following:
    """A thread that follows; its end is waited for, and what it met comes out of `finish`."""

    def __init__(self, changes, enough=None):
        self.seen, self.error, self.news = [], None, threading.Condition()
        self.thread = threading.Thread(target=self.run, args=(changes, enough))
        self.thread.start()

    def run(self, changes, enough):
        try:
            for change in changes:
                with self.news:
                    self.seen.append(key(change))
                    self.news.notify_all()
                if len(self.seen) == enough:
                    return
        except BaseException as error:
            self.error = error

    def wait_for(self, count):
        with self.news:
            assert self.news.wait_for(lambda: len(self.seen) >= count, HANGS)

    def finish(self):
        self.thread.join(HANGS)
        assert not self.thread.is_alive(), "it hangs"
        if self.error is not None:
            raise self.error
        return self.seen


def test_a_follower_sees_what_comes_as_it_comes(orders):
    put(orders, "before")
    following = Following(orders.changes("orders", follow=True), enough=51)
    for number in range(50):
        following.wait_for(number + 1)
        put(orders, str(number))
    assert following.finish() == ["before", *map(str, range(50))]


def test_several_readers_follow_at_once_and_each_sees_everything(orders):
    readers = [Following(orders.changes("orders", follow=True), enough=60) for _ in range(4)]
    changes = orders.changes("orders", follow=True)
    readers += [Following(changes, enough=60) for _ in range(2)]
    writers = [
        threading.Thread(target=lambda name=name: put(orders, *(f"{name}{n}" for n in range(20)))) for name in "abc"
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    first = readers[0].finish()
    assert len(set(first)) == 60
    assert all(reader.finish() == first for reader in readers)


def test_latest_is_the_moment_of_the_call(orders):
    put(orders, "before")
    changes = orders.changes("orders", start="latest")
    put(orders, "after")
    assert list(map(key, changes)) == ["after"]
    assert list(map(key, changes)) == ["after"], "and stays there"
    put(orders, "later")
    assert list(map(key, changes)) == ["after", "later"]
    assert list(orders.changes("orders", start="latest")) == []


def test_reading_begins_behind_a_sequence_number_or_at_a_time(orders):
    orders.clock.freeze()
    put(orders, "a", "b")
    orders.clock.advance(seconds=10)
    moment = orders.clock.now()
    put(orders, "c")
    a, b, _ = orders.changes("orders")
    assert list(map(key, orders.changes("orders", start=a.sequence_number))) == ["b", "c"]
    assert list(map(key, orders.changes("orders", start=b.sequence_number))) == ["c"]
    assert list(map(key, orders.changes("orders", start=moment))) == ["c"]
    exceptions = orders.client().exceptions
    for number in ("7", "9" * 34, str(int(a.sequence_number) + 10**30), "1" + "0" * 33):
        with pytest.raises(exceptions.ValidationException, match="Invalid SequenceNumber"):
            orders.changes("orders", start=number)
    with pytest.raises(ValueError, match="'trim_horizon', 'latest', a sequence number or a datetime"):
        orders.changes("orders", start="newest")


def test_a_sequence_number_past_its_24_hours_is_a_place_as_long_as_nothing_behind_it_is_missing(orders):
    put(orders, "a", "b")
    a, b = orders.changes("orders")
    orders.clock.advance(hours=25)
    put(orders, "c")
    assert list(map(key, orders.changes("orders", start=b.sequence_number))) == ["c"]
    with pytest.raises(orders.client().exceptions.TrimmedDataAccessException):
        list(orders.changes("orders", start=a.sequence_number))


def test_idle_followers_of_other_tables_are_not_woken(orders):
    create_table(orders.client(), "quiet", StreamSpecification=STREAM)

    async def idle(changes):
        async for _ in changes:
            raise AssertionError("the table is quiet")

    async def main():
        quiet = orders.changes("quiet", follow=True)
        waiting = [asyncio.ensure_future(idle(quiet)) for _ in range(100)]
        await asyncio.sleep(0)
        before = orders.info()["work"]["followers_woken"]
        put(orders, *map(str, range(50)))
        assert orders.info()["work"]["followers_woken"] == before
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(main())


def threads():
    """The threads of this process, those of the core included."""
    return len(os.listdir("/proc/self/task")) if sys.platform == "linux" else threading.active_count()


def test_awaiting_takes_no_thread_for_each_waiter_and_leaves_none(orders):
    async def take(changes, count, started):
        seen = []
        async for change in changes:
            seen.append(key(change))
            started.set()
            if len(seen) == count:
                return seen

    async def main(followers):
        started = [asyncio.Event() for _ in range(followers)]
        put(orders, "first")
        tasks = [
            asyncio.ensure_future(take(orders.changes("orders", follow=True), 2, event)) for event in started
        ]
        await asyncio.gather(*(event.wait() for event in started))
        during = threads()
        orders.client().delete_item(TableName="orders", Key={"pk": {"S": "first"}})
        assert await asyncio.wait_for(asyncio.gather(*tasks), HANGS) == [["first", "first"]] * followers
        return during

    async def trimmed(followers):
        orders.clock.advance(hours=25)
        return await main(followers)

    asyncio.run(trimmed(1))
    few = asyncio.run(trimmed(2))
    assert asyncio.run(trimmed(60)) <= few + 2


def test_async_for_without_following_ends(orders):
    put(orders, "a", "b")

    async def main():
        return [key(change) async for change in orders.changes("orders")]

    assert asyncio.run(main()) == ["a", "b"]


def test_a_cancelled_follower_is_gone(orders):
    async def main():
        async def idle():
            async for _ in orders.changes("orders", follow=True):
                raise AssertionError("nothing happened")

        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(idle(), timeout=0.2)
        # The core hears of it a moment later. A follower that is not gone is woken by every put.
        deadline = time.monotonic() + HANGS
        woken = -1
        while orders.info()["work"]["followers_woken"] != woken:
            assert time.monotonic() < deadline, "it is woken again and again"
            woken = orders.info()["work"]["followers_woken"]
            put(orders, "a")
            orders.client().delete_item(TableName="orders", Key={"pk": {"S": "a"}})

    asyncio.run(main())


@pytest.mark.parametrize("how", ["close", "disable", "delete"])
def test_following_ends_with_the_database_the_stream_or_the_table(orders, how):
    put(orders, "a")
    following = [Following(orders.changes("orders", follow=True)) for _ in range(3)]
    for one in following:
        one.wait_for(1)
    if how == "close":
        orders.close()
    elif how == "disable":
        put(orders, "last")
        orders.client().update_table(TableName="orders", StreamSpecification={"StreamEnabled": False})
    else:
        orders.client().delete_table(TableName="orders")
    expected = ["a", "last"] if how == "disable" else ["a"]
    assert [one.finish() for one in following] == [expected] * 3


NO_STREAM = {"StreamEnabled": False}


def enable(db, stream=STREAM):
    db.client().update_table(TableName="orders", StreamSpecification=stream)


@pytest.fixture
def stranded(monkeypatch):
    """How often a consumer at the end of its stream found the table and no stream that followed."""
    found, followed = threading.Semaphore(0), Reader._followed

    def watched(reader, answer):
        settled = followed(reader, answer)
        if settled and "Stream" not in answer and "TableId" in answer:
            found.release()
        return settled

    monkeypatch.setattr(Reader, "_followed", watched)
    return lambda: found.acquire(timeout=HANGS)


def billing(db):
    return db.changes("orders", checkpoint="billing", follow=True)


def test_a_follower_with_a_checkpoint_waits_for_the_next_stream_of_its_table(orders, stranded):
    put(orders, "a")
    following = Following(billing(orders), enough=4)
    following.wait_for(1)
    for number in range(2, 5):
        enable(orders, NO_STREAM)
        assert stranded()
        put(orders, f"untold {number}")
        enable(orders)
        put(orders, str(number))
        following.wait_for(number)
    assert following.finish() == ["a", "2", "3", "4"]


def test_however_quickly_the_next_stream_comes_it_is_followed(orders):
    following = Following(billing(orders), enough=40)
    for number in range(40):
        put(orders, str(number))
        if number % 5 == 4:
            following.wait_for(number + 1)
        enable(orders, NO_STREAM)
        enable(orders)
    assert following.finish() == [str(number) for number in range(40)]


def test_it_waits_for_a_stream_of_the_table_that_was_created_again(orders, stranded):
    put(orders, "a")
    changes = billing(orders)
    assert list(map(key, orders.changes("orders", checkpoint="billing"))) == ["a"]
    orders.client().delete_table(TableName="orders")
    create_table(orders.client())
    following = Following(changes, enough=1)
    assert stranded()
    put(orders, "untold")
    enable(orders)
    put(orders, "b")
    assert following.finish() == ["b"]


def test_it_waits_though_its_stream_has_gone(orders, stranded):
    put(orders, "a")
    changes = billing(orders)
    assert list(map(key, orders.changes("orders", checkpoint="billing"))) == ["a"]
    enable(orders, NO_STREAM)
    orders.clock.advance(hours=25)
    following = Following(changes, enough=1)
    assert stranded()
    enable(orders)
    put(orders, "b")
    assert following.finish() == ["b"]


def test_a_stream_may_go_while_it_waits_for_the_next(orders, stranded):
    put(orders, "a")
    following = Following(billing(orders), enough=2)
    following.wait_for(1)
    enable(orders, NO_STREAM)
    assert stranded()
    orders.clock.advance(hours=49)
    enable(orders)
    put(orders, "b")
    assert following.finish() == ["a", "b"]


@pytest.mark.parametrize("how", ["delete", "close"])
def test_waiting_for_a_stream_ends_with_the_table_or_the_database(orders, stranded, how):
    put(orders, "a")
    following = Following(billing(orders))
    following.wait_for(1)
    enable(orders, NO_STREAM)
    assert stranded()
    if how == "close":
        orders.close()
    else:
        orders.client().delete_table(TableName="orders")
    assert following.finish() == ["a"]


def test_a_database_that_is_closed_between_two_streams_is_closed_for_who_follows(orders, stranded, monkeypatch):
    """The follower of the next stream is not one that begins after the close."""
    put(orders, "a")
    enter = Reader._enter

    def entered(reader, stream):
        if reader._stream_arn:
            orders.close()
        enter(reader, stream)

    following = Following(billing(orders))
    following.wait_for(1)
    monkeypatch.setattr(Reader, "_enter", entered)
    enable(orders, NO_STREAM)
    assert stranded()
    enable(orders)
    assert following.finish() == ["a"]


def test_without_following_a_consumer_with_a_checkpoint_does_not_wait(orders):
    put(orders, "a")
    changes = orders.changes("orders", checkpoint="billing")
    enable(orders, NO_STREAM)
    assert list(map(key, changes)) == ["a"]
    assert list(changes) == []


def test_on_asyncio_too_a_follower_with_a_checkpoint_waits_for_the_next_stream(orders):
    put(orders, "a")

    async def main():
        seen = asyncio.Queue()

        async def consume():
            async for change in billing(orders):
                seen.put_nowait(key(change))

        consumer = asyncio.ensure_future(consume())
        assert await asyncio.wait_for(seen.get(), HANGS) == "a"
        for number in range(3):
            enable(orders, NO_STREAM)
            if number:
                await asyncio.sleep(0)
            enable(orders)
            put(orders, str(number))
            assert await asyncio.wait_for(seen.get(), HANGS) == str(number)
        assert not consumer.done()
        orders.client().delete_table(TableName="orders")
        await asyncio.wait_for(consumer, HANGS)

    asyncio.run(main())


def test_closing_ends_an_async_follower(orders):
    put(orders, "a")

    async def main():
        seen = []
        async for change in orders.changes("orders", follow=True):
            seen.append(key(change))
            asyncio.get_running_loop().call_later(0.05, orders.close)
        return seen

    assert asyncio.run(asyncio.wait_for(main(), HANGS)) == ["a"]


def test_a_closed_database_in_memory_can_be_followed_again(forking_db, orders):
    orders.close()
    put(orders, "a")
    assert Following(orders.changes("orders", follow=True), enough=1).finish() == ["a"]


def test_the_end_of_local_ends_who_follows():
    with fdyno.local() as db:
        create_table(db.client(), StreamSpecification=STREAM)
        put(db, "a")
        following = Following(db.changes("orders", follow=True))
        following.wait_for(1)
    assert following.finish() == ["a"]


def test_a_dropped_follower_leaves_nothing(orders):
    put(orders, "a", "b")
    before = threading.active_count()
    following = orders.changes("orders", follow=True).__iter__()
    assert key(next(following)) == "a"
    following.close()
    with pytest.raises(StopIteration):
        next(following)
    following = orders.changes("orders").follow()
    assert key(next(following)) == "a"
    del following
    gc.collect()
    assert threading.active_count() == before
    put(orders, "c")
    assert list(map(key, orders.changes("orders"))) == ["a", "b", "c"]


def test_a_follower_that_was_idle_for_an_hour_goes_on(orders):
    put(orders, "a")
    following = Following(orders.changes("orders", follow=True), enough=2)
    following.wait_for(1)
    orders.clock.advance(hours=1)
    put(orders, "b")
    assert following.finish() == ["a", "b"]


def test_a_follower_that_has_seen_everything_never_falls_behind_what_is_trimmed(orders):
    put(orders, "a")
    following = orders.changes("orders", follow=True).__iter__()
    assert key(next(following)) == "a"
    orders.clock.advance(hours=30)
    put(orders, "b")
    assert key(next(following)) == "b"


def test_a_follower_that_fell_behind_is_told_so_and_begins_anew(orders):
    put(orders, *(f"{number:04}" for number in range(1001)))
    following = orders.changes("orders", follow=True).__iter__()
    for _ in range(1000):
        next(following)
    orders.clock.advance(hours=25)
    put(orders, "new")
    with pytest.raises(orders.client().exceptions.TrimmedDataAccessException):
        next(following)
    assert list(map(key, orders.changes("orders"))) == ["new"]


def test_another_process_s_commits_are_seen_on_a_cluster(orders, fresh_url):
    if not fresh_url.startswith("fdb:"):
        pytest.skip("only a cluster is shared")
    following = Following(orders.changes("orders", follow=True), enough=20)
    with fdyno.connect(fresh_url) as other:
        for number in range(20):
            put(other, str(number))
            following.wait_for(number + 1)
    assert following.finish() == list(map(str, range(20)))


def test_what_the_service_does_by_itself_wakes_as_well(orders):
    orders.clock.freeze()
    client = orders.client()
    client.update_time_to_live(
        TableName="orders", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"}
    )
    until = int(orders.clock.now().timestamp()) + 60
    client.put_item(TableName="orders", Item={"pk": {"S": "a"}, "until": {"N": str(until)}})
    changes = orders.changes("orders", follow=True)
    following = Following(changes, enough=2)
    following.wait_for(1)
    orders.clock.advance(hours=1)
    assert following.finish() == ["a", "a"]
    _, removed = orders.changes("orders")
    assert (removed.kind, removed.user_identity["Type"]) == ("REMOVE", "Service")


PREAMBLE = """
import asyncio, os, signal, sys, threading
import fdyno
# A shell that runs this in its background lets its children ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
db = fdyno.connect()
db.client().create_table(
    TableName="orders",
    KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    BillingMode="PAY_PER_REQUEST",
    StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
)
def put(key):
    db.client().put_item(TableName="orders", Item={"pk": {"S": key}})
"""


def program(text, *signals):
    """Runs a program, sends it signals as it says lines, and gives its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(text)], stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            for number in signals:
                assert process.stdout.readline() == "ready\n"
                process.send_signal(number)
            return process.wait(timeout=HANGS)
        finally:
            process.kill()


needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@needs_signals
def test_control_c_ends_following():
    text = """
        try:
            print("ready", flush=True)
            for change in db.changes("orders", follow=True):
                pass
        except KeyboardInterrupt:
            put("still usable")
            sys.exit(42 if len(list(db.changes("orders"))) == 1 else 1)
    """
    assert program(text, signal.SIGINT) == 42


@needs_signals
def test_control_c_ends_following_on_asyncio():
    text = """
        async def main():
            print("ready", flush=True)
            async for change in db.changes("orders", follow=True):
                pass
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            sys.exit(42)
    """
    assert program(text, signal.SIGINT) == 42


@needs_signals
def test_a_handler_that_returns_lets_following_go_on():
    text = """
        signal.signal(signal.SIGUSR1, lambda *_: put("from the handler"))
        print("ready", flush=True)
        keys = []
        try:
            for change in db.changes("orders", follow=True):
                keys.append(change.keys["pk"])
                print("ready", flush=True)
        except KeyboardInterrupt:
            sys.exit(42 if keys == ["from the handler"] else 1)
    """
    assert program(text, signal.SIGUSR1, signal.SIGINT) == 42


def test_a_daemon_that_follows_does_not_keep_the_interpreter():
    text = """
        def follow():
            for change in db.changes("orders", follow=True):
                seen.set()
        seen = threading.Event()
        threading.Thread(target=follow, daemon=True).start()
        put("a")
        assert seen.wait(60)
    """
    assert program(text) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_after_a_fork_the_child_follows_its_own_copy(forking_db):
    text = """
        put("a")
        following = db.changes("orders", follow=True).__iter__()
        assert next(following).keys["pk"] == "a"
        others = [threading.Thread(target=lambda: list(db.changes("orders", follow=True))) for _ in range(3)]
        for other in others:
            other.start()
        pid = os.fork()
        if pid == 0:
            threading.Timer(0.1, put, ["child"]).start()
            ok = next(following).keys["pk"] == "child"
            again = db.changes("orders", follow=True, start="latest").__iter__()
            threading.Timer(0.1, put, ["again"]).start()
            ok = ok and next(again).keys["pk"] == "again"
            os._exit(0 if ok else 1)
        threading.Timer(0.1, put, ["parent"]).start()
        assert next(following).keys["pk"] == "parent"
        _, status = os.waitpid(pid, 0)
        db.close()
        for other in others:
            other.join(60)
        sys.exit(os.waitstatus_to_exitcode(status))
    """
    assert program(text) == 0


def test_times_are_those_of_the_database(orders):
    orders.clock.freeze()
    orders.clock.travel_to(datetime(2030, 1, 2, tzinfo=timezone.utc))
    put(orders, "a")
    (change,) = orders.changes("orders")
    assert change.time == datetime(2030, 1, 2, tzinfo=timezone.utc)
