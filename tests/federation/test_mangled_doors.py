"""Mangled assertions, JSON bodies, forms and queries at the doors beside FHIR: none makes the node fail."""

import json
import random
from urllib.parse import quote

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import ECKey
from tests.federation.conftest import local_token, put
from tests.federation.test_tokens import MARI

from salus.core.access import Role
from salus.standards.smart.asker import write_extensions
from salus.standards.smart.assertion import ASSERTION_TYPE, claims_for

ODD = [
    *(
        None,
        True,
        0,
        -1,
        2**70,
        1.5,
        1e300,
        "",
        "x",
        [],
        {},
        [[]],
        [None],
        [{}],
        "\u0000",
        "a\u0000b",
        "\ud800",
    ),
    *("a b", "a?b", "é", "../x", "NaN", "Infinity", "-1", "1e999999", "x" * 3000, "urn:uuid:1", "\x1b[31m"),
    *(
        {"a": 1},
        {"attachment": "x"},
        [{"attachment": "x"}],
        [{"attachment": {"url": "Binary/é"}}],
        {"\ud800": 1},
    ),
]
WHOM = {"node": "ee-1", "id": "rui", "relationship": "present"}
PRESCRIPTION = {
    "resourceType": "MedicationRequest",
    "id": "rx",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": {"text": "Ramipril"},
    "subject": {"reference": "Patient/rui"},
    "authoredOn": "2026-11-01",
    "dispenseRequest": {
        "numberOfRepeatsAllowed": 1,
        "quantity": {"value": 30, "unit": "tablet"},
        "validityPeriod": {"start": "2026-11-01", "end": "2027-11-01"},
    },
}
DISPENSE = {
    "resourceType": "MedicationDispense",
    "id": "d",
    "status": "completed",
    "identifier": [{"system": "urn:d", "value": "1"}],
    "medicationCodeableConcept": {"text": "Ramipril"},
    "subject": {"reference": "Patient/rui"},
    "authorizingPrescription": [{"reference": "MedicationRequest/rx"}],
    "quantity": {"value": 1, "unit": "tablet"},
}
REFERENCE = {
    "resourceType": "DocumentReference",
    "content": [{"attachment": {"contentType": "application/pdf", "data": "AAAA", "hash": "x"}}],
}
BODIES = {
    "/abroad/patients": {"identifier": "", "family": "Costa", "birthdate": "1980-02-02", "countries": ["EE"]},
    "/abroad/summary": WHOM,
    "/abroad/documents": WHOM,
    "/abroad/document": WHOM | {"reference": REFERENCE},
    "/abroad/publish": WHOM
    | {
        "data": "AAAA",
        "media_type": "application/pdf",
        "title": "Letter",
        "type": ["11490-0", "Letter"],
        "identifier": ["urn:l", "1"],
        "replaces": ["urn:l", "0"],
    },
    "/abroad/prescriptions": WHOM,
    "/abroad/dispense": WHOM
    | {
        "prescription": PRESCRIPTION,
        "dispense_id": ["urn:d", "1"],
        "quantity": 1,
        "medication": {"text": "Ramipril"},
    },
    "/abroad/discard": WHOM | {"prescription": PRESCRIPTION, "dispensation": DISPENSE},
    "/abroad/finish": {},
}
QUERIES = [
    "/ledger/accesses?count={}",
    "/ledger/accesses?before={}",
    "/ledger/accesses?count=0&before={}",
    "/ledger/report?count={}",
    "/ledger/report?before={}",
    "/ledger/tile/{}",
    "/ledger/tile/0/{}",
    "/ledger/tile/0/000.p/{}",
    "/ledger/inclusion?index={}&size=1",
    "/ledger/inclusion?index=0&size={}",
    "/ledger/consistency?before={}&after=2",
    "/ledger/consistency?before=1&after={}",
    "/oauth/token/{}",
    "/oauth/revoke/{}",
    "/oauth/introspect/{}",
    "/.well-known/jwks.json/{}",
    "/.well-known/smart-configuration/{}",
    "/fhir/.well-known/smart-configuration/{}",
    "/federation/members/{}",
    "/abroad/{}",
    "/ledger/{}",
    "/restrictions/{}",
    "/restrictions/Condition/{}",
]
NUMBERS = ["", "0", "1", "2", "9" * 18, "-1", "x", "é", "\u0000", "1e3", "²", "a/b", "%"]


def holders(node):
    if isinstance(node, dict | list) and node:
        yield node
        for member in list(node.values()) if isinstance(node, dict) else node:
            yield from holders(member)


def mangled(chance, value):
    value = json.loads(json.dumps(value))
    for _ in range(chance.choice([1, 1, 2])):
        node = chance.choice(list(holders(value)) or [{}])
        if isinstance(node, list):
            node[chance.randrange(len(node))] = chance.choice(ODD)
        elif node:
            key = chance.choice(list(node))
            if chance.random() < 0.2:
                del node[key]
            else:
                node[key] = chance.choice([*ODD, [node[key]]])
    return value


def signed(claims, key, kid):
    """Return the claims signed, whatever they hold (`jose.compact.sign` writes no half of a character)."""
    header = {"alg": "ES384", "kid": kid, "typ": "JWT"}
    return jws.serialize_compact(header, json.dumps(claims).encode(), key, algorithms=["ES384"])


@pytest.fixture
async def home(federation):
    """Rui, with a prescription, is at ee-1; everything is asked of pt-1."""
    await put(
        federation.nodes["ee-1"],
        {"resourceType": "Patient", "id": "rui", "name": [{"family": "Costa"}], "birthDate": "1980-02-02"},
        PRESCRIPTION,
    )
    return federation.nodes["pt-1"]


@pytest.fixture
async def http():
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        yield client


async def test_no_body_asked_abroad_makes_the_node_fail(home, http):
    chance = random.Random(20261124)
    headers = {"authorization": f"Bearer {local_token(home, Role.CLINICIAN, 'Dr Sousa')}"}
    failed = []
    for path in BODIES:
        for content in ("", "[]", "null", "1", '"x"', "{}", "{", "\xff"):
            answer = await http.post(home.url + path, content=content.encode("latin-1"), headers=headers)
            failed += [(path, content)] * (answer.status_code == 500)
    for _ in range(500):
        path = chance.choice(list(BODIES))
        content = json.dumps(mangled(chance, BODIES[path]))
        answer = await http.post(home.url + path, content=content, headers=headers)
        if answer.status_code == 500:
            failed.append((path, content[:500]))
    assert failed == []


NAMED = [
    ("/abroad/summary", {"id": ""}),
    ("/abroad/summary", {"id": "a b"}),
    ("/abroad/summary", {"id": "a?b"}),
    ("/abroad/summary", {"id": "é"}),
    ("/abroad/document", {"reference": {}}),
    ("/abroad/document", {"reference": {"content": []}}),
    ("/abroad/document", {"reference": {"content": [{"attachment": "x"}]}}),
    ("/abroad/dispense", {"prescription": {}}),
    ("/abroad/dispense", {"quantity": "NaN"}),
    ("/abroad/dispense", {"quantity": "Infinity"}),
    ("/abroad/dispense", {"quantity": "1e999999"}),
    ("/abroad/dispense", {"dispense_id": ["urn:d", "a\u0000b"]}),
    ("/abroad/dispense", {"medication": {"text": 7}}),
]


async def test_a_wrong_body_is_answered_with_what_is_wrong_with_it(home, http):
    headers = {"authorization": f"Bearer {local_token(home, Role.CLINICIAN, 'Dr Sousa')}"}
    for path, change in NAMED:
        answer = await http.post(home.url + path, json=BODIES[path] | change, headers=headers)
        assert answer.status_code in (400, 422), (change, answer.text)
        assert (
            next(iter(change)) in answer.text or "resourceType" in answer.text or "medication" in answer.text
        )


async def test_no_query_and_no_address_makes_the_node_fail(home, http):
    headers = {"authorization": f"Bearer {local_token(home, Role.CITIZEN, 'ana', patient='ana')}"}
    failed = []
    for address in QUERIES:
        for text in NUMBERS:
            url = home.url + address.replace("{}", quote(text, safe=""))
            for method in ("GET", "POST", "PUT", "DELETE"):
                answer = await http.request(method, url, headers=headers)
                failed += [(method, url)] * (answer.status_code >= 500)
    assert failed == []
    assert (await http.get(f"{home.url}/ledger/accesses?count=0", headers=headers)).status_code == 400
    assert (await http.get(f"{home.url}/oauth/token/x")).status_code == 404


def form(assertion):
    return {
        "grant_type": "client_credentials",
        "scope": "system/*.rs",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }


async def test_no_assertion_makes_the_node_fail(federation, home, http):
    chance = random.Random(7)
    key = federation.nodes["ee-1"].services.keys.federation
    kid = federation.member("ee-1").keys[0]["kid"]
    other = ECKey.generate_key("P-384")
    b2b = {
        "version": "1",
        "subject_id": "1",
        "subject_name": "Mari",
        "subject_role": write_extensions(MARI)["ihe_iua"]["subject_role"],
        "organization_name": "Hospital",
        "purpose_of_use": write_extensions(MARI)["ihe_iua"]["purpose_of_use"],
        "person_id": "ana",
    }
    failed = []
    for number in range(400):
        path = chance.choice(["/oauth/token", "/oauth/token", "/oauth/revoke", "/oauth/introspect"])
        now = home.clock().timestamp()
        claims = claims_for("ee-1", home.url + path, jti=f"j{number}", now=now, asker=MARI)
        if chance.random() < 0.4:
            claims["extensions"] = {"hl7-b2b": b2b, "salus": {"relationship": "present"}}
        broken = mangled(chance, claims if chance.random() < 0.3 else claims["extensions"])
        claims = broken if isinstance(broken, dict) and "iss" in broken else claims | {"extensions": broken}
        assertion = signed(claims, key if chance.random() < 0.9 else other, kid)
        answer = await http.post(home.url + path, data=form(assertion) | {"token": "a.b.c"})
        if answer.status_code >= 500:
            failed.append((path, claims))
    assert failed == []


async def test_an_unsigned_name_that_no_database_can_hold_is_no_client(home, http):
    for name in ("a\u0000b", "\ud800", "x" * 5000, ""):
        claims = {"iss": name, "sub": name, "aud": f"{home.url}/oauth/token", "jti": name}
        answer = await http.post(
            f"{home.url}/oauth/token", data=form(signed(claims, ECKey.generate_key("P-384"), "k"))
        )
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), name


async def test_a_form_token_that_is_no_ascii_is_refused(home, http):
    http.cookies.set("salus_form", "x")
    for text in ("é", "\u0000", "x"):
        answer = await http.post(f"{home.url}/login", data={"csrf": text})
        assert answer.status_code in (400, 403, 404), answer.status_code
