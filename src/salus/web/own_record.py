"""The way into a citizen's own record: all of their records, where several were merged into one person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from salus.core.access import Caller, Role
from salus.core.errors import AccessRefused
from salus.store.merged import merges
from salus.trust.gate import Access, enter
from salus.trust.policy import AccessRequest
from salus.web.services import Services

_OWN = frozenset({Role.CITIZEN, Role.PROXY})


def check_named(caller: Caller, request: Request) -> None:
    """Refuse a citizen, or who acts for one, who names another person than the one they are let into.

    Raises:
        AccessRefused: saying what to do; the same whether there is such a person or not.
    """
    named = request.query_params.get("patient")
    if caller.role in _OWN and named is not None and caller.patient and named != caller.patient:
        raise AccessRefused(
            "This answers about one record: leave `patient` away. To act for another person, take a token"
            " for that first (POST /proxies/ID/token)."
        )


@asynccontextmanager
async def enter_own(services: Services, caller: Caller, asked: AccessRequest) -> AsyncIterator[Access]:
    """Pass the gate; the grant opens also the records merged with those that the request names."""
    async with enter(services.gatehouse, caller, asked) as access:
        known = await merges(services.database, services.clock())
        access.include(known.beside(access.grant.patients or ()))
        yield access
