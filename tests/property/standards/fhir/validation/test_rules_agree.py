"""Each short cut of validation says what the FHIRPath engine says."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.expression import compile_expression
from salus.standards.fhir.fhirpath.grammar import parse
from salus.standards.fhir.model import Property, invariants_of, properties, type_definition, type_names
from salus.standards.fhir.validation.invariants import BUILT_IN, QUICK_TESTS
from salus.standards.fhir.validation.presence import FALSE, UNKNOWN, decide
from salus.standards.fhir.validation.validator import validate

RULES = [
    (name, rule)
    for name in type_names()
    if type_definition(name).kind != "primitive"
    for rule in type_definition(name).invariants
    if rule.key not in BUILT_IN
]
SAMPLES = {
    "boolean": True,
    "integer": 1,
    "positiveInt": 1,
    "unsignedInt": 1,
    "decimal": 1,
    "date": "2020-01-01",
    "dateTime": "2020-01-01T00:00:00Z",
    "instant": "2020-01-01T00:00:00Z",
    "time": "10:00:00",
}


def sample(prop: Property):
    definition = type_definition(prop.type.code)
    if definition.kind == "primitive":
        value = SAMPLES.get(prop.type.code, "x")
    else:
        value = {"id": "x", "extension": [{"url": "http://e.example", "valueCode": "x"}]}
    return value if prop.element.max == 1 else [value]


@st.composite
def elements(draw):
    name, rule = draw(st.sampled_from(RULES))
    known = properties(name)
    mentioned = [key for key, prop in known.items() if prop.element.name in rule.expression]
    keys = draw(st.lists(st.sampled_from(mentioned or list(known)), unique=True, max_size=6))
    node = {key: sample(known[key]) for key in keys}
    if type_definition(name).kind == "resource":
        node["resourceType"] = name
    return name, rule, node


@given(elements())
def test_what_presence_decides_the_engine_decides_too(case):
    name, rule, node = case
    present = {properties(name)[key].element.name for key in node if key != "resourceType"}
    answer = decide(parse(rule.expression), present, name)
    assume(answer is not UNKNOWN)
    environment = Environment(resource=node, root=node)
    assert compile_expression(rule.expression, name).test(node, environment) == (answer is not FALSE)


MOMENT = st.sampled_from(
    [
        *("2020", "2021", "2020-01", "2020-01-02", "2020-01-02T10:00:00Z", "2020-01-02T10:00:00.5Z"),
        *("2020-01-02T10:00:00+01:00", "2020-01-02T09:30:00Z", "2019-12-31", "2020-01-02T10:00:00.50Z"),
    ]
)
SYSTEM = st.sampled_from(
    [
        f"http://terminology.hl7.org/CodeSystem/{name}"
        for name in ("condition-clinical", "condition-ver-status")
    ]
    + ["http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "http://e.example"]
)
CODE = st.sampled_from(["active", "resolved", "inactive", "confirmed", "entered-in-error", "refuted"])
CODING = st.fixed_dictionaries({}, optional={"system": SYSTEM, "code": CODE})
CONCEPT = st.fixed_dictionaries({"coding": st.lists(CODING, max_size=2)})
STATUS = {"clinicalStatus": CONCEPT, "verificationStatus": CONCEPT}
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "fullUrl": st.sampled_from(["urn:uuid:1", "urn:uuid:11", "urn:uuid:2"]),
        "resource": st.fixed_dictionaries(
            {"resourceType": st.just("Basic")},
            optional={
                "meta": st.fixed_dictionaries({}, optional={"versionId": st.sampled_from(["1", "11"])})
            },
        ),
        "request": st.just({"method": "GET", "url": "x"}),
        "response": st.just({"status": "200"}),
    },
)
BUNDLE = st.fixed_dictionaries(
    {"resourceType": st.just("Bundle")},
    optional={
        "type": st.sampled_from(["batch", "transaction-response", "history", "document", "collection"]),
        "entry": st.lists(ENTRY, min_size=1, max_size=4),
    },
)
CASES = {
    "bdl-3": ("Bundle", BUNDLE),
    "bdl-4": ("Bundle", BUNDLE),
    "bdl-7": ("Bundle", BUNDLE),
    "dom-6": (
        "Patient",
        st.fixed_dictionaries(
            {"resourceType": st.just("Patient")},
            optional={"text": st.fixed_dictionaries({}, optional={"div": st.just("<div>x</div>")})},
        ),
    ),
    "per-1": ("Period", st.fixed_dictionaries({}, optional={"start": MOMENT, "end": MOMENT})),
    "bdl-8": (
        "Bundle.entry",
        st.fixed_dictionaries(
            {"fullUrl": st.sampled_from(["urn:uuid:1", "http://e.example/Patient/1/_history/2"])}
        ),
    ),
    "con-4": ("Condition", st.fixed_dictionaries({"abatementString": st.just("x")}, optional=STATUS)),
    "con-5": ("Condition", st.fixed_dictionaries({}, optional=STATUS)),
    "ait-2": ("AllergyIntolerance", st.fixed_dictionaries({}, optional=STATUS)),
}


@pytest.mark.parametrize("key", CASES)
@given(data=st.data())
def test_a_quick_test_says_yes_only_where_the_engine_does(key, data):
    name, nodes = CASES[key]
    node = data.draw(nodes)
    rule = next(rule for rule in invariants_of(name) if rule.key == key)
    if QUICK_TESTS[key](node):
        assert compile_expression(rule.expression, name).test(node, Environment(resource=node, root=node))


FRAGMENT = st.sampled_from(["#a", "#b", "#", "Patient/1"])
HOLDER = st.fixed_dictionaries({"reference": FRAGMENT})


@given(
    st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=3),
    st.lists(HOLDER, max_size=2),
    st.lists(HOLDER, max_size=1),
)
def test_dom_3_is_what_the_engine_says(names, references, inner):
    contained = [
        {"resourceType": "Patient", "id": name} | ({"generalPractitioner": inner} if inner else {})
        for name in names
    ]
    resource = {"resourceType": "Patient", "contained": contained}
    if references:
        resource["generalPractitioner"] = references
    rule = next(rule for rule in invariants_of("Patient") if rule.key == "dom-3")
    holds = compile_expression(rule.expression, "Patient", filtering_as=True).test(
        resource, Environment(resource=resource, root=resource)
    )
    assert holds == all(issue.message_id != "dom-3" for issue in validate(resource))
