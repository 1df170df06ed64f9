"""Validation survives whatever JSON it is given."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from salus.standards.fhir.model import properties, resource_types, type_definition
from salus.standards.fhir.validation.issue import ERRORS_MAX, WARNINGS_MAX
from salus.standards.fhir.validation.validator import validate

SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(allow_nan=False),
    st.text(max_size=5),
    st.sampled_from(
        ["#a", "Patient/1", "2020-01-01", "final", "<div xmlns='http://www.w3.org/1999/xhtml'>a</div>"]
    ),
)
NAMES = sorted(
    {
        key
        for name in ("Patient", "Observation", "Extension", "Reference", "Bundle")
        for key in properties(name)
    }
)
KEY = (
    st.sampled_from(["", "_", "resourceType", *NAMES])
    | st.sampled_from(NAMES).map("_".__add__)
    | st.text(max_size=4)
)
JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=5), max_leaves=15
)
RESOURCE = st.builds(
    lambda rest, name: rest | {"resourceType": name},
    st.dictionaries(KEY, JSON, max_size=6),
    st.sampled_from(["Patient", "Observation", "Bundle", "Parameters", "Questionnaire"]),
)


@given(RESOURCE | JSON)
def test_any_json_gets_an_answer(value):
    for issue in validate(value):
        assert issue.severity in ("error", "warning", "information")
        assert issue.message_id
        assert len(issue.message) < 1_000


@st.composite
def typed(draw, name, depth):
    """Draw an object of a type with values of the right JSON type, wrong or right in content."""
    node = {"resourceType": name} if type_definition(name).kind == "resource" else {}
    known = list(properties(name).values())
    for prop in draw(st.lists(st.sampled_from(known), max_size=4, unique_by=lambda prop: prop.key)):
        if type_definition(prop.type.code).kind == "primitive":
            value = draw(SCALAR)
        elif depth == 0:
            continue
        elif prop.type.code == "Resource":
            value = draw(typed(draw(st.sampled_from(["Patient", "Observation"])), depth - 1))
        else:
            value = draw(typed(prop.type.code, depth - 1))
        node[prop.key] = value if prop.element.max == 1 else [value]
    return node


@given(st.sampled_from(sorted(resource_types())).flatmap(lambda name: typed(name, 3)))
def test_any_resource_of_any_type_gets_an_answer_and_is_left_as_it_was(resource):
    before = copy.deepcopy(resource)
    issues = validate(resource)
    assert len(issues) <= ERRORS_MAX + WARNINGS_MAX + 1
    assert resource == before
    assert not any(issue.message_id.endswith("-not-evaluated") for issue in issues)
