"""What an update keeps of the version before, though the client left it out.

Profiles, security labels and tags outlive an update that does not name them (R4, resource.html#tag-updates);
so does where a resource came from: a correction by hand does not make it another system's. A list that is
sent replaces the one before, another meta.source ends the old provenance, and a patch may take out what it
names.
"""

from __future__ import annotations

from typing import Any

import msgspec

from salus.core.limits import Limits
from salus.standards.fhir.bundle import Resource
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.codec.splice import ORIGINAL_ID, replace_meta
from salus.store.rows import StoredResource, original_id

LISTS = ("profile", "security", "tag")


class Origin(msgspec.Struct, frozen=True):
    """The system a resource came from and its id there, "" for none."""

    source: str = ""
    source_id: str = ""


NOWHERE = Origin()


def continued(
    before: StoredResource | None, resource: Resource, content: bytes, limits: Limits
) -> tuple[Resource, bytes]:
    """Return an update, and its bytes, with the parts of meta that it leaves out and the node keeps."""
    if before is None or before.deleted or b'"meta"' not in before.content:
        return resource, content
    old = parse_json(before.content, limits).get("meta", {})
    given = resource.get("meta", {})
    names = LISTS if before.source else (*LISTS, "source")
    kept = {name: old[name] for name in names if name in old and name not in given}
    if not kept:
        return resource, content
    meta = {**given, **kept}
    return {**resource, "meta": meta}, replace_meta(content, meta)


def origin_after(before: StoredResource | None, resource: Resource) -> Origin:
    """Return where a resource came from once the update is stored."""
    if before is None or before.deleted or not before.source_id:
        return NOWHERE
    given = resource.get("meta", {}).get("source")
    if given not in (None, before.source):
        return NOWHERE
    return Origin(before.source, before.source_id)


def with_origin(resource: Resource, origin: Origin) -> Resource:
    """Return a resource as it is found by search: with its source, and the tag of its id there."""
    given: dict[str, Any] = resource.get("meta", {})  # Any: FHIR content is open JSON
    tags = [tag for tag in given.get("tag", ()) if tag.get("system") != ORIGINAL_ID]
    if not origin.source_id and len(tags) == len(given.get("tag", ())):
        return resource
    meta = {name: value for name, value in given.items() if name != "tag"}
    if origin.source:
        meta["source"] = origin.source
    if original_id(origin.source_id):
        tags.append({"system": ORIGINAL_ID, "code": original_id(origin.source_id)})
    return {**resource, "meta": meta | {"tag": tags} if tags else meta}
