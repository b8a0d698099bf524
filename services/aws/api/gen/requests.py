"""Writes a request for every operation that botocore knows, as botocore itself builds it.

    python3 services/aws/api/gen/requests.py services/aws/api/testdata/requests.txt

Each line is: operation, method, host, region, service (of the signature), path, query,
then NAME=VALUE of the headers that say what is asked for, and the form if there is one.
Nothing is sent: the request is taken from before-send. The members of the input are
invented from the model.
"""

import datetime
import io
import json
import os
import re
import sys

import botocore
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.tokens import FrozenAuthToken

os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
REGION = "us-east-1"
HEADERS = ("X-Amz-Target", "smithy-protocol", "Content-Type", "x-amz-copy-source")
SPECIAL = {
    "Bucket": "acme-bucket", "Key": "a/b c.txt", "CopySource": "other-bucket/k", "AccountId": "123456789012",
    "QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/queue", "RequestRoute": "route1", "RequestToken": "token",
    "UploadId": "upload", "Id": "id1", "id": "id1", "ResourceArn": "arn:aws:x:us-east-1:123456789012:thing/one",
    "EndpointId": None,
}


ARNS = {
    "kinesis": "arn:aws:kinesis:us-east-1:123456789012:stream/one/consumer/two:1",
    "cloudfront-keyvaluestore": "arn:aws:cloudfront::123456789012:key-value-store/one",
}
SERVICE = ""


def sample(shape, name="", depth=0):
    if name.lower().endswith("arn") and SERVICE in ARNS:
        return ARNS[SERVICE]
    if name == "PredictEndpoint":
        return "https://realtime.machinelearning.us-east-1.amazonaws.com"
    if name in SPECIAL and shape.type_name == "string" and SPECIAL[name]:
        return SPECIAL[name]
    kind = shape.type_name
    if kind == "structure":
        if getattr(shape, "is_tagged_union", False) and shape.members:
            member, s = next(iter(shape.members.items()))
            return {member: sample(s, member, depth + 1)}
        wanted = list(shape.required_members)
        return {m: sample(shape.members[m], m, depth + 1) for m in wanted} if depth < 12 else {}
    if kind == "list":
        n = max(1, shape.metadata.get("min", 1))
        return [sample(shape.member, name, depth + 1) for _ in range(min(n, 3))]
    if kind == "map":
        return {sample(shape.key, "", depth + 1): sample(shape.value, "", depth + 1)}
    if kind in ("integer", "long"):
        return max(1, shape.metadata.get("min", 1))
    if kind in ("float", "double"):
        return 1.0
    if kind == "boolean":
        return True
    if kind == "timestamp":
        return datetime.datetime(2026, 1, 2, 3, 4, 5)
    if kind == "blob":
        return b"blob"
    if shape.enum:
        return shape.enum[0]
    if name.lower().endswith("arn"):
        service = re.sub("[^a-z0-9]", "", name[:-3].lower()) or "thing"
        return f"arn:aws:{service}:us-east-1:123456789012:{service}/one"
    text = "sample-" + (re.sub("[^A-Za-z0-9]", "", name) or "value")
    return text.ljust(shape.metadata.get("min", 1) or 1, "x")


class Answer(io.BytesIO):
    def stream(self, **_):
        yield self.read()


def main(out):
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "secret", None)
    lines, failed = [], []
    global SERVICE
    for service in session.get_available_services():
        SERVICE = service
        config = Config(parameter_validation=False, retries={"max_attempts": 0})
        if service == "cloudfront-keyvaluestore":  # SigV4A needs a library in C
            config = config.merge(Config(signature_version=botocore.UNSIGNED))
        client = session.create_client(service, REGION, config=config)
        caught = []

        def take(request, **_):
            caught.append(request)
            # Timestream asks for the host to call first.
            cell = "query-cell1" if "query." in request.url else "ingest-cell1"
            body = {"Endpoints": [{"Address": f"{cell}.timestream.us-east-1.amazonaws.com", "CachePeriodInMinutes": 1}]}
            return AWSResponse(request.url, 200, {}, Answer(json.dumps(body).encode()))

        client.meta.events.register_last("before-send.*", take)
        client._request_signer._auth_token = FrozenAuthToken("token")
        model = client.meta.service_model
        for operation in sorted(model.operation_names):
            caught.clear()
            shape = model.operation_model(operation).input_shape
            try:
                client._make_api_call(operation, sample(shape) if shape else {})
            except Exception as error:  # the answer is empty, and cannot be parsed
                if not caught:
                    failed.append(f"{service}/{operation}: {type(error).__name__}: {error}")
                    continue
            lines.append(line(service, client.meta.service_model.endpoint_prefix, operation, caught[-1]))
        print(service, len(lines), file=sys.stderr)
    text = f"# botocore {botocore.__version__}\n" + "\n".join(lines) + "\n"
    with open(out, "w", encoding="utf-8") as f:
        # Tokens that botocore makes up are another each time.
        f.write(re.sub("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "00000000-0000-4000-8000-000000000000", text))
    print(f"{len(lines)} requests, {len(failed)} not built", file=sys.stderr)
    print("\n".join(failed), file=sys.stderr)


def line(service, prefix, operation, request):
    scheme, _, rest = request.url.partition("://")
    host, slash, rest = rest.partition("/")
    path, _, query = (slash + rest).partition("?")
    text = lambda v: v.decode("latin-1") if isinstance(v, bytes) else str(v)
    authorization = text(request.headers.get("Authorization", ""))
    scope = re.search("Credential=[^/]+/[0-9]+/([^/]+)/([^/]+)/aws4_request", authorization)
    region, signing = scope.groups() if scope else ("-", "-")
    fields = [f"{prefix}/{operation}", request.method, host, region, signing, path or "/", query]
    for name in HEADERS:
        if request.headers.get(name) is not None:
            fields.append(f"{name}={text(request.headers[name])}")
    if "x-www-form-urlencoded" in text(request.headers.get("Content-Type", "")):
        body = request.body if isinstance(request.body, str) else text(request.body or b"")
        fields.append("body=" + body)
    return "\t".join(f.replace("\t", " ").replace("\n", " ") for f in fields)


if __name__ == "__main__":
    main(sys.argv[1])
