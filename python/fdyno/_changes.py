"""The change stream of a table as Python objects, read through the ordinary streams operations."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union

from . import _display
from ._batches import Batches
from ._checkpoints import checked_name
from ._errors import CheckpointMoved, class_of
from ._fdyno import DatabaseError
from ._reader import MOST, Place, Reader
from ._values import Item, plain_item

if TYPE_CHECKING:
    from ._database import Database

#: A notebook shows this many changes.
SHOWN = 50

#: Where reading begins: ``"trim_horizon"``, ``"latest"``, behind a sequence number, or at a time.
Start = Union[str, datetime]


class _Absent:
    """Stands for an attribute that an image does not have, where `None` would mean a stored null."""

    def __repr__(self) -> str:
        return "absent"

    def __bool__(self) -> bool:
        return False


ABSENT = _Absent()


class Difference(NamedTuple):
    """One attribute before and after; `ABSENT` where it was not there."""

    old: Any
    new: Any


@dataclass(frozen=True, repr=False)
class Change:
    """One change of one item."""

    sequence_number: str
    #: When it happened, by the database's clock.
    time: datetime
    kind: Literal["INSERT", "MODIFY", "REMOVE"]
    #: The item's primary key.
    keys: Item
    #: The item before and after, where the stream's view type records it.
    old: Item | None = None
    new: Item | None = None
    event_id: str = field(default="", compare=False)
    #: Who did it, when it was not a caller: time to live, for example.
    user_identity: dict[str, str] | None = None

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name in ("sequence_number", "time", "kind", "keys", "old", "new")]
        if self.user_identity is not None:
            shown.append(f"user_identity={self.user_identity!r}")
        return f"Change({', '.join(shown)})"

    def __hash__(self) -> int:
        # Items are mappings and have none of their own.
        return hash(self.sequence_number)

    @property
    def diff(self) -> dict[str, Difference] | None:
        """The attributes that differ between both images, by name; `None` where the stream did not record them."""
        if (self.old is None and self.kind != "INSERT") or (self.new is None and self.kind != "REMOVE"):
            return None
        old, new = self.old or {}, self.new or {}
        return {
            name: Difference(old.get(name, ABSENT), new.get(name, ABSENT))
            for name in sorted(old.keys() | new.keys())
            if not _is_same(old.get(name, ABSENT), new.get(name, ABSENT))
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Change:
        """A record of ``get_records`` as a change."""
        body = record["dynamodb"]
        old, new = body.get("OldImage"), body.get("NewImage")
        return cls(
            sequence_number=body["SequenceNumber"],
            time=body["ApproximateCreationDateTime"],
            kind=record["eventName"],
            keys=plain_item(body["Keys"]),
            old=None if old is None else plain_item(old),
            new=None if new is None else plain_item(new),
            event_id=record["eventID"],
            user_identity=record.get("userIdentity"),
        )


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are one value of DynamoDB's: unlike in Python, a boolean equals no number."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


class Changes:
    """The changes of one table's stream, oldest first: iterate it, or ``async for``; as often and by as many as you like.

    Every iteration begins where `start` says, or, with a checkpoint, where that is.
    """

    def __init__(
        self,
        database: Database,
        table: str,
        region: str,
        stream_arn: str | None = None,
        start: Start = "trim_horizon",
        follow: bool = False,
        checkpoint: str | None = None,
    ) -> None:
        self._start = start_of(start)
        self.checkpoint = None if checkpoint is None else checked_name(checkpoint)
        self._database = database
        self._region = region
        self._client = database.client("dynamodbstreams", region_name=region)
        self._database_client = database.client("dynamodb", region_name=region)
        self._follow = follow
        self.table = table
        self.stream_arn = stream_arn or self._newest_stream()
        #: Where it begins, if that is to stay where it is now.
        self._place: Place | None = None
        if self._start["Start"] != "TRIM_HORIZON":
            self._place = self._first_place()
        if checkpoint is not None:
            self._begin(Reader(database, table, region, checkpoint))

    def _newest_stream(self) -> str:
        exists = True
        try:
            # Labels are times, and the clock may have been set back: the table knows better.
            latest: str | None = self._database_client.describe_table(TableName=self.table)["Table"].get("LatestStreamArn")
        except class_of("ResourceNotFoundException"):
            exists, latest = False, None  # It may have been deleted; its streams can still be read.
        if latest is not None:
            return latest
        newest: dict[str, Any] | None = None
        start: dict[str, Any] = {}
        while True:
            page = self._client.list_streams(TableName=self.table, **start)
            for stream in page["Streams"]:
                if newest is None or stream["StreamLabel"] > newest["StreamLabel"]:
                    newest = stream
            if "LastEvaluatedStreamArn" not in page:
                break
            start = {"ExclusiveStartStreamArn": page["LastEvaluatedStreamArn"]}
        region = self._client.region
        if newest is None and not exists:
            raise ValueError(
                f"there is no table {self.table!r} in region {region}, nor a stream of one that was deleted; "
                "region_name= names another region"
            )
        if newest is None:
            raise ValueError(
                f"table {self.table!r} in region {region} has no stream: create or update it with "
                "StreamSpecification={'StreamEnabled': True, 'StreamViewType': 'NEW_AND_OLD_IMAGES'}"
            )
        arn: str = newest["StreamArn"]
        return arn

    def __iter__(self) -> Generator[Change, None, None]:
        """Every change up to now; with ``follow=True``, then those that come, until the stream or the database is closed. With
        a checkpoint it waits for the next stream instead, as long as there is a table.

        With a checkpoint a change is done when the next one is asked for. The checkpoint moves behind what is done at the end
        of each page, before waiting, and at the end of the iteration. Who leaves the loop and wants to hear whether that succeeded
        closes the iterator: ``with contextlib.closing(iter(changes)) as changes``.
        """
        return self._iterate(self._follow)

    def __aiter__(self) -> AsyncGenerator[Change, None]:
        return self._iterate_async()

    def follow(self) -> Generator[Change, None, None]:
        """As iterating with ``follow=True``: every change, past and future."""
        return self._iterate(follow=True)

    def batches(self, size: int = 100) -> Batches:
        """The changes in batches of up to `size`, none of them empty. The checkpoint moves only when a batch is committed."""
        return Batches(self, size)

    def _first_place(self) -> Place:
        """Where reading begins without a checkpoint."""
        reader = Reader(self._database, self.table, self._region)
        self._open(reader)
        return reader.place

    def _beginning(self) -> tuple[str, dict[str, Any]]:
        if self._place is None:
            return self.stream_arn, self._start
        start = {"Start": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": self._place.position}
        return self._place.stream_arn, start

    def _open(self, reader: Reader) -> None:
        reader.open(*self._beginning())

    def _enter(self, reader: Reader) -> None:
        """Takes a reader to where reading begins, or to where its checkpoint is."""
        if self.checkpoint is None:
            self._open(reader)
        elif not (reader.resume() or self._begin(reader)):
            reader.resume()  # Another consumer has just left a checkpoint.

    def _begin(self, reader: Reader) -> bool:
        """Opens the stream and leaves a new checkpoint there, unless there is one of its name."""
        self._open(reader)
        try:
            reader.move(reader.place)
        except CheckpointMoved:
            return False
        return True

    def _iterate(self, follow: bool) -> Generator[Change, None, None]:
        reader = self._reader()
        try:
            for changes in self._pages(reader, MOST, follow, commits=True):
                for change in changes:
                    yield change
                    # Not reached if the loop's body raises or breaks: that change is not done.
                    reader.done(change.sequence_number)
        finally:
            if not reader.is_closed:
                reader.commit()

    async def _iterate_async(self) -> AsyncGenerator[Change, None]:
        reader = self._reader()
        try:
            async with aclosing(self._pages_async(reader, MOST, commits=True)) as pages:
                async for changes in pages:
                    for change in changes:
                        yield change
                        reader.done(change.sequence_number)
        finally:
            if not reader.is_closed:
                await reader.commit_async()

    def _reader(self) -> Reader:
        return Reader(self._database, self.table, self._region, self.checkpoint)

    def _pages(
        self, reader: Reader, size: int, follow: bool | None = None, commits: bool = False
    ) -> Iterator[list[Change]]:
        """Changes by the page, none of them empty."""
        follow = self._follow if follow is None else follow
        try:
            self._enter(reader)
            while not reader.over:
                records = reader.read(size) if reader.has_more else []
                if records:
                    yield [Change.from_record(record) for record in records]
                if commits:
                    reader.commit()
                if reader.at_end:
                    reader.go_on()
                if reader.at_end and not reader.over and not (follow and reader.wait()):
                    return
        except DatabaseError:
            # Who follows has no other end to come to.
            if not (follow and reader.is_closed):
                raise

    async def _pages_async(
        self, reader: Reader, size: int, commits: bool = False
    ) -> AsyncGenerator[list[Change], None]:
        try:
            if self.checkpoint is None:
                await reader.open_async(*self._beginning())
            elif not (await reader.resume_async() or self._begin(reader)):
                await reader.resume_async()
            while not reader.over:
                records = await reader.read_async(size) if reader.has_more else []
                if records:
                    yield [Change.from_record(record) for record in records]
                if commits:
                    await reader.commit_async()
                if reader.at_end:
                    await reader.go_on_async()
                if reader.at_end and not reader.over and not (self._follow and await reader.wait_async()):
                    return
        except DatabaseError:
            if not (self._follow and reader.is_closed):
                raise

    def _look(self) -> Iterator[Change]:
        """Every change up to now, for those who only look: no checkpoint moves."""
        for changes in self._pages(self._reader(), MOST, follow=False):
            yield from changes

    def _rows(self) -> list[dict[str, Any]]:
        """One flat mapping a change: `key.…`, `old.…` and `new.…` columns. Times are UTC: arrow knows no local time."""
        rows = []
        for change in self._look():
            row: dict[str, Any] = {
                "sequence_number": change.sequence_number,
                "time": change.time.astimezone(timezone.utc),
                "kind": change.kind,
            }
            for prefix, item in (("key", change.keys), ("old", change.old), ("new", change.new)):
                row.update((f"{prefix}.{name}", value) for name, value in (item or {}).items())
            rows.append(row)
        return rows

    def _columns(self, rows: list[dict[str, Any]]) -> list[str]:
        first = ["sequence_number", "time", "kind"]
        names = {name for row in rows for name in row} - set(first)
        return first + sorted(names, key=lambda name: (["key", "old", "new"].index(name.split(".", 1)[0]), name))

    def to_pandas(self) -> Any:
        """The changes as a `pandas.DataFrame`, attributes in columns `key.…`, `old.…` and `new.…`, times in UTC.

        Integers stay what they are: a column of them in which some are missing has the type ``Int64``, or ``object`` where
        one has more than 64 bits.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_pandas() needs pandas: pip install 'fdyno[pandas]'") from error
        rows = self._rows()
        # By itself pandas would make floats of integers between which some are missing.
        columns = {name: pandas.Series([row.get(name) for row in rows], dtype=object) for name in self._columns(rows)}
        for name, column in columns.items():
            columns[name] = column.infer_objects()
            present = column.dropna()
            if len(present) and all(type(value) is int for value in present):
                with contextlib.suppress(OverflowError):
                    columns[name] = column.astype("Int64" if len(present) < len(column) else "int64")
        return pandas.DataFrame(columns)

    def to_arrow(self) -> Any:
        """The changes as a `pyarrow.Table`, times in UTC; attributes of mixed or nested types become JSON text."""
        try:
            import pyarrow
        except ImportError as error:
            raise ImportError("to_arrow() needs pyarrow: pip install 'fdyno[arrow]'") from error
        rows = self._rows()
        columns = {}
        for name in self._columns(rows):
            values = [row.get(name) for row in rows]
            try:
                if any(isinstance(value, (dict, list, set)) for value in values):
                    raise TypeError(name)
                columns[name] = pyarrow.array(values)
            except (TypeError, ValueError, OverflowError):  # ArrowInvalid is a ValueError, mixed types a TypeError.
                columns[name] = pyarrow.array([None if value is None else _json(value) for value in values])
        return pyarrow.table(columns)

    def __repr__(self) -> str:
        return f"<changes of {self.table}: {self.stream_arn}>"

    def _repr_html_(self) -> str:
        shown: list[Change] = []
        more = 0
        for change in self._look():
            if len(shown) < SHOWN:
                shown.append(change)
            else:
                more += 1
        rows = []
        for change in shown:
            diff = change.diff
            keys = _display.attributes(change.keys)
            old = _image(change.old, change.kind == "INSERT", diff, _display.OLD)
            new = _image(change.new, change.kind == "REMOVE", diff, _display.NEW)
            time = change.time.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
            rows.append((time, change.kind, keys, old, new))
        note = f"and {more} more" if more else ""
        return _display.table(("time (UTC)", "kind", "keys", "old", "new"), rows, f"changes of {self.table}", note)


def _image(item: Item | None, is_absent: bool, diff: dict[str, Difference] | None, style: str) -> str:
    """An image in a notebook, with what differs in colour where both sides are known."""
    if item is None:
        return _display.missing("—" if is_absent else "not recorded")
    return _display.attributes(item, diff or {}, style)


def start_of(start: Start) -> dict[str, Any]:
    """As `OpenStream` takes it."""
    if isinstance(start, datetime):
        if start.tzinfo is None:
            raise ValueError(f"start={start!r} has no time zone")
        return {"Start": "AT_TIMESTAMP", "Timestamp": start}
    if isinstance(start, str):
        if start.lower() in ("trim_horizon", "latest"):
            return {"Start": start.upper()}
        if start.isascii() and start.isdigit():
            return {"Start": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": start}
    raise ValueError(f"start={start!r}: 'trim_horizon', 'latest', a sequence number or a datetime")


def _json(value: Any) -> str:
    def encode(other: Any) -> Any:
        if isinstance(other, set):
            return sorted(other)
        if isinstance(other, bytes):
            return other.hex()
        return str(other)

    return json.dumps(value, default=encode, sort_keys=True)
