"""The canary as the template has it, against the mock KMS by stock boto3: refused, derived, failed."""
import contextlib
import io
import json
import os
import unittest
from unittest import mock

import boto3
from simulation import kms
from template import Template

ACCOUNT = "arn:aws:iam::000000000000:role/"


class Canary(unittest.TestCase):
    def attempt(self, exports, key, profile="parent", **more):
        """One run: what it returned, after the figures of its one line were found to say the same."""
        environment = exports | {"KEY_ARN": key} | ({"AWS_PROFILE": profile} if profile else {}) | more
        with mock.patch.dict(os.environ, environment), contextlib.redirect_stdout(io.StringIO()) as out:
            if not profile:
                os.environ.pop("AWS_PROFILE", None)
            boto3.DEFAULT_SESSION = None
            module = {}
            exec(Template("claviger-key.yaml").properties("Canary")["Code"]["ZipFile"], module)
            outcome = module["handler"]({}, None)
        line = json.loads(out.getvalue())
        figures = {name: line[name] for name in ("refused", "derived", "failed")}
        self.assertEqual(figures, {name: int(name == outcome) for name in figures})
        declared = {one["Name"] for one in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
        self.assertEqual(declared, set(figures))
        self.assertEqual(line["Key"], key)
        return outcome, line["why"]

    def test_refused_then_derived_then_failed(self):
        names = {"HostRoleArn": ACCOUNT + "host", "AdministratorArn": ACCOUNT + "admin", "BreakGlassArn": ACCOUNT + "admin"}
        policy = Template("claviger-key.yaml", **names).properties("Key")["KeyPolicy"]
        refused = ("refused", "AccessDeniedException")
        with kms() as (exports, process):
            with mock.patch.dict(os.environ, exports):
                boto3.DEFAULT_SESSION = None
                admin = boto3.client("kms")
            made = admin.create_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT", Policy=json.dumps(policy))
            key = made["KeyMetadata"]["Arn"]

            def put(*statements):
                admin.put_key_policy(KeyId=key, Policy=json.dumps(policy | {"Statement": policy["Statement"] + list(statements)}))

            # Nobody may derive: the canary neither, whatever its own IAM policy allows (the profile `admin` has one).
            self.assertEqual(self.attempt(exports, key), refused)
            self.assertEqual(self.attempt(exports, key, "admin"), refused)
            allow = {"Effect": "Allow", "Resource": "*", "Action": "kms:*"}
            put(allow | {"Sid": "Everybody", "Principal": {"AWS": ACCOUNT + "parent"}})
            self.assertEqual(self.attempt(exports, key)[0], "derived")
            # Left to the account: IAM decides, and the canary's IAM policy allows.
            put(allow | {"Sid": "Account", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}})
            self.assertEqual(self.attempt(exports, key, "admin")[0], "derived")
            put()
            self.assertEqual(self.attempt(exports, key, "admin"), refused)
            # What is refused for itself says nothing about the policy: strange credentials, a key that is not there, no KMS.
            strange = {"AWS_ACCESS_KEY_ID": "AKIASTRANGE", "AWS_SECRET_ACCESS_KEY": "x"}
            self.assertEqual(self.attempt(exports, key, None, **strange), ("failed", "UnrecognizedClientException"))
            self.assertEqual(self.attempt(exports, key[:-12] + "000000000000"), ("failed", "NotFoundException"))
            process.terminate()
            process.wait()
            self.assertEqual(self.attempt(exports, key), ("failed", "EndpointConnectionError"))


if __name__ == "__main__":
    unittest.main()
