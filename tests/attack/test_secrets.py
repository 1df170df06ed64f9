"""Secrets stay out of logs and answers, however a request fails; so does what was asked about a person."""

import json
from urllib.parse import urlencode

import pytest
from conformance.scoreboard.attacks.target import HIDDEN, JSON
from tests.attack.secrets_told import key_words, secrets_told

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


@pytest.mark.parametrize("spelling", [bytes.hex, lambda octets: repr(octets)[2:-1]])
def test_a_key_or_a_token_in_a_text_is_seen(target, spelling):
    folder = target.data / "keys"
    octets = (folder / "search.key").read_bytes()
    assert secrets_told(f"key {spelling(octets)} used", folder) == [spelling(octets)]
    assert secrets_told(f"token {target.logins['app']}!", folder) == [target.logins["app"]]
