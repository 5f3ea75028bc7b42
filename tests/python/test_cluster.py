"""Databases on a FoundationDB cluster, as the package gives them: urls, errors, sharing, forks, many calls at once.

The client library is our double, which keeps a cluster's data in the process that loaded it: what several processes see of one
another is not for here. With `--database=fdb:` it is the real one, and what needs the double is skipped.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import double
import fdyno
from conftest import create_table


@pytest.fixture
def url(cluster_url):
    return cluster_url


def put(client, number):
    client.put_item(TableName="orders", Item={"pk": {"S": f"key {number}"}, "n": {"N": str(number)}})


def run(code, **environment):
    """Runs `code` in a process of its own, in an environment without clusters."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FDB_")}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, timeout=120)


def refusal(code, **environment):
    """The `ClusterError` that `code` ends with."""
    ended = run(f"import fdyno\ntry:\n    {code}\nexcept fdyno.ClusterError as error:\n    print(error)", **environment)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.core
def test_boto3_and_its_stream_on_a_cluster(url, client, streams):
    with fdyno.connect(url) as db, db.activate():
        create_table(client, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
        for number in range(30):
            put(client, number)
        client.delete_item(TableName="orders", Key={"pk": {"S": "key 7"}})
        assert client.scan(TableName="orders")["Count"] == 29
        changes = list(db.changes("orders", region_name="eu-west-1"))
        assert [change.kind for change in changes] == ["INSERT"] * 30 + ["REMOVE"]
        numbers = [change.sequence_number for change in changes]
        assert numbers == sorted(set(numbers), key=int)
        assert db.info()["engine"] == "foundationdb"


def test_handles_of_one_prefix_share_a_database_and_schema_changes_are_seen_at_once(url, session):
    one, two = fdyno.connect(url), fdyno.connect(url)
    first, second = session.create_client("dynamodb"), session.create_client("dynamodb")
    one.attach(first)
    two.attach(second)
    create_table(first)
    put(second, 1)
    assert first.scan(TableName="orders")["Count"] == 1
    second.update_table(
        TableName="orders", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    )
    put(first, 2)
    assert [change.new["n"] for change in two.changes("orders", region_name="eu-west-1")] == [2]
    second.delete_table(TableName="orders")
    with pytest.raises(first.exceptions.ResourceNotFoundException):
        put(first, 3)
    assert one.info()["id"] == two.info()["id"]


def test_prefixes_keep_databases_apart(cluster, cluster_name):
    name = cluster_name + "a"
    databases = [fdyno.connect(cluster.url(prefix)) for prefix in (name, name + "1", name[:-1], name + "é")]
    for number, db in enumerate(databases):
        create_table(db.client(), f"table-{number}")
    for number, db in enumerate(databases):
        assert db.client().list_tables()["TableNames"] == [f"table-{number}"]


def test_clearing_the_range_of_a_prefix_removes_the_database_and_no_other(cluster, cluster_name):
    one, another = cluster_name + "a", cluster_name + "b"
    for name in (one, another):
        with fdyno.connect(cluster.url(name)) as db:
            create_table(db.client())
            put(db.client(), 1)
    begin, end = (b"\x02fdyno\x00\x02" + one.encode() + b"\x00" + last for last in (b"\x00", b"\xff"))
    assert cluster.client.holds(begin, end) and cluster.holds(another)
    cluster.client.clear(begin, end)
    assert not cluster.holds(one) and cluster.holds(another)
    with fdyno.connect(cluster.url(one)) as db:
        assert db.client().list_tables()["TableNames"] == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("fdb:?prefx=a", "no option 'prefx'"),
        ("fdb:?prefix=" + "x" * 49, "up to 48 bytes"),
        ("fdb:?prefix=a%00", "none of them zero"),
        ("fdb:?prefix", "bad query field"),
        ("fdb:?prefix=a&prefix=b", "gives the option 'prefix' twice"),
        ("fdb:?library=a&prefix=b&library=a", "gives the option 'library' twice"),
        ("fdb:?prefix=%ff", "utf-8"),
    ],
)
def test_a_url_that_says_nothing_usable_is_a_value_error(url, message):
    with pytest.raises(ValueError, match=message):
        fdyno.connect(url)


def test_durability_is_for_disk(url):
    with pytest.raises(ValueError, match="no durability"):
        fdyno.connect(url, durability="fsync")


def test_without_the_client_library_the_error_names_what_to_install_and_where_it_looked(cluster_file, tmp_path):
    missing = str(tmp_path / "libfdb_c.so")
    for url in (f"fdb:{cluster_file}", "fdb:", "fdb:/nowhere/fdb.cluster"):
        text = refusal(f"fdyno.connect({url!r})", FDB_LOCAL_CLIENT_LIBRARY_PATH=missing)
        for part in ("foundationdb-clients 7.3", f"{missing}, which FDB_LOCAL_CLIENT_LIBRARY_PATH names, does not load"):
            assert part in text
        # A cluster file is looked for when there is a library to use it.
        assert "cluster file" not in text
    given = refusal(f"fdyno.connect('fdb:', client_library={missing!r})", FDB_LOCAL_CLIENT_LIBRARY_PATH="/other")
    assert f"{missing}, whose path was given, does not load" in given and "/other" not in given
    assert "no such file" in given.lower(), "what the loader says"


def test_without_a_name_for_the_library_the_error_lists_what_was_tried():
    text = refusal("fdyno.connect('fdb:')")
    if "cluster file" in text:
        pytest.skip("this machine has FoundationDB's client library")
    assert "no path was given, FDB_LOCAL_CLIENT_LIBRARY_PATH is not set, and the system has no libfdb_c" in text
    assert "client_library=" in text


CHOOSING = """
import fdyno
for place in {places!r}:
    print(fdyno.connect(place).info()["engine"])
print(fdyno.connect("fdb:", client_library={library!r}).info()["engine"])
try:
    fdyno.connect("fdb:", client_library="/other/libfdb_c.so")
except fdyno.ClusterError as error:
    print(error)
try:
    fdyno.connect("fdb:?library=/one", client_library="/two")
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize("named", ["by argument", "in the url"])
def test_the_library_that_is_named_is_the_one_of_the_process(double_library, cluster_file, named):
    library = str(double_library)
    places = [f"fdb:?library={library}", "fdb:"] if named == "in the url" else []
    ended = run(
        CHOOSING.format(library=library, places=places),
        FDB_CLUSTER_FILE=str(cluster_file),
        FDB_LOCAL_CLIENT_LIBRARY_PATH="/nowhere/libfdb_c.so",
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == ["foundationdb"] * (len(places) + 1) + [
        f"this process uses the FoundationDB client library {library} already, and cannot use /other/libfdb_c.so as well: "
        "a process has one",
        "the url names another client library than client_library='/two': '/one'",
    ]


def test_without_a_cluster_file_the_error_says_where_one_was_looked_for(double_library, tmp_path):
    code = f"import os; os.chdir({str(tmp_path)!r}); fdyno.connect('fdb:')"
    text = refusal(code, FDB_LOCAL_CLIENT_LIBRARY_PATH=str(double_library))
    if os.path.exists("/etc/foundationdb/fdb.cluster"):
        pytest.skip("this machine has a cluster file in its usual place")
    assert "no cluster file is named" in text and "FDB_CLUSTER_FILE" in text


def test_the_cluster_file_of_the_environment_is_found(double_library, cluster_file):
    code = "import fdyno; print(fdyno.connect('fdb:'))"
    ended = run(code, FDB_CLUSTER_FILE=str(cluster_file), FDB_LOCAL_CLIENT_LIBRARY_PATH=str(double_library))
    assert ended.stdout == f"<fdyno.Database foundationdb {cluster_file}>\n", ended.stderr


def test_a_bad_cluster_file_is_named(tmp_path, double_library):
    path = tmp_path / "fdb.cluster"
    for text, reason in ((None, "No such file"), ("", "no line like description:id@host:port")):
        if text is not None:
            path.write_text(text)
        with pytest.raises(fdyno.ClusterError, match=reason) as caught:
            fdyno.connect(f"fdb:{path}")
        assert str(path) in str(caught.value)
        assert isinstance(caught.value, fdyno.DatabaseError)


def test_a_cluster_that_does_not_answer_is_waited_for_a_few_seconds(tmp_path, double_library):
    silent = double.cluster_file(tmp_path, "unreachable=1")
    with pytest.raises(fdyno.ClusterError, match="did not answer within 5s"):
        fdyno.connect(f"fdb:{silent}")


def test_a_closed_database_refuses(url):
    db = fdyno.connect(url)
    client = db.client()
    create_table(client)
    db.close()
    with pytest.raises(fdyno.DatabaseError, match="is closed"):
        client.list_tables()
    assert fdyno.connect(url).client().list_tables()["TableNames"] == ["orders"]


def test_a_database_on_a_cluster_does_not_fork(url):
    with pytest.raises(NotImplementedError, match="cannot be forked"):
        fdyno.connect(url).fork()


CHILD = """
import os, fdyno
db = fdyno.connect("fdb:")
client = db.client()
pid = os.fork()
if pid == 0:
    try:
        client.list_tables()
    except Exception as error:
        assert "does not survive os.fork()" in str(error), error
    else:
        os._exit(2)
    try:
        fdyno.connect("fdb:")
    except fdyno.ClusterError as error:
        assert "does not survive os.fork()" in str(error), error
    else:
        os._exit(3)
    # As any child that ends well, with all that is registered for the end.
    raise SystemExit(0)
assert os.waitpid(pid, 0)[1] == 0
assert client.list_tables()["TableNames"] == []
print("the parent goes on")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_after_a_fork_the_child_is_refused_and_the_parent_goes_on(double_library, cluster_file):
    ended = run(CHILD, FDB_CLUSTER_FILE=str(cluster_file), FDB_LOCAL_CLIENT_LIBRARY_PATH=str(double_library))
    assert (ended.returncode, ended.stdout) == (0, "the parent goes on\n"), ended.stderr


ENDING = """
import asyncio, threading, botocore.exceptions, fdyno
db = fdyno.connect("fdb:")
client = db.client()
client.create_table(
    TableName="orders", BillingMode="PAY_PER_REQUEST",
    KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
)

def write():
    number = 0
    while True:
        number += 1
        try:
            client.put_item(TableName="orders", Item={"pk": {"S": str(number)}})
        except botocore.exceptions.ClientError as error:
            # What is under way at the end may be told so, if there is still time for it.
            assert "shut down" in str(error) or "may or may not have committed" in str(error), error
            return

threading.Thread(target=write, daemon=True).start()
while client.scan(TableName="orders")["Count"] < 3:
    pass
"""


def test_a_process_ends_while_calls_are_under_way(double_library, tmp_path):
    slow = double.cluster_file(tmp_path, "latency_ms=1")
    ended = run(ENDING, FDB_CLUSTER_FILE=str(slow), FDB_LOCAL_CLIENT_LIBRARY_PATH=str(double_library))
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
def test_many_calls_wait_together_without_a_thread_each(double_library, tmp_path):
    slow = double.cluster_file(tmp_path, "latency_ms=200")
    db = fdyno.connect(f"fdb:{slow}")
    create_table(db.client())
    # Whatever earlier tests have left running.
    before, threads = len(os.listdir("/proc/self/task")), []

    async def put_one(number):
        item = {"pk": {"S": str(number)}}
        await db.execute_async("dynamodb", "PutItem", {"TableName": "orders", "Item": item})
        threads.append(len(os.listdir("/proc/self/task")))

    async def main():
        await asyncio.gather(*(put_one(number) for number in range(300)))

    asyncio.run(main())
    assert db.client().scan(TableName="orders", Select="COUNT")["Count"] == 300
    assert max(threads) - before < 20
    # The double writes down what it has counted when somebody opens a database on it.
    fdyno.connect(f"fdb:{slow}?prefix=other")
    counters = dict(line.split() for line in Path(f"{slow}.counters").read_text().splitlines())
    assert int(counters["most_in_flight"]) >= 100, "they have waited one after the other"
