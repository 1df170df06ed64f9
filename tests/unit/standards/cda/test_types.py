"""HL7 v3 data types in FHIR: expected values from the R4 mappings and from HL7 v3 Data Types R1."""

# ruff: noqa: E501  (tables of XML and what becomes of it, a case a line)

from decimal import Decimal

import pytest

from salus.core.limits import Limits
from salus.standards.cda.coded import concept, system_uri
from salus.standards.cda.conversion import Conversion
from salus.standards.cda.entries.doses import timing
from salus.standards.cda.identifiers import identifier
from salus.standards.cda.names import address, human_name, telecom
from salus.standards.cda.node import Node
from salus.standards.cda.times import read_moment
from salus.standards.cda.tree import read_document
from salus.standards.cda.values import any_value, occurrence, period, quantity

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def node(xml, time="20260301101500+0100"):
    body = (
        f'<ClinicalDocument xmlns="urn:hl7-org:v3" {XSI}><id root="1.2.3"/><effectiveTime value="{time}"/>'
        f'<text><content ID="w1">Words <sub>of</sub> the author</content></text>{xml}</ClinicalDocument>'
    )
    root = read_document(body.encode(), Limits())
    return root.children[-1], Conversion(root)


@pytest.mark.parametrize(
    ("value", "zone", "text"),
    [
        ("2026", "", "2026"),
        ("202602", "", "2026-02"),
        ("20260228", "", "2026-02-28"),
        ("20260228101530+0100", "", "2026-02-28T10:15:30+01:00"),
        ("20260228101530.123-0500", "", "2026-02-28T10:15:30-05:00"),
        ("202602281015+0100", "", "2026-02-28T10:15:00+01:00"),
        ("20260228101530", "+02:00", "2026-02-28T10:15:30+02:00"),
        ("20260228101530", "", "2026-02-28"),
        ("2026022810+0100", "", "2026-02-28"),
        ("20260228101530Z", "", "2026-02-28T10:15:30Z"),
        ("2026-02-28", "", "2026-02-28"),
        ("2026-02-28T10:15:30+01:00", "", "2026-02-28T10:15:30+01:00"),
        ("20260230", "", ""),
        ("20261301", "", ""),
        ("00000101", "", ""),
        ("20260228251530+0100", "", ""),
        ("20260228101530+9900", "", ""),
        ("yesterday", "", ""),
        ("2026022", "", ""),
        ("", "", ""),
    ],
)
def test_a_time_keeps_its_precision_and_one_that_is_none_is_not_read(value, zone, text):
    assert read_moment(value, zone).text == text


def test_a_time_without_a_zone_takes_the_documents_and_says_so():
    found, conversion = node('<effectiveTime value="20260101080000"/>')
    assert conversion.moment(found) == "2026-01-01T08:00:00+01:00"
    (line,) = conversion.account.quality().approximated
    assert (line.path, line.examples) == ("ClinicalDocument/effectiveTime", ("20260101080000",))


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ('<e value="20260101"/>', {"onDateTime": "2026-01-01"}),
        ('<e><low value="20260101"/><high value="20260201"/></e>', {"onPeriod": {"start": "2026-01-01", "end": "2026-02-01"}}),
        ('<e><low value="20260101"/></e>', {"onPeriod": {"start": "2026-01-01"}}),
        ('<e><low value="20260101"/><high nullFlavor="UNK"/></e>', {"onPeriod": {"start": "2026-01-01"}}),
        ('<e><low value="20260301"/><high value="20260201"/></e>', {"onPeriod": {"start": "2026-03-01"}}),
        ('<e nullFlavor="UNK"/>', {}),
        ('<e value="soon"/>', {}),
    ],
)  # fmt: skip
def test_an_interval_of_time(xml, expected):
    assert occurrence(*node(xml), "on") == expected


def test_a_single_time_as_period_begins_and_ends_there():
    assert period(*node('<e value="2026"/>')) == {"start": "2026", "end": "2026"}


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ('<v value="0.50" unit="mg"/>', {"value": Decimal("0.50"), "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}),
        ('<v value="2"/>', {"value": Decimal(2)}),
        ('<v value="2" unit="tablets of the week"/>', {"value": Decimal(2), "unit": "tablets of the week"}),
        ('<v value="1" unit="1"><translation><originalText>stk.</originalText></translation></v>', {"value": Decimal(1), "unit": "stk.", "system": "http://unitsofmeasure.org", "code": "1"}),
        ('<v value="1e2" unit="mg"/>', {"value": Decimal("1E+2"), "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}),
        ('<v value="NaN" unit="mg"/>', {}),
        ('<v value="1e999999" unit="mg"/>', {}),
        ('<v nullFlavor="UNK"/>', {}),
    ],
)  # fmt: skip
def test_a_quantity(xml, expected):
    assert quantity(*node(xml)) == expected


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ('<value xsi:type="INT" value="3"/>', {"valueInteger": 3}),
        ('<value xsi:type="BL" value="true"/>', {"valueBoolean": True}),
        ('<value xsi:type="ST">as said</value>', {"valueString": "as said"}),
        ('<value xsi:type="TS" value="20230214"/>', {"valueDateTime": "2023-02-14"}),
        ('<value xsi:type="CD" code="1" codeSystem="2.16.840.1.113883.6.96"/>', {"valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}}),
        ('<value xsi:type="IVL_PQ"><low value="1"/><high value="2"/></value>', {"valueRange": {"low": {"value": Decimal(1)}, "high": {"value": Decimal(2)}}}),
        ('<value xsi:type="IVL_PQ"><low value="1" inclusive="false"/></value>', {"valueQuantity": {"value": Decimal(1), "comparator": ">"}}),
        ('<value xsi:type="IVL_PQ"><high value="1"/></value>', {"valueQuantity": {"value": Decimal(1), "comparator": "<="}}),
        ('<value xsi:type="RTO_PQ_PQ"><numerator value="1"/><denominator value="2"/></value>', {"valueRatio": {"numerator": {"value": Decimal(1)}, "denominator": {"value": Decimal(2)}}}),
        ('<value value="7" unit="mg"/>', {"valueQuantity": {"value": Decimal(7), "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}}),
        ('<value xsi:type="INT" value="x"/>', {}),
        ('<value nullFlavor="NASK"/>', {}),
    ],
)  # fmt: skip
def test_a_value_of_any_type(xml, expected):
    assert any_value(*node(xml)) == expected


def test_a_code_comes_with_what_it_was_translated_from_and_its_authors_words():
    xml = (
        '<code code="J45" codeSystem="1.3.6.1.4.1.12559.11.10.1.3.1.44.2" displayName="Asthma">'
        '<originalText><reference value="#w1"/></originalText>'
        '<translation code="195967001" codeSystem="2.16.840.1.113883.6.96">'
        '<translation code="X1" codeSystem="2.999.9"/></translation></code>'
    )
    assert concept(*node(xml)) == {
        "coding": [
            {"system": "http://hl7.org/fhir/sid/icd-10", "code": "J45", "display": "Asthma"},
            {"system": "http://snomed.info/sct", "code": "195967001"},
            {"system": "urn:oid:2.999.9", "code": "X1"},
        ],
        "text": "Words of the author",
    }


@pytest.mark.parametrize(
    ("oid", "uri"),
    [
        ("2.16.840.1.113883.6.1", "http://loinc.org"),
        ("2.16.840.1.113883.5.83", "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"),
        ("2.16.840.1.113883.12.443", "http://terminology.hl7.org/CodeSystem/v2-0443"),
        (
            "2.16.840.1.113883.4.642.4.1373",
            "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
        ),
        ("1.2.3.4", "urn:oid:1.2.3.4"),
        ("LOINC", ""),
    ],
)
def test_a_code_system_is_named_by_its_uri(oid, uri):
    assert system_uri(oid) == uri


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ('<id root="2.999" extension="7"/>', {"system": "urn:oid:2.999", "value": "7"}),
        ('<id root="2.999"/>', {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999"}),
        ('<id root="AB1791B0-5C71-11DB-B0DE-0800200C9A66"/>', {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:ab1791b0-5c71-11db-b0de-0800200c9a66"}),
        ('<id root="here" extension="7"/>', {"value": "7", "assigner": {"display": "here"}}),
        ('<id nullFlavor="NI"/>', {}),
    ],
)  # fmt: skip
def test_an_identifier(xml, expected):
    assert identifier(*node(xml)) == expected


def test_names_addresses_and_telecoms():
    name = '<name use="L"><prefix>Dr</prefix><given>Ana</given><given>B</given><family>C</family></name>'
    assert human_name(*node(name)) == {"use": "usual", "given": ["Ana", "B"], "prefix": ["Dr"], "family": "C"}
    assert human_name(*node("<name>Ana C</name>")) == {"text": "Ana C"}
    place = (
        '<addr use="HP"><houseNumber>8</houseNumber><streetName>Rue F</streetName><city>Lyon</city></addr>'
    )
    assert address(*node(place)) == {"use": "home", "line": ["8 Rue F"], "city": "Lyon"}
    assert telecom(*node('<telecom use="WP" value="mailto:a@b.example"/>')) == {
        "system": "email", "value": "a@b.example", "use": "work",
    }  # fmt: skip
    assert telecom(*node('<telecom value="+351 21 000"/>')) == {"system": "phone", "value": "+351 21 000"}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ('<effectiveTime xsi:type="PIVL_TS"><period value="8" unit="h"/></effectiveTime>', {"frequency": 1, "period": Decimal(8), "periodUnit": "h"}),
        ('<effectiveTime xsi:type="PIVL_TS" institutionSpecified="true"><period value="8" unit="h"/></effectiveTime>', {"frequency": 3, "period": Decimal(1), "periodUnit": "d"}),
        ('<effectiveTime xsi:type="PIVL_TS"><period><low value="4" unit="h"/><high value="6" unit="h"/></period></effectiveTime>', {"frequency": 1, "period": Decimal(4), "periodMax": Decimal(6), "periodUnit": "h"}),
        ('<effectiveTime xsi:type="EIVL_TS"><event code="ACM"/></effectiveTime>', {"when": ["ACM"]}),
        ('<effectiveTime xsi:type="SXPR_TS"><comp xsi:type="EIVL_TS"><event code="ACM"/></comp><comp xsi:type="EIVL_TS"><event code="ACV"/></comp></effectiveTime>', {"when": ["ACM", "ACV"]}),
    ],
)  # fmt: skip
def test_how_often_a_medicine_is_taken(times, expected):
    found, conversion = node(f"<substanceAdministration>{times}</substanceAdministration>")
    assert timing(found, conversion) == {"repeat": expected}


def test_a_node_knows_what_was_read_of_it():
    one = Node("code", {"code": " a ", "codeSystem": "1.2"})
    assert (one.get("code"), one.peek("codeSystem"), one.used) == ("a", "1.2", {"code"})
