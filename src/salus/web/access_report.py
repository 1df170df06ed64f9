"""A citizen's accesses as a file with all that a verifier without Salus needs (docs/ledger.md)."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import msgspec
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller
from salus.federation.reconciling import Reconciled
from salus.federation.witnessing import lines_over
from salus.standards.merkle.note import VerifierKey
from salus.store.ledger import decode_entry
from salus.store.proved import ProvedAccess, ProvedAccesses, proved_accesses
from salus.trust.policy import AccessRequest
from salus.web.own_record import enter_own
from salus.web.reconciling import reconcile
from salus.web.services import Services

FORMAT = "salus-access-report/1"
COUNT_MAX = 5_000


async def own_proved(services: Services, caller: Caller, *, count: int, before: int | None) -> ProvedAccesses:
    """Return a citizen's own accesses below an index of the log, with proofs; this is an access too."""
    patient = caller.patient or ""
    asked = AccessRequest(Action.AUDIT, "AuditEvent", "access log", frozenset({patient}))
    async with enter_own(services, caller, asked) as access:
        found = await proved_accesses(
            access.grant, services.database, services.keys.pseudonym, count=count, before=before
        )
        access.record([patient], count=len(found.accesses))
    return found


async def access_report(
    services: Services, log: VerifierKey, caller: Caller, before: int | None = None
) -> Response:
    """Return the accesses that the newest checkpoint covers, each with its proof, to be saved as a file.

    Args:
        services: the node.
        log: the key of its log.
        caller: the citizen.
        before: only accesses with a smaller index in the log.
    """
    found = await own_proved(services, caller, count=COUNT_MAX, before=before)
    leaves = [decode_entry(each.entry) for each in found.accesses if each.entry]
    abroad, lines = await asyncio.gather(
        reconcile(services, leaves, sorted({leaf.patient for leaf in leaves})),
        lines_over(services.witnesses, found.size, found.note),
    )
    report: dict[str, Any] = {  # values of several plain types
        "format": FORMAT,
        "node": services.name,
        "made_at": services.clock().isoformat(),
        "log": log.text,
        "checkpoint": found.note + "".join(lines),
        "unsigned": found.unsigned,
        "before": found.following,
        "accesses": [_told(each) for each in found.accesses],
        "withheld_before_links": found.withheld_before_links,
    }
    is_withheld = any(each.withheld_until is not None for each in found.accesses)
    report["abroad"] = [_compared(each, without_names=is_withheld) for each in abroad]
    if found.persons:
        report["persons"] = {
            name.hex(): [base64_of(each) for each in siblings] for name, siblings in found.persons.items()
        }
    return JSONResponse(report, headers={"content-disposition": 'attachment; filename="access-report.json"'})


def _compared(compared: Reconciled, *, without_names: bool) -> dict[str, Any]:  # values of several types
    """Return what two nodes say; without names where some author is withheld, who could be one of them."""
    told: dict[str, Any] = msgspec.to_builtins(compared)
    for each in (*told["only_here"], *told["only_there"]) if without_names else ():
        each |= {"name": "", "organisation": "", "request": ""}
    return told | {"both_say_the_same": compared.is_agreed}


def _told(access: ProvedAccess) -> dict[str, Any]:  # values of several plain types
    told: dict[str, Any] = {"index": access.index}
    if access.withheld_until is None:
        told["entry"] = base64_of(access.entry)
    else:
        told["withheld_until"] = access.withheld_until.isoformat()
    if access.link is not None:
        told["link"] = access.link
    return told | {"hashes": [base64_of(each) for each in access.hashes]}


def base64_of(content: bytes) -> str:
    """Return the bytes as JSON carries them."""
    return base64.b64encode(content).decode()
