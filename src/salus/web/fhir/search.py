"""search by GET and POST, of a type or a patient's compartment (http://hl7.org/fhir/R4/http.html#search)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from salus.core.access import Action, Caller
from salus.core.errors import NotFound, NotSupported, UnsupportedMedia
from salus.primary.medications import sent_along
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.model import compartments
from salus.standards.fhir.query_string import Pairs, format_pairs, parse_pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.named import Named, named_by
from salus.standards.fhir.search.query import Query
from salus.store import search
from salus.store.concerned import Touched, concerned
from salus.store.merged import Merges, merges
from salus.store.rows import StoredResource
from salus.store.search import Page
from salus.trust.gate import Access
from salus.web.fhir.answer import UNLIMITED, Answer, join_bundle, resource_bytes, text_bytes
from salus.web.fhir.door import known_id, known_type, pass_gate
from salus.web.fhir.limits_told import head_for
from salus.web.fhir.negotiation import answer_format, body_media
from salus.web.fhir.on_demand import added, asks_for_documents
from salus.web.fhir.request import FhirRequest, first, read_body
from salus.web.fhir.subset import Subset
from salus.web.problems import issue, outcome
from salus.web.services import Services

FORM = "application/x-www-form-urlencoded"
CURSOR = "_cursor"
PATIENT_PARAMETERS = frozenset({"patient", "subject", "patient:Patient", "subject:Patient"})
NOT_ASKED = frozenset({"_format", "_pretty"})


async def of_type(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer a search of one type."""
    return await answer(services, request, caller, known_type(request.segments[0]), request.pairs, "")


async def in_compartment(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer a search within a patient's compartment, such as Patient/1/Observation."""
    identity, kind = known_id(request.segments[1]), known_type(request.segments[2])
    if request.segments[0] != "Patient" or kind not in compartments()["Patient"]:
        raise NotFound("There is no such compartment; the node knows Patient/[id]/[type].")
    return await answer(services, request, caller, kind, request.pairs, identity)


async def of_system(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer a search at the FHIR base: of the one type that _type names.

    Raises:
        NotSupported: it names none, or several.
    """
    named = [text for name, text in request.pairs if name == "_type"]
    if len(named) != 1 or "," in named[0]:
        raise NotSupported("A search at the FHIR base is of one type: name it, as in _type=Patient.")
    pairs = tuple(pair for pair in request.pairs if pair[0] != "_type")
    return await answer(services, request, caller, known_type(named[0]), pairs, "")


async def with_form(request: FhirRequest) -> FhirRequest:
    """Return a search by POST as one whose parameters stand in the address; any other request as it is.

    In a body no log on the way keeps them. `_format` and `_pretty` may stand there as well.

    Raises:
        UnsupportedMedia: the body is no form.
        NotAcceptable: it asks for a format that the node cannot write.
    """
    if request.method != "POST" or request.segments[-1:] != ("_search",):
        return request
    if body_media(request.header("content-type")).name != FORM:
        raise UnsupportedMedia(f"A search by POST is sent as {FORM}.")
    sent = parse_pairs((await read_body(request)).strip())
    override = first(sent, "_format")
    return msgspec.structs.replace(
        request,
        pairs=(*request.pairs, *(pair for pair in sent if pair[0] not in NOT_ASKED)),
        format=request.format if override is None else answer_format("", override),
        pretty=request.pretty or first(sent, "_pretty") == "true",
        has_format=request.has_format or override is not None,
    )


async def answer(
    services: Services, request: FhirRequest, caller: Caller, kind: str, pairs: Pairs, patient: str
) -> Answer:
    """Answer one page of a search; asked of a person with merged records, it asks of all of them."""
    known = await merges(services.database, services.clock())
    pairs = with_merged(known, kind, pairs)
    registry = services.database.parameters.searching
    query = parse_query(
        kind,
        pairs,
        services.limits,
        registry=registry,
        strict=request.preference.strict,
        base=services.fhir_base,
        now=services.clock(),
    )
    if patient:
        query = msgspec.structs.replace(query, compartment=patient)
    patients = frozenset((patient,)) if patient else None
    what = query.what
    passage = pass_gate(services, caller, Action.SEARCH, kind, what, patients=patients, narrows=True)
    async with passage as access:
        named = named_by(query)
        access.concern(named.patients)
        access.include(known.beside(access.grant.patients or ()))
        page = await search.search(
            access.grant, services.database, query, key=services.keys.search, registry=registry
        )
        page = await _as_prescribed(services, access, page)
        for resource in (*page.resources, *page.included):
            access.record(resource.patients)
        access.concern(page.counted)
        await note_named(services, access, named, found=len(page.resources))
        persons = [patient] if patient else patients_named(kind, pairs)
        composed: list[bytes] = []
        if persons and asks_for_documents(kind, pairs):
            composed, number, complete = await added(services, access, query, page, persons, subset_of(query))
            page = with_more(page, number)
            composed += [] if complete else [entry_of_too_many()]
        await access.begin()
        address = f"{services.fhir_base}/{f'Patient/{patient}/' if patient else ''}{kind}"
        notes = entries_of_merges(known, persons, included=not patient) if known.stays else ()
        parts = (*page.resources, *page.included) if subset_of(query) else ()  # whole ones are not parsed
        size = sum(len(resource.content) for resource in parts)
        share = services.database.shares.of(caller)
        head = head_for(caller, "searchset")
        said = [*composed, *notes]
        body = await share.beside(size, bundle, services.fhir_base, address, query, page, said, head)
    return Answer(200, body)


def with_more(page: Page, number: int) -> Page:
    """Return the page with so many more in its total, where it has one."""
    return page if page.total is None else msgspec.structs.replace(page, total=page.total + number)


async def _as_prescribed(services: Services, access: Access, page: Page) -> Page:
    """Return the page with the Medications that go along in the versions that its prescriptions mean."""
    if not page.included:
        return page
    found = (*page.resources, *page.included)
    included = await sent_along(access.grant, services.database, found, page.included, UNLIMITED)
    return msgspec.structs.replace(page, included=tuple(included))


async def note_named(services: Services, access: Access, named: Named, *, found: int) -> None:
    """Note whose the resources and identifiers are that a search names, unless all it names was `found`."""
    if access.grant.patients is not None or not named.needs_looking_up(found=found):
        return
    touched = Touched()
    touched.add(named)
    access.concern(await concerned(access.grant, services.database, touched, key=services.keys.search))


def with_merged(known: Merges, kind: str, pairs: Pairs) -> Pairs:
    """Return the search with every patient that it names followed by the other records of the same person."""
    if not known.stays:
        return pairs
    found = []
    for name, text in pairs:
        named = patients_named(kind, ((name, text),))
        more = known.beside(named)
        found.append((name, ",".join([text, *(f"Patient/{each}" for each in sorted(more))])))
    return tuple(found)


def patients_named(kind: str, pairs: Pairs) -> list[str]:
    """Return the ids of the patients that the search names by patient or subject."""
    texts = [text for name, text in pairs if kind != "Patient" and name in PATIENT_PARAMETERS]
    parts = [part.strip().rpartition("/") for text in texts for part in text.split(",")]
    return [part[2] for part in parts if part[0].rpartition("/")[2] in ("", "Patient")]


def entries_of_merges(known: Merges, patients: Sequence[str], *, included: bool = True) -> list[bytes]:
    """Return the entries that say that a patient asked for has merged records, or was merged into another."""
    notes = []
    for patient in patients:
        gone = sorted(known.goes.get(patient, ()))
        stays = known.survivor(patient)
        if gone and stays == patient:
            other = f"Patient/{', Patient/'.join(gone)}"
            verb = "is included" if included else f"is not included: ask with patient=Patient/{patient}"
            notes.append(f"Patient/{patient} is the same person as {other}; what is there {verb}.")
        if stays != patient:
            rest = "what is there is included" if included else f"ask with patient=Patient/{stays}"
            notes.append(f"Patient/{patient} was merged into Patient/{stays}; {rest}.")
    return [entry_of_outcome("informational", note, severity="information") for note in notes]


def bundle(
    base: str,
    address: str,
    query: Query,
    page: Page,
    notes: Sequence[bytes],
    head: dict[str, Any],  # Any: open JSON
) -> bytes:
    """Return the searchset Bundle of a page, assembled from the resources' bytes after its head."""
    if page.total is not None:
        head["total"] = page.total
    head["link"] = links(address, query, page.next_cursor)
    subset = subset_of(query)
    entries = [entry_of(base, one, part_of(one, subset), "match") for one in page.resources]
    entries += [entry_of(base, one, part_of(one, subset), "include") for one in page.included]
    if query.ignored:
        entries.append(entry_of_ignored(query.ignored))
    if page.left_out:
        entries.append(entry_of_left_out(page.left_out))
    return join_bundle(head, [*entries, *notes])


def links(address: str, query: Query, next_cursor: str) -> list[dict[str, str]]:
    """Return the links self, which says how the search was understood, and next."""
    applied = list(query.applied)
    found = [{"relation": "self", "url": f"{address}?{format_pairs(applied)}" if applied else address}]
    if next_cursor:
        found.append(
            {"relation": "next", "url": f"{address}?{format_pairs([*applied, (CURSOR, next_cursor)])}"}
        )
    return found


def subset_of(query: Query) -> Subset | None:
    """Return which part of each resource was asked for, None for all of it."""
    if query.summary in ("true", "text", "data"):
        return Subset(summary=query.summary)
    return Subset(elements=frozenset(query.elements)) if query.elements else None


def part_of(resource: StoredResource, subset: Subset | None) -> bytes:
    """Return a resource's bytes, or those of the part asked for."""
    body = resource_bytes(resource)
    return body if subset is None else subset.of_bytes(body)


def entry_of(base: str, resource: StoredResource, body: bytes, mode: str) -> bytes:
    """Return the Bundle entry of a match or an include."""
    address = text_bytes(f"{base}/{resource.type}/{resource.id}")
    return b'{"fullUrl":%b,"resource":%b,"search":{"mode":"%b"}}' % (address, body, mode.encode())


def entry_of_ignored(names: tuple[str, ...]) -> bytes:
    """Return the entry that says which parameters were left out, so that no silence misleads."""
    listed = ", ".join(names[:20])
    text = f"Not known here, and left out: {listed}."
    return entry_of_outcome("not-supported", text)


def entry_of_left_out(types: Sequence[str]) -> bytes:
    """Return the entry that says which types the caller may not read and the answer therefore does not hold.

    It says so of the policy, whether or not anything of these types is stored.
    """
    listed = ", ".join(types)
    return entry_of_outcome("forbidden", f"Your role or scopes do not let you read {listed}: left out.")


def entry_of_too_many() -> bytes:
    """Return the entry that says that more documents could be composed than were looked at."""
    return entry_of_outcome(
        "too-costly", "The record holds more of which documents can be made: search for what they are about."
    )


def entry_of_outcome(code: str, text: str, *, severity: str = "warning") -> bytes:
    """Return the entry of a warning or a remark about the answer itself."""
    resource = outcome([issue(severity, code, text)])
    return write_json({"resource": resource, "search": {"mode": "outcome"}}).replace(b"<", b"\\u003c")
