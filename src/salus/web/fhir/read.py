"""read and vread (http://hl7.org/fhir/R4/http.html#read): the hot path, bytes in, bytes out."""

from __future__ import annotations

from salus.core.access import Action, Caller
from salus.core.errors import NotFound
from salus.standards.fhir.bundle import names_version
from salus.standards.fhir.codec.json import write_json
from salus.store import resources
from salus.store.rows import StoredResource
from salus.trust.gate import Access
from salus.web.fhir import on_demand
from salus.web.fhir.answer import Answer, resource_bytes, version_headers
from salus.web.fhir.door import include_merged, known_id, known_type, pass_gate
from salus.web.fhir.request import FhirRequest, parse_http_date
from salus.web.fhir.subset import Subset, read_subset
from salus.web.services import Services


async def read(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer the current version of a resource."""
    kind, identity = known_type(request.segments[0]), known_id(request.segments[1])
    subset = read_subset(request.pairs)
    patients = frozenset((identity,)) if kind == "Patient" else None
    what = f"{kind}/{identity}"
    passage = pass_gate(services, caller, Action.READ, kind, what, patients=patients, narrows=True)
    async with passage as access:
        await include_merged(services, access)
        try:
            resource = await resources.read(access.grant, services.database, kind, identity)
        except NotFound:
            if kind != "DocumentReference":
                raise
            return await offer(services, access, identity, subset)
        access.record(resource.patients)
        await access.begin()
        return await answer_read(services, request, caller, resource, subset)


async def offer(services: Services, access: Access, identity: str, subset: Subset | None) -> Answer:
    """Answer the description of a document that is composed on demand.

    Raises:
        NotFound: none is offered by that name to this reader.
    """
    body = write_json(await on_demand.described(services, access, identity))
    await access.begin()
    return Answer(200, body if subset is None else subset.of_bytes(body))


async def vread(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer one version of a resource."""
    resource = await read_version(services, request, caller)
    return await answer_read(services, request, caller, resource, read_subset(request.pairs))


async def read_version(services: Services, request: FhirRequest, caller: Caller) -> StoredResource:
    """Return the version of the address.

    Raises:
        NotFound, Gone: there is none, or none for this caller.
    """
    kind, identity = known_type(request.segments[0]), known_id(request.segments[1])
    number = request.segments[3]
    if not (number.isascii() and number.isdecimal() and len(number) <= 9):
        raise NotFound(f"There is no such version of {kind}/{identity}.")
    patients = frozenset((identity,)) if kind == "Patient" else None
    what = f"{kind}/{identity}/_history/{int(number)}"
    passage = pass_gate(services, caller, Action.READ, kind, what, patients=patients, narrows=True)
    async with passage as access:
        await include_merged(services, access)
        resource = await resources.vread(access.grant, services.database, kind, identity, int(number))
        access.record(resource.patients)
    return resource


async def answer_read(
    services: Services,
    request: FhirRequest,
    caller: Caller,
    resource: StoredResource,
    subset: Subset | None,
) -> Answer:
    """Return the answer: 304 where the caller has this version already."""
    headers = tuple(version_headers(resource))
    if is_known(request, resource):
        return Answer(304, b"", headers)
    body = resource_bytes(resource)
    if subset is not None:
        share = services.database.shares.of(caller)
        body = await share.beside(len(body), subset.of_bytes, body)
    return Answer(200, body, headers)


def is_known(request: FhirRequest, resource: StoredResource) -> bool:
    """Return whether If-None-Match, or else If-Modified-Since, says that the caller has this version."""
    tags = request.header("if-none-match")
    if tags:
        return names_version(tags, resource.version)
    since = request.header("if-modified-since")
    moment = parse_http_date(since) if since else None
    return moment is not None and resource.updated.replace(microsecond=0) <= moment
