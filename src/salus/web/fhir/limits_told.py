"""What every professional is told of every list of a person's data: the citizen may have limited it (EHDS 8).

It says so restricted or not, by who asks alone, so that it tells nothing of whom. It stands in `meta.tag` of
the Bundle and not in an entry: who counts entries, counts what was found.
"""

from __future__ import annotations

from typing import Any

from salus.core.access import Caller
from salus.core.identifiers import new_id
from salus.trust.audiences import is_professional
from salus.trust.explain import LIMITED

TAG = {"system": "urn:salus:notice", "code": "may-be-limited", "display": LIMITED}


def head_for(caller: Caller, kind: str) -> dict[str, Any]:  # Any: FHIR content is open JSON
    """Return how a Bundle of data begins that answers the caller; `kind` is its type."""
    head: dict[str, Any] = {"resourceType": "Bundle", "id": new_id()}
    if is_professional(caller):
        head["meta"] = {"tag": [TAG]}
    return head | {"type": kind}
