"""What a citizen writes is in their own name, about nobody else, and marked as theirs (EHDS article 5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources as files
from typing import Any

import msgspec

from salus.core.access import Caller
from salus.core.errors import AccessRefused
from salus.standards.fhir.bundle import Resource, links
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.codec.splice import replace_meta
from salus.standards.fhir.labels import PATIENT_ASSERTED, is_asserted
from salus.standards.fhir.search.references import parse_literal
from salus.store import resources
from salus.store.changes import Operation
from salus.store.conditions import Here, current_of
from salus.store.rows import Row, StoredResource
from salus.store.shares import beside
from salus.web.fhir.identity import check_identity, check_registration
from salus.web.fhir.provenance import is_lay, own_source, source_of, with_source

NOT_MARKED = frozenset({"Subscription"})
_PATIENT = re.compile(r"(?:^|/)Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]*)?(?:#.*)?$")
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


RECORDED_BY_OTHERS = (
    "This entry was recorded by a professional or came from elsewhere, so it is not the patient's to change: "
    "ask whoever recorded it for a correction, or hide it."
)


def check_authors(caller: Caller, resource: Resource) -> None:
    """Refuse content that a citizen signs with another's name, or that ties another person in.

    Raises:
        AccessRefused: naming the element.
    """
    if not is_lay(caller):
        return
    is_patient = resource.get("resourceType") == "Patient"
    for link in links({**resource, "link": None} if is_patient else resource):  # `keep_own` judges the link
        named = _PATIENT.search(link)
        if named is not None and named[1] != caller.patient:
            raise AccessRefused("A citizen writes about themselves: refer to no other patient.")
    # Whom a Consent permits or denies something vouches for nothing.
    said = {**resource, "provision": None} if resource.get("resourceType") == "Consent" else resource
    for name, party in _vouching(said):
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


def mark(
    caller: Caller, resource: Resource, content: bytes, before: StoredResource | None
) -> tuple[Resource, bytes]:
    """Return what a citizen writes, and its bytes, labelled as asserted by the patient and as theirs.

    A Patient is labelled when it is registered; staff take the label away, and no later write brings it back.
    """
    kind = resource.get("resourceType")
    is_new = before is None or before.deleted
    if is_new and resource.get("meta", {}).get("source"):
        resource, content = with_source(resource, content, own_source(caller))
    if kind in NOT_MARKED or (kind == "Patient" and not is_new) or is_asserted(resource):
        return resource, content
    meta = resource.get("meta", {})
    meta = {**meta, "security": [*meta.get("security", []), PATIENT_ASSERTED]}
    return {**resource, "meta": meta}, replace_meta(content, meta)


async def keep_own(here: Here, operations: Sequence[Operation]) -> None:
    """Refuse what a citizen writes about another patient, by another's RelatedPerson, or as another system.

    What others recorded is not theirs to change or delete: they hide it (EHDS 8) or ask for a correction (6).

    Raises:
        AccessRefused: nothing is written.
    """
    named: set[str] = set()
    changed = [(one.type, one.id) for one in operations if one.kind != "create"]
    befores = await current_of(here, changed) if changed else {}
    for one in operations:
        before = befores.get((one.type, one.id))
        before = None if before is None or before.deleted else before
        if one.row is None:
            if before is not None:
                await beside(len(before.content), _check_asserted, here, before)
            continue
        size = len(one.row.content) + (0 if before is None else len(before.content))
        await beside(size, _check_kept, here, one.row, before)
        others = set(one.row.others) - (here.grant.patients or frozenset())
        if others and one.type != "Patient":
            raise AccessRefused("A citizen writes about themselves: refer to no other patient.")
        literals = map(parse_literal, one.row.index.references)
        named |= {f"RelatedPerson/{found.id}" for found in literals if found.type == "RelatedPerson"}
    wanted = sorted(named - {f"{one.type}/{one.id}" for one in operations})
    if wanted and await resources.missing_references(here.grant, here.connection, wanted):
        raise AccessRefused("A RelatedPerson that is named must be of the patient's own record.")


def _check_kept(here: Here, row: Row, before: StoredResource | None) -> None:
    """Refuse a write that makes a Patient somebody else, or a resource another system's."""
    if before is None and row.type != "Patient":
        return
    after = parse_json(row.content, here.rules.limits)
    if before is None:
        check_registration(after)
        return
    old = _check_asserted(here, before)
    if source_of(old, before.source) != source_of(after, row.source):
        raise AccessRefused("meta.source says where a resource comes from; leave it as it is, or out.")
    if row.type == "Patient":
        check_identity(old, after)


def _check_asserted(here: Here, before: StoredResource) -> Resource:
    """Refuse to change or delete what is no entry of the patient's own; return what it holds."""
    old = parse_json(before.content, here.rules.limits)
    if before.type not in NOT_MARKED | {"Patient"} and not is_asserted(old):
        raise AccessRefused(RECORDED_BY_OTHERS)
    return old
