"""Whom the embedded provider knows: the test professionals, and the citizens whose records the node holds."""

from __future__ import annotations

from typing import Any

from salus.core.access import Action, Assurance, Caller, Purpose, Role
from salus.core.errors import SalusError
from salus.core.identifiers import derived_id
from salus.primary.reading.people import person_name
from salus.standards.fhir.codec.json import parse_json
from salus.standards.nationalid.identifiers import holds
from salus.store import resources
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.portal.lookup import find_persons
from salus.web.portal.personas import personas
from salus.web.provider.terms import LEVEL
from salus.web.services import Services

Claims = dict[str, Any]  # Any: JSON


class Unknown(SalusError):
    """The provider knows no such person; `count` says how many fit."""

    issue, status = "not-found", 422

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} test persons fit, not one.")
        self.count = count


async def claims_of(services: Services, persona: str, level: Assurance, identifier: str) -> Claims:
    """Return what the provider vouches for.

    Args:
        services: of the node.
        persona: "citizen", or the key of a test professional.
        level: of this log-in.
        identifier: of a citizen: "system|value", or the value alone.

    Raises:
        Unknown: nobody, or not one person, fits.
    """
    acr = {"acr": f"{LEVEL}{level.value}"}
    if persona == Role.CITIZEN:
        return await _citizen(services, identifier) | acr
    found = personas(services.country).get(persona)
    if found is None:
        raise Unknown(0)
    work = {"role": persona, "organisation": found.organisation, "organisation_id": found.identifier}
    return {"sub": f"{services.country.lower()}-{persona}", "name": found.name, **work, **acr}


async def _citizen(services: Services, identifier: str) -> Claims:
    """Return the claims of a citizen of this node; the look-up is written down like any other."""
    node = Caller(
        subject="test-login", name="Test login", role=Role.OPERATOR, organisation=services.name,
        issuer=services.base_url, purpose=Purpose.OPERATIONS,
    )  # fmt: skip
    asked = AccessRequest(Action.SEARCH, "Patient", "Patient?identifier")
    async with enter(services.gatehouse, node, asked) as access:
        found = await find_persons(services, access, identifier)
        if len(found) != 1:
            raise Unknown(len(found))
        stored = await resources.read(access.grant, services.database, "Patient", found[0].id)
    patient = parse_json(stored.content, services.limits)
    numbers = {
        str(each["system"]): str(each["value"])
        for each in patient.get("identifier", ())
        if each.get("value") and holds(str(each.get("system", "")), str(each["value"]))
    }
    return {"sub": derived_id("test citizen", found[0].id), "name": person_name(patient), **numbers}
