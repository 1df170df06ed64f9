"""Which codes stand for which sensitive category: the readers of `codes/`, one file a code system.

Categories are the sensitivity codes of HL7 v3-ActCode (terminology.hl7.org 7.0.1), which security labels of
HL7's DS4P name. A new code system is one new file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib import resources
from typing import Literal

import msgspec

CODE_LENGTH_MAX = 256
"""A longer code or expression is not looked up."""
_CONCEPT = re.compile(r"(?<!\d)\d{6,18}(?!\d)")
_DECORATION = re.compile(r"[^0-9A-Z]")
_NOTHING: frozenset[str] = frozenset()


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Codes that stand for the same categories.

    Args:
        sensitivity: codes of v3-ActCode.
        codes: a code; where the system is matched by prefix, whatever begins with it, "A-B" all from A to B.
        source: where this is from.
        but: what begins with a code and does not stand for the categories.
    """

    sensitivity: frozenset[str]
    codes: tuple[str, ...]
    source: str
    but: tuple[str, ...] = ()


class System(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One code system, under all its URIs.

    Args:
        systems: as they stand in `Coding.system`.
        match: "exact" codes; "prefix"; "concept", of any that an expression of SNOMED CT names; "all" codes.
        row: what stands for what.
    """

    systems: tuple[str, ...]
    match: Literal["exact", "prefix", "concept", "all"]
    row: tuple[Row, ...]


@cache
def systems() -> dict[str, System]:
    """Return the code systems by their files' names."""
    return {
        name.removesuffix(".toml"): msgspec.toml.decode(text, type=System) for name, text in _files().items()
    }


@cache
def version() -> str:
    """Return the version of the whole table, a digest of its files and of how they are read."""
    told = hashlib.sha256(b"1")
    for name, text in _files().items():
        told.update(f"{name}\n{len(text)}\n".encode() + text)
    return told.hexdigest()[:16]


def _files() -> dict[str, bytes]:
    folder = resources.files(__package__).joinpath("codes")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".toml"))
    return {name: folder.joinpath(name).read_bytes() for name in names}


@cache
def known_systems() -> frozenset[str]:
    """Return the URIs of all code systems of the table."""
    return frozenset(_by_uri())


@lru_cache(maxsize=65_536)
def sensitivity_of(system: str, code: str) -> frozenset[str]:
    """Return the categories that a code stands for; none where the table does not know it."""
    known = _by_uri().get(system)
    if known is None or len(code) > CODE_LENGTH_MAX:
        return _NOTHING
    if known.match == "all":
        return _union(known.row)
    if known.match == "prefix":
        bare = _bare(code)
        return _union(row for row in known.row if _begins(bare, row))
    told = _CONCEPT.findall(code) if known.match == "concept" else (code.strip(),)
    return frozenset[str]().union(*(_exact(system).get(each, _NOTHING) for each in told))


@cache
def _by_uri() -> dict[str, System]:
    return {uri: system for system in systems().values() for uri in system.systems}


@cache
def _exact(system: str) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for row in _by_uri()[system].row:
        for code in row.codes:
            found[code] = found.get(code, _NOTHING) | row.sensitivity
    return found


def _union(rows: Iterable[Row]) -> frozenset[str]:
    return frozenset[str]().union(*(row.sensitivity for row in rows))


def _begins(bare: str, row: Row) -> bool:
    return any(_is_under(bare, each) for each in row.codes) and not any(
        _is_under(bare, each) for each in row.but
    )


def _is_under(bare: str, entry: str) -> bool:
    low, _, high = (_bare(part) for part in entry.partition("-"))
    return low <= bare[: len(low)] <= (high or low)


def _bare(code: str) -> str:
    """Return a code without points, signs and spaces, in capitals: "f32.1 +" is F321."""
    return _DECORATION.sub("", code.upper())
