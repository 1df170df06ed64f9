"""The audit as AuditEvent resources (`audit_event`), made from the ledger when they are asked for.

Nothing is stored twice: the leaf in the ledger is the truth, and its proof is at /ledger. So an event has no
address of its own, and its entry a `urn:uuid`. When an access was stands in the leaf: a search by date reads
the patient's log from the newest on, so many leaves a page, and goes on at `next`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from salus.core.access import Action, Caller, Grant, Role
from salus.core.errors import InvalidSearch, TooCostly
from salus.core.identifiers import is_fhir_id, new_id
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.query_string import Pairs, format_pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.match import condition_holds
from salus.standards.fhir.search.query import Condition, RangeValue, Value
from salus.store.access_log import LoggedAccess, access_log, node_log
from salus.store.search_cursor import bound_to, open_mark, seal_mark
from salus.web.fhir.answer import Answer, join_bundle
from salus.web.fhir.audit_event import audit_event, instant
from salus.web.fhir.door import pass_gate
from salus.web.fhir.history import read_count
from salus.web.fhir.request import FhirRequest, first
from salus.web.services import Services

Json = dict[str, Any]  # FHIR content is open JSON

CURSOR = "_cursor"
KNOWN = frozenset({"patient", "date", "_count", "_total", "_summary", CURSOR})
BATCH = 500
BATCHES_MAX = 20
"""At most so many batches of leaves are read for a page, or for a total."""
OUT_OF_ORDER = timedelta(hours=1)
"""By how much an older leaf may have arrived later; minutes, where a node was out of time."""
_FROM_BELOW = frozenset({"eq", "ge", "gt", "sa"})


class Asked(msgspec.Struct, frozen=True):
    """A search of the audit.

    Args:
        patient: whose accesses, "" for everybody's.
        dates: the conditions on `date`, all of which hold.
        count: events on a page.
        total: how many there are is asked for.
        applied: the parameters as understood, for the links.
    """

    patient: str
    dates: tuple[Condition, ...]
    count: int
    total: bool
    applied: Pairs

    def holds(self, logged: LoggedAccess) -> bool:
        """Return whether an access is of the times asked for."""
        event = {"resourceType": "AuditEvent", "recorded": instant(logged.leaf.at)}
        return all(condition_holds(one, event) for one in self.dates)

    def ends_at(self, logged: LoggedAccess) -> bool:
        """Return whether no access before this one can be of the times asked for."""
        latest = (logged.leaf.at + OUT_OF_ORDER).timestamp()
        return any(all(_is_above(value, latest) for value in one.values) for one in self.dates)


def _is_above(value: Value, moment: float) -> bool:
    return isinstance(value, RangeValue) and value.prefix in _FROM_BELOW and moment < value.low


async def search(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer the accesses to one patient's record, the newest first; to the caller's own for a citizen.

    To all records where an auditor names none: for a repository that collects them (IHE ITI-81).
    """
    asked = _read(services, request.pairs, caller)
    mark, key = first(request.pairs, CURSOR), services.keys.search
    named = [name for name, given in (("date", asked.dates), ("patient", asked.patient)) if given]
    what = f"AuditEvent?{','.join(named)}" if named else "AuditEvent"
    patients = frozenset((asked.patient,)) if asked.patient else None
    async with pass_gate(services, caller, Action.AUDIT, "AuditEvent", what, patients=patients) as access:
        dates = [text for name, text in asked.applied if name == "date"]
        bound = bound_to(access.grant, "AuditEvent", asked.patient, dates)
        before = open_mark(key, bound, mark, int) if mark else None
        found: list[LoggedAccess] = []
        after: int | None = None
        if asked.count:
            found, after = await _scan(access.grant, services, asked, before, count_max=asked.count)
        total = await _total(access.grant, services, asked) if asked.total else None
    address = f"{services.fhir_base}/AuditEvent"
    link = [{"relation": "self", "url": f"{address}?{format_pairs(asked.applied)}"}]
    if after is not None:
        following = format_pairs([*asked.applied, (CURSOR, seal_mark(key, bound, after))])
        link.append({"relation": "next", "url": f"{address}?{following}"})
    head: Json = {"resourceType": "Bundle", "id": new_id(), "type": "searchset"}
    if total is not None:
        head["total"] = total
    return Answer(200, join_bundle(head | {"link": link}, [entry(services, one) for one in found]))


def _read(services: Services, pairs: Pairs, caller: Caller) -> Asked:
    """Return what is asked for.

    Raises:
        InvalidSearch: naming what cannot be read or is not known.
    """
    strange = [name for name, _ in pairs if name not in KNOWN]
    summary, total = first(pairs, "_summary") or "false", first(pairs, "_total") or "none"
    if strange or summary not in ("count", "false") or total not in ("none", "estimate", "accurate"):
        raise InvalidSearch(
            "The audit is searched by patient and date; it takes _count, _total and _summary=count, and no "
            "other parameter."
        )
    is_whole = caller.role is Role.AUDITOR and not any(name == "patient" for name, _ in pairs)
    patient = "" if is_whole else patient_of(pairs, caller)
    limits = services.limits
    count = read_count(pairs, limits.page_count_default, limits.page_count_max)
    count = 0 if summary == "count" else count
    asked = [(name, text) for name, text in pairs if name == "date"]
    query = parse_query("AuditEvent", asked, limits, strict=True, now=services.clock())
    dates = tuple(one for one in query.criteria if isinstance(one, Condition))
    applied = [*([("patient", patient)] if patient else []), *asked, ("_count", str(count))]
    if total != "none":
        applied.append(("_total", total))
    return Asked(patient, dates, count, total != "none" or not count, tuple(applied))


async def _scan(
    grant: Grant, services: Services, asked: Asked, before: int | None, *, count_max: int
) -> tuple[list[LoggedAccess], int | None]:
    """Return accesses asked for, the newest first, and below which arrival more may be (None: the end)."""
    found: list[LoggedAccess] = []
    last, size = before, BATCH if asked.dates else min(BATCH, count_max + 1)
    for _ in range(BATCHES_MAX):
        if asked.patient:
            batch = await access_log(grant, services.database, asked.patient, count=size, before=last)
        else:
            batch = await node_log(grant, services.database, count=size, before=last)
        for one in batch:
            if asked.holds(one):
                if len(found) == count_max:
                    return found, last
                found.append(one)
            last = one.arrival
        if len(batch) < size or asked.ends_at(batch[-1]):
            return found, None
    return found, last


async def _total(grant: Grant, services: Services, asked: Asked) -> int:
    """Return how many accesses there are.

    Raises:
        TooCostly: the log is longer than is read at once.
    """
    found, after = await _scan(grant, services, asked, None, count_max=BATCH * BATCHES_MAX)
    if after is not None:
        raise TooCostly("The log is too long to be counted whole: name a time, as in date=ge2026-11-01.")
    return len(found)


def patient_of(pairs: Pairs, caller: Caller) -> str:
    """Return the logical id of the patient whose accesses are asked for.

    Raises:
        InvalidSearch: none is named, or by no id.
    """
    named = [text.removeprefix("Patient/") for name, text in pairs if name == "patient"] or [
        caller.patient or ""
    ]
    if len(named) != 1 or not all(is_fhir_id(part) for part in named[0].split(":", 1)):
        raise InvalidSearch(
            "Name one patient whose accesses to read: AuditEvent?patient=ID, or NODE:ID of another node."
        )
    return named[0]


def event_of(services: Services, logged: LoggedAccess) -> Json:
    """Return one access as an AuditEvent."""
    identity, base = str(logged.arrival), services.fhir_base
    return audit_event(logged.leaf, identity=identity, node=services.name, address=base)


def entry(services: Services, logged: LoggedAccess) -> bytes:
    """Return the Bundle entry of one access."""
    identity, base = str(logged.arrival), services.fhir_base
    event = event_of(services, logged)
    own = uuid5(NAMESPACE_URL, f"{base}/AuditEvent/{identity}")
    found = {"fullUrl": f"urn:uuid:{own}", "resource": event, "search": {"mode": "match"}}
    return write_json(found)
