"""Test persons of a demonstration node: whom one may log in as. Refused on every other node."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec

from salus.core.access import Assurance, Caller, Purpose, Role
from salus.core.errors import AccessRefused

PURPOSES = {
    Role.CITIZEN: Purpose.PATIENT_REQUEST,
    Role.EMERGENCY: Purpose.EMERGENCY,
    Role.DESK: Purpose.PATIENT_REQUEST,
    Role.OPERATOR: Purpose.OPERATIONS,
    Role.AUDITOR: Purpose.OPERATIONS,
}


class Persona(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One test person: name, what they are in words, where they work, and its identifier ("system|value")."""

    name: str
    describes: str
    organisation: str
    identifier: str


@cache
def _table() -> dict[str, dict[str, Persona]]:
    body = resources.files(__package__).joinpath("personas.toml").read_bytes()
    return msgspec.toml.decode(body, type=dict[str, dict[str, Persona]])


def personas(country: str) -> dict[str, Persona]:
    """Return the test professionals of a country by role."""
    table = _table()
    return table.get(country, table["default"])


def require_demo(*, demo: bool) -> None:
    """Refuse test logins on a node that does not say `demo = true`.

    Raises:
        AccessRefused: it does not.
    """
    if not demo:
        raise AccessRefused("This node gives no test logins; only one whose settings say demo = true does.")


def persona_caller(
    role: Role, country: str, *, purpose: Purpose | None = None, patient: str | None = None, name: str = ""
) -> Caller:
    """Return a test person as a caller; a citizen is told by the logical id of their Patient.

    Raises:
        AccessRefused: a citizen without a Patient.
    """
    if role is Role.CITIZEN and not patient:
        raise AccessRefused("A citizen logs in with their own Patient; name one.")
    persona = personas(country).get(role.value)
    return Caller(
        subject=patient if role is Role.CITIZEN and patient else f"test-{country.lower()}-{role.value}",
        name=name or (persona.name if persona else f"Test {role.value}"),
        role=role,
        organisation=persona.organisation if persona else "",
        organisation_id=persona.identifier if persona else "",
        issuer="",
        purpose=purpose or PURPOSES.get(role, Purpose.TREATMENT),
        patient=patient if role is Role.CITIZEN else None,
        assurance=Assurance.HIGH,
    )
