"""Several Python processes on one cluster: what each sees of the others' changes, and of the clock.

The cluster's client library is our double, with the data in a process that serves them all. More of this, with faults and
many seeds, is in `tests/processes.rs`.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import time
import uuid

import pytest

import double
import fdyno
from processes import Process, Refused

KEYS = {
    "TableName": "orders",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
STREAM = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}


@pytest.fixture(scope="session")
def port(double_library):
    with double.served() as port:
        yield port


@pytest.fixture
def cluster(port, tmp_path):
    """The url of a cluster's database, for a process to which the cluster behaves so."""
    name, numbers = uuid.uuid4().hex, itertools.count()

    def url(settings="seed=1"):
        path = tmp_path / f"{next(numbers)}.cluster"
        return f"fdb:{double.served_cluster_file(path, name, port, settings)}?prefix=shared"

    return url


@pytest.fixture
def start(cluster):
    """Starts a process on the cluster."""
    with contextlib.ExitStack() as processes:
        yield lambda settings="seed=1": processes.enter_context(Process(cluster(settings)))


def item(number):
    return {"TableName": "orders", "Item": {"pk": {"S": f"key {number}"}, "grp": {"S": "g"}, "n": {"N": str(number)}}}


def test_tables_and_indexes_made_changed_and_deleted_by_one_process_are_so_for_the_other_at_once(start):
    one, two = start(), start("seed=2 1020=0.05 1021did=0.05")
    one.db("create_table", **KEYS)
    one.db("put_item", **item(1))
    two.db("put_item", **item(2))
    index = {
        "IndexName": "by_group",
        "KeySchema": [{"AttributeName": "grp", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    one.db(
        "update_table",
        TableName="orders",
        AttributeDefinitions=[{"AttributeName": "grp", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": index}],
    )
    two.db("put_item", **item(3))
    query = {
        "TableName": "orders",
        "IndexName": "by_group",
        "KeyConditionExpression": "grp = :g",
        "ExpressionAttributeValues": {":g": {"S": "g"}},
    }
    for process in (one, two):
        assert {found["n"]["N"] for found in process.db("query", **query)["Items"]} == {"1", "2", "3"}
    one.db("delete_table", TableName="orders")
    with pytest.raises(Refused, match="ResourceNotFoundException"):
        two.db("put_item", **item(4))
    two.db("create_table", **KEYS)
    assert one.db("scan", TableName="orders")["Count"] == 0


def moment(process):
    return datetime.datetime.fromisoformat(process.clock("now"))


def test_the_clock_belongs_to_the_database_and_not_to_a_process(start):
    one, two = start(), start()
    one.clock("freeze")
    before = moment(one)
    one.clock("advance", hours=3)
    assert moment(two) == before + datetime.timedelta(hours=3)
    two.clock("advance", hours=-1)
    assert moment(one) == before + datetime.timedelta(hours=2)
    three = start()
    assert moment(three) == before + datetime.timedelta(hours=2)
    three.clock("resume")
    assert abs(moment(two) - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=30)


def test_another_process_judges_the_age_of_records_by_the_moved_clock_within_seconds(start):
    one, two = start(), start()
    one.db("create_table", **KEYS, **STREAM)
    two.db("put_item", **item(1))
    arn = one.db("describe_table", TableName="orders")["Table"]["LatestStreamArn"]
    (shard,) = one.ask("dynamodbstreams", "describe_stream", StreamArn=arn)["StreamDescription"]["Shards"]

    def records(process):
        where = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = process.ask("dynamodbstreams", "get_shard_iterator", **where)["ShardIterator"]
        return process.ask("dynamodbstreams", "get_records", ShardIterator=iterator)["Records"]

    assert len(records(two)) == 1
    one.clock("advance", hours=25)
    assert records(one) == []
    deadline = time.monotonic() + 60
    while records(two):
        assert time.monotonic() < deadline
    # What is written now has the moved clock's time, whoever writes it.
    two.db("put_item", **item(2))
    (record,) = records(one)
    written = datetime.datetime.fromisoformat(record["dynamodb"]["ApproximateCreationDateTime"])
    assert abs(written - moment(one)) < datetime.timedelta(minutes=30)


def test_what_a_killed_process_had_acknowledged_is_there_and_others_go_on(start, cluster):
    dying, other = start("seed=3 latency_ms=1 1021not=0.05 1039later=0.05"), start()
    other.db("create_table", **KEYS, **STREAM)
    for number in range(20):
        dying.db("put_item", **item(number))
    dying.tell("dynamodb", "put_item", **item(20))
    dying.kill()
    other.db("put_item", **item(21))
    with fdyno.connect(cluster()) as db:
        told = [change.new["n"] for change in db.changes("orders", region_name="eu-west-1")]
    assert told[:20] == list(range(20))
    # Of the last one nobody knows.
    assert told[20:] in ([21], [20, 21], [21, 20])
