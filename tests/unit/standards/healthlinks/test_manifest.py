"""Who gets the manifest of a health link, and who does not."""

from datetime import UTC, datetime

import msgspec
import pytest

from salus.core.errors import MalformedContent
from salus.standards.healthlinks.manifest import (
    LinkState,
    ManifestDecision,
    ManifestFile,
    ManifestRequest,
    Verdict,
    decide,
    digest_passcode,
    read_manifest,
    read_request,
    write_manifest,
)

NOW = 1_790_000_000
SALT = b"salt"
LOCKED = LinkState(digest_passcode("1234", SALT), SALT, None, False, 0, wrong_passcodes_max=3)
OPEN = msgspec.structs.replace(LOCKED, passcode_digest=None)
ASKED = ManifestRequest("Dr Mari Tamm", "1234")


def decided(state=LOCKED, request=ASKED, **changes):
    return decide(msgspec.structs.replace(state, **changes), request, now=NOW)


def test_the_right_passcode_opens_and_a_wrong_one_counts():
    wrong = ManifestRequest("Dr Mari Tamm", "4321")
    assert decided() == ManifestDecision(Verdict.SERVE, 3)
    assert decided(request=wrong) == ManifestDecision(Verdict.WRONG_PASSCODE, 2)
    assert decided(request=wrong, wrong_passcodes=2) == ManifestDecision(Verdict.WRONG_PASSCODE, 0)
    assert decided(request=ManifestRequest("Dr Mari Tamm")).verdict is Verdict.WRONG_PASSCODE
    assert decided(OPEN, request=wrong) == ManifestDecision(Verdict.SERVE)


@pytest.mark.parametrize(
    "changes",
    [
        {"wrong_passcodes": 3},
        {"wrong_passcodes": 4},
        {"is_revoked": True},
        {"expires_at": NOW},
        {"expires_at": NOW - 1},
        {"uses": 1, "uses_max": 1},
        {"uses": 0, "uses_max": 0},
    ],
)
def test_a_link_that_has_ended_says_nothing_even_to_the_right_passcode(changes):
    assert decided(**changes) == ManifestDecision(Verdict.GONE)


@pytest.mark.parametrize("changes", [{"expires_at": NOW + 1}, {"uses": 5}, {"uses": 0, "uses_max": 1}])
def test_a_link_that_has_not_ended_serves(changes):
    assert decided(**changes).verdict is Verdict.SERVE


def test_a_request_is_read():
    body = b'{"recipient":"Dr Mari Tamm","passcode":"1234","embeddedLengthMax":10,"more":1}'
    assert read_request(body) == ManifestRequest("Dr Mari Tamm", "1234", 10)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"recipient":""}',
        b'{"recipient":" "}',
        b'{"recipient":1}',
        b'{"recipient":"x","passcode":1234}',
        b'{"recipient":"x","embeddedLengthMax":-1}',
        b'{"recipient":"' + b"x" * 201 + b'"}',
        b'{"recipient":"x","passcode":"' + b"x" * 101 + b'"}',
    ],
)
def test_a_request_of_another_form_is_refused(body):
    with pytest.raises(MalformedContent):
        read_request(body)


def test_short_files_are_embedded_and_long_ones_have_a_place():
    made = datetime(2026, 1, 1, tzinfo=UTC)
    files = [ManifestFile("application/fhir+json", "e" * n, f"https://x.example/{n}", made) for n in (10, 11)]
    manifest = write_manifest(files, ManifestRequest("x", embedded_length_max=10))
    assert read_manifest(manifest) == (
        ("application/fhir+json", "e" * 10, ""),
        ("application/fhir+json", "", "https://x.example/11"),
    )
    assert [set(one) for one in write_manifest(files, ManifestRequest("x"))["files"]] == [
        {"contentType", "lastUpdated", "embedded"}
    ] * 2


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"files": {}},
        {"files": [1]},
        {"files": [{}]},
        {"files": [{"contentType": "a/b"}]},
        {"files": [{"contentType": "a/b", "location": "http://x.example"}]},
        {"files": [{"contentType": "a/b", "embedded": 1}]},
    ],
)
def test_a_manifest_of_another_form_is_refused(manifest):
    with pytest.raises(MalformedContent):
        read_manifest(manifest)
