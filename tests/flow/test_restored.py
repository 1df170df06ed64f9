"""A restored database serves nobody before it knows again what the node signed (docs/decisions/0031)."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import httpx
import pytest
from tests.flow.test_erased_again import backup_of
from tests.flow.test_standing import FHIR, country, folder

from salus.cli.main import main
from salus.core.access import Action, Purpose, Role
from salus.core.clock import utc_now
from salus.core.errors import SettingsInvalid
from salus.node import open_node, open_services
from salus.settings import FILE_NAME
from salus.store.access_log import access_log
from salus.store.ledger_check import check_log
from salus.store.replaying import forget_erased
from salus.store.revocations import follow_revocations, revoke
from salus.trust.jurisdictions.law import Ground
from salus.trust.tokens import issue
from salus.web.ledger import key_of
from salus.web.rights.erasures import Answer, Asked, answer
from salus.web.rights.erasures import ask as ask_for

__all__ = ["country", "folder"]
LATER = timedelta(hours=1)


@pytest.fixture
def serving(folder, caller):
    """Return a way to serve the node for a while: yields it, and a way to ask as somebody."""

    @asynccontextmanager
    async def served():
        async with open_node(folder) as node:
            services = node.services
            transport = httpx.ASGITransport(node.application)

            async def ask(method, path, role=Role.CLINICIAN, body=None, **fields):
                token = issue(services.keys.token, caller(role, **fields), services.terms, now=utc_now())
                headers = {"authorization": f"Bearer {token}"} | (FHIR if path.startswith("/fhir") else {})
                content = None if body is None else json.dumps(body).encode()
                async with httpx.AsyncClient(transport=transport, base_url="http://node.test") as client:
                    return await client.request(method, path, content=content, headers=headers)

            yield services, ask
            await signed(services)

    return served


async def signed(services):
    """Return when every leaf and every change is in the mirror."""
    for _ in range(400):
        await services.database.bring_in()
        async with services.database.system() as connection:
            waiting = await connection.fetchval(
                "SELECT (SELECT count(*) FROM leaf) - (SELECT count(*) FROM leaf_index) "
                "+ (SELECT count(*) FROM mirror_event)"
            )
            size = await connection.fetchval("SELECT coalesce(max(size), 0) FROM checkpoint")
        newest = services.database.mirror.newest()
        if not waiting and newest is not None and newest.size == size:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the sequencer does not run")


def own(patient):
    return {"subject": patient, "patient": patient, "purpose": Purpose.PATIENT_REQUEST}


async def fill(ask):
    for name in ("ana", "rui"):
        body = {"resourceType": "Patient", "id": name, "birthDate": "1980-02-02", "name": [{"family": name}]}
        assert (await ask("PUT", f"/fhir/Patient/{name}", Role.OPERATOR, body)).status_code == 201
        body = {
            "resourceType": "Condition", "id": f"of-{name}", "subject": {"reference": f"Patient/{name}"},
            "code": {"text": "condition"},
        }  # fmt: skip
        assert (await ask("PUT", f"/fhir/Condition/of-{name}", Role.OPERATOR, body)).status_code == 201


@pytest.fixture
async def restored(folder, serving, database_url, caller):
    """Return a node whose database was put back to before reads, a restriction, a revocation, an erasure."""
    async with serving() as (_, ask):
        await fill(ask)
        assert (await ask("PUT", "/restrictions/Condition/of-rui", Role.CITIZEN, **own("rui"))).is_success
    name = database_url.partition("?")[0].rpartition("/")[2]
    backup = await backup_of(database_url, f"{name}_before")
    async with serving() as (services, ask):
        for _ in range(30):
            assert (await ask("GET", "/fhir/Condition/of-ana")).status_code == 200
        assert (await ask("PUT", "/restrictions/Condition/of-ana", Role.CITIZEN, **own("ana"))).is_success
        assert (await ask("GET", "/fhir/Condition/of-ana")).status_code == 404
        await revoke(services.database, "token-1", utc_now() + LATER)
        citizen = caller(Role.CITIZEN, name="P", organisation="", **own("rui"))
        asked = await ask_for(services, citizen, Asked("record", Ground("mistake"), "It is not me."))
        operator = caller(Role.OPERATOR, subject="operator")
        assert (
            await answer(
                services, operator, asked.request.id, Answer("accepted", "We looked at it and agree.")
            )
        ).erased
        await signed(services)
        mirror = services.database.mirror
        marker = mirror.newest()
        assert mirror.patients() == {"ana", "rui"}
        await forget_erased(services.database)
        assert mirror.patients() == {"ana"}
    settings = folder / FILE_NAME
    settings.write_text(settings.read_text().replace(database_url, backup))
    return marker, backup


async def run(folder, *words):
    return await asyncio.to_thread(main, [*words, "--data", str(folder)])


async def fetch(url, query, *arguments):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(query, *arguments)
    finally:
        await connection.close()


async def test_a_restored_node_serves_nobody_until_it_is_replayed(folder, restored, serving, grant):
    marker, backup = restored
    with pytest.raises(SettingsInvalid, match=r"salus ledger replay.*salus ledger gap REASON"):
        async with open_node(folder):
            pass
    assert await run(folder, "ledger", "replay") == 0
    (row,) = await fetch(backup, "SELECT root, note FROM checkpoint WHERE size = $1", marker.size)
    assert (row["root"], row["note"]) == (marker.root, marker.note)
    async with serving() as (services, ask):
        assert (await ask("GET", "/fhir/Condition/of-ana")).status_code == 404
        assert (await ask("GET", "/fhir/Condition/of-ana", Role.CITIZEN, **own("ana"))).status_code == 200
        assert (await ask("GET", "/fhir/Condition/of-rui")).status_code == 404
        async with follow_revocations(services.database) as revoked:
            assert "token-1" in revoked
        ana = grant("ana", role=Role.CITIZEN, action=Action.AUDIT)
        lines = await access_log(ana, services.database, "ana", count=100)
        assert sum(line.leaf.role == "clinician" for line in lines) == 30
        await signed(services)
        checked = await check_log(services.database, key_of(services), services.keys.pseudonym)
    assert checked.faults == ()
    assert checked.end > marker.size
    assert await fetch(backup, "SELECT FROM resource WHERE compartment = 'rui'") == []
    assert await fetch(backup, "SELECT FROM restriction WHERE patient = 'rui'") == []
    assert await run(folder, "ledger", "replay") == 0
    digests = await fetch(backup, "SELECT digest FROM leaf")
    assert len(digests) == len({row["digest"] for row in digests})


async def test_a_replay_that_lacks_a_leaf_changes_nothing_and_a_gap_is_signed(folder, restored, serving):
    _, backup = restored
    for path in [*(folder / "journal").glob("*.leaves"), *(folder / "mirror").glob("*.leaves")]:
        path.unlink()
    before = await fetch(backup, "SELECT max(size) AS size FROM checkpoint")
    assert await run(folder, "ledger", "replay") != 0
    assert await fetch(backup, "SELECT max(size) AS size FROM checkpoint") == before
    with pytest.raises(SettingsInvalid, match="ledger gap"):
        async with open_node(folder):
            pass
    assert await run(folder, "ledger", "gap", "The disk of the mirror burned.") == 0
    async with serving() as (services, ask):
        assert (await ask("GET", "/fhir/Condition/of-ana")).status_code == 404
        await signed(services)
        checked = await check_log(services.database, key_of(services), services.keys.pseudonym)
    assert checked.faults == ()
    assert before[0]["size"] < checked.end
    assert await fetch(backup, "SELECT FROM resource WHERE compartment = 'rui'") == []
    assert await run(folder, "ledger", "gap", "again") != 0


async def test_a_node_that_was_not_restored_starts_and_has_no_gap(folder, serving):
    async with serving() as (_, ask):
        await fill(ask)
    async with serving():
        pass
    assert await run(folder, "ledger", "gap", "none") != 0
    async with open_services(folder) as (_, services):
        assert services.database.mirror.newest() is not None
