"""FHIR R5 in JSON or NDJSON: known by elements that only R5 has, and brought to R4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from salus.core.limits import Limits
from salus.core.quality import Account
from salus.intake.formats import ndjson
from salus.intake.formats.format import Format, Translated, Unit
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.versions.conversion import is_r5, to_r4

MEDIA = "fhir-r5"
MEDIA_TYPE = "application/fhir+json; fhirVersion=5.0"
_HISTORY = {"coding": [{"system": "http://loinc.org", "code": "11503-0", "display": "Medical records"}]}


def _recognises(head: bytes) -> bool:
    """Return whether the file, or its first line, is JSON of R5; `head` must hold it all."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if ndjson.FORMAT.recognises(head):
        text = text.partition(b"\n")[0]
    try:
        parsed = msgspec.json.decode(text, type=dict[str, Any])  # Any: FHIR JSON
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return is_r5(parsed)


def read(stream: BinaryIO, limits: Limits) -> Iterator[Unit]:
    """Yield the file, or each line of NDJSON, as a unit."""
    head = stream.read(limits.document_bytes_max + 1)
    if ndjson.FORMAT.recognises(head[: 1 << 16]):
        stream.seek(0)
        for unit in ndjson.read(stream, limits):
            yield msgspec.structs.replace(unit, media=MEDIA)
        return
    problem = ""
    if len(head) > limits.document_bytes_max:
        problem = f"The file has more than {limits.document_bytes_max} bytes (limits.document_bytes_max)."
        head = head[: 1 << 16]
    yield Unit(0, 1, head, media=MEDIA, problem=problem)


def translate(body: bytes, limits: Limits) -> Translated:
    """Return a resource or Bundle in R4, as a collection."""
    whole = msgspec.structs.replace(limits, body_bytes_max=limits.document_bytes_max)
    parsed = parse_json(body.removeprefix(b"\xef\xbb\xbf"), whole)
    account = Account(f"FHIR R5 {parsed.get('resourceType', '')}")
    made = to_r4(parsed, account)
    if made.get("resourceType") == "Bundle":
        if made.get("type") != "collection":
            reason = "its resources are taken as a collection; the file is kept as it came"
            account.approximate("Bundle.type", reason, str(made.get("type", "")))
        entries = [
            {"fullUrl": one.get("fullUrl") or f"urn:salus:entry:{place}", "resource": one["resource"]}
            for place, one in enumerate(made.get("entry", ()))
            if "resource" in one
        ]
    else:
        entries = [{"fullUrl": f"{made.get('resourceType')}/{made.get('id', 'none')}", "resource": made}]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return Translated(bundle, _description(entries), account.quality())


def _description(entries: list[dict[str, Any]]) -> dict[str, Any]:  # Any: FHIR JSON
    """Return a Composition that describes the file: of the patient whom its first resource names."""
    patient = next(
        (one["fullUrl"] for one in entries if one["resource"].get("resourceType") == "Patient"), ""
    )
    named = (one["resource"].get(key) for one in entries for key in ("subject", "patient"))
    links = (one["reference"] for one in named if isinstance(one, dict) and "reference" in one)
    link = patient or next(links, "")
    return {
        "resourceType": "Composition",
        "status": "final",
        "type": _HISTORY,
        **({"subject": {"reference": link}} if link else {}),
        "date": "1970-01-01",
        "author": [{"display": "(not named)"}],
        "title": "FHIR R5 content",
    }


FORMAT = Format(
    "FHIR R5",
    (".json", ".ndjson"),
    _recognises,
    read,
    media=MEDIA,
    media_type=MEDIA_TYPE,
    translate=translate,
)
