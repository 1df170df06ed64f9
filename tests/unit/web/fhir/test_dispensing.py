"""What a pharmacist may record by FHIR: the product that is prescribed, counted on its prescription."""

import pytest

from salus.core.access import Role
from salus.web.restrictions import set_restricted

PHARMACIST = {"role": Role.PHARMACIST, "organisation": "Apteek", "subject": "ph"}
TABLETS = {"value": 30, "unit": "tablet"}
NOTHING_ELSE = {"allowedBoolean": False}
TEXT = {"medicationCodeableConcept": {"text": "Morphine 10 mg"}}


def order(**members):
    return {
        "resourceType": "MedicationRequest",
        "id": "rx",
        "status": "active",
        "intent": "order",
        "authoredOn": "2026-11-20",
        "subject": {"reference": "Patient/a"},
        "dispenseRequest": {"quantity": TABLETS, "validityPeriod": {"end": "2999-12-31"}},
        "substitution": NOTHING_ELSE,
    } | members


def hand_over(name="1", **members):
    return {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "identifier": [{"system": "urn:oid:2.999.1", "value": name}],
        "subject": {"reference": "Patient/a"},
        "authorizingPrescription": [{"reference": "MedicationRequest/rx"}],
        "quantity": TABLETS,
    } | members


@pytest.fixture
async def node(door):
    for name in "ab":
        await door.operator("PUT", f"/Patient/{name}", {"resourceType": "Patient", "id": name})
    return door


async def dispense(node, resource, **headers):
    return await node("POST", "/MedicationDispense", resource, **PHARMACIST, headers=headers or None)


async def status_of(node, name="rx"):
    return (await node.operator("GET", f"/MedicationRequest/{name}")).json()["status"]


def named(text):
    return {"medicationReference": {"display": text}}


def numbered(value):
    return {"medicationReference": {"identifier": {"system": "urn:p", "value": value}}}


HERE = {"medicationReference": {"reference": "https://node.test/fhir/Medication/1"}}


def inside(value):
    held = {"resourceType": "Medication", "id": "m", "identifier": [{"system": "urn:p", "value": value}]}
    return {"contained": [held], "medicationReference": {"reference": "#m"}}


def elsewhere(host):
    return {"medicationReference": {"reference": f"https://{host}.example/Medication/1"}}


def coded(text):
    return {"medicationCodeableConcept": {"coding": [{"code": "1"}], "text": text}}


@pytest.mark.parametrize(
    ("prescribed", "given", "status"),
    [
        (named("Morphine 10 mg"), named("Morphine 100 mg"), 409),
        (named("Morphine 10 mg"), named("Morphine 10 mg"), 201),
        (numbered("10"), numbered("100"), 409),
        (numbered("10"), numbered("10"), 201),
        (inside("10"), inside("100"), 409),
        (elsewhere("a"), elsewhere("b"), 409),
        (elsewhere("a"), elsewhere("a"), 201),
        (coded("Morphine 10 mg"), coded("Morphine 100 mg"), 409),
        (coded("Morphine 10 mg"), coded("Morphine 10 mg"), 201),
    ],
)
async def test_where_nothing_else_may_be_given_only_what_is_known_to_be_it_is(
    node, prescribed, given, status
):
    await node.operator("PUT", "/MedicationRequest/rx", order(**prescribed))
    answer = await dispense(node, hand_over(**given))
    assert answer.status_code == status, answer.text
    assert await status_of(node) == ("completed" if status == 201 else "active")


@pytest.mark.parametrize("product", [{}, named("Morphine"), elsewhere("a"), HERE, inside("10")])
async def test_the_same_hand_over_sent_again_is_the_same_whatever_is_known_of_its_product(node, product):
    unknown = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    product = product or {"medicationCodeableConcept": {"extension": [unknown]}}
    await node.operator(
        "PUT", "/MedicationRequest/rx", order(**product, substitution={"allowedBoolean": True})
    )
    condition = {"if-none-exist": "identifier=urn:oid:2.999.1|1"}
    first = await dispense(node, hand_over(**product), **condition)
    assert first.status_code == 201, first.text
    again = await dispense(node, hand_over(**product), **condition)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    path = f"/MedicationDispense/{first.json()['id']}"
    kept = await node("PUT", path, first.json() | {"note": [{"text": "to the wife"}]}, **PHARMACIST)
    assert kept.status_code == 200, kept.text


def on(*links):
    return {"authorizingPrescription": list(links)}


def number(value="1|,$\\", system="urn:rx"):
    return {"identifier": {"system": system, "value": value}}


async def test_a_hand_over_on_a_prescription_named_by_its_number_is_counted(node):
    mine = [{"system": "urn:rx", "value": "1|,$\\"}]
    theirs = order(id="theirs", identifier=mine, subject={"reference": "Patient/b"}, **TEXT)
    for each in (order(identifier=mine, **TEXT), theirs):
        await node.operator("PUT", f"/MedicationRequest/{each['id']}", each)
    more = await dispense(node, hand_over(quantity={"value": 3000, "unit": "tablet"}, **TEXT, **on(number())))
    assert (more.status_code, "only 30 tablet" in more.text) == (409, True), more.text
    made = await dispense(node, hand_over(**TEXT, **on(number())))
    assert made.status_code == 201, made.text
    kept = made.json()
    assert kept["authorizingPrescription"] == [number() | {"reference": "MedicationRequest/rx"}]
    assert (await status_of(node), await status_of(node, "theirs")) == ("completed", "active")
    assert (await dispense(node, hand_over("2", **TEXT, **on(number())))).status_code == 409
    condition = {"if-none-exist": "identifier=urn:oid:2.999.1|1"}
    assert (await dispense(node, hand_over(**TEXT, **on(number())), **condition)).status_code == 200
    back = {"id": kept["id"], "status": "entered-in-error"}
    answer = await node(
        "PUT", f"/MedicationDispense/{kept['id']}", hand_over(**TEXT, **on(number()), **back), **PHARMACIST
    )
    assert (answer.status_code, await status_of(node)) == (200, "active"), answer.text


@pytest.mark.parametrize(
    ("links", "status"),
    [
        ([number("2")], 409),  # two prescriptions
        ([number("1", "urn:other")], 404),
        ([number("1") | {"display": "on paper"}], 409),  # it is kept here, whatever is said of it
        ([{"identifier": {"value": "1"}}], 409),
        ([number("1") | {"reference": "https://national.example/MedicationRequest/9"}], 409),
        ([number("9") | {"reference": "https://national.example/MedicationRequest/9"}], 201),
        ([], 422),
        ([{"type": "MedicationRequest"}], 422),
        ([{"identifier": {"system": "urn:rx"}}], 422),
        ([{"display": "on paper, Dr Tamm"}], 201),
    ],
)
async def test_a_number_names_one_prescription_kept_here_and_a_hand_over_says_which(node, links, status):
    first, second = ([{"system": "urn:rx", "value": value}] for value in "12")
    for name, numbers in (("rx", first), ("r2", second), ("r3", second)):
        await node.operator("PUT", f"/MedicationRequest/{name}", order(id=name, identifier=numbers, **TEXT))
    too_much = {"quantity": {"value": 3000, "unit": "tablet"}}
    answer = await dispense(node, hand_over(**too_much, **TEXT, **on(*links)))
    assert answer.status_code == status, answer.text


OWN = "https://node.test"


@pytest.mark.parametrize(
    "link",
    [
        f"{OWN}/fhir/MedicationRequest/rx",
        "https://NODE.test/fhir/MedicationRequest/rx",
        f"{OWN}:443/fhir/MedicationRequest/rx",
        f"{OWN}/fhir/Medication%52equest/rx",
        "MedicationRequest/rx/_history/1",
    ],
)
async def test_an_address_of_the_prescription_is_counted_on_it(node, link):
    await node.operator("PUT", "/MedicationRequest/rx", order(**TEXT))
    half = {"quantity": {"value": 20, "unit": "tablet"}}
    made = await dispense(node, hand_over("1", **TEXT, **on({"reference": link})) | half)
    assert made.status_code == 201, made.text
    more = await dispense(node, hand_over("2", **TEXT, **on({"reference": link})) | half)
    assert (more.status_code, "only 10 tablet" in more.text) == (409, True), more.text


@pytest.mark.parametrize(
    "link",
    [
        f"{OWN}//fhir/MedicationRequest/rx",
        f"{OWN}/fhir//MedicationRequest/rx",
        f"{OWN}/FHIR/MedicationRequest/rx",
        f"{OWN}/fhir/MedicationRequest/rx/",
        f"{OWN}/fhir/MedicationRequest/rx?x=1",
        f"{OWN}/fhir/MedicationRequest/rx#a",
        f"{OWN}/fhir/medicationrequest/rx",
        f"{OWN}/fhir/../fhir/MedicationRequest/rx",
        f"{OWN}/MedicationRequest/rx",
        "http://node.test/fhir/MedicationRequest/rx",
        "https://node.test./fhir/MedicationRequest/rx",
        "https://u@node.test/fhir/MedicationRequest/rx",
        "https:/node.test/fhir/MedicationRequest/rx",
        "urn:x:MedicationRequest/rx",
        "urn:uuid:0f3c4f5e-0000-4000-8000-000000000001",
        "https://made.example/rx",
        "https://made.example/fhir/MedicationRequest/rx",
        "https://made.example/MedicationRequest/rx/_history/1",
    ],
)
async def test_a_hand_over_that_would_be_counted_on_nothing_by_its_spelling_is_refused(node, link):
    await node.operator("PUT", "/MedicationRequest/rx", order(**TEXT))
    answer = await dispense(node, hand_over(**TEXT, **on({"reference": link})))
    assert (answer.status_code, "/MedicationRequest/rx#a" in link or link in answer.text) == (422, True)
    made = (await dispense(node, hand_over(**TEXT))).json()
    moved = await node(
        "PUT", f"/MedicationDispense/{made['id']}", made | on({"reference": link}), **PHARMACIST
    )
    assert moved.status_code == 422, moved.text


async def test_a_prescription_of_another_server_is_told_from_one_here_by_its_id_or_its_number(node):
    await node.operator("PUT", "/MedicationRequest/rx", order(**TEXT))
    theirs = order(id="b", subject={"reference": "Patient/b"}, **TEXT)
    await node.operator("PUT", "/MedicationRequest/b", theirs)
    there = "https://national.example/MedicationRequest"
    for name, link in enumerate(({"reference": f"{there}/7"}, {"reference": f"{there}/b"},
                                 {"reference": f"{there}/rx"} | number("9"))):  # fmt: skip
        made = await dispense(node, hand_over(str(name), **TEXT, **on(link)))
        assert made.status_code == 201, made.text
        path, noted = f"/MedicationDispense/{made.json()['id']}", [{"text": "to the wife"}]
        assert (await node("PUT", path, made.json() | {"note": noted}, **PHARMACIST)).status_code == 200
    assert await status_of(node) == "active"


async def test_a_prescription_that_is_hidden_is_not_told_of_by_a_refusal(node):
    await node.operator("PUT", "/MedicationRequest/rx", order(**TEXT))
    await hide(node, "MedicationRequest", "rx")
    link = {"reference": "https://national.example/MedicationRequest/rx"}
    assert (await dispense(node, hand_over(**TEXT, **on(link)))).status_code == 201


async def test_a_prescription_written_in_the_same_bundle_is_not_dispensed_on(node):
    entries = [
        {"fullUrl": "urn:uuid:0f3c4f5e-0000-4000-8000-000000000001", "resource": order(**TEXT)},
        {"resource": hand_over(**TEXT, **on({"reference": "urn:uuid:0f3c4f5e-0000-4000-8000-000000000001"}))},
    ]
    for each in entries:
        each["request"] = {"method": "POST", "url": each["resource"]["resourceType"]}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = await node("POST", "", bundle)
    assert (answer.status_code, "must not write a prescription and" in answer.text) == (409, True), (
        answer.text
    )


async def test_a_record_gets_no_meaning_by_an_update_that_a_new_one_may_not_have(node):
    await node.operator("PUT", "/MedicationRequest/rx", order(**TEXT))
    kept = (await dispense(node, hand_over(**TEXT))).json()
    changed = kept | {"modifierExtension": [{"url": "urn:x:not-given", "valueBoolean": True}]}
    answer = await node("PUT", f"/MedicationDispense/{kept['id']}", changed, **PHARMACIST)
    assert (answer.status_code, "modifierExtension" in answer.text) == (409, True), answer.text


def kept_here(strength, **members):
    code = {"coding": [{"system": "urn:p", "code": strength}], "text": f"P {strength} mg"}
    return {"resourceType": "Medication", "id": "med", "code": code} | members


def refer(link="Medication/med"):
    return {"medicationReference": {"reference": link}}


@pytest.mark.parametrize("prescribed", ["Medication/med/_history/1", "Medication/med"])
async def test_what_was_prescribed_stays_that_when_its_medication_is_changed(node, prescribed):
    await node.operator("PUT", "/Medication/med", kept_here("500"))
    await node.operator("PUT", "/MedicationRequest/rx", order(**refer(prescribed)))
    repeats = order(**refer(prescribed))
    repeats["dispenseRequest"] |= {"numberOfRepeatsAllowed": 2}
    assert (await node("PUT", "/MedicationRequest/rx", repeats)).status_code == 200
    first = await dispense(node, hand_over(**refer()))
    assert first.status_code == 201, first.text
    assert (await node("PUT", "/Medication/med", kept_here("1000"))).status_code == 200
    for link in ("Medication/med", "Medication/med/_history/2", "Medication/med/_history/7"):
        assert (await dispense(node, hand_over("2", **refer(link)))).status_code == 409
    path, noted = f"/MedicationDispense/{first.json()['id']}", [{"text": "to the wife"}]
    assert (await node("PUT", path, first.json() | {"note": noted}, **PHARMACIST)).status_code == 200
    condition = {"if-none-exist": "identifier=urn:oid:2.999.1|1"}
    assert (await dispense(node, hand_over(**refer()), **condition)).status_code == 200
    given = await dispense(node, hand_over("2", **refer("Medication/med/_history/1")))
    assert given.status_code == 201, given.text


async def test_a_medication_that_came_after_its_prescription_is_the_one_that_came(node):
    await node.operator("PUT", "/MedicationRequest/rx", order(**refer()))
    await node.operator("PUT", "/Medication/med", kept_here("500"))
    await node.operator("PUT", "/Medication/med", kept_here("500", form={"text": "tablet"}))
    await node.operator("PUT", "/Medication/med", kept_here("500"))
    assert (await dispense(node, hand_over(**refer()))).status_code == 201


def within(value, **more):
    held = order(id="c", identifier=[number(value)["identifier"]], **TEXT)
    return {"contained": [held]} | on({"reference": "#c"}) | more


async def test_a_prescription_within_the_hand_over_is_the_one_kept_here_under_its_number(node):
    await node.operator("PUT", "/MedicationRequest/rx", order(identifier=[number("1")["identifier"]], **TEXT))
    made = await dispense(node, hand_over(**TEXT, **within("1")))
    assert made.status_code == 201, made.text
    kept = made.json()
    assert kept["authorizingPrescription"] == [number("1") | {"reference": "MedicationRequest/rx"}]
    assert ("contained" in kept, await status_of(node)) == (False, "completed")
    condition = {"if-none-exist": "identifier=urn:oid:2.999.1|1"}
    assert (await dispense(node, hand_over(**TEXT, **within("1")), **condition)).status_code == 200
    assert (await dispense(node, hand_over("2", **TEXT, **within("1")))).status_code == 409
    assert (await dispense(node, hand_over("2", **TEXT))).status_code == 409


async def test_a_prescription_within_the_hand_over_that_is_not_kept_here_stays_within(node):
    await node.operator("PUT", "/MedicationRequest/rx", order(identifier=[number("1")["identifier"]], **TEXT))
    made = await dispense(node, hand_over(**TEXT, **within("9")))
    assert (made.status_code, made.json()["contained"][0]["id"]) == (201, "c"), made.text
    assert await status_of(node) == "active"


async def test_what_else_names_the_prescription_within_keeps_it(node):
    await node.operator("PUT", "/MedicationRequest/rx", order(identifier=[number("1")["identifier"]], **TEXT))
    part = {"extension": [{"url": "urn:x", "valueReference": {"reference": "#c"}}]}
    made = await dispense(node, hand_over(**TEXT, **within("1", **part)))
    assert (made.status_code, made.json()["contained"][0]["id"]) == (201, "c"), made.text
    assert await status_of(node) == "completed"


ONE = number("77")["identifier"]
BY_RX, BY_R2 = (on({"reference": f"MedicationRequest/{name}"}) for name in ("rx", "r2"))


async def keep(node, *orders):
    for each in orders:
        answer = await node.operator("PUT", f"/MedicationRequest/{each['id']}", each)
        assert answer.status_code in (200, 201), answer.text


async def test_what_is_handed_over_on_a_copy_counts_on_all(node):
    three = {"dispenseRequest": order()["dispenseRequest"] | {"numberOfRepeatsAllowed": 1}}
    same = [order(id=name, identifier=[ONE], **TEXT, **three) for name in ("rx", "r2")]
    await keep(
        node,
        *same,
        order(id="other", **TEXT),
        order(id="b", identifier=[ONE], **TEXT, subject={"reference": "Patient/b"}),
    )
    first = await dispense(node, hand_over("1", **TEXT, **BY_RX))
    assert first.status_code == 201, first.text
    half = {"quantity": {"value": 20, "unit": "tablet"}}
    assert (await dispense(node, hand_over("2", **TEXT, **BY_R2) | half)).status_code == 201
    more = await dispense(node, hand_over("3", **TEXT, **BY_RX))
    assert (more.status_code, "only 10 tablet" in more.text, "2 times under one number" in more.text) == (
        409,
        True,
        True,
    ), more.text
    rest = {"quantity": {"value": 10, "unit": "tablet"}}
    assert (await dispense(node, hand_over("3", **TEXT, **BY_RX) | rest)).status_code == 201
    assert [await status_of(node, each["id"]) for each in same] == ["completed", "completed"]
    assert [await status_of(node, each) for each in ("other", "b")] == ["active", "active"]
    again = await node("PUT", "/MedicationRequest/r2", same[1])
    assert (again.status_code, "All of this prescription" in again.text or "all of this" in again.text) == (
        409,
        True,
    )
    back = await node(
        "PUT",
        f"/MedicationDispense/{first.json()['id']}",
        first.json() | {"status": "entered-in-error"},
        **PHARMACIST,
    )
    assert back.status_code == 200, back.text
    assert [await status_of(node, each["id"]) for each in same] == ["active", "active"]


@pytest.mark.parametrize("reverse", [False, True])
async def test_two_hand_overs_of_one_bundle_on_two_copies_count_together(node, reverse):
    await keep(node, *[order(id=name, identifier=[ONE], **TEXT) for name in ("rx", "r2")])
    entries = [
        {
            "resource": hand_over(name, **TEXT, **link),
            "request": {"method": "POST", "url": "MedicationDispense"},
        }
        for name, link in (("1", BY_RX), ("2", BY_R2))
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries[:: -1 if reverse else 1]}
    answer = await node("POST", "", bundle, **PHARMACIST)
    assert (answer.status_code, "nothing is left" in answer.text) == (409, True), answer.text
    assert [await status_of(node, each) for each in ("rx", "r2")] == ["active", "active"]


async def hide(node, kind, identity, *, hidden=True):
    own = node.make_caller(Role.CITIZEN, patient="a", subject="a")
    await set_restricted(node.services, own, kind, identity, hidden=hidden)


async def test_a_copy_that_is_restricted_counts_and_is_not_told(node):
    await keep(node, *[order(id=name, identifier=[ONE], **TEXT) for name in ("rx", "r2")])
    assert (
        await dispense(node, hand_over("1", **TEXT, **BY_R2) | {"quantity": {"value": 20, "unit": "tablet"}})
    ).status_code == 201
    await hide(node, "MedicationRequest", "r2")
    assert (await dispense(node, hand_over("2", **TEXT, **BY_R2))).status_code == 404
    more = await dispense(node, hand_over("2", **TEXT, **BY_RX))
    assert (more.status_code, "only 10 tablet" in more.text, "number" in more.text) == (409, True, False), (
        more.text
    )
    rest = {"quantity": {"value": 10, "unit": "tablet"}}
    assert (await dispense(node, hand_over("2", **TEXT, **BY_RX) | rest)).status_code == 201
    await hide(node, "MedicationRequest", "r2", hidden=False)  # else the operator does not read it
    assert [await status_of(node, each) for each in ("rx", "r2")] == ["completed", "active"]


async def test_nothing_is_handed_over_on_what_a_later_prescription_replaces(node):
    await keep(node, order(**TEXT))
    later = order(**TEXT, priorPrescription={"reference": "MedicationRequest/rx"})
    made = await node("POST", "/MedicationRequest", later)
    assert made.status_code == 201, made.text
    old = await dispense(node, hand_over("1", **TEXT))
    assert (old.status_code, "a later prescription replaces it" in old.text) == (409, True), old.text
    link = on({"reference": f"MedicationRequest/{made.json()['id']}"})
    assert (await dispense(node, hand_over("1", **TEXT, **link))).status_code == 201


async def test_a_replacement_that_is_restricted_is_like_one_that_is_not_there(node):
    later = order(id="r2", **TEXT, priorPrescription={"reference": "MedicationRequest/rx"})
    await keep(node, order(**TEXT), later)
    await hide(node, "MedicationRequest", "r2")
    assert (await dispense(node, hand_over("1", **TEXT))).status_code == 201


REFERRING = ("Medication/med", "Medication/med/_history/1")


async def prescribed_before_a_change(node, link):
    """Store an order on P 500 mg, and change its Medication to P 1000 mg afterwards."""
    named = {"name": [{"family": "Tamm"}], "birthDate": "1980-01-01"}
    await node.operator("PUT", "/Patient/a", {"resourceType": "Patient", "id": "a", **named})
    await node.operator("PUT", "/Medication/med", kept_here("500"))
    await node.operator("PUT", "/MedicationRequest/rx", order(**refer(link)))
    await node.operator("PUT", "/Medication/med", kept_here("1000"))


def medications_in(answer):
    found = [entry["resource"] for entry in answer.json()["entry"]]
    return [each["code"]["text"] for each in found if each["resourceType"] == "Medication"]


@pytest.mark.parametrize("link", REFERRING)
@pytest.mark.parametrize(
    "path",
    [
        "/Patient/a/$summary",
        "/Patient/a/$everything",
        "/MedicationRequest?patient=a&_include=MedicationRequest:medication",
    ],
)
async def test_every_reader_gets_the_product_as_it_was_prescribed(node, link, path):
    await prescribed_before_a_change(node, link)
    assert medications_in(await node("GET", path)) == ["P 500 mg"]
    assert medications_in(await node.citizen("GET", path, patient="a")) == ["P 500 mg"]


async def test_a_summary_names_every_version_that_is_prescribed(node):
    await prescribed_before_a_change(node, "Medication/med")
    await node.operator("PUT", "/MedicationRequest/new", order(id="new", **refer()))
    document = await node("GET", "/Patient/a/$summary")
    assert sorted(medications_in(document)) == ["P 1000 mg", "P 500 mg"]
    held = {each["fullUrl"]: each["resource"] for each in document.json()["entry"]}
    orders = {each["id"]: each for each in held.values() if each["resourceType"] == "MedicationRequest"}
    named = {name: held[each["medicationReference"]["reference"]] for name, each in orders.items()}
    assert {name: each["code"]["text"] for name, each in named.items()} == {
        "rx": "P 500 mg",
        "new": "P 1000 mg",
    }
    everything = await node("GET", "/Patient/a/$everything")
    assert sorted(medications_in(everything)) == ["P 1000 mg", "P 500 mg"]


@pytest.mark.parametrize(("version", "shown"), [(2, ["P 1000 mg"]), (7, [])])
async def test_a_version_that_is_named_is_found_in_a_summary_or_nothing_stands_for_it(node, version, shown):
    await prescribed_before_a_change(node, "Medication/med")
    named = order(**refer(f"Medication/med/_history/{version}"))
    await node.operator("PUT", "/MedicationRequest/rx", named)
    assert medications_in(await node("GET", "/Patient/a/$summary")) == shown
