"""The OpenAPI 3.1 description of a node, made of the tables by which its faces choose who answers.

It names every address for software with its methods; what stands in FHIR bodies and queries is told by the
CapabilityStatement, and what the pages for people are by docs/interfaces.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse

from salus.core.identifiers import FHIR_ID
from salus.standards.fhir.model import resource_types
from salus.web.addresses import find, methods_of
from salus.web.fhir.capability import VERSION
from salus.web.services import Face, Receive, Scope, Send, Services

Json = dict[str, Any]  # Any: OpenAPI is open JSON
PATH = "/openapi.json"
ADDRESSES: Mapping[str, Mapping[str, str]] = {PATH: {"GET": "describe"}}
WITH_BODY = ("POST", "PUT", "PATCH")
_NAME = re.compile(r"\{(\w+)\}")
_BODIES = (
    ("/fhir", "application/fhir+json", {"type": "object"}),
    ("/oauth", "application/x-www-form-urlencoded", {"type": "object"}),
    ("/federation", "application/jwt", {"type": "string"}),
    ("", "application/json", {"type": "object"}),
)
_NUMBER = {"type": "integer", "minimum": 1}


def face(services: Services, faces: Sequence[Face]) -> Face:
    """Return the door of the description of `faces` and of itself."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        find(ADDRESSES, scope["method"], scope["path"])
        answer = JSONResponse(described, headers={"cache-control": "max-age=3600"})
        await answer(scope, receive, send)

    itself = Face((PATH,), application, methods_of(ADDRESSES), (PATH,))
    described = describe([*faces, itself], base_url=services.base_url, name=services.name)
    return itself


def describe(faces: Sequence[Face], *, base_url: str, name: str) -> Json:
    """Return the description of what the faces answer."""
    paths = {
        template: {
            method.lower(): _operation(method, template, is_public=template in each.public)
            for method in methods
        }
        for each in faces
        for template, methods in each.addresses.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Salus: {name}",
            "version": VERSION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base_url}],
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "paths": dict(sorted(paths.items())),
    }


def _operation(method: str, template: str, *, is_public: bool) -> Json:
    operation: Json = {
        "operationId": f"{method.lower()} {template}",
        "responses": {
            "2XX": {"description": "Done; docs/interfaces.md says what is answered."},
            "4XX": {"description": "Refused: an OperationOutcome or an error of RFC 6749 says why."},
        },
        "security": [] if is_public else [{"bearer": []}],
    }
    if names := _NAME.findall(template):
        operation["parameters"] = [_parameter(name) for name in names]
    if method in WITH_BODY:
        media, schema = next(body[1:] for body in _BODIES if template.startswith(body[0]))
        operation["requestBody"] = {"content": {media: {"schema": schema}}}
    return operation


def _parameter(name: str) -> Json:
    schemas = {
        "type": {"type": "string", "enum": sorted(resource_types())},
        "member": {"type": "string", "enum": sorted(resource_types())},
        "id": {"type": "string", "pattern": f"^{FHIR_ID.pattern}$"},
        "number": _NUMBER,
        "version": _NUMBER,
    }
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": schemas.get(name, {"type": "string", "minLength": 1}),
    }
