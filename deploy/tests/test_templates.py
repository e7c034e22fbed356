"""The key's policy in the template is the one that the command renders, and what is written twice is the same."""
import json
import pathlib
import tempfile
import unittest

from simulation import claviger, deployment
from template import ROOT, Template

ROLE = "arn:aws:iam::111122223333:role/"
PARTIES = ["--host-role", ROLE + "host", "--administrator", ROLE + "admin", "--break-glass", ROLE + "glass"]


def parameters(text):
    return {one["ParameterKey"]: one["ParameterValue"] for one in json.loads(text)}


def policy(**values):
    return Template("claviger-key.yaml", **values).properties("Key")["KeyPolicy"]


class Templates(unittest.TestCase):
    def test_before_the_ceremony_nobody_may_derive(self):
        rendered = json.loads(claviger("policy", "render", "--unborn", *PARTIES, "--json"))
        values = parameters(claviger("policy", "render", "--unborn", *PARTIES, "--parameters"))
        own = policy(**values)
        self.assertEqual(own, rendered)
        self.assertNotIn("DeriveSharedSecret", json.dumps(own))
        # The names of the three and nothing else make the same.
        bare = {name: values[name] for name in ("HostRoleArn", "AdministratorArn", "BreakGlassArn")}
        self.assertEqual(policy(**bare), rendered)

    def test_each_stage_of_a_release_is_the_policy_that_the_command_renders(self):
        with deployment() as (dir, _), tempfile.TemporaryDirectory() as work:
            profile = ["--profile", str(dir / "ready.json")]
            now = json.loads(claviger(*profile, "policy", "render", "--json"))
            values = parameters(claviger(*profile, "policy", "render", "--parameters"))
            self.assertEqual(policy(**values), now)
            self.assertEqual(values["ReleaseTwoVersion"], "")
            build = pathlib.Path(work) / "build.json"
            build.write_text(json.dumps({"version": "2.10.3", "pcr0": "a" * 96, "pcr1": "b" * 96, "pcr2": "c" * 96}))
            out = f"{work}/plan"
            plan = json.loads(claviger(*profile, "release", "plan", str(build), "--out", out, "--json"))
            self.assertEqual([stage["stage"] for stage in plan["stages"]], ["admit", "retire"])
            for stage in plan["stages"]:
                self.assertEqual(policy(**stage["parameters"]), stage["policy"])
                file = json.loads(pathlib.Path(out, stage["stage"] + "-policy.json").read_text())
                self.assertEqual(file, stage["policy"])
            admit, retire = plan["stages"]
            self.assertEqual(admit["parameters"]["ReleaseTwoVersion"], "2.10.3")
            self.assertEqual(retire["parameters"]["ReleaseOneVersion"], "2.10.3")
            self.assertNotEqual(retire["parameters"]["Pcr17"], values["Pcr17"])
            # What is printed for people names the same statements.
            words = claviger(*profile, "release", "plan", str(build))
            for name in ("+ Release2x10x3", "~ OnlyPcr0: takes " + "a" * 96, "~ OnlyPcr17: no longer takes " + values["Pcr17"]):
                self.assertIn(name, words)
            # The manifest of the first stage is one that the next boot's policy is rendered for.
            next = json.loads(claviger(*profile, "policy", "render", "--next", out + "/admit.json", "--json"))
            self.assertEqual(next, admit["policy"])

    def test_the_canary_in_the_template_is_the_file(self):
        code = Template("claviger-key.yaml").properties("Canary")["Code"]["ZipFile"]
        self.assertEqual(code, (ROOT / "deploy/canary/canary.py").read_text())
        self.assertLess(len(code), 4096, "CloudFormation's limit")

    def test_the_host_can_do_three_things(self):
        template = Template("claviger.yaml", RecipientArns="arn:aws:kms:eu-west-1:1:key/1")
        statements = template.properties("HostRole")["Policies"][0]["PolicyDocument"]["Statement"]
        statements += template.properties("HostMayDerive")["PolicyDocument"]["Statement"]
        actions = [one["Action"] if isinstance(one["Action"], list) else [one["Action"]] for one in statements]
        wanted = [["s3:PutObject"], ["logs:CreateLogStream", "logs:PutLogEvents"], ["kms:DeriveSharedSecret"]]
        self.assertEqual(actions, wanted)
        self.assertTrue(all("*" != one["Resource"] for one in statements))
        data = template.properties("HostTemplate")["LaunchTemplateData"]
        self.assertEqual(data["MetadataOptions"]["HttpTokens"], "required")
        self.assertEqual(data["MetadataOptions"]["HttpPutResponseHopLimit"], 1)
        self.assertTrue(data["EnclaveOptions"]["Enabled"])
        self.assertFalse(data["NetworkInterfaces"][0]["AssociatePublicIpAddress"])
        self.assertTrue(all(one["Ebs"]["Encrypted"] for one in data["BlockDeviceMappings"]))
        lock = template.properties("LogCopies")["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
        self.assertEqual(lock["Mode"], "COMPLIANCE")

    def test_every_alarm_is_on_the_page_with_what_to_do(self):
        rows = [line.split("|") for line in (ROOT / "docs/deploy.md").read_text().splitlines() if line.startswith("| `")]
        page = {row[1].strip().strip("`"): row[2:4] for row in rows if len(row) == 5}
        alarms = set()
        for name in ("claviger.yaml", "claviger-key.yaml"):
            resources = Template(name).body["Resources"]
            alarms |= {one.removesuffix("Alarm") for one, resource in resources.items() if resource["Type"] == "AWS::CloudWatch::Alarm"}
            for one, resource in resources.items():
                if resource["Type"] == "AWS::CloudWatch::Alarm":
                    self.assertEqual(resource["Properties"]["AlarmActions"], [{"Ref": "Alarms"}], one)
        self.assertEqual(set(page), alarms)
        self.assertTrue(all(cell.strip() for cells in page.values() for cell in cells))

    def test_files_that_the_instance_changes_at_its_first_start_have_what_is_changed(self):
        data = Template("claviger.yaml").body["Resources"]["HostTemplate"]["Properties"]["LaunchTemplateData"]
        script = data["UserData"]["Fn::Base64"]["Fn::Sub"][0]
        host = (ROOT / "deploy/systemd/host.json").read_text()
        for member in ("region", "operators"):
            self.assertIn(f's/"{member}": "[^"]*"/', script)
            self.assertEqual(host.count(f'"{member}": "'), 1)
        self.assertIn('"log_group_name": "', (ROOT / "deploy/systemd/cloudwatch-agent.json").read_text())


if __name__ == "__main__":
    unittest.main()
