"""Writes into another record, entries that climb out of the base, and resources of wrong shape."""

from tests.attack.forms import observation, patient, posted


def cases():
    yield posted("Observation", observation(subject={"reference": "Patient/{OTHER}"}))
    for reference in ("{BASE}/Patient/{OTHER}", "Patient/{OTHER}/_history/1"):
        yield posted("Observation", observation(subject={"reference": reference}))
    for kind, holder in (
        ("Condition", "subject"),
        ("Procedure", "subject"),
        ("AllergyIntolerance", "patient"),
        ("Immunization", "patient"),
        ("DocumentReference", "subject"),
        ("Communication", "subject"),
    ):
        yield posted(kind, {"resourceType": kind, holder: {"reference": "Patient/{OTHER}"}})
    for entry in (
        {"method": "GET", "url": "Patient/{OTHER}/../{OWN}"},
        {"method": "GET", "url": "//evil.example/x"},
        {"method": "GET", "url": "file:///etc/passwd"},
        {"method": "POST", "url": "$export"},
        {"method": "PUT", "url": "Patient/{OTHER}"},
        {"method": "PATCH", "url": "Patient/{OTHER}"},
        {"method": "TRACE", "url": "Patient"},
        {"method": "get", "url": "Patient/{OWN}"},
        {"url": "Patient"},
    ):
        yield posted("", {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": entry}]})
    for kind in ("batch-response", "history", "searchset", "nonsense", "message"):
        yield posted("", {"resourceType": "Bundle", "type": kind, "entry": []})
    for wrong in (
        {"active": 1},
        {"active": "yes"},
        {"birthDate": "1980-13-01"},
        {"birthDate": "1980-1-1"},
        {"gender": "x"},
        {"birthDate": "٢٠٢٠-01-01"},
        {"name": {}},
        {"name": "x"},
        {"name": []},
        {"photo": [{"data": "%%%"}]},
        {"extension": [{"valueString": "x"}]},
        {"extension": [{"url": "http://e.example/x", "valueX": 1}]},
        {"contained": [{"resourceType": "Nonsense"}]},
        {"id": "../x"},
        {"id": "a" * 65},
        {"link": [{"other": {}}]},
        {"multipleBirthBoolean": True, "multipleBirthInteger": 2},
        {"_active": {"value": True}},
        {"language": " "},
    ):
        yield posted("Patient", patient(**wrong))
