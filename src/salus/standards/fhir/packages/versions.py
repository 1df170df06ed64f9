"""Versions of packages and of canonical resources: order and wildcards (Semantic Versioning 2.0.0; FHIR NPM
packages).

A version that is no semantic version is compared as text, below every one that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

_SEMANTIC = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?").fullmatch
_WILD = re.compile(r"(?:\d+\.)*[xX*]").fullmatch

Key = tuple[int, tuple[int, int, int], int, tuple[tuple[int, int, str], ...], str]


@cache
def sort_key(version: str) -> Key:
    """Return what orders versions: releases above their pre-releases, numbers as numbers."""
    match = _SEMANTIC(version)
    if match is None:
        return (0, (0, 0, 0), 0, (), version)
    numbers = (int(match[1]), int(match[2]), int(match[3] or 0))
    if match[4] is None:
        return (1, numbers, 1, (), version)
    labels = tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in match[4].split("."))
    return (1, numbers, 0, labels, version)


def satisfies(version: str, wanted: str) -> bool:
    """Return whether a version is what a dependency or a canonical's "|version" asks for.

    "" and "latest" take any; "5.x" and "5.2.x" take what starts so; "5.2" takes 5.2.0 too.
    """
    if wanted in ("", "latest", "*", version):
        return True
    if _WILD(wanted):
        return version.startswith(wanted[:-1])
    return wanted.count(".") == 1 and version.startswith(wanted + ".")


def newest(versions: Iterable[str], wanted: str = "") -> str | None:
    """Return the newest version that satisfies what is wanted, None if there is none."""
    return max((one for one in versions if satisfies(one, wanted)), key=sort_key, default=None)
