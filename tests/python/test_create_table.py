"""CreateTable: what it answers, what the table then is, and what it refuses."""

import datetime
import re

import boto3
import pytest
from conftest import create_table
from tables import KEYS_ONLY, NEW_AND_OLD, N, S, attributes, create_indexed, include, index, key_schema


@pytest.mark.core
def test_the_answer_describes_the_new_table(db, client):
    description = client.create_table(
        TableName="orders",
        KeySchema=key_schema("pk", "sk"),
        AttributeDefinitions=attributes(pk="S", sk="N"),
        BillingMode="PAY_PER_REQUEST",
    )["TableDescription"]
    created = description.pop("CreationDateTime")
    assert abs(created - db.clock.now()) < datetime.timedelta(minutes=1)
    assert re.fullmatch(r"arn:aws:dynamodb:eu-west-1:\d{12}:table/orders", description.pop("TableArn"))
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", description.pop("TableId"))
    assert sorted(description.pop("AttributeDefinitions"), key=str) == sorted(attributes(pk="S", sk="N"), key=str)
    assert description == {
        "TableName": "orders",
        "TableStatus": "CREATING",
        "KeySchema": key_schema("pk", "sk"),
        "ItemCount": 0,
        "TableSizeBytes": 0,
        "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "DeletionProtectionEnabled": False,
    }


def test_the_waiter_finds_the_table_active(db, client):
    create_table(client)
    client.get_waiter("table_exists").wait(TableName="orders", WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    assert client.describe_table(TableName="orders")["Table"]["TableStatus"] == "ACTIVE"


@pytest.mark.parametrize(("kind", "value"), [("S", S("é")), ("N", N("-1.5")), ("B", {"B": b"\x00\xff"})])
def test_keys_are_texts_numbers_or_bytes(db, client, kind, value):
    client.create_table(
        TableName="orders",
        KeySchema=key_schema("pk", "sk"),
        AttributeDefinitions=attributes(pk=kind, sk=kind),
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"pk": value, "sk": value, "note": S("x")}
    client.put_item(TableName="orders", Item=item)
    assert client.get_item(TableName="orders", Key={"pk": value, "sk": value})["Item"] == item


def test_provisioned_throughput_is_kept(db, client):
    throughput = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 7}
    client.create_table(
        TableName="orders",
        KeySchema=key_schema("pk"),
        AttributeDefinitions=attributes(pk="S", grp="S"),
        ProvisionedThroughput=throughput,
        GlobalSecondaryIndexes=[{**index("by_group", "grp"), "ProvisionedThroughput": throughput}],
    )
    description = client.describe_table(TableName="orders")["Table"]
    assert description["ProvisionedThroughput"] == {"NumberOfDecreasesToday": 0, **throughput}
    assert "BillingModeSummary" not in description
    assert description["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"] == {
        "NumberOfDecreasesToday": 0,
        **throughput,
    }


def test_indexes_are_described(db, client):
    create_indexed(client)
    description = client.describe_table(TableName="indexed")["Table"]
    locals_ = {index["IndexName"]: index for index in description["LocalSecondaryIndexes"]}
    globals_ = {index["IndexName"]: index for index in description["GlobalSecondaryIndexes"]}
    assert set(locals_) == {"by_amount", "by_amount_keys"}
    assert set(globals_) == {"by_group", "by_group_keys", "by_group_note"}
    assert locals_["by_amount"] == {
        "IndexName": "by_amount",
        "KeySchema": key_schema("pk", "amount"),
        "Projection": {"ProjectionType": "ALL"},
        "IndexSizeBytes": 0,
        "ItemCount": 0,
        "IndexArn": f"{description['TableArn']}/index/by_amount",
    }
    assert globals_["by_group_note"]["Projection"] == include("note")
    assert globals_["by_group"]["IndexStatus"] == "ACTIVE"
    assert globals_["by_group_keys"]["IndexArn"] == f"{description['TableArn']}/index/by_group_keys"


def test_a_table_with_a_stream_names_it(db, client):
    create_table(client, StreamSpecification=NEW_AND_OLD)
    description = client.describe_table(TableName="orders")["Table"]
    assert description["StreamSpecification"] == NEW_AND_OLD
    label = description["LatestStreamLabel"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", label)
    assert description["LatestStreamArn"] == f"{description['TableArn']}/stream/{label}"


def test_a_table_without_a_stream_names_none(db, client, table):
    description = client.describe_table(TableName=table)["Table"]
    assert not {"StreamSpecification", "LatestStreamArn", "LatestStreamLabel"} & description.keys()


def test_the_resource_creates_a_table_too(db, session):
    resource = boto3.Session(botocore_session=session).resource("dynamodb")
    table = resource.create_table(
        TableName="orders",
        KeySchema=key_schema("pk"),
        AttributeDefinitions=attributes(pk="S"),
        BillingMode="PAY_PER_REQUEST",
    )
    table.wait_until_exists()
    table.reload()
    assert table.table_status == "ACTIVE" and table.item_count == 0
    assert [each.name for each in resource.tables.all()] == ["orders"]


@pytest.mark.core
def test_a_name_is_given_once(client, table, refused):
    refused(
        create_table,
        "ResourceInUseException",
        "Table already exists: orders",
        client=client,
    )


def test_names_differ_by_case(db, client, table):
    create_table(client, "Orders")
    client.put_item(TableName="Orders", Item={"pk": S("a")})
    assert client.scan(TableName="orders")["Count"] == 0


ONE_KEY = {"KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(pk="S"), "BillingMode": "PAY_PER_REQUEST"}
TWO_KEYS = {**ONE_KEY, "KeySchema": key_schema("pk", "sk"), "AttributeDefinitions": attributes(pk="S", sk="S")}
THREE = {**TWO_KEYS, "AttributeDefinitions": attributes(pk="S", sk="S", lsk="S")}
UNITS = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
INVALID = "One or more parameter values were invalid: "
CONSTRAINT = "1 validation error detected: Value {} failed to satisfy constraint: Member must "


@pytest.mark.parametrize(
    ("message", "parameters"),
    [
        pytest.param(
            CONSTRAINT.format(f"'{'a' * 256}' at 'tableName'") + "have length less than or equal to 255",
            {**ONE_KEY, "TableName": "a" * 256},
            id="long name",
        ),
        pytest.param(
            CONSTRAINT.format("'or ders' at 'tableName'") + "satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
            {**ONE_KEY, "TableName": "or ders"},
            id="characters",
        ),
        pytest.param(
            CONSTRAINT.format("'FREE' at 'billingMode'") + "satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]",
            {**ONE_KEY, "BillingMode": "FREE"},
            id="billing mode",
        ),
        pytest.param(
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
            {**ONE_KEY, "KeySchema": [{"AttributeName": "pk", "KeyType": "RANGE"}]},
            id="no hash key",
        ),
        pytest.param(
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
            {**TWO_KEYS, "KeySchema": [{"AttributeName": name, "KeyType": "HASH"} for name in ("pk", "sk")]},
            id="two hash keys",
        ),
        pytest.param(
            re.compile("Both the Hash Key and the Range Key element in the KeySchema have the same name$"),
            {**ONE_KEY, "KeySchema": key_schema("pk", "pk")},
            id="same attribute twice",
        ),
        pytest.param(
            re.compile("at 'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2$"),
            {**THREE, "KeySchema": [*key_schema("pk", "sk"), {"AttributeName": "lsk", "KeyType": "RANGE"}]},
            id="three keys",
        ),
        pytest.param(
            "Invalid KeySchema: Some index key attribute have no definition",
            {**ONE_KEY, "KeySchema": key_schema("other")},
            id="undefined key",
        ),
        pytest.param(
            INVALID + "Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions",
            {**TWO_KEYS, "KeySchema": key_schema("pk")},
            id="unused definition",
        ),
        pytest.param(
            INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
            {**ONE_KEY, "BillingMode": "PROVISIONED"},
            id="no throughput",
        ),
        pytest.param(
            INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
            "PAY_PER_REQUEST",
            {**ONE_KEY, "ProvisionedThroughput": UNITS},
            id="throughput on demand",
        ),
        pytest.param(
            INVALID + "Table KeySchema does not have a range key, which is required when specifying a "
            "LocalSecondaryIndex",
            {
                **ONE_KEY,
                "AttributeDefinitions": attributes(pk="S", lsk="S"),
                "LocalSecondaryIndexes": [index("local", "pk", "lsk")],
            },
            id="local index without sort key",
        ),
        pytest.param(
            INVALID + "Index KeySchema does not have the same leading hash key as table KeySchema for index: local. "
            "index hash key: sk, table hash key: pk",
            {**THREE, "LocalSecondaryIndexes": [index("local", "sk", "lsk")]},
            id="local index by another hash key",
        ),
        pytest.param(
            INVALID + "Index KeySchema does not have a range key for index: local",
            {**TWO_KEYS, "LocalSecondaryIndexes": [index("local", "pk")]},
            id="local index without range key",
        ),
        pytest.param(
            INVALID + "Duplicate index name: same",
            {**THREE, "GlobalSecondaryIndexes": [index("same", "lsk"), index("same", "sk")]},
            id="index name twice",
        ),
        pytest.param(
            INVALID + "List of GlobalSecondaryIndexes is empty",
            {**ONE_KEY, "GlobalSecondaryIndexes": []},
            id="no global index in the list",
        ),
        pytest.param(
            INVALID + "List of LocalSecondaryIndexes is empty",
            {**TWO_KEYS, "LocalSecondaryIndexes": []},
            id="no local index in the list",
        ),
        pytest.param(
            INVALID + "Number of LocalSecondaryIndexes exceeds per-table limit of 5",
            {**THREE, "LocalSecondaryIndexes": [index(f"local{number}", "pk", "lsk") for number in range(6)]},
            id="six local indexes",
        ),
        pytest.param(
            INVALID + "GlobalSecondaryIndex count exceeds the per-table limit of 20",
            {**THREE, "GlobalSecondaryIndexes": [index(f"global{number}", "lsk") for number in range(21)]},
            id="21 global indexes",
        ),
        pytest.param(
            INVALID + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
            {**THREE, "GlobalSecondaryIndexes": [index("global", "lsk", projection={"ProjectionType": "INCLUDE"})]},
            id="nothing included",
        ),
        pytest.param(
            INVALID + "ProjectionType is KEYS_ONLY, but NonKeyAttributes is specified",
            {
                **THREE,
                "GlobalSecondaryIndexes": [
                    index("global", "lsk", projection={**KEYS_ONLY, "NonKeyAttributes": ["note"]})
                ],
            },
            id="keys only and more",
        ),
        pytest.param(
            re.compile("Some index key attributes are not defined in AttributeDefinitions. Keys: .lost."),
            {**ONE_KEY, "GlobalSecondaryIndexes": [index("global", "lost")]},
            id="index key undefined",
        ),
        pytest.param(
            INVALID + "Table is being created with a stream enabled, UpdateViewType is required",
            {**ONE_KEY, "StreamSpecification": {"StreamEnabled": True}},
            id="stream without view",
        ),
        pytest.param(
            INVALID + "Table is being created with a stream disabled, UpdateViewType should not be specified",
            {**ONE_KEY, "StreamSpecification": {"StreamEnabled": False, "StreamViewType": "KEYS_ONLY"}},
            id="view without stream",
        ),
        pytest.param(
            re.compile(
                "at 'streamSpecification.streamViewType' failed to satisfy constraint: Member must satisfy enum"
            ),
            {**ONE_KEY, "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "EVERYTHING"}},
            id="unknown view",
        ),
    ],
)
def test_a_bad_definition_makes_no_table(db, client, refused, message, parameters):
    refused.invalid(client.create_table, message, **{"TableName": "orders", **parameters})
    assert client.list_tables()["TableNames"] == []


def test_a_short_name_makes_no_table(db, refused):
    # Older releases of botocore do not let it through; the light client has no check of its own.
    refused.invalid(
        refused.client.create_table,
        CONSTRAINT.format("'ab' at 'tableName'") + "have length greater than or equal to 3",
        **{**ONE_KEY, "TableName": "ab"},
    )


def test_the_largest_allowed_number_of_indexes_is_allowed(db, client):
    client.create_table(
        TableName="orders",
        **{
            **THREE,
            "LocalSecondaryIndexes": [index(f"local{number}", "pk", "lsk") for number in range(5)],
            "GlobalSecondaryIndexes": [index(f"global{number}", "lsk") for number in range(20)],
        },
    )
    client.put_item(TableName="orders", Item={"pk": S("a"), "sk": S("b"), "lsk": S("c")})
    description = client.describe_table(TableName="orders")["Table"]
    indexes = description["LocalSecondaryIndexes"] + description["GlobalSecondaryIndexes"]
    assert [index["ItemCount"] for index in indexes] == [1] * 25
