"""ExportTableToPointInTime, DescribeExport, ListExports: a table's items in the layout that AWS documents."""

import base64
import datetime
import gzip
import hashlib
import json
import os
import re

import fdyno
import pytest
from botocore.exceptions import ClientError
from buckets import numbered, scanned, until
from conftest import create_table
from fdyno._database import BUCKETS_VARIABLE

pytestmark = [pytest.mark.needs_model("ExportTableToPointInTime"), pytest.mark.usefixtures("buckets")]

ALL_KINDS = {
    "pk": {"S": "kinds"},
    "n": {"N": "-1.5E+20"},
    "b": {"B": b"\0\xff"},
    "null": {"NULL": True},
    "bool": {"BOOL": False},
    "ss": {"SS": ["a", "ü"]},
    "ns": {"NS": ["1", "600"]},
    "bs": {"BS": [b"a", b"b"]},
    "l": {"L": [{"M": {"a b": {"S": 'quote " and \\ and \n'}}}, {"L": []}]},
}


@pytest.fixture
def exported_table(db, client):
    create_table(client)
    recover(client)
    for item in [*numbered(50), ALL_KINDS]:
        client.put_item(TableName="orders", Item=item)
    return "arn:aws:dynamodb:eu-west-1:000000000000:table/orders"


def recover(client, table="orders"):
    client.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )


def begin(client, arn, **more):
    return client.export_table_to_point_in_time(TableArn=arn, **{"S3Bucket": "data", **more})["ExportDescription"]


def describe(client, arn):
    return client.describe_export(ExportArn=arn)["ExportDescription"]


def ended(client, arn):
    return until(lambda: describe(client, arn), lambda found: found["ExportStatus"] != "IN_PROGRESS")


def run(client, arn, **more):
    return ended(client, begin(client, arn, **more)["ExportArn"])


def md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def read(bucket, found):
    """The lines of an export's data files, after its manifests and checksums were checked."""
    path = bucket / found["ExportManifest"]
    folder = path.parent
    assert (folder / "_started").read_bytes() == b""
    assert (folder / "manifest-summary.md5").read_text() == md5(path.read_bytes())
    summary = json.loads(path.read_text())
    assert (summary["exportArn"], summary["itemCount"]) == (found["ExportArn"], found["ItemCount"])
    files = bucket / summary["manifestFilesS3Key"]
    assert (folder / "manifest-files.md5").read_text() == md5(files.read_bytes())
    text, listed = "", set()
    for line in files.read_text().splitlines():
        file = json.loads(line)
        packed = (bucket / file["dataFileS3Key"]).read_bytes()
        assert file["md5Checksum"] == md5(packed)
        assert re.fullmatch(r"[0-9a-f]{32}-1", file["etag"])
        unpacked = gzip.decompress(packed).decode()
        assert file["itemCount"] == unpacked.count("\n")
        listed.add(bucket / file["dataFileS3Key"])
        text += unpacked
    assert listed == set((folder / "data").iterdir())
    return summary, text.splitlines()


def items(rows):
    def attribute(value):
        ((kind, content),) = value.items()
        if kind == "B":
            return {"B": base64.b64decode(content)}
        if kind == "BS":
            return {"BS": [base64.b64decode(each) for each in content]}
        if kind == "M":
            return {"M": {name: attribute(each) for name, each in content.items()}}
        return {"L": [attribute(each) for each in content]} if kind == "L" else {kind: content}

    found = [{name: attribute(value) for name, value in json.loads(row)["Item"].items()} for row in rows]
    return sorted(found, key=lambda item: item["pk"]["S"])


@pytest.mark.core
def test_all_items_are_written_as_aws_lays_them_out(db, client, bucket, exported_table):
    begun = begin(client, exported_table, S3Prefix="some/where/", ClientToken="once")
    assert begun["ExportArn"].startswith(f"{exported_table}/export/0")
    assert (begun["ExportStatus"], begun["ExportFormat"], begun["ExportType"]) == (
        "IN_PROGRESS",
        "DYNAMODB_JSON",
        "FULL_EXPORT",
    )
    assert (begun["S3Bucket"], begun["S3Prefix"], begun["ClientToken"]) == ("data", "some/where/", "once")
    found = ended(client, begun["ExportArn"])
    assert (found["ExportStatus"], found["ItemCount"]) == ("COMPLETED", 51)
    export_id = found["ExportArn"].rsplit("/", 1)[1]
    assert re.fullmatch(r"\d{14}-[0-9a-f]{8}", export_id)
    assert found["ExportManifest"] == f"some/where/AWSDynamoDB/{export_id}/manifest-summary.json"
    assert found["EndTime"] >= found["StartTime"]
    summary, rows = read(bucket, found)
    table = client.describe_table(TableName="orders")["Table"]
    assert {name: summary[name] for name in ("version", "tableArn", "tableId", "s3Bucket", "s3Prefix", "outputFormat")} == {
        "version": "2020-06-30",
        "tableArn": exported_table,
        "tableId": table["TableId"],
        "s3Bucket": "data",
        "s3Prefix": "some/where/",
        "outputFormat": "DYNAMODB_JSON",
    }
    assert summary["billedSizeBytes"] == found["BilledSizeBytes"] == table["TableSizeBytes"]
    assert items(rows) == scanned(client, "orders")


def test_ion_is_written_a_struct_a_line(db, client, bucket, exported_table):
    found = run(client, exported_table, ExportFormat="ION")
    summary, rows = read(bucket, found)
    assert summary["outputFormat"] == "ION"
    assert len(rows) == 51
    assert "$ion_1_0 {Item:{n:7.,pk:\"00007\"}}" in rows
    (kinds,) = (row for row in rows if '"kinds"' in row)
    assert "'null':null" in kinds and "b:{{AP8=}}" in kinds and "n:-15d19" in kinds
    assert "ns:$dynamodb_NS::[1.,6d2]" in kinds and 'ss:$dynamodb_SS::["a","ü"]' in kinds


@pytest.mark.needs_model("ExportTableToPointInTime.FilterSpecification")
def test_a_filter_takes_some_items_and_some_of_them(db, client, bucket, exported_table):
    specification = {
        "FilterExpression": "#n < :n",
        "ProjectionExpression": "pk",
        "ExpressionAttributeNames": {"#n": "n"},
        "ExpressionAttributeValues": {":n": {"N": "3"}},
    }
    found = run(client, exported_table, FilterSpecification=specification)
    assert found["FilterSpecification"] == specification
    _, rows = read(bucket, found)
    assert items(rows) == [{"pk": {"S": f"{at:05}"}} for at in range(3)] + [{"pk": {"S": "kinds"}}]
    key = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "00007"}}}
    _, rows = read(bucket, run(client, exported_table, FilterSpecification=key))
    assert items(rows) == numbered(1, 7)
    with pytest.raises(ClientError) as refusal:
        begin(client, exported_table, FilterSpecification={"FilterExpression": "n <"})
    assert refusal.value.response["Error"]["Code"] == "ValidationException"


def test_the_items_are_those_of_the_moment(db, client, bucket, exported_table):
    db.clock.freeze()
    # All items are older than what is asked for below.
    db.clock.advance(seconds=1)
    before, moment = scanned(client, "orders"), db.clock.now()
    begun = begin(client, exported_table)
    client.delete_item(TableName="orders", Key={"pk": {"S": "kinds"}})
    client.put_item(TableName="orders", Item={"pk": {"S": "00001"}, "changed": {"BOOL": True}})
    client.put_item(TableName="orders", Item={"pk": {"S": "new"}})
    _, rows = read(bucket, ended(client, begun["ExportArn"]))
    assert items(rows) == before
    db.clock.advance(minutes=10)
    client.put_item(TableName="orders", Item={"pk": {"S": "00002"}, "changed": {"BOOL": True}})
    found = run(client, exported_table, ExportTime=moment - datetime.timedelta(milliseconds=1))
    summary, rows = read(bucket, found)
    assert summary["exportTime"][:19] == (moment - datetime.timedelta(milliseconds=1)).strftime("%Y-%m-%dT%H:%M:%S")
    assert items(rows) == before
    _, rows = read(bucket, run(client, exported_table))
    assert items(rows) == scanned(client, "orders")


@pytest.mark.needs_model("ExportTableToPointInTime.IncrementalExportSpecification")
def test_an_incremental_export_has_what_changed(db, client, bucket, refused, exported_table):
    db.clock.freeze()
    db.clock.advance(minutes=1)
    begin_time = db.clock.now()

    def put(key, value):
        client.put_item(TableName="orders", Item={"pk": {"S": key}, "v": {"N": str(value)}})

    put("new", 1)
    put("new", 2)
    put("00001", 1)
    put("gone", 1)
    client.delete_item(TableName="orders", Key={"pk": {"S": "gone"}})
    client.delete_item(TableName="orders", Key={"pk": {"S": "00002"}})
    db.clock.advance(minutes=20)
    end_time = db.clock.now()
    put("new", 3)
    put("00003", 3)
    between = {"ExportFromTime": begin_time, "ExportToTime": end_time}

    def changes(**more):
        found = run(
            client, exported_table, ExportType="INCREMENTAL_EXPORT", IncrementalExportSpecification={**between, **more}
        )
        assert (found["ExportStatus"], found["ExportType"]) == ("COMPLETED", "INCREMENTAL_EXPORT")
        assert "ExportTime" not in found
        summary = json.loads((bucket / found["ExportManifest"]).read_text())
        assert (summary["exportType"], summary["itemCount"]) == ("INCREMENTAL_EXPORT", 3)
        (file,) = map(json.loads, (bucket / summary["manifestFilesS3Key"]).read_text().splitlines())
        assert file["dataFileS3Key"].startswith("AWSDynamoDB/data/")
        rows = map(json.loads, gzip.decompress((bucket / file["dataFileS3Key"]).read_bytes()).decode().splitlines())
        return summary, sorted(rows, key=lambda row: row["Keys"]["pk"]["S"])

    micros = {"WriteTimestampMicros": {"N": str(round(begin_time.timestamp() * 1000) * 1000)}}
    summary, rows = changes()
    assert (summary["version"], summary["outputView"]) == ("2023-08-01", "NEW_AND_OLD_IMAGES")
    assert rows == [
        {
            "Metadata": micros,
            "Keys": {"pk": {"S": "00001"}},
            "OldImage": numbered(1, 1)[0],
            "NewImage": {"pk": {"S": "00001"}, "v": {"N": "1"}},
        },
        {"Metadata": micros, "Keys": {"pk": {"S": "00002"}}, "OldImage": numbered(1, 2)[0]},
        {"Metadata": micros, "Keys": {"pk": {"S": "new"}}, "NewImage": {"pk": {"S": "new"}, "v": {"N": "2"}}},
    ]
    summary, rows = changes(ExportViewType="NEW_IMAGE")
    assert summary["outputView"] == "NEW_IMAGE"
    assert [sorted(row) for row in rows] == [["Keys", "Metadata", "NewImage"], ["Keys", "Metadata"]] + [
        ["Keys", "Metadata", "NewImage"]
    ]
    invalid = "One or more parameter values were invalid: "
    for more, message in (
        ({}, "IncrementalExportSpecification must be specified if ExportType is INCREMENTAL_EXPORT"),
        (
            {"IncrementalExportSpecification": {"ExportFromTime": begin_time, "ExportToTime": begin_time}},
            "ExportFromTime and ExportToTime must be between 15 minutes and 24 hours apart",
        ),
        ({"IncrementalExportSpecification": {}}, "ExportFromTime must be specified"),
    ):
        refused.invalid(
            lambda more=more: begin(client, exported_table, ExportType="INCREMENTAL_EXPORT", **more), invalid + message
        )


@pytest.mark.parametrize("export_format", ["DYNAMODB_JSON", "ION"])
def test_what_was_exported_can_be_imported(db, client, bucket, exported_table, export_format):
    found = run(client, exported_table, ExportFormat=export_format)
    data = found["ExportManifest"].replace("manifest-summary.json", "data/")
    arn = client.import_table(
        S3BucketSource={"S3Bucket": "data", "S3KeyPrefix": data},
        InputFormat=export_format,
        InputCompressionType="GZIP",
        TableCreationParameters={
            "TableName": "again",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    )["ImportTableDescription"]["ImportArn"]
    done = until(
        lambda: client.describe_import(ImportArn=arn)["ImportTableDescription"],
        lambda found: found["ImportStatus"] != "IN_PROGRESS",
    )
    assert (done["ImportStatus"], done["ErrorCount"], done["ImportedItemCount"]) == ("COMPLETED", 0, 51)
    assert scanned(client, "again") == scanned(client, "orders")


def test_an_empty_table_gives_an_empty_file(db, client, bucket):
    create_table(client)
    recover(client)
    _, rows = read(bucket, run(client, "arn:aws:dynamodb:eu-west-1:000000000000:table/orders"))
    assert rows == []


def test_the_table_must_be_there_and_recover(db, client):
    arn = "arn:aws:dynamodb:eu-west-1:000000000000:table/orders"
    with pytest.raises(client.exceptions.TableNotFoundException):
        begin(client, arn)
    create_table(client)
    with pytest.raises(client.exceptions.PointInTimeRecoveryUnavailableException) as refusal:
        begin(client, arn)
    message = "Point in time recovery is not enabled for table 'orders'"
    assert refusal.value.response["Error"]["Message"] == message
    recover(client)
    for hours in (-1, 1):
        with pytest.raises(client.exceptions.InvalidExportTimeException):
            begin(client, arn, ExportTime=db.clock.now().timestamp() + hours * 3600)


@pytest.mark.parametrize("name", ["nothing", "linked"])
def test_a_bucket_that_is_not_there_fails_the_export(db, client, buckets, exported_table, name):
    outside = buckets.parent / "outside"
    outside.mkdir()
    os.symlink(outside, buckets / "linked")
    found = run(client, exported_table, S3Bucket=name)
    assert (found["ExportStatus"], found["FailureCode"]) == ("FAILED", "S3NoSuchBucket")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("prefix", ["../outside", "a/../../outside", "/etc", "a//b", "a/./b", ".hidden"])
def test_nothing_is_written_outside_of_the_bucket(db, client, buckets, refused, exported_table, prefix):
    refused.invalid(
        lambda: begin(client, exported_table, S3Prefix=prefix),
        "One or more parameter values were invalid: fdyno writes below its folder of buckets only, and "
        f"{prefix} is no path there",
    )
    assert [path.name for path in buckets.iterdir()] == ["data"]


def test_a_link_on_the_way_is_not_followed(db, client, bucket, exported_table, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    os.symlink(outside, bucket / "link")
    found = run(client, exported_table, S3Prefix="link")
    assert (found["ExportStatus"], found["FailureCode"]) == ("FAILED", "S3AccessDenied")
    assert list(outside.iterdir()) == []


def test_a_token_stands_for_its_request(db, client, exported_table):
    first = run(client, exported_table, ClientToken="t")
    assert begin(client, exported_table, ClientToken="t")["ExportArn"] == first["ExportArn"]
    with pytest.raises(client.exceptions.ExportConflictException):
        begin(client, exported_table, ClientToken="t", S3Prefix="elsewhere")
    db.clock.advance(hours=8)
    assert begin(client, exported_table, ClientToken="t")["ExportArn"] != first["ExportArn"]


def test_exports_are_listed_page_by_page(db, client, exported_table):
    db.clock.freeze()
    arns = []
    for _ in range(4):
        arns.append(run(client, exported_table)["ExportArn"])
        db.clock.advance(seconds=1)
    arns.reverse()
    one = client.list_exports(TableArn=exported_table, MaxResults=3)
    two = client.list_exports(TableArn=exported_table, MaxResults=3, NextToken=one["NextToken"])
    assert [each["ExportArn"] for page in (one, two) for each in page["ExportSummaries"]] == arns
    assert {each["ExportStatus"] for each in one["ExportSummaries"]} == {"COMPLETED"}
    assert "NextToken" not in two
    db.clock.advance(days=91)
    assert client.list_exports()["ExportSummaries"] == []


def test_what_is_not_there_is_not_found(db, client, refused):
    with pytest.raises(client.exceptions.ExportNotFoundException):
        describe(client, "arn:aws:dynamodb:eu-west-1:000000000000:table/orders/export/01658528578619-c4d4e311")
    refused.invalid(lambda: describe(client, "x" * 40), f"Invalid export ARN: {'x' * 40}")


def test_a_restart_goes_on_where_it_was(client, bucket, tmp_path):
    url, arn = f"file:{tmp_path / 'database'}", "arn:aws:dynamodb:eu-west-1:000000000000:table/orders"
    with fdyno.connect(url) as database, database.activate():
        create_table(client)
        recover(client)
        all_items = [{**item, "v": {"S": "x" * 2000}} for item in numbered(8_000)]
        for at in range(0, 8_000, 25):
            puts = [{"PutRequest": {"Item": item}} for item in all_items[at : at + 25]]
            client.batch_write_item(RequestItems={"orders": puts})
        export = begin(client, arn)["ExportArn"]
    openings = 0
    while True:
        with fdyno.connect(url) as database, database.activate():
            found = describe(client, export)
            if found["ExportStatus"] != "IN_PROGRESS":
                break
            openings += 1
            # A database that is closed in the middle of its work.
            data = bucket / "AWSDynamoDB" / export.rsplit("/", 1)[1] / "data"
            size = sum(path.stat().st_size for path in data.iterdir()) if data.exists() else 0
            until(
                lambda: (describe(client, export), data),
                lambda seen: seen[0]["ExportStatus"] != "IN_PROGRESS"
                or data.exists()
                and sum(path.stat().st_size for path in data.iterdir()) != size,
            )
    assert openings > 1
    assert (found["ExportStatus"], found["ItemCount"]) == ("COMPLETED", 8_000)
    _, rows = read(bucket, found)
    assert items(rows) == all_items


def test_without_a_folder_of_buckets_nothing_is_exported(client, monkeypatch):
    monkeypatch.delenv(BUCKETS_VARIABLE)
    with fdyno.local(), pytest.raises(ClientError) as refusal:
        begin(client, "arn:aws:dynamodb:eu-west-1:000000000000:table/orders")
    assert BUCKETS_VARIABLE in refusal.value.response["Error"]["Message"]
