"""The cluster that a run of the tests uses: names for its databases, and their removal by FoundationDB's own client.

It is one that `--database=fdb:` names, or one of our double. Every database of a run has a name that begins with the run's,
so whatever a run leaves behind can be told from other data, and is cleared by one range.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import urllib.parse
import uuid
from pathlib import Path

import fdyno
from fdyno._database import Cluster as Place
from fdyno._database import place_of

LIBRARY_VARIABLE = "FDB_LOCAL_CLIENT_LIBRARY_PATH"

#: What the system's loader is asked for, as FoundationDB's packages call it.
USUAL_LIBRARY = {"darwin": "libfdb_c.dylib", "win32": "fdb_c.dll"}.get(sys.platform, "libfdb_c.so")

_FINISHED = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


def library_named(url: str) -> tuple[str, str]:
    """The client library that a process uses for `url` if it uses none yet, and what names it."""
    place = place_of(url)
    assert isinstance(place, Place)
    if place.library is not None:
        return place.library, "named in the url"
    named = os.environ.get(LIBRARY_VARIABLE)
    return (named, f"named by {LIBRARY_VARIABLE}") if named else (USUAL_LIBRARY, "the system's")


def is_double(library: str) -> bool:
    """Whether a library is called as our double is, or is a link to it."""
    return "fdb_double" in Path(library).resolve().name


def double_is_loaded() -> bool:
    """Whether our double is among this process's libraries, whoever named it; not known everywhere."""
    maps = Path("/proc/self/maps")
    return maps.exists() and "fdb_double" in maps.read_text()


class Client:
    """As much of FoundationDB's client as clears ranges and shows that they are clear, in the library that fdyno has started."""

    def __init__(self, library: str, cluster_file: str | None) -> None:
        self._library = ctypes.CDLL(library)
        for name in ("transaction_commit", "transaction_on_error", "transaction_get_range"):
            getattr(self._library, f"fdb_{name}").restype = ctypes.c_void_p
        self._database = ctypes.c_void_p()
        path = None if cluster_file is None else os.fsencode(cluster_file)
        self._check(self._library.fdb_create_database(path, ctypes.byref(self._database)))

    def close(self) -> None:
        self._library.fdb_database_destroy(self._database)

    def clear(self, begin: bytes, end: bytes) -> None:
        """Removes the keys from `begin` to `end`, as often as it takes to know that it is done."""

        def commit(transaction):
            self._library.fdb_transaction_clear_range(transaction, begin, len(begin), end, len(end))
            return self._library.fdb_transaction_commit(transaction)

        self._repeat(commit, lambda _future: 0)

    def holds(self, begin: bytes, end: bytes) -> bool:
        """Whether there is a key from `begin` to `end`."""
        pairs, count, more = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()
        counts = []

        def read(transaction):
            # Two key selectors, "first greater or equal" each; a limit of one, no target of bytes, streaming mode "exact",
            # iteration 1; no snapshot, not reversed.
            selectors = (begin, len(begin), 0, 1, end, len(end), 0, 1)
            return self._library.fdb_transaction_get_range(transaction, *selectors, 1, 0, 0, 1, 0, 0)

        def take(future):
            out = (ctypes.byref(pairs), ctypes.byref(count), ctypes.byref(more))
            code = self._library.fdb_future_get_keyvalue_array(future, *out)
            counts.append(count.value)
            return code

        self._repeat(read, take)
        return counts[-1] > 0

    def _repeat(self, begin, take) -> None:
        """Begins something in a transaction and takes its result, again for as long as the client says that it may."""
        transaction = ctypes.c_void_p()
        self._check(self._library.fdb_database_create_transaction(self._database, ctypes.byref(transaction)))
        try:
            while (code := self._wait(begin(transaction), take)) != 0:
                # Gives the error back if it is one that no repetition helps.
                self._check(self._wait(self._library.fdb_transaction_on_error(transaction, code)))
        finally:
            self._library.fdb_transaction_destroy(transaction)

    def _wait(self, future: int, take=lambda _future: 0) -> int:
        handle, ready = ctypes.c_void_p(future), threading.Event()
        finished = _FINISHED(lambda _future, _parameter: ready.set())
        try:
            self._check(self._library.fdb_future_set_callback(handle, finished, None))
            if not ready.wait(60):
                raise TimeoutError("the cluster has not answered for a minute")
            return self._library.fdb_future_get_error(handle) or take(handle)
        finally:
            self._library.fdb_future_destroy(handle)

    def _check(self, code: int) -> None:
        if code != 0:
            self._library.fdb_get_error.restype = ctypes.c_char_p
            raise RuntimeError(f"FoundationDB error {code}: {self._library.fdb_get_error(code).decode()}")


def keys_of_names(beginning: str) -> tuple[bytes, bytes]:
    """The range of all keys of the databases whose names begin so: the tuples ("fdyno", name) and what follows them."""
    begin = b"\x02fdyno\x00\x02" + beginning.encode()
    return begin, begin[:-1] + bytes([begin[-1] + 1])


class Cluster:
    """A cluster as one run of the tests uses it."""

    def __init__(self, url: str, *, run: str, keep: bool = False) -> None:
        self._url, self._run, self._keep = url, run, keep
        self._made = 0
        place = place_of(url)
        assert isinstance(place, Place)
        library, _ = library_named(url)
        self.cluster_file = place.cluster_file
        # The first connection decides which library this process uses, and starts it.
        with fdyno.connect(self.url(f"{run}first")):
            self.client = Client(library, place.cluster_file)

    def name(self) -> str:
        """A name that no other begins with, and that other names may begin with."""
        self._made += 1
        return f"{self._run}{self._made}-"

    def url(self, name: str) -> str:
        return f"{self._url}{'&' if '?' in self._url else '?'}prefix={urllib.parse.quote(name)}"

    def clear(self, beginning: str) -> None:
        """Removes the databases whose names begin so, unless they are to be kept."""
        if not self._keep:
            self.client.clear(*keys_of_names(beginning))

    def holds(self, beginning: str) -> bool:
        """Whether anything is left of the databases whose names begin so."""
        return self.client.holds(*keys_of_names(beginning))

    def close(self) -> None:
        # Again, for what a database that a test left open has written since.
        self.clear(self._run)
        self.client.close()


def name_of_run() -> str:
    """What the names of a run's databases begin with."""
    return f"test-{uuid.uuid4().hex[:12]}-"
