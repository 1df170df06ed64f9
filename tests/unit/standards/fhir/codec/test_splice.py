"""Id and meta are given to stored bytes; the rest stays."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from salus.core.errors import MalformedContent
from salus.standards.fhir.codec.splice import splice_meta

AT = datetime(2026, 11, 24, 6, 30, 0, 120_000, tzinfo=UTC)
PRETTY = b'{\n  "id": "%b",\n  "contained": [{"id": "in", "meta": {}}],\n  "meta": %b\n}\n'
META = b'"meta":{"versionId":"2","lastUpdated":"2026-11-24T06:30:00.120Z"}'


@pytest.mark.parametrize(
    ("content", "spliced"),
    [
        (b'{"resourceType":"Patient"}', b'{"resourceType":"Patient","id":"x",' + META + b"}"),
        (
            b'{"resourceType":"Patient","id":"old","a":1.50}',
            b'{"resourceType":"Patient","id":"x",' + META + b',"a":1.50}',
        ),
        (
            b'{"resourceType":"Patient","a":{"id":"in"},"\\u0069d":"old"}',
            b'{"resourceType":"Patient",' + META + b',"a":{"id":"in"},"\\u0069d":"x"}',
        ),
        (
            b'{"resourceType":"Patient","\\u0069d":"old"}',
            b'{"resourceType":"Patient",' + META + b',"\\u0069d":"x"}',
        ),
        (b'{ "a" : 1.50 }', b'{"id":"x",' + META + b', "a" : 1.50 }'),
        (b"{}", b'{"id":"x",' + META + b"}"),
        (b'{"a":1,"id": "old"}', b"{" + META + b',"a":1,"id": "x"}'),
        (
            PRETTY % (b"old", b"{}"),
            PRETTY % (b"x", META.removeprefix(b'"meta":')),
        ),
    ],
)
def test_only_id_and_meta_change(content, spliced):
    assert splice_meta(content, id="x", version=2, updated=AT) == spliced


def test_what_meta_already_says_is_kept_and_the_original_id_is_a_tag():
    content = (
        b'{"resourceType":"Patient","meta":{"profile":["http://p"],"tag":[{"code":"t"}],"source":"urn:a"}}'
    )
    assert splice_meta(content, id="x", version=2, updated=AT, source="urn:b", original_id="Patient/1") == (
        b'{"resourceType":"Patient","id":"x","meta":{"profile":["http://p"],"source":"urn:b","versionId":"2",'
        b'"lastUpdated":"2026-11-24T06:30:00.120Z",'
        b'"tag":[{"code":"t"},{"system":"urn:salus:original-id","code":"Patient/1"}]}}'
    )


def test_a_tag_that_pretends_to_be_an_original_id_is_dropped():
    content = b'{"meta":{"tag":[{"system":"urn:salus:original-id","code":"Patient/9"}]}}'
    assert b"Patient/9" not in splice_meta(content, id="x", version=1, updated=AT)


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (AT.replace(microsecond=0), b"2026-11-24T06:30:00.000Z"),
        (AT.replace(microsecond=999_999), b"2026-11-24T06:30:00.999Z"),
        (AT.astimezone(timezone(timedelta(hours=-5))), b"2026-11-24T06:30:00.120Z"),
    ],
)
def test_a_moment_is_cut_to_the_millisecond_and_written_in_utc(moment, written):
    assert b'"lastUpdated":"%b"' % written in splice_meta(b"{}", id="x", version=1, updated=moment)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"id":"a","id":"b"}',
        b'{"resourceType":"Patient","id":"a","id":"b"}',
        b'{"resourceType":"Patient","id":"a","active":}',
    ],
)
def test_what_was_never_stored_is_refused(content):
    with pytest.raises(MalformedContent):
        splice_meta(content, id="x", version=1, updated=AT)
