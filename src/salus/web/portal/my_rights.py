"""The citizen's rights on one page, each with its way: copies, recipients, where to complain."""

from __future__ import annotations

from starlette.responses import Response

from salus.core.access import Role
from salus.primary.language import show_type
from salus.web.portal.record import category_of
from salus.web.portal.visit import Visit
from salus.web.portal.words import words
from salus.web.restrictions import restricted
from salus.web.rights.archive import archive
from salus.web.rights.recipients import known_recipients
from salus.web.rights.told_abroad import state_of, told_abroad


async def my_rights(visit: Visit) -> Response:
    """Show what one may ask for."""
    authorities = visit.services.gatehouse.law.complaint_authorities.value
    hidden = await _hidden(visit) if visit.caller.role is Role.DESK else []
    return visit.show("my-rights.html", visit.say("my-rights"), authorities=authorities, hidden=hidden)


async def take_record(visit: Visit) -> Response:
    """Answer the whole record as one file."""
    return await archive(visit.services, visit.caller, visit.language)


async def my_recipients(visit: Visit) -> Response:
    """Show who got something of the record, by organisation and country, and which nodes were told since."""
    known = await known_recipients(visit.services, visit.caller)
    rows = [(each, [_purpose(visit, code) for code in each.purposes]) for each in known.recipients]
    told = [
        (each, state_of(each), f"told-{each.outcome if state_of(each) == 'told' else state_of(each)}")
        for each in await told_abroad(visit.services, visit.caller)
    ]
    return visit.show("recipients.html", visit.say("recipients-title"), known=known, rows=rows, told=told)


async def _hidden(visit: Visit) -> list[dict[str, object]]:
    """Return what the person hides, by kind and time: staff who help them see nothing else of it."""
    return [
        {
            "type": each.type,
            "id": each.id,
            "kind": show_type(each.type, visit.language),
            "since": each.since,
            "key": category_of(each.type).key,
        }
        for each in await restricted(visit.services, visit.caller)
    ]


def _purpose(visit: Visit, code: str) -> str:
    name = f"for-{code}"
    return visit.say(name) if name in words().phrase else code
