"""The part of the Fault Injection Service that moto lacks, as its API reference has it; the effect of an experiment is its caller's."""
import json
import re
import threading
import time
import uuid
from urllib.parse import parse_qs, urlsplit

ACTION = "aws:ecs:task-network-blackhole-port"


class Refused(Exception):
    """Status, code and message."""


class Fis:
    """Templates and experiments. `tasks` lists the tasks of a cluster's service, and `cut` cuts them off, or no longer."""

    def __init__(self, tasks, cut):
        self.tasks, self.cut, self.lock = tasks, cut, threading.Lock()
        self.templates, self.experiments, self.tokens = {}, {}, {}

    def ask(self, method, path, body):
        """Answers a request: its status and its body."""
        url = urlsplit(path)
        kind, *rest = url.path.strip("/").split("/")
        try:
            with self.lock:
                answer = self.answer(method, kind, rest, parse_qs(url.query), json.loads(body or "{}"))
            return 200, answer
        except Refused as refused:
            status, code, message = refused.args
            return status, {"__type": code, "message": message}

    def answer(self, method, kind, rest, query, body):
        known = {"experimentTemplates": self.templates, "experiments": self.experiments}[kind]
        one = kind[:-1]
        if method == "POST":
            token = (kind, body["clientToken"])
            if token not in self.tokens:
                made = self.template(body) if kind == "experimentTemplates" else self.begin(body)
                known[made["id"]] = made
                self.tokens[token] = made["id"]
            return {one: known[self.tokens[token]]}
        if method == "GET" and not rest:
            first, most = int(query.get("nextToken", ["0"])[0]), min(int(query["maxResults"][0]), 2)
            found = list(known.values())
            page = {kind: [{name: it[name] for name in ["id", "tags", "state"] if name in it} for it in found[first:first + most]]}
            return page | ({"nextToken": str(first + most)} if len(found) > first + most else {})
        if rest[0] not in known:
            raise Refused(404, "ResourceNotFoundException", f"there is no {one} {rest[0]}")
        if method == "DELETE" and kind == "experimentTemplates":
            return {one: known.pop(rest[0])}
        found = known[rest[0]]
        if method == "DELETE" and found["state"]["status"] in ("initiating", "running"):
            found["state"] = {"status": "stopping", "reason": "Experiment is stopping."}
        return {one: found}

    def template(self, of):
        (target,), (action,) = of["targets"].values(), of["actions"].values()
        wrong = [name for name, right in {
            "roleArn": re.fullmatch(r"arn:aws:iam::\d{12}:role/.+", of["roleArn"]),
            "stopConditions": [it["source"] for it in of["stopConditions"]] == ["aws:cloudwatch:alarm"],
            "resourceType": target["resourceType"] == "aws:ecs:task" and target["selectionMode"] == "ALL",
            "actionId": action["actionId"] == ACTION and list(action["targets"]) == ["Tasks"],
            "duration": re.fullmatch(r"PT\d+M", action["parameters"]["duration"]),
            "parameters": {"port", "protocol", "trafficType", "duration"} <= set(action["parameters"]),
            "experimentOptions": of["experimentOptions"]["emptyTargetResolutionMode"] in ("fail", "skip"),
        }.items() if not right]
        if wrong:
            raise Refused(400, "ValidationException", f"wrong: {wrong}")
        return {**of, "id": f"EXT{uuid.uuid4().hex[:12]}"}

    def begin(self, of):
        template = self.templates.get(of["experimentTemplateId"])
        if not template:
            raise Refused(404, "ResourceNotFoundException", "there is no such template")
        begun = {"id": f"EXP{uuid.uuid4().hex[:12]}", "tags": of.get("tags", {}), "state": {"status": "initiating"},
                 "experimentTemplateId": template["id"]}
        threading.Thread(target=self.go_on, args=(begun, template), daemon=True).start()
        return begun

    def go_on(self, experiment, template):
        """Cuts the tasks that there are off, until it is stopped or its time is over."""
        (target,), (action,) = template["targets"].values(), template["actions"].values()
        tasks = self.tasks(**target["parameters"])
        until = time.monotonic() + 60 * int(action["parameters"]["duration"][2:-1])
        with self.lock:
            if experiment["state"]["status"] == "initiating":
                state = {"status": "running"} if tasks else {"status": "failed", "reason": "Target resolution returned empty set."}
                experiment["state"] = state
        self.cut(tasks, True)
        while experiment["state"]["status"] == "running" and time.monotonic() < until:
            time.sleep(0.02)
        self.cut(tasks, False)
        with self.lock:
            if experiment["state"]["status"] != "failed":
                is_stopped = experiment["state"]["status"] == "stopping"
                experiment["state"] = {"status": "stopped" if is_stopped else "completed"}
