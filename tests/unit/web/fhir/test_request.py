"""What a request is taken to say: paths, parameters, headers, bodies."""

import pytest

from salus.core.errors import MalformedContent, NotFound, NotSupported, TooLarge
from salus.web.fhir.request import (
    collect_headers,
    parse_instant,
    parse_preference,
    path_segments,
    read_body,
    read_request,
)

PREFIX = b"/fhir"


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        (b"/fhir", ()),
        (b"/fhir/", ()),
        (b"/fhir/Patient", ("Patient",)),
        (b"/fhir/Patient/", ("Patient",)),
        (b"/fhir/Patient/1/_history/2", ("Patient", "1", "_history", "2")),
        (b"/fhir/%24export", ("$export",)),
    ],
)
def test_a_path_is_split_into_its_segments(path, segments):
    assert path_segments(path, PREFIX) == segments


@pytest.mark.parametrize(
    "path",
    [
        b"/fhirx",
        b"/",
        b"/fhir/Patient/../../etc/passwd",
        b"/fhir/Patient/%2e%2e/admin",
        b"/fhir/Patient/..%2f..%2fetc%2fpasswd",
        b"/fhir/Patient/a%00.json",
        b"/fhir/Patient//1",
        b"/fhir//Patient",
        b"/fhir/%ff",
        b"/fhir/" + b"a/" * 50,
        b"/fhir/Patient/" + b"a" * 200,
        b"/fhir/Patient/a%0ab",
    ],
)
def test_a_path_that_no_address_has_is_not_found(path):
    with pytest.raises(NotFound):
        path_segments(path, PREFIX)


def test_a_header_that_may_come_once_is_refused_twice():
    with pytest.raises(MalformedContent):
        collect_headers([(b"Authorization", b"Bearer a"), (b"authorization", b"Bearer b")])
    assert collect_headers([(b"Accept", b"a"), (b"accept", b"b")]) == {"accept": "a, b"}


def test_preferences():
    wish = parse_preference("respond-async, return=minimal; handling=strict")
    assert (wish.returned, wish.strict, wish.asynchronous) == ("minimal", True, True)
    assert parse_preference("return=everything").returned == "representation"


@pytest.mark.parametrize(
    "text",
    [
        "foo",
        "2026-01-01T00:00:00",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_a_bad_since_is_refused(text):
    with pytest.raises(MalformedContent):
        parse_instant(text, "_since")


def body_of(chunks, headers=(), limit=10):
    events = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    events[-1]["more_body"] = False
    taken = []

    async def receive():
        taken.append(1)
        return events[len(taken) - 1]

    scope = {"method": "POST", "path": "/fhir", "headers": list(headers)}
    return read_body(read_request(scope, receive, prefix=PREFIX, body_bytes_max=limit)), taken


async def test_a_declared_length_over_the_limit_is_refused_before_a_byte_is_read():
    reading, taken = body_of([b"x" * 11], [(b"content-length", b"11")])
    with pytest.raises(TooLarge):
        await reading
    assert taken == []


async def test_a_stream_over_the_limit_is_cut_off_where_it_passes_it():
    reading, taken = body_of([b"x" * 6] * 100)
    with pytest.raises(TooLarge):
        await reading
    assert len(taken) == 2


async def test_a_body_within_the_limit_is_joined():
    assert await body_of([b"ab", b"", b"cd"])[0] == b"abcd"


async def test_a_compressed_body_is_refused():
    with pytest.raises(NotSupported):
        await body_of([b"x"], [(b"content-encoding", b"gzip")])[0]
