"""An account in moto, with a system that runs there, and the profile that allows it to be tested."""
import base64
import json
import os
import subprocess
import urllib.request

import boto3

ACCOUNT, REGION, BUCKET = "123456789012", "us-west-2", "edit.acme.example.com"
TAG = {"shakedown": "allowed"}
PROFILE = f"""
version = 1
name = "deployed"
[names]
session = "{{session}}"
branch = "thread-{{thread}}"
bucket = "edit.{{client}}.example.com"
queue = "work-{{client}}.fifo"
dead-letters = "dead-{{client}}.fifo"
log-group = "/ecs/edit"
[record]
table = "sessions"
key = "sessionId"
status = "/status"
error = "/lastError"
warnings = "/warnings"
[aws]
endpoint = "URL"
accounts = ["{ACCOUNT}"]
forbid = ["999999999999"]
regions = ["{REGION}"]
role = "arn:aws:iam::{ACCOUNT}:role/edit-worker"
sessions = ["acme/home"]
buckets = ["{BUCKET}"]
queues = ["work-acme.fifo", "dead-acme.fifo"]
tables = ["sessions"]
cluster = "edit"
services = ["edit-acme"]
alarm = "edit-unhealthy"
"""


class Account:
    """The account, by its services, and what is recorded of them."""

    def __init__(self, url):
        self.url = url
        os.environ.update(AWS_ACCESS_KEY_ID="tester", AWS_SECRET_ACCESS_KEY="secret-of-the-tester", AWS_REGION=REGION)
        client = lambda name: boto3.client(name, endpoint_url=url, region_name=REGION)
        self.s3, self.sqs, self.tables, self.logs, self.ecs, self.iam, self.alarms = map(
            client, ["s3", "sqs", "dynamodb", "logs", "ecs", "iam", "cloudwatch"])

    def make(self):
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.tag_bucket(TAG)
        self.queues = {}
        for name in ["work-acme.fifo", "dead-acme.fifo"]:
            made = self.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"}, tags=TAG)
            self.queues[name] = made["QueueUrl"]
        self.tables.create_table(
            TableName="sessions", BillingMode="PAY_PER_REQUEST", Tags=[{"Key": "shakedown", "Value": "allowed"}],
            KeySchema=[{"AttributeName": "sessionId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "sessionId", "AttributeType": "S"}])
        self.logs.create_log_group(logGroupName="/ecs/edit", tags=TAG)
        self.ecs.create_cluster(clusterName="edit")
        self.ecs.register_task_definition(family="edit", containerDefinitions=[{"name": "edit", "image": "edit", "memory": 64}])
        self.service = self.ecs.create_service(
            cluster="edit", serviceName="edit-acme", taskDefinition="edit", desiredCount=1,
            tags=[{"key": "shakedown", "value": "allowed"}])["service"]["serviceArn"]
        self.run_tasks(1)
        self.alarms.put_metric_alarm(
            AlarmName="edit-unhealthy", MetricName="Errors", Namespace="Edit", Statistic="Sum", Period=60,
            EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold")
        self.alarm("OK")

    def tag_bucket(self, tags):
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        self.s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": pairs})

    def run_tasks(self, count):
        # moto starts no tasks for a service by itself.
        self.ecs.update_service(cluster="edit", service="edit-acme", desiredCount=count)

    def alarm(self, state):
        self.alarms.set_alarm_state(AlarmName="edit-unhealthy", StateValue=state, StateReason="a test")

    def recorded(self, run):
        """What is asked while this runs: the operations."""
        api = f"{self.url}/moto-api/recorder"
        post = lambda path: urllib.request.urlopen(urllib.request.Request(f"{api}/{path}", b"", method="POST"))
        post("reset-recording")
        post("start-recording")
        result = run()
        post("stop-recording")
        lines = urllib.request.urlopen(f"{api}/download-recording").read().decode().splitlines()
        return result, [operation(json.loads(line)) for line in lines]


def operation(request):
    """What a recorded request asks for."""
    headers = {name.lower(): value for name, value in request["headers"].items()}
    if target := headers.get("x-amz-target"):
        return target.split(".")[-1]
    body = request.get("body") or ""
    if request.get("body_encoded"):
        body = base64.b64decode(body).decode(errors="replace")
    if "Action=" in body:
        return body.split("Action=")[1].split("&")[0]
    return f"{request['method']} {request['url'].split('?')[-1]}"


def is_read(name):
    return name.startswith(("Get", "List", "Describe", "GET "))


def shakedown(program, folder, *args, profile=PROFILE, url, **more):
    """Runs the program with this profile. Returns its exit code, and what it printed."""
    with open(os.path.join(folder, "aws.toml"), "w") as file:
        file.write(profile.replace("URL", url))
    home = {"HOME": folder, "XDG_STATE_HOME": folder}
    out = subprocess.run([program, *args, "--profile", "aws.toml"], cwd=folder, capture_output=True, text=True,
                         timeout=600, env={**os.environ, **home, **more})
    text = " ".join((out.stdout + out.stderr).split())
    assert "secret-of-the-tester" not in text, text
    return out.returncode, text


def heal(program, folder, *args, **more):
    """Runs `heal`. Returns its exit code, and what it printed."""
    out = subprocess.run([program, "heal", *args], capture_output=True, text=True, timeout=600, cwd=folder,
                         env={**os.environ, "HOME": folder, "XDG_STATE_HOME": folder, **more})
    text = " ".join((out.stdout + out.stderr).split())
    assert "secret-of-the-tester" not in text, text
    return out.returncode, text
