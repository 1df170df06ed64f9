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
from salus.web.portal.rendering import moment
from salus.web.portal.visit import Visit

ROWS_MAX = 100
DIGITS_MAX = 18
DID = {
    "read": "read", "search": "looked through", "history": "looked at earlier versions of",
    "changes": "looked at changes of", "create": "added",
    "update": "changed", "delete": "removed", "load": "loaded", "export": "exported", "audit": "looked at",
    "open-quarantine": "opened rejected", "token": "asked to be let in",
}  # fmt: skip
WHY = {
    "TREAT": "to treat you", "ETREAT": "in an emergency", "PATRQT": "at your own request",
    "HOPERAT": "to run this node", "PUBHLTH": "for public health", "HRESCH": "for research",
}  # fmt: skip
THINGS = {
    "$summary": "your patient summary", "Patient": "your name, birth date and address",
    "MedicationRequest": "your prescriptions", "MedicationDispense": "your dispensed medicines",
    "DocumentReference": "the list of your documents", "Binary": "a document of yours",
    "Bundle": "several entries at once", "access": "who looked at your record",
    "restriction": "what you hide",
    "Observation": "your measurements and results", "Condition": "your problems", "oauth": "at this node",
    "AllergyIntolerance": "your allergies",
}  # fmt: skip
OUTCOMES = {"served": "let in", "refused": "refused", "failed": "failed"}


async def accesses(visit: Visit) -> Response:
    """Show who looked."""
    found = await _own_log(visit, ROWS_MAX)
    rows = [_row(each) for each in found]
    older = found[-1].arrival if len(found) == ROWS_MAX else None
    return visit.show("accesses.html", "Who looked", rows=rows, older=older)


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
    did = DID.get(leaf.action, leaf.action)
    if leaf.outcome.value != "served":
        did = f"tried to do this, but was {OUTCOMES[leaf.outcome.value]}: {did}"
    why = WHY.get(leaf.purpose, leaf.purpose)
    return f"{leaf.name}{where}{abroad} {did} {thing(leaf.what)} on {moment(leaf.at)}, {why}."


def thing(what: str) -> str:
    """Return in words what an entry is about: "your prescriptions" for "MedicationRequest?patient,status"."""
    if what.startswith("Patient/") and what.endswith("$summary"):
        return THINGS["$summary"]
    return THINGS.get(re.split(r"[/? ,]", what, maxsplit=1)[0], "your record")


async def _own_log(visit: Visit, count: int) -> list[LoggedAccess]:
    """Return the newest lines, or those older than the address says (`before`, an arrival)."""
    patient, text = visit.caller.patient or "", visit.request.query_params.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else None
    asked = AccessRequest(Action.AUDIT, "AuditEvent", "access log", frozenset({patient}))
    async with enter_own(visit.services, visit.caller, asked) as access:
        found = await access_log(access.grant, visit.services.database, patient, count=count, before=before)
        access.record([patient], count=len(found))
    return found


def _row(logged: LoggedAccess) -> dict[str, Any]:  # values of several plain types
    leaf = logged.leaf
    return {
        "at": leaf.at,
        "who": leaf.name,
        "role": leaf.role,
        "place": ", ".join(part for part in (leaf.organisation, leaf.node) if part),
        "did": DID.get(leaf.action, leaf.action),
        "thing": thing(leaf.what),
        "what": leaf.what,
        "resources": leaf.resources,
        "purpose": WHY.get(leaf.purpose, leaf.purpose),
        "outcome": leaf.outcome.value,
        "outcome_word": OUTCOMES[leaf.outcome.value],
        "index": logged.index,
        "place_in_log": logged.arrival + 1,
    }
