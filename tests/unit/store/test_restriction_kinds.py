"""What states or shows what is hidden goes along, what names it as context stays (docs/decisions/0010)."""

import json

import pytest

from salus.core.access import Action, Role
from salus.core.errors import NotFound
from salus.standards.fhir.model import resource_types, type_definition
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.links import context
from salus.store import resources
from salus.store.restrictions import lift, preview, restrict
from salus.store.rows import make_row

KEY = b"key of the restriction test"
VISITS = 12


def ref(name):
    return {"reference": name}


def row(resource):
    kind, identity = resource["resourceType"], resource["id"]
    index = compile_indexer(kind, KEY)(resource)
    return make_row(kind, identity, json.dumps(resource).encode(), index=index)


def about(kind, identity, **content):
    return {"resourceType": kind, "id": identity, "subject": ref("Patient/ana"), **content}


def visit(number):
    """Return the resources of a visit, linked as Synthea links them."""
    here = {"encounter": ref(f"Encounter/e{number}")}
    results = [about("Observation", f"o{number}-{n}", **here) for n in range(5)]
    return [
        about("Encounter", f"e{number}", episodeOfCare=[ref("EpisodeOfCare/ep")]),
        about("Condition", f"c{number}", **here),
        *results,
        about("DiagnosticReport", f"r{number}", **here,
              result=[ref(f"Observation/{one['id']}") for one in results]),
        about("Procedure", f"p{number}", **here, reasonReference=[ref(f"Condition/c{number}")]),
        about("MedicationRequest", f"m{number}", **here),
        {"resourceType": "Immunization", "id": f"i{number}", "patient": ref("Patient/ana"), **here},
        {"resourceType": "Claim", "id": f"cl{number}", "patient": ref("Patient/ana"),
         "item": [{"sequence": 1, "encounter": [ref(f"Encounter/e{number}")]}]},
        {"resourceType": "ExplanationOfBenefit", "id": f"eob{number}", "patient": ref("Patient/ana"),
         "claim": ref(f"Claim/cl{number}"),
         "item": [{"sequence": 1, "encounter": [ref(f"Encounter/e{number}")]}]},
        about("DocumentReference", f"d{number}", context={"encounter": [ref(f"Encounter/e{number}")]}),
    ]  # fmt: skip


def changed(record, name, **content):
    return [one | content if f"{one['resourceType']}/{one['id']}" == name else one for one in record]


@pytest.fixture
def record():
    """Return a record of 12 visits; the condition c1 is named as Synthea and hospitals name one."""
    found = [one for number in range(VISITS) for one in visit(number)]
    found.append({"resourceType": "EpisodeOfCare", "id": "ep", "patient": ref("Patient/ana")})
    found.append(about("CarePlan", "plan", addresses=[ref("Condition/c1")], encounter=ref("Encounter/e1"),
                       careTeam=[ref("CareTeam/team")]))  # fmt: skip
    found.append(
        about("CareTeam", "team", encounter=ref("Encounter/e1"), reasonReference=[ref("Condition/c1")])
    )
    found = changed(found, "Encounter/e1", diagnosis=[{"condition": ref("Condition/c1")}])
    found = changed(found, "MedicationRequest/m1", reasonReference=[ref("Condition/c1")])
    found = changed(found, "MedicationRequest/m2", basedOn=[ref("CarePlan/plan")])
    found = changed(found, "Procedure/p3", basedOn=[ref("CarePlan/plan"), ref("ServiceRequest/sr")])
    found.append(about("ServiceRequest", "sr", reasonReference=[ref("Condition/c1")]))
    found.append(about("MedicationDispense", "md", authorizingPrescription=[ref("MedicationRequest/m1")],
                       context=ref("Encounter/e5")))  # fmt: skip
    found.append(about("Composition", "summary", encounter=ref("Encounter/e4"),
                       section=[{"entry": [ref("Condition/c1"), ref("Condition/c2")]}]))  # fmt: skip
    found.append(about("Procedure", "part", partOf=[ref("Procedure/p1")], encounter=ref("Encounter/e1")))
    return found


@pytest.fixture
def node(database, grant):
    class Node:
        citizen = grant("ana", role=Role.CITIZEN)

        async def store(self, found):
            for one in found:
                await resources.create(grant(action=Action.LOAD), database, row(one))

        async def hidden(self, found):
            names = set()
            for one in found:
                try:
                    await resources.read(grant(role=Role.CLINICIAN), database, one["resourceType"], one["id"])
                except NotFound:
                    names.add(f"{one['resourceType']}/{one['id']}")
            return names

        async def restrict(self, name):
            return await restrict(self.citizen, database, *name.split("/"))

        async def lift(self, name):
            return await lift(self.citizen, database, *name.split("/"))

        async def preview(self, name):
            return await preview(self.citizen, database, *name.split("/"))

    return Node()


WITH_THE_CONDITION = {
    "Condition/c1", "Encounter/e1", "Procedure/p1", "MedicationRequest/m1", "MedicationDispense/md",
    "CarePlan/plan", "CareTeam/team", "Composition/summary", "ServiceRequest/sr", "Procedure/p3",
    "Procedure/part",
}  # fmt: skip


@pytest.mark.clause("EHDS 8")
@pytest.mark.parametrize("restricted_first", [False, True])
async def test_a_condition_takes_along_what_states_it_and_never_the_visit(node, record, restricted_first):
    if restricted_first:
        await node.store([one for one in record if one["id"] == "c1"])
        await node.restrict("Condition/c1")
        await node.store([one for one in record if one["id"] != "c1"])
    else:
        await node.store(record)
        assert await node.restrict("Condition/c1") == len(WITH_THE_CONDITION)
    assert await node.hidden(record) == WITH_THE_CONDITION
    assert await node.lift("Condition/c1") == len(WITH_THE_CONDITION)
    assert await node.hidden(record) == set()


@pytest.mark.clause("EHDS 8")
async def test_a_visit_that_is_asked_for_takes_along_what_was_done_at_it(node, record):
    await node.store(record)
    await node.restrict("Encounter/e7")
    assert await node.hidden(record) == {f"{one['resourceType']}/{one['id']}" for one in visit(7)}


async def test_an_episode_that_is_asked_for_takes_along_its_visits_whole(node, record):
    await node.store(record)
    counted = await node.preview("EpisodeOfCare/ep")
    assert counted["Encounter"] == VISITS
    assert counted["Observation"] == 5 * VISITS


async def test_a_document_with_a_copy_shows_it_and_with_its_visit_does_not(node):
    observation = about("Observation", "o", encounter=ref("Encounter/e"))
    bundles = [
        {"resourceType": "Bundle", "id": "b1", "type": "collection", "entry": [{"resource": observation}]},
        {"resourceType": "Bundle", "id": "b2", "type": "collection",
         "entry": [{"resource": about("Encounter", "e", diagnosis=[{"condition": ref("Condition/c")}])}]},
    ]  # fmt: skip
    held = [
        about("Encounter", "e", diagnosis=[{"condition": ref("Condition/c")}]),
        about("Condition", "c"), observation, *bundles,
    ]  # fmt: skip
    await node.store(held)
    await node.restrict("Condition/c")
    assert await node.hidden(held) == {"Condition/c", "Encounter/e", "Bundle/b2"}


async def test_who_a_resource_outside_the_records_is_about_restricts_it(node):
    await node.store([about("Observation", "o"), {
        "resourceType": "Provenance", "id": "p", "target": [ref("Observation/o")]}])  # fmt: skip
    provenance = [{"resourceType": "Provenance", "id": "p"}]
    assert await node.restrict("Provenance/p") == 1
    assert await node.hidden(provenance) == {"Provenance/p"}
    assert await node.lift("Provenance/p") == 1
    assert await node.hidden(provenance) == set()


async def test_what_was_filed_under_the_wrong_patient_is_hidden_in_its_versions(node, database, grant):
    wrong = about("Observation", "o")
    await node.store([wrong])
    await resources.update(grant(), database, row(wrong | {"subject": ref("Patient/ben")}))
    clinician = grant(role=Role.CLINICIAN)
    assert (await resources.vread(clinician, database, "Observation", "o", 1)).version == 1
    await node.restrict("Observation/o")
    with pytest.raises(NotFound):
        await resources.vread(clinician, database, "Observation", "o", 1)
    assert (await resources.read(clinician, database, "Observation", "o")).version == 2
    await node.lift("Observation/o")
    assert (await resources.vread(clinician, database, "Observation", "o", 1)).version == 1


def shown(name):
    return {"reference": name, "display": "What it says"}


TELLING = [
    about("Observation", "x", encounter=shown("Encounter/e")),
    about("Observation", "x", encounter=ref("Encounter/e") | {"extension": [{"url": "u"}]}),
    about("Procedure", "x", encounter=ref("Encounter/e") | {"_display": {"extension": [{"url": "u"}]}}),
    about("DocumentReference", "x", context={"encounter": [ref("Encounter/1"), shown("Encounter/e")]}),
    {"resourceType": "Claim", "id": "x", "patient": ref("Patient/ana"),
     "item": [{"encounter": [ref("Encounter/1")]}, {"encounter": [shown("Encounter/e")]}]},
    about("Encounter", "x", partOf=ref("Encounter/e")),
    about("ServiceRequest", "x", basedOn=[shown("CarePlan/p")]),
    {"resourceType": "Bundle", "id": "x", "type": "collection",
     "entry": [{"resource": about("Observation", "o", encounter=shown("Encounter/e"))}]},
]  # fmt: skip
SILENT = [
    about("Observation", "x", encounter=ref("Encounter/e") | {"type": "Encounter"},
          performer=[shown("Encounter/1")]),
    about("DocumentReference", "x", context={"encounter": [ref("Encounter/e"), shown("Encounter/1")]}),
    about("ServiceRequest", "x", basedOn=[ref("CarePlan/p")]),
]  # fmt: skip


@pytest.mark.clause("EHDS 8")
@pytest.mark.parametrize(("one", "goes"), [(one, True) for one in TELLING] + [(one, False) for one in SILENT])
async def test_context_that_tells_what_its_target_says_goes_along(node, one, goes):
    held = [
        about("Condition", "c"), about("Encounter", "e", diagnosis=[{"condition": ref("Condition/c")}]),
        about("CarePlan", "p", addresses=[ref("Condition/c")]), one,
    ]  # fmt: skip
    await node.store(held)
    await node.restrict("Condition/c")
    assert (f"{one['resourceType']}/x" in await node.hidden(held)) is goes


SURROUNDINGS = frozenset(
    {
        *("Account", "Appointment", "CareTeam", "Coverage", "ClaimResponse", "Device", "Encounter"),
        *(
            "EpisodeOfCare",
            "Group",
            "HealthcareService",
            "InsurancePlan",
            "Location",
            "Organization",
            "Patient",
        ),
        *("Person", "Practitioner", "PractitionerRole", "RelatedPerson", "Schedule", "Slot", "Specimen"),
    }
)
"""Where, when, by and for whom: what is context, by type."""
BY_CHOICE = {"previous": "the assessment before"}


def context_elements():
    """Return (type or "", part or "", element) of the table of context."""
    table = context()
    found = [("", "", name) for name in table.everywhere]
    return found + [(*place.partition(".")[::2], name) for place, names in table.of.items() for name in names]


def test_an_element_of_context_leads_to_surroundings_only():
    """By the definitions of R4; the few others are listed with their reason."""
    for holder, part, name in context_elements():
        if name in BY_CHOICE:
            continue
        for kind in [holder] if holder else resource_types():
            path = f"{kind}.{part}" if part else kind
            definition = type_definition(path)
            element = definition.elements.get(name) if definition else None
            for one in element.types if element else ():
                if one.code == "Reference":
                    assert set(one.target_profiles) <= SURROUNDINGS | {"Substance"}, (path, name)


def test_every_element_that_leads_only_to_a_visit_is_context():
    known = set(context_elements())
    for kind in resource_types():
        for element in type_definition(kind).elements.values():
            targets = {target for one in element.types for target in one.target_profiles}
            if element.name != "partOf" and targets and targets <= {"Encounter", "EpisodeOfCare"}:
                assert {("", "", element.name), (kind, "", element.name)} & known, (kind, element.name)
