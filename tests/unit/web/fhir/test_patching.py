"""A patch of a Subscription works on what its sender may read: the kept headers stay with the node."""

import base64
import json

import pytest

from salus.core.errors import SalusError
from salus.standards.fhir.bundle import Entry
from salus.web.fhir.answer import WITHHELD
from salus.web.fhir.patching import JSON_PATCH, apply_patch

SECRET = "Authorization: Bearer SECRET"
HEADERS = [SECRET, "X-Key: first", "X-Key: second"]
SUBSCRIPTION = {
    "resourceType": "Subscription",
    "status": "active",
    "reason": "r",
    "channel": {"type": "rest-hook", "endpoint": "https://a.example", "header": HEADERS},
}


def patched(document):
    entry = Entry(0, "", "PATCH", "Subscription/s", "Subscription", "s", None, "", "", "", document, b"")
    return apply_patch(SUBSCRIPTION, entry)


def by_json(*operations):
    data = base64.b64encode(json.dumps(operations).encode()).decode()
    return patched({"resourceType": "Binary", "contentType": JSON_PATCH, "data": data})


def by_fhirpath(path):
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": path},
        {"name": "value", "valueString": "found"},
    ]
    parameter = [{"name": "operation", "part": parts}]
    return patched({"resourceType": "Parameters", "parameter": parameter})


@pytest.mark.parametrize("source", ["/channel/header/0", "/channel/header", "/channel"])
@pytest.mark.parametrize("verb", ["copy", "move"])
def test_a_patch_copies_no_secret_out(source, verb):
    after = by_json({"op": verb, "from": source, "path": "/reason"})
    assert "SECRET" not in json.dumps(after["reason"])
    assert WITHHELD in json.dumps(after["reason"])


def test_a_patch_guesses_no_secret():
    with pytest.raises(SalusError):
        by_json({"op": "test", "path": "/channel/header/0", "value": SECRET})
    guess = (
        "Subscription.reason.where(%resource.channel.header.first().startsWith('Authorization: Bearer S'))"
    )
    with pytest.raises(SalusError):
        by_fhirpath(guess)


CHANGES = [
    ([{"op": "replace", "path": "/reason", "value": "x"}], HEADERS),
    ([{"op": "remove", "path": "/channel/header/0"}], HEADERS[1:]),
    ([{"op": "add", "path": "/channel/header/0", "value": "X-New: 1"}], ["X-New: 1", *HEADERS]),
    (
        [{"op": "replace", "path": "/channel/header/1", "value": "X-Key: 3"}],
        [SECRET, "X-Key: 3", "X-Key: first"],
    ),
    ([{"op": "move", "from": "/channel/header/0", "path": "/channel/header/2"}], [*HEADERS[1:], SECRET]),
]


@pytest.mark.parametrize(("operations", "header"), CHANGES)
def test_headers_that_a_patch_leaves_keep_their_values(operations, header):
    assert by_json(*operations)["channel"]["header"] == header


@pytest.mark.parametrize("change", ["/channel", "/channel/header"])
def test_a_patch_may_take_the_headers_away(change):
    assert "SECRET" not in json.dumps(by_json({"op": "remove", "path": change}))
    assert by_json({"op": "replace", "path": change, "value": "x"})
