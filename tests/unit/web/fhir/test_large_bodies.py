"""Bodies that are cheap to send and dear to read: refused before they are parsed, or read in a thread."""

import json

import pytest

from salus.core.errors import TooLarge
from salus.core.limits import Limits
from salus.store.shares import LARGE_BYTES
from salus.web.fhir import bodies
from salus.web.fhir.negotiation import Format

XML = {"content-type": "application/fhir+xml"}
PATCH = {"content-type": "application/json-patch+json"}
MIB = 1024 * 1024


def repeated(head, item, count, tail, separator=b","):
    return head + separator.join([item] * count) + tail


PATIENT = b'{"resourceType":"Patient","name":['
BATCH = b'{"resourceType":"Bundle","type":"batch","entry":['
READ = b'{"request":{"method":"GET","url":"Patient/1"}}'
PARAGRAPHS = b'{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">'
BODIES = {
    "XML of a million names": (
        "POST",
        "/Patient/$validate",
        lambda: repeated(b'<Patient xmlns="http://hl7.org/fhir">', b"<name/>", 1_000_000, b"</Patient>", b""),
        XML,
    ),
    "XML of 15 MB": ("POST", "/Patient", lambda: b"<Patient>" + b" " * 15_000_000 + b"</Patient>", XML),
    "500,000 names": ("POST", "/Patient", lambda: repeated(PATIENT, b'{"text":"a"}', 500_000, b"]}"), {}),
    "names just beyond": ("POST", "/Patient", lambda: repeated(PATIENT, b'{"text":"a"}', 30_001, b"]}"), {}),
    "a million given names": (
        "PUT",
        "/Patient/a",
        lambda: repeated(PATIENT + b'{"given":[', b'"a"', 1_000_000, b"]}]}"),
        {},
    ),
    "380,000 entries": ("POST", "/", lambda: repeated(BATCH, READ[:-1] + b"}", 300_000, b"]}"), {}),
    "5,000,000 empty entries": ("POST", "/", lambda: repeated(BATCH, b"{}", 5_000_000, b"]}"), {}),
    "a Bundle of 100,000 entries": (
        "POST",
        "/$validate",
        lambda: repeated(BATCH, b'{"fullUrl":"urn:a"}', 100_000, b"]}"),
        {},
    ),
    "700,000 unknown keys": (
        "POST",
        "/Patient",
        lambda: b'{"resourceType":"Patient",' + b",".join(b'"%d":1' % key for key in range(700_000)) + b"}",
        {},
    ),
    "Parameters of 300,000 parameters": (
        "POST",
        "/Patient/a/$everything",
        lambda: repeated(
            b'{"resourceType":"Parameters","parameter":[',
            b'{"name":"_count","valueInteger":1}',
            300_000,
            b"]}",
        ),
        {},
    ),
    "a narrative of a million paragraphs": (
        "POST",
        "/Patient",
        lambda: repeated(PARAGRAPHS, b"<p>a</p>", 1_000_000, b'</div>"}}', b""),
        {},
    ),
    "a narrative of 15 MB": ("POST", "/Patient", lambda: PARAGRAPHS + b"a" * 15_000_000 + b'</div>"}}', {}),
    "250,000 patch operations": (
        "PATCH",
        "/Patient/a",
        lambda: repeated(b"[", b'{"op":"add","path":"/a","value":1}', 240_000, b"]"),
        PATCH,
    ),
    "a patch of 15 MB": ("PATCH", "/Patient/a", lambda: b"[" + b" " * 15_000_000 + b"]", PATCH),
}


@pytest.mark.parametrize("name", sorted(BODIES))
async def test_a_body_of_too_much_of_anything_is_too_large(door, name):
    method, path, build, headers = BODIES[name]
    answer = await door(method, path, build(), headers=headers)
    assert answer.status_code == 413, answer.text
    assert answer.json()["issue"][0]["code"] in ("too-long", "too-costly")


async def test_a_large_resource_within_the_limits_is_stored(door):
    names = [{"family": "Tamm", "given": ["a" * 100]}] * 5_000
    answer = await door("POST", "/Patient", {"resourceType": "Patient", "name": names})
    assert answer.status_code == 201, answer.text[:500]
    assert len(json.dumps(names)) > LARGE_BYTES


@pytest.mark.parametrize("letter", [b"{", b"[", b"<"])
def test_elements_are_counted_before_parsing(letter):
    limits = Limits(body_elements_max=100)
    bodies.check_counts(letter * 100, limits)
    with pytest.raises(TooLarge):
        bodies.check_counts(letter * 101, limits)


@pytest.mark.parametrize("form", [Format.JSON, Format.XML])
def test_an_element_repeats_up_to_its_limit(form):
    limits = Limits(repetitions_max=3)

    def body(count):
        if form is Format.XML:
            names = b"<name><text value='a'/></name>" * count
            return b"<Patient xmlns='http://hl7.org/fhir'>" + names + b"</Patient>"
        return repeated(PATIENT, b'{"text":"a"}', count, b"]}")

    assert len(bodies.parse(body(3), form, limits)[0]["name"]) == 3
    with pytest.raises(TooLarge):
        bodies.parse(body(4), form, limits)
