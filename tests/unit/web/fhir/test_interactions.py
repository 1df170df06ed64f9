"""The REST interactions of a resource, one after the other (R4 http.html)."""

import json

import pytest

from salus.core.access import Role

PATIENT = {"resourceType": "Patient", "name": [{"family": "Tamm"}]}


def observation(patient, **more):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


async def created(door, resource):
    answer = await door("POST", f"/{resource['resourceType']}", resource)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def test_a_created_resource_is_read_back_with_id_version_and_time(door):
    answer = await door("POST", "/Patient", PATIENT)
    assert answer.status_code == 201
    identity = answer.json()["id"]
    assert answer.headers["location"] == f"https://node.test/fhir/Patient/{identity}/_history/1"
    assert answer.headers["etag"] == 'W/"1"'
    read = await door("GET", f"/Patient/{identity}")
    assert read.status_code == 200
    assert read.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert read.headers["etag"] == 'W/"1"'
    assert "last-modified" in read.headers
    body = read.json()
    assert body["name"] == PATIENT["name"]
    assert body["meta"]["versionId"] == "1"


async def test_the_bytes_received_are_the_bytes_answered(door):
    patient = await created(door, PATIENT)
    body = json.dumps(observation(patient)).replace(
        '"status"', '"valueQuantity":{"value": 72.50},\n "status"'
    )
    identity = (await door("POST", "/Observation", body.encode())).json()["id"]
    assert b'{"value": 72.50},\n "status"' in (await door("GET", f"/Observation/{identity}")).content


async def test_updating_makes_versions_that_stay_readable(door):
    identity = await created(door, PATIENT)
    changed = {**PATIENT, "id": identity, "active": True}
    answer = await door.operator("PUT", f"/Patient/{identity}", changed, headers={"if-match": 'W/"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    assert "active" not in (await door("GET", f"/Patient/{identity}/_history/1")).json()
    assert (await door("GET", f"/Patient/{identity}/_history/2")).json()["active"] is True
    assert (await door("GET", f"/Patient/{identity}/_history/3")).status_code == 404


async def test_an_update_of_another_version_is_refused(door):
    identity = await created(door, PATIENT)
    answer = await door(
        "PUT", f"/Patient/{identity}", {**PATIENT, "id": identity}, headers={"if-match": 'W/"7"'}
    )
    assert answer.status_code == 412
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_update_as_create(door):
    answer = await door.operator("PUT", "/Patient/chosen", {**PATIENT, "id": "chosen"})
    assert (answer.status_code, answer.json()["id"]) == (201, "chosen")


@pytest.mark.parametrize("body", [PATIENT, {**PATIENT, "id": "other"}])
async def test_an_update_needs_the_id_of_the_address(door, body):
    assert (await door.operator("PUT", "/Patient/chosen", body)).status_code == 400


async def test_a_deleted_resource_is_gone_and_may_come_back(door):
    identity = await created(door, PATIENT)
    assert (await door("DELETE", f"/Patient/{identity}")).status_code == 204
    assert (await door("GET", f"/Patient/{identity}")).status_code == 410
    assert (await door("DELETE", f"/Patient/{identity}")).status_code == 204
    again = await door.operator("PUT", f"/Patient/{identity}", {**PATIENT, "id": identity})
    assert (again.status_code, again.headers["etag"]) == (201, 'W/"3"')


async def test_deleting_what_is_not_there_succeeds_but_tells_a_citizen_nothing(door):
    own, other = await created(door, PATIENT), await created(door, PATIENT)
    note = await created(door, observation(other))
    assert (await door("DELETE", "/Patient/never")).status_code == 204
    for name in (note, "never"):
        assert (await door.citizen("DELETE", f"/Observation/{name}", patient=own)).status_code == 404
    assert (await door("GET", f"/Observation/{note}")).status_code == 200


async def test_history_lists_versions_the_newest_first_and_pages(door):
    identity = await created(door, PATIENT)
    await door.operator("PUT", f"/Patient/{identity}", {**PATIENT, "id": identity, "active": True})
    await door("DELETE", f"/Patient/{identity}")
    for path in (f"/Patient/{identity}/_history", "/Patient/_history", "/_history"):
        answer = await door("GET", path, role=Role.OPERATOR)
        bundle = answer.json()
        assert bundle["type"] == "history"
        assert [entry["request"]["method"] for entry in bundle["entry"]] == ["DELETE", "PUT", "POST"], path
        first = (await door("GET", f"{path}?_count=2", role=Role.OPERATOR)).json()
        following = next(link["url"] for link in first["link"] if link["relation"] == "next")
        second = (
            await door("GET", following.removeprefix("https://node.test/fhir"), role=Role.OPERATOR)
        ).json()
        assert len(first["entry"]) == 2
        assert [entry["request"]["method"] for entry in second["entry"]] == ["POST"]
        assert all(link["relation"] != "next" for link in second["link"])


async def test_the_history_of_what_never_was_is_not_found(door):
    assert (await door("GET", "/Patient/never/_history")).status_code == 404


@pytest.mark.parametrize(
    "header", [{"if-none-match": 'W/"1"'}, {"if-modified-since": "Tue, 01 Jan 2999 00:00:00 GMT"}]
)
async def test_a_version_the_caller_has_is_not_sent_again(door, header):
    identity = await created(door, PATIENT)
    answer = await door("GET", f"/Patient/{identity}", headers=header)
    assert (answer.status_code, answer.content) == (304, b"")


async def test_a_conditional_create_stores_once(door):
    person = {**PATIENT, "identifier": [{"system": "urn:s", "value": "1"}]}
    header = {"if-none-exist": "identifier=urn:s|1"}
    first = await door("POST", "/Patient", person, headers=header)
    second = await door("POST", "/Patient", person, headers=header)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    await created(door, person)
    assert (await door("POST", "/Patient", person, headers=header)).status_code == 412


@pytest.mark.parametrize("condition", ["", "unknown=1", "identifier:nope=1", "_count=1"])
async def test_a_condition_that_selects_nothing_in_particular_is_refused(door, condition):
    answer = await door("POST", "/Patient", PATIENT, headers={"if-none-exist": condition})
    assert answer.status_code == 400


async def test_conditional_update_and_delete(door):
    person = {**PATIENT, "identifier": [{"system": "urn:s", "value": "1"}]}
    made = await door.operator("PUT", "/Patient?identifier=urn:s|1", person)
    assert made.status_code == 201
    again = await door.operator("PUT", "/Patient?identifier=urn:s|1", {**person, "active": True})
    assert (again.status_code, again.json()["id"]) == (200, made.json()["id"])
    other = await door.operator("PUT", "/Patient?identifier=urn:s|1", {**person, "id": "other"})
    assert other.status_code == 400
    assert (await door("DELETE", "/Patient?identifier=urn:s|1")).status_code == 204
    assert (await door("DELETE", "/Patient?identifier=urn:s|1")).status_code == 204
    assert (await door("GET", f"/Patient/{made.json()['id']}")).status_code == 410


@pytest.mark.clause("R4 http.html#cond-update")
@pytest.mark.parametrize("deleted", [False, True])
async def test_a_conditional_update_that_finds_nothing_takes_no_other_resources_place(door, deleted):
    assert (await door.operator("PUT", "/Patient/p1", {**PATIENT, "id": "p1"})).status_code == 201
    if deleted:
        assert (await door.operator("DELETE", "/Patient/p1")).status_code == 204
    other = {"resourceType": "Patient", "id": "p1", "active": False}
    address = "Patient?identifier=urn:nomatch|9"
    entry = {"resource": other, "request": {"method": "PUT", "url": address}}
    more = {"resource": PATIENT, "request": {"method": "POST", "url": "Patient"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [more, entry]}
    for refused in (
        await door.operator("PUT", f"/{address}", other),
        await door("PUT", f"/{address}", other),
        await door.operator("POST", "", bundle),
    ):
        assert refused.status_code == 409, refused.text
        assert "Patient/p1 is another resource" in refused.text
    assert (await door.operator("GET", "/Patient/p1/_history")).json()["total"] == 1 + deleted
    free = await door.operator("PUT", f"/{address}", {**other, "id": "p2"})
    assert (free.status_code, free.json()["id"]) == (201, "p2")


async def test_a_conditional_delete_of_many_is_refused(door):
    await created(door, PATIENT)
    await created(door, PATIENT)
    assert (await door("DELETE", "/Patient?name=tamm")).status_code == 412
    assert (await door("DELETE", "/Patient")).status_code == 400


@pytest.mark.parametrize(
    ("prefer", "kind"),
    [
        ("return=minimal", None),
        ("return=representation", "Patient"),
        ("return=OperationOutcome", "OperationOutcome"),
        ("", "Patient"),
    ],
)
async def test_a_write_answers_as_much_as_is_preferred(door, prefer, kind):
    answer = await door("POST", "/Patient", PATIENT, headers={"prefer": prefer})
    assert answer.status_code == 201
    assert (answer.json()["resourceType"] if answer.content else None) == kind


async def test_an_invalid_resource_is_refused_with_every_issue_and_nothing_is_stored(door):
    broken = {"resourceType": "Patient", "active": "yes", "birthDate": "1980-02-30"}
    answer = await door("POST", "/Patient", broken)
    assert answer.status_code == 422
    found = {issue["expression"][0] for issue in answer.json()["issue"]}
    assert {"Patient.active", "Patient.birthDate"} <= found
    assert (await door("GET", "/Patient")).json().get("entry", []) == []


async def test_xml_comes_in_and_goes_out(door):
    name = b'<name><family value="Tamm"/></name>'
    body = b'<Patient xmlns="http://hl7.org/fhir"><active value="true"/>' + name + b"</Patient>"
    made = await door(
        "POST",
        "/Patient",
        body,
        headers={"content-type": "application/fhir+xml", "accept": "application/fhir+xml"},
    )
    assert made.status_code == 201
    assert made.headers["content-type"].startswith("application/fhir+xml")
    identity = made.headers["location"].split("/")[-3]
    assert (await door("GET", f"/Patient/{identity}")).json()["active"] is True
    again = await door("GET", f"/Patient/{identity}?_format=xml")
    assert b'<family value="Tamm"/>' in again.content
    missing = await door("GET", "/Patient/nobody?_format=xml")
    assert (missing.status_code, b"<OperationOutcome" in missing.content) == (404, True)


@pytest.mark.parametrize("address", ["/Patient/_search", "/_search", "/Patient/p1/Observation/_search"])
async def test_a_search_by_post_is_that_by_get_in_the_format_its_body_names(door, address):
    await door.operator("PUT", "/Patient/p1", {**PATIENT, "id": "p1"})
    form = {"content-type": "application/x-www-form-urlencoded"}
    kind = "_type=Patient&" if address == "/_search" else ""
    found = await door("POST", address, f"{kind}_count=5".encode(), headers=form)
    assert (found.status_code, found.json()["type"]) == (200, "searchset"), found.text
    as_xml = await door("POST", address, f"{kind}_count=5&_format=xml".encode(), headers=form)
    assert as_xml.headers["content-type"].startswith("application/fhir+xml")
    assert b"<Bundle" in as_xml.content
    pretty = await door("POST", address, f"{kind}_count=5&_pretty=true".encode(), headers=form)
    assert b'\n  "type"' in pretty.content
    for wrong in (b"_format=csv", b"_count=x"):
        assert (await door("POST", address, wrong, headers=form)).status_code in (400, 406)
    assert (await door("POST", address, {"resourceType": "Patient"})).status_code == 415


async def test_includes_do_not_go_with_a_summary_of_text(door):
    refused = await door("GET", "/Observation?_include=Observation:subject&_summary=text")
    assert (refused.status_code, "_summary=text" in refused.text) == (400, True)


async def test_a_tag_of_no_version_is_told_as_one_that_is_not_current(door):
    await door.operator("PUT", "/Patient/p1", {**PATIENT, "id": "p1"})
    refused = await door.operator(
        "PUT", "/Patient/p1", {**PATIENT, "id": "p1"}, headers={"if-match": 'W/"abc"'}
    )
    assert (refused.status_code, "-1" in refused.text) == (412, False)


async def test_a_json_patch_under_another_type_is_told_which_it_is(door):
    await door.operator("PUT", "/Patient/p1", {**PATIENT, "id": "p1"})
    operations = [{"op": "add", "path": "/active", "value": True}]
    for kind in ("application/json", "application/fhir+json"):
        refused = await door.operator("PATCH", "/Patient/p1", operations, headers={"content-type": kind})
        assert refused.status_code == 415
        assert "application/json-patch+json" in refused.text


async def test_search_by_get_and_post_with_self_and_next(door):
    patient = await created(door, PATIENT)
    for _ in range(3):
        await created(door, observation(patient))
    answer = await door("GET", f"/Observation?patient={patient}&code=8867-4&_count=2")
    bundle = answer.json()
    assert [entry["search"]["mode"] for entry in bundle["entry"]] == ["match", "match"]
    urls = {link["relation"]: link["url"] for link in bundle["link"]}
    assert "patient=" in urls["self"]
    following = await door("GET", urls["next"].removeprefix("https://node.test/fhir"))
    assert len(following.json()["entry"]) == 1
    posted = await door(
        "POST",
        "/Observation/_search",
        f"patient={patient}".encode(),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert len(posted.json()["entry"]) == 3
    inside = await door("GET", f"/Patient/{patient}/Observation")
    assert len(inside.json()["entry"]) == 3


async def test_unknown_parameters_follow_the_preference(door):
    lenient = (await door("GET", "/Patient?colour=red")).json()
    assert lenient["entry"][-1]["search"]["mode"] == "outcome"
    assert "colour" not in lenient["link"][0]["url"]
    strict = await door("GET", "/Patient?colour=red", headers={"prefer": "handling=strict"})
    assert strict.status_code == 400


async def test_parts_of_resources_are_tagged(door):
    identity = await created(door, {**PATIENT, "active": True, "birthDate": "1980-01-01"})
    for path in (f"/Patient/{identity}?_elements=birthDate", f"/Patient?_id={identity}&_elements=birthDate"):
        body = (await door("GET", path)).json()
        body = body["entry"][0]["resource"] if "entry" in body else body
        assert set(body) == {"resourceType", "id", "meta", "birthDate"}
        assert body["meta"]["tag"][0]["code"] == "SUBSETTED"
    counted = (await door("GET", "/Patient?_summary=count")).json()
    assert (counted["total"], "entry" in counted) == (1, False)


async def test_a_citizen_sees_the_own_record_and_no_other(door, leaves):
    own = await created(door, PATIENT)
    other = await created(door, PATIENT)
    assert (await door.citizen("GET", f"/Patient/{own}", patient=own)).status_code == 200
    for path in (f"/Patient/{other}", f"/Patient/{other}/_history/1", f"/Patient/{other}/$everything"):
        assert (await door.citizen("GET", path, patient=own)).status_code == 404
    assert (await door.citizen("POST", "/Observation", observation(other), patient=own)).status_code == 403
    assert (await door.citizen("POST", "/Observation", observation(own), patient=own)).status_code == 201
    found = (await door.citizen("GET", "/Patient?_total=accurate", patient=own)).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [own]
    assert (own, "read", f"Patient/{own}", 1, "served") in await leaves()


async def test_a_citizen_signs_with_no_other_name(door):
    own = await created(door, PATIENT)
    for performer in ("Practitioner/1", "Organization/1"):
        body = observation(own, performer=[{"reference": performer}])
        assert (await door.citizen("POST", "/Observation", body, patient=own)).status_code == 403


async def test_without_a_token_only_the_capabilities_answer(door):
    assert (await door.client.get("https://node.test/fhir/metadata")).status_code == 200
    for path in ("/Patient/1", "/Patient", "/_history", "/$export", "/nosuch", "/Patient/1?access_token=x"):
        refused = await door.client.get(f"https://node.test/fhir{path}")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == 'Bearer realm="salus"'
        assert refused.json()["issue"][0]["code"] == "login"


@pytest.mark.clause("RFC 6750 3.1")
async def test_only_who_sends_a_token_is_told_that_it_is_invalid(door):
    for sent, told in (("Bearer nonsense", True), ("Basic eDp5", False)):
        refused = await door.client.get("https://node.test/fhir/Patient", headers={"authorization": sent})
        assert refused.status_code == 401
        assert ('error="invalid_token"' in refused.headers["www-authenticate"]) == told


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nosuch", 404),
        ("GET", "/patient", 404),
        ("GET", "/Patient/1;drop", 404),
        ("GET", "/Patient/" + "a" * 65, 404),
        ("GET", "/Patient/1/2/3/4/5/6/7/8", 404),
        ("GET", "/Patient/$nosuch", 404),
        ("GET", "/Patient/$everything", 404),
        ("TRACE", "/metadata", 405),
        ("POST", "/metadata", 405),
        ("DELETE", "/", 405),
        ("POST", "/Patient/1", 405),
        ("OPTIONS", "/Patient", 405),
        ("GET", "/Patient/1/Practitioner", 404),
        ("GET", "/Patient?_format=text/html", 406),
        ("GET", "/Patient?_count=-1", 400),
        ("GET", "/Patient?_summary=maybe", 400),
        ("GET", "/Patient?name:regex=a", 400),
    ],
)
async def test_addresses_methods_and_values_that_are_none(door, method, path, status):
    answer = await door(method, path)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "multipart/form-data; boundary=x", "application/xhtml+xml"]
)
async def test_a_body_of_another_kind_is_refused(door, content_type):
    assert (
        await door("POST", "/Patient", b"--x--", headers={"content-type": content_type})
    ).status_code == 415


def fhirpath_patch(*operations):
    parameters = [
        {"name": "operation", "part": [{"name": name, **part} for name, part in operation.items()]}
        for operation in operations
    ]
    return {"resourceType": "Parameters", "parameter": parameters}


async def test_a_json_patch_and_a_fhirpath_patch_change_a_part(door):
    identity = await created(door, PATIENT)
    patch = {"content-type": "application/json-patch+json"}
    operations = [{"op": "add", "path": "/active", "value": True}]
    answer = await door("PATCH", f"/Patient/{identity}", operations, headers=patch)
    assert (answer.status_code, answer.json()["active"]) == (200, True)
    sent = fhirpath_patch(
        {
            "type": {"valueCode": "replace"},
            "path": {"valueString": "Patient.active"},
            "value": {"valueBoolean": False},
        }
    )
    answer = await door("PATCH", "/Patient?name=tamm", sent)
    assert (answer.status_code, answer.json()["active"]) == (200, False)
    assert answer.headers["etag"] == 'W/"3"'
    late = await door("PATCH", f"/Patient/{identity}", operations, headers={**patch, "if-match": 'W/"1"'})
    assert late.status_code == 412


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "replace", "path": "/id", "value": "other"}],
        [{"op": "remove", "path": "/resourceType"}],
        [{"op": "add", "path": "/birthDate", "value": "1980-02-30"}],
        [{"op": "test", "path": "/name/0/family", "value": "guess"}],
        [{"op": "add", "path": "/__class__/__init__", "value": 1}],
        {"op": "add", "path": "/active", "value": True},
        [],
    ],
)
async def test_a_patch_that_does_not_fit_changes_nothing_and_tells_nothing(door, operations):
    identity = await created(door, PATIENT)
    answer = await door(
        "PATCH",
        f"/Patient/{identity}",
        operations,
        headers={"content-type": "application/json-patch+json"},
    )
    assert answer.status_code == 200 if operations == [] else 400 <= answer.status_code < 500
    assert "Tamm" not in answer.text or operations == []
    assert (await door("GET", f"/Patient/{identity}")).headers["etag"] == 'W/"1"'


async def test_a_citizen_cannot_patch_another_author_in(door):
    own = await created(door, PATIENT)
    note = (await door.citizen("POST", "/Observation", observation(own), patient=own)).json()["id"]
    operations = [{"op": "add", "path": "/performer", "value": [{"reference": "Practitioner/1"}]}]
    answer = await door.citizen(
        "PATCH",
        f"/Observation/{note}",
        operations,
        patient=own,
        headers={"content-type": "application/json-patch+json"},
    )
    assert answer.status_code == 403


async def test_a_citizen_may_register_a_person_but_not_tie_it_to_another(door):
    own = await created(door, PATIENT)
    assert (await door.citizen("POST", "/Patient", PATIENT, patient=own)).status_code == 201
    tied = {**PATIENT, "link": [{"other": {"reference": f"Patient/{own}"}, "type": "seealso"}]}
    assert (await door.citizen("POST", "/Patient", tied, patient=own)).status_code == 403
