"""At the Estonian pharmacy: what was prescribed in Portugal is dispensed, and home knows it exactly once."""

from __future__ import annotations

from salus.cli.story.account import Seen, expect
from salus.cli.story.asking import abroad, get, resources
from salus.cli.story.home import curl
from salus.cli.story.stage import Stage
from salus.cli.story.visit import again, here
from salus.core.access import Role
from salus.core.identifiers import new_id
from salus.primary.dispensable import remaining
from salus.primary.prescriptions import read_prescription, read_recorded

SYSTEM = "urn:salus:demonstration-dispensation"


async def dispense(stage: Stage, seen: Seen) -> None:
    """List what may be dispensed, hand one medicine over, and call again as if the answer had been lost."""
    token, whom = stage.token("EE", Role.PHARMACIST), here(stage)
    listed = (await abroad(stage, "/prescriptions", token, whom))["prescriptions"]
    seen.figures["prescriptions found"] = len(listed)
    wanted = stage.fact("prescription")
    found = next((each for each in listed if each["prescription"]["id"] == wanted), None)
    expect(found is not None, "the prescription is not listed as one that may be dispensed")
    assert found is not None
    prescription = found["prescription"]
    seen.figures["medicine"] = prescription.get("medicationCodeableConcept", {}).get("text", "")
    home = stage.token("PT", Role.CLINICIAN)
    history = await get(stage, "PT", f"/fhir/MedicationRequest/{wanted}/_history", home)
    stage.facts["prescription_versions"] = len(resources(history, "MedicationRequest"))
    hand_over = {
        **whom,
        "prescription": prescription,
        "dispense_id": [SYSTEM, new_id()],
        "quantity": prescription.get("dispenseRequest", {}).get("quantity", {}).get("value"),
    }
    first = await abroad(stage, "/dispense", token, hand_over)
    repeated = await abroad(stage, "/dispense", token, hand_over)
    seen.figures["dispensation"] = f"MedicationDispense/{first['dispensation']['id']}"
    total = read_prescription(prescription).total
    unit = f" {total.unit or total.code}" if total else ""
    seen.figures["left afterwards"] = (
        f"{first['left']['quantity']}{unit} in {first['left']['fills']} more hand-overs"
    )
    dispensation = f"/fhir/MedicationDispense/{first['dispensation']['id']}"
    seen.read_again.append(curl(stage, "PT", "clinician", dispensation))
    seen.read_again.append(again(stage, "/prescriptions", whom, role="pharmacist"))
    expect(not first["repeated"], "the first call was taken for a repetition")
    expect(repeated["repeated"], "the second call was not recognised as the same hand-over")
    expect(repeated["left"] == first["left"], "the second call changed what is left")
    stage.facts["dispense_id"] = "|".join(hand_over["dispense_id"])
    stage.facts["status_told"] = first["prescription_status"]
    kept = (await abroad(stage, "/handed-over", token, whom))["handed_over"]
    mine = [each["state"] for each in kept if each["dispense_id"] == hand_over["dispense_id"]]
    seen.figures["in Estonia's own record"] = ", ".join(mine)
    seen.read_again.append(again(stage, "/handed-over", whom, role="pharmacist"))
    expect(mine == ["recorded"], "Estonia's own record lacks the hand-over")


async def check_at_home(stage: Stage, seen: Seen) -> None:
    """Portugal holds one dispensation of that id; the prescription says what is left and changed once."""
    token, prescription = stage.token("PT", Role.CLINICIAN), stage.fact("prescription")
    kept = await get(stage, "PT", f"/fhir/MedicationDispense?identifier={stage.fact('dispense_id')}", token)
    on_it = await get(stage, "PT", f"/fhir/MedicationDispense?prescription={prescription}", token)
    history = await get(stage, "PT", f"/fhir/MedicationRequest/{prescription}/_history", token)
    current = await get(stage, "PT", f"/fhir/MedicationRequest/{prescription}", token)
    given = read_recorded(resources(on_it, "MedicationDispense"), prescription)
    left = remaining(read_prescription(current), given)
    versions = len(resources(history, "MedicationRequest"))
    seen.figures["dispensations of that id at home"] = len(resources(kept, "MedicationDispense"))
    seen.figures["prescription versions"] = versions
    seen.figures["prescription status"] = current["status"]
    seen.figures["left at home"] = str(left.amount or f"{left.fills} hand-overs")
    seen.read_again.append(curl(stage, "PT", "clinician", f"/fhir/MedicationRequest/{prescription}/_history"))
    expect(len(resources(kept, "MedicationDispense")) == 1, "home does not hold exactly one dispensation")
    expect(current["status"] == stage.fact("status_told"), "home and abroad say different things")
    status = "completed" if left.none else "active"
    expect(current["status"] == status, f"the prescription is {current['status']}, not {status}")
    changes = versions - stage.fact("prescription_versions")
    expect(changes == int(left.none), f"the prescription changed {changes} times, not {int(left.none)}")
