// The JavaScript SDK against `fdyno serve`: items, errors, pages, transactions, and a consumer of the stream.

import assert from "node:assert/strict";
import {
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  PutItemCommand,
  ResourceNotFoundException,
  TransactWriteItemsCommand,
  TransactionCanceledException,
  paginateScan,
  waitUntilTableExists,
  waitUntilTableNotExists,
} from "@aws-sdk/client-dynamodb";
import {
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
} from "@aws-sdk/client-dynamodb-streams";
import { DynamoDBDocumentClient, GetCommand, PutCommand, QueryCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";

const TableName = "javascript";
const configuration = {
  endpoint: process.env.FDYNO_ENDPOINT,
  region: "eu-west-1",
  credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY },
  maxAttempts: 1,
};
const client = new DynamoDBClient(configuration);
const document = DynamoDBDocumentClient.from(client);
const streams = new DynamoDBStreamsClient(configuration);

/** Every record of a stream so far, in order. */
async function records(StreamArn, expected) {
  const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn }));
  const found = [];
  for (const { ShardId } of StreamDescription.Shards) {
    let { ShardIterator } = await streams.send(
      new GetShardIteratorCommand({ StreamArn, ShardId, ShardIteratorType: "TRIM_HORIZON" }),
    );
    while (ShardIterator && found.length < expected) {
      const page = await streams.send(new GetRecordsCommand({ ShardIterator, Limit: 7 }));
      found.push(...page.Records);
      ShardIterator = page.NextShardIterator;
    }
  }
  return found;
}

await assert.rejects(document.send(new GetCommand({ TableName, Key: { pk: "a", sk: 1 } })), ResourceNotFoundException);

const { TableDescription } = await client.send(
  new CreateTableCommand({
    TableName,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [
      { AttributeName: "pk", AttributeType: "S" },
      { AttributeName: "sk", AttributeType: "N" },
    ],
    KeySchema: [
      { AttributeName: "pk", KeyType: "HASH" },
      { AttributeName: "sk", KeyType: "RANGE" },
    ],
    StreamSpecification: { StreamEnabled: true, StreamViewType: "NEW_AND_OLD_IMAGES" },
  }),
);
await waitUntilTableExists({ client, maxWaitTime: 30 }, { TableName });

const item = { pk: "a", sk: 1, text: "häß — 漢字 \u{1F600}", list: [1, "two", null, true], map: { n: 1.5 }, data: new Uint8Array([0, 255]) };
await document.send(new PutCommand({ TableName, Item: item }));
const got = await document.send(new GetCommand({ TableName, Key: { pk: "a", sk: 1 }, ConsistentRead: true }));
assert.deepEqual(got.Item, item);

const refused = await document
  .send(new PutCommand({ TableName, Item: item, ConditionExpression: "attribute_not_exists(pk)", ReturnValuesOnConditionCheckFailure: "ALL_OLD" }))
  .catch((error) => error);
assert.ok(refused instanceof ConditionalCheckFailedException);
assert.equal(refused.$metadata.httpStatusCode, 400);
assert.equal(refused.$metadata.requestId.length, 52);
assert.equal(refused.Item.pk.S ?? refused.Item.pk, "a");

const updated = await document.send(
  new UpdateCommand({
    TableName,
    Key: { pk: "a", sk: 1 },
    UpdateExpression: "SET #n = :n REMOVE #t",
    ExpressionAttributeNames: { "#n": "n", "#t": "text" },
    ExpressionAttributeValues: { ":n": 2 },
    ReturnValues: "ALL_NEW",
  }),
);
assert.equal(updated.Attributes.n, 2);

await client.send(
  new BatchWriteItemCommand({
    RequestItems: {
      [TableName]: Array.from({ length: 20 }, (_, n) => ({
        PutRequest: { Item: { pk: { S: "b" }, sk: { N: String(n) }, filling: { S: "x".repeat(100_000) } } },
      })),
    },
  }),
);
const queried = await document.send(
  new QueryCommand({
    TableName,
    KeyConditionExpression: "pk = :pk AND sk BETWEEN :low AND :high",
    ExpressionAttributeValues: { ":pk": "b", ":low": 5, ":high": 9 },
    ScanIndexForward: false,
    ProjectionExpression: "sk",
  }),
);
assert.deepEqual(queried.Items.map(({ sk }) => sk), [9, 8, 7, 6, 5]);
let pages = 0;
let scanned = 0;
for await (const page of paginateScan({ client }, { TableName })) {
  pages += 1;
  scanned += page.Count;
}
assert.equal(scanned, 21);
assert.ok(pages > 1, "two megabytes are more than a page");

const cancelled = await client
  .send(
    new TransactWriteItemsCommand({
      TransactItems: [
        { Put: { TableName, Item: { pk: { S: "c" }, sk: { N: "1" } } } },
        { Put: { TableName, Item: { pk: { S: "a" }, sk: { N: "1" } }, ConditionExpression: "attribute_not_exists(pk)" } },
      ],
    }),
  )
  .catch((error) => error);
assert.ok(cancelled instanceof TransactionCanceledException);
assert.deepEqual(cancelled.CancellationReasons.map(({ Code }) => Code), ["None", "ConditionalCheckFailed"]);

const seen = await records(TableDescription.LatestStreamArn, 22);
assert.deepEqual(seen.slice(0, 2).map(({ eventName }) => eventName), ["INSERT", "MODIFY"]);
assert.equal(seen.length, 22);
assert.deepEqual(seen[1].dynamodb.NewImage.n, { N: "2" });
assert.ok(seen[0].dynamodb.ApproximateCreationDateTime instanceof Date);
const numbers = seen.map(({ dynamodb }) => BigInt(dynamodb.SequenceNumber));
assert.ok(numbers.every((number, at) => at === 0 || numbers[at - 1] < number));

await client.send(new DeleteTableCommand({ TableName }));
await waitUntilTableNotExists({ client, maxWaitTime: 30 }, { TableName });

const stranger = new DynamoDBClient({ ...configuration, credentials: { accessKeyId: "AKIDOTHER", secretAccessKey: "x" } });
await assert.rejects(stranger.send(new PutItemCommand({ TableName, Item: { pk: { S: "a" } } })), {
  name: "UnrecognizedClientException",
});
console.log("JavaScript SDK: ok");
