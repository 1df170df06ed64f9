"""Search values as keyed 64-bit hashes.

A token says what (`kind`), where (`slot`, a place in the resource, shared by all parameters that read it)
and which value. The key is the node's own: an unkeyed 64-bit hash could be made to collide on purpose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

PRESENT = "m"  # the slot has a value
CODE = "c"  # code, whatever its system
SYSTEM_CODE = "t"  # system|code
SYSTEM = "s"  # any code of the system
NO_SYSTEM = "n"  # code without a system
OF_TYPE = "o"  # identifier with type: system|code|value
TEXT = "x"  # first letters of the folded text
REFERENCE = "r"  # Type/id
REFERENCE_ID = "d"  # id of a reference whose type is one of many
REFERENCE_TYPE = "y"  # type of what is referred to
CONTAINED = "k"  # type of a contained resource that is referred to
ADDRESS = "u"  # uri, canonical or absolute reference
BELOW = "b"  # every part of a uri that ends before a "/"
UNIT = "q"  # unit of a quantity: its code or its text
SYSTEM_UNIT = "Q"  # system|code of a quantity's unit, where that is not UCUM
BEGINNING = "B"  # first letters of a folded string
WHOLE = "W"  # a string as written
PART = "G"  # three letters of a folded string, wherever they stand
LONG = "L"  # a string of too many different parts: none of them is a token
DIMENSION = "D"  # what a quantity in UCUM measures: the key of its range in base units

TEXT_PREFIX = 3

Hasher = Callable[[str, str, str], int]


def compile_hasher(key: bytes) -> Hasher:
    """Return a function (kind, slot, value) -> signed 64-bit hash.

    Args:
        key: secret of the node, 16 to 64 bytes.
    """
    assert 16 <= len(key) <= 64
    keyed = hashlib.blake2b(key=key, digest_size=8)

    def hash_of(kind: str, slot: str, value: str) -> int:
        state = keyed.copy()
        state.update(f"{kind}{slot}\x1f{value}".encode("utf-8", "surrogatepass"))
        return int.from_bytes(state.digest(), "little", signed=True)

    return hash_of


def inside(hash_of: Hasher) -> Hasher:
    """Return the hasher of values of contained resources, which are no values of the resource itself."""
    return lambda kind, slot, value: hash_of(kind, f"#{slot}", value)


def prefixes(uri: str) -> list[str]:
    """Return what a hierarchical uri is below: itself and its beginnings up to a "/", without that slash.

    At most 32, the longest first; only itself for a urn (R4: above and below apply to URLs only).
    """
    whole = uri.rstrip("/")
    if "://" not in whole:
        return [whole]
    scheme, _, rest = whole.partition("://")
    parts = rest.split("/")
    return [f"{scheme}://{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1)][:32]
