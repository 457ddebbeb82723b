"""S3 as boto3 and the AWS CLI ask it: `s3.py URL`, with keys and region in the environment.

Every answer is compared with what AWS documents. At the end the same synchronisations are asked of
moto, for the time alone.
"""
import hashlib
import io
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

URL = sys.argv[1]
BUCKET = "edit.acme.webordinary.com"
MB = 1 << 20


def client(url=URL, **config):
    # A request that stalls fails here, instead of being tried again after a minute.
    config = Config(read_timeout=40, retries={"total_max_attempts": 1}, **config)
    return boto3.client("s3", endpoint_url=url, config=config)


def cli(*args, url=URL, cwd=None, code=0):
    """Runs the AWS CLI. Returns its lines."""
    command = [sys.executable, "-m", "awscli", "--endpoint-url", url, *args]
    command += ["--no-progress"] * (args[1] in ("sync", "cp", "mv"))
    out = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=600)
    assert out.returncode == code, f"{args}: {out.returncode}\n{out.stdout}{out.stderr}"
    return out.stdout.splitlines()


def refused(code, call, **args):
    try:
        call(**args)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, (code, error.response)
        return error.response
    raise AssertionError(f"{call} was not refused")


def same(left, right):
    assert left == right, f"{left!r} is not {right!r}"


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def small_objects(s3):
    for key in ["empty", "after", "empty"]:
        # On one connection: what comes after an empty object is not stalled by it.
        s3.put_object(Bucket=BUCKET, Key=key, Body=io.BytesIO(b"" if key == "empty" else b"x"))
    s3.put_object(
        Bucket=BUCKET, Key="a b/ü+%41.html", Body=b"page", ContentType="text/html",
        CacheControl="no-cache", Metadata={"who": "me"}, Tagging="a=1&b=2", ContentEncoding="gzip",
    )
    head = s3.head_object(Bucket=BUCKET, Key="a b/ü+%41.html", ChecksumMode="ENABLED")
    same((head["ContentType"], head["CacheControl"], head["Metadata"], head["ContentEncoding"]),
         ("text/html", "no-cache", {"who": "me"}, "gzip"))
    same(head["ETag"], '"%s"' % hashlib.md5(b"page").hexdigest())
    assert head["ChecksumCRC32"] and head["AcceptRanges"] == "bytes", head
    same(s3.head_object(Bucket=BUCKET, Key="after")["ContentType"], "binary/octet-stream")
    keys = [it["Key"] for it in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    same(keys, ["a b/ü+%41.html", "after", "empty"])
    same(s3.get_object(Bucket=BUCKET, Key="after", IfMatch=head["ETag"].replace(
        hashlib.md5(b"page").hexdigest(), hashlib.md5(b"x").hexdigest()))["Body"].read(), b"x")
    refused("304", s3.get_object, Bucket=BUCKET, Key="a b/ü+%41.html", IfNoneMatch=head["ETag"])
    refused("304", s3.head_object, Bucket=BUCKET, Key="a b/ü+%41.html", IfNoneMatch=head["ETag"])
    refused("PreconditionFailed", s3.get_object, Bucket=BUCKET, Key="after", IfMatch='"no"')
    refused("BadDigest", s3.put_object, Bucket=BUCKET, Key="bad", Body=b"x", ChecksumCRC32="AAAAAA==")
    tags = s3.get_object_tagging(Bucket=BUCKET, Key="a b/ü+%41.html")["TagSet"]
    same(tags, [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    attributes = s3.get_object_attributes(
        Bucket=BUCKET, Key="after", ObjectAttributes=["ETag", "ObjectSize", "StorageClass"])
    same((attributes["ETag"], attributes["ObjectSize"], attributes["StorageClass"]),
         (hashlib.md5(b"x").hexdigest(), 1, "STANDARD"))


def big_objects(s3, folder):
    data = random.Random(1).randbytes(20 * MB)
    (folder / "twenty").write_bytes(data)
    s3.upload_file(str(folder / "twenty"), BUCKET, "twenty")
    head = s3.head_object(Bucket=BUCKET, Key="twenty")
    assert head["ETag"].endswith('-3"') and head["ContentLength"] == len(data), head
    s3.download_file(BUCKET, "twenty", str(folder / "back"))
    assert (folder / "back").read_bytes() == data
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "twenty"})
    same(s3.head_object(Bucket=BUCKET, Key="copy")["ETag"], '"%s"' % hashlib.md5(data).hexdigest())

    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts", ContentType="text/x")["UploadId"]
    names = dict(Bucket=BUCKET, Key="parts", UploadId=upload)
    first = s3.upload_part_copy(
        **names, PartNumber=1, CopySource={"Bucket": BUCKET, "Key": "twenty"},
        CopySourceRange=f"bytes=0-{5 * MB - 1}")["CopyPartResult"]["ETag"]
    second = s3.upload_part(**names, PartNumber=2, Body=b"end")["ETag"]
    same([(it["PartNumber"], it["Size"]) for it in s3.list_parts(**names)["Parts"]],
         [(1, 5 * MB), (2, 3)])
    same([it["Key"] for it in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]], ["parts"])
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]
    refused("InvalidPartOrder", s3.complete_multipart_upload, **names,
            MultipartUpload={"Parts": parts[::-1]})
    s3.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})
    got = s3.get_object(Bucket=BUCKET, Key="parts", Range=f"bytes={5 * MB}-")
    same((got["Body"].read(), got["ContentType"]), (b"end", "text/x"))
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def who_may(s3):
    url = f"{URL}/{BUCKET}/after"
    same(get(url)[0], 403)
    signed = {"Bucket": BUCKET, "Key": "after"}
    for version in ["s3v4", "s3"]:
        presigned = client(signature_version=version).generate_presigned_url("get_object", signed)
        same(get(presigned)[:2], (200, b"x"))
    weeks = client(signature_version="s3v4").generate_presigned_url("get_object", signed, ExpiresIn=1_209_600)
    same(get(weeks)[0], 400)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                 "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{BUCKET}/*",
            "Condition": {"StringEquals": {"s3:x-amz-storage-class": "GLACIER"}}}
    office = dict(deny, Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement, deny, office]})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)
    same(s3.get_bucket_policy(Bucket=BUCKET)["Policy"], policy)
    assert s3.get_bucket_policy_status(Bucket=BUCKET)["PolicyStatus"]["IsPublic"]
    same(get(url)[:2], (200, b"x"))
    refused("AccessDenied", s3.put_object, Bucket=BUCKET, Key="x", StorageClass="GLACIER")
    s3.put_object(Bucket=BUCKET, Key="index.html", Body=b"hello", ContentType="text/html")
    website = {"IndexDocument": {"Suffix": "index.html"}}
    s3.put_bucket_website(Bucket=BUCKET, WebsiteConfiguration=website)
    same(s3.get_bucket_website(Bucket=BUCKET)["IndexDocument"], {"Suffix": "index.html"})
    host = f"{BUCKET}.s3-website.localhost"
    page = get(urllib.request.Request(URL, headers={"Host": host}))
    same((page[0], page[1], page[2]["Content-Type"]), (200, b"hello", "text/html"))
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    for code, wrong in [("SignatureDoesNotMatch", (key, "no")), ("InvalidAccessKeyId", ("no", secret))]:
        stranger = boto3.client("s3", endpoint_url=URL, aws_access_key_id=wrong[0],
                                aws_secret_access_key=wrong[1])
        assert refused(code, stranger.list_objects_v2, Bucket=BUCKET)["Error"]["Message"]


def by_form(s3):
    form = s3.generate_presigned_post(BUCKET, "up/${filename}", Fields={"Content-Type": "text/plain"}, Conditions=[
        ["content-length-range", 1, 100], ["starts-with", "$Content-Type", "text/"]])

    def send(body):
        field = "--b\r\nContent-Disposition: form-data; name=\"{}\"{}\r\n\r\n{}\r\n"
        parts = [field.format(name, "", value) for name, value in form["fields"].items()]
        parts += [field.format("file", "; filename=\"f.txt\"", body), "--b--\r\n"]
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        return get(urllib.request.Request(form["url"], data="".join(parts).encode(), headers=headers))[0]

    same(send("hello"), 204)
    got = s3.get_object(Bucket=BUCKET, Key="up/f.txt")
    same((got["Body"].read(), got["ContentType"]), (b"hello", "text/plain"))
    same(send("x" * 101), 400)


def buckets(s3):
    same(s3.head_bucket(Bucket=BUCKET)["BucketRegion"], "us-west-2")
    same(s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"], "us-west-2")
    here = {"LocationConstraint": "us-west-2"}
    s3.create_bucket(Bucket="made-by-boto3", CreateBucketConfiguration=here)
    refused("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket="made-by-boto3",
            CreateBucketConfiguration=here)
    made = {"Bucket": "made-by-boto3"}
    for code, ask in [
        ("NoSuchBucketPolicy", s3.get_bucket_policy),
        ("NoSuchWebsiteConfiguration", s3.get_bucket_website),
        ("NoSuchCORSConfiguration", s3.get_bucket_cors),
        ("NoSuchTagSet", s3.get_bucket_tagging),
        ("NoSuchPublicAccessBlockConfiguration", s3.get_public_access_block),
        ("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration),
    ]:
        refused(code, ask, **made)
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
    s3.put_bucket_cors(**made, CORSConfiguration={"CORSRules": [rule]})
    same(s3.get_bucket_cors(**made)["CORSRules"], [rule])
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True,
             "RestrictPublicBuckets": True}
    s3.put_public_access_block(**made, PublicAccessBlockConfiguration=block)
    same(s3.get_public_access_block(**made)["PublicAccessBlockConfiguration"], block)
    refused("AccessDenied", s3.put_object, **made, Key="a", ACL="public-read")
    assert "Status" not in s3.get_bucket_versioning(**made)
    s3.put_bucket_versioning(**made, VersioningConfiguration={"Status": "Enabled"})
    same(s3.get_bucket_versioning(**made)["Status"], "Enabled")
    s3.put_object(**made, Key="a", Body=b"1")
    same([it["Key"] for it in s3.list_object_versions(**made)["Versions"]], ["a"])
    same(s3.get_object_acl(**made, Key="a")["Grants"][0]["Permission"], "FULL_CONTROL")
    refused("BucketNotEmpty", s3.delete_bucket, **made)
    gone = s3.delete_objects(**made, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}], "Quiet": True})
    assert "Deleted" not in gone and "Errors" not in gone, gone
    s3.delete_bucket(**made)
    refused("404", s3.head_bucket, **made)


def write_site(folder):
    """1,200 pages, empty files, odd names and a big file."""
    for n in range(1200):
        page = folder / f"p{n % 40}" / f"{n}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"<h1>page {n}</h1>")
    for name in [".nojekyll", "empty.css", "a b/ü+ö.txt", "a+b", "%41.txt", "x..y/~(1).txt", "k" * 200]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"" if name[0] in ".e" else name.encode())
    (folder / "twenty.bin").write_bytes(random.Random(2).randbytes(20 * MB))


def sync(url, folder, bucket):
    """Three synchronisations. Returns how long they took, in seconds."""
    began = time.monotonic()
    to = f"s3://{bucket}"
    same(len(cli("s3", "sync", ".", to, "--delete", url=url, cwd=folder)), 1208)
    same(cli("s3", "sync", ".", to, "--delete", url=url, cwd=folder), [])
    (folder / "p1" / "1.html").write_text("changed, and longer than before")
    moved = folder / "a+b"
    moved.rename(folder / "a b.txt")
    verbs = sorted(line.split()[0] for line in cli("s3", "sync", ".", to, "--delete", url=url, cwd=folder))
    same(verbs, ["delete:", "upload:", "upload:"])
    took = time.monotonic() - began
    # As it was, for the next.
    (folder / "a b.txt").rename(moved)
    return took


def with_cli(s3, folder):
    site = folder / "site"
    site.mkdir()
    write_site(site)
    cli("s3", "mb", "s3://made-by-cli")
    cli("s3", "website", "s3://made-by-cli", "--index-document", "index.html")
    ours = sync(URL, site, "made-by-cli")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="made-by-cli")
    stored = {it["Key"]: it["Size"] for page in pages for it in page["Contents"]}
    (site / "a+b").rename(site / "a b.txt")
    files = [path for path in site.rglob("*") if path.is_file()]
    same(stored, {str(path.relative_to(site)): path.stat().st_size for path in files})
    cli("s3", "cp", "--recursive", "s3://made-by-cli", str(folder / "down"))
    for path in files:
        assert (folder / "down" / path.relative_to(site)).read_bytes() == path.read_bytes(), path
    (site / "a b.txt").rename(site / "a+b")

    cli("s3", "mv", "s3://made-by-cli/.nojekyll", "s3://made-by-cli/moved/here")
    listed = cli("s3", "ls", "--recursive", "s3://made-by-cli/moved")
    assert listed[0].endswith("0 moved/here"), listed
    cli("s3", "sync", "s3://made-by-cli/p1", f"s3://{BUCKET}/copied")
    same(len(cli("s3", "ls", f"s3://{BUCKET}/copied/")), 30)
    same(len(cli("s3", "rm", "--recursive", "s3://made-by-cli")), 1208)
    cli("s3", "rb", "s3://made-by-cli")
    return ours, site


def with_moto(site):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = subprocess.DEVNULL
    moto = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                            stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < deadline and moto.poll() is None, "moto does not start"
            time.sleep(0.05)
        here = {"LocationConstraint": "us-west-2"}
        client(url).create_bucket(Bucket="made-by-cli", CreateBucketConfiguration=here)
        return sync(url, site, "made-by-cli")
    finally:
        moto.kill()
        moto.wait()


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        s3 = client()
        small_objects(s3)
        big_objects(s3, folder)
        by_form(s3)
        who_may(s3)
        buckets(s3)
        ours, site = with_cli(s3, folder)
        print(f"three synchronisations of 1,208 files: {ours:.1f} s, moto {with_moto(site):.1f} s")


main()
