"""The segments that are read, found by listing this folder."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module

from salus.standards.hl7v2 import segments
from salus.standards.hl7v2.segments.segment import Reads

_NO_SEGMENTS = ("registry", "segment")


@cache
def segments_found() -> Mapping[str, Reads]:
    """Return how each segment is read, by its name."""
    found: dict[str, Reads] = {}
    for module in sorted(pkgutil.iter_modules(segments.__path__), key=lambda one: one.name):
        if module.name not in _NO_SEGMENTS:
            for each in import_module(f"{segments.__name__}.{module.name}").SEGMENTS:
                assert each.name not in found, each.name
                found[each.name] = each
    return found
