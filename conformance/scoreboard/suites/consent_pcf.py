"""IHE Privacy Consent on FHIR: a Consent, a request; permitted or not where the default is deny.

Each request is judged by its Consent alone. What is asked for is the resource of the folder with the label,
date and author that the request states; "member of Group/x" and the folder's Groups say who belongs where.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from conformance.scoreboard.suite import Case, Suite
from conformance.scoreboard.vectors import level_apart, objects
from salus.standards.fhir.search.values import date_interval
from salus.trust.consent.provisions import provisions_of
from salus.trust.consent.voice import Asked, Item, item_of, voice_of
from salus.trust.facts import Voice

Table = dict[str, Any]
_MEMBER = "member of "


def _recognises(folder: Path) -> bool:
    return "consent" in folder.name and any(objects(folder, "consent", "request", "decision"))


def _resources(folder: Path) -> dict[str, Table]:
    found = objects(folder, "resourceType", "id")
    return {f"{each['resourceType']}/{each['id']}": each for _, each in found}


def _actors(named: str, resources: dict[str, Table]) -> frozenset[str]:
    if named.startswith(_MEMBER):
        return frozenset({named.removeprefix(_MEMBER)})
    groups = {
        reference
        for reference, each in resources.items()
        if each["resourceType"] == "Group"
        for member in each.get("member", ())
        if member["entity"].get("reference") == named and not member.get("inactive")
    }
    return frozenset({named, *groups})


def _item(request: Table, resources: dict[str, Table]) -> Item:
    reference = request["data"]
    stored = resources.get(reference)
    known = item_of(stored) if stored else Item(reference, frozenset({reference.partition("/")[0]}))
    changes: Table = {}
    if "label" in request:
        labels = request["label"]
        changes["labels"] = frozenset([labels] if isinstance(labels, str) else labels)
    if "data_date" in request:
        changes["period"] = date_interval(request["data_date"])
    if "author" in request:
        changes["authors"] = frozenset({request["author"]})
    if "encounter" in request:
        changes["refers_to"] = frozenset({request["encounter"]})
    elif not stored:
        changes["refers_to"] = frozenset()
    return msgspec.structs.replace(known, **changes)


def _judge(case: Table, resources: dict[str, Table]) -> str:
    request = case["request"]
    consent, at = resources.get(case["consent"]), date_interval(request["at"])
    if consent is None or at is None:
        return "the case names no Consent of the folder, or no time"
    asked = Asked(request["purpose"], _actors(request["actor"], resources), at[0], _item(request, resources))
    voice = voice_of(provisions_of([consent]), asked)
    found = "permit" if voice is Voice.PERMIT else "deny"
    return "" if found == case["decision"] else f"expected {case['decision']}, {found} ({voice})"


def _play(folder: Path) -> Iterator[Case]:
    resources = _resources(folder)
    for name, case in objects(folder, "consent", "request", "decision"):
        yield Case(f"{name} {case.get('why', '')}".strip(), _judge(case, resources), level_apart(case))


SUITE = Suite("consent-pcf", _recognises, _play)
