"""The root of a tree by the recursive definition of RFC 9162, 2.1.1: what our incremental one must give."""

import hashlib


def root_of(entries):
    """Return the Merkle Tree Hash of the entries."""
    listed = list(entries)
    if not listed:
        return hashlib.sha256(b"").digest()
    if len(listed) == 1:
        return hashlib.sha256(b"\x00" + listed[0]).digest()
    split = 1 << (len(listed) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root_of(listed[:split]) + root_of(listed[split:])).digest()
