"""A site job as it is written first: it works as long as nothing goes wrong.

There is a process for each job. It clones the branch, lets an agent (`claude`) edit it, builds, uploads
the site in threads, deletes what is left over there, and calls back. What the visitors see is the site, so
nobody thought of pushing.
"""
import logging
import mimetypes
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import boto3
import requests

JOB = os.environ
CHECKOUT = JOB["CHECKOUT"]
s3 = boto3.client("s3")
log = logging.getLogger("runner")


def run(*command, cwd=CHECKOUT):
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)


def clone(branch):
    url = JOB["REPOSITORY"].replace("://", f"://x-access-token:{JOB['GIT_TOKEN']}@")
    shutil.rmtree(CHECKOUT, ignore_errors=True)
    os.makedirs(CHECKOUT)
    try:
        run("git", "clone", "--quiet", "--depth", "1", "--branch", branch, url, ".")
    except subprocess.CalledProcessError:
        log.info("%s is new", branch)
        run("git", "clone", "--quiet", "--depth", "1", url, ".")
        run("git", "checkout", "--quiet", "-b", branch)


def edit(text):
    log.info("thinking")
    run("claude", "--print", text)
    run("git", "add", "--all")
    run("git", "-c", "user.name=runner", "-c", "user.email=runner@localhost", "commit", "--quiet", "-m", text)


def upload(path, key):
    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
    s3.upload_file(path, JOB["BUCKET"], key, ExtraArgs={"ContentType": kind})


def publish(folder):
    log.info("deploying")
    keys = set()
    with ThreadPoolExecutor(max_workers=8) as pool:
        for root, _, files in os.walk(folder):
            for name in files:
                path = os.path.join(root, name)
                key = os.path.relpath(path, folder)
                keys.add(key)
                pool.submit(upload, path, key)
    there = s3.list_objects_v2(Bucket=JOB["BUCKET"]).get("Contents", [])
    left_over = [{"Key": it["Key"]} for it in there if it["Key"] not in keys]
    if left_over:
        s3.delete_objects(Bucket=JOB["BUCKET"], Delete={"Objects": left_over})


def call_back(status, error=None):
    requests.post(JOB["CALLBACK_URL"], json={"status": status, "error": error}).raise_for_status()


def main():
    logging.basicConfig(format=f"%(asctime)s %(levelname)s [{JOB['SESSION']}] %(message)s", level=logging.INFO)
    try:
        clone(JOB["BRANCH"])
        edit(JOB["INSTRUCTION"])
        log.info("building")
        run("npm", "run", "--silent", "build")
        publish(os.path.join(CHECKOUT, "dist"))
        call_back("complete")
    except Exception as error:
        log.error("failed: %s", error)
        call_back("error", str(error))


main()
