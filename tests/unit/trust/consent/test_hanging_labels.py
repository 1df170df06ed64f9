"""What a code tells counts as a label of its source does, wherever the code stands."""

import pytest
from tests.unit.trust.consent.test_hanging import consent, observation, row, sees, write

from salus.core.access import Action
from salus.store import bulk
from salus.store.copying import encode_row
from salus.trust.consent import hanging

__all__ = ["sees", "write"]
LABEL = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ATC = "http://www.whocc.no/atc"
HIV = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "B24"}]}
ASTHMA = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "J45"}]}
TENOFOVIR = {"coding": [{"system": ATC, "code": "J05AR03"}]}
RAMIPRIL = {"coding": [{"system": ATC, "code": "C09AA05"}]}
DENIED = consent("c", "a", securityLabel=[{"system": LABEL, "code": "HIV"}])
SUBJECT = {"subject": {"reference": "Patient/a"}}
ALL = ("Observation/coded", "Observation/labelled", "Observation/other", "DiagnosticReport/shows",
       "MedicationRequest/holds", "MedicationRequest/names", "MedicationRequest/another")  # fmt: skip


def order(identity, **more):
    return {"resourceType": "MedicationRequest", "id": identity, "status": "active", "intent": "order",
            **SUBJECT} | more  # fmt: skip


RECORD = (
    {"resourceType": "Patient", "id": "a"},
    {"resourceType": "Medication", "id": "tenofovir", "code": TENOFOVIR},
    {"resourceType": "Medication", "id": "ramipril", "code": RAMIPRIL},
    observation("coded", "a", code=HIV),
    observation("labelled", "a", code=ASTHMA, meta={"security": [{"system": LABEL, "code": "HIV"}]}),
    observation("other", "a", code=ASTHMA),
    {"resourceType": "DiagnosticReport", "id": "shows", "status": "final", **SUBJECT, "code": ASTHMA,
     "result": [{"reference": "Observation/coded"}]},
    order("holds", contained=[{"resourceType": "Medication", "id": "m", "code": TENOFOVIR}],
          medicationReference={"reference": "#m"}),
    order("names", medicationReference={"reference": "Medication/tenofovir"}),
    order("another", medicationReference={"reference": "Medication/ramipril"}),
)  # fmt: skip
SHOWN = {"Observation/other", "MedicationRequest/another"}


@pytest.mark.parametrize("said_first", [True, False])
async def test_a_denied_category_hides_what_is_coded_so_and_what_shows_it(write, sees, said_first):
    if said_first:
        await write(RECORD[0], DENIED)
        await write(*RECORD[1:])
    else:
        await write(*RECORD)
        assert await sees(*ALL) == set(ALL)
        await write(DENIED)
    assert await sees(*ALL) == SHOWN


async def test_what_is_coded_so_is_restricted_and_a_permit_must_name_its_category(write, sees):
    """DS4P: a sensitive category without a confidentiality is restricted."""
    level = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    await write(*RECORD, consent("c", "a", securityLabel=[{"system": level, "code": "R"}]))
    assert await sees(*ALL) == SHOWN
    spared = {"type": "permit", "securityLabel": [{"system": LABEL, "code": "HIV"}]}
    await write(consent("c", "a", provision=[spared]))
    assert await sees(*ALL) == set(ALL) - SHOWN - {"DiagnosticReport/shows"}
    other = {"type": "permit", "securityLabel": [{"system": LABEL, "code": "PSY"}]}
    await write(consent("c", "a", provision=[other]))
    assert await sees(*ALL) == set()


async def test_a_load_judges_an_order_again_whose_medicine_comes_later(database, grant, write, sees):
    await write(RECORD[0], DENIED)
    loading = grant(action=Action.LOAD)
    asked = order("o", medicationReference={"reference": "Medication/tenofovir"})
    async with database.loading(loading) as connection, connection.transaction():
        for stored, again in ((asked, {"a"}), (RECORD[1], set())):
            one = encode_row(row(stored), (), loading.opened_at)
            await bulk.load(loading, connection, [one])
            keys = [(one.compartment, one.type, one.id)]
            found = await hanging.hang_loaded(loading, connection, keys, default_denies=False)
            assert found == again
        await hanging.renew(loading, connection, "a", default_denies=False)
    assert await sees("MedicationRequest/o") == set()
