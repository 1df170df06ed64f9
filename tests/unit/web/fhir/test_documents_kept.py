"""A received document stays with the person it was received for, and what it says goes when it goes."""

import base64
import json

import pytest
from tests.unit.web.fhir.test_publishing import WORDS

from salus.core.access import Action
from salus.store import persons
from salus.web import mhd
from salus.web.fhir.face import face

PATCH = {"content-type": "application/json-patch+json"}
URN = "urn:uuid:00000000-0000-4000-8000-{:011}"


@pytest.fixture
async def door(open_door):
    made = open_door(faces=(mhd.face, face))
    for name in ("ana", "rui"):
        person = {"resourceType": "Patient", "id": name, "birthDate": "1968-03-14", "gender": "female"}
        person |= {"identifier": [{"system": "urn:mrn", "value": name}], "name": [{"family": f"Of {name}"}]}
        await made.operator("PUT", f"/Patient/{name}", person)
    return made


def letter(text="letter", patient="ana", **more):
    attachment = {"contentType": "text/plain", "data": base64.b64encode(text.encode()).decode()}
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "content": [{"attachment": attachment}],
    } | more


def findings(value="finding"):
    urn = URN.format(len(value))
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "letter"},
        "subject": {"reference": urn + "2"},
        "date": "2026-11-12",
        "author": [{"display": "Dr"}],
        "title": "t",
        "section": [{"title": "s", "entry": [{"reference": urn + "3"}]}],
    }
    person = {
        "resourceType": "Patient",
        "birthDate": "1968-03-14",
        "gender": "female",
        "identifier": [{"system": "urn:mrn", "value": "ana"}],
        "name": [{"family": "Of ana"}],
    }
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": urn + "2"},
        "valueString": value,
    }
    bundle = {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:d", "value": value},
        "timestamp": "2026-11-12T10:00:00Z",
        "entry": [
            {"fullUrl": f"{urn}{number}", "resource": one}
            for number, one in enumerate((composition, person, observation), 1)
        ],
    }
    data = base64.b64encode(json.dumps(bundle).encode()).decode()
    return letter(content=[{"attachment": {"contentType": "application/fhir+json", "data": data}}])


async def publish(door, described):
    answer = await door("POST", "/DocumentReference", described)
    assert answer.status_code == 201, answer.text
    return answer.json()


def said(answer):
    return answer.json()["issue"][0]["details"]["text"]


async def observed(door):
    return (await door("GET", "/Observation?patient=ana")).json()["total"]


async def state(door, identity):
    return (await door("GET", f"/DocumentReference/{identity}")).json()["status"]


async def test_a_document_is_not_moved_to_another_person(door):
    kept = await publish(door, letter())
    address = f"/DocumentReference/{kept['id']}"
    by_put = await door("PUT", address, kept | {"subject": {"reference": "Patient/rui"}})
    move = [{"op": "replace", "path": "/subject/reference", "value": "Patient/rui"}]
    by_patch = await door("PATCH", address, move, headers=PATCH)
    assert (by_put.status_code, by_patch.status_code) == (409, 409)
    assert "entered-in-error, and publish it for the right person" in said(by_put)


async def test_the_bytes_of_a_document_moved_before_are_nobodys(door, database):
    kept = await publish(door, letter())
    path = "/" + kept["content"][0]["attachment"]["url"]
    assert (await door.citizen("GET", path, patient="ana")).status_code == 200
    async with database.system() as connection:
        await connection.execute(
            "UPDATE resource SET compartment = 'rui' WHERE type = 'DocumentReference' AND id = $1", kept["id"]
        )
    assert (await door.citizen("GET", path, patient="ana")).status_code == 404
    assert (await door("GET", path)).status_code == 404
    await door("DELETE", f"/DocumentReference/{kept['id']}")
    assert (await door("GET", path)).status_code == 404


async def test_a_description_keeps_pointing_at_its_document(door):
    kept = await publish(door, letter())
    address = f"/DocumentReference/{kept['id']}"
    other = {"contentType": "text/plain", "data": WORDS}
    lost = await door("PUT", address, kept | {"content": [{"attachment": other}]})
    assert lost.status_code == 409
    assert f"Binary/{kept['content'][0]['attachment']['url'].partition('/')[2]}" in said(lost)
    titled = {**kept["content"][0]["attachment"], "title": "A letter"}
    assert (await door("PUT", address, kept | {"content": [{"attachment": titled}]})).status_code == 200


@pytest.mark.parametrize("deleted_first", [False, True], ids=["update", "after a deletion"])
async def test_what_was_superseded_does_not_come_back(door, deleted_first):
    old = await publish(door, letter())
    link = {"code": "replaces", "target": {"reference": f"DocumentReference/{old['id']}"}}
    await publish(door, letter("new", relatesTo=[link]))
    address = f"/DocumentReference/{old['id']}"
    if deleted_first:
        assert (await door.operator("DELETE", address)).status_code == 204
    again = await door.operator("PUT", address, old)
    assert again.status_code == 409


WITHDRAWALS = {
    "put": lambda door, one: door(
        "PUT", f"/DocumentReference/{one['id']}", one | {"status": "entered-in-error"}
    ),
    "patch": lambda door, one: door(
        "PATCH",
        f"/DocumentReference/{one['id']}",
        [{"op": "replace", "path": "/status", "value": "entered-in-error"}],
        headers=PATCH,
    ),
    "superseded": lambda door, one: door(
        "PUT", f"/DocumentReference/{one['id']}", one | {"status": "superseded"}
    ),
    "delete": lambda door, one: door("DELETE", f"/DocumentReference/{one['id']}"),
}


@pytest.mark.parametrize("way", WITHDRAWALS)
async def test_what_only_a_withdrawn_document_says_goes_with_it(door, way):
    kept = await publish(door, findings())
    other = await publish(door, findings("another finding"))
    assert await observed(door) == 2
    answer = await WITHDRAWALS[way](door, kept)
    assert answer.status_code in (200, 204), answer.text
    assert await observed(door) == 1
    assert await state(door, other["id"]) == "current"


async def test_what_another_current_document_says_too_stays(door):
    one = await publish(door, findings())
    two = await publish(door, findings() | {"description": "a second copy"})
    total = await observed(door)
    await door("DELETE", f"/DocumentReference/{one['id']}")
    assert await observed(door) >= 1
    await door("DELETE", f"/DocumentReference/{two['id']}")
    assert (total > 0, await observed(door)) == (True, 0)


def replacing(identity, form="{}", **more):
    link = form.format(f"DocumentReference/{identity}")
    return letter("new", **({"relatesTo": [{"code": "replaces", "target": {"reference": link}}]} | more))


SEVERAL = [{"attachment": {"contentType": "application/pdf", "data": "AAAA"}}] * 2
ELSEWHERE = [{"attachment": {"contentType": "application/pdf", "url": "https://x.example/1"}}]


def bundle(kind, *resources):
    request = {"method": "POST", "url": "DocumentReference"}
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [
            {"fullUrl": URN.format(number) + "0", "resource": one, "request": request}
            for number, one in enumerate(resources)
        ],
    }


WAYS = {
    "absolute": lambda door, old: door(
        "POST", "/DocumentReference", replacing(old, "https://node.test/fhir/{}")
    ),
    "version": lambda door, old: door("POST", "/DocumentReference", replacing(old, "{}/_history/1")),
    "several": lambda door, old: door("POST", "/DocumentReference", replacing(old, content=SEVERAL)),
    "url": lambda door, old: door("POST", "/DocumentReference", replacing(old, content=ELSEWHERE)),
    "transaction": lambda door, old: door("POST", "", bundle("transaction", replacing(old))),
    "batch": lambda door, old: door("POST", "", bundle("batch", replacing(old))),
    "if none exist": lambda door, old: door(
        "POST", "/DocumentReference", replacing(old), headers={"if-none-exist": "identifier=urn:x|1"}
    ),
    "put": lambda door, old: door.operator("PUT", "/DocumentReference/new", replacing(old) | {"id": "new"}),
}


@pytest.mark.parametrize("way", WAYS)
async def test_by_whatever_door_it_comes_a_successor_leaves_the_former_superseded(door, way):
    old = await publish(door, letter())
    answer = await WAYS[way](door, old["id"])
    assert answer.status_code in (200, 201), answer.text
    assert await state(door, old["id"]) == "superseded"


async def test_of_two_in_one_transaction_the_successor_is_current(door):
    first = letter("one") | {"masterIdentifier": {"system": "urn:m", "value": "1"}}
    target = {"reference": URN.format(0) + "0"}
    second = letter("two", relatesTo=[{"code": "replaces", "target": target}])
    answer = await door("POST", "", bundle("transaction", first, second))
    assert answer.status_code == 200, answer.text
    found = (await door("GET", "/DocumentReference?patient=ana&_sort=_lastUpdated")).json()["entry"]
    assert sorted(one["resource"]["status"] for one in found) == ["current", "superseded"]
    assert [one["resource"]["status"] for one in found if "relatesTo" in one["resource"]] == ["current"]


async def test_a_successor_in_error_replaces_nothing(door):
    old = await publish(door, letter())
    await publish(door, replacing(old["id"], status="entered-in-error"))
    assert await state(door, old["id"]) == "current"


async def test_a_citizen_replaces_by_a_transaction_only_their_own(door):
    theirs = await publish(door, letter())
    refused = await door.citizen("POST", "", bundle("transaction", replacing(theirs["id"])), patient="ana")
    assert refused.status_code == 403
    plain = (await door("POST", "/DocumentReference", letter(content=SEVERAL))).json()["id"]
    refused = await door.citizen("POST", "", bundle("transaction", replacing(plain)), patient="ana")
    assert (refused.status_code, await state(door, plain)) == (403, "current")
    mine = (await door.citizen("POST", "/DocumentReference", letter("mine"), patient="ana")).json()["id"]
    taken = await door.citizen("POST", "", bundle("transaction", replacing(mine)), patient="ana")
    assert taken.status_code == 200, taken.text
    assert (await state(door, theirs["id"]), await state(door, mine)) == ("current", "superseded")


@pytest.mark.parametrize("kind", [replacing, lambda old: replacing(old, content=SEVERAL)])
async def test_another_persons_document_is_not_replaced(door, kind):
    old = await publish(door, letter(patient="rui"))
    refused = await door("POST", "/DocumentReference", kind(old["id"]))
    assert refused.status_code == 409
    assert "about another person" in said(refused)
    assert await state(door, old["id"]) == "current"


@pytest.mark.parametrize("more", [{}, {"content": SEVERAL}], ids=["published", "plain"])
async def test_a_document_of_a_merged_record_of_the_person_is_replaced(door, database, grant, more):
    old = await publish(door, letter(patient="rui"))
    key = door.services.keys.search
    await persons.merge(grant(action=Action.UPDATE), database, "ana", "rui", key=key)
    answer = await door("POST", "/DocumentReference", replacing(old["id"], **more))
    assert answer.status_code == 201, answer.text
    assert await state(door, old["id"]) == "superseded"


async def test_what_replaces_nothing_that_is_here_is_taken(door):
    await publish(door, replacing("absent"))


READ = "text/html;q=0.9, application/fhir+json;q=0.1"


async def test_a_kept_document_is_read_as_a_page_or_a_pdf_by_whoever_may_have_its_bytes(door):
    kept = await publish(door, findings())
    path = "/" + kept["content"][0]["attachment"]["url"]
    page = await door("GET", path, headers={"accept": READ, "accept-language": "pt-PT, en;q=0.5"})
    assert page.headers["content-type"] == "text/html"
    assert page.headers["content-security-policy"] == "sandbox"
    assert '<html lang="pt">' in page.text
    assert "finding" in page.text
    pdf = await door("GET", path, headers={"accept": "application/pdf"})
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    for accept in ("application/fhir+json", "*/*", "text/html;q=0.1, application/fhir+json"):
        whole = await door("GET", path, headers={"accept": accept})
        assert whole.headers["content-type"] == "application/fhir+json"
    other = await door.citizen("GET", path, patient="rui", headers={"accept": READ})
    assert other.status_code == 404


async def test_every_reading_of_a_document_leaves_a_leaf(door, leaves):
    kept = await publish(door, findings())
    path = "/" + kept["content"][0]["attachment"]["url"]
    found = []
    for accept in ("application/fhir+json", READ, "application/pdf"):
        before = len(await leaves())
        await door("GET", path, headers={"accept": accept})
        found.append((await leaves())[before:])
    assert found[0]
    assert found[1:] == [found[0], found[0]]


async def test_what_is_no_document_to_read_stays_what_it_is(door):
    kept = await publish(door, letter())
    path = "/" + kept["content"][0]["attachment"]["url"]
    answer = await door("GET", path, headers={"accept": "text/html"})
    assert answer.status_code == 406
