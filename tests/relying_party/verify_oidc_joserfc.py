"""The same relying party as verify_oidc.py over another library: joserfc."""

import json
import urllib.request

from joserfc import jwt
from joserfc.jwk import KeySet

from lines import answer
from verify_oidc import at, discover


def check(line):
    document = discover(line)
    with urllib.request.urlopen(at(line, document["jwks_uri"]), timeout=5) as response:
        keys = KeySet.import_key_set(json.load(response))
    token = jwt.decode(line["jwt"], keys, algorithms=document["id_token_signing_alg_values_supported"])
    wanted = {name: {"essential": True} for name in ("iat", "exp", "jti")}
    for name, claim in (("iss", "issuer"), ("aud", "audience"), ("sub", "subject")):
        wanted[name] = {"essential": True, "value": line[claim]}
    if line.get("nonce") is not None:
        wanted["nonce"] = {"essential": True, "value": line["nonce"]}
    elif "nonce" in token.claims:
        raise ValueError("a nonce that was not asked for")
    jwt.JWTClaimsRegistry(leeway=5, **wanted).validate(token.claims)


if __name__ == "__main__":
    answer(check)
