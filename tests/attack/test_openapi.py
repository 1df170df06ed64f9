"""The OpenAPI description says what there is, and whatever is made of it finds a node that does not fail."""

import json
import re
from itertools import cycle

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

EXAMPLES = 3
"""Requests made up for each operation: hundreds in all, in seconds."""
FILLED = {"type": "Patient", "member": "Observation", "id": "own-1a", "number": "1", "version": "1"}
METHODS = ("get", "post", "put", "patch", "delete")
FROM_OUTSIDE = HealthCheck.too_slow, HealthCheck.filter_too_much


@pytest.fixture(scope="module")
def description(target):
    answer = target.send("GET", "/openapi.json", base="")
    assert answer.status == 200
    return json.loads(answer.body)


def test_every_address_described_is_there_and_takes_no_other_method(target, description):
    wrong = []
    for template, operations in description["paths"].items():
        path = re.sub(r"\{(\w+)\}", lambda name: FILLED.get(name[1], "x"), template)
        for method in METHODS:
            answer = target.send(method.upper(), path, base="", token=target.logins["operator"])
            is_there = answer.status != 405 and "There is nothing at this address" not in answer.text
            if is_there != (method in operations):
                wrong.append((method, template, answer.status))
    assert wrong == []


def test_what_needs_no_token_is_said(target, description):
    for template, operations in description["paths"].items():
        path = re.sub(r"\{(\w+)\}", lambda name: FILLED.get(name[1], "x"), template)
        if "get" in operations:
            is_public = operations["get"]["security"] == []
            assert (target.send("GET", path, base="").status != 401) == is_public, template


def play(operation, send):
    """Send requests made up for an operation, the same ones each time."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=FROM_OUTSIDE,
    )
    @given(case=operation.as_strategy())
    def made_up(case):
        send(case)

    made_up()


def test_no_request_made_of_the_description_makes_the_node_fail(target, description):
    failed = []
    logins = cycle(target.logins.values())

    def send(case):
        headers = {"authorization": f"Bearer {next(logins)}"}
        answer = case.call(base_url=f"http://127.0.0.1:{target.port}", headers=headers, timeout=20)
        if answer.status_code >= 500:
            failed.append((case.method, case.formatted_path, str(case.body)[:200], answer.status_code))

    for operation in schemathesis.openapi.from_dict(description).get_all_operations():
        play(operation.ok(), send)
    assert failed == []
    assert target.attempts() == []
