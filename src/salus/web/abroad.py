"""For the professionals of this node: a patient of another country, by JSON, at /abroad.

The standards speak between nodes (PDQm, MHD, IPA; see `salus.primary.cross_border`); this is the door by
which a local system asks its own node to speak for it. Every call is a POST with a bearer token, so that no
address holds what is asked; the token's purpose of use and the stated relationship go with the question.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request

from salus.core.access import Caller
from salus.core.errors import MalformedContent, MethodNotAllowed, NotFound
from salus.core.identifiers import is_fhir_id
from salus.primary import cross_border, dispensing_abroad
from salus.primary.cross_border import Fetched, PatientAbroad, Resource
from salus.primary.demographics import check_lookup
from salus.primary.desk import Desk, why_not
from salus.primary.dispensable import Remaining
from salus.primary.dispensing_abroad import Dispensed
from salus.primary.publishing_abroad import Letter, publish_document
from salus.primary.supplies import Supply
from salus.standards.fhir.codec.json import parse_json_value, write_json
from salus.standards.fhir.validation.aspects import STRUCTURE
from salus.standards.fhir.validation.validator import validate
from salus.store.dispensed_abroad import DispensedAbroad
from salus.store.peer_notices_received import shown_to_professionals
from salus.trust.explain import LIMITED
from salus.trust.identity import authenticate
from salus.trust.jurisdictions.law import NEUTRAL, jurisdiction_of
from salus.web.proof import proven
from salus.web.services import Face, Receive, Scope, Send, Services

PREFIX = "/abroad"
BODY_BYTES_MAX = 8 * 1024 * 1024
MESSAGES_MAX = 5
QUANTITY_MAX = Decimal(1_000_000)
T = TypeVar("T", bound=msgspec.Struct)
# What goes on to another node, or into this one's own lines: no control characters.
Text = Annotated[str, Meta(max_length=200, pattern=r"\A[^\x00-\x1f\x7f]*\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\A[^\x00-\x1f\x7f]*\Z")]
FhirId = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9.-]{1,64}\Z")]
Countries = Annotated[tuple[Name, ...], Meta(max_length=100)]


class Whom(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A patient abroad as the caller names one, with what ties the caller to them (`smart.asker`)."""

    node: Name
    id: FhirId
    relationship: Literal["present", "in-care", "emergency", "none"] = "none"
    presence_code: Text = ""
    document: Text = ""
    reason: Text = ""

    @property
    def patient(self) -> PatientAbroad:
        """Return the patient as `salus.primary` knows one."""
        return PatientAbroad(
            self.node, self.id, {}, self.relationship, self.presence_code, self.document, self.reason
        )


class Looked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whom to look for: an identifier "system|value", or what the law of the home asks for instead of one."""

    identifier: Text = ""
    family: Text = ""
    given: Text = ""
    birthdate: Text = ""
    gender: Text = ""
    birth_place: Text = ""
    countries: Countries = ()

    @property
    def demographics(self) -> dict[str, str]:
        """Return what is given of the person, as `primary.demographics` calls it."""
        given = msgspec.structs.asdict(self)
        return {name.replace("_", "-"): text for name, text in given.items() if text and name != "countries"}


class Document(Whom, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A document of the patient, by its DocumentReference as listed."""

    reference: dict[str, Any]


class Publication(Whom, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A document for the patient's home; `data` is base64, `type` a LOINC code with its display."""

    data: str
    media_type: Name
    title: Text
    type: tuple[Name, Text]
    identifier: tuple[Name, Name]
    replaces: tuple[Name, Name] | None = None


class HandOver(Whom, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A hand-over on a prescription as listed; `dispense_id` is (system, value), new for each hand-over.

    The prescription is read again at home, and must still be what was listed. `medication` is the product
    given (CodeableConcept), where it is not the one prescribed. `early_reason`: why it is handed over before
    its time.
    """

    prescription: dict[str, Any]
    dispense_id: tuple[Name, Name]
    quantity: Decimal | None = None
    medication: dict[str, Any] | None = None
    early_reason: Text = ""

    def __post_init__(self) -> None:
        """Check the quantity, which arithmetic and the other node must be able to take."""
        amount = self.quantity
        if amount is not None and not (amount.is_finite() and 0 < amount <= QUANTITY_MAX):
            raise ValueError(f"quantity must be a number over 0, at most {QUANTITY_MAX}")


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body without members."""


class TakeBack(Whom, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A hand-over that is to be discarded: its dispense id, or the dispensation as recorded.

    `prescription` may come along as it was listed; it is not read.
    """

    dispense_id: tuple[Name, Name] | None = None
    dispensation: dict[str, Any] | None = None
    prescription: dict[str, Any] | None = None


class GiveUp(Whom, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A hand-over that was begun and whose answer is missing."""

    dispense_id: tuple[Name, Name]


def face(services: Services) -> Face:
    """Return the door."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        handler = ROUTES.get(scope["path"].removeprefix(PREFIX))
        if handler is None:
            raise NotFound(f"Ask at {', '.join(PREFIX + path for path in ROUTES)}.")
        if scope["method"] != "POST":
            raise MethodNotAllowed("Ask by POST, so that no address holds what is asked.")
        request = Request(scope, receive)
        caller = authenticate(
            services.doorkeeper, request.headers.get("authorization"), proven(request.scope)
        )
        found = await handler(desk_of(services, caller), await _body(request))
        answer = write_json(found | NOTICE if handler in READS else found)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return Face((PREFIX,), application, {PREFIX + path: ("POST",) for path in ROUTES})


def desk_of(services: Services, caller: Caller) -> Desk:
    """Return the desk from which the caller asks abroad."""
    return Desk(
        caller,
        services.gatehouse,
        services.peers,
        services.database,
        services.keys.search,
        services.witnesses,
    )


async def _patients(desk: Desk, body: bytes) -> Resource:
    asked = _read(desk, body, Looked)
    if not why_not(desk.caller):  # who may not ask is told that, and it is written down
        _check_question(desk, asked)
    found, milliseconds = await cross_border.find_patients(
        desk, asked.demographics, countries=asked.countries
    )
    candidates = [each for listed in found.answers.values() for each in listed]
    return {
        "candidates": [{"node": each.node, "id": each.id, "patient": each.resource} for each in candidates],
        "answered": list(found.answers),
        "silent": [
            *({"node": node, "reason": reason} for node, reason in found.silent),
            *({"node": "", "reason": f"no member node in {each}"} for each in _unreached(desk, asked)),
        ],
        "milliseconds": round(milliseconds, 1),
    }


def _check_question(desk: Desk, asked: Looked) -> None:
    """Check that the question points at one person, and that there is somebody to ask.

    The home node judges by the law of its country; here it is enough that one of those asked would answer.

    Raises:
        InvalidSearch: it is empty or incomplete.
        NotFound: no member can be asked.
    """
    countries = _countries(desk).intersection(asked.countries or _countries(desk)) or {NEUTRAL}
    ways = [way for each in sorted(countries) for way in jurisdiction_of(each).lookup_parameters.value]
    check_lookup(tuple(asked.demographics.items()), ways)
    if asked.countries and len(_unreached(desk, asked)) == len(asked.countries):
        raise NotFound(
            f"There is no member node in {', '.join(asked.countries)[:100]}; nobody was asked. "
            "Countries are ISO 3166-1 alpha-2, such as PT."
        )
    if not _countries(desk):
        raise NotFound("There is no other member node in the federation; nobody was asked.")


def _unreached(desk: Desk, asked: Looked) -> list[str]:
    """Return the countries asked for in which no other node is a member."""
    return [each for each in asked.countries if each not in _countries(desk)]


def _countries(desk: Desk) -> set[str]:
    peers = desk.peers
    return {each.country for each in peers.membership.others(peers.node, peers.clock())}


async def _summary(desk: Desk, body: bytes) -> Resource:
    return _fetched(await cross_border.fetch_summary(desk, _read(desk, body, Whom).patient))


async def _documents(desk: Desk, body: bytes) -> Resource:
    listed = await cross_border.list_documents(desk, _read(desk, body, Whom).patient)
    return {
        "documents": listed.resources,
        "complete": listed.complete,
        "home_says": shown_to_professionals(listed.home_says),
        "milliseconds": round(listed.milliseconds, 1),
    }


async def _document(desk: Desk, body: bytes) -> Resource:
    asked = _read(desk, body, Document)
    return _fetched(await cross_border.fetch_document(desk, asked.patient, asked.reference))


async def _publish(desk: Desk, body: bytes) -> Resource:
    asked = _read(desk, body, Publication)
    try:
        content = base64.b64decode("".join(asked.data.split()), validate=True)
    except ValueError as error:
        raise MalformedContent("data is not base64.") from error
    letter = Letter(
        body=content, media_type=asked.media_type, title=asked.title, kind=asked.type,
        identifier=asked.identifier, replaces=asked.replaces,
    )  # fmt: skip
    return {"document": await publish_document(desk, asked.patient, letter)}


async def _prescriptions(desk: Desk, body: bytes) -> Resource:
    found = await dispensing_abroad.list_prescriptions(desk, _read(desk, body, Whom).patient)
    listed = [
        {
            "prescription": each.resource,
            "left": _left(each.left),
            "is_valid": each.is_valid,
            "why_not": each.why_not,
            "copies": each.item.copies,
            "medication": each.medication,
            "most": None if each.most is None else each.most.value,
        }
        for each in found
    ]
    return {"prescriptions": listed}


async def _dispense(desk: Desk, body: bytes) -> Resource:
    asked = _read(desk, body, HandOver)
    substituted = asked.medication is not None
    early = asked.early_reason.strip()
    supply = Supply(asked.dispense_id, asked.quantity, asked.medication, substituted, early_reason=early)
    prescription = _listed(asked.prescription, "MedicationRequest")
    return _dispensed(await dispensing_abroad.dispense(desk, asked.patient, prescription, supply))


async def _discard(desk: Desk, body: bytes) -> Resource:
    asked = _read(desk, body, TakeBack)
    if asked.dispensation is not None:
        dispense_id = dispensing_abroad.dispense_id_of(_listed(asked.dispensation, "MedicationDispense"))
        if asked.dispense_id not in (None, dispense_id):
            raise MalformedContent("dispense_id is not that of the dispensation; send one of the two.")
    elif asked.dispense_id is not None:
        dispense_id = asked.dispense_id
    else:
        raise MalformedContent("Send dispense_id, or the dispensation as it was recorded.")
    return _dispensed(await dispensing_abroad.discard(desk, asked.patient, dispense_id))


async def _abandon(desk: Desk, body: bytes) -> Resource:
    """Give up a hand-over whose answer is missing: whatever became of it at home is taken back."""
    asked = _read(desk, body, GiveUp)
    return _line(desk, await dispensing_abroad.abandon(desk, asked.patient, asked.dispense_id))


async def _finish(desk: Desk, body: bytes) -> Resource:
    """Send again every message of this pharmacy whose answer is missing; the body is {}."""
    _read(desk, body, Nothing)
    found = await dispensing_abroad.finish_open(desk)
    listed = [
        {"system": system, "value": value, "outcome": outcome} for (system, value), outcome in found.items()
    ]
    return {"finished": listed}


async def _handed_over(desk: Desk, body: bytes) -> Resource:
    """Answer what the caller's own pharmacy recorded of hand-overs to a patient of another node."""
    found = await dispensing_abroad.handed_over(desk, _read(desk, body, Whom).patient)
    return {"handed_over": [_line(desk, each) for each in found]}


ROUTES: dict[str, Callable[[Desk, bytes], Awaitable[Resource]]] = {
    "/patients": _patients,
    "/summary": _summary,
    "/documents": _documents,
    "/document": _document,
    "/publish": _publish,
    "/prescriptions": _prescriptions,
    "/dispense": _dispense,
    "/discard": _discard,
    "/abandon": _abandon,
    "/finish": _finish,
    "/handed-over": _handed_over,
}


READS = frozenset({_summary, _documents, _document, _prescriptions})
NOTICE = {"notice": LIMITED}
"""Told of every part of a record from abroad, whether or not the citizen has limited it (EHDS 8)."""


def _fetched(fetched: Fetched) -> Resource:
    """Return a document: its bytes as they came, and parsed where it is FHIR; `valid` is null unchecked."""
    severities = [issue.severity for issue in fetched.issues]
    errors = [f"{each.expression}: {each.message}" for each in fetched.issues if each.severity != "warning"]
    return {
        "document": fetched.resource,
        "contentType": fetched.content_type,
        "data": base64.b64encode(fetched.body).decode("ascii"),
        "bytes": len(fetched.body),
        "valid": fetched.is_valid,
        "errors": sum(severity in ("error", "fatal") for severity in severities),
        "warnings": severities.count("warning"),
        "messages": errors[:MESSAGES_MAX],
        "home_says": shown_to_professionals(fetched.home_says),
        "milliseconds": round(fetched.milliseconds, 1),
    }


def _dispensed(dispensed: Dispensed) -> Resource:
    return {
        "dispensation": dispensed.resource,
        "repeated": dispensed.repeated,
        "left": _left(dispensed.left),
        "prescription_status": dispensed.prescription_status,
    }


def _line(desk: Desk, line: DispensedAbroad) -> Resource:
    return {
        "dispense_id": [line.system, line.value],
        "prescription": line.prescription or None,
        "state": line.state,
        "note": line.note,
        "pharmacy": line.pharmacy,
        "begun": line.begun.isoformat(),
        "settled": line.settled.isoformat() if line.settled else None,
        "dispensation": parse_json_value(line.message, desk.peers.limits) if line.message else None,
    }


def _left(left: Remaining | None) -> Resource | None:
    if left is None:
        return None
    return {
        "quantity": None if left.amount is None else left.amount.value,
        "fills": left.fills,
        "none": left.none,
    }


def _read(desk: Desk, body: bytes, shape: type[T]) -> T:
    """Return the body as `shape`; decimals within resources stay as they were written."""
    found = parse_json_value(body, desk.peers.limits)
    try:
        return msgspec.convert(found, shape)
    except msgspec.ValidationError as error:
        raise MalformedContent(f"The body is not what this address takes: {error}") from error


def _listed(resource: Resource, kind: str) -> Resource:
    """Return a resource that the caller sends back as it was listed, once it has the shape of its type.

    Raises:
        MalformedContent: naming what is wrong; what is only missing is the home node's to judge.
    """
    if resource.get("resourceType") != kind or not is_fhir_id(str(resource.get("id"))):
        raise MalformedContent(f"Send the {kind} as it was listed, with its resourceType and id.")
    for issue in validate(resource, checks=STRUCTURE):
        if issue.severity == "error" and issue.code != "required":
            raise MalformedContent(f"{issue.expression}: {issue.message}")
    return resource


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            raise MalformedContent(f"The body is over {BODY_BYTES_MAX} bytes.")
    return bytes(body)
