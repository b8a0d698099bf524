"""Makes a user with keys in moto, and then turns its checks on.

Usage: moto.py ENDPOINT   prints the access key id and the secret
"""

import json
import sys
import urllib.request

import boto3

endpoint = sys.argv[1]
iam = boto3.client("iam", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="setup", aws_secret_access_key="setup")
iam.create_user(UserName="sallyport")
everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
iam.put_user_policy(UserName="sallyport", PolicyName="all", PolicyDocument=json.dumps(everything))
role = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]}
iam.create_role(RoleName="fn", AssumeRolePolicyDocument=json.dumps(role))
agents = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"], "Principal": {"AWS": "arn:aws:iam::123456789012:user/sallyport"}}
    ],
}
iam.create_role(RoleName="agents", AssumeRolePolicyDocument=json.dumps(agents))
iam.put_role_policy(RoleName="agents", PolicyName="all", PolicyDocument=json.dumps(everything))
key = iam.create_access_key(UserName="sallyport")["AccessKey"]
reset = urllib.request.Request(endpoint + "/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"})
urllib.request.urlopen(reset).read()
print(key["AccessKeyId"], key["SecretAccessKey"])
