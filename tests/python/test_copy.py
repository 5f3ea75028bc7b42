"""`fdyno.copy` and the command `fdyno copy`: whole databases move, with their streams, and can be interrupted."""

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys

import pytest
from conftest import create_table
from packages import needed

import fdyno
from fdyno import _cli

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
REGION = "eu-west-1"


def put(client, key, size=0):
    client.put_item(TableName="orders", Item={"pk": {"S": key}, "body": {"S": "x" * size}})


def fill(client):
    """Some five megabytes: several steps, large items and old images among them."""
    create_table(client, StreamSpecification=STREAM)
    for number in range(14):
        put(client, f"large-{number}", 350_000)
    put(client, "large-0", 20_000)
    put(client, "small")


@pytest.fixture
def source(client, tmp_path):
    url = f"file:{tmp_path / 'source'}"
    with fdyno.connect(url) as db, db.activate():
        fill(client)
    return url


@pytest.fixture
def destination(tmp_path):
    return f"file:{tmp_path / 'destination'}"


def changes(db):
    return list(db.changes("orders", region_name=REGION))


def interrupted_after(steps):
    """A report of progress that ends as Ctrl-C does, after so many steps."""
    seen = []

    def progress(pairs, size):
        seen.append((pairs, size))
        if len(seen) == steps:
            signal.raise_signal(signal.SIGINT)

    progress.seen = seen
    return progress


def test_all_of_a_database_moves_and_its_streams_go_on(client, source, destination):
    with fdyno.connect(source) as db, db.activate():
        items = client.scan(TableName="orders", ConsistentRead=True)["Items"]
        before = changes(db)
    seen = []
    result = fdyno.copy(source, destination, progress=lambda *done: seen.append(done))
    assert result.tables == 1 and result.pairs > 60 and result.bytes > 4_900_000
    assert re.fullmatch("[0-9a-f]{64}", result.checksum)
    assert seen == sorted(seen) and seen[-1] == (result.pairs, result.bytes) and len(seen) > 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.pairs = 0
    with fdyno.connect(destination) as db, db.activate():
        assert client.scan(TableName="orders", ConsistentRead=True)["Items"] == items
        put(client, "small", 5)
        after = changes(db)
    assert after[:-1] == before, "sequence numbers, times, old and new images"
    assert after[-1].sequence_number > before[-1].sequence_number
    assert (after[-1].kind, after[-1].old["body"], after[-1].new["body"]) == ("MODIFY", "", "xxxxx")


def test_a_copy_and_its_source_are_databases_of_their_own(source, destination):
    fdyno.copy(source, destination)
    with fdyno.connect(source) as one, fdyno.connect(destination) as two:
        assert one.info()["id"] != two.info()["id"]
        assert not {change.event_id for change in changes(one)} & {change.event_id for change in changes(two)}


def test_paths_are_urls(tmp_path, source):
    first = fdyno.copy(tmp_path / "source", tmp_path / "one")
    second = fdyno.copy(source, tmp_path / "two")
    assert first == second


def test_a_database_in_memory_is_copied_as_it_is_now_whatever_is_written_meanwhile(client, destination):
    with fdyno.local() as db:
        fill(client)
        before = changes(db)
        fdyno.copy(db, destination, progress=lambda pairs, _: put(client, f"meanwhile-{pairs}"))
        assert len(changes(db)) > len(before)
    with fdyno.connect(destination) as db:
        assert changes(db) == before


def test_a_database_moves_to_a_cluster_and_back(client, source, destination, cluster_url):
    with fdyno.connect(source) as db:
        before = changes(db)
    there = cluster_url
    with pytest.raises(KeyboardInterrupt):
        fdyno.copy(source, there, progress=interrupted_after(2))
    with pytest.raises(fdyno.CopyError, match="unfinished copy"):
        fdyno.connect(there)
    assert fdyno.copy(source, there).tables == 1
    with fdyno.connect(there) as db, db.activate():
        put(client, "on the cluster")
        on_cluster = changes(db)
    assert on_cluster[:-1] == before and len(on_cluster) == len(before) + 1
    # Another database on the same cluster is another place.
    assert fdyno.copy(there, f"{there}-beside").tables == 1
    fdyno.copy(there, destination)
    with fdyno.connect(destination) as db, db.activate():
        put(client, "back on disk")
        after = changes(db)
    assert after[:-1] == on_cluster
    numbers = [change.sequence_number for change in after]
    assert numbers == sorted(set(numbers)) and [change.time for change in after] == sorted(change.time for change in after)


def test_a_copy_begins_with_its_machines_time(client, source, destination, cluster_url):
    fdyno.copy(source, cluster_url)
    with fdyno.connect(cluster_url) as db, db.activate():
        db.clock.freeze()
        db.clock.advance(hours=300)
        put(client, "later")
        last = list(db.changes("orders", region_name=REGION))[-1].time
    with fdyno.connect(cluster_url) as db:
        assert db.clock.frozen and db.clock.now() >= last
    fdyno.copy(cluster_url, destination)
    fdyno.copy(cluster_url, f"{cluster_url}-again")
    for there in (destination, f"{cluster_url}-again"):
        with fdyno.connect(there) as db, db.activate():
            assert not db.clock.frozen and db.clock.now() < last
            put(client, "earlier by the clock")
            assert list(db.changes("orders", region_name=REGION))[-1].time >= last


def test_an_interrupted_copy_of_a_database_in_memory_goes_on_unless_it_was_written_to(client, destination):
    with fdyno.local() as db:
        fill(client)
        for steps in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                fdyno.copy(db, destination, progress=interrupted_after(steps))
        put(client, "in between")
        with pytest.raises(fdyno.CopyError, match="the source was written to"):
            fdyno.copy(db, destination)


def test_an_open_database_on_disk_is_copied_unless_it_is_written_to(client, source, destination, tmp_path):
    with fdyno.connect(source) as db, db.activate():
        fdyno.copy(db, destination)
        with pytest.raises(fdyno.CopyError, match="the source was written to while it was copied"):
            fdyno.copy(db, tmp_path / "another", progress=lambda pairs, _: put(client, f"meanwhile-{pairs}"))
        put(client, "and it goes on")


def test_ctrl_c_interrupts_between_steps_and_the_same_call_goes_on(client, source, destination):
    with fdyno.connect(source) as db:
        before = changes(db)
    progress = interrupted_after(3)
    with pytest.raises(KeyboardInterrupt):
        fdyno.copy(source, destination, progress=progress)
    pairs, size = progress.seen[-1]
    assert len(progress.seen) == 3 and 2_000_000 < size < 5_000_000
    with pytest.raises(fdyno.CopyError, match="run the copy again, which goes on where it was, or, if its source was written to"):
        fdyno.connect(destination)
    again = []
    result = fdyno.copy(source, destination, progress=lambda *done: again.append(done))
    assert again[0][0] > pairs and again[0][1] > size, "it did not begin again"
    assert result.pairs == again[-1][0]
    with fdyno.connect(destination) as db:
        assert changes(db) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no SIGKILL on this platform")
def test_a_process_that_is_killed_amid_a_copy_leaves_one_that_goes_on(source, destination):
    program = f"""
import os, signal, fdyno
seen = []
def progress(*done):
    seen.append(done)
    if len(seen) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
fdyno.copy({source!r}, {destination!r}, progress=progress)
"""
    run = subprocess.run([sys.executable, "-c", program], timeout=120)
    assert run.returncode == -signal.SIGKILL
    again = []
    result = fdyno.copy(source, destination, progress=lambda *done: again.append(done))
    assert again[0][1] > 3_000_000, "it did not begin again"
    with fdyno.connect(source) as one, fdyno.connect(destination) as two:
        assert changes(one)[-1].sequence_number == changes(two)[-1].sequence_number
    assert result.tables == 1


def test_what_the_report_raises_interrupts_as_well(source, destination):
    def progress(*_):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        fdyno.copy(source, destination, progress=progress)
    assert fdyno.copy(source, destination).tables == 1


def test_what_cannot_be_copied_is_refused(client, source, destination, tmp_path):
    for place in ("absent", "empty"):
        if place == "empty":
            (tmp_path / place).mkdir()
        with pytest.raises(fdyno.CopyError, match="no database at the source"):
            fdyno.copy(tmp_path / place, destination)
        assert not (tmp_path / place).exists() or not any((tmp_path / place).iterdir())
    fdyno.connect(tmp_path / "used").close()
    with pytest.raises(fdyno.CopyError, match="the destination is not empty"):
        fdyno.copy(source, tmp_path / "used")
    with pytest.raises(KeyboardInterrupt):
        fdyno.copy(source, destination, progress=interrupted_after(1))
    with pytest.raises(fdyno.CopyError, match="unfinished copy of another database"):
        fdyno.copy(tmp_path / "used", destination)
    with pytest.raises(fdyno.CopyError, match="the source is itself an unfinished copy"):
        fdyno.copy(destination, tmp_path / "third")
    closed = fdyno.connect(tmp_path / "used")
    closed.close()
    with pytest.raises(fdyno.DatabaseError, match="closed"):
        fdyno.copy(closed, tmp_path / "third")
    assert not (tmp_path / "third").exists(), "a refused copy leaves nothing"
    with fdyno.connect(source) as db, db.activate():
        with pytest.raises(fdyno.DatabaseLockedError):
            fdyno.copy(source, tmp_path / "fourth")
        put(client, "between the two runs")
    with pytest.raises(fdyno.CopyError, match="the source was written to"):
        fdyno.copy(source, destination)


@pytest.mark.parametrize("is_open", [False, True])
def test_a_database_is_not_copied_onto_itself_nor_into_itself(source, tmp_path, monkeypatch, is_open):
    path = tmp_path / "source"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alias").symlink_to(path)
    with fdyno.connect(source) if is_open else contextlib.nullcontext(source) as given:
        for same in (source, path, "file:source", "file:./source", tmp_path / "alias"):
            with pytest.raises(ValueError, match="the source and the destination are the same database"):
                fdyno.copy(given, same)
        inside = path / "deeper" / "copy"
        with pytest.raises(ValueError, match=re.escape(f"{inside} lies inside of {path}: ")):
            fdyno.copy(given, inside)
        with pytest.raises(ValueError, match=re.escape(f"{path} lies inside of {tmp_path}: ")):
            fdyno.copy(given, tmp_path / "alias" / "..")
        assert not (path / "deeper").exists() and not (tmp_path / "LOCK").exists()
        # A name that begins with another one is no place inside of it.
        assert fdyno.copy(given, tmp_path / "source beside").tables == 1


def test_a_database_on_a_cluster_is_not_copied_onto_itself(client, cluster_url):
    there = cluster_url
    with fdyno.connect(there) as db, db.activate():
        create_table(client)
        for source in (there, db):
            with pytest.raises(ValueError, match="the source and the destination are the same database"):
                fdyno.copy(source, there)


def test_an_open_database_is_no_destination_and_a_number_no_place(source):
    with fdyno.connect() as db, pytest.raises(TypeError, match="the destination is a url or a path, not an open Database"):
        fdyno.copy(source, db)
    for call in (lambda: fdyno.copy(source, 5), lambda: fdyno.copy(5, source), lambda: fdyno.connect(5)):
        with pytest.raises(TypeError, match="by a url or a path, not by int"):
            call()


def test_a_finished_copy_is_answered_again_until_one_of_the_two_is_written_to(client, source, destination, tmp_path):
    first = fdyno.copy(source, destination)
    with fdyno.connect(destination) as db:
        before = changes(db)
    reports = []
    assert fdyno.copy(source, destination, progress=lambda *done: reports.append(done)) == first
    with fdyno.connect(destination) as db, db.activate():
        assert changes(db) == before
        put(client, "only in the copy")
    with pytest.raises(fdyno.CopyError, match="the destination is not empty"):
        fdyno.copy(source, destination)
    second = f"file:{tmp_path / 'second'}"
    fdyno.copy(source, second)
    with fdyno.connect(source) as db, db.activate():
        put(client, "since")
    with pytest.raises(fdyno.CopyError, match="a finished copy of the source, which was written to since"):
        fdyno.copy(source, second)


def test_a_copy_to_a_cluster_is_answered_again_until_it_is_written_to(client, source, cluster_url, double_library):
    there = f"{cluster_url}&library={double_library}"
    first = fdyno.copy(source, there)
    fdyno.connect(there).close()
    assert fdyno.copy(source, there) == first
    with fdyno.connect(there) as db, db.activate():
        put(client, "only in the copy")
    with pytest.raises(fdyno.CopyError, match="the destination is not empty"):
        fdyno.copy(source, there)


def test_a_copy_in_memory_is_handed_over(client, source):
    result = fdyno.copy(source, "memory:")
    with fdyno.connect(source) as db:
        before = list(db.changes("orders", region_name="eu-west-1"))
        assert list(result.database.changes("orders", region_name="eu-west-1")) == before
    with result.database.activate():
        put(client, "only in the copy")
    after = list(result.database.changes("orders", region_name="eu-west-1"))
    assert len(after) == len(before) + 1
    assert int(after[-1].sequence_number) > int(before[-1].sequence_number)
    # What was copied from is as it was, and memory is a place to copy from as well.
    assert fdyno.copy(result.database.fork(), "memory:").database.info()["engine"] == "memory"


def test_urls_that_name_no_place_are_refused(source):
    with pytest.raises(ValueError, match="new, empty database"):
        fdyno.copy("memory:", source)
    with pytest.raises(ValueError, match="no option 'prefx'"):
        fdyno.copy(source, "fdb:?prefx=a")
    with pytest.raises(fdyno.ClusterError):
        fdyno.copy(source, "fdb:/nowhere/fdb.cluster")
    with pytest.raises(ValueError, match="no database url"):
        fdyno.copy("nonsense", source)


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "fdyno", *arguments], capture_output=True, text=True, timeout=120)


def test_the_command_copies_and_says_what(source, destination, tmp_path):
    run = command("copy", source, destination)
    expected = fdyno.copy(source, tmp_path / "again")
    assert run.returncode == 0, run.stderr
    assert run.stdout == (
        f"1 tables, {expected.pairs} pairs, {expected.bytes} bytes, checksum {expected.checksum}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("file:absent", "memory:"), "would be gone"),
        (("file:absent", "file:copy"), "there is no database at the source"),
        (("nonsense", "file:copy"), "'nonsense' is no database url"),
        (("file:absent", "fdb:?prefx=a"), "no option 'prefx'"),
    ],
)
def test_the_command_fails_with_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = command("copy", "--quiet", *arguments)
    assert run.returncode == 1 and run.stdout == ""
    assert run.stderr.count("\n") == 1 and run.stderr.startswith("fdyno: ") and message in run.stderr


class Bar:
    """A progress bar whose watcher loses patience."""

    def __init__(self, interrupted_at):
        self.n = 0
        self.told = []
        self.interrupted_at = interrupted_at

    def update(self, by):
        self.n += by
        self.told.append(by)
        if len(self.told) == self.interrupted_at:
            signal.raise_signal(signal.SIGINT)

    def set_description_str(self, text):
        self.text = text

    def close(self):
        self.closed = True


def test_the_command_can_be_interrupted_and_goes_on(source, destination, monkeypatch, capsys):
    first, second = Bar(2), Bar(None)
    bars = iter([first, second])
    monkeypatch.setattr(_cli, "_progress_bar", lambda: next(bars))
    assert _cli.main(["copy", source, destination]) == 130
    assert capsys.readouterr().err == (
        "fdyno: interrupted; the same command goes on where it was, unless the source is written to meanwhile\n"
    )
    assert _cli.main(["copy", source, destination]) == 0
    assert first.closed and second.closed and second.text == "comparing"
    assert second.told[0] > sum(first.told), "the first report already counts what was there"
    assert f"{second.n} bytes" in capsys.readouterr().out


def test_the_progress_bar_is_drawn_on_a_terminal(source, destination, monkeypatch, capsys):
    needed("tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert _cli.main(["copy", source, destination]) == 0
    drawn = capsys.readouterr().err
    assert "copying: " in drawn and "comparing: " in drawn and "MB" in drawn
    assert ": :" not in drawn


def test_without_tqdm_the_command_works_and_says_what_is_missing(source, destination, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert _cli.main(["copy", source, destination]) == 0
    assert capsys.readouterr().err == "fdyno: no progress bar without tqdm (pip install tqdm)\n"
