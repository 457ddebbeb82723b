"""A worker with nothing but Python's own library: it takes instructions from SQS, lets `claude` edit,
commits and pushes. It never deploys."""
import json
import os
import subprocess
import urllib.request

ENDPOINT, QUEUE, KEY = os.environ["ENDPOINT"], os.environ["QUEUE_URL"], os.environ["KEY"]


def sqs(action, **body):
    request = urllib.request.Request(ENDPOINT, json.dumps({"QueueUrl": QUEUE, **body}).encode(), {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"AmazonSQS.{action}",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-west-2/sqs/aws4_request",
    })
    return json.loads(urllib.request.urlopen(request).read() or b"{}")


def handle(thread, text):
    folder = os.path.join(os.environ["WORKSPACE"], thread)
    git = lambda *args: subprocess.run(["git", "-C", folder, *args], check=True)
    if not os.path.isdir(folder):
        subprocess.run(["git", "clone", "-q", os.environ["REPOSITORY"], folder], check=True)
        git("config", "user.name", "worker")
        git("config", "user.email", "worker@localhost")
        git("checkout", "-q", "-b", thread)
    subprocess.run(["claude", "--print", text], cwd=folder, check=True)
    git("add", "--all")
    git("commit", "-q", "-m", text)
    git("push", "-q", "origin", thread)


print("ready", flush=True)
while True:
    for message in sqs("ReceiveMessage", WaitTimeSeconds=5).get("Messages", []):
        instruction = json.loads(message["Body"])
        print(f"{instruction['thread']}: working", flush=True)
        handle(instruction["thread"], instruction["text"])
        sqs("DeleteMessage", ReceiptHandle=message["ReceiptHandle"])
