"""Transaction and batch Bundles (R4 http.html#transaction)."""

import asyncio

import pytest

from salus.core.access import Role
from salus.core.clock import utc_now

PATIENT = {"resourceType": "Patient", "name": [{"family": "Tamm"}]}


def bundle(*entries, kind="transaction"):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(method, url, resource=None, full_url=None, **request):
    built = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        built["resource"] = resource
    if full_url is not None:
        built["fullUrl"] = full_url
    return built


def observation(subject, **more):
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": code,
        "subject": {"reference": subject},
        **more,
    }


async def count(door, kind):
    return (await door("GET", f"/{kind}?_summary=count", role=Role.OPERATOR)).json()["total"]


def ids(answer):
    return [found["response"]["location"].split("/")[-3] for found in answer.json()["entry"]]


async def test_entries_refer_to_each_other_in_any_order(door, leaves):
    sent = bundle(
        entry("POST", "Observation", observation("urn:uuid:1"), "urn:uuid:2"),
        entry("POST", "Patient", PATIENT, "urn:uuid:1"),
    )
    answer = await door("POST", "/", sent)
    assert answer.status_code == 200, answer.text
    assert answer.json()["type"] == "transaction-response"
    assert [found["response"]["status"] for found in answer.json()["entry"]] == ["201 Created"] * 2
    first, second = ids(answer)
    read = (await door("GET", f"/Observation/{first}")).json()
    assert read["subject"] == {"reference": f"Patient/{second}"}
    assert (second, "create", "Bundle", 2, "served") in await leaves()


async def test_one_wrong_entry_and_nothing_is_stored(door):
    sent = bundle(
        entry("POST", "Patient", PATIENT, "urn:uuid:1"),
        entry("POST", "Observation", {"resourceType": "Observation", "status": "nonsense"}),
    )
    answer = await door("POST", "/", sent)
    assert answer.status_code == 422
    expressions = [issue["expression"][0] for issue in answer.json()["issue"]]
    assert "Bundle.entry[1].resource.status" in expressions
    assert await count(door, "Patient") == 0


@pytest.mark.parametrize(
    "last",
    [
        entry("PUT", "Patient/1", {**PATIENT, "id": "1"}, ifMatch='W/"9"'),
        entry("PATCH", "Patient?identifier=none|none", {"resourceType": "Parameters"}),
        entry("POST", "Observation", observation("urn:uuid:missing")),
        entry("POST", "Observation", observation("urn:oid:1.2.3")),
        entry("POST", "Observation", observation("Patient?identifier=none|none")),
        entry("POST", "Patient", PATIENT, ifNoneExist="nonsense=1"),
        entry("POST", "Patient/$everything", {"resourceType": "Parameters"}),
        entry("GET", "../../admin"),
        entry("GET", "http://169.254.169.254/latest"),
    ],
)
async def test_a_refusal_at_the_end_undoes_the_beginning(door, last):
    answer = await door("POST", "/", bundle(entry("POST", "Patient", PATIENT), last))
    assert 400 <= answer.status_code < 500
    assert await count(door, "Patient") == 0


async def test_all_methods_in_one_transaction_are_done_in_the_order_of_the_standard(door):
    await door.operator("PUT", "/Patient/old", {**PATIENT, "id": "old"})
    await door.operator("PUT", "/Patient/kept", {**PATIENT, "id": "kept"})
    sent = bundle(
        entry("GET", "Patient/kept"),
        entry("PUT", "Patient/kept", {**PATIENT, "id": "kept", "active": True}),
        entry("POST", "Patient", PATIENT),
        entry("DELETE", "Patient/old"),
    )
    answer = await door("POST", "/", sent)
    assert answer.status_code == 200, answer.text
    found = answer.json()["entry"]
    assert [one["response"]["status"] for one in found] == [
        "200 OK",
        "200 OK",
        "201 Created",
        "204 No Content",
    ]
    assert found[0]["resource"]["active"] is True
    assert (await door("GET", "/Patient/old")).status_code == 410


async def test_conditional_references_find_what_is_stored_or_sent_along(door):
    person = {**PATIENT, "identifier": [{"system": "urn:s", "value": "stored"}]}
    stored = (await door("POST", "/Patient", person)).json()["id"]
    sent = bundle(
        entry("POST", "Observation", observation("Patient?identifier=urn:s|stored")),
        entry("POST", "Observation", observation("Patient?identifier=urn:s|sent")),
        entry(
            "POST", "Patient", {**PATIENT, "identifier": [{"system": "urn:s", "value": "sent"}]}, "urn:uuid:1"
        ),
    )
    answer = await door("POST", "/", sent)
    assert answer.status_code == 200, answer.text
    first, second, new = ids(answer)
    assert (await door("GET", f"/Observation/{first}")).json()["subject"]["reference"] == f"Patient/{stored}"
    assert (await door("GET", f"/Observation/{second}")).json()["subject"]["reference"] == f"Patient/{new}"


async def test_a_repeated_conditional_create_changes_nothing_and_keeps_its_references(door):
    person = {**PATIENT, "identifier": [{"system": "urn:s", "value": "1"}]}
    note = observation("urn:uuid:1", identifier=[{"system": "urn:s", "value": "o1"}])
    sent = bundle(
        entry("POST", "Patient", person, "urn:uuid:1", ifNoneExist="identifier=urn:s|1"),
        entry("POST", "Observation", note, "urn:uuid:2", ifNoneExist="identifier=urn:s|o1"),
    )
    first, second = await door("POST", "/", sent), await door("POST", "/", sent)
    assert ids(first) == ids(second)
    assert [one["response"]["status"] for one in second.json()["entry"]] == ["200 OK", "200 OK"]
    assert (await count(door, "Patient"), await count(door, "Observation")) == (1, 1)


async def test_the_same_conditional_creates_at_once_make_one(door):
    person = {**PATIENT, "identifier": [{"system": "urn:s", "value": "1"}]}
    sent = bundle(entry("POST", "Patient", person, ifNoneExist="identifier=urn:s|1"))
    answers = await asyncio.gather(*(door("POST", "/", sent) for _ in range(6)))
    assert sorted(one.json()["entry"][0]["response"]["status"] for one in answers) == ["200 OK"] * 5 + [
        "201 Created"
    ]
    assert await count(door, "Patient") == 1


async def test_transactions_over_the_same_resources_in_other_order_all_succeed(door):
    for name in ("a", "b", "c"):
        await door.operator("PUT", f"/Patient/{name}", {**PATIENT, "id": name})

    def change(names, number):
        person = {**PATIENT, "birthDate": f"19{number:02d}-01-01"}
        return bundle(*(entry("PUT", f"Patient/{name}", {**person, "id": name}) for name in names))

    answers = await asyncio.gather(
        *(door("POST", "/", change("abc" if n % 2 else "cba", n)) for n in range(8))
    )
    assert [one.status_code for one in answers] == [200] * 8
    assert (await door("GET", "/Patient/a")).headers["etag"] == 'W/"9"'


async def test_a_batch_does_each_entry_alone(door):
    await door.operator("PUT", "/Patient/1", {**PATIENT, "id": "1"})
    sent = bundle(
        entry("GET", "Patient/1"),
        entry("GET", "Patient/none"),
        entry("POST", "Patient", {"resourceType": "Patient", "active": "no"}),
        entry("POST", "Patient", PATIENT),
        entry("GET", "Patient?_summary=count"),
        entry("DELETE", "Patient/1"),
        kind="batch",
    )
    answer = await door("POST", "/", sent)
    assert answer.status_code == 200
    statuses = [one["response"]["status"].split()[0] for one in answer.json()["entry"]]
    assert statuses == ["200", "404", "422", "201", "200", "204"]
    assert answer.json()["entry"][2]["response"]["outcome"]["resourceType"] == "OperationOutcome"


async def test_a_batch_outlives_addresses_that_are_none(door):
    await door.operator("PUT", "/Patient/1", {**PATIENT, "id": "1"})
    addresses = {
        "https://node.test/fhir/Patient/1": "200",
        "/Patient/1": "200",
        "http://elsewhere.example/fhir/Patient/1": "422",
        "//elsewhere.example/Patient/1": "422",
        "patient/1": "422",
        "Patient/none": "404",
    }
    answer = await door("POST", "/", bundle(*(entry("GET", url) for url in addresses), kind="batch"))
    assert answer.status_code == 200, answer.text
    statuses = [one["response"]["status"].split()[0] for one in answer.json()["entry"]]
    assert statuses == list(addresses.values())


async def test_a_transaction_of_one_needs_what_it_refers_to(door):
    answer = await door("POST", "/", bundle(entry("POST", "Observation", observation("urn:uuid:missing"))))
    assert answer.status_code == 422
    assert "Bundle.entry[0]" in answer.json()["issue"][0]["details"]["text"]


async def test_a_citizen_cannot_reach_another_record_by_a_bundle(door):
    own = (await door("POST", "/Patient", PATIENT)).json()["id"]
    other = (await door("POST", "/Patient", PATIENT)).json()["id"]
    sent = bundle(
        entry("POST", "Observation", observation(f"Patient/{own}")), entry("DELETE", f"Patient/{other}")
    )
    assert (await door.citizen("POST", "/", sent, patient=own)).status_code in (403, 404)
    assert await count(door, "Observation") == 0
    note = (await door("POST", "/Observation", observation(f"Patient/{other}"))).json()["id"]
    changed = {**observation(f"Patient/{own}"), "id": note}
    assert (await door.citizen("PUT", f"/Observation/{note}", changed, patient=own)).status_code in (403, 404)
    assert (await door("GET", f"/Observation/{note}")).headers["etag"] == 'W/"1"'
    batch = bundle(entry("GET", f"Patient/{other}"), entry("GET", f"Patient/{own}"), kind="batch")
    answer = await door.citizen("POST", "/", batch, patient=own)
    assert [one["response"]["status"].split()[0] for one in answer.json()["entry"]] == ["404", "200"]


async def test_integrity_refuses_references_to_nothing(open_door):
    door = open_door(referential_integrity=True)
    assert (await door("POST", "/Observation", observation("Patient/none"))).status_code == 422
    sent = bundle(
        entry("POST", "Patient", PATIENT, "urn:uuid:1"),
        entry("POST", "Observation", observation("urn:uuid:1")),
        entry("POST", "Observation", observation("https://elsewhere.example/fhir/Patient/1")),
    )
    assert (await door("POST", "/", sent)).status_code == 200


async def test_integrity_refuses_to_delete_what_others_refer_to(open_door):
    door = open_door(referential_integrity=True)
    await door.operator("PUT", "/Patient/p", {**PATIENT, "id": "p"})
    notes = [(await door("POST", "/Observation", observation("Patient/p"))).json()["id"] for _ in range(2)]
    refused = await door("DELETE", "/Patient/p")
    assert refused.status_code == 409
    assert "2 resources refer to Patient/p" in refused.text
    listed = {"resourceType": "List", "status": "current", "mode": "working", "entry": []}
    listed["subject"] = {"reference": "https://node.test/fhir/Patient/p"}
    listed["extension"] = [{"url": "urn:x", "valueReference": {"reference": f"Observation/{notes[0]}"}}]
    made = (await door("POST", "/List", {k: v for k, v in listed.items() if v})).json()["id"]
    refused = await door("DELETE", f"/Observation/{notes[0]}")
    assert refused.status_code == 409
    assert f"1 resource refers to Observation/{notes[0]}, such as List/{made}" in refused.text
    assert (await door("DELETE", f"/Observation/{notes[1]}")).status_code == 204
    kept = bundle(entry("DELETE", f"Observation/{notes[0]}"), entry("DELETE", "Patient/p"))
    assert (await door("POST", "/", kept)).status_code == 409
    assert (await door("GET", f"/Observation/{notes[0]}")).status_code == 200
    both = bundle(
        *(entry("DELETE", name) for name in (f"Observation/{notes[0]}", f"List/{made}", "Patient/p"))
    )
    assert (await door("POST", "/", both)).status_code == 200


async def test_integrity_refuses_to_delete_a_patient_whom_only_an_extension_names(open_door):
    door = open_door(referential_integrity=True)
    await door.operator("PUT", "/Patient/p", {**PATIENT, "id": "p"})
    listed = {"resourceType": "List", "status": "current", "mode": "working"}
    listed["extension"] = [{"url": "urn:x", "valueReference": {"reference": "Patient/p"}}]
    made = (await door("POST", "/List", listed)).json()["id"]
    refused = await door("DELETE", "/Patient/p")
    assert (refused.status_code, f"such as List/{made}" in refused.text) == (409, True)
    assert (await door("DELETE", f"/List/{made}")).status_code == 204
    assert (await door("DELETE", "/Patient/p")).status_code == 204


async def test_integrity_refuses_a_reference_to_what_the_same_transaction_deletes(open_door):
    door = open_door(referential_integrity=True)
    await door.operator("PUT", "/Patient/p", {**PATIENT, "id": "p"})
    sent = bundle(entry("DELETE", "Patient/p"), entry("POST", "Observation", observation("Patient/p")))
    assert (await door("POST", "/", sent)).status_code == 422
    assert (await door("GET", "/Patient/p")).status_code == 200


async def test_an_absolute_reference_to_this_node_is_one_of_its_own(door):
    await door.operator("PUT", "/Patient/p", {**PATIENT, "id": "p"})
    made = await door("POST", "/Observation", observation("https://node.test/fhir/Patient/p"))
    assert made.json()["subject"] == {"reference": "Patient/p"}
    found = (await door.citizen("GET", "/Observation?patient=p", patient="p")).json()
    assert [one["resource"]["id"] for one in found["entry"]] == [made.json()["id"]]
    elsewhere = "https://node.test/other/Patient/p"
    kept = (await door("POST", "/Observation", observation(elsewhere))).json()
    assert kept["subject"] == {"reference": elsewhere}


async def test_a_node_of_several_addresses_knows_its_own_references_by_each(open_door):
    door = open_door(own_addresses=("http://localhost:8101",))
    await door.operator("PUT", "/Patient/p", {**PATIENT, "id": "p"})
    for link in ("https://node.test/fhir/Patient/p", "http://localhost:8101/fhir/Patient/p"):
        made = await door("POST", "/Observation", observation(link))
        assert made.json()["subject"] == {"reference": "Patient/p"}
    elsewhere = "http://localhost:8102/fhir/Patient/p"
    kept = await door("POST", "/Observation", observation(elsewhere))
    assert kept.json()["subject"] == {"reference": elsewhere}
    assert (await door.citizen("GET", "/Observation", patient="p")).json()["total"] == 2


async def test_an_entry_of_a_batch_finds_no_other_and_a_single_write_neither(door):
    sent = bundle(
        entry("POST", "Patient", PATIENT, "urn:uuid:1"),
        entry("POST", "Observation", observation("urn:uuid:1")),
        entry("PUT", "Observation/o", {**observation("urn:oid:1.2.3"), "id": "o"}),
        kind="batch",
    )
    answered = (await door.operator("POST", "/", sent)).json()["entry"]
    assert [found["response"]["status"] for found in answered] == ["201 Created", "422", "422"]
    assert "send both in one transaction" in str(answered[1])
    alone = await door("POST", "/Observation", observation("urn:uuid:1"))
    assert alone.status_code == 422
    for text in (str(answered[1]), alone.text):
        assert "Observation: the reference" in text
        assert "Bundle.entry" not in text
    assert await count(door, "Observation") == 0


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_entries_tell_how_a_write_went_where_that_is_preferred(door, kind):
    await door.operator("PUT", "/Patient/p", {**PATIENT, "id": "p"})
    sent = bundle(
        entry("POST", "Patient", PATIENT),
        entry("PUT", "Patient/p", {**PATIENT, "id": "p", "active": True}),
        entry("GET", "Patient/p"),
        kind=kind,
    )
    preferred = await door.operator("POST", "/", sent, headers={"prefer": "return=OperationOutcome"})
    made, changed, read = preferred.json()["entry"]
    for found, word in ((made, "created"), (changed, "updated")):
        outcome = found["response"]["outcome"]
        assert outcome["resourceType"] == "OperationOutcome"
        assert word in outcome["issue"][0]["details"]["text"]
        assert "resource" not in found
    assert (read["resource"]["id"], "outcome" in read["response"]) == ("p", False)


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_the_capabilities_are_answered_in_a_bundle_too(door, kind):
    answer = await door("POST", "/", bundle(entry("GET", "metadata"), kind=kind))
    assert answer.json()["entry"][0]["resource"]["resourceType"] == "CapabilityStatement"


async def test_without_integrity_anything_may_be_deleted(door):
    await door.operator("PUT", "/Patient/p", {**PATIENT, "id": "p"})
    await door("POST", "/Observation", observation("Patient/p"))
    assert (await door("DELETE", "/Patient/p")).status_code == 204


async def test_a_bundle_may_come_as_xml(door):
    body = (
        b'<Bundle xmlns="http://hl7.org/fhir"><type value="transaction"/><entry>'
        b'<resource><Patient><active value="true"/></Patient></resource>'
        b'<request><method value="POST"/><url value="Patient"/></request></entry></Bundle>'
    )
    answer = await door("POST", "/", body, headers={"content-type": "application/fhir+xml"})
    assert answer.status_code == 200, answer.text
    assert (await door("GET", f"/Patient/{ids(answer)[0]}")).json()["active"] is True


@pytest.mark.parametrize(
    "sent",
    [
        {"resourceType": "Bundle", "type": "transaction", "entry": {}},
        {"resourceType": "Bundle", "type": "transaction", "entry": [None]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [[]]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": []}]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": 1, "request": {}}]},
        {"resourceType": "Bundle", "type": "searchset"},
        {"resourceType": "Bundle"},
        {"resourceType": "Patient"},
        {},
        [],
    ],
)
@pytest.mark.parametrize("content_type", ["application/fhir+json"])
async def test_what_is_no_transaction_is_refused(door, sent, content_type):
    answer = await door("POST", "/", sent, headers={"content-type": content_type})
    assert 400 <= answer.status_code < 500
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_a_batch_goes_on_only_as_long_as_the_token_that_sent_it(open_door):
    moments = []

    def clock():
        moments.append(utc_now())
        if len(moments) == 40:
            door.services.doorkeeper.revoked[sent.caller.token_id] = sent.expires_at
        return moments[-1]

    door = open_door(clock=clock)
    token = door.token()
    sent = door.services.doorkeeper.recognise(token)
    reads = bundle(*(entry("GET", f"Observation/o{number}") for number in range(60)), kind="batch")
    answer = await door("POST", "/", reads, headers={"authorization": f"Bearer {token}"})
    told = [each["response"]["status"][:3] for each in answer.json()["entry"]]
    assert told == sorted(told, reverse=True)
    assert set(told) == {"404", "401"}


def known_by(number, **more):
    return {**PATIENT, "identifier": [{"system": "urn:x", "value": number}], **more}


async def test_a_condition_does_not_select_what_the_transaction_deletes(door):
    await door.operator("PUT", "/Patient/a", known_by("1", id="a"))
    sent = bundle(
        entry("DELETE", "Patient/a"),
        entry("POST", "Patient", known_by("1"), "urn:uuid:1", ifNoneExist="identifier=urn:x|1"),
        entry("POST", "Observation", observation("urn:uuid:1")),
        entry("POST", "Observation", observation("Patient?identifier=urn:x|1")),
    )
    answer = await door("POST", "/", sent)
    assert [each["response"]["status"][:3] for each in answer.json()["entry"]] == ["204", "201", "201", "201"]
    made = answer.json()["entry"][1]["response"]["location"].split("/")[-3]
    assert made != "a"
    for each in answer.json()["entry"][2:]:
        read = await door("GET", f"/Observation/{each['response']['location'].split('/')[-3]}")
        assert read.json()["subject"] == {"reference": f"Patient/{made}"}


@pytest.mark.parametrize(
    "beside",
    [
        entry("PUT", "Patient/b", known_by("50", id="b")),
        entry("POST", "Patient", known_by("50")),
        entry("POST", "Patient", known_by("50"), ifNoneExist="identifier=50"),
    ],
)
@pytest.mark.parametrize(
    "conditional",
    [
        entry("POST", "Patient", known_by("50"), ifNoneExist="identifier=urn:x|50"),
        entry("PUT", "Patient?identifier=urn:x%7C50", known_by("50", gender="male")),
    ],
)
async def test_what_a_condition_says_is_one_is_not_made_twice(door, beside, conditional):
    await door.operator("PUT", "/Patient/b", known_by("2", id="b"))
    refused = await door("POST", "/", bundle(beside, conditional))
    assert refused.status_code == 422
    assert "send one of the two" in refused.text
    assert await count(door, "Patient") == 1


async def test_conditions_of_many_entries_are_told_apart(door):
    numbers = [f"n{number}" for number in range(20)]
    sent = bundle(
        *(
            entry("POST", "Patient", known_by(each), ifNoneExist=f"identifier=urn:x|{each}")
            for each in numbers
        )
    )
    assert (await door("POST", "/", sent)).status_code == 200
    assert (await door("POST", "/", sent)).status_code == 200
    assert await count(door, "Patient") == 20
