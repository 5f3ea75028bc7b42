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
from typing import Any, Callable

import botocore.session

import fdyno

KEY = [{"AttributeName": "pk", "KeyType": "HASH"}]
DEFINITIONS = [{"AttributeName": "pk", "AttributeType": "S"}]


def microseconds(work: Callable[[int], Any], count: int) -> float:
    """The median over ten runs of what one call costs."""
    samples = []
    for run in range(10):
        begin = time.perf_counter()
        for number in range(run * count, (run + 1) * count):
            work(number)
        samples.append((time.perf_counter() - begin) / count * 1e6)
    return statistics.median(samples)


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
    sqlite = microseconds(lambda n: connection.execute("INSERT INTO items VALUES (?, ?)", (f"c#{n}", note)), 500)
    report("SQLite: one row a transaction, WAL, synchronous=FULL", sqlite, "µs")
    for durability in ("buffered", "fsync"):
        with fdyno.connect(f"file:{directory / durability}", durability=durability) as db:
            client = db.client("dynamodb", region_name="us-east-1")
            client.create_table(
                TableName="items", KeySchema=KEY, AttributeDefinitions=DEFINITIONS, BillingMode="PAY_PER_REQUEST"
            )
            cost = microseconds(lambda n: client.put_item(TableName="items", Item=typed(item(n))), 500)
            aim = "at least 10" if durability == "buffered" else ""
            report(f"SQLite / put_item of the light client, {durability}", sqlite / cost, "x", aim)


def typed(item: dict[str, str]) -> dict[str, Any]:
    return {name: {"S": value} for name, value in item.items()}


def gets(directory: Path, items: int) -> None:
    session = botocore.session.Session()
    session.set_credentials("a", "b")
    boto = session.create_client("dynamodb", region_name="us-east-1")
    with fdyno.connect(f"file:{directory / 'gets'}") as db, db.activate():
        light = db.client("dynamodb", region_name="us-east-1")
        light.create_table(
            TableName="items", KeySchema=KEY, AttributeDefinitions=DEFINITIONS, BillingMode="PAY_PER_REQUEST"
        )
        costs: dict[str, list[float]] = {"boto3's fast route": [], "the light client": []}
        loaded = 0
        for size in (10_000, items):
            for first in range(loaded, size, 25):
                batch = [{"PutRequest": {"Item": typed(item(n))}} for n in range(first, min(first + 25, size))]
                light.batch_write_item(RequestItems={"items": batch})
            loaded = size
            for name, client in (("boto3's fast route", boto), ("the light client", light)):
                chosen = random.Random(3)
                keys = [{"pk": {"S": f"customer#{chosen.randrange(size)}"}} for _ in range(10_000)]
                costs[name].append(
                    microseconds(lambda n: client.get_item(TableName="items", Key=keys[n])["Item"], 1_000)
                )
        for name, (small, large) in costs.items():
            report(f"get_item by {name} at 10,000 items", small, "µs")
            report(f"get_item by {name} at {items:,} items / at 10,000", large / small, "x", "at most 2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    with tempfile.TemporaryDirectory() as directory:
        puts(Path(directory))
        gets(Path(directory), parser.parse_args().items)


if __name__ == "__main__":
    main()
