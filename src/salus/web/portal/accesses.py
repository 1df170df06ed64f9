"""Who looked at a citizen's record, in sentences, and the proof that an entry is genuine."""

from __future__ import annotations

import base64
import re
from typing import Any

from starlette.responses import Response

from salus.core.access import Action, Leaf
from salus.core.errors import NotFound
from salus.standards.merkle.checkpoint import open_checkpoint
from salus.standards.merkle.proof import verify_inclusion
from salus.standards.merkle.tree import leaf_hash
from salus.store.access_log import LoggedAccess, access_log, inclusion_proof
from salus.store.sequencer import last_checkpoint
from salus.trust.policy import AccessRequest
from salus.web.access_report import COUNT_MAX, access_report
from salus.web.ledger import key_of
from salus.web.own_record import enter_own
from salus.web.portal.rendering import ENGLISH, moment
from salus.web.portal.visit import Visit
from salus.web.portal.words import phrase, words

ROWS_MAX = 100
DIGITS_MAX = 18


async def accesses(visit: Visit) -> Response:
    """Show who looked."""
    found = await _own_log(visit, ROWS_MAX)
    rows = [_row(each, visit.language) for each in found]
    older = found[-1].arrival if len(found) == ROWS_MAX else None
    return visit.show("accesses.html", visit.say("who-looked"), rows=rows, older=older)


async def report(visit: Visit) -> Response:
    """Give the accesses with their proofs as a file that a verifier without Salus checks."""
    found = await _own_log(visit, COUNT_MAX)
    following = found[-1].arrival if len(found) == COUNT_MAX else None
    return await access_report(visit.services, key_of(visit.services), found, following)


async def proof(visit: Visit) -> Response:
    """Check one entry against the signed checkpoint, and show all parts so that anyone can repeat it.

    Raises:
        NotFound: the citizen's log has no such entry, or it is not signed yet.
    """
    index = int(visit.request.path_params["index"])
    logged = next((each for each in await _own_log(visit, 1) if each.index == index), None)
    found = await last_checkpoint(visit.services.database)
    if logged is None or found is None or index >= found[0]:
        raise NotFound("Your access log has no signed entry of this number; look again in a second.")
    size, root, note = found
    checkpoint = open_checkpoint(note, key_of(visit.services))
    path = await inclusion_proof(visit.services.database, index, size)
    digest = leaf_hash(logged.entry)
    holds = checkpoint.size == size and verify_inclusion(digest, index, size, path, checkpoint.root)
    shown = {
        "index": index,
        "size": size,
        "holds": holds,
        "sentence": sentence(logged.leaf),
        "entry": logged.entry.decode(),
        "leaf_hash": digest.hex(),
        "root": root.hex(),
        "path": [base64.b64encode(each).decode() for each in path],
        "note": note,
    }
    return visit.show("proof.html", "Is this entry genuine?", proof=shown)


def sentence(leaf: Leaf) -> str:
    """Return a leaf as a sentence a person can read."""
    where = f" ({leaf.organisation})" if leaf.organisation else ""
    abroad = f", from node {leaf.node}," if leaf.node else ""
    did = _word("did", leaf.action, ENGLISH)
    if leaf.outcome.value != "served":
        did = f"tried to do this, but was {_word('outcome', leaf.outcome.value, ENGLISH)}: {did}"
    why = _word("for", leaf.purpose, ENGLISH)
    return f"{leaf.name}{where}{abroad} {did} {thing(leaf.what)} on {moment(leaf.at)}, {why}."


def thing(what: str, language: str = ENGLISH) -> str:
    """Return in words what an entry is about: "your prescriptions" for "MedicationRequest?patient,status"."""
    of_summary = what.startswith("Patient/") and what.endswith("$summary")
    kind = "$summary" if of_summary else re.split(r"[/? ,]", what, maxsplit=1)[0]
    return phrase(f"thing-{kind}" if f"thing-{kind}" in words().phrase else "thing-record", language)


def _word(stem: str, code: str, language: str) -> str:
    """Return a code of the log in words, the code itself where there are none."""
    name = f"{stem}-{code}"
    return phrase(name, language) if name in words().phrase else code


async def _own_log(visit: Visit, count: int) -> list[LoggedAccess]:
    """Return the newest lines, or those older than the address says (`before`, an arrival)."""
    patient, text = visit.caller.patient or "", visit.request.query_params.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else None
    asked = AccessRequest(Action.AUDIT, "AuditEvent", "access log", frozenset({patient}))
    async with enter_own(visit.services, visit.caller, asked) as access:
        found = await access_log(access.grant, visit.services.database, patient, count=count, before=before)
        access.record([patient], count=len(found))
    return found


def _row(logged: LoggedAccess, language: str) -> dict[str, Any]:  # values of several plain types
    leaf = logged.leaf
    did = _word("did", leaf.action, language)
    return {
        "at": leaf.at,
        "who": leaf.name,
        "role": _word("role", leaf.role, language),
        "place": ", ".join(part for part in (leaf.organisation, leaf.node) if part),
        "did": phrase("did-thing", language, did=did, thing=thing(leaf.what, language)),
        "what": leaf.what,
        "resources": leaf.resources,
        "purpose": _word("for", leaf.purpose, language),
        "outcome": leaf.outcome.value,
        "outcome_word": _word("outcome", leaf.outcome.value, language),
        "index": logged.index,
        "place_in_log": logged.arrival + 1,
    }
