"""Runs on a deployed system that are killed at some request of theirs, in moto: `kills.py PROGRAM URL FOLDER MOMENTS SEED`.
After `heal` everything is as it was."""
import json
import os
import random
import subprocess
import sys
import time

from botocore.exceptions import ClientError

from account import BUCKET, heal
from deployed import FOLDER, PROGRAM, SERVICE, URL, System, cloud, deploy, left, profile, replay, threads
from front import Front

MOMENTS, SEED = int(sys.argv[4]), int(sys.argv[5])
STEPS = ("inject s3-denied acme|instruct acme/home change|inject build-error acme/home|until acme/home thinking|crash acme|"
         "inject partition acme|heal s3-denied acme|instruct acme/blog change|inject build-warning acme/blog|"
         "inject s3-denied acme|heal build-error acme/home|heal partition acme|inject partition acme|crash acme|wait 600s")
PUBLIC = {"Sid": "Public", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
# Its spaces are its own: what comes back is this text.
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [PUBLIC]}, indent=3)


def policy(account):
    try:
        return account.s3.get_bucket_policy(Bucket=BUCKET)["Policy"]
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchBucketPolicy", error
        return None


def put(account, text):
    account.s3.put_bucket_policy(Bucket=BUCKET, Policy=text) if text else account.s3.delete_bucket_policy(Bucket=BUCKET)


def state(account):
    """All that a run may have changed, beside what it leaves, as one text."""
    tags = [account.s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"], account.logs.list_tags_log_group(logGroupName="/ecs/edit")["tags"]]
    attributes = []
    for url in account.queues.values():
        tags.append(account.sqs.list_queue_tags(QueueUrl=url)["Tags"])
        all = account.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        attributes.append({name: value for name, value in all.items() if "Timestamp" not in name})
    table = account.tables.describe_table(TableName="sessions")["Table"]["TableArn"]
    tags.append(account.tables.list_tags_of_resource(ResourceArn=table)["Tags"])
    service = account.ecs.describe_services(cluster="edit", services=["edit-acme"], include=["TAGS"])["services"][0]
    service = {name: service[name] for name in ["tags", "desiredCount", "taskDefinition", "status"]}
    older = account.tables.get_item(TableName="sessions", Key={"sessionId": {"S": "acme/older"}})["Item"]
    return json.dumps([policy(account), tags, attributes, service, older], sort_keys=True)


def until_runs(account):
    """Waits for the one task of the service."""
    deadline = time.monotonic() + 60
    while True:
        arns = account.ecs.list_tasks(cluster="edit")["taskArns"]
        tasks = account.ecs.describe_tasks(cluster="edit", tasks=arns)["tasks"] if arns else []
        if [it["lastStatus"] for it in tasks if it["group"] == SERVICE and it["lastStatus"] != "STOPPED"] == ["RUNNING"]:
            return
        assert time.monotonic() < deadline, tasks
        time.sleep(0.05)


def killed(front, command, number, is_before, **more):
    """Runs this until its request of this number, at which it is killed. Returns whether it was."""
    process = subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={
        **os.environ, "HOME": FOLDER, "XDG_STATE_HOME": FOLDER, **more})

    def kill():
        process.kill()
        process.wait()

    front.call_at(number, kill, is_before)
    said, _ = process.communicate(timeout=600)
    assert process.returncode in (-9, 0), said
    return process.returncode == -9


def main():
    chance, account = random.Random(SEED), deploy()
    account.tables.put_item(TableName="sessions", Item={
        "sessionId": {"S": "acme/older"}, "status": {"S": "idle"}, "failureInjection": {"S": "BUILD_WARNING"}})
    process, environment = cloud()
    system = System(account, environment)
    front = Front(int(URL.split(":")[-1]), fis=system.fis)
    token, counts = {"EDIT_GIT_TOKEN": environment["GIT_TOKEN"]}, {"in a fault": 0, "in an experiment": 0, "beside others": 0, "in a heal": 0}
    try:
        for moment in range(MOMENTS):
            put(account, chance.choice([POLICY, None]))
            until_runs(account)
            before, older, began = state(account), threads(), time.monotonic()
            command = replay("killed", STEPS, profile(environment), front.url)
            # The guards come first: they have asked eighteen times before anything is changed.
            number, is_before = chance.randrange(16, 140), chance.random() < 0.5
            assert killed(front, command, number, is_before, **token), f"request {number} was never made"
            now, expected = policy(account) or "", json.loads(before)
            if "shakedown" in now and chance.random() < 0.3:
                changed = json.loads(now)
                changed["Statement"].insert(0, {**PUBLIC, "Sid": "Third"})
                put(account, json.dumps(changed))
                counts["beside others"] += 1
                changed["Statement"] = [it for it in changed["Statement"] if not it["Sid"].startswith("shakedown")]
                expected[0] = changed
            counts["in an experiment"] += bool(system.fis.templates)
            counts["in a fault"] += "shakedown" in now
            if chance.random() < 0.25:
                counts["in a heal"] += killed(front, [PROGRAM, "heal"], chance.randrange(1, 20), chance.random() < 0.5, **token)
            # It says so where the system is still at work after two minutes.
            for _ in range(5):
                code, said = heal(PROGRAM, FOLDER, **token)
                if code == 0 or "heal again when its queue is empty" not in said:
                    break
            assert code == 0, said
            found = json.loads(state(account))
            if isinstance(expected[0], dict):
                found[0] = json.loads(found[0])
            assert found == expected, f"request {number}: {said}\n{found}\nis not\n{expected}"
            until_runs(account)
            running = [it for it in system.fis.experiments.values() if it["state"]["status"] not in ("stopped", "completed")]
            assert not system.fis.templates and not running and not system.cut_off, (running, system.cut_off)
            found = [it for it in left(account, environment, older) if it != policy(account) and "acme/older" not in str(it)]
            assert not found, f"request {number}: {said}\n{found}"
            asked = front.asked.total()
            code, said = heal(PROGRAM, FOLDER, **token)
            assert (code, said) == (0, "nothing is left to be undone") and front.asked.total() == asked, said
            print(f"{moment}: request {number} {is_before} in {time.monotonic() - began:.1f} s: {counts}", flush=True)
        assert MOMENTS < 50 or all(count > MOMENTS / 20 for count in counts.values()), counts
    finally:
        front.end()
        system.end()
        process.kill()
        process.wait()


main()
