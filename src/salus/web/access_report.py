"""A citizen's accesses as a file with all that a verifier without Salus needs (docs/ledger.md)."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from starlette.responses import JSONResponse, Response

from salus.standards.merkle.note import VerifierKey
from salus.store.access_log import LoggedAccess, inclusion_proofs
from salus.store.sequencer import last_checkpoint
from salus.web.services import Services

FORMAT = "salus-access-report/1"
COUNT_MAX = 5_000


async def access_report(
    services: Services, log: VerifierKey, found: Sequence[LoggedAccess], following: int | None
) -> Response:
    """Return the accesses that the newest checkpoint covers, each with its proof, to be saved as a file.

    Args:
        services: the node.
        log: the key of its log.
        found: the accesses, newest first, read under the citizen's grant.
        following: what gets the next page, None on the last.
    """
    size, _, note = await last_checkpoint(services.database) or (0, b"", "")
    signed = [(each.index, each.entry) for each in found if each.index is not None and each.index < size]
    proofs = await inclusion_proofs(services.database, [index for index, _ in signed], size)
    report = {
        "format": FORMAT,
        "node": services.name,
        "made_at": services.clock().isoformat(),
        "log": log.text,
        "checkpoint": note,
        "unsigned": len(found) - len(signed),
        "before": following,
        "accesses": [
            {"index": index, "entry": base64_of(entry), "hashes": [base64_of(each) for each in proof]}
            for (index, entry), proof in zip(signed, proofs, strict=True)
        ],
    }
    return JSONResponse(report, headers={"content-disposition": 'attachment; filename="access-report.json"'})


def base64_of(content: bytes) -> str:
    """Return the bytes as JSON carries them."""
    return base64.b64encode(content).decode()
