"""The name that a person has under one data permit, and under no other (EHDS, Art. 66(3)).

HMAC-SHA-256 under a key that is the permit's alone: whoever holds the data of two permits cannot join them,
and when the key is destroyed with the permit nobody finds the person from the name again.
"""

from __future__ import annotations

import hmac

from salus.standards.jose.encoding import encode

_LABEL = b"salus/permit-pseudonym/v1"


def pseudonym(key: bytes, permit: str, person: str) -> str:
    """Return a person's name under a permit: 43 characters of base64url.

    Args:
        key: 32 secret bytes of that permit.
        permit: its id.
        person: logical id of the person's record; of merged ones always the same of them.
    """
    assert len(key) == 32
    message = b"\0".join((_LABEL, permit.encode(), person.encode()))
    return encode(hmac.digest(key, message, "sha256"))
