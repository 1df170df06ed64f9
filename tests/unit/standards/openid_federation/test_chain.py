"""Trust chains hold from the subject to an anchor, or not at all (OpenID Federation 1.0 sections 4 to 10)."""

import pytest
from joserfc.jwk import ECKey
from tests.unit.standards.openid_federation.federation import (
    ANCHOR,
    KEYS,
    LEAF,
    MIDDLE,
    NOW,
    RELYING_PARTY,
    configuration,
    jwks,
    token,
)

from salus.core.errors import NotAuthenticated
from salus.standards.openid_federation.chain import LIFE_SECONDS_MAX, verify_chain
from salus.standards.openid_federation.constraints import check_constraints

ANCHORS = {ANCHOR: jwks(ANCHOR)["keys"]}


def chain(first=None, second=None, third=None, *more):
    tokens = [first or configuration(), second or token(MIDDLE, LEAF), third or token(ANCHOR, MIDDLE)]
    return [*tokens, *more]


def verified(tokens, *, now=NOW, fetched_at=NOW, anchors=ANCHORS):
    return verify_chain(tokens, anchors=anchors, now=now, fetched_at=fetched_at)


def test_a_chain_leads_from_its_subject_to_an_anchor():
    found = verified(chain())
    assert (found.subject, found.anchor, found.superiors) == (LEAF, ANCHOR, (MIDDLE, ANCHOR))
    assert found.metadata == RELYING_PARTY
    assert found.keys[0]["kid"] == LEAF
    with_anchor = chain(None, None, None, token(ANCHOR, ANCHOR))
    assert verified(with_anchor).metadata == RELYING_PARTY
    assert verified([configuration(superior=ANCHOR), token(ANCHOR, LEAF)]).superiors == (ANCHOR,)
    assert verified([token(ANCHOR, ANCHOR)]).superiors == ()


@pytest.mark.parametrize(
    ("fetched_at", "now"), [(NOW, NOW + LIFE_SECONDS_MAX), (NOW - 900, NOW), (NOW - 5_000, NOW)]
)
def test_a_chain_dies_a_quarter_of_an_hour_after_it_was_fetched(fetched_at, now):
    assert verified(chain(), now=now - 1, fetched_at=now - 1).expires_at == now - 1 + LIFE_SECONDS_MAX
    with pytest.raises(NotAuthenticated, match="ended"):
        verified(chain(), now=now, fetched_at=fetched_at)


def test_a_chain_dies_with_its_shortest_statement():
    assert verified(chain(second=token(MIDDLE, LEAF, exp=NOW + 30))).expires_at == NOW + 30
    with pytest.raises(NotAuthenticated):
        verified(chain(second=token(MIDDLE, LEAF, exp=NOW - 1)))


STRANGER = ECKey.generate_key("P-384")


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        [configuration()],
        chain()[1:],
        chain()[:2],
        [chain()[0], chain()[2]],
        chain(first=configuration(superior=ANCHOR)),
        chain(first=configuration(authority_hints=None)),
        chain(first=token(ANCHOR, LEAF)),
        chain(first=configuration(key=STRANGER)),
        chain(second=token(MIDDLE, LEAF, key=STRANGER)),
        chain(third=token(ANCHOR, MIDDLE, key=STRANGER)),
        chain(second=token(MIDDLE, LEAF, jwks=jwks(MIDDLE))),
        chain(third=token(ANCHOR, MIDDLE, jwks=jwks(LEAF))),
        chain(second=token(MIDDLE, MIDDLE)),
        chain(None, None, token(MIDDLE, MIDDLE), token(ANCHOR, MIDDLE)),
        chain(None, None, token(MIDDLE, MIDDLE)),
        chain(None, None, token(LEAF, MIDDLE), token(ANCHOR, LEAF)),
        chain(None, None, None, token(ANCHOR, ANCHOR, key=STRANGER)),
        chain(None, None, None, *[token(ANCHOR, ANCHOR)] * 9),
    ],
)
def test_a_chain_with_a_broken_link_is_refused(tokens):
    with pytest.raises(NotAuthenticated):
        verified(tokens)


def test_an_anchor_that_is_not_trusted_counts_for_nothing():
    with pytest.raises(NotAuthenticated, match="no anchor"):
        verified(chain(), anchors={"https://other.example": ANCHORS[ANCHOR]})
    with pytest.raises(NotAuthenticated):
        verified(chain(), anchors={ANCHOR: [STRANGER.as_dict(private=False) | {"kid": ANCHOR}]})


def test_superiors_set_metadata_and_policies_merge_from_the_anchor_down():
    by_middle = token(
        MIDDLE,
        LEAF,
        metadata={"openid_relying_party": {"client_name": "Named by the region"}},
        metadata_policy={"openid_relying_party": {"contacts": {"add": ["b@x.example"]}}},
    )
    policy = {
        "openid_relying_party": {"contacts": {"add": ["a@x.example"]}, "grant_types": {"essential": True}}
    }
    found = verified(chain(second=by_middle, third=token(ANCHOR, MIDDLE, metadata_policy=policy)))
    assert found.metadata["openid_relying_party"] == {
        "client_name": "Named by the region",
        "grant_types": ["authorization_code"],
        "contacts": ["a@x.example", "b@x.example"],
    }


@pytest.mark.parametrize(
    "constraints",
    [
        {"max_path_length": 0},
        {"max_path_length": -1},
        {"max_path_length": True},
        {"naming_constraints": {"permitted": [".region.example"]}},
        {"naming_constraints": {"permitted": []}},
        {"naming_constraints": {"excluded": ["node.example"]}},
        {"naming_constraints": {"excluded": [".example"]}},
        {"naming_constraints": {"excluded": "node.example"}},
        {"naming_constraints": []},
        {"allowed_entity_types": "openid_provider"},
    ],
)
def test_constraints_of_a_superior_hold_for_all_below(constraints):
    with pytest.raises(NotAuthenticated):
        verified(chain(third=token(ANCHOR, MIDDLE, constraints=constraints)))


def test_types_that_a_superior_does_not_allow_are_taken_away():
    allowed = token(ANCHOR, MIDDLE, constraints={"allowed_entity_types": [], "max_path_length": 1})
    own = configuration(metadata={**RELYING_PARTY, "federation_entity": {"contacts": ["x"]}})
    assert verified(chain(own, None, allowed)).metadata == {"federation_entity": {"contacts": ["x"]}}


@pytest.mark.parametrize(
    ("name", "inside"),
    [(".example.com", True), ("host.example.com", True), ("example.com", False), (".ample.com", False)],
)
def test_a_name_with_a_point_before_it_holds_what_is_below_it(name, inside):
    constraints = {"naming_constraints": {"permitted": [name]}}
    if inside:
        check_constraints(constraints, below=["https://host.example.com/x"])
    else:
        with pytest.raises(NotAuthenticated):
            check_constraints(constraints, below=["https://host.example.com/x"])


def test_a_key_that_a_superior_no_longer_names_counts_for_nothing():
    fresh = ECKey.generate_key("P-384")
    listed = {"keys": [fresh.as_dict(private=False) | {"kid": "fresh"}]}
    with pytest.raises(NotAuthenticated):
        verified(chain(second=token(MIDDLE, LEAF, jwks=listed)))
    assert KEYS[LEAF] is not fresh
