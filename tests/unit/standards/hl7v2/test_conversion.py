"""What messages say, in FHIR: each case is a segment in and the elements out."""

import base64
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.standards.cda.samples import document, section
from tests.unit.standards.cda.test_entries import ASTHMA, problem

from salus.core.errors import MalformedContent, NotSupported, SalusError
from salus.core.limits import Limits
from salus.standards.cda.document import to_fhir as cda_to_fhir
from salus.standards.fhir.validation.validator import validate
from salus.standards.hl7v2.conversion import to_fhir
from salus.standards.hl7v2.er7 import split_messages

PID = (
    "PID|1||4711^^^HOSP&2.16.840.1.1&ISO^MR||Tamm^Mari^Liis^^Dr||19800131|F|||"
    "Pikk 1^^Tallinn^^10123^EST^H||^PRN^PH^^372^^5551234||et|M"
)


def message(*segments, kind="ORU^R01", pid=PID):
    head = f"MSH|^~\\&|LAB|HOSP|||20261130120000+0100||{kind}|77|P|2.5.1"
    return "\r".join((head, pid, *segments)).encode()


def convert(*segments, **more):
    made = to_fhir(message(*segments, **more), Limits())
    assert [one for one in validate(made.bundle) if one.severity == "error"] == []
    return made


def of(made, kind):
    return [one["resource"] for one in made.bundle["entry"] if one["resource"]["resourceType"] == kind]


def test_a_patient_with_number_name_birth_address_and_telephone():
    (patient,) = of(convert(), "Patient")
    (number,) = patient["identifier"]
    assert (number["system"], number["value"]) == ("urn:oid:2.16.840.1.1", "4711")
    assert patient["name"] == [{"family": "Tamm", "given": ["Mari", "Liis"], "prefix": ["Dr"]}]
    assert (patient["gender"], patient["birthDate"]) == ("female", "1980-01-31")
    assert patient["address"][0]["city"] == "Tallinn"
    assert patient["telecom"] == [{"system": "phone", "value": "+372 5551234", "use": "home"}]


OBR = "OBR|1|P1^HIS|F1^LAB|24331-1^Lipid panel^LN|||202611301000+0100|||||||||||||||202611301130+0100||CH|F"


@pytest.mark.parametrize(
    ("obx", "name", "value"),
    [
        ("NM|2093-3^Chol^LN||5.20|mmol/L^^UCUM|3-5|H|||F", "valueQuantity",
         {"value": Decimal("5.20"), "unit": "mmol/L", "system": "http://unitsofmeasure.org",
          "code": "mmol/L"}),
        ("SN|x^X^L||<^5|mg|||||F", "valueQuantity", {"value": Decimal(5), "unit": "mg", "comparator": "<"}),
        ("SN|x^X^L||^1^-^3|mg|||||F", "valueRange",
         {"low": {"value": Decimal(1), "unit": "mg"}, "high": {"value": Decimal(3), "unit": "mg"}}),
        ("SN|x^X^L||^1^:^128||||||F", "valueRatio",
         {"numerator": {"value": Decimal(1)}, "denominator": {"value": Decimal(128)}}),
        ("ST|x^X^L||clear||||||F", "valueString", "clear"),
        ("TX|x^X^L||one~two||||||F", "valueString", "one\ntwo"),
        ("CWE|x^X^L||260385009^Negative^SCT||||||F", "valueCodeableConcept",
         {"coding": [{"system": "http://snomed.info/sct", "code": "260385009", "display": "Negative"}],
          "text": "Negative"}),
        ("DT|x^X^L||20261130||||||F", "valueDateTime", "2026-11-30"),
        ("NM|x^X^L||>100|ug/L|||||F", "valueQuantity",
         {"value": Decimal(100), "unit": "ug/L", "comparator": ">"}),
    ],
)  # fmt: skip
def test_a_result_says_its_value_by_its_type(obx, name, value):
    made = convert(OBR, f"OBX|1|{obx}")
    (result,) = of(made, "Observation")
    assert result[name] == value
    assert result["status"] == "final"


def test_a_result_has_its_flag_its_range_and_the_time_of_its_report():
    (result,) = of(convert(OBR, "OBX|1|NM|2093-3^Chol^LN||5.2|mmol/L|3.0 - 5.0|H|||F"), "Observation")
    assert result["interpretation"][0]["coding"][0]["code"] == "H"
    (bounds,) = result["referenceRange"]
    assert (bounds["low"]["value"], bounds["high"]["value"], bounds["text"]) == (
        Decimal("3.0"), Decimal("5.0"), "3.0 - 5.0"
    )  # fmt: skip
    assert result["effectiveDateTime"] == "2026-11-30T10:00:00+01:00"


def test_a_report_names_its_order_and_its_results():
    made = convert(
        "ORC|RE|P1^HIS|F1^LAB",
        OBR,
        "OBX|1|ST|a^A^L||x||||||F",
        "NTE|1||looks fine",
        "OBX|2|ST|b^B^L||y||||||F",
    )
    (report,), (request,) = of(made, "DiagnosticReport"), of(made, "ServiceRequest")
    addresses = {one["fullUrl"]: one["resource"] for one in made.bundle["entry"]}
    assert [addresses[each["reference"]]["resourceType"] for each in report["result"]] == ["Observation"] * 2
    assert addresses[report["basedOn"][0]["reference"]] == request
    assert (request["status"], report["issued"]) == ("completed", "2026-11-30T11:30:00+01:00")
    assert of(made, "Observation")[0]["note"] == [{"text": "looks fine"}]


def test_the_same_thing_sent_again_keeps_its_address_and_another_does_not():
    def addresses(value, filler="F1"):
        made = convert(OBR.replace("F1", filler), f"OBX|1|NM|2093-3^Chol^LN||{value}|||||||F")
        return {(one["resource"]["resourceType"], one["fullUrl"]) for one in made.bundle["entry"]}

    assert addresses("5") == addresses("6")
    changed = {kind for kind, _ in addresses("5") - addresses("5", "F2")}
    assert changed == {"DiagnosticReport", "Observation"}


@pytest.mark.parametrize(
    ("event", "pv1", "status"),
    [
        ("A01", "PV1|1|I|W1^101^2^HOSP||||||||||||||||V1", "in-progress"),
        ("A03", "PV1|1|I|W1^101^2^HOSP||||||||||||||||V1", "finished"),
        ("A11", "PV1|1|I|W1^101^2^HOSP||||||||||||||||V1", "cancelled"),
        ("A05", "PV1|1|P|W1^101^2^HOSP||||||||||||||||V1", "planned"),
    ],
)
def test_the_trigger_event_says_how_a_visit_stands(event, pv1, status):
    made = convert("EVN||20261130", pv1, kind=f"ADT^{event}")
    (visit,) = of(made, "Encounter")
    assert visit["status"] == status
    assert visit["identifier"][0]["value"] == "V1"
    assert of(made, "Location")[0]["name"] == "HOSP, W1, 101, 2"


def test_a_merge_is_no_change_but_names_what_both_records_share():
    made = convert("MRG|4712^^^HOSP&2.16.840.1.1&ISO^MR", kind="ADT^A40")
    (stays,) = of(made, "Patient")
    assert [(each["value"], each.get("use")) for each in stays["identifier"]] == [
        ("4711", None),
        ("4712", "old"),
    ]
    assert not {"link", "active"} & stays.keys()
    assert [line.path for line in made.quality.approximated] == ["MRG-1"]


@pytest.mark.parametrize("event", ["A23", "A29"])
def test_a_deletion_is_told_and_not_done(event):
    with pytest.raises(NotSupported, match="not done"):
        to_fhir(message("EVN||2026", kind=f"ADT^{event}"), Limits())


def enclosed(body, pid=PID):
    data = base64.b64encode(body).decode()
    return convert(OBR, f"OBX|1|ED|11502-2^Report^LN||^TEXT^XML^Base64^{data}||||||F", pid=pid)


def test_a_cda_document_inside_becomes_the_records_of_the_messages_patient():
    body = document(section("11450-4", f"<entry>{problem(ASTHMA)}</entry>"))
    own = cda_to_fhir(body, Limits()).bundle["entry"][1]["resource"]
    number, born = own["identifier"][0]["value"], own["birthDate"].replace("-", "")
    made = enclosed(body, PID.replace("4711", number).replace("19800131", born))
    (patient,), (condition,) = of(made, "Patient"), of(made, "Condition")
    addresses = {one["fullUrl"]: one["resource"] for one in made.bundle["entry"]}
    assert addresses[condition["subject"]["reference"]] == patient
    (report,) = of(made, "DiagnosticReport")
    (link,) = report["extension"]
    assert addresses[link["valueReference"]["reference"]]["resourceType"] == "Composition"
    assert base64.b64decode(report["presentedForm"][0]["data"]) == body
    assert made.quality.mapped > cda_to_fhir(body, Limits()).quality.mapped


def test_a_cda_document_about_somebody_else_is_kept_and_nothing_taken_out():
    made = enclosed(document(section("11450-4", f"<entry>{problem(ASTHMA)}</entry>")))
    assert of(made, "Condition") == []
    assert len(of(made, "DiagnosticReport")[0]["presentedForm"]) == 1
    assert [line.path for line in made.quality.approximated] == ["OBX-5.5"]


def test_persons_take_part_in_what_stands_before_them():
    made = convert(
        "ROL|1|AD|PP^Primary care^HL70443|12^Kask^Jaan",
        "PV1|1|I|W1|||||||||||||||V1",
        "ROL|2|AD|AT^Attending^HL70443|13^Saar^Eva",
        OBR,
        "OBX|1|NM|2093-3^Chol^LN||5.2|mmol/L^^UCUM|||||F|||||||D9^^2.999.5^ISO|||||Lab One^^^^^^^^^77",
        "PRT|1|AD||PB^Performed^HL70912|14^Mets^Uno",
    )
    (patient,), (visit,), (result,) = of(made, "Patient"), of(made, "Encounter"), of(made, "Observation")
    assert [each["display"] for each in patient["generalPractitioner"]] == ["Jaan Kask"]
    assert [each["individual"]["display"] for each in visit["participant"]] == ["Eva Saar"]
    assert [each["display"] for each in result["performer"]] == ["Lab One", "Uno Mets"]
    (device,) = of(made, "Device")
    assert device["identifier"] == [{"value": "D9", "system": "urn:oid:2.999.5"}]


def test_an_order_says_when_and_a_compound_what_it_is_made_of():
    made = convert(
        "ORC|NW|P5^HIS",
        "TQ1|1||TID^Three times^HL70335||||20261201|20261207|S||with food",
        "RXE||C09AA05^Ramipril^ATC|5||mg^^UCUM",
        "RXC|B|A1^Water^L",
        "RXC|A|B2^Salt^L",
        kind="RDE^O11",
    )
    (request,), (medicine,) = of(made, "MedicationRequest"), of(made, "Medication")
    dosage = request["dosageInstruction"][0]
    assert dosage["timing"]["repeat"] == {"boundsPeriod": {"start": "2026-12-01", "end": "2026-12-07"}}
    assert (dosage["timing"]["code"]["text"], dosage["patientInstruction"]) == ("Three times", "with food")
    assert request["priority"] == "stat"
    parts = [(each["itemCodeableConcept"]["text"], each["isActive"]) for each in medicine["ingredient"]]
    assert parts == [("Water", False), ("Salt", True)]


@pytest.mark.parametrize(
    ("kind", "segments", "resource", "expected"),
    [
        ("ADT^A08", ["AL1|1|DA|70618^Penicillin^RXNORM|SV|Rash"], "AllergyIntolerance",
         {"category": ["medication"], "reaction": [{"severity": "severe",
          "manifestation": [{"text": "Rash"}]}]}),
        ("ADT^A08", ["PV1|1|I|||||||||||||||||V1", "DG1|1||I21.0^MI^I10||20261129|W"], "Condition",
         {"onsetDateTime": "2026-11-29"}),
        ("ADT^A08", ["PR1|1||80146002^Appendectomy^SCT||20261129"], "Procedure",
         {"performedDateTime": "2026-11-29", "status": "completed"}),
        ("VXU^V04", ["ORC|RE||V9^REG", "RXA|0|1|20261101||03^MMR^CVX|0.5|mL^^UCUM||00||||||L7||MSD|||CP",
                     "RXR|SC^Subcutaneous^HL70162|LA^Left arm^HL70163"], "Immunization",
         {"occurrenceDateTime": "2026-11-01", "lotNumber": "L7", "primarySource": True,
          "status": "completed"}),
        ("RDE^O11", ["ORC|NW|P5^HIS", "RXE||C09AA05^Ramipril^ATC|5||mg^^UCUM|||||30|{tbl}^^UCUM|2"],
         "MedicationRequest", {"status": "active", "intent": "order"}),
        ("SIU^S12", ["SCH|A1^HIS|||||CHECK^Checkup|||30|MIN|^^30^202612011000+0100^202612011030+0100"],
         "Appointment", {"status": "booked", "start": "2026-12-01T10:00:00+01:00", "minutesDuration": 30}),
        ("OML^O21", ["ORC|NW|P1^HIS", "OBR|1|P1^HIS||24331-1^Lipid panel^LN|S"], "ServiceRequest",
         {"status": "active", "priority": "stat"}),
        ("MDM^T02", ["TXA|1|DS|TX|202611301000+0100|||||||D1^HIS||||||AU",
         "OBX|1|TX|||Discharged well||||||F"],
         "DocumentReference", {"docStatus": "final", "status": "current"}),
    ],
)  # fmt: skip
def test_each_kind_of_message_brings_its_resource(kind, segments, resource, expected):
    (found,) = of(convert(*segments, kind=kind), resource)
    assert {name: found[name] for name in expected} == expected


def test_a_time_without_a_zone_is_said_as_its_day_and_told():
    made = convert(OBR.replace("202611301000+0100", "202611301000"), "OBX|1|ST|a^A^L||x||||||F")
    assert of(made, "DiagnosticReport")[0]["effectiveDateTime"] == "2026-11-30"
    assert "OBR-7" in [line.path for line in made.quality.approximated]


def test_a_time_in_a_zone_that_there_is_not_is_said_as_its_day():
    made = convert(OBR.replace("202611301000+0100", "202611301000+9100"), "OBX|1|ST|a^A^L||x||||||F")
    assert of(made, "DiagnosticReport")[0]["effectiveDateTime"] == "2026-11-30"
    assert "OBR-7" in [line.path for line in made.quality.approximated]


def test_what_is_not_said_in_fhir_is_told_by_its_place():
    made = convert("ZZZ|own", "IN1|1|PLAN", "AL1|1|DA|x^X^L|PURPLE")
    told = {line.path: (line.reason, line.examples) for line in made.quality.dropped}
    assert told["ZZZ-1"] == ("a segment that is not read", ("own",))
    assert told["IN1-2"] == ("insurance", ("PLAN",))
    assert told["AL1-4"][1] == ("PURPLE",)


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (message(kind="ACK^A01"), NotSupported, "nothing to keep"),
        (message(kind=""), MalformedContent, "MSH-9"),
        (message(pid="EVN||20261130"), MalformedContent, "names no patient"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_reason(body, error, words):
    with pytest.raises(error, match=words):
        to_fhir(body, Limits())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_changed_messages_are_converted_to_valid_fhir_or_refused(data):
    body = message(
        "PV1|1|I|W1^101|||||||||||||||||V1", OBR, "OBX|1|NM|2093-3^Chol^LN||5.2|mmol/L|3-5|H|||F",
        "NTE|1||note", "AL1|1|DA|x^X^L|SV|Rash", "TXA|1|DS|TX|2026|||||||D1^HIS",
         "RXA|0|1|2026||03^MMR^CVX|0.5",
    )  # fmt: skip
    place = data.draw(st.integers(9, len(body) - 1))
    put = data.draw(
        st.sampled_from([b"|", b"^", b"~", b"&", b"\\", b"\r", b"9", b"-", b"Z", b'""', b"\x00", b""])
    )
    changed = body[:place] + put + body[place + data.draw(st.integers(0, 3)) :]
    try:
        made = to_fhir(changed, Limits())
    except SalusError:
        return
    found = [one.message for one in validate(made.bundle) if one.severity == "error"]
    assert found == [] or "\x00" in changed.decode()


def test_every_shared_message_becomes_valid_fhir_or_says_why_not(shared):
    refused, deletions, converted = [], [], 0
    for file in sorted(shared.glob("data/hl7v2/*/*")):
        for _, body in split_messages(file.read_bytes()):
            try:
                made = to_fhir(body, Limits())
            except NotSupported as error:
                (deletions if "not done" in error.message else refused).append(file.name)
                continue
            converted += 1
            assert [one for one in validate(made.bundle) if one.severity == "error"] == [], file.name
    assert converted > 8 * len(refused) > 0
    assert all("A23" in name or "A29" in name for name in deletions)


def test_a_code_that_a_line_was_broken_in_is_one_line():
    (patient,) = of(convert(pid=PID.replace("||et|M", "||\net|M")), "Patient")
    assert patient["communication"][0]["language"]["coding"][0]["code"] == "et"
