"""What a load brings is judged by the Consents that are here or come with it, in whatever order."""

import msgspec
import pytest

from salus.core.access import Action
from salus.core.limits import Limits
from salus.intake.conditions import lookup_in
from salus.intake.files import find_files
from salus.intake.load import Plan, load_files

KEY = b"0123456789abcdef"
PATIENT = {"resourceType": "Patient", "id": "1"}
ANA = {"reference": "Patient/1"}
CONSENT = {
    "resourceType": "Consent",
    "id": "c",
    "status": "active",
    "scope": {"coding": [{"code": "patient-privacy"}]},
    "category": [{"text": "privacy"}],
    "policyRule": {"coding": [{"code": "OPTIN"}]},
    "patient": ANA,
    "provision": {
        "type": "deny",
        "actor": [{"role": {"text": "who"}, "reference": {"reference": "Organization/o"}}],
        "class": [{"code": "Observation"}],
    },
}
ORGANIZATION = {"resourceType": "Organization", "id": "o", "name": "Tartu Hospital"}


def observation(number):
    code = {"text": "x"}
    return {"resourceType": "Observation", "id": number, "status": "final", "code": code, "subject": ANA}


@pytest.mark.parametrize(
    "order",
    [
        [[PATIENT, CONSENT, observation("a"), ORGANIZATION]],
        [[PATIENT, observation("a"), ORGANIZATION, CONSENT]],
        [[PATIENT, ORGANIZATION, CONSENT], [observation("a")]],
    ],
    ids=["consent first", "consent last", "consent earlier"],
)
async def test_what_a_load_brings_is_judged_by_consents_in_any_order(database, grant, tmp_path, order):
    allowed = grant(action=Action.LOAD)
    lookup = lookup_in(allowed, database, KEY, Limits())
    for number, resources in enumerate(order):
        file = tmp_path / f"{number}.ndjson"
        file.write_bytes(b"\n".join(map(msgspec.json.encode, resources)) + b"\n")
        files = find_files([str(file)], "urn:hospital:a")
        report = await load_files(allowed, database, files, Plan(KEY, Limits(), lookup, chunk_units=1))
        assert report.stored == len(resources)
    async with database.system() as connection:
        asked = "SELECT salus_shows(type, id, $1::jsonb) AND hidden FROM resource WHERE type = 'Observation'"
        hospital = '{"is":["professionals","organisation:Tartu Hospital"],"at":0}'
        other = '{"is":["professionals","organisation:Elsewhere"],"at":0}'
        assert await connection.fetchval(asked, hospital) is False
        assert await connection.fetchval(asked, other) is True
        mine = await connection.fetchval("SELECT hidden FROM resource WHERE type = 'Consent'")
    assert mine is True
