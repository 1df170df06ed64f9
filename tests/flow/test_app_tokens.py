"""What an app must not do: with codes, tokens, addresses and sessions of others, used again or too old."""

# ruff: noqa: F811  (tests name the fixtures that they import)

import asyncio
import html
import json
import re
import secrets
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc.jwk import ECKey
from tests.flow.apps import (  # noqa: F401  fixtures
    BACK,
    BASE,
    CLINIC,
    HEART,
    JSON,
    KEY,
    App,
    allowed,
    browser,
    clock,
    csrf,
    decide,
    fhir,
    logged_in,
    look_up,
    node,
    parse_pairs,
    refresh,
    signed,
)

from salus.core.access import Assurance, Purpose, Role
from salus.core.identifiers import new_id
from salus.standards.jose.compact import sign
from salus.standards.smart.asker import Asker
from salus.standards.smart.assertion import ASSERTION_TYPE, claims_for
from salus.standards.smart.dpop import make_proof
from salus.store.federation import Client, register_client, switch_off_client
from salus.store.revocations import follow_revocations
from salus.web.app_tokens import last_expiry
from salus.web.portal.session import SESSION


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


async def test_an_app_breaks_no_glass(node):
    tokens = await allowed(node, "user/Observation.rs openid", role=Role.CLINICIAN)
    refused = await claim(node, tokens["access_token"])
    assert refused.status_code == 403
    assert "access_token" not in refused.text


async def test_a_system_opens_emergencies_only_if_registered_and_they_end_with_it(node, clock):
    plain = await token_of_system(node, "plain", Purpose.TREATMENT)
    refused = await claim(node, plain)
    assert refused.status_code == 403
    assert "not registered for emergencies" in refused.text
    asked = await token_of_system(node, "rescue", Purpose.TREATMENT, Purpose.EMERGENCY)
    opened = (await claim(node, asked)).json()
    assert 0 < opened["expires_in"] <= node.services.terms.seconds
    assert (await fhir(node, opened["access_token"], "Patient/ana")).status_code == 200
    await switch_off_client(node.services.database, "rescue", until=last_expiry(node.services))
    for _ in range(100):  # heard from the database within a second
        answer = await fhir(node, opened["access_token"], "Patient/ana")
        if answer.status_code == 401:
            break
        await asyncio.sleep(0.05)
    assert answer.status_code == 401


async def test_a_form_with_the_character_0_is_refused(node):
    for address in ("/oauth/token", "/oauth/revoke", "/oauth/par"):
        async with browser(node) as http:
            form = {"content-type": "application/x-www-form-urlencoded"}
            answer = await http.post(address, content=b"client_id=x%00&token=y", headers=form)
        assert answer.status_code == 400


async def claim(node, token):
    async with browser(node, headers={"authorization": f"Bearer {token}"}) as http:
        return await http.post("/emergency", json={"patient": "ana", "reason": "found unconscious"})


async def token_of_system(node, name, *purposes):
    """Return a token by which a registered system speaks for a clinician."""
    services = node.services
    key = KEY.as_dict(private=False)
    system = Client(name, name.upper(), [key], ("user/*.rs",), (Role.CLINICIAN,), purposes)
    await register_client(services.database, system, now=services.clock())
    asker = Asker(
        "s-9",
        "Dr Nine",
        Role.CLINICIAN,
        "Hospital",
        Purpose.TREATMENT,
        "",
        "in-care",
        assurance=Assurance.HIGH,
    )
    claims = claims_for(
        name, f"{BASE}/oauth/token", jti=new_id(), now=services.clock().timestamp(), asker=asker
    )
    form = {
        "grant_type": "client_credentials",
        "scope": "user/*.rs",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": sign(claims, KEY, kid="k"),
    }
    async with browser(node) as http:
        return (await http.post("/oauth/token", data=form)).json()["access_token"]
