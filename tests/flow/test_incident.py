"""An incident from the leaves to its closure: a honey record is opened, found, told, closed with lessons."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from salus.cli.main import main
from salus.cli.node import make_node
from salus.cli.operator import operator_of
from salus.core.access import Action, Role
from salus.node import open_node, open_services, watch_ledger
from salus.settings import Settings
from salus.standards.fhir.search.index_row import IndexRow
from salus.store import resources
from salus.store.changes import Operation
from salus.store.ledger import leaf_in
from salus.store.rows import make_row
from salus.trust.gate import enter
from salus.trust.incidents import list_findings, mark
from salus.trust.policy import AccessRequest
from salus.trust.tokens import issue
from salus.web.incidents import desk_of
from salus.web.letters import print_letters

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path, database_url):
    settings = Settings(
        node="pt-1", name="Hospital Sintético", country="PT", base_url="http://node.test", port=9,
        database=database_url, languages=("en", "pt"),
    )  # fmt: skip
    make_node(tmp_path, settings)
    return tmp_path


@pytest.fixture
def clock():
    class Hand:
        now = NOW

        def __call__(self):
            return self.now

    return Hand()


@pytest.fixture
async def node(folder, clock):
    async with open_node(folder, clock) as opened:
        yield opened


@pytest.fixture
def services(node):
    return node.services


@pytest.fixture
async def client(node):
    transport = httpx.ASGITransport(node.application)
    async with httpx.AsyncClient(transport=transport, base_url="http://node.test") as opened:
        yield opened


@pytest.fixture
def bearer(services, caller):
    def make(role, **fields):
        who = caller(role, patient="ana" if role is Role.CITIZEN else None, **fields)
        token = issue(services.keys.token, who, services.terms, now=services.clock())
        return {"Authorization": f"Bearer {token}"}

    return make


async def sequenced(services):
    """Return when the node's sequencer has given every leaf its index, also those in files so far."""
    await services.database.bring_in()
    async with services.database.system() as connection:
        while await connection.fetchval(  # noqa: ASYNC110  (another task's work in the database)
            "SELECT (SELECT count(*) FROM leaf) > (SELECT count(*) FROM leaf_index)"
        ):
            await asyncio.sleep(0.05)


async def look(services, caller, patient, what="Observation/1"):
    who = caller(Role.CLINICIAN, subject="s-9", name="Curious Person")
    async with enter(
        services.gatehouse, who, AccessRequest(Action.READ, "Observation", what, frozenset({patient}))
    ) as access:
        access.record([patient], what)


async def patient(services, caller, name, language):
    content = {
        "resourceType": "Patient",
        "communication": [{"language": {"coding": [{"code": language}]}, "preferred": True}],
    }
    row = make_row("Patient", name, json.dumps(content).encode(), index=IndexRow((name,), None, [], [], []))
    operator = caller(Role.OPERATOR)
    async with enter(
        services.gatehouse, operator, AccessRequest(Action.CREATE, "Patient", "Patient")
    ) as access:

        async def work(connection):
            await resources.apply(access.grant, connection, [Operation("create", "Patient", name, row)])

        await resources.transact(access.grant, services.database, work)


async def whats(services):
    async with services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf ORDER BY arrival")
    return [leaf_in(connection, row["entry"]).what for row in rows]


@pytest.mark.clause("GDPR 33, 34")
async def test_from_a_leaf_to_a_closed_incident(services, client, bearer, caller, clock):
    auditor = bearer(Role.AUDITOR)
    await patient(services, caller, "rui", "pt")
    await patient(services, caller, "mari", "et")
    await mark(desk_of(services, caller(Role.AUDITOR)), "nobody", "honey", "")
    await look(services, caller, "rui", "MedicationRequest?patient")
    await look(services, caller, "mari")
    await look(services, caller, "nobody")
    await sequenced(services)
    assert (await watch_ledger(services)).found == 1

    found = (await client.get("/incidents/findings", headers=auditor)).json()["findings"]
    assert [each["subject"] for each in found] == ["s-9"]
    assert "Curious Person" in found[0]["sentence"]
    assert len(found[0]["reasons"][0]["leaves"]) == 1

    opening = {"finding": found[0]["id"], "significant": True}
    opened = await client.post("/incidents", headers=auditor, json=opening)
    assert opened.status_code == 201
    number = opened.json()["incident"]
    again = await client.post("/incidents", headers=auditor, json=opening)
    assert again.status_code == 409
    assert (await client.get("/incidents/findings", headers=auditor)).json()["findings"] == []

    shown = (await client.get(f"/incidents/{number}", headers=auditor)).json()
    assert {each["patient"]: each["categories"] for each in shown["people"]} == {
        "rui": ["medicines"],
        "mari": ["results"],
        "nobody": ["results"],
    }
    due = {each["notice"]: each["due_at"] for each in shown["clocks"]}
    hour = timedelta(hours=1)
    assert datetime.fromisoformat(due["authority"]) == NOW + 72 * hour
    assert datetime.fromisoformat(due["early-warning"]) == NOW + 24 * hour
    assert datetime.fromisoformat(due["final-report"]) == datetime(2026, 12, 27, 9, 0, tzinfo=UTC)
    assert due["persons"] is None

    await client.post(f"/incidents/{number}/notes", headers=auditor, json={"text": "Login of s-9 blocked."})
    told = (await client.get(f"/incidents/{number}/notices/persons", headers=auditor)).json()["drafts"]
    assert {(each["language"], each["people"], each["reviewed"]) for each in told} == {
        ("en", 1, True),
        ("et", 1, False),
        ("pt", 1, False),
    }
    assert all("Login of s-9 blocked." in each["text"] for each in told)
    assert all("Unreviewed translation" in each["text"] for each in told if not each["reviewed"])
    assert all("Curious" not in each["text"] for each in told)

    early = await client.post(f"/incidents/{number}/close", headers=auditor, json={"text": "Lessons."})
    assert early.status_code == 409
    for notice in ("early-warning", "authority", "csirt", "final-report", "persons"):
        clock.now += 5 * hour
        sent = await client.post(
            f"/incidents/{number}/notices/{notice}", headers=bearer(Role.AUDITOR), json={"text": "Sent."}
        )
        assert sent.status_code == 200
    closed = await client.post(
        f"/incidents/{number}/close",
        headers=bearer(Role.AUDITOR),
        json={"text": "Fewer rights for s-9's group."},
    )
    assert closed.status_code == 200
    shown = (await client.get(f"/incidents/{number}", headers=bearer(Role.AUDITOR))).json()
    assert {each["state"] for each in shown["clocks"]} == {"done"}
    assert shown["entries"][-1]["body"] == "Fewer rights for s-9's group."
    late = await client.post(
        f"/incidents/{number}/notes", headers=bearer(Role.AUDITOR), json={"text": "More."}
    )
    assert late.status_code == 409
    leaves = await whats(services)
    for what in ("opened", "note", "notice authority", "closed"):
        assert f"incident/{number} {what}" in leaves


async def release_by_two(client, path, auditor, second, texts):
    """Propose as one auditor and agree as another, to just what was read; nobody is told before."""
    for text in (
        "Log in at https://salus.example.evil/x", "Log in at www.evil.example.", "See evil.example/x",
        "Log in at http://node.test.evil.example", "Log in at http://node.test@evil.example",
        "mailto:a@b.example", "Read \u202eti", "a\x1bb",
    ):  # fmt: skip
        refused = await client.post(f"{path}/release", headers=auditor, json={"texts": {"en": text}})
        assert refused.status_code == 400, text
    early = await client.post(f"{path}/release", headers=auditor, json={})
    assert early.status_code == 400
    first = await client.post(f"{path}/release", headers=auditor, json={"texts": {"en": "Something else."}})
    proposed = await client.post(f"{path}/release", headers=auditor, json=texts)
    assert (first.status_code, proposed.status_code) == (202, 202)
    read = (await client.get(f"{path}/release", headers=second)).json()
    assert read["texts"] == texts["texts"]
    agreed = f"{path}/release/agree"
    for who, digest in ((auditor, read["digest"]), (second, first.json()["digest"])):
        assert (await client.post(agreed, headers=who, json={"digest": digest})).status_code == 409
    done = await client.post(agreed, headers=second, json={"digest": read["digest"]})
    assert (done.status_code, done.json()["told"], done.json()["told_before"]) == (200, 2, 0)


async def tell_by_letter(services, number):
    """Print letters for those whom nothing else reached, once; their text is in them."""
    kept = []

    async def keep(letter):
        kept.append(letter)

    operator = operator_of(services)
    assert await print_letters(services, operator, keep, incident=number) == 2
    assert await print_letters(services, operator, keep, incident=number) == 0
    assert {"A copy was stolen.", "Foi roubada uma cópia."} <= {
        part for each in kept for part in each.paragraphs
    }
    assert await print_letters(services, operator, keep) == 0


@pytest.mark.clause("GDPR 33, 34(3)(a)")
async def test_of_a_stolen_backup_everybody_it_held_is_told_once_its_key_came_to_light(
    services, client, bearer, caller, clock
):
    """Who came after the backup is not in it; sealed and without its key, nobody needs to be told."""
    await patient(services, caller, "ana", "en")
    await patient(services, caller, "rui", "pt")
    taken = clock.now
    clock.now += timedelta(hours=1)
    await patient(services, caller, "eva", "pt")
    auditor = bearer(Role.AUDITOR)
    opening = {
        "kind": "backup", "title": "The safe was open", "until": taken.isoformat(), "protection": "sealed",
    }  # fmt: skip
    number = (await client.post("/incidents", headers=auditor, json=opening)).json()["incident"]
    path = f"/incidents/{number}"
    shown = (await client.get(path, headers=auditor)).json()
    assert shown["extent"] == {
        "persons": 2, "accesses": 0, "resources": 2, "categories": {"identity": 2}, "erased_since": 0,
    }  # fmt: skip
    assert shown["people"] == []
    assert shown["exempt"] == "GDPR, Art. 34(3)(a)"
    assert [each["notice"] for each in shown["clocks"]] == ["authority"]
    (drafted,) = (await client.get(f"{path}/notices/authority", headers=auditor)).json()["drafts"]
    assert "its key was not taken" in drafted["text"]
    assert "about 2" in drafted["text"]

    found = {"protection": "opened", "text": "The key lay beside it."}
    refused = await client.post(f"{path}/protection", headers=bearer(Role.OPERATOR), json=found)
    assert refused.status_code == 403
    assert (await client.post(f"{path}/protection", headers=auditor, json=found)).status_code == 200
    shown = (await client.get(path, headers=auditor)).json()
    assert (shown["exempt"], shown["clocks"][1]["notice"]) == ("", "persons")
    people = (await client.get(f"{path}/notices/persons", headers=auditor)).json()["drafts"]
    assert {each["language"]: each["people"] for each in people} == {"en": 1, "pt": 1}

    drafted = {"texts": {each["language"]: each["text"] for each in people}}
    unfilled = await client.post(f"{path}/release", headers=auditor, json=drafted)
    assert unfilled.status_code == 400
    assert "[name]" in unfilled.json()["issue"][0]["details"]["text"]
    texts = {"texts": {"en": "A copy was stolen.", "pt": "Foi roubada uma cópia."}}
    for who, body, status in (
        (bearer(Role.OPERATOR), texts, 403), (auditor, {"texts": {"pt": "Só."}}, 400),
    ):  # fmt: skip
        answer = await client.post(f"{path}/release", headers=who, json=body)
        assert answer.status_code == status
    await release_by_two(client, path, auditor, bearer(Role.AUDITOR, subject="auditor-2"), texts)
    again = (await client.post(f"{path}/release", headers=auditor, json={})).json()
    assert (again["told"], again["told_before"]) == (0, 2)
    assert (await whats(services)).count(f"incident/{number} told") == 2

    await tell_by_letter(services, number)

    async def notices_of(person):
        token = issue(
            services.keys.token, caller(Role.CITIZEN, patient=person), services.terms, now=services.clock()
        )
        answer = await client.get("/notices", headers={"Authorization": f"Bearer {token}"})
        return answer.json()["notices"]

    (notice,) = await notices_of("rui")
    assert (notice["kind"], notice["text"]) == ("breach", "Foi roubada uma cópia.")
    assert (notice["language"], notice["categories"], notice["who"]) == ("pt", ["identity"], services.name)
    assert [each["text"] for each in await notices_of("ana")] == ["A copy was stolen."]
    assert await notices_of("eva") == []
    async with services.database.system() as connection:
        words = await connection.fetch("SELECT CAST(said AS text) AS said FROM incident_text")
        assert all(b"copy".hex() not in row["said"] for row in words)
        await connection.execute("SELECT erase_told('{rui}')")
        left = await connection.fetch("SELECT patient FROM incident_person")
    assert [row["patient"] for row in left] == ["ana"]


async def test_everyone_whom_a_stolen_token_key_could_open_is_listed_with_the_nodes(
    services, client, bearer, caller
):
    await look(services, caller, "rui")
    async with enter(
        services.gatehouse,
        caller(Role.CLINICIAN, subject="x", node="ee-1"),
        AccessRequest(Action.READ, "Observation", "Observation/2", frozenset({"mari"})),
    ) as access:
        access.record(["mari"], "Observation/2")
    await sequenced(services)
    auditor = bearer(Role.AUDITOR)
    people = {}
    for kind, subject in (("key-token", None), ("client", "ee-1"), ("key-ledger", None)):
        opening = {"kind": kind, "title": "It came into other hands"} | (
            {"subject": subject} if subject else {}
        )
        number = (await client.post("/incidents", headers=auditor, json=opening)).json()["incident"]
        shown = (await client.get(f"/incidents/{number}", headers=auditor)).json()
        people[kind] = sorted(each["patient"] for each in shown["people"])
        if kind == "client":
            assert shown["nodes"] == [{"node": "ee-1", "accesses": 1, "people": 1}]
    assert people == {"key-token": ["mari", "rui"], "client": ["mari"], "key-ledger": []}


@pytest.mark.parametrize("role", [Role.CITIZEN, Role.CLINICIAN, Role.PHARMACIST])
async def test_incidents_are_nobody_elses(client, bearer, role):
    for path in ("/incidents", "/incidents/findings", "/incidents/1"):
        assert (await client.get(path, headers=bearer(role))).status_code == 403
    answer = await client.post("/incidents", headers=bearer(role), json={"title": "x", "subject": "s"})
    assert answer.status_code == 403
    assert (await client.get("/incidents")).status_code == 401


async def test_the_operator_opens_an_incident_and_the_auditor_alone_settles_it(
    client, bearer, services, caller
):
    operator, auditor = bearer(Role.OPERATOR), bearer(Role.AUDITOR)
    opened = await client.post("/incidents", headers=operator, json={"title": "x", "subject": "s"})
    assert opened.status_code == 201
    number = opened.json()["incident"]
    for notice in ("authority", "persons"):
        notices = f"/incidents/{number}/notices/{notice}"
        assert (await client.post(notices, headers=operator, json={"text": "x"})).status_code == 200
    await mark(desk_of(services, caller(Role.AUDITOR)), "nobody", "honey", "")
    await look(services, caller, "nobody")
    await sequenced(services)
    await watch_ledger(services)
    (found,) = (await client.get("/incidents/findings", headers=operator)).json()["findings"]
    for path in (f"findings/{found['id']}/dismiss", f"{number}/close"):
        answers = [
            await client.post(f"/incidents/{path}", headers=who, json={"text": "It is over."})
            for who in (operator, auditor)
        ]
        assert [answer.status_code for answer in answers] == [403, 200]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "", {}, 400),
        ("POST", "", {"title": "x"}, 400),
        ("POST", "", {"title": "x", "subject": "s", "since": "2026-01-02T00:00:00"}, 400),
        ("POST", "", {"title": "x", "subject": "s", "aware_at": "2030-01-02T00:00:00Z"}, 400),
        ("POST", "", {"title": "x", "subject": "s", "colour": "red"}, 400),
        ("POST", "", {"title": "x", "kind": "flood"}, 400),
        ("POST", "", {"title": "x", "kind": "client"}, 400),
        ("POST", "", {"title": "x", "subject": "s", "protection": "sealed"}, 400),
        ("POST", "/77/release", {"texts": {"en": "x"}}, 404),
        ("POST", "/77/protection", {"protection": "opened", "text": "x"}, 404),
        ("POST", "", {"finding": 77}, 404),
        ("GET", "/77", None, 404),
        ("GET", "/x", None, 404),
        ("POST", "/77/notes", {"text": "x"}, 404),
        ("POST", "/77/notices/nobody", {"text": "x"}, 404),
        ("DELETE", "/77", None, 405),
        ("POST", "/findings/77/dismiss", {"text": "x"}, 404),
    ],
)
async def test_what_cannot_be_is_refused_in_words(client, bearer, method, path, body, status):
    answer = await client.request(method, f"/incidents{path}", headers=bearer(Role.AUDITOR), json=body)
    assert answer.status_code == status
    assert answer.json()["issue"][0]["details"]["text"]


async def test_a_round_without_news_reads_nothing_and_its_own_leaf_is_no_news(services, caller):
    await look(services, caller, "rui")
    await sequenced(services)
    assert (await watch_ledger(services)).leaves == 1
    await sequenced(services)
    assert (await watch_ledger(services)).leaves == 0


async def test_the_watch_goes_on_where_it_stood_and_finds_nothing_twice(folder, services, caller, clock):
    desk = desk_of(services, caller(Role.AUDITOR))
    await mark(desk, "nobody", "honey", "")
    await look(services, caller, "nobody")
    await sequenced(services)
    await watch_ledger(services)
    async with open_services(folder, clock) as (_, other):
        await look(other, caller, "rui")
        await look(other, caller, "nobody")
        await sequenced(other)
        done = await watch_ledger(other)
        assert 0 < done.leaves < 6
        assert len(await list_findings(desk)) == 1


def test_the_command_line_keeps_an_incident(folder, capsys):
    data = ["--data", str(folder)]
    assert main(["incident", "open", "--title", "A lost laptop", "--subject", "s-9", *data]) == 0
    assert "Incident 1 is open" in capsys.readouterr().out
    assert main(["incident", "note", "1", "--text", "Its key is destroyed.", *data]) == 0
    assert main(["incident", "notify", "1", "--to", "authority", "--language", "fr", *data]) == 0
    shown = capsys.readouterr().out
    assert "règlement (UE) 2016/679" in shown
    assert "Its key is destroyed." in shown
    for notice in ("authority", "persons"):
        assert main(["incident", "notify", "1", "--to", notice, "--sent", "--text", "x", *data]) == 0
    capsys.readouterr()
    assert main(["incident", "list", "--json", *data]) == 0
    assert json.loads(capsys.readouterr().out)[0]["closed_at"] is None
    assert main(["incident", "show", "1", *data]) == 0
    assert "Its key is destroyed." in capsys.readouterr().out
    assert main(["incident", "open", "--kind", "backup", "--title", "x", "--taken", "sealed", *data]) == 0
    assert main(["incident", "show", "2", *data]) == 0
    assert "GDPR, Art. 34(3)(a)" in capsys.readouterr().out
    assert main(["incident", "tell", "2", *data]) == 0
    assert "No member node" in capsys.readouterr().out
    assert main(["watch", "mark", "p1", "--as", "honey", *data]) == 0
    assert main(["watch", "mark", "p1", "--as", "kin", *data]) == 1
    assert main(["watch", "once", *data]) == 0
    assert main(["watch", "list", *data]) == 0
    assert "No finding waits." in capsys.readouterr().out
