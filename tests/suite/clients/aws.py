"""boto3 against the loopback cloud, and moto_server beside it where the two have to agree.

    aws.py CLOUD_URL MOTO_URL

Nothing but these two is asked. It prints what differs, and ends with 1 where something does.
"""

import hashlib
import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

KEY, SECRET, REGION = "LOOPBACKACCESSKEY000", "loopback-secret-key-0123456789abcdefghij", "us-west-2"
wrong = []


def client(url, service):
    config = Config(retries={"total_max_attempts": 1}, read_timeout=30)
    return boto3.client(service, endpoint_url=url, region_name=REGION, aws_access_key_id=KEY,
                        aws_secret_access_key=SECRET, config=config)


def expect(what, got, wanted):
    if got != wanted:
        wrong.append(f"{what}: got {got!r}, wanted {wanted!r}")


def code(call, *args, **fields):
    """The code of the error that a call ends with, or "done"."""
    try:
        call(*args, **fields)
        return "done"
    except ClientError as error:
        return error.response["Error"]["Code"]


# ---------------------------------------------------------------- both must say the same

def sqs_both(url):
    """What SQS says to a sequence of calls; ids and times left out."""
    c, said = client(url, "sqs"), []

    def tell(name, value):
        said.append((name, value))

    fifo = {"FifoQueue": "true", "VisibilityTimeout": "60"}
    dead = c.create_queue(QueueName="dead.fifo", Attributes=fifo)["QueueUrl"]
    arn = c.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    main = c.create_queue(QueueName="main.fifo", Attributes={**fifo, "RedrivePolicy": policy})["QueueUrl"]
    plain = c.create_queue(QueueName="plain", tags={"a": "b"})["QueueUrl"]
    tell("tags", c.list_queue_tags(QueueUrl=plain)["Tags"])
    tell("made again", code(c.create_queue, QueueName="plain", Attributes={"DelaySeconds": "9"}))
    tell("no such queue", code(c.get_queue_url, QueueName="none"))
    tell("names", [u.rsplit("/", 1)[1] for u in c.list_queues(QueueNamePrefix="plain")["QueueUrls"]])
    attributes = c.get_queue_attributes(QueueUrl=main, AttributeNames=["All"])["Attributes"]
    tell("attributes", sorted(set(attributes) - {"Policy", "SqsManagedSseEnabled"}))
    tell("named", c.get_queue_attributes(QueueUrl=main, AttributeNames=["VisibilityTimeout"])["Attributes"])
    tell("none named", c.get_queue_attributes(QueueUrl=main).get("Attributes"))

    sent = c.send_message(QueueUrl=plain, MessageBody="one", MessageAttributes={
        "s": {"DataType": "String", "StringValue": "v"}, "n": {"DataType": "Number", "StringValue": "3"},
        "b": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}})
    tell("checksums", [sent["MD5OfMessageBody"], sent["MD5OfMessageAttributes"]])
    got = c.receive_message(QueueUrl=plain, MessageAttributeNames=["All"])["Messages"][0]
    tell("message attributes", got["MessageAttributes"])
    tell("their checksum", got["MD5OfMessageAttributes"])
    c.delete_message(QueueUrl=plain, ReceiptHandle=got["ReceiptHandle"])
    tell("without group", code(c.send_message, QueueUrl=main, MessageBody="x"))
    tell("without id", code(c.send_message, QueueUrl=main, MessageBody="x", MessageGroupId="g"))
    tell("too many", code(c.receive_message, QueueUrl=plain, MaxNumberOfMessages=11))
    tell("bad receipt", code(c.delete_message, QueueUrl=plain, ReceiptHandle="x"))
    batch = c.send_message_batch(QueueUrl=plain, Entries=[
        {"Id": str(n), "MessageBody": f"m{n}"} for n in range(3)])
    tell("batch", sorted(one["Id"] for one in batch["Successful"]))
    tell("ids twice", code(c.send_message_batch, QueueUrl=plain, Entries=[
        {"Id": "a", "MessageBody": "x"}, {"Id": "a", "MessageBody": "y"}]))
    tell("no entries", code(c.send_message_batch, QueueUrl=plain, Entries=[]))
    got = c.receive_message(QueueUrl=plain, MaxNumberOfMessages=10)["Messages"]
    tell("received", sorted(one["Body"] for one in got))
    entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(got)]
    hidden = [{**one, "VisibilityTimeout": 0} for one in entries]
    tell("visible again", len(c.change_message_visibility_batch(QueueUrl=plain, Entries=hidden)["Successful"]))
    got = c.receive_message(QueueUrl=plain, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    tell("counts", sorted(one["Attributes"]["ApproximateReceiveCount"] for one in got))
    entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(got)]
    tell("deleted", len(c.delete_message_batch(QueueUrl=plain, Entries=entries)["Successful"]))
    c.send_message(QueueUrl=plain, MessageBody="later", DelaySeconds=900)
    numbers = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed",
               "ApproximateNumberOfMessagesNotVisible"]
    tell("delayed", c.get_queue_attributes(QueueUrl=plain, AttributeNames=numbers)["Attributes"])
    c.purge_queue(QueueUrl=plain)
    tell("purged", c.get_queue_attributes(QueueUrl=plain, AttributeNames=numbers)["Attributes"])

    def send(body, group, id):
        return c.send_message(QueueUrl=main, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=id)

    first = send("a1", "a", "1")["SequenceNumber"]
    send("a1 again", "a", "1")
    second = send("b1", "b", "2")["SequenceNumber"]
    # moto draws them at random.
    tell("sequence", [len(first), len(second)])
    got = c.receive_message(QueueUrl=main, AttributeNames=["All"])["Messages"]
    tell("fifo", [(one["Body"], sorted(one["Attributes"])) for one in got])
    got += c.receive_message(QueueUrl=main)["Messages"]
    tell("another group", got[1]["Body"])
    tell("held up", len(c.receive_message(QueueUrl=main).get("Messages", [])))
    for _ in range(2):
        for one in got:
            c.change_message_visibility(QueueUrl=main, ReceiptHandle=one["ReceiptHandle"], VisibilityTimeout=0)
        got = c.receive_message(QueueUrl=main, MaxNumberOfMessages=10).get("Messages", [])
    tell("given up", sorted(one["Body"] for one in
                            c.receive_message(QueueUrl=dead, MaxNumberOfMessages=10)["Messages"]))
    c.delete_queue(QueueUrl=plain)
    tell("deleted queue", code(c.send_message, QueueUrl=plain, MessageBody="x"))
    return said


def logs_both(url):
    c, said = client(url, "logs"), []
    c.create_log_group(logGroupName="/g")
    c.put_retention_policy(logGroupName="/g", retentionInDays=7)
    c.create_log_stream(logGroupName="/g", logStreamName="s")
    said.append(("again", code(c.create_log_group, logGroupName="/g")))
    group = c.describe_log_groups(logGroupNamePrefix="/g")["logGroups"][0]
    said.append(("group", [group["logGroupName"], group["retentionInDays"]]))
    now = int(time.time() * 1000)
    lines = ["ERROR push rejected", '{"level":"error"}', "done edit-1"]
    c.put_log_events(logGroupName="/g", logStreamName="s", logEvents=[
        {"timestamp": now + n, "message": line} for n, line in enumerate(lines)])
    for pattern in ["ERROR", '"push rejected"', "", "push ERROR"]:
        found = c.filter_log_events(logGroupName="/g", filterPattern=pattern)["events"]
        said.append((pattern, [one["message"] for one in found]))
    last = c.get_log_events(logGroupName="/g", logStreamName="s", limit=1)
    before = c.get_log_events(logGroupName="/g", logStreamName="s", limit=1, nextToken=last["nextBackwardToken"])
    said.append(("pages", [last["events"][0]["message"], before["events"][0]["message"]]))
    streams = c.describe_log_streams(logGroupName="/g")["logStreams"]
    said.append(("stream", sorted(streams[0])))
    said.append(("no stream", code(c.delete_log_stream, logGroupName="/g", logStreamName="none")))
    c.delete_log_stream(logGroupName="/g", logStreamName="s")
    c.delete_log_group(logGroupName="/g")
    said.append(("no group", code(c.filter_log_events, logGroupName="/g")))
    return said


def table_both(url):
    c, said = client(url, "dynamodb"), []
    c.create_table(TableName="items", BillingMode="PAY_PER_REQUEST",
                   AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
                   KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}])
    c.get_waiter("table_exists").wait(TableName="items", WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    ttl = {"Enabled": True, "AttributeName": "ttl"}
    said.append(c.update_time_to_live(TableName="items", TimeToLiveSpecification=ttl)["TimeToLiveSpecification"])
    said.append(c.describe_time_to_live(TableName="items")["TimeToLiveDescription"]["AttributeName"])
    c.put_item(TableName="items", Item={"k": {"S": "a"}, "n": {"N": "1"}})
    said.append(c.execute_statement(Statement="SELECT n FROM items WHERE k = 'a'")["Items"])
    c.update_table(TableName="items", BillingMode="PROVISIONED",
                   ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1})
    said.append(c.delete_table(TableName="items")["TableDescription"]["TableName"])
    said.append(code(c.describe_table, TableName="items"))
    return said


# ---------------------------------------------------------------- what moto does otherwise than AWS

def sqs_alone(url):
    c = client(url, "sqs")
    dead = c.create_queue(QueueName="d.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = c.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    main = c.create_queue(QueueName="m.fifo", Attributes={
        "FifoQueue": "true", "ContentBasedDeduplication": "true", "RedrivePolicy": policy})["QueueUrl"]
    for body in ["a1", "a2", "a3", "a2"]:
        c.send_message(QueueUrl=main, MessageBody=body, MessageGroupId="a")
    got = c.receive_message(QueueUrl=main, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    expect("a group in its order", [one["Body"] for one in got], ["a1", "a2", "a3"])
    expect("content", got[0]["Attributes"]["MessageDeduplicationId"], hashlib.sha256(b"a1").hexdigest())
    for one in got:
        c.change_message_visibility(QueueUrl=main, ReceiptHandle=one["ReceiptHandle"], VisibilityTimeout=0)
    expect("given up", c.receive_message(QueueUrl=main).get("Messages"), None)
    got = c.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, AttributeNames=["All"], VisibilityTimeout=0)
    source = {one["Attributes"]["DeadLetterQueueSourceArn"].rsplit(":", 1)[1] for one in got["Messages"]}
    expect("source", source, {"m.fifo"})
    c.start_message_move_task(SourceArn=arn)
    task = c.list_message_move_tasks(SourceArn=arn)["Results"][0]
    expect("moved", [task["Status"], task["ApproximateNumberOfMessagesMoved"]], ["COMPLETED", 3])
    got = c.receive_message(QueueUrl=main, MaxNumberOfMessages=10)["Messages"]
    expect("back in order", [one["Body"] for one in got], ["a1", "a2", "a3"])
    expect("a delay", code(c.send_message, QueueUrl=main, MessageBody="x", MessageGroupId="a",
                           DelaySeconds=5), "InvalidParameterValue")
    expect("an empty body", code(c.send_message, QueueUrl=dead, MessageBody=""), "MissingParameter")
    expect("purged twice", [code(c.purge_queue, QueueUrl=dead), code(c.purge_queue, QueueUrl=dead)],
           ["done", "AWS.SimpleQueueService.PurgeQueueInProgress"])
    expect("a foreign host", code(c.get_queue_attributes, AttributeNames=["All"],
                                  QueueUrl="https://sqs.us-west-2.amazonaws.com/123/m.fifo"), "done")


def signed(url, service, body, headers):
    request = AWSRequest("POST", url, data=body, headers=headers)
    SigV4Auth(Credentials(KEY, SECRET), service, REGION).add_auth(request)
    request = urllib.request.Request(url, data=body.encode(), method="POST", headers=dict(request.headers))
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def sqs_form(url):
    """The protocol of SDKs from before the end of 2023."""
    def ask(path, **fields):
        fields = {name.replace("__", "."): value for name, value in fields.items()}
        body = urllib.parse.urlencode({**fields, "Version": "2012-11-05"})
        return signed(url + path, "sqs", body, {"Content-Type": "application/x-www-form-urlencoded"})

    status, text = ask("/", Action="CreateQueue", QueueName="old", Attribute__1__Name="DelaySeconds",
                       Attribute__1__Value="0")
    path = urllib.parse.urlparse(re.search("<QueueUrl>(.*)</QueueUrl>", text)[1]).path
    status, text = ask(path, Action="SendMessage", MessageBody="<one>")
    expect("form send", [status, hashlib.md5(b"<one>").hexdigest() in text], [200, True])
    status, text = ask(path, Action="ReceiveMessage", AttributeName__1="ApproximateReceiveCount")
    expect("form receive", "<Body>&lt;one&gt;</Body>" in text and "<Value>1</Value>" in text, True)
    receipt = re.search("<ReceiptHandle>(.*)</ReceiptHandle>", text)[1]
    entry = "DeleteMessageBatchRequestEntry.1."
    body = {entry + "Id": "x", entry + "ReceiptHandle": receipt}
    status, text = ask(path, Action="DeleteMessageBatch", **body)
    expect("form batch", "<DeleteMessageBatchResultEntry><Id>x</Id>" in text, True)
    status, text = ask("/", Action="GetQueueUrl", QueueName="none")
    wanted = "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>"
    expect("form error", [status, wanted in text, "<ErrorResponse" in text], [400, True, True])


def others(url):
    steps = client(url, "stepfunctions")
    expect("heartbeat", code(steps.send_task_heartbeat, taskToken="t"), "done")
    expect("no JSON", code(steps.send_task_success, taskToken="t", output="x"), "InvalidOutput")
    expect("success", code(steps.send_task_success, taskToken="t", output="{}"), "done")
    expect("failure after it", code(steps.send_task_failure, taskToken="t", error="E"), "TaskTimedOut")
    expect("late heartbeat", code(steps.send_task_heartbeat, taskToken="t"), "TaskTimedOut")
    queue = client(url, "sqs").create_queue(QueueName="tasks")["QueueUrl"]
    client(url, "sqs").send_message(QueueUrl=queue, MessageBody='{"taskToken":"given"}')
    expect("an invented token", code(steps.send_task_success, taskToken="mine", output="{}"), "InvalidToken")
    expect("a given one", code(steps.send_task_success, taskToken="given", output="{}"), "done")
    expect("no machines", steps.list_state_machines()["stateMachines"], [])
    who = client(url, "sts").get_caller_identity()
    expect("identity", [who["Account"], who["Arn"].rsplit("/", 1)[1]], ["000000000000", "acme"])
    sts = client(url, "sts")
    role = {"RoleArn": "arn:aws:iam::1:role/deployer", "RoleSessionName": "me"}
    given = sts.assume_role(**role)
    expect("a role", given["AssumedRoleUser"]["Arn"].rsplit(":", 1)[1], "assumed-role/deployer/me")
    given = sts.assume_role_with_web_identity(**role, WebIdentityToken="a token", DurationSeconds=900)["Credentials"]
    left = given["Expiration"].timestamp() - time.time()
    expect("a quarter of an hour", 700 < left <= 901, True)
    role = boto3.client("s3", endpoint_url=url, region_name=REGION, aws_access_key_id=given["AccessKeyId"],
                        aws_secret_access_key=given["SecretAccessKey"], aws_session_token=given["SessionToken"])
    expect("what a role may", len(role.list_buckets()["Buckets"]) > 0, True)
    stranger = boto3.client("sqs", endpoint_url=url, region_name=REGION, aws_access_key_id="no",
                            aws_secret_access_key="no", config=Config(retries={"total_max_attempts": 1}))
    expect("a stranger", code(stranger.list_queues), "InvalidClientTokenId")
    ecs = client(url, "ecs")
    expect("no tasks", ecs.list_tasks(cluster="c")["taskArns"], [])
    expect("no task", ecs.describe_tasks(cluster="c", tasks=["x"])["failures"][0]["reason"], "MISSING")
    expect("none to stop", code(ecs.stop_task, cluster="c", task="x"), "InvalidParameterException")
    unserved = {
        "sns": lambda c: code(c.publish, TopicArn="arn:aws:sns:us-west-2:0:x", Message="m"),
        "lambda": lambda c: code(c.invoke, FunctionName="x"),
        "cloudwatch": lambda c: code(c.list_metrics),
        "cloudfront": lambda c: code(c.list_distributions),
        "ec2": lambda c: code(c.describe_instances),
    }
    for service, ask in unserved.items():
        got = ask(client(url, service))
        if got not in ("UnknownOperationException", "InvalidAction"):
            wrong.append(f"{service}: {got}")
    logs = client(url, "logs")
    logs.create_log_group(logGroupName="p")
    logs.create_log_stream(logGroupName="p", logStreamName="s")
    now = int(time.time() * 1000)
    lines = ['{"level":"error","n":3}', '{"level":"info"}', "done edit-1"]
    logs.put_log_events(logGroupName="p", logStreamName="s", logEvents=[
        {"timestamp": now, "message": line} for line in lines])
    for pattern, wanted in [('{ $.level = "error" && $.n > 2 }', lines[:1]), ("%edit-[0-9]+%", lines[2:]),
                            ("[first, second]", lines[2:])]:
        found = logs.filter_log_events(logGroupName="p", filterPattern=pattern)["events"]
        expect(pattern, [one["message"] for one in found], wanted)
    old = logs.put_log_events(logGroupName="p", logStreamName="s", logEvents=[{"timestamp": 1, "message": "x"}])
    asked = logs.start_query(logGroupName="p", startTime=0, endTime=now // 1000 + 60, limit=1,
                             queryString='fields @message | filter level = "error" or @message like /edit-\\d/')
    found = logs.get_query_results(queryId=asked["queryId"])
    expect("a query", [found["status"], [cell["value"] for cell in found["results"][0] if cell["field"] == "@message"],
                       found["statistics"]["recordsMatched"]], ["Complete", lines[2:], 2.0])
    expect("another language", code(logs.start_query, logGroupName="p", startTime=0, endTime=now, queryString="parse x"),
           "MalformedQueryException")
    expect("no query", code(logs.get_query_results, queryId="x"), "ResourceNotFoundException")
    expect("too old", old.get("rejectedLogEventsInfo"), {"tooOldLogEventEndIndex": 1})


def settings_both(url):
    c, said = client(url, "secretsmanager"), []
    c.create_secret(Name="key", SecretString='{"a":1}')
    got = c.get_secret_value(SecretId="key")
    said += [got["Name"], got["SecretString"], got["VersionStages"], got["ARN"].split(":")[2]]
    said.append(c.get_secret_value(SecretId=got["ARN"])["SecretString"])
    c.put_secret_value(SecretId="key", SecretString="2")
    said.append(c.get_secret_value(SecretId="key")["SecretString"])
    said += [code(c.get_secret_value, SecretId="none"), code(c.create_secret, Name="key", SecretString="3")]
    said.append([one["Name"] for one in c.list_secrets()["SecretList"]])
    c = client(url, "ssm")
    c.put_parameter(Name="/app/token", Value="t", Type="SecureString")
    c.put_parameter(Name="/app/deep/n", Value="1,2", Type="StringList")
    got = c.get_parameter(Name="/app/token", WithDecryption=True)["Parameter"]
    said.append({name: got[name] for name in ["Name", "Type", "Value", "Version", "DataType"]})
    said.append(got["ARN"].rsplit(":", 1)[1])
    said.append(c.get_parameter(Name="/app/token")["Parameter"]["Value"] == "t")
    got = c.get_parameters(Names=["/app/deep/n", "/none"])
    said += [[one["Value"] for one in got["Parameters"]], got["InvalidParameters"]]
    for deep in [False, True]:
        got = c.get_parameters_by_path(Path="/app", Recursive=deep)["Parameters"]
        said.append(sorted(one["Name"] for one in got))
    said += [code(c.get_parameter, Name="/none"), code(c.put_parameter, Name="/app/token", Value="u", Type="String")]
    said.append(c.delete_parameters(Names=["/app/token", "/none"])["InvalidParameters"])
    return said


def main(cloud, moto):
    both = [("sqs", sqs_both), ("logs", logs_both), ("dynamodb", table_both), ("settings", settings_both)]
    for name, ask in both:
        ours, theirs = ask(cloud), ask(moto)
        for mine, other in zip(ours, theirs):
            if mine != other:
                wrong.append(f"{name}: ours {mine!r}, moto {other!r}")
    for alone in [sqs_alone, sqs_form, others]:
        alone(cloud)
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)


main(*sys.argv[1:])
