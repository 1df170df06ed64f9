"""From whom a citizen is advised to take the program that checks a report."""

from datetime import UTC, datetime, timedelta

from salus.core.access import Leaf, Outcome
from salus.federation.membership_list import Member, MembershipList
from salus.store.access_log import LoggedAccess
from salus.web.portal.accesses import MEMBERS_MAX, is_own, other_members

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)


def member(node, *, until=NOW + YEAR, status="active"):
    return Member(node, "EE", node, f"https://{node}.test", [], until, status)


def listed(*members):
    return MembershipList("f", 1, NOW - YEAR, NOW + YEAR, members)


def test_the_other_active_members_are_named():
    current = listed(
        member("ee-1"), member("pt-1"), member("fr-1", status="revoked"), member("fi-1", until=NOW)
    )
    assert [each.base_url for each in other_members(current, "ee-1", NOW)] == ["https://pt-1.test"]


def test_a_node_without_a_federation_names_nobody():
    assert other_members(None, "ee-1", NOW) == []


def test_a_long_list_is_cut():
    many = listed(*(member(f"n-{number}") for number in range(MEMBERS_MAX + 5)))
    assert len(other_members(many, "ee-1", NOW)) == MEMBERS_MAX


def looked(role, *, marks=(), withheld_until=None):
    leaf = Leaf(
        NOW,
        "r",
        "p1",
        "s",
        "Ana",
        role,
        "",
        "",
        "CITIZEN",
        "read",
        "Condition",
        1,
        Outcome.SERVED,
        "x",
        marks,
    )
    return LoggedAccess(1, 0, leaf, b"", withheld_until)


def test_only_what_the_citizen_did_alone_is_their_own():
    assert is_own(looked("citizen"))
    for other in (
        looked("clinician"),
        looked("proxy"),
        looked("desk", marks=("assisted",)),
        looked("citizen", marks=("assisted",)),
        looked("citizen", withheld_until=NOW),
    ):
        assert not is_own(other)
