"""The pages by which one breaks the glass, looks at it again, opts out, makes a code, reads notices, acts."""

from __future__ import annotations

import re

import httpx
import pytest
from tests.flow.test_standing import NOW, REASON, Hand, ana, ask, clock, country, folder, node

from salus.core.access import Purpose, Role
from salus.trust.tokens import issue
from salus.web.portal.session import SESSION, open_sessions
from salus.web.portal.words import LANGUAGES

__all__ = ["NOW", "Hand", "ana", "ask", "clock", "country", "folder", "node"]
SNS = "urn:oid:1.3.6.1.4.1.28284.6.2.2.1"


class Visitor:
    """A browser with a session."""

    def __init__(self, client):
        self.client = client
        self.page = None

    async def get(self, path):
        self.page = await self.client.get(path)
        return self.page

    async def post(self, path, **form):
        csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', self.page.text).group(1)
        self.page = await self.client.post(path, data={"csrf": csrf, "language": "en", **form})
        return self.page


@pytest.fixture
async def visit(node, caller):
    opened = []

    def visit(role, **fields):
        services = node.services
        who = caller(role, **fields)
        token = issue(services.keys.token, who, open_sessions(services).terms, now=services.clock())
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(node.application), base_url="http://node.test",
            cookies={SESSION: token}, follow_redirects=True,
        )  # fmt: skip
        opened.append(client)
        return Visitor(client)

    yield visit
    for client in opened:
        await client.aclose()


@pytest.fixture
def citizen(visit):
    return lambda name: visit(
        Role.CITIZEN, subject=name, name=name.title(), patient=name, purpose=Purpose.PATIENT_REQUEST
    )


@pytest.fixture
async def kati(ask, ana):
    number = [{"system": SNS, "value": "38001085718"}]
    body = {"resourceType": "Patient", "id": "kati", "birthDate": "1980-01-08", "identifier": number}
    await ask("PUT", "/fhir/Patient/kati", Role.OPERATOR, body | {"name": [{"family": "Kask"}]})


@pytest.mark.clause("EHDS 11(5)")
async def test_the_button_is_on_every_page_of_a_patient_and_the_auditor_looks_again(
    visit, citizen, kati, clock
):
    mari = visit(Role.CLINICIAN, subject="s-1", name="Mari Tamm")
    await mari.get("/patient?language=en")
    find = {"country": "fr-1", "identifier": f"{SNS}|38001085718", "present": "yes"}
    without = await mari.post("/patient", purpose="ETREAT", **find)
    assert (without.status_code, "why it cannot wait" in without.text) == (422, True)
    chart = await mari.post("/patient", purpose="TREAT", **find)
    assert chart.url.path == "/patient/fr-1/kati"
    for path in ("", "/summary", "/documents"):
        page = await mari.get(f"/patient/fr-1/kati{path}?language=en")
        assert 'action="/patient/fr-1/kati/emergency"' in page.text, path
    assert (await mari.post("/patient/fr-1/kati/emergency", reason=" ")).status_code == 400
    await mari.get("/patient/fr-1/kati?language=en")
    opened = await mari.post("/patient/fr-1/kati/emergency", reason=REASON)
    assert re.search(r"Emergency access until 24 November 2026\D{1,5}10:00", opened.text)
    assert 'action="/patient/fr-1/kati/emergency"' not in opened.text

    told = await citizen("kati").get("/told?language=en")
    assert REASON in told.text
    assert "Mari Tamm" in told.text

    log = await citizen("kati").get("/accesses?language=en")
    assert "opened your record in an emergency" in log.text
    assert '<span class="word warn small">emergency</span>' in log.text

    auditor = visit(Role.AUDITOR, subject="auditor", name="Auditor", purpose=Purpose.OPERATIONS)
    waits = await auditor.get("/reviews?language=en")
    assert REASON in waits.text
    number = re.search(r'name="id" value="([a-z0-9]+)"', waits.text).group(1)
    wrong = await auditor.post("/reviews", id=number, verdict="justified", note=" ")
    assert wrong.status_code == 400
    assert "what you found" in wrong.text
    done = await auditor.post("/reviews", id=number, verdict="unjustified", note="nobody knew her")
    assert "None waits" in done.text
    over = await mari.get("/patient/fr-1/kati?language=en")
    assert (over.status_code, "Emergency access until" in over.text) == (200, False)
    assert 'action="/patient/fr-1/kati/emergency"' in over.text
    told = await citizen("kati").get("/told?language=en")
    assert "An emergency access to your record was found not justified" in told.text
    log = await citizen("kati").get("/accesses?language=en")
    assert "found an emergency access to your record not justified" in log.text
    assert (await mari.get("/reviews")).status_code == 403


async def test_an_emergency_may_be_said_when_the_patient_is_looked_up_and_ends(visit, kati, clock):
    mari = visit(Role.CLINICIAN, subject="s-1", name="Mari Tamm")
    await mari.get("/patient?language=en")
    find = {"country": "fr-1", "identifier": f"{SNS}|38001085718", "purpose": "ETREAT", "reason": REASON}
    page = await mari.post("/patient", **find)
    assert "Emergency access until" in page.text


@pytest.mark.clause("EHDS 10")
async def test_the_risk_is_shown_before_one_opts_out_and_the_way_back_is_there(citizen, ana):
    ana = citizen("ana")
    await ana.get("/choices?language=en")
    risk = await ana.post("/choices/opt-out/exchange", change="opt-out")
    assert "allergy" in risk.text
    assert "closed in an emergency too" in risk.text
    assert "have not opted out" in (await ana.get("/choices?language=en")).text
    out = await ana.post("/choices/opt-out/exchange", change="opt-out", confirmed="yes")
    assert "You have opted out" in out.text
    back = await ana.post("/choices/opt-out/exchange", change="take-back")
    assert re.search(r"<summary>History</summary><ul><li>[^<]+You have not opted out", back.text)
    assert (await ana.post("/choices/opt-out/nothing", change="opt-out")).status_code == 404
    quiet = await ana.post("/choices/channel", quiet="yes")
    assert '<span class="word">Quiet channel' in quiet.text
    every = await ana.post("/choices/channel", every="yes")
    assert '<span class="word">You are told of every access' in every.text
    assert '<span class="word">Quiet channel' in every.text
    letter = await ana.post("/choices/way", channel="letter", quiet="yes")
    assert '<span class="word">By a letter on paper' in letter.text
    assert re.search(r'name="quiet" value="yes" checked', letter.text)
    assert (await ana.post("/choices/way", channel="mail", address="a@b.org")).status_code == 400
    none = await ana.post("/choices/way", channel="none")
    assert '<span class="word">No message' in none.text


async def test_one_appoints_another_by_a_code_who_acts_and_is_marked_as_acting(citizen, ana):
    eva, ana = citizen("eva"), citizen("ana")
    await eva.get("/choices?language=en")
    code = re.search(r'class="code">([0-9A-Z ]+)<', (await eva.post("/choices/code")).text).group(1)
    await ana.get("/acting?language=en")
    wrong = await ana.post("/acting", code="AAAA AAAA", name="Eva", kind="carer")
    assert wrong.status_code == 404
    made = await ana.post("/acting", code=code, name="Eva, my sister", kind="carer")
    assert "Eva, my sister" in made.text
    held = await eva.get("/acting?language=en")
    assert "for the record <strong>ana</strong>" in held.text
    number = re.search(r'action="/acting/([a-z0-9]+)/act"', held.text).group(1)
    record = await eva.post(f"/acting/{number}/act")
    assert record.url.path == "/record"
    assert "You act for somebody else" in record.text
    category = await eva.get("/record/problems?language=en")
    assert category.status_code == 200
    assert "condition c1" in category.text
    assert "/record/restrict" in category.text
    for path in ("/record", "/told", "/my-rights/recipients", "/apps"):
        page = await eva.get(f"{path}?language=en")
        links = set(re.findall(r'href="(/[^"?]*)\?', page.text))
        assert {"/my-rights/recipients", "/apps"} <= links
        answers = {link: (await eva.get(f"{link}?language=en")).status_code for link in links}
        assert set(answers.values()) == {200}, answers
    assert (await eva.get("/acting?language=en")).status_code == 403
    assert (await eva.get("/accesses?language=en")).status_code == 403
    await ana.get("/acting?language=en")
    await ana.post(f"/acting/{number}/end")
    assert (await eva.get("/record?language=en")).status_code == 404


@pytest.mark.clause("EHDS 4(2)")
async def test_staff_confirm_a_parent_with_proof_and_settle_a_dispute(visit, citizen, ask, kati):
    child = {"resourceType": "Patient", "id": "kim", "birthDate": "2015-05-05", "name": [{"family": "Kask"}]}
    child["identifier"] = [{"system": SNS, "value": "51505050007"}]
    await ask("PUT", "/fhir/Patient/kim", Role.OPERATOR, child)
    desk = visit(Role.DESK, subject="desk", name="Desk", purpose=Purpose.PATIENT_REQUEST)
    await desk.get("/desk/proxies?language=en")
    numbers = {"patient_number": f"{SNS}|51505050007", "holder_number": f"{SNS}|38001085718"}
    nobody = await desk.post("/desk/proxies", patient_number=f"{SNS}|47101010033")
    assert nobody.status_code == 404
    refused = await desk.post("/desk/proxies", **numbers)
    assert (refused.status_code, "/desk" in refused.text) == (403, True)
    await desk.get("/desk?language=en")
    await desk.post("/desk", patient="kim", proof="identity-card", number="AB 12345")
    await desk.get("/desk/proxies?language=en")
    found = await desk.post("/desk/proxies", **numbers)
    assert "5 May 2015" in found.text
    chosen = dict(re.findall(r'name="(patient|holder|name)" value="([^"]+)"', found.text))
    assert chosen == {"patient": "kim", "holder": "kati", "name": "Kask"}
    without = await desk.post("/desk/proxies", confirmed="yes", kind="parent", proof=" ", **chosen)
    assert without.status_code == 400
    await desk.get("/desk/proxies?language=en")
    done = await desk.post(
        "/desk/proxies", confirmed="yes", kind="parent", proof="birth certificate", **chosen
    )
    assert "waits until another member of staff confirms it. Until 5 May 2033" in done.text
    listed = await desk.get("/desk/proxies?language=en")
    number = re.search(r'name="power" value="([a-z0-9]+)"', listed.text).group(1)
    assert (await desk.post("/desk/proxies", power=number, change="confirm")).status_code == 409
    second = visit(Role.DESK, subject="desk-2", name="Desk", purpose=Purpose.PATIENT_REQUEST)
    await second.get("/desk/proxies?language=en")
    assert (await second.post("/desk/proxies", power=number, change="confirm")).status_code == 200
    await desk.get("/desk/proxies?language=en")
    await desk.post("/desk/proxies", power=number, change="dispute")
    kati = citizen("kati")
    await kati.get("/acting?language=en")
    assert (await kati.post(f"/acting/{number}/act")).status_code == 403
    await desk.get("/desk/proxies?language=en")
    await desk.post("/desk/proxies", power=number, change="stands")
    await kati.get("/acting?language=en")
    assert (await kati.post(f"/acting/{number}/act")).url.path == "/record"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_speaks_the_languages(citizen, visit, ana, language):
    pages = {"/choices": citizen("ana"), "/told": citizen("ana"), "/acting": citizen("ana")}
    pages["/desk/proxies"] = visit(Role.DESK, subject="desk", purpose=Purpose.PATIENT_REQUEST)
    pages["/reviews"] = visit(Role.AUDITOR, subject="auditor", purpose=Purpose.OPERATIONS)
    for path, visitor in pages.items():
        page = await visitor.get(f"{path}?language={language}")
        assert page.status_code == 200
        assert f'<html lang="{language}">' in page.text


@pytest.mark.clause("EHDS 11(5)")
async def test_an_emergency_service_finds_and_opens_in_an_emergency_alone(visit, kati):
    crew = visit(Role.EMERGENCY, subject="ems-1", name="Rein Lepik", purpose=Purpose.EMERGENCY)
    await crew.get("/patient?language=en")
    find = {"country": "fr-1", "identifier": f"{SNS}|38001085718", "present": "yes"}
    unsaid = await crew.post("/patient", purpose="TREAT", **find)
    assert unsaid.status_code == 403
    assert 'action="/patient/fr-1/kati/emergency"' in unsaid.text
    opened = await crew.post("/patient/fr-1/kati/emergency", reason=REASON)
    assert opened.status_code == 200
    assert "Emergency access until" in opened.text
    for path in ("/summary", "/documents"):
        assert (await crew.get(f"/patient/fr-1/kati{path}?language=en")).status_code == 200, path
    assert (await crew.post("/patient/fr-1/kati/dispense", prescription="x")).status_code == 403
