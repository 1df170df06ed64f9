"""A complaint is written down with a number, and comes with its evidence (EHDS 21)."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile

import pytest
from tests.flow.assisting import assist
from tests.flow.test_erasure import erased
from tests.flow.test_portal_standing import citizen, visit
from tests.flow.test_standing import ana, ask, clock, country, folder, leaves, node

from salus.core.access import Purpose, Role
from salus.store.complaints import A_DAY_MAX
from salus.web.portal.words import LANGUAGES

__all__ = ["ana", "ask", "citizen", "clock", "country", "folder", "node", "visit"]
SAID = "Somebody looked at my record who does not treat me."


async def written(node):
    await node.services.database.bring_in()
    return await leaves(node)


async def complain(ask, role=Role.CITIZEN, path="/rights/complaint", **body):
    return await ask("POST", path, role, {"said": SAID, **body})


def unpacked(answer):
    assert answer.status_code == 200, answer.text
    opened = zipfile.ZipFile(io.BytesIO(answer.content))
    return {name: opened.read(name) for name in opened.namelist()}


@pytest.mark.clause("EHDS 21, GDPR 77")
async def test_a_complaint_about_an_access_has_a_number_a_leaf_and_its_evidence(node, ask, ana):
    assert (await ask("GET", "/fhir/Condition/c1")).status_code == 200
    look = next(each for each in await written(node) if each.what == "Condition/c1" and each.subject == "s-1")
    made = await complain(ask, kind="access", about=look.request)
    assert made.status_code == 201, made.text
    kept = made.json()
    assert (kept["about"], kept["said"], kept["kind"]) == (look.request, SAID, "access")
    assert kept["authorities"]
    listed = (await ask("GET", "/rights/complaints", Role.CITIZEN)).json()["complaints"]
    assert [each["number"] for each in listed] == [kept["number"]]
    files = unpacked(await ask("GET", kept["evidence"], Role.CITIZEN))
    manifest = json.loads(files["manifest.json"])
    assert (manifest["complaint"], manifest["left_out"]) == (kept["number"], [])
    for each in manifest["files"]:
        assert each["sha256"] == hashlib.sha256(files[each["path"]]).hexdigest()
    assert json.loads(files["complaint.json"])["said"] == SAID
    assert json.loads(files["access-report.json"])["format"] == "salus-access-report/1"
    recipients = json.loads(files["recipients.json"])["recipients"]
    assert "Tartu Hospital" in [each["organisation"] for each in recipients]
    assert json.loads(files["rectifications.json"]) == []
    told = [leaf for leaf in await written(node) if leaf.what.startswith(f"complaint/{kept['number']}")]
    assert [(leaf.patient, leaf.outcome) for leaf in told] == [("ana", "served")] * 2


@pytest.mark.clause("EHDS 21")
async def test_what_it_is_about_is_of_the_person_and_said_in_words(node, ask, ana):
    assert (await ask("GET", "/fhir/Patient/rui")).status_code == 200
    of_rui = next(each for each in await written(node) if each.patient == "rui" and each.subject == "s-1")
    for about in (of_rui.request, "nothing"):
        assert (await complain(ask, kind="access", about=about)).status_code == 404
    assert (await complain(ask, kind="access")).status_code == 400
    assert (await complain(ask, kind="other", about="x")).status_code == 400
    assert (await complain(ask, kind="organisation", about="Tartu\nHospital")).status_code == 400
    assert (await complain(ask, said="no")).status_code == 400
    assert (await complain(ask, kind="organisation", about="Tartu Hospital")).status_code == 201


@pytest.mark.clause("EHDS 21")
async def test_complaints_are_the_persons_own_and_the_auditors_to_see(ask, ana):
    number = (await complain(ask)).json()["number"]
    rui = {"subject": "rui", "patient": "rui"}
    assert (await ask("GET", "/rights/complaints", Role.CITIZEN, **rui)).json() == {"complaints": []}
    path = f"/rights/complaints/{number}/evidence"
    assert (await ask("GET", path, Role.CITIZEN, **rui)).status_code == 404
    assert (await ask("GET", "/rights/complaints/x/evidence", Role.CITIZEN)).status_code == 404
    seen = (await ask("GET", "/rights/complaint-list", Role.AUDITOR)).json()["complaints"]
    assert [(each["number"], each["patient"], each["said"]) for each in seen] == [(number, "ana", SAID)]
    for role in (Role.CITIZEN, Role.CLINICIAN, Role.OPERATOR, Role.DESK, Role.PROXY):
        assert (await ask("GET", "/rights/complaint-list", role)).status_code in (403, 404)
    for role in (Role.CLINICIAN, Role.OPERATOR, Role.AUDITOR):
        assert (await complain(ask, role)).status_code == 403


@pytest.mark.clause("EHDS 4(4) and 21")
async def test_a_desk_writes_it_for_whom_it_helps(node, ask, ana):
    await assist(ask, "ana")
    made = await complain(ask, Role.DESK, "/rights/complaint?patient=ana")
    assert (made.status_code, made.json()["patient"], made.json()["by"]) == (201, "ana", "Desk")
    files = unpacked(await ask("GET", f"{made.json()['evidence']}?patient=ana", Role.DESK))
    assert "recipients.json" in files
    (left,) = json.loads(files["manifest.json"])["left_out"]
    assert left["path"] == "access-report.json"
    leaf = next(each for each in await written(node) if each.what == f"complaint/{made.json()['number']}")
    assert leaf.marks == ("assisted",)


async def test_so_many_in_a_day(ask, ana):
    for _ in range(A_DAY_MAX):
        assert (await complain(ask)).status_code == 201
    assert (await complain(ask)).status_code == 429


async def test_complaints_are_erased_with_the_person_and_kept_under_the_second_wall(node, ask, ana, grant):
    await complain(ask)
    async with node.services.database.reading(grant("rui", role=Role.CITIZEN)) as connection:
        assert await connection.fetchval("SELECT count(*) FROM complaint") == 0
    await erased(ask)
    async with node.services.database.system() as connection:
        assert await connection.fetchval("SELECT count(*) FROM complaint") == 0


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_pages_take_a_complaint_and_show_the_auditor(citizen, visit, ana, language):
    person = citizen("ana")
    lines = await person.get(f"/accesses?all=yes&language={language}")
    link = re.search(r'href="(/my-rights/complaints\?[^"]*access=([^"&]+))"', lines.text)
    page = await person.get(link[1].replace("&amp;", "&"))
    assert f'value="{link[2]}"' in page.text
    assert (page.status_code, f'<html lang="{language}">' in page.text) == (200, True)
    short = await person.post("/my-rights/complaints", said="no", kind="other", about="", language=language)
    assert short.status_code == 400
    await person.get(f"/my-rights/complaints?language={language}")
    sent = await person.post(
        "/my-rights/complaints", said=f"<b>{SAID}</b>", kind="organisation", about="Clinic", language=language
    )
    assert ("&lt;b&gt;" in sent.text, "<b>" in sent.text) == (True, False)
    files = unpacked(await person.get("/my-rights/complaints/1/evidence"))
    assert "access-report.json" in files
    auditor = visit(Role.AUDITOR, subject="auditor", name="Auditor", purpose=Purpose.OPERATIONS)
    listed = await auditor.get(f"/complaints?language={language}")
    assert (listed.status_code, "Clinic" in listed.text) == (200, True)
    assert (await person.get("/complaints")).status_code == 403
