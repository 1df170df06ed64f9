"""The rights of a person as they are used: by API and on pages."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from tests.flow.test_portal_standing import Visitor, citizen, visit
from tests.flow.test_standing import Hand, ana, ask, clock, country, folder, leaves, node

from salus.core.access import Role
from salus.store.documents import Document, keep
from salus.web.portal.words import LANGUAGES

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
async def letter(node, grant, ana):
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
    assert {each["resource"]["id"] for each in bundle["entry"]} == {"ana", "c1", "c2", "c3"}
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
    assert sum(leaf.resources for leaf in served) == 5


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.AUDITOR])
async def test_nobody_else_takes_a_record_along(ask, ana, role):
    answer = await ask("GET", "/rights/archive?patient=ana", role)
    assert answer.status_code in (403, 404)
    assert answer.headers["content-type"] != "application/zip"


async def test_a_citizen_who_names_another_gets_their_own(ask, ana):
    files = unpacked(await ask("GET", "/rights/archive?patient=rui", Role.CITIZEN))
    assert json.loads(files["manifest.json"])["patients"] == ["ana"]


async def test_staff_at_a_desk_take_it_for_whom_they_name_and_that_is_marked(node, ask, ana):
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


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_pages_speak_the_languages(citizen, ana, language):
    visitor = citizen("ana")
    for path in ("/my-rights",):
        page = await visitor.get(f"{path}?language={language}")
        assert page.status_code == 200
        assert f'<html lang="{language}">' in page.text
