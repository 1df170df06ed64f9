"""Requests of the story: one node, one token, one answer that is as expected or fails the step."""

from __future__ import annotations

from typing import Any

import msgspec

from salus.cli.story.account import StepFailed, expect
from salus.cli.story.stage import Stage

FHIR_JSON = "application/fhir+json"
Answer = dict[str, Any]  # JSON of an interface, hence Any


async def get(stage: Stage, country: str, path: str, token: str) -> Answer:
    """Return the JSON at a path of a country's node. Raises StepFailed on any status but 200."""
    answer = await stage.client.get(f"{stage.url(country)}{path}", headers=_bearer(token))
    return _accepted(country, path, answer.status_code, answer.content, (200,))


async def send(
    stage: Stage,
    country: str,
    method: str,
    path: str,
    token: str,
    body: object = None,
    *,
    kind: str = FHIR_JSON,
) -> Answer:
    """Send JSON and return the JSON answer. Raises StepFailed on any status but 200 and 201."""
    content = b"" if body is None else msgspec.json.encode(body)
    headers = _bearer(token) | {"content-type": kind, "accept": "application/json, application/fhir+json"}
    answer = await stage.client.request(
        method, f"{stage.url(country)}{path}", content=content, headers=headers
    )
    return _accepted(country, path, answer.status_code, answer.content, (200, 201))


async def abroad(stage: Stage, path: str, token: str, body: object) -> Answer:
    """Ask the Estonian node to ask abroad."""
    return await send(stage, "EE", "POST", f"/abroad{path}", token, body, kind="application/json")


async def refused(stage: Stage, country: str, path: str, token: str, body: object) -> tuple[int, str]:
    """Return status and reason of a request that must be refused. Raises StepFailed when it is answered."""
    headers = _bearer(token) | {"content-type": "application/json"}
    answer = await stage.client.post(
        f"{stage.url(country)}{path}", content=msgspec.json.encode(body), headers=headers
    )
    expect(answer.status_code >= 400, f"{path} was answered although it had to be refused")
    return answer.status_code, _reason(answer.content)


def resources(bundle: Answer, kind: str) -> list[Answer]:
    """Return the resources of one type in a Bundle."""
    found = (entry.get("resource", {}) for entry in bundle.get("entry", []))
    return [each for each in found if each.get("resourceType") == kind]


def _bearer(token: str) -> dict[str, str]:
    """Return the header; a public address is asked without a token."""
    return {"authorization": f"Bearer {token}"} if token else {}


def _accepted(country: str, path: str, status: int, content: bytes, good: tuple[int, ...]) -> Answer:
    where = path.partition("?")[0]
    if status not in good:
        raise StepFailed(f"the node of {country} answered {status} at {where}: {_reason(content)}")
    try:
        return msgspec.json.decode(content, type=Answer) if content else {}
    except msgspec.DecodeError:
        raise StepFailed(f"the node of {country} answered at {where} something that is not JSON") from None


def _reason(content: bytes) -> str:
    """Return what an OperationOutcome or another error says."""
    try:
        found = msgspec.json.decode(content)
        return str(found["issue"][0].get("diagnostics") or found["issue"][0]["details"]["text"])[:300]
    except (msgspec.DecodeError, KeyError, IndexError, TypeError, AttributeError):
        return content[:200].decode(errors="replace")
