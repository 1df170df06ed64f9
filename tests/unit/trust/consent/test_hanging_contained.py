"""What a resource contains is judged with it: a code that stands only there is denied there too."""

import pytest
from tests.unit.trust.consent.test_hanging import consent, observation, sees, write

__all__ = ["sees", "write"]
PATIENT = {"resourceType": "Patient", "id": "a"}
HIV = {"coding": [{"system": "http://loinc.org", "code": "75622-1"}]}
MEDICINE = {"coding": [{"system": "http://www.whocc.no/atc", "code": "J05AR03"}]}
SUBJECT = {"subject": {"reference": "Patient/a"}}


def report(identity, *contained, **more):
    return {"resourceType": "DiagnosticReport", "id": identity, "status": "final", **SUBJECT,
            "contained": list(contained)} | more  # fmt: skip


def held(code=HIV, **more):
    return {"resourceType": "Observation", "id": "r", "status": "final", "code": code} | more


def order(identity, **more):
    return {"resourceType": "MedicationRequest", "id": identity, "status": "active", "intent": "order",
            **SUBJECT} | more  # fmt: skip


@pytest.mark.parametrize("veiled_first", [True, False])
@pytest.mark.parametrize(
    ("denied", "meant"),
    [
        ({"code": [HIV]}, report("meant", held())),
        ({"class": [{"code": "Observation"}]}, report("meant", held())),
        (
            {"code": [HIV], "dataPeriod": {"end": "2020"}},
            report("meant", held(), effectiveDateTime="2019-01-01"),
        ),
        ({"code": [MEDICINE]}, order("meant", contained=[{"resourceType": "Medication", "code": MEDICINE}])),
        ({"code": [MEDICINE]}, order("meant", medicationCodeableConcept=MEDICINE)),
        (
            {"code": [HIV]},
            {"resourceType": "List", "id": "meant", "status": "current", "mode": "working", **SUBJECT,
             "contained": [held()], "entry": [{"item": {"reference": "#r"}}]},
        ),
        (
            {"code": [HIV]},
            {"resourceType": "Bundle", "id": "meant", "type": "collection",
             "entry": [{"resource": report("inner", held())}]},
        ),
        (
            {"code": [MEDICINE]},
            {"resourceType": "Bundle", "id": "meant", "type": "collection",
             "entry": [{"resource": {"resourceType": "Medication", "code": MEDICINE}},
                       {"resource": order("o")}]},
        ),
    ],
)  # fmt: skip
async def test_what_is_denied_hides_what_contains_it(write, sees, veiled_first, denied, meant):
    other = {"resourceType": meant["resourceType"], "id": "other", **SUBJECT}
    if meant["resourceType"] == "Bundle":
        other = {"resourceType": "Bundle", "id": "other", "type": "collection", "entry": [
            {"resource": report("inner")}]}  # fmt: skip
    kind = meant["resourceType"]
    await write(PATIENT)
    steps = [(consent("c", "a", **denied),), (meant, other)]
    for step in steps if veiled_first else reversed(steps):
        await write(*step)
    assert await sees(f"{kind}/meant", f"{kind}/other") == {f"{kind}/other"}


async def test_what_permits_a_resource_permits_what_it_contains(write, sees):
    practitioner = {"resourceType": "Practitioner", "id": "who"}
    permit = {"type": "permit", "class": [{"code": "Observation"}]}
    await write(PATIENT, consent("c", "a", provision=[permit]))
    await write(observation("shown", "a", contained=[practitioner]), report("hidden", held()))
    assert await sees("Observation/shown", "DiagnosticReport/hidden") == {"Observation/shown"}


async def test_a_permit_of_what_is_normal_permits_nothing_that_contains_what_is_restricted(write, sees):
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    permit = {"type": "permit", "securityLabel": [{"code": "N"}]}
    await write(PATIENT, consent("c", "a", provision=[permit]))
    normal = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}
    labelled = held(normal, meta={"security": [label]})
    await write(report("labelled", labelled), report("coded", held(HIV)), report("shown", held(normal)))
    names = ("DiagnosticReport/labelled", "DiagnosticReport/coded", "DiagnosticReport/shown")
    assert await sees(*names) == {"DiagnosticReport/shown"}


async def test_an_exception_spares_whom_it_names_for_what_is_contained(write, sees):
    meant = {"reference": {"identifier": {"system": "urn:salus:audience", "value": "professionals"}}}
    permit = {"type": "permit", "actor": [meant]}
    await write(PATIENT, consent("c", "a", code=[HIV], provision=[permit]), report("shown", held()))
    assert await sees("DiagnosticReport/shown") == {"DiagnosticReport/shown"}


async def test_a_local_id_is_not_the_name_of_another_resource(write, sees):
    data = [{"meaning": "instance", "reference": {"reference": "Observation/r"}}]
    await write(PATIENT, consent("c", "a", data=data), report("shown", held()))
    assert await sees("DiagnosticReport/shown") == {"DiagnosticReport/shown"}


async def test_a_patient_stays_visible_whatever_it_contains(write, sees):
    await write(consent("c", "a", code=[HIV]), PATIENT | {"contained": [held()]})
    assert await sees("Patient/a") == {"Patient/a"}
