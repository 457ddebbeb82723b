"""One instruction, by the hosts of the real services and with no endpoint of its own: S3, SQS, DynamoDB and STS with
boto3, the AWS CLI, git over https, the agent's API, Node; and hosts that nobody may reach."""
import json
import os
import shutil
import socket
import subprocess
import sys
import time

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

BUCKET, REGION = os.environ["BUCKET"], os.environ["AWS_REGION"]
has_own_network = "SHAKEDOWN_FRONT" not in os.environ


def client(name, **more):
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=20, **more.pop("config", {}))
    return boto3.client(name, config=config, **more)


def run(*args, **more):
    out = subprocess.run(args, capture_output=True, text=True, timeout=60, **more)
    assert out.returncode == 0, f"{args}: {out.returncode}\n{out.stdout}{out.stderr}"
    return out.stdout


sts = client("sts")
for tries in range(200):
    try:
        assert sts.get_caller_identity()["Account"] == "000000000000"
        break
    except BotoCoreError as error:
        if tries == 0:
            print(f"cut off: {error}", flush=True)
        time.sleep(0.1)

# S3 by path, as clients ask for a bucket with dots over TLS; and by its own host, as a browser does.
s3 = client("s3")
s3.put_object(Bucket=BUCKET, Key="index.html", Body=b"one")
assert s3.meta.endpoint_url == f"https://s3.{REGION}.amazonaws.com", s3.meta.endpoint_url
public = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [public]}))
s3.put_bucket_website(Bucket=BUCKET, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
for host in [f"{BUCKET}.s3.{REGION}.amazonaws.com", f"{BUCKET}.s3-website-{REGION}.amazonaws.com", BUCKET]:
    answer = requests.get(f"http://{host}/index.html", timeout=20)
    assert (answer.status_code, answer.content) == (200, b"one"), (host, answer, answer.content)
# AWS's certificate for buckets has one wildcard: a bucket with dots does not fit.
try:
    requests.get(f"https://{BUCKET}.s3.{REGION}.amazonaws.com/index.html", timeout=20)
    raise AssertionError("a certificate fits that should not")
except requests.exceptions.SSLError:
    pass

queues, tables = client("sqs"), client("dynamodb")
url = queues.get_queue_url(QueueName=os.environ["QUEUE"])["QueueUrl"]
queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
aws = f"https://sqs.{REGION}.amazonaws.com/000000000000/{os.environ['QUEUE']}"
queues.get_queue_attributes(QueueUrl=aws, AttributeNames=["QueueArn"])
tables.list_tables()
try:
    tables.describe_table(TableName="none")
    raise AssertionError("there is no such table")
except ClientError as error:
    assert error.response["Error"]["Code"] == "ResourceNotFoundException", error

listed = run(sys.executable, "-m", "awscli", "s3", "ls", f"s3://{BUCKET}/")
assert "index.html" in listed, listed

answer = requests.get("https://api.anthropic.com/v1/nothing", headers={"x-api-key": os.environ["ANTHROPIC_API_KEY"]})
assert answer.status_code == 404, answer

folder, branch = os.environ["CHECKOUT"], os.environ["BRANCH"]
remote = f"https://x-access-token:{os.environ['TOKEN']}@github.com/acme/site.git"
own = {"env": {**os.environ, "GIT_TERMINAL_PROMPT": "0"}}
run("git", "ls-remote", remote.replace("github.com", "eu.git.example"), **own)
shutil.rmtree(folder, ignore_errors=True)
run("git", "clone", "-q", remote, folder, **own)
git = lambda *args: run("git", "-C", folder, "-c", "user.name=job", "-c", "user.email=job@localhost", *args, **own)
has_branch = git("branch", "-r", "--list", f"origin/{branch}").strip()
git("checkout", "-q", "-B", branch, f"origin/{branch}" if has_branch else "HEAD")
text = os.environ["INSTRUCTION"]
if text not in git("log", "--format=%s", "origin/main..HEAD"):
    run("claude", "--print", text, cwd=folder)
    git("add", "--all")
    git("commit", "-q", "-m", text)
    git("push", "-q", "origin", branch)

script = """
const refused = (url) => fetch(url).then(() => { throw new Error('reached ' + url) }, () => {});
(async () => {
  const answer = await fetch('https://api.anthropic.com/v1/nothing', { headers: { 'x-api-key': process.env.ANTHROPIC_API_KEY } });
  if (answer.status !== 404) throw new Error(answer.status);
  await refused('https://unknown-to-node.example/');
  const https = require('node:https');
  await new Promise((done, failed) => https.get('https://sts.us-west-2.amazonaws.com/', (it) => { it.resume(); done() }).on('error', failed));
})();
"""
run("node", "-e", script)

try:
    found = requests.get("https://unknown.example/", timeout=20)
    raise AssertionError(f"reached {found.url}")
except requests.RequestException:
    pass
if has_own_network:
    # By an address for documents (RFC 5737): there is no way out at all.
    try:
        socket.create_connection(("198.51.100.1", 443), timeout=10)
        raise AssertionError("there is a way out")
    except OSError as error:
        assert not isinstance(error, TimeoutError), "it is not refused at once"
print("every host answered or was refused", flush=True)
