"""A running node honours the newest list of its folder at its next look."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import ECKey

from salus.core.errors import AccessRefused, Conflict, NotAuthenticated
from salus.federation import anchor
from salus.federation.membership import Membership, install_list, read_membership
from salus.federation.membership_list import (
    Member,
    MembershipList,
    key_id,
    sign_list,
    with_member,
    without_member,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
ANCHOR = ECKey.generate_key("P-384")
PUBLIC = {name: ANCHOR.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}
EMPTY = MembershipList("demo", 1, NOW, LATER, ())


def member(node):
    return Member(node, "EE", node, f"https://{node}.example", [PUBLIC | {"kid": key_id(PUBLIC)}], LATER)


def test_a_node_without_a_federation_admits_nobody(tmp_path):
    membership = Membership(tmp_path)
    assert membership.current is None
    assert membership.others("ee-1", NOW) == []
    assert membership.country_of("ee-1") == ""
    with pytest.raises(AccessRefused, match="joined no federation"):
        membership.admitted("ee-1", NOW)


def test_a_revocation_counts_from_the_next_look_on(tmp_path):
    admitted = with_member(EMPTY, member("pt-1"), now=NOW, expires_at=LATER)
    install_list(tmp_path, sign_list(admitted, ANCHOR), anchor=PUBLIC)
    membership = Membership(tmp_path)
    assert membership.admitted("pt-1", NOW).node == "pt-1"
    membership.install(sign_list(without_member(admitted, "pt-1", now=NOW, expires_at=LATER), ANCHOR))
    with pytest.raises(AccessRefused, match="revoked"):
        membership.admitted("pt-1", NOW)
    with pytest.raises(Conflict, match="older"):
        membership.install(sign_list(admitted, ANCHOR))
    assert membership.others("ee-1", NOW) == []


def test_the_anchor_first_trusted_is_trusted_for_good(tmp_path):
    install_list(tmp_path, sign_list(EMPTY, ANCHOR), anchor=PUBLIC)
    other = ECKey.generate_key("P-384")
    with pytest.raises(NotAuthenticated):
        install_list(tmp_path, sign_list(EMPTY, other), anchor=other.as_dict(private=False))
    assert read_membership(tmp_path) == EMPTY


def test_a_list_without_an_anchor_to_check_it_is_refused(tmp_path):
    with pytest.raises(AccessRefused, match="anchor"):
        install_list(tmp_path, sign_list(EMPTY, ANCHOR))


def test_a_list_altered_on_disk_is_not_believed(tmp_path):
    install_list(tmp_path, sign_list(EMPTY, ANCHOR), anchor=PUBLIC)
    path = tmp_path / "federation" / "members.jws"
    path.write_text(sign_list(EMPTY, ECKey.generate_key("P-384")))
    with pytest.raises(NotAuthenticated):
        _ = Membership(tmp_path).current


def test_an_expired_list_admits_nobody(tmp_path):
    admitted = with_member(EMPTY, member("pt-1"), now=NOW, expires_at=LATER)
    install_list(tmp_path, sign_list(admitted, ANCHOR), anchor=PUBLIC)
    membership = Membership(tmp_path)
    assert [each.node for each in membership.others("ee-1", NOW)] == ["pt-1"]
    assert membership.others("ee-1", LATER) == []
    with pytest.raises(AccessRefused, match="expired"):
        membership.admitted("pt-1", LATER)


def test_nodes_that_join_at_the_same_time_are_all_on_the_list(tmp_path):
    anchor.make_federation(tmp_path, "demo", now=NOW)
    names = [f"n-{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: anchor.admit(tmp_path, member(name), now=NOW), names))
    joined = read_membership(tmp_path)
    assert [each.node for each in joined.members] == names
    assert joined.version == 9
