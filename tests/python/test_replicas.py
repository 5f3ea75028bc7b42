"""Replicas that are described and are not there: UpdateTable's and CreateTable's members, auto scaling, old global tables."""

import pytest
from conftest import create_table
from tables import NEW_AND_OLD, attributes, index, key_schema

pytestmark = pytest.mark.needs_model("UpdateTable.MultiRegionConsistency")

INVALID = "One or more parameter values were invalid: "
HOME = "eu-west-1"
MEMBERS = (
    "Update global table operation failed because one or more replicas were not part of the global table. Please retry the "
    "request without these replicas: [{}]."
)


def describe(client, name="orders"):
    return client.describe_table(TableName=name)["Table"]


def replicas(client, *updates, **more):
    return client.update_table(TableName="orders", ReplicaUpdates=list(updates), **more)["TableDescription"]


def create(region, **more):
    return {"Create": {"RegionName": region, **more}}


def change(region, **more):
    return {"Update": {"RegionName": region, **more}}


def delete(region):
    return {"Delete": {"RegionName": region}}


@pytest.fixture
def group(client, table):
    replicas(client, create("us-east-1"))
    return table


def units(read, write):
    return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


@pytest.fixture
def provisioned(db, client):
    client.create_table(
        TableName="orders",
        KeySchema=key_schema("pk"),
        AttributeDefinitions=attributes(pk="S", grp="S"),
        ProvisionedThroughput=units(5, 5),
        GlobalSecondaryIndexes=[{**index("by_group", "grp"), "ProvisionedThroughput": units(5, 5)}],
    )
    replicas(client, create("us-east-1"))
    return "orders"


@pytest.mark.core
def test_a_replica_is_described_and_taken_away(db, client, table):
    before = describe(client)
    answer = replicas(client, create("us-east-1"))
    # A stream comes with it.
    assert (answer["TableStatus"], answer["StreamSpecification"]) == ("UPDATING", NEW_AND_OLD)
    shown = describe(client)
    warm = {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000, "Status": "ACTIVE"}
    assert shown["GlobalTableVersion"] == "2019.11.21"
    assert shown["GlobalTableSettingsReplicationMode"] == "ENABLED_WITH_OVERRIDES"
    assert shown["DisassociationProtectionEnabled"] is True and "MultiRegionConsistency" not in shown
    assert shown["Replicas"] == [
        {
            "RegionName": "us-east-1",
            "ReplicaStatus": "ACTIVE",
            "WarmThroughput": warm,
            "GlobalTableSettingsReplicationMode": "ENABLED_WITH_OVERRIDES",
        }
    ]
    assert db.client("dynamodb", region_name="us-east-1").list_tables()["TableNames"] == []
    replicas(client, create("us-west-2"))
    assert [each["RegionName"] for each in describe(client)["Replicas"]] == ["us-east-1", "us-west-2"]
    replicas(client, delete("us-east-1"))
    replicas(client, delete("us-west-2"))
    after = describe(client)
    stream = {"StreamSpecification", "LatestStreamArn", "LatestStreamLabel"}
    assert {name: value for name, value in after.items() if name not in stream} == before


def test_replicas_have_some_settings_of_their_own(client, provisioned):
    own = {"ProvisionedThroughputOverride": {"ReadCapacityUnits": 9}}
    replicas(client, change("us-east-1", **own, GlobalSecondaryIndexes=[{"IndexName": "by_group", **own}]))
    (shown,) = describe(client)["Replicas"]
    assert shown["ProvisionedThroughputOverride"] == {"ReadCapacityUnits": 9}
    assert shown["GlobalSecondaryIndexes"][0]["ProvisionedThroughputOverride"] == {"ReadCapacityUnits": 9}
    # What is the table's own is no override.
    replicas(client, change("us-east-1", ProvisionedThroughputOverride={"ReadCapacityUnits": 5}))
    (shown,) = describe(client)["Replicas"]
    assert "ProvisionedThroughputOverride" not in shown
    assert shown["GlobalSecondaryIndexes"][0]["ProvisionedThroughputOverride"] == {"ReadCapacityUnits": 9}
    replicas(client, change("us-east-1", TableClassOverride="STANDARD_INFREQUENT_ACCESS"))
    assert describe(client)["Replicas"][0]["ReplicaTableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"


@pytest.mark.parametrize(
    ("updates", "message"),
    [
        ([create("us-east-1")], "Failed to create a the new replica of table with name: ‘orders’ because one or more replicas already existed as tables."),
        ([create(HOME)], "Cannot add or delete the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable as required."),
        ([delete("ca-central-1")], MEMBERS.format("ca-central-1")),
        ([change("ca-central-1", TableClassOverride="STANDARD")], MEMBERS.format("ca-central-1")),
        ([change("us-east-1")], "There are no actions specified in the Replica Update Action of the request."),
        ([{}], "There are no actions specified in the Replica Update Action of the request."),
        ([{**create("us-west-2"), **delete("us-east-1")}], "Update table operation with more than one type of replica actions not allowed"),
        ([create("us-west-2"), create("us-west-1")], "Update table operation with more than one create or delete replica actions not allowed"),
        ([change("us-east-1", ProvisionedThroughputOverride={"ReadCapacityUnits": 1})], "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"),
        ([create("us-west-2", KMSMasterKeyId="k")], INVALID + "KMSMasterKeyId must be specified for each replica."),
    ],
)  # fmt: skip
def test_replicas_that_cannot_be(client, group, refused, updates, message):
    refused.invalid(client.update_table, message, TableName="orders", ReplicaUpdates=updates)


def test_unknown_regions_are_told_the_known_ones(client, table):
    with pytest.raises(client.exceptions.ClientError) as caught:
        replicas(client, create("us-fake-1"))
    message = caught.value.response["Error"]["Message"]
    assert message.startswith("Region us-fake-1 is not supported. The latest version of global tables are only supported in")


def test_a_table_of_the_name_is_in_the_way(db, client, table, refused):
    create_table(db.client("dynamodb", region_name="us-east-1"))
    refused.invalid(
        client.update_table,
        "Failed to create a the new replica of table with name: ‘orders’ because one or more replicas already existed as "
        "tables.",
        TableName="orders",
        ReplicaUpdates=[create("us-east-1")],
    )


def test_replicas_change_alone_and_hold_stream_and_table(db, client, group, refused):
    refused.invalid(
        client.update_table,
        INVALID + "Replica modification must be the only operation in the request",
        TableName=group,
        ReplicaUpdates=[create("us-west-2")],
        DeletionProtectionEnabled=True,
    )
    refused.invalid(
        client.update_table,
        INVALID + "Disabling Stream is not allowed for a Global Table replica.",
        TableName=group,
        StreamSpecification={"StreamEnabled": False},
    )
    refused.invalid(
        client.delete_table,
        "Replica cannot be deleted because it has acted as a source region for new replica(s) being added to the table in the "
        "last 24 hours.",
        TableName=group,
    )
    db.clock.advance(days=1)
    client.delete_table(TableName=group)


@pytest.mark.core
def test_a_strong_group_is_made_and_dissolved_as_a_whole(db, client, table, refused):
    witness = {"GlobalTableWitnessUpdates": [{"Create": {"RegionName": "us-east-2"}}]}
    strong = {"MultiRegionConsistency": "STRONG"}
    kind = "global tables with MultiRegionConsistency set to STRONG"
    for updates, more, message in [
        ([create("us-east-1")], strong, f"Unsupported replica count for {kind}."),
        ([create("us-west-1")], {**strong, **witness}, f"Unsupported Region(s) specified for {kind}: [us-west-1]."),
        ([create("us-east-2")], {**strong, **witness}, "Cannot target multiple regions with the same action"),
        (
            [create("us-east-1")],
            witness,
            "MultiRegionConsistency must be set as STRONG when GlobalTableWitnessUpdates parameter is present.",
        ),
    ]:
        refused.invalid(client.update_table, message, TableName=table, ReplicaUpdates=updates, **more)
    replicas(client, create("us-east-1"), **strong, **witness)
    shown = describe(client)
    assert shown["MultiRegionConsistency"] == "STRONG"
    assert shown["GlobalTableWitnesses"] == [{"RegionName": "us-east-2", "WitnessStatus": "ACTIVE"}]
    for updates, message in [
        ([create("eu-central-1")], "Cannot add replicas to a global table with strong MultiRegionConsistency"),
        ([delete("us-east-1")], "Update table delete operation does not include all witnesses."),
    ]:
        refused.invalid(client.update_table, message, TableName=table, ReplicaUpdates=updates)
    refused.invalid(client.delete_table, f"Deletion of only one table replica is not supported for {kind}.", TableName=table)
    gone = [{"Delete": {"RegionName": "us-east-2"}}]
    replicas(client, delete("us-east-1"), GlobalTableWitnessUpdates=gone)
    shown = describe(client)
    assert not {"MultiRegionConsistency", "GlobalTableWitnesses", "Replicas", "GlobalTableVersion"} & shown.keys()


def test_a_replica_leaves_its_group_once_it_may(client, group, refused):
    leave = {"Disassociate": {"RegionName": HOME, "DisassociationMode": "WAIT_FOR_REPLICATION"}}
    refused.invalid(
        client.update_table,
        INVALID + "Replica cannot be disassociated as it is currently protected against disassociation. Disable disassociation "
        "protection first.",
        TableName=group,
        ReplicaUpdates=[leave],
    )
    client.update_table(TableName=group, DisassociationProtectionEnabled=False)
    assert describe(client)["DisassociationProtectionEnabled"] is False
    replicas(client, leave)
    assert "Replicas" not in describe(client) and "DisassociationProtectionEnabled" not in describe(client)


def test_a_table_is_made_like_one_of_another_region(db, client, table, refused):
    source = describe(client)["TableArn"]
    there = db.client("dynamodb", region_name="us-east-1")
    given = {"TableName": "orders", "GlobalTableSourceArn": source, "GlobalTableSettingsReplicationMode": "ENABLED"}
    refused.invalid(
        there.create_table, INVALID + "GlobalTableSettingsReplicationMode of the source table must be ENABLED", **given
    )
    client.update_table(TableName=table, GlobalTableSettingsReplicationMode="ENABLED")
    assert describe(client)["GlobalTableSettingsReplicationMode"] == "ENABLED"
    refused.invalid(
        there.create_table,
        INVALID + "BillingMode cannot be specified when GlobalTableSourceArn is specified",
        **given,
        BillingMode="PAY_PER_REQUEST",
    )
    there.create_table(**given)
    made = describe(there)
    assert made["KeySchema"] == key_schema("pk") and made["StreamSpecification"] == NEW_AND_OLD
    assert (made["Replicas"][0]["RegionName"], made["Replicas"][0]["ReplicaArn"]) == (HOME, source)
    refused.invalid(
        client.update_table,
        "Value 'ENABLED_WITH_OVERRIDES' at 'GlobalTableSettingsReplicationMode' failed to satisfy constraint: Only ENABLED and "
        "DISABLED settings replication are supported for a Regional Table.",
        TableName=table,
        GlobalTableSettingsReplicationMode="ENABLED_WITH_OVERRIDES",
    )


OFF = {"AutoScalingDisabled": True, "ScalingPolicies": []}


def settings(target=70.0, **more):
    policy = {"TargetTrackingScalingPolicyConfiguration": {"TargetValue": target}}
    return {"MinimumUnits": 1, "MaximumUnits": 10, "ScalingPolicyUpdate": {**policy, **more}}


def scaling(client):
    answer = client.describe_table_replica_auto_scaling(TableName="orders")["TableAutoScalingDescription"]
    assert (answer["TableName"], answer["TableStatus"]) == ("orders", "ACTIVE")
    return {each["RegionName"]: each for each in answer["Replicas"]}


READ, WRITE = (f"ReplicaProvisioned{kind}CapacityAutoScalingSettings" for kind in ("Read", "Write"))


@pytest.mark.core
def test_auto_scaling_is_kept_and_described(client, provisioned):
    shown = scaling(client)
    assert list(shown) == [HOME, "us-east-1"]
    assert shown[HOME][READ] == shown[HOME][WRITE] == shown["us-east-1"][READ] == OFF
    client.update_table_replica_auto_scaling(
        TableName="orders",
        ProvisionedWriteCapacityAutoScalingUpdate=settings(),
        GlobalSecondaryIndexUpdates=[
            {"IndexName": "by_group", "ProvisionedWriteCapacityAutoScalingUpdate": settings(50.5)}
        ],
        ReplicaUpdates=[
            {"RegionName": "us-east-1", "ReplicaProvisionedReadCapacityAutoScalingUpdate": settings(PolicyName="mine")}
        ],
    )
    shown = scaling(client)
    for region in shown:
        assert (shown[region][WRITE]["MinimumUnits"], shown[region][WRITE]["MaximumUnits"]) == (1, 10)
        assert shown[region][WRITE]["ScalingPolicies"] == [
            {
                "PolicyName": "DynamoDBWriteCapacityUtilization:table/orders",
                "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 70.0},
            }
        ]
        (of_index,) = shown[region]["GlobalSecondaryIndexes"]
        policy = of_index["ProvisionedWriteCapacityAutoScalingSettings"]["ScalingPolicies"][0]
        assert policy["TargetTrackingScalingPolicyConfiguration"] == {"TargetValue": 50.5}
    assert shown[HOME][READ] == OFF
    assert shown["us-east-1"][READ]["ScalingPolicies"][0]["PolicyName"] == "mine"
    client.update_table_replica_auto_scaling(
        TableName="orders", ProvisionedWriteCapacityAutoScalingUpdate={"AutoScalingDisabled": True}
    )
    assert scaling(client)[HOME][WRITE] == OFF
    assert scaling(client)["us-east-1"][READ]["MaximumUnits"] == 10


FAILED = "Failed to update settings for global table with name: ‘orders’"


@pytest.mark.parametrize(
    ("code", "message", "update"),
    [
        ("ValidationException", FAILED + " because at least one update parameter must be specified.", {}),
        (
            "ValidationException",
            FAILED + ": Parameters 'ScalingPolicyUpdate' are required unless auto scaling is being disabled.",
            {"ProvisionedWriteCapacityAutoScalingUpdate": {"MinimumUnits": 1, "MaximumUnits": 2}},
        ),
        (
            "ValidationException",
            FAILED + ": Parameters 'MinimumUnits' must be left blank when disabling auto scaling.",
            {"ProvisionedWriteCapacityAutoScalingUpdate": {"MinimumUnits": 1, "AutoScalingDisabled": True}},
        ),
        (
            "ValidationException",
            "For predefined metric type DynamoDBWriteCapacityUtilization, target value must be between '10.0' and '90.0', but was "
            "'90.1'.",
            {"ProvisionedWriteCapacityAutoScalingUpdate": settings(90.1)},
        ),
        (
            "ResourceNotFoundException",
            FAILED + " because a replica does not exist in regions: ‘[us-west-2]’.",
            {"ReplicaUpdates": [{"RegionName": "us-west-2", "ReplicaProvisionedReadCapacityAutoScalingUpdate": settings()}]},
        ),
        (
            "ResourceNotFoundException",
            FAILED + " because the global secondary indexes with names: ‘[nope]’ do not exist.",
            {
                "GlobalSecondaryIndexUpdates": [
                    {"IndexName": "nope", "ProvisionedWriteCapacityAutoScalingUpdate": settings()}
                ]
            },
        ),
    ],
)
def test_auto_scaling_that_cannot_be(client, provisioned, refused, code, message, update):
    refused(client.update_table_replica_auto_scaling, code, message, TableName="orders", **update)
    assert scaling(client)[HOME][WRITE] == OFF


def test_only_groups_scale(client, table, refused):
    for name in ("orders", "nowhere"):
        missing = f"Global table with name: '{name}' does not exist."
        refused(client.describe_table_replica_auto_scaling, "ResourceNotFoundException", missing, TableName=name)
        refused(
            client.update_table_replica_auto_scaling,
            "ResourceNotFoundException",
            missing,
            TableName=name,
            ProvisionedWriteCapacityAutoScalingUpdate=settings(),
        )


@pytest.fixture
def three(db, client):
    """Tables `orders` that can be replicas, in three regions."""
    clients = [client, *(db.client("dynamodb", region_name=region) for region in ("us-east-1", "us-west-2"))]
    for each in clients:
        create_table(each, StreamSpecification=NEW_AND_OLD)
    return clients


def regions(*names):
    return [{"RegionName": name} for name in names]


@pytest.mark.core
def test_an_old_global_table_is_made_and_changed(client, three, refused):
    group = {"GlobalTableName": "orders", "ReplicationGroup": regions(HOME, "us-east-1")}
    made = client.create_global_table(**group)["GlobalTableDescription"]
    assert made["GlobalTableStatus"] == "CREATING"
    assert made["GlobalTableArn"] == "arn:aws:dynamodb::000000000000:global-table/orders"
    refused(
        client.create_global_table,
        "GlobalTableAlreadyExistsException",
        "Global table with name: 'orders' already exists.",
        **group,
    )
    client.update_global_table(GlobalTableName="orders", ReplicaUpdates=[create("us-west-2"), delete("us-east-1")])
    shown = client.describe_global_table(GlobalTableName="orders")["GlobalTableDescription"]
    assert shown["GlobalTableStatus"] == "ACTIVE"
    assert shown["ReplicationGroup"] == [
        {"RegionName": name, "ReplicaStatus": "ACTIVE"} for name in (HOME, "us-west-2")
    ]
    listed = [{"GlobalTableName": "orders", "ReplicationGroup": regions(HOME, "us-west-2")}]
    assert client.list_global_tables()["GlobalTables"] == listed
    assert client.list_global_tables(RegionName="us-west-2", Limit=1)["GlobalTables"] == listed
    assert client.list_global_tables(RegionName="us-east-1")["GlobalTables"] == []
    for code, message, update in [
        ("ReplicaAlreadyExistsException", "Replica in region: 'us-west-2' of global table with name: 'orders' already exists.", create("us-west-2")),
        ("ReplicaNotFoundException", "Replica in region: 'us-east-1' of global table with name: 'orders' does not exist.", delete("us-east-1")),
    ]:  # fmt: skip
        refused(client.update_global_table, code, message, GlobalTableName="orders", ReplicaUpdates=[update])


def test_old_global_tables_need_their_tables(client, three, refused):
    make = client.create_global_table
    refused(
        make,
        "TableNotFoundException",
        "Table not found: Table with name: 'orders' does not exist in region: 'eu-central-1'",
        GlobalTableName="orders",
        ReplicationGroup=regions(HOME, "eu-central-1"),
    )
    three[1].put_item(TableName="orders", Item={"pk": {"S": "a"}})
    refused.invalid(
        make,
        INVALID + "Table with name: 'orders' in region: 'us-east-1' must be empty to be part of a global table",
        GlobalTableName="orders",
        ReplicationGroup=regions(HOME, "us-east-1"),
    )
    three[1].delete_item(TableName="orders", Key={"pk": {"S": "a"}})
    create_table(client, "plain")
    refused.invalid(
        make,
        INVALID + "Table with name: 'plain' in region: 'eu-west-1' must have a stream of NEW_AND_OLD_IMAGES to be part of a "
        "global table",
        GlobalTableName="plain",
        ReplicationGroup=regions(HOME),
    )
    missing = "Global table with name: 'orders' does not exist."
    refused(
        client.describe_global_table, "GlobalTableNotFoundException", "Global table not found: " + missing, GlobalTableName="orders"
    )
    for call, more in [
        (client.describe_global_table_settings, {}),
        (client.update_global_table_settings, {"GlobalTableBillingMode": "PAY_PER_REQUEST"}),
        (client.update_global_table, {"ReplicaUpdates": [delete("us-east-1")]}),
    ]:
        refused(call, "GlobalTableNotFoundException", missing, GlobalTableName="orders", **more)


@pytest.mark.core
def test_settings_of_old_global_tables_are_those_of_their_tables(client, three, refused):
    client.create_global_table(GlobalTableName="orders", ReplicationGroup=regions(HOME, "us-east-1"))
    change_settings = client.update_global_table_settings
    change_settings(
        GlobalTableName="orders",
        GlobalTableBillingMode="PROVISIONED",
        GlobalTableProvisionedWriteCapacityUnits=7,
        GlobalTableProvisionedWriteCapacityAutoScalingSettingsUpdate=settings(),
        ReplicaSettingsUpdate=[
            {"RegionName": HOME, "ReplicaProvisionedReadCapacityUnits": 3},
            {"RegionName": "us-east-1", "ReplicaProvisionedReadCapacityUnits": 4},
        ],
    )
    shown = client.describe_global_table_settings(GlobalTableName="orders")["ReplicaSettings"]
    read = "ReplicaProvisionedReadCapacityUnits"
    assert [(each["RegionName"], each["ReplicaStatus"], each[read]) for each in shown] == [
        (HOME, "ACTIVE", 3),
        ("us-east-1", "ACTIVE", 4),
    ]
    assert [each["ReplicaProvisionedWriteCapacityUnits"] for each in shown] == [7, 7]
    assert [each[WRITE]["MaximumUnits"] for each in shown] == [10, 10]
    assert describe(three[1])["ProvisionedThroughput"]["ReadCapacityUnits"] == 4
    assert describe(three[2])["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    refused(
        change_settings,
        "ReplicaNotFoundException",
        "Replica in region: 'us-west-2' of global table with name: 'orders' does not exist.",
        GlobalTableName="orders",
        ReplicaSettingsUpdate=[{"RegionName": "us-west-2", read: 3}],
    )
    refused(
        change_settings,
        "IndexNotFoundException",
        "Index with name: 'nope' of global table with name: 'orders' does not exist in region: 'eu-west-1'.",
        GlobalTableName="orders",
        GlobalTableGlobalSecondaryIndexSettingsUpdate=[{"IndexName": "nope", "ProvisionedWriteCapacityUnits": 3}],
    )
