"""AWS Lambda Powertools under an event source: its batch processor, data classes, logger and idempotency, as published."""

import io
import json
import uuid

import boto3
import pytest
from conftest import create_table
from packages import needed
from tables import NEW_AND_OLD, S

needed("aws_lambda_powertools")

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import (
    AsyncBatchProcessor,
    BatchProcessor,
    EventType,
    async_process_partial_response,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from aws_lambda_powertools.utilities.data_classes import DynamoDBStreamEvent, event_source
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import (
    DynamoDBRecord,
    DynamoDBRecordEventName,
    StreamViewType,
)
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)


@pytest.fixture
def orders(db):
    create_table(db.client(), StreamSpecification=NEW_AND_OLD)
    return db


def put(db, *names, **more):
    client = db.client()
    for name in names:
        client.put_item(TableName="orders", Item={"pk": S(name), **more})


class Billing:
    """A record handler as its users write them; the records of some keys fail."""

    def __init__(self, *poison):
        self.poison = set(poison)
        self.tried = []
        self.billed = []

    def __call__(self, record: DynamoDBRecord):
        name = record.dynamodb.new_image["pk"]
        self.tried.append(name)
        if name in self.poison:
            raise LookupError(name)
        self.billed.append(name)


def test_partial_failures_are_tried_again_from_the_first_one(orders):
    put(orders, *"abcde")
    billing = Billing("c")
    processor = BatchProcessor(event_type=EventType.DynamoDBStreams)

    def handler(event, context):
        return process_partial_response(event=event, record_handler=billing, processor=processor, context=context)

    failed = []
    source = orders.event_source(
        "orders", handler, retries=1, bisect_on_error=True, report_batch_item_failures=True, on_failure=failed.append
    )
    summary = source.drain()
    assert (summary.records, summary.discarded) == (4, 1)
    # The second try begins with c and fails again, so that c is split off; alone it has its two tries.
    assert "".join(billing.tried) == "abcdecdeccde"
    assert set(billing.billed) == set("abde")
    [document] = failed
    assert document["DDBStreamBatchInfo"]["batchSize"] == 1
    records = {change.keys["pk"]: change.sequence_number for change in orders.changes("orders")}
    assert document["DDBStreamBatchInfo"]["startSequenceNumber"] == records["c"]


def test_a_record_that_succeeds_the_second_time_is_done(orders):
    put(orders, "a", "b")
    billing = Billing("b")
    processor = BatchProcessor(event_type=EventType.DynamoDBStreams)

    def handler(event, context):
        answer = process_partial_response(event=event, record_handler=billing, processor=processor, context=context)
        billing.poison.clear()
        return answer

    source = orders.event_source("orders", handler, retries=1, report_batch_item_failures=True)
    source.drain()
    assert billing.billed == ["a", "b"] and billing.tried == ["a", "b", "b"]
    assert source.position == [change.sequence_number for change in orders.changes("orders")][-1]


def test_a_batch_of_which_every_record_fails_raises(orders):
    put(orders, "a", "b")
    processor = BatchProcessor(event_type=EventType.DynamoDBStreams)

    def handler(event, context):
        return process_partial_response(
            event=event, record_handler=Billing("a", "b"), processor=processor, context=context
        )

    source = orders.event_source("orders", handler, report_batch_item_failures=True)
    with pytest.raises(BatchProcessingError):
        source.drain()
    assert source.position is None


def test_the_asynchronous_processor_works_too(orders):
    put(orders, "a", "b", "c")
    billing = Billing("b")

    async def bill(record: DynamoDBRecord):
        billing(record)

    processor = AsyncBatchProcessor(event_type=EventType.DynamoDBStreams)

    def handler(event, context):
        return async_process_partial_response(event=event, record_handler=bill, processor=processor, context=context)

    summary = orders.event_source("orders", handler, retries=0, report_batch_item_failures=True).drain()
    assert (summary.records, summary.discarded) == (1, 2)


def test_its_data_classes_read_the_event(orders):
    put(orders, "a", n={"N": "1"}, tags={"SS": ["x", "y"]}, deep={"M": {"list": {"L": [{"NULL": True}, {"N": "2.5"}]}}})
    put(orders, "a", n={"N": "2"})
    orders.client().delete_item(TableName="orders", Key={"pk": S("a")})
    seen = []

    @event_source(data_class=DynamoDBStreamEvent)
    def handler(event: DynamoDBStreamEvent, context):
        seen.extend(event.records)

    source = orders.event_source("orders", handler)
    source.drain()
    names = DynamoDBRecordEventName
    assert [record.event_name for record in seen] == [names.INSERT, names.MODIFY, names.REMOVE]
    insert, modify, remove = (record.dynamodb for record in seen)
    assert insert.keys == {"pk": "a"} and not insert.old_image
    assert insert.new_image["n"] == 1 and insert.new_image["tags"] == {"x", "y"}
    assert [None if value is None else float(value) for value in insert.new_image["deep"]["list"]] == [None, 2.5]
    assert modify.old_image["n"] == 1 and modify.new_image["n"] == 2
    assert remove.old_image == {"pk": "a", "n": 2} and not remove.new_image
    changes = list(orders.changes("orders"))
    assert [body.sequence_number for body in (insert, modify, remove)] == [each.sequence_number for each in changes]
    assert [body.approximate_creation_date_time for body in (insert, modify, remove)] == [
        change.time.timestamp() for change in changes
    ]
    assert {body.stream_view_type for body in (insert, modify, remove)} == {StreamViewType.NEW_AND_OLD_IMAGES}
    assert all(body.size_bytes > 0 for body in (insert, modify, remove))
    assert {record.event_source_arn for record in seen} == {source.stream_arn}
    assert {record.aws_region for record in seen} == {source.stream_arn.split(":")[3]}
    assert {(record.event_source, record.event_version) for record in seen} == {("aws:dynamodb", "1.1")}
    assert [record.event_id for record in seen] == [change.event_id for change in changes]


def test_its_logger_takes_the_context(orders):
    put(orders, "a")
    written = io.StringIO()
    # A logger is one of the process, by its name.
    logger = Logger(service=f"billing {uuid.uuid4()}", stream=written)

    @logger.inject_lambda_context
    def handler(event, context):
        logger.info("billed")

    source = orders.event_source("orders", handler)
    source.drain()
    line = json.loads(written.getvalue())
    assert (line["message"], line["function_name"]) == ("billed", "handler")
    assert line["function_arn"].endswith(":function:handler") and line["function_request_id"]


def test_its_idempotency_bills_once_although_a_batch_comes_twice(orders):
    orders.client().create_table(
        TableName="idempotency",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    put(orders, "a", "b")
    layer = DynamoDBPersistenceLayer(table_name="idempotency", boto3_session=boto3.Session(region_name=orders.client().region))
    config = IdempotencyConfig(event_key_jmespath="eventID")
    billed = []

    @idempotent_function(
        data_keyword_argument="record",
        persistence_store=layer,
        config=config,
    )
    def bill(record):
        billed.append(record["dynamodb"]["Keys"]["pk"]["S"])

    def handler(event, context):
        config.register_lambda_context(context)
        for record in event["Records"]:
            bill(record=record)
        if len(tries) < 2:
            tries.append(context.aws_request_id)
            raise OSError("behind the last record")

    tries = []
    assert orders.event_source("orders", handler, retries=2).drain().records == 2
    assert len(tries) == 2 and billed == ["a", "b"]
