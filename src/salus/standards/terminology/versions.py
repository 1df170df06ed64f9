"""Versions of terminology resources: which satisfies what was asked, and which is the newest.

A wanted version is exact, or a pattern: x, X or * for a part (1.x.x, 1.0.*), or major.minor alone, which
stands for every patch of it. A lone major number is a version of its own and no pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_WILD = frozenset({"x", "X", "*"})
_MINOR = re.compile(r"\d+\.\d+").fullmatch
_NUMBERED = re.compile(r"(\d+(?:\.\d+)*)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?").fullmatch
_PIECES = re.compile(r"\d+|\D+")


def split(canonical: str) -> tuple[str, str]:
    """Return url and version of a canonical, version "" where it has none."""
    url, _, version = canonical.partition("|")
    return url, version


def join(url: str, version: str) -> str:
    """Return the canonical of a url and a version, which may be ""."""
    return f"{url}|{version}" if version else url


def matches(wanted: str, version: str) -> bool:
    """Return whether a version satisfies what was asked; a wanted "" is satisfied by any."""
    if not wanted or wanted == version:
        return True
    parts = wanted.split(".")
    if _MINOR(wanted):
        parts.append("*")
    if not _WILD & set(parts):
        return False
    have = version.partition("-")[0].split(".")
    if len(parts) > len(have) or (len(parts) < len(have) and parts[-1] not in _WILD):
        return False
    return all(part in _WILD or part == one for part, one in zip(parts, have, strict=False))


def is_more_detailed(pattern: str, version: str) -> bool:
    """Return whether a version is a case of a pattern and not the same."""
    return pattern != version and bool(pattern) and matches(pattern, version)


def order(version: str) -> tuple[int, tuple[tuple[int, int, str], ...], int, str]:
    """Return a key that sorts versions from old to new; a pre-release comes before its release."""
    found = _NUMBERED(version)
    if found:
        numbers = tuple((1, int(one), "") for one in found[1].split("."))
        return (1, numbers, 0 if found[2] else 1, found[2] or "")
    pieces = tuple((1, int(one), "") if one.isdigit() else (0, 0, one) for one in _PIECES.findall(version))
    return (1 if version[:1].isdigit() else 0, pieces, 1, "")


def newest(versions: Iterable[str], wanted: str = "") -> str | None:
    """Return the newest version that satisfies what was asked, None where none does."""
    fitting = [one for one in versions if matches(wanted, one)]
    return max(fitting, key=order) if fitting else None
