"""Drafts of a breach's notices, in the reader's language (GDPR, Art. 33(3) and 34(2)): `notices.toml`."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib import resources

import msgspec

from salus.trust.breach.affected import Extent, categories
from salus.trust.breach.kinds import ORDINARY, kinds

ORIGINAL = "en"


class Sentences(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """One language of the table; a notice that it lacks is drafted in the original's."""

    reviewed: bool
    unreviewed: str
    none: str
    sealed: str
    opened: str
    unknown: str
    authority: str
    persons: str
    controller: str = ""
    early_warning: str = ""
    csirt: str = ""
    final_report: str = ""


class Happening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happened, in one language: a row of `happenings.toml`, whose head says what the columns mean."""

    nature: str
    headline: str
    happened: str
    risk: str


class Occasion(msgspec.Struct, frozen=True):
    """What a draft tells of.

    Args:
        node: the organisation, by its name.
        incident: its number.
        aware_at, since, until: as of the incident.
        measures: what was done so far, a sentence each.
        kind: of incident, as in `kinds.toml`.
        protection: of what was taken, as in `kinds.py`.
    """

    node: str
    incident: int
    aware_at: datetime
    since: datetime
    until: datetime
    measures: tuple[str, ...]
    kind: str = ORDINARY
    protection: str = "unknown"


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


@cache
def happenings() -> dict[str, dict[str, Happening]]:
    """Return what happened, by kind's text and language."""
    text = resources.files(__package__).joinpath("happenings.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, dict[str, Happening]])


def draft(notice: str, language: str, occasion: Occasion, extent: Extent) -> Draft:
    """Return the draft of a notice about such an extent, in the language or, where it has none, English."""
    attribute = notice.replace("-", "_")
    spoken = language if getattr(languages().get(language), attribute, "") else ORIGINAL
    sentences = languages()[spoken]
    kind, table = kinds()[occasion.kind], categories()
    told = happenings()[kind.text][spoken]
    moments = {"since": _moment(occasion.since), "until": _moment(occasion.until)}
    protection = f" {getattr(sentences, occasion.protection)}" if kind.sealable else ""
    body = (
        str(getattr(sentences, attribute))
        .strip()
        .format(
            node=occasion.node,
            incident=occasion.incident,
            persons=extent.persons,
            accesses=extent.accesses,
            aware=_moment(occasion.aware_at),
            nature=told.nature.format(**moments),
            headline=told.headline,
            happened=told.happened.format(**moments),
            risk=told.risk,
            protection=protection,
            categories=", ".join(table[name].text[spoken] for name in sorted(extent.categories)) or "-",
            measures=" ".join(occasion.measures) or sentences.none,
        )
    )
    marks = [] if sentences.reviewed else [f"[{sentences.unreviewed} / Unreviewed translation.]"]
    return Draft(notice, spoken, sentences.reviewed, "\n\n".join([*marks, body]))


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
