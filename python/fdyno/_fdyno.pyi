from datetime import datetime, timedelta
from typing import Any, Awaitable, final

__all__ = [
    "Clock",
    "ClusterError",
    "Core",
    "DatabaseDamagedError",
    "DatabaseError",
    "DatabaseLockedError",
    "InternalError",
    "Operation",
    "Request",
    "__version__",
    "_after_fork_in_child",
    "_after_fork_in_parent",
    "_before_fork",
    "_shut_down",
    "operations",
]

__version__: str

class InternalError(RuntimeError): ...
class DatabaseError(RuntimeError): ...
class ClusterError(DatabaseError): ...
class DatabaseLockedError(DatabaseError): ...
class DatabaseDamagedError(DatabaseError): ...

def operations(service: str) -> list[str]: ...
def _before_fork() -> None: ...
def _after_fork_in_parent() -> None: ...
def _after_fork_in_child() -> None: ...
def _shut_down() -> None: ...
@final
class Operation:
    def __new__(cls, service: str, name: str, shapes: list[dict[str, Any]] | None = None) -> Operation: ...
    @property
    def name(self) -> str: ...
    def prepare(self, parameters: dict[str, Any]) -> Request | None: ...

@final
class Request: ...

@final
class Clock:
    """The time of one database: record times, time to live, trimming and iterator expiry follow it."""

    @property
    def frozen(self) -> bool: ...
    def now(self) -> datetime:
        """The time it shows, as an aware datetime in UTC."""

    def advance(
        self,
        delta: timedelta | None = None,
        *,
        days: float = 0.0,
        hours: float = 0.0,
        minutes: float = 0.0,
        seconds: float = 0.0,
    ) -> None:
        """Moves the clock on, and returns when everything that fell due meanwhile is done."""

    def travel_to(self, moment: datetime) -> None:
        """Shows `moment` from now on; goes on running from there unless frozen."""

    def freeze(self) -> None:
        """Stops the clock at the time it shows."""

    def resume(self) -> None:
        """Runs again with the machine's time."""

@final
class Core:
    @staticmethod
    def memory(account: str) -> Core: ...
    @staticmethod
    def disk(path: str, synced: bool, account: str) -> Core: ...
    @staticmethod
    def cluster(cluster_file: str | None, name: str, account: str) -> Core: ...
    def close(self) -> None: ...
    def fork(self) -> Core: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def account(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    @property
    def label(self) -> str: ...
    def info(self) -> dict[str, Any]: ...
    def answer(self, request: Request, region: str) -> tuple[int, dict[str, Any]]: ...
    def answer_json(self, operation: Operation, body: bytes, region: str) -> tuple[int, dict[str, Any]]: ...
    def answer_json_async(
        self, operation: Operation, body: bytes, region: str
    ) -> tuple[int, dict[str, Any]] | Awaitable[tuple[int, dict[str, Any]]]: ...
    def call(self, operation: Operation, parameters: dict[str, Any], region: str) -> tuple[int, dict[str, Any]]: ...
    def call_async(
        self, operation: Operation, parameters: dict[str, Any], region: str
    ) -> tuple[int, dict[str, Any]] | Awaitable[tuple[int, dict[str, Any]]]: ...
