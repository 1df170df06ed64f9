"""What a citizen writes is in their own name, about nobody else, and marked as theirs (EHDS article 5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources as files
from typing import Any

import msgspec

from salus.core.access import Caller, Role
from salus.core.errors import AccessRefused
from salus.standards.fhir.bundle import Resource, links
from salus.standards.fhir.codec.splice import replace_meta
from salus.store import resources
from salus.store.changes import Operation
from salus.store.conditions import Here

PATIENT_ASSERTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "PATAST",
    "display": "patient asserted",
}
NOT_MARKED = frozenset({"Patient", "Subscription"})
_PATIENT = re.compile(r"(?:^|/)Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]*)?(?:#.*)?$")
_RELATED = re.compile(rb'"RelatedPerson/([A-Za-z0-9\-.]{1,64})')
_REFERENCE = frozenset({"reference", "display", "type", "id"})
Json = Any  # FHIR content is open JSON


class Reported(msgspec.Struct, frozen=True):
    """A vouching element that a report by the patient may have."""

    type: str
    element: str
    when: str
    equals: bool


class _Table(msgspec.Struct, frozen=True):
    vouching: frozenset[str]
    reported: list[Reported]


@cache
def _table() -> _Table:
    text = files.files("salus.web.fhir").joinpath("authorship.toml").read_bytes()
    return msgspec.toml.decode(text, type=_Table)


def check_authors(caller: Caller, resource: Resource) -> None:
    """Refuse content that a citizen signs with another's name, or that ties another person in.

    Raises:
        AccessRefused: naming the element.
    """
    if caller.role is not Role.CITIZEN:
        return
    for link in links(resource):
        named = _PATIENT.search(link)
        if named is not None and named[1] != caller.patient:
            raise AccessRefused("A citizen writes about themselves: refer to no other patient.")
    if resource.get("resourceType") == "Patient" and resource.get("link"):
        raise AccessRefused("Patient.link joins two records; ask a health professional to do that.")
    for name, party in _vouching(resource):
        if not _is_own(caller, party):
            raise AccessRefused(
                f"{name} must be the patient, by reference and without another's name, or be left out: "
                "a citizen writes in their own name only."
            )


def _vouching(node: Json) -> Iterator[tuple[str, Json]]:
    """Yield each party that vouches, at any depth: a Reference or a name."""
    for name, members in node.items():
        several = members if isinstance(members, list) else [members]
        if _is_reported(node, name):
            continue
        if name in _table().vouching:
            yield from ((name, one) for one in several if _is_party(name, one))
        for one in several:
            if isinstance(one, dict):
                yield from _vouching(one)


def _is_reported(node: Json, name: str) -> bool:
    return any(
        node.get("resourceType") == row.type and name == row.element and node.get(row.when) is row.equals
        for row in _table().reported
    )


def _is_party(name: str, member: Json) -> bool:
    """Return whether a member is a Reference or a name, not a part of the resource that holds one."""
    if isinstance(member, str):
        return name == "authorString"
    return isinstance(member, dict) and (
        not member or not _REFERENCE.isdisjoint(member) or "identifier" in member
    )


def _is_own(caller: Caller, party: Json) -> bool:
    if isinstance(party, str):
        return party == caller.name
    literal = party.get("reference")
    if not isinstance(literal, str) or not _REFERENCE.issuperset(party):
        return False
    if party.get("display", caller.name) != caller.name:
        return False
    kind = party.get("type", "Patient")
    if literal.partition("/_history/")[0] == f"Patient/{caller.patient}":
        return bool(kind == "Patient")
    # Whose the RelatedPerson is, `keep_own` asks the record.
    return literal.startswith("RelatedPerson/") and party.get("type", "RelatedPerson") == "RelatedPerson"


def mark(resource: Resource, content: bytes) -> tuple[Resource, bytes]:
    """Return what a citizen wrote, and its bytes, labelled as asserted by the patient."""
    if resource.get("resourceType") in NOT_MARKED:
        return resource, content
    meta = resource.get("meta", {})
    labels = meta.get("security", [])
    if any(one.get("code") == "PATAST" and one.get("system") == PATIENT_ASSERTED["system"] for one in labels):
        return resource, content
    meta = {**meta, "security": [*labels, PATIENT_ASSERTED]}
    return {**resource, "meta": meta}, replace_meta(content, meta)


async def keep_own(here: Here, operations: Sequence[Operation]) -> None:
    """Refuse what a citizen writes about another patient, or by somebody else's RelatedPerson.

    Raises:
        AccessRefused: nothing is written.
    """
    named: set[str] = set()
    for one in operations:
        if one.row is None:
            continue
        if set(one.row.others) - (here.grant.patients or frozenset()):
            raise AccessRefused("A citizen writes about themselves: refer to no other patient.")
        named |= {f"RelatedPerson/{found.decode('ascii')}" for found in _RELATED.findall(one.row.content)}
    wanted = sorted(named - {f"{one.type}/{one.id}" for one in operations})
    if wanted and await resources.missing_references(here.grant, here.connection, wanted):
        raise AccessRefused("A RelatedPerson that is named must be of the patient's own record.")
