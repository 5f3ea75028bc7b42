"""What a database on disk costs through Python: writes beside SQLite's, and reads as the table grows.

Run it by `make bench`, or alone with `--items 10000000` for the large run. Ratios within one run.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import botocore.session

import fdyno

KEY = [{"AttributeName": "pk", "KeyType": "HASH"}]
DEFINITIONS = [{"AttributeName": "pk", "AttributeType": "S"}]

#: Items of the small table.
FEW = 10_000
#: Keys read before the other table has its turn, and turns.
GETS = 1_000
TURNS = 30
#: Calls of one sample.
TOGETHER = 25


def samples(work: Callable[[Any], Any], arguments: Sequence[Any]) -> Iterator[float]:
    """What a call costs, in microseconds, from a few calls at a time: most samples then meet nobody else's turn."""
    for first in range(0, len(arguments), TOGETHER):
        some = arguments[first : first + TOGETHER]
        begin = time.perf_counter()
        for argument in some:
            work(argument)
        yield (time.perf_counter() - begin) / len(some) * 1e6


def microseconds(work: Callable[[int], Any], count: int) -> float:
    return statistics.median(samples(work, range(count)))


def report(what: str, figure: float, unit: str, aim: str = "") -> None:
    print(f"{what:<66} {figure:>9.2f} {unit:<8} {aim}")


def item(number: int) -> dict[str, Any]:
    return {"pk": f"customer#{number}", "state": "new", "note": "x" * 180}


def puts(directory: Path) -> None:
    connection = sqlite3.connect(directory / "sqlite.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE items (pk TEXT PRIMARY KEY, item TEXT)")
    note = repr(item(0))
    sqlite = microseconds(lambda n: connection.execute("INSERT INTO items VALUES (?, ?)", (f"c#{n}", note)), 5_000)
    report("SQLite: one row a transaction, WAL, synchronous=FULL", sqlite, "µs")
    for durability in ("buffered", "fsync"):
        with fdyno.connect(f"file:{directory / durability}", durability=durability) as db:
            client = db.client("dynamodb", region_name="us-east-1")
            client.create_table(
                TableName="items", KeySchema=KEY, AttributeDefinitions=DEFINITIONS, BillingMode="PAY_PER_REQUEST"
            )
            cost = microseconds(lambda n: client.put_item(TableName="items", Item=typed(item(n))), 5_000)
            aim = "at least 10" if durability == "buffered" else ""
            report(f"SQLite / put_item of the light client, {durability}", sqlite / cost, "x", aim)


def typed(item: dict[str, str]) -> dict[str, Any]:
    return {name: {"S": value} for name, value in item.items()}


def filled(directory: Path, items: int) -> fdyno.Database:
    db = fdyno.connect(f"file:{directory / f'gets-{items}'}")
    client = db.client("dynamodb", region_name="us-east-1")
    client.create_table(
        TableName="items", KeySchema=KEY, AttributeDefinitions=DEFINITIONS, BillingMode="PAY_PER_REQUEST"
    )
    for first in range(0, items, 25):
        batch = [{"PutRequest": {"Item": typed(item(n))}} for n in range(first, min(first + 25, items))]
        client.batch_write_item(RequestItems={"items": batch})
    return db


def gets(directory: Path, items: int) -> None:
    """Both databases are asked in turns, so that what else the machine does meets both."""
    session = botocore.session.Session()
    session.set_credentials("a", "b")
    boto = session.create_client("dynamodb", region_name="us-east-1")
    sizes = (FEW, items)
    databases = {size: filled(directory, size) for size in sizes}
    light = {size: db.client("dynamodb", region_name="us-east-1") for size, db in databases.items()}
    routes: dict[str, Callable[[int], Any]] = {
        "boto3's fast route": lambda size: boto,
        "the light client": lambda size: light[size],
    }
    costs: dict[str, dict[int, list[float]]] = {name: {size: [] for size in sizes} for name in routes}
    chosen = random.Random(3)
    for _ in range(TURNS):
        for size, db in databases.items():
            with db.activate():
                for name, route in routes.items():
                    client = route(size)
                    keys = [{"pk": {"S": f"customer#{chosen.randrange(size)}"}} for _ in range(GETS)]
                    costs[name][size] += samples(lambda key: client.get_item(TableName="items", Key=key)["Item"], keys)
    for name, cost in costs.items():
        small, large = (statistics.median(cost[size]) for size in sizes)
        report(f"get_item by {name} at {FEW:,} items", small, "µs")
        report(f"get_item by {name} at {items:,} items", large, "µs")
        report(f"get_item by {name} at {items:,} items / at {FEW:,}", large / small, "x", "at most 2")
    for db in databases.values():
        db.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    with tempfile.TemporaryDirectory() as directory:
        puts(Path(directory))
        gets(Path(directory), parser.parse_args().items)


if __name__ == "__main__":
    main()
