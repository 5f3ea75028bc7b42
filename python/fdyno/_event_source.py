"""`db.event_source(…)`: drives a Lambda handler with a table's stream, as an event source mapping of AWS does.

    source = db.event_source("orders", handler, batch_size=10)
    source.drain()                                   # everything there is now, in this thread
    with db.event_source("orders", handler): ...     # or as it comes, in a thread of its own

When Lambda invokes: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html; the bounds of every parameter:
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html. Batches are cut in `_event_batches` and handed over
in `_event_delivery`, reading is `_event_stream`'s affair: here they are put together, with threads and time.
"""

from __future__ import annotations

import contextvars
import inspect
import json
import logging
import os
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from ._changes import Changes, Start, start_of
from ._checkpoints import checked_name
from ._errors import CheckpointMoved, class_of
from ._event_batches import PAYLOAD_LIMIT, Batch, Entry, Lane, Policy
from ._event_delivery import Checkpoint, Delivery, Destination, EventSourceSummary, Handler
from ._event_stream import EventStream
from ._filter_criteria import FilterCriteria
from ._lambda_event import event_record

if TYPE_CHECKING:
    from ._database import Database

_log = logging.getLogger("fdyno.event_source")

#: Seconds between two tries of a failed batch in the thread: doubled each time, from the first to the last.
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 5.0
#: The latest errors that a source remembers.
_ERRORS_KEPT = 100


_StorageError = class_of("InternalServerError")


class _Pause(NamedTuple):
    """What the thread waits for: so many seconds (`None`: for ever), or, if they count, for records."""

    seconds: float | None
    for_records: bool = False


_AT_ONCE = _Pause(0.0)


class EventSource:
    """A stream that drives a handler; made by `Database.event_source`, which says what the parameters mean.

    A handler that raises loses nothing: the position stays before its batch, which is tried again, alone or in parts,
    until it succeeds, has been tried `retries` times more, or is too old; then `on_failure` is told.
    """

    def __init__(
        self,
        database: Database,
        table: str,
        handler: Handler,
        *,
        stream_arn: str | None,
        region: str,
        policy: Policy,
        window: int,
        filters: FilterCriteria | None,
        on_failure: Destination | None,
        parallelization: int,
        start: Start,
        checkpoint: str | Checkpoint | None,
    ) -> None:
        self.table = table
        #: Everything this source did since it was made, with the latest hundred errors.
        self.totals = EventSourceSummary()
        self._database = database
        self._policy = policy
        self._window = window
        self._filters = filters
        self._parallelization = parallelization
        name, elsewhere = (checkpoint, None) if isinstance(checkpoint, str) else (None, checkpoint)
        after = None if elsewhere is None else elsewhere.load()
        changes = Changes(database, table, region, stream_arn, start if after is None else after, checkpoint=name)
        self._stream = EventStream(database, changes, region)
        position = after if name is None else self._stream.committed
        keeper = elsewhere if name is None else self._stream
        self._delivery = Delivery(database, region, handler, policy, self._stream, on_failure, keeper, position)
        self._begin()

    def _begin(self) -> None:
        """Makes everything anew that is between the reader and the handler, and what threads need."""
        #: Read and in no lane yet.
        self._page: deque[dict[str, Any]] = deque()
        self._lanes = [Lane(self._policy) for _ in range(self._parallelization)]
        #: By the database's clock: since when there is something that the batching window holds back.
        self._gathering_since: datetime | None = None
        self._process = os.getpid()
        #: Held by whoever drives: a call of `drain` or `step`, or the thread.
        self._driver = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._crash: BaseException | None = None

    def _begin_in_child(self) -> None:
        """In a child process the thread is not there, nor whoever held a lock; it may have been in the middle of something.

        So the child goes on from the last position, as one that has just been started would.
        """
        if self._process != os.getpid():
            self._stream.return_to(self.position)
            self._delivery.begin()
            self._begin()

    @property
    def stream_arn(self) -> str:
        """The stream that is being read; with a checkpoint in the database, another one may follow it."""
        return self._stream.stream_arn

    @property
    def position(self) -> str | None:
        """The sequence number up to which everything is done; `None` before the first, if no checkpoint told of one."""
        return self._delivery.progress.position

    # Step by step.

    def drain(self) -> EventSourceSummary:
        """Hands over everything there is now, as if every batching window were over, and tells what happened.

        What is written meanwhile, by the handler itself perhaps, may be left for the next call. A failed batch is tried
        again at once, as often as `retries` allows. Without a limit that might never end: then the handler's exception is
        raised (`BatchFailed` if it only answered that it failed) as soon as the very same batch would be next, and the
        next call begins with that batch.
        """
        with self._driving() as summary, self._workers() as workers:
            until = None if self._stream.closed else self._stream.latest()
            while True:
                caught_up = self._fill(summary, until)
                error = self._work(summary, workers, flush=caught_up, at_once=True)
                if error is not None:
                    raise error
                if self._stopping.is_set() or (caught_up and not self._goes_on()):
                    return summary
                if until is None:
                    until = self._stream.latest()

    def step(self) -> EventSourceSummary:
        """Invokes the handler once, with the batch that is next. Tells of no invocation if there is nothing to do.

        Raises where `drain` would.
        """
        with self._driving() as summary:
            while True:
                caught_up = self._fill(summary, None)
                self._delivery.advance([])
                error = self._invoke_once(summary, flush=caught_up)
                if error is not None:
                    raise error
                if summary.invocations > 0 or not (caught_up and self._goes_on()):
                    return summary

    def _invoke_once(self, summary: EventSourceSummary, *, flush: bool) -> Exception | None:
        """Invokes the handler with the batch that is next, if there is one; its error, if it is next once more."""
        error = None
        while summary.invocations == 0:
            # A lane without a first record may have a tumbling window to finish.
            lanes = sorted(self._lanes, key=lambda lane: (lane.first is None, int(lane.first or 0)))
            due = ((lane, self._next(lane, flush=flush)) for lane in lanes)
            lane, batch = next(((lane, batch) for lane, batch in due if batch is not None), (None, None))
            if lane is None or batch is None:
                break
            error = self._delivery.deliver(lane, batch, summary)
        return error

    @property
    def _is_idle(self) -> bool:
        """Whether the lanes have nothing, not even a window that is open."""
        return all(lane.first is None and lane.window is None for lane in self._lanes)

    def _goes_on(self) -> bool:
        """At the end of a stream of which everything is done: whether it goes on with another one."""
        return not self._page and self._is_idle and self._stream.go_on()

    @contextmanager
    def _driving(self) -> Iterator[EventSourceSummary]:
        self._begin_in_child()
        if not self._driver.acquire(blocking=False):
            raise RuntimeError(f"{self!r} is being driven already: by start(), another thread or its own handler")
        summary = EventSourceSummary()
        try:
            self._stopping.clear()
            yield summary
        finally:
            self._account(summary)
            self._driver.release()

    def _account(self, summary: EventSourceSummary) -> None:
        summary.restarts, self._stream.restarts = self._stream.restarts, 0
        self.totals.add(summary)
        # Tries without an end must not take memory without one.
        del self.totals.errors[:-_ERRORS_KEPT]

    # In a thread.

    def start(self) -> EventSource:
        """Hands over records as they come, in a thread, until `stop`, or the end of the stream or of the database. With
        a checkpoint in the database it waits for the next stream as long as there is a table.

        The thread sleeps until a commit wakes it, or a window ends. A batch waits for more records while its batching window
        lasts by the database's clock, and failures are told to `totals` and the logger ``fdyno.event_source``.
        """
        self._begin_in_child()
        if self._thread is not None or not self._driver.acquire(blocking=False):
            raise RuntimeError(f"{self!r} is being driven already")
        self._stopping.clear()
        self._stream.follow()
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._run,), name=f"fdyno {self.table}", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self._thread = None
            self._driver.release()
            raise
        return self

    def stop(self) -> None:
        """Ends the thread after the invocations that are under way. Raises what ended it early, if something did.

        A handler may call it too: then it only asks for the end.
        """
        self._stopping.set()
        thread = self._thread
        if thread is None or self._process != os.getpid() or self._delivery.is_inside_handler:
            return
        # After the flag, which the thread looks at before it waits.
        self._stream.wake()
        thread.join()
        self._thread = None
        crash, self._crash = self._crash, None
        if crash is not None:
            raise crash

    def __enter__(self) -> EventSource:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            with self._workers() as workers:
                while not self._stopping.is_set():
                    summary = EventSourceSummary()
                    try:
                        pause = self._round(summary, workers)
                    finally:
                        self._account(summary)
                    if pause is None or not (pause is _AT_ONCE or self._wait(pause)):
                        return
        except BaseException as error:
            # The end of the database is an end like any other.
            if not self._database._core.closed:
                # Raised by `stop`; told at once, for whoever waits for the handler.
                _log.critical("%r ended", self, exc_info=True)
                self._crash = error
        finally:
            self._driver.release()

    def _round(self, summary: EventSourceSummary, workers: ThreadPoolExecutor | None) -> _Pause | None:
        """Reads and hands over what is due. What to wait for then; `None` at the end of the last stream."""
        try:
            caught_up = self._fill(summary, None)
            try:
                # Behind a stream that has ended nothing comes that would be worth waiting for.
                flush = caught_up and (self._stream.closed or self._window_is_over())
                self._work(summary, workers, flush=flush, at_once=False)
            except (CheckpointMoved, _StorageError):
                raise
            except Exception:
                if self._database._core.closed:
                    raise
                # A destination or a checkpoint that fails is told again.
                _log.exception("%r", self)
                return _Pause(_FIRST_PAUSE)
            if summary.invocations > 0:
                # The next batching window begins with the end of an invocation.
                self._gathering_since = None
            if not (caught_up and self._is_idle):
                return self._patience(caught_up)
            if not self._stream.closed:
                return _Pause(None, for_records=True)
            if self._goes_on():
                return _AT_ONCE
            return _Pause(None, for_records=True) if self._stream.may_go_on else None
        except _StorageError:
            # It may be over soon.
            _log.exception("%r", self)
            return _Pause(_LAST_PAUSE)

    def _patience(self, caught_up: bool) -> _Pause:
        """How long what is in the lanes has to wait."""
        now = time.monotonic()
        for_records = caught_up and not self._stream.closed
        waits: list[float | None] = []
        for lane in self._lanes:
            if lane.not_before > now and lane.first is not None:
                waits.append(lane.not_before - now)
            elif lane.has_batch:
                return _AT_ONCE
            elif for_records and (lane.waiting or lane.window is not None):
                waits.append(self._until_window_is_over(lane))
        if not waits:
            return _AT_ONCE
        return _Pause(min((wait for wait in waits if wait is not None), default=None), for_records)

    def _until_window_is_over(self, lane: Lane) -> float | None:
        """Seconds until a window that holds up a lane has ended; for ever where the database's clock stands still.

        Whoever moves that clock wakes who waits for records: so nobody has to look at it now and then.
        """
        if lane.waiting and self._gathering_since is None:
            # The next round begins the window.
            return 0.0
        left = float(self._window) - self._gathered_seconds()
        if not lane.waiting:
            assert lane.window is not None
            left = lane.window.end - self._delivery.now().timestamp()
        if left <= 0:
            return 0.0
        # A clock tells milliseconds: not to be awake before its end.
        return None if self._database.clock.frozen else left + 0.001

    def _window_is_over(self) -> bool:
        """Whether what waits in the lanes has been gathered for long enough."""
        if not any(lane.waiting for lane in self._lanes):
            self._gathering_since = None
            return True
        if self._gathering_since is None:
            self._gathering_since = self._delivery.now()
        return self._gathered_seconds() >= self._window

    def _gathered_seconds(self) -> float:
        """How long the batching window has lasted by the database's clock."""
        since = self._gathering_since
        return 0.0 if since is None else (self._delivery.now() - since).total_seconds()

    def _wait(self, pause: _Pause) -> bool:
        """Waits, until `stop` at the latest; false when the database was closed."""
        if not pause.for_records:
            self._stream.prepare_to_pause()
        # Looked at after the stream was: from then on `stop` ends the wait, even if it has not begun.
        if self._stopping.is_set():
            return True
        if pause.for_records or pause.seconds is None:
            return self._stream.wait(pause.seconds)
        return self._stream.pause(pause.seconds)

    # From the stream into the lanes.

    def _fill(self, summary: EventSourceSummary, until: str | None) -> bool:
        """Reads until some lane has a full batch; whether everything there is (up to `until`) is read instead."""
        while True:
            while self._page:
                if self._has_enough():
                    return False
                if until is not None and int(self._page[0]["dynamodb"]["SequenceNumber"]) > int(until):
                    return True
                self._take(self._page.popleft(), summary)
            # So that those without the handler take no memory; what this leads to is kept by whoever drives.
            self._delivery.progress.advance()
            self._page.extend(self._stream.page())
            if not self._page:
                return True

    def _has_enough(self) -> bool:
        # As many as all lanes take together: then one of them at least is full.
        lanes = self._lanes
        count, size = sum(lane.waiting for lane in lanes), sum(lane.waiting_size for lane in lanes)
        return count >= self._policy.batch_size * len(lanes) or size >= PAYLOAD_LIMIT * len(lanes)

    def _take(self, record: dict[str, Any], summary: EventSourceSummary) -> None:
        event = event_record(record, self.stream_arn)
        body = event["dynamodb"]
        self._delivery.progress.read(body["SequenceNumber"])
        if self._filters is not None and not self._filters.admits(event):
            summary.filtered += 1
            self._delivery.progress.done(body["SequenceNumber"])
            return
        lane = 0
        if len(self._lanes) > 1:
            # Of one item only one batch is under way, and of one partition key.
            key = json.dumps(body["Keys"][self._stream.partition_key])
            lane = zlib.crc32(key.encode()) % len(self._lanes)
        self._lanes[lane].add(Entry.of(event))

    # From the lanes to the handler.

    @contextmanager
    def _workers(self) -> Iterator[ThreadPoolExecutor | None]:
        """A thread for each lane, where there are several."""
        if len(self._lanes) == 1:
            yield None
        else:
            with ThreadPoolExecutor(len(self._lanes), f"fdyno {self.table}") as workers:
                yield workers

    def _work(
        self, summary: EventSourceSummary, workers: ThreadPoolExecutor | None, *, flush: bool, at_once: bool
    ) -> Exception | None:
        """Hands over what the lanes have; the error of the first batch that is stuck, if one is."""
        # Records may be done already, because they passed no filter.
        self._delivery.advance([])
        if workers is None:
            return self._work_off(self._lanes[0], summary, flush, at_once)
        parts = [EventSourceSummary() for _ in self._lanes]
        futures = [
            workers.submit(contextvars.copy_context().run, self._work_off, lane, part, flush, at_once)
            for lane, part in zip(self._lanes, parts)
        ]
        # All have ended before any outcome is looked at.
        raised = [future.exception() for future in futures]
        for part in parts:
            summary.add(part)
        for error in raised:
            if error is not None:
                raise error
        outcomes = [(int(lane.first or 0), future.result()) for lane, future in zip(self._lanes, futures)]
        stuck = [(first, error) for first, error in outcomes if error is not None]
        return min(stuck, key=lambda outcome: outcome[0])[1] if stuck else None

    def _work_off(self, lane: Lane, summary: EventSourceSummary, flush: bool, at_once: bool) -> Exception | None:
        """Hands over what one lane has, batch after batch; the error of one that is stuck."""
        while not self._stopping.is_set():
            if not at_once and time.monotonic() < lane.not_before:
                break
            batch = self._next(lane, flush=flush)
            if batch is None:
                break
            failures = summary.failures
            error = self._delivery.deliver(lane, batch, summary)
            if at_once:
                if error is not None:
                    return error
            elif summary.failures > failures:
                _log.error("%r: an invocation failed", self, exc_info=summary.errors[-1])
                lane.not_before = time.monotonic() + _pause(lane.failures)
        return None

    def _next(self, lane: Lane, *, flush: bool) -> Batch | None:
        closed = self._stream.closed and not self._page
        return lane.next(flush=flush, now=self._delivery.now().timestamp(), closed=closed)

    def __repr__(self) -> str:
        return f"<event source of {self.table} for {self._delivery.function_name}>"


def _pause(failures: int) -> float:
    """Seconds before the next try, after so many failures in a row; none behind a batch that was discarded."""
    return min(_FIRST_PAUSE * 2 ** min(failures - 1, 16), _LAST_PAUSE) if failures else 0.0


def event_source(
    database: Database,
    table: str,
    handler: Handler,
    *,
    stream_arn: str | None,
    region: str,
    batch_size: int,
    window: int,
    filters: Any,
    bisect_on_error: bool,
    retries: int,
    max_age: int,
    on_failure: Destination | None,
    report_batch_item_failures: bool,
    parallelization: int,
    tumbling_window: int | None,
    start: Start,
    checkpoint: str | Checkpoint | None,
) -> EventSource:
    """Checks the parameters as Lambda's CreateEventSourceMapping does, and makes the source."""
    if not callable(handler) or inspect.iscoroutinefunction(handler):
        raise TypeError(f"handler={handler!r} is no function that can be called as Lambda does")
    if on_failure is not None and not callable(on_failure):
        raise TypeError(f"on_failure={on_failure!r} cannot be called")
    for name, flag in (
        ("bisect_on_error", bisect_on_error),
        ("report_batch_item_failures", report_batch_item_failures),
    ):
        if not isinstance(flag, bool):
            raise TypeError(f"{name}={flag!r}: True or False")
    if isinstance(checkpoint, str):
        checked_name(checkpoint)
    elif checkpoint is not None:
        if not (hasattr(checkpoint, "load") and hasattr(checkpoint, "commit")):
            raise TypeError(f"checkpoint={checkpoint!r} is no name, and has no load() and commit(position)")
    _check("batch_size", batch_size, 1, 10_000)
    _check("window", window, 0, 300)
    _check("retries", retries, -1, 10_000)
    _check("max_age", max_age, -1, 604_800)
    if -1 < max_age < 60:
        raise ValueError(f"max_age={max_age}: Lambda takes -1, or 60 and more")
    _check("parallelization", parallelization, 1, 10)
    if tumbling_window is not None:
        _check("tumbling_window", tumbling_window, 0, 900)
    if tumbling_window and parallelization > 1:
        raise ValueError("a tumbling window keeps one state for the whole shard: it goes with parallelization=1 only")
    start_of(start)
    policy = Policy(
        batch_size=batch_size,
        retries=retries,
        max_age=max_age,
        bisect_on_error=bisect_on_error,
        report_batch_item_failures=report_batch_item_failures,
        tumbling_window=tumbling_window or 0,
    )
    return EventSource(
        database,
        table,
        handler,
        stream_arn=stream_arn,
        region=region,
        policy=policy,
        window=window,
        filters=FilterCriteria.parse(filters),
        on_failure=on_failure,
        parallelization=parallelization,
        start=start,
        checkpoint=checkpoint,
    )


def _check(name: str, value: int, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name}={value!r} is no whole number")
    if not least <= value <= most:
        raise ValueError(f"{name}={value}: from {least} to {most}")
