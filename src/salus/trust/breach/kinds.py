"""Kinds of incident (GDPR, Art. 4(12)): whom each concerns, and how that is found out. `kinds.toml`."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal, get_args

import msgspec

ORDINARY = "access"
"""The kind that is meant where none is said: somebody opened records without a reason."""
Protection = Literal["unknown", "sealed", "opened"]
"""Of what was taken: not known; sealed and its key was not with it; readable, the key was with it."""
PROTECTIONS: tuple[Protection, ...] = get_args(Protection)
EXEMPT = "GDPR, Art. 34(3)(a)"
"""Who took only what is unintelligible to them; people need not be told."""


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the table; its head says what the columns mean."""

    text: str
    reach: Literal["leaves", "everybody", "store", "nobody"]
    subject: Literal["person", "client", "none"] = "none"
    categories: tuple[str, ...] = ()
    sealable: bool = False


@cache
def kinds() -> dict[str, Kind]:
    """Return the table, keyed by the kind's short name."""
    text = resources.files(__package__).joinpath("kinds.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, Kind])


def is_unintelligible(kind: str, protection: str) -> bool:
    """Return whether what was taken cannot be read by who took it: encrypted, and the key was not taken."""
    return kinds()[kind].sealable and protection == "sealed"
