"""The rights of a person as they are used: by API and on pages."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from tests.flow.assisting import assist, empower
from tests.flow.test_portal_standing import Visitor, citizen, visit
from tests.flow.test_standing import Hand, ana, ask, clock, country, folder, leaves, node

from salus.cli.operator import operator_of
from salus.core.access import Action, Purpose, Role
from salus.standards.healthlinks.files import open_file
from salus.standards.jose.encoding import decode
from salus.store import health_links, persons
from salus.store.documents import Document, keep
from salus.store.merged import forget
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.portal.session import SESSION
from salus.web.portal.words import LANGUAGES
from salus.web.rights.archive import archive

__all__ = ["Hand", "Visitor", "ana", "ask", "citizen", "clock", "country", "folder", "node", "visit"]
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HOSTILE = '<script src="https://evil.test/x.js"></script><img src=x onerror=alert(1)>'


async def put(ask, kind, identity, patient="ana", **body):
    whole = {"resourceType": kind, "id": identity, "subject": {"reference": f"Patient/{patient}"}, **body}
    answer = await ask("PUT", f"/fhir/{kind}/{identity}", Role.OPERATOR, whole)
    assert answer.status_code == 201, answer.text


def markup_of(page):
    tags, attributes = set(), set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.add(tag)
            attributes.update(name for name, _ in attrs)

    Reader().feed(page)
    return tags, attributes


def unpacked(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    opened = zipfile.ZipFile(io.BytesIO(answer.content))
    assert opened.testzip() is None
    return {name: opened.read(name) for name in opened.namelist()}


@pytest.fixture
def as_ana(caller):
    return caller(Role.CITIZEN, subject="ana", name="Ana", organisation="", patient="ana")


@pytest.fixture
async def letter(node, ask, grant, ana):
    """A received document of Ana's whose id would leave the folder it is unpacked in."""
    content = b"%PDF-1.7 as it came\r\n\x00\xff"
    document = Document(
        "ana",
        "..-..-letter",
        "d1",
        "application/pdf",
        hashlib.sha256(content).digest(),
        NOW,
        "urn:x",
        (),
        content,
    )
    async with node.services.database.writing(grant("ana")) as connection:
        await keep(grant("ana"), connection, document)
    described = {
        "resourceType": "DocumentReference", "id": "d1", "status": "current",
        "subject": {"reference": "Patient/ana"}, "content": [{"attachment": {"url": "Binary/..-..-letter"}}],
    }  # fmt: skip
    assert (await ask("PUT", "/fhir/DocumentReference/d1", Role.OPERATOR, described)).is_success
    return content


@pytest.mark.clause("GDPR 15 and 20, EHDS 3")
async def test_one_click_gives_the_whole_record_each_file_with_its_hash(node, ask, ana, letter):
    await put(ask, "Condition", "c3", code={"text": HOSTILE})
    await put(ask, "Condition", "other", patient="rui", code={"text": "of somebody else"})
    files = unpacked(await ask("GET", "/rights/archive", Role.CITIZEN))
    manifest = json.loads(files["manifest.json"])
    assert {each["path"] for each in manifest["files"]} == set(files) - {"manifest.json"}
    for each in manifest["files"]:
        assert each["sha256"] == hashlib.sha256(files[each["path"]]).hexdigest()
        assert each["bytes"] == len(files[each["path"]])
    assert manifest["left_out"] == []
    lines = files["fhir/Condition.ndjson"].splitlines()
    assert {json.loads(line)["id"] for line in lines} == {"c1", "c2", "c3"}
    bundle = json.loads(files["fhir/bundle.json"])
    assert {each["resource"]["id"] for each in bundle["entry"]} == {"ana", "c1", "c2", "c3", "d1"}
    assert files["documents/00001-letter.pdf"] == letter
    assert json.loads(files["patient-summary.json"])["type"] == "document"
    assert json.loads(files["access-report.json"])["format"] == "salus-access-report/1"
    assert b"somebody else" not in b"".join(files.values())

    page = files["record.html"].decode()
    assert "condition c1" in page
    assert "&lt;script" in page
    tags, attributes = markup_of(page)
    assert tags.isdisjoint({"script", "img", "link", "iframe", "object", "base", "form", "a"})
    assert attributes <= {
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "id",
        "aria-labelledby",
        "scope",
        "class",
    }
    served = [leaf for leaf in await leaves(node) if leaf.what == "record archive"]
    assert {(leaf.patient, leaf.action, leaf.outcome) for leaf in served} == {("ana", "export", "served")}
    assert sum(leaf.resources for leaf in served) == 6


async def test_the_copy_has_the_documents_of_the_priority_categories(node, ask, ana):
    order = {
        "resourceType": "MedicationRequest",
        "id": "course",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "amoxicillin"},
        "subject": {"reference": "Patient/ana"},
        "authoredOn": "2026-10-04",
    }
    await ask("PUT", "/fhir/MedicationRequest/course", Role.OPERATOR, order)
    files = unpacked(await ask("GET", "/rights/archive", Role.CITIZEN))
    names = [name for name in files if name.startswith("european/")]
    assert "european/00001-prescription-course.json" in names
    document = json.loads(files["european/00001-prescription-course.json"])
    assert document["entry"][0]["resource"]["meta"]["profile"] == [
        "http://hl7.eu/fhir/mpd/StructureDefinition/MedicationRequest-eu-mpd"
    ]
    composed = [leaf for leaf in await leaves(node) if leaf.what == "European documents"]
    assert {leaf.patient for leaf in composed} == {"ana"}


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.AUDITOR])
async def test_nobody_else_takes_a_record_along(ask, ana, role):
    answer = await ask("GET", "/rights/archive?patient=ana", role)
    assert answer.status_code in (403, 404)
    assert answer.headers["content-type"] != "application/zip"


@pytest.mark.parametrize("path", ["/rights/archive", "/rights/recipients", "/ledger/accesses", "/notices"])
async def test_a_citizen_who_names_another_is_told_whom_it_is_about(ask, ana, path):
    refused = await ask("GET", f"{path}?patient=rui", Role.CITIZEN)
    assert refused.status_code == 403
    assert "leave `patient` away" in refused.json()["issue"][0]["details"]["text"]
    own = await ask("GET", f"{path}?patient=ana", Role.CITIZEN)
    assert own.status_code == 200


async def test_staff_at_a_desk_take_it_for_whom_they_name_and_that_is_marked(node, ask, ana):
    await assist(ask, "rui")
    files = unpacked(await ask("GET", "/rights/archive?patient=rui", Role.DESK))
    manifest = json.loads(files["manifest.json"])
    assert manifest["patients"] == ["rui"]
    assert [each["path"] for each in manifest["left_out"]] == ["access-report.json"]
    marked = [leaf for leaf in await leaves(node) if leaf.what == "record archive"]
    assert {leaf.marks for leaf in marked} == {("assisted",)}


async def test_the_page_has_one_button_and_no_other_site_can_press_it(citizen, ana):
    visitor = citizen("ana")
    await visitor.get("/record?language=en")
    assert "/my-rights?language=en" in visitor.page.text
    await visitor.get("/my-rights?language=en")
    files = unpacked(await visitor.post("/my-rights/archive"))
    assert "record.html" in files
    forged = await visitor.client.post("/my-rights/archive", data={"csrf": "0" * 64})
    assert forged.status_code == 403
    assert (await visitor.client.get("/my-rights/archive")).status_code in (404, 405)


@pytest.mark.clause("GDPR 19")
async def test_how_it_stands_with_each_node_that_is_told_is_on_the_page(node, ana, citizen, visit):
    sent = [
        ("n1", "ee-1", "rectified", 1, NOW, "none", "", ["Condition/c1"]),
        ("n2", "fr-1", "erased", 1, NOW, "kept", "CSP, article R5132-10", []),
        ("n3", "es-1", "restricted", 3, None, "", "", ["Condition/c2"]),
    ]
    async with node.services.database.system() as connection:
        for name, peer, kind, tries, settled, outcome, law, names in sent:
            await connection.execute(
                "INSERT INTO peer_notice (patient, id, node, kind, whom, names, dispensed, reference, at,"
                " next_at, tries, settled_at, outcome, law, receipt)"
                " VALUES ('ana', $1, $2, $3, '{ana}', $4, '{}', '', $5, $5, $6, $7, $8, $9, 'x')",
                name, peer, kind, names, NOW, tries, settled, outcome, law,
            )  # fmt: skip
    page = (await citizen("ana").get("/my-rights/recipients?language=en")).text
    assert "with a signed receipt; the node itself keeps no copy of it" in page
    assert "it answered that it does not do this by its law" in page
    assert "CSP, article R5132-10" in page
    assert "Not reached yet, since 24 November 2026" in page
    assert page.count("Condition/") == 2


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_pages_speak_the_languages(citizen, ana, language):
    visitor = citizen("ana")
    for path in ("/my-rights", "/my-rights/links", "/my-rights/requests", "/my-rights/recipients"):
        page = await visitor.get(f"{path}?language={language}")
        assert page.status_code == 200
        assert f'<html lang="{language}">' in page.text


def read_link(text):
    """Return what a link says, as a viewer reads it."""
    return json.loads(decode(text.removeprefix("shlink:/")))


@pytest.fixture
async def viewer(node):
    """A viewer somewhere: asks for manifests by POST, opens what is embedded."""
    transport = httpx.ASGITransport(node.application)
    async with httpx.AsyncClient(transport=transport) as client:

        async def open_it(link, recipient="Dr. Abroad", **body):
            return await client.post(link["url"], json={"recipient": recipient, **body})

        open_it.client = client
        yield open_it


def opened(answer, link):
    assert answer.status_code == 200, answer.text
    (file,) = answer.json()["files"]
    return json.loads(open_file(file["embedded"], decode(link["key"])).body)


async def make_link(ask, role=Role.CITIZEN, **wish):
    answer = await ask("POST", "/rights/links", role, wish)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], read_link(answer.json()["link"])


@pytest.mark.clause("EHDS 7, GDPR 20")
async def test_a_link_opens_the_summary_for_who_holds_it_and_the_citizen_is_told(node, ask, ana, viewer):
    identity, link = await make_link(ask, label="For Lisbon", passcode="open sesame")
    assert (link["flag"], link["label"], len(link["url"]) <= 128) == ("P", "For Lisbon", True)
    wrong = await viewer(link, passcode="sesame")
    assert (wrong.status_code, wrong.json()) == (401, {"remainingAttempts": 9})
    document = opened(await viewer(link, passcode="open sesame"), link)
    assert document["type"] == "document"

    (listed,) = (await ask("GET", "/rights/links", Role.CITIZEN)).json()["links"]
    assert (listed["id"], listed["uses"], listed["wrong"], listed["good"]) == (identity, 1, 1, True)
    assert [each["recipient"] for each in listed["openings"]] == ["Dr. Abroad"]
    assert link["url"].rpartition("/")[2] not in json.dumps(listed)
    news = (await ask("GET", "/notices", Role.CITIZEN)).json()["notices"]
    assert [(each["kind"], each["who"]) for each in news] == [("link-opened", "Dr. Abroad")]
    tried = [leaf for leaf in await leaves(node) if leaf.what == f"health-link/{identity}"]
    assert [(leaf.patient, leaf.name, leaf.outcome) for leaf in tried] == [
        ("ana", "Dr. Abroad", "refused"), ("ana", "Dr. Abroad", "served"),
    ]  # fmt: skip


async def test_a_link_to_the_whole_record_is_one_bundle_and_too_long_to_embed_is_at_an_address_once(
    ask, ana, viewer
):
    _, link = await make_link(ask, content="record")
    bundle = opened(await viewer(link), link)
    assert {each["resource"]["id"] for each in bundle["entry"]} == {"ana", "c1", "c2"}
    (file,) = (await viewer(link, embeddedLengthMax=10)).json()["files"]
    assert "embedded" not in file
    first = await viewer.client.get(file["location"])
    assert (first.status_code, first.headers["content-type"]) == (200, "application/jose")
    assert json.loads(open_file(first.text, decode(link["key"])).body)["resourceType"] == "Bundle"
    assert (await viewer.client.get(file["location"])).status_code == 404


async def test_an_address_of_a_file_is_old_after_minutes(ask, ana, viewer, clock):
    _, link = await make_link(ask)
    (file,) = (await viewer(link, embeddedLengthMax=10)).json()["files"]
    clock.now += timedelta(minutes=6)
    assert (await viewer.client.get(file["location"])).status_code == 404


EVA = {"subject": "eva", "patient": "eva", "name": "Eva"}
BY_EVA = {"subject": "eva", "patient": "ana", "name": "Eva"}


async def appoint_eva(ask, **more):
    code = (await ask("POST", "/rights/presence-code", Role.CITIZEN, **EVA)).json()["code"]
    made = await ask("POST", "/proxies", Role.CITIZEN, {"code": code, "name": "Eva", "kind": "carer"} | more)
    assert made.status_code == 201, made.text
    return made.json()["id"]


async def evas_link(ask):
    made = (await ask("POST", "/rights/links", Role.PROXY, {"content": "record"}, **BY_EVA)).json()
    return made["id"], read_link(made["link"])


async def is_good(ask, identity):
    listed = (await ask("GET", "/rights/links", Role.CITIZEN)).json()["links"]
    return next(each["good"] for each in listed if each["id"] == identity)


@pytest.mark.clause("EHDS 4(2)")
@pytest.mark.parametrize("ended_by", ["the represented", "the holder", "staff after a dispute"])
async def test_a_link_made_under_a_power_ends_with_it(node, ask, ana, viewer, ended_by):
    number = await appoint_eva(ask)
    identity, link = await evas_link(ask)
    _, own = await make_link(ask)
    (file,) = (await viewer(link, embeddedLengthMax=10)).json()["files"]
    assert (await ask("POST", f"/proxies/{number}/dispute", Role.CITIZEN)).status_code == 200
    assert (await viewer(link)).status_code == 404  # suspended
    assert (await viewer.client.get(file["location"])).status_code == 404
    assert not await is_good(ask, identity)
    settle = f"/proxies/{number}/settle"
    if ended_by == "staff after a dispute":
        await ask("POST", settle, Role.DESK, {"stands": False})
    else:
        await ask("POST", settle, Role.DESK, {"stands": True})
        assert (await viewer(link)).status_code == 200
        assert await is_good(ask, identity)
        who = EVA if ended_by == "the holder" else {}
        assert (await ask("DELETE", f"/proxies/{number}", Role.CITIZEN, **who)).status_code == 200
    assert (await viewer(link)).status_code == 404
    assert not await is_good(ask, identity)
    assert (await viewer(own)).status_code == 200
    assert [leaf.patient for leaf in await leaves(node) if leaf.what == f"health-link/{identity} ended"] == [
        "ana"
    ]
    async with node.services.database.system() as connection:
        assert await connection.fetchval("SELECT content FROM health_link WHERE id = $1", identity) is None
    await appoint_eva(ask)  # a power given later revives nothing
    assert (await viewer(link)).status_code == 404


async def test_a_link_stands_while_another_power_of_its_maker_does(ask, ana, viewer, clock):
    first = await appoint_eva(ask)
    second = await appoint_eva(ask, ends_at="2026-12-01T00:00:00Z")
    _, link = await evas_link(ask)
    assert (await ask("DELETE", f"/proxies/{first}", Role.CITIZEN)).status_code == 200
    assert (await viewer(link)).status_code == 200
    assert (await ask("DELETE", f"/proxies/{second}", Role.CITIZEN)).status_code == 200
    assert (await viewer(link)).status_code == 404


@pytest.mark.clause("EHDS 4(2)")
async def test_a_parents_link_ends_when_the_child_is_of_age(node, ask, ana, viewer, clock):
    child = {"resourceType": "Patient", "id": "kim", "birthDate": "2008-12-01"}
    await ask("PUT", "/fhir/Patient/kim", Role.OPERATOR, child)
    asked = {"patient": "kim", "holder": "eva", "name": "Eva", "kind": "parent", "proof": "certificate"}
    await empower(ask, asked)
    wish = {"content": "record", "hours": 24 * 30}
    as_parent = {"subject": "eva", "patient": "kim"}
    made = (await ask("POST", "/rights/links", Role.PROXY, wish, **as_parent)).json()
    link = read_link(made["link"])
    clock.now = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    assert (await viewer(link)).status_code == 200
    clock.now = datetime(2026, 12, 1, 0, 0, tzinfo=UTC)
    assert (await viewer(link)).status_code == 404
    await health_links.forget_links(node.services.database, clock.now)
    async with node.services.database.system() as connection:
        row = await connection.fetchrow("SELECT content, ended_at FROM health_link WHERE id = $1", made["id"])
    assert (row["content"], row["ended_at"]) == (None, clock.now)


async def test_a_link_that_has_ended_looks_like_one_that_never_was(ask, ana, viewer, clock):
    never = await viewer({"url": "http://node.test/health-links/" + "x" * 43})
    identity, taken_back = await make_link(ask)
    assert (await ask("DELETE", f"/rights/links/{identity}", Role.CITIZEN)).status_code == 200
    _, once = await make_link(ask, openings_max=1)
    opened(await viewer(once), once)
    _, old = await make_link(ask, hours=1)
    clock.now += timedelta(hours=1)
    assert never.status_code == 404
    for link in (taken_back, once, old):
        answer = await viewer(link)
        assert (answer.status_code, answer.json()) == (404, never.json())


async def test_manifests_are_asked_for_by_post_with_a_name(ask, ana, viewer):
    _, link = await make_link(ask)
    assert (await viewer.client.get(link["url"])).status_code == 405
    assert (await viewer.client.post(link["url"], json={})).status_code == 400
    assert (await viewer(link, recipient=" ")).status_code == 400
    asked = await viewer.client.options(link["url"], headers={"origin": "https://viewer.example"})
    assert asked.headers["access-control-allow-origin"] == "*"


async def test_a_link_is_made_and_shown_once_on_the_page_and_ended_there(citizen, ana, viewer):
    visitor = citizen("ana")
    await visitor.get("/my-rights/links?language=en")
    short = await visitor.post(
        "/my-rights/links", content="summary", passcode="123", hours="24", openings="1"
    )
    assert short.status_code == 400
    made = await visitor.post("/my-rights/links", content="summary", label="<b>x", hours="24", openings="5")
    assert "<svg" in made.text
    assert "<b>x" not in made.text
    text = re.search(r"shlink:/[A-Za-z0-9_-]+", made.text).group(0)
    link = read_link(text)
    opened(await viewer(link), link)
    again = await visitor.get("/my-rights/links?language=en")
    assert text not in again.text
    assert "Dr. Abroad" in again.text
    address = re.search(r"/my-rights/links/[A-Za-z0-9-]+/end", again.text).group(0)
    assert "Ended" in (await visitor.post(address)).text
    assert (await viewer(link)).status_code == 404


WRONG = "I never had this illness; it was ruled out."


async def ask_correction(ask, entry="Condition/c1", role=Role.CITIZEN, **more):
    answer = await ask("POST", "/rights/rectifications", role, {"entry": entry, "said": WRONG, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def respond(ask, identity, role=Role.OPERATOR, **said):
    body = {"said": "The ward looked at it again.", **said}
    return await ask("POST", f"/rights/requests/{identity}/answer", role, body)


@pytest.mark.clause("GDPR 16 and 12(3), EHDS 6")
async def test_a_correction_is_asked_for_made_by_its_author_and_answered_with_the_version(
    node, ask, ana, clock
):
    asked = await ask_correction(ask)
    assert (asked["version"], asked["state"], asked["due_at"][:10]) == (1, "open", "2026-12-24")
    (waits,) = (await ask("GET", "/rights/requests", Role.OPERATOR)).json()["requests"]
    assert (waits["id"], waits["said"], waits["overdue"]) == (asked["id"], WRONG, False)
    early = await respond(ask, asked["id"], state="accepted", version=2)
    assert (early.status_code, "newest is 1" in early.text) == (409, True)
    right = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/ana"},
        "code": {"text": "none"},
    }
    assert (await ask("PUT", "/fhir/Condition/c1", Role.OPERATOR, right)).status_code == 200
    assert (await respond(ask, asked["id"], state="accepted", version=1)).status_code == 409
    done = await respond(ask, asked["id"], state="accepted", version=2)
    assert done.status_code == 200, done.text
    assert [step["state"] for step in done.json()["history"]] == ["open", "accepted"]
    assert done.json()["history"][1]["corrected"] == "Condition/c1/_history/2"
    assert (await respond(ask, asked["id"], state="refused")).status_code == 409
    assert (await ask("GET", "/rights/requests", Role.OPERATOR)).json() == {"requests": []}
    news = (await ask("GET", "/notices", Role.CITIZEN)).json()["notices"]
    assert [each["kind"] for each in news] == ["rectification-answered"]
    steps = [
        leaf.what.rpartition(" ")[2] for leaf in await leaves(node) if leaf.what.startswith("rectification/")
    ]
    assert [step for step in steps if step in ("open", "accepted")] == ["open", "accepted"]


async def test_a_refusal_has_reasons_and_says_where_to_complain_and_a_month_is_extended_once(ask, ana, clock):
    asked = await ask_correction(ask)
    assert (await respond(ask, asked["id"], state="refused", said="no")).status_code == 400
    longer = (await respond(ask, asked["id"], state="extended")).json()
    assert longer["due_at"][:10] == "2027-02-24"
    assert (await respond(ask, asked["id"], state="extended")).status_code == 409
    clock.now = datetime(2027, 2, 25, tzinfo=UTC)
    (late,) = (await ask("GET", "/rights/requests", Role.OPERATOR)).json()["requests"]
    assert late["overdue"]
    refused = (await respond(ask, asked["id"], state="refused")).json()
    assert refused["complain_to"][0]["address"] == "https://www.cnil.fr"
    (own,) = (await ask("GET", "/rights/rectifications", Role.CITIZEN)).json()["rectifications"]
    assert own["history"][-1]["said"] == "The ward looked at it again."


async def test_what_is_not_mine_undoes_the_merge_that_brought_it(node, ask, ana, folder, clock, viewer):
    await put(ask, "Condition", "hers", patient="rui", code={"text": "of Rui"})
    _, before = await make_link(ask, content="record")
    clock.now += timedelta(minutes=1)
    operator = operator_of(node.services)
    async with enter(
        node.services.gatehouse, operator, AccessRequest(Action.UPDATE, "Patient", "merge")
    ) as access:
        await persons.merge(access.grant, node.services.database, "ana", "rui", key=node.services.keys.search)
    forget(node.services.database)
    files = unpacked(await ask("GET", "/rights/archive", Role.CITIZEN))
    assert json.loads(files["manifest.json"])["patients"] == ["ana", "rui"]
    assert b"of Rui" in files["fhir/Condition.ndjson"]
    identity, link = await make_link(ask, content="record")
    assert "of Rui" in json.dumps(opened(await viewer(link), link))
    (file,) = (await viewer(link, embeddedLengthMax=10)).json()["files"]

    asked = await ask_correction(ask, "Condition/hers", kind="not-mine")
    assert asked["other"] == "rui"
    done = await respond(ask, asked["id"], state="accepted", unmerge=True)
    assert done.status_code == 200, done.text
    files = unpacked(await ask("GET", "/rights/archive", Role.CITIZEN))
    assert json.loads(files["manifest.json"])["patients"] == ["ana"]
    assert b"of Rui" not in files["fhir/Condition.ndjson"]
    assert (await viewer(link)).status_code == 404
    assert (await viewer.client.get(file["location"])).status_code == 404
    good = {
        each["id"]: each["good"] for each in (await ask("GET", "/rights/links", Role.CITIZEN)).json()["links"]
    }
    assert (good.pop(identity), list(good.values())) == (False, [True])
    assert "of Rui" not in json.dumps(opened(await viewer(before), before))
    ended = [leaf.patient for leaf in await leaves(node) if leaf.what == f"health-link/{identity} ended"]
    assert ended == ["ana"]


async def test_a_correction_is_asked_for_and_answered_on_pages(citizen, visit, ana):
    visitor = citizen("ana")
    page = await visitor.get("/record/problems?language=en")
    assert "/my-rights/requests?language=en&amp;entry=Condition/c1" in page.text
    await visitor.get("/my-rights/requests?language=en&entry=Condition/c1")
    short = await visitor.post("/my-rights/requests", entry="Condition/c1", kind="entry", said="no")
    assert short.status_code == 400
    sent = await visitor.post("/my-rights/requests", entry="Condition/c1", kind="entry", said=f"<b>{WRONG}")
    assert "Waits for an answer" in sent.text
    assert "<b>" not in sent.text
    staff = visit(Role.OPERATOR, subject="operator", name="Operator", purpose=Purpose.OPERATIONS)
    waits = await staff.get("/requests?language=en")
    assert WRONG in waits.text
    address = re.search(r'action="(/requests/[^"]+)"', waits.text).group(1)
    assert (await staff.post(address, state="maybe", said="x")).status_code == 400
    done = await staff.post(address, state="refused", said="The diagnosis was confirmed twice.")
    assert "No requests" in done.text
    told = await visitor.get("/my-rights/requests?language=en")
    assert "The diagnosis was confirmed twice." in told.text
    assert "https://www.cnil.fr" in told.text
    assert (await visitor.get("/requests?language=en")).status_code == 403


@pytest.mark.clause("GDPR 15(1)(c), EHDS 21")
async def test_who_got_something_is_listed_by_organisation_and_where_to_complain(citizen, ask, ana, viewer):
    assert (await ask("GET", "/fhir/Condition/c1")).status_code == 200
    assert (await ask("GET", "/fhir/Condition?patient=ana")).status_code == 200
    _, link = await make_link(ask)
    opened(await viewer(link), link)
    told = (await ask("GET", "/rights/recipients", Role.CITIZEN)).json()
    rows = {each["organisation"] or each["name"]: each for each in told["recipients"]}
    assert rows["Tartu Hospital"]["country"] == "FR"
    assert rows["Tartu Hospital"]["accesses"] >= 2
    assert rows["Dr. Abroad"]["accesses"] == 1
    other = (
        await ask("GET", "/rights/recipients?patient=ana", Role.CITIZEN, subject="eva", patient="eva")
    ).json()
    assert "Dr. Abroad" not in json.dumps(other)
    assert (await ask("GET", "/rights/recipients?patient=ana", Role.CLINICIAN)).status_code in (403, 404)
    where = (await ask("GET", "/rights/complaint", Role.CITIZEN)).json()
    assert where["authorities"][0]["address"] == "https://www.cnil.fr"
    page = await citizen("ana").get("/my-rights/recipients?language=en")
    assert "Tartu Hospital" in page.text
    assert "https://www.cnil.fr" in (await citizen("ana").get("/my-rights?language=en")).text


@pytest.fixture
def clerk(visit):
    return visit(Role.DESK, subject="desk", name="Kim Clerk", purpose=Purpose.PATIENT_REQUEST)


@pytest.fixture
async def rita(ask):
    number = [{"system": "urn:oid:1.3.6.1.4.1.28284.6.2.2.1", "value": "38001085718"}]
    body = {"resourceType": "Patient", "id": "rita", "birthDate": "1940-05-01", "identifier": number}
    assert (
        await ask("PUT", "/fhir/Patient/rita", Role.OPERATOR, body | {"name": [{"text": "Rita"}]})
    ).is_success
    return number[0]["value"]


@pytest.mark.clause("EHDS 4(4)")
async def test_somebody_without_an_eid_is_helped_at_a_desk_and_each_step_says_so(node, clerk, ana, rita):
    for path in ("/record", "/my-rights", "/accesses", "/my-rights/links"):
        assert (await clerk.get(f"{path}?language=en")).url.path == "/desk", path
    found = await clerk.post("/desk", identifier=f"urn:oid:1.3.6.1.4.1.28284.6.2.2.1|{rita}")
    assert "Rita" in found.text
    assert (await clerk.post("/desk", patient="rita")).status_code == 400
    await clerk.get("/desk?language=en")
    begun = await clerk.post("/desk", patient="rita", proof="passport", number="AB 12345")
    assert (begun.url.path, "You help somebody" in begun.text) == ("/my-rights", True)
    for path in (
        "/record",
        "/record/summary",
        "/record/problems",
        "/accesses",
        "/my-rights/links",
        "/my-rights/recipients",
    ):
        page = await clerk.get(f"{path}?language=en")
        assert (page.status_code, page.url.path) == (200, path)
    await clerk.get("/my-rights?language=en")
    files = unpacked(await clerk.post("/my-rights/archive"))
    assert json.loads(files["manifest.json"])["patients"] == ["rita"]
    await clerk.get("/my-rights?language=en")
    session = clerk.client.cookies.get(SESSION, domain="node.test")
    assert (await clerk.post("/desk/end")).url.path == "/desk"
    assert (await clerk.get("/record?language=en")).url.path == "/desk"
    clerk.client.cookies.clear()
    clerk.client.cookies.set(SESSION, session)
    assert "/login" in (await clerk.get("/my-rights")).url.path

    told = [leaf for leaf in await leaves(node) if leaf.subject == "desk" and leaf.patient == "rita"]
    assert {leaf.marks for leaf in told} == {("assisted",)}
    steps = [leaf.what for leaf in told if leaf.what.startswith("assistance")]
    assert steps == ["assistance begun, passport", "assistance ended"]


async def test_nobody_but_a_desk_assists(visit, citizen, ana):
    for visitor in (citizen("ana"), visit(Role.CLINICIAN), visit(Role.AUDITOR, purpose=Purpose.OPERATIONS)):
        assert (await visitor.get("/desk?language=en")).status_code == 403


async def test_who_has_died_is_not_assisted_an_executor_acts_for_them(clerk, ask, ana):
    died = {"resourceType": "Patient", "id": "rui", "birthDate": "1980-02-02", "deceasedBoolean": True}
    assert (
        await ask("PUT", "/fhir/Patient/rui", Role.OPERATOR, died | {"name": [{"family": "rui"}]})
    ).is_success
    await clerk.get("/desk?language=en")
    refused = await clerk.post("/desk", patient="rui", proof="passport", number="AB 12345")
    assert (refused.status_code, "executor" in refused.text) == (403, True)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_desk_speaks_the_languages(clerk, ana, language):
    page = await clerk.get(f"/desk?language={language}")
    assert (page.status_code, f'<html lang="{language}">' in page.text) == (200, True)


async def test_a_record_of_several_pages_is_whole_and_each_leaf_comes_before_its_page(node, ask, ana, as_ana):
    entries = [
        {
            "resource": {
                "resourceType": "Observation", "id": f"o{number}", "status": "final",
                "code": {"text": f"o{number}"}, "subject": {"reference": "Patient/ana"},
            },
            "request": {"method": "PUT", "url": f"Observation/o{number}"},
        }
        for number in range(450)
    ]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    assert (await ask("POST", "/fhir", Role.OPERATOR, bundle)).status_code == 200
    answer = await archive(node.services, as_ana, "en")
    sent, counts = b"", []

    async def send(message):
        nonlocal sent
        sent += message.get("body", b"")
        counts.append(sum(one.resources for one in await leaves(node) if one.what == "record archive"))

    await answer({"method": "GET"}, None, send)
    assert counts[0] == 200
    assert counts[-1] == 453
    assert counts == sorted(counts)
    files = zipfile.ZipFile(io.BytesIO(sent))
    lines = files.read("fhir/Observation.ndjson").splitlines()
    assert len(lines) == 450
    assert {json.loads(line)["id"] for line in lines} == {f"o{number}" for number in range(450)}
    assert len(json.loads(files.read("fhir/bundle.json"))["entry"]) == 453
    assert len(re.findall('<tr><th scope="row">o[0-9]', files.read("record.html").decode())) == 450


async def test_a_reader_who_goes_away_ends_the_work_and_that_is_written_down(node, ana, as_ana):
    answer = await archive(node.services, as_ana, "en")

    async def send(message):
        if message["type"] == "http.response.body":
            raise OSError

    with pytest.raises(OSError):
        await answer({"method": "GET"}, None, send)
    ended = []
    while len(ended) < 2:  # nobody waits for what the journal was given
        ended = [leaf.outcome for leaf in await leaves(node) if leaf.what == "record archive"]
    assert ended == ["served", "failed"]


async def test_an_app_gets_no_more_than_its_scopes(ask, ana):
    scoped = {"scopes": ("patient/Observation.rs", "patient/Patient.rs"), "app": "fitness"}
    answer = await ask("GET", "/rights/archive", Role.CITIZEN, **scoped)
    assert answer.status_code in (403, 404) or b"condition c1" not in b"".join(unpacked(answer).values())
    assert (await ask("POST", "/rights/links", Role.CITIZEN, {}, **scoped)).status_code == 403


async def test_the_examples_of_the_documentation_work(ask, ana):
    text = (Path(__file__).parents[2] / "docs" / "rights.md").read_text()
    examples = re.findall(r"```\n(POST) (\S+)\n(\{.*?\})\n```", text, flags=re.DOTALL)
    assert {path for _, path, _ in examples} == {"/rights/links", "/rights/rectifications"}
    for method, path, body in examples:
        assert (await ask(method, path, Role.CITIZEN, json.loads(body))).status_code == 201, path


@pytest.mark.clause("GDPR 15 and 20, EHDS 3")
async def test_what_cannot_be_made_is_named_and_the_archive_is_whole(ask, ana, letter, monkeypatch, caplog):
    def broken(*_arguments, **_more):
        raise AttributeError(f"'str' object has no attribute 'get': {HOSTILE}")

    monkeypatch.setattr("salus.web.rights.readable.read_document", broken)
    monkeypatch.setattr("salus.web.rights.readable.read_entry", broken)
    monkeypatch.setattr("salus.web.fhir.composing.kind_about", broken)
    files = unpacked(await ask("GET", "/rights/archive", Role.CITIZEN))
    manifest = json.loads(files["manifest.json"])
    assert {each["path"] for each in manifest["files"]} == set(files) - {"manifest.json"}
    left_out = {each["path"] for each in manifest["left_out"]}
    assert {"patient-summary.html", "record.html#Condition/c1", "record.html#Condition/c2"} <= left_out
    assert {"european/00000-Condition-c1.json", "european/00000-Condition-c2.json"} <= left_out
    assert files["documents/00001-letter.pdf"] == letter
    assert "c1" in files["fhir/Condition.ndjson"].decode()
    assert all("rest is whole" in each["why"] for each in manifest["left_out"])
    assert HOSTILE not in caplog.text


async def test_the_archive_holds_a_fhir_document_as_a_page_to_read_too(node, ask, grant, ana):
    told = '<div xmlns="http://www.w3.org/1999/xhtml"><p>Home on day five.</p><script>x()</script></div>'
    section = {"title": "Course", "text": {"status": "additional", "div": told}}
    composition = {"resourceType": "Composition", "title": "Carta de <alta>", "section": [section]}
    content = json.dumps(
        {"resourceType": "Bundle", "type": "document", "entry": [{"resource": composition}]}
    ).encode()
    digest = hashlib.sha256(content).digest()
    document = Document("ana", "l1", "d1", "application/fhir+json", digest, NOW, "urn:x", (), content)
    async with node.services.database.writing(grant("ana")) as connection:
        await keep(grant("ana"), connection, document)
    attachment = {"attachment": {"url": "Binary/l1"}}
    described = {
        "resourceType": "DocumentReference",
        "id": "d1",
        "status": "current",
        "content": [attachment],
    }
    described |= {"subject": {"reference": "Patient/ana"}, "content": [attachment]}
    assert (await ask("PUT", "/fhir/DocumentReference/d1", Role.OPERATOR, described)).is_success
    files = unpacked(await ask("GET", "/rights/archive", Role.CITIZEN))
    assert files["documents/00001-l1.json"] == content
    page = files["documents/00001-l1.html"].decode()
    assert "Carta de &lt;alta&gt;" in page
    assert "Home on day five." in page
    assert "<script" not in page
    for path in ("documents/00001-l1.pdf", "patient-summary.pdf"):
        assert files[path].startswith(b"%PDF-")
    assert "<!DOCTYPE html>" in files["patient-summary.html"].decode()
