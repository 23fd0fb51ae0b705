"""Damage: to the bytes of a picture, and to the fields of a stream entry. Follows from a seed."""

import random
import struct
from collections.abc import Callable, Mapping, Sequence

from tests.fuzz.corpus import chunk

#: Sizes that headers claim.
CLAIMS = (0, 1, 2**15, 2**16 - 1, 30_000, 2**31 - 1, 2**32 - 1)

#: Bytes at the beginning of a file that say what it is.
HEADER_BYTES = 64

#: Values that no field should have.
NONSENSE = (
    *(b"", b"\0", b"\xff\xfe", b"NaN", b"-1", b"1e9", b"0x10", b" 7", b"7 ", b"\xc0\x80"),
    *(b"99999999999999999999", b"18446744073709551616", b"253402300800000", b"1" * 5_000),
    *("٣".encode(), "²".encode(), b"image/heic", b"a\0b", b"\n", b"\xed\xa0\x80"),
)

Fields = dict[bytes, bytes]


def damaged(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Return `data` with one to three kinds of damage, sometimes none."""
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        kind = chance.choice(_KINDS)
        data = kind(data, others, chance)
    return data


def garbled(fields: Mapping[bytes, bytes], chance: random.Random) -> Fields:
    """Return fields of an entry of which some are missing, foreign, doubled or nonsense."""
    found = dict(fields)
    for _ in range(chance.choice((1, 1, 2, 4))):
        name = chance.choice([*found, b"v", b"sequence_number", b"captured_at_ms"])
        match chance.randrange(6):
            case 0:
                found.pop(name, None)
            case 1 | 2:
                found[name] = chance.choice(NONSENSE)
            case 3:
                found[chance.choice(NONSENSE)] = chance.randbytes(chance.randrange(40))
            case 4:
                found[name] = _flipped(found.get(name, b"1"), (), chance)
            case _:
                found[b"v"] = chance.choice((b"0", b"2", b"1.0", b"one", b"\xff"))
    return found or {b"v": b""}


def _flipped(data: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(chance.choice((1, 2, 8, 64))):
        if found:
            found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return bytes(found)


def _cut(data: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _renamed(data: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    """Write nonsense over a part of the header."""
    begin = chance.randrange(HEADER_BYTES)
    nonsense = chance.randbytes(chance.choice((1, 2, 4, 8)))
    return data[:begin] + nonsense + data[begin + len(nonsense) :]


def _claimed(data: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    """Write a size over what may be one, in either order of bytes."""
    kind = chance.choice((">I", "<I", ">H", "<H"))
    size = struct.pack(kind, chance.choice(CLAIMS) % (1 << (8 * struct.calcsize(kind))))
    begin = chance.randrange(min(len(data), 200) + 1)
    return data[:begin] + size + data[begin + len(size) :]


def _resized_png(data: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    """Claim another size in a PNG's header, with the right checksum."""
    if not data.startswith(b"\x89PNG") or len(data) < 33:
        return _claimed(data, _others, chance)
    sizes = struct.pack(">II", chance.choice(CLAIMS), chance.choice(CLAIMS))
    return data[:8] + chunk(b"IHDR", sizes + data[24:29]) + data[33:]


def _spliced(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    other = chance.choice(others) if others else b""
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]


def _repeated(data: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    begin, end = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
    return data[:end] + data[begin:end] * chance.choice((1, 2, 50)) + data[end:]


def _noise(data: bytes, _others: Sequence[bytes], chance: random.Random) -> bytes:
    kept = data[: chance.choice((0, 0, 4, 16))]
    return kept + chance.randbytes(chance.choice((0, 1, 64, 2_000)))


_KINDS: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    *(_flipped, _flipped, _cut, _renamed, _claimed),
    *(_resized_png, _spliced, _repeated, _noise),
)
