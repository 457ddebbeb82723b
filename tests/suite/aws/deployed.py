"""A system that is deployed in moto: the built-in worker, which runs as a process where moto's ECS says that a task runs,
and is killed where that is stopped. The scripts beside it are `SCRIPT PROGRAM URL FOLDER ...`."""
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.request

from botocore.exceptions import ClientError

from account import ACCOUNT, BUCKET, REGION, Account
from fis import Fis
from relay import Relay

PROGRAM, URL, FOLDER = sys.argv[1:4]
# Where nothing is judged, the system's waits are shorter still.
SCALE = 1 / 10 if "kills" in sys.argv[0] else 1 / 5
SERVICE = "service:edit-acme"


class System:
    """The loopback git remote and agent, and the tasks of the service."""

    def __init__(self, account, cloud):
        self.account, self.defect, self.relay = account, None, Relay()
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": FOLDER, "TMPDIR": FOLDER, "GIT_CONFIG_NOSYSTEM": "1",
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "worker", "AWS_SECRET_ACCESS_KEY": "secret-of-the-worker",
            "AWS_ENDPOINT_URL": self.relay.to(URL), "AWS_REGION": REGION, "CLIENT_ID": "acme", "SESSION_TABLE": "sessions",
            "SITE_BUCKET": BUCKET, "LOG_GROUP": "/ecs/edit", "LOG_STREAM": "acme", "TIME_SCALE": str(SCALE),
            "QUEUE_TIME_SCALE": str(SCALE),
            "INSTRUCTION_QUEUE_URL": account.queues["work-acme.fifo"], "RETRY_QUEUE_URL": account.queues["retries-acme"],
            "WORKSPACE_ROOT": os.path.join(FOLDER, "workspaces"),
        }
        for name in ["GIT_TOKEN", "ANTHROPIC_API_KEY", "BRANCH_PATTERN"]:
            self.environment[name] = cloud[name]
        for name in ["GIT_BASE_URL", "ANTHROPIC_BASE_URL"]:
            self.environment[name] = self.relay.to(cloud[name])
        self.tasks, self.ends, self.cut_off = {}, threading.Event(), []
        self.fis = Fis(self.tasks_of, self.cut)
        self.thread = threading.Thread(target=self.look_after, daemon=True)
        self.thread.start()

    def tasks_of(self, cluster, service):
        """The tasks that run, as an experiment finds them."""
        assert (cluster, service) == ("edit", "edit-acme"), (cluster, service)
        return list(self.tasks)

    def cut(self, tasks, on):
        for task in tasks:
            self.cut_off.append(task) if on else self.cut_off.remove(task)

    def look_after(self):
        while not self.ends.wait(0.02):
            self.relay.is_cut = any(task in self.cut_off for task in list(self.tasks))
            for arn, process in list(self.tasks.items()):
                task = self.account.ecs.describe_tasks(cluster="edit", tasks=[arn])["tasks"][0]
                if task["lastStatus"] == "STOPPED":
                    self.kill(self.tasks.pop(arn))
                elif process.poll() is not None:
                    self.account.ecs.stop_task(cluster="edit", task=arn, reason="Essential container in task exited")
            if not self.tasks:
                run = self.account.ecs.run_task(cluster="edit", taskDefinition="edit", group=SERVICE, launchType="FARGATE")
                command = [PROGRAM, "worker"] + (["--defect", self.defect] if self.defect else [])
                with open(os.path.join(FOLDER, "worker.errors"), "a") as errors:
                    process = subprocess.Popen(command, cwd=FOLDER, env=self.environment, stdin=subprocess.DEVNULL,
                                               stdout=errors, stderr=errors, start_new_session=True)
                self.tasks[run["tasks"][0]["taskArn"]] = process

    def kill(self, process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def with_standard_queues(self):
        """Deploys the same version, which is given work by queues that keep no order."""
        queues = self.account.queues
        for name in ["dead-acme", "work-acme"]:
            queues[name] = self.account.sqs.create_queue(QueueName=name, tags={"shakedown": "allowed"})["QueueUrl"]
        set_visibility(self.account, "work-acme", "dead-acme")
        self.environment["INSTRUCTION_QUEUE_URL"] = queues["work-acme"]
        self.with_defect(None)

    def with_defect(self, name):
        """Deploys another version."""
        self.defect = name
        for arn in list(self.tasks):
            self.account.ecs.stop_task(cluster="edit", task=arn, reason="a deployment")
            while arn in self.tasks:
                time.sleep(0.02)
        while not self.tasks:
            time.sleep(0.02)

    def end(self):
        self.ends.set()
        self.thread.join()
        for process in self.tasks.values():
            self.kill(process)
        self.relay.end()


def cloud():
    """The loopback cloud, of which the git remote and the agent are used."""
    process = subprocess.Popen([PROGRAM, "cloud", "--quiet", "--time-scale", str(SCALE), "acme/home"], cwd=FOLDER, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    environment = {}
    for line in process.stdout:
        if line.startswith("export "):
            name, value = shlex.split(line)[1].split("=", 1)
            environment[name] = value
        if line.startswith("export TIME_SCALE="):
            return process, environment
    raise AssertionError("the cloud does not start")


def profile(environment):
    """The built-in profile, with other names, as the system is deployed."""
    shown = subprocess.run([PROGRAM, "profile", "show"], capture_output=True, text=True, check=True).stdout
    for old, new in [
        ('bucket = "edit.{client}.webordinary.com"',
         'bucket = "edit.{client}.example.com"\nqueue = "work-{client}.fifo"\ndead-letters = "dead-{client}.fifo"'),
        ('recovery = "10m"', 'recovery = "150s"'),
        ('log-group = "/ecs/webordinary/edit"', 'log-group = "/ecs/edit"'),
        ('table = "webordinary-edit-sessions"', 'table = "sessions"'),
    ]:
        assert old in shown, old
        shown = shown.replace(old, new)
    return shown + f"""
[aws]
endpoint = "URL"
accounts = ["{ACCOUNT}"]
forbid = ["999999999999"]
regions = ["{REGION}"]
role = "arn:aws:iam::{ACCOUNT}:role/edit-worker"
sessions = ["acme/home", "acme/blog"]
buckets = ["{BUCKET}"]
queues = ["work-acme.fifo", "dead-acme.fifo", "retries-acme"]
tables = ["sessions"]
cluster = "edit"
services = ["edit-acme"]
alarm = "edit-unhealthy"
git = "{environment['GIT_BASE_URL']}/{{client}}.git"
git-token = "EDIT_GIT_TOKEN"
keeps-workspace = true
fis-role = "arn:aws:iam::{ACCOUNT}:role/fis"
"""


def set_visibility(account, name, dead):
    dead = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{dead}"
    account.sqs.set_queue_attributes(QueueUrl=account.queues[name], Attributes={
        "VisibilityTimeout": str(int(120 * SCALE)), "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 3})})


def deploy():
    """The account of the system."""
    account = Account(URL)
    account.make()
    # Else moto's tasks end by themselves when they are described.
    stays = {"model_name": "ecs::task", "transition": {"progression": "manual", "times": 10**9}}
    request = urllib.request.Request(f"{URL}/moto-api/state-manager/set-transition", json.dumps(stays).encode(),
                                     {"content-type": "application/json"})
    urllib.request.urlopen(request)
    set_visibility(account, "work-acme.fifo", "dead-acme.fifo")
    account.queues["retries-acme"] = account.sqs.create_queue(QueueName="retries-acme", tags={"shakedown": "allowed"})["QueueUrl"]
    return account


def threads():
    """The sessions that the system has on its disk."""
    workspaces = os.path.join(FOLDER, "workspaces")
    return set(os.listdir(workspaces)) if os.path.isdir(workspaces) else set()


def left(account, environment, older):
    """What a run left. What the system writes of sessions of older ones, which are on its disk, is its own."""
    objects = account.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    items = account.tables.scan(TableName="sessions")["Items"]
    try:
        policy = account.s3.get_bucket_policy(Bucket=BUCKET)["Policy"]
    except ClientError:
        policy = None
    url = environment["GIT_BASE_URL"].replace("://", f"://x:{environment['GIT_TOKEN']}@") + "/acme.git"
    refs = subprocess.run(["git", "ls-remote", "--heads", url], capture_output=True, text=True, check=True).stdout.split()[1::2]
    items = [item for item in items if "/" in item["sessionId"]["S"] and item["sessionId"]["S"].split("/")[1] not in older]
    return [it["Key"] for it in objects] + items + [it for it in [policy] if it] + [it for it in refs if it != "refs/heads/main"]


def replay(name, steps, text, url=URL):
    """The command that runs a plan, and its environment."""
    with open(os.path.join(FOLDER, f"{name}.plan"), "w") as file:
        file.write("\n".join(["# shakedown plan v1", "session acme/home", "session acme/blog", *steps.split("|"), ""]))
    with open(os.path.join(FOLDER, "aws.toml"), "w") as file:
        file.write(text.replace("URL", url))
    return [PROGRAM, "replay", f"{name}.plan", "--target", "aws", "--yes-account", ACCOUNT, "--time-scale", str(SCALE),
            "--history", f"{name}.jsonl", "--profile", "aws.toml"]


def run(*args):
    """Runs another command. Returns its exit code, and what it printed."""
    out = subprocess.run([PROGRAM, *args], cwd=FOLDER, capture_output=True, text=True, timeout=600)
    return out.returncode, out.stdout + out.stderr
