"""Tables that show themselves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from . import _display
from ._values import Item, plain_item

if TYPE_CHECKING:
    from ._database import Database

#: A notebook shows this many items.
SHOWN = 20


class Table:
    """A view of one table: iterate its items, or let a notebook show the first of them."""

    def __init__(self, database: Database, name: str, region: str) -> None:
        self._client = database.client("dynamodb", region_name=region)
        self.name = name

    def describe(self) -> dict[str, Any]:
        """`DescribeTable`'s description of the table."""
        description: dict[str, Any] = self._client.describe_table(TableName=self.name)["Table"]
        return description

    def __iter__(self) -> Iterator[Item]:
        """Every item as plain Python values, in no particular order."""
        start: dict[str, Any] = {}
        while True:
            page = self._client.scan(TableName=self.name, **start)
            for item in page["Items"]:
                yield plain_item(item)
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def to_pandas(self) -> Any:
        """The items as a `pandas.DataFrame`, an attribute a column."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_pandas() needs pandas: pip install 'fdyno[pandas]'") from error
        items = list(self)
        return pandas.DataFrame(items, columns=_columns(self.describe(), items))

    def __repr__(self) -> str:
        return f"<table {self.name}>"

    def _repr_html_(self) -> str:
        description = self.describe()
        items = list(islice(self, SHOWN))
        columns = _columns(description, items)
        rows = [[item.get(name, "") for name in columns] for item in items]
        count = description.get("ItemCount", len(items))
        note = f"{len(items)} of {count} items" if count > len(items) else ""
        return _display.table(columns, rows, self.name, note)


class Tables:
    """The tables of one region."""

    def __init__(self, database: Database, region: str) -> None:
        self._database = database
        self._region = region
        self._client = database.client("dynamodb", region_name=region)

    def __iter__(self) -> Iterator[Table]:
        start: dict[str, Any] = {}
        while True:
            page = self._client.list_tables(**start)
            for name in page["TableNames"]:
                yield Table(self._database, name, self._region)
            if "LastEvaluatedTableName" not in page:
                return
            start = {"ExclusiveStartTableName": page["LastEvaluatedTableName"]}

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, name: str) -> Table:
        table = Table(self._database, name, self._region)
        table.describe()
        return table

    def __repr__(self) -> str:
        return f"<tables {[table.name for table in self]}>"

    def _repr_html_(self) -> str:
        rows = []
        for table in self:
            description = table.describe()
            indexes = [
                index["IndexName"]
                for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes", "VectorIndexes")
                for index in description.get(kind, [])
            ]
            stream = description.get("StreamSpecification", {}).get("StreamViewType", "")
            rows.append(
                (
                    table.name,
                    ", ".join(_keys(description)),
                    f"{description.get('ItemCount', 0):,}",
                    f"{description.get('TableSizeBytes', 0):,}",
                    ", ".join(indexes),
                    stream,
                )
            )
        return _display.table(("table", "key", "items", "bytes", "indexes", "stream"), rows, f"tables in {self._region}")


def _keys(description: dict[str, Any]) -> list[str]:
    return [element["AttributeName"] for element in description.get("KeySchema", [])]


def _columns(description: dict[str, Any], items: list[Item]) -> list[str]:
    keys = _keys(description)
    return keys + sorted({name for item in items for name in item} - set(keys))
