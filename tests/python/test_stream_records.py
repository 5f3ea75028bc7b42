"""What change records say: what really happened, once, in full."""

import fdyno
import pytest
from conftest import create_table
from records import iterator, kinds, numbers, read, shard, stream_arn, told
from tables import NEW_AND_OLD, N, S, create_sorted, item


@pytest.fixture
def orders(db, client):
    return create_table(client, StreamSpecification=NEW_AND_OLD)


@pytest.fixture
def arn(client, orders):
    return stream_arn(client, orders)


def put(client, table="orders", **attributes):
    client.put_item(TableName=table, Item={"pk": S("a"), **attributes})


def update(client, expression, key="a", **more):
    client.update_item(TableName="orders", Key={"pk": S(key)}, UpdateExpression=expression, **more)


@pytest.mark.core
@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(N("1.50"), N("15e-1"), id="a number in another spelling"),
        pytest.param(N("-0"), N("0.000"), id="zero"),
        pytest.param({"SS": ["x", "y"]}, {"SS": ["y", "x"]}, id="a set in another order"),
        pytest.param({"NS": ["1", "2.0"]}, {"NS": ["2", "1.0"]}, id="a set of numbers"),
        pytest.param({"BS": [b"x", b"y"]}, {"BS": [b"y", b"x"]}, id="a set of binaries"),
        pytest.param({"M": {"a": N(1), "b": N(2)}}, {"M": {"b": N("2.0"), "a": N(1)}}, id="a map in another order"),
        pytest.param({"L": [{"SS": ["x", "y"]}]}, {"L": [{"SS": ["y", "x"]}]}, id="a set within a list"),
    ],
)
def test_a_write_that_leaves_the_item_equal_is_not_told(client, streams, arn, first, second):
    put(client, v=first)
    put(client, v=second)
    update(client, "SET v = :v", ExpressionAttributeValues={":v": second})
    client.batch_write_item(RequestItems={"orders": [{"PutRequest": {"Item": {"v": second, "pk": S("a")}}}]})
    client.transact_write_items(
        TransactItems=[{"Put": {"TableName": "orders", "Item": {"pk": S("a"), "v": second}}}]
    )
    assert kinds(read(streams, arn)) == ["INSERT"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"L": [N(1), N(2)]}, {"L": [N(2), N(1)]}, id="a list in another order"),
        pytest.param(S("1"), N(1), id="another type"),
        pytest.param(S("e\u0301"), S("\u00e9"), id="text that only looks the same"),
        pytest.param({"NULL": True}, {"BOOL": False}, id="null and false"),
    ],
)
def test_a_write_that_changes_the_item_is_told(client, streams, arn, first, second):
    put(client, v=first)
    put(client, v=second)
    assert told(read(streams, arn))[1:] == [
        ("MODIFY", {"pk": S("a")}, {"pk": S("a"), "v": first}, {"pk": S("a"), "v": second})
    ]


@pytest.mark.core
def test_what_happens_to_nothing_is_not_told(client, streams, arn):
    update(client, "REMOVE v", key="missing")
    client.delete_item(TableName="orders", Key={"pk": S("missing")})
    client.batch_write_item(RequestItems={"orders": [{"DeleteRequest": {"Key": {"pk": S("missing")}}}]})
    client.transact_write_items(
        TransactItems=[
            {"Delete": {"TableName": "orders", "Key": {"pk": S("missing")}}},
            {"ConditionCheck": {"TableName": "orders", "Key": {"pk": S("other")},
                                "ConditionExpression": "attribute_not_exists(pk)"}},
        ]
    )
    assert client.scan(TableName="orders")["Items"] == []
    assert read(streams, arn) == []


def test_an_update_that_creates_is_an_insertion(client, streams, arn):
    update(client, "SET v = :v", ExpressionAttributeValues={":v": N(1)})
    update(client, "SET v = :v", ExpressionAttributeValues={":v": N(2)})
    assert kinds(read(streams, arn)) == ["INSERT", "MODIFY"]


def test_an_item_that_comes_and_goes_is_told_each_time(client, streams, arn):
    for _ in range(2):
        put(client)
        client.delete_item(TableName="orders", Key={"pk": S("a")})
    assert kinds(read(streams, arn)) == ["INSERT", "REMOVE"] * 2


def test_values_are_told_as_they_are_kept(client, streams, arn):
    put(
        client,
        n=N("0001.500"),
        ns={"NS": ["10", "2.0"]},
        b={"B": bytes(range(256))},
        ss={"SS": ["b", "a"]},
        nested={"M": {"l": {"L": [N("1e2"), {"NULL": True}, {"BOOL": False}, S("")]}}},
        empty={"B": b""},
    )
    (record,) = read(streams, arn)
    kept = client.get_item(TableName="orders", Key={"pk": S("a")})["Item"]
    image = record["dynamodb"]["NewImage"]
    assert {name: image[name] for name in image if name not in ("ns", "ss")} == {
        name: kept[name] for name in kept if name not in ("ns", "ss")
    }
    assert image["n"] == N("1.5")
    assert sorted(image["ns"]["NS"]) == ["10", "2"]
    assert sorted(image["ss"]["SS"]) == ["a", "b"]
    assert image["b"] == {"B": bytes(range(256))}


@pytest.mark.core
def test_the_largest_items_are_told_with_both_images(client, streams, arn):
    # 400 KB by the item-size rule: names and values of both attributes.
    room = 400 * 1024 - len("pk") - len("a") - len("v")
    one, two = {"B": b"1" * room}, {"B": b"2" * room}
    put(client, v=one)
    put(client, v=two)
    client.delete_item(TableName="orders", Key={"pk": S("a")})
    records = read(streams, arn)
    key = {"pk": S("a")}
    assert told(records) == [
        ("INSERT", key, None, {**key, "v": one}),
        ("MODIFY", key, {**key, "v": one}, {**key, "v": two}),
        ("REMOVE", key, {**key, "v": two}, None),
    ]
    sizes = [record["dynamodb"]["SizeBytes"] for record in records]
    assert sizes == [400 * 1024 + 3, 800 * 1024 + 3, 400 * 1024 + 3]


def test_the_size_counts_keys_and_the_images_that_are_there(client, streams, db):
    create_sorted(client, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    client.put_item(TableName="events", Item=item("abc", 12, note=S("not told")))
    (record,) = read(streams, stream_arn(client, "events"))
    # AWS's rule: a name's length and a value's; a number takes a byte for two digits and one more.
    assert record["dynamodb"]["SizeBytes"] == len("pk") + len("abc") + len("sk") + 2


@pytest.mark.core
def test_records_of_one_call_come_in_its_order(client, streams, arn):
    batch = [f"b{number:02}" for number in range(25)][::-1]
    client.batch_write_item(RequestItems={"orders": [{"PutRequest": {"Item": {"pk": S(name)}}} for name in batch]})
    transaction = [f"t{number:02}" for number in range(100)][::-1]
    client.transact_write_items(
        TransactItems=[{"Put": {"TableName": "orders", "Item": {"pk": S(name)}}} for name in transaction]
    )
    records = read(streams, arn)
    assert [record["dynamodb"]["Keys"]["pk"]["S"] for record in records] == batch + transaction
    assert numbers(records) == sorted(set(numbers(records)), key=int)


def test_event_ids_are_never_used_again(tmp_path, session):
    url, seen = f"file:{tmp_path / 'database'}", []
    for opening in range(3):
        with fdyno.connect(url) as database, database.activate():
            client, streams = session.create_client("dynamodb"), session.create_client("dynamodbstreams")
            if opening == 0:
                create_table(client, StreamSpecification=NEW_AND_OLD)
            put(client, v=N(opening))
            records = read(streams, stream_arn(client, "orders"))
            found = [record["eventID"] for record in records]
            assert found[: len(seen)] == seen, "what was read once is read the same way again"
            assert len(set(found)) == len(found) == opening + 1
            seen = found


def test_sequence_numbers_lie_within_the_shards_range(client, streams, arn):
    put(client, v=N(1))
    put(client, v=N(2))
    start = shard(streams, arn)["SequenceNumberRange"]["StartingSequenceNumber"]
    found = numbers(read(streams, arn))
    client.update_table(TableName="orders", StreamSpecification={"StreamEnabled": False})
    end = shard(streams, arn)["SequenceNumberRange"]["EndingSequenceNumber"]
    assert all(21 <= len(number) <= 40 and number.isdigit() for number in [start, *found, end])
    assert int(start) <= int(found[0]) < int(found[1]) <= int(end)


@pytest.mark.parametrize("kind", ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"])
def test_sequence_numbers_that_are_none_are_refused(client, streams, arn, refused, kind):
    put(client)
    (number,) = numbers(read(streams, arn))
    request = {"StreamArn": arn, "ShardId": shard(streams, arn)["ShardId"], "ShardIteratorType": kind}
    before = str(int(shard(streams, arn)["SequenceNumberRange"]["StartingSequenceNumber"]) - 1)
    future = str(int(number) + 10**20)
    for bad in (before, future, "9" * 40, "0" * 21, number[:-1] + "x", "-" + number[1:], " " * 21):
        refused.invalid(
            streams.get_shard_iterator, f"Invalid SequenceNumber: {bad}", SequenceNumber=bad, **request
        )


def test_a_stream_of_another_region_or_account_is_not_this_one(client, streams, arn, refused):
    put(client)
    assert ":eu-west-1:000000000000:" in arn
    elsewhere = arn.replace(":000000000000:", ":000000000001:")
    refused(
        streams.describe_stream,
        "ResourceNotFoundException",
        f"Requested resource not found: Stream: {elsewhere} not found",
        StreamArn=elsewhere,
    )
    with pytest.raises(streams.exceptions.ClientError, match="region"):
        streams.describe_stream(StreamArn=arn.replace(":eu-west-1:", ":us-east-1:"))


def test_an_iterator_is_bound_to_its_shard(client, streams, arn, refused):
    """A shard of another stream is not found in this one."""
    create_table(client, "other", StreamSpecification=NEW_AND_OLD)
    foreign = shard(streams, stream_arn(client, "other"))["ShardId"]
    refused(
        streams.get_shard_iterator,
        "ResourceNotFoundException",
        f"Requested resource not found: Shard: {foreign} in stream: {arn} not found",
        StreamArn=arn,
        ShardId=foreign,
        ShardIteratorType="LATEST",
    )


def test_latest_sees_what_comes_after_it_and_nothing_before(client, streams, arn):
    put(client, v=N(0))
    for number in range(1, 5):
        latest = iterator(streams, arn, "LATEST")
        put(client, v=N(number))
        (record,) = streams.get_records(ShardIterator=latest)["Records"]
        assert record["dynamodb"]["NewImage"]["v"] == N(number)
