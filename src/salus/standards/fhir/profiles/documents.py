"""Rules of document Bundles (R4, documents.html): every entry has an address, and the Composition's
references lead
to entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from salus.standards.fhir.profiles.items import Item, reader
from salus.standards.fhir.profiles.run import Run
from salus.standards.fhir.validation.issue import Where, quote

SECTIONS_MAX = 5_000

_OWN = ("subject", "encounter", "author", "custodian")


def check_document(bundle: dict[str, Any], where: Where, run: Run) -> None:  # Any: FHIR JSON
    """Report what is wrong with a Bundle of type document, beyond its invariants."""
    if bundle.get("type") != "document":
        return
    entries = reader("Bundle", "entry")(bundle, where)
    for entry, _, _, place in entries:
        if "fullUrl" not in entry:
            message = "Every entry of a document needs a fullUrl, by which others refer to it; add it."
            run.add("error", "required", "document-full-url", (place, "fullUrl", None), message)
        _check_address(entry, place, run)
    first = reader("Bundle.entry", "resource")(entries[0][0], entries[0][3]) if entries else []
    if not first or first[0][2] != "Composition":
        return
    composition = first[0]
    around = run.resource, run.container
    run.resource = run.container = composition[0]
    for item in _references(composition):
        _leads_to_entry(item, run)
    run.resource, run.container = around


def _check_address(entry: dict[str, Any], where: Where, run: Run) -> None:
    """Report a fullUrl of a server's resource of which the resource has no id."""
    address, resource = entry.get("fullUrl"), entry.get("resource")
    if type(address) is str and type(resource) is dict and "id" not in resource:
        kind = str(resource.get("resourceType"))
        if address.startswith("http") and f"/{kind}/" in address:
            message = (
                f"fullUrl is the address of a {kind} on a server; give the resource the id it ends with."
            )
            run.add("error", "required", "full-url-without-id", (where, "fullUrl", None), message)


def _references(composition: Item) -> Iterator[Item]:
    node, _, kind, where = composition
    for name in _OWN:
        yield from reader(kind, name)(node, where)
    for attester in reader(kind, "attester")(node, where):
        yield from reader(attester[2], "party")(attester[0], attester[3])
    for event in reader(kind, "event")(node, where):
        yield from reader(event[2], "detail")(event[0], event[3])
    level = reader(kind, "section")(node, where)
    count = 0
    while level and count < SECTIONS_MAX:
        count += len(level)
        for section in level:
            for name in ("entry", "author", "focus"):
                yield from reader(section[2], name)(section[0], section[3])
        level = [inner for one in level for inner in reader(one[2], "section")(one[0], one[3])]


def _leads_to_entry(item: Item, run: Run) -> None:
    text = item[0].get("reference")
    if type(text) is not str or text[:1] == "#":
        return
    if run.resolve(text) is not None:
        if not run.around.is_addressed(text, run.resource):
            message = (
                f"By fullUrl, {quote(text)} leads to no entry: it continues the address of its own entry. "
                "Refer to the fullUrl, or give entries the addresses of one server."
            )
            run.add("error", "not-found", "document-reference-address", item[3], message)
        return
    if text.startswith(("http://", "https://")):
        message = f"{quote(text)} is not in the document; a reader without network cannot follow it."
        run.add("warning", "not-found", "document-reference-outside", item[3], message)
    else:
        message = (
            f"No entry of the document has the fullUrl or id that {quote(text)} refers to; add the entry."
        )
        run.add("error", "not-found", "document-reference", item[3], message)
