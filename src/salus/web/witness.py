"""The witness's door (C2SP tlog-witness), and how this node's own log is witnessed. All of it is public."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from salus.core.errors import TooLarge
from salus.federation.comparing import vouched_for
from salus.federation.witnessing import State, answer_submission, state_of
from salus.standards.merkle.witness import BODY_BYTES_MAX
from salus.store.witness import evidence
from salus.web.services import Services

EVIDENCE_MAX = 20
JSON = "application/json"
Handler = Callable[[Services, Request], Awaitable[Response]]


class Against(msgspec.Struct, frozen=True):
    """What speaks against a log: whose, since when it is known, what, and the two signed notes."""

    node: str
    found_at: datetime
    what: str
    notes: tuple[str, str]


class Status(msgspec.Struct, frozen=True):
    """What `/ledger/status` answers.

    Args:
        witnessed: "no-federation", "yes", "not-yet", or "alone": only emergencies cross borders.
        since: when the last quorum signed; None where none ever did.
        size: entries under the checkpoint that it signed.
        members: other members that could sign.
        quorum: how many must.
        evidence: what speaks against members' logs, this node's included.
        kept_years: for how many years at least who looked can be read, by the law of the country (EHDS 9).
    """

    witnessed: str
    since: datetime | None
    size: int
    members: int
    quorum: int
    evidence: list[Against]
    kept_years: int


def word_of(state: State) -> str:
    """Return in a word how the log is witnessed."""
    if not state.members:
        return "no-federation"
    if state.alone:
        return "alone"
    return "not-yet" if state.witnessed is None else "yes"


async def status_of(services: Services) -> Status:
    """Return how this node's log is witnessed, and what speaks against members' logs."""
    state = await state_of(services.witnesses)
    against = await evidence(services.database, EVIDENCE_MAX)
    return Status(
        word_of(state),
        None if state.witnessed is None else state.witnessed.at,
        0 if state.witnessed is None else state.witnessed.size,
        state.members,
        state.quorum,
        [Against(each.node, each.found_at, each.what, (each.known, each.shown)) for each in against],
        services.gatehouse.law.access_log_kept_years.value,
    )


async def _add_checkpoint(services: Services, request: Request) -> Response:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            raise TooLarge(f"A checkpoint with its proof has at most {BODY_BYTES_MAX} bytes.")
    reply = await answer_submission(services.witnesses, bytes(body))
    return Response(reply.body, reply.status, media_type=reply.media_type)


async def _witness_key(services: Services, request: Request) -> Response:
    return PlainTextResponse(services.witnesses.witness_key.text + "\n")


async def _witnessed(services: Services, request: Request) -> Response:
    return Response(msgspec.json.encode(await vouched_for(services.witnesses)), media_type=JSON)


async def _status(services: Services, request: Request) -> Response:
    return Response(msgspec.json.encode(await status_of(services)), media_type=JSON)


ADDRESSES: Mapping[str, Mapping[str, Handler]] = {
    "/ledger/add-checkpoint": {"POST": _add_checkpoint},
    "/ledger/witness-key": {"GET": _witness_key},
    "/ledger/witnessed": {"GET": _witnessed},
    "/ledger/status": {"GET": _status},
}
