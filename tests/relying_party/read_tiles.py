"""A reader of C2SP tlog-tiles that shares no code with the log: the root from tiles alone, against the signed checkpoint.

Reads `{log, vkey}` per line, `log` the prefix under which the tiles are. It checks the checkpoint's signature, reads every
entry bundle and every tile that a tree of that size has, and hashes all of them together.
"""

import base64
import hashlib
import urllib.error
import urllib.request

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lines import answer


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def get(url, media):
    with urllib.request.urlopen(url, timeout=10) as response:
        if response.headers["content-type"] != media:
            raise ValueError(f"{url}: {response.headers['content-type']}")
        return response.read()


def number(n):
    digits = str(n)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join(["x" + part for part in parts[:-1]] + [parts[-1]])


def tiles(log, kind, count):
    """Every tile of one level, the last one partial."""
    for n in range(-(-count // 256)):
        width = min(256, count - 256 * n)
        part = "" if width == 256 else f".p/{width}"
        yield width, get(f"{log}/tile/{kind}/{number(n)}{part}", "application/octet-stream")


def root(hashes):
    """RFC 6962 §2.1, as it is written there."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha(b"\x01", root(hashes[:k]), root(hashes[k:]))


def checkpoint(log, vkey):
    note = get(f"{log}/checkpoint", "text/plain; charset=utf-8").decode()
    text, _, signatures = note.partition("\n\n")
    # The key's base64 may hold a plus; a log's name has none.
    name, _, key = vkey.split("+", 2)
    key = base64.b64decode(key)
    line = signatures.splitlines()[0].split(" ")
    if line[:2] != ["\u2014", name] or key[0] != 1:
        raise ValueError("not this log's signature")
    signature = base64.b64decode(line[2])
    if signature[:4] != sha(name.encode(), b"\n", key)[:4]:
        raise ValueError("another key's id")
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[4:], (text + "\n").encode())
    origin, size, head = text.split("\n")
    if origin != name:
        raise ValueError("another log's checkpoint")
    return int(size), base64.b64decode(head)


def missing(url):
    try:
        urllib.request.urlopen(url, timeout=10)
    except urllib.error.HTTPError as error:
        return error.code == 404
    return False


def check(line):
    log = line["log"]
    size, head = checkpoint(log, line["vkey"])
    leaves = []
    for width, bundle in tiles(log, "entries", size):
        count = 0
        while bundle:
            length = int.from_bytes(bundle[:2], "big")
            leaves.append(sha(b"\x00", bundle[2 : 2 + length]))
            bundle = bundle[2 + length :]
            count += 1
        if count != width:
            raise ValueError("a bundle of another width")
    level, below = 0, leaves
    while below:
        served = []
        for width, tile in tiles(log, level, len(below)):
            if len(tile) != 32 * width:
                raise ValueError("a tile of another width")
            served += [tile[at : at + 32] for at in range(0, len(tile), 32)]
        if served != below:
            raise ValueError(f"level {level} is not made of what is below")
        level += 1
        below = [root(below[at : at + 256]) for at in range(0, len(below) - 255, 256)]
    if level < line["levels"]:
        raise ValueError(f"only {level} levels")
    if root(leaves) != head:
        raise ValueError("the tiles do not lead to the signed root")
    if not missing(f"{log}/tile/0/{number(size // 256 + 1)}") or not missing(f"{log}/tile/7/000"):
        raise ValueError("a tile that the log does not have")


if __name__ == "__main__":
    answer(check)
