"""Providers of federation, as their pages say they decide, over what `claviger federate` wrote.

Reads `{provider, dir, setup, token, bao?}` per line: the folder of `--out`, the verb's JSON answer, an identity token. For `aws` the
printed commands run by the AWS CLI against a stand-in (moto), and the trust policy is read by the small evaluator below; for `vault` the
printed commands run against a real OpenBao (`bao`, its program). Signatures are verified by PyJWT, for `gcp` by joserfc.
Words in capitals are filled in here as an owner would.
"""

import fnmatch
import json
import logging
import os
import pathlib
import re
import shlex
import socket
import stat
import subprocess
import tempfile
import time
import urllib.request

import jwt
from joserfc import jwt as jose
from joserfc.jwk import KeySet

from lines import answer

FILLED = {
    "ACCOUNT_ID": "123456789012", "ROLE_NAME": "agent", "POLICY": "agent", "APP_ID": "app", "TENANT_ID": "tenant",
    "PROJECT_ID": "project", "PROJECT_NUMBER": "1234",
}
POLICY_OF_VAULT = 'path "auth/token/lookup-self" { capabilities = ["read"] }'


class Refused(Exception):
    """The provider would not take this token."""


def need(true, why):
    if not true:
        raise Refused(why)


def fill(text):
    for word, value in FILLED.items():
        text = re.sub(rf"\b{word}\b", value, text)
    return text


def commands(steps):
    return [fill(step["run"]) for step in steps if "run" in step]


def file(line, name):
    return json.loads(fill((pathlib.Path(line["dir"]) / name).read_text()))


def verified(token, keys, algorithms, **options):
    """The claims, once a key of the set with the token's `kid` fits."""
    kid = jwt.get_unverified_header(token)["kid"]
    key = jwt.PyJWKSet.from_dict({"keys": keys})[kid]
    claims = jwt.decode(token, key, algorithms=algorithms, **options)
    need(claims["exp"] - claims["iat"] <= 300, "lives too long")
    return claims


def published(line):
    """The keys, found as a provider finds them that is given the issuer's URL; the folder stands for its web server."""
    document = file(line, ".well-known/openid-configuration")
    issuer = line["setup"]["issuer"]
    need(document["issuer"] == issuer, "another issuer's document")
    need(document["jwks_uri"].startswith(issuer + "/"), "keys elsewhere")
    return file(line, document["jwks_uri"][len(issuer) + 1:])["keys"]


# IAM: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
OPERATORS = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringLike": lambda wanted, value: fnmatch.fnmatchcase(value, wanted.replace("[", "[[]")),
}


def assumes(policy, provider, context):
    """Whether a trust policy lets this federated principal assume the role: every operator, every key, any value."""
    for statement in policy["Statement"]:
        if statement["Effect"] != "Allow" or statement["Action"] != "sts:AssumeRoleWithWebIdentity":
            continue
        if statement["Principal"] != {"Federated": provider}:
            continue
        tests = [
            (OPERATORS[operator], wanted, context.get(key))
            for operator, keys in statement["Condition"].items()
            for key, wanted in keys.items()
        ]
        if tests and all(value is not None and fits(wanted, value) for fits, wanted, value in tests):
            return True
    return False


def moto(line):
    """The printed commands, by the AWS CLI, against the stand-in; what it then holds."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").disabled = True
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST"), timeout=30).read()
        here = pathlib.Path(__file__).parent.parent / ".venv/bin"
        environment = {
            "PATH": f"{here}:{os.environ['PATH']}", "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1", "HOME": line["dir"],
        }
        with tempfile.TemporaryDirectory() as work:
            policy = json.dumps(file(line, "trust-policy.json"))
            (pathlib.Path(work) / "trust-policy.json").write_text(policy)
            for command in commands(line["setup"]["setup"]):
                subprocess.run(["sh", "-ec", command], cwd=work, env=environment, check=True, stdout=subprocess.DEVNULL)
        iam = boto3.client(
            "iam", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        arn = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"][0]["Arn"]
        held = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        role = iam.get_role(RoleName="agent")["Role"]
        return arn, held, role["AssumeRolePolicyDocument"]
    finally:
        server.stop()


def aws(line):
    arn, held, policy = moto(line)
    issuer = line["setup"]["issuer"]
    need("https://" + held["Url"].removeprefix("https://") == issuer, f"{held['Url']}")
    claims = verified(
        line["token"], published(line), ["RS256", "ES256"], issuer=issuer, audience=held["ClientIDList"]
    )
    # IAM names the keys by the URL without its scheme.
    base = issuer.removeprefix("https://")
    context = {f"{base}:{name}": value for name, value in claims.items() if name in ("sub", "aud")}
    need(assumes(policy, arn, context), "AccessDenied")


def azure(line):
    credential = file(line, "federated-credential.json")
    need(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}", credential["name"]), "the credential's name")
    need(credential["audiences"] == ["api://AzureADTokenExchange"], "audience")
    claims = verified(line["token"], published(line), ["RS256"], audience=credential["audiences"][0])
    need((claims["iss"], claims["sub"]) == (credential["issuer"], credential["subject"]), "AADSTS70021")


def gcp(line):
    words = shlex.split(next(c for c in commands(line["setup"]["setup"]) if "create-oidc" in c))
    option = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
    keys = KeySet.import_key_set(file(line, option["jwk-json-path"]))
    claims = jose.decode(line["token"], keys, algorithms=["RS256", "ES256"]).claims
    need(claims["iss"] == option["issuer-uri"], "issuer")
    need(claims["aud"] in option["allowed-audiences"].split(","), "audience")
    need(option["attribute-mapping"] == "google.subject=assertion.sub", "mapping")
    need(len(claims["sub"].encode()) <= 127, "google.subject is too long")
    condition = option["attribute-condition"]
    whole = re.fullmatch(r'assertion\.sub == "([^"\\]+)"', condition)
    begins = re.fullmatch(r'assertion\.sub\.startsWith\("([^"\\]+)"\)', condition)
    need(bool(whole) != bool(begins), f"unknown condition {condition}")
    fits = claims["sub"] == whole[1] if whole else claims["sub"].startswith(begins[1])
    need(fits, "the attribute condition is false")
    words = shlex.split(next(c for c in commands(line["setup"]["setup"]) if "add-iam-policy-binding" in c))
    member = next(word for word in words if word.startswith("--member=")).removeprefix("--member=")
    pool = "iam.googleapis.com/projects/1234/locations/global/workloadIdentityPools/claviger"
    members = (f"principal://{pool}/subject/{claims['sub']}", f"principalSet://{pool}/*")
    need(member in members, f"no role for {claims['sub']}")
    account = file(line, "external-account.json")
    need(account["type"] == "external_account" and account["audience"] == f"//{pool}/providers/claviger", "account")


def openai(line):
    provider, rule = file(line, "provider.json"), file(line, "rule.json")
    need(provider["verification"]["type"] == "uploaded_jwks", "verification")
    claims = verified(
        line["token"], provider["verification"]["jwks"]["keys"], ["RS256", "ES256"],
        issuer=provider["issuer"], audience=provider["audience"],
    )
    need(rule["attribute_matchers"], "a rule that takes everybody")
    need(all(claims.get(name) == value for name, value in rule["attribute_matchers"].items()), "no rule matches")


def anthropic(line):
    issuer, rule = file(line, "issuer.json"), file(line, "rule.json")
    need(issuer["jwks"]["type"] == "inline" and issuer["check_jti"], "keys, each token once")
    for document in (issuer, rule):
        need(re.fullmatch(r"[a-z0-9-]{1,255}", document["name"]), "name")
    match = rule["match"]
    claims = verified(
        line["token"], issuer["jwks"]["keys"], ["RS256", "ES256"], issuer=issuer["issuer_url"], audience=match["audience"],
        options={"require": ["iat", "exp", "jti", "sub"]},
    )
    need(claims["exp"] - claims["iat"] <= issuer["max_jwt_lifetime_seconds"], "lives too long")
    wanted = match["subject_prefix"]
    need(wanted.rstrip("*"), "a rule that takes everybody")
    fits = claims["sub"].startswith(wanted[:-1]) if wanted.endswith("*") else claims["sub"] == wanted
    need(fits, "no rule matches")


def vault(line):
    """A real OpenBao in its development mode, set up by the printed commands."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % free.getsockname()[1]
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        program = work / "vault"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(line["bao"])} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        url = f"http://{address}"
        environment = {
            "PATH": f"{work}:{os.environ['PATH']}", "HOME": str(work), "BAO_ADDR": url, "BAO_TOKEN": "root",
        }
        run = lambda command, **options: subprocess.run(
            ["sh", "-ec", command], cwd=work, env=environment, capture_output=True, text=True, **options
        )
        server = subprocess.Popen(
            [line["bao"], "server", "-dev", "-dev-no-store-token", "-log-level=error", "-dev-root-token-id=root",
             f"-dev-listen-address={address}"],
            env=environment, cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"{url}/v1/sys/health", timeout=5).read()
                    break
                except OSError:
                    time.sleep(0.05)
            run("vault policy write agent -", input=POLICY_OF_VAULT, check=True)
            for name in ("jwt-config.json", "role.json"):
                (work / name).write_text(json.dumps(file(line, name)))
            for command in commands(line["setup"]["setup"]):
                done = run(command)
                assert done.returncode == 0, done.stderr
            (work / "TOKEN_FILE").write_text(line["token"])
            login = next(c for c in commands(line["setup"]["exchange"]) if "login" in c)
            environment["BAO_TOKEN"] = ""
            given = run(login)
            need(given.returncode == 0, given.stderr)
            environment["BAO_TOKEN"] = given.stdout.strip()
            held = json.loads(run("vault token lookup -format=json", check=True).stdout)["data"]
            need(held["policies"] == ["agent"] and held["explicit_max_ttl"] == 0 and held["ttl"] <= 300, f"{held}")
            need(held["meta"]["role"] == line["setup"]["grants"][0] or "prefix" in line["setup"]["subject"], f"{held}")
        finally:
            server.kill()
            server.wait()


PROVIDERS = {"aws": aws, "azure": azure, "gcp": gcp, "openai": openai, "anthropic": anthropic, "vault": vault}


def check(line):
    assert line["setup"]["assurance"] == "token"
    PROVIDERS[line["provider"]](line)


if __name__ == "__main__":
    answer(check)
