"""Settings of tables through boto3's own client: capacity, billing, class, encryption, protection. Kept and shown, with AWS's rules."""

import pytest
from conftest import create_table
from tables import attributes, index, key_schema

pytestmark = pytest.mark.needs_model("CreateTable.WarmThroughput", "CreateTable.OnDemandThroughput")

INVALID = "One or more parameter values were invalid: "
ON_DEMAND = {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000, "Status": "ACTIVE"}


def units(read, write):
    return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


def warm(read, write, status="ACTIVE"):
    return {"ReadUnitsPerSecond": read, "WriteUnitsPerSecond": write, "Status": status}


def describe(client, name="orders"):
    return client.describe_table(TableName=name)["Table"]


def update(client, name="orders", **changes):
    return client.update_table(TableName=name, **changes)["TableDescription"]


@pytest.fixture
def provisioned(db, client):
    """A provisioned table with an index, on a clock that stands still."""
    db.clock.freeze()
    client.create_table(
        TableName="orders",
        KeySchema=key_schema("pk"),
        AttributeDefinitions=attributes(pk="S", grp="S"),
        ProvisionedThroughput=units(10, 10),
        GlobalSecondaryIndexes=[{**index("by_group", "grp"), "ProvisionedThroughput": units(5, 5)}],
    )
    return "orders"


@pytest.fixture
def on_demand(db, client):
    client.create_table(
        TableName="orders",
        KeySchema=key_schema("pk"),
        AttributeDefinitions=attributes(pk="S", grp="S"),
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[index("by_group", "grp")],
    )
    return "orders"


@pytest.mark.core
def test_throughput_tells_when_it_was_raised_and_lowered(db, client, provisioned):
    assert describe(client)["ProvisionedThroughput"] == {"NumberOfDecreasesToday": 0, **units(10, 10)}
    raised = db.clock.now()
    update(client, ProvisionedThroughput=units(11, 12))
    db.clock.advance(minutes=5)
    lowered = db.clock.now()
    update(client, ProvisionedThroughput=units(9, 12))
    shown = describe(client)["ProvisionedThroughput"]
    assert abs((shown["LastIncreaseDateTime"] - raised).total_seconds()) < 0.01
    assert abs((shown["LastDecreaseDateTime"] - lowered).total_seconds()) < 0.01
    assert (shown["NumberOfDecreasesToday"], shown["ReadCapacityUnits"], shown["WriteCapacityUnits"]) == (1, 9, 12)
    # What was served once stays warm.
    assert describe(client)["WarmThroughput"] == warm(11, 12)
    db.clock.advance(days=1)
    assert describe(client)["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 0


def test_throughput_is_lowered_only_so_often(db, client, provisioned, refused):
    for write in (9, 8, 7, 6):
        update(client, ProvisionedThroughput=units(10, write))
    with pytest.raises(client.exceptions.LimitExceededException) as caught:
        update(client, ProvisionedThroughput=units(10, 5))
    message = caught.value.response["Error"]["Message"]
    assert message.startswith("Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC")
    assert "Number of decreases today: 4. Last decrease at " in message
    assert describe(client)["ProvisionedThroughput"]["WriteCapacityUnits"] == 6
    update(client, ProvisionedThroughput=units(11, 7))
    db.clock.advance(hours=1)
    update(client, ProvisionedThroughput=units(11, 5))


def test_an_index_has_throughput_of_its_own(db, client, provisioned):
    change = {"Update": {"IndexName": "by_group", "ProvisionedThroughput": units(4, 6)}}
    update(client, GlobalSecondaryIndexUpdates=[change])
    (shown,) = describe(client)["GlobalSecondaryIndexes"]
    throughput = shown["ProvisionedThroughput"]
    assert (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]) == (4, 6)
    assert throughput["NumberOfDecreasesToday"] == 1 and "LastIncreaseDateTime" in throughput
    assert shown["WarmThroughput"] == warm(5, 6)


@pytest.mark.core
def test_billing_changes_with_the_capacity_of_indexes(db, client, on_demand, refused):
    before = describe(client)
    assert before["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert before["WarmThroughput"] == before["GlobalSecondaryIndexes"][0]["WarmThroughput"] == ON_DEMAND
    refused.invalid(
        client.update_table,
        INVALID + "ProvisionedThroughput must be specified for index: by_group",
        TableName="orders",
        BillingMode="PROVISIONED",
        ProvisionedThroughput=units(1, 1),
    )
    change = {"Update": {"IndexName": "by_group", "ProvisionedThroughput": units(2, 2)}}
    update(client, BillingMode="PROVISIONED", ProvisionedThroughput=units(1, 1), GlobalSecondaryIndexUpdates=[change])
    shown = describe(client)
    assert shown["BillingModeSummary"]["BillingMode"] == "PROVISIONED"
    assert "LastUpdateToPayPerRequestDateTime" in shown["BillingModeSummary"]
    assert shown["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 2
    # As warm as it was on demand.
    assert shown["WarmThroughput"] == shown["GlobalSecondaryIndexes"][0]["WarmThroughput"] == ON_DEMAND
    update(client, BillingMode="PAY_PER_REQUEST")
    shown = describe(client)
    assert shown["ProvisionedThroughput"] == {"NumberOfDecreasesToday": 0, **units(0, 0)}
    assert shown["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    assert update(client, BillingMode="PAY_PER_REQUEST")["TableStatus"] == "UPDATING"


@pytest.mark.core
def test_limits_on_demand_merge_and_are_removed(db, client, on_demand):
    assert "OnDemandThroughput" not in describe(client)
    answer = update(client, OnDemandThroughput={"MaxReadRequestUnits": 1000, "MaxWriteRequestUnits": 500})
    assert (answer["TableStatus"], answer["OnDemandThroughput"]["MaxReadRequestUnits"]) == ("ACTIVE", 1000)
    update(client, OnDemandThroughput={"MaxReadRequestUnits": 2000})
    assert describe(client)["OnDemandThroughput"] == {"MaxReadRequestUnits": 2000, "MaxWriteRequestUnits": 500}
    update(client, OnDemandThroughput={"MaxReadRequestUnits": -1})
    assert describe(client)["OnDemandThroughput"] == {"MaxWriteRequestUnits": 500}
    update(client, OnDemandThroughput={"MaxWriteRequestUnits": -1})
    assert "OnDemandThroughput" not in describe(client)
    limit = {"Update": {"IndexName": "by_group", "OnDemandThroughput": {"MaxWriteRequestUnits": 7}}}
    update(client, GlobalSecondaryIndexUpdates=[limit])
    assert describe(client)["GlobalSecondaryIndexes"][0]["OnDemandThroughput"] == {"MaxWriteRequestUnits": 7}


def test_a_table_is_made_with_its_settings(db, client):
    answer = client.create_table(
        TableName="orders",
        KeySchema=key_schema("pk"),
        AttributeDefinitions=attributes(pk="S", grp="S"),
        BillingMode="PAY_PER_REQUEST",
        OnDemandThroughput={"MaxReadRequestUnits": 100},
        WarmThroughput={"ReadUnitsPerSecond": 12001},
        TableClass="STANDARD_INFREQUENT_ACCESS",
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": "some-key"},
        GlobalSecondaryIndexes=[
            {
                **index("by_group", "grp"),
                "OnDemandThroughput": {"MaxWriteRequestUnits": 3},
                "WarmThroughput": {"WriteUnitsPerSecond": 4001},
            }
        ],
    )["TableDescription"]
    assert answer["WarmThroughput"] == warm(12001, 4000, "UPDATING")
    assert answer["SSEDescription"]["Status"] == "ENABLING"
    shown = describe(client)
    assert shown["OnDemandThroughput"] == {"MaxReadRequestUnits": 100}
    assert shown["WarmThroughput"] == warm(12001, 4000)
    assert shown["TableClassSummary"] == {"TableClass": "STANDARD_INFREQUENT_ACCESS"}
    assert shown["SSEDescription"] == {
        "Status": "ENABLED",
        "SSEType": "KMS",
        "KMSMasterKeyArn": "arn:aws:kms:eu-west-1:000000000000:key/some-key",
    }
    (made,) = shown["GlobalSecondaryIndexes"]
    assert (made["OnDemandThroughput"], made["WarmThroughput"]) == ({"MaxWriteRequestUnits": 3}, warm(12000, 4001))


def test_what_is_warm_is_raised_and_never_lowered(db, client, on_demand, refused):
    answer = update(client, WarmThroughput={"ReadUnitsPerSecond": 13000})
    assert (answer["TableStatus"], answer["WarmThroughput"]["Status"]) == ("ACTIVE", "UPDATING")
    assert describe(client)["WarmThroughput"] == warm(13000, 4000)
    update(client, WarmThroughput={"ReadUnitsPerSecond": 13000, "WriteUnitsPerSecond": 5000})
    assert describe(client)["WarmThroughput"] == warm(13000, 5000)
    lower = "is lower than current WarmThroughput, decreasing WarmThroughput is not supported"
    refused.invalid(
        client.update_table,
        INVALID + "Requested ReadUnitsPerSecond for WarmThroughput for table " + lower,
        TableName="orders",
        WarmThroughput={"ReadUnitsPerSecond": 12999},
    )
    raised = {"Update": {"IndexName": "by_group", "WarmThroughput": {"WriteUnitsPerSecond": 4500}}}
    update(client, GlobalSecondaryIndexUpdates=[raised])
    assert describe(client)["GlobalSecondaryIndexes"][0]["WarmThroughput"] == warm(12000, 4500)


@pytest.mark.core
def test_the_class_changes_twice_in_thirty_days(db, client, table, refused):
    db.clock.freeze()
    update(client, TableClass="STANDARD")
    assert "TableClassSummary" not in describe(client)
    update(client, TableClass="STANDARD_INFREQUENT_ACCESS")
    shown = describe(client)["TableClassSummary"]
    assert shown["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert abs((shown["LastUpdateDateTime"] - db.clock.now()).total_seconds()) < 0.01
    update(client, TableClass="STANDARD")
    assert describe(client)["TableClassSummary"]["TableClass"] == "STANDARD"
    refused(
        client.update_table,
        "LimitExceededException",
        "Subscriber limit exceeded: Updates to TableClass are limited to 2 times in 30 day(s).",
        TableName=table,
        TableClass="STANDARD_INFREQUENT_ACCESS",
    )
    db.clock.advance(days=30)
    update(client, TableClass="STANDARD_INFREQUENT_ACCESS")


@pytest.mark.core
def test_encryption_is_switched_on_changed_and_off(db, client, table, refused):
    assert "SSEDescription" not in describe(client)
    answer = update(client, SSESpecification={"Enabled": True})
    assert (answer["TableStatus"], answer["SSEDescription"]["Status"]) == ("ACTIVE", "UPDATING")
    managed = describe(client)["SSEDescription"]
    assert (managed["Status"], managed["SSEType"]) == ("ENABLED", "KMS")
    key = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": managed["KMSMasterKeyArn"]}
    refused.invalid(
        client.update_table,
        INVALID + "Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if you want to change "
        "Master Key",
        TableName=table,
        SSESpecification=key,
    )
    update(client, SSESpecification={**key, "KMSMasterKeyId": "alias/mine"})
    assert describe(client)["SSEDescription"]["KMSMasterKeyArn"] != managed["KMSMasterKeyArn"]
    update(client, SSESpecification={"Enabled": False})
    assert "SSEDescription" not in describe(client)
    refused.invalid(
        client.update_table,
        INVALID + "Table is already encrypted by default",
        TableName=table,
        SSESpecification={"Enabled": False},
    )


ONE_KEY = {"KeySchema": key_schema("pk"), "AttributeDefinitions": attributes(pk="S")}
PAY = {**ONE_KEY, "BillingMode": "PAY_PER_REQUEST"}
INITIAL = (
    "is lower than initial throughput for OnDemand. See: "
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html#on-demand-capacity-mode-initial"
)


@pytest.mark.parametrize(
    ("code", "message", "parameters"),
    [
        (
            "ValidationException",
            INVALID + "MaxReadRequestUnits for OnDemandThroughput cannot be specified when table BillingMode is PROVISIONED.",
            {**ONE_KEY, "ProvisionedThroughput": units(1, 1), "OnDemandThroughput": {"MaxReadRequestUnits": 1}},
        ),
        (
            "ValidationException",
            INVALID + "Requested MaxWriteRequestUnits for OnDemandThroughput for table is outside of valid range",
            {**PAY, "OnDemandThroughput": {"MaxWriteRequestUnits": -1}},
        ),
        (
            "ValidationException",
            INVALID + "Requested ReadUnitsPerSecond for WarmThroughput for table " + INITIAL,
            {**PAY, "WarmThroughput": {"ReadUnitsPerSecond": 1}},
        ),
        (
            "LimitExceededException",
            "Subscriber limit exceeded: Requested ReadUnitsPerSecond for WarmThroughput for table exceeds "
            "TableMaxReadCapacityUnits of the account in region eu-west-1",
            {**PAY, "WarmThroughput": {"ReadUnitsPerSecond": 40001}},
        ),
        (
            "LimitExceededException",
            "The requested ReadCapacityUnits, 40001, is above the per table maximum for the account in eu-west-1. Per table "
            "maximum: 40000. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
            {**ONE_KEY, "ProvisionedThroughput": units(40001, 1)},
        ),
        (
            "ValidationException",
            INVALID + "SSEType KMS is required if KMSMasterKeyId is specified",
            {**PAY, "SSESpecification": {"Enabled": True, "KMSMasterKeyId": "k"}},
        ),
        (
            "ValidationException",
            INVALID + "SSEType AES256 is not supported",
            {**PAY, "SSESpecification": {"Enabled": True, "SSEType": "AES256"}},
        ),
        (
            "ValidationException",
            "1 validation error detected: Value 'AES' at 'sSESpecification.sSEType' failed to satisfy constraint: Member must "
            "satisfy enum value set: [AES256, KMS]",
            {**PAY, "SSESpecification": {"SSEType": "AES"}},
        ),
    ],
)
def test_settings_that_cannot_be_make_no_table(db, client, refused, code, message, parameters):
    refused(client.create_table, code, message, TableName="orders", **parameters)


def test_two_changes_that_must_be_alone_are_none(client, table, refused):
    refused.invalid(
        client.update_table,
        INVALID + "TableClass modification must be the only operation in the request",
        TableName=table,
        TableClass="STANDARD",
        DeletionProtectionEnabled=True,
    )
    refused.invalid(
        client.update_table,
        INVALID + "DeletionProtection modification must be the only operation in the request",
        TableName="nowhere",
        BillingMode="PAY_PER_REQUEST",
        DeletionProtectionEnabled=True,
    )


def test_limits_are_told(db, client):
    answer = client.describe_limits()
    answer.pop("ResponseMetadata")
    assert answer == {
        "AccountMaxReadCapacityUnits": 80000,
        "AccountMaxWriteCapacityUnits": 80000,
        "TableMaxReadCapacityUnits": 40000,
        "TableMaxWriteCapacityUnits": 40000,
    }


def test_endpoints_are_those_of_the_region(db, client):
    (endpoint,) = client.describe_endpoints()["Endpoints"]
    assert endpoint == {"Address": "dynamodb.eu-west-1.amazonaws.com", "CachePeriodInMinutes": 1440}


def test_settings_outlive_reopening_and_go_with_the_table(db, client, table):
    update(client, TableClass="STANDARD_INFREQUENT_ACCESS")
    client.delete_table(TableName=table)
    create_table(client)
    assert "TableClassSummary" not in describe(client)
