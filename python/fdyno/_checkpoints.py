"""The checkpoints of one table as a mapping from names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from . import _display, _errors

if TYPE_CHECKING:
    from ._changes import Start
    from ._database import Database


#: Characters of a name.
LONGEST_NAME = 255


def checked_name(name: Any) -> str:
    """The name of a checkpoint, if it can be one."""
    if not isinstance(name, str):
        raise TypeError(f"checkpoint={name!r} is no name: a text")
    if not 1 <= len(name) <= LONGEST_NAME:
        raise ValueError(f"checkpoint={name!r}: a name of 1 to {LONGEST_NAME} characters")
    return name


@dataclass(frozen=True)
class Checkpoint:
    """How far the consumers of one name have come."""

    table: str
    name: str
    stream_arn: str
    #: All changes up to this one are done: ``db.changes(table, start=sequence_number)`` begins with the next.
    sequence_number: str
    #: When it was last moved.
    time: datetime


class Checkpoints(Mapping[str, Checkpoint]):
    """The checkpoints of one table, by name, as they are at the moment of asking."""

    def __init__(self, database: Database, table: str, region: str) -> None:
        self._database = database
        self._region = region
        self.table = table

    def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        status, parsed = self._database._core.extend(operation, {"TableName": self.table, **parameters}, self._region)
        if status >= 300:
            _errors.raise_for(parsed, operation)
        return parsed

    def _all(self) -> dict[str, Checkpoint]:
        return {
            shown["Name"]: Checkpoint(
                table=shown["TableName"],
                name=shown["Name"],
                stream_arn=shown["StreamArn"],
                sequence_number=shown["Position"],
                time=shown["Moved"],
            )
            for shown in self._ask("ListCheckpoints")["Checkpoints"]
        }

    def __getitem__(self, name: str) -> Checkpoint:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def reset(self, name: str, start: Start = "trim_horizon", *, stream_arn: str | None = None) -> Checkpoint:
        """Sets a checkpoint, whether there is one or not, to a place in the table's newest stream (or in `stream_arn`).

        A consumer that is under way meanwhile raises `CheckpointMoved` when it next commits.
        """
        checked_name(name)
        changes = self._database.changes(self.table, start=start, stream_arn=stream_arn, region_name=self._region)
        place = changes._first_place()
        to = {"StreamArn": place.stream_arn, "Position": place.position}
        self._ask("MoveCheckpoint", Name=name, From="Anywhere", To=to)
        return self[name]

    def delete(self, name: str) -> None:
        """Removes a checkpoint; does nothing if there is none."""
        self._ask("MoveCheckpoint", Name=checked_name(name), From="Anywhere")

    def _repr_html_(self) -> str:
        rows = [
            (each.name, each.sequence_number, f"{each.time:%Y-%m-%d %H:%M:%S}", each.stream_arn)
            for each in self._all().values()
        ]
        head = ("name", "sequence number", "moved", "stream")
        return _display.table(head, rows, f"checkpoints of {self.table}", "" if rows else "none")

    def __repr__(self) -> str:
        return f"<checkpoints of {self.table}: {', '.join(self) or 'none'}>"
