"""Opens a `CiphertextForRecipient`: CMS EnvelopedData in BER, read by a parser of its own, opened with `cryptography`.

It shares nothing with the encoder of the mock KMS or with the enclave's decoder.
"""

import hashlib

from cryptography.hazmat.primitives import hashes, padding as blocks
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

END = (0, b"")


def element(data, at):
    """One BER element at a place: its tag, its content (children if constructed), and where the next begins."""
    tag = data[at]
    at += 1
    length = data[at]
    at += 1
    constructed = bool(tag & 0x20)
    if length == 0x80:
        children = []
        while True:
            child, at = element(data, at)
            if child == END:
                return (tag, children), at
            children.append(child)
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[at : at + count], "big")
        at += count
    end = at + length
    if end > len(data):
        raise ValueError("an element is longer than its data")
    if not constructed:
        return (tag, data[at:end]), end
    children = []
    while at < end:
        child, at = element(data, at)
        children.append(child)
    return (tag, children), end


def oid(content):
    """Dotted text of an object identifier."""
    parts, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            parts.append(value)
            value = 0
    first = min(parts[0] // 40, 2)
    return ".".join(str(part) for part in [first, parts[0] - 40 * first, *parts[1:]])


def of(node, tag):
    """The content of an element that must have a tag."""
    if node[0] != tag:
        raise ValueError(f"tag {node[0]:#x}, not {tag:#x}")
    return node[1]


def open_envelope(sealed, key):
    """The plaintext that `sealed` holds for an RSA key."""
    node, end = element(sealed, 0)
    if end != len(sealed):
        raise ValueError("bytes follow the envelope")
    kind, explicit = of(node, 0x30)
    assert oid(of(kind, 0x06)) == "1.2.840.113549.1.7.3", "not EnvelopedData"
    version, recipients, content = of(of(explicit, 0xA0)[0], 0x30)
    assert of(version, 0x02) == b"\x02"
    (recipient,) = of(recipients, 0x31)
    version, identifier, algorithm, wrapped = of(recipient, 0x30)
    assert of(version, 0x02) == b"\x02"
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert of(identifier, 0x80) == hashlib.sha256(spki).digest(), "another recipient"
    assert oid(of(of(algorithm, 0x30)[0], 0x06)) == "1.2.840.113549.1.1.7", "not RSAES-OAEP"
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    content_key = key.decrypt(of(wrapped, 0x04), oaep)

    data, cipher, encrypted = of(content, 0x30)
    assert oid(of(data, 0x06)) == "1.2.840.113549.1.7.1"
    name, iv = of(cipher, 0x30)
    assert oid(of(name, 0x06)) == "2.16.840.1.101.3.4.1.42", "not AES-256-CBC"
    octets = encrypted[1]
    if encrypted[0] == 0xA0:
        octets = b"".join(of(chunk, 0x04) for chunk in octets)
    decryptor = Cipher(algorithms.AES(content_key), modes.CBC(of(iv, 0x04))).decryptor()
    padded = decryptor.update(octets) + decryptor.finalize()
    unpadder = blocks.PKCS7(128).unpadder()
    return unpadder.update(padded) + unpadder.finalize()
