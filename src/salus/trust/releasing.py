"""Telling the people concerned of an incident (GDPR, Art. 34): the texts that an auditor releases.

Each person gets a notice with the text in their language, and one leaf. It is done page by page, and can be
done again: who was told is not told twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from salus.core.errors import Conflict, InvalidSearch
from salus.store import incidents as store
from salus.store.incident_people import Told, release_texts, released_languages, tell_people
from salus.trust.incident_people import people_of
from salus.trust.incidents import TEXT_MAX, TYPE, Desk, spoken_by

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_LANGUAGES_MAX = 40
_TO_FILL_IN = re.compile(r"\[[^\]\n]{0,200}\]")


class Released(msgspec.Struct, frozen=True):
    """What a release did: people told now, told before, and the language that others fall back to."""

    told: int
    told_before: int
    fallback: str


async def release(desk: Desk, number: int, texts: Mapping[str, str]) -> Released:
    """Tell the people concerned, each in their language where there is a text in it, else in the node's.

    Args:
        desk: who asks; the auditor.
        number: of the incident.
        texts: by language; with none, those that were released before tell who was not told yet.

    Raises:
        AccessRefused: the caller is not the auditor.
        InvalidSearch: there is no text in the node's language, or one still has something to fill in.
        Conflict: the incident is closed.
    """
    _check(texts)
    async with desk.settle(f"{TYPE}/{number} released") as access:
        incident, _ = await store.incident(access.grant, desk.database, number)
        if incident.closed_at is not None:
            raise Conflict(f"Incident {number} is closed; open another one for what came to light since.")
        spoken = await released_languages(access.grant, desk.database, number) | set(texts)
        if desk.language not in spoken:
            raise InvalidSearch(
                f"There must be a text in {desk.language}, for those whose language has none."
            )
        if texts:
            await release_texts(access.grant, desk.database, number, texts)
        told = before = 0
        async for page in people_of(access.grant, desk.database, incident):
            people = [
                Told(
                    person.affected.patient,
                    person.language if person.language in spoken else desk.language,
                    tuple(person.affected.categories),
                )
                for person in await spoken_by(desk, access.grant, page)
            ]
            new = await tell_people(access.grant, desk.database, number, desk.node, people)
            told, before = told + len(new), before + len(people) - len(new)
    return Released(told, before, desk.language)


def _check(texts: Mapping[str, str]) -> None:
    if len(texts) > _LANGUAGES_MAX:
        raise InvalidSearch(f"There are more than {_LANGUAGES_MAX} languages.")
    for language, text in texts.items():
        if not _LANGUAGE.fullmatch(language):
            raise InvalidSearch(f"Name languages as en, pt, et; not {language[:20]!r}.")
        if not text.strip() or len(text) > TEXT_MAX:
            raise InvalidSearch(f"The text in {language} is empty or longer than {TEXT_MAX} characters.")
        left = _TO_FILL_IN.search(text)
        if left is not None:
            raise InvalidSearch(f"The text in {language} still has something to fill in: {left[0][:80]}")
