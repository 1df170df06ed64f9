"""history of an instance, a type and the system (http://hl7.org/fhir/R4/http.html#history)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from salus.core.access import Action, Caller
from salus.core.errors import MalformedContent
from salus.core.identifiers import new_id
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.model import resource_types
from salus.standards.fhir.query_string import Pairs, format_pairs
from salus.store import history
from salus.store.history import START, Position
from salus.store.rows import StoredResource
from salus.web.fhir.answer import Answer, join_bundle, resource_bytes
from salus.web.fhir.door import known_id, known_type, pass_gate
from salus.web.fhir.request import FhirRequest, first, parse_instant
from salus.web.services import Services

CURSOR = "_cursor"
METHODS = {201: "POST", 200: "PUT", 204: "DELETE"}


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
    """Answer one page of versions."""
    count = read_count(request.pairs, services.limits.page_count_default, services.limits.page_count_max)
    since = first(request.pairs, "_since")
    kind = types[0] if len(types) == 1 else ""
    action = Action.CHANGES if identity is None else Action.HISTORY
    async with pass_gate(services, caller, action, kind, what, patients=patients) as access:
        versions = await history.history(
            access.grant,
            services.database,
            types,
            identity=identity,
            since=parse_instant(since, "_since") if since else None,
            after=read_cursor(first(request.pairs, CURSOR)),
            count=count + 1,
        )
        more, versions = len(versions) > count, versions[:count]
        for version in versions:
            access.record(version.patients)
    head: dict[str, Any] = {  # FHIR content is open JSON
        "resourceType": "Bundle",
        "id": new_id(),
        "type": "history",
        "link": links(services.fhir_base, request, versions[-1] if more and versions else None),
    }
    return Answer(200, join_bundle(head, [entry(services.fhir_base, version) for version in versions]))


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


def links(base: str, request: FhirRequest, last: StoredResource | None) -> list[dict[str, str]]:
    """Return the links self and, where older versions remain, next."""
    address = f"{base}/{'/'.join(request.segments)}"
    pairs = [pair for pair in request.pairs if pair[0] in ("_since", "_count")]
    found = [{"relation": "self", "url": with_query(address, list(request.pairs))}]
    if last is not None:
        position = Position(last.updated, last.type, last.id, last.version)
        found.append({"relation": "next", "url": with_query(address, [*pairs, (CURSOR, cursor(position))])})
    return found


def with_query(address: str, pairs: list[tuple[str, str]]) -> str:
    """Return an address with a query."""
    return f"{address}?{format_pairs(pairs)}" if pairs else address


def cursor(position: Position) -> str:
    """Return an opaque text for where a page ends; it holds no value of any resource."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).rstrip(b"=").decode("ascii")


def read_cursor(text: str | None) -> Position:
    """Return where the page before ended.

    Raises:
        MalformedContent: the text is none of ours.
    """
    if text is None:
        return START
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        position = msgspec.json.decode(raw, type=Position)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise MalformedContent("The paging cursor is not one of this node: follow the link next.") from error
    if position.updated.tzinfo is None or not 0 <= position.version < 2**31:
        raise MalformedContent("The paging cursor is not one of this node: follow the link next.")
    return position


def entry(base: str, version: StoredResource) -> bytes:
    """Return the Bundle entry of one version."""
    status = 204 if version.deleted else 201 if version.version == 1 else 200
    name = version.type if status == 201 else f"{version.type}/{version.id}"
    head = {
        "fullUrl": f"{base}/{version.type}/{version.id}",
        "request": {"method": METHODS[status], "url": name},
        "response": {
            "status": str(status),
            "etag": f'W/"{version.version}"',
            "lastModified": version.updated.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        },
    }
    if version.deleted:
        return write_json(head)
    return write_json(head)[:-1] + b',"resource":' + resource_bytes(version) + b"}"
