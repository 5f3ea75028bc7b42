"""A stream consumer that people run, as published: bloop's, which reads the Streams API through boto3 and sets its tables up itself."""

import json
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest
from conftest import create_table
from packages import needed
from tables import S, stream

bloop = needed("bloop")

from bloop.exceptions import RecordsExpired, ShardIteratorExpired  # noqa: E402


@pytest.fixture
def engine(db, client, streams):
    return bloop.Engine(dynamodb=client, dynamodbstreams=streams)


def bind(engine, client, *include):
    """A model of the table `users`, which bloop makes and binds to its stream."""

    class User(bloop.BaseModel):
        class Meta:
            table_name = "users"
            stream = {"include": set(include)}

        id = bloop.Column(bloop.String, hash_key=True)
        visits = bloop.Column(bloop.Number)
        tags = bloop.Column(bloop.Set(bloop.String))
        photo = bloop.Column(bloop.Binary)
        address = bloop.Column(bloop.Map(city=bloop.String, moved=bloop.DateTime))

    engine.bind(User)
    assert User.Meta.stream["arn"] == client.describe_table(TableName="users")["Table"]["LatestStreamArn"]
    return User


@pytest.fixture
def User(engine, client):
    return bind(engine, client, "new", "old")


def save(engine, User, *ids):
    for id in ids:
        engine.save(User(id=id))


def rest(reader):
    """What a bloop stream has now."""
    records = []
    while (record := next(reader)) is not None:
        records.append(record)
    return records


def ids(records):
    return [(record["new"] or record["old"]).id for record in records]


@pytest.mark.core
def test_it_sets_a_table_up_with_all_that_it_can_ask_for(db, engine, client):
    """Everything that bloop's set-up sets and verifies, on a table of its own making and on the same once more."""

    class Visit(bloop.BaseModel):
        class Meta:
            table_name = "visits"
            billing = {"mode": "on_demand"}
            backups = {"enabled": True}
            encryption = {"enabled": True}
            ttl = {"column": "until"}
            stream = {"include": {"keys"}}

        id = bloop.Column(bloop.String, hash_key=True)
        at = bloop.Column(bloop.Number, range_key=True)
        who = bloop.Column(bloop.String)
        until = bloop.Column(bloop.Timestamp)
        by_who = bloop.GlobalSecondaryIndex(projection="keys", hash_key="who")

    engine.bind(Visit)
    described = client.describe_table(TableName="visits")["Table"]
    assert described["SSEDescription"]["Status"] == "ENABLED"
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    backups = client.describe_continuous_backups(TableName="visits")["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert client.describe_time_to_live(TableName="visits")["TimeToLiveDescription"]["AttributeName"] == "until"
    bloop.Engine(dynamodb=client, dynamodbstreams=engine.session.stream_client).bind(Visit)
    visit = Visit(id="a", at=1, who="ada")
    engine.save(visit)
    assert engine.query(Visit.by_who, key=Visit.who == "ada").one().id == "a"


@pytest.mark.core
def test_it_reads_what_happened_to_its_objects(engine, User):
    moved = datetime(2024, 5, 6, tzinfo=timezone.utc)
    user = User(id="ada", visits=1, tags={"x", "y"}, photo=b"\x00\xff", address={"city": "London", "moved": moved})
    engine.save(user)
    user.visits = 2
    del user.photo
    engine.save(user)
    engine.delete(user)
    insert, modify, remove = rest(engine.stream(User, "trim_horizon"))
    assert [record["meta"]["event"]["type"] for record in (insert, modify, remove)] == ["insert", "modify", "remove"]
    assert insert["old"] is None and insert["key"] is None
    assert (insert["new"].visits, insert["new"].tags, insert["new"].photo) == (1, {"x", "y"}, b"\x00\xff")
    assert insert["new"].address == {"city": "London", "moved": moved}
    # bloop's empty value of a blob.
    assert (modify["old"].visits, modify["new"].visits, modify["new"].photo) == (1, 2, b"")
    assert remove["new"] is None and remove["old"].visits == 2
    assert len({record["meta"]["event"]["id"] for record in (insert, modify, remove)}) == 3
    assert {record["meta"]["event"]["version"] for record in (insert, modify, remove)} == {"1.1"}


@pytest.mark.core
def test_it_reads_what_boto3_wrote(engine, User, client):
    client.put_item(TableName="users", Item={"id": S("ada"), "visits": {"N": "1"}})
    client.update_item(
        TableName="users",
        Key={"id": S("ada")},
        UpdateExpression="ADD visits :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    client.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": "users", "Item": {"id": S("bob")}}},
            {"Delete": {"TableName": "users", "Key": {"id": S("ada")}}},
        ]
    )
    records = rest(engine.stream(User, "trim_horizon"))
    assert [(record["meta"]["event"]["type"], *ids([record])) for record in records] == [
        ("insert", "ada"), ("modify", "ada"), ("insert", "bob"), ("remove", "ada"),
    ]  # fmt: skip


def test_it_reads_a_stream_of_keys(engine, client):
    User = bind(engine, client, "keys")
    save(engine, User, "ada")
    # One step below its models, which look for keys under another name than the one they ask for.
    record = next(engine.stream(User, "trim_horizon").coordinator)
    assert record["key"] == {"id": S("ada")} and record["new"] is None and record["old"] is None


def test_the_latest_sees_what_comes_after(engine, User):
    save(engine, User, "before")
    reader = engine.stream(User, "latest")
    save(engine, User, "after")
    assert ids(rest(reader)) == ["after"]
    save(engine, User, "later")
    assert ids(rest(reader)) == ["later"]


def test_it_reads_more_than_a_page_and_everything_once(engine, User, client):
    names = [f"{number:04}" for number in range(1300)]
    for start in range(0, len(names), 25):
        requests = [{"PutRequest": {"Item": {"id": S(name)}}} for name in names[start : start + 25]]
        client.batch_write_item(RequestItems={"users": requests})
    # bloop orders records of one second by their sequence numbers.
    assert ids(rest(engine.stream(User, "trim_horizon"))) == names


@pytest.mark.core
def test_a_token_goes_on_where_another_stopped(engine, User):
    save(engine, User, "a", "b", "c")
    reader = engine.stream(User, "trim_horizon")
    assert ids([next(reader)]) == ["a"]
    token = json.dumps(reader.token)
    save(engine, User, "d")
    again = engine.stream(User, json.loads(token))
    assert ids(rest(again)) == ["b", "c", "d"]
    assert ids(rest(reader)) == ["b", "c", "d"]
    save(engine, User, "e")
    assert ids(rest(engine.stream(User, again.token))) == ["e"]


def test_an_iterator_that_expired_is_taken_anew_behind_what_was_read(db, engine, User):
    save(engine, User, "a")
    reader = engine.stream(User, "trim_horizon")
    assert ids(rest(reader)) == ["a"]
    db.clock.advance(hours=2)
    save(engine, User, "b")
    assert ids(rest(reader)) == ["b"]


def test_the_heartbeat_keeps_a_reader_alive_that_has_read_nothing(db, engine, User):
    save(engine, User, "before")
    beating, silent = engine.stream(User, "latest"), engine.stream(User, "latest")
    for _ in range(3):
        db.clock.advance(minutes=14)
        beating.heartbeat()
    save(engine, User, "after")
    assert ids(rest(beating)) == ["after"]
    with pytest.raises(ShardIteratorExpired):
        next(silent)


def test_it_finds_a_time(db, engine, User, monkeypatch):
    # bloop asks the machine what time it is, and seeks only in the past.
    clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda zone: db.clock.now()), timezone=timezone)
    monkeypatch.setattr("bloop.stream.coordinator.datetime", clock)
    db.clock.freeze()
    save(engine, User, "a")
    db.clock.advance(seconds=10)
    moment = db.clock.now()
    db.clock.advance(seconds=10)
    save(engine, User, "b", "c")
    assert ids(rest(engine.stream(User, moment))) == ["b", "c"]


def test_a_reader_behind_the_horizon_is_told_and_begins_again(db, engine, User):
    save(engine, User, "a", "b")
    reader, behind = engine.stream(User, "trim_horizon"), engine.stream(User, "trim_horizon")
    assert ids([next(reader)]) == ["a"]
    token = reader.token
    for _ in range(110):
        # Its iterator stays young, its place does not.
        db.clock.advance(minutes=14)
    save(engine, User, "c")
    with pytest.raises((RecordsExpired, ShardIteratorExpired)):
        rest(behind)
    assert ids(rest(engine.stream(User, token))) == ["c"]


def test_a_stream_that_was_closed_is_read_to_its_end(engine, User, client):
    save(engine, User, "a", "b")
    reader = engine.stream(User, "trim_horizon")
    arn = User.Meta.stream["arn"]
    client.delete_table(TableName="users")
    create_table(client, "users", StreamSpecification=stream("NEW_AND_OLD_IMAGES"))
    assert client.describe_table(TableName="users")["Table"]["LatestStreamArn"] != arn
    assert ids(rest(reader)) == ["a", "b"]
    assert [next(reader) for _ in range(3)] == [None] * 3
    assert reader.coordinator.active == [] == reader.coordinator.roots
