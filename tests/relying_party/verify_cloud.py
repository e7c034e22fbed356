"""Relying parties of `github-app`, `gcp` and `dpop` tokens, over PyJWT.

Reads `{profile, jwt, now, …}` per line. GitHub and Google know the key beforehand: `{jwk, issuer}`, and for `gcp` `{audience, scope,
subject, key_id}`, null for what must not stand. Who takes a proof (RFC 9449 §4.3) takes the key from it, and knows the request and the token:
`{method, url, access_token, nonce, thumbprint}`. A `jti` is accepted once per run.
"""

import base64
import hashlib
import json

import jwt

from lines import answer

SKEW_S = 5
WINDOW_S = 300
SEEN = set()
# The clock of the line decides.
OPTIONS = {"verify_exp": False, "verify_iat": False, "verify_aud": False}


def encoded(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def thumbprint(key):
    """RFC 7638."""
    members = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}[key["kty"]]
    if set(key) != set(members):
        raise ValueError("not the public members alone")
    text = json.dumps({name: key[name] for name in members}, separators=(",", ":"), sort_keys=True)
    return encoded(text.encode())


def wants(claims, wanted):
    """Exactly these claims besides the times."""
    wanted = {name: value for name, value in wanted.items() if value is not None}
    found = {name: value for name, value in claims.items() if name not in ("iat", "exp", "jti")}
    if found != wanted:
        raise ValueError(f"other claims: {found}")


def github(line, header, claims):
    if header != {"alg": "RS256", "typ": "JWT"}:
        raise ValueError("another header")
    wants(claims, {"iss": line["issuer"]})
    if not (claims["iat"] <= line["now"] < claims["exp"] <= line["now"] + 600):
        raise ValueError("not valid now")


def google(line, header, claims):
    if header != {"alg": "RS256", "typ": "JWT", "kid": line["key_id"]}:
        raise ValueError("another header")
    wants(claims, {"iss": line["issuer"], "sub": line["subject"], "aud": line["audience"], "scope": line["scope"]})
    lives = claims["exp"] - claims["iat"]
    if not (claims["iat"] <= line["now"] + SKEW_S and line["now"] < claims["exp"] and lives <= 3600):
        raise ValueError("not valid now")


def proof(line, header, claims):
    if thumbprint(header["jwk"]) != line["thumbprint"]:
        raise ValueError("another key than the token is bound to")
    ath = line["access_token"] and encoded(line["access_token"].encode())
    wants(claims, {"htm": line["method"], "htu": line["url"].split("?")[0], "ath": ath, "nonce": line["nonce"]})
    if not line["now"] - WINDOW_S <= claims["iat"] <= line["now"] + SKEW_S:
        raise ValueError("not valid now")
    if claims["jti"] in SEEN:
        raise ValueError("seen before")
    SEEN.add(claims["jti"])


RULES = {"github-app": github, "gcp": google, "dpop": proof}


def key_and_algorithm(line, header):
    """The key that is known, or, of a proof, the one that it shows."""
    if line["profile"] != "dpop":
        return line["jwk"], "RS256"
    if header["typ"] != "dpop+jwt":
        raise ValueError("not a proof")
    return header["jwk"], {"EC": "ES256", "OKP": "EdDSA"}[header["jwk"]["kty"]]


def check(line):
    header = jwt.get_unverified_header(line["jwt"])
    key, algorithm = key_and_algorithm(line, header)
    key = jwt.PyJWK(key, algorithm=algorithm)
    claims = jwt.decode(line["jwt"], key, algorithms=[algorithm], options=OPTIONS)
    RULES[line["profile"]](line, header, claims)


if __name__ == "__main__":
    answer(check)
