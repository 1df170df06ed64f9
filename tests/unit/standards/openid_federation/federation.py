"""A small federation for tests: an anchor, an intermediate and a leaf, with what they say of each other."""

from joserfc.jwk import ECKey

from salus.standards.openid_federation.statement import sign_statement

NOW = 1_790_000_000
ANCHOR, MIDDLE, LEAF = "https://anchor.example", "https://region.example", "https://node.example"
KEYS = {name: ECKey.generate_key("P-384") for name in (ANCHOR, MIDDLE, LEAF)}
RELYING_PARTY = {"openid_relying_party": {"client_name": "Node", "grant_types": ["authorization_code"]}}


def jwks(name):
    return {"keys": [KEYS[name].as_dict(private=False) | {"kid": name}]}


def said(issuer, subject, **changes):
    claims = {"iss": issuer, "sub": subject, "iat": NOW, "exp": NOW + 3_600, "jwks": jwks(subject)} | changes
    return {name: one for name, one in claims.items() if one is not None}


def token(issuer, subject, *, key=None, kid=None, **changes):
    return sign_statement(said(issuer, subject, **changes), key or KEYS[issuer], kid=kid or issuer)


def configuration(name=LEAF, superior=MIDDLE, **changes):
    members = {"metadata": RELYING_PARTY, "authority_hints": [superior]} | changes
    return token(name, name, **members)
