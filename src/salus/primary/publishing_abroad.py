"""A document goes to the patient's home node, which keeps it (IHE MHD, ITI-105)."""

from __future__ import annotations

import base64
import hashlib

import msgspec

from salus.core.access import Action
from salus.core.errors import PeerUnavailable
from salus.core.identifiers import is_fhir_id
from salus.federation.membership_list import Member
from salus.federation.peers import Answer, read_json
from salus.primary.answers import check_shape, subjects
from salus.primary.cross_border import (
    SCOPE,
    PatientAbroad,
    Resource,
    asker_of,
    check_subjects,
    depart,
    member_of,
)
from salus.primary.desk import Desk
from salus.standards.fhir.codec.json import write_json


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
    asker = asker_of(desk.caller, patient)
    what = f"DocumentReference at {patient.node}"
    async with depart(desk, patient, Action.CREATE, "DocumentReference", what) as access:
        member, request = member_of(desk, patient), access.cross()
        answer = await desk.peers.call(
            member, asker, "POST", "/fhir/DocumentReference", scope=SCOPE,
            body=write_json(_described(desk, patient, letter)), request=request,
        )  # fmt: skip
        made = _published(desk, member, letter, answer)
        await check_subjects(desk, member, patient, subjects([made]), request)
        access.record([patient.here])
    return made


def _published(desk: Desk, member: Member, letter: Letter, answer: Answer) -> Resource:
    """Return the DocumentReference at the patient's home.

    Raises:
        PeerUnavailable: it describes another document than was sent.
    """
    made = read_json(member, answer, "DocumentReference", desk.peers.limits)
    check_shape(member, made)
    master = made.get("masterIdentifier", {})
    if (master.get("system"), master.get("value")) != letter.identifier or not is_fhir_id(
        str(made.get("id"))
    ):
        raise PeerUnavailable(f"node {member.node} did not say that it keeps the document; publish it again")
    return made


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
