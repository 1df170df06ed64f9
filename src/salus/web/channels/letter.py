"""A letter that staff print and post (`salus messages print`), for people without a telephone."""

from __future__ import annotations

from salus.core.errors import InvalidSearch
from salus.web.channel import Channel
from salus.web.services import Services


def _check(_: Services, address: str) -> str:
    if address:
        raise InvalidSearch("A letter goes to the address in the record; leave the address away.")
    return ""


CHANNEL = Channel("letter", lambda _services: True, _check, None)
