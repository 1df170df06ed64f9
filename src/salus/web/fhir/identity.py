"""Who a person is: a citizen's write leaves it as the health professionals recorded it (EHDS article 5).

A look-up abroad, a log-in and a dispensation go by these elements; whoever could set them could take another
person's place. A person whom a citizen registers is marked by `authorship.mark` and is found by no look-up
until staff have taken the mark away.
"""

from __future__ import annotations

from salus.core.errors import AccessRefused
from salus.standards.fhir.bundle import Resource

FIXED = (
    "identifier", "birthDate", "_birthDate", "gender", "_gender", "active", "_active", "deceasedBoolean",
    "_deceasedBoolean", "deceasedDateTime", "_deceasedDateTime", "link",
)  # fmt: skip


def check_identity(before: Resource, after: Resource) -> None:
    """Refuse a citizen's change of who their Patient is.

    Raises:
        AccessRefused: naming the element.
    """
    changed = [name for name in FIXED if before.get(name) != after.get(name)]
    if _official(before) != _official(after):
        changed.append("name")
    if before.get("meta", {}).get("security", []) != after.get("meta", {}).get("security", []):
        changed.append("meta.security")
    if changed:
        raise AccessRefused(
            f"Patient.{changed[0]} says who the person is; ask the staff of this node to change it."
        )


def check_registration(patient: Resource) -> None:
    """Refuse a Patient that a citizen registers as part of another.

    Raises:
        AccessRefused: it has a link.
    """
    if "link" in patient:
        raise AccessRefused("Patient.link joins two records; ask a health professional to do that.")


def _official(patient: Resource) -> list[Resource]:
    """Return the names that a person is known by in law: official ones, and those of no stated use."""
    return [name for name in patient.get("name", ()) if name.get("use", "official") == "official"]
