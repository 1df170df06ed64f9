"""How alike two Patients are: by national identifier, or by name, birth date, sex and place. Pure.

The weights add up to 1 and are those of a deterministic linkage rule, not of a trained model: family and
given name and birth date together reach the threshold, none of them alone does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from salus.standards.fhir.search.values import fold
from salus.standards.nationalid.identifiers import holds, normalise

THRESHOLD = 0.8
_NUMBERED = 0.95
_FAMILY, _GIVEN, _BORN, _SEX, _POSTAL_CODE = 0.25, 0.2, 0.35, 0.1, 0.1


class Traits(msgspec.Struct, frozen=True):
    """What a Patient is compared by; names are case- and accent-folded.

    Args:
        identifiers: (system, number without separators) of national numbers that keep their rule.
        families, givens: of all names.
        born: Patient.birthDate, "" when it is not known; sex: Patient.gender.
        postal_codes: of all addresses.
        numbers: (system, value) of all identifiers but national ones that break their rule, as they came:
            within one source they tell who is meant.
    """

    identifiers: frozenset[tuple[str, str]]
    families: frozenset[str]
    givens: frozenset[str]
    born: str
    sex: str
    postal_codes: frozenset[str]
    numbers: frozenset[tuple[str, str]] = frozenset()

    def blocks(self, source: str = "") -> list[str]:
        """Return keys of which two alike Patients share one; `source`: who sent this one."""
        numbers = [f"{system}|{number}" for system, number in sorted(self.identifiers)]
        if source:
            numbers += [f"{source} {system}|{value}" for system, value in sorted(self.numbers)]
        return numbers + [f"{self.born}|{family}" for family in sorted(self.families) if self.born]


def traits_of(patient: dict[str, Any]) -> Traits:  # Any: FHIR JSON
    """Return what a Patient is compared by."""
    names = patient.get("name", ())
    return Traits(
        identifiers=frozenset(
            (one["system"], normalise(str(one["value"])))
            for one in patient.get("identifier", ())
            if "value" in one and holds(str(one.get("system", "")), str(one["value"]))
        ),
        families=frozenset(fold(str(name["family"])) for name in names if "family" in name),
        givens=frozenset(fold(str(given)) for name in names for given in name.get("given", ()) if given),
        born=str(patient.get("birthDate", "")),
        sex=str(patient.get("gender", "")),
        postal_codes=frozenset(
            str(address["postalCode"]) for address in patient.get("address", ()) if "postalCode" in address
        ),
        numbers=frozenset(
            (str(one["system"]), str(one["value"]))
            for one in patient.get("identifier", ())
            if one.get("system")
            and one.get("value")
            and holds(str(one["system"]), str(one["value"])) is not False
        ),
    )


def likeness(one: Traits, other: Traits, *, one_source: bool = False) -> tuple[float, str]:
    """Return a score from 0 to 1 and its reason; two different numbers of one system make it 0.

    `one_source`: the same source sent both, so that an identifier of any system says who is meant. It may be
    a family's or a placeholder's: where the birth dates differ it is just enough to be looked at.
    """
    if one.identifiers & other.identifiers:
        return 1.0, "same national identifier"
    if {system for system, _ in one.identifiers} & {system for system, _ in other.identifiers}:
        return 0.0, "different national identifiers"
    if one_source and one.numbers & other.numbers:
        if one.born and other.born and one.born != other.born:
            return THRESHOLD, "same identifier of one source, different birth date"
        return _NUMBERED, "same identifier of one source"
    same = {
        "family name": _FAMILY * bool(one.families & other.families),
        "given name": _GIVEN * bool(one.givens & other.givens),
        "birth date": _BORN * (one.born == other.born != ""),
        "sex": _SEX * (one.sex == other.sex != ""),
        "postal code": _POSTAL_CODE * bool(one.postal_codes & other.postal_codes),
    }
    return round(sum(same.values()), 2), "same " + ", ".join(name for name, weight in same.items() if weight)
