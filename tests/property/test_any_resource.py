"""A resource of any R4 type with every element filled is chosen, composed and read; nothing breaks on it.

The instances are made from the definitions of R4, not from what our code reads.
"""

import base64
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.primary.composing.material import Terms, material_of
from salus.primary.documents.patient_summary import compose_summary
from salus.primary.documents.registry import kinds
from salus.primary.reading.document import read_document
from salus.primary.reading.html import page
from salus.primary.selection import is_entry, is_error, is_permission, says_none, section_of, select
from salus.standards.fhir.model import properties, resource_types, value_set_codes

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Silva"}], "birthDate": "1970-01-01"}
DEPTH = 4
VALUES = {
    "boolean": True, "integer": 3, "positiveInt": 2, "unsignedInt": 1, "decimal": Decimal("1.5"),
    "date": "2026-11-01", "dateTime": "2026-11-01T10:00:00Z", "instant": "2026-11-01T10:00:00Z",
    "time": "10:00:00", "base64Binary": base64.b64encode(b"x").decode(), "id": "x1", "code": "x",
    "uri": "urn:x", "url": "http://x.example/a", "canonical": "http://x.example/a", "oid": "urn:oid:1.2.3",
    "uuid": "urn:uuid:0f1e2d3c-0000-4000-8000-000000000001", "string": "words", "markdown": "words",
    "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml">words</div>',
}  # fmt: skip
KINDS = sorted(resource_types())


def value(known, turn, depth):
    code = known.type.code.rpartition("/")[2]
    code = "string" if code == "System.String" or "fhirpath" in code else code
    bound = known.element.binding
    if code == "code" and bound is not None and bound.strength == "required":
        codes = sorted(one for each in (value_set_codes(bound.value_set) or {}).values() for one in each)
        return codes[turn % len(codes)] if codes else "x"
    if code in VALUES:
        return VALUES[code]
    if code == "Reference":
        targets = [each.rpartition("/")[2] for each in known.type.target_profiles] or ["Observation"]
        return {"reference": f"{targets[turn % len(targets)]}/x1", "display": "words"}
    if code in ("Resource", "Extension", "Meta", "Narrative"):
        return None
    return filled(code, turn, depth + 1) if depth < DEPTH else None


def filled(name, turn, depth=0):
    """Return an instance of a type with every element; `turn` chooses among types and codes."""
    found, chosen = {}, {}
    for key, known in properties(name).items():
        chosen.setdefault(known.element.name, []).append((key, known))
    for several in chosen.values():
        key, known = several[turn % len(several)]
        one = value(known, turn, depth)
        if one is not None and one != {}:
            found[key] = [one] if known.element.max != 1 else one
    return found


@cache
def instance(kind, turn):
    whose = {"reference": "Patient/p"}
    made = {**filled(kind, turn), "resourceType": kind, "id": "x1"}
    return {key: whose if key in ("subject", "patient") and isinstance(one, dict) else one
            for key, one in made.items()}  # fmt: skip


def document_naming(resources):
    entries = [{"reference": f"{each['resourceType']}/{each['id']}"} for each in resources]
    composition = {
        "resourceType": "Composition", "id": "c", "status": "final", "date": "2026-11-30T10:00:00Z",
        "type": {"coding": [{"system": "http://loinc.org", "code": "34105-7"}]}, "title": "t",
        "author": [{"display": "x"}], "subject": {"reference": "Patient/p"},
        "section": [{"title": "s", "entry": entries}],
    }  # fmt: skip
    held = [composition, PATIENT, *resources]
    return {
        "resourceType": "Bundle", "type": "document", "timestamp": "2026-11-30T10:00:00Z",
        "entry": [{"fullUrl": f"http://a.example/{each['resourceType']}/{each['id']}", "resource": each}
                  for each in held],
    }  # fmt: skip


def handle(resources):
    for each in resources:
        for asked in (section_of, is_error, says_none, is_permission, is_entry):
            asked(each)
    chosen = [each for each in resources if each["resourceType"] != "Patient"]
    select(chosen)
    compose_summary(chosen, patient=PATIENT, author_organisation="Salus", now=NOW)
    material = material_of(chosen, patient=PATIENT)
    for each in chosen:
        for kind in kinds().values():
            if each["resourceType"] in kind.types and kind.is_about(each, material):
                kind.compose(material, each, Terms("Salus", NOW))
    page(read_document(document_naming(chosen), "en", NOW))


@pytest.mark.parametrize("turn", range(3))
def test_a_filled_resource_of_any_type_breaks_nothing(turn):
    broken = {}
    for kind in KINDS:
        try:
            handle([instance(kind, turn)])
            page(read_document(instance(kind, turn), "pt", NOW))
        except Exception as error:  # noqa: BLE001  all of them are named, not the first alone
            place = error.__traceback__
            while place.tb_next:
                place = place.tb_next
            broken[kind] = f"{error!r} at {place.tb_frame.f_code.co_filename[-40:]}:{place.tb_lineno}"
    assert not broken


@settings(max_examples=10)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 30)), max_size=12))
def test_a_record_of_any_types_breaks_nothing(drawn):
    handle([{**instance(kind, turn), "id": f"x{place}"} for place, (kind, turn) in enumerate(drawn)])
