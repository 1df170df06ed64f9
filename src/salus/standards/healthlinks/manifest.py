"""Who gets the manifest behind a link, and what it says (SMART Health Links, "Manifest Request").

A manifest is asked for by POST with the recipient's name and the passcode. What counts against the link
(wrong passcodes in its whole life, uses) is the store's to keep; what follows from it is decided here.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from salus.core.errors import MalformedContent

RECIPIENT_LENGTH_MAX = 200
PASSCODE_LENGTH_MAX = 100
EMBEDDED_LENGTH_MAX = 1024 * 1024
WRONG_PASSCODES_MAX = 10
_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}


class ManifestRequest(msgspec.Struct, frozen=True):
    """What a recipient sends.

    Args:
        recipient: who asks, for the citizen to read.
        passcode: "" for none.
        embedded_length_max: longest encrypted file that may stand in the manifest, in characters; None: any.
    """

    recipient: str
    passcode: str = ""
    embedded_length_max: int | None = None


class LinkState(msgspec.Struct, frozen=True):
    """What the store knows of a link when it is asked for.

    Args:
        passcode_digest: `digest_passcode` of the passcode; None when the link has none.
        salt: of that digest.
        expires_at: seconds since 1970, None for never.
        is_revoked: the citizen has ended it.
        wrong_passcodes: given in the link's whole life.
        wrong_passcodes_max: that end it.
        uses: manifests given out.
        uses_max: 1 for a one-time link, None for any number.
    """

    passcode_digest: bytes | None
    salt: bytes
    expires_at: float | None
    is_revoked: bool
    wrong_passcodes: int
    wrong_passcodes_max: int = WRONG_PASSCODES_MAX
    uses: int = 0
    uses_max: int | None = None


class Verdict(StrEnum):
    """What becomes of a request: the manifest, 401 with the attempts left, or 404 as if it had never been."""

    SERVE = "serve"
    WRONG_PASSCODE = "wrong-passcode"
    GONE = "gone"


class ManifestDecision(msgspec.Struct, frozen=True):
    """The verdict, and how many wrong passcodes are left (None where there is no passcode)."""

    verdict: Verdict
    attempts_left: int | None = None


class ManifestFile(msgspec.Struct, frozen=True):
    """A file as the manifest names it.

    Args:
        type: content type.
        token: the encrypted file.
        location: https address of the same bytes, valid for at most an hour and for this answer only.
        updated_at: when it last changed.
    """

    type: str
    token: str
    location: str
    updated_at: datetime


class _Body(msgspec.Struct, frozen=True):
    recipient: str
    passcode: str = ""
    embedded_length_max: int | None = msgspec.field(default=None, name="embeddedLengthMax")


def read_request(body: bytes) -> ManifestRequest:
    """Return what a recipient asks.

    Raises:
        MalformedContent: it is no JSON object with a recipient, or a member is too long.
    """
    try:
        read = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise MalformedContent(
            "send a JSON object with recipient, and passcode where one is needed"
        ) from error
    if not read.recipient.strip() or len(read.recipient) > RECIPIENT_LENGTH_MAX:
        raise MalformedContent(f"recipient must be a text of 1 to {RECIPIENT_LENGTH_MAX} characters")
    if len(read.passcode) > PASSCODE_LENGTH_MAX:
        raise MalformedContent(f"passcode must be at most {PASSCODE_LENGTH_MAX} characters")
    if read.embedded_length_max is not None and read.embedded_length_max < 0:
        raise MalformedContent("embeddedLengthMax must not be negative")
    return ManifestRequest(read.recipient, read.passcode, read.embedded_length_max)


def digest_passcode(passcode: str, salt: bytes) -> bytes:
    """Return what is kept of a passcode: scrypt (RFC 7914), so that the store does not hold the passcode."""
    return hashlib.scrypt(passcode.encode(), salt=salt, **_SCRYPT)


def decide(state: LinkState, request: ManifestRequest, *, now: float) -> ManifestDecision:
    """Return whether the recipient gets the manifest.

    A link that has ended (expired, revoked, used up, too many wrong passcodes) looks like one that never was,
    whatever passcode comes with the request. The last wrong passcode allowed ends it.
    """
    left = state.wrong_passcodes_max - state.wrong_passcodes
    ended = state.is_revoked or left <= 0 or (state.expires_at is not None and state.expires_at <= now)
    if ended or (state.uses_max is not None and state.uses >= state.uses_max):
        return ManifestDecision(Verdict.GONE)
    if state.passcode_digest is None:
        return ManifestDecision(Verdict.SERVE)
    if hmac.compare_digest(digest_passcode(request.passcode, state.salt), state.passcode_digest):
        return ManifestDecision(Verdict.SERVE, left)
    return ManifestDecision(Verdict.WRONG_PASSCODE, left - 1)


def write_manifest(files: Sequence[ManifestFile], request: ManifestRequest) -> dict[str, Any]:
    """Return the manifest: short files embedded, the others at their location."""
    longest = EMBEDDED_LENGTH_MAX
    if request.embedded_length_max is not None:
        longest = min(longest, request.embedded_length_max)
    return {
        "files": [
            {"contentType": file.type, "lastUpdated": file.updated_at.astimezone(UTC).isoformat()}
            | ({"embedded": file.token} if len(file.token) <= longest else {"location": file.location})
            for file in files
        ]
    }


def read_manifest(manifest: dict[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """Return (content type, embedded JWE, location) of each file of a manifest; "" for what it lacks.

    Raises:
        MalformedContent: a file has neither or both.
    """
    files = manifest.get("files")
    if not isinstance(files, list) or not all(isinstance(one, dict) for one in files):
        raise MalformedContent("the manifest must hold an array of files")
    found = []
    for one in files:
        kind, embedded, location = one.get("contentType"), one.get("embedded", ""), one.get("location", "")
        if not all(isinstance(text, str) for text in (kind, embedded, location)) or not kind:
            raise MalformedContent(
                "a file of the manifest must have a content type, and texts in its members"
            )
        if not embedded and not location.startswith("https://"):
            raise MalformedContent("a file of the manifest must be embedded or at an https location")
        found.append((kind, embedded, location))
    return tuple(found)
