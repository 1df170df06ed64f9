"""Where a log-in may lead: to pages of this node and nowhere else."""

import pytest

from salus.web.portal.session import PATH_LENGTH_MAX, local_path


@pytest.mark.parametrize(
    "path",
    ["/", "/record", "/oauth/authorize?client_id=a&state=%2F%2F&redirect_uri=https%3A%2F%2Fapp.example"],
)
def test_a_page_of_this_node_is_gone_back_to(path):
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "record", "//evil.example", "/\\evil.example", "/a\\b", "https://evil.example", "/a b", "/é",
     "/a\r\nb", "javascript:alert(1)", "/\t/evil.example", "/" + "a" * PATH_LENGTH_MAX],
)  # fmt: skip
def test_what_leads_or_may_lead_elsewhere_is_not(path):
    assert local_path(path) == ""
