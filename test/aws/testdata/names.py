"""Names of objects that stores take for others, tried one by one.

Usage: names.py prepare|try REGION ENDPOINT BUCKET OTHER

prepare makes the buckets and what is to be kept. try prints for each name whether it
got through; it exits 0 either way.
"""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

do, region, endpoint, bucket, other = sys.argv[1:]
s3 = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name=region,
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
)

if do == "prepare":
    for name in (bucket, other):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    for name, key in ((bucket, "prod/k"), (bucket, "agents/a"), (other, "k")):
        s3.put_object(Bucket=name, Key=key, Body=b"kept")
    sys.exit()


def copy(source):
    return lambda: s3.copy_object(Bucket=bucket, Key="agents/copy", CopySource=source)


def delete(key):
    return lambda: s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "agents/none"}, {"Key": key}]})


def listing(prefix):
    return lambda: s3.list_objects_v2(Bucket=bucket, Prefix=prefix)


for name, attempt in {
    "plain copy": copy(f"{bucket}/agents/a"),
    "plain delete": delete("agents/copy"),
    "plain list": listing("agents/"),
    "copy of another key": copy(f"{bucket}/prod/k"),
    "copy by a parent": copy(f"{bucket}/agents/../prod/k"),
    "copy by empty segments": copy(f"{bucket}//prod//k"),
    "delete by a parent": delete("agents/../prod/k"),
    "delete in another bucket": delete(f"agents/../../{other}/k"),
    "delete by empty segments": delete("agents//../prod/k"),
    "list by a parent": listing("agents/../prod/"),
}.items():
    try:
        attempt()
        print("passed", name)
    except ClientError as refused:
        print("refused", name, refused.response["Error"]["Code"])
