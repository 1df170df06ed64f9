"""Every door of the description, with every kind of token that must not open it."""

import hmac
import json
import re
import time

import pytest
from conformance.scoreboard.attacks.target import HIDDEN, OTHER
from joserfc import jwt

from salus.core.access import Purpose, Role
from salus.standards.jose.encoding import encode

FILLED = {"type": "Patient", "member": "Observation", "id": OTHER, "number": "1", "version": "1"}
BODIES = {"/fhir": b'{"resourceType": "Patient"}', "/oauth": b"token=x", "": b"{}"}


@pytest.fixture(scope="module")
def doors(target):
    """Return (method, address) of each operation that says it needs a token."""
    paths = json.loads(target.send("GET", "/openapi.json", base="").body)["paths"]
    found = [
        (method.upper(), re.sub(r"\{(\w+)\}", lambda name: FILLED.get(name[1], "x"), template))
        for template, operations in paths.items()
        for method, operation in operations.items()
        if operation["security"]
    ]
    assert len(found) > 100
    return found


@pytest.fixture(scope="module")
def forged(target):
    """Return tokens that this node must not take, by what is wrong with them."""
    good = target.token(Role.OPERATOR, Purpose.OPERATIONS)
    header, payload, signature = good.split(".")
    claims = jwt.decode(good, target.keys.token).claims
    key, kind = target.keys.token, {"alg": "ES256", "typ": "at+jwt", "kid": target.keys.token.kid}

    def signed(header=kind, **changes):
        return jwt.encode(header, {**claims, **changes}, key, algorithms=["ES256"])

    none = encode(b'{"alg":"none","typ":"at+jwt"}')
    confused = encode(b'{"alg":"HS256","typ":"at+jwt"}') + "." + payload
    public = target.keys.token.as_pem(private=False)
    secret = encode(hmac.digest(public, confused.encode(), "sha256"))
    return {
        "absent": "",
        "revoked": target.words["REVOKED"],
        "another node's": target.token(Role.OPERATOR, Purpose.OPERATIONS, keys=target.foreign),
        "unsigned": f"{none}.{payload}.",
        "no signature": f"{header}.{payload}.",
        "another payload's signature": f"{header}.{target.logins['citizen'].split('.')[1]}.{signature}",
        "HS256 under the public key": f"{confused}.{secret}",
        "expired": signed(exp=int(time.time()) - 3_600),
        "not valid yet": signed(nbf=int(time.time()) + 3_600),
        "for another audience": signed(aud="https://elsewhere.example"),
        "of another issuer": signed(iss="https://elsewhere.example"),
        "of another type": signed({"alg": "ES256", "typ": "JWT"}),
        "bound to a key that is not shown": signed(cnf={"jkt": "x" * 43}),
    }


def ask(target, method, path, token):
    body = next(one for base, one in BODIES.items() if path.startswith(base))
    return target.send(method, path, None if method in ("GET", "DELETE") else body, base="", token=token)


def test_no_door_opens_to_a_token_that_is_none_of_this_nodes(target, doors, forged):
    before = target.newest()
    wrong = [
        (method, path, name, answer.status)
        for method, path in doors
        for name, token in forged.items()
        if (answer := ask(target, method, path, token)).status != 401 or HIDDEN in answer.text
    ]
    assert wrong == []
    assert target.newest() == before


def test_no_door_gives_a_citizen_what_is_anothers(target, doors):
    told = [
        (method, path)
        for method, path in doors
        if HIDDEN in (answer := ask(target, method, path, target.logins["citizen"])).text
        or answer.status >= 500
    ]
    assert told == []
    assert HIDDEN in target.send("GET", f"/Patient/{OTHER}", token=target.logins["operator"]).text
