"""A citizen changes what they wrote last themselves, and takes back their consent whoever recorded it."""

import pytest

from salus.core.access import Action, Role
from salus.store import persons
from salus.store.merged import forget
from salus.web.restrictions import set_restricted

PATCH = {"content-type": "application/json-patch+json"}
CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
ALLERGY = {
    "resourceType": "AllergyIntolerance",
    "patient": {"reference": "Patient/a"},
    "code": {"text": "penicillin"},
    "criticality": "low",
    "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
}
SCOPE = {"system": "http://terminology.hl7.org/CodeSystem/consentscope"}
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONSENT = {
    "resourceType": "Consent",
    "status": "active",
    "scope": {"coding": [{**SCOPE, "code": "patient-privacy"}]},
    "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
    "policyRule": {"coding": [{"system": ACT, "code": "OPTIN"}]},
    "patient": {"reference": "Patient/a"},
    "performer": [{"display": "Dr Mari"}],
    "provision": {"type": "permit"},
}
APP = {"role": Role.CITIZEN, "patient": "a", "subject": "a", "app": "heart", "scopes": ("patient/*.cruds",)}


def transaction(resource, method="POST", url=""):
    entry = {"resource": resource, "request": {"method": method, "url": url or resource["resourceType"]}}
    return {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}


def labels(resource):
    return [label["code"] for label in resource["meta"].get("security", ())]


@pytest.fixture
async def node(door):
    for name in ("a", "b"):
        await door.operator("PUT", f"/Patient/{name}", {"resourceType": "Patient", "id": name})
    return door


@pytest.fixture
async def entered(node):
    """Return an entry of the citizen's own, as they read it."""
    made = await node.citizen("POST", "/AllergyIntolerance", ALLERGY, patient="a")
    assert labels(made.json()) == ["PATAST"]
    return made.json()


def path_of(resource):
    return f"/{resource['resourceType']}/{resource['id']}"


WAYS = ["as read", "without meta", "PATCH", "in a transaction", "by a deletion and back"]


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_professional_corrected_is_no_longer_the_citizens_to_change(node, entered, way):
    path = path_of(entered)
    corrected = {**entered, "criticality": "high", "recorder": {"display": "Dr Mari"}}
    if way == "PATCH":
        change = [{"op": "replace", "path": "/criticality", "value": "high"}]
        answer = await node("PATCH", path, change, headers=PATCH)
    elif way == "in a transaction":
        answer = await node("POST", "", transaction(corrected, "PUT", path[1:]))
    else:
        if way == "by a deletion and back":
            await node("DELETE", path)
        if way == "without meta":
            del corrected["meta"]
        answer = await node("PUT", path, corrected)
    assert answer.status_code in (200, 201), answer.text
    kept = (await node("GET", path)).json()
    assert (kept["criticality"], labels(kept)) == ("high", [])
    change = [{"op": "replace", "path": "/criticality", "value": "low"}]
    answers = [
        await node.citizen("PUT", path, entered, patient="a"),
        await node.citizen("PATCH", path, change, patient="a", headers=PATCH),
        await node.citizen("DELETE", path, patient="a"),
        await node("PUT", path, entered, **APP),
    ]
    assert [one.status_code for one in answers] == [403] * 4
    again = await node("PATCH", path, change, headers=PATCH)
    assert again.status_code == 200, again.text


async def test_the_label_comes_back_by_no_later_copy_of_the_citizens_version(node, entered):
    await node("PUT", path_of(entered), {**entered, "criticality": "high"})
    again = await node("PUT", path_of(entered), {**entered, "criticality": "high"})
    assert (again.status_code, labels(again.json())) == (200, [])


async def test_what_a_professional_sends_back_unchanged_stays_the_citizens(node, entered):
    answer = await node("PUT", path_of(entered), entered)
    assert (answer.status_code, labels(answer.json())) == (200, ["PATAST"])
    changed = await node.citizen("PUT", path_of(entered), {**entered, "criticality": "high"}, patient="a")
    assert changed.status_code == 200, changed.text


async def test_other_labels_outlive_a_correction(node):
    other = {"system": "urn:x", "code": "y"}
    sent = {**ALLERGY, "meta": {"security": [other]}}
    made = (await node.citizen("POST", "/AllergyIntolerance", sent, patient="a")).json()
    assert labels(made) == ["y", "PATAST"]
    corrected = await node("PUT", path_of(made), {**made, "criticality": "high"})
    assert labels(corrected.json()) == ["y"]


@pytest.mark.parametrize("bundled", [False, True])
async def test_an_app_says_not_who_may_see_the_record(node, bundled):
    theirs = (await node("POST", "/AllergyIntolerance", ALLERGY)).json()
    own = {name: value for name, value in CONSENT.items() if name != "performer"}
    denial = own | {"provision": {"type": "deny"}}
    answer = await node(
        "POST", "" if bundled else "/Consent", transaction(denial) if bundled else denial, **APP
    )
    assert answer.status_code == 403, answer.text
    assert (await node("GET", path_of(theirs))).status_code == 200
    made = await node.citizen("POST", "/Consent", own, patient="a")
    assert made.status_code == 201, made.text
    assert (await node("PUT", path_of(made.json()), made.json(), **APP)).status_code == 403
    assert (await node("DELETE", path_of(made.json()), **APP)).status_code == 403
    assert (await node("GET", path_of(made.json()), **APP)).status_code == 200


@pytest.mark.parametrize("scope", ["patient-privacy", "research"])
@pytest.mark.parametrize("way", ["PUT", "PATCH"])
async def test_a_citizen_takes_back_a_consent_that_somebody_else_recorded(node, scope, way):
    sent = CONSENT | {"scope": {"coding": [{**SCOPE, "code": scope}]}}
    kept = (await node.operator("POST", "/Consent", sent)).json()
    if way == "PUT":
        answer = await node.citizen("PUT", path_of(kept), {**kept, "status": "inactive"}, patient="a")
    else:
        change = [{"op": "replace", "path": "/status", "value": "inactive"}]
        answer = await node.citizen("PATCH", path_of(kept), change, patient="a", headers=PATCH)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], labels(answer.json())) == ("inactive", [])
    back = await node.citizen("PUT", path_of(kept), {**kept, "status": "active"}, patient="a")
    assert back.status_code == 403


OTHERWISE = [
    {"status": "rejected"},
    {"status": "inactive", "provision": {"type": "deny"}},
    {"status": "inactive", "performer": [{"display": "Dr House"}]},
    {"status": "inactive", "meta": {"security": [{"system": "urn:x", "code": "y"}]}},
]


@pytest.mark.parametrize("change", OTHERWISE)
async def test_and_changes_nothing_else_of_it(node, change):
    kept = (await node.operator("POST", "/Consent", CONSENT)).json()
    answer = await node.citizen("PUT", path_of(kept), {**kept, **change}, patient="a")
    assert answer.status_code == 403, answer.text
    assert (await node.citizen("DELETE", path_of(kept), patient="a")).status_code == 403


async def test_treatment_and_directives_are_not_taken_back_so(node):
    sent = CONSENT | {"scope": {"coding": [{**SCOPE, "code": "adr"}]}}
    kept = (await node.operator("POST", "/Consent", sent)).json()
    answer = await node.citizen("PUT", path_of(kept), {**kept, "status": "inactive"}, patient="a")
    assert answer.status_code == 403


async def test_a_new_consent_that_is_inactive_is_signed_by_nobody_else_either(node):
    answer = await node.citizen("POST", "/Consent", CONSENT | {"status": "inactive"}, patient="a")
    assert answer.status_code == 403


async def test_what_a_professional_deleted_looks_to_a_citizen_as_if_it_had_never_been(node, entered):
    theirs = (await node("POST", "/AllergyIntolerance", ALLERGY)).json()
    await node("DELETE", path_of(theirs))
    revived = await node.citizen("PUT", path_of(theirs), theirs, patient="a")
    never = {**ALLERGY, "id": "never"}
    unknown = await node.citizen("PUT", path_of(never), never, patient="a")
    assert (revived.status_code, unknown.status_code) == (404, 404)
    assert revived.text.replace(theirs["id"], "never") == unknown.text
    await node.citizen("DELETE", path_of(entered), patient="a")
    assert (await node.citizen("PUT", path_of(entered), entered, patient="a")).status_code == 201


@pytest.fixture
async def merged(node, database, grant):
    """Return an entry that the person made in the record that was merged into a."""
    sent = ALLERGY | {"patient": {"reference": "Patient/b"}, "asserter": {"reference": "Patient/b"}}
    own = (await node.citizen("POST", "/AllergyIntolerance", sent, patient="b")).json()
    await persons.merge(grant(action=Action.UPDATE), database, "a", "b", key=node.services.keys.search)
    forget(database)
    return own


async def test_own_entries_of_a_merged_record_are_changed_and_deleted(node, merged):
    path = path_of(merged)
    changed = await node.citizen("PUT", path, {**merged, "criticality": "high"}, patient="a")
    assert changed.status_code == 200, changed.text
    change = [{"op": "replace", "path": "/criticality", "value": "low"}]
    patched = await node.citizen("PATCH", path, change, patient="a", headers=PATCH)
    assert patched.status_code == 200, patched.text
    in_bundle = await node.citizen("POST", "", transaction(merged, "PUT", path[1:]), patient="a")
    assert in_bundle.status_code == 200, in_bundle.text
    assert (await node.citizen("DELETE", path, patient="a")).status_code == 204


async def test_and_others_entries_of_it_are_not(node, merged):
    theirs = (
        await node("POST", "/AllergyIntolerance", ALLERGY | {"patient": {"reference": "Patient/b"}})
    ).json()
    assert (await node.citizen("DELETE", path_of(theirs), patient="a")).status_code == 403
    assert (await node.citizen("PUT", path_of(theirs), theirs, patient="a")).status_code == 403


async def hide(door, patient, kind, identity):
    own = door.make_caller(Role.CITIZEN, patient=patient, subject=patient)
    await set_restricted(door.services, own, kind, identity, hidden=True)


LETTER = {
    "resourceType": "DocumentReference",
    "status": "current",
    "content": [{"attachment": {"contentType": "text/plain", "url": "Binary/scan"}}],
}


@pytest.fixture
async def claimed(door):
    """Return an entry of rui's own that names the attachment of ana's letter."""
    for name in ("ana", "rui"):
        await door.operator("PUT", f"/Patient/{name}", {"resourceType": "Patient", "id": name})
    scan = {"resourceType": "Binary", "id": "scan", "contentType": "text/plain", "data": "AAAA"}
    await door.operator("PUT", "/Binary/scan", scan)
    hers = LETTER | {"id": "hers", "subject": {"reference": "Patient/ana"}}
    await door.operator("PUT", "/DocumentReference/hers", hers)
    own = LETTER | {"subject": {"reference": "Patient/rui"}}
    return (await door.citizen("POST", "/DocumentReference", own, patient="rui")).json()


async def test_an_attachment_of_somebody_else_is_not_hidden_with_an_entry_that_names_it(door, claimed):
    await hide(door, "rui", "DocumentReference", claimed["id"])
    assert (await door("GET", "/Binary/scan")).status_code == 200
    await hide(door, "ana", "DocumentReference", "hers")
    assert (await door("GET", "/Binary/scan")).status_code == 404


async def whose(door):
    return [
        name
        for name in ("ana", "rui")
        if (await door.citizen("GET", "/Binary/scan", patient=name)).status_code == 200
    ]


@pytest.mark.parametrize("way", ["PUT", "PATCH", "in a transaction"])
async def test_who_changes_an_entry_makes_nobodys_attachment_its_patients(door, claimed, way):
    path, changed = path_of(claimed), {**claimed, "description": "letter"}
    if way == "PATCH":
        change = [{"op": "add", "path": "/description", "value": "letter"}]
        answer = await door("PATCH", path, change, headers=PATCH)
    elif way == "PUT":
        answer = await door("PUT", path, changed)
    else:
        answer = await door("POST", "", transaction(changed, "PUT", path[1:]))
    assert answer.status_code == 200, answer.text
    assert await whose(door) == ["ana"]


async def test_an_attachment_that_a_professional_adds_or_brings_to_its_patient_is_theirs(door):
    for name in ("ana", "rui"):
        await door.operator("PUT", f"/Patient/{name}", {"resourceType": "Patient", "id": name})
    scan = {"resourceType": "Binary", "id": "scan", "contentType": "text/plain", "data": "AAAA"}
    await door.operator("PUT", "/Binary/scan", scan)
    bare = {**LETTER, "subject": {"reference": "Patient/ana"}, "content": [{"attachment": {"title": "x"}}]}
    made = (await door("POST", "/DocumentReference", bare)).json()
    assert (await door("PUT", path_of(made), {**made, "content": LETTER["content"]})).status_code == 200
    assert await whose(door) == ["ana"]
    moved = {**made, "content": LETTER["content"], "subject": {"reference": "Patient/rui"}}
    assert (await door("PUT", path_of(made), moved)).status_code == 200
    assert await whose(door) == []  # both persons': a history shows it with the one and the other
