"""The terminology operations on the wire (R4 terminology-service.html), answered beside the event loop.

Definitions come from those sent along, the packages in DATA/packages, the releases loaded into
DATA/terminology, the grammars, and of what none of these defines from those stored on the node.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from salus.core.access import Action, Caller, Grant
from salus.core.errors import MalformedContent
from salus.standards.fhir.bundle import Resource
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.shipped import shipped_book
from salus.standards.fhir.profiles.tables import shipped_shelf
from salus.standards.terminology.asked import REPEATED
from salus.standards.terminology.codesystem import ValueSet
from salus.standards.terminology.defined import DefinedSystem
from salus.standards.terminology.forms import as_r4
from salus.standards.terminology.issues import TerminologyRefused
from salus.standards.terminology.issues import outcome as outcome_of
from salus.standards.terminology.library import Beneath, Layers, Library
from salus.standards.terminology.operations import Occasion, run
from salus.store import resources
from salus.store.definitions import Stored
from salus.store.shares import LARGE_BYTES, beside
from salus.store.terminology import PACKAGES, RELEASES, SUFFIX
from salus.store.terminology_packages import library_in, terminology_of
from salus.web.fhir import bodies
from salus.web.fhir.answer import UNLIMITED, Answer, json_answer
from salus.web.fhir.door import known_id, pass_gate
from salus.web.fhir.negotiation import body_format
from salus.web.fhir.request import FhirRequest, read_body
from salus.web.services import Services

WEIGHT = LARGE_BYTES + 1
"""What a question counts as until its cost is known: enough to be answered in a thread."""
_BOOLEANS = frozenset({"true", "false"})


@cache
def installed(data: Path) -> Library:
    """Return the packages and releases of a node; packages are read once, releases when they change."""
    return library_in([data / PACKAGES], data / RELEASES)


def book(data: Path) -> Book:
    """Return the shipped profiles, their open bindings answered by the node's releases."""
    return _book(data) if any((data / RELEASES).glob(f"*{SUFFIX}")) else shipped_book()


@cache
def _book(data: Path) -> Book:
    shelf = shipped_shelf()
    return Book(shelf, terminology_of(shelf, [data / PACKAGES], data / RELEASES))


@cache
def _stored(data: Path) -> Stored:
    return Stored()


async def answer(services: Services, request: FhirRequest, caller: Caller, name: str) -> Answer:
    """Answer a terminology operation of the resource type in the address, or of the resource there.

    Raises:
        SalusError: the caller may not ask, or what was sent cannot be read.
    """
    kind = request.segments[0]
    parameters = await parameters_of(services, request, name)
    passage = pass_gate(services, caller, Action.SEARCH, kind, f"{kind}/${name}")
    async with passage as access:
        library = await library_of(services, access.grant)
        resource = None
        if len(request.segments) == 3:
            found = await resources.read(access.grant, services.database, kind, known_id(request.segments[1]))
            resource = parse_json(found.content, UNLIMITED)
        access.record(())
    occasion = _occasion(services, request, resource)
    share = services.database.shares.of(caller)

    def work() -> Answer:
        return _answered(f"{kind}/${name}", parameters, library, occasion)

    return await share.beside(WEIGHT, work)


def _answered(operation: str, parameters: Resource, library: Library, occasion: Occasion) -> Answer:
    try:
        return json_answer(200, as_r4(run(operation, parameters, library, occasion)))
    except TerminologyRefused as error:
        return json_answer(error.http_status, outcome_of([error.finding, *error.more]))


def _occasion(services: Services, request: FhirRequest, resource: Resource | None) -> Occasion:
    kind = request.segments[0]
    return Occasion(
        identifier=f"urn:uuid:{uuid.uuid4()}",
        timestamp=services.clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
        accepted=request.header("accept-language"),
        is_late=deadline(services.limits.terminology_ms_max),
        codes_max=services.limits.expansion_codes_max,
        system=DefinedSystem(resource) if resource and kind == "CodeSystem" else None,
        value_set=ValueSet(resource) if resource and kind == "ValueSet" else None,
        concept_map=resource if resource and kind == "ConceptMap" else None,
    )


async def library_of(services: Services, grant: Grant) -> Library:
    """Return the node's packages, releases and grammars, and what is stored of other canonicals."""
    own, known = await _stored(services.data).current(grant, services.database), installed(services.data)
    return Layers([known, Beneath(own, known)])


def deadline(ms: int) -> Callable[[], bool]:
    """Return a test of whether so many milliseconds from now are over."""
    end = time.monotonic() + ms / 1000
    return lambda: time.monotonic() > end


async def parameters_of(services: Services, request: FhirRequest, name: str) -> Resource:
    """Return query and body as one Parameters; a bare resource is what the operation is about.

    Raises:
        MalformedContent: the body is neither.
    """
    rows: list[dict[str, Any]] = [_row(key, text) for key, text in request.pairs]
    if request.method == "POST" and request.header("content-length") != "0":
        body = await read_body(request)
        if body:
            form = body_format(request.header("content-type"))
            sent, _ = await beside(len(body), bodies.parse, body, form, services.limits)
            rows += _rows_of(sent, name)
    return {"resourceType": "Parameters", "parameter": rows}


def _rows_of(sent: Resource, name: str) -> list[dict[str, Any]]:
    kind = sent.get("resourceType")
    if kind == "Parameters":
        return [one for one in sent.get("parameter", ()) if isinstance(one, dict)]
    if kind in ("ValueSet", "CodeSystem", "ConceptMap"):
        return [{"name": str(kind)[0].lower() + str(kind)[1:], "resource": sent}]
    raise MalformedContent(f"The body of ${name} is a Parameters resource; send one.")


def _row(key: str, text: str) -> dict[str, Any]:
    if key not in REPEATED and text in _BOOLEANS:
        return {"name": key, "valueBoolean": text == "true"}
    return {"name": key, "valueString": text}
