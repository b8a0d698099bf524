"""What boto3 does with S3, as a program that knows nothing of the proxy.

Usage: s3.py BUCKET REGION KEYS [ENDPOINT]   KEYS is a JSON list of object keys

Everything that is put is got again and compared. Prints one line per operation.
"""

import hashlib
import json
import os
import sys
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

bucket, region, keys = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
endpoint = sys.argv[4] if len(sys.argv) > 4 else None
style = {"addressing_style": "path"} if endpoint else {"addressing_style": "virtual"}


def client(**options):
    config = Config(
        region_name=region,
        s3={**style, **options.pop("s3", {})},
        retries={"max_attempts": 1},
        signature_version=options.pop("signature_version", "s3v4"),
        **options,
    )
    return boto3.client("s3", endpoint_url=endpoint, config=config)


def data(size, seed):
    block = hashlib.sha512(str(seed).encode()).digest() * 1024
    return (block * (size // len(block) + 1))[:size]


def same(name, got, want):
    if got != want:
        raise SystemExit(f"{name}: {len(got)} bytes came back of {len(want)}, or others")
    print("same", name, len(want))


class Unseekable:
    def __init__(self, body):
        self.body = body

    def read(self, n=-1):
        piece, self.body = (self.body, b"") if n < 0 else (self.body[:n], self.body[n:])
        return piece


s3 = client()
where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
s3.create_bucket(Bucket=bucket, **where)

modes = {
    "trailer": s3,  # STREAMING-UNSIGNED-PAYLOAD-TRAILER
    "hash": client(request_checksum_calculation="when_required"),
    "unsigned": client(request_checksum_calculation="when_required", s3={"payload_signing_enabled": False}),
}
for mode, c in modes.items():
    for n, key in enumerate(keys):
        body = data(3000 + n, key)
        c.put_object(Bucket=bucket, Key=mode + "/" + key, Body=body, Metadata={"note": " two  spaces "}, ContentType="text/plain")
        same(mode + " " + key, c.get_object(Bucket=bucket, Key=mode + "/" + key)["Body"].read(), body)
    for size in (0, 1, 2_000_000):
        body = data(size, mode)
        c.put_object(Bucket=bucket, Key=f"{mode}/{size}", Body=body)
        same(f"{mode} {size}", c.get_object(Bucket=bucket, Key=f"{mode}/{size}")["Body"].read(), body)

body = data(3_000_000, "sums")
for algorithm in ("CRC32", "SHA1", "SHA256"):
    s3.put_object(Bucket=bucket, Key="sum/" + algorithm, Body=body, ChecksumAlgorithm=algorithm)
    same(algorithm, s3.get_object(Bucket=bucket, Key="sum/" + algorithm, ChecksumMode="ENABLED")["Body"].read(), body)

body = data(12_500_000, "parts")
with open("parts", "wb") as f:
    f.write(body)
config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
s3.upload_file("parts", bucket, "parts", Config=config)
same("multipart", s3.get_object(Bucket=bucket, Key="parts")["Body"].read(), body)
s3.upload_fileobj(Unseekable(body), bucket, "unseekable", Config=config)
same("unseekable", s3.get_object(Bucket=bucket, Key="unseekable")["Body"].read(), body)
s3.download_file(bucket, "parts", "again", Config=config)
with open("again", "rb") as f:
    same("ranges", f.read(), body)
same("range", s3.get_object(Bucket=bucket, Key="parts", Range="bytes=5000000-5000099")["Body"].read(), body[5000000:5000100])

key = "hash/" + keys[-1]
s3.copy_object(Bucket=bucket, Key="copy of " + keys[-1], CopySource={"Bucket": bucket, "Key": key})
same("copy", s3.get_object(Bucket=bucket, Key="copy of " + keys[-1])["Body"].read(), data(3000 + len(keys) - 1, keys[-1]))

listed = [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 3}) for o in page.get("Contents", [])]
for mode in modes:
    for key in keys:
        if mode + "/" + key not in listed:
            raise SystemExit(f"not listed: {mode}/{key} in {listed}")
print("listed", len(listed))

# A signed URL is used by whoever holds it, with no AWS client at all.
key = "hash/" + keys[0]
url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=60)
same("presigned get", urllib.request.urlopen(url).read(), data(3000, keys[0]))
url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "presigned", "Metadata": {"a": "b"}}, ExpiresIn=60)
request = urllib.request.Request(url, data=b"by a link", method="PUT", headers={"x-amz-meta-a": "b", "Content-Type": "text/plain"})
urllib.request.urlopen(request).read()
answer = s3.get_object(Bucket=bucket, Key="presigned")
same("presigned put", answer["Body"].read(), b"by a link")

gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "trailer/" + k} for k in keys]})
if len(gone.get("Deleted", [])) != len(keys):
    raise SystemExit(f"not deleted: {gone}")
print("deleted", len(keys))
os.remove("parts")
