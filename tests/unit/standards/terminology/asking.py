"""Small definitions and questions that the tests of the terminology operations share."""

from salus.standards.terminology.library import Definitions, Layers
from salus.standards.terminology.operations import Occasion, run

BODY = "https://example.org/body"
OCCASION = Occasion("urn:uuid:00000000-0000-4000-8000-000000000000", "2026-01-01T00:00:00Z")


def concept(code, *children, **more):
    return {"code": code, "display": code.title(), **more} | ({"concept": list(children)} if children else {})


def system(*concepts, url=BODY, **more):
    rows = {
        "resourceType": "CodeSystem",
        "url": url,
        "status": "active",
        "content": "complete",
        "language": "en",
    }
    return rows | {"caseSensitive": True, "concept": list(concepts)} | more


def value_set(*include, url="https://example.org/vs", exclude=(), **more):
    compose = {"include": list(include)} | ({"exclude": list(exclude)} if exclude else {})
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": compose} | more


def ask(operation, *resources, accepted="", library=None, **given):
    """Return the answer to an operation; names of parameters are written with _ for -."""
    rows = []
    for name, values in given.items():
        for one in values if isinstance(values, list) else [values]:
            kind = (
                "valueBoolean"
                if isinstance(one, bool)
                else "valueInteger"
                if isinstance(one, int)
                else "valueString"
            )
            if isinstance(one, dict):
                kind = (
                    "resource"
                    if "resourceType" in one
                    else "valueCodeableConcept"
                    if "coding" in one
                    else "valueCoding"
                )
            rows.append({"name": name.replace("_", "-"), kind: one})
    layers = Layers([Definitions(resources), *([library] if library else [])])
    occasion = Occasion(OCCASION.identifier, OCCASION.timestamp, accepted=accepted)
    return run(operation, {"resourceType": "Parameters", "parameter": rows}, layers, occasion)


def parts(answer):
    found = {}
    for row in answer["parameter"]:
        found.setdefault(row["name"], next(value for key, value in row.items() if key != "name"))
    return found


def issues(answer):
    """Return (severity, tx-issue-type, place) of each issue."""
    rows = parts(answer).get("issues", {"issue": []})["issue"]
    return [
        (one["severity"], one["details"]["coding"][0]["code"], one.get("expression", [""])[0]) for one in rows
    ]


def codes(answer):
    """Return the codes of an expansion, depth by an indent."""

    def walk(rows, depth):
        for one in rows:
            yield " " * depth + one["code"]
            yield from walk(one.get("contains", ()), depth + 1)

    return list(walk(answer["expansion"].get("contains", ()), 0))
