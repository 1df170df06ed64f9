"""A person's Consents, with whom they name."""

import json

from salus.standards.fhir.search.extract import compile_indexer
from salus.store import resources
from salus.store.consents import NOTHING_SAID, consents_of
from salus.store.rows import make_row

KEY = b"key of the consents test"


def row(resource):
    index = compile_indexer(resource["resourceType"], KEY)(resource)
    return make_row(resource["resourceType"], resource["id"], json.dumps(resource).encode(), index=index)


def consent(identity, *actors, patient="ana"):
    named = [{"reference": {"reference": actor}} for actor in actors]
    nested = {"type": "permit", "actor": named} if named else {"type": "permit"}
    return {
        "resourceType": "Consent",
        "id": identity,
        "status": "active",
        "patient": {"reference": f"Patient/{patient}"},
        "provision": {"type": "deny", "provision": [nested]},
    }


async def test_the_consents_of_a_person_come_with_whom_they_name_down_to_the_members_of_a_team(
    database, grant
):
    team = {
        "resourceType": "CareTeam",
        "id": "t",
        "subject": {"reference": "Patient/ana"},
        "participant": [{"member": {"reference": "Practitioner/p"}}],
    }
    stored = [
        {"resourceType": "Practitioner", "id": "p"},
        team,
        consent("c2", "CareTeam/t/_history/1", "Practitioner/gone"),
        consent("c1"),
        consent("c3", patient="ben"),
    ]
    for each in stored:
        await resources.create(grant(), database, row(each))
    await resources.delete(grant(), database, "Consent", "c3")
    found = await consents_of(database, "ana")
    assert [each["id"] for each in found.found] == ["c1", "c2"]
    assert found.named.keys() == {"CareTeam/t", "Practitioner/p"}
    assert await consents_of(database, "ben") is NOTHING_SAID
