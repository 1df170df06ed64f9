"""The node's keys on disk."""

import pytest

from salus.core.errors import SettingsInvalid
from salus.trust.keys import load_keys, make_keys, public_jwks


def test_keys_are_made_once_and_only_their_owner_may_read_them(tmp_path):
    folder = tmp_path / "keys"
    made = make_keys(folder)
    assert make_keys(folder).search == made.search
    assert load_keys(folder).federation.as_dict() == made.federation.as_dict()
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [
        "audit.key",
        "federation.jwk",
        "ledger.jwk",
        "pseudonym.key",
        "search.key",
        "token.jwk",
    ]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_node_from_before_a_key_gets_it_once_and_an_audit_key_may_have_older_ones_beside_it(tmp_path):
    make_keys(tmp_path)
    for name in ("pseudonym.key", "audit.key"):
        (tmp_path / name).unlink()
    found = load_keys(tmp_path)
    assert (load_keys(tmp_path).pseudonym, load_keys(tmp_path).audit) == (found.pseudonym, found.audit)
    path = tmp_path / "audit.key"
    path.write_bytes(b"n" * 32 + path.read_bytes())
    assert load_keys(tmp_path).audit == (b"n" * 32, *found.audit)
    path.write_bytes(b"short")
    with pytest.raises(SettingsInvalid, match="32 bytes a key"):
        load_keys(tmp_path)


def test_the_public_set_holds_no_private_part(tmp_path):
    members = public_jwks(make_keys(tmp_path))["keys"]
    assert [(m["kty"], m["crv"], m["alg"]) for m in members] == [
        ("EC", "P-384", "ES384"), ("EC", "P-256", "ES256"), ("OKP", "Ed25519", "EdDSA"),
    ]  # fmt: skip
    assert all("d" not in member and member["kid"] for member in members)


@pytest.mark.parametrize("name", ["federation.jwk", "token.jwk", "ledger.jwk", "search.key"])
def test_a_key_that_is_missing_broken_swapped_or_open_to_others_is_refused(tmp_path, name):
    make_keys(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    path.chmod(0o640)
    with pytest.raises(SettingsInvalid, match="chmod 600"):
        load_keys(tmp_path)
    path.chmod(0o600)
    for wrong in (b"", b"{}", b"not json", (tmp_path / "token.jwk").read_bytes() + b" "):
        if name == "token.jwk" and wrong.endswith(b"} "):
            continue
        path.write_bytes(wrong)
        with pytest.raises(SettingsInvalid):
            load_keys(tmp_path)
    path.write_bytes(content)
    load_keys(tmp_path)
    path.unlink()
    with pytest.raises(SettingsInvalid, match="salus node init"):
        load_keys(tmp_path)
