"""The units: systemd takes them, finds them closed enough, and they keep what the enclave needs."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from template import ROOT

UNITS = ROOT / "deploy/systemd"
SERVICES = ("claviger-host.service", "claviger-enclave.service", "claviger-copy.service")
# systemd's own measure, from 0 (closed) to 10; --threshold takes tenths.
THRESHOLD = "20"
SYSTEM = pathlib.Path("/usr/lib/systemd/system")


def unit(name):
    lines = (UNITS / name).read_text().splitlines()
    members = [line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")]
    return {name: [value for other, value in members if other == name] for name, _ in members}


# In continuous integration its absence is a failure.
@unittest.skipUnless(shutil.which("systemd-analyze") or "CI" in os.environ, "no systemd-analyze")
class Systemd(unittest.TestCase):
    def test_systemd_takes_the_units(self):
        with tempfile.TemporaryDirectory() as dir:
            root = pathlib.Path(dir)
            shutil.copytree(SYSTEM, root / "usr/lib/systemd/system", symlinks=True, ignore_dangling_symlinks=True)
            here = root / "etc/systemd/system"
            stand_in = root / "usr/bin/true"
            stand_in.parent.mkdir(parents=True)
            stand_in.write_text("#!/bin/sh\n")
            stand_in.chmod(0o755)
            subprocess.run([ROOT / "deploy/bin/claviger-install", stand_in, stand_in, root], check=True)
            # Of nitro-cli's package.
            (here / "nitro-enclaves-allocator.service").write_text("[Service]\nType=oneshot\nExecStart=/usr/bin/true\n")
            names = [f"/etc/systemd/system/{name}" for name in (*SERVICES, "claviger-copy.timer")]
            command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={root}"]
            ran = subprocess.run([*command, *names], capture_output=True, text=True)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))
            # The check can fail.
            broken = here / SERVICES[0]
            broken.write_text(broken.read_text().replace("RestrictRealtime=yes", "RestrictRealtimes=yes"))
            ran = subprocess.run([*command, names[0]], capture_output=True, text=True)
            self.assertIn("RestrictRealtimes", ran.stderr)

    def test_units_are_closed(self):
        for name in SERVICES:
            command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={THRESHOLD}", UNITS / name]
            ran = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(ran.returncode, 0, ran.stdout[-300:])

    def test_users_and_directories_are_understood(self):
        for tool, file in (("systemd-sysusers", "claviger.sysusers"), ("systemd-tmpfiles", "claviger.tmpfiles")):
            if not shutil.which(tool):
                self.skipTest(f"no {tool}")
            with tempfile.TemporaryDirectory() as dir:
                (pathlib.Path(dir) / "etc").mkdir()
                users = [] if tool == "systemd-sysusers" else ["--create"]
                if users:
                    subprocess.run(["systemd-sysusers", f"--root={dir}", UNITS / "claviger.sysusers"], check=True, capture_output=True)
                ran = subprocess.run([tool, f"--root={dir}", *users, UNITS / file], capture_output=True, text=True)
                # Who is not root cannot give files away; what is not understood is said with the line.
                self.assertNotIn(file, ran.stderr)


class Needs(unittest.TestCase):
    def test_both_sides_speak_vsock_and_the_enclaves_side_no_ip(self):
        self.assertIn("AF_VSOCK", unit(SERVICES[0])["RestrictAddressFamilies"][0].split())
        families = unit(SERVICES[1])["RestrictAddressFamilies"][0].split()
        self.assertEqual(sorted(families), ["AF_UNIX", "AF_VSOCK"])
        self.assertEqual(unit(SERVICES[1])["DeviceAllow"], ["/dev/nitro_enclaves rw"])
        self.assertIn("nitro-enclaves-allocator.service", unit(SERVICES[1])["Requires"][0])

    def test_what_units_and_configuration_name_is_installed(self):
        with tempfile.TemporaryDirectory() as dir:
            root = pathlib.Path(dir)
            file = root / "file"
            file.write_text("")
            subprocess.run([ROOT / "deploy/bin/claviger-install", file, file, root], check=True)
            for name in SERVICES:
                paths = [word for word in unit(name)["ExecStart"][0].split() if word.startswith(("/usr", "/etc"))]
                self.assertTrue(paths)
                for path in paths:
                    self.assertTrue((root / path.lstrip("/")).is_file(), path)

    def test_what_ends_is_started_again(self):
        for name in SERVICES[:2]:
            self.assertEqual(unit(name)["Restart"], ["always"])

    def test_the_host_beats(self):
        host = unit(SERVICES[0])
        self.assertEqual((host["Type"], host["NotifyAccess"], host["WatchdogSec"]), (["notify"], ["main"], ["60"]))

    def test_debug_mode_is_never_asked_for(self):
        for file in [*UNITS.iterdir(), *(ROOT / "deploy/bin").iterdir(), ROOT / "deploy/cloudformation/claviger.yaml"]:
            self.assertNotIn("--debug-mode", file.read_text())


if __name__ == "__main__":
    unittest.main()
