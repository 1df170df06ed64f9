"""Large answers come in gzip where the client takes it, and say that they vary."""

import gzip
import json

import pytest

from salus.web.fhir.compression import BYTES_MIN, accepts_gzip

METADATA = "https://node.test/fhir/metadata"


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("", False),
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0, *", False),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
        ("gzip;q=much", False),
        ("x-gzip", True),
    ],
)
def test_gzip_is_used_only_where_it_is_taken(header, taken):
    assert accepts_gzip(header) == taken


async def test_the_capability_statement_is_small_on_the_wire(door):
    plain = await door.client.get(METADATA, headers={"accept-encoding": "identity"})
    async with door.client.stream("GET", METADATA, headers={"accept-encoding": "gzip"}) as packed:
        wire = b"".join([part async for part in packed.aiter_raw()])
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.headers["vary"] == plain.headers["vary"] == "accept, accept-encoding"
    assert int(packed.headers["content-length"]) == len(wire) < len(plain.content) / 10
    assert gzip.decompress(wire) == plain.content


async def test_a_head_says_how_long_the_packed_answer_is(door):
    head = await door.client.head(METADATA, headers={"accept-encoding": "gzip"})
    whole = await door.client.get(METADATA, headers={"accept-encoding": "gzip"})
    assert head.headers["content-length"] == whole.headers["content-length"]


async def test_parts_of_the_statement_are_small_and_sent_as_they_are(door):
    answer = await door.client.get(f"{METADATA}?_elements=fhirVersion", headers={"accept-encoding": "gzip"})
    assert len(answer.content) < BYTES_MIN
    assert "content-encoding" not in answer.headers
    statement = json.loads(answer.content)
    assert statement["fhirVersion"] == "4.0.1"
    assert "rest" not in statement
    assert statement["meta"]["tag"][0]["code"] == "SUBSETTED"


@pytest.mark.parametrize(
    ("mode", "status"), [("full", 200), ("normative", 200), ("terminology", 200), ("x", 400)]
)
async def test_a_mode_that_the_node_has_not_is_refused(door, mode, status):
    assert (await door.client.get(f"{METADATA}?mode={mode}&_summary=true")).status_code == status
