"""Tokens that are none, identities claimed by header, cookie or query, other sites and other media types."""

from tests.attack.forms import asked, posted


def cases():
    refused = [401, 403]
    yield asked("/Patient/{OWN}", "accepted", "none", headers={"Authorization": "Bearer {VALID}"})
    yield asked("/Patient/{OWN}", "accepted", "none", headers={"Authorization": "bearer {VALID}"})
    for value in (
        "{VALID}",
        "Bearer",
        "Bearer ",
        "Bearer null",
        "Bearer {VALID}x",
        "Bearer x{VALID}",
        "Bearer {VALID}.",
        "Bearer {EXPIRED}",
        "Bearer {REVOKED}",
        "Bearer {REFRESH}",
        "Basic {VALID}",
        "DPoP {VALID}",
        "Bearer {VALID} {VALID}",
        "Digest username=admin",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
        "Bearer ..",
        "Bearer " + "a." * 3_000,
        "Negotiate x",
        "Token {VALID}",
    ):
        yield asked("/Patient/{OWN}", auth="none", status=refused, headers={"Authorization": value})
    for name, value in {
        "X-Forwarded-User": "admin",
        "X-Remote-User": "admin",
        "X-Forwarded-For": "127.0.0.1",
        "X-HTTP-Method-Override": "GET",
        "Forwarded": "for=127.0.0.1",
        "X-Original-URL": "/fhir/metadata",
        "Cookie": "session={VALID}",
        "X-Api-Key": "{VALID}",
        "Proxy-Authorization": "Bearer {VALID}",
        "X-SSL-Client-Verify": "SUCCESS",
    }.items():
        yield asked("/Patient/{OWN}", auth="none", status=refused, headers={name: value})
    for query in ("access_token={VALID}", "token={VALID}", "bearer={VALID}"):
        yield asked("/Patient/{OWN}?" + query, auth="none", status=[401])
    for origin in ("null", "http://127.0.0.1.evil.example", "http://localhost"):
        answer = {"headers": {"Origin": origin}, "never_in_answer": ["access-control-allow-origin"]}
        yield asked("/Patient/{OWN}", "neutral", **answer)
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/html",
        "application/json;charset=utf-7",
    ):
        yield posted("Patient", "--x--", content_type=kind)
