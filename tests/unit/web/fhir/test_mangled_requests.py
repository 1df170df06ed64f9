"""Mangled resources, Bundles and patches, seeded: whatever comes, the answer is no failure of the node."""

import json
import random

from salus.core.access import Purpose, Role

ODD = [
    *(None, True, 0, -1, 2**70, 1.5, "", "x", [], {}, [[]], [None], [{}], -0.0, "\u0000", "\U0001f600"),
    *(
        "Patient/1",
        "urn:uuid:1",
        "2020-13-01",
        "2016-12-31T23:59:60Z",
        "#",
        "<b>",
        "Patient?identifier=x",
        "?",
    ),
    *(
        {"a": 1},
        {"resourceType": []},
        {"reference": 1},
        {"reference": "Patient?x"},
        {"coding": 1},
        "a" * 3000,
    ),
]
KEYS = ["id", "meta", "extension", "contained", "text", "resourceType", "_id", "value", "reference", "url"]
PATIENT = {
    "resourceType": "Patient",
    "id": "1",
    "meta": {"profile": ["http://example.org/p"], "tag": [{"code": "a"}]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    "identifier": [{"system": "urn:s", "value": "1", "period": {"start": "2020"}}],
    "name": [{"family": "Tamm", "given": ["Mari"]}],
    "birthDate": "1980-01-01",
    "_birthDate": {"extension": [{"url": "http://example.org/e", "valueDateTime": "1980-01-01T10:00:00Z"}]},
    "contact": [{"relationship": [{"text": "mother"}], "organization": {"reference": "Organization/1"}}],
}
OBSERVATION = {
    "resourceType": "Observation",
    "id": "2",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
    "subject": {"reference": "Patient/1"},
    "effectivePeriod": {"start": "2020-01-01", "end": "2020-01-02"},
    "valueQuantity": {"value": 72.5, "unit": "1/min", "system": "http://unitsofmeasure.org", "code": "/min"},
    "component": [{"code": {"text": "a"}, "valueRange": {"low": {"value": 1}, "high": {"value": 2}}}],
}
ENTRIES = [
    {
        "fullUrl": "urn:uuid:1",
        "resource": PATIENT,
        "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:s|1"},
    },
    {"fullUrl": "urn:uuid:2", "resource": OBSERVATION, "request": {"method": "PUT", "url": "Observation/2"}},
    {"request": {"method": "GET", "url": "Patient?name=a"}},
    {"request": {"method": "DELETE", "url": "Observation/3"}},
]
TRANSACTION = {"resourceType": "Bundle", "type": "transaction", "entry": ENTRIES}
BATCH = {"resourceType": "Bundle", "type": "batch", "entry": ENTRIES}
PATCH = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "Patient.birthDate"},
                {"name": "value", "valueDate": "1930-01-01"},
            ],
        }
    ],
}
KINDS = [
    ("POST", "/Patient", PATIENT),
    ("PUT", "/Patient/1", PATIENT),
    ("POST", "/Observation", OBSERVATION),
    ("POST", "/Observation/$validate", OBSERVATION),
    ("POST", "/", TRANSACTION),
    ("POST", "/", BATCH),
    ("PATCH", "/Patient/1", PATCH),
]


def holders(node):
    if isinstance(node, (dict, list)) and node:
        yield node
        for member in list(node.values()) if isinstance(node, dict) else node:
            yield from holders(member)


def copied(value):
    return json.loads(json.dumps(value))


def mangled(chance, resource):
    resource = copied(resource)
    for _ in range(chance.choice([1, 1, 2, 4])):
        node = chance.choice(list(holders(resource)) or [{}])
        if isinstance(node, list):
            place = chance.randrange(len(node))
            node[place] = chance.choice([[node[place]], copied(chance.choice(ODD))])
        elif node:
            key = chance.choice(list(node))
            if chance.random() < 0.3:
                del node[key]
            else:
                name = chance.choice([key, key, "_" + key, chance.choice(KEYS)])
                node[name] = copied(chance.choice([*ODD, [node[key]]]))
    return resource


async def test_no_mangled_request_makes_the_node_fail(door):
    chance = random.Random(20261124)
    await door.operator("PUT", "/Patient/1", PATIENT)
    failed = []
    for _ in range(700):
        method, path, resource = chance.choice(KINDS)
        body = mangled(chance, resource)
        role, fields = chance.choice(
            [
                (Role.OPERATOR, {}),
                (Role.CLINICIAN, {}),
                (Role.CITIZEN, {"patient": "1", "purpose": Purpose.PATIENT_REQUEST}),
            ]
        )
        answer = await door(method, path, body, role=role, **fields)
        if answer.status_code >= 500:
            failed.append((method, path, body))
    assert failed == []
