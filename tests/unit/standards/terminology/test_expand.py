"""$expand by each filter operator and parameter (R4 valueset.html, valueset-operation-expand.html)."""

import pytest
from tests.unit.standards.terminology.asking import BODY, ask, codes, concept, system, value_set

from salus.core.errors import MalformedContent
from salus.standards.terminology.issues import TerminologyRefused

SITES = system(
    concept("trunk", concept("chest", concept("heart"), concept("lung")), concept("belly")),
    concept("limb", concept("arm", property=[{"code": "side", "valueCode": "left"}])),
    concept("gill", property=[{"code": "status", "valueCode": "retired"}]),
    property=[
        {"code": "side", "type": "code"},
        {"code": "status", "uri": "http://hl7.org/fhir/concept-properties#status"},
    ],
    hierarchyMeaning="is-a",
)


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("concept", "is-a", "chest", ["chest", "heart", "lung"]),
        ("concept", "descendent-of", "chest", ["heart", "lung"]),
        ("concept", "is-not-a", "trunk", ["limb", "arm", "gill"]),
        ("concept", "generalizes", "heart", ["trunk", "chest", "heart"]),
        ("concept", "child-of", "trunk", ["chest", "belly"]),
        ("concept", "descendent-leaf", "trunk", ["heart", "lung", "belly"]),
        ("code", "regex", "l.*", ["lung", "limb"]),
        ("code", "in", "arm,lung", ["lung", "arm"]),
        ("code", "not-in", "arm,lung,gill,limb,trunk,belly", ["chest", "heart"]),
        ("side", "=", "left", ["arm"]),
        ("side", "exists", "true", ["arm"]),
        ("parent", "=", "limb", ["arm"]),
        ("child", "exists", "false", ["heart", "lung", "belly", "arm", "gill"]),
        ("status", "=", "retired", ["gill"]),
        ("display", "=", "Lung", ["lung"]),
    ],
)
def test_each_filter_operator_keeps_what_the_standard_says(name, operator, value, expected):
    chosen = value_set({"system": BODY, "filter": [{"property": name, "op": operator, "value": value}]})
    found = ask("ValueSet/$expand", SITES, chosen, url=chosen["url"], excludeNested=True)
    assert codes(found) == expected
    assert found["expansion"]["total"] == len(expected)


def test_a_whole_hierarchy_is_nested_unless_that_is_excluded():
    whole = value_set({"system": BODY})
    expected = ["trunk", " chest", "  heart", "  lung", " belly", "limb", " arm", "gill"]
    assert codes(ask("ValueSet/$expand", SITES, whole, url=whole["url"])) == expected
    flat = ask("ValueSet/$expand", SITES, whole, url=whole["url"], excludeNested=True)
    assert codes(flat) == [one.strip() for one in expected]


def test_pages_follow_each_other_and_count_all():
    whole = value_set({"system": BODY})
    pages = [ask("ValueSet/$expand", SITES, whole, url=whole["url"], offset=at, count=3) for at in (0, 3, 6)]
    assert [code for page in pages for code in codes(page)] == [
        "trunk", "chest", "heart", "lung", "belly", "limb", "arm", "gill",
    ]  # fmt: skip
    assert {page["expansion"]["total"] for page in pages} == {8}
    assert "contains" not in ask("ValueSet/$expand", SITES, whole, url=whole["url"], count=0)["expansion"]


def test_includes_are_joined_imports_are_common_and_excludes_go():
    lungs = value_set(
        {"system": BODY, "filter": [{"property": "concept", "op": "is-a", "value": "chest"}]}, url="urn:chest"
    )
    chosen = value_set(
        {"system": BODY, "concept": [{"code": "arm"}, {"code": "heart"}]},
        {"system": BODY, "valueSet": ["urn:chest"]},
        exclude=[{"system": BODY, "concept": [{"code": "lung"}]}],
    )
    assert codes(ask("ValueSet/$expand", SITES, lungs, chosen, url=chosen["url"])) == [
        "arm",
        "heart",
        "chest",
    ]
    without = value_set({"system": BODY}, exclude=[{"valueSet": ["urn:chest"]}])
    found = ask("ValueSet/$expand", SITES, lungs, without, url=without["url"], excludeNested=True)
    assert codes(found) == ["trunk", "belly", "limb", "arm", "gill"]


def test_only_active_codes_where_that_is_asked_by_request_or_value_set():
    whole = value_set({"system": BODY})
    assert "gill" not in codes(ask("ValueSet/$expand", SITES, whole, url=whole["url"], activeOnly=True))
    active = whole | {"compose": whole["compose"] | {"inactive": False}}
    assert "gill" not in codes(ask("ValueSet/$expand", SITES, active, url=active["url"]))
    (gill,) = [
        one
        for one in ask("ValueSet/$expand", SITES, whole, url=whole["url"])["expansion"]["contains"]
        if one["code"] == "gill"
    ]
    assert gill["inactive"] is True
    assert gill["property"] == [{"code": "status", "valueCode": "retired"}]


def test_names_come_in_the_language_asked_for_with_its_fall_back():
    names = [{"language": "pt", "value": "Coração"}, {"language": "de", "value": "Herz"}]
    heart = system(concept("heart", designation=names), concept("lung"))
    whole = value_set({"system": BODY})

    def shown(language):
        found = ask("ValueSet/$expand", heart, whole, url=whole["url"], displayLanguage=language)
        return [one.get("display") for one in found["expansion"]["contains"]]

    assert shown("pt-BR") == ["Coração", "Lung"]
    assert shown("fr, de;q=0.5") == ["Herz", "Lung"]
    assert shown("de,*;q=0") == ["Herz", None]
    by_header = ask("ValueSet/$expand", heart, whole, url=whole["url"], accepted="de")
    assert by_header["expansion"]["contains"][0]["display"] == "Herz"
    every = ask("ValueSet/$expand", heart, whole, url=whole["url"], includeDesignations=True)
    assert [one["value"] for one in every["expansion"]["contains"][0]["designation"]] == ["Coração", "Herz"]


def test_a_supplement_adds_names_and_one_that_is_missing_is_an_error():
    over = {
        "resourceType": "CodeSystem", "url": "urn:over", "status": "active", "content": "supplement",
        "supplements": BODY,
        "concept": [{"code": "heart", "designation": [{"language": "et", "value": "Süda"}]}],
    }  # fmt: skip
    whole = value_set({"system": BODY, "concept": [{"code": "heart"}]})
    plain = ask("ValueSet/$expand", SITES, over, whole, url=whole["url"], displayLanguage="et")
    assert plain["expansion"]["contains"][0]["display"] == "Heart"
    found = ask(
        "ValueSet/$expand",
        SITES,
        over,
        whole,
        url=whole["url"],
        displayLanguage="et",
        useSupplement="urn:over",
    )
    assert found["expansion"]["contains"][0]["display"] == "Süda"
    assert {"name": "used-supplement", "valueUri": "urn:over"} in found["expansion"]["parameter"]
    with pytest.raises(TerminologyRefused, match="urn:none"):
        ask("ValueSet/$expand", SITES, whole, url=whole["url"], useSupplement="urn:none")


def test_versions_are_taken_as_the_request_rules():
    older = system(concept("tail"), version="1.0.0")
    newer = system(concept("fin"), version="2.0.0")
    whole = value_set({"system": BODY})
    assert codes(ask("ValueSet/$expand", older, newer, whole, url=whole["url"])) == ["fin"]
    assert codes(
        ask("ValueSet/$expand", older, newer, whole, url=whole["url"], system_version=f"{BODY}|1.0.0")
    ) == ["tail"]
    stated = value_set({"system": BODY, "version": "2.0.0"})
    forced = ask(
        "ValueSet/$expand", older, newer, stated, url=stated["url"], force_system_version=f"{BODY}|1.x.x"
    )
    assert codes(forced) == ["tail"]
    with pytest.raises(TerminologyRefused, match="not allowed"):
        ask("ValueSet/$expand", older, newer, stated, url=stated["url"], check_system_version=f"{BODY}|1.x.x")


@pytest.mark.parametrize(
    ("include", "said"),
    [
        ({"system": "urn:none"}, "not known"),
        ({"valueSet": ["urn:none"]}, "not known"),
        ({"system": BODY, "filter": [{"property": "shape", "op": "=", "value": "x"}]}, "not understood"),
        (
            {"system": BODY, "filter": [{"property": "code", "op": "regex", "value": "(?=a)b"}]},
            "not understood",
        ),
        ({"system": BODY, "filter": [{"property": "concept", "op": "is-a"}]}, "no value"),
        ({"valueSet": ["https://example.org/vs"]}, "circle"),
    ],
)
def test_what_cannot_be_expanded_is_refused_with_the_reason(include, said):
    chosen = value_set(include)
    with pytest.raises(TerminologyRefused, match=said):
        ask("ValueSet/$expand", SITES, chosen, url=chosen["url"])


def test_large_expansions_ask_for_a_page_and_bad_numbers_are_refused():
    many = system(*[concept(f"c{number}") for number in range(1200)])
    whole = value_set({"system": BODY})
    with pytest.raises(TerminologyRefused, match="more than 1000"):
        ask("ValueSet/$expand", many, whole, url=whole["url"])
    assert len(codes(ask("ValueSet/$expand", many, whole, url=whole["url"], count=1100))) == 1100
    with pytest.raises(MalformedContent, match="count"):
        ask("ValueSet/$expand", many, whole, url=whole["url"], count="-1")


def test_a_text_finds_words_by_their_beginnings_without_accents():
    whole = value_set({"system": BODY})
    named = system(
        concept("a", display="Diabète insipide"), concept("b", display="Diabetes mellitus"), concept("c")
    )
    assert codes(ask("ValueSet/$expand", named, whole, url=whole["url"], filter="diabet")) == ["a", "b"]
    assert codes(ask("ValueSet/$expand", named, whole, url=whole["url"], filter="mell dia")) == ["b"]
