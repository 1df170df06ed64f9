"""The door of pictures for software: WADO-RS and QIDO-RS (DICOM PS3.18) under the gate, and finding.

A DICOMweb viewer works with `/imaging/dicomweb` as its base and a token of this node. Nothing is kept here:
what an archive answers goes through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from salus.core.access import Action, Caller
from salus.core.errors import InvalidSearch, NotFound
from salus.core.identifiers import is_fhir_id
from salus.primary.imaging.asking import open_stream
from salus.primary.imaging.studies import INSTANCES_MAX, SERIES_MAX, ask_without_links, render
from salus.standards.dicomweb import addresses as dicomweb
from salus.standards.dicomweb.imaging_study import study_dataset
from salus.standards.dicomweb.uids import study_uid
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.search.grammar import parse_query
from salus.store.merged import merges
from salus.store.rows import StoredResource
from salus.store.search import search
from salus.trust.gate import enter
from salus.trust.identity import authenticate
from salus.trust.policy import AccessRequest
from salus.web.addresses import find, methods_of
from salus.web.bodies import read_body
from salus.web.fhir.answer import resource_bytes
from salus.web.fhir.search import with_merged
from salus.web.imaging.finding import find_images
from salus.web.imaging.reaching import PREFIX, reach_uid, require_part
from salus.web.services import Face, Receive, Scope, Send, Services

STUDIES = f"{PREFIX}/dicomweb/studies"
ROWS_MAX = 200
PIXELS = 512
PIXELS_MAX = 2_048
MULTIPART = ("multipart/related",)
Parts = dict[str, str]
Handler = Callable[[Services, Caller, Request, Parts], Awaitable[Response]]


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose images are looked for: the logical id of a Patient."""

    patient: str


def face(services: Services) -> Face:
    """Return the door of pictures."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        handler, parts = find(ADDRESSES, request.method, request.url.path)
        proven, asked = scope.get("proven_key", ""), scope.get("asked", "")
        caller = authenticate(services.doorkeeper, request.headers.get("authorization"), proven, asked)
        answer = await handler(services, caller, request, parts)
        await answer(scope, receive, send)

    return Face((PREFIX,), application, methods_of(ADDRESSES))


async def _find(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    """Ask the archives, then answer what the caller may see: a searchset of ImagingStudies."""
    wanted = await read_body(request, Wanted)
    if not is_fhir_id(wanted.patient):
        raise NotFound("There is no such patient that this access may see.")
    answered = await find_images(services, caller, wanted.patient)
    stored, is_whole = await _listed(
        services, caller, [("patient", wanted.patient)], frozenset({wanted.patient})
    )
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": f"{services.fhir_base}/ImagingStudy/{each.id}",
            "resource": msgspec.Raw(resource_bytes(each)),
            "search": {"mode": "match"},
        }
        for each in stored
    ]
    told = [f"{each.archive}: {each.problem}" for each in answered if each.problem]
    told += [f"{each.archive}: it holds more studies than were read" for each in answered if each.more]
    told += [] if is_whole else ["there are more studies than are listed; search ImagingStudy"]
    if told:
        issues = [{"severity": "warning", "code": "incomplete", "diagnostics": one} for one in told]
        outcome = {"resourceType": "OperationOutcome", "issue": issues}
        entries.append({"resource": outcome, "search": {"mode": "outcome"}})
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(stored), "entry": entries}
    if not entries:
        del bundle["entry"]
    return Response(msgspec.json.encode(bundle), media_type="application/fhir+json")


async def _listed(
    services: Services, caller: Caller, pairs: list[tuple[str, str]], patients: frozenset[str] | None
) -> tuple[list[StoredResource], bool]:
    """Return the ImagingStudies that a search finds for the caller, and whether these are all."""
    what = f"ImagingStudy?{pairs[0][0]}"
    asked = AccessRequest(Action.SEARCH, "ImagingStudy", what, patients)
    async with enter(services.gatehouse, caller, asked) as access:
        known = await merges(services.database, services.clock())
        access.include(known.beside(access.grant.patients or ()))
        searched = with_merged(known, "ImagingStudy", (*pairs, ("_count", str(ROWS_MAX))))
        query = parse_query("ImagingStudy", searched, services.limits, strict=True, base=services.fhir_base)
        page = await search(access.grant, services.database, query, key=services.keys.search)
        for patient, count in page.patients.items():
            access.record([patient] if patient else [], count=count)
    return list(page.resources), not page.next_cursor


async def _studies(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    """Answer QIDO-RS at the study level from the record: what the caller may see of one patient."""
    number = request.query_params.get("PatientID") or request.query_params.get("00100020") or ""
    if not dicomweb.is_patient_id(number):
        raise InvalidSearch("Search by PatientID: one number of a patient, without wildcards.")
    escaped = number.replace("$", "\\$").replace(",", "\\,").replace("|", "\\|")
    stored, is_whole = await _listed(services, caller, [("patient:Patient.identifier", escaped)], None)
    found = [parse_json(each.content, services.limits) for each in stored]
    listed = [study_dataset(each, number) for each in found if study_uid(each)]
    headers = {} if is_whole else {"warning": '299 - "There are more studies than are listed."'}
    return Response(write_json(listed), media_type=dicomweb.JSON, headers=headers)


async def _series(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    address = dicomweb.series_of(parts["study"], count_max=SERIES_MAX)
    return await _said(services, caller, parts, address, "series")


async def _instances(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    address = dicomweb.instances_of(parts["study"], parts.get("series", ""), count_max=INSTANCES_MAX)
    return await _said(services, caller, parts, address, "instances")


async def _metadata(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    address = dicomweb.metadata(parts["study"], parts.get("series", ""), parts.get("instance", ""))
    return await _said(services, caller, parts, address, "metadata")


async def _said(services: Services, caller: Caller, parts: Parts, address: str, what: str) -> Response:
    """Answer what the archive says of a study or a part of it, without its own addresses."""
    async with reach_uid(services, caller, parts["study"]) as reached:
        if "series" in parts:
            await require_part(services, reached, parts["series"], parts.get("instance", ""))
        body = await ask_without_links(reached.door, address)
        reached.record(what)
    return Response(body, media_type=dicomweb.JSON)


async def _retrieve(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    """Hand a study, a series or an instance through as DICOM; its leaf is durable before the first byte."""
    series, instance = parts.get("series", ""), parts.get("instance", "")
    address = dicomweb.whole(parts["study"], series, instance)
    stream = None
    try:
        async with reach_uid(services, caller, parts["study"]) as reached:
            if series:
                await require_part(services, reached, series, instance)
            stream = await open_stream(reached.door, address, dicomweb.INSTANCES, MULTIPART)
            reached.record("pictures")
    except BaseException:
        if stream is not None:
            await stream.response.aclose()
        raise
    headers = {"content-type": stream.media_type}
    if stream.length is not None:
        headers["content-length"] = str(stream.length)
    if request.method == "HEAD":
        await stream.response.aclose()
        return Response(headers=headers)
    return StreamingResponse(
        stream.pieces, headers=headers, background=BackgroundTask(stream.response.aclose)
    )


async def _rendered(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    """Answer an instance as a JPEG or PNG picture; `viewport=512,512` asks for its size (PS3.18, 8.3.5)."""
    pixels = _pixels(request.query_params.get("viewport", str(PIXELS)))
    async with reach_uid(services, caller, parts["study"]) as reached:
        await require_part(services, reached, parts["series"], parts["instance"])
        body, picture = await render(
            reached.door, parts["study"], parts["series"], parts["instance"], pixels=pixels
        )
        reached.record("picture")
    return Response(body, media_type=picture.media_type)


def _pixels(viewport: str) -> int:
    sides = viewport.split(",")[:2]
    if not all(side.isascii() and side.isdigit() and len(side) <= 5 for side in sides):
        raise InvalidSearch("viewport is width and height in pixels, such as 512,512.")
    return max(1, min(PIXELS_MAX, *(int(side) for side in sides))) if sides else PIXELS


async def _check(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    """Answer where the pictures of a study are, after having asked: an address is given only if it works."""
    async with reach_uid(services, caller, parts["study"]) as reached:
        reached.record("address")
    return JSONResponse(
        {
            "study": reached.uid,
            "archive": reached.door.archive.name,
            "organisation": reached.door.archive.organisation,
            "wado": f"{services.base_url}{STUDIES}/{reached.uid}",
        }
    )


_STUDY = STUDIES + "/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"
ADDRESSES: Mapping[str, Mapping[str, Handler]] = {
    f"{PREFIX}/find": {"POST": _find},
    PREFIX + "/studies/{study}/address": {"GET": _check},
    STUDIES: {"GET": _studies},
    _STUDY: {"GET": _retrieve},
    f"{_STUDY}/metadata": {"GET": _metadata},
    f"{_STUDY}/series": {"GET": _series},
    f"{_STUDY}/instances": {"GET": _instances},
    _SERIES: {"GET": _retrieve},
    f"{_SERIES}/metadata": {"GET": _metadata},
    f"{_SERIES}/instances": {"GET": _instances},
    _INSTANCE: {"GET": _retrieve},
    f"{_INSTANCE}/metadata": {"GET": _metadata},
    f"{_INSTANCE}/rendered": {"GET": _rendered},
}
