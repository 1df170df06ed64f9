"""The files behind a link, each encrypted with its key (SMART Health Links, "Encrypting and Decrypting").

JWE compact, `alg` dir, `enc` A256GCM, the content type in `cty`; `zip` DEF may be there.
"""

from __future__ import annotations

import msgspec

from salus.core.errors import MalformedContent, NotAuthenticated
from salus.standards.jose.encryption import open_direct, seal_direct

ENCRYPTIONS = frozenset({"A256GCM"})
CARD, FHIR, ACCESS = "application/smart-health-card", "application/fhir+json", "application/smart-api-access"
TYPES = frozenset({CARD, FHIR, ACCESS})
FILE_BYTES_MAX = 32 * 1024 * 1024


class File(msgspec.Struct, frozen=True):
    """A file, readable.

    Args:
        type: content type, one of `TYPES`.
        body: its bytes.
    """

    type: str
    body: bytes


def seal_file(file: File, key: bytes) -> str:
    """Return the file encrypted with the link's key."""
    assert file.type in TYPES
    return seal_direct(file.body, key, enc="A256GCM", headers={"cty": file.type})


def open_file(token: str, key: bytes, *, bytes_max: int = FILE_BYTES_MAX) -> File:
    """Return the file.

    A sender may write the content type as `contentType` or leave it to the manifest; then it is FHIR here.

    Raises:
        MalformedContent: it was altered, is encrypted otherwise, too large, or of an unknown type.
    """
    try:
        opened = open_direct(token.strip(), key, encryptions=ENCRYPTIONS, bytes_max=bytes_max)
    except NotAuthenticated as error:
        raise MalformedContent(f"the file cannot be opened: {error.message}") from error
    kind = opened.header.get("cty", opened.header.get("contentType", FHIR))
    if not isinstance(kind, str) or kind.partition(";")[0] not in TYPES:
        raise MalformedContent("the file's content type is none of a SMART Health Link")
    return File(kind.partition(";")[0], opened.plaintext)
