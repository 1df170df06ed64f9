"""The desk of incidents: each step goes through the gate and leaves its leaf. Faces and commands call it.

The law's clocks, the people concerned and the drafts are computed anew each time, from the ledger.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import get_args

import msgspec

from salus.core.access import Action, Caller, Grant
from salus.core.errors import Conflict, InvalidSearch, NotFound
from salus.store import findings as kept
from salus.store import incidents as store
from salus.store.findings import KeptFinding
from salus.store.held_at import erased_since
from salus.store.incidents import Entry, Incident
from salus.store.postgres import Database
from salus.trust.breach.affected import Affected, Extent
from salus.trust.breach.clocks import Acting, Clock, clocks, duties
from salus.trust.breach.finding import Finding
from salus.trust.breach.kinds import EXEMPT, ORDINARY, PROTECTIONS, is_unintelligible, kinds
from salus.trust.gate import Gatehouse, Passage, enter
from salus.trust.incident_people import AtNode, kind_of, people_of
from salus.trust.policy import AccessRequest

TYPE = "incident"
SETTLEMENT = "incident-settlement"
"""The policy's word for dismissing a finding and closing an incident."""
TEXT_MAX = 20_000
SEASON = timedelta(days=90)
"""How far back the accesses of a finding are looked at, unless something else is said."""


class Desk(msgspec.Struct, frozen=True):
    """Where incidents are kept, who asks, and the node that notices speak for.

    Args:
        node: its name, for people.
        language: of those who have not said theirs.
        address: the node's, to which alone what people are told may lead.
    """

    gatehouse: Gatehouse
    database: Database
    caller: Caller
    node: str
    language: str
    address: str = ""

    def enter(self, action: Action, what: str) -> Passage:
        """Return the way through the gate for one step."""
        return enter(self.gatehouse, self.caller, AccessRequest(action, TYPE, what))

    def settle(self, what: str) -> Passage:
        """Return the way through the gate for a step that ends the matter; it is the auditor's."""
        return enter(self.gatehouse, self.caller, AccessRequest(Action.UPDATE, SETTLEMENT, what))


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said when an incident is opened; with `finding`, subject and title may be left away.

    Args:
        finding: number of the finding it is opened for.
        title: in one sentence.
        kind: as in `breach/kinds.toml`.
        subject: of the caller, client or node whose accesses it is about, where the kind asks for one.
        since, until: their accesses in this time (default: 90 days up to now); what the store held
            counts as of `until`.
        patients: only of these patients.
        acting: controller or processor.
        significant: under NIS2, Art. 23(3).
        high_risk: for the people concerned (GDPR, Art. 34(1)).
        aware_at: since when one knows (default: now).
        protection: of what was taken, as in `breach/kinds.py`, where the kind can be sealed.
    """

    finding: int | None = None
    title: str = ""
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    patients: tuple[str, ...] = ()
    acting: Acting = "controller"
    significant: bool = False
    high_risk: bool = True
    aware_at: datetime | None = None
    kind: str = ORDINARY
    protection: str = "unknown"


class Concerned(msgspec.Struct, frozen=True):
    """One of the people concerned, and the language to write to them in."""

    affected: Affected
    language: str


class Dossier(msgspec.Struct, frozen=True):
    """All that is known of an incident.

    Args:
        clocks: of the notices that are owed.
        entries: its history.
        extent: how many people, and of what.
        people: those concerned, most accesses first; none where it is whoever the store held.
        nodes: members through which data left, and who are told.
        erased_since: of a copy: people who were erased since, whom nobody can name.
        exempt: the article by which people need not be told, "" where there is none.
    """

    incident: Incident
    clocks: list[Clock]
    entries: list[Entry]
    extent: Extent
    people: list[Concerned]
    nodes: list[AtNode]
    erased_since: int
    exempt: str


async def open_incident(desk: Desk, opening: Opening) -> int:
    """Open an incident and return its number.

    Raises:
        AccessRefused: the caller keeps no incidents.
        InvalidSearch: neither a finding nor a subject and a title, or times that cannot be.
        NotFound: there is no such finding.
        Conflict: the finding has an incident.
    """
    async with desk.enter(Action.CREATE, TYPE) as access:
        now = access.grant.opened_at
        title, subject = opening.title, opening.subject
        if opening.finding is not None:
            found = finding_of(await kept.finding(access.grant, desk.database, opening.finding))
            title, subject = title or found.sentence, found.subject if subject is None else subject
        subject = _checked_kind(opening, title, subject)
        until = opening.until or now
        since = opening.since or until - SEASON
        aware_at = opening.aware_at or now
        times = (since, until, aware_at)
        if any(each.tzinfo is None for each in times) or since > until or aware_at > now:
            raise InvalidSearch(
                "Times need a time zone, `since` comes before `until`, and one is not aware later than now."
            )
        incident = Incident(
            0, title, subject, since, until, opening.patients, opening.acting,
            opening.significant, opening.high_risk, aware_at,
            kind=opening.kind, protection=opening.protection,
        )  # fmt: skip
        return await store.open_incident(access.grant, desk.database, incident, opening.finding)


def _checked_kind(opening: Opening, title: str, subject: str | None) -> str:
    """Return the subject of an opening that can be, "" where its kind names none."""
    kind = kinds().get(opening.kind)
    if kind is None:
        raise InvalidSearch(f"There is no kind of incident {opening.kind}; there are {', '.join(kinds())}.")
    if not title.strip() or len(title) > TEXT_MAX or (subject is None and kind.subject != "none"):
        named = "" if kind.subject == "none" else f", and the {kind.subject} whose accesses it is about"
        raise InvalidSearch(f"Name a finding, or a title{named}.")
    _check_protection(opening.kind, opening.protection)
    return subject or ""


def _check_protection(kind: str, protection: str) -> None:
    if protection not in PROTECTIONS:
        raise InvalidSearch(f"What was taken is one of: {', '.join(PROTECTIONS)}; not {protection}.")
    if protection != "unknown" and not kinds()[kind].sealable:
        raise InvalidSearch(f"An incident of kind {kind} has nothing that could be sealed: leave that away.")


async def list_incidents(desk: Desk) -> list[Incident]:
    """Return the incidents, newest first."""
    async with desk.enter(Action.AUDIT, TYPE) as access:
        return await store.incidents(access.grant, desk.database)


async def dossier(desk: Desk, number: int) -> Dossier:
    """Return all that is known of an incident; each person concerned gets a leaf.

    Raises:
        NotFound: there is none of that number.
    """
    async with desk.enter(Action.AUDIT, f"{TYPE}/{number}") as access:
        found = await _dossier(desk, access.grant, number)
        access.record([person.affected.patient for person in found.people])
        return found


async def note(desk: Desk, number: int, text: str) -> None:
    """Add a note: what was learnt or done. It stands in the drafts as a measure."""
    await _add(desk, number, "note", text)


async def reassess(desk: Desk, number: int, protection: str, why: str) -> None:
    """Say what came to light of the protection of what was taken: its key was with it, or was not.

    Raises:
        AccessRefused: the caller is not the auditor: it may end the duty to tell people.
        InvalidSearch: there is no such protection, or no reason is given.
        NotFound: there is none of that number.
    """
    async with desk.settle(f"{TYPE}/{number}") as access:
        incident, _ = await store.incident(access.grant, desk.database, number)
        _check_protection(incident.kind, protection)
        text = _checked(why, "Say how that is known.")
        await store.reassess(access.grant, desk.database, number, protection, text)


async def close(desk: Desk, number: int, lessons: str) -> None:
    """Close an incident with what was learnt.

    Raises:
        AccessRefused: the caller is not the auditor.
        Conflict: a notice that the law asks for was not sent, or it is closed.
        InvalidSearch: there are no lessons.
    """
    async with desk.settle(f"{TYPE}/{number}") as access:
        incident, entries = await store.incident(access.grant, desk.database, number)
        missing = [clock.notice for clock in clocks_of(incident, entries) if clock.done_at is None]
        if missing and incident.closed_at is None:
            raise Conflict(
                f"Incident {number} stays open until these notices are recorded as sent, or as not needed "
                f"with the reason: {', '.join(missing)}."
            )
        text = _checked(lessons, "Say what was learnt.")
        await store.add_entry(access.grant, desk.database, number, "closed", text)


async def record_notice(desk: Desk, number: int, notice: str, text: str) -> None:
    """Write down that a notice was sent, as its text says; its clock stops.

    Raises:
        NotFound: there is no such incident or notice.
    """
    if notice not in duties():
        raise NotFound(f"There is no notice {notice}; there are {', '.join(duties())}.")
    await _add(desk, number, "notice", text, notice=notice)


async def list_findings(desk: Desk, *, settled: bool = False) -> list[KeptFinding]:
    """Return what the watch found, newest first: what waits for somebody, or all."""
    async with desk.enter(Action.AUDIT, "finding") as access:
        return await kept.findings(access.grant, desk.database, settled=settled)


async def dismiss_finding(desk: Desk, number: int, why: str) -> None:
    """Say why a finding is no incident.

    Raises:
        AccessRefused: the caller is not the auditor.
        InvalidSearch: no reason is given.
        NotFound: there is no such finding.
    """
    async with desk.settle(f"finding/{number}") as access:
        text = _checked(why, "Say why it is no incident.")
        await kept.dismiss(access.grant, desk.database, number, text)


async def mark(desk: Desk, patient: str, kind: str, subject: str) -> None:
    """Tell the watch of a patient: see `store.findings.mark`."""
    async with desk.enter(Action.UPDATE, "watch mark") as access:
        await kept.mark(access.grant, desk.database, patient, kind, subject)


def finding_of(found: KeptFinding) -> Finding:
    """Return the finding as the detectors made it."""
    return msgspec.json.decode(found.body, type=Finding)


def clocks_of(incident: Incident, entries: list[Entry]) -> list[Clock]:
    """Return the clocks of an incident with the notices that were sent."""
    sent: dict[str, datetime] = {}
    for entry in entries:
        if entry.kind == "notice":
            sent.setdefault(entry.notice, entry.at)
    assert incident.acting in get_args(Acting), "checked when it was opened"
    return clocks(
        incident.aware_at,
        sent,
        acting=msgspec.convert(incident.acting, Acting),
        is_significant=incident.significant,
        is_high_risk=incident.high_risk
        and kind_of(incident).reach != "nobody"
        and not is_unintelligible(incident.kind, incident.protection),
    )


async def _dossier(desk: Desk, grant: Grant, number: int) -> Dossier:
    incident, entries = await store.incident(grant, desk.database, number)
    is_listed = kind_of(incident).reach != "store"
    extent, people, nodes = Extent(), list[Concerned](), dict[str, AtNode]()
    async for page in people_of(grant, desk.database, incident, nodes):
        extent.add(page)
        if is_listed:
            people += await spoken_by(desk, grant, page)
    gone = 0 if is_listed else await erased_since(grant, desk.database, incident.until)
    exempt = EXEMPT if is_unintelligible(incident.kind, incident.protection) else ""
    ordered = sorted(nodes.values(), key=lambda each: each.node)
    return Dossier(
        incident, clocks_of(incident, entries), entries, extent, people, ordered, gone, exempt
    )  # fmt: skip


async def spoken_by(desk: Desk, grant: Grant, affected: list[Affected]) -> list[Concerned]:
    """Return people with the language to write to them in."""
    spoken = await store.languages_of(grant, desk.database, [one.patient for one in affected])
    return [Concerned(one, spoken.get(one.patient, desk.language)) for one in affected]


async def _add(desk: Desk, number: int, kind: str, text: str, *, notice: str = "") -> None:
    async with desk.enter(Action.UPDATE, f"{TYPE}/{number}") as access:
        body = _checked(text, "Say it in words; the text is empty.")
        await store.add_entry(access.grant, desk.database, number, kind, body, notice=notice)


def _checked(text: str, otherwise: str) -> str:
    if not text.strip():
        raise InvalidSearch(otherwise)
    if len(text) > TEXT_MAX:
        raise InvalidSearch(f"The text is longer than {TEXT_MAX} characters; write it in parts.")
    return text.strip()
