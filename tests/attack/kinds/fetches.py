"""Addresses that a server must not fetch: of notifications, references, code systems and profiles."""

from itertools import product

from tests.attack.forms import asked, observation, patient, posted

ENDPOINTS = [
    "http://localhost/",
    "http://LOCALHOST:80/",
    "http://127.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://[::ffff:7f00:1]/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://[64:ff9b::7f00:1]/",
    "https://169.254.169.254/",
    "http://metadata.google.internal/",
    "http://evil.example@127.0.0.1/",
    "file:///etc/passwd",
    "ftp://evil.example/",
    "dict://127.0.0.1:11211/",
    "ldap://evil.example/",
    "javascript:a()",
    "//evil.example/",
    "",
    "http://evil.example/\r\nX: y",
    "http://127.0.0.1\t/",
    "http://①②⑦.⓪.⓪.①/",
    "http://evil.example#@127.0.0.1/",
    "http:///x",
    "http://[::1",
    "http://evil.example:99999/",
    "unix:/run/postgresql/.s.PGSQL.5432",
]


def cases():
    for endpoint in ENDPOINTS:
        channel = {"type": "rest-hook", "endpoint": endpoint}
        watch = {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "t",
            "criteria": "Observation?",
        }
        yield posted("Subscription", watch | {"channel": channel}, auth="app")
    for kind, address in product(
        ("rest-hook", "websocket", "email", "sms", "message"), ("mailto:a@evil.example",)
    ):
        watch = {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "t",
            "criteria": "Observation?",
        }
        yield posted("Subscription", watch | {"channel": {"type": kind, "endpoint": address}}, auth="app")
    url = "http://169.254.169.254/x"
    yield posted("Observation", observation(), "accepted")
    yield posted("Observation", observation(code={"coding": [{"system": url, "code": "x"}]}), "neutral")
    yield posted("Observation", observation(meta={"profile": [url]}), "neutral")
    yield posted("Observation", observation(hasMember=[{"reference": url}]), "neutral")
    yield posted("Patient", patient(photo=[{"url": url}]), "neutral", never_in_answer=["root:"])
    yield posted("Patient/$validate?profile=" + url, patient(), "neutral")
    for path in (
        "/Observation?code:in={}",
        "/Observation?code:below={}",
        "/Patient?_profile={}",
        "/Patient?_source={}",
        "/Patient?general-practitioner={}",
        "/Patient?_has:Observation:patient:code={}|x",
    ):
        yield asked(path.format(url), "neutral")
