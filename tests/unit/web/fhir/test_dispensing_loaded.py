"""What is loaded and what is handed over here: counted once, by reference or by the prescription's number."""

import json

import pytest
from tests.unit.web.fhir.test_dispensing import PHARMACIST, TABLETS, TEXT, dispense, hand_over, order

from salus.core.access import Action
from salus.core.limits import Limits
from salus.intake.conditions import lookup_in
from salus.intake.files import find_files
from salus.intake.load import Plan, load_files

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
