"""Bytes to codewords with error correction (ISO/IEC 18004:2015 sections 7.4 to 7.6), level M.

Error correction is Reed-Solomon over GF(256) with the polynomial x^8 + x^4 + x^3 + x^2 + 1.
"""

from __future__ import annotations

from functools import cache
from itertools import zip_longest

from salus.core.errors import TooLarge

POLYNOMIAL = 0x11D
BYTE_MODE, PADS = 0b0100, (0xEC, 0x11)
# Table 9, level M, versions 1 to 20: codewords for correction of a block, then blocks (count, data).
LEVEL_M: tuple[tuple[int, tuple[tuple[int, int], ...]], ...] = (
    (10, ((1, 16),)), (16, ((1, 28),)), (26, ((1, 44),)), (18, ((2, 32),)), (24, ((2, 43),)),
    (16, ((4, 27),)), (18, ((4, 31),)), (22, ((2, 38), (2, 39))), (22, ((3, 36), (2, 37))),
    (26, ((4, 43), (1, 44))), (30, ((1, 50), (4, 51))), (22, ((6, 36), (2, 37))), (22, ((8, 37), (1, 38))),
    (24, ((4, 40), (5, 41))), (24, ((5, 41), (5, 42))), (28, ((7, 45), (3, 46))), (28, ((10, 46), (1, 47))),
    (26, ((9, 43), (4, 44))), (26, ((3, 44), (11, 45))), (26, ((3, 41), (13, 42))),
)  # fmt: skip


def version_for(size: int) -> int:
    """Return the smallest version that holds so many bytes.

    Raises:
        TooLarge: none up to version 20 does.
    """
    for version in range(1, len(LEVEL_M) + 1):
        if 4 + _count_bits(version) + 8 * size <= 8 * _capacity(version):
            return version
    raise TooLarge(f"{size} bytes are too many for a QR code; shorten the address")


def codewords(body: bytes, version: int) -> bytes:
    """Return the codewords of a symbol: data and correction, blocks interleaved."""
    per_block, groups = LEVEL_M[version - 1]
    data, blocks = _data(body, version), []
    for count, length in groups:
        for _ in range(count):
            blocks.append(data[:length])
            data = data[length:]
    corrections = [_correction(block, per_block) for block in blocks]
    return _interleaved(blocks) + _interleaved(corrections)


def _capacity(version: int) -> int:
    return sum(count * length for count, length in LEVEL_M[version - 1][1])


def _count_bits(version: int) -> int:
    return 8 if version < 10 else 16


def _data(body: bytes, version: int) -> bytes:
    """Return mode, count and bytes, ended and padded to the capacity of the version."""
    room = 8 * _capacity(version)
    bits = f"{BYTE_MODE:04b}{len(body):0{_count_bits(version)}b}" + "".join(f"{byte:08b}" for byte in body)
    bits += "0" * min(4, room - len(bits))
    bits += "0" * (-len(bits) % 8)
    filled = bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))
    missing = room // 8 - len(filled)
    return filled + bytes(PADS[place % 2] for place in range(missing))


def _interleaved(blocks: list[bytes]) -> bytes:
    return bytes(byte for column in zip_longest(*blocks) for byte in column if byte is not None)


@cache
def _powers() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the powers of 2 in the field, and each element's logarithm."""
    powers, logarithms, value = [], [0] * 256, 1
    for exponent in range(255):
        powers.append(value)
        logarithms[value] = exponent
        value <<= 1
        if value > 255:
            value ^= POLYNOMIAL
    return tuple(powers), tuple(logarithms)


def _product(one: int, other: int) -> int:
    powers, logarithms = _powers()
    return powers[(logarithms[one] + logarithms[other]) % 255] if one and other else 0


@cache
def _generator(degree: int) -> tuple[int, ...]:
    """Return the coefficients of (x - 2^0)...(x - 2^(degree-1)), without the leading 1."""
    found = [1]
    for exponent in range(degree):
        root = _powers()[0][exponent]
        shifted = [*found, 0]
        found = [one ^ _product(other, root) for one, other in zip(shifted, [0, *found], strict=True)]
    return tuple(found[1:])


def _correction(block: bytes, count: int) -> bytes:
    """Return the remainder of the block, as a polynomial, divided by the generator."""
    rest = [0] * count
    for byte in block:
        factor = byte ^ rest[0]
        rest = [
            one ^ _product(each, factor) for one, each in zip([*rest[1:], 0], _generator(count), strict=True)
        ]
    return bytes(rest)
