"""A fault in an account, and how it is undone whatever ends it: `heal.py PROGRAM URL FOLDER [MOMENTS]`."""
import json
import os
import random
import signal
import subprocess
import sys
import time

from botocore.exceptions import ClientError

from account import BUCKET, PROFILE, Account, is_read, shakedown
from account import heal as account_heal

PROGRAM, URL, FOLDER = sys.argv[1:4]
MOMENTS = int(sys.argv[4]) if len(sys.argv) > 4 else 6
account = Account(URL)
account.make()
PUBLIC = {"Sid": "Public", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
# Its spaces are its own: what comes back is this text.
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [PUBLIC]}, indent=3)
YES = ["--yes-account", "123456789012"]


def policy():
    try:
        return account.s3.get_bucket_policy(Bucket=BUCKET)["Policy"]
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchBucketPolicy", error
        return None


def put(text):
    account.s3.put_bucket_policy(Bucket=BUCKET, Policy=text) if text else account.s3.delete_bucket_policy(Bucket=BUCKET)


def run(code, part, *args, profile=PROFILE):
    (ended, text), asked = account.recorded(lambda: shakedown(PROGRAM, FOLDER, *args, profile=profile, url=URL))
    assert ended == code and part in text, f"{args}: {ended}: {part} is not in\n{text}"
    return [name for name in asked if not is_read(name)]


def heal(*args):
    return account_heal(PROGRAM, FOLDER, *args)


def begin(seconds):
    """Begins a fault, which goes on by itself."""
    with open(os.path.join(FOLDER, "aws.toml"), "w") as file:
        file.write(PROFILE.replace("URL", URL))
    command = [PROGRAM, "inject", "s3-denied", "acme", "--for", f"{seconds}s", "--profile", "aws.toml", *YES]
    return subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "HOME": FOLDER, "XDG_STATE_HOME": FOLDER})


def until_denied(process):
    deadline = time.monotonic() + 60
    while "shakedown" not in (policy() or ""):
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.02)
    return json.loads(policy())


# Without the account's id nothing is done, and with a wrong one neither.
fault = ["inject", "s3-denied", "acme", "--for", "1s"]
assert run(0, "To do it, add --yes-account 123456789012", *fault) == []
assert run(64, "is not the account of the credentials", *fault, "--yes-account", "999999999999") == []
assert run(64, "it would delete a bucket", "inject", "s3-missing", "acme", "--for", "1s", *YES) == []
assert run(2, "it lacks the tag", *fault, *YES, profile=PROFILE.replace("[aws]", '[aws]\ntag = "other=tag"')) == []

for before in [POLICY, None]:
    put(before)
    process = begin(1)
    statements = until_denied(process)["Statement"]
    assert [it.get("Sid") for it in statements[:-1]] == (["Public"] if before else []), statements
    ours = statements[-1]
    assert ours["Principal"] == {"AWS": "arn:aws:iam::123456789012:role/edit-worker"}, ours
    assert sorted(ours["Action"]) == ["s3:DeleteObject", "s3:PutObject"], ours
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "is as it was" in said, said
    assert policy() == before, policy()

# Ctrl-C, and an alarm.
put(POLICY)
process = begin(300)
until_denied(process)
process.send_signal(signal.SIGINT)
said, _ = process.communicate(timeout=60)
assert process.returncode == 0 and policy() == POLICY, said
process = begin(300)
until_denied(process)
account.alarm("ALARM")
said, _ = process.communicate(timeout=60)
assert process.returncode == 2 and "it was ended early" in said and policy() == POLICY, said
account.alarm("OK")

# Killed at any moment.
left = 0
for moment in range(MOMENTS):
    before = POLICY if moment % 2 else None
    put(before)
    process = begin(300)
    if moment % 3:
        time.sleep(random.uniform(0, 1))
    else:
        until_denied(process)
    process.kill()
    process.communicate()
    code, listed = heal("--list")
    assert code == 0, listed
    if "shakedown" in (policy() or ""):
        left += 1
        assert f"in the policy of {BUCKET}" in listed, listed
        # Nothing begins before that is undone.
        assert run(2, "is not known to be as it was", *fault, *YES) == []
    code, said = heal()
    assert code == 0 and policy() == before, (said, policy())
    (code, said), asked = account.recorded(heal)
    assert code == 0 and said == "nothing is left to be undone" and asked == [], (said, asked)
assert left >= MOMENTS // 3, f"only {left} of {MOMENTS} were killed in a fault"

# Somebody else changes the policy meanwhile.
put(POLICY)
process = begin(300)
changed = until_denied(process)
changed["Statement"].insert(0, {**PUBLIC, "Sid": "Third"})
put(json.dumps(changed))
process.kill()
process.communicate()
code, said = heal()
assert code == 0 and "somebody else changed the policy" in said, said
assert [it["Sid"] for it in json.loads(policy())["Statement"]] == ["Third", "Public"], policy()
print(f"{left} of {MOMENTS} were killed in a fault; all are undone")
