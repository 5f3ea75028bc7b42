"""ImportTable, DescribeImport, ListImports: tables made of the objects of a folder that stands for a bucket."""

import datetime
import gzip
import json
import os

import fdyno
import pytest
from botocore.exceptions import ClientError
from buckets import lines, numbered, put, scanned, until
from conftest import create_table
from fdyno._database import BUCKETS_VARIABLE

pytestmark = [pytest.mark.needs_model("ImportTable"), pytest.mark.usefixtures("buckets")]


PARAMETERS = {
    "TableName": "imported",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def begin(client, prefix="", **more):
    asked = {
        "S3BucketSource": {"S3Bucket": "data", "S3KeyPrefix": prefix},
        "InputFormat": "DYNAMODB_JSON",
        "TableCreationParameters": PARAMETERS,
    }
    return client.import_table(**{**asked, **more})["ImportTableDescription"]


def describe(client, arn):
    return client.describe_import(ImportArn=arn)["ImportTableDescription"]


def ended(client, arn):
    """The import's description once it has ended."""
    return until(lambda: describe(client, arn), lambda found: found["ImportStatus"] != "IN_PROGRESS")


def run(client, *rest, **more):
    return ended(client, begin(client, *rest, **more)["ImportArn"])


def log(buckets, found):
    path = buckets / ".logs/aws-dynamodb/imports" / found["ImportArn"].rsplit("/", 1)[1] / "error"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.core
def test_a_table_is_made_of_objects(db, client, bucket, buckets):
    put(bucket, "in/b.json", lines(numbered(250)))
    put(bucket, "in/a.json", lines([{"pk": {"S": "x"}, "all": {"L": [{"B": b"\0\1".hex()}, {"M": {}}, {"NULL": True}]}}]))
    put(bucket, "other.json", "no JSON")
    begun = begin(client, "in/", ClientToken="once")
    assert begun["ImportArn"].startswith("arn:aws:dynamodb:eu-west-1:000000000000:table/imported/import/0")
    assert begun["ImportStatus"] == "IN_PROGRESS"
    assert begun["TableCreationParameters"] == PARAMETERS
    assert begun["S3BucketSource"] == {"S3Bucket": "data", "S3KeyPrefix": "in/"}
    assert (begun["InputFormat"], begun["InputCompressionType"]) == ("DYNAMODB_JSON", "NONE")
    assert begun["ClientToken"] == "once"
    assert "EndTime" not in begun
    found = ended(client, begun["ImportArn"])
    assert found["ImportStatus"] == "COMPLETED"
    assert (found["ProcessedItemCount"], found["ImportedItemCount"], found["ErrorCount"]) == (251, 251, 0)
    assert found["ProcessedSizeBytes"] == sum(path.stat().st_size for path in (bucket / "in").iterdir())
    assert found["EndTime"] >= found["StartTime"]
    assert "FailureCode" not in found
    table = client.describe_table(TableName="imported")["Table"]
    assert (table["TableStatus"], table["ItemCount"], table["TableId"]) == ("ACTIVE", 251, found["TableId"])
    assert table["TableArn"] == found["TableArn"]
    assert scanned(client, "imported")[:250] == numbered(250)
    assert scanned(client, "imported")[250]["all"]["L"][1:] == [{"M": {}}, {"NULL": True}]
    assert log(buckets, found) == []


def test_while_its_items_are_imported_a_table_is_being_created(db, client, bucket):
    put(bucket, "a.json", lines(numbered(20_000)))
    arn = begin(client)["ImportArn"]
    shown = client.describe_table(TableName="imported")["Table"]["TableStatus"]
    refusals = []
    for call in (
        lambda: client.put_item(TableName="imported", Item={"pk": {"S": "x"}}),
        lambda: client.scan(TableName="imported"),
        lambda: client.delete_table(TableName="imported"),
        lambda: client.update_table(TableName="imported", DeletionProtectionEnabled=True),
    ):
        with pytest.raises(ClientError) as refusal:
            call()
        refusals.append(refusal.value.response["Error"])
    assert describe(client, arn)["ImportStatus"] == "IN_PROGRESS", "the calls above came too late to say anything"
    assert shown == "CREATING"
    missing = {"Code": "ResourceNotFoundException", "Message": "Requested resource not found"}
    busy = "Attempt to change a resource which is still in use: Table is being created: imported"
    assert refusals[:2] == [missing, missing]
    assert refusals[2:] == [{"Code": "ResourceInUseException", "Message": busy}] * 2
    assert ended(client, arn)["ImportedItemCount"] == 20_000
    assert client.describe_table(TableName="imported")["Table"]["ItemCount"] == 20_000
    client.delete_table(TableName="imported")


@pytest.mark.parametrize(("compression", "pack"), [("NONE", bytes), ("GZIP", gzip.compress)])
def test_csv_gives_keys_their_types_and_all_else_as_text(db, client, bucket, compression, pack):
    put(bucket, "a.csv", 'pk,n,b,other\r\nx,1.50,AAE=,"with, comma\nand line"\ny,-7,,42\n', pack)
    parameters = {
        **PARAMETERS,
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind} for name, kind in (("pk", "S"), ("n", "N"), ("b", "B"))
        ],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by_b",
                "KeySchema": [{"AttributeName": "b", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    }
    found = run(
        client, InputFormat="CSV", InputCompressionType=compression, TableCreationParameters=parameters
    )
    # The second has an empty value for an index key.
    assert (found["ImportedItemCount"], found["ErrorCount"]) == (1, 1)
    item = {"pk": {"S": "x"}, "n": {"N": "1.5"}, "b": {"B": b"\0\1"}, "other": {"S": "with, comma\nand line"}}
    assert client.scan(TableName="imported")["Items"] == [item]
    assert client.scan(TableName="imported", IndexName="by_b")["Items"] == [item]


def test_csv_with_its_own_delimiter_and_headers(db, client, bucket):
    put(bucket, "a.csv", "a\tx\nb\ty\n")
    options = {"Csv": {"Delimiter": "\t", "HeaderList": ["pk", "v"]}}
    found = run(client, InputFormat="CSV", InputFormatOptions=options)
    assert (found["ImportStatus"], found["InputFormatOptions"]) == ("COMPLETED", options)
    assert scanned(client, "imported") == [{"pk": {"S": "a"}, "v": {"S": "x"}}, {"pk": {"S": "b"}, "v": {"S": "y"}}]


def test_what_is_no_item_is_counted_logged_and_passed_over(db, client, bucket, buckets):
    bad = [
        '{"Item": {"other": {"S": "x"}}}',
        "{",
        '{"Item": {"pk": {"N": "1"}}}',
        '{"pk": {"S": "x"}}',
        '{"Item": {"pk": {"S": "x"}, "n": {"N": "abc"}}}',
        '{"Item": {"pk": {"S": ""}}}',
        "[" * 100_000,
        '{"Item": {"pk": {"S": "big"}, "v": {"S": "' + "x" * 410_000 + '"}}}',
        "{}",
    ]
    put(bucket, "a.json", lines(numbered(1)) + "\n".join(bad) + "\n" + lines(numbered(1, 1)))
    put(bucket, "b.json", b"\xff\xfe\n" + lines(numbered(1, 2)).encode())
    found = run(client)
    assert (found["ImportStatus"], found["FailureCode"]) == ("FAILED", "ItemValidationError")
    assert found["FailureMessage"].startswith("Some of the items failed validation checks and were not imported.")
    assert (found["ProcessedItemCount"], found["ImportedItemCount"], found["ErrorCount"]) == (13, 3, 10)
    assert scanned(client, "imported") == numbered(3)
    told = log(buckets, found)
    assert [entry["itemS3Pointer"]["itemIndex"] for entry in told] == [*range(1, 10), 0]
    assert {entry["importArn"] for entry in told} == {found["ImportArn"]}
    assert told[0]["errorMessages"] == ["One or more parameter values were invalid: Missing the key pk in the item"]
    assert [entry["itemS3Pointer"]["key"] for entry in told] == ["a.json"] * 9 + ["b.json"]


def test_an_object_that_is_not_compressed_as_was_said_is_left(db, client, bucket, buckets):
    put(bucket, "a", lines(numbered(3)))
    put(bucket, "b", lines(numbered(2)), gzip.compress)
    found = run(client, InputCompressionType="GZIP")
    assert (found["ImportStatus"], found["ErrorCount"], found["ImportedItemCount"]) == ("FAILED", 1, 2)
    assert log(buckets, found)[0]["itemS3Pointer"]["key"] == "a"


def test_of_the_same_key_the_last_stays(db, client, bucket):
    put(bucket, "a", lines([*numbered(150), *({"pk": {"S": "00000"}, "n": {"N": str(n)}} for n in (7, 8))]))
    found = run(client)
    assert (found["ImportStatus"], found["ErrorCount"], found["ImportedItemCount"]) == ("COMPLETED", 0, 152)
    assert scanned(client, "imported")[0] == {"pk": {"S": "00000"}, "n": {"N": "8"}}
    assert len(scanned(client, "imported")) == 150


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ({"S3Bucket": "nothing"}, "S3NoSuchBucket"),
        ({"S3Bucket": "linked"}, "S3NoSuchBucket"),
        ({"S3Bucket": "data", "S3KeyPrefix": "nothing"}, "S3NoSuchKey"),
        ({"S3Bucket": "data", "S3KeyPrefix": "../outside"}, "S3NoSuchKey"),
        ({"S3Bucket": "data", "S3KeyPrefix": "/etc"}, "S3NoSuchKey"),
        ({"S3Bucket": "data", "S3KeyPrefix": "link"}, "S3NoSuchKey"),
    ],
)
def test_nothing_outside_of_the_folder_is_read_and_no_table_is_left(db, client, buckets, source, code):
    outside = buckets.parent / "outside"
    outside.mkdir()
    put(outside, "a", lines(numbered(1)))
    os.symlink(outside, buckets / "linked")
    os.symlink(outside, buckets / "data/link")
    os.symlink(outside / "a", buckets / "data/link.json")
    found = run(client, S3BucketSource=source)
    assert (found["ImportStatus"], found["FailureCode"]) == ("FAILED", code)
    assert client.list_tables()["TableNames"] == []
    put(buckets / "data", "good", lines(numbered(1)))
    assert run(client, "good")["ImportStatus"] == "COMPLETED"


@pytest.mark.parametrize("name", ["..", ".", "../outside", "a/b", "/etc", "-a", "a", ""])
def test_what_is_no_name_of_a_bucket_is_refused(db, client, refused, name):
    refused.invalid(
        lambda: begin(client, S3BucketSource={"S3Bucket": name}),
        f"1 validation error detected: Value '{name}' at 's3BucketSource.s3Bucket' failed to satisfy constraint: Member must "
        "satisfy regular expression pattern: ^[a-z0-9A-Z]+[\\.\\-\\w]*[a-z0-9A-Z]+$",
    )


def test_a_token_stands_for_its_request_for_eight_hours_after_the_end(db, client, bucket):
    put(bucket, "a", lines(numbered(1)))
    first = begin(client, ClientToken="t")
    assert begin(client, ClientToken="t")["ImportArn"] == first["ImportArn"]
    ended(client, first["ImportArn"])
    assert begin(client, ClientToken="t")["ImportArn"] == first["ImportArn"]
    with pytest.raises(client.exceptions.ImportConflictException):
        begin(client, "a", ClientToken="t")
    with pytest.raises(client.exceptions.ResourceInUseException) as refusal:
        begin(client, ClientToken="u")
    assert refusal.value.response["Error"]["Message"] == "Table already exists: imported"
    db.clock.advance(hours=8)
    client.delete_table(TableName="imported")
    assert begin(client, ClientToken="t")["ImportArn"] != first["ImportArn"]


def test_imports_are_listed_for_ninety_days_page_by_page(db, client, bucket):
    db.clock.freeze()
    put(bucket, "a", lines(numbered(1)))
    arns = []
    for table in ("first", "second"):
        for _ in range(3):
            found = run(client, TableCreationParameters={**PARAMETERS, "TableName": table})
            arns.append(found["ImportArn"])
            client.delete_table(TableName=table)
            db.clock.advance(seconds=1)
    newest_first = sorted(arns, reverse=True)

    def listed(**more):
        return [each["ImportArn"] for each in client.list_imports(**more)["ImportSummaryList"]]

    assert listed() == newest_first
    assert listed(TableArn=found["TableArn"]) == newest_first[:3]
    one = client.list_imports(PageSize=4)
    assert len(one["NextToken"]) >= 112 and len(one["NextToken"]) % 16 == 0
    two = client.list_imports(PageSize=4, NextToken=one["NextToken"])
    assert [each["ImportArn"] for page in (one, two) for each in page["ImportSummaryList"]] == newest_first
    assert "NextToken" not in two
    summary = one["ImportSummaryList"][0]
    assert {key: summary[key] for key in ("ImportStatus", "InputFormat", "TableArn")} == {
        "ImportStatus": "COMPLETED",
        "InputFormat": "DYNAMODB_JSON",
        "TableArn": found["TableArn"],
    }
    assert summary["StartTime"].replace(tzinfo=None) < datetime.datetime.max
    db.clock.advance(days=91)
    assert listed() == []
    with pytest.raises(client.exceptions.ImportNotFoundException):
        describe(client, arns[0])


def test_what_is_not_there_is_not_found(db, client, refused):
    for arn in (
        "arn:aws:dynamodb:eu-west-1:000000000000:table/imported/import/01658528578619-c4d4e311",
        "arn:aws:dynamodb:eu-west-1:000000000001:table/imported/import/01658528578619-c4d4e311",
        "arn:aws:dynamodb:us-east-1:000000000000:table/imported/import/01658528578619-c4d4e311",
    ):
        with pytest.raises(client.exceptions.ImportNotFoundException):
            describe(client, arn)
    other = "arn:aws:dynamodb:eu-west-1:000000000000:table/imported/export/01658528578619-c4d4e311"
    refused.invalid(lambda: describe(client, other), f"Invalid import ARN: {other}")
    refused.invalid(lambda: client.list_imports(NextToken="0" * 112), "Invalid NextToken")


def test_parameters_are_checked_like_those_of_create_table(db, client, refused, bucket):
    put(bucket, "a", lines(numbered(1)))
    wrong = {**PARAMETERS, "KeySchema": [{"AttributeName": "other", "KeyType": "HASH"}]}
    refused.invalid(
        lambda: begin(client, TableCreationParameters=wrong),
        "Invalid KeySchema: Some index key attribute have no definition",
    )
    refused.invalid(
        lambda: begin(client, TableCreationParameters={**PARAMETERS, "BillingMode": "FREE"}),
        "1 validation error detected: Value 'FREE' at 'tableCreationParameters.billingMode' failed to satisfy constraint: "
        "Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]",
    )
    refused.invalid(
        lambda: begin(client, InputFormatOptions={"Csv": {"Delimiter": ","}}),
        "One or more parameter values were invalid: InputFormatOptions.Csv can be specified only if InputFormat is CSV",
    )


def test_without_a_folder_of_buckets_nothing_is_imported(client, monkeypatch):
    monkeypatch.delenv(BUCKETS_VARIABLE, raising=False)
    with fdyno.local(), pytest.raises(ClientError) as refusal:
        begin(client)
    error = refusal.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert "connect(buckets=…)" in error["Message"] and BUCKETS_VARIABLE in error["Message"]


def test_the_folder_is_one(buckets, client, bucket, tmp_path, monkeypatch):
    monkeypatch.delenv(BUCKETS_VARIABLE)
    for wrong in (str(tmp_path / "nothing"), ""):
        with pytest.raises(ValueError, match="buckets="):
            fdyno.connect(buckets=wrong)
    put(bucket, "a", lines(numbered(1)))
    monkeypatch.chdir(tmp_path)
    with fdyno.local(buckets="buckets"):
        monkeypatch.chdir("/")
        assert run(client)["ImportStatus"] == "COMPLETED"


def test_a_restart_goes_on_where_it_was(client, bucket, tmp_path, buckets):
    put(bucket, "a", lines(numbered(15_000)))
    put(bucket, "b", "no JSON\n" + lines(numbered(15_000, 15_000)))
    put(bucket, "c", "no JSON\n" * 5)
    url = f"file:{tmp_path / 'database'}"
    with fdyno.connect(url) as database, database.activate():
        arn = begin(client)["ImportArn"]
        before = describe(client, arn)
    assert before["ImportStatus"] == "IN_PROGRESS"
    seen = []
    while True:
        with fdyno.connect(url) as database, database.activate():
            found = describe(client, arn)
            if found["ImportStatus"] != "IN_PROGRESS":
                break
            # Let it get somewhere.
            while describe(client, arn)["ProcessedItemCount"] == found["ProcessedItemCount"]:
                if describe(client, arn)["ImportStatus"] != "IN_PROGRESS":
                    break
            seen.append(found["ProcessedItemCount"])
    assert len(seen) > 2, "the import was over before it could be interrupted"
    assert (found["ImportedItemCount"], found["ErrorCount"], len(log(buckets, found))) == (30_000, 6, 6)
    with fdyno.connect(url) as database, database.activate():
        assert scanned(client, "imported") == numbered(30_000)


def test_a_twin_does_not_go_on_with_what_the_other_does(forking_db, client, bucket):
    put(bucket, "a", lines(numbered(20_000)))
    with fdyno.local() as database:
        arn = begin(client)["ImportArn"]
        twin = database.fork()
        assert describe(client, arn)["ImportStatus"] == "IN_PROGRESS"
        with twin.activate():
            found = ended(client, arn)
            assert (found["ImportStatus"], found["FailureCode"]) == ("FAILED", "InternalServerError")
        assert ended(client, arn)["ImportStatus"] == "COMPLETED"


def test_an_existing_table_is_left_as_it_is(db, client, bucket):
    create_table(client, "imported")
    client.put_item(TableName="imported", Item={"pk": {"S": "mine"}})
    with pytest.raises(client.exceptions.ResourceInUseException):
        begin(client)
    assert scanned(client, "imported") == [{"pk": {"S": "mine"}}]
