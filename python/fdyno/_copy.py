"""`copy`: a whole database from one place to another."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from . import _fdyno
from ._database import DEFAULT_ACCOUNT, Cluster, Database, place_of


@dataclass(frozen=True)
class CopyResult:
    """What a copy holds."""

    #: Keys with their values.
    pairs: int
    #: Bytes of all keys and values.
    bytes: int
    #: BLAKE3 of all keys and values, equal on both sides.
    checksum: str
    tables: int
    #: The copy, if it was made to ``"memory:"``; any other is opened by `connect`.
    database: Database | None = field(default=None, repr=False, compare=False)


def copy(
    source: str | os.PathLike[str] | Database,
    destination: str | os.PathLike[str],
    *,
    progress: Callable[[int, int], object] | None = None,
) -> CopyResult:
    """Copies a whole database, with its change streams, to an empty place: a directory, a cluster under a prefix, or memory.

    `source` is a url or path, of a database on disk that nobody has open, or an open `Database`; one in memory is copied
    as it is now, whatever is written meanwhile. Nobody may write to one on a cluster until the copy is finished. A copy to
    ``"memory:"`` is the result's `database`. Readers go on in the copy where they were: sequence numbers stay, later ones
    are greater. `progress` is called after every step with the pairs and bytes copied so far; what it raises interrupts the
    copy, as Ctrl-C does. An interrupted copy goes on where it was when the call is repeated, unless the source was written
    to in between; until it is finished, it cannot be opened. At the end both sides are read once more and compared. Repeating
    a finished copy, when neither side was written to since, gives its result again.

    Raises `CopyError` when the destination is not empty, when there is no database at the source, or when the source
    was written to meanwhile; `ValueError` when source and destination are the same, or one lies inside of the other; and
    what `connect` raises, when one of them cannot be opened.
    """
    if isinstance(destination, Database):
        raise TypeError("the destination is a url or a path, not an open Database, which is never empty")
    to = place_of(destination)
    account = source.account if isinstance(source, Database) else DEFAULT_ACCOUNT
    copier = _fdyno.Copier(_source_of(source), to)
    core = None
    try:
        while (finished := copier.step()) is None:
            if progress is not None:
                progress(*copier.done())
        if to is None:
            core = copier.database(account)
    finally:
        copier.close()
    return CopyResult(*finished, database=None if core is None else Database(core))


def _source_of(source: str | os.PathLike[str] | Database) -> _fdyno.Core | str | Cluster:
    if isinstance(source, Database):
        return source._core
    place = place_of(source)
    if place is None:
        raise ValueError(f"{source!r} is a new, empty database: copy an open one by handing over its fdyno.Database")
    return place
