"""Scan: everything there is, in pages and segments, filtered and projected."""

import re

import pytest
from tables import N, S, by_key, create_indexed, create_sorted, fill, item, scan_all


@pytest.fixture
def events(db, client):
    create_sorted(client)
    fill(client, "events", [item(f"p{n % 7}", n, even={"BOOL": n % 2 == 0}, note=S(f"n{n}")) for n in range(100)])
    return "events"


def sort_keys(items):
    return sorted(int(found["sk"]["N"]) for found in items)


@pytest.mark.core
def test_a_scan_gives_everything_once(client, events):
    page = client.scan(TableName=events)
    assert sort_keys(page["Items"]) == list(range(100))
    assert page["Count"] == page["ScannedCount"] == 100
    assert "LastEvaluatedKey" not in page
    assert sort_keys(scan_all(client, events, Limit=9)) == list(range(100))


def test_an_empty_table_is_an_empty_page(client, table):
    page = client.scan(TableName=table)
    assert (page["Items"], page["Count"], page["ScannedCount"]) == ([], 0, 0)
    assert "LastEvaluatedKey" not in page


@pytest.mark.parametrize("total", [1, 2, 3, 16, 1000])
def test_segments_share_everything_out(client, events, total):
    shares = [scan_all(client, events, Segment=segment, TotalSegments=total, Limit=30) for segment in range(total)]
    assert sort_keys([found for share in shares for found in share]) == list(range(100))
    partitions = [{found["pk"]["S"] for found in share} for share in shares]
    assert sum(map(len, partitions)) == 7, "a partition lies in one segment"


def test_the_largest_number_of_segments(client, events):
    assert client.scan(TableName=events, Segment=999_999, TotalSegments=1_000_000)["ScannedCount"] < 100


def test_a_filter_comes_after_the_limit(client, events):
    more = {"FilterExpression": "even = :t", "ExpressionAttributeValues": {":t": {"BOOL": True}}}
    page = client.scan(TableName=events, Limit=10, **more)
    assert page["ScannedCount"] == 10 and page["Count"] == len(page["Items"]) <= 10
    assert "LastEvaluatedKey" in page
    assert sort_keys(scan_all(client, events, Limit=10, **more)) == list(range(0, 100, 2))


def test_a_filter_may_be_about_keys(client, events):
    page = client.scan(
        TableName=events,
        FilterExpression="pk = :pk AND sk < :sk",
        ExpressionAttributeValues={":pk": S("p1"), ":sk": N(10)},
    )
    assert sort_keys(page["Items"]) == [1, 8]


def test_select_and_projection_give_what_they_say(client, events):
    page = client.scan(TableName=events, Select="COUNT")
    assert page["Count"] == 100 and "Items" not in page
    page = client.scan(TableName=events, ProjectionExpression="note", Limit=3)
    assert [set(found) for found in page["Items"]] == [{"note"}] * 3
    page = client.scan(TableName=events, AttributesToGet=["sk"], Limit=2)
    assert [set(found) for found in page["Items"]] == [{"sk"}] * 2


def test_the_old_way_of_filters_works(client, events):
    page = client.scan(
        TableName=events,
        ScanFilter={
            "sk": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [N(10), N(12)]},
            "note": {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [S("n5")]},
        },
        ConditionalOperator="OR",
    )
    assert sort_keys(page["Items"]) == [5, 10, 11, 12, *range(50, 60)]


@pytest.mark.core
def test_an_index_is_scanned(db, client):
    create_indexed(client)
    fill(client, "indexed", [item("a", n, grp=S(f"g{n % 5}"), rank=N(n)) for n in range(40)])
    fill(client, "indexed", [item("b", n, amount=N(n)) for n in range(3)])
    for name, expected in (("by_group", list(range(40))), ("by_amount", [0, 1, 2])):
        assert sort_keys(scan_all(client, "indexed", IndexName=name, Limit=7)) == expected
        shares = [
            scan_all(client, "indexed", IndexName=name, Segment=segment, TotalSegments=4, Limit=3)
            for segment in range(4)
        ]
        assert sort_keys([found for share in shares for found in share]) == expected
    page = client.scan(TableName="indexed", IndexName="by_group", Limit=1)
    assert set(page["LastEvaluatedKey"]) == {"pk", "sk", "grp", "rank"}


def test_the_paginator_reads_all_pages(client, events):
    pages = list(client.get_paginator("scan").paginate(TableName=events, PaginationConfig={"PageSize": 40}))
    assert [page["Count"] for page in pages] == [40, 40, 20]
    limited = client.get_paginator("scan").paginate(TableName=events, PaginationConfig={"PageSize": 8, "MaxItems": 20})
    result = limited.build_full_result()
    assert len(result["Items"]) == 20
    rest = client.get_paginator("scan").paginate(
        TableName=events, PaginationConfig={"StartingToken": result["NextToken"]}
    )
    assert sort_keys(result["Items"] + rest.build_full_result()["Items"]) == list(range(100))


def test_a_scan_sees_what_was_written_before_it(client, events):
    for n in range(5):
        client.put_item(TableName=events, Item=item("new", n))
        assert sum(found["pk"] == S("new") for found in client.scan(TableName=events)["Items"]) == n + 1


@pytest.mark.parametrize(
    ("message", "more"),
    [
        (
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is "
            "present",
            {"Segment": 0},
        ),
        (
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is "
            "present",
            {"TotalSegments": 2},
        ),
        (
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 2 is not "
            "less than "
            "TotalSegments: 2",
            {"Segment": 2, "TotalSegments": 2},
        ),
        (
            "1 validation error detected: Value '1000001' at 'totalSegments' failed to satisfy constraint: Member "
            "must have "
            "value less than or equal to 1000000",
            {"Segment": 0, "TotalSegments": 1_000_001},
        ),
        ("The table does not have the specified index: nothing", {"IndexName": "nothing"}),
        (
            "The provided starting key is invalid: The provided key element does not match the schema",
            {"ExclusiveStartKey": {"pk": S("a")}},
        ),
        (
            "Invalid FilterExpression: An expression attribute value used in expression is not defined; attribute "
            "value: :v",
            {"FilterExpression": "note = :v"},
        ),
        (
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
            "{ScanFilter} Expression parameters: {FilterExpression}",
            {
                "FilterExpression": "attribute_exists(note)",
                "ScanFilter": {"note": {"ComparisonOperator": "NOT_NULL"}},
            },
        ),
        (re.compile("Member must satisfy enum value set: .*COUNT"), {"Select": "SOME"}),
        (
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
            {"Select": "ALL_PROJECTED_ATTRIBUTES"},
        ),
    ],
)
def test_a_bad_scan_is_refused(client, events, refused, message, more):
    refused.invalid(client.scan, message, TableName=events, **more)


def test_a_global_index_is_not_read_consistently(db, client, refused):
    create_indexed(client)
    refused.invalid(
        client.scan,
        "Consistent reads are not supported on global secondary indexes",
        TableName="indexed",
        IndexName="by_group",
        ConsistentRead=True,
    )
    assert client.scan(TableName="indexed", IndexName="by_amount", ConsistentRead=True)["Count"] == 0


def test_a_scan_and_the_batches_agree(client, events):
    keys = [{"pk": found["pk"], "sk": found["sk"]} for found in client.scan(TableName=events)["Items"]]
    answer = client.batch_get_item(RequestItems={events: {"Keys": keys}})
    assert by_key(answer["Responses"][events]) == by_key(client.scan(TableName=events)["Items"])
