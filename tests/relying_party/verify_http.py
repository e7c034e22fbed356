"""A relying party of `http` credentials, over a library that is not Claviger's.

Reads `{method, url, headers, body_b64, jwk, now, tag}` per line (`jwk` of a shared secret: `kty` oct, `k`, and its name as `kid`), `headers` as pairs in the order received; `body_b64`, `now`
(seconds; else the clock) and `tag` (else `claviger`) may be absent. Follows docs/spec/credential-http.md, "How a relying party verifies", but keeps
no nonces and no idempotency keys.
"""

import base64
import datetime
import json
import time
from types import SimpleNamespace

import jwt
from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)

from lines import answer

SKEW_S = 5
ALGORITHMS = {
    "Ed25519": (algorithms.ED25519, "ed25519"),
    "P-256": (algorithms.ECDSA_P256_SHA256, "ecdsa-p256-sha256"),
    "RSA": (algorithms.RSA_PSS_SHA512, "rsa-pss-sha512"),
    "oct": (algorithms.HMAC_SHA256, "hmac-sha256"),
}


class Keys(HTTPSignatureKeyResolver):
    """The one key of a line, by its thumbprint."""

    def __init__(self, key):
        self.key = key
        self.thumbprint = thumbprint(key)

    def resolve_public_key(self, key_id):
        if key_id != self.thumbprint:
            raise InvalidSignature("unknown keyid")
        names = {"EC": "ES256", "OKP": "EdDSA", "RSA": "PS512", "oct": "HS256"}
        return jwt.PyJWK(self.key, algorithm=names[self.key["kty"]]).key

    def resolve_private_key(self, key_id):
        raise InvalidSignature("no private keys here")


def thumbprint(key):
    """RFC 7638; a shared secret has a name instead."""
    import hashlib

    if key["kty"] == "oct":
        return key["kid"]
    members = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}[key["kty"]]
    text = json.dumps({name: key[name] for name in members}, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def check(line):
    body = base64.b64decode(line["body_b64"]) if line.get("body_b64") is not None else None
    headers = dict(line["headers"])
    if len(headers) != len(line["headers"]):
        raise InvalidSignature("a header stands twice")
    algorithm, name = ALGORITHMS[line["jwk"].get("crv", line["jwk"]["kty"])]
    required = ["@method", "@authority", "@path", "@query"]
    if body is not None:
        required += ["content-digest", "content-type"]
    if "idempotency-key" in headers:
        required.append("idempotency-key")
    if line.get("tag") == "web-bot-auth":
        required.append('"signature-agent";key="sig1"')
    now = line.get("now", time.time())

    class Verifier(HTTPMessageVerifier):
        def validate_created_and_expires(self, sig_input, max_age=None):
            created, expires = sig_input.params["created"], sig_input.params["expires"]
            if not (created <= now + SKEW_S and now < expires <= created + 300):
                raise InvalidSignature("not valid now")

    message = SimpleNamespace(method=line["method"], url=line["url"], headers=headers)
    verifier = Verifier(signature_algorithm=algorithm, key_resolver=Keys(line["jwk"]))
    results = verifier.verify(
        message,
        max_age=datetime.timedelta(seconds=300),
        expect_tag=line.get("tag", "claviger"),
        expect_label="sig1",
        require_components=required,
        body=body,
    )
    if len(results) != 1 or results[0].parameters.get("alg") != name or not results[0].nonce:
        raise InvalidSignature("not one signature of this layout")


if __name__ == "__main__":
    answer(check)
