"""Time to live through boto3's own client: the rules of its operations, what expires, who sees it."""

import contextlib
import datetime
import gc
import itertools
import os
import pathlib
import threading
import time
import traceback

import pytest
from conftest import create_table
from records import iterator, kinds, read, stream_arn, told
from tables import NEW_AND_OLD, N, S, by_key, create_indexed, fill, item, scan_all

import fdyno

SERVICE = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
TOO_SOON = "Time to live has been modified multiple times within a fixed interval"


def specification(attribute="expires", enabled=True):
    return {"Enabled": enabled, "AttributeName": attribute}


def enable(client, table="orders", attribute="expires"):
    return client.update_time_to_live(TableName=table, TimeToLiveSpecification=specification(attribute))


def described(client, table="orders"):
    return client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]


@pytest.fixture
def sessions(db, client):
    """A table with a stream whose items expire by `expires`, on a clock that stands still."""
    db.clock.freeze()
    name = create_table(client, "sessions", StreamSpecification=NEW_AND_OLD)
    enable(client, name)
    return name


@pytest.fixture
def second(db):
    """So many seconds after now, by the database's clock, as an attribute says it."""

    def second(after):
        return N(int(db.clock.now().timestamp()) + after)

    return second


def put(client, pk, expires, table="sessions"):
    client.put_item(TableName=table, Item={"pk": S(pk), "expires": expires})


def left(client, table="sessions"):
    return sorted(found["pk"]["S"] for found in scan_all(client, table))


@pytest.mark.core
def test_a_table_tells_its_time_to_live(db, client, table):
    assert described(client) == {"TimeToLiveStatus": "DISABLED"}
    assert enable(client)["TimeToLiveSpecification"] == specification()
    assert described(client) == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    db.clock.advance(hours=1)
    answer = client.update_time_to_live(TableName=table, TimeToLiveSpecification=specification(enabled=False))
    assert answer["TimeToLiveSpecification"] == specification(enabled=False)
    assert described(client) == {"TimeToLiveStatus": "DISABLED"}


@pytest.mark.core
def test_another_attribute_takes_over_after_both_waits(db, client, table, refused):
    enable(client)
    refused.invalid(
        client.update_time_to_live, "TimeToLive is already enabled", TableName=table, TimeToLiveSpecification=specification()
    )
    for enabled in (True, False):
        refused.invalid(
            client.update_time_to_live,
            "TimeToLive is active on a different AttributeName: current AttributeName is expires",
            TableName=table,
            TimeToLiveSpecification=specification("ttl", enabled),
        )
    off = {"TableName": table, "TimeToLiveSpecification": specification(enabled=False)}
    on = {"TableName": table, "TimeToLiveSpecification": specification("ttl")}
    refused.invalid(client.update_time_to_live, TOO_SOON, **off)
    db.clock.advance(hours=1)
    client.update_time_to_live(**off)
    refused.invalid(client.update_time_to_live, "TimeToLive is already disabled", **off)
    refused.invalid(client.update_time_to_live, TOO_SOON, **on)
    db.clock.advance(hours=1)
    client.update_time_to_live(**on)
    past = N(int(db.clock.now().timestamp()) - 5)
    for attribute in ("expires", "ttl"):
        client.put_item(TableName=table, Item={"pk": S(attribute), attribute: past})
    db.clock.advance(seconds=1)
    assert left(client, table) == ["expires"]


@pytest.mark.parametrize(
    ("code", "message", "parameters"),
    [
        pytest.param(
            "ResourceNotFoundException",
            "Requested resource not found: Table: nowhere not found",
            {"TableName": "nowhere", "TimeToLiveSpecification": specification()},
            id="no such table",
        ),
        pytest.param(
            "ValidationException",
            "1 validation error detected: Value 'orders!' at 'tableName' failed to satisfy constraint: Member must satisfy "
            "regular expression pattern: [a-zA-Z0-9_.-]+",
            {"TableName": "orders!", "TimeToLiveSpecification": specification()},
            id="no table's name",
        ),
        pytest.param(
            "ValidationException",
            "1 validation error detected: Value '" + "x" * 256 + "' at 'timeToLiveSpecification.attributeName' failed to "
            "satisfy constraint: Member must have length less than or equal to 255",
            {"TableName": "orders", "TimeToLiveSpecification": specification("x" * 256)},
            id="a long attribute name",
        ),
    ],
)
def test_a_bad_request_changes_nothing(client, table, refused, code, message, parameters):
    refused(client.update_time_to_live, code, message, **parameters)


def test_missing_members_are_named(db, client, table):
    light = db.client("dynamodb", region_name="eu-west-1")
    for given, message in [
        ({}, "Value null at 'timeToLiveSpecification' failed to satisfy constraint: Member must not be null"),
        (
            {"TimeToLiveSpecification": {"Enabled": True}},
            "Value null at 'timeToLiveSpecification.attributeName' failed to satisfy constraint: Member must not be null",
        ),
        (
            {"TimeToLiveSpecification": {"AttributeName": "a"}},
            "Value null at 'timeToLiveSpecification.enabled' failed to satisfy constraint: Member must not be null",
        ),
    ]:
        with pytest.raises(light.exceptions.ClientError) as caught:
            light.update_time_to_live(TableName=table, **given)
        assert caught.value.response["Error"]["Message"] == f"1 validation error detected: {message}"
    assert described(client) == {"TimeToLiveStatus": "DISABLED"}


def test_a_table_is_named_by_its_arn_as_well(client, table):
    arn = client.describe_table(TableName=table)["Table"]["TableArn"]
    enable(client, arn)
    assert described(client, arn) == described(client, table)
    assert described(client)["TimeToLiveStatus"] == "ENABLED"


@pytest.mark.core
def test_items_expire_and_the_stream_says_that_the_service_did_it(db, client, streams, sessions, second):
    put(client, "soon", second(10))
    put(client, "later", second(20))
    put(client, "mine", second(15))
    client.delete_item(TableName=sessions, Key={"pk": S("mine")})
    before = db.clock.now()
    db.clock.advance(seconds=9)
    assert left(client) == ["later", "soon"]
    db.clock.advance(minutes=1)
    assert left(client) == []
    records = read(streams, stream_arn(client, sessions))
    assert kinds(records) == ["INSERT"] * 3 + ["REMOVE"] * 3
    mine, soon, later = records[3:]
    assert "userIdentity" not in mine
    assert soon["userIdentity"] == later["userIdentity"] == SERVICE
    assert [record["dynamodb"]["Keys"]["pk"] for record in (soon, later)] == [S("soon"), S("later")]
    assert "NewImage" not in soon["dynamodb"]
    assert soon["dynamodb"]["OldImage"] == records[0]["dynamodb"]["NewImage"]
    waited = [record["dynamodb"]["ApproximateCreationDateTime"] - before for record in (soon, later)]
    for after, due in zip(waited, (10, 20)):
        assert abs(after - datetime.timedelta(seconds=due)) <= datetime.timedelta(seconds=1)


@pytest.mark.core
def test_only_numbers_that_are_times_expire(db, client, sessions, second):
    year = 365 * 24 * 60 * 60
    put(client, "text", S("1"))
    put(client, "set", {"NS": ["1"]})
    put(client, "list", {"L": [N(1)]})
    put(client, "six years ago", second(-6 * year))
    put(client, "five years and a second ago", second(-5 * year - 1))
    put(client, "milliseconds", N(int(db.clock.now().timestamp() * 1000)))
    put(client, "negative", N(-5))
    client.put_item(TableName=sessions, Item={"pk": S("nothing")})
    kept = left(client)
    put(client, "almost five years ago", second(10 - 5 * year))
    put(client, "a fraction", {"N": f"{int(db.clock.now().timestamp())}.5"})
    db.clock.advance(seconds=2)
    assert left(client) == kept


def test_an_item_is_kept_that_was_given_more_time(db, client, streams, sessions, second):
    for pk in ("prolonged", "for ever", "as it was"):
        put(client, pk, second(10))
    db.clock.advance(seconds=9)
    put(client, "prolonged", second(60))
    client.update_item(TableName=sessions, Key={"pk": S("for ever")}, UpdateExpression="REMOVE expires")
    db.clock.advance(seconds=30)
    assert left(client) == ["for ever", "prolonged"]
    db.clock.advance(days=3)
    assert left(client) == ["for ever"]


def test_items_that_were_there_before_expire_and_disabled_ones_stay(db, client, streams, second):
    db.clock.freeze()
    create_table(client, StreamSpecification=NEW_AND_OLD)
    fill(client, "orders", ({"pk": S(str(n)), "expires": second(n)} for n in range(1, 61)))
    db.clock.advance(seconds=20)
    assert len(left(client, "orders")) == 60
    enable(client)
    db.clock.advance(seconds=1)
    assert len(left(client, "orders")) == 39
    db.clock.advance(seconds=9)
    assert len(left(client, "orders")) == 30
    arn = stream_arn(client, "orders")
    assert len([record for record in read(streams, arn) if "userIdentity" in record]) == 30
    more = [{"pk": S(f"more {n}"), "expires": second(7200)} for n in range(5)]
    fill(client, "orders", more)
    db.clock.advance(hours=1)
    client.update_time_to_live(TableName="orders", TimeToLiveSpecification=specification(enabled=False))
    db.clock.advance(hours=2)
    assert by_key(scan_all(client, "orders")) == by_key(more)


@pytest.mark.core
def test_indexes_and_counts_follow_and_show_nothing_of_it(db, client):
    db.clock.freeze()
    create_indexed(client)
    before = client.describe_table(TableName="indexed")["Table"]
    enable(client, "indexed")
    assert client.describe_table(TableName="indexed")["Table"] == before
    now = int(db.clock.now().timestamp())
    entries = [
        item("a", n, grp=S("g"), rank=N(n), amount=N(n), note=S("n"), expires=N(now + 100 * (n % 2))) for n in range(10)
    ]
    fill(client, "indexed", entries)
    answer = client.put_item(TableName="indexed", Item=entries[1], ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    assert "GlobalSecondaryIndexes" not in answer, "nothing of an index has changed"
    db.clock.advance(seconds=1)
    odd = by_key(entries[1::2])
    assert by_key(scan_all(client, "indexed")) == odd
    for index in ("by_amount", "by_group"):
        assert by_key(scan_all(client, "indexed", IndexName=index)) == odd
    table = client.describe_table(TableName="indexed")["Table"]
    for described in [table, *table["LocalSecondaryIndexes"], *table["GlobalSecondaryIndexes"]]:
        assert described["ItemCount"] == 5


def test_a_table_without_a_stream_loses_its_items_too(db, client, table, second):
    db.clock.freeze()
    enable(client)
    put(client, "a", second(1), table)
    db.clock.advance(seconds=1)
    assert left(client, table) == []


def test_large_items_and_keys_that_are_times_expire(db, client, second):
    db.clock.freeze()
    client.create_table(
        TableName="by_time",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "expires", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "expires", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    enable(client, "by_time")
    for after in (10, 20):
        client.put_item(TableName="by_time", Item={"pk": S("a"), "expires": second(after), "big": S("x" * 300_000)})
    db.clock.advance(seconds=10)
    (one,) = scan_all(client, "by_time")
    assert one["expires"] == second(10)


def test_a_table_that_is_deleted_and_made_again_has_no_time_to_live(db, client, sessions, second):
    put(client, "a", second(1))
    client.delete_table(TableName=sessions)
    create_table(client, sessions)
    assert described(client, sessions) == {"TimeToLiveStatus": "DISABLED"}
    put(client, "a", second(1))
    db.clock.advance(hours=1)
    assert left(client) == ["a"]
    enable(client, sessions)
    db.clock.advance(seconds=1)
    assert left(client) == []


def test_items_stay_where_nobody_is_to_look_for_them(client):
    with fdyno.local(ttl_interval=None) as db:
        create_table(client, "sessions")
        enable(client, "sessions")
        put(client, "a", N(int(db.clock.now().timestamp()) - 10))
        db.clock.advance(days=2)
        assert left(client) == ["a"]


def wait_for(condition):
    """Gives other threads turns until the condition holds."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < 60, "it never came"


@pytest.mark.parametrize("interval", [0.02, datetime.timedelta(milliseconds=20)])
def test_items_expire_while_nobody_calls(fresh_url, client, streams, interval):
    with fdyno.connect(fresh_url, ttl_interval=interval) as db, db.activate():
        create_table(client, "sessions", StreamSpecification=NEW_AND_OLD)
        fill(client, "sessions", ({"pk": S(str(n)), "expires": N(10**9 + n)} for n in range(300)))
        past = int(db.clock.now().timestamp()) - 60
        fill(client, "sessions", ({"pk": S(str(n)), "expires": N(past)} for n in range(300)))
        latest = iterator(streams, stream_arn(client, "sessions"), "LATEST")
        enable(client, "sessions")
        # What the engine has done is no call, and makes nothing happen.
        written = db.info()["work"]["keys_written"]
        wait_for(lambda: db.info()["work"]["keys_written"] > written)
        # That it begins is shown; whoever did the rest, each is told once.
        wait_for(lambda: len(streams.get_records(ShardIterator=latest)["Records"]) >= 300)
        page = streams.get_records(ShardIterator=latest)
        assert kinds(page["Records"]) == ["REMOVE"] * 300
        assert left(client) == []


def test_a_thread_that_writes_meanwhile_loses_nothing(client, streams):
    with fdyno.local(ttl_interval=0.001) as db:
        create_table(client, "sessions", StreamSpecification=NEW_AND_OLD)
        enable(client, "sessions")
        past = N(int(db.clock.now().timestamp()) - 5)

        def write(name):
            for n in range(150):
                put(client, f"{name}{n % 5}", past)

        threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        db.clock.freeze()
        db.clock.advance(seconds=1)
        assert left(client) == []
        alive = {}
        for record in read(streams, stream_arn(client, "sessions")):
            key = record["dynamodb"]["Keys"]["pk"]["S"]
            assert alive.get(key) == record["dynamodb"].get("OldImage")
            alive[key] = record["dynamodb"].get("NewImage")
            assert ("userIdentity" in record) == (record["eventName"] == "REMOVE")
        assert set(alive.values()) == {None}


def test_who_waits_for_a_change_hears_of_an_item_that_expires(client):
    with fdyno.local(ttl_interval=0.02) as db:
        create_table(client, "sessions", StreamSpecification=NEW_AND_OLD)
        enable(client, "sessions")
        put(client, "a", N(int(db.clock.now().timestamp()) + 1))
        # Nobody calls while this waits.
        insert, remove = itertools.islice(db.changes("sessions", follow=True, region_name="eu-west-1"), 2)
        assert (insert.kind, remove.kind) == ("INSERT", "REMOVE")
        assert remove.keys == {"pk": "a"}


def threads_of_this_process():
    """The threads' names by their numbers."""
    names = {}
    for task in pathlib.Path("/proc/self/task").iterdir():
        # One that ends meanwhile has no name any more.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            names[task.name] = task.joinpath("comm").read_text().strip()
    return names


@pytest.mark.skipif(not pathlib.Path("/proc/self/task").exists(), reason="threads are listed on Linux only")
def test_the_thread_that_waits_begins_with_the_first_time_to_live_and_ends_with_the_database(tmp_path, client):
    # A thread names itself once it runs, and is listed for a moment after it was joined: its number is waited for.
    # Those of earlier tests' databases may end meanwhile, so they are told apart.
    earlier = {number for number, name in threads_of_this_process().items() if name == "fdyno-expiry"}

    def waiting():
        named = {number for number, name in threads_of_this_process().items() if name == "fdyno-expiry"}
        return len(named - earlier)

    memory, disk = fdyno.connect(), fdyno.connect(tmp_path / "database")
    for db in (memory, disk):
        with db.activate():
            create_table(client, "plain")
    assert waiting() == 0
    for db in (memory, disk):
        with db.activate():
            enable(client, "plain")
            create_table(client, "another")
            enable(client, "another")
    wait_for(lambda: waiting() == 2)
    disk.close()
    wait_for(lambda: waiting() == 1)
    del db, memory
    gc.collect()
    wait_for(lambda: waiting() == 0)
    with fdyno.connect(tmp_path / "database"):
        wait_for(lambda: waiting() == 1)
    wait_for(lambda: waiting() == 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_lets_items_expire_by_its_calls(client):
    with fdyno.local(ttl_interval=0.001) as db:
        create_table(client, "sessions")
        enable(client, "sessions")
        db.clock.freeze()
        put(client, "a", N(int(db.clock.now().timestamp()) + 1))
        child = os.fork()
        if child == 0:
            try:
                # The thread is the parent's: nobody but these calls can have done it.
                assert "fdyno-expiry" not in threads_of_this_process().values()
                while time.time() < db.clock.now().timestamp() + 2:
                    pass
                db.clock.resume()
                put(client, "b", N(int(time.time()) - 1))
                wait_for(lambda: left(client) == [])
                os._exit(0)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        assert left(client) == ["a"]


def test_expired_images_are_told(db, client, streams, sessions, second):
    put(client, "a", second(1))
    stored = {"pk": S("a"), "expires": second(1)}
    db.clock.advance(seconds=5)
    assert told(read(streams, stream_arn(client, sessions)))[-1] == ("REMOVE", {"pk": S("a")}, stored, None)


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (ValueError, {"ttl_interval": 0}),
        (ValueError, {"ttl_interval": -1}),
        (ValueError, {"ttl_interval": float("nan")}),
        (ValueError, {"ttl_interval": float("inf")}),
        (ValueError, {"stream_retention": datetime.timedelta(0)}),
        (TypeError, {"stream_retention": 24}),
        (TypeError, {"ttl_interval": "1"}),
    ],
)
def test_what_is_no_time_is_refused(error, options):
    with pytest.raises(error):
        fdyno.connect(**options)
    with pytest.raises(error):
        fdyno.local(**options)
