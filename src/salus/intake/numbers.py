"""National numbers of loaded Patients that break their country's rule: told in the report, never refused.

Such a number is kept as it was sent, and matching passes it over (`store.matching`).
"""

from __future__ import annotations

import msgspec

from salus.standards.nationalid.identifiers import holds


class _Identifier(msgspec.Struct):
    system: str = ""
    value: str = ""


class _Patient(msgspec.Struct):
    identifier: list[_Identifier] = []


def doubtful_systems(patient: bytes) -> list[str]:
    """Return the systems of a valid Patient's identifiers that break the rule of their country."""
    found = msgspec.json.decode(patient, type=_Patient).identifier
    return [one.system for one in found if one.value and holds(one.system, one.value) is False]
