"""Of a person whose records were merged, every view shows all of them and says so."""

import pytest

from salus.core.access import Action
from salus.store import persons
from salus.store.merged import Merges, forget
from salus.web.fhir import export

ADDRESS = "https://node.test"


def resource(kind, name, patient, **members):
    return {"resourceType": kind, "id": name, "subject": {"reference": f"Patient/{patient}"}} | members


def problem(name, patient):
    coding = {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
    return resource(
        "Condition", name, patient, clinicalStatus={"coding": [coding]}, code={"text": f"Problem {name}"}
    )


@pytest.fixture
async def merged(door, database, grant):
    for name in ("stays", "goes", "other"):
        person = {
            "resourceType": "Patient",
            "id": name,
            "name": [{"family": "Tamm"}],
            "birthDate": "1976-05-03",
        }
        assert (await door.operator("PUT", f"/Patient/{name}", person)).status_code == 201
        await door.operator("PUT", f"/Condition/c-{name}", problem(f"c-{name}", name))
    await persons.merge(grant(action=Action.UPDATE), database, "stays", "goes", key=door.services.keys.search)
    return door


def ids(answer, kind="Condition"):
    found = [entry["resource"] for entry in answer.json().get("entry", [])]
    return sorted(each["id"] for each in found if each["resourceType"] == kind)


def notes(answer):
    found = [entry["resource"] for entry in answer.json().get("entry", [])]
    return " ".join(
        issue["details"]["text"] for each in found if each["resourceType"] == "OperationOutcome"
        for issue in each["issue"]
    )  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        "/Patient/stays/$everything",
        "/Condition?patient=stays",
        "/Condition?patient=Patient/stays",
        "/Condition?subject=Patient/stays",
    ],
)
async def test_everything_and_searches_reach_the_merged_record_and_say_so(merged, path):
    for answer in (await merged("GET", path), await merged.citizen("GET", path, patient="stays")):
        assert ids(answer) == ["c-goes", "c-stays"]
        assert "Patient/goes" in notes(answer)


async def test_pages_of_a_search_reach_the_merged_record_as_well(merged):
    first = await merged.citizen("GET", "/Condition?patient=stays&_count=1", patient="stays")
    link = next(each["url"] for each in first.json()["link"] if each["relation"] == "next")
    second = await merged.citizen("GET", link.removeprefix(f"{ADDRESS}/fhir"), patient="stays")
    assert sorted(ids(first) + ids(second)) == ["c-goes", "c-stays"]


async def test_the_summary_holds_both_records_and_says_so(merged):
    document = (await merged("GET", "/Patient/stays/$summary")).json()
    held = [entry["resource"] for entry in document["entry"]]
    assert sorted(each["code"]["text"] for each in held if each["resourceType"] == "Condition") == [
        "Problem c-goes",
        "Problem c-stays",
    ]
    assert [each["id"] for each in held if each["resourceType"] == "Patient"] == ["stays"]
    assert "more than one record" in held[0]["text"]["div"]
    patient = document["entry"][1]["fullUrl"]
    subjects = {each["subject"]["reference"] for each in held if each["resourceType"] == "Condition"}
    assert subjects == {patient}


@pytest.mark.parametrize("path", ["/Patient/goes/$everything", "/Condition?patient=goes"])
async def test_asked_as_the_record_that_went_the_person_is_answered(merged, path):
    for answer in (await merged("GET", path), await merged.citizen("GET", path, patient="goes")):
        assert ids(answer) == ["c-goes", "c-stays"]
        assert "merged into Patient/stays" in notes(answer)


async def test_the_record_that_went_says_where_the_person_is(merged):
    assert (await merged("GET", "/Patient/goes")).json()["link"][0]["other"]["reference"] == "Patient/stays"
    in_compartment = await merged("GET", "/Patient/goes/Condition")
    assert ids(in_compartment) == ["c-goes"]
    assert "ask with patient=Patient/stays" in notes(in_compartment)


async def test_the_summary_of_the_record_that_went_is_that_of_the_person(merged):
    document = (await merged("GET", "/Patient/goes/$summary")).json()
    held = [entry["resource"] for entry in document["entry"]]
    assert [each["id"] for each in held if each["resourceType"] == "Patient"] == ["stays"]
    assert len([each for each in held if each["resourceType"] == "Condition"]) == 2


def test_a_chain_of_merges_ends_at_the_record_that_stays():
    known = Merges({"a": "b", "b": "c"}, {"b": frozenset("a"), "c": frozenset("ab")})
    for one in "abc":
        assert (known.survivor(one), known.beside([one])) == ("c", frozenset("abc") - {one})
    assert (known.survivor("d"), known.beside("d")) == ("d", frozenset())
    assert Merges({"a": "b", "b": "a"}, {}).survivor("a") in ("a", "b")


async def test_a_search_in_the_compartment_says_what_it_leaves_out(merged):
    answer = await merged("GET", "/Patient/stays/Condition")
    assert ids(answer) == ["c-stays"]
    assert "not included" in notes(answer)


async def test_a_link_that_a_source_wrote_opens_no_other_record(merged):
    link = [{"other": {"reference": "Patient/stays"}, "type": "replaces"}]
    person = {"resourceType": "Patient", "id": "other", "name": [{"family": "Tamm"}], "link": link}
    await merged.operator("PUT", "/Patient/other", person)
    answer = await merged.citizen("GET", "/Patient/other/$everything", patient="other")
    assert ids(answer) == ["c-other"]


async def test_once_unmerged_each_record_stands_alone(merged, database, grant):
    allowed = grant(action=Action.UPDATE)
    await persons.unmerge(allowed, database, "stays", "goes", key=merged.services.keys.search)
    forget(database)
    answer = await merged("GET", "/Patient/stays/$everything")
    assert (ids(answer), "same person" in notes(answer)) == (["c-stays"], False)


@pytest.mark.parametrize(
    "path",
    [
        "/Condition/c-goes",
        "/Condition/c-goes/_history",
        "/Condition/c-goes/_history/1",
        "/Condition/_history",
    ],
)
async def test_what_a_search_shows_of_a_merged_record_can_be_opened(merged, path):
    answer = await merged.citizen("GET", path, patient="stays")
    assert answer.status_code == 200, answer.text
    assert "Problem c-goes" in answer.text
    assert (await merged.citizen("GET", "/Condition/c-other", patient="stays")).status_code == 404


async def test_a_document_of_a_merged_record_can_be_opened(merged):
    letter = {"resourceType": "Binary", "contentType": "text/plain", "data": "aGVsbG8="}
    letter["securityContext"] = {"reference": "Patient/goes"}
    made = (await merged.operator("POST", "/Binary", letter)).json()
    path = f"/Binary/{made['id']}"
    assert (await merged.citizen("GET", path, patient="stays")).content == b"hello"
    assert (await merged.citizen("GET", path, patient="other")).status_code == 404


async def test_the_export_of_a_merged_person_holds_all_of_their_records(merged):
    headers = {"prefer": "respond-async"}
    asked = await merged.citizen("GET", "/Patient/$export?_type=Condition", patient="stays", headers=headers)
    assert asked.status_code == 202, asked.text
    while await export.work_once(merged.services):
        pass
    status = asked.headers["content-location"].removeprefix(f"{ADDRESS}/fhir")
    (file,) = (await merged.citizen("GET", status, patient="stays")).json()["output"]
    got = await merged.citizen("GET", file["url"].removeprefix(f"{ADDRESS}/fhir"), patient="stays")
    assert "Problem c-goes" in got.text
    assert "Problem c-other" not in got.text
