"""Exchanges between nodes as they are counted: what about, and how they ended (docs/decisions/0047)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import httpx

from salus.core.errors import PeerUnavailable, SalusError
from salus.core.tally import Kind, Outcome, Tally

ASKED, ANSWERED = "asked", "answered"
NO_REASON = "no reason given"
Observe = Callable[[Tally, float], None]
"""Takes what happened, and how many milliseconds it took."""

ABOUT = {
    "Patient": "look-up",
    "DocumentReference": "documents",
    "Binary": "documents",
    "Bundle": "documents",
    "MedicationRequest": "electronic-prescription",
    "MedicationDispense": "electronic-dispensation",
}
"""What a question is about, by the type that it names; a transaction between nodes brings a dispensation."""

_SEARCHSET = re.compile(rb'"type"\s*:\s*"searchset"')
_MATCH = re.compile(rb'"mode"\s*:\s*"match"')


def category_of(segments: Sequence[str]) -> str:
    """Return what a FHIR address is about; its segments follow the base."""
    if not segments:
        return "electronic-dispensation"
    if segments[-1] == "$summary":
        return "patient-summary"
    return ABOUT.get(segments[0], "other")


def outcome_of_answer(status: int, body: bytes) -> Outcome:
    """Return how an exchange ended that was answered: with something, or with a search that found nothing."""
    if _SEARCHSET.search(body) and not _MATCH.search(body):
        return Outcome.EMPTY
    return Outcome.ANSWERED if status < 400 else Outcome.REFUSED


def outcome_of_error(error: SalusError) -> Outcome:
    """Return how an exchange ended that failed, at the side that asked."""
    if isinstance(error, PeerUnavailable):
        if isinstance(error.__cause__, TimeoutError | httpx.TimeoutException):
            return Outcome.LATE
        return Outcome.UNREACHABLE if isinstance(error.__cause__, httpx.HTTPError) else Outcome.UNREADABLE
    return Outcome.REFUSED_WITHOUT_REASON if NO_REASON in str(error) else Outcome.REFUSED


def exchange(way: str, node: str, country: str, segments: Sequence[str], outcome: Outcome) -> Tally:
    """Return what is counted of an exchange with a node."""
    return Tally(
        Kind.EXCHANGE,
        way,
        system=node,
        country=country,
        category=category_of(segments),
        outcome=outcome.value,
    )
