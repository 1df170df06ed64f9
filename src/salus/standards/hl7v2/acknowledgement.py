"""Acknowledgements: MSH, MSA and ERR (HL7 v2.5.1, 2.9 and 2.15.5, 2.15.8).

In original mode (MSH-15 and MSH-16 empty) every message gets one answer, AA, AE or AR. In enhanced mode
MSH-15 asks for CA, CE or CR, and MSH-16 for AA, AE or AR, each always (AL), never (NE), on errors (ER) or on
success (SU); both come on the same connection, the accept acknowledgement first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from salus.core.errors import MalformedContent
from salus.standards.hl7v2.er7 import CHARACTER_SETS, Segment, read_message

Verdict = Literal["A", "E", "R"]
"""Accepted; an error in its content; rejected for its kind, or because the receiver could not take it."""

# HL7 table 0357 (message error condition codes) by FHIR issue type, where one says the same.
ERRORS = {
    "structure": ("100", "Segment sequence error"),
    "required": ("101", "Required field missing"),
    "value": ("102", "Data type error"),
    "invalid": ("102", "Data type error"),
    "code-invalid": ("103", "Table value not found"),
    "not-supported": ("200", "Unsupported message type"),
    "not-found": ("204", "Unknown key identifier"),
    "duplicate": ("205", "Duplicate key identifier"),
    "conflict": ("205", "Duplicate key identifier"),
    "lock-error": ("206", "Application record locked"),
}
INTERNAL = ("207", "Application internal error")
PROBLEMS_MAX = 10
_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d{1,3}))?(?:\.(\d{1,3}))?")
_BREAKS = re.compile(r"[\r\n\t\x00-\x1f]+")


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a message.

    Args:
        code: FHIR issue type.
        message: for people.
        place: as PID-3.1, "" where none is known.
    """

    code: str
    message: str
    place: str = ""


class Header(msgspec.Struct, frozen=True):
    """What an acknowledgement needs of the message: its sender and receiver, what it is, what it asks."""

    sender: tuple[str, str] = ("", "")
    receiver: tuple[str, str] = ("", "")
    event: str = ""
    control: str = ""
    processing: str = "P"
    version: str = "2.5.1"
    accept: str = ""
    application: str = ""
    character_set: str = ""


def header_of(message: bytes) -> Header:
    """Return the header of a message; of one that cannot be read an empty one."""
    line = re.split(rb"[\r\n]", message.strip(b"\r\n"), maxsplit=1)[0]
    try:
        msh = read_message(line).header
    except MalformedContent:
        return Header()
    return Header(
        sender=(_whole(msh, 3), _whole(msh, 4)),
        receiver=(_whole(msh, 5), _whole(msh, 6)),
        event=msh.text(9, 2),
        control=msh.text(10),
        processing=_whole(msh, 11) or "P",
        version=msh.text(12) or "2.5.1",
        accept=msh.text(15).upper(),
        application=msh.text(16).upper(),
        character_set=msh.text(18),
    )


def _whole(msh: Segment, field: int) -> str:
    """Return a field of the header with its components, each as it will be written."""
    return "^".join(_escaped(msh.text(field, place)) for place in range(1, len(msh.parts(field)) + 1))


def answers(
    header: Header, verdict: Verdict, problems: Sequence[Problem], *, number: str, at: datetime
) -> list[bytes]:
    """Return the acknowledgements that a message asks for, in the order in which they are sent.

    Args:
        header: of the message.
        verdict: what became of it.
        problems: why it was not accepted.
        number: MSH-10 of the acknowledgement; a second one gets a letter more.
        at: now.
    """
    enhanced = bool(header.accept or header.application)
    wanted: list[str] = []
    if enhanced and _asks(header.accept, verdict):
        wanted.append("C")
    if not enhanced or _asks(header.application, verdict):
        wanted.append("A")
    return [
        _answer(header, f"{mode}{verdict}", problems, number=number + "B" * place, at=at)
        for place, mode in enumerate(wanted)
    ]


def _asks(condition: str, verdict: Verdict) -> bool:
    """Return whether a condition (HL7 table 0155) asks for an answer now."""
    return condition == "AL" or (condition == "SU" if verdict == "A" else condition == "ER")


def _answer(header: Header, code: str, problems: Sequence[Problem], *, number: str, at: datetime) -> bytes:
    character_set = header.character_set.upper()
    time = f"{at:%Y%m%d%H%M%S%z}"
    kind = f"ACK^{_escaped(header.event)}^ACK" if header.event else "ACK"
    lines = [
        "|".join((
            "MSH", "^~\\&", *header.receiver, *header.sender, time, "", kind, number, header.processing,
            _escaped(header.version), *([""] * 5), _escaped(header.character_set),
        )).rstrip("|")
    ]  # fmt: skip
    shown = problems[:PROBLEMS_MAX]
    text = _escaped(shown[0].message) if shown else ""
    lines.append(f"MSA|{code}|{_escaped(header.control)}|{text}".rstrip("|"))
    lines += [_error(each, header.version) for each in shown]
    encoding = CHARACTER_SETS.get(character_set, "utf-8" if not character_set else "ascii")
    return "\r".join((*lines, "")).encode(encoding, "replace")


def _error(problem: Problem, version: str) -> str:
    """Return an ERR: from v2.5 on by its fields 2 to 8, before that by the first (ELD)."""
    number, text = ERRORS.get(problem.code, INTERNAL)
    found = _PLACE.fullmatch(problem.place)
    segment, sequence, field, component = found.groups() if found else ("", "", "", "")
    condition = f"{number}^{text}^HL70357"
    if _before_2_5(version):
        return f"ERR|{segment}^{sequence or (segment and '1')}^{field or ''}^{condition.replace('^', '&')}"
    place = "^".join((segment, sequence or (segment and "1"), field or "", "1" if component else "",
                      component or "")).rstrip("^")  # fmt: skip
    return f"ERR||{place}|{condition}|E||||{_escaped(problem.message)}"


def _before_2_5(version: str) -> bool:
    parts = version.split(".")
    return len(parts) > 1 and parts[0] == "2" and parts[1].isdigit() and int(parts[1]) < 5


def _escaped(text: str) -> str:
    text = _BREAKS.sub(" ", text)
    for letter, escape in (("\\", "\\E\\"), ("|", "\\F\\"), ("^", "\\S\\"), ("&", "\\T\\"), ("~", "\\R\\")):
        text = text.replace(letter, escape)
    return text
