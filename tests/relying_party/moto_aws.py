"""A stand-in for AWS (moto) on the loopback interface, with its authentication on.

Makes a user with an access key, and what is to be called; prints the key as one line of JSON. Then reads
`{service, method, url, headers, body_b64}` per line, sends it to the stand-in with the URL's host as `Host`, and answers with the
status and, where it was refused, the error's code.
"""

import base64
import http.client
import json
import logging
import re
import sys
from urllib.parse import urlsplit

import boto3
import requests
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def furnish(endpoint):
    """Everything the calls are about; returns a user's access key."""

    def client(name):
        return boto3.client(
            name, region_name=REGION, endpoint_url=endpoint, aws_access_key_id="a", aws_secret_access_key="b"
        )

    client("s3").create_bucket(Bucket="reports", CreateBucketConfiguration={"LocationConstraint": REGION})
    client("s3").put_object(Bucket="reports", Key="2026/a b.csv", Body=b"1,2")
    client("dynamodb").create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client("sns").create_topic(Name="alerts")
    client("secretsmanager").create_secret(Name="db", SecretString="s")
    iam = client("iam")
    iam.create_user(UserName="agent")
    iam.put_user_policy(UserName="agent", PolicyName="all", PolicyDocument=json.dumps(POLICY))
    return iam.create_access_key(UserName="agent")["AccessKey"]


def send(port, line):
    url = urlsplit(line["url"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    target = url.path + ("?" + url.query if url.query else "")
    body = base64.b64decode(line["body_b64"]) if line.get("body_b64") else None
    connection.request(line["method"], target, body, {**dict(line["headers"]), "Host": url.netloc})
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    if answer.status < 300:
        return f"{answer.status}"
    code = re.search(r"<Code>(\w+)</Code>|__type\W+([\w.#]+)", text)
    return f"{answer.status} {code and (code[1] or code[2])}"


def main():
    logging.getLogger("werkzeug").disabled = True
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    key = furnish(endpoint)
    # From the next call on, every one is authenticated.
    requests.post(f"{endpoint}/moto-api/reset-auth", data="0", timeout=30)
    print(json.dumps({"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}), flush=True)
    for line in sys.stdin:
        print(send(port, json.loads(line)), flush=True)
    server.stop()


if __name__ == "__main__":
    main()
