"""What SMART scopes make of a request: played on a small record made up from the ids that requests name.

An id tells what it is: "o-own-lab" is an own Observation of the category that begins so, "o-other-patient"
one of somebody else. What the scopes let through of the launch patient's record is compared with the whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from salus.core.limits import Limits
from salus.standards.fhir.query_string import Pairs, parse_pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.match import matches
from salus.standards.fhir.search.parameters import parameters_of, reference_targets
from salus.standards.smart.scopes import Scope, covers, fitting

Resource = dict[str, Any]  # FHIR JSON
_LIMITS = Limits()
_ASKED = re.compile(
    r"(GET|POST|PUT|PATCH|DELETE) ([A-Z][A-Za-z]+)(?:/([A-Za-z0-9.-]+))?(/_history.*|/\$\w+)?(?:\?(.*))?",
    re.ASCII,
)
_LETTERS = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}
_CATEGORIES = {
    "Observation": (
        "http://terminology.hl7.org/CodeSystem/observation-category",
        (
            "laboratory", "vital-signs", "social-history", "imaging", "survey", "exam", "therapy", "activity",
            "procedure",
        ),
    ),
    "Condition": (
        "http://terminology.hl7.org/CodeSystem/condition-category",
        ("problem-list-item", "encounter-diagnosis"),
    ),
}  # fmt: skip


def answered(scopes: Sequence[Scope], request: str) -> str:
    """Return "permit", "filtered", "empty", "deny", or "refused" for a request that is none."""
    if request.startswith("POST batch"):
        entries = re.findall(r"(?:GET|POST|PUT|PATCH|DELETE) [^;\]]+", request.partition("[")[2])
        answers = {answered(scopes, entry.strip()) for entry in entries}
        return answers.pop() if len(answers) == 1 else "filtered"
    read = _ASKED.fullmatch(request)
    if read is None:
        return "refused"
    method, kind, identity, rest, query = read.groups()
    if (rest or "").startswith("/$"):
        return _everything(scopes)
    if method == "GET" and not identity:
        return _found(scopes, kind, parse_pairs((query or "").encode()))
    resource = _made_up(kind, identity or "x-own")
    letters = _LETTERS.get(method, "r")
    own = resource["subject"]["reference"] == "Patient/p-own"
    able = [scope for scope in fitting(scopes, letters, kind) if own or scope.context != "patient"]
    return "permit" if covers(able, letters, resource) else "deny"


def _everything(scopes: Sequence[Scope]) -> str:
    """Return what is left of a whole record."""
    readable = [scope for scope in scopes if {"r", "s"} <= set(scope.letters)]
    if any(scope.type == "*" for scope in readable):
        return "permit"
    return "filtered" if readable else "deny"


def _found(scopes: Sequence[Scope], kind: str, pairs: Pairs) -> str:
    """Return what the scopes make of a search of the launch patient's record."""
    asked = parse_query(kind, pairs, _LIMITS, strict=True)
    if not fitting(scopes, "s", kind):
        return "deny"
    whole = [one for one in _record(kind, "own") if matches(asked, one)]
    left = [one for one in whole if covers(scopes, "s", one)]
    elsewhere = any(matches(asked, one) for one in _record(kind, "other"))
    if not left and (whole or elsewhere):
        return "empty"
    return "filtered" if len(left) < len(whole) or _hides_included(scopes, pairs) else "permit"


def _hides_included(scopes: Sequence[Scope], pairs: Pairs) -> bool:
    """Return whether something that the search would include is of a type that no scope opens."""
    for name, value in pairs:
        kind, _, code = value.partition(":")
        types = {kind}
        if name.startswith("_include"):
            parameter = parameters_of(kind).get(code.partition(":")[0])
            types = set(reference_targets(parameter)) if parameter else set()
        elif not name.startswith("_revinclude"):
            continue
        if not any(fitting(scopes, "r", one) or fitting(scopes, "s", one) for one in types):
            return True
    return False


def _made_up(kind: str, identity: str) -> Resource:
    """Return a resource as its id tells: whose it is, and its category."""
    owner = "other" if "other" in identity else "own"
    resource: Resource = {
        "resourceType": kind,
        "id": identity,
        "subject": {"reference": f"Patient/p-{owner}"},
    }
    system, codes = _CATEGORIES.get(kind, ("", ()))
    last = identity.rpartition("-")[2]
    code = next((code for code in codes if code.startswith(last)), "")
    return resource | ({"category": [{"coding": [{"system": system, "code": code}]}]} if code else {})


def _record(kind: str, owner: str) -> list[Resource]:
    """Return a resource of each category of the type, and one without."""
    codes = _CATEGORIES.get(kind, ("", ()))[1]
    return [_made_up(kind, f"x-{owner}-{code.partition('-')[0]}") for code in (*codes, "none")]
