"""Every example inside the European packages: no error, but in those that are wrong; each is named with its
fault.
"""

from __future__ import annotations

from tests.property.standards.fhir.profiles.packages import SHARED, check, packages

from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.packages.archive import members

WRONG = {
    # Inner extensions of a cross-version extension, whose own context is BodyStructure (a preview package).
    "BodyStructure-example-body-structure-eu": {"extension-context"},
    # 19 laboratory Observations without the category that medicalTestResult-eu-core requires (so says the
    # README of the packages), hence a Composition that follows no profile; two empty udiCarrier.
    "Bundle-Instance-Bundle-1a24e60d-9b12-4109-a50a-07249a4f21c3": {"ele-1", "profile-min", "slice-min"},
    # Written for R5: no scope and no policy, a status of R5, an ingredient without item.
    "Consent-consent-example": {"cardinality-min", "ppc-1"},
    "Encounter-enc-example": {"binding-required"},
    "Medication-04A-FirmagonBranded": {"cardinality-min"},
    # An identifier with an id and nothing else.
    "Bundle-HDR-Paolo-Marcheschi-Example": {"ele-1"},
}


def test_of_the_examples_only_the_wrong_ones_have_errors():
    _, book = packages()
    found = {}
    count = 0
    for path in sorted(SHARED.glob("*.tgz")):
        with path.open("rb") as archive:
            for member in members(archive):
                if "/example/" in member.path:
                    count += 1
                    issues = check(parse_json(member.body, Limits()), book)
                    errors = {one.message_id for one in issues if one.severity == "error"}
                    if errors:
                        found[member.path.rpartition("/")[2].removesuffix(".json")] = errors
    assert count == 251
    assert found == WRONG
