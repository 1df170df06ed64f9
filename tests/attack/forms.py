"""The forms of a case: a line of the attack corpus, with what most of them share filled in."""

import json

from conformance.scoreboard.attacks.target import JSON


def posted(kind, resource, expect="refused", auth="citizen", **more):
    body = resource if isinstance(resource, str) else json.dumps(resource)
    path = f"/{kind}" if kind else "/"
    case = {"method": "POST", "path": path, "auth": auth, "expect": expect, "body": body}
    return case | {"content_type": JSON} | more


def asked(path, expect="refused", auth="citizen", **more):
    return {"method": "GET", "path": path, "auth": auth, "expect": expect} | more


def patient(**more):
    return {"resourceType": "Patient", "name": [{"family": "Test"}]} | more


def observation(**more):
    own = {"subject": {"reference": "Patient/{OWN}"}}
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}} | own | more
