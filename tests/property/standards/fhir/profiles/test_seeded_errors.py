"""At least 200 seeded errors over the six categories: 95 of 100 are told, at the right place."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.property.standards.fhir.profiles.packages import SHARED, check, packages
from tests.property.standards.fhir.profiles.seeding import Mutant, is_at, mutants

from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.packages.archive import members
from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.categories import categories, detect

EXAMPLES = {
    "hl7.fhir.eu.eps": ["Bundle-EPSExampleBundle01NoProblemsMedicationAllergies"],
    "hl7.fhir.uv.ips": ["Bundle-bundle-ips-all-sections", "Bundle-bundle-minimal"],
    "hl7.fhir.eu.laboratory": ["Bundle-BundleHepatitisPanel", "Bundle-SimpleChemistryResultReport"],
    "hl7.fhir.eu.hdr": ["Bundle-HDR-Reijer-Wolff-Example", "Bundle-bundle-swart"],
    "hl7.fhir.eu.imaging": ["Bundle-bundle-report-semi-structured", "Bundle-bundle-report-structured"],
    "hl7.fhir.eu.mpd": [
        "Bundle-100A-multiitem-prescription-with-orchestration",
        "Bundle-300A-multiitem-prescription-with-orchestration",
        "MedicationDispense-400D-dispense-1",
        "MedicationDispense-300D-dispense-for-2-requests",
        "MedicationDispense-400E-refused-dispense",
    ],
}


def examples() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for package, names in EXAMPLES.items():
        path = next(SHARED.glob(f"{package}-*.tgz"))
        with path.open("rb") as archive:
            for member in members(archive):
                if member.path.rpartition("/")[2].removesuffix(".json") in names:
                    resource = parse_json(member.body, Limits())
                    found.setdefault(detect(resource).category, []).append(resource)
    return found


def seeded(found: dict[str, list[dict[str, Any]]]) -> Iterator[tuple[str, Book, Mutant]]:
    """Yield (category, book, mutant) for all examples, which have no error themselves."""
    library, book = packages()
    for category, documents in sorted(found.items()):
        for seed, document in enumerate(documents):
            detected = detect(document)
            assert not [one for one in check(document, book) if one.severity == "error"]
            own = {str(document["resourceType"]): "".join(detected.profiles[:1])}
            for mutant in mutants(document, library, dict(detected.inner) | own, seed, each_max=2):
                yield category, book, mutant


@pytest.fixture(scope="module")
def outcomes() -> list[tuple[str, str, str, bool]]:
    """Return (category, kind, place, told at the place) of every mutant."""
    packages()
    found = []
    for category, book, mutant in seeded(examples()):
        issues = check(mutant.document, book)
        told = any(one.severity == "error" and is_at(one.expression, mutant.place) for one in issues)
        found.append((category, mutant.kind, mutant.place, told))
    return found


def test_enough_errors_are_seeded_in_every_category(outcomes):
    counts = Counter(category for category, *_ in outcomes)
    assert set(counts) == set(categories())
    assert sum(counts.values()) >= 200
    assert min(counts.values()) >= 20


def test_seeded_errors_are_told_at_the_right_place(outcomes):
    missed = [row[:3] for row in outcomes if not row[3]]
    share = 1 - len(missed) / len(outcomes)
    print(
        json.dumps({"seeded": len(outcomes), "told": len(outcomes) - len(missed), "share": round(share, 4)})
    )
    assert share >= 0.95, missed
