"""Tokens of our own making: client assertions, wallet presentations, health links, scopes; valid and broken.

Each kind is known by its members. The clock is the file's `now`. A case of level "should" or "may" is set
apart. What a scope makes of a request is in `scopes.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from conformance.scoreboard.scopes import answered
from conformance.scoreboard.suite import Case, Suite
from conformance.scoreboard.vectors import level_apart, objects
from salus.core.errors import NotAuthenticated, SalusError
from salus.core.limits import Limits
from salus.standards.healthlinks.files import open_file
from salus.standards.healthlinks.link import check_payload, read_link
from salus.standards.jose import compact
from salus.standards.sdjwt.credential import Credential, verify_credential
from salus.standards.sdjwt.presentation import Binding
from salus.standards.smart.assertion import ALGORITHMS, check_claims
from salus.standards.smart.scopes import parse_scope

Table = dict[str, Any]
_LIMITS = Limits()
_SHAPES = (
    ("token_endpoint", "cases"),
    ("issuer_jwks", "cases"),
    ("now", "cases"),
    ("scope", "request", "allowed"),
)


def _recognises(folder: Path) -> bool:
    return "tokens" in folder.name and any(any(objects(folder, *shape)) for shape in _SHAPES)


def _judged(name: str, case: Table, run: Callable[[], str]) -> Case:
    """Play a case that is valid or not; `run` returns what is wrong with what was accepted."""
    try:
        wrong = run()
    except SalusError as error:
        wrong = f"refused: {error.message}" if case["valid"] else ""
    except (KeyError, TypeError, ValueError) as error:
        wrong = f"the case cannot be read: {error!r}"
    else:
        wrong = wrong if case["valid"] else "accepted, must be refused"
    return Case(f"{name}/{case['name']}", wrong, level_apart(case))


def _assertion(case: Table, table: Table, used: set[str]) -> str:
    """Check a client assertion, and remember that it was used."""
    if compact.unverified(case["jwt"]).claims.get("iss") != table["client_id"]:
        raise NotAuthenticated("the client is not registered")
    claims = compact.verify(case["jwt"], table["jwks"]["keys"], algorithms=ALGORITHMS).claims
    skew = _LIMITS.clock_skew_seconds
    found = check_claims(claims, endpoint=table["token_endpoint"], now=table["now"], skew_seconds=skew)
    if found.jti in used:
        raise NotAuthenticated("the assertion was used already")
    used.add(found.jti)
    return ""


def _assertions(folder: Path) -> Iterator[Case]:
    for name, table in objects(folder, "token_endpoint", "jwks", "cases"):
        used: set[str] = set()
        for case in table["cases"]:
            yield _judged(name, case, partial(_assertion, case, table, used))


def _other_claims(found: Credential, case: Table) -> str:
    """Return how the claims shown differ from those listed; an array of which nothing is shown is empty."""
    listed = set(case.get("disclosed", []))
    registered = {"iss", "vct", "iat", "exp", "nbf", "cnf", "status", "sub"}
    shown = {name for name, one in found.claims.items() if name not in registered and one not in ([], {})}
    return "" if "disclosed" not in case or shown == listed else f"shows {sorted(shown)}"


def _presentation(case: Table, table: Table) -> str:
    """Verify a presentation as the table says; return how its claims differ from those listed."""
    text, skew = case["presentation"], int(table.get("clock_skew_s", _LIMITS.clock_skew_seconds))
    is_bound = table.get("key_binding_required", True) or not text.endswith("~")
    found = verify_credential(
        text,
        issuers={table["trusted_issuer"]: table["issuer_jwks"]["keys"]},
        types=frozenset({table["vct"]}),
        binding=Binding(table["aud"], table["nonce"], skew_seconds=skew) if is_bound else None,
        now=table["now"],
        skew_seconds=skew,
    )
    return _other_claims(found, case)


def _presentations(folder: Path) -> Iterator[Case]:
    for name, table in objects(folder, "issuer_jwks", "trusted_issuer", "nonce", "cases"):
        for case in table["cases"]:
            yield _judged(name, case, partial(_presentation, case, table))


def _open_link(case: Table, now: float) -> str:
    link = read_link(case["shlink"], now=now)
    if "payload" in case and check_payload(case["payload"], now=now) != link:
        return "the link says another thing than its payload"
    if "jwe" not in case:
        return ""
    file = open_file(case["jwe"], link.key)
    right = hashlib.sha256(file.body).hexdigest() == case.get("plaintext_sha256")
    return "" if right and file.type == case.get("content_type", file.type) else "another content"


def _links(folder: Path) -> Iterator[Case]:
    for name, table in objects(folder, "now", "cases"):
        for case in table["cases"]:
            if "shlink" in case:
                yield _judged(name, case, partial(_open_link, case, table["now"]))


_SAME = {"deny": {"deny", "refused"}, "refused": {"deny", "refused"}, "filtered": {"empty", "filtered"}}


def _scopes(folder: Path) -> Iterator[Case]:
    for name, case in objects(folder, "scope", "request", "allowed"):
        scopes = [scope for scope in map(parse_scope, case["scope"].split()) if scope is not None]
        try:
            found = answered(scopes, case["request"])
        except SalusError as error:
            found = f"refused ({error.message})"
        expected = case["allowed"]
        right = found in _SAME.get(expected, {expected})
        yield Case(
            f"{name}/{json.dumps(case['scope'])}",
            "" if right else f"expected {expected}, {found}",
            level_apart(case),
        )


def _play(folder: Path) -> Iterator[Case]:
    yield from _assertions(folder)
    yield from _presentations(folder)
    yield from _links(folder)
    yield from _scopes(folder)


SUITE = Suite("own-tokens", _recognises, _play)
