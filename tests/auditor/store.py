"""A stored log read from its files: docs/spec/store.md. Yields entries; a torn tail is not part of the log."""

import hashlib
import re
from pathlib import Path

import cbor
from fault import expect

MAGIC, FRAME = b"clvseg01", b"clvf"
HEAD = 32
# docs/spec/log.md: the largest entry.
MAX_BODY = 1024 * 1024 - 10


class Stored:
    """The entries of a directory, in order."""

    def __init__(self, directory):
        self.directory = Path(directory) / "segments"
        self.torn_bytes = 0

    def __iter__(self):
        names = sorted(
            path for path in self.directory.iterdir() if re.fullmatch(r"\d{20}\.seg", path.name)
        )
        expect(names, "no segments")
        following = 0
        for path in names:
            data = path.read_bytes()
            first = int(path.stem)
            expect(data[:8] == MAGIC and data[8:16] == first.to_bytes(8, "big"), f"{path.name}: head")
            expect(first == following, f"{path.name} does not begin where the one before ends")
            at = 16
            while True:
                body = frame(data, at, following)
                if body is None:
                    self.end(data, at, following, path == names[-1])
                    break
                entry = cbor.read(body)
                expect(list(entry) == ["index", "leaf", "records", "checkpoint"], "members of an entry")
                expect(entry["index"] == following, "an entry of another index")
                yield entry
                at += HEAD + len(body)
                following += 1

    def end(self, data, at, following, is_last):
        """What stands where no frame is: zeros, a torn tail in the last segment, or damage."""
        rest = data[at:].rstrip(b"\0")
        if not rest:
            return
        damage = f"damage at entry {following}"
        expect(is_last and len(rest) <= HEAD + MAX_BODY, damage)
        length = int.from_bytes(rest[4:8], "big")
        own = int.from_bytes(rest[8:16], "big")
        if rest[:4] == FRAME and own == following and 0 < length <= MAX_BODY:
            expect(len(rest) <= HEAD + length, damage)
        later = rest.find(FRAME, 1)
        while later != -1:
            index = int.from_bytes(rest[later + 8 : later + 16], "big")
            expect(index <= following or frame(data, at + later, index) is None, damage)
            later = rest.find(FRAME, later + 1)
        self.torn_bytes = len(rest)


def frame(data, at, index):
    """The entry in a frame of this index that checks out, if there is one at this place."""
    length = int.from_bytes(data[at + 4 : at + 8], "big")
    own, check = data[at + 8 : at + 16], data[at + 16 : at + HEAD]
    body = data[at + HEAD : at + HEAD + length]
    if data[at : at + 4] != FRAME or own != index.to_bytes(8, "big") or len(body) != length:
        return None
    if not 0 < length <= MAX_BODY:
        return None
    digest = hashlib.sha256(data[at + 4 : at + 8] + own + body).digest()
    return body if digest[:16] == check else None


