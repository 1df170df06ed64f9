"""What is unknown in a search is named, and what is said to apply is what applies (R4 search.html#errors)."""

import pytest

from salus.core.errors import InvalidSearch, NotSupported
from salus.core.limits import Limits
from salus.standards.fhir.search.grammar import parse_query


def read(*pairs, kind="Observation", strict=False):
    return parse_query(kind, pairs, Limits(), strict=strict)


@pytest.mark.parametrize(
    ("value", "applied", "ignored"),
    [
        ("-date,foo", [("_sort", "-date")], ("_sort (key 2)",)),
        ("foo,-date", [("_sort", "-date")], ("_sort (key 1)",)),
        ("status,-foo,-date,bar", [("_sort", "status,-date")], ("_sort (key 2)", "_sort (key 4)")),
        ("foo", [], ("_sort (key 1)",)),
        ("-date", [("_sort", "-date")], ()),
    ],
)
def test_the_keys_that_sort_are_those_said_to_apply(value, applied, ignored):
    query = read(("_sort", value))
    keys = [("-" if key.descending else "") + key.parameter.code for key in query.sort]
    assert (list(query.applied), query.ignored) == (applied, ignored)
    assert keys == (applied[0][1].split(",") if applied else [])
    if ignored:
        with pytest.raises(InvalidSearch, match="'foo'"):
            read(("_sort", value), strict=True)


def test_an_include_by_an_unknown_parameter_is_named_with_it():
    query = read(("_include", "Observation:foo"), ("_include", "Observation:subject"), ("foo", "secret"))
    assert query.ignored == ("_include of Observation (its parameter)", "foo")
    assert query.applied == (("_include", "Observation:subject"),)


@pytest.mark.parametrize(
    ("value", "elements", "applied", "ignored"),
    [
        ("name,birthDate", ("name", "birthDate"), "name,birthDate", ()),
        ("name.family", ("name",), "name", ()),
        ("name.family,name.given,gender", ("name", "gender"), "name,gender", ()),
        ("gender,naem", ("gender",), "gender", ("_elements (unknown name 1)",)),
        ("deceasedBoolean, gender", ("deceasedBoolean", "gender"), "deceasedBoolean,gender", ()),
        ("naem,na me", (), "", ("_elements (unknown name 1)", "_elements (unknown name 2)")),
    ],
)
def test_elements_are_those_at_the_root_of_resources(value, elements, applied, ignored):
    query = read(("_elements", value), kind="Patient")
    assert (query.elements, query.ignored) == (elements, ignored)
    assert query.applied == ((("_elements", applied),) if applied else ())


@pytest.mark.parametrize("value", ["name.family", "naem"])
def test_other_elements_are_refused_where_that_is_wished(value):
    with pytest.raises(InvalidSearch, match="root"):
        read(("_elements", value), kind="Patient", strict=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("questionnaire.status", "active"),
        ("_include", "QuestionnaireResponse:questionnaire"),
        ("_revinclude", "CarePlan:instantiates-canonical"),
    ],
)
def test_what_a_canonical_address_means_is_not_followed_and_that_is_said(name, value):
    with pytest.raises(NotSupported, match="canonical addresses"):
        read((name, value), kind="QuestionnaireResponse")
    assert read(("questionnaire", "http://q.example/a|1"), kind="QuestionnaireResponse").criteria
