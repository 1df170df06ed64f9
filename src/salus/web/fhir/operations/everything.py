"""Patient/$everything (R4 patient-operation-everything.html): a patient's compartment, in pages."""

from __future__ import annotations

import math
from collections.abc import Sequence

from salus.core.access import Action, Caller
from salus.core.errors import MalformedContent
from salus.primary.medications import sent_along
from salus.primary.references import split_version
from salus.standards.fhir.bundle import links
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.model import compartments
from salus.standards.fhir.query_string import Pairs
from salus.standards.fhir.search.hashing import compile_hasher
from salus.standards.fhir.search.parameters import clinical_date
from salus.standards.fhir.search.values import date_interval
from salus.store import compartment, resources
from salus.store.compartment import Cared, Position
from salus.store.directory import SHARED_TYPES
from salus.store.merged import merges
from salus.store.readable import is_open
from salus.store.rows import StoredResource
from salus.store.search_cursor import bound_to, open_mark, seal_mark
from salus.store.shares import beside
from salus.trust.gate import Access
from salus.web.fhir.answer import UNLIMITED, Answer, join_bundle, resource_bytes
from salus.web.fhir.door import known_id, known_type, pass_gate
from salus.web.fhir.history import read_count, with_query
from salus.web.fhir.limits_told import head_for
from salus.web.fhir.operation import Operation, pairs_of
from salus.web.fhir.request import FhirRequest, first, parse_instant
from salus.web.fhir.search import entries_of_merges, entry_of, entry_of_left_out
from salus.web.services import Services

CURSOR = "_cursor"
KNOWN = ("start", "end", "_since", "_type", "_count", CURSOR)


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer a page: on the first the Patient, then its compartment by type and id."""
    identity = known_id(request.segments[1])
    pairs = await pairs_of(services, request, KNOWN)
    since = first(pairs, "_since")
    moment = parse_instant(since, "_since") if since else None
    asked = types_of(pairs)
    limits = services.limits
    count = max(1, read_count(pairs, limits.page_count_default, limits.page_count_max))
    dates, mark, key = care_dates(pairs), first(pairs, CURSOR), services.keys.search
    what, patients = f"Patient/{identity}/$everything", frozenset((identity,))
    passage = pass_gate(services, caller, Action.READ, "Patient", what, patients=patients, narrows=True)
    async with passage as access:
        await resources.read(access.grant, services.database, "Patient", identity)
        known = await merges(services.database, services.clock())
        merged = known.beside([identity])
        access.include(merged)
        types = asked if first(pairs, "_type") else readable(access, asked)
        bound = bound_to(access.grant, what, [pair for pair in pairs if pair[0] not in (CURSOR, "_count")])
        after = open_mark(key, bound, mark, Position) if mark else None
        page = await compartment.page(
            access.grant, services.database, [identity, *merged], types,
            since=moment, after=after, count=count + 1,
            cared=None if dates is None else cared(services, types, dates),
        )  # fmt: skip
        more, page = len(page) > count, page[:count]
        others = [] if first(pairs, "_type") else await referred(services, access, page)
        for resource in (*page, *others):
            access.record(resource.patients)
    base, address = services.fhir_base, f"{services.fhir_base}/Patient/{identity}/$everything"
    link = [{"relation": "self", "url": with_query(address, list(pairs))}]
    if more:
        kept = [pair for pair in pairs if pair[0] != CURSOR]
        mark = seal_mark(key, bound, Position(page[-1].type, page[-1].id))
        link.append({"relation": "next", "url": with_query(address, [*kept, (CURSOR, mark)])})
    head = head_for(caller, "searchset") | {"link": link}
    entries = [entry_of(base, one, resource_bytes(one), "match") for one in page]
    entries += [entry_of(base, one, resource_bytes(one), "include") for one in others]
    if after is None and len(types) < len(asked):
        entries.append(entry_of_left_out(sorted(set(asked) - set(types))))
    entries += entries_of_merges(known, [identity])
    return Answer(200, join_bundle(head, entries))


def readable(access: Access, types: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the types that the access lets be read."""
    return tuple(name for name in types if is_open(access.grant, name))


async def referred(
    services: Services, access: Access, page: Sequence[StoredResource]
) -> list[StoredResource]:
    """Return the directory resources that a page refers to: who treated, where, with what.

    The product of a prescription is that in the version that was prescribed.
    """
    named = await beside(sum(len(resource.content) for resource in page), named_in, page)
    keys = [key for key in sorted(named) if is_open(access.grant, key[0])]
    found = await compartment.named(access.grant, services.database, keys) if keys else []
    return await sent_along(access.grant, services.database, page, found, UNLIMITED)


def named_in(page: Sequence[StoredResource]) -> set[tuple[str, str]]:
    """Return the (type, id) of the directory resources that these refer to."""
    named = (link for resource in page for link in links(parse_json(resource.content, UNLIMITED)))
    found = (split_version(link)[0].split("/") for link in named)
    return {(parts[0], parts[1]) for parts in found if len(parts) == 2 and parts[0] in SHARED_TYPES}


def types_of(pairs: Pairs) -> tuple[str, ...]:
    """Return the types asked for by _type, or all of the compartment; the Patient is first."""
    known = frozenset(compartments()["Patient"]) | {"Patient"}
    wanted = {
        part.strip() for name, text in pairs if name == "_type" for part in text.split(",") if part.strip()
    }
    for name in wanted:
        known_type(name)
    chosen = known & wanted if wanted else known
    return tuple(sorted(chosen, key=lambda name: (name != "Patient", name)))


def care_dates(pairs: Pairs) -> tuple[float, float] | None:
    """Return from when until when care is asked for, in seconds since 1970; None for all of it.

    Raises:
        MalformedContent: start or end is no date.
    """
    bounds = [-math.inf, math.inf]
    for place, name in enumerate(("start", "end")):
        text = first(pairs, name)
        if text is not None:
            interval = date_interval(text.replace(" ", "+"))
            if interval is None:
                raise MalformedContent(f"{name} takes a date such as 2026-01-31.")
            bounds[place] = interval[place]
    return None if bounds == [-math.inf, math.inf] else (bounds[0], bounds[1])


def cared(services: Services, types: Sequence[str], dates: tuple[float, float]) -> Cared:
    """Return where the dates of care of these types stand in the index."""
    registry, hash_of = services.database.parameters.searching, compile_hasher(services.keys.search)
    found = (clinical_date(name, registry) for name in types)
    slots = {path.slot for parameter in found if parameter is not None for path in parameter.paths}
    return Cared(*dates, keys=tuple(hash_of("", slot, "") for slot in sorted(slots)))


OPERATION = Operation(
    name="everything",
    definition="http://hl7.org/fhir/OperationDefinition/Patient-everything",
    run=run,
    documentation="A patient's compartment; start and end (dates of care), _since and _type narrow it.",
    instances=("Patient",),
    parameters=KNOWN,
)
