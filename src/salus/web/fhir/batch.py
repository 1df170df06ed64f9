"""batch and transaction (http://hl7.org/fhir/R4/http.html#transaction)."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

import msgspec

from salus.core.access import Caller
from salus.core.errors import InvalidResource, MalformedContent, NotAuthenticated, OverBudget, SalusError
from salus.standards.fhir.bundle import Entry, Plan, Resource, entry_contents, plan_bundle
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.query_string import parse_pairs
from salus.standards.fhir.validation.validator import validate
from salus.store.shares import beside
from salus.store.transaction import YIELD_EVERY, Done
from salus.trust.identity import authenticate
from salus.web.fhir import capability, receiving, routes, subscribing, writing
from salus.web.fhir.answer import Answer, join_bundle, location, resource_bytes
from salus.web.fhir.negotiation import Format, body_format
from salus.web.fhir.request import FhirRequest, Preference, path_segments, read_body, replayed
from salus.web.fhir.search import with_form
from salus.web.problems import issue, outcome, outcome_of
from salus.web.services import Services

REASONS = {200: "OK", 201: "Created", 204: "No Content", 304: "Not Modified"}


async def process(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Process a transaction all or nothing, or a batch entry by entry; receive a document."""
    form = body_format(request.header("content-type"))
    if form is Format.XML:  # read as JSON below; a document is kept as it came
        request = replayed(request, await read_body(request))
    bundle, body = await writing.read_resource(request, services.limits)
    if bundle.get("resourceType") == "Bundle" and bundle.get("type") == "document":
        sent = await read_body(request) if form is Format.XML else body
        return await receiving.receive(services, request, caller, bundle, sent, form)
    plan = await beside(len(body), plan_of, services, bundle, body, form)
    with services.database.shares.bundle_of(caller):
        if plan.kind == "batch":
            return await process_batch(services, request, caller, plan)
        return await process_transaction(services, request, caller, plan)


def plan_of(services: Services, bundle: Resource, body: bytes, form: Format) -> Plan:
    """Return what the entries of a Bundle ask for.

    Raises:
        InvalidResource, MalformedContent, TooLarge: it is no Bundle of requests.
    """
    entries = bundle.get("entry")
    if isinstance(entries, list) and form is Format.XML:
        contents = [write_json(one["resource"]) if "resource" in one else b"" for one in entries]
    elif isinstance(entries, list) and len(entries) <= services.limits.bundle_entries_max:
        contents = entry_contents(body)
    else:
        contents = [b""] * (len(entries) if isinstance(entries, list) else 0)
    plan = plan_bundle(
        bundle,
        contents,
        fhir_base=services.fhir_base,
        entries_max=services.limits.bundle_entries_max,
    )
    check_frame(bundle, plan)
    return plan


def check_frame(bundle: Resource, plan: Plan) -> None:
    """Refuse a Bundle whose own elements break a rule; the resources in it are checked one by one.

    Raises:
        InvalidResource: with every issue found.
    """
    frame = {key: member for key, member in bundle.items() if key != "entry"}
    entries = [entry for index, entry in enumerate(bundle.get("entry", ())) if index not in plan.refusals]
    if entries:
        frame["entry"] = [
            {key: member for key, member in entry.items() if key != "resource"} for entry in entries
        ]
    writing.check_valid(frame)


async def process_transaction(services: Services, request: FhirRequest, caller: Caller, plan: Plan) -> Answer:
    """Do all writes in one database transaction, then the reads, which have the budget of a batch."""
    writes = [entry for entry in plan.ordered() if entry.method in writing.ACTIONS]
    strange = [entry for entry in writes if not entry.is_interaction]
    if strange:
        raise InvalidResource(
            f"{strange[0].path}: an operation cannot be part of a transaction; call it alone."
        )
    prepared = await check_entries(services, caller, writes)
    answered: dict[int, bytes] = {}
    if prepared:
        name = "Bundle" if len(prepared) > 1 else None
        done = await writing.write(services, caller, prepared, what=name)
        by_index = {entry.index: entry for entry in prepared}
        for one in done:
            answered[one.index] = entry_of_write(services, request, by_index[one.index], one)
    reads = [entry for entry in plan.ordered() if entry.index not in answered]
    answered |= await process_each(services, request, caller, reads)
    listed = [answered[entry.index] for entry in plan.entries]
    head = {"resourceType": "Bundle", "type": "transaction-response"}
    return Answer(200, join_bundle(head, listed))


async def check_entries(services: Services, caller: Caller, writes: list[Entry]) -> list[Entry]:
    """Return the writes ready to be done.

    Raises:
        InvalidResource: with the issues of all entries; the expressions start at the Bundle.
    """
    records = await writing.merged_records(services, caller)
    prepared: list[Entry] = []
    issues: list[object] = []
    broken = False
    for count, entry in enumerate(writes):
        resource = entry.resource
        if resource is None or entry.method == "PATCH":
            prepared.append(entry)
            continue
        try:
            writing.check_type(resource, entry.type)
        except MalformedContent as error:
            raise InvalidResource(f"{entry.path}: {error.message}") from error
        writing.check_size(entry.content, services.limits)
        writing.check_authors(caller, resource, records)
        for found in await beside(len(entry.content), validate, resource):
            broken = broken or found.severity in ("error", "fatal")
            place = f"{entry.path}.resource"
            expression = place + found.expression.removeprefix(entry.type)
            issues.append(msgspec.structs.replace(found, expression=expression))
        if count % YIELD_EVERY == YIELD_EVERY - 1:
            await asyncio.sleep(0)
        prepared.append(with_subscription(services, caller, entry, resource))
    if broken:
        raise InvalidResource("Resources of the Bundle break the rules of FHIR R4.", issues=tuple(issues))
    return prepared


def with_subscription(services: Services, caller: Caller, entry: Entry, resource: Resource) -> Entry:
    """Return the entry with what is stored of it."""
    if entry.type != "Subscription":
        return entry
    resource, content = subscribing.prepare(services, caller, resource, entry.content)
    return msgspec.structs.replace(entry, resource=resource, content=content)


def entry_of_write(services: Services, request: FhirRequest, entry: Entry, done: Done) -> bytes:
    """Return the response entry of a write that was done."""
    created = done.outcome == "created"
    response: dict[str, Any] = {"status": "201 Created" if created else "200 OK"}  # Any: FHIR content
    stored = done.resource
    if entry.method == "DELETE":
        response["status"] = "204 No Content"
    if request.preference.returned == "OperationOutcome":
        note = writing.operation_outcome_text(done)
        response["outcome"] = outcome([issue("information", "informational", note)])
    if stored is None:
        return write_json({"response": response})
    if entry.method != "DELETE":
        response["location"] = location(services.fhir_base, stored).decode("ascii")
    response["etag"] = f'W/"{stored.version}"'
    response["lastModified"] = stored.updated.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = (
        {"response": response}
        if stored.deleted
        else {"fullUrl": f"{services.fhir_base}/{stored.type}/{stored.id}", "response": response}
    )
    if stored.deleted or "return=representation" not in request.header("prefer"):
        return write_json(head)
    return splice_resource(head, resource_bytes(stored))


def splice_resource(head: dict[str, Any], resource: bytes) -> bytes:  # Any: FHIR content is open JSON
    """Return a Bundle entry of these fields and a resource that is bytes already."""
    return write_json(head)[:-1] + b',"resource":' + resource + b"}"


async def process_batch(services: Services, request: FhirRequest, caller: Caller, plan: Plan) -> Answer:
    """Do each entry as the request that it describes; one that fails does not hinder the others."""
    answered = {index: entry_of_error(error) for index, error in plan.refusals.items()}
    answered |= await process_each(services, request, caller, plan.entries)
    listed = [answered[index] for index in sorted(answered)]
    return Answer(200, join_bundle({"resourceType": "Bundle", "type": "batch-response"}, listed))


def entry_of_ended(services: Services, request: FhirRequest) -> bytes | None:
    """Return the response entry of what comes after the end of the token that asks, None while it is good."""
    try:
        authenticate(services.doorkeeper, request.header("authorization") or None, request.proven_key)
    except NotAuthenticated as error:
        return entry_of_error(error)
    return None


async def process_each(
    services: Services, request: FhirRequest, caller: Caller, entries: Sequence[Entry]
) -> dict[int, bytes]:
    """Return the response entries, by place, of entries done one by one.

    They are done as long as the budget lasts and the token that sent them is good.
    """
    answered: dict[int, bytes] = {}
    ended: bytes | None = None
    left = services.limits.batch_bytes_max
    until = services.clock() + timedelta(milliseconds=services.limits.batch_ms_max)
    for entry in entries:
        ended = ended or entry_of_ended(services, request)
        if ended is not None:
            answered[entry.index] = ended
            continue
        if left <= 0 or services.clock() >= until:
            answered[entry.index] = over_budget()
            continue
        answered[entry.index] = await process_alone(services, request, caller, entry)
        left -= len(answered[entry.index])
    return answered


async def process_alone(services: Services, request: FhirRequest, caller: Caller, entry: Entry) -> bytes:
    """Return the response entry of an entry that is answered like a request of its own."""
    try:
        inner = await with_form(as_request(request, entry))
        if inner.segments == ("metadata",):
            answer = capability.capabilities(services, inner)
        else:
            answer = await routes.route(inner)(services, inner, caller)
    except SalusError as error:
        return entry_of_error(error)
    tells = inner.preference.returned == "OperationOutcome" and entry.method in writing.ACTIONS
    return entry_of_answer(answer, as_outcome=tells and entry.is_interaction)


@cache
def over_budget() -> bytes:
    """Return the response entry of an entry that a batch has no time or room for."""
    error = OverBudget("The Bundle took too long or its answer grew too large: send the rest anew.")
    return entry_of_error(error)


def entry_of_error(error: SalusError) -> bytes:
    """Return the response entry of an entry that failed."""
    return write_json({"response": {"status": str(error.status), "outcome": outcome_of(error)}})


def as_request(request: FhirRequest, entry: Entry) -> FhirRequest:
    """Return the request that an entry describes."""
    path, _, query = entry.url.partition("?")
    patch = entry.method == "PATCH" and (entry.resource or {}).get("resourceType") == "Binary"
    content = patch_body(entry) if patch else entry.content
    headers = {
        "content-type": "application/json-patch+json" if patch else Format.JSON.value,
        "if-match": entry.if_match,
        "if-none-match": entry.if_none_match,
        "if-modified-since": entry.if_modified_since,
    }
    if entry.method == "POST" and entry.condition is not None:
        headers["if-none-exist"] = entry.condition

    async def receive() -> MutableMapping[str, Any]:  # Any: ASGI's own shape
        return {"type": "http.request", "body": content, "more_body": False}

    return msgspec.structs.replace(
        request,
        method=entry.method,
        segments=path_segments(f"/{path}".encode(), b""),
        pairs=parse_pairs(query.encode("utf-8")),
        headers={name: text for name, text in headers.items() if text},
        format=Format.JSON,
        pretty=False,
        preference=Preference(strict=request.preference.strict, returned=request.preference.returned),
        receive=receive,
    )


def patch_body(entry: Entry) -> bytes:
    """Return the JSON Patch that an entry's Binary holds."""
    from salus.web.fhir.patching import json_operations

    return write_json(json_operations(entry.resource or {}))


def entry_of_answer(answer: Answer, *, as_outcome: bool = False) -> bytes:
    """Return the response entry that carries an answer: a resource, or `as_outcome` how a write went."""
    response: dict[str, Any] = {"status": f"{answer.status} {REASONS.get(answer.status, '')}".strip()}
    for name, text in answer.headers:
        if name in (b"location", b"etag"):
            response[name.decode("ascii")] = text.decode("ascii")
    if answer.raw or not answer.body:
        return write_json({"response": response})
    if as_outcome:
        return write_json({"response": {**response, "outcome": msgspec.Raw(answer.body)}})
    return splice_resource({"response": response}, answer.body)
