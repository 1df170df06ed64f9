"""A response against its questionnaire: one row a rule."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.unit.standards.fhir.profiles.writing import book_of

from salus.standards.fhir.profiles.validator import check_profiles

CORE = "http://hl7.org/fhir/StructureDefinition/"


def question(kind: str, **more: Any) -> dict[str, Any]:
    return {"linkId": "q", "type": kind, **more}


def extended(kind: str, name: str, key: str, value: Any, **more: Any) -> dict[str, Any]:
    return question(kind, extension=[{"url": CORE + name, key: value}], **more)


def found(
    items: list[dict[str, Any]], questions: list[dict[str, Any]], status: str = "completed"
) -> list[str]:
    questionnaire = {"resourceType": "Questionnaire", "url": "http://example.org/q", "item": questions}
    response = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": "http://example.org/q|1.0",
        "status": status,
        "item": items,
    }
    issues = check_profiles(response, book_of(), beside=[questionnaire])
    return [one.message_id for one in issues if one.severity == "error"]


def answered(*answers: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"linkId": "q", "answer": list(answers)}]


RED, BLUE = {"system": "urn:s", "code": "red"}, {"system": "urn:s", "code": "blue"}
COLOURS = [{"valueCoding": RED}, {"valueCoding": BLUE}]


@pytest.mark.parametrize(
    ("asked", "answers", "wanted"),
    [
        (question("string"), [{"valueString": "x"}], []),
        (question("integer"), [{"valueString": "x"}], ["answer-type"]),
        (question("dateTime"), [{"valueDate": "2020"}], []),
        (question("display"), [{"valueString": "x"}], ["answer-not-allowed"]),
        (question("string"), [{"valueString": "x"}, {"valueString": "y"}], ["answer-repeats"]),
        (question("string", repeats=True), [{"valueString": "x"}, {"valueString": "y"}], []),
        (question("string", maxLength=3), [{"valueString": "long"}], ["answer-length"]),
        (extended("string", "regex", "valueString", "^a+$"), [{"valueString": "aab"}], ["answer-form"]),
        (extended("string", "regex", "valueString", "^a+$"), [{"valueString": "aaa"}], []),
        (extended("integer", "minValue", "valueInteger", 3), [{"valueInteger": 2}], ["answer-least"]),
        (extended("date", "maxValue", "valueDate", "2020"), [{"valueDate": "2021-01-01"}], ["answer-most"]),
        (
            extended("attachment", "maxSize", "valueDecimal", 2),
            [{"valueAttachment": {"data": "AAAA"}}],
            ["answer-size"],
        ),
        (question("choice", answerOption=COLOURS), [{"valueCoding": RED | {"display": "Red"}}], []),
        (
            question("choice", answerOption=COLOURS),
            [{"valueCoding": {"system": "urn:s", "code": "green"}}],
            ["answer-option"],
        ),
        (question("open-choice", answerOption=COLOURS), [{"valueString": "green"}], []),
        (question("group"), [{"valueString": "x"}], ["answer-in-group"]),
    ],
)
def test_an_answer(asked, answers, wanted):
    assert found(answered(*answers), [asked]) == wanted


def test_quantities_are_compared_in_ucum():
    ucum = {"system": "http://unitsofmeasure.org"}
    url = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-minQuantity"
    limit = {"url": url, "valueQuantity": {"value": 5, "code": "km", **ucum}}
    asked = question("quantity", extension=[limit])
    assert found(answered({"valueQuantity": {"value": 6000, "code": "m", **ucum}}), [asked]) == []
    assert found(answered({"valueQuantity": {"value": 4000, "code": "m", **ucum}}), [asked]) == [
        "answer-least"
    ]
    assert found(answered({"valueQuantity": {"value": 6, "unit": "km"}}), [asked]) == ["answer-bound-unit"]


def test_an_option_that_excludes_others_stands_alone():
    exclusive = [{"url": CORE + "questionnaire-optionExclusive", "valueBoolean": True}]
    asked = question("choice", repeats=True, answerOption=[COLOURS[0], COLOURS[1] | {"extension": exclusive}])
    assert found(answered({"valueCoding": RED}, {"valueCoding": BLUE}), [asked]) == ["answer-exclusive"]
    assert found(answered({"valueCoding": BLUE}), [asked]) == []


def test_a_required_question_needs_an_answer_when_the_response_is_finished():
    assert found([], [question("string", required=True)]) == ["answer-required"]
    assert found([], [question("string", required=True)], status="in-progress") == []


def test_an_item_stands_where_its_question_does():
    inner = {"linkId": "inner", "type": "string"}
    outer = {"linkId": "outer", "type": "group", "item": [inner]}
    answer = {"linkId": "inner", "answer": [{"valueString": "x"}]}
    assert found([{"linkId": "outer", "item": [answer]}], [outer]) == []
    assert found([answer], [outer]) == ["answer-link"]


@pytest.mark.parametrize(("first", "wanted"), [(True, []), (False, ["answer-not-enabled"])])
def test_a_question_is_enabled_by_another_answer(first, wanted):
    condition = {"question": "first", "operator": "=", "answerBoolean": True}
    questions = [{"linkId": "first", "type": "boolean"}, question("string", enableWhen=[condition])]
    items = [{"linkId": "first", "answer": [{"valueBoolean": first}]}, *answered({"valueString": "x"})]
    assert found(items, questions) == wanted


def test_a_response_without_its_questionnaire_is_not_judged():
    given = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": "http://example.org/absent",
        "item": answered(),
    }
    assert check_profiles(given, book_of()) == []


SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression"


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("%resource.item.where(linkId='first').answer.value = true", []),
        ("%questionnaireresponse.item.where(linkId='first').answer.value = false", ["answer-not-enabled"]),
        ("%resource.item.where(linkId='absent').answer.value", ["answer-not-enabled"]),
        ("no expression (", []),
    ],
)
def test_a_question_is_enabled_by_an_expression(expression, wanted):
    condition = {"language": "text/fhirpath", "expression": expression}
    asked = question("string", extension=[{"url": SDC, "valueExpression": condition}])
    items = [{"linkId": "first", "answer": [{"valueBoolean": True}]}, *answered({"valueString": "x"})]
    assert found(items, [{"linkId": "first", "type": "boolean"}, asked]) == wanted


def test_items_keep_the_order_of_the_questions():
    questions = [question("string"), {"linkId": "r", "type": "string"}]
    items = [*answered({"valueString": "x"}), {"linkId": "r", "answer": [{"valueString": "y"}]}]
    assert found(items, questions) == []
    assert found(items[::-1], questions) == ["answer-order"]


def test_items_below_a_question_stand_in_its_answer():
    asked = question("string", item=[{"linkId": "inner", "type": "string"}])
    inner = [{"linkId": "inner", "answer": [{"valueString": "y"}]}]
    assert found(answered({"valueString": "x", "item": inner}), [asked]) == []
    assert found([{"linkId": "q", "answer": [{"valueString": "x"}], "item": inner}], [asked]) == [
        "answer-nesting"
    ]


def test_the_text_of_an_item_is_the_questions_in_any_language():
    url = "http://hl7.org/fhir/StructureDefinition/translation"
    translation = {"url": url, "extension": [{"url": "content", "valueString": "Dor?"}]}
    asked = question("string", text="Pain?", _text={"extension": [translation]})
    for text, wanted in (("Pain?", []), ("Dor?", []), ("Joy?", ["answer-text"])):
        assert found([{"linkId": "q", "text": text, "answer": [{"valueString": "x"}]}], [asked]) == wanted


def test_an_answer_has_no_more_decimal_places_than_are_asked_for():
    asked = extended("decimal", "maxDecimalPlaces", "valueInteger", 1)
    assert found(answered({"valueDecimal": Decimal("1.5")}), [asked]) == []
    assert found(answered({"valueDecimal": Decimal("1.50")}), [asked]) == ["answer-places"]


@pytest.mark.parametrize(
    ("asked", "wanted"), [("a", []), ("b", ["question-condition"]), ("x", ["question-condition"])]
)
def test_a_condition_names_another_item(asked, wanted):
    condition = {"question": asked, "operator": "exists", "answerBoolean": True}
    items = [{"linkId": "a", "type": "string"}, {"linkId": "b", "type": "string", "enableWhen": [condition]}]
    given = {"resourceType": "Questionnaire", "item": items}
    assert [one.message_id for one in check_profiles(given, book_of())] == wanted
