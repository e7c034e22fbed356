"""What people sign: SSHSIG (OpenSSH PROTOCOL.sshsig), strict JSON, times, and the manifest chain (docs/spec/manifest.md)."""

import base64
import binascii
import hashlib
import json
import re
from datetime import datetime, timezone

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from fault import Fault, expect

ARMOUR = re.compile(r"-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\n?")


def document(text):
    """Strict JSON: no member twice, no float, nothing but one value."""

    def members(pairs):
        found = dict(pairs)
        expect(len(found) == len(pairs), "a member is there twice")
        return found

    def refuse(word):
        raise Fault(f"{word} is no number here")

    try:
        return json.loads(text, object_pairs_hook=members, parse_float=refuse, parse_constant=refuse)
    except (ValueError, RecursionError) as why:
        raise Fault(f"not JSON: {why}") from None


def time(text):
    """Milliseconds of `2026-11-24T09:00:00Z`."""
    expect(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(text)), f"{text} is no time")
    at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return int(at.timestamp()) * 1000


def digest(text):
    """The bytes of `sha256:…`."""
    expect(re.fullmatch(r"sha256:[0-9a-f]{64}", str(text)), f"{text} is no digest")
    return bytes.fromhex(text[7:])


def sha256(data):
    """SHA-256."""
    return hashlib.sha256(data).digest()


class Wire:
    """Values of SSH, one after the other."""

    def __init__(self, data):
        self.data = data

    def take(self, count):
        """So many bytes."""
        expect(len(self.data) >= count, "an SSH value is cut off")
        piece, self.data = self.data[:count], self.data[count:]
        return piece

    def string(self):
        """A length and so many bytes."""
        return self.take(int.from_bytes(self.take(4), "big"))

    def end(self):
        """Nothing may be left."""
        expect(not self.data, "bytes follow an SSH value")


def put(data):
    """A length and the bytes."""
    return len(data).to_bytes(4, "big") + data


def signer(armoured, namespace, message):
    """The blob of the key that signed a message in a namespace."""
    found = ARMOUR.fullmatch(armoured)
    expect(found, "no SSH signature")
    try:
        wire = Wire(base64.b64decode(found[1].replace("\n", ""), validate=True))
    except binascii.Error:
        raise Fault("an armour is not base64") from None
    expect(wire.take(6) == b"SSHSIG" and wire.take(4) == b"\0\0\0\1", "no SSH signature")
    blob = wire.string()
    expect(wire.string() == namespace.encode() and wire.string() == b"", "another namespace")
    name = wire.string()
    expect(name in (b"sha256", b"sha512"), "another hash")
    signature = Wire(wire.string())
    wire.end()
    hashed = put(hashlib.new(name.decode(), message).digest())
    data = b"SSHSIG" + put(namespace.encode()) + put(b"") + put(name) + hashed
    try:
        check(blob, signature, data)
    except (InvalidSignature, ValueError):
        raise Fault("a signature does not verify") from None
    return blob


def check(blob, signature, data):
    """One signature by a key blob, by its type."""
    key = Wire(blob)
    kind = key.string()
    expect(signature.string() == kind, "a signature of another type than its key")
    value = signature.string()
    if kind == b"ssh-ed25519":
        public = Ed25519PublicKey.from_public_bytes(key.string())
        public.verify(value, data)
    elif kind == b"sk-ssh-ed25519@openssh.com":
        public, application = Ed25519PublicKey.from_public_bytes(key.string()), key.string()
        tail = signature.take(5)
        expect(tail[0] & 1, "nobody touched the authenticator")
        public.verify(value, sha256(application) + tail + sha256(data))
    elif kind == b"ecdsa-sha2-nistp256":
        expect(key.string() == b"nistp256", "another curve")
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.string())
        numbers = Wire(value)
        r, s = (int.from_bytes(numbers.string(), "big") for _ in range(2))
        numbers.end()
        public.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    else:
        raise Fault("a key of another type")
    key.end()
    signature.end()


def people(manifest, name):
    """Names and key blobs of a list of people."""
    return {
        person["name"]: [base64.b64decode(line.split(" ")[1]) for line in person["keys"]]
        for person in manifest.get(name, [])
    }


def require(blobs, owners, threshold):
    """So many distinct people among the owners signed."""
    count = sum(any(key in blobs for key in keys) for keys in owners.values())
    expect(threshold > 0 and count >= threshold, "too few signatures")


class Chain:
    """Manifests, each signed under the one before and under itself."""

    def __init__(self, text):
        self.links = []
        for link in document(text)["manifests"]:
            self.links.append(self.next(base64.b64decode(link["body"]), link["signatures"]))
        expect(len(self.links) > 1, "no g1")

    def next(self, body, signatures):
        """The next generation, checked."""
        manifest = document(body)
        generation = len(self.links)
        expect(manifest["generation"] == generation, f"not generation {generation}")
        blobs = [signer(one, "manifest@claviger", body) for one in signatures]
        owners = people(manifest, "owners")
        require(blobs, owners, manifest["threshold"])
        known = list(owners.values())
        if self.links:
            before = self.links[-1]
            expect(digest(manifest["supersedes"]) == before["digest"], "supersedes another manifest")
            expect(manifest["origin"] == before["origin"], "another origin")
            require(blobs, before["owners"], before["threshold"])
            known += before["owners"].values()
            for name in ("bundle", "log"):
                first = self.links[1:2]
                expect(not first or manifest[name] == first[0][name], f"another {name}")
        expect(all(any(blob in keys for keys in known) for blob in blobs), "signed by somebody unknown")
        return {
            "digest": sha256(body),
            "origin": manifest["origin"],
            "owners": owners,
            "operators": people(manifest, "operators"),
            "threshold": manifest["threshold"],
            "bundle": manifest.get("bundle"),
            "log": manifest.get("log"),
        }
