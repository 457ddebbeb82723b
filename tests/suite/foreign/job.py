"""One instruction, with nothing but Python's own library: clone, let `claude` edit, commit, push, and report the
outcome by HTTP and exit code. What was pushed by a process that was killed is not done again."""
import json
import os
import shutil
import subprocess
import sys
import urllib.request

text, branch, folder = os.environ["INSTRUCTION"], os.environ["BRANCH"], os.environ["CHECKOUT"]


def git(*args):
    return subprocess.run(["git", "-C", folder, *args], check=True, capture_output=True, text=True).stdout


def report(status):
    request = urllib.request.Request(os.environ["CALLBACK"], json.dumps({"status": status}).encode())
    urllib.request.urlopen(request).read()


def work():
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "clone", "-q", os.environ["REPOSITORY"], folder], check=True)
    git("config", "user.name", "job")
    git("config", "user.email", "job@localhost")
    known = git("branch", "-r", "--list", f"origin/{branch}")
    git("checkout", "-q", "-B", branch, f"origin/{branch}" if known else "HEAD")
    if text not in git("log", "--format=%s", "origin/main..HEAD"):
        subprocess.run(["claude", "--print", text], cwd=folder, check=True)
        git("add", "--all")
        git("commit", "-q", "-m", text)
        git("push", "-q", "origin", branch)
    if "BUILD" in os.environ:
        built = subprocess.run(os.environ["BUILD"].split(), cwd=folder)
        git("clean", "-fdq")
        built.check_returncode()


report("running")
try:
    work()
except Exception as error:
    report("failed")
    sys.exit(str(error))
report("complete")
if os.environ["DEFECT"] == "two-outcomes":
    sys.exit(1)
