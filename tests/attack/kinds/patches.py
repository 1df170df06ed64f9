"""JSON Patch (RFC 6902) and FHIRPath Patch at places they must not reach, and paths that never end."""

import json
from itertools import product

from conformance.scoreboard.attacks.target import JSON


def cases():
    merge = [
        [{"op": op, "path": path, "value": "x"}]
        for op, path in product(
            ("add", "replace"),
            ("/meta/versionId", "/__proto__/x", "/name/-1", "/name/99999999999999999999", "/name/0/..", "a"),
        )
    ]
    more = [
        [{"op": "replace", "path": "/id", "value": "other"}],
        [{"op": "move", "from": "/id", "path": "/name/0/family"}],
        [{"op": "copy", "from": "/name", "path": "/name/0/extension"}] * 40,
        [{"op": "test", "path": "/name/0/given/0", "value": "guess"}],
        [{"op": "evaluate", "path": "/name"}],
        [{"op": "add", "path": "/name/0/family", "value": "\0"}],
        {"op": "remove"},
        [1],
    ]
    for steps in [*merge, *more]:
        yield {
            "method": "PATCH",
            "path": "/Patient/{OWN}",
            "auth": "citizen",
            "expect": "refused",
            "body": json.dumps(steps),
            "content_type": "application/json-patch+json",
            "never_in_answer": ["Mari"],
        }
    yield {
        "method": "PATCH",
        "path": "/Patient/{OTHER}",
        "auth": "citizen",
        "expect": "refused",
        "status": [403, 404],
        "body": "[]",
        "content_type": "application/json-patch+json",
    }
    for path in (
        "Patient.name.where($this.family.matches('(a|a)*$'))",
        "Patient.repeat(name)",
        "%resource.id",
        "1/0",
        "Patient.name[99999999999]",
        "iif(true,",
        "'" + "a" * 50_000,
        "(" * 5_000,
        "now().replaceMatches('(.*)*x','')",
    ):
        part = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": path}]
        parameters = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}
        yield {
            "method": "PATCH",
            "path": "/Patient/{OWN}",
            "auth": "citizen",
            "expect": "neutral",
            "body": json.dumps(parameters),
            "content_type": JSON,
        }
