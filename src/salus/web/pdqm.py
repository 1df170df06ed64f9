"""PDQm ITI-78: another node looks for the patient in front of its clinician (EU Health Data API).

A token without a patient opens nothing but this. What is asked must be enough to point at one person
(`primary.demographics`). All that match are answered, at most five; nobody is picked for the asker. A person
whose records were merged is answered once, by the record that stays; the merged record that matched comes
along as an include. A person whom a citizen registered is no answer before staff confirm them. A node asks
only so often in a minute, and every question is a leaf. Searches of local callers and of those bound to a
patient are the FHIR face's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial

import msgspec

from salus.core.access import Action, Caller
from salus.core.errors import InvalidSearch, MethodNotAllowed, Throttled, TooCostly
from salus.federation.clients import LOOKUP
from salus.primary.demographics import NAMES, PARAMETERS, check_lookup, every_spelling, fits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.labels import ASSERTED
from salus.standards.fhir.query_string import Pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.named import named_by
from salus.standards.fhir.search.query import Query
from salus.store import search
from salus.store.merged import persons_of
from salus.store.search import Page
from salus.trust.identity import authenticate
from salus.web.fhir import face as fhir
from salus.web.fhir.answer import Answer, marked
from salus.web.fhir.door import pass_gate
from salus.web.fhir.request import FhirRequest
from salus.web.fhir.search import bundle, note_named, with_form
from salus.web.fhir_door import delegating
from salus.web.services import Face, Services

CANDIDATES_MAX = 5
NAMESAKES_MAX = 100


class Rates:
    """Look-ups of the current minute by node, in this process."""

    __slots__ = ("_counts", "_minute")

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._minute = 0

    def note(self, node: str, now: datetime, *, per_minute_max: int) -> None:
        """Count one look-up.

        Raises:
            Throttled: the node has asked as often as it may.
        """
        minute = int(now.timestamp()) // 60
        if minute != self._minute:
            self._minute, self._counts = minute, Counter()
        self._counts[node] += 1
        if self._counts[node] > per_minute_max:
            raise Throttled(
                f"A node looks up at most {per_minute_max} patients in a minute; ask again in the next."
            )


def face(services: Services) -> Face:
    """Return the door of patient lookups."""
    return delegating(services, ("/fhir/Patient/_search",), partial(respond, rates=Rates()))


async def respond(services: Services, request: FhirRequest, *, rates: Rates) -> Answer:
    """Answer a lookup, or let the FHIR face answer what is none."""
    caller = authenticate(services.doorkeeper, request.header("authorization") or None, request.proven_key)
    if LOOKUP not in caller.scopes:
        return await fhir.respond(services, request)
    if request.method != "POST" or request.segments != ("Patient", "_search"):
        raise MethodNotAllowed("A lookup between nodes is a POST, so that no log keeps what is asked.")
    if request.pairs:
        raise InvalidSearch("Send the parameters in the body; a query may end up in a log.")
    return await look_up(services, (await with_form(request)).pairs, caller, rates)


async def look_up(services: Services, pairs: Pairs, caller: Caller, rates: Rates) -> Answer:
    """Answer the patients that the demographics point at.

    Raises:
        InvalidSearch: they do not point at a person, or a national number breaks its country's rule.
        Throttled: the node asks too often.
        TooCostly: more than a few match.
    """
    looking = msgspec.structs.replace(caller, scopes=("system/Patient.rs",))
    what = f"Patient?{','.join(sorted({name for name, _ in pairs} & PARAMETERS))}"
    async with pass_gate(services, looking, Action.SEARCH, "Patient", what) as access:
        per_minute_max = services.limits.lookups_per_minute_max
        rates.note(caller.node or caller.subject, services.clock(), per_minute_max=per_minute_max)
        check_lookup(pairs)
        query = query_of(services, pairs)
        page = await search.search(access.grant, services.database, query, key=services.keys.search)
        found = [one for one in page.resources if fits(parse_json(one.content, services.limits), pairs)]
        persons, gone = await persons_of(access.grant, services.database, found)
        if page.next_cursor or len(persons) > CANDIDATES_MAX:
            raise TooCostly("More than five persons match; add an identifier or more of the name.")
        for resource in (*persons, *gone):
            access.record(resource.patients)
        await note_named(services, access, named_by(query), found=len(found))
    candidates = Page(tuple(persons), tuple(gone), "", None)
    body = bundle(services.fhir_base, f"{services.fhir_base}/Patient", query, candidates)
    return marked(Answer(200, body), caller)


def query_of(services: Services, pairs: Pairs) -> Query:
    """Return the search for all who may fit; `primary.demographics.fits` tells who does."""
    spelled: dict[str, Callable[[str], str]] = dict.fromkeys(NAMES, _first_word)
    spelled["identifier"] = every_spelling
    asked = [(name, spelled.get(name, str)(text)) for name, text in pairs if name != "_count"]
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
