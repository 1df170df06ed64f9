"""Rules of Bundles for all their entries (R4, bundle.html): addresses, links, and what belongs together.

A document holds its Composition, what that refers to directly or indirectly, and what refers to such
(R4, documents.html#content).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from salus.standards.fhir.profiles.run import Run
from salus.standards.fhir.validation.issue import Where, quote

Json = dict[str, Any]  # Any: FHIR JSON

_ADDRESSED = frozenset({"document", "message", "searchset", "history", "collection"})
"""Types of Bundles of which every entry has an address; a request or its answer may have none."""

_LOST = frozenset(
    {
        "document-full-url",
        "document-reference",
        "document-reference-address",
        "document-reference-outside",
        "reference-nowhere",
        "reference-outside",
    }
)
"""What is reported of references of a document that lead to none of its entries."""

_PAGING = frozenset({"first", "previous", "prev", "next", "last"})
_PAGED = frozenset({"searchset", "history"})


def check_bundle(bundle: Json, where: Where, run: Run) -> None:
    """Report what is wrong with a Bundle's entries and links as such."""
    kind = bundle.get("type")
    if type(kind) is not str:
        return
    _check_links(bundle, kind, where, run)
    rows = _objects(bundle, "entry")
    if kind in _ADDRESSED and kind != "document":
        for index, entry in rows:
            if "fullUrl" not in entry and _needs_address(entry, kind):
                message = f"Every entry of a {kind} needs a fullUrl, by which others refer to it; add it."
                run.add(
                    "error",
                    "required",
                    "full-url-missing",
                    ((where, "entry", index), "fullUrl", None),
                    message,
                )
    if kind == "searchset":
        _check_found(rows, where, run)
    if kind == "message":
        _check_focus(rows, where, run)


def _objects(node: Json, key: str) -> list[tuple[int, Json]]:
    rows = node.get(key)
    return [(index, row) for index, row in enumerate(rows if type(rows) is list else ()) if type(row) is dict]


def _needs_address(entry: Json, kind: str) -> bool:
    """Return whether an entry holds something that could be referred to."""
    resource = entry.get("resource")
    is_outcome = type(resource) is dict and resource.get("resourceType") == "OperationOutcome"
    return type(resource) is dict and not (kind == "searchset" and is_outcome)


def _check_links(bundle: Json, kind: str, where: Where, run: Run) -> None:
    seen: set[str] = set()
    for index, link in _objects(bundle, "link"):
        relation, place = link.get("relation"), ((where, "link", index), "relation", None)
        if type(relation) is not str:
            continue
        if relation in _PAGING and kind in ("document", "message"):
            message = f"A {kind} is whole; it has no link {quote(relation)}. Remove it."
            run.add("error", "invalid", "bundle-link", place, message)
        elif relation in seen and (relation == "self" or (relation in _PAGING and kind in _PAGED)):
            message = f"There are two links {quote(relation)}; keep one."
            run.add("error", "invalid", "bundle-link", place, message)
        seen.add(relation)


def _check_found(rows: list[tuple[int, Json]], where: Where, run: Run) -> None:
    """What a search has found has an id."""
    for index, entry in rows:
        resource = entry.get("resource")
        if type(resource) is dict and "id" not in resource and _needs_address(entry, "searchset"):
            place: Where = ((where, "entry", index), "resource", None)
            run.add("error", "required", "search-result-id", place, "What a search found has an id; add it.")


def _check_focus(rows: list[tuple[int, Json]], where: Where, run: Run) -> None:
    """What a message is about is in it."""
    header = rows[0][1].get("resource") if rows else None
    if type(header) is not dict or header.get("resourceType") != "MessageHeader":
        return
    around, run.resource = run.resource, header
    for index, focus in _objects(header, "focus"):
        text = focus.get("reference")
        if type(text) is str and run.resolve(text) is None:
            place: Where = ((((where, "entry", 0), "resource", None), "focus", index), "reference", None)
            message = f"{quote(text)} is not in the message; add the entry or correct the reference."
            run.add("error", "not-found", "message-focus", place, message)
    run.resource = around


def check_belonging(bundle: Json, where: Where, run: Run) -> None:
    """Report entries of a document that its Composition leads not to, and that lead to nothing that it does.

    Called when the references of all entries are known (`Run.links`). Nothing is said where a reference leads
    nowhere: the entry that it should lead to is then no stranger.
    """
    if any(one.message_id in _LOST for one in run.issues):
        return
    held = {id(entry["resource"]): index for index, entry in _resources(bundle)}
    if bundle.get("type") != "document" or not held:
        return
    first = next(iter(held))
    if not held.keys() <= _reached(first, run.links):
        reached = _reached(first, _both_ways(run.links))
        left = {index for one, index in held.items() if one not in reached}
        if left:
            _report_strangers(bundle, left, where, run)


def _both_ways(links: dict[int, set[int]]) -> dict[int, set[int]]:
    tied: dict[int, set[int]] = {}
    for one, others in links.items():
        for other in others:
            tied.setdefault(one, set()).add(other)
            tied.setdefault(other, set()).add(one)
    return tied


def _resources(bundle: Json) -> Iterator[tuple[int, Json]]:
    return ((index, one) for index, one in _objects(bundle, "entry") if type(one.get("resource")) is dict)


def _reached(start: int, tied: dict[int, set[int]]) -> set[int]:
    """Return all to which ties lead from a start."""
    found = {start}
    level = {start}
    while level:
        level = {one for key in level for one in tied.get(key, ())} - found
        found |= level
    return found


def _report_strangers(bundle: Json, strangers: set[int], where: Where, run: Run) -> None:
    """Report entries, but for those that others name by an address of another kind (canonical, uri)."""
    named: set[str] = set()
    for index, entry in _resources(bundle):
        if index not in strangers:
            named.update(_texts(entry["resource"]))
    for index, entry in _resources(bundle):
        resource = entry["resource"]
        names = {
            entry.get("fullUrl"),
            resource.get("url"),
            f"{resource.get('resourceType')}/{resource.get('id')}",
        }
        if index in strangers and named.isdisjoint(names):
            message = (
                "Nothing leads from the document's Composition to this entry, or from this entry to what the "
                "Composition refers to; refer to it, or take it out."
            )
            run.add("error", "invalid", "document-stranger", (where, "entry", index), message)


def _texts(node: Json) -> Iterator[str]:
    """Yield every text below a resource, level by level, without the version of an address."""
    level: list[Any] = [node]
    while level:
        children = [child for part in level for child in (part.values() if type(part) is dict else part)]
        yield from (child.partition("|")[0] for child in children if type(child) is str)
        level = [child for child in children if type(child) is dict or type(child) is list]
