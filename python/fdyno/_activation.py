"""Which database, if any, answers a call: activations, attachments and exemptions.

Activations form one process-wide order, and each also marks the context (`contextvars`) it was made in. A call looks
first for the innermost activation of its own context that is still alive, then for the latest one of the process: so
worker threads see what their process activated, and two tests in two threads each see their own. What a client or
session is attached to comes before either. This module knows nothing of botocore.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from ._database import Database

#: The region of clients for which none is configured.
DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True)
class Call:
    """A call that a pass-through predicate decides about."""

    #: The boto3 or aiobotocore client.
    client: Any
    #: ``"dynamodb"`` or ``"dynamodbstreams"``.
    service: str
    #: For example ``"GetItem"``.
    operation: str
    region: str


Passthrough = Callable[[Call], bool]


class Activation:
    """One activation of a database; ends once, and may be used as a context manager that ends it."""

    __slots__ = ("__weakref__", "database", "outer", "passthrough")

    def __init__(self, database: Database, passthrough: Passthrough | None, outer: Activation | None) -> None:
        #: `None` once ended, so that contexts that outlive the activation do not keep the database.
        self.database: Database | None = database
        self.passthrough = passthrough
        self.outer = outer

    def end(self) -> None:
        """Ends the activation. Harmless when it has ended already."""
        state.end(self)

    def __enter__(self) -> Activation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()


_innermost: ContextVar[Optional[Activation]] = ContextVar("fdyno", default=None)


class _State:
    """All there is to know when a call comes in. Reading takes no lock: tuples are replaced, never changed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        #: Living activations of the process, the latest last.
        self.stack: tuple[Activation, ...] = ()
        #: Clients and sessions' exception factories -> their database, or `None` where they are exempt.
        self.attached: WeakKeyDictionary[Any, Database | None] = WeakKeyDictionary()

    def begin(self, database: Database, passthrough: Passthrough | None) -> Activation:
        activation = Activation(database, passthrough, _alive(_innermost.get()))
        with self.lock:
            self.stack = (*self.stack, activation)
        _innermost.set(activation)
        return activation

    def end(self, activation: Activation) -> None:
        with self.lock:
            self.stack = tuple(other for other in self.stack if other is not activation)
        activation.database = None
        if _innermost.get() is activation:
            # Not `reset`: an async fixture may end in another context than it began in.
            _innermost.set(_alive(activation.outer))

    def current(self) -> Activation | None:
        """The activation that this context's calls go to."""
        stack = self.stack
        if not stack:
            return None
        return _alive(_innermost.get()) or stack[-1]

    def choose(self, client: Any, service: str, operation: str, region: str) -> Database | None:
        """The database that answers this call, or `None` when it goes out as if fdyno were not there."""
        if self.attached:
            for target in (client, getattr(client, "_exceptions_factory", None)):
                if target is not None and target in self.attached:
                    return self.attached[target]
        while (activation := self.current()) is not None:
            database = activation.database
            if database is None:
                continue  # It ended this very moment, in another thread: look again.
            passthrough = activation.passthrough
            if passthrough is not None and passthrough(Call(client, service, operation, region)):
                return None
            return database
        return None

    def covers(self, *targets: Any) -> bool:
        """Whether calls of a client may be answered; `targets` are the client, if it exists yet, and its factory."""
        for target in targets:
            if target is not None and target in self.attached:
                return self.attached[target] is not None
        return bool(self.stack)

    def after_fork_in_child(self) -> None:
        """Another thread of the parent may have held the lock."""
        self.lock = threading.Lock()


def _alive(activation: Activation | None) -> Activation | None:
    while activation is not None and activation.database is None:
        activation = activation.outer
    return activation


state = _State()
