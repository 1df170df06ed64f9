"""What another node answers is checked before it is believed: shape, kinds, and that it was asked for.

A node that answers anything else is named, and nothing of its answer is used: a list with one wrong entry
would look complete without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from salus.core.errors import MalformedContent, PeerUnavailable, SalusError, TooLarge
from salus.core.identifiers import is_fhir_id
from salus.core.limits import Limits
from salus.federation.membership_list import Member
from salus.federation.peers import Answer, read_json
from salus.primary.references import local_reference, resolve
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.search.match import matches
from salus.standards.fhir.search.parameters import parameters_of
from salus.standards.fhir.search.query import Query
from salus.standards.fhir.validation.aspects import STRUCTURE
from salus.standards.fhir.validation.issue import Issue
from salus.standards.fhir.validation.validator import validate

SAME_PERSON = frozenset({"replaces", "replaced-by"})
Resource = dict[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


class Found(msgspec.Struct, frozen=True):
    """A page of a search abroad; `complete` is False when the other node holds more than it sent."""

    matches: list[Resource]
    included: list[Resource]
    complete: bool


def read_found(member: Member, answer: Answer, query: Query, limits: Limits) -> Found:
    """Return what a search at another node found, without the remarks that came with it.

    Raises:
        PeerUnavailable: it is no searchset, breaks the shape of FHIR, or holds what was not asked for.
    """
    bundle = read_json(member, answer, "Bundle", limits)
    check_shape(member, bundle)
    if bundle.get("type") != "searchset":
        raise PeerUnavailable(f"node {member.node} answered a search with something else than what it found")
    kinds = _included_kinds(query)
    found = Found([], [], not any(link.get("relation") == "next" for link in bundle.get("link", ())))
    for entry in bundle.get("entry", ()):
        resource = entry.get("resource", {})
        kind = resource.get("resourceType")
        if kind == "OperationOutcome":
            continue
        if not is_fhir_id(str(resource.get("id"))):
            raise PeerUnavailable(f"node {member.node} answered an entry that is no resource with an id")
        is_include = entry.get("search", {}).get("mode") == "include"
        if (kind not in kinds) if is_include else not matches(query, resource):
            raise PeerUnavailable(f"node {member.node} answered a {kind} that was not asked for")
        (found.included if is_include else found.matches).append(resource)
    return found


def _included_kinds(query: Query) -> frozenset[str]:
    """Return the types that the _include and _revinclude of a search lead to."""
    kinds: set[str] = set()
    for each in query.includes:
        if each.reverse:
            kinds.add(each.type)
        else:
            kinds.update(parameters_of(each.type)[each.parameter].targets)
    return frozenset(kinds)


def check_shape(member: Member, resource: Resource) -> None:
    """Refuse a resource whose members are not of the types that FHIR gives them.

    What is missing is no fault, nor is how a source is spelled: nothing here reads `meta`.

    Raises:
        PeerUnavailable: naming the first of them.
    """
    for issue in validate(resource, checks=STRUCTURE):
        is_harmless = issue.code == "required" or (issue.code == "value" and ".meta." in issue.expression)
        if issue.severity in ("error", "fatal") and not is_harmless:
            raise PeerUnavailable(
                f"node {member.node} answered what is not FHIR: {issue.expression}: {issue.message}"
            )


def read_content(body: bytes, content_type: str, limits: Limits) -> tuple[Resource, list[Issue], bool]:
    """Return a document as a resource, what validation found, and whether it was validated at all.

    What is not FHIR (a PDF, a CDA document, other JSON) is {} and not validated.
    """
    is_fhir = "fhir" in content_type
    if not any(name in content_type for name in ("json", "xml")):
        return {}, [], False
    try:
        resource = _parsed(body, content_type, limits)
    except (MalformedContent, TooLarge) as error:
        unreadable = Issue("error", "structure", "unreadable", "", error.message)
        return {}, [unreadable] if is_fhir else [], is_fhir
    except SalusError:
        return {}, [], False
    if not is_fhir and not isinstance(resource.get("resourceType"), str):
        return {}, [], False
    return resource, validate(resource), True


def _parsed(body: bytes, content_type: str, limits: Limits) -> Resource:
    if "json" in content_type:
        return parse_json(body, limits)
    from salus.standards.fhir.codec.xml import parse_xml  # lxml is loaded only where XML comes in

    return parse_xml(body, limits)


def subject_of(document: Resource) -> str:
    """Return the id of the Patient that a document (R4 documents.html) is about, "" where none is said."""
    entries = document.get("entry")
    if document.get("resourceType") != "Bundle" or document.get("type") != "document":
        return ""
    listed = [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
    held: dict[str, Resource] = {}
    for entry in listed:
        resource = entry.get("resource")
        if isinstance(resource, dict):
            held[str(entry.get("fullUrl"))] = resource
            held[f"{resource.get('resourceType')}/{resource.get('id')}"] = resource
    first = listed[0].get("resource") if listed else None
    if not isinstance(first, dict) or first.get("resourceType") != "Composition":
        return ""
    subject = resolve(first.get("subject"), held)
    return str(subject.get("id", "")) if subject.get("resourceType") == "Patient" else ""


def subjects(resources: Sequence[Resource]) -> frozenset[str]:
    """Return the ids of the Patients that resources say they are about; "" for one that does not say."""
    found = set()
    for each in resources:
        about: Resource = each.get("subject") or each.get("patient") or {}
        kind, _, identity = local_reference(str(about.get("reference", ""))).partition("/")
        found.add(identity if kind == "Patient" else "")
    return frozenset(found)


def same_person(patient: str, patients: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the records that are one person with a Patient, by the merges that these Patients tell of."""
    edges: dict[str, set[str]] = {}
    for each in patients:
        for link in each.get("link", ()):
            other = local_reference(str(link.get("other", {}).get("reference", ""))).removeprefix("Patient/")
            if link.get("type") in SAME_PERSON:
                edges.setdefault(str(each["id"]), set()).add(other)
                edges.setdefault(other, set()).add(str(each["id"]))
    known, ahead = {patient}, [patient]
    while ahead:
        further = edges.get(ahead.pop(), set()) - known
        known |= further
        ahead += further
    return frozenset(known)
