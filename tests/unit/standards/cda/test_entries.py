"""What becomes of entries: templates of eHDSI, IHE PCC and C-CDA, written for these tests."""

# ruff: noqa: E501  (tables of XML and what becomes of it, a case a line)

from decimal import Decimal

import pytest
from tests.unit.standards.cda.samples import converted, document, entry, section

from salus.core.limits import Limits
from salus.standards.cda.document import to_fhir
from salus.standards.fhir.validation.validator import validate

LOINC = 'codeSystem="2.16.840.1.113883.6.1"'
SNOMED = 'codeSystem="2.16.840.1.113883.6.96"'
ABSENT = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
DISPENSATION = ("1.3.6.1.4.1.12559.11.10.1.3.1.1.2", "60593-1")
PRESCRIPTION = ("1.3.6.1.4.1.12559.11.10.1.3.1.1.1", "57833-6")
UCUM = "http://unitsofmeasure.org"


def problem(value, status="active", more="", negated="false", time='<low value="20200101"/>'):
    return f"""<act classCode="ACT" moodCode="EVN"><templateId root="1.3.6.1.4.1.12559.11.10.1.3.1.3.15"/>
      <code code="CONC" codeSystem="2.16.840.1.113883.5.6"/><statusCode code="{status}"/>
      <entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN" negationInd="{negated}">
        <templateId root="1.3.6.1.4.1.12559.11.10.1.3.1.3.7"/><id root="2.999.8" extension="1"/>
        <code code="404684003" {SNOMED}/><statusCode code="completed"/><effectiveTime>{time}</effectiveTime>
        {value}{more}</observation></entryRelationship></act>"""


def status_observation(code, system="2.16.840.1.113883.6.96"):
    return f"""<entryRelationship typeCode="REFR"><observation classCode="OBS" moodCode="EVN">
      <code code="33999-4" {LOINC}/><statusCode code="completed"/>
      <value xsi:type="CE" code="{code}" codeSystem="{system}"/></observation></entryRelationship>"""


ASTHMA = '<value xsi:type="CD" code="J45" codeSystem="1.3.6.1.4.1.12559.11.10.1.3.1.44.2"/>'


@pytest.mark.parametrize(
    ("statement", "clinical", "verification"),
    [
        (problem(ASTHMA), "active", ""),
        (problem(ASTHMA, status="suspended"), "inactive", ""),
        (problem(ASTHMA, time='<low value="2020"/><high value="2021"/>'), "resolved", ""),
        (problem(ASTHMA, more=status_observation("73425007")), "inactive", ""),
        (
            problem(ASTHMA, more=status_observation("remission", "2.16.840.1.113883.4.642.4.1074")),
            "remission",
            "",
        ),
        (problem(ASTHMA, negated="true"), "active", "refuted"),
    ],
)
def test_the_state_of_a_problem(statement, clinical, verification):
    found, quality = entry("11450-4", statement)
    (condition,) = found["Condition"]
    assert condition["code"]["coding"] == [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "J45"}]
    assert condition["clinicalStatus"]["coding"][0] == {"system": CLINICAL, "code": clinical}
    stated = condition.get("verificationStatus", {"coding": [{"code": ""}]})["coding"][0]["code"]
    assert stated == verification
    assert not [line for line in quality.dropped if "/section" in line.path]


@pytest.mark.parametrize(
    ("value", "negated", "code"),
    [
        ('<value xsi:type="CD" code="no-known-problems" codeSystem="2.16.840.1.113883.5.1150.1"/>', "false", "no-known-problems"),
        (f'<value xsi:type="CD" code="55607006" {SNOMED}/>', "true", "no-known-problems"),
        ('<value xsi:type="CD" nullFlavor="NI"/>', "false", "no-problem-info"),
    ],
)  # fmt: skip
def test_that_no_problem_is_known_is_a_code_of_its_own(value, negated, code):
    (condition,) = entry("11450-4", problem(value, negated=negated))[0]["Condition"]
    assert condition["code"]["coding"][0]["system"] == ABSENT
    assert condition["code"]["coding"][0]["code"] == code
    assert "verificationStatus" not in condition


def allergy(inner, negated="false", value="", code="420134006"):
    return f"""<act classCode="ACT" moodCode="EVN"><templateId root="1.3.6.1.4.1.12559.11.10.1.3.1.3.16"/>
      <code code="CONC" codeSystem="2.16.840.1.113883.5.6"/><statusCode code="active"/>
      <entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN" negationInd="{negated}">
        <templateId root="1.3.6.1.4.1.12559.11.10.1.3.1.3.17"/><code code="{code}" {SNOMED}/>
        <statusCode code="completed"/><effectiveTime><low value="1990"/></effectiveTime>{value}{inner}
      </observation></entryRelationship></act>"""


def substance(code, system=SNOMED):
    return f"""<participant typeCode="CSM"><participantRole classCode="MANU"><playingEntity classCode="MMAT">
      <code code="{code}" {system}/></playingEntity></participantRole></participant>"""


def reaction(severity):
    return f"""<entryRelationship typeCode="MFST"><observation classCode="OBS" moodCode="EVN">
      <code code="418799008" {SNOMED}/><value xsi:type="CD" code="247472004" {SNOMED}/>
      <entryRelationship typeCode="SUBJ" inversionInd="true"><observation classCode="OBS" moodCode="EVN">
        <code code="SEV" codeSystem="2.16.840.1.113883.5.4"/><value xsi:type="CD" code="{severity}" {SNOMED}/>
      </observation></entryRelationship></observation></entryRelationship>"""


@pytest.mark.parametrize(
    ("severity", "said"), [("255604002", "mild"), ("371924009", "severe"), ("399166001", "severe")]
)
def test_an_allergy_and_its_reaction(severity, said):
    found, quality = entry("48765-2", allergy(substance("47703008") + reaction(severity), code="416098002"))
    (made,) = found["AllergyIntolerance"]
    assert made["code"]["coding"][0]["code"] == "47703008"
    assert (made["type"], made["category"], made["onsetDateTime"]) == ("allergy", ["medication"], "1990")
    assert made["reaction"][0]["severity"] == said
    told = [line for line in quality.approximated if "severity" in line.reason]
    assert bool(told) is (severity != "255604002")


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        (allergy("", value='<value xsi:type="CD" code="no-known-allergies" codeSystem="2.16.840.1.113883.5.1150.1"/>'), "no-known-allergies"),
        (allergy(substance("105590001"), "true", f'<value xsi:type="CD" code="419199007" {SNOMED}/>'), "no-known-allergies"),
        (allergy(substance("410942007"), "true", f'<value xsi:type="CD" code="416098002" {SNOMED}/>'), "no-known-medication-allergies"),
        (allergy("", value='<value xsi:type="CD" nullFlavor="NI"/>'), "no-allergy-info"),
    ],
)  # fmt: skip
def test_that_no_allergy_is_known_is_a_code_of_its_own(statement, code):
    (made,) = entry("48765-2", statement)[0]["AllergyIntolerance"]
    assert made["code"]["coding"][0]["system"] == ABSENT
    assert made["code"]["coding"][0]["code"] == code


def test_that_one_substance_is_tolerated_is_refuted_and_never_an_allergy():
    (made,) = entry("48765-2", allergy(substance("762952008"), "true"))[0]["AllergyIntolerance"]
    assert made["verificationStatus"]["coding"][0]["code"] == "refuted"
    assert made["code"]["coding"][0]["code"] == "762952008"


PRODUCT = """<consumable><manufacturedProduct><manufacturedMaterial>
  <name>Eutirox</name>
  <pharm:formCode code="10219000" codeSystem="0.4.0.127.0.16.1.1.2.1"/>
  <pharm:asContent><pharm:quantity value="30" unit="1"/><pharm:containerPackagedProduct>
    <pharm:code code="P30" codeSystem="2.999.5"/></pharm:containerPackagedProduct></pharm:asContent>
  <pharm:asSpecializedKind><pharm:generalizedMaterialKind>
    <pharm:code code="H03AA01" codeSystem="2.16.840.1.113883.6.73"/></pharm:generalizedMaterialKind></pharm:asSpecializedKind>
  <pharm:ingredient classCode="ACTI"><pharm:quantity><numerator xsi:type="PQ" value="100" unit="ug"/>
    <denominator xsi:type="PQ" value="1" unit="1"/></pharm:quantity>
    <pharm:ingredientSubstance><pharm:code code="H03AA01" codeSystem="2.16.840.1.113883.6.73"/></pharm:ingredientSubstance>
  </pharm:ingredient></manufacturedMaterial></manufacturedProduct></consumable>"""


def taken(
    status="active", negated="", consumable=PRODUCT, template="1.3.6.1.4.1.12559.11.10.1.3.1.3.4", mood="INT"
):
    return f"""<substanceAdministration classCode="SBADM" moodCode="{mood}" {negated}>
      <templateId root="{template}"/><id root="2.999.8" extension="m"/><statusCode code="{status}"/>
      <effectiveTime xsi:type="IVL_TS"><low value="19971006"/></effectiveTime>
      <effectiveTime xsi:type="PIVL_TS" operator="A"><period value="1" unit="d"/></effectiveTime>
      <routeCode code="20053000" codeSystem="0.4.0.127.0.16.1.1.2.1"/>
      <doseQuantity value="1" unit="1"/>{consumable}</substanceAdministration>"""


def test_a_medicine_with_its_product():
    found, quality = entry("10160-0", taken())
    (made,), (drug,) = found["MedicationStatement"], found["Medication"]
    assert (made["status"], made["effectivePeriod"]) == ("active", {"start": "1997-10-06"})
    (dose,) = made["dosage"]
    assert dose["timing"] == {"repeat": {"frequency": 1, "period": Decimal(1), "periodUnit": "d"}}
    assert dose["doseAndRate"] == [
        {"doseQuantity": {"value": Decimal(1), "unit": "1", "system": UCUM, "code": "1"}}
    ]
    assert drug["code"]["text"] == "Eutirox"
    assert [each["code"] for each in drug["code"]["coding"]] == ["P30", "H03AA01"]
    assert drug["ingredient"][0]["strength"]["numerator"]["value"] == Decimal(100)
    assert drug["amount"]["numerator"]["value"] == Decimal(30)
    assert not [line for line in quality.dropped if "/section" in line.path]


@pytest.mark.parametrize(
    ("status", "said"),
    [("active", "active"), ("suspended", "on-hold"), ("aborted", "stopped"), ("completed", "completed")],
)
def test_whether_a_medicine_is_taken(status, said):
    assert entry("10160-0", taken(status))[0]["MedicationStatement"][0]["status"] == said


def test_a_denied_medicine_is_not_taken():
    assert (
        entry("10160-0", taken(negated='negationInd="true"'))[0]["MedicationStatement"][0]["status"]
        == "not-taken"
    )


def test_that_no_medicine_is_known_has_no_product():
    nothing = "<consumable><manufacturedProduct><manufacturedMaterial nullFlavor='NA'/></manufacturedProduct></consumable>"
    statement = taken("completed", consumable=nothing).replace(
        "<statusCode",
        '<code code="no-known-medications" codeSystem="2.16.840.1.113883.5.1150.1"/><statusCode',
    )
    (made,) = entry("10160-0", statement)[0]["MedicationStatement"]
    assert made["medicationCodeableConcept"]["coding"] == [{"system": ABSENT, "code": "no-known-medications"}]


def test_what_is_planned_by_a_ccda_medication_activity_is_no_medicine_that_is_taken():
    found, _ = entry("10160-0", taken(template="2.16.840.1.113883.10.20.22.4.16"))
    assert "MedicationStatement" not in found
    assert found["MedicationRequest"][0]["intent"] == "plan"


def test_a_prescription_item():
    statement = taken(template="1.3.6.1.4.1.12559.11.10.1.3.1.3.2").replace(
        "</substanceAdministration>",
        """<entryRelationship typeCode="COMP"><supply classCode="SPLY" moodCode="RQO"><independentInd value="false"/>
        <quantity value="2" unit="1"/></supply></entryRelationship>
        <entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN">
        <code code="SUBST" codeSystem="2.16.840.1.113883.5.6"/>
        <value xsi:type="CE" code="N" codeSystem="2.16.840.1.113883.5.1070"/></observation></entryRelationship>
        <entryRelationship typeCode="SUBJ"><act classCode="ACT" moodCode="INT">
        <code code="PINSTRUCT" codeSystem="1.3.6.1.4.1.19376.1.5.3.2"/><text>With water</text></act></entryRelationship>
        </substanceAdministration>""",
    )
    found, _ = entry("57828-6", statement, kind=PRESCRIPTION)
    (made,) = found["MedicationRequest"]
    assert (made["intent"], made["authoredOn"]) == ("order", "2026-03-01")
    assert made["dispenseRequest"]["quantity"]["value"] == Decimal(2)
    assert made["substitution"]["allowedCodeableConcept"]["coding"][0]["code"] == "N"
    assert made["dosageInstruction"][0]["patientInstruction"] == "With water"
    assert made["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] == {"start": "1997-10-06"}


def test_a_dispensation_names_its_prescription():
    statement = f"""<supply classCode="SPLY" moodCode="EVN"><templateId root="1.3.6.1.4.1.12559.11.10.1.3.1.3.3"/>
      <id root="2.999.8" extension="d"/><quantity value="1" unit="1"/>
      {PRODUCT.replace("consumable", "product")}
      <performer><time value="20260301120000+0100"/><assignedEntity><id root="2.999.3" extension="F"/>
        <assignedPerson><name>F</name></assignedPerson></assignedEntity></performer>
      <entryRelationship typeCode="REFR"><substanceAdministration classCode="SBADM" moodCode="INT">
        <id root="2.999.7" extension="rx-1"/><text>1 a day</text>{PRODUCT}</substanceAdministration></entryRelationship>
      <entryRelationship typeCode="COMP"><act classCode="ACT" moodCode="EVN">
        <code code="SUBST" codeSystem="2.16.840.1.113883.5.6"/></act></entryRelationship></supply>"""
    found, _ = entry("60590-7", statement, kind=DISPENSATION)
    (made,) = found["MedicationDispense"]
    assert made["authorizingPrescription"][0]["identifier"] == {"system": "urn:oid:2.999.7", "value": "rx-1"}
    assert (made["whenHandedOver"], made["substitution"]) == (
        "2026-03-01T12:00:00+01:00",
        {"wasSubstituted": True},
    )
    assert made["dosageInstruction"] == [{"text": "1 a day"}]


def observed(code, value, more=""):
    return f"""<observation classCode="OBS" moodCode="EVN" {more}><code code="{code}" {LOINC}/>
      <statusCode code="completed"/><effectiveTime value="20170506"/>{value}</observation>"""


def test_blood_pressure_is_one_observation_and_other_panels_have_members():
    parts = "".join(
        f"<component>{observed(code, f'<value xsi:type=@PQ@ value=@{much}@ unit=@mm[Hg]@/>'.replace('@', chr(34)))}</component>"
        for code, much in (("8480-6", 160), ("8462-4", 110))
    )
    panel = f"""<organizer classCode="CLUSTER" moodCode="EVN"><code code="%s" {LOINC}/><statusCode code="completed"/>
      <effectiveTime value="20170506"/>{parts}</organizer>"""
    (pressure,) = entry("8716-3", panel % "85354-9")[0]["Observation"]
    assert [each["valueQuantity"]["value"] for each in pressure["component"]] == [Decimal(160), Decimal(110)]
    found = entry("8716-3", panel % "74728-7")[0]["Observation"]
    assert [len(each.get("hasMember", ())) for each in found] == [0, 0, 2]


def test_a_denied_finding_never_reads_as_found():
    value = f'<value xsi:type="CD" code="1" {SNOMED} displayName="Fever"/>'
    (made,) = entry("30954-2", observed("75321-0", value, 'negationInd="true"'))[0]["Observation"]
    assert made["valueString"] == "Not: Fever"


def test_a_vaccination_that_was_refused_was_not_given():
    statement = """<substanceAdministration classCode="SBADM" moodCode="EVN" negationInd="true">
      <templateId root="2.16.840.1.113883.10.20.22.4.52"/><statusCode code="completed"/>
      <effectiveTime value="20100815"/><consumable><manufacturedProduct><manufacturedMaterial>
        <code code="140" codeSystem="2.16.840.1.113883.12.292"/></manufacturedMaterial></manufacturedProduct></consumable>
      <entryRelationship typeCode="RSON"><observation classCode="OBS" moodCode="EVN">
        <templateId root="2.16.840.1.113883.10.20.22.4.53"/>
        <code code="PATOBJ" codeSystem="2.16.840.1.113883.5.8"/></observation></entryRelationship>
      </substanceAdministration>"""
    (made,) = entry("11369-6", statement)[0]["Immunization"]
    assert (made["status"], made["statusReason"]["coding"][0]["code"]) == ("not-done", "PATOBJ")


def test_a_procedure_a_device_a_plan_and_a_goal():
    procedure = f'<procedure classCode="PROC" moodCode="EVN"><code code="13619001" {SNOMED}/><statusCode code="completed"/><effectiveTime value="1997"/></procedure>'
    device = f'<supply classCode="SPLY" moodCode="EVN"><effectiveTime xsi:type="IVL_TS"><low value="2014"/></effectiveTime><participant typeCode="DEV"><participantRole classCode="MANU"><id root="2.999.8" extension="SN"/><playingDevice><code code="72506001" {SNOMED}/></playingDevice></participantRole></participant></supply>'
    plan = f'<observation classCode="OBS" moodCode="RQO"><code code="1" {SNOMED}/><statusCode code="active"/></observation>'
    goal = f'<observation classCode="OBS" moodCode="GOL"><code code="2" {SNOMED}/><statusCode code="active"/><value xsi:type="ST">Walk</value></observation>'
    made = converted(
        section("47519-4", f"<entry>{procedure}</entry>"),
        section("46264-8", f"<entry>{device}</entry>"),
        section("18776-5", f"<entry>{plan}</entry><entry>{goal}</entry>"),
    )
    found = {each["resource"]["resourceType"]: each["resource"] for each in made.bundle["entry"]}
    assert found["Procedure"]["performedDateTime"] == "1997"
    assert found["DeviceUseStatement"]["timingPeriod"] == {"start": "2014"}
    assert found["Device"]["identifier"] == [{"system": "urn:oid:2.999.8", "value": "SN"}]
    assert found["ServiceRequest"]["intent"] == "order"
    assert found["Goal"]["target"][0]["detailString"] == "Walk"
    assert [issue for issue in validate(made.bundle) if issue.severity == "error"] == []


def test_a_summary_has_every_section_that_the_european_format_demands_and_invents_none():
    made = converted(section("11450-4", f"<entry>{problem(ASTHMA)}</entry>"))
    sections = {each["code"]["coding"][0]["code"]: each for each in made.header["section"]}
    assert sections.keys() == {"11450-4", "48765-2", "10160-0", "47519-4", "46264-8"}
    assert sections["48765-2"]["emptyReason"]["coding"][0]["code"] == "unavailable"
    assert sections["48765-2"]["text"]["status"] == "empty"


def test_everything_that_is_not_read_is_told_with_its_place():
    _, quality = entry(
        "11450-4", problem(ASTHMA, more="<priorityCode code='R'/><x:own xmlns:x='urn:x' a='1'>w</x:own>")
    )
    told = {line.path.rpartition("entry/")[2]: line.examples for line in quality.dropped}
    place = "act/entryRelationship/observation/"
    assert told[f"{place}priorityCode/@code"] == ("R",)
    assert told[f"{place}{{urn:x}}own/@a"] == ("1",)
    assert told[f"{place}{{urn:x}}own"] == ("w",)


@pytest.mark.parametrize("where", ["observation", "act"])
def test_what_is_about_a_relative_or_a_fetus_is_never_the_patients(where):
    subject = '<subject><relatedSubject><code code="MTH"/></relatedSubject></subject>'
    statement = problem(ASTHMA).replace(
        "</effectiveTime>", f"</effectiveTime>{subject if where == 'observation' else ''}"
    )
    if where == "act":
        statement = statement.replace("<entryRelationship", f"{subject}<entryRelationship", 1)
    found, quality = entry("11450-4", statement)
    assert "Condition" not in found
    assert any("J45" in line.examples for line in quality.dropped)


def test_the_same_bytes_give_the_same_bundle():
    one = section("11450-4", f"<entry>{problem(ASTHMA)}</entry>")
    assert converted(one).bundle == converted(one).bundle


def test_an_imaging_report_names_its_study_by_dicom_uids():
    dicom = 'codeSystem="1.2.840.10008.2.16.4"'
    catalog = f"""<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.6.2.6"/>
      <id root="1.2.840.1"/><code code="113014" {dicom}/><entryRelationship typeCode="COMP">
      <act classCode="ACT" moodCode="EVN"><id root="1.2.840.2"/><code code="113015" {dicom}>
        <qualifier><name code="121139" {dicom}/><value code="CR" {dicom}/></qualifier></code>
        <entryRelationship typeCode="COMP"><observation classCode="DGIMG" moodCode="EVN"><id root="1.2.840.3"/>
          <code code="1.2.840.10008.5.1.4.1.1.1" codeSystem="1.2.840.10008.2.6.1"/></observation></entryRelationship>
      </act></entryRelationship></act>"""
    found, _ = entry("121181", catalog, kind=("2.16.840.1.113883.10.20.22.1.5", "18748-4"))
    (study,), (report,) = found["ImagingStudy"], found["DiagnosticReport"]
    assert (study["identifier"][0]["system"], study["identifier"][0]["value"]) == (
        "urn:dicom:uid",
        "urn:oid:1.2.840.1",
    )
    (series,) = study["series"]
    assert (series["uid"], series["modality"]["code"]) == ("1.2.840.2", "CR")
    assert series["instance"] == [
        {
            "uid": "1.2.840.3",
            "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5.1.4.1.1.1"},
        }
    ]
    assert report["imagingStudy"]
    assert [issue for issue in validate(found["ImagingStudy"][0]) if issue.severity == "error"] == []


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (
            problem(ASTHMA).replace('<act classCode="ACT"', '<act negationInd="true" classCode="ACT"', 1),
            "Condition",
        ),
        (
            f'<encounter classCode="ENC" moodCode="EVN" negationInd="true"><code code="1" {SNOMED}/></encounter>',
            "Encounter",
        ),
        (
            f'<observation classCode="OBS" moodCode="GOL" negationInd="true"><code code="1" {SNOMED}/></observation>',
            "Goal",
        ),
    ],
)
def test_what_is_denied_as_a_whole_is_left_out_and_told(statement, kind):
    found, quality = entry("11450-4", statement)
    assert kind not in found
    assert any("denied as a whole" in line.reason for line in quality.dropped)


def test_results_of_an_isolate_name_it():
    isolate = f"""<organizer classCode="CLUSTER" moodCode="EVN"><statusCode code="completed"/>
      <specimen><specimenRole><id root="2.999.6" extension="i"/><specimenPlayingEntity>
        <code code="112283007" {SNOMED} displayName="Escherichia coli"/></specimenPlayingEntity></specimenRole></specimen>
      <component>{observed("18928-2", "")}</component></organizer>"""
    found, _ = entry("30954-2", isolate)
    assert found["Specimen"][0]["type"]["coding"][0]["code"] == "112283007"
    assert found["Observation"][0]["specimen"]["reference"].startswith("urn:uuid:")


@pytest.mark.parametrize(
    ("code", "system", "said", "labels"),
    [
        ("R", "2.16.840.1.113883.5.25", "R", []),
        ("1141000195107", "2.16.840.1.113883.6.96", "V", ["1141000195107"]),
        ("secret", "2.999.5", None, ["secret"]),
    ],
)
def test_that_a_document_is_restricted_is_not_lost_with_its_code(code, system, said, labels):
    body = document().replace(
        b'<confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>',
        f'<confidentialityCode code="{code}" codeSystem="{system}"/>'.encode(),
    )
    header = to_fhir(body, Limits()).header
    assert header.get("confidentiality") == said
    assert [each["code"] for each in header.get("meta", {}).get("security", ())] == labels
