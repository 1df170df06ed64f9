"""A CDA document inside a message (OBX of type ED), as French laboratories and hospitals send reports.

It is read by the CDA converter, and what it says becomes the record of the message's patient, if both name
the same person; otherwise the file is kept, and nothing is taken out of it.
"""

from __future__ import annotations

import base64
from typing import Any

from salus.core.errors import SalusError
from salus.standards.cda.document import to_fhir
from salus.standards.cda.tree import looks_like_cda
from salus.standards.hl7v2.datatypes import Json
from salus.standards.hl7v2.making import Making

PLACE = "OBX-5.5"
_HEAD_BYTES = 1 << 16


def take_out(making: Making, attachment: Json) -> str:
    """Add what an enclosed CDA document says; return the address of its Composition, "" for none."""
    body = base64.b64decode(attachment.get("data", ""))
    if not looks_like_cda(body[:_HEAD_BYTES]):
        return ""
    try:
        made = to_fhir(body, making.limits)
    except SalusError as error:
        making.account.approximate(
            PLACE, f"a CDA document that is kept and cannot be read: {error.message}"[:200]
        )
        return ""
    entries = {one["fullUrl"]: one["resource"] for one in made.bundle["entry"]}
    people = [address for address, one in entries.items() if one["resourceType"] == "Patient"]
    own = making.resources.get(making.context.patient, {})
    if len(people) != 1 or not _is_same(own, entries[people[0]]):
        reason = "a CDA document that does not name the message's patient: kept, nothing is taken out of it"
        making.account.approximate(PLACE, reason)
        return ""
    composition = ""
    for address, resource in entries.items():
        if address != people[0]:
            making.add(address, _about(resource, people[0], making.context.patient))
        if resource["resourceType"] == "Composition":
            composition = address
    making.account.include(made.quality, PLACE)
    return composition


def _is_same(one: Json, other: Json) -> bool:
    """Return whether two Patients share a number, or name and birth date, and contradict in neither."""
    born = {each["birthDate"] for each in (one, other) if "birthDate" in each}
    if len(born) > 1:
        return False
    numbers = [{each.get("value") for each in person.get("identifier", ())} for person in (one, other)]
    families = [{_folded(each) for each in person.get("name", ())} - {""} for person in (one, other)]
    same_name = bool(families[0] & families[1])
    return bool(numbers[0] & numbers[1]) or (same_name and "birthDate" in one and "birthDate" in other)


def _folded(name: Json) -> str:
    return str(name.get("family", "")).casefold().strip()


def _about(said: Any, before: str, after: str) -> Any:  # Any: FHIR JSON
    """Return content whose references to one address lead to another."""
    if isinstance(said, dict):
        return {
            key: after if key == "reference" and value == before else _about(value, before, after)
            for key, value in said.items()
        }
    return [_about(one, before, after) for one in said] if isinstance(said, list) else said
