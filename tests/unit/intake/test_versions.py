"""Of a history, the newest version of each resource is loaded, and nothing of what was deleted last."""

import json

import pytest

from salus.core.identifiers import derived_id
from salus.intake.versions import Newest, Version, deletion_of, newest, version_of
from salus.store.source_deletions import Deletion


def version(name, made_at="", *, deletes=False):
    return Version(name, made_at, deletes)


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([], Newest([], [], [])),
        ([version("a", "2026-11-20T00:00:00Z"), version("a", "2026-11-01T00:00:00Z")], Newest([0], [1], [])),
        # The order of the Bundle is the word of who made it; the times are the resource's own.
        ([version("a", "2026-11-01T00:00:00Z"), version("a", "2026-11-20T00:00:00+01:00")],
         Newest([1], [0], [])),
        ([version("a"), version("b"), version("a")], Newest([0, 1], [2], [])),
        ([version("a", deletes=True), version("a")], Newest([], [1], [0])),
        ([version("a"), version("a", deletes=True)], Newest([0], [1], [])),
        ([version(""), version("")], Newest([0, 1], [], [])),
        ([version("a", "not a time"), version("a", "2026-11-20T00:00:00Z")], Newest([0], [1], [])),
    ],
)  # fmt: skip
def test_the_newest_of_each_is_loaded(versions, expected):
    assert newest(versions) == expected


@pytest.mark.parametrize(
    ("full_url", "resource", "request_", "response", "expected"),
    [
        ("http://h/Basic/1", {}, {}, {}, version("http://h/Basic/1")),
        ("", {"resourceType": "Basic", "id": "1", "meta": {"lastUpdated": "2026"}}, {"method": "PUT"}, {},
         version("Basic/1", "2026")),
        ("", {"resourceType": "Basic", "id": "1", "meta": {"lastUpdated": "2026"}}, {},
         {"lastModified": "2027"}, version("Basic/1", "2027")),
        ("", None, {"method": "DELETE", "url": "Basic/1"}, {}, version("Basic/1", deletes=True)),
    ],
)  # fmt: skip
def test_an_entry_says_what_it_is_a_version_of_and_when(full_url, resource, request_, response, expected):
    content = b"" if resource is None else json.dumps(resource).encode()
    assert version_of(full_url, content, request_, response) == expected


@pytest.mark.parametrize(
    ("full_url", "url", "name"),
    [
        ("", "Basic/1", "Basic/1"),
        ("http://h/Basic/1", "Basic/1/_history/3", "Basic/1"),
        ("http://h/Basic/1", "", "Basic/1"),
        ("http://h/Basic/1", "Basic?identifier=1", "Basic/1"),
        ("http://other/Basic/1", "Basic/1", "http://other/Basic/1"),
        ("urn:uuid:1", "Basic/1", "Basic/1"),
    ],
)
def test_a_deletion_is_of_the_id_under_which_the_content_would_be(full_url, url, name):
    said = deletion_of("http://h", full_url, {"url": url}, {"lastModified": "2026-11-20T00:00:00Z"})
    assert said == Deletion("Basic", derived_id("http://h", name), "2026-11-20T00:00:00Z")


@pytest.mark.parametrize("url", ["", "Basic", "Nothing/1", "Basic?identifier=1"])
def test_a_deletion_that_names_no_resource_is_of_none(url):
    assert deletion_of("http://h", "", {"url": url}, {}) is None
