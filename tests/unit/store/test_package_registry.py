from __future__ import annotations

import httpx
import pytest

from salus.core.errors import NotFound, PeerUnavailable, TooLarge
from salus.store.package_registry import fetch, fetch_package

ADDRESS = "https://registry.example"


def registry(request: httpx.Request) -> httpx.Response:
    found = {
        "/guide": httpx.Response(
            200, json={"name": "guide", "versions": {"1.0.0": {}, "1.2.0": {}, "2.0.0-ci": {}}}
        ),
        "/guide/1.2.0": httpx.Response(200, content=b"archive"),
        "/broken": httpx.Response(200, content=b"{"),
        "/down/1.0.0": httpx.Response(503),
    }
    return found.get(request.url.path, httpx.Response(404))


@pytest.fixture
def web():
    with httpx.Client(transport=httpx.MockTransport(registry)) as client:
        yield client


@pytest.mark.parametrize("version", ["1.2.0", "1.x", "1.2"])
def test_the_newest_that_fits_is_fetched(web, version):
    assert fetch_package(web, ADDRESS + "/", "guide", version) == b"archive"


@pytest.mark.parametrize(
    ("name", "version", "error"),
    [
        ("absent", "1.0.0", NotFound),
        ("guide", "9.x", NotFound),
        ("../etc", "1.0.0", NotFound),
        ("guide", "1.0.0/../../x", NotFound),
        ("broken", "", PeerUnavailable),
        ("down", "1.0.0", PeerUnavailable),
    ],
)
def test_what_cannot_be_fetched_is_said(web, name, version, error):
    with pytest.raises(error):
        fetch_package(web, ADDRESS, name, version)


def test_an_answer_that_is_too_large_is_cut_off(web):
    with pytest.raises(TooLarge):
        fetch(web, f"{ADDRESS}/guide/1.2.0", 3)


def test_only_addresses_of_the_web_are_fetched(web):
    with pytest.raises(NotFound):
        fetch(web, "file:///etc/passwd", 100)
