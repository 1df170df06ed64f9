"""Trust marks count when the anchor lets their issuer attest them (OpenID Federation 1.0 section 7)."""

from itertools import count

import pytest
from joserfc.jwk import ECKey
from tests.unit.standards.openid_federation.federation import ANCHOR, KEYS, LEAF, MIDDLE, NOW, jwks, said

from salus.core.errors import NotAuthenticated
from salus.standards.jose.compact import sign
from salus.standards.openid_federation.statement import check_form
from salus.standards.openid_federation.trust_mark import (
    issuer_of,
    sign_delegation,
    sign_trust_mark,
    verify_trust_mark,
)

KIND, OWNED, OPEN = "https://x.example/member", "https://x.example/owned", "https://x.example/open"
OWNER, OWNER_KEY = "https://owner.example", ECKey.generate_key("P-384")
ANCHOR_SAYS = check_form(
    said(
        ANCHOR,
        ANCHOR,
        trust_mark_issuers={KIND: [MIDDLE], OWNED: [MIDDLE], OPEN: []},
        trust_mark_owners={
            OWNED: {"sub": OWNER, "jwks": {"keys": [OWNER_KEY.as_dict(private=False) | {"kid": "o"}]}}
        },
    )
)


def claims(kind=KIND, **changes):
    found = {"iss": MIDDLE, "sub": LEAF, "trust_mark_type": kind, "iat": NOW, "exp": NOW + 600} | changes
    return {name: one for name, one in found.items() if one is not None}


def mark(kind=KIND, *, key=None, **changes):
    return sign_trust_mark(claims(kind, **changes), key or KEYS[MIDDLE], kid=MIDDLE)


def delegation(*, key=None, **changes):
    found = {"iss": OWNER, "sub": MIDDLE, "trust_mark_type": OWNED, "iat": NOW} | changes
    return sign_delegation(found, key or OWNER_KEY, kid="o")


def verified(text, now=NOW, subject=LEAF):
    keys = jwks(MIDDLE)["keys"]
    return verify_trust_mark(text, subject=subject, issuer_keys=keys, anchor=ANCHOR_SAYS, now=now)


def test_a_mark_of_an_issuer_that_the_anchor_names_counts():
    found = verified(mark())
    assert (found.type, found.issuer, found.expires_at) == (KIND, MIDDLE, NOW + 600)
    assert issuer_of(mark()) == MIDDLE
    assert verified(mark(OPEN, exp=None)).expires_at is None
    assert verified(mark(OWNED, delegation=delegation())).type == OWNED


@pytest.mark.parametrize(
    "text",
    [
        mark("https://x.example/unheard-of"),
        mark(iss="https://other.example"),
        mark(sub=MIDDLE),
        mark(exp=NOW - 61),
        mark(iat=NOW + 61),
        mark(iat=None),
        mark(trust_mark_type=1),
        mark(key=OWNER_KEY),
        sign(claims(), KEYS[MIDDLE], kid=MIDDLE),
        mark(delegation=delegation()),
        mark(OWNED),
        mark(OWNED, delegation=1),
        mark(OWNED, delegation=delegation(key=KEYS[MIDDLE])),
        mark(OWNED, delegation=delegation(iss=MIDDLE)),
        mark(OWNED, delegation=delegation(sub=LEAF)),
        mark(OWNED, delegation=delegation(trust_mark_type=KIND)),
        mark(OWNED, delegation=delegation(exp=NOW - 61)),
        mark(OWNED, delegation=mark(OWNED)),
    ],
    ids=count(),
)
def test_any_other_mark_is_refused(text):
    with pytest.raises(NotAuthenticated):
        verified(text)


def test_a_mark_of_somebody_else_counts_for_nothing():
    with pytest.raises(NotAuthenticated):
        verified(mark(), subject=MIDDLE)
