"""An app learns which professional uses it; a resource server asks whether a token is good."""

# ruff: noqa: F811  (tests name the fixtures that they import)

import html
import re
from urllib.parse import parse_qs, urlsplit

import msgspec
from tests.flow.apps import (  # noqa: F401  fixtures
    BASE,
    JSON,
    KEY,
    App,
    allowed,
    browser,
    clock,
    decide,
    fhir,
    logged_in,
    look_up,
    node,
    signed,
)

from salus.core.access import Caller, Purpose, Role
from salus.standards.jose.compact import unverified
from salus.store.federation import Client, register_client
from salus.trust.tokens import issue
from salus.web.portal.personas import persona_caller

ARCHIVE = Client("archive", "Image archive", [KEY.as_dict(private=False)], (), roles=(), introspects=True)
SCOPE = "launch openid fhirUser patient/Observation.rs user/Practitioner.rs"


async def opened_by_a_clinician(node):
    """Return the tokens of an app that a clinician opens from the page of a patient."""
    app = App()
    async with logged_in(node, Role.CLINICIAN) as http:
        await look_up(http, "ana")
        page = await http.get("/apps?patient=ana")
        form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        opened = await http.post("/apps/open", data=form)
        address = html.unescape(re.search(r'<a href="(https://heart[^"]+)"', opened.text).group(1))
        (launch,) = parse_qs(urlsplit(address).query)["launch"]
        page = await http.get(app.address(SCOPE, launch=launch))
        return (await app.tokens(http, app.answer(await decide(http, page))["code"])).json()


async def store(node, *resources):
    operator = Caller("op", "Op", Role.OPERATOR, "", BASE, Purpose.OPERATIONS)
    token = issue(node.services.keys.token, operator, node.services.terms, now=node.services.clock())
    headers = {**JSON, "authorization": f"Bearer {token}"}
    async with browser(node) as http:
        for each in resources:
            path = f"/fhir/{each['resourceType']}/{each['id']}"
            made = await http.put(path, content=msgspec.json.encode(each), headers=headers)
            assert made.status_code == 201, made.text


async def test_a_professional_is_the_one_practitioner_of_the_directory_who_has_their_subject(node):
    subject = persona_caller(Role.CLINICIAN, "PT").subject
    own = {
        "resourceType": "Practitioner",
        "id": "ines",
        "identifier": [{"system": "urn:x", "value": subject}],
    }
    role = {"resourceType": "PractitionerRole", "id": "role", "identifier": own["identifier"]}
    await store(node, role)
    tokens = await opened_by_a_clinician(node)
    assert unverified(tokens["id_token"]).claims["fhirUser"] == f"{BASE}/fhir/PractitionerRole/role"
    await store(node, own)
    tokens = await opened_by_a_clinician(node)
    claims = unverified(tokens["id_token"]).claims
    assert claims["fhirUser"] == f"{BASE}/fhir/Practitioner/ines"
    assert "fhirUser" in tokens["scope"].split()
    read = await fhir(node, tokens["access_token"], "Practitioner/ines")
    assert (read.status_code, read.json()["id"]) == (200, "ines")
    await store(node, own | {"id": "other"})
    tokens = await opened_by_a_clinician(node)
    assert "fhirUser" not in tokens["scope"].split()
    assert "fhirUser" not in unverified(tokens["id_token"]).claims


async def test_a_resource_server_asks_of_tokens_for_this_node_and_of_no_others(node):
    services = node.services
    await register_client(services.database, ARCHIVE, now=services.clock())
    clinician, now = persona_caller(Role.CLINICIAN, "PT"), services.clock()
    here = issue(services.keys.token, clinician, services.terms, now=now)
    elsewhere = msgspec.structs.replace(services.terms, issuer="https://other.example")
    other = issue(services.keys.token, clinician, elsewhere, now=now)
    old = msgspec.structs.replace(services.terms, seconds=-1)
    past = issue(services.keys.token, clinician, old, now=now)
    of_app = await allowed(node, "openid fhirUser launch/patient patient/Observation.rs")
    async with browser(node) as http:

        async def ask(token, client="archive"):
            answer = await signed(http, node, {"token": token}, "/oauth/introspect", client=client)
            assert answer.headers["cache-control"] == "no-store"
            return answer.json()

        told = await ask(here)
        assert (told["active"], told["sub"], told["aud"]) == (True, clinician.subject, BASE)
        told = await ask(of_app["access_token"])
        assert (told["client_id"], told["patient"]) == ("heart", "ana")
        assert told["fhirUser"] == f"{BASE}/fhir/Patient/ana"
        assert told["sub"] == unverified(of_app["id_token"]).claims["sub"]
        for token in (other, past, "x", here[:-4], of_app["id_token"]):
            assert await ask(token) == {"active": False}
        assert await ask(here, client="clinic") == {"active": False}
        unsigned = await http.post("/oauth/introspect", data={"token": here})
        assert unsigned.status_code == 401
        own = await signed(http, node, {"grant_type": "client_credentials"}, client="archive")
        assert (own.status_code, own.json()["error"]) == (400, "invalid_scope")
        gone = {"token": of_app["access_token"], "client_id": "heart"}
        assert (await http.post("/oauth/revoke", data=gone)).status_code == 200
        assert await ask(of_app["access_token"]) == {"active": False}
