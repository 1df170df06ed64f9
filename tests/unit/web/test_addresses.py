"""The table of a face's addresses: the first template that fits answers, by its method."""

import pytest

from salus.core.errors import MethodNotAllowed, NotFound
from salus.web.addresses import find, methods_of

TABLE = {
    "/things": {"GET": "list", "POST": "make"},
    "/things/mine": {"GET": "mine"},
    "/things/{number}": {"GET": "one"},
    "/things/{number}/parts/{part}": {"PUT": "part"},
}


@pytest.mark.parametrize(
    ("method", "path", "handler", "parts"),
    [
        ("GET", "/things", "list", {}),
        ("GET", "/things/", "list", {}),
        ("HEAD", "/things", "list", {}),
        ("POST", "/things", "make", {}),
        ("GET", "/things/mine", "mine", {}),
        ("GET", "/things/7", "one", {"number": "7"}),
        ("PUT", "/things/7/parts/a", "part", {"number": "7", "part": "a"}),
    ],
)
def test_a_request_is_answered_by_the_first_template_that_fits(method, path, handler, parts):
    assert find(TABLE, method, path) == (handler, parts)


@pytest.mark.parametrize(
    "path", ["/", "/thing", "/things//", "/things/7/parts", "/things//parts/a", "/things/7/x/a"]
)
def test_what_no_template_fits_is_not_found(path):
    with pytest.raises(NotFound, match="/things/mine"):
        find(TABLE, "GET", path)


def test_another_method_is_refused_with_those_there_are():
    with pytest.raises(MethodNotAllowed, match="GET and POST"):
        find(TABLE, "DELETE", "/things")


def test_the_table_tells_its_methods():
    assert methods_of(TABLE)["/things"] == ("GET", "POST")
