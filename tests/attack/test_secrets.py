"""Secrets stay out of logs and answers, however a request fails; so does what was asked about a person."""

import base64
import json
from urllib.parse import quote, urlencode

import pytest
from conformance.scoreboard.attacks.target import HIDDEN, JSON
from tests.attack.secrets_told import key_words, secrets_told

from salus.standards.jose.encoding import decode

PERSONAL = "Salajane-Nimi"
FORM = "application/x-www-form-urlencoded"


def failing(target):
    """Yield requests that fail in different places, each with a secret and a name in it."""
    token = target.logins["citizen"]
    broken = json.dumps({"resourceType": "Patient", "name": [{"family": PERSONAL}], "nonsense": token})
    query = urlencode({"name": PERSONAL, "access_token": token})
    assertion = urlencode(
        {"grant_type": "client_credentials", "client_assertion": token, "client_id": PERSONAL}
    )
    yield "GET", f"/Patient?{query}", None, {}
    yield "GET", f"/Patient/{PERSONAL}?{query}", None, {"token": token + "x"}
    yield "GET", f"/{PERSONAL}/{token}", None, {"token": token}
    yield "GET", "/Patient/own-1a", None, {"headers": {"Authorization": f"Basic {token}"}}
    yield "GET", "/Patient/own-1a", None, {"headers": {"Cookie": f"salus_session={token}"}}
    yield "POST", "/Patient", broken.encode(), {"token": token}
    yield "POST", "/Patient", broken.encode()[:-20], {"token": token}
    yield "POST", "/Patient", b"\xff" + broken.encode(), {"token": token}
    yield "POST", "/Patient", broken.encode(), {"token": token, "content_type": "text/plain"}
    yield "POST", "/oauth/token", assertion.encode(), {"content_type": FORM}
    yield "POST", f"/oauth/token?{assertion}", b"", {"content_type": FORM}
    yield "POST", "/oauth/introspect", f"token={token}".encode(), {"content_type": FORM}


def test_no_log_and_no_answer_holds_a_secret(target):
    folder = target.data / "keys"
    for method, path, body, more in failing(target):
        answer = target.send(method, path, body, **({"content_type": JSON} | more))
        assert 400 <= answer.status < 500
        # An answer to the submitter may quote the offending value, but no key and nothing of others.
        told = [word for word in (*key_words(folder), HIDDEN) if word in answer.text]
        assert told == [], (method, path)
    log = target.log.read_text()
    assert secrets_told(log, folder) == []
    assert not [word for word in (PERSONAL, "Secretname", HIDDEN) if word in log]


MARKS = {
    "client_secret": "Kliendisaladus-1", "code": "Luba-kood-2", "code_verifier": "Tõendaja-3" * 5,
    "refresh_token": "Uuendus-4", "passcode": "Parool-5", "salus_session": "Seanss-6", "nonce": "Nonss-7",
    "state": "Olek-8", "vp_token": "Esitlus-9", "binding": "Sidumiskood-10", "mail": "Postiparool-11",
    "presence": "Kohalolu-12",
}  # fmt: skip
"""What lets somebody in, or proves something once; a spelling of each that nothing else has."""


def letting_in(marks):
    """Yield requests that carry each of the marks to the doors that take them, and that fail there."""
    session = {
        "headers": {"Cookie": f"salus_session={marks['salus_session']}; salus_wallet={marks['nonce']}"}
    }
    basic = basic_of(marks)
    yield (
        "POST",
        "/oauth/token",
        {"grant_type": "client_credentials", "client_secret": marks["client_secret"]},
        {},
    )
    yield "POST", "/oauth/token", {"grant_type": "password"}, {"headers": {"Authorization": f"Basic {basic}"}}
    spent = {name: marks[name] for name in ("code", "code_verifier", "refresh_token")}
    for kind in ("authorization_code", "refresh_token"):
        yield "POST", "/oauth/token", {"grant_type": kind, "client_id": "app", **spent}, {}
    yield "POST", "/oauth/revoke", {"token": marks["refresh_token"]}, {}
    yield (
        "GET",
        f"/login/back/test?{urlencode({'code': marks['code'], 'state': marks['state']})}",
        None,
        session,
    )
    yield "GET", f"/wallet/request/{marks['nonce']}", None, session
    yield "GET", f"/wallet/done?response_code={marks['code']}", None, session
    answer = {"response": marks["vp_token"], "state": marks["state"], "vp_token": marks["vp_token"]}
    yield "POST", f"/wallet/answer/{marks['nonce']}", answer, session
    yield "POST", "/login/link", {"code": marks["binding"]}, session
    yield "GET", f"/record?code={marks['code']}", None, session
    yield "POST", f"/health-links/{marks['code']}", {"recipient": "x", "passcode": marks["passcode"]}, {}
    yield "POST", "/treatment/presence", {"code": marks["presence"], "patient": marks["presence"]}, {}
    yield "PUT", "/notices/way", {"channel": "mail", "address": marks["mail"]}, {}


def test_no_log_holds_what_lets_somebody_in(target):
    for method, path, fields, more in letting_in(MARKS):
        for form in (True, False):
            body = None if fields is None else (urlencode(fields) if form else json.dumps(fields)).encode()
            media = FORM if form else "application/json"
            token = None if more else target.logins["citizen"]
            answer = target.send(method, path, body, base="", content_type=media, token=token, **more)
            assert answer.status < 500, (method, path, answer.text)
    wish = {"content": "summary", "label": "For Lisbon", "passcode": MARKS["passcode"]}
    made = target.send(
        "POST", "/rights/links", json.dumps(wish).encode(), base="", token=target.logins["citizen"],
        content_type="application/json",
    )  # fmt: skip
    assert made.status == 201, made.text
    link = json.loads(made.body)["link"]
    payload = json.loads(decode(link.rpartition("shlink:/")[2]))
    opened = payload["url"].partition("/health-links/")[2]
    for passcode in ("wrong", MARKS["passcode"]):
        said = json.dumps({"recipient": "Dr", "passcode": passcode}).encode()
        answer = target.send(
            "POST", f"/health-links/{opened}", said, base="", content_type="application/json"
        )
        assert answer.status == (401 if passcode == "wrong" else 200), answer.text
    log = target.log.read_text()
    assert [name for name, mark in MARKS.items() if mark in log or quote(mark) in log] == []
    assert [secret for secret in (link, opened, payload["key"], basic_of(MARKS)) if secret in log] == []
    assert secrets_told(log, target.data / "keys") == []
    assert (target.data / "keys" / "master.key").exists(), "the master key is among those that are looked for"


def basic_of(marks):
    return base64.b64encode(f"app:{marks['client_secret']}".encode()).decode()


@pytest.mark.parametrize("spelling", [bytes.hex, lambda octets: repr(octets)[2:-1]])
def test_a_key_or_a_token_in_a_text_is_seen(target, spelling):
    folder = target.data / "keys"
    octets = (folder / "search.key").read_bytes()
    assert secrets_told(f"key {spelling(octets)} used", folder) == [spelling(octets)]
    assert secrets_told(f"token {target.logins['app']}!", folder) == [target.logins["app"]]
