"""What boto3 shows of refusals, with the retries that it has by default: one service of
each wire protocol.

Usage: refused.py REGION   prints {SERVICE: {"Code", "Message"}}
"""

import json
import sys

import boto3
from botocore.exceptions import ClientError

region = sys.argv[1]
calls = {
    "s3": lambda c: c.put_object(Bucket="bucket-of-nobody", Key="key", Body=b"x" * 100_000),
    "dynamodb": lambda c: c.list_tables(),  # JSON
    "sqs": lambda c: c.list_queues(),  # JSON that was query once
    "sts": lambda c: c.get_caller_identity(),  # query
    "ec2": lambda c: c.describe_vpcs(),
    "cloudfront": lambda c: c.list_distributions(),  # REST with XML
    "lambda": lambda c: c.list_functions(),  # REST with JSON
    "cloudwatch": lambda c: c.list_metrics(),  # CBOR, or what this release prefers
}
refused = {}
for service, call in calls.items():
    try:
        call(boto3.client(service, region_name=region))
        raise SystemExit(service + " was not refused")
    except ClientError as e:
        refused[service] = {key: e.response["Error"][key] for key in ("Code", "Message")}
print(json.dumps(refused))
