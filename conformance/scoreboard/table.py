"""Finds the suites: one file in suites/ for each kind, each a constant `SUITE`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.resources import files

from conformance.scoreboard.suite import Suite

_PACKAGE = "conformance.scoreboard.suites"


@cache
def suites() -> tuple[Suite, ...]:
    """Return every kind of suite that can be played, sorted by file name."""
    names = sorted(
        entry.name.removesuffix(".py")
        for entry in files(_PACKAGE).iterdir()
        if entry.name.endswith(".py") and entry.name != "__init__.py"
    )
    found = []
    for name in names:
        suite = import_module(f"{_PACKAGE}.{name}").SUITE
        assert isinstance(suite, Suite), name
        found.append(suite)
    return tuple(found)
