"""What other services keep of a table: contributor insights, Kinesis destinations, continuous backups."""

import datetime

import pytest
from conftest import create_table
from tables import attributes, create_indexed, index

pytestmark = pytest.mark.needs_model(
    "UpdateKinesisStreamingDestination",
    "UpdateContributorInsights.ContributorInsightsMode",
    "UpdateContinuousBackups.PointInTimeRecoverySpecification.RecoveryPeriodInDays",
)

KINESIS = "arn:aws:kinesis:eu-west-1:000000000000:stream/"
STATE = "Table is not in a valid state to enable Kinesis Streaming Destination: "
NOWHERE = "Requested resource not found: Table: nowhere not found"


def near(one, other):
    return abs((one - other).total_seconds()) < 0.01


def whole(moment):
    return moment.replace(microsecond=0)


def insights(client, table="orders", **more):
    answer = client.describe_contributor_insights(TableName=table, **more)
    answer.pop("ResponseMetadata")
    return answer


def set_insights(client, action, table="orders", **more):
    answer = client.update_contributor_insights(TableName=table, ContributorInsightsAction=action, **more)
    return answer["ContributorInsightsStatus"], answer.get("ContributorInsightsMode")


def listed(client, **more):
    summaries, token = [], {}
    while True:
        page = client.list_contributor_insights(**more, **token)
        summaries += page["ContributorInsightsSummaries"]
        if "NextToken" not in page:
            return [(each["TableName"], each.get("IndexName"), each["ContributorInsightsStatus"]) for each in summaries]
        token = {"NextToken": page["NextToken"]}


@pytest.mark.core
def test_insights_are_switched_on_changed_and_off(db, client, table):
    db.clock.freeze()
    both = "ACCESSED_AND_THROTTLED_KEYS"
    assert insights(client) == {"TableName": "orders", "ContributorInsightsStatus": "DISABLED"}
    assert set_insights(client, "DISABLE") == ("DISABLED", None)
    assert set_insights(client, "ENABLE") == ("ENABLING", both)
    shown = insights(client)
    assert (shown["ContributorInsightsStatus"], shown["ContributorInsightsMode"]) == ("ENABLED", both)
    assert near(shown["LastUpdateDateTime"], db.clock.now())
    suffix = shown["ContributorInsightsRuleList"][0].rsplit("-", 1)[1]
    assert shown["ContributorInsightsRuleList"] == [
        f"DynamoDBContributorInsights-{kind}-orders-{suffix}" for kind in ("PKC", "PKT")
    ]
    assert set_insights(client, "ENABLE") == ("ENABLED", both)
    db.clock.advance(minutes=1)
    assert set_insights(client, "ENABLE", ContributorInsightsMode="THROTTLED_KEYS") == ("ENABLING", "THROTTLED_KEYS")
    # Of the same rules fewer are left.
    assert insights(client)["ContributorInsightsRuleList"] == [f"DynamoDBContributorInsights-PKT-orders-{suffix}"]
    assert set_insights(client, "DISABLE") == ("DISABLING", "THROTTLED_KEYS")
    shown = insights(client)
    assert "ContributorInsightsRuleList" not in shown
    assert (shown["ContributorInsightsStatus"], shown["ContributorInsightsMode"]) == ("DISABLED", "THROTTLED_KEYS")


def test_insights_of_indexes_are_their_own(db, client, refused):
    create_indexed(client)
    set_insights(client, "ENABLE", "indexed", IndexName="by_group")
    assert insights(client, "indexed")["ContributorInsightsStatus"] == "DISABLED"
    rules = insights(client, "indexed", IndexName="by_group")["ContributorInsightsRuleList"]
    assert [rule.split("-")[1] for rule in rules] == ["PKC", "PKT", "SKC", "SKT"]
    assert rules[0].startswith("DynamoDBContributorInsights-PKC-indexed-by_group-")
    for other in ("by_amount", "nothing"):
        for call, more in (
            (client.describe_contributor_insights, {}),
            (client.update_contributor_insights, {"ContributorInsightsAction": "ENABLE"}),
        ):
            refused(
                call,
                "ResourceNotFoundException",
                f"Requested resource not found: Index: {other} not found for table: indexed",
                TableName="indexed",
                IndexName=other,
                **more,
            )
    client.update_table(TableName="indexed", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by_group"}}])
    assert listed(client, TableName="indexed") == []
    client.update_table(
        TableName="indexed",
        AttributeDefinitions=attributes(grp="S"),
        GlobalSecondaryIndexUpdates=[{"Create": index("by_group", "grp")}],
    )
    assert insights(client, "indexed", IndexName="by_group") == {
        "TableName": "indexed",
        "IndexName": "by_group",
        "ContributorInsightsStatus": "DISABLED",
    }


def test_insights_that_are_on_are_listed(db, client):
    create_indexed(client)
    for name in ("alpha", "beta", "gamma"):
        create_table(client, name)
    assert listed(client) == []
    for name, more in (("alpha", {}), ("indexed", {"IndexName": "by_group"}), ("indexed", {}), ("gamma", {})):
        set_insights(client, "ENABLE", name, **more)
    everything = [
        ("alpha", None, "ENABLED"),
        ("gamma", None, "ENABLED"),
        ("indexed", None, "ENABLED"),
        ("indexed", "by_group", "ENABLED"),
    ]
    for most in (1, 2, 3, 100):
        assert listed(client, MaxResults=most) == everything
        assert listed(client, TableName="indexed", MaxResults=most) == everything[2:]
    set_insights(client, "DISABLE", "gamma")
    assert listed(client) == [each for each in everything if each[0] != "gamma"]
    client.delete_table(TableName="indexed")
    assert listed(client) == everything[:1]


def test_insights_of_no_table(client, table, refused):
    for call, more in (
        (client.describe_contributor_insights, {}),
        (client.update_contributor_insights, {"ContributorInsightsAction": "ENABLE"}),
        (client.list_contributor_insights, {}),
    ):
        refused(call, "ResourceNotFoundException", NOWHERE, TableName="nowhere", **more)
    refused.invalid(
        client.update_contributor_insights,
        "1 validation error detected: Value 'FROB' at 'contributorInsightsAction' failed to satisfy constraint: Member must "
        "satisfy enum value set: [ENABLE, DISABLE]",
        TableName=table,
        ContributorInsightsAction="FROB",
    )


def destinations(client, table="orders"):
    answer = client.describe_kinesis_streaming_destination(TableName=table)
    assert answer["TableName"] == table
    return answer["KinesisDataStreamDestinations"]


@pytest.mark.core
def test_a_destination_is_enabled_changed_and_disabled(client, table, refused):
    assert destinations(client) == []
    one, other = {"TableName": table, "StreamArn": KINESIS + "one"}, {"TableName": table, "StreamArn": KINESIS + "other"}
    answer = client.enable_kinesis_streaming_destination(**one)
    assert (answer["TableName"], answer["DestinationStatus"]) == ("orders", "ENABLING")
    assert destinations(client) == [{"StreamArn": KINESIS + "one", "DestinationStatus": "ACTIVE"}]
    for given in (one, other):
        refused.invalid(
            client.enable_kinesis_streaming_destination,
            STATE + "EnableKinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE operation.",
            **given,
        )
    exact = {"ApproximateCreationDateTimePrecision": "MICROSECOND"}
    change = client.update_kinesis_streaming_destination
    answer = change(**one, UpdateKinesisStreamingConfiguration=exact)
    assert (answer["DestinationStatus"], answer["UpdateKinesisStreamingConfiguration"]) == ("UPDATING", exact)
    assert destinations(client) == [{"StreamArn": KINESIS + "one", "DestinationStatus": "ACTIVE", **exact}]
    table_id = client.describe_table(TableName=table)["Table"]["TableId"]
    refused.invalid(
        change,
        f"Invalid Request: Precision is already set to the desired value of MICROSECOND for tableId: {table_id}, kdsArn: "
        f"{KINESIS}one",
        **one,
        UpdateKinesisStreamingConfiguration=exact,
    )
    assert client.disable_kinesis_streaming_destination(**one)["DestinationStatus"] == "DISABLING"
    assert destinations(client) == [{"StreamArn": KINESIS + "one", "DestinationStatus": "DISABLED"}]
    refused.invalid(
        client.disable_kinesis_streaming_destination,
        STATE + "KinesisStreamingDestination must be ACTIVE to perform DISABLE operation.",
        **one,
    )
    refused.invalid(
        change,
        STATE + "Kinesis streaming is not in ACTIVE state. Updates are only allowed in ACTIVE state. TableName: orders, "
        f"kdsArn: {KINESIS}one",
        **one,
        UpdateKinesisStreamingConfiguration=exact,
    )
    answer = client.enable_kinesis_streaming_destination(**other, EnableKinesisStreamingConfiguration=exact)
    assert answer["EnableKinesisStreamingConfiguration"] == exact
    assert destinations(client) == [
        {"StreamArn": KINESIS + "other", "DestinationStatus": "ACTIVE", **exact},
        {"StreamArn": KINESIS + "one", "DestinationStatus": "DISABLED"},
    ]


def test_bad_destinations_are_refused(client, table, refused):
    given = {"TableName": table, "StreamArn": KINESIS + "one"}
    refused.invalid(
        client.update_kinesis_streaming_destination,
        STATE + "No streaming destination with streamArn: " + KINESIS + "one",
        **given,
        UpdateKinesisStreamingConfiguration={"ApproximateCreationDateTimePrecision": "MICROSECOND"},
    )
    for configuration in ({}, {"UpdateKinesisStreamingConfiguration": {}}):
        refused.invalid(
            client.update_kinesis_streaming_destination,
            "Streaming destination cannot be updated with given parameters: UpdateKinesisStreamingConfiguration cannot be null "
            "or contain only null values",
            **given,
            **configuration,
        )
    refused.invalid(
        client.disable_kinesis_streaming_destination,
        "Stream cannot be disabled using EnableKinesisStreamingConfiguration parameters",
        **given,
        EnableKinesisStreamingConfiguration={"ApproximateCreationDateTimePrecision": "MICROSECOND"},
    )
    for call in (client.enable_kinesis_streaming_destination, client.disable_kinesis_streaming_destination):
        refused(call, "ResourceNotFoundException", NOWHERE, TableName="nowhere", StreamArn=KINESIS + "one")
    refused(client.describe_kinesis_streaming_destination, "ResourceNotFoundException", NOWHERE, TableName="nowhere")


def backups(client, table="orders"):
    described = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert described["ContinuousBackupsStatus"] == "ENABLED"
    return described["PointInTimeRecoveryDescription"]


def set_recovery(client, enabled, table="orders", **more):
    specification = {"PointInTimeRecoveryEnabled": enabled, **more}
    answer = client.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=specification)
    return answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]


@pytest.mark.core
def test_recovery_to_a_point_in_time_is_switched_on_and_off(db, client, table):
    db.clock.freeze()
    off = {"PointInTimeRecoveryStatus": "DISABLED"}
    assert backups(client) == off == set_recovery(client, False)
    began = whole(db.clock.now())
    on = set_recovery(client, True)
    assert (on["PointInTimeRecoveryStatus"], on["RecoveryPeriodInDays"]) == ("ENABLED", 35)
    assert near(on["EarliestRestorableDateTime"], began) and near(on["LatestRestorableDateTime"], began)
    db.clock.advance(hours=1)
    shown = set_recovery(client, True, RecoveryPeriodInDays=1)
    assert (shown["RecoveryPeriodInDays"], near(shown["EarliestRestorableDateTime"], began)) == (1, True)
    assert near(shown["LatestRestorableDateTime"], whole(db.clock.now()) - datetime.timedelta(minutes=5))
    db.clock.advance(days=2)
    assert near(backups(client)["EarliestRestorableDateTime"], whole(db.clock.now()) - datetime.timedelta(days=1))
    assert set_recovery(client, False) == off == backups(client)
    # What it was set to is forgotten, and so is when it began.
    again = set_recovery(client, True)
    assert again["RecoveryPeriodInDays"] == 35 and near(again["EarliestRestorableDateTime"], whole(db.clock.now()))
    client.delete_table(TableName=table)
    create_table(client)
    assert backups(client) == off


def test_bad_recovery_changes_nothing(client, table, refused):
    refused.invalid(
        client.update_continuous_backups,
        "Invalid Request: Cannot specify RecoveryPeriodInDays when disabling point-in-time recovery.",
        TableName=table,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False, "RecoveryPeriodInDays": 7},
    )
    refused.invalid(
        client.update_continuous_backups,
        "1 validation error detected: Value '36' at 'pointInTimeRecoverySpecification.recoveryPeriodInDays' failed to satisfy "
        "constraint: Member must have value less than or equal to 35",
        TableName=table,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 36},
    )
    missing = "Table not found: nowhere"
    refused(client.describe_continuous_backups, "TableNotFoundException", missing, TableName="nowhere")
    refused(
        client.update_continuous_backups,
        "TableNotFoundException",
        missing,
        TableName="nowhere",
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    assert backups(client) == {"PointInTimeRecoveryStatus": "DISABLED"}
