"""What a prescriber asks is kept in both countries: time between, strength, substitution, meaning."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from tests.federation.conftest import get, local_caller, local_token, put
from tests.federation.test_dispensations import ANA, TABLETS, dispense_locally, prescription, supply

from salus.core.access import Role
from salus.core.errors import Conflict
from salus.primary.cross_border import PatientAbroad
from salus.primary.dispensing_abroad import dispense, handed_over, list_prescriptions
from salus.primary.prescriptions import TOO_EARLY
from salus.standards.fhir.codec.json import parse_json
from salus.web.abroad import desk_of

UCUM = {"system": "http://unitsofmeasure.org"}
DAYS_28 = {"value": 28, "code": "d", **UCUM}
V3 = "http://terminology.hl7.org/CodeSystem/v3-substanceAdminSubstitution"
REASON = {"text": "travels", "extension": [{"url": TOO_EARLY, "valueBoolean": True}]}


def spaced(**request):
    quantity = {"value": 10, **TABLETS}
    return {"quantity": quantity, "numberOfRepeatsAllowed": 3, "dispenseInterval": DAYS_28} | request


@pytest.fixture
async def counter(federation):
    """Ana's record is at home (pt-1); the pharmacist stands at ee-1."""
    home, abroad = federation.nodes["pt-1"], federation.nodes["ee-1"]
    await put(home, ANA)
    desk = desk_of(abroad.services, local_caller(abroad, Role.PHARMACIST, "Jaan Kask"))
    return home, desk, PatientAbroad("pt-1", "ana", ANA, "present")


async def listed(desk, patient, name="rx"):
    found = await list_prescriptions(desk, patient)
    return next(each for each in found if each.resource["id"] == name)


def now():
    return datetime.now(UTC).isoformat(timespec="seconds")


async def test_the_time_between_hand_overs_is_kept_in_both_countries_unless_the_pharmacist_says_why(counter):
    home, desk, patient = counter
    first = {"quantity": {"value": 5, **TABLETS}}
    await put(home, prescription(dispenseRequest=spaced(initialFill=first)))
    each = await listed(desk, patient)
    assert (str(each.left.amount), str(each.most)) == ("35 tablet", "5 tablet")
    with pytest.raises(Conflict, match="at most 5 tablet"):
        await dispense(desk, patient, each.resource, supply("d1", 10))
    await dispense(desk, patient, each.resource, supply("d1", 5))
    due = (datetime.now(UTC) + timedelta(28)).date().isoformat()
    each = await listed(desk, patient)
    assert each.why_not == f"the next hand-over may be from {due} on (dispenseInterval)"
    assert str(each.most) == "10 tablet"
    with pytest.raises(Conflict, match=f"too early: .* from {due}"):
        await dispense(desk, patient, each.resource, supply("d2", 10))
    refused = await dispense_locally(home, 10, "l1", whenHandedOver=now())
    assert (refused.status_code, due in refused.text) == (409, True)
    done = await dispense(desk, patient, each.resource, supply("d2", 10, early_reason="travels"))
    assert done.resource["note"] == [REASON]
    kept = next(line for line in await handed_over(desk, patient) if line.value == "d2")
    assert parse_json(kept.message, desk.peers.limits)["note"] == [REASON]
    answer = await dispense_locally(home, 10, "l1", whenHandedOver=now(), note=[REASON])
    assert answer.status_code == 201, answer.text
    assert str((await listed(desk, patient)).left.amount) == "10 tablet"


def paracetamol(strength, **members):
    mg = {
        "numerator": {"value": strength, "code": "mg", **UCUM},
        "denominator": {"value": 1, "unit": "tablet"},
    }
    made = {"itemCodeableConcept": {"text": "paracetamol"}, "strength": mg}
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "387517004", "display": "Paracetamol"}]}
    return {"resourceType": "Medication", "id": "m", "code": code, "ingredient": [made]} | members


async def hand_over(home, on, product):
    resource = {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "identifier": [{"system": "urn:oid:2.999.2", "value": "l1"}],
        "subject": {"reference": "Patient/ana"},
        "authorizingPrescription": [{"reference": f"MedicationRequest/{on}"}],
        "quantity": {"value": 30, **TABLETS},
    }
    headers = {
        "authorization": f"Bearer {local_token(home, Role.PHARMACIST, 'Rita')}",
        "content-type": "application/fhir+json",
    }
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        return await client.post(f"{home.url}/fhir/MedicationDispense", json=resource | product)


async def test_double_strength_is_no_prescribed_product_and_unknown_meaning_is_not_dispensed(counter):
    home, desk, patient = counter
    inside = {"contained": [paracetamol(500)], "medicationReference": {"reference": "#m"}}
    order = prescription(substitution={"allowedBoolean": False}, **inside)
    stored = prescription("rx2", substitution={"allowedBoolean": False})
    stored |= {"medicationReference": {"reference": "Medication/p500"}}
    modified = prescription("rx3", modifierExtension=[{"url": "urn:x:only-if", "valueBoolean": True}])
    del order["medicationCodeableConcept"], stored["medicationCodeableConcept"]
    await put(home, *(paracetamol(each, id=f"p{each}") for each in (500, 1000)), order, stored, modified)

    for on, product in (
        ("rx", {"contained": [paracetamol(1000)], "medicationReference": {"reference": "#m"}}),
        ("rx2", {"medicationReference": {"reference": "Medication/p1000"}}),
    ):
        refused = await hand_over(home, on, product)
        assert (refused.status_code, "excluded substitution" in refused.text) == (409, True), refused.text
    for name, on in (("d1", "rx"), ("d2", "rx2")):
        done = await dispense(desk, patient, (await listed(desk, patient, on)).resource, supply(name, 30))
        assert "substitution" not in done.resource
    with pytest.raises(Conflict, match="modifierExtension"):
        await dispense(desk, patient, (await listed(desk, patient, "rx3")).resource, supply("d3", 30))


async def test_a_word_on_substitution_is_leave_only_for_what_it_says(counter):
    home, desk, patient = counter
    atc = {"system": "http://www.whocc.no/atc", "code": "C09AA02"}
    product = {"coding": [atc], "text": "Enalapril 10 mg"}
    generic = {"allowedCodeableConcept": {"coding": [{"system": V3, "code": "G"}]}}
    words = {"allowedCodeableConcept": {"text": "Do not substitute"}}
    await put(
        home,
        prescription(medicationCodeableConcept=product, substitution=generic),
        prescription("rx2", medicationCodeableConcept=product, substitution=words),
    )
    first = (await listed(desk, patient)).resource
    for name, on, given, reason in (
        ("d1", "rx", {"text": "Ibuprofen"}, "ATC code"),
        ("d2", "rx2", {"coding": [atc], "text": "Enalapril X"}, "ask the prescriber"),
    ):
        each = await listed(desk, patient, on)
        with pytest.raises(Conflict, match=reason):
            await dispense(desk, patient, each.resource, supply(name, 10, medication=given, substituted=True))
    given = {"coding": [atc], "text": "Enalapril X"}
    done = await dispense(desk, patient, first, supply("d3", 10, medication=given, substituted=True))
    assert done.resource["substitution"] == {"wasSubstituted": True}
    with pytest.raises(Conflict, match="another hand-over"):  # the same id, for the product prescribed
        await dispense(desk, patient, first, supply("d3", 10))


async def test_an_old_copy_does_not_make_a_prescription_active_on_which_nothing_is_left(counter):
    home, desk, patient = counter
    await put(home, prescription(repeats=0))
    old = (await get(home, "MedicationRequest/rx")).json()
    await dispense(desk, patient, (await listed(desk, patient)).resource, supply("d1", 30))
    headers = {
        "authorization": f"Bearer {local_token(home, Role.CLINICIAN, 'Rui')}",
        "content-type": "application/fhir+json",
    }
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        address = f"{home.url}/fhir/MedicationRequest/rx"
        stale = await client.put(address, json=old | {"note": [{"text": "take with food"}]})
        assert (stale.status_code, "read it again" in stale.text) == (409, True)
        assert (await client.get(address)).json()["status"] == "completed"
        more = old["dispenseRequest"] | {"numberOfRepeatsAllowed": 1}
        assert (await client.put(address, json=old | {"dispenseRequest": more})).status_code == 200
    assert str((await listed(desk, patient)).left.amount) == "30 tablet"


def tablet(text):
    return {"resourceType": "Medication", "id": "med", "code": {"text": text}}


@pytest.mark.parametrize("substitution", [{}, {"substitution": {"allowedBoolean": False}}])
async def test_a_changed_medication_is_listed_and_handed_over_as_it_was_prescribed(counter, substitution):
    home, desk, patient = counter
    orders = [
        prescription(name, medicationReference={"reference": each}, **substitution)
        for name, each in (("rx", "Medication/med"), ("named", "Medication/med/_history/1"))
    ]
    for order in orders:
        del order["medicationCodeableConcept"]
    await put(home, tablet("P 500 mg"), *orders, tablet("P 1000 mg"))
    await put(home, orders[0] | {"id": "later"})
    shown = {name: await listed(desk, patient, name) for name in ("rx", "named", "later")}
    strengths = {name: each.medication["code"]["text"] for name, each in shown.items()}
    assert strengths == {"rx": "P 500 mg", "named": "P 500 mg", "later": "P 1000 mg"}
    for name, each in shown.items():
        done = await dispense(desk, patient, each.resource, supply(name, 10))
        assert done.resource["medicationReference"]["display"] == strengths[name]
        assert "substitution" not in done.resource


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"medicationCodeableConcept": {"text": "Methotrexate 2.5 mg"}}, "product"),
        ({"dosageInstruction": [{"text": "one a week"}]}, "dosage"),
        ({"dispenseRequest": {"quantity": {"value": 8, **TABLETS}}}, "amount"),
    ],
)
async def test_a_prescription_changed_since_it_was_listed_is_not_handed_over(counter, change, told):
    home, desk, patient = counter
    order = prescription() | {"medicationCodeableConcept": {"text": "Methotrexate 10 mg"}}
    await put(home, order)
    old = (await listed(desk, patient)).resource
    await put(home, order | change)
    with pytest.raises(Conflict, match=rf"changed since it was shown \({told}\): look at it again"):
        await dispense(desk, patient, old, supply("d1", 4))
    assert await handed_over(desk, patient) == []
    again = (await listed(desk, patient)).resource
    await dispense(desk, patient, again, supply("d1", 4))
    await put(home, order | change | {"note": [{"text": "changed once more"}]})
    assert (await dispense(desk, patient, again, supply("d1", 4))).repeated
