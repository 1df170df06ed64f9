"""docs/dispensing.md says what is so: every hindrance has a row, and its example is taken as it stands."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from salus.core.errors import Conflict
from salus.primary.dispensable import BY_REASON, HINDRANCES, check_dispensable
from salus.primary.prescriptions import read_dispensation, read_prescription
from salus.primary.substitution import CODES

PAGE = (Path(__file__).parents[2] / "docs" / "dispensing.md").read_text()
EXAMPLE = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1])
NOW = datetime(2026, 11, 29, 10, tzinfo=UTC)
DAYS_28 = {"value": 28, "code": "d", "system": "http://unitsofmeasure.org"}
ORDER = {
    "resourceType": "MedicationRequest",
    "id": "rx",
    "status": "active",
    "intent": "order",
    "authoredOn": "2026-11-01",
    "medicationCodeableConcept": EXAMPLE["medicationCodeableConcept"],
    "dispenseRequest": {
        "quantity": EXAMPLE["quantity"],
        "numberOfRepeatsAllowed": 3,
        "dispenseInterval": DAYS_28,
    },
}


def test_the_example_is_taken_with_its_reason_and_not_without():
    before = {**EXAMPLE, "identifier": [{"system": "urn:oid:2.999.1", "value": "1"}]}
    known = [read_dispensation(before | {"whenHandedOver": "2026-11-20T10:00:00Z"})]
    item = read_prescription(ORDER)
    check_dispensable(item, known, read_dispensation(EXAMPLE), now=NOW, country="PT")
    without = {name: member for name, member in EXAMPLE.items() if name != "note"}
    with pytest.raises(Conflict, match="2026-12-18"):
        check_dispensable(item, known, read_dispensation(without), now=NOW, country="PT")


def test_every_reason_has_a_row():
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| (.*) \|$", PAGE, re.MULTILINE)
    assert [code for code, _ in rows] == list(HINDRANCES)
    assert {code for code, what in rows if "say why" in what} == BY_REASON


def test_every_code_on_substitution_is_named():
    assert all(f"`{code}`" in PAGE for code in CODES)
