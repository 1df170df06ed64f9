"""Which codes of purposes and labels stand for which: the reader of `codes.toml`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources

import msgspec

Kinds = dict[str, frozenset[str]]


class Codes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The tables of `codes.toml`."""

    permitted_with: Kinds
    denied_with: Kinds
    confidentiality: dict[str, int]
    sensitivity_with: Kinds


@cache
def codes() -> Codes:
    """Return the tables."""
    text = resources.files(__package__).joinpath("codes.toml").read_bytes()
    return msgspec.toml.decode(text, type=Codes)


def with_kinds(named: Iterable[str], kinds: Kinds) -> frozenset[str]:
    """Return the codes and every kind that they stand for."""
    found = frozenset(named)
    return found.union(*(kinds.get(code, frozenset()) for code in found))
