"""Reads one stream from a place on, page by page, and goes on from there where an iterator expired.

Knows the Streams API and nothing of who reads. A place is the sequence number of the last record that was read, which
holds for as long as the record does, while an iterator holds for fifteen minutes.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Union

from ._errors import class_of

if TYPE_CHECKING:
    from ._client import Client

#: ``"trim_horizon"``, ``"latest"``, the sequence number of the first record to read, or its time (seconds, or aware).
Start = Union[str, int, float, datetime]

_Trimmed = class_of("TrimmedDataAccessException")
_Expired = class_of("ExpiredIteratorException")
_NotFound = class_of("ResourceNotFoundException")

_TRIM_HORIZON = {"ShardIteratorType": "TRIM_HORIZON"}
#: Seconds to look back for a record that the stream still holds: more than two days.
_LONGEST_LOOK_BACK = 1 << 18


class StreamReader:
    """The records of one stream, in order. Not for several threads at once."""

    def __init__(self, client: Client, stream_arn: str, start: Start, after: str | None, now: datetime) -> None:
        """Reads behind the record `after` if it is given, else from `start` on; `now` is by the database's clock."""
        self._client = client
        self.stream_arn = stream_arn
        description = client.describe_stream(StreamArn=stream_arn)["StreamDescription"]
        key_schema = {element["KeyType"]: element["AttributeName"] for element in description["KeySchema"]}
        #: The name of the table's partition key.
        self.partition_key: str = key_schema["HASH"]
        # A stream of fdyno has one shard: docs/design.md, section 5.
        (shard,) = description["Shards"]
        self.shard_id: str = shard["ShardId"]
        #: How often the place had been trimmed, so that reading went on at the oldest record there was.
        self.restarts = 0
        self._after = after
        self._begin = _iterator_parameters(start)
        if after is None and self._begin["ShardIteratorType"] == "LATEST":
            # A LATEST iterator would be the only memory of the place, and expires.
            self._begin = _TRIM_HORIZON
            self._after = self._last_before(now)
        self._origin = self._after
        self._iterator: str | None = self._new_iterator()

    def return_to(self, after: str | None) -> None:
        """Reads behind the record `after` again; without it, from where this reader began."""
        self._after = self._origin if after is None else after
        self._iterator = self._new_iterator()

    @property
    def closed(self) -> bool:
        """Whether the stream is closed and was read to its end."""
        return self._iterator is None

    def page(self) -> list[dict[str, Any]]:
        """The next records; empty when there are none now."""
        answer = self._next_page()
        records: list[dict[str, Any]] = answer["Records"]
        self._iterator = answer.get("NextShardIterator")
        if records:
            self._after = _number(records[-1])
        return records

    def last_sequence_number(self) -> str | None:
        """The last record there is now; what is read next stays what it was."""
        answer, last = self._next_page(), self._after
        while answer["Records"]:
            last = _number(answer["Records"][-1])
            if "NextShardIterator" not in answer:
                break
            answer = self._client.get_records(ShardIterator=answer["NextShardIterator"])
        return last

    def holds(self, sequence_number: str) -> bool:
        """Whether the stream still holds a record that was once read from it."""
        try:
            self._iterator_at(ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber=sequence_number)
        except (_Trimmed, _NotFound):
            return False
        return True

    def _next_page(self) -> dict[str, Any]:
        while True:
            if self._iterator is None:
                return {"Records": []}
            try:
                return self._client.get_records(ShardIterator=self._iterator)
            except _Expired:
                self._iterator = self._new_iterator()
            except _Trimmed:
                self._iterator = self._restart()

    def _new_iterator(self) -> str:
        try:
            if self._after is None:
                return self._iterator_at(**self._begin)
            return self._iterator_at(ShardIteratorType="AFTER_SEQUENCE_NUMBER", SequenceNumber=self._after)
        except _Trimmed:
            return self._restart()

    def _restart(self) -> str:
        self.restarts += 1
        self._after, self._begin = None, _TRIM_HORIZON
        return self._iterator_at(**_TRIM_HORIZON)

    def _iterator_at(self, **place: Any) -> str:
        answer = self._client.get_shard_iterator(StreamArn=self.stream_arn, ShardId=self.shard_id, **place)
        iterator: str = answer["ShardIterator"]
        return iterator

    def _last_before(self, now: datetime) -> str | None:
        """The last record there is, found by looking back ever further; `None` in an empty stream."""
        seconds = 1
        while True:
            place: dict[str, Any] = _TRIM_HORIZON
            if seconds <= _LONGEST_LOOK_BACK:
                place = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": now - timedelta(seconds=seconds)}
            self._iterator = self._iterator_at(**place)
            last = self.last_sequence_number()
            if last is not None or place is _TRIM_HORIZON:
                return last
            seconds *= 2


def _number(record: dict[str, Any]) -> str:
    number: str = record["dynamodb"]["SequenceNumber"]
    return number


def _iterator_parameters(start: Start) -> dict[str, Any]:
    """What GetShardIterator is asked for."""
    if isinstance(start, str):
        if start.lower() in ("trim_horizon", "latest"):
            return {"ShardIteratorType": start.upper()}
        if start.isascii() and start.isdigit():
            return {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": start}
    elif isinstance(start, datetime):
        if start.tzinfo is None:
            raise ValueError(f"start={start!r} has no time zone")
        return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": start}
    elif isinstance(start, (int, float)) and not isinstance(start, bool):
        return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": datetime.fromtimestamp(start, timezone.utc)}
    raise ValueError(f"start={start!r}: 'trim_horizon', 'latest', a sequence number or a time")
