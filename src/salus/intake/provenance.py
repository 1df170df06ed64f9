"""Where what is in the record came from: one Provenance for what was made of a received document (R4).

It names the document, the system that sent it, the authors that the document names and, where a professional
took the document over, who that was. It comes and goes with what was made of the document.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from salus.standards.fhir.search.values import date_interval

Resource = dict[str, Any]  # FHIR content is open JSON
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
ACTIVITY = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
URI = "urn:ietf:rfc:3986"


def provenance_of(
    described: Resource,
    targets: Sequence[str],
    *,
    own_id: str,
    source: str,
    received: datetime,
    verifier: str = "",
) -> Resource:
    """Return the Provenance of what was made of a document.

    Args:
        described: its DocumentReference, with the node's ids.
        targets: "Type/id" of what was made of it.
        own_id: the Provenance's.
        source: the system that sent the document.
        received: when it was taken apart.
        verifier: name of the professional who took it over, "" where a system of the node's own sent it.
    """
    subject = str(described.get("subject", {}).get("reference", ""))
    named = [*targets, *([subject] if subject and subject not in targets else [])]
    agents: list[Resource] = [
        {"type": _kind("author", "Author"), "who": who} for who in described.get("author", ()) if _names(who)
    ]
    sender = {"identifier": {"system": URI, "value": source}}
    agents.append({"type": _kind("transmitter", "Transmitter"), "who": sender})
    if verifier:
        agents.append({"type": _kind("verifier", "Verifier"), "who": {"display": verifier}})
    provenance: Resource = {
        "resourceType": "Provenance",
        "id": own_id,
        "target": [{"reference": name} for name in named],
        "recorded": received.astimezone(UTC).isoformat(timespec="seconds"),
        "activity": {"coding": [{"system": ACTIVITY, "code": "CREATE", "display": "create"}]},
        "agent": agents,
        "entity": [{"role": "source", "what": {"reference": f"DocumentReference/{described['id']}"}}],
    }
    written = described.get("content", [{}])[0].get("attachment", {}).get("creation") or described.get("date")
    if isinstance(written, str) and date_interval(written) is not None:
        provenance["occurredDateTime"] = written
    return provenance


def _kind(code: str, display: str) -> Resource:
    return {"coding": [{"system": PARTICIPANT, "code": code, "display": display}]}


def _names(who: Any) -> bool:  # whatever was sent
    return isinstance(who, dict) and bool(who.keys() & {"reference", "identifier", "display"})
