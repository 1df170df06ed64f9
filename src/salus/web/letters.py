"""Letters for the desk to print and post: to whom, where, and the same few words as every message.

The text of an incident is in it (GDPR, Art. 34), unless the person chose to be told quietly: for them the
letter is how it reaches them. It names no health data.
"""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable

import msgspec

from salus.core.access import Action, Caller
from salus.core.identifiers import new_id
from salus.store import letters as store
from salus.store.letters import Letter
from salus.store.notice_ways import forget_way
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.channel import ORIGINAL, texts
from salus.web.outgoing import acts_still
from salus.web.services import Services

TYPE = "notice-letter"
LINES_MAX = 12


class _Name(msgspec.Struct):
    text: str = ""
    family: str = ""
    given: list[str] = []


class _Address(msgspec.Struct, rename="camel"):
    text: str = ""
    line: list[str] = []
    postal_code: str = ""
    city: str = ""
    country: str = ""


class _Receiver(msgspec.Struct):
    name: list[_Name] = []
    address: list[_Address] = []


class Printed(msgspec.Struct, frozen=True):
    """A letter: a random id to name its file, the language, the receiver's lines, the paragraphs.

    `lines` is empty where the record has no address: whoever prints finds it otherwise.
    """

    id: str
    language: str
    lines: list[str]
    paragraphs: list[str]


async def print_letters(
    services: Services,
    caller: Caller,
    keep: Callable[[Printed], Awaitable[None]],
    *,
    incident: int = 0,
) -> int:
    """Hand the letters that wait, `LETTERS_MAX` at most, to `keep`, then mark them printed; return how many.

    Each is a leaf of whom it is about, durable before anything is handed over.
    """
    asked = AccessRequest(Action.READ, TYPE, f"letters of incident/{incident}" if incident else "letters")
    async with enter(services.gatehouse, caller, asked) as access:
        grant, database = access.grant, services.database
        found = [
            each
            for each in await store.letters(grant, database, incident)
            if not each.holder or await _acts(services, each)
        ]
        people = await store.receivers(grant, database, [each.holder or each.patient for each in found])
        said = await store.unread_texts(grant, database, [each.patient for each in found if not each.quiet])
        access.record([each.patient for each in found])
        await access.settle()
        for each in found:
            content = people.get(each.holder or each.patient, b"{}")
            await keep(_printed(services, each, content, said.get(each.patient, [])))
        await store.note_printed(grant, database, found)
    return len(found)


async def _acts(services: Services, letter: Letter) -> bool:
    """Return whether its reader may still act for the person; who may not gets none any more."""
    if await acts_still(services, letter.patient, letter.holder):
        return True
    await forget_way(services.database, letter.patient, letter.holder)
    return False


def _printed(services: Services, letter: Letter, content: bytes, said: list[str]) -> Printed:
    words = texts().get(letter.language, texts()[ORIGINAL])
    if letter.quiet:
        paragraphs = [words.quiet_body]
    else:
        paragraphs = [words.letter.format(node=services.name, address=services.base_url)]
        if said and not letter.holder:
            paragraphs += [words.of_incidents, *(line for text in said for line in text.split("\n") if line)]
    return Printed(new_id(), letter.language, lines_of(content), paragraphs)


def lines_of(patient: bytes) -> list[str]:
    """Return name and postal address of a Patient, a line each; nothing of what it does not say."""
    person = msgspec.json.decode(patient, type=_Receiver)
    lines = [name.text or " ".join([*name.given, name.family]) for name in person.name[:1]]
    for address in person.address[:1]:
        place = " ".join(part for part in (address.postal_code, address.city) if part)
        lines += (
            [*address.line, place, address.country] if address.line or place else address.text.split("\n")
        )
    return [line.strip() for line in lines if line.strip()][:LINES_MAX]


def as_text(letter: Printed) -> str:
    """Return a letter as plain text."""
    return "\n".join([*letter.lines, "", "", *(f"{part}\n" for part in letter.paragraphs)])


def as_html(letter: Printed) -> str:
    """Return a letter as a page to print. Nothing is fetched for it."""
    lines = "<br>".join(html.escape(line) for line in letter.lines)
    body = "".join(f"<p>{html.escape(part)}</p>" for part in letter.paragraphs)
    language = html.escape(letter.language)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title></title>'
        "<style>body{font:12pt serif;margin:25mm}address{margin-bottom:25mm;font-style:normal}</style>"
        f"</head><body><address>{lines}</address>{body}</body></html>"
    )
