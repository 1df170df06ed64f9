"""A patient from abroad, step by step: find them, say that they are here, fetch what is needed.

Every step passes this node's gate and, at the other node, that one's; both write it down. Here the patient is
known as `node:id`, there by their own id. The other node decides; what it sends is validated before use.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec

from salus.core.access import Action, Caller
from salus.core.errors import AccessRefused, MalformedContent, NotFound, PeerUnavailable
from salus.federation.fanout import Answers, fan_out
from salus.federation.membership_list import Member
from salus.federation.peers import FHIR_JSON, FORM, path_of
from salus.primary.answers import (
    read_content,
    read_found,
    same_person,
    subject_of,
    subjects,
)
from salus.primary.demographics import fits
from salus.primary.desk import Desk, leave
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.validation.issue import Issue
from salus.standards.smart.asker import Asker
from salus.store.peer_notices_received import HomeSays, home_says
from salus.trust.gate import Access
from salus.trust.policy import SUMMARY

SCOPE = "system/*.rs system/MedicationDispense.crus system/DocumentReference.crs"
LOOKUP_SCOPE = "system/Patient.rs"
PAGE_COUNT = 500
Resource = dict[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


class PatientAbroad(msgspec.Struct, frozen=True):
    """A patient of another node; the rest is what the asker states of both (`smart.asker`)."""

    node: str
    id: str
    resource: Resource
    relationship: str = "none"
    presence_code: str = ""
    document: str = ""
    reason: str = ""

    @property
    def here(self) -> str:
        """Return how this node's audit names the patient."""
        return f"{self.node}:{self.id}"


class Fetched(msgspec.Struct, frozen=True):
    """A document fetched from abroad.

    Args:
        body: the bytes as received.
        content_type: their media type, as the other node names it.
        resource: the document, parsed; {} when it is not FHIR.
        issues: what validation found.
        is_checked: whether it was validated: what is not FHIR is not.
        milliseconds: from asking to validated.
        home_says: what became of what this node got before.
    """

    body: bytes
    content_type: str
    resource: Resource
    issues: list[Issue]
    is_checked: bool
    milliseconds: float
    home_says: tuple[HomeSays, ...] = ()

    @property
    def is_valid(self) -> bool | None:
        """Return whether validation found no error, None for a document that nobody validated."""
        return (
            not any(issue.severity in ("error", "fatal") for issue in self.issues)
            if self.is_checked
            else None
        )


class Listed(msgspec.Struct, frozen=True):
    """Resources found abroad; `complete` is False when the other node holds more than it sent.

    `home_says` is what became of what this node got before.
    """

    resources: list[Resource]
    complete: bool
    milliseconds: float
    home_says: tuple[HomeSays, ...] = ()


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
    asker = asker_of(desk.caller)
    body = urlencode(dict(demographics)).encode()
    # A merged record may come along with the one that stays, as that one's link includes it.
    patients = parse_query("Patient", [("_revinclude", "Patient:link")], peers.limits)

    async def ask(member: Member, request: str) -> list[PatientAbroad]:
        answer = await peers.call(
            member, asker, "POST", "/fhir/Patient/_search", scope=LOOKUP_SCOPE, body=body, content_type=FORM,
            request=request,
        )  # fmt: skip
        found = read_found(member, answer, patients, peers.limits)
        return [
            PatientAbroad(member.node, str(each["id"]), each)
            for each in _candidates(member, found.matches, found.included, demographics)
        ]

    names = ",".join(sorted(demographics))
    what = f"Patient?{names} at {','.join(member.node for member in members)}"[:200]
    async with leave(desk, Action.SEARCH, "Patient", what) as access:
        request = access.cross()
        found = await fan_out(
            members, lambda member: ask(member, request), deadline_ms=peers.limits.peer_deadline_ms
        )
        for candidates in found.answers.values():
            access.record(candidate.here for candidate in candidates)
    return found, (perf_counter() - began) * 1000


def _candidates(
    member: Member, matches: list[Resource], included: list[Resource], demographics: Mapping[str, str]
) -> list[Resource]:
    """Return the persons among the Patients found, each by the record that stays when there are several.

    Raises:
        PeerUnavailable: one has neither the identifier nor the birth date asked for, nor has a merged record.
    """
    asked = tuple((name, text) for name, text in demographics.items() if name in ("identifier", "birthdate"))
    fitting = {str(each["id"]) for each in (*matches, *included) if fits(each, asked)}
    gone = {str(each["id"]) for each in matches if _is_merged(each)}
    persons = []
    for each in matches:
        same = same_person(str(each["id"]), [*matches, *included])
        if fitting.isdisjoint(same):
            raise PeerUnavailable(f"node {member.node} answered a patient who is not the one asked for")
        if str(each["id"]) not in gone or gone.issuperset(same & {str(one["id"]) for one in matches}):
            persons.append(each)
    return persons


def _is_merged(patient: Resource) -> bool:
    """Return whether a Patient says that another record stands for the person."""
    return any(link.get("type") == "replaced-by" for link in patient.get("link", ()))


def depart(
    desk: Desk, patient: PatientAbroad, action: Action, kind: str, what: str
) -> AbstractAsyncContextManager[Access]:
    """Return the way out to the patient's home, through this node's gate (`desk.leave`)."""
    return leave(desk, action, kind, what, node=patient.node, identity=patient.id)


def present(patient: PatientAbroad) -> PatientAbroad:
    """Return the patient as one who is here and whose identity document was seen."""
    return msgspec.structs.replace(patient, relationship="present")


async def fetch_summary(desk: Desk, patient: PatientAbroad) -> Fetched:
    """Fetch the patient summary that the home node composes now, and validate it.

    Raises:
        PeerUnavailable: what came is no document, or it is about another patient.
    """

    async def check(member: Member, document: Resource, request: str) -> None:
        subject = subject_of(document)
        if not subject:
            raise PeerUnavailable(f"node {member.node} answered something other than a patient summary")
        await check_subjects(desk, member, patient, frozenset({subject}), request)

    path = f"/fhir/Patient/{patient.id}/$summary"
    return await _fetch(desk, patient, path, SUMMARY, "$summary", check=check)


async def list_documents(desk: Desk, patient: PatientAbroad, *, kind: str = "") -> Listed:
    """List the patient's current documents (MHD ITI-67); `kind` is a type token "system|code"."""
    asked = {"patient": f"Patient/{patient.id}", "status": "current"} | ({"type": kind} if kind else {})
    return await _search(desk, patient, "DocumentReference", asked)


class _Attachment(msgspec.Struct, frozen=True):
    url: str = ""
    data: str | None = None
    hash: str | None = None
    size: int | None = None
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
    member = member_of(desk, patient)
    path = path_of(member, attachment.url)
    fetched = await _fetch(desk, patient, path, "Binary", path.removeprefix("/fhir/"), accept="*/*")
    _check_bytes(patient, attachment, fetched.body)
    return fetched


def _check_bytes(patient: PatientAbroad, attachment: _Attachment, body: bytes) -> None:
    """Refuse bytes that are not those that their description promises.

    Raises:
        PeerUnavailable: they are others.
    """
    digest = base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode()
    if attachment.hash not in (None, digest) or attachment.size not in (None, len(body)):
        raise PeerUnavailable(
            f"node {patient.node} sent other bytes than it described; the document is not used"
        )


async def _inline(desk: Desk, patient: PatientAbroad, attachment: _Attachment) -> Fetched:
    """Return the document that came inside its description."""
    began = perf_counter()
    try:
        body = base64.b64decode("".join((attachment.data or "").split()), validate=True)
    except ValueError as error:
        raise PeerUnavailable(f"node {patient.node} sent a document that cannot be read") from error
    _check_bytes(patient, attachment, body)
    what = f"document at {patient.node}"
    async with depart(desk, patient, Action.READ, "Binary", what) as access:
        member_of(desk, patient)
        access.record([patient.here])
    return _fetched(desk, body, attachment.contentType, began)


async def list_resources(desk: Desk, patient: PatientAbroad, kind: str, **parameters: str) -> Listed:
    """Search the patient's resources of one type (in the manner of IPA)."""
    return await _search(desk, patient, kind, {"patient": f"Patient/{patient.id}", **parameters})


def asker_of(caller: Caller, patient: PatientAbroad | None = None) -> Asker:
    """Return the statement that this node makes for the caller; without a patient, to look one up."""
    stated = patient or PatientAbroad("", "", {})
    return Asker(
        subject=caller.subject,
        name=caller.name,
        role=caller.role,
        organisation=caller.organisation,
        organisation_id=caller.organisation_id,
        purpose=caller.purpose,
        patient=stated.id,
        relationship=stated.relationship,
        presence_code=stated.presence_code,
        document=stated.document,
        reason=stated.reason,
        assurance=caller.assurance,
    )


async def _fetch(
    desk: Desk,
    patient: PatientAbroad,
    path: str,
    kind: str,
    what: str,
    *,
    accept: str = FHIR_JSON,
    check: Callable[[Member, Resource, str], Awaitable[None]] | None = None,
) -> Fetched:
    began = perf_counter()
    asker = asker_of(desk.caller, patient)
    async with depart(desk, patient, Action.READ, kind, f"{what} at {patient.node}") as access:
        member = member_of(desk, patient)
        request = access.cross()
        answer = await desk.peers.call(
            member, asker, "GET", path, scope=SCOPE, accept=accept, request=request
        )
        fetched = _fetched(desk, answer.body, answer.content_type, began)
        if check is not None:
            await check(member, fetched.resource, request)
        said = await home_says(access.grant, desk.database, patient.here)
        access.record([patient.here])
    return msgspec.structs.replace(fetched, home_says=said)


def _fetched(desk: Desk, body: bytes, content_type: str, began: float) -> Fetched:
    resource, issues, is_checked = read_content(body, content_type, desk.peers.limits)
    return Fetched(body, content_type, resource, issues, is_checked, (perf_counter() - began) * 1000)


async def _search(desk: Desk, patient: PatientAbroad, kind: str, asked: Mapping[str, str]) -> Listed:
    began = perf_counter()
    limits = desk.peers.limits
    asker = asker_of(desk.caller, patient)
    body = urlencode({**asked, "_count": str(PAGE_COUNT)}).encode()
    what = f"{kind}?{','.join(asked)} at {patient.node}"
    # Whose the answer is, `check_subjects` finds out: a person may have several records there.
    query = parse_query(kind, [pair for pair in asked.items() if pair[0] != "patient"], limits, strict=True)
    async with depart(desk, patient, Action.SEARCH, kind, what) as access:
        member = member_of(desk, patient)
        request = access.cross()
        answer = await desk.peers.call(
            member, asker, "POST", f"/fhir/{kind}/_search", scope=SCOPE, body=body, content_type=FORM,
            request=request,
        )  # fmt: skip
        found = read_found(member, answer, query, limits)
        await check_subjects(desk, member, patient, subjects(found.matches), request)
        resources = [*found.matches, *found.included]
        said = await home_says(access.grant, desk.database, patient.here)
        access.record([patient.here], count=max(len(resources), 1))
    return Listed(resources, found.complete, (perf_counter() - began) * 1000, said)


async def what_home_says(desk: Desk, patient: PatientAbroad) -> tuple[HomeSays, ...]:
    """Return what the patient's home told this node of what it got before, the newest first."""
    what = f"notices of {patient.node}"
    async with depart(desk, patient, Action.READ, "MedicationDispense", what) as access:
        said = await home_says(access.grant, desk.database, patient.here)
        access.record([patient.here], count=len(said))
    return said


async def check_subjects(
    desk: Desk, member: Member, patient: PatientAbroad, named: frozenset[str], request: str
) -> None:
    """Refuse what is about somebody else than the patient, whose records there may be several by a merge.

    `request` is the id of what was asked for.

    Raises:
        PeerUnavailable: it is.
    """
    if named <= {patient.id}:
        return
    asker = asker_of(desk.caller, patient)
    records: list[Resource] = []
    try:
        answer = await desk.peers.call(
            member, asker, "POST", "/fhir/Patient/_search", scope=SCOPE,
            body=urlencode({"_count": str(PAGE_COUNT)}).encode(), content_type=FORM, request=request,
        )  # fmt: skip
        limits = desk.peers.limits
        records = read_found(member, answer, parse_query("Patient", [], limits), limits).matches
    except (AccessRefused, NotFound):
        pass  # then nothing says that the records are one person's
    if not named <= same_person(patient.id, records):
        raise PeerUnavailable(
            f"node {member.node} answered what is about another patient; nothing of it is used"
        )


def member_of(desk: Desk, patient: PatientAbroad) -> Member:
    """Return the patient's home node as the membership list has it now.

    Raises:
        AccessRefused: it is no member, or no longer.
    """
    return desk.peers.membership.admitted(patient.node, desk.peers.clock())
