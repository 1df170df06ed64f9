"""Sending what waits: one message for all notices since the last; later again where it failed."""

from __future__ import annotations

from datetime import timedelta

from salus.core.access import Action, Caller, Purpose, Role
from salus.core.errors import AccessRefused, InvalidResource, InvalidSearch, PeerUnavailable, SettingsInvalid
from salus.store.notice_ways import Claimed, address_of, claim, forget_way, note_failed, note_sent
from salus.store.standing import Person
from salus.trust.gate import Passage, enter
from salus.trust.policy import AccessRequest
from salus.trust.standing import holds_power
from salus.web.channel import Channel, channels, message_to
from salus.web.services import Services

TYPE = "notice-way"
ROUND_MAX = 200
"""Most messages of one round: others of the process come in between."""
NAME = "Salus, messages that you wish"


async def send_messages(services: Services) -> int:
    """Send what is due; return how many messages went."""
    pause = timedelta(minutes=services.limits.message_pause_minutes)
    sending = {
        name: channel
        for name, channel in channels().items()
        if channel.send is not None and channel.is_offered(services)
    }
    sent = 0
    for _ in range(ROUND_MAX):
        claimed = await claim(services.database, list(sending), at=services.clock(), pause=pause)
        if claimed is None:
            break
        sent += await _send(services, sending[claimed.channel], claimed)
    return sent


async def _send(services: Services, channel: Channel, claimed: Claimed) -> bool:
    assert channel.send is not None
    if claimed.holder and not await acts_still(services, claimed.patient, claimed.holder):
        await forget_way(services.database, claimed.patient, claimed.holder)
        return False
    async with on_behalf(services, claimed.patient, f"notice sent by {channel.name}") as access:
        address = await address_of(access.grant, services.database, claimed.holder)
        access.record([claimed.patient])
    if not address:
        return False
    message = message_to(services, address, claimed.language, quiet=claimed.quiet)
    try:
        await channel.send(services, message)
    except (PeerUnavailable, AccessRefused, InvalidResource, InvalidSearch, SettingsInvalid) as error:
        await note_failed(services.database, claimed, services.clock(), error.message)
        return False
    await note_sent(services.database, claimed, services.clock())
    return True


async def acts_still(services: Services, patient: str, holder: str) -> bool:
    """Return whether somebody may act for a person now."""
    died = await services.standing.has_died(patient)
    person = services.standing.persons.get(patient, Person())
    return holds_power(person, holder, services.clock(), services.gatehouse.law, has_died=died)


def on_behalf(services: Services, patient: str, what: str) -> Passage:
    """Return the way through the gate for the node itself, that tells a person as they wish."""
    caller = Caller(
        subject="salus-messages", name=NAME, role=Role.CITIZEN, organisation="", issuer=services.base_url,
        purpose=Purpose.PATIENT_REQUEST, patient=patient,
    )  # fmt: skip
    return enter(services.gatehouse, caller, AccessRequest(Action.READ, TYPE, what, frozenset({patient})))
