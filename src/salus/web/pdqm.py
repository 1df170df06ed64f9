"""PDQm ITI-78: another node looks for the patient in front of its clinician (EU Health Data API).

A token without a patient opens nothing but this. What is asked must be enough to point at one person: an
identifier, or the family name, a given name and the birth date. All that match are answered, at most five;
nobody is picked for the asker. Searches of local callers and of those bound to a patient are the FHIR face's.
"""

from __future__ import annotations

import msgspec

from salus.core.access import Action, Caller
from salus.core.errors import InvalidSearch, MethodNotAllowed, TooCostly
from salus.federation.clients import LOOKUP
from salus.standards.fhir.query_string import Pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.named import named_by
from salus.standards.nationalid.identifiers import holds, identifier_of_system, normalise
from salus.store import search
from salus.trust.identity import authenticate
from salus.web.fhir import face as fhir
from salus.web.fhir.answer import Answer
from salus.web.fhir.door import pass_gate
from salus.web.fhir.request import FhirRequest
from salus.web.fhir.search import bundle, form_pairs, note_named
from salus.web.fhir_door import delegating
from salus.web.services import Face, Services

CANDIDATES_MAX = 5
DEMOGRAPHICS = frozenset({"family", "given", "birthdate"})
PARAMETERS = frozenset({"identifier", "family", "given", "birthdate", "gender", "active", "_count"})


def face(services: Services) -> Face:
    """Return the door of patient lookups."""
    return delegating(services, ("/fhir/Patient/_search",), respond)


async def respond(services: Services, request: FhirRequest) -> Answer:
    """Answer a lookup, or let the FHIR face answer what is none."""
    caller = authenticate(services.doorkeeper, request.header("authorization") or None)
    if LOOKUP not in caller.scopes:
        return await fhir.respond(services, request)
    if request.method != "POST" or request.segments != ("Patient", "_search"):
        raise MethodNotAllowed("A lookup between nodes is a POST, so that no log keeps what is asked.")
    if request.pairs:
        raise InvalidSearch("Send the parameters in the body; a query may end up in a log.")
    return await look_up(services, await form_pairs(request), caller)


async def look_up(services: Services, pairs: Pairs, caller: Caller) -> Answer:
    """Answer the patients that the demographics point at.

    Raises:
        InvalidSearch: they do not point at a person, or a national number breaks its country's rule.
        TooCostly: more than a few match.
    """
    check_lookup(pairs)
    asked = [
        (name, every_spelling(text) if name == "identifier" else text)
        for name, text in pairs
        if name != "_count"
    ]
    asked.append(("_count", str(CANDIDATES_MAX + 1)))
    query = parse_query(
        "Patient",
        asked,
        services.limits,
        strict=True,
        base=services.fhir_base,
        registry=services.database.parameters.searching,
    )
    looking = msgspec.structs.replace(caller, scopes=("system/Patient.rs",))
    async with pass_gate(services, looking, Action.SEARCH, "Patient", query.what) as access:
        page = await search.search(access.grant, services.database, query, key=services.keys.search)
        if len(page.resources) > CANDIDATES_MAX:
            raise TooCostly("More than five persons match; add an identifier or more of the name.")
        for resource in page.resources:
            access.record(resource.patients)
        await note_named(services, access, named_by(query), found=len(page.resources))
    return Answer(200, bundle(services.fhir_base, f"{services.fhir_base}/Patient", query, page))


def check_lookup(pairs: Pairs) -> None:
    """Check that what is asked points at one person.

    Raises:
        InvalidSearch: naming what is missing or wrong.
    """
    names = [name.partition(":")[0] for name, _ in pairs]
    unknown = sorted({name for name, _ in pairs} - PARAMETERS)
    if unknown:
        raise InvalidSearch(f"A lookup takes {', '.join(sorted(PARAMETERS))}, without modifiers.")
    if "identifier" not in names and not set(names) >= DEMOGRAPHICS:
        raise InvalidSearch("Give an identifier (system|value), or family, given and birthdate together.")
    for name, text in pairs:
        if name == "identifier":
            check_identifier(text)


def check_identifier(text: str) -> None:
    """Check one identifier of a lookup: a system and a value, and a national number by its country's rule."""
    system, bar, number = text.partition("|")
    if not (system and bar and number) or "," in text:
        raise InvalidSearch("An identifier is asked for as one system|value.")
    if holds(system, number) is False:
        row = identifier_of_system(system)
        raise InvalidSearch(
            f"This is no {row.name if row else 'number'}: a digit is wrong; check the document."
        )


def every_spelling(text: str) -> str:
    """Return a national number as it may be stored: by URI or OID, with marks or without."""
    system, _, number = text.partition("|")
    row = identifier_of_system(system)
    if row is None:
        return text
    systems = [row.system, *([f"urn:oid:{row.oid}"] if row.oid else [])]
    numbers = dict.fromkeys((number, normalise(number)))
    return ",".join(f"{each}|{spelled}" for each in systems for spelled in numbers)
