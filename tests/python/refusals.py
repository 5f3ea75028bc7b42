"""What a refused call must be: DynamoDB's code and message, nothing changed, no record written, the database usable."""

from __future__ import annotations

import botocore.exceptions
import pytest
import records
import tables

# Since 2026 DynamoDB's regions say some messages within this envelope and some without it (captures of the project
# paritysuite/dynamodb-conformance); which ones differs by region and from month to month. Both are right.
ENVELOPE = "1 validation error detected: "
REGION = "eu-west-1"


class Refusals:
    """Calls that must be refused, and what they must have left behind: nothing."""

    def __init__(self, database):
        self.client = database.client("dynamodb", region_name=REGION)
        self.streams = database.client("dynamodbstreams", region_name=REGION)

    def __call__(self, call, code, message, **parameters):
        """Calls with `parameters`; gives the response of the error."""
        before = self.state()
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            call(**parameters)
        error = caught.value
        assert error.response["Error"]["Code"] == code, error
        said = error.response["Error"]["Message"]
        if callable(getattr(message, "search", None)):
            assert message.search(said), said
        else:
            assert said in (message, ENVELOPE + message)
        assert type(error).__name__ in (code, "ClientError")
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert status == 400
        assert self.state() == before, "a refused call left something behind"
        self.check_usable()
        return error.response

    def invalid(self, call, message, **parameters):
        """A ValidationException."""
        return self(call, "ValidationException", message, **parameters)

    def state(self):
        """All there is to see: tables with their counts, items, streams with their records."""
        seen = {}
        for name in self.table_names():
            described = self.client.describe_table(TableName=name)["Table"]
            seen[name] = (described, tables.by_key(tables.scan_all(self.client, name)))
        for stream in self.streams.list_streams()["Streams"]:
            arn = stream["StreamArn"]
            description = self.streams.describe_stream(StreamArn=arn)["StreamDescription"]
            seen[arn] = (description, records.numbers(records.read(self.streams, arn)))
        return seen

    def table_names(self):
        return self.client.list_tables()["TableNames"]

    def check_usable(self):
        """Writes an item with the keys of each table in a table of its own, and takes that away again."""
        probe = "refusals.probe"
        self.client.create_table(
            TableName=probe,
            KeySchema=tables.key_schema("pk"),
            AttributeDefinitions=tables.attributes(pk="S"),
            BillingMode="PAY_PER_REQUEST",
        )
        self.client.put_item(TableName=probe, Item={"pk": {"S": "probe"}})
        assert tables.scan_all(self.client, probe) == [{"pk": {"S": "probe"}}]
        self.client.delete_table(TableName=probe)

    def check_tables_usable(self):
        """Writes and reads in every table that is left."""
        values = {"S": {"S": "refusals.probe"}, "N": {"N": "7654321"}, "B": {"B": b"refusals.probe"}}
        for name in self.table_names():
            described = self.client.describe_table(TableName=name)["Table"]
            types = {entry["AttributeName"]: entry["AttributeType"] for entry in described["AttributeDefinitions"]}
            key = {
                element["AttributeName"]: values[types[element["AttributeName"]]] for element in described["KeySchema"]
            }
            self.client.put_item(TableName=name, Item=key)
            assert self.client.get_item(TableName=name, Key=key)["Item"] == key
