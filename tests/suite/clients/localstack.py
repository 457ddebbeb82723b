"""SQS, CloudWatch Logs and Step Functions, asked of LocalStack, of moto and of the loopback cloud, in a network with
nothing but a loopback interface: where the other two agree, the cloud has to agree with them.

Arguments: the tester's program, then LocalStack's Python.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

tester, localstack = sys.argv[1:]
folder = pathlib.Path(tempfile.mkdtemp())
children = []


def child(*command, **more):
    children.append(subprocess.Popen(command, cwd=folder, **more))
    return children[-1]


def wait(url):
    """Waits until a server answers."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return urllib.request.urlopen(url, timeout=5).read()
        except OSError:
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.2)


def start():
    """Starts the three. Returns what is needed to ask them."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {
        "PATH": f"{pathlib.Path(localstack).parent}:{os.environ['PATH']}", "HOME": str(folder), "TMPDIR": str(folder),
        "GATEWAY_LISTEN": "127.0.0.1:4566", "DNS_ADDRESS": "0", "SERVICES": "sqs,logs,stepfunctions",
        "STRICT_SERVICE_LOADING": "1", "DISABLE_EVENTS": "1", "SKIP_SSL_CERT_DOWNLOAD": "1",
        "FILESYSTEM_ROOT": str(folder / "localstack"),
    }
    child(localstack, "-m", "localstack.runtime.main", env=environment, **silent)
    moto = pathlib.Path(sys.executable).with_name("moto_server")
    child(str(moto), "-H", "127.0.0.1", "-p", "4567", **silent)
    cloud = child(tester, "cloud", "--quiet", "acme/home", "--time-scale", "1",
                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    given = {}
    for line in cloud.stdout:
        if line.startswith("export "):
            name, value = line[len("export "):].strip().split("=", 1)
            given[name] = value.strip("'")
        if line.startswith("export TIME_SCALE="):
            break
    wait("http://127.0.0.1:4566/_localstack/health")
    wait("http://127.0.0.1:4567/moto-api/")
    keys = {"aws_access_key_id": "000000000000", "aws_secret_access_key": "x"}
    ours = {"aws_access_key_id": given["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": given["AWS_SECRET_ACCESS_KEY"]}
    return {
        "localstack": {"endpoint_url": "http://127.0.0.1:4566", **keys},
        "moto": {"endpoint_url": "http://127.0.0.1:4567", **keys},
        "ours": {"endpoint_url": given["AWS_ENDPOINT_URL"], **ours},
    }


CASES = []


def case(service):
    """A case: what it returns is compared."""
    def add(function):
        CASES.append((service, function))
        return function
    return add


def outcome(ask):
    """That it is done, or how it is refused."""
    try:
        ask()
        return "done"
    except ClientError as error:
        return [error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]]


def bodies(answer):
    return [message["Body"] for message in answer.get("Messages", [])]


def receive(sqs, url, **more):
    return sqs.receive_message(QueueUrl=url, **{"MaxNumberOfMessages": 10, "WaitTimeSeconds": 1} | more)


@case("sqs")
def queues_are_made_once(sqs):
    made = [sqs.create_queue(QueueName="once")["QueueUrl"].rsplit("/")[-1] for _ in range(2)]
    other = outcome(lambda: sqs.create_queue(QueueName="once", Attributes={"VisibilityTimeout": "7"}))
    missing = outcome(lambda: sqs.get_queue_url(QueueName="never"))
    return [made, other, missing]


@case("sqs")
def names_and_attributes_are_checked(sqs):
    return [outcome(ask) for ask in [
        lambda: sqs.create_queue(QueueName="no.dots"),
        lambda: sqs.create_queue(QueueName="fifo", Attributes={"FifoQueue": "true"}),
        lambda: sqs.create_queue(QueueName="a", Attributes={"VisibilityTimeout": "43201"}),
        lambda: sqs.create_queue(QueueName="a", Attributes={"Odd": "1"}),
    ]]


@case("sqs")
def a_queue_has_these_attributes(sqs):
    url = sqs.create_queue(QueueName="plain")["QueueUrl"]
    some = ["VisibilityTimeout", "DelaySeconds", "MessageRetentionPeriod", "MaximumMessageSize",
            "ReceiveMessageWaitTimeSeconds", "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
    got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=some)["Attributes"]
    none = "Attributes" in sqs.get_queue_attributes(QueueUrl=url)
    return [got, none]


@case("sqs")
def a_message_comes_with_its_digests_and_once_while_it_is_hidden(sqs):
    url = sqs.create_queue(QueueName="hidden")["QueueUrl"]
    attributes = {"a": {"DataType": "String", "StringValue": "1"}, "b": {"DataType": "Binary", "BinaryValue": b"x"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody="über", MessageAttributes=attributes)
    asked = {"MessageAttributeNames": ["a"], "AttributeNames": ["ApproximateReceiveCount"]}
    first = receive(sqs, url, **asked)["Messages"][0]
    second = bodies(receive(sqs, url))
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    third = receive(sqs, url, **asked)["Messages"][0]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=third["ReceiptHandle"])
    names = ["MD5OfMessageBody", "MD5OfMessageAttributes"]
    kept = ["MD5OfBody", "MD5OfMessageAttributes", "MessageAttributes", "Attributes", "Body"]
    return [[sent.get(name) for name in names], [first.get(name) for name in kept], second,
            third["Attributes"], bodies(receive(sqs, url))]


@case("sqs")
def wrong_requests_are_refused(sqs):
    url = sqs.create_queue(QueueName="wrong")["QueueUrl"]
    entry = {"Id": "a", "MessageBody": "x"}
    return [outcome(ask) for ask in [
        lambda: sqs.send_message(QueueUrl=url, MessageBody=""),
        lambda: sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=901),
        lambda: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=11),
        lambda: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=0),
        lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=21),
        lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle="odd"),
        lambda: sqs.change_message_visibility(QueueUrl=url, ReceiptHandle="odd", VisibilityTimeout=1),
        lambda: sqs.send_message_batch(QueueUrl=url, Entries=[]),
        lambda: sqs.send_message_batch(QueueUrl=url, Entries=[entry, entry]),
        lambda: sqs.send_message_batch(QueueUrl=url, Entries=[entry | {"Id": str(n)} for n in range(11)]),
        lambda: sqs.send_message_batch(QueueUrl=url, Entries=[entry | {"Id": "no blanks"}]),
        lambda: sqs.send_message(QueueUrl=url.replace("wrong", "never"), MessageBody="x"),
    ]]


@case("sqs")
def batches_say_what_became_of_each(sqs):
    url = sqs.create_queue(QueueName="batches")["QueueUrl"]
    sent = sqs.send_message_batch(QueueUrl=url, Entries=[
        {"Id": "a", "MessageBody": "a"}, {"Id": "b", "MessageBody": "b"}])
    got = receive(sqs, url)["Messages"]
    handles = [message["ReceiptHandle"] for message in got]
    deleted = sqs.delete_message_batch(QueueUrl=url, Entries=[
        {"Id": "good", "ReceiptHandle": handles[0]}, {"Id": "bad", "ReceiptHandle": "odd"}])
    ids = lambda answer, of: sorted(entry["Id"] for entry in answer.get(of, []))
    return [ids(sent, "Successful"), ids(sent, "Failed"), ids(deleted, "Successful"), ids(deleted, "Failed")]


@case("sqs")
def groups_keep_their_order_and_repeats_are_dropped(sqs):
    url = sqs.create_queue(QueueName="groups.fifo", Attributes={
        "FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
    send = lambda body, group, **more: sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, **more)
    first = send("a1", "a")
    again = send("a1", "a")
    send("a2", "a")
    send("b1", "b")
    same = first["MessageId"] == again["MessageId"], first["SequenceNumber"] == again["SequenceNumber"]
    one = receive(sqs, url, MaxNumberOfMessages=1)["Messages"][0]
    # The group of the first is held; the other one is not.
    rest = bodies(receive(sqs, url))
    sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    after = bodies(receive(sqs, url))
    refused = [outcome(ask) for ask in [
        lambda: sqs.send_message(QueueUrl=url, MessageBody="x"),
        lambda: send("x", "a", DelaySeconds=1),
    ]]
    return [same, one["Body"], rest, after, refused]


@case("sqs")
def what_is_received_too_often_is_a_dead_letter(sqs):
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    url = sqs.create_queue(QueueName="alive", Attributes={
        "RedrivePolicy": policy, "VisibilityTimeout": "0"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    came = [bodies(receive(sqs, url, WaitTimeSeconds=0)) for _ in range(3)]
    return [came, bodies(receive(sqs, dead))]


@case("sqs")
def queues_are_emptied_and_removed(sqs):
    url = sqs.create_queue(QueueName="gone", tags={"a": "1"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    tags = sqs.list_queue_tags(QueueUrl=url)["Tags"]
    sqs.purge_queue(QueueUrl=url)
    empty = bodies(receive(sqs, url, WaitTimeSeconds=0))
    sqs.delete_queue(QueueUrl=url)
    return [tags, empty, outcome(lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))]


@case("logs")
def groups_and_streams_are_made_once(logs):
    logs.create_log_group(logGroupName="once")
    logs.create_log_stream(logGroupName="once", logStreamName="s")
    refused = [outcome(ask) for ask in [
        lambda: logs.create_log_group(logGroupName="once"),
        lambda: logs.create_log_stream(logGroupName="once", logStreamName="s"),
        lambda: logs.create_log_stream(logGroupName="never", logStreamName="s"),
        lambda: logs.describe_log_streams(logGroupName="never"),
        lambda: logs.put_retention_policy(logGroupName="once", retentionInDays=2),
        lambda: logs.delete_log_stream(logGroupName="once", logStreamName="never"),
        lambda: logs.delete_log_group(logGroupName="never"),
        lambda: logs.put_log_events(logGroupName="once", logStreamName="never", logEvents=[
            {"timestamp": 1, "message": "x"}]),
        lambda: logs.get_log_events(logGroupName="once", logStreamName="never"),
    ]]
    logs.put_retention_policy(logGroupName="once", retentionInDays=7)
    group = logs.describe_log_groups(logGroupNamePrefix="once")["logGroups"][0]
    return [refused, group["logGroupName"], group["retentionInDays"]]


@case("logs")
def lines_are_paged_both_ways_and_found_by_patterns(logs):
    logs.create_log_group(logGroupName="lines")
    logs.create_log_stream(logGroupName="lines", logStreamName="s")
    now = int(time.time() * 1000)
    lines = ["INFO one", "ERROR two", "WARN three", '{"level": "error", "n": 4}', "ERROR five timeout"]
    events = [{"timestamp": now + n, "message": line} for n, line in enumerate(lines)]
    logs.put_log_events(logGroupName="lines", logStreamName="s", logEvents=events)
    of = {"logGroupName": "lines", "logStreamName": "s"}
    texts = lambda answer: [event["message"] for event in answer["events"]]
    head = logs.get_log_events(**of, startFromHead=True, limit=2)
    following = logs.get_log_events(**of, startFromHead=True, limit=2, nextToken=head["nextForwardToken"])
    tail = logs.get_log_events(**of, limit=2)
    before = logs.get_log_events(**of, limit=2, nextToken=tail["nextBackwardToken"])
    end = logs.get_log_events(**of, startFromHead=True)
    last = logs.get_log_events(**of, startFromHead=True, nextToken=end["nextForwardToken"])
    found = {pattern: texts(logs.filter_log_events(logGroupName="lines", filterPattern=pattern)) for pattern in [
        "", "ERROR", "ERROR timeout", "?two ?three", "ERROR -timeout", '"ERROR two"', '{ $.level = "error" }']}
    return [[texts(page) for page in [head, following, tail, before, end, last]],
            last["nextForwardToken"] == end["nextForwardToken"], found]


@case("logs")
def lines_that_are_too_old_are_rejected(logs):
    logs.create_log_group(logGroupName="old")
    logs.create_log_stream(logGroupName="old", logStreamName="s")
    now = int(time.time() * 1000)
    day = 24 * 3600 * 1000
    put = lambda ago: logs.put_log_events(logGroupName="old", logStreamName="s", logEvents=[
        {"timestamp": now - ago, "message": "x"}]).get("rejectedLogEventsInfo")
    return [put(15 * day), put(0)]


@case("stepfunctions")
def tokens_that_nobody_gave_are_refused(steps):
    return [outcome(ask) for ask in [
        lambda: steps.send_task_success(taskToken="never", output="{"),
        lambda: steps.send_task_failure(taskToken="never"),
        lambda: steps.send_task_heartbeat(taskToken="never"),
    ]]


# Where the two agree on something else than what AWS documents, which the cloud does.
DOCUMENTED = {
    ("names_and_attributes_are_checked", "/2"): "neither knows that a message is hidden for 43,200 s at most",
    ("groups_and_streams_are_made_once", "/0/4"): "neither knows which days of retention there are",
    ("lines_that_are_too_old_are_rejected", "/0/tooOldLogEventEndIndex"): "the index is exclusive",
    ("lines_are_paged_both_ways_and_found_by_patterns", "/2/?two ?three"): "neither knows patterns with `?`",
    ("lines_are_paged_both_ways_and_found_by_patterns", '/2/{ $.level = "error" }'): "neither knows patterns for JSON",
}


def asked(target, service, function):
    """What a case returns at one target, as JSON has it."""
    config = Config(region_name="us-west-2", retries={"max_attempts": 1}, parameter_validation=False)
    try:
        answer = function(boto3.client(service, config=config, **target))
    except (ClientError, KeyError, IndexError, ParamValidationError) as error:
        answer = repr(error)
    return json.loads(json.dumps(answer, default=str))


def differing(one, two, where=""):
    """The places where two answers differ."""
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        return [place for n, (a, b) in enumerate(zip(one, two)) for place in differing(a, b, f"{where}/{n}")]
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        return [place for name in one for place in differing(one[name], two[name], f"{where}/{name}")]
    return [] if one == two else [where]


def at(answer, place):
    for name in place.split("/")[1:]:
        answer = answer[int(name) if isinstance(answer, list) else name]
    return answer


failures = 0
try:
    targets = start()
    for service, function in CASES:
        answers = {name: asked(target, service, function) for name, target in targets.items()}
        unclear = differing(answers["localstack"], answers["moto"])
        for place in differing(answers["localstack"], answers["ours"]):
            is_clear = not any(place.startswith(other) or other.startswith(place) for other in unclear)
            is_clear = is_clear and DOCUMENTED.pop((function.__name__, place), None) is None
            failures += is_clear
            print("DIFFERS" if is_clear else "unclear", function.__name__, place)
            for name, answer in answers.items():
                try:
                    print(f"    {name}: {at(answer, place)}")
                except (KeyError, IndexError, TypeError, ValueError):
                    print(f"    {name}: {answer}")
    print(f"{len(CASES)} cases, {failures} places where only the cloud differs")
    assert not DOCUMENTED, f"the cloud does not differ any more in {DOCUMENTED}"
finally:
    for one in children:
        one.terminate()
        one.wait()
sys.exit(failures != 0)
