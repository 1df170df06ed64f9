"""$validate-code: what is wrong, as which kind of issue, and where (tx-ecosystem, requirements)."""

import pytest
from tests.unit.standards.terminology.asking import BODY, ask, concept, issues, parts, system, value_set

from salus.standards.terminology.issues import TerminologyRefused

SITES = system(
    concept("heart", designation=[{"language": "de", "value": "Herz"}]),
    concept("organ", property=[{"code": "notSelectable", "valueBoolean": True}]),
    concept("gill", property=[{"code": "status", "valueCode": "retired"}]),
    version="1.0.0",
)
WHOLE = value_set({"system": BODY})
SOME = value_set({"system": BODY, "concept": [{"code": "heart"}]})


def check(chosen, **given):
    return ask("ValueSet/$validate-code", SITES, chosen, url=chosen["url"], **given)


def test_a_code_in_the_value_set_is_right_and_told_with_its_version_and_display():
    assert parts(check(WHOLE, system=BODY, code="heart")) == {
        "code": "heart", "display": "Heart", "result": True, "system": BODY, "version": "1.0.0",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("chosen", "given", "expected"),
    [
        (
            WHOLE,
            {"system": BODY, "code": "spleen"},
            [("error", "invalid-code", "code"), ("error", "not-in-vs", "code")],
        ),
        (
            SOME,
            {"coding": {"system": BODY, "code": "gill"}},
            [("error", "not-in-vs", "Coding.code"), ("warning", "code-comment", "Coding")],
        ),
        (
            WHOLE,
            {"coding": {"system": "urn:none", "code": "x"}},
            [("error", "not-in-vs", "Coding.code"), ("error", "not-found", "Coding.system")],
        ),
        (
            WHOLE,
            {"coding": {"code": "x"}},
            [("error", "not-in-vs", "Coding.code"), ("warning", "invalid-data", "Coding")],
        ),
        (
            WHOLE,
            {"coding": {"system": BODY, "code": "heart", "display": "Hart"}},
            [("error", "invalid-display", "Coding.display")],
        ),
        (
            WHOLE,
            {"system": BODY, "code": "organ", "abstract": False},
            [("error", "code-rule", "code"), ("error", "not-in-vs", "code")],
        ),
        (WHOLE, {"system": BODY, "code": "gill"}, [("warning", "code-comment", "code")]),
        (
            WHOLE,
            {"inferSystem": True, "code": "x"},
            [("error", "not-in-vs", "code"), ("error", "cannot-infer", "code")],
        ),
        (
            WHOLE,
            {"coding": {"system": BODY, "version": "9", "code": "heart"}},
            [("error", "not-found", "Coding.system"), ("warning", "vs-invalid", "Coding.version")],
        ),
    ],
)
def test_what_is_wrong_has_its_kind_and_its_place(chosen, given, expected):
    answer = check(chosen, **given)
    assert issues(answer) == expected
    assert parts(answer)["result"] is not any(severity == "error" for severity, _, _ in expected)


def test_a_wrong_display_is_a_warning_where_that_is_asked_and_languages_count():
    coding = {"system": BODY, "code": "heart", "display": "Hart"}
    lenient = check(WHOLE, coding=coding, lenient_display_validation=True)
    assert (parts(lenient)["result"], issues(lenient)) == (
        True,
        [("warning", "invalid-display", "Coding.display")],
    )
    german = check(WHOLE, coding=coding | {"display": "herz"}, displayLanguage="de")
    assert (parts(german)["result"], parts(german)["display"]) == (True, "Herz")
    assert parts(check(WHOLE, coding=coding | {"display": "Heart"}, displayLanguage="de"))["result"] is False


def test_one_right_coding_makes_a_concept_right_and_the_others_are_told():
    concept_ = {"coding": [{"system": "urn:none", "code": "x"}, {"system": BODY, "code": "heart"}]}
    answer = check(WHOLE, codeableConcept=concept_)
    assert (parts(answer)["result"], parts(answer)["code"]) == (True, "heart")
    assert ("warning", "not-found", "CodeableConcept.coding[0].system") in issues(answer)
    wrong = check(SOME, codeableConcept={"coding": [{"system": BODY, "code": "gill"}]})
    assert parts(wrong)["result"] is False
    assert ("error", "not-in-vs", "") in issues(wrong)


def test_a_version_is_asked_for_where_a_code_means_nothing_without():
    needing = SITES | {"versionNeeded": True}
    bare = ask("ValueSet/$validate-code", needing, WHOLE, url=WHOLE["url"], system=BODY, code="heart")
    assert (parts(bare)["result"], issues(bare)) == (False, [("error", "invalid-data", "version")])
    stated = {"system": BODY, "systemVersion": "1.0.0", "code": "heart"}
    assert parts(ask("ValueSet/$validate-code", needing, WHOLE, url=WHOLE["url"], **stated))["result"] is True


def test_a_fragment_does_not_make_a_code_wrong():
    answer = ask(
        "ValueSet/$validate-code",
        SITES | {"content": "fragment"},
        WHOLE,
        url=WHOLE["url"],
        system=BODY,
        code="toe",
    )
    assert (parts(answer)["result"], issues(answer)) == (True, [("warning", "invalid-code", "code")])


def test_case_counts_as_the_code_system_says():
    folded = SITES | {"caseSensitive": False}
    answer = ask("CodeSystem/$validate-code", folded, url=BODY, code="HEART")
    assert (parts(answer)["result"], parts(answer)["normalized-code"]) == (True, "heart")
    assert parts(ask("CodeSystem/$validate-code", SITES, url=BODY, code="HEART"))["result"] is False


def test_an_unknown_code_system_is_named_and_a_value_set_in_its_place_too():
    answer = ask("CodeSystem/$validate-code", url="urn:none", code="x")
    assert parts(answer)["x-caused-by-unknown-system"] == "urn:none"
    mixed = check(WHOLE, coding={"system": WHOLE["url"], "code": "x"})
    assert ("error", "invalid-data", "Coding.system") in issues(mixed)


@pytest.mark.parametrize("given", [{}, {"code": "x"}, {"display": "x"}])
def test_a_question_without_a_code_and_system_is_refused(given):
    with pytest.raises(TerminologyRefused):
        check(WHOLE, **given)
    with pytest.raises(TerminologyRefused, match="not known"):
        ask("ValueSet/$validate-code", url="urn:none", system=BODY, code="heart")
