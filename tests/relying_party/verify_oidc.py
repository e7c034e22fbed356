"""A relying party of `oidc` tokens, over PyJWT and its own JWKS client.

Reads `{jwt, host, issuer, audience, subject, nonce}` per line and learns everything else from the issuer's discovery document.
`host` stands for the issuer's origin, as if a proxy with its certificate stood before it: URLs that begin with `issuer` are
fetched there. Follows docs/spec/credential-jwt.md, "Identity".
"""

import json
import urllib.request

import jwt

from lines import answer


def at(line, url):
    """Where a URL of the issuer is reached."""
    if not url.startswith(line["issuer"] + "/"):
        raise jwt.InvalidTokenError("not the issuer's own URL")
    return line["host"] + url[len(line["issuer"]):]


def discover(line):
    url = at(line, line["issuer"] + "/.well-known/openid-configuration")
    with urllib.request.urlopen(url, timeout=5) as response:
        document = json.load(response)
    if document["issuer"] != line["issuer"]:
        raise jwt.InvalidTokenError("the document is another issuer's")
    return document


def check(line):
    document = discover(line)
    key = jwt.PyJWKClient(at(line, document["jwks_uri"])).get_signing_key_from_jwt(line["jwt"])
    claims = jwt.decode(
        line["jwt"],
        key,
        algorithms=document["id_token_signing_alg_values_supported"],
        audience=line["audience"],
        issuer=line["issuer"],
        leeway=5,
        options={"require": ["iss", "sub", "aud", "iat", "exp", "jti"], "strict_aud": True},
    )
    if not set(claims) <= set(document["claims_supported"]):
        raise jwt.InvalidTokenError("a claim that the issuer does not announce")
    if claims["sub"] != line["subject"] or claims.get("nonce") != line.get("nonce"):
        raise jwt.InvalidTokenError("another subject or nonce")
    if claims["exp"] - claims["iat"] > 300:
        raise jwt.InvalidTokenError("lives too long")


if __name__ == "__main__":
    answer(check)
