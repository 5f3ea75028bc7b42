"""`Server`: a database answering over HTTP, beside the hook."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from . import _fdyno
from ._region import configured_region

if TYPE_CHECKING:
    from ._database import Database

#: How long requests under way may take when a server is closed, in seconds.
GRACE = 10.0

#: Connections at a time, if the process may have twice as many descriptors.
MOST_CONNECTIONS = 4096

#: Servers that run. They stay, and keep their databases open, until they are closed.
_running: set[Server] = set()


class Server:
    """A database answering DynamoDB's protocol on a port; made by `Database.serve`.

    It runs until it is closed, the database is closed, or the interpreter exits. ``with`` closes it at the end of its block.
    """

    def __init__(
        self,
        database: Database,
        host: str,
        port: int,
        region_name: str | None,
        credentials: Mapping[str, str] | None,
        allow_unsigned: bool,
        max_connections: int | None,
    ) -> None:
        if not isinstance(port, int) or not 0 <= port <= 65535:
            raise ValueError(f"port={port!r}: 0 to 65535, where 0 is any that is free")
        if credentials is not None and not credentials:
            raise ValueError("credentials={}: at least one access key and its secret, or None for any")
        if max_connections is not None and max_connections < 1:
            raise ValueError(f"max_connections={max_connections}: at least 1")
        self.database = database
        self._server = _fdyno.Server(
            database._core,
            (host, port),
            configured_region() if region_name is None else region_name,
            None if credentials is None else list(credentials.items()),
            allow_unsigned,
            _affordable_connections() if max_connections is None else max_connections,
        )
        #: Where it listens.
        self.host, self.port = self._server.address
        _running.add(self)

    @property
    def endpoint_url(self) -> str:
        """What clients take as ``endpoint_url``."""
        # Whoever listens everywhere is reached here as well.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def closed(self) -> bool:
        """Whether it has been closed. In a forked child every server of its parent is."""
        return not self._server.serving

    def close(self, grace: float = GRACE) -> None:
        """Takes no more connections, waits up to `grace` seconds until the requests under way are answered, and ends.

        Closing twice does no harm.
        """
        try:
            self._server.stop(grace)
        finally:
            self._server.close()
            _running.discard(self)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<fdyno.Server {self.endpoint_url}{' (closed)' if self.closed else ''}>"


def close_servers(database: Database | None = None) -> None:
    """Closes the servers of one database, or all."""
    for server in [server for server in _running if database is None or server.database is database]:
        server.close()


def after_fork_in_child() -> None:
    """The servers are the parent's: only its sockets are here, which nobody would answer on."""
    for server in _running:
        for descriptor in server._server.descriptors():
            with contextlib.suppress(OSError):
                os.close(descriptor)
    _running.clear()


def _affordable_connections() -> int:
    """Half of what the process may open, so that the other half is left to it."""
    try:
        import resource
    except ImportError:
        return MOST_CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(MOST_CONNECTIONS, soft // 2))
