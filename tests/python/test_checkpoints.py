"""Checkpoints: where a consumer goes on, at least once by itself, exactly once when what it writes shares the transaction."""

import asyncio
import contextlib
import decimal
import gc
import os
import subprocess
import sys
import textwrap
import threading
from datetime import datetime, timezone

import pytest
from boto3.dynamodb.conditions import Attr
from boto3.dynamodb.types import Binary
from botocore.exceptions import ClientError
from conftest import create_table
from packages import needed

import fdyno

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.fixture
def orders(db):
    create_table(db.client(), StreamSpecification=STREAM)
    create_table(db.client(), "totals")
    return db


def put(db, *keys, table="orders"):
    client = db.client()
    for first in range(0, len(keys), 25):
        puts = [{"PutRequest": {"Item": {"pk": {"S": key}}}} for key in keys[first : first + 25]]
        client.batch_write_item(RequestItems={table: puts})


def key(change):
    return change.keys["pk"]


def billing(db, **more):
    return db.changes("orders", checkpoint="billing", **more)


def left(db):
    """What a consumer of the checkpoint would see now, without moving it."""
    return list(map(key, billing(db)._look()))


def first_of(db):
    """The sequence number of the first change."""
    return next(iter(db.changes("orders"))).sequence_number


def totals(db):
    return {item["pk"]: item for item in db.table("totals")}


def test_a_loop_goes_on_where_the_last_one_came_to_its_end(orders):
    put(orders, "a", "b")
    assert list(map(key, billing(orders))) == ["a", "b"]
    assert list(billing(orders)) == []
    put(orders, "c")
    assert list(map(key, billing(orders))) == ["c"]
    assert list(map(key, orders.changes("orders", checkpoint="shipping"))) == ["a", "b", "c"], "each name by itself"


def test_a_change_is_done_when_the_next_one_is_asked_for(orders):
    put(orders, "a", "b", "c", "d")
    for change in billing(orders):
        if key(change) == "c":
            break
    assert left(orders) == ["c", "d"], "what the loop broke off at is not done"
    with pytest.raises(ZeroDivisionError):
        for change in billing(orders):
            if key(change) == "d":
                1 / 0
    assert left(orders) == ["d"], "nor is what it raised at"
    following = billing(orders).__iter__()
    assert key(next(following)) == "d"
    following.close()
    assert left(orders) == ["d"]


def test_what_is_done_is_kept_at_the_end_of_a_page_and_before_waiting(orders):
    put(orders, *(f"{number:04}" for number in range(1001)))
    loop = billing(orders).__iter__()
    for _ in range(1000):
        next(loop)
    assert len(left(orders)) == 1001
    assert key(next(loop)) == "1000", "of the second page"
    assert left(orders) == ["1000"]
    loop.close()
    following = billing(orders, follow=True).__iter__()
    assert key(next(following)) == "1000"
    taken = threading.Thread(target=next, args=(following,))
    taken.start()
    while left(orders):
        pass  # Kept before it waits.
    put(orders, "more")
    taken.join(60)
    assert not taken.is_alive()


def test_a_new_checkpoint_begins_where_it_is_told_to_and_an_old_one_where_it_is(orders):
    put(orders, "a")
    late = orders.changes("orders", checkpoint="late", start="latest")
    put(orders, "b")
    assert list(map(key, late)) == ["b"]
    assert list(map(key, orders.changes("orders", checkpoint="late", start="trim_horizon"))) == []
    # It was left at the call, so nothing is missed by a consumer that ends before it has read anything.
    orders.changes("orders", checkpoint="unlucky", start="latest")
    put(orders, "c")
    assert list(map(key, orders.changes("orders", checkpoint="unlucky", start="latest"))) == ["c"]
    a, *_ = orders.changes("orders")
    behind = orders.changes("orders", checkpoint="behind", start=a.sequence_number)
    assert list(map(key, behind)) == ["b", "c"]


def test_checkpoints_can_be_looked_at_set_and_removed(orders):
    orders.clock.freeze()
    orders.clock.travel_to(datetime(2030, 1, 2, tzinfo=timezone.utc))
    put(orders, "a", "b")
    checkpoints = orders.checkpoints("orders")
    assert (len(checkpoints), dict(checkpoints)) == (0, {})
    a, b = billing(orders)
    found = checkpoints["billing"]
    assert (found.table, found.name, found.sequence_number) == ("orders", "billing", b.sequence_number)
    assert found.time == datetime(2030, 1, 2, tzinfo=timezone.utc)
    assert found.stream_arn == billing(orders).stream_arn
    assert list(orders.checkpoints("totals")) == []
    assert checkpoints.reset("billing").name == "billing"
    assert left(orders) == ["a", "b"]
    assert checkpoints.reset("billing", a.sequence_number).sequence_number == a.sequence_number
    assert left(orders) == ["b"]
    checkpoints.reset("new", "latest")
    assert sorted(checkpoints) == ["billing", "new"]
    assert "billing" in repr(checkpoints)
    checkpoints.delete("billing")
    checkpoints.delete("billing")
    assert list(checkpoints) == ["new"]
    with pytest.raises(KeyError):
        checkpoints["billing"]
    assert list(map(key, billing(orders))) == ["a", "b"], "it begins anew"


def test_names_have_up_to_255_characters(orders):
    assert list(orders.changes("orders", checkpoint="ü" * 255)) == []
    checkpoints = orders.checkpoints("orders")
    for name in ("", "x" * 256):
        for use in (lambda name: orders.changes("nowhere", checkpoint=name), checkpoints.reset, checkpoints.delete):
            with pytest.raises(ValueError, match=f"checkpoint={name!r}: a name of 1 to 255 characters"):
                use(name)
    for name in (7, True, b"billing", ["billing"]):
        for use in (lambda name: orders.changes("nowhere", checkpoint=name), checkpoints.reset, checkpoints.delete):
            with pytest.raises(TypeError, match="is no name: a text"):
                use(name)


def test_checkpoints_are_a_table_in_a_notebook(orders):
    checkpoints = orders.checkpoints("orders")
    assert "none" in checkpoints._repr_html_()
    put(orders, "a")
    moved = checkpoints.reset("<billing>", "latest")
    html = checkpoints._repr_html_()
    assert "&lt;billing&gt;" in html
    assert moved.sequence_number in html


def test_looking_at_changes_moves_no_checkpoint(orders):
    put(orders, "a", "b")
    changes = billing(orders, follow=True)
    assert "<table" in changes._repr_html_()
    needed("pandas")
    assert len(changes.to_pandas()) == 2
    assert left(orders) == ["a", "b"]


def test_batches_are_done_when_they_are_committed_and_not_before(orders):
    put(orders, *"abcdefg")
    sizes = []
    for batch in billing(orders).batches(3):
        sizes.append(len(batch))
    assert sizes == [3, 3, 1]
    assert left(orders) == list("abcdefg")
    for batch in billing(orders).batches(3):
        assert list(map(key, batch)) == list(map(key, batch.changes)) == ["a", "b", "c"]
        batch.commit()
        batch.commit()
        break
    assert left(orders) == list("defg")
    one, two = billing(orders).batches(3)
    two.commit()  # And so is all before it.
    one.commit()
    assert left(orders) == []
    assert "3 changes of orders" in repr(one)


def test_batches_without_a_checkpoint_can_be_read_and_not_committed(orders):
    put(orders, "a")
    (batch,) = orders.changes("orders").batches()
    with pytest.raises(ValueError, match="no checkpoint"):
        batch.commit()
    with pytest.raises(ValueError, match="no checkpoint"):
        batch.transaction()
    for size in (0, 1001):
        with pytest.raises(ValueError, match="1 to 1000"):
            orders.changes("orders").batches(size)
    for size in (2.5, True, "3", None):
        with pytest.raises(TypeError, match="is no whole number"):
            orders.changes("orders").batches(size)


@pytest.mark.without_faults("it counts commits, and finding out about one that was not answered may take another")
def test_a_batch_and_what_its_consumer_writes_are_one_transaction(orders):
    put(orders, "a", "b")
    light = orders.client()
    light.put_item(TableName="totals", Item={"pk": {"S": "gone"}})
    light.put_item(TableName="totals", Item={"pk": {"S": "kept"}, "n": {"N": "1"}})
    (batch,) = billing(orders).batches()
    commits = orders.info()["work"]["commits"]
    with batch.transaction() as tx:
        for change in batch:
            tx.put("totals", {"pk": key(change), "of": change.new})
        tx.update(
            "totals",
            {"pk": "count"},
            UpdateExpression="ADD #n :n SET seen = :seen",
            ExpressionAttributeNames={"#n": "n"},
            ExpressionAttributeValues={":n": len(batch), ":seen": {"a", "b"}},
        )
        tx.delete("totals", {"pk": "gone"}, ConditionExpression="attribute_exists(pk)")
        tx.check(orders.table("totals"), {"pk": "kept"}, ConditionExpression=Attr("n").eq(1) & Attr("m").not_exists())
        assert totals(orders).keys() == {"gone", "kept"}, "nothing yet"
    assert orders.info()["work"]["commits"] == commits + 1
    assert totals(orders) == {
        "a": {"pk": "a", "of": {"pk": "a"}},
        "b": {"pk": "b", "of": {"pk": "b"}},
        "count": {"pk": "count", "n": 2, "seen": {"a", "b"}},
        "kept": {"pk": "kept", "n": 1},
    }
    assert left(orders) == []
    with pytest.raises(fdyno.CheckpointMoved, match="committed before"), batch.transaction() as tx:
        tx.put("totals", {"pk": "twice"})
    assert "twice" not in totals(orders)


def test_an_exception_in_the_block_writes_nothing(orders):
    put(orders, "a")
    (batch,) = billing(orders).batches()
    with pytest.raises(ZeroDivisionError), batch.transaction() as tx:
        tx.put("totals", {"pk": "a"})
        1 / 0
    assert (totals(orders), left(orders)) == ({}, ["a"])
    with batch.transaction():
        pass  # Nothing to write, so the checkpoint moves alone.
    assert left(orders) == []


def test_what_a_transaction_refuses_leaves_the_checkpoint(orders):
    put(orders, "a")
    exceptions = orders.client().exceptions

    def refused(exception, match, *writes):
        (batch,) = billing(orders).batches()
        with pytest.raises(exception, match=match) as caught, batch.transaction() as tx:
            tx.put("totals", {"pk": "first"})
            for write in writes:
                write(tx)
        assert (totals(orders), left(orders)) == ({}, ["a"])
        return caught.value

    error = refused(
        exceptions.TransactionCanceledException,
        "ConditionalCheckFailed",
        lambda tx: tx.check("totals", {"pk": "none"}, ConditionExpression="attribute_exists(pk)"),
    )
    assert [reason["Code"] for reason in error.response["CancellationReasons"]] == ["None", "ConditionalCheckFailed"]
    refused(exceptions.ResourceNotFoundException, "not found", lambda tx: tx.put("nowhere", {"pk": "a"}))
    refused(exceptions.ValidationException, "multiple operations on one item", lambda tx: tx.delete("totals", {"pk": "first"}))
    refused(exceptions.ValidationException, "Member must have length less than or equal to 100", *(
        lambda tx, number=number: tx.put("totals", {"pk": str(number)}) for number in range(100)
    ))
    refused(ClientError, "ValidationError", lambda tx: tx.put("totals", {"other": "a"}))
    refused(exceptions.SerializationException, "Nonsense", lambda tx: tx.put("totals", {"pk": "a"}, Nonsense="b"))
    refused(TypeError, "Float", lambda tx: tx.put("totals", {"pk": "a", "n": 0.5}))


def count(tx, batch):
    """What a consumer keeps of a batch: each key once, and how many there were."""
    for change in batch:
        tx.put("totals", {"pk": key(change)}, ConditionExpression="attribute_not_exists(pk)")
    tx.update("totals", {"pk": "count"}, UpdateExpression="ADD n :n", ExpressionAttributeValues={":n": len(batch)})


@pytest.mark.parametrize("trouble", ["block", "condition"])
def test_a_batch_whose_transaction_failed_comes_again_before_the_next(orders, trouble):
    put(orders, *"abcdefgh")
    seen, errors = [], []
    for batch in billing(orders).batches(2):
        seen.append("".join(map(key, batch)))
        try:
            with batch.transaction() as tx:
                count(tx, batch)
                if seen.count(seen[-1]) < {"ab": 2, "ef": 3, "gh": 2}.get(seen[-1], 1):
                    if trouble == "block":
                        raise LookupError(seen[-1])
                    tx.check("totals", {"pk": "none"}, ConditionExpression="attribute_exists(pk)")
        except (LookupError, ClientError) as error:
            errors.append(error)
    assert seen == ["ab", "ab", "cd", "ef", "ef", "ef", "gh", "gh"]
    assert len(errors) == 4
    found = totals(orders)
    assert found.pop("count")["n"] == 8
    assert (sorted(found), left(orders)) == (list("abcdefgh"), [])


def test_a_batch_that_failed_is_the_same_one_and_no_more_is_read_before_it(orders):
    put(orders, *"abc")
    batches = iter(billing(orders).batches(2))
    first = next(batches)
    with pytest.raises(ZeroDivisionError), first.transaction():
        1 / 0
    put(orders, "d")
    again = next(batches)
    assert again is first and list(map(key, again)) == ["a", "b"]
    with again.transaction() as tx:
        count(tx, again)
    assert list(map(key, next(batches))) == ["c", "d"]


def test_a_batch_that_always_fails_can_be_given_up(orders):
    put(orders, *"abcd")
    seen = []
    for batch in billing(orders).batches(2):
        seen.append("".join(map(key, batch)))
        try:
            with batch.transaction() as tx:
                if "a" in seen[-1]:
                    raise LookupError
                count(tx, batch)
        except LookupError:
            if len(seen) == 3:
                batch.commit()
    assert seen == ["ab", "ab", "ab", "cd"]
    assert (sorted(totals(orders)), left(orders)) == (["c", "count", "d"], [])


def test_a_second_try_in_the_loop_s_body_is_as_good(orders):
    put(orders, *"abcd")
    seen = []
    for batch in billing(orders).batches(2):
        seen.append("".join(map(key, batch)))
        with pytest.raises(ZeroDivisionError), batch.transaction():
            1 / 0
        with batch.transaction() as tx:
            count(tx, batch)
    assert (seen, left(orders)) == (["ab", "cd"], [])


def test_of_batches_that_were_fetched_ahead_each_has_its_turn(orders):
    put(orders, *"abcdef")
    one, two, three = billing(orders).batches(2)
    ran = []
    for batch in (two, three):
        with pytest.raises(RuntimeError, match=r"before it .* is not committed"), batch.transaction():
            ran.append(batch)
    with pytest.raises(ZeroDivisionError), one.transaction():
        1 / 0
    with pytest.raises(RuntimeError, match="not committed"), two.transaction():
        ran.append(two)
    assert (ran, left(orders)) == ([], list("abcdef"))
    for batch in (one, two, three):
        with batch.transaction() as tx:
            count(tx, batch)
    found = totals(orders)
    assert (found.pop("count")["n"], sorted(found), left(orders)) == (6, list("abcdef"), [])
    put(orders, *"ghijkl")
    one, two, three = billing(orders).batches(2)
    two.commit()  # And so the one before it.
    with three.transaction() as tx:
        count(tx, three)
    assert left(orders) == []


def test_a_batch_that_was_left_out_is_not_passed_over(orders):
    put(orders, *"abcdef")
    refused = 0
    for number, batch in enumerate(billing(orders).batches(2)):
        if number == 0:
            continue  # Neither committed nor failed.
        with pytest.raises(RuntimeError, match="not committed"), batch.transaction():
            pass
        refused += 1
    assert (refused, left(orders)) == (2, list("abcdef"))


def test_who_was_overtaken_gets_no_batch_again_but_is_told_so(orders):
    put(orders, *"abcd")
    batches = iter(billing(orders).batches(2))
    batch = next(batches)
    orders.checkpoints("orders").reset("billing", "latest")
    with pytest.raises(fdyno.CheckpointMoved), batch.transaction():
        pass
    with pytest.raises(fdyno.CheckpointMoved, match="'billing'"):
        next(batches)
    assert list(batches) == []


def test_on_asyncio_too_a_batch_that_failed_comes_again(orders):
    put(orders, *"abcdef")

    async def main():
        seen = []
        async for batch in billing(orders).batches(2):
            seen.append("".join(map(key, batch)))
            try:
                async with batch.transaction() as tx:
                    count(tx, batch)
                    if seen == ["ab"]:
                        raise LookupError
                    if seen[-2:] == ["ab", "cd"]:
                        tx.check("totals", {"pk": "none"}, ConditionExpression="attribute_exists(pk)")
            except (LookupError, ClientError):
                pass
        assert seen == ["ab", "ab", "cd", "cd", "ef"]
        put(orders, *"gh")
        one, two = [batch async for batch in billing(orders).batches(1)]
        with pytest.raises(RuntimeError, match="not committed"):
            async with two.transaction():
                raise AssertionError("the block ran")
        await one.commit_async()
        async with two.transaction() as tx:
            count(tx, two)
        orders.checkpoints("orders").reset("billing")
        batches = aiter(billing(orders).batches(2))
        batch = await anext(batches)
        orders.checkpoints("orders").delete("billing")
        for _ in range(2):
            with pytest.raises(fdyno.CheckpointMoved):
                async with batch.transaction():
                    pass
        with pytest.raises(fdyno.CheckpointMoved):
            await anext(batches)

    asyncio.run(main())
    found = totals(orders)
    assert (found.pop("count")["n"], sorted(found)) == (7, list("abcdefh"))


def test_values_are_written_as_boto3_s_tables_write_them(orders):
    item = {
        "pk": "a",
        "int": 1,
        "decimal": decimal.Decimal("1.5"),
        "big": 12345678901234567890123456789012345678,
        "none": None,
        "yes": True,
        "bytes": b"x",
        "list": [1, [None], {"a": "b"}],
        "map": {"set": {1, decimal.Decimal("2.5")}, "texts": {"a"}, "blobs": {b"x"}},
    }
    put(orders, "a")
    (batch,) = billing(orders).batches()
    with batch.transaction() as tx:
        tx.put("totals", {**item, "binary": Binary(b"y")})
    assert totals(orders)["a"] == {**item, "binary": b"y"}


def test_of_two_consumers_of_one_name_one_gets_on_and_the_other_is_told(orders):
    put(orders, "a", "b", "c")
    one, other = (next(iter(billing(orders).batches(2))) for _ in range(2))
    with one.transaction() as tx:
        tx.put("totals", {"pk": "one"})
    with pytest.raises(fdyno.CheckpointMoved, match="'billing' of table 'orders'"), other.transaction() as tx:
        tx.put("totals", {"pk": "other"})
    with pytest.raises(fdyno.CheckpointMoved):
        other.commit()
    assert totals(orders).keys() == {"one"}
    assert left(orders) == ["c"]
    loop = billing(orders).__iter__()
    assert key(next(loop)) == "c"
    orders.checkpoints("orders").reset("billing")
    with pytest.raises(fdyno.CheckpointMoved):
        next(loop)
    assert left(orders) == ["a", "b", "c"]


def test_who_breaks_off_is_told_by_closing_that_the_checkpoint_was_moved(orders):
    put(orders, *"abc")
    with pytest.raises(fdyno.CheckpointMoved), contextlib.closing(iter(billing(orders))) as changes:
        for change in changes:
            if key(change) == "b":
                orders.checkpoints("orders").reset("billing", "latest")
                break

    orders.checkpoints("orders").reset("billing")

    async def main():
        async with contextlib.aclosing(aiter(billing(orders))) as changes:
            async for change in changes:
                if key(change) == "b":
                    orders.checkpoints("orders").reset("billing", "latest")
                    break

    with pytest.raises(fdyno.CheckpointMoved):
        asyncio.run(main())
    assert left(orders) == []
    # Without a quarrel it only ends.
    orders.checkpoints("orders").reset("billing")
    with contextlib.closing(iter(billing(orders))) as changes:
        for change in changes:
            if key(change) == "b":
                break
    assert left(orders) == ["b", "c"]


def test_a_break_alone_cannot_raise_and_loses_nothing(orders, monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_type))
    put(orders, *"abc")
    for change in billing(orders):
        if key(change) == "c":
            orders.checkpoints("orders").reset("billing", first_of(orders))
            break
    gc.collect()
    assert (told, left(orders)) == ([fdyno.CheckpointMoved], ["b", "c"])


def test_a_consumer_whose_checkpoint_was_removed_is_told(orders):
    put(orders, "a")
    (batch,) = billing(orders).batches()
    orders.checkpoints("orders").delete("billing")
    with pytest.raises(fdyno.CheckpointMoved):
        batch.commit()
    assert list(orders.checkpoints("orders")) == []


def test_many_consumers_of_one_name_do_each_change_exactly_once(orders):
    keys = [f"{number:03}" for number in range(120)]
    errors = []

    def consume():
        done = 0
        try:
            while done < 40:  # Looks in a row that find nothing.
                done += 1
                try:
                    for batch in billing(orders).batches(7):
                        done = 0
                        with batch.transaction() as tx:
                            for change in batch:
                                tx.put("totals", {"pk": key(change)}, ConditionExpression="attribute_not_exists(pk)")
                            tx.update(
                                "totals",
                                {"pk": "count"},
                                UpdateExpression="ADD n :n",
                                ExpressionAttributeValues={":n": len(batch)},
                            )
                except fdyno.CheckpointMoved:
                    pass
        except BaseException as error:
            errors.append(error)

    billing(orders)
    consumers = [threading.Thread(target=consume) for _ in range(4)]
    for consumer in consumers:
        consumer.start()
    put(orders, *keys)
    for consumer in consumers:
        consumer.join()
    consume()
    assert errors == []
    found = totals(orders)
    assert found.pop("count")["n"] == len(keys)
    assert sorted(found) == keys


def test_a_consumer_goes_on_from_a_stream_that_ended_to_the_one_that_followed(orders):
    client = orders.client()
    put(orders, "a")
    billing(orders)
    client.update_table(TableName="orders", StreamSpecification={"StreamEnabled": False})
    put(orders, "untold")
    orders.clock.advance(seconds=1)
    client.update_table(TableName="orders", StreamSpecification=STREAM)
    put(orders, "b")
    assert list(map(key, orders.changes("orders"))) == ["b"], "without a checkpoint one stream is read"
    assert list(map(key, billing(orders))) == ["a", "b"]
    client.delete_table(TableName="orders")
    orders.clock.advance(hours=3)
    create_table(client, StreamSpecification=STREAM)
    put(orders, "c")
    following = billing(orders, follow=True).__iter__()
    assert key(next(following)) == "c"
    following.close()
    assert [list(map(key, batch)) for batch in billing(orders).batches()] == [["c"]]


def test_a_consumer_that_came_too_late_is_told_and_can_be_reset(orders):
    put(orders, "a", "b")
    loop = billing(orders).__iter__()
    next(loop), next(loop)
    loop.close()  # Done is `a`.
    orders.clock.advance(hours=25)
    put(orders, "c")
    exceptions = orders.client().exceptions
    with pytest.raises(exceptions.TrimmedDataAccessException):
        list(billing(orders))
    with pytest.raises(exceptions.TrimmedDataAccessException):
        list(billing(orders))
    orders.checkpoints("orders").reset("billing")
    assert list(map(key, billing(orders))) == ["c"]
    orders.clock.advance(hours=25)
    put(orders, "d")
    assert list(map(key, billing(orders))) == ["d"], "who has seen everything has missed nothing"


def test_checkpoints_go_with_the_last_of_their_table(orders):
    billing(orders)
    orders.client().delete_table(TableName="orders")
    assert list(orders.checkpoints("orders")) == ["billing"]
    orders.clock.advance(hours=25)
    orders.client().list_tables()
    orders.client("dynamodbstreams").list_streams()
    assert list(orders.checkpoints("orders")) == []


def test_a_fork_and_a_copy_go_on_where_their_source_was(orders, tmp_path):
    put(orders, "a", "b")
    loop = billing(orders).__iter__()
    next(loop), next(loop)
    loop.close()
    twins = []
    if orders.info()["engine"] == "memory":
        twins.append(orders.fork())
        fdyno.copy(orders, f"file:{tmp_path / 'copy'}")
        twins.append(fdyno.connect(f"file:{tmp_path / 'copy'}"))
    for twin in twins:
        put(twin, "c")
        assert list(map(key, billing(twin))) == ["b", "c"]
        twin.close()
    assert left(orders) == ["b"]


def test_asyncio_has_it_all(orders):
    put(orders, *"abcdefg")

    async def main():
        seen = []
        async for change in billing(orders):
            seen.append(key(change))
            if seen == ["a", "b"]:
                break
        while left(orders) != list("bcdefg"):
            await asyncio.sleep(0)  # asyncio closes an iterator that was left behind in one of its next turns.
        async with contextlib.aclosing(aiter(billing(orders))) as changes:
            async for change in changes:
                if key(change) == "c":
                    break
        assert left(orders) == list("cdefg"), "or at once"
        async for batch in billing(orders).batches(2):
            await batch.commit_async()
            break
        assert left(orders) == list("efg")
        async for batch in billing(orders).batches(2):
            async with batch.transaction() as tx:
                tx.put("totals", {"pk": "-".join(map(key, batch))})
        assert left(orders) == []
        assert totals(orders).keys() == {"e-f", "g"}
        put(orders, "h")
        (batch,) = [batch async for batch in billing(orders).batches()]
        with pytest.raises(ZeroDivisionError):
            async with batch.transaction():
                1 / 0
        orders.checkpoints("orders").reset("billing")
        with pytest.raises(fdyno.CheckpointMoved):
            async with batch.transaction():
                pass
        return [key(change) async for change in billing(orders)]

    assert asyncio.run(main()) == list("abcdefgh")
    assert left(orders) == []


def test_a_consumer_that_is_killed_goes_on_where_it_last_committed(tmp_path):
    url = f"file:{tmp_path / 'database'}"
    with fdyno.connect(url) as db:
        create_table(db.client(), StreamSpecification=STREAM)
        create_table(db.client(), "totals")
        put(db, *(f"{number:02}" for number in range(40)))
    text = """
        import os, sys
        import fdyno
        db = fdyno.connect(sys.argv[1])
        for number, batch in enumerate(db.changes("orders", checkpoint="billing").batches(4)):
            with batch.transaction() as tx:
                for change in batch:
                    tx.put("totals", {"pk": change.keys["pk"]}, ConditionExpression="attribute_not_exists(pk)")
                if number == 2:
                    os._exit(7)
    """
    for _ in range(3):
        command = [sys.executable, "-c", textwrap.dedent(text), url]
        assert subprocess.run(command, timeout=60, env=os.environ).returncode == 7
    with fdyno.connect(url) as db:
        assert sorted(totals(db)) == [f"{number:02}" for number in range(24)]
        assert left(db) == [f"{number:02}" for number in range(24, 40)]
