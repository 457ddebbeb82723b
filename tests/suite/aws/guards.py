"""Every guard of a real account, in moto: `guards.py PROGRAM URL FOLDER`. What refuses has to refuse before anything
but a read was asked."""
import http.server
import sys
import threading

from account import BUCKET, PROFILE, REGION, TAG, Account, is_read, shakedown

PROGRAM, URL, FOLDER = sys.argv[1:]
account = Account(URL)
account.make()


def ask(code, part, profile=PROFILE, url=URL, args=(), **more):
    run = lambda: shakedown(PROGRAM, FOLDER, "run", "--target", "aws", *args, profile=profile, url=url, **more)
    (ended, text), asked = account.recorded(run)
    assert ended == code, f"{part}: {ended}\n{text}"
    assert part in text, f"{part} is not in\n{text}"
    writes = [name for name in asked if not is_read(name)]
    assert not writes, f"{part}: {writes}"
    print(f"{part}: {len(asked)} requests", flush=True)
    return text, asked


text, asked = ask(0, "Every guard lets a run begin.")
for part in [
    f"bucket {BUCKET}: has the tag shakedown=allowed",
    "steady state of service edit-acme: 1 of 1 tasks run",
    "steady state of queue work-acme.fifo: no message waits",
    "alarm edit-unhealthy: is OK",
    "s3-missing: left out: it would delete a bucket",
    f"{len(asked)} requests were made",
]:
    assert part in text, f"{part} is not in\n{text}"

# Lists: of regions, names, accounts.
ask(2, "eu-west-1 is not in `regions`", AWS_REGION="eu-west-1")
ask(2, f"the bucket {BUCKET} is not in `buckets`", PROFILE.replace(f'buckets = ["{BUCKET}"]', 'buckets = ["other"]'))
ask(2, "the dead letters dead-acme.fifo is not in `queues`", PROFILE.replace(', "dead-acme.fifo"]', "]"))
ask(2, "the table sessions is not in `tables`", PROFILE.replace('tables = ["sessions"]', ""))
other = PROFILE.replace("123456789012", "210987654321")
_, asked = ask(2, "the account 123456789012 is not in `accounts`", other)
assert asked == ["GetCallerIdentity"], f"a wrong account is asked for more: {asked}"
ask(2, "the account 123456789012 is in `forbid`", other.replace("999999999999", "123456789012"))
ask(64, "is also in `forbid`", PROFILE.replace("999999999999", "123456789012"))
ask(64, "there is no section [aws]", PROFILE.split("[aws]")[0])

# Root, which moto has not.
class Root(http.server.BaseHTTPRequestHandler):
    asked = []

    def do_POST(self):
        Root.asked.append(self.rfile.read(int(self.headers["content-length"])).decode())
        answer = b"""<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:root</Arn>
            <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


root = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Root)
threading.Thread(target=root.serve_forever, daemon=True).start()
ask(2, "the credentials of the account's root", url=f"http://127.0.0.1:{root.server_port}")
assert len(Root.asked) == 1 and "GetCallerIdentity" in Root.asked[0], Root.asked

# Alias.
for alias in ["edit-Prod".lower(), "live-edit"]:
    account.iam.create_account_alias(AccountAlias=alias)
    ask(2, f"the account is called `{alias}`, which looks like production")
    ask(0, "of which the profile says", PROFILE.replace("forbid =", 'alias-checked = ["123456789012"]\nforbid ='))
    account.iam.delete_account_alias(AccountAlias=alias)

# Tags: of each kind of resource.
lacks = "it lacks the tag shakedown=allowed"
for tags, part in [({}, lacks), ({"shakedown": "no"}, "its tag shakedown is `no`")]:
    account.tag_bucket(tags) if tags else account.s3.delete_bucket_tagging(Bucket=BUCKET)
    ask(2, f"bucket {BUCKET}: {part}")
account.tag_bucket(TAG)
queue = account.queues["dead-acme.fifo"]
account.sqs.untag_queue(QueueUrl=queue, TagKeys=["shakedown"])
ask(2, f"dead letters dead-acme.fifo: {lacks}")
account.sqs.tag_queue(QueueUrl=queue, Tags=TAG)
table = account.tables.describe_table(TableName="sessions")["Table"]["TableArn"]
account.tables.untag_resource(ResourceArn=table, TagKeys=["shakedown"])
ask(2, f"table sessions: {lacks}")
account.tables.tag_resource(ResourceArn=table, Tags=[{"Key": "shakedown", "Value": "allowed"}])
account.logs.untag_log_group(logGroupName="/ecs/edit", tags=["shakedown"])
ask(2, f"log group /ecs/edit: {lacks}")
account.logs.tag_log_group(logGroupName="/ecs/edit", tags=TAG)
account.ecs.untag_resource(resourceArn=account.service, tagKeys=["shakedown"])
ask(2, f"service edit-acme: {lacks}")
account.ecs.tag_resource(resourceArn=account.service, tags=[{"key": "shakedown", "value": "allowed"}])

# Health.
account.alarm("ALARM")
ask(2, "alarm edit-unhealthy: it is on")
account.alarm("OK")
ask(2, "alarm other: there is no such alarm", PROFILE.replace('alarm = "edit-unhealthy"', 'alarm = "other"'))
work = account.queues["work-acme.fifo"]
account.sqs.send_message(QueueUrl=work, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="d")
ask(2, "steady state of queue work-acme.fifo: a message waits")
account.sqs.purge_queue(QueueUrl=work)
account.s3.put_object(Bucket=BUCKET, Key="index.html", Body=b"of somebody")
ask(2, f"steady state of bucket {BUCKET}: 1 objects are in it")
# What refuses a dry run refuses a run, before anything is done.
yes = ["--yes-account", "123456789012"]
ask(2, "1 objects are in it", args=yes)
account.s3.delete_object(Bucket=BUCKET, Key="index.html")
ask(2, "--yes-account 999999999999 is not the account of the credentials, 123456789012", args=["--yes-account", "999999999999"])
ask(2, "it lacks the tag other=tag", PROFILE.replace("[aws]", '[aws]\ntag = "other=tag"'), args=yes)
account.run_tasks(0)
ask(2, "steady state of service edit-acme: 0 of 0 tasks run")
account.run_tasks(1)
ask(0, "Every guard lets a run begin.")
