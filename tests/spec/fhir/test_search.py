"""FHIR R4 (4.0.1) search.html as tables: a stored value, a search, and whether the page says it is found."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from salus.core.errors import InvalidSearch, NotSupported
from salus.core.limits import Limits
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.match import find, matches

LIMITS = Limits()
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def finds(resource, text, **more):
    name, _, value = text.partition("=")
    query = parse_query(resource["resourceType"], [(name, value)], LIMITS, strict=True, now=NOW, **more)
    return matches(query, resource)


def risk(probability):
    return {"resourceType": "RiskAssessment", "prediction": [{"probabilityDecimal": Decimal(probability)}]}


# 3.1.1.4.8 number
@pytest.mark.parametrize(
    ("value", "search", "found"),
    [
        ("100", "100", True),
        ("99.5", "100", True),
        ("100.4", "100", True),
        ("100.5", "100", False),
        ("99.995", "100.00", True),
        ("100.005", "100.00", False),
        ("95", "1e2", True),
        ("149", "1e2", True),
        ("150", "1e2", False),
        ("99", "lt100", True),
        ("100", "lt100", False),
        ("100", "le100", True),
        ("100.1", "gt100", True),
        ("100", "gt100", False),
        ("100", "ge100", True),
        ("100.6", "ne100", True),
        ("100.4", "ne100", False),
        ("110", "ap100", True),
        ("111", "ap100", False),
        ("101", "sa100", True),
        ("99", "eb100", True),
    ],
)
def test_numbers(value, search, found):
    assert finds(risk(value), f"probability={search}") is found


def study(date):
    return {"resourceType": "Observation", "effectiveDateTime": date}


# 3.1.1.4.9 date, with the table of prefixes of 3.1.1.4.6
@pytest.mark.parametrize(
    ("value", "search", "found"),
    [
        ("2013-01-14", "eq2013-01-14", True),
        ("2013-01-14T00:00:00Z", "eq2013-01-14", True),
        ("2013-01-14T10:00:00Z", "eq2013-01-14", True),
        ("2013-01-15T00:00:00Z", "eq2013-01-14", False),
        ("2013-01-15T00:00:00Z", "ne2013-01-14", True),
        ("2013-01-14T10:00:00Z", "ne2013-01-14", False),
        ("2013-01-14", "lt2013-01-14T10:00:00Z", True),
        ("2013-01-14", "gt2013-01-14T10:00:00Z", True),
        ("2013-01-14", "ge2013-03-14", False),
        ("2013-03-14", "ge2013-03-14", True),
        ("2013-03-15", "ge2013-03-14", True),
        ("2013-03-14", "le2013-03-14", True),
        ("2013-03-13", "le2013-03-14", True),
        ("2013-03-15", "le2013-03-14", False),
        ("2013-03-15T01:00:00Z", "sa2013-03-14", True),
        ("2013-03-14T23:00:00Z", "sa2013-03-14", False),
        ("2013-03-13", "eb2013-03-14", True),
        ("2013-03-14", "eb2013-03-14", False),
        ("2013-03-14", "ap2013-03-14", True),
        ("2013", "2013-03-14", False),
        ("2013-03-14", "2013", True),
        ("2013-03-14T10:00:00+02:00", "2013-03-14T08:00:00Z", True),
    ],
)
def test_dates(value, search, found):
    assert finds(study(value), f"date={search}") is found


@pytest.mark.parametrize(
    ("start", "end", "search", "found"),
    [
        ("2013-01-21", None, "gt2013-03-14", True),
        ("2013-01-21", None, "sa2013-03-14", False),
        ("2013-03-15", None, "sa2013-03-14", True),
        (None, "2013-03-13", "eb2013-03-14", True),
        (None, "2013-03-14", "lt2000-01-01", True),
        ("2013-03-01", "2013-03-31", "2013-03", True),
        ("2013-02-28", "2013-03-31", "2013-03", False),
    ],
)
def test_periods_have_open_ends(start, end, search, found):
    period = {key: value for key, value in (("start", start), ("end", end)) if value}
    assert finds({"resourceType": "Observation", "effectivePeriod": period}, f"date={search}") is found


# 3.1.1.4.10 string
@pytest.mark.parametrize(
    ("given", "search", "found"),
    [
        ("Eve", "given=eve", True),
        ("Evelyn", "given=eve", True),
        ("Severine", "given=eve", False),
        ("Eve", "given:contains=eve", True),
        ("Evelyn", "given:contains=eve", True),
        ("Severine", "given:contains=eve", True),
        ("Eve", "given:exact=Eve", True),
        ("eve", "given:exact=Eve", False),
        ("EVE", "given:exact=Eve", False),
        ("Évé", "given=eve", True),
        ("Łukasz", "given=lukasz", True),
        ("Straße", "given=STRASSE", True),
        ("Carré", "given:exact=Carre", False),
        ("Anne  Marie", "given=anne marie", True),
    ],
)
def test_strings(given, search, found):
    assert finds({"resourceType": "Patient", "name": [{"given": [given]}]}, search) is found


CONDITION = {
    "resourceType": "Condition",
    "code": {
        "coding": [{"system": "http://acme.org/conditions/codes", "code": "ha125", "display": "Headache"}],
        "text": "Tension headache",
    },
}
PATIENT = {
    "resourceType": "Patient",
    "gender": "male",
    "active": True,
    "identifier": [
        {
            "system": "http://acme.org/patient",
            "value": "2345",
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
        }
    ],
    "telecom": [{"system": "email", "value": "a@b.example"}, {"system": "phone", "value": "555"}],
    "deceasedBoolean": False,
}


# 3.1.1.4.11 token
@pytest.mark.parametrize(
    ("resource", "search", "found"),
    [
        (PATIENT, "identifier=http://acme.org/patient|2345", True),
        (PATIENT, "identifier=http://other.org|2345", False),
        (PATIENT, "identifier=2345", True),
        (PATIENT, "identifier=|2345", False),
        (PATIENT, "identifier=http://acme.org/patient|", True),
        (PATIENT, "gender=male", True),
        (PATIENT, "gender=http://hl7.org/fhir/administrative-gender|male", True),
        (PATIENT, "gender=http://other.example|male", False),
        (PATIENT, "gender:not=male", False),
        (PATIENT, "gender:not=female", True),
        (PATIENT, "gender:not=female,male", False),
        ({"resourceType": "Patient"}, "gender:not=male", True),
        (PATIENT, "active=true", True),
        (PATIENT, "deceased=false", True),
        ({"resourceType": "Patient", "deceasedDateTime": "2020"}, "deceased=true", True),
        (PATIENT, "email=a@b.example", True),
        (PATIENT, "phone=a@b.example", False),
        (PATIENT, "telecom=555", True),
        (PATIENT, "identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|2345", True),
        (PATIENT, "identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|446053", False),
        (CONDITION, "code=ha125", True),
        (CONDITION, "code=HA125", False),
        (CONDITION, "code=http://acme.org/conditions/codes|ha125", True),
        (CONDITION, "code:text=headache", True),
        (CONDITION, "code:text=tension", True),
        (CONDITION, "code:text=ache", False),
        (CONDITION, "code:in=http://vs.example", True),
        (CONDITION, "code:not-in=http://vs.example", False),
        (PATIENT, "gender:missing=false", True),
        (PATIENT, "birthdate:missing=true", True),
    ],
)
def test_tokens(resource, search, found):
    def expand(_):
        return {"http://acme.org/conditions/codes": frozenset({"ha125"})}

    assert finds(resource, search, expand=expand) is found


def weight(value, unit="mg", code="mg"):
    quantity = {"value": Decimal(value), "unit": unit, "system": "http://unitsofmeasure.org", "code": code}
    return {"resourceType": "Observation", "valueQuantity": quantity}


# 3.1.1.4.12 quantity
@pytest.mark.parametrize(
    ("value", "search", "found"),
    [
        ("5.4", "value-quantity=5.4|http://unitsofmeasure.org|mg", True),
        ("5.36", "value-quantity=5.4|http://unitsofmeasure.org|mg", True),
        ("5.46", "value-quantity=5.4|http://unitsofmeasure.org|mg", False),
        ("5.4", "value-quantity=5.40e-3|http://unitsofmeasure.org|g", True),
        ("5.4", "value-quantity=5.4||mg", True),
        ("5.4", "value-quantity=5.4", True),
        ("5.4", "value-quantity=le5.4|http://unitsofmeasure.org|mg", True),
        ("5.9", "value-quantity=ap5.4|http://unitsofmeasure.org|mg", True),
        ("6", "value-quantity=ap5.4|http://unitsofmeasure.org|mg", False),
    ],
)
def test_quantities(value, search, found):
    assert finds(weight(value), search) is found


# 3.1.1.4.13 reference
@pytest.mark.parametrize(
    ("reference", "search", "found"),
    [
        ("Patient/23", "subject=Patient/23", True),
        ("Patient/23", "subject=23", True),
        ("Patient/23", "subject:Patient=23", True),
        ("Group/23", "subject:Patient=23", False),
        ("Patient/23/_history/4", "subject=Patient/23", True),
        ("Patient/23", "patient=23", True),
        ("Group/23", "patient=23", False),
        ("http://acme.org/fhir/Patient/123", "subject=http://acme.org/fhir/Patient/123", True),
        ("http://acme.org/fhir/Patient/123", "subject=Patient/123", False),
        ("Patient/123", "subject=http://here.example/fhir/Patient/123", True),
        ("Group/23", "patient:missing=true", True),
    ],
)
def test_references(reference, search, found):
    resource = {"resourceType": "Observation", "subject": {"reference": reference}}
    assert finds(resource, search, base="http://here.example/fhir") is found


def test_a_reference_is_found_by_its_identifier():
    identifier = {"system": "http://acme.org/fhir/identifier/mrn", "value": "123456"}
    resource = {"resourceType": "Observation", "subject": {"identifier": identifier}}
    assert finds(resource, "subject:identifier=http://acme.org/fhir/identifier/mrn|123456")
    assert not finds(resource, "subject:identifier=123")


# 3.1.1.4.14 composite
def test_composites_hold_within_one_element():
    def part(code, value):
        return {"code": {"coding": [{"code": code}]}, "valueQuantity": {"value": value}}

    pressure = {"resourceType": "Observation", "component": [part("8480-6", 150), part("8462-4", 70)]}
    assert finds(pressure, "component-code-value-quantity=8480-6$gt140")
    assert not finds(pressure, "component-code-value-quantity=8462-4$gt140")


# 3.1.1.4.15 uri
@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("url=http://acme.org/fhir/ValueSet/123", True),
        ("url=http://acme.org/fhir/ValueSet/123?", False),
        ("url:below=http://acme.org/fhir/", True),
        ("url:below=http://acme.org/fhi", False),
        ("url:above=http://acme.org/fhir/ValueSet/123/_history/5", True),
        ("url:above=http://acme.org/fhir/ValueSet/1234", False),
    ],
)
def test_uris(search, found):
    assert finds({"resourceType": "ValueSet", "url": "http://acme.org/fhir/ValueSet/123"}, search) is found


# 3.1.1.5.7 escaping
@pytest.mark.parametrize(
    ("code", "search", "found"),
    [
        ("a,b", r"code=a\,b", True),
        ("a", "code=a,b", True),
        ("a|b", r"code=a\|b", True),
        ("a\\b", r"code=a\\b", True),
    ],
)
def test_escapes(code, search, found):
    assert finds({"resourceType": "Condition", "code": {"coding": [{"code": code}]}}, search) is found


def test_chains_and_has():
    practitioner = {"resourceType": "Practitioner", "id": "1", "name": [{"family": "Joe"}]}
    patient = {"resourceType": "Patient", "id": "1", "generalPractitioner": [{"reference": "Practitioner/1"}]}
    report = {"resourceType": "DiagnosticReport", "id": "1", "subject": {"reference": "Patient/1"}}
    known = [practitioner, patient, report]
    for type_name, name, value in (
        ("DiagnosticReport", "subject:Patient.general-practitioner.name", "joe"),
        ("Patient", "general-practitioner:Practitioner.family", "joe"),
        ("Patient", "_has:DiagnosticReport:patient:_id", "1"),
        ("Practitioner", "_has:Patient:general-practitioner:_has:DiagnosticReport:subject:_id", "1"),
    ):
        query = parse_query(type_name, [(name, value)], LIMITS, strict=True)
        assert [one["resourceType"] for one in find(query, known)] == [type_name]
        other = parse_query(type_name, [(name, value + "x")], LIMITS, strict=True)
        assert find(other, known) == []


@pytest.mark.parametrize(
    ("type_name", "pair", "error", "words"),
    [
        ("Patient", ("name:regex", "(a+)+$"), InvalidSearch, "takes :exact, :contains, :missing"),
        ("Patient", ("birthdate:not", "2020"), InvalidSearch, "takes :missing"),
        ("Patient", ("birthdate", "2020-02-30"), InvalidSearch, "real date"),
        ("Patient", ("birthdate", "yesterday"), InvalidSearch, "YYYY"),
        ("Patient", ("name", ""), InvalidSearch, "empty"),
        ("Patient", ("active:missing", "maybe"), InvalidSearch, "true or false"),
        ("Patient", ("name.family", "x"), InvalidSearch, "no reference"),
        ("Patient", ("organization:Nothing.name", "x"), InvalidSearch, "no resource type"),
        ("Patient", ("_has:Observation:code:status", "final"), InvalidSearch, "no reference"),
        ("Patient", ("_has:Observation", "x"), InvalidSearch, "_has:Type"),
        ("Patient", ("_sort", "name;select 1"), InvalidSearch, "_sort"),
        ("Patient", ("_sort", "password"), InvalidSearch, "password"),
        ("Patient", ("_count", "-1"), InvalidSearch, "whole number"),
        ("Patient", ("_summary", "all"), InvalidSearch, "true, text, data, count, false"),
        ("Patient", ("_total", "x"), InvalidSearch, "estimate"),
        ("Patient", ("_include", "Patient"), InvalidSearch, "Type:parameter"),
        ("Patient", ("_include", "Patient:name"), InvalidSearch, "no reference"),
        ("Patient", ("_revinclude", "*"), NotSupported, "name the type"),
        ("Patient", ("_filter", 'name eq "x"'), NotSupported, "_filter"),
        ("Patient", ("nonsense", "1"), InvalidSearch, "nonsense"),
        ("Location", ("near", "1|2|3"), NotSupported, "near"),
        ("Bundle", ("composition.title", "x"), NotSupported, "'composition' of Bundle"),
        ("Bundle", ("message", "MessageHeader/1"), NotSupported, "'message' of Bundle"),
        ("Bundle", ("_include", "Bundle:composition"), NotSupported, "'composition' of Bundle"),
        ("Observation", ("value-quantity", "gt1e400"), InvalidSearch, "out of range"),
        ("Observation", ("value-quantity", "5|mg"), InvalidSearch, "number||unit"),
        ("Observation", ("code", "a|b|c"), InvalidSearch, "system|code"),
        ("Observation", ("code-value-quantity", "8480-6"), InvalidSearch, "joined by"),
        ("Observation", ("code:in", "http://evil.example/vs"), NotSupported, "list the codes"),
        ("Observation", ("code", ",".join("x" * 201)), InvalidSearch, "200 values"),
        ("Nothing", ("a", "b"), NotSupported, "Nothing"),
    ],
)
def test_what_cannot_be_understood_is_named_with_what_is_allowed(type_name, pair, error, words):
    with pytest.raises(error) as caught:
        parse_query(type_name, [pair], LIMITS, strict=True)
    assert words in caught.value.message


def test_an_unknown_parameter_is_left_out_and_named_when_the_search_is_lenient():
    query = parse_query("Patient", [("nonsense", "1"), ("name", "x"), ("_sort", "password")], LIMITS)
    assert query.ignored == ("nonsense", "_sort (key 1)")
    assert query.applied == (("name", "x"),)
    assert query.what == "Patient?name"


def test_a_page_is_never_larger_than_the_limit():
    assert parse_query("Patient", [("_count", "1000000")], LIMITS).count == LIMITS.page_count_max


def test_more_parameters_than_the_limit_are_refused():
    with pytest.raises(InvalidSearch, match="200 parameters"):
        parse_query("Patient", [("name", "a")] * 201, LIMITS)
