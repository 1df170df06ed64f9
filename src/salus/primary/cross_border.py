"""A patient from abroad, step by step: find them, say that they are here, fetch what is needed.

Every step passes this node's gate and, at the other node, that one's; both write it down. Here the patient is
known as `node:id`, there by their own id. The other node decides; what it sends is validated before use.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec

from salus.core.access import Action, Caller
from salus.core.errors import MalformedContent, PeerUnavailable, TooLarge
from salus.core.identifiers import is_fhir_id
from salus.federation.fanout import Answers, fan_out
from salus.federation.membership_list import Member
from salus.federation.peers import FHIR_JSON, FORM, path_of, read_json
from salus.primary.desk import Desk, leave
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.validation.validator import Issue, validate
from salus.standards.smart.asker import Asker
from salus.trust.gate import Access
from salus.trust.policy import SUMMARY

SCOPE = "system/*.rs system/MedicationDispense.crus system/DocumentReference.crs"
LOOKUP_SCOPE = "system/Patient.rs"
PAGE_COUNT = 500
Resource = dict[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


class PatientAbroad(msgspec.Struct, frozen=True):
    """A patient of another node; `relationship` is what the asker states of both (`smart.asker`)."""

    node: str
    id: str
    resource: Resource
    relationship: str = "none"

    @property
    def here(self) -> str:
        """Return how this node's audit names the patient."""
        return f"{self.node}:{self.id}"


class Fetched(msgspec.Struct, frozen=True):
    """A document fetched from abroad.

    Args:
        body: the bytes as received.
        resource: the document, parsed; {} when it is not FHIR JSON.
        issues: what validation found; no error means that it may be used.
        milliseconds: from asking to validated.
    """

    body: bytes
    resource: Resource
    issues: list[Issue]
    milliseconds: float

    @property
    def is_valid(self) -> bool:
        """Return whether validation found no error."""
        return not any(issue.severity in ("error", "fatal") for issue in self.issues)


class Listed(msgspec.Struct, frozen=True):
    """Resources found abroad; `complete` is False when the other node holds more than it sent."""

    resources: list[Resource]
    complete: bool
    milliseconds: float


async def find_patients(
    desk: Desk, demographics: Mapping[str, str], *, countries: Sequence[str] = ()
) -> tuple[Answers[list[PatientAbroad]], float]:
    """Look for a person at the nodes of the given countries, or at all (PDQm ITI-78).

    Args:
        desk: who asks.
        demographics: `identifier` (system|value), or `family`, `given` and `birthdate`.
        countries: ISO 3166-1 alpha-2.

    Returns:
        Candidates by node, silent nodes with their reasons, and milliseconds.
    """
    began = perf_counter()
    peers = desk.peers
    members = [
        member
        for member in peers.membership.others(peers.node, peers.clock())
        if not countries or member.country in countries
    ]
    asker = asker_of(desk.caller, patient="", relationship="none")
    body = urlencode(dict(demographics)).encode()

    async def ask(member: Member) -> list[PatientAbroad]:
        answer = await peers.call(
            member, asker, "POST", "/fhir/Patient/_search", scope=LOOKUP_SCOPE, body=body, content_type=FORM
        )
        bundle = read_json(member, answer, "Bundle", peers.limits)
        return [
            PatientAbroad(member.node, str(each["id"]), each) for each in _matches(member, bundle, "Patient")
        ]

    names = ",".join(sorted(demographics))
    what = f"Patient?{names} at {','.join(member.node for member in members)}"[:200]
    async with leave(desk, Action.SEARCH, "Patient", what) as access:
        found = await fan_out(members, ask, deadline_ms=peers.limits.peer_deadline_ms)
        for candidates in found.answers.values():
            access.record(candidate.here for candidate in candidates)
    return found, (perf_counter() - began) * 1000


def depart(
    desk: Desk, patient: PatientAbroad, action: Action, kind: str, what: str
) -> AbstractAsyncContextManager[Access]:
    """Return the way out to the patient's home, through this node's gate (`desk.leave`)."""
    return leave(desk, action, kind, what, node=patient.node, identity=patient.id)


def present(patient: PatientAbroad) -> PatientAbroad:
    """Return the patient as one who is here and whose identity document was seen."""
    return msgspec.structs.replace(patient, relationship="present")


async def fetch_summary(desk: Desk, patient: PatientAbroad) -> Fetched:
    """Fetch the patient summary that the home node composes now, and validate it."""
    return await _fetch(desk, patient, f"/fhir/Patient/{patient.id}/$summary", SUMMARY, "$summary")


async def list_documents(desk: Desk, patient: PatientAbroad, *, kind: str = "") -> Listed:
    """List the patient's current documents (MHD ITI-67); `kind` is a type token "system|code"."""
    asked = {"patient": f"Patient/{patient.id}", "status": "current"} | ({"type": kind} if kind else {})
    return await _search(desk, patient, "DocumentReference", asked)


class _Attachment(msgspec.Struct, frozen=True):
    url: str = ""
    data: str | None = None
    hash: str | None = None
    contentType: str = ""


class _Content(msgspec.Struct, frozen=True):
    attachment: _Attachment


class _Described(msgspec.Struct, frozen=True):
    content: Annotated[tuple[_Content, ...], msgspec.Meta(min_length=1)]


async def fetch_document(desk: Desk, patient: PatientAbroad, reference: Resource) -> Fetched:
    """Retrieve a listed document byte for byte (MHD ITI-68), check its hash and validate it.

    Raises:
        MalformedContent: the reference describes no document.
        PeerUnavailable: the bytes are not those that the description promises.
    """
    try:
        attachment = msgspec.convert(reference, _Described).content[0].attachment
    except msgspec.ValidationError as error:
        raise MalformedContent(
            f"reference must be a DocumentReference as listed, with content[0].attachment: {error}"
        ) from error
    if attachment.data is not None:
        return await _inline(desk, patient, attachment)
    member = _member(desk, patient)
    path = path_of(member, attachment.url)
    fetched = await _fetch(desk, patient, path, "Binary", path.removeprefix("/fhir/"), accept="*/*")
    digest = base64.b64encode(hashlib.sha1(fetched.body, usedforsecurity=False).digest()).decode()
    if attachment.hash not in (None, digest):
        raise PeerUnavailable(
            f"node {patient.node} sent other bytes than it described; the document is not used"
        )
    return fetched


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A document to be published at the patient's home.

    Args:
        body: its bytes.
        media_type: e.g. "application/pdf".
        title: for people.
        kind: its type, as a Coding of LOINC: code and display.
        identifier: (system, value), by which a later one may replace it.
        replaces: (system, value) of the document that it replaces, None for none.
    """

    body: bytes
    media_type: str
    title: str
    kind: tuple[str, str]
    identifier: tuple[str, str]
    replaces: tuple[str, str] | None = None


async def publish_document(desk: Desk, patient: PatientAbroad, letter: Letter) -> Resource:
    """Publish a document at the patient's home node (MHD ITI-105); return its DocumentReference there.

    The same document again changes nothing, so that a call whose answer was lost is repeated.

    Raises:
        PeerUnavailable: no answer; call again.
        AccessRefused, NotFound, InvalidResource: the other node refused.
    """
    asker = asker_of(desk.caller, patient=patient.id, relationship=patient.relationship)
    what = f"DocumentReference at {patient.node}"
    async with depart(desk, patient, Action.CREATE, "DocumentReference", what) as access:
        member = _member(desk, patient)
        answer = await desk.peers.call(
            member, asker, "POST", "/fhir/DocumentReference", scope=SCOPE,
            body=write_json(_described(desk, patient, letter)),
        )  # fmt: skip
        access.record([patient.here])
    return read_json(member, answer, "DocumentReference", desk.peers.limits)


def _described(desk: Desk, patient: PatientAbroad, letter: Letter) -> Resource:
    """Return the DocumentReference of a letter, with the letter inside."""
    code, display = letter.kind
    attachment = {
        "contentType": letter.media_type,
        "data": base64.b64encode(letter.body).decode(),
        "size": len(letter.body),
        "hash": base64.b64encode(hashlib.sha1(letter.body, usedforsecurity=False).digest()).decode(),
        "title": letter.title,
    }
    author = ", ".join(name for name in (desk.caller.name, desk.caller.organisation) if name)
    described: Resource = {
        "resourceType": "DocumentReference",
        "masterIdentifier": {"system": letter.identifier[0], "value": letter.identifier[1]},
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": code, "display": display}]},
        "subject": {"reference": f"Patient/{patient.id}"},
        "author": [{"display": author}],
        "content": [{"attachment": attachment}],
    }
    if letter.replaces is not None:
        target = {"identifier": {"system": letter.replaces[0], "value": letter.replaces[1]}}
        described["relatesTo"] = [{"code": "replaces", "target": target}]
    return described


async def _inline(desk: Desk, patient: PatientAbroad, attachment: _Attachment) -> Fetched:
    """Return the document that came inside its description."""
    began = perf_counter()
    try:
        body = base64.b64decode("".join((attachment.data or "").split()), validate=True)
    except ValueError as error:
        raise PeerUnavailable(f"node {patient.node} sent a document that cannot be read") from error
    what = f"document at {patient.node}"
    async with depart(desk, patient, Action.READ, "Binary", what) as access:
        member = _member(desk, patient)
        resource, issues = _understood(desk, member, body, attachment.contentType)
        access.record([patient.here])
    return Fetched(body, resource, issues, (perf_counter() - began) * 1000)


async def list_resources(desk: Desk, patient: PatientAbroad, kind: str, **parameters: str) -> Listed:
    """Search the patient's resources of one type (in the manner of IPA)."""
    return await _search(desk, patient, kind, {"patient": f"Patient/{patient.id}", **parameters})


def asker_of(caller: Caller, *, patient: str, relationship: str) -> Asker:
    """Return the statement that this node makes for the caller."""
    return Asker(
        subject=caller.subject,
        name=caller.name,
        role=caller.role,
        organisation=caller.organisation,
        purpose=caller.purpose,
        patient=patient,
        relationship=relationship,
    )


async def _fetch(
    desk: Desk, patient: PatientAbroad, path: str, kind: str, what: str, *, accept: str = FHIR_JSON
) -> Fetched:
    began = perf_counter()
    asker = asker_of(desk.caller, patient=patient.id, relationship=patient.relationship)
    async with depart(desk, patient, Action.READ, kind, f"{what} at {patient.node}") as access:
        member = _member(desk, patient)
        answer = await desk.peers.call(member, asker, "GET", path, scope=SCOPE, accept=accept)
        resource, issues = _understood(desk, member, answer.body, answer.content_type)
        access.record([patient.here])
    return Fetched(answer.body, resource, issues, (perf_counter() - began) * 1000)


def _understood(desk: Desk, member: Member, body: bytes, content_type: str) -> tuple[Resource, list[Issue]]:
    if "json" not in content_type:
        return {}, []
    try:
        resource = parse_json(body, desk.peers.limits)
    except (MalformedContent, TooLarge) as error:
        raise PeerUnavailable(f"node {member.node} sent a document that cannot be read") from error
    return resource, validate(resource)


async def _search(desk: Desk, patient: PatientAbroad, kind: str, asked: Mapping[str, str]) -> Listed:
    began = perf_counter()
    asker = asker_of(desk.caller, patient=patient.id, relationship=patient.relationship)
    body = urlencode({**asked, "_count": str(PAGE_COUNT)}).encode()
    what = f"{kind}?{','.join(asked)} at {patient.node}"
    async with depart(desk, patient, Action.SEARCH, kind, what) as access:
        member = _member(desk, patient)
        answer = await desk.peers.call(
            member, asker, "POST", f"/fhir/{kind}/_search", scope=SCOPE, body=body, content_type=FORM
        )
        bundle = read_json(member, answer, "Bundle", desk.peers.limits)
        found = _matches(member, bundle, "")
        access.record([patient.here], count=max(len(found), 1))
    complete = not any(link.get("relation") == "next" for link in bundle.get("link", ()))
    return Listed(found, complete, (perf_counter() - began) * 1000)


def _member(desk: Desk, patient: PatientAbroad) -> Member:
    return desk.peers.membership.admitted(patient.node, desk.peers.clock())


def _matches(member: Member, bundle: Resource, kind: str) -> list[Resource]:
    """Return the resources of a searchset, without its OperationOutcome.

    Raises:
        PeerUnavailable: an entry is not what was asked for.
    """
    found = []
    for entry in bundle.get("entry", ()):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict) or not is_fhir_id(str(resource.get("id", "x"))):
            raise PeerUnavailable(f"node {member.node} answered an entry that is no resource")
        if resource.get("resourceType") == "OperationOutcome":
            continue
        if kind and resource.get("resourceType") != kind:
            raise PeerUnavailable(f"node {member.node} answered something other than a {kind}")
        found.append(resource)
    return found
