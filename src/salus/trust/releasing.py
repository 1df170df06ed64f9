"""Telling the people concerned of an incident (GDPR, Art. 34): one auditor proposes texts, another releases.

Each person gets a notice with the text in their language, and one leaf. It is done page by page, and can be
done again: who was told is not told twice.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

import msgspec

from salus.core.access import Grant
from salus.core.errors import Conflict, InvalidSearch
from salus.store import incidents as store
from salus.store.incident_people import (
    Proposed,
    Told,
    agree_to_texts,
    propose_texts,
    proposed_texts,
    released_languages,
    tell_people,
)
from salus.trust.incident_people import people_of
from salus.trust.incidents import TEXT_MAX, TYPE, Desk, spoken_by

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_LANGUAGES_MAX = 40
_LINK = re.compile(
    r"[a-z][a-z0-9+.-]*:/[^\s]*|\b(?:mailto|javascript|data|tel|intent):[^\s]+|\bwww\.[^\s]+"
    r"|(?<![@\w.-])(?:[\w-]{2,}\.)+[a-z]{2,}\b(?:[/:?#][^\s]*)?",
    re.IGNORECASE,
)
"""Whatever a reader's program may make a link of; the address of a mailbox is none."""
_TURNS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, those of bidirectional writing too (Unicode, UAX 9)."""
_TO_FILL_IN = re.compile(r"\[[^\]\n]{0,200}\]")


class Released(msgspec.Struct, frozen=True):
    """What a release did: people told now, told before, and the language that others fall back to."""

    told: int
    told_before: int
    fallback: str


class Proposal(msgspec.Struct, frozen=True):
    """The texts that wait, who proposed them, and a digest by which another auditor agrees to just these."""

    texts: dict[str, str]
    by: tuple[str, ...]
    digest: str


async def propose(desk: Desk, number: int, texts: Mapping[str, str]) -> Proposal:
    """Propose what people are told; nobody is, until another auditor agrees (`agree`).

    Args:
        desk: who asks; the auditor.
        number: of the incident.
        texts: by language.

    Raises:
        AccessRefused: the caller is not the auditor.
        InvalidSearch: there is no text in the node's language, one still has something to fill in, leads
            elsewhere than to this node, or turns the direction of writing.
        Conflict: the incident is closed.
    """
    _check(texts, desk.address)
    async with desk.settle(f"{TYPE}/{number} proposed") as access:
        await _open_and_spoken(desk, access.grant, number, frozenset(texts))
        await propose_texts(access.grant, desk.database, number, texts)
        return _proposal(await proposed_texts(access.grant, desk.database, number))


async def proposal(desk: Desk, number: int) -> Proposal:
    """Return what waits for another auditor. Raises as `propose` does."""
    async with desk.settle(f"{TYPE}/{number} proposal") as access:
        return _proposal(await proposed_texts(access.grant, desk.database, number))


async def agree(desk: Desk, number: int, digest: str) -> Released:
    """Agree to the texts of a digest, and tell the people concerned.

    Raises:
        AccessRefused: the caller is not the auditor.
        Conflict: the same auditor proposed them, none waits, they have changed, or the incident is closed.
    """
    async with desk.settle(f"{TYPE}/{number} released") as access:
        await store.incident(access.grant, desk.database, number)
        await agree_to_texts(
            access.grant, desk.database, number, lambda found: _proposal(found).digest == digest
        )
    return await release(desk, number)


async def release(desk: Desk, number: int) -> Released:
    """Tell those who were not told yet, each in their language where a text in it was agreed to.

    Raises:
        AccessRefused: the caller is not the auditor.
        InvalidSearch: no text in the node's language was agreed to.
        Conflict: the incident is closed.
    """
    async with desk.settle(f"{TYPE}/{number} released") as access:
        spoken = await _open_and_spoken(desk, access.grant, number, frozenset())
        incident, _ = await store.incident(access.grant, desk.database, number)
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


async def _open_and_spoken(desk: Desk, grant: Grant, number: int, more: frozenset[str]) -> frozenset[str]:
    """Return the languages in which there is a text, with more; the node's own is among them."""
    incident, _ = await store.incident(grant, desk.database, number)
    if incident.closed_at is not None:
        raise Conflict(f"Incident {number} is closed; open another one for what came to light since.")
    spoken = more | await released_languages(grant, desk.database, number)
    if desk.language not in spoken:
        raise InvalidSearch(f"There must be a text in {desk.language}, for those whose language has none.")
    return spoken


def _proposal(found: Sequence[Proposed]) -> Proposal:
    texts = {each.language: each.text for each in found}
    digest = hashlib.sha256(msgspec.json.encode(texts, order="sorted")).hexdigest() if texts else ""
    return Proposal(texts, tuple(sorted({each.by for each in found})), digest)


def _check(texts: Mapping[str, str], address: str) -> None:
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
        _check_leads_nowhere(language, text, address)


def _check_leads_nowhere(language: str, text: str, address: str) -> None:
    """Refuse what a forger would put into a notice of this node: links elsewhere, and turned writing."""
    if _TURNS.search(text):
        raise InvalidSearch(f"The text in {language} holds control characters; write it without.")
    for found in _LINK.finditer(text):
        named = found[0].rstrip(".,;:!?)>]\"'")
        if named != address and not named.startswith((f"{address}/", f"{address}?", f"{address}#")):
            raise InvalidSearch(
                f"The text in {language} leads to {named[:80]}; it may lead to this node alone ({address})."
            )
