"""history of an instance, a type and the system (http://hl7.org/fhir/R4/http.html#history)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from salus.core.access import Action, Caller
from salus.core.errors import MalformedContent
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.model import resource_types
from salus.standards.fhir.query_string import Pairs, format_pairs
from salus.standards.fhir.search.values import date_interval, moment_at
from salus.store import history
from salus.store.concerned import Touched, concerned
from salus.store.history import START, Position
from salus.store.rows import StoredResource
from salus.store.search_cursor import bound_to, open_mark, seal_mark
from salus.web.fhir.answer import Answer, join_bundle, resource_bytes
from salus.web.fhir.door import include_merged, known_id, known_type, pass_gate
from salus.web.fhir.limits_told import head_for
from salus.web.fhir.request import FhirRequest, first, parse_instant, refuse_unknown
from salus.web.services import Services

CURSOR = "_cursor"
KNOWN = ("_since", "_at", "_count", CURSOR)
GIVEN_BY_NODE = re.compile(r"[a-z2-7]{26}").fullmatch


async def of_instance(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer the versions of one resource."""
    kind, identity = known_type(request.segments[0]), known_id(request.segments[1])
    patients = frozenset((identity,)) if kind == "Patient" else None
    what = f"{kind}/{identity}/_history"
    return await answer(services, request, caller, (kind,), identity, what, patients)


async def of_type(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer the versions of all resources of a type."""
    kind = known_type(request.segments[0])
    return await answer(services, request, caller, (kind,), None, f"{kind}/_history", None)


async def of_system(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer the versions of all resources."""
    return await answer(services, request, caller, tuple(sorted(resource_types())), None, "_history", None)


async def answer(
    services: Services,
    request: FhirRequest,
    caller: Caller,
    types: tuple[str, ...],
    identity: str | None,
    what: str,
    patients: frozenset[str] | None,
) -> Answer:
    """Answer one page of versions.

    The total is told of one resource; counting those of a type reads them all.
    """
    pairs, key = request.pairs, services.keys.search
    refuse_unknown(request, KNOWN)
    count = read_count(pairs, services.limits.page_count_default, services.limits.page_count_max)
    since, moments, mark = first(pairs, "_since"), read_at(pairs), first(pairs, CURSOR)
    kind = types[0] if len(types) == 1 else ""
    action = Action.CHANGES if identity is None else Action.HISTORY
    async with pass_gate(services, caller, action, kind, what, patients=patients, narrows=True) as access:
        await include_merged(services, access)
        bound = bound_to(access.grant, what, since, first(pairs, "_at"))
        found = await history.history(
            access.grant,
            services.database,
            types,
            identity=identity,
            since=parse_instant(since, "_since") if since else None,
            at=moments,
            after=open_mark(key, bound, mark, Position) if mark else START,
            count=count + 1,
        )
        versions = found.versions[:count]
        for version in versions:
            access.record(version.patients)
        if identity is not None and not versions:
            touched = Touched()
            touched.add_resource(kind, identity)
            access.concern(await concerned(access.grant, services.database, touched, key=key))
    following = ""
    if len(found.versions) > count and versions:
        last = versions[-1]
        following = seal_mark(key, bound, Position(last.updated, last.type, last.id, last.version))
    address = f"{services.fhir_base}/{'/'.join(request.segments)}"
    head = head_for(caller, "history")
    if found.total is not None:
        head["total"] = found.total
    head["link"] = links(address, pairs, following)
    size = sum(len(one.content) for one in versions)
    share = services.database.shares.of(caller)
    return Answer(200, await share.beside(size, bundle, services.fhir_base, head, versions, found.revived))


def bundle(
    base: str,
    head: dict[str, Any],  # Any: open JSON
    versions: Sequence[StoredResource],
    revived: frozenset[tuple[str, str, int]],
) -> bytes:
    """Return the Bundle of these versions; `revived` are those that came after a deletion."""
    entries = [entry(base, one, revived=(one.type, one.id, one.version) in revived) for one in versions]
    return join_bundle(head, entries)


def read_count(pairs: Pairs, default: int, largest: int) -> int:
    """Return how many entries a page has.

    Raises:
        MalformedContent: _count is no number of 0 or more.
    """
    text = first(pairs, "_count")
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise MalformedContent("_count takes a whole number, 0 or more.")
    return min(int(text), largest)


def links(address: str, pairs: Pairs, mark: str) -> list[dict[str, str]]:
    """Return the links self, with the parameters that were understood, and next, if a cursor is given."""
    found = [{"relation": "self", "url": with_query(address, [pair for pair in pairs if pair[0] in KNOWN])}]
    if mark:
        kept = [pair for pair in pairs if pair[0] in KNOWN and pair[0] != CURSOR]
        found.append({"relation": "next", "url": with_query(address, [*kept, (CURSOR, mark)])})
    return found


def with_query(address: str, pairs: list[tuple[str, str]]) -> str:
    """Return an address with a query."""
    return f"{address}?{format_pairs(pairs)}" if pairs else address


def read_at(pairs: Pairs) -> tuple[datetime, datetime] | None:
    """Return the moments that _at covers by its precision, None when it is not asked for.

    Raises:
        MalformedContent: it is no date or dateTime.
    """
    text = first(pairs, "_at")
    if text is None:
        return None
    interval = date_interval(text.replace(" ", "+"))
    if interval is None:
        raise MalformedContent("_at takes a date or a moment such as 2026-01-31 or 2026-01-31T12:00:00Z.")
    return moment_at(interval[0]), moment_at(interval[1])


def entry(base: str, version: StoredResource, *, revived: bool) -> bytes:
    """Return the Bundle entry of one version; `revived`: it came after a deletion.

    An id that is no node's came with a PUT; one of the form that nodes give counts as created by POST.
    """
    created = version.version == 1 or revived
    name = f"{version.type}/{version.id}"
    if version.deleted:
        method, status = "DELETE", 204
    elif created and not revived and GIVEN_BY_NODE(version.id):
        method, status, name = "POST", 201, version.type
    else:
        method, status = "PUT", 201 if created else 200
    head = {
        "fullUrl": f"{base}/{version.type}/{version.id}",
        "request": {"method": method, "url": name},
        "response": {
            "status": str(status),
            "etag": f'W/"{version.version}"',
            "lastModified": version.updated.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        },
    }
    if version.deleted:
        return write_json(head)
    return write_json(head)[:-1] + b',"resource":' + resource_bytes(version) + b"}"
