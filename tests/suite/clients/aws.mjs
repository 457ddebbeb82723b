// S3, SQS and DynamoDB as the AWS SDK for JavaScript asks them, by path. Argument: the address.
import assert from "node:assert";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
  CreateTableCommand, DeleteItemCommand, DynamoDBClient, GetItemCommand, PutItemCommand, QueryCommand, UpdateItemCommand,
  waitUntilTableExists,
} from "@aws-sdk/client-dynamodb";
import {
  CopyObjectCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, NoSuchKey,
  PutObjectCommand, S3Client, paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import {
  ChangeMessageVisibilityBatchCommand, CreateQueueCommand, DeleteMessageBatchCommand, GetQueueAttributesCommand,
  QueueDoesNotExist, ReceiveMessageCommand, SQSClient, SendMessageBatchCommand, SendMessageCommand,
} from "@aws-sdk/client-sqs";
import { Upload } from "@aws-sdk/lib-storage";

const endpoint = process.argv[2];
const config = { endpoint, maxAttempts: 1 };
const md5 = (bytes) => createHash("md5").update(bytes).digest("hex");

// S3
const s3 = new S3Client({ ...config, forcePathStyle: true });
const Bucket = "edit.acme.webordinary.com";
const put = (Key, Body, more = {}) => s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const get = async (Key) => (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToByteArray();
for (const [key, body] of [["index.html", "<p>"], ["empty", Buffer.alloc(0)], ["a b+ü/%41.txt", "odd"], ["dir", "x"], ["dir/file", "y"]]) {
  await put(key, body, { ContentType: "text/html", CacheControl: "max-age=1", Metadata: { a: "1" } });
  assert.equal(Buffer.from(await get(key)).toString(), body.toString());
}
const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "index.html" }));
assert.deepEqual([head.ContentType, head.CacheControl, head.Metadata, head.ContentLength], ["text/html", "max-age=1", { a: "1" }, 3]);
await s3.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/index.html` }));
const bytes = Buffer.alloc(20 * 1024 * 1024, "0123456789abcdef!");
const progress = [];
const upload = new Upload({ client: s3, params: { Bucket, Key: "large.bin", Body: Readable.from((function* () {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
})()) }, partSize: 6 * 1024 * 1024 });
upload.on("httpUploadProgress", ({ part }) => progress.push(part));
const { ETag } = await upload.done();
assert.match(ETag, /-4"$/);
assert.equal(new Set(progress).size, 4);
assert.equal(md5(await get("large.bin")), md5(bytes));
await put("streamed", Readable.from([Buffer.from("streamed")]), { ContentLength: 8 });
assert.equal((await s3.send(new HeadObjectCommand({ Bucket, Key: "streamed" }))).ContentEncoding, undefined);
const keys = [];
for await (const page of paginateListObjectsV2({ client: s3, pageSize: 3 }, { Bucket })) keys.push(...page.Contents.map(({ Key }) => Key));
assert.deepEqual(keys, ["a b+ü/%41.txt", "copy", "dir", "dir/file", "empty", "index.html", "large.bin", "streamed"]);
const folders = await s3.send(new ListObjectsV2Command({ Bucket, Delimiter: "/" }));
assert.deepEqual(folders.CommonPrefixes.map(({ Prefix }) => Prefix), ["a b+ü/", "dir/"]);
await assert.rejects(get("none"), NoSuchKey);
const gone = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }));
assert.equal(gone.Deleted.length, keys.length);
assert.equal((await s3.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 0);

// SQS
const sqs = new SQSClient(config);
const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "jobs.fifo", Attributes: { FifoQueue: "true", ContentBasedDeduplication: "true" } }));
const first = await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "one", MessageGroupId: "g", MessageAttributes: { kind: { DataType: "String", StringValue: "a" } } }));
assert.ok(first.SequenceNumber && first.MD5OfMessageAttributes);
const batch = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: ["two", "three", "two"].map((MessageBody, n) => ({ Id: `${n}`, MessageBody, MessageGroupId: "g" })) }));
assert.equal(batch.Successful.length, 3);
const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"] }));
assert.deepEqual(Messages.map(({ Body }) => Body), ["one", "two", "three"]);
assert.equal(Messages[0].MessageAttributes.kind.StringValue, "a");
const entries = Messages.map(({ ReceiptHandle }, n) => ({ Id: `${n}`, ReceiptHandle }));
await sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries: entries.map((entry) => ({ ...entry, VisibilityTimeout: 60 })) }));
assert.equal((await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: entries }))).Successful.length, 3);
const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["ApproximateNumberOfMessages", "QueueArn"] }));
assert.equal(Attributes.ApproximateNumberOfMessages, "0");
assert.match(Attributes.QueueArn, /:jobs\.fifo$/);
await assert.rejects(sqs.send(new SendMessageCommand({ QueueUrl: QueueUrl.replace("jobs", "none"), MessageBody: "x" })), QueueDoesNotExist);

// DynamoDB
const dynamo = new DynamoDBClient(config);
const TableName = "jobs";
await dynamo.send(new CreateTableCommand({
  TableName, BillingMode: "PAY_PER_REQUEST",
  AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }, { AttributeName: "at", AttributeType: "N" }],
  KeySchema: [{ AttributeName: "id", KeyType: "HASH" }, { AttributeName: "at", KeyType: "RANGE" }],
}));
await waitUntilTableExists({ client: dynamo, minDelay: 1, maxDelay: 2, maxWaitTime: 10 }, { TableName });
const Key = { id: { S: "a" }, at: { N: "1" } };
await dynamo.send(new PutItemCommand({ TableName, Item: { ...Key, state: { S: "new" } } }));
const update = (from) => dynamo.send(new UpdateItemCommand({
  TableName, Key, UpdateExpression: "SET #s = :to", ConditionExpression: "#s = :from", ReturnValues: "ALL_NEW",
  ExpressionAttributeNames: { "#s": "state" }, ExpressionAttributeValues: { ":from": { S: from }, ":to": { S: "done" } },
}));
assert.equal((await update("new")).Attributes.state.S, "done");
await assert.rejects(update("new"), { name: "ConditionalCheckFailedException" });
const found = await dynamo.send(new QueryCommand({ TableName, KeyConditionExpression: "id = :id", ExpressionAttributeValues: { ":id": { S: "a" } } }));
assert.equal(found.Count, 1);
await dynamo.send(new DeleteItemCommand({ TableName, Key }));
assert.equal((await dynamo.send(new GetItemCommand({ TableName, Key }))).Item, undefined);
await assert.rejects(dynamo.send(new GetItemCommand({ TableName: "none", Key })), { name: "ResourceNotFoundException" });
