"""Whatever stands in a document, it is judged and nothing is raised."""

from __future__ import annotations

import copy
import random
from typing import Any

from tests.property.standards.fhir.profiles.packages import check, packages
from tests.property.standards.fhir.profiles.test_seeded_errors import examples

JUNK: list[Any] = [
    None, True, 0, -1, 1.5, "", "x", "#", "urn:", "http://", [], {}, [None], [[]], [{}], {"x": 1},
    {"resourceType": 7}, {"resourceType": "Nothing"}, {"reference": {"x": 1}},
    {"resourceType": "Bundle", "entry": [7, {"resource": 7}]},
    {"url": ["x"]}, {"coding": "x"}, {"coding": [None, 7, {"code": 7, "system": []}]}, [1, "x", None],
]  # fmt: skip


def places(node: Any) -> list[tuple[Any, Any]]:
    """Return (container, key) of everything in a document."""
    found = []
    level = [node]
    while level:
        below = []
        for one in level:
            for key in list(one) if isinstance(one, dict) else range(len(one)):
                found.append((one, key))
                if isinstance(one[key], dict | list):
                    below.append(one[key])
        level = below
    return found


def test_mangled_documents_are_judged():
    _, book = packages()
    chance = random.Random(7)
    count = 0
    for documents in examples().values():
        for document in documents:
            for _ in range(60):
                mangled = copy.deepcopy(document)
                for holder, key in chance.sample(places(mangled), 3):
                    holder[key] = copy.deepcopy(chance.choice(JUNK))
                check(mangled, book)
                count += 1
    assert count > 500


def test_a_reference_that_leads_round_in_a_ring_ends():
    _, book = packages()
    profile = "http://hl7.eu/fhir/base/StructureDefinition/organization-eu-core"
    entries = [
        {
            "fullUrl": f"urn:uuid:6f0c1e0e-0000-4000-8000-00000000000{number}",
            "resource": {
                "resourceType": "Organization",
                "meta": {"profile": [profile]},
                "name": "x",
                "partOf": {"reference": f"urn:uuid:6f0c1e0e-0000-4000-8000-00000000000{(number + 1) % 3}"},
            },
        }
        for number in range(3)
    ]
    assert not [
        one
        for one in check({"resourceType": "Bundle", "type": "collection", "entry": entries}, book)
        if one.severity == "error"
    ]


def test_what_strangers_claim_is_not_remembered():
    _, book = packages()
    before = len(book._found), len(book._checks)
    for number in range(50):
        claimed = {"meta": {"profile": [f"http://stranger.test/{number}"]}}
        check({"resourceType": "Patient", "active": True} | claimed, book)
        check({"resourceType": f"Stranger{number}"} | claimed, book)
    assert (len(book._found), len(book._checks)) <= (before[0] + 5, before[1] + 5)
