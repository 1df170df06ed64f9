"""An app opens a person's data by HTTP alone: from discovery to a search, as they allow it and see it."""

# ruff: noqa: F811  (tests name the fixtures that they import)

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.flow.apps import (  # noqa: F401  fixtures
    BASE,
    CLINIC,
    LAUNCH,
    App,
    allowed,
    boxes,
    browser,
    clock,
    csrf,
    decide,
    fhir,
    ids,
    logged_in,
    look_up,
    node,
)

from salus.core.access import Role
from salus.standards.jose.compact import verify
from salus.trust import powers
from salus.trust.presence import give_code
from salus.trust.tokens import issue
from salus.web.emergency import ward_of
from salus.web.portal.personas import persona_caller
from salus.web.portal.session import SESSION, open_sessions
from salus.web.rights.choices import weigher_of


async def test_a_standalone_launch_from_discovery_to_a_search(node):
    app = App()
    async with browser(node) as http:
        found = (await http.get("/fhir/.well-known/smart-configuration")).json()
        assert found["code_challenge_methods_supported"] == ["S256"]
        assert "launch-standalone" in found["capabilities"]
        provider = (await http.get("/.well-known/openid-configuration")).json()
        assert provider["issuer"] == found["issuer"] == BASE
        scope = "openid fhirUser launch/patient offline_access patient/Observation.rs patient/Patient.rs"
        scope += " system/*.rs"
        address = found["authorization_endpoint"].removeprefix(BASE)
        assert app.address(scope).startswith(address)
        login = await http.get(app.address(scope))
        assert login.status_code == 303
        where = urlsplit(login.headers["location"])
        assert where.path == "/login"
        going_on = parse_qs(where.query)["next"][0]
    async with logged_in(node) as person:
        page = await person.get(going_on)
        assert "Heart App" in page.text
        assert "heart.example" in page.text
        assert "measurements and test results" in page.text
        assert len(boxes(page)) == 3
        assert "https://heart.example" in page.headers["content-security-policy"]
        back = app.answer(await decide(person, page))
    async with browser(node) as http:
        answer = await app.tokens(http, back["code"])
        assert answer.headers["cache-control"] == "no-store"
        tokens = answer.json()
        assert tokens["patient"] == "ana"
        assert tokens["token_type"] == "Bearer"
        assert set(tokens["scope"].split()) == set(scope.split()) - {"system/*.rs"}
        keys = (await http.get(provider["jwks_uri"].removeprefix(BASE))).json()["keys"]
        claims = verify(tokens["id_token"], keys, algorithms=frozenset({"ES384"})).claims
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (BASE, "heart", "n-1")
    assert claims["fhirUser"] == f"{BASE}/fhir/Patient/ana"
    assert claims["sub"] != "ana"
    token = tokens["access_token"]
    assert ids(await fhir(node, token, "Observation")) == ["lab", "pulse"]
    assert (await fhir(node, token, "Observation/other")).status_code == 404
    assert (await fhir(node, token, "Condition")).status_code == 403
    async with logged_in(node) as person:
        log = await person.get("/accesses")
        assert "Ana Silva (Heart App)" in log.text
        assert "Heart App" in (await person.get("/my-rights/recipients")).text


async def test_what_the_person_unticks_the_app_does_not_get(node):
    app = App()
    async with logged_in(node) as http:
        page = await http.get(app.address("launch/patient patient/Observation.rs patient/Condition.rs"))
        names = list(boxes(page))
        code = app.answer(await decide(http, page, untick=names[1:]))["code"]
        tokens = (await app.tokens(http, code)).json()
        assert tokens["scope"] == "launch/patient patient/Observation.rs"
        assert (await fhir(node, tokens["access_token"], "Condition")).status_code == 403
        refused = await http.get(app.address("launch/patient patient/Observation.rs"))
        assert app.answer(await decide(http, refused, untick=names))["error"] == "access_denied"
        assert app.answer(await decide(http, refused, "deny"))["error"] == "access_denied"


async def test_a_scope_with_a_query_is_asked_shown_and_kept(node):
    scope = "patient/Observation.rs?category=laboratory"
    app = App()
    async with logged_in(node) as http:
        page = await http.get(app.address(scope))
        assert "category = laboratory" in page.text
        code = app.answer(await decide(http, page))["code"]
        token = (await app.tokens(http, code)).json()["access_token"]
    assert ids(await fhir(node, token, "Observation")) == ["lab"]
    assert (await fhir(node, token, "Observation?_summary=count")).json()["total"] == 1
    assert (await fhir(node, token, "Observation/pulse")).status_code == 404


async def test_the_portal_opens_an_app_with_the_patient_in_front(node):
    app = App()
    async with logged_in(node, Role.CLINICIAN) as http:
        await look_up(http, "ana")
        page = await http.get("/apps?patient=ana")
        form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        opened = await http.post("/apps/open", data=form)
        address = html.unescape(re.search(r'<a href="(https://heart[^"]+)"', opened.text).group(1))
        assert address.startswith(LAUNCH)
        launch = {name: texts[0] for name, texts in parse_qs(urlsplit(address).query).items()}
        assert launch["iss"] == f"{BASE}/fhir"
        scope = "launch openid fhirUser patient/Observation.rs offline_access online_access"
        stolen = await http.get(App("clinic", CLINIC.redirects[0]).address(scope, launch=launch["launch"]))
        assert "error=invalid_request" in stolen.headers["location"]
        page = await http.get(app.address(scope, launch=launch["launch"]))
        code = app.answer(await decide(http, page))["code"]
        tokens = (await app.tokens(http, code)).json()
        assert tokens["patient"] == "ana"
        assert tokens["need_patient_banner"] is True
        assert "offline_access" not in tokens["scope"]
        assert "fhirUser" not in tokens["scope"]
        assert ids(await fhir(node, tokens["access_token"], "Observation")) == ["lab", "pulse"]
        assert (await fhir(node, tokens["access_token"], "Observation/other")).status_code == 404
        standalone = await http.get(app.address("launch/patient patient/Observation.rs"))
        assert "error=invalid_scope" in standalone.headers["location"]
    async with logged_in(node) as citizen:
        assert (await citizen.get(app.address(scope, launch=launch["launch"]))).status_code == 303
        log = await citizen.get("/accesses")
        assert "(Heart App)" in log.text
        opened = await citizen.post("/apps/open", data={**form, "csrf": csrf(await citizen.get("/apps"))})
        assert "launch=" in opened.text


async def test_a_person_sees_what_they_allow_and_ends_it_at_once(node):
    tokens = await allowed(node, "launch/patient patient/Observation.rs offline_access")
    again = await allowed(node, "launch/patient patient/Observation.rs offline_access")
    async with logged_in(node) as http:
        page = await http.get("/apps")
        assert page.text.count("Heart App") >= 1
        assert "see: measurements and test results" in page.text
        consent = re.search(r'name="consent" value="(\w+)"', page.text).group(1)
        for token in (tokens, again):
            assert (await fhir(node, token["access_token"], "Observation")).status_code == 200
        async with logged_in(node, Role.CLINICIAN) as other:
            form = {"csrf": csrf(await other.get("/apps")), "consent": consent}
            assert (await other.post("/apps/end", data=form)).status_code == 404
        done = await http.post("/apps/end", data={"csrf": csrf(page), "consent": consent})
        assert done.status_code == 303
        for token in (tokens, again):
            assert (await fhir(node, token["access_token"], "Observation")).status_code == 401
            fields = {
                "grant_type": "refresh_token",
                "refresh_token": token["refresh_token"],
                "client_id": "heart",
            }
            assert (await http.post("/oauth/token", data=fields)).json()["error"] == "invalid_grant"
        assert "You allow no app anything" in (await http.get("/apps")).text


async def test_what_is_allowed_now_replaces_what_was_allowed_before(node):
    wide = await allowed(node, "launch/patient patient/*.rs")
    narrow = await allowed(node, "launch/patient patient/Observation.rs")
    assert (await fhir(node, wide["access_token"], "Observation")).status_code == 401
    assert (await fhir(node, narrow["access_token"], "Observation")).status_code == 200


async def test_the_consent_page_speaks_four_languages(node):
    words = {"en": "Do not allow", "et": "Ära luba", "pt": "Não permitir", "fr": "Ne pas autoriser"}
    app = App()
    async with logged_in(node) as http:
        for language, word in words.items():
            page = await http.get(f"{app.address('launch/patient patient/*.rs')}&language={language}")
            assert word in page.text
            assert f"&amp;language={language}" in page.text
            apps = await http.get(f"/apps?language={language}")
            assert f'lang="{language}"' in apps.text


async def test_the_page_of_a_patient_leads_to_the_apps_that_can_be_opened(node):
    async with browser(node, follow_redirects=True) as http:
        page = await http.get("/login")
        form = {"csrf": csrf(page), "persona": "clinician"}
        await http.post("/login", data=form)
        await look_up(http, "ana")
        page = await http.get("/apps?patient=ana")
        assert "Open Heart App" in page.text
        assert "Clinic App" not in page.text
        assert "Open Heart App" not in (await http.get("/apps")).text
        missing = {"csrf": csrf(page), "client": "heart", "patient": "nobody"}
        assert (await http.post("/apps/open", data=missing)).status_code == 409
        unknown = {**missing, "client": "clinic", "patient": "ana"}
        assert (await http.post("/apps/open", data=unknown)).status_code == 404


async def test_an_app_is_opened_for_the_patient_found_last_and_the_pages_name_them(node):
    app = App()
    async with logged_in(node, Role.CLINICIAN) as http:
        assert (await http.get("/apps?patient=ana")).status_code == 409
        await look_up(http, "ana")
        await look_up(http, "rui")
        assert (await http.get("/apps?patient=ana")).status_code == 409
        page = await http.get("/apps?patient=rui")
        assert "Costa" in page.text
        form = {"csrf": csrf(page), "client": "heart", "patient": "ana"}
        assert (await http.post("/apps/open", data=form)).status_code == 409
        opened = await http.post("/apps/open", data={**form, "patient": "rui"})
        assert "Costa" in opened.text
        launch = re.search(r"launch=([\w-]+)", html.unescape(opened.text))[1]
        consent = await http.get(app.address("launch patient/*.rs", launch=launch))
        assert "The patient: <strong>Costa</strong>" in consent.text


@pytest.mark.clause("EHDS 4(2)")
async def test_who_acts_for_somebody_reads_for_whom_they_allow_an_app(node):
    services = node.services
    citizen = persona_caller(Role.CITIZEN, "PT", patient="rui", name="Rui Costa")
    key, ward = services.keys.search, ward_of(services)
    code, _ = await give_code(weigher_of(services), citizen)
    asked = powers.Appointment(code, "Rui Costa", "carer")
    ana = persona_caller(Role.CITIZEN, "PT", patient="ana", name="Ana Silva")
    power = await powers.appoint(ward, key, ana, asked)
    proxy = await powers.acting(ward, citizen, power.id)
    async with browser(node) as http:
        token = issue(services.keys.token, proxy, open_sessions(services).terms, now=services.clock())
        http.cookies.set(SESSION, token)
        consent = await http.get(App().address("launch/patient patient/*.rs"))
        assert "You decide for <strong>Ana Silva</strong>" in consent.text
