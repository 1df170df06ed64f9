"""PDQm ITI-78: another node looks for the patient in front of its clinician (EU Health Data API).

A token without a patient opens nothing but this. What is asked must be enough to point at one person by the
law of this node's country (`primary.demographics`). The answer is the one who matches, or nobody: also where
several match, and nothing tells that from none. A person whose records were merged is answered by the record
that stays; the merged record that matched comes along as an include. A person whom a citizen registered is no
answer before staff confirm them. A node asks only so often in a minute and on a day (`store.lookups`, counted
for all processes), and every question is a leaf. Searches of local callers and of those bound to a patient
are the FHIR face's.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from salus.core.access import Action, Caller, Purpose
from salus.core.errors import InvalidSearch, MethodNotAllowed, Throttled
from salus.federation.clients import LOOKUP
from salus.primary.demographics import BIRTH_PLACE, NAMES, PARAMETERS, check_lookup, every_spelling, fits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.labels import ASSERTED
from salus.standards.fhir.query_string import Pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.named import named_by
from salus.standards.fhir.search.query import Query
from salus.store import search
from salus.store.lookups import count_lookup
from salus.store.merged import persons_of
from salus.store.search import Page
from salus.trust.identity import authenticate
from salus.web.fhir import face as fhir
from salus.web.fhir.answer import Answer, marked
from salus.web.fhir.door import pass_gate
from salus.web.fhir.exchanged import counted
from salus.web.fhir.limits_told import head_for
from salus.web.fhir.request import FhirRequest
from salus.web.fhir.search import bundle, note_named, with_form
from salus.web.fhir_door import delegating
from salus.web.services import Face, Services

NAMESAKES_MAX = 100
_NOT_SEARCHED = frozenset({"_count", BIRTH_PLACE})


def face(services: Services) -> Face:
    """Return the door of patient lookups."""
    return delegating(services, ("/fhir/Patient/_search",), respond)


async def respond(services: Services, request: FhirRequest) -> Answer:
    """Answer a lookup, or let the FHIR face answer what is none."""
    caller = authenticate(
        services.doorkeeper, request.header("authorization") or None, request.proven_key, request.asked
    )
    if LOOKUP not in caller.scopes:
        return await fhir.respond(services, request)
    if request.method != "POST" or request.segments != ("Patient", "_search"):
        raise MethodNotAllowed("A lookup between nodes is a POST, so that no log keeps what is asked.")
    if request.pairs:
        raise InvalidSearch("Send the parameters in the body; a query may end up in a log.")
    pairs = (await with_form(request)).pairs
    return await counted(services, caller, request, look_up(services, pairs, caller))


async def look_up(services: Services, pairs: Pairs, caller: Caller) -> Answer:
    """Answer the patient that the demographics point at, or nobody.

    Raises:
        InvalidSearch: they do not point at a person, or a national number breaks its country's rule.
        Throttled: the node asks too often.
    """
    looking = msgspec.structs.replace(caller, scopes=("system/Patient.rs",))
    what = f"Patient?{','.join(sorted({name for name, _ in pairs} & PARAMETERS))}"
    async with pass_gate(services, looking, Action.SEARCH, "Patient", what) as access:
        await _count(services, caller)
        check_lookup(pairs, services.gatehouse.law.lookup_parameters.value)
        query = query_of(services, pairs)
        page = await search.search(access.grant, services.database, query, key=services.keys.search)
        found = [one for one in page.resources if fits(parse_json(one.content, services.limits), pairs)]
        persons, gone = await persons_of(access.grant, services.database, found)
        if page.next_cursor or len(persons) != 1:
            persons, gone = [], []
        for resource in (*persons, *gone):
            access.record(resource.patients)
        await note_named(services, access, named_by(query), found=len(persons))
    answered = Page(tuple(persons), tuple(gone), "", None)
    head = head_for(caller, "searchset")
    body = bundle(services.fhir_base, f"{services.fhir_base}/Patient", query, answered, (), head)
    return marked(Answer(200, body), caller)


async def _count(services: Services, caller: Caller) -> None:
    """Count the question.

    Raises:
        Throttled: the node has asked as often as it may.
    """
    limits, emergency = services.limits, caller.purpose is Purpose.EMERGENCY
    asked = await count_lookup(
        services.database,
        caller.node or caller.subject,
        services.clock(),
        emergency=emergency,
        per_minute_max=limits.lookups_per_minute_max,
    )
    if asked.minute > limits.lookups_per_minute_max:
        raise Throttled(
            f"A node looks up at most {limits.lookups_per_minute_max} patients in a minute; "
            "ask again in the next."
        )
    if asked.day > limits.lookups_per_day_max:
        raise Throttled(
            f"A node looks up at most {limits.lookups_per_day_max} patients on a day (UTC); "
            "ask tomorrow, or ask this node's operator for more."
        )


def query_of(services: Services, pairs: Pairs) -> Query:
    """Return the search for all who may fit; `primary.demographics.fits` tells who does."""
    spelled: dict[str, Callable[[str], str]] = dict.fromkeys(NAMES, _first_word)
    spelled["identifier"] = every_spelling
    asked = [(name, spelled.get(name, str)(text)) for name, text in pairs if name not in _NOT_SEARCHED]
    return parse_query(
        "Patient",
        [*asked, ("_security:not", ASSERTED), ("_count", str(NAMESAKES_MAX))],
        services.limits,
        strict=True,
        base=services.fhir_base,
        registry=services.database.parameters.searching,
    )


def _first_word(text: str) -> str:
    """Return what a name begins with; its other words may stand in another element of the Patient."""
    return text.split()[0]
