"""What a citizen writes is in their own name, about nobody else, and marked as theirs (EHDS article 5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources as files
from typing import Any

import msgspec

from salus.core.access import Caller
from salus.core.errors import AccessRefused
from salus.standards.fhir.bundle import Resource, links
from salus.standards.fhir.codec.json import parse_json, write_json_like
from salus.standards.fhir.codec.splice import replace_meta
from salus.standards.fhir.labels import PATIENT_ASSERTED, is_asserted, is_label
from salus.store.rows import StoredResource
from salus.web.fhir.answer import UNLIMITED
from salus.web.fhir.provenance import is_lay, own_source, with_source

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


def check_authors(caller: Caller, resource: Resource, records: frozenset[str] = frozenset()) -> None:
    """Refuse content that a citizen signs with another's name, or that ties another person in.

    `records` are further records of the caller's, merged into their own (`store.merged`). An inactive Consent
    may be one that somebody else recorded and signed: `own_entries.keep_own` knows which.

    Raises:
        AccessRefused: naming the element.
    """
    if not is_lay(caller):
        return
    is_patient = resource.get("resourceType") == "Patient"
    own = records | {caller.patient}
    for link in links({**resource, "link": None} if is_patient else resource):  # `keep_own` judges the link
        named = _PATIENT.search(link)
        if named is not None and named[1] not in own:
            raise AccessRefused("A citizen writes about themselves: refer to no other patient.")
    if not is_inactive_consent(resource):
        check_signatures(caller, resource, records)


def is_inactive_consent(resource: Resource) -> bool:
    """Return whether it is a Consent that no longer says anything."""
    return resource.get("resourceType") == "Consent" and resource.get("status") == "inactive"


def check_signatures(caller: Caller, resource: Resource, records: frozenset[str]) -> None:
    """Refuse content for which another than the citizen vouches.

    Raises:
        AccessRefused: naming the element.
    """
    # Whom a Consent permits or denies something vouches for nothing.
    said = {**resource, "provision": None} if resource.get("resourceType") == "Consent" else resource
    for name, party in _vouching(said):
        if not _is_own(caller, party, records):
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


def _is_own(caller: Caller, party: Json, records: frozenset[str]) -> bool:
    if isinstance(party, str):
        return party == caller.name
    literal = party.get("reference")
    if not isinstance(literal, str) or not _REFERENCE.issuperset(party):
        return False
    if party.get("display", caller.name) != caller.name:
        return False
    kind = party.get("type", "Patient")
    named, _, identity = literal.partition("/_history/")[0].partition("/")
    if named == "Patient" and identity in records | {caller.patient}:
        return bool(kind == "Patient")
    # Whose the RelatedPerson is, `keep_own` asks the record.
    return literal.startswith("RelatedPerson/") and party.get("type", "RelatedPerson") == "RelatedPerson"


def mark(
    caller: Caller, resource: Resource, content: bytes, before: StoredResource | None
) -> tuple[Resource, bytes]:
    """Return what a citizen writes, and its bytes, labelled as asserted by the patient and as theirs.

    A Patient is labelled when it is registered; staff take the label away, and no later write brings it back.
    What others recorded does not become the patient's by what they may do to it (take back a Consent).
    """
    kind = resource.get("resourceType")
    is_new = before is None or before.deleted
    if is_new and resource.get("meta", {}).get("source"):
        resource, content = with_source(resource, content, own_source(caller))
    if kind in NOT_MARKED or (kind == "Patient" and not is_new) or is_asserted(resource):
        return resource, content
    if before is not None and not before.deleted and not is_asserted(_content(before)):
        return resource, content
    meta = resource.get("meta", {})
    meta = {**meta, "security": [*meta.get("security", []), PATIENT_ASSERTED]}
    return {**resource, "meta": meta}, replace_meta(content, meta)


def unmark(resource: Resource, content: bytes, before: StoredResource | None) -> tuple[Resource, bytes]:
    """Return what a professional makes of an entry, and its bytes: what they change is no patient's any more.

    It loses the label, and no copy of the version before brings it back. A new resource, which a professional
    may label as what a patient told them, keeps what it says, and so does an entry sent back as it is.
    A Patient keeps it until staff take it away by itself.
    """
    kind = resource.get("resourceType")
    if before is None or kind in NOT_MARKED or kind == "Patient" or not is_asserted(resource):
        return resource, content
    if not before.deleted:
        old = _content(before)
        if is_asserted(old) and _said(old) == _said(resource):
            return resource, content
    meta = {name: value for name, value in resource["meta"].items() if name != "security"}
    others = [label for label in resource["meta"]["security"] if not is_label(label)]
    if others:
        meta["security"] = others
    if meta:
        return {**resource, "meta": meta}, replace_meta(content, meta)
    resource = {name: value for name, value in resource.items() if name != "meta"}
    return resource, write_json_like(resource, content)


def _content(stored: StoredResource) -> Resource:
    return parse_json(stored.content, UNLIMITED)


def _said(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name not in ("id", "meta")}
