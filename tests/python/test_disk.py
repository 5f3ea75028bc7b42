"""Databases in a directory: they stay, they are locked, they are closed, and they refuse what they cannot do."""

import asyncio
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ParamValidationError
from conftest import create_table
from packages import needed
from test_fork import in_child

import fdyno

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "data"


def put(client, number):
    client.put_item(TableName="orders", Item={"pk": {"S": str(number)}})


@pytest.mark.skipif(sys.platform != "linux", reason="a path is bytes there")
def test_a_directory_whose_name_is_no_text_is_told_as_well_as_can_be(tmp_path):
    with fdyno.connect(Path(os.fsdecode(bytes(tmp_path) + b"/d\xff"))) as db:
        assert db.info()["path"] == f"{tmp_path}/d\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("durability", ["buffered", "fsync"])
def test_items_and_changes_are_there_when_it_is_opened_again(client, directory, durability):
    url = f"file:{directory}"
    with fdyno.connect(url, durability=durability) as db, db.activate():
        create_table(client, StreamSpecification=STREAM)
        for number in range(3):
            put(client, number)
        before = list(db.changes("orders", region_name="eu-west-1"))
    with fdyno.connect(url, durability=durability) as db, db.activate():
        assert client.scan(TableName="orders")["Count"] == 3
        put(client, 3)
        after = list(db.changes("orders", region_name="eu-west-1"))
    assert after[:3] == before
    assert [change.keys["pk"] for change in after] == ["0", "1", "2", "3"]
    numbers = [change.sequence_number for change in after]
    assert numbers == sorted(numbers)


def test_a_path_is_a_url(directory):
    with fdyno.connect(directory) as db:
        assert db.info()["engine"] == "disk"
        assert Path(db.info()["path"]) == directory
        assert db.info()["torn_bytes"] == 0
        assert repr(db) == f"<fdyno.Database disk {directory}>"


def test_a_relative_path_and_a_url_with_slashes(directory, monkeypatch):
    monkeypatch.chdir(directory.parent)
    for url in ("file:./data", "file:data", f"file://{directory}"):
        with fdyno.connect(url) as db:
            assert Path(db.info()["path"]) == directory


def test_a_second_opening_is_refused_and_names_the_holder(directory):
    with fdyno.connect(directory):
        with pytest.raises(fdyno.DatabaseLockedError, match=f"is open in process {os.getpid()} "):
            fdyno.connect(directory)
    fdyno.connect(directory).close()


def test_another_process_is_refused_and_told_who_has_it(directory):
    program = f"import fdyno; fdyno.connect({f'file:{directory}'!r})"
    with fdyno.connect(directory):
        refused = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert refused.returncode != 0
        assert f"DatabaseLockedError: {directory} is open in process {os.getpid()} " in refused.stderr
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_database_that_nothing_refers_to_is_closed(directory):
    db = fdyno.connect(directory)
    del db
    fdyno.connect(directory).close()


@pytest.fixture
def closed(directory):
    """A database that was closed while it was active, and with a table in it."""
    db = fdyno.connect(directory)
    create_table(db.client(region_name="eu-west-1"))
    db.activate()
    db.close()
    yield db
    db.deactivate()


def refusal(directory):
    message = re.escape(f"the database in {directory} is closed (its clients are refused until")
    return pytest.raises(fdyno.DatabaseError, match=message)


@pytest.mark.core
def test_a_closed_database_refuses_attached_clients_and_leaves_the_network_alone(client, directory, network):
    db = fdyno.connect(directory)
    db.attach(client)
    create_table(client)
    db.close()
    db.close()
    with refusal(directory):
        put(client, 1)
    assert network == []


@pytest.mark.core
def test_a_database_closed_while_it_is_active_refuses_every_client(client, streams, closed, directory, network):
    assert fdyno.current() is closed
    early, late = client, boto3.client("dynamodb", region_name="eu-west-1")
    for one in (early, late):
        with refusal(directory):
            put(one, 1)
        with refusal(directory):
            # Of what no database need be asked for.
            one.describe_limits()
        with pytest.raises(ParamValidationError):
            one.put_item(Nonsense=1)
    with refusal(directory):
        streams.list_streams()
    assert network == []


def test_a_closed_database_refuses_its_own_clients(closed, directory):
    with refusal(directory):
        closed.client().list_tables()
    with refusal(directory):
        closed.execute_async("dynamodb", "ListTables", {})
    with refusal(directory):
        closed.changes("orders")
    with refusal(directory):
        list(closed.tables())


def test_a_closed_database_refuses_aiobotocore(closed, directory, network):
    session_module = needed("aiobotocore.session")

    async def main():
        session = session_module.get_session()
        session.set_credentials("AKIDEXAMPLE", "secret")
        async with session.create_client("dynamodb", region_name="eu-west-1") as client:
            with refusal(directory):
                await client.list_tables()

    asyncio.run(main())
    assert network == []


def test_a_block_that_leaves_its_database_active_lets_nothing_out_either(client, directory, network):
    with fdyno.connect(directory) as db:
        db.activate()
        create_table(client)
    with refusal(directory):
        client.list_tables()
    assert network == []
    # Another one is active meanwhile, and answers.
    with fdyno.connect(directory) as again, again.activate():
        assert client.list_tables()["TableNames"] == ["orders"]
    with refusal(directory):
        client.list_tables()
    db.deactivate()
    assert fdyno.current() is None


def test_a_closed_database_says_so(closed, directory):
    assert repr(closed) == f"<fdyno.Database disk {directory} (closed)>"
    assert closed._repr_html_() is None
    with refusal(directory):
        closed.info()


def test_a_call_that_is_under_way_while_its_database_is_closed_is_refused_as_well(directory):
    db = fdyno.connect(directory)
    client = db.client()
    create_table(client)
    outcomes, started = [], threading.Event()

    def write():
        try:
            while True:
                put(client, 1)
                started.set()
        except Exception as error:
            outcomes.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    started.wait(30)
    db.close()
    thread.join(30)
    [outcome] = outcomes
    assert type(outcome) is fdyno.DatabaseError
    assert f"{directory} is closed" in str(outcome)


def test_a_database_in_memory_has_nothing_to_close(client):
    with fdyno.connect() as db:
        db.activate()
        create_table(client)
    assert client.list_tables()["TableNames"] == ["orders"]
    assert db.info()["engine"] == "memory"
    assert repr(db) == "<fdyno.Database memory>"
    db.deactivate()


def test_it_does_not_fork(directory):
    with fdyno.connect(directory) as db:
        with pytest.raises(NotImplementedError, match="fork of a database on disk"):
            db.fork()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_is_refused_and_harms_nothing(client, directory):
    with fdyno.connect(directory) as db, db.activate():
        create_table(client)
        put(client, 1)

        def child():
            with pytest.raises(client.exceptions.InternalServerError, match="before this process was forked"):
                put(client, 2)
            with pytest.raises(fdyno.DatabaseLockedError):
                fdyno.connect(directory)
            db.close()

        in_child(child)
        put(client, 3)
        assert client.scan(TableName="orders")["Count"] == 2
    fdyno.connect(directory).close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_child_that_outlives_its_parents_use_does_not_keep_the_directory(directory):
    db = fdyno.connect(directory)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    try:
        os.close(read)
        db.close()
        fdyno.connect(directory).close()
    finally:
        os.close(write)
        os.waitpid(pid, 0)


def test_damage_is_an_error_that_names_the_file(client, directory):
    with fdyno.connect(directory) as db, db.activate():
        create_table(client)
        for number in range(5):
            put(client, number)
    [segment] = (directory / "log").glob("*.log")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    with pytest.raises(fdyno.DatabaseDamagedError, match=segment.name):
        fdyno.connect(directory)


def test_a_directory_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(fdyno.DatabaseError, match="holds no fdyno database"):
        fdyno.connect(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["letter.txt"]


def test_a_file_where_the_directory_should_be_is_an_error_that_says_so(tmp_path):
    path = tmp_path / "a-file"
    path.write_text("dear")
    with pytest.raises(fdyno.DatabaseError, match=re.escape(f"{path} is a file; a database is a directory")):
        fdyno.connect(path)
    assert path.read_text() == "dear"


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(fdyno.DatabaseError, match="cannot create"):
        fdyno.connect(tmp_path / "file" / "data")


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("file:", {}, "names no directory"),
        ("memory:", {"durability": "fsync"}, "has no durability"),
        ("file:x", {"durability": "sometimes"}, "'buffered' or 'fsync'"),
        ("file:x?y=1", {}, "no option 'y': a path has none"),
        ("file:x?durability=fsync", {}, "no option 'durability'"),
        ("file:x?y", {}, "bad query field"),
        ("file:x", {"client_library": "libfdb_c.so"}, "needs no client library"),
        ("memory:", {"client_library": "libfdb_c.so"}, "needs no client library"),
    ],
)
def test_urls_that_say_nothing_useful_are_errors(url, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        fdyno.connect(url, **options)
    assert not any(tmp_path.iterdir()), "nothing was made"


def test_a_path_may_have_any_name(tmp_path):
    for name in ("what?", "a?x=1", "%41", "a&b"):
        fdyno.connect(tmp_path / name).close()
    assert sorted(os.listdir(tmp_path)) == ["%41", "a&b", "a?x=1", "what?"]


def test_the_fsync_database_serves_asyncio_and_threads(client, directory):
    async def puts(db):
        calls = [
            db.execute_async("dynamodb", "PutItem", {"TableName": "orders", "Item": {"pk": {"S": str(number)}}})
            for number in range(50)
        ]
        await asyncio.gather(*calls)

    with fdyno.connect(directory, durability="fsync") as db, db.activate():
        create_table(db.client("dynamodb", region_name="us-east-1"))
        asyncio.run(puts(db))
        assert db.client("dynamodb", region_name="us-east-1").scan(TableName="orders")["Count"] == 50
