"""The fixed words of documents in English, by group and key (`messages.toml`)."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec


class Counted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message that counts: as it reads beside 1, and beside another number."""

    one: str
    many: str


Message = str | Counted


class Messages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole table. `about`: where the words of a group come from, and what a translator must know."""

    about: dict[str, str]
    messages: dict[str, dict[str, Message]]


@cache
def table() -> Messages:
    """Return the table as it is written."""
    text = resources.files(__package__).joinpath("messages.toml").read_bytes()
    return msgspec.toml.decode(text, type=Messages)


@cache
def messages() -> dict[str, Message]:
    """Return every message by "group.key"; that is its context (`msgctxt`) in the catalogues."""
    return {
        f"{group}.{key}": message for group, rows in table().messages.items() for key, message in rows.items()
    }
