"""FHIRPath on two small resources: expressions a second, and against bare Python on the same dictionaries.

Six expressions on a Patient and six on an Observation; by hand means a written-out function for one of each.
CPU time, best of several rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.expression import compile_expression

REPEATS = 50
ROUNDS = 5
TARGET_PER_SECOND = 200_000
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [{"system": "urn:oid:1.2.3", "value": "1"}],
    "name": [
        {"use": "official", "family": "Silva", "given": ["Ana", "Maria"]},
        {"use": "usual", "given": ["Ani"]},
    ],
    "telecom": [{"system": "phone", "value": "+351 1"}, {"system": "email", "value": "a@example.org"}],
    "gender": "female",
    "birthDate": "1974-12-25",
    "contact": [{"name": {"family": "Silva"}}, {"telecom": [{"system": "phone", "value": "+351 2"}]}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "category": [{"coding": [{"system": "http://loinc.org", "code": "vital-signs"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}], "text": "Body weight"},
    "subject": {"reference": "Patient/p"},
    "effectiveDateTime": "2026-11-24T09:00:00Z",
    "valueQuantity": {"value": 72, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
}
EXPRESSIONS = {
    "Patient": (
        "Patient.name.given",
        "Patient.birthDate",
        "name.where(use = 'official').family",
        "name.exists() or identifier.exists()",
        "Patient.telecom.where(system = 'phone').value",
        "contact.all(name.exists() or telecom.exists() or address.exists() or organization.exists())",
    ),
    "Observation": (
        "Observation.code.coding.code",
        "Observation.effective",
        "(Observation.value as Quantity)",
        "dataAbsentReason.empty() or value.empty()",
        "Observation.subject.where(resolve() is Patient)",
        "Observation.category.coding.where(system = 'http://loinc.org').code",
    ),
}


def figures() -> list[dict[str, Any]]:
    """Return evaluations a second: plain values, nodes with their places, and by hand."""
    resources = [PATIENT, OBSERVATION] * REPEATS
    environment = Environment(reference_stubs=True)
    compiled = [
        (compile_expression(text, resource["resourceType"]), resource)
        for resource in resources
        for text in EXPRESSIONS[resource["resourceType"]]
    ]
    plain = _rate([partial(expression, resource, environment) for expression, resource in compiled])
    nodes = _rate([partial(expression.nodes, resource, environment) for expression, resource in compiled])
    by_hand = _rate([partial(_by_hand, resource) for resource in resources])
    return [
        {
            "figure": "fhirpath values",
            "value": round(plain),
            "unit": "evaluations/s",
            "target": TARGET_PER_SECOND,
            "met": plain >= TARGET_PER_SECOND,
        },
        {"figure": "fhirpath nodes", "value": round(nodes), "unit": "evaluations/s"},
        {"figure": "fhirpath values vs by hand", "value": round(plain / by_hand, 3), "unit": "ratio"},
    ]


def _by_hand(resource: dict[str, Any]) -> list[Any]:
    if resource["resourceType"] == "Patient":
        return [given for name in resource.get("name", ()) for given in name.get("given", ())]
    return [coding.get("code") for coding in resource.get("code", {}).get("coding", ())]


def _rate(calls: list[Callable[[], object]]) -> float:
    """Return calls a second of CPU time, the best of several rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for call in calls:
            call()
        best = min(best, time.process_time() - started)
    return len(calls) / best
