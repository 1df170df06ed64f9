"""What the indexer reads from a resource."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.standards.fhir.search import hashing
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.hashing import compile_hasher
from salus.standards.fhir.search.values import date_interval, fold

KEY = b"key of the extract test"
HASH = compile_hasher(KEY)

OBSERVATION = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2", "display": "Body height"}]},
    "subject": {"reference": "Patient/ana"},
    "performer": [{"reference": "Patient/jaan"}, {"reference": "Practitioner/p1"}],
    "effectiveDateTime": "2021-03-04T10:00:00+01:00",
    "valueQuantity": {"value": 170, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"},
}


def test_the_subject_is_the_first_compartment():
    assert compile_indexer("Observation", KEY)(OBSERVATION).compartments == ("ana", "jaan")


def test_a_patient_is_in_its_own_compartment():
    linked = {"resourceType": "Patient", "id": "ana", "link": [{"other": {"reference": "Patient/old"}}]}
    assert compile_indexer("Patient", KEY)(linked).compartments == ("ana", "old")


def test_a_resource_about_no_patient_has_no_compartment():
    group = {"resourceType": "Observation", "subject": {"reference": "Group/g"}}
    assert compile_indexer("Observation", KEY)(group).compartments == ()


def test_the_clinical_date_is_in_utc():
    assert compile_indexer("Observation", KEY)(OBSERVATION).date == datetime(2021, 3, 4, 9, tzinfo=UTC)


def test_references_are_kept_as_written():
    index = compile_indexer("Observation", KEY)(OBSERVATION)
    assert sorted(index.references) == ["Patient/ana", "Patient/jaan", "Practitioner/p1"]


@pytest.mark.parametrize(
    ("kind", "slot", "value"),
    [
        (hashing.CODE, "Observation.code", "8302-2"),
        (hashing.SYSTEM_CODE, "Observation.code", "http://loinc.org|8302-2"),
        (hashing.SYSTEM, "Observation.code", "http://loinc.org"),
        (hashing.TEXT, "Observation.code", "hei"),
        (hashing.CODE, "Observation.status", "final"),
        (hashing.REFERENCE, "Observation.subject", "Patient/ana"),
        (hashing.REFERENCE_TYPE, "Observation.subject", "Patient"),
        (hashing.UNIT, "Observation.valueQuantity", "cm"),
        (hashing.PRESENT, "Observation.performer", ""),
    ],
)
def test_tokens_name_kind_place_and_value(kind, slot, value):
    assert HASH(kind, slot, value) in compile_indexer("Observation", KEY)(OBSERVATION).tokens


def test_tokens_are_sorted_without_repeats_and_mean_nothing_under_another_key():
    mine = compile_indexer("Observation", KEY)(OBSERVATION).tokens
    other = compile_indexer("Observation", b"another key, as long")(OBSERVATION).tokens
    assert mine == sorted(set(mine))
    assert not set(mine) & set(other)


@pytest.mark.parametrize(
    "broken",
    [
        {"code": "text"},
        {"code": {"coding": "x"}},
        {"code": {"coding": [{"system": {}, "code": []}]}},
        {"subject": "Patient/1"},
        {"subject": {"reference": 5}},
        {"effectiveDateTime": 5},
        {"effectivePeriod": "x"},
        {"valueQuantity": {"value": "x", "unit": 3}},
        {"component": {}},
        {"component": [None, 3]},
        {"identifier": [None, {"type": "x", "value": 4}]},
        {"identifier": [{"type": {"coding": 5}, "value": "x"}]},
        {"effectiveTiming": {"event": 5}},
        {"contained": 5, "subject": {"reference": "#a"}},
        {"meta": []},
    ],
)
def test_values_that_break_their_type_are_passed_over(broken):
    compile_indexer("Observation", KEY)({"resourceType": "Observation", **broken})


@pytest.mark.parametrize(
    ("text", "folded"),
    [("Ångström", "angstrom"), ("  A   b ", "a b"), ("ŁÓDŹ", "lodz"), ("Straße", "strasse"), ("Þór", "thor")],
)
def test_strings_are_folded(text, folded):
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2013", 365 * 86_400),
        ("2012", 366 * 86_400),
        ("2013-02", 28 * 86_400),
        ("2013-12", 31 * 86_400),
        ("2013-01-14", 86_400),
        ("2013-01-14T10:00", 60),
        ("2013-01-14T10:00:00", 1),
        ("9999-12-31", 86_400),
        ("9999", 365 * 86_400),
    ],
)
def test_a_date_covers_what_its_precision_says(text, seconds):
    low, high = date_interval(text)
    assert high - low == seconds


@pytest.mark.parametrize(
    "text", ["2013-02-30", "2013-13", "0000", "13", "2013-01-14T25:00:00Z", "", "2013-1-1"]
)
def test_what_is_no_date_has_no_interval(text):
    assert date_interval(text) is None


DATES = st.one_of(
    st.builds("{:04d}".format, st.sampled_from([0, 1, 2, 1900, 2000, 9998, 9999])),
    st.builds("{:04d}-{:02d}".format, st.sampled_from([1, 4, 9999]), st.integers(1, 12)),
    st.builds(
        "{:04d}-{}T{}{}".format,
        st.sampled_from([1, 1970, 9999]),
        st.sampled_from(["01-01", "12-31", "06-30"]),
        st.sampled_from(["00:00:00", "23:59:59", "23:59:60", "12:00:00.000000001", "23:59:59.999999999999"]),
        st.sampled_from(["Z", "+14:00", "-14:00", "-12:00", "+23:59", "-23:59"]),
    ),
)


@given(
    start=st.one_of(st.none(), DATES),
    end=st.one_of(st.none(), DATES),
    events=st.lists(DATES, max_size=3),
)
def test_no_moment_is_beyond_the_indexer(start, end, events):
    period = {key: text for key, text in (("start", start), ("end", end)) if text}
    timing = {"event": events, "repeat": {"boundsPeriod": period}}
    index = compile_indexer("Observation", KEY)
    for effective in (
        {"effectivePeriod": period},
        {"effectiveTiming": timing},
        *({"effectiveDateTime": text} for text in [start, end, *events] if text),
    ):
        found = index({"resourceType": "Observation", **effective}).date
        assert found is None or found.tzinfo is UTC
