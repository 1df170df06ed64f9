"""National personal identifiers: which country issues which, under which FHIR system, by which rule.

The table is identifiers.toml; each row names the law or publication it comes from.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec

from salus.standards.nationalid.rules import RULES


class NationalIdentifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of national number.

    Args:
        country: ISO 3166-1 alpha-2.
        name: as the country calls it.
        system: FHIR Identifier.system.
        rule: name of its rule in `rules.RULES`.
        shape: how a synthetic number is made (see identifiers.toml).
        source: law or publication.
        oid: object identifier, "" when none is known.
    """

    country: str
    name: str
    system: str
    rule: str
    shape: str
    source: str
    oid: str = ""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    identifier: tuple[NationalIdentifier, ...]


@cache
def national_identifiers() -> tuple[NationalIdentifier, ...]:
    """Return every row of the table, in its order."""
    text = resources.files(__package__).joinpath("identifiers.toml").read_bytes()
    return msgspec.toml.decode(text, type=_Table).identifier


@cache
def _by_system() -> dict[str, NationalIdentifier]:
    rows = national_identifiers()
    oids = {f"urn:oid:{row.oid}": row for row in rows if row.oid}
    return {**oids, **{row.system: row for row in rows}}


def identifier_of_system(system: str) -> NationalIdentifier | None:
    """Return the national identifier that uses this FHIR system (URI or urn:oid), if any."""
    return _by_system().get(system)


def normalise(number: str) -> str:
    """Return the number as rules and comparison take it: upper case, without separators."""
    return "".join(number.upper().split()).translate({ord(mark): None for mark in "./-"})


def holds(system: str, number: str) -> bool | None:
    """Return whether the number keeps its country's rule; None where the system is no national one."""
    row = identifier_of_system(system)
    return None if row is None else RULES[row.rule](normalise(number))
