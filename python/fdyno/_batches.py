"""Changes in batches, whose checkpoint moves when the consumer says so, together with what it writes if it likes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ._errors import CheckpointMoved
from ._reader import Place, Reader
from ._values import typed, typed_item

if TYPE_CHECKING:
    from ._changes import Change, Changes


class Batches:
    """The changes of `Changes` in batches of up to `size`: iterate it, or ``async for``."""

    def __init__(self, changes: Changes, size: int) -> None:
        if not isinstance(size, int) or isinstance(size, bool):
            raise TypeError(f"batches({size!r}) is no whole number")
        if not 1 <= size <= 1000:
            raise ValueError(f"batches({size}): 1 to 1000")
        self._changes = changes
        self._size = size

    def __iter__(self) -> Iterator[Batch]:
        """The batches, oldest first; one whose transaction failed comes again before the next."""
        reader = self._changes._reader()
        before: Place | None = None
        for changes in self._changes._pages(reader, self._size):
            batch = Batch(self._changes, reader, changes, before)
            yield batch
            while batch._comes_again():
                yield batch
            before = batch._place

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self._iterate_async()

    async def _iterate_async(self) -> AsyncIterator[Batch]:
        reader = self._changes._reader()
        async with aclosing(self._changes._pages_async(reader, self._size)) as pages:
            before: Place | None = None
            async for changes in pages:
                batch = Batch(self._changes, reader, changes, before)
                yield batch
                while batch._comes_again():
                    yield batch
                before = batch._place


class Batch:
    """Some changes, oldest first, and the place behind them."""

    def __init__(self, of: Changes, reader: Reader, changes: list[Change], before: Place | None) -> None:
        #: The changes, at least one.
        self.changes = changes
        self._of = of
        self._reader = reader
        self._place = reader.place
        #: The end of the batch before it in its iteration, if there was one.
        self._before = before
        #: What its latest transaction came to: whether it failed, and whether because another consumer was quicker.
        self._failed = self._overtaken = False

    def __len__(self) -> int:
        return len(self.changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def commit(self) -> None:
        """Moves the checkpoint behind this batch, and so behind all before it.

        Raises `CheckpointMoved`, and moves nothing, if another consumer of the same name has moved it meanwhile.
        """
        if not self._reader.is_committed(self._checked()):
            self._reader.move(self._place)

    async def commit_async(self) -> None:
        """`commit`, for asyncio."""
        if not self._reader.is_committed(self._checked()):
            await self._reader.move_async(self._place)

    def transaction(self) -> BatchTransaction:
        """Writes that are committed together with the checkpoint: ``with batch.transaction() as tx``, or ``async with``.

        If the block raises or its writes are refused, nothing is written and the batch comes again as the next one of its
        iteration; `commit` is what gives it up. Since the checkpoint would move over all that lies before, a batch behind
        one that is not committed has no transaction: that is a `RuntimeError`.
        """
        self._checked()
        if self._before is not None and not self._reader.is_committed(self._before):
            raise RuntimeError(
                f"{self!r} has no transaction yet: a batch before it in this iteration is not committed, and the checkpoint "
                "would move over it. Commit the batches in their order."
            )
        return BatchTransaction(self)

    def _comes_again(self) -> bool:
        """Whether it is the next batch once more. Raises `CheckpointMoved` where another try would be in vain."""
        failed, self._failed = self._failed, False
        if not failed or self._reader.is_committed(self._place):
            return False
        if self._overtaken:
            raise self._reader.overtaken()
        return True

    def _joined(self, writes: list[dict[str, Any]]) -> tuple[Place, list[dict[str, Any]]]:
        """What is to be asked at the end of a transaction's block."""
        if self._reader.is_committed(self._place):
            raise CheckpointMoved("this batch was committed before. Nothing was written.")
        return self._place, writes

    def _fail(self, error: BaseException | None) -> None:
        self._failed, self._overtaken = True, isinstance(error, CheckpointMoved)

    def _checked(self) -> Place:
        if self._of.checkpoint is None:
            raise ValueError("these changes have no checkpoint to move: db.changes(table, checkpoint='a name')")
        return self._place

    def __repr__(self) -> str:
        return f"<batch of {len(self.changes)} changes of {self._of.table}>"


class BatchTransaction:
    """Collects writes; at the end of its ``with`` block all of them are made and the checkpoint moves, or nothing happens.

    Items, keys and expression values are plain Python values, as boto3's ``Table`` takes them. The limits of
    TransactWriteItems hold: a hundred writes, each of another item, 4 MB. What does not hold raises its exceptions, such as
    TransactionCanceledException; `CheckpointMoved` is raised when another consumer of the same name was quicker. After an
    exception in the block nothing is written.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._writes: list[dict[str, Any]] = []

    def put(self, table: Any, item: Mapping[str, Any], **more: Any) -> None:
        """Puts an item. `more`: ConditionExpression, ExpressionAttributeNames, ExpressionAttributeValues."""
        self._writes.append({"Put": {"TableName": _name(table), "Item": typed_item(item), **_expressions(more)}})

    def update(self, table: Any, key: Mapping[str, Any], **more: Any) -> None:
        """Updates the item of a key. `more`: UpdateExpression, and those of `put`."""
        self._writes.append({"Update": {"TableName": _name(table), "Key": typed_item(key), **_expressions(more)}})

    def delete(self, table: Any, key: Mapping[str, Any], **more: Any) -> None:
        """Deletes the item of a key. `more`: those of `put`."""
        self._writes.append({"Delete": {"TableName": _name(table), "Key": typed_item(key), **_expressions(more)}})

    def check(self, table: Any, key: Mapping[str, Any], **more: Any) -> None:
        """Only checks that the item of a key meets a ConditionExpression. `more`: those of `put`."""
        check = {"TableName": _name(table), "Key": typed_item(key), **_expressions(more)}
        self._writes.append({"ConditionCheck": check})

    def __enter__(self) -> BatchTransaction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._batch._fail(None)
            return
        try:
            self._batch._reader.move(*self._batch._joined(self._writes))
        except BaseException as refusal:
            self._batch._fail(refusal)
            raise

    async def __aenter__(self) -> BatchTransaction:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._batch._fail(None)
            return
        try:
            await self._batch._reader.move_async(*self._batch._joined(self._writes))
        except BaseException as refusal:
            self._batch._fail(refusal)
            raise


def _name(table: Any) -> str:
    """A table's name, also of a table object of fdyno or boto3."""
    name: str = table if isinstance(table, str) else table.name
    return name


def _expressions(given: dict[str, Any]) -> dict[str, Any]:
    """The members that say how to write, values made of plain ones and conditions written out, as boto3's ``Table`` does."""
    members = dict(given)
    values: dict[str, Any] = {
        name: typed(value) for name, value in (members.pop("ExpressionAttributeValues", None) or {}).items()
    }
    names: dict[str, str] = dict(members.pop("ExpressionAttributeNames", None) or {})
    condition = members.get("ConditionExpression")
    if condition is not None and not isinstance(condition, str):
        from boto3.dynamodb.conditions import ConditionExpressionBuilder

        built = ConditionExpressionBuilder().build_expression(condition)
        members["ConditionExpression"] = built.condition_expression
        names.update(built.attribute_name_placeholders)
        values.update((name, typed(value)) for name, value in built.attribute_value_placeholders.items())
    if names:
        members["ExpressionAttributeNames"] = names
    if values:
        members["ExpressionAttributeValues"] = values
    return members
