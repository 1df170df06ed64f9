"""SMART v2 scopes with search parameters: what they let through, and what they do not understand."""

import pytest

from salus.core.errors import NotSupported
from salus.standards.fhir.search.match import matches
from salus.standards.smart.scopes import Scope, alternatives, constraint, covers, fitting, parse_scope

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
LABORATORY = f"patient/Observation.rs?category={CATEGORY}|laboratory"


def observation(code="laboratory", **more):
    coding = {"coding": [{"system": CATEGORY, "code": code}]}
    return {"resourceType": "Observation", "id": "o", "status": "final", "category": [coding], **more}


def scopes(*texts):
    return [found for found in map(parse_scope, texts) if found is not None]


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("patient/Observation.rs", Scope("patient", "Observation", "rs")),
        ("user/*.cruds", Scope("user", "*", "cruds")),
        ("system/Patient.read", Scope("system", "Patient", "rs")),
        ("patient/Observation.write", Scope("patient", "Observation", "cud")),
        ("patient/*.*", Scope("patient", "*", "cruds")),
        (LABORATORY, Scope("patient", "Observation", "rs", (("category", f"{CATEGORY}|laboratory"),))),
        (
            "patient/Observation.rs?category=a&code=b%2Cc",
            Scope("patient", "Observation", "rs", (("category", "a"), ("code", "b,c"))),
        ),
    ],
)
def test_a_scope_is_read(text, scope):
    assert parse_scope(text) == scope


@pytest.mark.parametrize(
    "text",
    [
        "openid",
        "launch/patient",
        "patient/Observation.",
        "patient/Observation.dus",
        "patient/observation.rs",
        "patient/Observation.rss",
        "patient/Observation",
        "device/Observation.rs",
        "patient/Observation.rs ",
        "patient/Observation.rs?",
        "patient/Observation.read?category=a",
        "patient/*.rs?_lastUpdated=gt2020",
        "patient/Observation.rs?nothing-such=a",
        "patient/Observation.rs?category",
        "patient/Observation.rs?category=",
        "patient/Observation.rs?_include=Observation:subject",
        "patient/Observation.rs?category=a&_sort=date",
        "patient/Observation.rs?subject.name=Ebba",
        "patient/Observation.rs?_has:Provenance:target:agent=x",
        "patient/Observation.rs?category:in=http://example.org/unknown",
        "patient/Observation.rs?date=yesterday",
        "patient/Observation.rs?category=é",
        "patient/Nothing.rs?code=a",
    ],
)
def test_a_scope_that_is_not_understood_whole_gives_nothing(text):
    assert parse_scope(text) is None


def test_a_constraint_is_decided_by_the_resource():
    found = scopes(LABORATORY)
    assert covers(found, "r", observation())
    assert not covers(found, "r", observation("vital-signs"))
    assert not covers(found, "r", observation(category=[]))
    assert not covers(found, "c", observation())
    assert not covers(found, "r", {"resourceType": "Condition", "id": "c"})


def test_scopes_add_up():
    found = scopes(LABORATORY, f"patient/Observation.rs?category={CATEGORY}|vital-signs")
    assert covers(found, "r", observation("vital-signs"))
    assert not covers(found, "r", observation("survey"))
    assert covers([*found, *scopes("patient/Observation.r")], "r", observation("survey"))


def test_all_parameters_of_one_scope_must_hold():
    found = scopes(f"patient/Observation.rs?category={CATEGORY}|laboratory&status=final")
    assert covers(found, "r", observation())
    assert not covers(found, "r", observation(status="amended"))


def test_what_a_search_may_find_is_named():
    assert alternatives(scopes("patient/Observation.rs", LABORATORY), "s", "Observation") is None
    assert alternatives(scopes("patient/Observation.r"), "s", "Observation") == ()
    (only,) = alternatives(scopes(LABORATORY, LABORATORY), "s", "Observation")
    assert matches(only, observation())
    assert not matches(only, observation("survey"))


def test_the_widest_scope_comes_first():
    found = fitting(
        scopes(LABORATORY, "patient/*.rs", "system/Observation.rs", "user/Condition.rs"), "s", "Observation"
    )
    assert [(one.context, one.type, bool(one.query)) for one in found] == [
        ("system", "Observation", False),
        ("patient", "*", False),
        ("patient", "Observation", True),
    ]
    assert fitting(scopes("patient/Observation.rs"), "s", "") == ()


def test_a_constraint_of_an_unknown_type_is_refused():
    with pytest.raises(NotSupported):
        constraint("Nothing", (("code", "a"),))
