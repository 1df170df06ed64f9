"""Everything that may go wrong and is expected, in one flat list.

Each error carries the FHIR issue code (http://hl7.org/fhir/issue-type) and the HTTP status that
`web/problems.py` answers with. Its message is safe to show to the caller and says what to do next.
"""

from __future__ import annotations

from typing import ClassVar


class SalusError(Exception):
    """An expected failure. The message is safe to show and holds no personal data."""

    issue: ClassVar[str] = "processing"
    status: ClassVar[int] = 400

    def __init__(self, message: str, *, expression: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.expression = expression


class MalformedContent(SalusError):
    """The bytes cannot be read as the format they claim to be."""

    issue, status = "structure", 400


class NotAnObject(MalformedContent):
    """The JSON is no object, and so no resource."""


class InvalidResource(SalusError):
    """The resource breaks a rule of its definition; `issues` holds an issue for each rule."""

    issue, status = "invalid", 422

    def __init__(self, message: str, *, issues: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.issues = issues


class NotAuthenticated(SalusError):
    """No token, or one that cannot be trusted."""

    issue, status = "login", 401


class NoCredentials(NotAuthenticated):
    """No bearer token was sent at all."""


class OAuthRefused(SalusError):
    """The authorization server refuses; `error` is the code that RFC 6749 and its kin have for it."""

    issue, status = "security", 400

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error


class ProofRefused(NotAuthenticated):
    """The request does not prove that its sender holds the key of the token (RFC 9449)."""


class WalletRefused(NotAuthenticated):
    """The wallet, or its owner, did not want to show what was asked for."""


class AccessRefused(SalusError):
    """The policy refused."""

    issue, status = "forbidden", 403


class NotSureEnough(AccessRefused):
    """The log-in is not sure enough for this; `needed` is the least level of assurance (eIDAS)."""

    def __init__(self, message: str, needed: str) -> None:
        super().__init__(message)
        self.needed = needed


class NotFound(SalusError):
    """There is no such thing, or the caller may not know that there is."""

    issue, status = "not-found", 404


class Gone(SalusError):
    """The resource was deleted."""

    issue, status = "deleted", 410


class NotSupported(SalusError):
    """The node does not do this."""

    issue, status = "not-supported", 400


class MethodNotAllowed(SalusError):
    """The address exists, the HTTP method does not."""

    issue, status = "not-supported", 405


class NotAcceptable(SalusError):
    """The format asked for is not one the node can write."""

    issue, status = "not-supported", 406


class UnsupportedMedia(SalusError):
    """The format sent is not one the node can read."""

    issue, status = "not-supported", 415


class Conflict(SalusError):
    """The request contradicts what is stored."""

    issue, status = "conflict", 409


class AlreadyDone(Conflict):
    """What is asked was done before; doing it again would do it twice."""

    issue = "duplicate"


class KeptAsIs(Conflict):
    """What is asked to be undone is stored, and stays as it is."""

    issue = "business-rule"


class VersionConflict(SalusError):
    """If-Match names another version than the current one."""

    issue, status = "conflict", 412


class MultipleMatches(SalusError):
    """A condition that must select one resource selects several."""

    issue, status = "multiple-matches", 412


class InvalidSearch(SalusError):
    """A search says what cannot be understood; the message names the parameter and what is allowed."""

    issue, status = "invalid", 400


class TooLarge(SalusError):
    """A body, a Bundle or an answer is over its limit."""

    issue, status = "too-long", 413


class TooSlow(SalusError):
    """The body of a request takes longer to arrive than the node waits."""

    issue, status = "timeout", 408


class TooCostly(SalusError):
    """The search would cost more than its limit; the message says which filter is missing."""

    issue, status = "too-costly", 403


class OverBudget(SalusError):
    """A batch, or a transaction, used up its time or the bytes of its answer; the entry was not looked at."""

    issue, status = "too-costly", 503


class Throttled(SalusError):
    """Too many requests from one place."""

    issue, status = "throttled", 429


class PeerUnavailable(SalusError):
    """Another node did not answer in time or answered what cannot be read."""

    issue, status = "transient", 502


class StorageUnavailable(SalusError):
    """The database or its disk cannot take the request; nothing was changed."""

    issue, status = "no-store", 503


class KeyMissing(StorageUnavailable):
    """What is asked for is sealed with a key that is not there, or no longer."""


class SettingsInvalid(SalusError):
    """The node's settings or folder cannot be used as they are."""

    issue, status = "invalid", 500


class InvalidExpression(SalusError):
    """A FHIRPath expression cannot be parsed or evaluated; `position` counts characters from 0."""

    issue, status = "invalid", 400

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message if position is None else f"{message} (at character {position})")
        self.position = position
