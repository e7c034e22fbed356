"""The scripts, run with stand-ins of nitro-cli and aws: the enclave's keeper, and the watch over CloudTrail and log."""
import base64
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from simulation import TARGET, deployment
from template import ROOT

BIN = ROOT / "deploy/bin"


class Stand(unittest.TestCase):
    def setUp(self):
        self.kept = tempfile.TemporaryDirectory()
        self.addCleanup(self.kept.cleanup)
        self.dir = pathlib.Path(self.kept.name)
        self.environment = os.environ | {"PATH": f"{self.dir}:{TARGET}:{os.environ['PATH']}", "DIR": str(self.dir), "ENCLAVE_BEAT_S": "0.1"}

    def stand_in(self, name, text):
        (self.dir / name).write_text("#!/usr/bin/env bash\nset -eu\n" + text)
        (self.dir / name).chmod(0o755)

    def asked(self, name):
        file = self.dir / f"{name}.asked"
        return file.read_text().splitlines() if file.exists() else []

    def wait(self, holds):
        for _ in range(100):
            if holds():
                return
            time.sleep(0.05)
        self.fail("not in time")

    def test_every_script_is_shell(self):
        for script in BIN.iterdir():
            self.assertEqual(subprocess.run(["bash", "-n", script]).returncode, 0, script)
            self.assertTrue(os.access(script, os.X_OK), script)


class Keeper(Stand):
    """`nitro-cli` as its documentation has it: an enclave is what its list says."""

    def setUp(self):
        super().setUp()
        self.stand_in("nitro-cli", """
            echo "$*" >>"$DIR/nitro.asked"
            case $1 in
              describe-enclaves) cat "$DIR/list" ;;
              run-enclave) cp "$DIR/fresh" "$DIR/list"; echo '{"EnclaveID":"i-0-enc0"}' ;;
              terminate-enclave) echo '[]' >"$DIR/list" ;;
            esac
            """)
        self.listed("list")
        self.listed("fresh", State="RUNNING", Flags="NONE")

    def listed(self, file, **members):
        enclave = [{"EnclaveName": "claviger", "EnclaveID": "i-0-enc0", "EnclaveCID": 16} | members] if members else []
        other = {"EnclaveName": "another", "EnclaveCID": 17, "State": "RUNNING", "Flags": "DEBUG_MODE"}
        (self.dir / file).write_text(json.dumps([other, *enclave]))

    def keep(self):
        command = [BIN / "claviger-enclave", "/usr/lib/claviger/claviger.eif"]
        return subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, text=True)

    def did(self, verb):
        return [line for line in self.asked("nitro") if line.startswith(verb)]

    def test_it_runs_while_the_enclave_does_and_ends_with_it(self):
        keeper = self.keep()
        self.wait(lambda: len(self.did("describe-enclaves")) > 4)
        self.assertIsNone(keeper.poll())
        (run,) = self.did("run-enclave")
        self.assertIn("--enclave-cid 16", run)
        self.assertIn("--eif-path /usr/lib/claviger/claviger.eif", run)
        self.assertNotIn("debug", run)
        self.listed("list")
        said = keeper.communicate(timeout=10)[1].splitlines()
        self.assertEqual(keeper.returncode, 1)
        self.assertEqual([json.loads(line)["enclave"] for line in said], ["started", "ended"])

    def test_one_in_debug_mode_is_ended_and_not_started_again(self):
        self.listed("fresh", State="RUNNING", Flags="DEBUG_MODE")
        keeper = self.keep()
        said = keeper.communicate(timeout=10)[1]
        self.assertEqual(keeper.returncode, 78)
        self.assertIn("debug mode", said)
        self.assertEqual(len(self.did("terminate-enclave")), 1)

    def test_one_at_another_context_id_is_not_ours(self):
        self.listed("fresh", State="RUNNING", Flags="NONE", EnclaveCID=18)
        keeper = self.keep()
        keeper.communicate(timeout=10)
        self.assertEqual((keeper.returncode, len(self.did("terminate-enclave"))), (1, 1))

    def test_one_that_was_left_is_ended_first_and_a_stop_ends_it(self):
        self.listed("list", State="RUNNING", Flags="NONE")
        keeper = self.keep()
        self.wait(lambda: len(self.did("describe-enclaves")) > 3)
        order = [line.split()[0] for line in self.asked("nitro")]
        self.assertLess(order.index("terminate-enclave"), order.index("run-enclave"))
        keeper.send_signal(signal.SIGTERM)
        keeper.communicate(timeout=10)
        self.assertEqual((keeper.returncode, len(self.did("terminate-enclave"))), (0, 2))


class Watch(Stand):
    def watch(self, dir, profile):
        command = [BIN / "claviger-watch", profile["log"], profile["manifest"]]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True)

    def test_a_derivation_without_a_boot_is_told_to_cloudwatch(self):
        self.stand_in("aws", """
            echo "$*" >>"$DIR/aws.asked"
            case "$1 $2" in "cloudtrail lookup-events") cat "$DIR/events" ;; esac
            """)
        with deployment() as (dir, profile):
            measured = json.loads((dir / "measurements.json").read_text())
            digits = {name: value if isinstance(value, str) else bytes(value).hex() for name, value in measured.items() if name.startswith("pcr")}
            manifests = json.loads(pathlib.Path(profile["manifest"]).read_text())
            newest = json.loads(base64.b64decode(manifests["manifests"][-1]["body"]))
            key = newest["recipients"][0]["arn"]

            def event(id, pcr0):
                recipient = {"attestationDocumentModuleId": "i-0-enc0", "attestationDocumentEnclaveImageDigest": base64.b64encode(bytes.fromhex(pcr0)).decode()}
                inner = {"eventSource": "kms.amazonaws.com", "eventName": "DeriveSharedSecret", "eventID": id,
                         "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 30)), "resources": [{"ARN": key}],
                         "userIdentity": {"arn": "arn:aws:sts::000000000000:assumed-role/claviger-host/i-0"},
                         "additionalEventData": {"recipient": recipient}}
                return {"EventId": id, "CloudTrailEvent": json.dumps(inner)}

            boot = event("boot", digits["pcr0"])
            (self.dir / "events").write_text(json.dumps({"Events": [boot]}))
            ran = self.watch(dir, profile)
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
            metrics = [line for line in self.asked("aws") if line.startswith("cloudwatch")]
            self.assertIn(f"--dimensions Key={key} --unit Count --value 0", metrics[-1])
            bare = event("bare", digits["pcr0"])
            inner = json.loads(bare["CloudTrailEvent"])
            del inner["additionalEventData"]
            bare["CloudTrailEvent"] = json.dumps(inner)
            (self.dir / "events").write_text(json.dumps({"Events": [boot, bare]}))
            ran = self.watch(dir, profile)
            self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
            self.assertEqual([one["event"] for one in json.loads(ran.stdout)["unknown"]], ["bare"])
            metrics = [line for line in self.asked("aws") if line.startswith("cloudwatch")]
            self.assertIn("--value 1", metrics[-1])
            # What cannot be read gives no figure at all.
            (self.dir / "events").write_text("nothing")
            before = len(self.asked("aws"))
            self.assertNotIn(self.watch(dir, profile).returncode, (0, 1))
            self.assertEqual([line for line in self.asked("aws")[before:] if line.startswith("cloudwatch")], [])


if __name__ == "__main__":
    unittest.main()
