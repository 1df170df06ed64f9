"""Bulk exports (Bulk Data Access 2.0, https://hl7.org/fhir/uv/bulkdata): status, files, work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from salus.core.access import Action, Caller
from salus.core.errors import AccessRefused, MalformedContent, NotFound, NotSupported, SalusError
from salus.core.identifiers import new_id
from salus.standards.fhir.model import compartments, resource_types
from salus.standards.fhir.query_string import Pairs, format_pairs
from salus.store import exports
from salus.store.exports import File, Wish
from salus.store.merged import merges
from salus.trust.gate import Access
from salus.trust.policy import AccessRequest, decide, narrowed_types, readable_types
from salus.trust.standing import left_out
from salus.web.fhir.answer import Answer, http_date, json_answer, plain_json, resource_bytes
from salus.web.fhir.door import include_merged, pass_gate
from salus.web.fhir.members import Members
from salus.web.fhir.request import FhirRequest, first, parse_instant
from salus.web.problems import issue, outcome
from salus.web.services import Services

KEPT = timedelta(hours=24)
FILE_BYTES_MAX = 8 * 1024 * 1024
PAGE_COUNT = 500
NDJSON = (b"content-type", b"application/fhir+ndjson")
LEFT_OUT = "urn:salus:export:left-out"
"""Member of the manifest's `extension`: the types that the scopes left out, and why."""
MEMBERS_LEFT_OUT = "urn:salus:export:members-left-out"
"""Member of the manifest's `extension`: the Group's members that lead to no one Patient here, and why."""
MEMBERS_NAMED_MAX = 100
UNKNOWN_HEADER = "The node exports application/fhir+ndjson only."


async def start(
    services: Services, request: FhirRequest, caller: Caller, *, level: str, of: Members | None
) -> Answer:
    """Note an export and answer 202 with the address of its status.

    `level` is "system", "Patient" or "Group"; the two latter leave out resources about no patient. `of` are
    the members of the Group, None for all patients.
    """
    if not request.preference.asynchronous:
        raise NotSupported("An export is asynchronous: send Prefer: respond-async.")
    pairs = request.pairs
    outputs = first(pairs, "_outputFormat")
    if outputs not in (
        None,
        "application/fhir+ndjson",
        "application/fhir ndjson",
        "application/ndjson",
        "ndjson",
    ):
        raise NotSupported(UNKNOWN_HEADER)
    since = first(pairs, "_since")
    asked, named = types_of(pairs, level)
    types, others = permitted_of(caller, asked)
    if named and others:
        await refuse_types(services, caller, others)
    query = f"?{format_pairs(pairs)}" if pairs else ""
    patients = None
    if of is not None:
        known = await merges(services.database, services.clock())
        patients = tuple(sorted({*of.patients, *known.beside(of.patients)}))
    wish = Wish(
        request=f"{services.fhir_base}/{'/'.join(request.segments)}{query}",
        types=types,
        since=parse_instant(since, "_since") if since else None,
        patients=patients,
        shared=level == "system",
        left_out=others,
        members_left_out=() if of is None else of.left_out,
    )
    job = new_id()
    lead = lead_of(caller, types)
    async with pass_gate(services, caller, Action.EXPORT, lead, "$export", narrows=True) as access:
        at = access.grant.opened_at
        await exports.ask(services.database, job, caller, wish, at=at, expires=at + KEPT)
    address = f"{services.fhir_base}/$export/{job}".encode("ascii")
    return Answer(202, b"", ((b"content-location", address),))


def types_of(pairs: Pairs, level: str) -> tuple[tuple[str, ...], bool]:
    """Return the types asked for, and whether _type names them: else they are all that the level knows."""
    known = resource_types() if level == "system" else frozenset(compartments()["Patient"]) | {"Patient"}
    wanted = [
        part.strip() for name, text in pairs if name == "_type" for part in text.split(",") if part.strip()
    ]
    strange = [name for name in wanted if name not in resource_types()]
    if strange:
        raise MalformedContent(f"_type names {strange[0][:40]!a}, which is no resource type of FHIR R4.")
    if wanted and not known & set(wanted):
        raise NotSupported("None of the types of _type is part of this export.")
    return tuple(sorted(known & set(wanted) if wanted else known)), bool(wanted)


def exportable(caller: Caller) -> frozenset[str] | None:
    """Return the types that the caller may export, None for all: of everybody, or else of one."""
    of_everybody = _types_of(caller, None)
    if of_everybody or of_everybody is None or caller.patient is None:
        return of_everybody
    return _types_of(caller, frozenset((caller.patient,)))


def _types_of(caller: Caller, patients: frozenset[str] | None) -> frozenset[str] | None:
    """Return the types of which the caller may export all, or what the scopes narrow it to."""
    whole = readable_types(caller, Action.EXPORT, patients)
    narrowed = (name for name, _ in narrowed_types(caller, Action.EXPORT, patients))
    return None if whole is None else whole.union(narrowed)


def permitted_of(caller: Caller, asked: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the types asked for that the caller may export, and the others."""
    may = exportable(caller)
    if may is None:
        return asked, ()
    return tuple(name for name in asked if name in may), tuple(name for name in asked if name not in may)


def lead_of(caller: Caller, types: Sequence[str]) -> str:
    """Return the type that the gate is asked for: none, or the first of those that narrow scopes permit."""
    every = decide(caller, AccessRequest(Action.EXPORT, "", "$export")).permitted
    return "" if every or not types else types[0]


async def refuse_types(services: Services, caller: Caller, types: Sequence[str]) -> None:
    """Refuse types that _type names and the caller may not export; it is written down.

    Raises:
        AccessRefused: naming the first.
    """
    async with pass_gate(services, caller, Action.EXPORT, types[0], "$export"):
        raise AccessRefused(
            f"{types[0]} may be exported of one patient only: ask for it in an export of its own."
        )


async def look(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer how an export stands: 202 while it runs, the manifest when it is complete."""
    job, files = await exports.look(services.database, job_of(request), caller, at=services.clock())
    if job.status == "error":
        return json_answer(500, outcome([issue("error", "exception", job.message)]))
    if job.status != "complete":
        return Answer(
            202,
            b"",
            ((b"x-progress", f"{job.status}, {len(files)} files".encode("ascii")), (b"retry-after", b"1")),
        )
    manifest: dict[str, object] = {
        "transactionTime": instant(job.created_at),
        "request": job.wish.request,
        "requiresAccessToken": True,
        "output": [
            {"type": file.type, "url": f"{services.fhir_base}/$export/{job.id}/{file.number}"}
            | ({} if file.resources is None else {"count": file.resources})
            for file in files
        ],
        "error": [],
    }
    if told := _left_out(job.wish):
        manifest["extension"] = told
    return plain_json(200, manifest, [(b"expires", http_date(job.expires_at))])


def _left_out(wish: Wish) -> dict[str, object]:
    """Return what the manifest says of what the export does not hold, by the name of the extension."""
    told: dict[str, object] = {}
    if wish.left_out:
        reason = "This access may not export these types; ask for them with a token whose scopes name them."
        told[LEFT_OUT] = {"types": wish.left_out, "reason": reason}
    if wish.members_left_out:
        reason = (
            "These members of the Group lead to no one Patient of this node; refer to each as Patient/id, or "
            "give an identifier that one Patient has."
        )
        named = wish.members_left_out[:MEMBERS_NAMED_MAX]
        told[MEMBERS_LEFT_OUT] = {"members": named, "count": len(wish.members_left_out), "reason": reason}
    return told


def instant(moment: datetime) -> str:
    """Return a moment as FHIR writes an instant."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_of(request: FhirRequest) -> str:
    """Return the job's id in the address.

    Raises:
        NotFound: the address is none of an export.
    """
    if request.segments[0] != "$export":
        raise NotFound("There is nothing at this address.")
    return request.segments[1]


async def download(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer a file of a finished export; each download leaves a leaf under every patient in it."""
    job, number = job_of(request), request.segments[2]
    if not (number.isascii() and number.isdecimal() and len(number) <= 6):
        raise NotFound("There is no such file.")
    lead = lead_of(caller, sorted(exportable(caller) or ()))
    what = f"$export/{job}/{int(number)}"
    async with pass_gate(services, caller, Action.EXPORT, lead, what, narrows=True) as access:
        content, patients = await exports.read_file(
            access.grant, services.database, job, int(number), without=await _opted_out(services, caller)
        )
        for patient, count in patients.items():
            access.record((patient,), count=count)
    return Answer(200, content, (NDJSON,), raw=True)


async def discard(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Cancel an export, or remove its files."""
    await exports.discard(services.database, job_of(request), caller, at=services.clock())
    return Answer(202)


async def work_once(services: Services) -> bool:
    """Do the oldest export that waits; return whether there was one. Called by the node again and again."""
    now = services.clock()
    await exports.expire(services.database, at=now)
    job = await exports.take(services.database, at=now)
    if job is None:
        return False
    try:
        lead = lead_of(job.caller, job.wish.types)
        async with pass_gate(services, job.caller, Action.EXPORT, lead, "$export", narrows=True) as access:
            await include_merged(services, access)
            await fill(services, access, job.id, job.wish, job.created_at)
    except SalusError as error:
        await exports.finish(services.database, job.id, at=services.clock(), failure=error.message)
    except BaseException as error:
        # Nobody foresaw it, or the node stops: the job waits for its next attempt, of which there are few.
        counts = not isinstance(error, asyncio.CancelledError)
        await exports.give_back(services.database, job.id, counts=counts)
        raise
    else:
        await exports.finish(services.database, job.id, at=services.clock())
    return True


async def _opted_out(services: Services, caller: Caller) -> frozenset[str]:
    """Return the records that an export leaves out, for who opted out of secondary use (EHDS 71)."""
    found = left_out(services.standing, caller, services.gatehouse.law)
    if not found:
        return found
    return found | (await merges(services.database, services.clock())).beside(found)


async def fill(services: Services, access: Access, job: str, wish: Wish, until: datetime) -> None:
    """Write the files of an export; the leaves of a file are durable before it can be had."""
    number = 0
    without = await _opted_out(services, access.grant.caller)
    for kind in wish.types:
        after, lines, held, counted = "", [], 0, 0
        patients: dict[str, int] = {}
        while True:
            page = await exports.page(
                access.grant,
                services.database,
                kind,
                wish,
                after=after,
                until=until,
                count=PAGE_COUNT,
                without=without,
            )
            for resource in page:
                line = b" ".join(resource_bytes(resource).splitlines())
                lines.append(line)
                held, counted = held + len(line), counted + 1
                access.record(resource.patients, f"$export {kind}")
                for patient in resource.patients or ("",):
                    patients[patient] = patients.get(patient, 0) + 1
            if page:
                after = page[-1].id
            last = len(page) < PAGE_COUNT
            if lines and (last or held >= FILE_BYTES_MAX):
                await access.settle()
                content = b"\n".join(lines) + b"\n"
                number += 1
                file = File(number, kind, counted)
                at = services.clock()
                if not await exports.keep_file(services.database, job, file, content, patients, at=at):
                    return
                lines, held, counted, patients = [], 0, 0, {}
            if last:
                break
