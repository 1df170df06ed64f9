"""Medicines of the shared directory: in no record, and telling what somebody has by being named in one."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from salus.store import veils
from salus.store.postgres import Connection
from salus.trust.consent.voice import Item, item_of, showing

_TYPES = frozenset({"Medication", "Substance"})
Products = dict[str, Item | None]
"""By "Type/id"; None for one that is not here."""


async def with_products(connection: Connection, item: Item, products: Products) -> Item:
    """Return a resource of a record with what the medicines that it names are about.

    Args:
        connection: in the transaction that judges.
        item: the resource.
        products: those read so far; what is missing is read and added.
    """
    named = list(products_named(item))
    if not named:
        return item
    missing = {name for name in named if name not in products}
    if missing:
        products.update(dict.fromkeys(missing))
        products.update(await _read(connection, missing))
    return showing(item, [product for name in named if (product := products[name]) is not None])


async def _read(connection: Connection, names: set[str]) -> Products:
    keys = [("", kind, identity) for kind, _, identity in (name.partition("/") for name in sorted(names))]
    found: Products = {}
    for _, kind, identity, content in await veils.contents(connection, keys):
        resource = {**msgspec.json.decode(content), "resourceType": kind, "id": identity}
        found[f"{kind}/{identity}"] = item_of(resource)
    return found


def products_named(item: Item) -> Iterator[str]:
    """Yield the medicines and substances of the directory that a resource names, as "Type/id"."""
    for reference in item.refers_to or ():
        *_, kind, identity = ("", *reference.split("/"))
        if kind in _TYPES:
            yield f"{kind}/{identity}"
