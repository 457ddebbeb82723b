"""A worker with an HTTP server, and nothing but Python's own library: it takes jobs at /jobs, works on them in a
thread, and reports their outcomes to Step Functions. What it has taken is in its memory only."""
import json
import os
import queue
import subprocess
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

jobs = queue.Queue()


def report(action, **body):
    request = urllib.request.Request(os.environ["ENDPOINT"], json.dumps(body).encode(), {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"AWSStepFunctions.{action}",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={os.environ['KEY']}/20260101/us-west-2/states/aws4_request",
    })
    urllib.request.urlopen(request).read()


def handle(thread, text):
    folder = os.path.join(os.environ["WORKSPACE"], thread)
    git = lambda *args: subprocess.run(["git", "-C", folder, *args], check=True)
    if not os.path.isdir(folder):
        subprocess.run(["git", "clone", "-q", os.environ["REPOSITORY"], folder], check=True)
        git("config", "user.name", "server")
        git("config", "user.email", "server@localhost")
        git("checkout", "-q", "-b", thread)
    subprocess.run(["claude", "--print", text], cwd=folder, check=True)
    git("add", "--all")
    git("commit", "-q", "-m", text)
    git("push", "-q", "origin", thread)


def work():
    while True:
        job = jobs.get()
        try:
            handle(job["thread"], job["text"])
        except Exception as error:
            report("SendTaskFailure", taskToken=job["token"], error="Failed", cause=str(error))
        else:
            report("SendTaskSuccess", taskToken=job["token"], output="{}")


class Server(BaseHTTPRequestHandler):
    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.answer(200)

    def do_POST(self):
        jobs.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(202)


threading.Thread(target=work, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Server).serve_forever()
