"""The canary of a KMS key: an identity that must not be able to derive, trying to.

Its own IAM policy allows kms:DeriveSharedSecret on the key, so that nothing refuses it but the key's policy: the day that
policy is widened, to the account or to everybody, the canary derives. What it would get belongs to a public key of nobody's
and opens nothing. Refused, derived and failed are three things: a KMS that cannot be reached has refused nobody.
"""
import base64, json, os, time
import boto3
from botocore.config import Config

# RFC 6979, A.2.5: a P-256 point whose private key is published, as SubjectPublicKeyInfo.
POINT = base64.b64decode(
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==")


def attempt(kms, key):
    """What came of it: refused, derived or failed, and why."""
    try:
        kms.derive_shared_secret(KeyId=key, KeyAgreementAlgorithm="ECDH", PublicKey=POINT)
    except Exception as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__)
        # Expired, unknown or unsigned credentials have other codes: they prove nothing about the policy.
        return ("refused" if code == "AccessDeniedException" else "failed"), code
    return "derived", "the key policy lets the canary derive"


def handler(event, context):
    # Once: a try that fails is reported as failed, not hidden by a second one.
    kms = boto3.client("kms", config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10))
    outcome, why = attempt(kms, os.environ["KEY_ARN"])
    names = ("refused", "derived", "failed")
    # CloudWatch makes metrics of this line by itself (embedded metric format).
    print(json.dumps({
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [{
            "Namespace": "Claviger/Canary", "Dimensions": [["Key"]], "Metrics": [{"Name": name, "Unit": "Count"} for name in names]}]},
        "Key": os.environ["KEY_ARN"], "why": why, **{name: int(name == outcome) for name in names}}))
    return outcome
