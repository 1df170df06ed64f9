"""The way into a citizen's own record: all of their records, where several were merged into one person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from salus.core.access import Caller
from salus.store.merged import merges
from salus.trust.gate import Access, enter
from salus.trust.policy import AccessRequest
from salus.web.services import Services


@asynccontextmanager
async def enter_own(services: Services, caller: Caller, asked: AccessRequest) -> AsyncIterator[Access]:
    """Pass the gate; the grant opens also the records merged with those that the request names."""
    async with enter(services.gatehouse, caller, asked) as access:
        known = await merges(services.database, services.clock())
        access.include(known.beside(access.grant.patients or ()))
        yield access
