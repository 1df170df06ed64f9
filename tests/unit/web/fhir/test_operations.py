"""Operations: $validate, $everything, $summary, $export (R4 operationslist.html, Bulk Data 2.0)."""

import json
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from salus.store import exports
from salus.web.fhir.export import work_once

PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "Tamm", "given": ["Mari"]}],
    "birthDate": "1980-01-01",
}
EXPORT = {"prefer": "respond-async"}


def observation(patient, **more):
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Observation", "status": "final", "code": code, "subject": subject, **more}


async def record(door, name="1", notes=3):
    await door.operator("PUT", f"/Patient/{name}", {**PATIENT, "id": name})
    for _ in range(notes):
        await door("POST", "/Observation", observation(name))
    return name


def texts(answer):
    return [issue["details"]["text"] for issue in answer.json()["issue"]]


async def test_validating_stores_nothing_and_reports_everything(door):
    broken = {"resourceType": "Patient", "active": "yes", "birthDate": "1980-02-30"}
    answer = await door("POST", "/Patient/$validate", broken)
    assert answer.status_code == 200
    assert {"Patient.active", "Patient.birthDate"} <= {
        issue["expression"][0] for issue in answer.json()["issue"] if issue["severity"] == "error"
    }
    good = await door("POST", "/Patient/$validate", PATIENT)
    assert all(issue["severity"] != "error" for issue in good.json()["issue"])
    assert (await door("GET", "/Patient?_summary=count")).json()["total"] == 0


async def test_validating_takes_parameters_and_names_an_unknown_profile(door):
    sent = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "resource", "resource": PATIENT},
            {"name": "profile", "valueUri": "http://example.org/StructureDefinition/mine"},
        ],
    }
    answer = await door("POST", "/Patient/$validate", sent)
    assert any("http://example.org/StructureDefinition/mine" in text for text in texts(answer))
    own = await door(
        "POST", "/Patient/$validate?profile=http://hl7.org/fhir/StructureDefinition/Patient", PATIENT
    )
    assert all(issue["severity"] != "error" for issue in own.json()["issue"])


async def test_validating_warns_of_each_profile_that_a_resource_claims_and_nobody_checked(door):
    base = "http://hl7.org/fhir/StructureDefinition/Patient"
    claimed = ["http://example.org/one|2.0", "http://example.org/two", base, "http://example.org/two"]
    answer = await door("POST", "/Patient/$validate", PATIENT | {"meta": {"profile": claimed}})
    warned = [each for each in answer.json()["issue"] if each["code"] == "not-supported"]
    assert [(each["severity"], each["expression"]) for each in warned] == [
        ("warning", ["Patient.meta.profile"])
    ] * 2
    assert ["'http://example.org/one|2.0'" in str(warned[0]), "two'" in str(warned[1])] == [True, True]
    broken = await door("POST", "/Patient/$validate", PATIENT | {"meta": {"profile": 7}})
    assert "error" in {each["severity"] for each in broken.json()["issue"]}
    many = [f"http://example.org/{number}" for number in range(40)]
    answer = await door("POST", "/Patient/$validate", PATIENT | {"meta": {"profile": many}})
    assert "20 more profiles" in texts(answer)[-1]


async def test_validating_a_stored_resource_and_the_modes(door):
    await record(door, notes=0)
    assert (await door("GET", "/Patient/1/$validate")).status_code == 200
    assert (await door("GET", "/Patient/none/$validate")).status_code == 404
    update = await door("POST", "/Patient/1/$validate?mode=update", {**PATIENT, "id": "2"})
    assert "An update needs the id of the address." in texts(update)
    assert (await door("POST", "/Patient/1/$validate?mode=dance", PATIENT)).status_code == 400
    wrong = await door("POST", "/Observation/$validate", PATIENT)
    assert "The resource is no Observation." in texts(wrong)


async def test_everything_is_the_compartment_in_pages(door, leaves):
    await record(door)
    await record(door, "2")
    seen, path = [], "/Patient/1/$everything?_count=2"
    while path:
        page = (await door("GET", path)).json()
        seen += [entry["resource"] for entry in page["entry"] if entry["search"]["mode"] != "outcome"]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        path = following[0].removeprefix("https://node.test/fhir") if following else None
    assert [one["resourceType"] for one in seen] == ["Patient", "Observation", "Observation", "Observation"]
    assert ("1", "read", "Patient/1/$everything", 2, "served") in await leaves()
    only = (await door("GET", "/Patient/1/$everything?_type=Observation")).json()
    assert {entry["resource"]["resourceType"] for entry in only["entry"]} == {"Observation"}
    later = (await door("GET", "/Patient/1/$everything?_since=2999-01-01T00:00:00Z")).json()
    assert [entry["search"]["mode"] for entry in later["entry"]] == ["outcome"]
    for wrong in ("_since=foo", "_count=-1", "_cursor=x", "_type=Nonsense"):
        assert 400 <= (await door("GET", f"/Patient/1/$everything?{wrong}")).status_code < 405


async def test_everything_brings_those_who_are_named_but_no_other_patient(door):
    await record(door, "1", notes=0)
    await record(door, "2", notes=0)
    await door("PUT", "/Practitioner/p", {"resourceType": "Practitioner", "id": "p"})
    performers = [{"reference": "Practitioner/p"}, {"reference": "Patient/2"}]
    await door("POST", "/Observation", observation("1", performer=performers))
    bundle = (await door.citizen("GET", "/Patient/1/$everything", patient="1")).json()
    found = [(entry["resource"]["resourceType"], entry["search"]["mode"]) for entry in bundle["entry"]]
    assert found == [("Patient", "match"), ("Observation", "match"), ("Practitioner", "include")]


async def test_the_summary_is_a_document(door):
    await record(door)
    bundle = (await door("GET", "/Patient/1/$summary")).json()
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "document")
    assert bundle["entry"][0]["resource"]["resourceType"] == "Composition"
    assert (await door("GET", "/Patient/none/$summary")).status_code == 404


IPS = "http://hl7.org/fhir/uv/ips/StructureDefinition"
EPS = "http://hl7.eu/fhir/eps/StructureDefinition"


@pytest.mark.parametrize(
    "profile",
    [
        f"{IPS}/Composition-uv-ips",
        f"{IPS}/Bundle-uv-ips|2.0.1",
        f"{EPS}/composition-eu-eps",
        f"{EPS}/bundle-eu-eps",
    ],
)
async def test_a_summary_is_asked_for_by_the_profiles_it_keeps(door, profile):
    await record(door, notes=0)
    assert (await door("GET", f"/Patient/1/$summary?profile={profile}")).json()["type"] == "document"
    sent = {"resourceType": "Parameters", "parameter": [{"name": "profile", "valueCanonical": profile}]}
    assert (await door("POST", "/Patient/1/$summary", sent)).status_code == 200
    for other in ("http://foo", f"{IPS}/Bundle-uv-ips|1.0.0"):
        refused = await door("GET", f"/Patient/1/$summary?profile={other}")
        assert refused.status_code == 400
        assert f"{IPS}/Composition-uv-ips" in texts(refused)[0]


async def test_a_summary_is_found_by_an_identifier_that_one_patient_has(door):
    for name, values in {"1": ["a", "both"], "2": ["b", "both"]}.items():
        identifiers = [{"system": "urn:p", "value": value} for value in values]
        await door.operator("PUT", f"/Patient/{name}", {**PATIENT, "id": name, "identifier": identifiers})
    answers = {
        value: await door("GET", f"/Patient/$summary?identifier=urn:p%7C{value}")
        for value in ("b", "both", "c")
    }
    assert {value: answer.status_code for value, answer in answers.items()} == {
        "b": 200,
        "both": 409,
        "c": 404,
    }
    patient = answers["b"].json()["entry"][1]["resource"]
    assert [one["value"] for one in patient["identifier"]] == ["b", "both"]
    sent = {"resourceType": "Parameters", "parameter": [{"name": "identifier", "valueString": "urn:p|a"}]}
    assert (await door("POST", "/Patient/$summary", sent)).status_code == 200
    own = await door.citizen("GET", "/Patient/$summary?identifier=urn:p%7Cb", patient="1")
    assert own.status_code == 404
    for path in ("/Patient/$summary", "/Patient/1/$summary?identifier=urn:p%7Ca"):
        assert (await door("GET", path)).status_code == 400, path


async def exported(door, path, **more):
    started = await door.operator("GET", path, headers=EXPORT, **more)
    assert (started.status_code, started.content) == (202, b"")
    status = started.headers["content-location"].removeprefix("https://node.test/fhir")
    waiting = await door.operator("GET", status)
    assert waiting.status_code == 202
    assert await work_once(door.services)
    return status, (await door.operator("GET", status)).json()


async def test_an_export_goes_from_request_to_files_and_is_written_down(door, leaves):
    await record(door)
    await door("PUT", "/Practitioner/p", {"resourceType": "Practitioner", "id": "p"})
    status, manifest = await exported(door, "/$export")
    assert manifest["requiresAccessToken"] is True
    told = (await door.operator("GET", status)).headers["expires"]
    assert told.endswith(" GMT")
    assert parsedate_to_datetime(told) > door.services.clock()
    assert {file["type"]: file["count"] for file in manifest["output"]} == {
        "Observation": 3,
        "Patient": 1,
        "Practitioner": 1,
    }
    address = next(file["url"] for file in manifest["output"] if file["type"] == "Observation")
    path = address.removeprefix("https://node.test/fhir")
    got = await door.operator("GET", path)
    assert got.headers["content-type"] == "application/fhir+ndjson"
    lines = [json.loads(line) for line in got.text.splitlines()]
    assert [line["resourceType"] for line in lines] == ["Observation"] * 3
    assert ("1", "export", "$export Observation", 3, "served") in await leaves()
    assert (await door.client.get(address)).status_code == 401
    other = await door.operator("GET", path, subject="somebody else")
    assert other.status_code == 404
    assert (await door.operator("DELETE", status)).status_code == 202
    assert (await door.operator("GET", status)).status_code == 404
    assert (await door.operator("GET", path)).status_code == 404


async def test_exports_of_patients_groups_types_and_times(door):
    await record(door)
    await record(door, "2", notes=1)
    await door("PUT", "/Practitioner/p", {"resourceType": "Practitioner", "id": "p"})
    member = [
        {"entity": {"reference": "Patient/2"}},
        {"entity": {"reference": "Patient/1"}, "inactive": True},
    ]
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "member": member}
    assert (await door.operator("PUT", "/Group/g", group)).status_code == 201

    async def counts(path):
        return {file["type"]: file["count"] for file in (await exported(door, path))[1]["output"]}

    found = await counts("/Patient/$export")
    assert (found["Patient"], found["Observation"], "Practitioner" in found) == (2, 4, False)
    found = await counts("/Group/g/$export")
    assert (found["Patient"], found["Observation"]) == (1, 1)
    assert await counts("/Patient/$export?_type=Observation") == {"Observation": 4}
    asked = "/Patient/$export?_type=Observation&_since=2000-01-01T00:00:00Z"
    kick_off = (await exported(door, asked))[1]["request"]
    assert parse_qsl(urlsplit(kick_off).query) == parse_qsl(urlsplit(asked).query)
    assert kick_off.startswith("https://node.test/fhir/Patient/$export?")
    assert await counts("/$export?_since=2999-01-01T00:00:00Z") == {}


def group_of(number, *entities):
    member = [{"entity": entity} for entity in entities]
    return {"resourceType": "Group", "id": number, "type": "person", "actual": True, "member": member}


def numbered(value):
    return {"identifier": {"system": "urn:numbers", "value": value}}


async def test_no_member_of_a_group_is_left_out_without_a_word(door):
    for number, value in (
        ("1", "n|1"),
        ("2", "n2"),
        ("3", "n3"),
        ("4", "n4"),
        ("5", "twice"),
        ("6", "twice"),
    ):
        known = [numbered(value)["identifier"]]
        person = {"resourceType": "Patient", "id": number, "identifier": known}
        assert (await door.operator("PUT", f"/Patient/{number}", person)).status_code == 201
    absolute = {"reference": "https://node.test/fhir/Patient/4"}
    inner = group_of("inner", {"reference": "Patient/2/_history/1"}, {"reference": "Group/outer"}, absolute)
    strangers = [numbered("twice"), numbered("nobody"), {"reference": "Group/none"}, {"display": "Ana"}]
    other = numbered("n3") | {"type": "Practitioner"}
    outer = group_of("outer", numbered("n|1"), {"reference": "Group/inner"}, other, *strangers)
    for group in (inner, outer):
        answer = await door.operator("PUT", f"/Group/{group['id']}", group)
        assert answer.status_code == 201, answer.text
    manifest = (await exported(door, "/Group/outer/$export?_type=Patient"))[1]
    address = manifest["output"][0]["url"].removeprefix("https://node.test/fhir")
    lines = (await door.operator("GET", address)).text.splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == ["1", "2", "4"]
    told = manifest["extension"]["urn:salus:export:members-left-out"]
    assert told["members"] == [
        "Ana",
        "Group/none",
        "urn:numbers|n3",
        "urn:numbers|nobody",
        "urn:numbers|twice",
    ]
    assert (told["count"], "Patient/id" in told["reason"]) == (5, True)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/$export", {}, 400),
        ("/$export?_outputFormat=text/csv", EXPORT, 400),
        ("/$export?_type=Nonsense", EXPORT, 400),
        ("/Patient/$export?_type=Patient,Foo", EXPORT, 400),
        ("/$export?_since=foo", EXPORT, 400),
        ("/Group/none/$export", EXPORT, 404),
        ("/$export/none", {}, 404),
        ("/$export/none/1", {}, 404),
        ("/$everything/none", {}, 404),
    ],
)
async def test_a_wrong_export_is_refused(door, path, headers, status):
    assert (await door.operator("GET", path, headers=headers)).status_code == status


async def test_an_export_that_nobody_can_do_ends_as_an_error(door):
    await record(door)
    started = await door.operator("GET", "/$export", headers=EXPORT)
    status = started.headers["content-location"].removeprefix("https://node.test/fhir")
    async with door.services.database.system() as connection:
        await connection.execute("UPDATE resource SET updated = '-infinity' WHERE type = 'Patient'")
    for _ in range(exports.ATTEMPTS_MAX):
        assert (await door.operator("GET", status)).status_code == 202
        with pytest.raises(ValueError, match="year"):
            await work_once(door.services)
    assert not await work_once(door.services)
    failed = await door.operator("GET", status)
    assert failed.status_code == 500
    assert "given up" in failed.text


async def test_an_export_whose_workers_die_is_given_up(door):
    started = await door.operator("GET", "/$export", headers=EXPORT)
    status = started.headers["content-location"].removeprefix("https://node.test/fhir")
    now = door.services.clock()
    for attempt in range(exports.ATTEMPTS_MAX):
        assert await exports.take(door.services.database, at=now + attempt * 2 * exports.TAKEN_AGAIN_AFTER)
    later = now + exports.ATTEMPTS_MAX * 2 * exports.TAKEN_AGAIN_AFTER
    assert await exports.take(door.services.database, at=later) is None
    assert (await door.operator("GET", status)).status_code == 500


async def test_an_export_is_not_for_everybody(door):
    assert (await door("GET", "/$export", headers=EXPORT)).status_code == 403
    own = await record(door)
    started = await door.citizen("GET", "/$export", headers=EXPORT, patient=own)
    await record(door, "2")
    assert started.status_code == 202
    await work_once(door.services)
    status = started.headers["content-location"].removeprefix("https://node.test/fhir")
    manifest = (await door.citizen("GET", status, patient=own)).json()
    assert {file["type"]: file["count"] for file in manifest["output"]} == {"Observation": 3, "Patient": 1}


async def test_binary_is_raw_or_a_resource_as_asked(door):
    made = await door("POST", "/Binary", b"\x00\x01raw", headers={"content-type": "application/pdf"})
    assert made.status_code == 201, made.text
    identity = made.headers["location"].split("/")[-3]
    raw = await door("GET", f"/Binary/{identity}")
    assert (raw.content, raw.headers["content-type"]) == (b"\x00\x01raw", "application/pdf")
    assert raw.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in raw.headers["content-security-policy"]
    version = await door("GET", f"/Binary/{identity}/_history/1")
    assert (version.content, version.headers["content-type"]) == (raw.content, "application/pdf")
    for address in (f"/Binary/{identity}", f"/Binary/{identity}/_history/1"):
        asked = await door("GET", address, headers={"accept": "application/fhir+json"})
        assert asked.json()["resourceType"] == "Binary"
    assert (await door("GET", f"/Binary/{identity}/_history/9")).status_code == 404
    assert (await door("GET", "/Binary/none")).status_code == 404


PDF, TEXT, FHIR = "application/pdf", "text/xml", "application/fhir+json"


@pytest.mark.parametrize(
    ("stored", "accept", "kind"),
    [
        (PDF, "application/pdf", "bytes"),
        (PDF, "*/*", "bytes"),
        (PDF, "application/*", "bytes"),
        (PDF, "text/html,application/xhtml+xml,*/*;q=0.8", "bytes"),
        (PDF, "application/fhir+json", "Binary"),
        (PDF, "application/fhir+xml", "<Binary"),
        (PDF, "application/fhir+json;q=0.1, application/pdf", "bytes"),
        (PDF, "application/pdf;q=0.1, application/fhir+json", "Binary"),
        (PDF, "text/html", 406),
        (TEXT, "text/xml", "bytes"),
        (TEXT, "application/fhir+json", "Binary"),
        (FHIR, "application/fhir+json", "Binary"),
        (FHIR, "*/*", "bytes"),
    ],
)
async def test_a_binary_comes_in_the_form_that_accept_names(door, stored, accept, kind):
    resource = {"resourceType": "Binary", "id": "b", "contentType": stored, "data": "AAFyYXc="}
    assert (await door.operator("PUT", "/Binary/b", resource)).status_code == 201
    answer = await door("GET", "/Binary/b", headers={"accept": accept})
    if kind == 406:
        assert answer.status_code == 406
    elif kind == "bytes":
        assert (answer.content, answer.headers["content-type"].partition(";")[0]) == (b"\x00\x01raw", stored)
    elif kind == "Binary":
        assert answer.json()["data"] == "AAFyYXc="
    else:
        assert kind.encode() in answer.content


async def test_a_file_of_an_export_may_be_asked_for_by_its_own_media_type(door):
    await record(door)
    _, manifest = await exported(door, "/$export?_type=Patient")
    path = manifest["output"][0]["url"].removeprefix("https://node.test/fhir")
    got = await door.operator("GET", path, headers={"accept": "application/fhir+ndjson"})
    assert (got.status_code, got.headers["content-type"]) == (200, "application/fhir+ndjson")


EU_PATIENT = "http://hl7.eu/fhir/base/StructureDefinition/patient-eu-core"


@pytest.mark.parametrize("way", ["asked", "claimed"])
async def test_validating_checks_the_profiles_of_the_priority_categories(door, way):
    claims = {"meta": {"profile": [EU_PATIENT]}} if way == "claimed" else {}
    query = f"?profile={EU_PATIENT}" if way == "asked" else ""
    bare = {"resourceType": "Patient", "active": True} | claims
    answer = await door("POST", f"/Patient/$validate{query}", bare)
    found = [
        (one["severity"], one["expression"]) for one in answer.json()["issue"] if one["severity"] == "error"
    ]
    assert ("error", ["Patient.name"]) in found
    assert not any(
        one["code"] == "not-supported" and one["severity"] == "error" for one in answer.json()["issue"]
    )
