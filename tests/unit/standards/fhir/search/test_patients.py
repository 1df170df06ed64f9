"""Whoever a resource names, wherever, is one of its patients: for every type and element of R4."""

import pytest

from salus.standards.fhir.model import compartments, resource_types, type_definition
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.patients import compartment_paths
from salus.store.directory import SHARED_TYPES
from salus.store.rows import make_row, patients_of

KEY = b"key of the patients test"
ANA = {"reference": "Patient/ana"}
DEPTH_MAX = 4


def places(type_name, depth=0):
    """Yield the content of a type with one reference, for each element that may hold one to a patient."""
    for element in type_definition(type_name).elements.values():
        many = element.max is None or element.max > 1
        for kind in element.types:
            if kind.code == "Reference" and (not kind.target_profiles or "Patient" in kind.target_profiles):
                inner = [ANA]
            elif "." in kind.code and depth < DEPTH_MAX:
                inner = places(kind.code, depth + 1)
            else:
                continue
            key = element.name + (kind.code if element.choice else "")
            for content in inner:
                yield {key: [content] if many else content}


def row_of(resource):
    index = compile_indexer(resource["resourceType"], KEY)({**resource, "id": "x"})
    return make_row(resource["resourceType"], "x", b"{}", index=index)


@pytest.mark.clause("EHDS 9")
@pytest.mark.parametrize("type_name", sorted(resource_types()))
def test_a_patient_named_by_any_element_is_one_of_the_resources_patients(type_name):
    bases = [*places(type_name), {"extension": [{"url": "urn:x", "valueReference": ANA}]}]
    bases.append({"contained": [{"resourceType": "List", "subject": ANA}]})
    for content in bases:
        row = row_of({"resourceType": type_name, **content})
        assert "ana" in patients_of(row.compartment, row.others), content


def test_the_table_walks_what_the_compartment_definition_leaves_out():
    left_out = {name for name in resource_types() if name not in compartments()["Patient"]}
    naming = {name for name in left_out if any(places(name))}
    assert {"Task", "Device", "GuidanceResponse", "Contract", "Binary", "Linkage", "MessageHeader"} <= naming
    assert compartment_paths("Task") == ()


BEN = {"reference": "Patient/ben"}


def observation(subject, **content):
    return {"resourceType": "Observation", "subject": {"reference": subject}, **content}


def bundle(**entry):
    return {"resourceType": "Bundle", "entry": [entry]}


ABOUT = [
    ({"resourceType": "Task", "for": ANA, "owner": BEN}, "ana", ("ben",)),
    ({"resourceType": "Device", "patient": ANA}, "ana", ()),
    ({"resourceType": "List", "entry": [{"item": ANA}]}, "ana", ()),
    ({"resourceType": "List", "entry": [{"item": ANA}, {"item": BEN}]}, "List/x", ("ana", "ben")),
    (observation("Patient/ana", focus=[BEN]), "ana", ("ben",)),
    (observation("Patient/ana/_history/2"), "ana", ()),
    (observation("Patient/ana#part"), "ana", ()),
    (observation("/Patient/ana"), "ana", ()),
    (observation("https://elsewhere.test/Patient/ana"), "Observation/x", ()),
    (observation("#ana", contained=[{"resourceType": "Patient", "id": "ana"}]), "Observation/x", ()),
    ({"resourceType": "Patient", "link": [{"other": ANA}]}, "x", ("ana",)),
    (bundle(resource={"resourceType": "Patient", "id": "ana"}), "Bundle/x", ("ana",)),
    (bundle(fullUrl="https://node.test/fhir/Patient/ana"), "Bundle/x", ("ana",)),
    (bundle(resource=bundle(resource=observation("Patient/ana"))), "Bundle/x", ("ana",)),
]


@pytest.mark.parametrize(("resource", "compartment", "others"), ABOUT)
def test_a_resource_is_in_the_record_of_its_subject(resource, compartment, others):
    row = row_of(resource)
    assert (row.compartment, set(row.others)) == (compartment, set(others))


@pytest.mark.parametrize("type_name", sorted(SHARED_TYPES))
def test_the_shared_directory_is_in_nobodys_record(type_name):
    row = row_of({"resourceType": type_name, "extension": [{"url": "urn:x", "valueReference": ANA}]})
    assert (row.compartment, row.others) == (f"{type_name}/x", ("ana",))


@pytest.mark.parametrize(
    "content",
    [
        {"content": [{"attachment": {"url": "Binary/b"}}]},
        {"content": [{"attachment": {"url": "https://node.test/fhir/Binary/b/_history/1"}}]},
        {"item": [{"answer": [{"valueAttachment": {"url": "Binary/b"}}]}]},
        {"photo": [{"url": "Binary/b"}]},
        {"entry": [{"item": {"reference": "Binary/b"}}]},
    ],
)
def test_an_attachment_kept_as_a_binary_is_named(content):
    assert compile_indexer("List", KEY)({"resourceType": "List", **content}).binaries == ("b",)
