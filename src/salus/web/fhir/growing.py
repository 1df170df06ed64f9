"""SearchParameters that an operator stores: each becomes a parameter of this node (R4 search.html#declaring).

An active one is registered in the transaction that stores it, or the write is refused; the stored resources
are then indexed by it (a task of the node), and until that is done no search may use it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from salus.standards.fhir.bundle import Resource
from salus.standards.fhir.model import SearchComponent, SearchParameterRow
from salus.store import search_parameters
from salus.store.changes import Written
from salus.store.conditions import Here


def definition_of(resource: Resource) -> SearchParameterRow:
    """Return what is indexed of a valid SearchParameter."""
    return SearchParameterRow(
        url=str(resource.get("url", "")),
        code=str(resource.get("code", "")),
        type=str(resource.get("type", "")),
        base=tuple(resource.get("base", ())),
        expression=str(resource.get("expression", "")),
        target=tuple(resource.get("target", ())),
        components=tuple(
            SearchComponent(one["definition"], one["expression"]) for one in resource.get("component", ())
        ),
        usage=str(resource.get("xpathUsage", "")),
        multiple_or=resource.get("multipleOr", True) is not False,
    )


async def keep(here: Here, written: Sequence[Written]) -> None:
    """Register, change or remove the parameters of the SearchParameters that were written.

    One that is sent again unchanged is registered too: it may have come by a load, which registers none.

    Raises:
        InvalidResource, InvalidExpression: one that is active cannot be searched by.
    """
    for one in written:
        resource = one.resource
        if resource.type != "SearchParameter":
            continue
        content = {} if resource.deleted else msgspec.json.decode(resource.content, type=dict[str, object])
        if content.get("status") == "active":
            definition = definition_of(content)
            at = here.grant.opened_at
            await search_parameters.register(here.connection, definition, at=at, resource_id=resource.id)
        else:
            await search_parameters.remove(here.connection, resource.id)
