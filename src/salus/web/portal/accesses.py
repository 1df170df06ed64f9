"""Who looked at a citizen's record, in sentences, and the proof that an entry is genuine."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Any

from starlette.responses import Response

from salus.core.access import Action, Leaf, Role
from salus.core.errors import NotFound
from salus.federation.membership_list import Member, MembershipList
from salus.standards.merkle.checkpoint import open_checkpoint
from salus.standards.merkle.proof import verify_inclusion
from salus.standards.merkle.tree import leaf_hash
from salus.store.access_log import LoggedAccess, access_log
from salus.store.ledger import decode_entry
from salus.store.proved import ProvedAccess
from salus.trust.policy import AccessRequest
from salus.web.access_report import access_report, own_proved
from salus.web.ledger import key_of
from salus.web.own_record import enter_own
from salus.web.portal.rendering import ENGLISH, moment
from salus.web.portal.visit import Visit
from salus.web.portal.words import phrase, words

ROWS_MAX = 100
SCANNED_MAX = 1_000
"""Lines of the log that are looked through for those of others."""
DIGITS_MAX = 18
MEMBERS_MAX = 40
EMERGENCY_STEP = re.compile(r"emergency/\S+ (claimed|justified|unjustified)")
"""What a leaf of `store.emergencies` is about."""


async def accesses(visit: Visit) -> Response:
    """Show who looked: others first, and folded what the citizen did; or all in their order."""
    is_all = visit.request.query_params.get("all") == "yes"
    found, is_end = await _own_log(visit, ROWS_MAX, is_all=is_all)
    own = [] if is_all else [each for each in found if is_own(each)]
    services = visit.services
    rows = [_row(each, visit.language) for each in found if is_all or not is_own(each)]
    older = None if is_end else found[-1].arrival
    members = other_members(services.membership.current, services.node, services.clock())
    return visit.show(
        "accesses.html",
        visit.say("who-looked"),
        rows=rows,
        own=[_row(each, visit.language) for each in own[:ROWS_MAX]],
        own_count=len(own),
        all=is_all,
        older=older,
        members=members,
    )


def is_own(logged: LoggedAccess) -> bool:
    """Return whether the citizen looked themselves, by no app or help; who is withheld is somebody else."""
    leaf = logged.leaf
    return leaf.role == Role.CITIZEN and not (leaf.app or leaf.marks) and logged.withheld_until is None


def other_members(current: MembershipList | None, own: str, now: datetime) -> list[Member]:
    """Return the other active members, as they are listed: their programs are not this node's to change."""
    if current is None:
        return []
    others = [
        each for each in current.members if each.node != own and current.state(each.node, now) == "active"
    ]
    return others[:MEMBERS_MAX]


async def report(visit: Visit) -> Response:
    """Give the accesses with their proofs as a file that a verifier without Salus checks."""
    return await access_report(visit.services, key_of(visit.services), visit.caller)


async def proof(visit: Visit) -> Response:
    """Check one entry against the signed checkpoint, and show all parts so that anyone can repeat it.

    Raises:
        NotFound: the citizen's log has no such entry, or it is not signed yet.
    """
    index = int(visit.request.path_params["index"])
    found = await own_proved(visit.services, visit.caller, count=1, before=index + 1)
    access = next((each for each in found.accesses if each.index == index), None)
    if access is None:
        raise NotFound("Your access log has no signed entry of this number; look again in a second.")
    checkpoint = open_checkpoint(found.note, key_of(visit.services))
    committed = access.entry if access.link is None else access.link.encode()
    digest = leaf_hash(committed)
    holds = verify_inclusion(digest, index, checkpoint.size, access.hashes, checkpoint.root)
    shown = {
        "index": index,
        "size": checkpoint.size,
        "holds": holds,
        "said": _said(access, visit.language),
        "entry": access.entry.decode(),
        "link": access.link,
        "leaf_hash": digest.hex(),
        "root": checkpoint.root.hex(),
        "path": [base64.b64encode(each).decode() for each in access.hashes],
        "note": found.note,
    }
    return visit.show("proof.html", visit.say("proof-title", n=index), proof=shown)


def _said(access: ProvedAccess, language: str) -> str:
    if access.withheld_until is not None:
        return _withheld(access.withheld_until, language)
    return in_words(decode_entry(access.entry), language)


def in_words(leaf: Leaf, language: str) -> str:
    """Return what a leaf says, part by part: when, who, what they did, what for, with which outcome."""
    place = _place(leaf)
    return " · ".join(
        (
            moment(leaf.at, language),
            f"{leaf.name} ({place})" if place else leaf.name,
            deed(leaf, language),
            _word("for", leaf.purpose, language),
            _word("outcome", leaf.outcome.value, language),
        )
    )


def deed(leaf: Leaf, language: str) -> str:
    """Return in words what was done: "read your prescriptions"; an emergency's steps have their own words."""
    if step := EMERGENCY_STEP.fullmatch(leaf.what):
        return phrase(f"emergency-{step.group(1)}", language)
    return phrase(
        "did-thing", language, did=_word("did", leaf.action, language), thing=thing(leaf.what, language)
    )


def thing(what: str, language: str = ENGLISH) -> str:
    """Return in words what an entry is about: "your prescriptions" for "MedicationRequest?patient,status"."""
    of_summary = what.startswith("Patient/") and what.endswith("$summary")
    kind = "$summary" if of_summary else re.split(r"[/? ,]", what, maxsplit=1)[0]
    return phrase(f"thing-{kind}" if f"thing-{kind}" in words().phrase else "thing-record", language)


def _word(stem: str, code: str, language: str) -> str:
    """Return a code of the log in words, the code itself where there are none."""
    name = f"{stem}-{code}"
    return phrase(name, language) if name in words().phrase else code


async def _own_log(visit: Visit, count: int, *, is_all: bool) -> tuple[list[LoggedAccess], bool]:
    """Return the newest lines, or those older than `before` (an arrival) says, and if the log ends there.

    With `is_all` at most `count` lines; else until `count` of others are among them, at most `SCANNED_MAX`.
    """
    patient, text = visit.caller.patient or "", visit.request.query_params.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else None
    asked = AccessRequest(Action.AUDIT, "AuditEvent", "access log", frozenset({patient}))
    async with enter_own(visit.services, visit.caller, asked) as access:
        found: list[LoggedAccess] = []
        is_end, wanted = False, count
        while not is_end and wanted > 0:
            page = await access_log(
                access.grant, visit.services.database, patient, count=wanted, before=before
            )
            found += page
            is_end = len(page) < wanted
            before = page[-1].arrival if page else before
            others = len(found) if is_all else sum(not is_own(each) for each in found)
            wanted = min(count - others, SCANNED_MAX - len(found))
        access.record([patient], count=len(found))
    return found, is_end


def _withheld(until: datetime, language: str) -> str:
    return phrase("withheld-until", language, date=f"{until:%Y-%m-%d}")


def _place(leaf: Leaf) -> str:
    """Return from where: of which organisation, at which node, in which country."""
    return ", ".join(part for part in (leaf.organisation, leaf.node, leaf.country) if part)


def _row(logged: LoggedAccess, language: str) -> dict[str, Any]:  # values of several plain types
    leaf = logged.leaf
    return {
        "at": leaf.at,
        "who": leaf.name if logged.withheld_until is None else _withheld(logged.withheld_until, language),
        "role": _word("role", leaf.role, language),
        "place": _place(leaf),
        "did": deed(leaf, language),
        "what": leaf.what,
        "resources": leaf.resources,
        "purpose": _word("for", leaf.purpose, language),
        "marks": [_word("mark", mark, language) for mark in leaf.marks],
        "outcome": leaf.outcome.value,
        "outcome_word": _word("outcome", leaf.outcome.value, language),
        "index": logged.index,
        "request": leaf.request if logged.withheld_until is None else "",
    }
