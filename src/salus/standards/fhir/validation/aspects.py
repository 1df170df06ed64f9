"""Which groups of rules a validation applies."""

from __future__ import annotations

from enum import Flag, auto


class Aspect(Flag):
    """A group of rules that can be left out; structure and primitive forms are always checked."""

    BINDINGS = auto()
    REFERENCES = auto()
    INVARIANTS = auto()
    NARRATIVE = auto()


STRUCTURE = Aspect(0)
ALL = Aspect.BINDINGS | Aspect.REFERENCES | Aspect.INVARIANTS | Aspect.NARRATIVE
