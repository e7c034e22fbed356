"""AWS's side of `aws` credentials, as its own library builds it: botocore signs each request again and compares.

Reads `{service, region, method, url, headers, body_b64, access_key_id, secret_access_key, session_token}` per line, where `headers`
are those that are sent, or `url` is a signed one. Answers `ok` where botocore's signature is the one that is sent.
"""

import base64
import datetime
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import botocore.auth
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lines import answer

UNSIGNED = "UNSIGNED-PAYLOAD"


def at(stamp):
    time = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ")
    botocore.auth.get_current_datetime = lambda *_, **__: time


def check_headers(line, credentials, body):
    headers = dict(line["headers"])
    sent = headers.pop("authorization")
    scheme, rest = sent.split(" ", 1)
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    at(headers["x-amz-date"])
    request = AWSRequest(line["method"], line["url"], headers=headers, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    auth = (S3SigV4Auth if line["service"] == "s3" else SigV4Auth)(credentials, line["service"], line["region"])
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    scope = f"{line['access_key_id']}/{auth.credential_scope(request)}"
    names = auth.signed_headers(auth.headers_to_sign(request))
    if scheme != "AWS4-HMAC-SHA256" or parts["Credential"] != scope:
        raise ValueError(f"another credential: {parts['Credential']}, {scope}")
    if parts["SignedHeaders"] != names:
        raise ValueError(f"other signed headers: {parts['SignedHeaders']}, {names}")
    if parts["Signature"] != signature:
        raise ValueError(f"another signature, of {canonical!r}")
    given = headers.get("x-amz-content-sha256")
    if given not in (None, UNSIGNED, auth.payload(AWSRequest(line["method"], line["url"], data=body))):
        raise ValueError("another body")


def check_url(line, credentials):
    sent = urlsplit(line["url"])
    query = dict(parse_qsl(sent.query, keep_blank_values=True, strict_parsing=True))
    signature = query.pop("X-Amz-Signature")
    at(query["X-Amz-Date"])
    kept = "&".join(part for part in sent.query.split("&") if not part.startswith("X-Amz-"))
    url = urlunsplit((sent.scheme, sent.netloc, sent.path, kept, ""))
    request = AWSRequest(line["method"], url, headers=dict(line["headers"]))
    expires = int(query["X-Amz-Expires"])
    kind = S3SigV4QueryAuth if line["service"] == "s3" else SigV4QueryAuth
    kind(credentials, line["service"], line["region"], expires=expires).add_auth(request)
    again = dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
    if again.pop("X-Amz-Signature") != signature:
        raise ValueError("another signature")
    if again != query:
        raise ValueError(f"another query: {again}, {query}")


def check(line):
    credentials = Credentials(line["access_key_id"], line["secret_access_key"], line.get("session_token"))
    body = base64.b64decode(line["body_b64"]) if line.get("body_b64") else b""
    if "X-Amz-Signature=" in line["url"]:
        check_url(line, credentials)
    else:
        check_headers(line, credentials, body)


if __name__ == "__main__":
    answer(check)
