"""Languages that are asked for (RFC 9110 Accept-Language, BCP 47 tags) and what fits them.

A reader of pt-BR takes pt-BR first, then pt, then what else the code system offers, unless "*;q=0" forbids
it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from salus.core.errors import MalformedContent

_TAG = re.compile(r"\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,7}").fullmatch
_QUALITY = re.compile(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*").fullmatch
LANGUAGES_MAX = 20
FULL, REGION, LANGUAGE = 3, 2, 1
"""How far two tags must agree: wholly, in language, script and region, in language alone."""


class Wanted(msgspec.Struct, frozen=True):
    """A language asked for; `quality` 0 to 1, 0 for one that is not wanted."""

    tag: str
    quality: float = 1.0


def parse_languages(text: str) -> tuple[Wanted, ...]:
    """Return the languages of an Accept-Language or displayLanguage, the best first.

    Raises:
        MalformedContent: it is no list of language tags.
    """
    found = []
    for part in text.split(",")[:LANGUAGES_MAX]:
        if not part.strip():
            continue
        tag, _, quality = part.strip().partition(";")
        weight = _QUALITY(quality) if quality else None
        if not _TAG(tag.strip()) or (quality and weight is None):
            raise MalformedContent(
                f"{text[:60]!a} is no list of languages; write tags such as de or pt-BR, en;q=0.5."
            )
        found.append(Wanted(tag.strip(), float(weight[1]) if weight else 1.0))
    return tuple(sorted(found, key=lambda one: -one.quality))


def allows_any(wanted: Sequence[Wanted]) -> bool:
    """Return whether names in other languages may be given where the languages asked for have none."""
    return all(one.quality > 0 for one in wanted if one.tag == "*")


def agree(wanted: str, tag: str, depth: int) -> bool:
    """Return whether a tag fits a wanted one, down to a depth."""
    if wanted == "*":
        return True
    left, right = wanted.lower().split("-"), tag.lower().split("-")
    if depth == FULL:
        return left == right
    if left[0] != right[0]:
        return False
    return depth == LANGUAGE or _region(left) == _region(right)


def _region(parts: Sequence[str]) -> tuple[str, ...]:
    """Return script and region of a tag's parts."""
    return tuple(
        one
        for one in parts[1:]
        if (len(one) == 4 and one.isalpha()) or len(one) == 2 or (len(one) == 3 and one.isdigit())
    )


def fits(wanted: Sequence[Wanted], tag: str, depth: int = LANGUAGE) -> bool:
    """Return whether a tag fits any of the languages asked for; an unstated one fits all."""
    return not tag or any(one.quality > 0 and agree(one.tag, tag, depth) for one in wanted)


def shown(wanted: Sequence[Wanted]) -> str:
    """Return the languages as an expansion repeats them: weights are set off by a space."""
    return (
        "".join(f", {one.tag}; q={one.quality:g}" if one.quality < 1 else f",{one.tag}" for one in wanted)
        .removeprefix(",")
        .lstrip()
    )
