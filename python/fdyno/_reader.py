"""Reads one table's streams by position, waits for what comes, and keeps a checkpoint.

A position is the sequence number of the last change that is done: unlike a shard iterator it does not expire. Everything
here comes twice, for threads and for asyncio; what both have in common makes the request and takes the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _errors

if TYPE_CHECKING:
    from ._database import Database

Record = dict[str, Any]
Request = tuple[str, dict[str, Any]]

#: Most records that one reading gives.
MOST = 1000


class Place(NamedTuple):
    """A position in one stream."""

    stream_arn: str
    position: str


#: What an error calls these requests of fdyno's own: by the operations of AWS in whose place they stand.
_AS_ON_AWS = {"OpenStream": "GetShardIterator", "ReadStream": "GetRecords"}


class Reader:
    """Reads on from a place, or from where its checkpoint is, record by record as ``get_records`` tells them.

    `over` says that there will never be more: the stream has ended (with a checkpoint: none has followed it, and there is no
    table of the name to have another), or the database was closed.
    """

    def __init__(self, database: Database, table: str, region: str, checkpoint: str | None = None) -> None:
        self._core = database._core
        self._region = region
        self._table = table
        self._checkpoint = checkpoint
        self._follower: Any = None
        #: Woken by no commit.
        self._pausing: Any = None
        self._table_id = 0
        self._stream_arn = ""
        self._position = ""
        self._found = True
        self._is_drained = False
        #: Where the checkpoint is, and where it may go.
        self._committed: Place | None = None
        self._done: Place | None = None
        #: Whether there was no more at the last reading.
        self.at_end = False
        self.over = False

    @property
    def place(self) -> Place:
        """Behind everything that was read."""
        return Place(self._stream_arn, self._position)

    @property
    def committed(self) -> Place | None:
        """Where the checkpoint is, as far as this reader knows."""
        return self._committed

    @property
    def is_drained(self) -> bool:
        """Whether the stream has ended and was read to its end."""
        return self._is_drained

    @property
    def has_more(self) -> bool:
        """Whether it is worth a reading: not at the end of a stream that has ended."""
        return not (self.over or self._is_drained)

    @property
    def is_closed(self) -> bool:
        """Whether the database is closed."""
        return self._core.closed

    # What both worlds have in common.

    def _enter(self, stream: dict[str, Any]) -> None:
        self._stream_arn, self._position = stream["StreamArn"], stream["Position"]
        self._follow_table(stream["TableId"])
        self._found, self.at_end, self._is_drained = True, False, False

    def _follow_table(self, table_id: int) -> None:
        self._table_id = table_id
        # A database that was closed meanwhile was closed for this reader.
        self._follower = self._follower.of_table(table_id) if self._follower else self._core.follower(table_id)

    def _opening(self, stream_arn: str, start: dict[str, Any]) -> Request:
        return "OpenStream", {"StreamArn": stream_arn, **start}

    def _resuming(self) -> Request:
        return "ResumeCheckpoint", {"TableName": self._table, "Name": self._checkpoint}

    def _resumed(self, answer: dict[str, Any]) -> bool:
        """Whether the checkpoint is there."""
        if "Checkpoint" not in answer:
            return False
        shown = answer["Checkpoint"]
        self._committed = self._done = Place(shown["StreamArn"], shown["Position"])
        if "Stream" in answer:
            self._enter(answer["Stream"])
        else:
            self._stream_arn, self._position = self._committed
            self.at_end = self._is_drained = True
            if "TableId" in answer:
                self._follow_table(answer["TableId"])
            else:
                self.over = True
        return True

    def _reading(self, limit: int) -> Request:
        self._look()
        return "ReadStream", {"StreamArn": self._stream_arn, "Position": self._position, "Limit": limit}

    def _look(self) -> None:
        """Has the next wait end with whatever is committed from now on."""
        self._follower.look(self._found)
        self._found = False

    def _read(self, answer: dict[str, Any]) -> list[Record]:
        records: list[Record] = answer["Records"]
        self._position, self.at_end = answer["Position"], answer["IsLast"]
        self._found, self._is_drained = bool(records), answer["IsDrained"]
        if records and not self._is_drained:
            # The number of a record, where there is one.
            self._position = records[-1]["dynamodb"]["SequenceNumber"]
        if self._is_drained and not records:
            self._done = self.place
        if self._is_drained and self._checkpoint is None:
            self.over = True
        return records

    def _following(self) -> Request:
        self._look()
        return "NextStream", {"TableName": self._table, "Position": self._position}

    def _followed(self, answer: dict[str, Any]) -> bool:
        """Whether that settles it: a stream of another table than was looked at may come before the next look."""
        if "Stream" in answer:
            self._enter(answer["Stream"])
        elif "TableId" not in answer:
            self.over = True
        elif answer["TableId"] != self._table_id:
            self._follow_table(answer["TableId"])
            return False
        return True

    def _waited(self, outcome: bool | None) -> bool:
        if outcome is None:
            self.over = True
        return bool(outcome)

    def _moving(self, to: Place, writes: Sequence[dict[str, Any]]) -> Request:
        parameters: dict[str, Any] = {"TableName": self._table, "Name": self._checkpoint, "To": _spelled(to)}
        parameters["From"] = "Nowhere" if self._committed is None else {"At": _spelled(self._committed)}
        if writes:
            parameters["TransactItems"] = list(writes)
        return "MoveCheckpoint", parameters

    def _moved(self, to: Place, answer: dict[str, Any]) -> None:
        if not answer["Moved"]:
            raise self.overtaken()
        self._committed = to
        if self._done is None or self._done.position < to.position:
            self._done = to

    def overtaken(self) -> _errors.CheckpointMoved:
        """What is raised when the checkpoint is elsewhere."""
        return _errors.CheckpointMoved(
            f"checkpoint {self._checkpoint!r} of table {self._table!r} is not where this reader left it: another one of its "
            "name has moved it, or it was reset or deleted. This reader has not moved it."
        )

    def is_committed(self, place: Place) -> bool:
        """Whether the checkpoint is at a place or behind it already."""
        return self._committed is not None and place.position <= self._committed.position

    def done(self, sequence_number: str) -> None:
        """Says that a change is done: the next commit takes the checkpoint behind it."""
        self._done = Place(self._stream_arn, sequence_number)

    @property
    def _is_due(self) -> bool:
        return self._checkpoint is not None and self._done is not None and self._done != self._committed

    # For threads.

    def _ask(self, request: Request) -> dict[str, Any]:
        return _answer(self._core.extend(*request, self._region), request)

    def open(self, stream_arn: str, start: dict[str, Any]) -> None:
        """Begins in a stream, where `start` says."""
        self._enter(self._ask(self._opening(stream_arn, start)))

    def place_of(self, stream_arn: str, start: dict[str, Any]) -> Place:
        """Where a start is now; this reader stays where it is."""
        stream = self._ask(self._opening(stream_arn, start))
        return Place(stream["StreamArn"], stream["Position"])

    def resume(self) -> bool:
        """Begins where the checkpoint is; false if there is none yet."""
        return self._resumed(self._ask(self._resuming()))

    def read(self, limit: int = MOST) -> list[Record]:
        """The next records; none at the end of what there is."""
        return self._read(self._ask(self._reading(limit)))

    def go_on(self) -> None:
        """At the end of a stream that has ended: with a checkpoint, begins the one that followed it.

        If none has yet, but the table is there, `wait` ends when one may have.
        """
        while self._is_drained and not self.over:
            if self._followed(self._ask(self._following())):
                return

    def wait(self, timeout: float | None = None) -> bool:
        """Waits, after a reading to the end or `go_on`, until there may be more, for `timeout` seconds at most."""
        return self._waited(self._follower.wait(timeout))

    def follow(self) -> None:
        """Waits from now on until the database is closed once more, and can pause."""
        self.over = False
        self._follower, self._pausing = self._core.follower(self._table_id), self._core.follower()

    def prepare_to_pause(self) -> None:
        """Comes before `pause`, as a reading comes before `wait`: from now on `wake` ends it."""
        self._pausing.look(True)

    def pause(self, seconds: float) -> bool:
        """Waits for so long, whatever is committed; false when the database was closed. Needs `follow`."""
        return self._pausing.wait(seconds) is not None

    def wake(self) -> None:
        """Has another thread's `wait` or `pause` end: what is waited for may have happened."""
        for follower in (self._follower, self._pausing):
            if follower is not None:
                follower.wake()

    def move(self, to: Place, writes: Sequence[dict[str, Any]] = ()) -> None:
        """Moves the checkpoint from where this reader knows it to be, together with writes, or raises `CheckpointMoved`."""
        self._moved(to, self._ask(self._moving(to, writes)))

    def commit(self) -> None:
        """Moves the checkpoint behind what is done."""
        if self._is_due and self._done is not None:
            self.move(self._done)

    # For asyncio.

    async def _ask_async(self, request: Request) -> dict[str, Any]:
        outcome = self._core.extend_async(*request, self._region)
        return _answer(outcome if isinstance(outcome, tuple) else await outcome, request)

    async def open_async(self, stream_arn: str, start: dict[str, Any]) -> None:
        self._enter(await self._ask_async(self._opening(stream_arn, start)))

    async def resume_async(self) -> bool:
        return self._resumed(await self._ask_async(self._resuming()))

    async def read_async(self, limit: int = MOST) -> list[Record]:
        return self._read(await self._ask_async(self._reading(limit)))

    async def go_on_async(self) -> None:
        while self._is_drained and not self.over:
            if self._followed(await self._ask_async(self._following())):
                return

    async def wait_async(self, timeout: float | None = None) -> bool:
        return self._waited(await self._follower.wait_async(timeout))

    async def move_async(self, to: Place, writes: Sequence[dict[str, Any]] = ()) -> None:
        self._moved(to, await self._ask_async(self._moving(to, writes)))

    async def commit_async(self) -> None:
        if self._is_due and self._done is not None:
            await self.move_async(self._done)


def _spelled(place: Place) -> dict[str, str]:
    return {"StreamArn": place.stream_arn, "Position": place.position}


def _answer(outcome: Any, request: Request) -> dict[str, Any]:
    status, parsed = outcome
    if status >= 300:
        _errors.raise_for(parsed, _AS_ON_AWS.get(request[0], request[0]))
    answer: dict[str, Any] = parsed
    return answer
