"""At home in Portugal: the citizen of the story, her prescription, and the document her doctor publishes."""

from __future__ import annotations

from datetime import date

from salus.cli.story.account import Seen, expect
from salus.cli.story.asking import Answer, get, resources, send
from salus.cli.story.letter import description, letter, letter_bytes
from salus.cli.story.stage import Stage
from salus.core.access import Role
from salus.core.clock import utc_now
from salus.standards.nationalid.identifiers import identifier_of_system

ADULT_YEARS = 18
PATIENTS_MAX = 200


async def choose_citizen(stage: Stage, seen: Seen) -> None:
    """Choose an adult with a national identifier, preferably one who has a prescription."""
    token = stage.token("PT", Role.OPERATOR)
    page = await get(stage, "PT", f"/fhir/Patient?_count={PATIENTS_MAX}", token)
    prescribed = await get(stage, "PT", f"/fhir/MedicationRequest?status=active&_count={PATIENTS_MAX}", token)
    requests = sorted(resources(prescribed, "MedicationRequest"), key=_repeats)
    today = utc_now().date()
    adults = {
        f"Patient/{each['id']}": each
        for each in resources(page, "Patient")
        if _national(each) and _age(each, today) >= ADULT_YEARS
    }
    expect(bool(adults), "Portugal has no adult with a national identifier; try more --persons")
    # One whose prescription a single hand-over completes shows best that home's state changes once.
    prescription = next((each for each in requests if each["subject"]["reference"] in adults), None)
    chosen = adults[prescription["subject"]["reference"]] if prescription else next(iter(adults.values()))
    stage.facts["citizen"] = chosen["id"]
    stage.facts["citizen_identifier"] = _national(chosen)
    if prescription is not None:
        stage.facts["prescription"] = prescription["id"]
    seen.figures["citizen"] = f"Patient/{chosen['id']}"
    seen.figures["age years"] = _age(chosen, today)
    seen.figures["has a prescription"] = prescription is not None
    seen.read_again.append(curl(stage, "PT", "operator", f"/fhir/Patient/{chosen['id']}"))


async def prepare_record(stage: Stage, seen: Seen) -> None:
    """Her doctor prescribes, where she has no prescription; her hospital publishes a discharge letter."""
    citizen, token = stage.fact("citizen"), stage.token("PT", Role.CLINICIAN)
    if "prescription" not in stage.facts:
        created = await send(stage, "PT", "POST", "/fhir/MedicationRequest", token, _prescription(citizen))
        stage.facts["prescription"] = created["id"]
        seen.figures["prescribed now"] = True
    patient = await get(stage, "PT", f"/fhir/Patient/{citizen}", token)
    conditions = await get(stage, "PT", f"/fhir/Condition?patient={citizen}&clinical-status=active", token)
    problems = [each.get("code", {}).get("text", "") for each in resources(conditions, "Condition")]
    hospital, known = stage.settings["PT"].name, [problem for problem in problems if problem]
    document = letter(patient, known, hospital=hospital, now=utc_now())
    body = letter_bytes(document)
    reference = await send(
        stage, "PT", "POST", "/fhir/DocumentReference", token, description(citizen, body, document)
    )
    stage.facts["document"] = reference["id"]
    seen.figures["prescription"] = f"MedicationRequest/{stage.facts['prescription']}"
    seen.figures["document"] = f"DocumentReference/{reference['id']}"
    stage.facts["document_bytes"] = len(body)
    seen.figures["document bytes"] = len(body)
    seen.read_again.append(curl(stage, "PT", "clinician", f"/fhir/DocumentReference/{reference['id']}"))
    log = await stage.client.get(f"{stage.url('PT')}/ledger/checkpoint")
    if log.status_code == 200:
        stage.facts["first_checkpoint"] = log.text


def curl(stage: Stage, country: str, role: str, path: str, *, who: str = "") -> str:
    """Return the shell command that reads a figure again."""
    token = f"salus token --data {stage.data(country)} --role {role}{who}"
    return f'curl -H "Authorization: Bearer $({token})" "{stage.url(country)}{path}"'


def _national(patient: Answer) -> str:
    """Return "system|value" of the first national identifier that we know the rule of, "" without one."""
    for each in patient.get("identifier", []):
        if each.get("value") and identifier_of_system(str(each.get("system", ""))) is not None:
            return f"{each['system']}|{each['value']}"
    return ""


def _repeats(prescription: Answer) -> int:
    return int(prescription.get("dispenseRequest", {}).get("numberOfRepeatsAllowed", 0))


def _age(patient: Answer, today: date) -> int:
    born = str(patient.get("birthDate", ""))
    if len(born) != len("2000-01-01"):
        return 0
    year, month, day = (int(part) for part in born.split("-"))
    return today.year - year - ((today.month, today.day) < (month, day))


def _prescription(citizen: str) -> Answer:
    tablets = {"unit": "tablet", "system": "http://unitsofmeasure.org", "code": "{tablet}"}
    medicine = {"system": "http://www.whocc.no/atc", "code": "A02BC01", "display": "Omeprazole 20 mg capsule"}
    return {
        "resourceType": "MedicationRequest",
        "identifier": [{"system": "urn:salus:demonstration-prescription", "value": citizen}],
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{citizen}"},
        "medicationCodeableConcept": {"coding": [medicine], "text": medicine["display"]},
        "authoredOn": utc_now().date().isoformat(),
        "dosageInstruction": [{"text": "1 capsule, 1 x daily"}],
        "dispenseRequest": {"numberOfRepeatsAllowed": 0, "quantity": {"value": 28, **tablets}},
    }
