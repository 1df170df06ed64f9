"""Content negotiation (R4 http.html#mime-type; RFC 9110, 12.5)."""

import pytest

from salus.core.errors import NotAcceptable, UnsupportedMedia
from salus.web.fhir.negotiation import Format, answer_format, body_format


@pytest.mark.parametrize(
    ("accept", "override", "expected"),
    [
        ("", None, Format.JSON),
        ("*/*", None, Format.JSON),
        ("application/fhir+json; fhirVersion=4.0", None, Format.JSON),
        ("application/fhir+xml", None, Format.XML),
        ("application/fhir+json;q=0.2, application/fhir+xml", None, Format.XML),
        ("text/html, */*;q=0.1", None, Format.JSON),
        ("application/fhir+xml", "json", Format.JSON),
        ("application/fhir+json", "application/fhir xml", Format.XML),
        ("text/html", "xml", Format.XML),
    ],
)
def test_the_format_of_the_answer(accept, override, expected):
    assert answer_format(accept, override) is expected


@pytest.mark.parametrize(
    ("accept", "override"),
    [
        ("text/html", None),
        ("text/turtle", None),
        ("application/fhir+json; fhirVersion=5.0", None),
        ("application/fhir+json;q=0", None),
        ("", "../../../etc/passwd"),
        ("", "text/html<script>"),
        ("", ""),
    ],
)
def test_a_format_that_cannot_be_written_is_refused_without_an_echo(accept, override):
    with pytest.raises(NotAcceptable) as refusal:
        answer_format(accept, override)
    assert "<" not in refusal.value.message
    assert "passwd" not in refusal.value.message


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/json-patch+json",
        "application/fhir+json; charset=utf-16",
        "application/fhir+json; fhirVersion=3.0",
        "*/*",
        "json",
    ],
)
def test_a_body_that_cannot_be_read_is_refused(content_type):
    with pytest.raises(UnsupportedMedia):
        body_format(content_type)
