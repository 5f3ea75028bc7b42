"""Batches of records between a stream and a handler: how they are cut, split, tried again, given up and counted as done.

The rules are those of Lambda's event source mappings (https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html and the
pages below it). A `Lane` is what has to stay in order: a shard, or one of the parts that a parallelization factor makes
of it. Nothing here reads a stream or invokes a handler.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from ._lambda_event import LambdaContext

#: What a synchronous invocation of a function takes, in bytes.
PAYLOAD_LIMIT = 6 * 1024 * 1024
#: What a tumbling window's state may take before the window ends early.
STATE_LIMIT = 1024 * 1024
#: Bytes that an event has beside its records and its state, at most.
_ENVELOPE = 2048


@dataclass(frozen=True)
class Policy:
    """What the user asked for, as far as it concerns batches; -1 is without limit."""

    batch_size: int
    retries: int
    max_age: int
    bisect_on_error: bool
    report_batch_item_failures: bool
    #: Seconds, or 0.
    tumbling_window: int


@dataclass(frozen=True)
class Entry:
    """A record on its way to the handler."""

    sequence_number: str
    #: When it was written, in seconds.
    created: int
    #: The record as JSON, made once: every invocation gets a copy of its own.
    text: str
    #: In bytes of an event.
    size: int

    @classmethod
    def of(cls, event: dict[str, Any]) -> Entry:
        """Of a record as a handler sees it."""
        body = event["dynamodb"]
        text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        # A comma follows.
        return cls(body["SequenceNumber"], body["ApproximateCreationDateTime"], text, len(text.encode()) + 1)


@dataclass
class Batch:
    entries: list[Entry]
    #: Failures that count towards the retries.
    attempts: int = 0
    #: How often it was handed to the handler, alone or as part of a larger batch.
    invocations: int = 0
    #: The invocation at the end of a tumbling window.
    final: bool = False
    #: Why it is to be discarded, once that is decided.
    condition: str | None = None
    #: Of its last invocation, if there was one.
    error: Exception | None = None
    context: LambdaContext | None = None


@dataclass
class Window:
    """A tumbling window that has begun."""

    start: int
    end: int
    state: Any = field(default_factory=dict)
    #: Bytes of the state as JSON.
    state_size: int = 2
    #: What was handed over in it, and is done only when the window is.
    held: list[Entry] = field(default_factory=list)
    #: Whether the handler has aggregated anything, so that there is something to finish.
    begun: bool = False
    terminated_early: bool = False

    def aggregated(self, state: Any) -> None:
        """Takes the state that the handler answered with."""
        self.state, self.begun = state, True
        self.state_size = len(json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode())


@dataclass
class Settled:
    """What an outcome led to."""

    #: Records that are done for ever.
    done: list[Entry]
    #: Whether the very same batch is next, with nothing to end its being tried again.
    stuck: bool = False


class Lane:
    """Records that reach the handler in order, one batch at a time."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._waiting: deque[Entry] = deque()
        self._waiting_size = 0
        #: Cut already: the batch that is next, and the rest of one that was split.
        self._batches: deque[Batch] = deque()
        self.window: Window | None = None
        #: Failures in a row, for who waits between them.
        self.failures = 0
        #: By the machine's monotonic clock; nothing is tried before.
        self.not_before = 0.0

    def add(self, entry: Entry) -> None:
        self._waiting.append(entry)
        self._waiting_size += entry.size

    @property
    def waiting(self) -> int:
        """Records that are in no batch yet."""
        return len(self._waiting)

    @property
    def waiting_size(self) -> int:
        return self._waiting_size

    @property
    def has_batch(self) -> bool:
        """Whether a batch is cut already and to be handed over, for the first time or once more."""
        return bool(self._batches)

    @property
    def first(self) -> str | None:
        """The number of the first record that is not done: what has to be handed over before anything else of the lane."""
        for batch in self._batches:
            if batch.entries:
                return batch.entries[0].sequence_number
            if self.window is not None and self.window.held:
                return self.window.held[-1].sequence_number
        return self._waiting[0].sequence_number if self._waiting else None

    def next(self, *, flush: bool, now: float, closed: bool) -> Batch | None:
        """The batch to hand over next, which stays next until it is settled.

        Without `flush`, only a batch that is as large as it may be: more records are to come. `closed`: none ever will.
        """
        window = self.window
        if window is not None and not window.terminated_early and window.state_size > STATE_LIMIT:
            # Before anything else, what was split and waits to be tried again included.
            window.terminated_early = True
            self._batches.appendleft(Batch([], final=True))
        if self._batches:
            return self._batches[0]
        batch = self._final_batch(flush=flush, now=now, closed=closed) or self._cut(flush=flush)
        if batch is not None:
            self._batches.append(batch)
        return batch

    def _final_batch(self, *, flush: bool, now: float, closed: bool) -> Batch | None:
        """The end of the window that has begun, once no record can belong to it any more."""
        window = self.window
        if window is None:
            return None
        if self._waiting:
            over = self._waiting[0].created >= window.end
        else:
            over = flush and (closed or now >= window.end)
        return Batch([], final=True) if over else None

    def _cut(self, *, flush: bool) -> Batch | None:
        if not self._waiting:
            return None
        limit, end = PAYLOAD_LIMIT - _ENVELOPE, None
        if self._policy.tumbling_window:
            window = self.window_of(self._waiting[0])
            limit, end = limit - window.state_size, window.end
        count = size = 0
        full = False
        for entry in self._waiting:
            full = count == self._policy.batch_size or (end is not None and entry.created >= end)
            # A record alone always fits: the largest has little more than a megabyte.
            full = full or (count > 0 and size + entry.size > limit)
            if full:
                break
            count, size = count + 1, size + entry.size
        if not (full or flush or count == self._policy.batch_size):
            return None
        self._waiting_size -= size
        return Batch([self._waiting.popleft() for _ in range(count)])

    def window_of(self, entry: Entry) -> Window:
        """The window that has begun, or the one that this record begins."""
        if self.window is None:
            length = self._policy.tumbling_window
            start = entry.created // length * length
            self.window = Window(start, start + length)
        return self.window

    def settle(self, batch: Batch, failed: int | None) -> Settled:
        """After an invocation of the next batch: which record failed first, if one did."""
        batch.invocations += 1
        if failed is None:
            return self.drop(batch)
        self.failures += 1
        done, rest = self._through(batch.entries[:failed]), batch.entries[failed:]
        batch.entries = rest
        policy = self._policy
        if policy.bisect_on_error and (failed > 0 or len(rest) > 1):
            # Splitting consumes no retry. A partial answer says itself where: all before it is done.
            if failed == 0:
                middle = len(rest) // 2
                batch.entries = rest[:middle]
                self._batches.insert(1, replace(batch, entries=rest[middle:]))
            return Settled(done)
        batch.attempts += 1
        if policy.retries >= 0 and batch.attempts > policy.retries:
            batch.condition = "RetryAttemptsExhausted"
        return Settled(done, stuck=policy.retries < 0 and failed == 0)

    def drop(self, batch: Batch) -> Settled:
        """Takes the next batch for done, whether it succeeded or is discarded."""
        self.failures = 0
        if self._batches and self._batches[0] is batch:
            self._batches.popleft()
        if not batch.final:
            return Settled(self._through(batch.entries))
        window, self.window = self.window, None
        return Settled([] if window is None else window.held)

    def split_off(self, batch: Batch, count: int, condition: str) -> Batch:
        """Makes a batch to be discarded of the first records of the next one; it is next then."""
        if count == len(batch.entries):
            batch.condition = condition
            return batch
        first = replace(batch, entries=batch.entries[:count], condition=condition)
        batch.entries = batch.entries[count:]
        self._batches.appendleft(first)
        return first

    def _through(self, entries: list[Entry]) -> list[Entry]:
        """Which of the records that the handler is through with are done: in a tumbling window none is before its end."""
        if not self._policy.tumbling_window or not entries:
            return list(entries)
        self.window_of(entries[0]).held.extend(entries)
        return []


class Progress:
    """Up to which record everything is done, though lanes finish in any order. The caller sees to threads."""

    def __init__(self, position: str | None) -> None:
        self._read: deque[str] = deque()
        self._done: set[str] = set()
        #: The last record up to which everything is done; `None` before the first.
        self.position = position

    def read(self, sequence_number: str) -> None:
        self._read.append(sequence_number)

    def done(self, sequence_number: str) -> None:
        self._done.add(sequence_number)

    def advance(self) -> None:
        """Moves the position as far as it goes."""
        while self._read and self._read[0] in self._done:
            self.position = self._read.popleft()
            self._done.discard(self.position)
