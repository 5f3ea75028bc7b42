"""DynamoDB with an honest change stream, inside your Python process.

    import boto3, fdyno

    with fdyno.local() as db:
        boto3.resource("dynamodb").create_table(...)
"""

from __future__ import annotations

from typing import Any

from . import _hook
from ._activation import Activation, Call, state
from ._batches import Batch, Batches, BatchTransaction
from ._changes import ABSENT, Change, Changes, Difference
from ._checkpoints import Checkpoint, Checkpoints
from ._client import Client
from ._copy import CopyResult, copy
from ._database import Database, connect
from ._errors import CheckpointMoved
from ._event_delivery import EventSourceSummary
from ._event_source import EventSource
from ._fdyno import (
    Clock,
    ClusterError,
    CopyError,
    DatabaseDamagedError,
    DatabaseError,
    DatabaseLockedError,
    InternalError,
    __version__,
)
from ._lambda_event import BatchFailed, HandlerExited, LambdaContext
from ._local import local
from ._server import Server
from ._tables import Table, Tables

__all__ = [
    "ABSENT",
    "Activation",
    "Batch",
    "BatchFailed",
    "BatchTransaction",
    "Batches",
    "Call",
    "Change",
    "Changes",
    "Checkpoint",
    "CheckpointMoved",
    "Checkpoints",
    "Client",
    "Clock",
    "ClusterError",
    "CopyError",
    "CopyResult",
    "Database",
    "DatabaseDamagedError",
    "DatabaseError",
    "DatabaseLockedError",
    "Difference",
    "EventSource",
    "EventSourceSummary",
    "HandlerExited",
    "InternalError",
    "LambdaContext",
    "Server",
    "Table",
    "Tables",
    "__version__",
    "connect",
    "copy",
    "current",
    "exempt",
    "local",
    "unexempt",
]


def current() -> Database | None:
    """The database that this context's DynamoDB calls go to, or `None`."""
    activation = state.current()
    return None if activation is None else activation.database


def exempt(target: Any) -> None:
    """Lets one client, resource or session go out, whatever is activated."""
    _hook.install()
    state.attached[_hook.target_of(target)] = None


def unexempt(target: Any) -> None:
    """Undoes `exempt`."""
    state.attached.pop(_hook.target_of(target), None)


_hook.install()
