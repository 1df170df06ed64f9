"""AuditEvents: who looked, for what, at whose data; for the person it is about."""

from salus.core.access import Role
from salus.standards.fhir.validation.validator import validate

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


async def test_the_audit_pages_and_takes_no_other_parameter(door):
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
    for wrong in ("date=2020", "patient=1&patient=2", "patient=Group/1", "patient=1&_cursor=x"):
        assert (await door("GET", f"/AuditEvent?{wrong}", role=Role.AUDITOR)).status_code == 400
