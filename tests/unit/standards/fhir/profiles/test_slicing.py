"""Slicing: every kind of discriminator, on the paths that the European guides use."""

from __future__ import annotations

import pytest
from tests.unit.standards.fhir.profiles.writing import BASE, book_of, profile

from salus.standards.fhir.profiles.validator import check_profiles


def slicing(kind: str, path: str, rules: str = "open", **more: object) -> dict[str, object]:
    return {"discriminator": [{"type": kind, "path": path}], "rules": rules, **more}


def patient(*systems: str) -> dict[str, object]:
    return {"resourceType": "Patient", "identifier": [{"system": one, "value": "1"} for one in systems]}


def by_system(rules: str = "open", **more: object) -> dict[str, object]:
    return profile(
        "p",
        "Patient",
        {"id": "Patient.identifier", "slicing": slicing("value", "system", rules, **more)},
        {"id": "Patient.identifier:a", "min": 1, "max": "1"},
        {"id": "Patient.identifier:a.system", "min": 1, "fixedUri": "http://a"},
        {"id": "Patient.identifier:a.value", "min": 1},
        {"id": "Patient.identifier:b", "max": "1"},
        {"id": "Patient.identifier:b.system", "min": 1, "fixedUri": "http://b"},
    )


@pytest.mark.parametrize(
    ("systems", "rules", "wanted"),
    [
        (["http://a"], "open", []),
        (["http://b"], "open", [("slice-min", "Patient.identifier")]),
        (["http://a", "http://a"], "open", [("slice-max", "Patient.identifier[1]")]),
        (["http://a", "http://c"], "open", []),
        (["http://a", "http://c"], "closed", [("slice-closed", "Patient.identifier[1]")]),
        (["http://a", "http://c"], "openAtEnd", []),
        (["http://c", "http://a"], "openAtEnd", [("slice-order", "Patient.identifier[1]")]),
    ],
)
def test_slices_by_value(errors, systems, rules, wanted):
    assert errors(patient(*systems), by_system(rules)) == wanted


def test_slices_in_order(errors):
    given = patient("http://b", "http://a")
    assert errors(given, by_system(ordered=True)) == [("slice-order", "Patient.identifier[1]")]
    assert errors(patient("http://a", "http://b"), by_system(ordered=True)) == []


def test_a_slice_of_a_slice(errors):
    rule = profile(
        "p",
        "Patient",
        {"id": "Patient.identifier", "slicing": slicing("value", "system")},
        {"id": "Patient.identifier:a", "min": 0},
        {"id": "Patient.identifier:a.system", "min": 1, "fixedUri": "http://a"},
        {"id": "Patient.identifier:a", "slicing": slicing("value", "use")},
        {"id": "Patient.identifier:a/old", "min": 1, "max": "1"},
        {"id": "Patient.identifier:a/old.use", "min": 1, "fixedCode": "old"},
    )
    given = patient("http://a")
    assert errors(given, rule) == [("slice-min", "Patient.identifier")]
    given["identifier"][0]["use"] = "old"  # type: ignore[index]
    assert errors(given, rule) == []


def test_slices_by_pattern_of_the_element_itself(errors):
    rule = profile(
        "p",
        "Condition",
        {"id": "Condition.category", "slicing": slicing("pattern", "$this")},
        {
            "id": "Condition.category:x",
            "min": 1,
            "patternCodeableConcept": {"coding": [{"system": "urn:s", "code": "x"}]},
        },
    )
    given = {
        "resourceType": "Condition",
        "category": [{"coding": [{"system": "urn:s", "code": "x", "display": "X"}]}],
    }
    assert errors(given, rule) == []
    given["category"][0]["coding"][0]["code"] = "y"  # type: ignore[index]
    assert errors(given, rule) == [("slice-min", "Condition.category")]


def test_slices_by_type(errors):
    rule = profile(
        "p",
        "Observation",
        {"id": "Observation.value[x]", "slicing": slicing("type", "$this", "closed")},
        {"id": "Observation.value[x]:valueQuantity", "type": [{"code": "Quantity"}]},
        {"id": "Observation.value[x]:valueQuantity.unit", "min": 1},
    )
    assert errors({"resourceType": "Observation", "valueQuantity": {"value": 1}}, rule) == [
        ("profile-min", "Observation.value.ofType(Quantity).unit")
    ]
    assert errors({"resourceType": "Observation", "valueString": "x"}, rule) == [
        ("slice-closed", "Observation.value.ofType(string)")
    ]


def test_slices_by_existence(errors):
    rule = profile(
        "p",
        "Patient",
        {"id": "Patient.contact", "slicing": slicing("exists", "organization")},
        {"id": "Patient.contact:firm", "max": "1"},
        {"id": "Patient.contact:firm.organization", "min": 1},
        {"id": "Patient.contact:person", "min": 1},
        {"id": "Patient.contact:person.organization", "max": "0"},
    )
    firm = {"organization": {"display": "Firm"}}
    assert errors({"resourceType": "Patient", "contact": [firm]}, rule) == [("slice-min", "Patient.contact")]
    assert errors({"resourceType": "Patient", "contact": [firm, {"name": {"text": "x"}}]}, rule) == []


EXTENSION = profile(
    "colour",
    "Extension",
    {"id": "Extension.url", "fixedUri": BASE + "colour"},
    {"id": "Extension.value[x]", "min": 1, "type": [{"code": "string"}]},
    kind="complex-type",
    context=[{"type": "element", "expression": "Patient"}],
)


def test_extensions_are_slices_by_url(errors):
    rule = profile(
        "p",
        "Patient",
        {
            "id": "Patient.extension:colour",
            "min": 1,
            "type": [{"code": "Extension", "profile": [BASE + "colour"]}],
        },
    )
    given = {"resourceType": "Patient", "extension": [{"url": BASE + "colour", "valueString": "red"}]}
    assert errors(given, rule, EXTENSION) == []
    given["extension"][0] = {"url": BASE + "colour", "valueInteger": 1}  # type: ignore[index]
    assert errors(given, rule, EXTENSION) == [("profile-type", "Patient.extension[0].value.ofType(integer)")]
    del given["extension"]
    assert errors(given, rule, EXTENSION) == [("slice-min", "Patient.extension")]


def test_an_extension_stands_where_its_definition_says(errors):
    given = {
        "resourceType": "Patient",
        "name": [{"family": "x", "extension": [{"url": BASE + "colour", "valueString": "red"}]}],
    }
    assert errors(given, profile("p", "Patient"), EXTENSION) == [
        ("extension-context", "Patient.name[0].extension[0]")
    ]


WITH_NAME = profile("named", "Patient", {"id": "Patient.name", "min": 1})
BUNDLE = profile(
    "b",
    "Bundle",
    {
        "id": "Bundle.entry",
        "slicing": {
            "discriminator": [{"type": "type", "path": "resource"}, {"type": "profile", "path": "resource"}],
            "rules": "open",
        },
    },
    {"id": "Bundle.entry:patient", "min": 1},
    {
        "id": "Bundle.entry:patient.resource",
        "min": 1,
        "type": [{"code": "Patient", "profile": [BASE + "named"]}],
    },
)


def bundle(patient: dict[str, object], reference: str = "urn:uuid:1") -> dict[str, object]:
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", **patient}},
            {
                "fullUrl": "urn:uuid:2",
                "resource": {"resourceType": "Condition", "subject": {"reference": reference}},
            },
        ],
    }


def test_entries_of_a_bundle_are_sliced_by_type_and_profile(errors):
    assert errors(bundle({"name": [{"text": "x"}]}), BUNDLE, WITH_NAME) == []
    assert errors(bundle({"active": True}), BUNDLE, WITH_NAME) == [
        ("slice-min", "Bundle.entry"),
        ("profile-min", "Bundle.entry[0].resource.name"),
    ]


def test_a_reference_is_followed_inside_the_bundle(errors):
    target = [{"code": "Reference", "targetProfile": [BASE + "named"]}]
    about = profile("c", "Condition", {"id": "Condition.subject", "type": target})
    outer = profile("b", "Bundle")
    given = bundle({"active": True})
    given["entry"][1]["resource"]["meta"] = {"profile": [BASE + "c"]}  # type: ignore[index]
    assert errors(given, outer, about, WITH_NAME) == [("profile-min", "Bundle.entry[0].resource.name")]


def test_slices_by_what_a_reference_resolves_to(errors):
    rule = profile(
        "list",
        "List",
        {"id": "List.entry", "slicing": slicing("profile", "item.resolve()")},
        {"id": "List.entry:patient", "min": 1},
        {"id": "List.entry:patient.item", "type": [{"code": "Reference", "targetProfile": [BASE + "named"]}]},
    )
    given = {
        "resourceType": "List",
        "contained": [{"resourceType": "Patient", "id": "p", "name": [{"text": "x"}]}],
        "entry": [{"item": {"reference": "#p"}}],
    }
    assert errors(given, rule, WITH_NAME) == []
    del given["contained"][0]["name"]  # type: ignore[index]
    assert errors(given, rule, WITH_NAME)[0] == ("slice-min", "List.entry")


def test_a_code_of_a_slice_in_another_system_is_a_warning():
    rule = profile(
        "p",
        "Composition",
        {"id": "Composition.section", "slicing": slicing("pattern", "code")},
        {"id": "Composition.section:allergies", "min": 0},
        {
            "id": "Composition.section:allergies.code",
            "patternCodeableConcept": {"coding": [{"system": "http://loinc.org", "code": "48765-2"}]},
        },
    )
    for system, wanted in (("http://loinc.org", []), ("http://loinc.example", ["slice-likeness"])):
        code = {"coding": [{"system": system, "code": "48765-2"}]}
        given = {"resourceType": "Composition", "section": [{"code": code}]}
        found = check_profiles(given, book_of(rule), [rule["url"]])
        assert [one.message_id for one in found] == wanted


def test_a_resource_with_another_code_or_category_is_in_no_slice_by_profile(errors):
    """Cheap tests may only spare work: with and without them the same entries are found."""
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    category = {"coding": [{"system": system, "code": "laboratory"}]}
    laboratory = profile(
        "lab",
        "Observation",
        {"id": "Observation.category", "slicing": slicing("pattern", "$this"), "min": 1},
        {"id": "Observation.category:lab", "min": 1, "patternCodeableConcept": category},
    )
    bundle = profile(
        "p",
        "Bundle",
        {"id": "Bundle.entry", "slicing": slicing("profile", "resource", "closed")},
        {"id": "Bundle.entry:lab", "min": 1},
        {"id": "Bundle.entry:lab.resource", "type": [{"code": "Observation", "profile": [BASE + "lab"]}]},
    )

    def entry(*codes: str) -> dict[str, object]:
        coding = [{"system": system, "code": code} for code in codes]
        code = {"coding": [{"system": "http://loinc.org", "code": "1-8"}]}
        return {
            "fullUrl": f"urn:uuid:{len(codes)}",
            "resource": {
                "resourceType": "Observation",
                "status": "final",
                "code": code,
                "category": [{"coding": [one]} for one in coding],
            },
        }

    given = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [entry("exam"), entry("exam", "laboratory")],
    }
    assert errors(given, bundle, laboratory) == [("slice-closed", "Bundle.entry[0]")]


def test_a_profile_that_only_adds_obligations_is_its_base():
    base = profile("base", "Patient", {"id": "Patient.name", "min": 1})
    same = profile(
        "same", "Patient", {"id": "Patient.name", "mustSupport": True}, baseDefinition=BASE + "base"
    )
    more = profile("more", "Patient", {"id": "Patient.name", "max": "1"}, baseDefinition=BASE + "base")
    book = book_of(base, same, more)
    assert book.same_as(BASE + "same") == BASE + "base"
    assert book.same_as(BASE + "more") == BASE + "more"
    found = check_profiles({"resourceType": "Patient"}, book, [BASE + "same"])
    assert [(one.message_id, one.expression) for one in found] == [("profile-min", "Patient.name")]
