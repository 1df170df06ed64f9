"""A key counts when certificates lead from it to an authority that the caller trusts."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey
from tests.unit.standards.jose.authority import NOW, certificate, key

from salus.core.errors import NotAuthenticated
from salus.standards.jose.certificates import certified_key, fingerprint, write_chain

ROOT_KEY, MIDDLE_KEY, LEAF_KEY = key(), key(), key()
ROOT = certificate("root", ROOT_KEY, "root", ROOT_KEY, is_ca=True)
MIDDLE = certificate("middle", MIDDLE_KEY, "root", ROOT_KEY, is_ca=True, path_length=0)
LEAF = certificate("leaf", LEAF_KEY, "middle", MIDDLE_KEY)
DIRECT = certificate("leaf", LEAF_KEY, "root", ROOT_KEY)


def found(*chain, anchors=(ROOT,), now=NOW):
    return certified_key(write_chain(chain), anchors=anchors, now=now)


def test_a_chain_to_the_anchor_vouches_for_its_first_key():
    public = ECKey.import_key(LEAF_KEY.public_key()).as_dict(private=False)
    assert found(LEAF, MIDDLE) == (public, LEAF)
    assert found(DIRECT) == (public, DIRECT)
    assert len(fingerprint(LEAF)) == 43


@pytest.mark.parametrize(
    ("chain", "why"),
    [
        ((LEAF,), "lead to no authority"),
        ((LEAF, MIDDLE, ROOT), "trust anchor"),
        ((ROOT,), "trust anchor"),
        ((certificate("self", LEAF_KEY, "self", LEAF_KEY),), "signed itself"),
        ((DIRECT, MIDDLE), "not issued by"),
        ((certificate("leaf", LEAF_KEY, "root", LEAF_KEY),), "not issued by"),
        ((certificate("deep", key(), "leaf", LEAF_KEY), LEAF, MIDDLE), "may not issue"),
        ((certificate("leaf", LEAF_KEY, "root", ROOT_KEY, days=30),), "not valid now"),
        (
            (certificate("leaf", LEAF_KEY, "root", ROOT_KEY, critical=x509.OCSPNoCheck()),),
            "critical extension",
        ),
        ((LEAF,) * 5, "1 to 4"),
        ((), "1 to 4"),
    ],
)
def test_any_other_chain_is_refused(chain, why):
    with pytest.raises(NotAuthenticated, match=why):
        found(*chain)


def test_an_authority_issues_no_deeper_than_it_may():
    inner = key()
    below = certificate("below", inner, "middle", MIDDLE_KEY, is_ca=True)
    leaf = certificate("leaf", LEAF_KEY, "below", inner)
    with pytest.raises(NotAuthenticated, match="may not issue"):
        found(leaf, below, MIDDLE)


@pytest.mark.parametrize("header", [None, "AAAA", ["AAAA"], ["!"], [1], [base64.b64encode(b"x").decode()]])
def test_what_is_no_certificate_is_refused(header):
    with pytest.raises(NotAuthenticated):
        certified_key(header, anchors=[ROOT], now=NOW)


def test_the_key_must_be_an_elliptic_one():
    made = certificate("leaf", rsa.generate_private_key(65537, 2048), "root", ROOT_KEY)
    with pytest.raises(NotAuthenticated, match="EC key"):
        found(made)
