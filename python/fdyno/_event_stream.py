"""The stream behind an event source: a reader, what a handler is told of its stream, and what follows a place that is lost.

A place that has been trimmed is lost: reading goes on at the oldest record there is, as an event source mapping of AWS
does. Knows nothing of batches and handlers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._errors import class_of
from ._reader import Place

if TYPE_CHECKING:
    from ._changes import Changes
    from ._database import Database

_Trimmed = class_of("TrimmedDataAccessException")
_NotFound = class_of("ResourceNotFoundException")

_LATEST = {"Start": "LATEST"}
_TRIM_HORIZON = {"Start": "TRIM_HORIZON"}


class EventStream:
    """The records of `changes`, in order. Reading and waiting are one thread's affair; `wake` and `holds` are anybody's."""

    def __init__(self, database: Database, changes: Changes, region: str) -> None:
        self._client = database.client("dynamodbstreams", region_name=region)
        self._reader = changes._reader()
        #: The name of the checkpoint that is kept in the database, if one is.
        self.checkpoint = changes.checkpoint
        #: How often the place had been trimmed, so that reading went on at the oldest record there was.
        self.restarts = 0
        try:
            changes._enter(self._reader)
        except _Trimmed:
            # The checkpoint's stream is gone, with records that were not read.
            database.checkpoints(changes.table, region_name=region).reset(
                str(changes.checkpoint), stream_arn=changes.stream_arn
            )
            self.restarts += 1
            changes._enter(self._reader)
        self._origin = self._reader.place
        self._describe()

    def _describe(self) -> None:
        """Learns what there is to know of the stream."""
        description = self._client.describe_stream(StreamArn=self.stream_arn)["StreamDescription"]
        key_schema = {element["KeyType"]: element["AttributeName"] for element in description["KeySchema"]}
        #: The name of the table's partition key.
        self.partition_key: str = key_schema["HASH"]
        # A stream of fdyno has one shard: docs/design.md, section 5.
        (shard,) = description["Shards"]
        self.shard_id: str = shard["ShardId"]
        self._described = self.stream_arn

    @property
    def stream_arn(self) -> str:
        """The stream that is being read."""
        return self._reader.place.stream_arn

    @property
    def committed(self) -> str | None:
        """Where the checkpoint is, if there is one."""
        committed = self._reader.committed
        return None if committed is None else committed.position

    def commit(self, position: str) -> None:
        """Moves the checkpoint; raises `CheckpointMoved` if another one of its name has done so."""
        self._reader.move(Place(self.stream_arn, position))

    @property
    def closed(self) -> bool:
        """Whether the stream is closed and was read to its end."""
        return self._reader.is_drained

    def page(self) -> list[dict[str, Any]]:
        """The next records; empty when there are none now."""
        while not self.closed:
            if self._described != self.stream_arn:
                self._describe()
            try:
                return self._reader.read()
            except _Trimmed:
                # Only if a record that was not read is gone.
                self._reader.open(self.stream_arn, _TRIM_HORIZON)
                self._origin = self._reader.place
                self.restarts += 1
        return []

    def go_on(self) -> bool:
        """At the end of a closed stream of which everything is done: goes on to the one that followed, if there is one.

        Only who has a checkpoint in the database does, as with `Database.changes`. If there is none yet but may be one, `wait`
        waits for it.
        """
        if self.checkpoint is None or not self.closed:
            return False
        # When this was last asked there may have been no table.
        self._reader.over = False
        self._reader.go_on()
        if self.closed:
            return False
        self._origin = self._reader.place
        return True

    @property
    def may_go_on(self) -> bool:
        """Whether another stream may follow one that is closed: there is a checkpoint, and there was a table just now."""
        return self.checkpoint is not None and not self._reader.over

    def return_to(self, position: str | None) -> None:
        """Reads behind the record `position` again; without it, from where reading of this stream began."""
        start = {"Start": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": position or self._origin.position}
        self._reader.open(self.stream_arn, start)

    def latest(self) -> str:
        """A sequence number behind everything that is committed."""
        return self._reader.place_of(self.stream_arn, _LATEST).position

    def holds(self, sequence_number: str) -> bool:
        """Whether the stream still holds a record that was once read from it."""
        try:
            oldest = self._reader.place_of(self.stream_arn, _TRIM_HORIZON)
        except _NotFound:
            return False
        return int(sequence_number) > int(oldest.position)

    # Waiting. What `wake` is to tell is said before it, and looked at between `follow` or `page` and the wait.

    def follow(self) -> None:
        """To be called before a thread begins to wait now and then: the database may have been closed before."""
        self._reader.follow()

    def wait(self, timeout: float | None) -> bool:
        """Waits, after an empty page or `go_on`, until there may be more; false when the database was closed."""
        self._reader.wait(timeout)
        return not self._reader.over

    def prepare_to_pause(self) -> None:
        """To be called before `pause`: `wake` ends it from now on."""
        self._reader.prepare_to_pause()

    def pause(self, seconds: float) -> bool:
        """Waits for so long, whatever is committed meanwhile; false when the database was closed."""
        return self._reader.pause(seconds)

    def wake(self) -> None:
        """Ends a wait, or a pause, of another thread."""
        self._reader.wake()
