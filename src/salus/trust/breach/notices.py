"""Drafts of a breach's notices, in the reader's language (GDPR, Art. 33(3) and 34(2)): `notices.toml`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib import resources

import msgspec

from salus.trust.breach.affected import Affected, categories

ORIGINAL = "en"


class Sentences(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """One language of the table; a notice that it lacks is drafted in the original's."""

    reviewed: bool
    unreviewed: str
    none: str
    authority: str
    persons: str
    controller: str = ""
    early_warning: str = ""
    csirt: str = ""
    final_report: str = ""


class Occasion(msgspec.Struct, frozen=True):
    """What a draft tells of.

    Args:
        node: the organisation, by its name.
        incident: its number.
        aware_at, since, until: as of the incident.
        measures: what was done so far, a sentence each.
    """

    node: str
    incident: int
    aware_at: datetime
    since: datetime
    until: datetime
    measures: tuple[str, ...]


class Draft(msgspec.Struct, frozen=True):
    """A notice to be completed and sent by a person.

    Args:
        notice: its short name, as in `clocks.toml`.
        language: it is written in.
        reviewed: whether its sentences were read by a lawyer or translator of that language.
        text: of the notice.
    """

    notice: str
    language: str
    reviewed: bool
    text: str


@cache
def languages() -> dict[str, Sentences]:
    """Return the table, by language (BCP 47)."""
    text = resources.files(__package__).joinpath("notices.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, Sentences])


def draft(notice: str, language: str, occasion: Occasion, affected: Sequence[Affected]) -> Draft:
    """Return the draft of a notice about the affected, in the language or, where it has none, in English."""
    attribute = notice.replace("-", "_")
    spoken = language if getattr(languages().get(language), attribute, "") else ORIGINAL
    sentences = languages()[spoken]
    names = sorted(set().union(*(one.categories for one in affected)))
    table = categories()
    body = (
        str(getattr(sentences, attribute))
        .strip()
        .format(
            node=occasion.node,
            incident=occasion.incident,
            persons=len(affected),
            accesses=sum(one.accesses for one in affected),
            aware=_moment(occasion.aware_at),
            since=_moment(occasion.since),
            until=_moment(occasion.until),
            categories=", ".join(table[name].text[spoken] for name in names) or "-",
            measures=" ".join(occasion.measures) or sentences.none,
        )
    )
    marks = [] if sentences.reviewed else [f"[{sentences.unreviewed} / Unreviewed translation.]"]
    return Draft(notice, spoken, sentences.reviewed, "\n\n".join([*marks, body]))


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
