"""GET /rights/archive: all of a person's record as one ZIP (GDPR, Art. 15 and 20; EHDS, Art. 3 and 7).

It holds FHIR (NDJSON by type, and one Bundle), the documents byte for byte, the patient summary and the
other European documents, the access report, a page to read, and a manifest with the SHA-256 of each. It
leaves in pieces, none before the leaf that says so is durable; memory holds one page of resources, or one
document, at a time, and the record while European documents are composed from it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from salus.core.access import Action, Caller, Role
from salus.core.errors import NotFound, TooLarge
from salus.primary.documents.registry import kinds
from salus.primary.rights.archive import Archive, document_path, line_of
from salus.standards.fhir.bundle import Resource
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.model import compartments
from salus.store import compartment, documents
from salus.store.compartment import Position
from salus.store.merged import merges
from salus.store.readable import is_open
from salus.store.rows import StoredResource
from salus.store.shares import beside
from salus.trust.gate import Access
from salus.trust.policy import AccessRequest
from salus.web.access_report import access_report
from salus.web.fhir.answer import resource_bytes
from salus.web.fhir.composing import documents_of
from salus.web.fhir.operations.everything import named_in
from salus.web.fhir.operations.summary import composed
from salus.web.ledger import key_of
from salus.web.own_record import enter_own
from salus.web.rights.choices import assisted
from salus.web.rights.readable import readable_files, readable_pages
from salus.web.rights.streamed import Streamed
from salus.web.services import Services
from salus.web.surprises import FAILURES, told_of

WHAT = "record archive"
EUROPEAN = "European documents"
PAGE_COUNT = 200
FHIR_JSON, NDJSON, JSON, HTML = (
    "application/fhir+json",
    "application/fhir+ndjson",
    "application/json",
    "text/html",
)
EUROPEAN_MAX = 1_000
"""Composed documents that an archive holds at most."""
NAMED_MAX = 20_000
"""Directory entries (who treated, where, with what) that an archive holds at most."""


async def archive(services: Services, caller: Caller, language: str, *, patient: str = "") -> Response:
    """Return the person's archive as a file to save.

    Raises:
        AccessRefused, NotFound: the caller may not have it; nothing was sent.
    """
    whose = patient or caller.patient or ""
    pieces = _pieces(services, caller, whose, language)
    first = await anext(pieces)  # what is refused is refused before the answer begins
    headers = {"content-disposition": 'attachment; filename="health-record.zip"'}
    return Streamed(first, pieces, media_type="application/zip", headers=headers)


async def _pieces(services: Services, caller: Caller, patient: str, language: str) -> AsyncIterator[bytes]:
    asked = AccessRequest(Action.EXPORT, "", WHAT, frozenset({patient}))
    async with enter_own(services, caller, asked) as access:
        records = sorted(access.grant.patients or ())
        types = tuple(name for name in _types() if is_open(access.grant, name))
        made = Archive(services.clock())
        named: set[tuple[str, str]] = set()
        left_out: list[dict[str, str]] = []
        held: dict[str, int] = {}
        async for page in _pages(services, access, records, types):
            for resource in page:
                access.record(resource.patients, WHAT)
            await access.settle()
            named |= await beside(sum(len(one.content) for one in page), named_in, page)
            for kind, lines in _by_type(page):
                if kind not in held:
                    made.begin(f"fhir/{kind}.ndjson", NDJSON)
                held[kind] = held.get(kind, 0) + len(lines)
                yield await _add(made, b"".join(map(line_of, lines)))
        if not held:
            raise NotFound("There is no record that this access may see.")
        others = await _others(services, access, named)
        for kind, lines in _by_type(others):
            made.begin(f"fhir/directory-{kind}.ndjson", NDJSON)
            yield await _add(made, b"".join(map(line_of, lines)))
        made.begin("fhir/bundle.json", FHIR_JSON)
        async for piece in _bundle(services, access, records, types, others):
            yield await _add(made, piece)
        count = 0
        async for document in _documents(services, access, records, left_out):
            count += 1
            await access.settle()
            path = document_path(count, document.id, document.media_type)
            made.begin(path, document.media_type[:100])
            yield await _add(made, document.content)
            async for name, media_type, shown in readable_files(
                services, document.content, document.media_type, path, language, left_out
            ):
                made.begin(name, media_type)
                yield await _add(made, shown)
        for path, media_type, work in (
            ("patient-summary.json", FHIR_JSON, _summary),
            ("access-report.json", JSON, _report),
        ):
            try:
                content = await work(services, caller, patient, language)
            except FAILURES as error:
                left_out.append({"path": path, "why": told_of(error, path)})
                continue
            made.begin(path, media_type)
            yield await _add(made, content)
            async for name, shown_as, shown in readable_files(
                services, content, media_type, path, language, left_out
            ):
                made.begin(name, shown_as)
                yield await _add(made, shown)
        async for path, content in _european(services, caller, patient, language, left_out):
            made.begin(path, FHIR_JSON)
            yield await _add(made, content)
            async for name, shown_as, shown in readable_files(
                services, content, FHIR_JSON, path, language, left_out
            ):
                made.begin(name, shown_as)
                yield await _add(made, shown)
        made.begin("record.html", HTML)
        async for text in readable_pages(services, access, records, types, language, left_out):
            yield await _add(made, text.encode())
        about = {
            "node": services.name,
            "country": services.country,
            "made_at": services.clock().isoformat(),
            "patients": records,
            "resources": dict(sorted(held.items())),
            "documents": count,
            "left_out": left_out,
        }
        yield await beside(0, made.finish, about)


async def record_bundle(services: Services, caller: Caller, patient: str, *, bytes_max: int) -> bytes:
    """Return the record as one Bundle of type collection.

    Raises:
        TooLarge: it has more bytes than that.
    """
    asked = AccessRequest(Action.EXPORT, "", "record bundle", frozenset({patient}))
    pieces, size = [], 0
    async with enter_own(services, caller, asked) as access:
        records = sorted(access.grant.patients or ())
        types = tuple(name for name in _types() if is_open(access.grant, name))
        named: set[tuple[str, str]] = set()
        async for page in _pages(services, access, records, types):
            for resource in page:
                access.record(resource.patients)
            size += sum(len(resource.content) for resource in page)
            if size > bytes_max:
                raise TooLarge("The record is too large for this: share the summary, or download the record.")
            named |= await beside(size, named_in, page)
        others = await _others(services, access, named)
        async for piece in _bundle(services, access, records, types, others):
            pieces.append(piece)  # noqa: PERF401  an asynchronous comprehension would hide the limit above
    return b"".join(pieces)


def _types() -> tuple[str, ...]:
    """Return the types of a record: the compartment of R4, the Patient first, and devices of the patient."""
    known = frozenset(compartments()["Patient"]) | {"Patient", "Device"}
    return tuple(sorted(known, key=lambda name: (name != "Patient", name)))


async def _pages(
    services: Services, access: Access, records: Sequence[str], types: Sequence[str]
) -> AsyncIterator[list[StoredResource]]:
    after: Position | None = None
    while True:
        page = await compartment.page(
            access.grant, services.database, records, types, since=None, after=after, count=PAGE_COUNT
        )
        if page:
            yield page
        if len(page) < PAGE_COUNT:
            return
        after = Position(page[-1].type, page[-1].id)


def _by_type(page: Sequence[StoredResource]) -> list[tuple[str, list[bytes]]]:
    """Return the resources by type, in their order, as a read returns them."""
    found: dict[str, list[bytes]] = {}
    for resource in page:
        found.setdefault(resource.type, []).append(resource_bytes(resource))
    return list(found.items())


async def _others(services: Services, access: Access, named: set[tuple[str, str]]) -> list[StoredResource]:
    keys = [key for key in sorted(named) if is_open(access.grant, key[0])][:NAMED_MAX]
    found = await compartment.named(access.grant, services.database, keys) if keys else []
    return sorted(found, key=lambda one: (one.type, one.id))


async def _bundle(
    services: Services,
    access: Access,
    records: Sequence[str],
    types: Sequence[str],
    others: Sequence[StoredResource],
) -> AsyncIterator[bytes]:
    """Yield a Bundle of type collection, entry by entry."""
    at = services.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
    yield b'{"resourceType":"Bundle","type":"collection","timestamp":"' + at + b'","entry":['
    comma = b""
    async for page in _pages(services, access, records, types):
        yield comma + b",".join(_entry(services, one) for one in page)
        comma = b","
    if others:
        yield comma + b",".join(_entry(services, one) for one in others)
    yield b"]}"


def _entry(services: Services, resource: StoredResource) -> bytes:
    address = msgspec.json.encode(f"{services.fhir_base}/{resource.type}/{resource.id}")
    return b'{"fullUrl":' + address + b',"resource":' + resource_bytes(resource) + b"}"


async def _documents(
    services: Services, access: Access, records: Sequence[str], left_out: list[dict[str, str]]
) -> AsyncIterator[documents.Document]:
    """Yield the received documents, oldest first; what is hidden from the caller is not among them."""
    if not is_open(access.grant, "DocumentReference"):
        return
    for patient in records:
        async with services.database.reading(access.grant) as connection:
            known = await documents.of_patient(access.grant, connection, patient)
        for each in known:
            try:
                document = await documents.retrieve(access.grant, services.database, each.id)
            except NotFound:
                continue
            except FAILURES as error:
                path = document_path(0, each.id, each.media_type)
                left_out.append({"path": path, "why": told_of(error, "a received document")})
                continue
            if document.patient != patient:
                continue
            access.record([patient], WHAT)
            yield document


async def _summary(services: Services, caller: Caller, patient: str, language: str) -> bytes:
    languages = tuple(dict.fromkeys((language, *services.languages)))
    document = await composed(services, caller, patient, languages)
    return write_json(document)


async def _european(
    services: Services, caller: Caller, patient: str, language: str, left_out: list[dict[str, str]]
) -> AsyncIterator[tuple[str, bytes]]:
    """Yield the documents of the priority categories besides the summary, each with its path."""
    names = kinds().keys() - {"patient-summary"}
    languages = tuple(dict.fromkeys((language, *services.languages)))
    count = 0
    asked = AccessRequest(Action.READ, "", EUROPEAN, frozenset({patient}))

    def not_composed(about: Resource, error: Exception) -> None:
        path = document_path(0, f"{about['resourceType']}-{about['id']}", FHIR_JSON)
        why = told_of(error, f"a document about a {about['resourceType']}")
        left_out.append({"path": path.replace("documents/", "european/", 1), "why": why})

    try:
        async with enter_own(services, caller, asked) as access:
            stays = (await merges(services.database, services.clock())).survivor(patient)
            records = [stays, *sorted((access.grant.patients or frozenset()) - {stays})]
            found = documents_of(
                services, access, records, names=names, languages=languages, left_out=not_composed
            )
            async for kind, about, bundle in found:
                if count == EUROPEAN_MAX:
                    why = f"The archive holds the first {count}; fetch others by what they are about."
                    left_out.append({"path": "european", "why": why})
                    return
                count += 1
                await access.settle()
                path = document_path(count, f"{kind.name}-{about['id']}", FHIR_JSON)
                yield path.replace("documents/", "european/", 1), write_json(bundle)
    except FAILURES as error:
        left_out.append({"path": "european", "why": told_of(error, EUROPEAN)})


async def _report(services: Services, caller: Caller, patient: str, _language: str) -> bytes:
    if caller.role is not Role.CITIZEN:
        raise NotFound("The report of accesses with its proofs is for the citizen's own log-in.")
    return bytes((await access_report(services, key_of(services), caller)).body)


async def _add(made: Archive, content: bytes) -> bytes:
    return await beside(len(content), made.write, content)


async def handle(services: Services, caller: Caller, request: Request, parts: dict[str, str]) -> Response:
    """Answer the address; `language` chooses that of the page to read."""
    language = request.query_params.get("language", "")
    chosen = language if language in services.languages else services.languages[0]
    return await archive(services, caller, chosen, patient=assisted(caller, request))
