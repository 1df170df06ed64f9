"""Paths that climb, methods of no standard, and the records of others."""

from conformance.scoreboard.attacks.target import JSON
from tests.attack.forms import asked


def cases():
    yield asked("/metadata", "accepted", "none")
    yield asked("/Patient/{OWN}", "accepted")
    yield asked("/Patient/{OTHER}", status=[404])
    yield asked("/Observation/hidden-3c", status=[404])
    yield asked("/Patient/{OTHER}/Observation", "neutral")
    for path in (
        "/Patient/{OTHER}/_history",
        "/Patient/{OTHER}/$everything",
        "/Patient/{OTHER}/$summary",
        "/Observation/hidden-3c/_history/1",
        "/Patient/{OWN_UPPER}/_history",
        "/patient/{OWN}",
        "/Patient/{OWN}%00",
        "/Patient/{OWN}%0a",
        "/Patient/{OWN}/_history/0",
        "/Patient/{OWN}/_history/1e1",
        "/Patient/{OWN}/_history/a",
        "/Patient/%2e",
        "/Patient/..;/admin",
        "/Patient/%252e%252e%252fetc",
        "/Patient//{OWN}//",
        "/Patient/" + "a" * 65,
        "/Patient/" + "%61" * 200,
        "/Patient/1'--",
        "/Patient/1%7cid",
        "/Binary/..%5c..%5cboot.ini",
        "/$nonsense",
        "/Patient/{OWN}/$nonsense",
        "/Patient/{OWN}/$everything?_since=2020-99",
        "/Patient/{OWN}/$everything?_count=x",
        "/.git/config",
        "/.env",
        "/_all",
        "/nosuch/1",
        "/Bundle/1/../../x",
    ):
        yield asked(path)
    for method in ("TRACE", "CONNECT", "PROPFIND", "MOVE", "post", "QUERY", "X" * 200):
        yield asked("/Patient/{OWN}") | {"method": method}
    for path in ("/AuditEvent/1", "/Patient/{OTHER}", "/Patient?identifier=x", "/Observation/hidden-3c"):
        yield from (
            {
                "method": method,
                "path": path,
                "auth": "citizen",
                "expect": "refused",
                "body": "{}",
                "content_type": JSON,
            }
            for method in ("PUT", "DELETE")
        )
    yield asked("/Patient?_id={OTHER}&active=true") | {"method": "DELETE"}
