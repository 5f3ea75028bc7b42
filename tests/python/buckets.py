"""Folders that stand for buckets, what tests put there, and waiting for what reads and writes them."""

import json
import time

#: Longer than anything of these tests takes, even on a busy machine.
PATIENCE = 120


def put(bucket, key, text, pack=bytes):
    path = bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pack(text.encode() if isinstance(text, str) else text))


def lines(items):
    return "".join(json.dumps({"Item": item}) + "\n" for item in items)


def numbered(count, start=0):
    return [{"pk": {"S": f"{at:05}"}, "n": {"N": str(at)}} for at in range(start, start + count)]


def scanned(client, table):
    pages = client.get_paginator("scan").paginate(TableName=table)
    return sorted((item for page in pages for item in page["Items"]), key=lambda item: item["pk"]["S"])


def until(describe, is_ended):
    """What `describe` gives once that has ended."""
    end = time.monotonic() + PATIENCE
    while not is_ended(found := describe()):
        assert time.monotonic() < end, found
        time.sleep(0.005)
    return found
