"""What a channel of messages is, and all of them: one file in `channels/` defines `CHANNEL`.

A message says that there is something to read, and where; never what, and never who looked.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from functools import cache
from importlib import resources

import msgspec

from salus.web.services import Services

ORIGINAL = "en"


class Message(msgspec.Struct, frozen=True):
    """A message to one person.

    Args:
        address: where it goes, as the channel needs it.
        subject, body: in their language.
    """

    address: str
    subject: str
    body: str


class Channel(msgspec.Struct, frozen=True):
    """One way of telling.

    Args:
        name: its short name.
        is_offered: whether this node has it.
        check: returns an address as it is kept; raises InvalidSearch or InvalidResource for what is none.
        send: hands a message over; raises PeerUnavailable or AccessRefused, whose messages name no address.
            None: it is fetched (`salus messages print`).
    """

    name: str
    is_offered: Callable[[Services], bool]
    check: Callable[[Services, str], str]
    send: Callable[[Services, Message], Awaitable[None]] | None


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A language of `messages.toml`; its head says what the columns mean."""

    subject: str
    body: str
    quiet_subject: str
    quiet_body: str
    letter: str
    of_incidents: str


@cache
def channels() -> dict[str, Channel]:
    """Return every channel by its name, in the order of the files."""
    names = sorted(
        file.name.removesuffix(".py")
        for file in resources.files("salus.web.channels").iterdir()
        if file.name.endswith(".py") and file.name != "__init__.py"
    )
    found = [importlib.import_module(f"salus.web.channels.{name}").CHANNEL for name in names]
    return {channel.name: channel for channel in found}


@cache
def texts() -> dict[str, Texts]:
    """Return the table of messages, by language."""
    table = resources.files("salus.web").joinpath("messages.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, Texts])


def message_to(services: Services, address: str, language: str, *, quiet: bool) -> Message:
    """Return the message for one person, in their language or, where it has none, in English."""
    said = texts().get(language, texts()[ORIGINAL])
    if quiet:
        return Message(address, said.quiet_subject, said.quiet_body)
    body = said.body.format(address=services.base_url, node=services.name)
    return Message(address, said.subject.format(node=services.name), body)
