"""A link commits to person, number, leaf before and record, byte for byte as verifiers read it."""

import hashlib

from salus.standards.merkle.link import NO_LEAF, Link, pseudonym


def test_a_link_is_written_as_the_decision_says():
    entry = hashlib.sha256(b"entry").digest()
    link = Link(b"\xab" * 32, 7, NO_LEAF, entry)
    assert link.text == f"salus/leaf/v1\n{'ab' * 32}\n7\n{'00' * 32}\n{entry.hex()}\n"
    assert link.leaf == hashlib.sha256(b"\x00" + link.text.encode()).digest()


def test_a_pseudonym_is_an_hmac_under_the_nodes_key():
    """RFC 4231, test case 2."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert pseudonym(b"Jefe", "what do ya want for nothing?").hex() == expected
    assert pseudonym(b"Jefe", "ana") != pseudonym(b"Jefe", "rui")
