"""Base validation of small resources from bytes, every check on, against fhir.resources and bare orjson.

Small resources are Patients and Observations of at most 1,500 bytes: the examples of the European guides
and Synthea's from ../shared where that is, made ones elsewhere. All three read the same bytes in turn;
figures are CPU time, the best of several rounds. fhir.resources (its R4B models) checks less: no invariants,
no value sets, no reference targets, no narratives, no equal keys; what it or Salus finds invalid is left out.
"""

from __future__ import annotations

import gzip
import importlib
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.validation.validator import is_valid, validate

SHARED = Path(__file__).parents[2] / "shared"
SIZE_MAX = 1_500
SYNTHEA_EACH = 100
ROUNDS = 9
TARGET_FHIR_RESOURCES = 5.0
TARGET_ORJSON = 0.06
LIMITS = Limits()


def figures() -> list[dict[str, Any]]:
    """Return rates of the three and the two ratios."""
    origin, samples = _samples()
    rates = _rates(samples)
    bytes_mean = round(sum(map(len, samples)) / len(samples))
    corpus = {"corpus": origin, "resources": len(samples), "bytes_mean": bytes_mean}
    found: list[dict[str, Any]] = [
        {"figure": f"{name} rate", "value": round(rate), "unit": "resources/s"}
        for name, rate in rates.items()
    ]
    for name, target in (("fhir.resources", TARGET_FHIR_RESOURCES), ("orjson", TARGET_ORJSON)):
        value = rates["salus"] / rates[name]
        judged = {"unit": "ratio", "target": target, "met": value >= target}
        found.append({"figure": f"validation vs {name}", "value": round(value, 3)} | judged | corpus)
    return found


def _rates(samples: list[bytes]) -> dict[str, float]:
    """Return resources per second of CPU time, the best round of each."""
    models = [_model(sample) for sample in samples]

    def salus() -> None:
        for sample in samples:
            validate(parse_json(sample, LIMITS))

    def bare() -> None:
        for sample in samples:
            orjson.loads(sample)

    def pydantic() -> None:
        for model, sample in zip(models, samples, strict=True):
            model(sample)

    contenders: dict[str, Callable[[], None]] = {"salus": salus, "orjson": bare, "fhir.resources": pydantic}
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            repeats = 1 if name == "fhir.resources" else 20
            started = time.process_time()
            for _ in range(repeats):
                run()
            best[name] = min(best[name], (time.process_time() - started) / repeats)
    return {name: len(samples) / seconds for name, seconds in best.items()}


def _model(sample: bytes) -> Callable[[bytes], Any]:
    """Return the parser of fhir.resources for a sample's type."""
    name = json.loads(sample)["resourceType"]
    module = importlib.import_module(f"fhir.resources.R4B.{name.lower()}")
    model = getattr(module, name)
    parse: Callable[[bytes], Any] = model.model_validate_json
    return parse


def _samples() -> tuple[str, list[bytes]]:
    found = list(_shared()) if SHARED.exists() else []
    origin = "shared" if found else "made"
    return origin, [sample for sample in found or _made() if _is_usable(sample)]


def _is_usable(sample: bytes) -> bool:
    if len(sample) > SIZE_MAX or not is_valid(validate(parse_json(sample, LIMITS))):
        return False
    try:
        _model(sample)(sample)
    except ValueError:
        return False
    return True


def _shared() -> Iterator[bytes]:
    for path in sorted((SHARED / "fhir-packages").glob("*.tgz")):
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if "/example/" in member.name and name.startswith(("Patient-", "Observation-")):
                    stream = archive.extractfile(member)
                    if stream is not None:
                        yield json.dumps(
                            json.load(stream), separators=(",", ":"), ensure_ascii=False
                        ).encode()
    for kind in ("Patient", "Observation"):
        path = SHARED / f"data/synthea/patients100/{kind}.ndjson.gz"
        yield from gzip.decompress(path.read_bytes()).splitlines()[:SYNTHEA_EACH] if path.exists() else ()


def _made() -> Iterator[bytes]:
    """Yield resources of the usual shape and size."""
    for number in range(100):
        patient = {
            "resourceType": "Patient",
            "id": f"p{number}",
            "text": {
                "status": "generated",
                "div": f'<div xmlns="http://www.w3.org/1999/xhtml">Patient number {number}</div>',
            },
            "identifier": [{"use": "official", "system": "http://example.org/mrn", "value": f"{number:08}"}],
            "name": [{"use": "official", "family": f"Family{number}", "given": ["Ana", "Maria"]}],
            "telecom": [{"system": "phone", "value": f"+351 555 {number:04}", "use": "home"}],
            "gender": "female",
            "birthDate": f"19{number % 90 + 10}-02-28",
            "address": [{"line": ["Rua 1"], "city": "Lisboa", "postalCode": "1000-001", "country": "PT"}],
            "generalPractitioner": [{"reference": f"Practitioner/{number}"}],
        }
        observation = {
            "resourceType": "Observation",
            "id": f"o{number}",
            "status": "final",
            "category": [{"coding": [{"system": "http://example.org/category", "code": "vital-signs"}]}],
            "code": {
                "coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}],
                "text": "Body weight",
            },
            "subject": {"reference": f"Patient/p{number}"},
            "encounter": {"reference": f"Encounter/e{number}"},
            "effectiveDateTime": f"20{number % 20 + 10}-05-06T07:08:09+01:00",
            "issued": "2026-05-06T07:08:09.123+01:00",
            "valueQuantity": {
                "value": 70.5,
                "unit": "kg",
                "system": "http://unitsofmeasure.org",
                "code": "kg",
            },
        }
        yield from (json.dumps(resource).encode() for resource in (patient, observation))
