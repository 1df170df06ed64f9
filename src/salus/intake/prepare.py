"""From a unit of a file to rows ready to be copied, in a worker process: parse, validate, index, encode.

Pure but for the caches of compiled validators and indexers: the same unit gives the same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from salus.core.errors import MalformedContent, NotSupported, SalusError
from salus.core.identifiers import derived_id
from salus.core.quality import Quality
from salus.intake.asked import Refusal, condition_of, settle
from salus.intake.check import outcome, outcome_of, refusal, refusals
from salus.intake.description import describe_bundle
from salus.intake.formats.format import Pages, Unit, pages_of
from salus.intake.formats.json_document import PAGED, WHOLE, kind_problem
from salus.intake.identity import (
    EntryTypes,
    Head,
    References,
    is_named_by_id,
    is_type,
    original_name,
    rewrite_parsed,
    urn_links,
)
from salus.intake.judged import Judged, judge, judge_refused
from salus.intake.keeping import Received, describe, document_ids, indexer_of
from salus.intake.numbers import doubtful_systems
from salus.intake.setting import Setting
from salus.intake.translation import translate
from salus.intake.versions import Newest, deletion_of, newest, version_of
from salus.standards.fhir.bundle import is_conditional, links
from salus.standards.fhir.codec.json import parse_json, write_json, write_json_like
from salus.standards.fhir.codec.splice import ORIGINAL_ID, replace_meta
from salus.standards.fhir.codec.xml import parse_xml
from salus.standards.fhir.labels import PATIENT_ASSERTED, is_asserted
from salus.store.copying import Encoded, encode_row
from salus.store.quarantine import Rejection
from salus.store.record_seal import seal_of_worker
from salus.store.rows import Row, make_row, original_id, patients_of
from salus.store.source_deletions import Deletion
from salus.store.stored_types import MADE_HERE, check_stored

FHIR_JSON, FHIR_XML = "application/fhir+json", "application/fhir+xml"
Resource = dict[str, Any]  # Any: FHIR JSON


class Prepared(msgspec.Struct, frozen=True):
    """What became of one unit.

    Args:
        number: the unit's.
        resources: how many resources it held.
        rows: to be stored, all of them or none; a document's DocumentReference is the last.
        encoded: the same, once `prepare` has encoded them in place of `rows`.
        rejections: what was refused; with `rows` empty the whole unit.
        conditions: conditional references that must be looked up before it can be stored.
        group: the unit's.
        generation: of the search parameters that `rows` are indexed by (`Setting.added`).
        doubtful: systems of national numbers that break their country's rule, once for each.
        remarks: entries that are a server's remarks on its search; they are not among `resources`.
        dangling: references by urn in `rows` to nothing that was sent along.
        older: of `resources`, versions in a history that a newer one follows; they are not stored.
        deletions: resources that a history says were deleted last.
        pages: of a searchset or history, the links to its pages.
        quality: of what was translated, what became of what it says.
        judged: of a document, whether it follows its profiles.
        left_out: types of entries of a document that are not taken out of it (`Setting.admission`).
    """

    number: int
    resources: int
    rows: tuple[Row, ...] = ()
    encoded: tuple[Encoded, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    received: tuple[Received, ...] = ()
    conditions: tuple[str, ...] = ()
    group: str = ""
    generation: int = 0
    doubtful: tuple[str, ...] = ()
    remarks: int = 0
    dangling: int = 0
    older: int = 0
    deletions: tuple[Deletion, ...] = ()
    pages: Pages = ()
    quality: Quality | None = None
    judged: Judged | None = None
    left_out: tuple[str, ...] = ()


class _Entry(msgspec.Struct):
    fullUrl: str = ""
    resource: msgspec.Raw = msgspec.Raw(b"")
    request: dict[str, Any] = {}  # Any: FHIR JSON
    response: dict[str, Any] = {}  # Any: FHIR JSON
    search: dict[str, Any] = {}  # Any: FHIR JSON

    @property
    def is_remark(self) -> bool:
        """Return whether it is what a server says about its search, not what was found."""
        return self.search.get("mode") == "outcome"


class _Bundle(msgspec.Struct):
    resourceType: str = ""
    type: str = ""
    entry: list[_Entry] = []
    link: object = ()


class _Refused(Exception):
    """A resource that is not stored; `outcome` says why."""

    def __init__(self, outcome: bytes, type_name: str = "", patient: str = "") -> None:
        super().__init__()
        self.outcome, self.type_name, self.patient = outcome, type_name, patient


def prepare(unit: Unit, setting: Setting) -> Prepared:
    """Return the rows of a unit encoded for COPY, or why it is refused."""
    prepared, seal = prepare_rows(unit, setting), seal_of_worker(setting.sealing)
    encoded = tuple(
        encode_row(row, patients_of(row.compartment, row.others), setting.updated, seal)
        for row in prepared.rows
    )
    if setting.arrived_at is not None:
        encoded = tuple(msgspec.structs.replace(one, arrived_at=setting.arrived_at) for one in encoded)
    patients = (row.content for row in prepared.rows if row.type == "Patient")
    doubtful = tuple(system for content in patients for system in doubtful_systems(content))
    return msgspec.structs.replace(
        prepared, rows=(), encoded=encoded, generation=setting.added.generation, doubtful=doubtful
    )


def prepare_rows(unit: Unit, setting: Setting) -> Prepared:
    """Return the rows of a unit, or why it is refused."""
    if unit.problem:
        return _refused(unit, setting, _Refused(refusal("structure", unit.problem)))
    try:
        if unit.media == "xml":
            return _xml(unit, setting)
        if unit.media != "json":
            return _translated(unit, setting)
        if unit.is_entry:
            return msgspec.structs.replace(_streamed_entry(unit, setting), pages=unit.pages)
        bundle = _as_bundle(unit.content)
        if bundle is not None:
            pages = pages_of(bundle.link) if bundle.type in PAGED else ()
            return msgspec.structs.replace(_bundle(unit, setting, bundle), pages=pages)
        return _single(unit, setting, unit.content, "", None)
    except _Refused as refused:
        return _refused(unit, setting, refused)


def _refused(unit: Unit, setting: Setting, refused: _Refused, resources: int = 1) -> Prepared:
    rejection = Rejection(
        setting.source, setting.file, unit.line, unit.entry, refused.patient, refused.type_name,
        refused.outcome, unit.content, resources,
    )  # fmt: skip
    return Prepared(unit.number, resources, rejections=(rejection,), group=unit.group)


def _as_bundle(content: bytes) -> _Bundle | None:
    if b'"Bundle"' not in content:
        return None
    try:
        head = msgspec.json.decode(content, type=_Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # parsing it as a resource says what is wrong
    return head if head.resourceType == "Bundle" else None


def _parse(content: bytes, setting: Setting, bytes_max: int) -> Resource:
    limits = msgspec.structs.replace(setting.limits, body_bytes_max=bytes_max)
    try:
        return parse_json(content, limits)
    except SalusError as error:
        raise _Refused(outcome_of(error)) from error


def _check(resource: Resource, where: str = "") -> str:
    """Return the type of a resource that may be stored."""
    type_name = resource.get("resourceType")
    if not isinstance(type_name, str) or not is_type(type_name):
        shown = repr(type_name)[:80] if type_name is not None else "none"
        raise _Refused(
            refusal("structure", f"resourceType must be a resource type of R4; it is {shown}.", where)
        )
    issues = refusals(resource)
    if issues:
        raise _Refused(outcome(issues), type_name, _patient_of(resource, type_name))
    _check_kept(type_name, where)
    return type_name


def _check_kept(type_name: str, where: str = "") -> None:
    """Refuse a type that is no record of this node."""
    if type_name in MADE_HERE:
        message = f"The node makes {type_name} resources itself, from its ledger; it takes none."
        raise _Refused(refusal("not-supported", message, where), type_name)
    try:
        check_stored(type_name)
    except NotSupported as error:
        raise _Refused(outcome_of(error, where), type_name) from error


def _patient_of(resource: Resource, type_name: str) -> str:
    """Return the patient that a refused resource seems to be about."""
    for key in ("subject", "patient", "beneficiary"):
        target = resource.get(key)
        link = target.get("reference") if isinstance(target, dict) else None
        if isinstance(link, str) and link.startswith("Patient/"):
            return link[8:72]
    return ""


def _row(
    setting: Setting, resource: Resource, content: bytes, full_url: str, type_name: str, known: str = ""
) -> Row:
    """Return the row of a valid resource whose references were rewritten; `known`: "Type/id" of one here."""
    source = setting.source
    original = original_name(source, full_url, type_name, resource.get("id"))
    known = known or setting.known.same.get(original, "")
    own_id = known.partition("/")[2] or derived_id(source, original or hashlib.sha256(content).hexdigest())
    indexed = dict(resource)
    indexed["id"] = own_id
    meta = dict(indexed.get("meta") or {})
    sent_at, sent_version = str(meta.get("lastUpdated", "")), str(meta.get("versionId", ""))
    meta["source"] = source
    if original:
        meta["tag"] = [*meta.get("tag", ()), {"system": ORIGINAL_ID, "code": original_id(original)}]
    indexed["meta"] = meta
    if type_name == "Patient" and setting.admission is not None and not setting.admission.confirms:
        content, indexed = _unconfirmed(content, indexed)
    index = indexer_of(type_name, setting.key, setting.added)(indexed)
    return make_row(
        type_name,
        own_id,
        content,
        index=index,
        source=source,
        source_id=original,
        sent_at=sent_at,
        sent_version=sent_version,
    )


def _unconfirmed(content: bytes, indexed: Resource) -> tuple[bytes, Resource]:
    """Return a Patient, as bytes and as it is indexed, that look-ups leave out until staff confirm it."""
    if is_asserted(indexed):
        return content, indexed
    said = {**msgspec.json.decode(content).get("meta", {})}
    labels = [*said.get("security", ()), PATIENT_ASSERTED]
    meta = {**indexed["meta"], "security": labels}
    return replace_meta(content, {**said, "security": labels}), {**indexed, "meta": meta}


def _conditions(resource: Resource, setting: Setting) -> Iterator[str]:
    for link in links(resource):
        if not is_conditional(link):
            continue
        if link in setting.links and not setting.links[link]:
            message = f"The reference {link[:80]} must select one resource; load its target first."
            raise _Refused(refusal("not-found", message), "Bundle")
        yield link


def _references(setting: Setting, full_url: str, types: EntryTypes | None) -> References:
    return References(setting.source, full_url, types, setting.links, setting.known.same)


def _single(
    unit: Unit, setting: Setting, content: bytes, full_url: str, types: EntryTypes | None, known: str = ""
) -> Prepared:
    """Prepare a resource that stands by itself; `known`: see `_row`."""
    spliced = _references(setting, full_url, types).splice(content)
    resource = _parse(spliced, setting, setting.limits.resource_bytes_max)
    type_name = _check(resource)
    if type_name == "Bundle":
        raise _Refused(refusal("not-supported", "A Bundle inside a Bundle is not taken.", ""), type_name)
    dangling = urn_links(spliced)
    if unit.group == "transaction" and not setting.lenient:
        _refuse_dangling(dangling, unit.entry, types or {})
    row = _row(setting, resource, spliced, full_url, type_name, known)
    return Prepared(unit.number, 1, (row,), group=unit.group, dangling=len(dangling))


def _refuse_dangling(dangling: Sequence[str], entry: int, types: EntryTypes) -> None:
    """Refuse an entry of a transaction whose references by urn lead to no other of its entries."""
    for link in dangling:
        if link.partition("#")[0] not in types:
            message = f"The reference {link[:80]!a} leads to no entry of the transaction."
            raise _Refused(refusal("not-found", message, f"Bundle.entry[{entry}].resource"), "Bundle")


def _streamed_entry(unit: Unit, setting: Setting) -> Prepared:
    try:
        entry = msgspec.json.decode(unit.content, type=_Entry)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"Bundle.entry[{unit.entry}] cannot be read: {error}."
        raise _Refused(outcome_of(MalformedContent(message))) from error
    if entry.is_remark or not bytes(entry.resource):
        _check_method(entry.request)
        return Prepared(unit.number, 0, group=unit.group, remarks=int(entry.is_remark))
    content = bytes(entry.resource)
    entries = [(entry.fullUrl, content, entry.request)]
    settled = settle(setting.source, setting.links, entries, [0])
    if 0 in settled.refused:
        raise _Refused(settled.refused[0], "Bundle")
    if unit.types is not None and _is_conditional(entry.request):  # what refers to it may be stored already
        message = (
            "A condition is not looked up in a Bundle larger than limits.document_bytes_max: send smaller "
            "ones, or the entry without it."
        )
        raise _Refused(refusal("not-supported", message, f"Bundle.entry[{unit.entry}].request"), "Bundle")
    if settled.wanted:
        return Prepared(unit.number, 1, conditions=settled.wanted, group=unit.group)
    if settled.existing:
        return Prepared(unit.number, 1, group=unit.group)
    return _single(unit, setting, content, entry.fullUrl, unit.types, settled.updated.get(0, ""))


def _bundle(unit: Unit, setting: Setting, bundle: _Bundle) -> Prepared:
    found = [entry for entry in bundle.entry if not entry.is_remark]
    entries = [(entry.fullUrl, bytes(entry.resource), entry.request) for entry in found]
    try:
        if bundle.type in WHOLE and not setting.lenient:
            return _whole(unit, setting, bundle.type, entries)
        if bundle.type not in WHOLE:
            _check_frame(unit, setting)
    except _Refused as refused:
        prepared = _refused(unit, setting, refused, max(1, sum(1 for _, body, _ in entries if body)))
        judged = judge_refused(unit.content, refused.outcome) if bundle.type == "document" else None
        return msgspec.structs.replace(prepared, judged=judged)
    types = _types(entries)
    rows: list[Row] = []
    rejections: list[Rejection] = []
    dangling = matched = 0
    places = Newest(list(range(len(entries))), [], [])
    if bundle.type == "history":  # its requests say what happened, not what to do
        places = newest(
            [version_of(one.fullUrl, bytes(one.resource), one.request, one.response) for one in found]
        )
        entries = [(full_url, content, {}) for full_url, content, _ in entries]
        rejections += [_deletion(unit, setting, number, found[number]) for number in places.deleted]
    settled = settle(setting.source, setting.links, entries, places.loaded)
    if settled.wanted:
        return Prepared(unit.number, sum(1 for _, body, _ in entries if body), conditions=settled.wanted)
    known = msgspec.structs.replace(setting, links={**setting.links, **settled.links(entries)})
    for number in places.loaded:
        full_url, content, request = entries[number]
        if not content and not request:
            continue
        if number in settled.existing:
            matched += 1
            continue
        part = Unit(unit.number, unit.line, _kept_entry(full_url, content, request), number)
        try:
            if number in settled.refused:
                raise _Refused(settled.refused[number], "Bundle")
            sound = _single(part, known, content, full_url, types, settled.updated.get(number, ""))
            rows += sound.rows
            dangling += sound.dangling
        except _Refused as refused:
            rejections += _refused(part, setting, refused).rejections
    return Prepared(
        unit.number,
        len(rows) + len(rejections) + len(places.older) + matched,
        rows=tuple(rows),
        rejections=tuple(rejections),
        remarks=len(bundle.entry) - len(found),
        dangling=dangling,
        older=len(places.older),
        deletions=tuple(
            gone
            for number in places.deleted
            if (
                gone := deletion_of(
                    setting.source, found[number].fullUrl, found[number].request, found[number].response
                )
            )
        ),
    )


def _kept_entry(full_url: str, content: bytes, request: dict[str, Any]) -> bytes:  # Any: FHIR JSON
    """Return what is kept of a refused entry, so that a retry knows its fullUrl and condition."""
    conditional = _is_conditional(request)
    if not content or not (full_url or conditional):
        return content
    parts = [b'"fullUrl":' + write_json(full_url)] if full_url else []
    parts += [b'"resource":' + content]
    parts += [b'"request":' + write_json(request)] if conditional else []
    return b"{" + b",".join(parts) + b"}"


def _is_conditional(request: dict[str, Any]) -> bool:  # Any: FHIR JSON
    return "ifNoneExist" in request or "?" in str(request.get("url", ""))


def _deletion(unit: Unit, setting: Setting, number: int, entry: _Entry) -> Rejection:
    """Return the rejection of a deletion that nothing followed: a load deletes nothing."""
    message = (
        f"The source deleted {(entry.fullUrl or str(entry.request.get('url', '')))[:80]!a}, so no version of "
        "it was loaded. A load deletes nothing: what is here of it is deleted by the FHIR interface."
    )
    part = msgspec.structs.replace(unit, entry=number, content=b"{}")
    refused = _Refused(refusal("not-supported", message, f"Bundle.entry[{number}]"), "Bundle")
    (rejection,) = _refused(part, setting, refused).rejections
    return rejection


def _check_frame(unit: Unit, setting: Setting) -> None:
    """Refuse what is no Bundle of resources; these are checked one by one, and stood for by an empty one."""
    bundle = _parse(unit.content, setting, setting.limits.document_bytes_max)
    entries = bundle.get("entry")
    if isinstance(entries, list):
        bundle["entry"] = [_without_resource(entry) for entry in entries]
    issues = refusals(bundle)
    if issues:
        raise _Refused(outcome(issues), "Bundle")
    problem = kind_problem(bundle["type"])
    if problem:
        raise _Refused(refusal("not-supported", problem, "Bundle.type"), "Bundle")


def _without_resource(entry: object) -> object:
    """Return an entry that holds, of its resource, no more than the rules of the Bundle read."""
    if not isinstance(entry, dict) or not isinstance(resource := entry.get("resource"), dict):
        return entry
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    stub = {"resourceType": "Basic", "code": {"text": "a resource"}}
    return {**entry, "resource": stub | ({"meta": {"versionId": version}} if version else {})}


def _types(entries: list[tuple[str, bytes, dict[str, Any]]]) -> EntryTypes:  # Any: FHIR JSON
    types: dict[str, tuple[str, bool]] = {}
    for full_url, content, _ in entries:
        if full_url and content:
            head = msgspec.json.decode(content, type=Head)
            types[full_url] = (head.resourceType, is_named_by_id(full_url, head.id))
    return types


def _whole(
    unit: Unit, setting: Setting, kind: str, entries: list[tuple[str, bytes, dict[str, Any]]]
) -> Prepared:
    """Prepare a transaction or document, all of it or nothing."""
    bundle = _parse(unit.content, setting, setting.limits.document_bytes_max)
    _check(bundle)
    types = _types(entries)
    rows: list[Row] = []
    left_out: list[str] = []
    first: Resource | None = None
    count = 0
    settled = settle(setting.source, setting.links, entries, range(len(entries)))
    for refused in settled.refused.values():
        raise _Refused(refused, "Bundle")
    conditions = list(settled.wanted)
    known = msgspec.structs.replace(setting, links={**setting.links, **settled.links(entries)})
    dangling = 0
    for number, (full_url, content, _) in enumerate(entries):
        if not content:
            continue
        spliced = _references(known, full_url, types).splice(content)
        resource = _parse(spliced, setting, setting.limits.document_bytes_max)
        conditions += _conditions(resource, setting)
        unmet = urn_links(spliced)
        if kind == "transaction":
            _refuse_dangling(unmet, number, types)
        first = first or resource
        type_name = str(resource["resourceType"])
        _check_kept(type_name, "Bundle.entry.resource")
        count += 1
        if number in settled.existing or setting.links.get(full_url):
            continue
        if original_name(setting.source, full_url, type_name, resource.get("id")) in setting.known.stays:
            continue
        if setting.admission is not None and setting.admission.why_not(type_name):
            left_out.append(type_name)
            continue
        dangling += len(unmet)
        rows.append(_row(setting, resource, spliced, full_url, type_name, settled.updated.get(number, "")))
    if conditions:
        return Prepared(unit.number, count, conditions=tuple(dict.fromkeys(conditions)))
    received: tuple[Received, ...] = ()
    judged = judge(bundle) if kind == "document" else None
    if kind == "document" and first is not None:
        if first.get("status") == "entered-in-error":
            rows = []  # what it says is withdrawn: the document is kept, nothing of it is shown
        kept, own = _document(unit.content, FHIR_JSON, setting, bundle, first, rows)
        received, rows = (kept,), [*rows, *own]
    return Prepared(
        unit.number, count, tuple(rows), received=received, dangling=dangling, judged=judged,
        left_out=tuple(left_out),
    )  # fmt: skip


def _check_method(request: dict[str, Any]) -> None:  # Any: FHIR JSON
    try:
        condition_of(request, "")
    except Refusal as error:
        raise _Refused(error.outcome, "Bundle") from error


def _document(
    body: bytes,
    media_type: str,
    setting: Setting,
    bundle: Resource,
    composition: Resource,
    rows: Sequence[Row],
) -> tuple[Received, tuple[Row, ...]]:
    """Return a FHIR document to keep and the rows that the node makes of it itself (`describe`)."""
    ids = document_ids(setting.source, body)
    link = composition.get("subject", {}).get("reference", "")
    subject = link if isinstance(link, str) and link.startswith("Patient/") else ""
    described = describe_bundle(bundle, composition, body, media_type, ids, subject)
    return describe(described, body, media_type, ids, setting, rows)


def _xml(unit: Unit, setting: Setting) -> Prepared:
    """Prepare an XML file: its resources are stored as JSON, a document also as it came."""
    limits = msgspec.structs.replace(setting.limits, body_bytes_max=setting.limits.document_bytes_max)
    try:
        resource = parse_xml(unit.content, limits)
    except SalusError as error:
        raise _Refused(outcome_of(error)) from error
    as_json = msgspec.structs.replace(unit, content=write_json_like(resource, unit.content), media="json")
    prepared = prepare_rows(as_json, setting)
    bundle = _as_bundle(as_json.content)
    if not prepared.received or bundle is None:
        rejections = tuple(
            msgspec.structs.replace(one, content=unit.content) if one.entry < 0 else one
            for one in prepared.rejections
        )
        return msgspec.structs.replace(prepared, rejections=rejections)
    types = _types([(e.fullUrl, bytes(e.resource), {}) for e in bundle.entry])
    entry = resource["entry"][0]
    references = _references(setting, entry.get("fullUrl", ""), types)
    composition = rewrite_parsed(entry["resource"], references)
    made = prepared.rows[: -prepared.received[0].own]
    kept, own = _document(unit.content, FHIR_XML, setting, resource, composition, made)
    return msgspec.structs.replace(prepared, rows=(*made, *own), received=(kept,))


def _translated(unit: Unit, setting: Setting) -> Prepared:
    """Prepare a file of another standard: its resources as FHIR, all or none, itself as it came."""
    try:
        made, media_type = translate(
            unit.media, unit.content, setting.limits, setting.mapping, line=unit.line
        )
    except SalusError as error:
        raise _Refused(outcome_of(error)) from error
    bundle = made.bundle
    as_json = msgspec.structs.replace(unit, content=write_json(bundle), media="json")
    if setting.lenient:
        return msgspec.structs.replace(prepare_rows(as_json, setting), quality=made.quality)
    entries: list[tuple[str, bytes, Resource]] = [
        (one["fullUrl"], write_json(one["resource"]), {}) for one in bundle["entry"]
    ]
    prepared = _whole(as_json, setting, "collection", entries)
    if prepared.conditions:  # who it is about is looked up first
        return prepared
    header = rewrite_parsed(made.header, _references(setting, "", _types(entries)))
    kept, own = _document(unit.content, media_type, setting, bundle, header, prepared.rows)
    return msgspec.structs.replace(
        prepared, rows=(*prepared.rows, *own), received=(kept,), quality=made.quality
    )
