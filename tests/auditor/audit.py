"""A second auditor of a stored log, after docs/spec: `audit.py LOG_DIRECTORY MANIFESTS`.

Prints one JSON document: `ok`, `origin`, `size`, `root`, `records`, `torn_bytes` and what the log amounts to; or `ok: false`
with a reason and the entry. Exit code 0 or 1. It shares no code with the project's own auditor.
"""

import base64
import json
import sys

import cbor
import signed
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fault import Fault, expect, shaped
from fold import State
from store import Stored

MAX_LEAF = 1024
MAX_RECORDS = 2048
MAX_RECORD_BYTES = 768 * 1024
LEAF = "v origin instance index parent time count records_root"


class Tree:
    """A growing Merkle tree by RFC 6962: the roots of its perfect subtrees, the largest first."""

    def __init__(self):
        self.size = 0
        self.perfect = []

    def add(self, data):
        """One more leaf."""
        self.perfect.append((1, signed.sha256(b"\0" + data)))
        self.size += 1
        while len(self.perfect) > 1 and self.perfect[-1][0] == self.perfect[-2][0]:
            (count, right), (_, left) = self.perfect.pop(), self.perfect.pop()
            self.perfect.append((2 * count, signed.sha256(b"\1" + left + right)))

    def root(self):
        """The root over all leaves."""
        if not self.perfect:
            return signed.sha256(b"")
        root = self.perfect[-1][1]
        for _, left in reversed(self.perfect[:-1]):
            root = signed.sha256(b"\1" + left + root)
        return root


class LogKey:
    """A C2SP verifier key, and the notes it signed."""

    def __init__(self, vkey):
        self.name, key_id, typed = vkey.split("+", 2)
        typed = base64.b64decode(typed)
        expect(typed[:1] == b"\1", "a log key of another type")
        self.key_id = signed.sha256(self.name.encode() + b"\n" + typed)[:4]
        expect(self.key_id.hex() == key_id, "a log key with another id")
        self.public = Ed25519PublicKey.from_public_bytes(typed[1:])

    def head(self, note):
        """Size and root that a note's own text says, once its signature verified."""
        text, _, lines = note.rpartition("\n\n")
        text += "\n"
        expect(lines.endswith("\n"), "a checkpoint without a last newline")
        mine = False
        for line in lines[:-1].split("\n"):
            expect(line.startswith("\u2014 ") and line.count(" ") == 2, "no signature line")
            name, payload = line[2:].split(" ")
            payload = base64.b64decode(payload, validate=True)
            if name == self.name and payload[:4] == self.key_id:
                try:
                    self.public.verify(payload[4:], text.encode())
                except InvalidSignature:
                    raise Fault("a checkpoint's signature does not verify") from None
                mine = True
        expect(mine, "a checkpoint without the log key's signature")
        parts = text.split("\n")
        expect(len(parts) == 4 and parts[0] == self.name and parts[3] == "", "no checkpoint of this log")
        expect(parts[1] == str(int(parts[1])), "a size that is not written plainly")
        return int(parts[1]), base64.b64decode(parts[2], validate=True)


class Audit:
    """A log, entry by entry."""

    def __init__(self, chain):
        log = chain.links[-1]["log"]
        self.key = LogKey(log["vkey"])
        self.first_root = signed.digest(log["first_root"])
        self.tree = Tree()
        self.time = 0
        self.state = State(chain)

    def entry(self, entry):
        """Checks one entry and folds its records."""
        records, leaf_bytes = entry["records"], entry["leaf"]
        sizes = [len(record) for record in records]
        expect(1 <= len(records) <= MAX_RECORDS and sum(sizes) <= MAX_RECORD_BYTES, "too many records, or none")
        expect(len(leaf_bytes) <= MAX_LEAF, "too large a leaf")
        leaf = shaped(cbor.read(leaf_bytes), LEAF)
        expect(leaf["v"] == 1 and leaf["origin"] == self.key.name, "a leaf of another log")
        expect(leaf["index"] == self.tree.size, "a leaf of another index")
        expect(leaf["parent"] == self.tree.root(), "a leaf on another root")
        expect(leaf["time"] >= self.time, "time goes back")
        expect(leaf["count"] == len(records), "another number of records")
        beside = Tree()
        for record in records:
            beside.add(record)
        expect(leaf["records_root"] == beside.root(), "records do not hash to the leaf")
        self.tree.add(leaf_bytes)
        size, root = self.key.head(entry["checkpoint"])
        expect((size, root) == (self.tree.size, self.tree.root()), "a checkpoint of another tree")
        expect(self.tree.size > 1 or root == self.first_root, "not the first entry that the manifest names")
        self.time = leaf["time"]
        for record in records:
            self.state.apply(cbor.read(record), leaf["time"])


def run(directory, manifests):
    """The answer."""
    size = None
    try:
        with open(manifests, encoding="utf-8") as file:
            audit = Audit(signed.Chain(file.read()))
        stored = Stored(directory)
        size = 0
        for entry in stored:
            audit.entry(entry)
            size += 1
        expect(audit.tree.size, "an empty log")
    except Fault as fault:
        return {"ok": False, "reason": str(fault), "entry": size}
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as why:
        # A member that is missing or of another type: not what the pages describe.
        return {"ok": False, "reason": f"malformed: {type(why).__name__}: {why}", "entry": size}
    return {
        "ok": True,
        "origin": audit.key.name,
        "size": audit.tree.size,
        "root": "sha256:" + audit.tree.root().hex(),
        "records": audit.state.records,
        "torn_bytes": stored.torn_bytes,
        "state": audit.state.summary(),
    }


if __name__ == "__main__":
    answer = run(*sys.argv[1:3])
    print(json.dumps(answer))
    sys.exit(0 if answer["ok"] else 1)
