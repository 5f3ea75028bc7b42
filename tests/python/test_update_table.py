"""UpdateTable: streams on and off, global indexes made and removed, throughput, protection."""

import re

import boto3
import pytest
from conftest import create_table
from records import kinds, read, stream_arn
from tables import (
    KEYS_ONLY,
    NEW_AND_OLD,
    N,
    S,
    attributes,
    by_key,
    create_indexed,
    create_sorted,
    fill,
    include,
    index,
    item,
    stream,
)


def describe(client, name):
    return client.describe_table(TableName=name)["Table"]


def add_index(client, name, definition, **types):
    return client.update_table(
        TableName=name,
        AttributeDefinitions=attributes(**types),
        GlobalSecondaryIndexUpdates=[{"Create": definition}],
    )["TableDescription"]


@pytest.mark.core
def test_a_stream_is_switched_on(client, table, streams):
    client.put_item(TableName=table, Item={"pk": S("before")})
    answer = client.update_table(TableName=table, StreamSpecification=stream("NEW_IMAGE"))["TableDescription"]
    assert answer["StreamSpecification"] == stream("NEW_IMAGE")
    client.put_item(TableName=table, Item={"pk": S("after")})
    (record,) = read(streams, stream_arn(client, table))
    assert record["dynamodb"]["Keys"] == {"pk": S("after")}


def test_a_stream_is_switched_off_and_another_is_a_new_one(client, table, streams):
    client.update_table(TableName=table, StreamSpecification=NEW_AND_OLD)
    first = stream_arn(client, table)
    client.put_item(TableName=table, Item={"pk": S("a")})
    client.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
    assert "StreamSpecification" not in describe(client, table)
    client.put_item(TableName=table, Item={"pk": S("unseen")})
    client.update_table(TableName=table, StreamSpecification=stream("KEYS_ONLY"))
    second = stream_arn(client, table)
    client.put_item(TableName=table, Item={"pk": S("b")})
    assert first != second
    assert [record["dynamodb"]["Keys"]["pk"] for record in read(streams, first)] == [S("a")]
    assert [record["dynamodb"]["Keys"]["pk"] for record in read(streams, second)] == [S("b")]
    statuses = [streams.describe_stream(StreamArn=arn)["StreamDescription"]["StreamStatus"] for arn in (first, second)]
    assert statuses == ["DISABLED", "ENABLED"]


@pytest.mark.core
def test_an_index_holds_the_items_that_were_there(db, client):
    create_sorted(client)
    fill(client, "events", [item("a", n, grp=S(f"g{n % 3}"), note=S("x"), extra=N(n)) for n in range(60)])
    fill(client, "events", [item("b", n) for n in range(10)])
    add_index(client, "events", index("by_group", "grp", "sk", projection=include("note")), pk="S", sk="N", grp="S")
    described = describe(client, "events")
    (made,) = described["GlobalSecondaryIndexes"]
    assert made["IndexStatus"] == "ACTIVE" and made["ItemCount"] == 60
    assert {entry["AttributeName"] for entry in described["AttributeDefinitions"]} == {"pk", "sk", "grp"}
    page = client.query(
        TableName="events",
        IndexName="by_group",
        KeyConditionExpression="grp = :g",
        ExpressionAttributeValues={":g": S("g1")},
    )
    assert [entry["sk"] for entry in page["Items"]] == [N(n) for n in range(1, 60, 3)]
    assert page["Items"][0] == item("a", 1, grp=S("g1"), note=S("x"))


def test_an_index_made_late_skips_items_whose_attribute_is_no_key(db, client):
    create_sorted(client)
    values = [S("x"), N(1), {"BOOL": True}, S(""), {"B": b"x"}]
    fill(client, "events", [item("a", n, grp=value) for n, value in enumerate(values)])
    add_index(client, "events", index("by_group", "grp"), grp="S")
    page = client.scan(TableName="events", IndexName="by_group")
    assert [entry["sk"] for entry in page["Items"]] == [N(0)]
    assert len(client.scan(TableName="events")["Items"]) == 5


def test_an_index_follows_writes_made_after_it(client, table):
    client.put_item(TableName=table, Item={"pk": S("a"), "grp": S("old")})
    add_index(client, table, index("by_group", "grp"), grp="S")
    client.put_item(TableName=table, Item={"pk": S("a"), "grp": S("new")})
    client.put_item(TableName=table, Item={"pk": S("b"), "grp": S("new")})
    assert by_key(client.scan(TableName=table, IndexName="by_group")["Items"]) == [
        {"pk": S("a"), "grp": S("new")},
        {"pk": S("b"), "grp": S("new")},
    ]


def test_an_index_is_removed_and_made_again(db, client, refused):
    create_indexed(client)
    client.put_item(TableName="indexed", Item=item("a", 1, grp=S("g"), rank=N(1)))
    client.update_table(TableName="indexed", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by_group"}}])
    described = describe(client, "indexed")
    assert {each["IndexName"] for each in described["GlobalSecondaryIndexes"]} == {"by_group_keys", "by_group_note"}
    assert "rank" not in {each["AttributeName"] for each in described["AttributeDefinitions"]}
    refused.invalid(
        client.scan,
        "The table does not have the specified index: by_group",
        TableName="indexed",
        IndexName="by_group",
    )
    client.put_item(TableName="indexed", Item=item("a", 2, grp=S("g"), rank=S("no number any more")))
    add_index(client, "indexed", index("by_group", "grp", projection=KEYS_ONLY), grp="S")
    assert client.scan(TableName="indexed", IndexName="by_group")["Count"] == 2


def test_making_and_removing_an_index_writes_no_record(client, table, streams):
    client.update_table(TableName=table, StreamSpecification=NEW_AND_OLD)
    client.put_item(TableName=table, Item={"pk": S("a"), "grp": S("g")})
    add_index(client, table, index("by_group", "grp"), grp="S")
    client.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by_group"}}])
    assert kinds(read(streams, stream_arn(client, table))) == ["INSERT"]


def test_billing_and_throughput_change(client, table):
    client.update_table(
        TableName=table,
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
    )
    throughput = describe(client, table)["ProvisionedThroughput"]
    assert (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]) == (3, 4)
    client.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")
    described = describe(client, table)
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert described["ProvisionedThroughput"]["ReadCapacityUnits"] == 0


CREATE = {"Create": index("by_group", "grp")}
TYPES = attributes(grp="S")


@pytest.mark.parametrize(
    ("code", "message", "parameters"),
    [
        pytest.param(
            "ValidationException",
            re.compile("^At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled"),
            {},
            id="nothing to change",
        ),
        pytest.param(
            "ValidationException",
            "Table already has an enabled stream: TableName: indexed",
            {"StreamSpecification": stream("NEW_IMAGE")},
            id="stream twice",
        ),
        pytest.param(
            "ValidationException",
            "One or more parameter values were invalid: If stream is being enabled then UpdateViewType is required",
            {"StreamSpecification": {"StreamEnabled": True}},
            id="stream without view",
        ),
        pytest.param(
            "ValidationException",
            "One or more parameter values were invalid: If stream is being disabled, then UpdateViewType must not be "
            "specified",
            {"StreamSpecification": {"StreamEnabled": False, "StreamViewType": "NEW_IMAGE"}},
            id="view without stream",
        ),
        pytest.param(
            "ValidationException",
            "Attempting to create an index which already exists",
            {"AttributeDefinitions": TYPES, "GlobalSecondaryIndexUpdates": [CREATE]},
            id="index twice",
        ),
        pytest.param(
            "ResourceNotFoundException",
            re.compile("^Requested resource not found"),
            {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "nothing"}}]},
            id="no such index",
        ),
        pytest.param(
            "LimitExceededException",
            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
            {
                "GlobalSecondaryIndexUpdates": [
                    {"Delete": {"IndexName": "by_group"}},
                    {"Delete": {"IndexName": "by_group_keys"}},
                ]
            },
            id="two at once",
        ),
        pytest.param(
            "ValidationException",
            re.compile("Some index key attributes are not defined in AttributeDefinitions"),
            {"GlobalSecondaryIndexUpdates": [{"Create": index("another", "undefined")}]},
            id="undefined key",
        ),
        pytest.param(
            "ValidationException",
            re.compile(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQ"
            ),
            {"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}},
            id="throughput on demand",
        ),
    ],
)
def test_a_bad_change_changes_nothing(db, client, refused, code, message, parameters):
    create_indexed(client, StreamSpecification=NEW_AND_OLD)
    client.put_item(TableName="indexed", Item=item("a", 1, grp=S("g"), rank=N(1)))
    refused(client.update_table, code, message, TableName="indexed", **parameters)


def test_a_stream_that_is_not_on_is_not_switched_off(client, table, refused):
    refused.invalid(
        client.update_table,
        "Table has no stream to disable: TableName: orders",
        TableName=table,
        StreamSpecification={"StreamEnabled": False},
    )


def test_a_table_that_is_not_there_is_not_changed(client, table, refused):
    refused(
        client.update_table,
        "ResourceNotFoundException",
        "Requested resource not found: Table: nowhere not found",
        TableName="nowhere",
        DeletionProtectionEnabled=True,
    )


def test_the_resource_sees_the_change(db, session):
    resource = boto3.Session(botocore_session=session).resource("dynamodb")
    create_table(resource.meta.client)
    table = resource.Table("orders").update(StreamSpecification=NEW_AND_OLD)
    assert table.stream_specification == NEW_AND_OLD
    assert table.latest_stream_arn.endswith(table.latest_stream_label)
