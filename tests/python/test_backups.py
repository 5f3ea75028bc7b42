"""Backups and restores through boto3's own client: made, described, listed and deleted, and tables that come back.

Errors and their order are AWS's as the notes published as ack-api-quirks measured them (findings DDB-BACKUP-001 to 028 and
DDB-TABLE-083 to 100 and 215 to 282, October 2026).
"""

import datetime
import re

import pytest
import records
from conftest import create_table
from tables import KEYS_ONLY, NEW_AND_OLD, N, S, by_key, create_indexed, fill, index, item, scan_all

pytestmark = pytest.mark.needs_model(
    "CreateBackup.BackupName",
    "RestoreTableFromBackup.OnDemandThroughputOverride",
    "RestoreTableToPointInTime.SourceTableArn",
    "UpdateContinuousBackups.PointInTimeRecoverySpecification.RecoveryPeriodInDays",
)

ARN = "arn:aws:dynamodb:eu-west-1:000000000000:table/orders"
REQUEST = "Invalid Request: "


def near(one, other):
    return abs((one - other).total_seconds()) < 0.01


def whole(moment):
    return moment.replace(microsecond=0)


def put(client, pk, note="", table="orders"):
    client.put_item(TableName=table, Item={"pk": S(pk), "note": S(note)})


def notes(client, table="orders"):
    return {each["pk"]["S"]: each["note"]["S"] for each in scan_all(client, table)}


def backup(client, table="orders", name="nightly"):
    return client.create_backup(TableName=table, BackupName=name)["BackupDetails"]


def describe_backup(client, arn):
    return client.describe_backup(BackupArn=arn)["BackupDescription"]


def listed(client, **more):
    return [each["BackupArn"] for each in client.list_backups(**more)["BackupSummaries"]]


def describe(client, name):
    return client.describe_table(TableName=name)["Table"]


def restore(client, arn, name="restored", **more):
    return client.restore_table_from_backup(TargetTableName=name, BackupArn=arn, **more)["TableDescription"]


def set_recovery(client, enabled=True, table="orders", **more):
    specification = {"PointInTimeRecoveryEnabled": enabled, **more}
    client.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=specification)


def restore_at(client, at=None, name="restored", source="orders", **more):
    when = {"UseLatestRestorableTime": True} if at is None else {"RestoreDateTime": at}
    answer = client.restore_table_to_point_in_time(SourceTableName=source, TargetTableName=name, **when, **more)
    return answer["TableDescription"]


@pytest.mark.core
def test_a_backup_brings_back_what_there_was(db, client, table):
    db.clock.freeze()
    put(client, "a", "first")
    put(client, "b", "large " * 20_000)
    before = notes(client)
    made = backup(client)
    assert re.fullmatch(re.escape(ARN) + r"/backup/\d{14}-[0-9a-f]{8}", made["BackupArn"])
    assert (made["BackupName"], made["BackupStatus"], made["BackupType"]) == ("nightly", "CREATING", "USER")
    assert near(made["BackupCreationDateTime"], db.clock.now()) and "BackupExpiryDateTime" not in made
    put(client, "a", "second")
    client.delete_item(TableName=table, Key={"pk": S("b")})
    described = describe_backup(client, made["BackupArn"])
    assert described["BackupDetails"] == {**made, "BackupStatus": "AVAILABLE"}
    db.clock.advance(days=100)
    creating = restore(client, made["BackupArn"])
    assert creating["TableStatus"] == "CREATING"
    summary = creating["RestoreSummary"]
    assert (summary["SourceBackupArn"], summary["SourceTableArn"]) == (made["BackupArn"], ARN)
    assert summary["RestoreInProgress"] and near(summary["RestoreDateTime"], made["BackupCreationDateTime"])
    restored = describe(client, "restored")
    assert restored["TableStatus"] == "ACTIVE" and "RestoreSummary" not in restored
    assert restored["ItemCount"] == 2 and restored["TableSizeBytes"] == made["BackupSizeBytes"]
    assert notes(client, "restored") == before
    assert notes(client) == {"a": "second"}
    put(client, "c", table="restored")
    assert len(notes(client, "restored")) == 3


@pytest.mark.core
def test_what_a_backup_tells_of_its_table(db, client):
    create_indexed(client, StreamSpecification=NEW_AND_OLD, SSESpecification={"Enabled": True})
    client.update_time_to_live(
        TableName="indexed", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    fill(client, "indexed", [item("p", at, amount=N(at), grp=S("g"), rank=N(at)) for at in range(5)])
    table = describe(client, "indexed")
    arn = backup(client, "indexed")["BackupArn"]
    client.delete_table(TableName="indexed")
    described = describe_backup(client, arn)
    source = described["SourceTableDetails"]
    assert source == {
        "TableName": "indexed",
        "TableId": table["TableId"],
        "TableArn": table["TableArn"],
        "TableSizeBytes": table["TableSizeBytes"],
        "KeySchema": table["KeySchema"],
        "TableCreationDateTime": table["CreationDateTime"],
        "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
        "ItemCount": 5,
        "BillingMode": "PAY_PER_REQUEST",
    }
    features = described["SourceTableFeatureDetails"]
    assert features["StreamDescription"] == NEW_AND_OLD
    assert features["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    assert features["SSEDescription"] == table["SSEDescription"]
    assert [each["IndexName"] for each in features["LocalSecondaryIndexes"]] == ["by_amount", "by_amount_keys"]
    first = features["GlobalSecondaryIndexes"][0]
    assert first == {
        **index("by_group", "grp", "rank"),
        "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
    }
    create_table(client)
    plain = describe_backup(client, backup(client)["BackupArn"])
    assert plain["SourceTableFeatureDetails"] == {}


def test_backups_are_listed_by_name_time_and_type_page_by_page(db, client, table, refused):
    db.clock.freeze()
    create_table(client, "others")
    made = []
    for name in ("same", "same", "other"):
        made.append(backup(client, name=name)["BackupArn"])
        db.clock.advance(minutes=1)
    made.append(backup(client, "others")["BackupArn"])
    assert len(set(made)) == 4
    assert listed(client) == made
    assert listed(client, TableName=table) == listed(client, TableName=ARN) == made[:3]
    assert listed(client, TableName="nowhere") == []
    times = [describe_backup(client, arn)["BackupDetails"]["BackupCreationDateTime"] for arn in made]
    assert listed(client, TimeRangeLowerBound=times[1]) == made[1:]
    assert listed(client, TimeRangeUpperBound=times[1]) == made[:1]
    assert listed(client, TimeRangeLowerBound=times[1], TimeRangeUpperBound=times[2]) == made[1:2]
    assert listed(client, BackupType="USER") == listed(client, BackupType="ALL") == made
    assert listed(client, BackupType="SYSTEM") == listed(client, BackupType="AWS_BACKUP") == []
    page = client.list_backups(Limit=3)
    assert [each["BackupArn"] for each in page["BackupSummaries"]] == made[:3]
    assert page["LastEvaluatedBackupArn"] == made[2]
    assert listed(client, ExclusiveStartBackupArn=made[2]) == made[3:]
    assert "LastEvaluatedBackupArn" not in client.list_backups(Limit=4)
    # A place, whether there is a backup or not.
    client.delete_backup(BackupArn=made[1])
    assert listed(client, ExclusiveStartBackupArn=made[1]) == made[2:]
    summary = client.list_backups(Limit=1)["BackupSummaries"][0]
    table_id = describe(client, table)["TableId"]
    assert (summary["TableName"], summary["TableArn"], summary["TableId"]) == (table, ARN, table_id)
    assert (summary["BackupName"], summary["BackupStatus"], summary["BackupSizeBytes"]) == ("same", "AVAILABLE", 0)
    refused.invalid(
        client.list_backups,
        "One or more parameter values were invalid: Time range lower bound must be less than or equal to upper bound",
        TimeRangeLowerBound=times[1],
        TimeRangeUpperBound=times[0],
    )
    refused.invalid(
        client.list_backups,
        REQUEST + "The supplied ExclusiveStartBackupArn does not match the region",
        ExclusiveStartBackupArn=made[0].replace("eu-west-1", "us-east-1"),
    )
    refused.invalid(
        client.list_backups,
        "1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: Member must have value less than "
        "or equal to 100",
        Limit=101,
    )
    refused.invalid(client.list_backups, re.compile("enum value set"), BackupType="user")


def test_a_backup_outlives_its_table_and_belongs_to_one_of_its_name(db, client, table):
    put(client, "a", "of the first")
    first = backup(client)
    # Backups are listed by their times.
    db.clock.advance(seconds=1)
    client.delete_table(TableName=table)
    create_table(client)
    put(client, "b", "of the second")
    second = backup(client)
    assert listed(client, TableName=table) == [first["BackupArn"], second["BackupArn"]]
    ids = {describe_backup(client, each["BackupArn"])["SourceTableDetails"]["TableId"] for each in (first, second)}
    assert len(ids) == 2
    restore(client, first["BackupArn"])
    assert notes(client, "restored") == {"a": "of the first"}
    # A table that was restored is no different from others.
    again = backup(client, "restored")
    client.delete_table(TableName="restored")
    restore(client, again["BackupArn"])
    assert notes(client, "restored") == {"a": "of the first"}


@pytest.mark.core
def test_a_deleted_backup_is_gone(db, client, table, refused):
    made = backup(client)
    arn = made["BackupArn"]
    deleted = client.delete_backup(BackupArn=arn)["BackupDescription"]
    assert deleted["BackupDetails"] == {**made, "BackupStatus": "DELETED"}
    assert deleted["SourceTableDetails"]["TableName"] == table
    assert listed(client) == []
    missing = f"Backup not found: {arn}"
    for call in (client.describe_backup, client.delete_backup):
        refused(call, "BackupNotFoundException", missing, BackupArn=arn)
    refused(
        client.restore_table_from_backup, "BackupNotFoundException", missing, TargetTableName="restored", BackupArn=arn
    )


def test_a_backup_is_named_by_its_arn(db, client, table, refused):
    arn = backup(client)["BackupArn"]
    elsewhere = arn.replace("eu-west-1", "us-west-2")
    # The region of the ARN is not asked, but told.
    assert describe_backup(client, elsewhere)["BackupDetails"]["BackupArn"] == elsewhere
    calls = [
        (client.describe_backup, {}),
        (client.delete_backup, {}),
        (client.restore_table_from_backup, {"TargetTableName": "restored"}),
    ]
    for call, more in calls:
        for bad, code, message in (
            (ARN, "ValidationException", "Invalid Backup ARN"),
            ("x" * 48, "ValidationException", "Invalid Backup ARN"),
            (arn.replace("eu-west-1", "xx-fake-1"), "ValidationException", REQUEST + "BackupArn is not valid"),
            (arn.replace("arn:aws:", "arn:aws-cn:"), "ValidationException", REQUEST + "BackupArn is not valid"),
            (arn.replace("000000000000", "123456789012"), "AccessDeniedException", "Access is denied"),
            (arn[:-8] + "00000001", "BackupNotFoundException", f"Backup not found: {arn[:-8]}00000001"),
        ):
            refused(call, code, message, BackupArn=bad, **more)
    refused.invalid(
        client.restore_table_from_backup,
        REQUEST + "sseSpecificationOverride must be provided for cross-region restores",
        TargetTableName="restored",
        BackupArn=elsewhere,
    )
    client.delete_backup(BackupArn=elsewhere)
    assert listed(client) == []


def test_what_cannot_be_backed_up(db, client, table, refused):
    refused(
        client.create_backup, "TableNotFoundException", "Table not found: nowhere", TableName="nowhere", BackupName="one"
    )
    refused.invalid(
        client.create_backup,
        "1 validation error detected: Value 'not a name' at 'backupName' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: [a-zA-Z0-9_.-]+",
        TableName=table,
        BackupName="not a name",
    )
    assert listed(client) == []


def test_a_name_that_is_taken_is_refused(db, client, table, refused):
    arn = backup(client)["BackupArn"]
    taken = "Table already exists: orders"
    refused(
        client.restore_table_from_backup, "TableAlreadyExistsException", taken, TargetTableName=table, BackupArn=arn
    )
    set_recovery(client)
    refused(
        client.restore_table_to_point_in_time,
        "TableAlreadyExistsException",
        taken,
        SourceTableName=table,
        TargetTableName=table,
        UseLatestRestorableTime=True,
    )
    refused.invalid(
        client.restore_table_from_backup, re.compile("'targetTableName'"), TargetTableName="bad name!", BackupArn=arn
    )


@pytest.mark.parametrize("way", ["backup", "time"])
def test_what_is_restored_of_a_table_and_what_is_not(db, client, streams, way):
    client.create_table(
        TableName="full",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
            {"AttributeName": "grp", "AttributeType": "S"},
            {"AttributeName": "amount", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
        OnDemandThroughput={"MaxReadRequestUnits": 100, "MaxWriteRequestUnits": 50},
        GlobalSecondaryIndexes=[index("by_group", "grp")],
        LocalSecondaryIndexes=[index("by_amount", "pk", "amount", projection=KEYS_ONLY)],
        StreamSpecification=NEW_AND_OLD,
        SSESpecification={"Enabled": True},
        TableClass="STANDARD_INFREQUENT_ACCESS",
        DeletionProtectionEnabled=True,
        Tags=[{"Key": "team", "Value": "one"}],
    )
    client.update_time_to_live(TableName="full", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})
    fill(client, "full", [item("p", at, amount=N(-at), grp=S("g")) for at in range(10)])
    set_recovery(client, table="full")
    db.clock.advance(minutes=10)
    if way == "backup":
        restore(client, backup(client, "full")["BackupArn"])
    else:
        restore_at(client, source="full")
    source, made = describe(client, "full"), describe(client, "restored")
    for same in ("AttributeDefinitions", "KeySchema", "ItemCount", "OnDemandThroughput", "SSEDescription"):
        assert made[same] == source[same]
    assert made["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert [each["IndexName"] for each in made["LocalSecondaryIndexes"]] == ["by_amount"]
    assert [each["IndexName"] for each in made["GlobalSecondaryIndexes"]] == ["by_group"]
    for gone in ("StreamSpecification", "LatestStreamArn", "TableClassSummary", "RestoreSummary"):
        assert gone not in made
    assert not made["DeletionProtectionEnabled"] and made["TableId"] != source["TableId"]
    assert streams.list_streams(TableName="restored")["Streams"] == []
    assert client.list_tags_of_resource(ResourceArn=made["TableArn"])["Tags"] == []
    lives = client.describe_time_to_live(TableName="restored")["TimeToLiveDescription"]
    assert lives == {"TimeToLiveStatus": "DISABLED"}
    recovers = client.describe_continuous_backups(TableName="restored")["ContinuousBackupsDescription"]
    assert recovers["PointInTimeRecoveryDescription"] == {"PointInTimeRecoveryStatus": "DISABLED"}
    assert by_key(scan_all(client, "restored")) == by_key(scan_all(client, "full"))
    for each in ("by_group", "by_amount"):
        assert len(scan_all(client, "restored", IndexName=each)) == 10
    # From now on it has a stream of its own.
    client.update_table(TableName="restored", StreamSpecification=NEW_AND_OLD)
    client.put_item(TableName="restored", Item=item("q", 1))
    arn = describe(client, "restored")["LatestStreamArn"]
    assert [each["eventName"] for each in records.read(streams, arn)] == ["INSERT"]


def test_a_restore_to_another_region(db, client, table):
    put(client, "a", "moved")
    set_recovery(client)
    db.clock.advance(minutes=10)
    arn = backup(client)["BackupArn"]
    there = db.client("dynamodb", region_name="us-east-1")
    encryption = {"Enabled": True, "SSEType": "KMS"}
    made = restore(there, arn, SSESpecificationOverride=encryption)
    assert made["TableArn"] == "arn:aws:dynamodb:us-east-1:000000000000:table/restored"
    assert ":us-east-1:" in made["SSEDescription"]["KMSMasterKeyArn"]
    assert notes(there, "restored") == {"a": "moved"}
    answer = there.restore_table_to_point_in_time(
        SourceTableArn=ARN, TargetTableName="again", UseLatestRestorableTime=True, SSESpecificationOverride=encryption
    )
    assert answer["TableDescription"]["RestoreSummary"]["SourceTableArn"] == ARN
    assert notes(there, "again") == {"a": "moved"}
    assert client.list_tables()["TableNames"] == [table]


def units(read, write):
    return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


@pytest.fixture
def provisioned(db, client):
    """The ARN of the backup of a provisioned table with an index of each kind."""
    client.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
            {"AttributeName": "grp", "AttributeType": "S"},
            {"AttributeName": "amount", "AttributeType": "N"},
        ],
        ProvisionedThroughput=units(5, 5),
        GlobalSecondaryIndexes=[{**index("by_group", "grp"), "ProvisionedThroughput": units(4, 4)}],
        LocalSecondaryIndexes=[index("by_amount", "pk", "amount")],
    )
    fill(client, "orders", [item("p", at, amount=N(at), grp=S("g")) for at in range(3)])
    return backup(client)["BackupArn"]


def capacities(made):
    def of(description):
        throughput = description["ProvisionedThroughput"]
        return throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]

    return of(made), [of(each) for each in made.get("GlobalSecondaryIndexes", [])]


def test_throughput_is_overridden_with_the_billing_mode(db, client, provisioned):
    def made(name, **overrides):
        restore(client, provisioned, name, **overrides)
        return describe(client, name)

    change = {"Update": {"IndexName": "by_group", "ProvisionedThroughput": units(9, 9)}}
    client.update_table(TableName="orders", GlobalSecondaryIndexUpdates=[change])
    # What it was then.
    assert capacities(made("plain")) == ((5, 5), [(4, 4)])
    assert capacities(made("table", ProvisionedThroughputOverride=units(7, 6))) == ((7, 6), [(4, 4)])
    one = {**index("by_group", "grp"), "ProvisionedThroughput": units(8, 8)}
    assert capacities(made("index", GlobalSecondaryIndexOverride=[one])) == ((5, 5), [(8, 8)])
    on_demand = made(
        "demand",
        BillingModeOverride="PAY_PER_REQUEST",
        OnDemandThroughputOverride={"MaxReadRequestUnits": 50, "MaxWriteRequestUnits": 40},
    )
    assert capacities(on_demand) == ((0, 0), [(0, 0)])
    assert on_demand["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert on_demand["OnDemandThroughput"] == {"MaxReadRequestUnits": 50, "MaxWriteRequestUnits": 40}
    provisioned_again = restore(
        client,
        backup(client, "demand")["BackupArn"],
        "again",
        BillingModeOverride="PROVISIONED",
        ProvisionedThroughputOverride=units(2, 3),
        GlobalSecondaryIndexOverride=[one],
    )
    assert capacities(provisioned_again) == ((2, 3), [(8, 8)])


def test_indexes_are_left_out_and_renamed(db, client, provisioned):
    restore(client, provisioned, "none", GlobalSecondaryIndexOverride=[], LocalSecondaryIndexOverride=[])
    bare = describe(client, "none")
    assert "GlobalSecondaryIndexes" not in bare and "LocalSecondaryIndexes" not in bare
    assert [each["AttributeName"] for each in bare["AttributeDefinitions"]] == ["pk", "sk"]
    renamed = {**index("by_something", "grp"), "ProvisionedThroughput": units(1, 1)}
    restore(client, provisioned, "renamed", GlobalSecondaryIndexOverride=[renamed])
    made = describe(client, "renamed")
    assert [each["IndexName"] for each in made["GlobalSecondaryIndexes"]] == ["by_something"]
    assert [each["IndexName"] for each in made["LocalSecondaryIndexes"]] == ["by_amount"]
    for each in ("by_something", "by_amount"):
        assert len(scan_all(client, "renamed", IndexName=each)) == 3
    restore(client, provisioned, "open", SSESpecificationOverride={"Enabled": False})
    assert "SSEDescription" not in describe(client, "open")


def test_overrides_that_do_not_fit_are_refused(db, client, provisioned, refused):
    throughput = {"ProvisionedThroughput": units(1, 1)}
    demand = {"MaxReadRequestUnits": 5}
    unmatched = (
        "Index {} does not match a secondary index that existed in the source table and cannot be created during the restore "
        "operation"
    )
    for overrides, message in (
        ({"BillingModeOverride": "PROVISIONED"}, "Must override ProvisionedThroughput if BillingMode is overridden to PROVISIONED"),
        (
            {"BillingModeOverride": "PAY_PER_REQUEST", "ProvisionedThroughputOverride": units(1, 1)},
            "Cannot override ProvisionedThroughput if BillingMode is overridden to PAY_PER_REQUEST",
        ),
        (
            {"OnDemandThroughputOverride": demand},
            "Cannot override MaxReadRequestUnits for OnDemandThroughput unless BillingModeOverride is PAY_PER_REQUEST",
        ),
        (
            {"GlobalSecondaryIndexOverride": [index("by_group", "grp")]},
            "Must specify provisioned throughput for index by_group",
        ),
        (
            {
                "BillingModeOverride": "PAY_PER_REQUEST",
                "GlobalSecondaryIndexOverride": [{**index("by_group", "grp"), **throughput}],
            },
            "Cannot override ProvisionedThroughput if BillingMode is overridden to PAY_PER_REQUEST for index by_group",
        ),
        (
            {"GlobalSecondaryIndexOverride": [{**index("new", "amount"), **throughput}]},
            unmatched.format("new"),
        ),
        (
            {"GlobalSecondaryIndexOverride": [{**index("by_group", "grp", projection=KEYS_ONLY), **throughput}]},
            unmatched.format("by_group"),
        ),
        ({"LocalSecondaryIndexOverride": [index("new", "pk", "grp")]}, unmatched.format("new")),
    ):
        refused.invalid(
            client.restore_table_from_backup,
            REQUEST + message,
            TargetTableName="restored",
            BackupArn=provisioned,
            **overrides,
        )
    refused.invalid(
        client.restore_table_from_backup,
        re.compile("at 'billingModeOverride' failed to satisfy constraint: Member must satisfy enum value set"),
        TargetTableName="restored",
        BackupArn=provisioned,
        BillingModeOverride="BOGUS",
    )
    create_table(client, "demand")
    refused.invalid(
        client.restore_table_from_backup,
        REQUEST + "Cannot override ProvisionedThroughput unless BillingMode is PROVISIONED",
        TargetTableName="restored",
        BackupArn=backup(client, "demand")["BackupArn"],
        ProvisionedThroughputOverride=units(1, 1),
    )


@pytest.mark.core
def test_a_table_is_restored_to_any_second(db, client, table):
    db.clock.travel_to(datetime.datetime(2030, 5, 4, 12, 0, 0, tzinfo=datetime.timezone.utc))
    db.clock.freeze()
    put(client, "old", "before it was on")
    set_recovery(client)
    states = [(db.clock.now(), notes(client))]
    for second in range(8):
        db.clock.advance(seconds=1)
        put(client, f"k{second % 3}", f"at {second}")
        if second == 4:
            client.delete_item(TableName=table, Key={"pk": S("old")})
        if second == 6:
            client.transact_write_items(
                TransactItems=[
                    {"Delete": {"TableName": table, "Key": {"pk": S("k0")}}},
                    {"Put": {"TableName": table, "Item": {"pk": S("large"), "note": S("large " * 20_000)}}},
                ]
            )
        states.append((db.clock.now(), notes(client)))
    db.clock.advance(minutes=6)
    for moment, state in states:
        made = restore_at(client, moment)
        assert made["TableStatus"] == "CREATING" and made["RestoreSummary"]["RestoreDateTime"] == moment
        assert "SourceBackupArn" not in made["RestoreSummary"]
        assert notes(client, "restored") == state
        client.delete_table(TableName="restored")
    # Between two seconds, and at the latest moment.
    restore_at(client, states[3][0] + datetime.timedelta(milliseconds=999))
    assert notes(client, "restored") == states[3][1]
    put(client, "k0", "too late")
    restore_at(client, name="latest")
    assert notes(client, "latest") == states[-1][1]
    # Nobody sees the log.
    assert describe(client, table).get("LatestStreamArn") is None


def test_what_expired_is_restored_too(db, client, table):
    db.clock.freeze()
    client.update_time_to_live(
        TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    set_recovery(client)
    db.clock.advance(seconds=2)
    at = int(db.clock.now().timestamp())
    client.put_item(TableName=table, Item={"pk": S("session"), "note": S(""), "expires": N(at + 60)})
    db.clock.advance(minutes=10)
    assert notes(client) == {}
    moment = whole(db.clock.now()) - datetime.timedelta(minutes=9, seconds=30)
    restore_at(client, moment)
    assert notes(client, "restored") == {"session": ""}
    # It has no time to live, so the item stays.
    db.clock.advance(days=1)
    assert notes(client, "restored") == {"session": ""}


def test_moments_that_cannot_be_restored(db, client, table, refused):
    db.clock.travel_to(datetime.datetime(2030, 5, 4, 12, 0, 0, tzinfo=datetime.timezone.utc))
    db.clock.freeze()
    set_recovery(client, RecoveryPeriodInDays=1)

    def out_of_range(at, earliest, latest):
        refused(
            client.restore_table_to_point_in_time,
            "InvalidRestoreTimeException",
            f"RestoreDateTime '{at}' must be within EarliestRestorableDateTime '{earliest}' and LatestRestorableDateTime "
            f"'{latest}'",
            SourceTableName=table,
            TargetTableName="restored",
            RestoreDateTime=datetime.datetime.fromisoformat(at.replace("Z", "+00:00")),
        )

    now = "2030-05-04T12:00:00Z"
    out_of_range("2030-05-04T11:59:59Z", now, now)
    out_of_range("2030-05-04T12:00:01Z", now, now)
    # A target that is there is looked at later.
    with pytest.raises(client.exceptions.InvalidRestoreTimeException):
        client.restore_table_to_point_in_time(
            SourceTableName=table, TargetTableName=table, RestoreDateTime=datetime.datetime(1970, 1, 1)
        )
    db.clock.advance(days=2)
    out_of_range("2030-05-05T11:59:59Z", "2030-05-05T12:00:00Z", "2030-05-06T11:55:00Z")
    out_of_range("2030-05-06T11:55:01Z", "2030-05-05T12:00:00Z", "2030-05-06T11:55:00Z")
    restore_at(client, datetime.datetime(2030, 5, 5, 12, tzinfo=datetime.timezone.utc))
    # What a shorter period has let go does not come back.
    set_recovery(client, RecoveryPeriodInDays=35)
    out_of_range("2030-05-05T11:59:59Z", "2030-05-05T12:00:00Z", "2030-05-06T11:55:00Z")


def test_requests_to_restore_to_a_moment_that_are_wrong_in_themselves(db, client, table, refused):
    def bad(code, message, **request):
        request = {"TargetTableName": "restored", **request}
        refused(client.restore_table_to_point_in_time, code, message, **request)

    off = "Point in time recovery is not enabled for table 'orders'"
    latest = {"UseLatestRestorableTime": True}
    moment = {"RestoreDateTime": db.clock.now()}
    for when in (latest, moment, {**latest, "TargetTableName": table}):
        bad("PointInTimeRecoveryUnavailableException", off, SourceTableName=table, **when)
    set_recovery(client)
    both = REQUEST + "Both RestoreDateTime and UseLatestRestorableTime cannot be set"
    for source in (table, "nowhere"):
        bad("ValidationException", re.compile(re.escape(both)), SourceTableName=source, **latest, **moment)
    neither = REQUEST + "Either one of RestoreDateTime or UseLatestRestorableTime must be specified, but not both"
    bad("ValidationException", neither, SourceTableName=table)
    bad("ValidationException", neither, SourceTableName=table, UseLatestRestorableTime=False)
    bad(
        "ValidationException",
        REQUEST + "Must provide exactly one of: sourceTableArn, sourceTableName",
        SourceTableName=table,
        SourceTableArn=ARN,
        **latest,
    )
    bad(
        "ValidationException",
        REQUEST + "The parameter 'TableName' is required but was not present in the request",
        **latest,
    )
    bad("TableNotFoundException", "Table not found: nowhere", SourceTableName="nowhere", **latest)
    bad("TableNotFoundException", "Table not found", SourceTableArn=ARN.replace("orders", "nowhere"), **latest)
    bad("ValidationException", "sourceTableArn is not a valid ARN", SourceTableArn=ARN + "/index/x", **latest)
    bad(
        "ValidationException",
        "This action is only supported by accounts that match the resource owner\u2019s account.",
        SourceTableArn=ARN.replace("000000000000", "123456789012"),
        **latest,
    )


def test_recovery_that_is_switched_off_and_on_begins_anew(db, client, table):
    db.clock.freeze()
    set_recovery(client)
    put(client, "a", "logged")
    db.clock.advance(hours=1)
    first = db.clock.now()
    set_recovery(client, False)
    put(client, "a", "in between")
    db.clock.advance(hours=1)
    set_recovery(client)
    put(client, "a", "logged again")
    db.clock.advance(hours=1)
    with pytest.raises(client.exceptions.InvalidRestoreTimeException):
        restore_at(client, whole(first))
    restore_at(client)
    assert notes(client, "restored") == {"a": "logged again"}


@pytest.mark.core
def test_a_table_that_recovers_leaves_a_backup_when_it_is_deleted(db, client, table, refused):
    db.clock.freeze()
    put(client, "a", "last words")
    set_recovery(client)
    create_table(client, "others")
    client.delete_table(TableName="others")
    client.delete_table(TableName=table)
    assert listed(client) == []
    (summary,) = client.list_backups(TableName=table, BackupType="SYSTEM")["BackupSummaries"]
    assert (summary["BackupName"], summary["BackupType"]) == ("orders$DeletedTableBackup", "SYSTEM")
    assert summary["BackupArn"].endswith("-00000000") and summary["BackupStatus"] == "AVAILABLE"
    expiry = summary["BackupCreationDateTime"] + datetime.timedelta(days=35)
    assert near(summary["BackupExpiryDateTime"], expiry)
    assert listed(client, BackupType="ALL") == [summary["BackupArn"]]
    assert describe_backup(client, summary["BackupArn"])["SourceTableFeatureDetails"] == {}
    refused.invalid(
        client.delete_backup,
        re.compile(
            re.escape(REQUEST + f"User is not allowed to delete the system backup with arn {summary['BackupArn']}. It will "
            "automatically expire on ")
        ),
        BackupArn=summary["BackupArn"],
    )
    db.clock.advance(days=34)
    restore(client, summary["BackupArn"])
    assert notes(client, "restored") == {"a": "last words"}
    db.clock.advance(days=1)
    assert listed(client, BackupType="ALL") == []
