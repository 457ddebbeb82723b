"""A front before moto, which throttles as AWS does, and says when a request is on its way."""
import http.client
import http.server
import json
import random
import threading
from collections import Counter

DROPPED = ("connection", "transfer-encoding", "keep-alive")


class Front:
    """Passes requests on to moto, those of the Fault Injection Service aside. With `one_in` it refuses one of so many, each service in its own shape."""

    def __init__(self, port, one_in=None, fis=None):
        self.fis = fis
        self.port, self.one_in, self.chance, self.lock = port, one_in, random.Random(7), threading.Lock()
        # How many requests of each service there were, and how many of them were refused.
        self.asked, self.throttled = Counter(), Counter()
        # What is called at the request of this number, and whether before it is passed on or after.
        self.at, self.call, self.is_before = None, None, False
        handler = type("Handler", (Handler,), {"front": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def is_throttled(self, service):
        """Whether a request is refused, and which one it is."""
        with self.lock:
            self.asked[service] += 1
            # The first one of each service is refused in any case.
            refused = bool(self.one_in) and (self.asked[service] == 1 or self.chance.random() * self.one_in < 1)
            self.throttled[service] += refused
            return refused, self.asked.total()

    def call_at(self, number, call, is_before):
        """Calls this at the request of this number from now on, before it is passed on or after it was answered."""
        with self.lock:
            self.at, self.call, self.is_before = self.asked.total() + number, call, is_before

    def comes(self, is_before, number):
        if self.at == number and self.is_before == is_before:
            self.call()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Else the body of an answer waits for the acknowledgement of its head.
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def service(self):
        """The service that a request is signed for."""
        return self.headers.get("authorization", "/////").split("Credential=")[-1].split("/")[3]

    def answer(self, status, headers, body):
        try:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            # Who asked is killed.
            self.close_connection = True

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        refused, number = self.front.is_throttled(self.service())
        if refused:
            return self.answer(*throttling(self.service()))
        self.front.comes(True, number)
        if self.front.fis and self.service() == "fis":
            status, body = self.front.fis.ask(self.command, self.path, body)
            self.front.comes(False, number)
            return self.answer(status, [("content-type", "application/json")], json.dumps(body).encode())
        moto = http.client.HTTPConnection("127.0.0.1", self.front.port, timeout=60)
        try:
            moto.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                moto.putheader(name, value)
            moto.endheaders(body)
            answer = moto.getresponse()
            headers = [(name, value) for name, value in answer.getheaders()
                       if name.lower() not in (*DROPPED, "content-length")]
            body = answer.read()
            self.front.comes(False, number)
            self.answer(answer.status, headers, body)
        finally:
            moto.close()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any


def throttling(service):
    """Status, headers and body of the answer to a request that comes too often."""
    if service == "s3":
        return 503, [("content-type", "application/xml")], b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
    if service in ("sts", "iam", "monitoring"):
        return 400, [("content-type", "text/xml")], (
            b"<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>")
    code = {"sqs": "com.amazonaws.sqs#RequestThrottled",
            "dynamodb": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}.get(service, "ThrottlingException")
    return 400, [("content-type", "application/x-amz-json-1.1")], json.dumps({"__type": code, "message": "Rate exceeded"}).encode()
