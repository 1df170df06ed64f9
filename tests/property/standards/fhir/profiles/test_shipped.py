"""The shipped rules and the full packages give one verdict, or the shipped ones say what they need."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any

from tests.property.standards.fhir.profiles.packages import SHARED, check, packages
from tests.property.standards.fhir.profiles.test_seeded_errors import examples, seeded

from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.packages.archive import members
from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.tables import shipped_shelf
from salus.standards.fhir.validation.issue import Issue

DIFFERENCES = {
    # The places of extensions that only the extensions pack, or the extensions between versions, define.
    "extension-context",
}


def documents() -> Iterator[dict[str, Any]]:
    """Yield every example of the packages, and every seeded error."""
    for path in sorted(SHARED.glob("*.tgz")):
        with path.open("rb") as archive:
            for member in members(archive):
                if "/example/" in member.path:
                    yield parse_json(member.body, Limits())
    for _, _, mutant in seeded(examples()):
        yield mutant.document


def findings(issues: list[Issue]) -> set[Issue]:
    return {one for one in issues if one.severity != "information"}


def test_the_shipped_rules_and_the_packages_give_one_verdict():
    _, full = packages()
    shipped = Book(shipped_shelf())
    count = 0
    for document in documents():
        count += 1
        by_packages, by_shipped = check(document, full), check(document, shipped)
        told = {one.expression for one in by_shipped if one.severity == "information"}
        for one in findings(by_packages) ^ findings(by_shipped):
            assert one.message_id in DIFFERENCES, one
            assert one.expression in told, one
    assert count > 500


def test_the_shipped_rules_hold_no_text_of_the_guides():
    body = resources.files("salus.standards.fhir.profiles").joinpath("shipped.json").read_text("utf-8")
    for word in ("description", "short", "definition", "comment", "human", "title"):
        assert f'"{word}":"' not in body, word
    assert "http://snomed.info/sct" not in [
        row["system"]
        for url in shipped_shelf().value_sets()
        for row in (shipped_shelf().value_set(url) or {})["compose"]["include"]
        if "codes" in row
    ]
