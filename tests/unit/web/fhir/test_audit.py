"""AuditEvents: who looked, for what, at whose data; for the person it is about."""

from datetime import UTC, datetime, timedelta
from itertools import count

from salus.core.access import Role
from salus.standards.fhir.validation.validator import validate
from salus.web.fhir import audit

PATIENT = {"resourceType": "Patient", "name": [{"family": "Tamm"}]}


async def test_a_citizen_reads_who_accessed_the_own_record_and_no_other(door):
    for name in ("1", "2"):
        await door.operator("PUT", f"/Patient/{name}", {**PATIENT, "id": name})
    await door("GET", "/Patient/1")
    refused = await door("GET", "/Patient/1", role=Role.AUDITOR)
    assert refused.status_code == 403
    found = (await door.citizen("GET", "/AuditEvent", patient="1")).json()
    events = [entry["resource"] for entry in found["entry"]]
    assert [(event["action"], event["outcome"]) for event in events] == [("R", "4"), ("R", "0"), ("U", "0")]
    assert {event["entity"][0]["what"]["reference"] for event in events} == {"Patient/1"}
    assert events[1]["agent"][0]["who"]["display"] == "Mari Tamm"
    assert events[1]["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    for event in events:
        assert [issue for issue in validate(event) if issue.severity == "error"] == []
    other = (await door.citizen("GET", "/AuditEvent?patient=2", patient="1")).json()
    assert other.get("entry", []) == []
    assert (await door("GET", "/AuditEvent?patient=1")).status_code == 403


async def test_the_audit_pages_and_takes_few_parameters(door):
    await door.operator("PUT", "/Patient/1", {**PATIENT, "id": "1"})
    for _ in range(3):
        await door("GET", "/Patient/1")
    seen, path = [], "/AuditEvent?patient=1&_count=2"
    while path and len(seen) < 20:
        page = (await door("GET", path, role=Role.AUDITOR)).json()
        seen += [entry["resource"]["id"] for entry in page["entry"]]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        path = following[0].removeprefix("https://node.test/fhir") if following else None
    assert len(seen) == len(set(seen)) >= 4
    for wrong in (
        "type=rest",
        "patient=1&date=soon",
        "patient=1&_summary=true",
        "patient=1&patient=2",
        "patient=Group/1",
        "patient=1&_cursor=x",
    ):
        assert (await door("GET", f"/AuditEvent?{wrong}", role=Role.AUDITOR)).status_code == 400


async def test_an_auditor_reads_the_accesses_to_all_records(door):
    for name in ("1", "2"):
        await door.operator("PUT", f"/Patient/{name}", {**PATIENT, "id": name})
    whole = (await door("GET", "/AuditEvent?date=ge2020", role=Role.AUDITOR)).json()
    about = [entry["resource"]["entity"][0].get("what", {}).get("reference") for entry in whole["entry"]]
    assert about[-2:] == ["Patient/2", "Patient/1"]
    page = (await door("GET", "/AuditEvent?_count=1", role=Role.AUDITOR)).json()
    assert [link["relation"] for link in page["link"]] == ["self", "next"]
    assert "patient=" not in page["link"][1]["url"]
    for role in (Role.CLINICIAN, Role.OPERATOR, Role.CITIZEN):
        answer = await door("GET", "/AuditEvent?date=ge2020", role=role)
        assert answer.status_code in (400, 403), role


DAY = datetime(2026, 11, 1, 10, tzinfo=UTC)


async def days_of_accesses(open_door, days=5):
    """Return a door whose patient 1 was read once a day; the first access, on day 0, made the record."""
    passed = count()
    door = open_door(clock=lambda: DAY + timedelta(days=next(passed) // 100))
    await door.operator("PUT", "/Patient/1", {**PATIENT, "id": "1"})
    for day in range(1, days):
        passed = count(day * 100)
        await door("GET", "/Patient/1")
    passed = count(days * 100)
    return door


async def found(door, query):
    answer = await door("GET", f"/AuditEvent?patient=1&{query}", role=Role.AUDITOR)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return page, [entry["resource"]["recorded"][8:10] for entry in page.get("entry", ())]


async def test_an_auditor_asks_for_a_time(open_door):
    door = await days_of_accesses(open_door)
    for query, expected in {
        "date=2026-11-03": ["03"],
        "date=ge2026-11-02&date=lt2026-11-04": ["03", "02"],
        "date=lt2026-11-03": ["02", "01"],
        "date=2026-11-01,2026-11-05": ["05", "01"],
        "date=ge2030": [],
    }.items():
        assert (await found(door, query))[1] == expected, query
    first, days = await found(door, "date=lt2026-11-05&_count=3")
    assert days == ["04", "03", "02"]
    assert "date=lt2026-11-05" in first["link"][0]["url"]
    following = first["link"][1]["url"].partition("?")[2]
    assert (await found(door, following.replace("patient=1&", "")))[1] == ["01"]
    other = following.replace("patient=1&", "").replace("lt2026-11-05", "lt2026-11-06")
    assert (await door("GET", f"/AuditEvent?patient=1&{other}", role=Role.AUDITOR)).status_code == 400


async def test_a_long_log_is_read_in_bounded_steps_and_none_is_missed(open_door, monkeypatch):
    monkeypatch.setattr(audit, "BATCH", 1)
    monkeypatch.setattr(audit, "BATCHES_MAX", 2)
    door = await days_of_accesses(open_door)
    query, seen, pages = "date=lt2026-11-03", [], 0
    while query and pages < 20:
        page, days = await found(door, query)
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        query = following[0].partition("patient=1&")[2] if following else None
        seen += days
        pages += 1
    assert (seen, pages > 1) == (["02", "01"], True)
    counted = await door("GET", "/AuditEvent?patient=1&_summary=count", role=Role.AUDITOR)
    assert (counted.status_code, "date" in counted.text) == (403, True)


async def test_accesses_are_counted(open_door):
    door = await days_of_accesses(open_door)
    page, days = await found(door, "date=lt2026-11-05&_total=accurate&_count=2")
    assert (page["total"], days) == (4, ["04", "03"])
    for query in ("date=lt2026-11-05&_summary=count", "date=lt2026-11-05&_count=0"):
        page, days = await found(door, query)
        assert (page["total"], days) == (4, [])
    assert "total" not in (await found(door, "_count=2"))[0]


async def test_an_entry_does_not_pretend_to_have_an_address(open_door):
    door = await days_of_accesses(open_door, days=2)
    one, again = [(await found(door, "date=lt2026-11-03"))[0] for _ in range(2)]
    addresses = [entry["fullUrl"] for entry in one["entry"]]
    assert all(address.startswith("urn:uuid:") for address in addresses)
    assert len(set(addresses)) == len(addresses)
    assert addresses == [entry["fullUrl"] for entry in again["entry"]]
