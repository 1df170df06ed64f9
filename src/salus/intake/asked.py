"""What the entries of a loaded Bundle ask of a server: conditional creates and updates, and no other methods.

Source: R4 http.html#ccreate (Bundle.entry.request.ifNoneExist) and #cond-update (PUT [type]?[query]). What is
selected is looked up by `intake.conditions`. A load changes what its own source sent, and nothing of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from salus.intake.check import refusal
from salus.intake.identity import Head

Request = Mapping[str, Any]  # Bundle.entry.request; its members are of many types, hence Any
AskedEntry = tuple[str, bytes, dict[str, Any]]
"""fullUrl, resource and request of an entry."""


class Refusal(Exception):
    """An entry asks for what a load does not do; `outcome` says why."""

    def __init__(self, outcome: bytes) -> None:
        super().__init__()
        self.outcome = outcome


class Settled(msgspec.Struct, frozen=True):
    """What became of the conditions of a Bundle's entries.

    Args:
        wanted: conditions ("Type?query") that must be looked up first.
        existing: by place, the "Type/id" that a conditional create found: the entry is not stored.
        updated: by place, the "Type/id" that a conditional update found: the entry is its next version.
        refused: by place, the outcome that says why not.
    """

    wanted: tuple[str, ...]
    existing: Mapping[int, str]
    updated: Mapping[int, str]
    refused: Mapping[int, bytes]

    def links(self, entries: Sequence[AskedEntry]) -> dict[str, str]:
        """Return what the fullUrls of the entries stand for whose resource there is already."""
        found = {**self.existing, **self.updated}
        return {entries[place][0]: name for place, name in found.items() if entries[place][0]}


def condition_of(request: Request, kind: str) -> str:
    """Return the condition of an entry as "Type?query", "" where it has none.

    Raises:
        Refusal: it updates another type than it holds, or asks for a method that a load does not do.
    """
    method = str(request.get("method", "POST"))
    if method not in ("POST", "PUT"):
        raise Refusal(
            refusal(
                "not-supported",
                f"A loaded Bundle may create and update; {method[:16]} needs the FHIR interface.",
                "Bundle.entry.request.method",
            )
        )
    if method == "POST":
        query = request.get("ifNoneExist")
        if not isinstance(query, str) or not query:
            return ""
        return f"{kind}?{query.removeprefix(kind).removeprefix('?')}"
    url = str(request.get("url", ""))
    if "?" not in url:
        return ""
    if url.partition("?")[0].rpartition("/")[2] != kind:
        message = f"The request updates {url[:80]!a}, and the entry holds a {kind}."
        raise Refusal(refusal("value", message, "Bundle.entry.request.url"))
    return f"{kind}?{url.partition('?')[2]}"


def settle(
    source: str, links: Mapping[str, str | None], entries: Sequence[AskedEntry], places: Sequence[int]
) -> Settled:
    """Return what becomes of the entries that ask for something on a condition.

    Args:
        source: the source's URI: a conditional update is of what it sent itself.
        links: what conditions were found to be (`prepare.Setting`).
        entries: of the Bundle.
        places: of those that are loaded.
    """
    wanted: list[str] = []
    existing: dict[int, str] = {}
    updated: dict[int, str] = {}
    refused: dict[int, bytes] = {}
    for place in places:
        _, content, request = entries[place]
        try:
            condition = condition_of(request, _kind_of(content))
            if not condition or not content:
                continue
            is_update = request.get("method") == "PUT"
            asked = [condition, f"{condition}&_source={quote(source, safe='')}"] if is_update else [condition]
            missing = [one for one in asked if one not in links]
            if missing:
                wanted += missing
                continue
            found = _only(links[condition], condition, is_update=is_update)
            if is_update and found and links[asked[1]] != found:
                raise Refusal(_of_another(condition, found))
            if found:
                (updated if is_update else existing)[place] = found
        except Refusal as error:
            refused[place] = error.outcome
    return Settled(tuple(wanted), existing, updated, refused)


def _kind_of(content: bytes) -> str:
    try:
        return msgspec.json.decode(content, type=Head).resourceType if content else ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""  # parsing it says what is wrong


def _only(found: str | None, condition: str, *, is_update: bool) -> str:
    if found is not None:
        return found
    what, where = ("The update", "url") if is_update else ("ifNoneExist", "ifNoneExist")
    kind = condition.partition("?")[0]
    message = f"{what} {condition[:80]!a} must be a search that selects one {kind} at most."
    raise Refusal(refusal("multiple-matches", message, f"Bundle.entry.request.{where}"))


def _of_another(condition: str, found: str) -> bytes:
    message = (
        f"The update {condition[:80]!a} selects {found}, which this source did not send. A load updates what "
        "its own source sent: send the entry without the condition, or update it by the FHIR interface."
    )
    return refusal("conflict", message, "Bundle.entry.request.url")
