"""Documents composed a second, by kind, and documents taken apart a second; how many are without error.

Composed are all documents of the Synthea patients of ../shared, in two languages, the check before each
claim included, as CPU time; judged is each by its category as `salus check` does. Taken apart are all
documents of ../shared/data/eehrxf in the reader's part (parse, validate, resolve, index: what a load's worker
does) and a sample whole, into a database of the embedded server, one after the other.
"""

from __future__ import annotations

import gzip
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salus.core.limits import Limits
from salus.intake.formats.format import Unit
from salus.intake.prepare import prepare_rows
from salus.intake.setting import Setting
from salus.primary.composing.material import Material, Terms, material_of
from salus.primary.documents.registry import kind_about
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.profiles.categories import detect
from salus.standards.fhir.profiles.shipped import shipped_book
from salus.standards.fhir.profiles.validator import check_resource

SHARED = Path(__file__).parents[2] / "shared/data"
LIMITS = Limits(depth_max=200)
NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
TERMS = Terms("Estonia, national node", NOW, ("et", "en"))
SETTING = Setting("https://hospital.example/fhir", "", b"k" * 32, NOW, LIMITS)
NOT_NEEDED = frozenset({"Claim", "ExplanationOfBenefit"})


def figures() -> Iterator[dict[str, Any]]:  # Any: values of a figure
    """Yield the figures, or why there are none."""
    if not (SHARED / "synthea/patients100").is_dir():
        yield {"figure": "documents", "skipped": "needs ../shared (data/synthea, data/eehrxf)"}
        return
    yield from _composed(_synthea(), "of synthea")
    for name in ("EPS", "LAB", "HDR"):
        yield from _taken_apart(name)


def _synthea() -> Iterator[Material]:
    patients: dict[str, dict[str, Any]] = {}  # FHIR content is open JSON
    records: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted((SHARED / "synthea/patients100").glob("*.ndjson.gz")):
        if path.name.partition(".")[0] in NOT_NEEDED:
            continue
        with gzip.open(path) as lines:
            for line in lines:
                resource = parse_json(line, LIMITS)
                if resource["resourceType"] == "Patient":
                    patients[resource["id"]] = resource
                    continue
                subject = resource.get("subject") or resource.get("patient") or {}
                records[subject.get("reference", "/").rpartition("/")[2]].append(resource)
    for name, patient in patients.items():
        yield material_of([*records[name], *records[""]], patient=patient)


def _composed(materials: Iterator[Material], of: str) -> Iterator[dict[str, Any]]:
    seconds: dict[str, float] = defaultdict(float)
    made: dict[str, int] = defaultdict(int)
    wrong: dict[str, int] = defaultdict(int)
    for material in materials:
        for about in list(material.held.values()):
            kind = kind_about(about, material)
            if kind is None:
                continue
            began = time.process_time()
            bundle = kind.compose(material, about, TERMS)
            seconds[kind.name] += time.process_time() - began
            made[kind.name] += 1
            wrong[kind.name] += _is_wrong(bundle)
    for name in sorted(made):
        yield {
            "figure": f"{name} composed {of}",
            "value": round(made[name] / seconds[name], 1),
            "unit": "documents/s",
            "documents": made[name],
            "with errors": wrong[name],
            "met": wrong[name] == 0,
        }


def _is_wrong(bundle: dict[str, Any]) -> bool:
    read = parse_json(write_json(bundle), LIMITS)
    found = detect(read)
    issues = check_resource(read, shipped_book(), found.profiles, found.inner)
    return any(one.severity in ("error", "fatal") for one in issues)


def _taken_apart(name: str) -> Iterator[dict[str, Any]]:
    path = SHARED / f"eehrxf/synderai/{name}.ndjson.gz"
    with gzip.open(path) as lines:
        bodies = list(lines)
    records, refused, entries = [], 0, 0
    began = time.process_time()
    for body in bodies:
        prepared = prepare_rows(Unit(0, 1, body, media="json"), SETTING)
        entries += len(prepared.rows)
        if prepared.rejections:
            refused += 1
        else:
            records.append(prepared.rows)
    spent = time.process_time() - began
    yield {
        "figure": f"{name} taken apart, the reader's part",
        "value": round(len(bodies) / spent, 1),
        "unit": "documents/s",
        "documents": len(bodies),
        "refused as no valid R4": refused,
        "resources": entries,
    }
    yield from _composed((_material(rows) for rows in records), f"again of {name}")


def _material(rows: Any) -> Material:  # rows of a document
    resources = [parse_json(row.content, LIMITS) | {"id": row.id} for row in rows]
    patient = next(each for each in resources if each["resourceType"] == "Patient")
    return material_of(resources, patient=patient)
