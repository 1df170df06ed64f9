"""base64url, JSON and DEFLATE are read in one way only."""

import zlib

import pytest

from salus.core.errors import MalformedContent, TooLarge
from salus.standards.jose.encoding import decode, deflate, encode, inflate, read_json, read_object


@pytest.mark.parametrize(("text", "body"), [("", b""), ("Zg", b"f"), ("Zm8", b"fo"), ("-_8", b"\xfb\xff")])
def test_base64url_is_read_without_padding(text, body):
    assert decode(text) == body
    assert encode(body) == text


@pytest.mark.parametrize("text", ["Zg==", "Zh", "Z", "Zm 8", "Zm8\n", "+/8", "Zm8é", "Z.g"])
def test_what_is_not_canonical_base64url_is_refused(text):
    with pytest.raises(MalformedContent):
        decode(text)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'"\\ud800"',
        b'{"a":1}x',
        b"\xff",
        b"[" * 100_000,
        b"1" * 5_000,
    ],
)
def test_json_that_two_readers_could_take_differently_is_refused(body):
    with pytest.raises(MalformedContent):
        read_json(body)


def test_an_object_is_wanted_where_claims_stand():
    assert read_object(b'{"a":[1]}') == {"a": [1]}
    with pytest.raises(MalformedContent):
        read_object(b"[1]")


def test_packed_content_is_unpacked_whole_and_no_further_than_its_limit():
    packed = deflate(b"x" * 1_000)
    assert inflate(packed, bytes_max=1_000) == b"x" * 1_000
    with pytest.raises(TooLarge):
        inflate(packed, bytes_max=999)
    for damaged in (packed[:-1], packed + b"x", b"\xff" + packed):
        with pytest.raises(MalformedContent):
            inflate(damaged, bytes_max=1_000)
    assert inflate(zlib.compress(b"y"), bytes_max=10, raw=False) == b"y"
