"""Change streams through boto3's own client: views, shards, iterators, pages, ends."""

import datetime
import re

import pytest
from conftest import create_table
from records import iterator, kinds, numbers, read, shard, stream_arn, told
from tables import NEW_AND_OLD, N, S, create_sorted, item, key_schema, stream

EXPIRED = "The provided iterator exceeds the maximum age allowed."
TRIMMED = "The data you are trying to access has been trimmed."


@pytest.fixture
def orders(db, client):
    return create_table(client, StreamSpecification=NEW_AND_OLD)


@pytest.fixture
def arn(client, orders):
    return stream_arn(client, orders)


def write(client, *names, table="orders"):
    for name in names:
        client.put_item(TableName=table, Item={"pk": S(name)})


def needs_parameter(streams, operation, name):
    """Skips on releases of botocore that do not know the parameter yet."""
    if name not in streams.meta.service_model.operation_model(operation).input_shape.members:
        pytest.skip(f"this botocore has no {name}")


def names(records):
    return [record["dynamodb"]["Keys"]["pk"]["S"] for record in records]


@pytest.mark.core
@pytest.mark.parametrize(
    ("view", "old", "new"),
    [
        ("KEYS_ONLY", False, False),
        ("NEW_IMAGE", False, True),
        ("OLD_IMAGE", True, False),
        ("NEW_AND_OLD_IMAGES", True, True),
    ],
)
def test_each_view_shows_what_it_says(db, client, streams, view, old, new):
    create_sorted(client, StreamSpecification=stream(view))
    key, one, two = item("a", 1), item("a", 1, n=N(1)), item("a", 1, n=N(2))
    client.put_item(TableName="events", Item=one)
    client.put_item(TableName="events", Item=two)
    client.delete_item(TableName="events", Key=key)
    arn = stream_arn(client, "events")
    assert streams.describe_stream(StreamArn=arn)["StreamDescription"]["StreamViewType"] == view
    records = read(streams, arn)
    assert told(records) == [
        ("INSERT", key, None, one if new else None),
        ("MODIFY", key, one if old else None, two if new else None),
        ("REMOVE", key, two if old else None, None),
    ]
    # Keys: "pk" + "a" + "sk" + 1; "n" and its number are three bytes more.
    size = {"key": 2 + 1 + 2 + 2, "item": 2 + 1 + 2 + 2 + 1 + 2}
    assert [record["dynamodb"]["SizeBytes"] for record in records] == [
        size["key"] + new * size["item"],
        size["key"] + (old + new) * size["item"],
        size["key"] + old * size["item"],
    ]
    assert {record["dynamodb"]["StreamViewType"] for record in records} == {view}


@pytest.mark.core
def test_a_record_has_every_field(db, client, streams, orders, arn):
    write(client, "a")
    (record,) = read(streams, arn)
    created = record["dynamodb"].pop("ApproximateCreationDateTime")
    assert created.tzinfo is not None and created.microsecond == 0
    assert abs(created - db.clock.now()) < datetime.timedelta(minutes=1)
    assert re.fullmatch(r"[0-9a-f]{32}", record.pop("eventID"))
    assert re.fullmatch(r"\d{21,40}", record["dynamodb"].pop("SequenceNumber"))
    assert record == {
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-1",
        "dynamodb": {
            "Keys": {"pk": S("a")},
            "NewImage": {"pk": S("a")},
            "SizeBytes": 6,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }


@pytest.mark.core
def test_streams_are_listed_and_described(db, client, streams):
    create_table(client, "plain")
    for name in ("one", "two", "three"):
        create_table(client, name, StreamSpecification=NEW_AND_OLD)
    arns = {stream_arn(client, name): name for name in ("one", "two", "three")}
    listed = streams.list_streams()["Streams"]
    assert {entry["StreamArn"]: entry["TableName"] for entry in listed} == arns
    assert all(entry["StreamArn"].endswith(entry["StreamLabel"]) for entry in listed)
    (only,) = streams.list_streams(TableName="two")["Streams"]
    assert only["TableName"] == "two"
    assert streams.list_streams(TableName="plain")["Streams"] == []
    found, more = [], {}
    while True:
        page = streams.list_streams(Limit=2, **more)
        assert len(page["Streams"]) <= 2
        found += [entry["StreamArn"] for entry in page["Streams"]]
        if "LastEvaluatedStreamArn" not in page:
            break
        more = {"ExclusiveStartStreamArn": page["LastEvaluatedStreamArn"]}
    assert sorted(found) == sorted(arns)
    described = streams.describe_stream(StreamArn=only["StreamArn"])["StreamDescription"]
    created = described.pop("CreationRequestDateTime")
    assert abs(created - db.clock.now()) < datetime.timedelta(minutes=1)
    (one,) = described.pop("Shards")
    assert set(one) == {"ShardId", "SequenceNumberRange"}
    assert re.fullmatch(r"shardId-.{20,57}", one["ShardId"])
    assert one["SequenceNumberRange"].keys() == {"StartingSequenceNumber"}
    assert described == {
        "StreamArn": only["StreamArn"],
        "StreamLabel": only["StreamLabel"],
        "StreamStatus": "ENABLED",
        "StreamViewType": "NEW_AND_OLD_IMAGES",
        "TableName": "two",
        "KeySchema": key_schema("pk"),
    }


def test_shards_are_described_page_by_page(client, streams, arn):
    (one,) = streams.describe_stream(StreamArn=arn, Limit=1)["StreamDescription"]["Shards"]
    after = streams.describe_stream(StreamArn=arn, ExclusiveStartShardId=one["ShardId"])["StreamDescription"]
    assert after["Shards"] == [] and "LastEvaluatedShardId" not in after


def test_the_one_shard_has_no_children(client, streams, arn):
    needs_parameter(streams, "DescribeStream", "ShardFilter")
    children = {"Type": "CHILD_SHARDS", "ShardId": shard(streams, arn)["ShardId"]}
    assert streams.describe_stream(StreamArn=arn, ShardFilter=children)["StreamDescription"]["Shards"] == []


def test_records_are_numbered_upwards_and_told_once(client, streams, arn):
    for n in range(50):
        write(client, f"a{n % 7}", f"b{n}")
        client.delete_item(TableName="orders", Key={"pk": S(f"a{n % 7}")})
    records = read(streams, arn)
    assert kinds(records) == ["INSERT", "INSERT", "REMOVE"] * 50
    assert numbers(records) == sorted(set(numbers(records)), key=int) == sorted(set(numbers(records)))
    assert len({record["eventID"] for record in records}) == 150
    times = [record["dynamodb"]["ApproximateCreationDateTime"] for record in records]
    assert times == sorted(times)
    first = shard(streams, arn)["SequenceNumberRange"]["StartingSequenceNumber"]
    assert int(first) <= int(numbers(records)[0])


@pytest.mark.core
def test_the_records_replayed_are_the_table(client, streams, arn):
    for n in range(60):
        key = {"pk": S(f"k{n * 7 % 13}")}
        match n % 4:
            case 0 | 1:
                client.put_item(TableName="orders", Item={**key, "n": N(n)})
            case 2:
                client.update_item(
                    TableName="orders", Key=key, UpdateExpression="ADD c :n", ExpressionAttributeValues={":n": N(n)}
                )
            case _:
                client.delete_item(TableName="orders", Key=key)
    replica = {}
    for kind, key, old, new in told(read(streams, arn)):
        name = key["pk"]["S"]
        assert replica.get(name) == old
        assert (kind == "INSERT") == (old is None) and (kind == "REMOVE") == (new is None)
        replica[name] = new
    items = {found["pk"]["S"]: found for found in client.scan(TableName="orders")["Items"]}
    assert {name: found for name, found in replica.items() if found} == items


@pytest.mark.core
def test_every_iterator_type_starts_where_it_says(db, client, streams, arn):
    write(client, "a", "b")
    latest = iterator(streams, arn, "LATEST")
    write(client, "c", "d")
    sequence = numbers(read(streams, arn))
    assert names(read(streams, arn, "TRIM_HORIZON")) == ["a", "b", "c", "d"]
    assert names(streams.get_records(ShardIterator=latest)["Records"]) == ["c", "d"]
    assert read(streams, arn, "LATEST") == []
    assert names(read(streams, arn, "AT_SEQUENCE_NUMBER", SequenceNumber=sequence[1])) == ["b", "c", "d"]
    assert names(read(streams, arn, "AFTER_SEQUENCE_NUMBER", SequenceNumber=sequence[1])) == ["c", "d"]
    assert read(streams, arn, "AFTER_SEQUENCE_NUMBER", SequenceNumber=sequence[3]) == []


@pytest.mark.core
def test_an_iterator_starts_at_a_time(db, client, streams, arn):
    needs_parameter(streams, "GetShardIterator", "Timestamp")
    write(client, "a", "b")
    db.clock.advance(seconds=100)
    middle = db.clock.now()
    write(client, "c", "d")
    # Versions of a cluster do not: times follow from samples, and a moment may lie a little before what was written then.
    tells_time = db.info()["engine"] != "foundationdb"
    starts = {
        middle - datetime.timedelta(days=1): ["a", "b", "c", "d"],
        middle - datetime.timedelta(seconds=50): ["c", "d"],
        middle - datetime.timedelta(milliseconds=1 if tells_time else 1_000): ["c", "d"],
    }
    for moment, expected in starts.items():
        assert names(read(streams, arn, "AT_TIMESTAMP", Timestamp=moment)) == expected
    db.clock.advance(seconds=100)
    assert read(streams, arn, "AT_TIMESTAMP", Timestamp=middle + datetime.timedelta(seconds=50)) == []


@pytest.mark.core
def test_no_iterator_starts_in_the_future(db, client, streams, arn, refused):
    needs_parameter(streams, "GetShardIterator", "Timestamp")
    write(client, "a")
    request = {"StreamArn": arn, "ShardId": shard(streams, arn)["ShardId"], "ShardIteratorType": "AT_TIMESTAMP"}
    future = db.clock.now() + datetime.timedelta(minutes=1)
    refused.invalid(streams.get_shard_iterator, re.compile("^Invalid Timestamp"), Timestamp=future, **request)
    # What was written before the clock was set back is no future.
    written = db.clock.now()
    db.clock.advance(hours=-1)
    assert streams.get_shard_iterator(Timestamp=written - datetime.timedelta(seconds=10), **request)


def test_latest_follows_what_comes(client, streams, arn):
    write(client, "before")
    position = iterator(streams, arn, "LATEST")
    for name in ("a", "b"):
        page = streams.get_records(ShardIterator=position)
        assert page["Records"] == []
        write(client, name)
        page = streams.get_records(ShardIterator=page["NextShardIterator"])
        assert names(page["Records"]) == [name]
        position = page["NextShardIterator"]


def test_an_iterator_may_be_used_again(client, streams, arn):
    write(client, "a", "b")
    position = iterator(streams, arn)
    first, second = (streams.get_records(ShardIterator=position) for _ in range(2))
    assert first["Records"] == second["Records"] and names(first["Records"]) == ["a", "b"]


def test_pages_have_at_most_the_limit(client, streams, arn):
    write(client, *"abcdefg")
    pages, position = [], iterator(streams, arn)
    while True:
        page = streams.get_records(ShardIterator=position, Limit=3)
        if not page["Records"]:
            break
        pages.append(names(page["Records"]))
        position = page["NextShardIterator"]
    assert pages == [list("abc"), list("def"), ["g"]]


def test_a_page_has_at_most_a_thousand_records(client, streams, arn, refused):
    for start in range(0, 1050, 25):
        requests = [{"PutRequest": {"Item": {"pk": S(f"{start + n:04}")}}} for n in range(25)]
        client.batch_write_item(RequestItems={"orders": requests})
    position = iterator(streams, arn)
    page = streams.get_records(ShardIterator=position)
    assert names(page["Records"]) == [f"{n:04}" for n in range(1000)]
    page = streams.get_records(ShardIterator=page["NextShardIterator"])
    assert names(page["Records"]) == [f"{n:04}" for n in range(1000, 1050)]
    assert len(streams.get_records(ShardIterator=position, Limit=1000)["Records"]) == 1000
    refused.invalid(
        streams.get_records,
        "1 validation error detected: Value '1001' at 'limit' failed to satisfy constraint: Member must have value "
        "less than or "
        "equal to 1000",
        ShardIterator=position,
        Limit=1001,
    )


def test_a_page_has_at_most_a_megabyte(client, streams, arn):
    for n in range(8):
        client.put_item(TableName="orders", Item={"pk": S(str(n)), "big": S("x" * 300_000)})
    position, sizes, found = iterator(streams, arn), [], []
    while True:
        page = streams.get_records(ShardIterator=position)
        if not page["Records"]:
            break
        sizes.append(sum(record["dynamodb"]["SizeBytes"] for record in page["Records"]))
        found += names(page["Records"])
        position = page["NextShardIterator"]
    assert found == [str(n) for n in range(8)]
    assert len(sizes) > 1 and max(sizes) <= 1024 * 1024


def test_a_record_larger_than_a_page_is_told_alone(client, streams, arn):
    for text in "xy":
        client.put_item(TableName="orders", Item={"pk": S("a"), "big": S(text * 409_000)})
    client.put_item(TableName="orders", Item={"pk": S("a")})
    records = read(streams, arn)
    assert kinds(records) == ["INSERT", "MODIFY", "MODIFY"]
    assert [len(each["dynamodb"].get("NewImage", {}).get("big", S(""))["S"]) for each in records] == [
        409_000,
        409_000,
        0,
    ]
    assert records[2]["dynamodb"]["OldImage"]["big"] == S("y" * 409_000)


@pytest.mark.core
def test_a_closed_stream_is_read_to_its_end(client, streams, arn):
    write(client, "a")
    client.update_table(TableName="orders", StreamSpecification={"StreamEnabled": False})
    write(client, "unseen")
    assert streams.describe_stream(StreamArn=arn)["StreamDescription"]["StreamStatus"] == "DISABLED"
    ends = shard(streams, arn)["SequenceNumberRange"]
    position, found = iterator(streams, arn), []
    while position:
        page = streams.get_records(ShardIterator=position)
        found += page["Records"]
        position = page.get("NextShardIterator")
    assert names(found) == ["a"]
    assert int(ends["EndingSequenceNumber"]) >= int(numbers(found)[-1])


def test_a_reader_at_the_end_when_a_stream_closes_is_told(client, streams, arn):
    write(client, "a")
    position = streams.get_records(ShardIterator=iterator(streams, arn))["NextShardIterator"]
    write(client, "last")
    client.update_table(TableName="orders", StreamSpecification={"StreamEnabled": False})
    page = streams.get_records(ShardIterator=position)
    assert names(page["Records"]) == ["last"]
    if position := page.get("NextShardIterator"):
        page = streams.get_records(ShardIterator=position)
    assert "NextShardIterator" not in page


def test_a_stream_outlives_its_table_by_a_day(db, client, streams, arn, refused):
    write(client, "a")
    client.delete_table(TableName="orders")
    create_table(client, StreamSpecification=NEW_AND_OLD)
    write(client, "new life")
    other = stream_arn(client, "orders")
    assert other != arn
    assert names(read(streams, arn)) == ["a"], "no record is written for the items a deleted table takes with it"
    assert names(read(streams, other)) == ["new life"]
    assert len(streams.list_streams(TableName="orders")["Streams"]) == 2
    db.clock.advance(hours=25)
    assert [entry["StreamArn"] for entry in streams.list_streams()["Streams"]] == [other]
    refused(
        streams.describe_stream,
        "ResourceNotFoundException",
        f"Requested resource not found: Stream: {arn} not found",
        StreamArn=arn,
    )


def test_records_are_gone_after_a_day(db, client, streams, arn, refused):
    write(client, "old")
    (old,) = numbers(read(streams, arn))
    db.clock.advance(hours=23)
    write(client, "young")
    assert names(read(streams, arn)) == ["old", "young"]
    db.clock.advance(hours=2)
    assert names(read(streams, arn)) == ["young"]
    refused(
        streams.get_shard_iterator,
        "TrimmedDataAccessException",
        TRIMMED,
        StreamArn=arn,
        ShardId=shard(streams, arn)["ShardId"],
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        SequenceNumber=old,
    )
    db.clock.advance(hours=24)
    assert read(streams, arn) == []
    write(client, "next")
    assert names(read(streams, arn)) == ["next"]


def test_a_reader_whom_the_trim_overtook_is_told(db, client, streams, arn, refused):
    write(client, "old")
    db.clock.advance(hours=23, minutes=55)
    position = iterator(streams, arn)
    db.clock.advance(minutes=10)
    refused(streams.get_records, "TrimmedDataAccessException", TRIMMED, ShardIterator=position)


@pytest.mark.core
def test_an_iterator_is_good_for_fifteen_minutes(db, client, streams, arn, refused):
    write(client, "a")
    position = iterator(streams, arn)
    db.clock.advance(minutes=14, seconds=50)
    page = streams.get_records(ShardIterator=position)
    assert names(page["Records"]) == ["a"]
    db.clock.advance(minutes=1)
    refused(streams.get_records, "ExpiredIteratorException", EXPIRED, ShardIterator=position)
    with pytest.raises(streams.exceptions.ExpiredIteratorException):
        streams.get_records(ShardIterator=position)
    assert streams.get_records(ShardIterator=page["NextShardIterator"])["Records"] == []


def test_a_made_up_iterator_is_refused(db, client, streams, arn, refused):
    write(client, "a")
    good = iterator(streams, arn)
    half = len(good) // 2
    tampered = good[:half] + ("A" if good[half] != "A" else "B") + good[half + 1 :]
    for bad in (tampered, good[:-1], good + "A", "x", "arn:aws:dynamodb", "é"):
        refused.invalid(streams.get_records, re.compile("^Invalid ShardIterator"), ShardIterator=bad)
    assert names(streams.get_records(ShardIterator=good)["Records"]) == ["a"]


def test_an_iterator_of_another_database_is_refused(forking_db, db, client, streams, arn):
    position = iterator(streams, arn)
    twin = db.fork().client("dynamodbstreams", region_name="eu-west-1")
    with pytest.raises(Exception, match="Invalid ShardIterator"):
        twin.get_records(ShardIterator=position)


def test_an_iterator_is_good_in_the_region_it_was_issued_in(db, client, streams, arn):
    elsewhere = db.client("dynamodbstreams", region_name="sa-east-1")
    with pytest.raises(Exception, match="Invalid ShardIterator"):
        elsewhere.get_records(ShardIterator=iterator(streams, arn))


@pytest.mark.parametrize(
    ("code", "message", "parameters"),
    [
        (
            "ResourceNotFoundException",
            re.compile("^Requested resource not found: Shard: shardId-0{20}-00000000 in stream: arn:.* not found$"),
            {"ShardId": "shardId-00000000000000000000-00000000", "ShardIteratorType": "LATEST"},
        ),
        ("ValidationException", re.compile("Member must satisfy enum value set: "), {"ShardIteratorType": "FIRST"}),
        ("ValidationException", re.compile("SequenceNumber"), {"ShardIteratorType": "AT_SEQUENCE_NUMBER"}),
        ("ValidationException", re.compile("SequenceNumber"), {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER"}),
        ("ValidationException", re.compile("Timestamp"), {"ShardIteratorType": "AT_TIMESTAMP"}),
        (
            "ValidationException",
            re.compile("SequenceNumber"),
            {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": "not a number at all, no"},
        ),
    ],
)
def test_a_bad_iterator_request_is_refused(client, streams, arn, refused, code, message, parameters):
    write(client, "a")
    request = {"StreamArn": arn, "ShardId": shard(streams, arn)["ShardId"], **parameters}
    refused(streams.get_shard_iterator, code, message, **request)


def test_a_stream_that_is_not_there_is_not_found(client, streams, arn, refused):
    label = arn.rsplit("/", 1)[1]
    missing = arn.replace(label, "2001-01-01T00:00:00.000")
    message = f"Requested resource not found: Stream: {missing} not found"
    refused(streams.describe_stream, "ResourceNotFoundException", message, StreamArn=missing)
    refused(
        streams.get_shard_iterator,
        "ResourceNotFoundException",
        message,
        StreamArn=missing,
        ShardId="shardId-00000000000000000000-00000000",
        ShardIteratorType="LATEST",
    )
    refused.invalid(streams.describe_stream, re.compile("^Invalid"), StreamArn="not an arn, but long enough to be one")


def test_failed_writes_leave_no_record(client, streams, arn, refused):
    write(client, "a")
    refused(
        client.put_item,
        "ConditionalCheckFailedException",
        "The conditional request failed",
        TableName="orders",
        Item={"pk": S("a"), "n": N(1)},
        ConditionExpression="attribute_not_exists(pk)",
    )
    refused(
        client.transact_write_items,
        "TransactionCanceledException",
        re.compile("ConditionalCheckFailed"),
        TransactItems=[
            {"Put": {"TableName": "orders", "Item": {"pk": S("b")}}},
            {
                "ConditionCheck": {
                    "TableName": "orders",
                    "Key": {"pk": S("c")},
                    "ConditionExpression": "attribute_exists(pk)",
                }
            },
        ],
    )
    assert names(read(streams, arn)) == ["a"]


def test_streams_of_two_tables_do_not_mix(db, client, streams):
    for name in ("one", "two"):
        create_table(client, name, StreamSpecification=NEW_AND_OLD)
    for name in ("a", "b", "c"):
        write(client, f"1{name}", table="one")
        write(client, f"2{name}", table="two")
    assert names(read(streams, stream_arn(client, "one"))) == ["1a", "1b", "1c"]
    assert names(read(streams, stream_arn(client, "two"))) == ["2a", "2b", "2c"]
    foreign = read(streams, stream_arn(client, "two"))[0]
    request = {"SequenceNumber": foreign["dynamodb"]["SequenceNumber"]}
    later = names(read(streams, stream_arn(client, "one"), "AFTER_SEQUENCE_NUMBER", **request))
    assert later == ["1b", "1c"]
