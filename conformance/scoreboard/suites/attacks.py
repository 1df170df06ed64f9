"""Hostile requests, played raw over loopback against a fresh, guarded node (README beside the vectors).

A case passes when its answer is of the class it expects, tells nothing that it must not, comes within two
seconds and is no 5xx; when what is refused changed nothing; and when the node reached for nothing outside.
"""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from conformance.scoreboard.attacks.target import HIDDEN, Answer, Target, target
from conformance.scoreboard.suite import Case, Suite
from conformance.scoreboard.vectors import objects
from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.validation.validator import is_valid, validate

Table = dict[str, Any]  # Any: a case as its file has it
_STALL_SECONDS = 2.0
_MEMBERS = ("id", "method", "path", "auth", "expect")
_INTERNALS = ("Traceback", "asyncpg", "syntax error at", "site-packages", "salus_wide")
"""Words of the node's inside, which no answer has."""


def _recognises(folder: Path) -> bool:
    return "attacks" in folder.name and next(objects(folder, *_MEMBERS), None) is not None


def _failure(node: Target, case: Table) -> str:
    """Play a case; return what is wrong with the answer and with what it left behind, "" if nothing is."""
    before = node.newest()
    try:
        answer = _sent(node, case)
        if answer.seconds > _STALL_SECONDS:  # a busy machine stalls anything once, an attack each time
            answer = min(answer, _sent(node, case), key=lambda each: each.seconds)
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error!r}"
    return _unfit(answer) or _told(answer, case) or _misjudged(answer, case) or _changed(node, before, answer)


def play_cases(node: Target, cases: Iterable[Table]) -> Iterator[Case]:
    """Play cases; one that ends after the node reached for something outside has failed."""
    attempts = 0
    for case in cases:
        failure = _failure(node, case)
        found = node.attempts()
        if found[attempts:]:
            failure = failure or f"reaches for {found[attempts:]}"
        attempts = len(found)
        yield Case(case["id"], failure)


def _sent(node: Target, case: Table) -> Answer:
    return node.send(
        case["method"],
        node.filled(case["path"]),
        _body(node, case),
        token=node.logins.get(case["auth"]),
        content_type=case.get("content_type"),
        headers={name: node.filled(text) for name, text in case.get("headers", {}).items()},
    )


def _body(node: Target, case: Table) -> bytes | None:
    if "body_b64" in case:
        return base64.b64decode(case["body_b64"])
    if "body_parts" in case:
        return b"".join(node.filled(text).encode() * times for text, times in case["body_parts"])
    return node.filled(case["body"]).encode() if "body" in case else None


def _unfit(answer: Answer) -> str:
    if answer.status >= 500:
        return f"{answer.status}: {answer.body[:200]!r}"
    return f"stalls for {answer.seconds:.1f} s" if answer.seconds > _STALL_SECONDS else ""


def _told(answer: Answer, case: Table) -> str:
    text = answer.text
    told = [word for word in (HIDDEN, *_INTERNALS, *case.get("never_in_answer", ())) if word in text]
    return f"tells {told}" if told else ""


def _misjudged(answer: Answer, case: Table) -> str:
    """Return why the answer is not of the class expected, nor of the second good one."""
    counted = case.get("status")
    is_right = answer.status in counted if counted else _is_of(case["expect"], answer)
    if not is_right and case.get("or", "").startswith("accepted"):
        is_right = _is_of("accepted", answer) and _is_harmless(answer)
    return "" if is_right else f"expected {counted or case['expect']}, got {answer.status}"


def _is_of(expected: str, answer: Answer) -> bool:
    match expected:
        case "refused":
            return 400 <= answer.status < 500
        case "accepted":
            return 200 <= answer.status < 300
        case "neutral":
            return answer.status < 500
    return False


def _is_harmless(answer: Answer) -> bool:
    """Return whether what is kept has no active content: the validator refuses any."""
    try:
        return is_valid(validate(parse_json(answer.body, Limits())))
    except SalusError:
        return False


def _changed(node: Target, before: str, answer: Answer) -> str:
    is_refused = answer.status >= 400
    return "refused, and something was stored" if is_refused and node.newest() != before else ""


def _play(folder: Path) -> Iterator[Case]:
    with target() as node:
        yield from play_cases(node, (case for _, case in objects(folder, *_MEMBERS)))


SUITE = Suite("attacks", _recognises, _play)
