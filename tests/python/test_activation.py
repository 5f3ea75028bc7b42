"""Which database answers which call."""

import asyncio
import gc
import re
import threading
import unittest
import unittest.mock
import weakref

import boto3
import botocore.session
import pytest
from botocore.client import BaseClient
from conftest import create_table

import fdyno


def names(client):
    return client.list_tables()["TableNames"]


@pytest.fixture
def outgoing(client):
    """Answers in place of the network, and lists what would have gone out through `client`."""
    sent = []

    def before_send(request, **_):
        from botocore.awsrequest import AWSResponse

        class Raw:
            def stream(self, *_args, **_kwargs):
                yield b'{"TableNames": ["from AWS"]}'

        sent.append(request.headers["X-Amz-Target"].decode())
        return AWSResponse(request.url, 200, {}, Raw())

    client.meta.events.register("before-send.dynamodb", before_send)
    return sent


@pytest.mark.core
def test_a_client_that_exists_already_is_captured(client, db):
    assert names(client) == []


@pytest.mark.core
def test_a_client_of_a_session_that_exists_already_is_captured(session, db):
    assert names(session.create_client("dynamodb")) == []


@pytest.mark.core
def test_a_client_of_a_new_session_is_captured(db):
    assert names(botocore.session.Session().create_client("dynamodb")) == []


@pytest.mark.core
def test_the_streams_service_is_captured(session, db):
    before = session.create_client("dynamodbstreams")
    assert before.list_streams()["Streams"] == []


@pytest.mark.core
def test_a_client_with_its_own_endpoint_is_captured(db):
    client = boto3.client("dynamodb", endpoint_url="http://localhost:1", region_name="eu-west-1")
    assert names(client) == []


@pytest.mark.core
def test_without_an_active_database_calls_go_out_as_ever(client, outgoing):
    assert names(client) == ["from AWS"]
    with fdyno.local():
        assert names(client) == []
    assert names(client) == ["from AWS"]
    assert outgoing == ["DynamoDB_20120810.ListTables"] * 2


def test_the_default_session_of_boto3_is_left_alone(db):
    assert boto3.DEFAULT_SESSION is None
    boto3.client("dynamodb")
    session = boto3.DEFAULT_SESSION
    with fdyno.local():
        boto3.client("dynamodb")
    assert boto3.DEFAULT_SESSION is session


@pytest.mark.core
def test_regions_keep_their_tables_apart(db):
    here, there = (boto3.client("dynamodb", region_name=region) for region in ("eu-west-1", "us-west-2"))
    create_table(here)
    assert (names(here), names(there)) == (["orders"], [])


def test_local_nests(client):
    with fdyno.local():
        create_table(client, "outer")
        with fdyno.local():
            assert names(client) == []
            create_table(client, "inner")
        assert names(client) == ["outer"]


def test_the_same_local_cannot_be_entered_twice_at_once():
    manager = fdyno.local()
    with manager, pytest.raises(RuntimeError, match="entered already"), manager:
        pass


def test_activations_may_end_in_any_order(client):
    one, two = fdyno.connect(), fdyno.connect()
    one.activate()
    create_table(client, "one")
    two.activate()
    assert names(client) == []
    one.deactivate()
    assert names(client) == []
    one.activate()
    two.deactivate()
    assert names(client) == ["one"]
    one.deactivate()
    one.deactivate()
    assert fdyno.current() is None


def test_activate_is_a_context_manager(client):
    database = fdyno.connect()
    with database.activate():
        assert fdyno.current() is database
    assert fdyno.current() is None


def in_step(*bodies):
    """Runs each body in its own thread; each gets the barrier they all wait at."""
    barrier, failures = threading.Barrier(len(bodies), timeout=30), []

    def run(body):
        try:
            body(barrier)
        except BaseException as error:
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=run, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@pytest.mark.core
def test_overlapping_threads_each_see_their_own_database(client):
    def body(name):
        def run(barrier):
            with fdyno.local():
                barrier.wait()
                create_table(client, name)
                barrier.wait()
                assert names(client) == [name]
                barrier.wait()

        return run

    in_step(body("one"), body("two"), body("three"))


def test_a_worker_thread_sees_what_its_process_activated(client, table):
    seen = []
    worker = threading.Thread(target=lambda: seen.append(names(client)))
    worker.start()
    worker.join()
    assert seen == [["orders"]]


@pytest.mark.core
def test_overlapping_tasks_each_see_their_own_database(client):
    async def body(name, turn):
        async with fdyno.local():
            await turn.wait()
            create_table(client, name)
            await turn.wait()
            assert names(client) == [name]
            return await asyncio.create_task(asyncio.to_thread(names, client))

    async def main():
        turn = Turn(2)
        return await asyncio.gather(body("one", turn), body("two", turn))

    assert asyncio.run(main()) == [["one"], ["two"]]


class Turn:
    """A barrier for tasks that may be used again (asyncio has one from Python 3.11 on)."""

    def __init__(self, parties):
        self.parties, self.waiting, self.event = parties, 0, asyncio.Event()

    async def wait(self):
        self.waiting += 1
        if self.waiting == self.parties:
            event, self.waiting, self.event = self.event, 0, asyncio.Event()
            event.set()
        else:
            await self.event.wait()


def test_an_activation_that_ended_elsewhere_is_not_seen_by_a_task_that_inherited_it(client):
    async def main():
        with fdyno.local():
            begun, ended = asyncio.Event(), asyncio.Event()

            async def inheritor():
                begun.set()
                await ended.wait()
                return fdyno.current()

            task = asyncio.create_task(inheritor())
            await begun.wait()
        ended.set()
        return await task

    assert asyncio.run(main()) is None


@pytest.mark.core
def test_an_attached_client_uses_its_database_whatever_is_active(client, session):
    mine = fdyno.connect()
    mine.attach(client)
    create_table(client, "mine")
    with fdyno.local():
        assert names(client) == ["mine"]
        assert names(session.create_client("dynamodb")) == []
    assert names(client) == ["mine"]
    mine.detach(client)
    with fdyno.local():
        assert names(client) == []


@pytest.mark.core
def test_an_attached_session_brings_its_clients_early_and_late():
    session = boto3.Session(region_name="eu-west-1")
    early = session.client("dynamodb", aws_access_key_id="a", aws_secret_access_key="b")
    database = fdyno.connect()
    database.attach(session)
    create_table(early)
    assert names(session.client("dynamodb")) == ["orders"]
    database.detach(session)


def test_a_resource_can_be_attached(client):
    database = fdyno.connect()
    session = boto3.Session("a", "b", region_name="eu-west-1")
    resource = session.resource("dynamodb")
    database.attach(resource.Table("orders"))
    create_table(resource.meta.client)
    assert [table.name for table in resource.tables.all()] == ["orders"]


def test_other_things_cannot_be_attached(session):
    database = fdyno.connect()
    with pytest.raises(ValueError, match="a client of s3"):
        database.attach(session.create_client("s3"))
    with pytest.raises(TypeError, match="not int"):
        database.attach(3)


@pytest.mark.core
def test_an_exempt_client_goes_out(client, outgoing, session, db):
    fdyno.exempt(client)
    assert names(client) == ["from AWS"]
    assert names(session.create_client("dynamodb")) == []
    fdyno.unexempt(client)
    assert names(client) == []


@pytest.mark.core
def test_a_predicate_lets_calls_pass(client, outgoing, session):
    asked = []

    def passthrough(call):
        asked.append((call.service, call.operation, call.region))
        return call.client is client

    with fdyno.local(passthrough=passthrough):
        assert names(client) == ["from AWS"]
        assert names(session.create_client("dynamodb", region_name="us-west-2")) == []
    assert asked == [("dynamodb", "ListTables", "eu-west-1"), ("dynamodb", "ListTables", "us-west-2")]


@pytest.mark.core
def test_the_database_of_a_call_is_chosen_once(client, outgoing):
    """Deactivating between the choice and the answer neither loses the call nor sends an empty one."""
    database = fdyno.connect()
    database.activate()
    create_table(client)
    client.meta.events.register("before-call.dynamodb", lambda **_: database.deactivate())
    assert names(client) == ["orders"]
    assert outgoing == []
    assert names(client) == ["from AWS"]


@pytest.mark.core
@pytest.mark.parametrize("event", ["before-parameter-build", "before-call"])
def test_a_database_activated_in_mid_call_loses_nothing(client, outgoing, event):
    """Whether the call goes out or is answered, it is the whole call."""
    with fdyno.local():
        names(client)  # The client's handlers are registered now.
    database = fdyno.connect()
    create_table(database.client(region_name="eu-west-1"))

    def activate(**_):
        database.activate()

    client.meta.events.register_first(f"{event}.dynamodb", activate)
    assert names(client) in (["from AWS"], ["orders"])
    database.deactivate()


def test_a_lost_wrapper_is_put_back_by_the_next_activation(client, monkeypatch):
    monkeypatch.setattr(BaseClient, "_make_api_call", BaseClient._make_api_call.__wrapped__)
    with fdyno.local():
        assert names(client) == []


def unwrapped(function):
    while getattr(function, "__globals__", {}).get("__name__") == "fdyno._hook":
        function = function.__wrapped__
    return function


@pytest.mark.core
def test_a_call_past_a_lost_wrapper_does_not_leave(client, session, db, monkeypatch):
    monkeypatch.setattr(BaseClient, "_make_api_call", unwrapped(BaseClient._make_api_call))
    create_table(client)
    assert names(client) == ["orders"]
    with pytest.raises(client.exceptions.ResourceInUseException):
        create_table(session.create_client("dynamodb"))


def test_a_client_older_than_an_import_under_a_mock_is_answered(pytester):
    script = pytester.makepyfile(
        """
        import unittest.mock
        import botocore.session

        session = botocore.session.Session()
        session.set_credentials("a", "b")
        client, exempt = [session.create_client("dynamodb", region_name="eu-west-1") for _ in range(2)]

        def refuse(request, **_):
            raise AssertionError("it left")

        for one in (client, exempt):
            one.meta.events.register("before-send", refuse)
        with unittest.mock.patch("botocore.client.BaseClient._make_api_call"):
            import fdyno
            fdyno.connect().activate()
            fdyno.exempt(exempt)
        for _ in range(2):
            assert client.list_tables()["TableNames"] == []
        try:
            exempt.list_tables()
        except AssertionError as error:
            assert str(error) == "it left"
        else:
            raise SystemExit("the exempt call did not leave")
        """
    )
    result = pytester.runpython(script)
    assert result.ret == 0


def test_a_mock_of_make_api_call_still_wins(client, db):
    with unittest.mock.patch.object(BaseClient, "_make_api_call", return_value={"TableNames": ["mocked"]}):
        assert names(client) == ["mocked"]


def test_clients_and_databases_are_not_kept_alive(session):
    client = session.create_client("dynamodb")
    with fdyno.local() as database:
        names(client)
        database.attach(client)
    dead_client, dead_database = weakref.ref(client), weakref.ref(database)
    del client, database
    gc.collect()
    assert (dead_client(), dead_database()) == (None, None)


@fdyno.local
def test_local_decorates_a_function(client):
    assert names(client) == []


@fdyno.local()
def test_local_decorates_a_function_when_called(client):
    assert names(client) == []


def test_each_call_of_a_decorated_function_gets_a_fresh_database(client):
    @fdyno.local
    def run():
        create_table(client)
        return fdyno.current()

    assert run() is not run()


def test_local_decorates_a_coroutine_function(client):
    @fdyno.local
    async def run():
        await asyncio.sleep(0)
        return names(client)

    assert asyncio.run(run()) == []
    assert fdyno.current() is None


def test_local_decorates_a_generator_function(client):
    @fdyno.local
    def fixture():
        yield names(client)

    generator = fixture()
    assert next(generator) == []
    assert fdyno.current() is not None
    assert list(generator) == []
    assert fdyno.current() is None


@fdyno.local
class TestDecoratedClass:
    def test_first(self, client):
        create_table(client)

    def test_second(self, client):
        assert names(client) == []


def test_local_decorates_a_unittest_case_around_its_set_up(client):
    @fdyno.local
    class Case(unittest.TestCase):
        def setUp(self):
            create_table(client)

        def test_it(self):
            self.assertEqual(names(client), ["orders"])

        def test_again(self):
            self.assertEqual(names(client), ["orders"])

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
    assert (result.testsRun, result.errors, result.failures) == (2, [], [])


@pytest.mark.parametrize("url", ["file://data", "file://localhost/data", "file://~/data", "fdb://localhost/fdb.cluster"])
def test_a_url_with_a_host_is_an_error(url):
    with pytest.raises(ValueError, match="names a host"):
        fdyno.connect(url)


def test_an_unknown_url_is_an_error():
    with pytest.raises(ValueError, match="no database url: 'memory:', 'file:./data' or "):
        fdyno.connect("postgres://")


@pytest.mark.parametrize("path", ["./data", "data", "/var/lib/data", "~/data"])
def test_a_path_that_is_no_url_is_told_how_to_be_one(path):
    with pytest.raises(ValueError, match=re.escape(f"no database url: 'file:{path}' or pathlib.Path({path!r})")):
        fdyno.connect(path)
