"""What boto3 does with services other than S3: one of each wire protocol.

Usage: services.py REGION
"""

import io
import sys
import zipfile

import boto3
from botocore.config import Config

region = sys.argv[1]


def client(service):
    return boto3.client(service, region_name=region, config=Config(retries={"max_attempts": 1}))


def check(name, ok):
    if not ok:
        raise SystemExit(name)
    print("did", name)


dynamo = client("dynamodb")  # JSON
dynamo.create_table(
    TableName="agents",
    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    BillingMode="PAY_PER_REQUEST",
)
dynamo.put_item(TableName="agents", Item={"id": {"S": "a é/+"}, "text": {"S": "x" * 300_000}})
check("dynamodb", len(dynamo.get_item(TableName="agents", Key={"id": {"S": "a é/+"}})["Item"]["text"]["S"]) == 300_000)

sqs = client("sqs")
url = sqs.create_queue(QueueName="work")["QueueUrl"]
sqs.send_message(QueueUrl=url, MessageBody="a&b=c;d +é")
check("sqs", sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "a&b=c;d +é")

sns = client("sns")  # query
topic = sns.create_topic(Name="news")["TopicArn"]
check("sns", sns.publish(TopicArn=topic, Message="a&b=c;d +é")["MessageId"])

check("sts", client("sts").get_caller_identity()["Arn"].endswith("user/sallyport"))

secrets = client("secretsmanager")
secrets.create_secret(Name="path/to", SecretString="s3cret")
check("secretsmanager", secrets.get_secret_value(SecretId="path/to")["SecretString"] == "s3cret")

ec2 = client("ec2")  # EC2's query
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
check("ec2", any(v["VpcId"] == vpc for v in ec2.describe_vpcs(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Vpcs"]))

code = io.BytesIO()
with zipfile.ZipFile(code, "w") as z:
    z.writestr("f.py", "def handler(event, context): return 1\n" + "#" * 2_000_000)
function = client("lambda")  # REST with JSON
made = function.create_function(
    FunctionName="fn", Runtime="python3.12", Handler="f.handler", Code={"ZipFile": code.getvalue()}, Role="arn:aws:iam::123456789012:role/fn"
)
# The rest of Lambda moto refuses from every client.
check("lambda", made["FunctionName"] == "fn")

logs = client("logs")
logs.create_log_group(logGroupName="/aws/x")
check("logs", logs.describe_log_groups(logGroupNamePrefix="/aws/x")["logGroups"])
