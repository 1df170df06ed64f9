"""What of a record may be erased (GDPR, Art. 17(1) and (3)), by the law of the node's country.

What professionals recorded is kept as long as the country's table says (`record-kept-years`), whoever asks.
Pure; what is found here is put before who asks at once, and binds who answers.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from salus.store.erasing import Held
from salus.trust.jurisdictions.law import Ground, Jurisdiction


class Ruling(msgspec.Struct, frozen=True):
    """Whether it may be erased, by which rule, why or why not in plain words, and by which law.

    Args:
        may: whether.
        rule: of this module, one word: pages say it in the reader's language.
        reason: in English.
        law: where it is written.
        until: until when it is kept, None where no time is known.
    """

    may: bool
    rule: str
    reason: str
    law: str
    until: datetime | None = None


def rule_on_erasure(held: Held, ground: Ground, law: Jurisdiction, now: datetime) -> Ruling:
    """Return whether something may be erased on a ground.

    Whether a document came without a ground, or a record was made by mistake, is for who answers to find:
    the ruling says that it may then go.
    """
    grounds, years = law.erasure_grounds, law.record_kept_years
    if held.looks_open:
        return Ruling(
            False,
            "looks-open",
            "An emergency access to this record, or an incident that concerns it, is still being looked "
            "into. Nothing of the record is erased before that has ended: it is evidence. Ask again then.",
            "GDPR, article 17(3)(e)",
        )
    if ground not in grounds.value:
        return Ruling(
            False, "unknown-ground", f"The law of {law.name} does not know this ground.", grounds.source
        )
    if ground is Ground.OWN_ENTRY and held.is_own:
        return Ruling(True, "own", "Nobody but the person has entered this.", grounds.source)
    if ground is Ground.NO_GROUND and held.is_document:
        return Ruling(
            True,
            "document",
            "It is a document that was received. It may go if who answers finds that nothing permitted "
            "to load it.",
            grounds.source,
        )
    if ground is Ground.MISTAKE and held.is_whole:
        return Ruling(
            True,
            "mistake",
            "It may go if who answers finds that the whole record was made by mistake.",
            grounds.source,
        )
    until = None if held.last_entry_at is None else years_later(held.last_entry_at, years.value)
    if ground is Ground.RETENTION_ENDED and (until is None or until <= now):
        return Ruling(True, "ended", "It has been kept as long as it must be.", years.source)
    rule = "nobody-else" if until is None else "kept"
    source = f"GDPR, article 17(3)(b) and (c); {years.source}"
    return Ruling(False, rule, _kept(ground, until, years.value), source, until)


def _kept(ground: Ground, until: datetime | None, years: int) -> str:
    if until is None:
        return "Nobody else has entered anything: ask for it to be erased as your own entries."
    told = (
        f"What professionals recorded is kept for {years} years after the last entry, here until "
        f"{until:%Y-%m-%d}, whoever asks. You can hide it, or have it corrected."
    )
    if ground is Ground.MISTAKE:
        return f"One entry that is wrong is corrected, not erased; a whole record made by mistake is. {told}"
    if ground is Ground.NO_GROUND:
        return f"This ground is for documents that were received. {told}"
    if ground is Ground.OWN_ENTRY:
        return f"Somebody else entered this, or it came from elsewhere. {told}"
    return told


def years_later(at: datetime, years: int) -> datetime:
    """Return the same day some years later; the 28th of February for a 29th that is not there."""
    try:
        return at.replace(year=at.year + years)
    except ValueError:
        return at.replace(year=at.year + years, day=28)
