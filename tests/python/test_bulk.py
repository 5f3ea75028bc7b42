"""StartBulkPutItems, DescribeBulkOperation, ListBulkOperations, CancelBulkOperation.

The oldest botocore that is supported does not know them, so they are asked for through the light client.
"""

import gzip
import json
import os

import fdyno
import pytest
from buckets import lines, numbered, put, scanned, until
from conftest import create_table

pytestmark = pytest.mark.usefixtures("buckets")

ENDED = ("COMPLETED", "COMPLETED_WITH_ERRORS", "CANCELLED", "FAILED")


@pytest.fixture
def bulk(db, bucket):
    """Asks the database of the test."""
    return Bulk(db)


class Bulk:
    def __init__(self, database):
        self.client = database.client("dynamodb", region_name="eu-west-1")

    def begin(self, prefix="", output="reports", **more):
        asked = {
            "TableName": "orders",
            "InputS3Configuration": {"S3Bucket": "data", "S3KeyPrefix": prefix, "InputFormat": "DYNAMODB_JSON"},
            "OutputS3Configuration": {
                "S3Bucket": "data",
                "S3KeyPrefix": output,
                "OutputType": ["ERROR", "CONDITION_CHECK_FAILURE"],
            },
        }
        return self.client.start_bulk_put_items(**{**asked, **more})["BulkOperationDescription"]

    def describe(self, arn):
        return self.client.describe_bulk_operation(BulkOperationArn=arn)["BulkOperationDescription"]

    def ended(self, arn):
        return until(lambda: self.describe(arn), lambda found: found["BulkOperationStatus"] in ENDED)

    def run(self, *rest, **more):
        return self.ended(self.begin(*rest, **more)["BulkOperationArn"])


def report(bucket, found, name):
    path = bucket / "reports/AWSDynamoDB" / found["BulkOperationArn"].rsplit("/", 1)[1] / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else None


@pytest.mark.core
def test_items_are_put_into_a_table_that_is_there(db, client, bucket, bulk, table):
    client.put_item(TableName=table, Item={"pk": {"S": "00003"}, "old": {"S": "x"}})
    put(bucket, "in/a", lines(numbered(150)))
    put(bucket, "in/b", lines(numbered(5, 150)))
    begun = bulk.begin("in/", ClientToken="once", MaxWriteRequestUnits=5000)
    assert begun["BulkOperationStatus"] == "IN_PROGRESS"
    assert begun["BulkOperationArn"].startswith(
        "arn:aws:dynamodb:eu-west-1:000000000000:table/orders/bulk-operation/0"
    )
    assert begun["TableDetails"][0]["TableName"] == "orders"
    assert (begun["PerformanceTier"], begun["MaxWriteRequestUnits"], begun["ClientToken"]) == ("STANDARD", 5000, "once")
    found = bulk.ended(begun["BulkOperationArn"])
    assert (found["BulkOperationStatus"], found["ProcessedItemCount"], found["FailedItemCount"]) == ("COMPLETED", 155, 0)
    size = sum(path.stat().st_size for path in (bucket / "in").iterdir())
    assert found["TotalInputBytes"] == found["ProcessedInputBytes"] == size
    described = client.describe_table(TableName=table)["Table"]
    assert found["TableDetails"][0]["TableId"] == described["TableId"]
    usage = found["BulkOperationUsage"][0]
    assert usage["BulkPutBytes"] == usage["Table"]["BulkPutBytes"] >= described["TableSizeBytes"]
    assert scanned(client, table) == numbered(155)
    assert report(bucket, found, "error.json") is None
    assert report(bucket, found, "manifest.json")[0]["processedItemCount"] == 155


def test_conditions_are_judged_one_after_the_other(db, client, bucket, bulk, table):
    def record(item, condition, **more):
        return json.dumps({"Item": item, "ConditionExpression": condition, **more}) + "\n"

    first, second = {"pk": {"S": "a"}, "n": {"N": "1"}}, {"pk": {"S": "a"}, "n": {"N": "2"}}
    put(
        bucket,
        "a",
        record(first, "attribute_not_exists(pk)")
        + record(second, "attribute_not_exists(pk)")
        + record(second, "#n = :n", ExpressionAttributeNames={"#n": "n"}, ExpressionAttributeValues={":n": {"N": "1"}})
        + record(second, "attribute_exists("),
    )
    found = bulk.run("a", ClientToken="t")
    assert (found["BulkOperationStatus"], found["ProcessedItemCount"], found["FailedItemCount"]) == (
        "COMPLETED_WITH_ERRORS",
        4,
        1,
    )
    assert scanned(client, table) == [second]
    (refused,) = report(bucket, found, "condition-check-failure.json")
    assert (refused["RecordIndex"], refused["Item"], refused["ExistingItem"]) == (1, second, first)
    (wrong,) = report(bucket, found, "error.json")
    assert (wrong["RecordIndex"], wrong["S3Key"]) == (3, "a")
    assert wrong["ErrorMessage"].startswith("Invalid ConditionExpression: Syntax error")


def test_records_may_be_ion(db, client, bucket, bulk, table):
    condition = "ConditionExpression:\"attribute_not_exists(#pk)\",ExpressionAttributeNames:{'#pk':\"pk\"}"
    put(bucket, "a.ion", f'$ion_1_0 {{Item:{{pk:"x",n:1d2}},{condition}}}\n{{Item:{{pk:"x"}},{condition}}}\n{{Item:1}}\n')
    source = {"S3Bucket": "data", "S3KeyPrefix": "a.ion", "InputFormat": "ION"}
    found = bulk.run(InputS3Configuration=source)
    assert (found["BulkOperationStatus"], found["ProcessedItemCount"], found["FailedItemCount"]) == (
        "COMPLETED_WITH_ERRORS",
        3,
        1,
    )
    assert scanned(client, table) == [{"pk": {"S": "x"}, "n": {"N": "100"}}]
    (refused,) = report(bucket, found, "condition-check-failure.json")
    assert refused["ExistingItem"] == {"pk": {"S": "x"}, "n": {"N": "100"}}


def test_what_is_no_item_is_reported_and_passed_over(db, client, bucket, bulk, table):
    put(bucket, "in/a", "{\n" + lines([{"other": {"S": "x"}}]) + lines(numbered(2)))
    put(bucket, "in/b", "no gzip")
    found = bulk.run("in/a")
    assert (found["BulkOperationStatus"], found["ProcessedItemCount"], found["FailedItemCount"]) == (
        "COMPLETED_WITH_ERRORS",
        4,
        2,
    )
    errors = report(bucket, found, "error.json")
    assert [error["RecordIndex"] for error in errors] == [0, 1]
    assert errors[1]["ErrorMessage"] == "One or more parameter values were invalid: Missing the key pk in the item"
    assert scanned(client, table) == numbered(2)
    quiet = {"S3Bucket": "data", "S3KeyPrefix": "reports", "OutputType": ["CONDITION_CHECK_FAILURE"]}
    packed = {"S3Bucket": "data", "S3KeyPrefix": "in/b", "InputFormat": "DYNAMODB_JSON", "InputCompressionType": "GZIP"}
    found = bulk.run(InputS3Configuration=packed, OutputS3Configuration=quiet)
    assert (found["BulkOperationStatus"], found["FailedItemCount"]) == ("COMPLETED_WITH_ERRORS", 1)
    assert report(bucket, found, "error.json") is None


def test_streams_see_what_is_put(db, client, streams, bucket, bulk):
    create_table(client, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    put(bucket, "a", lines(numbered(3)))
    bulk.run("a")
    arn = client.describe_table(TableName="orders")["Table"]["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    assert [record["dynamodb"]["NewImage"] for record in records] == numbered(3)


def test_a_cancelled_operation_stops_and_leaves_what_it_wrote(db, client, bucket, bulk, table):
    put(bucket, "a", lines(numbered(30_000)))
    arn = bulk.begin("a")["BulkOperationArn"]
    until(lambda: bulk.describe(arn), lambda found: found["ProcessedItemCount"] > 0)
    answer = bulk.client.cancel_bulk_operation(BulkOperationArn=arn)
    assert (answer["BulkOperationArn"], answer["BulkOperationStatus"]) == (arn, "CANCELLING")
    found = bulk.ended(arn)
    assert found["BulkOperationStatus"] == "CANCELLED" and "FailureMessage" in found
    count = client.describe_table(TableName=table)["Table"]["ItemCount"]
    assert 0 < count == found["ProcessedItemCount"] < 30_000
    with pytest.raises(bulk.client.exceptions.ClientError) as refusal:
        bulk.client.cancel_bulk_operation(BulkOperationArn=arn)
    assert refusal.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"InputS3Configuration": {"S3Bucket": "nothing", "InputFormat": "DYNAMODB_JSON"}}, "S3NoSuchBucket"),
        ({"OutputS3Configuration": {"S3Bucket": "linked", "OutputType": ["ERROR"]}}, "S3NoSuchBucket"),
        ({"prefix": "nothing"}, "S3NoSuchKey"),
    ],
)
def test_without_its_buckets_it_fails(db, client, buckets, bulk, table, more, code):
    os.symlink(buckets.parent, buckets / "linked")
    found = bulk.run(**more)
    assert (found["BulkOperationStatus"], found["FailureCode"]) == ("FAILED", code)


def test_what_cannot_begin_is_refused(db, client, bulk):
    def refusal(**more):
        with pytest.raises(bulk.client.exceptions.ClientError) as refused:
            bulk.begin(**more)
        return refused.value.response["Error"]["Code"]

    assert refusal() == "ResourceNotFoundException"
    create_table(client)
    assert refusal(output="../outside") == "ValidationException"
    assert refusal(MaxWriteRequestUnits=100) == "ValidationException"
    assert refusal(PerformanceTier="FAST") == "ValidationException"
    assert refusal(InputS3Configuration={"S3Bucket": "..", "InputFormat": "DYNAMODB_JSON"}) == "ValidationException"
    bulk.begin(ClientToken="t")
    assert refusal(ClientToken="t", output="other") == "IdempotentParameterMismatchException"
    arn = "arn:aws:dynamodb:eu-west-1:000000000000:table/orders/bulk-operation/01658528578619-c4d4e311"
    with pytest.raises(bulk.client.exceptions.ClientError) as refused:
        bulk.describe(arn)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_operations_are_listed_the_most_recent_first(db, client, bucket, bulk):
    db.clock.freeze()
    put(bucket, "a", lines(numbered(1)))
    arns = []
    for name in ("later", "sooner", "later"):
        if name not in client.list_tables()["TableNames"]:
            create_table(client, name)
        arns.append(bulk.run("a", TableName=name)["BulkOperationArn"])
        db.clock.advance(seconds=1)
    arns.reverse()
    one = bulk.client.list_bulk_operations(MaxResults=2)
    two = bulk.client.list_bulk_operations(MaxResults=2, NextToken=one["NextToken"])
    found = [each for page in (one, two) for each in page["BulkOperationsSummaryList"]]
    assert [each["BulkOperationArn"] for each in found] == arns
    assert {each["BulkOperationStatus"] for each in found} == {"COMPLETED"}
    assert "NextToken" not in two


def test_a_restart_goes_on_where_it_was(client, bucket, tmp_path):
    put(bucket, "a", lines(numbered(10_000)) + "{\n", gzip.compress)
    url = f"file:{tmp_path / 'database'}"
    packed = {"S3Bucket": "data", "S3KeyPrefix": "a", "InputFormat": "DYNAMODB_JSON", "InputCompressionType": "GZIP"}
    with fdyno.connect(url) as database, database.activate():
        create_table(client)
        arn = Bulk(database).begin(InputS3Configuration=packed)["BulkOperationArn"]
    openings = 0
    while True:
        with fdyno.connect(url) as database, database.activate():
            bulk = Bulk(database)
            found = bulk.describe(arn)
            if found["BulkOperationStatus"] in ENDED:
                break
            openings += 1
            seen = found["ProcessedItemCount"]
            until(lambda: bulk.describe(arn), lambda now: now["ProcessedItemCount"] != seen or "EndTime" in now)
    assert openings > 1
    assert (found["BulkOperationStatus"], found["ProcessedItemCount"], found["FailedItemCount"]) == (
        "COMPLETED_WITH_ERRORS",
        10_001,
        1,
    )
    assert len(report(bucket, found, "error.json")) == 1
    with fdyno.connect(url) as database, database.activate():
        assert scanned(client, "orders") == numbered(10_000)
