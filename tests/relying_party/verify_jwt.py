"""A relying party of `jwt` credentials, over a library that is not Claviger's.

Reads `{jwt, jwk, audience, issuer, now}` per line; `now` (seconds; else the clock) may be absent. Follows
docs/spec/credential-jwt.md, "How a relying party verifies"; a `jti` is accepted once per run.
"""

import time

import jwt

from lines import answer
from verify_http import thumbprint

SKEW_S = 5
SEEN = set()


def check(line):
    algorithm = "ES256" if line["jwk"]["kty"] == "EC" else "EdDSA"
    header = jwt.get_unverified_header(line["jwt"])
    if header != {"alg": algorithm, "typ": "JWT", "kid": thumbprint(line["jwk"])}:
        raise jwt.InvalidTokenError("another header")
    claims = jwt.decode(
        line["jwt"],
        jwt.PyJWK(line["jwk"], algorithm=algorithm),
        algorithms=[algorithm],
        audience=line["audience"],
        issuer=line["issuer"],
        # The clock of the line decides below.
        options={
            "require": ["iss", "sub", "aud", "iat", "exp", "jti"],
            "strict_aud": True,
            "verify_exp": False,
            "verify_iat": False,
        },
    )
    now = line.get("now", time.time())
    if not (claims["iat"] <= now + SKEW_S and now < claims["exp"] <= claims["iat"] + 300):
        raise jwt.InvalidTokenError("not valid now")
    if claims["sub"] != line["issuer"]:
        raise jwt.InvalidTokenError("subject is not the client")
    if claims["jti"] in SEEN:
        raise jwt.InvalidTokenError("seen before")
    SEEN.add(claims["jti"])


if __name__ == "__main__":
    answer(check)
