"""`db.clock`: time belongs to the test."""

import datetime
import time

import botocore.exceptions
import pytest
from conftest import create_table
from records import iterator, numbers, read, shard, stream_arn
from tables import NEW_AND_OLD, N, S, scan_all

import fdyno

HOUR = datetime.timedelta(hours=1)
MINUTE = datetime.timedelta(minutes=1)


@pytest.fixture
def orders(db, client):
    """A table with a stream, on a clock that stands still."""
    db.clock.freeze()
    return create_table(client, StreamSpecification=NEW_AND_OLD)


def write(client, *names, table="orders"):
    for name in names:
        client.put_item(TableName=table, Item={"pk": S(name)})


def names(records):
    return [record["dynamodb"]["Keys"]["pk"]["S"] for record in records]


def times(records):
    return [record["dynamodb"]["ApproximateCreationDateTime"] for record in records]


def code_of(error):
    return error.value.response["Error"]["Code"]


def test_a_clock_runs_with_the_machines_until_it_is_told_otherwise(db):
    before = datetime.datetime.now(datetime.timezone.utc)
    shown = db.clock.now()
    assert before - MINUTE <= shown <= before + MINUTE and shown.tzinfo is datetime.timezone.utc
    assert not db.clock.frozen
    db.clock.advance(hours=25)
    assert db.clock.now() >= shown + 25 * HOUR
    db.clock.resume()
    assert db.clock.now() < shown + HOUR


def test_a_frozen_clock_stands_still_until_it_is_moved(db):
    db.clock.freeze()
    assert db.clock.frozen
    shown = db.clock.now()
    assert db.clock.now() == shown
    db.clock.advance(HOUR)
    db.clock.advance(days=1, hours=1, minutes=1, seconds=0.5)
    assert db.clock.now() == shown + datetime.timedelta(days=1, hours=2, minutes=1, seconds=0.5)
    moment = datetime.datetime(2040, 2, 29, 12, tzinfo=datetime.timezone.utc)
    db.clock.travel_to(moment)
    assert db.clock.now() == moment and db.clock.frozen
    db.clock.advance(-HOUR)
    assert db.clock.now() == moment - HOUR
    assert "frozen" in repr(db.clock)
    db.clock.resume()
    assert not db.clock.frozen


def test_a_clock_that_runs_goes_on_from_where_it_was_sent(db):
    moment = datetime.datetime(2031, 1, 1, tzinfo=datetime.timezone.utc)
    db.clock.travel_to(moment)
    assert not db.clock.frozen
    shown = db.clock.now()
    assert moment <= shown <= moment + MINUTE
    while db.clock.now() == shown:
        pass


def test_nothing_else_in_the_process_changes(db, forking_db):
    other, machine = fdyno.connect(), time.time()
    twin = db.fork()
    db.clock.travel_to(datetime.datetime(1999, 1, 1, tzinfo=datetime.timezone.utc))
    assert abs(time.time() - machine) < 60
    for database in (other, twin):
        assert abs(database.clock.now().timestamp() - machine) < 60


@pytest.mark.core
def test_records_tell_the_database_s_time_and_it_never_goes_back(db, client, streams, orders):
    start = db.clock.now()
    write(client, "a")
    db.clock.advance(hours=2)
    write(client, "b")
    db.clock.travel_to(start - 5 * HOUR)
    write(client, "c")
    db.clock.travel_to(start + 3 * HOUR)
    write(client, "d")
    records = read(streams, stream_arn(client, orders))
    assert names(records) == ["a", "b", "c", "d"]
    assert [round((at - start) / HOUR) for at in times(records)] == [0, 2, 2, 3]
    assert numbers(records) == sorted(numbers(records))


@pytest.mark.core
def test_iterators_expire_with_the_database_s_time(db, client, streams, orders):
    write(client, "a")
    position = iterator(streams, stream_arn(client, orders))
    db.clock.advance(minutes=15)
    assert names(streams.get_records(ShardIterator=position)["Records"]) == ["a"]
    db.clock.advance(seconds=1)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        streams.get_records(ShardIterator=position)
    assert code_of(error) == "ExpiredIteratorException"
    db.clock.advance(-MINUTE)
    assert names(streams.get_records(ShardIterator=position)["Records"]) == ["a"]


@pytest.mark.core
def test_tokens_of_transactions_are_forgotten_with_the_database_s_time(db, client, orders):
    def add():
        update = {
            "TableName": orders,
            "Key": {"pk": S("a")},
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": N(1)},
        }
        client.transact_write_items(ClientRequestToken="once", TransactItems=[{"Update": update}])
        return scan_all(client, orders)[0]["n"]["N"]

    assert [add(), add()] == ["1", "1"]
    db.clock.advance(minutes=9, seconds=59)
    assert add() == "1"
    db.clock.advance(seconds=1)
    assert add() == "2"


@pytest.mark.core
def test_records_are_trimmed_after_a_day_and_a_reader_behind_is_told(db, client, streams, orders):
    arn = stream_arn(client, orders)
    write(client, "a", "b")
    (first, _) = numbers(read(streams, arn))
    db.clock.advance(hours=23)
    write(client, "c")
    early = iterator(streams, arn, "AT_SEQUENCE_NUMBER", SequenceNumber=first)
    assert names(read(streams, arn)) == ["a", "b", "c"]
    db.clock.advance(hours=1, seconds=1)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        iterator(streams, arn, "AFTER_SEQUENCE_NUMBER", SequenceNumber=first)
    assert code_of(error) == "TrimmedDataAccessException"
    with pytest.raises(botocore.exceptions.ClientError) as error:
        streams.get_records(ShardIterator=early)
    assert code_of(error) == "ExpiredIteratorException"
    assert names(read(streams, arn)) == ["c"]


@pytest.mark.core
def test_a_consumer_behind_the_trim_starts_again_at_the_horizon(db, client, streams, orders):
    arn = stream_arn(client, orders)
    write(client, "a")
    db.clock.advance(hours=24)
    write(client, "b")
    position = iterator(streams, arn)
    db.clock.advance(minutes=10)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        streams.get_records(ShardIterator=position)
    assert code_of(error) == "TrimmedDataAccessException"
    assert names(read(streams, arn)) == ["b"]


def test_how_long_records_are_kept_can_be_said(client, streams):
    with fdyno.local(stream_retention=HOUR) as db:
        db.clock.freeze()
        arn = stream_arn(client, create_table(client, StreamSpecification=NEW_AND_OLD))
        write(client, "a")
        db.clock.advance(minutes=50)
        write(client, "b")
        db.clock.advance(minutes=10)
        assert names(read(streams, arn)) == ["a", "b"]
        db.clock.advance(seconds=1)
        assert names(read(streams, arn)) == ["b"]
        client.delete_table(TableName="orders")
        db.clock.advance(minutes=60)
        assert len(streams.list_streams()["Streams"]) == 1
        db.clock.advance(seconds=1)
        assert streams.list_streams()["Streams"] == []


def test_travelling_back_never_trims_what_is_newer(db, client, streams, orders):
    arn = stream_arn(client, orders)
    write(client, "a")
    db.clock.advance(hours=20)
    write(client, "b")
    db.clock.advance(-30 * HOUR)
    write(client, "c")
    db.clock.advance(hours=5)
    db.clock.travel_to(db.clock.now() - 20 * HOUR)
    write(client, "d")
    assert names(read(streams, arn)) == ["a", "b", "c", "d"]
    assert client.describe_table(TableName=orders)["Table"]["ItemCount"] == 4


def test_labels_never_repeat_while_the_clock_stands_still(db, client, streams, orders):
    labels = [client.describe_table(TableName=orders)["Table"]["LatestStreamLabel"]]
    for _ in range(5):
        client.update_table(TableName=orders, StreamSpecification={"StreamEnabled": False})
        client.update_table(TableName=orders, StreamSpecification=NEW_AND_OLD)
        labels.append(client.describe_table(TableName=orders)["Table"]["LatestStreamLabel"])
        client.delete_table(TableName=orders)
        create_table(client, StreamSpecification=NEW_AND_OLD)
        labels.append(client.describe_table(TableName=orders)["Table"]["LatestStreamLabel"])
    assert len(set(labels)) == len(labels)
    shards = {shard(streams, stream["StreamArn"])["ShardId"] for stream in streams.list_streams()["Streams"]}
    assert len(shards) == len(labels)


@pytest.mark.core
def test_labels_never_repeat_when_the_clock_goes_back_to_where_a_stream_began(db, client, streams, orders):
    start = db.clock.now()
    first = stream_arn(client, orders)
    held = iterator(streams, first, "TRIM_HORIZON")
    client.update_table(TableName=orders, StreamSpecification={"StreamEnabled": False})
    db.clock.advance(seconds=1)
    client.update_table(TableName=orders, StreamSpecification=NEW_AND_OLD)
    db.clock.advance(hours=25)
    assert [stream["StreamArn"] for stream in streams.list_streams()["Streams"]] == [stream_arn(client, orders)]
    write(client, "of the second stream")
    client.update_table(TableName=orders, StreamSpecification={"StreamEnabled": False})
    arns = {first}
    for _ in range(4):
        db.clock.travel_to(start)
        client.update_table(TableName=orders, StreamSpecification=NEW_AND_OLD)
        arns.add(stream_arn(client, orders))
        client.delete_table(TableName=orders)
        create_table(client, StreamSpecification=NEW_AND_OLD)
        arns.add(stream_arn(client, orders))
        client.update_table(TableName=orders, StreamSpecification={"StreamEnabled": False})
        db.clock.advance(hours=25)
        streams.list_streams()
    assert len(arns) == 9
    db.clock.travel_to(start)
    with pytest.raises(streams.exceptions.ResourceNotFoundException):
        streams.get_records(ShardIterator=held)


@pytest.mark.core
def test_what_falls_due_happens_in_the_order_of_time(db, client, streams):
    db.clock.freeze()
    start = db.clock.now().replace(microsecond=0) + datetime.timedelta(seconds=1)
    db.clock.travel_to(start)
    tables = ["one", "two"]
    for name in tables:
        create_table(client, name, StreamSpecification=NEW_AND_OLD)
        client.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
        )
    # From the last to the first, in turn in both tables.
    for minute in range(12, 0, -1):
        item = {"pk": S(str(minute)), "expires": N(int(start.timestamp()) + 60 * minute)}
        client.put_item(TableName=tables[minute % 2], Item=item)
    db.clock.advance(minutes=10)
    assert db.clock.now() == start + 10 * MINUTE
    removed = []
    for name in tables:
        records = [record for record in read(streams, stream_arn(client, name)) if "userIdentity" in record]
        minutes = [int(name) for name in names(records)]
        told = [round((at - start) / MINUTE) for at in times(records)]
        assert told == minutes == sorted(minutes)
        removed += minutes
    assert sorted(removed) == list(range(1, 11))
    assert [item["pk"]["S"] for name in tables for item in scan_all(client, name)] == ["12", "11"]


def test_what_expires_on_the_way_is_trimmed_at_its_end(db, client, streams, orders):
    client.update_time_to_live(TableName=orders, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})
    now = int(db.clock.now().timestamp())
    for pk, after in (("early", 3_600), ("late", 20 * 3_600)):
        client.put_item(TableName=orders, Item={"pk": S(pk), "expires": N(now + after)})
    db.clock.advance(hours=30)
    assert scan_all(client, orders) == []
    assert names(read(streams, stream_arn(client, orders))) == ["late"]


def test_running_on_with_the_machine_s_time_passes_through_what_lies_between(db, client, streams):
    db.clock.freeze()
    create_table(client, StreamSpecification=NEW_AND_OLD)
    client.update_time_to_live(TableName="orders", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})
    due = int(db.clock.now().timestamp()) + 1
    client.put_item(TableName="orders", Item={"pk": S("a"), "expires": N(due)})
    while time.time() < due + 2:
        pass
    db.clock.resume()
    assert not db.clock.frozen and db.clock.now().timestamp() >= due + 2
    (_, removed) = read(streams, stream_arn(client, "orders"))
    assert removed["eventName"] == "REMOVE"
    assert removed["dynamodb"]["ApproximateCreationDateTime"].timestamp() == due


@pytest.mark.parametrize("moment", [datetime.timedelta(days=4_000_000), datetime.timedelta(days=-4_000_000)])
def test_a_clock_shows_what_a_datetime_can_show(db, moment):
    shown = db.clock.now()
    with pytest.raises(ValueError, match="year 1 to year 9999"):
        db.clock.advance(moment)
    assert abs(db.clock.now() - shown) < MINUTE
