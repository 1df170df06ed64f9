"""An app opens a person's data by HTTP alone: from discovery to a search, and everything it must not do."""

import asyncio
import base64
import hashlib
import html
import json
import re
import secrets
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import msgspec
import pytest
from joserfc.jwk import ECKey

from salus.cli.node import make_node
from salus.core.access import Caller, Purpose, Role
from salus.core.clock import utc_now
from salus.node import open_node
from salus.settings import Settings
from salus.standards.jose.compact import sign, verify
from salus.standards.smart.assertion import ASSERTION_TYPE, claims_for
from salus.standards.smart.dpop import make_proof
from salus.store.federation import Client, register_client, switch_off_client
from salus.store.revocations import follow_revocations
from salus.trust import powers
from salus.trust.presence import give_code
from salus.trust.tokens import issue
from salus.web.emergency import ward_of
from salus.web.portal.personas import persona_caller
from salus.web.portal.session import SESSION, open_sessions
from salus.web.rights.choices import weigher_of

BASE = "http://127.0.0.1:9"
JSON = {"content-type": "application/fhir+json"}
BACK, LAUNCH = "https://heart.example/back", "https://heart.example/launch"
NUMBER = "urn:example:number"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
KEY = ECKey.generate_key("P-384", {"kid": "k"})
SCOPES = (
    "openid", "fhirUser", "launch", "launch/patient", "offline_access", "online_access", "patient/*.rs",
    "patient/Observation.cruds", "user/*.rs",
)  # fmt: skip
HEART = Client("heart", "Heart App", [], SCOPES, (), (), (BACK, "com.example.heart:/back"), LAUNCH)
CLINIC = Client(
    "clinic", "Clinic App", [KEY.as_dict(private=False)], SCOPES, (), (), ("https://clinic.example/cb",)
)


class Clock:
    """The present, with a difference that a test chooses."""

    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return utc_now() + self.ahead


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def node(tmp_path, database_url, clock):
    settings = Settings(
        node="pt-1", name="Portugal", country="PT", base_url=BASE, port=9, database=database_url, demo=True,
        languages=("en",),
    )  # fmt: skip
    make_node(tmp_path, settings)
    async with open_node(tmp_path, clock) as opened:
        services = opened.services
        for app in (HEART, CLINIC):
            await register_client(services.database, app, now=services.clock())
        operator = Caller("op", "Op", Role.OPERATOR, "", BASE, Purpose.OPERATIONS)
        token = issue(services.keys.token, operator, services.terms, now=services.clock())
        async with browser(opened) as http:
            for resource in record():
                path = f"/fhir/{resource['resourceType']}/{resource['id']}"
                headers = {**JSON, "authorization": f"Bearer {token}"}
                answer = await http.put(path, content=msgspec.json.encode(resource), headers=headers)
                assert answer.status_code == 201, answer.text
        yield opened


def record():
    for identity, name in (("ana", {"family": "Silva", "given": ["Ana"]}), ("rui", {"family": "Costa"})):
        number = [{"system": NUMBER, "value": identity}]
        yield {"resourceType": "Patient", "id": identity, "name": [name], "identifier": number}
    for identity, category, owner in (("lab", "laboratory", "ana"), ("pulse", "vital-signs", "ana"),
                                      ("other", "laboratory", "rui")):  # fmt: skip
        yield {
            "resourceType": "Observation", "id": identity, "status": "final", "code": {"text": identity},
            "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
            "subject": {"reference": f"Patient/{owner}"},
        }  # fmt: skip


def browser(node, **options):
    return httpx.AsyncClient(transport=httpx.ASGITransport(node.application), base_url=BASE, **options)


def logged_in(node, role=Role.CITIZEN):
    """Return a browser with a session of the portal."""
    services = node.services
    own = "ana" if role is Role.CITIZEN else None
    caller = persona_caller(role, "PT", patient=own, name="Ana Silva" if own else "")
    sessions = open_sessions(services)
    http = browser(node)
    http.cookies.set(SESSION, issue(services.keys.token, caller, sessions.terms, now=services.clock()))
    return http


def challenge_of(verifier):
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class App:
    """What an app knows: itself, and the secrets of one launch."""

    def __init__(self, client="heart", redirect=BACK):
        self.client, self.redirect = client, redirect
        self.verifier, self.state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)

    def address(self, scope, **changes):
        fields = {
            "response_type": "code", "client_id": self.client, "redirect_uri": self.redirect, "scope": scope,
            "state": self.state, "aud": f"{BASE}/fhir", "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256", "nonce": "n-1", **changes,
        }  # fmt: skip
        return f"/oauth/authorize?{urlencode({name: text for name, text in fields.items() if text})}"

    def answer(self, response):
        """Return what the browser brings back, once it belongs to this launch."""
        assert response.status_code == 303, response.text
        there = urlsplit(response.headers["location"])
        assert response.headers["location"].startswith(self.redirect)
        found = {name: texts[0] for name, texts in parse_qs(there.query).items()}
        assert found["iss"] == BASE
        assert found["state"] == self.state
        return found

    async def tokens(self, http, code, **changes):
        fields = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect,
            "client_id": self.client, "code_verifier": self.verifier, **changes,
        }  # fmt: skip
        return await http.post("/oauth/token", data=fields)


def boxes(page):
    found = re.findall(r'name="(allow-\d+)" value="yes"( checked)?', page.text)
    return {name: bool(checked) for name, checked in found}


async def decide(http, page, decision="allow", untick=(), **changes):
    assert page.status_code == 200, page.text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    fields = {name: html.unescape(text) for name, text in fields.items()}
    ticked = {name: "yes" for name, checked in boxes(page).items() if checked and name not in untick}
    form = {**fields, **ticked, "decision": decision, **changes}
    return await http.post("/oauth/authorize/decision", data=form)


async def allowed(node, scope, app=None, role=Role.CITIZEN, **changes):
    """Return the token response of an app that a person has just allowed what it asks."""
    app = app or App()
    async with logged_in(node, role) as http:
        page = await http.get(app.address(scope, **changes))
        code = app.answer(await decide(http, page))["code"]
    async with browser(node) as http:
        answer = await app.tokens(http, code)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def fhir(node, token, path):
    async with browser(node, headers={"authorization": f"Bearer {token}"}) as http:
        return await http.get(f"/fhir/{path}")


def ids(answer):
    assert answer.status_code == 200, answer.text
    return sorted(entry["resource"]["id"] for entry in answer.json().get("entry", []))


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


async def look_up(http, patient):
    page = await http.get("/patient")
    form = {"csrf": csrf(page), "country": "pt-1", "identifier": f"{NUMBER}|{patient}"}
    found = await http.post("/patient", data=form)
    assert f"/patient/pt-1/{patient}" in found.headers.get("location", str(found.url))


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


def csrf(page):
    return re.search(r'name="csrf" value="([0-9a-f]+)"', page.text).group(1)


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


async def refresh(http, token, **changes):
    fields = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "heart", **changes}
    return await http.post("/oauth/token", data=fields)


async def test_a_refresh_token_is_good_once_and_its_second_use_ends_all(node):
    first = await allowed(node, "launch/patient patient/Observation.rs patient/Patient.rs offline_access")
    async with browser(node) as http:
        wider = await refresh(http, first["refresh_token"], scope="patient/Observation.rs patient/*.rs")
        assert wider.json()["error"] == "invalid_scope"
        second = (await refresh(http, first["refresh_token"], scope="patient/Observation.rs")).json()
        assert second["scope"] == "patient/Observation.rs"
        third = (await refresh(http, second["refresh_token"])).json()
        assert "patient/Patient.rs" in third["scope"]
        assert (await fhir(node, third["access_token"], "Observation")).status_code == 200
        stolen = await refresh(http, first["refresh_token"])
        assert stolen.status_code == 400
        assert stolen.json()["error"] == "invalid_grant"
        assert (await refresh(http, third["refresh_token"])).json()["error"] == "invalid_grant"
    for tokens in (first, second, third):
        assert (await fhir(node, tokens["access_token"], "Observation")).status_code == 401


async def test_online_access_ends_with_the_log_in(node):
    app = App()
    async with logged_in(node) as http:
        page = await http.get(app.address("launch/patient patient/Observation.rs online_access"))
        tokens = (await app.tokens(http, app.answer(await decide(http, page))["code"])).json()
        tokens = (await refresh(http, tokens["refresh_token"])).json()
        form = {"csrf": csrf(await http.get("/apps"))}
        assert (await http.post("/logout", data=form)).status_code == 303
        assert (await refresh(http, tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_code_is_good_once_for_one_app_address_and_verifier(node):
    wrong = [
        {"redirect_uri": "com.example.heart:/back"},
        {"code_verifier": secrets.token_urlsafe(48)},
        {"code_verifier": ""},
        {"redirect_uri": ""},
    ]
    async with logged_in(node) as http:
        for change in wrong:
            app = App()
            page = await http.get(app.address("launch/patient patient/Observation.rs"))
            code = app.answer(await decide(http, page))["code"]
            refused = await app.tokens(http, code, **change)
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant"), change
            assert (await app.tokens(http, code)).json()["error"] == "invalid_grant"
        app = App()
        page = await http.get(app.address("launch/patient patient/Observation.rs"))
        code = app.answer(await decide(http, page))["code"]
        tokens = (await app.tokens(http, code)).json()
        assert (await fhir(node, tokens["access_token"], "Observation")).status_code == 200
        assert (await app.tokens(http, code)).json()["error"] == "invalid_grant"
        assert (await fhir(node, tokens["access_token"], "Observation")).status_code == 401


async def signed(http, node, fields, path="/oauth/token", client="clinic"):
    now = node.services.clock().timestamp()
    claims = claims_for(client, f"{BASE}{path}", jti=secrets.token_hex(8), now=now, asker=None)
    assertion = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": sign(claims, KEY, kid="k")}
    return await http.post(path, data={**fields, **assertion})


async def test_a_confidential_app_signs_is_remembered_and_may_look_at_its_tokens(node):
    app = App("clinic", CLINIC.redirects[0])
    async with logged_in(node) as http:
        scope = "openid fhirUser launch/patient patient/Observation.rs"
        page = await http.get(app.address(scope))
        code = app.answer(await decide(http, page))["code"]
        unsigned = await app.tokens(http, code)
        assert (unsigned.status_code, unsigned.json()["error"]) == (401, "invalid_client")
        fields = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": app.redirect,
            "code_verifier": app.verifier,
        }  # fmt: skip
        tokens = (await signed(http, node, fields)).json()
        silent = app.answer(await http.get(app.address(scope)))
        assert "code" in silent
        assert (await http.get(app.address(scope, prompt="consent"))).status_code == 200
        assert (await http.get(app.address(f"{scope} patient/Patient.rs"))).status_code == 200
        asked = {"token": tokens["access_token"]}
        told = (await signed(http, node, asked, "/oauth/introspect")).json()
        assert told["active"] is True
        assert (told["client_id"], told["patient"]) == ("clinic", "ana")
        assert told["fhirUser"].endswith("/Patient/ana")
        assert told["scope"] == tokens["scope"]
        other = await allowed(node, "launch/patient patient/Observation.rs")
        foreign = (await signed(http, node, {"token": other["access_token"]}, "/oauth/introspect")).json()
        assert foreign == {"active": False}
        none = await signed(http, node, {"grant_type": "client_credentials", "scope": "user/*.rs"})
        assert none.status_code == 400
        assert (await signed(http, node, asked, "/oauth/revoke")).status_code == 200
        assert (await signed(http, node, asked, "/oauth/introspect")).json() == {"active": False}
    assert (await fhir(node, tokens["access_token"], "Observation")).status_code == 401


async def test_an_app_gives_its_tokens_back_or_is_switched_off(node):
    tokens = await allowed(node, "launch/patient patient/Observation.rs offline_access")
    later = await allowed(node, "launch/patient patient/Observation.rs offline_access")
    async with browser(node) as http:
        fields = {"token": tokens["refresh_token"], "client_id": "heart"}
        assert (await http.post("/oauth/revoke", data=fields)).status_code == 200
        assert (await fhir(node, tokens["access_token"], "Observation")).status_code == 401
        assert (await fhir(node, later["access_token"], "Observation")).status_code == 200
        await switch_off_client(node.services.database, "heart", until=node.services.clock())
        assert (await refresh(http, later["refresh_token"])).json()["error"] == "invalid_client"
        await register_client(node.services.database, HEART, now=node.services.clock())
        assert (await refresh(http, later["refresh_token"])).json()["error"] == "invalid_grant"


UNREGISTERED = [
    {"redirect_uri": f"{BACK}/../x"},
    {"redirect_uri": f"{BACK}.evil.example"},
    {"redirect_uri": f"{BACK}?x=1"},
    {"redirect_uri": "https://HEART.example/back"},
    {"redirect_uri": "https://evil.example"},
    {"redirect_uri": "javascript:alert(1)"},
    {"redirect_uri": ""},
    {"client_id": "nobody"},
    {"client_id": ""},
]


async def test_nothing_is_sent_to_an_address_that_is_not_registered(node):
    async with logged_in(node) as http:
        for change in UNREGISTERED:
            refused = await http.get(App().address("launch/patient patient/*.rs", **change))
            assert refused.status_code == 400, change
            assert "location" not in refused.headers
            assert "evil.example" not in refused.text


WRONG = [
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge": "", "code_challenge_method": ""}, "invalid_request"),
    ({"aud": "https://other.example/fhir"}, "invalid_request"),
    ({"scope": "system/*.cruds"}, "invalid_scope"),
    ({"scope": "patient/Observation.c?category=laboratory"}, "invalid_scope"),
    ({"launch": "guessed", "scope": "launch patient/*.rs"}, "invalid_request"),
    ({"prompt": "none"}, "interaction_required"),
]


async def test_a_wrong_request_is_told_to_the_app_only_for_someone_who_logged_in(node):
    app = App()
    async with logged_in(node) as known, browser(node) as stranger:
        for change, error in WRONG:
            address = app.address(**{"scope": "launch/patient patient/*.rs", **change})
            assert app.answer(await known.get(address))["error"] == error, change
            shown = await stranger.get(address)
            assert shown.status_code == (303 if "launch" in change else 400), change
            if "launch" not in change:
                assert html.escape(f"{BACK}?error={error}") in shown.text


async def test_a_decision_of_elsewhere_or_of_another_visitor_is_refused(node):
    app = App()
    scope = "launch/patient patient/*.rs"
    async with logged_in(node) as http, logged_in(node, Role.CLINICIAN) as other:
        page = await http.get(app.address(scope))
        assert (await decide(http, page, csrf="")).status_code == 403
        assert (await decide(other, page)).status_code == 403
        twice = app.address(scope) + "&redirect_uri=https://evil.example"
        assert (await http.get(twice)).status_code == 400
        tampered = urlsplit(app.address(scope)).query.replace("heart.example", "evil.example")
        assert (await decide(http, page, request=tampered)).status_code == 400
        stretched = urlsplit(app.address("launch/patient patient/*.rs system/*.cruds user/*.cruds")).query
        code = app.answer(await decide(http, page, request=stretched))["code"]
        tokens = (await app.tokens(http, code)).json()
        assert tokens["scope"] == "launch/patient patient/*.rs"
        posted = await http.post("/oauth/authorize", data=dict(parse_pairs(app.address(scope))))
        assert posted.status_code == 303
        assert posted.headers["location"].startswith("/oauth/authorize?")


def parse_pairs(address):
    return [(name, texts[0]) for name, texts in parse_qs(urlsplit(address).query).items()]


async def test_an_app_cannot_do_what_the_person_may_do_only_themselves(node):
    tokens = await allowed(node, "launch/patient patient/*.rs patient/Observation.cruds user/*.rs")
    headers = {"authorization": f"Bearer {tokens['access_token']}", **JSON}
    async with browser(node, headers=headers) as http:
        assert (await http.put("/restrictions/Observation/lab")).status_code == 403
        assert (await http.get("/restrictions")).status_code == 403
        assert (await http.get("/ledger/accesses")).status_code == 403
        assert (await http.get("/fhir/AuditEvent?patient=ana")).status_code == 403
        export = await http.get("/fhir/Patient/$export", headers={"prefer": "respond-async"})
        assert export.status_code == 403
        own = {"resourceType": "Observation", "status": "final", "code": {"text": "mine"},
               "subject": {"reference": "Patient/ana"}}  # fmt: skip
        assert (await http.post("/fhir/Observation", content=json.dumps(own))).status_code == 201
        page = await http.get("/apps")
        assert page.status_code == 303


async def test_only_pages_of_registered_public_apps_may_read_answers(node):
    async with browser(node) as http:
        for origin, shared in (("https://heart.example", True), ("https://clinic.example", False),
                               ("https://evil.example", False), ("null", False)):  # fmt: skip
            asked = {"origin": origin, "access-control-request-method": "GET"}
            preflight = await http.options("/fhir/Observation", headers=asked)
            assert (preflight.headers.get("access-control-allow-origin") == origin) is shared
            found = await http.get("/fhir/.well-known/smart-configuration", headers={"origin": origin})
            assert (found.headers.get("access-control-allow-origin") == origin) is shared
            assert "access-control-allow-credentials" not in found.headers
        portal = await http.get("/login", headers={"origin": "https://heart.example"})
        assert "access-control-allow-origin" not in portal.headers


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


async def test_a_code_of_another_app_ends_what_it_came_of(node):
    app = App()
    async with logged_in(node) as http:
        page = await http.get(app.address("launch/patient patient/Observation.rs offline_access"))
        code = app.answer(await decide(http, page))["code"]
        fields = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": app.redirect,
            "code_verifier": app.verifier,
        }  # fmt: skip
        assert (await signed(http, node, fields)).json()["error"] == "invalid_grant"
        assert (await app.tokens(http, code)).json()["error"] == "invalid_grant"
        tokens = await allowed(node, "launch/patient patient/Observation.rs offline_access")
        fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert (await signed(http, node, fields)).json()["error"] == "invalid_grant"
        assert (await fhir(node, tokens["access_token"], "Observation")).status_code == 401


async def test_codes_launches_and_refresh_tokens_end_by_the_clock(node, clock):
    app = App()
    async with logged_in(node) as http:
        page = await http.get(app.address("launch/patient patient/Observation.rs offline_access"))
        late = app.answer(await decide(http, page))["code"]
        clock.ahead = timedelta(seconds=61)
        assert (await app.tokens(http, late)).json()["error"] == "invalid_grant"
        page = await http.get(app.address("launch/patient patient/Observation.rs offline_access"))
        tokens = (await app.tokens(http, app.answer(await decide(http, page))["code"])).json()
        for days, good in ((89, True), (89 + 91, False)):
            clock.ahead = timedelta(days=days)
            answer = await refresh(http, tokens["refresh_token"])
            assert ("access_token" in answer.json()) is good
            tokens = answer.json()
    clock.ahead = timedelta()
    async with logged_in(node, Role.CLINICIAN) as http:
        await look_up(http, "ana")
        form = {"csrf": csrf(await http.get("/apps?patient=ana")), "client": "heart", "patient": "ana"}
        opened = await http.post("/apps/open", data=form)
        launch = parse_qs(
            urlsplit(html.unescape(re.search(r'href="(https://heart[^"]+)"', opened.text)[1])).query
        )
        clock.ahead = timedelta(seconds=301)
        late = await http.get(app.address("launch patient/Observation.rs", launch=launch["launch"][0]))
        assert app.answer(late)["error"] == "invalid_request"


async def test_another_process_of_the_node_hears_of_the_end_of_a_consent(node):
    tokens = await allowed(node, "launch/patient patient/Observation.rs")
    async with follow_revocations(node.services.database) as heard, logged_in(node) as http:
        page = await http.get("/apps")
        consent = re.search(r'name="consent" value="(\w+)"', page.text).group(1)
        await http.post("/apps/end", data={"csrf": csrf(page), "consent": consent})
        async with asyncio.timeout(5):
            while f"consent {consent}" not in heard:  # noqa: ASYNC110  a dictionary tells nobody
                await asyncio.sleep(0.01)
    assert (await fhir(node, tokens["access_token"], "Observation")).status_code == 401


async def test_a_session_that_an_attacker_plants_opens_nothing(node):
    app = App()
    address = app.address("launch/patient patient/*.rs")
    tokens = await allowed(node, "launch/patient patient/*.rs")
    for planted in ("guessed", tokens["access_token"], "a.b.c"):
        async with browser(node) as http:
            http.cookies.set(SESSION, planted)
            assert (await http.get(address)).headers["location"].startswith("/login?")
            assert (await http.get("/apps")).headers["location"].startswith("/login")


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


async def test_a_request_that_is_sent_ahead_counts_and_nothing_beside_it(node):
    app = App("clinic", CLINIC.redirects[0])
    ahead = dict(parse_pairs(app.address("launch/patient patient/Observation.rs")))
    async with browser(node) as http:
        wrong = await signed(http, node, {**ahead, "redirect_uri": "https://evil.example"}, "/oauth/par")
        assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_request")
        wide = await signed(http, node, {**ahead, "scope": "system/*.rs"}, "/oauth/par")
        assert wide.json()["error"] == "invalid_scope"
        assert (await http.post("/oauth/par", data=ahead)).status_code == 401
        kept = await signed(http, node, ahead, "/oauth/par")
        assert kept.status_code == 201
    named = {"client_id": "clinic", "request_uri": kept.json()["request_uri"]}
    async with logged_in(node) as http:
        stolen = await http.get(f"/oauth/authorize?{urlencode({**named, 'client_id': 'heart'})}")
        assert stolen.status_code == 400
        beside = {**named, "scope": "patient/*.rs", "redirect_uri": "https://evil.example"}
        page = await http.get(f"/oauth/authorize?{urlencode(beside)}")
        back = app.answer(await decide(http, page))
        fields = {
            "grant_type": "authorization_code", "code": back["code"], "redirect_uri": app.redirect,
            "code_verifier": app.verifier,
        }  # fmt: skip
        tokens = (await signed(http, node, fields)).json()
        assert tokens["scope"] == "launch/patient patient/Observation.rs"
        assert (await http.get(f"/oauth/authorize?{urlencode(named)}")).status_code == 400


async def test_an_apps_token_may_be_bound_to_a_key(node):
    holder = ECKey.generate_key("P-256")
    app, now = App(), node.services.clock().timestamp()
    async with logged_in(node) as http:
        page = await http.get(app.address("launch/patient patient/Observation.rs"))
        code = app.answer(await decide(http, page))["code"]
        http.headers["dpop"] = make_proof(holder, "POST", f"{BASE}/oauth/token", jti="j-1", now=now)
        tokens = (await app.tokens(http, code)).json()
    assert tokens["token_type"] == "DPoP"
    assert (await fhir(node, tokens["access_token"], "Observation")).status_code == 401


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
