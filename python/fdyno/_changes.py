"""The change stream of a table as Python objects, read through the ordinary streams operations."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import _display
from ._errors import class_of
from ._values import Item, plain_item

if TYPE_CHECKING:
    from ._database import Database

#: A notebook shows this many changes.
SHOWN = 50


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


@dataclass(frozen=True)
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
    event_id: str = field(default="", repr=False, compare=False)
    #: Who did it, when it was not a caller: time to live, for example.
    user_identity: dict[str, str] | None = field(default=None, repr=False)

    @property
    def diff(self) -> dict[str, Difference]:
        """The attributes that differ between both images, by name."""
        old, new = self.old or {}, self.new or {}
        return {
            name: Difference(old.get(name, ABSENT), new.get(name, ABSENT))
            for name in sorted(old.keys() | new.keys())
            if old.get(name, ABSENT) != new.get(name, ABSENT)
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


class Changes:
    """The changes of one table's stream, oldest first. Every iteration starts at the oldest record there is."""

    def __init__(self, database: Database, table: str, region: str, stream_arn: str | None = None) -> None:
        self._client = database.client("dynamodbstreams", region_name=region)
        self._database_client = database.client("dynamodb", region_name=region)
        self.table = table
        self.stream_arn = stream_arn or self._newest_stream()

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

    def __iter__(self) -> Iterator[Change]:
        """Every change up to now."""
        for page in self._pages():
            if not page:
                return
            yield from page

    def follow(self, interval: float = 0.05) -> Iterator[Change]:
        """Every change, past and future; looks for new ones every `interval` seconds. Ends when the stream is closed."""
        for page in self._pages():
            if page:
                yield from page
            else:
                time.sleep(interval)

    def _pages(self) -> Iterator[list[Change]]:
        """Pages of records, an empty one whenever the end is reached; ends itself only when the stream is closed."""
        stream = self._client.describe_stream(StreamArn=self.stream_arn)["StreamDescription"]
        for shard in stream["Shards"]:
            position: str | None = self._client.get_shard_iterator(
                StreamArn=self.stream_arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while position is not None:
                answer = self._client.get_records(ShardIterator=position)
                position = answer.get("NextShardIterator")
                if answer["Records"] or position is not None:
                    yield [Change.from_record(record) for record in answer["Records"]]

    def _rows(self) -> list[dict[str, Any]]:
        """One flat mapping a change: `key.…`, `old.…` and `new.…` columns."""
        rows = []
        for change in self:
            row: dict[str, Any] = {
                "sequence_number": change.sequence_number,
                "time": change.time,
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
        """The changes as a `pandas.DataFrame`, attributes in columns `key.…`, `old.…` and `new.…`."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_pandas() needs pandas: pip install 'fdyno[pandas]'") from error
        rows = self._rows()
        return pandas.DataFrame(rows, columns=self._columns(rows))

    def to_arrow(self) -> Any:
        """The changes as a `pyarrow.Table`; attributes of mixed or nested types become JSON text."""
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
        for change in self:
            if len(shown) < SHOWN:
                shown.append(change)
            else:
                more += 1
        rows = []
        for change in shown:
            diff = change.diff
            keys = _display.attributes(change.keys, {}, "")
            old = _display.attributes(change.old, diff, _display.OLD)
            new = _display.attributes(change.new, diff, _display.NEW)
            rows.append((change.time.strftime("%Y-%m-%d %H:%M:%S"), change.kind, keys, old, new))
        note = f"and {more} more" if more else ""
        return _display.table(("time", "kind", "keys", "old", "new"), rows, f"changes of {self.table}", note)


def _json(value: Any) -> str:
    def encode(other: Any) -> Any:
        if isinstance(other, set):
            return sorted(other)
        if isinstance(other, bytes):
            return other.hex()
        return str(other)

    return json.dumps(value, default=encode, sort_keys=True)
