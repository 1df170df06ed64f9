"""Erasure where it is lawful (GDPR 17): asked for, ruled on, answered by somebody else, carried out."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from tests.flow.assisting import assist, empower
from tests.flow.opened import opened
from tests.flow.test_portal_standing import Visitor, citizen, visit
from tests.flow.test_rights import put
from tests.flow.test_standing import Hand, ana, ask, clock, country, folder, leaves, node

from salus.cli.operator import operator_of
from salus.core.access import Action, Purpose, Role
from salus.store import persons
from salus.store.documents import Document, keep
from salus.store.merged import forget
from salus.store.mirror import take_events
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.peer_notices import work_once

__all__ = ["Hand", "Visitor", "ana", "ask", "citizen", "clock", "country", "folder", "node", "visit"]
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WHY = "I wrote this myself and want it gone."
REASON = "We looked at it and agree with you."
FAMILY, TEXT, NUMBER = "Quetzalcoatlson", "zyzzyva papilionacea", "9988776655"


async def request(ask, entry, ground, role=Role.CITIZEN, path="/rights/erasures", **more):
    return await ask("POST", path, role, {"entry": entry, "ground": ground, "said": WHY}, **more)


async def respond(ask, identity, state="accepted", said=REASON, **more):
    body = {"state": state, "said": said}
    return await ask("POST", f"/rights/erasure-requests/{identity}/answer", Role.OPERATOR, body, **more)


async def own_entry(ask, text=TEXT):
    body = {
        "resourceType": "Observation", "status": "final", "code": {"text": text},
        "subject": {"reference": "Patient/ana"}, "performer": [{"reference": "Patient/ana"}],
        "effectiveDateTime": "2026-11-01",
    }  # fmt: skip
    answer = await ask("POST", "/fhir/Observation", Role.CITIZEN, body)
    assert answer.status_code == 201, answer.text
    return f"Observation/{answer.json()['id']}"


async def found_in(folder, *words):
    """Return the tables of the node's database that hold one of the words, as text, as bytes or sealed."""
    forms = []
    for word in words:
        raw = word.encode()
        forms += [raw, raw.hex().encode(), raw.lower(), raw.upper(), base64.b64encode(raw).rstrip(b"=")[:-1]]
    found = set()
    async with opened(folder) as connection:
        tables = await connection.fetch(
            "SELECT schemaname, relname FROM pg_stat_all_tables WHERE schemaname <> 'pg_toast'"
            " UNION SELECT 'pg_catalog', 'pg_stats'"
        )
        for schema, table in tables:
            for row in await connection.fetch(f'SELECT t::text AS cells FROM "{schema}"."{table}" t'):
                cells = row["cells"].encode()
                if any(form in cells for form in forms):
                    found.add(table)
        for table, column in await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND udt_name = 'bytea'"
        ):
            for (content,) in await connection.fetch(f'SELECT "{column}" FROM "{table}"'):
                if content is not None and any(form in content for form in forms):
                    found.add(table)
    return found


@pytest.mark.clause("GDPR 17(1) and 12(3)")
async def test_what_the_citizen_entered_goes_once_somebody_else_has_agreed(
    node, ask, ana, database_url, folder
):
    entry = await own_entry(ask)
    assert "resource" in await found_in(folder, TEXT)
    asked = await request(ask, entry, "own-entry")
    assert asked.status_code == 201, asked.text
    told = asked.json()
    assert (told["state"], told["ruling"]["may"], told["due_at"][:10]) == ("open", True, "2026-12-24")
    (waits,) = (await ask("GET", "/rights/erasure-requests", Role.OPERATOR)).json()["requests"]
    assert (waits["id"], waits["ruling"]["may"]) == (told["id"], True)
    assert (await respond(ask, told["id"], said="no")).status_code == 400
    assert (await respond(ask, told["id"], subject="ana")).status_code == 403
    done = await respond(ask, told["id"])
    assert done.status_code == 200, done.text
    assert done.json()["erased"]["resources"] == 1
    for role in (Role.CITIZEN, Role.OPERATOR):
        assert (await ask("GET", f"/fhir/{entry}", role)).status_code == 404
        assert (await ask("GET", f"/fhir/{entry}/_history", role)).status_code == 404
    (own,) = (await ask("GET", "/rights/erasures", Role.CITIZEN)).json()["erasures"]
    assert [step["state"] for step in own["history"]] == ["open", "accepted"]
    news = (await ask("GET", "/notices", Role.CITIZEN)).json()["notices"]
    assert [each["kind"] for each in news] == ["erasure-answered"]
    assert await found_in(folder, TEXT) == set()
    assert any(leaf.what.endswith(" erased") for leaf in await leaves(node))
    assert (await respond(ask, told["id"])).status_code == 409


@pytest.mark.clause("GDPR 17(3)")
async def test_what_a_professional_recorded_is_kept_with_the_reason_and_cannot_be_accepted(ask, ana):
    told = (await request(ask, "Condition/c1", "own-entry")).json()
    assert not told["ruling"]["may"]
    assert "years" in told["ruling"]["reason"]
    refused = await respond(ask, told["id"])
    assert (refused.status_code, "years" in refused.text) == (409, True)
    assert (await ask("GET", "/fhir/Condition/c1", Role.OPERATOR)).status_code == 200
    assert (await respond(ask, told["id"], "extended")).status_code == 200
    assert (await respond(ask, told["id"], "extended")).status_code == 409
    assert (await respond(ask, told["id"], "refused")).status_code == 200
    (own,) = (await ask("GET", "/rights/erasures", Role.CITIZEN)).json()["erasures"]
    assert own["complain_to"][0]["address"] == "https://www.cnil.fr"


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.AUDITOR, Role.DESK])
async def test_nobody_else_asks_or_answers(ask, ana, role):
    told = (await request(ask, await own_entry(ask), "own-entry")).json()
    refused = (403, 404)
    if role is not Role.DESK:
        assert (await request(ask, "Condition/c1", "own-entry", role)).status_code in refused
    assert (await ask("GET", "/rights/erasure-requests", role)).status_code in refused
    body = {"state": "accepted", "said": REASON}
    answer = await ask("POST", f"/rights/erasure-requests/{told['id']}/answer", role, body)
    assert answer.status_code in refused
    other = {"subject": "rui", "patient": "rui"}
    assert (await request(ask, "Condition/c1", "mistake", **other)).status_code == 404
    assert (await ask("GET", "/rights/erasures", Role.CITIZEN, **other)).json() == {"erasures": []}


async def test_a_desk_asks_for_whom_it_helps(node, ask, ana):
    path = "/rights/erasures?patient=ana"
    await assist(ask, "ana")
    asked = await request(ask, "record", "mistake", Role.DESK, path)
    assert asked.status_code == 201, asked.text
    assert asked.json()["asked_by"] == "desk"
    assert any("assisted" in leaf.marks for leaf in await leaves(node) if leaf.what.startswith("erasure/"))


async def test_a_patient_alone_and_an_unknown_ground_are_no_requests(ask, ana):
    assert (await request(ask, "Patient/ana", "mistake")).status_code == 400
    assert (await request(ask, "Condition/c1", "because")).status_code == 400
    assert (await request(ask, "Condition/none", "own-entry")).status_code == 404


async def test_nothing_goes_while_an_emergency_access_is_looked_into(ask, ana):
    claim = {"patient": "ana", "reason": "unconscious, suspected overdose"}
    assert (await ask("POST", "/emergency", body=claim)).status_code == 201
    told = (await request(ask, "record", "mistake")).json()
    assert not told["ruling"]["may"]
    assert (await respond(ask, told["id"])).status_code == 409
    assert (await ask("GET", "/fhir/Patient/ana", Role.OPERATOR)).status_code == 200


STAYS = {"leaf", "leaf_index"}
"""The ledger names a record by its id, for as long as the law keeps it."""


async def everywhere(database_url, letter):
    """Put the person's words into a row of every table that may hold some."""
    connection = await asyncpg.connect(database_url)
    now, later = NOW, NOW + timedelta(days=30)
    caller = json.dumps({"subject": "ana", "name": FAMILY, "patient": "ana"}).encode()
    line = json.dumps({"resourceType": "Observation", "note": f"{TEXT} {FAMILY}"}).encode()
    unknown = f'{{"identifier": [{{"value": "{NUMBER}"}}], "name": "{FAMILY}"}}'.encode()
    rows = {
        "document": ("ana", "d1", "r1", "text/plain", b"1", now, "urn:x", [], letter),
        "quarantine": ("ana", "q1", now, later, "urn:x", "f", 1, -1, "Observation", line, line),
        "export_job": ("j1", "s", "i", b"{}", b"{}", "complete", "", now, None, now, later, 1),
        "health_link": (
            "ana", "l1", b"1", "summary", FAMILY, now, FAMILY, later, None, b"s", 0, 1, 0, 1, None, letter,
        ),
        "health_link_opening": ("ana", "l1", 1, now, FAMILY),
        "health_link_ticket": (b"1", "ana", "l1", FAMILY, later),
        "emergency": (
            "ana", "e1", "s", "n", "o", "", f"{FAMILY} fell", now, now, now, now, "r", "justified", TEXT,
        ),
        "presence": ("ana", "ee-1", "s", "code", now, later),
        "unproven": ("ee-1", now.date(), "ana"),
        "notice_channel": ("ana", True, True),
        "proxy": ("rui", "p1", "ana", FAMILY, "carer", None, TEXT, now, None, now, now, "x", None, None),
        "watch_mark": ("ana", "kin", "s", now),
        "account": ("ana", "a1", "https://idp", f"sub-{FAMILY}", FAMILY, "code", now, None),
        "login_session": ("t1", "idp", "https://idp", f"sub-{FAMILY}", "", TEXT, later),
        "wallet_login": ("w1", b"", b"", later, f'{{"subject": "sub-{FAMILY}"}}'.encode(), None, 0),
        "binding_code": (b"1", "ana", now, later, None),
        "app_consent": ("c1", "app", "ana", "citizen", "ana", "openid", now, now, None),
        "app_launch": (b"1", "app", "ana", "citizen", "ana", later),
        "subscription": (
            "s1", caller, "Observation?patient=ana", "https://x", "empty", b"[]", None, now, 0, 0, 0, later,
            "", 0, True, None, False,
        ),
        "hand_over": ("ana", "md1", f"urn:x|{NUMBER}", "ee-1", "Apteek"),
        "used_up": ("ana", "mr1", 1),
        "attachment": ("b1", "ana"),
    }  # fmt: skip
    for table, values in rows.items():
        places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
        await connection.execute(f"INSERT INTO {table} VALUES ({places})", *values)
    await connection.execute(
        "INSERT INTO quarantine VALUES ('', 'q2', $1, $2, 'urn:x', 'f', 2, -1, '', '', $3)",
        now,
        later,
        unknown,
    )
    await connection.execute(
        "INSERT INTO export_file VALUES ('j1', 1, 'Patient', 1, $1, '{ana,rui}', '{1,1}')", line
    )
    await connection.execute(
        "INSERT INTO withholding (patient, subject, reason, until, asked_by, asked_at)"
        " VALUES ('ana', 's', $1, $2, 'x', $2)", TEXT, now,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO app_session VALUES ('x1', 'c1', 'app', $1, '', 'ana', '', $2, $3, NULL)",
        caller.decode(), now, later,
    )  # fmt: skip
    await connection.execute("ANALYZE")
    await connection.close()


async def named_in(database_url, *ids):
    """Return the tables of which a text, or a list of texts, is one of the ids."""
    connection = await asyncpg.connect(database_url)
    columns = await connection.fetch(
        "SELECT table_name, column_name, udt_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND udt_name IN ('text', '_text')"
    )
    found = set()
    for table, column, kind in columns:
        test = f'"{column}" && $1' if kind == "_text" else f'"{column}" = ANY ($1)'
        if await connection.fetchval(f'SELECT count(*) FROM "{table}" WHERE {test}', list(ids)):
            found.add(table)
    await connection.close()
    return found


@pytest.fixture
async def full(node, ask, ana, database_url):
    """Return the record of Ana, merged with another of hers, with her words in every table."""
    for name in ("ana", "annie"):
        body = {
            "resourceType": "Patient", "id": name, "birthDate": "1980-02-02", "name": [{"family": FAMILY}],
            "identifier": [{"system": "urn:x", "value": NUMBER}],
        }  # fmt: skip
        assert (await ask("PUT", f"/fhir/Patient/{name}", Role.OPERATOR, body)).is_success
    await own_entry(ask)
    await put(ask, "Condition", "hers", patient="annie", code={"text": TEXT})
    consent = {
        "resourceType": "Consent", "id": "k1", "status": "inactive", "patient": {"reference": "Patient/ana"},
        "scope": {"text": TEXT}, "category": [{"text": TEXT}], "policyRule": {"text": TEXT},
    }  # fmt: skip
    assert (await ask("PUT", "/fhir/Consent/k1", Role.OPERATOR, consent)).status_code == 201
    provenance = {
        "resourceType": "Provenance", "id": "v1", "target": [{"reference": "Condition/c1"}],
        "recorded": "2026-11-01T00:00:00Z", "agent": [{"who": {"display": FAMILY}}],
    }  # fmt: skip
    assert (await ask("PUT", "/fhir/Provenance/v1", Role.OPERATOR, provenance)).status_code == 201
    assert (await ask("PUT", "/restrictions/Condition/c2", Role.CITIZEN)).status_code == 200
    body = {"entry": "Condition/c1", "said": f"I am {FAMILY} and this is wrong.", "kind": "entry"}
    assert (await ask("POST", "/rights/rectifications", Role.CITIZEN, body)).status_code == 201
    assert (await ask("POST", "/rights/presence-code", Role.CITIZEN)).status_code == 201
    risk = {"risk_understood": True}
    assert (await ask("PUT", "/rights/secondary-use-opt-out", Role.CITIZEN, risk)).status_code == 200
    asked = AccessRequest(Action.UPDATE, "Patient", "merge")
    async with enter(node.services.gatehouse, operator_of(node.services), asked) as access:
        await persons.merge(
            access.grant, node.services.database, "ana", "annie", key=node.services.keys.search
        )
    forget(node.services.database)
    await everywhere(database_url, f"{TEXT} {FAMILY}".encode())
    return "ana"


async def erased(ask, entry="record", ground="mistake"):
    told = (await request(ask, entry, ground)).json()
    done = await respond(ask, told["id"])
    assert done.status_code == 200, done.text
    return done.json()


@pytest.mark.clause("GDPR 17")
async def test_a_whole_person_goes_from_every_table_and_leaves_no_word(
    ask, full, database_url, clock, folder, node
):
    words = (FAMILY, TEXT, NUMBER)
    before = await found_in(folder, *words)
    assert before >= {"resource", "document", "quarantine", "health_link", "export_file"}
    assert "pg_statistic" not in before
    done = await erased(ask)
    assert done["request"]["said"] == ""
    async with opened(folder) as connection:
        await take_events(connection)  # as the sequencer does within a second: tests/flow/test_restored.py
    assert await found_in(folder, *words) == set()
    await work_once(node.services)  # whom to tell is worked out in seconds: nobody abroad got anything
    assert await named_in(database_url, "ana", "annie") <= STAYS
    clock.now += timedelta(minutes=1)
    assert (await ask("GET", "/fhir/Patient/rui", Role.OPERATOR)).status_code == 200
    told = (await ask("GET", "/rights/erasure-recipients", Role.OPERATOR)).json()["recipients"]
    assert {(each["node"], each["holds"]) for each in told} >= {("ee-1", "dispensations")}
    body = {"erasure": done["request"]["id"], "node": "ee-1"}
    assert (await ask("POST", "/rights/erasure-recipients", Role.OPERATOR, body)).status_code == 204
    assert (await ask("POST", "/rights/erasure-recipients", Role.OPERATOR, body)).status_code == 404
    assert (await ask("GET", "/rights/erasure-recipients", Role.OPERATOR)).json() == {"recipients": []}


DOORS = (
    "/fhir/Patient/{id}", "/fhir/Patient/{id}/_history", "/fhir/Patient/{id}/_history/1",
    "/fhir/Patient?_id={id}", "/fhir/Condition?patient={id}", "/fhir/Patient/{id}/$everything",
    "/fhir/Patient/{id}/$summary", "/fhir/Observation?subject=Patient/{id}",
)  # fmt: skip


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.OPERATOR, Role.CITIZEN])
async def test_every_door_answers_as_for_one_who_never_was(ask, full, role):
    await erased(ask)
    own = {Role.CITIZEN: ({"subject": "ana", "patient": "ana"}, {"subject": "nobody", "patient": "nobody"})}
    gone_as, never_as = own.get(role, ({}, {}))
    for door in DOORS:
        gone = await ask("GET", door.format(id="ana"), role, **gone_as)
        never = await ask("GET", door.format(id="nobody"), role, **never_as)
        assert gone.status_code == never.status_code, door
        told, expected = (
            {
                key: value
                for key, value in answer.json().items()
                if key not in ("id", "meta", "timestamp", "link")
            }
            for answer in (gone, never)
        )
        assert json.dumps(told).replace("ana", "nobody") == json.dumps(expected).replace("ana", "nobody"), (
            door
        )
    found = await ask("GET", f"/fhir/Patient?identifier=urn:x|{NUMBER}", Role.OPERATOR)
    assert found.json().get("total", 0) == 0


async def test_erasure_is_asked_for_and_answered_on_pages(citizen, visit, ask, ana, database_url, folder):
    entry = await own_entry(ask)
    visitor = citizen("ana")
    page = await visitor.get("/record/problems?language=en")
    assert "/my-rights/erasures?language=en&amp;entry=Condition/c1" in page.text
    await visitor.get(f"/my-rights/erasures?language=en&entry={entry}")
    assert (await visitor.post("/my-rights/erasures", entry=entry, ground="x", said=WHY)).status_code == 400
    asked = await visitor.post("/my-rights/erasures", entry=entry, ground="own-entry", said=f"<b>{WHY}")
    assert "May go" in asked.text
    assert "<b>" not in asked.text
    kept = await visitor.post("/my-rights/erasures", entry="Condition/c1", ground="own-entry", said=WHY)
    assert "Must be kept" in kept.text
    staff = visit(Role.OPERATOR, subject="operator", name="Operator", purpose=Purpose.OPERATIONS)
    waits = await staff.get("/erasures?language=en")
    assert waits.text.count('value="accepted"') == 1
    section = next(part for part in waits.text.split("<section") if 'value="accepted"' in part)
    address = re.search(r'action="(/erasures/[^"]+)"', section).group(1)
    assert (await staff.post(address, state="maybe", said=REASON)).status_code == 400
    done = await staff.post(address, state="accepted", said=REASON)
    assert done.status_code == 200
    assert "Erased" in (await visitor.get("/my-rights/erasures?language=en")).text
    assert "resource" not in await found_in(folder, TEXT)
    assert (await visitor.get("/erasures?language=en")).status_code == 403
    for language in ("et", "pt", "fr"):
        assert (await visitor.get(f"/my-rights/erasures?language={language}")).status_code == 200


@pytest.mark.parametrize(("types", "status"), [(None, 201), (["Observation"], 403)])
async def test_a_proxy_asks_whose_power_covers_the_whole_record(node, ask, ana, database_url, types, status):
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO proxy (patient, id, holder, name, kind, types, starts_at, asked_at, confirmed_at)"
        " VALUES ('ana', 'p1', 'eva', 'Eva', 'guardian', $1, $2, $2, $2)", types, NOW,
    )  # fmt: skip
    await connection.close()
    await node.services.standing.refresh("ana")
    answer = await request(ask, "record", "mistake", Role.PROXY)
    assert answer.status_code in ((status,) if status == 201 else (403, 404)), answer.text
    stranger = await request(ask, "record", "mistake", Role.PROXY, subject="rui")
    assert stranger.status_code in (403, 404)


async def test_a_document_goes_with_what_it_alone_says_and_the_rest_of_the_record_stays(
    ask, ana, database_url, node, grant
):
    await put(ask, "Condition", "said", code={"text": TEXT})
    await put(ask, "Condition", "both", code={"text": "said by both"})
    for name, extracted in (("d1", ("Condition/said", "Condition/both")), ("d2", ("Condition/both",))):
        described = {
            "resourceType": "DocumentReference", "id": name, "status": "current",
            "subject": {"reference": "Patient/ana"}, "content": [{"attachment": {"url": f"Binary/b{name}"}}],
        }  # fmt: skip
        assert (await ask("PUT", f"/fhir/DocumentReference/{name}", Role.OPERATOR, described)).is_success
        kept = Document(
            "ana", f"b{name}", name, "text/plain", b"", NOW, "urn:x", extracted, f"{name} {TEXT}".encode()
        )
        async with node.services.database.writing(grant("ana")) as connection:
            await keep(grant("ana"), connection, kept)
    await erased(ask, "DocumentReference/d1", "no-ground")
    assert (await ask("GET", "/fhir/Binary/bd1", Role.CITIZEN)).status_code == 404
    assert (await ask("GET", "/fhir/Condition/said", Role.CITIZEN)).status_code == 404
    for stays in ("Condition/both", "Condition/c1", "DocumentReference/d2", "Binary/bd2", "Patient/ana"):
        assert (await ask("GET", f"/fhir/{stays}", Role.CITIZEN)).status_code == 200, stays


async def test_what_is_about_others_too_stays_and_is_named(ask, ana, database_url, node):
    group = {
        "resourceType": "Group", "id": "g1", "type": "person", "actual": True,
        "member": [{"entity": {"reference": f"Patient/{name}"}} for name in ("ana", "rui")],
    }  # fmt: skip
    assert (await ask("PUT", "/fhir/Group/g1", Role.OPERATOR, group)).status_code == 201
    done = await erased(ask)
    assert done["erased"]["shared"] == ["Group/g1"]
    assert (await ask("GET", "/fhir/Group/g1", Role.OPERATOR)).status_code == 200
    await work_once(node.services)
    assert await named_in(database_url, "ana") <= STAYS


NOBODYS = {
    "assertion_seen", "checkpoint", "clear_content", "client", "cosignature", "erased", "erased_salt",
    "key_store", "key_to_destroy",
    "erasure_recipient", "leaf_index", "link_start", "load_progress", "log_evidence", "migration", "peer_log",
    "person_page", "revoked_token", "search_parameter", "search_parameter_generation", "tree_node",
    "watch", "wished_notice", "app_request", "on_call", "written_by", "journal_file", "grant_key",
    "looked_up", "incident_text", "permit", "labelling", "first_seen", "tally", "closure_table",
    "closure_code",
}  # fmt: skip
"""Tables that hold no words of a person; `watch` knows the ids of the ledger."""
KEPT_BY_LAW = {"leaf", "incident", "incident_entry", "finding"}
"""The ledger, incidents and findings. What this node handed over for people of other nodes goes when their
home tells so, where the law lets it (tests/federation/test_telling_peers.py)."""


async def test_every_table_is_erased_from_or_known_to_hold_nobody(database_url):
    connection = await asyncpg.connect(database_url)
    tables = {row[0] for row in await connection.fetch("SELECT relname FROM pg_stat_user_tables")}
    bodies = await connection.fetch("SELECT prosrc FROM pg_proc WHERE proname LIKE 'erase\\_%'")
    await connection.close()
    touched = set(re.findall(r"(?:DELETE FROM|UPDATE) (\w+)", " ".join(row[0] for row in bodies)))
    cascading = {"export_file", "subscription_event", "app_secret"}
    on_their_way = {"mirror_event"}  # for under a second, to the mirror: tests/flow/test_restored.py
    assert tables - touched - cascading - on_their_way == NOBODYS | KEPT_BY_LAW


async def test_who_is_logged_in_and_their_apps_are_out_at_once(ask, full, database_url):
    heard = []
    connection = await asyncpg.connect(database_url)
    await connection.add_listener(
        "salus_revoked", lambda *message: heard.append(message[-1].rpartition(" ")[0])
    )
    await erased(ask)
    tokens = await connection.fetch("SELECT token_id FROM revoked_token")
    await connection.close()
    assert {"t1", "consent c1"} <= {row[0] for row in tokens}
    assert {"t1", "consent c1"} <= set(heard)


async def test_what_a_professional_changed_since_is_not_the_persons_own(ask, ana):
    entry = await own_entry(ask)
    body = (await ask("GET", f"/fhir/{entry}", Role.OPERATOR)).json()
    body["note"] = [{"text": "seen by the ward"}]
    assert (await ask("PUT", f"/fhir/{entry}", Role.CLINICIAN, body)).status_code == 200
    told = (await request(ask, entry, "own-entry")).json()
    assert not told["ruling"]["may"]


async def test_a_link_that_somebody_made_for_another_ends_when_its_maker_is_erased(ask, ana, node):
    asked = {"patient": "rui", "holder": "ana", "name": "Ana", "kind": "guardian", "proof": "court order"}
    await empower(ask, asked)
    as_guardian = {"subject": "ana", "name": "Ana", "patient": "rui"}
    made = await ask("POST", "/rights/links", Role.PROXY, {"content": "record"}, **as_guardian)
    assert made.status_code == 201, made.text
    await erased(ask)
    async with node.services.database.system() as connection:
        (link,) = await connection.fetch("SELECT content, ended_at, holder, made_by FROM health_link")
    assert (link["content"], link["holder"], link["made_by"]) == (None, "", "")
    assert link["ended_at"] is not None
