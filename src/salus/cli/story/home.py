"""At home in Portugal: the citizen of the story, her prescription, and the document her doctor publishes."""

from __future__ import annotations

from datetime import date

from salus.cli.command import program
from salus.cli.story.account import Seen, expect
from salus.cli.story.asking import Answer, get, resources, send
from salus.cli.story.letter import description, letter, letter_bytes
from salus.cli.story.stage import Stage
from salus.core.access import Role
from salus.core.clock import utc_now
from salus.primary.dispensable import why_not
from salus.primary.prescriptions import read_prescription
from salus.standards.nationalid.identifiers import identifier_of_system

ADULT_YEARS = 18
PATIENTS_MAX = 1_000
SYNTHETIC = "urn:salus:synthetic:"


async def choose_citizen(stage: Stage, seen: Seen) -> None:
    """Choose an adult with an identifier: from the given files, if any, else from the synthetic ones."""
    token = stage.token("PT", Role.OPERATOR)
    page = await get(stage, "PT", f"/fhir/Patient?_count={PATIENTS_MAX}", token)
    prescribed = await get(stage, "PT", f"/fhir/MedicationRequest?status=active&_count={PATIENTS_MAX}", token)
    now = utc_now()
    valid = [
        each
        for each in resources(prescribed, "MedicationRequest")
        if not why_not(read_prescription(each), now, "PT")
    ]
    requests, today = sorted(valid, key=_repeats), now.date()
    grown = [each for each in resources(page, "Patient") if may_be_told_of(each, today)]
    given = [each for each in grown if not _source(each).startswith(SYNTHETIC)]
    adults = {f"Patient/{each['id']}": each for each in given or grown}
    expect(bool(adults), "Portugal has no adult with an identifier")
    # One whose prescription a single hand-over completes shows best that home's state changes once.
    prescription = next((each for each in requests if each["subject"]["reference"] in adults), None)
    chosen = adults[prescription["subject"]["reference"]] if prescription else next(iter(adults.values()))
    stage.facts["citizen"] = chosen["id"]
    stage.facts["citizen_identifier"] = _identifier(chosen)
    if prescription is not None:
        stage.facts["prescription"] = prescription["id"]
    seen.figures["citizen"] = f"Patient/{chosen['id']}"
    seen.figures["source"] = _source(chosen)
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
    seen.read_again.append(
        curl(
            stage, "PT", "citizen", f"/fhir/DocumentReference/{reference['id']}", who=f" --patient {citizen}"
        )
    )
    log = await stage.client.get(f"{stage.url('PT')}/ledger/checkpoint")
    if log.status_code == 200:
        stage.facts["first_checkpoint"] = log.text


def curl(stage: Stage, country: str, role: str, path: str, *, who: str = "") -> str:
    """Return the shell command that reads a figure again."""
    token = f"{program()} token --data {stage.data(country)} --role {role}{who}"
    return f'curl -H "Authorization: Bearer $({token})" "{stage.url(country)}{path}"'


def may_be_told_of(patient: Answer, today: date) -> bool:
    """Return whether the story may be about this Patient: a living adult with an identifier."""
    grown = _age(patient, today) >= ADULT_YEARS and "deceasedDateTime" not in patient
    return grown and bool(_identifier(patient))


def _identifier(patient: Answer) -> str:
    """Return "system|value" of a national identifier, else of any that names its system, "" without one."""
    known = [each for each in patient.get("identifier", []) if each.get("system") and each.get("value")]
    national = [each for each in known if identifier_of_system(str(each["system"])) is not None]
    chosen = next(iter(national or known), None)
    return f"{chosen['system']}|{chosen['value']}" if chosen else ""


def _source(patient: Answer) -> str:
    return str(patient.get("meta", {}).get("source", ""))


def _repeats(prescription: Answer) -> int:
    return int(prescription.get("dispenseRequest", {}).get("numberOfRepeatsAllowed", 0))


def _age(patient: Answer, today: date) -> int:
    born = str(patient.get("birthDate", ""))
    if len(born) != len("2000-01-01"):
        return 0
    year, month, day = (int(part) for part in born.split("-"))
    return today.year - year - ((today.month, today.day) < (month, day))


def _prescription(citizen: str) -> Answer:
    capsules = {"unit": "capsule", "system": "http://unitsofmeasure.org", "code": "{capsule}"}
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
        "dispenseRequest": {"numberOfRepeatsAllowed": 0, "quantity": {"value": 28, **capsules}},
    }
