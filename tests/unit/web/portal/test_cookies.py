"""Cookies that no other host sets or reads."""

from types import SimpleNamespace

import pytest
from starlette.requests import Request
from starlette.responses import Response

from salus.web.portal.cookies import cookie, drop_cookie, keep_cookie


@pytest.mark.parametrize(
    ("base_url", "name", "secure"),
    [("https://node.example", "__Host-salus", True), ("http://127.0.0.1:9", "salus", False)],
)
def test_a_cookie_is_for_this_very_host_and_kept_from_scripts(base_url, name, secure):
    services, response = SimpleNamespace(base_url=base_url), Response()
    keep_cookie(services, response, "salus", "value", seconds=60)
    said = response.headers["set-cookie"]
    assert said.startswith(f"{name}=value; ")
    parts = {part.strip().lower() for part in said.split(";")[1:]}
    assert parts == {"httponly", "max-age=60", "path=/", "samesite=lax"} | ({"secure"} if secure else set())
    request = Request({"type": "http", "headers": [(b"cookie", f"{name}=value; other=1".encode())]})
    assert cookie(services, request, "salus") == "value"
    other = Request(
        {"type": "http", "headers": [(b"cookie", b"salus=forged" if secure else b"__Host-salus=x")]}
    )
    assert cookie(services, other, "salus") == ""
    gone = Response()
    drop_cookie(services, gone, "salus")
    assert gone.headers["set-cookie"].startswith(f'{name}=""; ')
