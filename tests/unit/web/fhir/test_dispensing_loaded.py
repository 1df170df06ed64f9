"""What is loaded and what is handed over here: counted once, by reference or by the prescription's number."""

import json

import pytest
from tests.unit.web.fhir.test_dispensing import PHARMACIST, TABLETS, TEXT, dispense, hand_over, order

from salus.core.access import Action
from salus.core.limits import Limits
from salus.intake.conditions import lookup_in
from salus.intake.files import find_files
from salus.intake.load import Plan, load_files
from salus.web.fhir.writing import settling

NUMBER = {"system": "urn:rx", "value": "1"}
PATIENT = {"resourceType": "Patient", "id": "a"}
PERIOD = {"quantity": TABLETS, "validityPeriod": {"end": "2999-12-31"}}


def prescribed(**members):
    return order(identifier=[NUMBER], **TEXT) | members


def given(name="1", **members):
    return hand_over(name, **TEXT) | members


class Source:
    """A source whose files are loaded, and the pharmacy of the node."""

    def __init__(self, door, load, folder):
        self.door, self.load, self.folder, self.sent = door, load, folder, 0

    async def send(self, *contents, **plan):
        self.sent += 1
        path = self.folder / f"{self.sent}.ndjson"
        path.write_text("".join(f"{json.dumps(each)}\n" for each in contents))
        return await self.load(path, f"load-{self.sent}", **plan)

    async def prescription(self):
        found = (await self.door.operator("GET", "/MedicationRequest")).json()
        [entry] = found["entry"]
        return entry["resource"]

    async def status(self):
        return (await self.prescription())["status"]

    async def dispense(self, name, **members):
        kept = await self.prescription()
        links = {"authorizingPrescription": [{"reference": f"MedicationRequest/{kept['id']}"}]}
        return await dispense(self.door, given(name, subject=kept["subject"], **links) | members)

    async def take_back(self, answer):
        made = answer.json() | {"status": "entered-in-error"}
        return await self.door("PUT", f"/MedicationDispense/{made['id']}", made, **PHARMACIST)


@pytest.fixture
def source(door, database, grant, tmp_path):
    async def load(path, request, **plan):
        allowed = grant(action=Action.LOAD, request=request)
        key = door.services.keys.search
        lookup = lookup_in(allowed, database, key, Limits())
        plan = {"settle": settling(door.services, allowed)} | plan
        files = find_files([str(path)], "urn:hospital:a")
        return await load_files(allowed, database, files, Plan(key, Limits(), lookup, **plan))

    return Source(door, load, tmp_path)


def within(*numbers):
    held = prescribed(id="c", identifier=list(numbers) or [{"system": "urn:other", "value": "c"}])
    return {"contained": [held], "authorizingPrescription": [{"reference": "#c"}]}


ELSEWHERE = {"reference": "https://e.example/MedicationRequest/9"}


@pytest.mark.parametrize(
    ("named", "counts"),
    [
        ({"authorizingPrescription": [{"identifier": NUMBER}]}, True),
        ({"authorizingPrescription": [{"identifier": NUMBER, "type": "MedicationRequest"}]}, True),
        ({"authorizingPrescription": [ELSEWHERE | {"identifier": NUMBER}]}, True),
        ({"authorizingPrescription": [{"identifier": {"value": "1"}}]}, True),
        ({"authorizingPrescription": [{"display": "paper"}, {"identifier": NUMBER}]}, True),
        (within(NUMBER), True),
        (within({"system": "urn:ward", "value": "x"}, NUMBER), True),
        ({"authorizingPrescription": [{"identifier": NUMBER | {"value": "12"}}]}, False),
        ({"authorizingPrescription": [{"identifier": NUMBER | {"system": "urn:other"}}]}, False),
        (within({"system": "urn:other", "value": "1"}), False),
        (within(), False),
        ({"authorizingPrescription": [{"display": "1"}]}, False),
    ],
)
@pytest.mark.parametrize("state", ["completed", "entered-in-error"])
async def test_a_loaded_hand_over_counts_on_the_prescription_whose_number_it_names(
    source, named, counts, state
):
    await source.send(PATIENT, prescribed(), given(id="d", status=state) | named)
    answer = await source.dispense("2")
    refused = counts and state == "completed"
    assert answer.status_code == (409 if refused else 201), answer.text
    assert ("nothing is left" in answer.text) == refused


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a/b", "é|,$", '"', "\u2028"])
async def test_a_number_is_found_however_it_is_written(source, value):
    number = {"system": "urn:rx", "value": value}
    await source.send(
        PATIENT,
        prescribed(identifier=[number]),
        given(id="d", authorizingPrescription=[{"identifier": number}]),
    )
    assert (await source.dispense("2")).status_code == 409


async def test_a_loaded_hand_over_known_by_number_is_taken_back(source):
    await source.send(PATIENT, prescribed(), given(id="d", authorizingPrescription=[{"identifier": NUMBER}]))
    found = (await source.door.operator("GET", "/MedicationDispense")).json()["entry"][0]["resource"]
    back = await source.door(
        "PUT", f"/MedicationDispense/{found['id']}", found | {"status": "entered-in-error"}, **PHARMACIST
    )
    assert back.status_code == 200, back.text
    assert (await source.dispense("2")).status_code == 201


@pytest.mark.parametrize("more", [[], [{"system": "urn:pharmacy", "value": "77"}]])
async def test_a_hand_over_recorded_here_and_loaded_counts_once(source, more):
    three = PERIOD | {"numberOfRepeatsAllowed": 2}
    await source.send(PATIENT, prescribed(dispenseRequest=three))
    first = await source.dispense("1")
    assert first.status_code == 201, first.text
    again = given("1", id="d")
    again["identifier"] += more
    await source.send(PATIENT, prescribed(dispenseRequest=three), again)
    second = await source.dispense("2")
    assert second.status_code == 201, second.text
    back = await source.take_back(first)
    assert back.status_code == 200, back.text
    for name, status in (("3", 201), ("4", 201), ("5", 409)):
        answer = await source.dispense(name)
        assert answer.status_code == status, answer.text


async def test_what_was_handed_over_elsewhere_and_loaded_is_not_handed_over_again(source):
    await source.send(PATIENT, prescribed(dispenseRequest=PERIOD | {"numberOfRepeatsAllowed": 2}))
    await source.send(given("7", id="d", subject={"reference": "Patient/a"}))
    answer = await source.dispense("7")
    assert (answer.status_code, "recorded already" in answer.text) == (409, True), answer.text


def at(day, **members):
    return prescribed(meta={"lastUpdated": f"2026-11-{day}T10:00:00Z"}, **members)


def repeated(times):
    return {"dispenseRequest": PERIOD | {"numberOfRepeatsAllowed": times}}


@pytest.mark.parametrize("ended", ["cancelled", "stopped", "entered-in-error", "on-hold"])
@pytest.mark.parametrize("taken_back", ["before", "after"])
async def test_what_its_source_ends_is_ended_whatever_hand_overs_made_of_it(source, ended, taken_back):
    await source.send(PATIENT, at("20"))
    made = await source.dispense("1")
    assert (made.status_code, await source.status()) == (201, "completed")
    if taken_back == "before":
        assert (await source.take_back(made)).status_code == 200
        assert await source.status() == "active"
    report = await source.send(PATIENT, at("28", status=ended))
    assert (report.stored, report.kept) == (1, 0)
    if taken_back == "after":
        assert (await source.take_back(made)).status_code == 200
    assert await source.status() == ended
    again = await source.dispense("2")
    assert (again.status_code, f"it is {ended}" in again.text) == (409, True), again.text


@pytest.mark.parametrize("meta", [{"lastUpdated": "2026-11-28T10:00:00Z"}, {"versionId": "2"}, None])
async def test_more_repeats_of_its_source_are_handed_over(source, meta):
    told = {} if meta is None else {"meta": meta}
    await source.send(PATIENT, prescribed(**({"meta": {"versionId": "1"}} if meta else {})))
    assert (await source.dispense("1")).status_code == 201
    await source.send(PATIENT, prescribed(**repeated(1), **told))
    assert await source.status() == "active"
    assert [(await source.dispense(name)).status_code for name in "23"] == [201, 409]
    assert await source.status() == "completed"


async def test_what_its_source_changes_otherwise_leaves_it_completed_until_it_is_taken_back(source):
    await source.send(PATIENT, at("20"))
    made = await source.dispense("1")
    report = await source.send(PATIENT, at("28", priority="urgent"))
    assert (report.stored, report.kept) == (1, 0)
    kept = await source.prescription()
    assert (kept["status"], kept["priority"]) == ("completed", "urgent")
    assert (await source.take_back(made)).status_code == 200
    assert await source.status() == "active"


@pytest.mark.parametrize("overwrite", [False, True])
async def test_an_old_copy_of_its_source_does_not_make_it_active(source, overwrite):
    await source.send(PATIENT, at("20"))
    assert (await source.dispense("1")).status_code == 201
    await source.send(PATIENT, at("20"), overwrite=overwrite)
    await source.send(PATIENT, at("19", priority="urgent"), overwrite=overwrite)
    assert await source.status() == "completed"


async def test_what_a_prescriber_here_wrote_stays_though_hand_overs_followed(source):
    await source.send(PATIENT, at("20"))
    edited = await source.prescription() | {"priority": "stat"}
    assert (await source.door("PUT", f"/MedicationRequest/{edited['id']}", edited)).status_code == 200
    assert (await source.dispense("1")).status_code == 201
    report = await source.send(PATIENT, at("28", status="cancelled"))
    assert (report.stored, report.kept, await source.status()) == (0, 1, "completed")


async def test_what_its_source_takes_from_a_prescription_in_use_completes_it(source):
    await source.send(PATIENT, at("20", **repeated(1)), given("7", id="d"))
    await source.send(PATIENT, at("21", **repeated(2)))
    first = await source.dispense("1")
    assert (first.status_code, await source.status()) == (201, "active"), first.text
    await source.send(at("28", **repeated(1)))
    assert await source.status() == "completed"


async def test_hand_overs_that_were_only_loaded_are_history_and_change_no_prescription(source):
    await source.send(PATIENT, at("20", **repeated(1)), given("7", id="d"))
    await source.send(at("28"))
    assert await source.status() == "active"
    assert (await source.dispense("1")).status_code == 409
