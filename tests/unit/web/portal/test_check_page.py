"""How much of a node strangers may have for their checks, and what a form may hold."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from salus.core.errors import MalformedContent, Throttled, TooLarge
from salus.core.limits import Limits
from salus.web.portal.check_page import Desk, network_of
from salus.web.portal.uploading import Upload, read_upload

FILE = Upload("a.json", b'{"resourceType": "Patient", "active": true}')
LARGE = Upload(
    "b.json", b'{"resourceType": "Patient", "name": [' + b'{"text": "x"},' * 3_000 + b'{"text": "x"}]}'
)
"""It costs more than a millisecond."""

HERE, THERE = ("address", "192.0.2.1"), ("address", "192.0.2.2")


async def test_one_address_has_its_share_and_others_theirs():
    desk = Desk(Limits(check_ms_per_minute_max=1))
    await desk.judge(HERE, LARGE)
    with pytest.raises(Throttled):
        await desk.judge(HERE, FILE)
    assert (await desk.judge(THERE, FILE)).count("error") == 0


async def test_no_more_wait_than_may():
    with pytest.raises(Throttled, match="try again"):
        await Desk(Limits(check_waiting_max=0)).judge(HERE, FILE)


async def test_a_file_of_too_many_parts_is_refused_unread():
    with pytest.raises(TooLarge):
        await Desk(Limits(body_elements_max=3)).judge(HERE, Upload("a.json", b"[[[[]]]]"))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unix", "unix"),
    ],
)
def test_who_has_an_address_of_ipv6_has_the_network(address, network):
    assert network_of(address) == network


def request(body: bytes, kind: str = "multipart/form-data; boundary=b") -> Request:
    sent = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return sent.pop()

    headers = [(b"content-type", kind.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


def part(name: str, body: bytes, file: str = "") -> bytes:
    named = f'; filename="{file}"' if file else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + body + b"\r\n"


@pytest.mark.parametrize(
    ("file", "name"),
    [("a.json", "a.json"), ("C:\\\\x\\\\a.json", "a.json"), ("../../a.json", "a.json"), ("", "file")],
)
async def test_a_file_of_a_form(file, name):
    body = part("other", b"x") + part("file", b"\x00\r\n--c", file) + b"--b--\r\n"
    assert await read_upload(request(body), "file", bytes_max=100) == Upload(name, b"\x00\r\n--c")


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b"a=b", "application/x-www-form-urlencoded", MalformedContent),
        (b"", "multipart/form-data", MalformedContent),
        (b"no form at all", "multipart/form-data; boundary=b", MalformedContent),
        (part("other", b"x") + b"--b--", "multipart/form-data; boundary=b", MalformedContent),
        (part("file", b"", "a") + b"--b--", "multipart/form-data; boundary=b", MalformedContent),
        (part("file", b"x" * 101, "a") + b"--b--", "multipart/form-data; boundary=b", TooLarge),
        (part("file", b"x" * 20_000, "a"), "multipart/form-data; boundary=b", TooLarge),
        (part("x", b"x") * 5 + b"--b--", "multipart/form-data; boundary=b", MalformedContent),
        (part("file", b"x", "a" * 5_000) + b"--b--", "multipart/form-data; boundary=b", MalformedContent),
    ],
)
async def test_what_is_no_file_of_a_form_is_refused(body, kind, error):
    with pytest.raises(error):
        await read_upload(request(body, kind), "file", bytes_max=100)
