"""Contents are sealed at rest in a node that works, and erasing destroys what opens them."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest
from tests.flow.opened import seal_of
from tests.flow.test_erased_again import clear_in
from tests.flow.test_erasure import FAMILY, TEXT, erased, own_entry, request
from tests.flow.test_rights import put
from tests.flow.test_standing import ana, ask, clock, country, folder, node

from salus.core.access import Role
from salus.store import erasing, exports, keys_erased
from salus.store.retention import expire_quarantine

__all__ = ["ana", "ask", "clock", "country", "folder", "node"]


def whose(node):
    """Return what the key store has keys for."""
    return set(node.services.database.contents.keys.begins_with(""))


@pytest.mark.clause("GDPR 32(1)(a)")
async def test_what_people_write_stands_nowhere_in_clear(node, ask, ana, database_url):
    entry = await own_entry(ask)
    said = {"entry": "Condition/c1", "said": f"I am {FAMILY} and this is wrong.", "kind": "entry"}
    assert (await ask("POST", "/rights/rectifications", Role.CITIZEN, said)).status_code == 201
    assert (await request(ask, entry, "own-entry")).status_code == 201
    assert (await ask("GET", f"/fhir/{entry}", Role.CITIZEN)).json()["code"]["text"] == TEXT
    (listed,) = (await ask("GET", "/rights/rectifications", Role.CITIZEN)).json()["rectifications"]
    assert FAMILY in listed["said"]
    assert await clear_in(database_url, TEXT, FAMILY, "I wrote this myself") == set()
    assert "Patient/ana" in whose(node)


@pytest.mark.clause("GDPR 17")
async def test_erasing_a_person_destroys_their_key_and_no_other(node, ask, ana):
    await own_entry(ask)
    before = whose(node)
    assert {"Patient/ana", "Patient/rui"} <= before
    await erased(ask)
    assert whose(node) == before - {"Patient/ana"}
    assert (await ask("GET", "/fhir/Patient/rui", Role.OPERATOR)).status_code == 200


async def test_a_key_that_was_due_when_the_node_was_killed_is_destroyed_at_its_next_start(
    node, ask, ana, monkeypatch
):
    async def killed(_database):
        raise KeyboardInterrupt

    monkeypatch.setattr(erasing, "_destroy_keys", killed)
    with pytest.raises(KeyboardInterrupt):
        await erased(ask)
    assert "Patient/ana" in whose(node)
    await keys_erased.destroy_what_is_due(node.services.database)
    assert "Patient/ana" not in whose(node)


async def test_a_group_of_several_outlives_the_key_of_the_one_in_whose_record_it_lies(ask, ana):
    alone = {
        "resourceType": "Group", "id": "g1", "type": "person", "actual": True,
        "member": [{"entity": {"reference": "Patient/ana"}}],
    }  # fmt: skip
    assert (await ask("PUT", "/fhir/Group/g1", Role.OPERATOR, alone)).status_code == 201
    both = alone | {"member": [{"entity": {"reference": f"Patient/{name}"}} for name in ("ana", "rui")]}
    assert (await ask("PUT", "/fhir/Group/g1", Role.OPERATOR, both)).status_code == 200
    assert (await erased(ask))["erased"]["shared"] == ["Group/g1"]
    for path in ("/fhir/Group/g1", "/fhir/Group/g1/_history/1", "/fhir/Group/g1/_history"):
        assert (await ask("GET", path, Role.OPERATOR)).status_code == 200, path


async def test_a_lost_key_is_said_clearly_and_the_rest_is_served(node, ask, ana, folder):
    await put(ask, "Condition", "of-rui", patient="rui")
    with seal_of(folder) as seal:
        seal.keys.destroy(["Patient/ana"])
    node.services.database.contents._by_id.clear()
    for path in ("/fhir/Condition/c1", "/fhir/Condition?patient=ana", "/fhir/Condition", "/fhir/Patient"):
        answer = await ask("GET", path, Role.OPERATOR)
        assert answer.status_code == 503, path
        assert "its key is destroyed" in answer.text
    assert (await ask("GET", "/fhir/Condition/of-rui", Role.OPERATOR)).status_code == 200
    assert (await ask("GET", "/fhir/Condition?patient=rui", Role.OPERATOR)).status_code == 200


async def test_a_key_that_the_key_store_lacks_names_what_to_restore(node, ask, ana, folder):
    with seal_of(folder) as seal, seal.keys._writing() as connection:
        connection.execute("DELETE FROM key WHERE whose = 'Patient/ana'")
    node.services.database.contents._by_id.clear()
    answer = await ask("GET", "/fhir/Condition/c1", Role.OPERATOR)
    assert answer.status_code == 503
    assert "newest backup" in answer.text


async def test_the_keys_of_exports_and_of_refused_input_go_with_them(node, clock):
    database = node.services.database
    seal = database.contents
    day = f"quarantine/{clock.now - timedelta(days=1):%Y-%m-%d}"
    for one in (day, f"quarantine/{clock.now:%Y-%m-%d}", "export/gone", "Patient/rui"):
        seal.close(one, b"x")
    await seal.settle()
    await exports.expire(database, at=clock.now)
    await expire_quarantine(database, clock.now)
    assert not {day, "export/gone"} & whose(node)
    assert {f"quarantine/{clock.now:%Y-%m-%d}", "Patient/rui"} <= whose(node)


async def test_a_restored_key_store_loses_again_what_was_erased(node, ask, ana, database_url):
    await erased(ask)
    database = node.services.database
    revived, _ = database.contents.keys.make("Patient/ana")
    database.contents.keys.keep([revived])
    await keys_erased.destroy_revived(database)
    assert "Patient/ana" not in whose(node)
    assert "Patient/rui" in whose(node)


async def test_input_about_somebody_erased_is_found_though_sealed(node, ask, ana, database_url):
    connection = await asyncpg.connect(database_url)
    seal = node.services.database.contents
    for name, content in (("q1", b'{"x":"9988776655"}'), ("q2", b'{"x":"1"}')):
        await connection.execute(
            "INSERT INTO quarantine (patient, id, arrived_at, expires_at, source, file, line, entry, type,"
            " outcome, content) VALUES ('', $1, now(), now(), '', '', 1, -1, '', '', $2)",
            name, bytes(seal.close("quarantine/2026-11-24", content)),
        )  # fmt: skip
    await seal.settle()
    body = {
        "resourceType": "Patient",
        "id": "ana",
        "identifier": [{"system": "urn:x", "value": "9988776655"}],
    }
    assert (await ask("PUT", "/fhir/Patient/ana", Role.OPERATOR, body)).is_success
    await erased(ask)
    assert [row["id"] for row in await connection.fetch("SELECT id FROM quarantine")] == ["q2"]
    await connection.close()
