"""The operations of a TestScript as HTTP requests (R4 testscript.html, TestScript.setup.action.operation)."""

from __future__ import annotations

from urllib.parse import quote

import httpx

from conformance.scoreboard.testscript.script import Json, Played, ScriptFailed, resource_of
from salus.core.errors import SalusError
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.codec.xml import write_xml

_METHODS = {
    "read": "GET",
    "vread": "GET",
    "search": "GET",
    "history": "GET",
    "capabilities": "GET",
    "create": "POST",
    "update": "PUT",
    "updateCreate": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "transaction": "POST",
    "batch": "POST",
}
_MEDIA = {"json": "application/fhir+json", "xml": "application/fhir+xml"}
_KEPT_UNENCODED = "/?&=:;,|$%+@!*'()~-._"


def perform(operation: Json, played: Played, client: httpx.Client) -> None:
    """Send the request of an operation and keep its answer."""
    code = operation.get("type", {}).get("code", "")
    method = str(operation.get("method", "")).upper() or _METHODS.get(code) or ("POST" if code else "")
    if not method:
        raise ScriptFailed("an operation names neither a type nor a method")
    headers = {"accept": _media(operation.get("accept", "json"), played)}
    for one in operation.get("requestHeader", ()):
        headers[one["field"]] = played.filled(one["value"])
    body = b""
    source = operation.get("sourceId")
    if source and method in ("POST", "PUT", "PATCH"):
        headers["content-type"] = _media(operation.get("contentType", "json"), played)
        resource = played.resource(source)
        if method == "PUT" and operation.get("targetId"):
            resource = resource | {"id": played.id_of(operation["targetId"])}
        body = write_xml(resource) if "xml" in headers["content-type"] else write_json(resource)
    address = _address(operation, code, played)
    if operation.get("encodeRequestUrl", True) is not False:
        address = quote(address, safe=_KEPT_UNENCODED)
    if "://" in address and not address.startswith(str(client.base_url)):
        raise ScriptFailed(f"the address {address[:80]} is not that of the server under test")
    answer = client.request(method, address.lstrip("/"), content=body, headers=headers)
    played.last = answer
    _keep(operation, played, answer)


def _media(name: str, played: Played) -> str:
    return _MEDIA.get(name, played.filled(name))


def _address(operation: Json, code: str, played: Played) -> str:
    """Return the address below the base; `url` stands for all of it."""
    if "url" in operation:
        return played.filled(operation["url"])
    parts = [operation["resource"]] if "resource" in operation else []
    target = operation.get("targetId")
    if target:
        parts = [str(played.resource(target)["resourceType"]), played.id_of(target)]
    elif not parts and operation.get("sourceId") and code not in ("transaction", "batch"):
        parts = [str(played.resource(operation["sourceId"])["resourceType"])]
    if code == "capabilities":
        parts = ["metadata"]
    elif code == "history":
        parts.append("_history")
    elif code == "vread":
        parts += ["_history", str(played.resource(target)["meta"]["versionId"])]
    elif code and code not in _METHODS:
        parts.append(f"${code}")
    return "/".join(parts) + played.filled(operation.get("params", ""))


def _keep(operation: Json, played: Played, answer: httpx.Response) -> None:
    """Keep an answer under its id, and the id that a create gave to its source."""
    kept = operation.get("responseId")
    if kept:
        played.answers[kept] = answer
        try:
            played.fixtures[kept] = resource_of(answer)
        except (ScriptFailed, SalusError):
            played.fixtures.pop(kept, None)
    source = operation.get("sourceId")
    if source and answer.request.method in ("POST", "PUT"):
        identity = identity_in(answer.headers.get("location", ""))
        if identity:
            played.server_ids[source] = identity


def identity_in(location: str) -> str:
    """Return the id in the address of a resource or of a version of it, "" where there is none."""
    parts = location.split("/_history/")[0].rstrip("/").split("/")
    return parts[-1] if len(parts) > 1 else ""
