"""Services that sign in ways of their own, as their documentation says, with hmac, hashlib and PyJWT.

Reads `{service, method, url, headers, body_b64, key, key_id, now_ms}` per line, `headers` as pairs as received; `key` is a secret in
base64, or a JWK. Each service keeps what it says it keeps: a window of time, and where it counts nonces each once.
"""

import base64
import datetime
import hashlib
import hmac
import json
import urllib.parse

import jwt

from lines import answer

SEEN = set()


def mac(line, message, hash_):
    return hmac.new(base64.b64decode(line["key"]), message, hash_).digest()


def same(a, b):
    if not hmac.compare_digest(a, b):
        raise ValueError("signature")


def within(line, milliseconds, window_s):
    if not 0 <= line["now_ms"] - milliseconds <= window_s * 1000:
        raise ValueError("time")


def once(name, nonce):
    if (name, nonce) in SEEN:
        raise ValueError("nonce")
    SEEN.add((name, nonce))


def binance(line, parts, headers, body):
    if headers["x-mbx-apikey"] != line["key_id"] or body:
        raise ValueError("key")
    total, signature = parts.query.rsplit("&signature=", 1)
    same(mac(line, total.encode(), hashlib.sha256).hex(), signature)
    sent = urllib.parse.parse_qs(total, strict_parsing=True)
    within(line, int(sent["timestamp"][0]), int(sent["recvWindow"][0]) / 1000)


def kraken(line, parts, headers, body):
    if headers["api-key"] != line["key_id"] or parts.query:
        raise ValueError("key")
    nonce = urllib.parse.parse_qs(body.decode(), strict_parsing=True)["nonce"][0]
    message = parts.path.encode() + hashlib.sha256(nonce.encode() + body).digest()
    same(base64.b64encode(mac(line, message, hashlib.sha512)).decode(), headers["api-sign"])
    once("kraken", nonce)


def bitmex(line, parts, headers, body):
    target = parts.path + ("?" + parts.query if parts.query else "")
    message = line["method"] + target + headers["api-expires"] + body.decode()
    same(mac(line, message.encode(), hashlib.sha256).hex(), headers["api-signature"])
    if headers["api-key"] != line["key_id"] or int(headers["api-expires"]) * 1000 <= line["now_ms"]:
        raise ValueError("key or time")


def okx(line, parts, headers, body):
    stamp = headers["ok-access-timestamp"]
    target = parts.path + ("?" + parts.query if parts.query else "")
    message = stamp + line["method"] + target + body.decode()
    same(base64.b64encode(mac(line, message.encode(), hashlib.sha256)).decode(), headers["ok-access-sign"])
    when = datetime.datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f%z")
    within(line, round(when.timestamp() * 1000), 30)


def truelayer(line, parts, headers, body):
    header, empty, signature = headers["tl-signature"].split(".")
    said = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    if empty or said["alg"] != "ES512" or said["kid"] != line["key_id"] or said["tl_version"] != "2":
        raise ValueError("header")
    message = f"{line['method']} {parts.path}\n"
    for name in said["tl_headers"].split(","):
        message += f"{name}: {headers[name.lower()]}\n"
    payload = base64.urlsafe_b64encode(message.encode() + body).rstrip(b"=").decode()
    jwt.api_jws.PyJWS().decode(f"{header}.{payload}.{signature}", jwt.PyJWK(line["key"]).key, algorithms=["ES512"])


SERVICES = {"binance": binance, "bitmex": bitmex, "kraken": kraken, "okx": okx, "truelayer": truelayer}


def check(line):
    body = base64.b64decode(line["body_b64"]) if line.get("body_b64") is not None else b""
    headers = dict(line["headers"])
    if len(headers) != len(line["headers"]):
        raise ValueError("a header stands twice")
    SERVICES[line["service"]](line, urllib.parse.urlsplit(line["url"]), headers, body)


if __name__ == "__main__":
    answer(check)
