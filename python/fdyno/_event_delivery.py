"""Hands batches to a handler, judges its answer, and keeps how far everything is done.

Errors, and what becomes of the batch: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html. Tumbling
windows: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html. Lanes may be served by several threads, each
lane by one at a time. This file decides nothing about when a batch is due, nor who waits for what.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from ._event_batches import Batch, Entry, Lane, Policy, Progress
from ._event_stream import EventStream
from ._lambda_event import (
    BatchFailed,
    HandlerExited,
    LambdaContext,
    answered,
    failure_document,
    first_failure,
    iso_seconds,
)

if TYPE_CHECKING:
    from ._database import Database

Handler = Callable[[dict[str, Any], Any], Any]
#: Is handed the document that AWS would send to a destination.
Destination = Callable[[dict[str, Any]], object]

_log = logging.getLogger("fdyno.event_source")


class Checkpoint(Protocol):
    """Where a position outlives an event source."""

    def load(self) -> str | None:
        """The sequence number of the last record that is done, or `None`."""

    def commit(self, position: str) -> None:
        """Takes a position for the one to go on from."""


@dataclass
class EventSourceSummary:
    """What an event source did."""

    #: Calls of the handler.
    invocations: int = 0
    #: Records that the handler is through with.
    records: int = 0
    #: Records that passed no filter: they are done without the handler.
    filtered: int = 0
    #: Invocations that failed, as a whole or from some record on.
    failures: int = 0
    #: Records given up: too old, or tried too often.
    discarded: int = 0
    #: How often the next record had been trimmed, so that it went on at the oldest there was.
    restarts: int = 0
    #: What the failed invocations raised: a `BatchFailed` where the handler told of its failure, a `HandlerExited` where it
    #: would have ended its process.
    errors: list[Exception] = field(default_factory=list)

    def add(self, other: EventSourceSummary) -> None:
        self.invocations += other.invocations
        self.records += other.records
        self.filtered += other.filtered
        self.failures += other.failures
        self.discarded += other.discarded
        self.restarts += other.restarts
        self.errors += other.errors


class Delivery:
    """One handler, and what is told to whom about its batches."""

    def __init__(
        self,
        database: Database,
        region: str,
        handler: Handler,
        policy: Policy,
        stream: EventStream,
        on_failure: Destination | None,
        checkpoint: Checkpoint | EventStream | None,
        position: str | None,
    ) -> None:
        self._database = database
        self._region = region
        self._handler = handler
        self._policy = policy
        self._stream = stream
        self._on_failure = on_failure
        self._checkpoint = checkpoint
        self.function_name: str = getattr(handler, "__name__", type(handler).__name__).strip("<>")
        self.progress = Progress(position)
        self._committed = position
        self.begin()

    def begin(self) -> None:
        """Forgets everything behind the position; in a child process, who held the lock is not there to release it."""
        self.progress = Progress(self.progress.position)
        self._lock = threading.Lock()
        self._inside = threading.local()

    @property
    def is_inside_handler(self) -> bool:
        """Whether this thread is running the handler."""
        return getattr(self._inside, "active", False)

    def now(self) -> datetime:
        return self._database.clock.now()

    def advance(self, done: list[Entry]) -> None:
        """Takes records for done, and keeps how far that leads."""
        with self._lock:
            for entry in done:
                self.progress.done(entry.sequence_number)
            self.progress.advance()
            position = self.progress.position
            if self._checkpoint is not None and position is not None and position != self._committed:
                self._checkpoint.commit(position)
                self._committed = position

    def deliver(self, lane: Lane, batch: Batch, summary: EventSourceSummary) -> Exception | None:
        """Invokes the handler with the next batch, or discards it; the error, if that batch is next once more."""
        now = self.now()
        if batch.condition is None:
            batch = self._outdated(lane, batch, now.timestamp())
        if batch.condition is not None:
            self._discard(lane, batch, summary)
            return None
        if batch.final and lane.window is not None and not lane.window.begun:
            self.advance(lane.drop(batch).done)
            return None
        context = batch.context = self._context(now)
        batch.error = None
        failed: int | None = 0
        try:
            failed = self._invoke(lane, batch, context)
            if failed is not None:
                number = batch.entries[failed].sequence_number
                batch.error = BatchFailed(f"the handler reported the record {number} as failed")
        except Exception as raised:
            batch.error = raised
        error = batch.error
        handed = len(batch.entries)
        settled = lane.settle(batch, failed)
        summary.invocations += 1
        summary.records += handed if failed is None else failed
        if error is not None:
            summary.failures += 1
            summary.errors.append(error)
        self.advance(settled.done)
        if batch.condition is not None:
            self._discard(lane, batch, summary)
        return error if settled.stuck else None

    def _invoke(self, lane: Lane, batch: Batch, context: LambdaContext) -> int | None:
        """Calls the handler; the first record that failed by its answer."""
        event: dict[str, Any] = json.loads('{"Records":[' + ",".join(entry.text for entry in batch.entries) + "]}")
        window = None
        if self._policy.tumbling_window:
            window = lane.window if batch.final else lane.window_of(batch.entries[0])
        if window is not None:
            event["window"] = {"start": iso_seconds(window.start), "end": iso_seconds(window.end)}
            event["state"] = json.loads(json.dumps(window.state))
            event["shardId"] = self._stream.shard_id
            event["eventSourceARN"] = self._stream.stream_arn
            event["isFinalInvokeForWindow"] = batch.final
            event["isWindowTerminatedEarly"] = window.terminated_early
        self._inside.active = True
        try:
            response = answered(self._handler(event, context))
        except (Exception, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as raised:
            # On Lambda its process ends with it, and a new one is started for the next try.
            raise HandlerExited(f"Runtime.ExitError: the handler raised {raised!r}, which ends its process") from raised
        finally:
            self._inside.active = False
        failed = None
        if self._policy.report_batch_item_failures:
            failed = first_failure(response, [entry.sequence_number for entry in batch.entries])
        if window is not None:
            if not isinstance(response, dict) or "state" not in response:
                raise BatchFailed("the handler's answer has no state, which a tumbling window requires")
            if not batch.final and failed != 0:
                window.aggregated(response["state"])
        return failed

    def _context(self, now: datetime) -> LambdaContext:
        return LambdaContext(self.function_name, self._region, self._database.account, now)

    def _outdated(self, lane: Lane, batch: Batch, now: float) -> Batch:
        """The batch, or a part of it that is to be discarded first, because its records are too old.

        A batch that is tried again is also too old when the stream does not hold its records any more.
        """
        window = lane.window
        if batch.final:
            last = window.held[-1] if window is not None and window.held else None
            if batch.invocations and last is not None and self._is_outdated(last, now, again=True):
                batch.condition = "RecordAgeExceeded"
            return batch
        count = 0
        for entry in batch.entries:
            if not self._is_outdated(entry, now, again=batch.invocations > 0):
                break
            count += 1
        return lane.split_off(batch, count, "RecordAgeExceeded") if count else batch

    def _is_outdated(self, entry: Entry, now: float, *, again: bool) -> bool:
        # In whole seconds, as records tell their times: what is said to be a second older may be younger than that.
        if 0 <= self._policy.max_age < int(now) - entry.created:
            return True
        return again and not self._stream.holds(entry.sequence_number)

    def _discard(self, lane: Lane, batch: Batch, summary: EventSourceSummary) -> None:
        """Tells the destination and takes the batch for done; not the latter if telling fails."""
        entries = batch.entries
        if batch.final and lane.window is not None:
            entries = lane.window.held
        if self._on_failure is not None:
            now = self.now()
            document = failure_document(
                context=batch.context or self._context(now),
                condition=batch.condition or "",
                invocations=batch.invocations,
                unhandled=not isinstance(batch.error, BatchFailed),
                now=now,
                shard_id=self._stream.shard_id,
                stream_arn=self._stream.stream_arn,
                first=(entries[0].sequence_number, entries[0].created),
                last=(entries[-1].sequence_number, entries[-1].created),
                batch_size=len(entries),
            )
            self._on_failure(document)
        else:
            _log.warning("%s: %d records discarded: %s", self.function_name, len(entries), batch.condition)
        summary.discarded += len(batch.entries)
        self.advance(lane.drop(batch).done)
