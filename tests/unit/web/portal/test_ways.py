"""Where each role begins, and where a form stands."""

import pytest

from salus.core.access import Role
from salus.web.portal.ways import home_of, page_before, page_of_form


@pytest.mark.parametrize(
    ("role", "home"),
    [
        (Role.CITIZEN, "/record"),
        (Role.PROXY, "/record"),
        (Role.OPERATOR, "/requests"),
        (Role.NODE, "/"),
        (None, "/"),
    ],
)
def test_each_role_begins_where_its_work_is(role, home):
    assert home_of(role) == home


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/sharing", "/sharing"),
        ("/sharing/a1/take-back", "/sharing"),
        ("/record/restrict", "/record"),
        ("/my-rights/links/a1/end", "/my-rights/links"),
        ("/my-rights/archive", "/my-rights"),
        ("/patient", "/patient"),
        ("/patient/pt-1/a1/dispense", "/patient/pt-1/a1"),
        ("/oauth/authorize/decision", ""),
        ("/records", ""),
    ],
)
def test_a_form_stands_on_the_page_that_its_address_continues(path, page):
    assert page_of_form(path) == page


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/patient/pt-1/a1", "/patient"),
        ("/patient/pt-1/a1/summary", "/patient/pt-1/a1"),
        ("/record", ""),
        ("/record/problems", "/record"),
    ],
)
def test_a_page_leads_back_to_the_one_before_and_never_to_itself(path, page):
    assert page_before(path) == page
