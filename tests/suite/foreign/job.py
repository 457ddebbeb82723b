"""One instruction, with nothing but Python's own library: clone, let `claude` edit, commit, push. What was
pushed by a process that was killed is not done again."""
import os
import shutil
import subprocess

text, branch, folder = os.environ["INSTRUCTION"], os.environ["BRANCH"], os.environ["CHECKOUT"]


def git(*args):
    return subprocess.run(["git", "-C", folder, *args], check=True, capture_output=True, text=True).stdout


shutil.rmtree(folder, ignore_errors=True)
subprocess.run(["git", "clone", "-q", os.environ["REPOSITORY"], folder], check=True)
git("config", "user.name", "job")
git("config", "user.email", "job@localhost")
git("checkout", "-q", "-B", branch, f"origin/{branch}" if git("branch", "-r", "--list", f"origin/{branch}") else "HEAD")
if text not in git("log", "--format=%s", "origin/main..HEAD"):
    subprocess.run(["claude", "--print", text], cwd=folder, check=True)
    git("add", "--all")
    git("commit", "-q", "-m", text)
    git("push", "-q", "origin", branch)
