"""The tables of the black-box tests, and short spellings of attribute values."""

from __future__ import annotations

NEW_AND_OLD = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
ALL = {"ProjectionType": "ALL"}
KEYS_ONLY = {"ProjectionType": "KEYS_ONLY"}


def S(text):
    return {"S": text}


def N(number):
    return {"N": str(number)}


def stream(view):
    return {"StreamEnabled": True, "StreamViewType": view}


def key_schema(*names):
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"))]


def attributes(**types):
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()]


def index(name, *keys, projection=ALL):
    return {"IndexName": name, "KeySchema": key_schema(*keys), "Projection": projection}


def include(*names):
    return {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(names)}


def create_sorted(client, name="events", sort_type="N", **more):
    """A table with partition key `pk` and sort key `sk`."""
    client.create_table(
        TableName=name,
        KeySchema=key_schema("pk", "sk"),
        AttributeDefinitions=attributes(pk="S", sk=sort_type),
        BillingMode="PAY_PER_REQUEST",
        **more,
    )
    return name


def create_indexed(client, name="indexed", **more):
    """A table with keys `pk` and `sk`, and an index of each kind for each projection that matters.

    Local: `by_amount` (all), `by_amount_keys` (keys). Global: `by_group` (`grp`, `rank`; all), `by_group_keys` (`grp`;
    keys), `by_group_note` (`grp`; includes `note`).
    """
    client.create_table(
        TableName=name,
        KeySchema=key_schema("pk", "sk"),
        AttributeDefinitions=attributes(pk="S", sk="N", amount="N", grp="S", rank="N"),
        LocalSecondaryIndexes=[
            index("by_amount", "pk", "amount"),
            index("by_amount_keys", "pk", "amount", projection=KEYS_ONLY),
        ],
        GlobalSecondaryIndexes=[
            index("by_group", "grp", "rank"),
            index("by_group_keys", "grp", projection=KEYS_ONLY),
            index("by_group_note", "grp", projection=include("note")),
        ],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )
    return name


def item(pk, sk=None, **attributes):
    """An item with keys `pk` and `sk`, and attributes as they come."""
    key = {"pk": S(pk)} if sk is None else {"pk": S(pk), "sk": sk if isinstance(sk, dict) else N(sk)}
    return {**key, **attributes}


def fill(client, table, items):
    """Writes `items` in batches."""
    items = list(items)
    for start in range(0, len(items), 25):
        requests = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
        assert client.batch_write_item(RequestItems={table: requests})["UnprocessedItems"] == {}


def scan_all(client, table, **more):
    """Every item of `table`, page by page."""
    items, start = [], {}
    while True:
        page = client.scan(TableName=table, **start, **more)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return items
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def by_key(items):
    return sorted(items, key=lambda item: sorted((name, repr(value)) for name, value in item.items()))
