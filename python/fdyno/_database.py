"""`Database` and `connect`: what a person holds."""

from __future__ import annotations

import atexit
import os
import re
import urllib.parse
from collections.abc import Awaitable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal, NamedTuple

from . import _errors, _fdyno, _hook
from ._activation import Activation, Passthrough, state
from ._changes import Changes, Start
from ._checkpoints import Checkpoints
from ._client import Client, operations_of, snake_case
from ._event_delivery import Checkpoint, Destination, Handler
from ._event_source import EventSource, event_source
from ._region import configured_region
from ._server import Server, after_fork_in_child, close_servers
from ._tables import Table, Tables

#: The account that tables belong to unless another is asked for.
DEFAULT_ACCOUNT = "000000000000"


class Database:
    """A DynamoDB inside this process.

    `activate` makes every boto3 client of the process use it, `attach` a single client, resource or session;
    `client` calls it without boto3. Make one with `fdyno.connect()` or `fdyno.local()`.
    """

    def __init__(self, core: _fdyno.Core) -> None:
        self._core = core
        self._activations: list[Activation] = []

    @property
    def clock(self) -> _fdyno.Clock:
        """This database's time: ``db.clock.advance(hours=25)``."""
        return self._core.clock

    @property
    def account(self) -> str:
        """The account id in its ARNs."""
        return self._core.account

    def fork(self) -> Database:
        """A copy-on-write twin: the same content now, no common future. Takes the same time for any size.

        Only databases in memory fork; others raise `NotImplementedError`.
        """
        return Database(self._core.fork())

    def close(self) -> None:
        """Ends the use of a database on disk, so that it can be opened elsewhere, or of one on a cluster.

        It stays active and attached where it is: calls that come to it are refused from now on (`DatabaseError`), so that
        none of them reaches AWS by surprise. `deactivate` and `detach` let clients go, before or after. Closing twice does
        no harm. A database in memory has nothing to close and goes on. In any database, whoever follows changes comes to an
        end. Databases are also closed when nothing refers to
        them any more, and at exit. Its servers are closed first.
        """
        close_servers(self)
        self._core.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def activate(self, *, passthrough: Passthrough | None = None) -> Activation:
        """Answers all DynamoDB calls of this process from now on, until `deactivate`.

        `passthrough` is asked about every call (an `fdyno.Call`); those it says yes to go out as if fdyno were not
        there. The value returned may be used as a context manager, which ends this activation.
        """
        _hook.install()
        self._activations = [activation for activation in self._activations if activation.database is not None]
        activation = state.begin(self, passthrough)
        self._activations.append(activation)
        return activation

    def deactivate(self) -> None:
        """Ends the latest activation of this database; does nothing when there is none."""
        while self._activations:
            activation = self._activations.pop()
            if activation.database is not None:
                activation.end()
                return

    def attach(self, target: Any) -> None:
        """Lets one boto3 or aiobotocore client, resource or session use this database, whatever is activated."""
        _hook.install()
        state.attached[_hook.target_of(target)] = self

    def detach(self, target: Any) -> None:
        """Undoes `attach`."""
        state.attached.pop(_hook.target_of(target), None)

    def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        region_name: str | None = None,
        credentials: Mapping[str, str] | None = None,
        allow_unsigned: bool = False,
        max_connections: int | None = None,
    ) -> Server:
        """Answers DynamoDB's protocol on a port, beside the hook and with the same data: ``with db.serve() as server:``.

        Port 0 is any that is free; ``server.endpoint_url`` says which. Requests belong to the region that they are signed for.
        With `credentials`, access keys and their secrets, signatures are verified; without, any that is well formed passes.
        With `allow_unsigned`, requests without a signature are answered as well, in `region_name`. It runs in threads of its own
        until it, or the database, is closed. Raises `OSError` when the port cannot be had.
        """
        return Server(self, host, port, region_name, credentials, allow_unsigned, max_connections)

    # Without a region, all of these take the one that boto3's clients would have: see `configured_region`.

    def client(self, service_name: str = "dynamodb", region_name: str | None = None) -> Client:
        """A light client of ``"dynamodb"`` or ``"dynamodbstreams"``: boto3's method names, without botocore's cost."""
        return Client(self, service_name, configured_region() if region_name is None else region_name)

    def execute_async(
        self, service_name: str, operation: str, parameters: dict[str, Any], region_name: str | None = None
    ) -> Awaitable[dict[str, Any]]:
        """One call for asyncio: ``await db.execute_async("dynamodb", "GetItem", {...})``."""
        native = operations_of(service_name)[snake_case(operation)]
        outcome = self._core.call_async(native, parameters, configured_region() if region_name is None else region_name)
        return _finish(outcome, native.name)

    def changes(
        self,
        table: str,
        *,
        start: Start = "trim_horizon",
        follow: bool = False,
        checkpoint: str | None = None,
        stream_arn: str | None = None,
        region_name: str | None = None,
    ) -> Changes:
        """The changes of a table's newest stream (or of `stream_arn`), oldest first.

        They begin with the oldest there is, or with ``start="latest"`` with those committed from now on, or behind a change (not
        with it), by its sequence number, or at a time (an aware `datetime`). With ``follow=True`` an iteration goes on with what comes,
        until the stream or the database is closed. A `checkpoint` is a name under which the database keeps how far you have
        come: `start` then says where a new one begins. With it an iteration goes on with the table's next stream, and
        with ``follow=True`` waits for that one as long as there is a table of the name.

        Raises `ValueError` when the region has no such table, or the table has no stream.
        """
        region = configured_region() if region_name is None else region_name
        return Changes(self, table, region, stream_arn, start, follow, checkpoint)

    def checkpoints(self, table: str, *, region_name: str | None = None) -> Checkpoints:
        """The checkpoints of a table, by name."""
        return Checkpoints(self, table, configured_region() if region_name is None else region_name)

    def event_source(
        self,
        table: str,
        handler: Handler,
        *,
        batch_size: int = 100,
        window: int = 0,
        filters: Any = None,
        bisect_on_error: bool = False,
        retries: int = -1,
        max_age: int = -1,
        on_failure: Destination | None = None,
        report_batch_item_failures: bool = False,
        parallelization: int = 1,
        tumbling_window: int | None = None,
        start: Start = "trim_horizon",
        region_name: str | None = None,
        stream_arn: str | None = None,
        checkpoint: str | Checkpoint | None = None,
    ) -> EventSource:
        """Drives a Lambda handler, ``handler(event, context)``, with a table's stream, as AWS's event source mapping does.

        Nothing happens before `drain` or `step` is called, or `start`, which drives it in a thread. Parameters are those
        of Lambda's CreateEventSourceMapping, with its bounds:

        `batch_size` records at most are handed over at once, and 6 MB; in the thread, a smaller batch waits `window` seconds
        for more. `filters` is AWS's FilterCriteria, a pattern or a list of patterns; records that match none are skipped.
        A failed batch is tried again `retries` times (-1: for ever), and not when its records are older than `max_age` seconds
        by this database's clock (-1: than the stream keeps them); with `bisect_on_error` in halves. What is given up goes to
        `on_failure`, a callable, as AWS's document. With `report_batch_item_failures` the handler may answer which records
        failed. `parallelization` batches are handed over at a time, never two with the same partition key. `tumbling_window`
        seconds share a state.

        It begins where `start` says, as `changes` does: with the oldest record there is, the ``"latest"``, behind a sequence
        number or at a time. A `checkpoint` comes before it: the name of one that the database keeps, the same as for
        `changes`, or an object with `load` and `commit` that keeps the position elsewhere. `CheckpointMoved` ends a source
        whose checkpoint another consumer has moved.

        Raises `ValueError` for a table without a stream, a parameter out of its bounds, or a pattern that AWS would refuse.
        """
        region = configured_region() if region_name is None else region_name
        return event_source(
            self,
            table,
            handler,
            stream_arn=stream_arn,
            region=region,
            batch_size=batch_size,
            window=window,
            filters=filters,
            bisect_on_error=bisect_on_error,
            retries=retries,
            max_age=max_age,
            on_failure=on_failure,
            report_batch_item_failures=report_batch_item_failures,
            parallelization=parallelization,
            tumbling_window=tumbling_window,
            start=start,
            checkpoint=checkpoint,
        )

    def table(self, name: str, *, region_name: str | None = None) -> Table:
        """A view of one table that iterates its items and shows itself in a notebook."""
        return Table(self, name, configured_region() if region_name is None else region_name)

    def tables(self, *, region_name: str | None = None) -> Tables:
        """The tables of a region."""
        return Tables(self, configured_region() if region_name is None else region_name)

    def info(self) -> dict[str, Any]:
        """What this database is, and how much work it has done.

        ``engine``, ``version``, ``account``, ``id``, ``work`` (counts of the engine's work), on disk ``path`` and
        ``torn_bytes``, and on a cluster ``path``, its cluster file. Raises `DatabaseError` once it is closed.
        """
        return self._core.info()

    def __repr__(self) -> str:
        return f"<fdyno.Database {self._core.label}{' (closed)' if self._core.closed else ''}>"

    def _repr_html_(self) -> str | None:
        # `None` has a notebook show the `repr`.
        return None if self._core.closed else self.tables()._repr_html_()


async def _finish(outcome: Any, operation: str) -> dict[str, Any]:
    status, parsed = outcome if isinstance(outcome, tuple) else await outcome
    if status >= 300:
        _errors.raise_for(parsed, operation)
    answer: dict[str, Any] = parsed
    return answer


#: What an acknowledged write to a database on disk survives.
Durability = Literal["buffered", "fsync"]

#: What names the folder of buckets, unless `connect` does.
BUCKETS_VARIABLE = "FDYNO_BUCKETS"

#: How often expired items are looked for, unless `connect` says otherwise.
TTL_INTERVAL = timedelta(seconds=1)
#: How long change records are kept, unless `connect` says otherwise: as long as DynamoDB keeps them.
STREAM_RETENTION = timedelta(hours=24)


def connect(
    url: str | os.PathLike[str] = "memory:",
    *,
    account: str = DEFAULT_ACCOUNT,
    durability: Durability | None = None,
    client_library: str | os.PathLike[str] | None = None,
    ttl_interval: timedelta | float | None = TTL_INTERVAL,
    stream_retention: timedelta = STREAM_RETENTION,
    buckets: str | os.PathLike[str] | None = None,
) -> Database:
    """Opens a database.

    ``"memory:"`` is a new, empty one that lives as long as it is referred to. ``"file:./data"`` (or a `pathlib.Path`) is
    the one in a directory, made if there is none; one process at a time has it. With ``durability="buffered"``, the
    default, an acknowledged write survives the end of the process, however it ends; with ``"fsync"`` it is synced
    first, and survives a loss of power as well. Raises `DatabaseLockedError` while it is open elsewhere,
    `DatabaseDamagedError` when its files are not what was written, `CopyError` for an unfinished copy, `DatabaseError`
    for what else keeps it from being opened.

    ``"fdb:/etc/foundationdb/fdb.cluster"`` is on the FoundationDB cluster which that cluster file names; ``"fdb:"`` looks for
    the file in ``FDB_CLUSTER_FILE``, ``./fdb.cluster`` and its usual place. ``"fdb:…?prefix=orders"`` keeps databases on one
    cluster apart: up to 48 bytes of UTF-8. Needs FoundationDB's client library 7.3: `client_library` (or ``?library=`` in the
    url) says where it is, else ``FDB_LOCAL_CLIENT_LIBRARY_PATH`` does, else the system is searched. A process has one.
    Raises `ClusterError`, a `DatabaseError`, when the library or the cluster cannot be used.

    `ttl_interval` (a `timedelta`, or seconds) is how often items whose time to live is over are looked for and deleted;
    with `None` they stay, as on AWS they may for days. `stream_retention` is how long change records can be read. Both are
    times by the database's clock, and nothing of the database itself: processes that share one should agree.

    `buckets` is a folder whose folders stand for S3's buckets: imports, exports and bulk operations read and write there, and
    nowhere else. Without it ``FDYNO_BUCKETS`` names it; without either, these operations are refused.
    """
    if not re.fullmatch(r"[0-9]{12}", account):
        raise ValueError(f"{account!r} is no account id: twelve digits")
    if durability not in (None, "buffered", "fsync"):
        raise ValueError(f"durability={durability!r}: 'buffered' or 'fsync'")
    behaviour = behaviour_of(ttl_interval, stream_retention, buckets)
    place = place_of(url)
    if durability is not None and not isinstance(place, str):
        raise ValueError(f"{url!r} has no durability: only 'file:' databases do")
    if isinstance(place, Cluster):
        if client_library is not None:
            library = os.fsdecode(client_library)
            if not library:
                raise ValueError("client_library='': the path of a library, or None")
            place = place.with_library(os.path.expanduser(library))
        return Database(_fdyno.Core.cluster(*place, account, behaviour))
    if client_library is not None:
        raise ValueError(f"{url!r} needs no client library: only 'fdb:' databases do")
    if place is None:
        return Database(_fdyno.Core.memory(account, behaviour))
    return Database(_fdyno.Core.disk(place, durability == "fsync", account, behaviour))


def behaviour_of(
    ttl_interval: timedelta | float | None,
    stream_retention: timedelta,
    buckets: str | os.PathLike[str] | None,
) -> tuple[int | None, int, str | None]:
    """The milliseconds between two looks for expired items, if there are to be any, and those that records are kept; where
    buckets are."""
    if isinstance(ttl_interval, timedelta):
        ttl_interval = ttl_interval.total_seconds()
    if not isinstance(stream_retention, timedelta):
        raise TypeError(f"stream_retention={stream_retention!r}: a timedelta, timedelta(hours=24)")
    interval = None if ttl_interval is None else _milliseconds("ttl_interval", ttl_interval)
    retention = _milliseconds("stream_retention", stream_retention.total_seconds())
    return interval, retention, _folder_of(buckets)


def _folder_of(buckets: str | os.PathLike[str] | None) -> str | None:
    """The folder of buckets, absolute, so that it stays the same wherever the process goes."""
    given = os.environ.get(BUCKETS_VARIABLE) if buckets is None else os.fsdecode(buckets)
    if given is None:
        return None
    if not given:
        raise ValueError("buckets='': the path of a folder, or None")
    folder = os.path.abspath(os.path.expanduser(given))
    if not os.path.isdir(folder):
        raise ValueError(f"buckets={given!r}: there is no such folder")
    return folder


def _milliseconds(name: str, seconds: float) -> int:
    if not 0.001 <= seconds <= _LONGEST:
        raise ValueError(f"{name} of {seconds} seconds: from a millisecond to a thousand years")
    return round(seconds * 1000)


#: More than anybody waits for, and far below what the core can count.
_LONGEST = timedelta(days=365_000).total_seconds()


class Cluster(NamedTuple):
    """Where a database on a cluster is. What is not named is looked for in the usual places."""

    cluster_file: str | None
    prefix: str
    library: str | None

    def with_library(self, library: str) -> Cluster:
        if self.library not in (None, library):
            raise ValueError(f"the url names another client library than client_library={library!r}: {self.library!r}")
        return self._replace(library=library)


def place_of(url: str | os.PathLike[str]) -> str | Cluster | None:
    """Where a url says that a database is: in a directory, on a cluster, or in memory."""
    if isinstance(url, os.PathLike):
        return os.path.expanduser(os.fsdecode(url))
    if not isinstance(url, str):
        raise TypeError(f"a database is named by a url or a path, not by {type(url).__name__}")
    scheme, colon, rest = url.partition(":")
    if colon and scheme == "file":
        path, _ = _path_and_options(url, rest, ())
        if not path:
            raise ValueError(f"{url!r} names no directory: 'file:./data'")
        return path
    if url == "memory:":
        return None
    if colon and scheme == "fdb":
        return _cluster(url, rest)
    if not re.match(r"[a-z]+:", url) and url:
        # What looks like a path is most likely meant to be one.
        raise ValueError(f"{url!r} is no database url: 'file:{url}' or pathlib.Path({url!r}) is the one in that directory")
    raise ValueError(f"{url!r} is no database url: 'memory:', 'file:./data' or 'fdb:/etc/foundationdb/fdb.cluster'")


#: Bytes of a prefix that leave room for the longest key behind it.
_LONGEST_PREFIX = 48


def _path_and_options(url: str, rest: str, known: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The path of a url, behind its scheme or behind ``//`` and no host, and its options, of which only some are known."""
    path, _, query = rest.partition("?")
    if path.startswith("//"):
        path = path.removeprefix("//")
        if not path.startswith("/"):
            scheme = url.partition(":")[0]
            raise ValueError(f"{url!r} names a host: '{scheme}:./name' or '{scheme}:///absolute/name'")
    try:
        given = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError as error:
        raise ValueError(f"{url!r}: {error}") from None
    options: dict[str, str] = {}
    for name, value in given:
        if name not in known:
            instead = " and ".join(repr(name) for name in known)
            raise ValueError(f"{url!r} has no option {name!r}: {f'only {instead}' if known else 'a path has none'}")
        if name in options:
            raise ValueError(f"{url!r} gives the option {name!r} twice")
        options[name] = value
    return os.path.expanduser(path), options


def _cluster(url: str, rest: str) -> Cluster:
    path, options = _path_and_options(url, rest, ("prefix", "library"))
    prefix = options.get("prefix", "")
    if "\0" in prefix or len(prefix.encode()) > _LONGEST_PREFIX:
        raise ValueError(f"{url!r}: a prefix has up to {_LONGEST_PREFIX} bytes of UTF-8, none of them zero")
    library = os.path.expanduser(options.get("library", ""))
    return Cluster(path or None, prefix, library or None)


def _after_fork_in_child() -> None:
    state.after_fork_in_child()
    _hook.after_fork_in_child()
    _fdyno._after_fork_in_child()
    after_fork_in_child()


# Before the interpreter goes: what FoundationDB's client does on its thread must not outlive it.
atexit.register(_fdyno._shut_down)
# Called before it, for the last registered is the first called: requests under way may need the client.
atexit.register(close_servers)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_fdyno._before_fork,
        after_in_parent=_fdyno._after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
