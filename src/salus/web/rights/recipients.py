"""Who got copies, and where one complains: GET /rights/recipients, GET /rights/complaint.

GDPR, Art. 15(1)(c) and 77; EHDS, Art. 9 and 21. The list is worked out from the audit.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller
from salus.primary.rights.recipients import Recipient, recipients
from salus.store.access_log import LoggedAccess, access_log
from salus.store.federation import list_apps
from salus.trust.policy import AccessRequest
from salus.web.own_record import enter_own
from salus.web.rights.choices import assisted
from salus.web.services import Services

PAGE_COUNT = 1_000
ACCESSES_MAX = 50_000
"""Accesses that are looked through, the newest first."""


class Known(msgspec.Struct, frozen=True):
    """The recipients, the latest first; `whole` is False where older accesses were not looked through."""

    recipients: list[Recipient]
    whole: bool


async def known_recipients(services: Services, caller: Caller, *, patient: str = "") -> Known:
    """Return who got something of the person's record."""
    whose = patient or caller.patient or ""
    asked = AccessRequest(Action.AUDIT, "", "recipients", frozenset({whose}))
    found: list[LoggedAccess] = []
    async with enter_own(services, caller, asked) as access:
        before: int | None = None
        while len(found) < ACCESSES_MAX:
            page = await access_log(access.grant, services.database, whose, count=PAGE_COUNT, before=before)
            found += page
            if len(page) < PAGE_COUNT:
                break
            before = page[-1].arrival
        access.record([whose], count=len(found))

    def country_of(node: str) -> str:
        return services.membership.country_of(node) if node else services.country

    accesses = ((each.leaf, each.withheld_until is not None) for each in found)
    names = {app.id: app.name for app in await list_apps(services.database)}
    told = recipients(accesses, country_of, lambda app: names.get(app, app))
    return Known(told, len(found) < ACCESSES_MAX)


async def handle_recipients(
    services: Services, caller: Caller, request: Request, _: dict[str, str]
) -> Response:
    """Answer the recipients."""
    known = await known_recipients(services, caller, patient=assisted(caller, request))
    return JSONResponse(msgspec.to_builtins(known))


async def handle_complaint(
    services: Services, caller: Caller, request: Request, _: dict[str, str]
) -> Response:
    """Answer where one complains, by the law of the node's country."""
    found = services.gatehouse.law.complaint_authorities
    told: dict[str, Any] = {
        "authorities": msgspec.to_builtins(found.value),
        "law": f"Regulation (EU) 2025/327, article 21; {found.source}",
        "evidence": ["/ledger/report", "/rights/recipients", "/rights/rectifications"],
    }
    return JSONResponse(told)
