"""Canonical CBOR as docs/spec/log.md wants it: one byte form per value, and nothing else is read."""

from fault import Fault

DEPTH = 16


def read(data):
    """The one value that the bytes are."""
    value, end = item(data, 0, 0)
    if end != len(data):
        raise Fault("bytes follow a value")
    if write(value) != data:
        raise Fault("not the canonical form")
    return value


def item(data, at, depth):
    """One value at a place, and where the next begins."""
    if depth > DEPTH:
        raise Fault("nested too deep")
    try:
        head = data[at]
    except IndexError:
        raise Fault("cut off") from None
    major, small = head >> 5, head & 31
    at += 1
    if major == 7:
        if small in (20, 21, 22):
            return (False, True, None)[small - 20], at
        raise Fault("neither a boolean nor null")
    number = small
    if 24 <= small <= 27:
        length = 1 << (small - 24)
        number = int.from_bytes(data[at : at + length], "big")
        at += length
    elif small > 27:
        raise Fault("an indefinite length")
    if at > len(data):
        raise Fault("cut off")
    if major == 0:
        return number, at
    if major in (2, 3):
        piece = bytes(data[at : at + number])
        if len(piece) != number:
            raise Fault("cut off")
        try:
            return (piece if major == 2 else piece.decode("utf-8")), at + number
        except UnicodeDecodeError:
            raise Fault("not UTF-8") from None
    if major not in (4, 5) or number > len(data):
        raise Fault("a tag, a negative number or a length beyond the bytes")
    found = [] if major == 4 else {}
    for _ in range(number):
        value, at = item(data, at, depth + 1)
        if major == 4:
            found.append(value)
            continue
        if not isinstance(value, str) or value in found:
            raise Fault("a member's name is no text, or there twice")
        found[value], at = item(data, at, depth + 1)
    return found, at


def head(major, number):
    """The shortest head."""
    if number < 24:
        return bytes([major << 5 | number])
    for code, length in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * length:
            return bytes([major << 5 | code]) + number.to_bytes(length, "big")
    raise Fault("a number beyond 64 bits")


def write(value):
    """The canonical bytes."""
    if value is None or isinstance(value, bool):
        return bytes([{None: 0xF6, False: 0xF4, True: 0xF5}[value]])
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        encoded = value.encode("utf-8")
        return head(3, len(encoded)) + encoded
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(write(one) for one in value)
    return head(5, len(value)) + b"".join(write(name) + write(one) for name, one in value.items())
