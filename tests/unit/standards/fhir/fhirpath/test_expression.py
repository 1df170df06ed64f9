"""Evaluating expressions on R4 data."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from salus.core.errors import InvalidExpression, TooCostly
from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.expression import compile_expression

PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [
        {"use": "official", "given": ["Peter", "James"], "family": "Chalmers"},
        {"use": "usual", "given": ["Jim", None], "_given": [None, {"extension": [{"url": "urn:x"}]}]},
    ],
    "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": "urn:time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
    "deceasedBoolean": False,
    "generalPractitioner": [{"reference": "#gp"}, {"reference": "Organization/1"}],
    "contained": [{"resourceType": "Practitioner", "id": "gp", "name": [{"family": "Careful"}]}],
}
OBSERVATION = {
    "resourceType": "Observation",
    "valueQuantity": {
        "value": Decimal("185.0"),
        "unit": "lbs",
        "system": "http://unitsofmeasure.org",
        "code": "[lb_av]",
    },
}


@pytest.mark.parametrize("root_type", ["", "Patient"])
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("name.where(use = 'official').given", ["Peter", "James"]),
        ("Patient.name.given", ["Peter", "James", "Jim", None]),
        ("deceased", [False]),
        ("deceased is boolean", [True]),
        ("(deceased as dateTime)", []),
        ("birthDate.extension('urn:time').value", ["1974-12-25T14:35:45-05:00"]),
        ("name.given.extension.url", ["urn:x"]),
        ("name.given.hasValue()", [False]),
        ("name.exists(use = 'usual') and active", [True]),
        ("Observation.value", []),
        ("generalPractitioner.resolve().name.family", ["Careful"]),
        ("contained.ofType(Practitioner).id", ["gp"]),
        ("active.type().name", ["boolean"]),
        ("active.is(Boolean)", [False]),
        ("name[1].given.first()", ["Jim"]),
        ("telecom.exists() or name.given.count() > 3", [True]),
    ],
)
def test_paths_give_the_same_with_and_without_a_root_type(root_type, text, answer):
    assert compile_expression(text, root_type)(PATIENT) == answer


def test_a_quantity_of_another_unit_compares_by_ucum():
    assert compile_expression("Observation.value > 83 'kg'")(OBSERVATION) == [True]
    assert compile_expression("Observation.value > 84 'kg'")(OBSERVATION) == [False]


def test_decimals_keep_their_digits():
    assert str(compile_expression("Observation.value.value", "Observation")(OBSERVATION)[0]) == "185.0"


def test_nodes_know_type_and_place():
    nodes = compile_expression("name.given | birthDate").nodes(PATIENT)
    assert [(node.type, node.location) for node in nodes][:2] == [
        ("string", "Patient.name[0].given[0]"),
        ("string", "Patient.name[0].given[1]"),
    ]
    assert (nodes[-1].type, nodes[-1].location) == ("date", "Patient.birthDate")


def test_typed_values_name_the_type_of_a_choice():
    assert compile_expression("deceased", "Patient").typed(PATIENT) == [("boolean", False)]
    assert compile_expression("1 + 1").typed(PATIENT) == [("System.Integer", 2)]


@pytest.mark.parametrize(
    ("text", "holds"), [("name.exists()", True), ("photo.exists()", False), ("photo.title = 'x'", True)]
)
def test_a_rule_holds_unless_it_is_false(text, holds):
    assert compile_expression(text, "Patient").test(PATIENT) is holds


@pytest.mark.parametrize(
    "text",
    ["Encounter.name", "name.given1", "deceasedBoolean", "(deceased as Period)", "children().first()"],
)
def test_strict_compiling_refuses_what_can_never_select(text):
    with pytest.raises(InvalidExpression):
        compile_expression(text, "Patient", strict=True)
    compile_expression(text, "Patient")


@pytest.mark.parametrize(
    "text",
    [
        "unknown()",
        "name.first(1)",
        "name.as(NoSuchType)",
        "%unknown",
        "name.single()",
        "1 + 'a'",
        "1 < 'a'",
        "birthDate < '2020'",
        "birthDate < 2020",
        "name.contains('a')",
        "(1 | 2).not()",
        "name.as(HumanName)",
        "@2020-01-01 + 1 'mo'",
        "@2020-01-01 + 7",
        "iif('no criterion', 1, 2)",
        "birthDate.memberOf('urn:vs')",
        "conformsTo('urn:profile')",
        "defineVariable('a').defineVariable('a')",
        "defineVariable('a', 1) | %a",
        "'a'.matches('(')",
    ],
)
def test_what_has_no_meaning_is_refused(text):
    with pytest.raises(InvalidExpression):
        compile_expression(text)(PATIENT)


def test_as_filters_where_search_parameters_need_it():
    found = compile_expression("name.as(HumanName).use", "Patient", filtering_as=True)(PATIENT)
    assert found == ["official", "usual"]


def test_system_names_mean_fhir_types_where_the_rules_of_r4_need_it():
    assert compile_expression("active is Boolean", "Patient")(PATIENT) == [False]
    assert compile_expression("active is Boolean", "Patient", filtering_as=True)(PATIENT) == [True]
    assert compile_expression("birthDate is Boolean", "Patient", filtering_as=True)(PATIENT) == [False]


def test_supplied_functions_are_asked():
    environment = Environment(
        resolve=lambda reference: {"resourceType": "Organization", "name": reference},
        expand=lambda value_set, code: code == "1974-12-25",
        conforms=lambda profile, value: profile == "urn:good",
        variables={"limit": 3},
        now=datetime(2026, 11, 24, 9, 0, tzinfo=UTC),
    )
    evaluate = {
        "generalPractitioner[1].resolve().name": ["Organization/1"],
        "birthDate.memberOf('urn:vs')": [True],
        "conformsTo('urn:good')": [True],
        "conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')": [True],
        "%limit + 1": [4],
        "today() = @2026-11-24": [True],
        "now() = @2026-11-24T09:00:00Z": [True],
    }
    for text, answer in evaluate.items():
        assert compile_expression(text)(PATIENT, environment) == answer, text


def test_a_reference_that_is_not_at_hand_is_a_stub_of_its_type_only_on_demand():
    text = "generalPractitioner.where(resolve() is Organization).reference"
    for root_type in ("", "Patient"):
        expression = compile_expression(text, root_type)
        assert expression(PATIENT) == []
        assert expression(PATIENT, Environment(reference_stubs=True)) == ["Organization/1"]


def test_resources_around_the_input_are_known():
    element, environment = {"reference": "#gp"}, Environment(resource=PATIENT, root=PATIENT)
    rule = "reference.startsWith('#').not() or (reference.substring(1) in %rootResource.contained.id)"
    assert compile_expression(rule, "Reference").test(element, environment)
    assert not compile_expression(rule, "Reference").test({"reference": "#no"}, environment)


def test_trace_tells_and_passes_through():
    told = []
    environment = Environment(trace=lambda name, values: told.append((name, values)))
    assert compile_expression("name.trace('n', use).count()", "Patient")(PATIENT, environment) == [2]
    assert told == [("n", ["official", "usual"])]


@pytest.mark.parametrize(
    "text",
    [
        "descendants()" + ".select(%resource.descendants())" * 4,
        "repeat($this | 1 | (2 + $this.count()))" + ".repeat(%resource.descendants() | $this)" * 60,
        "'aaaaaaaaaa'" + ".replace('a', 'aaaaaaaaaa')" * 12,
        "'a'" + ".replace('', 'aaaaaaaaaaaaaaaaaaaaaaaaaaa')" * 20,
        "(" * 12 + "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'" + ".replace('a','aaaaaaaaaa') & 'a')" * 12,
    ],
)
def test_expressions_that_grow_without_measure_are_stopped(text):
    with pytest.raises((TooCostly, InvalidExpression)):
        compile_expression(text)(PATIENT, Environment(steps_max=100_000))


@pytest.mark.parametrize(
    "text", ["0.1.power(999999999)", "10.power(999999999)", "9999999999999 * 9999999999"]
)
def test_numbers_beyond_measure_end_quickly(text):
    assert compile_expression(text)({}) in ([], [Decimal(0)])


def test_an_expression_is_compiled_once():
    assert compile_expression("name.given", "Patient") is compile_expression("name.given", "Patient")


@pytest.mark.parametrize(
    "text",
    [
        "name.given.where('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.matches('a*a*a*b'))",
        "%long.replaceMatches('a', '" + "b" * 500 + "')",
        "%long.toChars().select(%long.matches('a*b'))",
        "%long.toChars().toChars().count()",
        "%long.matches('(a|b)*c')",
    ],
)
def test_matching_counts_against_the_limit(text):
    environment = Environment(variables={"long": "a" * 300_000}, steps_max=10_000)
    with pytest.raises((TooCostly, InvalidExpression)):
        compile_expression(text)(PATIENT, environment)
