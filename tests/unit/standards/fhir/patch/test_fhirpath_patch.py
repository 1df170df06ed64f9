"""FHIRPath Patch: http://hl7.org/fhir/R4/fhirpatch.html."""

from copy import deepcopy
from decimal import Decimal

import pytest

from salus.core.errors import InvalidExpression, InvalidResource, MalformedContent, SalusError, TooCostly
from salus.standards.fhir.patch.fhirpath_patch import fhirpath_patch

PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "name": [{"family": "Secret", "given": ["A", "B"], "_given": [None, {"id": "b"}]}],
    "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": "urn:time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
    "deceasedBoolean": False,
    "contact": [{"name": {"text": "a name"}}],
    "identifier": [{"value": "1"}, {"value": "2"}, {"value": "3"}],
}


def part(name, **value):
    return {"name": name, **value}


def patch(*operations):
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": "operation", "part": list(parts)} for parts in operations],
    }


def operation(kind, path, *parts, name=None):
    named = [part("name", valueString=name)] if name else []
    return [part("type", valueCode=kind), part("path", valueString=path), *named, *parts]


def patched(*parts):
    before = deepcopy(PATIENT)
    changed = fhirpath_patch(PATIENT, patch(operation(*parts[:2], *parts[2:])))
    assert before == PATIENT
    return changed


def test_add_appends_to_a_list():
    value = part("value", valueIdentifier={"value": "4"})
    changed = fhirpath_patch(PATIENT, patch(operation("add", "Patient", value, name="identifier")))
    assert [one["value"] for one in changed["identifier"]] == ["1", "2", "3", "4"]


def test_add_builds_an_element_from_its_parts():
    value = part(
        "value",
        part=[
            part("name", valueHumanName={"text": "another"}),
            part("gender", valueCode="female"),
            part("relationship", valueCodeableConcept={"text": "r1"}),
            part("relationship", valueCodeableConcept={"text": "r2"}),
        ],
    )
    changed = fhirpath_patch(PATIENT, patch(operation("add", "Patient", value, name="contact")))
    assert changed["contact"][1] == {
        "name": {"text": "another"},
        "gender": "female",
        "relationship": [{"text": "r1"}, {"text": "r2"}],
    }


def test_add_chooses_the_key_of_a_choice_by_the_value():
    value = part("value", valueInteger=2)
    changed = fhirpath_patch(PATIENT, patch(operation("add", "Patient", value, name="multipleBirth")))
    assert changed["multipleBirthInteger"] == 2


def test_add_puts_an_extension_beside_a_primitive():
    value = part("value", part=[part("url", valueUri="urn:x"), part("value", valueCode="y")])
    path = "Patient.name[0].given[0]"
    changed = fhirpath_patch(PATIENT, patch(operation("add", path, value, name="extension")))
    assert changed["name"][0]["_given"] == [{"extension": [{"url": "urn:x", "valueCode": "y"}]}, {"id": "b"}]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("birthDate", {"valueDate": "1974"}),
        ("deceased", {"valueDateTime": "2020"}),
        ("nothing", {"valueString": "x"}),
        ("gender", {"valueCoding": {"code": "x"}}),
        ("maritalStatus", {"valueString": "x"}),
        ("multipleBirth", {"valueString": "x"}),
    ],
)
def test_add_refuses_what_has_no_place(name, value):
    with pytest.raises(InvalidResource):
        fhirpath_patch(PATIENT, patch(operation("add", "Patient", part("value", **value), name=name)))


def test_insert_puts_an_item_at_its_index():
    value = (part("index", valueInteger=1), part("value", valueIdentifier={"value": "x"}))
    assert [one["value"] for one in patched("insert", "Patient.identifier", *value)["identifier"]] == [
        "1",
        "x",
        "2",
        "3",
    ]


def test_insert_keeps_values_and_their_siblings_together():
    value = (part("index", valueInteger=0), part("value", valueString="X"))
    changed = patched("insert", "Patient.name[0].given", *value)
    assert changed["name"][0]["given"] == ["X", "A", "B"]
    assert changed["name"][0]["_given"] == [None, None, {"id": "b"}]


@pytest.mark.parametrize("path", ["Patient.birthDate", "Patient.photo", "Patient.name.given | Patient.name"])
def test_insert_needs_one_list(path):
    with pytest.raises(InvalidResource):
        patched("insert", path, part("index", valueInteger=0), part("value", valueString="X"))


def test_delete_takes_the_primitive_with_its_extensions():
    changed = patched("delete", "Patient.birthDate")
    assert "birthDate" not in changed
    assert "_birthDate" not in changed


def test_delete_of_nothing_changes_nothing():
    assert patched("delete", "Patient.photo") == PATIENT
    assert patched("delete", "resolve().name") == PATIENT


def test_delete_leaves_no_empty_element_behind():
    assert "contact" not in patched("delete", "Patient.contact[0].name.text")


def test_delete_of_an_extension_of_a_primitive_leaves_the_value():
    changed = patched("delete", "Patient.birthDate.extension('urn:time')")
    assert changed["birthDate"] == "1974-12-25"
    assert "_birthDate" not in changed


def test_patches_cannot_nest_without_measure():
    inner = part("value", part=[part("url", valueUri="urn:x")])
    nested = [
        operation("add", "Patient" + ".extension[0]" * level, inner, name="extension") for level in range(40)
    ]
    with pytest.raises(InvalidResource, match="levels deep"):
        fhirpath_patch({"resourceType": "Patient"}, patch(*nested))


def test_a_patch_without_operations_changes_nothing():
    assert fhirpath_patch(PATIENT, {"resourceType": "Parameters"}) == PATIENT


def test_replace_may_change_the_type_of_a_choice():
    changed = patched("replace", "Patient.deceased", part("value", valueDateTime="2020"))
    assert changed["deceasedDateTime"] == "2020"
    assert "deceasedBoolean" not in changed


def test_replace_of_an_item_leaves_its_neighbours():
    changed = patched("replace", "Patient.name[0].given[0]", part("value", valueString="X"))
    assert changed["name"][0]["given"] == ["X", "B"]
    assert changed["name"][0]["_given"] == [None, {"id": "b"}]


def test_move_reorders_a_list():
    moved = patched(
        "move", "Patient.identifier", part("source", valueInteger=2), part("destination", valueInteger=0)
    )
    assert [one["value"] for one in moved["identifier"]] == ["3", "1", "2"]


@pytest.mark.parametrize(
    "parts",
    [
        ("delete", "Patient"),
        ("delete", "Patient.identifier"),
        ("delete", "Patient.id"),
        ("delete", "1 + 1"),
        ("replace", "Patient.id", part("value", valueId="other")),
        ("replace", "Patient.photo", part("value", valueString="x")),
        ("replace", "Patient", part("value", valueString="x")),
        ("move", "Patient.identifier", part("source", valueInteger=3), part("destination", valueInteger=0)),
        ("insert", "Patient.identifier", part("index", valueInteger=9), part("value", valueIdentifier={})),
    ],
)
def test_what_does_not_fit_is_refused(parts):
    with pytest.raises(InvalidResource) as refusal:
        patched(*parts)
    assert "Secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "path",
    [
        "Patient.nothing",
        "Patient.name.where(",
        "'a'.replaceMatches('(a+)+$', 'b')",
        "Patient.name.unknown()",
        "x" * 3_000,
    ],
)
def test_paths_that_cannot_be_evaluated_are_refused(path):
    with pytest.raises(InvalidExpression):
        patched("delete", path)


@pytest.mark.parametrize(
    "parameters",
    [
        {"resourceType": "Parameters", "parameter": {}},
        {"resourceType": "Patient", "parameter": []},
        {"resourceType": "Parameters", "parameter": [{"name": "other", "part": []}]},
        {"resourceType": "Parameters", "parameter": ["operation"]},
        patch([]),
        patch([part("type", valueCode="explode"), part("path", valueString="Patient")]),
        patch([part("type", valueCode="delete")]),
        patch([part("type", valueCode="delete"), part("path", valueInteger=1)]),
        patch(operation("add", "Patient", name="active")),
        patch(operation("insert", "Patient.identifier", part("value", valueIdentifier={}))),
        patch(operation("move", "Patient.identifier", part("source", valueInteger=-1))),
        patch([*operation("delete", "Patient.name"), part("path", valueString="Patient.id")]),
    ],
)
def test_what_is_no_patch_is_refused(parameters):
    with pytest.raises(MalformedContent):
        fhirpath_patch(PATIENT, parameters)


def test_a_failing_operation_undoes_the_ones_before():
    both = patch(operation("delete", "Patient.birthDate"), operation("delete", "Patient.identifier"))
    with pytest.raises(SalusError):
        fhirpath_patch(PATIENT, both)
    assert PATIENT["birthDate"] == "1974-12-25"


LARGE = {
    "resourceType": "Patient",
    "id": "p",
    "name": [{"family": "x" * 50, "given": ["a" * 20] * 20}] * 100,
    "text": {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{"a b" * 50_000}</div>',
    },
    "extension": [{"url": "urn:long", "valueDecimal": Decimal("1." + "7" * 100_000)}],
}


@pytest.mark.parametrize(
    "path",
    [
        "'a'.repeat($this & 'a')",
        "'a'.repeat($this + 'a')",
        "(0).repeat($this + 1)",
        "(0).repeatAll($this + 1)",
        "'a'.repeatAll($this & $this)",
        "'a'" + ".select($this & $this)" * 60,
        "name.given.aggregate($total & $total, 'a')",
        "name.given.select(%context.text.div.upper().length())",
        "name.given.where(%context.text.div ~ (%context.text.div & ''))",
        "name.given.where(%context.text.div.htmlChecks())",
        "name.given.where(%context.text.div.indexOf('zz') = 1)",
        "name.given.where(%context.extension[0].value * %context.extension[0].value > 1)",
        "name.given.select(%context.extension[0].value.toString())",
        "name.given.select(%context.name.given.tail())",
        "descendants().select(%context.descendants())",
        "name.given.where(" + "1 + " * 150 + "1 = 5)",
    ],
)
def test_a_path_that_makes_or_compares_too_much_is_stopped(path):
    with pytest.raises(TooCostly):
        fhirpath_patch(LARGE, patch(operation("delete", path)))


@pytest.mark.parametrize(
    "path",
    [
        "(extension[0].value * 1 'kg') > 5 'mg'",
        "(10.power(999999) * 1 'kg') > 5 'mg'",
        "(10.power(-999999) * 1 'kg') | (5 'mg')",
        "(10.power(999999) * 1 'kg') ~ 5 'mg'",
        "(10.power(999999) * 1 'kg') + 5 'mg'",
        "@2020-01-01 + (10.power(999999) * 1 day)",
        "extension[0].value.toQuantity() > 5",
    ],
)
def test_numbers_beyond_measure_select_nothing_that_can_be_patched(path):
    with pytest.raises(SalusError):
        fhirpath_patch(LARGE, patch(operation("replace", path, part("value", valueString="x"))))


def test_the_operations_of_a_patch_spend_from_one_budget():
    dear = operation("delete", "name.given.where($this = 'b')")
    fhirpath_patch(LARGE, patch(dear))
    with pytest.raises(TooCostly):
        fhirpath_patch(LARGE, patch(*[dear] * 100))


def test_a_thousand_plain_operations_fit():
    one = operation("replace", "Patient.name[0].family", part("value", valueString="x"))
    assert fhirpath_patch(PATIENT, patch(*[one] * 1_000))["name"][0]["family"] == "x"
