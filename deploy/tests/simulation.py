"""The simulation's programs, started and ended."""
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import time

from template import ROOT

TARGET = pathlib.Path(os.environ.get("CLAVIGER_TARGET", ROOT / "target/debug"))
KEPT = ("PATH", "HOME", "LANG")


def environment(**more):
    return {name: os.environ[name] for name in KEPT if name in os.environ} | more


def claviger(*arguments, expect=0, **options):
    ran = subprocess.run([TARGET / "claviger", *arguments], capture_output=True, text=True, env=environment(), timeout=60, **options)
    assert ran.returncode == expect, (arguments, ran.returncode, ran.stdout, ran.stderr)
    return ran.stdout


@contextlib.contextmanager
def kms():
    """A mock KMS alone: what it prints for its users' environment, and its process."""
    with tempfile.TemporaryDirectory() as dir:
        command = [TARGET / "claviger-sim", "kms", "--listen", "127.0.0.1:0", "--dir", dir]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(RUST_LOG="error"))
        try:
            exports = {}
            for line in child.stdout:
                if line.startswith("export "):
                    exports |= dict(one.split("=", 1) for one in line.split()[1:])
                if line.startswith("# regions"):
                    break
            yield exports, child
        finally:
            child.terminate()
            child.wait()
            child.stdout.close()


@contextlib.contextmanager
def deployment():
    """A whole deployment: its directory and its profile."""
    with tempfile.TemporaryDirectory() as dir:
        child = subprocess.Popen([TARGET / "claviger-sim", "up", "--dir", dir], stdout=subprocess.DEVNULL, env=environment(RUST_LOG="error"))
        try:
            ready = pathlib.Path(dir) / "ready.json"
            for _ in range(600):
                if ready.exists():
                    break
                assert child.poll() is None, "the simulation ended"
                time.sleep(0.1)
            yield pathlib.Path(dir), json.loads(ready.read_text())
        finally:
            child.terminate()
            child.wait()
