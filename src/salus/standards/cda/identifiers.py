"""Instance identifiers: II (root, extension) to Identifier."""

from __future__ import annotations

import re
import uuid

from salus.standards.cda.coded import system_uri
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.node import Node

URI = "urn:ietf:rfc:3986"
OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]{0,38}))+", re.ASCII)


def identifier(node: Node, conversion: Conversion) -> Resource:
    """Return an II as Identifier, {} for one that is null or empty.

    A root alone is an identifier by itself, which FHIR says as a URI. A root that is neither OID nor UUID
    names no system: it becomes the assigner's name, which is told.
    """
    root, extension = node.get("root"), node.get("extension")
    assigner, _ = node.get("assigningAuthorityName"), node.get("displayable")
    made: Resource = {}
    if root and extension:
        system = uri_of(root)
        made = {"system": system, "value": extension} if system else {"value": extension}
        if not system:
            assigner = assigner or root
            conversion.approximate(node, "the root is neither OID nor UUID, and names no system", root)
    elif root:
        whole = uri_of(root, as_system=False)
        made = {"system": URI, "value": whole} if whole else {"value": root}
        if not whole:
            conversion.approximate(node, "the root is neither OID nor UUID, and names no system", root)
    elif extension and assigner.startswith(("http://", "https://", "urn:")):
        made, assigner = {"system": assigner, "value": extension}, ""
    elif extension:
        made = {"value": extension}
    if made and assigner:
        made["assigner"] = {"display": assigner}
    return made


def identifiers(owner: Node, conversion: Conversion, name: str = "id") -> list[Resource]:
    """Return the identifiers of an element that say anything."""
    return [made for each in owner.all(name) if (made := identifier(each, conversion))]


def uri_of(root: str, *, as_system: bool = True) -> str:
    """Return an OID or UUID as URI, "" when it is neither."""
    if OID.fullmatch(root):
        return system_uri(root) if as_system else f"urn:oid:{root}"
    try:
        return f"urn:uuid:{uuid.UUID(root)}" if len(root) == 36 else ""
    except ValueError:
        return ""
