"""A health link keeps the rules for its payload, or is refused (SMART Health Links)."""

import json
from itertools import count

import pytest

from salus.core.errors import MalformedContent
from salus.standards.healthlinks.files import CARD, FHIR, File, open_file, seal_file
from salus.standards.healthlinks.link import HealthLink, check_payload, read_link, write_link
from salus.standards.jose.encoding import encode
from salus.standards.jose.encryption import seal_direct

NOW = 1_790_000_000
KEY = bytes(range(32))
LINK = HealthLink("https://node.example/shl/abc", KEY, "LP", "Summary of Ebba", NOW + 60)


def payload(**changes):
    found = {"url": LINK.url, "key": encode(KEY)} | changes
    return {name: one for name, one in found.items() if one is not None}


@pytest.mark.parametrize(
    "link",
    [LINK, HealthLink(LINK.url, KEY), HealthLink(LINK.url, KEY, "LU"), HealthLink(LINK.url, KEY, "", "é")],
)
def test_a_link_is_read_as_it_was_written(link):
    assert read_link(write_link(link), now=NOW) == link
    assert read_link(write_link(link, viewer="https://viewer.example/"), now=NOW) == link


@pytest.mark.parametrize(
    "changes",
    [
        {"url": None},
        {"url": 1},
        {"url": "http://node.example/shl"},
        {"url": "https:///shl"},
        {"url": "https://user@node.example/shl"},
        {"url": "https://node.example:99999/shl"},
        {"url": "https://[::1/shl"},
        {"url": f"https://node.example/{'a' * 108}"},
        {"url": "https://127.0.0.1/shl"},
        {"url": "https://127.1/shl"},
        {"url": "https://2130706433/shl"},
        {"url": "https://0x7f.0.0.0x1/shl"},
        {"url": "https://10.0.0.1/shl"},
        {"url": "https://169.254.169.254/latest"},
        {"url": "https://[::ffff:127.0.0.1]/shl"},
        {"url": "https://localhost/shl"},
        {"url": "https://db.internal/shl"},
        {"key": None},
        {"key": encode(KEY[:16])},
        {"key": encode(KEY) + "="},
        {"key": 1},
        {"flag": "PU"},
        {"flag": "PL"},
        {"flag": "X"},
        {"flag": "LL"},
        {"flag": ["L"]},
        {"label": "x" * 81},
        {"label": 1},
        {"exp": NOW},
        {"exp": "1890000000"},
        {"exp": True},
        {"v": 2},
        {"v": "1"},
    ],
)
def test_a_payload_that_breaks_a_rule_is_refused(changes):
    with pytest.raises(MalformedContent):
        check_payload(payload(**changes), now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "x" * 80},
        {"v": 1},
        {"extra": 1},
        {"exp": NOW + 0.5},
        {"url": f"https://node.example/{'a' * 107}"},
    ],
)
def test_a_payload_at_the_edge_of_a_rule_is_taken(changes):
    assert check_payload(payload(**changes), now=NOW).key == KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://node.example/",
        "shlink:/!!",
        f"shlink:/{encode(b'[]')}",
        f"evil shlink:/{encode(json.dumps(payload()).encode())}",
        f"shlink:/{encode(b'x' * 10_000)}",
    ],
)
def test_what_is_no_link_is_refused(text):
    with pytest.raises(MalformedContent):
        read_link(text, now=NOW)


@pytest.mark.parametrize("kind", [FHIR, CARD])
def test_a_file_opens_with_the_key_of_the_link(kind):
    assert open_file(seal_file(File(kind, b"{}"), KEY), KEY) == File(kind, b"{}")


@pytest.mark.parametrize(
    "headers", [{}, {"contentType": FHIR}, {"cty": FHIR + ";fhirVersion=4.0.1"}, {"zip": "DEF"}]
)
def test_files_of_other_senders_open(headers):
    assert open_file(seal_direct(b"{}", KEY, enc="A256GCM", headers=headers), KEY) == File(FHIR, b"{}")


@pytest.mark.parametrize(
    "token",
    [
        seal_direct(b"{}", KEY, enc="A256GCM", headers={"cty": "text/html"}),
        seal_direct(b"{}", KEY, enc="A256GCM", headers={"contentType": 1}),
        seal_direct(b"{}", KEY[:16], enc="A128GCM"),
        seal_direct(b"{}", bytes(32), enc="A256GCM"),
        "",
    ],
    ids=count(),
)
def test_any_other_file_is_refused(token):
    with pytest.raises(MalformedContent):
        open_file(token, KEY)
