"""Plans on a deployed system, in moto: `plans.py PROGRAM URL FOLDER [NAME]...`. With the name `throttled`, each plan runs with
one request in three of the tester's refused as too many."""
import json
import os
import signal
import subprocess
import sys
import time

from account import ACCOUNT, BUCKET, heal, shakedown
from deployed import FOLDER, PROGRAM, URL, System, cloud, deploy, left, profile, replay, run, threads
from front import Front

NAMES = sys.argv[4:]


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
    ("injected", None, "instruct acme/home change|until acme/home done|inject build-error acme/home|instruct acme/home change|"
     "wait 20s|heal build-error acme/home|inject build-warning acme/blog|instruct acme/blog change|wait 20s", 0, "HELD"),
    ("partition", None, "instruct acme/home change|until acme/home thinking|inject partition acme|wait 30s|heal partition acme|"
     "instruct acme/blog change|wait 10s", 0, "HELD"),
    ("standard", None, "instruct acme/home change|instruct acme/home break-build|instruct acme/blog change|instruct acme/home repair|"
     "until acme/home done|redeliver acme/blog", 0, "HELD"),
    ("ignored", "ignores-injected-error", "inject build-error acme/home|instruct acme/home change|until acme/home done", 1, "no-broken-deploy"),
    ("remains", "never-deletes", "instruct acme/home change|until acme/home done|instruct acme/home change", 1, "fresh"),
    ("silent", "tells-no-error", "instruct acme/home break-build", 1, "settled"),
    ("refused", "refuses-after-failed-build", "instruct acme/home break-build", 1, "usable"),
    ("forced", "force-push-on-conflict", "instruct acme/home change|until acme/home thinking|"
     "push-from-outside acme/home conflicting", 1, "commits-preserved"),
    ("dropped", "drops-conflict", "instruct acme/home change|until acme/home thinking|push-from-outside acme/home conflicting", 1,
     "usable"),
    ("error-stays", "keeps-error", "instruct acme/home break-build|instruct acme/home repair", 1, "settled"),
    ("first", "keeps-first-build", "instruct acme/home change|until acme/home done|instruct acme/home change", 1, "fresh"),
    ("early", "acknowledges-on-receipt", "instruct acme/home change|until acme/home thinking|crash acme", 1, "fresh"),
    ("shared", "one-workspace", "instruct acme/home change|instruct acme/blog change", 1, "no-cascade"),
]


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
    account = deploy()
    process, environment = cloud()
    system, is_throttled = System(account, environment), "throttled" in NAMES
    front = Front(int(URL.split(":")[-1]), one_in=3 if is_throttled else None, fis=system.fis)
    differ = []
    try:
        for name, defect, steps, code, part in PLANS:
            if name not in NAMES:
                continue
            if defect != system.defect:
                system.with_defect(defect)
            began, older = time.monotonic(), threads()
            text = profile(environment)
            if name == "standard":
                system.with_standard_queues()
                text = text.replace(".fifo", "")
                command = replay(name, steps, text, front.url)
                code_of, said = shakedown(PROGRAM, FOLDER, *command[1:-2], url=front.url, profile=text)
                assert code_of == 2 and "`standard-queues = true`" in said, said
                text += "standard-queues = true\n"
            command = replay(name, steps, text, front.url)
            code_of, said = shakedown(PROGRAM, FOLDER, *command[1:-2], url=front.url, profile=text, EDIT_GIT_TOKEN=environment["GIT_TOKEN"])
            shown = said.split("not asked: ")
            print(f"{name}: {code_of} in {time.monotonic() - began:.1f} s: {shown[0]} {shown[-1][:600]}", flush=True)
            assert environment["GIT_TOKEN"] not in said
            # What is not asked is named too.
            part = f"VIOLATED {part}" if code == 1 else part
            if (code_of, part in said) != (code, True):
                differ.append(f"{name}: {code_of}: {part} is not in\n{said}")
                continue
            # What stays undone for ever, the system tries again after the run too.
            found = name != "dropped" and left(account, environment, older)
            if found:
                differ.append(f"{name}: {found}")
            if name == "partition":
                assert [it["state"]["status"] for it in system.fis.experiments.values()] == ["stopped"], system.fis.experiments
                assert not system.fis.templates and system.relay.held, (system.fis.templates, "nothing was cut off")
            # Its history is judged in the same way.
            again, _ = run("report", f"{name}.jsonl")
            assert again == code, f"{name}: its history ends with {again}"
            if code == 0 and not is_throttled:
                on_local, said = run("replay", f"{name}.plan", "--target", "local")
                assert on_local == 0, f"{name} on local: {said}"
        for name, how in [("killed", signal.SIGKILL), ("interrupted", signal.SIGINT)]:
            if name in NAMES:
                if system.defect:
                    system.with_defect(None)
                ended(account, environment, how)
        assert not differ, "\n".join(differ)
        if is_throttled:
            print(f"throttled: {dict(front.throttled)} of {dict(front.asked)}", flush=True)
            assert set(front.throttled) == {"sts", "iam", "monitoring", "s3", "sqs", "dynamodb", "logs", "ecs"}, front.throttled
            assert 4 * front.throttled.total() > front.asked.total(), front.throttled
    finally:
        front.end()
        system.end()
        process.kill()
        process.wait()


main()
