"""The portal of one node: what a citizen sees, hides and checks, and what nobody may do there."""

import html
import re
from datetime import date

import httpx
import msgspec
import pytest

from salus.cli.node import make_node
from salus.cli.token import make_token
from salus.core.access import Role
from salus.intake.synth.generator import synthesize
from salus.node import open_node
from salus.settings import Settings
from salus.store.merged import forget

BASE = "http://127.0.0.1:9"
LOOKS_MAX = 2_000
ENCODER = msgspec.json.Encoder(decimal_format="number")


@pytest.fixture
async def node(tmp_path, database_url):
    settings = Settings(
        node="pt-1",
        name="Portugal",
        country="PT",
        base_url=BASE,
        port=9,
        database=database_url,
        languages=("pt", "en"),
        demo=True,
    )
    make_node(tmp_path, settings)
    async with open_node(tmp_path) as opened:
        yield opened


@pytest.fixture
async def people(node):
    """Store two synthetic citizens and return their Patients as the node knows them."""
    entries = [
        {"resource": each, "fullUrl": f"urn:example:{each['resourceType']}/{each['id']}",
         "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in synthesize(2, "PT", 3, date(2026, 11, 1))
    ]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    token = make_token(node.services.data, node.settings, Role.OPERATOR, None, None, seconds=None)
    async with browser(node) as client:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
        answer = await client.post("/fhir", content=ENCODER.encode(bundle), headers=headers)
        assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in entries if entry["resource"]["resourceType"] == "Patient"]


def browser(node):
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(node.application), base_url=BASE, follow_redirects=True
    )


def form_token(page):
    return re.search(r'name="csrf" value="([0-9a-f]+)"', page.text).group(1)


async def log_in(client, persona, identifier=""):
    page = await client.get("/login")
    form = {"csrf": form_token(page), "persona": persona, "identifier": identifier}
    return await client.post("/login", data=form)


def national_number(patient):
    return next(each["value"] for each in patient["identifier"] if "national" in each["system"])


@pytest.fixture
async def citizen(node, people):
    async with browser(node) as client:
        page = await log_in(client, "citizen", national_number(people[0]))
        assert page.status_code == 200
        assert people[0]["name"][0]["family"] in page.text
        yield client


async def test_a_citizen_sees_their_own_record_and_nobody_elses(citizen, people):
    page = await citizen.get("/record?language=en")
    assert "Test results and measurements" in page.text
    assert people[0]["birthDate"][:4] in page.text
    results = await citizen.get("/record/results?language=en")
    assert "mg/dL" in results.text
    assert people[1]["name"][0]["given"][0] not in page.text


@pytest.mark.parametrize(
    ("language", "titles"),
    [("en", ["Problems", "Allergies and intolerances", "Medicines"]),
     ("et", ["Terviseprobleemid", "Allergiad ja talumatused", "Ravimid"]),
     ("pt", ["Medicamentos"]),
     ("fr", ["Médicaments"])],
)  # fmt: skip
async def test_the_summary_reads_in_every_language_of_the_federation(citizen, language, titles):
    page = await citizen.get(f"/record/summary?language={language}")
    assert all(f'lang="{language}">{title}' in page.text for title in titles)
    valid = {"en": "Valid", "et": "Korras", "pt": "Válido", "fr": "Valide"}[language]
    assert f'<span class="word good">{valid}</span>' in page.text
    others = {"en": "Valid<", "et": "Korras<", "pt": "Válido<", "fr": "Valide<"}
    assert not any(word in page.text for other, word in others.items() if other != language)


async def test_a_restricted_entry_is_hidden_from_professionals_and_not_from_the_citizen(
    citizen, node, people
):
    page = await citizen.get("/record/allergies?language=en")
    kind, own_id = re.search(
        r'name="type" value="(\w+)"><input type="hidden" name="id" value="([^"]+)"', page.text
    ).groups()
    token = make_token(node.services.data, node.settings, Role.CLINICIAN, None, None, seconds=None)
    headers = {"authorization": f"Bearer {token}"}
    assert (await citizen.get(f"/fhir/{kind}/{own_id}", headers=headers)).status_code == 200
    form = {"csrf": form_token(page), "type": kind, "id": own_id, "category": "allergies", "language": "en"}
    asked = await citizen.post("/record/restrict", data=form)
    assert "choose a treatment that what you hide speaks against" in asked.text
    assert (await citizen.get(f"/fhir/{kind}/{own_id}", headers=headers)).status_code == 200
    done = await citizen.post("/record/restrict", data={**form, "confirmed": "yes"})
    assert "Hidden by you" in done.text
    assert (await citizen.get(f"/fhir/{kind}/{own_id}", headers=headers)).status_code == 404
    await citizen.post("/record/unrestrict", data=form)
    assert (await citizen.get(f"/fhir/{kind}/{own_id}", headers=headers)).status_code == 200


async def test_every_look_is_listed_with_who_and_why(citizen, node, people):
    token = make_token(node.services.data, node.settings, Role.CLINICIAN, None, None, seconds=None)
    await citizen.get(f"/fhir/Patient/{people[0]['id']}", headers={"authorization": f"Bearer {token}"})
    page = await citizen.get("/accesses?language=en")
    assert "Dra. Inês Lopes" in page.text
    assert "to treat you" in page.text
    assert f"Patient/{people[0]['id']}" in page.text


async def test_the_program_that_checks_a_report_is_where_the_page_says(citizen):
    page = await citizen.get("/accesses?language=en")
    assert '<a href="/verify.html">' in page.text
    program = await citizen.get("/verify.html")
    assert (program.status_code, "Is this report of accesses genuine" in program.text) == (200, True)
    assert program.headers["content-security-policy"].startswith("sandbox allow-scripts;")


async def test_an_entry_is_shown_with_a_proof_that_holds(citizen):
    for _ in range(LOOKS_MAX):  # the sequencer signs within a second
        page = await citizen.get("/accesses?language=en")
        if "Check entry" in page.text:
            break
    else:
        pytest.fail(f"no access of {LOOKS_MAX} looks was signed: the sequencer of the node stands still")
    link = re.search(r'href="(/accesses/\d+)[?]language=en"', page.text).group(1)
    proof = await citizen.get(f"{link}?language=en")
    assert '<span class="word good">Yes.</span>' in proof.text
    french = await citizen.get(f"{link}?language=fr")
    assert '<span class="word good">Oui.</span>' in french.text
    assert "a consulté" in french.text or "s&#39;est connecté" in french.text or "a lu" in french.text
    assert '<main id="content" tabindex="-1" lang="fr">' in french.text
    other = link.replace("/accesses/", "/accesses/9")
    assert (await citizen.get(other)).status_code == 404


async def test_a_form_from_elsewhere_changes_nothing(citizen):
    form = {"type": "Observation", "id": "x", "category": "results"}
    assert (await citizen.post("/record/restrict", data=form)).status_code == 403
    assert (await citizen.post("/record/restrict", data={**form, "csrf": "0" * 64})).status_code == 403
    assert (await citizen.post("/logout", data={})).status_code == 403


async def test_after_logging_out_the_session_is_dead(citizen, node):
    session = citizen.cookies["salus_session"]
    page = await citizen.get("/record")
    await citizen.post("/logout", data={"csrf": form_token(page)})
    async with browser(node) as other:
        other.cookies["salus_session"] = session
        assert (await other.get("/record?language=en")).url.path == "/login"


@pytest.mark.parametrize(
    "path", ["/record", "/record/summary", "/record/results", "/accesses", "/accesses/0"]
)
async def test_a_page_about_a_person_asks_for_a_login(node, path):
    async with browser(node) as client:
        page = await client.get(path, follow_redirects=False)
    going_to = f"/login?language=pt&next={path.replace('/', '%2F')}"
    assert (page.status_code, page.headers["location"]) == (303, going_to)


async def test_after_a_session_is_over_the_log_in_keeps_the_way_and_the_language(node, people):
    async with browser(node) as client:
        page = await client.get("/accesses?language=et&before=9")
        assert '<html lang="et">' in page.text
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        assert fields["next"] == "/accesses?language=et&amp;before=9"
        form = fields | {"next": "/accesses?language=et", "persona": "citizen"}
        there = await client.post("/login", data=form | {"identifier": national_number(people[0])})
        assert str(there.url.raw_path, "ascii") == "/accesses?language=et"


async def test_a_form_of_a_session_that_is_over_is_said_not_to_be_sent(node):
    async with browser(node) as client:
        form = {"language": "fr", "confirmed": "yes", "whom": "professionals", "what": "whole"}
        page = await client.post("/sharing", data=form)
        assert "le formulaire n'a pas été envoyé" in html.unescape(page.text)
        assert 'name="next" value="/sharing"' in page.text
        out = await client.post("/logout", data={"language": "fr"})
        assert "le formulaire" not in out.text


@pytest.mark.parametrize(
    ("language", "title"), [("et", "See ei ole lubatud"), ("pt", "Isto não é permitido")]
)
async def test_what_is_refused_leads_on_in_the_language_of_the_page(node, language, title):
    async with browser(node) as client:
        await log_in(client, "clinician")
        page = await client.get(f"/record?language={language}")
        assert f"<h1>{title}</h1>" in page.text
        assert f'href="/patient?language={language}"' in page.text
        role = {"et": "arst või õde", "pt": "profissional clínico"}[language]
        assert f"({role})" in page.text
        old = await client.post(
            "/patient/pt-1/a1/emergency", data={"csrf": "old", "reason": "aaaa", "language": language}
        )
        assert old.status_code == 403
        assert f"<h1>{title}</h1>" in old.text
        assert f'href="/patient/pt-1/a1?language={language}"' in old.text


async def test_a_professional_is_not_shown_a_citizens_pages(node):
    async with browser(node) as client:
        await log_in(client, "clinician")
        assert (await client.get("/record")).status_code == 403


async def test_an_access_token_opens_no_page_and_a_session_opens_no_interface(citizen, node):
    token = make_token(node.services.data, node.settings, Role.CLINICIAN, None, None, seconds=None)
    session = citizen.cookies["salus_session"]
    assert (
        await citizen.get("/fhir/Patient", headers={"authorization": f"Bearer {session}"})
    ).status_code == 401
    async with browser(node) as other:
        other.cookies["salus_session"] = token
        assert (await other.get("/record", follow_redirects=False)).status_code == 303


async def test_pages_run_no_script_and_keep_their_cookie_from_scripts(node):
    async with browser(node) as client:
        page = await client.get("/login")
        policy = page.headers["content-security-policy"]
        assert "script-src" not in policy
        assert "default-src 'none'" in policy
        assert "<script" not in page.text
        assert "style=" not in page.text
        cookie = page.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        for name in ("portal", "reading"):
            sheet = await client.get(f"/static/{name}.css")
            assert sheet.headers["content-type"].startswith("text/css")


async def test_an_unknown_identifier_is_refused_with_a_reason(node, people):
    async with browser(node) as client:
        page = await log_in(client, "citizen", "000")
    assert page.status_code == 422
    assert "Nenhum cidadão deste nó tem esse identificador" in page.text


async def find_patient(client, patient, node="pt-1", language="en"):
    page = await client.get(f"/patient?language={language}")
    form = {
        "csrf": form_token(page),
        "language": re.search(r'name="language" value="(\w+)"', page.text).group(1),
        "country": node,
        "identifier": national_number(patient),
        "purpose": "TREAT",
    }
    return await client.post("/patient", data={**form, "present": "yes"})


PRESCRIPTION = {
    "resourceType": "MedicationRequest",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "A02BC01"}]},
    "dispenseRequest": {
        "quantity": {
            "value": 28,
            "unit": "capsule",
            "system": "http://unitsofmeasure.org",
            "code": "{capsule}",
        }
    },
}


async def create(node, *resources, role=Role.CLINICIAN):
    """Store the resources and return the ids they were given."""
    token = make_token(node.services.data, node.settings, role, None, None, seconds=None)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    ids = []
    async with browser(node) as client:
        for each in resources:
            answer = await client.post(
                f"/fhir/{each['resourceType']}", content=ENCODER.encode(each), headers=headers
            )
            assert answer.status_code == 201, answer.text
            ids.append(answer.json()["id"])
    return ids


async def create_together(node, entries):
    token = make_token(node.services.data, node.settings, Role.CLINICIAN, None, None, seconds=None)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    async with browser(node) as client:
        answer = await client.post("/fhir", content=ENCODER.encode(bundle), headers=headers)
        assert answer.status_code == 200, answer.text


def for_patient(people, **members):
    subject = {"reference": f"Patient/{people[0]['id']}"}
    return {**PRESCRIPTION, "subject": subject, "authoredOn": date.today().isoformat(), **members}


@pytest.fixture
async def prescription(node, people):
    """Store a prescription for the first citizen and return its id."""
    return (await create(node, for_patient(people)))[0]


def form_of(page, text):
    """Return the fields of the form that holds the text."""
    form = next(each for each in page.text.split("<form")[1:] if text in each.partition("</form>")[0])
    form = form.partition("</form>")[0]
    return dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', form))


async def test_a_clinician_finds_a_patient_and_opens_the_summary(node, people):
    async with browser(node) as client:
        await log_in(client, "clinician")
        page = await find_patient(client, people[0])
        assert people[0]["name"][0]["family"] in page.text
        assert "to treat this patient" in page.text
        summary = await client.get(f"/patient/pt-1/{people[0]['id']}/summary?language=et")
        assert "Terviseprobleemid" in summary.text
        assert '<span class="word good">Korras</span>' in summary.text


async def test_a_pharmacist_hands_over_once_however_often_the_form_is_sent(node, people, prescription):
    async with browser(node) as client:
        await log_in(client, "pharmacist")
        page = await find_patient(client, people[0])
        fields = form_of(page, prescription)
        path = f"/patient/pt-1/{people[0]['id']}/dispense"
        done = await client.post(path, data=fields)
        assert "Handed over and recorded" in done.text
        assert "Handed over and recorded" in (await client.post(path, data=fields)).text
        token = make_token(node.services.data, node.settings, Role.CLINICIAN, None, None, seconds=None)
        headers = {"authorization": f"Bearer {token}"}
        kept = await client.get("/fhir/MedicationDispense", headers=headers)
        assert len(kept.json()["entry"]) == 1
        now = await client.get(f"/fhir/MedicationRequest/{prescription}", headers=headers)
        assert now.json()["status"] == "completed"


async def recorded(client, node, kind):
    token = make_token(node.services.data, node.settings, Role.CLINICIAN, None, None, seconds=None)
    answer = await client.get(f"/fhir/{kind}", headers={"authorization": f"Bearer {token}"})
    return [entry["resource"] for entry in answer.json().get("entry", [])]


async def test_a_pharmacist_gives_a_part_and_another_product_and_takes_back(node, people, prescription):
    async with browser(node) as client:
        await log_in(client, "pharmacist")
        page = await find_patient(client, people[0])
        path = f"/patient/pt-1/{people[0]['id']}"
        assert "at most 28 capsules" in page.text
        fields = form_of(page, prescription)
        refused = await client.post(f"{path}/dispense", data={**fields, "quantity": "29"})
        assert (refused.status_code, "at most 28" in refused.text) == (400, True)
        page = await client.post(f"{path}/dispense", data={**fields, "quantity": "8"})
        assert "20 capsules left" in page.text
        again = await client.post(f"{path}/dispense", data={**fields, "quantity": "9"})
        assert again.status_code == 409  # the same form with another amount is no second hand-over
        fields = form_of(page, prescription)
        page = await client.post(
            f"{path}/dispense", data={**fields, "quantity": "5", "product": "Other 20 mg"}
        )
        assert "15 capsules left" in page.text
        made = await recorded(client, node, "MedicationDispense")
        assert [each["quantity"]["value"] for each in made if "substitution" in each] == [5]
        assert "Other 20 mg" in page.text
        page = await client.post(f"{path}/take-back", data=form_of(page, "Take back"))
        assert "Taken back" in page.text
        made = await recorded(client, node, "MedicationDispense")
        assert sorted(each["status"] for each in made) == ["completed", "entered-in-error"]


async def test_a_prescriber_who_excludes_substitution_is_obeyed_on_the_page(node, people):
    (own_id,) = await create(node, for_patient(people, substitution={"allowedBoolean": False}))
    async with browser(node) as client:
        await log_in(client, "pharmacist")
        page = await find_patient(client, people[0])
        assert "excludes substitution" in page.text
        path = f"/patient/pt-1/{people[0]['id']}/dispense"
        fields = form_of(page, own_id) | {"product": "Other"}
        assert (await client.post(path, data=fields)).status_code == 409


async def test_a_product_known_only_by_reference_is_named_and_stays_named(node, people):
    product = {"resourceType": "Medication", "code": {"text": "Amoxicillin 500 mg capsule"}}
    (medication,) = await create(node, product)
    order = for_patient(people, medicationReference={"reference": f"Medication/{medication}"})
    del order["medicationCodeableConcept"]
    (own_id,) = await create(node, order)
    async with browser(node) as client:
        await log_in(client, "pharmacist")
        page = await find_patient(client, people[0])
        assert page.text.count("Amoxicillin 500 mg capsule") == 1
        assert "Entry without a name" not in page.text
        path = f"/patient/pt-1/{people[0]['id']}/dispense"
        page = await client.post(path, data=form_of(page, own_id))
        assert "Amoxicillin 500 mg capsule" in page.text
        made = await recorded(client, node, "MedicationDispense")
        assert made[0]["medicationReference"]["display"] == "Amoxicillin 500 mg capsule"
        await log_in(client, "citizen", national_number(people[0]))
        assert "Amoxicillin 500 mg capsule" in (await client.get("/record/prescriptions")).text


async def put(node, path, resource):
    token = make_token(node.services.data, node.settings, Role.CLINICIAN, None, None, seconds=None)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    async with browser(node) as client:
        answer = await client.put(f"/fhir/{path}", content=ENCODER.encode(resource), headers=headers)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("version", ["", "/_history/1"])
async def test_a_changed_medication_is_shown_and_handed_over_as_it_was_prescribed(node, people, version):
    product = {"resourceType": "Medication", "code": {"text": "Warfarin 1 mg"}}
    (medication,) = await create(node, product)
    link = {"reference": f"Medication/{medication}{version}"}
    order = for_patient(people, medicationReference=link, substitution={"allowedBoolean": False})
    del order["medicationCodeableConcept"]
    (own_id,) = await create(node, order)
    async with browser(node) as client:
        await log_in(client, "pharmacist")
        seen = form_of(await find_patient(client, people[0]), own_id)
        changed = product | {"id": medication, "code": {"text": "Warfarin 5 mg"}}
        await put(node, f"Medication/{medication}", changed)
        page = await find_patient(client, people[0])
        assert "Warfarin 1 mg" in page.text
        assert "Warfarin 5 mg" not in page.text
        path = f"/patient/pt-1/{people[0]['id']}/dispense"
        page = await client.post(path, data=seen)  # the prescription is what it was
        assert "Handed over and recorded" in page.text
        assert "Warfarin 5 mg" not in page.text
        (made,) = await recorded(client, node, "MedicationDispense")
        assert made["medicationReference"]["display"] == "Warfarin 1 mg"
        assert "substitution" not in made
        await log_in(client, "citizen", national_number(people[0]))
        for name in ("prescriptions", "dispensations"):
            page = await client.get(f"/record/{name}")
            assert "Warfarin 1 mg" in page.text
            assert "Warfarin 5 mg" not in page.text


async def test_a_prescription_changed_while_its_form_was_open_is_not_handed_over(node, people):
    order = for_patient(people, medicationCodeableConcept={"text": "Methotrexate 10 mg"})
    (own_id,) = await create(node, order)
    async with browser(node) as client:
        await log_in(client, "pharmacist")
        fields = form_of(await find_patient(client, people[0]), own_id)
        corrected = order | {"id": own_id, "medicationCodeableConcept": {"text": "Methotrexate 2.5 mg"}}
        await put(node, f"MedicationRequest/{own_id}", corrected)
        path = f"/patient/pt-1/{people[0]['id']}/dispense"
        refused = await client.post(path, data=fields)
        assert refused.status_code == 409
        assert "changed since it was shown (product): look at it again" in refused.text
        assert await recorded(client, node, "MedicationDispense") == []
        page = await client.get(f"{path.removesuffix('/dispense')}?language=en")
        page = await client.post(path, data=form_of(page, own_id))
        assert "Handed over and recorded" in page.text


async def test_an_emptied_amount_is_asked_for(node, people, prescription):
    async with browser(node) as client:
        await log_in(client, "pharmacist")
        fields = form_of(await find_patient(client, people[0]), prescription) | {"quantity": ""}
        refused = await client.post(f"/patient/pt-1/{people[0]['id']}/dispense", data=fields)
        assert refused.status_code == 400
        assert "how much is handed over now" in refused.text
        assert await recorded(client, node, "MedicationDispense") == []


async def test_the_page_says_how_a_prescription_is_to_be_dispensed_and_asks_why_so_early(node, people):
    days = {"value": 28, "unit": "d", "code": "d", "system": "http://unitsofmeasure.org"}
    patches = {"unit": "patch"}
    request = {
        "quantity": {"value": 10.5, **patches},
        "numberOfRepeatsAllowed": 3,
        "initialFill": {"quantity": {"value": 5, **patches}},
        "dispenseInterval": days,
        "expectedSupplyDuration": days,
    }
    words = {"allowedCodeableConcept": {"text": "Do not substitute"}, "reason": {"text": "excipient"}}
    (own_id,) = await create(node, for_patient(people, dispenseRequest=request, substitution=words))
    async with browser(node) as client:
        await log_in(client, "pharmacist")
        page = await find_patient(client, people[0])
        for told in ("at least 28 days between", "first hand-over: 5 patch", "is to last 28 days",
                     "Do not substitute", "excipient", "not known here. Ask the prescriber"):  # fmt: skip
            assert told in page.text, told
        path = f"/patient/pt-1/{people[0]['id']}"
        assert form_of(page, own_id)["quantity"] == "5"
        page = await client.post(f"{path}/dispense", data=form_of(page, own_id))
        assert "Too early:" in page.text
        assert "the next hand-over may be from" in page.text
        fields = form_of(page, own_id) | {"language": "pt", "quantity": "10,5"}
        refused = await client.post(f"{path}/dispense", data=fields)
        assert (refused.status_code, "too early" in refused.text) == (409, True)
        for number in ("1.500", "10.5", "1,5,0"):
            refused = await client.post(f"{path}/dispense", data={**fields, "quantity": number})
            assert (refused.status_code, "no máximo 10,5" in refused.text) == (400, True)
        page = await client.post(f"{path}/dispense", data={**fields, "early_reason": "viaja amanhã"})
        assert "viaja amanhã" in page.text
        assert "Antes do prazo:" in page.text
        made = await recorded(client, node, "MedicationDispense")
        assert sorted(each["quantity"]["value"] for each in made) == [5, 10.5]


async def test_what_its_source_changes_in_an_unknown_way_is_not_offered(node, people):
    unknown = [{"url": "urn:x:only-if-fever", "valueBoolean": True}]
    (own_id,) = await create(node, for_patient(people, modifierExtension=unknown))
    async with browser(node) as client:
        await log_in(client, "pharmacist")
        page = await find_patient(client, people[0])
        assert "changes its meaning in a way that is not known here" in page.text
        assert f'value="{own_id}"' not in page.text


async def test_a_long_record_of_hand_overs_does_not_close_the_counter(node, people, prescription):
    old = {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "medicationCodeableConcept": {"text": "Old"},
        "subject": {"reference": f"Patient/{people[0]['id']}"},
    }
    made = [old | {"whenHandedOver": f"20{12 + each // 48}-01-01T10:00:00Z"} for each in range(501)]
    entries = [
        {"resource": each, "request": {"method": "POST", "url": "MedicationDispense"}} for each in made
    ]
    await create_together(node, entries)
    async with browser(node) as client:
        await log_in(client, "pharmacist")
        page = await find_patient(client, people[0])
        assert "the newest 50 in this node" in page.text
        path = f"/patient/pt-1/{people[0]['id']}/dispense"
        page = await client.post(path, data=form_of(page, prescription))
        assert "Handed over and recorded" in page.text
        assert page.text.index("Take back") < page.text.index(">Old<")


@pytest.mark.parametrize(
    ("language", "told"),
    [("en", "Prescriptions"), ("et", "Retseptid"), ("pt", "Receitas"), ("fr", "Ordonnances")],
)
async def test_the_language_chosen_stays_from_page_to_page(node, people, prescription, language, told):
    async with browser(node) as client:
        await log_in(client, "pharmacist")
        page = await find_patient(client, people[0], language=language)
        assert page.url.params["language"] == language
        assert f"<h2>{told}</h2>" in page.text
        assert f'<html lang="{language}">' in page.text
        path = f"/patient/pt-1/{people[0]['id']}/dispense"
        page = await client.post(path, data=form_of(page, prescription))
        assert f'<html lang="{language}">' in page.text
        assert all(
            f"language={language}" in link for link in re.findall(r'href="(/patient[?][^"]*)"', page.text)
        )


async def test_a_summary_lists_a_device_whose_use_nobody_stated(node, people):
    own = {"reference": f"Patient/{people[0]['id']}"}
    await create(node, {"resourceType": "Device", "type": {"text": "Implanted pacemaker"}, "patient": own})
    async with browser(node) as client:
        await log_in(client, "clinician")
        await find_patient(client, people[0])
        page = await client.get(f"/patient/pt-1/{people[0]['id']}/summary?language=en")
        assert "Implanted pacemaker" in page.text


async def test_a_summary_says_what_it_does_not_show(node, people):
    visit = {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}}
    await create(node, visit | {"subject": {"reference": f"Patient/{people[0]['id']}"}})
    async with browser(node) as client:
        await log_in(client, "clinician")
        await find_patient(client, people[0])
        page = await client.get(f"/patient/pt-1/{people[0]['id']}/summary?language=et")
        assert "Selles kokkuvõttes ei kuvata:" in page.text
        assert re.search(r"visiidid \d+", page.text)
        assert "ei ole arst veel üle vaadanud" in page.text


async def test_a_pharmacist_is_not_shown_a_summary(node, people):
    async with browser(node) as client:
        await log_in(client, "pharmacist")
        await find_patient(client, people[0])
        assert (await client.get(f"/patient/pt-1/{people[0]['id']}/summary")).status_code == 403


async def test_a_window_about_another_patient_shows_nothing(node, people):
    async with browser(node) as client:
        await log_in(client, "clinician")
        await find_patient(client, people[0])
        await find_patient(client, people[1])
        stale = await client.get(f"/patient/pt-1/{people[0]['id']}")
    assert stale.status_code == 409
    assert people[0]["name"][0]["family"] not in stale.text


async def test_a_patient_in_front_of_one_professional_is_not_in_front_of_another(node, people):
    async with browser(node) as first, browser(node) as second:
        await log_in(first, "clinician")
        await find_patient(first, people[0])
        await log_in(second, "pharmacist")
        second.cookies.set("salus_patient", first.cookies["salus_patient"], path="/patient")
        page = await second.get(f"/patient/pt-1/{people[0]['id']}")
    assert page.status_code == 409


async def test_a_number_is_found_as_it_is_printed(node, people):
    number = national_number(people[0])
    async with browser(node) as client:
        page = await log_in(client, "citizen", f" {number[:3]} {number[3:6]}.{number[6:]}")
    assert page.status_code == 200
    assert people[0]["name"][0]["family"] in page.text


@pytest.mark.parametrize(
    ("identifier", "reason"), [("1", "No patient has this identifier"), ("x|" + "9" * 30, "No patient")]
)
async def test_nobody_found_says_so_and_keeps_what_was_typed(node, people, identifier, reason):
    async with browser(node) as client:
        await log_in(client, "clinician")
        page = await client.get("/patient?language=en")
        form = {"csrf": form_token(page), "country": "pt-1", "identifier": identifier, "purpose": "TREAT"}
        form["language"] = "en"
        page = await client.post("/patient", data=form)
    assert page.status_code == 422
    assert reason in page.text
    assert f'value="{identifier}"' in page.text


async def test_a_citizen_with_merged_records_sees_what_is_in_both(citizen, node, people):
    one, other = (each["id"] for each in people)
    token = make_token(node.services.data, node.settings, Role.OPERATOR, None, None, seconds=None)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    problem = {"resourceType": "Condition", "id": "theirs", "code": {"text": "Rare problem"}}
    problem |= {"subject": {"reference": f"Patient/{other}"}}
    stored = await citizen.put("/fhir/Condition/theirs", json=problem, headers=headers)
    assert stored.status_code == 201, stored.text
    assert "Rare problem" not in (await citizen.get("/record/problems?language=en")).text
    async with node.services.database.system() as connection:
        await connection.execute(
            "INSERT INTO duplicate (patient, other, reason, score, state, proposed_at, survivor)"
            " VALUES ($1, $2, 'same', 1, 'merged', now(), $3)",
            *sorted((one, other)),
            one,
        )
    forget(node.services.database)
    assert "Rare problem" in (await citizen.get("/record/problems?language=en")).text


@pytest.mark.parametrize(
    ("language", "words"), [("en", "What it holds"), ("et", "Mida see sisaldab"), ("pt", "O que contém")]
)
async def test_the_front_page_speaks_the_readers_language(node, language, words):
    async with browser(node) as client:
        page = await client.get(f"/?language={language}")
    assert words in page.text
    assert f'<html lang="{language}"' in page.text
