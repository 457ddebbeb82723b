"""The job of runner.py with its mistakes repaired; docs/your-worker.md goes through them one by one."""
import logging
import mimetypes
import os
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import requests
from botocore.config import Config

JOB = os.environ
SECOND = float(JOB.get("TIME_SCALE", "1"))
CHECKOUT, BRANCH, BUCKET = JOB["CHECKOUT"], JOB["BRANCH"], JOB["BUCKET"]
s3 = boto3.client(
    "s3", config=Config(connect_timeout=20 * SECOND, read_timeout=20 * SECOND, retries={"total_max_attempts": 1})
)
log = logging.getLogger("runner")


class Failed(Exception):
    """What ends a job for good; everything else is tried again."""


def run(*command, cwd=CHECKOUT, seconds=120):
    done = subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=seconds * SECOND)
    return done.stdout


def git(*arguments):
    return run("git", *arguments, seconds=30)


def succeeds(*arguments):
    try:
        git(*arguments)
        return True
    except subprocess.CalledProcessError:
        return False


def sleep(seconds):
    time.sleep(seconds * SECOND * random.uniform(0.5, 1))


def persist(what, step):
    """Tries a step until it succeeds: three times with growing waits, then at an interval."""
    while True:
        for attempt in (1, 2, 3):
            try:
                return step()
            except Failed:
                raise
            except Exception as error:
                log.warning("%s failed: %s", what, error)
                if attempt < 3:
                    sleep(2**attempt)
        log.error("%s is put off", what)
        sleep(20)


def clone():
    """The session's branch, or a new one; that the remote cannot be asked is neither."""
    shutil.rmtree(CHECKOUT, ignore_errors=True)
    os.makedirs(CHECKOUT)
    url = JOB["REPOSITORY"]
    is_known = git("ls-remote", "--heads", url, f"refs/heads/{BRANCH}") != ""
    if is_known:
        git("clone", "--quiet", "--depth", "50", "--branch", BRANCH, url, ".")
    else:
        git("clone", "--quiet", "--depth", "50", url, ".")
        git("checkout", "--quiet", "-b", BRANCH)
    with open(os.path.join(CHECKOUT, ".git/info/exclude"), "a") as exclude:
        exclude.write("/dist/\n")


def edit(text):
    for attempt in range(1, 6):
        try:
            log.info("thinking")
            run("claude", "--print", text, seconds=30)
            break
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            git("reset", "--quiet", "--hard")
            git("clean", "--quiet", "-ffdx")
            if attempt == 5:
                raise Failed(f"the agent failed: {error}") from error
            log.warning("the agent failed: %s", error)
            sleep(2**attempt)
    git("add", "--all")
    git("commit", "--quiet", "--allow-empty", "-m", text)


def push():
    """What others pushed meanwhile is taken in; nothing of either side is dropped."""
    if git("ls-remote", "--heads", "origin", f"refs/heads/{BRANCH}"):
        git("fetch", "--quiet", "origin", BRANCH)
        if not succeeds("rebase", "--quiet", "FETCH_HEAD"):
            git("rebase", "--abort")
            log.warning("a conflict is resolved for the session")
            git("merge", "--quiet", "--no-edit", "-X", "ours", "FETCH_HEAD")
    git("push", "--quiet", "origin", BRANCH)


def build():
    log.info("building")
    try:
        run("npm", "run", "--silent", "build")
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Failed(f"the build failed: {error}") from error


def upload(path, key):
    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
    with open(path, "rb") as body:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body, ContentType=kind)


def publish(folder):
    """Assets before pages, and deletions of assets last: no page ever names what is not there."""
    log.info("deploying")
    files = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            files[os.path.relpath(path, folder)] = path
    pages = [key for key in files if key.endswith(".html")]
    for keys in (files.keys() - pages, pages):
        with ThreadPoolExecutor(max_workers=8) as pool:
            # The results are looked at, so that what a thread raised is raised here.
            list(pool.map(lambda key: upload(files[key], key), keys))
    listed = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    left_over = [it["Key"] for page in listed for it in page.get("Contents", []) if it["Key"] not in files]
    for key in sorted(left_over, key=lambda key: not key.endswith(".html")):
        s3.delete_object(Bucket=BUCKET, Key=key)


def call_back(status, error=None):
    answer = {"status": status, "error": error}
    requests.post(JOB["CALLBACK_URL"], json=answer, timeout=10 * SECOND).raise_for_status()


def work(text):
    persist("the clone", clone)
    if text not in git("log", "--format=%s").splitlines():
        edit(text)
    persist("the push", push)
    build()
    persist("the deploy", lambda: publish(os.path.join(CHECKOUT, "dist")))


def main():
    logging.basicConfig(format=f"%(asctime)s %(levelname)s [{JOB['SESSION']}] %(message)s", level=logging.INFO)
    try:
        work(JOB["INSTRUCTION"])
    except Failed as error:
        log.error("%s", error)
        persist("the callback", lambda: call_back("error", str(error)))
        sys.exit(1)
    persist("the callback", lambda: call_back("complete"))


main()
