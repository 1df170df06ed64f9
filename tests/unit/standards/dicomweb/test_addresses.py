"""Addresses of PS3.18: what is put into them is a UID or a plain number, whatever was sent."""

import pytest

from salus.core.errors import InvalidSearch, MalformedContent, NotFound, UnsupportedMedia
from salus.standards.dicomweb import addresses
from salus.standards.dicomweb.links import without_links
from salus.standards.dicomweb.pictures import picture_of
from salus.standards.dicomweb.uids import is_uid, study_uid


def test_addresses_are_those_of_the_standard():
    assert (
        addresses.whole("2.999.1", "2.999.2", "2.999.3")
        == "/studies/2.999.1/series/2.999.2/instances/2.999.3"
    )
    assert addresses.rendered("1.2", "1.3", "1.4", pixels=96).endswith(
        "/instances/1.4/rendered?viewport=96,96"
    )
    assert addresses.studies_of("A&B=1 2", count_max=5).startswith(
        "/studies?PatientID=A%26B%3D1+2&includefield="
    )


@pytest.mark.parametrize("number", ["", "*", "12?", "1\\2", "1\n2", "9" * 65])
def test_a_number_is_no_pattern(number):
    with pytest.raises(InvalidSearch):
        addresses.studies_of(number, count_max=5)


@pytest.mark.parametrize("uid", ["1", "..", "1.2/..", "1.02", "1.2?x=1", "1." + "2" * 63, "1.2\n", "١.٢"])
def test_what_is_no_uid_leads_nowhere(uid):
    assert not is_uid(uid)
    with pytest.raises(NotFound):
        addresses.whole(uid)


@pytest.mark.parametrize(
    ("identifier", "uid"),
    [
        ({"system": "urn:dicom:uid", "value": "urn:oid:2.999.1"}, "2.999.1"),
        ({"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.1"}, "2.999.1"),
        ({"system": "https://example.org", "value": "urn:oid:2.999.1"}, ""),
        ({"system": "urn:dicom:uid", "value": "urn:oid:../admin"}, ""),
    ],
)
def test_the_uid_of_an_imaging_study(identifier, uid):
    assert study_uid({"identifier": [identifier]}) == uid


# The smallest files that T.81 and PNG let state a size: a frame's header after an APP0 segment; an IHDR.
JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x20\x00\x00\x00\x10"


@pytest.mark.parametrize(("body", "kind"), [(JPEG, "image/jpeg"), (PNG, "image/png")])
def test_a_picture_is_what_its_bytes_say(body, kind):
    found = picture_of(body)
    assert (found.media_type, found.width, found.height) == (kind, 32, 16)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html>",
        JPEG[:9],
        b"\xff\xd8\xff" + b"\xff" * 9_000,
        PNG.replace(b"\x00\x00\x00\x20", b"\x7f\xff\xff\xff"),
        PNG.replace(b"\x00\x00\x00\x10", b"\x00\x00\x00\x00"),
    ],
)
def test_what_no_browser_may_show_is_refused(body):
    with pytest.raises(UnsupportedMedia):
        picture_of(body)


def test_no_address_of_the_archive_leaves():
    body = b"""[{"00081190": {"vr": "UR", "Value": ["http://pacs.example/1"]},
      "7FE00010": {"vr": "OW", "BulkDataURI": "http://pacs.example/2"},
      "00081115": {"vr": "SQ", "Value": [{"00081190": {"vr": "UR", "Value": ["http://pacs.example/3"]},
        "0040E010": {"vr": "UR", "Value": ["http://pacs.example/4"]},
        "00100020": {"vr": "LO", "Value": ["7"]}}]}}]"""
    found = without_links(body)
    assert b"pacs.example" not in found
    assert b'"Value":["7"]' in found


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b'{"00081115": {"vr": "SQ", "Value": [' * 60 + b"{}" + b"]}}" * 60 + b"]",
        b'[{"00081115": 7}]',
        b"[" * 99_999,
    ],
)
def test_sequences_too_deep_are_refused(body):
    with pytest.raises(MalformedContent):
        without_links(body)
