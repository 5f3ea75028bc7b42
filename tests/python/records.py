"""Reading streams with nothing but boto3's `dynamodbstreams` client."""

from __future__ import annotations


def stream_arn(client, table):
    return client.describe_table(TableName=table)["Table"]["LatestStreamArn"]


def shard(streams, arn):
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    return shard


def iterator(streams, arn, kind="TRIM_HORIZON", **more):
    shard_id = shard(streams, arn)["ShardId"]
    answer = streams.get_shard_iterator(StreamArn=arn, ShardId=shard_id, ShardIteratorType=kind, **more)
    return answer["ShardIterator"]


def read(streams, arn, kind="TRIM_HORIZON", **more):
    """All records from the iterator's place on that are there now."""
    records, position = [], iterator(streams, arn, kind, **more)
    while position:
        page = streams.get_records(ShardIterator=position)
        records += page["Records"]
        if not page["Records"]:
            break
        position = page.get("NextShardIterator")
    return records


def numbers(records):
    return [record["dynamodb"]["SequenceNumber"] for record in records]


def told(records):
    """What a record is about: its kind, its key's values, its images."""
    return [
        (
            record["eventName"],
            record["dynamodb"]["Keys"],
            record["dynamodb"].get("OldImage"),
            record["dynamodb"].get("NewImage"),
        )
        for record in records
    ]


def kinds(records):
    return [record["eventName"] for record in records]
