"""SMART v2 scopes against our own vectors: what a scope permits, on requests that the scope alone decides."""

import json
import re

from salus.core.access import Action
from salus.trust.scopes import permitting

REQUEST = re.compile(r"(GET|POST) ([A-Z][A-Za-z]+)(/[a-z-]+)?(\?[a-z-]+=.*)?")
# Another patient is the compartment's matter, _include the search's; a scope's query is the store's.
ELSEWHERE = re.compile(r"other|_include|lab|vital|batch")


def asked(request):
    """Return the action and type of a plain request, None of any other."""
    found = REQUEST.fullmatch(request)
    if found is None or ELSEWHERE.search(request):
        return None
    method, kind, identity, _ = found.groups()
    return (Action.CREATE if method == "POST" else Action.READ if identity else Action.SEARCH), kind


def test_a_scope_permits_what_it_says_and_nothing_else(shared):
    lines = (shared / "testvectors/own-tokens/smart/scopes.jsonl").read_text().splitlines()
    cases = [case for case in map(json.loads, lines) if case["allowed"] in ("permit", "deny")]
    plain = [(case, asked(case["request"])) for case in cases if "?" not in case["scope"]]
    judged = [(case, wish) for case, wish in plain if wish is not None]
    wrong = [
        case
        for case, wish in judged
        if (permitting(tuple(case["scope"].split()), *wish) is not None) != (case["allowed"] == "permit")
    ]
    assert len(judged) >= 8
    assert wrong == []
