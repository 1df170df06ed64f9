"""Attacks on the rights: another person's, by brute force, from another site, with markup."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections import Counter

import httpx
import pytest
from tests.flow.assisting import assist
from tests.flow.test_portal_standing import citizen, visit
from tests.flow.test_rights import make_link, opened, viewer
from tests.flow.test_standing import Hand, ana, ask, clock, country, folder, leaves, node

from salus.core.access import Role
from salus.node import open_node

__all__ = ["Hand", "ana", "ask", "citizen", "clock", "country", "folder", "node", "viewer", "visit"]
RUI = {"subject": "rui", "patient": "rui"}


async def test_passcodes_are_counted_in_the_links_whole_life_over_all_processes(
    node, folder, clock, ask, ana
):
    _, link = await make_link(ask, passcode="open sesame")
    async with open_node(folder, clock) as second:
        clients = [
            httpx.AsyncClient(transport=httpx.ASGITransport(each.application)) for each in (node, second)
        ]
        tries = [
            clients[number % 2].post(
                link["url"], json={"recipient": "Mallory", "passcode": f"guess {number}"}
            )
            for number in range(24)
        ]
        answers = await asyncio.gather(*tries)
        right = [
            await client.post(link["url"], json={"recipient": "Mallory", "passcode": "open sesame"})
            for client in clients
        ]
        for client in clients:
            await client.aclose()
    assert Counter(answer.status_code for answer in answers) == {401: 10, 404: 14}
    left = sorted(answer.json()["remainingAttempts"] for answer in answers if answer.status_code == 401)
    assert left == list(range(10))
    assert [answer.status_code for answer in right] == [404, 404]
    async with node.services.database.system() as connection:
        assert await connection.fetchval("SELECT content FROM health_link") is None


async def test_a_one_time_link_is_opened_once_however_many_ask_at_the_same_time(node, ask, ana, viewer):
    _, link = await make_link(ask, openings_max=1)
    answers = await asyncio.gather(*(viewer(link) for _ in range(12)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 404: 11}


async def test_nobody_sees_ends_or_makes_links_of_somebody_else(ask, ana, viewer):
    identity, link = await make_link(ask)
    assert (await ask("GET", "/rights/links", Role.CITIZEN, **RUI)).json() == {"links": []}
    assert (await ask("DELETE", f"/rights/links/{identity}", Role.CITIZEN, **RUI)).status_code == 404
    for role in (Role.CLINICIAN, Role.OPERATOR, Role.AUDITOR):
        for method, path in (("GET", "/rights/links"), ("DELETE", f"/rights/links/{identity}")):
            answer = await ask(method, f"{path}?patient=ana", role)
            assert answer.status_code in (403, 404), (role, method)
        assert (await ask("POST", "/rights/links?patient=ana", role, {})).status_code in (403, 404)
    opened(await viewer(link), link)


async def test_the_database_opens_no_link(node, ask, ana):
    _, link = await make_link(ask, passcode="open sesame")
    async with node.services.database.system() as connection:
        row = dict(await connection.fetchrow("SELECT * FROM health_link"))
    held = repr(row)
    for secret in (link["key"], link["url"].rpartition("/")[2], "open sesame"):
        assert secret not in held
    assert b"resourceType" not in row["content"]


async def test_a_recipient_cannot_write_lines_or_markup_into_what_the_citizen_reads(
    node, ask, ana, citizen, viewer
):
    _, link = await make_link(ask)
    await viewer(link, recipient="Dr.\n<script>alert(1)</script>\u202egnp")
    visitor = citizen("ana")
    for path in ("/told", "/my-rights/links", "/accesses"):
        page = await visitor.get(f"{path}?language=en")
        assert "<script" not in page.text, path
        assert "\u202e" not in page.text, path
    named = {
        leaf.name
        for leaf in await leaves(node)
        if leaf.what.startswith("health-link/") and leaf.role == "app"
    }
    assert named == {"Dr. <script>alert(1)</script> gnp"}


@pytest.mark.parametrize("path", ["/my-rights/archive", "/my-rights/links"])
async def test_a_form_of_another_site_does_nothing(citizen, ana, path):
    visitor = citizen("ana")
    answer = await visitor.client.post(path, data={"content": "summary", "hours": "24", "openings": "5"})
    assert answer.status_code == 403


async def test_a_request_about_another_persons_entry_is_one_about_nothing(ask, ana):
    body = {"said": "This is not right at all.", "kind": "not-mine"}
    answers = [
        await ask("POST", "/rights/rectifications", Role.CITIZEN, {"entry": entry, **body}, **RUI)
        for entry in ("Condition/c1", "Condition/absent")
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert (await ask("GET", "/rights/rectifications", Role.CITIZEN, **RUI)).json() == {"rectifications": []}


async def test_only_the_operator_sees_and_answers_requests(ask, ana):
    body = {"entry": "Condition/c1", "said": "This is not right at all."}
    made = (await ask("POST", "/rights/rectifications", Role.CITIZEN, body)).json()
    said = {"state": "refused", "said": "I say so and that is all."}
    for role in (Role.CITIZEN, Role.CLINICIAN, Role.AUDITOR, Role.DESK):
        assert (await ask("GET", "/rights/requests", role)).status_code == 403, role
        answer = await ask("POST", f"/rights/requests/{made['id']}/answer", role, said)
        assert answer.status_code == 403, role
    assert (await ask("POST", "/rights/rectifications", Role.CLINICIAN, body)).status_code in (403, 404)
    (own,) = (await ask("GET", "/rights/rectifications", Role.CITIZEN)).json()["rectifications"]
    assert own["state"] == "open"


async def test_a_session_at_a_desk_opens_nobody_else(ask, ana):
    helping = {"patient": "rui"}
    await assist(ask, "rui")
    files = await ask("GET", "/rights/archive?patient=ana", Role.DESK, **helping)
    assert b"condition c1" not in files.content
    assert json.loads(zipfile.ZipFile(io.BytesIO(files.content)).read("manifest.json"))["patients"] == ["rui"]
    identity, _ = await make_link(ask)
    assert (
        await ask("DELETE", f"/rights/links/{identity}?patient=ana", Role.DESK, **helping)
    ).status_code == 404
    body = {"entry": "Condition/c1", "said": "This is not right at all."}
    answer = await ask("POST", "/rights/rectifications?patient=ana", Role.DESK, body, **helping)
    assert answer.status_code == 404
