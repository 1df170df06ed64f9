"""Whether a document that arrives follows its profiles: counted, no reason to refuse it (decision 0047)."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from salus.standards.fhir.profiles.brief import Brief, brief_of, identifiers_of
from salus.standards.fhir.profiles.categories import detect
from salus.standards.fhir.profiles.shipped import shipped_book
from salus.standards.fhir.profiles.validator import check_profiles


class Judged(msgspec.Struct, frozen=True):
    """A document as it was judged on arrival.

    Args:
        brief: what is counted of it.
        identifiers: its own business identifiers.
        milliseconds: how long it took.
    """

    brief: Brief
    identifiers: tuple[str, ...]
    milliseconds: float


def judge(document: dict[str, Any]) -> Judged:  # Any: FHIR JSON
    """Return how a document that is valid R4 stands to its profiles."""
    started = time.perf_counter()
    book, detected = shipped_book(), detect(document)
    issues = check_profiles(document, book, detected.profiles, detected.inner)
    rules = [one.message_id for one in issues if one.severity == "error"]
    brief = brief_of(document, detected, rules, book)
    milliseconds = (time.perf_counter() - started) * 1_000
    return Judged(brief, tuple(identifiers_of(document)), milliseconds)


def judge_refused(content: bytes, outcome: bytes) -> Judged | None:
    """Return how a document stands that is not valid R4 and was refused; None where it cannot be read."""
    try:
        document, told = msgspec.json.decode(content), msgspec.json.decode(outcome)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    rules = [_rule_of(one) for one in told.get("issue", ()) if one.get("severity") in ("error", "fatal")]
    brief = brief_of(document, detect(document), rules, shipped_book())
    return Judged(brief, tuple(identifiers_of(document)), 0.0)


def _rule_of(issue: dict[str, Any]) -> str:  # Any: FHIR JSON
    named = [one.get("valueString") for one in issue.get("extension", ())]
    return str(next(filter(None, named), issue["code"]))
