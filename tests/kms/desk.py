"""What the scripts share: clients of stock boto3, errors by code, attested recipients."""

import json
import os
import subprocess
import tempfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from envelope import open_envelope

PARENT = "arn:aws:iam::000000000000:role/parent"
ADMIN = "arn:aws:iam::000000000000:role/admin"
ROOT = "arn:aws:iam::000000000000:root"


def client(profile, region="us-east-1"):
    """A KMS client as anybody makes one; the endpoint comes from AWS_ENDPOINT_URL_KMS."""
    session = boto3.Session(profile_name=profile, region_name=region)
    return session.client("kms", config=Config(retries={"max_attempts": 0}))


def denied(code, ask, status=400, **members):
    """Asks for what must be refused with a code and a status."""
    try:
        answer = ask(**members)
    except ClientError as error:
        said = error.response["Error"]["Code"]
        http = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert (said, http) == (code, status), f"{said} {http}, not {code} {status}: {error}"
        return
    raise AssertionError(f"not refused with {code}: {answer}")


def policy(*statements):
    """A key policy: everything to the administrator and the root user, and what is given."""
    everything = {
        "Effect": "Allow",
        "Principal": {"AWS": [ADMIN, ROOT]},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [everything, *statements]})


def statement(effect, principal, actions, condition=None):
    """One statement of a policy."""
    one = {"Effect": effect, "Principal": {"AWS": principal}, "Action": actions, "Resource": "*"}
    if condition:
        one["Condition"] = condition
    return one


class Enclave:
    """An enclave as far as KMS sees one: measurements, an RSA key and the documents that attest it."""

    def __init__(self, pcr0="a0" * 48, extend=()):
        self.key = rsa.generate_private_key(65537, 2048)
        self.pcr0 = pcr0
        self.extend = extend

    def document(self, directory=None):
        """A fresh document of the mock NSM."""
        with tempfile.TemporaryDirectory() as scratch:
            public, measured, out = (os.path.join(scratch, name) for name in ("pub", "m.json", "doc"))
            with open(public, "wb") as file:
                pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
                file.write(pem)
            with open(measured, "w", encoding="utf-8") as file:
                pcrs = {"pcr0": self.pcr0, "pcr1": "a1" * 48, "pcr2": "a2" * 48}
                json.dump({**pcrs, "role_arn": PARENT, "instance_id": "i-0"}, file)
            command = [os.environ["SIM"], "nsm", "document", "--dir", directory or os.environ["KMS_DIR"]]
            command += ["--public-key", public, "--measurements", measured, "--out", out]
            command += ["--nonce", "00ff", "--user-data", "c0ffee"]
            for register in self.extend:
                command += ["--extend", register]
            subprocess.run(command, check=True)
            with open(out, "rb") as file:
                return file.read()

    def recipient(self, directory=None):
        """The `Recipient` member of a request."""
        document = self.document(directory)
        return {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": document}

    def open(self, answer):
        """What an answer holds for this enclave and for nobody else."""
        for name in ("Plaintext", "SharedSecret", "PrivateKeyPlaintext"):
            assert not answer.get(name), f"{name} in the clear"
        return open_envelope(answer["CiphertextForRecipient"], self.key)
