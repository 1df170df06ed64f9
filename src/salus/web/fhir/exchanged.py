"""Answers to other nodes are counted: what they asked about and how it ended (docs/decisions/0047)."""

from __future__ import annotations

import time
from collections.abc import Awaitable

from salus.core.access import Caller
from salus.core.errors import SalusError
from salus.core.tally import Outcome
from salus.federation.exchanges import ANSWERED, exchange, outcome_of_answer
from salus.web.fhir.answer import Answer
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services


async def counted(
    services: Services, caller: Caller, request: FhirRequest, answering: Awaitable[Answer]
) -> Answer:
    """Return the answer; where another node asks, count it."""
    if caller.node is None:
        return await answering
    started = time.perf_counter()
    outcome = Outcome.REFUSED
    try:
        answer = await answering
        outcome = outcome_of_answer(answer.status, answer.body)
    except SalusError as error:
        outcome = Outcome.REFUSED if error.status < 500 else Outcome.UNREADABLE
        raise
    finally:
        country = services.membership.country_of(caller.node)
        happened = exchange(ANSWERED, caller.node, country, request.segments, outcome)
        services.tallies.count(happened, services.clock(), (time.perf_counter() - started) * 1_000)
    return answer
