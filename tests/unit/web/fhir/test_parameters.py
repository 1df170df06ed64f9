"""Parameters outside a search: understood, refused, or left out in the open (R4 search.html#errors)."""

import pytest

PATIENT = {"resourceType": "Patient", "name": [{"family": "Tamm"}]}
STRICT = {"prefer": "handling=strict"}
EXPORT = {"prefer": "respond-async"}


def observation(patient, **more):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


async def created(door, resource):
    answer = await door("POST", f"/{resource['resourceType']}", resource)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def pages(door, path):
    async def walk():
        at = path
        while at:
            page = (await door("GET", at)).json()
            yield page
            following = [link["url"] for link in page["link"] if link["relation"] == "next"]
            at = following[0].removeprefix("https://node.test/fhir") if following else None

    return walk()


async def test_unknown_parameters_are_refused_where_that_is_wished(door):
    identity = await created(door, PATIENT)
    changed = {**PATIENT, "id": identity}
    for method, path, body in (
        ("GET", f"/Patient/{identity}?foo=1", None),
        ("GET", f"/Patient/{identity}/_history?foo=1", None),
        ("GET", "/Patient/_history?foo=1", None),
        ("GET", f"/Patient/{identity}/_history/1?foo=1", None),
        ("PUT", f"/Patient/{identity}?foo=1", changed),
        ("POST", "/Patient?foo=1", PATIENT),
        ("DELETE", f"/Patient/{identity}?foo=1", None),
    ):
        answer = await door(method, path, body, headers=STRICT)
        assert answer.status_code == 400, path
        assert "'foo'" in answer.json()["issue"][0]["details"]["text"]
    assert (await door("GET", f"/Patient/{identity}?foo=1")).status_code == 200
    history = await door("GET", f"/Patient/{identity}/_history?foo=1&_count=5")
    assert history.json()["link"][0]["url"].endswith("/_history?_count=5")


@pytest.mark.parametrize("prefer", [{}, STRICT])
async def test_operations_refuse_unknown_parameters(door, prefer):
    identity = await created(door, PATIENT)
    for path in (
        f"/Patient/{identity}/$everything?code=x",
        f"/Patient/{identity}/$summary?profile=http://foo",
        f"/Patient/{identity}/$validate?foo=1",
    ):
        assert (await door("GET", path, headers=prefer)).status_code == 400, path
    sent = {"resourceType": "Parameters", "parameter": [{"name": "code", "valueCode": "x"}]}
    assert (await door("POST", f"/Patient/{identity}/$everything", sent, headers=prefer)).status_code == 400


async def test_an_export_takes_no_filter_unless_it_may_leave_it_out(door):
    path = "/$export?_typeFilter=Patient%3Factive%3Dtrue"
    assert (await door.operator("GET", path, headers=EXPORT)).status_code == 400
    lenient = {"prefer": "respond-async, handling=lenient"}
    assert (await door.operator("GET", path, headers=lenient)).status_code == 202


async def test_everything_of_a_time_of_care(door):
    identity = await created(door, PATIENT)
    for text in ("2019-05", "2020-02-01", "2021"):
        await created(door, observation(identity, effectiveDateTime=text, note=[{"text": text}]))
    period = {"start": "2018", "end": "2020-01-15"}
    await created(door, observation(identity, effectivePeriod=period, note=[{"text": "period"}]))
    await created(door, observation(identity, note=[{"text": "undated"}]))

    async def found(query, method="GET", body=None):
        answer = await door(method, f"/Patient/{identity}/$everything{query}", body)
        assert answer.status_code == 200, answer.text
        entries = [one["resource"] for one in answer.json()["entry"]]
        assert entries[0]["resourceType"] == "Patient"
        return {one["note"][0]["text"] for one in entries if one["resourceType"] == "Observation"}

    assert await found("?start=2020&end=2020") == {"2020-02-01", "period", "undated"}
    assert await found("?start=2020-02-01") == {"2020-02-01", "2021", "undated"}
    assert await found("?end=2019") == {"2019-05", "period", "undated"}
    start = {"name": "start", "valueDate": "2021-06-01"}
    sent = {"resourceType": "Parameters", "parameter": [start]}
    assert await found("", "POST", sent) == {"2021", "undated"}
    assert (await door("GET", f"/Patient/{identity}/$everything?start=soon")).status_code == 400


async def test_the_history_at_a_moment(door):
    identity = await created(door, PATIENT)
    for active in (True, False):
        changed = {**PATIENT, "id": identity, "active": active}
        assert (await door("PUT", f"/Patient/{identity}", changed)).status_code == 200
    first = (await door("GET", f"/Patient/{identity}/_history/1")).json()["meta"]["lastUpdated"]
    third = (await door("GET", f"/Patient/{identity}/_history/3")).json()["meta"]["lastUpdated"]

    async def found(at):
        answer = await door("GET", f"/Patient/{identity}/_history?_at={at}")
        assert answer.status_code == 200, answer.text
        return [one["resource"]["meta"]["versionId"] for one in answer.json().get("entry", ())]

    assert await found("1999") == []
    assert await found("2999-01-01") == ["3"]
    assert await found(first[:4]) == ["3", "2", "1"]
    assert "3" in await found(third)
    assert (await door("GET", f"/Patient/{identity}/_history?_at=soon")).status_code == 400


async def test_page_cursors_tell_nothing_and_serve_one_request_of_one_caller(door):
    identity = await created(door, PATIENT)
    for _ in range(2):
        await created(door, observation(identity))
    await door("PUT", f"/Patient/{identity}", {**PATIENT, "id": identity, "active": True})
    for path in (f"/Patient/{identity}/_history", f"/Patient/{identity}/$everything"):
        seen = [page async for page in pages(door, f"{path}?_count=1")]
        assert len(seen) >= 2
        following = seen[0]["link"][1]["url"].removeprefix("https://node.test/fhir")
        assert "Patient/" not in following.partition("_cursor=")[2]
        assert (await door("GET", following, subject="another")).status_code == 400
        assert (await door("GET", f"{path}?_count=1&_cursor=x")).status_code == 400


async def test_a_history_says_how_each_version_came_and_how_many_there_are(door):
    identity = await created(door, PATIENT)
    await door("PUT", f"/Patient/{identity}", {**PATIENT, "id": identity, "active": True})
    await door("DELETE", f"/Patient/{identity}")
    await door("PUT", f"/Patient/{identity}", {**PATIENT, "id": identity})
    bundle = (await door("GET", f"/Patient/{identity}/_history?_count=2")).json()
    assert bundle["total"] == 4
    seen = [page async for page in pages(door, f"/Patient/{identity}/_history?_count=2")]
    told = [(one["request"]["method"], one["response"]["status"]) for page in seen for one in page["entry"]]
    assert told == [("PUT", "201"), ("DELETE", "204"), ("PUT", "200"), ("POST", "201")]


async def test_what_was_created_under_an_id_of_its_own_came_by_put(door):
    practitioner = {"resourceType": "Practitioner", "id": "dr-1"}
    assert (await door("PUT", "/Practitioner/dr-1", practitioner)).status_code == 201
    found = (await door("GET", "/Practitioner/dr-1/_history")).json()["entry"][0]
    assert found["request"] == {"method": "PUT", "url": "Practitioner/dr-1"}
    assert found["response"]["status"] == "201"


async def test_a_search_at_the_base_is_of_one_type(door):
    identity = await created(door, PATIENT)
    found = (await door("GET", f"/?_type=Patient&_id={identity}")).json()
    assert [one["resource"]["id"] for one in found["entry"]] == [identity]
    assert found["link"][0]["url"] == f"https://node.test/fhir/Patient?_id={identity}"
    for query in ("", "?_type=Patient,Observation", "?_id=1"):
        assert (await door("GET", f"/{query}")).status_code == 400
    assert (await door("GET", "/?_type=Nonsense")).status_code == 404


async def test_the_capabilities_are_of_the_mode_that_is_asked_for(door):
    assert (await door("GET", "/metadata?mode=full")).status_code == 200
    answer = await door("GET", "/metadata?mode=nonsense")
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["code"] == "not-supported"


async def test_validating_a_deletion_needs_no_body(door):
    identity = await created(door, PATIENT)
    assert (await door("POST", f"/Patient/{identity}/$validate?mode=delete")).status_code == 200
    assert (await door("POST", "/Patient/none/$validate?mode=delete")).status_code == 404


async def test_a_search_sorted_by_a_known_and_an_unknown_key_pages_through_all_and_says_so(door):
    identity = await created(door, PATIENT)
    for day in ("2020-01-03", "2020-01-01", "2020-01-05", "2020-01-02", "2020-01-04"):
        await created(door, observation(identity, effectiveDateTime=day))
    query = f"/Observation?patient={identity}&_sort=-date,foo&_count=2"
    seen = [page async for page in pages(door, query)]
    matches = [one for page in seen for one in page["entry"] if one["search"]["mode"] == "match"]
    days = [one["resource"]["effectiveDateTime"][-1] for one in matches]
    assert days == ["5", "4", "3", "2", "1"]
    told = [one["resource"] for one in seen[0]["entry"] if one["search"]["mode"] == "outcome"]
    assert told[0]["issue"][0]["details"]["text"] == "Not known here, and left out: _sort (key 2)."
    assert f"_sort={'-date'}&" in seen[0]["link"][0]["url"] + "&"


async def test_a_cursor_serves_one_order_only(door):
    identity = await created(door, PATIENT)
    for day in ("2020-01-03", "2020-01-01"):
        await created(door, observation(identity, effectiveDateTime=day))
    path = f"/Observation?patient={identity}&_count=1"
    first = (await door("GET", f"{path}&_sort=-date")).json()
    cursor = first["link"][1]["url"].partition("_cursor=")[2]
    assert (await door("GET", f"{path}&_sort=-date,foo&_cursor={cursor}")).status_code == 200
    for other in ("", "&_sort=date", "&_sort=foo"):
        assert (await door("GET", f"{path}{other}&_cursor={cursor}")).status_code == 400


async def test_a_path_in_elements_stands_for_the_element_that_it_begins_in(door):
    identity = await created(door, {**PATIENT, "gender": "female"})
    page = (await door("GET", f"/Patient?_id={identity}&_elements=name.family")).json()
    assert page["link"][0]["url"].endswith("_elements=name")
    read = (await door("GET", f"/Patient/{identity}?_elements=name.family")).json()
    for part in (page["entry"][0]["resource"], read):
        assert (part["name"], "gender" in part) == (PATIENT["name"], False)
