"""A node with two registered apps, and an app as tests play it: its addresses, its secrets, its requests."""

import base64
import hashlib
import html
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
from salus.standards.jose.compact import sign
from salus.standards.smart.assertion import ASSERTION_TYPE, claims_for
from salus.store.federation import Client, register_client
from salus.trust.tokens import issue
from salus.web.portal.personas import persona_caller
from salus.web.portal.session import SESSION, open_sessions

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


async def look_up(http, patient):
    page = await http.get("/patient")
    form = {"csrf": csrf(page), "country": "pt-1", "identifier": f"{NUMBER}|{patient}"}
    found = await http.post("/patient", data=form)
    assert f"/patient/pt-1/{patient}" in found.headers.get("location", str(found.url))


def csrf(page):
    return re.search(r'name="csrf" value="([0-9a-f]+)"', page.text).group(1)


async def refresh(http, token, **changes):
    fields = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "heart", **changes}
    return await http.post("/oauth/token", data=fields)


async def signed(http, node, fields, path="/oauth/token", client="clinic"):
    now = node.services.clock().timestamp()
    claims = claims_for(client, f"{BASE}{path}", jti=secrets.token_hex(8), now=now, asker=None)
    assertion = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": sign(claims, KEY, kid="k")}
    return await http.post(path, data={**fields, **assertion})


def parse_pairs(address):
    return [(name, texts[0]) for name, texts in parse_qs(urlsplit(address).query).items()]
