"""`db.changes()`, and how tables and changes show themselves."""

import decimal
import time
from datetime import datetime, timezone

import pytest
from conftest import create_table
from packages import needed

import fdyno
from fdyno import _display
from fdyno._values import plain_item

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.fixture
def written(db):
    client = db.client()
    create_table(client, StreamSpecification=STREAM)
    for number in ("1", "2"):
        client.put_item(TableName="orders", Item={"pk": {"S": "a"}, "n": {"N": number}, "tag": {"S": "<b>&"}})
    client.delete_item(TableName="orders", Key={"pk": {"S": "a"}})
    return db


def test_changes_come_in_order_with_both_images(written):
    insert, modify, remove = written.changes("orders")
    assert [change.kind for change in (insert, modify, remove)] == ["INSERT", "MODIFY", "REMOVE"]
    assert insert.old is None
    assert insert.new == {"pk": "a", "n": 1, "tag": "<b>&"}
    assert modify.diff == {"n": (1, 2)}
    assert remove.keys == {"pk": "a"}
    assert remove.diff["n"] == (2, fdyno.ABSENT)
    assert insert.sequence_number < modify.sequence_number < remove.sequence_number
    assert insert.time.tzinfo is not None


def test_changes_can_be_iterated_again(written):
    changes = written.changes("orders")
    assert list(changes) == list(changes)


def test_follow_goes_on_with_what_comes_later(written):
    following = written.changes("orders").follow()
    for _ in range(3):
        next(following)
    written.client().put_item(TableName="orders", Item={"pk": {"S": "later"}})
    assert next(following).keys == {"pk": "later"}


def test_errors_of_readers_name_operations_that_there_are(written):
    with pytest.raises(Exception, match="when calling the GetShardIterator operation: Invalid SequenceNumber"):
        list(written.changes("orders", start="123"))


def test_a_table_without_a_stream_says_how_to_get_one(db):
    create_table(db.client())
    with pytest.raises(ValueError, match="StreamSpecification"):
        db.changes("orders")


def test_the_newest_stream_is_the_tables_latest_though_the_clock_was_set_back(written):
    client = written.client()
    client.delete_table(TableName="orders")
    assert len(list(written.changes("orders"))) == 3
    written.clock.travel_to(datetime(2020, 1, 1, tzinfo=timezone.utc))
    create_table(client, StreamSpecification=STREAM)
    client.put_item(TableName="orders", Item={"pk": {"S": "again"}})
    assert [change.keys for change in written.changes("orders")] == [{"pk": "again"}]


def test_changes_become_a_data_frame(written):
    needed("pandas")
    frame = written.changes("orders").to_pandas()
    assert list(frame.kind) == ["INSERT", "MODIFY", "REMOVE"]
    assert list(frame["new.n"][:2]) == [1, 2]


def test_a_data_frame_keeps_integers_though_some_are_missing(db):
    pandas = needed("pandas")
    client, large = db.client(), 9007199254740993
    create_table(client, StreamSpecification=STREAM)
    client.put_item(TableName="orders", Item={"pk": {"S": "a"}, "n": {"N": str(large)}, "huge": {"N": "1" * 30}})
    client.delete_item(TableName="orders", Key={"pk": {"S": "a"}})
    frame = db.changes("orders").to_pandas()
    assert (frame["new.n"].dtype, frame["new.n"][0], frame["new.n"][1]) == ("Int64", large, pandas.NA)
    assert frame["old.huge"][1] == int("1" * 30)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone cannot be changed")
def test_times_are_utc_in_frames_and_tables_wherever_one_is(written, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        changes = written.changes("orders")
        times = [change.time for change in changes]
        assert changes.to_pandas()["time"].tolist() == times
        needed("pyarrow")
        assert changes.to_arrow().column("time").to_pylist() == times
        assert times[0].astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S") in changes._repr_html_()
    finally:
        monkeypatch.undo()
        time.tzset()


def test_changes_become_an_arrow_table(written):
    needed("pyarrow")
    table = written.changes("orders").to_arrow()
    assert table.column("kind").to_pylist() == ["INSERT", "MODIFY", "REMOVE"]
    assert table.column("old.n").to_pylist() == [None, 1, 2]


def test_changes_show_old_and_new_side_by_side_and_escaped(written):
    html = written.changes("orders")._repr_html_()
    assert "&lt;b&gt;&amp;" in html
    assert "<b>&" not in html
    assert html.count("<tr") == 4
    assert _display.NEW in html and _display.OLD in html


def test_tables_show_themselves(written):
    assert "orders" in written.tables()._repr_html_()
    assert "orders" in written._repr_html_()
    assert "<table" in written.table("orders")._repr_html_()
    assert list(written.table("orders")) == []
    assert len(written.tables()) == 1


RECORD = {
    "eventID": "1",
    "eventName": "MODIFY",
    "dynamodb": {
        "SequenceNumber": "100",
        "ApproximateCreationDateTime": datetime(2020, 1, 1, tzinfo=timezone.utc),
        "Keys": {"pk": {"S": "a"}},
        "OldImage": {"pk": {"S": "a"}, "gone": {"NULL": True}},
        "NewImage": {"pk": {"S": "a"}, "come": {"NS": ["1", "2"]}},
    },
}


def test_a_record_becomes_a_change():
    change = fdyno.Change.from_record(RECORD)
    assert change.diff == {"gone": (None, fdyno.ABSENT), "come": (fdyno.ABSENT, {1, 2})}
    assert repr(change.diff["gone"].new) == "absent"


def test_a_change_shows_who_made_it_where_it_was_not_a_caller():
    change = fdyno.Change.from_record(RECORD)
    assert repr(change).startswith("Change(sequence_number='100', time=datetime.datetime(2020, 1, 1, 0, 0, ")
    assert "user_identity" not in repr(change)
    identity = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    deleted = fdyno.Change.from_record({**RECORD, "userIdentity": identity})
    assert repr(deleted) == f"{repr(change)[:-1]}, user_identity={identity!r})"


#: What each view type knows of an item that is made, changed and removed: whether there is a difference to tell.
TOLD = {
    "NEW_AND_OLD_IMAGES": (True, True, True),
    "NEW_IMAGE": (True, False, False),
    "OLD_IMAGE": (False, False, True),
    "KEYS_ONLY": (False, False, False),
}


@pytest.mark.parametrize("view", TOLD)
def test_a_difference_is_told_only_where_the_stream_recorded_it(db, view):
    client = db.client()
    create_table(client, StreamSpecification={"StreamEnabled": True, "StreamViewType": view})
    for number in ("1", "2"):
        client.put_item(TableName="orders", Item={"pk": {"S": "a"}, "n": {"N": number}})
    client.delete_item(TableName="orders", Key={"pk": {"S": "a"}})
    made, changed, removed = (
        {"n": (fdyno.ABSENT, 1), "pk": (fdyno.ABSENT, "a")},
        {"n": (1, 2)},
        {"n": (2, fdyno.ABSENT), "pk": ("a", fdyno.ABSENT)},
    )
    expected = [diff if told else None for diff, told in zip((made, changed, removed), TOLD[view])]
    assert [change.diff for change in db.changes("orders")] == expected
    html = db.changes("orders")._repr_html_()
    rows = [row.split("</td>")[-3:-1] for row in html.split("<tr")[2:]]
    for (old, new), told in zip(rows, TOLD[view]):
        coloured = _display.OLD in old or _display.NEW in new
        assert coloured is told
    not_recorded = {
        "NEW_AND_OLD_IMAGES": [(False, False)] * 3,
        "NEW_IMAGE": [(False, False), (True, False), (True, False)],
        "OLD_IMAGE": [(False, True), (False, True), (False, False)],
        "KEYS_ONLY": [(False, True), (True, True), (True, False)],
    }
    assert [("not recorded" in old, "not recorded" in new) for old, new in rows] == not_recorded[view]
    assert ("pk: a" in rows[1][0], "pk: a" in rows[1][1]) == (view in ("NEW_AND_OLD_IMAGES", "OLD_IMAGE"), "NEW" in view)


def test_a_boolean_and_a_number_differ():
    for old, new in (({"BOOL": True}, {"N": "1"}), ({"L": [{"N": "0"}]}, {"L": [{"BOOL": False}]})):
        for one, other in ((old, new), ({"M": {"in": old}}, {"M": {"in": new}})):
            body = {**RECORD["dynamodb"], "OldImage": {"a": one, "b": one}, "NewImage": {"a": other, "b": one}}
            assert list(fdyno.Change.from_record({**RECORD, "dynamodb": body}).diff) == ["a"]


def test_changes_can_be_kept_in_sets(written):
    changes = list(written.changes("orders"))
    again = list(written.changes("orders"))
    assert set(changes) == set(again) and len(set(changes + again)) == 3
    assert [hash(change) for change in changes] == [hash(change) for change in again]
    assert dict.fromkeys(changes)[again[1]] is None


def test_values_become_plain_python():
    item = {
        "s": {"S": "x"},
        "whole": {"N": "12"},
        "part": {"N": "1.5"},
        "big": {"N": "12345678901234567890123456789012345678"},
        "b": {"B": b"x"},
        "l": {"L": [{"NULL": True}, {"BOOL": True}]},
        "m": {"M": {"bs": {"BS": [b"x"]}}},
    }
    assert plain_item(item) == {
        "s": "x",
        "whole": 12,
        "part": decimal.Decimal("1.5"),
        "big": 12345678901234567890123456789012345678,
        "b": b"x",
        "l": [None, True],
        "m": {"bs": {b"x"}},
    }


def test_html_is_escaped_and_cut():
    assert _display.text("<script>") == "&lt;script&gt;"
    assert len(_display.text("x" * 1000)) == _display.LONGEST


def test_changes_are_looked_for_where_boto3_would_look(monkeypatch):
    boto3 = needed("boto3")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    with fdyno.local() as database:
        table = boto3.Session().resource("dynamodb").create_table(
            TableName="orders",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )
        table.put_item(Item={"pk": "a"})
        assert [change.kind for change in database.changes("orders")] == ["INSERT"]
        with pytest.raises(ValueError, match="no table 'orders' in region us-east-1"):
            database.changes("orders", region_name="us-east-1")


def test_a_table_that_is_missing_and_one_without_a_stream_are_told_apart(db):
    client = db.client()
    create_table(client, "quiet")
    with pytest.raises(ValueError, match="^table 'quiet' in region us-east-1 has no stream: create or update it with"):
        db.changes("quiet")
    with pytest.raises(ValueError, match="^there is no table 'nope' in region us-east-1, nor a stream of one that was"):
        db.changes("nope")
    with pytest.raises(client.exceptions.ValidationException, match="tableName"):
        db.changes("no table's name")


def test_the_changes_of_a_deleted_table_can_be_read(written):
    written.client().delete_table(TableName="orders")
    assert [change.kind for change in written.changes("orders")] == ["INSERT", "MODIFY", "REMOVE"]
