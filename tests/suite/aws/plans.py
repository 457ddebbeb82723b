"""Plans on a deployed system, in moto: `plans.py PROGRAM URL FOLDER [NAME]...`. The system is the built-in worker: it
runs as a process where moto's ECS says that a task runs, and is killed where that is stopped."""
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

from account import ACCOUNT, BUCKET, REGION, Account, heal, shakedown

PROGRAM, URL, FOLDER, *NAMES = sys.argv[1:]
SCALE = 1 / 5
SERVICE = "service:edit-acme"


class System:
    """The loopback git remote and agent, and the tasks of the service."""

    def __init__(self, account, cloud):
        self.account, self.defect = account, None
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": FOLDER, "TMPDIR": FOLDER, "GIT_CONFIG_NOSYSTEM": "1",
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "worker", "AWS_SECRET_ACCESS_KEY": "secret-of-the-worker",
            "AWS_ENDPOINT_URL": URL, "AWS_REGION": REGION, "CLIENT_ID": "acme", "SESSION_TABLE": "sessions",
            "SITE_BUCKET": BUCKET, "LOG_GROUP": "/ecs/edit", "LOG_STREAM": "acme", "TIME_SCALE": str(SCALE),
            "QUEUE_TIME_SCALE": str(SCALE),
            "INSTRUCTION_QUEUE_URL": account.queues["work-acme.fifo"], "RETRY_QUEUE_URL": account.queues["retries-acme"],
            "WORKSPACE_ROOT": os.path.join(FOLDER, "workspaces"),
        }
        for name in ["GIT_BASE_URL", "GIT_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "BRANCH_PATTERN"]:
            self.environment[name] = cloud[name]
        self.tasks, self.ends = {}, threading.Event()
        self.thread = threading.Thread(target=self.look_after, daemon=True)
        self.thread.start()

    def look_after(self):
        while not self.ends.wait(0.02):
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
"""


# Name, planted defect, steps, exit code, and what is printed.
PLANS = [
    ("plain", None, "instruct acme/home change", 0, "HELD"),
    ("denied", None, "inject s3-denied acme|instruct acme/home change|wait 20s|heal s3-denied acme", 0, "HELD"),
    ("crash", None, "instruct acme/home change|until acme/home thinking|crash acme|instruct acme/blog change|wait 10s", 0,
     "HELD"),
    ("outsider", None, "instruct acme/home change|until acme/home done|push-from-outside acme/home clean|"
     "instruct acme/home change|until acme/home thinking|push-from-outside acme/home conflicting", 0, "HELD"),
    ("redelivered", None, "instruct acme/home change|instruct acme/home break-build|until acme/home done|wait 10s|"
     "redeliver acme/home|wait 10s|inject git-down", 0, "left out step 7: AWS offers no way"),
    ("lost", "force-push", "instruct acme/home change|until acme/home thinking|push-from-outside acme/home clean", 1,
     "commits-preserved"),
    ("broken", "deploys-failed-build", "instruct acme/home break-build", 1, "no-broken-deploy"),
    ("twice", "applies-redelivered", "instruct acme/home change|until acme/home done|wait 5s|redeliver acme/home", 1,
     "exactly-once"),
]


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


def replay(name, steps, text):
    """The command that runs a plan, and its environment."""
    with open(os.path.join(FOLDER, f"{name}.plan"), "w") as file:
        file.write("\n".join(["# shakedown plan v1", "session acme/home", "session acme/blog", *steps.split("|"), ""]))
    with open(os.path.join(FOLDER, "aws.toml"), "w") as file:
        file.write(text.replace("URL", URL))
    return [PROGRAM, "replay", f"{name}.plan", "--target", "aws", "--yes-account", ACCOUNT, "--time-scale", str(SCALE),
            "--history", f"{name}.jsonl", "--profile", "aws.toml"]


def run(*args):
    """Runs another command. Returns its exit code, and what it printed."""
    out = subprocess.run([PROGRAM, *args], cwd=FOLDER, capture_output=True, text=True, timeout=600)
    return out.returncode, out.stdout + out.stderr


def ended(account, environment, how):
    """A run that a signal ends while there is a fault and the system is at work: what it changed is undone, by itself or by
    `heal`."""
    older, token, history = threads(), environment["GIT_TOKEN"], os.path.join(FOLDER, f"ended{int(how)}.jsonl")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Sid": "Public", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}]})
    account.s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)
    command = replay(f"ended{int(how)}", "instruct acme/home change|until acme/home done|inject s3-denied acme|instruct acme/blog change|"
                     "wait 600s", profile(environment))
    process = subprocess.Popen(command, cwd=FOLDER, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={
        **os.environ, "HOME": FOLDER, "XDG_STATE_HOME": FOLDER, "EDIT_GIT_TOKEN": token})
    deadline = time.monotonic() + 600
    sent = lambda: open(history).read().count('"event":"sent"')
    while not os.path.exists(history) or sent() < 2:
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(how)
    said, _ = process.communicate(timeout=600)
    if how == signal.SIGKILL:
        code, said = shakedown(PROGRAM, FOLDER, *command[1:7], url=URL, profile=profile(environment), EDIT_GIT_TOKEN=token)
        assert code == 2 and "is not known to be as it was" in said, said
        journal = open(os.path.join(FOLDER, "shakedown", "aws", f"{ACCOUNT}.journal")).read()
        assert token not in journal and "secret-of-the-tester" not in journal, journal
        code, said = heal(PROGRAM, FOLDER, "--list")
        for part in ["in the policy of", "the branches thread-sd", "the items acme/sd", f"the objects of {BUCKET}", "messages with `sd"]:
            assert code == 0 and part in said, f"{part} is not in\n{said}"
        code, said = heal(PROGRAM, FOLDER, EDIT_GIT_TOKEN=token)
        assert code == 0 and token not in said, said
        print(said, flush=True)
        code, said = heal(PROGRAM, FOLDER)
        assert code == 0 and said == "nothing is left to be undone", said
    else:
        assert process.returncode == 2 and "interrupted" in said, said
    assert account.s3.get_bucket_policy(Bucket=BUCKET)["Policy"] == policy
    account.s3.delete_bucket_policy(Bucket=BUCKET)
    found = left(account, environment, older)
    assert not found, found


def main():
    account = Account(URL)
    account.make()
    # Else moto's tasks end by themselves when they are described.
    stays = {"model_name": "ecs::task", "transition": {"progression": "manual", "times": 10**9}}
    request = urllib.request.Request(f"{URL}/moto-api/state-manager/set-transition", json.dumps(stays).encode(),
                                     {"content-type": "application/json"})
    urllib.request.urlopen(request)
    for name in ["work-acme.fifo"]:
        dead = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead-acme.fifo"
        account.sqs.set_queue_attributes(QueueUrl=account.queues[name], Attributes={
            "VisibilityTimeout": "24", "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 3})})
    account.queues["retries-acme"] = account.sqs.create_queue(QueueName="retries-acme", tags={"shakedown": "allowed"})["QueueUrl"]
    process, environment = cloud()
    system = System(account, environment)
    try:
        for name, defect, steps, code, part in PLANS:
            if NAMES and name not in NAMES:
                continue
            if defect != system.defect:
                system.with_defect(defect)
            began, older = time.monotonic(), threads()
            text = profile(environment)
            command = replay(name, steps, text)
            code_of, said = shakedown(PROGRAM, FOLDER, *command[1:-2], url=URL, profile=text, EDIT_GIT_TOKEN=environment["GIT_TOKEN"])
            print(f"{name}: {code_of} in {time.monotonic() - began:.1f} s: {said[:3000]}", flush=True)
            assert environment["GIT_TOKEN"] not in said
            assert (code_of, part in said) == (code, True), f"{name}: {code_of}: {part} is not in\n{said}"
            found = left(account, environment, older)
            assert not found, f"{name}: {found}"
            # Its history is judged in the same way.
            again, _ = run("report", f"{name}.jsonl")
            assert again == code, f"{name}: its history ends with {again}"
            if code == 0:
                on_local, said = run("replay", f"{name}.plan", "--target", "local")
                assert on_local == 0, f"{name} on local: {said}"
        for name, how in [("killed", signal.SIGKILL), ("interrupted", signal.SIGINT)]:
            if name in NAMES:
                if system.defect:
                    system.with_defect(None)
                ended(account, environment, how)
    finally:
        system.end()
        process.kill()
        process.wait()


main()
